package flexemu_test

import (
	"context"
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

// split makes workers share even short histories.
func split(t *testing.T) {
	was := flexemu.SetStartCost(1)
	t.Cleanup(func() { flexemu.SetStartCost(was) })
}

// single gives the roots of a program after 0 steps and each step of the interpreter, up to most, and which kinds of steps
// there were.
func single(t *testing.T, program []byte, h flexemu.Host, most int) (roots []flexemu.Hash, kinds map[string]int) {
	t.Helper()
	r, err := flexemu.Load(program, flexemu.Options{Host: h, Engine: flexemu.EngineInterp})
	if err != nil {
		t.Fatal(err)
	}
	kinds = map[string]int{}
	for done := false; !done && len(roots) <= most; done, _ = r.Exited() {
		roots = append(roots, r.Root())
		kinds[r.Kind()]++
		if err := r.RunTo(r.Step() + 1); err != nil {
			t.Fatal(err)
		}
	}
	return append(roots, r.Root()), kinds
}

// indexOf makes an index of a program.
func indexOf(t *testing.T, program []byte, h flexemu.Host, o flexemu.IndexOptions) *flexemu.Index {
	t.Helper()
	r, err := flexemu.Load(program, flexemu.Options{Host: h})
	if err != nil {
		t.Fatal(err)
	}
	return flexemu.NewIndex(r, o)
}

// pickRoots gives what a history has to have, of the roots after 0 and more steps up to the machine's end, or up to one
// that is far enough.
func pickRoots(roots []flexemu.Hash, o flexemu.HistoryOptions) (want []flexemu.Hash) {
	last := uint64(len(roots) - 1)
	for at := o.From; uint64(len(want)) < o.Count; {
		at = min(at+1<<o.Log2Stride, last)
		if want = append(want, roots[at]); at == last {
			break
		}
	}
	return want
}

// checkHistory compares a history with the roots that single has given.
func checkHistory(t *testing.T, x *flexemu.Index, o flexemu.HistoryOptions, roots []flexemu.Hash) {
	t.Helper()
	got, err := x.History(background, o)
	if err != nil {
		t.Errorf("history of %d roots from %d with a stride of 2^%d: %v", o.Count, o.From, o.Log2Stride, err)
		return
	}
	want := pickRoots(roots, o)
	if slices.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("history of %d roots from %d with a stride of 2^%d, %d workers: has %d roots, want %d; equal are the first %d",
		o.Count, o.From, o.Log2Stride, o.Workers, len(got), len(want), at)
}

// TestHistory compares histories of programs for all instruction sets with the roots of single steps: from the first
// state, from the middle and from the end; that halt in the middle of a stride, and that end before the machine.
func TestHistory(t *testing.T) {
	split(t)
	dir := t.TempDir()
	for _, isa := range flexemu.ISAs() {
		for _, name := range []string{"threads", "preimage", "system", "faults", "hello"} {
			program := buildC(t, dir, name+"."+isa.Name)
			if program == nil {
				continue
			}
			roots, kinds := single(t, program, fewBytes(), 1e6)
			steps := uint64(len(roots) - 1)
			if name == "preimage" && kinds["syscall read pre-image"] == 0 || name == "threads" && kinds["syscall clone"] == 0 {
				t.Errorf("%s: no steps of interest among %v", name, kinds)
			}
			t.Logf("%s for %s: %d steps", name, isa.Name, steps)
			x := indexOf(t, program, fewBytes(), flexemu.IndexOptions{Spacing: 1 << 11})
			for i, stride := range []uint8{0, 4, 5, 20} {
				for k, from := range []uint64{0, steps / 3, steps - 1, steps} {
					// Starts of the compiler are dear, so not all combinations.
					count := []uint64{1 << 40, 2, 100}[(i+k)%3]
					o := flexemu.HistoryOptions{From: from, Log2Stride: stride, Count: count, Workers: 1 + k%3}
					checkHistory(t, x, o, roots)
				}
			}
		}
	}
}

// fewBytes is a preimageHost with less to hash.
func fewBytes() *testHost {
	data := []byte("a few bytes")
	hash := merkle.Keccak256(data)
	return &testHost{preimages: map[[32]byte][]byte{preimage.Local(1): hash[:], preimage.Keccak256(hash): data}}
}

// buildC builds a program of examples/c, or gives nil if there is no compiler for it.
func buildC(t *testing.T, dir, name string) []byte {
	t.Helper()
	if text, err := exec.Command("make", "-s", "-C", "examples/c", "BUILD="+dir, filepath.Join(dir, name)).CombinedOutput(); err != nil {
		t.Logf("%s is left out: %v: %s", name, err, text)
		return nil
	}
	program, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestHistoryOfGo has a program with threads whose time is over, in histories that begin on both sides of that.
func TestHistoryOfGo(t *testing.T) {
	split(t)
	program := guest(t, "threads")
	const steps = 250_000
	roots, kinds := single(t, program, &testHost{}, steps)
	if kinds[flexemu.KindThreadSwitch] == 0 {
		t.Fatal("no thread's time is over")
	}
	x := indexOf(t, program, &testHost{}, flexemu.IndexOptions{})
	for _, o := range []flexemu.HistoryOptions{
		{Count: steps},
		{Count: steps / 1024, Log2Stride: 10},
		{From: 99_990, Count: 20_000, Workers: 1},
		{From: 77_777, Count: 10_000, Log2Stride: 4, Workers: 3},
		{From: 77_777, Count: 1000, Log2Stride: 5, Workers: 3},
	} {
		checkHistory(t, x, o, roots)
	}
}

// history is of the first 40,000 steps of hello.
var history = flexemu.HistoryOptions{From: 1000, Count: 20_000, Log2Stride: 1}

// TestHistoryFolder keeps a history and finds it again; with other options there is another one.
func TestHistoryFolder(t *testing.T) {
	split(t)
	program := guest(t, "hello")
	roots, _ := single(t, program, nil, 60_000)
	o := history
	o.Folder = t.TempDir()
	checkHistory(t, indexOf(t, program, nil, flexemu.IndexOptions{}), o, roots)
	again := indexOf(t, program, nil, flexemu.IndexOptions{})
	o.Progress = func(uint64, uint64) { t.Error("something is made that is there") }
	checkHistory(t, again, o, roots)
	if again.Step() != 0 {
		t.Error("the index has run for a history that is there")
	}
	o.Progress, o.Count = nil, o.Count+5000
	checkHistory(t, again, o, roots)
	for i, change := range []func(o *flexemu.HistoryOptions){
		func(o *flexemu.HistoryOptions) { o.Inputs[5]++ },
		func(o *flexemu.HistoryOptions) { o.From++ },
		func(o *flexemu.HistoryOptions) { o.Log2Stride = 0 },
	} {
		change(&o)
		checkHistory(t, again, o, roots)
		if files := historyFiles(t, o.Folder); len(files) != i+2 {
			t.Errorf("the files are %q", files)
		}
	}
}

// TestHistoryFolderOfEnded keeps histories that end with the machine.
func TestHistoryFolderOfEnded(t *testing.T) {
	whole := finish(t, start(t, "hello", nil))
	x := flexemu.NewIndex(start(t, "hello", nil), flexemu.IndexOptions{})
	for _, o := range []flexemu.HistoryOptions{
		{From: whole.Steps, Count: 8},
		{From: whole.Steps - 100, Count: 100},
		{From: whole.Steps - 100, Count: 101},
		{From: whole.Steps - 100, Count: 1 << 50, Log2Stride: 3},
		{Count: 1 << 20, Log2Stride: 10},
		{Count: 1 << 20, Log2Stride: 63},
	} {
		o.Folder = t.TempDir()
		want, err := x.History(background, o)
		if err != nil || want[len(want)-1] != whole.Root {
			t.Errorf("%+v: %v; the last root is not the machine's last one", o, err)
		}
		again := flexemu.NewIndex(start(t, "hello", nil), flexemu.IndexOptions{})
		if got, err := again.History(background, o); err != nil || !slices.Equal(got, want) || again.Step() != 0 {
			t.Errorf("%+v: %d roots, then %d, %v; the index is at step %d", o, len(want), len(got), err, again.Step())
		}
	}
}

func historyFiles(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestHistoryStops stops a history again and again: it comes to an end, for what was found is kept.
func TestHistoryStops(t *testing.T) {
	split(t)
	program := guest(t, "hello")
	roots, _ := single(t, program, nil, 60_000)
	o := history
	o.Folder = t.TempDir()
	why := errors.New("enough")
	most, stops := uint64(0), 0
	for {
		ctx, stop := context.WithCancelCause(background)
		first := true
		o.Progress = func(done, count uint64) {
			if first && done < most {
				t.Errorf("%d roots are there, of %d before", done, most)
			}
			first = false
			if most = max(most, done); done < count {
				stop(why)
			}
		}
		_, err := indexOf(t, program, nil, flexemu.IndexOptions{}).History(ctx, o)
		if err == nil {
			break
		}
		if stops++; !errors.Is(err, why) || stops > 100 {
			t.Fatalf("it was stopped %d times: %v", stops, err)
		}
	}
	if stops < 3 {
		t.Errorf("it was stopped %d times", stops)
	}
	checkHistory(t, indexOf(t, program, nil, flexemu.IndexOptions{}), o, roots)
}

// TestHistoryDamage cuts a file at many places and turns bits: the history stays right.
func TestHistoryDamage(t *testing.T) {
	split(t)
	program := guest(t, "hello")
	roots, _ := single(t, program, nil, 10_000)
	o := flexemu.HistoryOptions{Count: 3000, Log2Stride: 1, Folder: t.TempDir(), Workers: 2}
	x := indexOf(t, program, nil, flexemu.IndexOptions{})
	checkHistory(t, x, o, roots)
	name := historyFiles(t, o.Folder)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		at := i
		if i > 15 {
			at = i * 7919 * 13 % len(whole)
		}
		damaged := slices.Clone(whole)
		damaged[at] ^= 1 << (i % 8)
		for _, b := range [][]byte{damaged, whole[:at], append(slices.Clone(whole), whole[:at]...), make([]byte, at)} {
			if err := os.WriteFile(name, b, 0o666); err != nil {
				t.Fatal(err)
			}
			checkHistory(t, x, o, roots)
			o.Progress = func(uint64, uint64) { t.Error("the file was not made whole") }
			checkHistory(t, x, o, roots)
			o.Progress = nil
		}
	}
}

// TestHistoryNotKept has folders that cannot be written to: there is a history nevertheless.
func TestHistoryNotKept(t *testing.T) {
	program := guest(t, "hello")
	roots, _ := single(t, program, nil, 10_000)
	o := flexemu.HistoryOptions{Count: 3000}
	x := indexOf(t, program, nil, flexemu.IndexOptions{})
	full := t.TempDir()
	o.Folder = full
	checkHistory(t, x, o, roots)
	name := historyFiles(t, full)[0]
	if err := errors.Join(os.Remove(name), os.Symlink("/dev/full", name)); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{filepath.Join(full, "missing"), os.DevNull, full} {
		o.Folder = folder
		got, err := x.History(background, o)
		if !errors.Is(err, flexemu.ErrNotKept) || !strings.Contains(err.Error(), folder) {
			t.Errorf("%s: %v", folder, err)
		}
		if !slices.Equal(got, pickRoots(roots, o)) {
			t.Errorf("%s: the history is wrong", folder)
		}
	}
}

// TestHistoryErrors asks for what there is not.
func TestHistoryErrors(t *testing.T) {
	whole := finish(t, start(t, "hello", nil))
	x := flexemu.NewIndex(start(t, "hello", nil), flexemu.IndexOptions{})
	if _, err := x.History(background, flexemu.HistoryOptions{From: whole.Steps + 1, Count: 1}); !errors.Is(err, flexemu.ErrEnded) {
		t.Errorf("from behind the end: %v", err)
	}
	if _, err := x.History(background, flexemu.HistoryOptions{From: end, Count: end, Log2Stride: 63}); !errors.Is(err, flexemu.ErrEnded) {
		t.Errorf("from far behind the end: %v", err)
	}
	if _, err := x.History(background, flexemu.HistoryOptions{Count: 1, Log2Stride: 64}); err == nil {
		t.Error("there is a stride of 2^64")
	}
	if roots, err := x.History(background, flexemu.HistoryOptions{}); err != nil || roots != nil {
		t.Errorf("no roots: %x, %v", roots, err)
	}
	host := preimageHost()
	clear(host.preimages)
	x = flexemu.NewIndex(start(t, "preimage", host), flexemu.IndexOptions{})
	if _, err := x.History(background, flexemu.HistoryOptions{Count: end}); err == nil || !strings.Contains(err.Error(), "pre-image") {
		t.Errorf("without pre-images: %v", err)
	}

	// Where the index has no room for pre-images, workers ask the host again.
	host = preimageHost()
	x = flexemu.NewIndex(start(t, "preimage", host), flexemu.IndexOptions{Memory: 100})
	if err := x.RunTo(background, end); err != nil {
		t.Fatal(err)
	}
	clear(host.preimages)
	for _, stride := range []uint8{2, 12} {
		if _, err := x.History(background, flexemu.HistoryOptions{Count: end, Log2Stride: stride}); err == nil || !strings.Contains(err.Error(), "pre-image") {
			t.Errorf("without pre-images for a stride of 2^%d: %v", stride, err)
		}
	}
}

// The roots of a run, a thousand steps apart.
func ExampleIndex_History() {
	index := flexemu.NewIndex(load(), flexemu.IndexOptions{})
	roots, err := index.History(context.Background(), flexemu.HistoryOptions{Log2Stride: 10, Count: 1 << 20})
	if err != nil {
		panic(err)
	}
	n, _ := index.End()
	last, err := index.Root(context.Background(), n)
	fmt.Println(uint64(len(roots)) == (n+1023)/1024, roots[len(roots)-1] == last, err)
	// Output:
	// hello, world
	// true true <nil>
}
