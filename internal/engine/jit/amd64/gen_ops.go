package amd64

import (
	"github.com/flexemu/flexemu/internal/engine/jit/lir"
)

// conds are the conditions on flags after a comparison of a and b, and of b and a.
var conds = [...][2]Cond{
	lir.EQ: {CondE, CondE}, lir.NE: {CondNE, CondNE},
	lir.LtU: {CondB, CondA}, lir.GeU: {CondAE, CondBE},
	lir.LtS: {CondL, CondG}, lir.GeS: {CondGE, CondLE},
}

// compare sets the flags and gives the condition on them.
func (g *generator) compare(t lir.Test) Cond {
	w := width(t.W)
	if f := &g.flags; f.after == g.Len() && t.A == f.of && t.Cond <= lir.NE && t.B.Kind == lir.Imm && t.B.Imm == 0 {
		switch {
		case f.isCond && t.Cond == lir.NE:
			return f.cond
		case f.isCond:
			return f.cond.Not()
		case f.w == W32 || w == f.w: // what is above 32 bits is then 0, or the sign
			return conds[t.Cond][0]
		}
	}
	a, b := g.operand(t.A), g.operand(t.B)
	swapped := 0
	if a.kind == isImm && b.kind != isImm {
		a, b, swapped = b, a, 1
	}
	if b.kind == isImm && !b.small(w) || a.kind == inMem && b.kind == inMem {
		g.load(scratch1, b, w)
		b = operand{kind: inReg, reg: scratch1}
	}
	if a.kind == isImm {
		g.load(scratch0, a, w)
		a = operand{kind: inReg, reg: scratch0}
	}
	switch {
	case a.kind == inReg && b.kind == isImm && int32(b.imm) == 0:
		g.TestRR(w, a.reg, a.reg)
	case a.kind == inReg && b.kind == isImm:
		g.AluRI(Cmp, w, a.reg, int32(b.imm))
	case a.kind == inReg && b.kind == inReg:
		g.AluRR(Cmp, w, a.reg, b.reg)
	case a.kind == inReg:
		g.AluRM(Cmp, w, a.reg, b.mem)
	case b.kind == isImm:
		g.AluMI(Cmp, w, a.mem, int32(b.imm))
	default:
		g.AluMR(Cmp, w, a.mem, b.reg)
	}
	return conds[t.Cond][swapped]
}

var aluOps = [...]AluOp{lir.Add: Add, lir.Sub: Sub, lir.And: And, lir.Or: Or, lir.Xor: Xor}

var shiftOps = [...]ShiftOp{lir.Shl: Shl, lir.ShrU: Shr, lir.ShrS: Sar, lir.RotR: Ror, lir.RotL: Rol}

var countOps = [...]CountOp{lir.Clz: Lzcnt, lir.Ctz: Tzcnt, lir.Popc: Popcnt}

func (g *generator) instruction(i *lir.Ins, firstSite int) {
	switch i.Op {
	case lir.Mov:
		g.move(i)
	case lir.Add, lir.Sub, lir.And, lir.Or, lir.Xor:
		g.alu(i)
	case lir.Shl, lir.ShrU, lir.ShrS, lir.RotR, lir.RotL:
		g.shift(i)
	case lir.Mul:
		g.multiply(i)
	case lir.MulHighU, lir.MulHighS, lir.MulHighSU:
		g.multiplyHigh(i)
	case lir.DivU, lir.DivS:
		g.divide(i)
	case lir.SetIf:
		c := g.compare(i.Test)
		d, done := g.dest(i.D)
		g.SetCC(c, d)
		g.MovZXR(1, d, d)
		done()
		g.note(flags{of: i.D, isCond: true, cond: c})
	case lir.Select:
		g.selection(i)
	case lir.Sext8, lir.Sext16, lir.Sext32, lir.Zext8, lir.Zext16, lir.Zext32:
		g.extend(i)
	case lir.Clz, lir.Ctz, lir.Popc:
		w := width(i.W)
		a := g.operand(i.A)
		d, done := g.dest(i.D)
		if a.kind == inMem {
			g.CountRM(countOps[i.Op], w, d, a.mem)
		} else {
			g.CountRR(countOps[i.Op], w, d, g.inRegister(a, scratch0, w))
		}
		done()
	case lir.Bswap:
		d, done := g.dest(i.D)
		g.load(d, g.operand(i.A), width(i.W))
		g.BswapR(width(i.W), d)
		g.sign(i, d)
		done()
	case lir.Load:
		g.loadMemory(i, firstSite)
	case lir.Store:
		g.storeMemory(i, firstSite)
	case lir.Guard:
		g.guard(i, firstSite)
	case lir.Reserve:
		g.reserve(i)
	case lir.ExitIf:
		g.Jcc(g.compare(i.Test), g.site(i, firstSite, nil))
	case lir.JumpIf:
		g.Jcc(g.compare(i.Test), g.marks[i.Label])
	case lir.Jump:
		g.Jmp(g.marks[i.Label])
	case lir.Label:
		g.Bind(g.marks[i.Label])
		g.flags = flags{} // it may be come to from elsewhere
	default:
		panic("amd64: no code for the operation " + i.Op.String())
	}
}

func (g *generator) move(i *lir.Ins) {
	if i.Sign && i.W == lir.W32 {
		g.extend(&lir.Ins{Op: lir.Sext32, D: i.D, A: i.A})
		return
	}
	a, d := g.operand(i.A), g.operand(i.D)
	w := width(i.W)
	if d.kind == inReg {
		// With 32 bits it is a move even to itself: it clears the upper half.
		if a.is(d.reg) && w == W32 {
			g.MovRR(W32, d.reg, d.reg)
			return
		}
		g.load(d.reg, a, w)
		return
	}
	if a.kind == isImm {
		v := a.imm
		if w == W32 {
			v = uint64(uint32(v))
		}
		if v == uint64(int64(int32(v))) {
			g.MovMI(W64, d.mem, int32(v))
			return
		}
	}
	if a.kind == inReg && w == W64 {
		g.MovMR(W64, d.mem, a.reg)
		return
	}
	g.load(scratch0, a, w)
	g.MovMR(W64, d.mem, scratch0)
}

// sign copies the sign of 32 bits into the upper half.
func (g *generator) sign(i *lir.Ins, d Reg) {
	if i.Sign && i.W == lir.W32 {
		g.MovSXR(4, W64, d, d)
	}
}

func (g *generator) alu(i *lir.Ins) {
	w, op := width(i.W), aluOps[i.Op]
	a, b, d := g.operand(i.A), g.operand(i.B), g.operand(i.D)
	switch {
	case i.By > 0 && b.kind == isImm:
		b.imm <<= i.By
	case i.By > 0:
		to, done := g.dest(i.D)
		index := g.inRegister(b, scratch1, w)
		g.Lea(w, to, Mem{Base: g.inRegister(a, scratch0, w), Index: index, Scale: 1 << i.By})
		g.sign(i, to)
		done()
		return
	}
	if a.kind == isImm && b.kind == isImm {
		g.load(scratch0, a, w)
		a = operand{kind: inReg, reg: scratch0}
	}
	if b.kind == isImm && !b.small(w) {
		g.load(scratch1, b, w)
		b = operand{kind: inReg, reg: scratch1}
	}
	if i.D.Kind == lir.Cell && d.kind == inMem && a == d && w == g.cellWidth(i.D.Cell) && !i.Sign && b.kind != inMem {
		if b.kind == isImm {
			g.AluMI(op, w, d.mem, int32(b.imm))
		} else {
			g.AluMR(op, w, d.mem, b.reg)
		}
		return
	}
	to := scratch0
	if d.kind == inReg {
		to = d.reg
	}
	if i.Op != lir.Sub && (b.is(to) || a.kind == isImm || a.kind == inMem && b.kind == inReg) {
		a, b = b, a
	}
	if b.kind == isImm && !b.small(w) {
		g.load(scratch1, b, w)
		b = operand{kind: inReg, reg: scratch1}
	}
	flagged := false
	switch {
	case i.Op == lir.Sub && a.kind == isImm && a.imm == 0:
		g.load(to, b, w)
		g.UnaryR(Neg, w, to)
	case i.Op == lir.Add && a.kind == inReg && a.reg != to && b.kind == inReg:
		g.Lea(w, to, Mem{Base: a.reg, Index: b.reg, Scale: 1})
	case i.Op == lir.Add && a.kind == inReg && a.reg != to && b.kind == isImm:
		g.Lea(w, to, Mem{Base: a.reg, Index: NoReg, Disp: int32(b.imm)})
	default:
		r := to
		if b.is(to) && !a.is(to) { // a subtraction from what the result replaces
			r = scratch0
		}
		g.load(r, a, w)
		switch b.kind {
		case inReg:
			g.AluRR(op, w, r, b.reg)
		case inMem:
			g.AluRM(op, w, r, b.mem)
		default:
			g.AluRI(op, w, r, int32(b.imm))
		}
		if r != to {
			g.MovRR(W64, to, r)
		}
		flagged = true
	}
	g.sign(i, to)
	if d.kind == inMem {
		g.MovMR(W64, d.mem, to)
	}
	if flagged {
		g.note(flags{of: i.D, w: w})
	}
}

func (g *generator) shift(i *lir.Ins) {
	w, op := width(i.W), shiftOps[i.Op]
	a, b := g.operand(i.A), g.operand(i.B)
	d, done := g.dest(i.D)
	switch {
	case b.kind == isImm:
		n := uint8(b.imm & 63)
		if w == W32 {
			n &= 31
		}
		switch {
		case i.Op == lir.RotR && a.kind == inMem:
			g.RorxRM(w, d, a.mem, n)
		case i.Op == lir.RotR:
			g.RorxRR(w, d, g.inRegister(a, scratch0, w), n)
		case a.is(d) && w == W32 && n == 0:
			g.MovRR(W32, d, d)
		default:
			g.load(d, a, w)
			if n > 0 {
				g.ShiftRI(op, w, d, n)
			}
		}
	case i.Op == lir.RotR, i.Op == lir.RotL:
		g.load(scratch0, a, w)
		if b.is(RCX) {
			g.ShiftRCL(op, w, scratch0)
		} else {
			g.MovRR(W64, scratch1, RCX)
			g.load(RCX, b, w)
			g.ShiftRCL(op, w, scratch0)
			g.MovRR(W64, RCX, scratch1)
		}
		if d != scratch0 {
			g.MovRR(w, d, scratch0)
		}
	default:
		by := g.inRegister(b, scratch1, w)
		if a.kind == isImm {
			g.load(scratch0, a, w)
			a = operand{kind: inReg, reg: scratch0}
		}
		g.shiftBy(op, w, d, a, by)
	}
	g.sign(i, d)
	done()
}

func (g *generator) shiftBy(op ShiftOp, w Width, d Reg, a operand, by Reg) {
	if a.kind == inMem {
		g.ShiftxRM(op, w, d, a.mem, by)
	} else {
		g.ShiftxRR(op, w, d, a.reg, by)
	}
}

func (g *generator) multiply(i *lir.Ins) {
	w := width(i.W)
	a, b := g.operand(i.A), g.operand(i.B)
	d, done := g.dest(i.D)
	if a.kind == isImm || b.is(d) {
		a, b = b, a
	}
	switch {
	case b.small(w) && a.kind == inMem:
		g.ImulRMI(w, d, a.mem, int32(b.imm))
	case b.small(w):
		g.ImulRRI(w, d, g.inRegister(a, scratch0, w), int32(b.imm))
	default:
		g.load(d, a, w)
		if b.kind == isImm {
			g.load(scratch1, b, w)
			b = operand{kind: inReg, reg: scratch1}
		}
		if b.kind == inMem {
			g.ImulRM(w, d, b.mem)
		} else {
			g.ImulRR(w, d, b.reg)
		}
	}
	g.sign(i, d)
	done()
}

// apart moves a constant operand to memory, where multiplication and division take it from.
func (g *generator) apart(o operand) operand {
	if o.kind != isImm {
		return o
	}
	g.MovRI(scratch0, o.imm)
	g.MovMR(W64, at(lir.ScratchAt), scratch0)
	return operand{kind: inMem, mem: at(lir.ScratchAt)}
}

func (g *generator) unary(op UnaryOp, w Width, o operand) {
	if o.kind == inMem {
		g.UnaryM(op, w, o.mem)
	} else {
		g.UnaryR(op, w, o.reg)
	}
}

func (g *generator) multiplyHigh(i *lir.Ins) {
	a, b := g.operand(i.A), g.apart(g.operand(i.B))
	op := Mul
	if i.Op == lir.MulHighS {
		op = Imul
	}
	g.load(RAX, a, W64)
	g.unary(op, W64, b)
	if i.Op == lir.MulHighSU { // a negative a was taken for one that is 2^64 larger
		g.load(RAX, a, W64)
		g.ShiftRI(Sar, W64, RAX, 63)
		if b.kind == inMem {
			g.AluRM(And, W64, RAX, b.mem)
		} else {
			g.AluRR(And, W64, RAX, b.reg)
		}
		g.AluRR(Sub, W64, RDX, RAX)
	}
	g.store(i.D, RDX)
}

// store puts a register that is no operand's into a place.
func (g *generator) store(o lir.Operand, r Reg) {
	if o.Kind == lir.None {
		return
	}
	if d := g.operand(o); d.kind == inReg {
		g.MovRR(W64, d.reg, r)
	} else {
		g.MovMR(W64, d.mem, r)
	}
}

func (g *generator) divide(i *lir.Ins) {
	w := width(i.W)
	a, b := g.operand(i.A), g.operand(i.B)
	constant := b
	b = g.apart(b)
	g.load(RAX, a, w)
	done := g.NewLabel()
	if constant.kind != isImm || constant.imm == 0 || w == W32 && uint32(constant.imm) == 0 {
		g.equals(w, b, 0)
		g.Jcc(CondE, g.later(func() {
			g.AluRR(Xor, W32, RAX, RAX)
			g.AluRR(Xor, W32, RDX, RDX)
			g.Jmp(done)
		}))
	}
	if i.Op == lir.DivS {
		g.equals(w, b, -1) // the lowest number / -1 traps on the host
		g.Jcc(CondE, g.later(func() {
			g.UnaryR(Neg, w, RAX)
			g.AluRR(Xor, W32, RDX, RDX)
			g.Jmp(done)
		}))
		if w == W64 {
			g.Cqo()
		} else {
			g.Cdq()
		}
		g.unary(Idiv, w, b)
	} else {
		g.AluRR(Xor, W32, RDX, RDX)
		g.unary(Div, w, b)
	}
	g.Bind(done)
	if i.D.Kind != lir.None {
		g.sign(i, RAX)
		g.store(i.D, RAX)
	}
	if i.E.Kind != lir.None {
		g.sign(i, RDX)
		g.store(i.E, RDX)
	}
}

func (g *generator) equals(w Width, o operand, v int32) {
	switch {
	case o.kind == inMem:
		g.AluMI(Cmp, w, o.mem, v)
	case v == 0:
		g.TestRR(w, o.reg, o.reg)
	default:
		g.AluRI(Cmp, w, o.reg, v)
	}
}

func (g *generator) selection(i *lir.Ins) {
	w := width(i.W)
	c := g.compare(i.Test)
	a, b := g.operand(i.A), g.operand(i.B)
	d, done := g.dest(i.D)
	if a.is(d) && !b.is(d) { // keep what is there
		a, b, c = b, a, c.Not()
	}
	g.load(d, b, w)
	switch {
	case a.kind == inMem:
		g.CmovRM(c, w, d, a.mem)
	default:
		g.CmovRR(c, w, d, g.inRegister(a, scratch1, w))
	}
	g.sign(i, d)
	done()
}

var extensions = [...]struct {
	size   int
	signed bool
}{
	lir.Sext8: {1, true}, lir.Sext16: {2, true}, lir.Sext32: {4, true}, lir.Zext8: {1, false}, lir.Zext16: {2, false}, lir.Zext32: {4, false},
}

func (g *generator) extend(i *lir.Ins) {
	x := extensions[i.Op]
	a := g.operand(i.A)
	d, done := g.dest(i.D)
	if a.kind == isImm {
		g.load(scratch0, a, W64)
		a = operand{kind: inReg, reg: scratch0}
	}
	switch {
	case a.kind == inMem && x.signed:
		g.MovSXM(x.size, W64, d, a.mem)
	case a.kind == inMem:
		g.MovZXM(x.size, d, a.mem)
	case x.signed:
		g.MovSXR(x.size, W64, d, a.reg)
	default:
		g.MovZXR(x.size, d, a.reg)
	}
	done()
}
