package cannon_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
	"github.com/flexemu/flexemu/internal/oracle/cannon/workloads"
)

// build compiles the workload name into a new folder, beside its pre-images.
func build(t *testing.T, name string) (elf string) {
	t.Helper()
	dir := t.TempDir()
	elf = filepath.Join(dir, name)
	if err := workloads.Build(workloads.Source(name), elf); err != nil {
		t.Fatal(err)
	}
	if err := workloads.Preimages(dir); err != nil {
		t.Fatal(err)
	}
	return elf
}

// record is what a trace says.
type record struct {
	roots  map[uint64]common.Hash // by step, the last one included
	last   cannon.Root
	proofs []*cannon.Proof
	stdout []byte
	steps  uint64 // done
	err    error  // of the run; the trace holds what was before it
}

// trace runs the program elf on Cannon.
func trace(t *testing.T, elf, preimages string, want cannon.Trace) *record {
	t.Helper()
	var stdout, lines bytes.Buffer
	vm, err := cannon.Load(elf, cannon.Folder(preimages), &stdout, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r := &record{roots: map[uint64]common.Hash{}}
	r.err = want.Run(vm, &lines)
	r.stdout, r.steps = stdout.Bytes(), vm.Steps()
	for in := bufio.NewReader(&lines); ; {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return r
		}
		root, proof := new(cannon.Root), new(cannon.Proof)
		if err := errors.Join(json.Unmarshal(line, root), json.Unmarshal(line, proof)); err != nil {
			t.Fatal(err)
		}
		if len(proof.StateData) > 0 {
			r.proofs = append(r.proofs, proof)
			continue
		}
		r.roots[root.Step] = root.Root
		r.last = *root
	}
}

// The oracle is Cannon only if its states are those of Cannon's own command.
func TestSameAsCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Cannon's command")
	}
	dir := t.TempDir()
	command := filepath.Join(dir, "cannon")
	run := func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(name, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
		}
		return out
	}
	run("go", "build", "-o", command, "github.com/ethereum-optimism/optimism/cannon")
	elf := build(t, "hello")
	first, last := filepath.Join(dir, "first.bin.gz"), filepath.Join(dir, "last.bin.gz")
	run(command, "load-elf", "--type", "multithreaded64-5", "--path", elf, "--out", first, "--meta", "")
	run(command, "run", "--input", first, "--output", last, "--meta", "")
	r := trace(t, elf, "", cannon.Trace{})
	if r.err != nil {
		t.Fatal(r.err)
	}
	for file, step := range map[string]uint64{first: 0, last: r.last.Step} {
		var witness struct {
			Step        uint64
			WitnessHash common.Hash
		}
		if err := json.Unmarshal(run(command, "witness", "--input", file), &witness); err != nil {
			t.Fatal(err)
		}
		if witness.Step != step || witness.WitnessHash != r.roots[step] {
			t.Errorf("command: step %d %v; oracle: step %d %v", witness.Step, witness.WitnessHash, step, r.roots[step])
		}
	}
}

// Proving and hashing must not change the run, and must hit the steps asked for.
func TestTraceSteps(t *testing.T) {
	elf := build(t, "hello")
	plain := trace(t, elf, "", cannon.Trace{})
	spans, err := cannon.ParseSpans("999:3,1000:1,5")
	if err != nil {
		t.Fatal(err)
	}
	r := trace(t, elf, "", cannon.Trace{Every: 100, ProofEvery: 1000, Proofs: spans, StopAt: 2500})
	if err := errors.Join(plain.err, r.err); err != nil {
		t.Fatal(err)
	}
	var steps []uint64
	for _, p := range r.proofs {
		steps = append(steps, p.Step)
		if root, ok := r.roots[p.Step]; ok && root != p.Pre {
			t.Errorf("step %d: pre %v, root %v", p.Step, p.Pre, root)
		}
	}
	if want := []uint64{0, 5, 999, 1000, 1001, 2000}; !slices.Equal(steps, want) {
		t.Errorf("proofs of steps %v, want %v", steps, want)
	}
	if len(r.roots) != 26 || r.last.Step != 2500 || *r.last.Exited {
		t.Errorf("%d roots, the last is %+v", len(r.roots), r.last)
	}
	again := trace(t, elf, "", cannon.Trace{Every: 7919, ProofKinds: 2})
	if again.err != nil || again.roots[plain.last.Step] != plain.roots[plain.last.Step] {
		t.Errorf("ends in %v, a plain run in %v (%v)", again.last, plain.last, again.err)
	}
}

func TestPanicsAreErrors(t *testing.T) {
	r := trace(t, build(t, "preimages"), t.TempDir(), cannon.Trace{})
	if !errors.Is(r.err, cannon.ErrPanic) {
		t.Errorf("a missing pre-image gives %v", r.err)
	}
	if _, err := cannon.Load("vm_test.go", cannon.Folder(""), io.Discard, io.Discard); err == nil {
		t.Error("a text was loaded as a program")
	}
}

func TestParseSpans(t *testing.T) {
	for _, bad := range []string{"", "x", "1:", "1:0", "-1", "1:2:3", "18446744073709551615:2"} {
		if spans, err := cannon.ParseSpans(bad); err == nil {
			t.Errorf("%q gives %v", bad, spans)
		}
	}
}
