package lirtest

import (
	"slices"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
)

// shrink makes a world that fails smaller, as long as it fails.
func shrink(w *world, fails func(*world) bool) {
	for smaller := fails(w); smaller; {
		smaller = false
		for _, r := range w.regions {
			for _, b := range r.Blocks {
				smaller = shrinkBlock(w, r, b, fails) || smaller
			}
		}
	}
	fails(w)
}

func shrinkBlock(w *world, r *lir.Region, b *lir.Block, fails func(*world) bool) (smaller bool) {
	attempt := func(change, back func()) {
		change()
		if valid(b) && fails(w) {
			smaller = true
		} else {
			back()
		}
	}
	if b.Term.Kind != lir.Goto || b.Term.To != outside(b) {
		term := b.Term
		attempt(func() { b.Term = lir.Term{Kind: lir.Goto, To: outside(b)} }, func() { b.Term = term })
	}
	for size := max(len(b.Ins)/2, 1); size >= 1; size /= 2 {
		for n := len(b.Ins) - size; n >= 0; n -= size {
			list := b.Ins
			attempt(func() { b.Ins = slices.Delete(slices.Clone(b.Ins), n, n+size) }, func() { b.Ins = list })
			n = min(n, len(b.Ins))
		}
	}
	for n := range b.Ins {
		i := b.Ins[n]
		plain := lir.Ins{Op: lir.Mov, D: i.D, A: lir.Const(0)}
		if i.D.Kind != lir.None && i != plain && i.Op != lir.Guard {
			attempt(func() { b.Ins[n] = plain }, func() { b.Ins[n] = i })
		}
	}
	if n := len(r.Mapped); n > 0 && w.maps == nil {
		mapped := r.Mapped
		attempt(func() { r.Mapped = mapped[:n-1] }, func() { r.Mapped = mapped })
	}
	return smaller
}

// outside is the edge of blocks that end at once.
func outside(b *lir.Block) lir.Edge { return lir.Edge{PC: b.PC, Next: b.Next, Block: lir.Outside} }

// valid tells whether no temporary of a block is read before it is written, on any way, and all labels are there.
func valid(b *lir.Block) bool {
	written := make([]bool, b.Temps)
	arriving := make([][]bool, b.Labels) // at labels; nil: nobody yet
	bound := make([]bool, b.Labels)
	good := true
	read := func(o lir.Operand) {
		good = good && (o.Kind != lir.Temp || written[o.Temp])
	}
	meet := func(label int32) {
		if arriving[label] == nil {
			arriving[label] = slices.Clone(written)
			return
		}
		for t := range written {
			arriving[label][t] = arriving[label][t] && written[t]
		}
	}
	for n := range b.Ins {
		i := &b.Ins[n]
		b.Reads(i, read)
		switch i.Op {
		case lir.JumpIf:
			meet(i.Label)
		case lir.Jump:
			meet(i.Label)
			for t := range written {
				written[t] = true // nobody comes here
			}
		case lir.Label:
			meet(i.Label)
			written, bound[i.Label] = arriving[i.Label], true
		}
		for _, d := range [2]lir.Operand{i.D, i.E} {
			if d.Kind == lir.Temp {
				written[d.Temp] = true
			}
		}
	}
	read(b.Term.Target)
	read(b.Term.Test.A)
	read(b.Term.Test.B)
	for label, jumps := range arriving {
		good = good && (jumps == nil || bound[label])
	}
	return good
}
