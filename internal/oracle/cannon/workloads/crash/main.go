//go:debug decoratemappings=0

// Command crash ends with an unrecovered panic while other goroutines run.
package main

import "sync"

func main() {
	var m map[string]int
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() { spin(n) })
	}
	wg.Wait()
	m["a"] = 1
}

func spin(n int) (sum int) {
	for i := range n * 1000 {
		sum += i
	}
	return sum
}
