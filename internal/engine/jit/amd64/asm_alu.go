package amd64

// An AluOp is an operation with two operands that sets the flags, by its number in instructions.
type AluOp uint8

// Adc and Sbb add and subtract the carry, too. Cmp is Sub without result.
const (
	Add AluOp = iota
	Or
	Adc
	Sbb
	And
	Sub
	Xor
	Cmp
)

// AluRR does dst = dst op src.
func (a *Assembler) AluRR(op AluOp, w Width, dst, src Reg) { a.rr(op1|3|opcode(op)<<3, w, dst, src) }

// AluRM does dst = dst op m.
func (a *Assembler) AluRM(op AluOp, w Width, dst Reg, m Mem) { a.rm(op1|3|opcode(op)<<3, w, dst, m) }

// AluMR does m = m op src.
func (a *Assembler) AluMR(op AluOp, w Width, m Mem, src Reg) { a.rm(op1|1|opcode(op)<<3, w, src, m) }

// AluRI does dst = dst op imm, imm sign-extended to the width.
func (a *Assembler) AluRI(op AluOp, w Width, dst Reg, imm int32) {
	switch {
	case imm == int32(int8(imm)):
		a.rr(op1|0x83, w, Reg(op), dst)
		a.imm8(uint8(imm))
		return
	case dst == RAX:
		a.accumulator(5|uint64(op)<<3, w)
	default:
		a.rr(op1|0x81, w, Reg(op), dst)
	}
	a.imm32(imm)
}

// AluMI does m = m op imm, imm sign-extended to the width.
func (a *Assembler) AluMI(op AluOp, w Width, m Mem, imm int32) {
	if imm == int32(int8(imm)) {
		a.rm(op1|0x83, w, Reg(op), m)
		a.imm8(uint8(imm))
		return
	}
	a.rm(op1|0x81, w, Reg(op), m)
	a.imm32(imm)
}

// AluM8I does m = m op imm with the byte at m.
func (a *Assembler) AluM8I(op AluOp, m Mem, imm uint8) {
	a.rm(op1|0x80, W32, Reg(op), m)
	a.imm8(imm)
}

// TestRR sets the flags as x and y does.
func (a *Assembler) TestRR(w Width, x, y Reg) { a.rr(op1|0x85, w, y, x) }

// TestRI sets the flags as r and imm does, imm sign-extended to the width.
func (a *Assembler) TestRI(w Width, r Reg, imm int32) {
	// The sign of the result is 0 if that of imm is, so that fewer bits of r give the same flags.
	if 0 <= imm && imm <= 0x7f {
		a.TestRI8(r, uint8(imm))
		return
	}
	if imm >= 0 {
		w = W32
	}
	if r == RAX {
		a.accumulator(0xa9, w)
	} else {
		a.rr(op1|0xf7, w, 0, r)
	}
	a.imm32(imm)
}

// TestRI8 sets the flags as imm and the lowest byte of r does. The sign is that of the byte.
func (a *Assembler) TestRI8(r Reg, imm uint8) {
	if r == RAX {
		a.accumulator(0xa8, W32)
	} else {
		a.rr(op1|byteRM|0xf6, W32, 0, r)
	}
	a.imm8(imm)
}

// TestM8I sets the flags as imm and the byte at m does.
func (a *Assembler) TestM8I(m Mem, imm uint8) {
	a.rm(op1|0xf6, W32, 0, m)
	a.imm8(imm)
}

// accumulator appends the opcode of a short form that is about RAX.
func (a *Assembler) accumulator(op uint64, w Width) {
	if w == W64 {
		a.put(0x48|op<<8, 2)
		return
	}
	a.put(op, 1)
}

// A ShiftOp is a shift or rotation, by its number in instructions.
type ShiftOp uint8

// The shifts and rotations.
const (
	Rol ShiftOp = 0
	Ror ShiftOp = 1
	Shl ShiftOp = 4
	Shr ShiftOp = 5
	Sar ShiftOp = 7
)

// ShiftRI shifts dst by n bits. The host takes n modulo the width.
func (a *Assembler) ShiftRI(op ShiftOp, w Width, dst Reg, n uint8) {
	if n == 1 {
		a.rr(op1|0xd1, w, Reg(op), dst)
		return
	}
	a.rr(op1|0xc1, w, Reg(op), dst)
	a.imm8(n)
}

// ShiftMI shifts m by n bits. The host takes n modulo the width.
func (a *Assembler) ShiftMI(op ShiftOp, w Width, m Mem, n uint8) {
	if n == 1 {
		a.rm(op1|0xd1, w, Reg(op), m)
		return
	}
	a.rm(op1|0xc1, w, Reg(op), m)
	a.imm8(n)
}

// ShiftRCL shifts dst by the number of bits in CL, modulo the width.
func (a *Assembler) ShiftRCL(op ShiftOp, w Width, dst Reg) { a.rr(op1|0xd3, w, Reg(op), dst) }

// ShiftxRR does dst = src op count, count modulo the width, and leaves the flags alone. Op is Shl, Shr or Sar. The host needs BMI2.
func (a *Assembler) ShiftxRR(op ShiftOp, w Width, dst, src, count Reg) {
	a.vexRR(shiftx(op), w, dst, src, count)
}

// ShiftxRM does dst = m op count, as [Assembler.ShiftxRR] does.
func (a *Assembler) ShiftxRM(op ShiftOp, w Width, dst Reg, m Mem, count Reg) {
	a.vexRM(shiftx(op), w, dst, m, count)
}

func shiftx(op ShiftOp) vexOp {
	switch op {
	case Shl:
		return vexOp{0xf7, 2, 1}
	case Shr:
		return vexOp{0xf7, 2, 3}
	case Sar:
		return vexOp{0xf7, 2, 2}
	}
	panic("amd64: only Shl, Shr and Sar have a form that leaves the flags alone")
}

var rorx = vexOp{0xf0, 3, 3}

// RorxRR sets dst to src rotated right by n bits and leaves the flags alone. The host needs BMI2.
func (a *Assembler) RorxRR(w Width, dst, src Reg, n uint8) {
	a.vexRR(rorx, w, dst, src, 0)
	a.imm8(n)
}

// RorxRM sets dst to m rotated right by n bits and leaves the flags alone. The host needs BMI2.
func (a *Assembler) RorxRM(w Width, dst Reg, m Mem, n uint8) {
	a.vexRM(rorx, w, dst, m, 0)
	a.imm8(n)
}

// ImulRR does dst = dst * src.
func (a *Assembler) ImulRR(w Width, dst, src Reg) { a.rr(op2|0xaf0f, w, dst, src) }

// ImulRM does dst = dst * m.
func (a *Assembler) ImulRM(w Width, dst Reg, m Mem) { a.rm(op2|0xaf0f, w, dst, m) }

// ImulRRI does dst = src * imm.
func (a *Assembler) ImulRRI(w Width, dst, src Reg, imm int32) {
	if imm == int32(int8(imm)) {
		a.rr(op1|0x6b, w, dst, src)
		a.imm8(uint8(imm))
		return
	}
	a.rr(op1|0x69, w, dst, src)
	a.imm32(imm)
}

// ImulRMI does dst = m * imm.
func (a *Assembler) ImulRMI(w Width, dst Reg, m Mem, imm int32) {
	if imm == int32(int8(imm)) {
		a.rm(op1|0x6b, w, dst, m)
		a.imm8(uint8(imm))
		return
	}
	a.rm(op1|0x69, w, dst, m)
	a.imm32(imm)
}

// A UnaryOp is an operation with one operand, by its number in instructions.
type UnaryOp uint8

// Not and Neg change their operand; Not leaves the flags alone. Mul and Imul set RDX:RAX to RAX times the operand.
// Div and Idiv divide RDX:RAX by the operand, with the quotient in RAX and the remainder in RDX.
const (
	Not  UnaryOp = 2
	Neg  UnaryOp = 3
	Mul  UnaryOp = 4
	Imul UnaryOp = 5
	Div  UnaryOp = 6
	Idiv UnaryOp = 7
)

// UnaryR does op with r.
func (a *Assembler) UnaryR(op UnaryOp, w Width, r Reg) { a.rr(op1|0xf7, w, Reg(op), r) }

// UnaryM does op with m.
func (a *Assembler) UnaryM(op UnaryOp, w Width, m Mem) { a.rm(op1|0xf7, w, Reg(op), m) }

// Cdq sign-extends EAX to EDX:EAX.
func (a *Assembler) Cdq() { a.put(0x99, 1) }

// Cqo sign-extends RAX to RDX:RAX.
func (a *Assembler) Cqo() { a.put(0x9948, 2) }

// BswapR reverses the bytes of r.
func (a *Assembler) BswapR(w Width, r Reg) { a.rr(op1|0x0f, w, 1, r) }

// A CountOp counts bits.
type CountOp uint8

// Lzcnt counts leading zeros, Tzcnt trailing zeros, Popcnt ones. The counts of no ones are the width.
// A host without LZCNT or BMI1 runs Lzcnt or Tzcnt as BSR or BSF, which give something else.
const (
	Popcnt CountOp = 0xb8
	Tzcnt  CountOp = 0xbc
	Lzcnt  CountOp = 0xbd
)

// CountRR sets dst to the count of src.
func (a *Assembler) CountRR(op CountOp, w Width, dst, src Reg) {
	a.rr(op2|prefixF3|0x0f|opcode(op)<<8, w, dst, src)
}

// CountRM sets dst to the count of m.
func (a *Assembler) CountRM(op CountOp, w Width, dst Reg, m Mem) {
	a.rm(op2|prefixF3|0x0f|opcode(op)<<8, w, dst, m)
}
