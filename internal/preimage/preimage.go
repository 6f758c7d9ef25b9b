// Package preimage is the hosts' side of the pre-image oracle: where the data come from that a guest asks for by
// key, and the check that they are what the key says. Every source of this package checks what it hands out.
//
// A key is a type byte followed by 31 bytes. The kinds of keys and the protocol of a server are those of the OP
// Stack's fault-proof specification ("Pre-image oracle"). Specification: docs/base-machine.md.
package preimage

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/flexemu/flexemu/internal/merkle"
)

// The types of keys, their first byte.
const (
	Local      = 1 // the other bytes are the identifier of an input
	Keccak256  = 2 // all other bytes are those of the data's keccak-256
	SHA256     = 4 // all other bytes are those of the data's sha-256
	Blob       = 5 // an element of a blob
	Precompile = 6 // the result of a precompiled contract
)

// MaxLocal is the length in bytes of the longest local data: the oracle's contract takes no more.
const MaxLocal = 32

// DefaultMaxLength is the length in bytes of the longest pre-image that is accepted unless an option says else.
const DefaultMaxLength = 1 << 30

// Locals is an input commitment: by identifier, the keccak-256 of the local data. Nil stands for none: then any
// local data is accepted.
type Locals map[uint64][32]byte

// Check returns an error unless data is the pre-image of key. Blob elements and results of precompiled contracts
// cannot be checked yet and are refused.
func Check(key [32]byte, data []byte, locals Locals) error {
	if err := checkType(key); err != nil {
		return err
	}
	switch key[0] {
	case Local:
		return checkLocal(key, data, locals)
	case Keccak256:
		return checkHash(key, data, "keccak-256", merkle.Keccak256(data))
	case SHA256:
		return checkHash(key, data, "sha-256", sha256.Sum256(data))
	}
	panic("preimage: a type of key that can be checked has no check")
}

// checkType returns an error when no data could pass as the pre-image of key.
func checkType(key [32]byte) error {
	switch key[0] {
	case Local, Keccak256, SHA256:
		return nil
	case Blob:
		return fmt.Errorf("pre-image %#x: elements of blobs (type %d) are not supported yet", key, Blob)
	case Precompile:
		return fmt.Errorf("pre-image %#x: results of precompiled contracts (type %d) are not supported yet", key, Precompile)
	}
	return fmt.Errorf("pre-image %#x: keys of type %d are unknown", key, key[0])
}

func checkHash(key [32]byte, data []byte, function string, hash [32]byte) error {
	if [31]byte(hash[1:]) != [31]byte(key[1:]) {
		return fmt.Errorf("pre-image %#x: the %s of the %d bytes given is %#x", key, function, len(data), hash)
	}
	return nil
}

func checkLocal(key [32]byte, data []byte, locals Locals) error {
	if len(data) > MaxLocal {
		return fmt.Errorf("pre-image %#x: local data of %d bytes; the contract takes at most %d", key, len(data), MaxLocal)
	}
	if locals == nil {
		return nil
	}
	// An identifier has 31 bytes; those that are committed to have 8.
	id := binary.BigEndian.Uint64(key[24:])
	want, ok := locals[id]
	if !ok || [23]byte(key[1:]) != [23]byte{} {
		return fmt.Errorf("pre-image %#x: the input commitment has no such local data", key)
	}
	if hash := merkle.Keccak256(data); hash != want {
		return fmt.Errorf("pre-image %#x: the keccak-256 of the local data %#x is %#x; the input commitment has %#x", key, data, hash, want)
	}
	return nil
}

// None is the host of a guest that was given no pre-images. It ignores hints.
type None struct{}

// Preimage returns an error.
func (None) Preimage(key [32]byte) ([]byte, error) {
	return nil, fmt.Errorf("the guest asked for the pre-image %#x, and no source of pre-images was given (--preimages or --preimage-server)", key)
}

// Hint does nothing.
func (None) Hint([]byte) error { return nil }
