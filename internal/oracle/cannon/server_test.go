package cannon_test

import (
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

// serverMode is the variable of the environment that makes the test's own program a pre-image server, and says what
// kind of one.
const serverMode = "CANNON_TEST_SERVER"

// serverData are the pre-images of an honest server, for the workloads preimages and large.
func serverData() map[[32]byte][]byte {
	data := map[[32]byte][]byte{}
	keccak := func(b []byte) [32]byte {
		key := [32]byte(crypto.Keccak256(b))
		key[0] = byte(preimage.Keccak256KeyType)
		data[key] = b
		return key
	}
	sha := func(b []byte) [32]byte {
		key := sha256.Sum256(b)
		key[0] = byte(preimage.Sha256KeyType)
		data[key] = b
		return key
	}
	other := func(kind preimage.KeyType, b []byte) [32]byte {
		key := [32]byte(crypto.Keccak256([]byte("input of"), b))
		key[0] = byte(kind)
		data[key] = b
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
	// preimages wants one hash of 32 bytes, large a list of keys; both ask for local 1.
	if os.Getenv(serverMode) == "honest, for preimages" {
		list = middle[:]
	}
	data[[32]byte{0: 1, 31: 1}] = list
	return data
}

// serve is the server. It does not return.
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
	data, asked := serverData(), 0
	server := preimage.NewOracleServer(keys)
	for {
		err := server.NextPreimageRequest(func(key [32]byte) ([]byte, error) {
			asked++
			value, ok := data[key]
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
