package amd64

import (
	"fmt"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// A listing is code with the text that disassemblers should give for it, in the syntax of Intel.
type listing struct {
	Assembler
	t     *testing.T
	base  uint64
	lines []line
}

type line struct {
	offset int
	text   string
}

// step lets f append one instruction, which has the text.
func (l *listing) step(text string, f func()) {
	l.lines = append(l.lines, line{l.Len(), text})
	f()
}

// check compares the code with what two disassemblers make of it.
func (l *listing) check() {
	l.t.Helper()
	l.t.Run("x86asm", func(t *testing.T) { l.compare(t, l.decodeAll(t)) })
	l.t.Run("objdump", func(t *testing.T) { l.compare(t, l.objdump(t)) })
}

// compare wants the same instructions at the same offsets. A line without text is one that the disassembler does not know.
func (l *listing) compare(t *testing.T, got []line) {
	t.Helper()
	wrong := 0
	for i, want := range l.lines {
		if i < len(got) && got[i].offset == want.offset && (got[i].text == want.text || got[i].text == "") {
			continue
		}
		g := line{-1, "nothing"}
		if i < len(got) {
			g = got[i]
		}
		end := l.Len()
		if i+1 < len(l.lines) {
			end = l.lines[i+1].offset
		}
		t.Errorf("% x at %#x: %q at %#x, want %q", l.Buf[want.offset:end], want.offset, g.text, g.offset, want.text)
		if wrong++; wrong == 10 {
			t.Fatal("and so on")
		}
	}
	if len(got) > len(l.lines) {
		t.Errorf("%d instructions, want %d", len(got), len(l.lines))
	}
}

// decodeAll takes instructions with a VEX prefix as they are, because x86asm knows none of them.
func (l *listing) decodeAll(t *testing.T) []line {
	var lines []line
	for i, want := range l.lines {
		end := l.Len()
		if i+1 < len(l.lines) {
			end = l.lines[i+1].offset
		}
		if l.Buf[want.offset] == 0xc4 {
			lines = append(lines, line{want.offset, ""})
			continue
		}
		text, n := decode(t, l.Buf[want.offset:end], l.base+uint64(want.offset))
		if n != end-want.offset {
			t.Fatalf("% x: %d bytes, want %d", l.Buf[want.offset:end], n, end-want.offset)
		}
		lines = append(lines, line{want.offset, text})
	}
	return lines
}

// decode gives the text and the length of the first instruction of code, which is at address pc.
func decode(t *testing.T, code []byte, pc uint64) (string, int) {
	t.Helper()
	inst, err := x86asm.Decode(code, 64)
	if err != nil {
		t.Fatalf("% x: %v", code[:min(len(code), 16)], err)
	}
	if inst.Op == x86asm.INT && inst.Args[0] == x86asm.Imm(3) {
		return "int3", inst.Len
	}
	size := inst.MemBytes
	if r, ok := inst.Args[0].(x86asm.Reg); ok {
		_, size = register(r)
	}
	var args []string
	for _, arg := range inst.Args {
		switch arg := arg.(type) {
		case x86asm.Reg:
			text, _ := register(arg)
			args = append(args, text)
		case x86asm.Imm:
			args = append(args, constant(size, int64(arg)))
		case x86asm.Rel:
			args = append(args, fmt.Sprintf("%#x", pc+uint64(inst.Len)+uint64(int64(arg))))
		case x86asm.Mem:
			base, _ := register(arg.Base)
			index, _ := register(arg.Index)
			if inst.Op == x86asm.LEA {
				inst.MemBytes = 0
			}
			// Displacements of 32 bits come without their sign.
			args = append(args, memory(inst.MemBytes, base, index, arg.Scale, int64(int32(arg.Disp))))
		}
	}
	return strings.TrimSpace(strings.ToLower(inst.Op.String()) + " " + strings.Join(args, ",")), inst.Len
}

// register gives the name and the size of r.
func register(r x86asm.Reg) (string, int) {
	switch {
	case r == 0:
		return "", 0
	case r >= x86asm.RAX && r <= x86asm.R15:
		return name(8, Reg(r-x86asm.RAX)), 8
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return name(4, Reg(r-x86asm.EAX)), 4
	case r >= x86asm.AX && r <= x86asm.R15W:
		return name(2, Reg(r-x86asm.AX)), 2
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return name(1, Reg(r-x86asm.SPB)+RSP), 1
	case r >= x86asm.AL && r <= x86asm.BL:
		return name(1, Reg(r-x86asm.AL)), 1
	}
	return strings.ToLower(r.String()), 0
}

// objdump disassembles the code with the program of that name.
func (l *listing) objdump(t *testing.T) []line {
	path := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(path, l.Buf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("objdump", "-D", "-z", "-w", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn",
		fmt.Sprintf("--adjust-vma=%#x", l.base), path).Output()
	if err != nil {
		t.Skipf("there is no objdump for x86-64 here: %v", err)
	}
	var lines []line
	for text := range strings.Lines(string(out)) {
		address, text, ok := strings.Cut(text, ":\t")
		pc, err := strconv.ParseUint(strings.TrimSpace(address), 16, 64)
		if !ok || err != nil {
			continue
		}
		lines = append(lines, line{int(pc - l.base), normal(text)})
	}
	return lines
}

// normal turns a line of objdump into the text that this test writes.
func normal(text string) string {
	text, _, _ = strings.Cut(strings.ToLower(text), "#")
	text = strings.Join(strings.Fields(text), " ")
	text = strings.Replace(text, "movabs ", "mov ", 1)
	text = strings.Replace(text, "+0x0]", "]", 1)
	if before, ok := strings.CutSuffix(text, ",1"); ok { // the form of a shift by one bit
		text = before + ",0x1"
	}
	return absolute.ReplaceAllStringFunc(text, func(operand string) string {
		parts := absolute.FindStringSubmatch(operand)
		disp, _ := strconv.ParseUint(parts[2], 16, 64)
		return memory(0, parts[1], "", 0, int64(disp))
	})
}

// absolute matches operands in memory that objdump writes without a sign.
var absolute = regexp.MustCompile(`(?:ds:|\[(rip)\+)0x([0-9a-f]+)\]?`)

var legacyNames = [8]string{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"}

// name gives the name of a register's lowest size bytes.
func name(size int, r Reg) string {
	if r >= R8 {
		return fmt.Sprintf("r%d%s", r, map[int]string{1: "b", 2: "w", 4: "d"}[size])
	}
	legacy := legacyNames[r]
	switch {
	case size == 1 && r < RSP:
		return legacy[:1] + "l"
	case size == 1:
		return legacy + "l"
	}
	return map[int]string{4: "e", 8: "r"}[size] + legacy
}

// memory gives the text of an operand in memory of size bytes, without the size if that is 0.
func memory(size int, base, index string, scale uint8, disp int64) string {
	var terms []string
	if base != "" {
		terms = append(terms, base)
	}
	if index != "" {
		terms = append(terms, fmt.Sprintf("%s*%d", index, scale))
	}
	address := strings.Join(terms, "+")
	switch {
	case len(terms) == 0 && disp >= 0:
		address = fmt.Sprintf("%#x", disp)
	case len(terms) == 0 || disp != 0:
		address += fmt.Sprintf("%+#x", disp)
	}
	return map[int]string{1: "byte ptr ", 2: "word ptr ", 4: "dword ptr ", 8: "qword ptr "}[size] + "[" + address + "]"
}

// text gives the text of m as an operand of size bytes.
func (m Mem) text(size int) string {
	var base, index string
	if m.Base != NoReg {
		base = name(8, m.Base)
	}
	if m.Scale != 0 && m.Index != NoReg {
		index = name(8, m.Index)
	}
	return memory(size, base, index, m.Scale, int64(m.Disp))
}

// constant gives the text of the lowest size bytes of v.
func constant(size int, v int64) string {
	return fmt.Sprintf("%#x", uint64(v)&(math.MaxUint64>>(64-8*size)))
}

func (w Width) bytes() int {
	if w == W64 {
		return 8
	}
	return 4
}

var (
	widths    = []Width{W32, W64}
	constants = []int32{0, 1, 2, 127, 128, 255, 256, -1, -128, -129, math.MaxInt32, math.MinInt32}
	aluNames  = []string{"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"}
	condNames = []string{"o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"}
	shifts    = map[ShiftOp]string{Rol: "rol", Ror: "ror", Shl: "shl", Shr: "shr", Sar: "sar"}
	shiftxs   = map[ShiftOp]string{Shl: "shlx", Shr: "shrx", Sar: "sarx"}
	unaries   = map[UnaryOp]string{Not: "not", Neg: "neg", Mul: "mul", Imul: "imul", Div: "div", Idiv: "idiv"}
	counts    = map[CountOp]string{Popcnt: "popcnt", Tzcnt: "tzcnt", Lzcnt: "lzcnt"}
)

func registers() iter.Seq[Reg] {
	return func(yield func(Reg) bool) {
		for r := RAX; r <= R15; r++ {
			if !yield(r) {
				return
			}
		}
	}
}

// somePlaces gives operands of every kind of encoding.
func somePlaces() []Mem {
	places := []Mem{
		{Base: NoReg, Disp: 0x1234},
		{Base: NoReg, Disp: -8},
		{Base: NoReg, Index: R9, Scale: 8, Disp: 16},
		{Base: R15, Index: RBX, Scale: 1, Disp: 128 << 20},
		{Base: R15, Index: NoReg, Scale: 1, Disp: 64},
	}
	for base := range registers() {
		places = append(places, Mem{Base: base}, Mem{Base: base, Disp: 64}, Mem{Base: base, Disp: 1 << 20}, Mem{Base: base, Index: R15 - base/2, Scale: 4, Disp: -4})
	}
	return places
}

// TestAddresses has all bases, indices and scales, with displacements at the limits of their encodings.
func TestAddresses(t *testing.T) {
	l := listing{t: t}
	for base := RAX; base <= NoReg; base++ {
		for index := RAX; index <= NoReg; index++ {
			for _, scale := range []uint8{1, 2, 4, 8} {
				for _, disp := range []int32{0, 1, 127, 128, -1, -128, -129, math.MaxInt32, math.MinInt32} {
					if index == RSP || index == NoReg && scale != 1 {
						continue
					}
					m, r := Mem{base, index, scale, disp}, (base+index)&15
					l.step("mov "+name(8, r)+","+m.text(8), func() { l.MovRM(W64, r, m) })
				}
			}
		}
	}
	l.check()
}

func TestTwoRegisters(t *testing.T) {
	l := listing{t: t}
	for x := range registers() {
		for y := range registers() {
			for _, w := range widths {
				l.twoRegisters(w, x, y)
			}
			for _, size := range []int{1, 2} {
				l.step("movzx "+name(4, x)+","+name(size, y), func() { l.MovZXR(size, x, y) })
			}
			l.step("mov "+name(4, x)+","+name(4, y), func() { l.MovZXR(4, x, y) })
			l.step("mov "+name(8, x)+","+name(8, y), func() { l.MovZXR(8, x, y) })
			l.step("movsxd "+name(8, x)+","+name(4, y), func() { l.MovSXR(4, W64, x, y) })
			l.step("mov "+name(4, x)+","+name(4, y), func() { l.MovSXR(4, W32, x, y) })
			l.step("mov "+name(8, x)+","+name(8, y), func() { l.MovSXR(8, W64, x, y) })
		}
	}
	l.check()
}

func (l *listing) twoRegisters(w Width, x, y Reg) {
	size := w.bytes()
	both := " " + name(size, x) + "," + name(size, y)
	for op, text := range aluNames {
		l.step(text+both, func() { l.AluRR(AluOp(op), w, x, y) })
	}
	l.step("mov"+both, func() { l.MovRR(w, x, y) })
	l.step("test"+both, func() { l.TestRR(w, x, y) })
	l.step("xchg"+both, func() { l.XchgRR(w, x, y) })
	l.step("imul"+both, func() { l.ImulRR(w, x, y) })
	for _, imm := range constants {
		l.step("imul"+both+","+constant(size, int64(imm)), func() { l.ImulRRI(w, x, y, imm) })
	}
	for c, text := range condNames {
		l.step("cmov"+text+both, func() { l.CmovRR(Cond(c), w, x, y) })
	}
	for op, text := range counts {
		l.step(text+both, func() { l.CountRR(op, w, x, y) })
	}
	for op, text := range shiftxs {
		count := (x + y) & 15
		l.step(text+both+","+name(size, count), func() { l.ShiftxRR(op, w, x, y, count) })
	}
	l.step("rorx"+both+",0x11", func() { l.RorxRR(w, x, y, 17) })
	for _, bytes := range []int{1, 2} {
		l.step("movsx "+name(size, x)+","+name(bytes, y), func() { l.MovSXR(bytes, w, x, y) })
	}
}

func TestOneRegister(t *testing.T) {
	l := listing{t: t}
	for r := range registers() {
		for _, w := range widths {
			l.oneRegister(w, r)
		}
		for _, imm := range []uint64{0, 1, math.MaxUint32, 1 << 32, 1 << 63, math.MaxUint64, math.MaxUint64 - 1<<31 + 1, math.MaxUint64 - 1<<31} {
			size := 8
			if imm <= math.MaxUint32 {
				size = 4
			}
			l.step("mov "+name(size, r)+","+constant(8, int64(imm)), func() { l.MovRI(r, imm) })
		}
		for c, text := range condNames {
			l.step("set"+text+" "+name(1, r), func() { l.SetCC(Cond(c), r) })
		}
		l.step("test "+name(1, r)+",0xfe", func() { l.TestRI8(r, 0xfe) })
		l.step("push "+name(8, r), func() { l.Push(r) })
		l.step("pop "+name(8, r), func() { l.Pop(r) })
		l.step("jmp "+name(8, r), func() { l.JmpR(r) })
	}
	l.step("cdq", l.Cdq)
	l.step("cqo", l.Cqo)
	l.step("ret", l.Ret)
	l.check()
}

func (l *listing) oneRegister(w Width, r Reg) {
	size := w.bytes()
	reg := " " + name(size, r)
	for _, imm := range constants {
		for op, text := range aluNames {
			l.step(text+reg+","+constant(size, int64(imm)), func() { l.AluRI(AluOp(op), w, r, imm) })
		}
		tested := size
		switch {
		case imm >= 0 && imm <= 127:
			tested = 1
		case imm >= 0:
			tested = 4
		}
		l.step("test "+name(tested, r)+","+constant(tested, int64(imm)), func() { l.TestRI(w, r, imm) })
	}
	for op, text := range shifts {
		for _, n := range []uint8{0, 1, 2, 31} {
			l.step(fmt.Sprintf("%s%s,%#x", text, reg, n), func() { l.ShiftRI(op, w, r, n) })
		}
		l.step(text+reg+",cl", func() { l.ShiftRCL(op, w, r) })
	}
	for op, text := range unaries {
		l.step(text+reg, func() { l.UnaryR(op, w, r) })
	}
	l.step("bswap"+reg, func() { l.BswapR(w, r) })
}

func TestMemory(t *testing.T) {
	l := listing{t: t}
	for _, m := range somePlaces() {
		for _, w := range widths {
			l.memoryConstants(w, m)
		}
		for op, text := range aluNames {
			l.step(text+" "+m.text(1)+",0xfe", func() { l.AluM8I(AluOp(op), m, 0xfe) })
		}
		l.step("test "+m.text(1)+",0x81", func() { l.TestM8I(m, 0x81) })
		for _, size := range []int{1, 2, 4, 8} {
			l.step("mov "+m.text(size)+","+constant(size, -2), func() { l.StoreI(size, m, -2) })
		}
		l.step("jmp "+m.text(8), func() { l.JmpM(m) })
	}
	l.check()
}

func (l *listing) memoryConstants(w Width, m Mem) {
	size := w.bytes()
	place := " " + m.text(size)
	for _, imm := range constants {
		for op, text := range aluNames {
			l.step(text+place+","+constant(size, int64(imm)), func() { l.AluMI(AluOp(op), w, m, imm) })
		}
		l.step("mov"+place+","+constant(size, int64(imm)), func() { l.MovMI(w, m, imm) })
	}
	for op, text := range shifts {
		for _, n := range []uint8{1, 31} {
			l.step(fmt.Sprintf("%s%s,%#x", text, place, n), func() { l.ShiftMI(op, w, m, n) })
		}
	}
	for op, text := range unaries {
		l.step(text+place, func() { l.UnaryM(op, w, m) })
	}
}

func TestMemoryAndRegister(t *testing.T) {
	l := listing{t: t}
	for _, m := range somePlaces() {
		for r := range registers() {
			for _, w := range widths {
				l.memoryRegister(w, m, r)
			}
			for _, size := range []int{1, 2, 4, 8} {
				l.step("mov "+m.text(size)+","+name(size, r), func() { l.Store(size, m, r) })
			}
			for _, size := range []int{2, 4, 8} {
				l.step("movbe "+name(size, r)+","+m.text(size), func() { l.MovbeRM(size, r, m) })
				l.step("movbe "+m.text(size)+","+name(size, r), func() { l.MovbeMR(size, m, r) })
			}
			l.step("movzx "+name(4, r)+","+m.text(1), func() { l.MovZXM(1, r, m) })
			l.step("movzx "+name(4, r)+","+m.text(2), func() { l.MovZXM(2, r, m) })
			l.step("mov "+name(4, r)+","+m.text(4), func() { l.MovZXM(4, r, m) })
			l.step("mov "+name(8, r)+","+m.text(8), func() { l.MovZXM(8, r, m) })
			l.step("movsxd "+name(8, r)+","+m.text(4), func() { l.MovSXM(4, W64, r, m) })
			l.step("mov "+name(4, r)+","+m.text(4), func() { l.MovSXM(4, W32, r, m) })
			l.step("mov "+name(8, r)+","+m.text(8), func() { l.MovSXM(8, W64, r, m) })
		}
	}
	l.check()
}

func (l *listing) memoryRegister(w Width, m Mem, r Reg) {
	size := w.bytes()
	reg, place := name(size, r), m.text(size)
	load := " " + reg + "," + place
	for op, text := range aluNames {
		l.step(text+load, func() { l.AluRM(AluOp(op), w, r, m) })
		l.step(text+" "+place+","+reg, func() { l.AluMR(AluOp(op), w, m, r) })
	}
	l.step("mov"+load, func() { l.MovRM(w, r, m) })
	l.step("mov "+place+","+reg, func() { l.MovMR(w, m, r) })
	l.step("lea "+reg+","+m.text(0), func() { l.Lea(w, r, m) })
	l.step("imul"+load, func() { l.ImulRM(w, r, m) })
	l.step("imul"+load+",0x18", func() { l.ImulRMI(w, r, m, 24) })
	l.step("imul"+load+",0x180", func() { l.ImulRMI(w, r, m, 384) })
	l.step("cmovle"+load, func() { l.CmovRM(CondLE, w, r, m) })
	for op, text := range counts {
		l.step(text+load, func() { l.CountRM(op, w, r, m) })
	}
	for op, text := range shiftxs {
		count := R15 - r
		l.step(text+load+","+name(size, count), func() { l.ShiftxRM(op, w, r, m, count) })
	}
	l.step("rorx"+load+",0x11", func() { l.RorxRM(w, r, m, 17) })
	for _, bytes := range []int{1, 2} {
		l.step("movsx "+reg+","+m.text(bytes), func() { l.MovSXM(bytes, w, r, m) })
	}
}
