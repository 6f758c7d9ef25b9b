package flexemu_test

import (
	"bytes"
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
	"github.com/flexemu/flexemu/internal/verifier"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

// guests is the folder with the programs of examples/go, built for mips64.
var guests string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "flexemu-guests-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		cmd := exec.Command("go", "build", "-o", dir, "./examples/go/...")
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the guests: %v\n%s", err, text)
			return 1
		}
		guests = dir
		return m.Run()
	}())
}

func guest(tb testing.TB, name string) []byte {
	tb.Helper()
	program, err := os.ReadFile(filepath.Join(guests, name))
	if err != nil {
		tb.Fatal(err)
	}
	return program
}

// testHost keeps what the guest writes.
type testHost struct {
	preimages map[[32]byte][]byte
	out       bytes.Buffer
	hints     []string
}

func (h *testHost) Preimage(key [32]byte) ([]byte, error) {
	if data, ok := h.preimages[key]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("pre-image %x is not there", key)
}

func (h *testHost) Hint(p []byte) error          { h.hints = append(h.hints, string(p)); return nil }
func (h *testHost) Output(_ int, p []byte) error { h.out.Write(p); return nil }

// preimageHost has what the guest preimage asks for.
func preimageHost() *testHost {
	data := bytes.Repeat([]byte("flexemu"), 1001)
	hash := merkle.Keccak256(data)
	return &testHost{preimages: map[[32]byte][]byte{preimage.Local(1): hash[:], preimage.Keccak256(hash): data}}
}

const end = ^uint64(0)

func finish(t *testing.T, r *flexemu.Run) flexemu.Stats {
	t.Helper()
	if err := r.RunTo(end); err != nil {
		t.Fatal(err)
	}
	return r.Stats()
}

// TestProveEveryKind runs programs and proves the first steps of every kind: the replay of the witness and the
// contract have to come to the machine's own root.
func TestProveEveryKind(t *testing.T) {
	seen := map[string]int{}
	for name, host := range map[string]*testHost{"threads": {}, "preimage": preimageHost()} {
		r, err := flexemu.Load(guest(t, name), flexemu.Options{Args: []string{name}, Host: host})
		if err != nil {
			t.Fatal(err)
		}
		proveKinds(t, r, seen)
	}
	if len(seen) < 60 {
		t.Errorf("only %d kinds of steps were proven: %v", len(seen), seen)
	}
	for _, kind := range []string{
		"addiu", "beq", "ll", "sc", flexemu.KindThreadSwitch,
		"syscall clone", "syscall futex", "syscall read pre-image", "syscall write key", "syscall write hint",
	} {
		if seen[kind] == 0 {
			t.Errorf("no step of kind %q among %v", kind, seen)
		}
	}
	t.Logf("%d kinds of steps: %v", len(seen), seen)
}

func proveKinds(t *testing.T, r *flexemu.Run, seen map[string]int) {
	chain, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	contract, err := chain.DeployVerifier(verifier.ContractName(r.ISA()))
	if err != nil {
		t.Fatal(err)
	}
	for r.Step() < 3_000_000 {
		kind := r.Kind()
		if kind == flexemu.KindHalted {
			return
		}
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
		if err := flexemu.Verify(p); err != nil {
			t.Errorf("step %d, %s: replay: %v", p.Step, kind, err)
		}
		if p.OracleOffset != nil {
			if err := chain.LoadPreimage([32]byte(p.OracleKey), p.OracleValue[8:], *p.OracleOffset, [32]byte{}); err != nil {
				t.Fatal(err)
			}
		}
		res, err := chain.Step(contract, p.StateData, p.ProofData, [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if res.Reverted || !bytes.Equal(res.Post[:], p.Post) {
			t.Errorf("step %d, %s: the contract gives %x (reverted: %t %s), want %x", p.Step, kind, res.Post, res.Reverted, res.Reason, p.Post)
		}
	}
}

// TestSaveResume cuts a run in pieces, each resumed from the snapshot of the one before.
func TestSaveResume(t *testing.T) {
	for name, host := range map[string]func() *testHost{"threads": func() *testHost { return &testHost{} }, "preimage": preimageHost} {
		whole := host()
		r, err := flexemu.Load(guest(t, name), flexemu.Options{Args: []string{name}, Host: whole})
		if err != nil {
			t.Fatal(err)
		}
		want := finish(t, r)

		cut := host()
		if r, err = flexemu.Load(guest(t, name), flexemu.Options{Args: []string{name}, Host: cut}); err != nil {
			t.Fatal(err)
		}
		for piece := range uint64(7) {
			if err := r.RunTo((piece + 1) * want.Steps / 7); err != nil {
				t.Fatal(err)
			}
			var saved bytes.Buffer
			if err := r.Save(&saved); err != nil {
				t.Fatal(err)
			}
			before := r.Stats()
			if r, err = flexemu.Resume(&saved, flexemu.Options{Host: cut}); err != nil {
				t.Fatal(err)
			}
			if r.Stats() != before {
				t.Fatalf("%s: resumed as %+v, saved as %+v", name, r.Stats(), before)
			}
		}
		if got := finish(t, r); got != want || cut.out.String() != whole.out.String() || !slices.Equal(cut.hints, whole.hints) {
			t.Errorf("%s: in pieces: %+v, output %q, hints %q; want %+v, %q, %q",
				name, got, &cut.out, cut.hints, want, &whole.out, whole.hints)
		}
	}
}

func TestRefused(t *testing.T) {
	hello := guest(t, "hello")
	var program *flexemu.ProgramError
	for name, bytes := range map[string][]byte{
		"empty": nil, "text": []byte("#!/bin/sh\n"), "truncated": hello[:1000], "header only": hello[:64],
	} {
		_, err := flexemu.Load(bytes, flexemu.Options{})
		if !errors.As(err, &program) {
			t.Errorf("%s: Load says %v, want a ProgramError", name, err)
		}
		if checked := flexemu.Check(bytes); checked == nil || checked.Error() != err.Error() {
			t.Errorf("%s: Check says %v, Load %v", name, checked, err)
		}
	}
	for _, o := range []flexemu.Options{{Kernel: "linux"}, {Engine: "fast"}} {
		if _, err := flexemu.Load(hello, o); err == nil || errors.As(err, &program) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := flexemu.Resume(strings.NewReader("no snapshot"), flexemu.Options{}); err == nil {
		t.Error("a text was resumed")
	}
}

// TestMissingPreimage looks at the state after an error of the host: that before the step.
func TestMissingPreimage(t *testing.T) {
	host := preimageHost()
	key := [32]byte(preimage.Local(1))
	local := host.preimages[key]
	delete(host.preimages, key)
	r, err := flexemu.Load(guest(t, "preimage"), flexemu.Options{Args: []string{"preimage"}, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	err = r.RunTo(end)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%x", key)) || r.Kind() != "syscall read pre-image" {
		t.Fatalf("error %v before a step of kind %q, want one with the key, before the read", err, r.Kind())
	}
	step, root := r.Step(), r.Root()
	if _, err := r.Prove(); err == nil || r.Step() != step || r.Root() != root {
		t.Fatalf("Prove: %v; step %d, before %d", err, r.Step(), step)
	}
	host.preimages[key] = local
	if s := finish(t, r); s.ExitCode != 0 {
		t.Errorf("with the pre-image it ends as %+v", s)
	}
}

func TestEnded(t *testing.T) {
	r, err := flexemu.Load(guest(t, "hello"), flexemu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := finish(t, r)
	if _, err := r.Prove(); !errors.Is(err, flexemu.ErrEnded) {
		t.Errorf("Prove: %v", err)
	}
	if r.Kind() != flexemu.KindHalted || r.Instruction() != "" || r.Stats() != s || s.Root[0] != 0 {
		t.Errorf("kind %q, instruction %q, %+v", r.Kind(), r.Instruction(), r.Stats())
	}
}
