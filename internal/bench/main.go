// Command bench measures flexEmu beside its peers in one interleaved run: the same program natively, in qemu's user
// mode, in flexEmu, and in Optimism's Cannon, then all of it again. It prints a table and writes every measurement as
// JSON. It runs in the root of the repository.
//
// What is compared: the wall time of whole processes with native code and qemu; steps per second without start-up with
// Cannon, whose start-up takes most of a second. Cannon's figure is that of its library's plain stepping, which is
// faster than its own command. A ratio is taken within a round, so what slows all down does not change it.
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
	rounds         int
	quick          bool
	noCannon       bool
	isas, only     string
	flexemu        string
	engine         string
	build, results string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "measure everything `N` times")
	flag.BoolVar(&o.quick, "quick", false, "small workloads: a tenth of the steps")
	flag.BoolVar(&o.noCannon, "no-cannon", false, "leave Cannon out")
	flag.StringVar(&o.isas, "isas", "mips64,riscv64,mips32,riscv32", "instruction `sets`")
	flag.StringVar(&o.only, "workloads", strings.Join(append(slices.Clone(cWorkloads), goWorkload, evmWorkload), ","), "workloads")
	flag.StringVar(&o.flexemu, "flexemu", "bin/flexemu", "flexEmu's `command`")
	flag.StringVar(&o.engine, "engine", "interp", "flexEmu's `engine`")
	flag.StringVar(&o.build, "build", "build/bench", "`folder` for the programs")
	flag.StringVar(&o.results, "out", "build/bench.json", "`file` for the measurements")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

func run(ctx context.Context, o options) error {
	if o.rounds < 1 {
		return errors.New("-rounds must be at least 1")
	}
	if _, err := os.Stat("internal/bench"); err != nil {
		return fmt.Errorf("run it in the root of the repository: %w", err)
	}
	guests, err := prepare(ctx, &o)
	if err != nil {
		return err
	}
	report := report{Date: time.Now().UTC().Format(time.RFC3339), Machine: machine(), LoadBefore: load(), Quick: o.quick, Rounds: o.rounds}
	for round := range o.rounds {
		for _, g := range guests {
			if err := measure(ctx, g); err != nil {
				return err
			}
			say("round %d of %d: %s", round+1, o.rounds, g.lastRound())
		}
	}
	for _, g := range guests {
		report.Guests = append(report.Guests, g.result())
	}
	report.LoadAfter = load()
	report.summarise()
	report.print(os.Stdout)
	if err := os.MkdirAll(filepath.Dir(o.results), 0o755); err != nil {
		return err
	}
	return report.write(o.results)
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
