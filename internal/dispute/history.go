package dispute

import "fmt"

// A Hash is a node of a history, a state root or an identifier.
type Hash = [32]byte

// A Hasher sets dst[i] to the hash of src[2i] ‖ src[2i+1], for every i in dst. It need not work in place. Rules of the
// game hash one pair at a time; histories hash long rows, so that a hasher with several lanes pays.
type Hasher func(dst, src []Hash)

// MaxHeight is the greatest height of a history: positions are below 2^63.
const MaxHeight = 63

// sparse is the number of rows right above the leaves that are not kept: a node there costs at most seven hashes, and
// without them a leaf takes 40 bytes instead of 64.
const sparse = 2

// A History is a binary tree over 2^height state roots: leaf j is the root after j+1 strides. Only leaves up to the
// last real one are kept; from there on that one repeats. Nodes are (height, index): height 0 is the leaves, and node
// (k, i) is above leaves i·2^k … (i+1)·2^k-1. A History does not change; several goroutines may read it.
type History struct {
	pair   Hasher
	height int
	// base has all leaves left of from; it is nil if from is 0.
	base *History
	// The leaves from, …, end-1 are in rows[0].
	from, end uint64
	// rows[k] are the nodes of height k from index from>>k on, up to the last that is above a leaf of ours.
	rows [][]Hash
	// padding[k] is the node above 2^k times the last leaf.
	padding []Hash
}

// NewHistory returns the history with these leaves, the last of which repeats to the end. It keeps roots, which the
// caller must not change. It fails if there is no root, if there are more than 2^height, or if height is not in
// 0…MaxHeight.
func NewHistory(pair Hasher, height int, roots []Hash) (*History, error) {
	if height < 0 || height > MaxHeight {
		return nil, fmt.Errorf("dispute: history of height %d: must be 0 to %d", height, MaxHeight)
	}
	return build(&History{pair: pair, height: height}, roots)
}

// Deviate returns the history that has h's leaves left of from, then roots, the last of which repeats to the end. It
// shares h's nodes, and costs as much as a history of the new roots alone.
func (h *History) Deviate(from uint64, roots []Hash) (*History, error) {
	d := &History{pair: h.pair, height: h.height, from: from}
	if from > 0 {
		d.base = h
	}
	return build(d, roots)
}

func build(h *History, roots []Hash) (*History, error) {
	leaves := uint64(1) << h.height
	if len(roots) == 0 || h.from >= leaves || uint64(len(roots)) > leaves-h.from {
		return nil, fmt.Errorf("dispute: history of height %d: %d roots from leaf %d on do not fit", h.height, len(roots), h.from)
	}
	h.end = h.from + uint64(len(roots))
	h.padding = make([]Hash, h.height+1)
	h.padding[0] = roots[len(roots)-1]
	h.rows = make([][]Hash, h.height+1)
	h.rows[0] = roots
	row := roots
	for k := range h.height {
		h.padding[k+1] = h.join(h.padding[k], h.padding[k])
		row = h.above(k, row)
		if k+1 > sparse {
			h.rows[k+1] = row
		}
	}
	return h, nil
}

// above returns the row of height k+1, given that of height k.
func (h *History) above(k int, row []Hash) []Hash {
	first := h.from >> k
	up := make([]Hash, (first+uint64(len(row))-1)>>1-first>>1+1)
	rest := up
	if first&1 == 1 {
		rest[0] = h.join(h.base.Node(k, first-1), row[0])
		rest, row = rest[1:], row[1:]
	}
	pairs := len(row) / 2
	h.pair(rest[:pairs], row[:2*pairs])
	if len(row)&1 == 1 {
		rest[pairs] = h.join(row[2*pairs], h.padding[k])
	}
	return up
}

func (h *History) join(l, r Hash) Hash { return pair(h.pair, l, r) }

func pair(hasher Hasher, l, r Hash) Hash {
	var up [1]Hash
	hasher(up[:], []Hash{l, r})
	return up[0]
}

// Height returns the height of the root.
func (h *History) Height() int { return h.height }

// Root returns the commitment to the whole history.
func (h *History) Root() Hash { return h.Node(h.height, 0) }

// Final returns the last leaf.
func (h *History) Final() Hash { return h.padding[0] }

// Leaf returns the state root after position+1 strides. The position must be below 2^height.
func (h *History) Leaf(position uint64) Hash { return h.Node(0, position) }

// Node returns node index of the given height. Both must lie in the tree.
func (h *History) Node(height int, index uint64) Hash {
	if height < 0 || height > h.height || index>>(h.height-height) != 0 {
		panic(fmt.Sprintf("dispute: node %d of height %d is not in a history of height %d", index, height, h.height))
	}
	first := h.from >> height
	switch {
	case h.base != nil && (index+1)<<height <= h.from:
		return h.base.Node(height, index)
	case index > (h.end-1)>>height:
		return h.padding[height]
	case h.rows[height] != nil:
		return h.rows[height][index-first]
	}
	return h.join(h.Children(height, index))
}

// Children returns the two nodes below node index of the given height, which must be at least 1.
func (h *History) Children(height int, index uint64) (left, right Hash) {
	return h.Node(height-1, 2*index), h.Node(height-1, 2*index+1)
}

// Proof returns what ProveLeaf needs: the sibling of the leaf at position, then that of its parent, and so on up to the
// root's children.
func (h *History) Proof(position uint64) []Hash {
	proof := make([]Hash, h.height)
	for k := range proof {
		proof[k] = h.Node(k, position>>k^1)
	}
	return proof
}

// Differs returns the first position at which the leaves of two histories of one height differ, and whether there is
// one.
func (h *History) Differs(other *History) (position uint64, found bool) {
	if h.height != other.height || h.Root() == other.Root() {
		return 0, h.height != other.height
	}
	for k := h.height; k > 0; k-- {
		position *= 2
		if h.Node(k-1, position) == other.Node(k-1, position) {
			position++
		}
	}
	return position, true
}

// ProveLeaf reports whether proof shows that the tree of the given root, which is as high as the proof is long, has leaf
// at position.
func ProveLeaf(hasher Hasher, root Hash, position uint64, leaf Hash, proof []Hash) bool {
	if len(proof) < 64 && position>>len(proof) != 0 {
		return false
	}
	for k, sibling := range proof {
		if position>>k&1 == 0 {
			leaf = pair(hasher, leaf, sibling)
		} else {
			leaf = pair(hasher, sibling, leaf)
		}
	}
	return leaf == root
}
