// Package server is a pre-image server for tests, honest or not, for the programs preimages and large of package
// workloads.
package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	preimage "github.com/ethereum-optimism/optimism/op-preimage"
	"github.com/ethereum/go-ethereum/crypto"
)

// Mode is the variable of the environment that makes a test's own program a server, and says which kind of one:
//
//	honest, and honest, for preimages (the program of that name)
//	bulk            honest, with ten pre-images of 1 MiB
//	slow            takes 300 ms for each pre-image
//	lies            gives wrong data, but for the first
//	dead            ends at once
//	dies            ends at the second pre-image; dies midway: in the middle of it; dies at a hint
//	boasts          gives a length of 2^62
//	hangs           never answers the second
const Mode = "CANNON_TEST_SERVER"

const honestForPreimages = "honest, for preimages"

// data gives the pre-images of an honest server, for the workloads preimages and large.
func data() map[[32]byte][]byte {
	all := map[[32]byte][]byte{}
	keccak := func(b []byte) [32]byte {
		key := [32]byte(crypto.Keccak256(b))
		key[0] = byte(preimage.Keccak256KeyType)
		all[key] = b
		return key
	}
	sha := func(b []byte) [32]byte {
		key := sha256.Sum256(b)
		key[0] = byte(preimage.Sha256KeyType)
		all[key] = b
		return key
	}
	other := func(kind preimage.KeyType, b []byte) [32]byte {
		key := [32]byte(crypto.Keccak256([]byte("input of"), b))
		key[0] = byte(kind)
		all[key] = b
		return key
	}
	large := make([]byte, 140_007)
	for n := range large {
		large[n] = byte(n * n >> 7)
	}
	last := make([]byte, 1_003)
	last[len(last)-1] = 42
	lastKey := sha(last)
	var list []byte
	for _, key := range [][32]byte{
		keccak(large), sha(large[:1000]), keccak(nil), other(preimage.BlobKeyType, large[:32]), other(preimage.PrecompileKeyType, []byte{1, 2, 3}),
	} {
		list = append(list, key[:]...)
	}
	middle := keccak(lastKey[:])
	if os.Getenv(Mode) == "bulk" {
		list = nil
		for n := range 10 {
			key := keccak(bytes.Repeat([]byte{byte(n), 7}, 1<<19))
			list = append(list, key[:]...)
		}
	}
	// preimages wants one hash of 32 bytes, large a list of keys; both ask for local 1.
	if os.Getenv(Mode) == honestForPreimages {
		list = middle[:]
	}
	all[[32]byte{0: 1, 31: 1}] = list
	return all
}

// Main serves if this process is to be a server, and does not return then.
func Main() {
	if mode := os.Getenv(Mode); mode != "" {
		serve(mode)
	}
}

func serve(mode string) {
	hints := pipes{os.NewFile(3, "hint read"), os.NewFile(4, "hint write")}
	keys := pipes{os.NewFile(5, "pre-image read"), os.NewFile(6, "pre-image write")}
	fmt.Println("server", mode)
	fmt.Fprintln(os.Stderr, "errors of", mode)
	if mode == "dead" {
		os.Exit(7)
	}
	go func() {
		for reader := preimage.NewHintReader(hints); ; {
			err := reader.NextHint(func(hint string) error {
				if mode == "dies at a hint" && strings.HasPrefix(hint, "want 02") {
					os.Exit(9)
				}
				return nil
			})
			if errors.Is(err, io.EOF) {
				return
			}
		}
	}()
	known, asked := data(), 0
	server := preimage.NewOracleServer(keys)
	for {
		err := server.NextPreimageRequest(func(key [32]byte) ([]byte, error) {
			asked++
			value, ok := known[key]
			if !ok {
				return nil, fmt.Errorf("no pre-image %x", key)
			}
			if asked == 1 {
				return value, nil
			}
			switch mode {
			case "slow":
				time.Sleep(300 * time.Millisecond)
			case "lies":
				return append([]byte{1}, value...), nil
			case "dies":
				os.Exit(8)
			case "dies midway":
				_ = binary.Write(keys, binary.BigEndian, uint64(len(value)))
				_, _ = keys.Write(value[:len(value)/2])
				os.Exit(8)
			case "boasts":
				_ = binary.Write(keys, binary.BigEndian, uint64(1)<<62)
				time.Sleep(time.Hour)
			case "hangs":
				time.Sleep(time.Hour)
			}
			return value, nil
		})
		if errors.Is(err, io.EOF) {
			os.Exit(0)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
	}
}

// pipes are the two directions of a channel.
type pipes struct {
	io.Reader
	io.Writer
}
