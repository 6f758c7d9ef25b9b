// Command cannon-trace runs a linux/mips64 program on Cannon's own VM and
// writes its state hashes and step proofs down as JSON lines.
//
// The guest's stdout and stderr pass through. Exit code: 0 when the guest
// stopped, whatever its own code (that is in the last line); 2 when Cannon
// panicked; 1 else.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
)

func main() {
	err := run()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "cannon-trace:", err)
	if errors.Is(err, cannon.ErrPanic) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run() error {
	var (
		trace     cannon.Trace
		out       = flag.String("out", "", "write JSON lines to `FILE`")
		proofs    = flag.String("proofs", "", "prove these steps: `FROM:COUNT[,FROM:COUNT...]`")
		preimages = flag.String("preimages", "", "folder `DIR` of pre-images, files named by their hex key")
		stats     = flag.Bool("stats", false, "print steps and speed as JSON on stderr; without --out that is plain stepping")
	)
	flag.Uint64Var(&trace.Every, "every", 10_000, "a state hash every `N` steps; 0: only the first and the last")
	flag.Uint64Var(&trace.ProofEvery, "proof-every", 0, "prove every `N`th step; 0: none")
	flag.Uint64Var(&trace.ProofKinds, "proof-kinds", 0, "prove the first `N` steps of each kind of instruction, syscall and scheduler action; slow")
	flag.Uint64Var(&trace.StopAt, "stop-at", 0, "stop before step `N`; 0: run to the end")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: cannon-trace [flags] ELF")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(1)
	}
	if *proofs != "" {
		spans, err := cannon.ParseSpans(*proofs)
		if err != nil {
			return err
		}
		trace.Proofs = spans
	}
	vm, err := cannon.Load(flag.Arg(0), cannon.Folder(*preimages), os.Stdout, os.Stderr)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := traceTo(*out, &trace, vm); err != nil {
		return err
	}
	if *stats {
		return printStats(vm, time.Since(start))
	}
	return nil
}

// traceTo runs vm and writes the trace to the file at path, if path is given.
// After a panic the file holds all lines before it.
func traceTo(path string, trace *cannon.Trace, vm *cannon.VM) error {
	if path == "" {
		return trace.Run(vm, nil)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(trace.Run(vm, w), w.Flush(), f.Close())
}

func printStats(vm *cannon.VM, took time.Duration) error {
	exited, code := vm.Exited()
	return json.NewEncoder(os.Stderr).Encode(struct {
		Steps    uint64  `json:"steps"`
		Seconds  float64 `json:"seconds"`
		Msteps   float64 `json:"mstepsPerSecond"`
		Exited   bool    `json:"exited"`
		ExitCode uint8   `json:"exitCode"`
	}{vm.Steps(), took.Seconds(), float64(vm.Steps()) / 1e6 / took.Seconds(), exited, code})
}
