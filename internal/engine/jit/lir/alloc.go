package lir

// Spilled is what Place gives for a temporary that has no register: Spilled + n is slot number n.
const Spilled = 1 << 16

// A Placer assigns registers. It keeps its memory from block to block.
type Placer struct {
	place  []int
	last   []int
	holder []int32 // of each place in use: registers, then slots
	planner
}

// Place assigns registers to a block's temporaries: numbers 0 … registers-1, or slots in memory, from Spilled on,
// when there are more of them alive at once. Temporaries are written once or more, but never read before.
// slots is the number of slots. The result is the placer's, until the next call.
func (p *Placer) Place(b *Block, registers int) (place []int, slots int) {
	p.place, p.last = p.place[:0], p.last[:0]
	for range b.Temps {
		p.place, p.last = append(p.place, -1), append(p.last, 0)
	}
	place = p.place
	last := p.last
	use := func(at int) func(Operand) {
		return func(o Operand) {
			if o.Kind == Temp {
				last[o.Temp] = at
			}
		}
	}
	for at := range b.Ins {
		i := &b.Ins[at]
		b.Reads(i, use(at))
		use(at)(i.D)
		use(at)(i.E)
	}
	end := use(len(b.Ins))
	end(b.Term.Target)
	end(b.Term.Test.A)
	end(b.Term.Test.B)
	holder := p.holder[:0]
	for range registers {
		holder = append(holder, -1)
	}
	for at := range b.Ins {
		i := &b.Ins[at]
		for _, d := range [2]Operand{i.D, i.E} {
			if d.Kind != Temp || place[d.Temp] >= 0 {
				continue
			}
			n := 0
			// A place whose temporary is read last by this very operation is not free yet: a result may be
			// written before all operands are read.
			for n < len(holder) && holder[n] >= 0 && last[holder[n]] >= at {
				n++
			}
			if n == len(holder) {
				holder = append(holder, -1)
			}
			holder[n] = d.Temp
			place[d.Temp] = n
			if n >= registers {
				place[d.Temp] = Spilled + n - registers
			}
		}
	}
	p.holder = holder
	return place, len(holder) - registers
}

// Layout gives the numbers of the blocks in an order so that most of them are followed by the one that they go on with.
func (r *Region) Layout() []int {
	placed := make([]bool, len(r.Blocks))
	var order []int
	for start := range r.Blocks {
		for b := int32(start); b != Outside && !placed[b]; {
			placed[b] = true
			order = append(order, int(b))
			switch t := &r.Blocks[b].Term; t.Kind {
			case Goto:
				b = t.To.Block
			case Branch:
				b = t.Else.Block
				if b == Outside || placed[b] {
					b = t.To.Block
				}
			default:
				b = Outside
			}
		}
	}
	return order
}
