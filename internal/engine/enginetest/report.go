package enginetest

import (
	"fmt"
	"strings"
	"time"
)

// explain finds the first slice behind which the machines differ, makes it and the program as short as it can, and
// describes what is left.
func (m *match) explain(first *divergence) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d: slice %d, %d instructions, step %d: %v\n",
		m.isa.Name, m.seed, first.slice, first.length, first.step, first.err)
	strict := *m
	strict.strict = true
	found, _, err := strict.play()
	if err != nil || found == nil {
		fmt.Fprintf(&b, "It does not come again when memory is compared behind every slice (%v).\n", err)
		return b.String()
	}
	still := strict
	still.quiet = true
	if d, _, err := still.play(); err == nil && d != nil {
		strict, found = still, d
	}
	strict.shorten(&found)
	removed := strict.thin(&found)
	fmt.Fprintf(&b, "In short, with %d of %d instructions of the program removed: slice %d, %d instructions, step %d: %v\n",
		removed, len(m.program.insns), found.slice, found.length, found.step, found.err)
	b.WriteString("Executed last:\n")
	m.history(&b, found.trace)
	b.WriteString("Registers of the single steps:\n")
	for r := range 32 {
		fmt.Fprintf(&b, "  %-4s %016x%s", m.isa.Regs[r], found.cells[r], []string{"", "", "", "\n"}[r%4])
	}
	b.WriteString("Program:\n")
	b.WriteString(strict.program.listing())
	return b.String()
}

// shown is how many executed instructions are printed.
const shown = 30

// history disassembles the end of a trace, without what does nothing.
func (m *match) history(b *strings.Builder, trace []visit) {
	from, count := len(trace), 0
	for ; from > 0 && count < shown; from-- {
		if v := trace[from-1]; v.word != nop(m.isa, m.isa.Size(v.word)) {
			count++
		}
	}
	idle := 0
	rest := func() {
		if idle > 0 {
			fmt.Fprintf(b, "  %d that do nothing\n", idle)
		}
		idle = 0
	}
	for _, v := range trace[from:] {
		if v.word == nop(m.isa, m.isa.Size(v.word)) {
			idle++
			continue
		}
		rest()
		text, size, _ := m.isa.Disassemble(v.word, v.pc)
		fmt.Fprintf(b, "  %#x: %0*x  %s\n", v.pc, 2*size, v.word, text)
	}
	rest()
}

// shorten finds a length of the last slice with which the machines differ, while they do not with one less.
func (m *match) shorten(found **divergence) {
	last := (*found).slice
	same, differ := uint64(0), (*found).length
	m.cut = &cut{last, differ}
	for differ-same > 1 {
		m.cut.length = (same + differ) / 2
		d, _, err := m.play()
		switch {
		case err != nil:
			return
		case d == nil:
			same = m.cut.length
		case d.slice < last:
			m.cut.length = differ
			return
		default:
			*found, differ = d, m.cut.length
		}
	}
	m.cut.length = differ
}

// patience is how long a program is being made shorter.
const patience = 10 * time.Second

// thin replaces instructions by such that do nothing as long as the machines differ, and tells how many.
func (m *match) thin(found **divergence) (removed int) {
	until := time.Now().Add(patience)
	for chunk := 64; chunk > 0; chunk /= 2 {
		for at := 0; at < len(m.program.insns) && time.Now().Before(until); at += chunk {
			try := *m
			p := *m.program
			p.insns = append([]insn(nil), p.insns...)
			try.program = &p
			more := 0
			for n := at; n < min(at+chunk, len(p.insns)); n++ {
				if in := &p.insns[n]; in.word != nop(m.isa, in.size) {
					*in = insn{row: noRow, word: nop(m.isa, in.size), size: in.size, offset: in.offset, target: nowhere}
					more++
				}
			}
			if more == 0 {
				continue
			}
			if d, _, err := try.play(); err == nil && d != nil {
				*found, m.program = d, &p
				removed += more
				m.cut = &cut{d.slice, d.length}
			}
		}
	}
	return removed
}

// listing disassembles a program, without what does nothing.
func (p *program) listing() string {
	var b strings.Builder
	for _, in := range p.insns {
		if in.word == nop(p.isa, in.size) {
			continue
		}
		pc := p.wrap(p.base + in.offset)
		text, _, _ := p.isa.Disassemble(in.word, pc)
		fmt.Fprintf(&b, "  %#x: %0*x  %s\n", pc, 2*in.size, in.word, text)
	}
	return b.String()
}
