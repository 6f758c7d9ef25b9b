package enginetest

import (
	"strings"

	"github.com/flexemu/flexemu/internal/isa"
)

// A dialect is how generated programs use a family of instruction sets: what the registers are for, and the names of
// the few instructions that the frame of a program needs. All other instructions come from the rows.
type dialect struct {
	link, otherLink, sp uint64
	table               uint64    // address of the middle of the program's table of constants
	index               uint64    // offset into the small tables, a multiple of 8
	depth               uint64    // of recursion that is left
	scratch             [2]uint64 // for a few instructions only; also free
	pointers            []uint64  // addresses of data
	counters            []uint64  // of loops, the outermost first
	free                []uint64  // for results

	addi, andi, add, load, store, store4, store2 string // rows; load and store are of a register's width
	ori                                          string
	a, b, d, immD, immA, andImm                  string // fields: two sources, the result; result and source beside an immediate
	storeV                                       string // the value of a store
	jump, call, through, callThrough             string // rows: to a label, to a label with a link, to a register, with a link
	latches                                      []latch

	ll, sc, syscall               string // rows
	sysNumber, sysArgs, sysResult uint64 // registers of a syscall, the first of the arguments
}

// A latch is a branch back as long as a counter is not 0, which is never negative.
type latch struct {
	row     string
	counter string            // field
	rest    map[string]uint64 // the other fields of registers
}

// family is the dialect of an instruction set.
func family(i *isa.ISA) *dialect {
	if strings.HasPrefix(i.Name, "mips") {
		return mipsDialect(i.Bits)
	}
	return riscvDialect(i.Bits)
}

// wide picks one of two names by the width of registers.
func wide(bits int, narrow, wide string) string {
	if bits == 64 {
		return wide
	}
	return narrow
}

func mipsDialect(bits int) *dialect {
	return &dialect{
		link: 31, otherLink: 28, sp: 29, table: 20, index: 21, depth: 26, scratch: [2]uint64{24, 25},
		pointers: []uint64{16, 17, 18, 19},
		counters: []uint64{22, 23, 30},
		free:     []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 27},
		addi:     wide(bits, "addiu", "daddiu"), andi: "andi", ori: "ori", add: wide(bits, "addu", "daddu"),
		load: wide(bits, "lw", "ld"), store: wide(bits, "sw", "sd"), store4: "sw", store2: "sh",
		a: "rs", b: "rt", d: "rd", immD: "rt", immA: "rs", andImm: "uimm", storeV: "rt",
		ll: "ll", sc: "sc", syscall: "syscall", sysNumber: 2, sysArgs: 4, sysResult: 2,
		jump: "j", call: "jal", through: "jr", callThrough: "jalr",
		latches: []latch{
			{"bne", "rs", map[string]uint64{"rt": 0}},
			{"bne", "rt", map[string]uint64{"rs": 0}},
			{"bgtz", "rs", nil},
			{"bnel", "rs", map[string]uint64{"rt": 0}},
			{"bgtzl", "rs", nil},
		},
	}
}

func riscvDialect(bits int) *dialect {
	return &dialect{
		link: 1, otherLink: 5, sp: 2, table: 3, index: 22, depth: 4, scratch: [2]uint64{6, 7},
		pointers: []uint64{8, 9, 18, 19},
		counters: []uint64{15, 20, 21},
		free:     []uint64{0, 6, 7, 10, 11, 12, 13, 14, 16, 17, 23, 24, 25, 26, 27, 28, 29, 30, 31},
		addi:     "addi", andi: "andi", ori: "ori", add: "add",
		load: wide(bits, "lw", "ld"), store: wide(bits, "sw", "sd"), store4: "sw", store2: "sh",
		a: "rs1", b: "rs2", d: "rd", immD: "rd", immA: "rs1", andImm: "imm", storeV: "rs2",
		ll: "lr.w", sc: "sc.w", syscall: "ecall", sysNumber: 17, sysArgs: 10, sysResult: 10,
		jump: "jal", call: "jal", through: "jalr", callThrough: "jalr",
		latches: []latch{
			{"bne", "rs1", map[string]uint64{"rs2": 0}},
			{"bne", "rs2", map[string]uint64{"rs1": 0}},
			{"blt", "rs2", map[string]uint64{"rs1": 0}},
			{"bltu", "rs2", map[string]uint64{"rs1": 0}},
			{"c.bnez", "rs1", nil}, // of the outermost counter only
		},
	}
}
