package eth_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/flexemu/flexemu/internal/dispute/chaintest"
	"github.com/flexemu/flexemu/internal/dispute/eth"
)

// A clock is moved by hand.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }

// A sending is a sender on a simulated chain, and what it told.
type sending struct {
	*testing.T
	sim   *chaintest.Simulation
	node  eth.Node
	clock *clock
	*eth.Sender
	mined []eth.Mined
}

func newSending(t *testing.T) *sending {
	sim := chaintest.Simulate(t)
	s := &sending{T: t, sim: sim, node: chaintest.Dial(t, sim.URL), clock: &clock{time.Unix(1e9, 0)}}
	s.restart()
	return s
}

// restart forgets all that the sender knew.
func (s *sending) restart() {
	s.Helper()
	sender, err := eth.NewSender(s.Context(), s.node, chaintest.Signer(1), eth.SenderOptions{
		MaxFee: big.NewInt(100 * params.GWei), Stuck: time.Minute, Depth: 10, Now: s.clock.now,
		Mined: func(m eth.Mined) { s.mined = append(s.mined, m) },
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Sender = sender
}

// pay is a wish to send an account so many wei.
func pay(key string, to common.Address, wei int64) eth.Wish {
	return eth.Wish{Key: key, To: &to, Value: big.NewInt(wei), Why: "pays " + key}
}

func (s *sending) submit(w eth.Wish, want bool) {
	s.Helper()
	head, err := s.node.Block(s.Context(), nil)
	if err != nil {
		s.Fatal(err)
	}
	sent, err := s.Submit(s.Context(), w, head.Number)
	if err != nil || sent != want {
		s.Fatalf("submit %s: %v, %v; want %v", w.Key, sent, err, want)
	}
}

func (s *sending) collect() {
	s.Helper()
	if err := s.Collect(s.Context()); err != nil {
		s.Fatal(err)
	}
}

func (s *sending) chase(wanted ...string) {
	s.Helper()
	all := map[string]bool{}
	for _, w := range wanted {
		all[w] = true
	}
	if err := s.Chase(s.Context(), all); err != nil {
		s.Fatal(err)
	}
}

// got fails unless these wishes, one after the other, were reported to be in blocks since the last call.
func (s *sending) got(want ...string) {
	s.Helper()
	var got []string
	for _, m := range s.mined {
		key := m.Key
		if m.Cancelled {
			key = "-" + key
		}
		got = append(got, key)
	}
	s.mined = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Fatalf("mined %v, want %v", got, want)
	}
}

func (s *sending) has(a common.Address, wei int64) {
	s.Helper()
	if b, err := s.node.Balance(s.Context(), a); err != nil || b.Int64() != wei {
		s.Errorf("%v has %v wei, want %d (%v)", a, b, wei, err)
	}
}

var somebody = common.Address{19: 1, 0: 0xaa}

func TestSubmit(t *testing.T) {
	s := newSending(t)
	s.submit(pay("a", somebody, 1), true)
	s.submit(pay("b", somebody, 2), true)
	s.submit(pay("a", somebody, 1), false) // under way
	if s.Pending() != 2 {
		t.Errorf("%d under way", s.Pending())
	}
	s.sim.Commit()
	// Who has not seen that block yet wants nothing twice.
	if sent, err := s.Submit(t.Context(), pay("a", somebody, 1), 0); sent || err != nil {
		t.Error(sent, err)
	}
	s.collect()
	s.got("a", "b")
	s.collect()
	s.got()
	s.has(somebody, 3)
	// Who has seen it may want the same again.
	s.submit(pay("a", somebody, 1), true)
	s.sim.Commit()
	s.collect()
	s.got("a")
}

func TestSubmitReverts(t *testing.T) {
	s := newSending(t)
	// PUSH0 PUSH0 REVERT as init code.
	sent, err := s.Submit(t.Context(), eth.Wish{Key: "x", Data: common.FromHex("5f5ffd")}, 0)
	if _, reverted := eth.Reverted(err); sent || !reverted {
		t.Errorf("%v, %v", sent, err)
	}
	if s.Pending() != 0 {
		t.Error("it was sent all the same")
	}
	s.submit(pay("a", somebody, 1), true)
	s.sim.Commit()
	s.collect()
	s.got("a")
}

func TestForgottenTransactions(t *testing.T) {
	s := newSending(t)
	s.submit(pay("a", somebody, 1), true)
	s.submit(pay("b", somebody, 2), true)
	s.sim.Rollback() // the node drops what waits
	s.clock.pass(10 * time.Second)
	s.chase("a", "b")
	s.sim.Commit()
	s.collect()
	s.got("a", "b")
	s.has(somebody, 3)
}

// A transaction that is too cheap for the chain as it is now is replaced; once nobody wants it, by nothing.
func TestStuckTransactions(t *testing.T) {
	s := newSending(t)
	s.submit(pay("a", somebody, 1), true)
	s.submit(pay("b", somebody, 2), true)
	s.clock.pass(59 * time.Second)
	s.chase("a")
	s.clock.pass(2 * time.Second)
	s.chase("a")
	s.sim.Commit()
	s.collect()
	s.got("a", "-b")
	s.has(somebody, 1)
	if fee := s.last().GasFeeCap(); fee.Cmp(big.NewInt(100*params.GWei)) > 0 {
		t.Errorf("it offers %v wei, more than its limit", fee)
	}
}

// last is the last transaction of the newest block.
func (s *sending) last() *types.Transaction {
	s.Helper()
	b, err := s.sim.Client().BlockByNumber(s.Context(), nil)
	if err != nil {
		s.Fatal(err)
	}
	txs := b.Transactions()
	return txs[len(txs)-1]
}

// However long nothing happens, no more than the limit is offered.
func TestLimitOfFees(t *testing.T) {
	s := newSending(t)
	s.submit(pay("a", somebody, 1), true)
	for range 40 {
		s.clock.pass(2 * time.Minute)
		s.chase("a")
	}
	s.sim.Commit()
	s.collect()
	s.got("a")
	if fee := s.last().GasFeeCap(); fee.Cmp(big.NewInt(100*params.GWei)) != 0 {
		t.Errorf("it offers %v wei, want 100 gwei", fee)
	}
}

func TestReorganisation(t *testing.T) {
	s := newSending(t)
	fork := s.sim.Commit()
	s.submit(pay("a", somebody, 1), true)
	s.sim.Commit()
	s.submit(pay("b", somebody, 2), true)
	s.sim.Commit()
	s.collect()
	s.got("a", "b")
	if err := s.sim.Fork(fork); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.sim.Rollback() // and what waits is lost, too
		s.sim.Commit()
	}
	s.has(somebody, 0)
	s.collect()
	s.got()
	if s.Pending() != 2 {
		t.Errorf("%d under way, want 2", s.Pending())
	}
	s.chase("a", "b")
	s.sim.Commit()
	s.collect()
	s.got("a", "b")
	s.has(somebody, 3)
}

// A sender that was started anew waits for what it does not know, and replaces it when that takes too long.
func TestRestart(t *testing.T) {
	for _, mined := range []bool{true, false} {
		t.Run(fmt.Sprint("mined ", mined), func(t *testing.T) {
			s := newSending(t)
			s.submit(pay("a", somebody, 1), true)
			s.submit(pay("b", somebody, 1), true)
			s.restart()
			if _, err := s.Submit(t.Context(), pay("a", somebody, 1), 0); !errors.Is(err, eth.ErrSettling) {
				t.Fatal(err)
			}
			want := int64(1)
			if mined {
				s.sim.Commit()
				want = 3
			} else {
				s.clock.pass(2 * time.Minute)
			}
			s.submit(pay("c", somebody, 1), true)
			s.sim.Commit()
			s.collect()
			s.got("c")
			// b, if it was not mined, still has its nonce behind c's.
			if !mined {
				want++
			}
			s.has(somebody, want)
		})
	}
}

// Somebody else uses the account, and the nonces of what waits are taken.
func TestForeignTransactions(t *testing.T) {
	s := newSending(t)
	s.submit(pay("a", somebody, 1), true)
	s.sim.Rollback()
	foreign, err := eth.NewSender(t.Context(), s.node, chaintest.Signer(1), eth.SenderOptions{Now: s.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Submit(t.Context(), pay("z", somebody, 10), 0); err != nil {
		t.Fatal(err)
	}
	s.sim.Commit()
	for range 5 {
		s.collect()
	}
	s.got()
	s.submit(pay("a", somebody, 1), true)
	s.sim.Commit()
	s.collect()
	s.got("a")
	s.has(somebody, 11)
}

// The transaction before ours is undone by a reorganisation and does not come back: its number has to be filled.
func TestNonceGap(t *testing.T) {
	s := newSending(t)
	fork := s.sim.Commit()
	s.submit(pay("z", somebody, 1), true)
	s.sim.Commit()
	s.restart()
	s.submit(pay("a", somebody, 2), true)
	s.sim.Rollback()
	if err := s.sim.Fork(fork); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.sim.Rollback()
		s.sim.Commit()
	}
	s.clock.pass(10 * time.Second)
	s.collect()
	s.chase("a")
	s.sim.Commit()
	s.collect()
	s.got("-", "a")
	s.has(somebody, 2)
}

func TestTooDear(t *testing.T) {
	s := newSending(t)
	sender, err := eth.NewSender(t.Context(), s.node, chaintest.Signer(2), eth.SenderOptions{MaxFee: big.NewInt(5)})
	if err != nil {
		t.Fatal(err)
	}
	if sent, err := sender.Submit(context.Background(), pay("a", somebody, 1), 0); sent || !errors.Is(err, eth.ErrTooDear) {
		t.Errorf("%v, %v", sent, err)
	}
}
