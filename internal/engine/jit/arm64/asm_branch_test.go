package arm64_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"

	"github.com/flexemu/flexemu/internal/engine/jit/arm64"
)

// away is the text of a label that is so many instructions away.
func away(n int) string { return fmt.Sprintf(".+0x%x", uint64(int64(n)*4)) }

func TestNearBranches(t *testing.T) {
	var l listing
	back, ahead := l.NewLabel(), l.NewLabel()
	l.Bind(back)
	to := func(label arm64.Label, n int) {
		l.B(label)
		l.is("b %s", away(n))
		l.BL(label)
		l.is("bl %s", away(n-1))
		n -= 2
		for c, condition := range conds[:arm64.AL] {
			l.BCond(arm64.Cond(c), label)
			l.is("b.%s %s", condition, away(n))
			n--
		}
		for _, w := range widths {
			l.Cbz(w, arm64.X9, label)
			l.is("cbz %s, %s", name(w, arm64.X9), away(n))
			l.Cbnz(w, arm64.X30, label)
			l.is("cbnz %s, %s", name(w, arm64.X30), away(n-1))
			n -= 2
		}
		for bit := range uint(64) {
			w := arm64.W
			if bit > 31 {
				w = arm64.X
			}
			l.Tbz(arm64.X17, bit, label)
			l.is("tbz %s, #%d, %s", name(w, arm64.X17), bit, away(n))
			l.Tbnz(arm64.X17, bit, label)
			l.is("tbnz %s, #%d, %s", name(w, arm64.X17), bit, away(n-1))
			n -= 2
		}
		l.Adr(arm64.X11, label)
		l.is("adr x11, %s", away(n))
	}
	to(back, 0)
	to(ahead, len(l.want))
	l.Bind(ahead)
	l.Br(arm64.X16)
	l.is("br x16")
	l.Blr(arm64.X17)
	l.is("blr x17")
	l.Ret()
	l.is("ret")
	l.check(t)
}

// A junction is code in which each conditional branch stands behind a mark, and each label too, so that they are found
// again wherever Finish puts them. Marks are BRK instructions.
type junction struct {
	arm64.Asm
	labels []arm64.Label
	marks  []int // for each branch, its label
}

const labelMark = 0x8000

func (j *junction) label() int {
	j.labels = append(j.labels, j.NewLabel())
	return len(j.labels) - 1
}

func (j *junction) bind(n int) {
	j.Bind(j.labels[n])
	j.Brk(labelMark | uint16(n))
}

// branch appends a conditional branch of one of three kinds.
func (j *junction) branch(kind, label int) {
	j.Brk(uint16(len(j.marks)))
	j.marks = append(j.marks, label)
	l := j.labels[label]
	switch kind {
	case 0:
		j.Tbz(arm64.X1, 40, l)
	case 1:
		j.BCond(arm64.HS, l)
	default:
		j.Cbnz(arm64.X, arm64.X1, l)
	}
}

func (j *junction) pad(n int) {
	for range n {
		j.Nop()
	}
}

// opposites are the branches that are taken when junction's are not.
var opposites = map[string]string{"tbz x1, #40": "tbnz x1, #40", "b.cs": "b.cc", "cbnz x1": "cbz x1"}

// finish checks where each branch leads to, and gives the number of those that were turned round.
func (j *junction) finish(t *testing.T) (turned int) {
	t.Helper()
	if err := j.Finish(); err != nil {
		t.Fatal(err)
	}
	code := j.Code()
	at := func(offset int) (text string, target int) {
		i, err := arm64asm.Decode(code[offset:])
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range i.Args {
			if distance, ok := arg.(arm64asm.PCRel); ok {
				target = offset + int(distance)
			}
		}
		text, _, _ = strings.Cut(arm64asm.GNUSyntax(i), ".+")
		return strings.TrimRight(text, ", "), target
	}
	found := 0
	for offset := 0; offset < len(code); offset += 4 {
		word := binary.LittleEndian.Uint32(code[offset:])
		mark := int(word >> 5 & 0xffff)
		if word&0xffe0001f != 0xd4200000 || mark&labelMark != 0 {
			continue
		}
		found++
		text, target := at(offset + 4)
		if opposites[text] == "" {
			turned++
			if target != offset+12 {
				t.Fatalf("branch %d is turned round (%s), and leads %d bytes on", mark, text, target-offset-4)
			}
			var jump string
			if jump, target = at(offset + 8); jump != "b" {
				t.Fatalf("behind branch %d (%s) stands %q", mark, text, jump)
			}
			known := false
			for _, o := range opposites {
				known = known || o == text
			}
			if !known {
				t.Fatalf("branch %d became %q", mark, text)
			}
		}
		want := j.marks[mark]
		if got, _ := at(target); got != fmt.Sprintf("brk #0x%x", labelMark|want) || target != j.Offset(j.labels[want]) {
			t.Fatalf("branch %d leads to %q at %#x, not to label %d", mark, got, target, want)
		}
	}
	if found != len(j.marks) {
		t.Fatalf("%d of %d branches are there", found, len(j.marks))
	}
	return turned
}

// Farthest distances in instructions.
const (
	farTest = 1 << 13
	farCond = 1 << 18
)

func TestFarthestBranches(t *testing.T) {
	for kind, far := range []int{farTest, farCond, farCond} {
		for more := range 3 {
			var ahead, back junction
			ahead.branch(kind, ahead.label())
			ahead.pad(far - 3 + more) // the branch, this, and the label's distance is at most far - 1
			ahead.bind(0)
			ahead.Nop()
			if got, want := ahead.finish(t), min(max(more-1, 0), 1); got != want {
				t.Errorf("kind %d, %d ahead: %d branches are turned round", kind, far-2+more, got)
			}
			back.bind(back.label())
			back.pad(far - 3 + more) // the label's mark, this, the branch's mark
			back.branch(kind, 0)
			back.Nop()
			if got, want := back.finish(t), min(max(more-1, 0), 1); got != want {
				t.Errorf("kind %d, %d back: %d branches are turned round", kind, far-1+more, got)
			}
		}
	}
}

// Turning one branch round moves the label of others by one instruction, which can be too much for them.
func TestBranchesThatPushOthers(t *testing.T) {
	var j junction
	const branches = 100
	for range branches {
		j.label()
	}
	for n := range branches {
		j.branch(0, n)
	}
	j.pad(farTest - 2*branches) // all reach their labels, and not one instruction farther
	for n := range branches {
		if n == branches-1 {
			j.Nop() // too far for the last, which stands behind all others
		}
		j.bind(n)
		j.Nop()
	}
	if got := j.finish(t); got != branches {
		t.Errorf("%d of %d branches are turned round", got, branches)
	}
}

func TestRandomBranches(t *testing.T) {
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 3))
		var j junction
		const labels = 200
		for range labels {
			j.label()
		}
		table := random.Perm(labels)
		for n := range labels {
			for range random.IntN(6) {
				j.branch(random.IntN(3), random.IntN(labels))
			}
			j.pad(random.IntN(200 + 4000*int(seed)))
			j.bind(n)
			if n == labels/2 {
				for _, l := range table {
					j.Address(j.labels[l])
				}
			}
		}
		j.Nop()
		addresses := j.NewLabel()
		j.Bind(addresses)
		for _, l := range table {
			j.Address(j.labels[l])
		}
		if turned := j.finish(t); turned == 0 {
			t.Errorf("seed %d: no branch is too far away", seed)
		}
		for _, base := range []uint64{0x1000, 0xffff_8000_0000_0000} {
			if err := j.Relocate(base); err != nil {
				t.Fatal(err)
			}
			for n, l := range table {
				got := binary.LittleEndian.Uint64(j.Code()[j.Offset(addresses)+8*n:])
				if want := base + uint64(j.Offset(j.labels[l])); got != want {
					t.Fatalf("address %d of the table is %#x, not %#x", n, got, want)
				}
			}
		}
	}
}

func TestRelocate(t *testing.T) {
	var a arm64.Asm
	const target = 0x4000_0000
	a.Nop()
	a.BTo(target)
	a.BLTo(target)
	if err := a.Finish(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		base uint64
		ok   bool
	}{
		{target - 4, true},
		{target + 0x100, true},
		{target - 1<<27, true},
		{target - 1<<27 - 4, false}, // B is one instruction on, where the farthest target is one less
		{target + 1<<27 - 8, true},
		{target + 1<<27 - 4, false},
		{target + 1<<40, false},
	} {
		err := a.Relocate(c.base)
		if (err == nil) != c.ok {
			t.Errorf("at %#x: %v", c.base, err)
		}
		if err != nil {
			continue
		}
		text := disassemble(t, a.Code())
		for n, mnemonic := range []string{"b", "bl"} {
			distance := int64(target - (c.base + 4*uint64(n+1)))
			if want := fmt.Sprintf("%s .+0x%x", mnemonic, uint64(distance)); text[n+1] != want {
				t.Errorf("at %#x: %s, not %s", c.base, text[n+1], want)
			}
		}
	}
}

func TestJump(t *testing.T) {
	for _, c := range []struct {
		from, to uint64
		ok       bool
	}{
		{0x1000, 0x1000, true},
		{0x1000, 0x1000 + 1<<27 - 4, true},
		{0x1000, 0x1000 + 1<<27, false},
		{1 << 40, 1<<40 - 1<<27, true},
		{1 << 40, 1<<40 - 1<<27 - 4, false},
		{0x1000, 0x1002, false},
		{0, 1 << 32, false},
	} {
		word, ok := arm64.Jump(c.from, c.to)
		if ok != c.ok {
			t.Errorf("from %#x to %#x: %v", c.from, c.to, ok)
		}
		if !ok {
			continue
		}
		text := disassemble(t, binary.LittleEndian.AppendUint32(nil, word))[0]
		if want := fmt.Sprintf("b .+0x%x", c.to-c.from); text != want {
			t.Errorf("from %#x to %#x: %s", c.from, c.to, text)
		}
	}
}

func TestFinishOutOfReach(t *testing.T) {
	var j junction
	l := j.NewLabel()
	j.Adr(arm64.X1, l)
	j.pad(farCond - 1)
	j.Bind(l)
	j.Nop()
	if err := j.Finish(); err == nil {
		t.Error("ADR reaches 1 MiB")
	}
}

func TestReset(t *testing.T) {
	var a arm64.Asm
	a.BTo(4)
	a.B(a.NewLabel())
	a.Reset()
	l := a.NewLabel()
	a.Bind(l)
	a.B(l)
	if err := a.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := a.Relocate(1 << 40); err != nil {
		t.Fatal(err)
	}
	if got := disassemble(t, a.Code()); len(got) != 1 || got[0] != "b .+0x0" {
		t.Errorf("%q", got)
	}
}
