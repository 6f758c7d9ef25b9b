package machine

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/merkle"
)

// A Series computes the roots of states of one machine that lie few steps apart. It gives what Root would give at each,
// at a fraction of the cost, because it hashes those of many states together. The path of a changed leaf from the
// bottom to the root is a chain, but level by level the paths of consecutive states are independent: what one needs of
// another lies on the level below.
//
// While a Series lasts the machine is used with single steps only, as with a recorder.
type Series struct {
	m      *Machine
	shadow *Memory     // memory as it was after the last Roots, hashed
	root   merkle.Hash // of shadow

	written []uint64         // indices of the leaves that were written since the last mark, the same one perhaps often
	numbers map[uint64]int32 // of the leaves that have changed since the last Roots, by their index
	leaves  []changedLeaf    // by their number
	updates []update         // of leaves, in order

	marks   []mark
	threads []byte        // of the marked states, encoded, one behind the other
	stacks  []merkle.Hash // of each marked state: root of the active stack under its thread; and a free place
	states  []byte        // of the marked states, encoded, without the roots of memory and of the active stack

	climb climb
}

// A changedLeaf has the bytes that it had at the last mark.
type changedLeaf struct {
	index uint64
	now   merkle.Hash
}

// An update gives a leaf, known by its number, another value.
type update struct {
	leaf int32
	now  merkle.Hash
}

// A mark is a state that a root is wanted of.
type mark struct {
	updates int // how many there were up to it
	right   int // which stack is the active one
}

// seriesLength is how many marks and updates are hashed together: enough to make what is done once for all of them
// small, and few enough to stay in the caches of a processor.
const seriesLength = 1024

// NewSeries begins a series at the present state. It hashes what is still to be hashed of the memory, so call Root
// before a Fork if both will have series.
func (m *Machine) NewSeries() *Series {
	s := &Series{m: m, root: m.Mem.Root(), numbers: map[uint64]int32{}}
	s.shadow = m.Mem.Fork()
	m.Mem.SetTracer(s)
	return s
}

// Close ends the series: the machine may be used as before.
func (s *Series) Close() { s.m.Mem.SetTracer(nil) }

// Touch implements Tracer. A write is within one leaf.
func (s *Series) Touch(addr uint64, _ uint8, write bool) {
	if !write {
		return
	}
	leaf := addr / merkle.LeafSize
	if n := len(s.written); n == 0 || s.written[n-1] != leaf {
		s.written = append(s.written, leaf)
	}
}

// Mark says that the root of the present state, which is that between two steps, is wanted. It tells whether there is
// room for another one: if not, Roots comes next.
func (s *Series) Mark() (more bool) {
	for _, leaf := range s.written {
		s.update(leaf)
	}
	s.written = s.written[:0]
	m := s.m
	right := int(m.Cells[ir.TraverseRight] & 1)
	roots := [2]merkle.Hash{m.stacks[0].root(), m.stacks[1].root()}
	s.marks = append(s.marks, mark{len(s.updates), right})
	s.threads = m.AppendThread(s.threads)
	s.stacks = append(s.stacks, roots[right], merkle.Hash{})
	s.states = m.appendRoots(s.states, merkle.Hash{}, roots)
	return len(s.marks) < seriesLength && len(s.updates) < seriesLength
}

// update notes the present value of a leaf, if it is another one than before.
func (s *Series) update(leaf uint64) {
	var now merkle.Hash
	s.m.Mem.copyOut(leaf*merkle.LeafSize, now[:])
	n, ok := s.numbers[leaf]
	if !ok {
		var was merkle.Hash
		if s.shadow.copyOut(leaf*merkle.LeafSize, was[:]); was == now {
			return
		}
		n = int32(len(s.leaves))
		s.numbers[leaf] = n
		s.leaves = append(s.leaves, changedLeaf{index: leaf})
	} else if s.leaves[n].now == now {
		return
	}
	s.leaves[n].now = now
	s.updates = append(s.updates, update{n, now})
}

// Roots appends the roots of the states that were marked since its last call, in order.
func (s *Series) Roots(roots []merkle.Hash) []merkle.Hash {
	if len(s.marks) == 0 {
		return roots
	}
	n := len(roots)
	roots = slices.Grow(roots, len(s.marks))[:n+len(s.marks)]
	s.hash(roots[n:])
	s.marks, s.threads, s.stacks, s.states = s.marks[:0], s.threads[:0], s.stacks[:0], s.states[:0]
	return roots
}

// hash sets the roots of the marked states.
func (s *Series) hash(roots []merkle.Hash) {
	before := s.root
	memory := s.memoryRoots()
	merkle.HashMessages(roots, s.threads, s.m.ThreadSize())
	for i, thread := range roots {
		s.stacks[2*i+1] = thread
	}
	merkle.HashPairs(s.stacks[:len(roots)], s.stacks)
	for i, k := range s.marks {
		state := s.states[i*StateSize:]
		if copy(state, before[:]); k.updates > 0 {
			copy(state, memory[k.updates-1][:])
		}
		copy(state[stacksOffset+len(merkle.Hash{})*k.right:], s.stacks[i][:])
	}
	merkle.HashMessages(roots, s.states, StateSize)
	for i := range roots {
		roots[i][0] = status(s.states[i*StateSize:])
	}
}

// memoryRoots gives the root of memory after each update, and makes the shadow the memory after the last one.
func (s *Series) memoryRoots() []merkle.Hash {
	if len(s.updates) == 0 {
		return nil
	}
	roots := s.climb.roots(s)
	for _, l := range s.leaves {
		s.shadow.InstallLeaf(l.index*merkle.LeafSize, &l.now)
	}
	if s.root = s.shadow.Root(); s.root != roots[len(roots)-1] {
		panic(fmt.Sprintf("machine: a series comes to the memory root %x, and hashing memory to %x", roots[len(roots)-1], s.root))
	}
	s.updates, s.leaves = s.updates[:0], s.leaves[:0]
	clear(s.numbers)
	return roots
}

// A climb hashes the paths of updates, all of them level by level. It holds no part of the state, only room.
type climb struct {
	proofs []merkle.Proof // of the leaves in the memory before all updates, in ascending order
	nodes  []climbNode    // of the present level that lie above changed leaves, ascending
	at     []int32        // place in nodes of each update's node
	hashes []merkle.Hash  // of that node after the update
	pairs  []merkle.Hash
}

// A climbNode is a node of the tree above a changed leaf.
type climbNode struct {
	index   uint64 // on its level
	proof   int32  // of a leaf below
	sibling int32  // its place in nodes, or -1
	parent  int32  // its place in nodes, one level higher
	last    int32  // the last update so far, or -1
}

func (c *climb) roots(s *Series) []merkle.Hash {
	c.begin(s)
	for level := range merkle.Depth {
		c.relate()
		for i, at := range c.at {
			n := &c.nodes[at]
			sibling := &c.proofs[n.proof].Siblings[level]
			if n.sibling >= 0 {
				if last := c.nodes[n.sibling].last; last >= 0 {
					sibling = &c.hashes[last]
				}
			}
			side := n.index & 1
			pair := (*[2]merkle.Hash)(c.pairs[2*i:])
			pair[side], pair[1-side] = c.hashes[i], *sibling
			n.last = int32(i)
			c.at[i] = n.parent
		}
		merkle.HashPairs(c.hashes, c.pairs)
		c.rise()
	}
	return c.hashes
}

// begin sets the nodes to the changed leaves, and proves these.
func (c *climb) begin(s *Series) {
	order := make([]int32, len(s.leaves))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(s.leaves[a].index, s.leaves[b].index) })
	places := make([]int32, len(order))
	c.proofs, c.nodes = c.proofs[:0], c.nodes[:0]
	for place, leaf := range order {
		index := s.leaves[leaf].index
		places[leaf] = int32(place)
		c.proofs = append(c.proofs, s.shadow.Proof(index*merkle.LeafSize))
		c.nodes = append(c.nodes, climbNode{index: index, proof: int32(place)})
	}
	c.at, c.hashes = c.at[:0], c.hashes[:0]
	for _, u := range s.updates {
		c.at = append(c.at, places[u.leaf])
		c.hashes = append(c.hashes, u.now)
	}
	c.pairs = slices.Grow(c.pairs[:0], 2*len(c.at))[:2*len(c.at)]
}

// relate finds the siblings and parents among the nodes.
func (c *climb) relate() {
	parent := int32(-1)
	for i := range c.nodes {
		n := &c.nodes[i]
		n.sibling, n.last = -1, -1
		if i > 0 && c.nodes[i-1].index^1 == n.index {
			n.sibling, c.nodes[i-1].sibling = int32(i-1), int32(i)
		} else {
			parent++
		}
		n.parent = parent
	}
}

// rise replaces the nodes by their parents.
func (c *climb) rise() {
	count := c.nodes[len(c.nodes)-1].parent + 1
	for _, n := range c.nodes {
		c.nodes[n.parent] = climbNode{index: n.index / 2, proof: n.proof}
	}
	c.nodes = c.nodes[:count]
}
