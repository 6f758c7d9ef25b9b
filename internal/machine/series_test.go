package machine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/merkle"
)

// TestSeries compares the roots of a series with those that hashing after each mark gives: of states with writes
// close together and far apart, to the same leaves again and again, back to old values, of nothing, and with threads
// that come and go.
func TestSeries(t *testing.T) {
	for seed := range uint64(8) {
		src := rand.New(rand.NewPCG(seed, 1))
		r := threads{m: New([]ir.Cell{1, 2, ir.PC}), rand: src}
		places := []uint64{0, 1 << 20, 1<<32 - 8, 0xc0_0000_0000, 1<<63 + 5, ^uint64(0) - 100}
		for i := range uint64(64) {
			r.m.Mem.WriteSlow(places[3]+i*PageSize, 8, true, i+seed)
		}
		if seed%3 == 0 {
			r.m.Root()
		}
		checkSeries(t, &r, places)
	}
}

// checkSeries makes twice as many marks as are hashed at once.
func checkSeries(t *testing.T, r *threads, places []uint64) {
	t.Helper()
	s := r.m.NewSeries()
	defer s.Close()
	var got, want []merkle.Hash
	spread := uint64(1) << r.rand.IntN(20)
	for range 2 * seriesLength {
		for range r.rand.IntN(4) {
			addr := places[r.rand.IntN(len(places))] + r.rand.Uint64N(spread)
			r.m.Store(addr, 1<<r.rand.IntN(4), r.rand.IntN(2) == 0, r.rand.Uint64()>>r.rand.IntN(64)&3)
		}
		if r.rand.IntN(50) == 0 {
			var p [300]byte
			r.m.Mem.Write(places[r.rand.IntN(len(places))], p[:r.rand.IntN(len(p))])
		}
		if r.rand.IntN(8) == 0 {
			r.step()
		}
		r.m.Cells[ir.PC], r.m.Cells[ir.Step] = r.rand.Uint64(), r.m.Cells[ir.Step]+1
		more := s.Mark()
		want = append(want, r.m.Root())
		if !more || r.rand.IntN(500) == 0 {
			got = s.Roots(got)
		}
	}
	r.m.Cells[ir.Exited], r.m.Cells[ir.ExitCode] = 1, r.rand.Uint64N(4)
	s.Mark()
	want = append(want, r.m.Root())
	got = s.Roots(got)
	if got = s.Roots(got); !slices.Equal(got, want) {
		at := 0
		for got[at] == want[at] {
			at++
		}
		t.Fatalf("root %d of %d is %x, want %x", at, len(want), got[at], want[at])
	}
}
