package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu"
)

type proveFlags struct {
	guestFlags
	at     string
	count  count
	kinds  bool
	limit  count
	output string
	steps  selection
}

func proveCommand() *cobra.Command {
	f := &proveFlags{limit: 10_000_000}
	c := &cobra.Command{
		Use:   "prove [flags] --at N [-o FILE] PROGRAM [ARG...]",
		Short: "Prove steps of a program",
		Long: `prove runs a program up to step N and writes the proof of that step, from state N to state
N+1, as JSON. What the guest prints is not shown.

--at takes lists and ranges too, 5,7,100-200, and %N for every multiple of N; then a proof is
one line. The proofs are in the order of their steps. --kinds proves the first step of every
kind instead: one of each instruction, system call and action of the scheduler.

Exit code: 0; 125 when flexemu failed, as when the program ends before the step: then -o
writes nothing; 126 and 127 as for run.`,
		Example: `  flexemu prove --at 1000 hello
  flexemu prove --at 5,7,100-200 -o proofs.jsonl hello
  flexemu prove --at %100000 --count 10 hello
  flexemu prove --kinds --limit 2000000 -o kinds.jsonl --preimages preimages evm.mips64`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c.Context(), args) },
	}
	flags := c.Flags()
	f.add(flags, true)
	flags.StringVar(&f.at, "at", "", "prove step `N`, several, or every multiple: 5,7,100-200 or %N")
	flags.Var(&f.count, "count", "with --at %N: end after `N` proofs; 0: at the program's end")
	flags.BoolVar(&f.kinds, "kinds", false, "prove the first step of every kind")
	flags.Var(&f.limit, "limit", "with --kinds: look at `N` steps")
	flags.StringVarP(&f.output, "output", "o", standard, "write to `FILE` instead of stdout")
	return c
}

func (f *proveFlags) run(ctx context.Context, args []string) error {
	switch {
	case f.at == "" && !f.kinds:
		return errors.New("which steps? --at N is missing")
	case f.at != "" && f.kinds:
		return errors.New("--at and --kinds exclude each other")
	case !f.kinds:
		var err error
		if f.steps, err = parseSelection(f.at); err != nil {
			return err
		}
		if f.count != 0 && f.steps.every == 0 {
			return errors.New("--count is for --at %N")
		}
	}
	if err := checkOutputs(f.output); err != nil {
		return err
	}
	g, err := f.open(ctx, args, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	defer g.close()
	err = writeOutput(f.output, os.Stdout, func(w io.Writer) error {
		e := json.NewEncoder(w)
		if f.kinds {
			return proveKinds(ctx, g, uint64(f.limit), e)
		}
		if f.steps.single() {
			e.SetIndent("", "  ")
		}
		return f.proveSteps(ctx, g, e)
	})
	g.progress.clear()
	return err
}

func (f *proveFlags) proveSteps(ctx context.Context, g *guest, e *json.Encoder) error {
	if first, _ := f.steps.from(0); first < g.Step() && f.steps.every == 0 {
		return fmt.Errorf("prove step %d: the snapshot is of step %d already", first, g.Step())
	}
	written := count(0)
	at, ok := f.steps.from(g.Step())
	for ; ok && (f.count == 0 || written < f.count); at, ok = f.steps.from(g.Step()) {
		if err := g.advance(ctx, at); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return g.stopped(ctx) // advance has not looked if there was no step to make
		}
		if done, _ := g.Exited(); done && f.steps.every != 0 {
			break
		}
		p, err := g.Prove()
		if err != nil {
			return fmt.Errorf("prove step %d: %w", at, err)
		}
		if err := e.Encode(p); err != nil {
			return err
		}
		written++
	}
	if written == 0 {
		return fmt.Errorf("prove --at %s: the program ended at step %d, before the first of these steps", f.at, g.Step())
	}
	return nil
}

// proveKinds proves the first step of every kind among the next steps.
func proveKinds(ctx context.Context, g *guest, limit uint64, e *json.Encoder) error {
	seen := map[string]bool{}
	end := g.Step() + min(limit, math.MaxUint64-g.Step())
	for g.Step() < end {
		kind := g.Kind()
		if kind == flexemu.KindHalted {
			break
		}
		if seen[kind] {
			if err := g.advance(ctx, g.Step()+1); err != nil {
				return err
			}
			continue
		}
		seen[kind] = true
		p, err := g.Prove()
		if err != nil {
			return err
		}
		if err := e.Encode(p); err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		return fmt.Errorf("prove --kinds: at step %d: %w", g.Step(), flexemu.ErrEnded)
	}
	return nil
}
