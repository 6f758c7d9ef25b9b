package lir

import (
	"math"
	"math/bits"

	"github.com/flexemu/flexemu/internal/ir"
)

// A Move brings a cell to another place, before an operation. Registers have numbers, as those of Place.
type Move struct {
	Kind MoveKind
	Cell ir.Cell
	Reg  int
	From int // Copy
}

// MoveKind says what a Move does.
type MoveKind uint8

// The kinds of moves.
const (
	Fill MoveKind = iota // Reg := the cell's memory; the cell is in Reg from now on
	Save                 // the cell's memory := Reg
	Copy                 // Reg := From; the cell is in Reg from now on
	Drop                 // the cell is in memory from now on
	Take                 // the operation puts the cell into Reg, where it is from now on
)

// A Plan says where a block's values are. Cells are where the region's map says at the beginning of the block and behind its
// last moves; in between they may be elsewhere.
type Plan struct {
	Place []int // of temporaries, as Place gives it
	Slots int
	moves []Move
	start []int // by operation, and for the end: its first move
}

// Before gives the moves before operation n; those before the block's end if there is no such operation.
func (p *Plan) Before(n int) []Move {
	if n+1 < len(p.start) {
		return p.moves[p.start[n]:p.start[n+1]]
	}
	return p.moves[p.start[n]:]
}

const (
	// planLeast is how many operations have to use cells without register for a block to be planned.
	planLeast = 6
	// tempWorth is what a register is worth for a temporary: it is read soon after it was written.
	tempWorth = 4
	nobody    = -1
)

// A holder is what a register holds: a cell, a temporary, or nothing.
type holder struct {
	cell ir.Cell // or noCell
	temp int32   // or nobody
}

const noCell = ir.Sink

// A use is an operation that reads or writes a cell.
type use struct {
	at          int
	read, write bool
}

// A planner gives registers to what is used next, for the time being: what is not used for longest goes to memory for that.
// See L. A. Belady, A study of replacement algorithms for a virtual-storage computer, 1966.
type planner struct {
	b     *Block
	plan  Plan
	regs  []holder
	at    [64]int // register of each cell, or nobody
	home  [64]int // by the region's map
	homes uint64  // set of the cells that have one
	stale uint64  // cells whose memory is older than their register
	uses  [64][]use
	next  [64]int // index of the first use that is not over
	last  []int   // use of each temporary
	pins  uint64  // registers that the operation uses
	now   int
}

// Plan makes a plan for a block of a region whose map is cells; the number of registers includes those, and slots is what
// Place gives. It gives nil where that wins nothing, or where the block has jumps inside.
func (p *Placer) Plan(b *Block, cells []ir.Cell, registers, slots int) *Plan {
	g := &p.planner
	var mapped uint64
	for _, c := range cells {
		mapped |= 1 << c
	}
	if !worthPlanning(b, mapped, slots) {
		return nil
	}
	g.homes = mapped
	g.begin(b, cells, registers)
	for n := range b.Ins {
		g.now = n
		g.plan.start = append(g.plan.start, len(g.plan.moves))
		g.operation(&b.Ins[n])
	}
	g.now = len(b.Ins)
	g.plan.start = append(g.plan.start, len(g.plan.moves))
	g.end()
	return &g.plan
}

// movable tells whether an operand is a cell that may be in a register.
func movable(o Operand, mapped uint64) bool {
	return o.Kind == Cell && (o.Cell.Register() || o.Cell < 64 && mapped>>o.Cell&1 != 0)
}

// worthPlanning tells whether a block may win by a plan, if it has that many slots without one.
func worthPlanning(b *Block, mapped uint64, slots int) bool {
	outside := 0
	for n := range b.Ins {
		i := &b.Ins[n]
		switch i.Op {
		case JumpIf, Jump, Label:
			return false
		}
		out := func(o Operand) bool { return movable(o, mapped) && mapped>>o.Cell&1 == 0 }
		if out(i.A) || out(i.B) || out(i.D) {
			outside++
		}
	}
	return outside >= planLeast || slots > 0
}

func (g *planner) begin(b *Block, cells []ir.Cell, registers int) {
	g.b = b
	g.plan = Plan{Place: g.plan.Place[:0], moves: g.plan.moves[:0], start: g.plan.start[:0]}
	g.regs, g.last, g.stale, g.pins = g.regs[:0], g.last[:0], 0, 0
	for range registers {
		g.regs = append(g.regs, holder{noCell, nobody})
	}
	for c := range g.at {
		g.at[c], g.home[c], g.uses[c], g.next[c] = nobody, nobody, g.uses[c][:0], 0
	}
	for n, c := range cells {
		g.at[c], g.home[c], g.regs[n].cell = n, n, c
		g.stale |= 1 << c
	}
	for range b.Temps {
		g.plan.Place, g.last = append(g.plan.Place, nobody), append(g.last, 0)
	}
	note := func(at int, write bool) func(Operand) {
		return func(o Operand) {
			switch {
			case o.Kind == Temp:
				g.last[o.Temp] = at
			case movable(o, g.homes):
				list := &g.uses[o.Cell]
				if n := len(*list); n == 0 || (*list)[n-1].at != at {
					*list = append(*list, use{at: at})
				}
				u := &(*list)[len(*list)-1]
				u.read, u.write = u.read || !write, u.write || write
			}
		}
	}
	for n := range b.Ins {
		i := &b.Ins[n]
		b.Reads(i, note(n, false))
		note(n, true)(i.D)
		note(n, true)(i.E)
	}
	end := note(len(b.Ins), false)
	end(b.Term.Target)
	end(b.Term.Test.A)
	end(b.Term.Test.B)
}

func (g *planner) move(m Move) { g.plan.moves = append(g.plan.moves, m) }

// after gives the uses of a cell from operation n on.
func (g *planner) after(c ir.Cell, n int) []use {
	list := g.uses[c]
	k := g.next[c]
	for k < len(list) && list[k].at < n {
		k++
	}
	if n == g.now {
		g.next[c] = k
	}
	return list[k:]
}

// operation finds the places for one operation.
func (g *planner) operation(i *Ins) {
	g.pins = 0
	g.b.Reads(i, func(o Operand) {
		switch {
		case o.Kind == Temp:
			g.pin(g.plan.Place[o.Temp])
		case movable(o, g.homes):
			g.pin(g.at[o.Cell])
		}
	})
	g.b.Reads(i, func(o Operand) {
		if movable(o, g.homes) && g.at[o.Cell] == nobody {
			if r := g.win(o.Cell, 0); r != nobody {
				g.move(Move{Kind: Fill, Cell: o.Cell, Reg: r})
				g.hold(o.Cell, r)
			}
		}
	})
	for _, d := range [2]Operand{i.D, i.E} {
		switch {
		case d.Kind == Temp:
			g.temporary(d.Temp)
		case movable(d, g.homes):
			g.written(d.Cell)
		}
	}
	for r := range g.regs {
		h := &g.regs[r]
		if h.temp != nobody && g.last[h.temp] <= g.now {
			h.temp = nobody
		}
	}
}

func (g *planner) pin(r int) {
	if r >= 0 && r < Spilled {
		g.pins |= 1 << r
	}
}

func (g *planner) hold(c ir.Cell, r int) {
	g.at[c], g.regs[r].cell = r, c
	g.pin(r)
}

// written places a cell that the operation writes.
func (g *planner) written(c ir.Cell) {
	if g.at[c] == nobody {
		if u := g.after(c, g.now); len(u) > 0 && u[0].read {
			return // it is in memory, and stays there
		}
		r := g.win(c, 1)
		if r == nobody {
			return
		}
		g.move(Move{Kind: Take, Cell: c, Reg: r})
		g.hold(c, r)
	}
	g.pin(g.at[c])
	g.stale |= 1 << c
}

// temporary places a temporary that the operation writes.
func (g *planner) temporary(t int32) {
	if p := g.plan.Place[t]; p != nobody {
		g.pin(p)
		return
	}
	// One that the block's end reads must not be where a cell has to be by then.
	outlives := g.last[t] == len(g.b.Ins)
	r, _, cost := g.victim(outlives)
	if r == nobody || cost >= tempWorth {
		g.plan.Place[t] = Spilled + g.plan.Slots
		g.plan.Slots++
		return
	}
	g.evict(r)
	g.plan.Place[t], g.regs[r].temp = r, t
	g.pin(r)
}

// win gives a register for a cell that is in memory, if it is worth more there than what has to leave it. extra is what is
// won by the present operation.
func (g *planner) win(c ir.Cell, extra int) int {
	if h := g.home[c]; h != nobody && g.regs[h] == (holder{noCell, nobody}) && g.pins>>h&1 == 0 {
		return h
	}
	r, need, cost := g.victim(false)
	if r == nobody {
		return nobody
	}
	worth := extra
	for _, u := range g.after(c, g.now+1) {
		if u.at >= need {
			break
		}
		worth++
		if u.write && !u.read {
			break // another value
		}
	}
	if g.home[c] != nobody {
		worth++ // it comes back in any case
	}
	if worth <= cost {
		return nobody
	}
	g.evict(r)
	return r
}

// victim gives the register whose value is not needed for longest, when that is, and what it costs to do without it.
func (g *planner) victim(homeless bool) (r, need, cost int) {
	r, need = nobody, -1
	for n, h := range g.regs {
		if g.pins>>n&1 != 0 || h.temp != nobody || homeless && g.isHome(n) {
			continue
		}
		at, c := math.MaxInt, 0
		if h.cell != noCell {
			at, c = g.needed(h.cell)
		} else if g.isHome(n) {
			at = len(g.b.Ins) // rather one that is nobody's home
		}
		if at > need || at == need && c < cost {
			r, need, cost = n, at, c
		}
	}
	return r, need, cost
}

func (g *planner) isHome(r int) bool {
	for set := g.homes; set != 0; set &= set - 1 {
		if g.home[bits.TrailingZeros64(set)] == r {
			return true
		}
	}
	return false
}

// needed tells when the value of a cell in a register is needed next, and what it costs to have it in memory then.
func (g *planner) needed(c ir.Cell) (at, cost int) {
	at = math.MaxInt
	if g.home[c] != nobody {
		at, cost = len(g.b.Ins), 1
		if g.stale>>c&1 != 0 {
			cost++
		}
	}
	if u := g.after(c, g.now+1); len(u) > 0 {
		at = u[0].at
		if g.home[c] == nobody {
			cost = 1
			if g.stale>>c&1 != 0 {
				cost++
			}
		}
	}
	return at, cost
}

// evict empties a register.
func (g *planner) evict(r int) {
	c := g.regs[r].cell
	if c == noCell {
		return
	}
	if g.stale>>c&1 != 0 {
		g.move(Move{Kind: Save, Cell: c, Reg: r})
		g.stale &^= 1 << c
	}
	g.move(Move{Kind: Drop, Cell: c})
	g.at[c], g.regs[r].cell = nobody, noCell
}

// end brings all cells to where the map says.
func (g *planner) end() {
	for r, h := range g.regs {
		if c := h.cell; c != noCell && g.home[c] == nobody && g.stale>>c&1 != 0 {
			g.move(Move{Kind: Save, Cell: c, Reg: r})
			g.stale &^= 1 << c
		}
	}
	away := func(c ir.Cell) bool {
		return c != noCell && g.home[c] != nobody && g.at[c] != nobody && g.at[c] != g.home[c]
	}
	for again := true; again; {
		again = false
		for r := range g.regs {
			c := g.regs[r].cell
			if !away(c) || away(g.regs[g.home[c]].cell) {
				continue
			}
			g.evict(g.home[c])
			g.move(Move{Kind: Copy, Cell: c, Reg: g.home[c], From: r})
			g.regs[r].cell = noCell
			g.hold(c, g.home[c])
			again = true
		}
	}
	for r := range g.regs {
		if away(g.regs[r].cell) { // they wait for each other
			g.evict(r)
		}
	}
	for c := range ir.Cell(64) {
		if h := g.home[c]; h != nobody && g.at[c] == nobody {
			g.evict(h)
			g.move(Move{Kind: Fill, Cell: c, Reg: h})
			g.hold(c, h)
		}
	}
}
