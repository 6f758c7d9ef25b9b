// Package devchain is an Ethereum chain inside the process: go-ethereum's virtual machine and its rules for transactions,
// with a block for each transaction and a clock that is set by hand. There is no network, no proposer and no history of
// states: only the newest one can be asked. It is for demonstrations and tests.
package devchain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/flexemu/flexemu/internal/dispute/eth"
)

const (
	gasLimit = 60_000_000    // of a block
	baseFee  = params.GWei   // of every block, in wei
	tip      = params.GWei   // that is asked for, in wei
	firstAge = 1_700_000_000 // time of the first block, in seconds
)

// A Chain is an eth.Node. Its methods may be called concurrently.
type Chain struct {
	mu       sync.Mutex
	config   *params.ChainConfig
	state    *state.StateDB
	blocks   []eth.Block
	now      uint64 // time of the next block, at least
	logs     []types.Log
	txs      map[common.Hash]*types.Transaction
	receipts map[common.Hash]*types.Receipt
}

var _ eth.Node = (*Chain)(nil)

// New makes a chain on which accounts have so many wei.
func New(accounts map[common.Address]*big.Int) (*Chain, error) {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return nil, fmt.Errorf("new chain: %w", err)
	}
	c := &Chain{
		config: params.MergedTestChainConfig, state: db, now: firstAge,
		txs: map[common.Hash]*types.Transaction{}, receipts: map[common.Hash]*types.Receipt{},
	}
	for a, wei := range accounts {
		amount, overflow := uint256.FromBig(wei)
		if overflow {
			return nil, fmt.Errorf("new chain: %v wei are too many", wei)
		}
		db.AddBalance(a, amount, tracing.BalanceIncreaseGenesisBalance)
	}
	c.mine()
	return c, nil
}

// Now is the time of the next block, in seconds.
func (c *Chain) Now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pass lets so many seconds go by, and makes an empty block.
func (c *Chain) Pass(seconds uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += seconds
	c.mine()
}

// mine makes a block, to which the state belongs. Its hash stands for nothing but its number and time.
func (c *Chain) mine() {
	b := eth.Block{Number: uint64(len(c.blocks)), Time: c.now, BaseFee: big.NewInt(baseFee)}
	b.Hash = crypto.Keccak256Hash(binary(b.Number), binary(b.Time))
	c.blocks = append(c.blocks, b)
}

func binary(n uint64) []byte { return new(big.Int).SetUint64(n).FillBytes(make([]byte, 8)) }

// evm makes a machine for the next block.
func (c *Chain) evm(config vm.Config) *vm.EVM {
	return vm.NewEVM(vm.BlockContext{
		CanTransfer:      core.CanTransfer,
		Transfer:         core.Transfer,
		GetHash:          func(n uint64) common.Hash { return crypto.Keccak256Hash(binary(n)) },
		BlockNumber:      big.NewInt(int64(len(c.blocks))),
		Time:             c.now,
		GasLimit:         gasLimit,
		Difficulty:       new(big.Int),
		BaseFee:          big.NewInt(baseFee),
		BlobBaseFee:      big.NewInt(params.BlobTxMinBlobGasprice),
		Random:           new(common.Hash), // marks a chain after the merge
		CostPerStateByte: params.CostPerStateByte,
	}, c.state, c.config, config)
}

// try executes a call as the next transaction and undoes it.
func (c *Chain) try(m ethereum.CallMsg, gas uint64) (*core.ExecutionResult, error) {
	value, overflow := uint256.FromBig(orZero(m.Value))
	if overflow {
		return nil, fmt.Errorf("%v wei are too many", m.Value)
	}
	before := c.state.Snapshot()
	defer c.state.RevertToSnapshot(before)
	call := &core.Message{
		To: m.To, From: m.From, Value: value, GasLimit: gas, Data: m.Data,
		GasPrice: new(uint256.Int), GasFeeCap: new(uint256.Int), GasTipCap: new(uint256.Int),
	}
	call.SkipNonceCheck().SkipEOACheck().SkipGasLimitCapCheck()
	return core.ApplyMessage(c.evm(vm.Config{NoBaseFee: true}), call, core.NewGasPool(gas))
}

func orZero(n *big.Int) *big.Int {
	if n == nil {
		return new(big.Int)
	}
	return n
}

// A revert is an error as a node's JSON-RPC gives it.
type revert struct{ data []byte }

func (r *revert) Error() string  { return "execution reverted" }
func (r *revert) ErrorCode() int { return 3 }
func (r *revert) ErrorData() any { return hexutil.Encode(r.data) }
func failed(r *core.ExecutionResult) error {
	if errors.Is(r.Err, vm.ErrExecutionReverted) {
		return &revert{r.Revert()}
	}
	return r.Err
}

// ChainID implements eth.Node.
func (c *Chain) ChainID(context.Context) (*big.Int, error) { return c.config.ChainID, nil }

// Block implements eth.Node.
func (c *Chain) Block(_ context.Context, number *big.Int) (eth.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := uint64(len(c.blocks) - 1)
	if number != nil {
		n = number.Uint64()
	}
	if n >= uint64(len(c.blocks)) {
		return eth.Block{}, ethereum.NotFound
	}
	return c.blocks[n], nil
}

// Call implements eth.Node, for the newest block.
func (c *Chain) Call(_ context.Context, m ethereum.CallMsg, block common.Hash) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if newest := c.blocks[len(c.blocks)-1]; block != newest.Hash {
		return nil, fmt.Errorf("call in block %v: only the state of the newest one, %d, is there", block, newest.Number)
	}
	r, err := c.try(m, gasLimit)
	if err != nil {
		return nil, err
	}
	return r.Return(), failed(r)
}

// Code implements eth.Node.
func (c *Chain) Code(_ context.Context, a common.Address) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.state.GetCode(a)), nil
}

// Balance implements eth.Node.
func (c *Chain) Balance(_ context.Context, a common.Address) (*big.Int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.GetBalance(a).ToBig(), nil
}

// Logs implements eth.Node, for addresses and blocks.
func (c *Chain) Logs(_ context.Context, q ethereum.FilterQuery) ([]types.Log, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []types.Log
	for _, l := range c.logs {
		if l.BlockNumber >= orZero(q.FromBlock).Uint64() && (q.ToBlock == nil || l.BlockNumber <= q.ToBlock.Uint64()) &&
			slices.Contains(q.Addresses, l.Address) {
			found = append(found, l)
		}
	}
	return found, nil
}

// Estimate implements eth.Node.
func (c *Chain) Estimate(_ context.Context, m ethereum.CallMsg) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.try(m, params.MaxTxGas)
	if err == nil {
		err = failed(r)
	}
	if err != nil {
		return 0, err
	}
	// Calls get 63 of 64 parts of what is left.
	for gas := r.MaxUsedGas; ; gas += gas / 32 {
		r, err := c.try(m, min(gas, params.MaxTxGas))
		if err == nil && !r.Failed() || gas >= params.MaxTxGas {
			return min(gas, params.MaxTxGas), err
		}
	}
}

// Tip implements eth.Node.
func (c *Chain) Tip(context.Context) (*big.Int, error) { return big.NewInt(tip), nil }

// Send implements eth.Node: it makes a block of the transaction at once.
func (c *Chain) Send(_ context.Context, tx *types.Transaction) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	hash := tx.Hash()
	if c.txs[hash] != nil {
		return errors.New("already known")
	}
	signer := types.LatestSigner(c.config)
	m, err := core.TransactionToMessage(tx, signer, big.NewInt(baseFee))
	if err != nil {
		return err
	}
	switch nonce := c.state.GetNonce(m.From); {
	case m.Nonce < nonce:
		return fmt.Errorf("nonce too low: %d, next is %d", m.Nonce, nonce)
	case m.Nonce > nonce:
		return fmt.Errorf("nonce too high: %d, next is %d; this chain keeps nothing waiting", m.Nonce, nonce)
	}
	c.state.SetTxContext(hash, 0, 0)
	evm := c.evm(vm.Config{})
	r, err := core.ApplyMessage(evm, m, core.NewGasPool(gasLimit))
	if err != nil {
		return err
	}
	c.state.Finalise(evm.GetRules())
	c.mine()
	b := c.blocks[len(c.blocks)-1]
	c.txs[hash] = tx
	receipt := &types.Receipt{
		Type: tx.Type(), Status: types.ReceiptStatusSuccessful, TxHash: hash, GasUsed: r.UsedGas, CumulativeGasUsed: r.UsedGas,
		EffectiveGasPrice: m.GasPrice.ToBig(), BlockHash: b.Hash, BlockNumber: new(big.Int).SetUint64(b.Number),
		Logs: c.state.GetLogs(hash, b.Number, b.Hash, b.Time),
	}
	if r.Failed() {
		receipt.Status = types.ReceiptStatusFailed
	}
	if tx.To() == nil {
		receipt.ContractAddress = crypto.CreateAddress(m.From, m.Nonce)
	}
	for i, l := range receipt.Logs {
		l.Index = uint(i)
		c.logs = append(c.logs, *l)
	}
	c.receipts[hash] = receipt
	return nil
}

// Transaction implements eth.Node.
func (c *Chain) Transaction(_ context.Context, hash common.Hash) (*types.Transaction, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tx := c.txs[hash]; tx != nil {
		return tx, nil
	}
	return nil, ethereum.NotFound
}

// Receipt implements eth.Node.
func (c *Chain) Receipt(_ context.Context, hash common.Hash) (*types.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.receipts[hash]; r != nil {
		return r, nil
	}
	return nil, ethereum.NotFound
}

// Nonces implements eth.Node.
func (c *Chain) Nonces(_ context.Context, a common.Address) (mined, pending uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.state.GetNonce(a)
	return n, n, nil
}
