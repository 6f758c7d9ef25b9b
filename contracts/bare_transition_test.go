package contracts_test

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/contracts"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

// BareTransition checks that the state is the root's, asks the verifier, and keeps local data by caller and context.
func TestBareTransition(t *testing.T) {
	chain, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := chain.DeployVerifier("MIPS64")
	if err != nil {
		t.Fatal(err)
	}
	a, err := contracts.Load("BareTransition")
	if err != nil {
		t.Fatal(err)
	}
	at, err := chain.Deploy(a, verifier)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method string, args ...any) evm.Outcome {
		t.Helper()
		input, err := a.ABI.Pack(method, args...)
		if err != nil {
			t.Fatal(err)
		}
		out, err := chain.Call(at, input)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	kind, err := abi.NewType("bytes", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	pack := func(state []byte) []byte {
		p, err := abi.Arguments{{Type: kind}, {Type: kind}}.Pack(state, []byte{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}

	// A machine that has exited stays as it is. Exit code and flag are bytes 97 and 98 of the state.
	for code, status := range map[byte]byte{0: 0, 1: 1, 2: 2, 77: 2} {
		state := make([]byte, 188)
		state[97], state[98] = code, 1
		root := crypto.Keccak256Hash(state)
		root[0] = status
		if out := call("transition", [32]byte{}, [32]byte(root), pack(state)); out.Reverted || !bytes.Equal(out.Return, root[:]) {
			t.Errorf("exit code %d: %+v, want %x", code, out, root)
		}
		root[0] = 3
		if out := call("transition", [32]byte{}, [32]byte(root), pack(state)); !strings.HasPrefix(out.Reason, "WrongState") {
			t.Errorf("exit code %d, status 3: %+v", code, out)
		}
	}
	if out := call("transition", [32]byte{}, [32]byte{}, pack(make([]byte, 187))); !strings.HasPrefix(out.Reason, "StateSize") {
		t.Errorf("a short state: %+v", out)
	}

	context := [32]byte{5}
	if out := call("loadLocal", context, big.NewInt(1), [32]byte{'x'}, big.NewInt(1), big.NewInt(8)); out.Reverted {
		t.Fatal(out.Reason)
	}
	local := call("localContext", evm.Sender, context).Return
	word := func(b []byte) []byte { return append(make([]byte, 32-len(b)), b...) }
	ident := word([]byte{1})
	ident[0] = 1
	key := crypto.Keccak256Hash(ident, word(at[:]), local)
	key[0] = 1
	oracle, err := contracts.Load("PreimageOracle")
	if err != nil {
		t.Fatal(err)
	}
	input, err := oracle.ABI.Pack("readPreimage", [32]byte(key), big.NewInt(8))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := chain.Call(chain.Oracle(), input); err != nil || out.Reverted || out.Return[0] != 'x' {
		t.Errorf("the part that was loaded: %+v, %v", out, err)
	}
}
