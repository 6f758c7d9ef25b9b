package arm64_test

import (
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/jit/arm64"
)

var (
	movPattern  = regexp.MustCompile(`^mov [xw]1, #(0x[0-9a-f]+)$`)
	movkPattern = regexp.MustCompile(`^movk x1, #(0x[0-9a-f]+)(?:, lsl #(\d+))?$`)
)

// value is what code of mov and movk leaves in x1.
func value(t *testing.T, code []byte) uint64 {
	t.Helper()
	v := uint64(0)
	for n, text := range disassemble(t, code) {
		if m := movPattern.FindStringSubmatch(text); m != nil && n == 0 {
			v, _ = strconv.ParseUint(m[1], 0, 64)
		} else if m := movkPattern.FindStringSubmatch(text); m != nil && n > 0 {
			part, _ := strconv.ParseUint(m[1], 0, 64)
			shift, _ := strconv.Atoi(m[2])
			v = v&^(0xffff<<shift) | part<<shift
		} else {
			t.Fatalf("a constant is not made by %q", text)
		}
	}
	return v
}

func TestMovImm(t *testing.T) {
	masks := slices.Sorted(maps.Keys(bitmasks(64)))
	narrow := slices.Sorted(maps.Keys(bitmasks(32)))
	var a arm64.Asm
	for _, v := range constants(masks, narrow) {
		a.Reset()
		a.MovImm(arm64.X1, v)
		if got := value(t, a.Code()); got != v {
			t.Fatalf("%#x instead of %#x", got, v)
		}
		if got, want := a.Len()/4, fewest(v, masks, narrow); got != want {
			t.Errorf("%#x in %d instructions, not %d", v, got, want)
		}
	}
}

// constants are numbers with zeros, ones, patterns and arbitrary bits in all places.
func constants(masks, narrow []uint64) []uint64 {
	list := []uint64{0, 1, 0xffff, 0x1_0000, 0xffff_0000, 0xffff_ffff, 0x1_0000_0000, 1 << 63, ^uint64(0), ^uint64(1), 0x1234_ffff, 0xffff_1234}
	random := rand.New(rand.NewPCG(1, 2))
	for range 16 {
		mask, other := masks[random.IntN(len(masks))], masks[random.IntN(len(masks))]
		if random.IntN(3) == 0 {
			mask = narrow[random.IntN(len(narrow))]
		}
		for sources := range 256 { // two bits for each part
			v := uint64(0)
			for n := range 4 {
				part := [...]uint64{mask, other, 0, random.Uint64()}[sources>>(2*n)&3]
				v |= part & (0xffff << (16 * n))
			}
			list = append(list, v)
		}
	}
	return list
}

// fewest is the number of instructions that are needed: one for the most similar of all numbers that one instruction
// makes, and one for each part that it has wrong.
func fewest(v uint64, masks, narrow []uint64) int {
	best := 4
	for _, made := range [][]uint64{masks, narrow} {
		for _, m := range made {
			best = min(best, 1+differing(v, m))
		}
	}
	for n := range 4 {
		part := uint64(0xffff) << (16 * n)
		best = min(best, 1+differing(v, v&part), 1+differing(v, v|^part))
		if n < 2 {
			best = min(best, 1+differing(v, (v|^part)&0xffff_ffff))
		}
	}
	return best
}

func differing(a, b uint64) int {
	count := 0
	for d := a ^ b; d != 0; d >>= 16 {
		if d&0xffff != 0 {
			count++
		}
	}
	return count
}
