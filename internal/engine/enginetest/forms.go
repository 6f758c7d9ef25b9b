package enginetest

import (
	"slices"
	"sync"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// A kind is what a row is to the generator.
type kind uint8

const (
	plain    kind = iota // computes; it may trap
	memory               // reads or writes memory
	linked               // sets a reservation
	release              // stores if there is a reservation
	branch               // jumps on a condition
	jump                 // jumps to a relative target
	region               // jumps to a target within the region of its own address
	indirect             // jumps to a register's value
	stop                 // always traps
	kinds
)

// A form is what the generator has to know about a row. It is read off the row's meaning, so that a new row needs
// nothing here.
type form struct {
	row     int
	name    string
	size    uint64 // bytes
	pattern *isa.Pattern
	kind    kind
	writes  []string // fields with registers that it writes
	bases   []string // fields with registers that an address is made of
	fixed   []uint64 // registers that it writes whatever its fields are
	stores  bool
	traps   bool // it may trap, and then with this:
	trap    ir.TrapKind
}

var known sync.Map // *isa.ISA to []form

// forms gives the forms of all rows.
func forms(i *isa.ISA) []form {
	if list, ok := known.Load(i); ok {
		return list.([]form)
	}
	list := make([]form, len(i.Rows))
	for r := range i.Rows {
		list[r] = formOf(i, r)
	}
	known.Store(i, list)
	return list
}

func formOf(i *isa.ISA, r int) form {
	p := &i.Patterns()[r]
	f := form{row: r, name: i.Rows[r].Name, size: p.Size, pattern: p}
	target := ir.PC // the cell that a jump puts its target into
	if delaySlots(i) {
		target = ir.NextPC
	}
	jumps := i.Jumps(r)
	loads, reserved, reserves, always := false, false, false, false
	body := i.Symbolic(r).Body
	var read func([]*ir.Stmt)
	read = func(list []*ir.Stmt) {
		for _, s := range list {
			switch {
			case s.Kind == ir.Trap:
				f.traps, f.trap = true, s.Trap
			case s.Kind == ir.Let && s.A.Op == ir.Load:
				loads = true
				f.address(s.A.Args[0])
			case s.Kind == ir.Let && s.A.Op == ir.GetCell && s.A.Cell == ir.ReservationStatus:
				reserved = true
			case s.Kind == ir.Store:
				f.stores = true
				f.address(s.A)
			case s.Kind == ir.SetReg && s.A.Op == ir.Field:
				f.writes = append(f.writes, s.A.Name)
			case s.Kind == ir.SetReg:
				f.fixed = append(f.fixed, s.A.Imm)
			case s.Kind == ir.SetCell && s.Cell == ir.ReservationStatus:
				reserves = true
			case s.Kind == ir.SetCell && s.Cell == target && jumps:
				f.kind = jumpKind(s.A)
			}
			s.Each(read)
		}
	}
	read(body)
	for _, s := range body {
		always = always || s.Kind == ir.Trap
	}
	switch {
	case always:
		f.kind = stop
	case f.stores && reserved:
		f.kind = release
	case loads && reserves:
		f.kind = linked
	case loads || f.stores:
		f.kind = memory
	}
	return f
}

// address notes the fields with registers that an address is made of.
func (f *form) address(n *ir.Node) {
	if n.Op != ir.GetReg {
		for _, a := range n.Args {
			f.address(a)
		}
		return
	}
	if a := n.Args[0]; a.Op == ir.Field && !slices.Contains(f.bases, a.Name) {
		f.bases = append(f.bases, a.Name)
	}
}

// jumpKind tells jumps apart by how their target is computed.
func jumpKind(target *ir.Node) kind {
	switch {
	case mentions(target, func(n *ir.Node) bool { return n.Op == ir.Select }):
		return branch
	case mentions(target, func(n *ir.Node) bool { return n.Op == ir.GetReg }):
		return indirect
	case mentions(target, func(n *ir.Node) bool { return n.Op == ir.Field && n.Name == "target" }):
		return region
	}
	return jump
}

func mentions(n *ir.Node, is func(*ir.Node) bool) bool {
	return is(n) || slices.ContainsFunc(n.Args, func(a *ir.Node) bool { return mentions(a, is) })
}

func delaySlots(i *isa.ISA) bool { return slices.Contains(i.Thread, ir.NextPC) }

// refused tells whether an instruction traps whatever the state is.
func refused(i *isa.ISA, r int, w uint32) bool {
	for _, s := range i.Concrete(r, w).Body {
		trap := func(list []*ir.Stmt) bool {
			return slices.ContainsFunc(list, func(s *ir.Stmt) bool { return s.Kind == ir.Trap })
		}
		if s.Kind == ir.If && s.A.Op == ir.Const && (s.A.Imm != 0 && trap(s.Then) || s.A.Imm == 0 && trap(s.Else)) {
			return true
		}
	}
	return false
}

// isRegister tells whether a field holds the number of a general register.
func isRegister(f isa.Place) bool { return f.Name[0] == 'r' }

// holds tells whether a field can have a value.
func holds(f isa.Place, v uint64) bool {
	var w uint32
	for _, p := range f.Parts {
		w |= uint32((v-f.Add)>>p.To&(1<<p.Width-1)) << p.From
	}
	return f.Value(w) == v && !slices.Contains(f.Not, v)
}
