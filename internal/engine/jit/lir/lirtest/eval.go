package lirtest

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// A start is the state in which code is entered, and where.
type start struct {
	place
	cells    [ir.NumCells]uint64
	budget   int64
	states   map[uint64]byte // of pages; the others' are 0
	reserved uint64          // the page that has the bit Reserved, if there is one: its address
	marked   bool            // there is one
	misses   uint32          // how many accesses may be in other segments
}

// An outcome is how code was left.
type outcome struct {
	kind uint64   // lir.Left…
	site lir.Site // LeftSite, LeftBudget
	edge lir.Edge // LeftEdge
	left int64    // of the budget
}

// A reference executes lir by its definition. Where code may leave for the engine but need not, it does what the
// code has done.
type reference struct {
	*world
	cells    [ir.NumCells]uint64
	temps    []uint64
	budget   int64
	fault    uint64 // address
	faulted  bool   // the code was left for an access
	pages    map[uint64]*[pageSize]byte
	patterns map[uint64]*[pageSize]byte
	states   map[uint64]byte
	reserved uint64 // offset in the context
	did      outcome
}

// run executes the world from the start on.
func (m *reference) run(p place) outcome {
	for {
		r := m.regions[p.region]
		b := r.Blocks[p.block]
		if m.budget -= int64(b.Steps); m.budget < 0 {
			return outcome{kind: lir.LeftBudget, site: b.Start(m.delay), left: m.budget}
		}
		m.temps = make([]uint64, b.Temps)
		if site, ok := m.block(b); !ok {
			return outcome{kind: lir.LeftSite, site: *site, left: m.budget}
		}
		var e lir.Edge
		switch t := &b.Term; t.Kind {
		case lir.Goto:
			e = t.To
		case lir.Branch:
			e = t.Else
			if m.holds(t.Test) {
				e = t.To
			}
		case lir.Indirect:
			next, ok := m.indirect(p, t)
			if !ok {
				return outcome{kind: lir.LeftJump, left: m.budget}
			}
			p = next
			continue
		}
		if e.Block != lir.Outside {
			p.block = int(e.Block)
			continue
		}
		next, ok := m.links[e]
		if !ok {
			return outcome{kind: lir.LeftEdge, edge: e, left: m.budget}
		}
		p = next
	}
}

func (m *reference) setPC(pc, next uint64) {
	m.cells[ir.PC] = pc
	if m.delay {
		m.cells[ir.NextPC] = next
	}
}

func (m *reference) indirect(p place, t *lir.Term) (place, bool) {
	pc := m.wrap(m.value(t.Target))
	for _, e := range t.Guesses {
		if e.PC == pc {
			return place{p.region, int(e.Block)}, true
		}
	}
	if j, ok := m.jumps[m.index(pc)]; ok && j.pc == pc {
		return j.to, true
	}
	m.setPC(pc, m.wrap(pc+4))
	return place{}, false
}

// block executes the operations of a block, and gives the site if it is left there.
func (m *reference) block(b *lir.Block) (left *lir.Site, ok bool) {
	for n := 0; n < len(b.Ins); n++ {
		i := &b.Ins[n]
		jumps := false
		switch i.Op {
		case lir.Load, lir.Store, lir.Guard:
			addr := m.address(i)
			if i.Via.Kind == lir.None && m.leaves(i, &b.Sites[i.Site], addr) {
				m.fault, m.faulted = addr, true
				return m.leave(&b.Sites[i.Site]), false
			}
			switch i.Op {
			case lir.Load:
				m.set(i.D, m.load(i, addr))
			case lir.Store:
				m.store(i, addr)
			}
		case lir.Reserve:
			m.reserve(m.address(i) >> pageBits)
		case lir.ExitIf:
			if m.holds(i.Test) {
				return m.leave(&b.Sites[i.Site]), false
			}
		case lir.JumpIf:
			jumps = m.holds(i.Test)
		case lir.Jump:
			jumps = true
		case lir.Label:
		case lir.DivU, lir.DivS:
			m.divide(i)
		default:
			m.set(i.D, m.result(i))
		}
		if jumps {
			n = slices.IndexFunc(b.Ins, func(l lir.Ins) bool { return l.Op == lir.Label && l.Label == i.Label })
		}
	}
	return nil, true
}

// leave does what code does at a site: it sets a next pc that depends on values.
func (m *reference) leave(s *lir.Site) *lir.Site {
	switch n := &s.Next; n.Kind {
	case lir.NextTest:
		m.cells[ir.NextPC] = n.Else
		if m.holds(n.Test) {
			m.cells[ir.NextPC] = n.PC
		}
	case lir.NextValue:
		m.cells[ir.NextPC] = m.wrap(m.value(n.Reg))
	}
	return s
}

func (m *reference) value(o lir.Operand) uint64 {
	switch o.Kind {
	case lir.Imm:
		return o.Imm
	case lir.Cell:
		return m.cells[o.Cell]
	case lir.Temp:
		return m.temps[o.Temp]
	}
	panic("lirtest: an operation lacks an operand")
}

func (m *reference) set(o lir.Operand, v uint64) {
	switch o.Kind {
	case lir.Cell:
		m.cells[o.Cell] = v
	case lir.Temp:
		m.temps[o.Temp] = v
	case lir.Imm:
		panic("lirtest: a constant is assigned")
	}
}

func (m *reference) holds(t lir.Test) bool { return t.Cond.Holds(t.W, m.value(t.A), m.value(t.B)) }

// extended is a result of an operation: its width says what is above the lower half.
func extended(i *lir.Ins, v uint64) uint64 {
	switch {
	case i.W == lir.W64:
		return v
	case i.Sign:
		return uint64(int32(v))
	}
	return uint64(uint32(v))
}

func (m *reference) divide(i *lir.Ins) {
	a, b := m.value(i.A), m.value(i.B)
	signed := i.Op == lir.DivS
	if i.W == lir.W32 {
		if signed {
			a, b = uint64(int32(a)), uint64(int32(b))
		} else {
			a, b = uint64(uint32(a)), uint64(uint32(b))
		}
	}
	q, r := uint64(0), uint64(0)
	switch {
	case b == 0:
	case signed:
		q, r = uint64(int64(a)/int64(b)), uint64(int64(a)%int64(b))
	default:
		q, r = a/b, a%b
	}
	m.set(i.D, extended(i, q))
	m.set(i.E, extended(i, r))
}

// result computes the operations with one result that depends on values only.
func (m *reference) result(i *lir.Ins) uint64 {
	switch i.Op {
	case lir.SetIf:
		if m.holds(i.Test) {
			return 1
		}
		return 0
	case lir.Select:
		if m.holds(i.Test) {
			return extended(i, m.value(i.A))
		}
		return extended(i, m.value(i.B))
	}
	a, b := m.value(i.A), uint64(0)
	if binary2(i.Op) {
		b = m.value(i.B)
	}
	switch i.Op {
	case lir.Sext8:
		return uint64(int8(a))
	case lir.Sext16:
		return uint64(int16(a))
	case lir.Sext32:
		return uint64(int32(a))
	case lir.Zext8:
		return uint64(uint8(a))
	case lir.Zext16:
		return uint64(uint16(a))
	case lir.Zext32:
		return uint64(uint32(a))
	}
	b <<= i.By
	if i.W == lir.W32 {
		return extended(i, uint64(compute32(i.Op, uint32(a), uint32(b))))
	}
	return compute64(i.Op, a, b)
}

// binary2 tells whether an operation has two operands and no test.
func binary2(op lir.Op) bool { return op >= lir.Add && op <= lir.DivS }

func compute32(op lir.Op, a, b uint32) uint32 {
	switch op {
	case lir.Mov:
		return a
	case lir.Add:
		return a + b
	case lir.Sub:
		return a - b
	case lir.And:
		return a & b
	case lir.Or:
		return a | b
	case lir.Xor:
		return a ^ b
	case lir.Shl:
		return a << (b & 31)
	case lir.ShrU:
		return a >> (b & 31)
	case lir.ShrS:
		return uint32(int32(a) >> (b & 31))
	case lir.RotR:
		return bits.RotateLeft32(a, -int(b&31))
	case lir.RotL:
		return bits.RotateLeft32(a, int(b&31))
	case lir.Mul:
		return a * b
	case lir.Clz:
		return uint32(bits.LeadingZeros32(a))
	case lir.Ctz:
		return uint32(bits.TrailingZeros32(a))
	case lir.Popc:
		return uint32(bits.OnesCount32(a))
	case lir.Bswap:
		return bits.ReverseBytes32(a)
	}
	panic("lirtest: there is no such operation of 32 bits: " + op.String())
}

func compute64(op lir.Op, a, b uint64) uint64 {
	switch op {
	case lir.Mov:
		return a
	case lir.Add:
		return a + b
	case lir.Sub:
		return a - b
	case lir.And:
		return a & b
	case lir.Or:
		return a | b
	case lir.Xor:
		return a ^ b
	case lir.Shl:
		return a << (b & 63)
	case lir.ShrU:
		return a >> (b & 63)
	case lir.ShrS:
		return uint64(int64(a) >> (b & 63))
	case lir.RotR:
		return bits.RotateLeft64(a, -int(b&63))
	case lir.RotL:
		return bits.RotateLeft64(a, int(b&63))
	case lir.Mul:
		return a * b
	case lir.MulHighU, lir.MulHighS, lir.MulHighSU:
		high, _ := bits.Mul64(a, b)
		if op != lir.MulHighU && int64(a) < 0 {
			high -= b
		}
		if op == lir.MulHighS && int64(b) < 0 {
			high -= a
		}
		return high
	case lir.Clz:
		return uint64(bits.LeadingZeros64(a))
	case lir.Ctz:
		return uint64(bits.TrailingZeros64(a))
	case lir.Popc:
		return uint64(bits.OnesCount64(a))
	case lir.Bswap:
		return bits.ReverseBytes64(a)
	}
	panic("lirtest: there is no such operation: " + op.String())
}

func (m *reference) address(i *lir.Ins) uint64 {
	addr := m.wrap(m.value(i.A) + uint64(int64(i.Off)))
	if i.Round {
		addr &^= uint64(i.Size) - 1
	}
	return addr
}

// leaves tells whether an access, or those that a guard is for, are left to the engine.
func (m *reference) leaves(i *lir.Ins, s *lir.Site, addr uint64) bool {
	how := m.access
	if i.Op == lir.Guard {
		how = m.guard
	}
	must, may := how(i, addr)
	may = may || i.Aligned && (m.value(i.A)+uint64(int64(i.Off)))&uint64(i.Size-1) != 0
	return must || may && m.did.kind == lir.LeftSite && m.did.site == *s && m.did.left == m.budget
}

// nearEnd tells whether an access is so close to the end of a segment that it need not be found.
func nearEnd(addr uint64) bool { return uint32(addr) >= segmentSize-pageSize }

// guard tells whether a guard has to leave, and whether it may.
func (m *reference) guard(i *lir.Ins, addr uint64) (must, may bool) {
	base := m.wrap(m.value(i.A))
	from, to := area(addr, m.narrow), area(addr+uint64(i.Span)-1, m.narrow)
	if from < 0 || from != to || base&uint64(i.Size-1) != 0 {
		return true, true
	}
	may = from != expected(i.Seg) || nearEnd(addr)
	if i.StoreSpan == 0 {
		return false, may
	}
	first := m.wrap(base + uint64(int64(i.StoreOff)))
	last := first + uint64(i.StoreSpan) - 1
	for _, p := range [2]uint64{first >> pageBits, last >> pageBits} {
		must = must || m.states[p]&lir.Plain == 0
		if m.states[p]&lir.Reserved != 0 {
			may = true
			line := m.cells[ir.ReservationAddress] &^ 7
			must = must || m.cells[ir.ReservationStatus] != 0 && first&^7 <= line && line <= last
		}
	}
	return must, may
}

// access is guard for loads and stores.
func (m *reference) access(i *lir.Ins, addr uint64) (must, may bool) {
	last := addr + uint64(i.Size) - 1
	from, to := area(addr, m.narrow), area(last, m.narrow)
	if from < 0 || from != to {
		return true, true
	}
	may = from != expected(i.Seg) || nearEnd(addr)
	if i.Op == lir.Store {
		pages := [...]uint64{addr >> pageBits, last >> pageBits}
		misaligned := addr&uint64(i.Size-1) != 0
		for _, p := range pages {
			if m.states[p]&lir.Plain == 0 || misaligned && m.states[p]&lir.Reserved != 0 {
				return true, true
			}
		}
		may = may || pages[0] != pages[1]
	}
	return false, may
}

func (m *reference) byte(addr uint64) byte {
	if p := m.pages[addr>>pageBits]; p != nil {
		return p[addr%pageSize]
	}
	if p := m.patterns[addr>>pageBits]; p != nil {
		return p[addr%pageSize]
	}
	return 0
}

func (m *reference) load(i *lir.Ins, addr uint64) uint64 {
	var raw [8]byte
	for n := range i.Size {
		at := n
		if i.Big {
			at = i.Size - 1 - n
		}
		raw[at] = m.byte(addr + uint64(n))
	}
	v := binary.LittleEndian.Uint64(raw[:])
	if i.Sign {
		v = uint64(int64(v<<(64-8*i.Size)) >> (64 - 8*i.Size))
	}
	if i.W == lir.W32 {
		v = uint64(uint32(v))
	}
	return v
}

func (m *reference) store(i *lir.Ins, addr uint64) {
	page := addr >> pageBits
	if m.states[page]&lir.Reserved != 0 && m.cells[ir.ReservationStatus] != 0 && (addr^m.cells[ir.ReservationAddress])>>3 == 0 {
		m.cells[ir.ReservationStatus], m.cells[ir.ReservationAddress], m.cells[ir.ReservationOwner] = 0, 0, 0
		m.states[page] = lir.Plain
		m.reserved = 0
	}
	v := m.value(i.B)
	for n := range i.Size {
		shift := 8 * n
		if i.Big {
			shift = 8 * (i.Size - 1 - n)
		}
		a := addr + uint64(n)
		p := m.pages[a>>pageBits]
		if p == nil {
			p = new(*m.patterns[a>>pageBits])
			m.pages[a>>pageBits] = p
		}
		p[a%pageSize] = byte(v >> shift)
	}
}

func (m *reference) reserve(page uint64) {
	for p := range m.states {
		if stateOffset(p) == m.reserved {
			m.states[p] &^= lir.Reserved
		}
	}
	m.states[page] |= lir.Reserved
	m.reserved = stateOffset(page)
}
