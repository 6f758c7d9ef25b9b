package riscv

// shiftAdd is sh1add and its kin: y + x << n, x being the whole register or its unsigned word.
func (c core) shiftAdd(n uint64, unsignedWord bool) binary {
	return func(b builder, x, y value) value {
		if unsignedWord {
			x = b.Zext32(x)
		}
		return c.word(b, b.Add(b.ShlI(x, n), y))
	}
}

func (c core) rotateLeft(b builder, x, n value) value {
	n = c.amount(b, n)
	return c.rotateRight(b, x, b.Neg(n))
}

// rotateRight: of a 32-bit register, by a shift of the doubled word.
func (c core) rotateRight(b builder, x, n value) value {
	n = c.amount(b, n)
	if c.bits == 32 {
		x = b.Zext32(x)
		return b.Sext32(b.ShrU(b.Or(b.ShlI(x, 32), x), n))
	}
	return b.Or(b.ShrU(x, n), b.Shl(x, c.amount(b, b.Neg(n))))
}

func (c core) clz(b builder, x value) value {
	if c.bits == 32 {
		return b.Sub(b.Clz(b.Zext32(x)), b.Const(32))
	}
	return b.Clz(x)
}

// ctz of a 32-bit register: a bit set above it ends the count.
func (c core) ctz(b builder, x value) value {
	if c.bits == 32 {
		return b.Ctz(b.Or(b.Zext32(x), b.Const(1<<32)))
	}
	return b.Ctz(x)
}

func (c core) cpop(b builder, x value) value { return b.Popc(c.unsigned(b, x)) }

// orcB makes every byte that is not zero all ones.
func (c core) orcB(b builder, x value) value {
	const ones, sevens = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	// A byte's top bit: set in the byte, or by the carry out of its other bits.
	top := b.Or(b.Add(b.AndI(x, sevens), b.Const(sevens)), x)
	return c.word(b, b.Mul(b.AndI(b.ShrI(top, 7), ones), b.Const(0xff)))
}

func (c core) rev8(b builder, x value) value {
	if c.bits == 32 {
		return b.SarI(b.Bswap(x), 32)
	}
	return b.Bswap(x)
}

// bit is 1 << n.
func (c core) bit(b builder, n value) value { return b.Shl(b.Const(1), c.amount(b, n)) }

func (c core) bclr(b builder, x, n value) value { return c.word(b, b.And(x, b.Not(c.bit(b, n)))) }
func (c core) bext(b builder, x, n value) value { return b.AndI(b.ShrU(x, c.amount(b, n)), 1) }
func (c core) binv(b builder, x, n value) value { return c.word(b, b.Xor(x, c.bit(b, n))) }
func (c core) bset(b builder, x, n value) value { return c.word(b, b.Or(x, c.bit(b, n))) }

func andn(b builder, x, y value) value { return b.And(x, b.Not(y)) }
func orn(b builder, x, y value) value  { return b.Or(x, b.Not(y)) }
func xnor(b builder, x, y value) value { return b.Not(b.Xor(x, y)) }

func (c core) bitManipulation() []row {
	const opImm, opImm32, op, op32 = "0010011", "0011011", "0110011", "0111011"
	rType := func(funct7, funct3, opcode string) string {
		return funct7 + " rs2 rs1 " + funct3 + " rd " + opcode
	}
	unary := func(funct12, funct3, opcode string) string {
		return funct12 + " rs1 " + funct3 + " rd " + opcode
	}
	zextH, rev8 := unary("000010000000", "100", op32), unary("011010111000", "101", opImm)
	if c.bits == 32 {
		zextH, rev8 = unary("000010000000", "100", op), unary("011010011000", "101", opImm)
	}
	return []row{
		{"add.uw", rType("0000100", "000", op32), "rd, rs1, rs2", "RV64Zba", rrr(c.shiftAdd(0, true))},
		{"sh1add", rType("0010000", "010", op), "rd, rs1, rs2", "Zba", rrr(c.shiftAdd(1, false))},
		{"sh2add", rType("0010000", "100", op), "rd, rs1, rs2", "Zba", rrr(c.shiftAdd(2, false))},
		{"sh3add", rType("0010000", "110", op), "rd, rs1, rs2", "Zba", rrr(c.shiftAdd(3, false))},
		{"sh1add.uw", rType("0010000", "010", op32), "rd, rs1, rs2", "RV64Zba", rrr(c.shiftAdd(1, true))},
		{"sh2add.uw", rType("0010000", "100", op32), "rd, rs1, rs2", "RV64Zba", rrr(c.shiftAdd(2, true))},
		{"sh3add.uw", rType("0010000", "110", op32), "rd, rs1, rs2", "RV64Zba", rrr(c.shiftAdd(3, true))},
		{"slli.uw", "000010 shamt:6 rs1 001 rd " + opImm32, "rd, rs1, shamt", "RV64Zba", rrs(func(b builder, x, n value) value {
			return b.Shl(b.Zext32(x), n)
		})},

		{"andn", rType("0100000", "111", op), "rd, rs1, rs2", "Zbb", rrr(andn)},
		{"orn", rType("0100000", "110", op), "rd, rs1, rs2", "Zbb", rrr(orn)},
		{"xnor", rType("0100000", "100", op), "rd, rs1, rs2", "Zbb", rrr(xnor)},
		{"clz", unary("011000000000", "001", opImm), "rd, rs1", "Zbb", rr(c.clz)},
		{"ctz", unary("011000000001", "001", opImm), "rd, rs1", "Zbb", rr(c.ctz)},
		{"cpop", unary("011000000010", "001", opImm), "rd, rs1", "Zbb", rr(c.cpop)},
		{"sext.b", unary("011000000100", "001", opImm), "rd, rs1", "Zbb", rr(sext8)},
		{"sext.h", unary("011000000101", "001", opImm), "rd, rs1", "Zbb", rr(sext16)},
		{"zext.h", zextH, "rd, rs1", "Zbb", rr(func(b builder, x value) value { return b.AndI(x, 0xffff) })},
		{"clzw", unary("011000000000", "001", opImm32), "rd, rs1", "RV64Zbb", rr(rv32.clz)},
		{"ctzw", unary("011000000001", "001", opImm32), "rd, rs1", "RV64Zbb", rr(rv32.ctz)},
		{"cpopw", unary("011000000010", "001", opImm32), "rd, rs1", "RV64Zbb", rr(rv32.cpop)},
		{"min", rType("0000101", "100", op), "rd, rs1, rs2", "Zbb", rrr(minS)},
		{"minu", rType("0000101", "101", op), "rd, rs1, rs2", "Zbb", rrr(minU)},
		{"max", rType("0000101", "110", op), "rd, rs1, rs2", "Zbb", rrr(maxS)},
		{"maxu", rType("0000101", "111", op), "rd, rs1, rs2", "Zbb", rrr(maxU)},
		{"rol", rType("0110000", "001", op), "rd, rs1, rs2", "Zbb", rrr(c.rotateLeft)},
		{"ror", rType("0110000", "101", op), "rd, rs1, rs2", "Zbb", rrr(c.rotateRight)},
		{"rori", c.shamt("011000", "101", opImm), "rd, rs1, shamt", "Zbb", rrs(c.rotateRight)},
		{"rolw", rType("0110000", "001", op32), "rd, rs1, rs2", "RV64Zbb", rrr(rv32.rotateLeft)},
		{"rorw", rType("0110000", "101", op32), "rd, rs1, rs2", "RV64Zbb", rrr(rv32.rotateRight)},
		{"roriw", "0110000 shamt:5 rs1 101 rd " + opImm32, "rd, rs1, shamt", "RV64Zbb", rrs(rv32.rotateRight)},
		{"orc.b", unary("001010000111", "101", opImm), "rd, rs1", "Zbb", rr(c.orcB)},
		{"rev8", rev8, "rd, rs1", "Zbb", rr(c.rev8)},

		{"bclr", rType("0100100", "001", op), "rd, rs1, rs2", "Zbs", rrr(c.bclr)},
		{"bext", rType("0100100", "101", op), "rd, rs1, rs2", "Zbs", rrr(c.bext)},
		{"binv", rType("0110100", "001", op), "rd, rs1, rs2", "Zbs", rrr(c.binv)},
		{"bset", rType("0010100", "001", op), "rd, rs1, rs2", "Zbs", rrr(c.bset)},
		{"bclri", c.shamt("010010", "001", opImm), "rd, rs1, shamt", "Zbs", rrs(c.bclr)},
		{"bexti", c.shamt("010010", "101", opImm), "rd, rs1, shamt", "Zbs", rrs(c.bext)},
		{"binvi", c.shamt("011010", "001", opImm), "rd, rs1, shamt", "Zbs", rrs(c.binv)},
		{"bseti", c.shamt("001010", "001", opImm), "rd, rs1, shamt", "Zbs", rrs(c.bset)},
	}
}
