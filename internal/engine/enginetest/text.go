package enginetest

import (
	"encoding/binary"

	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
)

// A label is a place in a program's code: an index into text.labels.
type label int

const nowhere label = -1

// An insn is an instruction of a program. Words that are no instruction are there too; they have no row.
type insn struct {
	row    int // or noRow
	word   uint32
	size   uint64
	fields isatest.Fields
	target label  // where it jumps to; nowhere if it does not, or if its fields say it already
	place  string // the field that gets the target
	offset uint64 // of its first byte in the code
}

const noRow = -1

// A text is the code of a program while it is being written, with the table of constants beside it. The instructions'
// sizes are final when they are written.
type text struct {
	isa    *isa.ISA
	base   uint64 // address of the code
	insns  []insn
	end    uint64   // length of the code so far, in bytes
	labels []uint64 // offsets; unbound until the label is bound
	table  []constant
}

const unbound = ^uint64(0)

// A constant is a word of the table: a number, or a place in the code.
type constant struct {
	value uint64 // added to the label's address
	label label
}

func (t *text) newLabel() label {
	t.labels = append(t.labels, unbound)
	return label(len(t.labels) - 1)
}

// bind makes a label mean what is written next.
func (t *text) bind(l label) { t.labels[l] = t.end }

// here is a new label of what is written next.
func (t *text) here() label {
	l := t.newLabel()
	t.bind(l)
	return l
}

// address is that of a bound label.
func (t *text) address(l label) uint64 { return t.wrap(t.base + t.labels[l]) }

func (t *text) wrap(addr uint64) uint64 {
	if t.isa.Bits == 32 {
		return uint64(uint32(addr))
	}
	return addr
}

func (t *text) write(in insn) {
	in.offset = t.end
	t.end += in.size
	t.insns = append(t.insns, in)
}

// word writes bits that need not be an instruction.
func (t *text) word(w uint32) {
	row, ok := t.isa.Decode(w)
	if !ok {
		row = noRow
	}
	t.write(insn{row: row, word: w, size: t.isa.Size(w), target: nowhere})
}

// op writes an instruction by the name of its row.
func (t *text) op(name string, fields isatest.Fields) {
	r := isatest.Row(t.isa, name)
	t.write(insn{
		row: r, word: isatest.Encode(t.isa, r, fields), size: t.isa.Patterns()[r].Size, fields: fields, target: nowhere,
	})
}

// to writes an instruction that jumps to a label.
func (t *text) to(r int, fields isatest.Fields, target label) {
	p := &t.isa.Patterns()[r]
	place := "imm"
	if _, ok := p.Field("target"); ok {
		place = "target"
	}
	t.write(insn{row: r, size: p.Size, fields: fields, target: target, place: place})
}

// near tells whether a label is so close that any branch reaches it.
func (t *text) near(l label) bool { return t.labels[l] != unbound && t.end-t.labels[l] < 200 }

// tableMiddle is the offset in the table of what the register for it points to; before and behind it are as many
// bytes as an immediate of 12 bits reaches.
const tableMiddle = 2048

// put makes constants and gives the offset of the first one from the middle of the table.
func (t *text) put(list ...constant) uint64 {
	if t.room() < len(list) {
		panic("enginetest: the table of constants is full")
	}
	t.table = append(t.table, list...)
	return uint64(len(t.table)-len(list))*t.wordSize() - tableMiddle
}

// room is how many constants there is room for.
func (t *text) room() int { return 2*tableMiddle/int(t.wordSize()) - len(t.table) }

func (t *text) wordSize() uint64 { return uint64(t.isa.Bits / 8) }

// resolve encodes the jumps. One that cannot reach its target goes on behind itself, or behind its delay slot.
func (t *text) resolve() {
	for n := range t.insns {
		in := &t.insns[n]
		if in.target == nowhere {
			continue
		}
		f, ok := t.isa.Patterns()[in.row].Field(in.place)
		if !ok {
			panic("enginetest: " + t.isa.Rows[in.row].Name + " has no target")
		}
		fields := isatest.Fields{}
		for name, v := range in.fields {
			fields[name] = v
		}
		pc := t.base + in.offset
		next := in.size
		if delaySlots(t.isa) {
			next = 8
		}
		fields[in.place] = t.relation(in, pc, t.address(in.target))
		if !holds(f, fields[in.place]) || in.place == "target" && (pc+4)>>28 != t.address(in.target)>>28 {
			fields[in.place] = t.relation(in, pc, pc+next)
		}
		in.fields = fields
		in.word = isatest.Encode(t.isa, in.row, fields)
	}
}

// relation is what stands in an instruction at pc that jumps to target.
func (t *text) relation(in *insn, pc, target uint64) uint64 {
	switch {
	case in.place == "target":
		return target & 0x0fff_ffff
	case delaySlots(t.isa):
		pc += 4
	}
	if t.isa.Bits == 32 {
		return uint64(int32(target - pc))
	}
	return target - pc
}

// bytes gives the code.
func (t *text) bytes() []byte {
	var b []byte
	for n := range t.insns {
		switch in := &t.insns[n]; {
		case in.size == 2:
			b = binary.LittleEndian.AppendUint16(b, uint16(in.word))
		case t.isa.Big:
			b = binary.BigEndian.AppendUint32(b, in.word)
		default:
			b = binary.LittleEndian.AppendUint32(b, in.word)
		}
	}
	return b
}

// tableBytes gives the table of constants.
func (t *text) tableBytes() []byte {
	var b []byte
	for _, c := range t.table {
		v := c.value
		if c.label != nowhere {
			v += t.address(c.label)
		}
		b = t.appendWord(b, v)
	}
	return b
}

// appendWord appends a number of a register's width as the guest has it in memory.
func (t *text) appendWord(b []byte, v uint64) []byte {
	switch {
	case t.isa.Bits == 32 && t.isa.Big:
		return binary.BigEndian.AppendUint32(b, uint32(v))
	case t.isa.Bits == 32:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	case t.isa.Big:
		return binary.BigEndian.AppendUint64(b, v)
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

// nop is an instruction of the given size that does nothing.
func nop(i *isa.ISA, size uint64) uint32 {
	switch {
	case delaySlots(i):
		return isatest.Encode(i, isatest.Row(i, "sll"), nil)
	case size == 2:
		return isatest.Encode(i, isatest.Row(i, "c.nop"), nil)
	}
	return isatest.Encode(i, isatest.Row(i, "addi"), nil)
}
