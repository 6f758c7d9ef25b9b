package merkle

import (
	"hash"
	"io"
	"sync"

	"golang.org/x/crypto/sha3"
)

// A sponge is a reused scalar hasher. Calls through its interfaces make their arguments escape to the
// heap; bytes therefore pass through buf, so that callers may hash what lies on their stack.
type sponge struct {
	hash.Hash
	io.Reader
	buf [512]byte
}

var sponges = sync.Pool{New: func() any {
	h := sha3.NewLegacyKeccak256()
	return &sponge{Hash: h, Reader: h.(io.Reader)}
}}

// Keccak256 returns the legacy keccak-256 digest (Ethereum's) of data.
func Keccak256(data []byte) (h Hash) {
	if !hashLane(&h, data) {
		h = hashScalar(data)
	}
	return h
}

func hashScalar(data []byte) (h Hash) {
	s := sponges.Get().(*sponge)
	s.Reset()
	for len(data) > 0 {
		n := copy(s.buf[:], data)
		s.Hash.Write(s.buf[:n])
		data = data[n:]
	}
	s.Reader.Read(s.buf[:len(h)])
	copy(h[:], s.buf[:])
	sponges.Put(s)
	return h
}

// Pair returns keccak256(l ‖ r), the parent of two nodes.
func Pair(l, r *Hash) (h Hash) {
	if !pairLane(&h, l, r) {
		h = pairScalar(l, r)
	}
	return h
}

func pairScalar(l, r *Hash) (h Hash) {
	s := sponges.Get().(*sponge)
	s.pair(&h, l, r)
	sponges.Put(s)
	return h
}

func (s *sponge) pair(dst, l, r *Hash) {
	s.Reset()
	copy(s.buf[:], l[:])
	copy(s.buf[len(l):], r[:])
	s.Hash.Write(s.buf[:2*len(l)])
	s.Reader.Read(s.buf[:len(dst)])
	copy(dst[:], s.buf[:])
}

// HashPairs sets dst[i] = keccak256(src[2i] ‖ src[2i+1]) for every i in dst. src must hold at least
// 2·len(dst) hashes. dst may be the front of src; any other overlap gives wrong results. The more
// pairs in one call, the better: up to four are hashed at once.
func HashPairs(dst, src []Hash) {
	src = src[:2*len(dst)]
	if n := pairsLanes(dst, src); n < len(dst) {
		pairsScalar(dst[n:], src[2*n:])
	}
}

func pairsScalar(dst, src []Hash) {
	s := sponges.Get().(*sponge)
	for i := range dst {
		s.pair(&dst[i], &src[2*i], &src[2*i+1])
	}
	sponges.Put(s)
}

// HashMessages sets dst[i] to the Keccak256 of message i. The messages have size bytes each and lie one behind the
// other in data. The more of them in one call, the better: up to four are hashed at once.
func HashMessages(dst []Hash, data []byte, size int) {
	data = data[:len(dst)*size]
	for i := messagesLanes(dst, data, size); i < len(dst); i++ {
		dst[i] = Keccak256(data[i*size : (i+1)*size])
	}
}
