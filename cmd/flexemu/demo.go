package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu"
)

type demoFlags struct {
	guestFlags
	asJSON bool
}

func demoCommand() *cobra.Command {
	f := new(demoFlags)
	c := &cobra.Command{
		Use:   "demo [flags] PROGRAM [ARG...]",
		Short: "Run a program, prove steps of many kinds, and have the contract accept them",
		Long: `demo runs a program to its end and shows what it prints. Then it runs it again, proves a step
of each of about fifteen kinds, as far as they occur, all over the run, and has the verifier
contract check each proof in an Ethereum virtual machine inside the process.

Exit code: that of the guest if all proofs are accepted, else 1; 125, 126 and 127 as for run.`,
		Example: `  flexemu demo --preimages preimages evm.mips64`,
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c.Context(), args) },
	}
	f.add(c.Flags(), false)
	c.Flags().BoolVar(&f.asJSON, "json", false, "print figures and proofs as JSON on stdout, and what the guest prints on stderr")
	return c
}

// A subject is one row of the table: the first of these kinds of steps that comes along.
type subject struct {
	what  string
	kinds []string
	// slot says that the step after it is a subject, too: the one in the branch's delay slot.
	slot bool
}

// rareSubjects are looked for from the start of the program on, as many occur there only, and where the first
// pre-image is asked for.
var rareSubjects = []subject{
	{what: "memory mapping", kinds: []string{"syscall mmap"}},
	{what: "new thread", kinds: []string{"syscall clone"}},
	{what: "load linked", kinds: []string{"ll", "lld", "lr.w", "lr.d"}},
	{what: "store conditional", kinds: []string{"sc", "scd", "sc.w", "sc.d"}},
	{what: "futex", kinds: []string{"syscall futex"}},
	{what: "thread switch", kinds: []string{flexemu.KindThreadSwitch}},
	{what: "thread exit", kinds: []string{flexemu.KindThreadExit}},
	{what: "hint", kinds: []string{"syscall write hint"}},
	{what: "pre-image key", kinds: []string{"syscall write key"}},
	{what: "pre-image read", kinds: []string{"syscall read pre-image"}},
}

// commonSubjects are everywhere, so they are taken from all over the run.
var commonSubjects = []subject{
	{what: "arithmetic", kinds: []string{"daddu", "addu", "add", "daddiu", "addiu", "addi"}},
	{what: "load", kinds: []string{"ld", "lw"}},
	{what: "store", kinds: []string{"sd", "sw"}},
	{what: "byte store", kinds: []string{"sb"}},
	{what: "multiplication", kinds: []string{"dmultu", "multu", "dmult", "mult", "mul", "mulhu"}},
	{what: "branch", kinds: []string{"bne", "beq", "blt", "bge", "bltu", "bgeu"}, slot: true},
	{what: "jump", kinds: []string{"jal", "jalr", "jr", "j"}},
}

// How many steps are looked at for the rare subjects, before a pre-image is asked for, and from each place on for
// a common one.
const (
	rareWindow     = 2_000_000
	preimageWindow = 2_000
	commonWindow   = 1_000_000
)

// demoProof is a row of the table.
type demoProof struct {
	What string `json:"what"`
	Does string `json:"does"` // the instruction or system call
	verdict
	Pre  hexBytes `json:"pre"`
	Post hexBytes `json:"post"` // as the proof claims
}

type demoResult struct {
	runStats
	Proofs []demoProof `json:"proofs"`
	// asked is the step in which the guest asked for its first pre-image; 0 if it never did.
	asked uint64
}

func (f *demoFlags) run(ctx context.Context, args []string) error {
	result := demoResult{Proofs: []demoProof{}}
	code, err := f.whole(ctx, args, &result)
	if err != nil {
		return err
	}
	if !f.asJSON {
		if err := result.printRun(os.Stdout); err != nil {
			return err
		}
	}
	if err := f.prove(ctx, args, &result); err != nil {
		return err
	}
	if f.asJSON {
		err = printJSON(os.Stdout, result)
	} else {
		err = result.printProofs(os.Stdout)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(result.Proofs, func(p demoProof) bool { return !p.Accepted }) {
		code = codeRefused
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// whole is the first run, at full speed. It gives the guest's exit code.
func (f *demoFlags) whole(ctx context.Context, args []string, result *demoResult) (code int, err error) {
	stdout := os.Stdout
	if f.asJSON {
		stdout = os.Stderr
	}
	g, err := f.open(ctx, args, stdout, os.Stderr)
	if err != nil {
		return 0, err
	}
	defer g.close()
	g.host.asked = func() {
		g.host.asked = nil
		result.asked = g.Step() - 1 // the step under way is counted already
	}
	began := time.Now()
	err = g.advance(ctx, math.MaxUint64)
	took := time.Since(began)
	g.progress.clear()
	if err != nil {
		return 0, err
	}
	result.runStats = statsOf(g.Run, 0, took)
	return int(result.ExitCode), nil
}

// prove is the second run, which proves.
func (f *demoFlags) prove(ctx context.Context, args []string, result *demoResult) error {
	g, err := f.open(ctx, args, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	defer g.close()
	d := &demonstration{ctx: ctx, guest: g, judge: newJudge(), steps: result.Steps}
	err = d.prove(result.asked)
	g.progress.clear()
	result.Proofs = append(result.Proofs, d.proofs...)
	return err
}

// A demonstration proves steps of a run whose number of steps is known.
type demonstration struct {
	ctx    context.Context
	guest  *guest
	judge  *judge
	steps  uint64
	proofs []demoProof
}

// prove proves all subjects that occur. asked is a step that asks for a pre-image, or 0.
func (d *demonstration) prove(asked uint64) error {
	rare, err := d.search(rareSubjects, rareWindow)
	if err != nil {
		return err
	}
	if asked > d.guest.Step() {
		if err := d.guest.advance(d.ctx, asked-min(asked, preimageWindow)); err != nil {
			return err
		}
		if _, err := d.search(rare, asked+1-d.guest.Step()); err != nil {
			return err
		}
	}
	first := d.guest.Step()
	for n, s := range commonSubjects {
		// Evenly over the rest of the run.
		at := first + (d.steps-first)/uint64(len(commonSubjects)+1)*uint64(n+1)
		if err := d.guest.advance(d.ctx, at); err != nil {
			return err
		}
		if _, err := d.search([]subject{s}, commonWindow); err != nil {
			return err
		}
	}
	if d.guest.Step() >= d.steps {
		return nil
	}
	if err := d.guest.advance(d.ctx, d.steps-1); err != nil {
		return err
	}
	return d.step("last step")
}

// search proves the first step of each of the subjects among the next steps, except the last step of the run. It
// gives the subjects that it did not find.
func (d *demonstration) search(subjects []subject, window uint64) ([]subject, error) {
	g := d.guest
	subjects = slices.Clone(subjects)
	for end := min(g.Step()+window, d.steps-1); g.Step() < end && len(subjects) > 0; {
		kind := g.Kind()
		i := slices.IndexFunc(subjects, func(s subject) bool { return slices.Contains(s.kinds, kind) })
		if i < 0 {
			if err := g.advance(d.ctx, g.Step()+1); err != nil {
				return nil, err
			}
			continue
		}
		s := subjects[i]
		subjects = slices.Delete(subjects, i, i+1)
		if err := d.step(s.what); err != nil {
			return nil, err
		}
		if s.slot && strings.HasPrefix(g.ISA().Name, "mips") && g.Step() < end {
			if err := d.step("its delay slot"); err != nil {
				return nil, err
			}
		}
	}
	return subjects, nil
}

// step proves the next step and has it judged.
func (d *demonstration) step(what string) error {
	row := demoProof{What: what, Does: describe(d.guest.Run)}
	p, err := d.guest.Prove()
	if err != nil {
		return err
	}
	row.Pre, row.Post = p.Pre, p.Post
	if row.verdict, err = d.judge.judge(p); err != nil {
		return fmt.Errorf("proof of step %d: %w", p.Step, err)
	}
	d.proofs = append(d.proofs, row)
	return nil
}

func (r *demoResult) printRun(w io.Writer) error {
	return printTable(w, func(w io.Writer) {
		fmt.Fprintf(w, "\nprogram\t%s on the kernel %s, exit code %d\n", r.ISA, r.Kernel, r.ExitCode)
		fmt.Fprintf(w, "steps\t%s in %.2f s, %.1f million per second (%s)\n", grouped(r.Steps), r.Seconds, r.MIPS, r.Engine)
		fmt.Fprintf(w, "memory\t%s pages of 4 KiB\n", grouped(uint64(r.Pages)))
		fmt.Fprintf(w, "root\t%#x\n\n", []byte(r.Root))
	})
}

func (r *demoResult) printProofs(w io.Writer) error {
	accepted := 0
	err := printTable(w, func(w io.Writer) {
		fmt.Fprintln(w, "STEP\tWHAT\tDOES\tROOT BEFORE → AFTER\tGAS\tAS TX\tTHE CONTRACT")
		for _, p := range r.Proofs {
			says := "accepts"
			if !p.Accepted {
				says = "REFUSES: " + p.Reason
			} else {
				accepted++
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%x… → %x…\t%s\t%s\t%s\n", grouped(p.Step), p.What, p.Does,
				[]byte(p.Pre)[:4], []byte(p.Post)[:4], grouped(p.Gas), grouped(p.TxGas), says)
		}
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n%d of %d proofs accepted\n", accepted, len(r.Proofs))
	return err
}
