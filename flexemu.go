// Package flexemu runs Linux programs built for several instruction sets, deterministically; commits to the
// whole state at every step; and proves any single step to a contract.
//
// This is the library's front door. Load makes a Run of a program; a Run makes steps, tells roots, saves and
// resumes, and proves steps.
package flexemu

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/mips"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/loader"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/proof"
)

// isas is the list of instruction sets that programs can have.
var isas = []*isa.ISA{
	mips.New(64, true),
}

// ISAs gives the instruction sets.
func ISAs() []*isa.ISA { return isas }

// A Hash is a root: the 32-byte commitment to a state.
type Hash = merkle.Hash

// A Host is the world outside of a run: pre-images, hints and output.
type Host = bare.Host

// Options say how a program starts. The zero value is a program with its own name as the only argument and an
// empty environment.
type Options struct {
	Args []string // argv, with the program's name first
	Env  []string // K=V
	// CannonStart gives the program Cannon's own arguments, environment and initial stack, whatever Args
	// and Env say.
	CannonStart bool
	Host        Host
}

// A Run is a program that is being executed.
type Run struct {
	ISA    *isa.ISA
	kernel *bare.Kernel
	system *bare.System
}

// Load makes a run of a statically linked ELF executable, at step 0.
func Load(program []byte, o Options) (*Run, error) {
	name, err := loader.Identify(program)
	if err != nil {
		return nil, err
	}
	i, err := find(name)
	if err != nil {
		return nil, err
	}
	k, err := bare.New(i)
	if err != nil {
		return nil, err
	}
	layout := loader.Layout{HeapStart: k.Layout.HeapStart, StackTop: k.Layout.StackTop}
	p, err := loader.Parse(program, loader.Options{Layout: layout})
	if err != nil {
		return nil, err
	}
	m := machine.New(i.Thread)
	p.Load(m.Mem)
	var sp uint64
	if o.CannonStart {
		sp, err = loader.CannonStack(name, m.Mem, layout)
	} else {
		sp, err = loader.Stack(name, m.Mem, layout, o.Args, o.Env)
	}
	if err != nil {
		return nil, err
	}
	k.Start(m, p.Entry, sp)
	return newRun(i, k, m, o.Host)
}

func newRun(i *isa.ISA, k *bare.Kernel, m *machine.Machine, h Host) (*Run, error) {
	e, err := interp.New(i, m)
	if err != nil {
		return nil, err
	}
	s, err := k.NewSystem(m, e, h)
	if err != nil {
		return nil, err
	}
	return &Run{i, k, s}, nil
}

func find(name string) (*isa.ISA, error) {
	for _, i := range isas {
		if i.Name == name {
			return i, nil
		}
	}
	return nil, fmt.Errorf("the instruction set %s is not supported: %w", name, loader.ErrNotExecutable)
}

// Step is the number of steps made since the program's start.
func (r *Run) Step() uint64 { return r.system.Machine.Get(ir.Step) }

// Exited tells whether the machine has halted, and with which exit code.
func (r *Run) Exited() (bool, uint8) { return r.system.Machine.Exited() }

// RunTo makes steps until the step counter is n or the machine has halted. After an error, which is the host's,
// the run is as it was before the step that failed.
func (r *Run) RunTo(n uint64) error { return r.system.Run(n) }

// Root is the commitment to the present state.
func (r *Run) Root() Hash { return r.system.Machine.Root() }

// Pages is the number of allocated pages of 4 KiB.
func (r *Run) Pages() int { return r.system.Machine.Mem.Pages() }

// Prove makes the next step and proves it. A halted machine has no next step.
func (r *Run) Prove() (*proof.Proof, error) {
	if done, _ := r.Exited(); done {
		return nil, fmt.Errorf("the program ended at step %d, which has no successor to prove", r.Step())
	}
	return proof.Record(r.kernel, r.system)
}
