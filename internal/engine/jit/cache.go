package jit

import (
	"cmp"
	"iter"
	"slices"
	"unsafe"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
)

// A compiled is the code of a region.
type compiled struct {
	entries []uint64 // pcs at which it is entered
	first   int      // number of its first site
	sites   []lir.Site
	number  uint32   // of its map of cells to registers
	trouble int      // how often it was left for addresses that were elsewhere
	steps   int32    // instructions of the guest
	grown   int      // how often it, or what it replaces, was compiled anew to be larger
	come    uint64   // how often others went over to it while it was looked at, about
	jumps   []uint64 // where its indirect jumps were seen to lead
	slots   [2]int   // numbers of its first slot, and of that behind its last
}

// An entrance is where a block of a region is entered.
type entrance struct {
	code  uintptr
	warm  uintptr // without loading registers
	owner *compiled
}

// A slot is an edge that leaves a region.
type slot struct {
	pc    uint64
	next  uint64  // next pc, if there is one
	ends  bool    // pc is in a delay slot: no code begins there
	stub  uintptr // the code that returns to the engine
	cold  uintptr // the code that writes the registers back
	owner *compiled
}

// A cache holds an engine's generated code and the tables by which one piece finds another.
type cache struct {
	context unsafe.Pointer
	align   uint64

	entry    map[uint64]entrance // by pc
	slots    []slot
	incoming map[uint64][]int // slots by the pc that they lead to
	regions  []*compiled      // in the order of their sites
	sites    int              // of all regions
	pages    map[uint64][]*compiled
	jumps    []int // entries of the table of indirect jumps that may be in use
}

func newCache(context unsafe.Pointer, align uint64) *cache {
	c := &cache{context: context, align: align}
	// Of the entries that are all zero one alone would answer, for the pc 0; those of an engine before this one all would.
	entries := 1
	if *c.word(lir.FilledAt) != 0 {
		entries = lir.JumpEntries
	}
	for n := range entries {
		c.jumps = append(c.jumps, n)
	}
	c.drop()
	return c
}

// drop forgets all code.
func (c *cache) drop() {
	c.entry, c.incoming, c.pages = map[uint64]entrance{}, map[uint64][]int{}, map[uint64][]*compiled{}
	c.slots, c.regions, c.sites = c.slots[:0], nil, 0
	c.dropJumps()
}

func (c *cache) word(offset int) *uint64 { return (*uint64)(unsafe.Add(c.context, offset)) }

func (c *cache) slotWord(n int) *uint64 { return c.word(lir.SlotsAt + 8*n) }

// dropJumps empties the table of indirect jumps. An entry with a pc that belongs elsewhere never answers.
func (c *cache) dropJumps() {
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
	if to, ok := c.entry[s.pc]; ok && !s.ends {
		*c.slotWord(n) = uint64(to.code)
		if warmLinks && to.owner.number == s.owner.number {
			*c.word(lir.WarmAt + 8*n) = uint64(to.warm)
		}
	}
}

func (c *cache) jumpOf(pc uint64) int { return int(pc / c.align % lir.JumpEntries) }

// jump puts an entry into the table of indirect jumps.
func (c *cache) jump(pc uint64, to entrance) {
	n := c.jumpOf(pc)
	if c.jumpOf(*c.word(lir.JumpsAt + 16*n)) != n { // else it is in use already
		c.jumps = append(c.jumps, n)
	}
	*c.word(lir.FilledAt) = 1
	*c.word(lir.WarmJumpsAt + 32*n) = pc
	*c.word(lir.WarmJumpsAt + 32*n + 8) = uint64(to.owner.number)
	*c.word(lir.WarmJumpsAt + 32*n + 16) = uint64(to.warm)
	*c.word(lir.JumpsAt + 16*n) = pc
	*c.word(lir.JumpsAt + 16*n + 8) = uint64(to.code)
}

// add puts the code of a region into the cache. Edges of other regions that lead to it are linked, and its own.
func (c *cache) add(r *result) *compiled {
	code := r.code
	done := &compiled{first: c.sites, sites: code.Sites, number: r.number, steps: r.steps, come: r.come, jumps: r.jumps}
	for _, d := range r.replaces {
		done.grown = max(done.grown, d.grown+1)
	}
	c.regions = append(c.regions, done)
	c.sites += len(code.Sites)
	for n, offset := range code.Entries {
		pc := r.blocks[n]
		if _, taken := c.entry[pc]; offset < 0 || taken {
			continue
		}
		e := entrance{code: r.base + uintptr(offset), owner: done}
		if warmLinks {
			e.warm = r.base + uintptr(code.Warm[n])
		}
		c.entry[pc] = e
		done.entries = append(done.entries, pc)
		for _, s := range c.incoming[pc] {
			c.link(s)
		}
	}
	done.slots[0] = len(c.slots)
	for _, s := range code.Slots {
		n := len(c.slots)
		ends := r.delay && s.Edge.Next != s.Edge.PC+4
		c.slots = append(c.slots, slot{s.Edge.PC, s.Edge.Next, ends, r.base + uintptr(s.Stub), r.base + uintptr(s.Cold), done})
		c.incoming[s.Edge.PC] = append(c.incoming[s.Edge.PC], n)
		c.link(n)
	}
	done.slots[1] = len(c.slots)
	for _, p := range r.pages {
		c.pages[p] = append(c.pages[p], done)
	}
	return done
}

// loop gives the regions that a region has edges to, and which have edges back to it.
func (c *cache) loop(d *compiled) (list []*compiled) {
	for to := range c.edges(d) {
		if to != nil && to != d && !slices.Contains(list, to) {
			for back := range c.edges(to) {
				if back == d {
					list = append(list, to)
					break
				}
			}
		}
	}
	return list
}

// edges gives the regions that a region goes over to, or nil for what has no code.
func (c *cache) edges(d *compiled) iter.Seq[*compiled] {
	return func(yield func(*compiled) bool) {
		for _, s := range c.slots[d.slots[0]:d.slots[1]] {
			if !yield(c.entry[s.pc].owner) {
				return
			}
		}
		for _, pc := range d.jumps {
			if !yield(c.entry[pc].owner) {
				return
			}
		}
	}
}

// skip leaves out a region that came too late. Its numbers are taken.
func (c *cache) skip(r *result) {
	c.slots = append(c.slots, make([]slot, len(r.code.Slots))...)
	c.sites += len(r.code.Sites)
}

// site gives the site of a number and its region.
func (c *cache) site(number int) (*lir.Site, *compiled) {
	after, _ := slices.BinarySearchFunc(c.regions, number+1, func(d *compiled, number int) int { return cmp.Compare(d.first, number) })
	d := c.regions[after-1] // every region has sites: its blocks begin with one
	return &d.sites[number-d.first], d
}

// remove makes a region unreachable. Its bytes stay until everything is dropped.
func (c *cache) remove(d *compiled) {
	for _, pc := range d.entries {
		if n := c.jumpOf(pc); *c.word(lir.JumpsAt + 16*n) == pc {
			c.dropJump(n)
		}
		delete(c.entry, pc)
		for _, s := range c.incoming[pc] {
			c.link(s)
		}
	}
	d.entries = nil
}
