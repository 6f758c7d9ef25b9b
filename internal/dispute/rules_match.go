package dispute

import "fmt"

// charge takes the time since the last move from a claim's clock, but for the grace. It never falls below zero: a match
// goes on until somebody calls Timeout, and a proof may come before that.
func (t *Task) charge(m *Match, side int, now uint64) {
	c := &t.Claims[m.Sides[side]]
	if taken := now - m.LastMove; taken > t.Grace {
		c.Clock -= min(c.Clock, taken-t.Grace)
	}
}

// turn checks that a side may act in a match, and that left and right are below the node that it has to open. It returns
// the half that the sides disagree in.
func (r *Rules) turn(t *Task, tx Tx, match int, left, right Hash) (half int, err error) {
	m := &t.Matches[match]
	switch {
	case m.Phase != Bisecting:
		return 0, fmt.Errorf("no side has to move")
	case tx.Now > t.Expires(match):
		return 0, fmt.Errorf("the side to move is out of time")
	case pair(r.Pair, left, right) != m.Parent:
		return 0, fmt.Errorf("these are not the children of the node")
	case left == m.Left:
		return 1, nil
	}
	return 0, nil
}

// Move opens a node, of height 2 at least, into left and right, and of those the one that the rival does not have into
// childLeft and childRight.
func (r *Rules) Move(t *Task, tx Tx, match int, left, right, childLeft, childRight Hash) error {
	fail := func(err error) error { return fmt.Errorf("dispute: move in match %d: %w", match, err) }
	half, err := r.turn(t, tx, match, left, right)
	if err != nil {
		return fail(err)
	}
	m := &t.Matches[match]
	if m.Height < 2 {
		return fail(fmt.Errorf("one interval is left: seal"))
	}
	if pair(r.Pair, childLeft, childRight) != [2]Hash{left, right}[half] {
		return fail(fmt.Errorf("these are not the children of the child"))
	}
	t.owe(m, m.Turn, Move, tx, tx.Now > m.LastMove+t.Grace)
	t.charge(m, m.Turn, tx.Now)
	m.Height--
	m.Position += uint64(half) << m.Height
	m.Parent = [2]Hash{m.Left, m.Right}[half]
	m.Left, m.Right = childLeft, childRight
	m.Turn = 1 - m.Turn
	m.LastMove = tx.Now
	return nil
}

// Seal opens a node of height 1: the first leaf that the sides disagree about is found. If it is the left one, agreed is
// the leaf before it, with its proof for the mover's claim; before leaf 0 it is the tournament's initial root. Where the
// agreed root is known, agreed and proof are not looked at.
func (r *Rules) Seal(t *Task, tx Tx, match int, left, right, agreed Hash, proof []Hash) error {
	fail := func(err error) error { return fmt.Errorf("dispute: seal match %d: %w", match, err) }
	half, err := r.turn(t, tx, match, left, right)
	if err != nil {
		return fail(err)
	}
	m := &t.Matches[match]
	u := &t.Tournaments[m.Tournament]
	if m.Height != 1 {
		return fail(fmt.Errorf("the disagreement is not about one interval yet"))
	}
	position := m.Position + uint64(half)
	switch {
	case half == 1:
		agreed = left
	case position == 0:
		agreed = u.InitialRoot
	case !t.has(m.Sides[m.Turn], position-1, agreed, proof, r.Pair):
		return fail(fmt.Errorf("the agreed root is not proven"))
	}
	inner := Tournament{
		ID: m.ID, Context: u.Context, Level: u.Level + 1, InitialRoot: agreed, Verifier: u.Verifier, OpenedAt: tx.Now, Parent: match, Winner: none,
	}
	if t.leaf(u.Level) && !t.last(u.Level) {
		inner.Context = pair(r.Pair, u.Context, agreed)
		d, err := r.Opened(u.Verifier, inner.Context, agreed)
		if err != nil {
			return fail(err)
		}
		if d.Log2Bound != t.Levels[u.Level+1].bound() {
			return fail(fmt.Errorf("the delegate's bound is 2^%d", d.Log2Bound))
		}
		inner.InitialRoot, inner.Verifier, inner.Delegated = d.InitialRoot, d.Verifier, true
	}
	t.owe(m, m.Turn, Seal, tx, tx.Now > m.LastMove+t.Grace)
	t.charge(m, m.Turn, tx.Now)
	m.Height, m.Position, m.Agreed, m.LastMove = 0, position, agreed, tx.Now
	m.Results[m.Turn] = [2]Hash{left, right}[half]
	m.Results[1-m.Turn] = [2]Hash{m.Left, m.Right}[half]
	m.Phase = Sealed
	if !t.last(u.Level) {
		m.Phase, m.Inner = Inner, len(t.Tournaments)
		inner.Results = m.Results
		t.Tournaments = append(t.Tournaments, inner)
	}
	return nil
}

// Prove executes the step of a sealed match. Who claims another result is out.
func (r *Rules) Prove(t *Task, tx Tx, match int, proof []byte) error {
	fail := func(err error) error { return fmt.Errorf("dispute: prove in match %d: %w", match, err) }
	m := &t.Matches[match]
	if m.Phase != Sealed {
		return fail(fmt.Errorf("it is not sealed"))
	}
	post, err := r.execute(t, m.Tournament, m.Agreed, proof)
	if err != nil {
		return fail(err)
	}
	out := [2]bool{post != m.Results[0], post != m.Results[1]}
	refund := Coins(0)
	if tx.Now > m.LastMove+t.LevelOf(m.Tournament).Allowance/3 || !out[0] && t.plays(m, 0, tx.From) || !out[1] && t.plays(m, 1, tx.From) {
		refund = t.refund(Prove, tx)
	}
	r.end(t, tx, match, out, refund)
	return nil
}

// Execute records what a step leads to, for Refute. Only verifiers of the last level execute steps.
func (r *Rules) Execute(t *Task, tournament int, pre Hash, proof []byte) error {
	if _, err := r.execute(t, tournament, pre, proof); err != nil {
		return fmt.Errorf("dispute: execute for tournament %d: %w", tournament, err)
	}
	return nil
}

func (r *Rules) execute(t *Task, tournament int, pre Hash, proof []byte) (Hash, error) {
	u := &t.Tournaments[tournament]
	if !t.last(u.Level) {
		return Hash{}, fmt.Errorf("its steps are not executed")
	}
	post, err := r.Transition(u.Verifier, u.Context, pre, proof)
	if err == nil {
		t.Executed[Execution{u.Context, u.Verifier, pre}] = post
	}
	return post, err
}

// Timeout ends a match whose side to move is out of time: that one is out. If the match is sealed, it is the side whose
// clock ended first; if they ended together, both.
func (r *Rules) Timeout(t *Task, tx Tx, match int) error {
	m := &t.Matches[match]
	if m.Phase != Bisecting && m.Phase != Sealed || tx.Now <= t.Expires(match) {
		return fmt.Errorf("dispute: timeout of match %d: nobody is out of time", match)
	}
	var out [2]bool
	out[m.Turn] = true
	if m.Phase == Sealed {
		a, b := t.Claims[m.Sides[0]].Clock, t.Claims[m.Sides[1]].Clock
		out = [2]bool{a <= b, b <= a}
	}
	r.end(t, tx, match, out, t.refund(Timeout, tx))
	return nil
}

// Refute ends a claim of the last level that contradicts an executed step: it has pre at position-1, or begins with it,
// and at position something else than what follows from pre.
func (r *Rules) Refute(t *Task, tx Tx, claim int, position uint64, pre Hash, preProof []Hash, post Hash, postProof []Hash) error {
	fail := func(why string) error { return fmt.Errorf("dispute: refute claim %d at %d: %s", claim, position, why) }
	c := &t.Claims[claim]
	u := &t.Tournaments[c.Tournament]
	result, executed := t.Executed[Execution{u.Context, u.Verifier, pre}]
	switch {
	case c.Out || u.Finished:
		return fail("it is settled")
	case !t.last(u.Level) || !executed:
		return fail("the step was not executed")
	case post == result:
		return fail("it is right there")
	case position == 0 && pre != u.InitialRoot:
		return fail("it begins with another root")
	case position > 0 && !t.has(claim, position-1, pre, preProof, r.Pair):
		return fail("the root before is not proven")
	case !t.has(claim, position, post, postProof, r.Pair):
		return fail("the root after is not proven")
	}
	if c.Match < 0 {
		u.Rounds[c.Round].Waiting = none
		c.Out = true
		u.Alive--
		refund := t.refund(Refute, tx)
		t.credit(tx.From, refund)
		u.Pot += t.Levels[u.Level].Bond - refund
		return nil
	}
	sides := t.Matches[c.Match].Sides
	r.end(t, tx, c.Match, [2]bool{sides[0] == claim, sides[1] == claim}, t.refund(Refute, tx))
	return nil
}

// has tells whether proof shows that a claim has leaf at position.
func (t *Task) has(claim int, position uint64, leaf Hash, proof []Hash, hasher Hasher) bool {
	c := &t.Claims[claim]
	return len(proof) == t.LevelOf(c.Tournament).Height && ProveLeaf(hasher, c.Commitment, position, leaf, proof)
}
