package merkle

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// FullSize is the number of bytes of a proof in the full form: the leaf and Depth siblings.
const FullSize = LeafSize * (1 + Depth)

// compactHead is the number of bytes before the siblings in the compact form: leaf, bit mask.
const compactHead = LeafSize + 8

// A Proof ties one leaf to a root. Siblings[i] is the sibling of the path's node on level i.
type Proof struct {
	Leaf     Hash
	Siblings [Depth]Hash
}

// Root returns the root of the tree in which the leaf stands at leafIndex (its address / LeafSize)
// among the given siblings. Index bits from Depth up are ignored.
func (p *Proof) Root(leafIndex uint64) Hash {
	h := p.Leaf
	for i := range p.Siblings {
		if leafIndex>>i&1 == 0 {
			h = Pair(&h, &p.Siblings[i])
		} else {
			h = Pair(&p.Siblings[i], &h)
		}
	}
	return h
}

// AppendFull appends the full form, FullSize bytes: the leaf, then the siblings from the bottom.
func (p *Proof) AppendFull(dst []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, FullSize)[:n+FullSize]
	siblings := dst[n+copy(dst[n:], p.Leaf[:]):]
	for i := range p.Siblings {
		*(*Hash)(siblings[LeafSize*i:]) = p.Siblings[i]
	}
	return dst
}

// ParseFull reads a proof in the full form from the front of b and returns what follows it.
func ParseFull(b []byte) (p Proof, rest []byte, err error) {
	if len(b) < FullSize {
		return Proof{}, nil, fmt.Errorf("merkle: parse proof: %d bytes, want %d", len(b), FullSize)
	}
	b = b[copy(p.Leaf[:], b):]
	for i := range p.Siblings {
		b = b[copy(p.Siblings[i][:], b):]
	}
	return p, b, nil
}

// AppendCompact appends the compact form: the leaf, 8 big-endian bytes in which bit i tells that the
// sibling on level i is present, and the present siblings from the bottom. Absent ones are Zero(i).
func (p *Proof) AppendCompact(dst []byte) []byte {
	dst = append(dst, p.Leaf[:]...)
	at := len(dst)
	dst = append(dst, make([]byte, 8)...)
	var mask uint64
	for i := range p.Siblings {
		if p.Siblings[i] != zeros[i] {
			mask |= 1 << i
			dst = append(dst, p.Siblings[i][:]...)
		}
	}
	binary.BigEndian.PutUint64(dst[at:], mask)
	return dst
}

// ParseCompact reads a proof in the compact form from the front of b and returns what follows it. A
// proof has exactly one compact form: a mask bit from Depth up and a present sibling that equals the
// zero subtree of its level are errors, as is input that ends early.
func ParseCompact(b []byte) (p Proof, rest []byte, err error) {
	if len(b) < compactHead {
		return Proof{}, nil, fmt.Errorf("merkle: parse compact proof: %d bytes, want at least %d", len(b), compactHead)
	}
	mask := binary.BigEndian.Uint64(b[LeafSize:])
	if mask>>Depth != 0 {
		return Proof{}, nil, fmt.Errorf("merkle: parse compact proof: mask %#x names levels above %d", mask, Depth-1)
	}
	if want := compactHead + LeafSize*bits.OnesCount64(mask); len(b) < want {
		return Proof{}, nil, fmt.Errorf("merkle: parse compact proof: %d bytes, mask %#x wants %d", len(b), mask, want)
	}
	copy(p.Leaf[:], b)
	b = b[compactHead:]
	for i := range p.Siblings {
		if mask>>i&1 == 0 {
			p.Siblings[i] = zeros[i]
			continue
		}
		b = b[copy(p.Siblings[i][:], b):]
		if p.Siblings[i] == zeros[i] {
			return Proof{}, nil, fmt.Errorf("merkle: parse compact proof: level %d: a zero sibling must be left out", i)
		}
	}
	return p, b, nil
}
