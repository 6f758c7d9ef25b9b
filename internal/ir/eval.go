package ir

import (
	"fmt"

	"github.com/flexemu/flexemu/internal/ir/words"
)

// A State is what the reference evaluator runs on.
type State interface {
	Reg(i uint64) uint64
	SetReg(i, v uint64)
	Get(c Cell) uint64
	Set(c Cell, v uint64)
	Load(addr uint64, size uint8, big bool) uint64
	Store(addr uint64, size uint8, big bool, v uint64)
	// Primitive carries out Execute, PushThread, PopThread, MoveThread, KeyAppend, CloseLeaf or HostWrite.
	Primitive(k StmtKind, a, b, c uint64)
	// Query gives LastThread, ActiveEmpty, OracleWord, OracleCount or KeyType.
	Query(op Op, a uint64) uint64
}

// Eval runs a function on a state, with the given fields of the instruction. It is the definition of ir,
// written for clearness; engines are faster. The result is the trap that ended it, if one did.
func Eval(f *Func, fields map[string]uint64, s State) (trap TrapKind, trapped bool) {
	e := evaluation{fields: fields, state: s, values: make([]uint64, f.Nodes)}
	end := e.run(f.Body)
	return e.trap, end == trapEnd
}

type ending int

const (
	fellThrough ending = iota
	returned
	trapEnd
)

type evaluation struct {
	fields map[string]uint64
	state  State
	values []uint64
	trap   TrapKind
}

func (e *evaluation) value(n *Node) uint64 {
	switch {
	case n == nil:
		return 0
	case n.Op == Const:
		return n.Imm
	case n.Op == Field:
		v, ok := e.fields[n.Name]
		if !ok {
			panic(fmt.Sprintf("ir: the instruction has no field %q", n.Name))
		}
		return v
	}
	return e.values[n.ID]
}

func (e *evaluation) compute(n *Node) uint64 {
	args := make([]uint64, len(n.Args))
	for i, a := range n.Args {
		args[i] = e.value(a)
	}
	switch n.Op {
	case GetReg:
		return e.state.Reg(args[0])
	case GetCell:
		return e.state.Get(n.Cell)
	case Load:
		return e.state.Load(args[0], n.Size, n.Big)
	case OracleWord:
		return e.state.Query(n.Op, args[0])
	case LastThread, ActiveEmpty, OracleCount, KeyType:
		return e.state.Query(n.Op, 0)
	}
	return Compute(n.Op, args)
}

func (e *evaluation) run(list []*Stmt) ending {
	for _, s := range list {
		end := fellThrough
		switch s.Kind {
		case Let:
			e.values[s.A.ID] = e.compute(s.A)
		case SetReg:
			e.state.SetReg(e.value(s.A), e.value(s.B))
		case SetCell:
			e.state.Set(s.Cell, e.value(s.A))
		case Store:
			e.state.Store(e.value(s.A), s.Size, s.Big, e.value(s.B))
		case If:
			if e.value(s.A) != 0 {
				end = e.run(s.Then)
			} else {
				end = e.run(s.Else)
			}
		case Switch:
			end = e.run(s.arm(e.value(s.A)))
		case Trap:
			e.trap = s.Trap
			return trapEnd
		case Return:
			return returned
		default:
			e.state.Primitive(s.Kind, e.value(s.A), e.value(s.B), e.value(s.C))
		}
		if end != fellThrough {
			return end
		}
	}
	return fellThrough
}

func (s *Stmt) arm(v uint64) []*Stmt {
	for _, c := range s.Cases {
		for _, k := range c.Keys {
			if k == v {
				return c.Body
			}
		}
	}
	return s.Else
}

// Compute is the definition of the pure operations: op of one, two or three operands.
func Compute(op Op, x []uint64) uint64 {
	if len(x) == 1 {
		return compute1(op, x[0])
	}
	if op == Select {
		if x[0] != 0 {
			return x[1]
		}
		return x[2]
	}
	a, b := x[0], x[1]
	switch op {
	case Add:
		return a + b
	case Sub:
		return a - b
	case Mul:
		return a * b
	case MulHighU:
		return words.MulHighU(a, b)
	case MulHighS:
		return words.MulHighS(a, b)
	case MulHighSU:
		return words.MulHighSU(a, b)
	case DivU:
		return words.DivU(a, b)
	case DivS:
		return words.DivS(a, b)
	case RemU:
		return words.RemU(a, b)
	case RemS:
		return words.RemS(a, b)
	case And:
		return a & b
	case Or:
		return a | b
	case Xor:
		return a ^ b
	case Shl:
		return a << (b & 63)
	case ShrU:
		return a >> (b & 63)
	case ShrS:
		return uint64(int64(a) >> (b & 63))
	case Eq:
		return words.Truth(a == b)
	case LtU:
		return words.Truth(a < b)
	case LtS:
		return words.Truth(int64(a) < int64(b))
	}
	panic("ir: " + op.String() + " is no operation of two operands")
}

func compute1(op Op, a uint64) uint64 {
	switch op {
	case Sext8:
		return uint64(int8(a))
	case Sext16:
		return uint64(int16(a))
	case Sext32:
		return uint64(int32(a))
	case Clz:
		return words.Clz(a)
	case Ctz:
		return words.Ctz(a)
	case Popc:
		return words.Popc(a)
	case Bswap:
		return words.Bswap(a)
	}
	panic("ir: " + op.String() + " is no operation of one operand")
}
