// Package bare is the kernel of today's fault-proof machines: memory, threads, futexes, a clock and
// pre-images. Its scheduler and its syscalls are ir, so that the Go code, the contract and the reference
// evaluator come from one text. Specification: docs/base-machine.md.
package bare

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// QuantumSteps is how many steps a thread runs before another has its turn.
const QuantumSteps = 100_000

// StepsPerSecond is the rate of the guest's clock.
const StepsPerSecond = 10_000_000

// A Layout is where things are in a guest's address space.
type Layout struct {
	HeapStart, HeapEnd uint64 // the end is the last address that the heap pointer may have
	Break              uint64 // the constant program break
	StackTop           uint64 // the stack pointer at the start, before arguments are put there
}

// LayoutOf gives the layout for a register width.
func LayoutOf(bits int) Layout {
	if bits == 32 {
		return Layout{0x0500_0000, 0x6000_0000, 0x4000_0000, 0x7fff_d000}
	}
	return Layout{0x1000_0000_0000, 0x6000_0000_0000, 0x4000_0000_0000, 0x7fff_ffff_f000}
}

// A Kernel builds the meanings of the scheduler and the syscalls for one instruction set.
type Kernel struct {
	ISA    *isa.ISA
	Layout Layout
	abi    convention
	enosys uint64
	mips   bool
}

// A convention says where a syscall's number, arguments and result are: general registers.
type convention struct {
	number uint64
	args   uint64 // the first argument's register; the others follow
	result uint64
	flag   int // register that tells an error, or -1 if the result is negative then
	sp     uint64
}

// ENOSYS of Linux: include/uapi/asm-generic/errno.h, and arch/mips/include/uapi/asm/errno.h.
const (
	enosys     = 38
	enosysMIPS = 89
)

// New makes the kernel for an instruction set.
func New(i *isa.ISA) (*Kernel, error) {
	k := &Kernel{ISA: i, Layout: LayoutOf(i.Bits)}
	switch i.Name {
	case "mips64", "mips64le", "mips32", "mips32le":
		k.abi = convention{number: 2, args: 4, result: 2, flag: 7, sp: 29}
		k.enosys, k.mips = enosysMIPS, true
	case "riscv64", "riscv32":
		k.abi = convention{number: 17, args: 10, result: 10, flag: -1, sp: 2}
		k.enosys = enosys
	default:
		return nil, fmt.Errorf("bare: no syscall convention for %s", i.Name)
	}
	return k, nil
}

// StackPointer is the number of the stack pointer's register.
func (k *Kernel) StackPointer() uint64 { return k.abi.sp }

// FixedProofs tells whether a witness has memory proofs of full length in fixed places, as Cannon's have. The
// others carry compact proofs, one for each leaf that the step touches.
func (k *Kernel) FixedProofs() bool { return k.mips && k.ISA.Bits == 64 }

// Scheduler is one step: the whole of it, but for a halted machine, which the caller looks for.
func (k *Kernel) Scheduler() *ir.Func {
	b := ir.NewBuilder(k.ISA.Big)
	b.Set(ir.Step, b.AddI(b.Get(ir.Step), 1))
	b.IfElse(b.Get(ir.ThreadExited), func() {
		b.Do(ir.PopThread)
		k.switched(b)
	}, func() {
		b.IfElse(b.LtU(b.Get(ir.Quantum), b.Const(QuantumSteps)), func() {
			b.Set(ir.Quantum, b.AddI(b.Get(ir.Quantum), 1))
			b.Do(ir.Execute)
		}, func() { k.preempt(b) })
	})
	return b.Func()
}

// switched ends every departure of a thread from the active stack.
func (k *Kernel) switched(b *ir.Builder) {
	b.If(b.ActiveEmpty(), func() { b.Set(ir.TraverseRight, b.Xor(b.Get(ir.TraverseRight), b.Const(1))) })
	b.Set(ir.Quantum, b.Const(0))
}

func (k *Kernel) preempt(b *ir.Builder) {
	b.Do(ir.MoveThread)
	k.switched(b)
}

func (k *Kernel) halt(b *ir.Builder, code ir.Value) {
	b.Set(ir.ExitCode, code)
	b.Set(ir.Exited, b.Const(1))
}

// FaultCode is the exit code of a machine whose program did what has no meaning.
const FaultCode = 2

// Fault is what becomes of a trap that is no syscall: the machine exits, the thread stays as it was.
func (k *Kernel) Fault() *ir.Func {
	b := ir.NewBuilder(k.ISA.Big)
	k.halt(b, b.Const(FaultCode))
	return b.Func()
}

// Syscall is what becomes of a trap that is one.
func (k *Kernel) Syscall() *ir.Func {
	b := ir.NewBuilder(k.ISA.Big)
	var arms []ir.Arm
	var still []uint64
	for _, c := range calls {
		numbers := c.numbersOf(k.ISA)
		if len(numbers) == 0 {
			continue
		}
		if c.mean == nil {
			still = append(still, numbers...)
			continue
		}
		arms = append(arms, ir.Arm{Keys: numbers, Body: func() { c.mean(call{k, b}) }})
	}
	arms = append(arms, ir.Arm{Keys: still, Body: func() { call{k, b}.result(b.Const(0)) }})
	b.Switch(b.Reg(b.Const(k.abi.number)), arms, func() { call{k, b}.fail(k.enosys) })
	return b.Func()
}
