// The command preimage is a guest that asks for one pre-image: local input 1 is the keccak-256 hash
// of some data. It sends a hint, reads the data and prints its SHA-256 hash.
//
// Exit code: 0, or 2 when it does not get the data.
//
//go:debug decoratemappings=0
package main

import (
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/flexemu/flexemu/examples/preimage"
)

func main() {
	if err := run(preimage.Open()); err != nil {
		fmt.Fprintln(os.Stderr, "preimage:", err)
		os.Exit(2)
	}
}

func run(client *preimage.Client) error {
	hash, err := client.Get(preimage.Local(1))
	if err != nil {
		return err
	}
	if len(hash) != 32 {
		return fmt.Errorf("local input 1: %d bytes, not a hash of 32", len(hash))
	}
	if err := client.Hint(fmt.Sprintf("keccak 0x%x", hash)); err != nil {
		return err
	}
	data, err := client.Get(preimage.Keccak256([32]byte(hash)))
	if err != nil {
		return err
	}
	fmt.Printf("%d bytes, SHA-256 %x\n", len(data), sha256.Sum256(data))
	return nil
}
