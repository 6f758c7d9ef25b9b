package machine

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/flexemu/flexemu/internal/merkle"
)

const (
	// PageSize is the number of bytes of a page, the unit in which memory is allocated.
	PageSize = 1 << pageBits
	pageBits = 12
	pageMask = PageSize - 1

	// CacheSize is the number of entries of Memory.Reads and of Memory.Writes.
	CacheSize = 256

	// NoPage is the tag of an empty cache entry. No page has this number: they end at 2^52 - 1.
	NoPage = ^uint64(0)
)

// A ReadEntry gives access to the bytes of the page whose number (address / PageSize) is Tag. They
// must only be read: the page may be shared, and is often the one zero page that stands for all absent ones.
type ReadEntry struct {
	Tag  uint64
	Data *[PageSize]byte
}

// A WriteEntry gives access to a page that may be written in place: it is allocated, private to this
// memory, known to have changed since the last root, and not watched.
type WriteEntry struct {
	Tag  uint64
	Data *[PageSize]byte
}

// A Tracer sees every access to a memory before it happens (see Memory.SetTracer). The access covers
// the size bytes from addr on, 1 to 32 of them. A read of up to 8 bytes may cross the end of a leaf or of
// a page, and wraps at 2^64; a write that does is two accesses, of which the first has happened when
// the tracer is told of the second. The tracer may call the memory's InstallLeaf and Proof, nothing
// that accesses memory.
type Tracer interface {
	Touch(addr uint64, size uint8, write bool)
}

// A Memory is 2^64 bytes of guest memory, in pages of PageSize bytes of which only the touched ones
// exist, with the root of its Merkle tree. Absent pages read as zero; the first write to one
// allocates it, whatever is written. The set of allocated pages is part of snapshots, not of the root.
//
// Reads and Writes are for engines, which inline the way of a hit. Both are direct-mapped by page
// number mod CacheSize:
//
//	if e := &m.Reads[addr>>12&255]; e.Tag == addr>>12 { … e.Data[addr&4095] … } else { … m.ReadSlow(addr, …) … }
//
// An access that crosses the end of a page must go through ReadSlow or WriteSlow. Only this package
// fills the entries. Any method may change them, so no engine may hold a Data pointer across a call.
//
// A Memory is used by one goroutine at a time. The zero value is not usable; see NewMemory.
//
// The bytes of a flat memory (see Flat) lie outside of the Go heap, and go with the Memory. So methods that use
// page data keep it alive until they are done (runtime.KeepAlive), and so must who uses entries of the caches.
type Memory struct {
	Reads  [CacheSize]ReadEntry
	Writes [CacheSize]WriteEntry

	// OnWatchedWrite, if not nil, is called before the first write to a watched page, see Watch. The
	// page is no longer watched then. It must not access the memory, but may watch other pages.
	OnWatchedWrite func(page uint64)

	tracer  Tracer
	watched map[uint64]struct{}

	tree  tree
	found pageCache
	hash  hasher
}

// The empty caches, copied to flush.
var (
	noReads  [CacheSize]ReadEntry
	noWrites [CacheSize]WriteEntry
)

func init() {
	for i := range CacheSize {
		noReads[i].Tag, noWrites[i].Tag = NoPage, NoPage
	}
}

// zeroPage is what reads of absent pages see; nothing writes to it.
var zeroPage [PageSize]byte

// NewMemory returns a memory without any page.
func NewMemory() *Memory {
	return &Memory{Reads: noReads, Writes: noWrites, tree: newTree()}
}

// Fork returns a memory with the same bytes and pages; both then change independently. Pages and
// tree are shared until either side writes, so that the cost does not depend on the size, but that of a flat memory
// (see Flat) does on the pages written since the last Fork. Hashing that is still due is done by each
// side for itself, so call Root before where it will be asked for anyway.
// The fork has no tracer, watches nothing and is not flat. The two may be used by different goroutines, but Fork
// itself changes m (its caches are emptied) and counts as a use of m.
func (m *Memory) Fork() *Memory {
	m.Reads, m.Writes = noReads, noWrites
	return &Memory{Reads: noReads, Writes: noWrites, tree: m.tree.fork()}
}

// SetTracer makes t see every following access; nil ends that. While there is a tracer, Reads and
// Writes stay empty, so that engines come to ReadSlow and WriteSlow for every access.
func (m *Memory) SetTracer(t Tracer) {
	m.tracer = t
	m.Reads, m.Writes = noReads, noWrites
}

// Watch asks for one call of OnWatchedWrite before the next write to the page, which need not be
// allocated. Engines watch the pages whose code they have decoded.
func (m *Memory) Watch(page uint64) {
	if m.watched == nil {
		m.watched = make(map[uint64]struct{})
	}
	m.watched[page] = struct{}{}
	if e := &m.Writes[page%CacheSize]; e.Tag == page {
		*e = WriteEntry{Tag: NoPage}
	}
	if n := m.lookup(page); n != nil && m.tree.isReady(n) {
		m.tree.setReady(n, false)
	}
}

// Unwatch takes back all that Watch asked for.
func (m *Memory) Unwatch() { clear(m.watched) }

// Pages returns the number of allocated pages.
func (m *Memory) Pages() int { return m.tree.pages }

// EachPage calls f for every allocated page in ascending order, until f returns an error, which
// EachPage returns as it is. f must neither change the memory nor keep data, which it must not write to.
func (m *Memory) EachPage(f func(page uint64, data *[PageSize]byte) error) error {
	err := eachPage(m.tree.root, f)
	runtime.KeepAlive(m)
	return err
}

// ReadSlow reads size bytes (1, 2, 4 or 8) at addr as an unsigned number, big-endian or
// little-endian, and fills Reads. Addresses wrap at 2^64. It is right for every access; engines call
// it for those that Reads does not answer.
//
//go:noinline
func (m *Memory) ReadSlow(addr uint64, size uint8, big bool) uint64 {
	if m.tracer != nil {
		m.tracer.Touch(addr, size, false)
	}
	if at := addr & pageMask; at+uint64(size) <= PageSize {
		v := load(m.readable(addr >> pageBits)[at:], size, big)
		runtime.KeepAlive(m)
		return v
	}
	var b [8]byte
	m.copyOut(addr, b[:size])
	return load(b[:], size, big)
}

// WriteSlow writes the low size bytes (1, 2, 4 or 8) of v at addr, big-endian or little-endian, and
// fills Writes. Addresses wrap at 2^64. It is right for every access; engines call it for those that
// Writes does not answer.
//
//go:noinline
func (m *Memory) WriteSlow(addr uint64, size uint8, big bool, v uint64) {
	if m.tracer != nil {
		if addr%merkle.LeafSize+uint64(size) > merkle.LeafSize {
			var b [8]byte
			store(b[:], size, big, v)
			m.Write(addr, b[:size]) // leaf by leaf: the second is proven against the root after the first write
			return
		}
		m.tracer.Touch(addr, size, true)
	}
	if at := addr & pageMask; at+uint64(size) <= PageSize {
		store(m.writable(addr >> pageBits)[at:], size, big, v)
		runtime.KeepAlive(m)
		return
	}
	var b [8]byte
	store(b[:], size, big, v)
	m.copyIn(addr, b[:size])
}

// PrepareWrite brings the page of addr into Writes, allocating it: a write follows. It refuses a page that is
// watched, so that the watcher hears of the write itself. There must be no tracer.
func (m *Memory) PrepareWrite(addr uint64) bool {
	page := addr >> pageBits
	if _, ok := m.watched[page]; ok {
		return false
	}
	m.writable(page)
	return true
}

// Read fills p with the bytes at addr and those that follow, wrapping at 2^64. A tracer is told leaf
// by leaf.
func (m *Memory) Read(addr uint64, p []byte) {
	if m.tracer == nil {
		m.copyOut(addr, p)
		return
	}
	for len(p) > 0 {
		n := min(len(p), int(merkle.LeafSize-addr%merkle.LeafSize))
		m.tracer.Touch(addr, uint8(n), false)
		m.copyOut(addr, p[:n])
		addr, p = addr+uint64(n), p[n:]
	}
}

// Write puts the bytes of p at addr and the addresses that follow, wrapping at 2^64. A tracer is told
// leaf by leaf.
func (m *Memory) Write(addr uint64, p []byte) {
	if m.tracer == nil {
		m.copyIn(addr, p)
		return
	}
	for len(p) > 0 {
		n := min(len(p), int(merkle.LeafSize-addr%merkle.LeafSize))
		m.tracer.Touch(addr, uint8(n), true)
		m.copyIn(addr, p[:n])
		addr, p = addr+uint64(n), p[n:]
	}
}

// SetPage copies data into the page with the given number, below 2^52, allocating it. A tracer is not told: this
// is for building a memory, not for running a guest.
func (m *Memory) SetPage(page uint64, data *[PageSize]byte) {
	*m.writable(page) = *data
	runtime.KeepAlive(m)
}

// InstallLeaf puts the leaf that holds addr into memory, telling neither the tracer nor a watcher: a
// tracer that replays a witness calls it, when it is told of an access, to supply the bytes.
func (m *Memory) InstallLeaf(addr uint64, leaf *merkle.Hash) {
	page := addr >> pageBits
	n := m.tree.own(page)
	m.found.put(page, n)
	m.refresh(page, n)
	copy(n.data[addr&pageMask&^(merkle.LeafSize-1):], leaf[:])
	runtime.KeepAlive(m)
}

// copyOut is Read without the tracer.
func (m *Memory) copyOut(addr uint64, p []byte) {
	for len(p) > 0 {
		n := copy(p, m.readable(addr >> pageBits)[addr&pageMask:])
		addr, p = addr+uint64(n), p[n:]
	}
	runtime.KeepAlive(m)
}

// copyIn is Write without the tracer.
func (m *Memory) copyIn(addr uint64, p []byte) {
	for len(p) > 0 {
		n := copy(m.writable(addr >> pageBits)[addr&pageMask:], p)
		addr, p = addr+uint64(n), p[n:]
	}
	runtime.KeepAlive(m)
}

// readable returns the bytes of a page, to be read only.
func (m *Memory) readable(page uint64) *[PageSize]byte {
	data := &zeroPage
	if n := m.lookup(page); n != nil {
		data = n.data
	}
	if m.tracer == nil {
		m.Reads[page%CacheSize] = ReadEntry{Tag: page, Data: data}
	}
	return data
}

// writable returns the bytes of a page to be written: allocated, private, marked as changed, not
// watched any more.
func (m *Memory) writable(page uint64) *[PageSize]byte {
	n := m.lookup(page)
	if n == nil || !m.tree.isReady(n) {
		if _, ok := m.watched[page]; ok {
			delete(m.watched, page)
			if m.OnWatchedWrite != nil {
				m.OnWatchedWrite(page)
			}
		}
		n = m.tree.own(page)
		m.tree.setReady(n, true)
		m.found.put(page, n)
		m.refresh(page, n)
	}
	if m.tracer == nil {
		m.Writes[page%CacheSize] = WriteEntry{Tag: page, Data: n.data}
	}
	return n.data
}

// refresh makes the read cache see the bytes of n if it saw what the page was before.
func (m *Memory) refresh(page uint64, n *node) {
	if e := &m.Reads[page%CacheSize]; e.Tag == page {
		e.Data = n.data
	}
}

// lookup returns the tree's node of a page, or nil if the page is absent. Its data are the page's; the node itself
// may be an older version of the tree's when it is not owned by this memory.
func (m *Memory) lookup(page uint64) *node {
	n := m.found.get(page)
	if n == nil {
		if n = m.tree.find(page); n != nil {
			m.found.put(page, n)
		}
	}
	return n
}

func load(b []byte, size uint8, big bool) uint64 {
	switch {
	case size == 1:
		return uint64(b[0])
	case size == 2 && big:
		return uint64(binary.BigEndian.Uint16(b))
	case size == 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case size == 4 && big:
		return uint64(binary.BigEndian.Uint32(b))
	case size == 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case size == 8 && big:
		return binary.BigEndian.Uint64(b)
	case size == 8:
		return binary.LittleEndian.Uint64(b)
	}
	panic(fmt.Sprintf("machine: a memory access of %d bytes", size))
}

func store(b []byte, size uint8, big bool, v uint64) {
	switch {
	case size == 1:
		b[0] = byte(v)
	case size == 2 && big:
		binary.BigEndian.PutUint16(b, uint16(v))
	case size == 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case size == 4 && big:
		binary.BigEndian.PutUint32(b, uint32(v))
	case size == 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	case size == 8 && big:
		binary.BigEndian.PutUint64(b, v)
	case size == 8:
		binary.LittleEndian.PutUint64(b, v)
	default:
		panic(fmt.Sprintf("machine: a memory access of %d bytes", size))
	}
}
