package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// pages is a Memory: page index to contents.
type pages map[uint64]*[pageSize]byte

func (m pages) Write(addr uint64, data []byte) {
	for len(data) > 0 {
		p := m[addr/pageSize]
		if p == nil {
			p = new([pageSize]byte)
			m[addr/pageSize] = p
		}
		n := copy(p[addr%pageSize:], data)
		addr, data = addr+uint64(n), data[n:]
	}
}

func (m pages) read(addr, size uint64) []byte {
	out := make([]byte, size)
	for i := range out {
		a := addr + uint64(i)
		if p := m[a/pageSize]; p != nil {
			out[i] = p[a%pageSize]
		}
	}
	return out
}

func (m pages) equal(t *testing.T, want pages) {
	t.Helper()
	for i, p := range want {
		if m[i] == nil {
			t.Fatalf("page %#x does not exist", i)
		}
		if *m[i] != *p {
			t.Fatalf("page %#x differs", i)
		}
	}
	for i := range m {
		if want[i] == nil {
			t.Fatalf("page %#x exists and should not", i)
		}
	}
}

// image describes an executable to build. Its header fields are written as they are, right or wrong.
type image struct {
	isa      string
	kind     elf.Type
	flags    uint32
	entry    uint64
	headers  []elf.ProgHeader
	contents []byte // at offset contentsAt
}

const contentsAt = 0x400

func lookup(name string) isa {
	for _, i := range isas {
		if i.name == name {
			return i
		}
	}
	panic("no such ISA: " + name)
}

// ident builds the first 16 bytes.
func (im image) ident(i isa) (id [elf.EI_NIDENT]byte) {
	copy(id[:], magic)
	id[elf.EI_CLASS], id[elf.EI_DATA], id[elf.EI_VERSION] = i.class, i.data, 1
	return id
}

// build writes the file with the structures of debug/elf.
func (im image) build() []byte {
	i := lookup(im.isa)
	var out bytes.Buffer
	put := func(v any) {
		if err := binary.Write(&out, byteOrder(i.data), v); err != nil {
			panic(err)
		}
	}
	if i.class == class64 {
		put(elf.Header64{
			Ident: im.ident(i), Type: uint16(im.kind), Machine: i.machine, Version: 1, Entry: im.entry, Phoff: 64, Flags: im.flags,
			Ehsize: 64, Phentsize: 56, Phnum: uint16(len(im.headers)), Shentsize: 64,
		})
		for _, p := range im.headers {
			put(elf.Prog64{
				Type: uint32(p.Type), Flags: uint32(p.Flags), Off: p.Off, Vaddr: p.Vaddr, Paddr: p.Paddr,
				Filesz: p.Filesz, Memsz: p.Memsz, Align: p.Align,
			})
		}
	} else {
		put(elf.Header32{
			Ident: im.ident(i), Type: uint16(im.kind), Machine: i.machine, Version: 1, Entry: uint32(im.entry), Phoff: 52, Flags: im.flags,
			Ehsize: 52, Phentsize: 32, Phnum: uint16(len(im.headers)), Shentsize: 40,
		})
		for _, p := range im.headers {
			put(elf.Prog32{
				Type: uint32(p.Type), Flags: uint32(p.Flags), Off: uint32(p.Off), Vaddr: uint32(p.Vaddr), Paddr: uint32(p.Paddr),
				Filesz: uint32(p.Filesz), Memsz: uint32(p.Memsz), Align: uint32(p.Align),
			})
		}
	}
	if len(im.contents) > 0 {
		out.Write(make([]byte, contentsAt-out.Len()))
		out.Write(im.contents)
	}
	return out.Bytes()
}

// good is an executable with a code segment of 0x20 bytes at 0x10000 and a data segment at 0x11ff8 with 8 bytes in the
// file and 0x2010 in memory.
func good(isaName string) image {
	flags := map[string]uint32{
		"mips32": 0x5000_1004, "mips32le": 0x5000_1004, "mips64": 0x2000_0004, "mips64le": 0x2000_0004, "riscv32": 1, "riscv64": 1,
	}
	return image{
		isa: isaName, kind: elf.ET_EXEC, flags: flags[isaName], entry: 0x10004,
		headers: []elf.ProgHeader{
			{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Off: contentsAt, Vaddr: 0x10000, Filesz: 0x20, Memsz: 0x20},
			{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_W, Off: contentsAt + 0x20, Vaddr: 0x11ff8, Filesz: 8, Memsz: 0x2010},
			{Type: elf.PT_GNU_STACK, Flags: elf.PF_R | elf.PF_W},
		},
		contents: []byte("code: 32 bytes of instructions..data... and 24 bytes of ABI flags"),
	}
}

// oracle loads a file with debug/elf: PT_LOAD only, or Cannon's rule: all types but PT_MIPS_ABIFLAGS.
func oracle(t *testing.T, b []byte, everyType bool) (pages, *elf.File) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("debug/elf: %v", err)
	}
	m := pages{}
	for _, p := range f.Progs {
		if p.Type == elf.PT_MIPS_ABIFLAGS || p.Type != elf.PT_LOAD && !everyType || p.Memsz == 0 {
			continue
		}
		data := make([]byte, p.Memsz)
		if n, err := p.ReadAt(data[:p.Filesz], 0); uint64(n) != p.Filesz {
			t.Fatalf("debug/elf: %v", err)
		}
		m.Write(p.Vaddr, data)
	}
	return m, f
}

// checkLoad parses and loads b and compares with debug/elf.
func checkLoad(t *testing.T, b []byte, o Options) *Program {
	t.Helper()
	p, err := Parse(b, o)
	if err != nil {
		t.Fatal(err)
	}
	got := pages{}
	p.Load(got)
	want, f := oracle(t, b, p.ISA == "mips64" && !o.LoadOnly)
	got.equal(t, want)
	if p.Entry != f.Entry {
		t.Errorf("entry %#x, debug/elf has %#x", p.Entry, f.Entry)
	}
	return p
}
