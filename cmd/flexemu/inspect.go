package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/cannon"
	"github.com/flexemu/flexemu/internal/loader"
	"github.com/flexemu/flexemu/internal/machine/snapshot"
)

func inspectCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect [flags] FILE",
		Short: "Tell what a program, snapshot or proof is",
		Long: `inspect tells what a file is: a program (and whether it would run), a snapshot, a state of
Optimism's Cannon, or proofs (and whether executing the step again leads to the root they claim). It reads the whole file,
so a damaged one is found out.`,
		Example: `  flexemu inspect hello
  flexemu inspect --json half.snap`,
		Args: oneFile("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			defer endAtOnce(c.Context())()
			info, err := inspect(args[0])
			if err != nil {
				return fmt.Errorf("inspect %s: %w", args[0], err)
			}
			if asJSON {
				return printJSON(os.Stdout, info)
			}
			return printTable(os.Stdout, info.print)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// An inspection is what is known of a file.
type inspection interface {
	// print writes lines of a name, a tab and a value.
	print(w io.Writer)
}

func inspect(name string) (inspection, error) {
	if cannon.IsStateFile(name) {
		return inspectCannon(name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := bufio.NewReader(file)
	head, err := r.Peek(len(snapshot.Magic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		program, err := io.ReadAll(io.LimitReader(r, maxProgram))
		if err != nil {
			return nil, err
		}
		return inspectProgram(program), nil
	case string(head) == snapshot.Magic:
		return inspectSnapshot(r)
	}
	if begins, err := afterSpace(r); err == nil && begins == '{' {
		if front, _ := r.Peek(cannonFront); bytes.Contains(front, []byte(`"memory"`)) {
			return inspectCannon(name)
		}
		return inspectProofs(r)
	}
	return nil, errors.New("neither a program (ELF), a snapshot of flexEmu, a state of Cannon (.bin or .bin.gz) nor a proof in JSON")
}

// afterSpace skips the white space of JSON and gives the byte behind it, which it does not skip.
func afterSpace(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b)) {
			return b, r.UnreadByte()
		}
	}
}

type segmentInfo struct {
	Addr     hexNumber `json:"addr"`
	FileSize int       `json:"fileSize"`
	MemSize  uint64    `json:"memSize"`
	Access   string    `json:"access"` // r, w, x
}

type programInfo struct {
	Type     string        `json:"type"`
	ISA      string        `json:"isa,omitempty"`
	Entry    hexNumber     `json:"entry,omitempty"`
	Segments []segmentInfo `json:"segments,omitempty"`
	Symbols  int           `json:"symbols"`
	Runs     bool          `json:"runs"`             // on the kernel bare
	Reason   string        `json:"reason,omitempty"` // why not
}

func inspectProgram(program []byte) programInfo {
	p := programInfo{Type: "program"}
	p.ISA, _ = loader.Identify(program)
	// What cannot run may still be described.
	if parsed, err := loader.Parse(program, loader.Options{AllowHardFloat: true, LoadOnly: true}); err == nil {
		p.Entry = hexNumber(parsed.Entry)
		for _, s := range parsed.Segments {
			p.Segments = append(p.Segments, segmentInfo{hexNumber(s.Addr), len(s.Data), s.MemSize, access(s.Flags)})
		}
	}
	if symbols, err := loader.Symbols(program); err == nil {
		p.Symbols = len(symbols)
	}
	err := flexemu.Check(program)
	if p.Runs = err == nil; !p.Runs {
		p.Reason = err.Error()
	}
	return p
}

// access writes p_flags as ls writes modes.
func access(flags uint32) string {
	text := ""
	for _, bit := range []struct {
		flag uint32
		name string
	}{{4, "r"}, {2, "w"}, {1, "x"}} {
		if flags&bit.flag == 0 {
			bit.name = "-"
		}
		text += bit.name
	}
	return text
}

func (p programInfo) print(w io.Writer) {
	fmt.Fprintf(w, "type\tprogram\n")
	if p.ISA != "" {
		fmt.Fprintf(w, "isa\t%s\n", p.ISA)
	}
	if len(p.Segments) > 0 {
		fmt.Fprintf(w, "entry\t%#x\n", uint64(p.Entry))
	}
	for _, s := range p.Segments {
		fmt.Fprintf(w, "segment\t%s at %#x, %s bytes, %s of them in the file\n",
			s.Access, uint64(s.Addr), grouped(s.MemSize), grouped(uint64(s.FileSize)))
	}
	fmt.Fprintf(w, "symbols\t%s\n", grouped(uint64(p.Symbols)))
	if p.Runs {
		fmt.Fprintf(w, "runs\ton the kernel %s\n", flexemu.KernelBare)
	} else {
		fmt.Fprintf(w, "runs\tno: %s\n", p.Reason)
	}
}

type snapshotInfo struct {
	Type     string   `json:"type"`
	Format   int      `json:"format"`
	ISA      string   `json:"isa"`
	Kernel   string   `json:"kernel"`
	Step     uint64   `json:"step"`
	Exited   bool     `json:"exited"`
	ExitCode uint8    `json:"exitCode"`
	Threads  int      `json:"threads"`
	Pages    int      `json:"pages"`
	Root     hexBytes `json:"root"`
	Next     string   `json:"next"` // what the next step does
}

func inspectSnapshot(r io.Reader) (inspection, error) {
	run, err := flexemu.Resume(r, flexemu.Options{})
	if err != nil {
		return nil, err
	}
	s := run.Stats()
	return snapshotInfo{
		Type: "snapshot", Format: snapshot.Version, ISA: s.ISA, Kernel: s.Kernel, Step: s.Steps, Exited: s.Exited,
		ExitCode: s.ExitCode, Threads: s.Threads, Pages: s.Pages, Root: hexRoot(s.Root), Next: describe(run),
	}, nil
}

// describe says what the next step of a run does: the instruction, or the kind of what is none.
func describe(r *flexemu.Run) string {
	kind, text := r.Kind(), r.Instruction()
	if text == "" || strings.HasPrefix(kind, flexemu.KindSyscall) {
		return kind
	}
	return text
}

func (s snapshotInfo) print(w io.Writer) {
	fmt.Fprintf(w, "type\tsnapshot, format %d\n", s.Format)
	fmt.Fprintf(w, "isa\t%s\n", s.ISA)
	fmt.Fprintf(w, "kernel\t%s\n", s.Kernel)
	fmt.Fprintf(w, "step\t%s\n", grouped(s.Step))
	if s.Exited {
		fmt.Fprintf(w, "exit code\t%d\n", s.ExitCode)
	} else {
		fmt.Fprintf(w, "next\t%s\n", s.Next)
	}
	fmt.Fprintf(w, "threads\t%d\n", s.Threads)
	fmt.Fprintf(w, "pages\t%s of 4 KiB\n", grouped(uint64(s.Pages)))
	fmt.Fprintf(w, "root\t%#x\n", []byte(s.Root))
}

type proofInfo struct {
	Type      string   `json:"type"`
	Format    int      `json:"format"`
	ISA       string   `json:"isa"`
	Kernel    string   `json:"kernel"`
	Step      uint64   `json:"step"`
	Pre       hexBytes `json:"pre"`
	Post      hexBytes `json:"post"`
	ProofSize int      `json:"proofSize"` // bytes of proof-data
	OracleKey hexBytes `json:"oracleKey,omitempty"`
	Holds     bool     `json:"holds"`            // says the replay in Go
	Reason    string   `json:"reason,omitempty"` // why not
}

// proofsInfo is one or several proofs.
type proofsInfo []proofInfo

func inspectProofs(r io.Reader) (inspection, error) {
	var all proofsInfo
	err := eachProof(r, func(p *flexemu.Proof) error {
		info := proofInfo{
			Type: "proof", Format: p.Format, ISA: p.ISA, Kernel: p.Kernel, Step: p.Step, Pre: p.Pre, Post: p.Post,
			ProofSize: len(p.ProofData), OracleKey: p.OracleKey, Holds: true,
		}
		if err := flexemu.Verify(p); err != nil {
			info.Holds, info.Reason = false, err.Error()
		}
		all = append(all, info)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

func (p proofInfo) print(w io.Writer) {
	fmt.Fprintf(w, "type\tproof, format %d\n", p.Format)
	fmt.Fprintf(w, "isa\t%s\n", p.ISA)
	fmt.Fprintf(w, "kernel\t%s\n", p.Kernel)
	fmt.Fprintf(w, "step\t%s\n", grouped(p.Step))
	fmt.Fprintf(w, "pre\t%#x\n", []byte(p.Pre))
	fmt.Fprintf(w, "post\t%#x\n", []byte(p.Post))
	fmt.Fprintf(w, "proof-data\t%s bytes\n", grouped(uint64(p.ProofSize)))
	if len(p.OracleKey) > 0 {
		fmt.Fprintf(w, "pre-image\t%#x\n", []byte(p.OracleKey))
	}
	if p.Holds {
		fmt.Fprintf(w, "holds\tyes\n")
	} else {
		fmt.Fprintf(w, "holds\tno: %s\n", p.Reason)
	}
}

func (all proofsInfo) print(w io.Writer) {
	fmt.Fprintf(w, "type\t%d proofs\n", len(all))
	for _, p := range all {
		verdict := "holds"
		if !p.Holds {
			verdict = p.Reason
		}
		fmt.Fprintf(w, "step %s\t%s\n", grouped(p.Step), verdict)
	}
}
