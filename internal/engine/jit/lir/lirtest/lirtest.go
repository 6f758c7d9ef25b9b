// Package lirtest holds a backend's code against the definition of lir. A backend's tests call one function:
//
//	func TestGenerate(t *testing.T) { lirtest.Run(t, Compile) }
//
// Regions of all forms are generated from a seed, compiled, and executed by the host, in memory laid out like
// machine.Flat; an interpreter of lir, written for clearness only, says what should come out. Where code may leave for
// the engine but need not, such as for an access to a segment that is not the expected one, either is right; the
// state at that point is compared in any case. When there is a difference the regions are made smaller, and printed.
//
// A difference that crashes the test is found with -v: the name of the last test tells its seed.
//
// Only tests import this package.
package lirtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// Compile is a backend.
type Compile func(*lir.Region, lir.Host) (*lir.Code, error)

// Run runs all tests. They are skipped on hosts without generated code.
func Run(t *testing.T, compile Compile) {
	h := &harness{space: newSpace(t), compile: compile}
	t.Run("operations", h.operations)
	t.Run("accesses", h.accesses)
	t.Run("programs", h.programs)
}

type harness struct {
	*space
	compile Compile
	seen    map[uint64]int // outcomes, by lir.Left…
}

// scaled picks a number for long and one for short tests.
func scaled(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
}

// kinds are the sorts of guests.
var kinds = []struct {
	name          string
	narrow, delay bool
}{
	{"wide", false, false},
	{"wide with delay slots", false, true},
	{"narrow", true, false},
	{"narrow with delay slots", true, true},
}

// eachSeed runs a test for guests of all sorts and some seeds.
func eachSeed(t *testing.T, seeds int, f func(t *testing.T, g *generator)) {
	for n, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			for seed := range seeds {
				passed := t.Run(fmt.Sprint(seed), func(t *testing.T) {
					random := rand.New(rand.NewPCG(uint64(seed), uint64(n)))
					f(t, &generator{Rand: random, world: &world{narrow: k.narrow, delay: k.delay, align: 4}})
				})
				if !passed {
					return // what follows is seldom another bug
				}
			}
		})
	}
}

// check runs one world from some starts.
func (h *harness) check(t *testing.T, w *world, starts []*start) {
	t.Helper()
	l, err := h.load(h.compile, w)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range starts {
		did, err := l.try(s)
		if err != nil {
			h.report(t, w, s)
		}
		h.seen[did.kind]++
	}
	if err := l.checkArena(); err != nil {
		h.reset()
		t.Fatalf("in one of %d runs: %v\n%s", len(starts), err, w)
	}
}

// report makes a failing world smaller, and fails with it.
func (h *harness) report(t *testing.T, w *world, s *start) {
	t.Helper()
	defer h.reset()
	var difference error
	shrink(w, func(w *world) bool {
		h.reset()
		l, err := h.load(h.compile, w)
		if err != nil {
			return false
		}
		_, err = l.try(s)
		if err != nil {
			difference = err
		}
		return err != nil
	})
	var state strings.Builder
	for c, v := range s.cells {
		if used(w, ir.Cell(c)) {
			fmt.Fprintf(&state, "  %v = %#x\n", ir.Cell(c), v)
		}
	}
	t.Fatalf("%v\nat region %d, block %d, with a budget of %d and\n%s%s", difference, s.region, s.block, s.budget, &state, w)
}

// try runs code and reference, and compares.
func (l *loaded) try(s *start) (outcome, error) {
	l.prepare(s)
	left, reason := enter(l.entry(s.place), uintptr(l.context), s.budget)
	did := outcome{kind: reason & lir.LeftMask, left: left}
	if reason>>32 != 0 {
		return did, fmt.Errorf("it gives %#x", reason)
	}
	switch n := int(reason &^ lir.LeftMask); did.kind {
	case lir.LeftSite, lir.LeftBudget:
		if n -= siteBase; n < 0 || n >= len(l.sites) {
			return did, fmt.Errorf("there is no site %d", n)
		}
		did.site = l.sites[n]
	case lir.LeftEdge:
		if n -= slotBase; n < 0 || n >= len(l.slots) {
			return did, fmt.Errorf("there is no slot %d", n)
		}
		did.edge = l.slots[n].Edge
	default:
		if n != 0 {
			return did, fmt.Errorf("the number in %#x should be 0", reason)
		}
	}
	m := &reference{
		world: l.world, cells: s.cells, budget: s.budget, did: did,
		pages: map[uint64]*[pageSize]byte{}, patterns: l.patterns, states: maps.Clone(s.states),
	}
	if s.marked {
		m.reserved = stateOffset(s.reserved >> pageBits)
	}
	should := m.run(s.place)
	defer l.restore(m)
	if did != should {
		return did, fmt.Errorf("it was left by %v, not by %v", did, should)
	}
	return did, l.compare(m, should)
}

// prepare writes a start to the context.
func (l *loaded) prepare(s *start) {
	for c, v := range s.cells {
		*l.word(uint64(lir.CellAt(ir.Cell(c)))) = v
	}
	for page, state := range s.states {
		*l.state(page) = state
	}
	*l.word(lir.FaultAt), *l.word(lir.ReservedAt), *l.word(lir.MissesAt) = 0, 0, uint64(s.misses)
	if s.marked {
		*l.word(lir.ReservedAt) = stateOffset(s.reserved >> pageBits)
	}
}

// compare compares the state after a run.
func (l *loaded) compare(m *reference, should outcome) error {
	for n := range m.cells {
		c := ir.Cell(n)
		is, want := *l.word(uint64(lir.CellAt(c))), m.cells[c]
		if m.narrow && half(c) {
			is, want = uint64(uint32(is)), uint64(uint32(want))
		}
		if is != want {
			return fmt.Errorf("%v is %#x, not %#x, after %v", c, is, want, should)
		}
	}
	if is := *l.word(lir.FaultAt); m.faulted && is != m.fault {
		return fmt.Errorf("the access was at %#x, not %#x", is, m.fault)
	}
	if is := *l.word(lir.ReservedAt); is != m.reserved {
		return fmt.Errorf("the reserved page has its state at %#x, not %#x, after %v", is, m.reserved, should)
	}
	for page, want := range m.states {
		if is := *l.state(page); is != want {
			return fmt.Errorf("the state of page %#x is %d, not %d, after %v", page<<pageBits, is, want, should)
		}
	}
	for page, want := range m.pages {
		if is := l.page(page); *is != *want {
			n := 0
			for is[n] == want[n] {
				n++
			}
			return fmt.Errorf("the bytes from %#x on are % x, not % x, after %v", page<<pageBits+uint64(n), end(is[n:]), end(want[n:]), should)
		}
	}
	return nil
}

// end is the beginning of what is left of a page.
func end(b []byte) []byte { return b[:min(len(b), 8)] }

// restore brings memory back to what it was before the run.
func (l *loaded) restore(m *reference) {
	for page := range m.pages {
		*l.page(page) = *m.patterns[page]
	}
	for page := range m.states {
		*l.state(page) = 0
	}
}

// checkArena finds stores to where there should have been none, in memory and in the context.
func (l *loaded) checkArena() error {
	for page, pattern := range l.patterns {
		if is := l.page(page); *is != *pattern {
			return fmt.Errorf("something was stored to the page %#x", page<<pageBits)
		}
		if is := *l.state(page); is != 0 {
			return fmt.Errorf("the state of the page %#x was set", page<<pageBits)
		}
	}
	for _, gap := range [...][2]uint64{
		{lir.ReachAt + 8, lir.ScratchAt},
		{lir.ScratchAt + 64, lir.BiasAt},
		{lir.BiasAt + 512, lir.HostAt},
		{lir.HostAt + 512, lir.SpillAt},
		{lir.SpillAt + 8*lir.MaxSpills, lir.SegmentsAt},
		{lir.SegmentsAt + 32*lir.SegmentEntries, lir.SlotsAt},
	} {
		for at := gap[0]; at < gap[1]; at += 8 {
			if v := *l.word(at); v != 0 {
				return fmt.Errorf("%#x was stored to the context at %#x", v, at)
			}
		}
	}
	return nil
}

func (o outcome) String() string {
	switch o.kind {
	case lir.LeftBudget:
		return fmt.Sprintf("the budget before %#x with %d left", o.site.PC, o.left)
	case lir.LeftSite:
		return fmt.Sprintf("the site %#x with %d left", o.site.PC, o.left)
	case lir.LeftEdge:
		return fmt.Sprintf("the edge to %#x, %#x with %d left", o.edge.PC, o.edge.Next, o.left)
	}
	return fmt.Sprintf("an indirect jump with %d left", o.left)
}
