package evm

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// Tx is a transaction at a time of its own, for contracts with clocks and money in them.
type Tx struct {
	From, To common.Address
	Value    *uint256.Int // wei, nil for none; the sender gets it out of nothing
	Time     uint64       // of the block, in seconds
	GasPrice uint64       // wei; the base fee is the same
	Input    []byte
}

// Transact makes a transaction, and keeps what it changed unless it reverted. It pays nothing for its gas: Outcome tells
// how much that is. The error says that there is no contract at that address.
func (c *Chain) Transact(tx Tx) (Outcome, error) {
	if c.state.GetCodeSize(tx.To) == 0 {
		return Outcome{}, fmt.Errorf("no contract at %v", tx.To)
	}
	value := tx.Value
	if value == nil {
		value = new(uint256.Int)
	}
	price := uint256.NewInt(tx.GasPrice)
	c.vm.Context.Time, c.vm.Context.BaseFee = tx.Time, new(big.Int).SetUint64(tx.GasPrice)
	c.vm.SetTxContext(vm.TxContext{Origin: tx.From, GasPrice: price})
	c.state.AddBalance(tx.From, value, tracing.BalanceChangeUnspecified)
	c.state.Prepare(c.rules, tx.From, common.Address{}, &tx.To, vm.ActivePrecompiles(c.rules), nil)
	ret, left, err := c.vm.Call(tx.From, tx.To, tx.Input, vm.NewGasBudget(callGas, 0), value)
	out := Outcome{Return: ret, Gas: callGas - left.ExecutionGas}
	if err != nil {
		out.Reverted, out.Reason = true, c.reason(ret, err, c.abis...)
	}
	used, err := core.IntrinsicGas(tx.Input, nil, nil, tx.From, &tx.To, value, c.rules)
	if err != nil {
		return Outcome{}, fmt.Errorf("price of %d bytes of calldata: %w", len(tx.Input), err)
	}
	floor, err := core.FloorDataGas(c.rules, tx.From, &tx.To, value, tx.Input, nil)
	if err != nil {
		return Outcome{}, fmt.Errorf("price of %d bytes of calldata: %w", len(tx.Input), err)
	}
	used += out.Gas
	used -= min(c.state.GetRefund(), used/params.RefundQuotientEIP3529)
	out.TxGas = max(used, floor)
	c.state.Finalise(c.rules)
	return out, nil
}
