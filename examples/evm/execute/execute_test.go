package execute

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/flexemu/flexemu/examples/preimage"
)

func TestBlockHashes(t *testing.T) {
	headers := make(map[[32]byte][]byte)
	var hashes []common.Hash
	var last common.Hash
	for number := range int64(10) {
		header := &types.Header{Number: big.NewInt(number), Difficulty: new(big.Int), ParentHash: last}
		encoded, err := rlp.EncodeToBytes(header)
		if err != nil {
			t.Fatal(err)
		}
		last = header.Hash()
		hashes = append(hashes, last)
		headers[preimage.Keccak256(last)] = encoded
	}
	asked := 0
	source := func(key preimage.Key) ([]byte, error) {
		asked++
		return preimage.Map(headers)(key)
	}
	get := blockHashes(source, &Input{Parent: last, Number: 10})
	for _, number := range []uint64{9, 3, 5, 3} {
		if got := get(number); got != hashes[number] {
			t.Errorf("block %d: hash %v, want %v", number, got, hashes[number])
		}
	}
	if asked != 6 {
		t.Errorf("%d headers were asked for, want those of the blocks 9 to 4", asked)
	}
	if got := get(10); got != (common.Hash{}) {
		t.Errorf("the block itself: hash %v, want none", got)
	}
	delete(headers, preimage.Keccak256(hashes[2]))
	if got := get(0); got != (common.Hash{}) {
		t.Errorf("behind a missing header: hash %v, want none", got)
	}
}
