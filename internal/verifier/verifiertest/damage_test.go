package verifiertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/preimage"
	"github.com/flexemu/flexemu/internal/proof"
)

// TestDamage damages witnesses of many kinds of steps, byte by byte and in other ways. Replay and contract have to
// do the same with each: refuse it or come to the same root, which is never the right one unless the bytes are
// among those that the format says are not looked at.
func TestDamage(t *testing.T) {
	eachISA(t, func(t *testing.T, w *world) {
		for _, q := range quarries(w) {
			t.Run(q.kind, func(t *testing.T) {
				w := w.fork()
				t.Parallel()
				v := w.hunt(t, q)
				v.damageState(t)
				v.damageThread(t)
				v.damageProofs(t)
				v.damageLength(t)
				v.exchange(t)
				v.damageOracle(t)
			})
		}
	})
}

// A verdict is what Replay and contract say about a witness.
type verdict struct {
	refused bool
	post    merkle.Hash
}

func (v verdict) String() string {
	if v.refused {
		return "refused"
	}
	return fmt.Sprintf("%x", v.post)
}

// judge asks both about a witness, and complains if they disagree.
func (v *victim) judge(t *testing.T, what string, state, data []byte) verdict {
	t.Helper()
	p := *v.p
	p.StateData, p.ProofData = state, data
	replayed := v.replay(t, &p)
	r, err := v.chain.Step(v.contract, state, data, v.c.context)
	if err != nil {
		t.Fatal(err)
	}
	if r.Reverted && strings.HasPrefix(r.Reason, "PartMissing(") {
		return replayed // the oracle was given what the right step reads, the proof holds the whole pre-image
	}
	if r.Reverted && !strings.HasPrefix(r.Reason, "Malformed(") {
		t.Errorf("%s: the contract reverts with %s", what, r.Reason)
	}
	decided := verdict{r.Reverted, r.Post}
	if replayed != decided {
		t.Errorf("%s: the replay says %v, the contract %v %s", what, replayed, decided, r.Reason)
	}
	return decided
}

func (v *victim) replay(t *testing.T, p *proof.Proof) verdict {
	t.Helper()
	post, err := proof.Replay(v.kernel, p)
	if err != nil {
		if !errors.Is(err, proof.ErrWrong) {
			t.Errorf("replay fails with %v", err)
		}
		return verdict{refused: true}
	}
	return verdict{post: post}
}

// refuse wants a witness to be refused.
func (v *victim) refuse(t *testing.T, what string, state, data []byte) {
	t.Helper()
	if got := v.judge(t, what, state, data); !got.refused {
		t.Errorf("%s: %v, want refused", what, got)
	}
}

// accept wants damage to have no effect.
func (v *victim) accept(t *testing.T, what string, data []byte) {
	t.Helper()
	if got := v.judge(t, what, v.p.StateData, data); got != (verdict{post: merkle.Hash(v.p.Post)}) {
		t.Errorf("%s: %v, want no effect", what, got)
	}
}

// flipped is a copy with one bit of a byte changed; which bit depends on the place.
func flipped(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 1 << ((at*5 + at/8) % 8)
	return c
}

// Offsets in an encoded state, see docs/base-machine.md.
const (
	atKey      = 32
	atScalars  = 64
	atExited   = 98
	atTraverse = 115
	atStacks   = 116
	atNext     = 180
)

// damageState damages each byte of the state. Where memory and threads stay as they are, the damaged state is that
// of another machine, whose step the reference makes.
func (v *victim) damageState(t *testing.T) {
	for at := range machine.StateSize {
		state := flipped(v.p.StateData, at)
		what := fmt.Sprintf("byte %d of the state", at)
		got := v.judge(t, what, state, v.p.ProofData)
		active := atStacks + 32*int(v.before.Get(ir.TraverseRight))
		switch {
		case at == atExited && state[at] > 1, at == atTraverse && state[at] > 1:
			if !got.refused {
				t.Errorf("%s: %v, but it is a flag", what, got)
			}
		case state[atExited] != 0:
			if got != (verdict{post: machine.StateHash(state)}) {
				t.Errorf("%s: %v, but a halted machine does not change", what, got)
			}
		case at < atKey:
			if len(v.leaves()) > 0 != got.refused {
				t.Errorf("%s: %v with %d proofs", what, got, len(v.leaves()))
			}
		case at == atTraverse, at >= active && at < active+32:
			if !got.refused {
				t.Errorf("%s: %v, but the thread is not in that stack", what, got)
			}
		case at >= atStacks && at < atNext:
		default:
			want := v.other(t, state)
			if v.ref.closed && got.refused {
				want = got // the second proof is against the root after another first write
			}
			if got != want && !v.readsElse(state) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
			continue // some fields are overwritten by the step
		}
		if got.post == merkle.Hash(v.p.Post) {
			t.Errorf("%s: the right root", what)
		}
	}
	v.refuse(t, "a state that ends early", v.p.StateData[:machine.StateSize-1], v.p.ProofData)
	v.refuse(t, "a state with a byte more", append(bytes.Clone(v.p.StateData), 0), v.p.ProofData)
	v.refuse(t, "no state", nil, v.p.ProofData)
}

// other makes the step of the machine that has the scalars of a state. Where that accesses other memory, the
// witness does not fit.
func (v *victim) other(t *testing.T, state []byte) verdict {
	m := v.before.Fork()
	if err := m.SetScalars(state); err != nil {
		t.Fatal(err)
	}
	r := &victim{world: v.world, before: m.Fork(), ref: v.reference(m, v.c.host)}
	r.ref.step()
	if !slices.Equal(r.leaves(), v.leaves()) {
		fits := v.kernel.FixedProofs() && len(r.leaves()) < len(v.leaves())
		if !fits {
			return verdict{refused: true}
		}
	}
	return verdict{post: m.Root()}
}

// readsElse tells whether a state makes the step read another pre-image, which the proof does not hold.
func (v *victim) readsElse(state []byte) bool {
	return v.p.OracleOffset != nil && !bytes.Equal(state[atKey:atScalars], v.p.StateData[atKey:atScalars])
}

// damageThread damages bytes of each field of the thread and of the root under it.
func (v *victim) damageThread(t *testing.T) {
	for at := range v.threadSize() + 32 {
		if at > 10 && at%3 != 0 {
			continue // every word has a byte that is damaged
		}
		what, data := fmt.Sprintf("byte %d of the thread", at), flipped(v.p.ProofData, at)
		if v.halted() {
			v.accept(t, what, data)
		} else {
			v.refuse(t, what, v.p.StateData, data)
		}
	}
}

func (v *victim) threadSize() int { return v.before.ThreadSize() }
func (v *victim) halted() bool    { return v.before.Get(ir.Exited) != 0 }

// proofs are the memory proofs of the witness, those too that the step does not use.
func (v *victim) proofs(t *testing.T) [][]byte {
	var list [][]byte
	rest := v.p.ProofData[v.threadSize()+32:]
	for len(rest) > 0 {
		var after []byte
		var err error
		if v.kernel.FixedProofs() {
			_, after, err = merkle.ParseFull(rest)
		} else {
			_, after, err = merkle.ParseCompact(rest)
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rest[:len(rest)-len(after)])
		rest = after
	}
	return list
}

// damageProofs damages a bit of each node of each memory proof, and each byte of a compact proof's mask.
func (v *victim) damageProofs(t *testing.T) {
	used := v.used()
	at := v.threadSize() + 32
	for n, p := range v.proofs(t) {
		for _, k := range v.places(p) {
			what, data := fmt.Sprintf("byte %d of proof %d", k, n), flipped(v.p.ProofData, at+k)
			if slices.Contains(used, n) {
				v.refuse(t, what, v.p.StateData, data)
			} else {
				v.accept(t, what, data)
			}
		}
		at += len(p)
	}
}

// places are the offsets of a byte of each node of a proof, and of all bytes of a compact proof's mask.
func (v *victim) places(p []byte) []int {
	list := []int{5}
	at := merkle.LeafSize
	if !v.kernel.FixedProofs() {
		for range 8 {
			list = append(list, at)
			at++
		}
	}
	for ; at < len(p); at += merkle.LeafSize {
		list = append(list, at+at/merkle.LeafSize*7%merkle.LeafSize)
	}
	return list
}

// used are the numbers of the memory proofs that the step looks at.
func (v *victim) used() []int {
	var list []int
	for n := range v.leaves() {
		list = append(list, n)
	}
	return list
}

func (v *victim) damageLength(t *testing.T) {
	data := v.p.ProofData
	for what, damaged := range map[string][]byte{
		"nothing": nil, "the thread only": data[:v.threadSize()], "no proofs": data[:v.threadSize()+32],
		"a byte less": data[:len(data)-1], "32 bytes less": data[:len(data)-32],
		"a byte more": append(bytes.Clone(data), 0), "32 bytes more": append(bytes.Clone(data), make([]byte, 32)...),
		"a proof more": append(bytes.Clone(data), make([]byte, merkle.FullSize)...),
		"in front":     append(make([]byte, 32), data...),
	} {
		switch {
		case v.halted():
			v.accept(t, what, damaged)
		case bytes.Equal(damaged, data): // a switch of threads has no compact proof
		default:
			v.refuse(t, what, v.p.StateData, damaged)
		}
	}
}

// exchange mixes the parts of witnesses.
func (v *victim) exchange(t *testing.T) {
	if v.halted() {
		return
	}
	front := v.p.ProofData[:v.threadSize()+32]
	proofs := v.proofs(t)
	if used := v.used(); len(used) > 1 && !bytes.Equal(proofs[0], proofs[1]) {
		swapped := append(bytes.Clone(front), slices.Concat(proofs[1], proofs[0])...)
		v.refuse(t, "swapped proofs", v.p.StateData, append(swapped, slices.Concat(proofs[2:]...)...))
	}
	if !v.kernel.FixedProofs() {
		v.spellOut(t, front, proofs)
	}
	stacks, err := v.before.Stacks()
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range stacks {
		for _, thread := range stack {
			if !bytes.Equal(thread, front[:v.threadSize()]) {
				data := append(bytes.Clone(thread), v.p.ProofData[v.threadSize():]...)
				v.refuse(t, "another thread", v.p.StateData, data)
			}
		}
	}
	if v.ref.m.Get(ir.Exited) == 0 {
		v.refuse(t, "the state after the step", v.c.machine.Encode(), v.p.ProofData)
	}
}

// spellOut writes down what a compact proof has to leave out: a sibling of an absent subtree, and one above the root.
func (v *victim) spellOut(t *testing.T, front []byte, proofs [][]byte) {
	for n, p := range proofs {
		const head = merkle.LeafSize + 8
		mask := binary.BigEndian.Uint64(p[merkle.LeafSize:])
		with := func(level, at int, sibling merkle.Hash) {
			long := slices.Concat(p[:at], sibling[:], p[at:])
			binary.BigEndian.PutUint64(long[merkle.LeafSize:], mask|1<<level)
			parts := slices.Clone(proofs)
			parts[n] = long
			what := fmt.Sprintf("proof %d with a sibling too many, of level %d", n, level)
			v.refuse(t, what, v.p.StateData, append(bytes.Clone(front), slices.Concat(parts...)...))
		}
		absent := bits.TrailingZeros64(^mask)
		with(absent, head+32*absent, merkle.Zero(absent))
		for level := merkle.Depth; level < 64; level++ {
			with(level, len(p), merkle.Hash{})
		}
	}
}

// damageOracle gives the replay another pre-image than the one that the step reads. The contract takes none from a
// proof: it asks the oracle by key.
func (v *victim) damageOracle(t *testing.T) {
	if v.p.OracleOffset == nil {
		return
	}
	for what, damage := range map[string]func(p *proof.Proof){
		"another key":   func(p *proof.Proof) { p.OracleKey = flipped(p.OracleKey, 31) },
		"no key":        func(p *proof.Proof) { p.OracleKey = nil },
		"another value": func(p *proof.Proof) { p.OracleValue = flipped(p.OracleValue, len(p.OracleValue)-1) },
		"a longer value": func(p *proof.Proof) {
			p.OracleValue = append(bytes.Clone(p.OracleValue), 0)
		},
		"another length": func(p *proof.Proof) { p.OracleValue = flipped(p.OracleValue, 7) },
	} {
		if what == "another value" && v.before.Key[0] == preimage.Local {
			continue // nothing in the proof says what it is
		}
		p := *v.p
		damage(&p)
		if got := v.replay(t, &p); !got.refused {
			t.Errorf("%s: %v, want refused", what, got)
		}
	}
}
