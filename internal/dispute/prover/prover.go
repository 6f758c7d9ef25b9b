// Package prover tells a player of the dispute game what it has to know of a program on the kernel bare: the histories of
// its run, and proofs of its steps in the form that the contract BareTransition takes.
package prover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
	"unsafe"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/player"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/verifier"
)

// Options say how a machine works. The zero value is of use.
type Options struct {
	Index flexemu.IndexOptions
	// Folder is where histories are kept, so that a restarted player has them at once; "" stands for nowhere.
	Folder string
	// Inputs are the local pre-images that the task commits to.
	Inputs []eth.Input
	Log    *slog.Logger // nil: nothing is logged
}

// A Machine is a player.Machine for the run of a program.
type Machine struct {
	index    *flexemu.Index
	contract string
	o        Options
	inputs   common.Hash
}

var _ player.Machine = (*Machine)(nil)

// New makes a machine of a run at its beginning, which is the machine's from then on. It makes Folder if need be.
func New(r *flexemu.Run, o Options) (*Machine, error) {
	if r.Step() != 0 {
		return nil, fmt.Errorf("a task begins with the first state of its program, not with step %d", r.Step())
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Folder != "" {
		if err := os.MkdirAll(o.Folder, 0o700); err != nil {
			return nil, fmt.Errorf("folder for histories: %w", err)
		}
	}
	hash, err := eth.InputsHash(o.Inputs)
	if err != nil {
		return nil, err
	}
	contract := verifier.ContractName(r.ISA())
	return &Machine{flexemu.NewIndex(r, o.Index), contract, o, hash}, nil
}

// Contract is the name of the contract that executes the program's steps.
func (m *Machine) Contract() string { return m.contract }

// Inputs are the local pre-images that a task commits to.
func (m *Machine) Inputs() []eth.Input { return m.o.Inputs }

// InputsHash is how a task commits to the machine's inputs.
func (m *Machine) InputsHash() common.Hash { return m.inputs }

// Root is the root of the first state.
func (m *Machine) Root(ctx context.Context) (common.Hash, error) {
	root, err := m.index.Root(ctx, 0)
	return common.Hash(root), err
}

// Steps runs the program and returns the number of its steps; most if they are more.
func (m *Machine) Steps(ctx context.Context, most uint64) (steps uint64, ended bool, err error) {
	if err := m.index.RunTo(ctx, most); err != nil {
		return 0, false, err
	}
	if end, ended := m.index.End(); ended && end <= most {
		return end, true, nil
	}
	return most, false, nil
}

// History implements player.Machine.
func (m *Machine) History(ctx context.Context, p dispute.Place) (*dispute.Record, error) {
	roots, err := m.Roots(ctx, p, 1<<p.Height)
	if err != nil {
		return nil, fmt.Errorf("history from step %d, 2^%d roots at a stride of 2^%d steps: %w", p.Start, p.Height, p.Log2Stride, err)
	}
	h, err := dispute.NewHistory(Pair, p.Height, roots)
	if err != nil {
		return nil, err
	}
	return &dispute.Record{History: h}, nil
}

// Roots returns the first roots of a place's history, at most count; the last one repeats.
func (m *Machine) Roots(ctx context.Context, p dispute.Place, count uint64) ([]dispute.Hash, error) {
	if len(p.Outer) > 0 {
		return nil, errors.New("the kernel bare delegates no steps")
	}
	end, _, err := m.Steps(ctx, p.Start)
	if err != nil {
		return nil, err
	}
	if end < p.Start { // it has halted before
		root, err := m.index.Root(ctx, end)
		return []dispute.Hash{root}, err
	}
	roots, err := m.index.History(ctx, flexemu.HistoryOptions{
		From: p.Start, Log2Stride: uint8(p.Log2Stride), Count: count, Folder: m.o.Folder, Inputs: flexemu.Hash(m.inputs),
	})
	if errors.Is(err, flexemu.ErrNotKept) {
		m.o.Log.Warn(err.Error())
		err = nil
	}
	if len(roots) == 0 {
		return nil, err
	}
	return unsafe.Slice((*dispute.Hash)(&roots[0]), len(roots)), err
}

// Pair is the dispute.Hasher that uses the lanes of this host's processor.
func Pair(dst, src []dispute.Hash) {
	if len(dst) == 0 {
		return
	}
	merkle.HashPairs(unsafe.Slice((*merkle.Hash)(&dst[0]), len(dst)), unsafe.Slice((*merkle.Hash)(&src[0]), len(src)))
}

// bytesPair encodes what BareTransition takes: the state, and the rest of the witness.
var bytesPair = func() abi.Arguments {
	t, err := abi.NewType("bytes", "", nil)
	if err != nil {
		panic("prover: " + err.Error())
	}
	return abi.Arguments{{Type: t}, {Type: t}}
}()

// Witness implements player.Machine.
func (m *Machine) Witness(ctx context.Context, p dispute.Place, position uint64) (*player.Witness, error) {
	step := p.Start + position<<p.Log2Stride
	end, _, err := m.Steps(ctx, step+1)
	if err != nil {
		return nil, fmt.Errorf("witness of step %d: %w", step, err)
	}
	if end <= step {
		// The machine has halted, and its contract looks at the state only.
		r, err := m.index.At(ctx, end)
		if err != nil {
			return nil, fmt.Errorf("witness of step %d: %w", step, err)
		}
		return packed(r.StateData(), nil)
	}
	proof, err := m.index.Prove(ctx, step)
	if err != nil {
		return nil, fmt.Errorf("witness of step %d: %w", step, err)
	}
	w, err := packed(proof.StateData, proof.ProofData)
	if err == nil && len(proof.OracleKey) > 0 {
		const lengthSize = 8
		image := eth.Preimage{Key: [32]byte(proof.OracleKey), Data: proof.OracleValue[lengthSize:]}
		if proof.OracleOffset != nil {
			image.Offset = *proof.OracleOffset
		}
		w.Preimages = []eth.Preimage{image}
	}
	return w, err
}

func packed(state, proof []byte) (*player.Witness, error) {
	data, err := bytesPair.Pack(state, proof)
	return &player.Witness{Proof: data}, err
}

// sample is how many roots are made to find out how long a history takes.
const sample = 1 << 12

// Measure finds out how long the histories of each level take. That of the first level it computes; of the others it
// computes a part, in the middle of the run.
func (m *Machine) Measure(ctx context.Context, levels []dispute.Level) ([]time.Duration, error) {
	times := make([]time.Duration, len(levels))
	for i, l := range levels {
		p := dispute.Place{Level: i, Log2Stride: l.Log2Stride, Height: l.Height}
		count := uint64(1) << l.Height
		if i > 0 {
			end, _, err := m.Steps(ctx, 1<<(levels[0].Log2Stride+levels[0].Height))
			if err != nil {
				return nil, err
			}
			span := l.Log2Stride + l.Height
			p.Start = end / 2 >> span << span
			count = min(count, sample)
		}
		began := time.Now()
		if _, err := m.Roots(ctx, p, count); err != nil {
			return nil, err
		}
		// Starting somewhere takes as long for few roots as for many; counting it in full is on the safe side.
		all := float64(time.Since(began)) * float64(uint64(1)<<l.Height/count)
		times[i] = time.Duration(min(all, 1<<62))
	}
	return times, nil
}
