package enginetest

import (
	"testing"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

func TestInterp(t *testing.T) { All(t, newLoop) }

func FuzzInterp(f *testing.F) { FuzzPrograms(f, newLoop) }

// TestTame runs programs that must not trap for longer than the other tests do.
func TestTame(t *testing.T) {
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		for seed := range uint64(scaled(13, 2)) {
			p, m := endless(i, seed), machine.New(i.Thread)
			p.install(m)
			e, err := interp.New(i, m)
			if err != nil {
				t.Fatal(err)
			}
			if err := advanceBy(e, 400_000); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	})
}

// counting counts how often rows are executed.
type counting struct {
	*interp.Engine
	isa  *isa.ISA
	rows map[int]int
}

func (c counting) Run(uint64) uint64 { return 0 }

func (c counting) Step() (ir.TrapKind, bool) {
	if r, ok := c.isa.Decode(c.Fetch()); ok {
		c.rows[r]++
	}
	return c.Engine.Step()
}

// TestCoverage looks whether the program of each row executes it, and not only once.
func TestCoverage(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const steps, often = 2000, 4
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		for r, row := range i.Rows {
			rows := map[int]int{}
			n := func(i *isa.ISA, m *machine.Machine) (Engine, error) {
				e, err := interp.New(i, m)
				return counting{e, i, rows}, err
			}
			m := rowMatch(i, r, 0)
			m.new, m.steps = n, steps
			m.check(t)
			if rows[r] < often {
				t.Errorf("%s: its program executes it %d times", row.Name, rows[r])
			}
		}
	})
}
