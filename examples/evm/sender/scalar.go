package sender

import (
	"math/big"

	"github.com/holiman/uint256"
)

// order is the number of points of the curve, a prime.
var order = uint256.MustFromHex("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")

var reciprocal = uint256.Reciprocal(order)

// mulMod is a·b modulo the order.
func mulMod(a, b *uint256.Int) *uint256.Int {
	return new(uint256.Int).MulModWithReciprocal(a, b, order, &reciprocal)
}

// The curve has an endomorphism: (cubeRoot·x, y) is lambda times (x, y), as both numbers are cube
// roots of 1, in the field and modulo the order. So a number k can be split into halves with
// k = low + lambda·high, and one sequence of doublings does for both. shortB1 and shortB2 are the
// second coordinates, without their signs, of two short vectors (a, b) with a + lambda·b = 0.
// Source: Hankerson, Menezes, Vanstone, Guide to Elliptic Curve Cryptography, section 3.5.
var (
	cubeRoot = element{0xc1396c28719501ee, 0x9cf0497512f58995, 0x6e64479eac3434e9, 0x7ae96a2b657c0710}
	lambda   = uint256.MustFromHex("0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72")
	shortB1  = uint256.MustFromHex("0xe4437ed6010e88286f547fa90abfe4c3") // negative
	shortB2  = uint256.MustFromHex("0x3086d221a7d46bcde86c90e49284eb15") // positive
)

// halfBits is the length of a half: below the sum of the coordinates of the two short vectors.
const halfBits = 129

// A half is a signed number of at most halfBits bits.
type half struct {
	size     uint256.Int
	negative bool
}

// split returns the halves of k, a number below the order: what is left of (k, 0) when as much of
// both short vectors is taken away as goes into it.
func split(k *uint256.Int) (low, high half) {
	first, _ := new(uint256.Int).MulDivOverflow(k, shortB2, order)
	second, _ := new(uint256.Int).MulDivOverflow(k, shortB1, order)
	high.size.Sub(order, mulMod(second, shortB2))
	high.size.AddMod(&high.size, mulMod(first, shortB1), order)
	low.size.Sub(order, mulMod(&high.size, lambda))
	low.size.AddMod(&low.size, k, order)
	for _, h := range []*half{&low, &high} {
		if h.negative = h.size.BitLen() > halfBits; h.negative {
			h.size.Sub(order, &h.size)
		}
	}
	return low, high
}

// digits writes a half as a sum of digits times powers of two, the lowest first, with as few digits
// other than zero as possible: those are odd, below 2^(width-1) in size, and at least width places
// apart. Source: the same guide, section 3.3.1.
func (h *half) digits(width int) (list [halfBits + 1]int8) {
	k := &h.size
	words := [4]uint64{k[0], k[1], k[2]} // and a word of zeros for the last windows
	carry := uint64(0)                   // what the digit before leaves for this place: 0 or 1
	for i := 0; i < len(list); {
		window := words[i/64]>>(i%64) | words[i/64+1]<<(63-i%64)<<1
		if window&1 == carry {
			i++
			continue
		}
		window = window&(1<<width-1) + carry
		carry = window >> (width - 1)
		list[i] = int8(int64(window) - int64(carry)<<width)
		if h.negative {
			list[i] = -list[i]
		}
		i += width
	}
	return list
}

// invertAll is the inverse of each number modulo the order. None may be zero. It takes one division,
// as toAffine does.
func invertAll(numbers []uint256.Int) []uint256.Int {
	inverses := make([]uint256.Int, len(numbers))
	product := uint256.NewInt(1)
	for i := range numbers {
		inverses[i] = *product
		product = mulMod(product, &numbers[i])
	}
	inverse := uint256.MustFromBig(new(big.Int).ModInverse(product.ToBig(), order.ToBig()))
	for i := len(numbers) - 1; i >= 0; i-- {
		inverses[i] = *mulMod(&inverses[i], inverse)
		inverse = mulMod(inverse, &numbers[i])
	}
	return inverses
}
