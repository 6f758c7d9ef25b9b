package machine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"golang.org/x/crypto/sha3"

	"github.com/flexemu/flexemu/internal/merkle"
)

// A model is what a Memory must be, as plainly as it can be said.
type model struct {
	bytes   map[uint64]byte // without zeroes
	pages   map[uint64]bool
	watched map[uint64]bool
}

func newModel() *model {
	return &model{map[uint64]byte{}, map[uint64]bool{}, map[uint64]bool{}}
}

func (m *model) fork() *model {
	return &model{maps.Clone(m.bytes), maps.Clone(m.pages), map[uint64]bool{}}
}

// write returns the watched pages that it wrote to.
func (m *model) write(addr uint64, p []byte) (told []uint64) {
	for i, b := range p {
		a := addr + uint64(i)
		m.pages[a/PageSize] = true
		if m.watched[a/PageSize] {
			delete(m.watched, a/PageSize)
			told = append(told, a/PageSize)
		}
		if m.bytes[a] = b; b == 0 {
			delete(m.bytes, a)
		}
	}
	return told
}

func (m *model) read(addr uint64, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = m.bytes[addr+uint64(i)]
	}
	return p
}

// root is the naive tree: a subtree without bytes is zero, any other is its two halves.
func (m *model) root() merkle.Hash {
	return naiveRoot(merkle.Depth, slices.Sorted(maps.Keys(m.bytes)), m.bytes)
}

func naiveRoot(level int, addrs []uint64, content map[uint64]byte) (h merkle.Hash) {
	if len(addrs) == 0 {
		return naiveZero(level)
	}
	if level == 0 {
		for _, a := range addrs {
			h[a%32] = content[a]
		}
		return h
	}
	upper, _ := slices.BinarySearchFunc(addrs, 1, func(a uint64, bit uint64) int {
		return int(a>>(5+level-1)&1) - int(bit)
	})
	l, r := naiveRoot(level-1, addrs[:upper], content), naiveRoot(level-1, addrs[upper:], content)
	return naivePair(l, r)
}

func naivePair(l, r merkle.Hash) merkle.Hash {
	k := sha3.NewLegacyKeccak256()
	k.Write(l[:])
	k.Write(r[:])
	return merkle.Hash(k.Sum(nil))
}

var naiveZeros = sync.OnceValue(func() (z [merkle.Depth + 1]merkle.Hash) {
	for i := range merkle.Depth {
		z[i+1] = naivePair(z[i], z[i])
	}
	return z
})

func naiveZero(level int) merkle.Hash { return naiveZeros()[level] }

// A rig runs a Memory and its model side by side.
type rig struct {
	t     *testing.T
	mem   *Memory
	model *model
	rand  *rand.Rand
	told  []uint64  // watched pages that were written to
	seen  []touched // what the tracer saw
}

type touched struct {
	addr  uint64
	size  uint8
	write bool
}

func (r *rig) Touch(addr uint64, size uint8, write bool) {
	r.seen = append(r.seen, touched{addr, size, write})
	if want := r.model.read(addr, int(size)); !bytes.Equal(r.peek(addr, int(size)), want) {
		r.t.Errorf("at the tracer's call for %#x the access has already happened", addr)
	}
}

// peek reads without tracer and without caches.
func (r *rig) peek(addr uint64, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		a := addr + uint64(i)
		if leaf := r.mem.tree.find(a / PageSize); leaf != nil {
			p[i] = leaf.data[a%PageSize]
		}
	}
	return p
}

func newRig(t *testing.T, mem *Memory, m *model, src *rand.Rand) *rig {
	r := &rig{t: t, mem: mem, model: m, rand: src}
	mem.OnWatchedWrite = func(page uint64) { r.told = append(r.told, page) }
	return r
}

// addr picks from a few regions, so that accesses meet again, and meet page ends and the ends of memory.
func (r *rig) addr() uint64 {
	bases := []uint64{0, 0x1_0000, 0x1_0000 + 256*PageSize, 0x1000_0000_0000, 0x7fff_ffff_f000, 1 << 63, ^uint64(0) - 2*PageSize}
	a := bases[r.rand.IntN(len(bases))] + r.rand.Uint64N(4)*PageSize
	switch r.rand.IntN(4) {
	case 0:
		a += PageSize - r.rand.Uint64N(12)
	case 1:
		a += r.rand.Uint64N(PageSize)
	default:
		a += r.rand.Uint64N(8) * 8
	}
	if r.rand.IntN(200) == 0 {
		a = r.rand.Uint64() // a chain of its own
	}
	return a
}

func (r *rig) read(addr uint64, size uint8, big bool) uint64 {
	if e := &r.mem.Reads[addr>>12&255]; e.Tag == addr>>12 && addr&4095+uint64(size) <= PageSize {
		return load(e.Data[addr&4095:], size, big)
	}
	return r.mem.ReadSlow(addr, size, big)
}

func (r *rig) write(addr uint64, size uint8, big bool, v uint64) {
	if e := &r.mem.Writes[addr>>12&255]; e.Tag == addr>>12 && addr&4095+uint64(size) <= PageSize {
		store(e.Data[addr&4095:], size, big, v)
		return
	}
	r.mem.WriteSlow(addr, size, big, v)
}

// number is load, written differently.
func number(p []byte, big bool) (v uint64) {
	p = bytes.Clone(p)
	if !big {
		slices.Reverse(p)
	}
	for _, b := range p {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *rig) step() {
	r.t.Helper()
	r.told, r.seen = nil, nil
	addr, size, big := r.addr(), uint8(1)<<r.rand.IntN(4), r.rand.IntN(2) == 0
	switch op := r.rand.IntN(100); {
	case op < 35:
		if got, want := r.read(addr, size, big), number(r.model.read(addr, int(size)), big); got != want {
			r.t.Fatalf("read of %d bytes at %#x: %#x, want %#x", size, addr, got, want)
		}
		r.saw(touched{addr, size, false})
	case op < 70:
		v := r.rand.Uint64() >> (8 * r.rand.IntN(9))
		var b [8]byte
		if binary.LittleEndian.PutUint64(b[:], v); big {
			slices.Reverse(b[:size])
		}
		r.write(addr, size, big, v)
		r.sawLeaves(addr, int(size), true)
		r.heard(r.model.write(addr, b[:size]))
	case op < 75:
		p := make([]byte, r.rand.IntN(3*PageSize))
		r.mem.Read(addr, p)
		if !bytes.Equal(p, r.model.read(addr, len(p))) {
			r.t.Fatalf("Read of %d bytes at %#x differs", len(p), addr)
		}
		r.sawLeaves(addr, len(p), false)
	case op < 80:
		p := make([]byte, r.rand.IntN(300))
		for i := range p {
			p[i] = byte(r.rand.Uint32())
		}
		r.mem.Write(addr, p)
		r.sawLeaves(addr, len(p), true)
		r.heard(r.model.write(addr, p))
	case op < 82:
		var data [PageSize]byte
		data[r.rand.IntN(PageSize)] = byte(r.rand.Uint32())
		r.mem.SetPage(addr/PageSize, &data)
		r.heard(r.model.write(addr&^(PageSize-1), data[:]))
	case op < 84:
		leaf := merkle.Hash{byte(r.rand.Uint32())}
		r.mem.InstallLeaf(addr, &leaf)
		watched := maps.Clone(r.model.watched)
		r.model.write(addr&^31, leaf[:])
		r.model.watched = watched
		r.heard(nil)
	case op < 90:
		r.mem.Watch(addr / PageSize)
		r.model.watched[addr/PageSize] = true
	case op < 92:
		if r.mem.tracer == nil && r.rand.IntN(3) == 0 {
			r.mem.SetTracer(r)
		} else {
			r.mem.SetTracer(nil)
		}
	case op < 96:
		r.checkRoot()
	default:
		r.checkProof(addr, r.model.root())
	}
}

// saw checks what the tracer was told, if there is one.
func (r *rig) saw(want ...touched) {
	r.t.Helper()
	if r.mem.tracer == nil {
		want = nil
	} else if r.mem.Reads != noReads || r.mem.Writes != noWrites {
		r.t.Fatal("caches are filled beside a tracer")
	}
	if !slices.Equal(r.seen, want) {
		r.t.Fatalf("tracer saw %v, want %v", r.seen, want)
	}
}

func (r *rig) sawLeaves(addr uint64, n int, write bool) {
	r.t.Helper()
	var want []touched
	for n > 0 {
		k := min(n, 32-int(addr%32))
		want = append(want, touched{addr, uint8(k), write})
		addr, n = addr+uint64(k), n-k
	}
	r.saw(want...)
}

func (r *rig) heard(want []uint64) {
	r.t.Helper()
	if !slices.Equal(r.told, want) {
		r.t.Fatalf("OnWatchedWrite was told of %x, want %x", r.told, want)
	}
}

func (r *rig) checkRoot() {
	r.t.Helper()
	if got, want := r.mem.Root(), r.model.root(); got != want {
		r.t.Fatalf("root %x, want %x", got, want)
	}
}

func (r *rig) checkProof(addr uint64, root merkle.Hash) {
	r.t.Helper()
	pages := r.mem.Pages()
	p := r.mem.Proof(addr)
	if want := r.model.read(addr&^31, 32); !bytes.Equal(p.Leaf[:], want) {
		r.t.Fatalf("proof of %#x has leaf %x, want %x", addr, p.Leaf, want)
	}
	if got := p.Root(addr / 32); got != root {
		r.t.Fatalf("proof of %#x leads to %x, want %x", addr, got, root)
	}
	if r.mem.Pages() != pages {
		r.t.Fatalf("a proof allocated a page")
	}
}

func (r *rig) checkPages() {
	r.t.Helper()
	want := slices.Sorted(maps.Keys(r.model.pages))
	var got []uint64
	err := r.mem.EachPage(func(page uint64, data *[PageSize]byte) error {
		got = append(got, page)
		if !bytes.Equal(data[:], r.model.read(page*PageSize, PageSize)) {
			return fmt.Errorf("page %#x has other bytes", page)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if !slices.Equal(got, want) || r.mem.Pages() != len(want) {
		r.t.Fatalf("%d pages %x, want %x", r.mem.Pages(), got, want)
	}
}

func TestMemoryAgainstModel(t *testing.T) {
	for seed := range uint64(40) {
		src := rand.New(rand.NewPCG(seed, 1))
		rigs := []*rig{newRig(t, NewMemory(), newModel(), src)}
		for range 600 {
			r := rigs[src.IntN(len(rigs))]
			r.step()
			if src.IntN(60) == 0 {
				rigs = append(rigs, newRig(t, r.mem.Fork(), r.model.fork(), src))
			}
			if len(rigs) > 4 {
				i := src.IntN(len(rigs))
				rigs = slices.Delete(rigs, i, i+1)
			}
		}
		for _, r := range rigs {
			r.checkRoot()
			r.checkPages()
		}
	}
}

// TestManyPages reaches what small memories do not: updates of more pages than are kept warm, several
// goroutines, eviction, a page cache that grows.
func TestManyPages(t *testing.T) {
	r := newRig(t, NewMemory(), newModel(), rand.New(rand.NewPCG(7, 7)))
	fill := func(first, n, stride uint64) {
		for i := range n {
			addr := (first+i*stride)*PageSize + r.rand.Uint64N(PageSize-8)
			b := binary.BigEndian.AppendUint64(nil, r.rand.Uint64())
			r.mem.Write(addr, b)
			r.model.write(addr, b)
		}
	}
	fill(1000, maxWarm+101, 1) // cold
	r.checkRoot()
	fill(1000, maxWarm+101, 1) // cold again
	fill(1<<45, 2, 1<<40)
	r.checkRoot()
	fill(1500, maxWarm-200, 1) // warm, all of each page
	r.checkRoot()
	fill(1700, maxWarm-100, 1) // some warm, some new; pushes others out
	r.checkRoot()
	fill(1<<40, 500, 1<<38+1) // far apart
	r.checkRoot()
	root := r.mem.Root()
	for range 200 {
		r.checkProof(uint64(1000+r.rand.IntN(1300))*PageSize+r.rand.Uint64N(PageSize), root)
	}
	if n := len(r.mem.hash.warm.byPage); n != maxWarm {
		t.Errorf("%d warm pages, want %d", n, maxWarm)
	}
	r.checkPages()
}

// TestPageCacheCollisions gives all pages the same home.
func TestPageCacheCollisions(t *testing.T) {
	var c pageCache
	var pages []uint64
	for p := uint64(0); len(pages) < 64; p++ {
		if p*0x9e3779b97f4a7c15>>48 == 0x1234 {
			pages = append(pages, p)
			c.put(p, &node{page: p})
		}
	}
	hits := 0
	for _, p := range pages {
		if n := c.get(p); n != nil {
			if n.page != p {
				t.Fatalf("page %#x is answered with %#x", p, n.page)
			}
			hits++
		}
	}
	if hits < maxProbe || len(c.slots) > 4*len(pages)+firstSlots {
		t.Errorf("%d hits in %d slots", hits, len(c.slots))
	}
}

func TestRootOfZeroPages(t *testing.T) {
	m := NewMemory()
	if m.Root() != merkle.Zero(merkle.Depth) {
		t.Error("root of no pages is not the zero tree's")
	}
	m.Write(1<<40, make([]byte, 3*PageSize))
	if m.Pages() != 3 || m.Root() != merkle.Zero(merkle.Depth) {
		t.Errorf("three zero pages: %d pages, root %x", m.Pages(), m.Root())
	}
	if p := m.Proof(5); p.Root(0) != m.Root() || p != NewMemory().Proof(5) {
		t.Error("proof in zero memory is not the zero tree's")
	}
}

func TestReadsAllocateNothing(t *testing.T) {
	m := NewMemory()
	if v := m.ReadSlow(^uint64(0)-3, 8, true); v != 0 || m.Pages() != 0 {
		t.Errorf("read %#x, then %d pages", v, m.Pages())
	}
	if e := m.Reads[255]; e.Tag != 1<<52-1 || *e.Data != zeroPage {
		t.Error("an absent page was not cached for reading")
	}
	m.WriteSlow(^uint64(0)-3, 8, true, 0x0102030405060708)
	if v := m.ReadSlow(0, 4, false); v != 0x08070605 || m.Pages() != 2 {
		t.Errorf("read %#x behind the end of memory, %d pages", v, m.Pages())
	}
	if e := m.Reads[255]; e.Tag != 1<<52-1 || e.Data[4095] != 4 {
		t.Error("the cached absent page did not become the allocated one")
	}
}

// TestInstallLeaf puts leaves where the caches hold the zero page and a shared page.
func TestInstallLeaf(t *testing.T) {
	m := NewMemory()
	m.WriteSlow(PageSize, 1, true, 7)
	fork := m.Fork()
	told := false
	m.OnWatchedWrite = func(uint64) { told = true }
	m.Watch(1)
	for page := range uint64(2) {
		m.ReadSlow(page*PageSize, 1, true)
		m.InstallLeaf(page*PageSize+40, &merkle.Hash{1: 9})
		if got := m.Reads[page].Data[33]; got != 9 {
			t.Errorf("page %d: the cache reads %d", page, got)
		}
	}
	if told || fork.ReadSlow(PageSize+33, 1, true) != 0 || fork.Pages() != 1 {
		t.Error("a watcher was told, or the fork sees the leaf")
	}
	if m.WriteSlow(PageSize, 1, true, 8); !told {
		t.Error("the watch was lost")
	}
}

func TestEachPageStops(t *testing.T) {
	m := NewMemory()
	m.Write(0, make([]byte, 4*PageSize))
	stop, calls := errors.New("stop"), 0
	err := m.EachPage(func(page uint64, _ *[PageSize]byte) error {
		if calls++; page == 1 {
			return stop
		}
		return nil
	})
	if err != stop || calls != 2 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

// TestWitnessReplay records the leaves of some accesses and repeats the accesses on these alone.
func TestWitnessReplay(t *testing.T) {
	full := NewMemory()
	for i := range uint64(300) {
		full.WriteSlow(i*i*77, 8, true, i*0x9e3779b97f4a7c15)
	}
	w := &witness{from: full.Fork(), leaves: map[uint64]merkle.Hash{}}
	run := func(m *Memory) (sum uint64) {
		for i := range uint64(100) {
			v := m.ReadSlow(i*i*77-3, 8, i%2 == 0)
			m.WriteSlow(i*i*77+v%64, 4, i%3 == 0, v+i)
			sum = sum*31 + v
		}
		return sum
	}
	full.SetTracer(w)
	want := run(full)
	part := NewMemory()
	part.SetTracer(&installer{part, w.leaves, map[uint64]bool{}})
	if got := run(part); got != want {
		t.Errorf("replay computed %#x, want %#x", got, want)
	}
	if part.Pages() >= full.Pages() {
		t.Errorf("replay has %d of %d pages", part.Pages(), full.Pages())
	}
}

type witness struct {
	from   *Memory
	leaves map[uint64]merkle.Hash
}

func (w *witness) Touch(addr uint64, size uint8, _ bool) {
	for _, a := range []uint64{addr, addr + uint64(size) - 1} {
		p := w.from.Proof(a)
		w.leaves[a/32] = p.Leaf
	}
}

type installer struct {
	mem    *Memory
	leaves map[uint64]merkle.Hash
	done   map[uint64]bool
}

func (i *installer) Touch(addr uint64, size uint8, _ bool) {
	for _, a := range []uint64{addr, addr + uint64(size) - 1} {
		if leaf := i.leaves[a/32]; !i.done[a/32] {
			i.mem.InstallLeaf(a, &leaf)
			i.done[a/32] = true
		}
	}
}

// TestForksInParallel is for the race detector: forks share all pages and nodes, hashed ones and not.
func TestForksInParallel(t *testing.T) {
	base := NewMemory()
	for i := range uint64(3000) {
		base.WriteSlow(i*3*PageSize/2, 8, false, i)
		if i == 2000 {
			base.Root()
		}
	}
	work := func(m *Memory, tag uint64) [2]merkle.Hash {
		var roots [2]merkle.Hash
		for k := range roots {
			for i := range uint64(500) {
				addr := (i*7919 + tag) % 3000 * PageSize
				m.WriteSlow(addr, 8, true, tag+m.ReadSlow(addr, 8, true))
			}
			f := m.Fork()
			roots[k] = m.Root()
			p := f.Proof(tag * PageSize)
			if p.Root(tag*PageSize/32) != roots[k] {
				t.Errorf("fork %d: a proof leads to another root", tag)
			}
		}
		return roots
	}
	var got [4][2]merkle.Hash
	var wait sync.WaitGroup
	for i := range got {
		fork := base.Fork()
		wait.Go(func() { got[i] = work(fork, uint64(i)) })
	}
	again := base.Fork()
	baseRoot := base.Root()
	wait.Wait()
	for i := range got {
		if want := work(again.Fork(), uint64(i)); got[i] != want {
			t.Errorf("fork %d has roots %x, want %x", i, got[i], want)
		}
	}
	if again.Root() != baseRoot {
		t.Error("the base has changed under its forks")
	}
}
