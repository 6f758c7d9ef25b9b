package cannon_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
	"github.com/flexemu/flexemu/internal/oracle/cannon/contract"
	"github.com/flexemu/flexemu/internal/oracle/cannon/workloads"
)

const rootsEvery = 10_000

// proved is what both sides prove of each guest.
var proved = cannon.Trace{
	Every:      rootsEvery,
	Proofs:     []cannon.Span{{From: 0, Count: 1_000}},
	ProofKinds: 8,
	ProofEvery: 100_003, // prime, so as not to hit the same place of each quantum
}

// sources are the folders of Go guests, besides the workloads.
var sources = []string{"../../../examples/go/*", "../../../examples/evm"}

type guest struct {
	name, elf string
	preimages string // folder, or empty
}

// guests are the programs to compare on: the files in $FLEXEMU_GUESTS (a list
// like $PATH), else the workloads and the Go programs below sources, built
// here. The input of a file is the folder "preimages" beside it; of a Go
// program what its command ./gen writes; else that of the workloads.
func guests(t *testing.T) (all []guest) {
	t.Helper()
	if list := filepath.SplitList(os.Getenv("FLEXEMU_GUESTS")); len(list) > 0 {
		for _, elf := range list {
			all = append(all, guest{filepath.Base(elf), elf, inputOf(filepath.Dir(elf))})
		}
		return all
	}
	dir := t.TempDir()
	add := func(source, preimages string) {
		name := filepath.Base(source)
		elf := filepath.Join(dir, fmt.Sprintf("%d-%s", len(all), name))
		if err := workloads.Build(source, elf); err != nil {
			t.Error(err)
			return
		}
		all = append(all, guest{name, elf, preimages})
	}
	input := t.TempDir()
	if err := workloads.Preimages(input); err != nil {
		t.Fatal(err)
	}
	names := workloads.Short
	if !testing.Short() {
		names = append(slices.Clone(names), workloads.Long...)
	}
	for _, name := range names {
		add(workloads.Source(name), input)
	}
	for _, pattern := range sources {
		folders, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(folders) == 0 {
			t.Logf("no guests in %s", pattern)
		}
		for _, folder := range folders {
			program, _ := filepath.Glob(filepath.Join(folder, "*.go"))
			_, err := os.Stat(filepath.Join(folder, "gen"))
			switch {
			case len(program) == 0:
			case err == nil:
				add(folder, generate(t, folder))
			default:
				add(folder, input)
			}
		}
	}
	return all
}

func inputOf(folder string) string {
	dir := filepath.Join(folder, "preimages")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

// generate runs the command ./gen of folder, which writes the program's input.
func generate(t *testing.T, folder string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "run", "./gen", "-out", dir)
	cmd.Dir = folder
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("input of %s: %v\n%s", folder, err, text)
	}
	return dir
}

// flexemu is the binary under test.
type flexemu struct {
	path  string
	flags []string // extra, from $FLEXEMU_FLAGS
}

func (f *flexemu) command(verb string, g guest, flags ...string) *exec.Cmd {
	args := append([]string{verb, "--kernel", "bare", "--start", "cannon"}, f.flags...)
	if g.preimages != "" {
		args = append(args, "--preimages", g.preimages)
	}
	return exec.Command(f.path, append(append(args, flags...), g.elf)...)
}

// output runs cmd, and returns its stdout and exit code.
func output(t *testing.T, cmd *exec.Cmd) ([]byte, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() == 125 {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	return stdout.Bytes(), cmd.ProcessState.ExitCode()
}

// stats are the fields of flexEmu's --stats that Cannon knows too.
type stats struct {
	Steps    uint64
	Exited   bool
	ExitCode uint8
	Root     common.Hash
}

// run runs g, until step stop unless stop is 0.
func (f *flexemu) run(t *testing.T, g guest, stop uint64) (s stats, roots map[uint64]common.Hash, stdout []byte, code int) {
	t.Helper()
	dir := t.TempDir()
	rootFile, statFile := filepath.Join(dir, "roots"), filepath.Join(dir, "stats")
	flags := []string{"--roots-at", "%" + strconv.Itoa(rootsEvery), "--roots", rootFile, "--stats", statFile}
	if stop > 0 {
		flags = append(flags, "--stop-at", strconv.FormatUint(stop, 10))
	}
	stdout, code = output(t, f.command("run", g, flags...))
	text, err := os.ReadFile(statFile)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	if text, err = os.ReadFile(rootFile); err != nil {
		t.Fatal(err)
	}
	roots = map[uint64]common.Hash{}
	for line := range strings.Lines(string(text)) {
		number, root, _ := strings.Cut(strings.TrimSpace(line), " ")
		step, err := strconv.ParseUint(number, 10, 64)
		var hash common.Hash
		if err == nil {
			err = hash.UnmarshalText([]byte(root))
		}
		if err != nil {
			t.Fatalf("roots: line %q: %v", line, err)
		}
		roots[step] = hash
	}
	return s, roots, stdout, code
}

// prove returns flexEmu's proofs of the steps of g.
func (f *flexemu) prove(t *testing.T, g guest, steps []uint64) []*cannon.Proof {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proofs")
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(steps), " ", ","), "[]")
	output(t, f.command("prove", g, "--at", list, "-o", file))
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var proofs []*cannon.Proof
	for dec := json.NewDecoder(bufio.NewReader(in)); ; {
		p := new(cannon.Proof)
		if err := dec.Decode(p); err == io.EOF {
			return proofs
		} else if err != nil {
			t.Fatalf("proof %d: %v", len(proofs), err)
		}
		proofs = append(proofs, p)
	}
}

// TestAgainstFlexemu compares flexEmu's states and proofs with Cannon's, and
// gives flexEmu's proofs to the MIPS64 contract.
func TestAgainstFlexemu(t *testing.T) {
	path := os.Getenv("FLEXEMU")
	if path == "" {
		t.Skip("set FLEXEMU to the path of a flexemu binary")
	}
	f := &flexemu{path, strings.Fields(os.Getenv("FLEXEMU_FLAGS"))}
	chain, err := contract.Deploy()
	if err != nil {
		t.Logf("no contract: %v", err)
	}
	for _, g := range guests(t) {
		t.Run(g.name, func(t *testing.T) { compare(t, f, g, chain) })
	}
}

// compare runs g on both sides; without the contract if chain is nil.
func compare(t *testing.T, f *flexemu, g guest, chain *contract.MIPS64) {
	want := trace(t, g.elf, g.preimages, proved)
	stop := uint64(0)
	if errors.Is(want.err, cannon.ErrPanic) {
		t.Logf("compared up to Cannon's end only: %v", want.err)
		stopped := proved
		stop = want.steps
		stopped.StopAt = stop
		want = trace(t, g.elf, g.preimages, stopped)
	}
	if want.err != nil {
		t.Fatal(want.err)
	}
	got, roots, stdout, code := f.run(t, g, stop)
	compareRoots(t, f, g, want, roots)
	if got.Steps != want.last.Step || got.Root != want.last.Root {
		t.Errorf("ends at step %d with %v; Cannon at %d with %v", got.Steps, got.Root, want.last.Step, want.last.Root)
	}
	if got.Exited != *want.last.Exited || got.ExitCode != *want.last.ExitCode {
		t.Errorf("exited %v code %d; Cannon %v code %d", got.Exited, got.ExitCode, *want.last.Exited, *want.last.ExitCode)
	}
	if got.Exited && code != int(got.ExitCode) {
		t.Errorf("flexemu's exit code is %d, the guest's %d", code, got.ExitCode)
	}
	if !bytes.Equal(stdout, want.stdout) {
		t.Errorf("stdout %q; Cannon %q", stdout, want.stdout)
	}
	if t.Failed() {
		return
	}
	steps := make([]uint64, len(want.proofs))
	for i, p := range want.proofs {
		steps[i] = p.Step
	}
	proofs := f.prove(t, g, steps)
	if len(proofs) != len(steps) {
		t.Fatalf("%d proofs of %d steps", len(proofs), len(steps))
	}
	for i, p := range proofs {
		if err := compareProofs(p, want.proofs[i]); err != nil {
			t.Fatalf("proof of step %d: %v", steps[i], err)
		}
		if chain == nil {
			continue
		}
		if post, _, err := chain.Step(p); err != nil || post != p.Post {
			t.Fatalf("proof of step %d: the contract computes %v, not %v (%v)", steps[i], post, p.Post, err)
		}
	}
	t.Logf("%d steps, %d roots, %d proofs agree", got.Steps, len(roots), len(proofs))
}

// compareRoots stops the test at the first difference, and says what it is.
func compareRoots(t *testing.T, f *flexemu, g guest, want *record, roots map[uint64]common.Hash) {
	t.Helper()
	for step := uint64(0); step < want.last.Step; step += rootsEvery {
		root, ok := roots[step]
		switch {
		case !ok:
			t.Fatalf("no root at step %d", step)
		case root == want.roots[step]:
		case step == 0:
			t.Fatalf("starts with %v, Cannon with %v", root, want.roots[step])
		default:
			explain(t, f, g, step-rootsEvery, step)
		}
	}
}
