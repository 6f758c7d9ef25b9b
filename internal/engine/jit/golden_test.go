//go:build linux && amd64

package jit

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	// goldenSteps is how long a loop runs: until nothing new is compiled.
	goldenSteps = 1_000_000
	// tracedSteps is how much of it is looked at, instruction by instruction.
	tracedSteps = 100_000
	// leastCompiled is the part of these that generated code has to execute, in percent.
	leastCompiled = 99
	// goldenBytes is the length of each of the two pieces of data of a loop.
	goldenBytes = 1 << 16
)

// TestGolden compares with a golden file what is compiled of hot loops, and to how much code. They are listings of machine
// words, testdata/loops_*.txt, so that no compiler's version matters. go test -update writes the golden files anew.
func TestGolden(t *testing.T) {
	if !supported {
		t.Skip(ErrUnsupported)
	}
	for _, name := range []string{"mips64", "mips32", "riscv64", "riscv32"} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			fmt.Fprintf(&b, `# Code for amd64 of the loops in loops_%s.txt: regions that were compiled; instructions of the guest in them;
# bytes of code; bytes for an instruction; instructions of the host that are executed for one of the guest.
`, name)
			for _, l := range loops(t, sets.Named(name)) {
				m := l.measure(t)
				fmt.Fprintf(&b, "%-12s%4d%6d%8d%8.1f%8.2f\n", l.name, m.regions, m.guest, m.bytes, float64(m.bytes)/float64(m.guest), m.path)
			}
			golden := filepath.Join("testdata", "amd64_"+name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != string(want) {
				t.Errorf("got:\n%s\n%s has:\n%s\nIf the change is meant, run go test -run TestGolden -update", got, golden, want)
			}
		})
	}
}

// A loop is a program that never ends, with s0 and s1 pointing to data: s0 where the heap is, s1 behind the code.
type loop struct {
	isa   *isa.ISA
	name  string
	entry uint64
	words []word
}

type word struct{ addr, size, bits uint64 }

// loops reads a listing: names in brackets, and lines of an address, a word and what it says. The first word is where
// the program begins.
func loops(t *testing.T, i *isa.ISA) (list []*loop) {
	file := filepath.Join("testdata", "loops_"+i.Name+".txt")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	number := func(s string) uint64 {
		v, err := strconv.ParseUint(s, 16, 64)
		if err != nil {
			t.Fatalf("%s: line %d: %v", file, n, err)
		}
		return v
	}
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			list = append(list, &loop{isa: i, name: strings.Trim(line, "[]")})
		default:
			addr, rest, _ := strings.Cut(line, ": ")
			hex, text, _ := strings.Cut(rest, " ")
			w := word{number(addr), uint64(len(hex)) / 2, number(hex)}
			if says, _, _ := i.Disassemble(uint32(w.bits), w.addr); says != strings.TrimSpace(text) {
				t.Errorf("%s: line %d: %s is %s", file, n, hex, says)
			}
			l := list[len(list)-1]
			if l.words == nil {
				l.entry = w.addr
			}
			l.words = append(l.words, w)
		}
	}
	return list
}

// machine makes the loop's first state.
func (l *loop) machine(t *testing.T) *machine.Machine {
	k, err := bare.New(l.isa)
	if err != nil {
		t.Fatal(err)
	}
	m := machine.New(l.isa.Thread)
	m.Narrow = l.isa.Bits == 32
	for _, w := range l.words {
		m.Mem.WriteSlow(w.addr, uint8(w.size), l.isa.Big, w.bits)
	}
	const low = 0x20_0000
	k.Start(m, l.entry, k.Layout.StackTop-machine.PageSize)
	for _, data := range []struct {
		register string
		addr     uint64
	}{{"s0", k.Layout.HeapStart}, {"s1", low}} {
		m.Cells[slices.Index(l.isa.Regs[:], data.register)] = data.addr
		x := uint32(2463534242) // Marsaglia's xorshift
		for at := uint64(0); at < goldenBytes; at += 4 {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			m.Mem.WriteSlow(data.addr+at, 4, l.isa.Big, uint64(x))
		}
	}
	return m
}

// measures are what the golden file has of a loop.
type measures struct {
	regions, guest, bytes int
	path                  float64
}

// pieces are the blocks that were compiled last at each place: how many instructions of guest and host they have.
type pieces map[place]struct{ guest, host int }

func (l *loop) measure(t *testing.T) (m measures) {
	made := pieces{}
	plain := compile
	defer func() { compile = plain }()
	compile = func(r *lir.Region, h lir.Host) (*lir.Code, error) {
		c, err := plain(r, h)
		if err != nil {
			return nil, err
		}
		m.regions++
		m.bytes += len(c.Bytes)
		for n, b := range r.Blocks {
			m.guest += int(b.Steps)
			p := made[place{b.PC, b.Next}]
			p.guest, p.host = int(b.Steps), hostPath(t, c, n)
			made[place{b.PC, b.Next}] = p
		}
		return c, nil
	}
	l.compare(t)
	m.path = l.trace(t, made)
	return m
}

// compare executes the loop with both engines, and gives that which compiles.
func (l *loop) compare(t *testing.T) *Engine {
	compiled, plainly := l.machine(t), l.machine(t)
	compiled.Root() // all pages wait for their first store
	e, err := New(l.isa, compiled)
	if err != nil {
		t.Fatal(err)
	}
	e.alone = true // the same is compiled each time
	reference, err := interp.New(l.isa, plainly)
	if err != nil {
		t.Fatal(err)
	}
	l.run(t, e, goldenSteps)
	l.run(t, reference, goldenSteps)
	if compiled.Root() != plainly.Root() {
		t.Errorf("%s: the state differs from that of interp", l.name)
	}
	return e
}

// trace executes the loop from where it is hot and gives how many instructions of the host are executed for one of the guest.
func (l *loop) trace(t *testing.T, made pieces) float64 {
	m := l.machine(t)
	e, err := interp.New(l.isa, m)
	if err != nil {
		t.Fatal(err)
	}
	l.run(t, e, goldenSteps)
	guest, host, outside := 0, 0, 0
	for guest+outside < tracedSteps {
		steps := 1
		if p, ok := made[l.place(m)]; ok {
			steps = p.guest
			guest, host = guest+p.guest, host+p.host
		} else {
			outside++
		}
		l.run(t, e, uint64(steps))
	}
	// The trace may begin in the middle of a block.
	if compiled := guest * 100 / (guest + outside); compiled < leastCompiled {
		t.Errorf("%s: %d %% of the instructions are compiled", l.name, compiled)
	}
	return float64(host) / float64(guest)
}

// run has an engine execute n instructions, as kernels do.
func (l *loop) run(t *testing.T, e bare.Engine, n uint64) {
	t.Helper()
	for n > 0 {
		done := e.Run(n)
		if n -= done; done > 0 {
			continue
		}
		if trap, trapped := e.Step(); trapped {
			t.Fatalf("%s: a trap of kind %d", l.name, trap)
		}
		n--
	}
}

// place is where a machine stands.
func (l *loop) place(m *machine.Machine) place {
	p := place{pc: m.Cells[ir.PC]}
	if slices.Contains(l.isa.Thread, ir.NextPC) {
		p.next = m.Cells[ir.NextPC]
	}
	return p
}

// hostPath counts the instructions of block n from its beginning up to its first jump that is always taken, or the
// beginning of the next block. Code behind that is for rare cases.
func hostPath(t *testing.T, c *lir.Code, n int) (count int) {
	for at := c.Warm[n]; ; {
		size, ends := hostInstruction(t, c.Bytes[at:])
		at += size
		count++
		if ends || slices.Contains(c.Warm, at) {
			return count
		}
	}
}

// hostInstruction gives the length of the first instruction of some code, and whether what follows it is not executed.
func hostInstruction(t *testing.T, code []byte) (size int, ends bool) {
	const (
		vexPrefix = 0xc4
		vexBytes  = 3
		mov       = 0x8b // has the operands' bytes that those with a VEX prefix have
	)
	if code[0] == vexPrefix { // x86asm knows none of these
		operands, err := x86asm.Decode(append([]byte{mov}, code[vexBytes+1:min(len(code), 16)]...), 64)
		if err != nil {
			t.Fatalf("% x: %v", code[:min(len(code), 16)], err)
		}
		size = vexBytes + operands.Len
		if code[1]&0x1f == 3 { // the map of those with a constant
			size++
		}
		return size, false
	}
	in, err := x86asm.Decode(code, 64)
	if err != nil {
		t.Fatalf("% x: %v", code[:min(len(code), 16)], err)
	}
	return in.Len, in.Op == x86asm.JMP || in.Op == x86asm.RET
}
