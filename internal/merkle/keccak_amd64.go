//go:build !purego

package merkle

import (
	"encoding/binary"

	"github.com/cloudflare/circl/simd/keccakf1600"
	"golang.org/x/sys/cpu"
)

// Which hasher this host has. Tests switch them off to reach the others; nothing else writes them.
var (
	// The 32 vector registers, rotation and three-way logic of AVX-512VL make one permutation of
	// four lanes three times as fast as with AVX2, and even a lone lane twice as fast as scalar code.
	useAVX512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX2
	useAVX2   = keccakf1600.IsEnabledX4()
)

// roundConstants are those of Keccak-f[1600] (FIPS 202, 3.2.5).
//
//lint:ignore U1000 the assembly reads it
var roundConstants = [24]uint64{
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
	0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
	0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
	0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
}

// lanes4 hashes groups × 4 pairs: dst[i] = keccak256(src[2i] ‖ src[2i+1]). A group's output is stored
// after all its input was read, so dst may equal src.
//
//go:noescape
func lanes4(dst, src *Hash, groups int)

// lane1 sets dst = keccak256(l ‖ r).
//
//go:noescape
func lane1(dst, l, r *Hash)

// absorb takes count blocks of rate bytes each into the state of a sponge. Word A[x, y] of the state is
// state[x+5y].
//
//go:noescape
func absorb(state *[stateWords]uint64, blocks *byte, count int)

// permute4 is the permutation of four states. Word A[x, y] of state i is state[4*(x+5y)+i].
//
//go:noescape
func permute4(state *[lanes * stateWords]uint64)

const (
	lanes      = 4 // that are hashed at once
	stateWords = 25
	rateWords  = 17 // of keccak-256: what the digest's 32 bytes, twice, leave of the state
	rate       = 8 * rateWords
)

// hashLane sets dst = keccak256(data) if this host has a faster way than hashScalar, and tells so.
func hashLane(dst *Hash, data []byte) bool {
	if !useAVX512 {
		return false
	}
	var state [stateWords]uint64
	for len(data) >= rate {
		count := min(len(data)/rate, maxPermutations)
		absorb(&state, &data[0], count)
		data = data[count*rate:]
	}
	var last [rate]byte
	n := copy(last[:], data)
	last[n] = 1 // the first bit of the padding; the last one may stand in the same byte
	last[rate-1] |= 0x80
	absorb(&state, &last[0], 1)
	for w := range len(dst) / 8 {
		binary.LittleEndian.PutUint64(dst[8*w:], state[w])
	}
	return true
}

// pairLane sets dst = keccak256(l ‖ r) if this host has a faster way than pairScalar, and tells so.
func pairLane(dst, l, r *Hash) bool {
	if useAVX512 {
		lane1(dst, l, r)
	}
	return useAVX512
}

// maxPermutations bounds one call of the assembly, which the Go scheduler cannot interrupt, to some 15 µs.
const maxPermutations = 64

// pairsLanes is HashPairs for as many of the first pairs as this host has a fast way for; it returns
// their number. len(src) is 2·len(dst).
func pairsLanes(dst, src []Hash) int {
	switch {
	case useAVX512:
		n := 0
		for groups := len(dst) / 4; groups > 0; groups -= maxPermutations {
			g := min(groups, maxPermutations)
			lanes4(&dst[n], &src[2*n], g)
			n += 4 * g
		}
		switch rest := len(dst) - n; rest {
		case 0:
		case 1:
			lane1(&dst[n], &src[2*n], &src[2*n+1])
		default:
			var buf [8]Hash
			copy(buf[:], src[2*n:])
			lanes4(&buf[0], &buf[0], 1)
			copy(dst[n:], buf[:rest])
		}
		return len(dst)
	case useAVX2:
		n := 0
		// Four lanes take as long as one and a half scalar hashes.
		for len(dst)-n >= 2 {
			k := min(4, len(dst)-n)
			pairsAVX2(dst[n:n+k], src[2*n:])
			n += k
		}
		return n
	}
	return 0
}

// pairsAVX2 hashes up to four pairs.
func pairsAVX2(dst, src []Hash) {
	const words = 8 // 8-byte words of a pair
	var state keccakf1600.StateX4
	a := state.Initialize(false)
	for lane := range dst {
		for w := range words {
			a[lanes*w+lane] = binary.LittleEndian.Uint64(src[2*lane+w/4][w%4*8:])
		}
		a[lanes*words+lane] = 1
		a[lanes*(rateWords-1)+lane] = 1 << 63
	}
	state.Permute()
	for lane := range dst {
		for w := range words / 2 {
			binary.LittleEndian.PutUint64(dst[lane][w*8:], a[lanes*w+lane])
		}
	}
}

// messagesLanes is HashMessages for as many of the first messages as this host has a fast way for; it returns
// their number.
func messagesLanes(dst []Hash, data []byte, size int) int {
	if !useAVX512 && !useAVX2 {
		return 0
	}
	n := 0
	for len(dst)-n >= 2 {
		k := min(lanes, len(dst)-n)
		messagesX4(dst[n:n+k], data[n*size:], size)
		n += k
	}
	return n
}

// messagesX4 hashes up to four messages.
func messagesX4(dst []Hash, data []byte, size int) {
	var own [lanes * stateWords]uint64
	var x4 keccakf1600.StateX4
	a := own[:]
	if !useAVX512 {
		a = x4.Initialize(false)
	}
	for from := 0; from <= size; from += rate {
		for lane := range dst {
			message := data[lane*size : (lane+1)*size]
			if size-from >= rate {
				absorbLane(a[lane:], message[from:])
				continue
			}
			var last [rate]byte
			n := copy(last[:], message[from:])
			last[n] = 1 // as in hashLane
			last[rate-1] |= 0x80
			absorbLane(a[lane:], last[:])
		}
		if useAVX512 {
			permute4(&own)
		} else {
			x4.Permute()
		}
	}
	for lane := range dst {
		for w := range len(dst[lane]) / 8 {
			binary.LittleEndian.PutUint64(dst[lane][8*w:], a[lanes*w+lane])
		}
	}
}

// absorbLane takes a block into every fourth word of a.
func absorbLane(a []uint64, block []byte) {
	a, block = a[:lanes*(rateWords-1)+1], block[:rate]
	for w := range rateWords {
		a[lanes*w] ^= binary.LittleEndian.Uint64(block[8*w:])
	}
}
