package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flexemu/flexemu/internal/cannon"
	"github.com/flexemu/flexemu/internal/engine"
)

// Exit codes of Cannon. A guest's exit code is none of them.
const (
	cannonFailed         = 1
	cannonPanics         = 2 // op-challenger tells it apart
	cannonUnknownCommand = 3
	cannonInterrupted    = 130
)

// calledCannon tells whether the binary was started under Cannon's name.
func calledCannon(name string) bool {
	return strings.TrimSuffix(filepath.Base(name), ".exe") == "cannon"
}

func cannonCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cannon load-elf|run|witness|list [flags]",
		Short: "Optimism's Cannon: its command line, files and exit codes",
		Long: `cannon does what Optimism's Cannon does, with the same flags, files and exit codes;
also when the binary is called cannon. flexemu cannon run --help lists the flags.`,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if code := runCannon(c.Context(), args); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
}

// A cannonVerb is one of Cannon's commands. parse is given the flag set to fill; what it gives does the work, with
// the arguments behind the flags.
type cannonVerb struct {
	name, about string
	required    []string
	define      func(*flag.FlagSet) func(context.Context, []string) error
}

func cannonVerbs() []cannonVerb {
	return []cannonVerb{
		{"load-elf", "make the state that a program begins with", []string{"type", "path"}, cannonLoad},
		{"witness", "print a state's witness, as JSON, and its hash", []string{"input"}, cannonWitness},
		{"run", "run a state, write proofs and snapshots on the way", []string{"input"}, cannonRun},
		{"list", "list the state versions that run", nil, cannonList},
	}
}

// runCannon carries out a command line of Cannon and gives its exit code.
func runCannon(ctx context.Context, args []string) int {
	err := cannonExecute(ctx, args)
	var sig interrupted
	switch {
	case err == nil:
		return 0
	case errors.As(err, &sig):
		fmt.Fprintln(os.Stderr, "command interrupted")
		return cannonInterrupted
	}
	fmt.Fprintf(os.Stderr, "error: %v\n", err)
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case cannon.IsPanic(err):
		return cannonPanics
	}
	return cannonFailed
}

func cannonExecute(ctx context.Context, args []string) error {
	if len(args) == 0 {
		cannonUsage(os.Stdout)
		return nil
	}
	switch args[0] {
	case "help", "h", "-h", "--help", "-help":
		cannonUsage(os.Stdout)
		return nil
	case "--version", "-v", "-version":
		fmt.Printf("cannon version %s (flexEmu)\n", readVersion().Version)
		return nil
	}
	verbs := cannonVerbs()
	n := slices.IndexFunc(verbs, func(v cannonVerb) bool { return v.name == args[0] })
	if n < 0 {
		return &exitError{cannonUnknownCommand, fmt.Errorf("there is no command %q", args[0])}
	}
	return verbs[n].execute(ctx, args[1:])
}

func (v *cannonVerb) execute(ctx context.Context, args []string) error {
	set := flag.NewFlagSet(v.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	work := v.define(set)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			v.usage(os.Stdout, set)
			return nil
		}
		return err
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, name := range v.required {
		if !given[name] {
			return fmt.Errorf("the flag --%s is required", name)
		}
	}
	return work(ctx, set.Args())
}

func cannonUsage(w io.Writer) {
	fmt.Fprint(w, "Optimism's Cannon, by flexEmu\n\nUsage:\n")
	for _, v := range cannonVerbs() {
		fmt.Fprintf(w, "  cannon %-9s %s\n", v.name, v.about)
	}
	fmt.Fprint(w, "\ncannon COMMAND --help lists a command's flags.\n\n")
	_ = cannonList(nil)(nil, nil)
}

func (v *cannonVerb) usage(w io.Writer, set *flag.FlagSet) {
	fmt.Fprintf(w, "cannon %s: %s\n\n", v.name, v.about)
	set.SetOutput(w)
	set.PrintDefaults()
}

func cannonList(*flag.FlagSet) func(context.Context, []string) error {
	return func(context.Context, []string) error {
		fmt.Println("Available cannon versions:")
		for _, v := range cannon.Runnable() {
			fmt.Printf("filename: cannon-%d\tversion: %s (%d)\n", v, v, v)
		}
		return nil
	}
}

func cannonLoad(set *flag.FlagSet) func(context.Context, []string) error {
	var o cannon.LoadOptions
	set.StringVar(&o.Type, "type", "", "`NAME` of the state version; cannon list")
	set.StringVar(&o.Path, "path", "", "executable `FILE` for 64-bit big-endian MIPS")
	set.StringVar(&o.Out, "out", "state.bin.gz", "write the state to `FILE`, which ends with .bin or .bin.gz; nowhere if empty")
	set.StringVar(&o.Meta, "meta", "meta.json", "write the symbols to `FILE`, - is stdout; nowhere if empty")
	return func(ctx context.Context, _ []string) error { return cannon.LoadELF(ctx, o, os.Stdout) }
}

func cannonWitness(set *flag.FlagSet) func(context.Context, []string) error {
	input := set.String("input", "", "state `FILE`")
	output := set.String("output", "", "write the witness's bytes to `FILE`")
	return func(context.Context, []string) error { return cannon.Witness(*input, *output, os.Stdout) }
}

// matcherFlag is a flag with steps.
func matcherFlag(set *flag.FlagSet, to *cannon.Matcher, name, usage string) {
	set.Func(name, usage+": never, always, =N for step N, %N for the multiples of N", func(text string) (err error) {
		*to, err = cannon.ParseMatcher(text)
		return err
	})
}

func cannonRun(set *flag.FlagSet) func(context.Context, []string) error {
	o := &cannon.RunOptions{Stdout: os.Stdout, Stderr: os.Stderr, Terminal: term.IsTerminal(int(os.Stdout.Fd()))}
	o.InfoAt, _ = cannon.ParseMatcher("%1000000000")
	set.StringVar(&o.Input, "input", "", "state `FILE`")
	set.StringVar(&o.Output, "output", "out.bin.gz", "write the last state to `FILE`, which ends with .bin or .bin.gz; nowhere if empty")
	matcherFlag(set, &o.ProofAt, "proof-at", "`STEPS` to write proofs of")
	set.StringVar(&o.ProofFmt, "proof-fmt", "proof-%d.json", "`FORMAT` of the proofs' file names; with .gz at its end they are compressed")
	matcherFlag(set, &o.SnapshotAt, "snapshot-at", "`STEPS` to write the state before")
	set.StringVar(&o.SnapshotFmt, "snapshot-fmt", "state-%d.bin.gz", "`FORMAT` of the states' file names")
	matcherFlag(set, &o.StopAt, "stop-at", "`STEPS` to stop before")
	preimage := set.String("stop-at-preimage", "", "stop after the first read of a pre-image, `KEYPREFIX@OFFSET@STEP`")
	kind := set.String("stop-at-preimage-type", "", "stop after the first read of a pre-image of `TYPE`: local, keccak, sha256, blob, precompile, any")
	larger := set.Int("stop-at-preimage-larger-than", 0, "stop after the first read of a pre-image of more than `N` bytes, its length of 8 bytes included")
	set.StringVar(&o.Meta, "meta", "meta.json", "read symbols from `FILE`; none if empty")
	matcherFlag(set, &o.InfoAt, "info-at", "`STEPS` to log (default %1000000000)")
	profile := set.Bool("pprof.cpu", false, "write a profile to cpu.pprof")
	set.BoolVar(&o.Debug, "debug", false, "show the calls at the end; needs --meta")
	set.StringVar(&o.DebugInfo, "debug-info", "", "write figures of the run to `FILE`")
	set.BoolVar(&o.Extended, "extended", false, "not Cannon's: flexEmu's own semantics, with an outcome where Cannon panics, and all of MIPS64 release 2")
	set.StringVar(&o.Engine, "engine", engine.Auto, "not Cannon's: what executes instructions, `auto|jit|interp`")
	return func(ctx context.Context, args []string) (err error) {
		if *profile {
			stop, err := profileTo("cpu.pprof")
			if err != nil {
				return err
			}
			defer stop()
		}
		given := false
		set.Visit(func(f *flag.Flag) { given = given || f.Name == "stop-at-preimage" })
		if given {
			o.StopAtPreimage, err = cannon.ParsePreimage(*preimage)
		} else {
			o.StopAtPreimage, err = cannon.ParsePreimageType(*kind)
		}
		if err != nil {
			return err
		}
		o.StopAtPreimage = o.StopAtPreimage.LargerThan(*larger)
		if n := slices.Index(args, "--"); n >= 0 {
			args = args[n+1:]
		}
		o.Server = args
		return cannon.Run(ctx, o)
	}
}

func profileTo(name string) (stop func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
