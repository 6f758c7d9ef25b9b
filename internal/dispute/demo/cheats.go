package demo

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/dispute"
)

// A cheat is a kind of cheater.
type cheat struct {
	name string
	// from chooses the first step whose root is false, given the number of steps, the bound, and a number that differs
	// from cheater to cheater.
	from func(steps, bound, n uint64) uint64
	// bend changes what a cheater would do if it were honest about its history.
	bend func(a *actor, p *dispute.Plan)
	// force sends also what will fail, and parrot also what others have sent.
	force, parrot bool
}

// cheats are the kinds, in the order in which cheaters are taken.
var cheats = []cheat{
	{name: "wrong output", from: somewhere, bend: proofless},
	{name: "wrong padding", from: behind, bend: proofless},
	{name: "silent", from: somewhere, bend: silent},
	{name: "invalid proofs", from: somewhere, bend: insists, force: true},
	{name: "parrot", from: somewhere, bend: proofless, parrot: true},
	{name: "wrong first step", from: func(_, _, _ uint64) uint64 { return 1 }, bend: proofless},
	{name: "wrong exit", from: func(steps, _, _ uint64) uint64 { return steps }, bend: proofless},
	{name: "wrong last leaf", from: func(_, bound, _ uint64) uint64 { return bound }, bend: proofless},
}

// somewhere is all over the run.
func somewhere(steps, _, n uint64) uint64 {
	const golden = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio: multiples are spread evenly
	return 1 + uint64(float64(steps-1)*float64((n+1)*golden>>11)/(1<<53))
}

// behind is after the program's end.
func behind(steps, bound, n uint64) uint64 { return steps + somewhere(bound-steps, 0, n) }

// proofless never proves: it would only lose.
func proofless(_ *actor, p *dispute.Plan) {
	drop(p, func(a dispute.Action) bool { return a.Kind == dispute.Prove })
}

// silent says nothing more after some moves.
func silent(c *actor, p *dispute.Plan) {
	drop(p, func(a dispute.Action) bool { return c.sent > 3 || a.Kind == dispute.Prove })
}

// insists sends proofs that are none, some times.
func insists(c *actor, p *dispute.Plan) {
	drop(p, func(a dispute.Action) bool {
		if a.Kind == dispute.Prove {
			c.proofs++
		}
		return a.Kind == dispute.Prove && c.proofs > 3
	})
}

func drop(p *dispute.Plan, out func(dispute.Action) bool) {
	var kept []dispute.Action
	for _, a := range p.Actions {
		if !out(a) {
			kept = append(kept, a)
		}
	}
	p.Actions = kept
}

// kinds names n cheaters.
func kinds(n int) (names []string, of []cheat) {
	for i := range n {
		c := cheats[i%len(cheats)]
		name := c.name
		if i >= len(cheats) {
			name = fmt.Sprintf("%s %d", name, i/len(cheats)+1)
		}
		names, of = append(names, name), append(of, c)
	}
	return names, of
}
