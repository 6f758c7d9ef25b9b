package block

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/flexemu/flexemu/examples/evm/execute"
)

const secondsPerBlock = 12

var coinbase = common.BytesToAddress(derive("coinbase", 0).Bytes())

// A chain is a little Ethereum chain in memory, kept and executed by go-ethereum: the oracle of the
// example.
type chain struct {
	config *params.ChainConfig
	disk   ethdb.Database
	nodes  *triedb.Database
	head   *types.Header
	known  map[common.Hash]*types.Header
}

// newChain is a chain whose first block gives the accounts their ether.
func newChain(accounts []*account, balance *big.Int) (*chain, error) {
	c := &chain{
		config: execute.ChainConfig(),
		disk:   rawdb.NewMemoryDatabase(),
		known:  make(map[common.Hash]*types.Header),
	}
	c.nodes = triedb.NewDatabase(c.disk, triedb.HashDefaults)
	genesis := &core.Genesis{
		Config:     c.config,
		GasLimit:   params.MaxGasLimit / 2,
		Difficulty: new(big.Int),
		BaseFee:    big.NewInt(params.InitialBaseFee),
		Alloc:      make(types.GenesisAlloc),
	}
	for _, a := range accounts {
		genesis.Alloc[a.address] = types.Account{Balance: balance}
	}
	first, err := genesis.Commit(c.disk, c.nodes, nil)
	if err != nil {
		return nil, fmt.Errorf("write the first block: %w", err)
	}
	c.extend(first.Header())
	return c, nil
}

func (c *chain) extend(header *types.Header) {
	c.head = header
	c.known[header.Hash()] = header
}

// next is the input of the block after the head, still without transactions.
func (c *chain) next() *execute.Input {
	number := c.head.Number.Uint64() + 1
	return &execute.Input{
		Parent:   c.head.Hash(),
		Coinbase: coinbase,
		Number:   number,
		GasLimit: c.head.GasLimit,
		Time:     c.head.Time + secondsPerBlock,
		BaseFee:  eip1559.CalcBaseFee(c.config, c.head),
		Random:   derive("random", int(number)),
	}
}

// apply executes the block, keeps its state and makes it the head.
func (c *chain) apply(input *execute.Input) error {
	header := &types.Header{
		ParentHash:       input.Parent,
		Coinbase:         input.Coinbase,
		Difficulty:       new(big.Int),
		Number:           new(big.Int).SetUint64(input.Number),
		GasLimit:         input.GasLimit,
		Time:             input.Time,
		BaseFee:          input.BaseFee,
		MixDigest:        input.Random,
		WithdrawalsHash:  &types.EmptyWithdrawalsHash,
		BlobGasUsed:      new(uint64),
		ExcessBlobGas:    new(uint64),
		ParentBeaconRoot: new(common.Hash),
		RequestsHash:     &types.EmptyRequestsHash,
	}
	db, err := state.New(c.head.Root, state.NewMPTDatabase(c.nodes, state.NewCodeDB(c.disk)))
	if err != nil {
		return fmt.Errorf("block %d: open the state %v: %w", input.Number, c.head.Root, err)
	}
	evm := vm.NewEVM(core.NewEVMBlockContext(header, c, &header.Coinbase), db, c.config, vm.Config{})
	defer evm.Release()
	pool := core.NewGasPool(header.GasLimit)
	receipts := make(types.Receipts, len(input.Transactions))
	for i, tx := range input.Transactions {
		db.SetTxContext(tx.Hash(), i, uint32(i+1))
		receipts[i], _, err = core.ApplyTransaction(context.Background(), evm, pool, db, header, tx)
		if err != nil {
			return fmt.Errorf("block %d: transaction %d: %w", input.Number, i, err)
		}
	}
	header.GasUsed = pool.Used()
	if header.Root, err = db.Commit(evm.GetRules(), input.Number); err != nil {
		return fmt.Errorf("block %d: commit the state: %w", input.Number, err)
	}
	if err := c.nodes.Commit(header.Root, false); err != nil {
		return fmt.Errorf("block %d: write the state: %w", input.Number, err)
	}
	body := &types.Body{Transactions: input.Transactions, Withdrawals: types.Withdrawals{}}
	c.extend(types.NewBlock(header, body, receipts, trie.NewStackTrie(nil)).Header())
	return nil
}

// The rest makes a chain a core.ChainContext.

func (c *chain) Config() *params.ChainConfig                        { return c.config }
func (c *chain) CurrentHeader() *types.Header                       { return c.head }
func (c *chain) GetHeader(hash common.Hash, _ uint64) *types.Header { return c.known[hash] }
func (c *chain) GetHeaderByHash(hash common.Hash) *types.Header     { return c.known[hash] }

func (c *chain) GetHeaderByNumber(number uint64) *types.Header {
	header := c.head
	for header != nil && header.Number.Uint64() > number {
		header = c.known[header.ParentHash]
	}
	return header
}

func (c *chain) Engine() consensus.Engine {
	panic("the example's chain has no engine: the author of a block is always given")
}
