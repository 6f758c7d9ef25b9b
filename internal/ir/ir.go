// Package ir is what an instruction means: a small language of operations over 64-bit words, a builder
// for it, a printer, and a reference evaluator that is the definition of every operation.
//
// Instruction sets (package isa) and kernels write ir; engines and the verifier emitter read it. The
// package knows neither, and imports nothing of ours.
//
// A function is a list of statements. Values are immutable 64-bit words; a value is computed where the
// builder made it and may be used in that statement list and the lists inside it. State is read and
// written in statement order.
package ir

import "fmt"

// An Op is the operation of a value.
type Op uint8

// The operations. a, b, c are the operands in order; all words are 64 bits, arithmetic is modulo 2^64.
const (
	Const Op = iota // Imm
	Field           // the named field of the instruction, a small number or a sign-extended immediate

	Add
	Sub
	Mul
	MulHighU  // upper 64 bits of the 128-bit product, both unsigned
	MulHighS  // both signed
	MulHighSU // a signed, b unsigned
	DivU      // 0 when b is 0
	DivS      // 0 when b is 0; the lowest number / -1 is itself
	RemU      // 0 when b is 0
	RemS      // 0 when b is 0; sign of a
	And
	Or
	Xor
	Shl  // by b mod 64
	ShrU // by b mod 64
	ShrS // by b mod 64
	Eq   // 1 or 0
	LtU
	LtS
	Select // b if a is not 0, else c
	Sext8  // low 8 bits, sign-extended
	Sext16
	Sext32
	Clz   // leading zero bits, 64 for 0
	Ctz   // trailing zero bits, 64 for 0
	Popc  // one bits
	Bswap // the 8 bytes in reverse order

	// Reads of state.
	GetReg  // general register number a
	GetCell // Cell
	Load    // Size bytes at address a, zero-extended, Big-endian or little

	// Primitives with a value: written by hand for each consumer, because they need more than words.
	LastThread  // 1 if no thread is parked: the running one is the last
	ActiveEmpty // 1 if the active stack is empty, after Pop or Move
	OracleWord  // the first 8 bytes, big-endian and zero-padded, of the pre-image of the current key from offset a on
	OracleCount // how many of them exist, 0 to 8, for the OracleWord read last
	KeyType     // the first byte of the current key

	numOps
)

var opNames = [numOps]string{
	Const: "const", Field: "field", Add: "add", Sub: "sub", Mul: "mul", MulHighU: "mulhu", MulHighS: "mulhs", MulHighSU: "mulhsu",
	DivU: "divu", DivS: "divs", RemU: "remu", RemS: "rems", And: "and", Or: "or", Xor: "xor", Shl: "shl", ShrU: "shru", ShrS: "shrs",
	Eq: "eq", LtU: "ltu", LtS: "lts", Select: "select", Sext8: "sext8", Sext16: "sext16", Sext32: "sext32",
	Clz: "clz", Ctz: "ctz", Popc: "popc", Bswap: "bswap", GetReg: "reg", GetCell: "get", Load: "load",
	LastThread: "lastThread", ActiveEmpty: "activeEmpty", OracleWord: "oracleWord", OracleCount: "oracleCount", KeyType: "keyType",
}

func (o Op) String() string { return opNames[o] }

// Pure tells whether an operation depends on its operands alone.
func (o Op) Pure() bool { return o < GetReg }

// A Node is a computed value.
type Node struct {
	Op   Op
	Args []*Node
	Imm  uint64 // Const
	Name string // Field
	Cell Cell   // GetCell
	Size uint8  // Load: 1, 2, 4, 8
	Big  bool   // Load
	Uses int    // how many nodes and statements use it
	ID   int    // position in its function, from 0
}

// A Value is a handle on a Node for whoever writes a meaning. It is opaque: a meaning cannot branch on it
// in Go, which would silently emit one case only.
type Value struct{ node *Node }

// Node gives the node behind a value to the packages that read ir.
func (v Value) Node() *Node { return v.node }

// StmtKind says what a statement does.
type StmtKind uint8

// The statements.
const (
	Let     StmtKind = iota // compute A
	SetReg                  // general register number A := B; a write to a register that reads as zero is dropped
	SetCell                 // Cell := A
	Store                   // low Size bytes of B to address A; forgets a reservation of the same aligned 8 bytes
	If                      // A not 0: Then, else Else
	Switch                  // by A: the case whose keys hold it, else Else
	Trap                    // leaves the function, with nothing done: hands control to the kernel
	Return                  // leaves the function

	Execute    // fetch and execute one instruction of the running thread
	PushThread // park a copy of the running thread on the active stack; it keeps running as another
	PopThread  // drop the running thread
	MoveThread // park the running thread on the other stack
	KeyAppend  // pre-image key := key << 8*A | B; the low A bytes of B, A from 1 to 8
	CloseLeaf  // the next access of memory has a proof of its own, where a witness has fixed places
	HostWrite  // descriptor A gets C bytes at address B; no part of the state
)

// A TrapKind says why an instruction hands control to the kernel.
type TrapKind uint8

// The traps.
const (
	Syscall TrapKind = iota
	Unknown          // no such instruction
	Fault            // an instruction that cannot be completed: division by zero, jump in a delay slot, misaligned address
	Breakpoint
)

var trapNames = [...]string{"syscall", "unknown", "fault", "breakpoint"}

func (t TrapKind) String() string { return trapNames[t] }

// A Case is one arm of a Switch.
type Case struct {
	Keys []uint64
	Body []*Stmt
}

// A Stmt is one statement.
type Stmt struct {
	Kind    StmtKind
	A, B, C *Node
	Cell    Cell
	Size    uint8
	Big     bool
	Trap    TrapKind
	Then    []*Stmt
	Else    []*Stmt
	Cases   []Case
}

// A Func is a built meaning.
type Func struct {
	Body  []*Stmt
	Nodes int // number of nodes; their IDs are below it
}

// A Builder writes one function. Endianness of Load and Store is that of the guest.
type Builder struct {
	Big   bool
	fn    Func
	cur   *[]*Stmt
	wrote map[Cell]bool
}

// NewBuilder makes an empty builder for a guest of the given endianness.
func NewBuilder(big bool) *Builder {
	b := &Builder{Big: big, wrote: map[Cell]bool{}}
	b.cur = &b.fn.Body
	return b
}

// Func ends the building and gives the function.
func (b *Builder) Func() *Func {
	if b.cur != &b.fn.Body {
		panic("ir: Func called inside a branch")
	}
	live(b.fn.Body)
	return &b.fn
}

// live counts how often each node is used, leaving out what only dead nodes use. A load is never dead:
// it has to be proven even if its value is dropped.
func live(list []*Stmt) {
	var all []*Stmt
	var collect func([]*Stmt)
	collect = func(list []*Stmt) {
		for _, s := range list {
			all = append(all, s)
			s.Each(collect)
		}
	}
	collect(list)
	for _, s := range all {
		if s.Kind == Let {
			s.A.Uses = 0
		}
	}
	use := func(n *Node) {
		if n != nil {
			n.Uses++
		}
	}
	for i := len(all) - 1; i >= 0; i-- { // users come after what they use
		s := all[i]
		if s.Kind != Let {
			use(s.A)
			use(s.B)
			use(s.C)
			continue
		}
		if s.A.Uses > 0 || s.A.Op == Load || s.A.Op == OracleWord {
			for _, a := range s.A.Args {
				use(a)
			}
		}
	}
}

// Each calls f for every list of statements inside s.
func (s *Stmt) Each(f func([]*Stmt)) {
	if s.Kind == If || s.Kind == Switch {
		f(s.Then)
		for _, c := range s.Cases {
			f(c.Body)
		}
		f(s.Else)
	}
}

// Wrote tells whether the function assigns a cell anywhere.
func (b *Builder) Wrote(c Cell) bool { return b.wrote[c] }

func (b *Builder) node(n *Node) Value {
	n.ID = b.fn.Nodes
	b.fn.Nodes++
	if n.Op != Const && n.Op != Field {
		*b.cur = append(*b.cur, &Stmt{Kind: Let, A: n})
	}
	return Value{n}
}

func (b *Builder) stmt(s *Stmt) {
	*b.cur = append(*b.cur, s)
}

// Const is a constant.
func (b *Builder) Const(v uint64) Value { return b.node(&Node{Op: Const, Imm: v}) }

// Field is a field of the instruction, in symbolic mode.
func (b *Builder) Field(name string) Value { return b.node(&Node{Op: Field, Name: name}) }

// op builds a pure operation and folds it: constants are computed, neutral operands vanish.
func (b *Builder) op(op Op, args ...Value) Value {
	nodes := make([]*Node, len(args))
	words := make([]uint64, len(args))
	constant := true
	for i, a := range args {
		nodes[i] = a.node
		if a.node.Op == Const {
			words[i] = a.node.Imm
		} else {
			constant = false
		}
	}
	if constant {
		return b.Const(Compute(op, words))
	}
	if len(nodes) == 2 && nodes[1].Op == Const {
		zero, ones := words[1] == 0, words[1] == ^uint64(0)
		switch op {
		case Add, Sub, Or, Xor, Shl, ShrU, ShrS:
			if zero {
				return args[0]
			}
		case And:
			if ones {
				return args[0]
			}
			if zero {
				return args[1]
			}
		}
	}
	if op == Add && nodes[0].Op == Const {
		return b.op(Add, args[1], args[0])
	}
	if op == Select && nodes[0].Op == Const {
		if words[0] != 0 {
			return args[1]
		}
		return args[2]
	}
	return b.node(&Node{Op: op, Args: nodes})
}

// The pure operations; see the constants for their meaning.

func (b *Builder) Add(x, y Value) Value       { return b.op(Add, x, y) }
func (b *Builder) Sub(x, y Value) Value       { return b.op(Sub, x, y) }
func (b *Builder) Mul(x, y Value) Value       { return b.op(Mul, x, y) }
func (b *Builder) MulHighU(x, y Value) Value  { return b.op(MulHighU, x, y) }
func (b *Builder) MulHighS(x, y Value) Value  { return b.op(MulHighS, x, y) }
func (b *Builder) MulHighSU(x, y Value) Value { return b.op(MulHighSU, x, y) }
func (b *Builder) DivU(x, y Value) Value      { return b.op(DivU, x, y) }
func (b *Builder) DivS(x, y Value) Value      { return b.op(DivS, x, y) }
func (b *Builder) RemU(x, y Value) Value      { return b.op(RemU, x, y) }
func (b *Builder) RemS(x, y Value) Value      { return b.op(RemS, x, y) }
func (b *Builder) And(x, y Value) Value       { return b.op(And, x, y) }
func (b *Builder) Or(x, y Value) Value        { return b.op(Or, x, y) }
func (b *Builder) Xor(x, y Value) Value       { return b.op(Xor, x, y) }
func (b *Builder) Shl(x, n Value) Value       { return b.op(Shl, x, n) }
func (b *Builder) ShrU(x, n Value) Value      { return b.op(ShrU, x, n) }
func (b *Builder) ShrS(x, n Value) Value      { return b.op(ShrS, x, n) }
func (b *Builder) Eq(x, y Value) Value        { return b.op(Eq, x, y) }
func (b *Builder) LtU(x, y Value) Value       { return b.op(LtU, x, y) }
func (b *Builder) LtS(x, y Value) Value       { return b.op(LtS, x, y) }
func (b *Builder) Select(c, x, y Value) Value { return b.op(Select, c, x, y) }
func (b *Builder) Sext8(x Value) Value        { return b.op(Sext8, x) }
func (b *Builder) Sext16(x Value) Value       { return b.op(Sext16, x) }
func (b *Builder) Sext32(x Value) Value       { return b.op(Sext32, x) }
func (b *Builder) Clz(x Value) Value          { return b.op(Clz, x) }
func (b *Builder) Ctz(x Value) Value          { return b.op(Ctz, x) }
func (b *Builder) Popc(x Value) Value         { return b.op(Popc, x) }
func (b *Builder) Bswap(x Value) Value        { return b.op(Bswap, x) }

// Compositions that every ISA needs.

func (b *Builder) Ne(x, y Value) Value          { return b.op(Eq, b.op(Eq, x, y), b.Const(0)) }
func (b *Builder) Not(x Value) Value            { return b.op(Xor, x, b.Const(^uint64(0))) }
func (b *Builder) Neg(x Value) Value            { return b.op(Sub, b.Const(0), x) }
func (b *Builder) Bool(x Value) Value           { return b.Ne(x, b.Const(0)) }
func (b *Builder) IsZero(x Value) Value         { return b.op(Eq, x, b.Const(0)) }
func (b *Builder) Zext32(x Value) Value         { return b.op(And, x, b.Const(0xffffffff)) }
func (b *Builder) AddI(x Value, n uint64) Value { return b.op(Add, x, b.Const(n)) }
func (b *Builder) AndI(x Value, n uint64) Value { return b.op(And, x, b.Const(n)) }
func (b *Builder) ShlI(x Value, n uint64) Value { return b.op(Shl, x, b.Const(n)) }
func (b *Builder) ShrI(x Value, n uint64) Value { return b.op(ShrU, x, b.Const(n)) }
func (b *Builder) SarI(x Value, n uint64) Value { return b.op(ShrS, x, b.Const(n)) }

// Reg reads general register number i.
func (b *Builder) Reg(i Value) Value { return b.node(&Node{Op: GetReg, Args: []*Node{i.node}}) }

// SetReg writes general register number i.
func (b *Builder) SetReg(i, v Value) { b.stmt(&Stmt{Kind: SetReg, A: i.node, B: v.node}) }

// Get reads a cell.
func (b *Builder) Get(c Cell) Value { return b.node(&Node{Op: GetCell, Cell: c}) }

// Set writes a cell.
func (b *Builder) Set(c Cell, v Value) {
	b.wrote[c] = true
	b.stmt(&Stmt{Kind: SetCell, Cell: c, A: v.node})
}

// Load reads size bytes (1, 2, 4, 8) at addr in the guest's byte order, zero-extended.
func (b *Builder) Load(addr Value, size uint8) Value {
	return b.node(&Node{Op: Load, Args: []*Node{addr.node}, Size: size, Big: b.Big})
}

// LoadBytes reads the 8 bytes at addr, the first one the most significant, whatever the guest's order is.
func (b *Builder) LoadBytes(addr Value) Value {
	return b.node(&Node{Op: Load, Args: []*Node{addr.node}, Size: 8, Big: true})
}

// Store writes the low size bytes of v at addr in the guest's byte order.
func (b *Builder) Store(addr Value, size uint8, v Value) {
	b.stmt(&Stmt{Kind: Store, A: addr.node, B: v.node, Size: size, Big: b.Big})
}

// StoreBytes is Store for LoadBytes.
func (b *Builder) StoreBytes(addr, v Value) {
	b.stmt(&Stmt{Kind: Store, A: addr.node, B: v.node, Size: 8, Big: true})
}

// If runs then when cond is not 0.
func (b *Builder) If(cond Value, then func()) { b.IfElse(cond, then, nil) }

// IfElse runs then when cond is not 0, otherwise els.
func (b *Builder) IfElse(cond Value, then, els func()) {
	s := &Stmt{Kind: If, A: cond.node}
	b.stmt(s)
	b.inside(&s.Then, then)
	if els != nil {
		b.inside(&s.Else, els)
	}
}

func (b *Builder) inside(list *[]*Stmt, f func()) {
	outer := b.cur
	b.cur = list
	f()
	b.cur = outer
}

// An Arm is one case of Switch.
type Arm struct {
	Keys []uint64
	Body func()
}

// Switch runs the arm that has v among its keys, or els. No key may stand twice.
func (b *Builder) Switch(v Value, arms []Arm, els func()) {
	s := &Stmt{Kind: Switch, A: v.node, Cases: make([]Case, len(arms))}
	b.stmt(s)
	seen := map[uint64]bool{}
	for i, arm := range arms {
		for _, k := range arm.Keys {
			if seen[k] {
				panic(fmt.Sprintf("ir: key %d stands twice in a switch", k))
			}
			seen[k] = true
		}
		s.Cases[i].Keys = arm.Keys
		b.inside(&s.Cases[i].Body, arm.Body)
	}
	b.inside(&s.Else, els)
}

// Trap leaves the function and hands control to the kernel. It stands before every effect of its path.
func (b *Builder) Trap(k TrapKind) { b.stmt(&Stmt{Kind: Trap, Trap: k}) }

// Return leaves the function.
func (b *Builder) Return() { b.stmt(&Stmt{Kind: Return}) }

// Do is a primitive without operands.
func (b *Builder) Do(k StmtKind) { b.stmt(&Stmt{Kind: k}) }

// KeyAppend shifts the pre-image key left by n bytes (1 to 8) and appends the low n bytes of v.
func (b *Builder) KeyAppend(n, v Value) { b.stmt(&Stmt{Kind: KeyAppend, A: n.node, B: v.node}) }

// HostWrite shows n bytes at addr to the host's side of descriptor fd.
func (b *Builder) HostWrite(fd, addr, n Value) {
	b.stmt(&Stmt{Kind: HostWrite, A: fd.node, B: addr.node, C: n.node})
}

// LastThread, ActiveEmpty, OracleWord, OracleCount and KeyType are the primitives with a value.

func (b *Builder) LastThread() Value  { return b.node(&Node{Op: LastThread}) }
func (b *Builder) ActiveEmpty() Value { return b.node(&Node{Op: ActiveEmpty}) }
func (b *Builder) OracleWord(offset Value) Value {
	return b.node(&Node{Op: OracleWord, Args: []*Node{offset.node}})
}
func (b *Builder) OracleCount() Value { return b.node(&Node{Op: OracleCount}) }
func (b *Builder) KeyType() Value     { return b.node(&Node{Op: KeyType}) }
