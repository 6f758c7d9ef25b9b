package mips

import (
	"github.com/flexemu/flexemu/internal/ir"
)

func setHiLo(b builder, hi, lo value) {
	b.Set(ir.Hi, hi)
	b.Set(ir.Lo, lo)
}

// signed and unsigned read a 32-bit operand.
func signed(b builder, v value) value   { return b.Sext32(v) }
func unsigned(b builder, v value) value { return b.Zext32(v) }

// split puts a 64-bit product into hi and lo, 32 bits each, sign-extended.
func split(b builder, p value) { setHiLo(b, b.SarI(p, 32), word(b, p)) }

func mult(extend func(builder, value) value) func(builder, fields) {
	return func(b builder, f fields) {
		split(b, b.Mul(extend(b, b.Reg(f.Rs)), extend(b, b.Reg(f.Rt))))
	}
}

// accumulate is madd and its kin: hi:lo := op(hi:lo, rs * rt).
func accumulate(extend func(builder, value) value, op func(b builder, x, y value) value) func(builder, fields) {
	return func(b builder, f fields) {
		product := b.Mul(extend(b, b.Reg(f.Rs)), extend(b, b.Reg(f.Rt)))
		sum := b.Or(b.ShlI(b.Get(ir.Hi), 32), b.Zext32(b.Get(ir.Lo)))
		split(b, op(b, sum, product))
	}
}

// divide: the manual leaves division by zero unpredictable; the base machine exits.
func divide(extend func(builder, value) value, quotient, remainder func(b builder, x, y value) value) func(builder, fields) {
	return func(b builder, f fields) {
		y := extend(b, b.Reg(f.Rt))
		b.If(b.IsZero(y), func() { b.Trap(ir.Fault) })
		x := extend(b, b.Reg(f.Rs))
		setHiLo(b, remainder(b, x, y), quotient(b, x, y))
	}
}

func whole(_ builder, v value) value { return v }

func divS(b builder, x, y value) value { return b.DivS(x, y) }
func divU(b builder, x, y value) value { return b.DivU(x, y) }
func remS(b builder, x, y value) value { return b.RemS(x, y) }
func remU(b builder, x, y value) value { return b.RemU(x, y) }

// narrow makes a 32-bit result of an operation.
func narrow(op func(b builder, x, y value) value) func(b builder, x, y value) value {
	return func(b builder, x, y value) value { return word(b, op(b, x, y)) }
}

func (c core) products() []row {
	return []row{
		{"mult", "000000 rs rt 00000 00000 011000", "rs, rt", set32, mult(signed)},
		{"multu", "000000 rs rt 00000 00000 011001", "rs, rt", set32, mult(unsigned)},
		{"div", "000000 rs rt 00000 00000 011010", "zero, rs, rt", set32, divide(signed, narrow(divS), narrow(remS))},
		{"divu", "000000 rs rt 00000 00000 011011", "zero, rs, rt", set32, divide(unsigned, narrow(divU), narrow(remU))},
		{"dmult", "000000 rs rt 00000 00000 011100", "rs, rt", set64, func(b builder, f fields) {
			x, y := b.Reg(f.Rs), b.Reg(f.Rt)
			setHiLo(b, b.MulHighS(x, y), b.Mul(x, y))
		}},
		{"dmultu", "000000 rs rt 00000 00000 011101", "rs, rt", set64, func(b builder, f fields) {
			x, y := b.Reg(f.Rs), b.Reg(f.Rt)
			setHiLo(b, b.MulHighU(x, y), b.Mul(x, y))
		}},
		{"ddiv", "000000 rs rt 00000 00000 011110", "zero, rs, rt", set64, divide(whole, divS, remS)},
		{"ddivu", "000000 rs rt 00000 00000 011111", "zero, rs, rt", set64, divide(whole, divU, remU)},

		{"mfhi", "000000 00000 00000 rd 00000 010000", "rd", set32, func(b builder, f fields) { b.SetReg(f.Rd, b.Get(ir.Hi)) }},
		{"mthi", "000000 rs 00000 00000 00000 010001", "rs", set32, func(b builder, f fields) { b.Set(ir.Hi, b.Reg(f.Rs)) }},
		{"mflo", "000000 00000 00000 rd 00000 010010", "rd", set32, func(b builder, f fields) { b.SetReg(f.Rd, b.Get(ir.Lo)) }},
		{"mtlo", "000000 rs 00000 00000 00000 010011", "rs", set32, func(b builder, f fields) { b.Set(ir.Lo, b.Reg(f.Rs)) }},

		{"madd", "011100 rs rt 00000 00000 000000", "rs, rt", set32, accumulate(signed, add)},
		{"maddu", "011100 rs rt 00000 00000 000001", "rs, rt", set32, accumulate(unsigned, add)},
		{"msub", "011100 rs rt 00000 00000 000100", "rs, rt", set32, accumulate(signed, sub)},
		{"msubu", "011100 rs rt 00000 00000 000101", "rs, rt", set32, accumulate(unsigned, sub)},
		// hi and lo are unpredictable after mul; here they are unchanged.
		{"mul", "011100 rs rt rd 00000 000010", "rd, rs, rt", set32, rrr(func(b builder, x, y value) value { return word(b, b.Mul(x, y)) })},
	}
}

func unary(op func(b builder, x value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rs))) }
}

func unaryT(op func(b builder, x value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rt))) }
}

func clz(b builder, x value) value { return b.Sub(b.Clz(b.Zext32(x)), b.Const(32)) }

// extract takes size = msb + 1 bits of rs from bit pos up. Bits past the register are unpredictable; the
// instruction is refused, as hardware may.
func extract(width, pos, msb uint64) func(builder, fields) {
	return func(b builder, f fields) {
		at, last := b.AddI(f.Pos, pos), b.AddI(f.Msb, msb)
		b.If(b.LtU(b.Const(width-1), b.Add(at, last)), func() { b.Trap(ir.Unknown) })
		mask := b.ShrU(b.Const(^uint64(0)), b.Sub(b.Const(63), last))
		v := b.And(b.ShrU(b.Reg(f.Rs), at), mask)
		if width == 32 {
			v = word(b, v)
		}
		b.SetReg(f.Rt, v)
	}
}

// insert puts the low bits of rs into bits pos to msb of rt.
func insert(width, pos, msb uint64) func(builder, fields) {
	return func(b builder, f fields) {
		at, last := b.AddI(f.Pos, pos), b.AddI(f.Msb, msb)
		b.If(b.LtU(last, at), func() { b.Trap(ir.Unknown) })
		ones := b.ShrU(b.Const(^uint64(0)), b.Sub(b.Const(63), b.Sub(last, at)))
		mask := b.Shl(ones, at)
		v := b.Or(b.And(b.Reg(f.Rt), b.Not(mask)), b.And(b.Shl(b.Reg(f.Rs), at), mask))
		if width == 32 {
			v = word(b, v)
		}
		b.SetReg(f.Rt, v)
	}
}

// swapBytes swaps neighbouring bytes, halves swaps neighbouring 16-bit units.
func swapBytes(b builder, x value) value {
	const even = 0x00ff00ff00ff00ff
	return b.Or(b.ShlI(b.AndI(x, even), 8), b.AndI(b.ShrI(x, 8), even))
}

func halves(b builder, x value) value {
	const even = 0x0000ffff0000ffff
	x = b.Or(b.ShlI(b.AndI(x, even), 16), b.AndI(b.ShrI(x, 16), even))
	return b.Or(b.ShlI(x, 32), b.ShrI(x, 32))
}

func (c core) fields() []row {
	return []row{
		// The manual wants rt equal to rd in these four; compilers differ, and rd is what is written.
		{"clz", "011100 rs rt rd 00000 100000", "rd, rs", set32, unary(clz)},
		{"clo", "011100 rs rt rd 00000 100001", "rd, rs", set32, unary(func(b builder, x value) value { return clz(b, b.Not(x)) })},
		{"dclz", "011100 rs rt rd 00000 100100", "rd, rs", set64, unary(func(b builder, x value) value { return b.Clz(x) })},
		{"dclo", "011100 rs rt rd 00000 100101", "rd, rs", set64, unary(func(b builder, x value) value { return b.Clz(b.Not(x)) })},

		{"ext", "011111 rs rt msb pos 000000", "rt, rs, pos, msb+1", set32, extract(32, 0, 0)},
		{"dextm", "011111 rs rt msb pos 000001", "rt, rs, pos, msb+33", set64, extract(64, 0, 32)},
		{"dextu", "011111 rs rt msb pos 000010", "rt, rs, pos+32, msb+1", set64, extract(64, 32, 0)},
		{"dext", "011111 rs rt msb pos 000011", "rt, rs, pos, msb+1", set64, extract(64, 0, 0)},
		{"ins", "011111 rs rt msb pos 000100", "rt, rs, pos, msb+1-pos", set32, insert(32, 0, 0)},
		{"dinsm", "011111 rs rt msb pos 000101", "rt, rs, pos, msb+33-pos", set64, insert(64, 0, 32)},
		{"dinsu", "011111 rs rt msb pos 000110", "rt, rs, pos+32, msb+1-pos", set64, insert(64, 32, 32)},
		{"dins", "011111 rs rt msb pos 000111", "rt, rs, pos, msb+1-pos", set64, insert(64, 0, 0)},

		{"wsbh", "011111 00000 rt rd 00010 100000", "rd, rt", set32, unaryT(func(b builder, x value) value { return word(b, swapBytes(b, x)) })},
		{"seb", "011111 00000 rt rd 10000 100000", "rd, rt", set32, unaryT(func(b builder, x value) value { return b.Sext8(x) })},
		{"seh", "011111 00000 rt rd 11000 100000", "rd, rt", set32, unaryT(func(b builder, x value) value { return b.Sext16(x) })},
		{"dsbh", "011111 00000 rt rd 00010 100100", "rd, rt", set64, unaryT(swapBytes)},
		{"dshd", "011111 00000 rt rd 00101 100100", "rd, rt", set64, unaryT(halves)},
	}
}
