package verifiertest

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/contracts"
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/verifier"
)

// together makes a case in which instruction and data share leaves or have neighbouring ones, often at an end of the
// address space.
func (b *builder) together(build func()) {
	base := b.pick(0x10000, 0, 1<<12, 1<<31, b.w.kernel.Layout.StackTop, b.Uint64()&^31) + b.pick(0, 32, 1<<64-32, 64)
	pc := b.w.address((base + b.Uint64N(40) - 20) &^ (b.w.isa.Align - 1))
	b.pool = []uint64{b.w.address(pc + b.Uint64N(80) - 40), b.w.address(base), b.w.address(base - b.Uint64N(8)), pc}
	build()
	b.m.Cells[ir.PC], b.m.Cells[ir.NextPC] = pc, b.w.address(pc+4)
}

// TestSharedLeaves has steps that access the leaves of their own instruction, which they may overwrite.
func TestSharedLeaves(t *testing.T) {
	eachISA(t, func(t *testing.T, w *world) {
		kinds := map[string]func(b *builder){
			"read":      func(b *builder) { b.together(b.readPreimage) },
			"write key": func(b *builder) { b.together(b.writeKey) },
			"futex":     func(b *builder) { b.together(func() { b.futex(128) }) },
			"clock": func(b *builder) {
				b.together(func() { b.call("clock_gettime"); b.setArg(0, b.Uint64N(2)); b.setArg(1, b.near()) })
			},
			"getrandom": func(b *builder) { b.together(func() { b.call("getrandom"); b.setArg(0, b.near()) }) },
		}
		for r, row := range w.isa.Rows {
			if r != w.call {
				kinds[row.Name] = func(b *builder) { b.together(func() { b.instruction(r) }) }
			}
		}
		for name, build := range kinds {
			for seed := range uint64(6) {
				if _, err := w.check(w.build(plan{"together " + name, build}, seed)); err != nil {
					t.Errorf("%s, seed %d: %v", name, seed, err)
				}
			}
		}
	})
}

// program fills the memory from pc on with any instructions, many of which write to it.
func (b *builder) program() {
	w := b.w
	b.instruction(b.IntN(len(w.isa.Rows)))
	pc := w.address(b.place()&^63 + b.pick(0, 0xfc0))
	b.m.Cells[ir.PC], b.m.Cells[ir.NextPC] = pc, w.address(pc+4)
	b.m.Cells[ir.Step] >>= 4
	b.m.Cells[ir.Quantum] = b.pick(0, bare.QuantumSteps-b.Uint64N(20))
	for r := 1; r < 32; r++ {
		if !b.one(5) {
			b.m.Cells[r] = w.register(pc + b.Uint64N(160) - 40)
		}
	}
	b.m.Cells[w.number] = w.register(w.numbers[w.names[b.IntN(len(w.names))]])
	at := pc
	for range 60 {
		row := b.IntN(len(w.isa.Rows))
		for b.one(2) && !newAbility(w.rows[row].Body).store {
			row = b.IntN(len(w.isa.Rows))
		}
		word := isatest.Instance(w.isa, row, b.Rand)
		b.encode(word, w.isa.Size(word))
		for _, v := range b.code {
			b.m.Mem.Write(at, []byte{v})
			at = w.address(at + 1)
		}
	}
	b.code, b.asIs = nil, true
}

// TestPrograms runs programs that overwrite themselves, with thread switches and syscalls, beside the definition.
func TestPrograms(t *testing.T) {
	eachISA(t, func(t *testing.T, w *world) {
		for seed := range uint64(1000) {
			c := w.build(plan{"program", (*builder).program}, seed)
			random := rand.New(rand.NewPCG(seed, 1))
			m, want := c.machine.Fork(), c.machine.Fork()
			s := w.system(m, c.host)
			for range 30 {
				if m.Get(ir.Exited) != 0 {
					break
				}
				n := 1 + random.Uint64N(9)
				if err := s.Run(m.Get(ir.Step) + n); err != nil {
					break // it asks for a pre-image that the host does not have
				}
				for range n {
					w.reference(want, c.host).step()
				}
				if err := same(want, m); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
	})
}

// deploy puts code on the chain.
func (w *world) deploy(t *testing.T, code string) common.Address {
	t.Helper()
	raw := common.FromHex(code)
	// PUSH1 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN, STOP.
	init := append([]byte{0x60, byte(len(raw)), 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0}, raw...)
	addr, err := w.chain.Deploy(contracts.Artifact{Name: "test", ABI: abi.ABI{}, Bytecode: init})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// victimOf finds the victim of a kind.
func (w *world) victimOf(t *testing.T, kind string) *victim {
	t.Helper()
	list := quarries(w)
	return w.hunt(t, list[slices.IndexFunc(list, func(q quarry) bool { return q.kind == kind })])
}

// TestWantOfGas gives step any amount of gas. It comes to the right root or reverts: a call that runs out of gas
// within it, as that of the oracle may, never passes for another answer.
func TestWantOfGas(t *testing.T) {
	iStep, err := contracts.Load("IStep")
	if err != nil {
		t.Fatal(err)
	}
	eachISA(t, func(t *testing.T, w *world) {
		// Calls the contract with the first word of calldata as gas and the rest as calldata; returns whether it
		// succeeded, and what it returned.
		wrapper := w.deploy(t, "6020360380"+"60205f37"+"5f5f825f5f73"+w.contract.Hex()[2:]+"5f35f1"+"5f523d5f60203e"+"60203d015ff3")
		for _, kind := range []string{"read pre-image", "store", "clock_gettime"} {
			v := w.victimOf(t, kind)
			input, err := iStep.ABI.Pack("step", []byte(v.p.StateData), []byte(v.p.ProofData), v.c.context)
			if err != nil {
				t.Fatal(err)
			}
			right := 0
			for gas := uint64(1000); gas < 200_000; gas += 257 {
				word := binary.BigEndian.AppendUint64(make([]byte, 24), gas)
				out, err := w.chain.Call(wrapper, append(word, input...))
				if err != nil || out.Reverted {
					t.Fatalf("%s: %v %s", kind, err, out.Reason)
				}
				if out.Return[31] == 0 {
					continue
				}
				right++
				if post := common.BytesToHash(out.Return[32:]); post != common.BytesToHash(v.p.Post) {
					t.Fatalf("%s with %d gas: %x, not %x", kind, gas, post, []byte(v.p.Post))
				}
			}
			if right == 0 {
				t.Errorf("%s: no amount was enough", kind)
			}
		}
	})
}

// TestStrangeOracle has oracles that answer something else than two words.
func TestStrangeOracle(t *testing.T) {
	eachISA(t, func(t *testing.T, w *world) {
		v := w.victimOf(t, "read pre-image")
		artifact, err := contracts.Load(verifier.ContractName(w.isa))
		if err != nil {
			t.Fatal(err)
		}
		step := func(oracle common.Address) string {
			addr, err := w.chain.Deploy(artifact, oracle)
			if err != nil {
				t.Fatal(err)
			}
			r, err := w.chain.Step(addr, v.p.StateData, v.p.ProofData, v.c.context)
			if err != nil {
				t.Fatal(err)
			}
			return r.Reason
		}
		for name, c := range map[string]struct{ code, reason string }{
			"nothing":           {"5f5ff3", "Malformed(6)"},
			"63 bytes":          {"603f5ff3", "Malformed(6)"},
			"a count of 2^256":  {"5f19602052" + "5f195f52" + "60405ff3", ""},
			"more than 2 words": {"5f19602052" + "5f195f52" + "6110005ff3", ""},
			"a revert":          {"60aa5f526001601ffd", "reverted with 0xaa"},
			"no more gas":       {"fe", "reverted without a reason"},
		} {
			if got := step(w.deploy(t, c.code)); got != c.reason {
				t.Errorf("%s: %q, want %q", name, got, c.reason)
			}
		}
		if got := step(common.Address{0x77}); got != "Malformed(6)" {
			t.Errorf("no contract: %q", got)
		}
	})
}

// TestCalldata encodes a call in other ways than usual: what is said is the same, or the call is refused.
func TestCalldata(t *testing.T) {
	iStep, err := contracts.Load("IStep")
	if err != nil {
		t.Fatal(err)
	}
	eachISA(t, func(t *testing.T, w *world) {
		v := w.victimOf(t, "store")
		s, p, context := []byte(v.p.StateData), []byte(v.p.ProofData), v.c.context[:]
		try := func(what string, right bool, parts ...any) {
			t.Helper()
			data := slices.Clone(iStep.ABI.Methods["step"].ID)
			for _, part := range parts {
				switch part := part.(type) {
				case int:
					data = binary.BigEndian.AppendUint64(append(data, make([]byte, 24)...), uint64(part))
				case []byte:
					data = append(data, part...)
				}
			}
			out, err := w.chain.Call(w.contract, data)
			if err != nil {
				t.Fatal(err)
			}
			if got := !out.Reverted && common.BytesToHash(out.Return) == common.BytesToHash(v.p.Post); got != right {
				t.Errorf("%s: reverted %v, %s, %x", what, out.Reverted, out.Reason, out.Return)
			}
		}
		last := 96 + 32 + len(s)
		try("usual, but not padded", true, 96, last, context, len(s), s, len(p), p)
		try("proof first", true, 96+32+len(p), 96, context, len(p), p, len(s), s)
		try("at an odd place", true, 97, last+1, context, []byte{9}, len(s), s, len(p), p)
		try("more behind it", true, 96, last, context, len(s), s, len(p), p, make([]byte, 5000))
		try("a byte less", false, 96, last, context, len(s), s, len(p), p[:len(p)-1])
		try("both the same", false, 96, 96, context, len(s), s)
		for _, bit := range []uint{63, 64, 255} {
			huge := new(big.Int).Lsh(big.NewInt(1), bit).FillBytes(make([]byte, 32))
			least := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), new(big.Int).Lsh(big.NewInt(1), bit-60)).FillBytes(make([]byte, 32))
			for _, word := range [][]byte{huge, least} {
				try("a huge offset", false, 96, word, context, len(s), s, len(p), p)
				try("a huge length", false, 96, last, context, len(s), s, word, p)
			}
		}
	})
}
