package amd64

import (
	"encoding/binary"
	"fmt"
)

// A Label is a place in the code, which may be known later than it is used.
type Label int32

// A label knows its offset once it is bound. Before that, uses is the offset of the last field of 4 bytes that needs it; the field holds the offset of
// the use before, and so on. None is noOffset.
type label struct{ offset, uses int32 }

const noOffset = -1

// A reloc is a field of 4 bytes at offset that holds the distance from its end to target.
type reloc struct {
	offset int32
	target uint64
}

// NewLabel makes a label that is not bound.
func (a *Assembler) NewLabel() Label {
	a.labels = append(a.labels, label{noOffset, noOffset})
	return Label(len(a.labels) - 1)
}

// Bind gives l the offset of the next instruction. A label is bound once.
func (a *Assembler) Bind(l Label) {
	p := &a.labels[l]
	if p.offset != noOffset {
		panic("amd64: a label is bound twice")
	}
	p.offset = int32(len(a.Buf))
	for at := p.uses; at != noOffset; {
		field := a.Buf[at : at+4]
		before := int32(binary.LittleEndian.Uint32(field))
		binary.LittleEndian.PutUint32(field, uint32(p.offset-at-4))
		at = before
	}
	p.uses = noOffset
}

// Offset gives the offset of l and whether l is bound.
func (a *Assembler) Offset(l Label) (int, bool) {
	offset := a.labels[l].offset
	return int(offset), offset != noOffset
}

// Jmp jumps to l.
func (a *Assembler) Jmp(l Label) {
	if d, ok := a.near(l); ok {
		a.put(0xeb|uint64(d)<<8, 2)
		return
	}
	a.put(0xe9, 1)
	a.distance(l)
}

// Jcc jumps to l if c holds.
func (a *Assembler) Jcc(c Cond, l Label) {
	if d, ok := a.near(l); ok {
		a.put(0x70|uint64(c)|uint64(d)<<8, 2)
		return
	}
	a.put(0x800f|uint64(c)<<8, 2)
	a.distance(l)
}

// LeaLabel sets dst to the address of l.
func (a *Assembler) LeaLabel(dst Reg, l Label) {
	if dst > R15 {
		panic("amd64: an operand is no register")
	}
	a.put(0x48|uint64(dst>>3)<<2|0x8d<<8|(5|uint64(dst&7)<<3)<<16, 3)
	a.distance(l)
}

// near gives the distance from the end of a jump of 2 bytes to l, if l is bound and the distance has 8 bits.
func (a *Assembler) near(l Label) (uint8, bool) {
	offset := a.labels[l].offset
	d := offset - int32(len(a.Buf)) - 2
	return uint8(d), offset != noOffset && d == int32(int8(d))
}

// distance appends the field of 4 bytes that holds the distance from its end to l.
func (a *Assembler) distance(l Label) {
	p, at := &a.labels[l], int32(len(a.Buf))
	if p.offset != noOffset {
		a.imm32(p.offset - at - 4)
		return
	}
	a.imm32(p.uses)
	p.uses = at
}

// JmpAbs jumps to the address target, which [Assembler.Link] puts in.
func (a *Assembler) JmpAbs(target uint64) {
	a.put(0xe9, 1)
	a.relocate(target)
}

// JccAbs jumps to the address target if c holds.
func (a *Assembler) JccAbs(c Cond, target uint64) {
	a.put(0x800f|uint64(c)<<8, 2)
	a.relocate(target)
}

func (a *Assembler) relocate(target uint64) {
	a.relocs = append(a.relocs, reloc{int32(len(a.Buf)), target})
	a.imm32(0)
}

// Link makes the code fit for the address base, that of its first byte. It may be done again for another address.
// It fails if an absolute target is farther than 2 GiB from its jump. All labels in use must be bound.
func (a *Assembler) Link(base uint64) error {
	for i := range a.labels {
		if a.labels[i].uses != noOffset {
			panic(fmt.Sprintf("amd64: label %d is used and not bound", i))
		}
	}
	for _, r := range a.relocs {
		d := int64(r.target - base - uint64(r.offset) - 4)
		if d != int64(int32(d)) {
			return fmt.Errorf("link code at %#x: target %#x is too far from offset %#x", base, r.target, r.offset)
		}
		binary.LittleEndian.PutUint32(a.Buf[r.offset:], uint32(d))
	}
	return nil
}

// JmpR jumps to the address in r.
func (a *Assembler) JmpR(r Reg) { a.rr(op1|0xff, W32, 4, r) }

// JmpM jumps to the address at m.
func (a *Assembler) JmpM(m Mem) { a.rm(op1|0xff, W32, 4, m) }

// Ret returns.
func (a *Assembler) Ret() { a.put(0xc3, 1) }

// Int3 stops with a breakpoint.
func (a *Assembler) Int3() { a.put(0xcc, 1) }

// nops has an instruction of each length up to 8 that does nothing, as the manual recommends under NOP.
var nops = [...]uint64{
	1: 0x90,
	2: 0x9066,
	3: 0x001f0f,
	4: 0x00401f0f,
	5: 0x0000441f0f,
	6: 0x0000441f0f66,
	7: 0x801f0f,
	8: 0x841f0f,
}

// Align appends instructions that do nothing until the length is a multiple of n, a power of two.
func (a *Assembler) Align(n int) {
	for pad := -len(a.Buf) & (n - 1); pad > 0; {
		size := min(pad, len(nops)-1)
		a.put(nops[size], size)
		pad -= size
	}
}
