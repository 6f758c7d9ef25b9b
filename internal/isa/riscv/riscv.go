// Package riscv writes down RV64 and RV32 as far as user code can execute them, without floats: I, M, A, C,
// the counters of Zicsr, Zifencei, Zba, Zbb and Zbs. Specification: The RISC-V Instruction Set Manual,
// volume I, unprivileged architecture, version 20240411.
package riscv

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// New makes the instruction set for registers of 32 or 64 bits.
func New(bits int) *isa.ISA {
	c := core{bits}
	i := &isa.ISA{
		Name: fmt.Sprintf("riscv%d", bits), Title: fmt.Sprintf("RV%dIMAC with Zicsr counters, Zifencei, Zba, Zbb, Zbs", bits),
		Bits: bits, Align: 2,
		Regs: [32]string{
			"zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
			"a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
		},
		Thread:  []ir.Cell{ir.PC},
		Advance: c.advance,
	}
	for r := range 32 {
		i.Thread = append(i.Thread, ir.Cell(r))
	}
	for _, rows := range [][]row{c.base(), c.flow(), c.memory(), c.multiply(), c.atomics(), c.compressed(), c.bitManipulation()} {
		for _, r := range rows {
			if c.has(r.Set) {
				i.Rows = append(i.Rows, isa.Row(r))
			}
		}
	}
	return i
}

type (
	row     isa.Row // local, so that a table may leave out the names of the columns
	builder = *ir.Builder
	fields  = isa.Fields
	value   = ir.Value
)

// A set is the extension of a row; "RV64" or "RV32" in front restricts it to one register width.
func (c core) has(set string) bool {
	switch {
	case len(set) > 4 && set[:4] == "RV64":
		return c.bits == 64
	case len(set) > 4 && set[:4] == "RV32":
		return c.bits == 32
	}
	return true
}

// core is what the meanings depend on: the width of registers in bits, XLEN.
type core struct{ bits int }

// word makes a result of the registers' width: 32-bit ones are kept sign-extended.
func (c core) word(b builder, v value) value {
	if c.bits == 32 {
		return b.Sext32(v)
	}
	return v
}

// address brings a pc or an address into its width: 32-bit ones are zero-extended.
func (c core) address(b builder, v value) value {
	if c.bits == 32 {
		return b.Zext32(v)
	}
	return v
}

// unsigned is a register's value as an unsigned number.
func (c core) unsigned(b builder, v value) value { return c.address(b, v) }

// size of a shift's amount: log2 of the registers' width.
func (c core) amount(b builder, v value) value { return b.AndI(v, uint64(c.bits-1)) }

func (c core) advance(b builder, size uint64) { b.Set(ir.PC, c.after(b, size)) }

func (c core) after(b builder, n uint64) value { return c.address(b, b.AddI(b.Get(ir.PC), n)) }

// A binary is an operation of two registers.
type binary func(b builder, x, y value) value

// rrr is rd := op(rs1, rs2).
func rrr(op binary) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rs1), b.Reg(f.Rs2))) }
}

// rri is rd := op(rs1, immediate).
func rri(op binary) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rs1), f.Imm)) }
}

// rrs is rd := op(rs1, shamt).
func rrs(op binary) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rs1), f.Shamt)) }
}

// rr is rd := op(rs1).
func rr(op func(b builder, x value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rs1))) }
}

func and(b builder, x, y value) value  { return b.And(x, y) }
func or(b builder, x, y value) value   { return b.Or(x, y) }
func xor(b builder, x, y value) value  { return b.Xor(x, y) }
func slt(b builder, x, y value) value  { return b.LtS(x, y) }
func sltu(b builder, x, y value) value { return b.LtU(x, y) }

func (c core) add(b builder, x, y value) value { return c.word(b, b.Add(x, y)) }
func (c core) sub(b builder, x, y value) value { return c.word(b, b.Sub(x, y)) }
func (c core) sll(b builder, x, n value) value { return c.word(b, b.Shl(x, c.amount(b, n))) }
func (c core) srl(b builder, x, n value) value {
	return c.word(b, b.ShrU(c.unsigned(b, x), c.amount(b, n)))
}
func (c core) sra(b builder, x, n value) value { return b.ShrS(x, c.amount(b, n)) }

// The operations on words of RV64 are those of RV32.
var rv32 = core{32}

func sraw(b builder, x, n value) value { return rv32.sra(b, b.Sext32(x), n) }

// shamt is the picture of an immediate shift: the bits above the amount are one more in RV32.
func (c core) shamt(high, funct3, opcode string) string {
	if c.bits == 32 {
		return high + "0 shamt:5 rs1 " + funct3 + " rd " + opcode
	}
	return high + " shamt:6 rs1 " + funct3 + " rd " + opcode
}

func (c core) base() []row {
	const opImm, opImm32, op, op32 = "0010011", "0011011", "0110011", "0111011"
	rType := func(funct7, funct3, opcode string) string {
		return funct7 + " rs2 rs1 " + funct3 + " rd " + opcode
	}
	return []row{
		{"lui", "imm[31:12] rd 0110111", "rd, imm>>12&1048575", "I", func(b builder, f fields) { b.SetReg(f.Rd, f.Imm) }},
		{"auipc", "imm[31:12] rd 0010111", "rd, imm>>12&1048575", "I", func(b builder, f fields) {
			b.SetReg(f.Rd, c.word(b, b.Add(b.Get(ir.PC), f.Imm)))
		}},
		{"addi", "imm[11:0] rs1 000 rd 0010011", "rd, rs1, imm", "I", rri(c.add)},
		{"slti", "imm[11:0] rs1 010 rd 0010011", "rd, rs1, imm", "I", rri(slt)},
		{"sltiu", "imm[11:0] rs1 011 rd 0010011", "rd, rs1, imm", "I", rri(sltu)},
		{"xori", "imm[11:0] rs1 100 rd 0010011", "rd, rs1, imm", "I", rri(xor)},
		{"ori", "imm[11:0] rs1 110 rd 0010011", "rd, rs1, imm", "I", rri(or)},
		{"andi", "imm[11:0] rs1 111 rd 0010011", "rd, rs1, imm", "I", rri(and)},
		{"slli", c.shamt("000000", "001", opImm), "rd, rs1, shamt", "I", rrs(c.sll)},
		{"srli", c.shamt("000000", "101", opImm), "rd, rs1, shamt", "I", rrs(c.srl)},
		{"srai", c.shamt("010000", "101", opImm), "rd, rs1, shamt", "I", rrs(c.sra)},
		{"add", rType("0000000", "000", op), "rd, rs1, rs2", "I", rrr(c.add)},
		{"sub", rType("0100000", "000", op), "rd, rs1, rs2", "I", rrr(c.sub)},
		{"sll", rType("0000000", "001", op), "rd, rs1, rs2", "I", rrr(c.sll)},
		{"slt", rType("0000000", "010", op), "rd, rs1, rs2", "I", rrr(slt)},
		{"sltu", rType("0000000", "011", op), "rd, rs1, rs2", "I", rrr(sltu)},
		{"xor", rType("0000000", "100", op), "rd, rs1, rs2", "I", rrr(xor)},
		{"srl", rType("0000000", "101", op), "rd, rs1, rs2", "I", rrr(c.srl)},
		{"sra", rType("0100000", "101", op), "rd, rs1, rs2", "I", rrr(c.sra)},
		{"or", rType("0000000", "110", op), "rd, rs1, rs2", "I", rrr(or)},
		{"and", rType("0000000", "111", op), "rd, rs1, rs2", "I", rrr(and)},

		{"addiw", "imm[11:0] rs1 000 rd 0011011", "rd, rs1, imm", "RV64I", rri(rv32.add)},
		{"slliw", "0000000 shamt:5 rs1 001 rd " + opImm32, "rd, rs1, shamt", "RV64I", rrs(rv32.sll)},
		{"srliw", "0000000 shamt:5 rs1 101 rd " + opImm32, "rd, rs1, shamt", "RV64I", rrs(rv32.srl)},
		{"sraiw", "0100000 shamt:5 rs1 101 rd " + opImm32, "rd, rs1, shamt", "RV64I", rrs(sraw)},
		{"addw", rType("0000000", "000", op32), "rd, rs1, rs2", "RV64I", rrr(rv32.add)},
		{"subw", rType("0100000", "000", op32), "rd, rs1, rs2", "RV64I", rrr(rv32.sub)},
		{"sllw", rType("0000000", "001", op32), "rd, rs1, rs2", "RV64I", rrr(rv32.sll)},
		{"srlw", rType("0000000", "101", op32), "rd, rs1, rs2", "RV64I", rrr(rv32.srl)},
		{"sraw", rType("0100000", "101", op32), "rd, rs1, rs2", "RV64I", rrr(sraw)},
	}
}
