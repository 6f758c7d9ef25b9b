package loader

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNoSymbols is returned for an executable without a symbol table.
var ErrNoSymbols = errors.New("no symbol table")

const (
	shtSymtab = 2

	sectionSize32 = 40
	sectionSize64 = 64
	symbolSize32  = 16
	symbolSize64  = 24

	// maxSymbolName bounds the search for the end of a name, so that many entries in one long text without an end cost
	// no quadratic time. Names of Go's generic functions reach a few KiB.
	maxSymbolName = 64 << 10
)

// Symbol is an entry of an executable's symbol table.
type Symbol struct {
	Name string
	Addr uint64
	Size uint64
	Kind uint8 // 0 none, 1 object, 2 function, 3 section, 4 file, … (STT_*)
}

// section is the part of a section header that leads to the symbols.
type section struct {
	kind         uint32
	offset, size uint64
	link         uint32
}

// Symbols reads the symbol table of an executable that Identify knows: all entries but the null entry, of all kinds, in
// the order of the file. A name that is damaged is empty. ErrNoSymbols: there is no table, or nothing in it.
func Symbols(b []byte) ([]Symbol, error) {
	h, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	sections, err := h.sections()
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		if s.kind != shtSymtab {
			continue
		}
		if uint64(s.link) >= uint64(len(sections)) {
			return nil, fmt.Errorf("symbol table: expected names in one of %d sections, found section %d", len(sections), s.link)
		}
		return h.symbols(s, sections[s.link])
	}
	return nil, ErrNoSymbols
}

// sections reads the section header table. None is no error: a program does not need it.
func (h *header) sections() ([]section, error) {
	entry := h.pick(sectionSize32, sectionSize64)
	if h.shoff == 0 || h.shnum == 0 {
		return nil, nil
	}
	if h.shentsize != entry {
		return nil, fmt.Errorf("section header table: expected entries of %d bytes, found %d", entry, h.shentsize)
	}
	if !h.has(h.shoff, h.shnum*entry) {
		return nil, fmt.Errorf("section header table: expected %d bytes at offset %#x, found a file of %d bytes",
			h.shnum*entry, h.shoff, len(h.data))
	}
	table := make([]section, h.shnum)
	for i := range table {
		at := h.shoff + uint64(i)*entry
		table[i] = section{
			kind:   h.u32(at + 4),
			offset: h.addr(at + h.pick(16, 24)),
			size:   h.addr(at + h.pick(20, 32)),
			link:   h.u32(at + h.pick(24, 40)),
		}
	}
	return table, nil
}

func (h *header) symbols(table, names section) ([]Symbol, error) {
	for _, s := range []section{table, names} {
		if !h.has(s.offset, s.size) {
			return nil, fmt.Errorf("symbol table: expected %d bytes at offset %#x, found a file of %d bytes",
				s.size, s.offset, len(h.data))
		}
	}
	entry := h.pick(symbolSize32, symbolSize64)
	if table.size < 2*entry {
		return nil, ErrNoSymbols
	}
	// One copy of all names; the symbols' names are parts of it.
	text := h.data[names.offset:][:names.size]
	all := string(text)
	symbols := make([]Symbol, 0, table.size/entry-1)
	for at := table.offset + entry; at+entry <= table.offset+table.size; at += entry {
		s := Symbol{
			Addr: h.addr(at + h.pick(4, 8)),
			Size: h.addr(at + h.pick(8, 16)),
			Kind: h.data[at+h.pick(12, 4)] & 0xf,
		}
		if name := uint64(h.u32(at)); name < names.size {
			window := text[name:min(names.size, name+maxSymbolName)]
			if n := bytes.IndexByte(window, 0); n >= 0 {
				s.Name = all[name:][:n]
			}
		}
		symbols = append(symbols, s)
	}
	return symbols, nil
}
