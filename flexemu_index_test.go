package flexemu_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/examples/preimage"
)

// An answer is what there is to know about one step.
type answer struct {
	step            uint64
	root            flexemu.Hash
	proof, snapshot []byte // empty if not asked for
}

// ask makes the answer of a run that stands at the step; the snapshot is dear.
func ask(tb testing.TB, r *flexemu.Run, saved bool) answer {
	tb.Helper()
	a := answer{step: r.Step(), root: r.Root()}
	if saved {
		var b bytes.Buffer
		if err := r.Save(&b); err != nil {
			tb.Error(err)
		}
		a.snapshot = b.Bytes()
	}
	if done, _ := r.Exited(); !done {
		a.proof = prove(tb, r.Prove)
	}
	return a
}

func prove(tb testing.TB, f func() (*flexemu.Proof, error)) []byte {
	tb.Helper()
	p, err := f()
	if err != nil {
		tb.Error(err)
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		tb.Error(err)
	}
	return text
}

func (a answer) equal(b answer) bool {
	return a.step == b.step && a.root == b.root && bytes.Equal(a.proof, b.proof) && bytes.Equal(a.snapshot, b.snapshot)
}

// start makes a run of a guest.
func start(tb testing.TB, name string, h flexemu.Host) *flexemu.Run {
	tb.Helper()
	r, err := flexemu.Load(guest(tb, name), flexemu.Options{Args: []string{name}, Host: h})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// plain answers about ascending steps from one plain run, and gives its last figures. The steps that are proven are
// made by copies, for which other makes hosts.
func plain(t *testing.T, r *flexemu.Run, steps []uint64, other func() *testHost) ([]answer, flexemu.Stats) {
	t.Helper()
	var answers []answer
	for i, n := range steps {
		if err := r.RunTo(n); err != nil {
			t.Fatal(err)
		}
		c, err := r.Fork(other())
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, ask(t, c, i%4 == 0))
	}
	return answers, finish(t, r)
}

// somewhere are ascending steps below the end.
func somewhere(end uint64, count int) []uint64 {
	random := rand.New(rand.NewPCG(1, end))
	steps := []uint64{0, end - 1}
	for range count {
		steps = append(steps, random.Uint64N(end))
	}
	slices.Sort(steps)
	return slices.Compact(steps)
}

var background = context.Background()

// guestHosts are guests with hosts for them.
var guestHosts = map[string]func() *testHost{
	"threads":  func() *testHost { return &testHost{} },
	"preimage": preimageHost,
}

// TestIndexAnswers compares roots, proofs and snapshots of an index, asked in any order, with those of a plain run. The
// output must be shown once.
func TestIndexAnswers(t *testing.T) {
	for name, host := range guestHosts {
		whole := finish(t, start(t, name, host()))
		steps := somewhere(whole.Steps, 8)
		want, got := host(), host()
		answers, _ := plain(t, start(t, name, want), steps, host)
		x := flexemu.NewIndex(start(t, name, got), flexemu.IndexOptions{Spacing: 1 << 19})
		for _, i := range rand.New(rand.NewPCG(2, 2)).Perm(len(steps)) {
			checkIndex(t, x, answers[i])
		}
		if err := x.RunTo(background, end); err != nil {
			t.Fatal(err)
		}
		last, err := x.At(background, whole.Steps)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := x.End(); !ok || n != whole.Steps || last.Stats() != whole {
			t.Errorf("%s: the index ends at %d, %t, as %+v; want %+v", name, n, ok, last.Stats(), whole)
		}
		if got.out.String() != want.out.String() || !slices.Equal(got.hints, want.hints) {
			t.Errorf("%s: output %q, hints %q; want %q, %q", name, &got.out, got.hints, &want.out, want.hints)
		}
	}
}

// checkIndex asks an index for what a plain run has answered.
func checkIndex(t *testing.T, x *flexemu.Index, want answer) {
	t.Helper()
	r, err := x.At(background, want.step)
	if err != nil {
		t.Error(err)
		return
	}
	if got := ask(t, r, len(want.snapshot) > 0); !got.equal(want) {
		t.Errorf("state %d of %d has the root %x, want %x; proofs equal: %t, snapshots: %t", got.step, want.step,
			got.root, want.root, bytes.Equal(got.proof, want.proof), bytes.Equal(got.snapshot, want.snapshot))
	}
	if root, err := x.Root(background, want.step); err != nil || root != want.root {
		t.Errorf("the root of state %d is %x, %v; want %x", want.step, root, err, want.root)
	}
	if p := prove(t, func() (*flexemu.Proof, error) { return x.Prove(background, want.step) }); !bytes.Equal(p, want.proof) {
		t.Errorf("step %d has another proof", want.step)
	}
}

// TestIndexConcurrent asks while the index runs.
func TestIndexConcurrent(t *testing.T) {
	host := preimageHost
	whole := finish(t, start(t, "preimage", host()))
	answers, _ := plain(t, start(t, "preimage", host()), somewhere(whole.Steps, 6), host)
	got := host()
	x := flexemu.NewIndex(start(t, "preimage", got), flexemu.IndexOptions{Spacing: 1 << 17})
	var all sync.WaitGroup
	all.Go(func() {
		if err := x.RunTo(background, end); err != nil {
			t.Error(err)
		}
	})
	for i := range 3 {
		all.Go(func() {
			for k := range answers {
				checkIndex(t, x, answers[(2*k+i)%len(answers)])
			}
		})
	}
	all.Go(func() { // copies of one answer share its host
		r, err := x.At(background, whole.Steps/2)
		if err != nil {
			t.Error(err)
			return
		}
		for range 3 {
			c, err := r.Fork(nil)
			if err != nil {
				t.Error(err)
				return
			}
			all.Go(func() {
				if err := c.RunTo(end); err != nil || c.Stats() != whole {
					t.Errorf("a copy ends as %+v, %v; want %+v", c.Stats(), err, whole)
				}
			})
		}
	})
	all.Wait()
	if n := strings.Count(got.out.String(), "SHA-256"); n != 1 || len(got.hints) != 1 {
		t.Errorf("output %q and hints %q, want them once", &got.out, got.hints)
	}
}

// TestIndexMemory runs a guest that writes to its pages again and again, with room for few checkpoints and for all.
func TestIndexMemory(t *testing.T) {
	const spacing = 1 << 17
	before := heap()
	r := start(t, "alloc", nil)
	whole := finish(t, r)
	machine := heap() - before // with its engine
	runtime.KeepAlive(r)
	answers, _ := plain(t, start(t, "alloc", nil), somewhere(whole.Steps, 3), func() *testHost { return &testHost{} })

	for _, bound := range []uint64{12 << 20, 1 << 40} {
		before := heap()
		x := flexemu.NewIndex(start(t, "alloc", nil), flexemu.IndexOptions{Memory: bound, Spacing: spacing})
		most := uint64(0)
		for n := uint64(0); n < whole.Steps; n += spacing {
			if err := x.RunTo(background, n); err != nil {
				t.Fatal(err)
			}
			most = max(most, x.Held())
			evenlySpread(t, x)
			if n%(64*spacing) == 0 {
				if _, err := x.Root(background, n/2); err != nil { // its hashes must not keep a checkpoint
					t.Fatal(err)
				}
			}
		}
		took := heap() - before - machine
		// Beside what is bounded the newest checkpoint may have all of its pages for itself, and there are hashes: of the
		// pages that were hashed last, and of the checkpoint that was asked last.
		if newest := int64(whole.Pages) * (4096 + 256) * 3 / 2; took > int64(x.Held())+newest || most > bound {
			t.Errorf("%d checkpoints take %d bytes; the index says %d, before up to %d, and the newest one has %d; the bound is %d",
				len(x.Checkpoints()), took, x.Held(), most, newest, bound)
		}
		if n := len(x.Checkpoints()); bound < 1<<40 && (n < 4 || most < bound/2) || bound == 1<<40 && n < 300 {
			t.Errorf("only %d checkpoints, %d bytes, with a bound of %d", n, most, bound)
		}
		for _, a := range answers {
			checkIndex(t, x, a)
		}
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a cleanup let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIndexThins looks at a run with more checkpoints than an index keeps.
func TestIndexThins(t *testing.T) {
	whole := finish(t, start(t, "hello", nil))
	x := flexemu.NewIndex(start(t, "hello", nil), flexemu.IndexOptions{Spacing: 200}) // stands for 256
	if err := x.RunTo(background, end); err != nil {
		t.Fatal(err)
	}
	evenlySpread(t, x)
	steps := x.Checkpoints()
	if len(steps) < 200 || len(steps) > 512 || steps[0] != 0 || whole.Steps-steps[len(steps)-1] > steps[1] {
		t.Errorf("%d checkpoints up to step %d of %d", len(steps), steps[len(steps)-1], whole.Steps)
	}

	// Which ones there are does not depend on how the index came to its end, nor on what it was asked.
	y := flexemu.NewIndex(start(t, "hello", nil), flexemu.IndexOptions{Spacing: 256})
	for n := uint64(0); n < whole.Steps; n += 7777 {
		if _, err := y.Prove(background, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := y.RunTo(background, end); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(steps, y.Checkpoints()) || x.Held() != y.Held() {
		t.Errorf("%d and %d checkpoints, %d and %d bytes, for the same run", len(steps), len(y.Checkpoints()), x.Held(), y.Held())
	}
}

// evenlySpread checks that all checkpoints are equally far apart, and that this distance is a power of two.
func evenlySpread(t *testing.T, x *flexemu.Index) {
	t.Helper()
	steps := x.Checkpoints()
	for i := 2; i < len(steps); i++ {
		if d := steps[i] - steps[i-1]; d != steps[1]-steps[0] || d&(d-1) != 0 {
			t.Fatalf("the checkpoints are not evenly spread: %d", steps)
		}
	}
}

// TestIndexHost has a host that lacks a pre-image at first, and later all of them.
func TestIndexHost(t *testing.T) {
	host := preimageHost()
	whole := finish(t, start(t, "preimage", preimageHost()))
	key := [32]byte(preimage.Local(1))
	local := host.preimages[key]
	delete(host.preimages, key)
	x := flexemu.NewIndex(start(t, "preimage", host), flexemu.IndexOptions{})
	err := x.RunTo(background, end)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%x", key)) {
		t.Fatalf("without the pre-image: %v", err)
	}
	at := x.Step()
	if r, err := x.At(background, at); err != nil || r.Kind() != "syscall read pre-image" {
		t.Errorf("it stopped at step %d: %v", at, err)
	}
	if _, err := x.Root(background, at+1); err == nil {
		t.Errorf("there is a root of state %d, which cannot be reached", at+1)
	}
	host.preimages[key] = local
	if err := x.RunTo(background, end); err != nil {
		t.Fatal(err)
	}
	// What was read is known, so that the first state is enough to get to the last.
	clear(host.preimages)
	r, err := x.At(background, at)
	if err != nil {
		t.Fatal(err)
	}
	if s := finish(t, r); s != whole {
		t.Errorf("it ends as %+v, want %+v", s, whole)
	}

	// Where there is no room for pre-images the host is asked again.
	host = preimageHost()
	x = flexemu.NewIndex(start(t, "preimage", host), flexemu.IndexOptions{Memory: 100})
	if err := x.RunTo(background, end); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Root(background, whole.Steps-1); err != nil {
		t.Error(err)
	}
	host.preimages[key] = []byte("no hash, so the guest gives up")
	if _, err := x.Root(background, whole.Steps-1); err == nil || !strings.Contains(err.Error(), "other pre-images") {
		t.Errorf("the host has another pre-image now: %v", err)
	}
	clear(host.preimages)
	if _, err := x.Root(background, whole.Steps-1); err == nil {
		t.Error("the host has no pre-images, and the index no room for them")
	}
}

// TestIndexBegins makes an index of a snapshot.
func TestIndexBegins(t *testing.T) {
	r := start(t, "hello", nil)
	if err := r.RunTo(100_000); err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if err := r.Save(&saved); err != nil {
		t.Fatal(err)
	}
	r, err := flexemu.Resume(&saved, flexemu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := flexemu.NewIndex(r, flexemu.IndexOptions{})
	if x.First() != 100_000 || x.Step() != 100_000 {
		t.Errorf("the index begins at step %d and stands at %d", x.First(), x.Step())
	}
	if _, err := x.At(background, 99_999); err == nil || !strings.Contains(err.Error(), "100000") {
		t.Errorf("the state before the first: %v", err)
	}
	want, _ := plain(t, start(t, "hello", nil), []uint64{100_000, 200_000}, func() *testHost { return &testHost{} })
	for _, a := range want {
		checkIndex(t, x, a)
	}
}

// TestIndexEnds asks for what is behind the end.
func TestIndexEnds(t *testing.T) {
	whole := finish(t, start(t, "hello", nil))
	x := flexemu.NewIndex(start(t, "hello", nil), flexemu.IndexOptions{})
	if n, ok := x.End(); ok {
		t.Errorf("the end is known to be %d", n)
	}
	for name, ask := range map[string]func() error{
		"At":    func() error { _, err := x.At(background, whole.Steps+1); return err },
		"Root":  func() error { _, err := x.Root(background, end); return err },
		"Prove": func() error { _, err := x.Prove(background, whole.Steps); return err },
	} {
		if err := ask(); !errors.Is(err, flexemu.ErrEnded) || !strings.Contains(err.Error(), fmt.Sprint(whole.Steps)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, ok := x.End(); !ok || n != whole.Steps {
		t.Errorf("the end is %d, %t; want %d", n, ok, whole.Steps)
	}
	if root, err := x.Root(background, whole.Steps); err != nil || root != whole.Root {
		t.Errorf("the last root is %x, %v; want %x", root, err, whole.Root)
	}
}

// TestIndexStops stops an index in the middle, and lets it go on.
func TestIndexStops(t *testing.T) {
	whole := finish(t, start(t, "hello", nil))
	ctx, stop := context.WithCancelCause(background)
	why := errors.New("enough")
	var seen []uint64
	x := flexemu.NewIndex(start(t, "hello", nil), flexemu.IndexOptions{Spacing: 1 << 16, Progress: func(step uint64) {
		if seen = append(seen, step); len(seen) == 3 {
			stop(why)
		}
	}})
	if err := x.RunTo(ctx, end); !errors.Is(err, why) || x.Step() != 3<<16 {
		t.Errorf("it stopped at step %d: %v", x.Step(), err)
	}
	if _, err := x.At(ctx, 1000); !errors.Is(err, why) {
		t.Errorf("At says %v", err)
	}
	if root, err := x.Root(background, whole.Steps); err != nil || root != whole.Root {
		t.Errorf("the last root is %x, %v; want %x", root, err, whole.Root)
	}
	if !slices.IsSorted(seen) || seen[len(seen)-1] != whole.Steps {
		t.Errorf("the progress was %d", seen)
	}
}

// Run a program once, and then ask about any of its steps.
func ExampleIndex() {
	ctx := context.Background()
	index := flexemu.NewIndex(load(), flexemu.IndexOptions{})
	if err := index.RunTo(ctx, 1<<62); err != nil {
		log.Fatal(err)
	}
	n, _ := index.End()
	for _, step := range []uint64{n - 1, n / 2} {
		proof, err := index.Prove(ctx, step)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("replay:", flexemu.Verify(proof))
	}
	run, err := index.At(ctx, 1000)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("step", run.Step(), run.Instruction() != "")
	// Output:
	// hello, world
	// replay: <nil>
	// replay: <nil>
	// step 1000 true
}
