package isatest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/sets"
)

// emulators are the programs of qemu's user mode, in Debian's package qemu-user-static.
var emulators = map[string]string{
	"mips64": "qemu-mips64-static", "mips64le": "qemu-mips64el-static",
	"mips32": "qemu-mips-static", "mips32le": "qemu-mipsel-static",
	"riscv64": "qemu-riscv64-static", "riscv32": "qemu-riscv32-static",
}

// untested are the rows that no program can have as a case, with the reason in the families' generate.
var untested = []string{
	"syscall", "break", // MIPS
	"ecall", "ebreak", "c.ebreak", "csrrs", "csrrc", "csrrsi", "csrrci", "csrrs.h", "csrrc.h", "csrrsi.h", "csrrci.h", // RISC-V
}

func allRows(i *isa.ISA) []int {
	rows := make([]int, len(i.Rows))
	for r := range rows {
		rows[r] = r
	}
	return rows
}

// TestVectors lets a program tell what every instruction does to registers and memory, under qemu and by the
// definition of ir, and in flexEmu.
func TestVectors(t *testing.T) {
	for _, i := range sets.All() {
		t.Run(i.Name, func(t *testing.T) {
			p, left, ok := isatest.NewProgram(i, allRows(i))
			if !ok {
				t.Fatal("nobody has written down yet how to make programs for it")
			}
			checkLeft(t, i, p, left)
			want := reference(t, p)
			report(t, "flexEmu", p, ours(t, p), want)
			if _, err := exec.LookPath(emulators[i.Name]); err != nil {
				t.Skipf("%s is not installed (Debian's package qemu-user-static)", emulators[i.Name])
			}
			got, err := theirs(t, p)
			if err != nil {
				findCrash(t, i)
				t.Fatalf("qemu: %v", err)
			}
			report(t, "ir, and qemu is right,", p, want, got)
			t.Logf("%d cases of %d rows", len(p.Cases), len(p.CasesOf()))
		})
	}
}

func checkLeft(t *testing.T, i *isa.ISA, p *isatest.Program, left []int) {
	t.Helper()
	for _, r := range left {
		if !slices.Contains(untested, i.Rows[r].Name) {
			t.Errorf("%s has no cases", i.Rows[r].Name)
		}
	}
	cases := p.CasesOf()
	for r, row := range i.Rows {
		if !slices.Contains(left, r) && cases[r] < 20 {
			t.Errorf("%s has %d cases only", row.Name, cases[r])
		}
	}
}

func report(t *testing.T, who string, p *isatest.Program, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	for _, d := range p.Differences(got, want, 20) {
		t.Errorf("%s: %s", who, d)
	}
}

// reference gives what ir says, which has to be the same for both ways to build a meaning.
func reference(t *testing.T, p *isatest.Program) []byte {
	t.Helper()
	concrete, err := p.Reference(false)
	if err != nil {
		t.Fatal(err)
	}
	symbolic, err := p.Reference(true)
	if err != nil {
		t.Fatal(err)
	}
	report(t, "fields that are variables", p, symbolic, concrete)
	return concrete
}

// capture is a host that keeps what is written to descriptor 1.
type capture struct{ bytes.Buffer }

func (c *capture) Preimage([32]byte) ([]byte, error) { return nil, os.ErrNotExist }
func (c *capture) Hint([]byte) error                 { return nil }
func (c *capture) Output(_ int, p []byte) error      { c.Write(p); return nil }

// ours runs the program in flexEmu.
func ours(t *testing.T, p *isatest.Program) []byte {
	t.Helper()
	var out capture
	run, err := flexemu.Load(p.ELF(), flexemu.Options{Host: &out})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.RunTo(uint64(1000 * (len(p.Cases) + 1))); err != nil {
		t.Fatal(err)
	}
	if exited, code := run.Exited(); !exited || code != 0 {
		t.Fatalf("the program has exited: %t, with code %d, at step %d", exited, code, run.Step())
	}
	return out.Bytes()
}

// theirs runs the program under qemu.
func theirs(t *testing.T, p *isatest.Program) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	program, out := filepath.Join(dir, "program"), filepath.Join(dir, "out")
	if err := os.WriteFile(program, p.ELF(), 0o700); err != nil {
		t.Fatal(err)
	}
	// A file takes everything in one write, which a pipe need not.
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := exec.Command(emulators[p.ISA.Name], program)
	c.Stdout, c.Stderr, c.WaitDelay = f, os.Stderr, time.Minute
	if err := c.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// findCrash tells which rows make qemu fail.
func findCrash(t *testing.T, i *isa.ISA) {
	t.Helper()
	for r, row := range i.Rows {
		p, _, _ := isatest.NewProgram(i, []int{r})
		if _, err := theirs(t, p); err != nil {
			t.Errorf("qemu fails in the cases of %s: %v", row.Name, err)
		}
	}
}
