package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type runFlags struct {
	guestFlags
	stopAt             count
	stops              bool // at stopAt
	save, stats        string
	rootsAt, rootsFile string
	roots              *rootSteps // nil: none
}

func runCommand() *cobra.Command {
	f := new(runFlags)
	c := &cobra.Command{
		Use:   "run [flags] PROGRAM [ARG...]",
		Short: "Run a program",
		Long: `run executes a program; its stdout, stderr and exit code pass through.

Exit code: the guest's (0 when --stop-at ended the run before the guest ended); 125 when
flexemu failed; 126 when PROGRAM is no executable that can run; 127 when it does not exist;
130 after Ctrl-C, which stops the run at the end of a step: --save, --stats and --roots are
still written. A second Ctrl-C ends flexemu at once.

Flags after PROGRAM are the guest's.`,
		Example: `  flexemu run --env LANG=C --stats - hello one two
  flexemu run --preimages preimages evm.mips64
  flexemu run --stop-at 1000000 --save half.snap program
  flexemu run --resume half.snap
  flexemu run --roots-at '%1000000' --roots roots.txt program`,
		RunE: func(c *cobra.Command, args []string) error {
			f.stops = c.Flags().Changed("stop-at")
			return f.run(c.Context(), args)
		},
	}
	flags := c.Flags()
	f.add(flags, true)
	flags.Var(&f.stopAt, "stop-at", "stop before step `N`")
	flags.StringVar(&f.save, "save", "", "write a snapshot of the last state to `FILE`, however the run ended")
	flags.StringVar(&f.stats, "stats", "", "write figures of the run as JSON to `FILE` (- is stderr)")
	flags.StringVar(&f.rootsAt, "roots-at", "", "tell the root at every multiple of N, `%N`, or at step N, =N; needs --roots")
	flags.StringVar(&f.rootsFile, "roots", "", "write a line \"step 0xroot\" for each of --roots-at to `FILE` (- is stderr)")
	return c
}

func (f *runFlags) run(ctx context.Context, args []string) error {
	if err := f.checkFlags(); err != nil {
		return err
	}
	g, err := f.open(ctx, args, os.Stdout, os.Stderr)
	if err != nil {
		return err
	}
	defer g.close()
	from, stop := g.Step(), uint64(math.MaxUint64)
	if f.stops {
		if stop = uint64(f.stopAt); stop < from {
			return fmt.Errorf("--stop-at %d: the snapshot is of step %d already", stop, from)
		}
	}
	began := time.Now()
	ran := f.execute(ctx, g, stop)
	took := time.Since(began)
	g.progress.clear()
	// The state is one at the end of a step whatever has happened.
	wrote := f.write(g, from, took)
	if wrote != nil && errors.As(ran, new(interrupted)) {
		return &exitError{codeFailed, errors.Join(ran, wrote)}
	}
	if err := errors.Join(ran, wrote); err != nil {
		return err
	}
	if f.roots != nil && f.roots.once && (f.roots.n < from || f.roots.n > g.Step()) {
		warn("--roots-at =%d: the run was from step %d to step %d", f.roots.n, from, g.Step())
	}
	if done, code := g.Exited(); done && code != 0 {
		return &exitError{code: int(code)}
	}
	return nil
}

func (f *runFlags) checkFlags() error {
	if (f.rootsAt == "") != (f.rootsFile == "") {
		return errors.New("--roots-at and --roots need each other")
	}
	if f.rootsAt != "" {
		r, err := parseRootSteps(f.rootsAt)
		if err != nil {
			return err
		}
		f.roots = &r
	}
	if f.save == standard {
		return errors.New("--save -: a snapshot goes to a file")
	}
	return checkOutputs(f.save, f.stats, f.rootsFile)
}

// execute makes the steps, and the file of roots.
func (f *runFlags) execute(ctx context.Context, g *guest, stop uint64) error {
	if f.roots == nil {
		return g.advance(ctx, stop)
	}
	var stopped error
	err := writeOutput(f.rootsFile, os.Stderr, func(w io.Writer) error {
		err := f.roots.advance(ctx, g, stop, w)
		if errors.As(err, new(interrupted)) {
			stopped = err // the lines up to here are right, keep them
			return nil
		}
		return err
	})
	return errors.Join(stopped, err)
}

// write writes snapshot and statistics.
func (f *runFlags) write(g *guest, from uint64, took time.Duration) error {
	var errs []error
	if f.save != "" {
		errs = append(errs, writeOutput(f.save, os.Stdout, g.Save))
	}
	if f.stats != "" {
		errs = append(errs, writeOutput(f.stats, os.Stderr, func(w io.Writer) error {
			return json.NewEncoder(w).Encode(statsOf(g.Run, from, took))
		}))
	}
	return errors.Join(errs...)
}

// rootSteps are the steps of --roots-at.
type rootSteps struct {
	n    uint64
	once bool // n itself, not its multiples
}

func parseRootSteps(text string) (rootSteps, error) {
	digits, every := strings.CutPrefix(text, "%")
	if !every {
		var once bool
		if digits, once = strings.CutPrefix(text, "="); !once {
			return rootSteps{}, fmt.Errorf("--roots-at %s: it begins with %% for every multiple of a number, or with = for one step", text)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || every && n == 0 {
		return rootSteps{}, fmt.Errorf("--roots-at %s: %q is not a number of steps", text, digits)
	}
	return rootSteps{n, !every}, nil
}

// from gives the first of the steps that is not below step; math.MaxUint64 if there is none.
func (r rootSteps) from(step uint64) uint64 {
	switch {
	case r.once && step > r.n:
		return math.MaxUint64
	case r.once:
		return r.n
	}
	over := step % r.n
	if over == 0 {
		return step
	}
	if step > math.MaxUint64-r.n {
		return math.MaxUint64
	}
	return step - over + r.n
}

// advance is guest.advance with a line on w for each root.
func (r rootSteps) advance(ctx context.Context, g *guest, stop uint64, w io.Writer) error {
	for at := r.from(g.Step()); ; at = r.from(at + 1) {
		if err := g.advance(ctx, min(at, stop)); err != nil {
			return err
		}
		if g.Step() != at {
			return nil
		}
		root := g.Root()
		if _, err := fmt.Fprintf(w, "%d %#x\n", at, root[:]); err != nil {
			return err
		}
		if at == math.MaxUint64 {
			return nil
		}
	}
}
