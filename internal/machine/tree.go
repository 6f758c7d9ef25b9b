package machine

import (
	"math/bits"

	"github.com/flexemu/flexemu/internal/merkle"
)

// pageLevel is the level of a page's root in the Merkle tree: 2^7 leaves of 32 bytes.
const pageLevel = 7

// maxPages is the number of pages in 2^64 bytes.
const maxPages = 1 << (merkle.Depth - pageLevel)

// A tree holds the allocated pages in a binary radix tree shaped like the Merkle tree, but only with
// the nodes below which both halves hold pages: the others have one all-zero child, and are walked
// through when hashing. So a memory of n pages has n leaves and n-1 branches, however sparse.
//
// Forks share nodes. A node may be changed only by the tree whose owner it names; a tree copies any
// other before it changes it (mine), from the root down, so owned nodes hang below owned nodes only.
type tree struct {
	root  *node
	owner *owner
	pages int   // leaves below root
	flat  *Flat // if not nil: where the data of private leaves lie, as far as its segments go
}

// An owner is known by its address. It has a size because addresses of empty objects may coincide.
type owner struct{ _ byte }

// A node is an allocated page (level pageLevel, with data) or a branch (a higher level, with both kids).
type node struct {
	page  uint64 // number of the page; of a branch, the first that could lie below it
	owner *owner
	data  *[PageSize]byte
	kids  [2]*node    // lower half, upper half
	sum   merkle.Hash // root of the subtree on the node's own level, unless sumStale
	top   merkle.Hash // root of the largest subtree that holds no other page than the node's, unless topStale
	level uint8
	flags uint8
}

const (
	// sumStale: sum does not fit the bytes below. Implies topStale.
	sumStale = 1 << iota
	// topStale: top does not fit. Implies that the parent is sumStale.
	topStale
	// private: data belongs to the node's owner alone.
	private
	// ready: private, sumStale and not watched, so that the owner may write to data at will.
	ready
)

func newTree() tree { return tree{owner: new(owner)} }

// fork returns a tree with the same nodes, which from now on belong to neither.
func (t *tree) fork() tree {
	if t.flat != nil {
		t.flat.freeze()
	}
	t.owner = new(owner)
	return tree{root: t.root, owner: new(owner), pages: t.pages}
}

// within tells whether the page lies in the subtree that n is the root of.
func (n *node) within(page uint64) bool { return (page^n.page)>>(n.level-pageLevel) == 0 }

// side returns which half of the branch n holds the page, which lies within n.
func (n *node) side(page uint64) uint64 { return page >> (n.level - pageLevel - 1) & 1 }

// find returns the leaf of a page, or nil if the page is absent.
func (t *tree) find(page uint64) *node {
	n := t.root
	for n != nil && n.within(page) {
		if n.level == pageLevel {
			return n
		}
		n = n.kids[n.side(page)]
	}
	return nil
}

// isReady tells whether this tree may write to the data of n at will.
func (t *tree) isReady(n *node) bool { return n.owner == t.owner && n.flags&ready != 0 }

// setReady makes isReady true for n, a private leaf of this tree on a stale way, or false.
func (t *tree) setReady(n *node, is bool) {
	if n.flags &^= ready; is {
		n.flags |= ready
	}
	if t.flat != nil {
		t.flat.mark(n.page, is)
	}
}

// take gives n, which becomes private, its place in the flat memory, if it has one.
func (t *tree) take(n *node) bool { return t.flat != nil && t.flat.take(n) }

// mine returns the node at p, which it replaces by an own copy if it belongs to another tree.
func (t *tree) mine(p **node) *node {
	if n := *p; n.owner != t.owner {
		c := *n
		c.owner = t.owner
		c.flags &^= private | ready
		*p = &c
	}
	return *p
}

// own returns the leaf of a page with private data and marks the way to it as stale; it allocates an absent page.
func (t *tree) own(page uint64) *node {
	if page >= maxPages {
		panic("machine: a page number beyond the end of memory")
	}
	p := &t.root
	for *p != nil && (*p).within(page) {
		n := t.mine(p)
		n.flags |= sumStale | topStale
		if n.level == pageLevel {
			if n.flags&private == 0 {
				if !t.take(n) {
					data := *n.data
					n.data = &data
				}
				n.flags |= private
			}
			return n
		}
		p = &n.kids[n.side(page)]
	}
	leaf := &node{page: page, owner: t.owner, level: pageLevel, flags: sumStale | topStale | private}
	if !t.take(leaf) {
		leaf.data = new([PageSize]byte)
	}
	t.pages++
	if *p == nil { // only at the root: branches have both kids
		*p = leaf
		return leaf
	}
	other := t.mine(p)
	other.flags |= topStale // its subtree without other pages has become smaller
	split := bits.Len64(other.page ^ page)
	branch := &node{
		page:  page &^ (1<<split - 1),
		owner: t.owner,
		level: uint8(pageLevel + split),
		flags: sumStale | topStale,
	}
	side := branch.side(page)
	branch.kids[side], branch.kids[1-side] = leaf, other
	*p = branch
	return leaf
}

func eachPage(n *node, f func(page uint64, data *[PageSize]byte) error) error {
	if n == nil {
		return nil
	}
	if n.level == pageLevel {
		return f(n.page, n.data)
	}
	if err := eachPage(n.kids[0], f); err != nil {
		return err
	}
	return eachPage(n.kids[1], f)
}

// A pageCache finds leaves by page number faster than the tree does. It may forget any of them, but
// what it returns has the page's current data. A slot is probed only near its home, so that no
// choice of addresses makes a guest slow.
type pageCache struct {
	slots []pageSlot // a power of two, or none
	used  int
}

type pageSlot struct {
	page uint64
	leaf *node // nil if the slot is empty
}

const (
	firstSlots = 256
	maxProbe   = 8
)

// home returns where the search for a page begins. Multiplying by 2^64 divided by the golden ratio
// (Knuth, The Art of Computer Programming 3, 6.4) spreads runs of pages evenly.
func (c *pageCache) home(page uint64) int {
	return int(page * 0x9e3779b97f4a7c15 >> (64 - uint(bits.Len(uint(len(c.slots)-1)))))
}

func (c *pageCache) get(page uint64) *node {
	if len(c.slots) == 0 {
		return nil
	}
	mask := len(c.slots) - 1
	for i, h := 0, c.home(page); i < maxProbe; i++ {
		s := &c.slots[(h+i)&mask]
		if s.leaf == nil || s.page == page {
			return s.leaf
		}
	}
	return nil
}

// put makes get answer leaf for its page.
func (c *pageCache) put(page uint64, leaf *node) {
	if 2*c.used >= len(c.slots) {
		c.grow()
	}
	mask, h := len(c.slots)-1, c.home(page)
	for i := range maxProbe {
		s := &c.slots[(h+i)&mask]
		if s.leaf == nil {
			c.used++
		}
		if s.leaf == nil || s.page == page {
			*s = pageSlot{page, leaf}
			return
		}
	}
	c.slots[h] = pageSlot{page, leaf}
}

func (c *pageCache) grow() {
	old := c.slots
	*c = pageCache{slots: make([]pageSlot, max(firstSlots, 2*len(old)))}
	for _, s := range old {
		if s.leaf != nil {
			c.put(s.page, s.leaf)
		}
	}
}
