package dispute

import "testing"

// A bracket is a tournament with allowances of one unit: clocks are 0 or 1. For each round it has the matches by how much
// is left on both clocks, and the clock of who waits, plus one.
type bracket struct {
	rounds [8]struct {
		matches [3]int8
		waiting int8
	}
	open bool
}

func (b *bracket) enter(round int, clock int8) {
	r := &b.rounds[round]
	if r.waiting == 0 {
		r.waiting = clock + 1
		return
	}
	r.matches[clock+r.waiting-1]++
	r.waiting = 0
}

// over promotes who waits in vain, and tells whether at most one claim is left.
func (b *bracket) over() bool {
	for !b.open {
		claims, first := 0, -1
		for k, r := range b.rounds {
			n := 2 * int(r.matches[0]+r.matches[1]+r.matches[2])
			if r.waiting > 0 {
				n++
			}
			if claims += n; n > 0 && first < 0 {
				first = k
			}
		}
		if claims <= 1 {
			return true // None is left if the last ones were refuted.
		}
		r := &b.rounds[first]
		if r.matches != [3]int8{} {
			return false
		}
		clock := r.waiting - 1
		r.waiting = 0
		b.enter(first+1, clock)
	}
	return false
}

// longest returns the units of time that a tournament can take, whatever order its matches end in.
func (b bracket) longest(known map[bracket]int) int {
	if b.over() {
		return 0
	}
	if units, ok := known[b]; ok {
		return units
	}
	units := 0
	for k := range b.rounds {
		if b.rounds[k].waiting > 0 {
			refuted := b
			refuted.rounds[k].waiting = 0
			units = max(units, refuted.longest(known))
		}
		for left := range int8(3) {
			if b.rounds[k].matches[left] == 0 {
				continue
			}
			ended := b
			ended.rounds[k].matches[left]--
			units = max(units, ended.longest(known))
			for clock := left / 2; clock <= min(left, 1); clock++ {
				won := ended
				won.enter(k+1, clock)
				units = max(units, won.longest(known))
			}
		}
	}
	later, runs := b, b.open
	for k := range later.rounds {
		m := &later.rounds[k].matches
		if m[0] > 0 {
			known[b] = units
			return units
		}
		runs = runs || m[1]+m[2] > 0
		m[0], m[1], m[2] = m[1], m[2], 0
	}
	later.open = false
	if runs {
		units = max(units, 1+later.longest(known))
	}
	known[b] = units
	return units
}

// TestDelayBound compares the bound with all orders in which the matches of one level can go.
func TestDelayBound(t *testing.T) {
	most := uint64(40)
	if deep {
		most = 64
	}
	known := map[bracket]int{}
	for claims := uint64(1); claims <= most; claims++ {
		b := bracket{open: true}
		for range claims {
			b.enter(0, 1)
		}
		worst := uint64(b.longest(known))
		const unit = 1000
		bound := Delay([]Level{{Height: 1, Allowance: unit}}, 0, []uint64{claims}) / unit
		rounds := uint64(Rounds(claims))
		if worst > bound || worst < rounds+1 {
			t.Errorf("%d claims can take %d allowances, the bound is %d", claims, worst, bound)
		}
		if claims&(claims-1) == 0 {
			t.Logf("%d claims can take %d allowances, the bound is %d", claims, worst, bound)
		}
	}
}

// TestPath checks the closed form of the longest path through the rounds: see Delay.
func TestPath(t *testing.T) {
	const most = 5000
	// more[1][n] and more[0][n] are the claims still to come after a match in a round that up to n come to, if that match
	// began with a promotion, or not.
	var more [2][most + 1]uint64
	for n := 3; n <= most; n++ {
		won, promoted := (n+1)/2, (n-1)/2
		more[1][n] = 1 + more[0][won]
		more[0][n] = more[1][n]
		if promoted >= 2 {
			more[0][n] = max(more[0][n], 2+more[1][promoted])
		}
		r := uint64(Rounds(uint64(n)))
		if path, bound := 2+more[0][n], r+1+(r-1)/2; path > bound {
			t.Errorf("a path among %d claims can have %d of them, more than %d", n, path, bound)
		}
	}
}

func TestParamsAreChecked(t *testing.T) {
	good := params(1, []int{3, 4}, []uint64{5, 5})
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Params){
		"no level":         func(p *Params) { p.Levels = nil },
		"nine levels":      func(p *Params) { p.Levels = make([]Level, 9) },
		"a gap":            func(p *Params) { p.Levels[0].Log2Stride = 5 },
		"a last stride":    func(p *Params) { p.Levels = p.Levels[:1] },
		"no height":        func(p *Params) { p.Levels[1].Height, p.Levels[0].Log2Stride = 0, 0 },
		"too many steps":   func(p *Params) { p.Levels[0].Height = 60 },
		"no allowance":     func(p *Params) { p.Levels[1].Allowance = 0 },
		"too small a bond": func(p *Params) { p.Levels[1].Bond = p.LeastBond(1) - 1 },
	} {
		p := params(1, []int{3, 4}, []uint64{5, 5})
		change(&p)
		if p.Check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
