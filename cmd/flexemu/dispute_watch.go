package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/player"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

// Exit codes of watch.
const (
	codeLost    = 1
	codeUnknown = 2
)

type watchFlags struct {
	gameFlags
	keyFlags
	programFlags
	dryRun, slow, verbose bool
	metrics               string
	poll, stuck           time.Duration
}

func disputeWatchCommand() *cobra.Command {
	f := new(watchFlags)
	c := &cobra.Command{
		Use:   "watch [flags] PROGRAM [ARG...]",
		Short: "Play a task: claim the right result, and defend it",
		Long: `watch computes what a task is about, and sees to it that the right result wins: it claims
it if nobody has, plays all its matches in time, loads pre-images, proves the disputed
steps, ends what is over, and collects what it is owed. It needs money for one claim at
each level and for gas, of which a rival's bond gives most back. PROGRAM, ARG and the
flags about them must be those with which the task was opened.

It refuses a task whose contracts are not those that this flexemu knows, whose initial root
or inputs are not those of the program, or whose allowance is shorter than the time that
this host needs for its histories.

It may be stopped and started again at any time, also by kill -9: everything that matters
is on the chain. It waits for a node that does not answer. --metrics serves figures for
Prometheus at /metrics.

Exit code: 0 the task is finished with the right result; 1 with another or with none; 2 the
task is refused; 125 when flexemu failed; 126 and 127 as for run; 130 after Ctrl-C.`,
		Example: `  flexemu dispute watch --key-file key --game 0x… --task 0x… --preimages preimages evm.mips64`,
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c.Context(), args) },
	}
	flags := c.Flags()
	f.gameFlags.add(flags)
	f.keyFlags.add(flags)
	f.programFlags.add(flags)
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, send nothing; needs no key")
	flags.BoolVar(&f.slow, "slow", false, "play although this host may be too slow for the task's allowance")
	flags.StringVar(&f.metrics, "metrics", "", "serve figures for Prometheus at `HOST:PORT`")
	flags.DurationVar(&f.poll, "poll", player.DefaultPoll, "look at the chain every `TIME`")
	flags.DurationVar(&f.stuck, "stuck", eth.DefaultStuck, "pay more for a transaction that has waited for `TIME`")
	flags.BoolVar(&f.json, "json", false, "write the log as JSON")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log also what is of interest when something goes wrong")
	return c
}

func (f *watchFlags) run(ctx context.Context, args []string) error {
	game, task, err := f.parse()
	if err != nil {
		return err
	}
	signer, err := f.signer()
	if err != nil {
		return err
	}
	if signer == nil && !f.dryRun {
		return errors.New("who plays? --key-file or --keystore is missing (or --dry-run)")
	}
	log := logger(os.Stderr, f.json, f.verbose)
	metrics := new(player.Metrics)
	if f.metrics != "" {
		stop, err := serve(f.metrics, metrics, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	m, closeProgram, err := f.machine(ctx, args, io.Discard, io.Discard, log)
	if err != nil {
		return err
	}
	defer closeProgram()
	closeIt, err := f.dial(ctx, func(method string, err error) {
		metrics.Requests.Add(1)
		log.Debug("asks again", "method", method, "error", err)
	})
	if err != nil {
		return err
	}
	defer closeIt()
	g := &eth.Game{Node: f.node, Address: game}
	verifier, err := f.inspect(ctx, g, task, m, log)
	if err != nil {
		if errors.As(err, new(*eth.UnknownError)) {
			return &exitError{codeUnknown, fmt.Errorf("task %v is refused: %w", task, err)}
		}
		return err
	}
	c := player.Config{Game: g, Task: task, Machine: m, Loader: verifier, Poll: f.poll, Log: log, Metrics: metrics}
	if signer != nil {
		c.Account = signer.Address()
	}
	if !f.dryRun {
		o := f.keyFlags.options()
		o.Stuck, o.Log = f.stuck, log
		o.Mined = func(m eth.Mined) { told(log, metrics, m) }
		if c.Sender, err = eth.NewSender(ctx, f.node, signer, o); err != nil {
			return err
		}
	}
	turn, err := player.New(c).Run(ctx)
	if err != nil {
		return err
	}
	if !turn.Won {
		return &exitError{codeLost, fmt.Errorf("task %v is finished, and the right result has not won", task)}
	}
	log.Info("the task is finished, and the right result has won", "task", task)
	return nil
}

// told logs and counts a transaction in a block.
func told(log *slog.Logger, metrics *player.Metrics, m eth.Mined) {
	metrics.Account(m)
	level, text := slog.LevelDebug, "in a block"
	if m.Receipt.Status == 0 {
		level, text = slog.LevelWarn, "failed in a block"
	}
	log.Log(context.Background(), level, text, "what", m.Why, "gas", m.Receipt.GasUsed, "block", m.Receipt.BlockNumber, "tx", m.Receipt.TxHash)
}

// serve serves metrics until the function that it gives is called.
func serve(address string, m *player.Metrics, log *slog.Logger) (stop func() error, err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.Serve(l) //nolint:errcheck // ends with Close
	log.Info("serves metrics", "address", l.Addr().String())
	return s.Close, nil
}

// inspect refuses tasks that are not the one that the program is.
func (f *watchFlags) inspect(ctx context.Context, g *eth.Game, task common.Hash, m *prover.Machine, log *slog.Logger) (*eth.Verifier, error) {
	head, err := g.Block(ctx, nil)
	if err != nil {
		return nil, err
	}
	view, err := g.Task(ctx, head.Hash, task)
	if err != nil {
		return nil, eth.Explain(err)
	}
	v, err := eth.NewVerifier(ctx, g, task, view, m.Contract(), m.Inputs())
	if err != nil {
		return nil, err
	}
	root, err := m.Root(ctx)
	if err != nil {
		return nil, err
	}
	if root != view.InitialRoot {
		return nil, &eth.UnknownError{What: fmt.Sprintf("the task begins with the root %#x, the program with these arguments with %v", view.InitialRoot, root)}
	}
	var levels []dispute.Level
	for _, l := range view.Levels {
		levels = append(levels, dispute.Level{Log2Stride: int(l.Log2Stride), Height: int(l.Height), Allowance: uint64(l.Allowance)})
	}
	times, err := m.Measure(ctx, levels)
	if err != nil {
		return nil, err
	}
	for i, took := range times {
		allowance := time.Duration(levels[i].Allowance) * time.Second
		log.Info("time for histories", "level", i, "needs", took.Round(time.Millisecond), "allowance", allowance)
		if took > allowance && !f.slow {
			return nil, &eth.UnknownError{What: fmt.Sprintf("this host needs %v for a history of level %d, and has %v (--slow plays all the same)", took.Round(time.Second), i, allowance)}
		}
	}
	return v, nil
}
