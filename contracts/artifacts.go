// Package contracts holds the compiled Solidity contracts, so that neither building nor testing needs a Solidity
// compiler. The files in artifacts/ are written by compile.mjs; README.md tells how.
package contracts

import (
	"embed"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

//go:embed artifacts/*.json
var artifacts embed.FS

// Artifact is one compiled contract. An interface has an ABI only.
type Artifact struct {
	Name     string        // of the contract in its source
	Compiler string        // full version of solc
	Runs     uint          // the optimizer's expected runs of an opcode
	ABI      abi.ABI       // functions, constructor and errors
	Bytecode hexutil.Bytes // init code; the constructor's encoded arguments follow it
	Runtime  hexutil.Bytes // deployed code, with immutables zero
	// Immutables are the places in Runtime that the constructor fills, in order of their start.
	Immutables []Range
}

// Range is a run of bytes.
type Range struct {
	Start, Length uint // bytes
}

// Load returns the artifact of the contract or interface of that name. The error says what is wrong with the embedded
// file; a name without one wraps fs.ErrNotExist.
func Load(name string) (Artifact, error) {
	raw, err := artifacts.ReadFile("artifacts/" + name + ".json")
	if err != nil {
		return Artifact{}, fmt.Errorf("load contract %q: %w", name, err)
	}
	var a struct {
		Artifact
		Bytecode   hexutil.Bytes `json:"bytecode"`
		Runtime    hexutil.Bytes `json:"deployedBytecode"`
		Immutables []Range       `json:"immutableReferences"`
		Size       int           `json:"size"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return Artifact{}, fmt.Errorf("load contract %q: %w", name, err)
	}
	if a.Name != name || len(a.Runtime) != a.Size {
		return Artifact{}, fmt.Errorf("load contract %q: artifact is of %q, %d bytes of %d", name, a.Name, len(a.Runtime), a.Size)
	}
	a.Artifact.Bytecode, a.Artifact.Runtime, a.Artifact.Immutables = a.Bytecode, a.Runtime, a.Immutables
	return a.Artifact, nil
}
