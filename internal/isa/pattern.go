package isa

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Pattern is a parsed bit picture.
type Pattern struct {
	Size        uint64 // bytes: 2 or 4
	Mask, Match uint32 // an instruction w fits if w&Mask == Match and every field may have its value
	Fields      []Place
}

// A Place tells where the bits of a field are, and which values it may have.
type Place struct {
	Name   string
	Parts  []Part
	Signed bool   // sign-extended from bit Top
	Top    uint   // highest bit of the value
	Add    uint64 // added to the bits: 8 for the short register fields of compressed instructions
	Not    []uint64
}

// A Part is a run of bits: Width bits of the instruction from bit From up are the value's bits from To up.
type Part struct{ From, To, Width uint }

// Value extracts the field from an instruction.
func (f Place) Value(w uint32) uint64 {
	v := uint64(0)
	for _, p := range f.Parts {
		v |= uint64(w>>p.From) & (1<<p.Width - 1) << p.To
	}
	if f.Signed {
		v = uint64(int64(v<<(63-f.Top)) >> (63 - f.Top))
	}
	return v + f.Add
}

// Fits tells whether w is an instruction of this pattern.
func (p *Pattern) Fits(w uint32) bool {
	if w&p.Mask != p.Match {
		return false
	}
	for _, f := range p.Fields {
		if len(f.Not) > 0 && slices.Contains(f.Not, f.Value(w)) {
			return false
		}
	}
	return true
}

// Field finds a field by its name.
func (p *Pattern) Field(name string) (Place, bool) {
	for _, f := range p.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Place{}, false
}

// Parse reads a bit picture. A picture has 16 or 32 bits.
func Parse(picture string) (Pattern, error) {
	var p Pattern
	tokens := strings.Fields(picture)
	widths := make([]uint, len(tokens))
	total := uint(0)
	for i, t := range tokens {
		w, err := tokenWidth(t)
		if err != nil {
			return p, err
		}
		widths[i] = w
		total += w
	}
	if total != 16 && total != 32 {
		return p, fmt.Errorf("the picture has %d bits, not 16 or 32", total)
	}
	p.Size = uint64(total / 8)
	at := total
	for i, t := range tokens {
		at -= widths[i]
		if err := p.token(t, at, widths[i]); err != nil {
			return p, err
		}
	}
	return p, nil
}

func isLiteral(t string) bool { return t[0] == '0' || t[0] == '1' }

// split takes a token apart: name, the bits in brackets or the width behind a colon, the excluded values.
func split(t string) (name, bits, width, not string) {
	t, not, _ = strings.Cut(t, "!=")
	if name, bits, ok := strings.Cut(t, "["); ok {
		return name, strings.TrimSuffix(bits, "]"), "", not
	}
	name, width, _ = strings.Cut(t, ":")
	return name, "", width, not
}

func tokenWidth(t string) (uint, error) {
	if isLiteral(t) {
		return uint(len(t)), nil
	}
	name, ranges, width, _ := split(t)
	switch {
	case ranges != "":
		total := uint(0)
		for _, r := range strings.Split(ranges, "|") {
			hi, lo, err := bitRange(r)
			if err != nil {
				return 0, fmt.Errorf("token %q: %w", t, err)
			}
			total += hi - lo + 1
		}
		return total, nil
	case width != "":
		n, err := strconv.ParseUint(width, 10, 5)
		return uint(n), err
	case strings.HasSuffix(name, "'"):
		return 3, nil
	}
	return 5, nil
}

func bitRange(r string) (hi, lo uint, err error) {
	h, l, two := strings.Cut(r, ":")
	a, err := strconv.ParseUint(h, 10, 6)
	if err != nil {
		return 0, 0, err
	}
	if !two {
		return uint(a), uint(a), nil
	}
	b, err := strconv.ParseUint(l, 10, 6)
	if err == nil && b > a {
		err = fmt.Errorf("bits %q run upwards", r)
	}
	return uint(a), uint(b), err
}

func (p *Pattern) token(t string, at, width uint) error {
	if isLiteral(t) {
		v, err := strconv.ParseUint(t, 2, 32)
		if err != nil {
			return err
		}
		p.Mask |= uint32((uint64(1)<<width - 1) << at)
		p.Match |= uint32(v << at)
		return nil
	}
	name, ranges, _, not := split(t)
	var add uint64
	if n, ok := strings.CutSuffix(name, "'"); ok {
		name, add = n, 8
	}
	base, nonZero := strings.CutPrefix(name, "nz")
	name = base
	if name != "_" && (&Fields{}).slot(name) == nil {
		return fmt.Errorf("no field is called %q", name)
	}
	f := p.place(name)
	f.Add = add
	f.Signed = strings.HasPrefix(name, "imm")
	if nonZero && !slices.Contains(f.Not, 0) {
		f.Not = append(f.Not, 0)
	}
	if not != "" {
		for _, n := range strings.Split(not, ",") {
			v, err := strconv.ParseUint(n, 10, 32)
			if err != nil {
				return err
			}
			f.Not = append(f.Not, v)
		}
	}
	if ranges == "" {
		f.Parts = append(f.Parts, Part{From: at, To: 0, Width: width})
		f.Top = max(f.Top, width-1)
		return nil
	}
	end := at + width
	for _, r := range strings.Split(ranges, "|") {
		hi, lo, err := bitRange(r)
		if err != nil {
			return err
		}
		end -= hi - lo + 1
		f.Parts = append(f.Parts, Part{From: end, To: lo, Width: hi - lo + 1})
		f.Top = max(f.Top, hi)
	}
	return nil
}

func (p *Pattern) place(name string) *Place {
	for i := range p.Fields {
		if p.Fields[i].Name == name {
			return &p.Fields[i]
		}
	}
	p.Fields = append(p.Fields, Place{Name: name})
	return &p.Fields[len(p.Fields)-1]
}
