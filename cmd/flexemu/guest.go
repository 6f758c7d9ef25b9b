package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/preimage"
)

// Values of --start.
const (
	startLinux  = "linux"
	startCannon = "cannon"
)

// guestFlags are the flags that say which program runs, and how it starts.
type guestFlags struct {
	kernel, engine, start string
	argv0                 string
	env                   []string
	preimages, server     string
	resume                string
}

func (f *guestFlags) add(flags *pflag.FlagSet, resumes bool) {
	// What stands behind PROGRAM is the guest's.
	flags.SetInterspersed(false)
	flags.SortFlags = false
	flags.StringVar(&f.kernel, "kernel", flexemu.KernelBare, "what answers system calls: `bare`")
	flags.StringVar(&f.engine, "engine", flexemu.EngineAuto, "what executes instructions, `auto|jit|interp`; auto: jit, the compiler, where this host can have it, else interp")
	flags.StringArrayVar(&f.env, "env", nil, "set `K=V` in the guest's environment; nothing is inherited (repeatable)")
	flags.StringVar(&f.argv0, "argv0", "", "give the guest this `NAME` as its argument 0 instead of PROGRAM as it is written")
	flags.StringVar(&f.start, "start", startLinux, "first stack, `linux|cannon`; cannon: that of Optimism's Cannon, whatever ARG and --env say")
	flags.StringVar(&f.preimages, "preimages", "", "read pre-images from the files of `DIR`, each named by its key in hex")
	flags.StringVar(&f.server, "preimage-server", "", "ask the process `'CMD ARGS'` for pre-images")
	if resumes {
		flags.StringVar(&f.resume, "resume", "", "go on from the snapshot in `FILE`; PROGRAM may then be left out, and how it would start does not matter")
	}
}

// check refuses what cannot be, before anything is opened.
func (f *guestFlags) check(args []string) error {
	switch {
	case len(args) == 0 && f.resume == "":
		return errors.New("which program? PROGRAM is missing")
	case f.start != startLinux && f.start != startCannon:
		return fmt.Errorf("--start %s: it is %s or %s", f.start, startLinux, startCannon)
	case f.preimages != "" && f.server != "":
		return errors.New("--preimages and --preimage-server exclude each other")
	}
	for _, e := range f.env {
		if strings.IndexByte(e, '=') < 1 {
			return fmt.Errorf("--env %s: it is not of the form K=V", e)
		}
	}
	return nil
}

func (f *guestFlags) options(args []string, h flexemu.Host) flexemu.Options {
	o := flexemu.Options{
		Args: slices.Clone(args), Env: f.env, CannonStart: f.start == startCannon,
		Host: h, Kernel: f.kernel, Engine: f.engine,
	}
	if f.argv0 != "" && len(o.Args) > 0 {
		o.Args[0] = f.argv0
	}
	return o
}

// open starts the pre-image server, if there is one, and loads or resumes the program. args are PROGRAM and its
// own. The guest's output goes to stdout and stderr. The caller closes the guest.
func (f *guestFlags) open(ctx context.Context, args []string, stdout, stderr io.Writer) (*guest, error) {
	if err := f.check(args); err != nil {
		return nil, err
	}
	defer endAtOnce(ctx)()
	var program []byte
	if len(args) > 0 {
		var err error
		if program, err = readProgram(args[0]); err != nil {
			return nil, err
		}
	}
	source, closeSource, err := f.source(ctx)
	if err != nil {
		return nil, err
	}
	h := &host{source: source, stdout: stdout, stderr: stderr}
	g := &guest{host: h, close: closeSource}
	if f.resume == "" {
		g.Run, err = flexemu.Load(program, f.options(args, h))
		if errors.As(err, new(*flexemu.ProgramError)) {
			err = fmt.Errorf("%s: %w", args[0], err)
		}
	} else {
		g.Run, err = f.resumeFile(args, program, h)
	}
	if err != nil {
		closeSource()
		return nil, err
	}
	g.progress = newProgress(os.Stderr, g.Step())
	h.before = g.progress.clear
	return g, nil
}

func (f *guestFlags) resumeFile(args []string, program []byte, h *host) (*flexemu.Run, error) {
	file, err := os.Open(f.resume)
	if err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	defer file.Close()
	r, err := flexemu.Resume(file, f.options(args, h))
	if err != nil {
		return nil, fmt.Errorf("resume %s: %w", f.resume, err)
	}
	if program != nil {
		if name, err := flexemu.Identify(program); err != nil {
			return nil, fmt.Errorf("%s: %w", args[0], err)
		} else if name != r.ISA().Name {
			return nil, fmt.Errorf("resume %s: the snapshot is of a program for %s, %s is one for %s", f.resume, r.ISA().Name, args[0], name)
		}
	}
	return r, nil
}

// A source gives pre-images.
type source interface {
	Preimage(key [32]byte) ([]byte, error)
	Hint(hint []byte) error
}

func (f *guestFlags) source(ctx context.Context) (s source, closeIt func(), err error) {
	switch {
	case f.preimages != "":
		folder, err := preimage.OpenFolder(f.preimages, nil)
		return folder, func() {}, err
	case f.server != "":
		command, err := preimage.CommandLine(f.server)
		if err != nil {
			return nil, nil, fmt.Errorf("--preimage-server: %w", err)
		}
		server, err := preimage.StartServer(ctx, command, preimage.ServerOptions{Output: os.Stderr})
		if err != nil {
			return nil, nil, err
		}
		return server, func() {
			// What it gave was checked, so that it ended badly changes no result.
			if err := server.Close(); err != nil {
				warn("%v", err)
			}
		}, nil
	}
	return preimage.None{}, func() {}, nil
}

// host is a guest's world outside: pre-images, and where its output goes.
type host struct {
	source
	stdout, stderr io.Writer
	before         func() // is called before output
	asked          func() // if it is there, is called when the guest asks for a pre-image
}

func (h *host) Preimage(key [32]byte) ([]byte, error) {
	if h.asked != nil {
		h.asked()
	}
	return h.source.Preimage(key)
}

func (h *host) Output(fd int, p []byte) error {
	if h.before != nil {
		h.before()
	}
	w := h.stdout
	if fd == 2 {
		w = h.stderr
	}
	_, err := w.Write(p)
	return err
}

// A guest is a run with what stands around it.
type guest struct {
	*flexemu.Run
	host     *host
	progress *progress
	close    func()
}

// slice is how many steps are made before signals and the progress are looked at: less than half a second of them.
const slice = 10_000_000

// advance makes steps until the step counter is n or the machine has halted. A signal ends it with an error that
// holds interrupted. After an error the state is that at the end of a step.
func (g *guest) advance(ctx context.Context, n uint64) error {
	for g.Step() < n {
		if done, _ := g.Exited(); done {
			return nil
		}
		if ctx.Err() != nil {
			return g.stopped(ctx)
		}
		step := g.Step()
		if err := g.RunTo(step + min(n-step, slice)); err != nil {
			if ctx.Err() != nil {
				return g.stopped(ctx) // by it a request for a pre-image that was under way failed
			}
			return err
		}
		g.progress.show(g.Step())
	}
	return nil
}

func (g *guest) stopped(ctx context.Context) error {
	return fmt.Errorf("stopped at step %d: %w", g.Step(), context.Cause(ctx))
}

// identifySize is how many bytes of a file tell what it is.
const identifySize = 64

// maxProgram is the length in bytes of the longest program that is read.
const maxProgram int64 = 4 << 30

// readProgram reads a program's file; it reads no more of what is no program than it must to see that.
func readProgram(name string) ([]byte, error) {
	file, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &exitError{codeNotFound, err}
	case err != nil:
		return nil, &exitError{codeNotExecutable, err}
	}
	defer file.Close()
	head := make([]byte, identifySize)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, &exitError{codeNotExecutable, err} // a directory
	}
	if _, err := flexemu.Identify(head[:n]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	rest, err := io.ReadAll(io.LimitReader(file, maxProgram))
	if err != nil {
		return nil, err
	}
	if int64(len(rest)) == maxProgram {
		return nil, &exitError{codeNotExecutable, fmt.Errorf("%s has more than %d bytes", name, maxProgram)}
	}
	return append(head[:n], rest...), nil
}
