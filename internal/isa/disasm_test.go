package isa_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/sets"
)

// toy makes an instruction set of 32 bits whose rows have one form of assembly each, and the fields rd, rs1, uimm
// (6 bits) and imm (8 bits).
func toy(forms ...string) *isa.ISA {
	i := &isa.ISA{Name: "toy", Bits: 32, Align: 4, Advance: func(*ir.Builder, uint64) {}}
	for r := range i.Regs {
		i.Regs[r] = fmt.Sprint("x", r)
	}
	i.Regs[0] = "zero"
	for n, form := range forms {
		bits := fmt.Sprintf("%08b rd rs1 uimm:6 imm[7:0]", n)
		i.Rows = append(i.Rows, isa.Row{Name: "op", Bits: bits, Asm: form, Mean: func(*ir.Builder, isa.Fields) {}})
	}
	return i
}

func toyWord(row, rd, rs1, uimm uint32, imm int8) uint32 {
	return row<<24 | rd<<19 | rs1<<14 | uimm<<8 | uint32(uint8(imm))
}

func TestDisassembleForms(t *testing.T) {
	const pc = 0xfffffff0
	for _, c := range []struct {
		form          string
		rd, rs1, uimm uint32
		imm           int8
		want          string
	}{
		{"", 1, 2, 3, 4, "op"},
		{"rd, rs1, imm", 1, 2, 3, -4, "op x1, x2, -4"},
		{"rd, zero, uimm", 1, 2, 20, 0, "op x1, zero, 0x14"},
		{"rd, imm(rs1)", 1, 0, 0, -128, "op x1, -128(zero)"},
		{"rd, uimm(rs1)", 1, 31, 20, 0, "op x1, 20(x31)"},
		{"uimm(zero)", 1, 2, 0, 0, "op 0(zero)"},
		{"rd, (rs1)", 1, 2, 3, 4, "op x1, (x2)"},
		{"pc+imm", 0, 0, 0, 4, "op 0xfffffff4"},
		{"pc+4+imm", 0, 0, 0, 127, "op 0x73"}, // addresses have the width of the instruction set
		{"region+uimm", 0, 0, 63, 0, "op 0xf000003f"},
		{"uimm+1-imm", 0, 0, 9, 4, "op 6"},
		{"imm>>4", 0, 0, 0, -128, "op -8"},
		{"imm>>4&15", 0, 0, 0, -128, "op 0x8"},
		{"uimm>>4%io, uimm%iorw", 0, 0, 0x2a, 0, "op i, ir"},
		{"uimm%iorw", 0, 0, 0x30, 0, "op 0"},
		{"uimm%iorw?", 0, 0, 0x30, 0, "op"},
		{"imm?", 0, 0, 0, 0, "op"},
		{"imm?", 0, 0, 0, 1, "op 1"},
		{"uimm>>3?, uimm&7?", 0, 0, 0, 0, "op"},
		{"uimm>>3?, uimm&7?", 0, 0, 8, 0, "op 0x1"},
		{"uimm>>3?, uimm&7?", 0, 0, 1, 0, "op 0x0, 0x1"},
		{"rd?1, rs1", 1, 1, 0, 0, "op x1"},
		{"rd?1, rs1", 0, 1, 0, 0, "op zero, x1"},
	} {
		i := toy(c.form)
		text, size, ok := i.Disassemble(toyWord(0, c.rd, c.rs1, c.uimm, c.imm), pc)
		if text != c.want || size != 4 || !ok {
			t.Errorf("%q with rd %d, rs1 %d, uimm %d, imm %d is %q (%d bytes, %t), not %q",
				c.form, c.rd, c.rs1, c.uimm, c.imm, text, size, ok, c.want)
		}
	}
	if text, size, ok := toy("rd").Disassemble(0xff001234, 0); ok || size != 4 || text != ".4byte 0xff001234" {
		t.Errorf("what is no instruction is %q (%d bytes, %t)", text, size, ok)
	}
}

func TestDisassembleOrderAndControl(t *testing.T) {
	i := toy()
	i.Rows = []isa.Row{
		{Name: "amo", Bits: "000000 aqrl:2 00000 rd rs1 000000000", Asm: "rd, (rs1)", Mean: func(*ir.Builder, isa.Fields) {}},
		{Name: "read", Bits: "000001 csr:2 00000 rd 00000000000000", Asm: "rd, csr+3200", Mean: func(*ir.Builder, isa.Fields) {}},
	}
	for w, want := range map[uint32]string{
		0x0000_0200: "amo zero, (x1)", 0x0100_0200: "amo.rl zero, (x1)", 0x0200_0200: "amo.aq zero, (x1)", 0x0300_0200: "amo.aqrl zero, (x1)",
		0x0400_4000: "read x1, cycleh", 0x0700_0000: "read zero, 0xc83",
	} {
		if text, _, ok := i.Disassemble(w, 0); text != want || !ok {
			t.Errorf("%08x is %q (%t), not %q", w, text, ok, want)
		}
	}
}

func TestDisassembleRefusesForms(t *testing.T) {
	for _, form := range []string{
		"re", "rd,rs1", "rd, ", "rd rs1", "imm(rs1", "imm(uimm)", "(imm)", "imm)", "()", "rd+1", "imm+", "+imm",
		"%iorw", "imm>4", "imm*2", "imm?x", "imm??", "0x10", "-1", "imm++1",
	} {
		var message string
		func() {
			defer func() { message = fmt.Sprint(recover()) }()
			text, _, _ := toy(form).Disassemble(0, 0)
			t.Errorf("%q is accepted and gives %q", form, text)
		}()
		if !strings.Contains(message, "assembly form") {
			t.Errorf("%q ends with %q", form, message)
		}
	}
}

// TestDisassembleEveryRow looks at what needs no other tool: every form is right, and its text begins with the
// row's name and is printable.
func TestDisassembleEveryRow(t *testing.T) {
	random := isatest.Random(2)
	for _, i := range sets.All() {
		for r, row := range i.Rows {
			for range 50 {
				w := isatest.Instance(i, r, random)
				text, size, ok := i.Disassemble(w, random.Uint64()&^3)
				if !ok || size != i.Patterns()[r].Size || !strings.HasPrefix(text, row.Name) {
					t.Fatalf("%s: %08x of row %q is %q (%d bytes, %t)", i.Name, w, row.Name, text, size, ok)
				}
				if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
					t.Fatalf("%s: %08x of row %q is %q", i.Name, w, row.Name, text)
				}
			}
		}
	}
}
