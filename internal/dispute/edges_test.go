package dispute

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestEdges plays two levels of 2^5 and 2^4 strides against each cheat that there is at an edge, with and without those
// that would time it out.
func TestEdges(t *testing.T) {
	const span = 512
	ends := map[string]uint64{
		"at step 0": 0, "after one step": 1, "within a stride": 100, "at a stride's end": 96, "one before the span": span - 1,
		"at the span": span, "never": span + 1000,
	}
	for name, end := range ends {
		wrongs := map[string][]func(record func(Place) *Record) func(Place) *Record{
			"first step":                  {falseFrom(1)},
			"last step of the span":       {falseFrom(span)},
			"step that ends the machine":  {falseFrom(max(1, min(end, span)))},
			"fixed point after the end":   {falseFrom(min(end+1, span))},
			"padding far behind":          {falseFrom(span - 5)},
			"on the way only":             {detour(min(end, span)/2, span/2+3)},
			"first step only":             {detour(1, 2)},
			"two wrong in one step":       {falseFrom(77), falseFrom(77)},
			"two wrong in other places":   {falseFrom(77), falseFrom(300), detour(5, 9)},
			"differ only in padding":      {falseFrom(span), falseFrom(span - 1), falseFrom(min(end+1, span))},
			"four wrong from the start":   {falseFrom(1), falseFrom(1), falseFrom(1), falseFrom(1)},
			"one stride, to its boundary": {detour(32, 48)},
		}
		for what, kinds := range wrongs {
			t.Run("ends "+name+", wrong: "+what, func(t *testing.T) {
				for _, even := range []uint64{0, 1} {
					y := newToy(end)
					b := newTable(t, y, params(2, []int{5, 4}, []uint64{60, 40}))
					for i, kind := range kinds {
						record := kind(b.me.Record)
						b.rogues = append(b.rogues, Cheat(rogue, cached(func(p Place) *Record {
							return replaced(record(p), root(3000), root(3000+2*uint64(i)+even))
						})))
					}
					b.play(rand.New(rand.NewPCG(1, even)))
				}
			})
		}
	}
}

func falseFrom(step uint64) func(func(Place) *Record) func(Place) *Record {
	return func(record func(Place) *Record) func(Place) *Record { return False(mix, record, step, root(3000)) }
}

func detour(from, to uint64) func(func(Place) *Record) func(Place) *Record {
	return func(record func(Place) *Record) func(Place) *Record {
		return Detour(mix, record, max(1, from), max(2, to), root(3000))
	}
}

// replaced puts one root in another's place.
func replaced(r *Record, old, by Hash) *Record {
	h := r.History
	leaves := make([]Hash, 1<<h.Height())
	for i := range leaves {
		if leaves[i] = h.Leaf(uint64(i)); leaves[i] == old {
			leaves[i] = by
		}
	}
	return mustRecord(h.Height(), leaves)
}

// TestForeignPoster lets somebody else post the honest claim, and then play against it.
func TestForeignPoster(t *testing.T) {
	y := newToy(100)
	b := newTable(t, y, params(3, []int{4, 4}, []uint64{200, 100}))
	b.rogues = []Player{
		only(Cheat(rogue, b.me.Record), func(_ *Task, a Action) bool { return a.Kind == Join }),
		Cheat(rogue, cached(False(mix, b.me.Record, 40, root(3001)))),
		Cheat(rogue, cached(False(mix, b.me.Record, 90, root(3003)))),
	}
	b.play(rand.New(rand.NewPCG(1, 1)))
	bonds := Coins(0)
	for i, c := range b.Claims {
		if c.Poster == honest {
			bonds += b.LevelOf(c.Tournament).Bond
			if c.Tournament == 0 {
				t.Errorf("the honest player has paid for claim %d, which was there", i)
			}
		}
	}
	if b.got < bonds+4*b.Caps[Move] {
		t.Errorf("the helper got %d back, for bonds of %d and its moves", b.got, bonds)
	}
}

// TestRefusals sends what the contract must refuse.
func TestRefusals(t *testing.T) {
	y := newToy(10)
	b := newTable(t, y, params(1, []int{2}, []uint64{20}))
	join := b.me.Next(b.Task, 0).Actions[0]
	wrong := False(mix, b.me.Record, 3, root(3001))
	rival := Cheat(rogue, wrong).Next(b.Task, 0).Actions[0]
	refused := func(what string, a Action) {
		t.Helper()
		if b.send(rogue, a) == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	with := func(a Action, change func(*Action)) Action {
		a.Proof = slices.Clone(a.Proof)
		change(&a)
		return a
	}
	refused("a claim without proof of its end", with(join, func(a *Action) { a.Proof[0][0] ^= 1 }))
	refused("a claim with a short proof", with(join, func(a *Action) { a.Proof = a.Proof[:1] }))
	refused("a claim with another end", with(join, func(a *Action) { a.Root = root(1) }))
	refused("the end of a tournament that admits claims", Action{Kind: Finish})
	refused("an advance", Action{Kind: Advance})
	if err := b.rules.Join(b.Task, Tx{Value: 1}, 0, join.Left, join.Right, join.Root, join.Proof, nil); err == nil {
		t.Error("a claim without the bond is accepted")
	}
	for _, a := range []Action{join, rival} {
		if err := b.send(rogue, a); err != nil {
			t.Fatal(err)
		}
		refused("the same claim again", a)
	}
	b.Claims[0].Poster = honest
	refused("a time-out in time", Action{Kind: Timeout})
	refused("a proof before the seal", Action{Kind: Prove, Witness: valid})
	move := b.me.Next(b.Task, 0).Actions[0]
	refused("a seal before its time", with(move, func(a *Action) { a.Kind = Seal }))
	refused("a move of other nodes", with(move, func(a *Action) { a.Left[5] ^= 1 }))
	refused("a move of other children", with(move, func(a *Action) { a.ChildLeft[5] ^= 1 }))
	if err := b.send(honest, move); err != nil {
		t.Fatal(err)
	}
	refused("a move out of turn", move)
	seal := Cheat(rogue, wrong).Next(b.Task, 0).Actions[0]
	refused("a seal of other leaves", with(seal, func(a *Action) { a.Left[5] ^= 1 }))
	refused("a seal with another agreed root", with(seal, func(a *Action) { a.Root[5] ^= 1 }))
	refused("a seal with another proof of the agreed root", with(seal, func(a *Action) { a.Proof[1][5] ^= 1 }))
	refused("a seal without proof of the agreed root", with(seal, func(a *Action) { a.Proof = nil }))
	b.now = 1 + 1 + 20
	refused("a move out of time", Cheat(rogue, wrong).Next(b.Task, 1).Actions[0])
	refused("a refutation without an execution", Action{Kind: Refute, Claim: 1, Post: root(3001)})
	refused("a withdrawal of nothing", Action{Kind: Withdraw, Account: Account{77}})
	if err := b.send(honest, b.me.Next(b.Task, b.now).Actions[0]); err != nil || b.Claims[1].Out != true {
		t.Error("the rival is not timed out", err)
	}
}

// TestStrategyWaits checks that what is not there yet is asked for, and that a wrong history is noticed.
func TestStrategyWaits(t *testing.T) {
	y := newToy(10)
	b := newTable(t, y, params(1, []int{2}, []uint64{20}))
	have := b.me.Record
	b.me.Record = func(Place) *Record { return nil }
	if plan := b.me.Next(b.Task, 0); len(plan.Actions) != 0 || len(plan.Needs) != 1 || plan.Needs[0].Deadline != 19 {
		t.Errorf("without a history the plan is %+v", plan)
	}
	b.me.Record = have
	loads := []Loading{{"piece 0", true}, {"piece 1", false}}
	b.me.Witness = func(Place, uint64) *Witness { return nil }
	b.rogues = []Player{Cheat(rogue, False(mix, have, 2, root(3001)))}
	for b.Matches == nil || b.Matches[0].Phase != Sealed {
		for _, a := range b.rogues[0].Next(b.Task, b.now).Actions {
			b.send(rogue, a)
		}
		b.honest()
	}
	if plan := b.me.Next(b.Task, 0); len(plan.Actions) != 0 || len(plan.Needs) != 1 || !plan.Needs[0].Step || plan.Needs[0].Position != 1 {
		t.Errorf("without a witness the plan is %+v", plan)
	}
	b.me.Witness = func(Place, uint64) *Witness { return &Witness{valid, loads} }
	if plan := b.me.Next(b.Task, 0); len(plan.Actions) != 1 || plan.Actions[0].Kind != Load || plan.Actions[0].Load != 1 {
		t.Errorf("without a pre-image the plan is %+v", plan)
	}
	loads[1].Done = true
	if plan := b.me.Next(b.Task, 0); len(plan.Actions) != 1 || plan.Actions[0].Kind != Prove {
		t.Errorf("with everything the plan is %+v", plan)
	}
}

// delegating makes the toy's steps runs of another machine: step n runs from root 10^6·(n+1) on for span steps, and root
// 3000+k is closed to itself.
func (y *toy) delegating(log2Bound int) {
	first := func(pre Hash) Hash { return root(1_000_000 * (number(pre) + 1)) }
	span := uint64(1)<<log2Bound - 3
	y.rules.Opened = func(_ Account, _, pre Hash) (Delegation, error) {
		return Delegation{InitialRoot: first(pre), Verifier: Account{10}, Log2Bound: log2Bound}, nil
	}
	y.rules.Closed = func(_ Account, _, final Hash, proof []byte) (Hash, error) {
		n := number(final)
		switch {
		case string(proof) != string(valid):
			return Hash{}, errProof
		case n < 1_000_000:
			return final, nil
		case n%1_000_000 != span:
			return Hash{}, errors.New("the machine has not ended")
		}
		return y.after(root(n/1_000_000 - 1)), nil
	}
	y.rules.Transition = func(verifier Account, _, pre Hash, proof []byte) (Hash, error) {
		n := number(pre)
		if verifier != (Account{10}) || string(proof) != string(valid) || n < 1_000_000 {
			return Hash{}, errProof
		}
		return root(n/1_000_000*1_000_000 + min(n%1_000_000+1, span)), nil
	}
	y.delegated = func(p Place) *Record {
		zero := number(root(1_000_000 * (min(p.Outer[0], y.end) + 1)))
		stride := uint64(1) << p.Log2Stride
		var roots []Hash
		for i := range uint64(1) << p.Height {
			roots = append(roots, root(zero+min(p.Start+(i+1)*stride, span)))
		}
		r := mustRecord(p.Height, roots)
		r.Closing = valid
		return r
	}
}

// TestDelegation plays tasks whose steps are handed to another machine, which has one or two levels of its own.
func TestDelegation(t *testing.T) {
	for _, inner := range [][]int{{3}, {2, 3}} {
		for _, wrongInside := range []uint64{1, 4, 7} {
			for _, from := range []uint64{1, 13, 50, 64} {
				t.Run(fmt.Sprint(inner, wrongInside, from), func(t *testing.T) {
					y := newToy(50)
					p := params(2, append([]int{3, 3}, inner...), []uint64{60, 50, 40, 30}[:2+len(inner)])
					last := len(p.Levels) - 1
					bound := 0
					for i := last; i >= 0; i-- {
						if i == 1 {
							bound = 0
						}
						p.Levels[i].Log2Stride = bound
						bound += p.Levels[i].Height
					}
					y.delegating(p.Levels[2].bound())
					b := newTable(t, y, p)
					for k := range uint64(3) {
						wrong := root(3000 + k)
						record := False(mix, b.me.Record, from+k, wrong)
						b.rogues = append(b.rogues, Cheat(rogue, func(p Place) *Record {
							r := record(p)
							if len(p.Outer) == 0 {
								return r
							}
							first := uint64(0)
							if wrongInside > p.Start {
								first = (wrongInside - p.Start - 1) >> p.Log2Stride
							}
							h, err := r.History.Deviate(min(first, 1<<p.Height-1), []Hash{wrong})
							if err != nil {
								t.Fatal(err)
							}
							return &Record{History: h, Closing: valid}
						}))
					}
					b.play(rand.New(rand.NewPCG(1, from)))
					if b.sent[Prove] == 0 {
						t.Error("no step of the inner machine was proven")
					}
				})
			}
		}
	}
}
