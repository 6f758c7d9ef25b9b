package jit

import (
	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// A mark is a state of the block to come back to, when it ends there.
type mark struct {
	ins, sites    int
	temps, labels int32
	steps         int32
}

func (l *lowerer) mark() mark {
	return mark{len(l.b.Ins), len(l.b.Sites), l.b.Temps, l.b.Labels, l.b.Steps}
}

func (l *lowerer) reset(m mark) {
	l.b.Ins, l.b.Sites = l.b.Ins[:m.ins], l.b.Sites[:m.sites]
	l.b.Temps, l.b.Labels, l.b.Steps = m.temps, m.labels, m.steps
}

// lower lowers one instruction at pc with the given next pc. here and next are set to where it goes.
func (l *lowerer) lower(i instruction, pc uint64, next target) bool {
	if i.alone {
		return false
	}
	l.instruction, l.pc, l.here, l.before, l.next = i, pc, at(pc), next, next
	l.effect, l.failed, l.reserves = false, false, false
	if cap(l.values) < i.fn.Nodes {
		l.values = make([]lir.Operand, i.fn.Nodes)
	}
	l.values = l.values[:i.fn.Nodes]
	l.statements(i.fn.Body)
	if l.failed {
		return false
	}
	l.b.Steps++
	return true
}

func (l *lowerer) statements(list []*ir.Stmt) {
	for _, s := range list {
		switch s.Kind {
		case ir.Let:
			l.let(s.A)
		case ir.SetReg:
			if c := l.register(s.A); c != 0 {
				l.set(c, s.B)
			}
		case ir.SetCell:
			l.setCell(s.Cell, s.A)
		case ir.Store:
			i := lir.Ins{Op: lir.Store, Size: s.Size, Big: s.Big}
			if s.Size == 8 {
				i.B = l.value(s.B, full)
			} else {
				i.B = l.value(s.B, low)
			}
			l.address(&i, s.A)
			i.Site = l.site(&i)
			l.emit(i)
			l.effect = true
		case ir.If:
			l.branch(s)
		default: // Trap, at the end of a branch that is always taken; the rest makes an instruction alone
			l.failed = true
		}
		if l.failed {
			return
		}
	}
}

func (l *lowerer) let(n *ir.Node) {
	if l.late[n.ID] {
		return
	}
	l.late[n.ID] = true // while it is computed
	defer func() { l.late[n.ID] = false }()
	if v, ok := l.constant(n); ok {
		l.values[n.ID] = lir.Const(v)
		return
	}
	t := l.temp()
	l.put(n, t, full)
	l.values[n.ID] = t
}

// set assigns a cell that is neither pc nor next pc.
func (l *lowerer) set(c ir.Cell, n *ir.Node) {
	m := full
	if l.half(c) {
		m = low
	}
	v, ok := l.constant(n)
	l.put(n, lir.CellOf(c), m)
	if c.Register() { // stores may change those of a reservation
		l.known[c] = known{ok, v}
	}
	l.written |= 1 << c
	l.effect = true
}

func (l *lowerer) setCell(c ir.Cell, n *ir.Node) {
	switch c {
	case ir.PC:
		l.here = l.target(n)
	case ir.NextPC:
		l.next = l.target(n)
	case ir.ReservationStatus:
		l.set(c, n)
		v, ok := l.constant(n)
		l.reserves = !ok || v != 0
	case ir.ReservationAddress: // its status has been set before
		l.set(c, n)
		if l.reserves {
			i := lir.Ins{Op: lir.Reserve, Size: 1}
			l.address(&i, n)
			l.emit(i)
		}
	default:
		l.set(c, n)
	}
}

// target is a value that pc or next pc is set to.
func (l *lowerer) target(n *ir.Node) target {
	if v, ok := l.constant(n); ok {
		return at(v)
	}
	if !l.late[n.ID] {
		return dynamic(l.values[n.ID])
	}
	switch n.Op {
	case ir.GetCell:
		if n.Cell == ir.NextPC {
			return l.before
		}
	case ir.Select:
		x, okX := l.constant(n.Args[1])
		y, okY := l.constant(n.Args[2])
		if okX && okY {
			return target{kind: lir.NextTest, Next: lir.Next{PC: x, Else: y, Test: l.test(n.Args[0])}}
		}
	case ir.Add:
		if v, ok := l.constant(n.Args[1]); ok {
			return l.target(n.Args[0]).add(v, l.narrow)
		}
	case ir.And:
		if l.narrow && isZext32(n) {
			return l.target(n.Args[0]) // it is read as a number of 32 bits
		}
	}
	m := full
	if l.narrow {
		m = low
	}
	v := l.value(n, m)
	for len(n.Args) == 2 && l.late[n.ID] {
		n = n.Args[0]
	}
	origin, _ := l.cellOf(n)
	if l.delay && v.Kind == lir.Cell && l.writes()>>(v.Cell&63)&1 != 0 { // the delay slot's turn is in keep
		t := l.temp()
		l.emit(lir.Ins{Op: lir.Mov, D: t, A: v, W: width(l.narrow)})
		v = t
	}
	t := dynamic(v)
	t.origin = origin
	return t
}

func width(narrow bool) lir.Width {
	if narrow {
		return lir.W32
	}
	return lir.W64
}

func dynamic(o lir.Operand) target {
	return target{kind: lir.NextValue, Next: lir.Next{Reg: o}}
}

func (t target) add(n uint64, narrow bool) target {
	wrap := func(v uint64) uint64 {
		if narrow {
			return uint64(uint32(v))
		}
		return v
	}
	switch t.kind {
	case lir.NextConst:
		t.PC = wrap(t.PC + n)
	case lir.NextTest:
		t.PC, t.Else = wrap(t.PC+n), wrap(t.Else+n)
	default:
		t.plus = wrap(t.plus + n)
	}
	return t
}

// follows tells whether next is the pc behind t, as it is outside of delay slots.
func (t target) follows(next target, narrow bool) bool {
	return t.add(4, narrow) == next
}

func (l *lowerer) branch(s *ir.Stmt) {
	isTrap := func(list []*ir.Stmt) bool { return len(list) == 1 && list[0].Kind == ir.Trap }
	if v, ok := l.constant(s.A); ok {
		if v != 0 {
			l.statements(s.Then)
		} else {
			l.statements(s.Else)
		}
		return
	}
	t := l.test(s.A)
	if isTrap(s.Then) && len(s.Else) == 0 {
		l.emit(lir.Ins{Op: lir.ExitIf, Test: t, Site: l.site(nil)})
		return
	}
	before, here, next, effect := l.known, l.here, l.next, l.effect
	past := l.label()
	l.emit(lir.Ins{Op: lir.JumpIf, Test: t.Not(), Label: past})
	l.statements(s.Then)
	after, changed := l.known, l.effect
	if len(s.Else) > 0 {
		end := l.label()
		l.emit(lir.Ins{Op: lir.Jump, Label: end})
		l.emit(lir.Ins{Op: lir.Label, Label: past})
		past = end
		l.known, l.effect = before, effect
		l.statements(s.Else)
		before = l.known
	}
	l.emit(lir.Ins{Op: lir.Label, Label: past})
	for c := range l.known {
		if before[c] != after[c] {
			l.known[c] = known{}
		}
	}
	l.effect = l.effect || changed
	if l.here != here || l.next != next {
		l.failed = true // no row has a jump inside of a condition
	}
}

func (l *lowerer) label() int32 {
	l.b.Labels++
	return l.b.Labels - 1
}
