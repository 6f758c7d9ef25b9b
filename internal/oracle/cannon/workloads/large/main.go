//go:debug decoratemappings=0

// Command large reads pre-images of every type, one of them large, in pieces of odd lengths, with hints in several
// writes. The first, local 1, is a list of the keys of the others.
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

func get(key [32]byte, piece int) []byte {
	text := fmt.Sprintf("want %x", key[:4])
	hint := append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	for _, part := range [][]byte{hint[:3], hint[3:9], hint[9:]} {
		_, err := hintWrite.Write(part)
		check(err)
	}
	_, err := hintRead.Read(make([]byte, 1))
	check(err)
	_, err = keyWrite.Write(key[:])
	check(err)
	var length uint64
	check(binary.Read(dataRead, binary.BigEndian, &length))
	data := make([]byte, length)
	for at := 0; at < len(data); at += piece {
		_, err := io.ReadFull(dataRead, data[at:min(len(data), at+piece)])
		check(err)
	}
	return data
}

func main() {
	keys := get([32]byte{0: 1, 31: 1}, 8)
	for n := 0; n+32 <= len(keys); n += 32 {
		data := get([32]byte(keys[n:]), 13+n)
		sum := uint32(0)
		for _, b := range data {
			sum = sum*31 + uint32(b)
		}
		fmt.Println(keys[n], len(data), sum)
	}
}
