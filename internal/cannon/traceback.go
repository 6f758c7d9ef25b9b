package cannon

import (
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
)

// A call is a frame that a traceback shows.
type call struct{ caller, target uint64 }

// A traceback follows calls and returns of each thread. It does not know the stacks, only jumps, and helps itself
// with names where these do not match: what it shows is what Cannon would.
type traceback struct {
	out     io.Writer
	meta    *Metadata
	calls   map[uint64][]call // by thread
	threads int
	running uint64 // the thread, at the end of the last step
	syscall call   // the last one, and what follows it
}

func newTraceback(out io.Writer, meta *Metadata, m *machine.Machine) *traceback {
	return &traceback{out: out, meta: meta, calls: map[uint64][]call{}, threads: m.Threads(), running: m.Cells[ir.ThreadID]}
}

// around notes an instruction that is about to be executed; it gives what is to be done when it has not trapped, or
// nil.
func (t *traceback) around(name string, pc uint64, word uint32, m *machine.Machine) (after func()) {
	thread := m.Cells[ir.ThreadID]
	push := func() { t.push(thread, pc, m.Cells[ir.NextPC]) }
	switch name {
	case "j", "jal", "jalr":
		return push
	case "bltzal", "bgezal":
		negative := int64(m.Cells[word>>21&31]) < 0
		if negative == (name == "bltzal") {
			return push
		}
	case "jr":
		step := m.Cells[ir.Step]
		return func() { t.pop(thread, pc, step) }
	case "syscall":
		t.syscall = call{pc, m.Cells[ir.NextPC]}
	}
	return nil
}

func (t *traceback) push(thread, caller, target uint64) {
	t.calls[thread] = append(t.calls[thread], call{caller, target})
}

// pop leaves the function at pc. If that is not the one that was entered last, then the latest that was entered.
func (t *traceback) pop(thread, pc, step uint64) {
	calls := t.calls[thread]
	if len(calls) == 0 {
		fmt.Fprintf(t.out, "ERROR: stack underflow at pc=%x. step=%d\n", pc, step)
		return
	}
	name := t.meta.lookup(pc)
	for n := len(calls) - 1; n >= 0; n-- {
		if t.meta.lookup(calls[n].target) == name {
			t.calls[thread] = calls[:n]
			return
		}
	}
}

// stepped notes threads that began or ended.
func (t *traceback) stepped(m *machine.Machine) {
	threads, running := m.Threads(), m.Cells[ir.ThreadID]
	switch {
	case threads > t.threads: // the new one runs, behind the call that made it
		t.push(running, t.syscall.caller, t.syscall.target)
	case threads < t.threads:
		delete(t.calls, t.running)
	}
	t.threads, t.running = threads, running
}

// show prints the calls of the running thread, the innermost first.
func (t *traceback) show(m *machine.Machine, step uint64) {
	fmt.Fprintf(t.out, "traceback at pc=%x. step=%d\n", m.Cells[ir.PC], step)
	calls := t.calls[m.Cells[ir.ThreadID]]
	for n := len(calls) - 1; n >= 0; n-- {
		c := calls[n]
		fmt.Fprintf(t.out, "\t%d %x in %s caller=%08x\n", len(calls)-n-1, c.target, t.meta.lookup(c.target), c.caller)
	}
}
