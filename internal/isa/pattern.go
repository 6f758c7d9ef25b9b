package isa

import (
	"errors"
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
			return p, fmt.Errorf("token %q: %w", t, err)
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
			return p, fmt.Errorf("token %q: %w", t, err)
		}
	}
	for _, f := range p.Fields {
		if err := f.check(); err != nil {
			return p, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return p, nil
}

// check looks for what is wrong with a whole field: a bit that stands twice, a value that it cannot have anyway.
func (f Place) check() error {
	seen := uint64(0)
	for _, p := range f.Parts {
		bits := (uint64(1)<<p.Width - 1) << p.To
		if seen&bits != 0 {
			return errors.New("a bit of the value stands twice in the picture")
		}
		seen |= bits
	}
	for _, v := range f.Not {
		if (v-f.Add)&^seen != 0 {
			return fmt.Errorf("it cannot be %d, which the picture excludes", v)
		}
	}
	return nil
}

func isLiteral(t string) bool { return t[0] == '0' || t[0] == '1' }

// A fieldToken is a token that is no literal, taken apart.
type fieldToken struct {
	name  string
	bits  string // in brackets
	width string // behind a colon
	not   string // excluded values
}

func split(t string) (fieldToken, error) {
	front, not, excluding := strings.Cut(t, "!=")
	if excluding && not == "" {
		return fieldToken{}, errors.New("no value is excluded")
	}
	if name, bits, ok := strings.Cut(front, "["); ok {
		bits, closed := strings.CutSuffix(bits, "]")
		if !closed {
			return fieldToken{}, errors.New("the bracket is not closed")
		}
		if bits == "" {
			return fieldToken{}, errors.New("there are no bits in the brackets")
		}
		return fieldToken{name: name, bits: bits, not: not}, nil
	}
	name, width, wide := strings.Cut(front, ":")
	if wide && width == "" {
		return fieldToken{}, errors.New("no width behind the colon")
	}
	return fieldToken{name: name, width: width, not: not}, nil
}

func tokenWidth(t string) (uint, error) {
	if isLiteral(t) {
		return uint(len(t)), nil
	}
	f, err := split(t)
	switch {
	case err != nil:
		return 0, err
	case f.bits != "":
		total := uint(0)
		for _, r := range strings.Split(f.bits, "|") {
			hi, lo, err := bitRange(r)
			if err != nil {
				return 0, err
			}
			total += hi - lo + 1
		}
		return total, nil
	case f.width != "":
		n, err := strconv.ParseUint(f.width, 10, 5)
		if err == nil && n == 0 {
			err = errors.New("the width is 0")
		}
		return uint(n), err
	case strings.HasSuffix(f.name, "'"):
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
	token, err := split(t)
	if err != nil {
		return err
	}
	var add uint64
	name, short := strings.CutSuffix(token.name, "'")
	if short {
		add = 8
	}
	name, nonZero := strings.CutPrefix(name, "nz")
	if name == "_" && !nonZero && token.not == "" {
		return nil
	}
	if (&Fields{}).slot(name) == nil {
		return fmt.Errorf("no field is called %q", name)
	}
	f := p.place(name)
	f.Add = add
	f.Signed = strings.HasPrefix(name, "imm")
	if nonZero && !slices.Contains(f.Not, 0) {
		f.Not = append(f.Not, 0)
	}
	if token.not != "" {
		for _, n := range strings.Split(token.not, ",") {
			v, err := strconv.ParseUint(n, 10, 32)
			if err != nil {
				return err
			}
			f.Not = append(f.Not, v)
		}
	}
	if token.bits == "" {
		f.Parts = append(f.Parts, Part{From: at, To: 0, Width: width})
		f.Top = max(f.Top, width-1)
		return nil
	}
	end := at + width
	for _, r := range strings.Split(token.bits, "|") {
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
