package isatest

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

// A Reference executes instructions by the definition of ir: it evaluates the meanings of the rows.
type Reference struct {
	ISA     *isa.ISA
	Machine *machine.Machine
	// Symbolic evaluates meanings whose fields are variables, instead of the ones made for each instruction.
	Symbolic bool
	// Written are the addresses of the stores of the last step.
	Written []uint64

	symbolic map[int]*ir.Func
	concrete map[uint32]*ir.Func
}

// NewReference makes a reference evaluator with an empty machine.
func NewReference(i *isa.ISA) *Reference {
	m := machine.New(i.Thread)
	m.Narrow = i.Bits == 32
	return &Reference{ISA: i, Machine: m, symbolic: map[int]*ir.Func{}, concrete: map[uint32]*ir.Func{}}
}

// Fetch reads the instruction at pc, a 16-bit one without touching what follows it.
func (r *Reference) Fetch() uint32 {
	pc, big := r.Machine.Cells[ir.PC], r.ISA.Big
	if r.ISA.Align == 4 {
		return uint32(r.Machine.Load(pc, 4, big))
	}
	w := uint32(r.Machine.Load(pc, 2, big))
	if r.ISA.Size(w) == 4 {
		w |= uint32(r.Machine.Load(r.Machine.Wrap(pc+2), 2, big)) << 16
	}
	return w
}

// Step executes the instruction at pc. A trap means that nothing was done.
func (r *Reference) Step() (trap ir.TrapKind, trapped bool) {
	r.Written = r.Written[:0]
	if r.Machine.Cells[ir.PC]%r.ISA.Align != 0 {
		return ir.Fault, true
	}
	w := r.Fetch()
	row, ok := r.ISA.Decode(w)
	if !ok {
		return ir.Unknown, true
	}
	if r.Symbolic {
		f := r.symbolic[row]
		if f == nil {
			f = r.ISA.Symbolic(row)
			r.symbolic[row] = f
		}
		return ir.Eval(f, FieldsOf(&r.ISA.Patterns()[row], w), r)
	}
	f := r.concrete[w]
	if f == nil {
		f = r.ISA.Concrete(row, w)
		r.concrete[w] = f
	}
	return ir.Eval(f, nil, r)
}

// Reg and the other methods are ir.State.
func (r *Reference) Reg(i uint64) uint64 {
	if i > 31 {
		panic(fmt.Sprintf("isatest: a meaning reads register %d", i))
	}
	return r.Machine.Cells[i]
}

// SetReg drops a write to register 0, which reads as zero in every instruction set that we know of.
func (r *Reference) SetReg(i, v uint64) {
	if i > 31 {
		panic(fmt.Sprintf("isatest: a meaning writes register %d", i))
	}
	if i != 0 {
		r.Machine.Cells[i] = v
	}
}

func (r *Reference) Get(c ir.Cell) uint64    { return r.Machine.Cells[c] }
func (r *Reference) Set(c ir.Cell, v uint64) { r.Machine.Cells[c] = v }

func (r *Reference) Load(addr uint64, size uint8, big bool) uint64 {
	return r.Machine.Load(addr, size, big)
}

func (r *Reference) Store(addr uint64, size uint8, big bool, v uint64) {
	r.Written = append(r.Written, addr, addr+uint64(size)-1)
	r.Machine.Store(addr, size, big, v)
}

// Primitive and Query panic: an instruction is no kernel.
func (r *Reference) Primitive(k ir.StmtKind, _, _, _ uint64) {
	panic(fmt.Sprintf("isatest: statement %d is a kernel's, and stands in the meaning of an instruction", k))
}

func (r *Reference) Query(op ir.Op, _ uint64) uint64 {
	panic(fmt.Sprintf("isatest: %v is a kernel's, and stands in the meaning of an instruction", op))
}
