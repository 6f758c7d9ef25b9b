package machine

import (
	"math/bits"
	"runtime"

	"github.com/flexemu/flexemu/internal/merkle"
)

// Root returns the root of the Merkle tree over all 2^64 bytes. It hashes what has changed since the
// last call; all entries of Writes are then empty.
func (m *Memory) Root() merkle.Hash {
	if m.tree.root == nil {
		return merkle.Zero(merkle.Depth)
	}
	if m.tree.root.flags&topStale != 0 {
		m.hash.update(&m.tree)
		m.Writes = noWrites
	}
	return m.tree.root.top
}

// Proof returns the proof of the leaf that holds addr against Root, which it calls. The leaf's index
// is addr / merkle.LeafSize. Proving a leaf of an absent page allocates nothing.
func (m *Memory) Proof(addr uint64) merkle.Proof {
	m.Root()
	var p merkle.Proof
	for i := range p.Siblings {
		p.Siblings[i] = merkle.Zero(i)
	}
	page := addr >> pageBits
	for n := m.tree.root; n != nil; {
		if !n.within(page) {
			// The page is absent, and n is the only one beside its way to the root that was not yet met.
			split := pageLevel + bits.Len64(n.page^page) - 1
			p.Siblings[split] = n.sum
			for level := int(n.level); level < split; level++ {
				p.Siblings[split] = n.above(&p.Siblings[split], level)
			}
			break
		}
		if n.level == pageLevel {
			leaf := addr & pageMask / merkle.LeafSize
			w := m.hash.warmed(n)
			p.Leaf = w.nodes[leaf]
			for level := range pageLevel {
				p.Siblings[level] = w.nodes[warmStart(level)+int(leaf>>level^1)]
			}
			break
		}
		side := n.side(page)
		p.Siblings[n.level-1] = n.kids[1-side].top
		n = n.kids[side]
	}
	runtime.KeepAlive(m)
	return p
}

// above returns the parent of h, the root of the subtree on the given level that holds n and else
// zeroes, when the parent's other half is zero.
func (n *node) above(h *merkle.Hash, level int) merkle.Hash {
	zero := merkle.Zero(level)
	if n.upper(level) {
		return merkle.Pair(&zero, h)
	}
	return merkle.Pair(h, &zero)
}

// upper tells whether n lies in the upper half of the subtree above the given level.
func (n *node) upper(level int) bool { return n.page>>(level-pageLevel)&1 != 0 }

// A hasher brings the sums and tops of a tree up to date. Hashing goes level by level over everything
// that changed, so that full batches come to merkle.HashPairs. It holds no part of the state: inner nodes
// of pages that were hashed lately, and buffers.
type hasher struct {
	warm  warmPages
	batch *batch
	due   [merkle.Depth + 1][]rising // stale nodes by their level
	lifts []rising                   // nodes whose top is on its way up
	pages []*node                    // leaves with sumStale, ascending
}

// A rising node's top belongs on level until, just below its parent in the tree.
type rising struct {
	*node
	until uint8
}

// update hashes all stale nodes of a tree, which must not be empty.
func (h *hasher) update(t *tree) {
	b := h.scratch()
	h.collect(t, &t.root, merkle.Depth)
	if t.flat != nil {
		for _, n := range h.pages {
			t.flat.mark(n.page, false)
		}
	}
	h.sumPages(h.pages)
	h.pages = emptied(h.pages)
	for level := pageLevel; ; level++ {
		h.enter(level)
		if level == merkle.Depth {
			break
		}
		zero := merkle.Zero(level)
		for _, r := range h.lifts {
			if r.upper(level) {
				b.add(&zero, &r.top, &r.top)
			} else {
				b.add(&r.top, &zero, &r.top)
			}
		}
		for _, r := range h.due[level+1] {
			if r.flags&sumStale != 0 {
				b.add(&r.kids[0].top, &r.kids[1].top, &r.sum)
			}
		}
		b.flush()
	}
	h.lifts = emptied(h.lifts)
}

// scratch returns the hasher's own batch. Most forks never hash, so it is made when it is needed.
func (h *hasher) scratch() *batch {
	if h.batch == nil {
		h.batch = new(batch)
	}
	return h.batch
}

// collect lists the stale nodes from p down; the top of *p belongs on level until.
func (h *hasher) collect(t *tree, p **node, until uint8) {
	if (*p).flags&topStale == 0 {
		return
	}
	n := t.mine(p)
	if n.flags&sumStale != 0 {
		if n.level == pageLevel {
			h.pages = append(h.pages, n)
		} else {
			h.collect(t, &n.kids[0], n.level-1)
			h.collect(t, &n.kids[1], n.level-1)
		}
	}
	h.due[n.level] = append(h.due[n.level], rising{n, until})
}

// enter takes the nodes of a level, whose sums are right now, among the rising ones, of which it
// drops those that have arrived.
func (h *hasher) enter(level int) {
	rest := h.lifts[:0]
	for _, r := range h.lifts {
		if int(r.until) > level {
			rest = append(rest, r)
		}
	}
	for _, r := range h.due[level] {
		r.top = r.sum
		r.flags &^= sumStale | topStale | ready
		if int(r.until) > level {
			rest = append(rest, r)
		}
	}
	h.due[level] = emptied(h.due[level])
	clear(h.lifts[min(len(rest), len(h.lifts)):])
	h.lifts = rest
}

// emptied returns a list without elements that holds on to none. The lists are kept for the next
// update, at some 50 bytes per page: making them anew each time costs more memory, in garbage.
func emptied[T any](list []T) []T {
	clear(list)
	return list[:0]
}

// A batch gathers pairs of hashes that lie anywhere, of which none depends on another.
type batch struct {
	src [2 * batchPairs]merkle.Hash
	out [batchPairs]*merkle.Hash
	n   int
}

const batchPairs = 128

// add makes the next flush, or an earlier one, set out to the parent of l and r as they are now.
func (b *batch) add(l, r, out *merkle.Hash) {
	b.src[2*b.n], b.src[2*b.n+1], b.out[b.n] = *l, *r, out
	if b.n++; b.n == batchPairs {
		b.flush()
	}
}

// flush hashes what was added.
func (b *batch) flush() {
	merkle.HashPairs(b.src[:b.n], b.src[:2*b.n])
	for i, out := range b.out[:b.n] {
		*out, b.out[i] = b.src[i], nil
	}
	b.n = 0
}
