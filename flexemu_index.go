package flexemu

import (
	"context"
	"fmt"
	"math/bits"
	"sort"
	"sync"

	"github.com/flexemu/flexemu/internal/machine"
)

// What an IndexOptions of zeros stands for.
const (
	DefaultIndexMemory  = 512 << 20 // bytes
	DefaultIndexSpacing = 1 << 24   // steps
)

// IndexOptions say which checkpoints an Index keeps. The zero value is of use.
type IndexOptions struct {
	// Memory bounds, in bytes, what the index holds beside the present state: checkpoints and pre-images. It does not
	// count what the newest checkpoint has for itself, at most one more copy of the guest's memory, and the hashes of
	// one checkpoint, some 6 % of that. 0 stands for DefaultIndexMemory.
	Memory uint64
	// Spacing is the first number of steps from one checkpoint to the next, rounded up to a power of two. 0 stands
	// for DefaultIndexSpacing, and for more where the guest has so many pages that this would make the run slow.
	Spacing uint64
	// Progress, if not nil, is called with the step counter after every 8 million steps or less, by the goroutine that
	// has made them.
	Progress func(step uint64)
}

// An Index gives random access to one run: the state, the root and the proof of any step. It runs the program once,
// at full speed, and keeps checkpoints, which are states in memory that share what is equal in them. A question
// about a step is answered from the checkpoint before it. There are so many of them that this takes seconds at
// most, for runs of 10^10 steps and more; when they become too many, or hold too much memory, every other one is
// dropped and the following ones are made twice as far apart. Which ones there are depends on nothing but the program
// and the options.
//
// Output and hints of a step reach the run's host when the index makes the step, and never again. Pre-images that
// were read are kept within the bound of memory; the host is asked again for the others. The host is called by
// one goroutine at a time, and must not call the index.
//
// The methods may be called by several goroutines. Questions about steps that the index has made are answered
// concurrently, also while it makes more.
type Index struct {
	busy      chan struct{} // full while somebody uses run: a lock that one can stop waiting for
	run       *Run          // the present state
	host      *indexHost
	first     uint64      // step of the first state
	firstRoot func() Hash // of the state there
	memory    uint64      // bound of held
	perPage   uint64      // least steps between checkpoints for each page of the guest
	progress  func(uint64)

	mu          sync.Mutex // guards what follows; who holds busy may take it, not the other way round
	step        uint64     // of the present state, or of one shortly before
	ended       bool       // the machine has halted, at step
	spacing     uint64     // steps from one checkpoint to the next, a power of two
	checkpoints []checkpoint
	newest      []pageVersion // of the last checkpoint
	held        uint64        // bytes
	hashed      checkpoint    // the one that a root was last asked of, hashed; or nothing
}

// A checkpoint is a state that is only ever copied. The first one is that with which the index began; the others
// are spacing steps apart.
type checkpoint struct {
	step    uint64
	machine *machine.Machine
}

// A pageVersion tells the pages of checkpoints apart: those that nobody has written to in between have the same
// data, not only equal ones.
type pageVersion struct {
	page uint64
	data *[machine.PageSize]byte
}

const (
	// maxCheckpoints bounds what is spent on checkpoints that differ in little. For 10^10 steps it makes the spacing
	// 2^25, for 10^12 2^31.
	maxCheckpoints = 512
	// checkpointCost is the size in bytes of a machine without its pages.
	checkpointCost = 16 << 10
	// pageCost is what a page costs that a checkpoint does not share with the next, with the branches of the tree
	// above it: in a memory of 2^18 pages that were written to here and there, up to 18 of 112 bytes.
	pageCost = machine.PageSize + 2<<10
	// stepsPerPage makes looking through the pages at a checkpoint, some 30 ns for each, 5 % of the time at 3 billion
	// steps per second.
	stepsPerPage = 2048
	// indexSlice is how many steps are made before a context is looked at: milliseconds.
	indexSlice = 1 << 23
)

// NewIndex makes an index that begins with the present state of a run. The run is the index's from then on: the
// caller must not use it any more.
func NewIndex(r *Run, o IndexOptions) *Index {
	if o.Memory == 0 {
		o.Memory = DefaultIndexMemory
	}
	x := &Index{
		busy: make(chan struct{}, 1), run: r, progress: o.Progress,
		host:  &indexHost{host: r.system.Host, known: map[[32]byte][]byte{}, bound: o.Memory / 4},
		first: r.Step(), memory: o.Memory - o.Memory/4,
		step: r.Step(),
	}
	x.ended, _ = r.Exited()
	x.firstRoot = sync.OnceValue(func() Hash {
		m, _, _ := x.nearest(x.first)
		return m.Root()
	})
	r.system.Host = x.host
	if o.Spacing == 0 {
		o.Spacing, x.perPage = DefaultIndexSpacing, stepsPerPage
	}
	const most = 1 << 62 // so that it can be doubled
	x.spacing = 1 << bits.Len64(min(o.Spacing, most)-1)
	x.keep(checkpoint{r.Step(), r.system.Machine.Fork()})
	return x
}

// RunTo makes the index go on until it has reached step n or the machine has halted. When ctx is done it ends at
// the end of a step, with an error that wraps the context's cause; all other errors are the host's. It may be called
// again after any of them.
func (x *Index) RunTo(ctx context.Context, n uint64) error {
	for {
		if step, ended := x.reached(); ended || step >= n {
			return nil
		}
		if err := x.advance(ctx, n); err != nil {
			return err
		}
		if x.progress != nil {
			x.progress(x.Step())
		}
	}
}

// reached gives the step of the present state, and whether the machine has halted there.
func (x *Index) reached() (step uint64, ended bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.step, x.ended
}

// Step is how far the index has run.
func (x *Index) Step() uint64 {
	step, _ := x.reached()
	return step
}

// First is the step of the first state, before which the index knows nothing.
func (x *Index) First() uint64 { return x.first }

// End is the step at which the machine has halted, if the index has got there: the number of steps of the program.
func (x *Index) End() (n uint64, ok bool) {
	step, ended := x.reached()
	if !ended {
		return 0, false
	}
	return step, true
}

// Checkpoints are the steps of the checkpoints, ascending. Work on all of a run is best divided there.
func (x *Index) Checkpoints() []uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	steps := make([]uint64, len(x.checkpoints))
	for i, c := range x.checkpoints {
		steps[i] = c.step
	}
	return steps
}

// Held is how many bytes the checkpoints and pre-images take at most that IndexOptions.Memory bounds.
func (x *Index) Held() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.held + x.host.held()
}

// At gives an independent run that stands at step n, for any one goroutine to step, prove, save and fork. The index
// runs on if it has not reached that step. When the machine halts before it, the error wraps ErrEnded.
//
// The run gets pre-images from the index; nobody sees its output and hints. So a host that has a pre-image only
// after a hint may lack those of steps that the index has not made.
func (x *Index) At(ctx context.Context, n uint64) (*Run, error) { return x.at(ctx, n, false) }

// at is At for somebody who wants roots of the run or not.
func (x *Index) at(ctx context.Context, n uint64, roots bool) (*Run, error) {
	if err := x.RunTo(ctx, n); err != nil {
		return nil, err
	}
	m, err := x.before(ctx, n, roots)
	if err != nil {
		return nil, err
	}
	return x.repeat(ctx, m, n, x.run.likewise())
}

// repeat makes a run of a machine, which becomes its own, and brings it to step n, which the index has passed.
func (x *Index) repeat(ctx context.Context, m *machine.Machine, n uint64, engine string) (*Run, error) {
	r, err := newRun(x.run.kernel, m, quietHost{x.host}, engine)
	if err != nil {
		return nil, err
	}
	if err := r.repeatTo(ctx, n); err != nil {
		return nil, err
	}
	return r, nil
}

// repeatTo makes steps that the index has made before, up to step n.
func (r *Run) repeatTo(ctx context.Context, n uint64) error {
	for step := r.Step(); step < n; step = r.Step() {
		if ctx.Err() != nil {
			return fmt.Errorf("state %d: stopped at step %d: %w", n, step, context.Cause(ctx))
		}
		if err := r.RunTo(step + min(n-step, indexSlice)); err != nil {
			return fmt.Errorf("state %d: %w", n, err)
		}
		if done, _ := r.Exited(); done && r.Step() < n {
			return repeatedError(n, r.Step())
		}
	}
	return nil
}

// repeatedError says that a run that should have come to state n has ended before.
func repeatedError(n, end uint64) error {
	return fmt.Errorf("state %d: repeated, the run ended at step %d: the host gave other pre-images than before", n, end)
}

// Root is the root at step n. For many at steps that lie together, ask At for the first one's run.
func (x *Index) Root(ctx context.Context, n uint64) (Hash, error) {
	r, err := x.at(ctx, n, true)
	if err != nil {
		return Hash{}, err
	}
	return r.Root(), nil
}

// Prove proves step n, which leads from state n to state n + 1. A halted machine has no next step: ErrEnded.
func (x *Index) Prove(ctx context.Context, n uint64) (*Proof, error) {
	r, err := x.at(ctx, n, true)
	if err != nil {
		return nil, err
	}
	return r.Prove()
}

// lock waits until nobody else uses x.run.
func (x *Index) lock(ctx context.Context) error {
	if ctx.Err() == nil { // select would choose between two that are ready
		select {
		case x.busy <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("stopped at step %d: %w", x.Step(), context.Cause(ctx))
}

func (x *Index) unlock() { <-x.busy }

// advance makes some of the steps up to n, unless somebody else has, and a checkpoint where one belongs. In between
// others have their turn: they may not want to go that far.
func (x *Index) advance(ctx context.Context, n uint64) error {
	if err := x.lock(ctx); err != nil {
		return err
	}
	defer x.unlock()
	r := x.run
	if r.Step() >= n {
		return nil
	}
	// Who holds busy reads spacing at will: nobody else changes it.
	left := x.spacing - (r.Step()-x.first)%x.spacing
	err := r.RunTo(r.Step() + min(n-r.Step(), indexSlice, left))
	x.mu.Lock()
	defer x.mu.Unlock()
	x.step = r.Step()
	x.ended, _ = r.Exited()
	if x.step > x.checkpoints[len(x.checkpoints)-1].step && x.fits(x.step) {
		x.keep(checkpoint{x.step, r.system.Machine.Fork()})
		for x.crowded() {
			x.thin()
		}
	}
	return err
}

// fits tells whether a step is one for a checkpoint.
func (x *Index) fits(step uint64) bool { return (step-x.first)%x.spacing == 0 }

// keep appends a checkpoint.
func (x *Index) keep(c checkpoint) {
	older := x.newest
	x.newest = make([]pageVersion, 0, c.machine.Mem.Pages())
	replaced := uint64(0)
	c.machine.Mem.EachPage(func(page uint64, data *[machine.PageSize]byte) error {
		for len(older) > 0 && older[0].page < page {
			older = older[1:]
		}
		if len(older) > 0 && older[0].page == page && older[0].data != data {
			replaced++
		}
		x.newest = append(x.newest, pageVersion{page, data})
		return nil
	})
	x.checkpoints = append(x.checkpoints, c)
	// No version of a page comes again, so this counts each that the last checkpoint does not have once.
	x.held += replaced*pageCost + checkpointCost + uint64(len(c.machine.Hint))
}

// crowded tells whether there are too many checkpoints. The first one stays whatever it holds.
func (x *Index) crowded() bool {
	return x.spacing < x.perPage*uint64(len(x.newest)) ||
		len(x.checkpoints) > maxCheckpoints ||
		x.held > x.memory && len(x.checkpoints) > 1
}

// thin doubles the spacing and drops the checkpoints that do not fit it.
func (x *Index) thin() {
	x.spacing *= 2
	old := x.checkpoints
	x.checkpoints, x.newest, x.held = nil, nil, 0
	for _, c := range old {
		if x.fits(c.step) {
			x.keep(c)
		}
	}
	if !x.fits(x.hashed.step) {
		x.hashed = checkpoint{}
	}
}

// before gives a machine of its own for the caller, which stands at step n or less before it. Its memory is hashed if
// the caller wants roots: the next caller does not have to do that again.
func (x *Index) before(ctx context.Context, n uint64, roots bool) (*machine.Machine, error) {
	step, ended := x.reached()
	switch {
	case n < x.first:
		return nil, fmt.Errorf("state %d: the index begins with that of step %d", n, x.first)
	case n > step && ended:
		return nil, &endedError{n, step}
	case n == step:
		if m, err := x.present(ctx, n, roots); m != nil || err != nil {
			return m, err
		}
	}
	m, at, hashed := x.nearest(n)
	if roots && !hashed {
		m.Root() // takes seconds if there is much memory
		x.mu.Lock()
		if x.fits(at) { // it may have been dropped meanwhile
			x.hashed = checkpoint{at, m.Fork()}
		}
		x.mu.Unlock()
	}
	return m, nil
}

// nearest gives a copy of the checkpoint at step n or before it, its step, and whether its memory is hashed.
func (x *Index) nearest(n uint64) (m *machine.Machine, step uint64, hashed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.checkpoints[x.lastAt(n)]
	if x.hashed.machine != nil && x.hashed.step == c.step {
		return x.hashed.machine.Fork(), c.step, true
	}
	return c.machine.Fork(), c.step, false
}

// checkpoint is the step of the last checkpoint at step n or before it; n must not be before the first.
func (x *Index) checkpoint(n uint64) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.checkpoints[x.lastAt(n)].step
}

// lastAt is the place of the last checkpoint at step n or before it.
func (x *Index) lastAt(n uint64) int {
	return sort.Search(len(x.checkpoints), func(i int) bool { return x.checkpoints[i].step > n }) - 1
}

// present gives a copy of the present state, or nil if that is of another step than n by now.
func (x *Index) present(ctx context.Context, n uint64, roots bool) (*machine.Machine, error) {
	if err := x.lock(ctx); err != nil {
		return nil, err
	}
	defer x.unlock()
	if x.run.Step() != n {
		return nil, nil
	}
	if roots {
		x.run.Root()
	}
	return x.run.system.Machine.Fork(), nil
}

// An endedError says that there is no state of step n.
type endedError struct{ n, end uint64 }

func (e *endedError) Error() string {
	return fmt.Sprintf("state %d: the program ended at step %d", e.n, e.end)
}
func (e *endedError) Unwrap() error { return ErrEnded }

// An indexHost is the host of an index's run. It keeps the pre-images that it has passed on, as far as there is
// room: the ones before them make way.
type indexHost struct {
	asking sync.Mutex // held while host is called
	host   Host

	mu    sync.Mutex // guards what follows
	known map[[32]byte][]byte
	order [][32]byte // of the keys in known, as they came
	size  uint64     // bytes
	bound uint64     // of size
}

// preimageCost is what a pre-image costs besides its data, in bytes.
const preimageCost = 128

// Preimage implements Host.
func (h *indexHost) Preimage(key [32]byte) ([]byte, error) {
	if data, ok := h.recall(key); ok {
		return data, nil
	}
	h.asking.Lock()
	defer h.asking.Unlock()
	if data, ok := h.recall(key); ok { // somebody else has asked meanwhile
		return data, nil
	}
	data, err := h.host.Preimage(key)
	if err == nil {
		h.remember(key, data)
	}
	return data, err
}

// Hint implements Host.
func (h *indexHost) Hint(hint []byte) error {
	h.asking.Lock()
	defer h.asking.Unlock()
	return h.host.Hint(hint)
}

// Output implements Host.
func (h *indexHost) Output(fd int, p []byte) error {
	h.asking.Lock()
	defer h.asking.Unlock()
	return h.host.Output(fd, p)
}

func (h *indexHost) recall(key [32]byte) ([]byte, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	data, ok := h.known[key]
	return data, ok
}

func (h *indexHost) remember(key [32]byte, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	size := uint64(len(data)) + preimageCost
	if size > h.bound {
		return
	}
	for h.size+size > h.bound {
		h.size -= uint64(len(h.known[h.order[0]])) + preimageCost
		delete(h.known, h.order[0])
		h.order = h.order[1:]
	}
	h.known[key] = append([]byte(nil), data...) // data are the host's
	h.order = append(h.order, key)
	h.size += size
}

func (h *indexHost) held() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.size
}

// A quietHost is the host of a run that repeats what an index has done.
type quietHost struct{ *indexHost }

// Hint does nothing.
func (quietHost) Hint([]byte) error { return nil }

// Output does nothing.
func (quietHost) Output(int, []byte) error { return nil }

// Fork makes an independent run in the same state; the two may then be used by different goroutines. It costs at most
// what was written since the last copy, whatever the size of the state. h is the copy's host; nil stands for the host
// of r, which then sees the output and hints of both, and must allow for concurrent calls if the runs are used
// concurrently. The host of a run that Index.At gave does. What r has hashed is hashed for the copy too, so call
// Root before, if roots will be asked for.
func (r *Run) Fork(h Host) (*Run, error) {
	if h == nil {
		h = r.system.Host
	}
	return newRun(r.kernel, r.system.Machine.Fork(), h, r.likewise())
}
