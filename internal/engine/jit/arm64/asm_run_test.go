package arm64_test

import (
	"encoding/binary"
	"maps"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/flexemu/flexemu/internal/engine/jit/arm64"
)

// A program is code for Linux that writes words. It keeps x19 and x20: they lead to the words' ends and beginning.
type program struct {
	arm64.Asm
	want []uint64
	what []string
}

const (
	origin  = 0x40_0000
	headers = 64 + 56 // of ELF, and of its one segment
)

func newProgram() *program {
	p := new(program)
	p.RRI(arm64.SUB, arm64.X, arm64.X19, arm64.SP, 1<<20)
	p.RRI(arm64.ADD, arm64.X, arm64.X20, arm64.X19, 0)
	return p
}

// write appends a register to the words.
func (p *program) write(r arm64.Reg, want uint64, what string) {
	p.Mem(arm64.STRX, r, arm64.X19, 0)
	p.RRI(arm64.ADD, arm64.X, arm64.X19, arm64.X19, 8)
	p.want = append(p.want, want)
	p.what = append(p.what, what)
}

// elf is the finished program.
func (p *program) elf(t *testing.T) []byte {
	t.Helper()
	const svc, write, exit = 0xd4000001, 64, 93
	p.MovImm(arm64.X0, 1)
	p.Mov(arm64.X, arm64.X1, arm64.X20)
	p.RRR(arm64.SUB, arm64.X, arm64.X2, arm64.X19, arm64.X20)
	p.MovImm(arm64.X8, write)
	if err := p.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := p.Relocate(origin + headers); err != nil {
		t.Fatal(err)
	}
	var end arm64.Asm
	end.MovImm(arm64.X0, 0)
	end.MovImm(arm64.X8, exit)
	code := binary.LittleEndian.AppendUint32(p.Code(), svc)
	code = append(code, end.Code()...)
	code = binary.LittleEndian.AppendUint32(code, svc)

	const machine, executable, loaded, readAndRun = 183, 2, 1, 5
	le := binary.LittleEndian
	file := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	file = le.AppendUint16(le.AppendUint16(file, executable), machine)
	file = le.AppendUint32(file, 1)
	for _, v := range []uint64{origin + headers, 64, 0} {
		file = le.AppendUint64(file, v)
	}
	file = le.AppendUint32(file, 0)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		file = le.AppendUint16(file, v)
	}
	file = le.AppendUint32(le.AppendUint32(file, loaded), readAndRun)
	size := uint64(headers + len(code))
	for _, v := range []uint64{0, origin, origin, size, size, 1 << 16} {
		file = le.AppendUint64(file, v)
	}
	return append(file, code...)
}

// run lets qemu run the program, and compares the words.
func (p *program) run(t *testing.T) {
	t.Helper()
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("qemu-aarch64-static is not installed (Debian's package qemu-user-static)")
	}
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, p.elf(t), 0o700); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(emulator, name)
	c.Stderr, c.WaitDelay = os.Stderr, time.Minute
	out, err := c.Output()
	if err != nil || len(out) != 8*len(p.want) {
		t.Fatalf("qemu: %v, with %d words, not %d", err, len(out)/8, len(p.want))
	}
	wrong := 0
	for n, want := range p.want {
		if got := binary.LittleEndian.Uint64(out[8*n:]); got != want && wrong < 20 {
			wrong++
			t.Errorf("%s: %#x, not %#x", p.what[n], got, want)
		}
	}
}

func TestRunConstants(t *testing.T) {
	p := newProgram()
	list := constants(slices.Sorted(maps.Keys(bitmasks(64))), slices.Sorted(maps.Keys(bitmasks(32))))
	for n, v := range list {
		if n%4 == 0 {
			p.MovImm(arm64.X7, v)
			p.write(arm64.X7, v, "constant")
		}
	}
	p.run(t)
}

var words = []uint64{
	0, 1, 5, 0xfff, 0x1000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000,
	1<<63 - 1, 1 << 63, 0x0123_4567_89ab_cdef, ^uint64(4), ^uint64(0),
}

func TestRunPopc(t *testing.T) {
	p := newProgram()
	for _, v := range words {
		p.MovImm(arm64.X1, v)
		p.Popc(arm64.X, arm64.X2, arm64.X1, 31)
		p.write(arm64.X2, uint64(bits.OnesCount64(v)), "popc")
		p.Popc(arm64.W, arm64.X2, arm64.X1, 31)
		p.write(arm64.X2, uint64(bits.OnesCount32(uint32(v))), "popc of a word")
	}
	p.run(t)
}

// An operation with a number has the result and the flags that it has with a register.
func TestRunImmediates(t *testing.T) {
	p := newProgram()
	const x1, x2, x3, x4 = arm64.X1, arm64.X2, arm64.X3, arm64.X4
	flags := func() {
		p.MovImm(x4, 0)
		for _, c := range []arm64.Cond{arm64.EQ, arm64.HS, arm64.MI, arm64.VS} {
			p.Cset(arm64.X, arm64.X5, c)
			p.RRRShift(arm64.ORR, arm64.X, x4, arm64.X5, x4, arm64.LSL, 1)
		}
	}
	numbers := []uint64{0, 1, 5, 63, 0xfff, 0x5000, 0xfff000, ^uint64(0), ^uint64(6), ^uint64(0x4fff), 0xffff_fffe, 0xff00_ff00_ff00_ff00}
	for _, ops := range []map[arm64.Op]string{arithmetic, logical, shifts} {
		for op, mnemonic := range ops {
			for _, w := range widths {
				for _, number := range numbers {
					if !arm64.FitsImm(op, w, number) {
						continue
					}
					p.MovImm(x2, number)
					for _, v := range words {
						p.MovImm(x1, v)
						p.Cmp(arm64.X, x1, x1) // the same flags before both
						p.RRR(op, w, x3, x1, x2)
						flags()
						p.Mov(arm64.X, arm64.X6, x3)
						p.Mov(arm64.X, arm64.X7, x4)
						p.Cmp(arm64.X, x1, x1)
						p.RRI(op, w, x3, x1, number)
						flags()
						p.RRR(arm64.EOR, arm64.X, x3, x3, arm64.X6)
						p.RRR(arm64.EOR, arm64.X, x4, x4, arm64.X7)
						p.RRR(arm64.ORR, arm64.X, x3, x3, x4)
						p.write(x3, 0, mnemonic+" "+name(w, x1))
					}
				}
			}
		}
	}
	p.run(t)
}

// A program that goes through all kinds of jumps, some of which are turned round, comes where it should.
func TestRunJumps(t *testing.T) {
	p := newProgram()
	const x1, x2 = arm64.X1, arm64.X2
	function, past, table := p.NewLabel(), p.NewLabel(), p.NewLabel()
	p.MovImm(x1, 1)
	taken := func(jump func(arm64.Label), want bool, what string) {
		l := p.NewLabel()
		p.MovImm(x2, 1)
		jump(l)
		p.MovImm(x2, 0)
		for range 9000 {
			p.Nop()
		}
		p.Bind(l)
		expected := uint64(0)
		if want {
			expected = 1
		}
		p.write(x2, expected, what)
	}
	taken(func(l arm64.Label) { p.Tbz(x1, 0, l) }, false, "tbz")
	taken(func(l arm64.Label) { p.Tbz(x1, 40, l) }, true, "tbz")
	taken(func(l arm64.Label) { p.Tbnz(x1, 0, l) }, true, "tbnz")
	taken(func(l arm64.Label) { p.Tbnz(x1, 40, l) }, false, "tbnz")
	taken(func(l arm64.Label) { p.Cbz(arm64.X, x1, l) }, false, "cbz")
	taken(func(l arm64.Label) { p.Cbnz(arm64.W, x1, l) }, true, "cbnz")
	taken(func(l arm64.Label) { p.CmpImm(arm64.X, x1, 2); p.BCond(arm64.LO, l) }, true, "b.lo")
	taken(func(l arm64.Label) { p.CmpImm(arm64.X, x1, ^uint64(0)); p.BCond(arm64.HS, l) }, false, "b.hs")

	p.BL(function)
	p.write(x2, 77, "bl")
	p.Adr(arm64.X3, function)
	p.Blr(arm64.X3)
	p.write(x2, 78, "blr")
	p.Adr(arm64.X3, table)
	p.Mem(arm64.LDRX, arm64.X4, arm64.X3, 8)
	p.Br(arm64.X4)
	p.Bind(table)
	p.Address(function)
	p.Address(past)
	p.Bind(function)
	p.RRI(arm64.ADD, arm64.X, x1, x1, 1)
	p.RRI(arm64.ADD, arm64.X, x2, x1, 75)
	p.Ret()
	p.Bind(past)
	p.write(x1, 3, "br to an address in a table")
	p.run(t)
}
