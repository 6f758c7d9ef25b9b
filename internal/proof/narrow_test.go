package proof

import (
	"testing"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
)

// silent is a host that is never asked.
type silent struct{ bare.Host }

// A pc to which no program comes, as a forged snapshot may have it, leads to the same states in a run, in single
// steps and in their replay.
func TestForgedPC(t *testing.T) {
	const code = 0x1000
	increment := map[string]uint64{"mips32": 0x24210001, "riscv32": 0x00108093, "mips64": 0x24210001, "riscv64": 0x00108093}
	for name, word := range increment {
		for _, pc := range []uint64{1<<32 | code, 1<<33 | code, 1<<32 - 4, ^uint64(0) &^ 3, ^uint64(0) &^ 1} {
			i := sets.Named(name)
			k, err := bare.New(i)
			if err != nil {
				t.Fatal(err)
			}
			start := func() *bare.System {
				m := machine.New(i.Thread)
				k.Start(m, pc, code)
				for _, at := range []uint64{code, code + 4, 1<<32 - 4} {
					m.Mem.WriteSlow(at, 4, i.Big, word)
				}
				e, err := interp.New(i, m)
				if err != nil {
					t.Fatal(err)
				}
				s, err := k.NewSystem(m, e, silent{})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			running, stepping := start(), start()
			for n := uint64(1); n <= 3; n++ {
				if err := running.Run(n); err != nil {
					t.Fatal(err)
				}
				p, err := Record(k, stepping)
				if err != nil {
					t.Fatal(err)
				}
				if running.Machine.Root() != stepping.Machine.Root() {
					t.Errorf("%s, pc %#x: the run and the steps differ at step %d", name, pc, n)
				}
				if err := Check(i, p); err != nil {
					t.Errorf("%s, pc %#x: step %d: %v", name, pc, n, err)
				}
			}
		}
	}
}
