package cannon

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/isa/mips"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/loader"
	"github.com/flexemu/flexemu/internal/machine"
)

// LoadOptions are the flags of load-elf.
type LoadOptions struct {
	Type string // name of the state version
	Path string // of the executable
	Out  string // where the state goes; nowhere if empty
	Meta string // where the symbols go: a file, - for stdout, or nowhere if empty
}

// LoadELF makes the state of an executable with which Cannon begins. The symbols are written before it.
func LoadELF(ctx context.Context, o LoadOptions, stdout io.Writer) error {
	v, err := ParseVersion(o.Type)
	if err != nil {
		return err
	}
	if err := v.mustRun(); err != nil {
		return err
	}
	f, err := elf.Open(o.Path)
	if err != nil {
		return fmt.Errorf("executable %s: %w", o.Path, err)
	}
	defer f.Close()
	s, err := load(f, v)
	if err != nil {
		return fmt.Errorf("executable %s: %w", o.Path, err)
	}
	meta, err := metadataOf(f)
	if err != nil {
		return fmt.Errorf("executable %s: symbols: %w", o.Path, err)
	}
	if o.Out != "" && !isBinary(o.Out) {
		return fmt.Errorf("--out %s: a state file ends with .bin or .bin.gz", o.Out)
	}
	if err := writeJSON(o.Meta, stdout, meta); err != nil {
		return fmt.Errorf("write symbols: %w", err)
	}
	if o.Out == "" {
		return nil
	}
	if err := new(writer).write(ctx, o.Out, *s); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

const (
	ptABIFlags = 0x7000_0003 // PT_MIPS_ABIFLAGS
	// addressEnd is that of what an executable may occupy.
	addressEnd = 1 << 48
	// maxMemory bounds what all headers together may take, in bytes. Cannon has no bound but the host's memory.
	maxMemory = 4 << 30
)

// load puts all program headers into memory, as Cannon does: in the order of the file, those of every type, and of no
// use which of them are executable.
func load(f *elf.File, v Version) (*State, error) {
	if f.Machine != elf.EM_MIPS || f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2MSB {
		return nil, fmt.Errorf("it is for %v, %v, %v; Cannon runs 64-bit big-endian MIPS", f.Machine, f.Class, f.Data)
	}
	i := mips.Cannon()
	k, err := bare.New(i)
	if err != nil {
		return nil, err
	}
	m := machine.New(i.Thread)
	total := uint64(0)
	for n, p := range f.Progs {
		if p.Type == ptABIFlags {
			continue
		}
		if err := loadSegment(m.Mem, p, k.Layout.HeapStart, &total); err != nil {
			return nil, fmt.Errorf("program header %d: %w", n, err)
		}
	}
	sp, err := loader.CannonStack(i.Name, m.Mem, loader.Layout{HeapStart: k.Layout.HeapStart, StackTop: k.Layout.StackTop})
	if err != nil {
		return nil, err
	}
	k.Start(m, f.Entry, sp)
	return &State{v, m}, nil
}

func loadSegment(mem *machine.Memory, p *elf.Prog, heap uint64, total *uint64) error {
	switch {
	case p.Filesz > p.Memsz || p.Filesz < p.Memsz && p.Type != elf.PT_LOAD:
		return fmt.Errorf("it has %d bytes in the file and %d in memory, type %v", p.Filesz, p.Memsz, p.Type)
	case p.Memsz == 0:
		return nil
	}
	last := p.Vaddr + p.Memsz - 1
	switch {
	case last >= addressEnd || last < p.Vaddr:
		return fmt.Errorf("it lies at %#x to %#x, outside of the addresses", p.Vaddr, last)
	case last >= heap:
		return fmt.Errorf("it lies at %#x to %#x, where the heap is", p.Vaddr, last)
	case p.Memsz > maxMemory-*total:
		return fmt.Errorf("with its %d bytes the executable takes more than %d", p.Memsz, uint64(maxMemory))
	}
	*total += p.Memsz
	file := io.NewSectionReader(p, 0, int64(p.Filesz))
	page := make([]byte, machine.PageSize)
	for done := uint64(0); done < p.Memsz; {
		n := min(machine.PageSize-(p.Vaddr+done)%machine.PageSize, p.Memsz-done)
		clear(page)
		if inFile := min(n, p.Filesz-min(p.Filesz, done)); inFile > 0 {
			if _, err := io.ReadFull(file, page[:inFile]); err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return fmt.Errorf("read its bytes: %w", err)
			}
		}
		mem.Write(p.Vaddr+done, page[:n])
		done += n
	}
	return nil
}
