package enginetest

import (
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/kernel/bare"
)

const (
	workers   = 3
	stackSize = 1 << 16 // bytes of a thread's stack
	// cloneFlags are what Go passes to make a thread: VM, FS, FILES, SIGHAND, SYSVSEM, THREAD of Linux.
	cloneFlags = 0x50f00
)

// generateThreads makes a program for the kernel: some threads that run random code, ask the kernel for things, count
// by load-linked and store-conditional, and end. The first one waits for the others and halts the machine.
func generateThreads(i *isa.ISA, seed uint64, p plan) *program {
	return newGenerator(i, seed, p).finish((*generator).threads)
}

// An asking is a syscall with arguments; an address is one of the program's.
type asking struct {
	name string
	args []constant
}

// askings are syscalls that go on.
func (g *generator) askings() []asking {
	number := func(v uint64) constant { return constant{v, nowhere} }
	at := func() constant { return constant{pick(g.random, g.spots), nowhere} }
	return []asking{
		{"sched_yield", nil},
		{"nanosleep", nil},
		{"gettid", nil},
		{"brk", nil},
		{"madvise", nil},
		{"mmap", []constant{number(0), number(1 + g.random.Uint64N(10000))}},
		{"clock_gettime", []constant{number(1), at()}},
		{"clock_gettime64", []constant{number(1), at()}},
		{"getrandom", []constant{at(), number(g.random.Uint64N(9))}},
		{"write", []constant{number(1), at(), number(g.random.Uint64N(40))}},
		{"futex", []constant{at(), number(128), number(g.random.Uint64N(2))}}, // FUTEX_WAIT_PRIVATE
		{"futex", []constant{at(), number(129), number(1)}},                   // FUTEX_WAKE_PRIVATE
		{"read", []constant{number(0), at(), number(8)}},
		{"no such syscall", nil},
	}
}

// syscallNumber looks a syscall up; one that is not there has a number that no syscall has.
func syscallNumber(i *isa.ISA, name string) uint64 {
	for _, row := range bare.Syscalls() {
		if row.Name != name || row.Narrow && i.Bits != 32 {
			continue
		}
		n := row.RISCV
		if delaySlots(i) {
			n = row.N64
			if i.Bits == 32 {
				n = row.O32
			}
		}
		if n != 0 {
			return n
		}
	}
	return 9999
}

// ask writes a syscall.
func (g *generator) ask(a asking) {
	g.constant(g.sysNumber, constant{syscallNumber(g.isa, a.name), nowhere})
	for n, arg := range a.args {
		g.constant(g.sysArgs+uint64(n), arg)
	}
	g.op(g.syscall, nil)
}

// count adds 1 to a word of memory, which other threads do too.
func (g *generator) count(addr uint64) {
	p, v := g.scratch[1], g.scratch[0]
	g.constant(p, constant{addr, nowhere})
	again := g.here()
	g.op(g.ll, fields{g.a: p, g.immD: v})
	g.straightPlain(v, p)
	g.op("addi", fields{g.immA: v, g.immD: v, "imm": 1})
	g.op(g.sc, g.scFields(p, v))
	failed := "beq" // MIPS gives 1 for success
	if !delaySlots(g.isa) {
		failed = "bne"
	}
	g.to(isatest.Row(g.isa, failed), fields{g.a: v, g.b: 0}, again)
	if delaySlots(g.isa) {
		g.word(nop(g.isa, 4))
	}
}

// straightPlain writes a few instructions that spare two registers.
func (g *generator) straightPlain(spare ...uint64) {
	for range g.random.IntN(3) {
		in := g.replacement()
		if r := in.fields[g.d]; r != spare[0] && r != spare[1] && in.fields[g.immD] != spare[0] && in.fields[g.immD] != spare[1] {
			g.write(in)
		}
	}
}

func (g *generator) scFields(p, v uint64) fields {
	if delaySlots(g.isa) {
		return fields{g.a: p, g.b: v}
	}
	return fields{g.a: p, g.b: v, "rd": v}
}

// rounds writes a loop of random pieces and syscalls.
func (g *generator) rounds(counter uint64) {
	round := g.counters[0]
	g.op(g.addi, fields{g.immD: round, g.immA: 0, "imm": 400 + g.random.Uint64N(1600)})
	head := g.here()
	g.again()
	for range g.plan.pieces {
		g.piece(1)
		if g.random.IntN(3) == 0 {
			g.ask(pick(g.random, g.askings()))
		}
	}
	g.count(counter)
	g.op(g.addi, fields{g.immD: round, g.immA: round, "imm": ^uint64(0)})
	g.to(isatest.Row(g.isa, "bne"), fields{g.a: round, g.b: 0}, head)
	g.slot()
}

// threads writes the main part.
func (g *generator) threads() {
	shared, done := g.wrap(g.middle+tableMiddle+64), g.wrap(g.middle+tableMiddle+128)
	work, wait, halt := g.newLabel(), g.newLabel(), g.newLabel()
	for n := range uint64(workers) {
		g.ask(asking{"clone", []constant{{cloneFlags, nowhere}, {g.top - (n+1)*stackSize, nowhere}}})
		g.to(isatest.Row(g.isa, "beq"), fields{g.a: g.sysResult, g.b: 0}, work)
		g.slot()
	}
	g.rounds(shared)
	s := g.scratch[0]
	g.bind(wait)
	g.constant(s, constant{done, nowhere})
	g.op("lw", fields{g.immD: s, g.immA: s})
	g.op(g.addi, fields{g.immD: s, g.immA: s, "imm": negative(workers)})
	g.to(isatest.Row(g.isa, "beq"), fields{g.a: s, g.b: 0}, halt)
	g.slot()
	g.ask(asking{"sched_yield", nil})
	g.to(isatest.Row(g.isa, g.jump), g.noLink(), wait)
	g.slot()
	g.bind(halt)
	g.ask(asking{"exit_group", []constant{{7, nowhere}}})
	g.bind(work)
	g.rounds(shared)
	g.count(done)
	g.ask(asking{"exit", []constant{{3, nowhere}}})
}
