package machine

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/merkle"
)

// threads is a machine beside the stacks that it must have, without the running thread.
type threads struct {
	m      *Machine
	stacks [2][][]byte
	rand   *rand.Rand
}

// step does what a scheduler may do.
func (r *threads) step() {
	active := r.m.Cells[ir.TraverseRight]
	r.m.Cells[1] = r.rand.Uint64()
	switch r.rand.IntN(3) {
	case 0:
		r.stacks[active] = append(r.stacks[active], r.m.EncodeThread())
		r.m.PushThread()
		r.m.Cells[ir.ThreadID]++
		return
	case 1:
		if len(r.stacks[0])+len(r.stacks[1]) == 0 {
			return
		}
		r.m.PopThread()
	case 2:
		r.stacks[active^1] = append(r.stacks[active^1], r.m.EncodeThread())
		r.m.MoveThread()
	}
	if r.m.ActiveEmpty() {
		r.m.Cells[ir.TraverseRight] ^= 1
		active ^= 1
	}
	r.stacks[active] = r.stacks[active][:len(r.stacks[active])-1]
	r.m.Resume()
}

// check compares the roots in the encoded state with those of the stacks.
func (r *threads) check(t *testing.T) {
	t.Helper()
	state := r.m.Encode()
	for right, stack := range r.stacks {
		root := naiveStack(stack)
		if uint64(right) == r.m.Cells[ir.TraverseRight] {
			if r.m.Under() != root {
				t.Error("Under is not the root without the running thread")
			}
			root = naiveStack(append(slices.Clip(stack), r.m.EncodeThread()))
		}
		if !bytes.Equal(state[stacksOffset+32*right:][:32], root[:]) {
			t.Errorf("the %s stack of %d threads has another root", sides[right], len(stack))
		}
	}
	if last := len(r.stacks[0])+len(r.stacks[1]) == 0; r.m.LastThread() != last {
		t.Errorf("LastThread is not %v", last)
	}
}

func naiveStack(threads [][]byte) merkle.Hash {
	root := merkle.Zero(1)
	for _, thread := range threads {
		hash := merkle.Keccak256(thread)
		root = naivePair(root, hash)
	}
	return root
}

// TestThreadStacks lets forks go on in parallel, for the race detector: they share parked threads.
func TestThreadStacks(t *testing.T) {
	var wait sync.WaitGroup
	for seed := range uint64(20) {
		r := &threads{m: New([]ir.Cell{0, 1}), rand: rand.New(rand.NewPCG(seed, 3))}
		for range 30 {
			for range r.rand.IntN(20) {
				r.step()
			}
			if r.rand.IntN(2) == 0 {
				r.check(t)
			}
			fork := &threads{m: r.m.Fork(), stacks: r.stacks, rand: rand.New(rand.NewPCG(r.rand.Uint64(), 3))}
			for i := range fork.stacks {
				fork.stacks[i] = slices.Clone(fork.stacks[i])
			}
			wait.Go(func() {
				for range 10 {
					fork.step()
				}
				fork.check(t)
			})
		}
		r.check(t)
	}
	wait.Wait()
}

// TestParkingDoesNotHash: threads change places far more often than somebody asks for a root.
func TestParkingDoesNotHash(t *testing.T) {
	m := New([]ir.Cell{0, 1})
	m.PushThread()
	if m.MoveThread(); m.ActiveEmpty() || m.LastThread() {
		t.Error("there is a thread on each stack")
	}
	if m.stacks[0].top.hashed || m.stacks[1].top.hashed {
		t.Error("a thread was hashed before somebody asked")
	}
}

// checkRoot compares the root, and the state that it is of, with hashes made anew. The machine's only thread is on the
// left stack.
func checkRoot(t *testing.T, m *Machine, when string) {
	t.Helper()
	want := m.Encode()
	stack := naiveStack([][]byte{m.EncodeThread()})
	copy(want[stacksOffset:], stack[:])
	state, root := m.Commitment()
	if !bytes.Equal(state, want) {
		t.Errorf("%s: the state is %x, want %x", when, state, want)
	}
	if again := m.Root(); root != StateHash(want) || again != root {
		t.Errorf("%s: the root is %x, then %x, want %x", when, root, again, StateHash(want))
	}
}

// TestRootFollowsChanges changes one part of a state after the other, and takes the changes back. The root is made of
// hashes that the machine remembers.
func TestRootFollowsChanges(t *testing.T) {
	m := New([]ir.Cell{0, 1})
	checkRoot(t, m, "new")
	first := m.Root()
	changes := map[string]func(){
		"a register":     func() { m.Cells[1] ^= 5 },
		"the thread":     func() { m.Cells[ir.ThreadExit] ^= 1 },
		"a scalar":       func() { m.Cells[ir.Step] ^= 7 },
		"the exit code":  func() { m.Cells[ir.ExitCode] ^= 3 },
		"the halted bit": func() { m.Cells[ir.Exited] ^= 1 },
		"the key":        func() { m.Key[3] ^= 9 },
		"memory":         func() { m.Mem.WriteSlow(64, 8, true, m.Mem.ReadSlow(64, 8, true)^1) },
	}
	for name, change := range changes {
		change()
		checkRoot(t, m, name)
		if m.Root() == first {
			t.Errorf("%s does not change the root", name)
		}
		change()
		checkRoot(t, m, name+" as before")
		if m.Root() != first {
			t.Errorf("%s, changed back, leads to another root", name)
		}
	}

	if m.PushThread(); m.Root() == first {
		t.Error("a thread more on the stack does not change the root")
	}
	if m.PopThread(); m.Root() != first {
		t.Error("the root without the thread that ran last is not the one from before it was there")
	}
	m.Resume()
	checkRoot(t, m, "resumed")

	m.Cells[ir.Step]++ // so that the state is hashed
	state, _ := m.Commitment()
	m.Cells[ir.Step]++
	copy(state, m.Encode())
	checkRoot(t, m, "the next state was written over the one that was given")
}

// TestEqualStatesAreHashedOnce: every state of consecutive witnesses is asked for twice.
func TestEqualStatesAreHashedOnce(t *testing.T) {
	m := New([]ir.Cell{0, 1})
	root := m.Root()
	m.hashed.stateHash[9] ^= 1
	if m.Root() == root {
		t.Error("the state was hashed again")
	}
	m = New([]ir.Cell{0, 1})
	under := m.Under()
	before := m.stackRoot(0)
	m.hashed.stack[9] ^= 1
	if m.stackRoot(0) == before || m.Under() != under {
		t.Error("the running thread was hashed again")
	}
}

// TestForkRemembersForItself lets a machine and its forks hash different states at the same time, for the race
// detector.
func TestForkRemembersForItself(t *testing.T) {
	m := New([]ir.Cell{0, 1})
	root := m.Root()
	var wait sync.WaitGroup
	for n := range uint64(4) {
		fork := m.Fork()
		if fork.Root() != root {
			t.Errorf("fork %d has another root", n)
		}
		wait.Go(func() {
			for i := range uint64(20) {
				fork.Cells[1], fork.Cells[ir.Step] = n, i
				checkRoot(t, fork, "a fork")
			}
		})
	}
	for i := range uint64(20) {
		m.Cells[1] = 100 + i
		checkRoot(t, m, "beside forks")
	}
	wait.Wait()
}
