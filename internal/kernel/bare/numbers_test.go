package bare

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/isa"
)

// An abi is a column of the table of syscalls.
type abi struct {
	file   string // of Go's package syscall
	number func(syscallRow) uint64
	// missing are the numbers of calls that Go's table lacks, typed from Linux.
	missing map[string]uint64
}

var abis = map[string]abi{
	"n64": {"zsysnum_linux_mips64x.go", func(r syscallRow) uint64 { return r.n64 }, nil},
	"o32": {"zsysnum_linux_mipsx.go", func(r syscallRow) uint64 { return r.o32 }, nil},
	"riscv": {
		"zsysnum_linux_riscv64.go", func(r syscallRow) uint64 { return r.riscv },
		// Of 32-bit sets only, which Go has none of: include/uapi/asm-generic/unistd.h.
		map[string]uint64{"clock_gettime64": 403, "futex_time64": 422},
	},
}

var definition = regexp.MustCompile(`^\s*SYS_(\w+)\s*=\s*(\d+)`)

// numbersOfGo reads one of Go's tables: names in lower case.
func numbersOfGo(t *testing.T, name string) map[string]uint64 {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("go env GOROOT: %v", err)
	}
	f, err := os.Open(filepath.Join(strings.TrimSpace(string(root)), "src", "syscall", name))
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	numbers := map[string]uint64{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		if m := definition.FindStringSubmatch(s.Text()); m != nil {
			n, err := strconv.ParseUint(m[2], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			numbers[strings.ToLower(m[1])] = n
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if len(numbers) < 200 {
		t.Fatalf("%s has %d numbers only", name, len(numbers))
	}
	return numbers
}

func TestSyscallNumbers(t *testing.T) {
	for name, a := range abis {
		t.Run(name, func(t *testing.T) {
			known := numbersOfGo(t, a.file)
			for _, row := range calls {
				want, ok := known[row.name]
				if typed, listed := a.missing[row.name]; listed {
					if ok {
						t.Errorf("Go's table has %s after all", row.name)
					}
					want, ok = typed, true
				}
				switch got := a.number(row); {
				case !ok && got != 0:
					t.Errorf("%s is %d; Go's table lacks it, and so does the list of this test", row.name, got)
				case got != want:
					t.Errorf("%s is %d, not %d", row.name, got, want)
				}
			}
		})
	}
}

// TestSyscallNumbersDiffer looks for a number or a name that stands twice.
func TestSyscallNumbersDiffer(t *testing.T) {
	for _, i := range []*isa.ISA{{Name: "mips64", Bits: 64}, {Name: "mips32", Bits: 32}, {Name: "riscv64", Bits: 64}, {Name: "riscv32", Bits: 32}} {
		numbers, names := map[uint64]string{}, map[string]bool{}
		for _, row := range calls {
			if names[row.name] {
				t.Errorf("%s stands twice", row.name)
			}
			names[row.name] = true
			for _, n := range row.numbersOf(i) {
				if other, ok := numbers[n]; ok {
					t.Errorf("%s: %s and %s are both %d", i.Name, row.name, other, n)
				}
				numbers[n] = row.name
			}
		}
	}
}
