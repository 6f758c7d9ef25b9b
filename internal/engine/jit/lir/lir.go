// Package lir is the low-level ir between the compiler's front, which knows ir, and its backends, which know a host:
// straight lists of operations with a width, over the cells of the state, temporaries and constants.
//
// A Region is compiled as a whole: its blocks share one assignment of cells to host registers. Everything in a
// region is exact at the boundaries of guest instructions; where something unusual happens inside of one, the code
// leaves through a Site, before that instruction has had any effect.
package lir

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
)

// Width is the number of bits that an operation reads of its operands.
type Width uint8

// The widths. An operation of 32 bits clears the upper half of its result, or copies the sign into it if Ins.Sign is set.
const (
	W64 Width = iota
	W32
)

// Kind says what an operand is.
type Kind uint8

// The kinds of operands.
const (
	None Kind = iota
	Imm
	Cell
	Temp
)

// An Operand is a constant, a cell of the state or a temporary of the block. In a narrow region the general registers
// and lo and hi have 32 bits that count; what stands above them is arbitrary, so operations of 64 bits do not read them.
type Operand struct {
	Imm  uint64
	Temp int32 // 0 … Block.Temps-1
	Kind Kind
	Cell ir.Cell
}

// Const, CellOf and TempOf make operands.
func Const(v uint64) Operand   { return Operand{Kind: Imm, Imm: v} }
func CellOf(c ir.Cell) Operand { return Operand{Kind: Cell, Cell: c} }
func TempOf(n int32) Operand   { return Operand{Kind: Temp, Temp: n} }

// Is tells whether the operand is that cell.
func (o Operand) Is(c ir.Cell) bool { return o.Kind == Cell && o.Cell == c }

// Cond is a comparison of two operands.
type Cond uint8

// The comparisons. A condition's negation differs from it in the lowest bit.
const (
	EQ Cond = iota
	NE
	LtU
	GeU
	LtS
	GeS
)

// Not is the negation.
func (c Cond) Not() Cond { return c ^ 1 }

// Holds is the definition of a comparison.
func (c Cond) Holds(w Width, a, b uint64) bool {
	sa, sb := int64(a), int64(b)
	if w == W32 {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		sa, sb = int64(int32(a)), int64(int32(b))
	}
	switch c {
	case EQ:
		return a == b
	case NE:
		return a != b
	case LtU:
		return a < b
	case GeU:
		return a >= b
	case LtS:
		return sa < sb
	}
	return sa >= sb
}

// A Test is a condition with its operands.
type Test struct {
	Cond Cond
	W    Width
	A, B Operand
}

// Not is the negated test.
func (t Test) Not() Test {
	t.Cond = t.Cond.Not()
	return t
}

// Op is the operation of an Ins.
type Op uint8

// The operations. Amounts of shifts and rotations count modulo the width.
const (
	Mov Op = iota // D := A
	Add           // D := A + B << By
	Sub
	And
	Or
	Xor
	Shl
	ShrU
	ShrS
	RotR
	RotL
	Mul
	MulHighU  // W64
	MulHighS  // W64
	MulHighSU // W64
	DivU      // D := A / B, E := A mod B; either may be None. B = 0 gives 0 and 0.
	DivS      // the same; the lowest number / -1 gives itself and 0
	SetIf     // D := 1 if Test, else 0
	Select    // D := A if Test, else B
	Sext8     // D := the low 8 bits of A, with their sign in all 64 bits
	Sext16
	Sext32
	Zext8
	Zext16
	Zext32
	Clz // of Width bits
	Ctz
	Popc
	Bswap
	Load  // D := Size bytes at A + Off
	Store // the low Size bytes of B to A + Off; forgets a reservation of the same aligned 8 bytes
	// Guard leaves through Site unless the Span bytes at A + Off are in the segment Seg and A is a multiple of Size and
	// the pages of the StoreSpan bytes, up to a page, at A + StoreOff may be stored to. D := what accesses take for
	// Via.
	Guard
	Reserve // a reservation of the 8 bytes around A + Off begins: stores to it must be noticed
	ExitIf  // leaves through Site if Test
	JumpIf  // to Label if Test; labels lie behind their jumps, in the same block
	Jump    // to Label
	Label   // Label is here
)

var opNames = [...]string{
	"mov", "add", "sub", "and", "or", "xor", "shl", "shru", "shrs", "rotr", "rotl", "mul", "mulhu", "mulhs", "mulhsu", "divu", "divs",
	"setif", "select", "sext8", "sext16", "sext32", "zext8", "zext16", "zext32", "clz", "ctz", "popc", "bswap",
	"load", "store", "guard", "reserve", "exitif", "jumpif", "jump", "label",
}

func (o Op) String() string { return opNames[o] }

// An Ins is one operation.
type Ins struct {
	Op   Op
	W    Width
	Sign bool // W32: the result's sign goes into the upper half. Load: the value has a sign, which fills Width bits

	// Load, Store, Reserve.
	Size  uint8 // 1, 2, 4, 8
	Big   bool  // byte order
	Round bool  // the address is rounded down to a multiple of Size; else it may be any
	// Aligned says of one that is rounded that this is hardly ever needed: the code may leave through Site instead.
	Aligned bool
	Seg     uint8 // the segment of memory that the address is expected in: for others, the code leaves through Site
	Off     int32
	// Load, Store: the result of the Guard that has checked the access, if there is one.
	Via Operand
	By  uint8 // Add: 0 … 3
	// Guard.
	Span, StoreOff, StoreSpan int32

	D, E, A, B Operand
	Test       Test
	Site       int32 // ExitIf, Load, Store: index in Block.Sites
	Label      int32 // 0 … Block.Labels-1
}

// A Next is the value of next pc, in sets with delay slots, where it is not that of pc + 4.
type Next struct {
	Kind NextKind
	PC   uint64  // NextConst; NextTest if the test holds
	Else uint64  // NextTest if it does not
	Test Test    // NextTest
	Reg  Operand // NextValue: a 64-bit value, or 32 bits in a narrow region
}

// NextKind says which fields of a Next count.
type NextKind uint8

// The kinds of Next.
const (
	NextNone NextKind = iota // there is no next pc, or it is pc + 4
	NextConst
	NextTest
	NextValue
)

// A Site is a place where code may be left in the middle of a block, before one of its instructions.
type Site struct {
	PC   uint64 // of the instruction
	Left int32  // instructions of the block from this one on: they were counted at its beginning
	Next Next
	// Access says that the address of an access is at FaultAt, which was expected in the segment Seg; Guard that it is the
	// first address of a Guard.
	Access, Guard bool
	// Load says that the access, or all of the Guard's, are loads: the states of their pages do not matter.
	Load bool
	Seg  uint8
}

// Start is the site at the beginning of a block.
func (b *Block) Start(delay bool) Site {
	s := Site{PC: b.PC, Left: b.Steps}
	if delay && b.Next != b.PC+4 {
		s.Next = Next{Kind: NextConst, PC: b.Next}
	}
	return s
}

// StoreEnds are the offsets of the first and the last byte of a Guard's stores.
func (i *Ins) StoreEnds() [2]int32 { return [2]int32{i.StoreOff, i.StoreOff + i.StoreSpan - 1} }

// An Edge leads to a block.
type Edge struct {
	PC    uint64
	Next  uint64 // next pc, in regions with Delay
	Block int32  // index in Region.Blocks, or Outside
}

// Outside is the block of an edge that leaves the region.
const Outside = -1

// TermKind says how a block ends.
type TermKind uint8

// The ends of blocks.
const (
	Goto     TermKind = iota // To
	Branch                   // To if Test, else Else
	Indirect                 // the pc in Target, 64 bits (32 in a narrow region); it is one of Guesses most of the time
)

// A Term is the end of a block.
type Term struct {
	Kind     TermKind
	Test     Test
	To, Else Edge
	Target   Operand
	Guesses  []Edge // Indirect: blocks of this region
}

// A Block is a list of guest instructions that is entered at its beginning only.
type Block struct {
	PC     uint64
	Next   uint64 // next pc, in regions with Delay
	Steps  int32  // guest instructions
	Weight uint32
	Ins    []Ins
	Sites  []Site
	Term   Term
	Temps  int32
	Labels int32
	Origin ir.Cell // Indirect: the register that the target was read from
	Inner  bool    // is entered from blocks of the region only: there is a next pc that is not pc + 4
}

// A Region is what is compiled at a time.
type Region struct {
	Narrow bool // the guest has 32-bit registers and addresses
	Delay  bool // the guest has a next pc
	Align  uint64
	Blocks []*Block
	// Mapped are the cells that are used, the most used first: as many of them as the host has registers for
	// live in registers.
	Mapped []ir.Cell
	// Dirty are the cells that the region writes.
	Dirty map[ir.Cell]bool
}

func (o Operand) String() string {
	switch o.Kind {
	case Imm:
		return fmt.Sprintf("%#x", o.Imm)
	case Cell:
		return o.Cell.String()
	case Temp:
		return fmt.Sprintf("t%d", o.Temp)
	}
	return "_"
}

// Reads calls f for every operand that the operation reads, those of its site included.
func (b *Block) Reads(i *Ins, f func(Operand)) {
	f(i.A)
	f(i.B)
	f(i.Via)
	switch i.Op {
	case SetIf, Select, ExitIf, JumpIf:
		f(i.Test.A)
		f(i.Test.B)
	}
	switch i.Op {
	case ExitIf, Load, Store, Guard:
		n := &b.Sites[i.Site].Next
		f(n.Reg)
		f(n.Test.A)
		f(n.Test.B)
	}
}
