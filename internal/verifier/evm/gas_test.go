package evm_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/flexemu/flexemu/contracts"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

var update = flag.Bool("update", false, "write the golden files")

const oracleGas = "testdata/oracle_gas.txt"

// The prices of the oracle's operations, as a golden file. On the way a pre-image of 1 MB is uploaded, each piece as large
// as a transaction may be.
func TestOracleGas(t *testing.T) {
	c, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	oracle, err := contracts.Load("PreimageOracle")
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	fmt.Fprintf(&table, "# Gas of the pre-image oracle: execution of the call, whole transaction.\n")
	call := func(what, method string, args ...any) evm.Outcome {
		t.Helper()
		input, err := oracle.ABI.Pack(method, args...)
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Call(c.Oracle(), input)
		if err != nil {
			t.Fatal(err)
		}
		if out.Reverted {
			t.Fatalf("%s: %s", what, out.Reason)
		}
		if out.TxGas > params.MaxTxGas {
			t.Errorf("%s costs %d gas; a transaction may have %d", what, out.TxGas, params.MaxTxGas)
		}
		if what != "" {
			fmt.Fprintf(&table, "%-52s %9d %9d\n", what, out.Gas, out.TxGas)
		}
		return out
	}
	n := func(v int) *big.Int { return big.NewInt(int64(v)) }

	word := [32]byte(crypto.Keccak256([]byte("word")))
	local := call("loadLocalData", "loadLocalData", n(1), [32]byte{}, word, n(32), n(0))
	call("loadLocalData, next part", "loadLocalData", n(1), [32]byte{}, word, n(32), n(8))
	for _, size := range []int{32, 1000, 100_000} {
		call(fmt.Sprintf("loadKeccak256PreimagePart, %d bytes", size), "loadKeccak256PreimagePart", n(8), noise(size))
		call(fmt.Sprintf("loadSha256PreimagePart, %d bytes", size), "loadSha256PreimagePart", n(8), noise(size))
	}
	call("readPreimage", "readPreimage", [32]byte(local.Return), n(0))

	const block, offset, blocks = 136, 500_000, 478
	data := noise(1_000_000)
	call("openKeccak256Upload", "openKeccak256Upload", n(7), n(offset), n(len(data)))
	call("continueKeccak256Upload, first block", "continueKeccak256Upload", n(7), n(0), data[:block])
	call("continueKeccak256Upload, 1 block", "continueKeccak256Upload", n(7), n(block), data[block:2*block])
	what := fmt.Sprintf("continueKeccak256Upload, %d blocks", blocks)
	var last evm.Outcome
	transactions := 3
	for at := 2 * block; at < len(data); at += blocks * block {
		if at+blocks*block > len(data) {
			what = fmt.Sprintf("continueKeccak256Upload, last piece of %d bytes", len(data)-at)
		}
		last = call(what, "continueKeccak256Upload", n(7), n(at), data[at:min(at+blocks*block, len(data))])
		transactions++
		what = ""
	}
	fmt.Fprintf(&table, "# 1,000,000 bytes were uploaded in %d transactions.\n", transactions)

	key := typed(crypto.Keccak256(data), 2)
	if !bytes.Equal(last.Return, key[:]) {
		t.Errorf("upload stored under %x, want %x", last.Return, key)
	}
	if part, length, reason := readPart(t, c, key, offset); length != 32 || !bytes.Equal(part, data[offset-8:offset+24]) {
		t.Errorf("part %x, length %d, %s; want %x", part, length, reason, data[offset-8:offset+24])
	}

	if *update {
		if err := os.WriteFile(oracleGas, table.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(oracleGas)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(table.Bytes(), want) {
		t.Errorf("got:\n%s\n%s has:\n%s\nIf the change is meant, run go test -run OracleGas -update", &table, oracleGas, want)
	}
}

// noise returns bytes that depend on their number only.
func noise(size int) []byte {
	var data []byte
	for i := uint64(0); len(data) < size; i++ {
		data = append(data, crypto.Keccak256(binary.BigEndian.AppendUint64(nil, i))...)
	}
	return data[:size]
}
