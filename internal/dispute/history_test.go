package dispute

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/sha3"
)

// keccak hashes pairs as the contract does.
func keccak(dst, src []Hash) {
	for i := range dst {
		k := sha3.NewLegacyKeccak256()
		k.Write(src[2*i][:])
		k.Write(src[2*i+1][:])
		k.Sum(dst[i][:0])
	}
}

// mix is a fast stand-in for games that only have to tell nodes apart.
func mix(dst, src []Hash) {
	for i := range dst {
		var s [4]uint64
		for j := range 8 {
			w := binary.LittleEndian.Uint64(src[2*i+j/4][8*(j%4):])
			for k := range s {
				s[k] = (s[k] ^ w ^ uint64(j+9*k)) * 0x9e3779b97f4a7c15
				s[k] ^= s[k] >> 29
				w += s[k]
			}
		}
		for k, w := range s {
			w = (w ^ s[(k+1)%4]>>7) * 0xbf58476d1ce4e5b9
			binary.LittleEndian.PutUint64(dst[i][8*k:], w^w>>32)
		}
	}
}

func root(n uint64) (h Hash) {
	binary.BigEndian.PutUint64(h[24:], n)
	return h
}

// plain is the tree written out.
func plain(leaves []Hash) [][]Hash {
	rows := [][]Hash{leaves}
	for len(leaves) > 1 {
		up := make([]Hash, len(leaves)/2)
		keccak(up, leaves)
		rows, leaves = append(rows, up), up
	}
	return rows
}

func checkHistory(t *testing.T, h *History, leaves []Hash) {
	t.Helper()
	rows := plain(leaves)
	for k, row := range rows {
		for i, want := range row {
			if got := h.Node(k, uint64(i)); got != want {
				t.Fatalf("node %d of height %d is %x, want %x", i, k, got, want)
			}
		}
	}
	if h.Final() != leaves[len(leaves)-1] {
		t.Fatal("the last leaf is another")
	}
	for i, leaf := range leaves {
		proof := h.Proof(uint64(i))
		if !ProveLeaf(keccak, h.Root(), uint64(i), leaf, proof) {
			t.Fatalf("the proof of leaf %d fails", i)
		}
		if ProveLeaf(keccak, h.Root(), uint64(i), root(999), proof) || ProveLeaf(keccak, h.Root(), uint64(i+len(leaves)), leaf, proof) {
			t.Fatalf("the proof of leaf %d shows something else too", i)
		}
	}
}

func TestHistory(t *testing.T) {
	for height := range 6 {
		for n := 1; n <= 1<<height; n++ {
			leaves := make([]Hash, 1<<height)
			for i := range leaves {
				leaves[i] = root(uint64(min(i, n-1)) + 1)
			}
			h, err := NewHistory(keccak, height, leaves[:n:n])
			if err != nil {
				t.Fatal(err)
			}
			checkHistory(t, h, leaves)
		}
	}
}

func TestDeviate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		height := random.IntN(7)
		leaves := []Hash{root(1)}
		h, err := NewHistory(keccak, height, []Hash{root(1)})
		if err != nil {
			t.Fatal(err)
		}
		for len(leaves) < 1<<height {
			leaves = append(leaves, root(1))
		}
		for range 1 + random.IntN(4) {
			from := random.IntN(len(leaves))
			own := make([]Hash, 1+random.IntN(len(leaves)-from))
			for i := range own {
				own[i] = root(random.Uint64N(3))
			}
			before := append([]Hash{}, leaves...)
			leaves = append(append([]Hash{}, leaves[:from]...), own...)
			for len(leaves) < 1<<height {
				leaves = append(leaves, own[len(own)-1])
			}
			d, err := h.Deviate(uint64(from), own)
			if err != nil {
				t.Fatal(err)
			}
			first, found := h.Differs(d)
			for i := range leaves {
				if leaves[i] != before[i] {
					if !found || first != uint64(i) {
						t.Fatalf("first difference %d %v, want %d", first, found, i)
					}
					break
				}
				if i == len(leaves)-1 && found {
					t.Fatal("found a difference of equal histories")
				}
			}
			checkHistory(t, h, before)
			checkHistory(t, d, leaves)
			h = d
		}
	}
}

func TestHistoryOfGreatHeight(t *testing.T) {
	h, err := NewHistory(keccak, MaxHeight, []Hash{root(1), root(2), root(3)})
	if err != nil {
		t.Fatal(err)
	}
	const last = 1<<MaxHeight - 1
	if h.Leaf(last) != root(3) || !ProveLeaf(keccak, h.Root(), last, root(3), h.Proof(last)) {
		t.Error("the last leaf is not the last real one")
	}
	for _, from := range []uint64{1, 2, 3, 1 << 40, 1<<62 + 5, last} {
		d, err := h.Deviate(from, []Hash{root(7)})
		if err != nil {
			t.Fatal(err)
		}
		if first, found := d.Differs(h); !found || first != from {
			t.Errorf("differs at %d, want %d", first, from)
		}
		if !ProveLeaf(keccak, d.Root(), from-1, h.Leaf(from-1), d.Proof(from-1)) || !ProveLeaf(keccak, d.Root(), from, root(7), d.Proof(from)) {
			t.Errorf("proofs at %d fail", from)
		}
	}
}

func TestHistoryRefuses(t *testing.T) {
	for _, c := range []struct{ height, roots int }{{-1, 1}, {64, 1}, {3, 0}, {3, 9}, {0, 2}} {
		if _, err := NewHistory(keccak, c.height, make([]Hash, c.roots)); err == nil {
			t.Errorf("a history of height %d with %d roots is accepted", c.height, c.roots)
		}
	}
	h, _ := NewHistory(keccak, 3, make([]Hash, 1))
	if _, err := h.Deviate(8, make([]Hash, 1)); err == nil {
		t.Error("a deviation behind the end is accepted")
	}
	if _, err := h.Deviate(7, make([]Hash, 2)); err == nil {
		t.Error("a deviation over the end is accepted")
	}
}
