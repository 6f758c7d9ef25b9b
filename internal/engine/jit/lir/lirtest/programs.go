package lirtest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// A generator makes random worlds.
type generator struct {
	*rand.Rand
	world   *world
	pcs     []uint64 // of blocks, and some others
	sites   uint64   // number of them
	r       *lir.Region
	b       *lir.Block
	written []int32 // temporaries of the block that may be read
	labels  int32
}

// Cells with a purpose; the others hold any numbers.
var (
	pointers = []ir.Cell{1, 2, 3, 4, 5, 6} // hold addresses, mostly those of the segment of their index
	targets  = []ir.Cell{7, 8}             // hold pcs
	// whole are cells that have 64 bits for all guests, and are never in registers.
	whole = []ir.Cell{ir.ReservationStatus, ir.ReservationAddress, ir.ReservationOwner, ir.Heap, ir.ThreadID, 64, 65, 66, 255}
)

// half tells whether a cell has 32 bits in a narrow region.
func half(c ir.Cell) bool { return c < 32 || c == ir.Lo || c == ir.Hi }

// any gives an element of a list.
func pick[T any](g *rand.Rand, list []T) T { return list[g.IntN(len(list))] }

// one tells, once in n times, that something is to be done.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

// number gives one of those that make a difference more often than most.
func (g *generator) number() uint64 {
	switch v := g.Uint64(); g.IntN(10) {
	case 0:
		return v % 70
	case 1:
		return -(v % 70)
	case 2:
		return 1 << (v % 64)
	case 3:
		return 1<<(v%64) - 1
	case 4:
		return v
	case 5:
		return uint64(uint32(v))
	case 6:
		return uint64(int32(v))
	case 7:
		return v%0x3000 - 0x1800
	case 8:
		return 0
	}
	return pick(g.Rand, []uint64{
		1 << 31, 1<<31 - 1, 1 << 32, 1<<32 - 1, 1 << 63, 1<<63 - 1, 0xffff_ffff_8000_0000, 0xffff_ffff_0000_0000,
		0xfff, 0x1000, 0xfff000, 0x1000000, 0xff, 0xffff, 0x00ff00ff00ff00ff, 0xf0f0_f0f0, 0x0123_4567_89ab_cdef,
	})
}

// address gives one in the segment of that index, most of the time far from the ends of anything.
func (g *generator) address(segment int) uint64 {
	list := g.world.segments()
	page := pick(g.Rand, plainPages)
	offset := 64 + g.Uint64N(pageSize-128)
	if g.one(6) {
		page = pick(g.Rand, arena)
	}
	switch {
	case g.one(6):
		offset = (g.Uint64N(32) - 16) % pageSize
	case g.one(2):
		offset &^= 7
	}
	return list[segment%len(list)].first + page<<pageBits + offset
}

// start makes a state.
func (g *generator) start() *start {
	s := &start{states: map[uint64]byte{}, budget: int64(g.IntN(400)), misses: pick(g.Rand, []uint32{0, 1, 1000, 1000})}
	if g.one(8) {
		s.budget += 10_000
	}
	for c := range s.cells {
		s.cells[c] = g.number()
	}
	for n, c := range pointers {
		s.cells[c] = g.address(n)
	}
	for _, c := range targets {
		s.cells[c] = pick(g.Rand, g.pcs)
	}
	if g.world.narrow {
		for c := range ir.Cell(64) {
			if half(c) && g.one(2) {
				s.cells[c] = s.cells[c]&0xffff_ffff | g.Uint64()<<32
			}
		}
	}
	for _, x := range g.world.segments() {
		for _, page := range arena {
			state := byte(lir.Plain)
			if g.one(8) {
				state = 0
			}
			s.states[x.first>>pageBits+page] = state
		}
	}
	s.cells[ir.ReservationStatus] = g.Uint64N(3)
	if s.marked = g.one(2); s.marked {
		s.reserved = g.address(g.IntN(len(segments)))
		s.cells[ir.ReservationAddress] = s.reserved
		s.states[s.reserved>>pageBits] |= lir.Reserved
	}
	return s
}

// programs is a world of whole regions, which jump to and fro.
func (g *generator) programs() *world {
	w := g.world
	w.align = pick(g.Rand, []uint64{2, 4})
	for range 2 + g.IntN(12) {
		g.pc()
	}
	for range 1 + g.IntN(3) {
		w.regions = append(w.regions, g.region())
	}
	if g.one(2) {
		g.warm()
	}
	g.connect()
	return w
}

// warm makes regions that go over to each other without moving anything, if their maps are the same.
func (g *generator) warm() {
	for n, r := range g.world.regions {
		w := g.world
		number := uint32(70_000 * n)
		if n > 0 && g.one(2) {
			r.Mapped, number = w.regions[n-1].Mapped, w.maps[n-1]
		}
		w.maps = append(w.maps, number)
		for _, c := range r.Mapped {
			r.Dirty[c] = true
		}
	}
}

// pc makes a new one.
func (g *generator) pc() uint64 {
	for {
		base := pick(g.Rand, []uint64{0, 0x1_0000, 0x7fff_ff00, 0x8000_0000, 0xffff_f000, 0x40_1234_0000, 0xffff_ffff_8000_0000})
		if pc := g.world.wrap(base+g.Uint64N(256)*16) &^ (g.world.align - 1); !slices.Contains(g.pcs, pc) {
			g.pcs = append(g.pcs, pc)
			return pc
		}
	}
}

// wrap cuts an address.
func (w *world) wrap(v uint64) uint64 {
	if w.narrow {
		return uint64(uint32(v))
	}
	return v
}

func (g *generator) region() *lir.Region {
	w := g.world
	g.r = &lir.Region{Narrow: w.narrow, Delay: w.delay, Align: w.align, Dirty: map[ir.Cell]bool{}}
	blocks := 1 + g.IntN(6)
	if g.one(40) {
		blocks = 120 // some hosts' branches do not reach that far
	}
	for n := range blocks {
		b := &lir.Block{PC: g.pc(), Steps: 1 + int32(g.IntN(8))}
		if g.one(20) {
			b.Steps = 5000
		}
		b.Next = w.wrap(b.PC + 4)
		if b.Inner = w.delay && n > 0 && g.one(4); b.Inner {
			b.Next = g.pc()
		}
		g.r.Blocks = append(g.r.Blocks, b)
	}
	for _, b := range g.r.Blocks {
		g.begin(b)
		g.list(3+g.IntN(20), 2)
		g.term()
		b.Labels = g.labels
	}
	g.mapCells(g.IntN(35))
	return g.r
}

func (g *generator) begin(b *lir.Block) { g.b, g.written, g.labels = b, nil, 0 }

// mapCells finishes a region: it says which cells are written, and maps so many at most.
func (g *generator) mapCells(most int) {
	var cells []ir.Cell
	note := func(o lir.Operand) {
		if o.Kind == lir.Cell && half(o.Cell) && !slices.Contains(cells, o.Cell) {
			cells = append(cells, o.Cell)
		}
	}
	for _, b := range g.r.Blocks {
		for n := range b.Ins {
			i := &b.Ins[n]
			b.Reads(i, note)
			for _, d := range [2]lir.Operand{i.D, i.E} {
				note(d)
				if d.Kind == lir.Cell {
					g.r.Dirty[d.Cell] = true
				}
			}
		}
		note(b.Term.Target)
		note(b.Term.Test.A)
		note(b.Term.Test.B)
	}
	g.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
	g.r.Mapped = cells[:min(most, len(cells))]
}

// connect decides where the edges of all regions lead that leave them, and what the table of jumps holds.
func (g *generator) connect() {
	w := g.world
	var entries []place
	for r, region := range w.regions {
		for b, block := range region.Blocks {
			if !block.Inner {
				entries = append(entries, place{r, b})
			}
		}
	}
	w.links, w.jumps = map[lir.Edge]place{}, map[uint64]jump{}
	for _, r := range w.regions {
		for _, b := range r.Blocks {
			for _, e := range [2]lir.Edge{b.Term.To, b.Term.Else} {
				if e.Block == lir.Outside && g.one(2) {
					w.links[e] = pick(g.Rand, entries)
				}
			}
		}
	}
	for _, pc := range g.pcs {
		if g.one(2) {
			w.jumps[w.index(pc)] = jump{pc, pick(g.Rand, entries), g.one(3)}
		}
	}
}

// wide is the width of a guest's registers.
func (g *generator) wide() lir.Width {
	if g.world.narrow {
		return lir.W32
	}
	return lir.W64
}

func (g *generator) width() lir.Width { return lir.Width(g.IntN(2)) }

// cell gives one of which that width may be read.
func (g *generator) cell(w lir.Width) ir.Cell {
	if g.one(5) || w == lir.W64 && g.world.narrow {
		return pick(g.Rand, whole)
	}
	if c := ir.Cell(g.IntN(34)); c >= 32 {
		return c - 32 + ir.Lo
	} else {
		return c
	}
}

// operand gives a value of which that width may be read.
func (g *generator) operand(w lir.Width) lir.Operand {
	switch {
	case g.one(4):
		return lir.Const(g.number())
	case len(g.written) > 0 && g.one(2):
		return lir.TempOf(pick(g.Rand, g.written))
	}
	return lir.CellOf(g.cell(w))
}

// register is an operand that is no constant most of the time.
func (g *generator) register(w lir.Width) lir.Operand {
	o := g.operand(w)
	if o.Kind == lir.Imm && !g.one(8) {
		return lir.CellOf(g.cell(w))
	}
	return o
}

func (g *generator) test() lir.Test {
	w := g.width()
	return lir.Test{Cond: lir.Cond(g.IntN(6)), W: w, A: g.register(w), B: g.operand(w)}
}

// seldom is a test that does not hold, most of the time.
func (g *generator) seldom() lir.Test {
	t := g.test()
	t.Cond = lir.EQ
	return t
}

// dest gives a place for a result; those of temporaries are noted by emit.
func (g *generator) dest() lir.Operand {
	switch {
	case len(g.written) > 0 && g.one(6):
		return lir.TempOf(pick(g.Rand, g.written))
	case g.one(3):
		g.b.Temps++
		return lir.TempOf(g.b.Temps - 1)
	}
	for {
		c := g.cell(lir.W32)
		if !slices.Contains(pointers, c) && !slices.Contains(targets, c) {
			return lir.CellOf(c)
		}
	}
}

func (g *generator) emit(i lir.Ins) {
	g.b.Ins = append(g.b.Ins, i)
	for _, d := range [2]lir.Operand{i.D, i.E} {
		if d.Kind == lir.Temp && !slices.Contains(g.written, d.Temp) {
			g.written = append(g.written, d.Temp)
		}
	}
}

// site makes one, of an access or not, with a next pc of any kind.
func (g *generator) site(access bool) int32 {
	g.sites++
	s := lir.Site{PC: g.sites << 4, Left: int32(g.IntN(9)), Access: access}
	if g.world.delay {
		switch g.IntN(4) {
		case 0:
			s.Next = lir.Next{Kind: lir.NextConst, PC: g.number()}
		case 1:
			s.Next = lir.Next{Kind: lir.NextTest, PC: pick(g.Rand, g.pcs), Else: g.world.wrap(g.number()), Test: g.test()}
		case 2:
			s.Next = lir.Next{Kind: lir.NextValue, Reg: g.operand(g.wide())}
		}
	}
	g.b.Sites = append(g.b.Sites, s)
	return int32(len(g.b.Sites) - 1)
}

// list emits some operations. Conditions may be in them, so deep.
func (g *generator) list(n, deep int) {
	for range n {
		switch k := g.IntN(100); {
		case k < 55:
			g.emit(g.operation())
		case k < 70:
			g.access()
		case k < 74:
			g.emit(lir.Ins{Op: lir.ExitIf, Test: g.seldom(), Site: g.site(false)})
		case k < 78:
			p := lir.CellOf(pick(g.Rand, pointers))
			g.emit(lir.Ins{Op: lir.Add, W: g.wide(), D: p, A: p, B: lir.Const(g.Uint64N(64) - 32)})
		case k < 80:
			g.reserve()
		case k < 82:
			n := g.IntN(len(pointers))
			g.guarded(pointers[n], segments[n%len(g.world.segments())].number)
		case k < 84:
			g.emit(lir.Ins{Op: lir.Mov, D: lir.CellOf(pick(g.Rand, targets)), A: lir.Const(pick(g.Rand, g.pcs))})
		case k < 90 && deep > 0:
			g.condition(1+g.IntN(5), deep-1)
		default:
			g.emit(g.operation())
		}
	}
}

// condition emits one or two alternatives. What they write first does not count behind them.
func (g *generator) condition(n, deep int) {
	past := g.labels
	g.labels++
	before := slices.Clone(g.written)
	g.emit(lir.Ins{Op: lir.JumpIf, Test: g.test(), Label: past})
	g.list(n, deep)
	if g.one(2) {
		end := g.labels
		g.labels++
		g.emit(lir.Ins{Op: lir.Jump, Label: end})
		g.emit(lir.Ins{Op: lir.Label, Label: past})
		g.written = slices.Clone(before)
		g.list(n, deep)
		past = end
	}
	g.emit(lir.Ins{Op: lir.Label, Label: past})
	g.written = before
}

// term ends a block.
func (g *generator) term() {
	switch g.IntN(4) {
	case 0:
		g.b.Term = lir.Term{Kind: lir.Goto, To: g.edge()}
	case 1:
		target := lir.CellOf(pick(g.Rand, targets))
		if g.one(4) {
			target = g.operand(g.wide())
		}
		t := lir.Term{Kind: lir.Indirect, Target: target}
		for n, b := range g.r.Blocks {
			if !b.Inner && g.one(2) {
				t.Guesses = append(t.Guesses, lir.Edge{PC: b.PC, Next: b.Next, Block: int32(n)})
			}
		}
		g.b.Term = t
	default:
		g.b.Term = lir.Term{Kind: lir.Branch, Test: g.test(), To: g.edge(), Else: g.edge()}
	}
}

func (g *generator) edge() lir.Edge {
	if g.one(4) {
		e := lir.Edge{PC: pick(g.Rand, g.pcs), Block: lir.Outside}
		e.Next = g.world.wrap(e.PC + 4)
		if g.one(4) {
			e.Next = pick(g.Rand, g.pcs)
		}
		return e
	}
	n := g.IntN(len(g.r.Blocks))
	return lir.Edge{PC: g.r.Blocks[n].PC, Next: g.r.Blocks[n].Next, Block: int32(n)}
}

// programs tests whole regions.
func (h *harness) programs(t *testing.T) {
	h.seen = map[uint64]int{}
	eachSeed(t, scaled(400, 100), func(t *testing.T, g *generator) {
		w := g.programs()
		var starts []*start
		for n, b := range w.regions[0].Blocks {
			for range 6 {
				if !b.Inner {
					s := g.start()
					s.block = n
					starts = append(starts, s)
				}
			}
		}
		h.check(t, w, starts)
	})
	for _, kind := range []uint64{lir.LeftSite, lir.LeftEdge, lir.LeftJump, lir.LeftBudget} {
		if h.seen[kind] < 100 {
			t.Errorf("the tests are too much alike: %v", h.seen)
		}
	}
}
