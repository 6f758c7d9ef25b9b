package dispute

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"testing"
)

// The toy machine counts: its root after n steps is root(n), until it ends. Roots from 1000 on are none of its own; an
// even one of them leads to itself, an odd one to nothing that could be proven.
type toy struct {
	rules Rules
	end   uint64
	// delegated returns the histories of machines that steps are handed to.
	delegated func(Place) *Record
}

func number(h Hash) (n uint64) {
	for _, b := range h[24:] {
		n = n<<8 | uint64(b)
	}
	return n
}

var errProof = errors.New("the proof is not of this root")

var valid = []byte("valid")

func newToy(end uint64) *toy {
	y := &toy{end: end}
	y.rules = Rules{Pair: mix, Transition: func(_ Account, _, pre Hash, proof []byte) (Hash, error) {
		n := number(pre)
		if string(proof) != string(valid) || n >= 1000 && n%2 == 1 {
			return Hash{}, errProof
		}
		return y.after(pre), nil
	}}
	return y
}

func (y *toy) after(pre Hash) Hash {
	if n := number(pre); n < y.end {
		return root(n + 1)
	}
	return pre
}

// record returns the machine's own history at a place.
func (y *toy) record(p Place) *Record {
	if len(p.Outer) > 0 {
		return y.delegated(p)
	}
	stride := uint64(1) << p.Log2Stride
	n := uint64(1)
	if p.Start < y.end {
		n = min(1<<p.Height, (y.end-p.Start+stride-1)/stride)
	}
	roots := make([]Hash, n)
	for i := range roots {
		roots[i] = root(min(y.end, p.Start+uint64(i+1)*stride))
	}
	return mustRecord(p.Height, roots)
}

func mustRecord(height int, roots []Hash) *Record {
	h, err := NewHistory(mix, height, roots)
	if err != nil {
		panic(err)
	}
	return &Record{History: h}
}

func witness(Place, uint64) *Witness { return &Witness{Proof: valid} }

// cached computes each history once.
func cached(record func(Place) *Record) func(Place) *Record {
	type key struct {
		level  int
		start  uint64
		root   Hash
		nested string
	}
	known := map[key]*Record{}
	return func(p Place) *Record {
		k := key{p.Level, p.Start, p.InitialRoot, fmt.Sprint(p.Outer)}
		r, ok := known[k]
		if !ok {
			r = record(p)
			known[k] = r
		}
		return r
	}
}

var (
	honest = Account{1}
	rogue  = Account{2}
)

var caps = [kinds]Coins{Move: 3, Seal: 4, Prove: 10, Timeout: 2, Refute: 5, Finish: 6}

// params has levels of these heights and allowances, the last of which has stride 1.
func params(grace uint64, heights []int, allowances []uint64) Params {
	p := Params{InitialRoot: root(0), Verifier: Account{9}, Grace: grace, Caps: caps, Levels: make([]Level, len(heights))}
	stride := 0
	for i := len(heights) - 1; i >= 0; i-- {
		p.Levels[i] = Level{Log2Stride: stride, Height: heights[i], Allowance: allowances[i]}
		p.Levels[i].Bond = p.LeastBond(i) + Coins(i) + 1
		stride += heights[i]
	}
	return p
}

func (t *Task) clone() *Task {
	c := *t
	c.Tournaments = slices.Clone(t.Tournaments)
	for i := range c.Tournaments {
		c.Tournaments[i].Rounds = slices.Clone(t.Tournaments[i].Rounds)
	}
	c.Claims, c.Matches = slices.Clone(t.Claims), slices.Clone(t.Matches)
	c.Executed, c.Credits = maps.Clone(t.Executed), maps.Clone(t.Credits)
	return &c
}

var seed = maphash.MakeSeed()

// fingerprint tells states apart.
func (t *Task) fingerprint(more ...uint64) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, u := range t.Tournaments {
		maphash.WriteComparable(&h, [8]int{u.Drained, u.Alive, u.Joined, int(u.Pot), u.Winner, int(u.OpenedAt), u.Parent, u.Level})
		maphash.WriteComparable(&h, u.Finished)
		for _, r := range u.Rounds {
			maphash.WriteComparable(&h, r)
		}
	}
	for _, c := range t.Claims {
		maphash.WriteComparable(&h, c)
	}
	for _, m := range t.Matches {
		maphash.WriteComparable(&h, m)
	}
	executed := uint64(0)
	for e, post := range t.Executed {
		executed ^= maphash.Comparable(seed, [2]Hash{e.Pre, post})
	}
	for account, coins := range t.Credits {
		executed ^= maphash.Comparable(seed, account) * (2*uint64(coins) + 1)
	}
	maphash.WriteComparable(&h, executed)
	for _, m := range more {
		maphash.WriteComparable(&h, m)
	}
	return h.Sum64()
}

// checkMoney fails if the task's money is not where it should be.
func checkMoney(t *testing.T, task *Task) {
	t.Helper()
	held := task.In - task.Out
	if held > 1<<60 {
		t.Fatalf("more went out than came in: %d of %d", task.Out, task.In)
	}
	var owed Coins
	for _, c := range task.Credits {
		owed += c
	}
	for i, u := range task.Tournaments {
		if !u.Finished {
			owed += u.Pot + Coins(u.Alive)*task.LevelOf(i).Bond
		}
	}
	for _, m := range task.Matches {
		if m.Phase != Ended {
			owed -= m.Refunded
		}
	}
	if owed != held {
		t.Fatalf("the task holds %d and owes %d", held, owed)
	}
}
