package arm64

import (
	"github.com/flexemu/flexemu/internal/engine/jit/lir"
)

// conditions are the conditions on flags after a comparison of a and b, and of b and a.
var conditions = [...][2]Cond{
	lir.EQ: {EQ, EQ}, lir.NE: {NE, NE},
	lir.LtU: {LO, HI}, lir.GeU: {HS, LS},
	lir.LtS: {LT, GT}, lir.GeS: {GE, LE},
}

// sides gives the operands of a test, a constant being the second one if only one is a constant.
func (g *generator) sides(t lir.Test) (a, b operand, swapped int) {
	a, b = g.operand(t.A), g.operand(t.B)
	if a.kind == isImm && b.kind != isImm {
		return b, a, 1
	}
	return a, b, 0
}

// compare sets the flags and gives the condition on them.
func (g *generator) compare(t lir.Test) Cond {
	w := width(t.W)
	a, b, swapped := g.sides(t)
	if b.kind == isImm && FitsImm(SUBS, w, b.imm) {
		g.CmpImm(w, g.register(a, scratch0, w), b.imm)
	} else {
		g.Cmp(w, g.value(a, scratch0, w), g.value(b, scratch1, w))
	}
	return conditions[t.Cond][swapped]
}

// branch jumps to a label if a test holds.
func (g *generator) branch(t lir.Test, l Label) {
	w := width(t.W)
	a, b, swapped := g.sides(t)
	if b.kind == isImm && cut(b.imm, w) == 0 {
		sign := w.bits() - 1
		switch {
		case t.Cond == lir.EQ:
			g.Cbz(w, g.value(a, scratch0, w), l)
			return
		case t.Cond == lir.NE:
			g.Cbnz(w, g.value(a, scratch0, w), l)
			return
		case t.Cond == lir.LtS && swapped == 0:
			g.Tbnz(g.value(a, scratch0, w), sign, l)
			return
		case t.Cond == lir.GeS && swapped == 0:
			g.Tbz(g.value(a, scratch0, w), sign, l)
			return
		}
	}
	g.BCond(g.compare(t), l)
}

// twos are the operations with two operands that are one instruction.
var twos = map[lir.Op]Op{
	lir.Add: ADD, lir.Sub: SUB, lir.And: AND, lir.Or: ORR, lir.Xor: EOR,
	lir.Shl: LSL, lir.ShrU: LSR, lir.ShrS: ASR, lir.RotR: ROR,
	lir.Mul: MUL, lir.MulHighU: UMULH, lir.MulHighS: SMULH,
	lir.DivU: UDIV, lir.DivS: SDIV,
}

var extensions = map[lir.Op]Extend{
	lir.Sext8: SXTB, lir.Sext16: SXTH, lir.Sext32: SXTW, lir.Zext8: UXTB, lir.Zext16: UXTH, lir.Zext32: UXTW,
}

func (g *generator) instruction(i *lir.Ins, firstSite int) {
	switch i.Op {
	case lir.Load:
		g.loadMemory(i, firstSite)
	case lir.Store:
		g.storeMemory(i, firstSite)
	case lir.Guard:
		g.guard(i, firstSite)
	case lir.Reserve:
		g.reserve(i)
	case lir.ExitIf:
		g.branch(i.Test, g.site(i, firstSite, nil))
	case lir.JumpIf:
		g.branch(i.Test, g.marks[i.Label])
	case lir.Jump:
		g.B(g.marks[i.Label])
	case lir.Label:
		g.Bind(g.marks[i.Label])
	case lir.Mov:
		g.move(i)
	case lir.DivU, lir.DivS:
		g.divide(i)
	default:
		g.compute(i)
	}
}

// compute makes the operations that have one result and no other effect.
func (g *generator) compute(i *lir.Ins) {
	w := width(i.W)
	d, done := g.dest(i.D)
	switch i.Op {
	case lir.SetIf:
		g.Cset(X, d, g.compare(i.Test))
		done()
		return
	case lir.Select:
		c := g.compare(i.Test)
		a := g.value(g.operand(i.A), scratch0, w)
		g.Csel(CSEL, w, d, a, g.value(g.operand(i.B), scratch1, w), c)
	case lir.Add, lir.Sub, lir.And, lir.Or, lir.Xor:
		g.alu(i, d)
	case lir.Shl, lir.ShrU, lir.ShrS, lir.RotR:
		g.shift(i, d)
	case lir.RotL: // to the right by -B
		a, b := g.value(g.operand(i.A), scratch0, w), g.value(g.operand(i.B), scratch1, w)
		g.RRR(SUB, w, scratch2, ZR, b)
		g.RRR(ROR, w, d, a, scratch2)
	case lir.Mul, lir.MulHighU, lir.MulHighS:
		a := g.value(g.operand(i.A), scratch0, w)
		g.RRR(twos[i.Op], w, d, a, g.value(g.operand(i.B), scratch1, w))
	case lir.MulHighSU: // a negative a is taken for one that is 2^64 larger
		a, b := g.value(g.operand(i.A), scratch0, X), g.value(g.operand(i.B), scratch1, X)
		g.RRI(ASR, X, scratch2, a, 63)
		g.RRR(AND, X, scratch2, scratch2, b)
		g.RRR(UMULH, X, scratch3, a, b)
		g.RRR(SUB, X, d, scratch3, scratch2)
	case lir.Sext8, lir.Sext16, lir.Sext32, lir.Zext8, lir.Zext16, lir.Zext32:
		g.Extend(extensions[i.Op], X, d, g.value(g.operand(i.A), scratch0, W))
	case lir.Clz:
		g.RR(CLZ, w, d, g.value(g.operand(i.A), scratch0, w))
	case lir.Ctz:
		g.RR(RBIT, w, d, g.value(g.operand(i.A), scratch0, w))
		g.RR(CLZ, w, d, d)
	case lir.Popc:
		g.Popc(w, d, g.value(g.operand(i.A), scratch0, w), 31)
	case lir.Bswap:
		g.RR(REV, w, d, g.value(g.operand(i.A), scratch0, w))
	default:
		panic("arm64: no code for the operation " + i.Op.String())
	}
	g.sign(i, d)
	done()
}

// sign copies the sign of 32 bits into the upper half.
func (g *generator) sign(i *lir.Ins, d Reg) {
	if i.Sign && i.W == lir.W32 {
		g.Extend(SXTW, X, d, d)
	}
}

func (g *generator) move(i *lir.Ins) {
	w := width(i.W)
	a, d := g.operand(i.A), g.operand(i.D)
	switch {
	case i.Sign && w == W && a.kind == isImm:
		a.imm, w = uint64(int32(a.imm)), X
	case i.Sign && w == W:
		r, done := g.dest(i.D)
		g.Extend(SXTW, X, r, g.register(a, scratch0, W))
		done()
		return
	}
	if d.kind == inReg {
		g.load(d.reg, a, w)
		return
	}
	r := scratch0
	switch {
	case a.kind == isImm:
		r = g.number(cut(a.imm, w), scratch0)
	case a.kind == inReg && w == X:
		r = a.reg
	default:
		g.load(r, a, w)
	}
	g.Mem(STRX, r, context, d.off)
}

func (g *generator) alu(i *lir.Ins, d Reg) {
	w, op := width(i.W), twos[i.Op]
	a, b, by := g.operand(i.A), g.operand(i.B), i.By
	if b.kind == isImm {
		b.imm, by = b.imm<<by, 0
	}
	if a.kind == isImm && i.Op != lir.Sub && by == 0 {
		a, b = b, a
	}
	if b.kind == isImm && FitsImm(op, w, b.imm) {
		g.RRI(op, w, d, g.register(a, scratch0, w), b.imm)
		return
	}
	r := g.value(a, scratch0, w)
	g.RRRShift(op, w, d, r, g.value(b, scratch1, w), LSL, uint(by))
}

func (g *generator) shift(i *lir.Ins, d Reg) {
	w, op := width(i.W), twos[i.Op]
	b := g.operand(i.B)
	a := g.value(g.operand(i.A), scratch0, w)
	if b.kind != isImm {
		g.RRR(op, w, d, a, g.value(b, scratch1, w))
		return
	}
	if n := b.imm & uint64(w.bits()-1); n > 0 {
		g.RRI(op, w, d, a, n)
	} else if d != a || w == W {
		g.Mov(w, d, a)
	}
}

// divide makes a quotient, a remainder or both. The host's quotient is right for all operands.
func (g *generator) divide(i *lir.Ins) {
	w := width(i.W)
	by := g.operand(i.B)
	a := g.value(g.operand(i.A), scratch0, w)
	b := g.value(by, scratch1, w)
	if i.E.Kind == lir.None {
		if i.D.Kind != lir.None {
			d, done := g.dest(i.D)
			g.RRR(twos[i.Op], w, d, a, b)
			g.sign(i, d)
			done()
		}
		return
	}
	g.RRR(twos[i.Op], w, scratch2, a, b)
	g.Msub(w, scratch3, scratch2, b, a)
	if by.kind != isImm || b == ZR { // a mod 0 is 0
		g.Cmp(w, b, ZR)
		g.Csel(CSEL, w, scratch3, scratch3, ZR, NE)
	}
	g.sign(i, scratch2)
	g.sign(i, scratch3)
	if i.D.Kind != lir.None {
		g.store(i.D, scratch2)
	}
	g.store(i.E, scratch3)
}

// store puts a register that is no operand's into a place.
func (g *generator) store(o lir.Operand, r Reg) {
	if d := g.operand(o); d.kind == inReg {
		g.Mov(X, d.reg, r)
	} else {
		g.Mem(STRX, r, context, d.off)
	}
}
