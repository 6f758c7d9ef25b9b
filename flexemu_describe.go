package flexemu

import (
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/kernel/bare"
)

// Kinds of steps that are no instruction's name; see Kind.
const (
	KindSyscall      = "syscall" // with the syscall's name behind it
	KindThreadExit   = "thread exit"
	KindThreadSwitch = "thread switch"
	KindFault        = "fault"
	KindHalted       = "halted"
)

// Kind says what the next step does: the name of an instruction ("addiu"); of a syscall, with the channel of a read
// or write that speaks to the host ("syscall futex", "syscall read pre-image"); "thread exit" when a thread that has
// exited is removed; "thread switch" when a thread's time is over; "fault" when there is no instruction to execute;
// "halted" when there is no next step.
func (r *Run) Kind() string {
	if name := r.scheduled(); name != "" {
		return name
	}
	row, _, ok := r.next()
	switch {
	case !ok:
		return KindFault
	case r.isa.Rows[row].Name == "syscall", r.isa.Rows[row].Name == "ecall":
		return KindSyscall + " " + r.kernel.PendingSyscall(r.system.Machine)
	}
	return r.isa.Rows[row].Name
}

// Instruction is the disassembly of the instruction that the next step executes, as binutils write it; "" if it
// executes none.
func (r *Run) Instruction() string {
	if r.scheduled() != "" {
		return ""
	}
	_, w, ok := r.next()
	if !ok {
		return ""
	}
	text, _, _ := r.isa.Disassemble(w, r.system.Machine.Get(ir.PC))
	return text
}

// scheduled names what happens in the next step instead of an instruction, or gives "".
func (r *Run) scheduled() string {
	m := r.system.Machine
	switch {
	case m.Get(ir.Exited) != 0:
		return KindHalted
	case m.Get(ir.ThreadExited) != 0:
		return KindThreadExit
	case m.Get(ir.Quantum) >= bare.QuantumSteps:
		return KindThreadSwitch
	}
	return ""
}

// next reads the instruction at pc and finds its row. It leaves no trace in the machine.
func (r *Run) next() (row int, w uint32, ok bool) {
	m := r.system.Machine
	pc := m.Get(ir.PC)
	if pc%r.isa.Align != 0 {
		return 0, 0, false
	}
	var b [4]byte
	m.Peek(pc, b[:])
	for i := range b {
		at := i
		if !r.isa.Big {
			at = len(b) - 1 - i
		}
		w = w<<8 | uint32(b[at])
	}
	row, ok = r.isa.Decode(w)
	return row, w, ok
}
