package dispute

import (
	"fmt"
	"slices"
)

// Rules are the contract as functions on a Task. Each method is a transaction that anybody may send; an error is a
// revert, and leaves the task as it was.
type Rules struct {
	Pair Hasher
	// Transition executes one step of a machine (context) by a verifier. It fails on a proof that is not of pre.
	Transition func(verifier Account, context, pre Hash, proof []byte) (post Hash, err error)
	// Opened says which machine a delegating verifier hands the step from pre to. The context is new for each pre.
	Opened func(verifier Account, context, pre Hash) (Delegation, error)
	// Closed says what root follows pre if the delegated machine ends at finalRoot.
	Closed func(verifier Account, context, finalRoot Hash, proof []byte) (post Hash, err error)
}

// A Delegation is a machine whose whole run is one step of another.
type Delegation struct {
	InitialRoot Hash
	Verifier    Account
	Log2Bound   int
}

// Tx is what the chain knows of a transaction: its sender, the time of its block in seconds, the money that comes with
// it and what its gas costs.
type Tx struct {
	From  Account
	Now   uint64
	Value Coins
	Cost  Coins
}

// Open returns a new task with the given identifier.
func (r *Rules) Open(tx Tx, id Hash, p Params) (*Task, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	t := &Task{ID: id, Params: p, Executed: map[Execution]Hash{}, Credits: map[Account]Coins{}}
	t.Levels = slices.Clone(p.Levels)
	t.Tournaments = []Tournament{{
		ID: id, Context: id, InitialRoot: p.InitialRoot, Verifier: p.Verifier, OpenedAt: tx.Now, Parent: none, Winner: none,
	}}
	return t, nil
}

// Join makes the claim that a tournament's history has the root above left and right, and ends with finalRoot, as proof
// shows. closing is the proof for Closed, in a delegated tournament. It costs the level's bond, neither more nor less.
func (r *Rules) Join(t *Task, tx Tx, tournament int, left, right, finalRoot Hash, proof []Hash, closing []byte) error {
	fail := func(why string) error { return fmt.Errorf("dispute: join tournament %d: %s", tournament, why) }
	u, level := &t.Tournaments[tournament], t.LevelOf(tournament)
	if !t.Joinable(tournament, tx.Now) {
		return fail("it admits no more claims")
	}
	if tx.Value != level.Bond {
		return fail(fmt.Sprintf("the bond is %d, not %d", level.Bond, tx.Value))
	}
	commitment := pair(r.Pair, left, right)
	for _, c := range t.Claims {
		if c.Tournament == tournament && c.Commitment == commitment {
			return fail("this is claimed already")
		}
	}
	if len(proof) != level.Height || !ProveLeaf(r.Pair, commitment, 1<<level.Height-1, finalRoot, proof) {
		return fail("the last root is not proven")
	}
	result := finalRoot
	if u.Delegated {
		var err error
		// The machine that delegates closes, not the one that was delegated to.
		outer := t.Tournaments[t.Matches[u.Parent].Tournament].Verifier
		if result, err = r.Closed(outer, u.Context, finalRoot, closing); err != nil {
			return fail(err.Error())
		}
	}
	if u.Parent >= 0 && result != u.Results[0] && result != u.Results[1] {
		return fail("it is neither of the contested results")
	}
	t.In += tx.Value
	t.Claims = append(t.Claims, Claim{
		ID: pair(r.Pair, u.ID, commitment), Tournament: tournament, Commitment: commitment, Left: left, Right: right,
		FinalRoot: finalRoot, Result: result, Poster: tx.From, Clock: level.Allowance - (tx.Now - u.OpenedAt), Match: none,
	})
	u.Joined++
	u.Alive++
	r.enter(t, len(t.Claims)-1, 0, tx.Now)
	return nil
}

// enter brings a claim into a round: it waits, or meets who waits.
func (r *Rules) enter(t *Task, claim, round int, now uint64) {
	c := &t.Claims[claim]
	u := &t.Tournaments[c.Tournament]
	c.Round = round
	for len(u.Rounds) <= round {
		u.Rounds = append(u.Rounds, Round{Waiting: none})
	}
	at := &u.Rounds[round]
	if at.Waiting < 0 {
		at.Waiting = claim
		return
	}
	first := &t.Claims[at.Waiting]
	match := len(t.Matches)
	t.Matches = append(t.Matches, Match{
		ID: pair(r.Pair, first.ID, c.ID), Tournament: c.Tournament, Round: round, Sides: [2]int{at.Waiting, claim},
		Height: t.LevelOf(c.Tournament).Height, Parent: first.Commitment, Left: c.Left, Right: c.Right, LastMove: now, Inner: none,
	})
	first.Match, c.Match = match, match
	at.Waiting = none
	at.Running++
}

// Advance promotes claims that wait in rounds in which nobody can join them any more.
func (r *Rules) Advance(t *Task, tx Tx, tournament int) error {
	if !t.Advanceable(tournament, tx.Now) {
		return fmt.Errorf("dispute: advance tournament %d: no claim waits in vain", tournament)
	}
	u := &t.Tournaments[tournament]
	for u.Rounds[u.Drained].Running == 0 {
		claim := u.Rounds[u.Drained].Waiting
		u.Rounds[u.Drained].Waiting = none
		u.Drained++
		if claim >= 0 {
			r.enter(t, claim, u.Drained, tx.Now)
		}
	}
	return nil
}

// Finish ends a tournament that has one claim left or none, and with it the match that it decides.
func (r *Rules) Finish(t *Task, tx Tx, tournament int) error {
	if !t.Finishable(tournament, tx.Now) {
		return fmt.Errorf("dispute: finish tournament %d: it is not over", tournament)
	}
	u := &t.Tournaments[tournament]
	u.Finished = true
	bond := t.LevelOf(tournament).Bond
	for i, c := range t.Claims {
		if c.Tournament == tournament && !c.Out {
			u.Winner = i
			prize := min(u.Pot, bond)
			u.Pot -= prize
			t.credit(c.Poster, bond+prize)
		}
	}
	t.credit(Burnt, u.Pot)
	u.Pot = 0
	if u.Parent < 0 {
		return nil
	}
	m := &t.Matches[u.Parent]
	var out [2]bool
	for side := range out {
		out[side] = u.Winner < 0 || t.Claims[u.Winner].Result != m.Results[side]
	}
	r.end(t, tx, u.Parent, out, t.refund(Finish, tx))
	return nil
}

// end ends a match. Whoever had to act is charged, and who is not out goes on to the next round. The sender gets refund.
func (r *Rules) end(t *Task, tx Tx, match int, out [2]bool, refund Coins) {
	m := &t.Matches[match]
	u := &t.Tournaments[m.Tournament]
	for side := range out {
		if m.Phase == Sealed || m.Phase == Bisecting && m.Turn == side {
			t.charge(m, side, tx.Now)
		}
	}
	m.Phase = Ended
	u.Rounds[m.Round].Running--
	for side := range out {
		t.settle(m, side)
	}
	bond := t.LevelOf(m.Tournament).Bond
	for side, claim := range m.Sides {
		t.Claims[claim].Match = none
		if out[side] {
			t.Claims[claim].Out = true
			u.Alive--
			u.Pot += bond
		}
	}
	t.credit(tx.From, refund)
	m.Refunded += refund
	u.Pot -= m.Refunded
	// Nothing below may use m or u: enter lets the lists grow.
	for side, claim := range m.Sides {
		if !out[side] {
			r.enter(t, claim, t.Claims[claim].Round+1, tx.Now)
		}
	}
}

// plays tells whether an account is refunded for what it does for a side without waiting: it posted the claim, or was
// refunded for the side last. Whoever copies a transaction that waits for its block is neither, and gets nothing.
func (t *Task) plays(m *Match, side int, account Account) bool {
	return m.Movers[side] == account || t.Claims[m.Sides[side]].Poster == account
}

func (t *Task) refund(kind Kind, tx Tx) Coins { return min(tx.Cost, t.Caps[kind]) }

// owe adds a move or a seal to what the match's loser will pay for side, if the sender plays it or the grace was over.
func (t *Task) owe(m *Match, side int, kind Kind, tx Tx, late bool) {
	if !late && !t.plays(m, side, tx.From) {
		return
	}
	if m.Movers[side] != tx.From {
		t.settle(m, side)
		m.Movers[side] = tx.From
	}
	m.Owed[side] += t.refund(kind, tx)
}

func (t *Task) settle(m *Match, side int) {
	t.credit(m.Movers[side], m.Owed[side])
	m.Refunded += m.Owed[side]
	m.Owed[side] = 0
}

func (t *Task) credit(to Account, amount Coins) {
	if amount > 0 {
		t.Credits[to] += amount
	}
}

// Withdraw sends an account its credits, and returns how much.
func (r *Rules) Withdraw(t *Task, account Account) (Coins, error) {
	amount := t.Credits[account]
	if amount == 0 {
		return 0, fmt.Errorf("dispute: withdraw: account %x has nothing", account)
	}
	delete(t.Credits, account)
	t.Out += amount
	return amount, nil
}
