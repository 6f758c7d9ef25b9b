// Package cannon runs Optimism's Cannon (state version 8, "multithreaded64-5")
// as a foreign oracle beside flexEmu: the same program, the same start, state
// by state. It lives in a module of its own, so that Cannon's dependencies
// never reach flexEmu's. The machine that both implement is described at
// https://specs.optimism.io/fault-proof/cannon-fault-proof-vm.html.
//
// It must not import anything of flexEmu: an oracle that shares code with what
// it judges proves nothing.
package cannon

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum-optimism/optimism/cannon/cmd"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/arch"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/exec"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/memory"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/multithreaded"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/program"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/log"
)

// Proof is Cannon's own proof record; its JSON names are Cannon's.
type Proof = cmd.Proof

// ErrPanic is wrapped by errors of steps that Cannon refuses to define: an
// unknown instruction or syscall, a division by zero, a missing pre-image.
var ErrPanic = errors.New("cannon panicked")

// VM is a Cannon machine between two steps.
type VM struct {
	state *multithreaded.State
	vm    *multithreaded.InstrumentedState
}

// Load reads the ELF file at path into the state that
// `cannon load-elf --type multithreaded64-5` makes of it, and gives it the
// memory layout of `cannon run` (fast regions of 128 MiB code and 512 MiB heap).
func Load(path string, pre mipsevm.PreimageOracle, stdout, stderr io.Writer) (*VM, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	defer f.Close()
	// Cannon's loader looks at the machine only, and takes any other MIPS file
	// for what it is not.
	if f.Machine != elf.EM_MIPS || f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2MSB {
		return nil, fmt.Errorf("load %s: %v %v %v is not 64-bit big-endian MIPS", path, f.Machine, f.Class, f.Data)
	}
	state, err := program.LoadELF(f, func(pc, heap program.Word) *multithreaded.State {
		s := multithreaded.CreateInitialState(pc, heap)
		s.Memory = memory.NewMemoryWithLargeRegions()
		return s
	})
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	if err := program.PatchStack(state); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return New(state, pre, stdout, stderr), nil
}

// New makes a machine that goes on from state, and owns it from now on. Code in
// the first region of state's memory is decoded here, once and for all.
func New(state *multithreaded.State, pre mipsevm.PreimageOracle, stdout, stderr io.Writer) *VM {
	quiet := log.NewLogger(log.DiscardHandler())
	return &VM{
		state: state,
		vm:    multithreaded.NewInstrumentedState(state, pre, stdout, stderr, quiet, nil, mipsevm.FeatureToggles{}),
	}
}

// Steps is the number of steps done so far.
func (v *VM) Steps() uint64 { return v.state.Step }

// Exited tells whether the machine has halted, and with which code.
func (v *VM) Exited() (bool, uint8) { return v.state.Exited, v.state.ExitCode }

// Root is the state hash.
func (v *VM) Root() common.Hash {
	_, root := v.state.EncodeWitness()
	return root
}

// RunTo steps until n steps are done or the machine has halted.
// After an error that wraps ErrPanic, Steps is the step that Cannon refuses, and
// the machine is of no further use.
func (v *VM) RunTo(n uint64) (err error) {
	defer v.recoverPanic(&err)
	state, vm := v.state, v.vm
	for state.Step < n && !state.Exited {
		if _, err := vm.Step(false); err != nil {
			return fmt.Errorf("step %d: %w", state.Step, err)
		}
	}
	return nil
}

// Prove does one step and returns its proof. Parts of the proof-data that the
// step does not use hold what an earlier step left there.
// A halted machine has no next step: that is an error.
func (v *VM) Prove() (p *Proof, err error) {
	defer v.recoverPanic(&err)
	if v.state.Exited {
		return nil, fmt.Errorf("prove step %d: the machine has halted", v.state.Step)
	}
	step := v.state.Step
	wit, err := v.vm.Step(true)
	if err != nil {
		return nil, fmt.Errorf("prove step %d: %w", step, err)
	}
	p = &Proof{
		Step:      step,
		Pre:       wit.StateHash,
		Post:      v.Root(),
		StateData: wit.State,
		ProofData: wit.ProofData,
	}
	if wit.HasPreimage() {
		p.OracleKey, p.OracleValue, p.OracleOffset = wit.PreimageKey[:], wit.PreimageValue, wit.PreimageOffset
	}
	return p, nil
}

// Kind tells what a step does. Class is "pop" or "preempt" a thread;
// "syscall", with its number and what decides its way (descriptor, command,
// type of key); or the name of an opcode field, with its value: "op",
// "special", "regimm", "special2". A halted machine does nothing: Kind{}.
type Kind struct {
	Class        string
	Code, Detail uint64
}

// Kind is what the next step does.
func (v *VM) Kind() Kind {
	s := v.state
	thread := s.GetCurrentThread()
	switch {
	case s.Exited:
		return Kind{}
	case thread.Exited:
		return Kind{Class: "pop"}
	case s.StepsSinceLastContextSwitch >= exec.SchedQuantum:
		return Kind{Class: "preempt"}
	case thread.Cpu.PC%4 != 0:
		return Kind{Class: "misaligned"}
	}
	insn, op, fun := exec.GetInstructionDetails(thread.Cpu.PC, s.Memory)
	switch {
	case op == 0 && fun == 0x0c:
		return v.syscallKind(&thread.Registers)
	case op == 0:
		return Kind{Class: "special", Code: uint64(fun)}
	case op == 1:
		return Kind{Class: "regimm", Code: uint64(insn >> 16 & 0x1f)}
	case op == 0x1c:
		return Kind{Class: "special2", Code: uint64(fun)}
	}
	return Kind{Class: "op", Code: uint64(op)}
}

func (v *VM) syscallKind(registers *[32]arch.Word) Kind {
	number, a0, a1, _ := exec.GetSyscallArgs(registers)
	kind := Kind{Class: "syscall", Code: number}
	switch {
	case number == arch.SysRead && a0 == exec.FdPreimageRead:
		kind.Detail = uint64(v.state.PreimageKey[0])<<8 | a0
	case number == arch.SysRead, number == arch.SysWrite, number == arch.SysClockGetTime:
		kind.Detail = a0
	case number == arch.SysFutex, number == arch.SysFcntl:
		kind.Detail = a1
	}
	return kind
}

// recoverPanic relies on Cannon's counting a step before it does it.
func (v *VM) recoverPanic(err *error) {
	if r := recover(); r != nil {
		v.state.Step--
		*err = fmt.Errorf("step %d: %w: %v", v.state.Step, ErrPanic, r)
	}
}
