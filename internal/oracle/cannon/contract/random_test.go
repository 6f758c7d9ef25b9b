package contract_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ethereum-optimism/optimism/cannon/mipsevm/multithreaded"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
	"github.com/flexemu/flexemu/internal/oracle/cannon/contract"
)

// Where a random state has its code and its data; both above the memory that
// the Go VM decodes in advance, and low enough for a 16-bit offset to matter.
const (
	codeAt = 0x1000_2000
	dataAt = 0x2000_0000
)

type preimages map[[32]byte][]byte

func (preimages) Hint([]byte) {}

func (p preimages) GetPreimage(key [32]byte) []byte {
	data, ok := p[key]
	if !ok {
		panic("no such pre-image")
	}
	return data
}

// randomState is a state before one step of a random instruction or syscall.
func randomState(r *rand.Rand, pre preimages) *multithreaded.State {
	s := multithreaded.CreateInitialState(codeAt+4*r.Uint64N(32), 0x1000_0000_0000+r.Uint64N(1<<44)&^0xfff)
	thread := s.GetCurrentThread()
	data := make([]byte, 4096)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	write(s, dataAt, data)
	for i := 1; i < 32; i++ {
		thread.Registers[i] = randomWord(r)
	}
	thread.Cpu.HI, thread.Cpu.LO = randomWord(r), randomWord(r)
	thread.ThreadId = r.Uint64N(3)
	s.NextThreadId = 3
	s.Step = r.Uint64N(1 << 40)
	s.StepsSinceLastContextSwitch = r.Uint64N(99_999)
	if r.Uint32N(4) == 0 {
		s.LLReservationStatus = multithreaded.LLReservationStatus(r.Uint32N(3))
		s.LLAddress = dataAt + r.Uint64N(16)
		s.LLOwnerThread = r.Uint64N(3)
	}
	if r.Uint32N(16) == 0 {
		thread.Cpu.NextPC = codeAt + 4*r.Uint64N(64) // in a delay slot
	}
	switch r.Uint32N(64) {
	case 0:
		s.StepsSinceLastContextSwitch = 99_998 + r.Uint64N(4)
	case 1:
		thread.Exited = true
	case 2:
		s.Exited = true
	}
	for range r.Uint32N(3) { // other threads, on both sides
		other := multithreaded.CreateEmptyThread()
		other.ThreadId = 7
		if r.Uint32N(2) == 0 {
			s.LeftThreadStack = append([]*multithreaded.ThreadState{other}, s.LeftThreadStack...)
		} else {
			s.RightThreadStack = append(s.RightThreadStack, other)
		}
	}
	if r.Uint32N(2) == 0 {
		s.LeftThreadStack, s.RightThreadStack = s.RightThreadStack, s.LeftThreadStack
		s.TraverseRight = true
	}
	for key := range pre {
		s.PreimageKey = key
	}
	s.PreimageOffset = r.Uint64N(60)
	insn := randomInstruction(r, &thread.Registers)
	write(s, thread.Cpu.PC, binary.BigEndian.AppendUint32(nil, insn))
	return s
}

func write(s *multithreaded.State, at uint64, data []byte) {
	if err := s.Memory.SetMemoryRange(at, bytes.NewReader(data)); err != nil {
		panic(err)
	}
}

// randomWord prefers the edges of arithmetic and addresses of data.
func randomWord(r *rand.Rand) uint64 {
	edges := []uint64{0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1<<63 - 1, 1 << 63}
	switch r.Uint32N(4) {
	case 0:
		return edges[r.IntN(len(edges))] - r.Uint64N(2)
	case 1:
		return dataAt + r.Uint64N(4096)
	case 2:
		return uint64(int64(int32(r.Uint32())))
	}
	return r.Uint64() >> r.Uint32N(64)
}

func randomInstruction(r *rand.Rand, registers *[32]uint64) uint32 {
	insn := r.Uint32()
	switch r.Uint32N(8) {
	case 0, 1: // SPECIAL
		insn &= 0x03ff_ffff
	case 2: // REGIMM, SPECIAL2
		insn = insn&0x03ff_ffff | []uint32{1, 0x1c}[r.IntN(2)]<<26
	case 3:
		registers[2] = 5000 + r.Uint64N(330)
		if r.Uint32N(2) == 0 { // those that do something
			known := []uint64{5000, 5001, 5009, 5012, 5034, 5038, 5055, 5058, 5070, 5178, 5194, 5205, 5222, 5284, 5313, 5002, 5023}
			registers[2] = known[r.IntN(len(known))]
		}
		registers[4] = r.Uint64N(8)
		if r.Uint32N(2) == 0 {
			registers[4] = []uint64{100, 0x50f00, dataAt + r.Uint64N(64), ^uint64(0)}[r.IntN(4)]
		}
		registers[5] = []uint64{dataAt + r.Uint64N(4096), 128, 129, 1, 3, r.Uint64N(10), 0x80, randomWord(r)}[r.IntN(8)]
		registers[6] = r.Uint64N(40) // the Go VM copies all that is written
		return 0x0c
	}
	return insn
}

// The contract must follow the Go VM on whatever an instruction may hold, and
// refuse what the Go VM refuses.
func TestContractAgreesOnRandomSteps(t *testing.T) {
	m := deploy(t)
	data := []byte("a pre-image of no particular length, and not of 8n bytes.")
	key := crypto.Keccak256Hash(data)
	key[0] = 2
	pre := preimages{key: data}
	refused, differ := 0, 0
	const cases = 5_000
	for seed := range uint64(cases) {
		state := randomState(rand.New(rand.NewPCG(seed, 8)), pre)
		if state.Exited {
			continue // the Go VM writes no proof of it
		}
		vm := cannon.New(state, pre, io.Discard, io.Discard)
		kind := vm.Kind()
		witness, _ := state.EncodeWitness()
		proof := append(state.EncodeThreadProof(), make([]byte, 3*60*32)...)
		insn := state.Memory.MerkleProof(state.GetPC() &^ 7)
		copy(proof[330:], insn[:])
		p, err := vm.Prove()
		if err != nil {
			// What the contract would have to see to do it nevertheless is
			// unknown but for steps without memory.
			refused++
			p = &cannon.Proof{StateData: witness, ProofData: proof}
			if _, _, err := m.Step(p); !errors.Is(err, contract.ErrRevert) {
				t.Errorf("seed %d, %v: Go refuses, the contract gives %v", seed, kind, err)
				differ++
			}
			continue
		}
		if post, _, err := m.Step(p); err != nil || post != p.Post {
			t.Errorf("seed %d, %v: Go %v, the contract %v (%v)%s", seed, kind, p.Post, post, err, describe(p))
			differ++
		}
		if differ > 30 {
			t.Fatal("and so on")
		}
	}
	t.Logf("%d steps, %d refused by both", cases, refused)
}

func describe(p *cannon.Proof) string {
	pc := binary.BigEndian.Uint64(p.ProofData[10:])
	return fmt.Sprintf("; instruction %x", p.ProofData[330+pc%32:330+pc%32+4])
}
