package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flexemu/flexemu"
)

// A builder makes the programs, and knows what there is no compiler for.
type builder struct {
	ctx context.Context
	*options
	cannon string          // its trace command, empty if it is not to be had
	made   map[string]bool // what need not be made again
}

// prepare builds all that is measured. What cannot be built is left out with a message, but for flexEmu's own.
func prepare(ctx context.Context, o *options) ([]*guest, error) {
	b := &builder{ctx: ctx, options: o, made: map[string]bool{}}
	if o.flexemu == "" || !exists(o.flexemu) {
		return nil, fmt.Errorf("there is no %q: go build -o %[1]s ./cmd/flexemu", o.flexemu)
	}
	if !o.noCannon {
		b.cannon = b.oracle("cannon-trace")
	}
	if err := b.buildC(); err != nil {
		return nil, err
	}
	var guests []*guest
	for _, isa := range strings.Split(o.isas, ",") {
		if _, err := flexemu.FindISA(isa); err != nil {
			say("%v", err)
			continue
		}
		for _, workload := range workloads() {
			if !slices.Contains(strings.Split(o.only, ","), workload) {
				continue
			}
			g, err := b.guests(workload, isa)
			if err != nil {
				return nil, err
			}
			guests = append(guests, g...)
		}
	}
	if len(guests) == 0 {
		return nil, fmt.Errorf("nothing to measure among the workloads %s for %s with the engines %s", o.only, o.isas, o.engines)
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

// oracle builds a command that measures Cannon; it gives nothing, and says why, if that is not to be had.
func (b *builder) oracle(name string) string {
	path := absolute(filepath.Join(b.build, name))
	if err := b.runIn("internal/oracle/cannon", nil, "go", "build", "-o", path, "./cmd/"+name); err != nil {
		say("Cannon is left out: %v", err)
		return ""
	}
	return path
}

// folder is where the programs of a size are.
func (b *builder) folder(s *size) string { return filepath.Join(b.build, s.name) }

// sizes are those that a machine makes.
func (b *builder) sizes() (used []*size) {
	machines := strings.Split(b.engines, ",")
	if b.cannon != "" {
		machines = append(machines, cannonMachine)
	}
	for _, s := range sizes {
		if slices.ContainsFunc(machines, func(m string) bool { return sizeOf(m, b.quick) == s }) {
			used = append(used, s)
		}
	}
	return used
}

// buildC builds the workloads in C, as far as there are compilers.
func (b *builder) buildC() error {
	for _, s := range b.sizes() {
		args := slices.Concat([]string{"-s", "-C", "examples/c", "bench", "BUILD=" + absolute(b.folder(s))}, s.make)
		if err := b.command("make", args...); err != nil {
			return err
		}
	}
	return nil
}

// guests builds a workload for an instruction set in all sizes that are made; none if there is no such program.
func (b *builder) guests(workload, isa string) (guests []*guest, err error) {
	for _, s := range b.sizes() {
		g, err := b.guest(workload, isa, s)
		if err != nil {
			return nil, err
		}
		if g != nil {
			guests = append(guests, g)
		}
	}
	return guests, nil
}

func (b *builder) guest(workload, isa string, s *size) (*guest, error) {
	withCannon := b.cannon != "" && isa == cannonISA && sizeOf(cannonMachine, b.quick) == s
	program, native := filepath.Join(b.folder(s), workload+"."+isa), filepath.Join(b.folder(s), workload+".native")
	var data []string // flags for the pre-images
	var serve []string
	if workload == goWorkload || workload == evmWorkload {
		target, ok := goTargets[isa]
		if !ok {
			return nil, nil
		}
		var err error
		if data, serve, err = b.buildGo(workload, s, program, native, target); err != nil {
			return nil, err
		}
	}
	if !exists(program) {
		return nil, nil // make has said why
	}
	engines := b.enginesFor(program, s, withCannon)
	if len(engines) == 0 {
		return nil, nil
	}
	g := &guest{Workload: workload, ISA: isa, Size: s.name, stats: filepath.Join(b.build, "stats.json")}
	if exists(native) {
		g.add(nativeMachine, slices.Concat(serve, []string{native}), nil)
	}
	if qemu, err := exec.LookPath(emulators[isa]); err == nil {
		g.add(qemuMachine, slices.Concat(serve, []string{qemu, program}), nil)
	} else {
		b.once("qemu "+isa, func() { say("%s in qemu is left out: %v", isa, err) })
	}
	for _, engine := range engines {
		run := []string{b.flexemu, "run", "--engine", engine, "--stats", g.stats}
		if isa == cannonISA {
			run = append(run, "--start", "cannon") // then both make the same steps
		}
		g.add(engine, slices.Concat(run, data, []string{program}), g.readStats(engine))
	}
	if withCannon {
		g.add(cannonMachine, slices.Concat([]string{b.cannon, "--stats"}, data, []string{program}), lastLine)
	}
	return g, nil
}

// enginesFor gives flexEmu's engines that make a size of a program. Beside Cannon there is one in any case, to see
// that both do the same.
func (b *builder) enginesFor(program string, s *size, withCannon bool) (engines []string) {
	var others []string
	for _, engine := range strings.Split(b.engines, ",") {
		var said bytes.Buffer
		c := exec.CommandContext(b.ctx, b.flexemu, "run", "--engine", engine, "--stop-at", "0", program)
		c.Stderr = &said
		if err := c.Run(); err != nil {
			b.once("engine "+engine, func() {
				say("the engine %s is left out: %v: %s", engine, err, strings.TrimSpace(said.String()))
			})
			continue
		}
		if sizeOf(engine, b.quick) == s {
			engines = append(engines, engine)
		} else {
			others = append(others, engine)
		}
	}
	if withCannon && len(engines) == 0 && len(others) > 0 {
		return others[:1]
	}
	return engines
}

// once does something the first time that it is called with a key.
func (b *builder) once(key string, f func()) {
	if !b.made[key] {
		b.made[key] = true
		f()
	}
}

// buildGo builds a workload in Go. data are flags for flexEmu and Cannon, serve stands before programs that are to
// read pre-images elsewhere.
func (b *builder) buildGo(workload string, s *size, program, native string, target []string) (data, serve []string, err error) {
	source := "./internal/bench/mixed"
	if workload == evmWorkload {
		source = "./examples/evm"
		if data, serve, err = b.buildInput(s); err != nil {
			return nil, nil, err
		}
	}
	flags := "-X main.size=" + s.rounds // a program without such a variable does not mind
	b.once(native, func() { err = b.command("go", "build", "-ldflags", flags, "-o", native, source) })
	if err != nil {
		return nil, nil, err
	}
	return data, serve, b.runIn("", target, "go", "build", "-ldflags", flags+" "+goDebug, "-o", program, source)
}

// buildInput makes the input of the workload evmWorkload, and what serves it natively and to qemu.
func (b *builder) buildInput(s *size) (data, serve []string, err error) {
	folder, server := filepath.Join(b.folder(s), "preimages"), filepath.Join(b.build, "serve")
	b.once(folder, func() {
		if err = b.command("go", "run", "./examples/evm/gen", "-out", folder, "-transactions", s.transactions); err == nil {
			err = b.command("go", "build", "-o", server, "./examples/preimage/serve")
		}
	})
	return []string{"--preimages", folder}, []string{server, folder}, err
}
