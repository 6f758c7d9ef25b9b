// Package contract runs step proofs through Optimism's MIPS64 contract (1.10.1,
// state version 8) and its PreimageOracle in an in-process EVM. Both are
// compiled on the spot from the sources in the Go module cache; the init code
// of MIPS64 is the published one, byte for byte.
package contract

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/params"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
)

// ErrRevert is wrapped by the error of a step that the contract refuses.
var ErrRevert = errors.New("the contract reverts")

const (
	gasLimit     = 30_000_000
	stateVersion = 8
)

// MIPS64 is the deployed contract, with its oracle and a chain of their own.
type MIPS64 struct {
	cfg                runtime.Config
	mips, oracle       common.Address
	mipsABI, oracleABI abi.ABI
}

// Deploy compiles both contracts (some seconds) and deploys them.
// ErrNoCompiler: the compiler is not installed.
func Deploy() (*MIPS64, error) {
	mips, oracle, err := compile()
	if err != nil {
		return nil, err
	}
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return nil, err
	}
	m := &MIPS64{
		cfg: runtime.Config{
			ChainConfig: params.MergedTestChainConfig,
			State:       db,
			GasLimit:    gasLimit,
			BaseFee:     new(big.Int),
		},
		mipsABI:   mips.ABI,
		oracleABI: oracle.ABI,
	}
	// Size and period of large pre-images, of which there are none.
	if m.oracle, err = m.deploy(oracle, big.NewInt(0), big.NewInt(0)); err != nil {
		return nil, fmt.Errorf("deploy PreimageOracle: %w", err)
	}
	if m.mips, err = m.deploy(mips, m.oracle, big.NewInt(stateVersion)); err != nil {
		return nil, fmt.Errorf("deploy MIPS64: %w", err)
	}
	return m, nil
}

func (m *MIPS64) deploy(a *artifact, args ...any) (common.Address, error) {
	code, err := a.initCode()
	if err != nil {
		return common.Address{}, err
	}
	packed, err := a.ABI.Pack("", args...)
	if err != nil {
		return common.Address{}, err
	}
	_, address, _, err := runtime.Create(append(code, packed...), &m.cfg)
	return address, err
}

// Step gives p's pre-image to the oracle, if it has one, and p's witness to the
// contract, and returns the state hash that the contract computes, and the gas
// of that call (execution only). It leaves nothing behind.
// ErrRevert: the contract or the oracle refuses.
func (m *MIPS64) Step(p *cannon.Proof) (post common.Hash, gas uint64, err error) {
	cfg := m.cfg
	cfg.State = m.cfg.State.Copy()
	if len(p.OracleKey) > 0 {
		if err := m.loadPreimage(&cfg, p); err != nil {
			return post, 0, fmt.Errorf("step %d: load pre-image: %w", p.Step, err)
		}
	}
	out, gas, err := call(&cfg, m.mips, &m.mipsABI, "step", []byte(p.StateData), []byte(p.ProofData), common.Hash{})
	if err != nil {
		return post, gas, fmt.Errorf("step %d: %w", p.Step, err)
	}
	return common.BytesToHash(out), gas, nil
}

// loadPreimage stores the part of p's pre-image that its step reads. The oracle
// itself checks it against the key, where the key is a hash of it.
func (m *MIPS64) loadPreimage(cfg *runtime.Config, p *cannon.Proof) error {
	if len(p.OracleKey) != 32 || len(p.OracleValue) < 8 {
		return fmt.Errorf("key of %d bytes, value of %d", len(p.OracleKey), len(p.OracleValue))
	}
	data := []byte(p.OracleValue[8:]) // the oracle puts the length in front itself
	offset := new(big.Int).SetUint64(p.OracleOffset)
	var err error
	switch p.OracleKey[0] {
	case 1:
		ident := new(big.Int).SetBytes(p.OracleKey[1:])
		_, _, err = call(cfg, m.oracle, &m.oracleABI, "loadLocalData",
			ident, common.Hash{}, common.Hash(common.RightPadBytes(data, 32)), big.NewInt(int64(len(data))), offset)
	case 2:
		_, _, err = call(cfg, m.oracle, &m.oracleABI, "loadKeccak256PreimagePart", offset, data)
	case 4:
		_, _, err = call(cfg, m.oracle, &m.oracleABI, "loadSha256PreimagePart", offset, data)
	default:
		err = fmt.Errorf("key of type %d: needs more than a proof holds", p.OracleKey[0])
	}
	return err
}

func call(cfg *runtime.Config, to common.Address, a *abi.ABI, method string, args ...any) ([]byte, uint64, error) {
	input, err := a.Pack(method, args...)
	if err != nil {
		return nil, 0, err
	}
	out, left, err := runtime.Call(to, input, cfg)
	if errors.Is(err, vm.ErrExecutionReverted) {
		err = fmt.Errorf("%w: %s", ErrRevert, reason(out))
	}
	return out, gasLimit - left, err
}

// reason is the text of a revert, or the selector of a custom error.
func reason(data []byte) string {
	if text, err := abi.UnpackRevert(data); err == nil {
		return text
	}
	return fmt.Sprintf("%#x", data)
}
