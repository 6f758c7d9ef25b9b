package enginetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/machine"
)

// event does to both machines what a kernel, or whoever else uses a machine, does between two runs of an engine.
func (s *state) event(random *rand.Rand) error {
	if pc := s.oracle.Cells[ir.PC] - s.program.base; pc > s.program.end && random.IntN(4) == 0 {
		s.restart(random) // it has gone astray
		return nil
	}
	if s.program.reading { // nobody else writes
		s.kernelWrite(random)
		if random.IntN(8) == 0 {
			return s.fork(random)
		}
	}
	switch random.IntN(64) {
	case 0, 1, 2:
		if err := sameRoots(s.tested.Machine, s.oracle.Machine); err != nil {
			return err
		}
	case 3, 4:
		return s.fork(random)
	case 5:
		if random.IntN(4) == 0 {
			return s.restore()
		}
	case 6, 7, 8:
		s.kernelWrite(random)
	case 9:
		thread := random.Uint64N(2)
		s.each(func(m *machine.Machine) { m.Cells[ir.ThreadID] = thread })
	case 10, 11, 15, 16, 17, 18:
		s.restart(random)
	case 12:
		if random.IntN(4) == 0 {
			s.stray(random)
		}
	case 13:
		r, v := 1+random.IntN(31), isatest.Word(s.isa.Bits, random)
		s.each(func(m *machine.Machine) { m.Cells[r] = v })
	case 14: // as a proof is recorded
		s.tested.SetRecorder(silent{})
		err := s.both(random)
		s.tested.SetRecorder(nil)
		return err
	}
	return nil
}

// silent is a recorder that takes no notice.
type silent struct{}

func (silent) Touch(uint64, uint8, bool) {}
func (silent) Fetched()                  {}
func (silent) CloseLeaf()                {}

// fork makes a copy of both machines. Either the copy goes on with a new engine, or the machine does; the other one
// must stay what it is.
func (s *state) fork(random *rand.Rand) error {
	const most = 4
	for _, side := range []*side{&s.tested, &s.oracle} {
		if len(side.before) == most {
			side.before = side.before[1:]
		}
	}
	tested, oracle := s.tested.Fork(), s.oracle.Fork()
	if random.IntN(2) == 0 {
		s.tested.before, s.oracle.before = append(s.tested.before, tested), append(s.oracle.before, oracle)
		return nil
	}
	s.tested.before, s.oracle.before = append(s.tested.before, s.tested.Machine), append(s.oracle.before, s.oracle.Machine)
	s.tested.Machine, s.oracle.Machine = tested, oracle
	return s.engines()
}

// restore goes on with machines that were made of snapshots.
func (s *state) restore() error {
	tested, got, err := restored(s.isa, s.tested.Machine)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	oracle, want, err := restored(s.isa, s.oracle.Machine)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the snapshots differ")
	}
	s.tested.Machine, s.oracle.Machine = tested, oracle
	return s.engines()
}

// kernelWrite stores as a syscall does, into data or code.
func (s *state) kernelWrite(random *rand.Rand) {
	addr, v := pick(random, s.program.spots), random.Uint64()
	if random.IntN(2) == 0 { // where the program is at work
		p := s.oracle.Cells[pick(random, family(s.isa).pointers)]
		addr = s.program.wrap(p + random.Uint64N(64) - 32)
	}
	if random.IntN(3) == 0 {
		in := pick(random, s.program.insns)
		if random.IntN(2) == 0 {
			in.word = nop(s.isa, in.size)
		}
		addr = s.program.wrap(s.program.base + in.offset)
		s.each(func(m *machine.Machine) { m.Store(addr, uint8(in.size), s.isa.Big, uint64(in.word)) })
		return
	}
	size := uint8(1) << random.IntN(4)
	s.each(func(m *machine.Machine) { m.Store(addr, size, s.isa.Big, v) })
}

// restart goes on somewhere in the program, with a stack and its constants.
func (s *state) restart(random *rand.Rand) {
	d := family(s.isa)
	pc, next := pick(random, s.program.starts), uint64(0)
	if delaySlots(s.isa) {
		next = s.program.wrap(pc + 4)
		if random.IntN(8) == 0 { // in a delay slot
			next = pick(random, s.program.starts)
		}
	}
	s.each(func(m *machine.Machine) {
		m.Cells[ir.PC], m.Cells[ir.NextPC] = pc, next
		for _, r := range append([]uint64{d.sp, d.table, d.index, d.link, d.otherLink}, d.pointers...) {
			m.Cells[r] = s.program.cells[r]
		}
	})
}

// stray goes on where no program goes by itself.
func (s *state) stray(random *rand.Rand) {
	pc := pick(random, s.program.spots) + random.Uint64N(4)
	if random.IntN(2) == 0 {
		pc = pick(random, s.program.starts) + 1<<32 // a forged snapshot may have it, though there be 32 bits
	}
	next := uint64(0)
	if delaySlots(s.isa) {
		next = pc + 4
		if random.IntN(4) == 0 {
			next = pick(random, s.program.starts) + random.Uint64N(2)
		}
	}
	s.each(func(m *machine.Machine) { m.Cells[ir.PC], m.Cells[ir.NextPC] = pc, next })
}

// trapped does what a kernel may do about a trap: a syscall changes a register, memory, or the thread. Both machines
// go on behind the instruction, or somewhere else.
func (s *state) trapped(trap ir.TrapKind, random *rand.Rand) {
	m := s.oracle.Machine
	pc := m.Cells[ir.PC]
	if trap == ir.Syscall && random.IntN(2) == 0 {
		s.kernelWrite(random)
		thread, r, v := random.Uint64N(2), pick(random, family(s.isa).free[1:]), isatest.Word(s.isa.Bits, random)
		s.each(func(m *machine.Machine) { m.Cells[ir.ThreadID], m.Cells[r] = thread, v })
	}
	if pc%s.isa.Align != 0 || pc-s.program.base > s.program.end || random.IntN(64) == 0 {
		s.restart(random)
		return
	}
	size := s.isa.Size(fetch(s.isa, m, pc))
	s.each(func(m *machine.Machine) {
		if delaySlots(s.isa) {
			m.Cells[ir.PC] = m.Cells[ir.NextPC]
			m.Cells[ir.NextPC] = m.Wrap(m.Cells[ir.NextPC] + 4)
			return
		}
		m.Cells[ir.PC] = m.Wrap(pc + size)
	})
}
