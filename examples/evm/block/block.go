// Package block makes the input of the example guest: a chain with a token on it, a block of signed
// transactions, and every pre-image that the guest asks for when it executes that block.
// go-ethereum, with its own database, is the oracle for the state root.
//
// All of it is derived from one seed: the same number of transactions gives the same bytes.
package block

import (
	"fmt"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/flexemu/flexemu/examples/evm/execute"
	"github.com/flexemu/flexemu/examples/preimage"
)

// Transactions is the number of transactions of the example block as the documentation shows it. At
// least 100 of them move tokens.
const Transactions = 108

// maxTransactions keeps the input below preimage.MaxLength, with a wide margin.
const maxTransactions = 100_000

// Generate makes a block with that many transactions. It returns the pre-images by key, the
// program's own inputs among them, and the state root after the block, which the program's input
// claims.
func Generate(transactions int) (preimages map[[32]byte][]byte, postRoot [32]byte, err error) {
	if transactions < 1 || transactions > maxTransactions {
		return nil, postRoot, fmt.Errorf("generate a block: %d transactions, want 1 to %d", transactions, maxTransactions)
	}
	preimages, postRoot, err = generate(transactions)
	if err != nil {
		return nil, postRoot, fmt.Errorf("generate a block of %d transactions: %w", transactions, err)
	}
	return preimages, postRoot, nil
}

func generate(transactions int) (preimages map[[32]byte][]byte, postRoot common.Hash, err error) {
	accounts := make([]*account, 4+transactions/4)
	for i := range accounts {
		accounts[i] = newAccount(i)
	}
	c, err := newChain(accounts, new(big.Int).Mul(big.NewInt(1000), big.NewInt(params.Ether)))
	if err != nil {
		return nil, postRoot, err
	}
	w := &writer{signer: types.LatestSigner(c.config), accounts: accounts}
	before := c.next()
	if before.Transactions, err = w.setup(before.BaseFee); err != nil {
		return nil, postRoot, err
	}
	if err := c.apply(before); err != nil {
		return nil, postRoot, err
	}
	after := c.next()
	if after.Transactions, err = w.block(after.BaseFee, transactions); err != nil {
		return nil, postRoot, err
	}
	if err := c.apply(after); err != nil {
		return nil, postRoot, err
	}
	preimages, err = collect(c, after)
	return preimages, c.head.Root, err
}

// collect returns the pre-images that the guest asks for, by running it, and checks that it agrees
// with the oracle.
func collect(c *chain, input *execute.Input) (map[[32]byte][]byte, error) {
	encoded, err := rlp.EncodeToBytes(input)
	if err != nil {
		return nil, fmt.Errorf("encode the input: %w", err)
	}
	hash := crypto.Keccak256Hash(encoded)
	known := map[preimage.Key][]byte{
		preimage.Local(execute.InputHash):   hash[:],
		preimage.Local(execute.ClaimedRoot): c.head.Root[:],
		preimage.Keccak256(hash):            encoded,
	}
	for hash, header := range c.known {
		if known[preimage.Keccak256(hash)], err = rlp.EncodeToBytes(header); err != nil {
			return nil, fmt.Errorf("encode the header %v: %w", hash, err)
		}
	}
	entries := c.disk.NewIterator(nil, nil)
	defer entries.Release()
	for entries.Next() {
		name := entries.Key()
		if isCode, hash := rawdb.IsCodeKey(name); isCode {
			name = hash
		}
		if len(name) == common.HashLength {
			known[preimage.Keccak256(common.Hash(name))] = common.CopyBytes(entries.Value())
		}
	}
	asked := make(map[[32]byte][]byte)
	source := func(key preimage.Key) ([]byte, error) {
		data, ok := known[key]
		if !ok {
			return nil, fmt.Errorf("pre-image %v: not on the chain", key)
		}
		asked[key] = data
		return data, nil
	}
	valid, err := execute.Run(source, io.Discard)
	if err != nil {
		return nil, fmt.Errorf("run the guest: %w", err)
	}
	if !valid {
		return nil, fmt.Errorf("the guest finds another state root than %v", c.head.Root)
	}
	return asked, nil
}
