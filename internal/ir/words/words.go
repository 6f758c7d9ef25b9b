// Package words holds the operations of ir that Go has no operator for, for emitted code.
package words

import "math/bits"

// Truth is 1 for true.
func Truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// DivU is the quotient, 0 when b is 0.
func DivU(a, b uint64) uint64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// RemU is the remainder, 0 when b is 0.
func RemU(a, b uint64) uint64 {
	if b == 0 {
		return 0
	}
	return a % b
}

// DivS is the signed quotient, 0 when b is 0; the lowest number / -1 is itself.
func DivS(a, b uint64) uint64 {
	if b == 0 {
		return 0
	}
	return uint64(int64(a) / int64(b))
}

// RemS is the signed remainder, 0 when b is 0.
func RemS(a, b uint64) uint64 {
	if b == 0 {
		return 0
	}
	return uint64(int64(a) % int64(b))
}

// MulHighU is the upper half of the unsigned product.
func MulHighU(a, b uint64) uint64 {
	hi, _ := bits.Mul64(a, b)
	return hi
}

// MulHighS is the upper half of the signed product.
func MulHighS(a, b uint64) uint64 {
	hi, _ := bits.Mul64(a, b)
	return hi - a*(b>>63) - b*(a>>63)
}

// MulHighSU is the upper half of the product of a, signed, and b, unsigned.
func MulHighSU(a, b uint64) uint64 {
	hi, _ := bits.Mul64(a, b)
	return hi - b*(a>>63)
}

// Clz counts leading zero bits, 64 for 0.
func Clz(a uint64) uint64 { return uint64(bits.LeadingZeros64(a)) }

// Ctz counts trailing zero bits, 64 for 0.
func Ctz(a uint64) uint64 { return uint64(bits.TrailingZeros64(a)) }

// Popc counts one bits.
func Popc(a uint64) uint64 { return uint64(bits.OnesCount64(a)) }

// Bswap reverses the 8 bytes.
func Bswap(a uint64) uint64 { return bits.ReverseBytes64(a) }
