package machine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
)

// sides names the stacks by their place in Machine.stacks.
var sides = [2]string{"left", "right"}

// Stacks gives the encoded threads of the left and of the right stack, the bottom one first. The running thread
// is the last of the active stack. The bytes are shared with the machine and must not be written to. It is an
// error when threads are known by their root only, as in a machine that was made from a witness.
func (m *Machine) Stacks() (stacks [2][][]byte, err error) {
	if m.idle {
		return stacks, errors.New("machine: no thread is running, the step is not at its end")
	}
	for i := range m.stacks {
		s := &m.stacks[i]
		if s.base != EmptyStack {
			return stacks, fmt.Errorf("machine: threads of the %s stack are known by their root only", sides[i])
		}
		stacks[i] = make([][]byte, s.depth(), s.depth()+1)
		for t := s.top; t != nil; t = t.below {
			stacks[i][t.depth-1] = t.bytes
		}
	}
	active := m.Cells[ir.TraverseRight] & 1
	stacks[active] = append(stacks[active], m.EncodeThread())
	return stacks, nil
}

// SetStacks replaces all threads by those that Stacks gave, and keeps their bytes. The traverse-right cell must be
// set before, as it tells which stack is the active one. After an error the machine is as it was.
func (m *Machine) SetStacks(stacks [2][][]byte) error {
	active := m.Cells[ir.TraverseRight] & 1
	if len(stacks[active]) == 0 {
		return fmt.Errorf("machine: the active stack, the %s one, is empty", sides[active])
	}
	for i, threads := range stacks {
		for k, t := range threads {
			if len(t) != m.ThreadSize() {
				return fmt.Errorf("machine: thread %d of the %s stack has %d bytes, not %d", k, sides[i], len(t), m.ThreadSize())
			}
			if t[threadHead-1] > 1 {
				return fmt.Errorf("machine: the exited flag of thread %d of the %s stack is %d, not 0 or 1", k, sides[i], t[threadHead-1])
			}
			if v := m.zeroRegister(t); v != 0 {
				return fmt.Errorf("machine: register 0 of thread %d of the %s stack is %#x, not 0", k, sides[i], v)
			}
		}
	}
	last := len(stacks[active]) - 1
	m.decodeThread(stacks[active][last])
	stacks[active] = stacks[active][:last]
	for i, threads := range stacks {
		m.stacks[i] = stack{base: EmptyStack}
		for _, t := range threads {
			m.stacks[i].push(t)
		}
	}
	m.idle = false
	return nil
}

// zeroRegister is what an encoded thread has for the register that reads as zero. No thread comes to have anything
// but 0 there, and what a step would make of it is not defined.
func (m *Machine) zeroRegister(thread []byte) uint64 {
	for i, c := range m.layout {
		if c == 0 {
			return binary.BigEndian.Uint64(thread[threadHead+8*i:])
		}
	}
	return 0
}

// CheckState tells what keeps bytes from being an encoded state: their number, or a flag.
func CheckState(state []byte) error {
	if len(state) != StateSize {
		return fmt.Errorf("machine: a state has %d bytes, not %d", StateSize, len(state))
	}
	if v := state[exitedOffset]; v > 1 {
		return fmt.Errorf("machine: the flag %v of the state is %d, not 0 or 1", ir.Exited, v)
	}
	if v := state[traverseOffset]; v > 1 {
		return fmt.Errorf("machine: the flag %v of the state is %d, not 0 or 1", ir.TraverseRight, v)
	}
	return nil
}

// SetScalars sets the pre-image key and the scalars to those of an encoded state, whose roots it does not look
// at. After an error the machine is as it was.
func (m *Machine) SetScalars(state []byte) error {
	if err := CheckState(state); err != nil {
		return err
	}
	rest := m.takeFields(state[64:], scalarsFront)
	m.takeFields(rest[64:], scalarsBack)
	copy(m.Key[:], state[32:])
	return nil
}

// Where the step counter and the traverse-right flag stand in an encoded state.
const (
	stepOffset     = exitedOffset + 1
	traverseOffset = stacksOffset - 1
)

// StateStep is the step counter in an encoded state of StateSize bytes.
func StateStep(state []byte) uint64 { return binary.BigEndian.Uint64(state[stepOffset:]) }

// StateExited tells whether a machine with that encoded state has halted, and with which exit code.
func StateExited(state []byte) (bool, uint8) { return state[exitedOffset] != 0, state[exitCodeOffset] }
