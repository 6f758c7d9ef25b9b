// Package sender recovers the senders of the transactions of a block from their signatures.
//
// go-ethereum's recovery without cgo takes 2.6 million steps for a signature on a 64-bit MIPS
// machine, and 120 million for its tables: most of the run of a guest that executes a block. This one
// is made for 64-bit words and for a block as a whole, and takes 0.7 million. It is not for signing:
// nothing in it takes constant time. Source of the scheme: SEC 1, section 4.1.6, and the Ethereum
// Yellow Paper, appendix F.
package sender

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

var errSignature = errors.New("invalid signature")

// A Signer is a signer that knows the senders of some transactions beforehand.
type Signer struct {
	types.Signer
	senders map[*types.Transaction]common.Address
}

// Recover is the signer together with the senders of the transactions. It fails where one of them
// is not signed for the signer's chain, or its signature belongs to no key.
func Recover(signer types.Signer, transactions types.Transactions) (*Signer, error) {
	signatures := make([]signature, len(transactions))
	for i, tx := range transactions {
		var err error
		if signatures[i], err = read(signer, tx); err != nil {
			return nil, fmt.Errorf("sender of transaction %d: %w", i, err)
		}
	}
	addresses, err := recoverAll(signatures)
	if err != nil {
		return nil, err
	}
	known := &Signer{signer, make(map[*types.Transaction]common.Address, len(transactions))}
	for i, tx := range transactions {
		known.senders[tx] = addresses[i]
	}
	return known, nil
}

// Sender is the sender of the transaction.
func (s *Signer) Sender(tx *types.Transaction) (common.Address, error) {
	if address, ok := s.senders[tx]; ok {
		return address, nil
	}
	return s.Signer.Sender(tx)
}

// A signature of a hash.
type signature struct {
	hash common.Hash
	r, s uint256.Int
	odd  bool // the y of the point that r is the x of
}

// read takes the signature out of a transaction and checks its numbers.
func read(signer types.Signer, tx *types.Transaction) (signature, error) {
	v, r, s := tx.RawSignatureValues()
	if tx.Type() == types.LegacyTxType {
		if tx.Protected() {
			// EIP-155: v is 35 + 2·chain + parity.
			v = new(big.Int).Sub(v, new(big.Int).Lsh(signer.ChainID(), 1))
			v.Sub(v, big.NewInt(35))
		} else {
			signer = types.HomesteadSigner{}
			v = new(big.Int).Sub(v, big.NewInt(27))
		}
	} else if tx.ChainId().Cmp(signer.ChainID()) != 0 {
		return signature{}, fmt.Errorf("%w: chain %v, not %v", types.ErrInvalidChainId, tx.ChainId(), signer.ChainID())
	}
	if v.BitLen() > 1 || v.Sign() < 0 || !crypto.ValidateSignatureValues(byte(v.Uint64()), r, s, true) {
		return signature{}, errSignature
	}
	return signature{signer.Hash(tx), *uint256.MustFromBig(r), *uint256.MustFromBig(s), v.Uint64() == 1}, nil
}

// Widths of the windows in which the numbers before the generator and before a signature's point
// are read. The multiples of the generator are made once for all signatures.
const (
	generatorWidth = 8
	pointWidth     = 5
)

// recoverAll finds the addresses. A signature (r, s) of the hash h by the key Q has s·R = h·G + r·Q,
// where r is the x of R; so Q = (s/r)·R - (h/r)·G.
func recoverAll(signatures []signature) ([]common.Address, error) {
	var (
		tables = make([]point, 0, len(signatures)<<(pointWidth-2))
		rs     = make([]uint256.Int, len(signatures))
	)
	for i := range signatures {
		s := &signatures[i]
		var x element
		b := s.r.Bytes32()
		x.setBytes(b[:])
		r, ok := lift(x, s.odd)
		if !ok {
			return nil, fmt.Errorf("sender of transaction %d: %w", i, errSignature)
		}
		tables = appendOddMultiples(tables, &r, 1<<(pointWidth-2))
		rs[i] = s.r
	}
	toAffine(tables)
	base := appendOddMultiples(nil, &generator, 1<<(generatorWidth-2))
	toAffine(base)
	ofBase := newTables(base)

	keys := make([]point, len(signatures))
	for i, inverse := range invertAll(rs) {
		hash := new(uint256.Int).SetBytes32(signatures[i].hash[:])
		u := mulMod(hash, &inverse)
		if !u.IsZero() {
			u.Sub(order, u)
		}
		v := mulMod(&signatures[i].s, &inverse)
		keys[i] = combine(u, ofBase, v, newTables(tables[i<<(pointWidth-2):(i+1)<<(pointWidth-2)]))
		if keys[i].z.isZero() {
			return nil, fmt.Errorf("sender of transaction %d: %w", i, errSignature)
		}
	}
	toAffine(keys)
	addresses := make([]common.Address, len(signatures))
	for i := range keys {
		x, y := keys[i].x.bytes(), keys[i].y.bytes()
		addresses[i] = common.BytesToAddress(crypto.Keccak256(x[:], y[:])[12:])
	}
	return addresses, nil
}

// tables are the odd multiples of a point P, and those of lambda·P.
type tables struct{ low, high []point }

func newTables(ofPoint []point) tables {
	ofLambda := make([]point, len(ofPoint))
	for i := range ofPoint {
		ofLambda[i] = ofPoint[i]
		ofLambda[i].x.mul(&ofLambda[i].x, &cubeRoot)
	}
	return tables{ofPoint, ofLambda}
}

// combine is u·G + v·R.
func combine(u *uint256.Int, ofG tables, v *uint256.Int, ofR tables) (sum point) {
	uLow, uHigh := split(u)
	vLow, vHigh := split(v)
	a, b := uLow.digits(generatorWidth), uHigh.digits(generatorWidth)
	c, d := vLow.digits(pointWidth), vHigh.digits(pointWidth)
	for i := len(a) - 1; i >= 0; i-- {
		sum.double()
		sum.addMultiple(ofG.low, a[i])
		sum.addMultiple(ofG.high, b[i])
		sum.addMultiple(ofR.low, c[i])
		sum.addMultiple(ofR.high, d[i])
	}
	return sum
}

// addMultiple adds a multiple of the point that the table is of: an odd one, or none.
func (p *point) addMultiple(odd []point, digit int8) {
	switch {
	case digit > 0:
		p.add(&odd[digit/2], false)
	case digit < 0:
		p.add(&odd[-digit/2], true)
	}
}
