// Package isatest is what the tests of instruction sets and of engines share: an encoder, operands worth trying, the reference evaluator on a machine, and programs that make a processor tell what an
// instruction does to registers and memory. Only tests import it.
package isatest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/flexemu/flexemu/internal/isa"
)

// Fields are the values of an instruction's fields, a signed one as the 64-bit word.
type Fields map[string]uint64

// FieldsOf takes an instruction apart. For an excluded or unnamed field see isa.Place.
func FieldsOf(p *isa.Pattern, w uint32) Fields {
	f := Fields{}
	for _, place := range p.Fields {
		f[place.Name] = place.Value(w)
	}
	return f
}

// Row gives the number of the row with a name. It panics if there is none.
func Row(i *isa.ISA, name string) int {
	r := slices.IndexFunc(i.Rows, func(r isa.Row) bool { return r.Name == name })
	if r < 0 {
		panic(fmt.Sprintf("isatest: %s has no row %q", i.Name, name))
	}
	return r
}

// Encode makes an instruction of row r. Fields that are not given are 0. It panics if the row lacks a given
// field, or if a field cannot have its value.
func Encode(i *isa.ISA, r int, fields Fields) uint32 {
	p := &i.Patterns()[r]
	w := p.Match
	for _, place := range p.Fields {
		w |= scatter(place, fields[place.Name])
	}
	for name, v := range fields {
		place, ok := p.Field(name)
		if !ok || place.Value(w) != v {
			panic(fmt.Sprintf("isatest: %s: %s cannot have %s = %#x", i.Name, i.Rows[r].Name, name, v))
		}
	}
	if !p.Fits(w) {
		panic(fmt.Sprintf("isatest: %s: %s cannot have the fields %v", i.Name, i.Rows[r].Name, fields))
	}
	return w
}

// scatter puts the bits of a value where its field has them.
func scatter(f isa.Place, v uint64) uint32 {
	var w uint32
	v -= f.Add
	for _, p := range f.Parts {
		w |= uint32(v>>p.To&(1<<p.Width-1)) << p.From
	}
	return w
}

// Instance makes an instruction of row r with random fields.
func Instance(i *isa.ISA, r int, random *rand.Rand) uint32 {
	p := &i.Patterns()[r]
	for {
		w := random.Uint32()&^p.Mask | p.Match
		if p.Size == 2 {
			w &= 0xffff
		}
		if p.Fits(w) {
			return w
		}
	}
}

// Random makes a generator whose numbers depend on the seed alone.
func Random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Edges are operands at which arithmetic changes its mind, for registers of the given width. Those of 32
// bits are sign-extended.
func Edges(bits int) []uint64 {
	low := []uint64{
		0, 1, 2, 0x7f, 0x80, 0x7fff, 0x8000, 0x1234_5678,
		0x7fff_ffff, sign | 0x8000_0000, sign | 0x8000_0001, sign | 0xdead_beef, ^uint64(1), ^uint64(0),
	}
	if bits == 32 {
		return low
	}
	return append(low, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x0123_4567_89ab_cdef, 1<<63-1, 1<<63, 1<<63+1, 0xfedc_ba98_7654_3210)
}

const sign = 0xffff_ffff_0000_0000

// Word is a register value for a guest of the given width: an edge, something near one, or any bits.
func Word(bits int, random *rand.Rand) uint64 {
	edges := Edges(bits)
	v := random.Uint64() >> random.IntN(64)
	switch random.IntN(4) {
	case 0, 1:
		v = edges[random.IntN(len(edges))]
	case 2:
		v = edges[random.IntN(len(edges))] + uint64(random.IntN(17)) - 8
	}
	if bits == 32 {
		v = uint64(int32(v))
	}
	return v
}
