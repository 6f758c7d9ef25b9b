package demo_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/demo"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

// hello builds an example for mips64.
func hello(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hello")
	build := exec.Command("go", "build", "-o", file, "-ldflags", "-X runtime.godebugDefault=madvdontneed=0,decoratemappings=0", "../../../examples/go/hello")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestRun(t *testing.T) {
	r, err := flexemu.Load(hello(t), flexemu.Options{Args: []string{"hello"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := prover.New(r, prover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	steps, ended, err := m.Steps(t.Context(), 1<<30)
	if err != nil || !ended {
		t.Fatal(steps, ended, err)
	}
	const inner = 10
	outer := 1
	for uint64(1)<<(outer+inner) <= steps {
		outer++
	}
	result, err := demo.Run(t.Context(), demo.Options{
		Machine: m, Steps: steps, Cheaters: 9,
		Levels: []dispute.Level{{Log2Stride: inner, Height: outer, Allowance: 7200}, {Height: inner, Allowance: 3600}},
		Told: func(e demo.Event) {
			fmt.Fprintf(t.Output(), "%6d %-16s %-8s %7d %v %s\n", e.At, e.Who, e.Kind, e.Gas, e.Failed, e.Why)
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !result.Decided || !result.HonestWon {
		t.Errorf("the honest player has not won: %+v", result)
	}
	t.Logf("%+v", result)
}
