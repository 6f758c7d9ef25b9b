// Package player plays a task of the dispute game on a chain: it looks at what there is, asks package dispute what to do,
// and does it through package eth, again and again until the task is over.
//
// It knows no machine: what it has to compute, it asks a Machine for. It keeps nothing that it could not do without; a
// player that was killed and started again goes on where the chain stands. docs/player.md tells how it is used.
package player

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/eth"
)

// A Machine computes what a player has to know of a task's program. Its methods may be called concurrently.
type Machine interface {
	// History returns the history of a place, which begins with the place's initial root if that is right.
	History(ctx context.Context, p dispute.Place) (*dispute.Record, error)
	// Witness returns the proof of the step at a position of a place.
	Witness(ctx context.Context, p dispute.Place, position uint64) (*Witness, error)
}

// A Witness proves a step to a verifier, which reads those pre-images from its oracle.
type Witness struct {
	Proof     []byte
	Preimages []eth.Preimage
}

// A Loader brings pre-images to the chain; eth.Verifier is one.
type Loader interface {
	Loaded(ctx context.Context, block common.Hash, p eth.Preimage) (bool, error)
	Load(ctx context.Context, block common.Hash, loader common.Address, p eth.Preimage) (eth.Wish, error)
}

// A Config says what is played, and how. Game, Task and Machine must be there.
type Config struct {
	Game    *eth.Game
	Task    common.Hash
	Machine Machine
	// Loader may be nil if no step reads a pre-image.
	Loader Loader
	// Sender sends the transactions; nil is a dry run, in which they are only told, as if the account Account played.
	Sender  *eth.Sender
	Account common.Address
	// Now is the time in seconds; nil stands for the host's clock. The chain's is used if that is later.
	Now func() uint64
	// Poll is how often a run looks at the chain; 0 stands for DefaultPoll.
	Poll time.Duration
	// Bend, if it is not nil, may change what is planned, and Force sends also what would fail: for cheaters in tests and
	// demonstrations.
	Bend    func(t *dispute.Task, p *dispute.Plan)
	Force   bool
	Log     *slog.Logger // nil: nothing is logged
	Metrics *Metrics     // nil: nothing is counted
}

// DefaultPoll is a fraction of Ethereum's twelve seconds.
const DefaultPoll = 3 * time.Second

// A Player plays one task. Its methods must not be called concurrently.
type Player struct {
	c        Config
	reader   *eth.Reader
	strategy dispute.Strategy
	known    *knowledge
	params   *eth.TaskView
	said     map[string]time.Time
	told     map[string]bool // wishes, in a dry run
}

// New makes a player.
func New(c Config) *Player {
	if c.Now == nil {
		c.Now = func() uint64 { return uint64(time.Now().Unix()) }
	}
	if c.Poll == 0 {
		c.Poll = DefaultPoll
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = new(Metrics)
	}
	if c.Sender != nil {
		c.Account = c.Sender.Account()
	}
	p := &Player{
		c: c, reader: eth.NewReader(c.Game, c.Task, c.Account), known: newKnowledge(c),
		said: map[string]time.Time{}, told: map[string]bool{},
	}
	p.strategy = dispute.Strategy{Account: dispute.Account(c.Account), Record: p.known.record}
	return p
}

// A Turn is what a look at the chain came to.
type Turn struct {
	Task  *dispute.Task
	Block eth.Block
	// Sent is how many transactions were sent, Needs what is still being computed.
	Sent, Needs int
	// Done says that the task is finished, and there is nothing left to do or to wait for.
	Done bool
	// Finished and Won tell whether it is over, and with the history that this player has computed.
	Finished, Won bool
}

// Turn looks at the chain once, and does what there is to do. What has to be computed is computed beside it; Wait waits
// for that.
func (p *Player) Turn(ctx context.Context) (Turn, error) {
	if p.c.Sender != nil {
		if err := p.c.Sender.Collect(ctx); err != nil {
			return Turn{}, err
		}
	}
	task, block, err := p.reader.Read(ctx)
	if err != nil {
		return Turn{}, err
	}
	if p.params == nil {
		v, err := p.c.Game.Task(ctx, block.Hash, p.c.Task)
		if err != nil {
			return Turn{}, err
		}
		p.params = &v
	}
	for _, n := range p.reader.News() {
		p.c.Log.Info(n.Text, "block", n.Block, "tx", n.Tx)
	}
	turn := Turn{Task: task, Block: block}
	now := max(block.Time, p.c.Now())
	var lookup error
	p.strategy.Witness = func(place dispute.Place, position uint64) *dispute.Witness {
		w, err := p.witness(ctx, block, place, position)
		lookup = errors.Join(lookup, err)
		return w
	}
	if p.strategy.Revealed, err = p.reader.Revealed(ctx); err != nil {
		return turn, err
	}
	plan := p.strategy.Next(task, now)
	if lookup != nil {
		return turn, lookup
	}
	if p.c.Bend != nil {
		p.c.Bend(task, &plan)
	}
	for _, note := range plan.Notes {
		p.say(slog.LevelWarn, note)
	}
	turn.Needs = len(plan.Needs)
	for _, n := range plan.Needs {
		p.known.want(n)
	}
	if err := p.known.failed(); err != nil {
		return turn, err
	}
	turn.Sent, err = p.act(ctx, task, block, now, plan.Actions)
	if err != nil {
		return turn, err
	}
	known := p.outcome(ctx, task, &turn)
	turn.Done = plan.Done && known && (p.c.Sender == nil || p.c.Sender.Pending() == 0)
	p.c.Metrics.observe(task, block, p.c, turn)
	return turn, nil
}

// outcome tells whether a task is finished, and with the claim that is ours. It reports whether it knows: a player that is
// started when all is over has its history to compute first.
func (p *Player) outcome(ctx context.Context, t *dispute.Task, turn *Turn) (known bool) {
	finished, decided, _ := t.Result()
	turn.Finished = finished
	if !decided {
		return true
	}
	u, l := &t.Tournaments[0], t.LevelOf(0)
	place := dispute.Place{
		Level: u.Level, Log2Stride: l.Log2Stride, Height: l.Height, Context: u.Context, Verifier: u.Verifier, InitialRoot: u.InitialRoot,
	}
	r := p.known.record(place)
	if r == nil {
		p.known.want(dispute.Need{Place: place})
		turn.Needs++
		return false
	}
	turn.Won = t.Claims[u.Winner].Commitment == r.History.Root()
	return true
}

// act does what is planned. That one thing does not work must not keep it from the others.
func (p *Player) act(ctx context.Context, t *dispute.Task, block eth.Block, now uint64, actions []dispute.Action) (sent int, err error) {
	wanted := map[string]bool{}
	for _, a := range actions {
		w, err := p.wish(ctx, t, block, a)
		if err != nil {
			if ctx.Err() != nil {
				return sent, err
			}
			p.say(slog.LevelError, fmt.Sprintf("cannot %v: %v (%s)", a.Kind, eth.Explain(err), a.Why))
			continue
		}
		wanted[w.Key] = true
		if p.c.Force {
			w.Gas = forced
		}
		if p.c.Sender == nil {
			if !p.told[w.Key] {
				p.told[w.Key] = true
				p.c.Log.Info("would "+a.Kind.String()+": "+a.Why, "to", w.To, "bytes", len(w.Data), "value", ether(w.Value))
			}
			continue
		}
		ok, err := p.c.Sender.SubmitAt(ctx, w, block.Number, now)
		switch {
		case ok:
			sent++
			p.c.Metrics.Sent.Add(1)
			p.c.Log.Info(a.Kind.String()+": "+a.Why, "deadline", deadline(a.Deadline, now))
		case errors.Is(err, eth.ErrSettling) || errors.Is(err, eth.ErrTooDear):
			p.say(slog.LevelWarn, err.Error())
		case err != nil:
			if ctx.Err() != nil {
				return sent, err
			}
			p.c.Metrics.Refused.Add(1)
			p.say(slog.LevelWarn, fmt.Sprintf("%v does not work: %v (%s)", a.Kind, eth.Explain(err), a.Why))
		}
	}
	if p.c.Sender == nil {
		return 0, nil
	}
	if err := p.c.Sender.Chase(ctx, wanted); err != nil {
		if ctx.Err() != nil {
			return sent, err
		}
		p.say(slog.LevelError, err.Error())
	}
	return sent, nil
}

// forced is the gas limit of transactions that nobody estimates.
const forced = 3_000_000

func ether(wei *big.Int) string {
	if wei == nil {
		return eth.Ether(new(big.Int))
	}
	return eth.Ether(wei)
}

// deadline is how long there is for something, for people.
func deadline(at, now uint64) string {
	if at == 0 {
		return "none"
	}
	return (time.Duration(at-min(at, now)) * time.Second).String()
}

// wish makes the transaction of an action.
func (p *Player) wish(ctx context.Context, t *dispute.Task, block eth.Block, a dispute.Action) (eth.Wish, error) {
	if a.Kind != dispute.Load {
		return p.c.Game.Wish(t, p.params.Levels, a)
	}
	w := p.known.witness(a.Place, a.Position)
	if w == nil || p.c.Loader == nil {
		return eth.Wish{}, errors.New("a pre-image is to be loaded that nobody has read")
	}
	wish, err := p.c.Loader.Load(ctx, block.Hash, p.c.Account, w.Preimages[a.Load])
	wish.Why = a.Why
	return wish, err
}

// witness is what the strategy is told of one: with what is on the chain already.
func (p *Player) witness(ctx context.Context, block eth.Block, place dispute.Place, position uint64) (*dispute.Witness, error) {
	w := p.known.witness(place, position)
	if w == nil {
		return nil, nil
	}
	told := &dispute.Witness{Proof: w.Proof}
	for _, image := range w.Preimages {
		if p.c.Loader == nil {
			return nil, fmt.Errorf("step %d reads the pre-image %#x, and there is no oracle", place.Start+position, image.Key)
		}
		done, err := p.c.Loader.Loaded(ctx, block.Hash, image)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("the pre-image %x… of %d bytes", image.Key[:4], len(image.Data))
		told.Loads = append(told.Loads, dispute.Loading{What: what, Done: done})
	}
	return told, nil
}

// repeat is how long the same sentence is not said again.
const repeat = time.Minute

func (p *Player) say(level slog.Level, text string) {
	if time.Since(p.said[text]) > repeat {
		p.said[text] = time.Now()
		p.c.Log.Log(context.Background(), level, text)
	}
}

// Wait waits until something that was being computed is there, or nothing is.
func (p *Player) Wait(ctx context.Context) { p.known.wait(ctx) }

// outage is the longest pause after a turn that failed.
const outage = time.Minute

// Run plays until the task is finished and all that is to be had from it is collected, or until ctx is done. An outage of
// the node, however long, is waited for. What a Machine cannot compute ends it.
func (p *Player) Run(ctx context.Context) (Turn, error) {
	defer p.known.stop()
	pause := p.c.Poll
	for {
		turn, err := p.Turn(ctx)
		var machine *MachineError
		switch {
		case ctx.Err() != nil:
			return turn, fmt.Errorf("stopped: %w", context.Cause(ctx))
		case errors.As(err, &machine):
			return turn, err
		case err != nil:
			p.c.Metrics.Failed.Add(1)
			p.say(slog.LevelError, err.Error())
			pause = min(2*pause, max(outage, p.c.Poll))
		case turn.Done:
			return turn, nil
		default:
			pause = p.c.Poll
		}
		select {
		case <-ctx.Done():
		case <-p.known.news:
		case <-time.After(pause):
		}
	}
}
