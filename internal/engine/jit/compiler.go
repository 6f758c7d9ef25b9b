package jit

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/hostmem"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

// codeSize bounds the generated code of an engine. When it is full everything is dropped: what is still hot comes back.
const codeSize = 64 << 20

// maxViews bounds the blocks that something is remembered of from one generation to the next.
const maxViews = 1 << 16

// maxRequests bounds the requests that are on their way.
const maxRequests = 8

// A compiler makes the code that its engine asks for, on another processor if there is one. It shares nothing with the
// engine but what is guarded: a request holds a copy of the guest's code, and its result is looked at when the engine
// has time for it. So it does not matter for the guest's state how long that takes.
type compiler struct {
	front   front
	known   *knowledge
	region  hostmem.Region
	cleanup runtime.Cleanup

	// What the results of a generation have taken so far. When the engine drops all code a new generation begins.
	generation   uint32
	used         int // bytes of region
	slots, sites int // numbers
	regions      int

	mu      sync.Mutex // guards what follows
	queue   []*request
	working bool
	results chan *result
}

// A request asks for the region that begins at a block.
type request struct {
	generation uint32
	pc         uint64
	hot        []uint64 // blocks that may belong to it, those that were executed most first
	recent     []glimpse
	now        glimpse
	span       uint64      // instructions that were executed while looking
	first      []uint64    // addresses of the segments
	replaces   []*compiled // whose blocks are those of the request: for the engine only
	come       uint64      // as that of those
	code       excerpt
	stale      bool // the guest has written to a page of its code since: for the engine only
}

// A result is what became of a request.
type result struct {
	*request
	code   *lir.Code // nil if there is none
	blocks []uint64  // pcs of the region's blocks
	base   uintptr   // of the code
	delay  bool
	pages  []uint64
	number uint32   // of the map of registers
	full   bool     // everything has to be dropped before there is room for more
	united bool     // all regions from now on have one map
	steps  int32    // instructions of the guest
	jumps  []uint64 // where its indirect jumps were seen to lead, but for returns
	come   uint64   // how often others went over to it while it was looked at, about
}

func newCompiler(i *isa.ISA, known *knowledge) (*compiler, error) {
	region, err := hostmem.ReserveCode(codeSize)
	if err != nil {
		return nil, fmt.Errorf("jit: %w", err)
	}
	c := &compiler{known: known, region: region, results: make(chan *result, maxRequests)}
	c.cleanup = runtime.AddCleanup(c, func(r hostmem.Region) { _ = r.Release() }, region)
	c.front = front{
		isa: i, narrow: i.Bits == 32, delay: slices.Contains(i.Thread, ir.NextPC),
		known: known, seen: map[uint64]bool{},
		blocks: map[place]int{}, sure: map[place]bool{}, links: map[ir.Cell]bool{}, back: map[uint64]bool{},
		views: map[uint64]*view{}, weights: map[uint64]uint32{},
		meanings: make([]*meaning, len(i.Rows)),
	}
	return c, nil
}

// ask hands a request over. Its result comes by way of results.
func (c *compiler) ask(q *request) {
	c.mu.Lock()
	c.queue = append(c.queue, q)
	start := !c.working
	c.working = true
	c.mu.Unlock()
	if start {
		go c.work()
	}
}

// work carries out requests until there are none.
func (c *compiler) work() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.working = false
			c.mu.Unlock()
			return
		}
		queue := c.queue
		c.queue = nil
		c.mu.Unlock()
		for _, r := range c.compile(queue...) {
			c.results <- r
		}
	}
}

// compile carries out requests.
func (c *compiler) compile(queue ...*request) []*result {
	var done []*result
	from := c.used
	for _, q := range queue {
		if q.generation != c.generation {
			c.begin(q.generation)
			from = c.used
		}
		done = append(done, c.one(q))
	}
	// Code begins on a page of its own: then memory goes from writable to executable, and not back until all is dropped.
	// Each change stops all processors, so there is one for all requests.
	if c.region.Executable(uint64(from), uint64(c.used-from)) != nil {
		for _, r := range done {
			r.full, r.code = true, nil
		}
	}
	return done
}

// one carries out a request, but for making the code executable.
func (c *compiler) one(q *request) *result {
	out := &result{request: q}
	r, pages := c.front.build(q)
	if r == nil {
		return out
	}
	h := lir.Host{
		LowSegments: machine.FlatLowSegments, States: machine.FlatStates, Low: machine.FlatLow, First: q.first,
		FirstSlot: c.slots, FirstSite: c.sites,
		Warm: warmLinks, Map: c.front.number,
	}
	code, err := compile(r, h)
	if err != nil {
		return out // the region is too odd; interp goes on
	}
	size := len(code.Bytes)
	if c.used+size > codeSize || c.slots+len(code.Slots) > lir.MaxSlots {
		out.full = true
		return out
	}
	at := uint64(c.used)
	copy(c.region.Bytes()[at:], code.Bytes)
	code.Bytes = nil
	out.code, out.base, out.pages, out.number, out.delay = code, uintptr(c.region.Base)+uintptr(at), pages, h.Map, r.Delay
	for _, b := range r.Blocks {
		out.blocks = append(out.blocks, b.PC)
		out.steps += b.Steps
		if v := c.front.views[b.PC]; v != nil && b.Term.Kind == lir.Indirect && !c.front.links[b.Origin] {
			out.jumps = append(out.jumps, v.next...)
		}
	}
	out.come = c.front.come
	c.used = min(c.used+c.region.Round(size), codeSize)
	c.slots, c.sites, c.regions = c.slots+len(code.Slots), c.sites+len(code.Sites), c.regions+1
	if !c.front.maps.one && c.regions >= manyRegions {
		c.front.maps.unite()
		out.full, out.united = true, true
	}
	return out
}

// begin starts a generation: nobody executes the code of those before any more. If the host refuses to make its
// memory writable again, only the rest is left.
func (c *compiler) begin(generation uint32) {
	if c.region.Writable(0, uint64(c.used)) == nil {
		c.used = 0
	}
	c.generation, c.slots, c.sites, c.regions = generation, 0, 0, 0
	if len(c.front.views) > maxViews {
		clear(c.front.views)
		clear(c.front.weights)
	}
}

// Knowledge is what an engine learns while it runs, and its compiler asks for.
type knowledge struct {
	mu       sync.Mutex
	hints    map[uint64]uint8 // by pc: segments that were not expected
	failures map[uint64]int   // by pc: how often generated code was left at a guard whose addresses were elsewhere
	// segments are those that generated code knows, by the same hash of the upper halves of their addresses as in
	// its own table.
	segments [lir.SegmentEntries]knownSegment
}

type knownSegment struct {
	high   uint64 // plus 1
	number uint8
}

func segmentEntry(high uint64) uint64 { return (high ^ high>>8) % lir.SegmentEntries }

// segment gives the number of the segment whose addresses have that upper half; 0 if there is none. Only the engine
// changes segments, so it need not lock to ask.
func (k *knowledge) segment(high uint64) (number uint8, ok bool) {
	s := &k.segments[segmentEntry(high)]
	if s.high != high+1 {
		return 0, false
	}
	return s.number, true
}

// hint gives the segment that was found at pc when another one was expected.
func (k *knowledge) hint(pc uint64) (number uint8, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	number, ok = k.hints[pc]
	return number, ok
}

// constant is segment for the compiler.
func (k *knowledge) constant(high uint64) uint8 {
	k.mu.Lock()
	defer k.mu.Unlock()
	number, _ := k.segment(high)
	return number
}

// guarded tells whether a Guard may stand at pc.
func (k *knowledge) guarded(pc uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failures[pc] < maxFailures
}

// excerptTail is how many bytes behind a piece of blockSize an excerpt has: those of an instruction over its end, or of a
// delay slot.
const excerptTail = 8

// An excerpt is a copy of pieces of the guest's memory.
type excerpt struct {
	bytes []byte         // blockSize + excerptTail for each piece
	at    map[uint64]int // by address / blockSize: where the piece is in bytes
}

// take copies the piece that holds an address.
func (x *excerpt) take(m *machine.Memory, addr uint64) {
	piece := addr / blockSize
	if _, done := x.at[piece]; done {
		return
	}
	n := len(x.bytes)
	x.at[piece] = n
	x.bytes = slices.Grow(x.bytes, blockSize+excerptTail)[:n+blockSize+excerptTail]
	first := piece * blockSize
	tail := x.bytes[n:]
	if first+blockSize+excerptTail < first {
		tail = tail[:blockSize] // the last bytes of all; what is behind them is not asked for
	}
	m.Read(first, tail)
}

// on tells whether a piece, or what is behind one, lies on a page.
func (x *excerpt) on(page uint64) bool {
	for piece := range x.at {
		first := piece * blockSize
		if first/machine.PageSize == page || (first+blockSize+excerptTail-1)/machine.PageSize == page {
			return true
		}
	}
	return false
}

// clear empties the excerpt.
func (x *excerpt) clear() {
	x.bytes = x.bytes[:0]
	if x.at == nil {
		x.at = map[uint64]int{}
	}
	clear(x.at)
}

// read gives the size bytes at an address, or false if the excerpt lacks them.
func (x *excerpt) read(addr uint64, size int) ([]byte, bool) {
	piece, offset := addr/blockSize, int(addr%blockSize)
	n, ok := x.at[piece]
	if !ok && offset+size <= excerptTail {
		n, ok = x.at[piece-1]
		offset += blockSize
	}
	if !ok {
		return nil, false
	}
	return x.bytes[n+offset : n+offset+size], true
}
