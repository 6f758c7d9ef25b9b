package prover_test

import (
	"crypto/sha256"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

// Each level spans one stride of the level before it, the last one has all steps, and there are two up to 2^52 steps.
func TestLevels(t *testing.T) {
	for n := 1; n <= 63; n++ {
		levels := prover.Levels(n)
		span := n
		for i, l := range levels {
			if l.Log2Stride+l.Height != span || l.Height < 1 {
				t.Errorf("2^%d steps: level %d is %+v, and should span 2^%d", n, i, l, span)
			}
			span = l.Log2Stride
		}
		if span != 0 {
			t.Errorf("2^%d steps: the last level has a stride of 2^%d", n, span)
		}
		if n <= 52 && len(levels) > 2 {
			t.Errorf("2^%d steps: %d levels", n, len(levels))
		}
	}
}

// Lanes or not, a pair's hash is keccak-256, as go-ethereum has it.
func TestPair(t *testing.T) {
	prover.Pair(nil, nil)
	for n := 1; n < 20; n++ {
		src, dst := make([]dispute.Hash, 2*n), make([]dispute.Hash, n)
		for i := range src {
			src[i] = sha256.Sum256([]byte{byte(i), byte(n)})
		}
		prover.Pair(dst, src)
		for i, got := range dst {
			if want := crypto.Keccak256Hash(src[2*i][:], src[2*i+1][:]); got != want {
				t.Errorf("pair %d of %d: %x, want %v", i, n, got, want)
			}
		}
	}
}
