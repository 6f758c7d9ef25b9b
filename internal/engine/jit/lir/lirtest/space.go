package lirtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/hostmem"
)

const (
	pageBits    = 12
	pageSize    = 1 << pageBits
	segmentBits = 32
	segmentSize = 1 << segmentBits

	// The layout of machine.Flat.
	statesAt = 16 << 20
	lowAt    = 128 << 20

	codeSize = 4 << 20
)

// A segment is 4 GiB of guest addresses from first on.
type segment struct {
	number uint8
	first  uint64
}

// segments are those of guests of 64 bits: the low ones, and others far away. They have entries of their own in the table of
// segments. Guests of 32 bits have the first.
var segments = []segment{{0, 0}, {1, 1 << 32}, {2, 0x40_0000_0000}, {3, 0x8000_7fff_0000_0000}, {17, 0xffff_fff0_0000_0000}}

// lowSegments is the number of those that lie one behind the other.
const lowSegments = 2

// noSegment is where nothing is: what is said of segments whose number is not in use.
const noSegment = 0xdead_0000_0000

// firsts gives the segments for the backend.
func firsts() []uint64 {
	var list []uint64
	for n := range uint64(segments[len(segments)-1].number) + 1 {
		list = append(list, noSegment+n<<segmentBits)
	}
	for _, s := range segments {
		list[s.number] = s.first
	}
	return list
}

// find gives the index of an address's segment, or -1.
func find(addr uint64) int {
	return slices.IndexFunc(segments, func(s segment) bool { return s.first == addr&^(segmentSize-1) })
}

// An area is a number of bytes without a gap: the low segments, or another one; -1 if there is nothing.
func area(addr uint64, narrow bool) int {
	k := find(addr)
	if narrow && k > 0 {
		return -1
	}
	if k < 0 {
		return k
	}
	return expected(segments[k].number)
}

// expected is the area of the segment of that number.
func expected(number uint8) int {
	if number < lowSegments {
		return 0
	}
	return int(number)
}

// arena are the pages, by number in their segment, that hold something: neighbours, and those at the ends and in
// the middle of a segment.
var arena = []uint64{0, 0x10, 0x11, 0x12, 0x7ffff, 0x80000, 0xffffe, 0xfffff}

// plainPages are the pages of the arena that are far from all ends.
var plainPages = arena[1:4]

// A space is the host's memory in which generated code lies and runs.
type space struct {
	context  unsafe.Pointer
	bytes    []unsafe.Pointer // of the segments
	code     hostmem.Region
	patterns map[uint64]*[pageSize]byte // what pages of the arena hold before each run
	filled   []uint64                   // entries of the tables of indirect jumps that are in use
}

func newSpace(t *testing.T) *space {
	t.Helper()
	if !native {
		t.Skip("this host has no generated code")
	}
	reserve := func(size uint64) hostmem.Region {
		r, err := hostmem.Reserve(size)
		if errors.Is(err, hostmem.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Release() })
		return r
	}
	s := &space{code: reserve(codeSize), patterns: map[uint64]*[pageSize]byte{}}
	s.context = reserve(lowAt + lowSegments*segmentSize + pageSize).Base
	*s.word(lir.ReachAt) = segmentSize - 4096
	*s.word(lir.LimitAt) = lowSegments*segmentSize - 4096
	for k, x := range segments {
		if k < lowSegments {
			s.bytes = append(s.bytes, unsafe.Add(s.context, lowAt+x.first))
		} else {
			s.bytes = append(s.bytes, unsafe.Add(reserve(pageSize+segmentSize+pageSize).Base, pageSize))
		}
		bias := uint64(uintptr(s.bytes[k])) - x.first
		*s.word(uint64(lir.BiasAt) + 8*uint64(x.number)) = bias
		*s.word(uint64(lir.HostAt) + 8*uint64(x.number)) = uint64(uintptr(s.bytes[k]))
		h := x.first >> segmentBits
		entry := uint64(lir.SegmentsAt) + 32*((h^h>>8)%lir.SegmentEntries)
		*s.word(entry), *s.word(entry + 8), *s.word(entry + 16) = h+1, bias, stateOffset(x.first>>pageBits)
		for _, n := range arena {
			page := x.first>>pageBits + n
			random := rand.New(rand.NewPCG(page, 0))
			p := new([pageSize]byte)
			for i := 0; i < pageSize; i += 8 {
				binary.LittleEndian.PutUint64(p[i:], random.Uint64())
			}
			s.patterns[page] = p
		}
	}
	s.reset()
	s.empty(0) // the others are
	return s
}

// reset brings all memory back to what it holds before a run.
func (s *space) reset() {
	for page, p := range s.patterns {
		*s.page(page) = *p
		*s.state(page) = 0
	}
}

// word is a word of the context.
func (s *space) word(offset uint64) *uint64 { return (*uint64)(unsafe.Add(s.context, offset)) }

// stateOffset is where, in the context, a page's state lies.
func stateOffset(page uint64) uint64 {
	k := find(page << pageBits)
	if k < 0 {
		panic("lirtest: a page in no segment has no state")
	}
	return statesAt + uint64(segments[k].number)<<20 + page%(segmentSize/pageSize)
}

func (s *space) state(page uint64) *byte { return (*byte)(unsafe.Add(s.context, stateOffset(page))) }

func (s *space) page(page uint64) *[pageSize]byte {
	k := find(page << pageBits)
	if k < 0 {
		panic("lirtest: a page in no segment has no bytes")
	}
	return (*[pageSize]byte)(unsafe.Add(s.bytes[k], page<<pageBits%segmentSize))
}

// A place is where code is entered.
type place struct{ region, block int }

// A jump is an entry of the table of indirect jumps.
type jump struct {
	pc   uint64
	to   place
	cold bool // it is in that for cold jumps only
}

// A world is a set of regions that lead to each other.
type world struct {
	narrow, delay bool
	align         uint64
	regions       []*lir.Region
	links         map[lir.Edge]place // edges that leave their region, but not to the engine
	jumps         map[uint64]jump    // by index
	// maps are the numbers of the maps of the regions; none if they do not go over to each other warm.
	maps []uint32
}

func (w *world) index(pc uint64) uint64 { return pc / w.align % lir.JumpEntries }

// segments are those that the world has.
func (w *world) segments() []segment {
	if w.narrow {
		return segments[:1]
	}
	return segments
}

// loaded is a world that can be run.
type loaded struct {
	*world
	*space
	bases []uintptr // of the regions
	code  []*lir.Code
	slots []lir.Slot
	sites []lir.Site
}

// load compiles a world.
func (s *space) load(compile Compile, w *world) (*loaded, error) {
	l := &loaded{world: w, space: s}
	if err := s.code.Writable(0, codeSize); err != nil {
		return nil, err
	}
	var stubs, colds []uintptr
	used := 0
	for n, r := range w.regions {
		// The numbers do not begin with 0.
		h := lir.Host{
			First: firsts(), LowSegments: lowSegments, States: statesAt, Low: lowAt,
			FirstSlot: slotBase + len(l.slots), FirstSite: siteBase + len(l.sites),
		}
		if h.Warm = w.maps != nil; h.Warm {
			h.Map = w.maps[n]
		}
		code, err := compile(r, h)
		if err != nil {
			return nil, err
		}
		if used+len(code.Bytes) > codeSize {
			return nil, fmt.Errorf("lirtest: %d bytes of code are too many", used+len(code.Bytes))
		}
		if err := checkCode(r, code); err != nil {
			return nil, err
		}
		copy(s.code.Bytes()[used:], code.Bytes)
		base := uintptr(unsafe.Add(s.code.Base, used))
		for _, slot := range code.Slots {
			stubs, colds = append(stubs, base+uintptr(slot.Stub)), append(colds, base+uintptr(slot.Cold))
		}
		l.bases, l.code = append(l.bases, base), append(l.code, code)
		l.slots, l.sites = append(l.slots, code.Slots...), append(l.sites, code.Sites...)
		used = (used + len(code.Bytes) + 15) &^ 15
	}
	if err := s.code.Executable(0, codeSize); err != nil {
		return nil, err
	}
	l.link(stubs, colds)
	return l, nil
}

// empty makes entries of the tables of indirect jumps, of that index, ones that nobody finds: with a pc of another index.
func (s *space) empty(n uint64) {
	pc := uint64(0)
	if n == 0 {
		pc = 4
	}
	*s.word(lir.JumpsAt + 16*n), *s.word(lir.WarmJumpsAt + 32*n) = pc, pc
}

// link fills the tables by which regions lead to each other.
func (l *loaded) link(stubs, colds []uintptr) {
	var from []int // regions of the slots
	for n, code := range l.code {
		for range code.Slots {
			from = append(from, n)
		}
	}
	for n, slot := range l.slots {
		to, ok := l.links[slot.Edge]
		cold, warm := stubs[n], colds[n]
		if ok {
			cold = l.entry(to)
		}
		if ok && l.maps != nil && l.maps[from[n]] == l.maps[to.region] {
			warm = l.warm(to)
		}
		*l.word(uint64(lir.SlotsAt + 8*(slotBase+n))) = uint64(cold)
		*l.word(uint64(lir.WarmAt + 8*(slotBase+n))) = uint64(warm)
	}
	for _, n := range l.filled {
		l.empty(n)
	}
	l.filled = l.filled[:0]
	for n, j := range l.jumps {
		l.filled = append(l.filled, n)
		*l.word(lir.JumpsAt + 16*n), *l.word(lir.JumpsAt + 16*n + 8) = j.pc, uint64(l.entry(j.to))
		if l.maps != nil && !j.cold {
			entry := lir.WarmJumpsAt + 32*n
			*l.word(entry), *l.word(entry + 8), *l.word(entry + 16) = j.pc, uint64(l.maps[j.to.region]), uint64(l.warm(j.to))
		}
	}
}

// The numbers of the first slot and site; that of the slot makes its offset a large one.
const (
	slotBase = 70_000
	siteBase = 100_000
)

func checkCode(r *lir.Region, code *lir.Code) error {
	if len(code.Entries) != len(r.Blocks) {
		return fmt.Errorf("%d entries for %d blocks", len(code.Entries), len(r.Blocks))
	}
	for n, b := range r.Blocks {
		if (code.Entries[n] < 0) != b.Inner || code.Entries[n] >= len(code.Bytes) {
			return fmt.Errorf("block %d, inner is %v, has the entry %d", n, b.Inner, code.Entries[n])
		}
	}
	return nil
}

func (l *loaded) entry(p place) uintptr {
	return l.bases[p.region] + uintptr(l.code[p.region].Entries[p.block])
}

func (l *loaded) warm(p place) uintptr {
	return l.bases[p.region] + uintptr(l.code[p.region].Warm[p.block])
}
