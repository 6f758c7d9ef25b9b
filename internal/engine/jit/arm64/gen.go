package arm64

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// The registers of generated code. X18, X28, X29 and SP are not touched, and X30 is only returned to.
const (
	context = X26
	budget  = X27
	// The bytes of segment 0, and the table of its page states: their offsets in the context fit into no load. Every
	// entry of a region computes them.
	low    = X25
	states = X24
	// Inside of one operation: the first two are for operands, and the first for a result.
	scratch0 = X0
	scratch1 = X1
	scratch2 = X2
	scratch3 = X16
	scratch4 = X17
)

// pool are the registers for cells and temporaries; the last ones are never given to cells.
var pool = [...]Reg{X3, X4, X5, X6, X7, X8, X9, X10, X11, X12, X13, X14, X15, X19, X20, X21, X22, X23}

// Registers is the number of cells that can be in registers.
const Registers = len(pool) - 4

// A generator compiles one region.
type generator struct {
	Asm
	r      *lir.Region
	h      lir.Host
	mapped [ir.NumCells]Reg // ZR: in memory
	cells  []ir.Cell        // that have registers, ascending
	blocks []Label
	cold   []func() // code that is rarely run, behind the rest
	leave  Label    // writes the registers back and returns; scratch0 tells why
	code   *lir.Code
	slots  []slot

	// The block that is being compiled.
	b     *lir.Block
	temps []operand
	marks []Label

	placer lir.Placer
}

// A slot has the places that a lir.Slot says, before the code is finished.
type slot struct{ cold, stub Label }

// An operand is where a value is.
type operand struct {
	kind opKind
	reg  Reg
	off  int64 // in the context
	imm  uint64
}

type opKind uint8

const (
	inReg opKind = iota
	inMem
	isImm
)

// Compile makes the code of a region.
func Compile(r *lir.Region, h lir.Host) (*lir.Code, error) {
	g := &generator{r: r, h: h, code: &lir.Code{Entries: make([]int, len(r.Blocks))}}
	for c := range g.mapped {
		g.mapped[c] = ZR
	}
	for n, c := range r.Mapped[:min(len(r.Mapped), Registers)] {
		g.mapped[c] = pool[n]
		g.cells = append(g.cells, c)
	}
	slices.Sort(g.cells)
	g.leave = g.NewLabel()
	for range r.Blocks {
		g.blocks = append(g.blocks, g.NewLabel())
	}
	order := r.Layout()
	for n, b := range order {
		next := -1
		if n+1 < len(order) {
			next = order[n+1]
		}
		if err := g.block(b, next); err != nil {
			return nil, err
		}
	}
	for len(g.cold) > 0 {
		cold := g.cold
		g.cold = nil
		for _, f := range cold {
			f()
		}
	}
	g.Bind(g.leave)
	g.writeBack()
	g.Ret()
	entries := g.entries()
	if err := g.Finish(); err != nil {
		return nil, fmt.Errorf("jit: %w", err)
	}
	for n, l := range entries {
		if g.code.Entries[n] = -1; !r.Blocks[n].Inner {
			g.code.Entries[n] = g.Offset(l)
		}
	}
	for _, l := range g.blocks {
		g.code.Warm = append(g.code.Warm, g.Offset(l))
	}
	for n, s := range g.slots {
		to := &g.code.Slots[n]
		to.Stub = g.Offset(s.stub)
		if h.Warm {
			to.Cold = g.Offset(s.cold)
		}
	}
	g.code.Bytes = g.Code()
	return g.code, nil
}

// entries makes the ways in from outside: they load the registers.
func (g *generator) entries() []Label {
	labels := make([]Label, len(g.r.Blocks))
	for n, b := range g.r.Blocks {
		labels[n] = g.NewLabel()
		if b.Inner {
			continue
		}
		g.Bind(labels[n])
		g.add(X, low, context, int64(g.h.Low))
		g.add(X, states, context, int64(g.h.States))
		g.eachCell(func(ir.Cell) bool { return true }, LDRW, LDRX, g.Ldp)
		g.B(g.blocks[n])
	}
	return labels
}

// word is the width of the guest's registers.
func (g *generator) word() Width {
	if g.r.Narrow {
		return W
	}
	return X
}

// writeBack stores the registers that the region changes.
func (g *generator) writeBack() {
	g.eachCell(func(c ir.Cell) bool { return g.r.Dirty[c] }, STRW, STRX, g.Stp)
}

// eachCell loads or stores some of the cells that have registers, two at a time if they are neighbours.
func (g *generator) eachCell(which func(ir.Cell) bool, narrow, wide Access, pair func(w Width, r1, r2, base Reg, off int64)) {
	for n := 0; n < len(g.cells); n++ {
		c := g.cells[n]
		off := int64(lir.CellAt(c))
		switch {
		case !which(c):
		case g.r.Narrow:
			g.Mem(narrow, g.mapped[c], context, off)
		case n+1 < len(g.cells) && g.cells[n+1] == c+1 && which(c+1) && FitsPair(X, off):
			pair(X, g.mapped[c], g.mapped[c+1], context, off)
			n++
		default:
			g.Mem(wide, g.mapped[c], context, off)
		}
	}
}

// later makes a label for code behind the blocks.
func (g *generator) later(f func()) Label {
	l := g.NewLabel()
	g.cold = append(g.cold, func() {
		g.Bind(l)
		f()
	})
	return l
}

func (g *generator) block(n, next int) error {
	b := g.r.Blocks[n]
	free := pool[len(g.cells):]
	place, slots := g.placer.Place(b, len(free))
	if slots > lir.MaxSpills {
		return fmt.Errorf("jit: the block at %#x needs %d slots for temporaries", b.PC, slots)
	}
	g.b, g.temps, g.marks = b, nil, nil // cold code keeps the former ones
	for _, p := range place {
		switch {
		case p >= lir.Spilled:
			g.temps = append(g.temps, operand{kind: inMem, off: lir.SpillAt + 8*int64(p-lir.Spilled)})
		case p >= 0:
			g.temps = append(g.temps, operand{kind: inReg, reg: free[p]})
		default:
			g.temps = append(g.temps, operand{kind: inReg, reg: scratch0}) // never used
		}
	}
	for range b.Labels {
		g.marks = append(g.marks, g.NewLabel())
	}
	firstSite := g.h.FirstSite + len(g.code.Sites)
	start := firstSite + len(b.Sites)
	g.code.Sites = append(append(g.code.Sites, b.Sites...), b.Start(g.r.Delay))

	g.Bind(g.blocks[n])
	g.count(b)
	g.BCond(MI, g.later(func() {
		g.MovImm(scratch0, lir.LeftBudget|uint64(start))
		g.B(g.leave)
	}))
	for n := range b.Ins {
		g.instruction(&b.Ins[n], firstSite)
	}
	g.end(next)
	return nil
}

// count subtracts a block's instructions from the budget, and sets the flags.
func (g *generator) count(b *lir.Block) {
	if steps := uint64(b.Steps); FitsImm(SUBS, X, steps) {
		g.RRI(SUBS, X, budget, budget, steps)
	} else {
		g.MovImm(scratch0, steps)
		g.RRR(SUBS, X, budget, budget, scratch0)
	}
}

// target gives the label of an edge; the code of those that leave the region is put behind the blocks.
func (g *generator) target(e lir.Edge) Label {
	if e.Block != lir.Outside {
		return g.blocks[e.Block]
	}
	return g.later(func() { g.out(e) })
}

// out leaves the region by an edge.
func (g *generator) out(e lir.Edge) {
	number := len(g.code.Slots) + g.h.FirstSlot
	s := slot{g.NewLabel(), g.NewLabel()}
	g.code.Slots = append(g.code.Slots, lir.Slot{Edge: e})
	g.slots = append(g.slots, s)
	by := func(table int) {
		g.MovImm(scratch3, uint64(table+8*number))
		g.MemReg(LDRX, scratch3, context, scratch3, UXTX, false)
		g.Br(scratch3)
	}
	if g.h.Warm {
		by(lir.WarmAt)
		g.Bind(s.cold)
	}
	g.writeBack()
	by(lir.SlotsAt)
	g.Bind(s.stub)
	g.MovImm(scratch0, uint64(lir.LeftEdge|number))
	g.Ret()
}

// end goes on where a block ends; next is the block that follows in the code.
func (g *generator) end(next int) {
	follows := func(e lir.Edge) bool { return e.Block != lir.Outside && int(e.Block) == next }
	to := g.b.Term.To
	switch t := &g.b.Term; t.Kind {
	case lir.Branch:
		other, test := t.Else, t.Test
		if follows(to) {
			to, other, test = other, to, test.Not()
		}
		g.branch(test, g.target(to))
		to = other
	case lir.Indirect:
		g.indirect(t)
		return
	}
	switch {
	case to.Block == lir.Outside:
		g.out(to)
	case !follows(to):
		g.B(g.blocks[to.Block])
	}
}

// indirect jumps to a pc that is known only now.
func (g *generator) indirect(t *lir.Term) {
	g.load(scratch0, g.operand(t.Target), g.word())
	for _, e := range t.Guesses {
		if FitsImm(SUBS, X, e.PC) {
			g.CmpImm(X, scratch0, e.PC)
		} else {
			g.MovImm(scratch1, e.PC)
			g.Cmp(X, scratch0, scratch1)
		}
		g.BCond(EQ, g.blocks[e.Block])
	}
	g.RRI(LSR, X, scratch3, scratch0, uint64(bits.TrailingZeros64(g.r.Align)))
	g.RRI(AND, X, scratch3, scratch3, lir.JumpEntries-1)
	if !g.h.Warm {
		g.indirectCold()
		return
	}
	cold := g.later(g.indirectCold)
	g.RRRShift(ADD, X, scratch4, context, scratch3, LSL, 5)
	g.add(X, scratch4, scratch4, lir.WarmJumpsAt)
	g.Ldp(X, scratch1, scratch2, scratch4, 0)
	g.Cmp(X, scratch0, scratch1)
	g.BCond(NE, cold)
	g.MovImm(scratch1, uint64(g.h.Map))
	g.Cmp(W, scratch2, scratch1)
	g.BCond(NE, cold)
	g.Mem(LDRX, scratch4, scratch4, 16)
	g.Br(scratch4)
}

// indirectCold writes the registers back and jumps to the pc in scratch0, whose index in the table is in scratch3.
func (g *generator) indirectCold() {
	g.writeBack()
	g.RRRShift(ADD, X, scratch3, context, scratch3, LSL, 4)
	g.add(X, scratch3, scratch3, lir.JumpsAt)
	g.Ldp(X, scratch1, scratch2, scratch3, 0)
	g.Cmp(X, scratch0, scratch1)
	miss := g.NewLabel()
	g.BCond(NE, miss)
	g.Br(scratch2)
	g.Bind(miss)
	g.Mem(STRX, scratch0, context, int64(lir.CellAt(ir.PC)))
	if g.r.Delay {
		g.RRI(ADD, g.word(), scratch0, scratch0, 4)
		g.Mem(STRX, scratch0, context, int64(lir.CellAt(ir.NextPC)))
	}
	g.MovImm(scratch0, lir.LeftJump)
	g.Ret()
}

// add appends rd := rn + n. rd is not rn if n fits into no instruction.
func (g *generator) add(w Width, rd, rn Reg, n int64) {
	if FitsImm(ADD, w, uint64(n)) {
		if n != 0 || rd != rn {
			g.RRI(ADD, w, rd, rn, uint64(n))
		}
		return
	}
	if rd == rn {
		panic("arm64: a sum needs another register")
	}
	g.MovImm(rd, uint64(n))
	g.RRR(ADD, w, rd, rn, rd)
}

// operand finds a value.
func (g *generator) operand(o lir.Operand) operand {
	switch o.Kind {
	case lir.Imm:
		return operand{kind: isImm, imm: o.Imm}
	case lir.Cell:
		if r := g.mapped[o.Cell]; r != ZR {
			return operand{kind: inReg, reg: r}
		}
		return operand{kind: inMem, off: int64(lir.CellAt(o.Cell))}
	case lir.Temp:
		return g.temps[o.Temp]
	}
	panic("arm64: an operation lacks an operand")
}

// number gives a register that holds a constant: r, or the zero register.
func (g *generator) number(v uint64, r Reg) Reg {
	if v == 0 {
		return ZR
	}
	g.MovImm(r, v)
	return r
}

// load brings a value into a register, leaving the flags as they are. With W it clears the upper half.
func (g *generator) load(d Reg, o operand, w Width) {
	switch {
	case o.kind == isImm:
		g.MovImm(d, cut(o.imm, w))
	case o.kind == inMem && w == W:
		g.Mem(LDRW, d, context, o.off)
	case o.kind == inMem:
		g.Mem(LDRX, d, context, o.off)
	case o.reg != d || w == W:
		g.Mov(w, d, o.reg)
	}
}

// value gives a register that holds a value: its own, the zero register, or r. With W the upper half is arbitrary.
func (g *generator) value(o operand, r Reg, w Width) Reg {
	if o.kind == isImm && cut(o.imm, w) == 0 {
		return ZR
	}
	return g.register(o, r, w)
}

// register is value for operands that cannot be the zero register.
func (g *generator) register(o operand, r Reg, w Width) Reg {
	if o.kind == inReg {
		return o.reg
	}
	g.load(r, o, w)
	return r
}

func cut(v uint64, w Width) uint64 {
	if w == W {
		return uint64(uint32(v))
	}
	return v
}

// dest gives the register in which a result is to be made; done stores it if its place is in memory.
func (g *generator) dest(o lir.Operand) (r Reg, done func()) {
	d := g.operand(o)
	if d.kind == inReg {
		return d.reg, func() {}
	}
	return scratch0, func() { g.Mem(STRX, scratch0, context, d.off) }
}

func width(w lir.Width) Width {
	if w == lir.W32 {
		return W
	}
	return X
}
