package mips

import (
	"github.com/flexemu/flexemu/internal/ir"
)

// effective is the address that an access names.
func (c core) effective(b builder, f fields) value {
	return c.address(b, b.Add(b.Reg(f.Rs), f.Imm))
}

// aligned rounds an address down to the width of the access, as the base machine does where hardware faults.
func aligned(b builder, addr value, size uint8) value { return b.AndI(addr, ^uint64(size-1)) }

func (c core) load(size uint8, extend func(b builder, v value) value) func(builder, fields) {
	return func(b builder, f fields) {
		b.SetReg(f.Rt, extend(b, b.Load(aligned(b, c.effective(b, f), size), size)))
	}
}

func (c core) store(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		b.Store(aligned(b, c.effective(b, f), size), size, b.Reg(f.Rt))
	}
}

// partial is what the left and right instructions have in common: the unit of size bytes around the address,
// and by how many bits a left access, and a right one, is off.
func (c core) partial(b builder, f fields, size uint8) (unit, left, right value) {
	addr := c.effective(b, f)
	last := uint64(size - 1)
	k := b.AndI(addr, last)
	fromLow := b.ShlI(k, 3)
	fromHigh := b.ShlI(b.Xor(k, b.Const(last)), 3)
	if c.big {
		return aligned(b, addr, size), fromLow, fromHigh
	}
	return aligned(b, addr, size), fromHigh, fromLow
}

func ones(size uint8) uint64 { return ^uint64(0) >> (64 - 8*uint64(size)) }

func (c core) loadLeft(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		unit, left, _ := c.partial(b, f, size)
		v := b.Load(unit, size)
		keep := b.Sub(b.Shl(b.Const(1), left), b.Const(1))
		v = b.Or(b.Shl(v, left), b.And(b.Reg(f.Rt), keep))
		if size == 4 {
			v = word(b, v)
		}
		b.SetReg(f.Rt, v)
	}
}

func (c core) loadRight(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		unit, _, right := c.partial(b, f, size)
		v := b.Load(unit, size)
		taken := b.ShrU(b.Const(ones(size)), right)
		merged := b.Or(b.ShrU(v, right), b.And(b.Reg(f.Rt), b.Not(taken)))
		if size == 4 { // the register's upper half stays, unless the whole word is loaded
			merged = b.Select(right, merged, word(b, v))
		}
		b.SetReg(f.Rt, merged)
	}
}

func (c core) storeLeft(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		unit, left, _ := c.partial(b, f, size)
		old := b.Load(unit, size)
		taken := b.ShrU(b.Const(ones(size)), left)
		v := b.ShrU(b.AndI(b.Reg(f.Rt), ones(size)), left)
		b.Store(unit, size, b.Or(b.And(old, b.Not(taken)), v))
	}
}

func (c core) storeRight(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		unit, _, right := c.partial(b, f, size)
		old := b.Load(unit, size)
		keep := b.Sub(b.Shl(b.Const(1), right), b.Const(1))
		b.Store(unit, size, b.Or(b.And(old, keep), b.Shl(b.Reg(f.Rt), right)))
	}
}

// The values of ir.ReservationStatus, by the size of the access.
func reservation(size uint8) uint64 { return uint64(size / 4) }

func (c core) loadLinked(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		addr := c.effective(b, f)
		v := b.Load(aligned(b, addr, size), size)
		if size == 4 {
			v = word(b, v)
		}
		b.Set(ir.ReservationStatus, b.Const(reservation(size)))
		b.Set(ir.ReservationAddress, addr) // the exact one, not the rounded
		b.Set(ir.ReservationOwner, b.Get(ir.ThreadID))
		b.SetReg(f.Rt, v)
	}
}

func (c core) storeConditional(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		addr := c.effective(b, f)
		v := b.Reg(f.Rt)
		held := b.And(b.And(
			b.Eq(b.Get(ir.ReservationStatus), b.Const(reservation(size))),
			b.Eq(b.Get(ir.ReservationAddress), addr)),
			b.Eq(b.Get(ir.ReservationOwner), b.Get(ir.ThreadID)))
		b.If(held, func() { b.Store(aligned(b, addr, size), size, v) })
		b.SetReg(f.Rt, held)
	}
}

func (c core) memory() []row {
	sext8 := func(b builder, v value) value { return b.Sext8(v) }
	sext16 := func(b builder, v value) value { return b.Sext16(v) }
	return []row{
		{"lb", "100000 rs rt imm[15:0]", "rt, imm(rs)", set32, c.load(1, sext8)},
		{"lh", "100001 rs rt imm[15:0]", "rt, imm(rs)", set32, c.load(2, sext16)},
		{"lwl", "100010 rs rt imm[15:0]", "rt, imm(rs)", set32, c.loadLeft(4)},
		{"lw", "100011 rs rt imm[15:0]", "rt, imm(rs)", set32, c.load(4, word)},
		{"lbu", "100100 rs rt imm[15:0]", "rt, imm(rs)", set32, c.load(1, whole)},
		{"lhu", "100101 rs rt imm[15:0]", "rt, imm(rs)", set32, c.load(2, whole)},
		{"lwr", "100110 rs rt imm[15:0]", "rt, imm(rs)", set32, c.loadRight(4)},
		{"lwu", "100111 rs rt imm[15:0]", "rt, imm(rs)", set64, c.load(4, whole)},
		{"ld", "110111 rs rt imm[15:0]", "rt, imm(rs)", set64, c.load(8, whole)},
		{"ldl", "011010 rs rt imm[15:0]", "rt, imm(rs)", set64, c.loadLeft(8)},
		{"ldr", "011011 rs rt imm[15:0]", "rt, imm(rs)", set64, c.loadRight(8)},

		{"sb", "101000 rs rt imm[15:0]", "rt, imm(rs)", set32, c.store(1)},
		{"sh", "101001 rs rt imm[15:0]", "rt, imm(rs)", set32, c.store(2)},
		{"swl", "101010 rs rt imm[15:0]", "rt, imm(rs)", set32, c.storeLeft(4)},
		{"sw", "101011 rs rt imm[15:0]", "rt, imm(rs)", set32, c.store(4)},
		{"swr", "101110 rs rt imm[15:0]", "rt, imm(rs)", set32, c.storeRight(4)},
		{"sd", "111111 rs rt imm[15:0]", "rt, imm(rs)", set64, c.store(8)},
		{"sdl", "101100 rs rt imm[15:0]", "rt, imm(rs)", set64, c.storeLeft(8)},
		{"sdr", "101101 rs rt imm[15:0]", "rt, imm(rs)", set64, c.storeRight(8)},

		{"ll", "110000 rs rt imm[15:0]", "rt, imm(rs)", set32, c.loadLinked(4)},
		{"sc", "111000 rs rt imm[15:0]", "rt, imm(rs)", set32, c.storeConditional(4)},
		{"lld", "110100 rs rt imm[15:0]", "rt, imm(rs)", set64, c.loadLinked(8)},
		{"scd", "111100 rs rt imm[15:0]", "rt, imm(rs)", set64, c.storeConditional(8)},
	}
}
