package cannon_test

import (
	"bytes"
	"compress/gzip"
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
	"sync"
	"testing"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
	"github.com/flexemu/flexemu/internal/oracle/cannon/contract"
	"github.com/flexemu/flexemu/internal/oracle/cannon/server"
	"github.com/flexemu/flexemu/internal/oracle/cannon/workloads"
)

// A side is one of the two command lines that are compared: Cannon's own, and "flexemu cannon".
type side struct {
	name    string
	command []string
}

// reference builds Cannon's command, once.
var reference = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cannon-command-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cannon")
	text, err := exec.Command("go", "build", "-o", path, "github.com/ethereum-optimism/optimism/cannon").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build Cannon: %w\n%s", err, text)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	server.Main()
	code := m.Run()
	if path, err := reference(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// sides gives Cannon and flexEmu; the test is skipped without the latter.
func sides(t *testing.T) (theirs, ours side) {
	t.Helper()
	path := os.Getenv("FLEXEMU")
	if path == "" {
		t.Skip("set FLEXEMU to the path of a flexemu binary")
	}
	ref, err := reference()
	if err != nil {
		t.Fatal(err)
	}
	return side{"cannon", []string{ref}}, side{"flexemu", []string{path, "cannon"}}
}

// A result is what a command did.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a command in a folder, with a server of that mode if it needs one.
func (s side) run(t *testing.T, dir, mode string, args ...string) result {
	t.Helper()
	cmd := exec.Command(s.command[0], append(slices.Clone(s.command[1:]), args...)...)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	if mode != "" {
		cmd.Args = append(cmd.Args, "--", os.Args[0])
		cmd.Env = append(cmd.Env, server.Mode+"="+mode)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must is run for what is to end well.
func (s side) must(t *testing.T, dir, mode string, args ...string) result {
	t.Helper()
	r := s.run(t, dir, mode, args...)
	if r.code != 0 {
		t.Fatalf("%s %v: exit code %d\n%s", s.name, args, r.code, tail(r.stderr))
	}
	return r
}

func tail(text string) string {
	const most = 2_000
	return text[max(0, len(text)-most):]
}

// guestLog are the lines that the guest and the server have written.
func guestLog(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "module=guest") || strings.Contains(line, "module=host") {
			lines = append(lines, line)
		}
	}
	return lines
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compareFolders compares all files of two folders: proofs field by field, all others after decompression.
func compareFolders(t *testing.T, theirs, ours string) (files int) {
	t.Helper()
	list := func(dir string) (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	names := list(theirs)
	if got := list(ours); !slices.Equal(got, names) {
		t.Fatalf("files %v; Cannon %v", got, names)
	}
	for _, name := range names {
		want, got := read(t, filepath.Join(theirs, name)), read(t, filepath.Join(ours, name))
		switch {
		case bytes.Contains(want, []byte(`"proof-data"`)):
			compareProofFiles(t, name, got, want)
		case !bytes.Equal(got, want):
			t.Fatalf("%s: %d bytes, Cannon's has %d; the first difference is at %d", name, len(got), len(want), firstDifference(got, want))
		}
		a, err := os.Stat(filepath.Join(ours, name))
		b, err2 := os.Stat(filepath.Join(theirs, name))
		if err := errors.Join(err, err2); err != nil || a.Mode() != b.Mode() {
			t.Fatalf("%s: mode %v, Cannon's %v (%v)", name, a.Mode(), b.Mode(), err)
		}
	}
	return len(names)
}

func firstDifference(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// compareProofFiles: the texts are equal but for the proof data, of which unused parts are stale in Cannon's.
func compareProofFiles(t *testing.T, name string, got, want []byte) {
	t.Helper()
	var g, w cannon.Proof
	if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal(want, &w)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := compareProofs(&g, &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	without := func(text []byte) string {
		var lines []string
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, `"proof-data"`) {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "")
	}
	if without(got) != without(want) {
		t.Fatalf("%s: the texts differ:\n%s\n%s", name, tail(without(got)), tail(without(want)))
	}
}

// A dropInGuest is a program whose runs are compared.
type dropInGuest struct {
	name   string
	server string // mode, or none
}

var dropInGuests = []dropInGuest{
	{"hello", ""}, {"goroutines", ""}, {"clock", ""}, {"crash", ""}, {"collect", ""}, {"preimages", "honest, for preimages"}, {"large", "honest"},
}

// prepare builds a guest and loads it with both commands; it gives the state file, which is the same.
func prepare(t *testing.T, name string) string {
	theirs, ours := sides(t)
	dir := t.TempDir()
	elf := filepath.Join(dir, name+".elf")
	if err := workloads.Build(workloads.Source(name), elf); err != nil {
		t.Fatal(err)
	}
	folders := map[string]string{}
	for _, s := range []side{theirs, ours} {
		folders[s.name] = filepath.Join(dir, s.name)
		if err := os.Mkdir(folders[s.name], 0o755); err != nil {
			t.Fatal(err)
		}
		r := s.must(t, folders[s.name], "", "load-elf", "--type", "multithreaded64-5", "--path", elf)
		if r.stdout != "" {
			t.Errorf("%s load-elf prints %q", s.name, r.stdout)
		}
	}
	compareFolders(t, folders[theirs.name], folders[ours.name])
	return filepath.Join(folders[ours.name], "state.bin.gz")
}

type witness struct {
	StateVersion uint8
	WitnessHash  string
	Step         uint64
	Exited       bool
	ExitCode     uint8
}

func (s side) witness(t *testing.T, state string) (w witness, text string) {
	t.Helper()
	text = s.must(t, "", "", "witness", "--input", state).stdout
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	return w, text
}

// shortened leaves out most of a list in short tests: each item costs several starts of Cannon.
func shortened[T any](list []T) []T {
	if !testing.Short() {
		return list
	}
	var some []T
	for n := 0; n < len(list); n += 4 {
		some = append(some, list[n])
	}
	return some
}

// TestDropIn runs guests with both commands, in one go, and compares everything that they write.
func TestDropIn(t *testing.T) {
	theirs, ours := sides(t)
	for _, g := range shortened(dropInGuests) {
		t.Run(g.name, func(t *testing.T) {
			state := prepare(t, g.name)
			meta := filepath.Join(filepath.Dir(state), "meta.json")
			results, folders := map[string]result{}, map[string]string{}
			for _, s := range []side{theirs, ours} {
				dir := t.TempDir()
				folders[s.name] = dir
				results[s.name] = s.must(t, dir, g.server, "run", "--input", state, "--meta", meta, "--info-at", "%1000003",
					"--proof-at", "%1009", "--proof-fmt", "proof-%d.json.gz", "--snapshot-at", "%3000017",
					"--snapshot-fmt", "%d.bin.gz", "--debug-info", "debug-info.json", "--debug", "--stop-at", "=5000000")
			}
			a, b := results[ours.name], results[theirs.name]
			if a.stdout != b.stdout {
				t.Errorf("stdout %s\nCannon %s", tail(a.stdout), tail(b.stdout))
			}
			if got, want := guestLog(a.stderr), guestLog(b.stderr); !slices.Equal(got, want) {
				t.Errorf("log %d lines, Cannon %d:\n%s\n%s", len(got), len(want), tail(strings.Join(got, "")), tail(strings.Join(want, "")))
			}
			files := compareFolders(t, folders[theirs.name], folders[ours.name])
			w, text := ours.witness(t, filepath.Join(folders[ours.name], "out.bin.gz"))
			if _, want := theirs.witness(t, filepath.Join(folders[theirs.name], "out.bin.gz")); text != want {
				t.Errorf("witness %s\nCannon %s", text, want)
			}
			t.Logf("%d steps, %d files are equal", w.Step, files)
		})
	}
}

// TestInTurns has a run interrupted many times, and continued by the other side each time; the end is that of an
// uninterrupted run. From each interruption both prove a few hundred steps; the contract gets ours.
func TestInTurns(t *testing.T) {
	theirs, ours := sides(t)
	chain, err := contract.Deploy()
	if err != nil {
		t.Logf("no contract: %v", err)
	}
	for _, g := range shortened(dropInGuests) {
		t.Run(g.name, func(t *testing.T) {
			state, dir := prepare(t, g.name), t.TempDir()
			proofs := 0
			at := uint64(0)
			for turn := 0; ; turn++ {
				if turn%3 == 0 {
					proofs += compareSpan(t, theirs, ours, state, g.server, at, 400, chain)
				}
				s := []side{theirs, ours}[turn%2]
				next := filepath.Join(dir, strconv.Itoa(turn)+".bin")
				stop := at + 150_001
				if turn > 9 {
					stop = 1 << 62
				}
				s.must(t, dir, g.server, "run", "--input", state, "--output", next, "--meta", "", "--stop-at", "="+strconv.FormatUint(stop, 10))
				w, text := ours.witness(t, next)
				if _, want := theirs.witness(t, next); text != want {
					t.Fatalf("witness of %s's state: %s\nCannon %s", s.name, text, want)
				}
				state, at = next, w.Step
				if w.Exited {
					break
				}
			}
			first := filepath.Join(filepath.Dir(prepare(t, g.name)), "state.bin.gz")
			whole := filepath.Join(dir, "whole.bin")
			ours.must(t, dir, g.server, "run", "--input", first, "--output", whole, "--meta", "")
			if !bytes.Equal(read(t, state), read(t, whole)) {
				t.Error("the state at the end of a run in turns is not that of an uninterrupted one")
			}
			t.Logf("%d steps, %d proofs of consecutive steps are equal", at, proofs)
		})
	}
}

// compareSpan compares proofs of consecutive steps, and how they are named; their number may be less at the end.
func compareSpan(t *testing.T, theirs, ours side, state, mode string, from, count uint64, chain *contract.MIPS64) int {
	t.Helper()
	folders := map[string]string{}
	for _, s := range []side{theirs, ours} {
		folders[s.name] = t.TempDir()
		s.must(t, folders[s.name], mode, "run", "--input", state, "--meta", "", "--output", "", "--proof-at", "always",
			"--stop-at", "="+strconv.FormatUint(from+count, 10))
	}
	n := compareFolders(t, folders[theirs.name], folders[ours.name])
	if chain == nil {
		return n
	}
	entries, _ := os.ReadDir(folders[ours.name])
	for k, e := range entries {
		if k%10 != 0 {
			continue
		}
		p := new(cannon.Proof)
		if err := json.Unmarshal(read(t, filepath.Join(folders[ours.name], e.Name())), p); err != nil {
			t.Fatal(err)
		}
		if post, _, err := chain.Step(p); err != nil || post != p.Post {
			t.Fatalf("%s: the contract computes %v, not %v (%v)", e.Name(), post, p.Post, err)
		}
	}
	return n
}
