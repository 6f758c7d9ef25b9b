package arm64_test

import (
	"fmt"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/jit/arm64"
)

var (
	arithmetic = map[arm64.Op]string{arm64.ADD: "add", arm64.ADDS: "adds", arm64.SUB: "sub", arm64.SUBS: "subs"}
	logical    = map[arm64.Op]string{
		arm64.AND: "and", arm64.BIC: "bic", arm64.ORR: "orr", arm64.ORN: "orn",
		arm64.EOR: "eor", arm64.EON: "eon", arm64.ANDS: "ands", arm64.BICS: "bics",
	}
	shifts = map[arm64.Op]string{arm64.LSL: "lsl", arm64.LSR: "lsr", arm64.ASR: "asr", arm64.ROR: "ror"}
	others = map[arm64.Op]string{
		arm64.UDIV: "udiv", arm64.SDIV: "sdiv", arm64.MUL: "mul", arm64.MNEG: "mneg",
		arm64.SMULL: "smull", arm64.UMULL: "umull", arm64.SMULH: "smulh", arm64.UMULH: "umulh",
	}
	wideOnly = map[arm64.Op]bool{arm64.SMULL: true, arm64.UMULL: true, arm64.SMULH: true, arm64.UMULH: true}
	extends  = []string{"uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"}
	conds    = []string{"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al"}
)

// threeRegisters is the text of an operation; some have another name if one operand is the zero register.
func threeRegisters(mnemonic string, w, sources arm64.Width, rd, rn, rm arm64.Reg) string {
	d, n, m := name(w, rd), name(sources, rn), name(sources, rm)
	if rd == arm64.ZR {
		if short := map[string]string{"subs": "cmp", "adds": "cmn", "ands": "tst"}[mnemonic]; short != "" {
			return fmt.Sprintf("%s %s, %s", short, n, m)
		}
	}
	if rn == arm64.ZR {
		if short := map[string]string{"sub": "neg", "subs": "negs", "orr": "mov", "orn": "mvn"}[mnemonic]; short != "" {
			return fmt.Sprintf("%s %s, %s", short, d, m)
		}
	}
	return fmt.Sprintf("%s %s, %s, %s", mnemonic, d, n, m)
}

func TestThreeRegisters(t *testing.T) {
	var l listing
	registers := []arm64.Reg{arm64.X0, arm64.X1, arm64.X10, arm64.X21, arm64.X30, arm64.ZR}
	for _, ops := range []map[arm64.Op]string{arithmetic, logical, shifts, others} {
		for op, mnemonic := range ops {
			for _, w := range widths {
				if wideOnly[op] && w == arm64.W {
					continue
				}
				sources := w
				if op == arm64.SMULL || op == arm64.UMULL {
					sources = arm64.W
				}
				for n := range len(registers) * len(registers) * len(registers) {
					rd, rn, rm := registers[n%6], registers[n/6%6], registers[n/36]
					l.RRR(op, w, rd, rn, rm)
					l.is("%s", threeRegisters(mnemonic, w, sources, rd, rn, rm))
				}
			}
		}
	}
	l.check(t)
}

func TestShiftedRegister(t *testing.T) {
	var l listing
	for _, ops := range []map[arm64.Op]string{arithmetic, logical} {
		for op, mnemonic := range ops {
			for shift, kind := range shifts {
				if shift == arm64.ROR && arithmetic[op] != "" {
					continue
				}
				for _, w := range widths {
					for n := 1; n < size(w); n++ {
						l.RRRShift(op, w, arm64.X3, arm64.X17, arm64.X30, shift, uint(n))
						l.is("%s, %s #%d", threeRegisters(mnemonic, w, w, arm64.X3, arm64.X17, arm64.X30), kind, n)
					}
				}
			}
		}
	}
	l.check(t)
}

func TestExtendedRegister(t *testing.T) {
	var l listing
	for op, mnemonic := range arithmetic {
		for _, w := range widths {
			for ext, kind := range extends {
				for n := range 5 {
					suffix := ", " + kind
					if n > 0 {
						suffix += fmt.Sprint(" #", n)
					}
					source := arm64.W
					if w == arm64.X && ext&3 == int(arm64.UXTX) {
						source = arm64.X
					}
					l.RRRExtend(op, w, arm64.X6, arm64.X12, arm64.X24, arm64.Extend(ext), uint(n))
					l.is("%s %s, %s, %s%s", mnemonic, name(w, arm64.X6), name(w, arm64.X12), name(source, arm64.X24), suffix)
				}
			}
		}
		l.RRRExtend(op, arm64.X, arm64.X6, arm64.SP, arm64.X24, arm64.UXTX, 0)
		l.is("%s x6, sp, x24", mnemonic)
	}
	l.RRRExtend(arm64.SUB, arm64.X, arm64.SP, arm64.SP, arm64.X1, arm64.UXTX, 3)
	l.is("sub sp, sp, x1, lsl #3")
	l.RRRExtend(arm64.SUBS, arm64.X, arm64.ZR, arm64.SP, arm64.X1, arm64.UXTW, 0)
	l.is("cmp sp, w1, uxtw")
	l.check(t)
}

func TestArithmeticImmediate(t *testing.T) {
	var l listing
	negated := map[string]string{"add": "sub", "adds": "subs", "sub": "add", "subs": "adds"}
	for op, mnemonic := range arithmetic {
		for _, w := range widths {
			for n := uint64(0); n < 4096; n += 13 {
				text := func(mnemonic, shift string) string {
					return fmt.Sprintf("%s %s, %s, #0x%x%s", mnemonic, name(w, arm64.X9), name(w, arm64.X30), n, shift)
				}
				l.RRI(op, w, arm64.X9, arm64.X30, n)
				l.is("%s", text(mnemonic, ""))
				if n == 0 {
					continue
				}
				l.RRI(op, w, arm64.X9, arm64.X30, n<<12)
				l.is("%s", text(mnemonic, ", lsl #12"))
				l.RRI(op, w, arm64.X9, arm64.X30, -n)
				l.is("%s", text(negated[mnemonic], ""))
				l.RRI(op, w, arm64.X9, arm64.X30, -n<<12)
				l.is("%s", text(negated[mnemonic], ", lsl #12"))
			}
			for _, n := range []uint64{0x1001, 0xfff001, 0x1000000, 1 << 31, 1 << 63, 1<<63 + 1, ^uint64(0x1000)} {
				if w == arm64.X && arm64.FitsImm(op, w, n) || w == arm64.W && uint32(n) > 1 && arm64.FitsImm(op, w, n) {
					t.Errorf("%s: %#x fits", mnemonic, n)
				}
			}
		}
	}
	l.CmpImm(arm64.W, arm64.X5, 0xffff_fff9) // the upper half of a narrow number does not count
	l.is("cmn w5, #0x7")
	l.CmpImm(arm64.X, arm64.SP, 7)
	l.is("cmp sp, #0x7")
	l.RRI(arm64.ADD, arm64.X, arm64.SP, arm64.SP, ^uint64(63))
	l.is("sub sp, sp, #0x40")
	l.RRI(arm64.ADD, arm64.X, arm64.X5, arm64.SP, 0)
	l.is("mov x5, sp")
	l.check(t)
}

// bitmasks makes all logical immediates: elements of 2 to width bits, each a run of ones, rotated.
func bitmasks(width int) map[uint64]bool {
	masks := map[uint64]bool{}
	for size := 2; size <= width; size *= 2 {
		for ones := 1; ones < size; ones++ {
			for rotation := range size {
				v := uint64(0)
				for bit := range ones {
					for at := (bit + rotation) % size; at < width; at += size {
						v |= 1 << at
					}
				}
				masks[v] = true
			}
		}
	}
	return masks
}

func TestLogicalImmediate(t *testing.T) {
	var l listing
	inverted := map[string]string{"bic": "and", "orn": "orr", "eon": "eor", "bics": "ands"}
	for _, w := range widths {
		masks := bitmasks(size(w))
		if want := map[arm64.Width]int{arm64.W: 1302, arm64.X: 5334}[w]; len(masks) != want {
			t.Fatalf("%d bitmasks, not %d", len(masks), want)
		}
		all := ^uint64(0) >> (64 - size(w))
		for v := range masks {
			for op, mnemonic := range logical {
				number, base := v, mnemonic
				if inverted[mnemonic] != "" {
					number, base = ^v, inverted[mnemonic]
				}
				l.RRI(op, w, arm64.X9, arm64.X30, number)
				l.is("%s %s, %s, #0x%x", base, name(w, arm64.X9), name(w, arm64.X30), v)
			}
			for bit := range size(w) {
				if n := v ^ 1<<bit; arm64.FitsImm(arm64.AND, w, n) != masks[n] {
					t.Errorf("%#x fits: %v", n, !masks[n])
				}
			}
		}
		if arm64.FitsImm(arm64.ORR, w, 0) || arm64.FitsImm(arm64.ORR, w, all) {
			t.Error("no bits, or all, fit")
		}
	}
	l.RRI(arm64.AND, arm64.X, arm64.SP, arm64.X1, ^uint64(15))
	l.is("and sp, x1, #0xfffffffffffffff0")
	l.TstImm(arm64.W, arm64.X1, 0xffff_ffff_8000_0000)
	l.is("tst w1, #0x80000000")
	l.check(t)
}

func TestShiftImmediate(t *testing.T) {
	var l listing
	for op, mnemonic := range shifts {
		for _, w := range widths {
			for n := 1; n < size(w); n++ {
				l.RRI(op, w, arm64.X30, arm64.X8, uint64(n))
				l.is("%s %s, %s, #%d", mnemonic, name(w, arm64.X30), name(w, arm64.X8), n)
				l.Extr(w, arm64.X30, arm64.X8, arm64.X4, uint(n))
				l.is("extr %s, %s, %s, #%d", name(w, arm64.X30), name(w, arm64.X8), name(w, arm64.X4), n)
			}
			if arm64.FitsImm(op, w, uint64(size(w))) {
				t.Errorf("%s by the width fits", mnemonic)
			}
		}
	}
	l.RRI(arm64.LSL, arm64.X, arm64.X1, arm64.X2, 0)
	l.is("lsr x1, x2, #0") // which is the same
	l.RRI(arm64.LSL, arm64.W, arm64.X1, arm64.X2, 0)
	l.is("lsr w1, w2, #0")
	l.check(t)
}

func TestOneRegister(t *testing.T) {
	var l listing
	ops := map[arm64.Op1]string{
		arm64.RBIT: "rbit", arm64.REV16: "rev16", arm64.REV32: "rev32", arm64.REV: "rev", arm64.CLZ: "clz",
	}
	for _, w := range widths {
		d, n := name(w, arm64.X13), name(w, arm64.X22)
		for op, mnemonic := range ops {
			if op != arm64.REV32 || w == arm64.X {
				l.RR(op, w, arm64.X13, arm64.X22)
				l.is("%s %s, %s", mnemonic, d, n)
			}
		}
		for _, ext := range []arm64.Extend{arm64.UXTB, arm64.UXTH, arm64.SXTB, arm64.SXTH} {
			result := d
			if ext < arm64.SXTB {
				result = "w13"
			}
			l.Extend(ext, w, arm64.X13, arm64.X22)
			l.is("%s %s, w22", extends[ext], result)
		}
		l.Extend(arm64.UXTW, w, arm64.X13, arm64.X22)
		l.is("mov w13, w22")
		for _, c := range []struct {
			append func(w arm64.Width, r1, r2 arm64.Reg)
			name   string
		}{{l.Mov, "mov"}, {l.Neg, "neg"}, {l.Mvn, "mvn"}, {l.Cmp, "cmp"}, {l.Cmn, "cmn"}, {l.Tst, "tst"}} {
			c.append(w, arm64.X13, arm64.X22)
			l.is("%s %s, %s", c.name, d, n)
		}
		for _, rd := range []arm64.Reg{arm64.X2, arm64.X30} {
			l.Popc(w, rd, arm64.X22, 29)
			l.is("fmov %s29, %s", map[arm64.Width]string{arm64.W: "s", arm64.X: "d"}[w], n)
			l.is("cnt v29.8b, v29.8b")
			l.is("addv b29, v29.8b")
			l.is("umov %s, v29.b[0]", name(arm64.W, rd))
		}
	}
	l.Extend(arm64.SXTW, arm64.X, arm64.X13, arm64.X22)
	l.is("sxtw x13, w22")
	l.check(t)
}

func TestFourOperands(t *testing.T) {
	var l listing
	selects := map[arm64.Select]string{arm64.CSEL: "csel", arm64.CSINC: "csinc", arm64.CSINV: "csinv", arm64.CSNEG: "csneg"}
	for _, w := range widths {
		operands := fmt.Sprintf("%s, %s, %s, ", name(w, arm64.X28), name(w, arm64.X1), name(w, arm64.X18))
		l.Madd(w, arm64.X28, arm64.X1, arm64.X18, arm64.X7)
		l.is("madd %s%s", operands, name(w, arm64.X7))
		l.Msub(w, arm64.X28, arm64.X1, arm64.X18, arm64.X7)
		l.is("msub %s%s", operands, name(w, arm64.X7))
		for c, condition := range conds {
			for op, mnemonic := range selects {
				l.Csel(op, w, arm64.X28, arm64.X1, arm64.X18, arm64.Cond(c))
				l.is("%s %s%s", mnemonic, operands, condition)
			}
			if arm64.Cond(c) != arm64.AL {
				l.Cset(w, arm64.X3, arm64.Cond(c))
				l.is("cset %s, %s", name(w, arm64.X3), condition)
			}
		}
	}
	l.Nop()
	l.is("nop")
	l.Brk(0x1234)
	l.is("brk #0x1234")
	l.check(t)
}
