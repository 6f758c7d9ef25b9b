package eth

import (
	"context"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/contracts"
)

// What the contract takes and tells, as contracts/src/dispute/IDisputeGame.sol explains it. The fields have its names.
type (
	Level struct {
		Log2Stride uint8
		Height     uint8
		Allowance  uint32   // seconds
		Bond       *big.Int // wei
	}
	TaskParams struct {
		InitialRoot [32]byte
		Verifier    common.Address
		Inputs      [32]byte
		Grace       uint32
		MaxGasPrice uint64
		ProofGas    uint32
		Levels      []Level
	}
	Input struct {
		Ident *big.Int
		Hash  [32]byte
	}
	TaskView struct {
		Opener      common.Address
		InitialRoot [32]byte
		Verifier    common.Address
		Inputs      [32]byte
		Grace       uint32
		MaxGasPrice uint64
		ProofGas    uint32
		Levels      []Level
	}
	tournamentView struct {
		Task        [32]byte
		Context     [32]byte
		Inner       bool
		Delegated   bool
		Level       uint8
		InitialRoot [32]byte
		Verifier    common.Address
		OpenedAt    *big.Int
		Joined      uint64
		Alive       uint64
		Pot         *big.Int
		Lowest      uint8
		Finished    bool
		Winner      [32]byte
	}
	claimView struct {
		Tournament [32]byte
		Poster     common.Address
		Left       [32]byte
		Right      [32]byte
		FinalRoot  [32]byte
		Clock      uint32
		Round      uint8
		Status     uint8
		Side       uint8
		MatchId    [32]byte
	}
	matchView struct {
		Tournament [32]byte
		Claims     [2][32]byte
		Phase      uint8
		Turn       uint8
		Height     uint8
		Position   uint64
		LastMove   *big.Int
		Clocks     [2]uint32
		Parent     [32]byte
		Left       [32]byte
		Right      [32]byte
		Agreed     [32]byte
		Results    [2][32]byte
		Movers     [2]common.Address
		Owed       [2]*big.Int
	}
)

// Values of a claim's status and a match's phase.
const (
	claimWaiting = 1
	claimPlaying = 2
	claimOut     = 3

	phasePlaying = 1
	phaseSealed  = 2
	phaseInner   = 3
	phaseOver    = 4
)

// gameABI is that of the contract DisputeGame, with the errors of what it calls: those come through.
var gameABI = sync.OnceValue(func() *abi.ABI {
	game := artifact("DisputeGame").ABI
	for _, called := range []string{"BareTransition", "PreimageOracle"} {
		for name, e := range artifact(called).ABI.Errors {
			if _, taken := game.Errors[name]; !taken {
				game.Errors[name] = e
			}
		}
	}
	return &game
})

// artifact loads one that is embedded in this program.
func artifact(name string) contracts.Artifact {
	a, err := contracts.Load(name)
	if err != nil {
		panic("eth: " + err.Error())
	}
	return a
}

// A Game is the contract DisputeGame at an address.
type Game struct {
	Node
	Address common.Address
}

// call calls a function and returns its results.
func (g *Game) call(ctx context.Context, block common.Hash, function string, args ...any) ([]any, error) {
	return call(ctx, g.Node, gameABI(), g.Address, block, function, args...)
}

func call(ctx context.Context, n Node, a *abi.ABI, to common.Address, block common.Hash, function string, args ...any) ([]any, error) {
	data, err := a.Pack(function, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", function, err)
	}
	out, err := n.Call(ctx, ethereum.CallMsg{To: &to, Data: data}, block)
	if err != nil {
		return nil, fmt.Errorf("%s at %v: %w", function, to, err)
	}
	values, err := a.Unpack(function, out)
	if err != nil {
		return nil, fmt.Errorf("%s at %v: what it returns is none of its results: is another contract there? %w", function, to, err)
	}
	return values, nil
}

// view calls a function that returns one struct.
func view[T any](ctx context.Context, g *Game, block common.Hash, function string, id [32]byte) (v T, err error) {
	out, err := g.call(ctx, block, function, id)
	if err != nil {
		return v, err
	}
	return *abi.ConvertType(out[0], new(T)).(*T), nil
}

// Task returns the parameters of a task.
func (g *Game) Task(ctx context.Context, block common.Hash, task [32]byte) (TaskView, error) {
	return view[TaskView](ctx, g, block, "taskOf", task)
}

// Credit returns what a task owes an account, in wei.
func (g *Game) Credit(ctx context.Context, block common.Hash, task [32]byte, a common.Address) (*big.Int, error) {
	out, err := g.call(ctx, block, "credits", task, a)
	if err != nil {
		return nil, err
	}
	return out[0].(*big.Int), nil
}

// MinimumBond returns the least bond of a level, in wei.
func (g *Game) MinimumBond(ctx context.Context, block common.Hash, height uint8, maxGasPrice uint64, proofGas uint32) (*big.Int, error) {
	out, err := g.call(ctx, block, "minimumBond", height, maxGasPrice, proofGas)
	if err != nil {
		return nil, err
	}
	return out[0].(*big.Int), nil
}

// Explain says why a contract of the game has reverted; it gives other errors unchanged.
func Explain(err error) error {
	data, reverted := Reverted(err)
	if !reverted {
		return err
	}
	if name, args, ok := customError(data); ok {
		return fmt.Errorf("the contract refuses: %s%s", name, args)
	}
	if text, failed := abi.UnpackRevert(data); failed == nil {
		return fmt.Errorf("the contract refuses: %s", text)
	}
	return fmt.Errorf("the contract reverts with %#x", data)
}

// customError finds the error that a contract reverted with; args are written as they are after a function's name.
func customError(data []byte) (name, args string, ok bool) {
	if len(data) < 4 {
		return "", "", false
	}
	e, err := gameABI().ErrorByID([4]byte(data[:4]))
	if err != nil {
		return "", "", false
	}
	values, err := e.Inputs.Unpack(data[4:])
	if err != nil {
		return "", "", false
	}
	for i, v := range values {
		if i > 0 {
			args += ", "
		}
		switch v := v.(type) {
		case [32]byte:
			args += fmt.Sprintf("%#x", v)
		default:
			args += fmt.Sprint(v)
		}
	}
	return e.Name, "(" + args + ")", true
}
