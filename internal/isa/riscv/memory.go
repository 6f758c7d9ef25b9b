package riscv

import "github.com/flexemu/flexemu/internal/ir"

// offset is the immediate of an access: signed in the base set, unsigned in compressed instructions.
func offset(f fields) value {
	if f.Uimm != (value{}) {
		return f.Uimm
	}
	return f.Imm
}

// effective is the address of an access; base nil means rs1.
func (c core) effective(b builder, f fields, base func(b builder) value) value {
	if base == nil {
		base = func(b builder) value { return f.Rs1 }
	}
	return c.address(b, b.Add(b.Reg(base(b)), offset(f)))
}

func sp(b builder) value { return b.Const(2) }

func whole(_ builder, v value) value  { return v }
func sext8(b builder, v value) value  { return b.Sext8(v) }
func sext16(b builder, v value) value { return b.Sext16(v) }
func sext32(b builder, v value) value { return b.Sext32(v) }

// load may be misaligned; the base machine carries it out.
func (c core) load(size uint8, extend func(b builder, v value) value, base func(b builder) value) func(builder, fields) {
	return func(b builder, f fields) {
		b.SetReg(f.Rd, extend(b, b.Load(c.effective(b, f, base), size)))
	}
}

func (c core) store(size uint8, base func(b builder) value) func(builder, fields) {
	return func(b builder, f fields) {
		b.Store(c.effective(b, f, base), size, b.Reg(f.Rs2))
	}
}

func (c core) memory() []row {
	load := func(funct3 string) string { return "imm[11:0] rs1 " + funct3 + " rd 0000011" }
	store := func(funct3 string) string { return "imm[11:5] rs2 rs1 " + funct3 + " imm[4:0] 0100011" }
	return []row{
		{"lb", load("000"), "rd, imm(rs1)", "I", c.load(1, sext8, nil)},
		{"lh", load("001"), "rd, imm(rs1)", "I", c.load(2, sext16, nil)},
		{"lw", load("010"), "rd, imm(rs1)", "I", c.load(4, sext32, nil)},
		{"lbu", load("100"), "rd, imm(rs1)", "I", c.load(1, whole, nil)},
		{"lhu", load("101"), "rd, imm(rs1)", "I", c.load(2, whole, nil)},
		{"lwu", load("110"), "rd, imm(rs1)", "RV64I", c.load(4, whole, nil)},
		{"ld", load("011"), "rd, imm(rs1)", "RV64I", c.load(8, whole, nil)},
		{"sb", store("000"), "rs2, imm(rs1)", "I", c.store(1, nil)},
		{"sh", store("001"), "rs2, imm(rs1)", "I", c.store(2, nil)},
		{"sw", store("010"), "rs2, imm(rs1)", "I", c.store(4, nil)},
		{"sd", store("011"), "rs2, imm(rs1)", "RV64I", c.store(8, nil)},
	}
}

// aligned traps unless an atomic access is aligned.
func aligned(b builder, addr value, size uint8) {
	b.If(b.AndI(addr, uint64(size-1)), func() { b.Trap(ir.Fault) })
}

// atomicAddress is the address in rs1, checked.
func (c core) atomicAddress(b builder, f fields, size uint8) value {
	addr := c.unsigned(b, b.Reg(f.Rs1))
	aligned(b, addr, size)
	return addr
}

func extend(b builder, v value, size uint8) value {
	if size == 4 {
		return b.Sext32(v)
	}
	return v
}

func (c core) loadReserved(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		addr := c.atomicAddress(b, f, size)
		v := extend(b, b.Load(addr, size), size)
		b.Set(ir.ReservationStatus, b.Const(uint64(size/4)))
		b.Set(ir.ReservationAddress, addr)
		b.Set(ir.ReservationOwner, b.Get(ir.ThreadID))
		b.SetReg(f.Rd, v)
	}
}

// storeConditional drops the reservation whether it succeeds or not.
func (c core) storeConditional(size uint8) func(builder, fields) {
	return func(b builder, f fields) {
		addr := c.atomicAddress(b, f, size)
		v := b.Reg(f.Rs2)
		held := b.And(b.And(
			b.Eq(b.Get(ir.ReservationStatus), b.Const(uint64(size/4))),
			b.Eq(b.Get(ir.ReservationAddress), addr)),
			b.Eq(b.Get(ir.ReservationOwner), b.Get(ir.ThreadID)))
		b.If(held, func() { b.Store(addr, size, v) })
		for _, cell := range []ir.Cell{ir.ReservationStatus, ir.ReservationAddress, ir.ReservationOwner} {
			b.Set(cell, b.Const(0))
		}
		b.SetReg(f.Rd, b.Xor(held, b.Const(1)))
	}
}

// modify is an atomic operation on memory: rd gets the old value.
func (c core) modify(size uint8, op binary) func(builder, fields) {
	return func(b builder, f fields) {
		addr := c.atomicAddress(b, f, size)
		v := extend(b, b.Reg(f.Rs2), size)
		old := extend(b, b.Load(addr, size), size)
		b.Store(addr, size, op(b, old, v))
		b.SetReg(f.Rd, old)
	}
}

func plus(b builder, x, y value) value   { return b.Add(x, y) }
func second(_ builder, _, y value) value { return y }
func minS(b builder, x, y value) value   { return b.Select(b.LtS(x, y), x, y) }
func maxS(b builder, x, y value) value   { return b.Select(b.LtS(x, y), y, x) }
func minU(b builder, x, y value) value   { return b.Select(b.LtU(x, y), x, y) }
func maxU(b builder, x, y value) value   { return b.Select(b.LtU(x, y), y, x) }

func (c core) atomics() []row {
	var rows []row
	for _, width := range []struct {
		suffix, funct3, set string
		size                uint8
	}{{".w", "010", "A", 4}, {".d", "011", "RV64A", 8}} {
		picture := func(funct5, rs2 string) string {
			return funct5 + " aqrl:2 " + rs2 + " rs1 " + width.funct3 + " rd 0101111"
		}
		rows = append(rows,
			row{"lr" + width.suffix, picture("00010", "00000"), "rd, (rs1)", width.set, c.loadReserved(width.size)},
			row{"sc" + width.suffix, picture("00011", "rs2"), "rd, rs2, (rs1)", width.set, c.storeConditional(width.size)})
		for _, amo := range []struct {
			name, funct5 string
			op           binary
		}{
			// Signed and unsigned order of sign-extended words is that of the words.
			{"amoswap", "00001", second},
			{"amoadd", "00000", plus},
			{"amoxor", "00100", xor},
			{"amoand", "01100", and},
			{"amoor", "01000", or},
			{"amomin", "10000", minS},
			{"amomax", "10100", maxS},
			{"amominu", "11000", minU},
			{"amomaxu", "11100", maxU},
		} {
			rows = append(rows, row{amo.name + width.suffix, picture(amo.funct5, "rs2"), "rd, rs2, (rs1)", width.set, c.modify(width.size, amo.op)})
		}
	}
	return rows
}
