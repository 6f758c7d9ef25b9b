package verifiertest

import (
	"errors"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/proof"
)

// TestVectors makes the steps at which some of the executions once differed.
func TestVectors(t *testing.T) {
	vectors := map[string]func(b *builder){
		// A loop without any code took such a pc for one of its pages.
		"misaligned pc in the first page": func(b *builder) { b.at(b.w.isa.Align | 1) },
		"pc at the last odd address":      func(b *builder) { b.at(b.w.address(^uint64(0))) },
		"pc 1":                            func(b *builder) { b.at(1) },
		"pc 0":                            func(b *builder) { b.at(0) },
		"pc of the last instruction":      func(b *builder) { b.at(b.w.address(-b.w.isa.Align)) },
	}
	eachISA(t, func(t *testing.T, w *world) {
		for name, build := range vectors {
			for seed := range uint64(8) {
				if _, err := w.check(w.build(plan{name, build}, seed)); err != nil {
					t.Errorf("%s, seed %d: %v", name, seed, err)
				}
			}
		}
	})
}

// at is a case of any instruction at an address.
func (b *builder) at(pc uint64) {
	b.instruction(b.IntN(len(b.w.isa.Rows)))
	b.m.Cells[ir.PC], b.m.Cells[ir.NextPC] = pc, b.w.address(pc+4)
}

// TestZeroRegister has a thread with something in the register that reads as zero. No machine comes to that, and
// nobody says what its step is: Replay and contract refuse it.
func TestZeroRegister(t *testing.T) {
	eachISA(t, func(t *testing.T, w *world) {
		c := w.build(w.plans[0], 1)
		c.machine.Cells[0] = 5
		p, err := w.record(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.Replay(w.kernel, p); !errors.Is(err, proof.ErrWrong) {
			t.Errorf("the replay says: %v", err)
		}
		r, err := w.chain.Step(w.contract, p.StateData, p.ProofData, c.context)
		if err != nil {
			t.Fatal(err)
		}
		if r.Reason != "Malformed(3)" {
			t.Errorf("the contract comes to %x, reverted: %q", r.Post, r.Reason)
		}
	})
}
