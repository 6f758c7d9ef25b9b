package enginetest

import (
	"slices"

	"github.com/flexemu/flexemu/internal/isa/isatest"
)

// linkOffset is where a function keeps the link in its frame.
const linkOffset = frameSize - 8

func negative(v uint64) uint64 { return -v }

// function writes a function that may call those behind it.
func (g *generator) function(l label) {
	g.bind(l)
	g.op(g.addi, fields{g.immD: g.sp, g.immA: g.sp, "imm": negative(frameSize)})
	g.op(g.store, fields{g.storeV: g.link, g.immA: g.sp, "imm": linkOffset})
	ends := g.ends
	g.ends = nil
	g.several(1+g.random.IntN(3), deepest-1)
	g.ends = ends
	g.op(g.load, fields{g.immD: g.link, g.immA: g.sp, "imm": linkOffset})
	g.op(g.addi, fields{g.immD: g.sp, g.immA: g.sp, "imm": frameSize})
	g.indirectly(g.link)
}

// recursion writes a function that calls itself as often as the register of the depth says.
func (g *generator) recursion() {
	const frame, link = 32, 8
	g.bind(g.recursive)
	out := g.newLabel()
	g.to(isatest.Row(g.isa, "beq"), fields{g.a: g.depth, g.b: 0}, out)
	if delaySlots(g.isa) {
		g.word(nop(g.isa, 4))
	}
	g.op(g.addi, fields{g.immD: g.depth, g.immA: g.depth, "imm": ^uint64(0)})
	g.op(g.addi, fields{g.immD: g.sp, g.immA: g.sp, "imm": negative(frame)})
	g.op(g.store, fields{g.storeV: g.link, g.immA: g.sp, "imm": link})
	g.one(plain)
	g.linking(g.recursive)
	g.one(plain)
	g.op(g.load, fields{g.immD: g.link, g.immA: g.sp, "imm": link})
	g.op(g.addi, fields{g.immD: g.sp, g.immA: g.sp, "imm": frame})
	g.bind(out)
	g.indirectly(g.link)
}

// indirectly writes a jump through a register.
func (g *generator) indirectly(r uint64) {
	v := g.noLink()
	v[g.a] = r
	name := g.through
	if g.isa.Align == 2 && g.random.IntN(2) == 0 {
		name, v = "c.jr", fields{"rs1": r}
	}
	g.op(name, v)
	g.slot()
}

// linking writes a call of one instruction.
func (g *generator) linking(l label) {
	name, v := g.call, fields{}
	switch {
	case !delaySlots(g.isa):
		v["rd"] = g.link
	case g.random.IntN(3) == 0:
		name, v = "bgezal", fields{"rs": 0}
	}
	g.to(isatest.Row(g.isa, name), v, l)
	g.slot()
}

// callSome writes a call of one of the functions.
func (g *generator) callSome() {
	if g.inside == len(g.functions) || g.random.IntN(4) == 0 {
		switch g.random.IntN(3) {
		case 0: // through the other link register
			s := g.scratch[1]
			g.constant(s, constant{0, g.leaf})
			g.op(g.callThrough, fields{"rd": g.otherLink, g.a: s})
			g.slot()
		default:
			rounds := g.random.Uint64N(12)
			if g.random.IntN(4) == 0 {
				rounds = g.random.Uint64N(200)
			}
			g.op(g.addi, fields{g.immD: g.depth, g.immA: 0, "imm": rounds})
			g.linking(g.recursive)
		}
		return
	}
	f := g.functions[g.inside+g.random.IntN(len(g.functions)-g.inside)]
	s := pick(g.random, g.scratch[:])
	switch g.random.IntN(5) {
	case 0:
		g.constant(s, constant{0, f})
		g.op(g.callThrough, fields{"rd": g.link, g.a: s})
		g.slot()
	case 1: // it returns to where nobody called it from
		back := g.newLabel()
		g.constant(g.link, constant{0, back})
		g.to(isatest.Row(g.isa, g.jump), g.noLink(), f)
		g.slot()
		g.straight(g.random.IntN(2))
		g.bind(back)
	case 2:
		if g.isa.Align == 2 {
			g.constant(s, constant{g.random.Uint64N(2), f}) // the lowest bit does not count
			g.op("c.jalr", fields{"rs1": s})
			return
		}
		g.linking(f)
	default:
		g.linking(f)
	}
}

// choose writes a jump through a table.
func (g *generator) choose() {
	const cases = 4
	s, end := g.scratch[0], g.newLabel()
	from := g.index
	if g.random.IntN(3) == 0 {
		from = g.result()
	}
	arms := make([]constant, cases)
	for n := range arms {
		arms[n].label = g.newLabel()
		if !g.tame && g.random.IntN(16) == 0 {
			arms[n].value = 1 + g.random.Uint64N(3)
		}
	}
	g.op(g.andi, fields{g.immD: s, g.immA: from, g.andImm: (cases - 1) * g.wordSize()})
	g.op(g.add, fields{g.d: s, g.a: s, g.b: g.table})
	g.op(g.load, fields{g.immD: s, g.immA: s, "imm": g.put(arms...)})
	g.indirectly(s)
	for _, arm := range arms {
		g.straight(g.random.IntN(2))
		g.bind(arm.label)
		g.straight(1 + g.random.IntN(3))
		if g.random.IntN(3) != 0 {
			g.to(isatest.Row(g.isa, g.jump), g.noLink(), end)
			g.slot()
		}
	}
	g.bind(end)
}

// site writes an instruction that is overwritten at times.
func (g *generator) site() {
	l := g.unplaced[0]
	g.unplaced = g.unplaced[1:]
	g.bind(l)
	g.write(g.replacement())
}

// replacement makes a plain instruction of 4 bytes that does not trap.
func (g *generator) replacement() insn {
	for {
		if f := g.form(plain); f.size == 4 && !f.traps {
			return g.instance(f)
		}
	}
}

// patch overwrites an instruction, in every round or seldom.
func (g *generator) patch(loops int) {
	const words = 4
	s, v := g.scratch[0], g.scratch[1]
	end := g.newLabel()
	if loops > 0 && g.random.IntN(4) != 0 {
		g.op(g.andi, fields{g.immD: s, g.immA: g.counters[loops-1], g.andImm: 1<<g.random.IntN(11) - 1})
		g.to(isatest.Row(g.isa, "bne"), fields{g.a: s, g.b: 0}, end)
		if delaySlots(g.isa) {
			g.word(nop(g.isa, 4))
		}
	}
	list := make([]constant, words)
	for n := range list {
		list[n] = constant{uint64(g.replacement().word), nowhere}
		if !g.tame && g.random.IntN(12) == 0 {
			list[n].value = uint64(g.random.Uint32())
		}
	}
	l := pick(g.random, g.sites)
	g.op(g.andi, fields{g.immD: v, g.immA: g.index, g.andImm: (words - 1) * g.wordSize()})
	g.op(g.add, fields{g.d: v, g.a: v, g.b: g.table})
	g.op(g.load, fields{g.immD: v, g.immA: v, "imm": g.put(list...)})
	g.constant(s, constant{0, l})
	g.op(g.store4, fields{g.storeV: v, g.immA: s, "imm": 0})
	g.bind(end)
	if len(g.unplaced) > 0 && g.random.IntN(2) == 0 {
		g.site()
	}
}

// besideCode stores into the page that the code ends in.
func (g *generator) besideCode() {
	s := g.scratch[0]
	g.constant(s, constant{0, g.pad})
	name := pick(g.random, []string{g.store, g.store4, g.store2})
	g.op(name, fields{g.storeV: pick(g.random, g.free), g.immA: s, "imm": 8 * g.random.Uint64N(7)})
}

// reserve writes what programs do with reservations, and what they should not.
func (g *generator) reserve(loops int) {
	p := pick(g.random, g.pointers)
	at := func(k kind) {
		f := g.form(k)
		in := g.instance(f)
		for _, place := range f.pattern.Fields {
			switch {
			case slices.Contains(f.bases, place.Name) && holds(place, p):
				in.fields[place.Name] = p
			case place.Name == "imm":
				in.fields["imm"] = 0
			}
		}
		g.write(g.encoded(f, in.fields))
	}
	at(linked)
	switch g.random.IntN(5) {
	case 0:
		g.straight(g.random.IntN(3))
		at(release)
	case 1: // as a failed compare-and-swap leaves it
		end := g.newLabel()
		g.branchTo(g.form(branch), end)
		at(release)
		g.bind(end)
	case 2:
		at(memory)
		at(release)
	case 3:
		if loops < deepest {
			g.loop(loops)
		}
	case 4:
		at(release)
		at(release)
	}
}
