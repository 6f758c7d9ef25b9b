package lirtest

import (
	"fmt"
	"strings"

	"github.com/flexemu/flexemu/internal/engine/jit/lir"
	"github.com/flexemu/flexemu/internal/ir"
)

// String lists the regions of a world.
func (w *world) String() string {
	var s strings.Builder
	for n, r := range w.regions {
		fmt.Fprintf(&s, "region %d, narrow %v, delay %v, align %d, mapped %v\n", n, r.Narrow, r.Delay, r.Align, r.Mapped)
		for k, b := range r.Blocks {
			if t := &b.Term; len(b.Ins) == 0 && t.Kind == lir.Goto && t.To == outside(b) {
				continue
			}
			fmt.Fprintf(&s, " block %d at %#x, %#x, %d steps, inner %v\n", k, b.PC, b.Next, b.Steps, b.Inner)
			for i := range b.Ins {
				fmt.Fprintf(&s, "  %s\n", listing(b, &b.Ins[i]))
			}
			fmt.Fprintf(&s, "  %s\n", ending(&b.Term))
		}
	}
	if w.maps != nil {
		fmt.Fprintf(&s, "maps %d\n", w.maps)
	}
	for e, p := range w.links {
		fmt.Fprintf(&s, "link %#x, %#x: %v\n", e.PC, e.Next, p)
	}
	for _, j := range w.jumps {
		fmt.Fprintf(&s, "jump %#x: %v\n", j.pc, j.to)
	}
	return s.String()
}

func listing(b *lir.Block, i *lir.Ins) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%v%d", i.Op, map[lir.Width]int{lir.W32: 32, lir.W64: 64}[i.W])
	if i.Sign {
		s.WriteString(" signed")
	}
	if binary2(i.Op) || i.Op < lir.ExitIf {
		fmt.Fprintf(&s, " %v", i.D)
		if i.E.Kind != lir.None {
			fmt.Fprintf(&s, " %v", i.E)
		}
		fmt.Fprintf(&s, " := %v %v", i.A, i.B)
	}
	if i.By > 0 {
		fmt.Fprintf(&s, "<<%d", i.By)
	}
	switch i.Op {
	case lir.SetIf, lir.Select, lir.ExitIf, lir.JumpIf:
		fmt.Fprintf(&s, " if %v", text(i.Test))
	}
	switch i.Op {
	case lir.Guard:
		fmt.Fprintf(&s, " span %d, stores %#x, %d", i.Span, i.StoreOff, i.StoreSpan)
	case lir.Load, lir.Store:
		if i.Via.Kind != lir.None {
			fmt.Fprintf(&s, " via %v", i.Via)
		}
	}
	switch i.Op {
	case lir.Load, lir.Store, lir.Guard, lir.Reserve:
		fmt.Fprintf(&s, " size %d, big %v, round %v, aligned %v, segment %d, offset %#x", i.Size, i.Big, i.Round, i.Aligned, i.Seg, i.Off)
	case lir.JumpIf, lir.Jump, lir.Label:
		fmt.Fprintf(&s, " L%d", i.Label)
	}
	switch i.Op {
	case lir.Load, lir.Store, lir.Guard, lir.ExitIf:
		site := &b.Sites[i.Site]
		fmt.Fprintf(&s, " site %#x", site.PC)
		switch n := &site.Next; n.Kind {
		case lir.NextTest:
			fmt.Fprintf(&s, " next %#x if %v else %#x", n.PC, text(n.Test), n.Else)
		case lir.NextValue:
			fmt.Fprintf(&s, " next %v", n.Reg)
		}
	}
	return s.String()
}

func text(t lir.Test) string {
	name := [...]string{"==", "!=", "<u", ">=u", "<s", ">=s"}[t.Cond]
	return fmt.Sprintf("%v %s%d %v", t.A, name, map[lir.Width]int{lir.W32: 32, lir.W64: 64}[t.W], t.B)
}

func ending(t *lir.Term) string {
	edge := func(e lir.Edge) string { return fmt.Sprintf("%d (%#x, %#x)", e.Block, e.PC, e.Next) }
	switch t.Kind {
	case lir.Goto:
		return "goto " + edge(t.To)
	case lir.Branch:
		return fmt.Sprintf("branch if %v to %s, else %s", text(t.Test), edge(t.To), edge(t.Else))
	}
	s := fmt.Sprintf("indirect to %v", t.Target)
	for _, e := range t.Guesses {
		s += ", perhaps " + edge(e)
	}
	return s
}

// used tells whether a world mentions a cell.
func used(w *world, c ir.Cell) bool {
	found := false
	use := func(list ...lir.Operand) {
		for _, o := range list {
			found = found || o.Is(c)
		}
	}
	for _, r := range w.regions {
		for _, b := range r.Blocks {
			for n := range b.Ins {
				i := &b.Ins[n]
				use(i.D, i.E)
				b.Reads(i, func(o lir.Operand) { use(o) })
			}
			use(b.Term.Test.A, b.Term.Test.B, b.Term.Target)
		}
	}
	return found
}
