package machine

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"unsafe"

	"github.com/flexemu/flexemu/internal/hostmem"
)

// What lies where in a flat memory, in bytes from Flat.Base on.
const (
	// FlatContext is the length of the context area: for the engine's own use, zero at first. Memory never looks at it.
	FlatContext = 16 << 20
	// FlatStates is where the page states begin: a table of 1 MiB for each segment, by the segment's number, with one
	// byte for each of its pages in order.
	FlatStates = 16 << 20
	// FlatSegments is the number of segments that there is room for.
	FlatSegments = 64
	// FlatLow is where the bytes of the guest's addresses from 0 on begin: the segments 0 to FlatLowSegments - 1 are always
	// there, and lie one behind the other, so that what compilers put low needs one comparison only.
	FlatLow         = 128 << 20
	FlatLowSegments = 4

	// FlatPlain is the bit of a page's state that Memory keeps, and alone sets: the page is private to this memory, known
	// to have changed since the last root, and not watched. Generated code may store to it. The other bits are the
	// engine's.
	FlatPlain = 1
)

const (
	segmentBits  = 32
	segmentSize  = 1 << segmentBits
	segmentPages = segmentSize / PageSize

	// adoptedPages is the least number of pages, 64 MiB, whose former places are worth a collection of garbage.
	adoptedPages = 1 << 14
)

// A Flat is a memory's flat form: guest addresses lie at fixed places of the host's address space, so that generated
// code can load and store without asking. What Memory's methods do is the same with it and without.
//
// At all times the bytes of a segment are those of the guest, absent pages being zero. So any address of a segment may be
// loaded from; an access that crosses a segment's end reads at most a page of no meaning. A store is allowed where the
// page's state has FlatPlain. Stores elsewhere go through Memory.WriteSlow, after which the page is plain, until
// Memory.Root, Fork or Watch ends that. While a memory has a tracer there must be no such loads and stores.
//
// Whoever uses addresses of a Flat must keep it alive (runtime.KeepAlive) for as long: the address space
// is given back when neither it nor its memory can be reached.
type Flat struct {
	// Base is the address of the context area.
	Base uintptr

	mem      *Memory
	segments []Segment
	bytes    []unsafe.Pointer // of the segments
	states   []*[segmentPages]byte
	last     int     // segment that was found last
	full     bool    // the host has no room for another segment
	moved    []*node // leaves whose data lie in a segment
	regions  *regions
	cleanup  runtime.Cleanup
}

// A Segment is 4 GiB of guest addresses, from First on, a multiple of 4 GiB, that lie at Host in the host's
// address space.
type Segment struct {
	First uint64
	Host  uintptr
}

// regions is what a Flat has reserved.
type regions struct{ list []hostmem.Region }

// release gives everything back. A host that has no room left to note a hole in its address space may refuse; then
// the region stays reserved, which harms nobody.
func (r *regions) release() {
	for _, region := range r.list {
		_ = region.Release()
	}
	r.list = nil
}

// Flat gives the memory's flat form, which it makes at the first call, with the low segments. It fails if the host
// cannot reserve the address space, some 16.1 GiB; the memory is then as it was.
func (m *Memory) Flat() (*Flat, error) {
	if m.tree.flat != nil {
		return m.tree.flat, nil
	}
	// The page behind the segments is for accesses that cross their end.
	region, err := hostmem.Reserve(FlatLow + FlatLowSegments*segmentSize + PageSize)
	if err != nil {
		return nil, fmt.Errorf("machine: making a memory flat: %w", err)
	}
	f := &Flat{Base: uintptr(region.Base), mem: m, regions: &regions{[]hostmem.Region{region}}}
	f.cleanup = runtime.AddCleanup(f, (*regions).release, f.regions)
	m.tree.flat = f
	for k := range uint64(FlatLowSegments) {
		f.add(k*segmentSize, unsafe.Add(region.Base, FlatLow+k*segmentSize))
	}
	return f, nil
}

// Release ends the flat form, if there is one: the memory's pages come back to the Go heap, and the address space is
// given back at once. The Flat and its addresses must no longer be used.
func (m *Memory) Release() {
	f := m.tree.flat
	if f == nil {
		return
	}
	m.Reads, m.Writes = noReads, noWrites
	f.freeze()
	m.tree.flat = nil
	f.cleanup.Stop()
	f.regions.release()
	*f = Flat{}
}

// Context gives the context area.
func (f *Flat) Context() *[FlatContext]byte { return (*[FlatContext]byte)(f.regions.list[0].Base) }

// Segment gives the number of the segment that holds addr. If there is none it is made; ok is false if there is
// no room for it.
func (f *Flat) Segment(addr uint64) (k int, ok bool) {
	page := addr >> pageBits
	if k := f.find(page); k >= 0 {
		return k, true
	}
	if f.full || len(f.segments) == FlatSegments {
		return 0, false
	}
	// The pages before and behind the segment are for accesses that cross its ends.
	region, err := hostmem.Reserve(PageSize + segmentSize + PageSize)
	if err != nil {
		f.full = true
		return 0, false
	}
	f.regions.list = append(f.regions.list, region)
	f.add(addr&^(segmentSize-1), unsafe.Add(region.Base, PageSize))
	return len(f.segments) - 1, true
}

// Segments gives all segments by their numbers.
func (f *Flat) Segments() []Segment { return slices.Clone(f.segments) }

// State gives the state of the page that holds addr, or nil if no segment does. It is valid as long as the Flat.
func (f *Flat) State(addr uint64) *byte {
	page := addr >> pageBits
	k := f.find(page)
	if k < 0 {
		return nil
	}
	return &f.states[k][page%segmentPages]
}

// find returns the number of the segment of a page, or -1.
func (f *Flat) find(page uint64) int {
	first := page << pageBits &^ (segmentSize - 1)
	if f.segments[f.last].First == first {
		return f.last
	}
	for k, s := range f.segments {
		if s.First == first {
			f.last = k
			return k
		}
	}
	return -1
}

// host returns the place of a page, or nil if it lies in no segment.
func (f *Flat) host(page uint64) *[PageSize]byte {
	k := f.find(page)
	if k < 0 {
		return nil
	}
	return (*[PageSize]byte)(unsafe.Add(f.bytes[k], page%segmentPages<<pageBits))
}

// add makes bytes, which are zero, the segment from first on, and copies its pages there. Those that are private
// stay there; the others are still needed elsewhere.
func (f *Flat) add(first uint64, bytes unsafe.Pointer) {
	k := len(f.segments)
	f.segments = append(f.segments, Segment{first, uintptr(bytes)})
	f.bytes = append(f.bytes, bytes)
	f.states = append(f.states, (*[segmentPages]byte)(unsafe.Add(f.regions.list[0].Base, FlatStates+k*segmentPages)))
	f.mem.Reads, f.mem.Writes = noReads, noWrites
	t := &f.mem.tree
	// Without these collections a large memory would be there twice until the next one.
	share := max(adoptedPages, t.pages/4)
	garbage := 0
	eachLeaf(t.root, first>>pageBits, func(n *node) {
		host := f.host(n.page)
		if *n.data != zeroPage { // a page that is not written to takes up no room
			*host = *n.data
		}
		if n.owner != t.owner || n.flags&private == 0 {
			return
		}
		n.data = host
		f.moved = append(f.moved, n)
		f.mark(n.page, n.flags&ready != 0)
		if garbage++; garbage == share {
			debug.FreeOSMemory()
			garbage = 0
		}
	})
}

// eachLeaf calls do for the leaves below n that lie in the segment that begins with the page first.
func eachLeaf(n *node, first uint64, do func(n *node)) {
	switch {
	case n == nil || (n.page^first)>>max(n.level-pageLevel, segmentBits-pageBits) != 0:
	case n.level == pageLevel:
		do(n)
	default:
		eachLeaf(n.kids[0], first, do)
		eachLeaf(n.kids[1], first, do)
	}
}

// take makes the page's place in its segment the data of a leaf that is about to become private. The bytes are there
// already. It returns false if the page lies in no segment.
func (f *Flat) take(n *node) bool {
	host := f.host(n.page)
	if host == nil {
		return false
	}
	n.data = host
	f.moved = append(f.moved, n)
	return true
}

// mark tells generated code whether a page is ready.
func (f *Flat) mark(page uint64, ready bool) {
	k := f.find(page)
	if k < 0 {
		return
	}
	if state := &f.states[k][page%segmentPages]; ready {
		*state |= FlatPlain
	} else {
		*state &^= FlatPlain
	}
}

// freeze gives all leaves data of their own on the heap: what lies in a segment may not be shared with a fork. The bytes of
// the segments stay what they are.
func (f *Flat) freeze() {
	for _, n := range f.moved {
		data := *n.data
		n.data = &data
		f.mark(n.page, false)
	}
	f.moved = emptied(f.moved)
}
