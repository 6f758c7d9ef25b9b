// Command bench measures flexEmu beside its peers in one interleaved run: the same program natively, in qemu's user
// mode, in each of flexEmu's engines, and in Optimism's Cannon, then all of it again; then roots, witnesses and
// snapshots of one state beside Cannon's; and then roots of many states. It prints tables and writes every measurement
// as JSON. It runs in the root of the repository. What the figures mean is in docs/performance.md.
//
// What is compared: the wall time of whole processes with native code and qemu; steps per second without start-up with
// Cannon, whose start-up takes most of a second, and between engines. Cannon's figure is that of its library's plain
// stepping, which is faster than its own command. A ratio is taken within a round, so what slows all down does not
// change it.
//
// A fast machine would be done at once with what keeps a slow one busy, so each makes a workload in a size of its own;
// native code and qemu make all sizes. See sizes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type options struct {
	rounds          int
	quick, noCannon bool
	parts           string
	isas, only      string
	flexemu         string
	engines         string
	build, results  string
}

// The parts of a run.
const (
	partSpeed   = "speed"
	partHash    = "hash"
	partHistory = "history"
)

var allParts = []string{partSpeed, partHash, partHistory}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "measure everything `N` times")
	flag.BoolVar(&o.quick, "quick", false, "small workloads for all machines: a tenth of the steps, or less")
	flag.BoolVar(&o.noCannon, "no-cannon", false, "leave Cannon out")
	flag.StringVar(&o.parts, "parts", strings.Join(allParts, ","), "what to measure: speed; hash, which is roots, witnesses and snapshots; history, roots of many states")
	flag.StringVar(&o.isas, "isas", "mips64,riscv64,mips32,riscv32", "instruction `sets`")
	flag.StringVar(&o.only, "workloads", strings.Join(workloads(), ","), "workloads")
	flag.StringVar(&o.flexemu, "flexemu", "bin/flexemu", "flexEmu's `command`")
	flag.StringVar(&o.engines, "engines", "interp,jit", "flexEmu's `engines`; one that it has not is left out")
	flag.StringVar(&o.build, "build", "build/bench", "`folder` for the programs")
	flag.StringVar(&o.results, "out", "build/bench.json", "`file` for the measurements")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

func run(ctx context.Context, o *options) error {
	parts, err := o.check()
	if err != nil {
		return err
	}
	r := &report{Date: time.Now().UTC().Format(time.RFC3339), Machine: machine(), LoadBefore: load(), Quick: o.quick, Rounds: o.rounds}
	if slices.Contains(parts, partSpeed) {
		if err := measureSpeed(ctx, o, r); err != nil {
			return err
		}
	}
	if slices.Contains(parts, partHash) {
		if r.Hashing, err = measureHashing(ctx, o); err != nil {
			return err
		}
	}
	if slices.Contains(parts, partHistory) {
		if r.Histories, err = measureHistories(ctx, o); err != nil {
			return err
		}
	}
	r.LoadAfter = load()
	r.print(os.Stdout)
	if err := os.MkdirAll(filepath.Dir(o.results), 0o755); err != nil {
		return err
	}
	return r.write(o.results)
}

// check finds wrong flags and gives the parts.
func (o *options) check() (parts []string, err error) {
	if o.rounds < 1 {
		return nil, errors.New("-rounds must be at least 1")
	}
	parts = strings.Split(o.parts, ",")
	for _, p := range parts {
		if !slices.Contains(allParts, p) {
			return nil, fmt.Errorf("-parts: there is no part %q, only %s", p, strings.Join(allParts, ", "))
		}
	}
	if _, err := os.Stat("internal/bench"); err != nil {
		return nil, fmt.Errorf("run it in the root of the repository: %w", err)
	}
	return parts, nil
}

// measureSpeed runs the workloads and puts results and means into the report.
func measureSpeed(ctx context.Context, o *options, r *report) error {
	guests, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	for round := range o.rounds {
		for _, g := range guests {
			if err := measure(ctx, g); err != nil {
				return err
			}
			say("round %d of %d: %s", round+1, o.rounds, g.lastRound())
		}
	}
	r.Guests = results(guests, o.quick)
	r.Means = means(r.Guests)
	return nil
}

// machine describes the computer, as far as Linux tells.
func machine() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	model, count := "", 0
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "processor":
			count++
		case "model name":
			model = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%s, %d processors", model, count)
}

// load is how many processes want to run, over one, five and fifteen minutes.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}
