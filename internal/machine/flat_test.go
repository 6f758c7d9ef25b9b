package machine

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/flexemu/flexemu/internal/hostmem"
	"github.com/flexemu/flexemu/internal/merkle"
)

// flatten makes a memory flat, with segments for addrs.
func flatten(t *testing.T, m *Memory, addrs ...uint64) *Flat {
	t.Helper()
	f, err := m.Flat()
	if errors.Is(err, hostmem.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if _, ok := f.Segment(a); !ok {
			t.Fatalf("no segment for %#x", a)
		}
	}
	return f
}

// bytesAt is what generated code sees at addr, or nil if the n bytes do not lie in one segment.
func (f *Flat) bytesAt(addr uint64, n int) []byte {
	k := f.find(addr >> pageBits)
	if at := addr % segmentSize; k >= 0 && at+uint64(n) <= segmentSize {
		return unsafe.Slice((*byte)(unsafe.Add(f.bytes[k], at)), n)
	}
	return nil
}

// store does what generated code does for a store. It returns false where such code leaves, with nothing done.
func (f *Flat) store(addr uint64, p []byte) bool {
	b := f.bytesAt(addr, len(p))
	if b == nil || *f.State(addr)&FlatPlain == 0 || *f.State(addr + uint64(len(p)) - 1)&FlatPlain == 0 {
		return false
	}
	copy(b, p)
	return true
}

// holds tells whether data lies in a segment.
func (f *Flat) holds(data *[PageSize]byte) bool {
	if f == nil {
		return false
	}
	return slices.ContainsFunc(f.bytes, func(b unsafe.Pointer) bool { return uint64(uintptr(unsafe.Pointer(data))-uintptr(b)) < segmentSize })
}

// checkFlat checks what is always true for a memory, which may be flat; others are the flat forms of all other memories.
func checkFlat(m *Memory, others []*Flat) error {
	f, t := m.tree.flat, &m.tree
	var err error
	moved := 0
	var check func(n *node)
	check = func(n *node) {
		if n.level != pageLevel {
			check(n.kids[0])
			check(n.kids[1])
			return
		}
		for _, o := range others {
			if o != f && o.holds(n.data) {
				err = fmt.Errorf("page %#x lies in the segments of another memory", n.page)
			}
		}
		if f == nil {
			return
		}
		host := f.host(n.page)
		switch {
		case host == nil:
			if f.holds(n.data) {
				err = fmt.Errorf("page %#x lies in a segment that is not its own", n.page)
			}
			return
		case *host != *n.data:
			err = fmt.Errorf("page %#x has other bytes in its segment", n.page)
		case (n.data == host) != (n.owner == t.owner && n.flags&private != 0) || n.data != host && f.holds(n.data):
			err = fmt.Errorf("page %#x: owned %v, flags %b, moved %v", n.page, n.owner == t.owner, n.flags, n.data == host)
		case (*f.State(n.page << pageBits)&FlatPlain != 0) != t.isReady(n):
			err = fmt.Errorf("page %#x has the state %b, but ready is %v", n.page, *f.State(n.page << pageBits), t.isReady(n))
		}
		if n.data == host {
			moved++
		}
		for _, page := range []uint64{n.page - 1, n.page + 1} {
			if next := f.host(page % maxPages); next != nil && t.find(page%maxPages) == nil {
				if *f.State(page << pageBits)&FlatPlain != 0 || *next != zeroPage {
					err = fmt.Errorf("the absent page %#x is plain, or not zero", page)
				}
			}
		}
	}
	if t.root != nil {
		check(t.root)
	}
	if f != nil && moved != len(f.moved) {
		err = fmt.Errorf("%d pages of %d in the list were moved", moved, len(f.moved))
	}
	for i := range CacheSize {
		if e := m.Reads[i]; e.Tag != NoPage {
			if n := t.find(e.Tag); n == nil && e.Data != &zeroPage || n != nil && e.Data != n.data {
				err = fmt.Errorf("Reads has an old place of page %#x", e.Tag)
			}
		}
		if e := m.Writes[i]; e.Tag != NoPage {
			if n := t.find(e.Tag); n == nil || !t.isReady(n) || e.Data != n.data {
				err = fmt.Errorf("Writes has page %#x, which is not ready or elsewhere", e.Tag)
			}
		}
	}
	return err
}

// flatStep does what only flat memories are for.
func (r *rig) flatStep() {
	r.t.Helper()
	f := r.mem.tree.flat
	addr, n := r.addr(), 1+r.rand.IntN(8)
	switch op := r.rand.IntN(100); {
	case f == nil:
		flatten(r.t, r.mem)
	case op < 5:
		k, ok := f.Segment(addr)
		if want := len(f.segments) < FlatSegments; !ok && want || ok && f.Segments()[k].First != addr&^(segmentSize-1) {
			r.t.Fatalf("Segment(%#x) is %d, %v of %x", addr, k, ok, f.Segments())
		}
	case op < 6:
		r.mem.Release()
	case op < 10:
		if state := f.State(addr); state != nil {
			*state |= 2
		}
	case r.mem.tracer != nil:
	case op < 40:
		if b := f.bytesAt(addr, n); b != nil && !bytes.Equal(b, r.model.read(addr, n)) {
			r.t.Fatalf("a direct load at %#x finds %x", addr, b)
		}
	default:
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(r.rand.Uint32())
		}
		r.told = nil
		if !f.store(addr, p) {
			r.mem.Write(addr, p)
		}
		r.heard(r.model.write(addr, p))
	}
}

func TestFlatAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		src := rand.New(rand.NewPCG(seed, 2))
		rigs := []*rig{newRig(t, NewMemory(), newModel(), src)}
		for i := range 800 {
			r := rigs[src.IntN(len(rigs))]
			if src.IntN(2) == 0 {
				r.step()
			} else {
				r.flatStep()
			}
			if src.IntN(60) == 0 {
				rigs = append(rigs, newRig(t, r.mem.Fork(), r.model.fork(), src))
			}
			if len(rigs) > 4 {
				i := src.IntN(len(rigs))
				rigs = slices.Delete(rigs, i, i+1)
			}
			var flats []*Flat
			for _, r := range rigs {
				if r.mem.tree.flat != nil {
					flats = append(flats, r.mem.tree.flat)
				}
			}
			for _, r := range rigs {
				if err := checkFlat(r.mem, flats); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, i, err)
				}
			}
		}
		for _, r := range rigs {
			r.checkRoot()
			r.checkPages()
		}
	}
}

// TestFlatState goes through what makes a page plain, and what ends it, and leaves the engine's parts alone.
func TestFlatState(t *testing.T) {
	const addr = 5 << 32
	m := NewMemory()
	m.WriteSlow(addr, 1, true, 1)
	m.WriteSlow(addr+PageSize, 1, true, 2)
	m.Watch(addr/PageSize + 1)
	f := flatten(t, m, addr)
	for i := range f.Context() {
		if f.Context()[i] != 0 {
			t.Fatalf("byte %#x of the context area is not zero", i)
		}
		f.Context()[i] = 0xcc
	}
	a, b := f.State(addr), f.State(addr+PageSize+77)
	if c := uintptr(unsafe.Pointer(b)); c != f.Base+FlatStates+FlatLowSegments<<20+1 {
		t.Errorf("the state of page 1 of the first segment above lies at Base + %#x", c-f.Base)
	}
	s := f.Segments()
	if len(s) != FlatLowSegments+1 || s[FlatLowSegments].First != addr {
		t.Errorf("segments %#x", s)
	}
	for k, low := range s[:FlatLowSegments] {
		if low != (Segment{uint64(k) << 32, f.Base + FlatLow + uintptr(k)<<32}) {
			t.Errorf("segment %d is %#x", k, low)
		}
	}
	if f.State(6<<32) != nil {
		t.Error("a page without a segment has a state")
	}
	*a |= 0xf0
	want := func(when string, states ...byte) {
		t.Helper()
		if *a != states[0] || *b != states[1] {
			t.Errorf("%s: states %#x, %#x, want %#x", when, *a, *b, states)
		}
	}
	want("at first", 0xf1, 0)
	m.InstallLeaf(addr+PageSize, &merkle.Hash{9})
	want("after InstallLeaf", 0xf1, 0)
	if m.PrepareWrite(addr + PageSize) {
		t.Error("a watched page was prepared")
	}
	m.WriteSlow(addr+PageSize, 1, true, 9)
	want("after a write to a watched page", 0xf1, 1)
	m.Root()
	want("after Root", 0xf0, 0)
	m.Root()
	m.PrepareWrite(addr)
	want("after PrepareWrite", 0xf1, 0)
	m.Watch(addr / PageSize)
	want("after Watch", 0xf0, 0)
	m.SetPage(addr/PageSize, &zeroPage)
	want("after SetPage", 0xf1, 0)
	m.Fork()
	want("after Fork", 0xf0, 0)
	if i := slices.IndexFunc(f.Context()[:], func(c byte) bool { return c != 0xcc }); i >= 0 {
		t.Errorf("byte %#x of the context area was changed", i)
	}
	if again, err := m.Flat(); err != nil || again != f {
		t.Error("a second call of Flat does not give the same")
	}
	runtime.KeepAlive(m)
}

func TestFlatSegmentsAreFew(t *testing.T) {
	m := NewMemory()
	f := flatten(t, m)
	for i := range uint64(FlatSegments + 2) {
		addr := i<<40 + 5
		if i < FlatLowSegments {
			addr = i<<32 + 5
		}
		if k, ok := f.Segment(addr); ok != (i < FlatSegments) || ok && k != int(i) {
			t.Fatalf("segment %d is %d, %v", i, k, ok)
		}
	}
	m.WriteSlow(FlatSegments<<40, 8, true, 5)
	if v := m.ReadSlow(FlatSegments<<40, 8, true); v != 5 || f.State(FlatSegments<<40) != nil {
		t.Errorf("read %d outside of the segments", v)
	}
	m.Release()
}

// TestFlatForksInParallel is for the race detector: forks, some of them flat, run beside the memory that they came
// from, which is written as by generated code.
func TestFlatForksInParallel(t *testing.T) {
	const pages, high = 600, 7 << 40
	m, plain := NewMemory(), NewMemory()
	f := flatten(t, m, high)
	// run writes to both alike.
	run := func(m, plain *Memory, tag uint64) {
		for i := range uint64(400) {
			addr := i * i * 8 % (pages * PageSize)
			if i%3 == 0 {
				addr += high
			}
			p := []byte{byte(tag), byte(tag >> 8), byte(i), 1}
			if f := m.tree.flat; f == nil || !f.store(addr, p) {
				m.Write(addr, p)
			}
			plain.Write(addr, p)
		}
	}
	var wait sync.WaitGroup
	for round := range uint64(12) {
		run(m, plain, round)
		if round%3 == 2 && m.Root() != plain.Root() {
			t.Fatalf("round %d: another root", round)
		}
		fork, plainFork := m.Fork(), plain.Fork()
		wait.Go(func() {
			if round%2 == 0 {
				flatten(t, fork, high)
			}
			run(fork, plainFork, 100+round)
			second, plainSecond := fork.Fork(), plainFork.Fork()
			run(fork, plainFork, 200+round)
			if fork.Root() != plainFork.Root() || second.Root() != plainSecond.Root() {
				t.Errorf("the fork of round %d, or its fork, has another root", round)
			}
			if err := errors.Join(checkFlat(fork, []*Flat{f}), checkFlat(second, []*Flat{f, fork.tree.flat})); err != nil {
				t.Errorf("the fork of round %d: %v", round, err)
			}
			fork.Release()
		})
	}
	wait.Wait()
	if m.Root() != plain.Root() {
		t.Error("another root")
	}
}

// More address space than the 2^47 bytes that there are: so many flat memories of so many segments.
const (
	manyFlats    = 4500
	manySegments = 8
)

func TestFlatRelease(t *testing.T) {
	m := NewMemory()
	for i := range uint64(manyFlats) {
		f := flatten(t, m)
		for k := range uint64(manySegments) {
			flatten(t, m, k<<40)
		}
		addr := i % manySegments << 40
		m.WriteSlow(addr, 4, false, i)
		if !f.store(addr+4, []byte{byte(i)}) {
			t.Fatal("a page that was just written to is not plain")
		}
		m.Release()
		if v := m.ReadSlow(addr, 8, false); v != i|i&0xff<<32 {
			t.Fatalf("read %#x after the release in round %d", v, i)
		}
	}
	m.Release() // does nothing
	if err := checkFlat(m, nil); err != nil {
		t.Error(err)
	}
}

// TestFlatIsCollected is TestFlatRelease for memories that nobody releases.
func TestFlatIsCollected(t *testing.T) {
	for i := range uint64(manyFlats) {
		m := NewMemory()
		m.WriteSlow(i<<20, 8, false, i)
		for k := range uint64(manySegments) {
			flatten(t, m, k<<40)
		}
		m.WriteSlow(i<<20+PageSize, 8, false, i)
	}
}

// TestFlatHasNoSecondCopy looks at the heap, where the pages of a flat memory must not be.
func TestFlatHasNoSecondCopy(t *testing.T) {
	const pages = 8192 // 32 MiB
	m := NewMemory()
	for i := range uint64(pages) {
		m.WriteSlow(i*PageSize, 8, false, i+1)
	}
	flatten(t, m)
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	if h := heap(); h > pages*PageSize/2 {
		t.Errorf("%d MiB are on the heap after Flat", h>>20)
	}
	for i := range uint64(pages) {
		m.WriteSlow((i+pages)*PageSize, 8, false, i+1)
	}
	m.Root()
	if h := heap(); h > pages*PageSize/2 {
		t.Errorf("%d MiB are on the heap after writing and Root", h>>20)
	}
	m.Fork()
	if h := heap(); h < 2*pages*PageSize {
		t.Errorf("%d MiB are on the heap after Fork", h>>20)
	}
	for i := range uint64(2 * pages) {
		m.WriteSlow(i*PageSize, 8, false, i)
	}
	if h := heap(); h > pages*PageSize/2 {
		t.Errorf("%d MiB are on the heap after writing again, without the fork", h>>20)
	}
	runtime.KeepAlive(m)
}
