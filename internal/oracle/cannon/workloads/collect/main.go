//go:debug decoratemappings=0

// Command collect makes work for the garbage collector from several goroutines.
package main

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
)

type node struct {
	left, right *node
	text        string
}

func grow(depth int) *node {
	if depth == 0 {
		return &node{text: strings.Repeat("x", 30)}
	}
	return &node{grow(depth - 1), grow(depth - 1), fmt.Sprint(depth)}
}

func (n *node) size() int {
	if n == nil {
		return 0
	}
	return len(n.text) + n.left.size() + n.right.size()
}

func main() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	sizes := map[int]int{}
	for n := range 4 {
		wg.Go(func() {
			for k := range 6 {
				s := grow(10).size()
				mu.Lock()
				sizes[n*10+k] = s
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println(len(sizes), stats.NumGC > 0)
}
