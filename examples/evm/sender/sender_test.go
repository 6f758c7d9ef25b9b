package sender

import (
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// prime is the field's prime as SEC 2 gives it.
var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1<<32+977))

func hash(purpose string, i int) common.Hash {
	return crypto.Keccak256Hash([]byte(purpose), binary.BigEndian.AppendUint64(nil, uint64(i)))
}

// numbers are elements at the edges of words, of p and of 2^256, and others in between.
func numbers() []*big.Int {
	top := new(big.Int).Lsh(big.NewInt(1), 256)
	var list []*big.Int
	for _, shift := range []uint{0, 32, 63, 64, 127, 128, 191, 192, 255} {
		for delta := int64(-1); delta <= 1; delta++ {
			list = append(list, new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), shift), big.NewInt(delta)))
		}
	}
	for delta := int64(-3); delta <= 3; delta++ {
		list = append(list, new(big.Int).Add(prime, big.NewInt(delta)))
	}
	for delta := int64(1); delta <= 3; delta++ {
		list = append(list, new(big.Int).Sub(top, big.NewInt(delta)))
	}
	for i := range 40 {
		list = append(list, hash("number", i).Big())
	}
	return list
}

func fromBig(n *big.Int) (z element) {
	z.setBytes(common.LeftPadBytes(n.Bytes(), 32))
	return z
}

func TestFieldAgainstBigInt(t *testing.T) {
	check := func(name string, got element, want *big.Int) {
		t.Helper()
		want = new(big.Int).Mod(want, prime)
		b := got.bytes()
		if new(big.Int).SetBytes(b[:]).Cmp(want) != 0 {
			t.Errorf("%s: got %x, want %x", name, b, want)
		}
	}
	list := numbers()
	for _, a := range list {
		x := fromBig(a)
		var z element
		z.square(&x)
		check("square", z, new(big.Int).Mul(a, a))
		z.half(&x)
		z.add(&z, &z)
		check("half", z, a)
		if reduced := new(big.Int).Mod(a, prime); reduced.Sign() != 0 {
			z.invert(&x)
			check("invert", z, new(big.Int).ModInverse(reduced, prime))
		} else if !x.isZero() {
			t.Errorf("%x is not found to be zero", a)
		}
		isSquare := new(big.Int).ModSqrt(new(big.Int).Mod(a, prime), prime) != nil
		if got := z.root(&x); got != isSquare {
			t.Errorf("root of %x: got %v, want %v", a, got, isSquare)
		}
		for _, b := range list {
			y := fromBig(b)
			z.mul(&x, &y)
			check("mul", z, new(big.Int).Mul(a, b))
			z.add(&x, &y)
			check("add", z, new(big.Int).Add(a, b))
			z.sub(&x, &y)
			check("sub", z, new(big.Int).Sub(a, b))
		}
	}
}

func TestSplitAndDigits(t *testing.T) {
	scalars := []*uint256.Int{{}, uint256.NewInt(1), lambda, shortB1, shortB2}
	for i := range 200 {
		k := new(uint256.Int).SetBytes(hash("scalar", i).Bytes())
		scalars = append(scalars, k.Mod(k, order))
	}
	for _, k := range scalars {
		scalars = append(scalars, new(uint256.Int).Mod(new(uint256.Int).Sub(order, k), order))
	}
	for _, k := range scalars {
		low, high := split(k)
		for width := 2; width <= 8; width++ {
			sum := value(t, high.digits(width), width)
			sum.Mul(sum, lambda.ToBig())
			sum.Add(sum, value(t, low.digits(width), width))
			if sum.Mod(sum, order.ToBig()).Cmp(k.ToBig()) != 0 {
				t.Errorf("the halves %v and %v in digits of width %d are %v, not %v", low, high, width, sum, k)
			}
		}
	}
}

// value is the number with those digits, which must have the properties that digits promises.
func value(t *testing.T, digits [halfBits + 1]int8, width int) *big.Int {
	sum, last := new(big.Int), -width
	for i, digit := range digits {
		if digit == 0 {
			continue
		}
		if digit%2 == 0 || i-last < width || int(digit) >= 1<<(width-1) || -int(digit) >= 1<<(width-1) {
			t.Errorf("width %d: digit %d at %d after one at %d", width, digit, i, last)
		}
		last = i
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(digit)), uint(i)))
	}
	return sum
}

func TestEndomorphism(t *testing.T) {
	image := generator
	image.x.mul(&image.x, &cubeRoot)
	table := appendOddMultiples(nil, &generator, 64)
	multiple := combine(lambda, newTables(table), new(uint256.Int), newTables(table))
	if !equal(image, multiple) {
		t.Error("lambda·G is not G's image")
	}
}

func equal(a, b point) bool {
	list := []point{a, b}
	toAffine(list)
	return list[0].x.bytes() == list[1].x.bytes() && list[0].y.bytes() == list[1].y.bytes()
}

// TestAddition has the cases that the formulas treat apart.
func TestAddition(t *testing.T) {
	multiples := appendOddMultiples(nil, &generator, 4) // 1, 3, 5, 7
	infinity := point{}
	for _, test := range []struct {
		name  string
		p, q  point
		minus bool
		want  point
	}{
		{"3G + 3G", multiples[1], multiples[1], false, sum(multiples[2], multiples[0])},
		{"3G - 3G", multiples[1], multiples[1], true, infinity},
		{"7G - 5G", multiples[3], multiples[2], true, sum(multiples[0], multiples[0])},
		{"G + infinity", multiples[0], infinity, false, multiples[0]},
		{"infinity + 3G", infinity, multiples[1], false, multiples[1]},
		{"infinity - 3G + 3G", sum(difference(infinity, multiples[1]), multiples[1]), infinity, false, infinity},
	} {
		p := test.p
		p.add(&test.q, test.minus)
		if p.z.isZero() != test.want.z.isZero() || !p.z.isZero() && !equal(p, test.want) {
			t.Errorf("%s is wrong", test.name)
		}
	}
}

func sum(p, q point) point {
	p.add(&q, false)
	return p
}

func difference(p, q point) point {
	p.add(&q, true)
	return p
}

// TestRecoverAllAgainstGoEthereum compares with libsecp256k1, or its Go counterpart without cgo.
func TestRecoverAllAgainstGoEthereum(t *testing.T) {
	var signatures []signature
	var want []common.Address
	for i := range 300 {
		key, err := crypto.ToECDSA(hash("key", i%10).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		digest := hash("message", i)
		switch i {
		case 0:
			digest = common.Hash{} // no part of G
		case 1:
			digest = common.MaxHash // above the order
		}
		sig, err := crypto.Sign(digest[:], key)
		if err != nil {
			t.Fatal(err)
		}
		// Other signatures than the signer makes, of other keys, which mostly exist as well.
		if i >= 150 {
			copy(sig[32:64], hash("s", i).Bytes())
			sig[64] ^= 1
		}
		public, err := crypto.SigToPub(digest[:], sig)
		if err != nil {
			t.Fatalf("signature %d: %v", i, err)
		}
		s := signature{hash: digest, odd: sig[64] == 1}
		s.r.SetBytes32(sig[:32])
		s.s.SetBytes32(sig[32:64])
		signatures = append(signatures, s)
		want = append(want, crypto.PubkeyToAddress(*public))
	}
	got, err := recoverAll(signatures)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("signature %d: address %v, want %v", i, got[i], want[i])
		}
	}
}

func TestRecoverAllRejects(t *testing.T) {
	// Half of all numbers are no x of a point; go-ethereum says which.
	found := 0
	for i := range 20 {
		s := signature{hash: hash("message", i)}
		s.r.SetBytes32(hash("r", i).Bytes())
		s.s.SetBytes32(hash("s", i).Bytes())
		r, other := s.r.Bytes32(), s.s.Bytes32()
		_, wantErr := crypto.SigToPub(s.hash[:], append(append(r[:], other[:]...), 0))
		if _, err := recoverAll([]signature{s}); (err != nil) != (wantErr != nil) {
			t.Errorf("r %v: error %v, go-ethereum's %v", &s.r, err, wantErr)
		}
		if wantErr != nil {
			found++
		}
	}
	if found == 0 {
		t.Error("no number without a point was tried")
	}
	// R = G, s = h: the key is the point at infinity.
	x := generator.x.bytes()
	s := signature{hash: hash("message", 0), odd: generator.y[0]&1 == 1}
	s.r.SetBytes32(x[:])
	s.s.SetBytes32(s.hash[:])
	if _, err := recoverAll([]signature{s}); err == nil {
		t.Error("the point at infinity passes as a key")
	}
}

func TestRecoverAgainstSigner(t *testing.T) {
	chain := big.NewInt(1337)
	signer := types.LatestSignerForChainID(chain)
	if _, err := Recover(signer, nil); err != nil {
		t.Errorf("no transactions: %v", err)
	}
	to := common.Address{1}
	key, err := crypto.ToECDSA(hash("key", 0).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(signer types.Signer, data types.TxData) *types.Transaction {
		return types.MustSignNewTx(key, signer, data)
	}
	dynamic := &types.DynamicFeeTx{ChainID: chain, To: &to, Gas: 21000}
	legacy := &types.LegacyTx{To: &to, Gas: 21000, GasPrice: big.NewInt(1)}
	good := sign(signer, dynamic)
	v, r, s := good.RawSignatureValues()
	withSignature := func(v, r, s *big.Int) *types.Transaction {
		bad := *dynamic
		bad.V, bad.R, bad.S = v, r, s
		return types.NewTx(&bad)
	}
	highS := new(big.Int).Sub(order.ToBig(), s)
	for name, tx := range map[string]*types.Transaction{
		"dynamic fee":    good,
		"access list":    sign(signer, &types.AccessListTx{ChainID: chain, To: &to, GasPrice: big.NewInt(1)}),
		"EIP-155":        sign(signer, legacy),
		"before 155":     sign(types.HomesteadSigner{}, legacy),
		"other chain":    sign(types.LatestSignerForChainID(big.NewInt(1)), &types.DynamicFeeTx{ChainID: big.NewInt(1), To: &to}),
		"other 155":      sign(types.LatestSignerForChainID(big.NewInt(1)), legacy),
		"unsigned":       types.NewTx(dynamic),
		"high s":         withSignature(new(big.Int).Xor(v, big.NewInt(1)), r, highS),
		"s of the order": withSignature(v, r, order.ToBig()),
		"r of zero":      withSignature(v, new(big.Int), s),
		"v of two":       withSignature(big.NewInt(2), r, s),
		"wide v":         withSignature(new(big.Int).Lsh(big.NewInt(1), 256), r, s),
		"wide r":         withSignature(v, new(big.Int).Lsh(big.NewInt(1), 256), s),
		"wrong parity":   withSignature(new(big.Int).Xor(v, big.NewInt(1)), r, s),
	} {
		t.Run(name, func(t *testing.T) {
			want, wantErr := types.Sender(signer, tx)
			recovered, err := Recover(signer, types.Transactions{tx})
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("error %v, go-ethereum's %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if got, err := types.Sender(recovered, tx); err != nil || got != want {
				t.Errorf("sender %v, %v; want %v", got, err, want)
			}
		})
	}
}
