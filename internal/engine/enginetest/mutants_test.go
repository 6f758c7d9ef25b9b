package enginetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/machine"
)

// A mutant is the interpreter with a mistake in how it runs.
type mutant struct {
	*interp.Engine
	isa *isa.ISA
	m   *machine.Machine
	run func(*mutant, uint64) uint64

	reads  *[machine.CacheSize]machine.ReadEntry
	writes *[machine.CacheSize]machine.WriteEntry
}

func (e *mutant) Run(n uint64) uint64 { return e.run(e, n) }

// mutants are mistakes that an engine may make.
var mutants = []struct {
	name string
	only string // family
	run  func(*mutant, uint64) uint64
}{
	{"does not notice that code is overwritten", "", func(e *mutant, n uint64) uint64 {
		e.m.Mem.OnWatchedWrite = nil
		return e.Engine.Run(n)
	}},
	{"executes one instruction too many", "", func(e *mutant, n uint64) uint64 {
		done := e.Engine.Run(n)
		if n > 50 && done == n {
			e.Engine.Run(1)
		}
		return done
	}},
	{"loses a delay slot", "mips", func(e *mutant, n uint64) uint64 {
		if n > 16 {
			e.m.Cells[ir.NextPC] = e.m.Wrap(e.m.Cells[ir.PC] + 4)
		}
		return e.Engine.Run(n)
	}},
	{"writes on as if there had been no root and no fork", "", func(e *mutant, n uint64) uint64 {
		if e.writes != nil {
			e.m.Mem.Writes = *e.writes
		}
		done := e.Engine.Run(n)
		writes := e.m.Mem.Writes
		e.writes = &writes
		return done
	}},
	{"reads what others have overwritten", "", func(e *mutant, n uint64) uint64 {
		if e.reads != nil {
			e.m.Mem.Reads = *e.reads
		}
		done := e.Engine.Run(n)
		reads := e.m.Mem.Reads
		e.reads = &reads
		return done
	}},
	{"keeps a reservation whose bytes are overwritten", "", func(e *mutant, n uint64) uint64 {
		c := &e.m.Cells
		status, addr, owner := c[ir.ReservationStatus], c[ir.ReservationAddress], c[ir.ReservationOwner]
		done := e.Engine.Run(n)
		if n > 16 && status != 0 && c[ir.ReservationStatus] == 0 {
			c[ir.ReservationStatus], c[ir.ReservationAddress], c[ir.ReservationOwner] = status, addr, owner
		}
		return done
	}},
	{"reads an old step counter", "riscv", func(e *mutant, n uint64) uint64 {
		done := e.Engine.Run(n)
		if r, ok := e.isa.Decode(e.Fetch()); ok && done < n && strings.HasPrefix(e.isa.Rows[r].Name, "csrr") {
			e.Step()
			done++
		}
		return done
	}},
	{"ends early and does not say so", "", func(e *mutant, n uint64) uint64 {
		return max(e.Engine.Run(n-n/300), n/300)
	}},
}

// mutate makes mutants with a mistake.
func mutate(run func(*mutant, uint64) uint64) New {
	return func(i *isa.ISA, m *machine.Machine) (Engine, error) {
		e, err := interp.New(i, m)
		return &mutant{Engine: e, isa: i, m: m, run: run}, err
	}
}

// find plays matches until there is a divergence.
func find(t *testing.T, i *isa.ISA, n New, seeds uint64) (*match, *divergence) {
	for seed := range seeds {
		m := match{new: n, isa: i, seed: seed, program: generate(i, seed, programPlan(seed)), steps: 60_000}
		d, _, err := m.play()
		if err != nil {
			t.Fatal(err)
		}
		if d != nil {
			return &m, d
		}
	}
	return nil, nil
}

// TestMutants is a test of the tests: each mistake is found.
func TestMutants(t *testing.T) {
	for _, mistake := range mutants {
		t.Run(mistake.name, func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"mips64", "riscv32"} {
				if !strings.HasPrefix(name, mistake.only) {
					continue
				}
				m, _ := find(t, sets.Named(name), mutate(mistake.run), 40)
				if m == nil {
					t.Fatalf("%s: not found", name)
				}
				t.Logf("%s: found by seed %d", name, m.seed)
			}
		})
	}
}

// TestExplain looks at what is told about a divergence.
func TestExplain(t *testing.T) {
	m, d := find(t, sets.Named("riscv64"), mutate(mutants[0].run), 40)
	if m == nil {
		t.Fatal("no divergence")
	}
	text := m.explain(d)
	for _, want := range []string{fmt.Sprintf("riscv64, seed %d: slice", m.seed), "removed: slice", "Executed last:\n", "Program:\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	_, listing, _ := strings.Cut(text, "Program:\n")
	if lines := strings.Count(listing, "\n"); lines == 0 || lines > len(m.program.insns)/2 {
		t.Errorf("%d lines are left of a program of %d", lines, len(m.program.insns))
	}
	t.Log(text)
}
