//go:build !purego

package merkle

import "testing"

// TestEveryHasher goes through all that this host has.
func TestEveryHasher(t *testing.T) {
	had512, had2 := useAVX512, useAVX2
	defer func() { useAVX512, useAVX2 = had512, had2 }()
	for _, c := range []struct {
		name       string
		avx512, x2 bool
	}{{"avx512", true, true}, {"avx2", false, true}, {"scalar", false, false}} {
		t.Run(c.name, func(t *testing.T) {
			if c.avx512 && !had512 || c.x2 && !had2 {
				t.Skip("this host does not have it")
			}
			useAVX512, useAVX2 = c.avx512, c.x2
			checkPairs(t)
			checkKeccak256(t)
			checkMessages(t)
		})
	}
}
