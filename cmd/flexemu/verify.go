package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/preimage"
	"github.com/flexemu/flexemu/internal/verifier"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

// codeRefused is verify's exit code for a proof that does not hold.
const codeRefused = 1

func verifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify [flags] PROOF.json",
		Short: "Have the verifier contract check proofs",
		Long: `verify runs the verifier contract of the proof's instruction set in an Ethereum virtual
machine inside the process (rules and prices of the Osaka fork). The proof is accepted if its
state-data has the hash pre and the contract computes post. A pre-image that comes with
the proof is loaded into the contract's oracle before.

The file holds one proof or several behind each other; - is stdin. Gas is that of the call
alone, and of the whole transaction with its calldata.

Exit code: 0 if every proof is accepted; 1 if the contract computes another hash or reverts;
125 when the file cannot be read or flexemu failed.`,
		Example: `  flexemu verify proof.json
  flexemu prove --at %1000000 program | flexemu verify --json -`,
		Args: oneFile("PROOF.json"),
		RunE: func(c *cobra.Command, args []string) error { return verify(c.Context(), args[0], asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each proof")
	return c
}

// oneFile checks that there is one argument.
func oneFile(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("which file? %s is missing", what)
		case len(args) > 1:
			return fmt.Errorf("one file at a time: %q is too much", args[1])
		}
		return nil
	}
}

func verify(ctx context.Context, name string, asJSON bool) error {
	defer endAtOnce(ctx)()
	file := os.Stdin
	if name != standard {
		var err error
		if file, err = os.Open(name); err != nil {
			return err
		}
		defer file.Close()
	}
	j := newJudge()
	refused := 0
	err := eachProof(file, func(p *flexemu.Proof) error {
		v, err := j.judge(p)
		if err != nil {
			return fmt.Errorf("proof of step %d: %w", p.Step, err)
		}
		if !v.Accepted {
			refused++
		}
		if asJSON {
			return json.NewEncoder(os.Stdout).Encode(v)
		}
		_, err = fmt.Println(v)
		return err
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", name, err)
	}
	if refused > 0 {
		return &exitError{code: codeRefused}
	}
	return nil
}

// eachProof calls f for each of the proofs behind each other in a file. None is an error.
func eachProof(r io.Reader, f func(*flexemu.Proof) error) error {
	d := json.NewDecoder(r)
	for n := 0; ; n++ {
		var text json.RawMessage
		begin := d.InputOffset()
		err := d.Decode(&text)
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		if err == nil {
			var p *flexemu.Proof
			if p, err = flexemu.ParseProof(text); err == nil {
				if err = f(p); err != nil {
					return err
				}
				continue
			}
		}
		return fmt.Errorf("proof %d, behind byte %d: %w", n+1, begin, err)
	}
}

// A verdict is what the contract makes of a proof.
type verdict struct {
	Step     uint64   `json:"step"`
	ISA      string   `json:"isa"`
	Accepted bool     `json:"accepted"`
	Reason   string   `json:"reason,omitempty"` // why not
	Post     hexBytes `json:"post,omitempty"`   // what the contract computes
	Gas      uint64   `json:"gas"`              // of the call
	TxGas    uint64   `json:"txGas"`            // of the transaction
}

func (v verdict) String() string {
	text := fmt.Sprintf("step %d of %s: accepted", v.Step, v.ISA)
	if !v.Accepted {
		text = fmt.Sprintf("step %d of %s: refused (%s)", v.Step, v.ISA, v.Reason)
	}
	if v.Gas == 0 {
		return text
	}
	return fmt.Sprintf("%s, %d gas, %d as a transaction", text, v.Gas, v.TxGas)
}

// A judge runs verifier contracts.
type judge struct {
	chain     *evm.Chain // made when it is needed
	contracts map[string]common.Address
}

func newJudge() *judge { return &judge{contracts: map[string]common.Address{}} }

// contract gives the verifier of an instruction set, which it deploys the first time.
func (j *judge) contract(name string) (common.Address, error) {
	if at, ok := j.contracts[name]; ok {
		return at, nil
	}
	i, err := flexemu.FindISA(name)
	if err != nil {
		return common.Address{}, err
	}
	if j.chain == nil {
		if j.chain, err = evm.New(); err != nil {
			return common.Address{}, err
		}
	}
	at, err := j.chain.DeployVerifier(verifier.ContractName(i))
	if err != nil {
		return common.Address{}, err
	}
	j.contracts[name] = at
	return at, nil
}

// judge runs a proof. The error says that it could not; what is wrong with the proof is a part of the verdict.
func (j *judge) judge(p *flexemu.Proof) (verdict, error) {
	v := verdict{Step: p.Step, ISA: p.ISA}
	at, err := j.contract(p.ISA)
	if err != nil {
		return v, err
	}
	// Another proof must not profit from this one's pre-image.
	chain := j.chain
	missing := ""
	if len(p.OracleKey) > 0 {
		chain = chain.Fork()
		if missing, err = loadOracle(chain, p); err != nil {
			return v, err
		}
	}
	res, err := chain.Step(at, p.StateData, p.ProofData, [32]byte{})
	if err != nil {
		return v, err
	}
	v.Gas, v.TxGas = res.Gas, res.TxGas
	if !res.Reverted {
		v.Post = res.Post[:]
	}
	pre := machine.StateHash(p.StateData)
	switch {
	case !bytes.Equal(pre[:], p.Pre):
		v.Reason = fmt.Sprintf("state-data has the hash %#x, pre is %#x", pre[:], []byte(p.Pre))
	case machine.StateStep(p.StateData) != p.Step:
		v.Reason = fmt.Sprintf("state-data is of step %d", machine.StateStep(p.StateData))
	case res.Reverted && missing != "":
		v.Reason = fmt.Sprintf("the contract reverts: %s; %s", res.Reason, missing)
	case res.Reverted:
		v.Reason = "the contract reverts: " + res.Reason
	case !bytes.Equal(res.Post[:], p.Post):
		v.Reason = fmt.Sprintf("the contract computes %#x, post is %#x", res.Post[:], []byte(p.Post))
	default:
		v.Accepted = true
	}
	return v, nil
}

// loadOracle loads the pre-image of a proof. What the oracle refuses is told; an error means that it could not be
// asked.
func loadOracle(chain *evm.Chain, p *flexemu.Proof) (missing string, err error) {
	const lengthSize = 8
	key := [32]byte(p.OracleKey)
	length, data := binary.BigEndian.Uint64(p.OracleValue), p.OracleValue[lengthSize:]
	switch {
	case key[0] != preimage.Local && key[0] != preimage.Keccak256 && key[0] != preimage.SHA256:
		return "", fmt.Errorf("the oracle of this virtual machine has no pre-images of type %d (key %#x)", key[0], key)
	case length != uint64(len(data)):
		return fmt.Sprintf("oracle-value begins with the length %d, and %d bytes follow", length, len(data)), nil
	}
	var offset uint64
	if p.OracleOffset != nil {
		offset = *p.OracleOffset
	}
	if err := chain.LoadPreimage(key, data, offset, [32]byte{}); err != nil {
		return err.Error(), nil
	}
	return "", nil
}
