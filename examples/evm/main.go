// The command evm is a guest: it executes a block of signed Ethereum transactions and compares the
// state root that it finds with a claimed one. All input comes as pre-images; see ../README.md.
//
// Exit code: 0 the claimed root is right, 1 it is wrong, 2 the block cannot be executed.
//
//go:debug decoratemappings=0
package main

import (
	"fmt"
	"os"

	"github.com/flexemu/flexemu/examples/evm/execute"
	"github.com/flexemu/flexemu/examples/preimage"
)

func main() {
	valid, err := execute.Run(preimage.Open().Get, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "evm:", err)
		os.Exit(2)
	case !valid:
		os.Exit(1)
	}
}
