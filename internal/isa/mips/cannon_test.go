package mips_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/isa/mips"
)

// What Cannon takes for an instruction, by its opcode, and by function or rt where there is one: state versions 7 and 8.
var (
	cannonOps = bytesOf("02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 18 19 1a 1b 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 30 34 37 38 3c 3f")
	cannonFns = bytesOf("00 02 03 04 06 07 08 09 0a 0b 0c 0f 10 11 12 13 14 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27 2a 2b 2c 2d 2e 2f 38 3a 3b 3c 3e 3f")
	cannonFn2 = bytesOf("02 20 21 24 25")
)

func bytesOf(text string) map[uint32]bool {
	m := map[uint32]bool{}
	for _, s := range strings.Fields(text) {
		v := uint32(0)
		for _, c := range s {
			v = v<<4 | uint32(strings.IndexRune("0123456789abcdef", c))
		}
		m[v] = true
	}
	return m
}

// TestCannonDecodes: opcode, function and rt of REGIMM decide, whatever the other bits are. Which row it is follows
// from the word with its reserved bits cleared, which is the manual's instruction.
func TestCannonDecodes(t *testing.T) {
	i := mips.Cannon()
	random := rand.New(rand.NewPCG(2, 0))
	for n := range uint32(1 << 22) {
		w := n<<10 ^ random.Uint32()
		want := false
		switch op := w >> 26; op {
		case 0:
			want = cannonFns[w&63]
		case 1:
			want = true
		case 0x1c:
			want = cannonFn2[w&63]
		default:
			want = cannonOps[op]
		}
		row, ok := i.Decode(w)
		if ok != want {
			t.Fatalf("%08x: decoded %v, Cannon %v", w, ok, want)
		}
		if !ok {
			continue
		}
		name := i.Rows[row].Name
		plain := strings.TrimSuffix(name, ".rd")
		clean := w
		for _, f := range zeros[plain] {
			clean &^= (1<<named[f].width - 1) << named[f].from
		}
		if name != "never" && manual(clean, 64) != plain && manual(clean&^0x03e007c0, 64) != plain {
			t.Fatalf("%08x is %s; without reserved bits, %08x, the manual says %q", w, name, clean, manual(clean, 64))
		}
		writesRd := strings.Contains(" sync mthi mtlo mult multu div divu dmult dmultu ddiv ddivu ", " "+plain+" ")
		if strings.HasSuffix(name, ".rd") != (writesRd && w>>11&31 != 0) {
			t.Fatalf("%08x is %s", w, name)
		}
	}
}
