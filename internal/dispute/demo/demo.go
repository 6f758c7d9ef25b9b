// Package demo has an honest player and some cheaters dispute a program's result, on a chain inside the process.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/devchain"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/player"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

// Options say what is played.
type Options struct {
	Machine  *prover.Machine
	Levels   []dispute.Level // without bonds: they are the least ones
	Cheaters int
	// Lies are what the first cheaters lie about: steps that have a false root, and all after them. The others choose by
	// their kinds.
	Lies []uint64
	// Steps is the number of steps of the program.
	Steps uint64
	// Told is called for each transaction.
	Told func(Event)
	Log  *slog.Logger // of the honest player; nil: nothing is logged
}

// An Event is a transaction in the demonstration.
type Event struct {
	At     uint64 // seconds since the task was opened
	Who    string
	Kind   string // what it does: the first word of the wish's key
	Gas    uint64
	Failed bool
	Why    string
}

// A Side is what a player has come to.
type Side struct {
	Name         string
	Cheats       bool
	Transactions int
	Reverted     int
	Gas          uint64
	Paid, Won    *big.Int // fees, and what it has more or less than before without them; wei
}

// A Result is how it ended.
type Result struct {
	Finished, Decided, HonestWon bool
	FinalRoot                    common.Hash
	Claims, Matches, Tournaments int
	Transactions                 int
	Seconds                      uint64 // of the chain's time
	Sides                        []Side
	Bonds                        []*big.Int // of a claim at each level, wei
	Took                         time.Duration
}

const (
	grace    = 60
	gasPrice = 20 * params.GWei // that refunds pay at most
	proofGas = 3_000_000
)

// stage is what is played on.
type stage struct {
	o      Options
	chain  *devchain.Chain
	game   *eth.Game
	task   common.Hash
	opened uint64
	actors []*actor
}

// An actor is a player with a name.
type actor struct {
	Side
	*player.Player
	sender *eth.Sender
	cheat  cheat
	seen   uint64 // a parrot's block
	sent   int    // transactions
	proofs int    // that were none
	before *big.Int
}

// Run plays until the task is finished.
func Run(ctx context.Context, o Options) (*Result, error) {
	began := time.Now()
	s := &stage{o: o}
	names, of := kinds(o.Cheaters)
	accounts := map[common.Address]*big.Int{}
	money := new(big.Int).Mul(big.NewInt(10_000), big.NewInt(params.Ether))
	for n := range len(names) + 2 {
		accounts[account(n).Address()] = money
	}
	var err error
	if s.chain, err = devchain.New(accounts); err != nil {
		return nil, err
	}
	verifier, view, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	machine := share(o.Machine)
	if err := s.enter(ctx, "honest", cheat{}, machine, verifier); err != nil {
		return nil, err
	}
	l := o.Levels[0]
	bound := uint64(1) << (l.Log2Stride + l.Height)
	for i, c := range of {
		from := c.from(o.Steps, bound, uint64(i))
		if i < len(o.Lies) {
			from = o.Lies[i]
		}
		lies := newLiar(machine, from, i)
		if err := s.enter(ctx, names[i], c, lies, verifier); err != nil {
			return nil, err
		}
	}
	turn, err := s.play(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.result(ctx, turn)
	if err != nil {
		return nil, err
	}
	for _, l := range view.Levels {
		r.Bonds = append(r.Bonds, l.Bond)
	}
	r.Took = time.Since(began)
	return r, nil
}

// account is the n-th: the opener, the honest player, the cheaters.
func account(n int) eth.Signer {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte(fmt.Sprint("demonstration ", n))))
	if err != nil {
		panic("demo: " + err.Error())
	}
	return eth.NewSigner(k)
}

// open deploys the contracts and opens the task.
func (s *stage) open(ctx context.Context) (*eth.Verifier, eth.TaskView, error) {
	var receipt *types.Receipt
	sender, err := eth.NewSender(ctx, s.chain, account(0), eth.SenderOptions{Mined: func(m eth.Mined) {
		receipt = m.Receipt
		s.tell("opener", m)
	}})
	if err != nil {
		return nil, eth.TaskView{}, err
	}
	send := func(w eth.Wish, err error) (*types.Receipt, error) {
		if err != nil {
			return nil, err
		}
		head, err := s.chain.Block(ctx, nil)
		if err != nil {
			return nil, err
		}
		if _, err := sender.Submit(ctx, w, head.Number); err != nil {
			return nil, fmt.Errorf("%s: %w", w.Why, eth.Explain(err))
		}
		if err := sender.Collect(ctx); err != nil {
			return nil, err
		}
		if receipt.Status == types.ReceiptStatusFailed {
			return nil, fmt.Errorf("%s: it failed", w.Why)
		}
		return receipt, nil
	}
	suite, err := eth.Suite{}.Deploy(s.o.Machine.Contract(), send)
	if err != nil {
		return nil, eth.TaskView{}, err
	}
	s.game = &eth.Game{Node: s.chain, Address: suite.Game}
	root, err := s.o.Machine.Root(ctx)
	if err != nil {
		return nil, eth.TaskView{}, err
	}
	p := eth.TaskParams{
		InitialRoot: root, Verifier: suite.Adapter, Inputs: s.o.Machine.InputsHash(),
		Grace: grace, MaxGasPrice: gasPrice, ProofGas: proofGas,
	}
	head, err := s.chain.Block(ctx, nil)
	if err != nil {
		return nil, eth.TaskView{}, err
	}
	for _, l := range s.o.Levels {
		bond, err := s.game.MinimumBond(ctx, head.Hash, uint8(l.Height), gasPrice, proofGas)
		if err != nil {
			return nil, eth.TaskView{}, err
		}
		p.Levels = append(p.Levels, eth.Level{Log2Stride: uint8(l.Log2Stride), Height: uint8(l.Height), Allowance: uint32(l.Allowance), Bond: bond})
	}
	r, err := send(s.game.OpenWish(p))
	if err != nil {
		return nil, eth.TaskView{}, err
	}
	if s.task, err = eth.OpenedTask(r); err != nil {
		return nil, eth.TaskView{}, err
	}
	s.opened = s.chain.Now()
	if head, err = s.chain.Block(ctx, nil); err != nil {
		return nil, eth.TaskView{}, err
	}
	view, err := s.game.Task(ctx, head.Hash, s.task)
	if err != nil {
		return nil, view, err
	}
	v, err := eth.NewVerifier(ctx, s.game, s.task, view, s.o.Machine.Contract(), s.o.Machine.Inputs())
	return v, view, err
}

// enter adds a player.
func (s *stage) enter(ctx context.Context, name string, c cheat, m player.Machine, l player.Loader) error {
	a := &actor{Side: Side{Name: name, Cheats: c.name != "", Paid: new(big.Int), Won: new(big.Int)}, cheat: c}
	var err error
	a.sender, err = eth.NewSender(ctx, s.chain, account(1+len(s.actors)), eth.SenderOptions{Mined: func(m eth.Mined) {
		a.Transactions++
		a.Gas += m.Receipt.GasUsed
		if m.Receipt.Status == types.ReceiptStatusFailed {
			a.Reverted++
		}
		fee := new(big.Int).SetUint64(m.Receipt.GasUsed)
		a.Paid.Add(a.Paid, fee.Mul(fee, m.Receipt.EffectiveGasPrice))
		s.tell(name, m)
	}})
	if err != nil {
		return err
	}
	head, err := s.chain.Block(ctx, nil)
	if err != nil {
		return err
	}
	a.seen = head.Number // the task is open: a parrot shall not open others
	if a.before, err = s.chain.Balance(ctx, a.sender.Account()); err != nil {
		return err
	}
	config := player.Config{
		Game: s.game, Task: s.task, Machine: m, Loader: l, Sender: a.sender, Now: s.chain.Now,
	}
	if a.Cheats {
		config.Force = c.force
		config.Bend = func(_ *dispute.Task, p *dispute.Plan) { c.bend(a, p) }
	} else {
		config.Log = s.o.Log
	}
	a.Player = player.New(config)
	s.actors = append(s.actors, a)
	return nil
}

func (s *stage) tell(who string, m eth.Mined) {
	if s.o.Told == nil {
		return
	}
	kind := m.Key
	for i, r := range kind {
		if r == ' ' {
			kind = kind[:i]
			break
		}
	}
	at := uint64(0)
	if s.opened > 0 {
		at = s.chain.Now() - s.opened
	}
	s.o.Told(Event{
		At: at, Who: who, Kind: kind, Gas: m.Receipt.GasUsed, Why: m.Why,
		Failed: m.Receipt.Status == types.ReceiptStatusFailed,
	})
}

// play gives everybody turns until the honest player is done. When nobody has anything to do, time passes.
func (s *stage) play(ctx context.Context) (player.Turn, error) {
	var task *dispute.Task
	for ctx.Err() == nil {
		idle := true
		for i, a := range s.actors {
			turn, err := a.Turn(ctx)
			if err != nil {
				return turn, fmt.Errorf("%s: %w", a.Name, err)
			}
			task = turn.Task
			if i == 0 && turn.Done {
				return turn, nil
			}
			a.sent += turn.Sent
			if a.cheat.parrot {
				if err := s.parrot(ctx, a); err != nil {
					return turn, err
				}
			}
			if turn.Needs > 0 {
				a.Wait(ctx)
			}
			idle = idle && turn.Sent == 0 && turn.Needs == 0
		}
		if idle {
			s.chain.Pass(until(task, s.chain.Now()))
		}
	}
	return player.Turn{}, context.Cause(ctx)
}

// until is how many seconds it takes until somebody can do what he cannot do now: claims are settled, a turn's grace is over,
// a proof is paid to anybody, somebody is out of time.
func until(t *dispute.Task, now uint64) uint64 {
	next := uint64(math.MaxUint64)
	at := func(time uint64) {
		if time > now {
			next = min(next, time)
		}
	}
	for i, u := range t.Tournaments {
		if !u.Finished {
			at(u.OpenedAt + t.LevelOf(i).Allowance)
		}
	}
	for i, m := range t.Matches {
		if m.Phase == dispute.Bisecting || m.Phase == dispute.Sealed {
			at(m.LastMove + t.Grace + 1)
			at(m.LastMove + t.LevelOf(m.Tournament).Allowance/3 + 1)
			at(t.Expires(i) + 1)
		}
	}
	if next == math.MaxUint64 {
		return 1
	}
	return next - now
}

// parrot sends what others have sent to the game since the last time, once more.
func (s *stage) parrot(ctx context.Context, a *actor) error {
	head, err := s.chain.Block(ctx, nil)
	if err != nil {
		return err
	}
	logs, err := s.chain.Logs(ctx, ethereum.FilterQuery{
		FromBlock: new(big.Int).SetUint64(a.seen + 1), Addresses: []common.Address{s.game.Address},
	})
	if err != nil {
		return err
	}
	a.seen = head.Number
	said := map[common.Hash]bool{}
	for _, l := range logs {
		if said[l.TxHash] {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		said[l.TxHash] = true
		tx, err := s.chain.Transaction(ctx, l.TxHash)
		if errors.Is(err, ethereum.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
		if err != nil || from == a.sender.Account() || tx.To() == nil {
			continue
		}
		_, err = a.sender.Submit(ctx, eth.Wish{
			Key: fmt.Sprintf("replay %x", l.TxHash), To: tx.To(), Data: tx.Data(), Value: tx.Value(), Gas: tx.Gas(),
			Why: "Sends what another has sent.",
		}, head.Number)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) result(ctx context.Context, turn player.Turn) (*Result, error) {
	t := turn.Task
	r := &Result{
		Claims: len(t.Claims), Matches: len(t.Matches), Tournaments: len(t.Tournaments),
		HonestWon: turn.Won, Seconds: s.chain.Now() - s.opened,
	}
	var root dispute.Hash
	r.Finished, r.Decided, root = t.Result()
	r.FinalRoot = root
	for _, a := range s.actors {
		if err := a.sender.Collect(ctx); err != nil {
			return nil, err
		}
		after, err := s.chain.Balance(ctx, a.sender.Account())
		if err != nil {
			return nil, err
		}
		a.Won.Sub(after, a.before)
		a.Won.Add(a.Won, a.Paid)
		r.Transactions += a.Transactions
		r.Sides = append(r.Sides, a.Side)
	}
	return r, nil
}
