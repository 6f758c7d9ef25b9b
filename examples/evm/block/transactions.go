package block

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/flexemu/flexemu/examples/evm/block/token"
)

// Gas limits of the transactions, above what they use.
const (
	creationGas = 1_000_000
	callGas     = 100_000
)

// A writer writes transactions, in the order in which they are executed.
type writer struct {
	signer   types.Signer
	accounts []*account
	token    common.Address // the one that everybody holds
	baseFee  *big.Int       // of the block that is being written
}

// setup is the block before: the first account deploys the token and shares it out.
func (w *writer) setup(baseFee *big.Int) (types.Transactions, error) {
	w.baseFee = baseFee
	owner := w.accounts[0]
	w.token = crypto.CreateAddress(owner.address, owner.nonce)
	deploy, err := w.send(owner, nil, creationGas, nil, token.Creation(tokens(1_000_000_000)))
	if err != nil {
		return nil, err
	}
	list := types.Transactions{deploy}
	for _, holder := range w.accounts[1:] {
		tx, err := w.send(owner, &w.token, callGas, nil, token.Transfer(holder.address, tokens(1_000)))
		if err != nil {
			return nil, err
		}
		list = append(list, tx)
	}
	return list, nil
}

// block is the block of the example: mostly transfers of the token, to other holders and to
// strangers in turn. Of 64 transactions, one creates another token, one moves that one, one moves
// more than its sender has, and two move ether.
func (w *writer) block(baseFee *big.Int, transactions int) (types.Transactions, error) {
	w.baseFee = baseFee
	var created common.Address
	list := make(types.Transactions, transactions)
	for i := range list {
		var (
			sender   = w.accounts[i%len(w.accounts)]
			receiver = stranger(i)
			to       = &w.token
			gas      = uint64(callGas)
			value    *uint256.Int
			data     []byte
		)
		if i%2 == 1 {
			receiver = w.accounts[(i*i+1)%len(w.accounts)].address
		}
		switch {
		case i%64 == 0:
			sender, to, gas = w.accounts[0], nil, creationGas
			created = crypto.CreateAddress(sender.address, sender.nonce)
			data = token.Creation(tokens(uint64(1 + i)))
		case i%64 == 1:
			sender, to = w.accounts[0], &created
			data = token.Transfer(receiver, tokens(1))
		case i%64 == 63:
			data = token.Transfer(receiver, tokens(1_000_000_000))
		case i%32 == 7:
			to, value = &receiver, uint256.NewInt(params.GWei)
		default:
			data = token.Transfer(receiver, uint256.NewInt(uint64(1000+i)))
		}
		tx, err := w.send(sender, to, gas, value, data)
		if err != nil {
			return nil, err
		}
		list[i] = tx
	}
	return list, nil
}

// send makes a transaction, every fifth of a sender's in the old form with one gas price.
func (w *writer) send(from *account, to *common.Address, gas uint64, value *uint256.Int, data []byte) (*types.Transaction, error) {
	if value == nil {
		value = new(uint256.Int)
	}
	tip := big.NewInt(params.GWei)
	highest := new(big.Int).Add(tip, new(big.Int).Lsh(w.baseFee, 1))
	if from.nonce%5 == 4 {
		return from.sign(w.signer, &types.LegacyTx{
			Nonce: from.nonce, GasPrice: highest, Gas: gas, To: to, Value: value.ToBig(), Data: data,
		})
	}
	return from.sign(w.signer, &types.DynamicFeeTx{
		ChainID: w.signer.ChainID(), Nonce: from.nonce, GasTipCap: tip, GasFeeCap: highest,
		Gas: gas, To: to, Value: value.ToBig(), Data: data,
	})
}

// tokens is that many whole tokens, in their smallest unit.
func tokens(n uint64) *uint256.Int {
	return new(uint256.Int).Mul(uint256.NewInt(n), uint256.NewInt(1e18))
}
