package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// withSymbols is a good executable and a symbol table at its end: the null entry, main, one with a bad name and one
// whose name has no end.
func withSymbols(isaName string) []byte {
	i := lookup(isaName)
	b := good(isaName).build()
	order := byteOrder(i.data)
	var table, sections bytes.Buffer
	put := func(out *bytes.Buffer, v any) {
		if err := binary.Write(out, order, v); err != nil {
			panic(err)
		}
	}
	names := []byte("\x00main\x00unfinished")
	const function = byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC)
	at := uint64(len(b) + len(names))
	if i.class == class64 {
		put(&table, []elf.Sym64{{}, {Name: 1, Info: function, Value: 0x10004, Size: 8}, {Name: 1 << 30, Value: 5}, {Name: 6, Shndx: 1}})
		put(&sections, []elf.Section64{
			{},
			{Type: uint32(elf.SHT_SYMTAB), Off: at, Size: uint64(table.Len()), Link: 2, Entsize: symbolSize64},
			{Type: uint32(elf.SHT_STRTAB), Off: uint64(len(b)), Size: uint64(len(names))},
		})
		order.PutUint64(b[40:], at+uint64(table.Len()))
		order.PutUint16(b[60:], 3)
	} else {
		put(&table, []elf.Sym32{{}, {Name: 1, Info: function, Value: 0x10004, Size: 8}, {Name: 1 << 30, Value: 5}, {Name: 6, Shndx: 1}})
		put(&sections, []elf.Section32{
			{},
			{Type: uint32(elf.SHT_SYMTAB), Off: uint32(at), Size: uint32(table.Len()), Link: 2, Entsize: symbolSize32},
			{Type: uint32(elf.SHT_STRTAB), Off: uint32(len(b)), Size: uint32(len(names))},
		})
		order.PutUint32(b[32:], uint32(at)+uint32(table.Len()))
		order.PutUint16(b[48:], 3)
	}
	return bytes.Join([][]byte{b, names, table.Bytes(), sections.Bytes()}, nil)
}

// checkSymbols compares with debug/elf and returns how many there are.
func checkSymbols(t *testing.T, b []byte) int {
	t.Helper()
	got, err := Symbols(b)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d symbols, debug/elf has %d", len(got), len(want))
	}
	for i, w := range want {
		if (got[i] != Symbol{w.Name, w.Value, w.Size, w.Info & 0xf}) {
			t.Errorf("symbol %d: %+v, debug/elf has %+v", i, got[i], w)
		}
	}
	return len(got)
}

func TestSymbols(t *testing.T) {
	for _, i := range isas {
		b := withSymbols(i.name)
		if n := checkSymbols(t, b); n != 3 {
			t.Errorf("%s: %d symbols", i.name, n)
		}
		checkLoad(t, b, bare64)
	}
	if s, err := Symbols(good("mips64").build()); s != nil || !errors.Is(err, ErrNoSymbols) {
		t.Errorf("without sections: %v, %v", s, err)
	}
}

func TestDamagedSymbols(t *testing.T) {
	b := withSymbols("mips64")
	table := len(b) - 3*sectionSize64 + sectionSize64 // the second section header
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"no program", ErrNotExecutable.Error(), b[:40]},
		{"entry size", "expected entries of 64 bytes, found 1", patch(b, 58, 0, 1)},
		{"table cut off", "section header table: expected 192 bytes", b[:len(b)-1]},
		{"symbols outside", "symbol table: expected 65632 bytes at offset", patch(b, table+37, 1)},
		{"no names", "expected names in one of 3 sections, found section 770", patch(b, table+42, 3)},
		{"null entry only", ErrNoSymbols.Error(), patch(b, table+39, symbolSize64)},
	} {
		if s, err := Symbols(c.b); s != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if c.name == "no program" {
			continue
		}
		if _, err := Parse(c.b, bare64); err != nil {
			t.Errorf("%s: the program itself is sound: %v", c.name, err)
		}
	}
}
