// Package guests_test builds the C programs of the folder above for every instruction set, and holds them against what
// they must print, against qemu, and against the contracts.
//
// It is not in the folder itself because Go refuses C sources beside Go ones where there is no cgo.
package guests_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/examples/preimage"
	"github.com/flexemu/flexemu/internal/merkle"
)

// built is the folder with the programs, empty if there is no make; said is what make said.
var built, said string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "flexemu-c-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		text, err := exec.Command("make", "-C", "..", "BUILD="+dir).CombinedOutput()
		said = string(text)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			said = err.Error()
		case err != nil:
			fmt.Fprintf(os.Stderr, "build the guests: %v\n%s", err, text)
			return 1
		default:
			built = dir
		}
		return m.Run()
	}())
}

// program is the path of a program, whose compiler may be missing.
func program(t *testing.T, name string, i *flexemu.ISA) string {
	t.Helper()
	path := filepath.Join(built, name+"."+i.Name)
	if _, err := os.Stat(path); built == "" || err != nil {
		for line := range strings.Lines(said) {
			if built == "" || strings.HasPrefix(line, i.Name+": skipped") {
				t.Skip(strings.TrimSpace(line))
			}
		}
		t.Fatalf("make did not build %s:\n%s", path, said)
	}
	return path
}

// emulators are the programs of qemu's user mode, in Debian's package qemu-user-static.
var emulators = map[string]string{
	"mips64": "qemu-mips64-static", "mips64le": "qemu-mips64el-static",
	"mips32": "qemu-mips-static", "mips32le": "qemu-mipsel-static",
	"riscv64": "qemu-riscv64-static", "riscv32": "qemu-riscv32-static",
}

// A test is one run of a program.
type test struct {
	name   string
	args   []string
	want   func(*flexemu.ISA) string // output
	code   uint8
	hints  []string
	onQemu bool // Linux gives it the same answers
}

func text(s string) func(*flexemu.ISA) string { return func(*flexemu.ISA) string { return s } }

// input is the data that the program preimage asks for; its length is no multiple of 8.
var (
	input     = bytes.Repeat([]byte("flexemu"), 31)
	inputHash = merkle.Keccak256(input)
)

var tests = []test{
	{name: "hello", want: text("hello, world\n"), onQemu: true},
	{name: "sort", want: text(sorted(600)), onQemu: true},
	{name: "sha256", want: text(hashes(1000)), onQemu: true},
	{name: "recursion", want: text("fibonacci 144\nackermann 27\nhanoi 4095\ndeep 146136\n"), onQemu: true},
	{name: "threads", want: threads(40), onQemu: true},
	{
		name: "preimage", want: text(fmt.Sprintf("%d bytes, SHA-256 %x\n", len(input), sha256.Sum256(input))),
		hints: []string{fmt.Sprintf("keccak 0x%x", inputHash)}, onQemu: true,
	},
}

// random64 is the generator of the programs.
func random64(seed *uint64) uint64 {
	*seed ^= *seed << 13
	*seed ^= *seed >> 7
	*seed ^= *seed << 17
	return *seed
}

func sorted(count int) string {
	numbers, seed, checksum := make([]uint32, count), uint64(88172645463325252), uint32(0)
	for i := range numbers {
		numbers[i] = uint32(random64(&seed) >> 32)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		checksum = checksum*31 + n
	}
	return fmt.Sprintf("sorted %d\nchecksum %d\n", count, checksum)
}

func hashes(count int) string {
	data := make([]byte, count)
	for i := range data {
		data[i] = byte(i % 251)
	}
	var out strings.Builder
	for _, text := range []string{"", "abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", string(data)} {
		fmt.Fprintf(&out, "%x\n", sha256.Sum256([]byte(text)))
	}
	return out.String()
}

func threads(rounds int) func(*flexemu.ISA) string {
	return func(i *flexemu.ISA) string {
		const count = 4
		word := ^uint64(0) >> (64 - i.Bits)
		var sum, flipped, united, largest uint64
		kept := word
		for id := range uint64(count) {
			seed := id + 1
			for range rounds {
				n := random64(&seed) >> 33
				sum += n
				flipped ^= n
				united |= n & 0xff00ff
				kept &= n | 0xff
				largest = max(largest, n)
			}
		}
		return fmt.Sprintf("threads %d\nguarded %d\nadded %d\nflipped %d\nunited %d\nkept %d\nlargest %d\nnarrow %d\n",
			count, sum&word, 2*sum&word, flipped, united, kept, largest, 2*count*rounds)
	}
}

// host keeps what a guest says.
type host struct {
	out   strings.Builder
	hints []string
}

func (h *host) Output(_ int, p []byte) error { h.out.Write(p); return nil }
func (h *host) Hint(p []byte) error          { h.hints = append(h.hints, string(p)); return nil }

func (h *host) Preimage(key [32]byte) ([]byte, error) { return source(key) }

var source = preimage.Map(map[[32]byte][]byte{preimage.Local(1): inputHash[:], preimage.Keccak256(inputHash): input})

func load(t *testing.T, path string, args ...string) (*flexemu.Run, *host) {
	t.Helper()
	elf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := new(host)
	r, err := flexemu.Load(elf, flexemu.Options{Args: append([]string{filepath.Base(path)}, args...), Host: h})
	if err != nil {
		t.Fatal(err)
	}
	return r, h
}

// limit is more steps than any of the programs makes.
const limit = 10_000_000

func TestPrograms(t *testing.T) {
	for _, i := range flexemu.ISAs() {
		for _, test := range tests {
			t.Run(test.name+"."+i.Name, func(t *testing.T) {
				path := program(t, test.name, i)
				r, h := load(t, path, test.args...)
				if err := r.RunTo(limit); err != nil {
					t.Fatal(err)
				}
				s := r.Stats()
				if want := test.want(i); !s.Exited || s.ExitCode != test.code || h.out.String() != want || !slices.Equal(h.hints, test.hints) {
					t.Errorf("%+v, output %q, hints %q; want exit code %d, %q, %q", s, &h.out, h.hints, test.code, want, test.hints)
				}
				if test.onQemu {
					compareQemu(t, path, test, i)
				}
			})
		}
	}
}

func compareQemu(t *testing.T, path string, test test, i *flexemu.ISA) {
	emulator, err := exec.LookPath(emulators[i.Name])
	if err != nil {
		t.Skipf("%v (Debian's package qemu-user-static)", err)
	}
	var out bytes.Buffer
	var hints []string
	cmd := exec.Command(emulator, append([]string{path}, test.args...)...)
	cmd.Stdout = &out
	err = preimage.Connect(cmd, source, func(hint string) { hints = append(hints, hint) })
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != int(test.code) || out.String() != test.want(i) || !slices.Equal(hints, test.hints) {
		t.Errorf("qemu: exit code %d, output %q, hints %q; want %d, %q, %q", code, &out, hints, test.code, test.want(i), test.hints)
	}
}
