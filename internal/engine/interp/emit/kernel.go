package emit

import (
	"fmt"
	"go/format"
	"strings"

	"github.com/flexemu/flexemu/internal/ir"
)

// A KernelFunc is a meaning of a kernel to be emitted as a method of *System.
type KernelFunc struct {
	Name string
	Doc  string
	Func *ir.Func
}

// Kernel gives the Go file of a kernel's functions, in the given package.
func Kernel(pkg string, funcs []KernelFunc) ([]byte, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\npackage %s\n", Header, pkg)
	fmt.Fprintf(&out, "import (%q\n%q)\n", module+"/internal/ir", module+"/internal/ir/words")
	for _, f := range funcs {
		fmt.Fprintf(&out, "// %s %s\nfunc %s(s *System) {\nm := s.Machine\ncells := &m.Cells\n", f.Name, f.Doc, f.Name)
		p := &printer{out: &out, inlined: ir.Inline(f.Func)}
		kernelHooks(p)
		p.statements(f.Func.Body)
		fmt.Fprint(&out, "_ = words.Truth\n}\n")
	}
	return format.Source([]byte(out.String()))
}

const module = "github.com/flexemu/flexemu"

func kernelHooks(p *printer) {
	p.get = func(c ir.Cell) string { return "cells[ir." + cellName(c) + "]" }
	p.set = func(c ir.Cell, v string) string { return p.get(c) + " = " + v }
	p.reg = func(n *ir.Node) string { return "cells[" + p.expr(n) + "]" }
	p.setReg = func(n *ir.Node, v string) string { return p.reg(n) + " = " + v }
	p.load, p.store = loadSlow, storeSlow
	p.trap = func(k ir.TrapKind) string { panic("emit: a kernel traps: " + k.String()) }
	p.prim = func(s *ir.Stmt, args []string) string {
		list := strings.Join(args, ", ")
		switch s.Kind {
		case ir.Execute:
			return "s.execute()"
		case ir.PushThread:
			return "m.PushThread()"
		case ir.PopThread:
			return "m.PopThread()"
		case ir.MoveThread:
			return "m.MoveThread()"
		case ir.KeyAppend:
			return "m.KeyAppend(" + list + ")"
		case ir.CloseLeaf:
			return "m.CloseLeaf()"
		case ir.HostWrite:
			return "s.hostWrite(" + list + ")"
		}
		panic("emit: no Go for a statement")
	}
	p.query = func(n *ir.Node, args []string) string {
		switch n.Op {
		case ir.LastThread:
			return "words.Truth(m.LastThread())"
		case ir.ActiveEmpty:
			return "words.Truth(m.ActiveEmpty())"
		case ir.OracleWord:
			return "s.oracleWord(" + args[0] + ")"
		}
		if n.Op == ir.KeyType {
			return "s.keyType()"
		}
		return "s.oracleCount()"
	}
}
