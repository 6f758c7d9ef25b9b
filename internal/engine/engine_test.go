package engine_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/engine"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/mips"
	"github.com/flexemu/flexemu/internal/machine"
)

const (
	code = 0x1_0000
	data = 0x2_0000
)

// loop is a hot loop of random instructions of Cannon's decoding, with anything in their reserved bits: register 30
// counts down, 29 points to data.
func loop(i *isa.ISA, seed uint64) *machine.Machine {
	random := rand.New(rand.NewPCG(seed, 1))
	m := machine.New(i.Thread)
	at := uint64(code)
	put := func(w uint32) {
		m.Store(at, 4, true, uint64(w))
		at += 4
	}
	for n := 0; n < 60; {
		row := random.IntN(len(i.Rows))
		name, p := i.Rows[row].Name, &i.Patterns()[row]
		// Divisions trap, jumps leave.
		if strings.Contains(name, "div") || i.Jumps(row) || name == "syscall" {
			continue
		}
		w := random.Uint32()&^p.Mask | p.Match
		switch {
		case w>>26 >= 0x20 || w>>26 == 0x1a || w>>26 == 0x1b: // an access: to data, not into 29 and 30
			w = w&^(31<<21|31<<16|0xf000) | 29<<21 | random.Uint32()%29<<16
		case !p.Fits(w) || w>>11&31 >= 29 || w>>16&31 >= 29:
			continue
		}
		if !p.Fits(w) {
			continue
		}
		put(w)
		n++
	}
	put(0x27deffff)                                      // addiu r30, r30, -1
	put(0x17c00000 | uint32(int32(code-at-4)>>2)&0xffff) // bne r30, zero, code
	put(0)
	put(0x0000000c) // syscall
	for r := range 29 {
		m.Cells[r] = random.Uint64() >> (random.Uint64() % 64)
	}
	m.Cells[0], m.Cells[29], m.Cells[30] = 0, data, 3000
	m.Cells[ir.PC], m.Cells[ir.NextPC] = code, code+4
	return m
}

// TestCannonDecoding: the compiler's code for Cannon's decoding of MIPS64 is what single steps do, also where rows are
// left to them.
func TestCannonDecoding(t *testing.T) {
	for seed := range uint64(30) {
		i := mips.Cannon()
		if seed%3 == 0 {
			i = mips.Cannon("ll", "sc", "addu")
		}
		var ends [2]*machine.Machine
		for n, name := range []string{engine.Jit, engine.Interp} {
			m := loop(i, seed)
			e, _, err := engine.New(i, m, name)
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for made := 0; ; made++ {
				if name == engine.Jit && e.Run(1_000_000) > 0 {
					continue
				}
				if _, trapped := e.Step(); trapped {
					break
				}
			}
			ends[n] = m
		}
		a, b := ends[0], ends[1]
		a.Cells[ir.Sink], b.Cells[ir.Sink] = 0, 0
		if a.Cells[30] != 0 {
			t.Errorf("seed %d: the loop was left with %d rounds to go", seed, a.Cells[30])
		}
		if a.Cells != b.Cells || a.Mem.Root() != b.Mem.Root() {
			t.Errorf("seed %d: compiled code ends in %x, single steps in %x", seed, a.Cells[:64], b.Cells[:64])
		}
	}
}
