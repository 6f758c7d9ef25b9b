// Package amd64 makes x86-64 machine code. It runs nothing itself, so it compiles on every host.
//
// An [Assembler] appends instructions to a buffer. The methods' names end in the kinds of their operands, the destination first:
// R is a register, M is memory, I is a constant. Encodings follow the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
package amd64

import (
	"encoding/binary"
	"math/bits"
)

// A Reg is a general register, by its number in instructions.
type Reg uint8

// The general registers. NoReg stands for an absent base or index.
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	NoReg
)

// A Mem is the operand in memory at Base + Index*Scale + Disp. Base may be NoReg. There is no index if Scale is 0 or Index is NoReg;
// else Scale is 1, 2, 4 or 8 and Index is not RSP.
type Mem struct {
	Base, Index Reg
	Scale       uint8
	Disp        int32
}

// A Width is the width of an operation. An operation of 32 bits clears the upper half of its destination register.
type Width uint8

// The widths, as the bit W of a REX prefix.
const (
	W32 Width = 0
	W64 Width = 8
)

// A Cond is a condition on the flags, by its number in instructions.
type Cond uint8

// The conditions. B, AE, BE and A compare as unsigned numbers; L, GE, LE and G as signed ones.
const (
	CondO Cond = iota
	CondNO
	CondB
	CondAE
	CondE
	CondNE
	CondBE
	CondA
	CondS
	CondNS
	CondP
	CondNP
	CondL
	CondGE
	CondLE
	CondG
)

// Not gives the condition that holds when c does not.
func (c Cond) Not() Cond { return c ^ 1 }

// An Assembler appends instructions to Buf. The zero value is ready for use.
// Offsets in Buf are below 2 GiB. Operands that no instruction can have are mistakes of the caller and panic.
type Assembler struct {
	Buf    []byte
	labels []label
	relocs []reloc
}

// Len gives the number of bytes so far: the offset of the next instruction.
func (a *Assembler) Len() int { return len(a.Buf) }

// Reset empties the assembler and forgets all labels. It keeps the memory for the next use.
func (a *Assembler) Reset() {
	a.Buf, a.labels, a.relocs = a.Buf[:0], a.labels[:0], a.relocs[:0]
}

// put appends the n lowest bytes of v, n at most 8. It writes all eight, which is one store, and takes back what is too much.
func (a *Assembler) put(v uint64, n int) {
	a.Buf = binary.LittleEndian.AppendUint64(a.Buf, v)[:len(a.Buf)+n]
}

func (a *Assembler) imm8(v uint8)  { a.Buf = append(a.Buf, v) }
func (a *Assembler) imm32(v int32) { a.Buf = binary.LittleEndian.AppendUint32(a.Buf, uint32(v)) }

// An opcode holds up to three bytes in the order of the code, from the lowest on, their number, and the flags below.
type opcode uint32

const (
	op1 opcode = 1 << 24 // one byte
	op2 opcode = 2 << 24 // two bytes
	op3 opcode = 3 << 24 // three bytes

	byteReg  opcode = 1 << 26 // the register is of 8 bits
	byteRM   opcode = 1 << 27 // the register in place of memory is of 8 bits
	prefix66 opcode = 1 << 28
	prefixF3 opcode = 2 << 28
	prefixF2 opcode = 3 << 28
)

// prefixes has the byte of each prefix by its number in an opcode.
var prefixes = [4]uint64{0, 0x66, 0xf3, 0xf2}

// rr appends the instruction op with the registers reg and rm. Reg may be a part of the opcode.
func (a *Assembler) rr(op opcode, w Width, reg, rm Reg) {
	if reg|rm > R15 {
		panic("amd64: an operand is no register")
	}
	rex := uint64(w) | uint64(reg>>3)<<2 | uint64(rm>>3)
	// Without a REX prefix the numbers 4 to 7 are the registers AH, CH, DH and BH.
	if op&byteReg != 0 && reg >= RSP || op&byteRM != 0 && rm >= RSP {
		rex |= 0x40
	}
	code, n := op.head(rex)
	code |= regs(reg, rm) << (8 * n & 63)
	a.put(code, n+1)
}

// rm appends the instruction op with the register reg, or a part of the opcode in its place, and m.
func (a *Assembler) rm(op opcode, w Width, reg Reg, m Mem) {
	tail, size, rxb := m.tail(reg)
	rex := uint64(w) | rxb
	if op&byteReg != 0 && reg >= RSP {
		rex |= 0x40
	}
	code, n := op.head(rex)
	a.put(code, n)
	a.put(tail, size)
}

// head gives the bytes of an instruction before its operands, and their number: prefix, REX prefix unless rex is 0, opcode.
func (op opcode) head(rex uint64) (code uint64, n int) {
	code, n = uint64(op&0xffffff), int(op>>24&3)
	if rex != 0 {
		code = code<<8 | 0x40 | rex
		n++
	}
	if op >= prefix66 {
		code = code<<8 | prefixes[op>>28&3]
		n++
	}
	return code, n
}

// regs gives the byte ModRM of two registers.
func regs(reg, rm Reg) uint64 { return 0xc0 | uint64(reg&7)<<3 | uint64(rm&7) }

// tail gives the bytes ModRM, SIB and displacement of an instruction with the operands reg and m, their number,
// and the bits R, X and B of the prefix.
func (m Mem) tail(reg Reg) (code uint64, n int, rxb uint64) {
	if reg > R15 || m.Base > NoReg {
		panic("amd64: an operand is no register")
	}
	code = uint64(reg&7) << 3
	rxb = uint64(reg>>3) << 2
	disp := uint64(uint32(m.Disp))
	indexed := m.Scale != 0 && m.Index != NoReg
	if m.Base == NoReg {
		// The base 5 in the SIB byte is none if mod is 0; the displacement has 32 bits then.
		sib, x := m.index(indexed)
		return code | 4 | (sib|5)<<8 | disp<<16, 6, rxb | x
	}
	base := uint64(m.Base & 7)
	rxb |= uint64(m.Base >> 3)
	size := 4
	switch {
	// RBP and R13 without displacement would mean something else.
	case m.Disp == 0 && base != 5:
		size, disp = 0, 0
	case m.Disp == int32(int8(m.Disp)):
		code |= 0x40
		size, disp = 1, disp&0xff
	default:
		code |= 0x80
	}
	// RSP and R12 in ModRM mean that a SIB byte follows.
	if indexed || base == 4 {
		sib, x := m.index(indexed)
		return code | 4 | (sib|base)<<8 | disp<<16, size + 2, rxb | x
	}
	return code | base | disp<<8, size + 1, rxb
}

// index gives scale and index in a SIB byte, and the bit X of the prefix.
func (m Mem) index(indexed bool) (sib, x uint64) {
	if !indexed {
		return 4 << 3, 0
	}
	if m.Index >= NoReg || m.Index == RSP || m.Scale > 8 || m.Scale&(m.Scale-1) != 0 {
		panic("amd64: no operand has such an index or scale")
	}
	scale := uint64(bits.TrailingZeros8(m.Scale))
	return scale<<6 | uint64(m.Index&7)<<3, uint64(m.Index>>3) << 1
}

// A vexOp is the opcode of an instruction with a VEX prefix, with map and prefix of the operation.
type vexOp struct{ op, opMap, pp uint8 }

// vexRR appends the instruction op with the registers reg, rm and v.
func (a *Assembler) vexRR(op vexOp, w Width, reg, rm, v Reg) {
	if reg|rm|v > R15 {
		panic("amd64: an operand is no register")
	}
	a.put(op.head(w, uint64(reg>>3)<<2|uint64(rm>>3), v)|regs(reg, rm)<<32, 5)
}

// vexRM appends the instruction op with the registers reg and v, and m.
func (a *Assembler) vexRM(op vexOp, w Width, reg Reg, m Mem, v Reg) {
	if v > R15 {
		panic("amd64: an operand is no register")
	}
	tail, size, rxb := m.tail(reg)
	a.put(op.head(w, rxb, v), 4)
	a.put(tail, size)
}

// head gives the three bytes of the VEX prefix, which holds most of its fields inverted, and the opcode.
func (o vexOp) head(w Width, rxb uint64, v Reg) uint64 {
	return 0xc4 | ((^rxb&7)<<5|uint64(o.opMap))<<8 | (uint64(w)<<4|(^uint64(v)&15)<<3|uint64(o.pp))<<16 | uint64(o.op)<<24
}
