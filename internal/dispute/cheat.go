package dispute

import "slices"

// A Player says what it wants to do now. A Strategy is one; the functions here make those who lose.
type Player interface {
	Next(t *Task, now uint64) Plan
}

// A PlayerFunc is a Player.
type PlayerFunc func(t *Task, now uint64) Plan

// Next calls f.
func (f PlayerFunc) Next(t *Task, now uint64) Plan { return f(t, now) }

// False returns the records of who claims that the task's machine has root wrong after from steps and ever after; if that is
// behind the machine's end, it is a wrong padding. Of machines that steps are delegated to it has the honest records.
func False(pair Hasher, honest func(Place) *Record, from uint64, wrong Hash) func(Place) *Record {
	return func(p Place) *Record {
		steps := uint64(1) << p.Log2Stride
		switch end := p.Start + steps<<p.Height; {
		case len(p.Outer) > 0 || from > end:
			return honest(p)
		case from <= p.Start:
			h, err := NewHistory(pair, p.Height, []Hash{wrong})
			if err != nil {
				return nil
			}
			return &Record{History: h}
		}
		r := honest(p)
		if r == nil {
			return nil
		}
		// Leaf j is the root after step Start + (j+1)·steps.
		h, err := r.History.Deviate((from-p.Start-1)>>p.Log2Stride, []Hash{wrong})
		if err != nil {
			return nil
		}
		return &Record{History: h}
	}
}

// Detour returns the records of who claims root wrong after step from, but the honest roots again after step to: so the
// result of the whole may be right.
func Detour(pair Hasher, honest func(Place) *Record, from, to uint64, wrong Hash) func(Place) *Record {
	astray := False(pair, honest, from, wrong)
	return func(p Place) *Record {
		h := honest(p)
		if h == nil || to <= p.Start {
			return h
		}
		r, first := astray(p), (to-p.Start-1)>>p.Log2Stride
		if r == nil || len(p.Outer) > 0 || first>>p.Height != 0 {
			return r
		}
		rest := []Hash{h.History.Leaf(first)}
		for i := first + 1; i>>p.Height == 0 && rest[len(rest)-1] != h.History.Final(); i++ {
			rest = append(rest, h.History.Leaf(i))
		}
		d, err := r.History.Deviate(first, rest)
		if err != nil {
			return r
		}
		return &Record{History: d}
	}
}

// Cheat plays for false records. It leaves to others what only brings the task to its end.
func Cheat(account Account, record func(Place) *Record) Player {
	s := &Strategy{Account: account, Record: record, Witness: func(Place, uint64) *Witness { return nil }}
	return only(s, func(_ *Task, a Action) bool { return a.Kind != Advance && a.Kind != Finish && a.Kind != Refute })
}

// Lying is a Cheat that sends an invalid proof where it needs one.
func Lying(account Account, record func(Place) *Record, proof []byte) Player {
	return &Strategy{Account: account, Record: record, Witness: func(Place, uint64) *Witness { return &Witness{Proof: proof} }}
}

// Silent does not move any more in matches that are down to a height.
func Silent(p Player, height int) Player {
	return only(p, func(t *Task, a Action) bool {
		return a.Kind != Move && a.Kind != Seal && a.Kind != Prove || t.Matches[a.Match].Height > height
	})
}

// Delaying does what has a deadline at most margin seconds before it, and what has none not at all.
func Delaying(p Player, margin uint64) Player {
	return PlayerFunc(func(t *Task, now uint64) Plan {
		return only(p, func(_ *Task, a Action) bool { return a.Deadline > 0 && now+margin >= a.Deadline }).Next(t, now)
	})
}

// Replaying does what its player does, and now and then what somebody did before. seen returns all actions so far, and
// pick a number below its argument.
func Replaying(p Player, seen func() []Action, pick func(int) int) Player {
	return PlayerFunc(func(t *Task, now uint64) Plan {
		plan := p.Next(t, now)
		if old := seen(); len(old) > 0 {
			a := old[pick(len(old))]
			a.Why = "Somebody did this before."
			plan.Actions = append(plan.Actions, a)
		}
		return plan
	})
}

// Random does any of what its players want, or nothing; sometimes with a hash or a number changed.
func Random(players []Player, pick func(int) int) Player {
	return PlayerFunc(func(t *Task, now uint64) Plan {
		plan := players[pick(len(players))].Next(t, now)
		plan.Actions = slices.DeleteFunc(plan.Actions, func(Action) bool { return pick(3) == 0 })
		if len(plan.Actions) > 0 && pick(4) == 0 {
			a := &plan.Actions[pick(len(plan.Actions))]
			switch pick(4) {
			case 0:
				a.Left[pick(32)] ^= 1
			case 1:
				a.ChildRight[pick(32)] ^= 1
			case 2:
				a.Root[pick(32)] ^= 1
			case 3:
				a.Kind = Kind(pick(int(kinds)))
			}
		}
		return plan
	})
}

// only leaves of a player's actions those that do.
func only(p Player, does func(*Task, Action) bool) Player {
	return PlayerFunc(func(t *Task, now uint64) Plan {
		plan := p.Next(t, now)
		plan.Actions = slices.DeleteFunc(plan.Actions, func(a Action) bool { return !does(t, a) })
		return plan
	})
}
