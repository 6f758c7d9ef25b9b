package amd64

import (
	"math/bits"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// site gives the label of code that leaves at the site of an operation; address, if not nil, brings the address of the
// access into scratch0 first.
func (g *generator) site(i *lir.Ins, firstSite int, address func()) Label {
	s := &g.b.Sites[i.Site]
	number := firstSite + int(i.Site)
	return g.later(func() {
		if address != nil {
			address()
			g.MovMR(W64, at(lir.FaultAt), scratch0)
		}
		switch next := &s.Next; next.Kind {
		case lir.NextTest:
			c := g.compare(next.Test)
			g.MovRI(scratch0, next.Else)
			g.MovRI(scratch1, next.PC)
			g.CmovRR(c, W64, scratch0, scratch1)
			g.MovMR(W64, at(lir.CellAt(ir.NextPC)), scratch0)
		case lir.NextValue:
			g.load(scratch0, g.operand(next.Reg), g.word())
			g.MovMR(W64, at(lir.CellAt(ir.NextPC)), scratch0)
		}
		g.MovRI(scratch0, uint64(lir.LeftSite|number))
		if g.held == nil {
			g.Jmp(g.use(&g.leave))
			return
		}
		for _, s := range g.held {
			g.MovMR(g.word(), at(lir.CellAt(s.cell)), s.reg)
		}
		g.Ret()
	})
}

// low tells whether an access is expected in the low segments.
func (g *generator) low(i *lir.Ins) bool { return g.r.Narrow || i.Seg < g.h.LowSegments }

// An access is an address in guest memory, in the segment that it is expected in.
type access struct {
	guest Reg // holds the guest's address: all of it, or zero-extended 32 bits
	host  Mem
	bias  func()  // brings what host needs besides guest into scratch1
	again func()  // brings guest and host's registers back
	other []Label // where code for other segments is wanted; guest holds the address there
}

// address computes the address of an access into a register, scratch0 if need be. scratch1 may be changed.
func (g *generator) address(i *lir.Ins, firstSite int) *access {
	base := g.operand(i.A)
	w := g.word()
	rounds := i.Round && i.Size > 1
	a := &access{guest: scratch0, bias: func() {}}
	compute := func() {
		switch {
		case base.kind == inReg && i.Off != 0:
			g.Lea(w, scratch0, Mem{Base: base.reg, Index: NoReg, Disp: i.Off})
		default:
			g.load(scratch0, base, w)
			if i.Off != 0 {
				g.AluRI(Add, w, scratch0, i.Off)
			}
		}
		if rounds && !i.Aligned {
			g.AluRI(And, w, scratch0, -int32(i.Size))
		}
	}
	if base.kind == inReg && i.Off == 0 && (!rounds || i.Aligned) && w == W64 {
		a.guest, compute = base.reg, func() {}
	}
	a.again = compute
	compute()
	if rounds && i.Aligned {
		g.TestRI8(a.guest, i.Size-1)
		g.Jcc(CondNE, g.site(i, firstSite, func() {
			a.fault(g)()
			g.AluRI(And, w, scratch0, -int32(i.Size))
		}))
	}
	other := func(c Cond) {
		l := g.NewLabel()
		a.other = append(a.other, l)
		g.Jcc(c, l)
	}
	crosses := !i.Round && i.Size > 1 // the end of the segment, perhaps
	switch {
	case w == W32:
		if crosses {
			g.AluRI(Cmp, W32, a.guest, -int32(i.Size))
			g.Jcc(CondA, g.site(i, firstSite, a.fault(g)))
		}
		a.host = Mem{Base: context, Index: a.guest, Scale: 1, Disp: g.h.Low}
	case i.Seg < g.h.LowSegments:
		g.AluRM(Cmp, W64, a.guest, at(lir.LimitAt))
		other(CondAE)
		a.host = Mem{Base: context, Index: a.guest, Scale: 1, Disp: g.h.Low}
	default:
		g.RorxRR(W64, scratch1, a.guest, 32)
		g.AluRI(Cmp, W32, scratch1, int32(g.h.First[i.Seg]>>32))
		other(CondNE)
		if crosses {
			g.AluRI(Cmp, W32, a.guest, -8)
			other(CondA)
		}
		a.bias = func() { g.MovRM(W64, scratch1, at(lir.BiasAt+8*int32(i.Seg))) }
		a.host = Mem{Base: scratch1, Index: a.guest, Scale: 1}
		a.again = func() { compute(); a.bias() }
	}
	return a
}

// fault brings the address of an access into scratch0.
func (a *access) fault(g *generator) func() {
	return func() {
		if a.guest != scratch0 {
			g.MovRR(W64, scratch0, a.guest)
		}
	}
}

// elsewhere puts the code for other segments behind the blocks: do is run with the address in scratch0 and the
// segment's bias in scratch1, and done follows. leave is the site of the access.
func (g *generator) elsewhere(i *lir.Ins, a *access, leave, done Label, do func()) {
	if len(a.other) == 0 {
		return
	}
	g.behind(func() {
		for _, l := range a.other {
			g.Bind(l)
		}
		a.fault(g)()
		g.callPiece(&g.counted)
		g.Jcc(CondNE, leave)
		if !i.Round && i.Size > 1 {
			g.AluRI(Cmp, W32, scratch0, -8)
			g.Jcc(CondA, leave)
		}
		do()
		g.Jmp(done)
	})
}

// What findSegment and reservedPage leave in the context.
const (
	returnAt = lir.ScratchAt + 8*iota
	guestAt
	biasAt
	statesAt
	stateAt
)

// callPiece lets a piece return behind here, to the address in scratch1.
func (g *generator) callPiece(p *piece) {
	back := g.NewLabel()
	g.LeaLabel(scratch1, back)
	g.Jmp(g.use(p))
	g.Bind(back)
}

// findSegment looks for the segment of the address in scratch0 and says with the condition E whether there is one, with
// its bias in scratch1.
func (g *generator) findSegment() {
	entry := func(field int32) Mem {
		return Mem{Base: context, Index: scratch0, Scale: 1, Disp: lir.SegmentsAt + field}
	}
	g.MovMR(W64, at(guestAt), scratch0)
	g.ShiftRI(Shr, W64, scratch0, 32)
	g.MovRR(W32, scratch1, scratch0)
	g.ShiftRI(Shr, W32, scratch0, 8)
	g.AluRR(Xor, W32, scratch0, scratch1)
	g.AluRI(And, W32, scratch0, lir.SegmentEntries-1)
	g.ShiftRI(Shl, W32, scratch0, 5)
	g.AluRI(Add, W64, scratch1, 1)
	g.AluRM(Cmp, W64, scratch1, entry(0))
	g.MovRM(W64, scratch1, entry(16))
	g.MovMR(W64, at(statesAt), scratch1)
	g.MovRM(W64, scratch1, entry(8))
	g.MovMR(W64, at(biasAt), scratch1)
	g.MovRM(W64, scratch0, at(guestAt))
}

// guard checks an address for several accesses; what they go by is the host's address, or in narrow regions the
// guest's with 64 bits.
func (g *generator) guard(i *lir.Ins, firstSite int) {
	w := g.word()
	base := g.inRegister(g.operand(i.A), scratch0, w)
	leave := g.site(i, firstSite, func() { g.Lea(w, scratch0, Mem{Base: base, Index: NoReg, Disp: i.Off}) })
	if base == scratch0 {
		g.MovMR(W64, at(guestAt), scratch0)
		leave = g.site(i, firstSite, func() {
			g.MovRM(w, scratch0, at(guestAt))
			g.AluRI(Add, w, scratch0, i.Off)
		})
	}
	if i.Size > 1 {
		g.TestRI8(base, i.Size-1)
		g.Jcc(CondNE, leave)
	}
	done := g.NewLabel()
	d := g.operand(i.D)
	to := scratch1
	if d.kind == inReg {
		to = d.reg
	}
	elsewhere := func() Label {
		return g.later(func() { g.guardElsewhere(i, base, d, leave, done) })
	}
	host := func() {
		switch {
		case w == W32:
			g.MovRR(W32, to, base)
		case g.low(i):
			g.Lea(W64, to, Mem{Base: context, Index: base, Scale: 1, Disp: g.h.Low})
		default:
			g.MovRM(W64, to, at(lir.BiasAt+8*int32(i.Seg)))
			g.AluRR(Add, W64, to, base)
		}
	}
	// All of them leave the place of the first byte in scratch1, as its page's state is found by.
	switch {
	case w == W32:
		g.guardRange(i, base, leave)
	case g.low(i):
		g.Lea(W64, scratch1, Mem{Base: base, Index: NoReg, Disp: i.Off})
		g.AluRM(Cmp, W64, scratch1, at(lir.LimitAt))
		g.Jcc(CondAE, elsewhere())
	case to != scratch1:
		host()
		host = func() {}
		g.Lea(W64, scratch1, Mem{Base: to, Index: NoReg, Disp: i.Off})
		g.AluRM(Sub, W64, scratch1, at(lir.HostAt+8*int32(i.Seg)))
		g.AluRM(Cmp, W64, scratch1, at(lir.ReachAt))
		g.Jcc(CondAE, elsewhere())
	default:
		g.RorxRR(W64, scratch1, base, 32)
		g.AluRI(Cmp, W32, scratch1, int32(g.h.First[i.Seg]>>32))
		g.Jcc(CondNE, elsewhere())
		g.guardRange(i, base, leave)
	}
	if i.StoreSpan > 0 {
		g.guardPages(i, base, leave)
	}
	host()
	if d.kind == inMem {
		g.MovMR(W64, d.mem, to)
	}
	g.Bind(done)
}

// guardRange leaves unless the bytes of a guard are in one segment.
func (g *generator) guardRange(i *lir.Ins, base Reg, leave Label) {
	g.Lea(W32, scratch1, Mem{Base: base, Index: NoReg, Disp: i.Off})
	g.AluRI(Cmp, W32, scratch1, -i.Span) // above 2^32 - Span
	g.Jcc(CondA, leave)
}

// guardElsewhere is a guard for another segment than the expected one.
func (g *generator) guardElsewhere(i *lir.Ins, base Reg, d operand, leave, done Label) {
	if base != scratch0 {
		g.MovRR(W64, scratch0, base)
	}
	g.callPiece(&g.counted)
	g.Jcc(CondNE, leave)
	g.guardRange(i, scratch0, leave)
	if i.StoreSpan > 0 {
		plain := g.NewLabel()
		g.guardStates(i, scratch0, leave, plain, func(off int32) Mem {
			g.Lea(W32, scratch1, Mem{Base: scratch0, Index: NoReg, Disp: off})
			g.ShiftRI(Shr, W32, scratch1, 12)
			g.AluRM(Add, W64, scratch1, at(statesAt))
			return Mem{Base: context, Index: scratch1, Scale: 1}
		})
		g.Bind(plain)
	}
	g.AluRM(Add, W64, scratch0, at(biasAt))
	if d.kind == inMem {
		g.MovMR(W64, d.mem, scratch0)
	} else {
		g.MovRR(W64, d.reg, scratch0)
	}
	g.Jmp(done)
}

// guardPages leaves unless the pages of a guard's stores may be stored to. scratch1 holds the place of the guard's first
// byte. The page behind that of the first store is asked in any case: it is plain, too, most of the time.
func (g *generator) guardPages(i *lir.Ins, base Reg, leave Label) {
	plain := g.NewLabel()
	w, states := g.states(i.Seg)
	if off := i.StoreOff - i.Off; off != 0 {
		g.AluRI(Add, w, scratch1, off)
	}
	g.ShiftRI(Shr, w, scratch1, 12)
	g.MovZXM(2, scratch1, Mem{Base: context, Index: scratch1, Scale: 1, Disp: states})
	g.AluRI(Cmp, W32, scratch1, lir.Plain|lir.Plain<<8)
	g.Jcc(CondNE, g.later(func() {
		g.guardStates(i, base, leave, plain, func(off int32) Mem { return g.state(base, off, i.Seg) })
	}))
	g.Bind(plain)
}

// guardStates leaves unless the pages are plain, but for a reservation of other bytes than the guard's; else it goes to
// plain. It may change scratch1. state finds the state of the page at an offset from base.
func (g *generator) guardStates(i *lir.Ins, base Reg, leave, plain Label, state func(off int32) Mem) {
	odd := g.NewLabel()
	ends := i.StoreEnds()
	g.AluM8I(Cmp, state(ends[0]), lir.Plain)
	g.Jcc(CondNE, odd)
	g.AluM8I(Cmp, state(ends[1]), lir.Plain)
	g.Jcc(CondE, plain)
	g.Bind(odd)
	for _, off := range ends {
		g.MovZXM(1, scratch1, state(off))
		g.AluRI(Or, W32, scratch1, lir.Reserved)
		g.AluRI(Cmp, W32, scratch1, lir.Plain|lir.Reserved)
		g.Jcc(CondNE, leave)
	}
	w := g.word()
	g.Lea(w, scratch1, Mem{Base: base, Index: NoReg, Disp: i.StoreOff - 7})
	g.UnaryR(Neg, w, scratch1)
	g.AluRM(Add, w, scratch1, at(lir.CellAt(ir.ReservationAddress)))
	g.AluRI(Cmp, w, scratch1, i.StoreSpan+14)
	g.Jcc(CondBE, leave)
	g.Jmp(plain)
}

// via is the place of an access that a guard has checked.
func (g *generator) via(i *lir.Ins, scratch Reg) Mem {
	r := g.inRegister(g.operand(i.Via), scratch, W64)
	if g.r.Narrow {
		return Mem{Base: context, Index: r, Scale: 1, Disp: g.h.Low + i.Off}
	}
	return Mem{Base: r, Index: NoReg, Disp: i.Off}
}

func (g *generator) loadMemory(i *lir.Ins, firstSite int) {
	if i.Via.Kind != lir.None {
		d, store := g.dest(i.D)
		g.loadFrom(i, d, g.via(i, scratch1))
		store()
		return
	}
	a := g.address(i, firstSite)
	d, store := g.dest(i.D)
	done := g.NewLabel()
	if len(a.other) > 0 {
		g.elsewhere(i, a, g.site(i, firstSite, func() {}), done, func() {
			g.loadFrom(i, d, Mem{Base: scratch1, Index: scratch0, Scale: 1})
		})
	}
	a.bias()
	g.loadFrom(i, d, a.host)
	g.Bind(done)
	store()
}

// loadFrom loads from an address that is right.
func (g *generator) loadFrom(i *lir.Ins, d Reg, m Mem) {
	w, size := width(i.W), int(i.Size)
	switch {
	case i.Big && size == 2:
		g.MovZXM(2, d, m)
		g.BswapR(W32, d)
		if i.Sign {
			g.ShiftRI(Sar, W32, d, 16)
			if w == W64 {
				g.MovSXR(4, W64, d, d)
			}
		} else {
			g.ShiftRI(Shr, W32, d, 16)
		}
	case i.Big:
		g.MovbeRM(size, d, m)
		if i.Sign && w == W64 && size == 4 {
			g.MovSXR(4, W64, d, d)
		}
	case i.Sign && (size < 4 || size == 4 && w == W64):
		g.MovSXM(size, w, d, m)
	default:
		g.MovZXM(size, d, m)
	}
}

// states gives the table of the states of a segment's pages, and the width of addresses in it.
func (g *generator) states(segment uint8) (w Width, disp int32) {
	if segment < g.h.LowSegments && !g.r.Narrow {
		return W64, g.h.States
	}
	return W32, g.h.States + int32(segment)<<20
}

// state finds the state byte of the page of an address, by an index in scratch1.
func (g *generator) state(guest Reg, off int32, segment uint8) Mem {
	w, disp := g.states(segment)
	if off == 0 {
		g.MovRR(w, scratch1, guest)
	} else {
		g.Lea(w, scratch1, Mem{Base: guest, Index: NoReg, Disp: off})
	}
	g.ShiftRI(Shr, w, scratch1, 12)
	return Mem{Base: context, Index: scratch1, Scale: 1, Disp: disp}
}

func (g *generator) storeMemory(i *lir.Ins, firstSite int) {
	if i.Via.Kind != lir.None {
		g.storeTo(i, g.operand(i.B), g.via(i, scratch1))
		return
	}
	a := g.address(i, firstSite)
	leave := g.site(i, firstSite, func() {
		a.again()
		a.fault(g)()
	})
	done := g.NewLabel()
	if len(a.other) > 0 {
		v := g.operand(i.B)
		out := g.site(i, firstSite, func() { g.MovRM(W64, scratch0, at(guestAt)) })
		g.elsewhere(i, a, out, done, func() { g.storeElsewhere(i, v, out) })
	}
	if !i.Round && i.Size > 1 {
		checked := g.NewLabel()
		g.TestRI8(a.guest, i.Size-1)
		g.Jcc(CondNE, g.later(func() { // misaligned: in one page?
			g.MovRR(W32, scratch1, a.guest)
			g.AluRI(And, W32, scratch1, 4095)
			g.AluRI(Cmp, W32, scratch1, 4096-int32(i.Size))
			g.Jcc(CondA, leave)
			g.Jmp(checked)
		}))
		g.Bind(checked)
	}
	state := g.state(a.guest, 0, i.Seg)
	goOn := g.NewLabel()
	g.AluM8I(Cmp, state, lir.Plain)
	g.Jcc(CondNE, g.later(func() {
		if misaligned := !i.Round && i.Size > 1; misaligned { // it may be of two times 8 bytes
			g.TestRI8(a.guest, i.Size-1)
			g.Jcc(CondNE, leave)
		}
		a.fault(g)()
		g.callPiece(&g.reserved)
		g.Jcc(CondNE, leave)
		a.again()
		g.Jmp(goOn)
	}))
	a.bias()
	g.Bind(goOn)
	g.storeTo(i, g.operand(i.B), a.host)
	g.Bind(done)
}

// storeTo stores to an address that is right.
func (g *generator) storeTo(i *lir.Ins, v operand, m Mem) {
	if v.kind == isImm {
		if k, ok := storable(v.imm, i); ok {
			g.StoreI(int(i.Size), m, k)
			return
		}
	}
	r := v.reg
	if v.kind != inReg {
		r = scratch1
		switch {
		case m.Base != scratch1:
		case m.Index == NoReg:
			r = scratch0
		default: // both scratch registers may be in use: keep the sum of them
			g.AluRR(Add, W64, scratch1, m.Index)
			m.Index, r = NoReg, scratch0
		}
		if m.Index == scratch1 {
			r = scratch0
		}
		g.load(r, v, W64)
	}
	if i.Big && i.Size > 1 {
		g.MovbeMR(int(i.Size), m, r)
	} else {
		g.Store(int(i.Size), m, r)
	}
}

// storeElsewhere stores to a page of a segment that findSegment has found, if the page is plain.
func (g *generator) storeElsewhere(i *lir.Ins, v operand, leave Label) {
	if !i.Round && i.Size > 1 {
		g.TestRI8(scratch0, i.Size-1)
		g.Jcc(CondNE, leave)
	}
	g.MovRR(W32, scratch1, scratch0)
	g.ShiftRI(Shr, W32, scratch1, 12)
	g.AluRM(Add, W64, scratch1, at(statesAt))
	plain := g.NewLabel()
	g.AluM8I(Cmp, Mem{Base: context, Index: scratch1, Scale: 1}, lir.Plain)
	g.Jcc(CondE, plain)
	g.callPiece(&g.reserved)
	g.Jcc(CondNE, leave)
	g.Bind(plain)
	g.MovRM(W64, scratch1, at(biasAt))
	g.storeTo(i, v, Mem{Base: scratch1, Index: scratch0, Scale: 1})
}

// storable gives the bytes of a constant as a number that an instruction can hold.
func storable(v uint64, i *lir.Ins) (int32, bool) {
	if i.Big {
		v = bits.ReverseBytes64(v) >> (64 - 8*i.Size)
	}
	if i.Size < 8 {
		v = uint64(int64(v<<(64-8*i.Size)) >> (64 - 8*i.Size))
	}
	return int32(v), v == uint64(int64(int32(v)))
}

// reservedPage is for a store to the address in scratch0, whose page is not just plain. It says with the condition E that the
// page may be stored to: it is plain but for a reservation, which is forgotten if it is of the same 8 bytes. It returns to the
// address in scratch1.
func (g *generator) reservedPage() {
	out, other := g.NewLabel(), g.NewLabel()
	g.MovMR(W64, at(returnAt), scratch1)
	if g.r.Narrow {
		g.MovMR(W64, at(guestAt), scratch0)
		g.MovRR(W32, scratch1, scratch0)
		g.ShiftRI(Shr, W32, scratch1, 12)
		g.AluRI(Add, W64, scratch1, g.h.States)
	} else {
		g.findSegment()
		g.Jcc(CondNE, out)
		g.MovRR(W32, scratch1, scratch0)
		g.ShiftRI(Shr, W32, scratch1, 12)
		g.AluRM(Add, W64, scratch1, at(statesAt))
	}
	state := Mem{Base: context, Index: scratch1, Scale: 1}
	g.AluM8I(Cmp, state, lir.Plain|lir.Reserved)
	g.Jcc(CondNE, out)
	g.MovMR(W64, at(stateAt), scratch1)
	g.MovRR(W64, scratch1, scratch0)
	g.AluRM(Xor, W64, scratch1, at(lir.CellAt(ir.ReservationAddress)))
	g.ShiftRI(Shr, W64, scratch1, 3)
	g.Jcc(CondNE, other)
	g.AluMI(Cmp, W64, at(lir.CellAt(ir.ReservationStatus)), 0)
	g.Jcc(CondE, other)
	g.forget()
	g.MovRM(W64, scratch1, at(stateAt))
	g.StoreI(1, state, lir.Plain)
	g.Bind(other)
	g.AluRR(Cmp, W64, scratch0, scratch0) // E
	g.Bind(out)
	g.JmpM(at(returnAt))
}

// forget drops the reservation. Its page's state has to be set, too.
func (g *generator) forget() {
	for _, c := range [...]ir.Cell{ir.ReservationStatus, ir.ReservationAddress, ir.ReservationOwner} {
		g.MovMI(W64, at(lir.CellAt(c)), 0)
	}
	g.MovMI(W64, at(lir.ReservedAt), 0)
}

// reserve marks the page of a reservation. The load before it has checked the address.
func (g *generator) reserve(i *lir.Ins) {
	none := g.NewLabel()
	g.MovRM(W64, scratch0, at(lir.ReservedAt))
	g.TestRR(W64, scratch0, scratch0)
	g.Jcc(CondE, none)
	g.AluM8I(And, Mem{Base: context, Index: scratch0, Scale: 1}, lir.Plain)
	g.Bind(none)
	g.load(scratch0, g.operand(i.A), g.word())
	if i.Off != 0 {
		g.AluRI(Add, g.word(), scratch0, i.Off)
	}
	if g.r.Narrow {
		g.MovRR(W32, scratch1, scratch0)
		g.ShiftRI(Shr, W32, scratch1, 12)
		g.AluRI(Add, W64, scratch1, g.h.States)
	} else {
		// The load may have found another segment than the expected one, but it has found one.
		g.callPiece(&g.lookup)
		g.MovRR(W32, scratch1, scratch0)
		g.ShiftRI(Shr, W32, scratch1, 12)
		g.AluRM(Add, W64, scratch1, at(statesAt))
	}
	g.MovMR(W64, at(lir.ReservedAt), scratch1)
	g.AluM8I(Or, Mem{Base: context, Index: scratch1, Scale: 1}, lir.Reserved)
}
