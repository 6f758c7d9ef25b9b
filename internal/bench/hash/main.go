// Command hash measures roots, witnesses and snapshots of one mips64 state, and writes a JSON line for each figure.
// internal/oracle/cannon/cmd/cannon-hash does the same with Optimism's Cannon: state, order and names are the same in
// both, and internal/bench compares the roots. Nothing else is measured in a process, so that garbage of one
// measurement is not left to another state.
//
// The state: 256 MiB of memory from heapStart on, whose words are 24 pseudo-random bits each, as small numbers and
// lengths of addresses have in a heap; one page with the program, a loop that stores; the first scalars of a machine.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/machine/snapshot"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/proof"
)

// Where things are: as in a Go program.
const (
	codeStart = 0x10000
	heapStart = 0xc0_0000_0000
	pages     = 256 << 20 / machine.PageSize
)

// program adds to a word in memory, which register 4 points at, and goes on by what register 5 says.
var program = []uint32{
	0xdc880000, // ld     $8, 0($4)
	0x0104402d, // daddu  $8, $8, $4
	0xfc880000, // sd     $8, 0($4)
	0x1480fffc, // bne    $4, $0, the first
	0x0085202d, // daddu  $4, $4, $5
}

// store is the place of the store in the program.
const store = 2

// How often a figure is taken; its line has the median.
const (
	words  = 200 // writes of one word, of one page
	groups = 10  // writes of a thousand pages
	loops  = 100 // rounds of the program, every step of which is proven
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hash:", err)
		os.Exit(1)
	}
}

// A figure is a line of the output.
type figure struct {
	Name    string      `json:"name"`
	Seconds float64     `json:"seconds"`
	Bytes   int64       `json:"bytes,omitempty"` // of a file
	Root    proof.Bytes `json:"root"`            // of the state afterwards
}

// A subject is the state that is measured.
type subject struct {
	kernel *bare.Kernel
	system *bare.System
	*machine.Machine
	next uint64 // the page that is written next
	out  *json.Encoder
}

func run() error {
	s, err := newSubject()
	if err != nil {
		return err
	}
	s.out = json.NewEncoder(os.Stdout)
	root := func() { s.Root() }
	steps := []error{
		s.figure("first root", 1, nil, root),
		s.figure("root after 1 word, page used before", words, func() { s.word(0) }, root),
		s.figure("root after 1 word, other page", words, func() { s.word(s.advance(1)) }, root),
		s.figure("root after 1 page", words, func() { s.fill(s.advance(1), 1) }, root),
		s.figure("root after 1,000 pages", groups, func() { s.fill(s.advance(1000), 1000) }, root),
		s.witnesses(),
		s.distantWitnesses(),
		s.snapshots(),
		// More than there were: the last ones are new.
		s.figure("root after 100,000 pages", 1, func() { s.fill(0, 100_000) }, root),
	}
	return errors.Join(steps...)
}

func newSubject() (*subject, error) {
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
	for i, word := range program {
		m.Mem.WriteSlow(codeStart+4*uint64(i), 4, true, uint64(word))
	}
	e, err := interp.New(isa, m)
	if err != nil {
		return nil, err
	}
	system, err := k.NewSystem(m, e, nil)
	if err != nil {
		return nil, err
	}
	s := &subject{kernel: k, system: system, Machine: m}
	s.fill(0, pages)
	return s, nil
}

// fill writes count pages from the one with number first on.
func (s *subject) fill(first, count uint64) {
	seed := first + s.Get(ir.Step) + s.next + 1
	var page [machine.PageSize]byte
	for n := first; n < first+count; n++ {
		for at := 0; at < len(page); at += 8 {
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			binary.BigEndian.PutUint64(page[at:], seed>>40)
		}
		s.Mem.Write(heapStart+n*machine.PageSize, page[:])
	}
}

// advance gives the number of a page with count pages after it that were not written lately.
func (s *subject) advance(count uint64) uint64 {
	// 7,919 is a prime number: 256 MiB are gone through before a page comes again.
	s.next = (s.next + 7919) % (pages - count)
	return s.next
}

// word adds to a word of a page.
func (s *subject) word(page uint64) {
	addr := heapStart + page*machine.PageSize + 256
	s.Mem.WriteSlow(addr, 8, true, s.Mem.ReadSlow(addr, 8, true)+1)
}

// figure takes the time of what several times, each time after before.
func (s *subject) figure(name string, times int, before, what func()) error {
	taken := make([]float64, times)
	for i := range taken {
		if before != nil {
			before()
		}
		began := time.Now()
		what()
		taken[i] = time.Since(began).Seconds()
	}
	return s.print(figure{Name: name, Seconds: median(taken)})
}

func (s *subject) print(f figure) error {
	root := s.Root()
	f.Root = root[:]
	return s.out.Encode(f)
}

// median sorts the values.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// witnesses proves consecutive steps, each with the root after it.
func (s *subject) witnesses() error {
	near, err := s.prove(8)
	if err != nil {
		return err
	}
	sum := 0.0
	for _, t := range near {
		sum += t
	}
	return errors.Join(
		s.print(figure{Name: "witness, median of the steps", Seconds: median(slices.Clone(near))}),
		s.print(figure{Name: "witness, mean of the steps", Seconds: sum / float64(len(near))}),
		s.print(figure{Name: "witness of a store", Seconds: median(stores(near))}),
	)
}

// distantWitnesses proves steps of which each store goes to another page.
func (s *subject) distantWitnesses() error {
	far, err := s.prove(machine.PageSize + 8)
	return errors.Join(err, s.print(figure{Name: "witness of a store, other page", Seconds: median(stores(far))}))
}

// prove goes several times through the program, whose stores are stride bytes apart, and gives the time of each step.
func (s *subject) prove(stride uint64) ([]float64, error) {
	s.Set(4, heapStart)
	s.Set(5, stride)
	var taken []float64
	for range loops * len(program) {
		began := time.Now()
		if _, err := proof.Record(s.kernel, s.system); err != nil {
			return nil, err
		}
		taken = append(taken, time.Since(began).Seconds())
	}
	return taken, nil
}

// stores picks the times of the program's store.
func stores(taken []float64) (picked []float64) {
	for i := store; i < len(taken); i += len(program) {
		picked = append(picked, taken[i])
	}
	return picked
}

// snapshots writes the state to a file and reads it back, which computes its root and compares it.
func (s *subject) snapshots() (err error) {
	folder, err := os.MkdirTemp("", "flexemu-hash-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file := filepath.Join(folder, "state.snap")
	began := time.Now()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	err = snapshot.Write(f, s.Machine, s.kernel.ISA.Name, flexemu.KernelBare)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	wrote := figure{Name: "write a snapshot", Seconds: time.Since(began).Seconds()}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	wrote.Bytes = info.Size()
	began = time.Now()
	restored, err := s.restore(file)
	if err != nil {
		return err
	}
	read := figure{Name: "read a snapshot", Seconds: time.Since(began).Seconds()}
	if restored != s.Root() {
		return fmt.Errorf("the snapshot has the root %x, the state %x", restored, s.Root())
	}
	return errors.Join(s.print(wrote), s.print(read))
}

func (s *subject) restore(file string) (root merkle.Hash, err error) {
	f, err := os.Open(file)
	if err != nil {
		return root, err
	}
	defer f.Close()
	opened, err := snapshot.Open(io.Reader(f))
	if err != nil {
		return root, err
	}
	m, err := opened.Machine(s.kernel.ISA.Thread)
	if err != nil {
		return root, err
	}
	return m.Root(), nil
}
