package jit

import (
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// A meaning is the ir of a row, with fields that stay variables, and what lowering asks of it.
type meaning struct {
	fn *ir.Func
	// late tells, by node, which values may be computed where they are used instead of where they stand: nothing in
	// between changes what they read.
	late   []bool
	field  []uint8 // by node: the number of the field that it is
	places []isa.Place
	size   uint64 // bytes
	alone  bool   // only the kernel or interp can carry it out
}

// maxFields bounds the fields of a row.
const maxFields = 8

// An instruction is a meaning with the values of its fields.
type instruction struct {
	*meaning
	fields [maxFields]uint64
}

func (m *meaning) of(w uint32) instruction {
	i := instruction{meaning: m}
	for n := range m.places {
		i.fields[n] = m.places[n].Value(w)
	}
	return i
}

// register is the number of a register that a node names.
func (i *instruction) register(n *ir.Node) ir.Cell {
	if n.Op == ir.Field {
		return ir.Cell(i.fields[i.field[n.ID]])
	}
	return ir.Cell(n.Imm)
}

// writes gives the set of the cells below 64 that are assigned.
func (i *instruction) writes() (set uint64) {
	var collect func([]*ir.Stmt)
	collect = func(list []*ir.Stmt) {
		for _, s := range list {
			switch s.Kind {
			case ir.SetReg:
				set |= 1 << i.register(s.A)
			case ir.SetCell:
				set |= 1 << (s.Cell & 63)
			}
			s.Each(collect)
		}
	}
	collect(i.fn.Body)
	return set
}

// anyRegister stands for a general register that only the instruction tells.
const anyRegister = ir.Sink - 1

// analyse prepares a row of an instruction set.
func analyse(i *isa.ISA, row int) *meaning {
	f, pattern := i.Symbolic(row), i.Patterns()[row]
	m := &meaning{fn: f, late: make([]bool, f.Nodes), field: make([]uint8, f.Nodes), places: pattern.Fields, size: pattern.Size}
	if len(m.places) > maxFields {
		panic("jit: the row " + i.Rows[row].Name + " has too many fields")
	}
	var list []*ir.Stmt
	var flatten func([]*ir.Stmt)
	flatten = func(body []*ir.Stmt) {
		for _, s := range body {
			list = append(list, s)
			s.Each(flatten)
		}
	}
	flatten(f.Body)
	assigned := make([]ir.Cell, len(list)) // by statement; ir.Sink: none
	effects := make([]int, len(list)+1)    // number of them before each statement
	for i, s := range list {
		assigned[i] = ir.Sink
		effects[i+1] = effects[i]
		switch s.Kind {
		case ir.Let:
			m.alone = m.alone || s.A.Op > ir.Load || s.A.Op == ir.GetCell && s.A.Cell == ir.Step
		case ir.SetReg:
			assigned[i] = anyRegister
		case ir.SetCell:
			assigned[i] = s.Cell
		case ir.Store, ir.If:
		case ir.Trap:
			m.alone = m.alone || slices.Contains(f.Body, s)
		default:
			m.alone = true
		}
		if assigned[i] != ir.Sink || s.Kind == ir.Store {
			effects[i+1]++
		}
	}
	users := make([][]int, f.Nodes) // statements that use a node
	final := make([]int, len(list)) // where a statement's value is computed
	for i := len(list) - 1; i >= 0; i-- {
		final[i] = i
		s := list[i]
		args := []*ir.Node{s.A, s.B, s.C}
		if s.Kind == ir.Let {
			n := s.A
			args = n.Args
			last := -1
			for _, u := range users[n.ID] {
				last = max(last, final[u])
			}
			if last < 0 {
				m.late[n.ID] = true // it is dead
				continue
			}
			if once := len(users[n.ID]) == 1; movable(n, once, i, last, assigned, effects) {
				m.late[n.ID] = true
				final[i] = last
			}
		}
		for _, a := range args {
			if a != nil {
				m.name(a)
				users[a.ID] = append(users[a.ID], i)
			}
		}
	}
	return m
}

// name finds the field that a node is.
func (m *meaning) name(n *ir.Node) {
	if n.Op == ir.Field {
		m.field[n.ID] = uint8(slices.IndexFunc(m.places, func(p isa.Place) bool { return p.Name == n.Name }))
	}
}

// movable tells whether the node of statement i may be computed at statement last.
func movable(n *ir.Node, once bool, i, last int, assigned []ir.Cell, effects []int) bool {
	switch n.Op {
	case ir.GetReg:
		return !slices.Contains(assigned[i+1:last], anyRegister)
	case ir.GetCell:
		return !slices.Contains(assigned[i+1:last], n.Cell)
	case ir.Load:
		return once && effects[last] == effects[i]
	}
	return once
}
