package jit

import (
	"math"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// A mode is what is asked of a value: how much of it must be right.
type mode uint8

const (
	full   mode = iota // all 64 bits
	low                // the low 32 bits; the others may be anything
	zeroed             // the low 32 bits, the others 0
	signed             // the low 32 bits, the others their sign
)

// A lowerer turns the instructions of a block into lir.
type lowerer struct {
	narrow, delay bool
	// segment says in which segment of memory the accesses of an instruction are expected.
	segment func(pc uint64, base lir.Operand) uint8
	// trusted tells whether the accesses of an instruction are aligned, as far as is known.
	trusted func(pc uint64) bool

	b       *lir.Block
	known   [64]known // cells whose value is known here
	written uint64    // set of the cells that the block has assigned

	// The instruction that is being lowered.
	instruction
	pc       uint64
	here     target // pc, as the instruction leaves it
	next     target // next pc
	before   target // next pc before the instruction
	values   []lir.Operand
	effect   bool // something has changed: it cannot be left any more
	failed   bool // it cannot be compiled
	reserves bool // it has begun a reservation
}

type known struct {
	ok bool
	v  uint64
}

// A target is a value of pc or next pc.
type target struct {
	kind lir.NextKind // NextConst, NextTest, NextValue
	lir.Next
	plus   uint64  // NextValue: to be added to Reg
	origin ir.Cell // NextValue: the register that was read; 0 if it was a computation
}

func at(pc uint64) target {
	return target{kind: lir.NextConst, Next: lir.Next{Kind: lir.NextConst, PC: pc}}
}

func (t target) is(pc uint64) bool { return t.kind == lir.NextConst && t.PC == pc }

func (l *lowerer) emit(i lir.Ins) *lir.Ins {
	l.b.Ins = append(l.b.Ins, i)
	return &l.b.Ins[len(l.b.Ins)-1]
}

func (l *lowerer) temp() lir.Operand {
	l.b.Temps++
	return lir.TempOf(l.b.Temps - 1)
}

// half tells whether a cell has 32 bits that count.
func (l *lowerer) half(c ir.Cell) bool { return l.narrow && c.Register() }

// cellOf is the cell that a node reads.
func (l *lowerer) cellOf(n *ir.Node) (c ir.Cell, ok bool) {
	switch n.Op {
	case ir.GetReg:
		return l.register(n.Args[0]), true
	case ir.GetCell:
		return n.Cell, true
	}
	return 0, false
}

// plain gives the operand that an operation leaves as it is, instead of the operation.
func (l *lowerer) plain(n *ir.Node) *ir.Node {
	for l.late[n.ID] {
		switch n.Op {
		case ir.Add, ir.Or, ir.Xor:
			if v, ok := l.constant(n.Args[0]); ok && v == 0 {
				n = n.Args[1]
				continue
			}
		case ir.Sub, ir.Shl, ir.ShrU, ir.ShrS:
		default:
			return n
		}
		if v, ok := l.constant(n.Args[1]); !ok || v != 0 {
			return n
		}
		n = n.Args[0]
	}
	return n
}

// constant gives a node's value if it is known.
func (l *lowerer) constant(n *ir.Node) (v uint64, ok bool) {
	switch n.Op {
	case ir.Const:
		return n.Imm, true
	case ir.Field:
		return l.fields[l.field[n.ID]], true
	}
	if !l.late[n.ID] {
		o := l.values[n.ID]
		return o.Imm, o.Kind == lir.Imm
	}
	if c, ok := l.cellOf(n); ok {
		switch {
		case c == ir.PC:
			return l.pc, true
		case c == ir.NextPC:
			return l.before.PC, l.before.kind == lir.NextConst
		case c == 0:
			return 0, true
		}
		return l.known[c].v, l.known[c].ok
	}
	if !n.Op.Pure() {
		return 0, false
	}
	var args [3]uint64
	for i, a := range n.Args {
		if args[i], ok = l.constant(a); !ok {
			return 0, false
		}
	}
	return ir.Compute(n.Op, args[:len(n.Args)]), true
}

// sext tells whether the upper half of a node's value is the sign of its lower half, zext whether it is 0.
func (l *lowerer) sext(n *ir.Node) bool {
	if v, ok := l.constant(n); ok {
		return uint64(int32(v)) == v
	}
	switch n.Op {
	case ir.Sext8, ir.Sext16, ir.Sext32, ir.Eq, ir.LtU, ir.LtS, ir.Clz, ir.Ctz, ir.Popc:
		return true
	case ir.Load:
		return n.Size <= 2
	case ir.And:
		if v, ok := l.constant(n.Args[1]); ok && v <= math.MaxInt32 {
			return true
		}
		return l.sext(n.Args[0]) && l.sext(n.Args[1])
	case ir.Or, ir.Xor:
		return l.sext(n.Args[0]) && l.sext(n.Args[1])
	case ir.Select:
		return l.sext(n.Args[1]) && l.sext(n.Args[2])
	case ir.ShrS:
		return l.sext(n.Args[0])
	}
	c, ok := l.cellOf(n)
	return ok && l.half(c)
}

func (l *lowerer) zext(n *ir.Node) bool {
	if v, ok := l.constant(n); ok {
		return v <= math.MaxUint32
	}
	switch n.Op {
	case ir.Eq, ir.LtU, ir.LtS, ir.Clz, ir.Ctz, ir.Popc:
		return true
	case ir.Load:
		return n.Size <= 4
	case ir.And:
		return l.zext(n.Args[0]) || l.zext(n.Args[1])
	case ir.Or, ir.Xor:
		return l.zext(n.Args[0]) && l.zext(n.Args[1])
	case ir.Select:
		return l.zext(n.Args[1]) && l.zext(n.Args[2])
	case ir.ShrU:
		return l.zext(n.Args[0])
	}
	return false
}

// value gives an operand that holds a node's value.
func (l *lowerer) value(n *ir.Node, m mode) lir.Operand {
	n = l.plain(n)
	if v, ok := l.constant(n); ok {
		switch m {
		case low, zeroed:
			v = uint64(uint32(v))
		case signed:
			v = uint64(int32(v))
		}
		return lir.Const(v)
	}
	var o lir.Operand
	if !l.late[n.ID] {
		o = l.values[n.ID]
		if m == full || m == low {
			return o
		}
	} else if c, ok := l.cellOf(n); ok && (m == low || m == full && !l.half(c)) {
		if c == ir.NextPC {
			l.failed = true // what was a jump's target is used for more than jumping
		}
		return lir.CellOf(c)
	} else if (n.Op == ir.Sext32 || isZext32(n)) && m == low {
		return l.value(n.Args[0], low)
	}
	t := l.temp()
	l.put(n, t, m)
	return t
}

func isZext32(n *ir.Node) bool {
	return n.Op == ir.And && n.Args[1].Op == ir.Const && n.Args[1].Imm == math.MaxUint32
}

// put computes a node's value into d.
func (l *lowerer) put(n *ir.Node, d lir.Operand, m mode) {
	n = l.plain(n)
	if v, ok := l.constant(n); ok {
		switch m {
		case low, zeroed:
			v = uint64(uint32(v))
		case signed:
			v = uint64(int32(v))
		}
		l.emit(lir.Ins{Op: lir.Mov, D: d, A: lir.Const(v)})
		return
	}
	if c, ok := l.cellOf(n); !l.late[n.ID] || ok {
		a := lir.CellOf(c)
		if !l.late[n.ID] {
			a = l.values[n.ID]
		} else if m == full && l.half(c) {
			m = signed
		}
		l.move(d, a, m)
		return
	}
	if m != full && l.put32(n, d, m) || l.put64(n, d, m) {
		return
	}
	if m == low && l.put64(n, d, full) {
		return
	}
	// It has no form of its own for that mode.
	t := l.temp()
	l.put(n, t, full)
	l.move(d, t, m)
}

func (l *lowerer) move(d, a lir.Operand, m mode) {
	switch m {
	case signed:
		l.emit(lir.Ins{Op: lir.Sext32, D: d, A: a})
	case full:
		l.emit(lir.Ins{Op: lir.Mov, D: d, A: a})
	default:
		l.emit(lir.Ins{Op: lir.Mov, W: lir.W32, D: d, A: a})
	}
}

// The operations of lir that do the same as one of ir. What is not there is lir.Mov.
var binaryOps = [ir.Load]lir.Op{
	ir.Add: lir.Add, ir.Sub: lir.Sub, ir.And: lir.And, ir.Or: lir.Or, ir.Xor: lir.Xor, ir.Mul: lir.Mul,
	ir.Shl: lir.Shl, ir.ShrU: lir.ShrU, ir.ShrS: lir.ShrS,
	ir.MulHighU: lir.MulHighU, ir.MulHighS: lir.MulHighS, ir.MulHighSU: lir.MulHighSU,
}

var unaryOps = [ir.Load]lir.Op{
	ir.Sext8: lir.Sext8, ir.Sext16: lir.Sext16, ir.Sext32: lir.Sext32,
	ir.Clz: lir.Clz, ir.Ctz: lir.Ctz, ir.Popc: lir.Popc, ir.Bswap: lir.Bswap,
}

// put32 computes the low 32 bits of a value with an operation of 32 bits, if there is one; m is not full.
func (l *lowerer) put32(n *ir.Node, d lir.Operand, m mode) bool {
	two := func(op lir.Op, x, y *ir.Node) bool {
		a, b := l.value(x, low), l.value(y, low)
		l.emit(lir.Ins{Op: op, W: lir.W32, Sign: m == signed, D: d, A: a, B: b})
		return true
	}
	switch n.Op {
	case ir.Sext32:
		if l.putLoad(n, d, m) {
			return true
		}
		l.put(n.Args[0], d, m)
		return true
	case ir.And:
		if isZext32(n) {
			l.put(n.Args[0], d, m)
			return true
		}
		if l.putZext(n, d) {
			return true
		}
		return two(lir.And, n.Args[0], n.Args[1])
	case ir.Add, ir.Or, ir.Xor, ir.Mul:
		return two(binaryOps[n.Op], n.Args[0], n.Args[1])
	case ir.Sub:
		if c := n.Args[0]; c.Op == ir.Clz && l.late[c.ID] && n.Args[1].Op == ir.Const && n.Args[1].Imm == 32 && l.zext(c.Args[0]) {
			l.emit(lir.Ins{Op: lir.Clz, W: lir.W32, D: d, A: l.value(c.Args[0], low)})
			return true
		}
		return two(lir.Sub, n.Args[0], n.Args[1])
	case ir.Shl:
		if y, ok := l.amount(n.Args[1], 31); ok {
			return two(lir.Shl, n.Args[0], y)
		}
	case ir.ShrU:
		y, ok := l.amount(n.Args[1], 31)
		if x := l.doubled(n.Args[0]); x != nil && ok {
			return two(lir.RotR, x, y)
		}
		if ok && l.zext(n.Args[0]) {
			return two(lir.ShrU, n.Args[0], y)
		}
	case ir.ShrS:
		if y, ok := l.amount(n.Args[1], 31); ok && l.sext(n.Args[0]) {
			return two(lir.ShrS, n.Args[0], y)
		}
	case ir.Select:
		t := l.test(n.Args[0])
		a, b := l.value(n.Args[1], low), l.value(n.Args[2], low)
		l.emit(lir.Ins{Op: lir.Select, W: lir.W32, Sign: m == signed, D: d, A: a, B: b, Test: t})
		return true
	case ir.DivU, ir.RemU:
		return l.zext(n.Args[0]) && l.zext(n.Args[1]) && l.divide(n, d, lir.W32, m)
	case ir.DivS, ir.RemS:
		return l.sext(n.Args[0]) && l.sext(n.Args[1]) && l.divide(n, d, lir.W32, m)
	case ir.Load:
		return l.putLoad(n, d, m)
	}
	return false
}

// amount gives the node of a shift's amount, which counts modulo limit + 1, if the shift is by no more than limit.
func (l *lowerer) amount(n *ir.Node, limit uint64) (*ir.Node, bool) {
	if v, ok := l.constant(n); ok {
		return n, v&63 <= limit
	}
	if n.Op == ir.And && l.late[n.ID] {
		if v, ok := l.constant(n.Args[1]); ok && v == limit {
			return n.Args[0], true
		}
	}
	return n, false
}

// doubled gives x if n is the 64 bits x<<32 | x.
func (l *lowerer) doubled(n *ir.Node) *ir.Node {
	if n.Op != ir.Or || !l.late[n.ID] {
		return nil
	}
	up, x := n.Args[0], n.Args[1]
	if up.Op != ir.Shl || up.Args[0] != x || up.Args[1].Op != ir.Const || up.Args[1].Imm != 32 || !l.zext(x) {
		return nil
	}
	return x
}

// divide emits a division. Quotient and remainder of the same operands become one.
func (l *lowerer) divide(n *ir.Node, d lir.Operand, w lir.Width, m mode) bool {
	how := full
	if w == lir.W32 {
		how = low
	}
	a, b := l.value(n.Args[0], how), l.value(n.Args[1], how)
	i := lir.Ins{Op: lir.DivU, W: w, Sign: m == signed, A: a, B: b}
	if n.Op == ir.DivS || n.Op == ir.RemS {
		i.Op = lir.DivS
	}
	quotient := n.Op == ir.DivU || n.Op == ir.DivS
	if k := len(l.b.Ins) - 1; k >= 0 && quotient {
		p := &l.b.Ins[k]
		if p.Op == i.Op && p.W == w && p.Sign == i.Sign && p.A == a && p.B == b && p.D.Kind == lir.None && p.E != a && p.E != b {
			p.D = d
			return true
		}
	}
	if quotient {
		i.D = d
	} else {
		i.E = d
	}
	l.emit(i)
	return true
}

// put64 computes a value with an operation of 64 bits, if that fits the mode.
func (l *lowerer) put64(n *ir.Node, d lir.Operand, m mode) bool {
	switch n.Op {
	case ir.Eq, ir.LtU, ir.LtS:
		t := l.test(n)
		l.emit(lir.Ins{Op: lir.SetIf, D: d, Test: t})
		return true
	case ir.Sext8, ir.Sext16:
		if m == zeroed {
			return false
		}
		if !l.putLoad(n, d, m) {
			l.emit(lir.Ins{Op: unaryOps[n.Op], D: d, A: l.value(n.Args[0], low)})
		}
		return true
	}
	if m != full {
		return false
	}
	switch n.Op {
	case ir.Sext32:
		if !l.putLoad(n, d, signed) {
			l.put(n.Args[0], d, signed)
		}
	case ir.Load:
		return l.putLoad(n, d, full)
	case ir.Clz, ir.Ctz, ir.Popc, ir.Bswap:
		l.emit(lir.Ins{Op: unaryOps[n.Op], D: d, A: l.value(n.Args[0], full)})
	case ir.Select:
		t := l.test(n.Args[0])
		a, b := l.value(n.Args[1], full), l.value(n.Args[2], full)
		l.emit(lir.Ins{Op: lir.Select, D: d, A: a, B: b, Test: t})
	case ir.DivU, ir.DivS, ir.RemU, ir.RemS:
		return l.divide(n, d, lir.W64, full)
	default:
		if isZext32(n) {
			l.put(n.Args[0], d, zeroed)
			return true
		}
		if l.putZext(n, d) || l.putRotate(n, d) {
			return true
		}
		op := lir.Mov
		if int(n.Op) < len(binaryOps) {
			op = binaryOps[n.Op]
		}
		if op == lir.Mov {
			panic("jit: no lowering for the operation " + n.Op.String())
		}
		x, y := n.Args[0], n.Args[1]
		switch n.Op {
		case ir.Shl, ir.ShrU, ir.ShrS:
			y, _ = l.amount(y, 63)
		}
		a, b := l.value(x, full), l.value(y, full)
		l.emit(lir.Ins{Op: op, D: d, A: a, B: b})
	}
	return true
}

// putZext is And with a mask of 8 or 16 bits.
func (l *lowerer) putZext(n *ir.Node, d lir.Operand) bool {
	if n.Op != ir.And {
		return false
	}
	op := lir.Zext8
	v, _ := l.constant(n.Args[1])
	switch v {
	case 0xff:
	case 0xffff:
		op = lir.Zext16
	default:
		return false
	}
	l.emit(lir.Ins{Op: op, D: d, A: l.value(n.Args[0], low)})
	return true
}

// putRotate recognises x>>n | x<<(64-n), for constant and variable n.
func (l *lowerer) putRotate(n *ir.Node, d lir.Operand) bool {
	if n.Op != ir.Or {
		return false
	}
	r, s := n.Args[0], n.Args[1]
	if r.Op != ir.ShrU || s.Op != ir.Shl || r.Args[0] != s.Args[0] || !l.late[r.ID] || !l.late[s.ID] {
		return false
	}
	by := r.Args[1]
	if v, ok := l.constant(by); ok {
		back, ok := l.constant(s.Args[1])
		if !ok || (v+back)&63 != 0 {
			return false
		}
	} else if back, ok := l.amount(s.Args[1], 63); !ok || back.Op != ir.Sub || back.Args[1] != by || back.Args[0].Op != ir.Const || back.Args[0].Imm&63 != 0 {
		return false
	}
	by, _ = l.amount(by, 63)
	a, b := l.value(r.Args[0], full), l.value(by, full)
	l.emit(lir.Ins{Op: lir.RotR, D: d, A: a, B: b})
	return true
}

// test turns a node that is 0 or not into a test.
func (l *lowerer) test(n *ir.Node) lir.Test {
	if l.late[n.ID] {
		switch n.Op {
		case ir.Eq:
			if x := n.Args[0]; n.Args[1].Op == ir.Const && n.Args[1].Imm == 0 && l.late[x.ID] {
				switch x.Op {
				case ir.Eq, ir.LtU, ir.LtS:
					return l.test(x).Not()
				}
			}
			return l.compare(lir.EQ, n)
		case ir.LtU:
			return l.compare(lir.LtU, n)
		case ir.LtS:
			return l.compare(lir.LtS, n)
		}
	}
	t := lir.Test{Cond: lir.NE, B: lir.Const(0)}
	if l.sext(n) || l.zext(n) {
		t.W, t.A = lir.W32, l.value(n, low)
	} else {
		t.A = l.value(n, full)
	}
	return t
}

// compare uses 32 bits if they tell: signs and zeros above them keep the unsigned order.
func (l *lowerer) compare(c lir.Cond, n *ir.Node) lir.Test {
	x, y := n.Args[0], n.Args[1]
	if l.sext(x) && l.sext(y) || c != lir.LtS && l.zext(x) && l.zext(y) {
		return lir.Test{Cond: c, W: lir.W32, A: l.value(x, low), B: l.value(y, low)}
	}
	return lir.Test{Cond: c, A: l.value(x, full), B: l.value(y, full)}
}

// address fills the fields of an access.
func (l *lowerer) address(i *lir.Ins, n *ir.Node) {
	i.Big = i.Big && i.Size > 1
	for l.late[n.ID] && n.Op == ir.And && n.Args[1].Op == ir.Const {
		mask := n.Args[1].Imm
		if mask == ^uint64(i.Size-1) {
			i.Round = true
		} else if mask != math.MaxUint32 || !l.narrow {
			break
		}
		n = n.Args[0]
	}
	if v, ok := l.constant(n); ok {
		if i.Round {
			v &^= uint64(i.Size - 1)
		}
		if l.narrow {
			v = uint64(uint32(v))
		}
		i.A, i.Off = lir.Const(v), 0
	} else {
		how := full
		if l.narrow {
			how = low
		}
		if n.Op == ir.Add && l.late[n.ID] {
			if v, ok := l.constant(n.Args[1]); ok && uint64(int32(v)) == v {
				i.Off, n = int32(v), n.Args[0]
			}
		}
		i.A = l.value(n, how)
	}
	i.Seg = l.segment(l.pc, i.A)
	i.Aligned = i.Round && l.trusted(l.pc)
}

// putLoad loads into d; n is the load or a sign extension of it.
func (l *lowerer) putLoad(n *ir.Node, d lir.Operand, m mode) bool {
	load, sign := n, false
	if n.Op != ir.Load {
		load = n.Args[0]
		size := [ir.Load]uint8{ir.Sext8: 1, ir.Sext16: 2, ir.Sext32: 4}[n.Op]
		if load.Op != ir.Load || !l.late[load.ID] || load.Size != size {
			return false
		}
		sign = true
	}
	switch {
	case m == zeroed && (sign || load.Size == 8), m == signed && load.Size == 8:
		return false
	case m == signed && load.Size == 4:
		sign = true
	}
	i := lir.Ins{Op: lir.Load, D: d, Size: load.Size, Sign: sign, Big: load.Big}
	if m == low {
		i.W = lir.W32
	}
	if load.Size == 8 {
		i.W = lir.W64
	}
	l.address(&i, load.Args[0])
	i.Site = l.site(&i)
	l.emit(i)
	return true
}

// site makes a place where the code is left before the present instruction, for the sake of an access if that is not nil.
func (l *lowerer) site(access *lir.Ins) int32 {
	if l.effect {
		l.failed = true
	}
	s := lir.Site{PC: l.pc, Left: l.b.Steps}
	if access != nil {
		s.Access, s.Load, s.Seg = true, access.Op == lir.Load, access.Seg
	}
	if l.delay && !l.before.is(l.pc+4) {
		s.Next = l.before.Next
		s.Next.Kind = l.before.kind
	}
	l.b.Sites = append(l.b.Sites, s)
	return int32(len(l.b.Sites) - 1)
}
