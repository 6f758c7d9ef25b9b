package bare

import (
	"errors"
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
)

// ErrPanic is wrapped by the error of a step that Cannon panics at. The machine is as it was before the step.
var ErrPanic = errors.New("the VM panics")

// ErrUnknownSyscall is wrapped, besides, by that of a step with an unknown syscall.
var ErrUnknownSyscall = errors.New("unknown syscall")

// Strict makes a system of mips64 do what Optimism's Cannon does where the base machine has defined more: faults,
// unknown syscalls and reads past a pre-image's end are errors that wrap ErrPanic. Keys of every type are asked of
// the host, and hints without a byte are told.
type Strict struct {
	// NoRandom is for Cannon's state version 7, where getrandom does nothing and gives 0.
	NoRandom bool
}

func (s *System) panics(format string, args ...any) {
	panic(hostError{fmt.Errorf("%w: %s", ErrPanic, fmt.Sprintf(format, args...))})
}

// The register of a call's number, and numbers of calls (n64) that Strict treats.
const (
	numberRegister  = 2
	numberFirst     = 5000
	numberMunmap    = 5011
	numberGetrandom = 5313
)

// known tells, by its number less numberFirst, which calls there are.
var known = func() (t [numberGetrandom - numberFirst + 1]bool) {
	for _, c := range calls {
		if c.n64 != 0 {
			t[c.n64-numberFirst] = true
		}
	}
	return t
}()

// strictly prepares a syscall.
func (s *System) strictly() {
	number := &s.Machine.Cells[numberRegister]
	switch {
	case *number == numberGetrandom && s.Strict.NoRandom:
		*number = numberMunmap // which gives 0 in the same register, and does nothing else
	case *number-numberFirst >= uint64(len(known)) || !known[*number-numberFirst]:
		panic(hostError{fmt.Errorf("%w: %w %d", ErrPanic, ErrUnknownSyscall, *number)})
	}
}

// faults says why a trap that is no syscall is a panic.
func (s *System) faults(trap ir.TrapKind) {
	pc := s.Machine.Cells[ir.PC]
	var word [4]byte
	s.Machine.Peek(pc, word[:])
	switch {
	case trap == ir.Unknown:
		s.panics("unknown instruction %x at %#x", word, pc)
	case pc%4 != 0:
		s.panics("a fetch from %#x, which is no multiple of 4", pc)
	default:
		s.panics("a division by zero or a jump in a delay slot at %#x: instruction %x", pc, word)
	}
}

// keyType is the type of the pre-image key, as far as the kernel's meaning looks at it.
func (s *System) keyType() uint64 {
	if s.Strict != nil {
		return keyLocal // any that exists
	}
	return uint64(s.Machine.Key[0])
}
