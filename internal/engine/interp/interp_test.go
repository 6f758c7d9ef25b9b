package interp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/machine"
)

// A lab is the same machine four times: two for the definition of ir, with fields that are constants and that are
// variables, and two for the engine, one that only makes single steps and one that runs.
type lab struct {
	isa                *isa.ISA
	concrete, symbolic *isatest.Reference
	stepping, running  *interp.Engine
	machines           [4]*machine.Machine // in that order
}

func newLab(t testing.TB, i *isa.ISA) *lab {
	t.Helper()
	l := &lab{isa: i, concrete: isatest.NewReference(i), symbolic: isatest.NewReference(i)}
	l.symbolic.Symbolic = true
	l.machines[0], l.machines[1] = l.concrete.Machine, l.symbolic.Machine
	engines := []**interp.Engine{&l.stepping, &l.running}
	for n, e := range engines {
		m := machine.New(i.Thread)
		m.Narrow = i.Bits == 32
		l.machines[2+n] = m
		var err error
		if *e, err = interp.New(i, m); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// pages is where random states have their code and data: low, the ends of the halves of the address space, in the
// middle.
func pages(bits int) []uint64 {
	if bits == 32 {
		return []uint64{0, 0x7fff_f000, 0x8000_0000, 0xffff_f000, 0x0040_0000}
	}
	return []uint64{0, 0x7fff_ffff_ffff_f000, 1 << 63, 0xffff_ffff_ffff_f000, 0x0040_0000, 0x7fff_f000, 0xffff_f000, 0xc0_0000_0000}
}

// address picks one near a page's beginning or end, so that accesses cross.
func (l *lab) address(random *rand.Rand) uint64 {
	list := pages(l.isa.Bits)
	a := list[random.IntN(len(list))] + uint64(random.IntN(64)) - uint64(random.IntN(32))
	if random.IntN(3) == 0 {
		a += 0x7f0
	}
	return l.concrete.Machine.Wrap(a)
}

// state gives all machines the same random state.
func (l *lab) state(random *rand.Rand) {
	var cells [ir.NumCells]uint64
	word := func() uint64 {
		if random.IntN(2) == 0 {
			return l.register(l.address(random))
		}
		return isatest.Word(l.isa.Bits, random)
	}
	for r := 1; r < 32; r++ {
		cells[r] = word()
	}
	if random.IntN(2) == 0 { // few values, so that comparisons hold
		few := []uint64{word(), word(), word()}
		for r := 1; r < 32; r++ {
			cells[r] = few[random.IntN(len(few))]
		}
	}
	m := l.concrete.Machine
	cells[ir.PC] = l.address(random) &^ (l.isa.Align - 1)
	if slices.Contains(l.isa.Thread, ir.NextPC) {
		cells[ir.Lo], cells[ir.Hi] = word(), word()
		cells[ir.NextPC] = m.Wrap(cells[ir.PC] + 4)
		if random.IntN(8) == 0 { // in a delay slot
			cells[ir.NextPC] = l.address(random) &^ 3
		}
	}
	cells[ir.ThreadID] = uint64(random.IntN(2))
	cells[ir.Step] = random.Uint64() >> random.IntN(64)
	if random.IntN(4) != 0 {
		cells[ir.ReservationStatus] = uint64(1 + random.IntN(2))
		cells[ir.ReservationAddress] = m.Wrap(cells[1+random.IntN(31)])
		cells[ir.ReservationOwner] = uint64(random.IntN(2))
	}
	for _, m := range l.machines {
		m.Cells = cells
	}
}

// register is an address as a register has it.
func (l *lab) register(addr uint64) uint64 {
	if l.isa.Bits == 32 {
		return uint64(int32(addr))
	}
	return addr
}

// put writes an instruction at an address of all machines.
func (l *lab) put(pc uint64, w uint32) {
	for _, m := range l.machines {
		if l.isa.Align == 4 {
			m.Store(pc, 4, l.isa.Big, uint64(w))
			continue
		}
		m.Store(pc, 2, false, uint64(w&0xffff))
		if l.isa.Size(w) == 4 {
			m.Store(m.Wrap(pc+2), 2, false, uint64(w>>16))
		}
	}
}

// step executes one instruction on each machine and compares what became of them.
func (l *lab) step() error {
	before := l.machines[0].Cells
	type outcome struct {
		trap    ir.TrapKind
		trapped bool
	}
	var got [4]outcome
	got[0].trap, got[0].trapped = l.concrete.Step()
	got[1].trap, got[1].trapped = l.symbolic.Step()
	got[2].trap, got[2].trapped = l.stepping.Step()
	if n := l.running.Run(1); n == 0 { // it left the instruction to Step
		got[3].trap, got[3].trapped = l.running.Step()
	} else if n != 1 {
		return fmt.Errorf("Run(1) has executed %d instructions", n)
	}
	names := [4]string{"ir", "ir with fields that are variables", "Step", "Run"}
	for n := 1; n < len(l.machines); n++ {
		if got[n] != got[0] {
			return fmt.Errorf("%s ends with trap %v (%t), %s with %v (%t)", names[n], got[n].trap, got[n].trapped, names[0], got[0].trap, got[0].trapped)
		}
		if err := l.compare(n, names[n]); err != nil {
			return err
		}
	}
	if got[0].trapped && (l.machines[0].Cells != before || len(l.concrete.Written) > 0) {
		return fmt.Errorf("it traps, and has changed the state")
	}
	return nil
}

// compare looks at the cells of machine n, and at the memory that ir has written.
func (l *lab) compare(n int, name string) error {
	m, want := l.machines[n], l.machines[0]
	for c := range ir.NumCells {
		if c != int(ir.Sink) && m.Cells[c] != want.Cells[c] {
			return fmt.Errorf("%s: %v is %#x, not %#x", name, ir.Cell(c), m.Cells[c], want.Cells[c])
		}
	}
	for _, addr := range l.concrete.Written {
		at := l.concrete.Machine.Wrap(addr) &^ 7
		if got, want := m.Load(at, 8, true), want.Load(at, 8, true); got != want {
			return fmt.Errorf("%s: memory at %#x is %016x, not %016x", name, at, got, want)
		}
	}
	return nil
}

// roots compares all of memory.
func (l *lab) roots() error {
	want := l.machines[0].Mem.Root()
	for n, m := range l.machines {
		if got := m.Mem.Root(); got != want {
			return fmt.Errorf("the memory of machine %d has root %x, not %x", n, got, want)
		}
	}
	return nil
}

func (l *lab) describe(w uint32, pc uint64) string {
	text, _, _ := l.isa.Disassemble(w, pc)
	return fmt.Sprintf("%#x: %08x %s", pc, w, text)
}

// each runs a test for every instruction set.
func each(t *testing.T, f func(*testing.T, *isa.ISA)) {
	for _, i := range sets.All() {
		t.Run(i.Name, func(t *testing.T) { f(t, i) })
	}
}

// TestSingleInstructions compares the engine with the definition of ir for every row in random states.
func TestSingleInstructions(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		random := isatest.Random(7)
		for r, row := range i.Rows {
			l := newLab(t, i)
			for range 250 {
				l.state(random)
				w := isatest.Instance(i, r, random)
				pc := l.machines[0].Cells[ir.PC]
				l.put(pc, w)
				if err := l.step(); err != nil {
					t.Fatalf("%s: %s: %v", row.Name, l.describe(w, pc), err)
				}
			}
			if err := l.roots(); err != nil {
				t.Fatalf("%s: %v", row.Name, err)
			}
		}
	})
}

// TestUnknownInstructions does the same for words that are mostly no instructions.
func TestUnknownInstructions(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		random := isatest.Random(8)
		l := newLab(t, i)
		for range 5000 {
			l.state(random)
			w := random.Uint32()
			pc := l.machines[0].Cells[ir.PC]
			l.put(pc, w)
			if err := l.step(); err != nil {
				t.Fatalf("%s: %v", l.describe(w, pc), err)
			}
		}
	})
}

// TestRuns lets the engine run through random code in pieces of random lengths, ir step by step beside it. Code
// crosses pages, jumps into nowhere and overwrites itself. Behind a trap both go on somewhere in the code.
func TestRuns(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		random := isatest.Random(9)
		executed := uint64(0)
		for range 150 {
			l := newLab(t, i)
			l.state(random)
			starts := l.code(random, 100)
			for range 80 {
				n := l.running.Run(uint64(1 + random.IntN(12)))
				executed += n
				for range n {
					if trap, trapped := l.concrete.Step(); trapped {
						t.Fatalf("Run went on behind a %v at %#x", trap, l.machines[0].Cells[ir.PC])
					}
				}
				if err := l.compare(3, "Run"); err != nil {
					t.Fatalf("after %d instructions of code at %#x: %v", n, starts[0], err)
				}
				if n > 0 {
					continue
				}
				trap, trapped := l.running.Step()
				wantTrap, want := l.concrete.Step()
				if trap != wantTrap || trapped != want {
					t.Fatalf("Step: trap %v (%t), not %v (%t)", trap, trapped, wantTrap, want)
				}
				if trapped {
					pc := starts[random.IntN(len(starts))]
					for _, m := range l.machines {
						m.Cells[ir.PC], m.Cells[ir.NextPC] = pc, m.Wrap(pc+4)
					}
				}
			}
			if got, want := l.machines[3].Mem.Root(), l.machines[0].Mem.Root(); got != want {
				t.Fatalf("memory differs after code at %#x", starts[0])
			}
		}
		t.Logf("%d instructions", executed)
		if executed < 10_000 {
			t.Errorf("only %d instructions were executed", executed)
		}
	})
}

// code writes n random instructions at pc and gives their addresses.
func (l *lab) code(random *rand.Rand, n int) []uint64 {
	at := l.machines[0].Cells[ir.PC]
	var starts []uint64
	for range n {
		w := isatest.Instance(l.isa, random.IntN(len(l.isa.Rows)), random)
		l.put(at, w)
		starts = append(starts, at)
		at = l.machines[0].Wrap(at + l.isa.Size(w))
	}
	return starts
}

// FuzzStep is TestSingleInstructions for an instruction and a state that the fuzzer picks.
func FuzzStep(f *testing.F) {
	random := isatest.Random(10)
	for n, i := range sets.All() {
		for r := range i.Rows {
			f.Add(uint8(n), isatest.Instance(i, r, random), random.Uint64())
		}
	}
	f.Fuzz(func(t *testing.T, set uint8, w uint32, seed uint64) {
		l := newLab(t, sets.All()[int(set)%len(sets.All())])
		l.state(isatest.Random(seed))
		pc := l.machines[0].Cells[ir.PC]
		l.put(pc, w)
		if err := l.step(); err != nil {
			t.Fatalf("%s: %s: %v", l.isa.Name, l.describe(w, pc), err)
		}
		if err := l.roots(); err != nil {
			t.Fatalf("%s: %s: %v", l.isa.Name, l.describe(w, pc), err)
		}
	})
}
