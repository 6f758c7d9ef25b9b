package lirtest

import (
	"slices"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// wideOnly are the operations that have no form of 32 bits.
func wideOnly(op lir.Op) bool { return op == lir.MulHighU || op == lir.MulHighS || op == lir.MulHighSU }

// reads32 tells whether an operation reads no more than 32 bits of A, whatever its width is.
func reads32(op lir.Op) bool { return op >= lir.Sext8 && op <= lir.Zext32 }

// operation makes one that has results, and depends on values only.
func (g *generator) operation() lir.Ins {
	i := lir.Ins{Op: lir.Op(g.IntN(int(lir.Bswap) + 1)), W: g.width(), D: g.dest()}
	if wideOnly(i.Op) || reads32(i.Op) || i.Op == lir.SetIf {
		i.W = lir.W64
	}
	i.Sign = i.W == lir.W32 && g.one(2)
	w := i.W
	if reads32(i.Op) {
		w = lir.W32
	}
	switch i.Op {
	case lir.SetIf:
		i.Test = g.test()
		return i
	case lir.Select:
		i.Test = g.test()
		i.A, i.B = g.operand(w), g.operand(w)
		return i
	case lir.DivU, lir.DivS:
		i.E = g.dest()
		switch {
		case i.E == i.D || g.one(3):
			i.E = lir.Operand{}
		case g.one(3):
			i.D = lir.Operand{}
		}
	}
	i.A = g.register(w)
	if binary2(i.Op) {
		i.B = g.operand(w)
		if i.Op == lir.Add && i.B.Kind != lir.Imm && g.one(2) {
			i.By = uint8(1 + g.IntN(3))
		}
	}
	return i
}

// A bench is a block with temporaries of which the first have registers and the last have none, on any host.
const benchTemps = 40

// Cells of benches: operands come from inputs, and results are kept in the outputs.
const (
	inputs  = ir.Cell(70)
	outputs = ir.Cell(90)
)

// Operands of benches, whose block has the first of these in registers.
var (
	inRegisters = []ir.Cell{9, 10, 11, ir.Lo}
	inMemory    = []ir.Cell{20, 21, 22, ir.Hi}
	nowhere     = []ir.Cell{ir.Heap, 67, 68}
)

func (g *generator) bench(b *lir.Block) {
	g.begin(b)
	b.Temps = benchTemps
	for t := range int32(benchTemps) {
		g.emit(lir.Ins{Op: lir.Mov, D: lir.TempOf(t), A: lir.CellOf(inputs + ir.Cell(t%16))})
	}
}

// finish keeps all temporaries alive, and shows which of them have changed.
func (g *generator) finish() {
	for t := range int32(benchTemps) {
		g.emit(lir.Ins{Op: lir.Xor, D: lir.CellOf(outputs + ir.Cell(t)), A: lir.TempOf(t), B: lir.CellOf(outputs + ir.Cell(t))})
	}
	g.b.Term = lir.Term{Kind: lir.Goto, To: outside(g.b)}
}

// benchOperand gives one of few places of all kinds, or a constant.
func (g *generator) benchOperand(w lir.Width) lir.Operand {
	cells := w == lir.W32 || !g.world.narrow
	switch k := g.IntN(6); {
	case k == 0:
		return lir.Const(g.number())
	case k == 1:
		return lir.TempOf(int32(g.IntN(3)))
	case k == 2:
		return lir.TempOf(benchTemps - 1 - int32(g.IntN(3)))
	case k == 3 && cells:
		return lir.CellOf(pick(g.Rand, inRegisters))
	case k == 4 && cells:
		return lir.CellOf(pick(g.Rand, inMemory))
	}
	return lir.CellOf(pick(g.Rand, nowhere))
}

func (g *generator) benchDest() lir.Operand {
	for {
		if o := g.benchOperand(lir.W32); o.Kind != lir.Imm {
			return o
		}
	}
}

// benchOperation is operation with other operands: first they get new values, and results are added up.
func (g *generator) benchOperation() {
	i := g.operation()
	again := func(o *lir.Operand, w lir.Width) {
		if o.Kind == lir.None {
			return
		}
		*o = g.benchOperand(w)
		if o.Kind == lir.Imm {
			return
		}
		g.emit(lir.Ins{Op: lir.Mov, D: *o, A: lir.CellOf(inputs + ir.Cell(g.IntN(16)))})
	}
	w := i.W
	if reads32(i.Op) {
		w = lir.W32
	}
	again(&i.A, w)
	again(&i.B, w)
	again(&i.Test.A, i.Test.W)
	again(&i.Test.B, i.Test.W)
	if b := i.Test.B; (b.Kind == lir.Cell || b.Kind == lir.Temp) && g.one(4) { // they are the same
		g.emit(lir.Ins{Op: lir.Mov, W: i.Test.W, D: b, A: i.Test.A})
	}
	if i.Op == lir.SetIf && g.one(2) {
		g.benchJump(i.Test)
		return
	}
	if i.Op >= lir.Shl && i.Op <= lir.RotL && g.one(4) {
		i.B = lir.Const(pick(g.Rand, []uint64{0, 1, 31, 32, 33, 63, 64}))
	}
	g.benchResults(&i)
	g.emit(i)
	for _, d := range [2]lir.Operand{i.D, i.E} {
		g.show(d)
	}
}

// benchResults chooses where an operation's results go, often in the place of an operand.
func (g *generator) benchResults(i *lir.Ins) {
	dest := func() lir.Operand {
		if o := pick(g.Rand, []lir.Operand{i.A, i.B, i.Test.A, i.Test.B}); o.Kind == lir.Cell || o.Kind == lir.Temp {
			return o
		}
		return g.benchDest()
	}
	for i.D.Kind != lir.None || i.E.Kind != lir.None {
		if i.D.Kind != lir.None {
			i.D = dest()
		}
		if i.E.Kind != lir.None {
			i.E = g.benchDest()
		}
		if i.D != i.E {
			return
		}
	}
}

// benchJump counts how often a test does not hold.
func (g *generator) benchJump(t lir.Test) {
	out := lir.CellOf(g.output())
	g.emit(lir.Ins{Op: lir.JumpIf, Test: t, Label: g.labels})
	g.emit(lir.Ins{Op: lir.Add, D: out, A: out, B: lir.Const(1)})
	g.emit(lir.Ins{Op: lir.Label, Label: g.labels})
	g.labels++
}

// output gives a cell for results that no temporary's is.
func (g *generator) output() ir.Cell { return outputs + benchTemps + 24 + ir.Cell(g.IntN(64)) }

// show mixes a result into an output.
func (g *generator) show(d lir.Operand) {
	if d.Kind == lir.None {
		return
	}
	out := lir.CellOf(g.output())
	w := lir.W64
	if d.Kind == lir.Cell && half(d.Cell) {
		w = g.wide()
	}
	g.emit(lir.Ins{Op: lir.RotR, D: out, A: out, B: lir.Const(5)})
	g.emit(lir.Ins{Op: lir.Add, W: w, D: out, A: out, B: d})
}

// benches is a world of one region of benches.
func (g *generator) benches(n int, fill func()) *world {
	w := g.world
	g.pc()
	g.r = &lir.Region{Narrow: w.narrow, Delay: w.delay, Align: w.align, Dirty: map[ir.Cell]bool{}}
	for range n {
		b := &lir.Block{PC: g.pc(), Steps: 1}
		b.Next = w.wrap(b.PC + 4)
		g.bench(b)
		fill()
		g.finish()
		b.Labels = g.labels
		g.r.Blocks = append(g.r.Blocks, b)
	}
	g.mapCells(0)
	g.r.Mapped = slices.Clone(inRegisters)
	if g.one(2) {
		g.r.Mapped = append(g.r.Mapped, pointers[0])
	}
	w.regions = []*lir.Region{g.r}
	return w
}

// operations tests each operation with operands of all kinds that are partly the same.
func (h *harness) operations(t *testing.T) {
	h.seen = map[uint64]int{}
	eachSeed(t, scaled(60, 15), func(t *testing.T, g *generator) {
		w := g.benches(1, func() {
			for range 60 {
				g.benchOperation()
			}
		})
		var starts []*start
		for range 12 {
			s := g.start()
			s.budget = 1
			starts = append(starts, s)
		}
		h.check(t, w, starts)
	})
}
