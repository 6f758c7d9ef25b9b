// The command threads is a guest that needs threads of the operating system, locks, channels and the
// garbage collector, and whose result depends on none of their order.
//
//go:debug decoratemappings=0
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
)

const (
	workers = 4
	numbers = 400
)

// A table maps numbers to their hashes.
type table struct {
	mu     sync.Mutex
	hashes map[uint64][sha256.Size]byte
}

func (t *table) put(number uint64) {
	hash := sha256.Sum256(binary.BigEndian.AppendUint64(nil, number))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hashes[number] = hash
}

func main() {
	results := table{hashes: make(map[uint64][sha256.Size]byte)}
	todo := make(chan uint64)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			// A locked goroutine has a thread for itself, also where there is one processor.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for number := range todo {
				results.put(number)
				if number%100 == 0 {
					runtime.GC()
				}
			}
		})
	}
	for number := range uint64(numbers) {
		todo <- number
	}
	close(todo)
	running.Wait()

	total := sha256.New()
	for number := range uint64(numbers) {
		hash := results.hashes[number]
		total.Write(hash[:])
	}
	fmt.Printf("%d hashes by %d threads: %x\n", len(results.hashes), workers, total.Sum(nil))
}
