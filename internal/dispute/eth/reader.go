package eth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"

	"github.com/flexemu/flexemu/internal/dispute"
)

// Gwei is the unit of money in a Task that was read from a chain, in wei.
const Gwei = 1_000_000_000

// A Reader reads a task of a game, block after block. It asks for what has changed since the last time only, and begins
// anew when a block that it has seen was undone. It is to be used by one goroutine.
type Reader struct {
	game    *Game
	task    common.Hash
	account common.Address
	// opened is a block shortly before that of the task.
	opened uint64
	found  bool

	at   Block // the last one that was read
	seen map[logID]bool
	told map[logID]bool
	log  *logbook
	// Views of the ids in log, as of block at.
	params      TaskView
	tournaments map[common.Hash]*tournamentView
	claims      map[common.Hash]*claimView
	matches     map[common.Hash]*matchView
	credit      *big.Int // wei
	replay      *replay  // for Revealed
}

// A logID tells events apart.
type logID struct {
	block common.Hash
	index uint
}

// A logbook is what the events of a task say that no view tells: what there is, in the order in which it came to be.
type logbook struct {
	tournaments, claims, matches []common.Hash
	kinds                        map[common.Hash]int // of ids: which list they are in
	rounds                       map[common.Hash]int // of matches
	executed                     map[execution]common.Hash
	events                       []types.Log
	dirty                        map[common.Hash]bool // ids whose view may have changed
}

type execution struct {
	context  common.Hash
	verifier common.Address
	pre      common.Hash
}

const (
	ofTournament = iota + 1
	ofClaim
	ofMatch
)

// NewReader makes a reader of a task; account is whose credits are read.
func NewReader(g *Game, task common.Hash, account common.Address) *Reader {
	r := &Reader{game: g, task: task, account: account, told: map[logID]bool{}}
	r.forget()
	return r
}

func (r *Reader) forget() {
	r.at, r.credit, r.replay = Block{}, nil, nil
	r.seen = map[logID]bool{}
	r.log = &logbook{
		kinds: map[common.Hash]int{}, rounds: map[common.Hash]int{},
		executed: map[execution]common.Hash{}, dirty: map[common.Hash]bool{},
	}
	r.tournaments = map[common.Hash]*tournamentView{}
	r.claims = map[common.Hash]*claimView{}
	r.matches = map[common.Hash]*matchView{}
}

// errUndone says that the chain has changed below the reader's feet.
var errUndone = errors.New("blocks were undone")

const (
	// readTries is how often a state is read that is undone meanwhile.
	readTries = 5
	// overlap is how many blocks are asked for again: a node may know a block before it knows its events.
	overlap = 4
	// readers is how many views are asked for at a time.
	readers = 8
)

// Read returns the task as of the newest block, and that block. What it returns is not changed later.
func (r *Reader) Read(ctx context.Context) (*dispute.Task, Block, error) {
	for try := 1; ; try++ {
		err := r.update(ctx)
		if err == nil {
			return r.build(), r.at, nil
		}
		r.forget()
		if !errors.Is(err, errUndone) || try == readTries {
			return nil, Block{}, fmt.Errorf("read task %v: %w", r.task, err)
		}
	}
}

func (r *Reader) update(ctx context.Context) error {
	head, err := r.game.Block(ctx, nil)
	if err != nil {
		return err
	}
	if head.Hash == r.at.Hash {
		return nil
	}
	from := r.at.Number - min(r.at.Number, overlap)
	if r.at.Hash == (common.Hash{}) {
		if err := r.find(ctx, head); err != nil {
			return err
		}
		from = r.opened
	} else if err := r.standing(ctx, r.at); err != nil {
		return err
	}
	from = max(from, r.opened)
	logs, err := r.logs(ctx, from, head.Number)
	if err != nil {
		return err
	}
	for _, l := range logs {
		id := logID{l.BlockHash, l.Index}
		if r.seen[id] {
			continue
		}
		r.seen[id] = true
		if l.BlockNumber <= r.at.Number && r.at.Hash != (common.Hash{}) {
			return errUndone // or it was late; then what came after it has to come after it here, too
		}
		r.log.add(r.task, l)
	}
	if len(r.log.tournaments) == 0 {
		return fmt.Errorf("there is no event that the task was opened, though it is there at block %d", head.Number)
	}
	if err := r.views(ctx, head.Hash); err != nil {
		return err
	}
	if err := r.standing(ctx, head); err != nil {
		return err
	}
	r.at = head
	return nil
}

// standing returns errUndone if a block is not in the chain any more.
func (r *Reader) standing(ctx context.Context, b Block) error {
	now, err := r.game.Block(ctx, new(big.Int).SetUint64(b.Number))
	if errors.Is(err, ethereum.NotFound) || err == nil && now.Hash != b.Hash {
		return errUndone
	}
	return err
}

// find reads what never changes, and looks for the block in which the task was opened, by its time.
func (r *Reader) find(ctx context.Context, head Block) error {
	var err error
	if r.params, err = r.game.Task(ctx, head.Hash, r.task); err != nil {
		return Explain(err)
	}
	if r.found {
		return nil
	}
	root, err := view[tournamentView](ctx, r.game, head.Hash, "tournamentOf", r.task)
	if err != nil {
		return Explain(err)
	}
	opened := root.OpenedAt.Uint64()
	n := sort.Search(int(head.Number), func(n int) bool {
		if err != nil {
			return true
		}
		var b Block
		b, err = r.game.Block(ctx, big.NewInt(int64(n)))
		return b.Time >= opened
	})
	if err != nil {
		return err
	}
	r.opened, r.found = uint64(n), true
	// After a reorganisation the task may have been opened a little earlier.
	r.opened -= min(r.opened, DefaultDepth)
	return nil
}

// logs returns the game's events, asking for fewer blocks at a time when the node refuses.
func (r *Reader) logs(ctx context.Context, from, to uint64) ([]types.Log, error) {
	var all []types.Log
	for size := to - from + 1; from <= to; {
		last := min(from+size-1, to)
		logs, err := r.game.Logs(ctx, ethereum.FilterQuery{
			FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(last),
			Addresses: []common.Address{r.game.Address},
		})
		if err != nil {
			if size == 1 || ctx.Err() != nil {
				return nil, err
			}
			size = (size + 1) / 2
			continue
		}
		all = append(all, logs...)
		from = last + 1
	}
	return all, nil
}

// add takes an event of the game into the book, if it is one of the task.
func (b *logbook) add(task common.Hash, l types.Log) {
	if l.Removed || len(l.Topics) < 2 {
		return
	}
	e, err := gameABI().EventByID(l.Topics[0])
	if err != nil {
		return
	}
	values, err := e.Inputs.NonIndexed().Unpack(l.Data)
	if err != nil {
		return
	}
	about := l.Topics[1]
	switch e.Name {
	case "Executed": // of any task: its context is one of ours, or nobody asks for it
		b.executed[execution{about, common.BytesToAddress(l.Topics[2][:]), values[0].([32]byte)}] = values[1].([32]byte)
		return
	case "TournamentOpened":
		if about == task {
			b.put(&b.tournaments, l.Topics[2], ofTournament)
		}
	case "Joined":
		if b.kinds[about] == ofTournament {
			b.put(&b.claims, l.Topics[2], ofClaim)
		}
	case "Paired":
		if b.kinds[about] == ofTournament {
			b.put(&b.matches, l.Topics[2], ofMatch)
			b.rounds[l.Topics[2]] = int(values[2].(*big.Int).Int64())
			b.touch(values[0].([32]byte), values[1].([32]byte))
		}
	}
	if b.kinds[about] == 0 && about != task {
		return
	}
	b.events = append(b.events, l)
	b.touch(l.Topics[1:]...)
}

// put appends an id to a list. That of an inner tournament is also that of its match.
func (b *logbook) put(list *[]common.Hash, id common.Hash, kind int) {
	if !slices.Contains(*list, id) {
		*list = append(*list, id)
	}
	if b.kinds[id] == 0 || kind == ofTournament {
		b.kinds[id] = kind
	}
	b.touch(id)
}

func (b *logbook) touch(ids ...common.Hash) {
	for _, id := range ids {
		b.dirty[id] = true
	}
}

// views reads again what events were about, and what that is a part of.
func (r *Reader) views(ctx context.Context, block common.Hash) error {
	dirty := r.log.dirty
	for id := range maps.Clone(dirty) {
		if m := r.matches[id]; m != nil {
			dirty[m.Tournament], dirty[m.Claims[0]], dirty[m.Claims[1]] = true, true, true
		}
		if c := r.claims[id]; c != nil {
			dirty[c.Tournament], dirty[c.MatchId] = true, true
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	fetch(g, ctx, r, block, "tournamentOf", r.log.tournaments, r.tournaments)
	fetch(g, ctx, r, block, "claimOf", r.log.claims, r.claims)
	fetch(g, ctx, r, block, "matchOf", r.log.matches, r.matches)
	g.Go(func() (err error) {
		r.credit, err = r.game.Credit(ctx, block, r.task, r.account)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	clear(dirty)
	return nil
}

// fetch reads the views of those ids that are dirty.
func fetch[T any](g *errgroup.Group, ctx context.Context, r *Reader, block common.Hash, function string, ids []common.Hash, into map[common.Hash]*T) {
	for _, id := range ids {
		if !r.log.dirty[id] {
			continue
		}
		into[id] = new(T)
	}
	for _, id := range ids {
		if v := into[id]; r.log.dirty[id] {
			g.Go(func() (err error) {
				*v, err = view[T](ctx, r.game, block, function, id)
				return err
			})
		}
	}
}

// build makes the task of the views.
func (r *Reader) build() *dispute.Task {
	t := &dispute.Task{
		ID: r.task,
		Params: dispute.Params{
			InitialRoot: r.params.InitialRoot, Verifier: dispute.Account(r.params.Verifier), Inputs: r.params.Inputs,
			Grace: uint64(r.params.Grace),
		},
		Executed: map[dispute.Execution]dispute.Hash{}, Credits: map[dispute.Account]dispute.Coins{},
	}
	for _, l := range r.params.Levels {
		t.Levels = append(t.Levels, dispute.Level{
			Log2Stride: int(l.Log2Stride), Height: int(l.Height), Allowance: uint64(l.Allowance), Bond: coins(l.Bond),
		})
	}
	if r.credit != nil && r.credit.Sign() > 0 {
		t.Credits[dispute.Account(r.account)] = max(1, coins(r.credit))
	}
	tournaments, claims, matches := positions(r.log.tournaments), positions(r.log.claims), positions(r.log.matches)
	for _, id := range r.log.claims {
		t.Claims = append(t.Claims, r.claim(id, tournaments, matches))
	}
	for _, id := range r.log.matches {
		t.Matches = append(t.Matches, r.match(id, tournaments, claims))
	}
	for _, id := range r.log.tournaments {
		t.Tournaments = append(t.Tournaments, r.tournament(id, claims, matches))
		v := r.tournaments[id]
		for e, post := range r.log.executed {
			if e.context == v.Context && e.verifier == v.Verifier {
				t.Executed[dispute.Execution{Context: e.context, Verifier: dispute.Account(e.verifier), Pre: e.pre}] = post
			}
		}
	}
	for i, c := range t.Claims {
		u := &t.Tournaments[c.Tournament]
		for len(u.Rounds) <= c.Round {
			u.Rounds = append(u.Rounds, dispute.Round{Waiting: -1})
		}
		if r.claims[c.ID].Status == claimWaiting {
			u.Rounds[c.Round].Waiting = i
		}
		if u.Delegated {
			t.Claims[i].Result = u.Results[r.claims[c.ID].Side]
		}
	}
	for _, m := range t.Matches {
		if m.Phase != dispute.Ended {
			t.Tournaments[m.Tournament].Rounds[m.Round].Running++
		}
	}
	return t
}

// positions are those of ids in a list; those of others are negative.
func positions(ids []common.Hash) func(common.Hash) int {
	at := make(map[common.Hash]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	return func(id common.Hash) int {
		if i, ok := at[id]; ok {
			return i
		}
		return -1
	}
}

func coins(wei *big.Int) dispute.Coins {
	return dispute.Coins(new(big.Int).Div(wei, big.NewInt(Gwei)).Uint64())
}

func (r *Reader) tournament(id common.Hash, claims, matches func(common.Hash) int) dispute.Tournament {
	v := r.tournaments[id]
	u := dispute.Tournament{
		ID: id, Context: v.Context, Level: int(v.Level), InitialRoot: v.InitialRoot, Verifier: dispute.Account(v.Verifier),
		OpenedAt: v.OpenedAt.Uint64(), Parent: -1, Delegated: v.Delegated, Drained: int(v.Lowest),
		Alive: int(v.Alive), Joined: int(v.Joined), Pot: coins(v.Pot), Finished: v.Finished, Winner: claims(v.Winner),
	}
	if v.Inner {
		u.Parent = matches(id)
		u.Results = r.matches[id].Results
	}
	return u
}

func (r *Reader) claim(id common.Hash, tournaments, matches func(common.Hash) int) dispute.Claim {
	v := r.claims[id]
	c := dispute.Claim{
		ID: id, Tournament: tournaments(v.Tournament), Commitment: crypto.Keccak256Hash(v.Left[:], v.Right[:]),
		Left: v.Left, Right: v.Right, FinalRoot: v.FinalRoot, Result: v.FinalRoot, Poster: dispute.Account(v.Poster),
		Clock: uint64(v.Clock), Round: int(v.Round), Match: -1, Out: v.Status == claimOut,
	}
	if m := r.matches[v.MatchId]; v.Status == claimPlaying && m != nil {
		c.Match = matches(v.MatchId)
		side := 0
		if m.Claims[1] == id {
			side = 1
		}
		c.Clock = uint64(m.Clocks[side])
	}
	return c
}

func (r *Reader) match(id common.Hash, tournaments, claims func(common.Hash) int) dispute.Match {
	v := r.matches[id]
	m := dispute.Match{
		ID: id, Tournament: tournaments(v.Tournament), Round: r.log.rounds[id],
		Sides: [2]int{claims(v.Claims[0]), claims(v.Claims[1])}, Turn: int(v.Turn),
		Height: int(v.Height), Position: v.Position, Parent: v.Parent, Left: v.Left, Right: v.Right,
		LastMove: v.LastMove.Uint64(), Agreed: v.Agreed, Results: v.Results, Inner: -1,
		Movers: [2]dispute.Account{dispute.Account(v.Movers[0]), dispute.Account(v.Movers[1])},
		Owed:   [2]dispute.Coins{coins(v.Owed[0]), coins(v.Owed[1])},
	}
	switch v.Phase {
	case phasePlaying:
		m.Phase = dispute.Bisecting
	case phaseSealed:
		m.Phase = dispute.Sealed
	case phaseInner:
		m.Phase = dispute.Inner
	case phaseOver:
		m.Phase = dispute.Ended
	}
	if r.log.kinds[id] == ofTournament {
		m.Inner = tournaments(id)
	}
	return m
}
