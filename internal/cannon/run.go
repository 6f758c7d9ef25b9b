package cannon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/flexemu/flexemu/internal/engine"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/mips"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/preimage"
	"github.com/flexemu/flexemu/internal/proof"
)

// RunOptions are the flags of run.
type RunOptions struct {
	Input, Output string // state files; no output if that is empty

	ProofAt, SnapshotAt, StopAt, InfoAt Matcher
	ProofFmt, SnapshotFmt               string // formats of package fmt for the step
	StopAtPreimage                      PreimageMatcher

	Meta      string // file of symbols, or empty
	Debug     bool   // show calls at the end
	DebugInfo string // where figures go

	Extended bool   // flexEmu's own semantics instead of panics, and all of its instructions
	Engine   string // of package engine
	Server   []string

	Stdout, Stderr io.Writer
	Terminal       bool // Stdout is one
}

func (o *RunOptions) check() error {
	if o.Output != "" && !isBinary(o.Output) {
		return fmt.Errorf("invalid --output %s: a state file ends with .bin or .bin.gz", o.Output)
	}
	if o.SnapshotFmt != "" && !isBinary(fmt.Sprintf(o.SnapshotFmt, 0)) {
		return fmt.Errorf("invalid --snapshot-fmt %s: a state file ends with .bin or .bin.gz", o.SnapshotFmt)
	}
	if o.Debug && o.Meta == "" {
		return errors.New("--debug needs --meta")
	}
	return nil
}

// A runner is one run.
type runner struct {
	o       *RunOptions
	log     *slog.Logger
	meta    *Metadata
	version Version
	kernel  *bare.Kernel
	system  *bare.System
	machine *machine.Machine
	host    *host
	watch   *watcher // nil if nobody watches
	stopped bool     // at the last read of a pre-image
	files   *snapshots
	began   time.Time
	first   uint64 // step
}

// Run runs a state. IsPanic tells whether the error is what Cannon panics at. Where the run has an error, neither
// output nor figures are written; proofs and snapshots of the steps before are.
func Run(ctx context.Context, o *RunOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	r := &runner{o: o, log: logger(o.Stderr, o.Terminal).With("module", "vm"), meta: &Metadata{}}
	guest := logger(o.Stderr, o.Terminal)
	r.host = &host{
		ctx: ctx, stdout: textWriter{guest.With("module", "guest", "stream", "stdout")},
		stderr: textWriter{guest.With("module", "guest", "stream", "stderr")},
	}
	if len(o.Server) > 0 && o.Server[0] != "" {
		stop, err := r.startServer(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := r.load(); err != nil {
		return err
	}
	r.files = newSnapshots(ctx, o.SnapshotFmt, r.version)
	err = r.loop(ctx)
	if wrote := r.files.wait(); err == nil {
		err = wrote
	}
	if err != nil {
		return err
	}
	return r.finish()
}

func (r *runner) startServer(ctx context.Context) (stop func(), err error) {
	hosts := func(w io.Writer) io.Writer { return textWriter{logger(w, r.o.Terminal).With("module", "host")} }
	r.host.server, err = preimage.StartServer(ctx, r.o.Server, preimage.ServerOptions{
		Output: hosts(r.o.Stdout), Errors: hosts(r.o.Stderr), Timeout: -1, Check: check,
		Together: true, // op-challenger kills the group
	})
	return func() {
		if err := r.host.server.Close(); err != nil {
			r.log.Error("failed to close pre-image server", "err", err)
		}
	}, err
}

// load reads symbols and state and puts the machine together.
func (r *runner) load() error {
	if r.o.Meta == "" {
		r.log.Info("no metadata file specified, defaulting to empty metadata")
	} else if err := readJSON(r.o.Meta, r.meta); err != nil {
		return fmt.Errorf("symbols: %w", err)
	}
	s, err := readStateFile(r.o.Input)
	if err != nil {
		return err
	}
	r.log.Info("Loaded input state", "version", s.Version)
	r.version, r.machine = s.Version, s.Machine
	var watched []string
	if r.o.DebugInfo != "" {
		watched = append(watched, atomics...)
	}
	if r.o.Debug {
		watched = append(watched, jumps...)
	}
	i := mips.Cannon(watched...)
	if r.o.Extended {
		i = mips.New(64, true)
	}
	if r.kernel, err = bare.New(i); err != nil {
		return err
	}
	e, name, err := engine.New(i, s.Machine, r.o.Engine)
	if err != nil {
		return err
	}
	if len(watched) > 0 && !r.o.Extended {
		r.watch = &watcher{Engine: e, isa: i, m: s.Machine, far: farCode(s.Machine)}
		if r.o.DebugInfo != "" {
			r.watch.stats = newStats(s.Machine)
		}
		if r.o.Debug {
			r.watch.trace = newTraceback(r.o.Stdout, r.meta, s.Machine)
		}
		e = r.watch
	}
	r.log.Info("Using flexEmu", "engine", name)
	if r.system, err = r.kernel.NewSystem(s.Machine, e, r.host); err != nil {
		return err
	}
	if !r.o.Extended {
		r.system.Strict = &bare.Strict{NoRandom: s.Version == Version7}
	}
	r.system.Stepped = r.stepped
	return nil
}

// sliceSteps is how many steps are made before the context is looked at.
const sliceSteps = 1 << 23

// loop makes the steps and writes what is to be written on the way.
func (r *runner) loop(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			var ok bool
			if err, ok = p.(error); !ok || !IsPanic(err) {
				panic(p)
			}
		}
	}()
	m, o := r.machine, r.o
	r.began, r.first = time.Now(), m.Get(ir.Step)
	for m.Get(ir.Exited) == 0 && !r.stopped {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		step := m.Get(ir.Step)
		if o.InfoAt.at(step) {
			r.info(step)
		}
		if o.StopAt.at(step) {
			r.log.Info("Reached stop at")
			return nil
		}
		if o.SnapshotAt.at(step) {
			if err := r.files.write(m.Fork(), step); err != nil {
				return err
			}
		}
		if o.ProofAt.at(step) {
			if err := r.prove(step); err != nil {
				return err
			}
			continue
		}
		until := min(o.InfoAt.after(step), o.StopAt.after(step), o.SnapshotAt.after(step), o.ProofAt.after(step))
		if until-step > sliceSteps {
			until = step + sliceSteps
		}
		if err := r.system.Run(until); err != nil {
			return r.failed(err)
		}
	}
	return nil
}

func (r *runner) prove(step uint64) error {
	p, err := proof.Record(r.kernel, r.system)
	if err != nil {
		return r.failed(err)
	}
	r.stepped()
	if err := writeJSON(fmt.Sprintf(r.o.ProofFmt, step), r.o.Stdout, proofJSONOf(p)); err != nil {
		return fmt.Errorf("write proof of step %d: %w", step, err)
	}
	return nil
}

// failed shows the calls where Cannon does so: before it panics at an unknown syscall.
func (r *runner) failed(err error) error {
	if r.watch != nil && r.watch.trace != nil && errors.Is(err, bare.ErrUnknownSyscall) {
		r.watch.trace.show(r.machine, r.machine.Get(ir.Step)+1)
	}
	return err
}

// stepped is called after steps of the system that may have read a pre-image.
func (r *runner) stepped() (stop bool) {
	if r.watch != nil {
		r.watch.stepped()
	}
	if read := r.system.Read; read != nil && r.o.StopAtPreimage.matches(read, r.machine.Get(ir.Step)-1) {
		r.log.Info("Stopping at preimage read", "key", fmt.Sprintf("%x", read.Key), "offset", read.Offset, "size", len(read.Value))
		r.stopped = true
	}
	return r.stopped
}

func (r *runner) info(step uint64) {
	m := r.machine
	pc := m.Get(ir.PC)
	var word [4]byte
	m.Peek(pc, word[:])
	r.log.Info("processing", "step", step, "pc", fmt.Sprintf("%08x", uint32(pc)), "insn", fmt.Sprintf("%x", word),
		"ips", float64(step-r.first)/time.Since(r.began).Seconds(), "pages", m.Mem.Pages(),
		"mem", memory(m.Mem.Pages()), "name", r.meta.lookup(pc))
}

// memory is what pages take, for people.
func memory(pages int) string {
	size, unit := float64(pages)*machine.PageSize/1024, 0
	if pages == 0 {
		return "0 B"
	}
	for ; size >= 1024 && unit < 5; unit++ {
		size /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGTPE"[unit])
}

// finish writes what is due at the end of a run.
func (r *runner) finish() error {
	exited, code := r.machine.Exited()
	r.log.Info("Execution stopped", "exited", exited, "code", code)
	if r.watch != nil && r.watch.trace != nil {
		r.watch.trace.show(r.machine, r.machine.Get(ir.Step))
	}
	if err := r.files.last(r.o.Output, r.machine.Fork()); err != nil {
		return fmt.Errorf("write state output: %w", err)
	}
	if err := writeJSON(r.o.DebugInfo, r.o.Stdout, r.debugInfo()); err != nil {
		return fmt.Errorf("write debug info: %w", err)
	}
	return nil
}

func (r *runner) debugInfo() *DebugInfo {
	pages := r.machine.Mem.Pages()
	d := &DebugInfo{
		Pages: pages, MemoryUsed: quant(pages) * machine.PageSize,
		PreimageRequests: r.host.requests, PreimageSize: r.host.size, Steps: r.machine.Get(ir.Step),
	}
	if r.watch == nil || r.watch.stats == nil {
		return d
	}
	s := r.watch.stats
	s.lost(r.machine)
	d.CacheMisses, d.HighestMiss = s.misses, quant(s.highestMiss)
	d.Successes, d.Failures, d.LongestReservation, d.Invalidations = s.successes, s.failures, s.longest, s.invalidations
	d.ForcedPreemptions, d.IdleStepsOfThread0 = s.forced, s.idle
	return d
}

// proofJSON is a proof as Cannon writes it.
type proofJSON struct {
	Step         uint64      `json:"step"`
	Pre          proof.Bytes `json:"pre"`
	Post         proof.Bytes `json:"post"`
	StateData    proof.Bytes `json:"state-data"`
	ProofData    proof.Bytes `json:"proof-data"`
	OracleKey    proof.Bytes `json:"oracle-key,omitempty"`
	OracleValue  proof.Bytes `json:"oracle-value,omitempty"`
	OracleOffset uint64      `json:"oracle-offset,omitempty"`
}

func proofJSONOf(p *proof.Proof) *proofJSON {
	j := &proofJSON{Step: p.Step, Pre: p.Pre, Post: p.Post, StateData: p.StateData, ProofData: p.ProofData}
	if p.OracleOffset != nil {
		j.OracleKey, j.OracleValue, j.OracleOffset = p.OracleKey, p.OracleValue, *p.OracleOffset
	}
	return j
}

// snapshots writes state files while the run goes on, one after the other.
type snapshots struct {
	ctx     context.Context
	format  string
	version Version
	writer  writer

	queue chan job
	done  sync.WaitGroup
	mu    sync.Mutex
	err   error // the first
}

type job struct {
	machine *machine.Machine
	name    string
	step    uint64
}

// maxWaiting bounds the states that wait to be written: each holds what has changed since.
const maxWaiting = 2

func newSnapshots(ctx context.Context, format string, v Version) *snapshots {
	s := &snapshots{ctx: ctx, format: format, version: v, queue: make(chan job, maxWaiting)}
	s.done.Go(func() {
		for j := range s.queue {
			if s.failed() != nil {
				continue
			}
			if err := s.writer.write(ctx, j.name, State{v, j.machine}); err != nil {
				s.mu.Lock()
				s.err = fmt.Errorf("write snapshot of step %d: %w", j.step, err)
				s.mu.Unlock()
			}
		}
	})
	return s
}

func (s *snapshots) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// write has a fork of the machine written. The error may be that of an earlier one.
func (s *snapshots) write(m *machine.Machine, step uint64) error {
	s.queue <- job{m, fmt.Sprintf(s.format, step), step}
	return s.failed()
}

// wait waits for all that is to be written.
func (s *snapshots) wait() error {
	close(s.queue)
	s.done.Wait()
	return s.err
}

// last writes one more state, if the name is not empty, after wait.
func (s *snapshots) last(name string, m *machine.Machine) error {
	if name == "" {
		return nil
	}
	return s.writer.write(s.ctx, name, State{s.version, m})
}
