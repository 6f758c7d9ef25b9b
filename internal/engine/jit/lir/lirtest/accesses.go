package lirtest

import (
	"slices"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// memoryIns fills the fields that loads and stores have in common.
func (g *generator) memoryIns(op lir.Op) lir.Ins {
	i := lir.Ins{Op: op, Size: 1 << g.IntN(4), Round: g.one(3)}
	i.Big = i.Size > 1 && g.one(2)
	i.Aligned = i.Round && g.one(2)
	if g.one(2) {
		i.Off = int32(g.IntN(64) - 32)
	}
	if op == lir.Load {
		i.Sign = i.Size < 8 && g.one(2)
		if i.Size < 8 {
			i.W = g.width()
		}
	}
	return i
}

// stored gives a value for a store.
func (g *generator) stored(size uint8) lir.Operand {
	if size == 8 {
		return g.lasting(lir.W64)
	}
	return g.lasting(lir.W32)
}

// lasting is operand without the cells that a store itself changes.
func (g *generator) lasting(w lir.Width) lir.Operand {
	for {
		o := g.operand(w)
		if o.Kind != lir.Cell || o.Cell < ir.ReservationStatus || o.Cell > ir.ReservationOwner {
			return o
		}
	}
}

// access emits a load or a store.
func (g *generator) access() {
	i := g.memoryIns(lir.Load)
	if g.one(2) {
		i = g.memoryIns(lir.Store)
	}
	n := g.IntN(len(pointers))
	i.A = lir.CellOf(pointers[n])
	segment := n % len(g.world.segments())
	switch {
	case g.one(8):
		i.A = lir.Const(g.address(segment))
	case g.one(16):
		i.A = g.lasting(g.wide())
	case g.one(6): // by way of a temporary
		g.b.Temps++
		t := lir.TempOf(g.b.Temps - 1)
		g.emit(lir.Ins{Op: lir.Add, W: g.wide(), D: t, A: i.A, B: lir.Const(8)})
		i.A = t
	}
	if !g.one(16) {
		i.Seg = segments[segment].number
	}
	if i.Op == lir.Store {
		i.B = g.stored(i.Size)
	}
	i.Site = g.site(true)
	if i.Op == lir.Load {
		i.D = g.dest()
	}
	g.emit(i)
}

// reserve emits what a load-linked is.
func (g *generator) reserve() {
	n := g.IntN(len(pointers))
	i := lir.Ins{Op: lir.Load, W: lir.W32, Size: 4, A: lir.CellOf(pointers[n]), Seg: segments[n%len(g.world.segments())].number, Site: g.site(true)}
	i.Off = int32(g.IntN(8)) * 4
	if g.one(4) {
		i.Seg = pick(g.Rand, g.world.segments()).number
	}
	g.b.Temps++
	i.D = lir.TempOf(g.b.Temps - 1)
	g.emit(i)
	g.b.Temps++
	address := lir.TempOf(g.b.Temps - 1)
	g.emit(lir.Ins{Op: lir.Add, W: g.wide(), D: address, A: i.A, B: lir.Const(uint64(i.Off))})
	g.emit(lir.Ins{Op: lir.Mov, D: lir.CellOf(ir.ReservationAddress), A: address})
	g.emit(lir.Ins{Op: lir.Mov, D: lir.CellOf(ir.ReservationStatus), A: lir.Const(1)})
	g.emit(lir.Ins{Op: lir.Reserve, Size: 1, A: i.A, Off: i.Off, Seg: i.Seg})
}

// guarded emits a guard for a pointer, and accesses that it is for, mixed with something else.
func (g *generator) guarded(pointer ir.Cell, segment uint8) lir.Ins {
	guard := lir.Ins{Op: lir.Guard, A: lir.CellOf(pointer), Seg: segment, Size: 1, Site: g.site(true)}
	var list []lir.Ins
	lo, hi, storeLo, storeHi := int32(0), int32(1), int32(1<<30), int32(-1<<30)
	reach := pick(g.Rand, []int32{16, 64, 2000})
	for range 1 + g.IntN(5) {
		i := g.memoryIns(lir.Load)
		if g.one(2) {
			i = g.memoryIns(lir.Store)
		}
		size := int32(i.Size)
		i.Off = g.Int32N(2*reach) - reach
		if i.Round || g.one(2) {
			i.Off &^= size - 1
		}
		if i.Round {
			guard.Size = max(guard.Size, i.Size)
		}
		lo, hi = min(lo, i.Off), max(hi, i.Off+size)
		if i.Op == lir.Store {
			storeLo, storeHi = min(storeLo, i.Off), max(storeHi, i.Off+size)
		}
		list = append(list, i)
	}
	guard.Off, guard.Span = lo, hi-lo
	if storeHi > storeLo {
		guard.StoreOff, guard.StoreSpan = storeLo, storeHi-storeLo
	}
	g.b.Temps++
	guard.D = lir.TempOf(g.b.Temps - 1)
	g.b.Ins = append(g.b.Ins, guard) // not by emit: nothing else may read the result
	for _, i := range list {
		i.A, i.Seg, i.Via, i.Site = guard.A, guard.Seg, guard.D, g.site(true)
		if i.Op == lir.Store {
			i.B = g.stored(i.Size)
		} else {
			i.D = g.dest()
		}
		g.emit(i)
		if g.one(2) {
			g.emit(g.operation())
		}
	}
	return guard
}

// accesses tests loads and stores of all forms, one for each block, at addresses of all kinds.
func (h *harness) accesses(t *testing.T) {
	h.seen = map[uint64]int{}
	eachSeed(t, scaled(60, 25), func(t *testing.T, g *generator) {
		const blocks, address, fixed = 24, 130, 12
		var list []lir.Ins
		w := g.benches(blocks, func() { list = append(list, g.benchAccess(address)) })
		var starts []*start
		for n, i := range list {
			for range fixed {
				s := g.start()
				s.budget = int64(g.IntN(8))
				s.block = n
				s.cells[address] = g.target(&i)
				if g.one(3) && s.marked {
					s.cells[address] = s.reserved&^7 + g.Uint64N(16) - 4 - uint64(int64(i.Off))
				}
				starts = append(starts, s)
			}
		}
		h.check(t, w, starts)
	})
	if h.seen[lir.LeftSite] < 100 || h.seen[lir.LeftEdge] < 100 || h.seen[lir.LeftBudget] < 10 {
		t.Errorf("the tests are too much alike: %v", h.seen)
	}
}

// benchAccess emits an access whose address comes from a cell.
func (g *generator) benchAccess(address ir.Cell) lir.Ins {
	i := g.memoryIns(lir.Load)
	if g.one(2) {
		i = g.memoryIns(lir.Store)
	}
	i.Seg = pick(g.Rand, g.world.segments()).number
	if g.one(6) {
		g.emit(lir.Ins{Op: lir.Mov, D: lir.CellOf(pointers[0]), A: lir.CellOf(address)})
		return g.guarded(pointers[0], i.Seg)
	}
	if g.one(4) {
		i.Off = pick(g.Rand, []int32{-1 << 31, 1<<31 - 1, 4096, -4096, 0x1234_5678, 4095, 0xfff000, 0x1000000})
	}
	if i.A = g.benchOperand(g.wide()); i.A.Kind == lir.Imm {
		i.A.Imm = g.world.wrap(g.target(&i))
	} else {
		g.emit(lir.Ins{Op: lir.Mov, D: i.A, A: lir.CellOf(address)})
	}
	i.Site = g.site(true)
	if i.Op == lir.Load {
		i.D = g.benchDest()
		g.emit(i)
		g.show(i.D)
		return i
	}
	w := lir.W32
	if i.Size == 8 {
		w = lir.W64
	}
	i.B = g.benchOperand(w)
	g.emit(i)
	return i
}

// target gives a base for an access: one such that the address is in the segment, or in another, or in none.
func (g *generator) target(i *lir.Ins) uint64 {
	k := slices.IndexFunc(segments, func(s segment) bool { return s.number == i.Seg })
	if g.one(6) {
		k = g.IntN(len(segments))
	}
	a := g.address(k)
	switch {
	case g.one(16):
		a = g.number()
	case g.one(2): // at an end of a segment
		a = segments[k].first + g.Uint64N(2)<<segmentBits + g.Uint64N(20) - 10
		if g.one(2) {
			a -= uint64(i.Span)
		}
	}
	if g.world.narrow {
		a = a&0xffff_ffff | g.Uint64()<<32
	}
	return a - uint64(int64(i.Off))
}
