package isa_test

import (
	"testing"

	"github.com/flexemu/flexemu/internal/isa"
)

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ why, picture string }{
		{"nothing", ""},
		{"31 bits", "000000 rs rt rd sa 00000"},
		{"33 bits", "000000 rs rt rd sa 0000000"},
		{"15 bits", "010 rd:3 rs1:5 rs2:4"},
		{"a digit that is no bit", "000002 rs rt rd 00000 100000"},
		{"a letter in a literal", "00000x rs rt rd 00000 100000"},
		{"an unknown field", "000000 rs rt re 00000 100000"},
		{"a quote and an unknown field", "010 sp' rd' 00 rs1' 0000"},
		{"the same field twice", "000000 rs rs rd 00000 100000"},
		{"a bit of a field twice", "imm[11:5] rs2 rs1 000 imm[5:1] 0100011"},
		{"a bit of a field twice in one token", "imm[10:5|5:1] rs2 rs1 000 00000 010001"},
		{"bits that run upwards", "001000 rs rt imm[0:15]"},
		{"an open bracket", "001000 rs rt imm[15:0"},
		{"text behind a bracket", "001000 rs rt imm[15:0]x"},
		{"empty brackets", "000000 rs rt imm[] 00000 100000"},
		{"an empty piece in brackets", "001000 rs rt imm[15:8|] imm[7:0]"},
		{"no number in brackets", "001000 rs rt imm[a:0]"},
		{"a bit that no word has", "001000 rs rt imm[79:64]"},
		{"no width", "000000 code: 00000 00000 00000 001100"},
		{"a width of 0", "000000 code:0 rs rt rd 00000 001100"},
		{"no number for a width", "000000 code:z 001100"},
		{"a negative width", "000000 code:-6 rs rt 001100"},
		{"a width of more than a picture", "code:4294967296"},
		{"an exclusion without a value", "000000 rs rt rd!= 00000 100000"},
		{"an exclusion of no number", "000000 rs rt rd!=ra 00000 100000"},
		{"an exclusion with a comma at its end", "000000 rs rt rd!=1, 00000 100000"},
		{"an exclusion of a negative number", "001000 rs rt imm[15:0]!=-1"},
		{"an exclusion of a value that five bits cannot have", "000000 rs rt rd!=32 00000 100000"},
		{"an exclusion of a register that three bits cannot name", "010 rs1'!=2 rd' 00 rs2' 0000"},
		{"an exclusion of an odd value of an even field", "000100 rs rt imm[17:2]!=5"},
		{"nz without a name", "000000 rs rt nz 00000 100000"},
		{"an exclusion of bits without a name", "000000 rs rt _!=0 00000 100000"},
	} {
		if _, err := isa.Parse(c.picture); err == nil {
			t.Errorf("%s: %q is accepted", c.why, c.picture)
		}
	}
}

func TestParse(t *testing.T) {
	// imm of RISC-V's c.lui with all that a picture can have; the word is c.lui with rd 11 and bits 17 and 13.
	p, err := isa.Parse("011 nzimm[17] rd!=0,2 nzimm[16:12] 01")
	if err != nil {
		t.Fatal(err)
	}
	const w = 0b011_1_01011_00010_01
	if p.Size != 2 || !p.Fits(w) {
		t.Fatalf("%+v does not fit", p)
	}
	imm, _ := p.Field("imm")
	rd, _ := p.Field("rd")
	if got := int64(imm.Value(w)); got != -1<<17+2<<12 {
		t.Errorf("imm is %#x", got)
	}
	if got := rd.Value(w); got != 11 {
		t.Errorf("rd is %d", got)
	}
	for _, not := range []uint32{0b011_1_00000_00010_01, 0b011_1_00010_00010_01, 0b011_0_01011_00000_01} {
		if p.Fits(not) {
			t.Errorf("%016b fits, though a value is excluded", not)
		}
	}

	p, err = isa.Parse("110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01") // RISC-V's c.beqz
	if err != nil {
		t.Fatal(err)
	}
	imm, _ = p.Field("imm")
	rs1, _ := p.Field("rs1")
	for _, c := range []struct {
		w   uint32
		imm int64
	}{
		{0b110_000_101_00000_01, 0},
		{0b110_100_101_00000_01, -256},
		{0b110_010_101_00000_01, 16},
		{0b110_001_101_00000_01, 8},
		{0b110_000_101_10000_01, 128},
		{0b110_000_101_01000_01, 64},
		{0b110_000_101_00100_01, 4},
		{0b110_000_101_00010_01, 2},
		{0b110_000_101_00001_01, 32},
	} {
		if got := int64(imm.Value(c.w)); !p.Fits(c.w) || got != c.imm || rs1.Value(c.w) != 13 {
			t.Errorf("%016b: imm is %d, not %d; rs1 is %d, not 13", c.w, got, c.imm, rs1.Value(c.w))
		}
	}

	p, err = isa.Parse("_:12 rs1 000 _ 0001111")
	if err != nil || len(p.Fields) != 1 || p.Mask != 0x707f {
		t.Errorf("bits without a name: %+v, %v", p, err)
	}
}
