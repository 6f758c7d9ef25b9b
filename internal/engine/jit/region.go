package jit

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

const (
	// maxSteps bounds the instructions of a block: at the end of a budget interp executes up to as many.
	maxSteps = 64
	// maxRegion bounds the instructions of a region.
	maxRegion = 512
	// maxGuesses bounds the comparisons in front of an indirect jump.
	maxGuesses = 4
)

// A place is where a block begins: pc, and next pc where that is not pc + 4.
type place struct{ pc, next uint64 }

// A front turns guest code into regions.
type front struct {
	isa      *isa.ISA
	memory   *machine.Memory
	narrow   bool
	delay    bool
	segment  func(pc uint64, base lir.Operand) uint8
	guarded  func(pc uint64) bool // whether a Guard may stand at pc
	wanted   func(pc uint64) bool // whether the block at pc is executed, and there is no code for it
	meanings map[uint32]*meaning

	// The region that is being made.
	region *lir.Region
	blocks map[place]int
	queue  []place // from the second on: only what has been executed
	sure   map[place]bool
	starts []place          // of the blocks of region, in order
	links  map[ir.Cell]bool // registers that calls put their return address in
	back   map[uint64]bool  // where calls return to
	pages  []uint64         // that hold its code
	steps  int
	spare  [][]lir.Ins
}

// meaning gives what the instruction w means; nil if it is none.
func (f *front) meaning(w uint32) *meaning {
	size := f.isa.Size(w)
	if size == 2 {
		w &= 0xffff
	}
	m, ok := f.meanings[w]
	if !ok {
		if len(f.meanings) >= 1<<16 {
			clear(f.meanings)
		}
		if row, found := f.isa.Decode(w); found {
			m = analyse(f.isa.Concrete(row, w), size)
		}
		f.meanings[w] = m
	}
	return m
}

// fetch reads the instruction at pc and notes its pages; nil if there is none that can be compiled.
func (f *front) fetch(pc uint64) *meaning {
	if pc%f.isa.Align != 0 || f.narrow && pc > 1<<32-4 || pc > ^uint64(3) {
		return nil
	}
	f.touch(pc)
	var w uint32
	if f.isa.Align == 4 {
		w = uint32(f.memory.ReadSlow(pc, 4, f.isa.Big))
	} else if w = uint32(f.memory.ReadSlow(pc, 2, f.isa.Big)); f.isa.Size(w) == 4 {
		f.touch(pc + 2)
		w |= uint32(f.memory.ReadSlow(pc+2, 2, f.isa.Big)) << 16
	}
	return f.meaning(w)
}

func (f *front) touch(pc uint64) {
	if page := pc / machine.PageSize; !slices.Contains(f.pages, page) {
		f.pages = append(f.pages, page)
	}
}

// build makes the region that is entered at pc, with its code's pages; nil if the instruction there cannot be compiled.
func (f *front) build(pc uint64) (*lir.Region, []uint64) {
	f.region = &lir.Region{Narrow: f.narrow, Delay: f.delay, Align: f.isa.Align, Dirty: map[ir.Cell]bool{}}
	f.blocks, f.links, f.back = map[place]int{}, map[ir.Cell]bool{}, map[uint64]bool{}
	f.queue, f.starts, f.pages, f.steps = []place{f.normal(pc)}, nil, nil, 0
	f.sure = map[place]bool{f.queue[0]: true}
	for len(f.queue) > 0 && f.steps < maxRegion {
		p := f.queue[0]
		f.queue = f.queue[1:]
		if _, done := f.blocks[p]; done || !f.sure[p] && !f.wanted(p.pc) {
			continue
		}
		b := f.block(p)
		if b.Steps == 0 {
			f.blocks[p] = lir.Outside
			continue
		}
		f.blocks[p] = len(f.region.Blocks)
		f.region.Blocks = append(f.region.Blocks, b)
		f.starts = append(f.starts, p)
		f.steps += int(b.Steps)
	}
	if len(f.region.Blocks) == 0 || f.starts[0].pc != pc {
		return nil, f.pages
	}
	f.connect()
	f.weigh()
	return f.region, f.pages
}

// take gives an empty list for operations, perhaps one that give got.
func (f *front) take() []lir.Ins {
	n := len(f.spare)
	if n == 0 {
		return make([]lir.Ins, 0, 4*maxSteps)
	}
	list := f.spare[n-1]
	f.spare = f.spare[:n-1]
	return list
}

// give takes the lists of a region that is compiled.
func (f *front) give(r *lir.Region) {
	for _, b := range r.Blocks {
		f.spare = append(f.spare, b.Ins[:0])
	}
}

// normal is the place at pc outside of a delay slot.
func (f *front) normal(pc uint64) place {
	if !f.delay {
		return place{pc: pc}
	}
	return place{pc, at(pc).add(4, f.narrow).PC}
}

// block lowers the instructions from a place on, up to a jump.
func (f *front) block(p place) *lir.Block {
	b := &lir.Block{PC: p.pc, Next: p.next, Weight: 1, Inner: p != f.normal(p.pc)}
	b.Ins = f.take()
	l := &lowerer{narrow: f.narrow, delay: f.delay, segment: f.segment, b: b}
	pc, next := p.pc, at(p.next)
	end := func(t lir.Term) *lir.Block {
		b.Term = t
		if guards {
			guard(b, f.narrow, f.guarded)
		}
		for n := range b.Sites {
			b.Sites[n].Left = b.Steps - b.Sites[n].Left
		}
		return b
	}
	for b.Steps < maxSteps-1 {
		before := l.mark()
		m := f.fetch(pc)
		if m == nil || !l.instruction(m, pc, next) {
			l.reset(before)
			break
		}
		here, after, size := l.here, l.next, m.size
		if f.delay && here.kind == lir.NextConst && !here.follows(after, f.narrow) {
			// A jump: its delay slot belongs to it.
			slot := f.fetch(here.PC)
			if slot == nil || slot.alone {
				l.reset(before)
				break
			}
			after = l.keep(after, slot)
			if !l.instruction(slot, here.PC, after) {
				l.reset(before)
				break
			}
			here, after, size = l.here, l.next, size+slot.size
			if !here.follows(after, f.narrow) {
				l.reset(before)
				break
			}
		}
		switch {
		case here.kind == lir.NextTest:
			return end(f.branched(here, after))
		case here.kind == lir.NextValue:
			f.returns(l, m, pc+size)
			b.Origin = here.origin
			return end(lir.Term{Kind: lir.Indirect, Target: l.sum(here)})
		case here.PC != pc+size:
			return end(f.jumped(here.PC, f.returns(l, m, pc+size)))
		}
		pc, next = here.PC, after
	}
	if b.Steps > 0 && f.fetch(pc) != nil { // it goes on
		f.queue = append(f.queue, f.normal(pc))
		f.sure[f.normal(pc)] = true
	}
	return end(lir.Term{Kind: lir.Goto, To: lir.Edge{PC: pc, Next: f.normal(pc).next}})
}

// keep makes sure that the test of a branch does not change in its delay slot.
func (l *lowerer) keep(t target, slot *meaning) target {
	if t.kind != lir.NextTest {
		return t
	}
	written := func(o lir.Operand) bool { return o.Kind == lir.Cell && slot.writes>>(o.Cell&63)&1 != 0 }
	if written(t.Test.A) || written(t.Test.B) {
		d := l.temp()
		l.emit(lir.Ins{Op: lir.SetIf, D: d, Test: t.Test})
		t.Test = lir.Test{Cond: lir.NE, A: d, B: lir.Const(0)}
	}
	return t
}

// sum is an operand for a dynamic target.
func (l *lowerer) sum(t target) lir.Operand {
	if t.plus == 0 {
		return t.Reg
	}
	d := l.temp()
	l.emit(lir.Ins{Op: lir.Add, W: width(l.narrow), D: d, A: t.Reg, B: lir.Const(t.plus)})
	return d
}

func (f *front) branched(here, after target) lir.Term {
	to, other := lir.Edge{PC: here.PC}, lir.Edge{PC: here.Else}
	if f.delay {
		to.Next, other.Next = here.add(4, f.narrow).PC, here.add(4, f.narrow).Else
		if after.kind == lir.NextTest {
			to.Next, other.Next = after.PC, after.Else
		}
	}
	for _, e := range [2]lir.Edge{to, other} {
		p := place{e.PC, e.Next}
		f.queue = append(f.queue, p)
		f.sure[p] = f.sure[p] || p != f.normal(p.pc)
	}
	return lir.Term{Kind: lir.Branch, Test: here.Test, To: to, Else: other}
}

// jumped ends a block with a jump. What is called belongs to another region, unless it is in this one anyway.
func (f *front) jumped(pc uint64, call bool) lir.Term {
	p := f.normal(pc)
	if !call {
		f.queue = append(f.queue, p)
	}
	return lir.Term{Kind: lir.Goto, To: lir.Edge{PC: p.pc, Next: p.next}}
}

// returns tells whether the jump m was a call: it has put the address behind it, pc, in a register. Then it returns there.
func (f *front) returns(l *lowerer, m *meaning, pc uint64) (call bool) {
	link := known{true, pc}
	if f.narrow {
		link.v = uint64(int32(pc))
	}
	for set := m.writes; set != 0; set &= set - 1 {
		if c := bits.TrailingZeros64(set); l.known[c] == link {
			f.links[ir.Cell(c)], f.back[pc], call = true, true, true
		}
	}
	if call {
		f.queue = append(f.queue, f.normal(pc))
	}
	return call
}

// connect finds the blocks of the edges.
func (f *front) connect() {
	find := func(e *lir.Edge) {
		e.Block = lir.Outside
		if n, ok := f.blocks[place{e.PC, e.Next}]; ok {
			e.Block = int32(n)
		}
	}
	for _, b := range f.region.Blocks {
		switch t := &b.Term; t.Kind {
		case lir.Branch:
			find(&t.To)
			find(&t.Else)
		case lir.Goto:
			find(&t.To)
		case lir.Indirect:
			if !f.links[b.Origin] {
				continue
			}
			for n, p := range f.starts {
				if f.back[p.pc] && p == f.normal(p.pc) && len(t.Guesses) < maxGuesses {
					t.Guesses = append(t.Guesses, lir.Edge{PC: p.pc, Next: p.next, Block: int32(n)})
				}
			}
		}
	}
}

// weigh estimates how often blocks run, from the loops that they lie in, and finds the cells that are used most.
func (f *front) weigh() {
	r := f.region
	for _, b := range r.Blocks {
		for _, e := range [2]lir.Edge{b.Term.To, b.Term.Else} {
			if b.Term.Kind == lir.Indirect || e.PC > b.PC || e.Block == lir.Outside {
				continue
			}
			for _, inner := range r.Blocks {
				if e.PC <= inner.PC && inner.PC <= b.PC && inner.Weight < 4096 {
					inner.Weight *= 8
				}
			}
		}
	}
	var weight [ir.NumCells]uint64
	for _, b := range r.Blocks {
		use := func(o lir.Operand) {
			if o.Kind == lir.Cell {
				weight[o.Cell] += uint64(b.Weight)
			}
		}
		for n := range b.Ins {
			i := &b.Ins[n]
			use(i.A)
			use(i.B)
			use(i.Test.A)
			use(i.Test.B)
			for _, d := range [2]lir.Operand{i.D, i.E} {
				use(d)
				if d.Kind == lir.Cell {
					r.Dirty[d.Cell] = true
				}
			}
		}
		use(b.Term.Test.A)
		use(b.Term.Test.B)
		use(b.Term.Target)
	}
	for c := ir.Cell(1); c < 64; c++ {
		if weight[c] > 0 && (c < 32 || c == ir.Lo || c == ir.Hi) {
			r.Mapped = append(r.Mapped, c)
		}
	}
	slices.SortStableFunc(r.Mapped, func(a, b ir.Cell) int { return cmp.Compare(weight[b], weight[a]) })
}
