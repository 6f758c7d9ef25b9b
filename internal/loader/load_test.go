package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"slices"
	"strings"
	"testing"
)

var bare64 = Options{Layout: Layout{HeapStart: 0x1000_0000_0000, StackTop: 0x7fff_ffff_f000}}

func TestLoadEveryISA(t *testing.T) {
	for _, i := range isas {
		t.Run(i.name, func(t *testing.T) {
			b := good(i.name).build()
			p := checkLoad(t, b, bare64)
			if p.ISA != i.name || p.Flags != good(i.name).flags {
				t.Errorf("ISA %s, flags %#x", p.ISA, p.Flags)
			}
			if name, err := Identify(b[:min(len(b), 64)]); name != i.name || err != nil {
				t.Errorf("Identify of the header alone: %q, %v", name, err)
			}
		})
	}
}

// On mips64 headers of other types are loaded too, in the order of the file, as Cannon does; elsewhere, and with
// LoadOnly, they are not.
func TestOtherHeaders(t *testing.T) {
	im := good("mips64")
	note := elf.ProgHeader{Type: elf.PT_NOTE, Off: contentsAt + 0x28, Vaddr: 0x50000, Filesz: 8, Memsz: 8}
	overwritten := elf.ProgHeader{Type: elf.PT_NOTE, Off: contentsAt, Vaddr: 0x12100, Filesz: 8, Memsz: 8}
	abiFlags := elf.ProgHeader{Type: elf.PT_MIPS_ABIFLAGS, Off: contentsAt + 0x28, Vaddr: 0x90000, Filesz: 24, Memsz: 24}
	im.contents[0x28+7] = 3
	im.headers = append([]elf.ProgHeader{overwritten}, append(im.headers, note, abiFlags)...)
	b := im.build()
	m := pages{}
	checkLoad(t, b, bare64).Load(m)
	if got := string(m.read(0x50000, 3)); got != "and" {
		t.Errorf("the note at 0x50000 reads %q", got)
	}
	if m[0x90000/pageSize] != nil {
		t.Error("the ABI flags were loaded")
	}
	if !bytes.Equal(m.read(0x12100, 8), make([]byte, 8)) {
		t.Error("a note was not overwritten by the zeros of a later PT_LOAD")
	}
	checkLoad(t, b, Options{LoadOnly: true})
	im.isa = "mips64le"
	checkLoad(t, im.build(), bare64)

	im = good("mips64")
	im.headers[2].Memsz = 0x1000 // GNU_STACK with a size
	if _, err := Parse(im.build(), bare64); err == nil || !strings.Contains(err.Error(), "program header 2 at offset 0xb0") {
		t.Errorf("sizes differ in a header that is no PT_LOAD: %v", err)
	}
	checkLoad(t, im.build(), Options{LoadOnly: true})
}

func TestBigZeros(t *testing.T) {
	im := good("riscv64")
	im.headers[1].Vaddr, im.headers[1].Memsz = 0x1234567, 300<<20
	p, err := Parse(im.build(), bare64)
	if err != nil {
		t.Fatal(err)
	}
	var w writes
	p.Load(&w)
	if w.largest > 64<<10 || w.end != 0x1234567+300<<20 || w.bytes != 300<<20+0x20 {
		t.Errorf("largest write %d, end %#x, %d bytes", w.largest, w.end, w.bytes)
	}
}

// writes counts without storing.
type writes struct{ largest, end, bytes uint64 }

func (w *writes) Write(addr uint64, data []byte) {
	n := uint64(len(data))
	w.largest, w.end, w.bytes = max(w.largest, n), max(w.end, addr+n), w.bytes+n
}

// patch returns b with the bytes at offset replaced.
func patch(b []byte, offset int, with ...byte) []byte {
	b = slices.Clone(b)
	copy(b[offset:], with)
	return b
}

func TestNotExecutable(t *testing.T) {
	b64, b32 := good("mips64").build(), good("mips32").build()
	flags := func(isaName string, flags uint32) []byte {
		im := good(isaName)
		im.flags = flags
		return im.build()
	}
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"empty", `offset 0x0: expected the bytes 7f 45 4c 46, found ""`, nil},
		{"script", `found "#!/b"`, []byte("#!/bin/sh\n")},
		{"magic only", "found a file of 4 bytes", []byte(magic)},
		{"half a header", "found a file of 63 bytes", b64[:63]},
		{"class", "offset 0x4: expected class 1 (32-bit) or 2 (64-bit), found 3", patch(b64, offClass, 3)},
		{"byte order", "offset 0x5: expected byte order 1 (little) or 2 (big), found 0", patch(b64, offData, 0)},
		{"version", "offset 0x6: expected ELF version 1, found 9", patch(b64, offVersion, 9)},
		{"x86-64", "machine 62", patch(good("riscv64").build(), offMachine, 62, 0)},
		{"big-endian RISC-V", "machine 243, class 2, byte order 2", patch(b64, offMachine, 0, 243)},
		{"object file", "offset 0x10: expected an executable (type 2), found type 1", patch(b64, offType, 0, 1)},
		{"core file", "found type 4", patch(b32, offType, 0, 4)},
		{"n32", "offset 0x24: expected the o32 or n64 ABI", flags("mips32", 0x8000_0027)},
		{"o64", "expected the o32 ABI", flags("mips32le", 0x2000_2000)},
		{"eabi64", "offset 0x30: expected the n64 ABI", flags("mips64", 0x8000_4000)},
		{"micromips", "microMIPS", flags("mips32", 0x7200_1007)},
		{"mips16", "MIPS16", flags("mips32", 0x7400_1007)},
		{"mips32r6", "release 6", flags("mips32", 0x9000_1407)},
		{"mips64r6", "release 6", flags("mips64", 0xa000_0407)},
		{"rv32e", "RVE", flags("riscv32", 8)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, errParse := Parse(c.b, Options{AllowHardFloat: true})
			_, errIdentify := Identify(c.b)
			for _, err := range []error{errParse, errIdentify} {
				if !errors.Is(err, ErrNotExecutable) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		kind       error // nil: none of the three
		change     func(*image)
	}{
		{"interpreter", `program header 2 at offset 0xb0 asks for the dynamic linker "code"`, ErrDynamic, func(im *image) {
			im.headers[2] = elf.ProgHeader{Type: elf.PT_INTERP, Off: contentsAt, Filesz: 5, Memsz: 5}
			im.contents[4] = 0
		}},
		{"static-pie", "found type 3, a static position-independent executable", ErrDynamic, func(im *image) {
			im.kind = elf.ET_DYN
			im.headers[2] = elf.ProgHeader{Type: elf.PT_DYNAMIC, Off: contentsAt, Vaddr: 0x10000, Filesz: 8, Memsz: 8}
		}},
		{"shared object", "found type 3", ErrDynamic, func(im *image) { im.kind = elf.ET_DYN }},
		{"RISC-V double float", "offset 0x30: expected flags of the soft-float ABI, found 0x5", ErrHardFloat, func(im *image) {
			im.isa, im.flags = "riscv64", 5
		}},
		{"MIPS double float", "MIPS ABI flags at offset 0x428: expected fp_abi 0 (any) or 3 (soft), found 1", ErrHardFloat, func(im *image) {
			im.headers[2] = elf.ProgHeader{Type: elf.PT_MIPS_ABIFLAGS, Off: contentsAt + 0x28, Filesz: 24, Memsz: 24}
			im.contents[0x28+7] = 1
		}},
		{"short ABI flags", "expected the 24 bytes of the MIPS ABI flags, found 8", nil, func(im *image) {
			im.headers[2] = elf.ProgHeader{Type: elf.PT_MIPS_ABIFLAGS, Off: contentsAt + 0x28, Filesz: 8, Memsz: 8}
		}},
		{"no headers", "expected at least one entry", nil, func(im *image) { im.headers = nil }},
		{"file larger than memory", "32 in the file and 31 in memory, type 0x1", nil, func(im *image) { im.headers[0].Memsz-- }},
		{"beyond the file", "program header 1 at offset 0x78: expected 4096 bytes at offset 0x420, found a file of", nil, func(im *image) {
			im.headers[1].Filesz = 4096
		}},
		{"offset wraps", "expected 8 bytes at offset 0xfffffffffffffffc", nil, func(im *image) { im.headers[1].Off = 1<<64 - 4 }},
		{"address wraps", "expected a segment that ends at or below 0x100000000000", nil, func(im *image) {
			im.headers[1].Vaddr = 1<<64 - 0x100
		}},
		{"size wraps", "ends at or below", nil, func(im *image) { im.headers[1].Memsz = 1<<64 - 1 }},
		{"into the heap", "found 0x2010 bytes at 0xfffffffdff1", nil, func(im *image) { im.headers[1].Vaddr = 0x1000_0000_0000 - 0x200f }},
		{"too much memory", "expected at most 4294967296 bytes of memory in all segments, found 4294967297", nil, func(im *image) {
			im.headers[1].Memsz = 1<<32 - 0x1f
		}},
		{"overlap", "found 0x10000 to 0x10020 and 0x1001f to 0x1202f", nil, func(im *image) { im.headers[1].Vaddr = 0x1001f }},
		{"contained", "found 0x10000 to 0x20000 and 0x11ff8 to 0x14008", nil, func(im *image) { im.headers[0].Memsz = 0x10000 }},
		{"entry in data", "offset 0x18: expected an entry point in an executable PT_LOAD segment, found 0x12000", nil, func(im *image) {
			im.entry = 0x12000
		}},
		{"entry after code", "found 0x10020", nil, func(im *image) { im.entry = 0x10020 }},
		{"misaligned entry", "aligned to 4 bytes, found 0x10002", nil, func(im *image) { im.entry = 0x10002 }},
		{"odd RISC-V entry", "aligned to 2 bytes, found 0x10001", nil, func(im *image) {
			im.isa, im.flags, im.entry = "riscv64", 1, 0x10001
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := good("mips64")
			c.change(&im)
			p, err := Parse(im.build(), bare64)
			if p != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			for _, kind := range []error{ErrNotExecutable, ErrDynamic, ErrHardFloat} {
				if errors.Is(err, kind) != (kind == c.kind) {
					t.Errorf("wrong kind of error: %v", err)
				}
			}
			if _, err := Parse(im.build(), Options{Layout: bare64.Layout, AllowHardFloat: true}); (err == nil) != (c.kind == ErrHardFloat) &&
				c.name != "short ABI flags" {
				t.Errorf("with AllowHardFloat: %v", err)
			}
		})
	}
}

func TestHeaderTable(t *testing.T) {
	b := good("mips64").build()
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"entry size", "expected entries of 56 bytes, found 32", patch(b, 54, 0, 32)},
		{"too many", "expected at most 65536 bytes, found 65535 entries", patch(b, 56, 0xff, 0xff)},
		{"beyond the file", "expected 56000 bytes at offset 0x40, found a file of", patch(b, 56, 1000>>8, 1000&0xff)},
		{"offset wraps", "expected 168 bytes at offset 0xffffffffffffffff", patch(b, 32, bytes.Repeat([]byte{0xff}, 8)...)},
	} {
		if _, err := Parse(c.b, bare64); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestAccepted(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*image)
	}{
		{"ends where the heap starts", func(im *image) { im.headers[1].Vaddr = 0x1000_0000_0000 - 0x2010 }},
		{"exactly the most memory", func(im *image) { im.headers[1].Memsz = 1<<32 - 0x20 }},
		{"adjacent segments", func(im *image) { im.headers[1].Vaddr = 0x10020 }},
		{"empty segment anywhere", func(im *image) { im.headers[2] = elf.ProgHeader{Type: elf.PT_LOAD, Off: 1 << 60, Vaddr: 1 << 63} }},
		{"nan2008 and TSO without floats", func(im *image) { im.flags |= 0x410 }},
		{"compressed entry", func(im *image) { im.isa, im.flags, im.entry = "riscv32", 1, 0x10002 }},
	} {
		im := good("mips64")
		c.change(&im)
		if _, err := Parse(im.build(), bare64); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	im := good("mips32")
	im.headers[1].Vaddr = 1<<32 - 0x2010
	if _, err := Parse(im.build(), Options{}); err != nil {
		t.Errorf("up to the end of 32 bits: %v", err)
	}
	im.headers[1].Vaddr++
	if _, err := Parse(im.build(), Options{}); err == nil || !strings.Contains(err.Error(), "at or below 0x100000000") {
		t.Errorf("past the end of 32 bits: %v", err)
	}
}
