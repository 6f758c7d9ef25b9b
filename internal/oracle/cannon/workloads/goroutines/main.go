//go:debug decoratemappings=0

// Command goroutines passes work between threads: clone, futex, load-linked
// and store-conditional, preemption, the clock.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	work, sums := make(chan int), make(chan int)
	var done sync.WaitGroup
	var count atomic.Int64
	for range 4 {
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread() // a thread of its own
			sum := 0
			for n := range work {
				for i := range n {
					sum += i ^ n
				}
				count.Add(1)
			}
			sums <- sum
		}()
	}
	go func() {
		for n := range 5_000 {
			work <- n
		}
		close(work)
		done.Wait()
		close(sums)
	}()
	total := 0
	for sum := range sums {
		total += sum
	}
	time.Sleep(time.Millisecond)
	fmt.Println(total, count.Load())
	os.Exit(3)
}
