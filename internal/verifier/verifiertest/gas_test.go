package verifiertest

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/preimage"
)

// The prices that a step may have. A transaction of much calldata pays for it rather than for what it executes
// (EIP-7623), so the length of the witness decides.
const (
	fixedExecution         = 60_000
	fixedTransaction       = 270_000
	fixedMedianExecution   = 35_000
	fixedMedianTransaction = 150_000
	compactTransaction     = 130_000
	straddlingTransaction  = 250_000
)

// A price is what a step costs on chain.
type price struct {
	kind                   string
	execution, transaction uint64 // gas: of the call alone, of all
	witness                int    // bytes of proof-data
	straddles              bool   // it touches more leaves than those of an instruction and of one aligned access
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestGas compares the prices of all kinds of steps with a golden file. go test -update writes it.
func TestGas(t *testing.T) {
	eachISA(t, func(t *testing.T, w *world) {
		list := w.prices(t)
		for _, p := range list {
			w.limit(t, p)
		}
		if w.kernel.FixedProofs() {
			m := median(list)
			if m.execution > fixedMedianExecution || m.transaction > fixedMedianTransaction {
				t.Errorf("the medians are %d and %d, more than %d and %d",
					m.execution, m.transaction, fixedMedianExecution, fixedMedianTransaction)
			}
		}
		golden := filepath.Join("testdata", "gas_"+w.isa.Name+".txt")
		got := table(w, list)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("prices differ from %s; go test -run TestGas -update writes it anew\n%s", golden, differences(string(want), got))
		}
	})
}

// limit complains of a step that is too dear.
func (w *world) limit(t *testing.T, p price) {
	execution, transaction := uint64(fixedExecution), uint64(fixedTransaction)
	if !w.kernel.FixedProofs() {
		execution, transaction = compactTransaction, compactTransaction
		if p.straddles {
			execution, transaction = straddlingTransaction, straddlingTransaction
		}
	}
	if p.execution > execution || p.transaction > transaction {
		t.Errorf("%s costs %d and %d, more than %d and %d", p.kind, p.execution, p.transaction, execution, transaction)
	}
}

// median is that of each column.
func median(list []price) price {
	middle := func(column func(p price) uint64) uint64 {
		var all []uint64
		for _, p := range list {
			all = append(all, column(p))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return price{
		kind:        "# median",
		execution:   middle(func(p price) uint64 { return p.execution }),
		transaction: middle(func(p price) uint64 { return p.transaction }),
		witness:     int(middle(func(p price) uint64 { return uint64(p.witness) })),
	}
}

func table(w *world, list []price) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Gas of one step of %s on the kernel bare: execution, whole transaction; bytes of proof-data.
# State: see population in gas_test.go.
`, w.isa.Name)
	line := func(p price) {
		fmt.Fprintf(&b, "%-32s%8d%8d%8d\n", p.kind, p.execution, p.transaction, p.witness)
	}
	most := price{kind: "# most"}
	for _, p := range list {
		line(p)
		most.execution, most.transaction = max(most.execution, p.execution), max(most.transaction, p.transaction)
		most.witness = max(most.witness, p.witness)
	}
	b.WriteString("#\n")
	line(median(list))
	line(most)
	return b.String()
}

// differences are the lines of got that want lacks.
func differences(want, got string) string {
	old := strings.Split(want, "\n")
	var list []string
	for _, l := range strings.Split(got, "\n") {
		if !slices.Contains(old, l) {
			list = append(list, l)
		}
	}
	return strings.Join(list, "\n")
}

// Where the priced steps look: in the middle of the program, in its data, at the top of its stack.
const (
	pricedPC   = 0x10000 + 97*machine.PageSize + 0x634
	pricedData = 0x10000 + 211*machine.PageSize + 0x9a8
	someBytes  = 8 // of an arbitrary object
)

// population makes the state whose steps are priced. It is like that of a Go program some time after its start: 400
// pages in which every leaf is used, but half of all bytes are zero, as in code, pointers and small numbers; eight
// threads; no pre-image was read. Code and data are one run of 256 pages from 0x10000 on; the runtime's bookkeeping
// and the objects are on the kernel's heap, 128 pages with gaps; the stack of the first thread has 16 pages.
func (w *world) population() *machine.Machine {
	random := isatest.Random(1)
	m := machine.New(w.isa.Thread)
	layout := w.kernel.Layout
	fill := func(page, number uint64) {
		for n := range number {
			var data [machine.PageSize]byte
			for at := 0; at < len(data); at += 8 {
				binary.BigEndian.PutUint64(data[at:], random.Uint64()>>random.IntN(64))
			}
			m.Mem.SetPage(page+n, &data)
		}
	}
	fill(0x10, 256)
	for n := range uint64(8) {
		fill(layout.HeapStart/machine.PageSize+n*n*64, 16)
	}
	fill(layout.StackTop/machine.PageSize-16, 16)
	var stacks [2][][]byte
	for n := range uint64(8) {
		w.pricedThread(m, n)
		stacks[n%2] = append(stacks[n%2], m.EncodeThread())
	}
	if err := m.SetStacks(stacks); err != nil {
		panic(err)
	}
	for c, v := range map[ir.Cell]uint64{
		ir.Heap: layout.HeapStart + 0x2000000, ir.Step: 123_456_789, ir.Quantum: 54_321, ir.NextThread: 8,
	} {
		m.Cells[c] = v
	}
	m.Root()
	return m
}

// pricedThread fills the running thread's registers with what programs have there: addresses and small numbers.
func (w *world) pricedThread(m *machine.Machine, id uint64) {
	random := isatest.Random(id)
	for _, c := range w.isa.Thread {
		m.Cells[c] = []uint64{random.Uint64N(100), pricedData + 8*random.Uint64N(100), pricedPC + 4*random.Uint64N(100)}[c%3]
	}
	m.Cells[0] = 0
	m.Cells[ir.ThreadID] = id
	m.Cells[ir.PC], m.Cells[ir.NextPC] = pricedPC, pricedPC+4
	m.Cells[w.kernel.StackPointer()] = w.kernel.Layout.StackTop - 1000
}

// prices are those of all rows, syscalls and actions of the scheduler.
func (w *world) prices(t *testing.T) []price {
	base := w.population()
	var list []price
	add := func(kind string, straddles bool, c *testCase) {
		p, err := w.record(c)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if p.OracleOffset != nil {
			if err := w.load(p, c.context); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
		}
		r, err := w.chain.Step(w.contract, p.StateData, p.ProofData, c.context)
		if err != nil || r.Reverted || r.Post != [32]byte(p.Post) {
			t.Fatalf("%s: %v, %s", kind, err, r.Reason)
		}
		list = append(list, price{kind, r.Gas, r.TxGas, len(p.ProofData), straddles})
	}
	for r, row := range w.isa.Rows {
		if r != w.call {
			add(row.Name, false, w.pricedRow(base, r, pricedData))
		}
	}
	if w.isa.Align == 2 {
		w.straddling(base, add)
	}
	for _, s := range w.pricedCalls(base) {
		add("syscall "+s.kind, s.straddles, s.c)
	}
	for _, s := range w.pricedActions(base) {
		add(s.kind, false, s.c)
	}
	return list
}

// pricedRow is a case of a row that does all that the row can do; its access is to the address.
func (w *world) pricedRow(base *machine.Machine, row int, addr uint64) *testCase {
	can := newAbility(w.rows[row].Body)
	p := &w.isa.Patterns()[row]
	for try := range uint64(10_000) {
		c := &testCase{machine: base.Fork(), host: host{}}
		cells := &c.machine.Cells
		word := isatest.Instance(w.isa, row, isatest.Random(try))
		w.putInstruction(c.machine, word, p.Size)
		fields := isatest.FieldsOf(p, word)
		baseRegister := uint64(2)
		for _, name := range []string{"rs", "rs1"} {
			if r, ok := fields[name]; ok {
				baseRegister = r
			}
		}
		switch {
		case baseRegister == 0:
		case try%3 == 0:
			cells[baseRegister] = w.register(addr - fields["imm"] - fields["uimm"])
		case try%3 == 1: // for traps that compare with it
			cells[baseRegister] = w.register(fields["imm"])
		}
		cells[ir.ReservationStatus], cells[ir.ReservationAddress] = 1+try/2%2, addr
		cells[ir.ReservationOwner] = cells[ir.ThreadID]
		ref := w.reference(c.machine.Fork(), c.host)
		ref.step()
		outside := slices.ContainsFunc(ref.touched, func(a access) bool { return a.addr/8 != addr/8 })
		if !outside && (!ref.trapped || !can.end) && (ref.stored || !can.store) {
			return c
		}
	}
	panic("there is no case to price of " + w.isa.Rows[row].Name)
}

func (w *world) putInstruction(m *machine.Machine, word uint32, size uint64) {
	pc := m.Cells[ir.PC]
	if size == 2 {
		m.Mem.WriteSlow(pc, 2, w.isa.Big, uint64(word))
		return
	}
	m.Mem.WriteSlow(pc, 4, w.isa.Big, uint64(word))
}

// straddling adds accesses and an instruction that lie in two leaves.
func (w *world) straddling(base *machine.Machine, add func(string, bool, *testCase)) {
	end := uint64(pricedData)&^(merkle.LeafSize-1) + merkle.LeafSize
	for r, row := range w.isa.Rows {
		size := map[string]uint64{"lw": 4, "sw": 4, "ld": 8, "sd": 8}[row.Name]
		if size != 0 {
			add(row.Name+" straddling", true, w.pricedRow(base, r, end-size/2))
		}
	}
	add("addi straddling", true, w.pricedStraddlingInstruction(base, "addi", pricedData))
	store := map[int]string{32: "sw", 64: "sd"}[w.isa.Bits]
	add(store+" straddling in both", true, w.pricedStraddlingInstruction(base, store, end-2))
}

func (w *world) pricedStraddlingInstruction(base *machine.Machine, name string, addr uint64) *testCase {
	at := base.Fork()
	at.Cells[ir.PC] |= merkle.LeafSize - 2
	return w.pricedRow(at, isatest.Row(w.isa, name), addr)
}

// A pricedStep is a case with its name in the table.
type pricedStep struct {
	kind      string
	straddles bool
	c         *testCase
}

// pricedCalls are cases of all syscalls.
func (w *world) pricedCalls(base *machine.Machine) []pricedStep {
	arguments := map[string]map[string][]uint64{
		"read":          {"nothing": {0}, "hint": {3, pricedData, someBytes}, "pre-image": {5, pricedData, someBytes}},
		"write":         {"output": {1, pricedData, someBytes}, "key": {6, pricedData, someBytes}},
		"mmap":          {"": {0, 1 << 16}},
		"clone":         {"": {0x50f00, pricedData}},
		"exit":          {"": {3}},
		"exit_group":    {"": {3}},
		"clock_gettime": {"": {1, pricedData}},
		"futex":         {"wait": {pricedData, 128, 0}, "wait in vain": {pricedData, 128, 1}, "wake": {pricedData, 129}},
		"getrandom":     {"": {pricedData, someBytes}},
		"fcntl":         {"": {1, 3}},
		"eventfd2":      {"": {0, 0x80}},
	}
	var list []pricedStep
	step := func(name, what string, number uint64, args []uint64) {
		c := &testCase{machine: base.Fork(), host: host{}}
		w.putInstruction(c.machine, isatest.Encode(w.isa, w.call, nil), 4)
		c.machine.Mem.WriteSlow(pricedData, 4, w.isa.Big, 0)
		if what == "pre-image" {
			data := []byte("the pre-image of a key")
			c.machine.Key = merkle.Keccak256(data)
			c.machine.Key[0] = preimage.Keccak256
			c.host[c.machine.Key] = data
		}
		c.machine.Cells[w.number] = w.register(number)
		for n, v := range args {
			c.machine.Cells[w.args[n]] = w.register(v)
		}
		list = append(list, pricedStep{strings.TrimSpace(name + " " + what), false, c})
	}
	for _, name := range w.names {
		sets := arguments[name]
		if sets == nil {
			sets = map[string][]uint64{"": {0, 0, 0}}
		}
		var whats []string
		for what := range sets {
			whats = append(whats, what)
		}
		slices.Sort(whats)
		for _, what := range whats {
			step(name, what, w.numbers[name], sets[what])
		}
	}
	step("unknown", "", 8191, nil)
	return list
}

// pricedActions are cases of the scheduler and of faults.
func (w *world) pricedActions(base *machine.Machine) []pricedStep {
	var list []pricedStep
	step := func(kind string, change func(m *machine.Machine)) {
		c := &testCase{machine: base.Fork(), host: host{}}
		change(c.machine)
		list = append(list, pricedStep{kind, false, c})
	}
	step("preemption", func(m *machine.Machine) { m.Cells[ir.Quantum] = bare.QuantumSteps })
	step("exited thread", func(m *machine.Machine) { m.Cells[ir.ThreadExited] = 1 })
	step("unknown instruction", func(m *machine.Machine) { w.putInstruction(m, w.noInstruction(), 4) })
	step("misaligned pc", func(m *machine.Machine) { m.Cells[ir.PC]++ })
	step("halted", func(m *machine.Machine) { m.Cells[ir.Exited] = 1 })
	return list
}

// noInstruction is a word of 4 bytes that is no instruction.
func (w *world) noInstruction() uint32 {
	for random := isatest.Random(1); ; {
		word := random.Uint32()
		if _, ok := w.isa.Decode(word); !ok && w.isa.Size(word) == 4 {
			return word
		}
	}
}
