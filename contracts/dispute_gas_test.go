package contracts_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/flexemu/flexemu/contracts"
	"github.com/flexemu/flexemu/internal/verifier/evm"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	disputeGas = "testdata/dispute_gas.txt"
	// Gas of a move as a transaction; of one by somebody else than before, which may be any that has no name.
	moveLimit, helperLimit = 60_000, 120_000

	outerHeight, innerHeight = 26, 22
	grace, allowance         = 10, 1000 // seconds
	gasPrice                 = 2_000_000_000
)

var (
	alice = common.HexToAddress("0xa11ce")
	bob   = common.HexToAddress("0xb0b")
	carol = common.HexToAddress("0xca401")
)

// A steady history has one root up to a leaf and another one from there on, so that its tree needs no memory. The true
// history of a machine that has halted at the start is one root throughout; a liar's is not.
type steady struct {
	before, after [32]byte
	from          uint64
}

func pair(l, r [32]byte) [32]byte { return crypto.Keccak256Hash(l[:], r[:]) }

func (s steady) node(first uint64, height int) [32]byte {
	uniform := func(leaf [32]byte) [32]byte {
		for range height {
			leaf = pair(leaf, leaf)
		}
		return leaf
	}
	switch {
	case first >= s.from:
		return uniform(s.after)
	case first+1<<height <= s.from:
		return uniform(s.before)
	}
	return pair(s.node(first, height-1), s.node(first+1<<(height-1), height-1))
}

func (s steady) proof(index uint64, height int) [][32]byte {
	p := make([][32]byte, height)
	for i := range p {
		p[i] = s.node((index>>i^1)<<i, i)
	}
	return p
}

type level struct {
	Log2Stride, Height uint8
	Allowance          uint32
	Bond               *big.Int
}

type gasGame struct {
	t       *testing.T
	chain   *evm.Chain
	game    contracts.Artifact
	at, toy common.Address
	now     uint64
	table   bytes.Buffer
	root    [32]byte // of the halted machine
	state   []byte   // its encoding, which is the proof
}

// send makes a transaction; what is named gets a line in the table.
func (g *gasGame) send(name string, from common.Address, value *big.Int, method string, args ...any) evm.Outcome {
	g.t.Helper()
	input, err := g.game.ABI.Pack(method, args...)
	if err != nil {
		g.t.Fatal(err)
	}
	tx := evm.Tx{From: from, To: g.at, Time: g.now, GasPrice: gasPrice, Input: input}
	if value != nil {
		tx.Value = uint256.MustFromBig(value)
	}
	out, err := g.chain.Transact(tx)
	if err != nil {
		g.t.Fatal(err)
	}
	if out.Reverted {
		g.t.Fatalf("%s %q: %s", method, name, out.Reason)
	}
	if name != "" {
		fmt.Fprintf(&g.table, "%-52s %9d\n", name, out.TxGas)
	}
	limit := uint64(moveLimit)
	if from == carol || name == "" {
		limit = helperLimit
	}
	if method == "move" && out.TxGas > limit {
		g.t.Errorf("%s costs %d gas, more than %d", name, out.TxGas, limit)
	}
	return out
}

func (g *gasGame) view(into any, method string, args ...any) {
	g.t.Helper()
	out := g.send("", alice, nil, method, args...)
	if err := g.game.ABI.UnpackIntoInterface(into, method, out.Return); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gasGame) bond(height int) *big.Int {
	var b *big.Int
	g.view(&b, "minimumBond", uint8(height), uint64(100e9), uint32(600_000))
	return b
}

func (g *gasGame) open(name string, levels ...level) [32]byte {
	type params struct {
		InitialRoot [32]byte
		Verifier    common.Address
		Inputs      [32]byte
		Grace       uint32
		MaxGasPrice uint64
		ProofGas    uint32
		Levels      []level
	}
	out := g.send(name, alice, nil, "open", params{g.root, g.toy, [32]byte{}, grace, 100e9, 600_000, levels})
	return [32]byte(out.Return)
}

func (g *gasGame) level(log2Stride, height int) level {
	return level{uint8(log2Stride), uint8(height), allowance, g.bond(height)}
}

func (g *gasGame) join(name string, who common.Address, tournament [32]byte, s steady, height int) [32]byte {
	out := g.send(name, who, g.bond(height), "join", tournament, s.node(0, height-1), s.node(1<<(height-1), height-1),
		s.after, s.proof(1<<height-1, height))
	return [32]byte(out.Return)
}

// A board is the part of MatchView that a move needs.
type board struct {
	Tournament  [32]byte
	Claims      [2][32]byte
	Phase, Turn uint8
	Height      uint8
	Position    uint64
	LastMove    *big.Int
	Clocks      [2]uint32
	Parent      [32]byte
	Left        [32]byte
	Right       [32]byte
	Agreed      [32]byte
	Results     [2][32]byte
	Movers      [2]common.Address
	Owed        [2]*big.Int
}

func (g *gasGame) board(id [32]byte) board {
	out := struct{ V board }{}
	raw := g.send("", alice, nil, "matchOf", id)
	vals, err := g.game.ABI.Unpack("matchOf", raw.Return)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.game.ABI.Methods["matchOf"].Outputs.Copy(&out, vals); err != nil {
		g.t.Fatal(err)
	}
	return out.V
}

// play makes the move, or the seal, of the side whose turn it is.
func (g *gasGame) play(name string, who common.Address, id [32]byte, s steady, height int) {
	m := g.board(id)
	first, h := m.Position, int(m.Height)-1
	l, r := s.node(first, h), s.node(first+1<<h, h)
	if h == 0 {
		var agreed [32]byte
		proof := [][32]byte{}
		if l != m.Left && first > 0 {
			agreed, proof = g.root, s.proof(first-1, height)
		}
		g.send(name, who, nil, "seal", id, l, r, agreed, proof)
		return
	}
	if l == m.Left {
		first += 1 << h
	}
	g.send(name, who, nil, "move", id, l, r, s.node(first, h-1), s.node(first+1<<(h-1), h-1))
}

// playOut plays until the last height, or until sealed.
func (g *gasGame) playOut(name, sealed string, id [32]byte, sides [2]steady, height int) {
	for m := g.board(id); m.Phase == 1; m = g.board(id) {
		what := ""
		if m.Height == 1 {
			what = sealed
		} else if int(m.Height) == height-5 {
			what = name
		}
		g.play(what, [2]common.Address{alice, bob}[m.Turn], id, sides[m.Turn], height)
	}
}

func TestDisputeGas(t *testing.T) {
	chain, err := evm.New()
	if err != nil {
		t.Fatal(err)
	}
	g := &gasGame{t: t, chain: chain, now: 1_000_000}
	deploy := func(name string) common.Address {
		a, err := contracts.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		at, err := chain.Deploy(a)
		if err != nil {
			t.Fatal(err)
		}
		if name == "DisputeGame" {
			g.game = a
		}
		return at
	}
	g.toy, g.at = deploy("ToyTransition"), deploy("DisputeGame")
	g.state = make([]byte, 128)
	g.root = crypto.Keccak256Hash(g.state)
	fmt.Fprintf(&g.table, "# Gas of the dispute game: whole transactions. Levels of 2^%d and 2^%d leaves.\n", outerHeight, innerHeight)
	g.wholeGame()
	g.others()
	if *update {
		if err := os.WriteFile(disputeGas, g.table.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(disputeGas)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.table.String(); got != string(want) {
		t.Errorf("prices differ from %s; go test ./contracts -run TestDisputeGas -update writes it anew\n%s", disputeGas, got)
	}
}

// wholeGame plays two levels to the end.
func (g *gasGame) wholeGame() {
	good := steady{g.root, g.root, 0}
	liar := steady{g.root, [32]byte{1}, 0x2a5a5a4}
	task := g.open("open, two levels", g.level(innerHeight, outerHeight), g.level(0, innerHeight))
	a := g.join("join, waits", alice, task, good, outerHeight)
	b := g.join("join, is paired", bob, task, liar, outerHeight)
	id := pair(a, b)
	g.play("move, the first of A", alice, id, good, outerHeight)
	g.play("move, the first of B", bob, id, liar, outerHeight)
	g.now += grace + 1
	g.play("move, of a helper, the poster is credited", carol, id, good, outerHeight)
	g.playOut("move", "seal, opens an inner tournament", id, [2]steady{good, liar}, outerHeight)

	forged := steady{g.root, [32]byte{1}, 0x155555}
	a = g.join("join an inner tournament, waits", alice, id, good, innerHeight)
	b = g.join("join an inner tournament, is paired", bob, id, forged, innerHeight)
	inner := pair(a, b)
	g.playOut("move in an inner tournament", "seal, for a step", inner, [2]steady{good, forged}, innerHeight)
	g.send("prove, a step of the toy", alice, nil, "prove", inner, g.state)
	g.now += allowance
	g.send("finish an inner tournament", alice, nil, "finish", id)
	g.send("finish", alice, nil, "finish", task)
	g.send("withdraw", alice, nil, "withdraw", task, alice)
}

// others measures how else a match ends.
func (g *gasGame) others() {
	task := g.open("open, one level", g.level(0, innerHeight))
	lie := func(i byte) steady { return steady{g.root, [32]byte{i}, 0x155555} }
	var ids [7][32]byte
	for i := range ids {
		ids[i] = g.join("", bob, task, lie(byte(i+1)), innerHeight)
	}
	refute := func(name string, i int) {
		s := lie(byte(i + 1))
		g.send(name, alice, nil, "refute", ids[i], uint64(0x155555), g.root, s.proof(0x155554, innerHeight), s.after,
			s.proof(0x155555, innerHeight))
	}
	g.now += allowance + grace + 1
	g.send("timeout, the rival waits", alice, nil, "timeout", pair(ids[0], ids[1]))
	g.send("timeout, the rival is paired", alice, nil, "timeout", pair(ids[2], ids[3]))
	g.send("execute, a step of the toy", alice, nil, "execute", task, g.root, g.state)
	refute("refute, of one that plays", 4)
	g.send("advance, one claim, which is paired", alice, nil, "advance", task)
	refute("refute, of one that plays, the rival waits", 5)
	refute("refute, of one that waits", 6)
}
