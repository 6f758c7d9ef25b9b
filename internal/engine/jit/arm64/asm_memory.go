package arm64

// Access is a load or a store: the instruction's encoding with an unsigned offset that is 0, for X0 at X0.
type Access uint32

// Loads and stores. The last letters are the size of what lies in memory: B, H, W, X are 1, 2, 4, 8 bytes. Loads clear the
// rest of the register; those with S fill 32 bits (…W) or 64 bits (…X, LDRSW) with the sign. Addresses need not be aligned.
const (
	STRB   Access = 0x39000000
	LDRB   Access = 0x39400000
	LDRSBX Access = 0x39800000
	LDRSBW Access = 0x39c00000
	STRH   Access = 0x79000000
	LDRH   Access = 0x79400000
	LDRSHX Access = 0x79800000
	LDRSHW Access = 0x79c00000
	STRW   Access = 0xb9000000
	LDRW   Access = 0xb9400000
	LDRSW  Access = 0xb9800000
	STRX   Access = 0xf9000000
	LDRX   Access = 0xf9400000
)

const unsignedOffset = 0x01000000 // is clear in the other forms

// size is the binary logarithm of the bytes in memory.
func (o Access) size() uint { return uint(o >> 30) }

// FitsMem tells whether Mem can append the access with that offset: -256 to 255, or a multiple of the size to 4095 times
// the size.
func FitsMem(op Access, off int64) bool {
	return off >= -256 && off < 256 || scaled(op, off)
}

func scaled(op Access, off int64) bool {
	return off >= 0 && off < 4096<<op.size() && off&(1<<op.size()-1) == 0
}

// Mem appends a load of rt from base + off, or a store of rt there, if FitsMem. base can be SP but not ZR.
func (a *Asm) Mem(op Access, rt, base Reg, off int64) {
	word := uint32(op) | stack(base)<<5 | general(rt)
	switch {
	case scaled(op, off):
		a.word(word | uint32(off>>op.size())<<10)
	case FitsMem(op, off):
		a.word(word&^unsignedOffset | uint32(off&0x1ff)<<12)
	default:
		panic("arm64: the offset does not fit into the instruction")
	}
}

// MemReg appends a load of rt from base + ext(index), or a store of rt there. If times is set, the index is multiplied by
// the size of what lies in memory. ext is UXTW, SXTW or, for an index of 64 bits, UXTX. base can be SP but not ZR.
func (a *Asm) MemReg(op Access, rt, base, index Reg, ext Extend, times bool) {
	if ext != UXTW && ext != SXTW && ext != UXTX {
		panic("arm64: an index is a word or a double word")
	}
	word := uint32(op)&^unsignedOffset | 0x00200800 | general(index)<<16 | uint32(ext)<<13 | stack(base)<<5 | general(rt)
	if times {
		word |= 1 << 12
	}
	a.word(word)
}

// FitsPair tells whether Ldp and Stp can have that offset: a multiple of the width's bytes, -64 to 63 times those.
func FitsPair(w Width, off int64) bool {
	size := int64(w.bits() / 8)
	return off >= -64*size && off < 64*size && off%size == 0
}

// Ldp appends loads of two different registers of a width from base + off and behind it, if FitsPair. base can be SP but
// not ZR.
func (a *Asm) Ldp(w Width, r1, r2, base Reg, off int64) {
	if r1 == r2 {
		panic("arm64: a pair is loaded into two registers")
	}
	a.pair(0x29400000, w, r1, r2, base, off)
}

// Stp appends stores of two registers of a width to base + off and behind it, if FitsPair. base can be SP but not ZR.
func (a *Asm) Stp(w Width, r1, r2, base Reg, off int64) { a.pair(0x29000000, w, r1, r2, base, off) }

func (a *Asm) pair(word uint32, w Width, r1, r2, base Reg, off int64) {
	if !FitsPair(w, off) {
		panic("arm64: the offset does not fit into the instruction")
	}
	imm := uint32(off/int64(w.bits()/8)) & 0x7f
	a.word(word | uint32(w) | imm<<15 | general(r2)<<10 | stack(base)<<5 | general(r1))
}
