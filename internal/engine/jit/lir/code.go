package lir

import "github.com/flexemu/flexemu/internal/ir"

// Generated code and the engine meet in the context, a piece of memory that a register of the host points to all the
// time. Offsets into it are below; the bytes of guest memory and the states of pages follow it: see machine.Flat.
//
// What is read often must not agree with a cell in the lowest 12 bits of its offset: processors take a load for one of
// what a store a moment ago has written if these bits are the same, and wait.
const (
	// Cells are 8 bytes each, by number. In a narrow region the upper halves of those with 32 bits do not count.
	CellsAt = 0
	// FaultAt is the guest address of the access that the code was left for.
	FaultAt = 0x800
	// ReservedAt is the offset, in the context, of the state byte that has the bit Reserved; 0 if none has.
	ReservedAt = 0x808
	// LimitAt holds the guest address below which all 4096 bytes are within the low segments.
	LimitAt = 0x810
	// MissesAt counts down, in 32 bits, the accesses that were not in the expected segment. When it becomes negative
	// the code is left at such an access.
	MissesAt = 0x818
	// ScratchAt is for the backend: 8 words.
	ScratchAt = 0x840
	// BiasAt is a table: what is to be added to a guest address of each segment to give the host's address.
	BiasAt = 0x1400
	// HostAt is a table: the host's addresses of the first bytes of the segments.
	HostAt = 0x1a00
	// ReachAt holds 2^32 - 4096: the 4096 bytes from a place below it on are within a segment.
	ReachAt = 0x820
	// FilledAt is for the engine: not 0 once the tables of indirect jumps have had entries.
	FilledAt = 0x828
	// SegmentsAt is a direct-mapped table of the segments, SegmentEntries of 32 bytes each, by h ^ h>>8 of the upper half h of
	// their addresses: h + 1, or 0; what BiasAt has; the offset of their table of page states from the context.
	SegmentsAt     = 0x4000
	SegmentEntries = 256
	// SpillAt are the slots of temporaries without register, 8 bytes each.
	SpillAt = 0x2400
	// MaxSpills is the number of those.
	MaxSpills = 512
	// SlotsAt are the addresses of code where edges that leave a region lead, 8 bytes each.
	SlotsAt  = 0x10000
	MaxSlots = 1 << 18
	// WarmAt are, with the same numbers as SlotsAt, the addresses of code where edges lead with the registers as they are:
	// to blocks of regions with the same map of cells to registers, or else to Slot.Cold.
	WarmAt = 0x400000
	// WarmJumpsAt is the table of indirect jumps for such blocks, JumpEntries of 32 bytes: pc, number of the map, address.
	WarmJumpsAt = 0x600000
	// JumpsAt is a direct-mapped table of entries for indirect jumps: 8 bytes of pc and 8 of the code's address, at
	// (pc / Align) mod JumpEntries.
	JumpsAt     = 0x300000
	JumpEntries = 1 << 16
)

// Bits of a page's state.
const (
	Plain    = 1 // may be stored to
	Reserved = 2 // holds a reservation
)

// Why code was left, in the upper two bits of the 32 that it returns; the others are a number.
const (
	LeftSite   = 0 << 30 // at the site of that number
	LeftEdge   = 1 << 30 // by the slot of that number, which leads nowhere yet
	LeftJump   = 2 << 30 // by an indirect jump to a pc that is not in the table; pc is set
	LeftBudget = 3 << 30 // at the site of that number: the budget, which was charged, does not suffice for the block that begins there
	LeftMask   = 3 << 30
)

// A Slot is an edge that leaves a region.
type Slot struct {
	Edge Edge
	Cold int // offset of the code that writes the registers back and goes on by SlotsAt; with Host.Warm
	Stub int // offset of the code that returns to the engine; slots may share it
}

// Code is a compiled region. It may be put anywhere.
type Code struct {
	Bytes   []byte
	Entries []int // by block: offset of its entry from outside; -1 if it has none
	Warm    []int // by block: offset of its beginning, where registers hold what they hold; with Host.Warm
	Slots   []Slot
	Sites   []Site
}

// Host is what a backend has to know of the machine that the code is for.
type Host struct {
	// First are the first guest addresses of the segments, each 4 GiB.
	First []uint64
	// LowSegments is the number of segments that lie one behind the other, with their tables of page states, as the guest's
	// addresses from 0 on do.
	LowSegments uint8
	// States and Low are the offsets, from the context, of the tables of page states (1 MiB for each segment)
	// and of the bytes of the segment number 0.
	States, Low int32
	// Warm asks for code that goes to other regions of the same map by way of WarmAt and WarmJumpsAt. Map is the number of
	// the map. All mapped cells are Dirty then.
	Warm bool
	Map  uint32
	// FirstSlot and FirstSite are the numbers of the region's first slot and site.
	FirstSlot, FirstSite int
}

// CellAt is the offset of a cell.
func CellAt(c ir.Cell) int32 { return CellsAt + 8*int32(c) }
