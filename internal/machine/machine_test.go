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
