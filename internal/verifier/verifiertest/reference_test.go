package verifiertest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/machine"
)

// A reference makes a step by the definition of ir: scheduler, instruction and syscall are evaluated, the
// instruction with variable fields, as the contract has it.
type reference struct {
	w    *world
	m    *machine.Machine
	host host

	touched []access
	row     int // the instruction, or -1
	trapped bool
	stored  bool
	fetched bool
	closed  bool   // a second access has a proof of its own, where proofs have fixed places
	count   uint64 // of the pre-image's bytes
}

// An access is what an instruction or a syscall does with memory, the fetch excepted.
type access struct {
	addr uint64
	size uint8
}

func (w *world) reference(m *machine.Machine, h host) *reference {
	return &reference{w: w, m: m, host: h, row: -1}
}

func (r *reference) step() {
	if r.m.Cells[ir.Exited] != 0 {
		return
	}
	ir.Eval(r.w.scheduler, nil, r)
	r.m.Resume()
}

func (r *reference) execute() {
	trap, trapped := r.instruction()
	r.trapped = trapped
	switch {
	case !trapped:
	case trap == ir.Syscall:
		ir.Eval(r.w.syscall, nil, r)
	default:
		ir.Eval(r.w.fault, nil, r)
	}
}

func (r *reference) instruction() (trap ir.TrapKind, trapped bool) {
	i, pc := r.w.isa, r.m.Cells[ir.PC]
	if pc%i.Align != 0 {
		return ir.Fault, true
	}
	r.fetched = true
	word := uint32(0)
	if i.Align == 4 {
		word = uint32(r.number(pc, 4, i.Big))
	} else if word = uint32(r.number(pc, 2, false)); i.Size(word) == 4 {
		word |= uint32(r.number(pc+2, 2, false)) << 16
	}
	row, ok := i.Decode(word)
	if !ok {
		return ir.Unknown, true
	}
	r.row = row
	return ir.Eval(r.w.rows[row], isatest.FieldsOf(&i.Patterns()[row], word), r)
}

// number reads memory byte by byte: addresses wrap at the end of the guest's address space.
func (r *reference) number(addr uint64, size uint8, big bool) uint64 {
	b := make([]byte, size)
	for n := range b {
		r.m.Mem.Read(r.w.address(addr+uint64(n)), b[n:n+1])
	}
	if big {
		slices.Reverse(b)
	}
	return binary.LittleEndian.Uint64(append(b, make([]byte, 8-size)...))
}

// Reg and the other methods are ir.State.
func (r *reference) Reg(i uint64) uint64 {
	if i == 0 {
		return 0
	}
	return r.m.Cells[i]
}

func (r *reference) SetReg(i, v uint64) {
	if i != 0 {
		r.m.Cells[i] = v
	}
}

func (r *reference) Get(c ir.Cell) uint64    { return r.m.Cells[c] }
func (r *reference) Set(c ir.Cell, v uint64) { r.m.Cells[c] = v }

func (r *reference) Load(addr uint64, size uint8, big bool) uint64 {
	r.touched = append(r.touched, access{addr, size})
	return r.number(addr, size, big)
}

func (r *reference) Store(addr uint64, size uint8, big bool, v uint64) {
	r.touched = append(r.touched, access{addr, size})
	r.stored = true
	b := binary.LittleEndian.AppendUint64(nil, v)[:size]
	if big {
		slices.Reverse(b)
	}
	for n := range b {
		at := r.w.address(addr + uint64(n))
		if r.m.Cells[ir.ReservationStatus] != 0 && r.m.Cells[ir.ReservationAddress]&^7 == at&^7 {
			for _, c := range []ir.Cell{ir.ReservationStatus, ir.ReservationAddress, ir.ReservationOwner} {
				r.m.Cells[c] = 0
			}
		}
		r.m.Mem.Write(at, b[n:n+1])
	}
}

func (r *reference) Primitive(k ir.StmtKind, a, b, _ uint64) {
	switch k {
	case ir.Execute:
		r.execute()
	case ir.PushThread:
		r.m.PushThread()
	case ir.PopThread:
		r.m.PopThread()
	case ir.MoveThread:
		r.m.MoveThread()
	case ir.KeyAppend:
		r.m.KeyAppend(a, b)
	case ir.CloseLeaf:
		r.closed = true
	case ir.HostWrite: // no part of the state
	default:
		panic(fmt.Sprintf("the reference has no primitive %d", k))
	}
}

func (r *reference) Query(op ir.Op, a uint64) uint64 {
	truth := map[bool]uint64{true: 1}
	switch op {
	case ir.LastThread:
		return truth[r.m.LastThread()]
	case ir.ActiveEmpty:
		return truth[r.m.ActiveEmpty()]
	case ir.OracleWord:
		data := r.host[r.m.Key]
		value := append(binary.BigEndian.AppendUint64(nil, uint64(len(data))), data...)
		var word [8]byte
		r.count = uint64(copy(word[:], value[min(a, uint64(len(value))):]))
		return binary.BigEndian.Uint64(word[:])
	case ir.OracleCount:
		return r.count
	case ir.KeyType:
		return uint64(r.m.Key[0])
	}
	panic("the reference has no query " + op.String())
}
