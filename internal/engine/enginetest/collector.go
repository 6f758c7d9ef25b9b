package enginetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/machine"
)

// pauses is the time that it took to stop all goroutines, of all collections so far.
const pauses = "/sched/pauses/stopping/gc:seconds"

// longestPause is the end of the last class of that histogram that has grown since before.
func longestPause(before, after *metrics.Float64Histogram) time.Duration {
	longest := 0.0
	for k, count := range after.Counts {
		if count > before.Counts[k] {
			longest = after.Buckets[k+1]
		}
	}
	return time.Duration(longest * float64(time.Second))
}

func readPauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: pauses}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// collect calls the garbage collector again and again until stop is closed.
func collect(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			runtime.GC()
		}
	}
}

// whileCollecting runs f, and tells how long the collector had to wait for goroutines to stop.
func whileCollecting(f func()) time.Duration {
	stop := make(chan struct{})
	var collector sync.WaitGroup
	before := readPauses()
	collector.Go(func() { collect(stop) })
	f()
	close(stop)
	collector.Wait()
	return longestPause(before, readPauses())
}

// checking are the settings with which the runtime looks for what the collector has missed, and overwrites what is
// free.
const checking = "gccheckmark=1,clobberfree=1"

// Collector runs engines in several goroutines while the garbage collector runs all the time: their results must be
// right, and the collector must not have to wait for them. It does the same in a process of its own in which the
// runtime checks the collector's work.
func Collector(t *testing.T, n New) {
	t.Run("long runs", func(t *testing.T) { longRuns(t, n) })
	t.Run("short runs", func(t *testing.T) { shortRuns(t, n) })
	t.Run("forks", func(t *testing.T) { forks(t, n) })
	if testing.Short() || strings.Contains(os.Getenv("GODEBUG"), checking) {
		return
	}
	t.Run(checking, func(t *testing.T) {
		name := "^" + strings.ReplaceAll(strings.TrimSuffix(t.Name(), "/"+checking), "/", "$/^") + "$"
		cmd := exec.Command(os.Args[0], "-test.short", "-test.run", name)
		cmd.Env = append(os.Environ(), "GODEBUG="+checking)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("GODEBUG=%s: %v\n%s", checking, err, out)
		}
	})
}

// endless is a program in which nothing traps.
func endless(i *isa.ISA, seed uint64) *program {
	return generate(i, seed, plan{pieces: 12, tame: true, patching: seed%3 == 0, favourite: noRow})
}

// advanceBy executes n instructions of a program that does not trap, in one call if the engine can.
func advanceBy(e Engine, n uint64) error {
	return caught(func() error {
		for n > 0 {
			done := e.Run(n)
			if n -= done; n == 0 {
				return nil
			}
			if trap, trapped := e.Step(); trapped {
				return fmt.Errorf("the program traps: %v", trap)
			}
			n--
		}
		return nil
	})
}

// longRuns makes calls of Run that take a second each.
func longRuns(t *testing.T, n New) {
	aim := time.Duration(scaled(1300, 200)) * time.Millisecond
	const worst, usual = time.Second, 10 * time.Millisecond
	type runner struct {
		program *program
		m       *machine.Machine
		e       Engine
		steps   uint64
		err     error
	}
	runners := make([]runner, max(2, runtime.GOMAXPROCS(0)))
	for k := range runners {
		r := &runners[k]
		i := sets.All()[(k*4)%len(sets.All())]
		r.program, r.m = endless(i, uint64(k)+1), machine.New(i.Thread)
		r.program.install(r.m)
		var err error
		r.e, err = n(i, r.m)
		skipUnsupported(t, err)
		const trial = 1_000_000
		skipUnsupported(t, advanceBy(r.e, trial)) // warms up
		start := time.Now()
		skipUnsupported(t, advanceBy(r.e, trial))
		r.steps = uint64(float64(trial) * aim.Seconds() / time.Since(start).Seconds())
	}
	pause := whileCollecting(func() {
		var all sync.WaitGroup
		for k := range runners {
			r := &runners[k]
			all.Go(func() { r.err = advanceBy(r.e, r.steps) })
		}
		all.Wait()
	})
	t.Logf("the collector had to wait for %v at most", pause)
	switch {
	case pause > worst:
		t.Errorf("the collector had to wait for %v: an engine does not let itself be stopped", pause)
	case pause > usual:
		t.Logf("that is more than %v; is the host busy?", usual)
	}
	for k := range runners {
		r := &runners[k]
		skipUnsupported(t, r.err)
		again := machine.New(r.program.isa.Thread)
		r.program.install(again)
		e, err := n(r.program.isa, again)
		skipUnsupported(t, err)
		skipUnsupported(t, advanceBy(e, 2_000_000+r.steps))
		if err := sameState(r.m, again); err != nil {
			t.Errorf("%s: %d steps while the collector ran, and when it did not: %v", r.program.isa.Name, r.steps, err)
		}
	}
}

// shortRuns plays matches, in which engines and machines come and go.
func shortRuns(t *testing.T, n New) {
	var failed atomic.Pointer[string]
	pause := whileCollecting(func() {
		var all sync.WaitGroup
		for k := range 2 {
			all.Go(func() {
				for seed := range uint64(scaled(6, 2)) {
					for _, i := range sets.All() {
						s := 100 + 2*seed + uint64(k)
						m := match{new: n, isa: i, seed: s, program: generate(i, s, programPlan(s)), steps: 20_000}
						d, _, err := m.play()
						if err == nil && d == nil {
							continue
						}
						text := fmt.Sprintf("%s, seed %d: %v", i.Name, s, err)
						if d != nil {
							text = m.explain(d)
						}
						failed.Store(&text)
						return
					}
				}
			})
		}
		all.Wait()
	})
	if text := failed.Load(); text != nil {
		t.Error(*text)
	}
	t.Logf("the collector had to wait for %v at most", pause)
}

// forks runs copies of one machine in several goroutines, each with its own engine. They share what none has written.
func forks(t *testing.T, n New) {
	const steps, copies = 200_000, 4
	for _, i := range sets.All() {
		p, m := endless(i, 5), machine.New(i.Thread)
		p.install(m)
		e, err := n(i, m)
		skipUnsupported(t, err)
		skipUnsupported(t, advanceBy(e, steps))
		machines := []*machine.Machine{m}
		engines := []Engine{e}
		for range copies {
			fork := m.Fork()
			e, err := n(i, fork)
			skipUnsupported(t, err)
			machines, engines = append(machines, fork), append(engines, e)
		}
		var all sync.WaitGroup
		errs := make([]error, len(engines))
		for k, e := range engines {
			all.Go(func() {
				for range 4 {
					errs[k] = errors.Join(errs[k], advanceBy(e, steps/4))
					machines[k].Root()
				}
			})
		}
		all.Wait()
		again := machine.New(i.Thread)
		p.install(again)
		e, err = interp.New(i, again)
		skipUnsupported(t, err)
		skipUnsupported(t, advanceBy(e, 2*steps))
		for k, m := range machines {
			skipUnsupported(t, errs[k])
			if err := sameState(m, again); err != nil {
				t.Errorf("%s: copy %d: %v", i.Name, k, err)
			}
		}
	}
}
