package amd64

import (
	"fmt"
	"math"
)

// MovRR copies src to dst.
func (a *Assembler) MovRR(w Width, dst, src Reg) { a.rr(op1|0x8b, w, dst, src) }

// MovRM loads dst from m.
func (a *Assembler) MovRM(w Width, dst Reg, m Mem) { a.rm(op1|0x8b, w, dst, m) }

// MovMR stores src to m.
func (a *Assembler) MovMR(w Width, m Mem, src Reg) { a.rm(op1|0x89, w, src, m) }

// MovRI sets all 64 bits of dst, with the shortest instruction that leaves the flags alone.
func (a *Assembler) MovRI(dst Reg, imm uint64) {
	switch {
	case imm <= math.MaxUint32:
		a.plus(0xb8, W32, dst)
		a.imm32(int32(uint32(imm)))
	case imm == uint64(int64(int32(imm))):
		a.rr(op1|0xc7, W64, 0, dst)
		a.imm32(int32(imm))
	default:
		a.plus(0xb8, W64, dst)
		a.put(imm, 8)
	}
}

// MovMI stores imm, sign-extended to the width, to m.
func (a *Assembler) MovMI(w Width, m Mem, imm int32) {
	a.rm(op1|0xc7, w, 0, m)
	a.imm32(imm)
}

// MovZXM loads size bytes (1, 2, 4 or 8) from m and zero-extends them to the 64 bits of dst.
func (a *Assembler) MovZXM(size int, dst Reg, m Mem) {
	op, w := zeroExtend(size)
	a.rm(op, w, dst, m)
}

// MovZXR zero-extends the lowest size bytes (1, 2, 4 or 8) of src to the 64 bits of dst.
func (a *Assembler) MovZXR(size int, dst, src Reg) {
	op, w := zeroExtend(size)
	a.rr(op, w, dst, src)
}

// MovSXM loads size bytes (1, 2, 4 or 8) from m and sign-extends them to the width. The width of a size of 8 is W64.
func (a *Assembler) MovSXM(size int, w Width, dst Reg, m Mem) {
	a.rm(signExtend(size, w), w, dst, m)
}

// MovSXR sign-extends the lowest size bytes (1, 2, 4 or 8) of src to the width. The width of a size of 8 is W64.
func (a *Assembler) MovSXR(size int, w Width, dst, src Reg) {
	a.rr(signExtend(size, w), w, dst, src)
}

func zeroExtend(size int) (opcode, Width) {
	switch size {
	case 1:
		return op2 | byteRM | 0xb60f, W32
	case 2:
		return op2 | 0xb70f, W32
	case 4:
		return op1 | 0x8b, W32
	case 8:
		return op1 | 0x8b, W64
	}
	panic(badSize(size))
}

func signExtend(size int, w Width) opcode {
	switch {
	case size == 1:
		return op2 | byteRM | 0xbe0f
	case size == 2:
		return op2 | 0xbf0f
	case size == 4 && w == W64:
		return op1 | 0x63
	case size == 4, size == 8 && w == W64:
		return op1 | 0x8b
	}
	panic(badSize(size))
}

// Store stores the lowest size bytes (1, 2, 4 or 8) of src to m.
func (a *Assembler) Store(size int, m Mem, src Reg) {
	switch size {
	case 1:
		a.rm(op1|byteReg|0x88, W32, src, m)
	case 2:
		a.rm(op1|prefix66|0x89, W32, src, m)
	case 4:
		a.MovMR(W32, m, src)
	case 8:
		a.MovMR(W64, m, src)
	default:
		panic(badSize(size))
	}
}

// StoreI stores the lowest size bytes (1, 2, 4 or 8) of imm, sign-extended, to m.
func (a *Assembler) StoreI(size int, m Mem, imm int32) {
	switch size {
	case 1:
		a.rm(op1|0xc6, W32, 0, m)
		a.imm8(uint8(imm))
	case 2:
		a.rm(op1|prefix66|0xc7, W32, 0, m)
		a.put(uint64(uint16(imm)), 2)
	case 4:
		a.MovMI(W32, m, imm)
	case 8:
		a.MovMI(W64, m, imm)
	default:
		panic(badSize(size))
	}
}

// MovbeRM loads size bytes (2, 4 or 8) from m in big-endian order. A load of 2 bytes keeps the other bits of dst,
// one of 4 bytes clears them. The host needs MOVBE.
func (a *Assembler) MovbeRM(size int, dst Reg, m Mem) {
	op, w := movbe(size)
	a.rm(op|0xf0<<16, w, dst, m)
}

// MovbeMR stores the lowest size bytes (2, 4 or 8) of src to m in big-endian order. The host needs MOVBE.
func (a *Assembler) MovbeMR(size int, m Mem, src Reg) {
	op, w := movbe(size)
	a.rm(op|0xf1<<16, w, src, m)
}

func movbe(size int) (opcode, Width) {
	switch size {
	case 2:
		return op3 | prefix66 | 0x380f, W32
	case 4:
		return op3 | 0x380f, W32
	case 8:
		return op3 | 0x380f, W64
	}
	panic(badSize(size))
}

func badSize(size int) string {
	return fmt.Sprintf("amd64: no such move has a size of %d bytes", size)
}

// Lea sets dst to the address of m, cut to the width.
func (a *Assembler) Lea(w Width, dst Reg, m Mem) { a.rm(op1|0x8d, w, dst, m) }

// CmovRR copies src to dst if c holds. W32 clears the upper half of dst in both cases.
func (a *Assembler) CmovRR(c Cond, w Width, dst, src Reg) { a.rr(op2|0x400f|opcode(c)<<8, w, dst, src) }

// CmovRM loads m, always, and copies it to dst if c holds. W32 clears the upper half of dst in both cases.
func (a *Assembler) CmovRM(c Cond, w Width, dst Reg, m Mem) { a.rm(op2|0x400f|opcode(c)<<8, w, dst, m) }

// SetCC sets the lowest byte of dst to 1 if c holds, else to 0. It keeps the other bits.
func (a *Assembler) SetCC(c Cond, dst Reg) { a.rr(op2|byteRM|0x900f|opcode(c)<<8, W32, 0, dst) }

// XchgRR exchanges two registers. W32 clears both upper halves.
func (a *Assembler) XchgRR(w Width, x, y Reg) { a.rr(op1|0x87, w, y, x) }

// Push pushes the 64 bits of r.
func (a *Assembler) Push(r Reg) { a.plus(0x50, W32, r) }

// Pop pops the 64 bits of r.
func (a *Assembler) Pop(r Reg) { a.plus(0x58, W32, r) }

// plus appends an instruction of one byte of which r is a part.
func (a *Assembler) plus(op uint64, w Width, r Reg) {
	if r > R15 {
		panic("amd64: an operand is no register")
	}
	op |= uint64(r & 7)
	if rex := uint64(w) | uint64(r>>3); rex != 0 {
		a.put(0x40|rex|op<<8, 2)
		return
	}
	a.put(op, 1)
}
