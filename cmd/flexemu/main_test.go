package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/flexemu/flexemu/examples/preimage"
	"github.com/flexemu/flexemu/internal/merkle"
)

// guests is the folder with programs for mips64, those of examples/go, testdata/guest, and hardfloat; and serve, a
// pre-image server for the host.
var guests string

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"flexemu": main, "cannon": main})
}

// A suite builds the guests before the tests run; the commands that the scripts execute do not.
type suite struct{ *testing.M }

func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "flexemu-guests-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	soft := []string{"GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat"}
	hard := []string{"GOOS=linux", "GOARCH=mips64", "GOMIPS64=hardfloat"}
	for _, build := range []struct {
		env            []string
		output, source string
	}{
		{soft, dir, "../../examples/go/..."},
		{soft, dir, "./testdata/guest"},
		{hard, filepath.Join(dir, "hardfloat"), "../../examples/go/hello"},
		{nil, dir, "../../examples/preimage/serve"},
	} {
		cmd := exec.Command("go", "build", "-o", build.output, build.source)
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), build.env...)
		if text, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v\n%s", cmd, err, text)
			return 1
		}
	}
	guests = dir
	return s.M.Run()
}

// TestScripts runs testdata/*.txtar. In a script, guests/ has the programs and preimages/ the input of the guest
// preimage.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			data := bytes.Repeat([]byte("flexemu"), 1001)
			hash := merkle.Keccak256(data)
			err := preimage.WriteFolder(filepath.Join(e.WorkDir, "preimages"),
				map[[32]byte][]byte{preimage.Local(1): hash[:], preimage.Keccak256(hash): data})
			if err != nil {
				return err
			}
			e.Setenv("LOCAL", preimage.Local(1).String())
			e.Setenv("KECCAK", preimage.Keccak256(hash).String())
			return os.Symlink(guests, filepath.Join(e.WorkDir, "guests"))
		},
		Condition: func(name string) (bool, error) {
			if name != "full" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			_, err := os.Stat("/dev/full")
			return err == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "cut": cut, "patch": patch, "field": field,
		},
	})
}

// code N PROGRAM [ARG...] executes a program that has to end with exit code N.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cut FROM SIZE TO copies the first SIZE bytes of a file.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := []byte(ts.ReadFile(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b[:size], 0o644))
}

// patch FROM OFFSET HEX TO copies a file with other bytes at an offset, which counts from the end if negative.
func patch(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	with, err := hex.DecodeString(args[2])
	ts.Check(err)
	b := []byte(ts.ReadFile(args[0]))
	if offset < 0 {
		offset += len(b)
	}
	copy(b[offset:], with)
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), b, 0o644))
}

// field FROM NAME VALUE TO copies a JSON object with another value of a field; VALUE flip changes a bit of the last
// byte of a hexadecimal one.
func field(ts *testscript.TestScript, _ bool, args []string) {
	var object map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	value := args[2]
	if value == "flip" {
		old := string(object[args[1]])
		digit := "0"
		if strings.HasSuffix(old, `0"`) {
			digit = "1"
		}
		value = old[:len(old)-2] + digit + `"`
	}
	object[args[1]] = json.RawMessage(value)
	text, err := json.Marshal(object)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), text, 0o644))
}

// start runs flexemu with a guest that never ends, and waits for the guest's first output.
func start(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command("flexemu", args...)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatalf("no output: %v\n%s", err, stderr)
	}
	return cmd, stderr
}

func TestInterrupt(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		dir := t.TempDir()
		name := func(file string) string { return filepath.Join(dir, file) }
		cmd, stderr := start(t, "run", "--save", name("save"), "--stats", name("stats"),
			"--roots-at", "%100000", "--roots", name("roots"), filepath.Join(guests, "guest"), "spin")
		time.Sleep(10 * time.Millisecond) // more interesting a place than the first output
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(sig) {
			t.Fatalf("%v: exit code %d\n%s", sig, code, stderr)
		}
		if !strings.HasPrefix(stderr.String(), "flexemu: stopped at step ") {
			t.Errorf("%v: stderr is %q", sig, stderr)
		}
		text, err := os.ReadFile(name("stats"))
		if err != nil {
			t.Fatal(err)
		}
		var stats struct {
			Steps uint64
			Root  string
		}
		if err := json.Unmarshal(text, &stats); err != nil {
			t.Fatal(err)
		}
		text, err = exec.Command("flexemu", "inspect", "--json", name("save")).Output()
		if err != nil || !strings.Contains(string(text), stats.Root) {
			t.Errorf("the snapshot is %s (%v), the statistics are %+v", text, err, stats)
		}
		roots, err := os.ReadFile(name("roots"))
		if lines := uint64(strings.Count(string(roots), "\n")); err != nil || lines != stats.Steps/100000+1 {
			t.Errorf("%d roots of %d steps (%v)", lines, stats.Steps, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 3 {
			t.Errorf("the folder has %v (%v)", entries, err)
		}
	}
}

// A signal ends every command also where it waits for something else than steps.
func TestInterruptWaiting(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	proofs := filepath.Join(dir, "proofs")
	for _, args := range [][]string{
		{"verify", "-"},
		{"verify", pipe},
		{"inspect", pipe},
		{"run", pipe},
		{"run", "--resume", pipe},
		{"prove", "--at", "%1", "-o", proofs, filepath.Join(guests, "guest"), "spin"},
	} {
		cmd := exec.Command("flexemu", args...)
		stdin, err := cmd.StdinPipe() // which says nothing
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Until flexemu listens the signal ends the process itself; so it is sent until it has ended.
		ended := make(chan error)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
			t.Errorf("%v: it did not wait", args)
		case <-time.After(300 * time.Millisecond):
			cmd.Process.Signal(syscall.SIGINT)
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Errorf("%v: it goes on", args)
				cmd.Process.Kill()
				<-ended
			}
		}
		stdin.Close()
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if code := cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGINT) && !status.Signaled() {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v (%v)", entries, err)
	}
}

func TestClosedPipe(t *testing.T) {
	cmd := exec.Command("flexemu", "run", filepath.Join(guests, "guest"), "lines")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := r.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != codeFailed || !strings.Contains(stderr.String(), "broken pipe") {
		t.Errorf("exit code %d, stderr %q", code, &stderr)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	p := &progress{w: &out, now: func() time.Time { return clock }, began: clock, from: 500_000_000}
	expect := func(want string) {
		t.Helper()
		if out.String() != want {
			t.Errorf("printed %q, want %q", &out, want)
		}
		out.Reset()
	}
	clock = clock.Add(progressAfter - 1)
	p.show(600_000_000)
	p.clear()
	expect("")
	clock = clock.Add(1)
	p.show(1_500_000_000)
	expect("\r1,500,000,000 steps, 500.0 Msteps/s\x1b[K")
	p.show(1_600_000_000) // too early
	expect("")
	p.clear()
	p.clear()
	expect("\r\x1b[K")
	(*progress)(nil).show(1)
	(*progress)(nil).clear()
}

func TestRootSteps(t *testing.T) {
	const none = ^uint64(0)
	for _, c := range []struct {
		text       string
		step, want uint64
	}{
		{"%10", 0, 0},
		{"%10", 1, 10},
		{"%10", 10, 10},
		{"%10", none - 1, none},
		{"=10", 0, 10},
		{"=10", 10, 10},
		{"=10", 11, none},
		{"=0", 0, 0},
	} {
		r, err := parseRootSteps(c.text)
		if err != nil || r.from(c.step) != c.want {
			t.Errorf("%s from %d: %d (%v), want %d", c.text, c.step, r.from(c.step), err, c.want)
		}
	}
	for _, text := range []string{"", "10", "%", "%0", "%-1", "=x", "%18446744073709551616"} {
		if r, err := parseRootSteps(text); err == nil {
			t.Errorf("%q is taken as %+v", text, r)
		}
	}
}

func TestSelection(t *testing.T) {
	for text, want := range map[string]string{
		"7":              "[7]",
		"9,5,7":          "[5 7 9]",
		"3-5,4-6,8,7,10": "[3 4 5 6 7 8 10]",
		"0,0":            "[0]",
		"%4":             "[0 4 8 12 16 20]",
	} {
		s, err := parseSelection(text)
		if err != nil {
			t.Error(err)
		}
		var steps []uint64
		for at, ok := s.from(0); ok && at <= 20; at, ok = s.from(at + 1) {
			steps = append(steps, at)
		}
		if got := fmt.Sprint(steps); got != want || s.single() != (len(steps) == 1) {
			t.Errorf("%s: %s, single %t; want %s", text, got, s.single(), want)
		}
	}
	for _, text := range []string{"", ",", "1,", "5-3", "-1", "1-", "a", "%0", "%", "18446744073709551615", "0x10"} {
		if s, err := parseSelection(text); err == nil {
			t.Errorf("%q is taken as %+v", text, s)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
