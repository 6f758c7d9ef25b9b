package riscv

import "github.com/flexemu/flexemu/internal/ir"

// two is rd := op(rd, rs2).
func two(op binary) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rd), b.Reg(f.Rs2))) }
}

// twoImm is rd := op(rd, immediate), twoShift rd := op(rd, shamt).
func twoImm(op binary) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rd), f.Imm)) }
}

func twoShift(op binary) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rd), f.Shamt)) }
}

// The encodings that the manual calls hints (a write to x0, a shift by 0) do nothing, as written. Reserved
// ones have no row.
func (c core) compressed() []row {
	const jump = "imm[11|4|9:8|10|6|7|3:1|5]"
	high := "shamt[5]" // of a shift amount; reserved in RV32
	if c.bits == 32 {
		high = "0"
	}
	return []row{
		{"c.addi4spn", "000 nzuimm[5:4|9:6|2|3] rd' 00", "rd, sp, uimm", "C", func(b builder, f fields) {
			b.SetReg(f.Rd, c.add(b, b.Reg(sp(b)), f.Uimm))
		}},
		{"c.lw", "010 uimm[5:3] rs1' uimm[2|6] rd' 00", "rd, uimm(rs1)", "C", c.load(4, sext32, nil)},
		{"c.ld", "011 uimm[5:3] rs1' uimm[7:6] rd' 00", "rd, uimm(rs1)", "RV64C", c.load(8, whole, nil)},
		{"c.sw", "110 uimm[5:3] rs1' uimm[2|6] rs2' 00", "rs2, uimm(rs1)", "C", c.store(4, nil)},
		{"c.sd", "111 uimm[5:3] rs1' uimm[7:6] rs2' 00", "rs2, uimm(rs1)", "RV64C", c.store(8, nil)},

		{"c.nop", "000 imm[5] 00000 imm[4:0] 01", "imm?", "C", nothing},
		{"c.addi", "000 imm[5] rd!=0 imm[4:0] 01", "rd, imm", "C", twoImm(c.add)},
		{"c.jal", "001 " + jump + " 01", "pc+imm", "RV32C", c.jump(2, ra)},
		{"c.addiw", "001 imm[5] rd!=0 imm[4:0] 01", "rd, imm", "RV64C", twoImm(rv32.add)},
		{"c.li", "010 imm[5] rd imm[4:0] 01", "rd, imm", "C", func(b builder, f fields) { b.SetReg(f.Rd, f.Imm) }},
		{"c.addi16sp", "011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01", "sp, imm", "C", func(b builder, f fields) {
			b.SetReg(sp(b), c.add(b, b.Reg(sp(b)), f.Imm))
		}},
		{"c.lui", "011 nzimm[17] rd!=2 nzimm[16:12] 01", "rd, imm>>12&1048575", "C", func(b builder, f fields) { b.SetReg(f.Rd, f.Imm) }},
		{"c.srli", "100 " + high + " 00 rd' shamt[4:0] 01", "rd, shamt", "C", twoShift(c.srl)},
		{"c.srai", "100 " + high + " 01 rd' shamt[4:0] 01", "rd, shamt", "C", twoShift(c.sra)},
		{"c.andi", "100 imm[5] 10 rd' imm[4:0] 01", "rd, imm", "C", twoImm(and)},
		{"c.sub", "100 0 11 rd' 00 rs2' 01", "rd, rs2", "C", two(c.sub)},
		{"c.xor", "100 0 11 rd' 01 rs2' 01", "rd, rs2", "C", two(xor)},
		{"c.or", "100 0 11 rd' 10 rs2' 01", "rd, rs2", "C", two(or)},
		{"c.and", "100 0 11 rd' 11 rs2' 01", "rd, rs2", "C", two(and)},
		{"c.subw", "100 1 11 rd' 00 rs2' 01", "rd, rs2", "RV64C", two(rv32.sub)},
		{"c.addw", "100 1 11 rd' 01 rs2' 01", "rd, rs2", "RV64C", two(rv32.add)},
		{"c.j", "101 " + jump + " 01", "pc+imm", "C", c.jump(2, nil)},
		{"c.beqz", "110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "rs1, pc+imm", "C", c.branchZero(eq)},
		{"c.bnez", "111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "rs1, pc+imm", "C", c.branchZero(ne)},

		{"c.slli", "000 " + high + " rd shamt[4:0] 10", "rd, shamt", "C", twoShift(c.sll)},
		{"c.lwsp", "010 uimm[5] rd!=0 uimm[4:2|7:6] 10", "rd, uimm(sp)", "C", c.load(4, sext32, sp)},
		{"c.ldsp", "011 uimm[5] rd!=0 uimm[4:3|8:6] 10", "rd, uimm(sp)", "RV64C", c.load(8, whole, sp)},
		{"c.jr", "100 0 rs1!=0 00000 10", "rs1", "C", c.jumpRegister(2, nil)},
		{"c.mv", "100 0 rd rs2!=0 10", "rd, rs2", "C", func(b builder, f fields) { b.SetReg(f.Rd, b.Reg(f.Rs2)) }},
		{"c.ebreak", "100 1 00000 00000 10", "", "C", func(b builder, _ fields) { b.Trap(ir.Breakpoint) }},
		{"c.jalr", "100 1 rs1!=0 00000 10", "rs1", "C", c.jumpRegister(2, ra)},
		{"c.add", "100 1 rd rs2!=0 10", "rd, rs2", "C", two(c.add)},
		{"c.swsp", "110 uimm[5:2|7:6] rs2 10", "rs2, uimm(sp)", "C", c.store(4, sp)},
		{"c.sdsp", "111 uimm[5:3|8:6] rs2 10", "rs2, uimm(sp)", "RV64C", c.store(8, sp)},
	}
}
