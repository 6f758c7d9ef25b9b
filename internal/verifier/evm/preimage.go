package evm

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

// The type byte of a pre-image key, as in the OP Stack's fault-proof specification.
const (
	keyLocal     = 1
	keyKeccak256 = 2
	keySha256    = 4
)

// LoadPreimage stores the part of a pre-image at that offset, so that a step may read it. The key is as the program asks
// for it (not localized), and its type byte picks the loader: local, keccak-256 or sha-256. The value comes without the
// 8 bytes of its length; the offset counts with them. localContext matters for local keys only. The error says why the
// oracle refused: an offset past the end, a type without a loader; or that the value is not the key's pre-image.
func (c *Chain) LoadPreimage(key [32]byte, value []byte, offset uint64, localContext [32]byte) error {
	at := new(big.Int).SetUint64(offset)
	var input []byte
	var err error
	var hash [32]byte // of which the oracle makes the key
	switch key[0] {
	case keyLocal:
		if len(value) > 32 {
			return fmt.Errorf("load pre-image %#x: local data of %d bytes; the oracle takes 32", key, len(value))
		}
		var word [32]byte
		copy(word[:], value)
		ident := new(big.Int).SetBytes(key[1:])
		input, err = c.loader.Pack("loadLocalData", ident, localContext, word, big.NewInt(int64(len(value))), at)
	case keyKeccak256:
		hash = crypto.Keccak256Hash(value)
		input, err = c.loader.Pack("loadKeccak256PreimagePart", at, value)
	case keySha256:
		hash = sha256.Sum256(value)
		input, err = c.loader.Pack("loadSha256PreimagePart", at, value)
	default:
		return fmt.Errorf("load pre-image %#x: the oracle has no loader for type %d", key, key[0])
	}
	if err != nil {
		return fmt.Errorf("load pre-image %#x: %w", key, err)
	}
	if key[0] != keyLocal && [31]byte(hash[1:]) != [31]byte(key[1:]) {
		return fmt.Errorf("load pre-image %#x: the value's hash is %#x", key, hash)
	}
	out, err := c.Call(c.oracle, input)
	if err != nil {
		return fmt.Errorf("load pre-image %#x: %w", key, err)
	}
	if out.Reverted {
		return fmt.Errorf("load pre-image %#x: %s", key, out.Reason)
	}
	return nil
}

// formatError prints a custom error as Name(argument, …), bytes in hex.
func formatError(name string, args []any) string {
	words := make([]string, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case []byte, [32]byte, [20]byte, [4]byte:
			words[i] = fmt.Sprintf("%#x", arg)
		default:
			words[i] = fmt.Sprint(arg)
		}
	}
	return name + "(" + strings.Join(words, ", ") + ")"
}
