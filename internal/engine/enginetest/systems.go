package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
)

// A world is the host of a system: what it was shown, in order, and pre-images that follow from their keys.
type world struct {
	bare.Host
	shown []byte
}

func (w *world) Output(fd int, p []byte) error {
	w.shown = append(append(w.shown, byte(fd)), p...)
	return nil
}

func (w *world) Hint(p []byte) error {
	w.shown = append(append(w.shown, 'h'), p...)
	return nil
}

func (w *world) Preimage(key [32]byte) ([]byte, error) {
	if w.Host != nil {
		return w.Host.Preimage(key)
	}
	return append(key[:], key[:key[31]%9]...), nil
}

// A guest is a program for the kernel: what a system starts from.
type guest struct {
	isa   *isa.ISA
	start *machine.Machine
	host  bare.Host // for pre-images; nil if there are none
}

// threadsGuest is the random program of a seed.
func threadsGuest(i *isa.ISA, seed uint64) (*guest, error) {
	p := generateThreads(i, seed, plan{pieces: 2 + int(seed%5), tame: seed%4 != 3, patching: seed%3 == 0, favourite: noRow})
	m := machine.New(i.Thread)
	p.install(m)
	k, err := bare.New(i)
	if err != nil {
		return nil, err
	}
	k.Start(m, p.wrap(p.base), p.wrap(p.top-2*frameSize))
	return &guest{isa: i, start: m}, nil
}

// system puts a machine together with the engine under test.
func (g *guest) system(n New, m *machine.Machine, w *world) (*bare.System, error) {
	e, err := n(g.isa, m)
	if err != nil {
		return nil, err
	}
	k, err := bare.New(g.isa)
	if err != nil {
		return nil, err
	}
	return k.NewSystem(m, e, w)
}

// stepwise is the interpreter without its loop.
type stepwise struct{ *interp.Engine }

func (stepwise) Run(uint64) uint64 { return 0 }

func newStepwise(i *isa.ISA, m *machine.Machine) (Engine, error) {
	e, err := interp.New(i, m)
	return stepwise{e}, err
}

func newLoop(i *isa.ISA, m *machine.Machine) (Engine, error) { return interp.New(i, m) }

// A relay runs a guest on both engines from stop to stop.
type relay struct {
	*guest
	new            New
	tested, oracle *bare.System
	seen, want     world
	quick          bool // the other system is the interpreter's loop, too
	kept           [][2]*machine.Machine
}

// exactly is how many steps the interpreter makes singly before it may use its loop. That one is held against single
// steps itself; a long guest would take too long.
const exactly = 500_000

// run goes on until the step counter is limit, or the machine has halted.
func (r *relay) run(seed, limit uint64) (err error) {
	r.seen, r.want = world{Host: r.host}, world{Host: r.host}
	if err := r.systems(r.start.Fork(), r.start.Fork()); err != nil {
		return err
	}
	random := isatest.Random(seed)
	for r.oracle.Machine.Cells[ir.Exited] == 0 && r.oracle.Machine.Cells[ir.Step] < limit {
		until := r.oracle.Machine.Cells[ir.Step] + r.length(random)
		if err := r.to(until); err != nil {
			return fmt.Errorf("to step %d: %w", until, err)
		}
		if !r.quick && until > exactly {
			r.quick = true
			if err := r.systems(r.tested.Machine, r.oracle.Machine); err != nil {
				return err
			}
		}
		if err := r.between(random); err != nil {
			return fmt.Errorf("at step %d: %w", until, err)
		}
	}
	for _, pair := range r.kept {
		if err := sameState(pair[0], pair[1]); err != nil {
			return fmt.Errorf("the machine that was forked at step %d: %w", pair[1].Cells[ir.Step], err)
		}
	}
	return nil
}

func (r *relay) systems(tested, oracle *machine.Machine) (err error) {
	if r.tested, err = r.system(r.new, tested, &r.seen); err != nil {
		return err
	}
	other := newStepwise
	if r.quick {
		other = newLoop
	}
	r.oracle, err = r.system(other, oracle, &r.want)
	return err
}

// length is how many steps until the next stop.
func (*relay) length(random *rand.Rand) uint64 {
	switch r := random.IntN(48); {
	case r < 6:
		return 1 + random.Uint64N(8)
	case r < 20:
		return 1 + random.Uint64N(3000)
	case r < 40:
		return 1 + random.Uint64N(30_000)
	}
	return 250_000
}

// to makes both stop at the same step, and compares.
func (r *relay) to(until uint64) error {
	err, want := caught(func() error { return r.tested.Run(until) }), r.oracle.Run(until)
	if fmt.Sprint(err) != fmt.Sprint(want) {
		return fmt.Errorf("the error is %w, not %w", err, want)
	}
	if err := sameCells(r.tested.Machine, r.oracle.Machine); err != nil {
		return err
	}
	if !bytes.Equal(r.seen.shown, r.want.shown) {
		return fmt.Errorf("%d bytes were shown to the host, not these %d", len(r.seen.shown), len(r.want.shown))
	}
	return nil
}

// between looks at the states, and forks and saves them.
func (r *relay) between(random *rand.Rand) error {
	tested, oracle := r.tested.Machine, r.oracle.Machine
	switch random.IntN(16) {
	case 0, 1, 2, 3:
		return sameState(tested, oracle)
	case 4: // go on with the machines, or with their copies
		pair := [2]*machine.Machine{tested.Fork(), oracle.Fork()}
		if len(r.kept) > 8 {
			r.kept = r.kept[1:]
		}
		if random.IntN(2) == 0 {
			r.kept = append(r.kept, pair)
			return nil
		}
		r.kept = append(r.kept, [2]*machine.Machine{tested, oracle})
		return r.systems(pair[0], pair[1])
	case 5:
		if random.IntN(8) != 0 {
			return nil
		}
		a, got, err := restored(r.isa, tested)
		if err != nil {
			return err
		}
		b, want, err := restored(r.isa, oracle)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return errors.New("the snapshots differ")
		}
		return r.systems(a, b)
	}
	return nil
}

// windowSide is half the length of a window, in steps.
const windowSide = 300

// A window is the steps around one. Every how-manieth step is stopped at.
type window struct{ around, every uint64 }

// windows stops runs at steps within windows, which are in ascending order: each run is a long one, from the same step
// before the window. It gives the number of windows that were reached before the machine halted.
func (g *guest) windows(n New, list []window) (reached int, err error) {
	const lead = 5000 // steps; enough that hot code is compiled
	oracle, err := g.system(newStepwise, g.start.Fork(), new(world))
	if err != nil {
		return 0, err
	}
	for _, w := range list {
		first := w.around - windowSide
		if err := oracle.Run(first - lead); err != nil {
			return reached, err
		}
		from := oracle.Machine.Fork()
		for stop := first; stop <= w.around+windowSide; stop++ {
			if err := oracle.Run(stop); err != nil {
				return reached, err
			}
			if oracle.Machine.Cells[ir.Exited] != 0 {
				return reached, nil
			}
			if stop%w.every != 0 {
				continue
			}
			if err := g.stop(n, from, oracle.Machine, stop); err != nil {
				return reached, fmt.Errorf("from step %d to %d: %w", first-lead, stop, err)
			}
		}
		reached++
	}
	return reached, nil
}

// stop runs from a state to a step, at which the machine must be the same as another.
func (g *guest) stop(n New, from, want *machine.Machine, step uint64) error {
	m := from.Fork()
	tested, err := g.system(n, m, new(world))
	if err != nil {
		return err
	}
	if err := caught(func() error { return tested.Run(step) }); err != nil {
		return err
	}
	if err := sameCells(m, want); err != nil {
		return err
	}
	return sameRoots(m, want)
}

// Systems runs random programs with threads and syscalls under the kernel, from one random stop to the next.
func Systems(t *testing.T, n New) {
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		for seed := range uint64(scaled(6, 2)) {
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
				g, err := threadsGuest(i, seed)
				if err != nil {
					t.Fatal(err)
				}
				r := relay{guest: g, new: n}
				skipUnsupported(t, r.run(seed, uint64(scaled(1_000_000, 300_000))))
				m := r.oracle.Machine
				exited, code := m.Exited()
				t.Logf("%d steps, %d threads, exited: %t, %d, %d bytes shown",
					m.Cells[ir.Step], m.Cells[ir.NextThread], exited, code, len(r.want.shown))
			})
		}
	})
}

// Windows stops at every step, or at some, around the ends of quanta and in the midst of hot code.
func Windows(t *testing.T, n New) {
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		some := uint64(scaled(11, 61))
		all := uint64(scaled(2, 61))
		for seed, list := range [][]window{
			{{37_000, some}, {bare.QuantumSteps, all}, {133_333, some}, {2 * bare.QuantumSteps, some}},
			{{12_345, some}, {bare.QuantumSteps, some}},
		} {
			g, err := threadsGuest(i, 4*uint64(seed)) // of those that are tame
			if err != nil {
				t.Fatal(err)
			}
			reached, err := g.windows(n, list)
			skipUnsupported(t, err)
			t.Logf("%d of %d windows", reached, len(list))
			if reached == 0 {
				t.Errorf("the program of seed %d ends too early", 4*seed)
			}
		}
	})
}

// skipUnsupported ends a test with an error, or skips it where the host cannot have the engine.
func skipUnsupported(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}
