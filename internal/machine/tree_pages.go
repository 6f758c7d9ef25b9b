package machine

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/flexemu/flexemu/internal/merkle"
)

const (
	pageLeaves = PageSize / merkle.LeafSize
	pagePairs  = pageLeaves / 2

	// maxWarm is the number of pages whose inner nodes are kept, 8 KiB each.
	maxWarm = 1024
	// densePairs is the number of changed pairs of leaves from which on all of a page is hashed.
	densePairs = pagePairs / 2
	// coldGroup is the number of pages hashed together so that four lanes are full up to their roots.
	coldGroup = 4
	// shareSize is the number of pages that a goroutine takes at a time, some 100 µs of work.
	shareSize = 16
)

// leaves returns a page's bytes as the leaves that they are.
func leaves(data *[PageSize]byte) *[pageLeaves]merkle.Hash {
	return (*[pageLeaves]merkle.Hash)(unsafe.Pointer(data))
}

// sumPages sets the sums of pages. When there are few they become warm. When there are many each
// would push another out before it was of use; then every page is hashed as a whole.
func (h *hasher) sumPages(pages []*node) {
	if len(pages) > maxWarm {
		h.share(len(pages), func(from, to int, _ *batch) {
			for ; from < to; from += coldGroup {
				sumCold(pages[from:min(from+coldGroup, to)])
			}
		})
		return
	}
	// No page can push another out of its own update: there is room for all of them.
	jobs := h.warm.jobs[:0]
	for _, n := range pages {
		w, changed := h.warm.refresh(n)
		jobs = append(jobs, warmJob{w, changed})
	}
	h.share(len(jobs), func(from, to int, b *batch) { sumWarm(jobs[from:to], b) })
	for i, n := range pages {
		n.sum = jobs[i].root()
	}
	h.warm.jobs = emptied(jobs)
}

// share calls work for parts of 0…n-1, on all processors when there is enough of it. Parts must be
// independent; a part's bounds are multiples of shareSize, or n.
func (h *hasher) share(n int, work func(from, to int, b *batch)) {
	workers := min(runtime.GOMAXPROCS(0), n/(2*shareSize))
	if workers < 2 {
		work(0, n, h.scratch())
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	for i := range workers {
		b := h.scratch()
		if i > 0 {
			b = new(batch)
		}
		wait.Go(func() {
			for {
				to := int(next.Add(shareSize))
				if to-shareSize >= n {
					return
				}
				work(to-shareSize, min(to, n), b)
			}
		})
	}
	wait.Wait()
}

// sumCold sets the sums of up to coldGroup pages and keeps nothing.
func sumCold(pages []*node) {
	var buf [coldGroup * pagePairs]merkle.Hash
	for i, n := range pages {
		merkle.HashPairs(buf[i*pagePairs:(i+1)*pagePairs], leaves(n.data)[:])
	}
	for n := len(pages) * pagePairs; n > len(pages); n /= 2 {
		merkle.HashPairs(buf[:n/2], buf[:n])
	}
	for i, n := range pages {
		n.sum = buf[i]
	}
}

// A warmPage is the whole Merkle tree of a page as it was when the page was last hashed: the leaves,
// then each level above, the root last.
type warmPage struct {
	nodes        [2*pageLeaves - 1]merkle.Hash
	page         uint64
	newer, older *warmPage // in a ring by time of use
}

// warmStart returns where a level (0…pageLevel) begins in the nodes.
func warmStart(level int) int { return 2*pageLeaves - 2*pageLeaves>>level }

func (w *warmPage) root() merkle.Hash { return w.nodes[len(w.nodes)-1] }

// A warmJob is a warm page with the set of the pairs of leaves that are newer than the nodes above them.
type warmJob struct {
	*warmPage
	changed uint64
}

// sumWarm brings the inner nodes of the pages up to date.
func sumWarm(jobs []warmJob, b *batch) {
	for i := range jobs {
		if j := &jobs[i]; bits.OnesCount64(j.changed) >= densePairs {
			for level := range pageLevel {
				from, to := warmStart(level), warmStart(level+1)
				merkle.HashPairs(j.nodes[to:warmStart(level+2)], j.nodes[from:to])
			}
			j.changed = 0
		}
	}
	for level := range pageLevel {
		from, to := warmStart(level), warmStart(level+1)
		for i := range jobs {
			j := &jobs[i]
			var above uint64
			for set := j.changed; set != 0; set &= set - 1 {
				k := bits.TrailingZeros64(set)
				b.add(&j.nodes[from+2*k], &j.nodes[from+2*k+1], &j.nodes[to+k])
				above |= 1 << (k / 2)
			}
			j.changed = above
		}
		b.flush()
	}
}

// warmPages holds the inner nodes of the maxWarm pages that were hashed or proven last. What it
// knows is compared with the page's bytes before it is used, so it never has to be told of a write.
type warmPages struct {
	byPage map[uint64]*warmPage
	ring   *warmPage // no page: ring.older is the newest one, ring.newer the oldest
	jobs   []warmJob
}

// warmed returns the up-to-date warm page of a leaf.
func (h *hasher) warmed(n *node) *warmPage {
	w, changed := h.warm.refresh(n)
	if changed != 0 {
		jobs := append(h.warm.jobs[:0], warmJob{w, changed})
		sumWarm(jobs, h.scratch())
		h.warm.jobs = emptied(jobs)
	}
	return w
}

// refresh returns the warm page of a leaf with its present bytes as leaves, and the set of the pairs of
// leaves whose ancestors must be hashed. When there is no room it pushes out the page that was not
// used for the longest time.
func (c *warmPages) refresh(n *node) (w *warmPage, changed uint64) {
	if c.ring == nil {
		c.byPage, c.ring = make(map[uint64]*warmPage), new(warmPage)
		c.ring.newer, c.ring.older = c.ring, c.ring
	}
	now := leaves(n.data)
	w = c.byPage[n.page]
	if w != nil {
		w.unlink()
		changed = w.compare(now)
	} else {
		if len(c.byPage) < maxWarm {
			w = new(warmPage)
		} else {
			w = c.ring.newer
			w.unlink()
			delete(c.byPage, w.page)
		}
		w.page, c.byPage[n.page] = n.page, w
		copy(w.nodes[:], now[:])
		changed = ^uint64(0)
	}
	w.newer, w.older = c.ring, c.ring.older
	w.older.newer, c.ring.older = w, w
	return w, changed
}

func (w *warmPage) unlink() { w.newer.older, w.older.newer = w.older, w.newer }

// compare copies the leaves that have changed and returns the set of their pairs.
func (w *warmPage) compare(now *[pageLeaves]merkle.Hash) (changed uint64) {
	const run = 16 // leaves; most of them are equal, and long comparisons are quick
	for from := 0; from < pageLeaves; from += run {
		if [run]merkle.Hash(w.nodes[from:]) == [run]merkle.Hash(now[from:]) {
			continue
		}
		for i := from; i < from+run; i++ {
			if w.nodes[i] != now[i] {
				w.nodes[i] = now[i]
				changed |= 1 << (i / 2)
			}
		}
	}
	return changed
}
