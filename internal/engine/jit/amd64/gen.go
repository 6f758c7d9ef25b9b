package amd64

import (
	"fmt"
	"math/bits"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// The registers of generated code. The stack pointer is not touched: signals and the runtime find what they know.
const (
	context = R15
	budget  = R14
	// Inside of one operation.
	scratch0 = RAX
	scratch1 = RDX
)

// pool are the registers for cells and temporaries; the last one is never given to a cell.
var pool = [...]Reg{RBX, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, RCX}

// Registers is the number of cells that can be in registers.
const Registers = len(pool) - 1

// A generator compiles one region.
type generator struct {
	Assembler
	r      *lir.Region
	h      lir.Host
	home   places    // where cells are at the beginning of every block
	cells  []ir.Cell // that have registers, in the order of the pool
	blocks []Label
	cold   []func() // code that is rarely run, behind the rest
	code   *lir.Code

	// Pieces of code that the region has once, if it needs them.
	leave    piece // writes the registers back and returns; scratch0 tells why
	slot     piece // writes the registers back and goes on by the slot whose number is in scratch0
	miss     piece // writes the registers back and goes on at the pc in scratch0, whose index in the table is in scratch1
	enter    piece // loads the registers and goes on at the address in scratch1
	lookup   piece // see findSegment
	counted  piece // lookup for one of the accesses that MissesAt counts
	reserved piece // see reservedPage

	// The block that is being compiled. Code behind the blocks keeps the places.
	b     *lir.Block
	temps []operand
	where *places
	stale uint64  // in a planned block: cells whose memory is older than their register
	held  []saved // what has to be written back in a planned block; nil in others
	marks []Label
	// flags says what the flags tell at the offset after, if nothing was appended since.
	flags flags

	placer lir.Placer
}

// places are the registers of cells; NoReg: in memory.
type places [ir.NumCells]Reg

// A saved cell has to be written back from a register.
type saved struct {
	cell ir.Cell
	reg  Reg
}

// A piece is code behind the blocks.
type piece struct {
	at   Label
	used bool
}

// use gives the label of a piece.
func (g *generator) use(p *piece) Label {
	if !p.used {
		*p = piece{g.NewLabel(), true}
	}
	return p.at
}

// put makes a piece, if it is used.
func (g *generator) put(p *piece, code func()) {
	if p.used {
		g.Bind(p.at)
		code()
	}
}

// flags are those of a result that was compared with 0, or of a comparison whose outcome is one.
type flags struct {
	after  int
	of     lir.Operand
	w      Width
	isCond bool
	cond   Cond // isCond: the result is 1 if it holds
}

// note says that the flags are of a result.
func (g *generator) note(f flags) {
	f.after = g.Len()
	g.flags = f
}

// An operand is where a value is.
type operand struct {
	kind opKind
	reg  Reg
	mem  Mem
	imm  uint64
}

type opKind uint8

const (
	inReg opKind = iota
	inMem
	isImm
)

func at(disp int32) Mem { return Mem{Base: context, Index: NoReg, Disp: disp} }

// Compile makes the code of a region.
func Compile(r *lir.Region, h lir.Host) (*lir.Code, error) {
	g := &generator{r: r, h: h, code: &lir.Code{Entries: make([]int, len(r.Blocks))}}
	steps := 0
	for _, b := range r.Blocks {
		steps += int(b.Steps)
	}
	g.Buf = make([]byte, 0, 128*steps+1024) // most regions fit
	for c := range g.home {
		g.home[c] = NoReg
	}
	for n, c := range r.Mapped[:min(len(r.Mapped), Registers)] {
		g.home[c] = pool[n]
		g.cells = append(g.cells, c)
	}
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
	g.entries()
	g.pieces()
	if err := g.Link(0); err != nil {
		return nil, fmt.Errorf("jit: %w", err)
	}
	for _, l := range g.blocks {
		offset, _ := g.Offset(l)
		g.code.Warm = append(g.code.Warm, offset)
	}
	g.code.Bytes = g.Buf
	return g.code, nil
}

// entries makes the ways in from outside: they load the registers.
func (g *generator) entries() {
	for n, b := range g.r.Blocks {
		if b.Inner {
			g.code.Entries[n] = -1
			continue
		}
		g.code.Entries[n] = g.Len()
		g.LeaLabel(scratch1, g.blocks[n])
		g.Jmp(g.use(&g.enter))
	}
}

// pieces makes those that are used.
func (g *generator) pieces() {
	g.put(&g.enter, func() {
		for _, c := range g.cells {
			g.MovRM(g.word(), g.home[c], at(lir.CellAt(c)))
		}
		g.JmpR(scratch1)
	})
	g.put(&g.slot, func() {
		g.writeBack()
		g.JmpM(Mem{Base: context, Index: scratch0, Scale: 8, Disp: lir.SlotsAt})
		for n := range g.code.Slots {
			g.code.Slots[n].Stub = g.Len()
		}
		g.AluRI(Or, W32, scratch0, lir.LeftEdge)
		g.Ret()
	})
	g.put(&g.miss, g.indirectCold)
	g.put(&g.reserved, g.reservedPage)
	g.put(&g.counted, func() {
		g.MovMR(W64, at(guestAt), scratch0) // for those that leave
		g.AluMI(Sub, W32, at(lir.MissesAt), 1)
		g.Jcc(CondNS, g.use(&g.lookup))
		g.JmpR(scratch1) // with the condition NE
	})
	g.put(&g.lookup, func() {
		g.MovMR(W64, at(returnAt), scratch1)
		g.findSegment()
		g.JmpM(at(returnAt))
	})
	g.put(&g.leave, func() {
		g.writeBack()
		g.Ret()
	})
}

// word is the width of the guest's registers.
func (g *generator) word() Width {
	if g.r.Narrow {
		return W32
	}
	return W64
}

// cellWidth is the width of a cell.
func (g *generator) cellWidth(c ir.Cell) Width {
	if g.r.Narrow && c.Register() {
		return W32
	}
	return W64
}

// writeBack stores the registers that the region changes.
func (g *generator) writeBack() {
	for _, c := range g.cells {
		if g.r.Dirty[c] {
			g.MovMR(g.word(), at(lir.CellAt(c)), g.home[c])
		}
	}
}

// later makes a label for code behind the blocks.
func (g *generator) later(f func()) Label {
	l := g.NewLabel()
	g.behind(func() {
		g.Bind(l)
		f()
	})
	return l
}

// behind puts code behind the blocks. There, values are where they are now.
func (g *generator) behind(f func()) {
	b, temps, where, held := g.b, g.temps, g.where, g.held
	g.cold = append(g.cold, func() {
		g.b, g.temps, g.where, g.held, g.flags = b, temps, where, held, flags{}
		f()
	})
}

// moves carries out what a plan says, up to what the operation itself does.
func (g *generator) moves(list []lir.Move) {
	if len(list) == 0 {
		return
	}
	w := *g.where
	g.where = &w
	for _, m := range list {
		switch m.Kind {
		case lir.Fill:
			g.MovRM(g.word(), pool[m.Reg], at(lir.CellAt(m.Cell)))
			w[m.Cell] = pool[m.Reg]
		case lir.Save:
			g.MovMR(g.word(), at(lir.CellAt(m.Cell)), pool[m.Reg])
			g.stale &^= 1 << m.Cell
		case lir.Copy:
			g.MovRR(W64, pool[m.Reg], pool[m.From])
			w[m.Cell] = pool[m.Reg]
		case lir.Drop:
			w[m.Cell] = NoReg
		}
	}
}

// takes gives the cells that an operation writes their registers, as a plan says.
func (g *generator) takes(list []lir.Move) {
	for _, m := range list {
		if m.Kind == lir.Take {
			w := *g.where
			w[m.Cell] = pool[m.Reg]
			g.where = &w
		}
	}
}

// planned makes the operations of a block that has a plan.
func (g *generator) planned(p *lir.Plan, firstSite int) {
	g.stale = 0
	for _, c := range g.cells {
		g.stale |= 1 << c
	}
	for n := range g.b.Ins {
		i := &g.b.Ins[n]
		moves := p.Before(n)
		g.moves(moves)
		g.held = make([]saved, 0, len(pool))
		for set := g.stale; set != 0; set &= set - 1 {
			c := ir.Cell(bits.TrailingZeros64(set))
			g.held = append(g.held, saved{c, g.where[c]})
		}
		g.takes(moves)
		g.instruction(i, firstSite)
		for _, d := range [2]lir.Operand{i.D, i.E} {
			if d.Kind == lir.Cell && g.where[d.Cell] != NoReg {
				g.stale |= 1 << d.Cell
			}
		}
	}
	g.moves(p.Before(len(g.b.Ins)))
	g.held = nil
}

func (g *generator) block(n, next int) error {
	b := g.r.Blocks[n]
	free := append([]Reg{RCX}, pool[len(g.cells):Registers]...)
	place, slots := g.placer.Place(b, len(free))
	plan := g.placer.Plan(b, g.cells, len(pool), slots)
	if plan != nil {
		place, slots, free = plan.Place, plan.Slots, pool[:]
	}
	if slots > lir.MaxSpills {
		return fmt.Errorf("jit: the block at %#x needs %d slots for temporaries", b.PC, slots)
	}
	g.b, g.temps, g.where, g.held, g.marks = b, nil, &g.home, nil, g.marks[:0]
	for _, p := range place {
		switch {
		case p >= lir.Spilled:
			g.temps = append(g.temps, operand{kind: inMem, mem: at(lir.SpillAt + 8*int32(p-lir.Spilled))})
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
	g.AluRI(Sub, W64, budget, b.Steps)
	g.Jcc(CondS, g.later(func() {
		g.MovRI(scratch0, lir.LeftBudget|uint64(start))
		g.Jmp(g.use(&g.leave))
	}))
	if plan != nil {
		g.planned(plan, firstSite)
	} else {
		for n := range b.Ins {
			g.instruction(&b.Ins[n], firstSite)
		}
	}
	g.end(next)
	return nil
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
	slot := lir.Slot{Edge: e}
	if g.h.Warm {
		g.JmpM(at(lir.WarmAt + 8*int32(number)))
		slot.Cold = g.Len()
	}
	g.MovRI(scratch0, uint64(number))
	g.Jmp(g.use(&g.slot))
	g.code.Slots = append(g.code.Slots, slot)
}

// end goes on where a block ends; next is the block that follows in the code.
func (g *generator) end(next int) {
	follows := func(e lir.Edge) bool { return e.Block != lir.Outside && int(e.Block) == next }
	switch t := &g.b.Term; t.Kind {
	case lir.Goto:
		switch {
		case t.To.Block == lir.Outside:
			g.out(t.To)
		case !follows(t.To):
			g.Jmp(g.blocks[t.To.Block])
		}
	case lir.Branch:
		to, other, test := t.To, t.Else, t.Test
		if follows(to) {
			to, other, test = other, to, test.Not()
		}
		g.Jcc(g.compare(test), g.target(to))
		if !follows(other) {
			if other.Block == lir.Outside {
				g.out(other)
			} else {
				g.Jmp(g.blocks[other.Block])
			}
		}
	case lir.Indirect:
		g.indirect(t)
	}
}

// indirect jumps to a pc that is known only now.
func (g *generator) indirect(t *lir.Term) {
	target := g.operand(t.Target)
	g.load(scratch0, target, g.word())
	for _, e := range t.Guesses {
		if e.PC == uint64(int64(int32(e.PC))) {
			g.AluRI(Cmp, W64, scratch0, int32(e.PC))
		} else {
			g.MovRI(scratch1, e.PC)
			g.AluRR(Cmp, W64, scratch0, scratch1)
		}
		g.Jcc(CondE, g.blocks[e.Block])
	}
	shift := uint8(4 - bits.TrailingZeros64(g.r.Align))
	g.MovRR(W32, scratch1, scratch0)
	g.ShiftRI(Shl, W32, scratch1, shift)
	g.AluRI(And, W32, scratch1, (lir.JumpEntries-1)<<4)
	if g.h.Warm {
		entry := Mem{Base: context, Index: scratch1, Scale: 2, Disp: lir.WarmJumpsAt}
		g.AluRM(Cmp, W64, scratch0, entry)
		g.Jcc(CondNE, g.use(&g.miss))
		entry.Disp += 8
		g.AluMI(Cmp, W32, entry, int32(g.h.Map))
		g.Jcc(CondNE, g.use(&g.miss))
		entry.Disp += 8
		g.JmpM(entry)
	} else {
		g.Jmp(g.use(&g.miss))
	}
}

// indirectCold writes the registers back and jumps to the pc in scratch0, whose index in the table is in scratch1.
func (g *generator) indirectCold() {
	g.writeBack()
	entry := Mem{Base: context, Index: scratch1, Scale: 1, Disp: lir.JumpsAt}
	miss := g.NewLabel()
	g.AluRM(Cmp, W64, scratch0, entry)
	g.Jcc(CondNE, miss)
	entry.Disp += 8
	g.JmpM(entry)
	g.Bind(miss)
	g.MovMR(W64, at(lir.CellAt(ir.PC)), scratch0)
	if g.r.Delay {
		g.AluRI(Add, g.word(), scratch0, 4)
		g.MovMR(W64, at(lir.CellAt(ir.NextPC)), scratch0)
	}
	g.MovRI(scratch0, lir.LeftJump)
	g.Ret()
}

// operand finds a value.
func (g *generator) operand(o lir.Operand) operand {
	switch o.Kind {
	case lir.Imm:
		return operand{kind: isImm, imm: o.Imm}
	case lir.Cell:
		if r := g.where[o.Cell]; r != NoReg {
			return operand{kind: inReg, reg: r}
		}
		return operand{kind: inMem, mem: at(lir.CellAt(o.Cell))}
	case lir.Temp:
		return g.temps[o.Temp]
	}
	panic("amd64: an operation lacks an operand")
}

func (o operand) is(r Reg) bool { return o.kind == inReg && o.reg == r }

// small tells whether a constant fits into an instruction of width w.
func (o operand) small(w Width) bool {
	return o.kind == isImm && (w == W32 || o.imm == uint64(int64(int32(o.imm))))
}

// load brings a value into a register, leaving the flags as they are.
func (g *generator) load(d Reg, o operand, w Width) {
	switch {
	case o.kind == isImm && w == W32:
		g.MovRI(d, uint64(uint32(o.imm)))
	case o.kind == isImm:
		g.MovRI(d, o.imm)
	case o.kind == inMem:
		g.MovRM(w, d, o.mem)
	case o.reg != d:
		g.MovRR(w, d, o.reg)
	}
}

// inRegister gives a register that holds a value: its own, or r.
func (g *generator) inRegister(o operand, r Reg, w Width) Reg {
	if o.kind == inReg {
		return o.reg
	}
	g.load(r, o, w)
	return r
}

// dest gives the register in which a result is to be made; done stores it if its place is in memory.
func (g *generator) dest(o lir.Operand) (r Reg, done func()) {
	d := g.operand(o)
	if d.kind == inReg {
		return d.reg, func() {}
	}
	return scratch0, func() { g.MovMR(W64, d.mem, scratch0) }
}

func width(w lir.Width) Width {
	if w == lir.W32 {
		return W32
	}
	return W64
}
