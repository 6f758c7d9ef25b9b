package enginetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime/debug"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/machine/snapshot"
)

// A match is a program and what happens to it while two machines execute it: one with the engine under test, in
// slices, the other by single steps. Everything follows from the seed, so that it can be repeated.
type match struct {
	new     New
	isa     *isa.ISA
	seed    uint64
	program *program
	steps   uint64 // how many instructions are executed, at least
	// reference steps by the definition of ir, which is slower than the interpreter's single step.
	reference bool
	// lengths gives the lengths of slices; nil means random ones.
	lengths func(slice int) uint64
	// quiet leaves out what happens to the machine between slices.
	quiet bool

	// strict compares memory behind every slice, and remembers what was executed.
	strict bool
	// cut ends the match with a slice, which has another length.
	cut *cut
}

type cut struct {
	slice  int
	length uint64
}

// A stepper executes single instructions.
type stepper interface {
	Step() (ir.TrapKind, bool)
}

// A side is a machine in a match. before is a fork of long ago with which the machine must not share what is written.
type side struct {
	*machine.Machine
	before []*machine.Machine
}

// state is a match that is being played.
type state struct {
	*match
	tested, oracle side
	engine         Engine
	single         stepper
	slice          int
	stale          uint64 // instructions since memory was compared
	stats          stats
	trace          []visit
}

// stats count instructions.
type stats struct {
	steps uint64 // all
	inRun uint64 // executed by Run
	traps uint64
}

// A visit is an instruction that was executed.
type visit struct {
	pc   uint64
	word uint32
}

// traceLength is how many instructions are remembered, at least.
const traceLength = 1000

// A divergence is where the two machines are no longer the same.
type divergence struct {
	slice  int
	length uint64 // of the slice
	step   uint64 // instructions until it was noticed
	err    error
	trace  []visit
	cells  [ir.NumCells]uint64 // as single steps have left them
}

// play executes the program until the machines differ. An error is the constructor's.
func (m *match) play() (*divergence, stats, error) {
	s := &state{match: m}
	s.tested.Machine, s.oracle.Machine = machine.New(m.isa.Thread), machine.New(m.isa.Thread)
	m.program.install(s.tested.Machine)
	m.program.install(s.oracle.Machine)
	if err := s.engines(); err != nil {
		return nil, s.stats, err
	}
	for s.stats.steps < m.steps {
		random := rand.New(rand.NewPCG(m.seed, uint64(s.slice)+1))
		n := m.length(s.slice, random)
		if m.cut != nil && m.cut.slice == s.slice {
			n = m.cut.length
		}
		err := s.next(n, random)
		if err != nil {
			return &divergence{s.slice, n, s.stats.steps, err, s.trace, s.oracle.Cells}, s.stats, nil
		}
		if m.cut != nil && m.cut.slice == s.slice {
			break
		}
		s.slice++
	}
	if err := s.finish(); err != nil {
		return &divergence{s.slice, 0, s.stats.steps, err, s.trace, s.oracle.Cells}, s.stats, nil
	}
	return nil, s.stats, nil
}

// length of a slice in instructions: short ones more often.
func (m *match) length(slice int, random *rand.Rand) uint64 {
	if m.lengths != nil {
		return m.lengths(slice)
	}
	switch r := random.IntN(64); {
	case r < 6:
		return 1
	case r < 22:
		return 2 + random.Uint64N(15)
	case r < 42:
		return 17 + random.Uint64N(284)
	case r < 63:
		return 301 + random.Uint64N(5000)
	}
	return 20_000 + random.Uint64N(40_000)
}

// engines makes new engines for both machines.
func (s *state) engines() (err error) {
	if s.engine, err = s.new(s.isa, s.tested.Machine); err != nil {
		return err
	}
	if s.reference {
		r := isatest.NewReference(s.isa)
		r.Machine = s.oracle.Machine
		s.single = r
		return nil
	}
	s.single, err = interp.New(s.isa, s.oracle.Machine)
	return err
}

// next executes a slice of n instructions, with what happens before it, and compares.
func (s *state) next(n uint64, random *rand.Rand) error {
	if !s.quiet {
		if err := s.event(random); err != nil {
			return err
		}
	}
	if err := s.execute(n, random); err != nil {
		return err
	}
	s.stale += n
	if s.strict || s.stale > 32*uint64(s.oracle.Mem.Pages()) {
		s.stale = 0
		return sameMemory(s.tested.Machine, s.oracle.Machine)
	}
	return nil
}

// execute makes both machines execute n instructions. Run may leave any of them to Step.
func (s *state) execute(n uint64, random *rand.Rand) error {
	for n > 0 {
		step, quantum := s.tested.Cells[ir.Step], s.tested.Cells[ir.Quantum]
		done, err := s.run(n)
		if err != nil {
			return err
		}
		if done > n {
			return fmt.Errorf("%d instructions were executed by Run(%d)", done, n)
		}
		if s.tested.Cells[ir.Step] != step || s.tested.Cells[ir.Quantum] != quantum {
			return fmt.Errorf("the step counter or the quantum was moved by Run(%d)", n)
		}
		s.tested.Cells[ir.Step] += done
		n -= done
		s.stats.inRun += done
		for k := range done {
			if trap, trapped := s.oracleStep(); trapped {
				return fmt.Errorf("after %d instructions that Run has executed: the one behind the first %d traps: %v", done, k, trap)
			}
		}
		if err := sameCells(s.tested.Machine, s.oracle.Machine); err != nil {
			return fmt.Errorf("after %d of %d instructions that Run has executed: %w", done, n+done, err)
		}
		if n == 0 {
			return nil
		}
		n--
		if err := s.both(random); err != nil {
			return fmt.Errorf("in a single step: %w", err)
		}
	}
	return nil
}

// run calls Run.
func (s *state) run(n uint64) (done uint64, err error) {
	err = caught(func() error {
		done = s.engine.Run(n)
		return nil
	})
	return done, err
}

// caught calls f. A panic of it, and a fault in generated code, is an error.
func caught(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the engine panics: %v", r)
		}
	}()
	return f()
}

// both executes one instruction by Step.
func (s *state) both(random *rand.Rand) error {
	s.tested.Cells[ir.Step]++
	trap, trapped := s.engine.Step()
	wantTrap, want := s.oracleStep()
	if trapped != want || trapped && trap != wantTrap {
		return fmt.Errorf("trap %v (%t), not %v (%t)", trap, trapped, wantTrap, want)
	}
	if err := sameCells(s.tested.Machine, s.oracle.Machine); err != nil {
		return err
	}
	if trapped {
		s.stats.traps++
		s.trapped(trap, random)
	}
	return nil
}

// oracleStep executes one instruction on the machine of single steps.
func (s *state) oracleStep() (ir.TrapKind, bool) {
	s.stats.steps++
	s.oracle.Cells[ir.Step]++
	if s.strict {
		pc := s.oracle.Cells[ir.PC]
		s.trace = append(s.trace, visit{pc, fetch(s.isa, s.oracle.Machine, pc)})
		if len(s.trace) == 2*traceLength {
			s.trace = append(s.trace[:0], s.trace[traceLength:]...)
		}
	}
	return s.single.Step()
}

// fetch reads the instruction at pc.
func fetch(i *isa.ISA, m *machine.Machine, pc uint64) uint32 {
	var b [4]byte
	for n := range b {
		m.Peek(m.Wrap(pc+uint64(n)), b[n:n+1])
	}
	if i.Big {
		return binary.BigEndian.Uint32(b[:])
	}
	w := binary.LittleEndian.Uint32(b[:])
	if i.Size(w) == 2 {
		w &= 0xffff
	}
	return w
}

// each does the same to both machines.
func (s *state) each(f func(*machine.Machine)) {
	f(s.tested.Machine)
	f(s.oracle.Machine)
}

// finish compares everything once more: memory, roots, and what must not have changed.
func (s *state) finish() error {
	if err := sameMemory(s.tested.Machine, s.oracle.Machine); err != nil {
		return err
	}
	if err := sameRoots(s.tested.Machine, s.oracle.Machine); err != nil {
		return err
	}
	fresh := machine.NewMemory()
	err := s.tested.Mem.EachPage(func(page uint64, data *[machine.PageSize]byte) error {
		fresh.SetPage(page, data)
		return nil
	})
	if err != nil {
		return err
	}
	if got, want := s.tested.Mem.Root(), fresh.Root(); got != want {
		return fmt.Errorf("the memory's root is %x, and %x when it is computed anew", got, want)
	}
	for n, m := range s.tested.before {
		if err := sameState(m, s.oracle.before[n]); err != nil {
			return fmt.Errorf("the machine that was forked at step %d: %w", m.Cells[ir.Step], err)
		}
	}
	return nil
}

// sameState compares two machines at the end of a step.
func sameState(tested, oracle *machine.Machine) error {
	if err := sameCells(tested, oracle); err != nil {
		return err
	}
	if err := sameMemory(tested, oracle); err != nil {
		return err
	}
	return sameRoots(tested, oracle)
}

func sameRoots(tested, oracle *machine.Machine) error {
	if got, want := tested.Mem.Root(), oracle.Mem.Root(); got != want {
		return fmt.Errorf("the memory's root is %x, not %x", got, want)
	}
	if got, want := tested.Encode(), oracle.Encode(); !bytes.Equal(got, want) {
		return fmt.Errorf("the state is\n%x, not\n%x", got, want)
	}
	return nil
}

// sameCells compares all cells but the one that takes writes to the register that reads as zero.
func sameCells(tested, oracle *machine.Machine) error {
	const compared = int(ir.Sink)
	if [compared]uint64(tested.Cells[:compared]) == [compared]uint64(oracle.Cells[:compared]) {
		return nil
	}
	text := "cells differ:"
	for c := range compared {
		if got, want := tested.Cells[c], oracle.Cells[c]; got != want {
			text += fmt.Sprintf(" %v is %#x, not %#x;", ir.Cell(c), got, want)
		}
	}
	return fmt.Errorf("%s", text[:len(text)-1])
}

// sameMemory compares all pages.
func sameMemory(tested, oracle *machine.Machine) error {
	type page struct {
		number uint64
		data   *[machine.PageSize]byte
	}
	got := make([]page, 0, tested.Mem.Pages())
	err := tested.Mem.EachPage(func(number uint64, data *[machine.PageSize]byte) error {
		got = append(got, page{number, data})
		return nil
	})
	if err != nil {
		return err
	}
	if got, want := tested.Mem.Pages(), oracle.Mem.Pages(); got != want {
		return fmt.Errorf("there are %d pages, not %d", got, want)
	}
	n := 0
	return oracle.Mem.EachPage(func(number uint64, data *[machine.PageSize]byte) error {
		p := got[n]
		n++
		if p.number != number {
			return fmt.Errorf("there is a page at %#x, which should be at %#x", p.number*machine.PageSize, number*machine.PageSize)
		}
		if *p.data == *data {
			return nil
		}
		for k := range data {
			if p.data[k] != data[k] {
				at := k &^ 7
				return fmt.Errorf("memory at %#x is %x, not %x", number*machine.PageSize+uint64(at), p.data[at:at+8], data[at:at+8])
			}
		}
		return nil
	})
}

// restored makes a machine of a snapshot of another.
func restored(i *isa.ISA, m *machine.Machine) (*machine.Machine, []byte, error) {
	var file bytes.Buffer
	if err := snapshot.Write(&file, m, i.Name, "bare"); err != nil {
		return nil, nil, err
	}
	saved := bytes.Clone(file.Bytes())
	s, err := snapshot.Open(&file)
	if err != nil {
		return nil, nil, err
	}
	again, err := s.Machine(i.Thread)
	if err != nil {
		return nil, nil, err
	}
	again.Narrow = m.Narrow
	return again, saved, nil
}
