// Command history measures Index.History on mips64 states with 64 MiB of touched memory, and writes a JSON line for each
// figure. With -plain it measures the way without: a run that makes the steps and tells its root in turn. Both
// print a hash of all roots, which internal/bench compares.
//
// The guests: a program, which internal/bench gives (it is internal/bench/mixed), with 64 MiB more than it has itself;
// and a loop in which one step in five stores to another leaf.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/machine/snapshot"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/proof"
)

// Where things are.
const (
	codeStart = 0x10000
	touched   = 0x2_0000_0000 // where a Go program has nothing
	pages     = 64 << 20 / machine.PageSize
)

// loop adds to a word in memory, which register 4 points at, and goes on by what register 5 says.
var loop = []uint32{
	0xdc880000, // ld     $8, 0($4)
	0x0104402d, // daddu  $8, $8, $4
	0xfc880000, // sd     $8, 0($4)
	0x1480fffc, // bne    $4, $0, the first
	0x0085202d, // daddu  $4, $4, $5
}

// leap has the loop's stores of 2^20 steps lie all over the memory.
const leap = 320

func main() {
	plain := flag.Bool("plain", false, "make the same without Index.History")
	flag.Parse()
	if err := run(flag.Arg(0), *plain); err != nil {
		fmt.Fprintln(os.Stderr, "history:", err)
		os.Exit(1)
	}
}

// A figure is a line of the output.
type figure struct {
	Name    string      `json:"name"`
	Seconds float64     `json:"seconds"`
	Bytes   int64       `json:"bytes,omitempty"` // the most that the process had in memory
	Root    proof.Bytes `json:"root"`            // hash of all roots
}

func run(program string, plain bool) error {
	mixed, err := mixedGuest(program)
	if err != nil {
		return err
	}
	stores, err := loopGuest()
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, f := range []struct {
		name  string
		guest []byte
		flexemu.HistoryOptions
	}{
		{"2^20 roots, each step", mixed, flexemu.HistoryOptions{From: 1 << 27, Count: 1 << 20}},
		{"2^20 roots, each step, loop of stores", stores, flexemu.HistoryOptions{From: 3, Count: 1 << 20}},
		{"2^14 roots, 2^10 steps apart", mixed, flexemu.HistoryOptions{From: 1 << 27, Count: 1 << 14, Log2Stride: 10}},
		{"2^11 roots, 2^16 steps apart", mixed, flexemu.HistoryOptions{From: 1 << 27, Count: 1 << 11, Log2Stride: 16}},
		{"2^8 roots, 2^20 steps apart", mixed, flexemu.HistoryOptions{From: 1 << 27, Count: 1 << 8, Log2Stride: 20}},
	} {
		line, err := measure(f.guest, f.HistoryOptions, plain)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		line.Name = f.name
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// measure takes the time of a history, whose steps an index has made before.
func measure(guest []byte, o flexemu.HistoryOptions, plain bool) (f figure, err error) {
	ctx := context.Background()
	r, err := flexemu.Resume(bytes.NewReader(guest), flexemu.Options{})
	if err != nil {
		return f, err
	}
	x := flexemu.NewIndex(r, flexemu.IndexOptions{})
	if err := x.RunTo(ctx, o.From+o.Count<<o.Log2Stride); err != nil {
		return f, err
	}
	if end, ended := x.End(); ended {
		return f, fmt.Errorf("the guest ends at step %d", end)
	}
	resetPeak()
	began := time.Now()
	roots, err := history(x, o, plain)
	f.Seconds = time.Since(began).Seconds()
	f.Bytes = peak()
	all := make([]byte, 0, len(roots)*merkle.LeafSize)
	for i := range roots {
		all = append(all, roots[i][:]...)
	}
	hash := merkle.Keccak256(all)
	f.Root = hash[:]
	return f, err
}

// history makes a history, or does it the plain way.
func history(x *flexemu.Index, o flexemu.HistoryOptions, plain bool) ([]flexemu.Hash, error) {
	if !plain {
		return x.History(context.Background(), o)
	}
	r, err := x.At(context.Background(), o.From)
	if err != nil {
		return nil, err
	}
	var roots []flexemu.Hash
	for range o.Count {
		if err := r.RunTo(r.Step() + 1<<o.Log2Stride); err != nil {
			return nil, err
		}
		roots = append(roots, r.Root())
	}
	return roots, nil
}

// mixedGuest is a snapshot of a program's first state with more memory.
func mixedGuest(program string) ([]byte, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	r, err := flexemu.Load(text, flexemu.Options{Args: []string{"mixed"}})
	if err != nil {
		return nil, err
	}
	var saved bytes.Buffer
	if err := r.Save(&saved); err != nil {
		return nil, err
	}
	s, err := snapshot.Open(&saved)
	if err != nil {
		return nil, err
	}
	m, err := s.Machine(r.ISA().Thread)
	if err != nil {
		return nil, err
	}
	return save(m, r.ISA())
}

// loopGuest is a snapshot of a machine that is about to begin the loop.
func loopGuest() ([]byte, error) {
	isa, err := flexemu.FindISA("mips64")
	if err != nil {
		return nil, err
	}
	k, err := bare.New(isa)
	if err != nil {
		return nil, err
	}
	m := machine.New(isa.Thread)
	k.Start(m, codeStart, 0)
	for i, word := range loop {
		m.Mem.WriteSlow(codeStart+4*uint64(i), 4, true, uint64(word))
	}
	m.Set(ir.Cell(4), touched)
	m.Set(ir.Cell(5), leap)
	return save(m, isa)
}

// save gives a snapshot of a machine with 64 MiB more, whose words are 24 pseudo-random bits each.
func save(m *machine.Machine, isa *flexemu.ISA) ([]byte, error) {
	seed := uint64(1)
	var page [machine.PageSize]byte
	for n := range uint64(pages) {
		for at := 0; at < len(page); at += 8 {
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			binary.BigEndian.PutUint64(page[at:], seed>>40)
		}
		m.Mem.SetPage(touched/machine.PageSize+n, &page)
	}
	var out bytes.Buffer
	err := snapshot.Write(&out, m, isa.Name, flexemu.KernelBare)
	return out.Bytes(), err
}

// resetPeak makes peak forget what was before, where Linux lets it: proc_pid_clear_refs(5).
func resetPeak() {
	runtime.GC()
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// peak is the most memory that the process has had, in bytes; 0 if nobody tells.
func peak() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kib int64
	if _, after, ok := bytes.Cut(text, []byte("VmHWM:")); ok {
		fmt.Fscan(bytes.NewReader(after), &kib)
	}
	return kib << 10
}
