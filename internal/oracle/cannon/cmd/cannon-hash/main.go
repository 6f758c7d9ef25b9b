// Command cannon-hash measures roots, witnesses and snapshots of one state of Cannon, and writes a JSON line for each
// figure. flexEmu's internal/bench/hash does the same: state, order and names are the same in both, and roots are
// compared there. That command's documentation says what the state is.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ethereum-optimism/optimism/cannon/mipsevm/arch"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/memory"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/multithreaded"
	"github.com/ethereum-optimism/optimism/cannon/mipsevm/versions"
	"github.com/ethereum-optimism/optimism/op-service/ioutil"
	"github.com/ethereum-optimism/optimism/op-service/serialize"
	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
)

const (
	codeStart = 0x10000
	heapStart = arch.ProgramHeapStart
	pages     = 256 << 20 / memory.PageSize
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
	compress := flag.Bool("compress", false, "measure compressed snapshots too, which takes half a minute")
	flag.Parse()
	if err := newSubject().run(*compress); err != nil {
		fmt.Fprintln(os.Stderr, "cannon-hash:", err)
		os.Exit(1)
	}
}

// A figure is a line of the output.
type figure struct {
	Name    string      `json:"name"`
	Seconds float64     `json:"seconds"`
	Bytes   int64       `json:"bytes,omitempty"` // of a file
	Root    common.Hash `json:"root"`            // of the state afterwards
}

// A subject is the state that is measured.
type subject struct {
	*multithreaded.State
	vm   *cannon.VM
	next uint64 // the page that is written next
	out  *json.Encoder
}

func (s *subject) run(compress bool) error {
	root := func() { s.vm.Root() }
	return errors.Join(
		s.figure("first root", 1, nil, root),
		s.figure("root after 1 word, page used before", words, func() { s.word(0) }, root),
		s.figure("root after 1 word, other page", words, func() { s.word(s.advance(1)) }, root),
		s.figure("root after 1 page", words, func() { s.fill(s.advance(1), 1) }, root),
		s.figure("root after 1,000 pages", groups, func() { s.fill(s.advance(1000), 1000) }, root),
		s.witnesses(),
		s.distantWitnesses(),
		s.snapshots(".bin", ", not compressed"),
		s.compressed(compress),
		s.figure("root after 100,000 pages", 1, func() { s.fill(0, 100_000) }, root),
	)
}

func newSubject() *subject {
	state := multithreaded.CreateInitialState(codeStart, arch.HeapStart)
	state.Memory = memory.NewMemoryWithLargeRegions()
	var code []byte
	for _, word := range program {
		code = binary.BigEndian.AppendUint32(code, word)
	}
	must(state.Memory.SetMemoryRange(codeStart, bytes.NewReader(code)))
	s := &subject{State: state, out: json.NewEncoder(os.Stdout)}
	s.fill(0, pages)
	s.vm = cannon.New(state, cannon.Folder(""), io.Discard, io.Discard)
	return s
}

// must is for what fails only if this program is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// fill writes count pages from the one with number first on.
func (s *subject) fill(first, count uint64) {
	seed := first + s.Step + s.next + 1
	for n := first; n < first+count; n++ {
		for at := uint64(0); at < memory.PageSize; at += 8 {
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			s.Memory.SetWord(heapStart+n*memory.PageSize+at, seed>>40)
		}
	}
}

// advance gives the number of a page with count pages after it that were not written lately.
func (s *subject) advance(count uint64) uint64 {
	s.next = (s.next + 7919) % (pages - count)
	return s.next
}

// word adds to a word of a page.
func (s *subject) word(page uint64) {
	addr := heapStart + page*memory.PageSize + 256
	s.Memory.SetWord(addr, s.Memory.GetWord(addr)+1)
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
	f.Root = s.vm.Root()
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
	far, err := s.prove(memory.PageSize + 8)
	return errors.Join(err, s.print(figure{Name: "witness of a store, other page", Seconds: median(stores(far))}))
}

// prove goes several times through the program, whose stores are stride bytes apart, and gives the time of each step.
func (s *subject) prove(stride uint64) ([]float64, error) {
	registers := s.GetRegistersRef()
	registers[4], registers[5] = heapStart, stride
	var taken []float64
	for range loops * len(program) {
		began := time.Now()
		if _, err := s.vm.Prove(); err != nil {
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

// compressed measures snapshots as Cannon's users keep them: files whose names end in .gz.
func (s *subject) compressed(wanted bool) error {
	if !wanted {
		return nil
	}
	return s.snapshots(".bin.gz", "")
}

// snapshots writes the state to a file and reads it back, with the root.
func (s *subject) snapshots(ending, name string) (err error) {
	folder, err := os.MkdirTemp("", "cannon-hash-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file := filepath.Join(folder, "state"+ending)
	version, err := versions.NewFromState(versions.VersionMultiThreaded64_v5, s.State)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := serialize.WriteSerializedBinary(version, ioutil.ToAtomicFile(file, 0o644)); err != nil {
		return err
	}
	wrote := figure{Name: "write a snapshot" + name, Seconds: time.Since(began).Seconds()}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	wrote.Bytes = info.Size()
	began = time.Now()
	restored, err := versions.LoadStateFromFileWithLargeICache(file)
	if err != nil {
		return err
	}
	_, root := restored.EncodeWitness()
	read := figure{Name: "read a snapshot" + name, Seconds: time.Since(began).Seconds()}
	if root != s.vm.Root() {
		return fmt.Errorf("the snapshot has the root %v, the state %v", root, s.vm.Root())
	}
	return errors.Join(s.print(wrote), s.print(read))
}
