// Package proof makes and replays proofs of single steps on the kernel bare: the witness with which a step can
// be executed again without the state. Specification: docs/base-machine.md, "Commitment".
package proof

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
)

// Format is the version of the proof's JSON form.
const Format = 1

// Bytes are printed in JSON as hexadecimal digits behind 0x.
type Bytes []byte

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) {
	return hex.AppendEncode([]byte("0x"), b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, ok := bytes.CutPrefix(text, []byte("0x"))
	if !ok {
		return fmt.Errorf("%.20q does not begin with 0x", text)
	}
	raw, err := hex.AppendDecode(nil, digits)
	*b = raw
	return err
}

// A Proof is the proof of one step, in the form that Cannon writes, with three fields more.
type Proof struct {
	Step         uint64  `json:"step"`
	Pre          Bytes   `json:"pre"`        // 32 bytes: the state hash before the step
	Post         Bytes   `json:"post"`       // after it
	StateData    Bytes   `json:"state-data"` // the encoded state before the step
	ProofData    Bytes   `json:"proof-data"` // thread, stack below, memory proofs
	OracleKey    Bytes   `json:"oracle-key,omitempty"`
	OracleValue  Bytes   `json:"oracle-value,omitempty"` // 8 bytes of length and the data
	OracleOffset *uint64 `json:"oracle-offset,omitempty"`
	ISA          string  `json:"isa"`
	Kernel       string  `json:"kernel"`
	Format       int     `json:"format"`
}

// Parse reads a proof's JSON and checks its form; whether it proves anything is Replay's and the contract's
// to say.
func Parse(data []byte) (*Proof, error) {
	var p Proof
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("proof: more data after the proof, at byte %d", d.InputOffset())
	}
	switch {
	case p.ISA == "" && p.Kernel == "" && p.Format == 0: // as Cannon wrote it
		p.ISA, p.Kernel, p.Format = "mips64", KernelName, Format
	case p.Format != Format:
		return nil, fmt.Errorf("proof: format %d, expected %d", p.Format, Format)
	case p.Kernel != KernelName:
		return nil, fmt.Errorf("proof: kernel %q, expected %q", p.Kernel, KernelName)
	}
	if len(p.Pre) != 32 || len(p.Post) != 32 {
		return nil, fmt.Errorf("proof: pre and post have %d and %d bytes, expected 32", len(p.Pre), len(p.Post))
	}
	if len(p.StateData) != machine.StateSize {
		return nil, fmt.Errorf("proof: state-data has %d bytes, expected %d", len(p.StateData), machine.StateSize)
	}
	if n := len(p.OracleKey); n != 0 && (n != 32 || len(p.OracleValue) < lengthSize) {
		return nil, fmt.Errorf("proof: oracle-key has %d bytes and oracle-value %d, expected 32 and at least %d", n, len(p.OracleValue), lengthSize)
	}
	return &p, nil
}

// KernelName is the kernel that direct proofs are for.
const KernelName = "bare"

const lengthSize = 8

// Record makes the next step of a system and proves it. After an error, which is the host's, the system is as it
// was before.
func Record(k *bare.Kernel, s *bare.System) (*Proof, error) {
	m := s.Machine
	state, thread, under := m.Encode(), m.EncodeThread(), m.Under()
	p := &Proof{
		Step: m.Get(ir.Step), StateData: state, ISA: k.ISA.Name, Kernel: KernelName, Format: Format,
	}
	pre := machine.StateHash(state)
	p.Pre = pre[:]
	r := &recorder{memory: m.Mem, fixed: k.FixedProofs(), next: 0}
	if r.fixed { // the leaf at pc is there also when the step fetches nothing
		r.proofs = append(r.proofs, m.Mem.Proof(m.Get(ir.PC)))
	}
	r.CloseLeaf()
	m.SetRecorder(r)
	err := s.Step()
	m.SetRecorder(nil)
	if err != nil {
		return nil, err
	}
	post := m.Root()
	p.Post = post[:]
	p.ProofData = append(append(p.ProofData, thread...), under[:]...)
	p.ProofData = r.append(p.ProofData)
	if read := s.Read; read != nil {
		p.OracleKey, p.OracleValue, p.OracleOffset = read.Key[:], read.Value, &read.Offset
	}
	return p, nil
}

// A recorder collects the memory proofs of a step.
type recorder struct {
	memory *machine.Memory
	fixed  bool
	proofs []merkle.Proof
	next   int    // how many leaves were opened
	open   uint64 // index of the open leaf, or noLeaf
}

const noLeaf = ^uint64(0)

// fixedProofs is how many memory proofs a witness with fixed places has.
const fixedProofs = 3

// Touch implements machine.Tracer.
func (r *recorder) Touch(addr uint64, size uint8, _ bool) {
	for _, leaf := range leaves(addr, size) {
		if leaf == r.open {
			continue
		}
		r.open = leaf
		if r.next == len(r.proofs) {
			r.proofs = append(r.proofs, r.memory.Proof(leaf*merkle.LeafSize))
		}
		r.next++
	}
}

// leaves are the indices of the one or two leaves that an access touches.
func leaves(addr uint64, size uint8) []uint64 {
	first, last := addr/merkle.LeafSize, (addr+uint64(size)-1)/merkle.LeafSize
	if first == last {
		return []uint64{first}
	}
	return []uint64{first, last}
}

// Fetched implements machine.Recorder.
func (r *recorder) Fetched() {
	if r.fixed {
		r.open = noLeaf
	}
}

// CloseLeaf implements machine.Recorder.
func (r *recorder) CloseLeaf() {
	if r.fixed || r.next == 0 {
		r.open = noLeaf
	}
}

func (r *recorder) append(b []byte) []byte {
	if !r.fixed {
		for i := range r.proofs {
			b = r.proofs[i].AppendCompact(b)
		}
		return b
	}
	if len(r.proofs) > fixedProofs {
		panic(fmt.Sprintf("proof: a step touched %d leaves, a witness holds %d", len(r.proofs), fixedProofs))
	}
	for i := range r.proofs {
		b = r.proofs[i].AppendFull(b)
	}
	return append(b, make([]byte, (fixedProofs-len(r.proofs))*merkle.FullSize)...)
}

// ErrWrong says that a proof does not prove its step.
var ErrWrong = errors.New("the proof does not hold")
