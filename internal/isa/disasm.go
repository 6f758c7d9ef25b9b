package isa

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The form of the operands, Row.Asm, is a list with ", " between the operands:
//
//	operand = [ sum [ "%" letters ] ] [ "(" name ")" ] [ "?" [ number ] ]
//	sum     = term { ( "+" | "-" | ">>" | "&" ) term }      computed from left to right
//	term    = number | name
//	name    = a field of the row | a register of the instruction set | "pc" | "region"
//
// pc is the instruction's own address, region the first address of the 256 MiB that the next instruction
// lies in. An operand with a question mark is left out when it has the value of the number, 0 if there is
// none, and no operand with a question mark behind it is printed.
//
// A field whose name begins with r is a register; csr is a control and status register. What contains pc or
// region is an address, printed in hexadecimal; so are unsigned numbers, but not those in front of a
// parenthesis. The rest is decimal. Letters print a set: the first one stands for the highest bit.
//
// The field aqrl, the ordering of atomic operations, is no operand but a suffix of the name.

// Disassemble gives the text of the instruction w at address pc, as binutils write it without aliases, and its
// length in bytes. ok is false when w is no instruction; the text is then a directive that makes its bytes.
func (i *ISA) Disassemble(w uint32, pc uint64) (text string, size uint64, ok bool) {
	r, ok := i.Decode(w)
	if !ok {
		size = i.Size(w)
		return fmt.Sprintf(".%dbyte 0x%0*x", size, 2*size, uint64(w)&(1<<(8*size)-1)), size, false
	}
	l := listing{isa: i, pattern: &i.Patterns()[r], word: w, pc: pc}
	text = i.Rows[r].Name
	if order, ok := l.pattern.Field("aqrl"); ok {
		text += [...]string{"", ".rl", ".aq", ".aqrl"}[order.Value(w)&3]
	}
	operands, err := l.operands(i.Rows[r].Asm)
	if err != nil {
		panic(fmt.Sprintf("isa: %s: row %q: the assembly form %q is wrong: %v", i.Name, text, i.Rows[r].Asm, err))
	}
	if len(operands) > 0 {
		text += " " + strings.Join(operands, ", ")
	}
	return text, l.pattern.Size, true
}

// listing is the printing of one instruction.
type listing struct {
	isa     *ISA
	pattern *Pattern
	word    uint32
	pc      uint64
}

// operands gives the texts of the operands that are to be printed.
func (l *listing) operands(form string) ([]string, error) {
	if form == "" {
		return nil, nil
	}
	forms := strings.Split(form, ", ")
	var texts []string
	behind := false // an operand with a question mark is printed behind this one
	for _, f := range slices.Backward(forms) {
		body, without, optional := strings.Cut(f, "?")
		text, v, err := l.operand(body)
		if err != nil {
			return nil, err
		}
		if optional {
			left := uint64(0)
			if without != "" {
				if left, err = strconv.ParseUint(without, 10, 64); err != nil {
					return nil, fmt.Errorf("operand %q: %w", f, err)
				}
			}
			if v == left && !behind {
				continue
			}
			behind = true
		}
		texts = append(texts, text)
	}
	slices.Reverse(texts)
	return texts, nil
}

// operand gives the text and the value of one operand; that of a parenthesis is its sum's.
func (l *listing) operand(form string) (text string, value uint64, err error) {
	sum, base, indirect := strings.Cut(form, "(")
	sum, letters, set := strings.Cut(sum, "%")
	var s term
	if sum != "" {
		if s, err = l.sum(sum); err != nil {
			return "", 0, err
		}
		if indirect && s.kind == unsigned {
			s.kind = signed
		}
		text = l.print(s)
	}
	if set {
		text, s.value = members(letters, s.value)
	}
	if !indirect {
		if sum == "" {
			return "", 0, fmt.Errorf("an operand of %q is empty", form)
		}
		return text, s.value, nil
	}
	name, closed := strings.CutSuffix(base, ")")
	if !closed {
		return "", 0, fmt.Errorf("operand %q: the parenthesis is not closed", form)
	}
	r, err := l.term(name)
	if err != nil {
		return "", 0, err
	}
	if r.kind != register {
		return "", 0, fmt.Errorf("operand %q: %q is no register", form, name)
	}
	return text + "(" + l.print(r) + ")", s.value, nil
}

// members prints the set whose bits are the low ones of a value, and gives those bits.
func members(letters string, value uint64) (text string, bits uint64) {
	for n, letter := range []byte(letters) {
		bit := uint64(1) << (len(letters) - 1 - n)
		if value&bit != 0 {
			text += string(letter)
			bits |= bit
		}
	}
	if bits == 0 {
		return "0", 0
	}
	return text, bits
}

// A kind of value tells how it is printed. Of the two sides of an operator, the greater one wins.
type kind int

const (
	number kind = iota // in the form itself
	unsigned
	signed
	address
	control  // number of a control and status register
	register // stands alone
)

// controls are the names of the control and status registers that user code can read (RISC-V, Zicntr).
var controls = map[uint64]string{
	0xc00: "cycle", 0xc01: "time", 0xc02: "instret", 0xc80: "cycleh", 0xc81: "timeh", 0xc82: "instreth",
}

type term struct {
	value uint64
	kind  kind
}

func (l *listing) print(t term) string {
	switch t.kind {
	case register:
		return l.isa.Regs[t.value]
	case address:
		if l.isa.Bits == 32 {
			t.value &= 1<<32 - 1
		}
		return fmt.Sprintf("%#x", t.value)
	case signed:
		return strconv.FormatInt(int64(t.value), 10)
	case control:
		if name, ok := controls[t.value]; ok {
			return name
		}
	}
	return fmt.Sprintf("%#x", t.value)
}

func (l *listing) sum(form string) (term, error) {
	var total term
	operator := ""
	for {
		end := strings.IndexAny(form, "+->&")
		if end < 0 {
			end = len(form)
		}
		t, err := l.term(form[:end])
		if err != nil {
			return term{}, err
		}
		if operator == "" {
			total = t
		} else if total, err = combine(operator, total, t); err != nil {
			return term{}, err
		}
		if end == len(form) {
			return total, nil
		}
		operator = form[end : end+1]
		if strings.HasPrefix(form[end:], ">>") {
			operator = ">>"
		}
		form = form[end+len(operator):]
	}
}

func combine(operator string, x, y term) (term, error) {
	k := max(x.kind, y.kind)
	if k == register {
		return term{}, fmt.Errorf("%q does not go with a register", operator)
	}
	switch operator {
	case "+":
		return term{x.value + y.value, k}, nil
	case "-":
		return term{x.value - y.value, k}, nil
	case ">>":
		return term{uint64(int64(x.value) >> (y.value & 63)), k}, nil
	case "&":
		return term{x.value & y.value, unsigned}, nil
	}
	return term{}, fmt.Errorf("there is no operator %q", operator)
}

func (l *listing) term(name string) (term, error) {
	const region = 256 << 20
	switch name {
	case "pc":
		return term{l.pc, address}, nil
	case "region":
		return term{(l.pc + l.pattern.Size) &^ (region - 1), address}, nil
	}
	if f, ok := l.pattern.Field(name); ok {
		v := f.Value(l.word)
		switch {
		case strings.HasPrefix(name, "r"):
			return term{v, register}, nil
		case name == "csr":
			return term{v, control}, nil
		case f.Signed:
			return term{v, signed}, nil
		}
		return term{v, unsigned}, nil
	}
	if r := slices.Index(l.isa.Regs[:], name); r >= 0 {
		return term{uint64(r), register}, nil
	}
	v, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return term{}, fmt.Errorf("%q is neither a field nor a register nor a number", name)
	}
	return term{v, number}, nil
}
