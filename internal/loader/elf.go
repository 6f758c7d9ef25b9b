// Package loader puts a static ELF executable and the first stack into a guest's memory.
//
// It has its own reader of ELF headers because it must stand any bytes: it never panics, and what it allocates is
// bounded by the size of the file. It imports nothing of flexEmu, no os and no time: what it writes is a function of
// the file, the arguments and the environment, and part of the initial state.
//
// Sources: System V ABI, chapters 4 and 5; its supplements for MIPS and RISC-V; for the rules that give Cannon's
// initial state, docs/base-machine.md.
package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNotExecutable is wrapped by errors about files that are no ELF executables for an ISA that flexEmu knows.
var ErrNotExecutable = errors.New("not an executable for a known ISA")

// Values of ELF fields that the loader looks at, named as in the System V ABI and its supplements.
const (
	magic = "\x7fELF"

	class32   = 1
	class64   = 2
	lsb       = 1
	msb       = 2
	evCurrent = 1

	etExec = 2
	etDyn  = 3

	emMIPS  = 8
	emRISCV = 243

	ptLoad    = 1
	ptDynamic = 2
	ptInterp  = 3
	// ptArch is PT_MIPS_ABIFLAGS on MIPS and PT_RISCV_ATTRIBUTES on RISC-V.
	ptArch = 0x7000_0003

	pfExec  = 1
	pfWrite = 2

	efMIPSABI2      = 0x20
	efMIPSABI       = 0xf000
	efMIPSABIO32    = 0x1000
	efMIPSMicroMIPS = 0x0200_0000
	efMIPS16        = 0x0400_0000
	efMIPSArch      = 0xf000_0000
	efMIPSArch32R6  = 0x9000_0000
	efMIPSArch64R6  = 0xa000_0000

	efRISCVFloatABI = 0x6
	efRISCVRVE      = 0x8
)

// Offsets in the ELF header that are the same in both classes, and the sizes of the tables' entries.
const (
	offClass   = 4
	offData    = 5
	offVersion = 6
	offType    = 16
	offMachine = 18
	offEntry   = 24

	headerSize32  = 52
	headerSize64  = 64
	programSize32 = 32
	programSize64 = 56
)

// maxProgramTable is Linux's limit for the size of the program header table, in bytes.
const maxProgramTable = 64 << 10

// isa is how an ELF header names an instruction set.
type isa struct {
	name    string
	machine uint16
	class   byte
	data    byte
}

var isas = []isa{
	{"mips32", emMIPS, class32, msb},
	{"mips32le", emMIPS, class32, lsb},
	{"mips64", emMIPS, class64, msb},
	{"mips64le", emMIPS, class64, lsb},
	{"riscv32", emRISCV, class32, lsb},
	{"riscv64", emRISCV, class64, lsb},
}

// word is the size of a pointer in bytes.
func (i isa) word() uint64 {
	if i.class == class64 {
		return 8
	}
	return 4
}

func byteOrder(data byte) binary.ByteOrder {
	if data == msb {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// file is the bytes of an ELF file with the byte order and the class of its header. The methods that read a field panic
// outside of the file; the caller has checked the whole structure.
type file struct {
	data  []byte
	order binary.ByteOrder
	wide  bool
}

func (f *file) u16(offset uint64) uint16 { return f.order.Uint16(f.data[offset:]) }
func (f *file) u32(offset uint64) uint32 { return f.order.Uint32(f.data[offset:]) }
func (f *file) u64(offset uint64) uint64 { return f.order.Uint64(f.data[offset:]) }

// addr reads an address, an offset or a size: 4 or 8 bytes by class.
func (f *file) addr(offset uint64) uint64 {
	if f.wide {
		return f.u64(offset)
	}
	return uint64(f.u32(offset))
}

// has reports whether size bytes at offset are inside of the file.
func (f *file) has(offset, size uint64) bool {
	n := uint64(len(f.data))
	return offset <= n && size <= n-offset
}

// pick returns narrow or wide by class.
func (f *file) pick(narrow, wide uint64) uint64 {
	if f.wide {
		return wide
	}
	return narrow
}

// header is the ELF header. Offsets and sizes are as in the file, not yet checked against its size.
type header struct {
	file
	isa       isa
	kind      uint16
	entry     uint64
	flags     uint32
	phoff     uint64
	phentsize uint64
	phnum     uint64
	shoff     uint64
	shentsize uint64
	shnum     uint64
}

// programHeader is one entry of the program header table; at is the entry's own offset in the file.
type programHeader struct {
	index  int
	at     uint64
	kind   uint32
	flags  uint32
	offset uint64
	addr   uint64
	filesz uint64
	memsz  uint64
}

// Identify names the ISA of an ELF executable: mips32, mips32le, mips64, mips64le, riscv32 or riscv64. It needs no more
// than the file's first 64 bytes. The error wraps ErrNotExecutable.
func Identify(b []byte) (string, error) {
	h, err := readHeader(b)
	if err != nil {
		return "", err
	}
	return h.isa.name, nil
}

// notExecutable makes the error about a field of the ELF header.
func notExecutable(offset uint64, expected, found string, args ...any) error {
	return fmt.Errorf("%w: ELF header, offset %#x: expected %s, found %s",
		ErrNotExecutable, offset, expected, fmt.Sprintf(found, args...))
}

// readHeader reads the ELF header and checks that it is one of an executable for a known ISA.
func readHeader(b []byte) (*header, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return nil, notExecutable(0, "the bytes 7f 45 4c 46", "%q", b[:min(len(b), len(magic))])
	}
	if len(b) < headerSize32 {
		return nil, notExecutable(0, "a header of 52 or 64 bytes", "a file of %d bytes", len(b))
	}
	class, data := b[offClass], b[offData]
	if class != class32 && class != class64 {
		return nil, notExecutable(offClass, "class 1 (32-bit) or 2 (64-bit)", "%d", class)
	}
	if data != lsb && data != msb {
		return nil, notExecutable(offData, "byte order 1 (little) or 2 (big)", "%d", data)
	}
	if b[offVersion] != evCurrent {
		return nil, notExecutable(offVersion, "ELF version 1", "%d", b[offVersion])
	}
	h := &header{file: file{data: b, order: byteOrder(data), wide: class == class64}}
	machine := h.u16(offMachine)
	for _, i := range isas {
		if i.machine == machine && i.class == class && i.data == data {
			h.isa = i
		}
	}
	if h.isa.name == "" {
		return nil, notExecutable(offMachine, "machine 8 (MIPS) or 243 (RISC-V, little-endian)",
			"machine %d, class %d, byte order %d", machine, class, data)
	}
	if h.wide && len(b) < headerSize64 {
		return nil, notExecutable(0, "a header of 64 bytes", "a file of %d bytes", len(b))
	}
	h.kind = h.u16(offType)
	if h.kind != etExec && h.kind != etDyn {
		return nil, notExecutable(offType, "an executable (type 2)", "type %d", h.kind)
	}
	h.entry = h.addr(offEntry)
	h.phoff = h.addr(h.pick(28, 32))
	h.shoff = h.addr(h.pick(32, 40))
	h.flags = h.u32(h.flagsOffset())
	half := h.pick(42, 54) // e_phentsize and the four half words after it
	h.phentsize = uint64(h.u16(half))
	h.phnum = uint64(h.u16(half + 2))
	h.shentsize = uint64(h.u16(half + 4))
	h.shnum = uint64(h.u16(half + 6))
	if err := h.checkVariant(); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *header) flagsOffset() uint64 { return h.pick(36, 48) }

// checkVariant refuses the variants of an ISA that e_flags name and that have other encodings, registers or calling
// conventions. EF_MIPS_NAN2008 and EF_RISCV_TSO pass: they ask nothing of a program without floats, or less than a
// machine with one order of memory gives. Floats are for Parse to judge.
func (h *header) checkVariant() error {
	refuse := func(expected, variant string) error {
		return notExecutable(h.flagsOffset(), expected, "flags %#x (%s)", h.flags, variant)
	}
	if h.isa.machine == emRISCV {
		if h.flags&efRISCVRVE != 0 {
			return refuse("the base with 32 registers", "RVE, 16 registers")
		}
		return nil
	}
	switch arch, abi := h.flags&efMIPSArch, h.flags&efMIPSABI; {
	case h.flags&efMIPSABI2 != 0:
		return refuse("the o32 or n64 ABI", "the n32 ABI")
	case h.wide && abi != 0:
		return refuse("the n64 ABI", "another ABI")
	case !h.wide && abi != 0 && abi != efMIPSABIO32:
		return refuse("the o32 ABI", "another ABI")
	case h.flags&efMIPSMicroMIPS != 0:
		return refuse("MIPS32 or MIPS64 encodings", "microMIPS")
	case h.flags&efMIPS16 != 0:
		return refuse("MIPS32 or MIPS64 encodings", "MIPS16")
	case arch == efMIPSArch32R6 || arch == efMIPSArch64R6:
		return refuse("MIPS release 1 to 5", "release 6")
	}
	return nil
}

// programHeaders reads the program header table.
func (h *header) programHeaders() ([]programHeader, error) {
	entry := h.pick(programSize32, programSize64)
	if h.phnum == 0 {
		return nil, errors.New("program header table: expected at least one entry, found none")
	}
	if h.phentsize != entry {
		return nil, fmt.Errorf("program header table: expected entries of %d bytes, found %d", entry, h.phentsize)
	}
	size := h.phnum * entry
	if size > maxProgramTable {
		return nil, fmt.Errorf("program header table: expected at most %d bytes, found %d entries of %d bytes",
			maxProgramTable, h.phnum, entry)
	}
	if !h.has(h.phoff, size) {
		return nil, fmt.Errorf("program header table: expected %d bytes at offset %#x, found a file of %d bytes",
			size, h.phoff, len(h.data))
	}
	table := make([]programHeader, h.phnum)
	for i := range table {
		at := h.phoff + uint64(i)*entry
		table[i] = programHeader{
			index:  i,
			at:     at,
			kind:   h.u32(at),
			flags:  h.u32(at + h.pick(24, 4)),
			offset: h.addr(at + h.pick(4, 8)),
			addr:   h.addr(at + h.pick(8, 16)),
			filesz: h.addr(at + h.pick(16, 32)),
			memsz:  h.addr(at + h.pick(20, 40)),
		}
	}
	return table, nil
}

// contents is the header's part of the file.
func (h *header) contents(ph programHeader) ([]byte, error) {
	if !h.has(ph.offset, ph.filesz) {
		return nil, ph.wrong("%d bytes at offset %#x", "a file of %d bytes", ph.filesz, ph.offset, len(h.data))
	}
	return h.data[ph.offset:][:ph.filesz], nil
}

// wrong makes the error about a program header: the formats for what was expected and found share the arguments.
func (ph programHeader) wrong(expected, found string, args ...any) error {
	return fmt.Errorf("program header %d at offset %#x: %s", ph.index, ph.at,
		fmt.Sprintf("expected "+expected+", found "+found, args...))
}
