package ir_test

import (
	"math/big"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
)

var (
	modulus = new(big.Int).Lsh(big.NewInt(1), 64)
	half    = new(big.Int).Lsh(big.NewInt(1), 63)
)

// unsigned and signed read a word as a number of mathematics, word reads a number modulo 2^64.
func unsigned(v uint64) *big.Int { return new(big.Int).SetUint64(v) }

func signed(v uint64) *big.Int {
	n := unsigned(v)
	if n.Cmp(half) >= 0 {
		n.Sub(n, modulus)
	}
	return n
}

func word(n *big.Int) uint64 { return new(big.Int).Mod(n, modulus).Uint64() }

func integer() *big.Int { return new(big.Int) }

// power is 2^n.
func power(n uint64) *big.Int { return integer().Lsh(big.NewInt(1), uint(n)) }

func truth(b bool) *big.Int {
	if b {
		return big.NewInt(1)
	}
	return big.NewInt(0)
}

// truncated divides by rounding towards zero, which is what all our instruction sets do.
func truncated(op func(z, x, y *big.Int) *big.Int, x, y *big.Int) *big.Int {
	if y.Sign() == 0 {
		return integer()
	}
	return op(integer(), x, y)
}

// upper is the upper half of a product: floor(n / 2^64).
func upper(n *big.Int) *big.Int { return integer().Rsh(n, 64) }

// extended is v mod 2^n as a signed number of n bits.
func extended(v, n uint64) *big.Int {
	low := integer().Mod(unsigned(v), power(n))
	if low.Cmp(power(n-1)) >= 0 {
		low.Sub(low, power(n))
	}
	return low
}

type binary struct {
	build func(b *ir.Builder, x, y ir.Value) ir.Value
	want  func(x, y uint64) *big.Int
}

var binaries = map[string]binary{
	"add":    {(*ir.Builder).Add, func(x, y uint64) *big.Int { return integer().Add(unsigned(x), unsigned(y)) }},
	"sub":    {(*ir.Builder).Sub, func(x, y uint64) *big.Int { return integer().Sub(unsigned(x), unsigned(y)) }},
	"mul":    {(*ir.Builder).Mul, func(x, y uint64) *big.Int { return integer().Mul(unsigned(x), unsigned(y)) }},
	"mulhu":  {(*ir.Builder).MulHighU, func(x, y uint64) *big.Int { return upper(integer().Mul(unsigned(x), unsigned(y))) }},
	"mulhs":  {(*ir.Builder).MulHighS, func(x, y uint64) *big.Int { return upper(integer().Mul(signed(x), signed(y))) }},
	"mulhsu": {(*ir.Builder).MulHighSU, func(x, y uint64) *big.Int { return upper(integer().Mul(signed(x), unsigned(y))) }},
	"divu":   {(*ir.Builder).DivU, func(x, y uint64) *big.Int { return truncated((*big.Int).Quo, unsigned(x), unsigned(y)) }},
	"divs":   {(*ir.Builder).DivS, func(x, y uint64) *big.Int { return truncated((*big.Int).Quo, signed(x), signed(y)) }},
	"remu":   {(*ir.Builder).RemU, func(x, y uint64) *big.Int { return truncated((*big.Int).Rem, unsigned(x), unsigned(y)) }},
	"rems":   {(*ir.Builder).RemS, func(x, y uint64) *big.Int { return truncated((*big.Int).Rem, signed(x), signed(y)) }},
	"and":    {(*ir.Builder).And, func(x, y uint64) *big.Int { return integer().And(unsigned(x), unsigned(y)) }},
	"or":     {(*ir.Builder).Or, func(x, y uint64) *big.Int { return integer().Or(unsigned(x), unsigned(y)) }},
	"xor":    {(*ir.Builder).Xor, func(x, y uint64) *big.Int { return integer().Xor(unsigned(x), unsigned(y)) }},
	"shl":    {(*ir.Builder).Shl, func(x, y uint64) *big.Int { return integer().Mul(unsigned(x), power(y%64)) }},
	"shru":   {(*ir.Builder).ShrU, func(x, y uint64) *big.Int { return integer().Div(unsigned(x), power(y%64)) }},
	"shrs":   {(*ir.Builder).ShrS, func(x, y uint64) *big.Int { return integer().Div(signed(x), power(y%64)) }}, // Div rounds down
	"eq":     {(*ir.Builder).Eq, func(x, y uint64) *big.Int { return truth(unsigned(x).Cmp(unsigned(y)) == 0) }},
	"ne":     {(*ir.Builder).Ne, func(x, y uint64) *big.Int { return truth(unsigned(x).Cmp(unsigned(y)) != 0) }},
	"ltu":    {(*ir.Builder).LtU, func(x, y uint64) *big.Int { return truth(unsigned(x).Cmp(unsigned(y)) < 0) }},
	"lts":    {(*ir.Builder).LtS, func(x, y uint64) *big.Int { return truth(signed(x).Cmp(signed(y)) < 0) }},
}

var unaries = map[string]struct {
	build func(b *ir.Builder, x ir.Value) ir.Value
	want  func(x uint64) *big.Int
}{
	"sext8":  {(*ir.Builder).Sext8, func(x uint64) *big.Int { return extended(x, 8) }},
	"sext16": {(*ir.Builder).Sext16, func(x uint64) *big.Int { return extended(x, 16) }},
	"sext32": {(*ir.Builder).Sext32, func(x uint64) *big.Int { return extended(x, 32) }},
	"zext32": {(*ir.Builder).Zext32, func(x uint64) *big.Int { return integer().Mod(unsigned(x), power(32)) }},
	"clz":    {(*ir.Builder).Clz, func(x uint64) *big.Int { return big.NewInt(int64(64 - unsigned(x).BitLen())) }},
	"ctz": {(*ir.Builder).Ctz, func(x uint64) *big.Int {
		if x == 0 {
			return big.NewInt(64)
		}
		return big.NewInt(int64(unsigned(x).TrailingZeroBits()))
	}},
	"popc": {(*ir.Builder).Popc, func(x uint64) *big.Int {
		n := int64(0)
		for bit := range 64 {
			n += int64(unsigned(x).Bit(bit))
		}
		return big.NewInt(n)
	}},
	"bswap": {(*ir.Builder).Bswap, func(x uint64) *big.Int {
		bytes := unsigned(x).FillBytes(make([]byte, 8))
		n := integer()
		for k, c := range bytes {
			n.Add(n, integer().Mul(big.NewInt(int64(c)), power(uint64(8*k))))
		}
		return n
	}},
	"not":    {(*ir.Builder).Not, func(x uint64) *big.Int { return integer().Not(unsigned(x)) }},
	"neg":    {(*ir.Builder).Neg, func(x uint64) *big.Int { return integer().Neg(unsigned(x)) }},
	"bool":   {(*ir.Builder).Bool, func(x uint64) *big.Int { return truth(x > 0) }},
	"iszero": {(*ir.Builder).IsZero, func(x uint64) *big.Int { return truth(x == 0) }},
}

var edges = []uint64{
	0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
	0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe, 0xffff_ffff, 0x1_0000_0000, 0x1234_5678_9abc_def0,
	1<<62 - 1, 1 << 62, 1<<63 - 1, 1 << 63, 1<<63 + 1, 0xfedc_ba98_7654_3210,
	0xffff_ffff_0000_0000, 0xffff_ffff_7fff_ffff, 0xffff_ffff_8000_0000, ^uint64(63), ^uint64(2), ^uint64(1), ^uint64(0),
}

// result evaluates a value that is built from operands, some of which are constants for the builder (bit n of
// constant says operand n is) and the rest fields.
func result(constant int, operands []uint64, build func(b *ir.Builder, v []ir.Value) ir.Value) uint64 {
	b := ir.NewBuilder(false)
	names := []string{"a", "b", "c"}
	fields := map[string]uint64{}
	values := make([]ir.Value, len(operands))
	for n, v := range operands {
		if constant>>n&1 != 0 {
			values[n] = b.Const(v)
			continue
		}
		fields[names[n]] = v
		values[n] = b.Field(names[n])
	}
	b.Set(ir.Lo, build(b, values))
	s := newFake()
	ir.Eval(b.Func(), fields, s)
	return s.cells[ir.Lo]
}

// TestOperations compares every operation with its formula, for all ways to fold constants.
func TestOperations(t *testing.T) {
	for name, op := range binaries {
		for _, x := range edges {
			for _, y := range edges {
				want := word(op.want(x, y))
				for constant := range 4 {
					got := result(constant, []uint64{x, y}, func(b *ir.Builder, v []ir.Value) ir.Value { return op.build(b, v[0], v[1]) })
					if got != want {
						t.Fatalf("%s of %#x and %#x is %#x, not %#x (constants: %02b)", name, x, y, got, want, constant)
					}
				}
			}
		}
	}
	for name, op := range unaries {
		for _, x := range edges {
			want := word(op.want(x))
			for constant := range 2 {
				got := result(constant, []uint64{x}, func(b *ir.Builder, v []ir.Value) ir.Value { return op.build(b, v[0]) })
				if got != want {
					t.Fatalf("%s of %#x is %#x, not %#x (constants: %b)", name, x, got, want, constant)
				}
			}
		}
	}
}

func TestSelect(t *testing.T) {
	for _, c := range []uint64{0, 1, 2, 1 << 63, ^uint64(0)} {
		want := uint64(10)
		if c == 0 {
			want = 20
		}
		for constant := range 8 {
			got := result(constant, []uint64{c, 10, 20}, func(b *ir.Builder, v []ir.Value) ir.Value { return b.Select(v[0], v[1], v[2]) })
			if got != want {
				t.Errorf("select of %d is %d, not %d (constants: %03b)", c, got, want, constant)
			}
		}
	}
}

// TestImmediates compares the forms with a number of Go with those of two values.
func TestImmediates(t *testing.T) {
	forms := map[string]func(b *ir.Builder, x ir.Value, n uint64) ir.Value{
		"add": (*ir.Builder).AddI, "and": (*ir.Builder).AndI, "shl": (*ir.Builder).ShlI, "shru": (*ir.Builder).ShrI, "shrs": (*ir.Builder).SarI,
	}
	for name, form := range forms {
		for _, x := range edges {
			for _, n := range edges {
				got := result(0, []uint64{x}, func(b *ir.Builder, v []ir.Value) ir.Value { return form(b, v[0], n) })
				if want := word(binaries[name].want(x, n)); got != want {
					t.Fatalf("%s of %#x and the number %#x is %#x, not %#x", name, x, n, got, want)
				}
			}
		}
	}
}
