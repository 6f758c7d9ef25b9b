package dispute

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// A search plays every game that rogues can bring about against one honest player: in each state they may send any
// transaction that succeeds, let the honest player act, or let time pass.
type search struct {
	*testing.T
	*toy
	me *Strategy
	// top are the rogues' claims to the whole; below, they have all that false makes up.
	top []*Record
	// late lets the honest player join in the last second, sluggish answer a second later: within the grace.
	late, sluggish bool
	// crowd is how many claims rogues make to an inner tournament.
	crowd   int
	params  Params
	seen    map[uint64]struct{}
	records func(Place) *Record
	pools   map[string][]*Record
	ends    int
	longest uint64
	busiest int
}

// A state is a task at a time, and what the honest player has done in it.
type state struct {
	*Task
	now   uint64
	moves int
	// paid is what the honest player has sent to the task and not got back.
	paid int
}

func newSearch(t *testing.T, y *toy, p Params) *search {
	s := &search{T: t, toy: y, params: p, seen: map[uint64]struct{}{}, pools: map[string][]*Record{}}
	s.records = cached(y.record)
	s.me = &Strategy{Account: honest, Witness: witness}
	return s
}

func (s *search) run() {
	task, err := s.rules.Open(Tx{}, root(5000), s.params)
	if err != nil {
		s.Fatal(err)
	}
	s.visit(state{Task: task})
}

func (s *search) visit(st state) {
	key := st.fingerprint(st.now, uint64(st.moves), uint64(st.paid))
	if _, ok := s.seen[key]; ok {
		return
	}
	s.seen[key] = struct{}{}
	s.check(&st)
	if st.Tournaments[0].Finished {
		s.finished(&st)
		return
	}
	for _, a := range s.options(&st) {
		next := state{st.clone(), st.now, st.moves, st.paid}
		if err := s.rules.Apply(next.Task, Tx{From: rogue, Now: st.now, Cost: 1000}, a); err != nil {
			s.Fatalf("%s: %v", a.Kind, err)
		}
		s.visit(next)
	}
	next := state{st.clone(), st.now, st.moves, st.paid}
	if !s.sluggish {
		s.act(&next)
		s.visit(next)
		if next.Tournaments[0].Finished {
			return
		}
		next.Task = next.clone()
	}
	next.now++
	if s.sluggish {
		s.act(&next)
	}
	s.visit(next)
}

// act lets the honest player do all that it can do now. All of a plan's actions must succeed.
func (s *search) act(st *state) {
	s.me.Record = func(p Place) *Record {
		if s.late && st.now+1+st.Grace*2 < st.Tournaments[p.Tournament].OpenedAt+st.LevelOf(p.Tournament).Allowance {
			return nil
		}
		return s.records(p)
	}
	for {
		plan := s.me.Next(st.Task, st.now)
		if len(plan.Notes) > 0 {
			s.Fatalf("the honest player wonders: %v", plan.Notes)
		}
		for _, a := range plan.Actions {
			s.count(st, a)
			if err := s.rules.Apply(st.Task, Tx{From: honest, Now: st.now, Cost: 1000}, a); err != nil {
				s.Fatalf("%s (%s): %v", a.Kind, a.Why, err)
			}
		}
		if len(plan.Actions) == 0 {
			return
		}
	}
}

// count keeps the honest player's books.
func (s *search) count(st *state, a Action) {
	switch a.Kind {
	case Join:
		st.paid += int(st.LevelOf(a.Tournament).Bond)
		st.moves++
	case Withdraw:
		st.paid -= int(st.Credits[a.Account])
	case Move, Seal:
		st.moves++
	case Prove:
		m := &st.Matches[a.Match]
		truth := s.truth(st.Task, m.Tournament)
		if st.Claims[m.Sides[0]].Commitment == truth || st.Claims[m.Sides[1]].Commitment == truth {
			st.moves++
		}
	}
}

func (s *search) check(st *state) {
	checkMoney(s.T, st.Task)
	capital := 0
	for _, l := range st.Levels {
		capital += int(l.Bond)
	}
	if st.paid > capital {
		s.Fatalf("the honest player has paid %d, more than one bond of each level", st.paid)
	}
	for i := range st.Claims {
		c := &st.Claims[i]
		if c.Out && c.Commitment == s.truth(st.Task, c.Tournament) {
			s.Fatalf("the honest claim of tournament %d is out", c.Tournament)
		}
	}
}

// place is where a tournament begins, whoever plays in it.
func place(t *Task, tournament int) Place {
	u, l := &t.Tournaments[tournament], t.LevelOf(tournament)
	p := Place{Tournament: tournament, Level: u.Level, Log2Stride: l.Log2Stride, Height: l.Height, Verifier: u.Verifier, InitialRoot: u.InitialRoot}
	if u.Parent >= 0 {
		m := &t.Matches[u.Parent]
		outer := place(t, m.Tournament)
		p.Start, p.Outer = outer.Start+m.Position<<outer.Log2Stride, outer.Outer
		if u.Delegated {
			p.Start, p.Outer = 0, append(slices.Clone(outer.Outer), p.Start)
		}
	}
	return p
}

// truth is the commitment of the honest history of a tournament, if there is such a thing.
func (s *search) truth(t *Task, tournament int) Hash {
	p := place(t, tournament)
	if p.InitialRoot != root(min(s.end, p.Start)) {
		return Hash{}
	}
	return s.records(p).History.Root()
}

func (s *search) finished(st *state) {
	s.ends++
	if finished, decided, final := st.Result(); !finished || !decided || final != root(min(s.end, 1<<st.Levels[0].bound())) {
		s.Fatalf("the task ends %v %v with root %x", finished, decided, final)
	}
	if u := st.Tournaments[0]; st.Claims[u.Winner].Commitment != s.truth(st.Task, 0) {
		s.Fatal("another claim has won")
	}
	claims := largest(st.Task)
	if most := OwnMoves(st.Levels, claims); st.moves > most {
		s.Fatalf("the honest player moved %d times against %v claims, more than %d", st.moves, claims, most)
	}
	if most := Delay(st.Levels, st.Grace, claims); !s.sluggish && st.now > most {
		s.Fatalf("with %v claims the task took %d, more than %d", claims, st.now, most)
	}
	s.longest, s.busiest = max(s.longest, st.now), max(s.busiest, st.moves)
	if st.Tournaments[0].Winner >= 0 && st.Claims[st.Tournaments[0].Winner].Poster == honest && st.paid > 0 {
		s.act(st)
		if st.paid > 0 {
			s.Fatalf("the honest player has lost %d", st.paid)
		}
	}
}

// largest returns the greatest number of claims in a tournament of each level.
func largest(t *Task) []uint64 {
	claims := make([]uint64, len(t.Levels))
	for _, u := range t.Tournaments {
		claims[u.Level] = max(claims[u.Level], uint64(u.Joined))
	}
	return claims
}

// options are the transactions that rogues can send: joins, and whatever their claims can do, and time-outs.
func (s *search) options(st *state) []Action {
	d := &desk{Strategy: &Strategy{Witness: witness}, Task: st.Task, now: st.now}
	for i := range st.Tournaments {
		if st.Tournaments[i].Finished {
			continue
		}
		pool := s.pool(st.Task, i)
		for _, r := range pool {
			h := r.History
			claim := slices.IndexFunc(st.Claims, func(c Claim) bool { return c.Tournament == i && c.Commitment == h.Root() })
			switch {
			case claim < 0 && d.Joinable(i, st.now) && s.admits(st, i):
				d.join(i, &stake{record: r})
			case claim >= 0 && st.Claims[claim].Match >= 0:
				m := st.Claims[claim].Match
				if mm := &st.Matches[m]; mm.Phase == Bisecting && mm.Sides[mm.Turn] == claim && st.now <= st.Expires(m) {
					d.move(m, h)
				}
			}
			if claim >= 0 {
				s.refutation(d, claim, h)
			}
		}
	}
	for i, m := range st.Matches {
		if (m.Phase == Bisecting || m.Phase == Sealed) && st.now > st.Expires(i) {
			d.do(Action{Kind: Timeout, Match: i}, "")
		}
		if n := number(m.Agreed); m.Phase == Sealed && (n < 1000 || n%2 == 0) {
			d.do(Action{Kind: Prove, Match: i, Witness: valid}, "")
		}
	}
	return d.plan.Actions
}

// refutation lets rogues refute a claim, their own ones as well, if it contradicts what was executed.
func (s *search) refutation(d *desk, claim int, h *History) {
	u := &d.Tournaments[d.Claims[claim].Tournament]
	if d.Claims[claim].Out || !d.last(u.Level) {
		return
	}
	for p := range uint64(1) << h.Height() {
		a := Action{Kind: Refute, Claim: claim, Position: p, Root: u.InitialRoot, Post: h.Leaf(p), PostProof: h.Proof(p)}
		if p > 0 {
			a.Root, a.Proof = h.Leaf(p-1), h.Proof(p-1)
		}
		if result, ok := d.Executed[Execution{u.Context, u.Verifier, a.Root}]; ok && result != a.Post {
			d.do(a, "")
			return
		}
	}
}

// admits keeps the number of games finite in practice: rogues join an inner tournament only so many times.
func (s *search) admits(st *state, tournament int) bool {
	if tournament == 0 {
		return true
	}
	rogues := 0
	for _, c := range st.Claims {
		if c.Tournament == tournament && c.Poster == rogue {
			rogues++
		}
	}
	return rogues < s.crowd
}

// pool returns the rogues' histories of a tournament.
func (s *search) pool(t *Task, tournament int) []*Record {
	u := &t.Tournaments[tournament]
	if u.Parent < 0 {
		return s.top
	}
	p := place(t, tournament)
	key := fmt.Sprint(p.Level, p.Start, p.InitialRoot, u.Results)
	if pool, ok := s.pools[key]; ok {
		return pool
	}
	base := s.record(p).History
	if p.InitialRoot != root(min(s.end, p.Start)) {
		base = mustRecord(p.Height, []Hash{p.InitialRoot}).History
	}
	last := uint64(1)<<p.Height - 1
	var pool []*Record
	for _, result := range u.Results {
		for from := range last + 1 {
			pool = s.add(pool, base, from, result, result)
		}
		// Wrong on the way, and with a contested result at the end.
		pool = s.add(pool, base, 0, root(1000), result)
	}
	s.pools[key] = pool
	return pool
}

// add appends a history that is base up to a leaf, then other, and final at the end.
func (s *search) add(pool []*Record, base *History, from uint64, other, final Hash) []*Record {
	h, err := base.Deviate(from, []Hash{other})
	if err != nil {
		s.Fatal(err)
	}
	if h, err = h.Deviate(1<<h.Height()-1, []Hash{final}); err != nil {
		s.Fatal(err)
	}
	if slices.ContainsFunc(pool, func(r *Record) bool { return r.History.Root() == h.Root() }) {
		return pool
	}
	return append(pool, &Record{History: h})
}

func (s *search) report(what string) {
	s.Logf("%s: %d states, %d ends, %d s and %d honest moves at most", what, len(s.seen), s.ends, s.longest, s.busiest)
}

// all calls f with every sequence of n leaves out of the given ones.
func all(n int, leaves []Hash, f func([]Hash)) {
	row := make([]Hash, n)
	var fill func(i int)
	fill = func(i int) {
		if i == n {
			f(slices.Clone(row))
			return
		}
		for _, row[i] = range leaves {
			fill(i + 1)
		}
	}
	fill(0)
}

var deep = os.Getenv("FLEXEMU_DEEP") != ""

// TestEveryRival plays all games against each single claim that there is, for histories that end at every step.
func TestEveryRival(t *testing.T) {
	states, games := 0, 0
	for height := 1; height <= 3; height++ {
		ends := []uint64{0, 1, 1<<height - 1, 1 << height, 100}
		if height == 3 && !deep {
			ends = []uint64{5}
		}
		for _, end := range ends {
			y := newToy(end)
			wrong := []Hash{root(1000), root(1001)}
			if height == 3 && !deep {
				wrong = wrong[:1]
			}
			all(1<<height, append([]Hash{{}}, wrong...), func(leaves []Hash) {
				for i := range leaves {
					if leaves[i] == (Hash{}) {
						leaves[i] = root(min(end, uint64(i+1)))
					}
				}
				s := newSearch(t, y, params(1, []int{height}, []uint64{2}))
				s.late = games%2 == 1
				s.top = []*Record{mustRecord(height, leaves)}
				s.run()
				states += len(s.seen)
				games++
			})
		}
	}
	t.Logf("%d rivals, %d states", games, states)
}
