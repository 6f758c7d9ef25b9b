// Package interp is the portable engine: a loop over decoded instructions. The loops, one per instruction
// set, are emitted from the rows; this file is the rest. The same loop runs programs, records witnesses and
// replays them.
package interp

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

// An Insn is a decoded instruction: the row, its small fields, and one precomputed word.
type Insn struct {
	Imm              uint64
	Op               uint16 // opUndecoded, opUnknown, firstRow plus the row's number, or a pair
	A, B, C, D, E, F uint8
}

const (
	opUndecoded = iota
	opUnknown
	firstRow
)

// exit says why a loop ended. In every case but the first the instruction at pc was not executed.
type exit int

const (
	exitBudget exit = iota // n instructions were executed
	exitSlow               // it traps, or has to be executed by Step
	exitPage               // its page is not among the engine's code
	exitDecode             // it is not decoded
	exitRead               // it reads at Engine.miss, whose page is not in Memory.Reads
	exitWrite              // it writes at Engine.miss, whose page is not in Memory.Writes
)

// execFunc runs up to n instructions and gives how many are left.
type execFunc func(e *Engine, n uint64) (left uint64, end exit)

// stepFunc executes one decoded instruction. If it traps, nothing is done.
type stepFunc func(m *machine.Machine, in *Insn) (trap ir.TrapKind, trapped bool)

// codeEntries is the size of the direct-mapped cache of code pages, by page number.
const codeEntries = 256

// maxPages bounds the pages of decoded instructions. They are kept for pages too that nothing was ever written to: on
// MIPS zeros are instructions, so that a program may run through all of an empty address space.
const maxPages = 1 << 13

// noBase is the base of no page. A loop compares bases with a pc whose offset in the page is cut out, all but
// the bits that a misaligned pc has: this bit is never left.
const noBase = 4

// A codePage is a page of decoded instructions, one for each possible pc.
type codePage struct {
	base  uint64         // address of the page
	insns unsafe.Pointer // *[…]Insn
}

// An Engine executes the instructions of one machine.
type Engine struct {
	m     *machine.Machine
	isa   *isa.ISA
	loop  loop
	miss  uint64 // address
	code  [codeEntries]codePage
	pages map[uint64][]Insn // by page number
	delay bool              // the instruction set has delay slots
	own   *profile          // nil if the instruction set is the one that the loop was emitted for

	// Dropped, if not nil, is called when no page is watched any more for the sake of its code.
	Dropped func()
}

// A loop is the emitted code of an instruction set.
type loop struct {
	exec    execFunc
	step    stepFunc
	prepare func(r int, w uint32, pc uint64) Insn
	jumps   func(r int) bool
	pairs   map[[2]uint16]uint16
}

// New makes an engine for a machine. The machine's memory tells it when code is overwritten; one memory has
// one engine.
func New(i *isa.ISA, m *machine.Machine) (*Engine, error) {
	l, ok := loops[i.Name]
	if !ok {
		return nil, fmt.Errorf("interp: no loop for %s", i.Name)
	}
	e := &Engine{m: m, isa: i, loop: l, pages: map[uint64][]Insn{}, delay: slices.Contains(i.Thread, ir.NextPC)}
	if i.Base != nil {
		e.own = profileOf(i)
	}
	e.drop()
	m.Mem.OnWatchedWrite = e.forget
	return e, nil
}

// drop forgets all decoded instructions.
func (e *Engine) drop() {
	clear(e.pages)
	for n := range e.code {
		e.code[n].base = noBase
	}
	e.m.Mem.Unwatch()
	if e.Dropped != nil {
		e.Dropped()
	}
}

// forget drops the decoded instructions of a page that is about to be written.
func (e *Engine) forget(page uint64) { clear(e.pages[page]) }

// enter brings the page of pc into the code cache. A misaligned pc has none. Nor has one beyond the addresses of 32
// bits, which no program comes to but a forged snapshot may have: Step fetches from the wrapped address.
func (e *Engine) enter(pc uint64) bool {
	if pc%e.isa.Align != 0 || e.m.Wrap(pc) != pc {
		return false
	}
	number := pc / machine.PageSize
	p, ok := e.pages[number]
	if !ok {
		if len(e.pages) == maxPages {
			e.drop()
		}
		p = make([]Insn, machine.PageSize/e.isa.Align)
		e.pages[number] = p
	}
	e.code[number%codeEntries] = codePage{number * machine.PageSize, unsafe.Pointer(&p[0])}
	return true
}

// decode fills the entry of the instruction at pc, unless it may cross into another page, which is not
// watched for this one.
func (e *Engine) decode(pc uint64) bool {
	in, size, ok := e.decodeAlone(pc)
	if !ok {
		return false
	}
	number := pc / machine.PageSize
	// In a delay slot an instruction is followed by the target of the jump, so it is not paired.
	if next, _, ok := e.decodeAlone(pc + size); ok && (pc+size)/machine.PageSize == number && !e.mayBeSlot(pc) {
		if both, ok := e.loop.pairs[[2]uint16{in.Op, next.Op}]; ok {
			in.Op = both
			if slot := e.slot(pc + size); slot.Op == opUndecoded {
				*slot = next
			}
		}
	}
	*e.slot(pc) = in
	e.m.Mem.Watch(number)
	return true
}

// slot is the place of a decoded instruction in a page that was entered.
func (e *Engine) slot(pc uint64) *Insn {
	return &e.pages[pc/machine.PageSize][pc%machine.PageSize/e.isa.Align]
}

// decodeAlone decodes an instruction that is wholly within its page.
func (e *Engine) decodeAlone(pc uint64) (in Insn, size uint64, ok bool) {
	if pc%machine.PageSize > machine.PageSize-4 {
		return in, 0, false
	}
	w := uint32(e.m.Mem.ReadSlow(pc, 4, e.isa.Big))
	return e.decoded(pc, w), e.isa.Size(w), true
}

// mayBeSlot tells whether the instruction before pc jumps and has a delay slot. At the beginning of a page that is
// not looked up.
func (e *Engine) mayBeSlot(pc uint64) bool {
	if !e.delay {
		return false
	}
	if pc%machine.PageSize == 0 {
		return true
	}
	row, ok := e.isa.Decode(uint32(e.m.Mem.ReadSlow(pc-4, 4, e.isa.Big)))
	if ok && e.own != nil {
		row, ok = e.own.emitted(row)
	}
	return ok && e.loop.jumps(row)
}

func (e *Engine) decoded(pc uint64, w uint32) Insn {
	row, ok := e.isa.Decode(w)
	if ok && e.own != nil {
		if e.own.rows[row].slow {
			return Insn{Op: opUnknown} // Step carries it out
		}
		row = e.own.rows[row].base
	}
	if !ok {
		return Insn{Op: opUnknown}
	}
	return e.loop.prepare(row, w, pc)
}

// Run executes up to n instructions and gives how many it did. It stops before an instruction that Step has
// to execute. The machine's step counter does not move. There must be no recorder.
func (e *Engine) Run(n uint64) uint64 {
	if !fastHost {
		return 0
	}
	left := n
	for {
		var end exit
		left, end = e.loop.exec(e, left)
		again := false
		switch pc := e.m.Cells[ir.PC]; end {
		case exitPage:
			again = e.enter(pc)
		case exitDecode:
			again = e.decode(pc)
		case exitRead:
			e.m.Mem.ReadSlow(e.miss, 1, true) // brings the page into Reads
			again = true
		case exitWrite:
			again = e.m.Mem.PrepareWrite(e.miss)
		}
		if !again {
			return n - left
		}
	}
}

// Fetch reads the instruction at pc, a 16-bit one without touching what follows it.
func (e *Engine) Fetch() uint32 {
	pc := e.m.Cells[ir.PC]
	if e.isa.Align == 4 {
		return uint32(e.m.Load(pc, 4, e.isa.Big))
	}
	w := uint32(e.m.Load(pc, 2, e.isa.Big))
	if e.isa.Size(w) == 4 {
		w |= uint32(e.m.Load(e.m.Wrap(pc+2), 2, e.isa.Big)) << 16
	}
	return w
}

// Step executes one instruction, whatever it is; the machine's step counter already counts it. If it traps,
// nothing is done and the trap is told.
func (e *Engine) Step() (trap ir.TrapKind, trapped bool) {
	pc := e.m.Cells[ir.PC]
	if pc%e.isa.Align != 0 {
		return ir.Fault, true
	}
	w := e.Fetch()
	e.m.Fetched()
	if e.own != nil {
		return e.stepOwn(pc, w)
	}
	in := e.decoded(pc, w)
	return e.loop.step(e.m, &in)
}

// dest is a register number to be written: writes to the register that reads as zero go to the sink.
func dest(r uint8) uint8 {
	if r == 0 {
		return uint8(ir.Sink)
	}
	return r
}
