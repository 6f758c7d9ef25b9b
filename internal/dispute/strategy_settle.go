package dispute

import (
	"cmp"
	"slices"
)

// refute looks for claims that have shown something else than what a step led to that was executed in any match over
// the same interval.
func (d *desk) refute(tournament int, s *stake) {
	u := &d.Tournaments[tournament]
	if d.Revealed == nil || !d.last(u.Level) {
		return
	}
	for claim, c := range d.Claims {
		if c.Tournament != tournament || c.Out || s != nil && claim == s.claim || c.Match >= 0 && d.acts(c.Match) {
			continue
		}
		for _, m := range d.Matches {
			of := &d.Tournaments[m.Tournament]
			same := of.Level == u.Level && of.Context == u.Context && of.Verifier == u.Verifier && of.InitialRoot == u.InitialRoot
			if same && m.Phase == Ended && m.Height == 0 && d.contradicts(claim, &m) {
				break
			}
		}
	}
}

// acts tells whether the plan does something in a match.
func (d *desk) acts(match int) bool {
	return slices.ContainsFunc(d.plan.Actions, func(a Action) bool {
		return a.Match == match && (a.Kind == Move || a.Kind == Seal || a.Kind == Prove || a.Kind == Timeout)
	})
}

// contradicts refutes a claim with the step of a match that is over, if that was executed.
func (d *desk) contradicts(claim int, m *Match) bool {
	u := &d.Tournaments[d.Claims[claim].Tournament]
	height := d.Levels[u.Level].Height
	result, executed := d.Executed[Execution{u.Context, u.Verifier, m.Agreed}]
	post, postProof, known := d.Revealed.Leaf(claim, height, m.Position)
	if !executed || !known || post == result {
		return false
	}
	a := Action{Kind: Refute, Claim: claim, Match: none, Position: m.Position, Root: m.Agreed, Post: post, PostProof: postProof}
	if m.Position > 0 {
		var pre Hash
		if pre, a.Proof, known = d.Revealed.Leaf(claim, height, m.Position-1); !known || pre != m.Agreed {
			return false
		}
	}
	d.do(a, "Claim %d has root %x… at %d, but the step before was executed, and leads to %x….", claim, head(post), m.Position, head(result))
	return true
}

// advance promotes a claim that waits in vain, unless something else may end a match or a claim of the tournament first:
// then perhaps nobody is left to wait for.
func (d *desk) advance(tournament int) {
	if !d.Advanceable(tournament, d.now) {
		return
	}
	for _, a := range d.plan.Actions {
		of := none
		switch a.Kind {
		case Timeout, Prove:
			of = d.Matches[a.Match].Tournament
		case Refute:
			of = d.Claims[a.Claim].Tournament
		case Finish:
			if parent := d.Tournaments[a.Tournament].Parent; parent >= 0 {
				of = d.Matches[parent].Tournament
			}
		}
		if of == tournament {
			return
		}
	}
	d.do(Action{Kind: Advance, Tournament: tournament}, "A claim of tournament %d waits in a round that nobody else will come to.", tournament)
}

// withdraw collects what is ours when the task is over, and before, as soon as it pays for another claim: so a player
// never needs more than one bond of each level.
func (d *desk) withdraw() {
	credit := d.Credits[d.Account]
	least := slices.MinFunc(d.Levels, func(a, b Level) int { return cmp.Compare(a.Bond, b.Bond) }).Bond
	if credit == 0 || credit < least && !d.Tournaments[0].Finished {
		return
	}
	d.do(Action{Kind: Withdraw, Account: d.Account}, "The task owes us %d gwei.", credit)
	w := &d.plan.Actions[len(d.plan.Actions)-1]
	for _, a := range d.plan.Actions {
		if a.Kind == Join && (w.Deadline == 0 || a.Deadline < w.Deadline) {
			w.Deadline = a.Deadline
		}
	}
	// What comes in pays for what goes out.
	d.plan.Actions = slices.Concat(d.plan.Actions[len(d.plan.Actions)-1:], d.plan.Actions[:len(d.plan.Actions)-1])
}
