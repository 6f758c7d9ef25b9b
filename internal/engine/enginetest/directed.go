package enginetest

import (
	"testing"
	"time"

	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/machine"
)

// directed are programs that go to the limits of what an engine may have limits for. Each is written by a function in
// place of the random main part.
var directed = []struct {
	name string
	bits int // 0: any
	main func(*generator)
}{
	{"one page in each 4 GiB", 64, func(g *generator) { g.strided(1<<32 + 1<<12) }},
	{"many pages", 0, func(g *generator) { g.strided(1 << 12) }},
	{"across the ends of pages", 0, func(g *generator) { g.strided(1<<12 - 3) }},
	{"through the address space", 0, func(g *generator) { g.strided(1<<(g.isa.Bits-8) + 8) }},
	{"a long block", 0, func(g *generator) {
		top := g.here()
		g.operand()
		g.straight(700)
		g.to(isatest.Row(g.isa, g.jump), g.noLink(), top)
		g.slot()
	}},
	{"code that is made and called", 0, (*generator).making},
	{"a reservation that stays", 0, func(g *generator) { g.reserved(true, 0) }},
	{"a reservation in the page that is written", 0, func(g *generator) { g.reserved(true, 64) }},
	{"a reservation of the bytes that are written", 0, func(g *generator) { g.reserved(true, 4) }},
}

// strided writes a loop that loads and stores at addresses with equal distances.
func (g *generator) strided(stride uint64) {
	const rounds = 300
	p, by := g.pointers[0], g.result()
	top := g.here()
	g.constant(p, constant{pick(g.random, g.spots), nowhere})
	g.constant(by, constant{stride, nowhere})
	g.op(g.addi, fields{g.immD: g.counters[0], g.immA: 0, "imm": rounds})
	head := g.here()
	for range 3 {
		f := g.form(memory)
		in := g.instance(f)
		for _, place := range f.pattern.Fields {
			switch {
			case place.Name == f.base() && holds(place, p):
				in.fields[place.Name] = p
			case isRegister(place) && in.fields[place.Name] == by:
				in.fields[place.Name] = g.link
			}
		}
		g.write(g.encoded(f, in.fields))
	}
	g.op(g.add, fields{g.d: p, g.a: p, g.b: by})
	g.op(g.addi, fields{g.immD: g.counters[0], g.immA: g.counters[0], "imm": ^uint64(0)})
	g.to(isatest.Row(g.isa, "bne"), fields{g.a: g.counters[0], g.b: 0}, head)
	g.slot()
	g.to(isatest.Row(g.isa, g.jump), g.noLink(), top)
	g.slot()
}

// base is the field with the register that an address is made of, or "".
func (f *form) base() string {
	if len(f.bases) == 0 {
		return ""
	}
	return f.bases[0]
}

// making writes a loop that makes functions of a few instructions, at more and more places, and calls each at once.
func (g *generator) making() {
	const rounds, words, space = 300, 4, 64
	at, v := g.pointers[0], g.scratch[0]
	top := g.here()
	g.constant(at, constant{pick(g.random, g.spots) &^ 7, nowhere})
	g.op(g.addi, fields{g.immD: g.counters[0], g.immA: 0, "imm": rounds})
	head := g.here()
	g.advance()
	var list []constant
	for range indexed {
		list = append(list, constant{uint64(g.replacement().word), nowhere})
	}
	offset := g.put(list...)
	for n := range uint64(words) {
		g.entry(v, offset)
		g.op(g.store4, fields{g.storeV: v, g.immA: at, "imm": 4 * n})
	}
	back := g.noLink()
	back[g.a] = g.link
	g.constant(v, constant{uint64(isatest.Encode(g.isa, isatest.Row(g.isa, g.through), back)), nowhere})
	g.op(g.store4, fields{g.storeV: v, g.immA: at, "imm": 4 * words})
	g.constant(v, constant{uint64(nop(g.isa, 4)), nowhere})
	g.op(g.store4, fields{g.storeV: v, g.immA: at, "imm": 4*words + 4})
	g.op(g.callThrough, fields{"rd": g.link, g.a: at})
	g.slot()
	g.op(g.addi, fields{g.immD: at, g.immA: at, "imm": space})
	g.op(g.addi, fields{g.immD: g.counters[0], g.immA: g.counters[0], "imm": ^uint64(0)})
	g.to(isatest.Row(g.isa, "bne"), fields{g.a: g.counters[0], g.b: 0}, head)
	g.slot()
	g.to(isatest.Row(g.isa, g.jump), g.noLink(), top)
	g.slot()
}

// reserved writes a hot loop of stores, with a reservation that was made before, or without. The bytes stored to are
// so far behind those reserved; 0 means in other pages.
func (g *generator) reserved(reserve bool, distance uint64) {
	p, q, v := g.pointers[0], g.pointers[1], g.result()
	spot := uint64(0x0900_0000)
	top := g.here()
	g.constant(p, constant{spot, nowhere})
	if distance == 0 {
		distance = 8 << 12
	}
	g.constant(q, constant{spot + distance, nowhere})
	g.op(g.addi, fields{g.immD: g.counters[0], g.immA: 0, "imm": 2000})
	if reserve {
		g.op(g.ll, fields{g.a: p, g.immD: v})
	}
	head := g.here()
	for n := range uint64(4) {
		g.op(g.load, fields{g.immD: v, g.immA: q, "imm": 8 * n})
		g.op("addi", fields{g.immD: v, g.immA: v, "imm": 1 + n})
		g.op(g.store, fields{g.storeV: v, g.immA: q, "imm": 8 * n})
	}
	g.op(g.addi, fields{g.immD: g.counters[0], g.immA: g.counters[0], "imm": ^uint64(0)})
	g.to(isatest.Row(g.isa, "bne"), fields{g.a: g.counters[0], g.b: 0}, head)
	if delaySlots(g.isa) {
		g.word(nop(g.isa, 4))
	}
	if reserve {
		g.op(g.sc, g.scFields(p, v))
	}
	g.to(isatest.Row(g.isa, g.jump), g.noLink(), top)
	if delaySlots(g.isa) {
		g.word(nop(g.isa, 4))
	}
}

// Directed runs the programs that go to the limits.
func Directed(t *testing.T, n New) {
	eachISA(t, func(t *testing.T, i *isa.ISA) {
		for _, d := range directed {
			if d.bits != 0 && d.bits != i.Bits {
				continue
			}
			t.Run(d.name, func(t *testing.T) {
				for seed := range uint64(scaled(2, 1)) {
					p := newGenerator(i, seed, plan{tame: true, favourite: noRow}).finish(d.main)
					m := match{new: n, isa: i, seed: seed, program: p, steps: uint64(scaled(60_000, 15_000))}
					m.check(t)
				}
			})
		}
	})
}

// Reservations measures how much slower a hot loop is while there is a reservation in another page, as Go's failed
// compare-and-swap leaves it. It fails only if every instruction must have gone another way.
func Reservations(t *testing.T, n New) {
	const steps, worst = 2_000_000, 8
	for _, i := range sets.All() {
		var times [2]time.Duration
		for k := range times {
			p := newGenerator(i, 0, plan{tame: true, favourite: noRow}).finish(func(g *generator) { g.reserved(k == 1, 0) })
			m := machine.New(i.Thread)
			p.install(m)
			e, err := n(i, m)
			skipUnsupported(t, err)
			// The quickest counts: others may use the host, and a compiler may work beside the engine.
			for began, n := time.Now(), 0; n < 5 || time.Since(began) < 50*time.Millisecond; n++ {
				start := time.Now()
				for done := uint64(0); done < steps; {
					ran := e.Run(steps - done)
					if done += ran; ran == 0 {
						e.Step()
						done++
					}
				}
				if d := time.Since(start); times[k] == 0 || d < times[k] {
					times[k] = d
				}
			}
		}
		t.Logf("%s: %d instructions: %v without a reservation, %v with one", i.Name, steps, times[0], times[1])
		if times[1] > worst*times[0] {
			t.Errorf("%s: with a reservation %d instructions take %v, without one %v", i.Name, steps, times[1], times[0])
		}
	}
}
