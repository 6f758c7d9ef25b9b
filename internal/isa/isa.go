// Package isa is the form in which an instruction set is written down, and what follows from it:
// decoder, disassembler, documentation. Each instruction is one Row; its meaning is ir. The sets
// themselves are in the folders below.
package isa

import (
	"fmt"
	"sync"

	"github.com/flexemu/flexemu/internal/ir"
)

// A Row is the one definition of an instruction.
type Row struct {
	Name string
	// Bits is the bit picture, as manuals draw it, most significant bit first: literal bits, and fields.
	// A field is a name of five bits (rs), a name with a width (code:20), or a name with the bits of its
	// value that stand there (imm[11:5], imm[4:1|11]). The value of a field whose name begins with imm or
	// nzimm is sign-extended from its highest bit. "rd!=0,2" excludes values, "nz" in front of a name
	// excludes 0, and a quote (rd') means registers 8 to 15. Bits called _ may be anything.
	Bits string
	// Asm is the form of the operands in assembly.
	Asm string
	// Set is the part of the instruction set that the row belongs to.
	Set string
	// Mean builds the meaning. It runs with fields that are constants or variables, and cannot tell.
	Mean func(*ir.Builder, Fields)
}

// Fields are the fields of one instruction. A field that the row's picture lacks is the zero Value, whose
// use panics.
type Fields struct {
	Rs, Rt, Rd, Sa, Pos, Msb   ir.Value // MIPS
	Rs1, Rs2, Shamt, Csr, Aqrl ir.Value // RISC-V, with Rd
	Imm, Uimm, Target, Code    ir.Value
}

func (f *Fields) slot(name string) *ir.Value {
	switch name {
	case "rs":
		return &f.Rs
	case "rt":
		return &f.Rt
	case "rd":
		return &f.Rd
	case "sa":
		return &f.Sa
	case "pos":
		return &f.Pos
	case "msb":
		return &f.Msb
	case "rs1":
		return &f.Rs1
	case "rs2":
		return &f.Rs2
	case "shamt":
		return &f.Shamt
	case "csr":
		return &f.Csr
	case "aqrl":
		return &f.Aqrl
	case "imm":
		return &f.Imm
	case "uimm":
		return &f.Uimm
	case "target":
		return &f.Target
	case "code":
		return &f.Code
	}
	return nil
}

// An ISA is an instruction set for one register width and byte order.
type ISA struct {
	Name  string
	Title string // for people
	Bits  int    // 32 or 64
	Big   bool   // byte order of data, and of instructions on MIPS
	Align uint64 // of pc: 2 or 4 bytes
	Regs  [32]string
	// Thread are the cells of a thread's encoding behind id, exit code and exited.
	Thread []ir.Cell
	Rows   []Row
	// Base, if not nil, is the instruction set of which this one is another decoding, under the same name: a row means
	// what the base's row of that name means. Emitted code is the base's; a row that it lacks has no emitted code.
	Base *ISA
	// Watched are the names of rows that engines have to leave to single steps; only where there is a base.
	Watched []string
	// Advance builds what pc becomes when an instruction of the given size (bytes) has not written it.
	Advance func(b *ir.Builder, size uint64)

	once     sync.Once
	patterns []Pattern
	tree     *Tree
}

// Size is the length in bytes of the instruction whose first 16 or 32 bits are w.
func (i *ISA) Size(w uint32) uint64 {
	if i.Align == 2 && w&3 != 3 {
		return 2
	}
	return 4
}

// Symbolic makes the meaning of row number r with fields that stay variables.
func (i *ISA) Symbolic(r int) *ir.Func {
	b := ir.NewBuilder(i.Big)
	return i.build(b, r, func(f Place) ir.Value { return b.Field(f.Name) })
}

// Jumps tells whether row number r writes pc itself, instead of leaving it to Advance.
func (i *ISA) Jumps(r int) bool {
	b := ir.NewBuilder(i.Big)
	i.mean(b, r, func(f Place) ir.Value { return b.Field(f.Name) })
	return b.Wrote(ir.PC)
}

// ReadsClock tells whether row number r reads the step counter, which is exact in single steps only.
func (i *ISA) ReadsClock(r int) bool {
	found := false
	var walk func([]*ir.Stmt)
	walk = func(list []*ir.Stmt) {
		for _, s := range list {
			if s.Kind == ir.Let && s.A.Op == ir.GetCell && (s.A.Cell == ir.Step || s.A.Cell == ir.Quantum) {
				found = true
			}
			s.Each(walk)
		}
	}
	walk(i.Symbolic(r).Body)
	return found
}

// Concrete makes the meaning of one instruction: row number r in the word w.
func (i *ISA) Concrete(r int, w uint32) *ir.Func {
	b := ir.NewBuilder(i.Big)
	return i.build(b, r, func(f Place) ir.Value { return b.Const(f.Value(w)) })
}

func (i *ISA) build(b *ir.Builder, r int, value func(Place) ir.Value) *ir.Func {
	i.mean(b, r, value)
	if !b.Wrote(ir.PC) {
		i.Advance(b, i.Patterns()[r].Size)
	}
	return b.Func()
}

func (i *ISA) mean(b *ir.Builder, r int, value func(Place) ir.Value) {
	var fields Fields
	for _, f := range i.Patterns()[r].Fields {
		*fields.slot(f.Name) = value(f)
	}
	i.Rows[r].Mean(b, fields)
}

// Patterns are the parsed bit pictures, one per row.
func (i *ISA) Patterns() []Pattern {
	i.prepare()
	return i.patterns
}

func (i *ISA) prepare() {
	i.once.Do(func() {
		rows := make([]int, len(i.Rows))
		for n, row := range i.Rows {
			p, err := Parse(row.Bits)
			if err != nil {
				panic(fmt.Sprintf("isa: %s: row %q: %v", i.Name, row.Name, err))
			}
			i.patterns = append(i.patterns, p)
			rows[n] = n
		}
		i.tree = i.grow(rows, 0)
	})
}
