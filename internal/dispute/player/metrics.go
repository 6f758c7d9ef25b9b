package player

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/eth"
)

// Metrics are figures of a player, for Prometheus. The zero value is of use. They may be read at any time.
type Metrics struct {
	Turns, Failed   atomic.Uint64 // looks at the chain, and those of them that failed
	Requests        atomic.Uint64 // to the node that failed and were made again
	Sent, Refused   atomic.Uint64 // transactions sent; those that the chain would not have taken
	Mined, Reverted atomic.Uint64 // transactions in blocks; those of them that failed
	Gas             atomic.Uint64
	Fees            Float // gwei
	HistorySeconds  Float // of the last history

	Block, BlockTime    atomic.Uint64
	Tournaments, Claims atomic.Uint64
	Alive, Matches      atomic.Uint64 // claims not out; matches running
	OurClock            atomic.Uint64 // least seconds left of a claim that we play for
	Computing           atomic.Uint64 // histories and witnesses that are missing
	Finished, Won       atomic.Uint64 // 0 or 1
}

// A Float is a number that may be changed at any time.
type Float struct{ bits atomic.Uint64 }

func (f *Float) Store(v float64) { f.bits.Store(math.Float64bits(v)) }
func (f *Float) Load() float64   { return math.Float64frombits(f.bits.Load()) }

// Account counts a transaction that got into a block.
func (m *Metrics) Account(t eth.Mined) {
	m.Mined.Add(1)
	if t.Receipt.Status == 0 {
		m.Reverted.Add(1)
	}
	m.Gas.Add(t.Receipt.GasUsed)
	if p := t.Receipt.EffectiveGasPrice; p != nil {
		price, _ := p.Float64()
		m.Fees.Store(m.Fees.Load() + price*float64(t.Receipt.GasUsed)/eth.Gwei)
	}
}

func (m *Metrics) observe(t *dispute.Task, b eth.Block, c Config, turn Turn) {
	m.Turns.Add(1)
	m.Block.Store(b.Number)
	m.BlockTime.Store(b.Time)
	m.Tournaments.Store(uint64(len(t.Tournaments)))
	m.Claims.Store(uint64(len(t.Claims)))
	alive, clock := uint64(0), uint64(math.MaxUint64)
	for _, claim := range t.Claims {
		if !claim.Out {
			alive++
			if claim.Poster == dispute.Account(c.Account) {
				clock = min(clock, claim.Clock)
			}
		}
	}
	m.Alive.Store(alive)
	if clock == math.MaxUint64 {
		clock = 0
	}
	m.OurClock.Store(clock)
	running := uint64(0)
	for _, match := range t.Matches {
		if match.Phase != dispute.Ended {
			running++
		}
	}
	m.Matches.Store(running)
	m.Computing.Store(uint64(turn.Needs))
	flag := func(f *atomic.Uint64, on bool) {
		if on {
			f.Store(1)
		}
	}
	flag(&m.Finished, turn.Finished)
	flag(&m.Won, turn.Won)
}

// Write writes all figures in Prometheus' text format.
func (m *Metrics) Write(w io.Writer) error {
	for _, f := range []struct {
		name, kind, help string
		value            any
	}{
		{"turns_total", "counter", "Looks at the chain.", m.Turns.Load()},
		{"turns_failed_total", "counter", "Looks at the chain that failed.", m.Failed.Load()},
		{"rpc_retries_total", "counter", "Requests to the node that failed and were made again.", m.Requests.Load()},
		{"transactions_sent_total", "counter", "Transactions sent, without those sent again.", m.Sent.Load()},
		{"transactions_refused_total", "counter", "Transactions that were not sent because they would have failed.", m.Refused.Load()},
		{"transactions_mined_total", "counter", "Transactions in blocks.", m.Mined.Load()},
		{"transactions_reverted_total", "counter", "Transactions in blocks that failed.", m.Reverted.Load()},
		{"gas_used_total", "counter", "Gas of transactions in blocks.", m.Gas.Load()},
		{"fees_gwei_total", "counter", "What transactions in blocks have cost.", m.Fees.Load()},
		{"history_seconds", "gauge", "How long the last history took.", m.HistorySeconds.Load()},
		{"block", "gauge", "Number of the last block that was looked at.", m.Block.Load()},
		{"block_time_seconds", "gauge", "Time of the last block that was looked at.", m.BlockTime.Load()},
		{"tournaments", "gauge", "Tournaments of the task.", m.Tournaments.Load()},
		{"claims", "gauge", "Claims to the task.", m.Claims.Load()},
		{"claims_alive", "gauge", "Claims that are not out.", m.Alive.Load()},
		{"matches_running", "gauge", "Matches that are not over.", m.Matches.Load()},
		{"our_clock_seconds", "gauge", "Least time that a claim of this account has left.", m.OurClock.Load()},
		{"computing", "gauge", "Histories and witnesses that are needed and not there yet.", m.Computing.Load()},
		{"finished", "gauge", "1 if the task is finished.", m.Finished.Load()},
		{"won", "gauge", "1 if it ended with the history that this player has computed.", m.Won.Load()},
	} {
		_, err := fmt.Fprintf(w, "# HELP flexemu_dispute_%s %s\n# TYPE flexemu_dispute_%[1]s %[3]s\nflexemu_dispute_%[1]s %[4]v\n", f.name, f.help, f.kind, f.value)
		if err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP gives them to who asks.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.Write(w) //nolint:errcheck // who asks has gone
}
