package isatest

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/flexemu/flexemu/internal/isa"
)

// MIPS programs keep at, k0 and k1 for themselves between cases; cases may use at.
const (
	regAT = 1
	regK0 = 26 // marker
	regK1 = 27 // record
)

// mipsFamily writes programs for all MIPS sets.
type mipsFamily struct {
	load, save uint64 // addresses of the routines
	random     *rand.Rand
}

func (f *mipsFamily) harness() (record, marker int) { return regK1, regK0 }
func (f *mipsFamily) number() uint16                { return 8 } // EM_MIPS

func (f *mipsFamily) flags(i *isa.ISA) uint32 {
	if i.Bits == 64 {
		return 0x8000_0000 // EF_MIPS_ARCH_64R2, n64
	}
	return 0x7000_1000 // EF_MIPS_ARCH_32R2, EF_MIPS_ABI_O32
}

// wide picks the name for the width of registers.
func wide(p *Program, narrow, wide string) string {
	if p.ISA.Bits == 64 {
		return wide
	}
	return narrow
}

func slotOf(slot int) Fields { return Fields{"rs": regK1, "imm": uint64(8 * slot)} }

func with(f Fields, name string, v uint64) Fields {
	f[name] = v
	return f
}

func (f *mipsFamily) routines(p *Program) {
	f.random = Random(6)
	lw, sw, addiu := wide(p, "lw", "ld"), wide(p, "sw", "sd"), wide(p, "addiu", "daddiu")
	back := func() {
		p.op("jr", Fields{"rs": regK0})
		p.op("sll", nil)
	}
	f.load = p.pc()
	p.op(lw, with(slotOf(loSlot), "rt", regAT))
	p.op("mtlo", Fields{"rs": regAT})
	p.op(lw, with(slotOf(hiSlot), "rt", regAT))
	p.op("mthi", Fields{"rs": regAT})
	for r := 1; r < 32; r++ {
		if r != regK0 && r != regK1 {
			p.op(lw, with(slotOf(r), "rt", uint64(r)))
		}
	}
	back()
	f.save = p.pc() // at and the marker are stored already
	for r := 2; r < 32; r++ {
		if r != regK0 && r != regK1 {
			p.op(sw, with(slotOf(r), "rt", uint64(r)))
		}
	}
	p.op("mflo", Fields{"rd": regAT})
	p.op(sw, with(slotOf(loSlot), "rt", regAT))
	p.op("mfhi", Fields{"rd": regAT})
	p.op(sw, with(slotOf(hiSlot), "rt", regAT))
	p.op(addiu, Fields{"rs": regK1, "rt": regK1, "imm": recordSize})
	back()
}

func (f *mipsFamily) li(p *Program, reg, v uint64) {
	p.op("lui", Fields{"rt": reg, "uimm": v >> 16})
	p.op("ori", Fields{"rt": reg, "rs": reg, "uimm": v & 0xffff})
}

func (f *mipsFamily) call(p *Program, routine uint64) {
	f.li(p, regAT, routine)
	p.op("jalr", Fields{"rd": regK0, "rs": regAT})
	p.op("sll", nil)
}

func (f *mipsFamily) begin(p *Program) { f.li(p, regK1, dataBase) }
func (f *mipsFamily) enter(p *Program) { f.call(p, f.load) }

func (f *mipsFamily) leave(p *Program) {
	sw := wide(p, "sw", "sd")
	p.op(sw, with(slotOf(0), "rt", regK0))
	p.op(sw, with(slotOf(regAT), "rt", regAT))
	f.call(p, f.save)
}

func (f *mipsFamily) finish(p *Program, size uint64) {
	write, exit := uint64(4004), uint64(4001) // o32
	if p.ISA.Bits == 64 {
		write, exit = 5001, 5058 // n64
	}
	const v0, a0, a1, a2 = 2, 4, 5, 6
	f.li(p, v0, write)
	f.li(p, a0, 1)
	f.li(p, a1, dataBase)
	f.li(p, a2, size)
	p.op("syscall", nil)
	f.li(p, v0, exit)
	f.li(p, a0, 0)
	p.op("syscall", nil)
}

// words are the instructions of 32 bits whose result the manual leaves unpredictable if a source register of 64
// bits is not the sign-extension of its low half: their operands are.
var words = strings.Fields(`add addu addi addiu sub subu srl rotr sra srlv rotrv srav mult multu div divu madd maddu msub msubu
	mul clz clo ext ins wsbh seb seh lwl lwr`)

// trapConditions are those of the trap instructions; a case whose condition holds would end the program.
var trapConditions = map[string]func(x, y uint64) bool{
	"tge":  func(x, y uint64) bool { return int64(x) >= int64(y) },
	"tgeu": func(x, y uint64) bool { return x >= y },
	"tlt":  func(x, y uint64) bool { return int64(x) < int64(y) },
	"tltu": func(x, y uint64) bool { return x < y },
	"teq":  func(x, y uint64) bool { return x == y },
	"tne":  func(x, y uint64) bool { return x != y },
}

// generate leaves out syscall and break: they end the program or ask the system, and tests of kernels have them.
func (f *mipsFamily) generate(p *Program, r int) bool {
	row := p.ISA.Rows[r]
	switch {
	case row.Name == "syscall" || row.Name == "break":
		return false
	case row.Name == "sc" || row.Name == "scd":
		f.conditional(p, r)
	case strings.HasSuffix(row.Asm, "imm(rs)") && row.Name != "pref" && row.Name != "synci":
		f.memory(p, r)
	case strings.Contains(row.Asm, "pc+") || strings.HasPrefix(row.Name, "j"):
		f.flow(p, r)
	default:
		f.plain(p, r)
	}
	return true
}

// register picks a register that cases may use; 0 too, and small ones more often, so that two are the same at times.
func (f *mipsFamily) register() uint64 {
	for {
		r := f.random.Uint64N(32)
		if f.random.IntN(3) == 0 {
			r %= 4
		}
		if r != regK0 && r != regK1 {
			return r
		}
	}
}

func (f *mipsFamily) start(p *Program, r int) Case {
	c := Case{Row: r}
	for n := 1; n < 32; n++ {
		c.Regs[n] = Word(p.ISA.Bits, f.random)
	}
	c.Lo, c.Hi = Word(p.ISA.Bits, f.random), Word(p.ISA.Bits, f.random)
	for n := range c.Mem {
		c.Mem[n] = byte(f.random.Uint32())
	}
	if f.isWord(p, r) {
		for n := range c.Regs {
			c.Regs[n] = uint64(int32(c.Regs[n]))
		}
		c.Lo, c.Hi = uint64(int32(c.Lo)), uint64(int32(c.Hi))
	}
	return c
}

func (f *mipsFamily) isWord(p *Program, r int) bool {
	return slices.Contains(words, p.ISA.Rows[r].Name)
}

// operands gives pairs of values: all pairs of edges, and some random ones.
func (f *mipsFamily) operands(p *Program, r int) [][2]uint64 {
	edges := Edges(p.ISA.Bits)
	if f.isWord(p, r) {
		edges = Edges(32)
	}
	var pairs [][2]uint64
	for _, x := range edges {
		for _, y := range edges {
			pairs = append(pairs, [2]uint64{x, y})
		}
	}
	for range 50 {
		x, y := Word(p.ISA.Bits, f.random), Word(p.ISA.Bits, f.random)
		if f.isWord(p, r) {
			x, y = uint64(int32(x)), uint64(int32(y))
		}
		pairs = append(pairs, [2]uint64{x, y})
	}
	return pairs
}

// plain makes cases of instructions that only compute.
func (f *mipsFamily) plain(p *Program, r int) {
	pattern := &p.ISA.Patterns()[r]
	name := p.ISA.Rows[r].Name
	for n, pair := range f.operands(p, r) {
		c := f.start(p, r)
		fields := FieldsOf(pattern, Instance(p.ISA, r, f.random))
		for _, field := range []string{"rs", "rt", "rd"} {
			if _, ok := fields[field]; ok {
				fields[field] = f.register()
			}
		}
		if _, ok := fields["imm"]; ok && n%2 == 0 {
			fields["imm"] = []uint64{0, 1, ^uint64(0), 0x7fff, ^uint64(0x7fff)}[n/2%5]
		}
		if slices.Contains([]string{"clz", "clo", "dclz", "dclo"}, name) {
			fields["rt"] = fields["rd"] // the manual wants the register in both fields
		}
		if rt, ok := fields["rt"]; ok && rt != 0 {
			c.Regs[rt] = pair[1]
		}
		if rs, ok := fields["rs"]; ok && rs != 0 {
			c.Regs[rs] = pair[0]
		}
		if strings.HasPrefix(name, "tne") { // passes for equal operands only
			if _, ok := fields["imm"]; ok && fields["rs"] != 0 {
				c.Regs[fields["rs"]] = fields["imm"]
			} else if fields["rt"] != 0 && fields["rs"] != 0 {
				c.Regs[fields["rt"]] = c.Regs[fields["rs"]]
			}
		}
		y := c.Regs[fields["rt"]]
		if imm, ok := fields["imm"]; ok {
			y = imm
		}
		if f.differs(name, fields, c.Regs[fields["rs"]], y) {
			continue
		}
		c.Code = []uint32{Encode(p.ISA, r, fields)}
		p.Add(c)
	}
}

// differs tells whether hardware and the base machine differ, or the manual leaves the result open.
func (f *mipsFamily) differs(name string, fields Fields, x, y uint64) bool {
	if condition, ok := trapConditions[strings.Replace(name, "i", "", 1)]; ok && name[0] == 't' {
		return condition(x, y)
	}
	overflows := func(sum, limit uint64) bool { return sum+limit >= limit<<1 }
	pos, msb := fields["pos"], fields["msb"]
	switch name {
	case "div", "divu", "ddiv", "ddivu": // hardware gives something, the base machine exits
		return y == 0
	case "add", "addi": // hardware traps on overflow, the base machine never
		return overflows(x+y, 1<<31)
	case "sub":
		return overflows(x-y, 1<<31)
	case "dadd", "daddi":
		return (x^y)>>63 == 0 && (x^(x+y))>>63 != 0
	case "dsub":
		return (x^y)>>63 != 0 && (x^(x-y))>>63 != 0
	case "ext": // fields that end behind the register's last bit, or before their own first
		return pos+msb > 31
	case "dext":
		return pos+msb > 63
	case "dextm", "dextu":
		return pos+msb+32 > 63
	case "ins", "dins", "dinsu":
		return msb < pos
	}
	return false
}

// memory makes cases of loads and stores. Hardware faults where the base machine rounds an address down, except
// in the partial accesses.
func (f *mipsFamily) memory(p *Program, r int) {
	name := p.ISA.Rows[r].Name
	align := map[byte]uint64{'b': 1, 'h': 2, 'w': 4, 'd': 8}[name[1]]
	switch {
	case name == "ll":
		align = 4
	case name[0] == 'l' && name[1] == 'd', name[:2] == "sd", name == "lld":
		align = 8
	}
	if strings.HasSuffix(name, "wl") || strings.HasSuffix(name, "wr") || strings.HasSuffix(name, "dl") || strings.HasSuffix(name, "dr") {
		align = 1
	}
	for n := range 200 {
		c := f.start(p, r)
		rs, rt := f.base(), f.register()
		imm := uint64(int16(f.random.Uint32()))
		if n%4 == 0 {
			imm = []uint64{0, 0x7fff, ^uint64(0x7fff), ^uint64(0)}[n/4%4]
		}
		addr := p.memAddress() + 16 + uint64(n)%32&^(align-1)
		c.Regs[rs] = addr - imm
		c.Code = []uint32{Encode(p.ISA, r, Fields{"rs": rs, "rt": rt, "imm": imm})}
		p.Add(c)
	}
}

// base picks a register for an address.
func (f *mipsFamily) base() uint64 {
	for {
		if r := f.register(); r != 0 {
			return r
		}
	}
}

// conditional makes cases of load-linked and store-conditional together. What is not here: a plain store of the
// same value in between, which qemu does not see, and a width or an address that differs between the two within
// the same bytes.
func (f *mipsFamily) conditional(p *Program, r int) {
	size, ll := uint64(4), "ll"
	if p.ISA.Rows[r].Name == "scd" {
		size, ll = 8, "lld"
	}
	const base, value, loaded = 8, 9, 10
	for n := range 60 {
		c := f.start(p, r)
		c.Regs[base] = p.memAddress()
		at := func(row string, rt, offset uint64) uint32 {
			return p.encode(row, Fields{"rs": base, "rt": rt, "imm": offset})
		}
		sc, offset := p.ISA.Rows[r].Name, 8*f.random.Uint64N(4)+size*f.random.Uint64N(8/size)
		switch n % 4 {
		case 0:
			c.Code = []uint32{at(ll, loaded, offset), at(sc, value, offset)}
		case 1: // the second one fails: the first has forgotten
			c.Code = []uint32{at(ll, loaded, offset), at(sc, value, offset), at(sc, 11, offset)}
		case 2: // another address
			c.Code = []uint32{at(ll, loaded, offset), at(sc, value, offset^32)}
		case 3: // a store in between, of a value that differs from the old one
			last := offset + size - 1
			c.Regs[12] = uint64(^c.Mem[last])
			c.Code = []uint32{at(ll, loaded, offset), at("sb", 12, last), at(sc, value, offset)}
		}
		p.Add(c)
	}
}
