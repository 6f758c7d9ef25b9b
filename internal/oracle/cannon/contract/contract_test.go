package contract_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/flexemu/flexemu/internal/oracle/cannon"
	"github.com/flexemu/flexemu/internal/oracle/cannon/contract"
	"github.com/flexemu/flexemu/internal/oracle/cannon/workloads"
)

var deployOnce = sync.OnceValues(contract.Deploy)

func deploy(t *testing.T) *contract.MIPS64 {
	t.Helper()
	m, err := deployOnce()
	if errors.Is(err, contract.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// prove runs the workload name and returns the proofs that trace asks for.
func prove(t *testing.T, name string, trace cannon.Trace) []*cannon.Proof {
	t.Helper()
	dir := t.TempDir()
	elf := filepath.Join(dir, name)
	if err := workloads.Build(workloads.Source(name), elf); err != nil {
		t.Fatal(err)
	}
	if err := workloads.Preimages(dir); err != nil {
		t.Fatal(err)
	}
	vm, err := cannon.Load(elf, cannon.Folder(dir), io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := trace.Run(vm, &lines); err != nil {
		t.Fatal(err)
	}
	var proofs []*cannon.Proof
	for in := bufio.NewReader(&lines); ; {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return proofs
		}
		var p cannon.Proof
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		if len(p.StateData) > 0 { // else a root
			proofs = append(proofs, &p)
		}
	}
}

// The contract and the Go VM are two implementations; they must agree on the
// first steps of each kind, the pre-image reads among them.
func TestContractAgreesWithGo(t *testing.T) {
	m := deploy(t)
	for _, name := range workloads.Short {
		t.Run(name, func(t *testing.T) {
			proofs := prove(t, name, cannon.Trace{ProofKinds: 4, StopAt: 3_000_000})
			read, maxGas := 0, uint64(0)
			for _, p := range proofs {
				post, gas, err := m.Step(p)
				if err != nil {
					t.Fatal(err)
				}
				if post != p.Post {
					t.Fatalf("step %d: the contract computes %v, the Go VM %v", p.Step, post, p.Post)
				}
				if len(p.OracleKey) > 0 {
					read++
				}
				maxGas = max(maxGas, gas)
			}
			if (name == "preimages") != (read > 0) {
				t.Errorf("%d steps read a pre-image", read)
			}
			t.Logf("%d steps, %d read a pre-image, at most %d gas", len(proofs), read, maxGas)
		})
	}
}

func TestContractRefusesForgedProof(t *testing.T) {
	m := deploy(t)
	p := prove(t, "hello", cannon.Trace{Proofs: []cannon.Span{{From: 0, Count: 1}}, StopAt: 1})[0]
	forge := func(at int) error {
		forged := *p
		forged.ProofData = bytes.Clone(p.ProofData)
		forged.ProofData[at] ^= 1
		_, _, err := m.Step(&forged)
		return err
	}
	for _, at := range []int{0, 297, 298, 329, 330, 2249} { // thread, stack below, instruction
		if err := forge(at); !errors.Is(err, contract.ErrRevert) {
			t.Errorf("byte %d flipped: %v", at, err)
		}
	}
}
