package enginetest

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/machine"
)

// soakVariable is the environment variable that makes Soak run: the number of steps, or "yes" for defaultSoak.
const (
	soakVariable = "FLEXEMU_SOAK"
	defaultSoak  = 1_000_000_000
)

// usage is the memory of this process in bytes.
type usage struct{ virtual, resident int64 }

// used gives the usage after what is free was given back. ok is false where it is not known.
func used() (u usage, ok bool) {
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return u, false
	}
	var pages usage
	if _, err := fmt.Sscan(string(b), &pages.virtual, &pages.resident); err != nil {
		return u, false
	}
	size := int64(os.Getpagesize())
	return usage{pages.virtual * size, pages.resident * size}, true
}

// Soak runs many steps, some in one machine that lives long, some in machines that come and go, with code that is
// overwritten, roots and forks in between. The memory of the process must not grow.
func Soak(t *testing.T, n New) {
	value := os.Getenv(soakVariable)
	if value == "" {
		t.Skipf("%s is not set to a number of steps", soakVariable)
	}
	total := uint64(defaultSoak)
	if value != "yes" {
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || f < 1 {
			t.Fatalf("%s=%q is no number of steps", soakVariable, value)
		}
		total = uint64(f)
	}
	const rounds = 50
	var first, last usage
	for round := range uint64(rounds) {
		soakRound(t, n, round, total/rounds)
		now, ok := used()
		if !ok {
			continue
		}
		if last = now; round == rounds/10 {
			first = now
		}
		if round%10 == 9 {
			t.Logf("after %d steps: %d MiB resident of %d MiB", (round+1)*(total/rounds), now.resident>>20, now.virtual>>20)
		}
	}
	const slack, reserved = 32 << 20, 1 << 40 // bytes; what is free is given back some time later
	if last.resident > first.resident+first.resident/4+slack || last.virtual > first.virtual+reserved {
		t.Errorf("%d MiB of %d MiB are resident at the end, %d MiB of %d MiB were after a tenth of the steps",
			last.resident>>20, last.virtual>>20, first.resident>>20, first.virtual>>20)
	}
}

// soakRound runs one program in one machine for half of the steps, and in new ones for the others.
func soakRound(t *testing.T, n New, round, steps uint64) {
	i := sets.All()[round%uint64(len(sets.All()))]
	seed := 3*round + 1
	if round%12 == 7 {
		seed-- // one that overwrites its code, which is slow
	}
	p := endless(i, seed)
	const lives = 20
	run := func(steps uint64) {
		m := machine.New(i.Thread)
		p.install(m)
		e, err := n(i, m)
		skipUnsupported(t, err)
		const slices = 50
		for k := range slices {
			skipUnsupported(t, advanceBy(e, steps/slices))
			switch k % 8 {
			case 3:
				m.Root()
			case 5:
				m.Fork()
			}
		}
	}
	run(steps / 2)
	for range lives {
		run(steps / 2 / lives)
	}
}
