package eth

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/contracts"
)

var (
	adapterABI = abiOf("BareTransition")
	stepABI    = abiOf("IStep")
	oracleABI  = abiOf("PreimageOracle")
)

// abiOf gives the interface of a contract, when it is first needed: reading it takes milliseconds.
func abiOf(name string) func() *abi.ABI {
	return sync.OnceValue(func() *abi.ABI {
		a := artifact(name)
		return &a.ABI
	})
}

// Types of pre-image keys: their first byte.
const (
	keyLocal  = 1
	keyKeccak = 2
	keySHA256 = 4
)

// A Preimage is one that a step reads: the part of 32 bytes at Offset of its length and data.
type Preimage struct {
	Key    [32]byte // as the guest wrote it
	Data   []byte
	Offset uint64
}

// A Verifier is the contract that executes the steps of a task: an adapter for the contract of an instruction set, and the
// oracle from which that reads.
type Verifier struct {
	game    *Game
	task    common.Hash
	adapter common.Address
	step    common.Address
	oracle  common.Address
	inputs  []Input
}

// NewVerifier looks at the contracts behind a task's verifier. It fails unless each is one that this program has the code
// of: the adapter, the contract of that name for the instruction set, and the oracle; and the game itself.
func NewVerifier(ctx context.Context, g *Game, task common.Hash, p TaskView, contract string, inputs []Input) (*Verifier, error) {
	v := &Verifier{game: g, task: task, adapter: p.Verifier, inputs: inputs}
	if err := checkCode(ctx, g.Node, g.Address, "DisputeGame"); err != nil {
		return nil, err
	}
	if err := checkCode(ctx, g.Node, v.adapter, "BareTransition"); err != nil {
		return nil, err
	}
	head, err := g.Block(ctx, nil)
	if err != nil {
		return nil, err
	}
	if v.step, err = address(ctx, g.Node, adapterABI(), v.adapter, head.Hash, "verifier"); err != nil {
		return nil, err
	}
	if err := checkCode(ctx, g.Node, v.step, contract); err != nil {
		return nil, err
	}
	if v.oracle, err = address(ctx, g.Node, stepABI(), v.step, head.Hash, "oracle"); err != nil {
		return nil, err
	}
	if err := checkCode(ctx, g.Node, v.oracle, "PreimageOracle"); err != nil {
		return nil, err
	}
	hash, err := InputsHash(inputs)
	if err != nil {
		return nil, err
	}
	if hash != p.Inputs {
		return nil, &UnknownError{fmt.Sprintf("the task commits to the inputs %#x, those given are %#x", p.Inputs, hash)}
	}
	return v, nil
}

// An UnknownError says that a task is not the one that the player was told to play.
type UnknownError struct{ What string }

func (e *UnknownError) Error() string { return e.What }

func address(ctx context.Context, n Node, a *abi.ABI, at common.Address, block common.Hash, function string) (common.Address, error) {
	out, err := call(ctx, n, a, at, block, function)
	if err != nil {
		return common.Address{}, err
	}
	return out[0].(common.Address), nil
}

// checkCode fails unless the code at an address is that of one of our contracts, whatever its constructor was given.
func checkCode(ctx context.Context, n Node, at common.Address, name string) error {
	code, err := n.Code(ctx, at)
	if err != nil {
		return err
	}
	a := artifact(name)
	if len(code) == 0 {
		return &UnknownError{fmt.Sprintf("there is no contract at %v, where %s should be", at, name)}
	}
	if !bytes.Equal(blank(code, a.Immutables), a.Runtime) {
		return &UnknownError{fmt.Sprintf("the contract at %v (code hash %v) is not the %s that this program knows", at, crypto.Keccak256Hash(code), name)}
	}
	return nil
}

// blank zeroes what a constructor fills in.
func blank(code []byte, immutables []contracts.Range) []byte {
	code = bytes.Clone(code)
	for _, r := range immutables {
		if end := r.Start + r.Length; end <= uint(len(code)) {
			clear(code[r.Start:end])
		}
	}
	return code
}

// InputsHash is how a task commits to its local pre-images.
func InputsHash(inputs []Input) (common.Hash, error) {
	if len(inputs) == 0 {
		return common.Hash{}, nil
	}
	list := gameABI().Methods["loadLocal"].Inputs[1]
	packed, err := abi.Arguments{list}.Pack(inputs)
	if err != nil {
		return common.Hash{}, fmt.Errorf("inputs: %w", err)
	}
	return crypto.Keccak256Hash(packed), nil
}

// Loaded tells whether a part of a pre-image is on the chain already.
func (v *Verifier) Loaded(ctx context.Context, block common.Hash, p Preimage) (bool, error) {
	key := p.Key
	if key[0] == keyLocal {
		key = v.localKey(key)
	}
	out, err := call(ctx, v.game.Node, oracleABI(), v.oracle, block, "preimagePartOk", key, new(big.Int).SetUint64(p.Offset))
	if err != nil {
		return false, err
	}
	return out[0].(bool), nil
}

// localKey is the key under which the oracle has local data of the task: the adapter writes it, in a context for each
// caller and task.
func (v *Verifier) localKey(key [32]byte) [32]byte {
	context := crypto.Keccak256(common.LeftPadBytes(v.game.Address[:], 32), v.task[:])
	local := crypto.Keccak256Hash(key[:], common.LeftPadBytes(v.adapter[:], 32), context)
	local[0] = keyLocal
	return local
}

// Sizes of what one transaction loads, in bytes.
const (
	// keccakWhole is the longest pre-image that is sent in one piece; uploadPiece is a multiple of a block of keccak.
	keccakWhole = 100_000
	uploadPiece = 136 * 400
)

// Load returns the next transaction on the way to a part of a pre-image. Large ones need several, one after the other.
func (v *Verifier) Load(ctx context.Context, block common.Hash, loader common.Address, p Preimage) (Wish, error) {
	offset := new(big.Int).SetUint64(p.Offset)
	w := Wish{To: &v.oracle, Key: fmt.Sprintf("load %x %d", p.Key, p.Offset)}
	var err error
	switch {
	case p.Key[0] == keyLocal:
		return v.loadLocal(w, p, offset)
	case p.Key[0] == keySHA256:
		w.Data, err = oracleABI().Pack("loadSha256PreimagePart", offset, p.Data)
	case p.Key[0] != keyKeccak:
		err = fmt.Errorf("no contract takes pre-images of type %d", p.Key[0])
	case len(p.Data) <= keccakWhole:
		w.Data, err = oracleABI().Pack("loadKeccak256PreimagePart", offset, p.Data)
	default:
		return v.upload(ctx, block, loader, w, p, offset)
	}
	if err != nil {
		return Wish{}, fmt.Errorf("load the pre-image %#x: %w", p.Key, err)
	}
	return w, nil
}

func (v *Verifier) loadLocal(w Wish, p Preimage, offset *big.Int) (Wish, error) {
	ident := p.Key
	ident[0] = 0
	for i, in := range v.inputs {
		if in.Ident.Cmp(new(big.Int).SetBytes(ident[:])) != 0 {
			continue
		}
		w.To = &v.game.Address
		var err error
		w.Data, err = gameABI().Pack("loadLocal", v.task, v.inputs, big.NewInt(int64(i)), p.Data, offset)
		return w, err
	}
	return Wish{}, fmt.Errorf("load the pre-image %#x: the task has no such input", p.Key)
}

// upload begins or continues to load a pre-image that is too large for one transaction.
func (v *Verifier) upload(ctx context.Context, block common.Hash, loader common.Address, w Wish, p Preimage, offset *big.Int) (Wish, error) {
	name := crypto.Keccak256(p.Key[:], common.LeftPadBytes(offset.Bytes(), 32))
	uuid := new(big.Int).SetBytes(name)
	out, err := call(ctx, v.game.Node, oracleABI(), v.oracle, block, "keccak256Upload", loader, uuid)
	if err != nil {
		return Wish{}, err
	}
	size, absorbed := out[0].(*big.Int), out[1].(*big.Int)
	if size.Sign() == 0 {
		w.Key += " begin"
		w.Data, err = oracleABI().Pack("openKeccak256Upload", uuid, offset, big.NewInt(int64(len(p.Data))))
		return w, err
	}
	done := absorbed.Uint64()
	end := min(done+uploadPiece, uint64(len(p.Data)))
	w.Key = fmt.Sprintf("%s at %d", w.Key, done)
	w.Data, err = oracleABI().Pack("continueKeccak256Upload", uuid, absorbed, p.Data[done:end])
	return w, err
}
