package evm_test

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/contracts"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

// newChain returns a chain with one more contract, made of runtime code written out by hand.
func newChain(t testing.TB, runtime string) (*evm.Chain, common.Address) {
	t.Helper()
	c, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	code := common.FromHex(runtime)
	if len(code) > 255 {
		t.Fatalf("%d bytes of code", len(code))
	}
	// PUSH1 len, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN, STOP: init code that deploys what follows it.
	init := append([]byte{0x60, byte(len(code)), 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0x00}, code...)
	addr, err := c.Deploy(contracts.Artifact{Name: "test", ABI: abi.ABI{}, Bytecode: init})
	if err != nil {
		t.Fatal(err)
	}
	return c, addr
}

// Cannon's contract reads its calldata at fixed places and asserts them.
func TestStepCalldata(t *testing.T) {
	// The contract logs its calldata without topics and returns its first word:
	// CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY CALLDATASIZE PUSH0 LOG0 PUSH1 32 PUSH0 RETURN.
	c, addr := newChain(t, "365f5f37365fa060205ff3")
	state, proof := bytes.Repeat([]byte{0xaa}, 188), bytes.Repeat([]byte{0xbb}, 6090)
	context := [32]byte{31: 7}
	r, err := c.Step(addr, state, proof, context)
	if err != nil {
		t.Fatal(err)
	}
	if r.Reverted {
		t.Fatal(r.Reason)
	}
	want := make([]byte, 356+6112)
	copy(want, crypto.Keccak256([]byte("step(bytes,bytes,bytes32)"))[:4])
	for at, word := range map[int]uint64{4: 96, 36: 96 + 32 + 192, 68: 7, 100: 188, 324: 6090} {
		binary.BigEndian.PutUint64(want[at+24:], word)
	}
	copy(want[132:], state)
	copy(want[356:], proof)
	if !bytes.Equal(r.Log, want) {
		t.Errorf("calldata:\n%x\nwant:\n%x", r.Log, want)
	}
	if !bytes.Equal(r.Post[:], want[:32]) {
		t.Errorf("post %x, want %x", r.Post, want[:32])
	}
	// By hand, from the prices of the yellow paper: 11 instructions, 203 words of memory and copy, 6,468 bytes of log.
	execution := uint64(2 + 2 + 2 + 3 + 2 + 2 + 375 + 3 + 2 + 0 + 3*203 + 3*203 + 203*203/512 + 8*6468)
	if r.Gas != execution {
		t.Errorf("gas %d, want %d", r.Gas, execution)
	}
	zeros := uint64(bytes.Count(want, []byte{0}))
	nonzeros := uint64(len(want)) - zeros
	if tx := 21000 + max(4*zeros+16*nonzeros+execution, 10*zeros+40*nonzeros); r.TxGas != tx {
		t.Errorf("transaction gas %d, want %d", r.TxGas, tx)
	}
}

// A call that does little is charged for its calldata all the same: 10 gas for a zero byte, 40 for any other.
func TestTxGasFloor(t *testing.T) {
	c, addr := newChain(t, "60205ff3")
	out, err := c.Call(addr, []byte{0, 1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64(21000 + 10 + 3*40); out.TxGas != want {
		t.Errorf("transaction gas %d, want %d", out.TxGas, want)
	}
}

func TestStepUndoesItsEffects(t *testing.T) {
	// Returns how often it was called, by its storage: SLOAD(0)+1 → SSTORE(0), and returns it.
	c, addr := newChain(t, "5f5460010180"+"5f55"+"5f5260205ff3")
	for range 3 {
		r, err := c.Step(addr, nil, nil, [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Post != ([32]byte{31: 1}) {
			t.Fatalf("post %x: an earlier step is still visible", r.Post)
		}
	}
	for i := byte(1); i < 3; i++ {
		out, err := c.Call(addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		if out.Return[31] != i {
			t.Errorf("call %d returned %x", i, out.Return)
		}
	}
	f := c.Fork()
	if out, err := f.Call(addr, nil); err != nil || out.Return[31] != 3 {
		t.Errorf("fork: returned %x, %v", out.Return, err)
	}
	if out, err := c.Call(addr, nil); err != nil || out.Return[31] != 3 {
		t.Errorf("after a fork's call: returned %x, %v", out.Return, err)
	}
}

func TestReasons(t *testing.T) {
	for name, tc := range map[string]struct{ code, want string }{
		"bare revert":      {"5f5ffd", "reverted without a reason"},
		"unknown error":    {"63aabbccdd5f526004601cfd", "reverted with 0xaabbccdd"},
		"invalid opcode":   {"fe", "invalid opcode: INVALID"},
		"endless":          {"5b5f56", "out of gas"},
		"stack underflow":  {"01", "stack underflow (0 <=> 2)"},
		"wrong returndata": {"60015ff3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, addr := newChain(t, tc.code)
			r, err := c.Step(addr, nil, nil, [32]byte{})
			if tc.want == "" {
				if err == nil {
					t.Errorf("no error, result %+v", r)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !r.Reverted || r.Reason != tc.want {
				t.Errorf("reverted %v, %q; want %q", r.Reverted, r.Reason, tc.want)
			}
		})
	}
	c, _ := newChain(t, "")
	if _, err := c.Step(common.Address{1}, nil, nil, [32]byte{}); err == nil {
		t.Error("Step at an empty account: no error")
	}
	if _, err := c.DeployVerifier("Nonesuch"); err == nil {
		t.Error("DeployVerifier of an unknown contract: no error")
	}
}

// readPart asks the oracle as a verifier does.
func readPart(t *testing.T, c *evm.Chain, key [32]byte, offset int64) (data []byte, length uint64, reason string) {
	t.Helper()
	a, err := contracts.Load("IPreimageOracle")
	if err != nil {
		t.Fatal(err)
	}
	input, err := a.ABI.Pack("readPreimage", key, big.NewInt(offset))
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Call(c.Oracle(), input)
	if err != nil {
		t.Fatal(err)
	}
	if out.Reverted {
		return nil, 0, out.Reason
	}
	return out.Return[:32], new(big.Int).SetBytes(out.Return[32:]).Uint64(), ""
}

func typed(hash []byte, keyType byte) (key [32]byte) {
	copy(key[:], hash)
	key[0] = keyType
	return key
}

func TestLoadPreimage(t *testing.T) {
	c, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	value := bytes.Repeat([]byte("pre-image "), 10)
	key := typed(crypto.Keccak256(value), 2)
	whole := append(binary.BigEndian.AppendUint64(nil, 100), value...)
	for _, offset := range []int{0, 8, 77, 107} {
		if err := c.LoadPreimage(key, value, uint64(offset), [32]byte{}); err != nil {
			t.Fatal(err)
		}
		part := whole[offset:min(offset+32, len(whole))]
		data, n, reason := readPart(t, c, key, int64(offset))
		if reason != "" || n != uint64(len(part)) || !bytes.Equal(data[:n], part) {
			t.Errorf("part at %d: %x, length %d, %s; want %x", offset, data, n, reason, part)
		}
	}
	if _, _, reason := readPart(t, c, key, 9); !strings.HasPrefix(reason, "PartMissing(0x02") || !strings.HasSuffix(reason, ", 9)") {
		t.Errorf("part never loaded: %q", reason)
	}

	// The local key of the program and the one under which the oracle keeps what Sender wrote.
	ident, context := [32]byte{0: 1, 31: 5}, [32]byte{31: 9}
	if err := c.LoadPreimage(ident, []byte("local"), 0, context); err != nil {
		t.Fatal(err)
	}
	local := typed(crypto.Keccak256(ident[:], common.LeftPadBytes(evm.Sender[:], 32), context[:]), 1)
	if data, n, reason := readPart(t, c, local, 0); reason != "" || n != 13 || !bytes.Equal(data[8:13], []byte("local")) {
		t.Errorf("local data: %x, length %d, %s", data, n, reason)
	}

	for name, err := range map[string]error{
		"wrong value":         c.LoadPreimage(key, value[1:], 0, [32]byte{}),
		"offset past the end": c.LoadPreimage(key, value, 109, [32]byte{}),
		"huge offset":         c.LoadPreimage(key, value, 1<<64-1, [32]byte{}),
		"long local":          c.LoadPreimage(ident, make([]byte, 33), 0, context),
		"no loader":           c.LoadPreimage([32]byte{5}, value, 0, [32]byte{}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// BenchmarkStep measures the harness: 6 KB of calldata and one keccak over them.
func BenchmarkStep(b *testing.B) {
	// CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY CALLDATASIZE PUSH0 KECCAK256 PUSH0 MSTORE PUSH1 32 PUSH0 RETURN.
	c, addr := newChain(b, "365f5f37365f205f5260205ff3")
	state, proof := make([]byte, 188), make([]byte, 6090)
	for b.Loop() {
		if r, err := c.Step(addr, state, proof, [32]byte{}); err != nil || r.Reverted {
			b.Fatal(r.Reason, err)
		}
	}
}
