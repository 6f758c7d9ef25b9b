package cannon

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/proof"
)

// A Summary is what is known of a state of any version.
type Summary struct {
	Version  Version
	Witness  []byte // the encoded state, to which Hash commits
	Hash     merkle.Hash
	Step     uint64
	Exited   bool
	ExitCode uint8
	Pages    int // of 4 KiB
	Threads  int
}

// A layout is how an old version is stored. The witness is the memory root and what follows memory in the file, in the
// same order, with stacks replaced by their roots.
type layout struct {
	word     int  // bytes
	threads  int  // bytes of a thread; 0 if there is only one, whose registers are part of the state
	wakeup   bool // there is an address at which threads wake up
	exitCode int  // offset in the witness; behind it are the exited flag, 1 byte, and the step, 8
}

var layouts = map[Version]layout{
	0: {word: 4, exitCode: 88},
	1: {word: 4, threads: 166, wakeup: true, exitCode: 81},
	2: {word: 4, exitCode: 88},
	3: {word: 8, threads: 322, wakeup: true, exitCode: 97},
	4: {word: 8, threads: 318, wakeup: true, exitCode: 97},
	5: {word: 4, threads: 150, exitCode: 81},
	6: {word: 8, threads: 298, exitCode: 97},
}

// Summarize reads a state file of any version. A name that ends neither with .bin nor with .bin.gz is that of a JSON
// file of version 0.
func Summarize(name string) (*Summary, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var s *Summary
	if isBinary(name) {
		s, err = SummarizeBinary(f)
	} else {
		s, err = summarizeJSON(f)
	}
	if err != nil {
		return nil, fmt.Errorf("state file %s: %w", name, err)
	}
	return s, nil
}

// SummarizeBinary reads a decompressed state of any version.
func SummarizeBinary(r io.Reader) (*Summary, error) {
	var first [1]byte
	if _, err := io.ReadFull(r, first[:]); err != nil {
		return nil, fmt.Errorf("offset 0: the state version: %w", err)
	}
	v := Version(first[0])
	if l, old := layouts[v]; old {
		return l.read(v, &file{r: r, at: 1})
	}
	state, err := ReadState(io.MultiReader(bytes.NewReader(first[:]), r))
	if err != nil {
		return nil, err
	}
	m := state.Machine
	s := &Summary{Version: v, Pages: m.Mem.Pages(), Threads: m.Threads()}
	s.Witness, s.Hash = state.Witness()
	s.Exited, s.ExitCode = m.Exited()
	s.Step = machine.StateStep(s.Witness)
	return s, nil
}

func (l layout) read(v Version, f *file) (*Summary, error) {
	mem := machine.NewMemory()
	err := readPages(f, l.word, func(page uint64, data *[machine.PageSize]byte) { mem.SetPage(page, data) })
	if err != nil {
		return nil, err
	}
	root := memoryRoot(mem, l.word)
	s := &Summary{Version: v, Pages: mem.Pages(), Threads: 1}
	scalars := 32 + 6*l.word + 1 + 1 + 8 + 32*4 // key; offset, pc, next pc, lo, hi, heap; exit code, exited; step; registers
	if l.threads > 0 {
		scalars = 32 + 4*l.word + 1 + 1 + 1 + 8 + 8 + 1 // key; offset, heap, ll address, owner; ll status; exit; exited; steps; direction
		if l.wakeup {
			scalars += l.word
		}
	}
	s.Witness = append(root[:], f.bytes(uint64(scalars), "the pre-image key and the scalars")...)
	if l.threads > 0 {
		next := f.bytes(uint64(l.word), "the id of the next thread")
		s.Threads = 0
		for _, side := range []string{"left", "right"} {
			stack := machine.EmptyStack
			for _, t := range readThreads(f, l.word, l.threads, side) {
				hash := merkle.Keccak256(t)
				stack = merkle.Pair(&stack, &hash)
				s.Threads++
			}
			s.Witness = append(s.Witness, stack[:]...)
		}
		s.Witness = append(s.Witness, next...)
	}
	f.bytes(f.number(4, "the length of the hint"), "the hint")
	if f.err != nil {
		return nil, f.err
	}
	return s, s.finish(l)
}

// finish takes step and exit from the witness, and hashes it.
func (s *Summary) finish(l layout) error {
	end := s.Witness[l.exitCode:]
	if end[1] > 1 {
		return fmt.Errorf("the exited flag is %d, not 0 or 1", end[1])
	}
	s.ExitCode, s.Exited, s.Step = end[0], end[1] == 1, binary.BigEndian.Uint64(end[2:])
	s.Hash = merkle.Keccak256(s.Witness)
	s.Hash[0] = machine.StatusUnfinished
	if s.Exited {
		s.Hash[0] = min(s.ExitCode, machine.StatusPanic)
	}
	return nil
}

// memoryRoot is the root over the addresses of words of that size.
func memoryRoot(mem *machine.Memory, word int) merkle.Hash {
	if word == 8 {
		return mem.Root()
	}
	// The lowest 4 GiB are the neighbour of the second lowest, 27 levels above the leaves.
	p := mem.Proof(1 << 32)
	return p.Siblings[32-5]
}

// jsonState is a state of version 0 as JSON.
type jsonState struct {
	Memory []struct {
		Index uint32 `json:"index"`
		Data  []byte `json:"data"` // zlib
	} `json:"memory"`
	PreimageKey    proof.Bytes `json:"preimageKey"`
	PreimageOffset uint32      `json:"preimageOffset"`
	PC             uint32      `json:"pc"`
	NextPC         uint32      `json:"nextPC"`
	LO             uint32      `json:"lo"`
	HI             uint32      `json:"hi"`
	Heap           uint32      `json:"heap"`
	ExitCode       uint8       `json:"exit"`
	Exited         bool        `json:"exited"`
	Step           uint64      `json:"step"`
	Registers      [32]uint32  `json:"registers"`
}

func summarizeJSON(r io.Reader) (*Summary, error) {
	var j jsonState
	if err := json.NewDecoder(r).Decode(&j); err != nil {
		return nil, fmt.Errorf("JSON of state version 0: %w", err)
	}
	if len(j.PreimageKey) != 32 {
		return nil, fmt.Errorf("JSON of state version 0: preimageKey has %d bytes, not 32", len(j.PreimageKey))
	}
	mem := machine.NewMemory()
	for n, p := range j.Memory {
		var data [machine.PageSize]byte
		z, err := zlib.NewReader(bytes.NewReader(p.Data))
		if err == nil {
			_, err = io.ReadFull(z, data[:])
		}
		if err != nil {
			return nil, fmt.Errorf("JSON of state version 0: memory[%d]: %w", n, err)
		}
		if p.Index > 1<<20-1 {
			return nil, fmt.Errorf("JSON of state version 0: memory[%d]: page %#x lies beyond the end of the addresses", n, p.Index)
		}
		mem.SetPage(uint64(p.Index), &data)
	}
	root := memoryRoot(mem, 4)
	w := append(root[:], j.PreimageKey...)
	for _, v := range []uint32{j.PreimageOffset, j.PC, j.NextPC, j.LO, j.HI, j.Heap} {
		w = binary.BigEndian.AppendUint32(w, v)
	}
	exited := byte(0)
	if j.Exited {
		exited = 1
	}
	w = binary.BigEndian.AppendUint64(append(w, j.ExitCode, exited), j.Step)
	for _, v := range j.Registers {
		w = binary.BigEndian.AppendUint32(w, v)
	}
	s := &Summary{Witness: w, Pages: mem.Pages(), Threads: 1}
	return s, s.finish(layouts[0])
}
