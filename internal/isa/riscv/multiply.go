package riscv

func (c core) mul(b builder, x, y value) value { return c.word(b, b.Mul(x, y)) }

// high gives the upper half of a product: of 128 bits, or of 64 bits from extended words.
func (c core) high(whole binary, x32, y32 func(b builder, v value) value) binary {
	return func(b builder, x, y value) value {
		if c.bits == 64 {
			return whole(b, x, y)
		}
		return b.SarI(b.Mul(x32(b, x), y32(b, y)), 32)
	}
}

func zext32(b builder, v value) value { return b.Zext32(v) }

// Division by zero gives all ones, and the dividend as the remainder; the lowest number / -1 is itself.

func (c core) div(b builder, x, y value) value {
	return b.Select(y, c.word(b, b.DivS(x, y)), b.Const(^uint64(0)))
}

func (c core) divu(b builder, x, y value) value {
	y = c.unsigned(b, y)
	return b.Select(y, c.word(b, b.DivU(c.unsigned(b, x), y)), b.Const(^uint64(0)))
}

func (c core) rem(b builder, x, y value) value { return b.Select(y, c.word(b, b.RemS(x, y)), x) }

func (c core) remu(b builder, x, y value) value {
	y = c.unsigned(b, y)
	return b.Select(y, c.word(b, b.RemU(c.unsigned(b, x), y)), x)
}

// ofWords makes an operation on the low words of registers out of one for 32-bit registers.
func ofWords(op binary) binary {
	return func(b builder, x, y value) value { return op(b, b.Sext32(x), b.Sext32(y)) }
}

func (c core) multiply() []row {
	picture := func(funct3, opcode string) string { return "0000001 rs2 rs1 " + funct3 + " rd " + opcode }
	const op, op32 = "0110011", "0111011"
	mulh := func(b builder, x, y value) value { return b.MulHighS(x, y) }
	mulhsu := func(b builder, x, y value) value { return b.MulHighSU(x, y) }
	mulhu := func(b builder, x, y value) value { return b.MulHighU(x, y) }
	return []row{
		{"mul", picture("000", op), "rd, rs1, rs2", "M", rrr(c.mul)},
		{"mulh", picture("001", op), "rd, rs1, rs2", "M", rrr(c.high(mulh, whole, whole))},
		{"mulhsu", picture("010", op), "rd, rs1, rs2", "M", rrr(c.high(mulhsu, whole, zext32))},
		{"mulhu", picture("011", op), "rd, rs1, rs2", "M", rrr(c.high(mulhu, zext32, zext32))},
		{"div", picture("100", op), "rd, rs1, rs2", "M", rrr(c.div)},
		{"divu", picture("101", op), "rd, rs1, rs2", "M", rrr(c.divu)},
		{"rem", picture("110", op), "rd, rs1, rs2", "M", rrr(c.rem)},
		{"remu", picture("111", op), "rd, rs1, rs2", "M", rrr(c.remu)},
		{"mulw", picture("000", op32), "rd, rs1, rs2", "RV64M", rrr(rv32.mul)},
		{"divw", picture("100", op32), "rd, rs1, rs2", "RV64M", rrr(ofWords(rv32.div))},
		{"divuw", picture("101", op32), "rd, rs1, rs2", "RV64M", rrr(ofWords(rv32.divu))},
		{"remw", picture("110", op32), "rd, rs1, rs2", "RV64M", rrr(ofWords(rv32.rem))},
		{"remuw", picture("111", op32), "rd, rs1, rs2", "RV64M", rrr(ofWords(rv32.remu))},
	}
}
