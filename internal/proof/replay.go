package proof

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
)

// Replay executes the step of a proof from its witness alone, as the contract does, and gives the state hash
// after it. An error that wraps ErrWrong says that the witness is damaged.
func Replay(k *bare.Kernel, p *Proof) (post merkle.Hash, err error) {
	defer func() {
		if r := recover(); r != nil {
			refused, ok := r.(refusal)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%w: %s", ErrWrong, refused.reason)
		}
	}()
	if err := machine.CheckState(p.StateData); err != nil {
		return post, fmt.Errorf("%w: state-data: %w", ErrWrong, err)
	}
	if exited, _ := machine.StateExited(p.StateData); exited {
		return machine.StateHash(p.StateData), nil
	}
	size := machine.ThreadSize(k.ISA.Thread)
	if len(p.ProofData) < size+32 {
		return post, fmt.Errorf("%w: proof-data has %d bytes, expected at least %d", ErrWrong, len(p.ProofData), size+32)
	}
	thread, under := p.ProofData[:size], merkle.Hash(p.ProofData[size:size+32])
	m, err := machine.FromWitness(k.ISA.Thread, p.StateData, thread, under)
	if err != nil {
		return post, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	r := &replayer{m: m, rest: p.ProofData[size+32:], fixed: k.FixedProofs(), root: merkle.Hash(p.StateData), open: noLeaf}
	if r.fixed && len(r.rest) != fixedProofs*merkle.FullSize {
		return post, fmt.Errorf("%w: proof-data has %d bytes, expected %d", ErrWrong, len(p.ProofData), size+32+fixedProofs*merkle.FullSize)
	}
	e, err := interp.New(k.ISA, m)
	if err != nil {
		return post, err
	}
	s, err := k.NewSystem(m, e, witnessHost{p})
	if err != nil {
		return post, err
	}
	m.SetRecorder(r)
	if err := s.Step(); err != nil {
		return post, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	r.settle()
	if !r.fixed && len(r.rest) > 0 {
		return post, fmt.Errorf("%w: %d bytes more than the step uses", ErrWrong, len(r.rest))
	}
	return machine.StateHash(m.EncodeWithMemory(r.root)), nil
}

// Check replays a proof and compares both hashes and the step.
func Check(i *isa.ISA, p *Proof) error {
	k, err := bare.New(i)
	if err != nil {
		return err
	}
	if pre := machine.StateHash(p.StateData); pre != merkle.Hash(p.Pre) {
		return fmt.Errorf("%w: state-data has the hash %x, pre is %x", ErrWrong, pre, []byte(p.Pre))
	}
	if step := machine.StateStep(p.StateData); step != p.Step {
		return fmt.Errorf("%w: state-data is of step %d, not %d", ErrWrong, step, p.Step)
	}
	post, err := Replay(k, p)
	if err != nil {
		return err
	}
	if post != merkle.Hash(p.Post) {
		return fmt.Errorf("%w: the step leads to %x, post is %x", ErrWrong, post, []byte(p.Post))
	}
	return nil
}

// refusal carries the reason why a witness is refused out of the engine.
type refusal struct{ reason string }

// A replayer supplies memory from proofs, and keeps the root.
type replayer struct {
	m     *machine.Machine
	rest  []byte
	fixed bool
	root  merkle.Hash
	open  uint64
	proof merkle.Proof // of the open leaf
}

// Touch implements machine.Tracer.
func (r *replayer) Touch(addr uint64, size uint8, _ bool) {
	for _, leaf := range leaves(addr, size) {
		if leaf == r.open {
			continue
		}
		r.settle()
		r.proof = r.take()
		if r.proof.Root(leaf) != r.root {
			panic(refusal{fmt.Sprintf("the memory proof of address %#x does not fit the root", leaf*merkle.LeafSize)})
		}
		r.open = leaf
		r.m.Mem.InstallLeaf(leaf*merkle.LeafSize, &r.proof.Leaf)
	}
}

func (r *replayer) take() merkle.Proof {
	if r.fixed {
		p, rest, err := merkle.ParseFull(r.rest)
		if err != nil {
			panic(refusal{err.Error()})
		}
		r.rest = rest
		return p
	}
	p, rest, err := merkle.ParseCompact(r.rest)
	if err != nil {
		panic(refusal{err.Error()})
	}
	r.rest = rest
	return p
}

// settle brings what was written to the open leaf into the root.
func (r *replayer) settle() {
	if r.open == noLeaf {
		return
	}
	var leaf merkle.Hash
	r.m.Peek(r.open*merkle.LeafSize, leaf[:])
	if leaf != r.proof.Leaf {
		r.proof.Leaf = leaf
		r.root = r.proof.Root(r.open)
	}
}

// Fetched implements machine.Recorder.
func (r *replayer) Fetched() {
	if r.fixed {
		r.CloseLeaf()
	}
}

// CloseLeaf implements machine.Recorder.
func (r *replayer) CloseLeaf() {
	if r.fixed {
		r.settle()
		r.open = noLeaf
	}
}

// witnessHost answers with the pre-image that the proof holds.
type witnessHost struct{ p *Proof }

func (h witnessHost) Preimage(key [32]byte) ([]byte, error) {
	if len(h.p.OracleKey) != 32 || key != [32]byte(h.p.OracleKey) {
		return nil, fmt.Errorf("the proof has no pre-image of key %x", key)
	}
	v := h.p.OracleValue
	if len(v) < lengthSize || binary.BigEndian.Uint64(v) != uint64(len(v)-lengthSize) {
		return nil, fmt.Errorf("oracle-value of key %x does not begin with its length", key)
	}
	data := v[lengthSize:]
	var hash merkle.Hash
	switch key[0] {
	case keyKeccak256:
		hash = merkle.Keccak256(data)
	case keySHA256:
		hash = sha256.Sum256(data)
	case keyLocal: // what it is the opener of the task says
		if len(data) > maxLocal {
			return nil, fmt.Errorf("oracle-value of key %x has %d bytes of local data, at most %d are provable", key, len(data), maxLocal)
		}
		return data, nil
	default:
		return nil, fmt.Errorf("a pre-image of key %x cannot be checked", key)
	}
	if [31]byte(hash[1:]) != [31]byte(key[1:]) {
		return nil, fmt.Errorf("oracle-value is not the pre-image of key %x", key)
	}
	return data, nil
}

// The types of keys whose pre-images can be checked, or need no check.
const (
	keyLocal     = 1
	keyKeccak256 = 2
	keySHA256    = 4
)

// maxLocal is how many bytes of local data a contract takes.
const maxLocal = 32

func (witnessHost) Hint([]byte) error        { return nil }
func (witnessHost) Output(int, []byte) error { return nil }
