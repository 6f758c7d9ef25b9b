package ir_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
)

// lazy evaluates a function as a printer's text does: what is inlined is computed where it is used.
type lazy struct {
	inlined map[*ir.Node]bool
	fields  map[string]uint64
	values  []uint64
	state   ir.State
}

func (l *lazy) value(n *ir.Node) uint64 {
	switch {
	case n == nil:
		return 0
	case n.Op == ir.Const:
		return n.Imm
	case n.Op == ir.Field:
		return l.fields[n.Name]
	case l.inlined[n]:
		return l.compute(n)
	}
	return l.values[n.ID]
}

func (l *lazy) compute(n *ir.Node) uint64 {
	args := make([]uint64, len(n.Args))
	for k, a := range n.Args {
		args[k] = l.value(a)
	}
	switch n.Op {
	case ir.GetReg:
		return l.state.Reg(args[0])
	case ir.GetCell:
		return l.state.Get(n.Cell)
	case ir.Load:
		return l.state.Load(args[0], n.Size, n.Big)
	case ir.OracleWord:
		return l.state.Query(n.Op, args[0])
	case ir.LastThread, ir.ActiveEmpty, ir.OracleCount, ir.KeyType:
		return l.state.Query(n.Op, 0)
	}
	return ir.Compute(n.Op, args)
}

// run tells whether the function has ended.
func (l *lazy) run(list []*ir.Stmt) (ended bool) {
	for _, s := range list {
		switch s.Kind {
		case ir.Let:
			// A dead value has no text, unless it is read for its own sake.
			if !l.inlined[s.A] && (s.A.Uses > 0 || s.A.Op == ir.Load || s.A.Op == ir.OracleWord) {
				l.values[s.A.ID] = l.compute(s.A)
			}
		case ir.SetReg:
			l.state.SetReg(l.value(s.A), l.value(s.B))
		case ir.SetCell:
			l.state.Set(s.Cell, l.value(s.A))
		case ir.Store:
			l.state.Store(l.value(s.A), s.Size, s.Big, l.value(s.B))
		case ir.If:
			inner := s.Else
			if l.value(s.A) != 0 {
				inner = s.Then
			}
			ended = l.run(inner)
		case ir.Switch:
			inner, v := s.Else, l.value(s.A)
			for _, c := range s.Cases {
				if slices.Contains(c.Keys, v) {
					inner = c.Body
				}
			}
			ended = l.run(inner)
		case ir.Trap, ir.Return:
			return true
		default:
			l.state.Primitive(s.Kind, l.value(s.A), l.value(s.B), l.value(s.C))
		}
		if ended {
			return true
		}
	}
	return false
}

// moody is a state in which everything that is read depends on everything that was done before.
type moody struct {
	fake
	words [256]uint64
	mood  uint64
}

func (s *moody) Reg(i uint64) uint64     { return s.words[uint8(i)] }
func (s *moody) SetReg(i, v uint64)      { s.do(i, v); s.words[uint8(i)] = v }
func (s *moody) Get(c ir.Cell) uint64    { return s.words[c] }
func (s *moody) Set(c ir.Cell, v uint64) { s.do(uint64(c), v); s.words[c] = v }

// do notes an effect: nothing after it reads as before.
func (s *moody) do(words ...uint64) {
	s.note("%d", words)
	for _, w := range words {
		s.mood = bits.RotateLeft64(s.mood, 7)*0x9e37_79b9_7f4a_7c15 + w
	}
}

func (s *moody) Load(addr uint64, size uint8, _ bool) uint64 {
	s.note("load %d %d", addr, size)
	return (s.mood ^ addr*0xbf58_476d_1ce4_e5b9) >> (64 - 8*size)
}
func (s *moody) Store(addr uint64, size uint8, _ bool, v uint64) { s.do(addr, uint64(size), v) }
func (s *moody) Primitive(k ir.StmtKind, a, b, c uint64) {
	s.do(uint64(k), a, b, c)
	for n := range s.words { // another thread may run now
		s.words[n] += s.mood
	}
}

func (s *moody) Query(op ir.Op, a uint64) uint64 {
	s.note("%v %d", op, a)
	return s.mood >> 3 & 15
}

// checkInline evaluates a function in both ways.
func checkInline(t *testing.T, name string, f *ir.Func, random *rand.Rand, fields map[string]uint64, key func(*moody)) {
	t.Helper()
	var s moody
	for n := range s.words {
		s.words[n] = isatest.Word(64, random)
		if n < 32 && random.IntN(2) == 0 {
			s.words[n] = uint64(random.IntN(8))
		}
	}
	key(&s)
	s.mood = random.Uint64()
	want, got := s, s
	ir.Eval(f, fields, &want)
	l := lazy{inlined: ir.Inline(f), fields: fields, values: make([]uint64, f.Nodes), state: &got}
	for n := range l.inlined {
		if n.Uses != 1 {
			t.Fatalf("%s: an inlined %v has %d uses", name, n.Op, n.Uses)
		}
	}
	l.run(f.Body)
	if !slices.Equal(got.log, want.log) || got.words != want.words {
		t.Fatalf("%s: inlined it does %v, otherwise %v", name, got.log, want.log)
	}
}

// TestInline evaluates all meanings, of instructions and of kernels, with and without inlining.
func TestInline(t *testing.T) {
	random := isatest.Random(11)
	for _, i := range sets.All() {
		for r, row := range i.Rows {
			f := i.Symbolic(r)
			for range 20 {
				w := isatest.Instance(i, r, random)
				fields := isatest.FieldsOf(&i.Patterns()[r], w)
				name := fmt.Sprintf("%s: %s", i.Name, row.Name)
				checkInline(t, name, f, random, fields, func(*moody) {})
				checkInline(t, name, i.Concrete(r, w), random, nil, func(*moody) {})
			}
		}
		k, err := bare.New(i)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			checkInline(t, i.Name+": scheduler", k.Scheduler(), random, nil, func(*moody) {})
		}
		f := k.Syscall()
		for number := range uint64(6000) {
			if k.SyscallName(number) == "" {
				continue
			}
			for range 20 {
				checkInline(t, fmt.Sprintf("%s: %s", i.Name, k.SyscallName(number)), f, random, nil, func(s *moody) {
					s.words[2], s.words[17] = number, number // where MIPS and RISC-V have it
				})
			}
		}
	}
}
