package jit

import (
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
)

// A meaning is the ir of one instruction with what lowering asks of it. It does not depend on where the instruction
// stands, so that all instructions of the same bits share it.
type meaning struct {
	fn *ir.Func
	// late tells, by node, which values may be computed where they are used instead of where they stand: nothing in
	// between changes what they read.
	late   []bool
	writes uint64 // set of the cells below 64 that are assigned
	size   uint64 // bytes
	alone  bool   // only the kernel or interp can carry it out
}

// analyse prepares a function of ISA.Concrete.
func analyse(f *ir.Func, size uint64) *meaning {
	m := &meaning{fn: f, late: make([]bool, f.Nodes), size: size}
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
			assigned[i] = ir.Cell(s.A.Imm)
		case ir.SetCell:
			assigned[i] = s.Cell
		case ir.Store, ir.If:
		case ir.Trap:
			m.alone = m.alone || slices.Contains(f.Body, s)
		default:
			m.alone = true
		}
		if assigned[i] != ir.Sink {
			m.writes |= 1 << (assigned[i] & 63)
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
				users[a.ID] = append(users[a.ID], i)
			}
		}
	}
	return m
}

// movable tells whether the node of statement i may be computed at statement last.
func movable(n *ir.Node, once bool, i, last int, assigned []ir.Cell, effects []int) bool {
	switch n.Op {
	case ir.GetReg:
		return !slices.Contains(assigned[i+1:last], ir.Cell(n.Args[0].Imm))
	case ir.GetCell:
		return !slices.Contains(assigned[i+1:last], n.Cell)
	case ir.Load:
		return once && effects[last] == effects[i]
	}
	return once
}
