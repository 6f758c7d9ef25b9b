package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flexemu/flexemu"
)

// The workloads: examples/c/bench, internal/bench/mixed, examples/evm.
var cWorkloads = []string{"primes", "keccak", "sorting", "copy", "fib"}

const (
	goWorkload  = "go"
	evmWorkload = "evm"
)

// cannonISA is the instruction set that Cannon runs, and that those in Go are built for.
const cannonISA = "mips64"

// emulators are the programs of qemu's user mode.
var emulators = map[string]string{
	"mips64": "qemu-mips64-static", "mips64le": "qemu-mips64el-static",
	"mips32": "qemu-mips-static", "mips32le": "qemu-mipsel-static",
	"riscv64": "qemu-riscv64-static", "riscv32": "qemu-riscv32-static",
}

// A builder makes the programs, and knows what there is no compiler for.
type builder struct {
	ctx context.Context
	*options
	cannon string // its trace command, empty if it is not to be had
}

// prepare builds all that is measured. What cannot be built is left out with a message, but for flexEmu's own.
func prepare(ctx context.Context, o *options) ([]*guest, error) {
	if o.quick {
		o.build += "-quick"
	}
	b := &builder{ctx: ctx, options: o}
	if o.flexemu == "" || !exists(o.flexemu) {
		return nil, fmt.Errorf("there is no %q: go build -o %[1]s ./cmd/flexemu", o.flexemu)
	}
	makeArgs := []string{"-s", "-C", "examples/c", "bench", "BUILD=" + absolute(o.build)}
	if o.quick {
		makeArgs = append(makeArgs, "QUICK=1")
	}
	if err := b.command("make", makeArgs...); err != nil {
		return nil, err
	}
	if !o.noCannon {
		b.buildCannon()
	}
	var guests []*guest
	for _, isa := range strings.Split(o.isas, ",") {
		if _, err := flexemu.FindISA(isa); err != nil {
			say("%v", err)
			continue
		}
		for _, workload := range append(slices.Clone(cWorkloads), goWorkload, evmWorkload) {
			if !slices.Contains(strings.Split(o.only, ","), workload) {
				continue
			}
			g, err := b.guest(workload, isa)
			if err != nil {
				return nil, err
			}
			if g != nil {
				guests = append(guests, g)
			}
		}
	}
	if len(guests) == 0 {
		return nil, fmt.Errorf("nothing to measure among the workloads %s for %s", o.only, o.isas)
	}
	return guests, nil
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// absolute is for commands that run in another folder; os.Getwd does not fail where prepare found files.
func absolute(path string) string {
	a, err := filepath.Abs(path)
	if err != nil {
		panic("there is no working directory: " + err.Error())
	}
	return a
}

func (b *builder) command(name string, args ...string) error {
	return b.runIn("", nil, name, args...)
}

func (b *builder) runIn(dir string, env []string, name string, args ...string) error {
	c := exec.CommandContext(b.ctx, name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

func (b *builder) buildCannon() {
	path := absolute(filepath.Join(b.build, "cannon-trace"))
	if err := b.runIn("internal/oracle/cannon", nil, "go", "build", "-o", path, "./cmd/cannon-trace"); err != nil {
		say("Cannon is left out: %v", err)
		return
	}
	b.cannon = path
}

// guest builds a workload for an instruction set; nil if there is no such program.
func (b *builder) guest(workload, isa string) (*guest, error) {
	program, native := filepath.Join(b.build, workload+"."+isa), filepath.Join(b.build, workload+".native")
	var data []string // flags for the pre-images
	var serve []string
	if workload == goWorkload || workload == evmWorkload {
		if isa != cannonISA {
			return nil, nil
		}
		var err error
		if data, serve, err = b.buildGo(workload, program, native); err != nil {
			return nil, err
		}
	}
	if !exists(program) {
		return nil, nil // make has said why
	}
	g := &guest{Workload: workload, ISA: isa, stats: filepath.Join(b.build, "stats.json")}
	if exists(native) {
		g.add("native", slices.Concat(serve, []string{native}), nil)
	}
	if qemu, err := exec.LookPath(emulators[isa]); err == nil {
		g.add("qemu", slices.Concat(serve, []string{qemu, program}), nil)
	} else {
		say("%s in qemu is left out: %v", isa, err)
	}
	run := []string{b.flexemu, "run", "--engine", b.engine, "--stats", g.stats}
	if isa == cannonISA {
		run = append(run, "--start", "cannon") // then both make the same steps
	}
	g.add("flexemu", slices.Concat(run, data, []string{program}), g.readStats)
	if isa == cannonISA && b.cannon != "" {
		g.add("cannon", slices.Concat([]string{b.cannon, "--stats"}, data, []string{program}), lastLine)
	}
	return g, nil
}

// buildGo builds a workload in Go. data are flags for flexEmu and Cannon, serve stands before programs that are to
// read pre-images elsewhere.
func (b *builder) buildGo(workload, program, native string) (data, serve []string, err error) {
	source, size := "./internal/bench/mixed", "16"
	if b.quick {
		size = "2"
	}
	if workload == evmWorkload {
		folder, server := filepath.Join(b.build, "preimages"), filepath.Join(b.build, "serve")
		source, data, serve = "./examples/evm", []string{"--preimages", folder}, []string{server, folder}
		gen := []string{"run", "./examples/evm/gen", "-out", folder}
		if b.quick {
			gen = append(gen, "-transactions", "10")
		}
		if err := b.command("go", gen...); err != nil {
			return nil, nil, err
		}
		if err := b.command("go", "build", "-o", server, "./examples/preimage/serve"); err != nil {
			return nil, nil, err
		}
	}
	sized := []string{"-ldflags", "-X main.size=" + size} // a program without such a variable does not mind
	if err := b.command("go", slices.Concat([]string{"build", "-o", native}, sized, []string{source})...); err != nil {
		return nil, nil, err
	}
	guestEnv := []string{"GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0"}
	return data, serve, b.runIn("", guestEnv, "go", slices.Concat([]string{"build", "-o", program}, sized, []string{source})...)
}
