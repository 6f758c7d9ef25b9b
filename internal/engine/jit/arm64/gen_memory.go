package arm64

import (
	"math/bits"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// site gives the label of code that leaves at the site of an operation. fault, if not nil, gives a register that holds the
// guest's address of the access: all of it, or 32 bits and anything above them.
func (g *generator) site(i *lir.Ins, firstSite int, fault func() Reg) Label {
	s := &g.b.Sites[i.Site]
	number := firstSite + int(i.Site)
	temps, b := g.temps, g.b
	return g.later(func() {
		g.temps, g.b = temps, b
		if fault != nil {
			r := fault()
			if g.r.Narrow {
				g.Mov(W, scratch0, r)
				r = scratch0
			}
			g.Mem(STRX, r, context, lir.FaultAt)
		}
		switch next := &s.Next; next.Kind {
		case lir.NextTest:
			c := g.compare(next.Test)
			r := g.number(next.PC, scratch0)
			g.Csel(CSEL, X, scratch0, r, g.number(next.Else, scratch1), c)
			g.Mem(STRX, scratch0, context, int64(lir.CellAt(ir.NextPC)))
		case lir.NextValue:
			g.load(scratch0, g.operand(next.Reg), g.word())
			g.Mem(STRX, scratch0, context, int64(lir.CellAt(ir.NextPC)))
		}
		g.MovImm(scratch0, uint64(lir.LeftSite|number))
		g.B(g.leave)
	})
}

// A place is what a load or a store needs to know of an address in the host's memory.
type place struct {
	base, index Reg // index is ZR if there is an offset instead
	off         int64
}

// at appends a load or a store. offset is a register for an offset that fits into no instruction.
func (g *generator) at(op Access, r Reg, p place, offset Reg) {
	switch {
	case p.index != ZR && g.r.Narrow:
		g.MemReg(op, r, p.base, p.index, UXTW, false)
	case p.index != ZR:
		g.MemReg(op, r, p.base, p.index, UXTX, false)
	case FitsMem(op, p.off):
		g.Mem(op, r, p.base, p.off)
	default:
		g.MovImm(offset, uint64(p.off))
		g.MemReg(op, r, p.base, offset, UXTX, false)
	}
}

// An access is an address in guest memory.
type access struct {
	guest     Reg // the guest's address: all of it, or 32 bits and anything above them
	leave     Label
	elsewhere Label // where it is not in the segment that it is expected in, or is close to its end
	far       bool  // elsewhere is needed
}

// misfits tells whether an access may be one that is not aligned.
func misfits(i *lir.Ins) bool { return !i.Round && i.Size > 1 }

// address computes the address of an access into a register, scratch0 if need be, and sees to it that it is in the expected
// segment. It changes scratch3 and scratch4.
func (g *generator) address(i *lir.Ins, firstSite int) access {
	w := g.word()
	base := g.operand(i.A)
	a := access{guest: scratch0}
	rounds := i.Round && i.Size > 1
	switch {
	case base.kind == isImm:
		g.MovImm(scratch0, cut(base.imm+uint64(int64(i.Off)), w))
	case base.kind == inReg && i.Off == 0 && !rounds:
		a.guest = base.reg
	default:
		r := g.register(base, scratch3, w)
		g.add(w, scratch0, r, int64(i.Off))
	}
	if rounds {
		g.RRI(AND, w, scratch0, scratch0, -uint64(i.Size))
	}
	a.leave = g.site(i, firstSite, func() Reg { return a.guest })
	switch {
	case w == W:
		if misfits(i) {
			g.CmpImm(W, a.guest, -uint64(i.Size))
			g.BCond(HI, a.leave)
		}
	case i.Seg == 0:
		a.far, a.elsewhere = true, g.NewLabel()
		g.MovImm(scratch3, 1<<32-8)
		g.Cmp(X, a.guest, scratch3)
		g.BCond(HI, a.elsewhere)
	default:
		a.far, a.elsewhere = true, g.NewLabel()
		g.inSegment(a.guest, i.Seg)
		g.BCond(NE, a.elsewhere)
		if misfits(i) {
			g.CmpImm(W, a.guest, -uint64(8))
			g.BCond(HI, a.elsewhere)
		}
	}
	return a
}

// inSegment compares an address's segment with the given one. It changes scratch3 and scratch4.
func (g *generator) inSegment(guest Reg, segment uint8) {
	g.RRI(LSR, X, scratch3, guest, 32)
	h := g.h.First[segment] >> 32
	if FitsImm(SUBS, X, h) {
		g.CmpImm(X, scratch3, h)
		return
	}
	g.MovImm(scratch4, h)
	g.Cmp(X, scratch3, scratch4)
}

// expected is the place of an access in the segment that it is expected in. It may change scratch4.
func (g *generator) expected(i *lir.Ins, a access) place {
	if g.r.Narrow || i.Seg == 0 {
		return place{base: low, index: a.guest}
	}
	g.Mem(LDRX, scratch4, context, lir.BiasAt+8*int64(i.Seg))
	return place{base: scratch4, index: a.guest}
}

// Fields of an entry of the table of segments.
const (
	segmentKey = 8 * iota
	segmentBias
	segmentStates
	segmentShift = 5 // of an entry's number
)

// lookup finds the segment of an address, with its bias in scratch1 and the offset of its page states in scratch2; the flags
// say with EQ whether there is one. It changes scratch3 and scratch4.
func (g *generator) lookup(guest Reg) {
	g.RRI(LSR, X, scratch3, guest, 32)
	g.RRRShift(EOR, X, scratch4, scratch3, scratch3, LSR, 8)
	g.RRI(AND, X, scratch4, scratch4, lir.SegmentEntries-1)
	g.RRRShift(ADD, X, scratch4, context, scratch4, LSL, segmentShift)
	g.add(X, scratch4, scratch4, lir.SegmentsAt)
	g.Mem(LDRX, scratch1, scratch4, segmentKey)
	g.RRI(ADD, X, scratch3, scratch3, 1)
	g.Cmp(X, scratch1, scratch3)
	g.Ldp(X, scratch1, scratch2, scratch4, segmentBias)
}

// other puts the code for other segments behind the blocks: do is run when the segment is found, and done follows.
func (g *generator) other(i *lir.Ins, a access, done Label, do func()) {
	if !a.far {
		return
	}
	g.cold = append(g.cold, func() {
		g.Bind(a.elsewhere)
		g.lookup(a.guest)
		g.BCond(NE, a.leave)
		if misfits(i) {
			g.CmpImm(W, a.guest, -uint64(8))
			g.BCond(HI, a.leave)
		}
		do()
		g.B(done)
	})
}

func (g *generator) loadMemory(i *lir.Ins, firstSite int) {
	d, store := g.dest(i.D)
	if i.Via.Kind != lir.None {
		g.loadFrom(i, d, place{g.register(g.operand(i.Via), scratch1, X), ZR, int64(i.Off)})
		store()
		return
	}
	a := g.address(i, firstSite)
	done := g.NewLabel()
	g.other(i, a, done, func() { g.loadFrom(i, d, place{base: scratch1, index: a.guest}) })
	g.loadFrom(i, d, g.expected(i, a))
	g.Bind(done)
	store()
}

// plainLoads are the loads by the logarithm of the size: without sign, with a sign of 32 bits, of 64 bits.
var plainLoads = [...][3]Access{
	{LDRB, LDRSBW, LDRSBX}, {LDRH, LDRSHW, LDRSHX}, {LDRW, LDRW, LDRSW}, {LDRX, LDRX, LDRX},
}

// loadFrom loads from an address that is right. It may change scratch3.
func (g *generator) loadFrom(i *lir.Ins, d Reg, p place) {
	size := bits.TrailingZeros8(i.Size)
	signed := 0
	if i.Sign {
		signed = 1
		if i.W == lir.W64 {
			signed = 2
		}
	}
	if !i.Big || i.Size == 1 {
		g.at(plainLoads[size][signed], d, p, scratch3)
		return
	}
	g.at(plainLoads[size][0], d, p, scratch3)
	g.reverse(i.Size, d, d)
	switch {
	case signed > 0 && i.Size == 2:
		g.Extend(SXTH, width(i.W), d, d)
	case signed == 2 && i.Size == 4:
		g.Extend(SXTW, X, d, d)
	}
}

// reverse reverses the low bytes of a register.
func (g *generator) reverse(size uint8, d, r Reg) {
	switch size {
	case 2:
		g.RR(REV16, W, d, r)
	case 4:
		g.RR(REV, W, d, r)
	case 8:
		g.RR(REV, X, d, r)
	}
}

func (g *generator) storeMemory(i *lir.Ins, firstSite int) {
	v := g.operand(i.B)
	if i.Via.Kind != lir.None {
		g.storeTo(i, v, place{g.register(g.operand(i.Via), scratch1, X), ZR, int64(i.Off)})
		return
	}
	a := g.address(i, firstSite)
	done := g.NewLabel()
	g.other(i, a, done, func() {
		if misfits(i) {
			g.TstImm(W, a.guest, uint64(i.Size-1))
			g.BCond(NE, a.leave)
		}
		g.RRI(LSR, W, scratch3, a.guest, pageBits)
		g.RRR(ADD, X, scratch3, scratch3, scratch2)
		g.MemReg(LDRB, scratch3, context, scratch3, UXTX, false)
		g.CmpImm(W, scratch3, lir.Plain)
		g.BCond(NE, a.leave)
		g.storeTo(i, v, place{base: scratch1, index: a.guest})
	})
	if misfits(i) {
		checked := g.NewLabel()
		g.TstImm(W, a.guest, uint64(i.Size-1))
		g.BCond(NE, g.later(func() { // misaligned: in one page?
			g.RRI(AND, W, scratch3, a.guest, 1<<pageBits-1)
			g.CmpImm(W, scratch3, 1<<pageBits-uint64(i.Size))
			g.BCond(HI, a.leave)
			g.B(checked)
		}))
		g.Bind(checked)
	}
	g.RRI(LSR, W, scratch3, a.guest, pageBits)
	g.stateAt(i.Seg)
	g.CmpImm(W, scratch4, lir.Plain)
	goOn := g.NewLabel()
	g.BCond(NE, g.later(func() { g.reservedPage(i, a, goOn) }))
	g.Bind(goOn)
	g.storeTo(i, v, g.expected(i, a))
	g.Bind(done)
}
