package block

import (
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// seed is what all keys and addresses of the example are derived from.
const seed = "flexemu example evm"

// derive is keccak-256 of the seed, a purpose and a number.
func derive(purpose string, i int) common.Hash {
	return crypto.Keccak256Hash([]byte(seed), []byte(purpose), binary.BigEndian.AppendUint64(nil, uint64(i)))
}

// An account sends transactions.
type account struct {
	key     *ecdsa.PrivateKey
	address common.Address
	nonce   uint64 // of its next transaction
}

func newAccount(i int) *account {
	secret := derive("account", i)
	key, err := crypto.ToECDSA(secret[:])
	if err != nil {
		panic(fmt.Sprintf("the seed gives account %d a key outside the group: %v", i, err))
	}
	return &account{key: key, address: crypto.PubkeyToAddress(key.PublicKey)}
}

// sign makes the account's next transaction.
func (a *account) sign(signer types.Signer, data types.TxData) (*types.Transaction, error) {
	tx, err := types.SignNewTx(a.key, signer, data)
	if err != nil {
		return nil, fmt.Errorf("sign transaction %d of %v: %w", a.nonce, a.address, err)
	}
	a.nonce++
	return tx, nil
}

// stranger is an address that holds nothing before the block.
func stranger(i int) common.Address {
	return common.BytesToAddress(derive("stranger", i).Bytes())
}
