package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

const (
	optimism   = "github.com/ethereum-optimism/optimism"
	mipsFile   = "src/cannon/MIPS64.sol"
	oracleFile = "src/cannon/PreimageOracle.sol"
	keccakFile = "@lib-keccak/LibKeccak.sol"
	lockFile   = "snapshots/semver-lock.json"
)

// ErrNoCompiler says that the pinned Solidity compiler is not installed.
var ErrNoCompiler = errors.New("no solc 0.8.15: run `npm ci` in internal/oracle/cannon/contract")

// keccakStandIn replaces a library that Optimism keeps outside its module. Only
// proposals of large pre-images use it, which are never made here.
const keccakStandIn = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;
library LibKeccak {
    struct StateMatrix { uint64[25] state; }
    function pad(bytes calldata) internal pure returns (bytes memory) { revert(); }
    function absorb(StateMatrix memory, bytes memory) internal pure { revert(); }
    function permutation(StateMatrix memory) internal pure { revert(); }
    function squeeze(StateMatrix memory) internal pure returns (bytes32) { revert(); }
}
`

type artifact struct {
	ABI abi.ABI `json:"abi"`
	EVM struct {
		Bytecode struct {
			Object string `json:"object"` // init code, hex without 0x
		} `json:"bytecode"`
	} `json:"evm"`
}

func (a *artifact) initCode() ([]byte, error) { return hexutil.Decode("0x" + a.EVM.Bytecode.Object) }

// compile returns the MIPS64 and the PreimageOracle contract, compiled from the
// sources in the Go module cache. Init code of MIPS64 that does not have the
// hash which Optimism publishes for it is an error.
func compile() (mips, oracle *artifact, err error) {
	_, file, _, _ := runtime.Caller(0)
	here := filepath.Dir(file)
	solc := filepath.Join(here, "node_modules", "solc")
	if _, err := os.Stat(solc); err != nil {
		return nil, nil, ErrNoCompiler
	}
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", optimism)
	list.Dir = here
	dir, err := list.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("find module %s: %w", optimism, err)
	}
	contracts := filepath.Join(strings.TrimSpace(string(dir)), "packages", "contracts-bedrock")
	sources := map[string]source{keccakFile: {keccakStandIn}}
	for _, name := range []string{mipsFile, oracleFile} {
		if err := gather(contracts, name, sources); err != nil {
			return nil, nil, err
		}
	}
	out, err := runSolc(solc, sources)
	if err != nil {
		return nil, nil, err
	}
	mips, oracle = out[mipsFile]["MIPS64"], out[oracleFile]["PreimageOracle"]
	if mips == nil || oracle == nil {
		return nil, nil, errors.New("solc: no MIPS64 or no PreimageOracle in its output")
	}
	return mips, oracle, checkHash(contracts, mips)
}

type source struct {
	Content string `json:"content"`
}

var importPath = regexp.MustCompile(`from "([^"]+)"`)

// gather reads the source file name below dir, and all that it imports.
func gather(dir, name string, into map[string]source) error {
	if _, done := into[name]; done {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	into[name] = source{string(text)}
	for _, m := range importPath.FindAllSubmatch(text, -1) {
		if err := gather(dir, string(m[1]), into); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// compileScript takes files: the command that comes with the compiler loses
// input and output in pipes.
const compileScript = `
const fs = require("fs"), [solc, input, output] = process.argv.slice(1);
fs.writeFileSync(output, require(solc).compile(fs.readFileSync(input, "utf8")));`

// runSolc compiles with the settings of Optimism's foundry.toml. It asks for
// cancun, which to this compiler is london.
func runSolc(solc string, sources map[string]source) (map[string]map[string]*artifact, error) {
	input, err := json.Marshal(map[string]any{
		"language": "Solidity",
		"sources":  sources,
		"settings": map[string]any{
			"optimizer":       map[string]any{"enabled": true, "runs": 999_999},
			"metadata":        map[string]any{"bytecodeHash": "none"},
			"evmVersion":      "london",
			"outputSelection": map[string]any{"*": map[string]any{"*": []string{"abi", "evm.bytecode.object"}}},
		},
	})
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "solc")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	in, result := filepath.Join(work, "in.json"), filepath.Join(work, "out.json")
	if err := os.WriteFile(in, input, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "-e", compileScript, solc, in, result)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("solc: %w: %s", err, text)
	}
	text, err := os.ReadFile(result)
	if err != nil {
		return nil, err
	}
	var out struct {
		Errors []struct {
			Severity string `json:"severity"`
			Message  string `json:"formattedMessage"`
		} `json:"errors"`
		Contracts map[string]map[string]*artifact `json:"contracts"`
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("solc: %w", err)
	}
	for _, e := range out.Errors {
		if e.Severity == "error" {
			return nil, fmt.Errorf("solc: %s", e.Message)
		}
	}
	return out.Contracts, nil
}

func checkHash(contracts string, mips *artifact) error {
	text, err := os.ReadFile(filepath.Join(contracts, lockFile))
	if err != nil {
		return err
	}
	var lock map[string]struct{ InitCodeHash common.Hash }
	if err := json.Unmarshal(text, &lock); err != nil {
		return fmt.Errorf("%s: %w", lockFile, err)
	}
	code, err := mips.initCode()
	if err != nil {
		return fmt.Errorf("init code of MIPS64: %w", err)
	}
	want, got := lock[mipsFile+":MIPS64"].InitCodeHash, crypto.Keccak256Hash(code)
	if want != got {
		return fmt.Errorf("init code of MIPS64 has hash %v, %s says %v", got, lockFile, want)
	}
	return nil
}
