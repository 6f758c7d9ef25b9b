// Package mips writes down MIPS64 and MIPS32 release 2 as far as user code can execute it, without floats.
// Specification: MIPS Architecture for Programmers, volume II-A (MD00087, MD00086), release 2. Where the
// base machine says something else (docs/base-machine.md), the comment at the row says so.
package mips

import (
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// New makes the instruction set for registers of 32 or 64 bits and a byte order.
func New(bits int, big bool) *isa.ISA {
	c := core{bits: bits, big: big}
	name, title := "mips32", "MIPS32 release 2, big-endian"
	if bits == 64 {
		name, title = "mips64", "MIPS64 release 2, big-endian"
	}
	if !big {
		name, title = name+"le", title[:len(title)-len("big-endian")]+"little-endian"
	}
	i := &isa.ISA{
		Name: name, Title: title, Bits: bits, Big: big, Align: 4,
		Regs: [32]string{
			"zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7",
			"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "s8", "ra",
		},
		Thread:  []ir.Cell{ir.PC, ir.NextPC, ir.Lo, ir.Hi},
		Advance: c.advance,
	}
	if bits == 64 { // the n64 names; o32 has t0 to t3 where n64 has a4 to a7
		copy(i.Regs[8:16], []string{"a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3"})
	}
	for r := range 32 {
		i.Thread = append(i.Thread, ir.Cell(r))
	}
	for _, rows := range [][]row{c.arithmetic(), c.products(), c.fields(), c.jumps(), c.memory(), c.system()} {
		for _, r := range rows {
			if bits == 64 || r.Set != set64 {
				i.Rows = append(i.Rows, isa.Row(r))
			}
		}
	}
	return i
}

const (
	set32 = "MIPS32"
	set64 = "MIPS64"
)

// core is what the meanings depend on.
type core struct {
	bits int
	big  bool
}

type (
	row     isa.Row // local, so that a table may leave out the names of the columns
	builder = *ir.Builder
	fields  = isa.Fields
	value   = ir.Value
)

// address brings a pc or an address into its register width: 32-bit ones are zero-extended.
func (c core) address(b builder, v value) value {
	if c.bits == 32 {
		return b.Zext32(v)
	}
	return v
}

// advance goes to the next instruction; delay slots are visible in the pair of pc and next pc.
func (c core) advance(b builder, size uint64) {
	next := b.Get(ir.NextPC)
	b.Set(ir.PC, next)
	b.Set(ir.NextPC, c.address(b, b.AddI(next, size)))
}

// word sign-extends a 32-bit result.
func word(b builder, v value) value { return b.Sext32(v) }

// rrr is the commonest form: rd := op(rs, rt).
func rrr(op func(b builder, x, y value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rs), b.Reg(f.Rt))) }
}

// rri is rt := op(rs, immediate).
func rri(op func(b builder, x, y value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rt, op(b, b.Reg(f.Rs), f.Imm)) }
}

// rru is rt := op(rs, zero-extended immediate).
func rru(op func(b builder, x, y value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rt, op(b, b.Reg(f.Rs), f.Uimm)) }
}

// shift is rd := op(rt, sa).
func shift(op func(b builder, x, n value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rt), f.Sa)) }
}

// shift32 is shift by sa + 32.
func shift32(op func(b builder, x, n value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rt), b.AddI(f.Sa, 32))) }
}

// shiftV is rd := op(rt, rs mod 2^width).
func shiftV(mask uint64, op func(b builder, x, n value) value) func(builder, fields) {
	return func(b builder, f fields) { b.SetReg(f.Rd, op(b, b.Reg(f.Rt), b.AndI(b.Reg(f.Rs), mask))) }
}

func add(b builder, x, y value) value  { return b.Add(x, y) }
func addw(b builder, x, y value) value { return word(b, b.Add(x, y)) }
func sub(b builder, x, y value) value  { return b.Sub(x, y) }
func subw(b builder, x, y value) value { return word(b, b.Sub(x, y)) }
func and(b builder, x, y value) value  { return b.And(x, y) }
func or(b builder, x, y value) value   { return b.Or(x, y) }
func xor(b builder, x, y value) value  { return b.Xor(x, y) }
func nor(b builder, x, y value) value  { return b.Not(b.Or(x, y)) }
func slt(b builder, x, y value) value  { return b.LtS(x, y) }
func sltu(b builder, x, y value) value { return b.LtU(x, y) }

func sll(b builder, x, n value) value  { return word(b, b.Shl(x, n)) }
func srl(b builder, x, n value) value  { return word(b, b.ShrU(b.Zext32(x), n)) }
func sra(b builder, x, n value) value  { return b.ShrS(word(b, x), n) }
func dsll(b builder, x, n value) value { return b.Shl(x, n) }
func dsrl(b builder, x, n value) value { return b.ShrU(x, n) }
func dsra(b builder, x, n value) value { return b.ShrS(x, n) }

func rotr(b builder, x, n value) value {
	x = b.Zext32(x)
	twice := b.Or(b.ShlI(x, 32), x)
	return word(b, b.ShrU(twice, n))
}

func drotr(b builder, x, n value) value {
	return b.Or(b.ShrU(x, n), b.Shl(x, b.AndI(b.Neg(n), 63)))
}

func (c core) arithmetic() []row {
	return []row{
		// The base machine never traps on overflow, so add is addu and sub is subu.
		{"add", "000000 rs rt rd 00000 100000", "rd, rs, rt", set32, rrr(addw)},
		{"addu", "000000 rs rt rd 00000 100001", "rd, rs, rt", set32, rrr(addw)},
		{"sub", "000000 rs rt rd 00000 100010", "rd, rs, rt", set32, rrr(subw)},
		{"subu", "000000 rs rt rd 00000 100011", "rd, rs, rt", set32, rrr(subw)},
		{"and", "000000 rs rt rd 00000 100100", "rd, rs, rt", set32, rrr(and)},
		{"or", "000000 rs rt rd 00000 100101", "rd, rs, rt", set32, rrr(or)},
		{"xor", "000000 rs rt rd 00000 100110", "rd, rs, rt", set32, rrr(xor)},
		{"nor", "000000 rs rt rd 00000 100111", "rd, rs, rt", set32, rrr(nor)},
		{"slt", "000000 rs rt rd 00000 101010", "rd, rs, rt", set32, rrr(slt)},
		{"sltu", "000000 rs rt rd 00000 101011", "rd, rs, rt", set32, rrr(sltu)},
		{"dadd", "000000 rs rt rd 00000 101100", "rd, rs, rt", set64, rrr(add)},
		{"daddu", "000000 rs rt rd 00000 101101", "rd, rs, rt", set64, rrr(add)},
		{"dsub", "000000 rs rt rd 00000 101110", "rd, rs, rt", set64, rrr(sub)},
		{"dsubu", "000000 rs rt rd 00000 101111", "rd, rs, rt", set64, rrr(sub)},

		{"addi", "001000 rs rt imm[15:0]", "rt, rs, imm", set32, rri(addw)},
		{"addiu", "001001 rs rt imm[15:0]", "rt, rs, imm", set32, rri(addw)},
		{"slti", "001010 rs rt imm[15:0]", "rt, rs, imm", set32, rri(slt)},
		{"sltiu", "001011 rs rt imm[15:0]", "rt, rs, imm", set32, rri(sltu)},
		{"andi", "001100 rs rt uimm[15:0]", "rt, rs, uimm", set32, rru(and)},
		{"ori", "001101 rs rt uimm[15:0]", "rt, rs, uimm", set32, rru(or)},
		{"xori", "001110 rs rt uimm[15:0]", "rt, rs, uimm", set32, rru(xor)},
		{"lui", "001111 00000 rt uimm[15:0]", "rt, uimm", set32, func(b builder, f fields) {
			b.SetReg(f.Rt, word(b, b.ShlI(f.Uimm, 16)))
		}},
		{"daddi", "011000 rs rt imm[15:0]", "rt, rs, imm", set64, rri(add)},
		{"daddiu", "011001 rs rt imm[15:0]", "rt, rs, imm", set64, rri(add)},

		{"sll", "000000 00000 rt rd sa 000000", "rd, rt, sa", set32, shift(sll)},
		{"srl", "000000 00000 rt rd sa 000010", "rd, rt, sa", set32, shift(srl)},
		{"rotr", "000000 00001 rt rd sa 000010", "rd, rt, sa", set32, shift(rotr)},
		{"sra", "000000 00000 rt rd sa 000011", "rd, rt, sa", set32, shift(sra)},
		{"sllv", "000000 rs rt rd 00000 000100", "rd, rt, rs", set32, shiftV(31, sll)},
		{"srlv", "000000 rs rt rd 00000 000110", "rd, rt, rs", set32, shiftV(31, srl)},
		{"rotrv", "000000 rs rt rd 00001 000110", "rd, rt, rs", set32, shiftV(31, rotr)},
		{"srav", "000000 rs rt rd 00000 000111", "rd, rt, rs", set32, shiftV(31, sra)},
		{"dsllv", "000000 rs rt rd 00000 010100", "rd, rt, rs", set64, shiftV(63, dsll)},
		{"dsrlv", "000000 rs rt rd 00000 010110", "rd, rt, rs", set64, shiftV(63, dsrl)},
		{"drotrv", "000000 rs rt rd 00001 010110", "rd, rt, rs", set64, shiftV(63, drotr)},
		{"dsrav", "000000 rs rt rd 00000 010111", "rd, rt, rs", set64, shiftV(63, dsra)},
		{"dsll", "000000 00000 rt rd sa 111000", "rd, rt, sa", set64, shift(dsll)},
		{"dsrl", "000000 00000 rt rd sa 111010", "rd, rt, sa", set64, shift(dsrl)},
		{"drotr", "000000 00001 rt rd sa 111010", "rd, rt, sa", set64, shift(drotr)},
		{"dsra", "000000 00000 rt rd sa 111011", "rd, rt, sa", set64, shift(dsra)},
		{"dsll32", "000000 00000 rt rd sa 111100", "rd, rt, sa", set64, shift32(dsll)},
		{"dsrl32", "000000 00000 rt rd sa 111110", "rd, rt, sa", set64, shift32(dsrl)},
		{"drotr32", "000000 00001 rt rd sa 111110", "rd, rt, sa", set64, shift32(drotr)},
		{"dsra32", "000000 00000 rt rd sa 111111", "rd, rt, sa", set64, shift32(dsra)},

		{"movz", "000000 rs rt rd 00000 001010", "rd, rs, rt", set32, func(b builder, f fields) {
			b.SetReg(f.Rd, b.Select(b.Reg(f.Rt), b.Reg(f.Rd), b.Reg(f.Rs)))
		}},
		{"movn", "000000 rs rt rd 00000 001011", "rd, rs, rt", set32, func(b builder, f fields) {
			b.SetReg(f.Rd, b.Select(b.Reg(f.Rt), b.Reg(f.Rs), b.Reg(f.Rd)))
		}},
	}
}
