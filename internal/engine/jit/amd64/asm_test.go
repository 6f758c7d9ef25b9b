package amd64

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestBytes has the code of instructions with special cases in their encoding, as an assembler makes it.
func TestBytes(t *testing.T) {
	at := func(base Reg, disp int32) Mem { return Mem{Base: base, Disp: disp} }
	for _, c := range []struct {
		want string
		make func(a *Assembler)
	}{
		{"03c1", func(a *Assembler) { a.AluRR(Add, W32, RAX, RCX) }},
		{"4d03c7", func(a *Assembler) { a.AluRR(Add, W64, R8, R15) }},
		{"83c07f", func(a *Assembler) { a.AluRI(Add, W32, RAX, 127) }},
		{"0580000000", func(a *Assembler) { a.AluRI(Add, W32, RAX, 128) }},
		{"482580000000", func(a *Assembler) { a.AluRI(And, W64, RAX, 128) }},
		{"4981f980000000", func(a *Assembler) { a.AluRI(Cmp, W64, R9, 128) }},
		{"a805", func(a *Assembler) { a.TestRI(W64, RAX, 5) }},
		{"40f6c605", func(a *Assembler) { a.TestRI(W64, RSI, 5) }},
		{"a980000000", func(a *Assembler) { a.TestRI(W64, RAX, 128) }},
		{"48a9ffffffff", func(a *Assembler) { a.TestRI(W64, RAX, -1) }},
		{"b800000000", func(a *Assembler) { a.MovRI(RAX, 0) }},
		{"41bfffffffff", func(a *Assembler) { a.MovRI(R15, math.MaxUint32) }},
		{"48c7c1ffffffff", func(a *Assembler) { a.MovRI(RCX, math.MaxUint64) }},
		{"48b90000000001000000", func(a *Assembler) { a.MovRI(RCX, 1<<32) }},
		{"8b00", func(a *Assembler) { a.MovRM(W32, RAX, at(RAX, 0)) }},
		{"8b0424", func(a *Assembler) { a.MovRM(W32, RAX, at(RSP, 0)) }},
		{"418b0424", func(a *Assembler) { a.MovRM(W32, RAX, at(R12, 0)) }},
		{"8b4500", func(a *Assembler) { a.MovRM(W32, RAX, at(RBP, 0)) }},
		{"418b4500", func(a *Assembler) { a.MovRM(W32, RAX, at(R13, 0)) }},
		{"8b4080", func(a *Assembler) { a.MovRM(W32, RAX, at(RAX, -128)) }},
		{"8b8080000000", func(a *Assembler) { a.MovRM(W32, RAX, at(RAX, 128)) }},
		{"8b042508000000", func(a *Assembler) { a.MovRM(W32, RAX, at(NoReg, 8)) }},
		{"438b04b4", func(a *Assembler) { a.MovRM(W32, RAX, Mem{Base: R12, Index: R14, Scale: 4}) }},
		{"430fb6442508", func(a *Assembler) { a.MovZXM(1, RAX, Mem{Base: R13, Index: R12, Scale: 1, Disp: 8}) }},
		{"8810", func(a *Assembler) { a.Store(1, at(RAX, 0), RDX) }},
		{"408838", func(a *Assembler) { a.Store(1, at(RAX, 0), RDI) }},
		{"66418939", func(a *Assembler) { a.Store(2, at(R9, 0), RDI) }},
		{"0fb6c3", func(a *Assembler) { a.MovZXR(1, RAX, RBX) }},
		{"400fb6c6", func(a *Assembler) { a.MovZXR(1, RAX, RSI) }},
		{"0f94c0", func(a *Assembler) { a.SetCC(CondE, RAX) }},
		{"400f94c5", func(a *Assembler) { a.SetCC(CondE, RBP) }},
		{"66450f38f00a", func(a *Assembler) { a.MovbeRM(2, R9, at(R10, 0)) }},
		{"c4e2f9f7c3", func(a *Assembler) { a.ShiftxRR(Shl, W64, RAX, RBX, RAX) }},
		{"f3490fbdc0", func(a *Assembler) { a.CountRR(Lzcnt, W64, RAX, R8) }},
		{"490fcd", func(a *Assembler) { a.BswapR(W64, R13) }},
		{"4157415f", func(a *Assembler) { a.Push(R15); a.Pop(R15) }},
	} {
		var a Assembler
		c.make(&a)
		if got := hex.EncodeToString(a.Buf); got != c.want {
			t.Errorf("made %s, want %s", got, c.want)
		}
	}
}

func TestConditionNot(t *testing.T) {
	for _, p := range [][2]Cond{{CondO, CondNO}, {CondB, CondAE}, {CondE, CondNE}, {CondBE, CondA}, {CondS, CondNS}, {CondP, CondNP}, {CondL, CondGE}, {CondLE, CondG}} {
		if p[0].Not() != p[1] || p[1].Not() != p[0] {
			t.Errorf("conditions %d and %d are not opposites", p[0], p[1])
		}
	}
}

// TestLabels has jumps and addresses of labels, forward and backward, near and far.
func TestLabels(t *testing.T) {
	l := listing{t: t}
	a := &l.Assembler
	const far = 300
	start, middle, end, next := a.NewLabel(), a.NewLabel(), a.NewLabel(), a.NewLabel()
	a.Bind(start)
	// The offsets of the labels: the jumps below have lengths that the test knows.
	first := 5 + 6 + 7 + 5 + 2 + 2 + 7
	l.step(fmt.Sprintf("jmp %#x", first+far), func() { a.Jmp(end) })
	l.step(fmt.Sprintf("jne %#x", first+far), func() { a.Jcc(CondNE, end) })
	l.step(fmt.Sprintf("lea r12,[rip+%#x]", first+far-18), func() { a.LeaLabel(R12, end) })
	l.step(fmt.Sprintf("jmp %#x", first), func() { a.Jmp(middle) })
	l.step("jmp 0x0", func() { a.Jmp(start) })
	l.step("jg 0x0", func() { a.Jcc(CondG, start) })
	l.step(fmt.Sprintf("lea rax,[rip-%#x]", first), func() { a.LeaLabel(RAX, start) })
	a.Bind(middle)
	for range far {
		l.step("int3", a.Int3)
	}
	a.Bind(end)
	l.step("jmp 0x0", func() { a.Jmp(start) })
	l.step("jb 0x0", func() { a.Jcc(CondB, start) })
	l.step(fmt.Sprintf("js %#x", a.Len()+6), func() { a.Jcc(CondS, next) })
	a.Bind(next)
	if offset, ok := a.Offset(end); offset != first+far || !ok {
		t.Errorf("the label is at %d, %v", offset, ok)
	}
	if _, ok := a.Offset(a.NewLabel()); ok {
		t.Error("a new label is bound")
	}
	if err := a.Link(0); err != nil {
		t.Fatal(err)
	}
	l.check()
}

// TestNearJump has the longest jump of two bytes and the shortest one that needs more.
func TestNearJump(t *testing.T) {
	for pad, want := range map[int]int{126: 2, 127: 5} {
		var a Assembler
		start := a.NewLabel()
		a.Bind(start)
		for range pad {
			a.Int3()
		}
		a.Jmp(start)
		if got := a.Len() - pad; got != want {
			t.Errorf("a jump over %d bytes has %d, want %d", pad, got, want)
		}
	}
}

func TestAbsoluteJumps(t *testing.T) {
	const target = 0x7f1234567000
	for _, base := range []uint64{target - 0x1000, target + 0x7000_0000} {
		l := listing{t: t, base: base}
		l.step("nop", func() { l.Align(1); l.put(0x90, 1) })
		l.step(fmt.Sprintf("jmp %#x", uint64(target)), func() { l.JmpAbs(target) })
		l.step(fmt.Sprintf("jae %#x", uint64(target)), func() { l.JccAbs(CondAE, target) })
		for _, wrong := range []uint64{0, target + 1<<32, 1 << 63} {
			if l.Link(wrong) == nil {
				t.Errorf("code at %#x reaches %#x", wrong, uint64(target))
			}
		}
		if err := l.Link(base); err != nil {
			t.Fatal(err)
		}
		l.check()
	}
}

func TestAlign(t *testing.T) {
	for size := range 33 {
		var a Assembler
		for range size {
			a.Int3()
		}
		a.Align(32)
		if a.Len() != (size+31)/32*32 {
			t.Fatalf("%d bytes became %d", size, a.Len())
		}
		for off := size; off < a.Len(); {
			text, n := decode(t, a.Buf[off:], 0)
			if !strings.HasPrefix(text, "nop") {
				t.Fatalf("%d bytes of padding have %q", a.Len()-size, text)
			}
			off += n
		}
	}
}

func TestReset(t *testing.T) {
	build := func(a *Assembler) {
		l := a.NewLabel()
		a.Jmp(l)
		a.MovRI(R9, 1<<40)
		a.Bind(l)
		a.JmpAbs(16)
		if err := a.Link(0); err != nil {
			t.Fatal(err)
		}
	}
	var a Assembler
	build(&a)
	first := bytes.Clone(a.Buf)
	allocs := testing.AllocsPerRun(10, func() { a.Reset(); build(&a) })
	if !bytes.Equal(a.Buf, first) {
		t.Errorf("made %x again as %x", first, a.Buf)
	}
	if allocs != 0 {
		t.Errorf("%v allocations with a buffer of enough room", allocs)
	}
}

func TestMistakesPanic(t *testing.T) {
	for name, f := range map[string]func(a *Assembler){
		"no register":   func(a *Assembler) { a.MovRR(W64, RAX, NoReg) },
		"no source":     func(a *Assembler) { a.MovMR(W64, Mem{}, NoReg) },
		"no count":      func(a *Assembler) { a.ShiftxRR(Shl, W64, RAX, RAX, NoReg) },
		"push nothing":  func(a *Assembler) { a.Push(NoReg) },
		"index rsp":     func(a *Assembler) { a.Lea(W64, RAX, Mem{Index: RSP, Scale: 1}) },
		"scale 3":       func(a *Assembler) { a.Lea(W64, RAX, Mem{Scale: 3}) },
		"size 3":        func(a *Assembler) { a.MovZXM(3, RAX, Mem{}) },
		"8 to 4 bytes":  func(a *Assembler) { a.MovSXR(8, W32, RAX, RAX) },
		"movbe 1":       func(a *Assembler) { a.MovbeRM(1, RAX, Mem{}) },
		"rolx":          func(a *Assembler) { a.ShiftxRR(Rol, W64, RAX, RAX, RAX) },
		"bound twice":   func(a *Assembler) { l := a.NewLabel(); a.Bind(l); a.Bind(l) },
		"never bound":   func(a *Assembler) { a.Jmp(a.NewLabel()); _ = a.Link(0) },
		"store of 16":   func(a *Assembler) { a.Store(16, Mem{}, RAX) },
		"constant of 3": func(a *Assembler) { a.StoreI(3, Mem{}, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f(new(Assembler))
		})
	}
}

func BenchmarkAssembler(b *testing.B) {
	var a Assembler
	m := Mem{Base: R15, Index: RBX, Scale: 1, Disp: 128 << 20}
	for b.Loop() {
		a.Reset()
		for range 100 {
			a.AluRR(Add, W64, RBX, R12)
			a.MovZXM(4, RCX, m)
			a.AluRI(Cmp, W32, RCX, 1000)
			a.MovRI(R9, 1<<40)
			a.ShiftxRR(Shl, W64, RAX, RBX, RCX)
			a.MovMR(W64, Mem{Base: R15, Disp: 64}, RCX)
			a.TestM8I(m, 1)
			a.ImulRRI(W64, RSI, RDI, 24)
			a.SetCC(CondB, RSI)
			a.MovRR(W64, RSI, RDI)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/instr")
}
