package cannon

import (
	"debug/elf"
	"sort"
)

// A Symbol is an entry of an executable's symbol table.
type Symbol struct {
	Name  string `json:"name"`
	Start uint64 `json:"start"`
	Size  uint64 `json:"size"`
}

// Metadata are the symbols of an executable, by their addresses.
type Metadata struct {
	Symbols []Symbol `json:"symbols"`
}

func metadataOf(f *elf.File) (*Metadata, error) {
	all, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	// Symbols with one address stand as this algorithm leaves them: the file is to be Cannon's.
	sort.Slice(all, func(i, j int) bool { return all[i].Value < all[j].Value })
	m := &Metadata{Symbols: make([]Symbol, len(all))}
	for n, s := range all {
		m.Symbols[n] = Symbol{s.Name, s.Value, s.Size}
	}
	return m, nil
}

// lookup names what is at an address.
func (m *Metadata) lookup(addr uint64) string {
	if len(m.Symbols) == 0 {
		return "!unknown"
	}
	n := sort.Search(len(m.Symbols), func(n int) bool { return m.Symbols[n].Start > addr })
	if n == 0 {
		return "!start"
	}
	s := &m.Symbols[n-1]
	if s.Start+s.Size < addr { // behind it, but not at its very end
		return "!gap"
	}
	return s.Name
}
