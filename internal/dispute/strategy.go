package dispute

import (
	"cmp"
	"fmt"
	"slices"
)

// A Place is the beginning of a tournament's history: where a player has to begin to compute its own.
type Place struct {
	Tournament, Level  int
	Log2Stride, Height int
	// Context is what Verifier, which executes or delegates the machine's steps, knows the machine by.
	Context, InitialRoot Hash
	Verifier             Account
	// Start is the number of steps from the machine's first state to InitialRoot.
	Start uint64
	// Outer are the steps that were delegated on the way, outermost first: the machine is the one that step
	// Outer[len-1] of the machine before it was handed to. It is nil for the task's own machine.
	Outer []uint64
}

// A Record is what a player has computed for a place.
type Record struct {
	History *History
	// Closing proves what the last root closes to, if the place's machine was delegated to.
	Closing []byte
}

// A Witness is the proof of one step, and what must be on the chain before it can be verified.
type Witness struct {
	Proof []byte
	Loads []Loading
}

// A Loading is a piece of a pre-image. What is for people.
type Loading struct {
	What string
	Done bool
}

// A Need is something that the caller has to compute before the strategy can go on: the history of a place or, if Step,
// the witness of the step at Position of it.
type Need struct {
	Place    Place
	Step     bool
	Position uint64
	// Deadline is when a match may be lost for want of it, in seconds.
	Deadline uint64
}

// A Plan is what to do now. Actions do not depend on each other, and are the most urgent first. After them, look again.
type Plan struct {
	Actions []Action
	Needs   []Need
	// Notes are sentences about what is strange.
	Notes []string
	// Done tells that the task is finished, and nothing is left to do.
	Done bool
}

// A Strategy plays for one history of a task, whoever posted the claims to it. It remembers nothing: what it does follows
// from the task and the records, so a player that was restarted goes on, and as a move opens a node of a claim's tree,
// there is but one move that it could make.
type Strategy struct {
	Account Account
	// Record returns what was computed for a place, or nil if that is not there yet.
	Record func(Place) *Record
	// Witness returns the proof of a step, given its place and position, or nil if it is not there yet.
	Witness func(place Place, position uint64) *Witness
	// Revealed is what is known of others' claims. It may be nil: then none is refuted but in matches.
	Revealed *Revealed
}

// desk is where one plan is made.
type desk struct {
	*Strategy
	*Task
	now  uint64
	plan Plan
	// mine[i] is what we have of tournament i; nil if it is over, or none of our business.
	mine []*stake
}

// A stake is our part in a tournament.
type stake struct {
	place  Place
	record *Record
	claim  int
}

// Next returns what to do now, which is a time in seconds, or that of the last block.
func (s *Strategy) Next(t *Task, now uint64) Plan {
	d := &desk{Strategy: s, Task: t, now: now, mine: make([]*stake, len(t.Tournaments))}
	for i := range t.Tournaments {
		if !t.Tournaments[i].Finished {
			d.mine[i] = d.stake(i)
			d.tournament(i)
		}
	}
	for i := range t.Tournaments {
		d.advance(i)
	}
	d.withdraw()
	slices.SortStableFunc(d.plan.Actions, func(a, b Action) int { return cmp.Compare(a.Deadline-1, b.Deadline-1) })
	d.plan.Done = t.Tournaments[0].Finished && len(d.plan.Actions) == 0
	return d.plan
}

func (d *desk) do(a Action, why string, about ...any) {
	a.Why = fmt.Sprintf(why, about...)
	d.plan.Actions = append(d.plan.Actions, a)
}

func (d *desk) note(what string, about ...any) {
	d.plan.Notes = append(d.plan.Notes, fmt.Sprintf(what, about...))
}

// stake finds out what a tournament is to us. Inner ones matter if they decide about a claim of ours.
func (d *desk) stake(tournament int) *stake {
	u, level := &d.Tournaments[tournament], d.LevelOf(tournament)
	s := &stake{claim: none, place: Place{
		Tournament: tournament, Level: u.Level, Log2Stride: level.Log2Stride, Height: level.Height,
		Context: u.Context, Verifier: u.Verifier, InitialRoot: u.InitialRoot,
	}}
	if u.Parent >= 0 {
		m := &d.Matches[u.Parent]
		outer := d.mine[m.Tournament]
		if outer == nil || outer.claim < 0 || !slices.Contains(m.Sides[:], outer.claim) {
			return nil
		}
		start := outer.place.Start + m.Position<<outer.place.Log2Stride
		s.place.Start, s.place.Outer = start, outer.place.Outer
		if u.Delegated {
			s.place.Start, s.place.Outer = 0, append(slices.Clone(outer.place.Outer), start)
		}
	}
	if s.record = d.Record(s.place); s.record == nil {
		d.plan.Needs = append(d.plan.Needs, Need{Place: s.place, Deadline: d.joinEnd(tournament)})
		return s
	}
	if h := s.record.History.Height(); h != level.Height {
		d.note("The history for tournament %d has height %d instead of %d.", tournament, h, level.Height)
		s.record = nil
		return s
	}
	root := s.record.History.Root()
	s.claim = slices.IndexFunc(d.Claims, func(c Claim) bool { return c.Tournament == tournament && c.Commitment == root })
	return s
}

func (d *desk) joinEnd(tournament int) uint64 {
	return d.Tournaments[tournament].OpenedAt + d.LevelOf(tournament).Allowance - 1
}

func (d *desk) tournament(tournament int) {
	u, s := &d.Tournaments[tournament], d.mine[tournament]
	if s != nil && s.record != nil && s.claim < 0 {
		d.join(tournament, s)
	}
	for i := range d.Matches {
		if m := &d.Matches[i]; m.Tournament == tournament && (m.Phase == Bisecting || m.Phase == Sealed) {
			d.match(i, s)
		}
	}
	d.refute(tournament, s)
	switch {
	case d.Finishable(tournament, d.now) && u.Alive == 0:
		d.do(Action{Kind: Finish, Tournament: tournament}, "No claim of tournament %d is left, and no more are admitted.", tournament)
	case d.Finishable(tournament, d.now):
		d.do(Action{Kind: Finish, Tournament: tournament}, "One claim of tournament %d is left, and no more are admitted.", tournament)
	}
}

func (d *desk) join(tournament int, s *stake) {
	if !d.Joinable(tournament, d.now) {
		d.note("Tournament %d admits no more claims, and has none to our history.", tournament)
		return
	}
	h := s.record.History
	left, right := h.Children(h.Height(), 0)
	d.do(Action{
		Kind: Join, Tournament: tournament, Left: left, Right: right, Root: h.Final(),
		Proof: h.Proof(1<<h.Height() - 1), Witness: s.record.Closing, Place: s.place, Deadline: d.joinEnd(tournament),
	}, "Nobody has claimed our history of tournament %d, which ends with root %x….", tournament, head(h.Final()))
}

func head(h Hash) []byte { return h[:4] }

// match acts in a running match; s is our stake in its tournament.
func (d *desk) match(match int, s *stake) {
	m := &d.Matches[match]
	side := none
	if s != nil && s.claim >= 0 {
		side = slices.Index(m.Sides[:], s.claim)
	}
	switch late := d.now > d.Expires(match); {
	case late && side != none && d.loses(m, side):
		if m.Phase != Sealed {
			d.note("Our claim is out of time in match %d.", match)
			return
		}
		d.prove(match, s)
	case late:
		d.do(Action{Kind: Timeout, Match: match}, "Claim %d is out of time in match %d.", m.Sides[m.Turn], match)
	case m.Phase == Sealed:
		// In a match of others a proof shortens what they might let pass, and is paid after a third of the allowance.
		if side != none || s != nil && d.ours(m, s) && d.now > m.LastMove+d.LevelOf(m.Tournament).Allowance/3 {
			d.prove(match, s)
		}
	case m.Turn == side && !d.waits(m):
		d.move(match, s.record.History)
	}
}

// waits tells whether to let the grace pass before we move for a claim that somebody else posted: then the move is
// refunded, and so are all that follow. A claim that is short of time does not wait.
func (d *desk) waits(m *Match) bool {
	claim := d.Claims[m.Sides[m.Turn]]
	return !d.plays(m, m.Turn, d.Account) && d.now <= m.LastMove+d.Grace && claim.Clock > d.LevelOf(m.Tournament).Allowance/2
}

// loses tells whether a time-out would hit a side.
func (d *desk) loses(m *Match, side int) bool {
	if m.Phase == Sealed {
		return d.Claims[m.Sides[side]].Clock <= d.Claims[m.Sides[1-side]].Clock
	}
	return m.Turn == side
}

// ours tells whether the step of a sealed match is one of our history, so that we have its witness.
func (d *desk) ours(m *Match, s *stake) bool {
	return s.record != nil && m.Agreed == before(s, m.Position)
}

// before returns the root of our history before the step or interval at position.
func before(s *stake, position uint64) Hash {
	if position == 0 {
		return s.place.InitialRoot
	}
	return s.record.History.Leaf(position - 1)
}

func (d *desk) move(match int, h *History) {
	m := &d.Matches[match]
	index := m.Position >> m.Height
	if h.Node(m.Height, index) != m.Parent {
		d.note("Match %d asks for a node that our claim does not have: the task was not read rightly.", match)
		return
	}
	left, right := h.Children(m.Height, index)
	half, child := uint64(0), left
	if left == m.Left {
		half, child = 1, right
	}
	a := Action{Match: match, Left: left, Right: right, Deadline: d.Expires(match)}
	level := d.LevelOf(m.Tournament)
	if m.Height > 1 {
		a.Kind = Move
		a.ChildLeft, a.ChildRight = h.Children(m.Height-1, 2*index+half)
		d.do(a, "In match %d claim %d differs from ours within strides %d to %d of 2^%d steps.", match, m.Sides[1-m.Turn],
			(2*index+half)<<(m.Height-1), (2*index+half+1)<<(m.Height-1)-1, level.Log2Stride)
		return
	}
	a.Kind = Seal
	position := m.Position + half
	a.Root = d.Tournaments[m.Tournament].InitialRoot
	if position > 0 {
		a.Root = h.Leaf(position - 1)
		if half == 0 {
			a.Proof = h.Proof(position - 1)
		}
	}
	d.do(a, "In match %d claim %d differs from ours first in stride %d of 2^%d steps: %x… follows from %x….", match,
		m.Sides[1-m.Turn], position, level.Log2Stride, head(child), head(a.Root))
}

func (d *desk) prove(match int, s *stake) {
	m := &d.Matches[match]
	deadline := d.Expires(match)
	w := d.Witness(s.place, m.Position)
	if w == nil {
		d.plan.Needs = append(d.plan.Needs, Need{Place: s.place, Step: true, Position: m.Position, Deadline: deadline})
		return
	}
	a := Action{Match: match, Root: m.Agreed, Place: s.place, Position: m.Position, Witness: w.Proof, Deadline: deadline}
	loaded := true
	for i, l := range w.Loads {
		if !l.Done {
			loaded = false
			a.Kind, a.Load = Load, i
			d.do(a, "Step %d reads %s, which has to be on the chain before its proof.", s.place.Start+m.Position, l.What)
		}
	}
	if loaded {
		a.Kind = Prove
		d.do(a, "Match %d is about step %d, from root %x… on.", match, s.place.Start+m.Position, head(m.Agreed))
	}
}
