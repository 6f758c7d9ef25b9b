package jit

import (
	"cmp"
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
)

// maps are the assignments of cells to registers of the host that regions have. Regions with the same one go over to each
// other without moving anything, so a new region takes one that is there unless its own would be better by more than that.
type maps struct {
	list  [][]ir.Cell
	usage [64]uint64 // of cells, by all regions so far
}

// moving is what it costs to come from a region of another map and to go back to one, in uses of cells that are in memory.
const moving = 120

// choose gives the map for a region whose cells have these weights.
func (m *maps) choose(weight *[64]uint64) (number uint32, cells []ir.Cell) {
	for c := range weight {
		m.usage[c] += min(weight[c], 64)
	}
	own := make([]ir.Cell, 0, 34)
	for c := range ir.Cell(64) {
		if c > 0 && (c < 32 || c == ir.Lo || c == ir.Hi) {
			own = append(own, c)
		}
	}
	slices.SortStableFunc(own, func(a, b ir.Cell) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), cmp.Compare(m.usage[b], m.usage[a]))
	})
	own = own[:min(len(own), registers)]
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
	if at >= 0 && best+moving >= sum(own) {
		return uint32(at), m.list[at]
	}
	m.list = append(m.list, own)
	return uint32(len(m.list) - 1), own
}
