package enginetest

import (
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
)

type fields = isatest.Fields

// deepest is how far loops are nested.
const deepest = 3

// several writes n pieces of code, which are in the given number of loops.
func (g *generator) several(n, loops int) {
	for range n {
		g.piece(loops)
	}
}

func (g *generator) piece(loops int) {
	const spare = 64 // constants; more than what is behind the main part needs
	if g.room() < spare {
		g.straight(4)
		return
	}
	switch r := g.random.IntN(100); {
	case r < 30:
		g.straight(1 + g.random.IntN(12))
	case r < 46:
		g.skip(g.form(branch), loops)
	case r < 53:
		k := pick(g.random, []kind{jump, region, indirect})
		if len(g.byKind[k]) == 0 {
			k = indirect
		}
		g.goOn(g.form(k))
	case r < 67 && loops < deepest:
		g.loop(loops)
	case r < 74 && loops < 2:
		g.callSome()
	case r < 79:
		g.choose()
	case r < 93 && g.plan.reading:
		g.straight(4)
	case r < 85 && g.patching:
		g.patch(loops)
	case r < 86 && g.patching:
		g.besideCode()
	case r < 87:
		g.straight(1 + g.random.IntN(12))
	case r < 93:
		g.reserve(loops)
	case r < 96:
		g.walk(loops)
	case r < 97 && len(g.ends) > 0:
		g.branchTo(g.form(branch), pick(g.random, g.ends))
	case r < 98 && !g.tame:
		g.instruction(g.form(stop))
	case r < 99 && !g.tame:
		g.word(g.random.Uint32())
	default:
		g.straight(40 + g.random.IntN(60))
	}
}

// form chooses a row of a kind.
func (g *generator) form(k kind) *form {
	if g.favourite != noRow && g.forms[g.favourite].kind == k && g.random.IntN(2) == 0 {
		return &g.forms[g.favourite]
	}
	return pick(g.random, g.byKind[k])
}

// straight writes n instructions that follow one another.
func (g *generator) straight(n int) {
	for range n {
		switch r := g.random.IntN(100); {
		case r < 52:
			g.one(plain)
		case r < 90:
			g.one(memory)
		case r < 92:
			g.one(linked)
		case r < 94 && !g.plan.reading:
			g.one(release)
		case r < 96 && g.patching && len(g.unplaced) > 0:
			g.site()
		default:
			g.operand()
		}
	}
}

// one writes an instruction of a kind.
func (g *generator) one(k kind) {
	f := g.form(k)
	for g.tame && f.traps && f.trap == ir.Breakpoint {
		f = pick(g.random, g.byKind[k])
	}
	g.guarded(f)
}

// guarded writes an instance of a row. In a tame program it divides by no zero.
func (g *generator) guarded(f *form) {
	if g.tame && f.kind == plain && f.traps && f.trap == ir.Fault {
		in := g.instance(f)
		r := in.fields[g.b]
		if r == 0 || !slices.Contains(g.free, r) {
			r = g.result()
			in = g.encoded(f, with(in.fields, g.b, r))
		}
		g.op(g.ori, fields{g.immA: r, g.immD: r, g.andImm: 1}) // a divisor that is not 0
		g.write(in)
		return
	}
	g.instruction(f)
}

// instruction writes an instance of a row. The stack pointer is put back.
func (g *generator) instruction(f *form) {
	in := g.instance(f)
	g.write(in)
	if slices.Contains(f.fixed, g.sp) && !g.wild {
		g.op(g.addi, fields{g.immD: g.sp, g.immA: g.sp, "imm": -in.fields["imm"]})
	}
}

// result is a register that may be written, and not the one that reads as zero.
func (g *generator) result() uint64 { return g.free[1+g.random.IntN(len(g.free)-1)] }

// instance makes an instruction of a row whose fields are random as far as the program stands it.
func (g *generator) instance(f *form) insn {
	for {
		v := isatest.FieldsOf(f.pattern, isatest.Instance(g.isa, f.row, g.random))
		for _, p := range f.pattern.Fields {
			switch {
			case slices.Contains(f.bases, p.Name) && !(g.wild && g.random.IntN(8) == 0):
				g.among(v, p.Name, f, g.pointers)
			case slices.Contains(f.writes, p.Name) && !(g.wild && g.random.IntN(4) == 0):
				g.among(v, p.Name, f, g.free)
			case isRegister(p) && g.random.IntN(2) == 0:
				g.among(v, p.Name, f, g.free)
			case p.Name == "imm" && len(f.bases) > 0:
				if near := g.nearby(); holds(p, near) && (g.tame || g.random.IntN(10) != 0) {
					v[p.Name] = near
				}
			}
		}
		in := g.encoded(f, v)
		if !g.tame || !f.traps || !refused(g.isa, f.row, in.word) {
			return in
		}
	}
}

// among gives a register field one of the values that it can have.
func (g *generator) among(v fields, name string, f *form, values []uint64) {
	p, _ := f.pattern.Field(name)
	for range 40 {
		if r := pick(g.random, values); holds(p, r) {
			v[name] = r
			return
		}
	}
}

// nearby is an offset from a pointer.
func (g *generator) nearby() uint64 {
	switch g.random.IntN(8) {
	case 0:
		return g.random.Uint64N(256) - 128
	case 1:
		return g.random.Uint64N(4000) - 2000
	}
	return 8*g.random.Uint64N(9) - 32
}

func (g *generator) encoded(f *form, v fields) insn {
	return insn{row: f.row, word: isatest.Encode(g.isa, f.row, v), size: f.size, fields: v, target: nowhere}
}

func with(v fields, name string, value uint64) fields {
	v[name] = value
	return v
}

// slot writes what stands behind a jump, if it has a delay slot.
func (g *generator) slot() {
	if !delaySlots(g.isa) {
		return
	}
	k, r := memory, g.random.IntN(20)
	switch {
	case r < 6:
		g.word(nop(g.isa, 4))
		return
	case r < 12:
		k = plain
	case r == 17:
		k = linked
	case r == 18 && !g.plan.reading:
		k = release
	case r == 19 && !g.tame:
		k = pick(g.random, []kind{stop, plain, indirect, branch})
	}
	f := g.form(k)
	for g.tame && f.traps && f.kind == plain {
		f = pick(g.random, g.byKind[k])
	}
	if k == branch {
		g.to(f.row, g.sources(f), g.here())
		return
	}
	g.write(g.instance(f))
}

// sources chooses registers for the fields of a jump to a label.
func (g *generator) sources(f *form) fields {
	v := fields{}
	for _, p := range f.pattern.Fields {
		if isRegister(p) {
			g.among(v, p.Name, f, g.free)
		}
	}
	return v
}

// branchTo writes a branch.
func (g *generator) branchTo(f *form, l label) {
	g.to(f.row, g.sources(f), l)
	g.slot()
}

// skip writes a branch over some code.
func (g *generator) skip(f *form, loops int) {
	if g.random.IntN(2) == 0 {
		g.operand()
	}
	end := g.newLabel()
	g.branchTo(f, end)
	g.several(g.random.IntN(2), loops)
	g.straight(1 + g.random.IntN(4))
	g.bind(end)
}

// goOn writes a jump over some code that is not executed.
func (g *generator) goOn(f *form) {
	end := g.newLabel()
	v := g.sources(f)
	if f.kind != indirect {
		g.to(f.row, v, end)
	} else {
		through := g.target(f, v)
		imm := uint64(0)
		if _, ok := f.pattern.Field("imm"); ok {
			imm = g.nearby()
			v["imm"] = imm
		}
		g.constant(through, constant{-imm, end})
		g.write(g.encoded(f, v))
	}
	g.slot()
	g.straight(g.random.IntN(3))
	g.bind(end)
}

// target chooses the register that a jump goes through, and gives it.
func (g *generator) target(f *form, v fields) uint64 {
	through := pick(g.random, g.scratch[:])
	for _, name := range []string{"rs", "rs1"} {
		if _, ok := f.pattern.Field(name); ok {
			v[name] = through
		}
	}
	return through
}

// constant loads a constant.
func (g *generator) constant(r uint64, c constant) {
	g.op(g.load, fields{g.immD: r, g.immA: g.table, "imm": g.put(c)})
}

// entry loads the entry of a table that the index tells; the table is at an offset from the middle.
func (g *generator) entry(r, offset uint64) {
	s := g.scratch[0]
	g.op(g.add, fields{g.d: s, g.a: g.table, g.b: g.index})
	g.op(g.load, fields{g.immD: r, g.immA: s, "imm": offset})
}

// operand loads a register with another operand each time.
func (g *generator) operand() {
	g.entry(g.result(), g.edgeAt+g.wordSize()*g.random.Uint64N(indexed))
}

// advance moves the index on.
func (g *generator) advance() {
	g.op(g.addi, fields{g.immD: g.index, g.immA: g.index, "imm": g.wordSize()})
	g.op(g.andi, fields{g.immD: g.index, g.immA: g.index, g.andImm: (indexed - 1) * g.wordSize()})
}

// loop writes a loop with a counter.
func (g *generator) loop(loops int) {
	counter := g.counters[loops]
	rounds := 1 + g.random.Uint64N(6)
	if g.random.IntN(3) == 0 {
		rounds = 20 + g.random.Uint64N([]uint64{1500, 60, 10}[loops])
	}
	g.op(g.addi, fields{g.immD: counter, g.immA: 0, "imm": rounds})
	end := g.newLabel()
	head := g.here()
	if g.random.IntN(3) != 0 {
		g.advance()
		for range g.random.IntN(4) {
			g.operand()
		}
		if g.random.IntN(3) == 0 {
			g.entry(pick(g.random, g.pointers), g.pointerAt)
		}
	}
	g.ends = append(g.ends, end)
	g.several(1+g.random.IntN(3), loops+1)
	g.ends = g.ends[:len(g.ends)-1]
	l := pick(g.random, g.latches)
	f := &g.forms[isatest.Row(g.isa, l.row)]
	if p, _ := f.pattern.Field(l.counter); !holds(p, counter) || f.size == 2 && !g.near(head) {
		l = g.latches[0]
		f = &g.forms[isatest.Row(g.isa, l.row)]
	}
	v := fields{l.counter: counter}
	for name, r := range l.rest {
		v[name] = r
	}
	down := fields{g.immD: counter, g.immA: counter, "imm": ^uint64(0)}
	if delaySlots(g.isa) && g.random.IntN(3) == 0 {
		g.to(f.row, v, head)
		g.op(g.addi, down)
	} else {
		g.op(g.addi, down)
		g.to(f.row, v, head)
		g.slot()
	}
	g.bind(end)
}

// favour writes a hot loop that has hardly anything in it but the favourite row.
func (g *generator) favour() {
	f, counter := &g.forms[g.favourite], g.counters[0]
	top := g.here()
	g.again()
	g.op(g.addi, fields{g.immD: counter, g.immA: 0, "imm": 100 + g.random.Uint64N(400)})
	head := g.here()
	g.advance()
	for range 4 {
		g.operand()
		switch f.kind {
		case branch:
			g.skip(f, deepest)
		case jump, region, indirect:
			g.goOn(f)
		default:
			g.guarded(f)
		}
		g.straight(1)
	}
	g.op(g.addi, fields{g.immD: counter, g.immA: counter, "imm": ^uint64(0)})
	g.to(isatest.Row(g.isa, "bne"), fields{g.a: counter, g.b: 0}, head)
	g.slot()
	g.several(1, 0)
	g.to(isatest.Row(g.isa, g.jump), g.noLink(), top)
	g.slot()
}

// walk moves a pointer. In tame programs it does not come far before it is loaded again.
func (g *generator) walk(loops int) {
	p := pick(g.random, g.pointers)
	if g.random.IntN(3) == 0 || g.tame && loops > 1 {
		g.entry(p, g.pointerAt)
		return
	}
	step := 8*g.random.Uint64N(17) - 64
	if !g.tame && g.random.IntN(4) == 0 {
		step++
	}
	g.op(g.addi, fields{g.immD: p, g.immA: p, "imm": step})
}

// again writes what a round of the main part begins with.
func (g *generator) again() {
	g.advance()
	for _, p := range g.pointers {
		g.entry(p, g.pointerAt)
	}
}
