package verifiertest

import (
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/preimage"
	"github.com/flexemu/flexemu/internal/proof"
)

// A victim is a proof that is to be damaged.
type victim struct {
	*world
	kind   string
	c      *testCase        // after the step
	before *machine.Machine // before it
	ref    *reference
	p      *proof.Proof
}

// A quarry says which case becomes a victim: the first one, of the plans whose name begins so, that fits.
type quarry struct {
	kind string
	plan string
	fits func(v *victim) bool
}

func quarries(w *world) []quarry {
	row := func(v *victim) bool { return v.ref.row >= 0 && !v.ref.trapped }
	leaves := func(v *victim) int { return len(v.leaves()) }
	data := func(v *victim) bool { return len(v.ref.touched) > 0 }
	exits := func(v *victim) bool { return v.ref.m.Get(ir.Exited) != 0 }
	parked := func(v *victim) bool { return v.before.Threads() > 1 }
	list := []quarry{
		{"computation", "", func(v *victim) bool { return row(v) && !data(v) }},
		{"load", "l", func(v *victim) bool { return row(v) && data(v) && !v.ref.stored }},
		{"store", "s", func(v *victim) bool { return row(v) && v.ref.stored && leaves(v) == 2 }},
		{"store to the instruction's leaf", "s", func(v *victim) bool {
			return row(v) && v.ref.stored && v.ref.touched[0].addr/merkle.LeafSize == v.before.Get(ir.PC)/merkle.LeafSize
		}},
		{"reservation", "l", func(v *victim) bool {
			return row(v) && v.ref.m.Get(ir.ReservationOwner) != v.before.Get(ir.ReservationOwner) && v.ref.m.Get(ir.ReservationStatus) != 0
		}},
		{"conditional store", "sc", func(v *victim) bool { return row(v) && v.ref.stored }},
		{"conditional store that fails", "sc", func(v *victim) bool { return row(v) && !v.ref.stored }},
		{"fault", "", func(v *victim) bool { return v.ref.row >= 0 && exits(v) }},
		{"unknown instruction", "unknown instruction", exits},
		{"misaligned pc", "misaligned pc", exits},
		{"pop", "exited thread", parked},
		{"preemption", "preemption", parked},
		{"preemption alone", "preemption", func(v *victim) bool { return v.before.Threads() == 1 }},
		{"halted", "halted", exits},
		{"read pre-image", "syscall read pre-image", func(v *victim) bool {
			return v.ref.stored && v.ref.count == 8 && v.before.Key[0] == preimage.Keccak256
		}},
		{"read the rest of a pre-image", "syscall read pre-image", func(v *victim) bool {
			return v.ref.stored && v.ref.count < 8 && v.before.Key[0] == preimage.SHA256
		}},
		{"read local data", "syscall read pre-image", func(v *victim) bool {
			return v.ref.stored && v.before.Key[0] == preimage.Local
		}},
		{"write key", "syscall write key", func(v *victim) bool { return v.ref.m.Key != v.before.Key }},
		{"clock_gettime", "syscall clock_gettime monotonic", func(v *victim) bool { return v.ref.stored && leaves(v) == 2+w.clockLeaf() }},
		{"futex wait", "syscall futex wait", func(v *victim) bool { return v.ref.m.Get(ir.Quantum) == 0 }},
		{"getrandom", "syscall getrandom", data},
		{"clone", "syscall clone as Go does", row0},
		{"exit of the last thread", "syscall exit", exits},
		{"exit", "syscall exit", func(v *victim) bool { return !exits(v) && parked(v) }},
		{"unknown syscall", "syscall unknown", row0},
	}
	if w.isa.Align == 2 {
		wide := func(v *victim) bool { return v.isa.Patterns()[v.ref.row].Size == 4 }
		list = append(list,
			quarry{"straddling load", "l", func(v *victim) bool { return row(v) && data(v) && !v.ref.stored && v.straddles() }},
			quarry{"straddling store", "s", func(v *victim) bool { return row(v) && v.ref.stored && v.straddles() }},
			quarry{"straddling instruction", "", func(v *victim) bool {
				return row(v) && wide(v) && v.before.Get(ir.PC)%merkle.LeafSize == merkle.LeafSize-2
			}},
		)
	}
	return list
}

func row0(v *victim) bool { return v.ref.m.Get(ir.Exited) == 0 }

// clockLeaf is how many leaves more a clock needs where proofs have fixed places.
func (w *world) clockLeaf() int {
	if w.kernel.FixedProofs() {
		return 1
	}
	return 0
}

func (v *victim) straddles() bool {
	a := v.ref.touched[0]
	return a.addr%merkle.LeafSize+uint64(a.size) > merkle.LeafSize
}

// leaves are the indices of the leaves that the witness proves, in order: those whose proofs the step uses.
func (v *victim) leaves() []uint64 {
	var list []uint64
	open := false
	see := func(addr uint64) {
		leaf := v.address(addr) / merkle.LeafSize
		if !open || list[len(list)-1] != leaf {
			list = append(list, leaf)
			open = true
		}
	}
	if v.ref.fetched {
		pc := v.before.Get(ir.PC)
		see(pc)
		if v.ref.row < 0 || v.isa.Patterns()[v.ref.row].Size == 4 {
			see(pc + 2)
		}
	}
	if v.kernel.FixedProofs() {
		open = false
	}
	for n, a := range v.ref.touched {
		if n == 1 && v.ref.closed && v.kernel.FixedProofs() {
			open = false
		}
		see(a.addr)
		see(a.addr + uint64(a.size) - 1)
	}
	return list
}

// hunt finds the victim of a quarry and proves it.
func (w *world) hunt(t *testing.T, q quarry) *victim {
	for seed := range uint64(400) {
		for _, p := range w.plans {
			if !strings.HasPrefix(p.name, q.plan) || strings.HasPrefix(p.name, "syscall") && !strings.HasPrefix(q.plan, "syscall") {
				continue
			}
			c := w.build(p, seed)
			v := &victim{world: w, kind: q.kind, c: c, before: c.machine.Fork()}
			v.ref = w.reference(c.machine.Fork(), c.host)
			v.ref.step()
			if !q.fits(v) {
				continue
			}
			var err error
			if v.p, err = w.record(c); err != nil {
				t.Fatalf("%s: %v", q.kind, err)
			}
			if skipped, err := w.contractAgrees(c, v.p); err != nil || skipped {
				t.Fatalf("%s: the contract does not take it undamaged: %v", q.kind, err)
			}
			return v
		}
	}
	t.Fatalf("there is no case of: %s", q.kind)
	return nil
}
