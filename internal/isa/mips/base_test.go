package mips_test

import (
	"fmt"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/mips"
)

// What the base machine says where hardware faults or the manual leaves the result open (docs/base-machine.md),
// so that no other implementation can be asked: the operands that the vectors of isatest leave out.

const (
	code = 0x1_0000 // address of the instruction
	data = 0x2_0000 // 16 bytes: 81 82 … 90
)

// A rule is one instruction with registers 4 and 5 before it and register 2 after it.
type rule struct {
	why    string
	row    string
	fields isatest.Fields
	x, y   uint64 // registers 4 and 5
	want   uint64 // register 2
}

type fields = isatest.Fields

var (
	three  = fields{"rd": 2, "rs": 4, "rt": 5}
	two    = fields{"rd": 2, "rs": 4, "rt": 2}
	access = fields{"rs": 4, "rt": 2}
)

const sign = 0xffff_ffff_0000_0000

func big64() *isa.ISA { return mips.New(64, true) }

// load puts an instruction and its surroundings into a machine.
func load(i *isa.ISA, row string, f fields) *isatest.Reference {
	r := isatest.NewReference(i)
	m := r.Machine
	m.Store(code, 4, i.Big, uint64(isatest.Encode(i, isatest.Row(i, row), f)))
	for k := range uint64(16) {
		m.Store(data+k, 1, i.Big, 0x81+k)
	}
	m.Cells[ir.PC], m.Cells[ir.NextPC] = code, code+4
	return r
}

func TestRules(t *testing.T) {
	for _, c := range []rule{
		{"overflow wraps", "add", three, 0x7fff_ffff, 1, sign | 0x8000_0000},
		{"overflow wraps", "addi", fields{"rt": 2, "rs": 4, "imm": ^uint64(0)}, sign | 0x8000_0000, 0, 0x7fff_ffff},
		{"overflow wraps", "sub", three, sign | 0x8000_0000, 1, 0x7fff_ffff},
		{"overflow wraps", "dadd", three, 1<<63 - 1, 1, 1 << 63},
		{"overflow wraps", "daddi", fields{"rt": 2, "rs": 4, "imm": ^uint64(0)}, 1 << 63, 0, 1<<63 - 1},
		{"overflow wraps", "dsub", three, 1 << 63, 1, 1<<63 - 1},

		{"only the low words count", "addu", three, 0x1_7fff_ffff, 0x5_0000_0001, sign | 0x8000_0000},
		{"only the low word is shifted", "srl", fields{"rd": 2, "rt": 4, "sa": 1}, 0x1_0000_0002, 0, 1},
		{"only the low word is shifted", "sra", fields{"rd": 2, "rt": 4, "sa": 1}, 0x1_8000_0000, 0, sign | 0xc000_0000},
		{"a shift by nothing sign-extends", "sra", fields{"rd": 2, "rt": 4}, 0x8000_0000, 0, sign | 0x8000_0000},
		{"only the low words count", "mul", three, 0x1_0000_0003, 0x5_0000_0007, 21},
		{"clz looks at the low word; the second register does not matter", "clz", fields{"rd": 2, "rs": 4, "rt": 9}, sign | 1, 0, 31},
		{"clo looks at the low word", "clo", two, 0xffff_fffe, 0, 31},
		{"a byte swap gives a word", "wsbh", fields{"rd": 2, "rt": 4}, 0x1_0080_0000, 0, sign | 0x8000_0000},

		{"an address is rounded down", "lh", access, data + 1, 0, ^uint64(0x7e7d)},
		{"an address is rounded down", "lhu", access, data + 3, 0, 0x8384},
		{"an address is rounded down", "lw", access, data + 7, 0, sign | 0x8586_8788},
		{"an address is rounded down", "lwu", access, data + 5, 0, 0x8586_8788},
		{"an address is rounded down", "ld", access, data + 15, 0, 0x898a_8b8c_8d8e_8f90},
		{"an address is rounded down", "ll", access, data + 6, 0, sign | 0x8586_8788},
		{"an address is rounded down", "lld", access, data + 6, 0, 0x8182_8384_8586_8788},
		{"the displacement counts before rounding", "lw", fields{"rs": 4, "rt": 2, "imm": 1}, data + 3, 0, sign | 0x8586_8788},

		{"the last bits are in reach", "dextm", fields{"rt": 2, "rs": 4, "pos": 0, "msb": 31}, 0xfedc_ba98_7654_3210, 0, 0xfedc_ba98_7654_3210},
		{"the last bits are in reach", "dextu", fields{"rt": 2, "rs": 4, "pos": 28, "msb": 3}, 0xfedc_ba98_7654_3210, 0, 0xf},

		{"a failing store-conditional says 0", "sc", access, data, 0, 0},
		{"a failing store-conditional says 0", "scd", access, data, 0, 0},
	} {
		r := load(big64(), c.row, c.fields)
		m := r.Machine
		m.Cells[2], m.Cells[4], m.Cells[5] = 0x1234, c.x, c.y
		trap, trapped := r.Step()
		if trapped || m.Cells[2] != c.want || m.Cells[ir.PC] != code+4 || m.Cells[ir.NextPC] != code+8 {
			t.Errorf("%s: %s of %#x and %#x is %#x, not %#x; pc %#x; trap %v, %t",
				c.why, c.row, c.x, c.y, m.Cells[2], c.want, m.Cells[ir.PC], trap, trapped)
		}
	}
}

// TestPartialWords: lwl always sign-extends; lwr leaves the register's upper half alone unless it loads the whole word.
func TestPartialWords(t *testing.T) {
	const before = 0x1122_3344_5566_7788
	for _, c := range []struct {
		row    string
		offset uint64
		want   uint64
	}{
		{"lwl", 0, sign | 0x8182_8384},
		{"lwl", 1, sign | 0x8283_8488},
		{"lwl", 3, sign | 0x8466_7788},
		{"lwr", 0, 0x1122_3344_5566_7781},
		{"lwr", 2, 0x1122_3344_5581_8283},
		{"lwr", 3, sign | 0x8182_8384},
		{"ldl", 6, 0x8788_3344_5566_7788},
		{"ldr", 6, 0x1181_8283_8485_8687},
	} {
		r := load(big64(), c.row, access)
		r.Machine.Cells[2], r.Machine.Cells[4] = before, data+c.offset
		if _, trapped := r.Step(); trapped || r.Machine.Cells[2] != c.want {
			t.Errorf("%s at %d gives %#x, not %#x; trapped: %t", c.row, c.offset, r.Machine.Cells[2], c.want, trapped)
		}
	}
	for _, c := range []struct {
		row    string
		offset uint64
		want   uint64 // the 8 bytes at data
	}{
		{"sh", 1, 0x7788_8384_8586_8788},
		{"sw", 7, 0x8182_8384_5566_7788},
		{"sd", 3, before},
	} {
		r := load(big64(), c.row, access)
		r.Machine.Cells[2], r.Machine.Cells[4] = before, data+c.offset
		if _, trapped := r.Step(); trapped || r.Machine.Load(data, 8, true) != c.want {
			t.Errorf("%s at %d leaves %#x, not %#x; trapped: %t", c.row, c.offset, r.Machine.Load(data, 8, true), c.want, trapped)
		}
	}
}

// TestTraps: what has no result ends with a trap and changes nothing.
func TestTraps(t *testing.T) {
	noSlot := func(*isatest.Reference) {}
	inSlot := func(r *isatest.Reference) { r.Machine.Cells[ir.NextPC] = code + 100 }
	operands := fields{"rs": 4, "rt": 5}
	type trap struct {
		row    string
		fields fields
		x, y   uint64
		setup  func(*isatest.Reference)
		want   ir.TrapKind
	}
	cases := []trap{
		{"syscall", nil, 0, 0, noSlot, ir.Syscall},
		{"break", nil, 0, 0, noSlot, ir.Breakpoint},
		{"teq", operands, 7, 7, noSlot, ir.Breakpoint},
		{"tne", operands, 7, 8, noSlot, ir.Breakpoint},
		{"tge", operands, 0, ^uint64(0), noSlot, ir.Breakpoint},
		{"tgeu", operands, ^uint64(0), 0, noSlot, ir.Breakpoint},
		{"tlt", operands, ^uint64(0), 0, noSlot, ir.Breakpoint},
		{"tltu", operands, 0, ^uint64(0), noSlot, ir.Breakpoint},
		{"teqi", fields{"rs": 4, "imm": ^uint64(0)}, ^uint64(0), 0, noSlot, ir.Breakpoint},
		{"tnei", fields{"rs": 4, "imm": 1}, 0, 0, noSlot, ir.Breakpoint},
		{"tgei", fields{"rs": 4, "imm": ^uint64(0)}, 0, 0, noSlot, ir.Breakpoint},
		{"tgeiu", fields{"rs": 4, "imm": ^uint64(0)}, ^uint64(0), 0, noSlot, ir.Breakpoint},
		{"tlti", fields{"rs": 4}, ^uint64(0), 0, noSlot, ir.Breakpoint},
		{"tltiu", fields{"rs": 4, "imm": ^uint64(0)}, 0, 0, noSlot, ir.Breakpoint},
		{"div", operands, 1, 0, noSlot, ir.Fault},
		{"div", operands, 1, 1 << 32, noSlot, ir.Fault}, // the low word is the divisor
		{"divu", operands, 1, 1 << 32, noSlot, ir.Fault},
		{"ddiv", operands, 1, 0, noSlot, ir.Fault},
		{"ddivu", operands, 1, 0, noSlot, ir.Fault},
		{"ext", fields{"pos": 31, "msb": 1}, 0, 0, noSlot, ir.Unknown},
		{"dextm", fields{"pos": 1, "msb": 31}, 0, 0, noSlot, ir.Unknown},
		{"dextu", fields{"pos": 31, "msb": 1}, 0, 0, noSlot, ir.Unknown},
		{"ins", fields{"pos": 2, "msb": 1}, 0, 0, noSlot, ir.Unknown},
		{"dins", fields{"pos": 2, "msb": 1}, 0, 0, noSlot, ir.Unknown},
		{"dinsu", fields{"pos": 2, "msb": 1}, 0, 0, noSlot, ir.Unknown},
	}
	for _, row := range big64().Rows {
		if row.Name[0] == 'j' || row.Name[0] == 'b' && row.Name != "break" {
			cases = append(cases, trap{row.Name, nil, 0, 0, inSlot, ir.Fault})
		}
	}
	for _, c := range cases {
		r := load(big64(), c.row, c.fields)
		m := r.Machine
		m.Cells[4], m.Cells[5] = c.x, c.y
		c.setup(r)
		before := m.Cells
		kind, trapped := r.Step()
		if !trapped || kind != c.want {
			t.Errorf("%s of %#x and %#x: %v (%t), not %v", c.row, c.x, c.y, kind, trapped, c.want)
		}
		if m.Cells != before || len(r.Written) > 0 {
			t.Errorf("%s of %#x and %#x traps and has changed the state", c.row, c.x, c.y)
		}
	}
	r := load(big64(), "sll", nil)
	r.Machine.Cells[ir.PC]++
	if kind, trapped := r.Step(); !trapped || kind != ir.Fault {
		t.Errorf("a misaligned pc: %v, %t", kind, trapped)
	}
}

// TestDivision: the lowest number divided by -1 is itself.
func TestDivision(t *testing.T) {
	for _, c := range []struct {
		row            string
		x, y           uint64
		quotient, rest uint64
	}{
		{"div", sign | 0x8000_0000, ^uint64(0), sign | 0x8000_0000, 0},
		{"ddiv", 1 << 63, ^uint64(0), 1 << 63, 0},
		{"div", 0x1_0000_0007, 0x5_0000_0002, 3, 1},
		{"divu", 0x1_ffff_ffff, 2, 0x7fff_ffff, 1},
	} {
		r := load(big64(), c.row, fields{"rs": 4, "rt": 5})
		m := r.Machine
		m.Cells[4], m.Cells[5] = c.x, c.y
		if _, trapped := r.Step(); trapped || m.Cells[ir.Lo] != c.quotient || m.Cells[ir.Hi] != c.rest {
			t.Errorf("%s of %#x and %#x: %#x, rest %#x; trapped: %t", c.row, c.x, c.y, m.Cells[ir.Lo], m.Cells[ir.Hi], trapped)
		}
	}
}

// TestReservation: a store-conditional wants the same width, address and thread, and then forgets; one that fails
// changes nothing but its register.
func TestReservation(t *testing.T) {
	for _, c := range []struct {
		row                    string
		status, address, owner uint64
		at                     uint64
		held                   bool
	}{
		{"sc", 1, data + 4, 3, data + 4, true},
		{"scd", 2, data + 8, 3, data + 8, true},
		{"sc", 1, data + 5, 3, data + 5, true}, // the exact address is remembered, the rounded one written
		{"sc", 1, data + 5, 3, data + 4, false},
		{"sc", 2, data + 8, 3, data + 8, false},
		{"scd", 1, data + 8, 3, data + 8, false},
		{"sc", 1, data, 4, data, false},
		{"sc", 0, data, 3, data, false},
	} {
		r := load(big64(), c.row, fields{"rs": 4, "rt": 5})
		m := r.Machine
		m.Cells[ir.ThreadID], m.Cells[4], m.Cells[5] = 3, c.at, 0x55
		m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress], m.Cells[ir.ReservationOwner] = c.status, c.address, c.owner
		_, trapped := r.Step()
		got := fmt.Sprint(trapped, m.Cells[5], m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress], m.Cells[ir.ReservationOwner], len(r.Written) > 0)
		want := fmt.Sprint(false, 0, c.status, c.address, c.owner, false)
		if c.held {
			want = fmt.Sprint(false, 1, 0, 0, 0, true)
		}
		if got != want {
			t.Errorf("%s at %#x with %d %#x %d: %s, not %s", c.row, c.at, c.status, c.address, c.owner, got, want)
		}
	}

	r := load(big64(), "ll", fields{"rs": 4, "rt": 2})
	m := r.Machine
	m.Cells[ir.ThreadID], m.Cells[4] = 3, data+6
	m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress] = 2, data
	if _, trapped := r.Step(); trapped || m.Cells[ir.ReservationStatus] != 1 || m.Cells[ir.ReservationAddress] != data+6 || m.Cells[ir.ReservationOwner] != 3 {
		t.Errorf("ll remembers %d %#x %d; trapped: %t", m.Cells[ir.ReservationStatus], m.Cells[ir.ReservationAddress], m.Cells[ir.ReservationOwner], trapped)
	}
}

// TestEnds: a jump's region is that of its delay slot, and 32-bit addresses wrap at 2^32.
func TestEnds(t *testing.T) {
	r := isatest.NewReference(big64())
	m := r.Machine
	m.Cells[ir.PC], m.Cells[ir.NextPC] = 0x0fff_fffc, 0x1000_0000
	m.Store(0x0fff_fffc, 4, true, uint64(isatest.Encode(r.ISA, isatest.Row(r.ISA, "jal"), fields{"target": 0x40})))
	if _, trapped := r.Step(); trapped || m.Cells[ir.NextPC] != 0x1000_0040 || m.Cells[31] != 0x1000_0004 {
		t.Errorf("jal goes to %#x, link %#x; trapped: %t", m.Cells[ir.NextPC], m.Cells[31], trapped)
	}

	for _, big := range []bool{true, false} {
		i := mips.New(32, big)
		r := load(i, "lw", fields{"rs": 4, "rt": 2, "imm": 8})
		m := r.Machine
		m.Cells[4] = ^uint64(3)
		m.Store(4, 4, big, 0x8000_1234)
		if _, trapped := r.Step(); trapped || m.Cells[2] != sign|0x8000_1234 {
			t.Errorf("%s: lw of 8(-4) gives %#x; trapped: %t", i.Name, m.Cells[2], trapped)
		}

		r = isatest.NewReference(i)
		m = r.Machine
		m.Cells[ir.PC], m.Cells[ir.NextPC] = 0xffff_fff8, 0xffff_fffc
		m.Store(0xffff_fff8, 4, big, uint64(isatest.Encode(i, isatest.Row(i, "bgezal"), fields{"imm": 0x10})))
		if _, trapped := r.Step(); trapped || m.Cells[ir.PC] != 0xffff_fffc || m.Cells[ir.NextPC] != 0xc || m.Cells[31] != 0 {
			t.Errorf("%s: bgezal at the end goes to %#x, then %#x, link %#x; trapped: %t", i.Name, m.Cells[ir.PC], m.Cells[ir.NextPC], m.Cells[31], trapped)
		}
	}
}
