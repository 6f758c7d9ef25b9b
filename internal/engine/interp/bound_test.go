package interp

import (
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/machine"
)

// TestBound runs through more pages of zeros than an engine keeps decoded, and then a page of code that has been
// decoded before and is overwritten.
func TestBound(t *testing.T) {
	var mips *isa.ISA
	for _, i := range sets.All() {
		if i.Name == "mips64" {
			mips = i
		}
	}
	m := machine.New(mips.Thread)
	e, err := New(mips, m)
	if err != nil {
		t.Fatal(err)
	}
	run := func(pc uint64) {
		m.Cells[ir.PC], m.Cells[ir.NextPC] = pc, pc+4
		if n := e.Run(1); n != 1 {
			t.Fatalf("%d instructions ran at %#x", n, pc)
		}
	}
	const first, addiu = 1 << 20, 0x24020000 // addiu v0, zero, …
	for round := range uint64(3) {
		for n := range uint64(2) { // the second one is written over what is decoded
			want := 2*round + n + 1
			m.Store(first, 4, true, addiu+want)
			if run(first); m.Cells[2] != want {
				t.Fatalf("round %d: v0 is %d after %d was loaded", round, m.Cells[2], want)
			}
		}
		for n := range uint64(maxPages + 1) {
			run(first + (n+1)*machine.PageSize)
		}
		if len(e.pages) > maxPages {
			t.Fatalf("%d pages are decoded", len(e.pages))
		}
	}
	if m.Mem.Pages() != 1 {
		t.Errorf("the machine has %d pages", m.Mem.Pages())
	}
}
