package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu/internal/dispute/demo"
	"github.com/flexemu/flexemu/internal/dispute/eth"
)

type disputeDemoFlags struct {
	programFlags
	levelFlags
	cheaters int
	asJSON   bool
	quiet    bool
	verbose  bool
}

func disputeDemoCommand() *cobra.Command {
	f := new(disputeDemoFlags)
	c := &cobra.Command{
		Use:   "demo [flags] PROGRAM [ARG...]",
		Short: "Have cheaters dispute a program's result, on a chain in the process",
		Long: `demo runs a program, opens a task about its result on a chain inside the process, and lets one
honest player, which is that of watch, play against cheaters of different kinds, all of
them against each other. Each transaction is shown with its gas: that of go-ethereum, at
the prices of the Osaka fork. When nobody has anything to do, time is moved on.

Kinds of cheaters: wrong output (from a step on), wrong padding (after the end), silent
(after some moves), invalid proofs, parrot (sends what others have sent), wrong first step,
wrong exit, wrong last leaf; then the same again.

Exit code: 0 if the right result has won, 1 if not; 125 when flexemu failed; 126 and 127 as
for run.`,
		Example: `  flexemu dispute demo --cheaters 4 --preimages preimages evm.mips64`,
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c.Context(), args) },
	}
	flags := c.Flags()
	f.programFlags.add(flags)
	f.levelFlags.add(flags, 24*time.Hour)
	flags.IntVar(&f.cheaters, "cheaters", 4, "let `N` cheaters play")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not show each transaction")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show what the honest player logs")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

// maxCheaters bounds what is kept in memory.
const maxCheaters = 1000

func (f *disputeDemoFlags) run(ctx context.Context, args []string) error {
	if f.cheaters < 0 || f.cheaters > maxCheaters {
		return fmt.Errorf("--cheaters %d: it is 0 to %d", f.cheaters, maxCheaters)
	}
	if f.cache == "" {
		f.cache = standard
	}
	began := time.Now()
	m, closeProgram, err := f.machine(ctx, args, io.Discard, io.Discard, nil)
	if err != nil {
		return err
	}
	defer closeProgram()
	steps, ended, err := m.Steps(ctx, 1<<maxLog2Steps-1)
	if err == nil && !ended {
		err = errors.New("the program does not end")
	}
	if err != nil {
		return err
	}
	levels, err := f.levels(func() (uint64, error) { return steps, nil })
	if err != nil {
		return err
	}
	ran := time.Since(began)
	o := demo.Options{Machine: m, Levels: levels, Cheaters: f.cheaters, Steps: steps}
	if f.verbose {
		o.Log = logger(os.Stderr, f.asJSON, true)
	}
	if !f.asJSON {
		fmt.Printf("the program makes %s steps: run in %.2f s\n", grouped(steps), ran.Seconds())
		for i, l := range levels {
			fmt.Printf("level %d: histories of 2^%d roots, one every 2^%d steps\n", i, l.Height, l.Log2Stride)
		}
		if !f.quiet {
			fmt.Printf("\n%9s  %-18s %-9s %9s\n", "TIME", "WHO", "DOES", "GAS")
			o.Told = showEvent
		}
	}
	r, err := demo.Run(ctx, o)
	if err != nil {
		return err
	}
	if f.asJSON {
		err = printJSON(os.Stdout, demoJSON(r, steps, ran))
	} else {
		err = showVerdict(r, ran)
	}
	if err == nil && !r.HonestWon {
		err = &exitError{code: codeLost}
	}
	return err
}

func showEvent(e demo.Event) {
	why := e.Why
	if e.Failed {
		why = "REVERTS. " + why
	}
	fmt.Printf("%9s  %-18s %-9s %9s  %s\n", seconds(e.At), e.Who, e.Kind, grouped(e.Gas), why)
}

func showVerdict(r *demo.Result, ran time.Duration) error {
	fmt.Println()
	err := printTable(os.Stdout, func(w io.Writer) {
		fmt.Fprintln(w, "PLAYER\tTRANSACTIONS\tREVERTED\tGAS\tPAID FOR GAS\tBONDS AND REFUNDS")
		for _, s := range r.Sides {
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", s.Name, s.Transactions, s.Reverted, grouped(s.Gas), eth.Ether(s.Paid), signed(s.Won))
		}
	})
	if err != nil {
		return err
	}
	verdict := "nobody has won"
	switch {
	case r.HonestWon:
		verdict = "the right result has won"
	case r.Decided:
		verdict = "A WRONG RESULT HAS WON"
	}
	_, err = fmt.Printf("\n%d claims, %d matches, %d tournaments, %d transactions; %s on the chain, %.1f s here\nverdict: %s: root %#x\n",
		r.Claims, r.Matches, r.Tournaments, r.Transactions, seconds(r.Seconds), (r.Took + ran).Seconds(), verdict, r.FinalRoot)
	return err
}

// signed is an amount with its sign.
func signed(wei *big.Int) string {
	if wei.Sign() > 0 {
		return "+" + eth.Ether(wei)
	}
	return eth.Ether(wei)
}

// Types of demo's JSON. Scripts rely on the names.
type (
	disputeDemoJSON struct {
		Won          bool        `json:"won"`
		Finished     bool        `json:"finished"`
		FinalRoot    common.Hash `json:"finalRoot"`
		Steps        uint64      `json:"steps"`
		Claims       int         `json:"claims"`
		Matches      int         `json:"matches"`
		Tournaments  int         `json:"tournaments"`
		Transactions int         `json:"transactions"`
		ChainSeconds uint64      `json:"chainSeconds"`
		RunSeconds   float64     `json:"runSeconds"`
		Seconds      float64     `json:"seconds"`
		Players      []sideJSON  `json:"players"`
	}
	sideJSON struct {
		Name         string  `json:"name"`
		Transactions int     `json:"transactions"`
		Reverted     int     `json:"reverted"`
		Gas          uint64  `json:"gas"`
		Fees         float64 `json:"fees"` // ETH
		Won          float64 `json:"won"`  // ETH, without fees
	}
)

func demoJSON(r *demo.Result, steps uint64, ran time.Duration) disputeDemoJSON {
	ether := func(wei *big.Int) float64 {
		f, _ := new(big.Rat).SetFrac(wei, big.NewInt(params.Ether)).Float64()
		return f
	}
	j := disputeDemoJSON{
		Won: r.HonestWon, Finished: r.Finished, FinalRoot: r.FinalRoot, Steps: steps, Claims: r.Claims, Matches: r.Matches,
		Tournaments: r.Tournaments, Transactions: r.Transactions, ChainSeconds: r.Seconds,
		RunSeconds: ran.Seconds(), Seconds: (r.Took + ran).Seconds(),
	}
	for _, s := range r.Sides {
		j.Players = append(j.Players, sideJSON{s.Name, s.Transactions, s.Reverted, s.Gas, ether(s.Paid), ether(s.Won)})
	}
	return j
}
