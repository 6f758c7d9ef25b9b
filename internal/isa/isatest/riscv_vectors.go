package isatest

import (
	"math/rand/v2"
	"strings"

	"github.com/flexemu/flexemu/internal/isa"
)

// RISC-V programs keep t5 and t6 for themselves.
const (
	regT5 = 30 // marker
	regT6 = 31 // record
	regSP = 2
)

// riscvFamily writes programs for all RISC-V sets.
type riscvFamily struct {
	load, save uint64 // addresses of the routines
	random     *rand.Rand
}

func (f *riscvFamily) harness() (record, marker int) { return regT6, regT5 }
func (f *riscvFamily) number() uint16                { return 243 } // EM_RISCV
func (f *riscvFamily) flags(*isa.ISA) uint32         { return 1 }   // EF_RISCV_RVC, soft-float

func (f *riscvFamily) routines(p *Program) {
	f.random = Random(6)
	f.load = p.pc()
	for r := uint64(1); r < regT5; r++ {
		p.op(wide(p, "lw", "ld"), Fields{"rd": r, "rs1": regT6, "imm": 8 * r})
	}
	p.op("jalr", Fields{"rs1": regT5})
	f.save = p.pc() // the marker is stored already
	for r := uint64(1); r < regT5; r++ {
		p.op(wide(p, "sw", "sd"), Fields{"rs2": r, "rs1": regT6, "imm": 8 * r})
	}
	p.op("addi", Fields{"rd": regT6, "rs1": regT6, "imm": recordSize})
	p.op("jalr", Fields{"rs1": regT5})
}

// split takes an address or a number apart for lui and a signed immediate of 12 bits.
func split(v uint64) (high, low uint64) {
	low = uint64(int64(v<<52) >> 52)
	return v - low, low
}

func (f *riscvFamily) li(p *Program, reg, v uint64) {
	high, low := split(v)
	p.op("lui", Fields{"rd": reg, "imm": high})
	p.op("addi", Fields{"rd": reg, "rs1": reg, "imm": low})
}

func (f *riscvFamily) call(p *Program, routine uint64) {
	high, low := split(routine)
	p.op("lui", Fields{"rd": regT5, "imm": high})
	p.op("jalr", Fields{"rd": regT5, "rs1": regT5, "imm": low})
}

func (f *riscvFamily) begin(p *Program) { f.li(p, regT6, dataBase) }
func (f *riscvFamily) enter(p *Program) { f.call(p, f.load) }

func (f *riscvFamily) leave(p *Program) {
	p.op(wide(p, "sw", "sd"), Fields{"rs2": regT5, "rs1": regT6})
	f.call(p, f.save)
}

func (f *riscvFamily) finish(p *Program, size uint64) {
	const write, exit, a0, a1, a2, a7 = 64, 93, 10, 11, 12, 17
	f.li(p, a7, write)
	f.li(p, a0, 1)
	f.li(p, a1, dataBase)
	f.li(p, a2, size)
	p.op("ecall", nil)
	f.li(p, a7, exit)
	f.li(p, a0, 0)
	p.op("ecall", nil)
}

// generate leaves out what ends the program or asks the system, and the counters, which count other things in
// other machines; tests of kernels and of the base machine have them. The manual defines every other result.
func (f *riscvFamily) generate(p *Program, r int) bool {
	row := p.ISA.Rows[r]
	switch {
	case row.Name == "ecall" || row.Name == "ebreak" || row.Name == "c.ebreak" || strings.HasPrefix(row.Name, "csr"):
		return false
	case strings.HasPrefix(row.Name, "sc."):
		f.conditional(p, r)
	case strings.HasSuffix(row.Asm, " (rs1)"):
		f.atomic(p, r)
	case strings.HasSuffix(row.Asm, "imm(rs1)") && row.Name != "jalr", strings.HasSuffix(row.Asm, "uimm(sp)"):
		f.memory(p, r)
	case strings.Contains(row.Asm, "pc+"), row.Name == "jalr", row.Name == "c.jr", row.Name == "c.jalr":
		f.flow(p, r)
	default:
		f.plain(p, r)
	}
	return true
}

func (f *riscvFamily) start(p *Program, r int) Case {
	c := Case{Row: r}
	for n := 1; n < regT5; n++ {
		c.Regs[n] = Word(p.ISA.Bits, f.random)
	}
	for n := range c.Mem {
		c.Mem[n] = byte(f.random.Uint32())
	}
	return c
}

// instance gives fields that name only registers that cases may use; in one of four two registers are the same.
func (f *riscvFamily) instance(p *Program, r int) Fields {
	pattern := &p.ISA.Patterns()[r]
	names := []string{"rd", "rs1", "rs2"}
	for {
		fields := FieldsOf(pattern, Instance(p.ISA, r, f.random))
		if f.random.IntN(4) == 0 {
			a, b := names[f.random.IntN(3)], names[f.random.IntN(3)]
			if v, ok := fields[a]; ok {
				if _, ok := fields[b]; ok {
					fields[b] = v
				}
			}
		}
		w := pattern.Match
		for _, place := range pattern.Fields {
			w |= scatter(place, fields[place.Name])
		}
		good := pattern.Fits(w)
		for _, place := range pattern.Fields {
			v := place.Value(w)
			register := place.Name[0] == 'r'
			if v != fields[place.Name] || register && (v == regT5 || v == regT6) {
				good = false
			}
		}
		if good {
			return fields
		}
	}
}

// operands gives pairs of values: all pairs of edges, and some random ones.
func (f *riscvFamily) operands(p *Program) [][2]uint64 {
	var pairs [][2]uint64
	for _, x := range Edges(p.ISA.Bits) {
		for _, y := range Edges(p.ISA.Bits) {
			pairs = append(pairs, [2]uint64{x, y})
		}
	}
	for range 50 {
		pairs = append(pairs, [2]uint64{Word(p.ISA.Bits, f.random), Word(p.ISA.Bits, f.random)})
	}
	return pairs
}

// give puts operands into the registers that an instruction reads: rs1, or rd where that is the first, and rs2.
func give(c *Case, fields Fields, x, y uint64) {
	c.Regs[fields["rs2"]] = y
	if rs1, ok := fields["rs1"]; ok {
		c.Regs[rs1] = x
	} else {
		c.Regs[fields["rd"]] = x
	}
	c.Regs[0] = 0
}

// plain makes cases of instructions that only compute.
func (f *riscvFamily) plain(p *Program, r int) {
	for _, pair := range f.operands(p) {
		c, fields := f.start(p, r), f.instance(p, r)
		give(&c, fields, pair[0], pair[1])
		if p.ISA.Rows[r].Name == "ctzw" && uint32(c.Regs[fields["rs1"]]) == 0 {
			continue // qemu before version 8 looks at the upper word too
		}
		c.Code = []uint32{Encode(p.ISA, r, fields)}
		p.Add(c)
	}
}

// memory makes cases of loads and stores at all alignments.
func (f *riscvFamily) memory(p *Program, r int) {
	for n := 0; n < 200; {
		c, fields := f.start(p, r), f.instance(p, r)
		base, ok := fields["rs1"]
		if !ok {
			base = regSP
		}
		if base == 0 {
			continue
		}
		addr := p.memAddress() + 16 + uint64(n)%32
		c.Regs[base] = addr - fields["imm"] - fields["uimm"]
		c.Code = []uint32{Encode(p.ISA, r, fields)}
		p.Add(c)
		n++
	}
}

func (f *riscvFamily) size(p *Program, r int) uint64 {
	if strings.HasSuffix(p.ISA.Rows[r].Name, ".d") {
		return 8
	}
	return 4
}

// atomic makes cases of load-reserved and of the operations on memory, at aligned addresses.
func (f *riscvFamily) atomic(p *Program, r int) {
	size := f.size(p, r)
	for _, pair := range f.operands(p) {
		c, fields := f.start(p, r), f.instance(p, r)
		for fields["rs1"] == 0 {
			fields = f.instance(p, r)
		}
		offset := 8*f.random.Uint64N(4) + size*f.random.Uint64N(8/size)
		for n := range size {
			c.Mem[offset+n] = byte(pair[1] >> (8 * n))
		}
		give(&c, fields, p.memAddress()+offset, pair[0])
		c.Regs[fields["rs1"]] = p.memAddress() + offset
		c.Code = []uint32{Encode(p.ISA, r, fields)}
		p.Add(c)
	}
}

// conditional makes cases of load-reserved and store-conditional together. What is not here: a plain store of the
// same value in between, which qemu does not see.
func (f *riscvFamily) conditional(p *Program, r int) {
	size := f.size(p, r)
	name := p.ISA.Rows[r].Name
	lr := "lr" + name[2:]
	const here, there, value, loaded, result, again = 8, 9, 10, 11, 12, 13
	for n := range 60 {
		c := f.start(p, r)
		offset := 8*f.random.Uint64N(4) + size*f.random.Uint64N(8/size)
		c.Regs[here], c.Regs[there] = p.memAddress()+offset, p.memAddress()+offset^32
		load := p.encode(lr, Fields{"rd": loaded, "rs1": here, "aqrl": f.random.Uint64N(4)})
		sc := func(rd, base uint64) uint32 {
			return p.encode(name, Fields{"rd": rd, "rs1": base, "rs2": value, "aqrl": f.random.Uint64N(4)})
		}
		switch n % 4 {
		case 0:
			c.Code = []uint32{load, sc(result, here)}
		case 1: // the second one fails: the first has dropped the reservation
			c.Code = []uint32{load, sc(result, here), sc(again, here)}
		case 2: // so do one for another address, and the one behind it
			c.Code = []uint32{load, sc(result, there), sc(again, here)}
		case 3: // a store in between, of a value that differs from the old one
			c.Regs[again] = uint64(^c.Mem[offset])
			c.Code = []uint32{load, p.encode("sb", Fields{"rs1": here, "rs2": again}), sc(result, here)}
		}
		p.Add(c)
	}
}

// flow makes cases of branches and jumps, forward and backward. The marker tells where control went: it is the
// code's address if the jump was made forward, 4 if backward, 2 if execution went on behind it.
func (f *riscvFamily) flow(p *Program, r int) {
	pattern := &p.ISA.Patterns()[r]
	relative := strings.Contains(p.ISA.Rows[r].Asm, "pc+")
	size := pattern.Size
	for n, pair := range f.operands(p) {
		c, fields := f.start(p, r), f.instance(p, r)
		backward := n%3 == 2
		displacement := size + 4
		if backward {
			displacement = ^uint64(7) // -8
		}
		target := p.codeAddress() + displacement
		if backward {
			target += 12 // the instruction under test is the fourth
		}
		give(&c, fields, pair[0], pair[1])
		if relative {
			fields["imm"] = displacement
		} else {
			for fields["rs1"] == 0 {
				fields = f.instance(p, r)
			}
			odd := f.random.Uint64N(2) // the lowest bit does not count
			if p.ISA.Rows[r].Name == "jalr" {
				odd = (target - fields["imm"]) & 1 &^ odd
			}
			c.Regs[fields["rs1"]] = target - fields["imm"] | odd
		}
		marker := func(v uint64) uint32 { return p.encode("addi", Fields{"rd": regT5, "imm": v}) }
		c.Code = []uint32{Encode(p.ISA, r, fields), marker(2)}
		if backward {
			over, end := p.encode("jal", Fields{"imm": 12}), p.encode("jal", Fields{"imm": 8 + size})
			c.Code = append([]uint32{over, marker(4), end}, c.Code...)
		}
		p.Add(c)
	}
}
