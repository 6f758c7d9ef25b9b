package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

// levelFlags say how a task's steps are divided.
type levelFlags struct {
	log2Steps int
	heights   string
	allowance []time.Duration
}

func (f *levelFlags) add(flags *pflag.FlagSet, allowance time.Duration) {
	flags.IntVar(&f.log2Steps, "log2-steps", 0, "the task is about 2^`N` steps (default: the program is run, and has room to double)")
	flags.StringVar(&f.heights, "heights", "", "divide them into levels of these heights, `H,H,…`, the outermost first (default: so that the histories of all levels take about the same time)")
	flags.DurationSliceVar(&f.allowance, "allowance", []time.Duration{allowance}, "`TIME` that a claim has for all its moves in one tournament; one for all levels, or T,T,…")
}

// maxLog2Steps is the contract's bound.
const maxLog2Steps = 63

// levels makes the levels; steps is that of the program, and is asked for if need be.
func (f *levelFlags) levels(steps func() (uint64, error)) ([]dispute.Level, error) {
	var levels []dispute.Level
	switch {
	case f.heights != "":
		var heights []int
		sum := 0
		for text := range strings.SplitSeq(f.heights, ",") {
			h, err := strconv.Atoi(text)
			if err != nil || h < 1 {
				return nil, fmt.Errorf("--heights %s: %q is no height", f.heights, text)
			}
			heights, sum = append(heights, h), sum+h
		}
		if sum > maxLog2Steps || f.log2Steps != 0 && f.log2Steps != sum {
			return nil, fmt.Errorf("--heights %s: together they are 2^%d steps", f.heights, sum)
		}
		levels = prover.WithHeights(heights)
	case f.log2Steps < 0 || f.log2Steps > maxLog2Steps:
		return nil, fmt.Errorf("--log2-steps %d: it is 1 to %d", f.log2Steps, maxLog2Steps)
	case f.log2Steps > 0:
		levels = prover.Levels(f.log2Steps)
	default:
		n, err := steps()
		if err != nil {
			return nil, err
		}
		levels = prover.Levels(min(bits.Len64(n)+1, maxLog2Steps))
	}
	if len(f.allowance) != 1 && len(f.allowance) != len(levels) {
		return nil, fmt.Errorf("--allowance: %d times for %d levels", len(f.allowance), len(levels))
	}
	for i := range levels {
		levels[i].Allowance = uint64(f.allowance[min(i, len(f.allowance)-1)] / time.Second)
	}
	return levels, nil
}

type openFlags struct {
	nodeFlags
	keyFlags
	programFlags
	levelFlags
	game, verifier string
	bond           string
	grace          time.Duration
	gasPrice       uint64
	proofGas       uint32
	dryRun         bool
}

func disputeOpenCommand() *cobra.Command {
	f := new(openFlags)
	c := &cobra.Command{
		Use:   "open [flags] PROGRAM [ARG...]",
		Short: "Open a task: what is the result of this program?",
		Long: `open opens a task about the run of a program. All that matters is fixed with it: the root
of the program's first state, with its arguments and environment; the hashes of its local
pre-images; the verifier of its steps; how many steps, and how long players have.

Claims can be made for one allowance from then on. docs/dispute.md tells how to choose the
parameters; the defaults are for Ethereum.

Exit code: 0; 125 when flexemu failed; 126 and 127 as for run.`,
		Example: `  flexemu dispute open --key-file key --game 0x… --verifier 0x… --preimages preimages evm.mips64`,
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c.Context(), args) },
	}
	flags := c.Flags()
	f.nodeFlags.add(flags)
	f.keyFlags.add(flags)
	flags.StringVar(&f.game, "game", "", "`ADDRESS` of the contract DisputeGame")
	flags.StringVar(&f.verifier, "verifier", "", "`ADDRESS` of the contract BareTransition for the program's instruction set")
	f.programFlags.add(flags)
	f.levelFlags.add(flags, 7*24*time.Hour)
	flags.StringVar(&f.bond, "bond", "", "each claim pays this many `ETH` (default: the least that covers all refunds)")
	flags.DurationVar(&f.grace, "grace", 5*time.Minute, "`TIME` of each turn that is not charged: to get a transaction into a block")
	flags.Uint64Var(&f.gasPrice, "gas-price", 50, "refunds pay at most `GWEI` for a unit of gas; bonds are in proportion to it")
	flags.Uint32Var(&f.proofGas, "proof-gas", 3_000_000, "a proof is refunded at most `GAS`")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the parameters, send nothing")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return c
}

// opened is what open prints.
type opened struct {
	Task        *common.Hash   `json:"task,omitempty"`
	Game        common.Address `json:"game"`
	InitialRoot common.Hash    `json:"initialRoot"`
	Verifier    common.Address `json:"verifier"`
	Inputs      common.Hash    `json:"inputs"`
	Grace       uint32         `json:"grace"` // seconds
	MaxGasPrice uint64         `json:"maxGasPrice"`
	ProofGas    uint32         `json:"proofGas"`
	Levels      []openedLevel  `json:"levels"`
	Gas         uint64         `json:"gas,omitempty"`
}

type openedLevel struct {
	Log2Stride uint8    `json:"log2Stride"`
	Height     uint8    `json:"height"`
	Allowance  uint32   `json:"allowance"` // seconds
	Bond       *big.Int `json:"bond"`      // wei
}

func (f *openFlags) run(ctx context.Context, args []string) error {
	game, err := parseAddress("--game", f.game)
	if err != nil {
		return err
	}
	log := logger(os.Stderr, f.json, false)
	m, closeProgram, err := f.machine(ctx, args, io.Discard, io.Discard, log)
	if err != nil {
		return err
	}
	defer closeProgram()
	closeIt, err := f.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer closeIt()
	g := &eth.Game{Node: f.node, Address: game}
	p, err := f.params(ctx, g, m)
	if err != nil {
		return err
	}
	o := opened{
		Game: game, InitialRoot: p.InitialRoot, Verifier: p.Verifier, Inputs: p.Inputs, Grace: p.Grace,
		MaxGasPrice: p.MaxGasPrice, ProofGas: p.ProofGas,
	}
	for _, l := range p.Levels {
		o.Levels = append(o.Levels, openedLevel(l))
	}
	if !f.dryRun {
		send, _, err := submitter(ctx, f.node, &f.keyFlags, log)
		if err != nil {
			return err
		}
		r, err := send(g.OpenWish(p))
		if err != nil {
			return err
		}
		task, err := eth.OpenedTask(r)
		if err != nil {
			return err
		}
		o.Task, o.Gas = &task, r.GasUsed
	}
	if f.json {
		return printJSON(os.Stdout, o)
	}
	return printTable(os.Stdout, o.print)
}

func (o *opened) print(w io.Writer) {
	if o.Task != nil {
		fmt.Fprintf(w, "task\t%v\n", *o.Task)
	}
	fmt.Fprintf(w, "game\t%v\ninitial root\t%v\nverifier\t%v\n", o.Game, o.InitialRoot, o.Verifier)
	fmt.Fprintf(w, "inputs\t%v\ngrace\t%v\n", o.Inputs, time.Duration(o.Grace)*time.Second)
	for i, l := range o.Levels {
		fmt.Fprintf(w, "level %d\t2^%d roots every 2^%d steps, allowance %v, bond %s\n", i, l.Height, l.Log2Stride,
			time.Duration(l.Allowance)*time.Second, eth.Ether(l.Bond))
	}
}

// params makes what the task consists of.
func (f *openFlags) params(ctx context.Context, g *eth.Game, m *prover.Machine) (eth.TaskParams, error) {
	var p eth.TaskParams
	var err error
	if p.Verifier, err = parseAddress("--verifier", f.verifier); err != nil {
		return p, err
	}
	root, err := m.Root(ctx)
	if err != nil {
		return p, err
	}
	p.InitialRoot, p.Inputs = root, m.InputsHash()
	p.Grace, p.ProofGas = uint32(f.grace/time.Second), f.proofGas
	p.MaxGasPrice = f.gasPrice * params.GWei
	levels, err := f.levels(func() (uint64, error) {
		n, ended, err := m.Steps(ctx, 1<<maxLog2Steps-1)
		if err == nil && !ended {
			err = errors.New("the program does not end; give --log2-steps")
		}
		return n, err
	})
	if err != nil {
		return p, err
	}
	head, err := g.Block(ctx, nil)
	if err != nil {
		return p, err
	}
	for _, l := range levels {
		bond, err := g.MinimumBond(ctx, head.Hash, uint8(l.Height), p.MaxGasPrice, p.ProofGas)
		if err != nil {
			return p, err
		}
		if f.bond != "" {
			if bond, err = parseEther(f.bond); err != nil {
				return p, err
			}
		}
		p.Levels = append(p.Levels, eth.Level{Log2Stride: uint8(l.Log2Stride), Height: uint8(l.Height), Allowance: uint32(l.Allowance), Bond: bond})
	}
	// That is what players will look at; better that the opener sees it.
	view := eth.TaskView{Verifier: p.Verifier, Inputs: p.Inputs}
	_, err = eth.NewVerifier(ctx, g, common.Hash{}, view, m.Contract(), m.Inputs())
	return p, err
}

// parseEther reads an amount of money, and gives it in wei.
func parseEther(text string) (*big.Int, error) {
	r, ok := new(big.Rat).SetString(text)
	if ok && r.Sign() >= 0 {
		r.Mul(r, new(big.Rat).SetInt64(params.Ether))
		if r.IsInt() {
			return r.Num(), nil
		}
	}
	return nil, fmt.Errorf("--bond %s: it is no amount of ETH", text)
}
