package demo

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/player"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

// shared is a machine for several players, which computes each history once.
type shared struct {
	player.Machine
	mu      sync.Mutex
	records map[string]func() (*dispute.Record, error)
}

func share(m player.Machine) *shared {
	return &shared{Machine: m, records: map[string]func() (*dispute.Record, error){}}
}

func (s *shared) History(ctx context.Context, p dispute.Place) (*dispute.Record, error) {
	key := fmt.Sprint(p.Log2Stride, p.Height, p.Start, p.Outer)
	s.mu.Lock()
	once := s.records[key]
	if once == nil {
		once = sync.OnceValues(func() (*dispute.Record, error) { return s.Machine.History(ctx, p) })
		s.records[key] = once
	}
	s.mu.Unlock()
	return once()
}

// A liar is a machine with a false root from a step on. It is the same at every level, so its claims fit together.
type liar struct {
	player.Machine
	from uint64 // first step with the false root
	root dispute.Hash
}

func newLiar(m player.Machine, from uint64, n int) *liar {
	return &liar{m, from, crypto.Keccak256Hash([]byte(fmt.Sprint("false root ", n)))}
}

// History implements player.Machine.
func (l *liar) History(ctx context.Context, p dispute.Place) (*dispute.Record, error) {
	var err error
	honest := func(p dispute.Place) (r *dispute.Record) {
		r, err = l.Machine.History(ctx, p)
		return r
	}
	r := dispute.False(prover.Pair, honest, l.from, l.root)(p)
	if r == nil && err == nil {
		err = fmt.Errorf("no history that is false from step %d on", l.from)
	}
	return r, err
}

// Witness implements player.Machine: it is of no use, as no step leads to a false root.
func (l *liar) Witness(context.Context, dispute.Place, uint64) (*player.Witness, error) {
	return &player.Witness{Proof: []byte("no step leads there")}, nil
}
