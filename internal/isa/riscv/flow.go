package riscv

import "github.com/flexemu/flexemu/internal/ir"

// link is the return address behind an instruction of the given size, a register value.
func (c core) link(b builder, size uint64) value {
	return c.word(b, b.AddI(b.Get(ir.PC), size))
}

// relative is the target of a jump relative to pc.
func (c core) relative(b builder, f fields) value {
	return c.address(b, b.Add(b.Get(ir.PC), f.Imm))
}

func (c core) branch(cond binary) func(builder, fields) {
	return func(b builder, f fields) {
		c.goIf(b, f, cond(b, b.Reg(f.Rs1), b.Reg(f.Rs2)), 4)
	}
}

// branchZero is a compressed branch: rs1 against zero.
func (c core) branchZero(cond binary) func(builder, fields) {
	return func(b builder, f fields) {
		c.goIf(b, f, cond(b, b.Reg(f.Rs1), b.Const(0)), 2)
	}
}

func (c core) goIf(b builder, f fields, taken value, size uint64) {
	b.Set(ir.PC, b.Select(taken, c.relative(b, f), c.after(b, size)))
}

// jump goes to a relative target; ra or rd gets the link.
func (c core) jump(size uint64, rd func(b builder, f fields) value) func(builder, fields) {
	return func(b builder, f fields) {
		target, link := c.relative(b, f), c.link(b, size)
		b.Set(ir.PC, target)
		if rd != nil {
			b.SetReg(rd(b, f), link)
		}
	}
}

// jumpRegister goes to a register's value plus the immediate, if there is one; the lowest bit is cleared.
func (c core) jumpRegister(size uint64, rd func(b builder, f fields) value) func(builder, fields) {
	return func(b builder, f fields) {
		target := b.Reg(f.Rs1)
		if f.Imm != (value{}) {
			target = b.Add(target, f.Imm)
		}
		target = c.address(b, b.AndI(target, ^uint64(1)))
		link := c.link(b, size)
		b.Set(ir.PC, target)
		if rd != nil {
			b.SetReg(rd(b, f), link)
		}
	}
}

func eq(b builder, x, y value) value  { return b.Eq(x, y) }
func ne(b builder, x, y value) value  { return b.Ne(x, y) }
func ge(b builder, x, y value) value  { return b.IsZero(b.LtS(x, y)) }
func geu(b builder, x, y value) value { return b.IsZero(b.LtU(x, y)) }

func fieldRd(_ builder, f fields) value { return f.Rd }
func ra(b builder, _ fields) value      { return b.Const(1) }

func nothing(builder, fields) {}

// counter reads cycle, time or instret: all three count steps, of which there are 10^7 in a second.
func (c core) counter(b builder, f fields) { b.SetReg(f.Rd, c.word(b, b.Get(ir.Step))) }

// counterHigh reads the upper half of a counter.
func counterHigh(b builder, f fields) { b.SetReg(f.Rd, b.SarI(b.Get(ir.Step), 32)) }

func (c core) flow() []row {
	picture := func(funct3 string) string { return "imm[12|10:5] rs2 rs1 " + funct3 + " imm[4:1|11] 1100011" }
	rows := []row{
		{"jal", "imm[20|10:1|11|19:12] rd 1101111", "rd, pc+imm", "I", c.jump(4, fieldRd)},
		{"jalr", "imm[11:0] rs1 000 rd 1100111", "rd, imm(rs1)", "I", c.jumpRegister(4, fieldRd)},
		{"beq", picture("000"), "rs1, rs2, pc+imm", "I", c.branch(eq)},
		{"bne", picture("001"), "rs1, rs2, pc+imm", "I", c.branch(ne)},
		{"blt", picture("100"), "rs1, rs2, pc+imm", "I", c.branch(slt)},
		{"bge", picture("101"), "rs1, rs2, pc+imm", "I", c.branch(ge)},
		{"bltu", picture("110"), "rs1, rs2, pc+imm", "I", c.branch(sltu)},
		{"bgeu", picture("111"), "rs1, rs2, pc+imm", "I", c.branch(geu)},
		// The unused fields of fences are to be ignored, the manual says.
		{"fence", "code:12 rs1 000 rd 0001111", "code>>4%iorw, code%iorw", "I", nothing},
		{"fence.i", "imm[11:0] rs1 001 rd 0001111", "", "Zifencei", nothing},
		{"ecall", "000000000000 00000 000 00000 1110011", "", "I", func(b builder, _ fields) { b.Trap(ir.Syscall) }},
		{"ebreak", "000000000001 00000 000 00000 1110011", "", "I", func(b builder, _ fields) { b.Trap(ir.Breakpoint) }},
	}
	// The counters can only be read, so of the CSR instructions only those that write nothing are legal.
	for _, kind := range []struct{ name, funct3, zero string }{
		{"csrrs", "010", "zero"},
		{"csrrc", "011", "zero"},
		{"csrrsi", "110", "0"},
		{"csrrci", "111", "0"},
	} {
		tail := " 00000 " + kind.funct3 + " rd 1110011"
		rows = append(rows,
			row{kind.name, "1100000000 csr:2!=3" + tail, "rd, csr+3072, " + kind.zero, "Zicsr", c.counter},
			row{kind.name + ".h", "1100100000 csr:2!=3" + tail, "rd, csr+3200, " + kind.zero, "RV32Zicsr", counterHigh})
	}
	return rows
}
