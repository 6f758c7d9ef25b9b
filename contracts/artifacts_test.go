package contracts_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/flexemu/flexemu/contracts"
)

func TestLoad(t *testing.T) {
	oracle, err := contracts.Load("PreimageOracle")
	if err != nil {
		t.Fatal(err)
	}
	if len(oracle.Bytecode) <= len(oracle.Runtime) || len(oracle.Runtime) == 0 {
		t.Errorf("init code of %d bytes deploys %d", len(oracle.Bytecode), len(oracle.Runtime))
	}
	if oracle.Compiler == "" || oracle.Runs == 0 {
		t.Errorf("compiler %q, runs %d", oracle.Compiler, oracle.Runs)
	}
	if _, err := contracts.Load("Nonesuch"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of an unknown contract: %v", err)
	}
}

// The selectors are what contracts of the OP Stack call: these functions must stay callable by them.
func TestSelectors(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"IStep": {"step": "step(bytes,bytes,bytes32)", "oracle": "oracle()"},
		"PreimageOracle": {
			"readPreimage":              "readPreimage(bytes32,uint256)",
			"preimagePartOk":            "preimagePartOk(bytes32,uint256)",
			"loadLocalData":             "loadLocalData(uint256,bytes32,bytes32,uint256,uint256)",
			"loadKeccak256PreimagePart": "loadKeccak256PreimagePart(uint256,bytes)",
			"loadSha256PreimagePart":    "loadSha256PreimagePart(uint256,bytes)",
		},
	} {
		a, err := contracts.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for method, sig := range want {
			if got := a.ABI.Methods[method].Sig; got != sig {
				t.Errorf("%s.%s has the signature %q, want %q", name, method, got, sig)
			}
		}
	}
}
