package arm64

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A Label is a place in the code of one Asm.
type Label int32

const unbound = -1

// NewLabel makes a label, which is bound to its place later.
func (a *Asm) NewLabel() Label {
	a.labels = append(a.labels, unbound)
	return Label(len(a.labels) - 1)
}

// Bind makes the label the place of what is appended next.
func (a *Asm) Bind(l Label) {
	if a.labels[l] != unbound {
		panic("arm64: a label is bound twice")
	}
	a.labels[l] = len(a.code)
}

// Offset is the label's distance in bytes from the beginning of the code. It is final after Finish.
func (a *Asm) Offset(l Label) int {
	if a.labels[l] == unbound {
		panic("arm64: a label is used that is never bound")
	}
	return a.labels[l]
}

// A fixup is an instruction that needs the distance to a label. Fixups stand in the order of the code.
type fixup struct {
	at    int
	label Label
	field field
}

// field is the place of a distance in an instruction.
type field uint8

const (
	imm26 field = iota // B, BL: words, at bit 0
	imm19              // B.cond, CBZ, CBNZ: words, at bit 5
	imm14              // TBZ, TBNZ: words, at bit 5
	adr21              // ADR: bytes, the two lowest at bit 29, the others at bit 5
)

// reaches tells whether the field can hold a distance in bytes.
func (f field) reaches(distance int) bool {
	limit := [...]int{imm26: 1 << 27, imm19: 1 << 20, imm14: 1 << 15, adr21: 1 << 20}[f]
	return -limit <= distance && distance < limit
}

func (f field) put(distance int) uint32 {
	d := uint32(distance)
	switch f {
	case imm26:
		return d >> 2 & (1<<26 - 1)
	case imm19:
		return d >> 2 & (1<<19 - 1) << 5
	case imm14:
		return d >> 2 & (1<<14 - 1) << 5
	}
	return d&3<<29 | d>>2&(1<<19-1)<<5
}

func (a *Asm) toLabel(word uint32, f field, l Label) {
	a.fixups = append(a.fixups, fixup{len(a.code), l, f})
	a.word(word)
}

const (
	b  = 0x14000000
	bl = 0x94000000
)

// B jumps to a label.
func (a *Asm) B(l Label) { a.toLabel(b, imm26, l) }

// BL calls a label: x30 is the address of the next instruction.
func (a *Asm) BL(l Label) { a.toLabel(bl, imm26, l) }

// BCond jumps to a label if the condition holds.
func (a *Asm) BCond(c Cond, l Label) {
	if c >= AL {
		panic("arm64: a conditional jump needs a condition")
	}
	a.toLabel(0x54000000|uint32(c), imm19, l)
}

// Cbz jumps to a label if the register is zero.
func (a *Asm) Cbz(w Width, r Reg, l Label) { a.toLabel(0x34000000|uint32(w)|general(r), imm19, l) }

// Cbnz jumps to a label if the register is not zero.
func (a *Asm) Cbnz(w Width, r Reg, l Label) { a.toLabel(0x35000000|uint32(w)|general(r), imm19, l) }

// Tbz jumps to a label if that bit, 0 to 63, of the register is zero.
func (a *Asm) Tbz(r Reg, bit uint, l Label) { a.testBit(0x36000000, r, bit, l) }

// Tbnz jumps to a label if that bit, 0 to 63, of the register is one.
func (a *Asm) Tbnz(r Reg, bit uint, l Label) { a.testBit(0x37000000, r, bit, l) }

func (a *Asm) testBit(word uint32, r Reg, bit uint, l Label) {
	if bit > 63 {
		panic("arm64: a register has 64 bits")
	}
	a.toLabel(word|uint32(bit>>5)<<31|uint32(bit&31)<<19|general(r), imm14, l)
}

// Adr appends rd := the address of a label, which has to be nearer than 1 MiB.
func (a *Asm) Adr(rd Reg, l Label) { a.toLabel(0x10000000|general(rd), adr21, l) }

// Br jumps to the address in a register.
func (a *Asm) Br(r Reg) { a.word(0xd61f0000 | general(r)<<5) }

// Blr calls the address in a register: x30 is the address of the next instruction.
func (a *Asm) Blr(r Reg) { a.word(0xd63f0000 | general(r)<<5) }

// Ret jumps to the address in x30. Processors expect it to be that behind the latest call.
func (a *Asm) Ret() { a.word(0xd65f0000 | uint32(X30)<<5) }

// An absolute is a place that depends on the address of the code.
type absolute struct {
	at     int
	target uint64
	label  bool // target is a Label, and at are 8 bytes of data; else target is an address, and at is a B or BL
}

// BTo jumps to an address outside of the code.
func (a *Asm) BTo(addr uint64) { a.toAddress(b, addr) }

// BLTo calls an address outside of the code.
func (a *Asm) BLTo(addr uint64) { a.toAddress(bl, addr) }

func (a *Asm) toAddress(word uint32, addr uint64) {
	a.absolutes = append(a.absolutes, absolute{at: len(a.code), target: addr})
	a.word(word)
}

// Address appends the address of a label as 8 bytes of data.
func (a *Asm) Address(l Label) {
	a.absolutes = append(a.absolutes, absolute{at: len(a.code), target: uint64(l), label: true})
	a.code = append(a.code, make([]byte, 8)...)
}

// Finish gives all instructions the distances of their labels, once. A conditional branch that does not reach its label (1
// MiB, or 32 KiB for Tbz and Tbnz) is turned round and jumps over a B to the label. It is an error if the code is larger
// than B (128 MiB) or Adr can reach.
func (a *Asm) Finish() error {
	// What is inserted for one branch can take others out of reach.
	for a.stretch() {
		continue
	}
	for _, f := range a.fixups {
		distance := a.Offset(f.label) - f.at
		if !f.field.reaches(distance) {
			return fmt.Errorf("arm64: the instruction at offset %d does not reach its label, %d bytes away", f.at, distance)
		}
		a.or(f.at, f.field.put(distance))
	}
	a.fixups = a.fixups[:0]
	return nil
}

// or sets bits of an instruction.
func (a *Asm) or(at int, set uint32) {
	place := a.code[at:]
	binary.LittleEndian.PutUint32(place, binary.LittleEndian.Uint32(place)|set)
}

// stretch turns round the conditional branches that do not reach their labels, and tells whether there were any.
func (a *Asm) stretch() bool {
	room := a.outOfReach()
	if len(room) == 0 {
		return false
	}
	code := make([]byte, 0, len(a.code)+4*len(room))
	from := 0
	for _, at := range room {
		code = append(code, a.code[from:at]...)
		branch := code[len(code)-4:]
		binary.LittleEndian.PutUint32(branch, opposite(binary.LittleEndian.Uint32(branch))|imm19.put(8))
		code = binary.LittleEndian.AppendUint32(code, b)
		from = at
	}
	a.code = append(code, a.code[from:]...)
	moved := func(at int) int {
		before, _ := slices.BinarySearch(room, at+1)
		return at + 4*before
	}
	for l, at := range a.labels {
		a.labels[l] = moved(at)
	}
	for i := range a.absolutes {
		a.absolutes[i].at = moved(a.absolutes[i].at)
	}
	for i := range a.fixups {
		f := &a.fixups[i]
		_, turned := slices.BinarySearch(room, f.at+4)
		f.at = moved(f.at)
		if turned {
			f.at += 4
			f.field = imm26
		}
	}
	return true
}

// outOfReach gives the offsets behind the conditional branches that do not reach their labels, ascending.
func (a *Asm) outOfReach() []int {
	var behind []int
	for _, f := range a.fixups {
		if (f.field == imm19 || f.field == imm14) && !f.field.reaches(a.Offset(f.label)-f.at) {
			behind = append(behind, f.at+4)
		}
	}
	return behind
}

// opposite gives the conditional branch that jumps when this one does not: of B.cond the condition's lowest bit tells, of
// the others bit 24.
func opposite(word uint32) uint32 {
	if word>>24 == 0x54 {
		return word ^ 1
	}
	return word ^ 1<<24
}

// Relocate makes the code fit for an address, a multiple of 4, after Finish. It can be called again for another one. It is an
// error if BTo or BLTo cannot reach theirs (128 MiB) from there.
func (a *Asm) Relocate(address uint64) error {
	for _, r := range a.absolutes {
		place := a.code[r.at:]
		if r.label {
			binary.LittleEndian.PutUint64(place, address+uint64(a.Offset(Label(r.target))))
			continue
		}
		from := address + uint64(r.at)
		jump, ok := Jump(from, r.target)
		if !ok {
			return fmt.Errorf("arm64: a jump from address %#x to %#x is too far", from, r.target)
		}
		binary.LittleEndian.PutUint32(place, jump|binary.LittleEndian.Uint32(place)&(b^bl))
	}
	return nil
}

// Jump gives the instruction at one address that jumps to another, if it reaches: what finished code is patched with.
func Jump(from, to uint64) (word uint32, ok bool) {
	distance := int64(to - from)
	if distance&3 != 0 || distance != int64(int32(distance)) || !imm26.reaches(int(distance)) {
		return 0, false
	}
	return b | imm26.put(int(distance)), true
}
