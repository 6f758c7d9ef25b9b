// Command cannon-verify runs step proofs (JSON objects one after the other, as
// flexemu prove, cannon run and cannon-trace write them; roots of a trace are
// passed over) through the MIPS64 contract in an in-process EVM.
//
// Exit code: 0 when the contract computes the post-state of each proof; 1 when
// it computes another or reverts; 2 else.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
	"github.com/flexemu/flexemu/internal/oracle/cannon/contract"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: cannon-verify FILE...")
		os.Exit(2)
	}
	r := result{minGas: math.MaxUint64}
	chain, err := contract.Deploy()
	for i := 1; err == nil && i < len(os.Args); i++ {
		err = r.verify(chain, os.Args[i])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannon-verify:", err)
		os.Exit(2)
	}
	fmt.Printf("%d proofs accepted, %d not\n", r.good, r.bad)
	if r.good > 0 {
		fmt.Printf("gas of a step: at least %d, on average %d, at most %d\n", r.minGas, r.sumGas/r.good, r.maxGas)
	}
	if r.bad > 0 {
		os.Exit(1)
	}
}

type result struct {
	good, bad              uint64
	minGas, sumGas, maxGas uint64 // execution only, of accepted proofs
}

func (r *result) verify(chain *contract.MIPS64, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		p := new(cannon.Proof)
		if err := dec.Decode(p); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(p.StateData) == 0 {
			continue
		}
		post, gas, err := chain.Step(p)
		switch {
		case err == nil && post == p.Post:
			r.good++
			r.minGas, r.sumGas, r.maxGas = min(r.minGas, gas), r.sumGas+gas, max(r.maxGas, gas)
		case err == nil:
			r.bad++
			fmt.Printf("%s: step %d: the contract computes %v, the proof says %v\n", name, p.Step, post, p.Post)
		case errors.Is(err, contract.ErrRevert):
			r.bad++
			fmt.Printf("%s: %v\n", name, err)
		default:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}
