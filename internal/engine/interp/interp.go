// Package interp is the portable engine: a loop over decoded instructions. The loops, one per instruction
// set, are emitted from the rows; this file is the rest. The same loop runs programs, records witnesses and
// replays them.
package interp

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

// An Insn is a decoded instruction: the row, its small fields, and one precomputed word.
type Insn struct {
	Imm              uint64
	Op               uint16 // opUndecoded, opUnknown, or firstRow plus the row's number
	A, B, C, D, E, F uint8
}

const (
	opUndecoded = iota
	opUnknown
	firstRow
)

// exit says why a loop ended.
type exit int

const (
	exitBudget exit = iota // n instructions were executed
	exitSlow               // the next instruction has to be executed by Step
	exitTrap               // plus the kind: the next instruction traps; it was not executed
)

// execFunc runs up to n instructions and gives how many are left. page holds the decoded instructions of page
// number tag. precise says that the machine's step counter is right for the one instruction to be executed.
type execFunc func(e *Engine, n uint64, page []Insn, tag uint64, precise bool) (left uint64, end exit)

// An Engine executes the instructions of one machine.
type Engine struct {
	m       *machine.Machine
	isa     *isa.ISA
	exec    execFunc
	prepare func(r int, w uint32, pc uint64) Insn
	pages   map[uint64][]Insn // by page number
	scratch []Insn            // a page of which only one instruction is decoded at a time
}

var loops = map[string]struct {
	exec    execFunc
	prepare func(r int, w uint32, pc uint64) Insn
}{
	"mips64": {execMips64, prepareMips64},
}

// New makes an engine for a machine. The machine's memory tells it when code is overwritten; one memory has
// one engine.
func New(i *isa.ISA, m *machine.Machine) (*Engine, error) {
	loop, ok := loops[i.Name]
	if !ok {
		return nil, fmt.Errorf("interp: no loop for %s", i.Name)
	}
	e := &Engine{
		m: m, isa: i, exec: loop.exec, prepare: loop.prepare,
		pages: map[uint64][]Insn{}, scratch: make([]Insn, machine.PageSize/i.Align),
	}
	m.Mem.OnWatchedWrite = e.forget
	return e, nil
}

// forget drops the decoded instructions of a page that is about to be written, in place: a loop may be running
// on them.
func (e *Engine) forget(page uint64) { clear(e.pages[page]) }

func (e *Engine) page(pc uint64) []Insn {
	number := pc / machine.PageSize
	p, ok := e.pages[number]
	if !ok {
		p = make([]Insn, machine.PageSize/e.isa.Align)
		e.pages[number] = p
	}
	return p
}

// decode fills the entry of the instruction at pc, or refuses it if it has to be executed by Step.
func (e *Engine) decode(in *Insn, pc uint64) bool {
	if pc%e.isa.Align != 0 || pc%machine.PageSize > machine.PageSize-4 {
		return false // may cross into another page, which is not watched for this one
	}
	*in = e.decoded(pc, uint32(e.m.Mem.ReadSlow(pc, 4, e.isa.Big)))
	e.m.Mem.Watch(pc / machine.PageSize)
	return true
}

func (e *Engine) decoded(pc uint64, w uint32) Insn {
	row, ok := e.isa.Decode(w)
	if !ok {
		return Insn{Op: opUnknown}
	}
	return e.prepare(row, w, pc)
}

// Run executes up to n instructions and gives how many it did. It stops before an instruction that Step has
// to execute. The machine's step counter does not move.
func (e *Engine) Run(n uint64) uint64 {
	left, _ := e.exec(e, n, nil, machine.NoPage, false)
	return n - left
}

// Fetch reads the instruction at pc, a 16-bit one without touching what follows it.
func (e *Engine) Fetch() uint32 {
	pc := e.m.Cells[ir.PC]
	if e.isa.Align == 4 {
		return uint32(e.m.Mem.ReadSlow(pc, 4, e.isa.Big))
	}
	w := uint32(e.m.Mem.ReadSlow(pc, 2, e.isa.Big))
	if e.isa.Size(w) == 4 {
		w |= uint32(e.m.Mem.ReadSlow(pc+2, 2, e.isa.Big)) << 16
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
	in := &e.scratch[pc%machine.PageSize/e.isa.Align]
	*in = e.decoded(pc, w)
	_, end := e.exec(e, 1, e.scratch, pc/machine.PageSize, true)
	*in = Insn{}
	if end >= exitTrap {
		return ir.TrapKind(end - exitTrap), true
	}
	return 0, false
}

// dest is a register number to be written: writes to the register that reads as zero go to the sink.
func dest(r uint8) uint8 {
	if r == 0 {
		return uint8(ir.Sink)
	}
	return r
}
