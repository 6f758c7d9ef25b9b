package cannon_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
)

// Sizes of the parts of Cannon's proof-data, in bytes.
const (
	threadSize = 298
	memorySize = 60 * 32
	proofSize  = threadSize + 32 + 3*memorySize
)

type field struct {
	name string
	size int
}

var stateFields = []field{
	{"memory root", 32},
	{"pre-image key", 32},
	{"pre-image offset", 8},
	{"heap", 8},
	{"reservation status", 1},
	{"reservation address", 8},
	{"reservation owner", 8},
	{"exit code", 1},
	{"exited", 1},
	{"step", 8},
	{"steps since switch", 8},
	{"traverse right", 1},
	{"left stack root", 32},
	{"right stack root", 32},
	{"next thread id", 8},
}

var threadFields = func() []field {
	fields := []field{
		{"thread id", 8},
		{"thread exit code", 1},
		{"thread exited", 1},
		{"pc", 8},
		{"next pc", 8},
		{"lo", 8},
		{"hi", 8},
	}
	for r := range 32 {
		fields = append(fields, field{fmt.Sprintf("r%d", r), 8})
	}
	return append(fields, field{"stack root below", 32})
}()

// differences lists the fields in which got and want differ, one a line.
func differences(fields []field, got, want []byte) string {
	var out bytes.Buffer
	for _, f := range fields {
		if len(got) < f.size || len(want) < f.size {
			fmt.Fprintf(&out, "%s: %d and %d bytes left\n", f.name, len(got), len(want))
			break
		}
		if !bytes.Equal(got[:f.size], want[:f.size]) {
			fmt.Fprintf(&out, "%s: %x; Cannon %x\n", f.name, got[:f.size], want[:f.size])
		}
		got, want = got[f.size:], want[f.size:]
	}
	return out.String()
}

// compareProofs compares all that the contract looks at. Memory proofs that a
// step does not use are zero in flexEmu and stale in Cannon.
func compareProofs(got, want *cannon.Proof) error {
	if got.Step != want.Step {
		return fmt.Errorf("is of step %d", got.Step)
	}
	if d := differences(stateFields, got.StateData, want.StateData); d != "" || len(got.StateData) != len(want.StateData) {
		return fmt.Errorf("state-data of %d bytes, Cannon's of %d:\n%s", len(got.StateData), len(want.StateData), d)
	}
	if len(got.ProofData) != proofSize || len(want.ProofData) != proofSize {
		return fmt.Errorf("proof-data of %d bytes, Cannon's of %d", len(got.ProofData), len(want.ProofData))
	}
	if d := differences(threadFields, got.ProofData, want.ProofData); d != "" {
		return fmt.Errorf("thread:\n%s", d)
	}
	for i, name := range []string{"instruction", "first", "second"} {
		at := threadSize + 32 + i*memorySize
		g, w := got.ProofData[at:at+memorySize], want.ProofData[at:at+memorySize]
		if i > 0 && bytes.Count(g, []byte{0}) == memorySize {
			continue
		}
		for j := 0; j < memorySize; j += 32 {
			if !bytes.Equal(g[j:j+32], w[j:j+32]) {
				return fmt.Errorf("%s memory proof, entry %d: %x; Cannon %x", name, j/32, g[j:j+32], w[j:j+32])
			}
		}
	}
	if !bytes.Equal(got.OracleKey, want.OracleKey) || !bytes.Equal(got.OracleValue, want.OracleValue) ||
		got.OracleOffset != want.OracleOffset {
		return fmt.Errorf("oracle key %v value %v offset %d; Cannon %v %v %d", got.OracleKey, got.OracleValue,
			got.OracleOffset, want.OracleKey, want.OracleValue, want.OracleOffset)
	}
	if got.Pre != want.Pre || got.Post != want.Post {
		return fmt.Errorf("from %v to %v; Cannon from %v to %v", got.Pre, got.Post, want.Pre, want.Post)
	}
	return nil
}

// explain finds the first step after which the states differ, and fails with
// what it did wrong. The states after low steps are equal, after high not.
func explain(t *testing.T, f *flexemu, g guest, low, high uint64) {
	t.Helper()
	for high-low > 1 {
		middle := low + (high-low)/2
		got, _, _, _ := f.run(t, g, middle)
		if want := trace(t, g.elf, g.preimages, cannon.Trace{StopAt: middle}); got.Root == want.last.Root {
			low = middle
		} else {
			high = middle
		}
	}
	want := trace(t, g.elf, g.preimages, cannon.Trace{Proofs: []cannon.Span{{From: low, Count: 2}}, StopAt: high + 1})
	got := f.prove(t, g, []uint64{low, high})
	if len(want.proofs) != 2 || len(got) != 2 {
		t.Fatalf("states differ first after step %d; %d proofs of Cannon, %d of flexEmu", low, len(want.proofs), len(got))
	}
	thread := want.proofs[0].ProofData
	t.Fatalf("states differ first after step %d, at pc %#x, %s:\n%s%s", low,
		binary.BigEndian.Uint64(thread[10:]), instruction(want.proofs[0]),
		differences(stateFields, got[1].StateData, want.proofs[1].StateData),
		differences(threadFields, got[1].ProofData, want.proofs[1].ProofData))
}

// instruction is the word that a step of Cannon's fetches, and for a syscall its number.
func instruction(p *cannon.Proof) string {
	pc := binary.BigEndian.Uint64(p.ProofData[10:])
	word := binary.BigEndian.Uint32(p.ProofData[threadSize+32+pc%32:])
	if word>>26 == 0 && word&0x3f == 0x0c {
		return fmt.Sprintf("syscall %d", binary.BigEndian.Uint64(p.ProofData[42+2*8:]))
	}
	return fmt.Sprintf("instruction %08x", word)
}
