// Package arm64 makes code for AArch64 hosts. Asm is an encoder to which instructions are only ever appended; what it
// makes is bytes, so the package works, and is tested, on every host.
//
// Encodings are those of the Arm Architecture Reference Manual (DDI 0487), chapter C4 "A64 Instruction Set Encoding";
// C6.2 and C7.2 describe the instructions one by one. Mnemonics are the manual's. Operands stand in the manual's order,
// the destination first. An operand that the instruction cannot have is a broken invariant of the caller: it panics.
// Where it depends on a number whether an instruction exists, a function Fits… says so beforehand.
//
// Little is hidden: a method appends one instruction. Exceptions are MovImm (up to four), Popc (four), and conditional
// branches, which Finish makes two where their label is too far away.
package arm64

import "encoding/binary"

// An Asm is code in the making. The zero value is empty. Positions are given as labels, because Finish may move code.
//
//	a.Reset()
//	… append instructions, Bind labels …
//	a.Finish()          // lengths and distances are final
//	a.Relocate(address) // optional: only BTo, BLTo and Address need it
//	copy(memory, a.Code())
type Asm struct {
	code      []byte
	labels    []int // offset of each label in code, or unbound
	fixups    []fixup
	absolutes []absolute
}

// Reset makes the Asm empty. It keeps its memory for the next code.
func (a *Asm) Reset() {
	a.code = a.code[:0]
	a.labels = a.labels[:0]
	a.fixups = a.fixups[:0]
	a.absolutes = a.absolutes[:0]
}

// Code gives the code, which is the Asm's own memory and changes with the next call.
func (a *Asm) Code() []byte { return a.code }

// Len is the number of bytes so far. Finish may make it more.
func (a *Asm) Len() int { return len(a.code) }

// word appends an instruction. They are little-endian whatever the order of data is.
func (a *Asm) word(w uint32) { a.code = binary.LittleEndian.AppendUint32(a.code, w) }

// Reg is a general register. Number 31 is the zero register in most operands and the stack pointer in some; here these are
// two registers, so that one is never taken for the other.
//
// Who calls generated code from Go has to know: x28 holds the goroutine, x29 the frame pointer and x18 belongs to the
// operating system (macOS, Windows), so all three keep their values; x30 is the return address; functions in Go's
// assembler (ABI0) may change all others. Go's linker and assembler use x16, x17 and x27 between instructions of theirs only.
type Reg uint8

// The general registers.
const (
	X0 Reg = iota
	X1
	X2
	X3
	X4
	X5
	X6
	X7
	X8
	X9
	X10
	X11
	X12
	X13
	X14
	X15
	X16
	X17
	X18
	X19
	X20
	X21
	X22
	X23
	X24
	X25
	X26
	X27
	X28
	X29
	X30
	ZR           // reads as zero; writes are lost
	SP = 32 + ZR // the stack pointer
)

// general is the field of an operand for which 31 is the zero register.
func general(r Reg) uint32 {
	if r > ZR {
		panic("arm64: this operand cannot be the stack pointer")
	}
	return uint32(r)
}

// stack is the field of an operand for which 31 is the stack pointer.
func stack(r Reg) uint32 {
	if r == ZR {
		panic("arm64: this operand cannot be the zero register")
	}
	return uint32(r & 31)
}

// VReg is the number, 0 to 31, of a SIMD register.
type VReg uint8

// Width is that of an operation: it is bit sf of most instructions. Operations of 32 bits read the lower half of
// registers, and clear the upper half of their result.
type Width uint32

// The widths.
const (
	W Width = 0       // 32 bits
	X Width = 1 << 31 // 64 bits
)

func (w Width) bits() uint { return 32 + uint(w>>26) }

// Cond is a condition on the flags.
type Cond uint8

// The conditions; C1.2.4.
const (
	EQ Cond = iota
	NE
	HS // unsigned >=; the carry is set
	LO // unsigned <; the carry is clear
	MI
	PL
	VS
	VC
	HI // unsigned >
	LS // unsigned <=
	GE
	LT
	GT
	LE
	AL
)

// Not is the opposite. AL has none.
func (c Cond) Not() Cond {
	if c >= AL {
		panic("arm64: the condition that always holds has no opposite")
	}
	return c ^ 1
}

// Nop does nothing.
func (a *Asm) Nop() { a.word(0xd503201f) }

// Brk traps into a debugger with a number.
func (a *Asm) Brk(n uint16) { a.word(0xd4200000 | uint32(n)<<5) }
