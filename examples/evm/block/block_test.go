package block

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/flexemu/flexemu/examples/evm/execute"
	"github.com/flexemu/flexemu/examples/preimage"
)

// exampleRoot is the state root after the block of the documentation. It changes only with the block
// or with the rules of the chain.
var exampleRoot = common.HexToHash("0xc98b2f76aa3e0636c769228010513ac09275fb7a0b9ec4cc4b90049b484ac4b9")

func generateForTest(t *testing.T, transactions int) map[[32]byte][]byte {
	t.Helper()
	preimages, postRoot, err := Generate(transactions)
	if err != nil {
		t.Fatal(err)
	}
	if claimed := preimages[preimage.Local(execute.ClaimedRoot)]; !bytes.Equal(claimed, postRoot[:]) {
		t.Fatalf("claimed root %x, want %x", claimed, postRoot)
	}
	return preimages
}

func TestExampleBlock(t *testing.T) {
	preimages := generateForTest(t, Transactions)
	input, parent, claimed, err := execute.ReadInput(preimage.Map(preimages))
	if err != nil {
		t.Fatal(err)
	}
	if claimed != exampleRoot {
		t.Errorf("post root %v, want %v", claimed, exampleRoot)
	}
	result, err := execute.Execute(preimage.Map(preimages), input, parent)
	if err != nil {
		t.Fatal(err)
	}
	if result.Post != claimed {
		t.Errorf("the guest finds %v, go-ethereum %v", result.Post, claimed)
	}
	if result.Creations < 1 || result.Transfers < 3 || result.Failed != 1 {
		t.Errorf("%d creations, %d transfers of ether, %d failed; want at least 1, at least 3, and 1",
			result.Creations, result.Transfers, result.Failed)
	}
	for _, created := range result.Created {
		if created.Size == 0 {
			t.Errorf("%v was created without code", created.Address)
		}
	}
	// Each token transfer leaves one log, and so does each creation of a token.
	if transfers := result.Logs - result.Creations; transfers < 100 {
		t.Errorf("%d token transfers, want at least 100", transfers)
	}
}

func TestGenerateIsReproducible(t *testing.T) {
	first, second := generateForTest(t, 9), generateForTest(t, 9)
	if !maps.EqualFunc(first, second, bytes.Equal) {
		t.Error("two runs give different pre-images")
	}
	for key, data := range first {
		if preimage.Key(key) != preimage.Keccak256(crypto.Keccak256Hash(data)) && key[0] != 1 {
			t.Errorf("pre-image %v is no keccak-256 pre-image of its key", preimage.Key(key))
		}
	}
}

// TestSizes compares the guest with go-ethereum, inside Generate, on blocks of other shapes.
func TestSizes(t *testing.T) {
	for _, transactions := range []int{1, 2, 8, 64, 65, 300} {
		generateForTest(t, transactions)
	}
	for _, transactions := range []int{-1, 0, maxTransactions + 1} {
		if _, _, err := Generate(transactions); err == nil {
			t.Errorf("Generate(%d) gives no error", transactions)
		}
	}
}

func TestRunTellsAWrongClaim(t *testing.T) {
	preimages := generateForTest(t, 3)
	var text strings.Builder
	if valid, err := execute.Run(preimage.Map(preimages), &text); err != nil || !valid {
		t.Errorf("the right claim: %v, %v", valid, err)
	}
	if !strings.Contains(text.String(), "the claim is right") {
		t.Errorf("the right claim: %q", &text)
	}
	claimed := common.CopyBytes(preimages[preimage.Local(execute.ClaimedRoot)])
	claimed[31] ^= 1
	preimages[preimage.Local(execute.ClaimedRoot)] = claimed
	text.Reset()
	if valid, err := execute.Run(preimage.Map(preimages), &text); err != nil || valid {
		t.Errorf("a wrong claim: %v, %v", valid, err)
	}
	if !strings.Contains(text.String(), "the claim is wrong: "+common.Hash(claimed).Hex()) {
		t.Errorf("a wrong claim: %q", &text)
	}
}

func TestMissingPreimage(t *testing.T) {
	preimages := generateForTest(t, 9)
	errMissing := errors.New("missing")
	for missing := range preimages {
		source := func(key preimage.Key) ([]byte, error) {
			if key == missing {
				return nil, errMissing
			}
			return preimage.Map(preimages)(key)
		}
		if _, err := execute.Run(source, io.Discard); !errors.Is(err, errMissing) {
			t.Errorf("without %v: error %v", preimage.Key(missing), err)
		}
	}
}

func TestBadInput(t *testing.T) {
	good := generateForTest(t, 3)
	for name, spoil := range map[string]func(*execute.Input){
		"order of nonces": func(input *execute.Input) {
			list := input.Transactions
			list[0], list[1] = list[1], list[0]
		},
		"no signature": func(input *execute.Input) {
			tx, err := input.Transactions[2].WithSignature(types.LatestSigner(execute.ChainConfig()), make([]byte, 65))
			if err != nil {
				t.Fatal(err)
			}
			input.Transactions[2] = tx
		},
		"gas limit": func(input *execute.Input) { input.GasLimit = 100_000 },
		"base fee":  func(input *execute.Input) { input.BaseFee.Lsh(input.BaseFee, 300) },
		"number":    func(input *execute.Input) { input.Number++ },
		"parent":    func(input *execute.Input) { input.Parent[5] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			input, _, _, err := execute.ReadInput(preimage.Map(good))
			if err != nil {
				t.Fatal(err)
			}
			spoil(input)
			encoded, err := rlp.EncodeToBytes(input)
			if err != nil {
				t.Fatal(err)
			}
			hash := crypto.Keccak256Hash(encoded)
			preimages := maps.Clone(good)
			preimages[preimage.Keccak256(hash)] = encoded
			preimages[preimage.Local(execute.InputHash)] = hash[:]
			if _, err := execute.Run(preimage.Map(preimages), io.Discard); err == nil {
				t.Error("no error")
			}
		})
	}
	for name, key := range map[string]preimage.Key{
		"input hash":   preimage.Local(execute.InputHash),
		"claimed root": preimage.Local(execute.ClaimedRoot),
		"input":        preimage.Keccak256([32]byte(good[preimage.Local(execute.InputHash)])),
	} {
		for _, cut := range []int{0, 1, 31} {
			preimages := maps.Clone(good)
			preimages[key] = preimages[key][:cut]
			if _, err := execute.Run(preimage.Map(preimages), io.Discard); err == nil {
				t.Errorf("%s cut to %d bytes: no error", name, cut)
			}
		}
	}
}
