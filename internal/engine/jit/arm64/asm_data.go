package arm64

import "math/bits"

// Op is an operation of two operands: the instruction's encoding for W and two registers that are X0.
type Op uint32

// The operations. Shifts are by the second operand modulo the width. Of divisions, n / 0 is 0, and the lowest number / -1
// is itself. The last four have no narrow form.
const (
	ADD  Op = 0x0b000000
	ADDS Op = 0x2b000000 // sets the flags
	SUB  Op = 0x4b000000
	SUBS Op = 0x6b000000

	AND  Op = 0x0a000000
	BIC  Op = 0x0a200000 // and not
	ORR  Op = 0x2a000000
	ORN  Op = 0x2a200000 // or not
	EOR  Op = 0x4a000000
	EON  Op = 0x4a200000 // exclusive or not
	ANDS Op = 0x6a000000
	BICS Op = 0x6a200000

	LSL Op = 0x1ac02000
	LSR Op = 0x1ac02400
	ASR Op = 0x1ac02800
	ROR Op = 0x1ac02c00

	UDIV Op = 0x1ac00800
	SDIV Op = 0x1ac00c00
	MUL  Op = 0x1b007c00
	MNEG Op = 0x1b00fc00

	SMULL Op = 0x9b207c00 // 32 times 32 bits give 64
	UMULL Op = 0x9ba07c00
	SMULH Op = 0x9b407c00 // the upper half of a product of 128 bits
	UMULH Op = 0x9bc07c00
)

// Bits that are the same in the forms with a register and with an immediate.
const (
	classMask      = 0x1f000000
	flagsAndKind   = 0x60000000 // arithmetic: op, S; logical: opc
	subtracts      = 0x40000000
	setsFlags      = 0x20000000 // arithmetic
	inverts        = 0x00200000 // logical: the second operand
	shiftKindMask  = 0x00000c00
	shiftKindShift = 10
)

func (o Op) arithmetic() bool { return o&classMask == ADD }
func (o Op) logical() bool    { return o&classMask == AND }
func (o Op) shift() bool      { return o&^shiftKindMask == LSL }

// destination is the field of the result of forms that can write the stack pointer, unless they set flags.
func (o Op) destination(rd Reg) uint32 {
	if o.arithmetic() && o&setsFlags != 0 || o.logical() && o&flagsAndKind == ANDS&flagsAndKind {
		return general(rd)
	}
	return stack(rd)
}

// RRR appends rd := rn op rm.
func (a *Asm) RRR(op Op, w Width, rd, rn, rm Reg) {
	if uint32(op)>>31 != 0 && w != X {
		panic("arm64: a product of 64 bits or more has no narrow form")
	}
	a.word(uint32(op) | uint32(w) | general(rm)<<16 | general(rn)<<5 | general(rd))
}

// RRRShift appends rd := rn op (rm shift n). op is ADD to BICS, and shift LSL, LSR, ASR, or for AND to BICS also ROR.
func (a *Asm) RRRShift(op Op, w Width, rd, rn, rm Reg, shift Op, n uint) {
	if !op.logical() && (!op.arithmetic() || shift == ROR) || !shift.shift() || n >= w.bits() {
		panic("arm64: this operation cannot shift its operand like that")
	}
	kind := uint32(shift&shiftKindMask) >> shiftKindShift
	a.word(uint32(op) | uint32(w) | kind<<22 | general(rm)<<16 | uint32(n)<<10 | general(rn)<<5 | general(rd))
}

// Extend says how the lower part of a register becomes an operand.
type Extend uint8

// The extensions.
const (
	UXTB Extend = iota
	UXTH
	UXTW
	UXTX // of all 64 bits: none
	SXTB
	SXTH
	SXTW
	SXTX
)

// RRRExtend appends rd := rn op (ext(rm) << n), for n to 4. op is ADD, ADDS, SUB or SUBS. rn, and rd of those that set
// no flags, can be SP but not ZR.
func (a *Asm) RRRExtend(op Op, w Width, rd, rn, rm Reg, ext Extend, n uint) {
	if !op.arithmetic() || n > 4 {
		panic("arm64: this operation cannot extend its operand like that")
	}
	a.word(uint32(op) | 1<<21 | uint32(w) | general(rm)<<16 | uint32(ext)<<13 | uint32(n)<<10 | stack(rn)<<5 | op.destination(rd))
}

// FitsImm tells whether RRI can append the operation with that number. For W the upper half of the number does not count.
func FitsImm(op Op, w Width, imm uint64) bool {
	_, ok := immediate(op, w, imm)
	return ok
}

// RRI appends rd := rn op imm, if FitsImm. Numbers that fit are
//
//	ADD to SUBS      0 to 4095, or such a number << 12, or minus one of those
//	AND to BICS      runs of ones, rotated and repeated (not 0, nor all ones)
//	LSL to ROR       0 to the width - 1
//
// rn of ADD to SUBS can be SP but not ZR; so can rd of those and of AND to EON, unless they set flags.
func (a *Asm) RRI(op Op, w Width, rd, rn Reg, imm uint64) {
	word, ok := immediate(op, w, imm)
	if !ok {
		panic("arm64: the number does not fit into the instruction")
	}
	switch {
	case op.arithmetic():
		word |= stack(rn)<<5 | op.destination(rd)
	case op.logical():
		word |= general(rn)<<5 | op.destination(rd)
	case op == ROR: // it is an extraction from two operands that are the same
		word |= general(rn)<<16 | general(rn)<<5 | general(rd)
	default:
		word |= general(rn)<<5 | general(rd)
	}
	a.word(word | uint32(w))
}

func immediate(op Op, w Width, imm uint64) (word uint32, ok bool) {
	switch {
	case op.arithmetic():
		return arithmeticImmediate(op, w, imm)
	case op.logical():
		if op&inverts != 0 {
			imm = ^imm
		}
		if w == W {
			imm = imm<<32 | imm&0xffffffff
		}
		mask, ok := bitmask(imm)
		return 0x12000000 | uint32(op)&flagsAndKind | mask, ok
	case op.shift():
		return shiftImmediate(op, w, imm)
	}
	return 0, false
}

// arithmeticImmediate also adds a negative number by subtracting, and the other way round. Flags come out the same:
// both are a + b + carry of the same a, b and carry inside, except for 0, which always fits as it is.
func arithmeticImmediate(op Op, w Width, imm uint64) (word uint32, ok bool) {
	minus := -imm
	if w == W {
		imm, minus = imm&0xffffffff, minus&0xffffffff
	}
	if imm > 0xfff000 {
		imm = minus
		op ^= subtracts
	}
	word = 0x11000000 | uint32(op)&flagsAndKind
	switch {
	case imm < 1<<12:
		return word | uint32(imm)<<10, true
	case imm < 1<<24 && imm&0xfff == 0:
		return word | 1<<22 | uint32(imm>>12)<<10, true
	}
	return 0, false
}

// Bases of bitfield moves and extractions. The wide forms have bit N, too, which is always the same as sf.
const (
	sbfm  = 0x13000000
	ubfm  = 0x53000000
	extr  = 0x13800000
	wideN = 1 << 22
)

func bitfield(base uint32, w Width, immr, imms uint) uint32 {
	return base | uint32(w) | uint32(w)>>31*wideN | uint32(immr)<<16 | uint32(imms)<<10
}

func shiftImmediate(op Op, w Width, imm uint64) (word uint32, ok bool) {
	top := w.bits() - 1
	if imm > uint64(top) {
		return 0, false
	}
	n := uint(imm)
	switch op {
	case LSL:
		return bitfield(ubfm, w, -n&top, top-n), true
	case LSR:
		return bitfield(ubfm, w, n, top), true
	case ASR:
		return bitfield(sbfm, w, n, top), true
	}
	return bitfield(extr, w, 0, n), true
}

// bitmask gives the fields N, immr and imms of a logical immediate; the manual's DecodeBitMasks is the inverse. Such a
// number consists of equal elements of 2, 4, … or 64 bits, each of which is one run of ones, rotated.
func bitmask(v uint64) (fields uint32, ok bool) {
	begins := v &^ bits.RotateLeft64(v, 1) // the lowest bit of each run
	runs := bits.OnesCount64(begins)
	if runs == 0 || 64%runs != 0 {
		return 0, false
	}
	size := 64 / runs
	if bits.RotateLeft64(v, size) != v {
		return 0, false
	}
	ones := bits.OnesCount64(v) / runs
	immr := -bits.TrailingZeros64(begins) & (size - 1)
	imms := -2*size&0x3f | (ones - 1) // above the run's length, ones and a zero stand for the size
	n := size >> 6
	return uint32(n<<22 | immr<<16 | imms<<10), true
}

// Mov appends rd := rn. It cannot move SP; RRI(ADD, X, rd, rn, 0) does.
func (a *Asm) Mov(w Width, rd, rn Reg) { a.RRR(ORR, w, rd, ZR, rn) }

// Neg appends rd := -rn.
func (a *Asm) Neg(w Width, rd, rn Reg) { a.RRR(SUB, w, rd, ZR, rn) }

// Mvn appends rd := not rn.
func (a *Asm) Mvn(w Width, rd, rn Reg) { a.RRR(ORN, w, rd, ZR, rn) }

// Cmp sets the flags for a comparison of rn with rm.
func (a *Asm) Cmp(w Width, rn, rm Reg) { a.RRR(SUBS, w, ZR, rn, rm) }

// CmpImm sets the flags for a comparison of rn with a number, if FitsImm(SUBS, w, imm).
func (a *Asm) CmpImm(w Width, rn Reg, imm uint64) { a.RRI(SUBS, w, ZR, rn, imm) }

// Cmn sets the flags for a comparison of rn with -rm.
func (a *Asm) Cmn(w Width, rn, rm Reg) { a.RRR(ADDS, w, ZR, rn, rm) }

// Tst sets the flags for rn and rm.
func (a *Asm) Tst(w Width, rn, rm Reg) { a.RRR(ANDS, w, ZR, rn, rm) }

// TstImm sets the flags for rn and a number, if FitsImm(ANDS, w, imm).
func (a *Asm) TstImm(w Width, rn Reg, imm uint64) { a.RRI(ANDS, w, ZR, rn, imm) }

// Op1 is an operation of one operand: the instruction's encoding for W.
type Op1 uint32

// The operations of one operand.
const (
	RBIT  Op1 = 0x5ac00000 // reverses the bits
	REV16 Op1 = 0x5ac00400 // reverses the bytes of each 16 bits
	REV32 Op1 = 0xdac00800 // reverses the bytes of each 32 bits; has no narrow form
	REV   Op1 = 0x5ac00800 // reverses the bytes
	CLZ   Op1 = 0x5ac01000 // counts leading zeros; of 0, it is the width
)

// RR appends rd := op rn.
func (a *Asm) RR(op Op1, w Width, rd, rn Reg) {
	word := uint32(op)
	switch {
	case op == REV && w == X:
		word = 0xdac00c00
	case op == REV32 && w == W:
		panic("arm64: REV32 has no narrow form")
	}
	a.word(word | uint32(w) | general(rn)<<5 | general(rd))
}

// Extend appends rd := ext(rn). The unsigned ones clear the upper half of rd for both widths. SXTW is for X only, and
// UXTX and SXTX would be Mov.
func (a *Asm) Extend(ext Extend, w Width, rd, rn Reg) {
	top := 8<<uint(ext&3) - 1
	switch {
	case ext == UXTX || ext == SXTX || ext == SXTW && w == W:
		panic("arm64: a register is not extended to its own width")
	case ext == UXTW: // processors make moves fast
		a.Mov(W, rd, rn)
	case ext < SXTB:
		a.word(bitfield(ubfm, W, 0, uint(top)) | general(rn)<<5 | general(rd))
	default:
		a.word(bitfield(sbfm, w, 0, uint(top)) | general(rn)<<5 | general(rd))
	}
}

// Extr appends rd := the width's bits from bit n on of rn:rm, of which rm is the lower half.
func (a *Asm) Extr(w Width, rd, rn, rm Reg, n uint) {
	if n >= w.bits() {
		panic("arm64: there is no such bit in the lower half")
	}
	a.word(bitfield(extr, w, 0, n) | general(rm)<<16 | general(rn)<<5 | general(rd))
}

// Madd appends rd := ra + rn * rm.
func (a *Asm) Madd(w Width, rd, rn, rm, ra Reg) {
	a.word(0x1b000000 | uint32(w) | general(rm)<<16 | general(ra)<<10 | general(rn)<<5 | general(rd))
}

// Msub appends rd := ra - rn * rm. After a division it gives the remainder.
func (a *Asm) Msub(w Width, rd, rn, rm, ra Reg) {
	a.word(0x1b008000 | uint32(w) | general(rm)<<16 | general(ra)<<10 | general(rn)<<5 | general(rd))
}

// Select is a choice between two registers: the instruction's encoding for W.
type Select uint32

// The choices: rn if the condition holds, else
const (
	CSEL  Select = 0x1a800000 // rm
	CSINC Select = 0x1a800400 // rm + 1
	CSINV Select = 0x5a800000 // not rm
	CSNEG Select = 0x5a800400 // -rm
)

// Csel appends rd := rn if the condition holds, else what op makes of rm.
func (a *Asm) Csel(op Select, w Width, rd, rn, rm Reg, c Cond) {
	a.word(uint32(op) | uint32(w) | general(rm)<<16 | uint32(c)<<12 | general(rn)<<5 | general(rd))
}

// Cset appends rd := 1 if the condition holds, else 0.
func (a *Asm) Cset(w Width, rd Reg, c Cond) { a.Csel(CSINC, w, rd, ZR, ZR, c.Not()) }

// Popc appends rd := the number of ones in rn. There is no such instruction for general registers in the first version of
// the architecture, so it goes by way of a SIMD register, which is lost.
func (a *Asm) Popc(w Width, rd, rn Reg, lost VReg) {
	v := uint32(lost & 31)
	if w == X {
		a.word(0x9e670000 | general(rn)<<5 | v) // fmov d, x
	} else {
		a.word(0x1e270000 | general(rn)<<5 | v) // fmov s, w; it clears the rest of the register
	}
	a.word(0x0e205800 | v<<5 | v)           // cnt v.8b, v.8b
	a.word(0x0e31b800 | v<<5 | v)           // addv b, v.8b
	a.word(0x0e013c00 | v<<5 | general(rd)) // umov w, v.b[0]
}
