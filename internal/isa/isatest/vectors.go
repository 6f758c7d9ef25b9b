package isatest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// A Case is one instruction under test, or a few around it, with the registers and the memory that it starts from.
type Case struct {
	Row  int // the row under test
	Regs [32]uint64
	Lo   uint64
	Hi   uint64
	Mem  [MemSize]byte
	Code []uint32
}

// A record is a case in the program's data: 34 registers of 8 bytes each (32 bits stand in the first four bytes),
// then memory. In place of register 0, which has nothing to tell, is the harness's own marker of control flow. A
// program loads a record into the registers, executes the case, and stores all over the same record.
const (
	// MemSize is the number of bytes of memory that a case has for itself.
	MemSize    = 64
	loSlot     = 32
	hiSlot     = 33
	slots      = 34
	memOffset  = 8 * slots
	recordSize = memOffset + MemSize
)

const (
	textBase = 0x0040_0000
	dataBase = 0x0100_0000
)

// A family is what the programs need to know about a family of instruction sets.
type family interface {
	// harness are the registers that cases leave alone: the record's address, and the marker, which holds the
	// address of the case's code when that begins.
	harness() (record, marker int)
	// routines writes what loads a record and what stores one; begin, enter, leave and finish write the rest: the
	// start of the program, what stands before and behind each case's code, and the end, which writes all records to
	// descriptor 1 and exits.
	routines(p *Program)
	begin(p *Program)
	enter(p *Program)
	leave(p *Program)
	finish(p *Program, size uint64)
	// flags are e_flags of the ELF header, and number its e_machine.
	flags(i *isa.ISA) uint32
	number() uint16
	// generate adds the cases of row r, and gives false if it leaves that out on purpose.
	generate(p *Program, r int) bool
}

func familyOf(i *isa.ISA) family {
	switch {
	case strings.HasPrefix(i.Name, "mips"):
		return &mipsFamily{}
	case strings.HasPrefix(i.Name, "riscv"):
		return &riscvFamily{}
	}
	return nil
}

// A Program is an ELF executable that executes cases and writes all records to its standard output.
type Program struct {
	ISA   *isa.ISA
	Cases []Case

	family family
	text   []byte
	entry  uint64
	codes  []uint64 // addresses of the cases' code
	ends   []uint64 // and of what stands behind it
}

// NewProgram makes a program of the cases of some rows. ok is false if there is no way yet to write programs for
// the instruction set. Rows of which no case can be made are left out.
func NewProgram(i *isa.ISA, rows []int) (p *Program, left []int, ok bool) {
	f := familyOf(i)
	if f == nil {
		return nil, nil, false
	}
	p = &Program{ISA: i, family: f}
	f.routines(p)
	p.entry = p.pc()
	f.begin(p)
	for _, r := range rows {
		if !f.generate(p, r) {
			left = append(left, r)
		}
	}
	f.finish(p, uint64(len(p.Cases))*recordSize)
	return p, left, true
}

// pc is the address of what is written next.
func (p *Program) pc() uint64 { return textBase + uint64(len(p.text)) }

// codeAddress is where the code of the next case will be, and memAddress its memory.
func (p *Program) codeAddress() uint64 {
	q := *p
	q.text = slices.Clone(p.text[len(p.text):])
	p.family.enter(&q)
	return p.pc() + uint64(len(q.text))
}

func (p *Program) memAddress() uint64 { return dataBase + uint64(len(p.Cases))*recordSize + memOffset }

// word writes an instruction.
func (p *Program) word(w uint32) {
	switch {
	case p.ISA.Size(w) == 2:
		p.text = binary.LittleEndian.AppendUint16(p.text, uint16(w))
	case p.ISA.Big:
		p.text = binary.BigEndian.AppendUint32(p.text, w)
	default:
		p.text = binary.LittleEndian.AppendUint32(p.text, w)
	}
}

func (p *Program) op(name string, fields Fields) { p.word(p.encode(name, fields)) }

func (p *Program) encode(name string, fields Fields) uint32 {
	return Encode(p.ISA, Row(p.ISA, name), fields)
}

// Add writes a case.
func (p *Program) Add(c Case) {
	p.family.enter(p)
	p.codes = append(p.codes, p.pc())
	for _, w := range c.Code {
		p.word(w)
	}
	p.ends = append(p.ends, p.pc())
	p.family.leave(p)
	p.Cases = append(p.Cases, c)
}

func (p *Program) order() interface {
	binary.ByteOrder
	binary.AppendByteOrder
} {
	if p.ISA.Big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// appendRecord writes a record with the given marker.
func (p *Program) appendRecord(b []byte, marker uint64, regs *[32]uint64, lo, hi uint64, mem []byte) []byte {
	record, flow := p.family.harness()
	for slot := range slots {
		v := marker
		switch {
		case slot == loSlot:
			v = lo
		case slot == hiSlot:
			v = hi
		case slot == record || slot == flow:
			v = 0
		case slot > 0:
			v = regs[slot]
		}
		if p.ISA.Bits == 32 {
			b = append(p.order().AppendUint32(b, uint32(v)), 0, 0, 0, 0)
		} else {
			b = p.order().AppendUint64(b, v)
		}
	}
	return append(b, mem...)
}

func (p *Program) data() []byte {
	var b []byte
	for n := range p.Cases {
		c := &p.Cases[n]
		b = p.appendRecord(b, 0, &c.Regs, c.Lo, c.Hi, c.Mem[:])
	}
	return b
}

// ELF gives the executable.
func (p *Program) ELF() []byte {
	const page = 0x1000
	order := p.order()
	data := p.data()
	class, order8 := byte(2), byte(1)
	header, entry := 64, 56
	word := order.AppendUint64
	if p.ISA.Bits == 32 {
		class, header, entry = 1, 52, 32
		word = func(b []byte, v uint64) []byte { return order.AppendUint32(b, uint32(v)) }
	}
	if p.ISA.Big {
		order8 = 2
	}
	textAt := uint64(page)
	dataAt := (textAt + uint64(len(p.text)) + page - 1) &^ (page - 1)
	b := append([]byte("\x7fELF"), class, order8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = order.AppendUint16(b, 2) // ET_EXEC
	b = order.AppendUint16(b, p.family.number())
	b = order.AppendUint32(b, 1)
	b = word(b, p.entry)
	b = word(b, uint64(header)) // program headers follow
	b = word(b, 0)
	b = order.AppendUint32(b, p.family.flags(p.ISA))
	for _, v := range []int{header, entry, 2, 0, 0, 0} {
		b = order.AppendUint16(b, uint16(v))
	}
	for _, s := range []struct {
		flags            uint32
		at, addr, length uint64
	}{{5, textAt, textBase, uint64(len(p.text))}, {6, dataAt, dataBase, uint64(len(data))}} {
		b = order.AppendUint32(b, 1) // PT_LOAD
		if p.ISA.Bits == 64 {
			b = order.AppendUint32(b, s.flags)
		}
		for _, v := range []uint64{s.at, s.addr, s.addr, s.length, s.length} {
			b = word(b, v)
		}
		if p.ISA.Bits == 32 {
			b = order.AppendUint32(b, s.flags)
		}
		b = word(b, page)
	}
	b = append(b, make([]byte, textAt-uint64(len(b)))...)
	b = append(b, p.text...)
	b = append(b, make([]byte, dataAt-uint64(len(b)))...)
	return append(b, data...)
}

// maxSteps bounds what a case may execute: a branch to the wrong place shall not run away.
const maxSteps = 50

// Reference gives what the program is to write to its standard output, by the definition of ir. symbolic
// chooses between the two ways to build a meaning.
func (p *Program) Reference(symbolic bool) ([]byte, error) {
	r := NewReference(p.ISA)
	r.Symbolic = symbolic
	m := r.Machine
	m.Mem.Write(textBase, p.text)
	m.Mem.Write(dataBase, p.data())
	record, marker := p.family.harness()
	var out []byte
	for n := range p.Cases {
		c := &p.Cases[n]
		clear(m.Cells[:])
		copy(m.Cells[:], c.Regs[:])
		m.Cells[0], m.Cells[ir.Lo], m.Cells[ir.Hi] = 0, c.Lo, c.Hi
		m.Cells[record], m.Cells[marker] = dataBase+uint64(n)*recordSize, p.codes[n]
		m.Cells[ir.PC], m.Cells[ir.NextPC] = p.codes[n], p.codes[n]+4
		for steps := 0; m.Cells[ir.PC] != p.ends[n]; steps++ {
			if trap, trapped := r.Step(); trapped {
				return nil, fmt.Errorf("a %v at %#x in %s", trap, m.Cells[ir.PC], p.Describe(n))
			}
			if steps == maxSteps {
				return nil, fmt.Errorf("%s does not end; pc is %#x", p.Describe(n), m.Cells[ir.PC])
			}
		}
		regs := [32]uint64(m.Cells[:32])
		var mem [MemSize]byte
		m.Peek(dataBase+uint64(n)*recordSize+memOffset, mem[:])
		out = p.appendRecord(out, m.Cells[marker], &regs, m.Cells[ir.Lo], m.Cells[ir.Hi], mem[:])
	}
	return out, nil
}

// Describe tells what case n executes.
func (p *Program) Describe(n int) string {
	var list []string
	for k, pc := 0, p.codes[n]; k < len(p.Cases[n].Code); k++ {
		text, size, _ := p.ISA.Disassemble(p.Cases[n].Code[k], pc)
		list = append(list, fmt.Sprintf("%x: %s", pc, text))
		pc += size
	}
	return strings.Join(list, "; ")
}

// Differences compares what a program wrote with what is wanted, and describes up to limit cases that differ.
func (p *Program) Differences(got, want []byte, limit int) []string {
	if len(got) != len(want) {
		return []string{fmt.Sprintf("%d bytes were written, not %d", len(got), len(want))}
	}
	var list []string
	data := p.data()
	for n := range p.Cases {
		from, to := n*recordSize, (n+1)*recordSize
		g, w, before := got[from:to], want[from:to], data[from:to]
		if slices.Equal(g, w) || len(list) >= limit {
			continue
		}
		var parts []string
		for slot := range slots {
			if at := 8 * slot; !slices.Equal(g[at:at+8], w[at:at+8]) {
				parts = append(parts, fmt.Sprintf("%s was %x, is %x, not %x", p.slotName(slot), before[at:at+8], g[at:at+8], w[at:at+8]))
			}
		}
		if !slices.Equal(g[memOffset:], w[memOffset:]) {
			parts = append(parts, fmt.Sprintf("memory was %x, is %x, not %x", before[memOffset:], g[memOffset:], w[memOffset:]))
		}
		list = append(list, fmt.Sprintf("%s (%s): %s", p.ISA.Rows[p.Cases[n].Row].Name, p.Describe(n), strings.Join(parts, "; ")))
	}
	return list
}

func (p *Program) slotName(slot int) string {
	switch slot {
	case 0:
		return "the marker"
	case loSlot:
		return "lo"
	case hiSlot:
		return "hi"
	}
	return p.ISA.Regs[slot]
}

// CasesOf counts the cases of each row.
func (p *Program) CasesOf() map[int]int {
	m := map[int]int{}
	for n := range p.Cases {
		m[p.Cases[n].Row]++
	}
	return m
}
