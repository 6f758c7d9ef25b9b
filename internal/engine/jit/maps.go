package jit

import (
	"cmp"
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
)

// maps are the assignments of cells to registers of the host that regions have. Regions with the same one go over to each
// other without moving anything, so a new region takes one that is there unless its own would be better by more than that.
//
// A program with much code spends its time on the way between regions: it has one map for all of them.
type maps struct {
	list  [][]ir.Cell
	one   bool       // list has one map, which is for all regions
	usage [64]uint64 // of cells, by all regions so far
}

// manyRegions is how many regions there are in a program with much code. Those that there are by then are compiled anew.
const manyRegions = 40

// unite makes one map for all regions from now on, of the cells that were used most.
func (m *maps) unite() {
	m.list, m.one = [][]ir.Cell{m.best(&m.usage)}, true
}

// best gives the cells with the greatest weights, as many as there are registers. What is not used gets none: temporaries
// want registers, too.
func (m *maps) best(weight *[64]uint64) []ir.Cell {
	cells := make([]ir.Cell, 0, 34)
	for c := range ir.Cell(64) {
		if c > 0 && weight[c] > 0 {
			cells = append(cells, c)
		}
	}
	slices.SortStableFunc(cells, func(a, b ir.Cell) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), cmp.Compare(m.usage[b], m.usage[a]))
	})
	return cells[:min(len(cells), registers)]
}

// moving is what it costs to come from a region of another map and to go back to one, in uses of cells that are in memory.
const moving = 24

// choose gives the map for a region whose cells have these weights, and that is come to that often meanwhile.
func (m *maps) choose(weight *[64]uint64, come uint64) (number uint32, cells []ir.Cell) {
	for c := range weight {
		m.usage[c] += weight[c]
	}
	if m.one {
		return 0, m.list[0]
	}
	own := m.best(weight)
	sum := func(cells []ir.Cell) (s uint64) {
		for _, c := range cells {
			s += weight[c]
		}
		return s
	}
	best, at := uint64(0), -1
	for n, cells := range m.list {
		if s := sum(cells); s > best || at < 0 {
			best, at = s, n
		}
	}
	if at >= 0 && best+moving*come >= sum(own) {
		return uint32(at), m.list[at]
	}
	m.list = append(m.list, own)
	return uint32(len(m.list) - 1), own
}
