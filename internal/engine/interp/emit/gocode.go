// Package emit writes the interpreter's Go code, and the kernel's, from ir. Nothing about an instruction is
// known here but what its row says.
package emit

import (
	"fmt"
	"strings"

	"github.com/flexemu/flexemu/internal/ir"
)

// printer turns a function into Go statements. What differs between the code of instructions and the code of
// kernels is in the hooks.
type printer struct {
	out     *strings.Builder
	inlined map[*ir.Node]bool
	// special prints a node in another way, if it wants to.
	special func(n *ir.Node) (string, bool)
	get     func(c ir.Cell) string
	set     func(c ir.Cell, v string) string
	reg     func(n *ir.Node) string
	setReg  func(n *ir.Node, v string) string
	load    func(name, addr string, n *ir.Node) string
	store   func(addr, v string, s *ir.Stmt) string
	trap    func(k ir.TrapKind) string
	prim    func(s *ir.Stmt, args []string) string
	query   func(n *ir.Node, args []string) string
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func name(n *ir.Node) string { return fmt.Sprintf("t%d", n.ID) }

func literal(v uint64) string {
	if v < 10 {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%#x", v)
}

// expr is the text of a value.
func (p *printer) expr(n *ir.Node) string {
	if p.special != nil {
		if text, ok := p.special(n); ok {
			return text
		}
	}
	if n.Op == ir.Const {
		return literal(n.Imm)
	}
	if n.Op == ir.Field {
		panic("emit: the field " + n.Name + " has no place in the decoded instruction")
	}
	if p.inlined[n] {
		return p.formula(n)
	}
	return name(n)
}

var infix = map[ir.Op]string{ir.Add: "+", ir.Sub: "-", ir.Mul: "*", ir.And: "&", ir.Or: "|", ir.Xor: "^"}

var functions = map[ir.Op]string{
	ir.DivU: "words.DivU", ir.DivS: "words.DivS", ir.RemU: "words.RemU", ir.RemS: "words.RemS",
	ir.Clz: "words.Clz", ir.Ctz: "words.Ctz", ir.Popc: "words.Popc", ir.Bswap: "words.Bswap",
}

var extensions = map[ir.Op]string{ir.Sext8: "int8", ir.Sext16: "int16", ir.Sext32: "int32"}

// formula is the text of a node's operation.
func (p *printer) formula(n *ir.Node) string {
	args := make([]string, len(n.Args))
	for i, a := range n.Args {
		args[i] = p.expr(a)
	}
	if op, ok := infix[n.Op]; ok {
		return fmt.Sprintf("(%s %s %s)", args[0], op, args[1])
	}
	if f, ok := functions[n.Op]; ok {
		return fmt.Sprintf("%s(%s)", f, strings.Join(args, ", "))
	}
	if t, ok := extensions[n.Op]; ok {
		return fmt.Sprintf("uint64(%s(%s))", t, args[0])
	}
	switch n.Op {
	case ir.Shl:
		return fmt.Sprintf("(%s << %s)", p.word(n.Args[0]), p.amount(n.Args[1]))
	case ir.ShrU:
		return fmt.Sprintf("(%s >> %s)", p.word(n.Args[0]), p.amount(n.Args[1]))
	case ir.ShrS:
		return fmt.Sprintf("uint64(int64(%s) >> %s)", args[0], p.amount(n.Args[1]))
	case ir.Eq, ir.LtU, ir.LtS:
		return fmt.Sprintf("words.Truth(%s)", p.comparison(n, true))
	case ir.GetReg:
		return p.reg(n.Args[0])
	case ir.GetCell:
		return p.get(n.Cell)
	case ir.LastThread, ir.ActiveEmpty, ir.OracleWord, ir.OracleCount, ir.KeyType:
		return p.query(n, args)
	}
	panic("emit: no Go for " + n.Op.String())
}

func (p *printer) amount(n *ir.Node) string {
	if n.Op == ir.Const {
		return fmt.Sprint(n.Imm & 63)
	}
	return "(" + p.expr(n) + " & 63)"
}

// condition is the text of "n is not 0", or of its contrary.
func (p *printer) condition(n *ir.Node, want bool) string {
	if n.Op == ir.Eq || n.Op == ir.LtU || n.Op == ir.LtS {
		if _, special := p.specially(n); !special && p.inlined[n] {
			return p.comparison(n, want)
		}
	}
	if want {
		return p.expr(n) + " != 0"
	}
	return p.expr(n) + " == 0"
}

func (p *printer) specially(n *ir.Node) (string, bool) {
	if p.special == nil {
		return "", false
	}
	return p.special(n)
}

func (p *printer) comparison(n *ir.Node, want bool) string {
	x, y := n.Args[0], n.Args[1]
	if n.Op == ir.Eq && y.Op == ir.Const && y.Imm == 0 {
		switch x.Op {
		case ir.Eq, ir.LtU, ir.LtS:
			return p.condition(x, !want)
		}
	}
	sign := map[bool]map[ir.Op]string{
		true:  {ir.Eq: "==", ir.LtU: "<", ir.LtS: "<"},
		false: {ir.Eq: "!=", ir.LtU: ">=", ir.LtS: ">="},
	}[want][n.Op]
	if n.Op == ir.LtS {
		return fmt.Sprintf("%s %s %s", signed(x, p.expr(x)), sign, signed(y, p.expr(y)))
	}
	return fmt.Sprintf("%s %s %s", p.expr(x), sign, p.expr(y))
}

func signed(n *ir.Node, text string) string {
	if n.Op == ir.Const {
		return fmt.Sprint(int64(n.Imm))
	}
	return "int64(" + text + ")"
}

func (p *printer) statements(list []*ir.Stmt) {
	for _, s := range list {
		p.statement(s)
		if s.Kind == ir.Trap || s.Kind == ir.Return {
			return
		}
	}
}

func (p *printer) statement(s *ir.Stmt) {
	switch s.Kind {
	case ir.Let:
		p.let(s.A)
	case ir.SetReg:
		p.line("%s", p.setReg(s.A, p.expr(s.B)))
	case ir.SetCell:
		p.line("%s", p.set(s.Cell, p.expr(s.A)))
	case ir.Store:
		p.line("%s", p.store(p.expr(s.A), p.expr(s.B), s))
	case ir.If:
		p.line("if %s {", p.condition(s.A, true))
		p.statements(s.Then)
		if len(s.Else) > 0 {
			p.line("} else {")
			p.statements(s.Else)
		}
		p.line("}")
	case ir.Switch:
		p.line("switch %s {", p.expr(s.A))
		for _, c := range s.Cases {
			keys := make([]string, len(c.Keys))
			for i, k := range c.Keys {
				keys[i] = fmt.Sprint(k)
			}
			p.line("case %s:", strings.Join(keys, ", "))
			p.statements(c.Body)
		}
		p.line("default:")
		p.statements(s.Else)
		p.line("}")
	case ir.Trap:
		p.line("%s", p.trap(s.Trap))
	case ir.Return:
		p.line("return")
	default:
		var args []string
		for _, n := range []*ir.Node{s.A, s.B, s.C} {
			if n != nil {
				args = append(args, p.expr(n))
			}
		}
		p.line("%s", p.prim(s, args))
	}
}

func (p *printer) let(n *ir.Node) {
	if _, ok := p.specially(n); ok || p.inlined[n] {
		return
	}
	switch {
	case n.Op == ir.Load:
		p.line("%s", p.load(name(n), p.expr(n.Args[0]), n))
		if n.Uses == 0 {
			p.line("_ = %s", name(n))
		}
	case n.Uses == 0:
	case n.Op == ir.MulHighU, n.Op == ir.MulHighS, n.Op == ir.MulHighSU:
		p.product(n)
	case n.Op == ir.Select:
		p.line("%s := %s", name(n), p.word(n.Args[2]))
		p.line("if %s {", p.condition(n.Args[0], true))
		p.line("%s = %s", name(n), p.expr(n.Args[1]))
		p.line("}")
	default:
		p.line("%s := %s", name(n), p.formula(n))
	}
}

// product prints the upper half of a product, in statements: the compiler inlines no function of that size into
// a large one. See words.MulHighS for the formula.
func (p *printer) product(n *ir.Node) {
	x, y := p.expr(n.Args[0]), p.expr(n.Args[1])
	p.line("%s, _ := bits.Mul64(%s, %s)", name(n), x, y)
	if n.Op != ir.MulHighU {
		p.line("%s -= %s * (%s >> 63)", name(n), y, x)
	}
	if n.Op == ir.MulHighS {
		p.line("%s -= %s * (%s >> 63)", name(n), x, y)
	}
}

// word is expr with a type, also for a constant.
func (p *printer) word(n *ir.Node) string {
	if n.Op == ir.Const {
		return "uint64(" + literal(n.Imm) + ")"
	}
	return p.expr(n)
}
