package jit

import (
	"math"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
)

// A group is the accesses of a block to addresses that differ from the value of one cell by constants.
type group struct {
	members []int // indices of operations
	lo, hi  int64 // the bytes from lo up to hi, counted from the cell's value, which is among them
	// The same of stores only.
	storeLo, storeHi int64
	align            uint8
}

// guard checks the accesses of each group by one Guard in front of the first. allowed tells whether one may stand at an
// instruction.
func guard(b *lir.Block, narrow bool, allowed func(pc uint64) bool) {
	open := map[ir.Cell]*group{}
	var done []*group
	end := func(c ir.Cell) {
		if g := open[c]; g != nil {
			done = append(done, g)
			delete(open, c)
		}
	}
	inside, reserved := map[int32]bool{}, false // inside are the labels that may be jumped to over what stands here
	for n := range b.Ins {
		i := &b.Ins[n]
		switch i.Op {
		case lir.JumpIf, lir.Jump:
			inside[i.Label] = true
		case lir.Label:
			delete(inside, i.Label)
		case lir.Reserve:
			reserved = true // stores from here on have to look for the reservation
		case lir.Load, lir.Store:
			if i.A.Kind == lir.Cell && len(inside) == 0 && !(i.Op == lir.Store && reserved) {
				g := open[i.A.Cell]
				if g == nil {
					if !allowed(b.Sites[i.Site].PC) {
						break
					}
					// The cell's value itself is among the addresses, so that its segment can stand for theirs.
					g = &group{hi: 1, storeLo: math.MaxInt32, storeHi: math.MinInt32}
					open[i.A.Cell] = g
				}
				g.add(n, i)
			}
		}
		for _, d := range [2]lir.Operand{i.D, i.E} {
			if d.Kind == lir.Cell {
				end(d.Cell)
			}
		}
	}
	for c := ir.Cell(0); c < 64; c++ {
		end(c)
	}
	insert(b, done, narrow)
}

// maxReach bounds the bytes of a group, so that its stores lie on no more than two pages.
const maxReach = machine.PageSize

func (g *group) add(n int, i *lir.Ins) {
	from, to := int64(i.Off), int64(i.Off)+int64(i.Size)
	lo, hi := min(g.lo, from), max(g.hi, to)
	if hi-lo > maxReach || i.Round && from%int64(i.Size) != 0 {
		return
	}
	if i.Round {
		g.align = max(g.align, i.Size)
	}
	g.lo, g.hi = lo, hi
	if i.Op == lir.Store {
		g.storeLo, g.storeHi = min(g.storeLo, from), max(g.storeHi, to)
	}
	g.members = append(g.members, n)
}

// worth tells whether a guard costs less than what it saves.
func (g *group) worth(narrow bool) bool {
	stores := g.storeHi > g.storeLo
	if narrow && !stores {
		return len(g.members) >= 4
	}
	return len(g.members) >= 2
}

func insert(b *lir.Block, groups []*group, narrow bool) {
	before := map[int]*lir.Ins{}
	for _, g := range groups {
		if !g.worth(narrow) {
			continue
		}
		first := &b.Ins[g.members[0]]
		via := lir.TempOf(b.Temps)
		b.Temps++
		i := &lir.Ins{
			Op: lir.Guard, D: via, A: first.A, Seg: first.Seg, Site: first.Site, Size: max(g.align, 1),
			Off: int32(g.lo), Span: int32(g.hi - g.lo),
		}
		if g.storeHi > g.storeLo {
			i.StoreOff, i.StoreSpan = int32(g.storeLo), int32(g.storeHi-g.storeLo)
		}
		before[g.members[0]] = i
		b.Sites[first.Site].Guard, b.Sites[first.Site].Load = true, g.storeHi <= g.storeLo
		for _, n := range g.members {
			b.Ins[n].Via = via
		}
	}
	// From the last one on: each goes to its place at once.
	from := len(b.Ins)
	b.Ins = append(b.Ins, make([]lir.Ins, len(before))...)
	for to := len(b.Ins) - 1; to > from-1; to-- {
		from--
		b.Ins[to] = b.Ins[from]
		if i := before[from]; i != nil {
			to--
			b.Ins[to] = *i
		}
	}
}
