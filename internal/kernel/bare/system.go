package bare

import (
	"encoding/binary"
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
)

// An Engine executes instructions of the machine that it was made for.
type Engine interface {
	// Run executes up to n instructions that do not trap and gives how many; the step counter does not move.
	Run(n uint64) uint64
	// Step executes one instruction, which the step counter already counts. A trap means that nothing was done.
	Step() (trap ir.TrapKind, trapped bool)
}

// A Host is the world outside of the machine.
type Host interface {
	// Preimage gives the data of a key, checked against it. Its errors name the key.
	Preimage(key [32]byte) ([]byte, error)
	// Hint passes a whole hint on.
	Hint(hint []byte) error
	// Output shows bytes that the guest wrote to descriptor 1 or 2.
	Output(fd int, p []byte) error
}

// An OracleRead is the pre-image that a step has read.
type OracleRead struct {
	Key    [32]byte
	Value  []byte // 8 bytes of length, big-endian, and the data
	Offset uint64
}

// A System is a machine with its kernel, an engine and a host.
type System struct {
	Machine *machine.Machine
	Engine  Engine
	Host    Host
	// Read is what the last step read from the oracle; nil if nothing. The next read overwrites it.
	Read *OracleRead
	// Strict, if not nil, makes a machine for mips64 behave as Cannon does.
	Strict *Strict
	// Stepped, if not nil, is called by Run after each step that is more than an instruction which does not trap, and
	// after some others. True ends Run.
	Stepped func() (stop bool)

	funcs functions
	value []byte // of the key below, with its length in front
	key   [32]byte
	count uint64
	read  OracleRead
}

// functions are the emitted code of a kernel.
type functions struct {
	scheduler, syscall, fault func(*System)
}

// NewSystem puts a machine of the kernel's instruction set together with an engine and a host.
func (k *Kernel) NewSystem(m *machine.Machine, e Engine, h Host) (*System, error) {
	f, ok := emitted[k.ISA.Name]
	if !ok {
		return nil, fmt.Errorf("bare: no kernel for %s", k.ISA.Name)
	}
	m.Narrow = k.ISA.Bits == 32
	return &System{Machine: m, Engine: e, Host: h, funcs: f}, nil
}

// hostError carries a host's error out of emitted code.
type hostError struct{ err error }

// Step makes one step. A halted machine does not change. After an error of the host the machine is as it was
// before the step.
func (s *System) Step() (err error) {
	m := s.Machine
	s.Read = nil
	if m.Cells[ir.Exited] != 0 {
		return nil
	}
	cells, hint := m.Cells, m.Hint
	defer func() {
		if r := recover(); r != nil {
			failed, ok := r.(hostError)
			if !ok {
				panic(r)
			}
			// The host is asked before anything but cells has changed.
			m.Cells, m.Hint = cells, hint
			err = fmt.Errorf("step %d: %w", cells[ir.Step], failed.err)
		}
	}()
	s.funcs.scheduler(s)
	m.Resume()
	if s.Strict != nil && m.Threads() == 0 {
		return fmt.Errorf("step %d: %w: no thread is left, and the machine has not exited", cells[ir.Step], ErrPanic)
	}
	return nil
}

func (s *System) execute() {
	trap, trapped := s.Engine.Step()
	switch {
	case !trapped:
	case trap == ir.Syscall:
		if s.Strict != nil {
			s.strictly()
		}
		s.funcs.syscall(s)
	case s.Strict != nil:
		s.faults(trap)
	default:
		s.funcs.fault(s)
	}
}

// Run makes steps until the machine has halted or its step counter is until.
func (s *System) Run(until uint64) error {
	m := s.Machine
	for m.Cells[ir.Exited] == 0 && m.Cells[ir.Step] < until {
		// As long as nobody but the instructions themselves acts, steps are instructions.
		if m.Cells[ir.ThreadExited] == 0 && m.Cells[ir.Quantum] < QuantumSteps {
			most := min(until-m.Cells[ir.Step], QuantumSteps-m.Cells[ir.Quantum])
			n := s.Engine.Run(most)
			m.Cells[ir.Step] += n
			m.Cells[ir.Quantum] += n
			if n == most {
				continue // else the next instruction traps
			}
		}
		if err := s.Step(); err != nil {
			return err
		}
		if s.Stepped != nil && s.Stepped() {
			return nil
		}
	}
	return nil
}

func (s *System) oracleWord(offset uint64) uint64 {
	m := s.Machine
	if s.Strict != nil && s.value == nil && m.Key == [32]byte{} {
		s.panics("a read of a pre-image before a key was written") // Cannon takes the zero key as read already
	}
	if s.value == nil || s.key != m.Key {
		data, err := s.Host.Preimage(m.Key)
		if err != nil {
			panic(hostError{err})
		}
		s.value = append(binary.BigEndian.AppendUint64(nil, uint64(len(data))), data...)
		s.key = m.Key
	}
	s.read = OracleRead{s.key, s.value, offset}
	s.Read = &s.read
	s.count = 0
	if offset >= uint64(len(s.value)) {
		if s.Strict != nil {
			s.panics("a read at %d of the pre-image %#x, which has %d bytes with its length", offset, s.key, len(s.value))
		}
		return 0
	}
	var word [8]byte
	s.count = uint64(copy(word[:], s.value[offset:]))
	return binary.BigEndian.Uint64(word[:])
}

func (s *System) oracleCount() uint64 { return s.count }

// maxShown bounds what the host is shown of one write, and what a guest may leave of an unfinished hint: it may
// claim to write 2^63 bytes. Neither is part of the state, so the machine goes on all the same.
const maxShown = 64 << 20

// chunk is how many bytes of a write are read at a time: what lies in one page, as in Cannon, whose log shows it.
const chunk = machine.PageSize

func (s *System) hostWrite(fd, addr, count uint64) {
	count = min(count, maxShown)
	data := make([]byte, min(count, chunk))
	for done := uint64(0); done < count; done += uint64(len(data)) {
		at := s.Machine.Wrap(addr + done)
		data = data[:min(count-done, chunk-at%chunk)] // so that no chunk goes past the end of the addresses
		s.Machine.Peek(at, data)
		if fd == fdHintWrite {
			s.hint(data)
		} else if err := s.Host.Output(int(fd), data); err != nil {
			panic(hostError{fmt.Errorf("output: %w", err)})
		}
	}
}

// hint collects bytes until they are a whole hint: 4 bytes of length, big-endian, and as many bytes.
func (s *System) hint(data []byte) {
	m := s.Machine
	m.Hint = append(m.Hint, data...)
	for len(m.Hint) >= 4 {
		end := 4 + uint64(binary.BigEndian.Uint32(m.Hint))
		if uint64(len(m.Hint)) < end {
			break
		}
		if end > 4 || s.Strict != nil { // an empty hint says nothing, and a write of zeros is millions of them
			if err := s.Host.Hint(m.Hint[4:end]); err != nil {
				panic(hostError{fmt.Errorf("hint: %w", err)})
			}
		}
		m.Hint = m.Hint[end:]
	}
	if len(m.Hint) > maxShown {
		m.Hint = nil
	}
}

// Start makes a machine ready to begin a program.
func (k *Kernel) Start(m *machine.Machine, entry, sp uint64) {
	m.Cells[ir.PC] = entry
	if k.mips {
		m.Cells[ir.NextPC] = entry + 4
	}
	m.Cells[ir.Heap] = k.Layout.HeapStart
	m.Cells[k.abi.sp] = sp
	if k.ISA.Bits == 32 {
		m.Cells[k.abi.sp] = uint64(int32(sp))
	}
}
