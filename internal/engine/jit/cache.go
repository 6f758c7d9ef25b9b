package jit

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
)

// A compiled is the code of a region.
type compiled struct {
	entries []uint64 // pcs at which it is entered
	sites   int      // number of the first one
	number  uint32   // of its map of cells to registers
	trouble int      // how often it was left for addresses that were elsewhere
}

// A slot is an edge that leaves a region.
type slot struct {
	pc   uint64
	next uint64  // next pc, if there is one
	ends bool    // pc is in a delay slot: no code begins there
	stub uintptr // the code that returns to the engine
	cold uintptr // the code that writes the registers back
	from uint32  // number of the region's map
}

// A cache holds an engine's generated code and the tables by which one piece finds another.
type cache struct {
	context unsafe.Pointer
	align   uint64

	version  uint32             // counts the changes of entry, from 1 on
	entry    map[uint64]uintptr // by pc
	warm     map[uint64]uintptr // by pc: without loading registers
	owner    map[uint64]*compiled
	slots    []slot
	incoming map[uint64][]int // slots by the pc that they lead to
	sites    []lir.Site
	regions  []*compiled // in the order of their sites
	pages    map[uint64][]*compiled
	jumps    []int // entries of the table of indirect jumps that may be in use
}

func newCache(context unsafe.Pointer, align uint64) *cache {
	c := &cache{context: context, align: align}
	c.drop()
	return c
}

// drop forgets all code.
func (c *cache) drop() {
	c.version++
	c.warm = map[uint64]uintptr{}
	c.entry, c.owner, c.incoming, c.pages = map[uint64]uintptr{}, map[uint64]*compiled{}, map[uint64][]int{}, map[uint64][]*compiled{}
	c.slots, c.sites, c.regions = c.slots[:0], c.sites[:0], c.regions[:0]
	c.dropJumps()
}

func (c *cache) word(offset int) *uint64 { return (*uint64)(unsafe.Add(c.context, offset)) }

func (c *cache) slotWord(n int) *uint64 { return c.word(lir.SlotsAt + 8*n) }

// dropJumps empties the table of indirect jumps. An entry with a pc that belongs elsewhere never answers.
func (c *cache) dropJumps() {
	if c.jumps == nil {
		for n := range lir.JumpEntries {
			c.jumps = append(c.jumps, n)
		}
	}
	for _, n := range c.jumps {
		c.dropJump(n)
	}
	c.jumps = c.jumps[:0]
}

func (c *cache) dropJump(n int) {
	*c.word(lir.JumpsAt + 16*n) = uint64(n+1) * c.align
	*c.word(lir.WarmJumpsAt + 32*n) = uint64(n+1) * c.align
}

// link makes a slot lead to the code for its pc, if there is some.
func (c *cache) link(n int) {
	s := &c.slots[n]
	*c.slotWord(n), *c.word(lir.WarmAt + 8*n) = uint64(s.stub), uint64(s.cold)
	if code, ok := c.entry[s.pc]; ok && !s.ends {
		*c.slotWord(n) = uint64(code)
		if warmLinks && c.owner[s.pc].number == s.from {
			*c.word(lir.WarmAt + 8*n) = uint64(c.warm[s.pc])
		}
	}
}

func (c *cache) jumpOf(pc uint64) int { return int(pc / c.align % lir.JumpEntries) }

// jump puts an entry into the table of indirect jumps.
func (c *cache) jump(pc uint64, code uintptr) {
	n := c.jumpOf(pc)
	c.jumps = append(c.jumps, n)
	*c.word(lir.WarmJumpsAt + 32*n) = pc
	*c.word(lir.WarmJumpsAt + 32*n + 8) = uint64(c.owner[pc].number)
	*c.word(lir.WarmJumpsAt + 32*n + 16) = uint64(c.warm[pc])
	*c.word(lir.JumpsAt + 16*n) = pc
	*c.word(lir.JumpsAt + 16*n + 8) = uint64(code)
}

// add puts the code of a region into the cache. Edges of other regions that lead to it are linked, and its own.
func (c *cache) add(r *result) {
	c.version++
	code := r.code
	done := &compiled{sites: len(c.sites), number: r.number}
	c.regions = append(c.regions, done)
	for n, offset := range code.Entries {
		pc := r.blocks[n]
		if _, taken := c.entry[pc]; offset < 0 || taken {
			continue
		}
		c.entry[pc], c.owner[pc] = r.base+uintptr(offset), done
		if warmLinks {
			c.warm[pc] = r.base + uintptr(code.Warm[n])
		}
		done.entries = append(done.entries, pc)
		for _, s := range c.incoming[pc] {
			c.link(s)
		}
	}
	for _, s := range code.Slots {
		n := len(c.slots)
		ends := r.delay && s.Edge.Next != s.Edge.PC+4
		c.slots = append(c.slots, slot{s.Edge.PC, s.Edge.Next, ends, r.base + uintptr(s.Stub), r.base + uintptr(s.Cold), r.number})
		c.incoming[s.Edge.PC] = append(c.incoming[s.Edge.PC], n)
		c.link(n)
	}
	c.sites = append(c.sites, code.Sites...)
	for _, p := range r.pages {
		c.pages[p] = append(c.pages[p], done)
	}
}

// skip leaves out a region that came too late. Its numbers are taken.
func (c *cache) skip(r *result) {
	c.regions = append(c.regions, &compiled{sites: len(c.sites), number: r.number})
	c.slots = append(c.slots, make([]slot, len(r.code.Slots))...)
	c.sites = append(c.sites, r.code.Sites...)
}

// siteOwner gives the region of a site.
func (c *cache) siteOwner(number int) *compiled {
	n, found := slices.BinarySearchFunc(c.regions, number, func(d *compiled, number int) int { return cmp.Compare(d.sites, number) })
	if !found {
		n--
	}
	for n+1 < len(c.regions) && c.regions[n+1].sites <= number { // regions without sites
		n++
	}
	return c.regions[n]
}

// remove makes a region unreachable. Its bytes stay until everything is dropped.
func (c *cache) remove(d *compiled) {
	c.version++
	for _, pc := range d.entries {
		if n := c.jumpOf(pc); *c.word(lir.JumpsAt + 16*n) == pc {
			c.dropJump(n)
		}
		delete(c.entry, pc)
		delete(c.warm, pc)
		delete(c.owner, pc)
		for _, s := range c.incoming[pc] {
			c.link(s)
		}
	}
	d.entries = nil
}
