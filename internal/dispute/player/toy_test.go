package player_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/chaintest"
	"github.com/flexemu/flexemu/internal/dispute/devchain"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/player"
)

func pair(dst, src []dispute.Hash) {
	for i := range dst {
		dst[i] = crypto.Keccak256Hash(src[2*i][:], src[2*i+1][:])
	}
}

// toy is the machine of the contract ToyTransition: it hashes its value end times. From step lie on, if that is not 0, it
// has other roots, which no step leads to.
type toy struct {
	end, lie uint64
	salt     byte
}

// state is what a root commits to, as the contract decodes it.
func (m toy) state(step uint64) []byte {
	step = min(step, m.end)
	var value [32]byte
	for range step {
		value = crypto.Keccak256Hash(value[:])
	}
	word := func(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 24), n) }
	return append(append(append(word(step), word(m.end)...), word(1<<63)...), value[:]...)
}

func (m toy) root(step uint64) dispute.Hash {
	if m.lie > 0 && step >= m.lie {
		return crypto.Keccak256Hash([]byte{m.salt}, binary.BigEndian.AppendUint64(nil, min(step, max(m.end, m.lie))))
	}
	return crypto.Keccak256Hash(m.state(step))
}

func (m toy) History(_ context.Context, p dispute.Place) (*dispute.Record, error) {
	roots := make([]dispute.Hash, 1<<p.Height)
	for i := range roots {
		roots[i] = m.root(p.Start + uint64(i+1)<<p.Log2Stride)
	}
	h, err := dispute.NewHistory(pair, p.Height, roots)
	return &dispute.Record{History: h}, err
}

func (m toy) Witness(_ context.Context, p dispute.Place, position uint64) (*player.Witness, error) {
	return &player.Witness{Proof: m.state(p.Start + position)}, nil
}

func signer(n byte) eth.Signer { return chaintest.Signer(n) }

// opener opens tasks; players have higher numbers.
const opener = 1

// send sends a transaction of the opener's, and returns its receipt.
func send(t *testing.T, n eth.Node, w eth.Wish) *types.Receipt {
	t.Helper()
	var got *types.Receipt
	s, err := eth.NewSender(t.Context(), n, signer(opener), eth.SenderOptions{Mined: func(m eth.Mined) { got = m.Receipt }})
	if err == nil {
		err = s.Push(t.Context(), w, func() bool { return got != nil })
	}
	if err != nil {
		t.Fatal(eth.Explain(err))
	}
	if got.Status == 0 {
		t.Fatalf("%s: failed", w.Why)
	}
	return got
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// open deploys the game and opens a task for a toy, with levels of these heights.
func open(t *testing.T, n eth.Node, m toy, allowance uint32, heights ...uint8) (*eth.Game, common.Hash) {
	t.Helper()
	game := send(t, n, must(eth.DeployWish("DisputeGame"))).ContractAddress
	verifier := send(t, n, must(eth.DeployWish("ToyTransition"))).ContractAddress
	g := &eth.Game{Node: n, Address: game}
	p := eth.TaskParams{InitialRoot: m.root(0), Verifier: verifier, Grace: 10, MaxGasPrice: 20 * params.GWei, ProofGas: 1_000_000}
	stride := uint8(0)
	for i := len(heights) - 1; i >= 0; i-- {
		bond := big.NewInt(params.Ether)
		p.Levels = append([]eth.Level{{Log2Stride: stride, Height: heights[i], Allowance: allowance, Bond: bond}}, p.Levels...)
		stride += heights[i]
	}
	r := send(t, n, must(g.OpenWish(p)))
	return g, r.Logs[0].Topics[1]
}

func chain(t *testing.T) *devchain.Chain {
	t.Helper()
	accounts := map[common.Address]*big.Int{}
	for n := range byte(100) {
		accounts[signer(n).Address()] = big.NewInt(0).Mul(big.NewInt(100), big.NewInt(params.Ether))
	}
	c, err := devchain.New(accounts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// join makes a player of an account.
func join(t *testing.T, g *eth.Game, task common.Hash, n byte, m player.Machine, now func() uint64) *player.Player {
	t.Helper()
	s, err := eth.NewSender(t.Context(), g.Node, signer(n), eth.SenderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil)).With("player", n)
	c := player.Config{Game: g, Task: task, Machine: m, Sender: s, Now: now, Log: log}
	if l, ok := m.(toy); ok && l.lie > 0 {
		c.Bend = func(_ *dispute.Task, p *dispute.Plan) {
			p.Actions = slices.DeleteFunc(p.Actions, func(a dispute.Action) bool { return a.Kind == dispute.Prove }) // it would only lose
		}
	}
	return player.New(c)
}

// play lets players have their turns, and time pass when nobody has anything to do, until the first one is done.
func play(t *testing.T, c *devchain.Chain, players ...*player.Player) player.Turn {
	t.Helper()
	for range 10_000 {
		busy := false
		for i, p := range players {
			turn, err := p.Turn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 && turn.Done {
				return turn
			}
			if turn.Needs > 0 {
				p.Wait(t.Context())
			}
			busy = busy || turn.Sent > 0 || turn.Needs > 0
		}
		if !busy {
			c.Pass(60)
		}
	}
	t.Fatal("the task does not end")
	return player.Turn{}
}

func TestToy(t *testing.T) {
	honest := toy{end: 100}
	for _, heights := range [][]uint8{{7}, {4, 3}, {3, 2, 2}} {
		t.Run(fmt.Sprint(heights), func(t *testing.T) {
			c := chain(t)
			g, task := open(t, c, honest, 3600, heights...)
			players := []*player.Player{join(t, g, task, 10, honest, c.Now)}
			for n, lie := range []uint64{1, 50, 100, 101, 127, 128} {
				players = append(players, join(t, g, task, byte(11+n), toy{end: 100, lie: lie, salt: byte(n)}, c.Now))
			}
			turn := play(t, c, players...)
			finished, decided, root := turn.Task.Result()
			if !finished || !decided || root != honest.root(128) || !turn.Won {
				t.Errorf("finished %v, decided %v, root %x", finished, decided, root)
			}
		})
	}
}

// Two others lie about a step, and have shown so in their match, when it is executed in ours: then one of them is
// out without another move.
func TestRefutation(t *testing.T) {
	honest := toy{end: 100}
	c := chain(t)
	g, task := open(t, c, honest, 3600, 7)
	var log bytes.Buffer
	s := must(eth.NewSender(t.Context(), c, signer(10), eth.SenderOptions{}))
	players := []*player.Player{player.New(player.Config{
		Game: g, Task: task, Machine: honest, Sender: s, Now: c.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})}
	for n := range byte(3) {
		players = append(players, join(t, g, task, 11+n, toy{end: 100, lie: 50, salt: n}, c.Now))
	}
	if turn := play(t, c, players...); !turn.Won {
		t.Error("the honest player has not won")
	}
	if !strings.Contains(log.String(), "refutes its leaf 49") {
		t.Errorf("nobody was refuted:\n%s", log.String())
	}
}

// Who comes when all is over computes its history to know whether the right result has won.
func TestLate(t *testing.T) {
	honest := toy{end: 100}
	c := chain(t)
	g, task := open(t, c, honest, 3600, 4, 3)
	play(t, c, join(t, g, task, 10, honest, c.Now))
	for _, p := range []struct {
		machine toy
		won     bool
	}{{honest, true}, {toy{end: 100, lie: 7}, false}} {
		turn, err := join(t, g, task, 11, p.machine, c.Now).Run(t.Context())
		if err != nil || !turn.Finished || turn.Won != p.won {
			t.Errorf("%+v, %v; want won %v", turn, err, p.won)
		}
	}
}

var errToy = errors.New("the machine fails")

type broken struct{ toy }

func (broken) History(context.Context, dispute.Place) (*dispute.Record, error) { return nil, errToy }

// What the machine cannot compute ends a run.
func TestBrokenMachine(t *testing.T) {
	c := chain(t)
	g, task := open(t, c, toy{end: 3}, 3600, 2)
	p := join(t, g, task, 10, broken{}, c.Now)
	if _, err := p.Run(t.Context()); !errors.Is(err, errToy) {
		t.Error(err)
	}
}
