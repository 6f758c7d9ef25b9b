package flexemu

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/proof"
	"github.com/flexemu/flexemu/internal/verifier"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

type testHost struct{ out bytes.Buffer }

func (*testHost) Preimage([32]byte) ([]byte, error) {
	return nil, errors.New("no pre-images in this test")
}
func (*testHost) Hint([]byte) error              { return nil }
func (h *testHost) Output(_ int, p []byte) error { h.out.Write(p); return nil }

// goGuest builds a program of examples/go for mips64.
func goGuest(t *testing.T, name string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-o", out, "./examples/go/"+name)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", name, err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// kind names what the next step does: the row of an instruction, or an action of the scheduler.
func (r *Run) kind() string {
	m := r.system.Machine
	switch {
	case m.Get(ir.ThreadExited) != 0:
		return "pop"
	case m.Get(ir.Quantum) >= 100_000:
		return "preempt"
	}
	w := uint32(m.Load(m.Get(ir.PC), 4, r.ISA.Big))
	row, ok := r.ISA.Decode(w)
	if !ok {
		return "unknown"
	}
	name := r.ISA.Rows[row].Name
	if name == "syscall" {
		return name + " " + string(rune('0'+m.Get(2)%10)) + string(rune('0'+m.Get(2)/10%10))
	}
	return name
}

// TestProveEveryKind runs a program with threads and proves the first steps of every kind: the replay of the
// witness and the contract have to come to the machine's own root.
func TestProveEveryKind(t *testing.T) {
	host := &testHost{}
	r, err := Load(goGuest(t, "threads"), Options{Args: []string{"threads"}, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	contract, err := chain.DeployVerifier(verifier.ContractName(r.ISA))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for range 3_000_000 {
		if done, _ := r.Exited(); done {
			break
		}
		kind := r.kind()
		if seen[kind]++; seen[kind] > 3 {
			if err := r.RunTo(r.Step() + 1); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p, err := r.Prove()
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.Check(r.ISA, p); err != nil {
			t.Errorf("step %d, %s: replay: %v", p.Step, kind, err)
		}
		res, err := chain.Step(contract, p.StateData, p.ProofData, [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if res.Reverted || !bytes.Equal(res.Post[:], p.Post) {
			t.Errorf("step %d, %s: the contract gives %x (reverted: %t %s), want %x", p.Step, kind, res.Post, res.Reverted, res.Reason, p.Post)
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d kinds of steps were proven: %v", len(seen), seen)
	}
	t.Logf("%d kinds of steps: %v", len(seen), seen)
}
