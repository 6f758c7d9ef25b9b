package interp

import (
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

// A profile says how the rows of an instruction set with a base (isa.ISA.Base) are carried out: by the code that was
// emitted for the base, as far as it has them. There are a dozen others, which no compiler makes; their meaning is
// evaluated.
type profile struct{ rows []profileRow }

type profileRow struct {
	base int      // row number in the base, or noRow
	mean *ir.Func // if there is none
	slow bool     // the loop leaves it to Step
}

const noRow = -1

func profileOf(i *isa.ISA) *profile {
	p := &profile{make([]profileRow, len(i.Rows))}
	for n, row := range i.Rows {
		r := profileRow{base: slices.IndexFunc(i.Base.Rows, func(b isa.Row) bool { return b.Name == row.Name })}
		if r.base == noRow {
			r.mean = i.Symbolic(n)
		}
		r.slow = r.base == noRow || slices.Contains(i.Watched, row.Name) || i.ReadsClock(n)
		p.rows[n] = r
	}
	return p
}

// emitted gives the row of the base that a row is carried out by.
func (p *profile) emitted(row int) (base int, ok bool) {
	base = p.rows[row].base
	return base, base != noRow
}

// stepOwn is Step for an instruction that was fetched.
func (e *Engine) stepOwn(pc uint64, w uint32) (trap ir.TrapKind, trapped bool) {
	row, ok := e.isa.Decode(w)
	if !ok {
		return ir.Unknown, true
	}
	r := &e.own.rows[row]
	if r.base != noRow {
		in := e.loop.prepare(r.base, w, pc)
		return e.loop.step(e.m, &in)
	}
	fields := map[string]uint64{}
	for _, f := range e.isa.Patterns()[row].Fields {
		fields[f.Name] = f.Value(w)
	}
	return ir.Eval(r.mean, fields, evaluated{e.m})
}

// evaluated is a machine as ir.Eval wants it.
type evaluated struct{ *machine.Machine }

// Reg implements ir.State.
func (s evaluated) Reg(i uint64) uint64 { return s.Cells[i] }

// SetReg implements ir.State. Register 0 reads as zero.
func (s evaluated) SetReg(i, v uint64) { s.Cells[dest(uint8(i))] = v }

// Primitive implements ir.State; it is for kernels.
func (s evaluated) Primitive(ir.StmtKind, uint64, uint64, uint64) {
	panic("interp: a statement of a kernel stands in the meaning of an instruction")
}

// Query implements ir.State; it is for kernels.
func (s evaluated) Query(ir.Op, uint64) uint64 {
	panic("interp: a question of a kernel stands in the meaning of an instruction")
}
