// Package execute runs a block of signed transactions with go-ethereum's EVM on a state of which it
// knows the root only: trie nodes, code and headers are pre-images that it asks for when they are
// needed. It is the guest's half of the example; package block makes the input and the pre-images.
//
// It holds what a rollup's state transition holds: recovery of the senders, nonces, balances, gas,
// contract calls and creations, fees, and the new state root. It leaves out what belongs to a chain
// around it: system contracts, withdrawals, rewards, the rules for headers.
//
// It must not import package block, which draws in what only the host needs.
package execute

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/flexemu/flexemu/examples/preimage"
)

// The program's own inputs, 32 bytes each.
const (
	InputHash   = 1 // keccak-256 of the encoded Input, which is a pre-image itself
	ClaimedRoot = 2 // the state root that somebody says is right after the block
)

// Input is the block that is to be executed: what its header says before the execution, and its
// transactions. It is encoded as RLP, field by field.
type Input struct {
	Parent       common.Hash // the hash of the header before, whose state root the block starts from
	Coinbase     common.Address
	Number       uint64
	GasLimit     uint64
	Time         uint64
	BaseFee      *big.Int
	Random       common.Hash
	Transactions types.Transactions
}

// ChainConfig is the chain of the example: all rules of Ethereum up to Osaka from its first block
// on, and the chain number 1337.
func ChainConfig() *params.ChainConfig {
	config := *params.MergedTestChainConfig
	config.ChainID = big.NewInt(1337)
	return &config
}

// ReadInput asks for the input, the header before it, and the claimed root.
func ReadInput(source preimage.Source) (input *Input, parent *types.Header, claimed common.Hash, err error) {
	hash, err := readHash(source, InputHash)
	if err != nil {
		return nil, nil, claimed, err
	}
	encoded, err := source(preimage.Keccak256(hash))
	if err != nil {
		return nil, nil, claimed, err
	}
	input = new(Input)
	if err := rlp.DecodeBytes(encoded, input); err != nil {
		return nil, nil, claimed, fmt.Errorf("decode the input %v: %w", hash, err)
	}
	if parent, err = readHeader(source, input.Parent); err != nil {
		return nil, nil, claimed, err
	}
	claimed, err = readHash(source, ClaimedRoot)
	return input, parent, claimed, err
}

func readHash(source preimage.Source, id uint64) (common.Hash, error) {
	data, err := source(preimage.Local(id))
	if err != nil {
		return common.Hash{}, err
	}
	if len(data) != common.HashLength {
		return common.Hash{}, fmt.Errorf("local input %d: %d bytes, not a hash of 32", id, len(data))
	}
	return common.Hash(data), nil
}

func readHeader(source preimage.Source, hash common.Hash) (*types.Header, error) {
	data, err := source(preimage.Keccak256(hash))
	if err != nil {
		return nil, err
	}
	header := new(types.Header)
	if err := rlp.DecodeBytes(data, header); err != nil {
		return nil, fmt.Errorf("decode the header %v: %w", hash, err)
	}
	return header, nil
}
