package isa_test

import (
	"math/bits"
	"slices"
	"testing"

	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/mips"
	"github.com/flexemu/flexemu/internal/isa/sets"
)

// each runs a test for every instruction set.
func each(t *testing.T, f func(*testing.T, *isa.ISA)) {
	for _, i := range sets.All() {
		t.Run(i.Name, func(t *testing.T) { f(t, i) })
	}
}

// eachDecoding is each, with Cannon's decoding of MIPS64 too.
func eachDecoding(t *testing.T, f func(*testing.T, *isa.ISA)) {
	each(t, f)
	t.Run("cannon", func(t *testing.T) { f(t, mips.Cannon("ll", "jal")) })
}

// TestRowsAreComplete looks for rows without a part, and for names that stand twice.
func TestRowsAreComplete(t *testing.T) {
	eachDecoding(t, func(t *testing.T, i *isa.ISA) {
		names, regs := map[string]bool{}, map[string]bool{}
		for _, row := range i.Rows {
			if row.Name == "" || row.Set == "" || row.Mean == nil {
				t.Errorf("the row %q, %q, lacks a name, a set or a meaning", row.Name, row.Bits)
			}
			if names[row.Name] {
				t.Errorf("there are two rows %s", row.Name)
			}
			names[row.Name] = true
		}
		for _, name := range i.Regs {
			if regs[name] {
				t.Errorf("there are two registers %s", name)
			}
			regs[name] = true
		}
		if i.Name == "" || i.Title == "" || i.Advance == nil || i.Bits != 32 && i.Bits != 64 || i.Align != 2 && i.Align != 4 {
			t.Errorf("%+v lacks something", i)
		}
	})
}

// TestRowsDoNotOverlap decides for every two rows whether a word is an instruction of both.
func TestRowsDoNotOverlap(t *testing.T) {
	eachDecoding(t, func(t *testing.T, i *isa.ISA) {
		patterns := i.Patterns()
		for a := range patterns {
			for b := range a {
				if w, both := common(t, &patterns[a], &patterns[b]); both {
					t.Errorf("%08x is %s and %s", w, i.Rows[a].Name, i.Rows[b].Name)
				}
			}
		}
	})
}

// common finds a word that fits two patterns. Only the bits of fields with excluded values can decide where the
// fixed bits do not: all their values are tried.
func common(t *testing.T, a, b *isa.Pattern) (w uint32, found bool) {
	t.Helper()
	if (a.Match^b.Match)&a.Mask&b.Mask != 0 {
		return 0, false
	}
	fixed := a.Match | b.Match
	free := (excluding(a) | excluding(b)) &^ (a.Mask | b.Mask)
	if bits.OnesCount32(free) > 20 {
		t.Fatalf("fields with excluded values have %d bits together, which is too many to try", bits.OnesCount32(free))
	}
	for v := free; ; v = (v - 1) & free { // all subsets of free
		if a.Fits(fixed|v) && b.Fits(fixed|v) {
			return fixed | v, true
		}
		if v == 0 {
			return 0, false
		}
	}
}

// excluding gives the bits of the fields that may not have every value.
func excluding(p *isa.Pattern) uint32 {
	return bitsOf(p, func(f isa.Place) bool { return len(f.Not) > 0 })
}

// bitsOf gives the bits of some fields.
func bitsOf(p *isa.Pattern, which func(isa.Place) bool) uint32 {
	var mask uint32
	for _, f := range p.Fields {
		if !which(f) {
			continue
		}
		for _, part := range f.Parts {
			mask |= (1<<part.Width - 1) << part.From
		}
	}
	return mask
}

func TestCommon(t *testing.T) {
	parse := func(s string) *isa.Pattern {
		p, err := isa.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return &p
	}
	for _, c := range []struct {
		a, b string
		both bool
	}{
		{"000000 rs rt rd sa 100000", "000000 rs rt rd sa 100001", false},
		{"000000 rs rt rd sa 100000", "000000 00000 rt rd sa 100000", true},
		{"000000 rs!=0 rt rd sa 100000", "000000 00000 rt rd sa 100000", false},
		{"000000 rs!=0,1 rt rd sa 100000", "000000 0000 rt:1 rd 00000 sa 100000", false},
		{"011 nzimm[17] rd!=0,2 nzimm[16:12] 01", "011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01", false},
		{"011 nzimm[17] rd!=0 nzimm[16:12] 01", "011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01", true},
		{"1000 rs1!=0 00000 10", "1000 rd!=0 rs2!=0 10", false},
		{"1000 rs1!=0 rs2 10", "1000 rd!=0 rs2!=0 10", true},
	} {
		if _, both := common(t, parse(c.a), parse(c.b)); both != c.both {
			t.Errorf("%q and %q overlap: %t", c.a, c.b, both)
		}
	}
}

// TestRowsAreReachable decodes words that were made from the rows, alone and with a bit flipped.
func TestRowsAreReachable(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		random := isatest.Random(3)
		for r, row := range i.Rows {
			for range 60 {
				w := isatest.Instance(i, r, random)
				if got, ok := i.Decode(w); !ok || got != r {
					t.Fatalf("%08x of row %d, %s, decodes to row %d, %t", w, r, row.Name, got, ok)
				}
				if i.Patterns()[r].Size != i.Size(w) {
					t.Fatalf("%08x of row %s has %d bytes; its first bits say %d", w, row.Name, i.Patterns()[r].Size, i.Size(w))
				}
				checkDecode(t, i, w)
				for b := range 32 {
					checkDecode(t, i, w^1<<b)
				}
			}
		}
	})
}

func TestDecodeRandomWords(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		random := isatest.Random(4)
		for range 100_000 {
			checkDecode(t, i, random.Uint32())
		}
		if i.Align == 2 {
			for w := range uint32(1 << 16) {
				checkDecode(t, i, w)
			}
		}
	})
}

// checkDecode compares the two readers of the decision tree with a search through all rows.
func checkDecode(t *testing.T, i *isa.ISA, w uint32) {
	t.Helper()
	patterns := i.Patterns()
	want := slices.IndexFunc(patterns, func(p isa.Pattern) bool { return p.Fits(w) })
	if got, ok := i.Decode(w); ok != (want >= 0) || ok && got != want {
		t.Fatalf("%08x decodes to row %d, %t; row %d is the one", w, got, ok, want)
	}
	if got := walk(i, w); got != want {
		t.Fatalf("%08x: the tree as the verifier reads it gives row %d; row %d is the one", w, got, want)
	}
}

// walk reads the tree as it is described: a leaf checks only the bits that no node above has looked at, and the
// excluded values.
func walk(i *isa.ISA, w uint32) int {
	for t := i.Tree(); t != nil; {
		if t.Arms != nil {
			n := slices.IndexFunc(t.Arms, func(a isa.TreeArm) bool { return a.Value == w>>t.Shift&t.Mask })
			if n < 0 {
				return -1
			}
			t = t.Arms[n].Tree
			continue
		}
		p := &i.Patterns()[t.Row]
		if w&t.Check == p.Match&t.Check && !slices.ContainsFunc(p.Fields, func(f isa.Place) bool { return slices.Contains(f.Not, f.Value(w)) }) {
			return t.Row
		}
		t = t.Else
	}
	return -1
}

// TestFieldsComeBack encodes the fields of random instances again.
func TestFieldsComeBack(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		random := isatest.Random(5)
		for r, row := range i.Rows {
			for range 50 {
				w := isatest.Instance(i, r, random)
				p := &i.Patterns()[r]
				if again := isatest.Encode(i, r, isatest.FieldsOf(p, w)); (again^w)&(p.Mask|bitsOf(p, func(isa.Place) bool { return true })) != 0 {
					t.Fatalf("%s: %08x comes back as %08x", row.Name, w, again)
				}
			}
		}
	})
}
