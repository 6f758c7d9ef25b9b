package arm64_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"

	"github.com/flexemu/flexemu/internal/engine/jit/arm64"
)

var widths = []arm64.Width{arm64.W, arm64.X}

// name is what an assembler calls a register.
func name(w arm64.Width, r arm64.Reg) string {
	letter := map[arm64.Width]string{arm64.W: "w", arm64.X: "x"}[w]
	switch {
	case r == arm64.ZR:
		return letter + "zr"
	case r == arm64.SP && w == arm64.X:
		return "sp"
	case r == arm64.SP:
		return "wsp"
	}
	return fmt.Sprint(letter, r)
}

// size is the number of bits of a width.
func size(w arm64.Width) int {
	if w == arm64.X {
		return 64
	}
	return 32
}

// A listing is code, with the text that a disassembler has to give for each instruction.
type listing struct {
	arm64.Asm
	want []string
}

// is says how the latest instruction reads.
func (l *listing) is(format string, args ...any) {
	l.want = append(l.want, fmt.Sprintf(format, args...))
}

func (l *listing) check(t *testing.T) {
	t.Helper()
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	got := disassemble(t, l.Code())
	if len(got) != len(l.want) {
		t.Fatalf("%d instructions, not %d", len(got), len(l.want))
	}
	wrong := 0
	for n, text := range got {
		if text != l.want[n] && wrong < 20 {
			wrong++
			t.Errorf("instruction %d is %q, not %q", n, text, l.want[n])
		}
	}
}

func disassemble(t *testing.T, code []byte) []string {
	t.Helper()
	var text []string
	for ; len(code) > 0; code = code[4:] {
		i, err := arm64asm.Decode(code)
		if err != nil {
			t.Fatalf("instruction %d, bytes % x: %v", len(text), code[:4], err)
		}
		text = append(text, strings.TrimSpace(arm64asm.GNUSyntax(i)))
	}
	return text
}

func TestMemory(t *testing.T) {
	var l listing
	for op, a := range accesses {
		mem := func(mnemonic string, rt arm64.Reg, off int64) {
			l.Mem(op, rt, arm64.SP, off)
			l.is("%s %s, [sp,#%d]", mnemonic, name(a.width, rt), off)
		}
		for off := int64(-256); off < 256; off++ {
			if off < 0 || off%a.size != 0 {
				mem(a.unscaled, arm64.X17, off)
			}
		}
		for n := int64(1); n < 4096; n++ {
			mem(a.name, arm64.ZR, n*a.size)
		}
		l.Mem(op, arm64.X30, arm64.X29, 0)
		l.is("%s %s, [x29]", a.name, name(a.width, arm64.X30))
		for _, off := range []int64{-257, -1 << 40, 256 + 1, 4096 * a.size, 1 << 40} {
			if fits := arm64.FitsMem(op, off); fits != (a.size == 1 && off == 257) {
				t.Errorf("%s with offset %d fits: %v", a.name, off, fits)
			}
		}
		amount := map[int64]int{1: 0, 2: 1, 4: 2, 8: 3}[a.size]
		for ext, e := range map[arm64.Extend][2]string{arm64.UXTW: {"w", "uxtw"}, arm64.SXTW: {"w", "sxtw"}, arm64.UXTX: {"x", "lsl"}} {
			once := "," + e[1]
			if ext == arm64.UXTX {
				once = ""
			}
			l.MemReg(op, arm64.X20, arm64.X10, arm64.X30, ext, false)
			l.is("%s %s, [x10,%s30%s]", a.name, name(a.width, arm64.X20), e[0], once)
			l.MemReg(op, arm64.ZR, arm64.SP, arm64.X5, ext, true)
			l.is("%s %s, [sp,%s5,%s #%d]", a.name, name(a.width, arm64.ZR), e[0], e[1], amount)
		}
	}
	l.check(t)
}

type access struct {
	name, unscaled string
	width          arm64.Width
	size           int64
}

var accesses = map[arm64.Access]access{
	arm64.STRB:   {"strb", "sturb", arm64.W, 1},
	arm64.LDRB:   {"ldrb", "ldurb", arm64.W, 1},
	arm64.LDRSBX: {"ldrsb", "ldursb", arm64.X, 1},
	arm64.LDRSBW: {"ldrsb", "ldursb", arm64.W, 1},
	arm64.STRH:   {"strh", "sturh", arm64.W, 2},
	arm64.LDRH:   {"ldrh", "ldurh", arm64.W, 2},
	arm64.LDRSHX: {"ldrsh", "ldursh", arm64.X, 2},
	arm64.LDRSHW: {"ldrsh", "ldursh", arm64.W, 2},
	arm64.STRW:   {"str", "stur", arm64.W, 4},
	arm64.LDRW:   {"ldr", "ldur", arm64.W, 4},
	arm64.LDRSW:  {"ldrsw", "ldursw", arm64.X, 4},
	arm64.STRX:   {"str", "stur", arm64.X, 8},
	arm64.LDRX:   {"ldr", "ldur", arm64.X, 8},
}

func TestPairs(t *testing.T) {
	var l listing
	for _, w := range widths {
		bytes := int64(size(w) / 8)
		for n := int64(-64); n < 64; n++ {
			if n == 0 {
				continue
			}
			l.Ldp(w, arm64.X19, arm64.X30, arm64.SP, n*bytes)
			l.is("ldp %s, %s, [sp,#%d]", name(w, arm64.X19), name(w, arm64.X30), n*bytes)
			l.Stp(w, arm64.ZR, arm64.ZR, arm64.X7, n*bytes)
			l.is("stp %[1]s, %[1]s, [x7,#%[2]d]", name(w, arm64.ZR), n*bytes)
		}
		for _, off := range []int64{1, bytes / 2, 64 * bytes, -65 * bytes, 1 << 40} {
			if arm64.FitsPair(w, off) {
				t.Errorf("offset %d fits a pair", off)
			}
		}
	}
	l.check(t)
}

// Operands that do not exist are bugs of the generator.
func TestPanics(t *testing.T) {
	const x0, x1, x2, zr, sp = arm64.X0, arm64.X1, arm64.X2, arm64.ZR, arm64.SP
	for what, f := range map[string]func(*arm64.Asm){
		"sp as register":             func(a *arm64.Asm) { a.RRR(arm64.ADD, arm64.X, x0, sp, x1) },
		"narrow upper half":          func(a *arm64.Asm) { a.RRR(arm64.UMULH, arm64.W, x0, x1, x2) },
		"rotated addend":             func(a *arm64.Asm) { a.RRRShift(arm64.ADD, arm64.X, x0, x1, x2, arm64.ROR, 1) },
		"shifted factor":             func(a *arm64.Asm) { a.RRRShift(arm64.MUL, arm64.X, x0, x1, x2, arm64.LSL, 1) },
		"shift by sum":               func(a *arm64.Asm) { a.RRRShift(arm64.ADD, arm64.X, x0, x1, x2, arm64.ADD, 1) },
		"shift by width":             func(a *arm64.Asm) { a.RRRShift(arm64.ADD, arm64.W, x0, x1, x2, arm64.LSL, 32) },
		"extended and":               func(a *arm64.Asm) { a.RRRExtend(arm64.AND, arm64.X, x0, x1, x2, arm64.UXTW, 0) },
		"extended too far":           func(a *arm64.Asm) { a.RRRExtend(arm64.ADD, arm64.X, x0, x1, x2, arm64.UXTW, 5) },
		"extended zero":              func(a *arm64.Asm) { a.RRRExtend(arm64.ADD, arm64.X, x0, zr, x2, arm64.UXTW, 0) },
		"number too large":           func(a *arm64.Asm) { a.RRI(arm64.ADD, arm64.X, x0, x1, 4097) },
		"number for a product":       func(a *arm64.Asm) { a.RRI(arm64.MUL, arm64.X, x0, x1, 1) },
		"zero register plus number":  func(a *arm64.Asm) { a.RRI(arm64.ADD, arm64.X, x0, zr, 1) },
		"number into zero register":  func(a *arm64.Asm) { a.RRI(arm64.AND, arm64.X, zr, x0, 1) },
		"flags and stack pointer":    func(a *arm64.Asm) { a.RRI(arm64.SUBS, arm64.X, sp, x0, 1) },
		"constant to zero register":  func(a *arm64.Asm) { a.MovImm(zr, 1) },
		"constant to stack pointer":  func(a *arm64.Asm) { a.MovImm(sp, 1) },
		"narrow rev32":               func(a *arm64.Asm) { a.RR(arm64.REV32, arm64.W, x0, x1) },
		"sign of a word in a word":   func(a *arm64.Asm) { a.Extend(arm64.SXTW, arm64.W, x0, x1) },
		"double word from itself":    func(a *arm64.Asm) { a.Extend(arm64.UXTX, arm64.X, x0, x1) },
		"extract above":              func(a *arm64.Asm) { a.Extr(arm64.W, x0, x1, x2, 32) },
		"set always":                 func(a *arm64.Asm) { a.Cset(arm64.X, x0, arm64.AL) },
		"jump always":                func(a *arm64.Asm) { a.BCond(arm64.AL, a.NewLabel()) },
		"bit 64":                     func(a *arm64.Asm) { a.Tbz(x0, 64, a.NewLabel()) },
		"zero register as base":      func(a *arm64.Asm) { a.Mem(arm64.LDRX, x0, zr, 0) },
		"offset of a load":           func(a *arm64.Asm) { a.Mem(arm64.LDRX, x0, x1, 257) },
		"index of a byte":            func(a *arm64.Asm) { a.MemReg(arm64.LDRX, x0, x1, x2, arm64.UXTB, false) },
		"offset of a pair":           func(a *arm64.Asm) { a.Stp(arm64.X, x0, x1, x2, 512) },
		"pair into one register":     func(a *arm64.Asm) { a.Ldp(arm64.X, x0, x0, x1, 0) },
		"label bound twice":          func(a *arm64.Asm) { l := a.NewLabel(); a.Bind(l); a.Bind(l) },
		"label not bound, at finish": func(a *arm64.Asm) { a.B(a.NewLabel()); _ = a.Finish() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			f(new(arm64.Asm))
		}()
	}
}
