package enginetest

import (
	"testing"

	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/sets"
)

// FuzzPrograms runs programs of seeds, and programs whose main part is the code that the fuzzer has made: big-endian
// words, or halves of words where instructions are that short.
func FuzzPrograms(f *testing.F, n New) {
	random := isatest.Random(12)
	all := sets.All()
	for k, i := range all {
		f.Add(uint8(k), uint64(k), []byte(nil))
		var code []byte
		for range 12 {
			w := isatest.Instance(i, random.IntN(len(i.Rows)), random)
			if i.Size(w) == 2 {
				w = w<<16 | uint32(nop(i, 2))
			}
			code = append(code, byte(w>>24), byte(w>>16), byte(w>>8), byte(w))
		}
		f.Add(uint8(k), uint64(k), code)
	}
	const maxRaw = 1024 // bytes
	f.Fuzz(func(t *testing.T, set uint8, seed uint64, raw []byte) {
		p := programPlan(seed)
		p.raw = raw[:min(len(raw), maxRaw)]
		lockstep(t, all[int(set)%len(all)], n, seed, 20_000, p)
	})
}
