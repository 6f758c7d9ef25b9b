package verifiertest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/proof"
)

// An outcome is what became of a case.
type outcome struct {
	row     int // the instruction, or -1
	trapped bool
	stored  bool
	skipped bool // the contract was not asked
}

// check makes the step of a case in every way that there is. An error says which two differ.
func (w *world) check(c *testCase) (outcome, error) {
	ref := w.reference(c.machine.Fork(), c.host)
	ref.step()
	out := outcome{row: ref.row, trapped: ref.trapped, stored: ref.stored}

	fast := c.machine.Fork()
	if until := fast.Get(ir.Step) + 1; until != 0 {
		if err := w.system(fast, c.host).Run(until); err != nil {
			return out, err
		}
		if err := same(ref.m, fast); err != nil {
			return out, fmt.Errorf("the interpreter's loop: %w", err)
		}
	}

	p, err := w.record(c)
	if err != nil {
		return out, err
	}
	if err := same(ref.m, c.machine); err != nil {
		return out, fmt.Errorf("the interpreter that records: %w", err)
	}
	if err := proof.Check(w.isa, p); err != nil {
		return out, fmt.Errorf("replay: %w", err)
	}
	out.skipped, err = w.contractAgrees(c, p)
	return out, err
}

func (w *world) record(c *testCase) (*proof.Proof, error) {
	return proof.Record(w.kernel, w.system(c.machine, c.host))
}

// contractAgrees runs the contract on a proof.
func (w *world) contractAgrees(c *testCase, p *proof.Proof) (skipped bool, err error) {
	if p.OracleOffset != nil {
		if err := w.load(p, c.context); errors.Is(err, errPastEnd) {
			return true, nil
		} else if err != nil {
			return false, err
		}
	}
	r, err := w.chain.Step(w.contract, p.StateData, p.ProofData, c.context)
	if err != nil {
		return false, err
	}
	if r.Reverted {
		return false, fmt.Errorf("the contract reverts: %s", r.Reason)
	}
	if r.Post != [32]byte(p.Post) {
		return false, fmt.Errorf("the contract comes to %x, not %x", r.Post, []byte(p.Post))
	}
	return false, nil
}

// errPastEnd: the oracle cannot say yet that a pre-image has no byte at an offset.
var errPastEnd = errors.New("the pre-image is read past its end")

// load gives the oracle what the step reads.
func (w *world) load(p *proof.Proof, context [32]byte) error {
	err := w.chain.LoadPreimage([32]byte(p.OracleKey), p.OracleValue[8:], *p.OracleOffset, context)
	if err != nil && *p.OracleOffset >= uint64(len(p.OracleValue)) {
		return errPastEnd
	}
	return err
}

// same compares whole machines.
func same(want, got *machine.Machine) error {
	var zero merkle.Hash
	if !bytes.Equal(want.EncodeWithMemory(zero), got.EncodeWithMemory(zero)) {
		var list []string
		for c := range ir.Cell(ir.NumCells - 1) {
			if a, b := want.Get(c), got.Get(c); a != b {
				list = append(list, fmt.Sprintf("%v is %#x, not %#x", c, b, a))
			}
		}
		if want.Key != got.Key {
			list = append(list, fmt.Sprintf("the key is %x, not %x", got.Key, want.Key))
		}
		if want.Threads() != got.Threads() || len(list) == 0 {
			list = append(list, "the parked threads differ")
		}
		return errors.New(strings.Join(list, ", "))
	}
	return sameMemory(want, got)
}

// sameMemory compares the pages of both; an absent one is zero.
func sameMemory(want, got *machine.Machine) error {
	inOther := func(other *machine.Machine) func(uint64, *[machine.PageSize]byte) error {
		return func(page uint64, data *[machine.PageSize]byte) error {
			var found [machine.PageSize]byte
			other.Peek(page*machine.PageSize, found[:])
			if found != *data {
				return fmt.Errorf("the memory of page %#x differs", page*machine.PageSize)
			}
			return nil
		}
	}
	if err := want.Mem.EachPage(inOther(got)); err != nil {
		return err
	}
	return got.Mem.EachPage(inOther(want))
}

// casesWanted is how many cases of an instruction set TestSteps tries.
func casesWanted(t *testing.T) int {
	text := os.Getenv("FLEXEMU_CASES")
	if text == "" {
		return 36_000 / len(sets.All())
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("FLEXEMU_CASES: %v", err)
	}
	return n
}

// TestSteps makes one step in machines of every plan. FLEXEMU_CASES says in how many; see also FuzzStep.
func TestSteps(t *testing.T) {
	eachISA(t, func(t *testing.T, w *world) {
		n := casesWanted(t)
		seen := newCoverage(w)
		var lock sync.Mutex
		var wait sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for worker := range workers {
			w, own := w.fork(), newCoverage(w)
			wait.Go(func() {
				for c := worker; c < n; c += workers {
					w.try(t, c%len(w.plans), uint64(c/len(w.plans)), own)
				}
				lock.Lock()
				defer lock.Unlock()
				seen.add(own)
			})
		}
		wait.Wait()
		t.Logf("%d plans, %d cases, %d of them without the contract", len(w.plans), n, seen.skipped)
		if n >= 25*len(w.plans) {
			seen.check(t, w)
		}
	})
}

func (w *world) try(t *testing.T, plan int, seed uint64, seen *coverage) {
	p := w.plans[plan]
	out, err := w.check(w.build(p, seed))
	if err != nil {
		t.Errorf("%s, plan %d, seed %d: %v", p.name, plan, seed, err)
	}
	seen.count(out)
}

// FuzzStep tries one case of any plan: go test -fuzz FuzzStep.
func FuzzStep(f *testing.F) {
	for n := range sets.All() {
		f.Add(uint8(n), uint16(0), uint64(1))
	}
	f.Fuzz(func(t *testing.T, set uint8, plan uint16, seed uint64) {
		i := sets.All()[int(set)%len(sets.All())]
		w := worlds[i.Name]()
		w.try(t, int(plan)%len(w.plans), seed, newCoverage(w))
	})
}

// A coverage counts what the cases did.
type coverage struct {
	skipped                          int
	done, trapped, stored, notStored []int // by row
}

func newCoverage(w *world) *coverage {
	n := len(w.isa.Rows)
	return &coverage{done: make([]int, n), trapped: make([]int, n), stored: make([]int, n), notStored: make([]int, n)}
}

func (c *coverage) count(o outcome) {
	if o.skipped {
		c.skipped++
	}
	switch {
	case o.row < 0:
	case o.trapped:
		c.trapped[o.row]++
	default:
		c.done[o.row]++
		if o.stored {
			c.stored[o.row]++
		} else {
			c.notStored[o.row]++
		}
	}
}

func (c *coverage) add(o *coverage) {
	c.skipped += o.skipped
	for r := range c.done {
		c.done[r] += o.done[r]
		c.trapped[r] += o.trapped[r]
		c.stored[r] += o.stored[r]
		c.notStored[r] += o.notStored[r]
	}
}

// neverTrap are rows whose meaning refuses what their fields cannot say: it is that of their kin.
var neverTrap = []string{"dext", "dinsm"}

// check looks whether every row was seen doing all that it can do, as far as traps and stores tell.
func (c *coverage) check(t *testing.T, w *world) {
	for r, row := range w.isa.Rows {
		can := newAbility(w.rows[r].Body)
		for what, missing := range map[string]bool{
			"ran to its end":                  can.end && c.done[r] == 0,
			"trapped":                         can.trap && c.trapped[r] == 0 && !slices.Contains(neverTrap, row.Name),
			"wrote to memory":                 can.store && c.stored[r] == 0,
			"could have written, and did not": can.store && can.choose && c.notStored[r] == 0,
		} {
			if missing {
				t.Errorf("%s never %s", row.Name, what)
			}
		}
	}
}

// An ability is what a meaning may do: end without a trap, trap, store, choose whether to store.
type ability struct{ end, trap, store, choose bool }

func newAbility(body []*ir.Stmt) ability {
	a := ability{end: true}
	for _, s := range body {
		switch s.Kind {
		case ir.Trap:
			a.trap, a.end = true, false
		case ir.Store:
			a.store = true
		}
		s.Each(func(list []*ir.Stmt) {
			inner := newAbility(list)
			a.trap = a.trap || inner.trap
			a.choose = a.choose || inner.store
			a.store = a.store || inner.store
		})
	}
	return a
}
