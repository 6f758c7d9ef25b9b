package dispute

import "testing"

// sealed brings two claims of unprovable steps into a sealed match; side 1 has waited some seconds for its first move.
func sealed(t *testing.T, waited uint64) *table {
	y := newToy(10)
	b := newTable(t, y, params(2, []int{2}, []uint64{20}))
	for _, wrong := range []uint64{3001, 3003} {
		b.rogues = append(b.rogues, Cheat(rogue, cached(False(mix, b.me.Record, 2, root(wrong)))))
	}
	for i, wait := range []uint64{0, 0, 0, waited} {
		b.now += wait
		for _, a := range b.rogues[i%2].Next(b.Task, b.now).Actions {
			if err := b.send(rogue, a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if b.Matches[0].Phase != Sealed {
		t.Fatal("the match is not sealed")
	}
	return b
}

func TestTimeoutOfSealed(t *testing.T) {
	for _, c := range []struct {
		waited uint64
		out    [2]bool
		left   uint64
	}{
		{0, [2]bool{true, true}, 0},
		{2, [2]bool{true, true}, 0}, // the grace
		{5, [2]bool{false, true}, 2},
		{20, [2]bool{false, true}, 17},
	} {
		b := sealed(t, c.waited)
		b.now = b.Expires(0)
		if err := b.send(honest, Action{Kind: Timeout}); err == nil {
			t.Errorf("after %d s a time-out is accepted in the last second of a clock", c.waited)
		}
		b.now++
		if err := b.send(honest, Action{Kind: Timeout}); err != nil {
			t.Error(err)
		}
		for i, out := range c.out {
			if b.Claims[i].Out != out {
				t.Errorf("after %d s claim %d is out: %v", c.waited, i, b.Claims[i].Out)
			}
			if !out && b.Claims[i].Clock != c.left {
				t.Errorf("after %d s the clock of claim %d is %d, want %d", c.waited, i, b.Claims[i].Clock, c.left)
			}
		}
	}
}

// TestTimeoutInTime checks the last second of a turn.
func TestTimeoutInTime(t *testing.T) {
	y := newToy(10)
	b := newTable(t, y, params(2, []int{2}, []uint64{20}))
	for i, wrong := range []uint64{3001, 3003} {
		b.now = uint64(7 * i)
		b.send(rogue, Cheat(rogue, False(mix, b.me.Record, 2, root(wrong))).Next(b.Task, b.now).Actions[0])
	}
	move := Cheat(rogue, False(mix, b.me.Record, 2, root(3001))).Next(b.Task, b.now).Actions[0]
	b.now = 7 + 2 + 20
	if b.send(honest, Action{Kind: Timeout}) == nil {
		t.Error("a time-out is accepted in the last second")
	}
	late := *b
	late.Task = b.clone()
	if err := b.send(rogue, move); err != nil {
		t.Error(err)
	}
	if b.Claims[0].Clock != 0 || b.Claims[1].Clock != 13 {
		t.Errorf("the clocks are %d and %d, want 0 and 13", b.Claims[0].Clock, b.Claims[1].Clock)
	}
	late.now++
	if late.send(rogue, move) == nil {
		t.Error("a move is accepted out of time")
	}
	if err := late.send(honest, Action{Kind: Timeout}); err != nil || !late.Claims[0].Out || late.Claims[1].Out {
		t.Error("the side that is out of time is not out", err)
	}
}

// TestPrize checks who gets what: the winner's poster at most one bond of others, the movers their gas, Burnt the rest.
func TestPrize(t *testing.T) {
	for rivals := range 5 {
		y := newToy(10)
		b := newTable(t, y, params(2, []int{3}, []uint64{20}))
		b.honest()
		for i := range uint64(rivals) {
			join := Cheat(rogue, False(mix, b.me.Record, 1+i, root(3000+2*i))).Next(b.Task, b.now).Actions[0]
			if err := b.send(rogue, join); err != nil {
				t.Fatal(err)
			}
		}
		for ; !b.Tournaments[0].Finished; b.now++ {
			b.honest()
		}
		b.honest()
		bond := b.Levels[0].Bond
		prize := Coins(0)
		if rivals > 0 {
			prize = b.got - bond
		}
		if rivals == 0 && b.got != bond {
			t.Errorf("alone the player gets %d for a bond of %d", b.got, bond)
		}
		if most := bond + Coins(b.sent[Move]+b.sent[Seal]+b.sent[Timeout])*b.Caps[Seal]; prize > most {
			t.Errorf("against %d the player gets %d, more than a bond and its gas, %d", rivals, prize, most)
		}
		if total := b.got + b.Credits[Burnt]; total != b.In {
			t.Errorf("of %d there are %d", b.In, total)
		}
		if rivals > 2 && b.Credits[Burnt] == 0 {
			t.Errorf("against %d nothing is burnt", rivals)
		}
	}
}

// TestExactProofRefund checks that a copied proof is not paid, but a late one is.
func TestExactProofRefund(t *testing.T) {
	for _, c := range []struct {
		from Account
		wait uint64
		want Coins
	}{{rogue, 0, caps[Prove]}, {Account{66}, 0, 0}, {Account{66}, 6, 0}, {Account{66}, 7, caps[Prove]}} {
		y := newToy(10)
		b := newTable(t, y, params(2, []int{2}, []uint64{20}))
		for range 3 {
			for _, record := range []func(Place) *Record{b.me.Record, False(mix, b.me.Record, 2, root(3001))} {
				for _, a := range Cheat(rogue, record).Next(b.Task, 0).Actions {
					b.send(rogue, a)
				}
			}
		}
		b.now = c.wait
		before := b.Credits[c.from]
		if err := b.send(c.from, Action{Kind: Prove, Witness: valid}); err != nil {
			t.Fatal(err)
		}
		got := b.Credits[c.from] - before
		if c.from == rogue {
			got -= caps[Move] + caps[Seal] // what its moves are owed comes with the end
		}
		if got != c.want {
			t.Errorf("%x gets %d for a proof after %d s, want %d", c.from[:1], got, c.wait, c.want)
		}
	}
}

// TestInnerAdmits checks that an inner tournament is only about the two results of its match.
func TestInnerAdmits(t *testing.T) {
	y := newToy(10)
	b := newTable(t, y, params(2, []int{2, 2}, []uint64{20, 20}))
	wrong := func(root Hash) func(Place) *Record { return False(mix, b.me.Record, 6, root) }
	rival := Cheat(rogue, wrong(root(3001)))
	for len(b.Tournaments) < 2 {
		b.honest()
		for _, a := range rival.Next(b.Task, b.now).Actions {
			if err := b.send(rogue, a); err != nil {
				t.Fatal(err)
			}
		}
	}
	h := wrong(root(3003))(place(b.Task, 1)).History
	left, right := h.Children(2, 0)
	third := Action{Kind: Join, Tournament: 1, Left: left, Right: right, Root: h.Final(), Proof: h.Proof(3)}
	if b.send(rogue, third) == nil {
		t.Error("a third result is admitted")
	}
	if err := b.send(rogue, rival.Next(b.Task, b.now).Actions[0]); err != nil {
		t.Error(err)
	}
}
