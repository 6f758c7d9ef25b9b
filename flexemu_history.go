package flexemu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
)

// HistoryOptions say which roots a history has, and where it is kept.
type HistoryOptions struct {
	// From is the step of the state with which the history begins. Its root is not among those of the history.
	From uint64
	// Log2Stride is the number of steps from one root to the next: 2^Log2Stride, of at most 2^63.
	Log2Stride uint8
	// Count is the number of roots, if the machine does not halt before.
	Count uint64

	// Folder, if not empty, is where the roots are kept as they are found, and looked for: in a file named after the
	// index's first state and the options. Whoever asks again, also after a crash, pays for what is missing only. The
	// folder must be there.
	Folder string
	// Inputs stands for what the run depends on beside its first state and pre-images that their keys commit to: local
	// pre-images. Any hash will do that is another for others. It is part of the file's name, and of no use without a
	// Folder.
	Inputs Hash

	// Workers is how many goroutines work on it. Each has up to two copies of the guest's memory, so much of it as
	// changes. 0 stands for as many as there are processors.
	Workers int
	// Progress, if not nil, is called with the number of roots that are there, by one goroutine at a time.
	Progress func(done, count uint64)
}

// ErrNotKept is wrapped by the error of Index.History when all roots are there, but could not be kept in a file.
var ErrNotKept = errors.New("the history could not be kept")

// History gives roots of states that lie a stride apart: element j is the root From + (j+1) · 2^Log2Stride steps after
// the program's start. When the machine halts before the last of them, the history ends with the root of the final
// state, which stands for all that would follow; so there is always one, if Count is not 0. When it has halted before
// From the error wraps ErrEnded.
//
// The index runs on if it has not come as far. Several goroutines share the work. When ctx is done the error wraps the
// context's cause, and what was found is kept. If the error wraps ErrNotKept there is a result nevertheless; with any
// other error there is none.
func (x *Index) History(ctx context.Context, o HistoryOptions) ([]Hash, error) {
	if o.Log2Stride > 63 {
		return nil, fmt.Errorf("history: a stride of 2^%d steps; at most 2^63 are possible", o.Log2Stride)
	}
	if o.Count == 0 {
		return nil, nil
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	h := &history{x: x, o: o, stride: 1 << o.Log2Stride}
	if o.Folder != "" {
		h.file, h.unkept = openHistory(o.Folder, x.historyKey(&o))
		defer h.file.close()
		if roots, ok := h.file.all(o.Count); ok {
			return roots, nil
		}
	}
	if err := h.plan(ctx); err != nil {
		return nil, err
	}
	if err := h.work(ctx); err != nil {
		return nil, err
	}
	if h.unkept == nil {
		h.unkept = h.file.sync()
	}
	if h.unkept != nil {
		return h.roots, fmt.Errorf("history: %w: %w", ErrNotKept, h.unkept)
	}
	return h.roots, nil
}

// A history is one that is being made.
type history struct {
	x      *Index
	o      HistoryOptions
	stride uint64
	last   uint64 // step of the last root's state
	halted bool   // the machine halts there
	roots  []Hash // each written by the worker that has claimed it

	starting sync.Mutex // held while a start is copied and hashed: the next worker can use it then

	mu     sync.Mutex // guards what follows; who holds starting may take it
	file   *historyFile
	unkept error // why file is not written any more
	parts  []*part
	done   uint64 // roots that are there
}

// A part is a range of roots that one worker makes, the lower ones first. Others may take away its upper half.
type part struct {
	next, end uint64           // of roots that nobody has claimed
	owned     bool             // a worker is at it
	start     *machine.Machine // the state before its first root, hashed, for copies; nil at first, and in the end
	saved     uint64           // the first root that is not in the file
	savedAt   time.Time
}

const (
	// maxHistory bounds the number of roots, to 2 TiB.
	maxHistory = 1 << 36
	// keepRoots and keepTime are after how many roots and how much time a part goes to the file.
	keepRoots = 1 << 15
	keepTime  = time.Second
	// nearSteps are made rather than hashing all of the memory of another checkpoint.
	nearSteps = 1 << 26
	// seriesStride is the longest stride, in steps, that is made by single steps, whose roots are hashed together. Beyond
	// it the faster engine gains more.
	seriesStride = 16
	// fewSteps are made before one has copied a memory for the faster engine.
	fewSteps = 1 << 20
	// claimed is how many roots are claimed at a time then: a millisecond.
	claimed = 1024
)

// startCost is about what the start of a part costs, in nanoseconds: copying and hashing, and compiling anew. Only tests
// change it.
var startCost uint64 = 500e6

// after is the step of the state count strides after the beginning.
func (h *history) after(count uint64) uint64 {
	from := h.o.From
	if from > h.last || count > (h.last-from)/h.stride {
		return h.last
	}
	return from + count*h.stride
}

// plan makes the index run, and a part of each gap in what the file has.
func (h *history) plan(ctx context.Context) error {
	from := h.o.From
	if from < h.x.first {
		return fmt.Errorf("history from step %d: the index begins with that of step %d", from, h.x.first)
	}
	h.last = math.MaxUint64
	h.last = h.after(h.o.Count)
	if err := h.x.RunTo(ctx, h.last); err != nil {
		return err
	}
	if end, ended := h.x.End(); ended && end <= h.last {
		h.last, h.halted = end, true
	}
	if h.last < from {
		return &endedError{from, h.last}
	}
	count := (h.last - from) / h.stride
	if h.after(count) < h.last {
		count++
	}
	count = min(max(count, 1), h.o.Count)
	if count > maxHistory {
		return fmt.Errorf("history of %d roots: more than %d do not fit", count, uint64(maxHistory))
	}
	h.roots = make([]Hash, count)
	next := uint64(0)
	for _, r := range h.file.take() {
		if r.first >= count {
			break
		}
		copy(h.roots[r.first:], r.roots)
		h.gap(next, r.first)
		next = max(next, min(r.end(), count))
	}
	h.gap(next, count)
	return nil
}

// gap makes a part of roots that are missing, if there are any.
func (h *history) gap(from, to uint64) {
	if from < to {
		h.parts = append(h.parts, &part{next: from, end: to, saved: from})
	}
}

// work makes all that is missing.
func (h *history) work(ctx context.Context) error {
	h.done = uint64(len(h.roots))
	for _, p := range h.parts {
		h.done -= p.end - p.next
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	var once sync.Once
	var failed error
	for range h.o.Workers {
		wait.Go(func() {
			for p := h.take(); p != nil; p = h.take() {
				if err := h.fill(ctx, p); err != nil {
					once.Do(func() { failed = err })
					cancel(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return failed
}

// take gives a part to a worker: one that nobody is at, or the upper half of the one with most to do. It gives none when
// what is left is not worth another start.
func (h *history) take() *part {
	h.mu.Lock()
	defer h.mu.Unlock()
	longest := &part{}
	for _, p := range h.parts {
		if !p.owned {
			p.owned, p.savedAt = true, time.Now()
			return p
		}
		if p.end-p.next > longest.end-longest.next {
			longest = p
		}
	}
	half := (longest.end - longest.next) / 2
	if half < max(1, startCost/h.cost()) {
		return nil
	}
	middle := longest.end - half
	p := &part{next: middle, end: longest.end, owned: true, saved: middle, savedAt: time.Now()}
	longest.end = middle
	h.parts = append(h.parts, p)
	return p
}

// cost is about what a root costs, in nanoseconds. Only how the work is shared depends on it.
func (h *history) cost() uint64 {
	if h.stride <= seriesStride {
		return 1500 * h.stride
	}
	return 100_000 + h.stride
}

// claim gives up to most roots of a part to its worker; from == to when none are left.
func (h *history) claim(p *part, most uint64) (from, to uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from = p.next
	p.next += min(most, p.end-p.next)
	return from, p.next
}

// fill makes the roots of a part, and keeps them from time to time and when it ends.
func (h *history) fill(ctx context.Context, p *part) error {
	reached := p.saved
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.keep(p, reached)
		p.start = nil
	}()
	r, err := h.start(ctx, p)
	if err != nil {
		return err
	}
	walk := h.walkStrides
	if h.stride <= seriesStride {
		walk = h.walkSteps
	}
	return walk(ctx, r, p, func(to uint64) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.done += to - reached
		reached = to
		if to-p.saved >= keepRoots || time.Since(p.savedAt) > keepTime {
			h.keep(p, to)
		}
		if h.o.Progress != nil {
			h.o.Progress(h.done, uint64(len(h.roots)))
		}
	})
}

// keep puts the roots of a part up to another one into the file. Without a file the work goes on: there may be no time to
// begin again. It needs mu.
func (h *history) keep(p *part, to uint64) {
	if h.unkept == nil && to > p.saved {
		last := h.halted && to == uint64(len(h.roots))
		h.unkept = h.file.add(record{first: p.saved, roots: h.roots[p.saved:to], last: last})
	}
	p.saved, p.savedAt = to, time.Now()
}

// start gives a run, hashed, in the state before the part's first root.
func (h *history) start(ctx context.Context, p *part) (*Run, error) {
	step := h.after(p.saved)
	m, err := h.nearest(ctx, step)
	if err != nil {
		return nil, err
	}
	engine := h.x.run.likewise()
	if h.stride <= seriesStride && step-m.Get(ir.Step) <= fewSteps {
		engine = EngineInterp
	}
	r, err := h.x.repeat(ctx, m, step, engine)
	if err != nil {
		return nil, err
	}
	r.Root()
	start := r.system.Machine.Fork()
	h.mu.Lock()
	defer h.mu.Unlock()
	p.start = start
	return r, nil
}

// nearest gives a copy, hashed, of a state at a step or not far before it.
func (h *history) nearest(ctx context.Context, step uint64) (*machine.Machine, error) {
	h.starting.Lock()
	defer h.starting.Unlock()
	var near *machine.Machine
	h.mu.Lock()
	for _, p := range h.parts {
		if p.start != nil && p.start.Get(ir.Step) <= step && (near == nil || p.start.Get(ir.Step) > near.Get(ir.Step)) {
			near = p.start
		}
	}
	h.mu.Unlock()
	if near != nil && near.Get(ir.Step) >= h.x.checkpoint(step)-min(nearSteps, h.x.checkpoint(step)) {
		return near.Fork(), nil
	}
	return h.x.before(ctx, step, true)
}

// walkSteps makes a part's roots step by step. It is told how far it has got.
func (h *history) walkSteps(ctx context.Context, r *Run, p *part, found func(to uint64)) error {
	m := r.system.Machine.Fork()
	r.system.Machine.Mem.Release() // the run has done its work; its pages are m's too
	e, err := interp.New(r.isa, m)
	if err != nil {
		return err
	}
	s, err := r.kernel.NewSystem(m, e, r.system.Host)
	if err != nil {
		return err
	}
	series := m.NewSeries()
	defer series.Close()
	for from, to := h.claim(p, claimed); from < to; from, to = h.claim(p, claimed) {
		if ctx.Err() != nil {
			return fmt.Errorf("history: stopped at step %d: %w", m.Get(ir.Step), context.Cause(ctx))
		}
		roots := h.roots[from:from:to]
		for root := from; root < to; root++ {
			for state := h.after(root + 1); m.Get(ir.Step) < state; {
				if err := s.Step(); err != nil {
					return fmt.Errorf("history: %w", err)
				}
				if done, _ := m.Exited(); done && m.Get(ir.Step) < state {
					return fmt.Errorf("history: %w", repeatedError(state, m.Get(ir.Step)))
				}
			}
			if !series.Mark() {
				roots = series.Roots(roots)
			}
		}
		series.Roots(roots)
		found(to)
	}
	return nil
}

// walkStrides makes a part's roots by running from one to the next. It is told how far it has got.
func (h *history) walkStrides(ctx context.Context, r *Run, p *part, found func(to uint64)) error {
	for root, to := h.claim(p, 1); root < to; root, to = h.claim(p, 1) {
		if err := r.repeatTo(ctx, h.after(root+1)); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		h.roots[root] = r.Root()
		found(to)
	}
	r.system.Machine.Mem.Release()
	return nil
}
