// Package snapshot saves a whole machine to a file and makes a machine of such a file. It is apart from package
// machine so that programs which need no files, such as the step program, are built without a compressor.
//
// A file has three parts; numbers are big-endian.
//
// The header: the 8 bytes of Magic; format version, 2 bytes; the names of the instruction set and of the kernel,
// each with its length in 1 byte; the encoded state (machine.StateSize bytes), which holds all scalars and the
// roots of the rest; checksum, 4 bytes.
//
// The body, cut into blocks (see blockWriter), each compressed with zstd. Without compression it is: the left and
// the right stack, each as the number of its threads, 8 bytes, and the encoded threads, the bottom first, the
// running thread being the last of the active stack; the unfinished hint, with its length in 8 bytes; the number of
// allocated pages, 8 bytes, and each page as its number (address / 4096), 8 bytes, and its 4,096 bytes, in
// ascending order. All-zero pages that are allocated are there too. So machines that are equal give equal
// bodies, however they came to be.
//
// The end: a block of length 0. No byte follows.
//
// Checksums are CRC-32C. Each covers all bytes of the file before it, apart from the other checksums. Who reads the
// body also compares the state with the header's, so what was read has the root that the header names.
package snapshot

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
)

// Magic is how every snapshot begins.
const Magic = "flexSNAP"

// Version is the version of the format that is written, and the only one that is read.
const Version = 1

// maxName is the length in bytes of the longest name of an instruction set or kernel.
const maxName = 255

// Write saves m. isa and kernel are the names of its instruction set and kernel. Memory is not copied: blocks go
// out as they are made. The machine must be at the end of a step and must not be used meanwhile.
func Write(w io.Writer, m *machine.Machine, isa, kernel string) error {
	stacks, err := m.Stacks()
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if len(isa) > maxName || len(kernel) > maxName {
		return fmt.Errorf("write snapshot: a name has more than %d bytes", maxName)
	}
	header := append([]byte(Magic), 0, Version)
	header = append(append(header, byte(len(isa))), isa...)
	header = append(append(header, byte(len(kernel))), kernel...)
	header = append(header, m.Encode()...)
	sum := checksum(0, header)
	if _, err := w.Write(binary.BigEndian.AppendUint32(header, sum)); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	b, err := newBlockWriter(w, sum)
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := writeBody(b, m, stacks); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

func writeBody(b *blockWriter, m *machine.Machine, stacks [2][][]byte) error {
	for _, threads := range stacks {
		if err := b.number(uint64(len(threads))); err != nil {
			return err
		}
		for _, t := range threads {
			if err := b.write(t); err != nil {
				return err
			}
		}
	}
	if err := b.number(uint64(len(m.Hint))); err != nil {
		return err
	}
	if err := b.write(m.Hint); err != nil {
		return err
	}
	if err := b.number(uint64(m.Mem.Pages())); err != nil {
		return err
	}
	err := m.Mem.EachPage(func(page uint64, data *[machine.PageSize]byte) error {
		if err := b.number(page); err != nil {
			return err
		}
		return b.write(data[:])
	})
	if err != nil {
		return err
	}
	return b.close()
}

// A Snapshot is a file that is being read, of which the header is known.
type Snapshot struct {
	ISA, Kernel string
	// State is the encoded state, as the header has it. Machine finds out whether the body fits.
	State [machine.StateSize]byte

	body *blockReader
	read bool
}

// Root is the state's root.
func (s *Snapshot) Root() merkle.Hash { return machine.StateHash(s.State[:]) }

// Step is the state's step counter.
func (s *Snapshot) Step() uint64 { return machine.StateStep(s.State[:]) }

// Exited tells whether the machine has halted, and with which exit code.
func (s *Snapshot) Exited() (bool, uint8) { return machine.StateExited(s.State[:]) }

// Open reads the header of a snapshot. r need not be buffered. Errors name the offset in the file.
func Open(r io.Reader) (*Snapshot, error) {
	f := newFile(r)
	magic, err := f.take(len(Magic), "the 8 bytes that a snapshot begins with")
	if err != nil {
		return nil, err
	}
	if string(magic) != Magic {
		return nil, f.errorAt(0, "this is not a snapshot: it begins with %q, not with %q", magic, Magic)
	}
	version, err := f.take(2, "the format version")
	if err != nil {
		return nil, err
	}
	if v := binary.BigEndian.Uint16(version); v != Version {
		return nil, f.errorAt(int64(len(Magic)), "the format version is %d; this program reads version %d", v, Version)
	}
	s := new(Snapshot)
	for _, name := range []struct {
		to   *string
		what string
	}{{&s.ISA, "instruction set"}, {&s.Kernel, "kernel"}} {
		length, err := f.take(1, "the length of the name of the "+name.what)
		if err != nil {
			return nil, err
		}
		text, err := f.take(int(length[0]), "the name of the "+name.what)
		if err != nil {
			return nil, err
		}
		*name.to = string(text)
	}
	state, err := f.take(machine.StateSize, "the state")
	if err != nil {
		return nil, err
	}
	copy(s.State[:], state)
	if err := f.check("the header"); err != nil {
		return nil, err
	}
	s.body, err = newBlockReader(f)
	return s, err
}

// Machine reads the body, up to the end of the file, and gives the machine. layout is that of the threads of the
// snapshot's instruction set. It can be called once. Errors name the offset in the file. Memory is needed
// as far as the file has contents, whatever counts and lengths it claims.
func (s *Snapshot) Machine(layout []ir.Cell) (*machine.Machine, error) {
	if s.read {
		panic("snapshot: the body can be read only once")
	}
	s.read = true
	m := machine.New(layout)
	b := s.body
	if err := m.SetScalars(s.State[:]); err != nil {
		return nil, b.wrap(err)
	}
	if err := readThreads(b, m); err != nil {
		return nil, err
	}
	length, err := b.number("the length of the hint")
	if err != nil {
		return nil, err
	}
	if m.Hint, err = b.bytes(length, "the hint"); err != nil {
		return nil, err
	}
	if err := readPages(b, m.Mem); err != nil {
		return nil, err
	}
	if err := b.close(); err != nil {
		return nil, err
	}
	if state := [machine.StateSize]byte(m.Encode()); state != s.State {
		return nil, b.errorf("the state that was read has the root %#x; the header has %#x (state %x instead of %x)",
			machine.StateHash(state[:]), s.Root(), state, s.State)
	}
	return m, nil
}

func readThreads(b *blockReader, m *machine.Machine) error {
	var stacks [2][][]byte
	for i, side := range []string{"left", "right"} {
		count, err := b.number("the number of threads of the " + side + " stack")
		if err != nil {
			return err
		}
		for k := range count {
			t := make([]byte, m.ThreadSize())
			if err := b.fill(t, "thread %d of %d of the %s stack", k, count, side); err != nil {
				return err
			}
			stacks[i] = append(stacks[i], t)
		}
	}
	if err := m.SetStacks(stacks); err != nil {
		return b.wrap(err)
	}
	return nil
}

// pageEnd is the number of pages in 2^64 bytes.
const pageEnd = 1 << 52

func readPages(b *blockReader, mem *machine.Memory) error {
	count, err := b.number("the number of pages")
	if err != nil {
		return err
	}
	var data [machine.PageSize]byte
	for k, next := uint64(0), uint64(0); k < count; k++ {
		page, err := b.number("the number of a page")
		if err != nil {
			return err
		}
		if page < next || page >= pageEnd {
			return b.errorf("page %d of %d has the number %#x; expected %#x to %#x", k, count, page, next, uint64(pageEnd-1))
		}
		next = page + 1
		if err := b.fill(data[:], "page %#x, %d of %d", page, k, count); err != nil {
			return err
		}
		mem.SetPage(page, &data)
	}
	return nil
}
