package jit

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"

	"github.com/flexemu/flexemu/internal/isa"
)

const (
	heatEntries = 1 << 16
	// usualThreshold is how many visits make the block at a pc worth compiling. Compiling takes as long as interp takes
	// for about a thousand times the instructions.
	usualThreshold = 256
	// patience is how many blocks are executed one by one, after generated code was left, in the hope to come back to it.
	patience = 32
	// returnWeight is what a visit straight from generated code counts more: leaving it is expensive.
	returnWeight = 7
	// stretch is how many instructions are executed at a time without that hope.
	stretch = 256
	// weight is how many visits one that ends a stretch stands for.
	weight = stretch / 8
	// look is how many blocks are executed one by one, to see which they are, before something is compiled.
	look = 256
)

// heat finds what is executed often.
type heat struct {
	isa   *isa.ISA
	jumps []bool // by row
	// threshold is how many visits make a block worth compiling; a sixteenth of it, with others.
	threshold uint32
	entries   [heatEntries]visits
	wait      int       // blocks to be executed one by one
	recent    []glimpse // while looking
	began     uint64    // how many instructions had been executed when it began to look
	looking   bool      // at what is executed, into recent
	aligned   bool
	shift     uint   // of addresses, to be without the bits that are 0 in all
	version   uint32 // changes when all code is dropped
}

// A glimpse is what is seen at the beginning of a block.
type glimpse struct {
	pc       uint64
	native   bool      // generated code was executed before it
	segments [32]uint8 // that the general registers point to
}

type visits struct {
	pc      uint64
	count   uint32
	span    uint16  // instructions up to the next block; 0: not known
	looked  bool    // what is executed after it has been looked at
	asked   bool    // code for it is on its way
	odd     uint32  // version of heat for which there is no code, as pc begins with what only interp can do
	version uint32  // of heat, if code is right
	code    uintptr // for pc; 0 if there is none
}

var jumpRows sync.Map // *isa.ISA to []bool

func (h *heat) init(i *isa.ISA) {
	h.isa, h.threshold, h.version, h.shift = i, usualThreshold, 1, uint(bits.TrailingZeros64(i.Align))
	rows, ok := jumpRows.Load(i)
	if !ok {
		jumps := make([]bool, len(i.Rows))
		for r := range jumps {
			jumps[r] = i.Jumps(r)
		}
		rows, _ = jumpRows.LoadOrStore(i, jumps)
	}
	h.jumps = rows.([]bool)
}

func (h *heat) at(pc uint64) *visits {
	v := &h.entries[h.slotOf(pc)]
	if v.pc != pc {
		*v = visits{pc: pc}
	}
	return v
}

// found notes the code for a pc, or that there is none any more.
func (h *heat) found(pc uint64, code uintptr) {
	if v := &h.entries[h.slotOf(pc)]; v.pc == pc {
		v.code, v.version = code, h.version
	}
}

// visit counts that the block at pc is about to be executed, and tells whether it should be compiled.
func (h *heat) visit(e *Engine, pc uint64) bool {
	v := h.at(pc)
	if h.wait > 0 {
		v.count++
		if h.wait == patience {
			v.count += returnWeight
		}
		if h.looking && len(h.recent) < look {
			g := e.glimpse(pc)
			g.native = h.wait == patience
			h.recent = append(h.recent, g)
		}
	} else {
		v.count += weight
	}
	if v.count < h.threshold {
		return false
	}
	if !v.looked || !h.looking {
		v.looked, h.looking = true, true
		v.count, h.wait = h.threshold-h.threshold/4, look
		h.recent, h.began = h.recent[:0], e.done
		return false
	}
	if len(h.recent) < look/2 { // another block began to look a moment ago
		if h.wait == 0 {
			h.wait = look
		}
		return false
	}
	v.count, v.looked, h.looking = 1, false, false
	return true
}

// hot gives the warm blocks among those that were executed since something was last found to be worth compiling, those
// that were executed most first.
func (h *heat) hot() []uint64 {
	type block struct {
		pc    uint64
		count int
	}
	var blocks []block
	index := map[uint64]int{}
	for _, g := range h.recent {
		n, ok := index[g.pc]
		if !ok {
			n = len(blocks)
			index[g.pc] = n
			blocks = append(blocks, block{pc: g.pc})
		}
		blocks[n].count++
	}
	slices.SortStableFunc(blocks, func(a, b block) int { return cmp.Compare(b.count, a.count) })
	var list []uint64
	for _, b := range blocks {
		if v := h.at(b.pc); v.looked || v.count >= h.threshold/16 {
			list = append(list, b.pc)
		}
	}
	return list
}

func (h *heat) slotOf(pc uint64) uint64 {
	pc >>= h.shift
	return (pc ^ pc>>16) % heatEntries
}

// begins tells whether the present pc is known to be the beginning of a block.
func (h *heat) begins() bool { return h.wait > 0 || h.aligned }

// span gives how many instructions interp should execute: those up to the next block, or many when generated code is far.
func (h *heat) span(e *Engine, pc uint64) uint64 {
	if !e.normal() {
		return 1
	}
	if h.wait > 0 || !h.aligned {
		h.wait = max(h.wait-1, 0)
		h.aligned = true
		v := h.at(pc)
		if v.span == 0 {
			v.span = h.measure(e, pc)
		}
		return uint64(v.span)
	}
	h.aligned = false
	return stretch
}

// known gives the number of instructions of the block at pc, or 0 if it is not known.
func (h *heat) known(pc uint64) uint64 {
	if v := &h.entries[h.slotOf(pc)]; v.pc == pc {
		return uint64(v.span)
	}
	return 0
}

// measure counts the instructions from pc up to a jump and its delay slot.
func (h *heat) measure(e *Engine, pc uint64) uint16 {
	for n := uint16(1); ; n++ {
		w := h.word(e, pc)
		row, ok := h.isa.Decode(w)
		if !ok {
			return n
		}
		if h.jumps[row] {
			if e.delay {
				n++
			}
			return n
		}
		size := h.isa.Size(w)
		if (pc+size)/blockSize != pc/blockSize {
			return n
		}
		pc += size
	}
}

// word gives the four bytes at pc. No recorder is told: the instruction that is being executed need not read them.
func (h *heat) word(e *Engine, pc uint64) uint32 {
	var b [4]byte
	e.m.Peek(e.m.Wrap(pc), b[:])
	if h.isa.Big {
		return binary.BigEndian.Uint32(b[:])
	}
	return binary.LittleEndian.Uint32(b[:])
}
