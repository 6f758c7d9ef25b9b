package loader

import (
	"bytes"
	"debug/elf"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, i := range isas {
		b := good(i.name).build()
		f.Add(b)
		f.Add(b[:len(b)-10])
		f.Add(b[:60])
	}
	f.Add(withSymbols("mips32"))
	f.Add(withSymbols("riscv64"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, errIdentify := Identify(b)
		if symbols, err := Symbols(b); err != nil && symbols != nil || len(symbols) > len(b)/symbolSize32 {
			t.Errorf("%d symbols, %v", len(symbols), err)
		}
		p, err := Parse(b, bare64)
		if err != nil {
			if p != nil || errIdentify != nil && !bytes.Contains([]byte(err.Error()), []byte(errIdentify.Error())) {
				t.Errorf("program and error, or two errors about one header: %v, %v", err, errIdentify)
			}
			return
		}
		if p.ISA != name {
			t.Errorf("ISA %q and %q", p.ISA, name)
		}
		var total uint64
		for _, s := range p.Segments {
			if s.MemSize == 0 || uint64(len(s.Data)) > s.MemSize || s.end() < s.Addr || s.end() > bare64.Layout.HeapStart {
				t.Errorf("segment %#x, %#x bytes", s.Addr, s.MemSize)
			}
			total += s.MemSize
		}
		if total > maxMemory {
			t.Errorf("%d bytes", total)
		}
		// debug/elf also looks at section headers, which a program does not need.
		if _, err := elf.NewFile(bytes.NewReader(b)); err == nil && total < 1<<20 {
			checkLoad(t, b, bare64)
		}
	})
}
