package arm64

import (
	"math/bits"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

const (
	// pageBits is the logarithm of machine.PageSize.
	pageBits = 12
	// Behind lastWhole 8 bytes are not in one segment.
	lastWhole = 1<<32 - 8
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

// isLow tells whether a segment is one of those that lie behind low.
func (g *generator) isLow(segment uint8) bool { return g.r.Narrow || segment < g.h.LowSegments }

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
	if g.r.Narrow {
		if misfits(i) {
			g.CmpImm(W, a.guest, -uint64(i.Size))
			g.BCond(HI, a.leave)
		}
		return a
	}
	a.far, a.elsewhere = true, g.NewLabel()
	g.BCond(g.outside(a.guest, i.Seg), a.elsewhere)
	if misfits(i) && !g.isLow(i.Seg) {
		g.CmpImm(W, a.guest, lastWhole)
		g.BCond(HI, a.elsewhere)
	}
	return a
}

// outside compares an address with the bounds of a segment, or of all low ones. The condition that it gives holds outside.
// It changes scratch3 and scratch4.
func (g *generator) outside(guest Reg, segment uint8) Cond {
	if g.isLow(segment) { // up to the last bytes, which an access may cross
		g.MovImm(scratch3, g.lowEnd()-8)
		g.Cmp(X, guest, scratch3)
		return HI
	}
	g.RRI(LSR, X, scratch3, guest, 32)
	g.MovImm(scratch4, g.h.First[segment]>>32)
	g.Cmp(X, scratch3, scratch4)
	return NE
}

// lowEnd is the guest's address behind the low segments.
func (g *generator) lowEnd() uint64 { return uint64(g.h.LowSegments) << 32 }

// bias gives a register that holds what is to be added to addresses of a segment. It may be scratch4.
func (g *generator) bias(segment uint8) Reg {
	if g.isLow(segment) {
		return low
	}
	g.Mem(LDRX, scratch4, context, lir.BiasAt+8*int64(segment))
	return scratch4
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

// found is lookup for an access. It leaves if there is no segment, or if there were many such accesses.
func (g *generator) found(guest Reg, leave Label) {
	g.lookup(guest)
	g.BCond(NE, leave)
	g.Mem(LDRW, scratch3, context, lir.MissesAt)
	g.RRI(SUBS, W, scratch3, scratch3, 1)
	g.Mem(STRW, scratch3, context, lir.MissesAt)
	g.BCond(MI, leave)
}

// foundState loads the state of the page of an address, in the segment that lookup has found, into scratch4; EQ says that it
// is plain. guest may be scratch3, which is lost.
func (g *generator) foundState(guest Reg) {
	g.RRI(LSR, W, scratch3, guest, pageBits)
	g.RRR(ADD, X, scratch3, scratch3, scratch2)
	g.MemReg(LDRB, scratch4, context, scratch3, UXTX, false)
	g.CmpImm(W, scratch4, lir.Plain)
}

// other puts the code for other segments behind the blocks: do is run when the segment is found, and done follows.
func (g *generator) other(i *lir.Ins, a access, done Label, do func()) {
	if !a.far {
		return
	}
	g.cold = append(g.cold, func() {
		g.Bind(a.elsewhere)
		g.found(a.guest, a.leave)
		if misfits(i) {
			g.CmpImm(W, a.guest, lastWhole)
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
	g.loadFrom(i, d, place{base: g.bias(i.Seg), index: a.guest})
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
		g.foundState(a.guest)
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
	g.stateOf(a.guest, i.Seg)
	g.CmpImm(W, scratch4, lir.Plain)
	goOn := g.NewLabel()
	g.BCond(NE, g.later(func() { g.reservedPage(i, a, goOn) }))
	g.Bind(goOn)
	g.storeTo(i, v, place{base: g.bias(i.Seg), index: a.guest})
	g.Bind(done)
}

// firstState gives what is to be added to the number of a page to find its state in the table of states. The number comes
// from so many bits of the address.
func (g *generator) firstState(segment uint8) (first uint64, bits Width) {
	if g.isLow(segment) {
		return 0, g.word()
	}
	return uint64(segment) << (32 - pageBits), W
}

// stateOf loads the state of the page of an address in a segment, or in any low one, into scratch4. It leaves in scratch3
// the page's place in the table of states.
func (g *generator) stateOf(guest Reg, segment uint8) {
	first, offset := g.firstState(segment)
	g.RRI(LSR, offset, scratch3, guest, pageBits)
	if first != 0 {
		g.MovImm(scratch4, first)
		g.RRR(ADD, X, scratch3, scratch3, scratch4)
	}
	g.MemReg(LDRB, scratch4, states, scratch3, UXTX, false)
}

var plainStores = [...]Access{STRB, STRH, STRW, STRX}

// storeTo stores to an address that is right. It may change scratch2 and scratch3.
func (g *generator) storeTo(i *lir.Ins, v operand, p place) {
	var r Reg
	switch reversed := i.Big && i.Size > 1; {
	case v.kind == isImm:
		n := v.imm << (64 - 8*i.Size) >> (64 - 8*i.Size)
		if reversed {
			n = bits.ReverseBytes64(n) >> (64 - 8*i.Size)
		}
		r = g.number(n, scratch2)
	case reversed:
		g.reverse(i.Size, scratch2, g.register(v, scratch2, X))
		r = scratch2
	default:
		r = g.register(v, scratch2, X)
	}
	g.at(plainStores[bits.TrailingZeros8(i.Size)], r, p, scratch3)
}

// reservedPage is the way of a store to a page that is not just plain. One that is plain but for a reservation is stored
// to, after the reservation is forgotten if it is of the same 8 bytes. The state is in scratch4, its place in scratch3.
func (g *generator) reservedPage(i *lir.Ins, a access, goOn Label) {
	g.CmpImm(W, scratch4, lir.Plain|lir.Reserved)
	g.BCond(NE, a.leave)
	if misfits(i) { // it may be of two times 8 bytes
		g.TstImm(W, a.guest, uint64(i.Size-1))
		g.BCond(NE, a.leave)
	}
	cell := func(c ir.Cell) int64 { return int64(lir.CellAt(c)) }
	g.Mov(g.word(), scratch1, a.guest)
	g.Mem(LDRX, scratch4, context, cell(ir.ReservationAddress))
	g.RRR(EOR, X, scratch4, scratch4, scratch1)
	g.RRI(LSR, X, scratch4, scratch4, 3)
	g.Cbnz(X, scratch4, goOn)
	g.Mem(LDRX, scratch4, context, cell(ir.ReservationStatus))
	g.Cbz(X, scratch4, goOn)
	for _, c := range [...]ir.Cell{ir.ReservationStatus, ir.ReservationAddress, ir.ReservationOwner} {
		g.Mem(STRX, ZR, context, cell(c))
	}
	g.Mem(STRX, ZR, context, lir.ReservedAt)
	g.MovImm(scratch4, lir.Plain)
	g.MemReg(STRB, scratch4, states, scratch3, UXTX, false)
	g.B(goOn)
}

// change sets or clears bits of the state byte whose offset in the context is in a register.
func (g *generator) change(op Op, mask uint64, offset Reg) {
	g.MemReg(LDRB, scratch4, context, offset, UXTX, false)
	g.RRI(op, W, scratch4, scratch4, mask)
	g.MemReg(STRB, scratch4, context, offset, UXTX, false)
}

// reserve marks the page of a reservation. The load before it has found the segment of the address.
func (g *generator) reserve(i *lir.Ins) {
	none := g.NewLabel()
	g.Mem(LDRX, scratch3, context, lir.ReservedAt)
	g.Cbz(X, scratch3, none)
	g.change(AND, lir.Plain, scratch3)
	g.Bind(none)
	w := g.word()
	g.add(w, scratch0, g.register(g.operand(i.A), scratch1, w), int64(i.Off))
	found := g.NewLabel()
	if w == X {
		g.BCond(g.outside(scratch0, i.Seg), g.later(func() {
			g.lookup(scratch0)
			g.RRI(LSR, W, scratch3, scratch0, pageBits)
			g.B(found)
		}))
	}
	first, offset := g.firstState(i.Seg)
	g.RRI(LSR, offset, scratch3, scratch0, pageBits)
	g.MovImm(scratch2, uint64(g.h.States)+first)
	g.Bind(found)
	g.RRR(ADD, X, scratch3, scratch3, scratch2)
	g.Mem(STRX, scratch3, context, lir.ReservedAt)
	g.change(ORR, lir.Reserved, scratch3)
}

// guard checks an address for several accesses; what they go by is the host's address.
func (g *generator) guard(i *lir.Ins, firstSite int) {
	w := g.word()
	base := g.register(g.operand(i.A), scratch0, w)
	if w == W {
		g.Mov(W, scratch0, base)
		base = scratch0
	}
	leave := g.site(i, firstSite, func() Reg {
		g.add(w, scratch1, base, int64(i.Off))
		return scratch1
	})
	if i.Size > 1 {
		g.TstImm(W, base, uint64(i.Size-1))
		g.BCond(NE, leave)
	}
	// Where the bytes begin in the segment, or in the low ones. For smaller addresses it is a large number.
	g.add(X, scratch2, base, int64(i.Off))
	end := uint64(1) << 32
	switch {
	case !g.isLow(i.Seg):
		g.MovImm(scratch3, g.h.First[i.Seg])
		g.RRR(SUB, X, scratch2, scratch2, scratch3)
	case w == X:
		end = g.lowEnd()
	}
	g.MovImm(scratch3, end-uint64(i.Span))
	g.Cmp(X, scratch2, scratch3)
	d, store := g.dest(i.D)
	done := g.NewLabel()
	if w == W {
		g.BCond(HI, leave)
	} else {
		g.BCond(HI, g.later(func() { g.guardElsewhere(i, base, d, leave, done) }))
	}
	for _, off := range storePages(i) {
		g.add(X, scratch3, base, off)
		g.stateOf(scratch3, i.Seg)
		g.CmpImm(W, scratch4, lir.Plain)
		plain := g.NewLabel()
		g.BCond(NE, g.later(func() {
			g.guardReserved(i, base, leave)
			g.B(plain)
		}))
		g.Bind(plain)
	}
	g.RRR(ADD, X, d, g.bias(i.Seg), base)
	g.Bind(done)
	store()
}

// storePages gives offsets of bytes on all pages that the stores of a guard go to.
func storePages(i *lir.Ins) []int64 {
	if i.StoreSpan == 0 {
		return nil
	}
	return []int64{int64(i.StoreOff), int64(i.StoreOff) + int64(i.StoreSpan) - 1}
}

// guardElsewhere is the way of a guard where the addresses are not in the segment that they are expected in, or are close to
// its end.
func (g *generator) guardElsewhere(i *lir.Ins, base, d Reg, leave, done Label) {
	g.found(base, leave)
	g.Mov(W, scratch4, base)
	g.add(X, scratch3, scratch4, int64(i.Off))
	g.MovImm(scratch4, 1<<32-uint64(i.Span))
	g.Cmp(X, scratch3, scratch4)
	g.BCond(HI, leave)
	for _, off := range storePages(i) {
		g.add(X, scratch3, base, off)
		g.foundState(scratch3)
		plain := g.NewLabel()
		g.BCond(EQ, plain)
		g.guardReserved(i, base, leave)
		g.Bind(plain)
	}
	g.RRR(ADD, X, d, scratch1, base)
	g.B(done)
}

// guardReserved leaves unless the page whose state is in scratch4 may be stored to but for a reservation of other bytes.
func (g *generator) guardReserved(i *lir.Ins, base Reg, leave Label) {
	g.CmpImm(W, scratch4, lir.Plain|lir.Reserved)
	g.BCond(NE, leave)
	g.add(X, scratch3, base, int64(i.StoreOff)-7)
	g.Mem(LDRX, scratch4, context, int64(lir.CellAt(ir.ReservationAddress)))
	g.RRR(SUB, X, scratch4, scratch4, scratch3)
	g.MovImm(scratch3, uint64(i.StoreSpan)+14)
	g.Cmp(X, scratch4, scratch3)
	g.BCond(LS, leave)
}
