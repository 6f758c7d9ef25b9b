package loader

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrDynamic is wrapped by errors about executables that need a dynamic linker or relocation.
var ErrDynamic = errors.New("not a static executable at fixed addresses")

// ErrHardFloat is wrapped by errors about executables that use float instructions where there are none.
var ErrHardFloat = errors.New("a hard-float executable, and this kernel has no floats")

// maxMemory is the most that all segments together may take, in bytes: far more than any program has, and little enough
// that a damaged header cannot exhaust the host.
const maxMemory = 4 << 30

// addressBits64 is the width of an address in which the segments of a 64-bit executable must lie: Cannon's limit.
const addressBits64 = 48

// Memory is what a program is loaded into. A page exists once a byte of it was written, also when that byte is zero.
type Memory interface {
	// Write copies data, of any length, to addr and the addresses after it. It must not keep data.
	Write(addr uint64, data []byte)
}

// Layout is the kernel's memory map, as far as the loader needs it.
type Layout struct {
	// HeapStart is the first address above all segments; 0: no limit but the ISA's.
	HeapStart uint64
	// StackTop is where the first stack begins, at a page boundary; see Stack.
	StackTop uint64
}

// Options say which executables Parse accepts.
type Options struct {
	Layout Layout
	// AllowHardFloat accepts executables that use float instructions.
	AllowHardFloat bool
	// LoadOnly ignores all headers but PT_LOAD on mips64 too, as Linux does. Without it mips64 follows Cannon: see
	// Parse.
	LoadOnly bool
}

// Program is an executable that passed all checks. It refers to the bytes that it was parsed from.
type Program struct {
	ISA      string
	Entry    uint64
	Flags    uint32 // e_flags
	Segments []Segment
}

// Segment is a part of the guest's memory: Data, then zeros up to MemSize bytes.
type Segment struct {
	Type    uint32 // p_type
	Flags   uint32 // p_flags: 1 execute, 2 write, 4 read
	Addr    uint64
	MemSize uint64 // at least len(Data), not 0
	Data    []byte
}

// end is the first address after the segment.
func (s Segment) end() uint64 { return s.Addr + s.MemSize }

// Parse reads an executable. Its segments are the PT_LOAD headers in the order of the file, without the empty ones. On
// mips64 they are the headers of every type but PT_MIPS_ABIFLAGS, which must then have equal sizes in file and memory:
// what Cannon does. It makes no difference for a header that repeats a part of a PT_LOAD, which most do.
//
// An error wraps ErrNotExecutable, ErrDynamic or ErrHardFloat, or is about a damaged or too large file.
func Parse(b []byte, o Options) (*Program, error) {
	h, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	table, err := h.programHeaders()
	if err != nil {
		return nil, err
	}
	if err := h.checkStatic(table); err != nil {
		return nil, err
	}
	p := &Program{ISA: h.isa.name, Entry: h.entry, Flags: h.flags}
	everyType := h.isa.name == "mips64" && !o.LoadOnly
	var total uint64
	for _, ph := range table {
		if ph.kind == ptArch || ph.kind != ptLoad && !everyType {
			continue
		}
		s, err := h.segment(ph, o.Layout)
		if err != nil {
			return nil, err
		}
		if s.MemSize == 0 {
			continue
		}
		if total += s.MemSize; total > maxMemory {
			return nil, ph.wrong("at most %d bytes of memory in all segments", "%d", uint64(maxMemory), total)
		}
		p.Segments = append(p.Segments, s)
	}
	if !o.AllowHardFloat {
		if err := h.checkSoftFloat(table, p.Segments); err != nil {
			return nil, err
		}
	}
	if err := p.checkOverlap(); err != nil {
		return nil, err
	}
	if err := h.checkEntry(p.Segments); err != nil {
		return nil, err
	}
	return p, nil
}

// segment checks one header that is to be loaded. An empty one is not looked at any further.
func (h *header) segment(ph programHeader, l Layout) (Segment, error) {
	if ph.filesz > ph.memsz || ph.filesz < ph.memsz && ph.kind != ptLoad {
		return Segment{}, ph.wrong("no more bytes in the file than in memory, and as many unless it is a PT_LOAD",
			"%d in the file and %d in memory, type %#x", ph.filesz, ph.memsz, ph.kind)
	}
	if ph.memsz == 0 {
		return Segment{}, nil
	}
	limit := h.pick(1<<32, 1<<addressBits64)
	if l.HeapStart != 0 {
		limit = min(limit, l.HeapStart)
	}
	if ph.addr > limit || ph.memsz > limit-ph.addr {
		return Segment{}, ph.wrong("a segment that ends at or below %#x", "%#x bytes at %#x", limit, ph.memsz, ph.addr)
	}
	data, err := h.contents(ph)
	return Segment{Type: ph.kind, Flags: ph.flags, Addr: ph.addr, MemSize: ph.memsz, Data: data}, err
}

// checkStatic refuses what only a dynamic linker, or its own start code after relocation, could run.
func (h *header) checkStatic(table []programHeader) error {
	dynamic := false
	for _, ph := range table {
		switch ph.kind {
		case ptInterp:
			name, err := h.contents(ph)
			if err != nil {
				return err
			}
			const longest = 256 // of a path in an error message
			name, _, _ = bytes.Cut(name[:min(len(name), longest)], []byte{0})
			return fmt.Errorf("%w: program header %d at offset %#x asks for the dynamic linker %q: link it with -static",
				ErrDynamic, ph.index, ph.at, name)
		case ptDynamic:
			dynamic = true
		}
	}
	if h.kind != etDyn {
		return nil
	}
	what := "a shared object or position-independent executable"
	if dynamic {
		what = "a static position-independent executable or a shared object"
	}
	return fmt.Errorf("%w: ELF header, offset %#x: expected type 2 (ET_EXEC), found type 3, %s: link it with -static -no-pie",
		ErrDynamic, offType, what)
}

// checkOverlap refuses two PT_LOAD headers that claim the same byte.
func (p *Program) checkOverlap() error {
	var loads []Segment
	for _, s := range p.Segments {
		if s.Type == ptLoad {
			loads = append(loads, s)
		}
	}
	slices.SortStableFunc(loads, func(a, b Segment) int { return cmp.Compare(a.Addr, b.Addr) })
	for i := 1; i < len(loads); i++ {
		if a, b := loads[i-1], loads[i]; a.end() > b.Addr {
			return fmt.Errorf("program headers: expected disjoint PT_LOAD segments, found %#x to %#x and %#x to %#x",
				a.Addr, a.end(), b.Addr, b.end())
		}
	}
	return nil
}

// checkEntry refuses an entry point where no instruction can be.
func (h *header) checkEntry(segments []Segment) error {
	align := uint64(4)
	if h.isa.machine == emRISCV {
		align = 2 // compressed instructions
	}
	if h.entry%align != 0 {
		return fmt.Errorf("ELF header, offset %#x: expected an entry point aligned to %d bytes, found %#x", offEntry, align, h.entry)
	}
	for _, s := range segments {
		if s.Type == ptLoad && s.Flags&pfExec != 0 && h.entry >= s.Addr && h.entry < s.end() {
			return nil
		}
	}
	return fmt.Errorf("ELF header, offset %#x: expected an entry point in an executable PT_LOAD segment, found %#x", offEntry, h.entry)
}

// checkSoftFloat refuses executables that say that they use float instructions. Those that say nothing pass; they meet
// an unknown instruction when they run.
func (h *header) checkSoftFloat(table []programHeader, segments []Segment) error {
	if h.isa.machine == emRISCV {
		if h.flags&efRISCVFloatABI != 0 {
			return fmt.Errorf("%w: ELF header, offset %#x: expected flags of the soft-float ABI, found %#x: "+
				"C needs -march=rv64imac -mabi=lp64, or rv32imac and ilp32; Go for RISC-V always uses floats",
				ErrHardFloat, h.flagsOffset(), h.flags)
		}
		return nil
	}
	for _, ph := range table {
		if ph.kind != ptArch {
			continue
		}
		flags, err := h.contents(ph)
		if err != nil {
			return err
		}
		const size, fpABI = 24, 7 // of the structure Elf_MIPS_ABIFlags_v0, and the offset of fp_abi in it
		if len(flags) < size {
			return ph.wrong("the %d bytes of the MIPS ABI flags", "%d", size, len(flags))
		}
		const fpAny, fpSoft = 0, 3
		if f := flags[fpABI]; f != fpAny && f != fpSoft {
			return fmt.Errorf("%w: MIPS ABI flags at offset %#x: expected fp_abi 0 (any) or 3 (soft), found %d: "+
				"C needs -msoft-float, Go GOMIPS=softfloat", ErrHardFloat, ph.offset, f)
		}
	}
	// Go writes no ABI flags for mips64, and hard float is its default there: the commonest mistake.
	if bytes.Contains(goBuildInfo(segments), []byte("\nbuild\tGOMIPS64=hardfloat\n")) {
		return fmt.Errorf("%w: Go's build information: expected GOMIPS64=softfloat, found GOMIPS64=hardfloat", ErrHardFloat)
	}
	return nil
}

// goBuildInfo returns the module and settings text that Go's linker puts into a program's first writable segment, or
// nil. Layout: package debug/buildinfo; the text form is Go 1.18's and later.
func goBuildInfo(segments []Segment) []byte {
	const (
		mark       = "\xff Go buildinf:"
		size       = 32 // of the header before the two strings
		offFlags   = 15
		inlineText = 2
	)
	i := slices.IndexFunc(segments, func(s Segment) bool { return s.Type == ptLoad && s.Flags&pfWrite != 0 })
	if i < 0 {
		return nil
	}
	data := segments[i].Data
	at := bytes.Index(data, []byte(mark))
	if at < 0 || len(data)-at < size || data[at+offFlags]&inlineText == 0 {
		return nil
	}
	rest := data[at+size:]
	var text []byte
	for range 2 { // Go's version, then the settings
		n, width := binary.Uvarint(rest)
		if width <= 0 || n > uint64(len(rest)-width) {
			return nil
		}
		text, rest = rest[width:][:n], rest[width:][n:]
	}
	return text
}

// Load writes the program into memory: the segments in their order, zeros included.
func (p *Program) Load(mem Memory) {
	for _, s := range p.Segments {
		if len(s.Data) > 0 {
			mem.Write(s.Addr, s.Data)
		}
		writeZeros(mem, s.Addr+uint64(len(s.Data)), s.MemSize-uint64(len(s.Data)))
	}
}

// zeros is never written to. Its size is a compromise: one Write per page would be slow, one per segment too large.
var zeros [64 << 10]byte

// writeZeros makes the pages of size bytes at addr exist and clears the bytes. All writes but the first are aligned.
func writeZeros(mem Memory, addr, size uint64) {
	for size > 0 {
		n := min(size, uint64(len(zeros))-addr%uint64(len(zeros)))
		mem.Write(addr, zeros[:n])
		addr += n
		size -= n
	}
}
