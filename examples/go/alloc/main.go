// The command alloc is a guest that keeps the garbage collector busy: it builds trees and throws
// them away, while one of them must survive.
//
//go:debug decoratemappings=0
package main

import (
	"fmt"
	"runtime"
)

const (
	kept  = 12 // height of the tree that survives
	short = 10 // height of the others
	trees = 60
)

type node struct {
	left, right *node
	filler      [64]byte
}

// build is a full tree of that height.
func build(height int) *node {
	if height == 0 {
		return nil
	}
	n := &node{left: build(height - 1), right: build(height - 1)}
	n.filler[height] = byte(height)
	return n
}

// sum is the number of nodes and the sum of their heights, as they are written down in them.
func (n *node) sum(height int) (nodes, heights int) {
	if n == nil {
		return 0, 0
	}
	leftNodes, leftHeights := n.left.sum(height - 1)
	rightNodes, rightHeights := n.right.sum(height - 1)
	return leftNodes + rightNodes + 1, leftHeights + rightHeights + int(n.filler[height])
}

func main() {
	survivor := build(kept)
	total := 0
	for range trees {
		nodes, _ := build(short).sum(short)
		total += nodes
	}
	nodes, heights := survivor.sum(kept)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Printf("%d nodes came and went, %d stayed, of height %d in all; collected: %v\n",
		total, nodes, heights, memory.NumGC > 0)
}
