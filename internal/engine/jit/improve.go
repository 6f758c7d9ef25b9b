package jit

import (
	"github.com/flexemu/flexemu/internal/engine/jit/lir"
)

// An improver looks over the operations of a block, as lowering sees one instruction at a time: what another form of a value
// was made of serves as well where only a part of it is read, what has its sign in the upper half already needs no
// extension, and temporaries that nobody reads are not computed.
type improver struct {
	b      *lir.Block
	narrow bool
	made   []origin // by temporary
	cells  [64]fact
	seen   []bool // temporaries that are read
}

// An origin is what a value was made of.
type origin struct {
	op       lir.Op // lir.Mov: of the same value, or its low 32 bits; lir.And: with a mask; lir.Shl: by mask; lir.Sub: from 0
	w        lir.Width
	of       lir.Operand
	version  int // of the cell that it is
	mask     uint64
	known    bool
	extended bool // the upper half is the sign of the lower one
	times    int  // that it is written, if it is a temporary
}

// A fact is what is known about a cell.
type fact struct {
	version int
	made    origin
}

func (v *improver) improve(b *lir.Block, narrow bool) {
	v.b, v.narrow, v.made, v.seen = b, narrow, v.made[:0], v.seen[:0]
	for range b.Temps {
		v.made, v.seen = append(v.made, origin{}), append(v.seen, false)
	}
	clear(v.cells[:])
	for n := range b.Ins {
		for _, d := range [2]lir.Operand{b.Ins[n].D, b.Ins[n].E} {
			if d.Kind == lir.Temp {
				v.made[d.Temp].times++
			}
		}
	}
	for n := range b.Ins {
		i := &b.Ins[n]
		v.operands(i)
		if i.Op == lir.Sext32 && v.extended(i.A) {
			i.Op, i.W = lir.Mov, lir.W64
		}
		v.note(i)
	}
	v.sweep()
}

// operands replaces those that were made of something that serves as well.
func (v *improver) operands(i *lir.Ins) {
	switch i.Op {
	case lir.Shl, lir.ShrU, lir.ShrS, lir.RotR:
		v.half(&i.A, i.W == lir.W32)
		if m := v.origin(i.B); m != nil && m.op == lir.Sub && i.Op == lir.RotR {
			i.Op, i.B = lir.RotL, m.of
		}
		v.amount(&i.B, i.W)
	case lir.Add:
		v.half(&i.A, i.W == lir.W32)
		v.half(&i.B, i.W == lir.W32)
		v.shifted(i)
	case lir.Sub, lir.And, lir.Or, lir.Xor, lir.Mul:
		v.half(&i.A, i.W == lir.W32)
		v.half(&i.B, i.W == lir.W32)
	case lir.Mov:
		v.half(&i.A, i.W == lir.W32)
	case lir.Sext8, lir.Sext16, lir.Sext32, lir.Zext8, lir.Zext16, lir.Zext32:
		v.half(&i.A, true)
	case lir.SetIf, lir.ExitIf:
		v.half(&i.Test.A, i.Test.W == lir.W32)
		v.half(&i.Test.B, i.Test.W == lir.W32)
	case lir.Store:
		v.half(&i.B, i.Size <= 4)
	}
}

// half replaces an operand by what it is a form of, if that has the same bits where they are read: in the lower half, or everywhere.
func (v *improver) half(o *lir.Operand, half bool) {
	if m := v.origin(*o); m != nil && m.op == lir.Mov && (half || m.w == lir.W64) {
		*o = m.of
	}
}

// shifted makes a shift a part of an addition.
func (v *improver) shifted(i *lir.Ins) {
	if i.A.Kind == lir.Imm || i.B.Kind == lir.Imm {
		return
	}
	shift := func(o lir.Operand) *origin {
		if m := v.origin(o); m != nil && m.op == lir.Shl && (m.w == lir.W64 || i.W == lir.W32) {
			return m
		}
		return nil
	}
	m := shift(i.B)
	if m == nil {
		if m = shift(i.A); m == nil {
			return
		}
		i.A = i.B
	}
	i.B, i.By = m.of, uint8(m.mask)
}

// amount replaces a shift's amount, of which few bits are read.
func (v *improver) amount(o *lir.Operand, w lir.Width) {
	bits := uint64(63)
	if w == lir.W32 {
		bits = 31
	}
	if m := v.origin(*o); m != nil && m.op == lir.And && m.mask&bits == bits {
		*o = m.of
	}
	v.half(o, true)
}

// fact gives what is known about a temporary or a cell.
func (v *improver) fact(o lir.Operand) *origin {
	switch {
	case o.Kind == lir.Temp:
		return &v.made[o.Temp]
	case o.Kind == lir.Cell && o.Cell < 64:
		return &v.cells[o.Cell].made
	}
	return nil
}

// origin gives what a value was made of, if that is there still.
func (v *improver) origin(o lir.Operand) *origin {
	m := v.fact(o)
	if m == nil || !m.known || m.of.Kind == lir.Cell && v.cells[m.of.Cell].version != m.version {
		return nil
	}
	return m
}

// extended tells whether an operand's upper half is the sign of its lower one.
func (v *improver) extended(o lir.Operand) bool {
	switch {
	case v.narrow:
		return false
	case o.Kind == lir.Imm:
		return uint64(int32(o.Imm)) == o.Imm
	}
	m := v.fact(o)
	return m != nil && m.extended
}

// note learns from an operation.
func (v *improver) note(i *lir.Ins) {
	if i.Op == lir.Label { // it may be come to from elsewhere
		for n := range v.made {
			v.made[n].known, v.made[n].extended = false, false
		}
		for c := range v.cells {
			v.cells[c].version++
			v.cells[c].made = origin{}
		}
		return
	}
	extended := v.extends(i)
	m := origin{of: i.A, w: i.W}
	switch {
	case i.Op == lir.Mov && !(i.Sign && i.W == lir.W32):
		m.op, m.known = lir.Mov, true
	case i.Op == lir.Sext32, i.Op == lir.Zext32, i.Op == lir.Mov:
		m.op, m.w, m.known = lir.Mov, lir.W32, true
	case i.Op == lir.And && i.B.Kind == lir.Imm && !i.Sign:
		m.op, m.mask, m.known = lir.And, i.B.Imm, true
	case i.Op == lir.Sub && i.A == lir.Const(0) && !i.Sign:
		m.op, m.of, m.known = lir.Sub, i.B, true
	case i.Op == lir.Shl && i.B.Kind == lir.Imm && i.B.Imm >= 1 && i.B.Imm <= 3 && !i.Sign && i.A.Kind != lir.Imm:
		m.op, m.mask, m.known = lir.Shl, i.B.Imm, true
	}
	switch o := m.of; {
	case o.Kind == lir.Cell && o.Cell.Register():
		m.version = v.cells[o.Cell].version
	case o.Kind == lir.Cell: // those of a reservation change by stores
		m.known = false
	case o.Kind == lir.Temp && v.made[o.Temp].times > 1:
		m.known = false
	}
	for _, d := range [2]lir.Operand{i.D, i.E} {
		switch {
		case d.Kind == lir.Cell && d.Cell < 64:
			v.cells[d.Cell].version++
			v.cells[d.Cell].made = origin{extended: extended}
			// Only shifts: moves cost nothing, and to keep what was moved alive does.
			if m.op == lir.Shl && m.known && m.of != d && d.Cell.Register() {
				m.extended = extended
				v.cells[d.Cell].made = m
			}
		case d.Kind == lir.Temp:
			m.times, m.extended = v.made[d.Temp].times, extended
			m.known = m.known && m.times == 1
			if m.times > 1 {
				m.extended = false
			}
			v.made[d.Temp] = m
		}
	}
}

// extends tells whether an operation's results have their sign in the upper half.
func (v *improver) extends(i *lir.Ins) bool {
	switch i.Op {
	case lir.Sext8, lir.Sext16, lir.Sext32, lir.Zext8, lir.Zext16, lir.SetIf, lir.Clz, lir.Ctz, lir.Popc:
		return true
	case lir.Load:
		return i.Size < 4 && !(i.Sign && i.W == lir.W32) || i.Size == 4 && i.Sign && i.W == lir.W64
	case lir.Mov:
		return i.W == lir.W32 && i.Sign || i.W == lir.W64 && v.extended(i.A)
	case lir.And:
		if i.W == lir.W64 && i.B.Kind == lir.Imm && i.B.Imm <= 1<<31-1 {
			return true
		}
		fallthrough
	case lir.Or, lir.Xor, lir.Select:
		return i.W == lir.W32 && i.Sign || i.W == lir.W64 && v.extended(i.A) && v.extended(i.B)
	case lir.ShrS:
		return i.W == lir.W32 && i.Sign || i.W == lir.W64 && v.extended(i.A)
	case lir.Add, lir.Sub, lir.Shl, lir.ShrU, lir.RotR, lir.RotL, lir.Mul, lir.DivU, lir.DivS, lir.Bswap:
		return i.W == lir.W32 && i.Sign
	}
	return false
}

// sweep drops operations whose only effect is a temporary that nobody reads.
func (v *improver) sweep() {
	b := v.b
	see := func(o lir.Operand) {
		if o.Kind == lir.Temp {
			v.seen[o.Temp] = true
		}
	}
	see(b.Term.Target)
	see(b.Term.Test.A)
	see(b.Term.Test.B)
	kept := len(b.Ins)
	for n := len(b.Ins) - 1; n >= 0; n-- {
		i := b.Ins[n]
		unread := i.Op < lir.Load && i.E.Kind == lir.None && i.D.Kind == lir.Temp && !v.seen[i.D.Temp]
		nothing := i.Op == lir.Mov && i.W == lir.W64 && i.D == i.A
		if unread || nothing {
			continue
		}
		b.Reads(&i, see)
		kept--
		b.Ins[kept] = i
	}
	b.Ins = b.Ins[:copy(b.Ins, b.Ins[kept:])]
}
