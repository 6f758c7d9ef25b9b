// Package enginetest holds an engine against single steps, whole state against whole state. Every engine's own
// tests call the functions here, each in one line:
//
//	func TestAll(t *testing.T) { enginetest.All(t, newEngine) }
//	func FuzzPrograms(f *testing.F) { enginetest.FuzzPrograms(f, newEngine) }
//
// Programs are generated from a seed, for every instruction set of package sets, out of its rows; see generate. They
// have hot loops, calls, jumps through tables, delay slots, reservations with and without a conditional store, code
// that overwrites itself, accesses at every border of the address space. A program is executed in slices of random
// lengths by the engine, and step by step by the interpreter, or by the reference evaluator of ir. Between slices the
// machines are forked, saved, written to. When they differ, the program is made smaller and printed; its seed makes it
// come again: -run names it. When an engine crashes the host, -v and -parallel 1 tell which program it was.
//
// Collector lets the garbage collector run all the time; run it with the race detector too. Three environment variables
// make the tests longer: FLEXEMU_SEEDS is the number of random programs of each instruction set, FLEXEMU_GUESTS a list
// of executables for Guests, FLEXEMU_SOAK the number of steps of Soak.
//
// Only tests import this package.
package enginetest

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
)

// An Engine is what is tested.
type Engine = bare.Engine

// New makes an engine for a machine. If the host cannot have one, the error wraps errors.ErrUnsupported, and tests
// are skipped.
type New func(*isa.ISA, *machine.Machine) (Engine, error)

// All runs every test of this package but the fuzz targets.
func All(t *testing.T, n New) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, New)
	}{
		{"programs", Programs},
		{"rows", Rows},
		{"stops", Stops},
		{"systems", Systems},
		{"windows", Windows},
		{"directed", Directed},
		{"guests", Guests},
		{"reservations", Reservations},
		{"collector", Collector},
		{"soak", Soak},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, n) })
	}
}

// eachISA runs a test for every instruction set, on all processors.
func eachISA(t *testing.T, f func(*testing.T, *isa.ISA)) {
	for _, i := range sets.All() {
		t.Run(i.Name, func(t *testing.T) {
			t.Parallel()
			f(t, i)
		})
	}
}

// scaled picks a number for long and one for short tests.
func scaled(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
}

// check plays a match and reports.
func (m *match) check(t testing.TB) {
	t.Helper()
	found, s, err := m.play()
	skipUnsupported(t, err)
	if found != nil {
		t.Fatal(m.explain(found))
	}
	t.Logf("%d instructions, %d of them by Run, %d traps", s.steps, s.inRun, s.traps)
}

// Lockstep runs the random program of a seed for a number of steps.
func Lockstep(t testing.TB, i *isa.ISA, n New, seed, steps uint64) {
	t.Helper()
	lockstep(t, i, n, seed, steps, programPlan(seed))
}

// programPlan is what the random program of a seed is like.
func programPlan(seed uint64) plan {
	return plan{pieces: 4 + int(seed%17), tame: seed%2 == 0, reading: seed%9 == 4, patching: seed%3 == 0, favourite: noRow}
}

func lockstep(t testing.TB, i *isa.ISA, n New, seed, steps uint64, p plan) {
	t.Helper()
	m := match{new: n, isa: i, seed: seed, program: generate(i, seed, p), steps: steps, reference: seed%8 == 7}
	if m.reference {
		m.steps /= 8
	}
	m.check(t)
}

// seedsVariable is the environment variable that tells how many programs Programs runs for each instruction set.
const seedsVariable = "FLEXEMU_SEEDS"

// Programs runs random programs.
func Programs(t *testing.T, n New) {
	seeds := uint64(scaled(30, 5))
	if value := os.Getenv(seedsVariable); value != "" {
		var err error
		if seeds, err = strconv.ParseUint(value, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedsVariable, err)
		}
	}
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		for seed := range seeds {
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { Lockstep(t, i, n, seed, 100_000) })
		}
	})
}

// Rows runs, for each row or in short tests for some, a program in which it stands most often.
func Rows(t *testing.T, n New) {
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		for r, row := range i.Rows {
			if r%scaled(1, 4) != 0 {
				continue
			}
			t.Run(row.Name, func(t *testing.T) {
				for k := range uint64(scaled(2, 1)) {
					m := rowMatch(i, r, k)
					m.new, m.steps = n, uint64(scaled(8000, 3000))
					m.check(t)
				}
			})
		}
	})
}

// rowMatch is the k-th match for row r. In the first one nothing happens between slices.
func rowMatch(i *isa.ISA, r int, k uint64) match {
	f, seed := formOf(i, r), 1000*k+uint64(r)
	traps := f.kind == stop || f.traps && f.trap == ir.Breakpoint
	p := generate(i, seed, plan{tame: k%2 == 0 && !traps, favourite: r})
	return match{isa: i, seed: seed, program: p, quiet: k == 0}
}

// Stops runs programs in slices of every length, one instruction longer each time, so that they end at every place of
// hot code; and in long slices, around the length of a quantum.
func Stops(t *testing.T, n New) {
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		longest := scaled(1000, 300)
		for seed := range uint64(scaled(3, 1)) {
			m := match{
				new: n, isa: i, seed: seed, program: generate(i, seed, programPlan(seed)), steps: uint64(longest * longest / 2), quiet: true,
				lengths: func(slice int) uint64 { return 1 + uint64(slice%longest) },
			}
			m.check(t)
		}
		long := []uint64{1000, bare.QuantumSteps, bare.QuantumSteps + 1, bare.QuantumSteps - 1, 3 * bare.QuantumSteps}
		m := match{
			new: n, isa: i, seed: 4, program: generate(i, 4, programPlan(4)), steps: uint64(scaled(600_000, 100_000)), quiet: true,
			lengths: func(slice int) uint64 { return long[slice%len(long)] },
		}
		m.check(t)
	})
}
