package ir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
)

// fake is a state that writes down what is done to it.
type fake struct {
	cells map[ir.Cell]uint64
	regs  [32]uint64
	log   []string
}

func newFake() *fake { return &fake{cells: map[ir.Cell]uint64{}} }

func (s *fake) note(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *fake) Reg(i uint64) uint64 { return s.regs[i] }
func (s *fake) SetReg(i, v uint64) {
	s.note("r%d=%d", i, v)
	s.regs[i] = v
}
func (s *fake) Get(c ir.Cell) uint64 { return s.cells[c] }
func (s *fake) Set(c ir.Cell, v uint64) {
	s.note("%v=%d", c, v)
	s.cells[c] = v
}

func (s *fake) Load(addr uint64, size uint8, big bool) uint64 {
	s.note("load %d %d %t", addr, size, big)
	return addr + 1
}

func (s *fake) Store(addr uint64, size uint8, big bool, v uint64) {
	s.note("store %d %d %t %d", addr, size, big, v)
}

func (s *fake) Primitive(k ir.StmtKind, a, b, c uint64) { s.note("primitive %d %d %d %d", k, a, b, c) }

func (s *fake) Query(op ir.Op, a uint64) uint64 {
	s.note("%v %d", op, a)
	return 7
}

// run builds a function and gives the log of its evaluation.
func run(t *testing.T, big bool, build func(b *ir.Builder)) (log string, trap ir.TrapKind, trapped bool) {
	t.Helper()
	b := ir.NewBuilder(big)
	build(b)
	s := newFake()
	trap, trapped = ir.Eval(b.Func(), map[string]uint64{"zero": 0, "one": 1, "five": 5}, s)
	return strings.Join(s.log, "; "), trap, trapped
}

func TestStatements(t *testing.T) {
	set := func(b *ir.Builder, n uint64) func() { return func() { b.Set(ir.Lo, b.Const(n)) } }
	for _, c := range []struct {
		name  string
		build func(b *ir.Builder)
		want  string
	}{
		{"if that holds", func(b *ir.Builder) { b.If(b.Field("five"), set(b, 1)) }, "lo=1"},
		{"if that does not", func(b *ir.Builder) { b.If(b.Field("zero"), set(b, 1)) }, ""},
		{"if with else", func(b *ir.Builder) { b.IfElse(b.Field("zero"), set(b, 1), set(b, 2)) }, "lo=2"},
		{"a switch's arm", func(b *ir.Builder) {
			b.Switch(b.Field("five"), []ir.Arm{{[]uint64{1}, set(b, 1)}, {[]uint64{4, 5}, set(b, 2)}}, set(b, 3))
		}, "lo=2"},
		{"a switch's rest", func(b *ir.Builder) {
			b.Switch(b.Field("zero"), []ir.Arm{{[]uint64{1}, set(b, 1)}, {[]uint64{4, 5}, set(b, 2)}}, set(b, 3))
		}, "lo=3"},
		{"a return inside a branch ends all", func(b *ir.Builder) {
			b.If(b.Field("one"), func() {
				b.Set(ir.Lo, b.Const(1))
				b.Return()
			})
			b.Set(ir.Lo, b.Const(2))
		}, "lo=1"},
		{"a value is read where it is built", func(b *ir.Builder) {
			old := b.Get(ir.Lo)
			b.Set(ir.Lo, b.Const(3))
			b.Set(ir.Hi, old)
			b.Set(ir.Hi, b.Get(ir.Lo))
		}, "lo=3; hi=0; hi=3"},
		{"registers", func(b *ir.Builder) {
			b.SetReg(b.Field("five"), b.Const(9))
			b.SetReg(b.Const(6), b.Reg(b.Field("five")))
		}, "r5=9; r6=9"},
		{"stores", func(b *ir.Builder) {
			b.Store(b.Const(16), 4, b.Field("five"))
			b.StoreBytes(b.Const(24), b.Load(b.Const(8), 2))
			b.Set(ir.Lo, b.LoadBytes(b.Const(32)))
		}, "store 16 4 false 5; load 8 2 false; store 24 8 true 9; load 32 8 true; lo=33"},
		{"an unused load is not dropped", func(b *ir.Builder) { b.Load(b.Const(8), 8) }, "load 8 8 false"},
		{"primitives", func(b *ir.Builder) {
			b.Do(ir.PushThread)
			b.KeyAppend(b.Const(2), b.Const(3))
			b.HostWrite(b.Const(1), b.Const(2), b.Const(3))
			b.Set(ir.Lo, b.OracleWord(b.Const(4)))
			b.Set(ir.Lo, b.OracleCount())
			b.Set(ir.Lo, b.LastThread())
			b.Set(ir.Lo, b.ActiveEmpty())
		}, fmt.Sprintf("primitive %d 0 0 0; primitive %d 2 3 0; primitive %d 1 2 3; oracleWord 4; lo=7; oracleCount 0; lo=7; lastThread 0; lo=7; activeEmpty 0; lo=7",
			ir.PushThread, ir.KeyAppend, ir.HostWrite)},
	} {
		if got, _, trapped := run(t, false, c.build); got != c.want || trapped {
			t.Errorf("%s: %q, not %q; trapped: %t", c.name, got, c.want, trapped)
		}
	}
	if got, _, _ := run(t, true, func(b *ir.Builder) { b.Store(b.Const(16), 4, b.Load(b.Const(8), 8)) }); got != "load 8 8 true; store 16 4 true 9" {
		t.Errorf("big-endian: %q", got)
	}
}

func TestTrap(t *testing.T) {
	for _, kind := range []ir.TrapKind{ir.Syscall, ir.Unknown, ir.Fault, ir.Breakpoint} {
		log, trap, trapped := run(t, false, func(b *ir.Builder) {
			b.If(b.Field("one"), func() { b.Trap(kind) })
			b.Set(ir.Lo, b.Const(1))
		})
		if log != "" || !trapped || trap != kind {
			t.Errorf("%v: %q, %v, %t", kind, log, trap, trapped)
		}
	}
}

// panics gives what a function panics with.
func panics(f func()) (message string) {
	defer func() {
		if r := recover(); r != nil {
			message = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

func TestPanics(t *testing.T) {
	for _, c := range []struct {
		want  string
		build func(b *ir.Builder)
	}{
		{"key 5 stands twice", func(b *ir.Builder) {
			b.Switch(b.Const(0), []ir.Arm{{[]uint64{5}, func() {}}, {[]uint64{4, 5}, func() {}}}, func() {})
		}},
		{"Func called inside a branch", func(b *ir.Builder) { b.If(b.Const(1), func() { b.Func() }) }},
		{`no field "two"`, func(b *ir.Builder) {
			b.Set(ir.Lo, b.Field("two"))
			ir.Eval(b.Func(), nil, newFake())
		}},
	} {
		if got := panics(func() { c.build(ir.NewBuilder(false)) }); !strings.Contains(got, c.want) {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

// TestLive counts the uses of values: what only dead values use is dead.
func TestLive(t *testing.T) {
	b := ir.NewBuilder(false)
	lo, hi := b.Get(ir.Lo), b.Get(ir.Hi)
	used := b.Add(lo, b.Const(1))
	dead := b.Mul(hi, hi)
	deader := b.Add(dead, lo)
	addr := b.Get(ir.Heap)
	loaded := b.Load(addr, 8)
	b.Set(ir.Lo, used)
	b.If(used, func() { b.Set(ir.Hi, lo) })
	b.Func()
	for _, c := range []struct {
		name string
		v    ir.Value
		want int
	}{{"lo", lo, 2}, {"hi", hi, 0}, {"used", used, 2}, {"dead", dead, 0}, {"deader", deader, 0}, {"addr", addr, 1}, {"loaded", loaded, 0}} {
		if got := c.v.Node().Uses; got != c.want {
			t.Errorf("%s has %d uses, not %d", c.name, got, c.want)
		}
	}
}

func TestWrote(t *testing.T) {
	b := ir.NewBuilder(false)
	b.If(b.Get(ir.Hi), func() { b.Set(ir.PC, b.Const(0)) })
	if !b.Wrote(ir.PC) || b.Wrote(ir.Hi) {
		t.Errorf("PC is written: %t, hi: %t", b.Wrote(ir.PC), b.Wrote(ir.Hi))
	}
}

// TestNames looks for an operation, a cell or a trap without a name of its own.
func TestNames(t *testing.T) {
	var names []string
	for op := ir.Const; op <= ir.KeyType; op++ {
		names = append(names, op.String())
	}
	for c := ir.Cell(0); c < 64; c++ {
		names = append(names, c.String())
	}
	slices.Sort(names)
	if names[0] == "" {
		t.Error("an operation has no name")
	}
	if n := len(slices.Compact(slices.Clone(names))); n != len(names) {
		t.Errorf("of %d names only %d differ", len(names), n)
	}
}
