package flexemu

import (
	"errors"
	"fmt"

	"github.com/flexemu/flexemu/internal/proof"
)

// A Proof is the proof of one step: pre-root, post-root and witness. Its JSON form is that of Optimism's Cannon
// with three fields more.
type Proof = proof.Proof

// ErrWrong is wrapped by errors about a proof that does not prove its step.
var ErrWrong = proof.ErrWrong

// ErrEnded is wrapped by the error of Prove when the machine has halted.
var ErrEnded = errors.New("there is no next step to prove")

// Prove makes the next step and proves it. A halted machine has none: ErrEnded. After an error the run is as it
// was before.
func (r *Run) Prove() (*Proof, error) {
	if done, code := r.Exited(); done {
		return nil, fmt.Errorf("the program ended at step %d with exit code %d: %w", r.Step(), code, ErrEnded)
	}
	return proof.Record(r.kernel, r.system)
}

// StateData is the encoding of the present state, to which its root commits. That of a halted machine is all that the
// contract needs to see that it does not change any more.
func (r *Run) StateData() []byte { return r.system.Machine.Encode() }

// ParseProof reads a proof's JSON and checks its form. Proofs that Cannon wrote are taken too: those for mips64.
func ParseProof(text []byte) (*Proof, error) { return proof.Parse(text) }

// Verify executes the step of a proof again, from the witness alone, in Go; nil means that it leads from Pre to
// Post. ErrWrong is wrapped by the error if it does not. It is the contract that decides a dispute: see the
// command flexemu verify.
func Verify(p *Proof) error {
	i, err := FindISA(p.ISA)
	if err != nil {
		return err
	}
	return proof.Check(i, p)
}
