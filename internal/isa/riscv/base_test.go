package riscv_test

import (
	"fmt"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/riscv"
)

// What the base machine says (docs/base-machine.md) where the vectors of isatest have no other implementation to
// ask.

const (
	code = 0x1_0000 // address of the instruction
	data = 0x2_0000 // 16 bytes: 81 82 … 90
)

type fields = isatest.Fields

const sign = 0xffff_ffff_0000_0000

// load puts an instruction and its surroundings into a machine.
func load(bits int, pc uint64, row string, f fields) *isatest.Reference {
	i := riscv.New(bits)
	r := isatest.NewReference(i)
	m := r.Machine
	w := isatest.Encode(i, isatest.Row(i, row), f)
	m.Store(pc, 2, false, uint64(w&0xffff))
	if i.Size(w) == 4 {
		m.Store(m.Wrap(pc+2), 2, false, uint64(w>>16))
	}
	for k := range uint64(16) {
		m.Store(data+k, 1, false, 0x81+k)
	}
	m.Cells[ir.PC] = pc
	return r
}

// TestRules: x5 and x6 before an instruction, x7 after it.
func TestRules(t *testing.T) {
	const step = 0xfedc_ba98_7654_3210
	unary := fields{"rd": 7, "rs1": 5}
	access := fields{"rd": 7, "rs1": 5, "imm": 1}
	for _, c := range []struct {
		why    string
		bits   int
		row    string
		fields fields
		x      uint64
		want   uint64
	}{
		{"the low word is 0", 64, "ctzw", unary, 1 << 40, 32},
		{"the low word is 0", 64, "ctzw", unary, 0, 32},
		{"cycle is the step", 64, "csrrs", fields{"rd": 7, "csr": 0}, 0, step},
		{"time is the step", 64, "csrrc", fields{"rd": 7, "csr": 1}, 0, step},
		{"instret is the step", 64, "csrrsi", fields{"rd": 7, "csr": 2}, 0, step},
		{"the low word of the step", 32, "csrrci", fields{"rd": 7, "csr": 0}, 0, 0x7654_3210},
		{"the high word of the step", 32, "csrrs.h", fields{"rd": 7, "csr": 1}, 0, sign | 0xfedc_ba98},
		{"misaligned", 64, "ld", access, data + 2, 0x8b8a_8988_8786_8584},
		{"misaligned", 64, "lw", access, data + 2, sign | 0x8786_8584},
		{"misaligned", 32, "lhu", access, data + 2, 0x8584},
	} {
		r := load(c.bits, code, c.row, c.fields)
		m := r.Machine
		m.Cells[5], m.Cells[ir.Step] = c.x, step
		trap, trapped := r.Step()
		if trapped || m.Cells[7] != c.want || m.Cells[ir.PC] != code+4 {
			t.Errorf("%s: %s of %#x is %#x, not %#x; pc %#x; trap %v, %t", c.why, c.row, c.x, m.Cells[7], c.want, m.Cells[ir.PC], trap, trapped)
		}
	}
}

// TestTraps: what has no result ends with a trap and changes nothing.
func TestTraps(t *testing.T) {
	for _, c := range []struct {
		row    string
		fields fields
		pc     uint64
		x      uint64 // x5
		want   ir.TrapKind
	}{
		{"ecall", nil, code, 0, ir.Syscall},
		{"ebreak", nil, code, 0, ir.Breakpoint},
		{"c.ebreak", nil, code, 0, ir.Breakpoint},
		{"lr.w", fields{"rd": 7, "rs1": 5}, code, data + 2, ir.Fault},
		{"lr.d", fields{"rd": 7, "rs1": 5}, code, data + 4, ir.Fault},
		{"sc.w", fields{"rd": 7, "rs1": 5, "rs2": 6}, code, data + 1, ir.Fault},
		{"sc.d", fields{"rd": 7, "rs1": 5, "rs2": 6}, code, data + 4, ir.Fault},
		{"amoadd.w", fields{"rd": 7, "rs1": 5, "rs2": 6}, code, data + 2, ir.Fault},
		{"amoswap.d", fields{"rd": 7, "rs1": 5, "rs2": 6}, code, data + 4, ir.Fault},
		{"addi", fields{"rd": 7, "rs1": 5}, code + 1, 0, ir.Fault}, // an odd pc
	} {
		r := load(64, c.pc, c.row, c.fields)
		m := r.Machine
		m.Cells[5], m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress] = c.x, 1, c.x
		before := m.Cells
		if trap, trapped := r.Step(); !trapped || trap != c.want {
			t.Errorf("%s: %v (%t), not %v", c.row, trap, trapped, c.want)
		}
		if m.Cells != before || len(r.Written) > 0 {
			t.Errorf("%s traps and has changed the state", c.row)
		}
	}
}

// TestReservation: a store-conditional wants the same width, address and thread; it drops the reservation also
// when it fails.
func TestReservation(t *testing.T) {
	for _, c := range []struct {
		row                    string
		status, address, owner uint64
		at                     uint64
		held                   bool
	}{
		{"sc.w", 1, data + 4, 3, data + 4, true},
		{"sc.d", 2, data + 8, 3, data + 8, true},
		{"sc.w", 1, data, 3, data + 4, false},
		{"sc.w", 2, data + 8, 3, data + 8, false},
		{"sc.d", 1, data + 8, 3, data + 8, false},
		{"sc.w", 1, data, 4, data, false},
		{"sc.w", 0, data, 3, data, false},
	} {
		r := load(64, code, c.row, fields{"rd": 7, "rs1": 5, "rs2": 6})
		m := r.Machine
		m.Cells[ir.ThreadID], m.Cells[5], m.Cells[6] = 3, c.at, 0x55
		m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress], m.Cells[ir.ReservationOwner] = c.status, c.address, c.owner
		_, trapped := r.Step()
		got := fmt.Sprint(trapped, m.Cells[7], m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress], m.Cells[ir.ReservationOwner], len(r.Written) > 0)
		want := fmt.Sprint(false, 1, 0, 0, 0, false)
		if c.held {
			want = fmt.Sprint(false, 0, 0, 0, 0, true)
		}
		if got != want {
			t.Errorf("%s at %#x with %d %#x %d: %s, not %s", c.row, c.at, c.status, c.address, c.owner, got, want)
		}
	}

	r := load(64, code, "lr.d", fields{"rd": 7, "rs1": 5})
	m := r.Machine
	m.Cells[ir.ThreadID], m.Cells[5] = 3, data+8
	if _, trapped := r.Step(); trapped || m.Cells[ir.ReservationStatus] != 2 || m.Cells[ir.ReservationAddress] != data+8 || m.Cells[ir.ReservationOwner] != 3 {
		t.Errorf("lr.d remembers %d %#x %d; trapped: %t", m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress], m.Cells[ir.ReservationOwner], trapped)
	}
}

// TestEnds: 32-bit addresses wrap at 2^32, and an instruction may begin at the end and end at the beginning.
func TestEnds(t *testing.T) {
	r := load(32, 0xffff_fffe, "jal", fields{"rd": 1, "imm": 0x100})
	m := r.Machine
	if _, trapped := r.Step(); trapped || m.Cells[ir.PC] != 0xfe || m.Cells[1] != 2 {
		t.Errorf("jal goes to %#x, link %#x; trapped: %t", m.Cells[ir.PC], m.Cells[1], trapped)
	}
	r = load(32, code, "lw", fields{"rd": 7, "rs1": 5, "imm": 1})
	m = r.Machine
	m.Cells[5] = sign | 0xffff_fffd
	for addr, v := range map[uint64]uint64{0xffff_fffe: 0x11, 0xffff_ffff: 0x22, 0: 0x33, 1: 0x84} {
		m.Store(addr, 1, false, v)
	}
	if _, trapped := r.Step(); trapped || m.Cells[7] != sign|0x8433_2211 {
		t.Errorf("lw across the end gives %#x; trapped: %t", m.Cells[7], trapped)
	}
	r = load(32, 0x7fff_fffc, "jal", fields{"rd": 1, "imm": 0x100})
	m = r.Machine
	if _, trapped := r.Step(); trapped || m.Cells[ir.PC] != 0x8000_00fc || m.Cells[1] != sign|0x8000_0000 {
		t.Errorf("jal goes to %#x, link %#x; trapped: %t", m.Cells[ir.PC], m.Cells[1], trapped)
	}
}
