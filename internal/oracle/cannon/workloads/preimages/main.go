//go:debug decoratemappings=0

// Command preimages reads the local pre-image 1, which holds a keccak-256 hash
// and no more, then that hash's pre-image, which holds a SHA-256 hash, then
// that one's, and prints its length and last byte. Descriptors as in
// https://specs.optimism.io/fault-proof/cannon-fault-proof-vm.html#io.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

var (
	hintRead  = os.NewFile(3, "hint read")
	hintWrite = os.NewFile(4, "hint write")
	dataRead  = os.NewFile(5, "pre-image read")
	keyWrite  = os.NewFile(6, "pre-image key")
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func get(key [32]byte) []byte {
	hint := binary.BigEndian.AppendUint32(nil, 32)
	_, err := hintWrite.Write(append(hint, key[:]...))
	check(err)
	_, err = hintRead.Read(make([]byte, 1))
	check(err)
	_, err = keyWrite.Write(key[:])
	check(err)
	var length uint64
	check(binary.Read(dataRead, binary.BigEndian, &length))
	data := make([]byte, length)
	_, err = io.ReadFull(dataRead, data)
	check(err)
	return data
}

func hashKey(kind byte, hash []byte) (key [32]byte) {
	copy(key[:], hash)
	key[0] = kind
	return key
}

func main() {
	local := [32]byte{0: 1, 31: 1}
	keccak := hashKey(2, get(local))
	sha256 := hashKey(4, get(keccak))
	data := get(sha256)
	fmt.Println(len(data), data[len(data)-1])
}
