package interp_test

import (
	"testing"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
)

// TestPairs runs every pair of instructions that the loop executes at once, in random states and with every budget
// around it, beside ir.
func TestPairs(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		random := isatest.Random(11)
		pairs := interp.Pairs(i.Name)
		if len(pairs) == 0 {
			t.Fatal("the loop has no pairs")
		}
		whole := 0
		for _, pair := range pairs {
			for k := range 40 {
				l := newLab(t, i)
				l.state(random)
				pc := l.machines[0].Cells[ir.PC]
				first, second := isatest.Instance(i, pair[0], random), isatest.Instance(i, pair[1], random)
				l.put(pc, first)
				l.put(l.machines[0].Wrap(pc+i.Size(first)), second)
				n := l.running.Run(uint64(1 + k%2))
				if n == 2 {
					whole++
				}
				for range n {
					if trap, trapped := l.concrete.Step(); trapped {
						t.Fatalf("%s: Run went on behind a %v", l.describe(first, pc), trap)
					}
				}
				if err := l.compare(3, "Run"); err != nil {
					t.Fatalf("%s, %s after %d: %v", l.describe(first, pc), l.describe(second, pc+i.Size(first)), n, err)
				}
				if got, want := l.machines[3].Mem.Root(), l.machines[0].Mem.Root(); got != want {
					t.Fatalf("%s, %s: memory differs", l.describe(first, pc), l.describe(second, pc+i.Size(first)))
				}
			}
		}
		if whole < len(pairs)*10 {
			t.Errorf("only %d of %d pairs ran as a whole", whole, len(pairs)*20)
		}
	})
}
