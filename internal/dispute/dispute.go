// Package dispute is the game in which claims about a sequence of state roots are settled: its rules, as a model of the
// contract, and how one honest player wins it.
//
//   - History is the tree over state roots to which a claim commits.
//   - Rules are the transitions of the contract, one method each, on a Task. They are written for clearness, and they are
//     what players are tested with.
//   - Strategy looks at a Task, read from Rules or from a chain, and says what to do now.
//   - Cheats are strategies of those who lose, for tests and demonstrations.
//
// The game does not know what a machine is: a step is a function that it is given. The package is pure. It imports
// nothing else of this module, reads no clock, and starts no goroutine: time is a number of seconds, and comes in from
// the caller. The rules and the reasons for them are in docs/dispute.md.
package dispute

import "fmt"

// An Account is an address of the chain: of a player or of a verifier's contract.
type Account [20]byte

// Coins are an amount of money, in any unit; who reads a Task from a chain may round.
type Coins uint64

// Burnt is the account that money is credited to which nobody gets.
var Burnt = Account{18: 0xde, 19: 0xad}

// none stands where a position in one of a Task's lists could stand.
const none = -1

// A Level is one stride of the bisection. A history of it has 2^Height leaves, 2^Log2Stride steps apart.
type Level struct {
	Log2Stride, Height int
	// Allowance is the time, in seconds, that a claim may take in all its moves, and in which claims may join.
	Allowance uint64
	// Bond is what a claim costs.
	Bond Coins
}

// Kinds of actions.
const (
	Join Kind = iota
	Move
	Seal
	Prove
	Timeout
	Refute
	Execute
	Advance
	Finish
	Withdraw
	Load
	kinds
)

// A Kind is what a transaction does.
type Kind int

var kindNames = [kinds]string{
	"join", "move", "seal", "prove", "timeout", "refute", "execute", "advance", "finish", "withdraw", "load",
}

func (k Kind) String() string { return kindNames[k] }

// Params are fixed by who opens a task.
type Params struct {
	InitialRoot Hash
	Verifier    Account
	// Inputs is the commitment to the local pre-images.
	Inputs Hash
	// Levels begin with the widest stride. They are 1 to 8.
	Levels []Level
	// Grace is the time of each turn that is not charged, in seconds.
	Grace uint64
	// Caps are the most that a transaction of each kind gets back.
	Caps [kinds]Coins
}

// A Task is all that the contract knows of one dispute. Lists only grow, and their elements refer to each other by
// position.
type Task struct {
	ID Hash
	Params
	// Tournaments[0] is the task's own; others decide between the two results of a match.
	Tournaments []Tournament
	Claims      []Claim
	Matches     []Match
	Executed    map[Execution]Hash
	Credits     map[Account]Coins
	// In is what has come in for the task, Out what was sent away.
	In, Out Coins
}

// An Execution is a step that was executed by a verifier; the task has its result.
type Execution struct {
	Context  Hash
	Verifier Account
	Pre      Hash
}

// A Tournament finds one claim among those about one interval.
type Tournament struct {
	ID Hash
	// Context is what the verifier knows the machine by: the task's identifier, or one for each delegated step.
	Context     Hash
	Level       int
	InitialRoot Hash
	Verifier    Account
	OpenedAt    uint64
	// Parent is the match that the tournament decides, or negative; Results are what the sides of that match claim.
	Parent  int
	Results [2]Hash
	// Delegated tells that Results are closed: see Rules.Close.
	Delegated bool
	// Rounds[r].Waiting is the claim that waits for a rival in round r, or negative; rounds below Drained have neither
	// matches nor claims, nor will they.
	Rounds   []Round
	Drained  int
	Alive    int
	Joined   int
	Pot      Coins
	Finished bool
	// Winner is a claim, or negative.
	Winner int
}

// A Round is a list of matches with one place to wait in.
type Round struct{ Waiting, Running int }

// A Claim is a commitment to a history.
type Claim struct {
	ID          Hash
	Tournament  int
	Commitment  Hash
	Left, Right Hash
	FinalRoot   Hash
	// Result is FinalRoot, or what it closes to in a delegated tournament.
	Result Hash
	Poster Account
	// Clock is what is left of the allowance, in seconds.
	Clock uint64
	Round int
	// Match is the running match of the claim, or negative.
	Match int
	Out   bool
}

// Phases of a match.
const (
	// Bisecting: the sides move in turn.
	Bisecting Phase = iota
	// Sealed: one step is left, and waits for its proof.
	Sealed
	// Inner: a tournament decides.
	Inner
	Ended
)

// A Phase is what a match waits for.
type Phase int

// A Match is between two claims of a tournament.
type Match struct {
	ID         Hash
	Tournament int
	Round      int
	// Sides are the claims; the first one had waited, and moves first.
	Sides [2]int
	Turn  int
	// Parent is the node, of Height and with its first leaf at Position, that the side to move has to open. Left and
	// Right are below the other side's node at the same place.
	Height              int
	Position            uint64
	Parent, Left, Right Hash
	LastMove            uint64
	Phase               Phase
	// Agreed is the root before the step or interval at Position, and Results what the sides say follows, from Sealed and
	// Inner on. Tournament Inner decides.
	Agreed  Hash
	Results [2]Hash
	Inner   int
	// Movers were refunded last for each side; Owed is what they will get, Refunded what others have got.
	Movers   [2]Account
	Owed     [2]Coins
	Refunded Coins
}

// Check says what is wrong with parameters, if anything.
func (p *Params) Check() error {
	if len(p.Levels) < 1 || len(p.Levels) > 8 {
		return fmt.Errorf("dispute: open: %d levels, must be 1 to 8", len(p.Levels))
	}
	for i, l := range p.Levels {
		if l.Height < 1 || l.Log2Stride < 0 || l.Log2Stride+l.Height > MaxHeight {
			return fmt.Errorf("dispute: open: level %d has height %d and stride 2^%d", i, l.Height, l.Log2Stride)
		}
		if i+1 < len(p.Levels) && l.Log2Stride > 0 && p.Levels[i+1].bound() != l.Log2Stride {
			return fmt.Errorf("dispute: open: level %d has stride 2^%d, but the next one spans 2^%d steps", i, l.Log2Stride, p.Levels[i+1].bound())
		}
		if i+1 == len(p.Levels) && l.Log2Stride != 0 {
			return fmt.Errorf("dispute: open: the last level has stride 2^%d, must be 1", l.Log2Stride)
		}
		if l.Allowance == 0 {
			return fmt.Errorf("dispute: open: level %d has no allowance", i)
		}
		if least := p.LeastBond(i); l.Bond < least {
			return fmt.Errorf("dispute: open: bond %d of level %d is below the refunds of a match, %d", l.Bond, i, least)
		}
	}
	return nil
}

func (l Level) bound() int { return l.Log2Stride + l.Height }

// LeastBond returns the refunds of the longest match of a level: one lost bond has to pay for them.
func (p *Params) LeastBond(level int) Coins {
	l := p.Levels[level]
	return Coins(l.Height-1)*p.Caps[Move] + p.Caps[Seal] + max(p.Caps[Prove], p.Caps[Timeout], p.Caps[Refute], p.Caps[Finish])
}

// Leaf tells whether a level's strides are single steps. If another level follows, the verifier there delegates.
func (p *Params) leaf(level int) bool { return p.Levels[level].Log2Stride == 0 }

func (p *Params) last(level int) bool { return level == len(p.Levels)-1 }

// LevelOf returns the level of a tournament.
func (t *Task) LevelOf(tournament int) Level { return t.Levels[t.Tournaments[tournament].Level] }

// Joinable tells whether a tournament still admits claims.
func (t *Task) Joinable(tournament int, now uint64) bool {
	u := &t.Tournaments[tournament]
	return !u.Finished && now < u.OpenedAt+t.LevelOf(tournament).Allowance
}

// Finishable tells whether Finish would succeed.
func (t *Task) Finishable(tournament int, now uint64) bool {
	u := &t.Tournaments[tournament]
	return !u.Finished && !t.Joinable(tournament, now) && u.Alive <= 1
}

// Advanceable tells whether Advance would succeed: a claim waits in a round that can have no more claims.
func (t *Task) Advanceable(tournament int, now uint64) bool {
	u := &t.Tournaments[tournament]
	if u.Finished || t.Joinable(tournament, now) || u.Alive <= 1 {
		return false
	}
	for _, r := range u.Rounds[u.Drained:] {
		if r.Running > 0 {
			return false
		}
		if r.Waiting >= 0 {
			return true
		}
	}
	return false
}

// Expires returns the last second in which nobody can call Timeout: the side to move has until then. For a sealed match
// both sides have, and it is the earlier end.
func (t *Task) Expires(match int) uint64 {
	m := &t.Matches[match]
	clock := t.Claims[m.Sides[m.Turn]].Clock
	if m.Phase == Sealed {
		clock = min(clock, t.Claims[m.Sides[1-m.Turn]].Clock)
	}
	return m.LastMove + t.Grace + clock
}

// Result returns what other contracts read: whether the task is over, whether a claim has won, and its last root.
func (t *Task) Result() (finished, decided bool, finalRoot Hash) {
	u := &t.Tournaments[0]
	if !u.Finished || u.Winner < 0 {
		return u.Finished, false, Hash{}
	}
	return true, true, t.Claims[u.Winner].FinalRoot
}
