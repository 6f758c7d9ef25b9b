package dispute

import (
	"fmt"
	"testing"
)

// A game is a size to be searched: the rogues' claims to the whole, as (first wrong leaf, wrong root, last root).
type game struct {
	heights    []int
	allowances []uint64
	grace      uint64
	end        uint64
	rogues     [][3]uint64
	late       bool
	sluggish   bool
	crowd      int
}

// right, as a wrong root, means the honest claim, and as a last root the honest one.
const right = 0

func (g game) String() string {
	return fmt.Sprintf("heights %v, allowances %v, grace %d, end %d, rogues %v, late %v, sluggish %v, %d in inner tournaments",
		g.heights, g.allowances, g.grace, g.end, g.rogues, g.late, g.sluggish, g.crowd)
}

func (g game) search(t *testing.T) {
	y := newToy(g.end)
	s := newSearch(t, y, params(g.grace, g.heights, g.allowances))
	s.late, s.sluggish, s.crowd = g.late, g.sluggish, g.crowd
	l := s.params.Levels[0]
	h := y.record(Place{Log2Stride: l.Log2Stride, Height: l.Height}).History
	for _, r := range g.rogues {
		final := root(r[2])
		if r[2] == right {
			final = h.Final()
		}
		if r[1] == right {
			s.top = append(s.top, &Record{History: h})
			continue
		}
		s.top = s.add(s.top, h, r[0], root(r[1]), final)
	}
	s.run()
	s.report(g.String())
}

// TestAllOrders plays all games of several claims. The wrong roots tell what can be proven: 1000 leads to itself, from
// 1001 on there is no proof.
func TestAllOrders(t *testing.T) {
	one, two, three := []int{1}, []int{2}, []int{3}
	games := []game{
		// One level: wrong at the same step, at others, in the last step, on the way only; and the honest claim itself.
		{one, []uint64{2}, 0, 1, [][3]uint64{{0, 1000, 1000}, {1, 1001, 1001}}, false, false, 0},
		{one, []uint64{2}, 1, 2, [][3]uint64{{0, 1000, 1000}, {1, 1001, 1001}, {0, 1002, right}}, false, false, 0},
		{two, []uint64{2}, 0, 3, [][3]uint64{{0, 1000, 1000}, {2, 1001, 1001}}, true, false, 0},
		{two, []uint64{2}, 1, 3, [][3]uint64{{0, 1000, 1000}, {2, right, right}}, false, false, 0},
		{two, []uint64{2}, 0, 2, [][3]uint64{{1, 1001, 1001}, {1, 1003, right}, {3, 1000, 1000}}, false, false, 0},
		{two, []uint64{2}, 1, 4, [][3]uint64{{2, 1001, 1001}, {2, 1003, 1003}}, false, true, 0},
		{three, []uint64{1}, 0, 6, [][3]uint64{{0, 1001, 1001}, {3, 1000, 1000}, {7, 1003, 1003}}, false, false, 0},
		// Two levels.
		{[]int{1, 1}, []uint64{2, 1}, 0, 3, [][3]uint64{{0, 1000, 1000}}, false, false, 2},
		{[]int{1, 1}, []uint64{2, 2}, 1, 4, [][3]uint64{{1, 1001, 1001}}, true, false, 1},
		{[]int{1, 1}, []uint64{1, 1}, 0, 4, [][3]uint64{{0, 1001, 1001}, {1, 1000, 1000}}, false, false, 1},
		{[]int{2, 1}, []uint64{1, 1}, 0, 5, [][3]uint64{{1, 1001, 1001}}, false, false, 2},
		{[]int{1, 2}, []uint64{1, 1}, 0, 5, [][3]uint64{{1, 1001, 1001}}, false, false, 2},
		{[]int{2, 2}, []uint64{2, 2}, 1, 9, [][3]uint64{{2, 1001, 1001}}, false, true, 1},
	}
	if deep {
		games = append(games,
			game{two, []uint64{2}, 1, 2, [][3]uint64{{1, 1001, 1001}, {1, 1003, right}, {3, 1000, 1000}}, false, false, 0},
			game{two, []uint64{2}, 1, 2, [][3]uint64{{0, 1000, 1000}, {2, right, right}, {3, 1001, 1001}}, true, false, 0},
			game{three, []uint64{2}, 0, 8, [][3]uint64{{0, 1000, 1000}, {7, 1001, 1001}, {5, 1003, right}}, false, false, 0},
			game{three, []uint64{2}, 1, 0, [][3]uint64{{0, 1001, 1001}, {0, 1003, 1003}, {1, 1005, right}}, false, false, 0},
			game{[]int{1, 1}, []uint64{2, 1}, 0, 3, [][3]uint64{{0, 1000, 1000}}, false, false, 3},
			game{[]int{1, 1}, []uint64{2, 2}, 0, 4, [][3]uint64{{1, 1001, 1001}, {1, 1003, right}}, false, false, 1},
			game{[]int{2, 2}, []uint64{1, 1}, 0, 9, [][3]uint64{{2, 1001, 1001}}, false, false, 2},
			game{[]int{3, 1}, []uint64{1, 1}, 0, 12, [][3]uint64{{6, 1001, 1001}, {2, 1000, 1000}}, false, false, 1},
			game{[]int{1, 3}, []uint64{1, 1}, 0, 12, [][3]uint64{{1, 1001, 1001}}, false, false, 2},
		)
	}
	for _, g := range games {
		t.Run("", func(t *testing.T) { g.search(t) })
	}
}
