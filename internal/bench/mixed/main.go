// The command mixed is a guest for measurements: maps, goroutines with channels and locks, and a busy garbage
// collector. What it prints does not depend on the order in which goroutines run.
//
//go:debug decoratemappings=0
package main

import (
	"fmt"
	"strconv"
	"sync"
)

// size is the number of rounds, in decimal. The linker sets it, for Cannon gives a program no arguments.
var size = "1"

const (
	workers = 4
	words   = 3000 // of a map, a round and worker
	height  = 11   // of the trees that come and go
)

type node struct{ left, right *node }

func build(height int) *node {
	if height == 0 {
		return nil
	}
	return &node{build(height - 1), build(height - 1)}
}

func (n *node) count() int {
	if n == nil {
		return 0
	}
	return 1 + n.left.count() + n.right.count()
}

// next is Marsaglia's xorshift64.
func next(seed uint64) uint64 {
	seed ^= seed << 13
	seed ^= seed >> 7
	return seed ^ seed<<17
}

// tally counts words made of pseudo-random numbers, keeps the frequent ones, and gives a sum of what is left.
func tally(seed uint64) (sum uint64) {
	counts := map[string]int{}
	for range words {
		seed = next(seed)
		counts["w"+strconv.FormatUint(seed%1000, 36)]++
	}
	for word, n := range counts {
		if n < 3 {
			delete(counts, word)
		}
	}
	for word, n := range counts {
		sum += uint64(n) * uint64(len(word)) * uint64(word[len(word)-1])
	}
	return sum
}

func main() {
	rounds, err := strconv.Atoi(size)
	if err != nil {
		panic(err)
	}
	seeds := make(chan uint64)
	var lock sync.Mutex
	var sum uint64
	var nodes int
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for seed := range seeds {
				s, n := tally(seed), build(height).count()
				lock.Lock()
				sum += s
				nodes += n
				lock.Unlock()
			}
		})
	}
	for i := range rounds * workers {
		seeds <- uint64(i) + 1
	}
	close(seeds)
	group.Wait()
	fmt.Println("sum", sum, "nodes", nodes)
}
