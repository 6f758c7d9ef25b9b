// Package evm runs verifier contracts in an Ethereum virtual machine inside the process: no node, no blocks, no keys.
// Its rules and prices are those of the Osaka fork; the machine is go-ethereum's.
//
// It is for tests, measurements and local checks of proofs. It must not be imported by anything that computes a state.
package evm

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/flexemu/flexemu/contracts"
)

// callGas bounds one call, so that a contract that never ends does end, within a second or so. It is far above
// the 2^24 that Osaka allows a transaction (EIP-7825); whoever cares compares TxGas with that.
const callGas = 1 << 28

// Sender is the account that deploys every contract and makes every call; local pre-images are written as its own.
var Sender = common.HexToAddress("0x5e4de4")

// Chain is a state with contracts in it. Its methods must not be called concurrently; Fork gives each user its own.
type Chain struct {
	state  *state.StateDB
	vm     *vm.EVM
	rules  params.Rules
	oracle common.Address
	step   abi.ABI // IStep
	loader abi.ABI // PreimageOracle
	// abis are those of the deployed contracts in the order of deployment, to name the errors they revert with.
	abis []abi.ABI
}

// Outcome is what one call, made as a transaction of its own, did.
type Outcome struct {
	Return []byte // returned or revert data
	// Log is the data of the last event without topics, as step contracts emit their post-state; nil if there was none.
	Log      []byte
	Gas      uint64 // execution of the call, without the intrinsic gas, before refunds
	TxGas    uint64 // whole transaction: refunds taken off, and at least the price of its calldata (EIP-7623)
	Reverted bool   // for whatever reason, also want of gas
	Reason   string // of a revert: text, or the custom error with its arguments
}

// Result is the outcome of a step.
type Result struct {
	Post [32]byte // the state hash after the step; zero when Reverted
	Outcome
}

// New returns a chain that holds one PreimageOracle and nothing else.
func New() (*Chain, error) {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return nil, fmt.Errorf("new chain: %w", err)
	}
	step, err := contracts.Load("IStep")
	if err != nil {
		return nil, fmt.Errorf("new chain: %w", err)
	}
	oracle, err := contracts.Load("PreimageOracle")
	if err != nil {
		return nil, fmt.Errorf("new chain: %w", err)
	}
	c := newChain(db)
	c.step, c.loader = step.ABI, oracle.ABI
	c.oracle, err = c.Deploy(oracle)
	if err != nil {
		return nil, fmt.Errorf("new chain: %w", err)
	}
	return c, nil
}

func newChain(db *state.StateDB) *Chain {
	block := vm.BlockContext{
		CanTransfer:      core.CanTransfer,
		Transfer:         core.Transfer,
		GetHash:          func(uint64) common.Hash { return common.Hash{} },
		BlockNumber:      big.NewInt(1),
		GasLimit:         callGas,
		Difficulty:       new(big.Int),
		BaseFee:          new(big.Int),
		BlobBaseFee:      big.NewInt(params.BlobTxMinBlobGasprice),
		Random:           new(common.Hash), // marks a chain after the merge
		CostPerStateByte: params.CostPerStateByte,
	}
	c := &Chain{state: db, vm: vm.NewEVM(block, db, params.MergedTestChainConfig, vm.Config{})}
	c.rules = c.vm.GetRules()
	return c
}

// Fork returns a copy that shares nothing with c from now on.
func (c *Chain) Fork() *Chain {
	f := newChain(c.state.Copy())
	f.oracle, f.step, f.loader = c.oracle, c.step, c.loader
	f.abis = append([]abi.ABI(nil), c.abis...)
	return f
}

// Oracle returns the address of the PreimageOracle that New deployed.
func (c *Chain) Oracle() common.Address { return c.oracle }

// DeployVerifier deploys the artifact of that name, whose constructor takes the address of the pre-image oracle.
func (c *Chain) DeployVerifier(artifactName string) (common.Address, error) {
	a, err := contracts.Load(artifactName)
	if err != nil {
		return common.Address{}, err
	}
	return c.Deploy(a, c.oracle)
}

// Deploy deploys a contract, args being the arguments of its constructor as accounts/abi takes them.
func (c *Chain) Deploy(a contracts.Artifact, args ...any) (common.Address, error) {
	packed, err := a.ABI.Pack("", args...)
	if err != nil {
		return common.Address{}, fmt.Errorf("deploy %s: constructor: %w", a.Name, err)
	}
	c.prepare(nil)
	init := append(append([]byte(nil), a.Bytecode...), packed...)
	ret, addr, _, err := c.vm.Create(Sender, init, vm.NewGasBudget(callGas, 0), new(uint256.Int))
	c.state.Finalise(c.rules)
	if err != nil {
		return common.Address{}, fmt.Errorf("deploy %s: %s", a.Name, c.reason(ret, err, a.ABI))
	}
	c.abis = append(c.abis, a.ABI)
	return addr, nil
}

// Step calls step of a verifier and undoes whatever the call changed. A revert is no error; an error means that what
// stands at the address is no verifier.
func (c *Chain) Step(verifier common.Address, stateData, proofData []byte, localContext [32]byte) (Result, error) {
	input, err := c.step.Pack("step", stateData, proofData, localContext)
	if err != nil {
		return Result{}, fmt.Errorf("encode step: %w", err)
	}
	out, err := c.call(verifier, input, false)
	if err != nil {
		return Result{}, fmt.Errorf("step: %w", err)
	}
	r := Result{Outcome: out}
	if !out.Reverted {
		if len(out.Return) != len(r.Post) {
			return Result{}, fmt.Errorf("step: contract %v returned %d bytes, want 32", verifier, len(out.Return))
		}
		copy(r.Post[:], out.Return)
	}
	return r, nil
}

// Call makes a call with the calldata given, and keeps what it changed unless it reverted. The error says that there
// is no contract at that address.
func (c *Chain) Call(to common.Address, input []byte) (Outcome, error) {
	return c.call(to, input, true)
}

func (c *Chain) call(to common.Address, input []byte, keep bool) (Outcome, error) {
	if c.state.GetCodeSize(to) == 0 {
		return Outcome{}, fmt.Errorf("no contract at %v", to)
	}
	c.prepare(&to)
	before, logged := c.state.Snapshot(), len(c.logs())
	ret, left, err := c.vm.Call(Sender, to, input, vm.NewGasBudget(callGas, 0), new(uint256.Int))
	out := Outcome{Return: ret, Log: anonymous(c.logs()[logged:]), Gas: callGas - left.ExecutionGas}
	if err != nil {
		out.Reverted, out.Reason = true, c.reason(ret, err, c.abis...)
	}
	if out.TxGas, err = c.txGas(to, input, out.Gas); err != nil {
		return Outcome{}, err
	}
	if !keep {
		c.state.RevertToSnapshot(before)
		return out, nil
	}
	// The next transaction's prices of storage count from here.
	c.state.Finalise(c.rules)
	return out, nil
}

// prepare begins a transaction: only the sender, the callee and the precompiles are warm, and there are no refunds.
func (c *Chain) prepare(to *common.Address) {
	c.vm.SetTxContext(vm.TxContext{Origin: Sender, GasPrice: new(uint256.Int)})
	c.state.Prepare(c.rules, Sender, common.Address{}, to, vm.ActivePrecompiles(c.rules), nil)
}

// logs returns the events of all calls since New that were kept; no call has a hash of its own.
func (c *Chain) logs() []*types.Log { return c.state.GetLogs(common.Hash{}, 1, common.Hash{}, 0) }

func anonymous(logs []*types.Log) []byte {
	for i := len(logs) - 1; i >= 0; i-- {
		if len(logs[i].Topics) == 0 {
			return logs[i].Data
		}
	}
	return nil
}

// txGas prices the call as a transaction: EIP-3529 for refunds, EIP-7623 for the floor.
func (c *Chain) txGas(to common.Address, input []byte, execution uint64) (uint64, error) {
	intrinsic, err := core.IntrinsicGas(input, nil, nil, Sender, &to, new(uint256.Int), c.rules)
	if err != nil {
		return 0, fmt.Errorf("price of %d bytes of calldata: %w", len(input), err)
	}
	floor, err := core.FloorDataGas(c.rules, Sender, &to, new(uint256.Int), input, nil)
	if err != nil {
		return 0, fmt.Errorf("price of %d bytes of calldata: %w", len(input), err)
	}
	used := intrinsic + execution
	used -= min(c.state.GetRefund(), used/params.RefundQuotientEIP3529)
	return max(used, floor), nil
}

// reason names a failure; custom errors are looked up in the ABIs given.
func (c *Chain) reason(ret []byte, err error, abis ...abi.ABI) string {
	if !errors.Is(err, vm.ErrExecutionReverted) {
		return err.Error()
	}
	if text, err := abi.UnpackRevert(ret); err == nil {
		return text
	}
	if len(ret) >= 4 {
		for _, a := range abis {
			e, err := a.ErrorByID([4]byte(ret[:4]))
			if err != nil {
				continue
			}
			if args, err := e.Inputs.Unpack(ret[4:]); err == nil {
				return formatError(e.Name, args)
			}
		}
	}
	if len(ret) == 0 {
		return "reverted without a reason"
	}
	return fmt.Sprintf("reverted with %#x", ret)
}
