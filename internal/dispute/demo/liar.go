package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/player"
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

// A liar is a machine whose roots are false from a step on. They are the same at every level, so its claims fit together.
type liar struct {
	player.Machine
	from uint64 // first step with a false root
	end  uint64 // step from which on the roots repeat
	salt uint64
}

func (l *liar) root(step uint64) dispute.Hash {
	text := binary.BigEndian.AppendUint64([]byte("false"), l.salt)
	return crypto.Keccak256Hash(binary.BigEndian.AppendUint64(text, min(step, max(l.from, l.end))))
}

// History implements player.Machine.
func (l *liar) History(ctx context.Context, p dispute.Place) (*dispute.Record, error) {
	// Of a false interval the machine has nothing to tell.
	honest := p
	honest.Start = min(p.Start, l.end)
	r, err := l.Machine.History(ctx, honest)
	if err != nil {
		return nil, err
	}
	stride := uint64(1) << p.Log2Stride
	first := uint64(0)
	if l.from > p.Start {
		first = (l.from - p.Start - 1) / stride
	}
	leaves := uint64(1) << p.Height
	if first >= leaves {
		return r, nil
	}
	last := first // leaf after which nothing changes
	if stop := max(l.from, l.end); stop > p.Start {
		last = max(first, min(leaves-1, (stop-p.Start-1)/stride))
	}
	roots := make([]dispute.Hash, last-first+1)
	for i := range roots {
		roots[i] = l.root(p.Start + (first+uint64(i)+1)*stride)
	}
	h, err := r.History.Deviate(first, roots)
	return &dispute.Record{History: h}, err
}

// Witness implements player.Machine: it is of no use, as no step leads to a false root.
func (l *liar) Witness(context.Context, dispute.Place, uint64) (*player.Witness, error) {
	return &player.Witness{Proof: []byte("no step leads there")}, nil
}
