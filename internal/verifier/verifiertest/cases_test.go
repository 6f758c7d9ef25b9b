package verifiertest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
)

// A plan makes machines whose next step is of one kind.
type plan struct {
	name  string
	build func(*builder)
}

// A testCase is a machine before the step that is tried.
type testCase struct {
	machine *machine.Machine
	host    host
	context [32]byte // of local pre-images
}

// A builder makes one case. All that is random depends on the seed alone.
type builder struct {
	*rand.Rand
	w    *world
	turn uint64 // how many cases the plan has had
	m    *machine.Machine
	host host
	pool []uint64 // addresses of the guest that registers and the reservation are near to
	imm  uint64   // what the instruction adds to an address
	code []byte   // the instruction, to be put at pc
	asIs bool     // the memory is as it shall be
}

// build makes the case of a plan and a seed, which counts the plan's cases.
func (w *world) build(p plan, seed uint64) *testCase {
	h := fnv.New64()
	h.Write([]byte(p.name))
	b := &builder{Rand: rand.New(rand.NewPCG(seed, h.Sum64())), w: w, turn: seed, m: machine.New(w.isa.Thread), host: host{}}
	b.machine()
	p.build(b)
	b.memory()
	c := &testCase{machine: b.m, host: b.host}
	for n := range c.context {
		c.context[n] = byte(b.Uint32())
	}
	return c
}

// one is true one time in n.
func (b *builder) one(n int) bool { return b.IntN(n) == 0 }

func (b *builder) pick(list ...uint64) uint64 { return list[b.IntN(len(list))] }

// machine fills all cells, as they are in a machine that runs, and parks other threads.
func (b *builder) machine() {
	m := b.m
	for range 1 + b.IntN(3) {
		b.pool = append(b.pool, b.place())
	}
	m.Cells[ir.TraverseRight] = b.Uint64N(2)
	m.Cells[ir.Step] = b.pick(0, 1, b.Uint64()>>b.IntN(64), 1<<64-2)
	m.Cells[ir.Quantum] = b.pick(0, b.Uint64N(bare.QuantumSteps), bare.QuantumSteps-1)
	m.Cells[ir.NextThread] = b.pick(1, 2+b.Uint64N(9), 1<<64-1)
	m.Cells[ir.PreimageOffset] = b.pick(0, 8, b.Uint64N(100), b.Uint64())
	m.Cells[ir.Heap] = b.w.kernel.Layout.HeapStart + b.pick(0, b.Uint64N(1<<20)*machine.PageSize)
	if b.one(4) { // some programs exit with a code before the last thread does
		m.Cells[ir.ExitCode] = b.Uint64N(256)
	}
	b.bytes(m.Key[:])

	var stacks [2][][]byte
	for side, depth := range []int{b.IntN(3) * b.IntN(2), b.IntN(3) * b.IntN(2)} {
		for range depth {
			b.thread()
			stacks[side] = append(stacks[side], m.EncodeThread())
		}
	}
	b.thread()
	active := m.Cells[ir.TraverseRight]
	stacks[active] = append(stacks[active], m.EncodeThread())
	if err := m.SetStacks(stacks); err != nil {
		panic(err)
	}
}

// thread fills the running thread's cells.
func (b *builder) thread() {
	w, cells := b.w, &b.m.Cells
	for _, c := range w.isa.Thread {
		switch c {
		case ir.PC:
			cells[c] = w.address(b.place() &^ (w.isa.Align - 1))
		case ir.NextPC:
			cells[c] = w.address(cells[ir.PC] + 4)
			if b.one(8) { // in a delay slot
				cells[c] = w.address(b.place() &^ (b.pick(w.isa.Align, 1) - 1))
			}
		default:
			cells[c] = isatest.Word(w.isa.Bits, b.Rand)
		}
	}
	cells[0] = 0
	cells[ir.ThreadID] = b.Uint64() >> b.IntN(64)
	cells[ir.ThreadExit] = b.pick(0, b.Uint64N(256))
	cells[ir.ThreadExited] = b.Uint64N(2) & b.Uint64N(2)
}

// place is an address of the guest where something ends or begins, or any.
func (b *builder) place() uint64 {
	layout := b.w.kernel.Layout
	base := b.pick(0x10000, layout.HeapStart, layout.StackTop, 0, 1<<31, 1<<32, b.Uint64(), b.m.Cells[ir.PC])
	unit := b.pick(1, 8, merkle.LeafSize, machine.PageSize)
	return b.w.address(base&^(unit-1) + b.pick(0, b.Uint64N(17)-8, unit/2))
}

// near is a register from which an instruction may come to an address of the pool.
func (b *builder) near() uint64 {
	v := b.pool[b.IntN(len(b.pool))] - b.imm
	if b.one(4) {
		v += b.Uint64N(17) - 8
	}
	return b.w.register(v)
}

func (b *builder) bytes(p []byte) {
	for n := range p {
		p[n] = byte(b.Uint32())
	}
}

// running makes the thread one that executes an instruction now.
func (b *builder) running() {
	b.m.Cells[ir.ThreadExited] = 0
}

// instruction is a case of one row.
func (b *builder) instruction(row int) {
	b.running()
	i := b.w.isa
	word := isatest.Instance(i, row, b.Rand)
	pattern := &i.Patterns()[row]
	if f, ok := pattern.Field("imm"); ok {
		b.imm = f.Value(word)
	} else if f, ok := pattern.Field("uimm"); ok {
		b.imm = f.Value(word)
	}
	b.encode(word, pattern.Size)
	for r := 1; r < 32; r++ {
		switch b.IntN(8) {
		case 0:
			b.m.Cells[r] = b.w.register(b.imm)
		case 1, 2, 3, 4:
			b.m.Cells[r] = b.near()
		}
	}
	b.reservation()
}

// conditional is a case of a row that succeeds, or would if one thing were not otherwise.
func (b *builder) conditional(row int) {
	b.pool = []uint64{b.place() &^ 7}
	b.instruction(row)
	for r := 1; r < 32; r++ {
		b.m.Cells[r] = b.w.register(b.pool[0] - b.imm)
	}
	cells := &b.m.Cells
	cells[ir.ReservationStatus] = 1 + b.Uint64N(2)
	cells[ir.ReservationAddress] = b.pool[0]
	cells[ir.ReservationOwner] = cells[ir.ThreadID]
	if b.one(2) {
		wrong := []ir.Cell{ir.ReservationStatus, ir.ReservationAddress, ir.ReservationOwner}[b.IntN(3)]
		cells[wrong] ^= 1 << b.IntN(2)
	}
}

// encode keeps the instruction for pc.
func (b *builder) encode(word uint32, size uint64) {
	b.code = nil
	for n := range size {
		at := n
		if b.w.isa.Big {
			at = size - 1 - n
		}
		b.code = append(b.code, byte(word>>(8*at)))
	}
}

// reservation makes one that may be the instruction's: of its address, width and thread, or nearly.
func (b *builder) reservation() {
	cells := &b.m.Cells
	if b.one(4) {
		return
	}
	cells[ir.ReservationStatus] = 1 + b.Uint64N(2)
	cells[ir.ReservationAddress] = b.w.address(b.near() + b.imm)
	cells[ir.ReservationOwner] = cells[ir.ThreadID]
	if b.one(4) {
		cells[ir.ReservationOwner] = b.Uint64N(8)
	}
}

// memory puts random bytes where the step will look, and the instruction at pc. Where that is, a trial tells.
func (b *builder) memory() {
	if !b.asIs && !b.one(16) {
		b.install()
		trial := b.w.reference(b.m.Fork(), b.host)
		trial.step()
		for _, a := range trial.touched {
			random := make([]byte, 64)
			b.bytes(random)
			b.m.Mem.Write(b.w.address(a.addr-24), random)
		}
	}
	b.install()
}

func (b *builder) install() {
	for n, v := range b.code {
		b.m.Mem.Write(b.w.address(b.m.Cells[ir.PC]+uint64(n)), []byte{v})
	}
}

// unknown is a word that is no instruction: any, or one that differs from an instruction in a bit.
func (b *builder) unknown() {
	b.running()
	for {
		word := b.Uint32()
		if b.one(2) {
			word = isatest.Instance(b.w.isa, b.IntN(len(b.w.isa.Rows)), b.Rand) ^ 1<<b.IntN(32)
		}
		if _, ok := b.w.isa.Decode(word); !ok {
			b.encode(word, b.w.isa.Size(word))
			return
		}
	}
}

// misaligned is a pc at which no instruction can be.
func (b *builder) misaligned() {
	b.instruction(b.IntN(len(b.w.isa.Rows)))
	b.m.Cells[ir.PC] |= 1 + b.Uint64N(b.w.isa.Align-1)
}

// exited is a thread that is to be popped.
func (b *builder) exited() {
	b.instruction(b.IntN(len(b.w.isa.Rows)))
	b.m.Cells[ir.ThreadExited] = 1
}

// exhausted is a thread that has had its time.
func (b *builder) exhausted() {
	b.instruction(b.IntN(len(b.w.isa.Rows)))
	b.m.Cells[ir.Quantum] = b.pick(bare.QuantumSteps, bare.QuantumSteps+1, 1<<64-1)
}

// halted is a machine that does not change any more.
func (b *builder) halted() {
	b.instruction(b.IntN(len(b.w.isa.Rows)))
	b.m.Cells[ir.Exited] = 1
	b.m.Cells[ir.ExitCode] = b.pick(0, 1, 2, 255)
	b.m.Cells[ir.ThreadExited] = b.Uint64N(2)
}

func plans(w *world) []plan {
	var list []plan
	for r, row := range w.isa.Rows {
		if r == w.call {
			continue
		}
		list = append(list, plan{row.Name, func(b *builder) { b.instruction(r) }})
		if newAbility(w.rows[r].Body).choose { // a conditional store has many reasons to fail
			for n := range 4 {
				list = append(list, plan{fmt.Sprintf("%s, turn %d", row.Name, n), func(b *builder) { b.conditional(r) }})
			}
		}
	}
	list = append(list, syscallPlans(w)...)
	return append(list,
		plan{"unknown instruction", (*builder).unknown},
		plan{"misaligned pc", (*builder).misaligned},
		plan{"exited thread", (*builder).exited},
		plan{"preemption", (*builder).exhausted},
		plan{"halted", (*builder).halted},
	)
}
