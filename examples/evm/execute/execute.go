package execute

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/flexemu/flexemu/examples/evm/sender"
	"github.com/flexemu/flexemu/examples/preimage"
)

// Result is what the execution of a block came to.
type Result struct {
	Calls     int // transactions that call a contract
	Transfers int // transactions that only move ether
	Creations int // transactions that create a contract
	Failed    int // those of them all that were reverted or ran out of gas
	Created   []Creation
	GasUsed   uint64
	Logs      int
	Pre, Post common.Hash // state roots
}

// Creation is a contract that a transaction created.
type Creation struct {
	Address common.Address
	Size    int // bytes of its code
}

// Run reads the program's input, executes the block and prints the result. It tells whether the
// claimed root is the one that it found.
func Run(source preimage.Source, stdout io.Writer) (valid bool, err error) {
	input, parent, claimed, err := ReadInput(source)
	if err != nil {
		return false, err
	}
	result, err := Execute(source, input, parent)
	if err != nil {
		return false, fmt.Errorf("block %d: %w", input.Number, err)
	}
	valid = result.Post == claimed

	var text bytes.Buffer
	fmt.Fprintf(&text, "block %d on %v\n", input.Number, input.Parent)
	fmt.Fprintf(&text, "%d transactions: %d contract calls, %d transfers of ether, %d creations; %d failed\n",
		len(input.Transactions), result.Calls, result.Transfers, result.Creations, result.Failed)
	for _, created := range result.Created {
		fmt.Fprintf(&text, "created %v, %d bytes of code\n", created.Address, created.Size)
	}
	fmt.Fprintf(&text, "gas used  %d\nlogs      %d\n", result.GasUsed, result.Logs)
	fmt.Fprintf(&text, "pre root  %v\npost root %v\n", result.Pre, result.Post)
	if valid {
		fmt.Fprintln(&text, "the claim is right")
	} else {
		fmt.Fprintf(&text, "the claim is wrong: %v\n", claimed)
	}
	if _, err := stdout.Write(text.Bytes()); err != nil {
		return valid, fmt.Errorf("print the result: %w", err)
	}
	return valid, nil
}

// Execute runs the transactions one by one on the state after parent. A transaction that the rules
// of the chain forbid, a wrong nonce for example, makes the whole block invalid: an error.
func Execute(source preimage.Source, input *Input, parent *types.Header) (*Result, error) {
	if !parent.Number.IsUint64() || parent.Number.Uint64()+1 != input.Number {
		return nil, fmt.Errorf("the block before has the number %v", parent.Number)
	}
	if input.BaseFee.BitLen() > 256 {
		return nil, fmt.Errorf("the base fee has %d bits, more than 256", input.BaseFee.BitLen())
	}
	config := ChainConfig()
	number := new(big.Int).SetUint64(input.Number)
	signer, err := sender.Recover(types.MakeSigner(config, number, input.Time), input.Transactions)
	if err != nil {
		return nil, err
	}
	db, kept, err := openState(source, parent.Root)
	if err != nil {
		return nil, fmt.Errorf("open the state %v: %w", parent.Root, err)
	}
	e := &executor{
		signer:  signer,
		baseFee: input.BaseFee,
		db:      db,
		pool:    core.NewGasPool(input.GasLimit),
		evm:     vm.NewEVM(blockContext(kept, input), db, config, vm.Config{}),
		result:  Result{Pre: parent.Root},
	}
	defer e.evm.Release()
	for i, tx := range input.Transactions {
		err := e.apply(i, tx)
		if failure := kept.failure(); failure != nil {
			err = failure // for the rules it looked like an account that does not exist
		}
		if err != nil {
			return nil, fmt.Errorf("transaction %d: %w", i, err)
		}
	}
	e.result.Post = db.IntermediateRoot(e.evm.GetRules())
	if err := errors.Join(kept.failure(), db.Error()); err != nil {
		return nil, fmt.Errorf("state root: %w", err)
	}
	e.result.GasUsed = e.pool.Used()
	e.result.Logs = len(db.Logs())
	return &e.result, nil
}

// An executor is in the middle of a block.
type executor struct {
	signer  types.Signer
	baseFee *big.Int
	db      *state.StateDB
	pool    *core.GasPool
	evm     *vm.EVM
	result  Result
}

// apply runs transaction number i and counts it in the result.
func (e *executor) apply(i int, tx *types.Transaction) error {
	message, err := core.TransactionToMessage(tx, e.signer, e.baseFee)
	if err != nil {
		return err
	}
	// The hash of the transaction only goes into its logs, which are no more than counted.
	e.db.SetTxContext(common.Hash{}, i, uint32(i+1))
	outcome, err := core.ApplyMessage(e.evm, message, e.pool)
	if err != nil {
		return err
	}
	e.db.Finalise(e.evm.GetRules())
	switch {
	case message.To == nil:
		e.result.Creations++
	case len(message.Data) == 0:
		e.result.Transfers++
	default:
		e.result.Calls++
	}
	if outcome.Failed() {
		e.result.Failed++
	} else if message.To == nil {
		address := crypto.CreateAddress(message.From, message.Nonce)
		e.result.Created = append(e.result.Created, Creation{address, e.db.GetCodeSize(address)})
	}
	return nil
}

func blockContext(kept *store, input *Input) vm.BlockContext {
	return vm.BlockContext{
		CanTransfer:      core.CanTransfer,
		Transfer:         core.Transfer,
		GetHash:          blockHashes(kept.ask, input),
		Coinbase:         input.Coinbase,
		BlockNumber:      new(big.Int).SetUint64(input.Number),
		Time:             input.Time,
		Difficulty:       new(big.Int),
		BaseFee:          input.BaseFee,
		BlobBaseFee:      big.NewInt(params.BlobTxMinBlobGasprice),
		GasLimit:         input.GasLimit,
		Random:           &input.Random,
		CostPerStateByte: params.CostPerStateByte,
	}
}

// blockHashes answers the instruction BLOCKHASH by walking the headers back. The EVM asks for no
// more than the 256 blocks before. The zero hash stands for a block that is not there, and for one whose
// header cannot be read: source must remember that failure.
func blockHashes(source preimage.Source, input *Input) vm.GetHashFunc {
	known := []common.Hash{input.Parent} // of the blocks before, the nearest first
	return func(number uint64) common.Hash {
		if number >= input.Number {
			return common.Hash{}
		}
		distance := input.Number - 1 - number
		for uint64(len(known)) <= distance {
			header, err := readHeader(source, known[len(known)-1])
			if err != nil {
				return common.Hash{}
			}
			known = append(known, header.ParentHash)
		}
		return known[distance]
	}
}
