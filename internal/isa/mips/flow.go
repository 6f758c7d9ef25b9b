package mips

import (
	"github.com/flexemu/flexemu/internal/ir"
)

// notInSlot: the manual leaves a jump in a delay slot unpredictable; the base machine exits. Behind it
// next pc is pc + 4.
func (c core) notInSlot(b builder) {
	b.If(b.Ne(b.Get(ir.NextPC), c.after(b, 4)), func() { b.Trap(ir.Fault) })
}

// after is pc + n.
func (c core) after(b builder, n uint64) value { return c.address(b, b.AddI(b.Get(ir.PC), n)) }

// jump goes to target behind the delay slot.
func (c core) jump(b builder, target value) {
	b.Set(ir.PC, c.after(b, 4))
	b.Set(ir.NextPC, target)
}

// link is the return address, a register value: sign-extended where registers have 32 bits.
func (c core) link(b builder) value {
	if c.bits == 32 {
		return word(b, b.AddI(b.Get(ir.PC), 8))
	}
	return b.AddI(b.Get(ir.PC), 8)
}

// A branch is a condition on rs and rt, with or without a link, likely or not.
type branch struct {
	cond   func(b builder, x, y value) value
	link   bool
	likely bool // not taken, it skips the delay slot
}

func (c core) branch(k branch) func(builder, fields) {
	return func(b builder, f fields) {
		c.notInSlot(b)
		x, y := b.Reg(f.Rs), b.Const(0)
		if f.Rt != (value{}) {
			y = b.Reg(f.Rt)
		}
		taken := k.cond(b, x, y)
		if k.link {
			b.SetReg(b.Const(31), c.link(b)) // also when not taken; rs was read before
		}
		target := c.address(b, b.Add(b.AddI(b.Get(ir.PC), 4), f.Imm))
		slot, next := c.after(b, 4), c.after(b, 8)
		if !k.likely {
			b.Set(ir.NextPC, b.Select(taken, target, next))
			b.Set(ir.PC, slot)
			return
		}
		past := c.after(b, 12)
		b.Set(ir.NextPC, b.Select(taken, target, past))
		b.Set(ir.PC, b.Select(taken, slot, next))
	}
}

func eq(b builder, x, y value) value { return b.Eq(x, y) }
func ne(b builder, x, y value) value { return b.Ne(x, y) }
func lt(b builder, x, y value) value { return b.LtS(x, y) }
func ge(b builder, x, y value) value { return b.IsZero(b.LtS(x, y)) }
func le(b builder, x, y value) value { return b.IsZero(b.LtS(y, x)) }
func gt(b builder, x, y value) value { return b.LtS(y, x) }

func ltu(b builder, x, y value) value { return b.LtU(x, y) }
func geu(b builder, x, y value) value { return b.IsZero(b.LtU(x, y)) }

// absolute is the target of j and jal: within the 256 MiB of the delay slot.
func (c core) absolute(b builder, f fields) value {
	return b.Or(b.AndI(c.after(b, 4), ^uint64(0x0fffffff)), f.Target)
}

func (c core) jumps() []row {
	jr := func(b builder, f fields) {
		c.notInSlot(b)
		c.jump(b, c.address(b, b.Reg(f.Rs)))
	}
	jalr := func(b builder, f fields) {
		c.notInSlot(b)
		target, link := c.address(b, b.Reg(f.Rs)), c.link(b)
		c.jump(b, target)
		b.SetReg(f.Rd, link)
	}
	return []row{
		{"j", "000010 target[27:2]", "region+target", set32, func(b builder, f fields) {
			c.notInSlot(b)
			c.jump(b, c.absolute(b, f))
		}},
		{"jal", "000011 target[27:2]", "region+target", set32, func(b builder, f fields) {
			c.notInSlot(b)
			target, link := c.absolute(b, f), c.link(b)
			c.jump(b, target)
			b.SetReg(b.Const(31), link)
		}},
		{"jr", "000000 rs 00000 00000 00000 001000", "rs", set32, jr},
		{"jr.hb", "000000 rs 00000 00000 10000 001000", "rs", set32, jr},
		{"jalr", "000000 rs 00000 rd 00000 001001", "rd?31, rs", set32, jalr},
		{"jalr.hb", "000000 rs 00000 rd 10000 001001", "rd?31, rs", set32, jalr},

		{"beq", "000100 rs rt imm[17:2]", "rs, rt, pc+4+imm", set32, c.branch(branch{cond: eq})},
		{"bne", "000101 rs rt imm[17:2]", "rs, rt, pc+4+imm", set32, c.branch(branch{cond: ne})},
		{"blez", "000110 rs 00000 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: le})},
		{"bgtz", "000111 rs 00000 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: gt})},
		{"beql", "010100 rs rt imm[17:2]", "rs, rt, pc+4+imm", set32, c.branch(branch{cond: eq, likely: true})},
		{"bnel", "010101 rs rt imm[17:2]", "rs, rt, pc+4+imm", set32, c.branch(branch{cond: ne, likely: true})},
		{"blezl", "010110 rs 00000 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: le, likely: true})},
		{"bgtzl", "010111 rs 00000 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: gt, likely: true})},
		{"bltz", "000001 rs 00000 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: lt})},
		{"bgez", "000001 rs 00001 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: ge})},
		{"bltzl", "000001 rs 00010 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: lt, likely: true})},
		{"bgezl", "000001 rs 00011 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: ge, likely: true})},
		{"bltzal", "000001 rs 10000 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: lt, link: true})},
		{"bgezal", "000001 rs 10001 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: ge, link: true})},
		{"bltzall", "000001 rs 10010 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: lt, link: true, likely: true})},
		{"bgezall", "000001 rs 10011 imm[17:2]", "rs, pc+4+imm", set32, c.branch(branch{cond: ge, link: true, likely: true})},
	}
}

func trap(cond func(b builder, x, y value) value) func(builder, fields) {
	return func(b builder, f fields) {
		b.If(cond(b, b.Reg(f.Rs), b.Reg(f.Rt)), func() { b.Trap(ir.Breakpoint) })
	}
}

func trapI(cond func(b builder, x, y value) value) func(builder, fields) {
	return func(b builder, f fields) {
		b.If(cond(b, b.Reg(f.Rs), f.Imm), func() { b.Trap(ir.Breakpoint) })
	}
}

func nothing(builder, fields) {}

func (c core) system() []row {
	return []row{
		{"syscall", "000000 code:20 001100", "code?", set32, func(b builder, _ fields) { b.Trap(ir.Syscall) }},
		{"break", "000000 code:20 001101", "code>>10?, code&1023?", set32, func(b builder, _ fields) { b.Trap(ir.Breakpoint) }},
		{"sync", "000000 00000 00000 00000 sa 001111", "sa?", set32, nothing},
		{"synci", "000001 rs 11111 imm[15:0]", "imm(rs)", set32, nothing},
		{"pref", "110011 rs code:5 imm[15:0]", "code, imm(rs)", set32, nothing},

		{"tge", "000000 rs rt code:10 110000", "rs, rt, code?", set32, trap(ge)},
		{"tgeu", "000000 rs rt code:10 110001", "rs, rt, code?", set32, trap(geu)},
		{"tlt", "000000 rs rt code:10 110010", "rs, rt, code?", set32, trap(lt)},
		{"tltu", "000000 rs rt code:10 110011", "rs, rt, code?", set32, trap(ltu)},
		{"teq", "000000 rs rt code:10 110100", "rs, rt, code?", set32, trap(eq)},
		{"tne", "000000 rs rt code:10 110110", "rs, rt, code?", set32, trap(ne)},
		{"tgei", "000001 rs 01000 imm[15:0]", "rs, imm", set32, trapI(ge)},
		{"tgeiu", "000001 rs 01001 imm[15:0]", "rs, imm", set32, trapI(geu)},
		{"tlti", "000001 rs 01010 imm[15:0]", "rs, imm", set32, trapI(lt)},
		{"tltiu", "000001 rs 01011 imm[15:0]", "rs, imm", set32, trapI(ltu)},
		{"teqi", "000001 rs 01100 imm[15:0]", "rs, imm", set32, trapI(eq)},
		{"tnei", "000001 rs 01110 imm[15:0]", "rs, imm", set32, trapI(ne)},
	}
}
