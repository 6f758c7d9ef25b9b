package sender

import (
	"encoding/binary"
	"math/bits"
)

// An element is a number modulo p = 2^256 - fold, the prime of secp256k1, as four words, the lowest
// first. It is below 2^256 and not always below p: zero has two forms. Nothing here takes constant
// time, as nothing here is secret.
type element [4]uint64

// fold is what 2^256 is modulo p.
const fold = 1<<32 + 977

var one = element{1}

// setBytes sets z to a big-endian number of 32 bytes.
func (z *element) setBytes(b []byte) {
	for i := range z {
		z[i] = binary.BigEndian.Uint64(b[24-8*i:])
	}
}

// bytes is z below p, big-endian.
func (z element) bytes() (b [32]byte) {
	z.normalize()
	for i, word := range z {
		binary.BigEndian.PutUint64(b[24-8*i:], word)
	}
	return b
}

// normalize makes z the number below p.
func (z *element) normalize() {
	var below element
	if below.addWord(z, fold) != 0 {
		*z = below
	}
}

func (z *element) isZero() bool {
	n := *z
	n.normalize()
	return n == element{}
}

// addWord sets z to x + word modulo 2^256 and returns the carry.
func (z *element) addWord(x *element, word uint64) (carry uint64) {
	z[0], carry = bits.Add64(x[0], word, 0)
	z[1], carry = bits.Add64(x[1], 0, carry)
	z[2], carry = bits.Add64(x[2], 0, carry)
	z[3], carry = bits.Add64(x[3], 0, carry)
	return carry
}

// subWord sets z to x - word modulo 2^256 and returns the borrow.
func (z *element) subWord(x *element, word uint64) (borrow uint64) {
	z[0], borrow = bits.Sub64(x[0], word, 0)
	z[1], borrow = bits.Sub64(x[1], 0, borrow)
	z[2], borrow = bits.Sub64(x[2], 0, borrow)
	z[3], borrow = bits.Sub64(x[3], 0, borrow)
	return borrow
}

// add sets z to x + y.
func (z *element) add(x, y *element) {
	var carry uint64
	z[0], carry = bits.Add64(x[0], y[0], 0)
	z[1], carry = bits.Add64(x[1], y[1], carry)
	z[2], carry = bits.Add64(x[2], y[2], carry)
	z[3], carry = bits.Add64(x[3], y[3], carry)
	for carry != 0 {
		carry = z.addWord(z, fold)
	}
}

// sub sets z to x - y.
func (z *element) sub(x, y *element) {
	var borrow uint64
	z[0], borrow = bits.Sub64(x[0], y[0], 0)
	z[1], borrow = bits.Sub64(x[1], y[1], borrow)
	z[2], borrow = bits.Sub64(x[2], y[2], borrow)
	z[3], borrow = bits.Sub64(x[3], y[3], borrow)
	for borrow != 0 {
		borrow = z.subWord(z, fold)
	}
}

// half sets z to x/2: an odd number is made even by adding p first.
func (z *element) half(x *element) {
	n, top := *x, uint64(0)
	if n[0]&1 == 1 {
		top = 1 - n.subWord(&n, fold) // + p is + 2^256 - fold
	}
	z[0] = n[0]>>1 | n[1]<<63
	z[1] = n[1]>>1 | n[2]<<63
	z[2] = n[2]>>1 | n[3]<<63
	z[3] = n[3]>>1 | top<<63
}

// mulAdd is x·y + t + carry, which always fits two words.
func mulAdd(x, y, t, carry uint64) (high, low uint64) {
	high, low = bits.Mul64(x, y)
	var c uint64
	low, c = bits.Add64(low, t, 0)
	high += c
	low, c = bits.Add64(low, carry, 0)
	return high + c, low
}

// mul sets z to x·y.
func (z *element) mul(x, y *element) {
	var t0, t1, t2, t3, t4, t5, t6, t7 uint64
	y0, y1, y2, y3 := y[0], y[1], y[2], y[3]

	w := x[0]
	t4, t0 = bits.Mul64(w, y0)
	t4, t1 = mulAdd(w, y1, 0, t4)
	t4, t2 = mulAdd(w, y2, 0, t4)
	t4, t3 = mulAdd(w, y3, 0, t4)
	w = x[1]
	t5, t1 = mulAdd(w, y0, t1, 0)
	t5, t2 = mulAdd(w, y1, t2, t5)
	t5, t3 = mulAdd(w, y2, t3, t5)
	t5, t4 = mulAdd(w, y3, t4, t5)
	w = x[2]
	t6, t2 = mulAdd(w, y0, t2, 0)
	t6, t3 = mulAdd(w, y1, t3, t6)
	t6, t4 = mulAdd(w, y2, t4, t6)
	t6, t5 = mulAdd(w, y3, t5, t6)
	w = x[3]
	t7, t3 = mulAdd(w, y0, t3, 0)
	t7, t4 = mulAdd(w, y1, t4, t7)
	t7, t5 = mulAdd(w, y2, t5, t7)
	t7, t6 = mulAdd(w, y3, t6, t7)
	z.reduce(t0, t1, t2, t3, t4, t5, t6, t7)
}

// square sets z to x·x: the products of different words are made once and doubled.
func (z *element) square(x *element) {
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
	var t1, t2, t3, t4, t5, t6, t7, c uint64
	t2, t1 = bits.Mul64(x0, x1)
	t3, t2 = mulAdd(x0, x2, t2, 0)
	t4, t3 = mulAdd(x0, x3, t3, 0)
	t5, t3 = mulAdd(x1, x2, t3, 0)
	t5, t4 = mulAdd(x1, x3, t4, t5)
	t6, t5 = mulAdd(x2, x3, t5, 0)

	t7 = t6 >> 63
	t6 = t6<<1 | t5>>63
	t5 = t5<<1 | t4>>63
	t4 = t4<<1 | t3>>63
	t3 = t3<<1 | t2>>63
	t2 = t2<<1 | t1>>63
	t1 = t1 << 1

	high, t0 := bits.Mul64(x0, x0)
	t1, c = bits.Add64(t1, high, 0)
	high, low := bits.Mul64(x1, x1)
	t2, c = bits.Add64(t2, low, c)
	t3, c = bits.Add64(t3, high, c)
	high, low = bits.Mul64(x2, x2)
	t4, c = bits.Add64(t4, low, c)
	t5, c = bits.Add64(t5, high, c)
	high, low = bits.Mul64(x3, x3)
	t6, c = bits.Add64(t6, low, c)
	t7 += high + c
	z.reduce(t0, t1, t2, t3, t4, t5, t6, t7)
}

// reduce sets z to the number of eight words: the upper four are multiplied by fold and added to the
// lower four, and so is the word and a half that this gives above.
func (z *element) reduce(t0, t1, t2, t3, t4, t5, t6, t7 uint64) {
	var c uint64
	c, t0 = mulAdd(t4, fold, t0, 0)
	c, t1 = mulAdd(t5, fold, t1, c)
	c, t2 = mulAdd(t6, fold, t2, c)
	c, t3 = mulAdd(t7, fold, t3, c)
	high, low := bits.Mul64(c, fold)
	z[0], c = bits.Add64(t0, low, 0)
	z[1], c = bits.Add64(t1, high, c)
	z[2], c = bits.Add64(t2, 0, c)
	z[3], c = bits.Add64(t3, 0, c)
	if c != 0 {
		// The sum has just wrapped, so that it is small and does not wrap again.
		z.addWord(z, fold)
	}
}

// squareTimes is x squared n times, times y: in binary, n places are appended to x's exponent, with
// y's exponent in them.
func squareTimes(x element, n int, y *element) element {
	for range n {
		x.square(&x)
	}
	x.mul(&x, y)
	return x
}

// powers returns x to the power of 3, and to the power that is 223 ones, a zero and 22 ones in
// binary: p - 2 and (p + 1) / 4 both begin with these digits.
func powers(x *element) (ones2, start element) {
	ones2 = squareTimes(*x, 1, x)
	ones3 := squareTimes(ones2, 1, x)
	ones6 := squareTimes(ones3, 3, &ones3)
	ones9 := squareTimes(ones6, 3, &ones3)
	ones11 := squareTimes(ones9, 2, &ones2)
	ones22 := squareTimes(ones11, 11, &ones11)
	ones44 := squareTimes(ones22, 22, &ones22)
	ones88 := squareTimes(ones44, 44, &ones44)
	ones176 := squareTimes(ones88, 88, &ones88)
	ones220 := squareTimes(ones176, 44, &ones44)
	ones223 := squareTimes(ones220, 3, &ones3)
	return ones2, squareTimes(ones223, 23, &ones22)
}

// invert sets z to 1/x, or to 0 for 0: to x to the power of p - 2, which ends in 0000101101.
func (z *element) invert(x *element) {
	ones2, start := powers(x)
	*z = squareTimes(squareTimes(squareTimes(start, 5, x), 3, &ones2), 2, x)
}

// root sets z to a square root of x and tells whether there is one. It is x to the power of
// (p + 1) / 4, which ends in 00001100, as p is 3 modulo 4.
func (z *element) root(x *element) bool {
	ones2, start := powers(x)
	r := squareTimes(start, 6, &ones2)
	r.square(&r)
	r.square(&r)
	var square element
	square.square(&r)
	square.sub(&square, x)
	*z = r
	return square.isZero()
}
