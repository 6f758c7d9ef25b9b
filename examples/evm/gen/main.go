// The command gen writes the input of the example guest evm, a folder of pre-images.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/flexemu/flexemu/examples/evm/block"
	"github.com/flexemu/flexemu/examples/preimage"
)

func main() {
	transactions := flag.Int("transactions", block.Transactions, "`number` of transactions in the block")
	folder := flag.String("out", "preimages", "`folder` to write to; it is made if need be")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "gen: unexpected argument:", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(*transactions, *folder); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(transactions int, folder string) error {
	preimages, postRoot, err := block.Generate(transactions)
	if err != nil {
		return err
	}
	if err := preimage.WriteFolder(folder, preimages); err != nil {
		return err
	}
	size := 0
	for _, data := range preimages {
		size += len(data)
	}
	fmt.Printf("%d transactions, post root 0x%x\n%d pre-images of %d bytes in %s\n",
		transactions, postRoot, len(preimages), size, folder)
	return nil
}
