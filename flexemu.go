// Package flexemu runs Linux programs built for several instruction sets, deterministically; commits to the
// whole state at every step; and proves any single step to a contract.
//
// This is the library's front door. Load makes a Run of a program, Resume one of a snapshot. A Run makes steps
// (RunTo), tells roots (Root), says what comes next (Kind, Instruction), saves itself (Save) and proves steps
// (Prove). Verify checks a proof by executing its step again from the witness alone.
//
// Errors are of the host: a program that cannot run (ProgramError), a damaged snapshot or proof, a missing
// pre-image, output that cannot be written. What a guest does wrong is no error but a part of its execution.
package flexemu

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flexemu/flexemu/internal/engine"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/loader"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/machine/snapshot"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/proof"
)

// An ISA is an instruction set: its name, its instructions, its disassembler.
type ISA = isa.ISA

// ISAs gives the instruction sets. They are shared: do not change them.
func ISAs() []*ISA { return sets.All() }

// FindISA gives the instruction set of that name, such as mips64.
func FindISA(name string) (*ISA, error) {
	if i := sets.Named(name); i != nil {
		return i, nil
	}
	var names []string
	for _, i := range ISAs() {
		names = append(names, i.Name)
	}
	return nil, fmt.Errorf("the instruction set %q is not supported, only %s", name, strings.Join(names, ", "))
}

// ErrNotExecutable is wrapped by errors about what is no executable for a known instruction set.
var ErrNotExecutable = loader.ErrNotExecutable

// A ProgramError says why a program cannot run: it is no executable, one for another machine, damaged, or it needs
// what the kernel lacks.
type ProgramError struct{ Err error }

func (e *ProgramError) Error() string { return e.Err.Error() }
func (e *ProgramError) Unwrap() error { return e.Err }

// A Hash is a root: the 32-byte commitment to a state. Its first byte is 3 while the machine runs, and else 0, 1 or
// 2 for the exit codes 0, 1 and all others.
type Hash = merkle.Hash

// A Host is the world outside of a run: pre-images, hints and output. Its errors end RunTo and Prove.
type Host = bare.Host

// Names of kernels and engines.
const (
	KernelBare   = proof.KernelName
	EngineAuto   = engine.Auto // the fastest there is
	EngineInterp = engine.Interp
	EngineJit    = engine.Jit // compiles; not there on every host
)

// Options say how a program starts. The zero value is a program without arguments and environment that has no
// pre-images and whose output goes nowhere.
type Options struct {
	Args []string // argv, with the program's name first
	Env  []string // K=V
	// CannonStart gives the program Cannon's own arguments, environment and initial stack, whatever Args
	// and Env say.
	CannonStart bool
	Host        Host
	Kernel      string // KernelBare, also when empty
	Engine      string // EngineAuto, also when empty, EngineJit or EngineInterp
}

// check refuses kernels and engines that are not there.
func (o *Options) check() error {
	if o.Kernel != "" && o.Kernel != KernelBare {
		return fmt.Errorf("there is no kernel %q, only %s", o.Kernel, KernelBare)
	}
	switch o.Engine {
	case "", EngineAuto, EngineJit, EngineInterp:
		return nil
	}
	return fmt.Errorf("there is no engine %q, only %s, %s and %s", o.Engine, EngineAuto, EngineJit, EngineInterp)
}

// A Run is a program that is being executed. Its methods must not be called concurrently.
type Run struct {
	isa    *ISA
	kernel *bare.Kernel
	system *bare.System
	engine string
}

// Load makes a run of a statically linked ELF executable, at step 0. An error about the program itself is a
// *ProgramError.
func Load(program []byte, o Options) (*Run, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, k, err := parse(program)
	if err != nil {
		return nil, &ProgramError{err}
	}
	m := machine.New(k.ISA.Thread)
	p.Load(m.Mem)
	var sp uint64
	if o.CannonStart {
		sp, err = loader.CannonStack(p.ISA, m.Mem, layout(k))
	} else {
		sp, err = loader.Stack(p.ISA, m.Mem, layout(k), o.Args, o.Env)
	}
	if err != nil {
		return nil, err
	}
	k.Start(m, p.Entry, sp)
	return newRun(k, m, o.Host, o.Engine)
}

// Identify names the instruction set of an ELF executable, which need not be one of ISAs. It looks at the first 64
// bytes only. The error is a *ProgramError.
func Identify(program []byte) (string, error) {
	name, err := loader.Identify(program)
	if err != nil {
		return "", &ProgramError{err}
	}
	return name, nil
}

// Check tells whether Load would take a program. The error is a *ProgramError.
func Check(program []byte) error {
	if _, _, err := parse(program); err != nil {
		return &ProgramError{err}
	}
	return nil
}

func parse(program []byte) (*loader.Program, *bare.Kernel, error) {
	name, err := loader.Identify(program)
	if err != nil {
		return nil, nil, err
	}
	k, err := kernelFor(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotExecutable, err)
	}
	p, err := loader.Parse(program, loader.Options{Layout: layout(k)})
	return p, k, err
}

func kernelFor(name string) (*bare.Kernel, error) {
	i, err := FindISA(name)
	if err != nil {
		return nil, err
	}
	return bare.New(i)
}

func layout(k *bare.Kernel) loader.Layout {
	return loader.Layout{HeapStart: k.Layout.HeapStart, StackTop: k.Layout.StackTop}
}

func newRun(k *bare.Kernel, m *machine.Machine, h Host, name string) (*Run, error) {
	e, name, err := engine.New(k.ISA, m, name)
	if err != nil {
		return nil, err
	}
	if h == nil {
		h = nowhere{}
	}
	s, err := k.NewSystem(m, e, h)
	if err != nil {
		return nil, err
	}
	return &Run{k.ISA, k, s, name}, nil
}

// likewise names the engine for a run that begins from this one: the same, but a compiler may find no room this time.
func (r *Run) likewise() string {
	if r.engine == EngineJit {
		return EngineAuto
	}
	return r.engine
}

// nowhere is the host of a run that was given none.
type nowhere struct{}

func (nowhere) Preimage([32]byte) ([]byte, error) {
	return nil, errors.New("this run was given no pre-images")
}
func (nowhere) Hint([]byte) error        { return nil }
func (nowhere) Output(int, []byte) error { return nil }

// Save writes a snapshot, of which Resume makes the same run again.
func (r *Run) Save(w io.Writer) error {
	return snapshot.Write(w, r.system.Machine, r.isa.Name, KernelBare)
}

// Resume makes a run of a snapshot. Of the options it uses Host and Engine; the kernel must be the snapshot's
// unless it is empty, and the rest is already a part of the state. It reads r to its end. A damaged snapshot
// is an error that names the offset.
func Resume(r io.Reader, o Options) (*Run, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := snapshot.Open(r)
	if err != nil {
		return nil, err
	}
	if s.Kernel != KernelBare {
		return nil, fmt.Errorf("the snapshot is of the kernel %q, not %s", s.Kernel, KernelBare)
	}
	k, err := kernelFor(s.ISA)
	if err != nil {
		return nil, err
	}
	m, err := s.Machine(k.ISA.Thread)
	if err != nil {
		return nil, err
	}
	return newRun(k, m, o.Host, o.Engine)
}

// RunTo makes steps until the step counter is n or the machine has halted. After an error, which is the host's,
// the run is as it was before the step that failed.
func (r *Run) RunTo(n uint64) error { return r.system.Run(n) }

// Root is the commitment to the present state. Its cost is that of the pages that were written since the last
// call.
func (r *Run) Root() Hash { return r.system.Machine.Root() }

// ISA is the program's instruction set.
func (r *Run) ISA() *ISA { return r.isa }

// Kernel is the name of the run's kernel.
func (r *Run) Kernel() string { return KernelBare }

// Engine is the name of the engine that makes the steps.
func (r *Run) Engine() string { return r.engine }

// Step is the number of steps made since the program's start.
func (r *Run) Step() uint64 { return r.system.Machine.Get(ir.Step) }

// Exited tells whether the machine has halted, and with which exit code.
func (r *Run) Exited() (bool, uint8) { return r.system.Machine.Exited() }

// Pages is the number of allocated pages of 4 KiB.
func (r *Run) Pages() int { return r.system.Machine.Mem.Pages() }

// Threads is the number of threads that have not left the machine.
func (r *Run) Threads() int { return r.system.Machine.Threads() }

// Stats are figures of a run at one moment.
type Stats struct {
	ISA, Kernel, Engine string
	Steps               uint64 // since the program's start
	Exited              bool
	ExitCode            uint8 // 0 while the program runs
	Root                Hash
	Pages               int // of 4 KiB
	Threads             int
}

// Stats gives the figures of the present state.
func (r *Run) Stats() Stats {
	s := Stats{ISA: r.isa.Name, Kernel: r.Kernel(), Engine: r.Engine(), Steps: r.Step(), Root: r.Root()}
	s.Exited, s.ExitCode = r.Exited()
	s.Pages, s.Threads = r.Pages(), r.Threads()
	return s
}
