//go:build linux && amd64

package jit

import (
	"testing"

	"github.com/flexemu/flexemu/internal/isa/sets"
)

// TestRounded executes a loop whose load is never aligned, from a page that nobody stores to. Code that expects it to be has
// to be replaced soon.
func TestRounded(t *testing.T) {
	if !supported {
		t.Skip(ErrUnsupported)
	}
	const load = 0x10004
	for _, name := range []string{"mips64", "mips32"} {
		l := &loop{isa: sets.Named(name), name: name, entry: 0x10000, words: []word{
			{0x10000, 4, 0x26040001}, // addiu a0, s0, 1
			{load, 4, 0x8c820000},    // lw v0, 0(a0)
			{0x10008, 4, 0x00431021}, // addu v0, v0, v1
			{0x1000c, 4, 0x1000fffd}, // b load
			{0x10010, 4, 0x24630001}, // addiu v1, v1, 1
		}}
		if n := l.compare(t).known.failures[load]; n < maxFailures || n > 2*maxFailures {
			t.Errorf("%s: code was left %d times for the load", name, n)
		}
	}
}
