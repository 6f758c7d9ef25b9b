package chaintest

import (
	"bytes"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy stands before a node: it lets each request wait, and some fail, in different ways.
type Proxy struct {
	URL string
	// Requests and Failed count.
	Requests, Failed atomic.Uint64
	// Down lets all fail.
	Down atomic.Bool

	node    string
	latency time.Duration
	failing float64
	mu      sync.Mutex
	random  *rand.Rand
}

// NewProxy starts one; failing is the part of the requests that fail.
func NewProxy(t testing.TB, node string, latency time.Duration, failing float64) *Proxy {
	t.Helper()
	p := &Proxy{node: node, latency: latency, failing: failing, random: rand.New(rand.NewSource(1))}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// Ways in which a request fails.
const (
	lost       = iota // the node never sees it
	unanswered        // the node does what it asks, and nobody hears of it
	overloaded
	limited
	ways
)

func (p *Proxy) fate() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.random.Float64() >= p.failing && !p.Down.Load() {
		return ways
	}
	p.Failed.Add(1)
	if p.Down.Load() {
		return lost
	}
	return p.random.Intn(ways)
}

// ServeHTTP passes a request on, or does not.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Requests.Add(1)
	time.Sleep(p.latency)
	fate := p.fate()
	switch fate {
	case lost:
		panic(http.ErrAbortHandler)
	case overloaded:
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	case limited:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer, err := http.Post(p.node, "application/json", bytes.NewReader(body))
	if err != nil || fate == unanswered {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}
