//go:debug decoratemappings=0

// Command sha256 hashes a chain: arithmetic and loads in few pages.
package main

import (
	"crypto/sha256"
	"fmt"
)

func main() {
	sum := sha256.Sum256([]byte("seed"))
	for range 20_000 {
		sum = sha256.Sum256(sum[:])
	}
	fmt.Printf("%x\n", sum)
}
