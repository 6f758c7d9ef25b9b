package enginetest

import (
	"math/rand/v2"
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/machine"
)

// A plan says what a generated program is like.
type plan struct {
	pieces int // how many pieces of code its main part has, those within loops and calls not counted
	// tame programs do not trap, and destroy neither their code nor their frame, except where they patch themselves
	// with other instructions of the same kind.
	tame bool
	// patching programs overwrite instructions.
	patching bool
	// reading programs store nothing but what calls leave on the stack.
	reading bool
	// favourite is the row that stands in the program most often, in a hot loop of its own; or noRow.
	favourite int
	// raw, if it is not empty, is code of which the main part consists.
	raw []byte
}

// A program is the code of a guest with the state that it starts from. It never ends.
type program struct {
	text
	reading bool
	starts  []uint64 // where execution may begin
	// spots are addresses that data and code lie at.
	spots  []uint64
	top    uint64 // of the stack
	chunks []chunk
	cells  [ir.NumCells]uint64
}

// A chunk is a part of memory.
type chunk struct {
	addr uint64
	data []byte
}

// generate makes the program of a seed.
func generate(i *isa.ISA, seed uint64, p plan) *program {
	main := (*generator).endless
	if p.favourite != noRow {
		main = (*generator).favour
	}
	return newGenerator(i, seed, p).finish(main)
}

func newGenerator(i *isa.ISA, seed uint64, p plan) *generator {
	random := isatest.Random(seed)
	g := &generator{
		program: &program{text: text{isa: i}}, dialect: family(i), plan: p, random: random, forms: forms(i),
		wild: !p.tame && random.IntN(6) == 0,
	}
	g.program.reading = p.reading
	for n := range g.forms {
		if p.reading && g.forms[n].stores {
			continue
		}
		g.byKind[g.forms[n].kind] = append(g.byKind[g.forms[n].kind], &g.forms[n])
	}
	return g
}

// finish makes the program whose main part a function writes.
func (g *generator) finish(main func(*generator)) *program {
	g.place()
	g.tables()
	main(g)
	g.rest()
	g.resolve()
	for n := range g.labels {
		if l := label(n); l != g.pad {
			g.starts = append(g.starts, g.address(l))
		}
	}
	g.data()
	g.registers()
	return g.program
}

// install makes the state of a machine that the program starts from.
func (p *program) install(m *machine.Machine) {
	m.Narrow = p.isa.Bits == 32
	for _, c := range p.chunks {
		write(m, c.addr, c.data)
	}
	write(m, p.base, p.bytes())
	m.Cells = p.cells
}

// write copies bytes into memory, around the end of the address space too.
func write(m *machine.Machine, addr uint64, data []byte) {
	for n, b := range data {
		m.Store(m.Wrap(addr+uint64(n)), 1, true, uint64(b))
	}
}

// generator is a program while it is being made.
type generator struct {
	*program
	*dialect
	plan
	random *rand.Rand
	forms  []form
	byKind [kinds][]*form
	wild   bool // any instruction may write any register

	middle    uint64 // address of the middle of the table of constants
	pointerAt uint64 // offset of the table of pointers from the middle
	edgeAt    uint64 // and of the table of operands
	pad       label  // some bytes behind the code, in its page
	functions []label
	recursive label
	leaf      label   // a function that is called with the other link register
	sites     []label // of instructions that are overwritten
	unplaced  []label // sites that are still to be written
	ends      []label // of the loops around
	inside    int     // number of the function that is being written; 0 is the main part
}

const (
	indexed   = 16      // entries of a table that the index goes through
	maxCode   = 1 << 14 // bytes; more than any program has
	frameSize = 1024    // bytes: what an access relative to the stack pointer may reach, and the link
	// apart is how far the pointers of a tame program are from its code, table and stack at least, in bytes.
	apart = 1 << 20
)

// borders are addresses at which something changes for an engine, for those of 32 bits first: where displacements
// change their sign, the ends of the address space, of 4 GiB, of what a kernel gives to heap and stack.
var borders = []uint64{
	0x0001_8000, 0x0800_0000, 0x5000_0000, 0x7fff_8000, 0x8000_0000, 0xffff_8000, 0,
	0x1_0000_0000, 0x1_8000_0000, 0xc0_0000_0000, 0xc0_0040_0000, 0x1000_0000_0000, 0x1000_4000_0000, 0x7fff_fff0_0000,
	0x3fff_ffff_f000, 0x8000_0000_0000, 1<<63 - 1<<22, 1 << 63, 1<<63 + 1<<40, ^uint64(0) &^ 0xffff,
}

const narrowBorders = 7

func (g *generator) borders() []uint64 {
	if g.isa.Bits == 32 {
		return borders[:narrowBorders]
	}
	return borders
}

func pick[T any](random *rand.Rand, list []T) T { return list[random.IntN(len(list))] }

// place chooses where code, table and stack are, and which addresses the program works on.
func (g *generator) place() {
	codes := []uint64{0x0040_0000, 0x0040_1000, 0x2000_1000, 0x7fff_f000, 0x8000_0000, 0xbfff_f000, 0}
	tables := []uint64{0x0070_0000, 0x0072_0800, 0x9000_0000}
	tops := []uint64{0x7ff0_0000, 0x1000_0000}
	if g.isa.Bits == 64 {
		codes = append(codes, 0x1_0000_0000, 0x1_2000_0000, 0xc1_0000_1000, 0x7fff_0000_0000, 1<<62, 1<<63-1<<30)
		tables = append(tables, 0xc2_0000_0000, 0x1_4000_0000, 0xffff_fffe_0000_0000)
		tops = append(tops, 0x7ffe_ffff_d000, 0xc3_0000_0000)
	}
	g.base = pick(g.random, codes)
	if g.random.IntN(2) == 0 { // the end of a page, and what else ends there, is somewhere in the code
		g.base -= g.isa.Align * g.random.Uint64N(1000)
	}
	g.base = g.wrap(g.base)
	g.middle, g.top = pick(g.random, tables)+tableMiddle, pick(g.random, tops)
	for _, addr := range g.borders() {
		for _, off := range []int64{0, -8, 8, 0xff8, -16, 64, -64} {
			spot := g.wrap(addr + uint64(off))
			if !g.tame && g.random.IntN(8) == 0 {
				spot = g.wrap(spot + g.random.Uint64N(8))
			}
			if !g.tame || g.apart(spot) {
				g.spots = append(g.spots, spot)
			}
		}
	}
}

// apart tells whether an address is far from code, table and stack.
func (g *generator) apart(addr uint64) bool {
	for _, at := range []uint64{g.base, g.middle, g.top} {
		if g.wrap(addr-at+apart) < 2*apart {
			return false
		}
	}
	return true
}

// tables makes the tables of pointers and of operands.
func (g *generator) tables() {
	g.pad = g.newLabel()
	spots := make([]uint64, 1+g.random.IntN(indexed))
	for n := range spots {
		spots[n] = pick(g.random, g.spots)
	}
	var pointers, operands []constant
	for range indexed {
		p := constant{pick(g.random, spots), nowhere}
		if !g.tame && g.random.IntN(8) == 0 {
			p = constant{g.random.Uint64N(16), g.pad}
			if g.random.IntN(4) == 0 {
				p = constant{-g.random.Uint64N(400), g.pad} // in the midst of the code
			}
		}
		pointers = append(pointers, p)
	}
	for range 2 * indexed {
		v := isatest.Word(g.isa.Bits, g.random)
		if n := len(operands); n > 0 && g.random.IntN(4) == 0 {
			v = operands[g.random.IntN(n)].value
		}
		operands = append(operands, constant{v, nowhere})
	}
	g.pointerAt, g.edgeAt = g.put(pointers...), g.put(operands...)
	for range 3 {
		g.functions = append(g.functions, g.newLabel())
		g.unplaced = append(g.unplaced, g.newLabel())
	}
	g.sites = slices.Clone(g.unplaced)
	g.recursive, g.leaf = g.newLabel(), g.newLabel()
}

// endless writes a main part that begins again and again.
func (g *generator) endless() {
	top := g.here()
	for n := 0; n+1 < len(g.raw); {
		var w [4]byte
		copy(w[:], g.raw[n:])
		word := uint32(w[0])<<24 | uint32(w[1])<<16 | uint32(w[2])<<8 | uint32(w[3])
		g.word(word)
		n += int(g.isa.Size(word))
	}
	if len(g.raw) == 0 {
		g.again()
		g.several(g.plan.pieces, 0)
	}
	g.to(isatest.Row(g.isa, g.jump), g.noLink(), top)
	g.slot()
}

// rest writes what the main part calls.
func (g *generator) rest() {
	for n, l := range g.functions {
		g.inside = n + 1
		g.function(l)
	}
	g.recursion()
	g.bind(g.leaf)
	g.straight(3)
	g.indirectly(g.otherLink)
	for _, l := range g.unplaced {
		g.bind(l)
		g.one(plain)
	}
	g.word(0)
	g.bind(g.pad)
	for range 16 {
		g.word(g.random.Uint32())
	}
	if g.end > maxCode {
		panic("enginetest: a program is too long")
	}
}

// noLink are the fields of the jump that leaves no link.
func (g *generator) noLink() isatest.Fields {
	if g.jump == g.call {
		return isatest.Fields{"rd": 0}
	}
	return isatest.Fields{}
}

// data fills memory: the table, the stack, and around the spots, some of which stay absent.
func (g *generator) data() {
	g.chunks = append(g.chunks, chunk{g.wrap(g.middle - tableMiddle), g.tableBytes()})
	random := func(n int) []byte {
		b := make([]byte, n)
		for k := range b {
			b[k] = byte(g.random.Uint32())
		}
		return b
	}
	g.chunks = append(g.chunks, chunk{g.wrap(g.top - frameSize), random(64)})
	for _, spot := range g.spots {
		if g.random.IntN(8) == 0 {
			g.chunks = append(g.chunks, chunk{g.wrap(spot - 32), random(64)})
		}
	}
}

// registers makes the cells that the program starts with.
func (g *generator) registers() {
	c := &g.cells
	for r := range uint64(32) {
		c[r] = isatest.Word(g.isa.Bits, g.random)
	}
	for _, r := range g.pointers {
		c[r] = g.register(pick(g.random, g.spots))
	}
	for _, r := range g.counters {
		c[r] = 1 + g.random.Uint64N(8)
	}
	c[0], c[g.index], c[g.depth] = 0, 0, 0
	c[g.table], c[g.sp] = g.register(g.middle), g.register(g.top-2*frameSize)
	c[g.link], c[g.otherLink] = g.register(g.wrap(g.base)), g.register(g.wrap(g.base))
	c[ir.NextThread], c[ir.ThreadID] = 1, 0
	c[ir.PC] = g.wrap(g.base)
	if delaySlots(g.isa) {
		c[ir.NextPC] = g.wrap(g.base + 4)
		c[ir.Lo], c[ir.Hi] = isatest.Word(g.isa.Bits, g.random), isatest.Word(g.isa.Bits, g.random)
	}
}

// register is an address as a register has it.
func (g *generator) register(addr uint64) uint64 {
	if g.isa.Bits == 32 {
		return uint64(int32(addr))
	}
	return addr
}
