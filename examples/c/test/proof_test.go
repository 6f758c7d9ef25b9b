package guests_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/verifier"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

// each is how many steps of a kind are proven.
const each = 2

// mustProve are kinds of steps that the programs are known to make: threads above all.
var mustProve = map[string][]string{
	"": {
		"syscall clone", "syscall sched_yield", "syscall exit", "syscall exit_group", "syscall getrandom",
		"syscall write key", "syscall write hint", "syscall read pre-image", "syscall read hint", "syscall write",
		flexemu.KindThreadExit, flexemu.KindThreadSwitch, flexemu.KindFault,
	},
	"mips64":  {"lld", "scd", "ll", "sc", "div", "break", "teq", "dsll32", "dmultu", "ldl", "sync"},
	"mips32":  {"ll", "sc", "div", "break", "teq", "multu", "ins", "lwl", "sync"},
	"riscv64": {"lr.d", "sc.d", "amoadd.d", "amoswap.w", "amoxor.d", "divu", "roriw", "sh2add", "c.addi", "c.ebreak", "fence"},
	"riscv32": {"lr.w", "sc.w", "amoadd.w", "amoswap.w", "amoxor.w", "divu", "rori", "sh2add", "c.addi", "c.ebreak", "fence"},
}

// TestProveEveryKind runs all programs and proves the first steps of every kind, and the last step of every fault:
// the replay of the witness and the contract have to come to the machine's own root.
func TestProveEveryKind(t *testing.T) {
	for _, i := range flexemu.ISAs() {
		t.Run(i.Name, func(t *testing.T) {
			p := newProver(t, i)
			runs := slices.Clone(tests)
			for _, fault := range faults {
				runs = append(runs, test{name: "faults", args: []string{fault.name}})
			}
			for _, test := range append(runs, test{name: "system"}) {
				r, _ := load(t, program(t, test.name, i), test.args...)
				p.kinds(t, r)
				if test.name == "faults" {
					last, _ := load(t, program(t, test.name, i), test.args...)
					if err := last.RunTo(r.Step() - 1); err != nil {
						t.Fatal(err)
					}
					p.prove(t, last)
				}
			}
			for family, kinds := range mustProve {
				for _, kind := range kinds {
					if (family == "" || is(i, family)) && p.seen[kind] == 0 {
						t.Errorf("no step of kind %q", kind)
					}
				}
			}
			t.Logf("%d kinds of steps: %v", len(p.seen), p.seen)
		})
	}
}

// A prover has an instruction set's contract.
type prover struct {
	chain    *evm.Chain
	contract common.Address
	seen     map[string]int // steps by kind
}

func newProver(t *testing.T, i *flexemu.ISA) *prover {
	t.Helper()
	chain, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	contract, err := chain.DeployVerifier(verifier.ContractName(i))
	if err != nil {
		t.Fatal(err)
	}
	return &prover{chain, contract, map[string]int{}}
}

// kinds runs a program to its end and proves steps of kinds of which not enough were proven.
func (p *prover) kinds(t *testing.T, r *flexemu.Run) {
	t.Helper()
	for r.Step() < limit {
		kind := r.Kind()
		if kind == flexemu.KindHalted {
			return
		}
		if p.seen[kind]++; p.seen[kind] <= each {
			p.prove(t, r)
		} else if err := r.RunTo(r.Step() + 1); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("it has not ended after %d steps", limit)
}

// prove proves the next step.
func (p *prover) prove(t *testing.T, r *flexemu.Run) {
	t.Helper()
	kind := r.Kind()
	proof, err := r.Prove()
	if err != nil {
		t.Fatal(err)
	}
	if err := flexemu.Verify(proof); err != nil {
		t.Errorf("step %d, %s: replay: %v", proof.Step, kind, err)
	}
	if proof.OracleOffset != nil {
		if err := p.chain.LoadPreimage([32]byte(proof.OracleKey), proof.OracleValue[8:], *proof.OracleOffset, [32]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	res, err := p.chain.Step(p.contract, proof.StateData, proof.ProofData, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if root := r.Root(); res.Reverted || !bytes.Equal(res.Post[:], proof.Post) || res.Post != root {
		t.Errorf("step %d, %s: the contract gives %x (reverted: %t %s), the proof says %x, the machine %x",
			proof.Step, kind, res.Post, res.Reverted, res.Reason, proof.Post, root)
	}
}
