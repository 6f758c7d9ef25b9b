package dispute

import (
	"math/rand/v2"
	"testing"
)

// A table is where players sit around a simulated chain.
type table struct {
	*testing.T
	*toy
	*Task
	now      uint64
	revealed Revealed
	me       *Strategy
	rogues   []Player
	log      []Action
	// lag is how many seconds the honest player sleeps between looks.
	lag     uint64
	moves   int
	got     Coins
	refused int
	sent    [kinds]int
}

func newTable(t *testing.T, y *toy, p Params) *table {
	task, err := y.rules.Open(Tx{}, root(5000), p)
	if err != nil {
		t.Fatal(err)
	}
	b := &table{T: t, toy: y, Task: task}
	b.me = &Strategy{Account: honest, Record: cached(y.record), Witness: witness, Revealed: &b.revealed}
	return b
}

// send sends a player's transaction, and tells whether it succeeded.
func (b *table) send(from Account, a Action) error {
	if err := a.check(b.Task); err != nil {
		return err
	}
	before := b.clone()
	err := b.rules.Apply(b.Task, Tx{From: from, Now: b.now, Cost: 1000}, a)
	if err != nil {
		if b.fingerprint() != before.fingerprint() {
			b.Fatalf("%s failed (%v) and left traces", a.Kind, err)
		}
		return err
	}
	b.revealed.Observe(before, a)
	b.log = append(b.log, a)
	b.sent[a.Kind]++
	if a.Kind == Withdraw && a.Account == honest {
		b.got += before.Credits[honest]
	}
	checkMoney(b.T, b.Task)
	if from == honest && (a.Kind == Join || a.Kind == Move || a.Kind == Seal || a.Kind == Prove && b.ours(before, a.Match)) {
		b.moves++
	}
	return nil
}

// ours tells whether the honest claim is in a match.
func (y *toy) ours(t *Task, match int) bool {
	m := &t.Matches[match]
	truth := y.record(place(t, m.Tournament)).History.Root()
	return t.Claims[m.Sides[0]].Commitment == truth || t.Claims[m.Sides[1]].Commitment == truth
}

// play lets everybody act once a second, in random order, the honest player at last, until the task is over.
func (b *table) play(random *rand.Rand) {
	for limit := 10_000_000; !b.Tournaments[0].Finished; limit-- {
		if limit == 0 {
			b.Fatal("the task does not end")
		}
		for _, i := range random.Perm(len(b.rogues)) {
			for _, a := range b.rogues[i].Next(b.Task, b.now).Actions {
				if b.send(rogue, a) != nil {
					b.refused++
				}
			}
		}
		if b.now%(b.lag+1) == 0 {
			b.honest()
		}
		b.now++
	}
	b.now--
	b.honest()
	b.judge()
}

func (b *table) honest() {
	for {
		plan := b.me.Next(b.Task, b.now)
		if len(plan.Notes) > 0 {
			b.Fatalf("the honest player wonders: %v", plan.Notes)
		}
		for _, a := range plan.Actions {
			if a.Why == "" {
				b.Fatalf("%s has no reason", a.Kind)
			}
			if err := b.send(honest, a); err != nil {
				b.Fatalf("%s (%s): %v", a.Kind, a.Why, err)
			}
		}
		if len(plan.Actions) == 0 {
			return
		}
	}
}

func (b *table) judge() {
	want := b.me.Record(place(b.Task, 0)).History
	u := b.Tournaments[0]
	if u.Winner < 0 || b.Claims[u.Winner].Commitment != want.Root() {
		b.Fatalf("the winner is %d, another claim than the honest one", u.Winner)
	}
	if finished, decided, final := b.Result(); !finished || !decided || final != want.Final() {
		b.Fatalf("the result is %v %v %x", finished, decided, final)
	}
	claims := largest(b.Task)
	if most := OwnMoves(b.Levels, claims); b.moves > most {
		b.Fatalf("%d moves against %v claims, more than %d", b.moves, claims, most)
	}
	if most := Delay(b.Levels, b.Grace, claims); b.lag == 0 && b.now > most {
		b.Fatalf("%d s with %v claims, more than %d", b.now, claims, most)
	}
	if plan := b.me.Next(b.Task, b.now); !plan.Done || b.Credits[honest] > 0 {
		b.Fatalf("after the end the honest player wants %v", plan.Actions)
	}
}

// rivals makes n cheats of all kinds.
func (b *table) rivals(n int, random *rand.Rand) {
	span := uint64(1) << b.Levels[0].bound()
	for i := range n {
		from := 1 + random.Uint64N(span)
		wrong := root(1000 + uint64(i))
		record := False(mix, b.me.Record, from, wrong)
		switch random.IntN(3) {
		case 0:
			record = Detour(mix, b.me.Record, from, from+1+random.Uint64N(span), wrong)
		case 1:
			record = False(mix, b.me.Record, span-random.Uint64N(3), wrong)
		}
		p := Cheat(rogue, cached(record))
		switch random.IntN(6) {
		case 0:
			p = Silent(p, random.IntN(b.Levels[0].Height+1))
		case 1:
			p = Lying(rogue, cached(record), []byte("lie"))
		case 2:
			p = Delaying(p, random.Uint64N(3))
		case 3:
			p = Replaying(p, func() []Action { return b.log }, random.IntN)
		case 4:
			p = Random([]Player{p, Lying(rogue, cached(record), valid)}, random.IntN)
		}
		b.rogues = append(b.rogues, p)
	}
}

func TestRandomGames(t *testing.T) {
	games := 150
	if deep {
		games = 5000
	}
	var moved, refuted, refused, longest int
	for seed := range games {
		random := rand.New(rand.NewPCG(uint64(seed), 7))
		heights := [][]int{{1}, {3}, {6}, {10}, {63}, {2, 2}, {4, 5}, {20, 10}, {1, 2, 3}, {3, 1, 2}}[random.IntN(10)]
		allowances := make([]uint64, len(heights))
		bound := 0
		for i := range heights {
			allowances[i] = 8 + random.Uint64N(40)
			bound += heights[i]
		}
		y := newToy(random.Uint64N(min(uint64(1)<<bound, 900) + 2))
		b := newTable(t, y, params(random.Uint64N(4), heights, allowances))
		b.lag = random.Uint64N(b.Grace + 1)
		b.rivals(random.IntN(12), random)
		b.play(random)
		moved, refuted, refused, longest = moved+b.moves, refuted+b.sent[Refute], refused+b.refused, max(longest, int(b.now))
	}
	t.Logf("%d games, %d honest moves, %d refuted without a match, %d transactions refused, %d s at most", games, moved, refuted, refused, longest)
}

// TestMoves compares the honest player's moves with the formula, for up to 64 claims which all play to the end.
func TestMoves(t *testing.T) {
	for _, heights := range [][]int{{12}, {5, 6}} {
		for _, claims := range []int{1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64} {
			y := newToy(900)
			b := newTable(t, y, params(5, heights, []uint64{1000, 300}[:len(heights)]))
			b.me.Revealed = nil
			for i := range claims - 1 {
				from := 1 + uint64(i)*971%(1<<b.Levels[0].bound())
				b.rogues = append(b.rogues, Lying(rogue, cached(False(mix, b.me.Record, from, root(1001+2*uint64(i)))), valid))
			}
			b.play(rand.New(rand.NewPCG(1, uint64(claims))))
			in := largest(b.Task)
			if len(heights) == 1 && claims&(claims-1) == 0 && b.moves != OwnMoves(b.Levels, in) {
				t.Errorf("%d honest moves against %d claims that play to the end, not %d", b.moves, claims, OwnMoves(b.Levels, in))
			}
			t.Logf("heights %v, claims %v: %d honest moves, at most %d; %d s, at most %d", heights, in, b.moves,
				OwnMoves(b.Levels, in), b.now, Delay(b.Levels, b.Grace, in))
		}
	}
}

// TestDelays lets all rivals move at the last moment.
func TestDelays(t *testing.T) {
	for _, claims := range []int{1, 2, 3, 5, 8, 13} {
		y := newToy(10)
		b := newTable(t, y, params(2, []int{4}, []uint64{50}))
		for i := range claims - 1 {
			record := cached(False(mix, b.me.Record, 1+uint64(i), root(1001+2*uint64(i))))
			b.rogues = append(b.rogues, Delaying(Cheat(rogue, record), uint64(i%2)))
		}
		b.play(rand.New(rand.NewPCG(3, uint64(claims))))
		t.Logf("%d claims: %d s, at most %d", claims, b.now, Delay(b.Levels, b.Grace, largest(b.Task)))
	}
}
