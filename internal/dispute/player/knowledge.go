package player

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/flexemu/flexemu/internal/dispute"
)

// A MachineError says that something about the program could not be computed: then there is nothing to play with.
type MachineError struct{ Err error }

func (e *MachineError) Error() string { return e.Err.Error() }
func (e *MachineError) Unwrap() error { return e.Err }

// spot tells places apart, wherever their tournament stands in a task's list.
type spot struct {
	level, log2Stride, height int
	verifier                  dispute.Account
	root                      dispute.Hash
	start                     uint64
	outer                     string
}

func spotOf(p dispute.Place) spot {
	return spot{p.Level, p.Log2Stride, p.Height, p.Verifier, p.InitialRoot, p.Start, fmt.Sprint(p.Outer)}
}

type stepAt struct {
	spot
	position uint64
}

// knowledge is what a machine has computed, and what it is computing.
type knowledge struct {
	machine Machine
	log     *slog.Logger
	metrics *Metrics
	news    chan struct{} // has something in it when there is something new

	cancel context.CancelFunc
	ctx    context.Context
	done   sync.WaitGroup

	mu        sync.Mutex
	records   map[spot]*dispute.Record
	witnesses map[stepAt]*Witness
	running   map[any]bool
	err       error
}

func newKnowledge(c Config) *knowledge {
	k := &knowledge{
		machine: c.Machine, log: c.Log, metrics: c.Metrics, news: make(chan struct{}, 1),
		records: map[spot]*dispute.Record{}, witnesses: map[stepAt]*Witness{}, running: map[any]bool{},
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k
}

func (k *knowledge) record(p dispute.Place) *dispute.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.records[spotOf(p)]
}

func (k *knowledge) witness(p dispute.Place, position uint64) *Witness {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.witnesses[stepAt{spotOf(p), position}]
}

// want has something computed, unless it is being computed already.
func (k *knowledge) want(n dispute.Need) {
	at := stepAt{spotOf(n.Place), n.Position}
	var key any = at
	if !n.Step {
		key = at.spot
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running[key] {
		return
	}
	k.running[key] = true
	k.done.Go(func() {
		began := time.Now()
		if n.Step {
			w, err := k.machine.Witness(k.ctx, n.Place, n.Position)
			k.finish(key, err, func() { k.witnesses[at] = w })
			return
		}
		r, err := k.machine.History(k.ctx, n.Place)
		if err == nil {
			took := time.Since(began)
			k.metrics.HistorySeconds.Store(took.Seconds())
			k.log.Info("history computed", "level", n.Place.Level, "from step", n.Place.Start, "roots", fmt.Sprintf("2^%d", n.Place.Height),
				"stride", fmt.Sprintf("2^%d", n.Place.Log2Stride), "took", took.Round(time.Millisecond))
		}
		k.finish(key, err, func() { k.records[at.spot] = r })
	})
}

func (k *knowledge) finish(key any, err error, keep func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, key)
	if err == nil {
		keep()
	} else if k.err == nil {
		k.err = &MachineError{err}
	}
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// failed is the first error of the machine.
func (k *knowledge) failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

func (k *knowledge) busy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.running) > 0
}

func (k *knowledge) wait(ctx context.Context) {
	if !k.busy() {
		return
	}
	select {
	case <-ctx.Done():
	case <-k.news:
	}
}

func (k *knowledge) stop() {
	k.cancel()
	k.done.Wait()
}
