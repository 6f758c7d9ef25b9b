package jit

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

const (
	// blockSize divides the guest's code into pieces, in bytes: blocks end where the next one begins, so that they are the same
	// wherever they were come to from. At the end of a budget interp executes up to a block.
	blockSize = 256
	// roomyIns is the number of operations that there is room for in a block, without moving them, at the least.
	roomyIns = 64
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
	code     *excerpt // of the guest's memory
	narrow   bool
	delay    bool
	known    *knowledge
	segments int             // number of those that the request knows
	seen     map[uint64]bool // blocks that the region may be made of
	meanings []*meaning      // by row

	// The region that is being made.
	region *lir.Region
	blocks map[place]int
	queue  []place // from the second on: only what has been executed
	sure   map[place]bool
	starts []place // of the blocks of region, in order
	// Where registers point to: now, and at blocks.
	now      *[32]uint8
	views    map[uint64]*view
	links    map[ir.Cell]bool  // registers that calls put their return address in
	back     map[uint64]bool   // where calls return to
	weights  map[uint64]uint32 // of blocks, by pc, when they were compiled last
	pages    []uint64          // that hold its code
	steps    int
	maps     maps
	number   uint32 // of the region's map
	come     uint64 // how often others went over to the region, about
	room     rooms
	lowerer  lowerer
	improver improver
}

// A view is what was seen of a block: where registers point to before and after it, and where it went on.
type view struct {
	before, after [32]uint8
	next          []uint64
}

// maxNext bounds the places that a block was seen to go on at.
const maxNext = 32

// rooms keep the memory of a region's lists for the next region.
type rooms struct {
	blocks []lir.Block
	ins    []lir.Ins // what is in use, and room behind it
	sites  []lir.Site
}

// reset makes all room free again.
func (r *rooms) reset() { r.blocks, r.ins, r.sites = r.blocks[:0], r.ins[:0], r.sites[:0] }

// begin gives an empty block, whose lists lie in the room; end has to be called before the next one begins.
func (r *rooms) begin() *lir.Block {
	if len(r.blocks) == cap(r.blocks) {
		r.blocks = make([]lir.Block, 0, maxRegion) // blocks are pointed to: the old ones stay where they are
	}
	r.blocks = append(r.blocks, lir.Block{})
	if cap(r.ins)-len(r.ins) < roomyIns {
		r.ins = make([]lir.Ins, 0, 8*maxRegion)
	}
	if cap(r.sites)-len(r.sites) < roomyIns {
		r.sites = make([]lir.Site, 0, 2*maxRegion)
	}
	b := &r.blocks[len(r.blocks)-1]
	b.Ins, b.Sites = r.ins[len(r.ins):], r.sites[len(r.sites):]
	return b
}

// end takes what a block uses out of the room. One that did not find enough of it has a list of its own.
func (r *rooms) end(b *lir.Block) {
	if n := len(r.ins) + len(b.Ins); n <= cap(r.ins) {
		r.ins = r.ins[:n]
	}
	if n := len(r.sites) + len(b.Sites); n <= cap(r.sites) {
		r.sites = r.sites[:n]
	}
}

// decode gives the instruction w, or false if it is none.
func (f *front) decode(w uint32) (instruction, bool) {
	row, ok := f.isa.Decode(w)
	if !ok {
		return instruction{}, false
	}
	if f.meanings[row] == nil {
		f.meanings[row] = analyse(f.isa, row)
	}
	return f.meanings[row].of(w), true
}

// fetch reads the instruction at pc and notes its pages; false if there is none that can be compiled.
func (f *front) fetch(pc uint64) (i instruction, ok bool) {
	if pc%f.isa.Align != 0 || f.narrow && pc > 1<<32-4 || pc > ^uint64(3) {
		return i, false
	}
	b, ok := f.code.read(pc, 4)
	if !ok {
		return i, false
	}
	w := binary.LittleEndian.Uint32(b)
	if f.isa.Big {
		w = binary.BigEndian.Uint32(b)
	}
	size := f.isa.Size(w)
	if size == 2 {
		w &= 1<<16 - 1
	}
	f.touch(pc)
	f.touch(pc + size - 1)
	i, ok = f.decode(w)
	return i, ok && !i.alone
}

func (f *front) touch(pc uint64) {
	if page := pc / machine.PageSize; !slices.Contains(f.pages, page) {
		f.pages = append(f.pages, page)
	}
}

// build makes the region of a request, with its code's pages; nil if the instruction at its pc cannot be compiled.
func (f *front) build(q *request) (*lir.Region, []uint64) {
	pc, recent := q.pc, q.recent
	f.code, f.segments = &q.code, len(q.first)
	f.region = &lir.Region{Narrow: f.narrow, Delay: f.delay, Align: f.isa.Align, Dirty: map[ir.Cell]bool{}}
	clear(f.blocks)
	clear(f.links)
	clear(f.back)
	clear(f.sure)
	f.queue, f.starts, f.pages, f.steps = append(f.queue[:0], f.normal(pc)), f.starts[:0], nil, 0
	f.room.reset()
	f.now = &q.now.segments
	for n := len(recent) - 2; n >= 0; n-- {
		v := f.views[recent[n].pc]
		if v == nil {
			v = &view{}
			f.views[recent[n].pc] = v
		}
		v.before, v.after = recent[n].segments, recent[n+1].segments
		if next := recent[n+1].pc; !recent[n+1].native && len(v.next) < maxNext && !slices.Contains(v.next, next) {
			v.next = append(v.next, next)
		}
	}
	clear(f.seen)
	for _, pc := range q.hot {
		f.queue = append(f.queue, f.normal(pc))
		f.seen[pc] = true
	}
	f.sure[f.queue[0]] = true
	for next := 0; next < len(f.queue) && f.steps < maxRegion; next++ {
		p := f.queue[next]
		if _, done := f.blocks[p]; done || !f.sure[p] && !f.wanted(p) {
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
	f.weigh(q)
	return f.region, f.pages
}

// wanted tells whether a block that others lead to belongs to the region.
func (f *front) wanted(p place) bool { return p == f.normal(p.pc) && f.seen[p.pc] }

// segment guesses the segment of the accesses of the instruction at pc, from where the registers point to.
func (f *front) segment(pc uint64, base lir.Operand, registers *[32]uint8) uint8 {
	if f.narrow {
		return 0
	}
	k, ok := f.known.hint(pc)
	switch {
	case ok:
	case base.Kind == lir.Imm:
		k = f.known.constant(base.Imm >> 32)
	case base.Kind == lir.Cell && base.Cell < 32:
		k = registers[base.Cell]
	}
	if int(k) >= f.segments {
		return 0 // it came after the request
	}
	return k
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
	b := f.room.begin()
	b.PC, b.Next, b.Weight, b.Inner = p.pc, p.next, 1, p != f.normal(p.pc)
	l := &f.lowerer
	*l = lowerer{narrow: f.narrow, delay: f.delay, b: b, values: l.values, trusted: f.known.guarded}
	before, after := f.now, f.now
	if v := f.views[p.pc]; v != nil {
		before, after = &v.before, &v.after
	}
	l.segment = func(pc uint64, base lir.Operand) uint8 {
		if base.Kind == lir.Cell && l.written>>(base.Cell&63)&1 != 0 {
			return f.segment(pc, base, after)
		}
		return f.segment(pc, base, before)
	}
	pc, next := p.pc, at(p.next)
	end := func(t lir.Term) *lir.Block {
		b.Term = t
		fuse(b)
		f.improver.improve(b, f.narrow)
		if guards {
			guard(b, f.narrow, f.known.guarded)
		}
		for n := range b.Sites {
			b.Sites[n].Left = b.Steps - b.Sites[n].Left
		}
		f.room.end(b)
		return b
	}
	for pc/blockSize == p.pc/blockSize {
		start := l.mark()
		i, ok := f.fetch(pc)
		if !ok || !l.lower(i, pc, next) {
			l.reset(start)
			break
		}
		here, after, size := l.here, l.next, i.size
		if f.delay && here.kind == lir.NextConst && !here.follows(after, f.narrow) {
			// A jump: its delay slot belongs to it.
			slot, ok := f.fetch(here.PC)
			if !ok {
				l.reset(start)
				break
			}
			after = l.keep(after, slot.writes())
			if !l.lower(slot, here.PC, after) {
				l.reset(start)
				break
			}
			here, after, size = l.here, l.next, size+slot.size
			if !here.follows(after, f.narrow) {
				l.reset(start)
				break
			}
		}
		switch {
		case here.kind == lir.NextTest:
			return end(f.branched(here, after))
		case here.kind == lir.NextValue:
			f.returns(l, i.writes(), pc+size)
			b.Origin = here.origin
			return end(lir.Term{Kind: lir.Indirect, Target: l.sum(here)})
		case here.PC != pc+size:
			return end(f.jumped(here.PC, f.returns(l, i.writes(), pc+size)))
		}
		pc, next = here.PC, after
	}
	if _, ok := f.fetch(pc); ok && b.Steps > 0 { // it goes on
		f.queue = append(f.queue, f.normal(pc))
	}
	return end(lir.Term{Kind: lir.Goto, To: lir.Edge{PC: pc, Next: f.normal(pc).next}})
}

// keep makes sure that the test of a branch, or the target of a jump, does not change in its delay slot.
func (l *lowerer) keep(t target, slot uint64) target {
	written := func(o lir.Operand) bool { return o.Kind == lir.Cell && slot>>(o.Cell&63)&1 != 0 }
	switch {
	case t.kind == lir.NextValue && written(t.Reg):
		d := l.temp()
		l.emit(lir.Ins{Op: lir.Mov, D: d, A: t.Reg, W: width(l.narrow)})
		t.Reg = d
		return t
	case t.kind != lir.NextTest:
		return t
	}
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

// returns tells whether a jump that assigns writes was a call: it has put the address behind it, pc, in a register. Then it returns there.
func (f *front) returns(l *lowerer, writes, pc uint64) (call bool) {
	link := known{true, pc}
	if f.narrow {
		link.v = uint64(int32(pc))
	}
	for set := writes; set != 0; set &= set - 1 {
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

// often is the weight of what is seen once in an instruction.
const often = 1 << 20

// weigh finds the cells that are used most: what was looked at tells how often blocks run, and
// how often the region is come to from others.
func (f *front) weigh(q *request) {
	r, recent := f.region, q.recent
	f.come = max(1, q.come)
	scale := max(1, often/max(1, q.span))
	inside := false
	for n := range recent {
		pc := recent[n].pc
		k, ok := f.blocks[f.normal(pc)]
		ok = ok && k != lir.Outside
		if ok && !inside {
			f.come += scale
		}
		if ok {
			r.Blocks[k].Weight += uint32(scale)
		}
		inside = ok
	}
	for _, b := range r.Blocks {
		if !b.Inner {
			// It was seen when it became part of a region that this one replaces, perhaps.
			b.Weight = max(b.Weight, f.weights[b.PC])
			f.weights[b.PC] = b.Weight
		}
	}
	for _, b := range r.Blocks {
		for _, e := range [2]lir.Edge{b.Term.To, b.Term.Else} {
			if b.Term.Kind != lir.Indirect && e.Block != lir.Outside {
				if to := r.Blocks[e.Block]; to.Inner {
					to.Weight = max(to.Weight, b.Weight)
				}
			}
		}
	}
	var weight [64]uint64
	for _, b := range r.Blocks {
		use := func(o lir.Operand) {
			if o.Kind == lir.Cell && o.Cell.Register() {
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
	f.number, r.Mapped = f.maps.choose(&weight, f.come)
	for _, c := range r.Mapped {
		r.Dirty[c] = true // in another region of the same map, perhaps
	}
}

// fuse lets a branch on the result of a comparison compare by itself: it need not wait for the result.
func fuse(b *lir.Block) {
	t := &b.Term
	if t.Kind != lir.Branch || t.Test.Cond > lir.NE || t.Test.A.Kind != lir.Cell || t.Test.B != lir.Const(0) {
		return
	}
	var changed uint64 // cells, behind the comparison
	for n := len(b.Ins) - 1; n >= 0; n-- {
		i := &b.Ins[n]
		if i.Op == lir.Label {
			return
		}
		if i.D == t.Test.A || i.E == t.Test.A {
			if i.Op != lir.SetIf {
				return
			}
			for _, o := range [2]lir.Operand{i.Test.A, i.Test.B} {
				if o == i.D || o.Kind == lir.Cell && changed>>(o.Cell&63)&1 != 0 || o.Kind == lir.Temp {
					return
				}
			}
			equal := t.Test.Cond == lir.EQ
			if t.Test = i.Test; equal {
				t.Test = i.Test.Not()
			}
			return
		}
		for _, d := range [2]lir.Operand{i.D, i.E} {
			if d.Kind == lir.Cell {
				changed |= 1 << (d.Cell & 63)
			}
		}
	}
}
