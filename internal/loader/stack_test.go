package loader

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

const (
	top64 = 0x7fff_ffff_f000
	top32 = 0x7fff_d000
)

// The words are Cannon's, version 8 (its program/patch.go), written out by hand. Its 32-bit machine had the same with
// words of 4 bytes.
func TestCannonStack(t *testing.T) {
	const (
		tail64 = "343b62796661697264696365726f6c6c" + // 4;byfairdiceroll
			"474f44454255473d6d656d70726f66696c65726174653d300000000000000000" + // GODEBUG=memprofilerate=0
			"6f702d70726f6772616d000000000000" // op-program
		tail32 = "343b62796661697264696365726f6c6c" +
			"474f44454255473d6d656d70726f66696c65726174653d3000000000" +
			"6f702d70726f6772616d0000"
	)
	for _, c := range []struct {
		isa  string
		top  uint64
		want string
	}{
		{"mips64", top64, "0000000000000001" + "00007ffffffff080" + "0000000000000000" + "00007ffffffff060" + "0000000000000000" +
			"0000000000000006" + "0000000000001000" + "0000000000000019" + "00007ffffffff050" + "0000000000000000" + tail64},
		{"riscv64", top64, "0100000000000000" + "80f0ffffff7f0000" + "0000000000000000" + "60f0ffffff7f0000" + "0000000000000000" +
			"0600000000000000" + "0010000000000000" + "1900000000000000" + "50f0ffffff7f0000" + "0000000000000000" + tail64},
		{"mips32", top32, "00000001" + "7fffd054" + "00000000" + "7fffd038" + "00000000" +
			"00000006" + "00001000" + "00000019" + "7fffd028" + "00000000" + tail32},
		{"mips32le", top32, "01000000" + "54d0ff7f" + "00000000" + "38d0ff7f" + "00000000" +
			"06000000" + "00100000" + "19000000" + "28d0ff7f" + "00000000" + tail32},
	} {
		t.Run(c.isa, func(t *testing.T) {
			m := pages{}
			sp, err := CannonStack(c.isa, m, Layout{StackTop: c.top})
			if err != nil || sp != c.top {
				t.Fatalf("sp %#x, %v", sp, err)
			}
			want, err := hex.DecodeString(c.want)
			if err != nil {
				t.Fatal(err)
			}
			expected := pages{}
			expected.Write(c.top-4*pageSize, make([]byte, 5*pageSize))
			expected.Write(c.top, want)
			m.equal(t, expected)
			if got := m.read(sp, uint64(len(want))); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
		})
	}
}

// strings follow the pointers as a guest does.
func (m pages) strings(isaName string, at uint64) (list []string, next uint64) {
	i := lookup(isaName)
	for {
		word := m.read(at, i.word())
		at += i.word()
		var p uint64
		if i.word() == 8 {
			p = byteOrder(i.data).Uint64(word)
		} else {
			p = uint64(byteOrder(i.data).Uint32(word))
		}
		if p == 0 {
			return list, at
		}
		var text []byte
		for b := m.read(p, 1); b[0] != 0; b = m.read(p, 1) {
			text = append(text, b[0])
			p++
		}
		list = append(list, string(text))
	}
}

func TestStackStrings(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	many := make([]string, 1000)
	for i := range many {
		many[i] = strings.Repeat("y", i%9)
	}
	for _, i := range isas {
		for _, c := range []struct{ args, env []string }{
			{nil, nil},
			{[]string{"prog"}, nil},
			{[]string{""}, []string{"", "A=b"}},
			{[]string{"prog", long, "ü"}, []string{"PATH=/bin", long}},
			{many, many},
		} {
			top := uint64(top32)
			if i.class == class64 {
				top = top64
			}
			m := pages{}
			sp, err := Stack(i.name, m, Layout{StackTop: top}, c.args, c.env)
			if err != nil {
				t.Fatal(err)
			}
			if argc := m.read(sp, i.word()); argc[0]|argc[i.word()-1] != byte(len(c.args)) && len(c.args) < 256 {
				t.Errorf("%s: argc %x", i.name, argc)
			}
			args, next := m.strings(i.name, sp+i.word())
			env, _ := m.strings(i.name, next)
			if strings.Join(args, "\n") != strings.Join(c.args, "\n") || strings.Join(env, "\n") != strings.Join(c.env, "\n") {
				t.Errorf("%s: arguments %.99q, environment %.99q", i.name, args, env)
			}
			if sp%pageSize != 0 || sp > top {
				t.Errorf("%s: sp %#x", i.name, sp)
			}
			lowest, highest := sp/pageSize-4, top/pageSize
			for page := lowest; page <= highest; page++ {
				if m[page] == nil {
					t.Errorf("%s: page %#x does not exist", i.name, page)
				}
			}
			if uint64(len(m)) != highest-lowest+1 {
				t.Errorf("%s: %d pages", i.name, len(m))
			}
		}
	}
}

func TestStackPages(t *testing.T) {
	// All but one string take 9 words, argv[0]'s pointer and end included, and 16 bytes: 88.
	for size, down := range map[int]uint64{
		pageSize - 88 - 1: 0,
		pageSize - 88:     1,
		2*pageSize - 89:   1,
		2*pageSize - 88:   2,
	} {
		sp, err := Stack("mips64", pages{}, Layout{StackTop: top64}, []string{strings.Repeat("a", size)}, nil)
		if err != nil || sp != top64-down*pageSize {
			t.Errorf("an argument of %d bytes: sp %#x, %v", size, sp, err)
		}
	}
}

func TestStackErrors(t *testing.T) {
	largest := strings.Repeat("a", maxStackData-89)
	if _, err := Stack("mips64", pages{}, Layout{StackTop: top64}, []string{largest}, nil); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		isa, want string
		args, env []string
	}{
		{"z80", `unknown ISA "z80"`, nil, nil},
		{"mips64", `argument 1, "b\x00c", contains a zero byte`, []string{"a", "b\x00c"}, nil},
		{"mips64", `environment string 0, "\x00", contains a zero byte`, nil, []string{"\x00"}},
		{"mips64", "take 131080 bytes with their pointers, more than the limit of 131072", []string{largest + "a"}, nil},
		{"mips32", "more than the limit", make([]string, 20_000), nil},
	} {
		m := pages{}
		if _, err := Stack(c.isa, m, Layout{StackTop: top64}, c.args, c.env); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if len(m) != 0 {
			t.Error("memory was written before the error")
		}
	}
}
