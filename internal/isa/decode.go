package isa

import (
	"math/bits"
	"slices"
)

// A Tree finds the row of an instruction. The decoder walks it, and the verifier emitter prints it.
//
// A node with Arms looks at the bits (w>>Shift)&Mask; values without an arm are no instructions. A node
// without arms is row number Row, if the bits of Check and the row's exclusions agree, and otherwise Else.
type Tree struct {
	Shift uint
	Mask  uint32
	Arms  []TreeArm // ascending by Value
	table []*Tree   // the same by value, if there are few

	Row   int
	Check uint32 // those bits of the row's mask that no node above has looked at
	Else  *Tree
}

// A TreeArm is one branch of a Tree.
type TreeArm struct {
	Value uint32
	Tree  *Tree
}

// Tree gives the decision tree over all rows.
func (i *ISA) Tree() *Tree {
	i.prepare()
	return i.tree
}

// Decode gives the number of the row that w is an instruction of, or false. The upper half of w is not
// looked at when the instruction is of 16 bits.
func (i *ISA) Decode(w uint32) (row int, ok bool) {
	t := i.Tree()
	for t != nil {
		if t.Arms == nil {
			if i.patterns[t.Row].Fits(w) {
				return t.Row, true
			}
			t = t.Else
			continue
		}
		key := w >> t.Shift & t.Mask
		if t.table != nil {
			t = t.table[key]
			continue
		}
		n, found := slices.BinarySearchFunc(t.Arms, key, func(a TreeArm, k uint32) int { return int(a.Value) - int(k) })
		if !found {
			return 0, false
		}
		t = t.Arms[n].Tree
	}
	return 0, false
}

// maxTable bounds the entries of a node's table.
const maxTable = 1 << 11

// grow makes the tree for some rows, all of which agree on the bits that were looked at.
func (i *ISA) grow(rows []int, seen uint32) *Tree {
	if len(rows) == 0 {
		return nil
	}
	shift, mask := i.question(rows, seen)
	if mask == 0 {
		r := rows[0]
		return &Tree{Row: r, Check: i.patterns[r].Mask &^ seen, Else: i.grow(rows[1:], seen)}
	}
	groups := map[uint32][]int{}
	for _, r := range rows {
		v := i.patterns[r].Match >> shift & mask
		groups[v] = append(groups[v], r)
	}
	t := &Tree{Shift: shift, Mask: mask}
	for v := range groups {
		t.Arms = append(t.Arms, TreeArm{Value: v})
	}
	slices.SortFunc(t.Arms, func(a, b TreeArm) int { return int(a.Value) - int(b.Value) })
	for n := range t.Arms {
		t.Arms[n].Tree = i.grow(groups[t.Arms[n].Value], seen|mask<<shift)
	}
	if mask < maxTable {
		t.table = make([]*Tree, mask+1)
		for _, a := range t.Arms {
			t.table[a.Value] = a.Tree
		}
	}
	return t
}

// question picks the run of bits that every row fixes and that tells most of them apart.
func (i *ISA) question(rows []int, seen uint32) (shift uint, mask uint32) {
	common := ^seen
	for _, r := range rows {
		common &= i.patterns[r].Mask
	}
	best := 1
	for common != 0 {
		from := uint(bits.TrailingZeros32(common))
		run := uint32(1)<<bits.TrailingZeros32(^(common>>from)) - 1
		if from == 0 && common == ^uint32(0) {
			run = ^uint32(0)
		}
		values := map[uint32]bool{}
		for _, r := range rows {
			values[i.patterns[r].Match>>from&run] = true
		}
		if len(values) >= best && len(values) > 1 {
			best, shift, mask = len(values), from, run
		}
		common &^= run << from
	}
	return shift, mask
}
