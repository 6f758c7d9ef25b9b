// Package verifiertest holds together what executes a step: the interpreter that records a witness, the replay of
// the witness in Go, the emitted contract, and the definition of ir. It has tests only, for every instruction set
// of the product, and golden files of what a step costs on chain.
package verifiertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/verifier"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

// A world is an instruction set with its kernel and its contract. It is for one goroutine; fork makes another.
type world struct {
	isa      *isa.ISA
	kernel   *bare.Kernel
	chain    *evm.Chain
	contract common.Address
	*meanings
}

// meanings is the part of a world that never changes.
type meanings struct {
	scheduler, syscall, fault *ir.Func
	rows                      []*ir.Func // with variable fields

	call    int               // the row whose instruction is a syscall
	number  uint64            // the register of a syscall's number
	args    []uint64          // the registers of a syscall's arguments
	numbers map[string]uint64 // of the syscalls that the kernel knows, by name
	names   []string          // their names, sorted
	plans   []plan            // all cases that are tried
}

var worlds = func() map[string]func() *world {
	list := map[string]func() *world{}
	for _, i := range sets.All() {
		list[i.Name] = sync.OnceValue(func() *world { return newWorld(i) })
	}
	return list
}()

// eachISA runs a test for every instruction set of the product.
func eachISA(t *testing.T, f func(t *testing.T, w *world)) {
	for _, i := range sets.All() {
		t.Run(i.Name, func(t *testing.T) { f(t, worlds[i.Name]().fork()) })
	}
}

func newWorld(i *isa.ISA) *world {
	k, err := bare.New(i)
	if err != nil {
		panic(err)
	}
	chain, err := evm.New()
	if err != nil {
		panic(err)
	}
	contract, err := chain.DeployVerifier(verifier.ContractName(i))
	if err != nil {
		panic(err)
	}
	m := &meanings{scheduler: k.Scheduler(), syscall: k.Syscall(), fault: k.Fault()}
	for r := range i.Rows {
		m.rows = append(m.rows, i.Symbolic(r))
	}
	m.convention(i)
	m.numbers = map[string]uint64{}
	for n := range uint64(8192) {
		if name := k.SyscallName(n); name != "" {
			m.numbers[name] = n
			m.names = append(m.names, name)
		}
	}
	slices.Sort(m.names)
	w := &world{i, k, chain, contract, m}
	m.plans = plans(w)
	return w
}

// convention finds what the kernel's table of conventions says, by the names that the manuals use.
func (m *meanings) convention(i *isa.ISA) {
	m.call = slices.IndexFunc(i.Rows, func(r isa.Row) bool { return r.Name == "syscall" || r.Name == "ecall" })
	reg := func(name string) uint64 {
		n := slices.Index(i.Regs[:], name)
		if n < 0 {
			panic(fmt.Sprintf("%s has no register %q", i.Name, name))
		}
		return uint64(n)
	}
	if slices.Contains(i.Regs[:], "v0") {
		m.number = reg("v0")
	} else {
		m.number = reg("a7")
	}
	for n := range uint64(4) {
		m.args = append(m.args, reg("a0")+n)
	}
}

// fork makes a world for another goroutine.
func (w *world) fork() *world {
	c := *w
	c.chain = w.chain.Fork()
	return &c
}

// system puts a machine together with the interpreter.
func (w *world) system(m *machine.Machine, h host) *bare.System {
	e, err := interp.New(w.isa, m)
	if err != nil {
		panic(err)
	}
	s, err := w.kernel.NewSystem(m, e, h)
	if err != nil {
		panic(err)
	}
	return s
}

// address brings a number into the guest's address space.
func (w *world) address(v uint64) uint64 {
	if w.isa.Bits == 32 {
		return uint64(uint32(v))
	}
	return v
}

// register brings a number into a register's form.
func (w *world) register(v uint64) uint64 {
	if w.isa.Bits == 32 {
		return uint64(int32(v))
	}
	return v
}

// host answers with the pre-images that it holds.
type host map[[32]byte][]byte

func (h host) Preimage(key [32]byte) ([]byte, error) {
	if data, ok := h[key]; ok {
		return data, nil
	}
	return nil, errors.New("the test's host does not have it")
}
func (host) Hint([]byte) error        { return nil }
func (host) Output(int, []byte) error { return nil }
