package isa_test

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
)

// TestDisassembleRows compares random instances of every row with objdump, also those that no compiler makes.
func TestDisassembleRows(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		b := toolsFor(t, i)
		random := isatest.Random(1)
		var words []uint32
		for r, row := range i.Rows {
			for range 40 {
				f := isatest.FieldsOf(&i.Patterns()[r], isatest.Instance(i, r, random))
				if b.repair != nil {
					b.repair(row.Name, f)
				}
				words = append(words, isatest.Encode(i, r, f))
			}
		}
		lines := b.assemble(t, words)
		if unknown := b.compare(t, i, lines); len(unknown) > 0 {
			t.Errorf("our words are no instructions: %v", unknown)
		}
		decoded := map[uint32]bool{}
		for _, l := range lines {
			decoded[l.word] = true
		}
		refused := map[string]int{}
		for _, w := range words {
			if !decoded[w] {
				r, _ := i.Decode(w)
				refused[i.Rows[r].Name]++
			}
		}
		if len(refused) > 0 {
			t.Errorf("objdump knows no such instructions: %v", refused)
		}
		if b.strict {
			b.compareNeighbours(t, i)
		}
	})
}

// compareNeighbours goes through all words of 16 bits, and the words of 32 bits that differ from an instruction in
// one bit: what objdump refuses is to be refused, what it accepts is to be accepted.
func (b binutils) compareNeighbours(t *testing.T, i *isa.ISA) {
	t.Helper()
	var words []uint32
	for w := range uint32(1 << 16) {
		if i.Size(w) == 2 {
			words = append(words, w)
		}
	}
	random := isatest.Random(12)
	for r := range i.Rows {
		for bit := range 4 * 32 {
			if w := isatest.Instance(i, r, random) ^ 1<<(bit%32); i.Size(w) == 4 && w&0x1f != 0x1f { // which begins longer ones
				words = append(words, w)
			}
		}
	}
	lines := b.assemble(t, words)
	unknown := b.compare(t, i, lines)
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		if !slices.Contains(b.known, name) {
			t.Errorf("we have no row for %s", name)
		}
	}
	decoded := map[uint32]bool{}
	for _, l := range lines {
		decoded[l.word] = true
	}
	for _, w := range words {
		if text, _, ok := i.Disassemble(w, 0); ok && !decoded[w] && !strings.HasPrefix(text, "fence") {
			t.Errorf("%04x is %q, objdump knows no such instruction", w, text)
		}
	}
}

// TestDisassemblePrograms compares every instruction of some programs with objdump.
func TestDisassemblePrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("runs compilers")
	}
	each(t, func(t *testing.T, i *isa.ISA) {
		b := toolsFor(t, i)
		for _, p := range b.programs {
			t.Run(p.source, func(t *testing.T) {
				if _, err := exec.LookPath(p.command[0]); err != nil {
					t.Skipf("%s is not installed", p.command[0])
				}
				file := filepath.Join(t.TempDir(), "program")
				args := append(slices.Clone(p.command[1:]), "-o", file, filepath.Join("testdata", p.source))
				c := exec.Command(p.command[0], append(args, p.libraries...)...)
				c.Env = append(os.Environ(), p.env...)
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", c, err, out)
				}
				lines := b.dump(t, file)
				if len(lines) < 200 {
					t.Errorf("objdump decodes %d lines only", len(lines))
				}
				unknown := b.compare(t, i, lines)
				for _, name := range slices.Sorted(maps.Keys(unknown)) {
					if !slices.Contains(b.known, name) {
						t.Errorf("we have no row for %s, which stands there %d times", name, unknown[name])
					}
				}
				t.Logf("%d lines; not ours: %v", len(lines), unknown)
			})
		}
	})
}

// A line is one that objdump decodes.
type line struct {
	addr uint64
	word uint32
	text string // mnemonic, space, operands without spaces
}

var symbolForm = regexp.MustCompile(`([,\s]|^)([0-9a-f]+) <[^>]*>`)

// dump gives the lines of a file; those that objdump prints as data are left out.
func (b binutils) dump(t *testing.T, file string) []line {
	t.Helper()
	out, err := exec.Command(b.prefix+"objdump", "-d", "-z", "-M", b.options, file).Output()
	if err != nil {
		t.Fatalf("objdump %s: %v", file, err)
	}
	var lines []line
	s := bufio.NewScanner(bytes.NewReader(out))
	for s.Scan() {
		columns := strings.SplitN(s.Text(), "\t", 4)
		if len(columns) < 3 || strings.HasPrefix(columns[2], ".") {
			continue
		}
		addr, err1 := strconv.ParseUint(strings.Trim(columns[0], " :"), 16, 64)
		word, err2 := strconv.ParseUint(strings.TrimSpace(columns[1]), 16, 32)
		if err1 != nil || err2 != nil {
			t.Fatalf("objdump says %q", s.Text())
		}
		operands := ""
		if len(columns) == 4 {
			operands, _, _ = strings.Cut(columns[3], " # ")
		}
		if strings.Contains(operands, "<") { // addresses have no 0x when they have a symbol
			operands = symbolForm.ReplaceAllString(operands, "${1}0x$2")
		}
		text := strings.TrimSpace(columns[2] + " " + strings.ReplaceAll(operands, " ", ""))
		lines = append(lines, line{addr, uint32(word), text})
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// assemble gives what objdump makes of an object file with these words as code.
func (b binutils) assemble(t *testing.T, words []uint32) []line {
	t.Helper()
	var source strings.Builder
	for _, w := range words {
		fmt.Fprintf(&source, "%s %#x\n", b.directive, w)
	}
	file := filepath.Join(t.TempDir(), "raw.o")
	c := exec.Command(b.prefix+"as", append(slices.Clone(b.asflags), "-o", file)...)
	c.Stdin = strings.NewReader(source.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%.1000s", c, err, out)
	}
	return b.dump(t, file)
}

// normal gives a text in the form in which two are compared: numbers are decimal.
func normal(text string) string {
	name, operands, _ := strings.Cut(text, " ")
	var out strings.Builder
	word := ""
	flush := func() {
		if v, err := strconv.ParseUint(word, 0, 64); err == nil {
			word = strconv.FormatUint(v, 10)
		}
		out.WriteString(word)
		word = ""
	}
	for _, c := range operands {
		if strings.ContainsRune(",()", c) {
			flush()
			out.WriteRune(c)
		} else if c != ' ' {
			word += string(c)
		}
	}
	flush()
	return strings.TrimSpace(name + " " + out.String())
}

// compare checks our text of every line. It gives how many lines have each mnemonic that we do not know.
func (b binutils) compare(t *testing.T, i *isa.ISA, lines []line) (unknown map[string]int) {
	t.Helper()
	unknown = map[string]int{}
	failures := map[string]int{}
	for _, l := range lines {
		text, size, ok := i.Disassemble(l.word, l.addr)
		name, operands, _ := strings.Cut(text, " ")
		if other, ok := b.names[name]; ok {
			name = other
		}
		ours := normal(name + " " + operands)
		if ok && size == i.Size(l.word) && ours == normal(l.text) {
			continue
		}
		theirs := l.text
		for _, a := range b.aliases {
			theirs = a.from.ReplaceAllString(theirs, a.to)
		}
		mnemonic, _, _ := strings.Cut(theirs, " ")
		if !ok {
			if b.reserved == nil || !b.reserved.MatchString(theirs) {
				unknown[mnemonic]++
			}
			continue
		}
		if b.nonsense != nil && b.nonsense.MatchString(theirs) || size == i.Size(l.word) && ours == normal(theirs) {
			continue
		}
		if failures[mnemonic]++; failures[mnemonic] < 4 {
			t.Errorf("%x: %08x is %q of %d bytes, objdump says %q", l.addr, l.word, text, size, l.text)
		}
	}
	return unknown
}
