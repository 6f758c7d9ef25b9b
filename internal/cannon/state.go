package cannon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/isa/mips"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
)

// A State is a machine with the version under which Cannon stores it.
//
// Its file is a concatenation, numbers being big-endian: the version, 1 byte; the number of pages, 8, and each page as
// its number (address / 4096), 8, and its 4,096 bytes; the pre-image key, 32; all scalars of the witness from the
// pre-image offset to the direction of traversal, 84, and the next thread's id, 8; the left and the right stack, each as
// the number of its threads, 8, and the threads, 298 bytes each, the bottom first; the unfinished hint, with its length
// in 4 bytes. What follows is ignored. The file is compressed if its name ends with .gz.
type State struct {
	Version Version
	Machine *machine.Machine
}

// Parts of an encoded state (machine.Machine.Encode) that stand in the file, too.
const (
	rootEnd     = 32  // behind the memory root
	stacksBegin = 116 // of the roots of the stacks
	stacksEnd   = 180
)

// ReadState reads a state of a version that runs. Memory is needed as far as the file has contents, whatever numbers
// it has. Errors name the offset in the decompressed file.
func ReadState(r io.Reader) (*State, error) {
	f := &file{r: r}
	v := Version(f.number(1, "the state version"))
	switch {
	case f.err != nil:
		return nil, f.err
	case !v.Known():
		return nil, fmt.Errorf("offset 0: the state version is %d; versions 0 to %d exist", uint8(v), len(names)-1)
	}
	if err := v.mustRun(); err != nil {
		return nil, err
	}
	m := machine.New(mips.Cannon().Thread)
	if err := readPages(f, 8, func(page uint64, data *[machine.PageSize]byte) { m.Mem.SetPage(page, data) }); err != nil {
		return nil, err
	}
	var state [machine.StateSize]byte
	f.fill(state[rootEnd:stacksBegin], "the pre-image key and the scalars")
	f.fill(state[stacksEnd:], "the id of the next thread")
	if f.err != nil {
		return nil, f.err
	}
	if err := m.SetScalars(state[:]); err != nil {
		return nil, f.wrap(err)
	}
	var stacks [2][][]byte
	for side, name := range []string{"left", "right"} {
		stacks[side] = readThreads(f, 8, m.ThreadSize(), name)
	}
	m.Hint = f.bytes(f.number(4, "the length of the hint"), "the hint")
	if f.err != nil {
		return nil, f.err
	}
	if err := m.SetStacks(stacks); err != nil {
		return nil, f.wrap(err)
	}
	return &State{v, m}, nil
}

// pageEnd is the number of pages in 2^64 bytes.
const pageEnd = 1 << 52

// readPages reads memory, whose numbers have the given length in bytes.
func readPages(f *file, word int, set func(page uint64, data *[machine.PageSize]byte)) error {
	count := f.number(word, "the number of pages")
	var data [machine.PageSize]byte
	for n := uint64(0); n < count && f.err == nil; n++ {
		page := f.number(word, "the number of a page")
		f.fill(data[:], "page %#x, the %d. of %d", page, n+1, count)
		switch {
		case f.err != nil:
		case page >= pageEnd:
			f.err = f.wrap(fmt.Errorf("page %#x lies beyond the end of the addresses", page))
		default:
			set(page, &data)
		}
	}
	return f.err
}

// readThreads reads the threads of a stack. Any exited flag but 0 means that a thread has exited.
func readThreads(f *file, word, size int, side string) (threads [][]byte) {
	count := f.number(word, "the number of threads of the "+side+" stack")
	for n := uint64(0); n < count && f.err == nil; n++ {
		t := make([]byte, size)
		f.fill(t, "thread %d of %d of the %s stack", n+1, count, side)
		if exited := &t[word+1]; *exited > 1 {
			*exited = 1
		}
		threads = append(threads, t)
	}
	return threads
}

// Witness encodes the state and gives its hash.
func (s *State) Witness() (witness []byte, hash merkle.Hash) { return s.Machine.Commitment() }

// file is a state file that is being read. After an error all that is read is zero.
type file struct {
	r    io.Reader
	at   int64
	err  error
	room [8]byte
}

func (f *file) fill(p []byte, format string, args ...any) {
	if f.err != nil {
		return
	}
	n, err := io.ReadFull(f.r, p)
	f.at += int64(n)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.err = fmt.Errorf("offset %d: the file ends in %s", f.at, fmt.Sprintf(format, args...))
	case err != nil:
		f.err = fmt.Errorf("offset %d: reading %s: %w", f.at, fmt.Sprintf(format, args...), err)
	}
}

// number reads an unsigned number of 1 to 8 bytes.
func (f *file) number(size int, what string) uint64 {
	p := f.room[8-size:]
	clear(f.room[:])
	f.fill(p, "%s", what)
	if f.err != nil {
		return 0
	}
	return binary.BigEndian.Uint64(f.room[:])
}

// bytes reads n bytes, asking for memory as they come.
func (f *file) bytes(n uint64, what string) []byte {
	const piece = 1 << 16
	var p []byte
	for uint64(len(p)) < n && f.err == nil {
		k := min(n-uint64(len(p)), piece)
		p = append(p, make([]byte, k)...)
		f.fill(p[uint64(len(p))-k:], "%s", what)
	}
	return p
}

func (f *file) wrap(err error) error { return fmt.Errorf("offset %d: %w", f.at, err) }
