// Package machine is the form of a guest's state: the words of the running thread and of the machine, parked
// threads, memory; their canonical encoding and their root. It knows no instruction set, no engine and no
// kernel. Specification: docs/base-machine.md.
package machine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/merkle"
)

// StateSize is the length in bytes of an encoded state.
const StateSize = 188

// threadHead is the length of id, exit code and exited, with which every encoded thread begins.
const threadHead = 10

// EmptyStack is the root of a thread stack without threads.
var EmptyStack = merkle.Zero(1)

// A Machine is a whole state. The running thread's registers and the machine's scalars are in Cells; it is the
// top of the active stack and stands in neither of the stacks.
type Machine struct {
	Cells [ir.NumCells]uint64
	Key   [32]byte // pre-image key
	Mem   *Memory
	// Hint is the unfinished rest of a hint: kept in snapshots, no part of the root.
	Hint []byte

	// Narrow says that addresses have 32 bits.
	Narrow bool

	layout []ir.Cell // of a thread, behind its head
	stacks [2]stack  // left, right
	// idle is true from the departure of a thread until Resume.
	idle     bool
	hashed   lastHashed
	recorder Recorder
}

// New makes a machine with empty memory and one thread, all of whose words are 0. layout is the thread's
// encoding behind its head.
func New(layout []ir.Cell) *Machine {
	m := &Machine{Mem: NewMemory(), layout: layout}
	m.Cells[ir.NextThread] = 1
	m.stacks = [2]stack{{base: EmptyStack}, {base: EmptyStack}}
	return m
}

// ThreadSize is the length in bytes of an encoded thread.
func (m *Machine) ThreadSize() int { return ThreadSize(m.layout) }

// ThreadSize is the length in bytes of an encoded thread with that layout behind its head.
func ThreadSize(layout []ir.Cell) int { return threadHead + 8*len(layout) }

// Get and Set access a cell.
func (m *Machine) Get(c ir.Cell) uint64    { return m.Cells[c] }
func (m *Machine) Set(c ir.Cell, v uint64) { m.Cells[c] = v }

// stack holds parked threads. In a machine that was made from a witness the lower ones are known by their root
// only.
type stack struct {
	base merkle.Hash // root below the threads
	top  *parked
}

// parked is a thread that does not run, with what is below it. It never changes but for its root, which is hashed
// when somebody asks for it: threads are parked far more often. Fork asks, so that copies of a machine share
// what changes no more.
type parked struct {
	bytes  []byte
	root   merkle.Hash // of the stack up to and including this thread, if hashed
	hashed bool        // as are all below, then
	below  *parked
	depth  int // threads up to and including this one
}

func (s *stack) empty() bool { return s.top == nil && s.base == EmptyStack }

func (s *stack) root() merkle.Hash {
	var due []*parked
	t := s.top
	for ; t != nil && !t.hashed; t = t.below {
		due = append(due, t)
	}
	root := s.base
	if t != nil {
		root = t.root
	}
	for _, t := range slices.Backward(due) {
		hash := merkle.Keccak256(t.bytes)
		root = merkle.Pair(&root, &hash)
		t.root, t.hashed = root, true
	}
	return root
}

func (s *stack) depth() int {
	if s.top != nil {
		return s.top.depth
	}
	return 0
}

func (s *stack) push(thread []byte) {
	s.top = &parked{bytes: thread, below: s.top, depth: s.depth() + 1}
}

func (m *Machine) active() *stack { return &m.stacks[m.Cells[ir.TraverseRight]&1] }
func (m *Machine) other() *stack  { return &m.stacks[m.Cells[ir.TraverseRight]&1^1] }

// PushThread parks a copy of the running thread on the active stack.
func (m *Machine) PushThread() { m.active().push(m.EncodeThread()) }

// PopThread drops the running thread. Another one runs after Resume.
func (m *Machine) PopThread() { m.idle = true }

// MoveThread parks the running thread on the other stack. Another one runs after Resume.
func (m *Machine) MoveThread() {
	m.other().push(m.EncodeThread())
	m.idle = true
}

// ActiveEmpty tells whether the active stack is empty once the running thread has left it.
func (m *Machine) ActiveEmpty() bool { return m.active().empty() }

// LastThread tells whether no thread is parked.
func (m *Machine) LastThread() bool {
	return m.active().empty() && m.other().empty()
}

// Resume ends a step: if the running thread has left, the top of the active stack runs. A machine made from a
// witness does not know it and stays idle.
func (m *Machine) Resume() {
	if !m.idle {
		return
	}
	s := m.active()
	if s.top == nil {
		return
	}
	m.decodeThread(s.top.bytes)
	s.top = s.top.below
	m.idle = false
}

// KeyAppend shifts the pre-image key left by n bytes (1 to 8) and appends the low n bytes of v.
func (m *Machine) KeyAppend(n, v uint64) {
	copy(m.Key[:], m.Key[n:])
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	copy(m.Key[32-n:], b[8-n:])
}

// Exited tells whether the machine has halted, and with which exit code.
func (m *Machine) Exited() (bool, uint8) {
	return m.Cells[ir.Exited] != 0, uint8(m.Cells[ir.ExitCode])
}

// Threads is the number of threads, the running one included.
func (m *Machine) Threads() int {
	n := m.stacks[0].depth() + m.stacks[1].depth()
	if !m.idle {
		n++
	}
	return n
}

// EncodeThread gives the running thread's bytes: id 8, exit code 1, exited 1, then the layout, 8 bytes each.
func (m *Machine) EncodeThread() []byte {
	return m.AppendThread(make([]byte, 0, m.ThreadSize()))
}

// AppendThread appends what EncodeThread gives.
func (m *Machine) AppendThread(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Cells[ir.ThreadID])
	b = append(b, byte(m.Cells[ir.ThreadExit]), byte(m.Cells[ir.ThreadExited]))
	for _, c := range m.layout {
		b = binary.BigEndian.AppendUint64(b, m.Cells[c])
	}
	return b
}

func (m *Machine) decodeThread(b []byte) {
	m.Cells[ir.ThreadID] = binary.BigEndian.Uint64(b)
	m.Cells[ir.ThreadExit] = uint64(b[8])
	m.Cells[ir.ThreadExited] = uint64(b[9])
	for i, c := range m.layout {
		m.Cells[c] = binary.BigEndian.Uint64(b[threadHead+8*i:])
	}
}

// stackRoot is the root of the left or right stack with the running thread on it.
func (m *Machine) stackRoot(right int) merkle.Hash {
	s := &m.stacks[right]
	root := s.root()
	if !m.idle && s == m.active() {
		var room [384]byte // for any instruction set's thread
		root = m.hashed.stackRoot(m.AppendThread(room[:0]), &root)
	}
	return root
}

// lastHashed holds what was hashed last, with the hashes: the state after a step is the one before the next, and
// most witnesses are of consecutive steps. It is compared with what is to be hashed before it is used, so it never
// has to be told of a change. Its bytes are its own, and no fork's.
type lastHashed struct {
	thread    []byte // the running one; nil, which no thread is, if none was hashed
	under     merkle.Hash
	stack     merkle.Hash // root of the stack with thread on under
	state     []byte      // nil if none was hashed
	stateHash merkle.Hash
}

// stackRoot is the root of a stack with that thread on the root under.
func (l *lastHashed) stackRoot(thread []byte, under *merkle.Hash) merkle.Hash {
	if l.under != *under || !bytes.Equal(l.thread, thread) {
		hash := merkle.Keccak256(thread)
		l.stack = merkle.Pair(under, &hash)
		l.thread, l.under = append(l.thread[:0], thread...), *under
	}
	return l.stack
}

// root is StateHash.
func (l *lastHashed) root(state []byte) merkle.Hash {
	if !bytes.Equal(l.state, state) {
		l.stateHash = StateHash(state)
		l.state = append(l.state[:0], state...)
	}
	return l.stateHash
}

// The scalars of an encoded state in order, with their sizes in bytes; what is no cell stands between them.
var (
	scalarsFront = []field{
		{ir.PreimageOffset, 8},
		{ir.Heap, 8},
		{ir.ReservationStatus, 1},
		{ir.ReservationAddress, 8},
		{ir.ReservationOwner, 8},
		{ir.ExitCode, 1},
		{ir.Exited, 1},
		{ir.Step, 8},
		{ir.Quantum, 8},
		{ir.TraverseRight, 1},
	}
	scalarsBack = []field{{ir.NextThread, 8}}
)

type field struct {
	cell ir.Cell
	size int
}

// ScalarSizes are the lengths in bytes of the scalars of an encoded state that stand before its stack roots, in order;
// the first is ir.PreimageOffset, and their cells follow one another.
func ScalarSizes() []int {
	sizes := make([]int, len(scalarsFront))
	for i, f := range scalarsFront {
		sizes[i] = f.size
	}
	return sizes
}

func (m *Machine) appendFields(b []byte, fields []field) []byte {
	for _, f := range fields {
		if f.size == 1 {
			b = append(b, byte(m.Cells[f.cell]))
		} else {
			b = binary.BigEndian.AppendUint64(b, m.Cells[f.cell])
		}
	}
	return b
}

func (m *Machine) takeFields(b []byte, fields []field) []byte {
	for _, f := range fields {
		if f.size == 1 {
			m.Cells[f.cell] = uint64(b[0])
		} else {
			m.Cells[f.cell] = binary.BigEndian.Uint64(b)
		}
		b = b[f.size:]
	}
	return b
}

// Encode gives the state's bytes: memory root, pre-image key, scalars, stack roots.
func (m *Machine) Encode() []byte { return m.EncodeWithMemory(m.Mem.Root()) }

// EncodeWithMemory is Encode for a machine made from a witness, whose memory root the caller keeps.
func (m *Machine) EncodeWithMemory(memory merkle.Hash) []byte {
	return m.appendState(make([]byte, 0, StateSize), memory)
}

func (m *Machine) appendState(b []byte, memory merkle.Hash) []byte {
	return m.appendRoots(b, memory, [2]merkle.Hash{m.stackRoot(0), m.stackRoot(1)})
}

// appendRoots appends the state with roots of memory and stacks that the caller knows.
func (m *Machine) appendRoots(b []byte, memory merkle.Hash, stacks [2]merkle.Hash) []byte {
	b = append(b, memory[:]...)
	b = append(b, m.Key[:]...)
	b = m.appendFields(b, scalarsFront)
	b = append(b, stacks[0][:]...)
	b = append(b, stacks[1][:]...)
	return m.appendFields(b, scalarsBack)
}

// Root is the commitment to the whole state: see StateHash.
func (m *Machine) Root() merkle.Hash {
	var room [StateSize]byte
	return m.hashed.root(m.appendState(room[:0], m.Mem.Root()))
}

// Commitment gives Encode and Root.
func (m *Machine) Commitment() (state []byte, root merkle.Hash) {
	state = m.Encode()
	return state, m.hashed.root(state)
}

// The first byte of a state hash tells how the machine ended.
const (
	StatusSuccess    = 0 // exit code 0
	StatusFailure    = 1 // exit code 1
	StatusPanic      = 2 // any other
	StatusUnfinished = 3
)

// Offsets of the exit code, of the halted flag and of the stack roots in an encoded state.
const (
	exitCodeOffset = 97
	exitedOffset   = 98
	stacksOffset   = 116
)

// StateHash is the keccak-256 of an encoded state with the first byte replaced by the status.
func StateHash(state []byte) merkle.Hash {
	h := merkle.Keccak256(state)
	h[0] = status(state)
	return h
}

// status tells how the machine with an encoded state ended.
func status(state []byte) byte {
	if state[exitedOffset] == 0 {
		return StatusUnfinished
	}
	return min(state[exitCodeOffset], StatusPanic)
}

// Under is the root of the active stack without the running thread.
func (m *Machine) Under() merkle.Hash { return m.active().root() }

// FromWitness makes a machine of which only the scalars, the running thread and roots are known. Memory is
// empty; the caller provides it.
func FromWitness(layout []ir.Cell, state, thread []byte, under merkle.Hash) (*Machine, error) {
	m := New(layout)
	if err := m.SetScalars(state); err != nil {
		return nil, err
	}
	if len(thread) != m.ThreadSize() {
		return nil, fmt.Errorf("machine: a thread has %d bytes, not %d", m.ThreadSize(), len(thread))
	}
	for right := range m.stacks {
		m.stacks[right].base = merkle.Hash(state[stacksOffset+32*right:])
	}
	m.decodeThread(thread)
	if m.Cells[ir.ThreadExited] > 1 {
		return nil, fmt.Errorf("machine: the flag %v is %d, not 0 or 1", ir.ThreadExited, m.Cells[ir.ThreadExited])
	}
	if v := m.zeroRegister(thread); v != 0 {
		return nil, fmt.Errorf("machine: register 0 of the thread is %#x, not 0", v)
	}
	hash := merkle.Keccak256(thread)
	if merkle.Pair(&under, &hash) != m.active().base {
		return nil, fmt.Errorf("machine: the thread is not the top of the active stack")
	}
	m.active().base = under
	return m, nil
}

// Fork makes an independent machine that shares what does not change.
func (m *Machine) Fork() *Machine {
	for i := range m.stacks {
		m.stacks[i].root()
	}
	c := *m
	c.Mem = m.Mem.Fork()
	c.Hint = append([]byte(nil), m.Hint...)
	c.hashed = lastHashed{} // the two may be used by different goroutines
	c.recorder = nil
	return &c
}

// Forget drops the reservation; engines and Store call it for a write to its aligned 8 bytes.
func (m *Machine) Forget() {
	if m.Cells[ir.ReservationStatus] != 0 {
		m.Cells[ir.ReservationStatus] = 0
		m.Cells[ir.ReservationAddress] = 0
		m.Cells[ir.ReservationOwner] = 0
	}
}

// Wrap brings an address that may have been counted past the end of the address space back to its beginning.
func (m *Machine) Wrap(addr uint64) uint64 {
	if m.Narrow {
		return uint64(uint32(addr))
	}
	return addr
}

// wraps tells whether an access goes past the end of 32-bit addresses. Those of 64 bits wrap by themselves.
func (m *Machine) wraps(addr uint64, size uint8) bool {
	return m.Narrow && addr+uint64(size) > 1<<32
}

// Load reads size bytes (1, 2, 4 or 8), zero-extended.
func (m *Machine) Load(addr uint64, size uint8, big bool) uint64 {
	if !m.wraps(addr, size) {
		return m.Mem.ReadSlow(addr, size, big)
	}
	var b [8]byte
	for i := range b[:size] {
		b[i] = byte(m.Mem.ReadSlow(m.Wrap(addr+uint64(i)), 1, big))
	}
	return load(b[:], size, big)
}

// Store writes the low size bytes (1, 2, 4 or 8) of v, and drops a reservation of the same aligned 8 bytes.
func (m *Machine) Store(addr uint64, size uint8, big bool, v uint64) {
	line := m.Cells[ir.ReservationAddress] &^ 7
	if addr&^7 == line || m.Wrap(addr+uint64(size-1))&^7 == line {
		m.Forget()
	}
	if !m.wraps(addr, size) {
		m.Mem.WriteSlow(addr, size, big, v)
		return
	}
	var b [8]byte
	store(b[:], size, big, v)
	for i, x := range b[:size] {
		m.Mem.WriteSlow(m.Wrap(addr+uint64(i)), 1, big, uint64(x))
	}
}

// A Recorder sees the accesses of one step, to make a witness of them or to supply them from one.
type Recorder interface {
	Tracer
	// Fetched is called when the instruction has been read.
	Fetched()
	// CloseLeaf is called where the next access has a proof of its own in witnesses with fixed places.
	CloseLeaf()
}

// SetRecorder makes r see every following access; nil ends that.
func (m *Machine) SetRecorder(r Recorder) {
	m.recorder = r
	if r == nil {
		m.Mem.SetTracer(nil)
		return
	}
	m.Mem.SetTracer(r)
}

// Fetched and CloseLeaf tell the recorder.
func (m *Machine) Fetched() {
	if m.recorder != nil {
		m.recorder.Fetched()
	}
}

// CloseLeaf tells the recorder that the next access has a proof of its own.
func (m *Machine) CloseLeaf() {
	if m.recorder != nil {
		m.recorder.CloseLeaf()
	}
}

// Peek reads memory for somebody outside of the machine: no recorder is told.
func (m *Machine) Peek(addr uint64, p []byte) { m.Mem.copyOut(addr, p) }
