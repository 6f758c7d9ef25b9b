// Package token holds the compiled ERC-20 contract of the example, Token.sol, and the encoding of
// the calls that the example makes. How Token.json is made is written in compile.mjs.
package token

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

//go:embed Token.json
var artifact []byte

// Creation is the data of a transaction that deploys a token with that supply.
func Creation(supply *uint256.Int) []byte {
	var contract struct {
		Bytecode string `json:"bytecode"`
	}
	if err := json.Unmarshal(artifact, &contract); err != nil {
		panic(fmt.Sprintf("the embedded Token.json is no compiled contract: %v", err))
	}
	code, err := hex.DecodeString(contract.Bytecode)
	if err != nil || len(code) == 0 {
		panic(fmt.Sprintf("the bytecode in the embedded Token.json is not hex: %v", err))
	}
	argument := supply.Bytes32()
	return append(code, argument[:]...)
}

// Transfer is the data of a call of transfer(to, value).
func Transfer(to common.Address, value *uint256.Int) []byte {
	data := crypto.Keccak256([]byte("transfer(address,uint256)"))[:4]
	data = append(data, common.LeftPadBytes(to[:], 32)...)
	argument := value.Bytes32()
	return append(data, argument[:]...)
}
