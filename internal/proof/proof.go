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
	state, pre := m.Commitment()
	p := &Proof{
		Step: m.Get(ir.Step), Pre: pre[:], StateData: state, ISA: k.ISA.Name, Kernel: KernelName, Format: Format,
	}
	r := newRecorder(m, k.FixedProofs())
	m.SetRecorder(r)
	err := s.Step()
	m.SetRecorder(nil)
	if err != nil {
		return nil, err
	}
	post := m.Root()
	p.Post, p.ProofData = post[:], r.finish()
	if s.Read != nil {
		read := *s.Read
		p.OracleKey, p.OracleValue, p.OracleOffset = read.Key[:], read.Value, &read.Offset
	}
	return p, nil
}

// A recorder makes the proof data of a step.
type recorder struct {
	memory *machine.Memory
	fixed  bool
	data   []byte // thread, stack below, memory proofs so far; if fixed, with zeroes up to the end of its room
	proofs int    // how many memory proofs there are
	next   int    // how many leaves were opened
	open   uint64 // index of the open leaf, or noLeaf
}

const noLeaf = ^uint64(0)

// fixedProofs is how many memory proofs a witness with fixed places has.
const fixedProofs = 3

// newRecorder begins the proof data of a machine's next step.
func newRecorder(m *machine.Machine, fixed bool) *recorder {
	size := m.ThreadSize() + merkle.LeafSize
	if fixed {
		size += fixedProofs * merkle.FullSize
	}
	under := m.Under()
	data := append(m.AppendThread(make([]byte, 0, size)), under[:]...)
	r := &recorder{memory: m.Mem, fixed: fixed, data: data, open: noLeaf}
	if fixed { // the leaf at pc is there also when the step fetches nothing
		r.prove(m.Get(ir.PC))
	}
	return r
}

// prove adds the proof of the leaf that holds addr.
func (r *recorder) prove(addr uint64) {
	proof := r.memory.Proof(addr)
	switch {
	case !r.fixed:
		r.data = proof.AppendCompact(r.data)
	case r.proofs == fixedProofs:
		panic(fmt.Sprintf("proof: a step touches more than the %d leaves that a witness holds", fixedProofs))
	default:
		r.data = proof.AppendFull(r.data)
	}
	r.proofs++
}

// Touch implements machine.Tracer.
func (r *recorder) Touch(addr uint64, size uint8, _ bool) {
	for _, leaf := range leaves(addr, size) {
		if leaf == r.open {
			continue
		}
		r.open = leaf
		if r.next == r.proofs {
			r.prove(leaf * merkle.LeafSize)
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

// finish gives the proof data; zeroes stand where a witness with fixed places has no proof.
func (r *recorder) finish() []byte {
	if r.fixed {
		return r.data[:cap(r.data)]
	}
	return r.data
}

// ErrWrong says that a proof does not prove its step.
var ErrWrong = errors.New("the proof does not hold")
