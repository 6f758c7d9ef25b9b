// Package jit is the engine that compiles: hot parts of a guest become code of the host. What is rare, and every single
// step, is carried out by interp. The state is that of interp after every instruction.
//
// A guest's instruction becomes ir (package isa), then lir, then the host's code (packages amd64 and arm64). Generated
// code sees the guest's memory as a part of the host's address space: machine.Flat.
package jit

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

// ErrUnsupported is wrapped by the error of New where the host cannot run generated code.
var ErrUnsupported = fmt.Errorf("there is no compiler for this host: %w", errors.ErrUnsupported)

// slice bounds the instructions of one stay in generated code, so that the runtime gets its turn.
const slice = 100_000

// An Engine executes the instructions of one machine.
type Engine struct {
	m        *machine.Machine
	isa      *isa.ISA
	interp   *interp.Engine
	flat     *machine.Flat
	narrow   bool // registers and addresses have 32 bits
	delay    bool // there is a next pc
	compiler *compiler
	// alone makes the engine wait for its compiler. Then nothing depends on how fast it is: the same program, stopped at
	// the same steps, is compiled alike.
	alone bool
	cache *cache
	heat  heat
	known *knowledge
	// The generation of the code in the cache; requests on their way; those not in use; blocks that were asked for.
	generation uint32
	requests   []*request
	spare      []*request
	asked      map[uint64]bool
	united     bool   // all regions have one map
	done       uint64 // instructions that Run has executed
	// Where a run or a step ended in the middle of a block, and how many of its instructions were left: no block begins there.
	restAt, rest uint64

	writes    map[uint64]int // by page of code: how often it was written to
	revisions map[uint64]int // by pc of its first block: how often a region was compiled anew
}

// New makes an engine for a machine; one memory has one engine.
func New(i *isa.ISA, m *machine.Machine) (*Engine, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	plain, err := interp.New(i, m)
	if err != nil {
		return nil, err
	}
	flat, err := m.Mem.Flat()
	if err != nil {
		return nil, fmt.Errorf("jit: %w: %w", ErrUnsupported, err)
	}
	known := &knowledge{hints: map[uint64]uint8{}, failures: map[uint64]int{}}
	c, err := newCompiler(i, known)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	e := &Engine{
		m: m, isa: i, interp: plain, flat: flat, narrow: c.front.narrow, delay: c.front.delay, compiler: c, known: known,
		alone: runtime.GOMAXPROCS(0) == 1, cache: newCache(unsafe.Pointer(flat.Context()), i.Align),
		asked: map[uint64]bool{}, writes: map[uint64]int{}, revisions: map[uint64]int{},
	}
	e.heat.init(i)
	*e.cache.word(lir.ReachAt) = 1<<32 - 4096
	*e.cache.word(lir.LimitAt) = machine.FlatLowSegments<<32 - 4096
	for k := range uint64(machine.FlatLowSegments) {
		e.segmentOf(k << 32)
	}
	if !e.narrow {
		last := ^uint64(0)
		err = m.Mem.EachPage(func(page uint64, _ *[machine.PageSize]byte) error {
			if addr := page * machine.PageSize; addr>>32 != last {
				last = addr >> 32
				e.segmentOf(addr)
			}
			return nil
		})
	}
	forget := m.Mem.OnWatchedWrite
	m.Mem.OnWatchedWrite = func(page uint64) {
		forget(page)
		e.written(page)
	}
	plain.Dropped = e.drop
	return e, err
}

// segmentOf makes the segment of an address, if there is none, and tells generated code where it is. One whose place in
// the table is taken is left to interp.
func (e *Engine) segmentOf(addr uint64) {
	h := addr >> 32
	entry := lir.SegmentsAt + int(segmentEntry(h))*32
	if at := *e.cache.word(entry); at != 0 && at != h+1 || e.knows(h) {
		return
	}
	k, ok := e.flat.Segment(addr)
	if !ok {
		return
	}
	s := e.flat.Segments()[k]
	bias := uint64(s.Host) - s.First
	*e.cache.word(lir.BiasAt + 8*k) = bias
	*e.cache.word(lir.HostAt + 8*k) = uint64(s.Host)
	*e.cache.word(entry) = h + 1
	*e.cache.word(entry + 8) = bias
	*e.cache.word(entry + 16) = machine.FlatStates + uint64(k)<<20
	e.known.mu.Lock()
	e.known.segments[segmentEntry(h)] = knownSegment{h + 1, uint8(k)}
	e.known.mu.Unlock()
}

// knows tells whether the engine has made a segment known. One before it may have.
func (e *Engine) knows(high uint64) bool {
	_, ok := e.known.segment(high)
	return ok
}

// glimpse notes where the registers point to.
func (e *Engine) glimpse(pc uint64) glimpse {
	g := glimpse{pc: pc}
	if e.narrow {
		return g
	}
	high, k := ^uint64(0), uint8(0)
	for c := range g.segments {
		if h := e.m.Cells[c] >> 32; h != high {
			high = h
			k, _ = e.known.segment(h)
		}
		g.segments[c] = k
	}
	return g
}

// written is told that a page with code is about to change.
func (e *Engine) written(page uint64) {
	list := e.cache.pages[page]
	code := len(list) > 0
	for _, d := range list {
		e.remove(d)
	}
	delete(e.cache.pages, page)
	for _, q := range e.requests {
		if q.code.on(page) {
			q.stale, code = true, true
		}
	}
	if code {
		e.writes[page]++
		e.heat.version++ // what was odd may be other code now
	}
}

// remove forgets the code of a region.
func (e *Engine) remove(d *compiled) {
	for _, pc := range d.entries {
		e.heat.found(pc, 0)
	}
	e.cache.remove(d)
}

// drop forgets all generated code, also what is on its way.
func (e *Engine) drop() {
	e.generation++
	e.heat.version++
	e.cache.drop()
}

// Step executes one instruction: see interp.Engine.Step.
func (e *Engine) Step() (ir.TrapKind, bool) {
	pc, rest := e.m.Cells[ir.PC], uint64(1)
	switch {
	case e.rest > 0 && pc == e.restAt:
		rest = e.rest
	case e.normal(): // where that is not known it is not looked for: a recorded step reads what the instruction reads
		rest = max(rest, e.heat.known(pc))
	}
	trap, trapped := e.interp.Step()
	e.rest, e.restAt = rest-1, e.m.Cells[ir.PC]
	if trapped {
		e.rest = 0
	}
	return trap, trapped
}

// Run executes up to n instructions and gives how many it did: see interp.Engine.Run.
func (e *Engine) Run(n uint64) uint64 {
	left := n
	for left > 0 {
		before := left
		if len(e.requests) > 0 {
			e.collect()
		}
		k := uint64(0) // instructions for interp
		if e.rest > 0 && e.m.Cells[ir.PC] == e.restAt {
			k = e.rest
		} else if code := e.code(); code != 0 {
			left, k = e.native(code, left)
		} else {
			k = e.heat.span(e, e.m.Cells[ir.PC])
		}
		now := min(k, left)
		done := e.interp.Run(now)
		left -= done
		e.done += before - left
		e.rest = k - now
		if done < now {
			e.rest = 0
			break
		}
		e.restAt = e.m.Cells[ir.PC]
	}
	return n - left
}

// normal tells whether next pc, if there is one, is that outside of delay slots.
func (e *Engine) normal() bool {
	pc, next := e.m.Cells[ir.PC], e.m.Cells[ir.NextPC]
	return !e.delay || next == e.m.Wrap(pc+4)
}

// code gives the code for the present pc, and asks for it if it is worth while; 0 if there is none.
func (e *Engine) code() uintptr {
	if !e.normal() {
		return 0
	}
	pc := e.m.Cells[ir.PC]
	v := e.heat.at(pc)
	if v.version != e.heat.version {
		v.code, v.version = e.cache.entry[pc].code, e.heat.version
	}
	if v.code != 0 || v.asked || v.odd == v.version || !e.heat.begins() || !e.heat.visit(e, pc) {
		return v.code
	}
	if !e.ask(pc) {
		return 0
	}
	return e.cache.entry[pc].code
}

// maxWrites is how often a page of code may be written to before it is left to interp.
const maxWrites = 64

// ask asks for the region that begins at pc, and tells whether the answer is there.
func (e *Engine) ask(pc uint64) bool {
	if e.writes[pc/machine.PageSize] > maxWrites || len(e.requests) == maxRequests {
		return false
	}
	q := e.request(pc)
	q.recent, q.now = append(q.recent, e.heat.recent...), e.glimpse(pc)
	q.span = e.done - e.heat.began + 1
	for _, pc := range e.heat.hot() {
		if e.cache.entry[pc].code == 0 && !e.asked[pc] {
			q.hot = append(q.hot, pc)
			e.want(q, pc)
		}
	}
	return e.send(q)
}

// send hands a request over, and tells whether the answer is there.
func (e *Engine) send(q *request) bool {
	e.requests = append(e.requests, q)
	if !e.alone {
		e.compiler.ask(q)
		return false
	}
	e.answer(e.compiler.compile(q)[0])
	return true
}

// request begins a request for the block at pc.
func (e *Engine) request(pc uint64) *request {
	q := &request{}
	if n := len(e.spare); n > 0 {
		q, e.spare = e.spare[n-1], e.spare[:n-1]
	}
	q.code.clear()
	*q = request{
		generation: e.generation, pc: pc, code: q.code,
		hot: q.hot[:0], recent: q.recent[:0], first: q.first[:0], replaces: q.replaces[:0],
	}
	for _, s := range e.flat.Segments() {
		q.first = append(q.first, s.First)
	}
	e.want(q, pc)
	return q
}

// maxGrown is how often a region may be compiled anew to be larger.
const maxGrown = 8

// grow asks for one region in the place of a new one and of those that it goes over to and that go over to it: parts of a
// loop that had not been seen whole. Where all regions have one map that would win little.
func (e *Engine) grow(d *compiled) {
	if e.united || len(e.requests) == maxRequests {
		return
	}
	parts := []*compiled{d}
	steps, come := d.steps, d.come
	for _, o := range e.cache.loop(d) {
		if o.grown < maxGrown && steps+o.steps <= maxRegion/2 {
			parts = append(parts, o)
			steps, come = steps+o.steps, come+o.come
		}
	}
	if len(parts) == 1 || d.grown == maxGrown {
		return
	}
	for _, o := range parts {
		if slices.ContainsFunc(o.entries, func(pc uint64) bool { return e.asked[pc] }) {
			return // another request is for it
		}
	}
	q := e.request(d.entries[0])
	q.replaces, q.come, q.now = append(q.replaces, parts...), come, e.glimpse(q.pc)
	for _, o := range parts {
		for _, pc := range o.entries {
			if pc != q.pc {
				q.hot = append(q.hot, pc)
				e.want(q, pc)
			}
		}
	}
	e.send(q)
}

// want adds the block at pc to a request. Its code is watched before it is copied.
func (e *Engine) want(q *request, pc uint64) {
	e.asked[pc] = true
	e.heat.at(pc).asked = true
	first := pc &^ (blockSize - 1)
	e.m.Mem.Watch(first / machine.PageSize)
	if last := first + blockSize + excerptTail - 1; last > first && last/machine.PageSize != first/machine.PageSize {
		e.m.Mem.Watch(last / machine.PageSize)
	}
	q.code.take(e.m.Mem, pc)
}

// answered takes back that the block at pc was asked for.
func (e *Engine) answered(pc uint64) {
	delete(e.asked, pc)
	e.heat.at(pc).asked = false
}

// collect takes the answers that are there.
func (e *Engine) collect() {
	for len(e.requests) > 0 {
		select {
		case r := <-e.compiler.results:
			e.answer(r)
		default:
			return
		}
	}
}

// answer takes the answer to the oldest request.
func (e *Engine) answer(r *result) {
	q := r.request
	e.requests = append(e.requests[:0], e.requests[1:]...)
	e.spare = append(e.spare, q)
	e.answered(q.pc)
	for _, pc := range q.hot {
		e.answered(pc)
	}
	e.united = e.united || r.united
	switch {
	case q.generation != e.generation:
	case r.full:
		e.drop() // what is hot comes again
	case r.code == nil && !q.stale && len(q.replaces) == 0:
		e.heat.at(q.pc).odd = e.heat.version
	case r.code != nil && q.stale:
		e.cache.skip(r)
	case r.code != nil:
		for _, d := range q.replaces {
			e.remove(d)
		}
		d := e.cache.add(r)
		for _, pc := range r.blocks {
			e.heat.found(pc, e.cache.entry[pc].code)
		}
		if len(d.entries) > 0 {
			e.grow(d)
		}
	}
}

// native runs generated code with a budget of left instructions, and gives how many are left of it and how many
// instructions stand before the beginning of the next block.
func (e *Engine) native(code uintptr, budget uint64) (left, rest uint64) {
	now := min(budget, slice)
	e.reservation()
	cells := (*[64]uint64)(unsafe.Pointer(e.cache.word(lir.CellsAt)))
	copy(cells[:], e.m.Cells[:64])
	n, reason := enter(code, e.flat.Base, int64(now))
	runtime.KeepAlive(e) // its code, and the context
	copy(e.m.Cells[:64], cells[:])
	if e.narrow {
		for c := range 32 {
			e.m.Cells[c] = uint64(int32(cells[c]))
		}
		e.m.Cells[ir.Lo], e.m.Cells[ir.Hi] = uint64(int32(cells[ir.Lo])), uint64(int32(cells[ir.Hi]))
	}
	left = budget - now + uint64(n)
	e.heat.wait = patience
	switch number := int(reason &^ lir.LeftMask); reason & lir.LeftMask {
	case lir.LeftSite:
		s, d := e.cache.site(number)
		left += uint64(s.Left)
		e.leaveAt(s)
		if s.Access {
			e.failed(s, d)
		}
		return left, uint64(s.Left)
	case lir.LeftJump:
		pc := e.m.Cells[ir.PC]
		if to, ok := e.cache.entry[pc]; ok {
			e.cache.jump(pc, to)
		}
	case lir.LeftEdge:
		s := &e.cache.slots[number]
		e.m.Cells[ir.PC] = s.pc
		if e.delay {
			e.m.Cells[ir.NextPC] = s.next
		}
	case lir.LeftBudget:
		s, _ := e.cache.site(number)
		left += uint64(s.Left)
		e.leaveAt(s)
		return left, uint64(s.Left)
	}
	return left, 0
}

const (
	// maxMisses is how many accesses may be in other segments than expected before one of them is looked at.
	maxMisses = 1000
	// maxFailures is how often the guard of an instruction may fail before there is none any more.
	maxFailures = 64
	// maxTrouble is how often a region may be left for addresses that are not where they were expected, before it is
	// compiled anew with what is known by then; each time it may be twice as often.
	maxTrouble = 64
	// missTrouble is what an access counts that was looked at for being one of maxMisses.
	missTrouble = 16
)

// failed is told that generated code was left for an access. If that was not for a page that is stored to for the first
// time, the next code for it will know better.
func (e *Engine) failed(s *lir.Site, d *compiled) {
	addr, misses := *e.cache.word(lir.FaultAt), (*int32)(unsafe.Pointer(e.cache.word(lir.MissesAt)))
	e.segmentOf(addr)
	k, ok := e.known.segment(addr >> 32)
	looked := *misses < 0
	if looked {
		*misses = maxMisses
	}
	switch {
	case !ok || k == s.Seg && !s.Load && *e.flat.State(addr)&lir.Plain == 0:
		return
	case looked:
		d.trouble += missTrouble
	case k == s.Seg:
		d.trouble++
	default:
		return
	}
	e.known.mu.Lock()
	if !looked {
		e.known.failures[s.PC]++
	}
	e.known.hints[s.PC] = k
	e.known.mu.Unlock()
	if len(d.entries) > 0 && d.trouble > maxTrouble<<e.revisions[d.entries[0]] {
		e.revisions[d.entries[0]]++
		e.remove(d)
	}
}

// leaveAt sets pc and next pc to those of a site, and prepares for what the code was left for.
func (e *Engine) leaveAt(s *lir.Site) {
	c := &e.m.Cells
	c[ir.PC] = s.PC
	if e.delay {
		switch s.Next.Kind {
		case lir.NextNone:
			c[ir.NextPC] = e.m.Wrap(s.PC + 4)
		case lir.NextConst:
			c[ir.NextPC] = s.Next.PC
		case lir.NextValue:
			c[ir.NextPC] = e.m.Wrap(c[ir.NextPC])
		}
	}
}

// reservation makes the state of the page with the reservation, if there is one, tell of it.
func (e *Engine) reservation() {
	want := uint64(0)
	if e.m.Cells[ir.ReservationStatus] != 0 {
		if state := e.flat.State(e.m.Wrap(e.m.Cells[ir.ReservationAddress])); state != nil {
			want = uint64(uintptr(unsafe.Pointer(state)) - e.flat.Base)
		}
	}
	is := e.cache.word(lir.ReservedAt)
	if *is == want {
		return
	}
	context := unsafe.Pointer(e.flat.Context())
	if *is != 0 {
		*(*byte)(unsafe.Add(context, *is)) &^= lir.Reserved
	}
	if *is = want; want != 0 {
		*(*byte)(unsafe.Add(context, want)) |= lir.Reserved
	}
}
