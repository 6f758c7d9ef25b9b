package verifier

import (
	"fmt"
	"strings"

	"github.com/flexemu/flexemu/internal/ir"
)

// printer turns a function into Yul. Words are 256 bits there; a value is clean if the upper 192 are zero.
type printer struct {
	out     *strings.Builder
	indent  string
	inlined map[*ir.Node]bool
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.out, p.indent+format+"\n", args...)
}

func (p *printer) block(open string, body func()) {
	p.line("%s {", open)
	outer := p.indent
	p.indent += "    "
	body()
	p.indent = outer
	p.line("}")
}

func name(n *ir.Node) string { return fmt.Sprintf("t%d", n.ID) }

func literal(v uint64) string {
	if v < 1024 {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%#x", v)
}

// clean is the text of a value with the upper bits zero.
func (p *printer) clean(n *ir.Node) string {
	text, dirty := p.expr(n)
	if dirty {
		return fmt.Sprintf("and(%s, WORD)", text)
	}
	return text
}

// low is the text of a value of which only the low 64 bits matter.
func (p *printer) low(n *ir.Node) string {
	text, _ := p.expr(n)
	return text
}

func (p *printer) expr(n *ir.Node) (text string, dirty bool) {
	switch {
	case n.Op == ir.Const:
		return literal(n.Imm), false
	case n.Op == ir.Field:
		return n.Name, false
	case p.inlined[n]:
		return p.formula(n)
	}
	return name(n), false
}

var (
	// ring operations: the low bits of the result depend on the low bits of the operands only.
	ring = map[ir.Op]string{ir.Add: "add", ir.Sub: "sub", ir.Mul: "mul"}
	// bitwise operations: the result is clean if the operands are.
	bitwise = map[ir.Op]string{ir.Or: "or", ir.Xor: "xor"}
	// compare operations give 0 or 1.
	compare = map[ir.Op]string{ir.LtU: "lt", ir.Eq: "eq"}
	widths  = map[ir.Op]int{ir.Sext8: 0, ir.Sext16: 1, ir.Sext32: 3}
)

// signed is the text of a value, sign-extended to 256 bits.
func (p *printer) signed(n *ir.Node) string {
	if n.Op == ir.Const && n.Imm < 1<<63 {
		return literal(n.Imm)
	}
	if w, ok := widths[n.Op]; ok && p.inlined[n] {
		return fmt.Sprintf("signextend(%d, %s)", w, p.low(n.Args[0]))
	}
	return fmt.Sprintf("signextend(7, %s)", p.low(n))
}

func (p *printer) formula(n *ir.Node) (text string, dirty bool) {
	a := n.Args
	if f, ok := ring[n.Op]; ok {
		return fmt.Sprintf("%s(%s, %s)", f, p.low(a[0]), p.low(a[1])), true
	}
	if f, ok := bitwise[n.Op]; ok {
		x, dx := p.expr(a[0])
		y, dy := p.expr(a[1])
		return fmt.Sprintf("%s(%s, %s)", f, x, y), dx || dy
	}
	if f, ok := compare[n.Op]; ok {
		if n.Op == ir.Eq && a[1].Op == ir.Const && a[1].Imm == 0 {
			return fmt.Sprintf("iszero(%s)", p.clean(a[0])), false
		}
		return fmt.Sprintf("%s(%s, %s)", f, p.clean(a[0]), p.clean(a[1])), false
	}
	if w, ok := widths[n.Op]; ok {
		return fmt.Sprintf("signextend(%d, %s)", w, p.low(a[0])), true
	}
	switch n.Op {
	case ir.And:
		x, dx := p.expr(a[0])
		y, dy := p.expr(a[1])
		return fmt.Sprintf("and(%s, %s)", x, y), dx && dy
	case ir.LtS:
		return fmt.Sprintf("slt(%s, %s)", p.signed(a[0]), p.signed(a[1])), false
	case ir.Shl:
		return fmt.Sprintf("shl(%s, %s)", p.amount(a[1]), p.low(a[0])), true
	case ir.ShrU:
		return fmt.Sprintf("shr(%s, %s)", p.amount(a[1]), p.clean(a[0])), false
	case ir.ShrS:
		return fmt.Sprintf("sar(%s, %s)", p.amount(a[1]), p.signed(a[0])), true
	case ir.MulHighU:
		return fmt.Sprintf("shr(64, mul(%s, %s))", p.clean(a[0]), p.clean(a[1])), false
	case ir.MulHighS:
		return fmt.Sprintf("sar(64, mul(%s, %s))", p.signed(a[0]), p.signed(a[1])), true
	case ir.MulHighSU:
		return fmt.Sprintf("sar(64, mul(%s, %s))", p.signed(a[0]), p.clean(a[1])), true
	case ir.DivU: // the EVM's division by zero gives 0, as ir's does
		return fmt.Sprintf("div(%s, %s)", p.clean(a[0]), p.clean(a[1])), false
	case ir.RemU:
		return fmt.Sprintf("mod(%s, %s)", p.clean(a[0]), p.clean(a[1])), false
	case ir.DivS:
		return fmt.Sprintf("sdiv(%s, %s)", p.signed(a[0]), p.signed(a[1])), true
	case ir.RemS:
		return fmt.Sprintf("smod(%s, %s)", p.signed(a[0]), p.signed(a[1])), true
	case ir.Select:
		return fmt.Sprintf("select(%s, %s, %s)", p.clean(a[0]), p.clean(a[1]), p.clean(a[2])), false
	case ir.Clz:
		return fmt.Sprintf("sub(clz(%s), 192)", p.clean(a[0])), false
	case ir.Ctz:
		return fmt.Sprintf("ctz(%s)", p.clean(a[0])), false
	case ir.Popc:
		return fmt.Sprintf("popc(%s)", p.clean(a[0])), false
	case ir.Bswap:
		return fmt.Sprintf("swap(%s)", p.clean(a[0])), false
	case ir.GetReg:
		return fmt.Sprintf("reg(%s)", p.clean(a[0])), false
	case ir.GetCell:
		return fmt.Sprintf("mload(%s)", cellConstant(n.Cell)), false
	case ir.Load:
		return fmt.Sprintf("load%s(%s, %d)", order(n.Big), p.clean(a[0]), n.Size), false
	case ir.LastThread:
		return "lastThread()", false
	case ir.ActiveEmpty:
		return "activeEmpty()", false
	case ir.OracleWord:
		return fmt.Sprintf("oracleWord(%s)", p.clean(a[0])), false
	case ir.KeyType:
		return "byte(0, mload(KEY))", false
	case ir.OracleCount:
		return "mload(ORACLE_COUNT)", false
	}
	panic("verifier: no Yul for " + n.Op.String())
}

func order(big bool) string {
	if big {
		return "Big"
	}
	return "Little"
}

// amount is the text of a shift's amount, mod 64.
func (p *printer) amount(n *ir.Node) string {
	if n.Op == ir.Const {
		return fmt.Sprint(n.Imm & 63)
	}
	if n.Op == ir.And && n.Args[1].Op == ir.Const && n.Args[1].Imm < 64 {
		return p.clean(n)
	}
	return fmt.Sprintf("and(%s, 63)", p.low(n))
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
		p.line("setReg(%s, %s)", p.clean(s.A), p.clean(s.B))
	case ir.SetCell:
		p.line("mstore(%s, %s)", cellConstant(s.Cell), p.clean(s.A))
	case ir.Store:
		p.line("store%s(%s, %d, %s)", order(s.Big), p.clean(s.A), s.Size, p.clean(s.B))
	case ir.If:
		if len(s.Else) == 0 {
			p.block("if "+p.clean(s.A), func() { p.statements(s.Then) })
			return
		}
		p.line("switch %s", p.clean(s.A))
		p.block("case 0", func() { p.statements(s.Else) })
		p.block("default", func() { p.statements(s.Then) })
	case ir.Switch:
		p.choice(s)
	case ir.Trap:
		p.line("%s() leave", traps[s.Trap])
	case ir.Return:
		p.line("leave")
	case ir.KeyAppend:
		p.line("keyAppend(%s, %s)", p.clean(s.A), p.clean(s.B))
	case ir.HostWrite: // no part of the state
	default:
		p.line("%s()", primitives[s.Kind])
	}
}

var primitives = map[ir.StmtKind]string{
	ir.Execute: "execute", ir.PushThread: "pushThread", ir.PopThread: "popThread", ir.MoveThread: "moveThread",
	ir.CloseLeaf: "closeLeaf",
}

var traps = map[ir.TrapKind]string{ir.Syscall: "syscall", ir.Unknown: "fault", ir.Fault: "fault", ir.Breakpoint: "fault"}

func (p *printer) let(n *ir.Node) {
	if p.inlined[n] {
		return
	}
	text, dirty := p.formula(n)
	if dirty {
		text = fmt.Sprintf("and(%s, WORD)", text)
	}
	switch {
	case n.Uses > 0:
		p.line("let %s := %s", name(n), text)
	case n.Op == ir.Load || n.Op == ir.OracleWord: // for the witness alone
		p.line("pop(%s)", text)
	}
}

// choice prints a switch. Cases with many keys come last, as conditions, so that their bodies stand once.
func (p *printer) choice(s *ir.Stmt) {
	v := p.clean(s.A)
	var many, single []ir.Case
	for _, c := range s.Cases {
		if len(c.Keys) > 1 {
			many = append(many, c)
		} else {
			single = append(single, c)
		}
	}
	if len(single) == 0 {
		p.rest(v, many, s.Else)
		return
	}
	p.line("switch %s", v)
	for _, c := range single {
		p.block("case "+literal(c.Keys[0]), func() { p.statements(c.Body) })
	}
	p.block("default", func() { p.rest(v, many, s.Else) })
}

func (p *printer) rest(v string, many []ir.Case, els []*ir.Stmt) {
	if len(many) == 0 {
		p.statements(els)
		return
	}
	cond := ""
	for i, k := range many[0].Keys {
		eq := fmt.Sprintf("eq(%s, %s)", v, literal(k))
		if i == 0 {
			cond = eq
		} else {
			cond = fmt.Sprintf("or(%s, %s)", eq, cond)
		}
	}
	p.line("switch %s", cond)
	p.block("case 0", func() { p.rest(v, many[1:], els) })
	p.block("default", func() { p.statements(many[0].Body) })
}
