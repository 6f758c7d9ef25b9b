package player_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu/internal/dispute/chaintest"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/player"
)

// A contest is a task on a chain with an honest player and liars, each in a goroutine of its own.
type contest struct {
	*testing.T
	url    string
	game   common.Address
	task   common.Hash
	honest toy
}

// newContest opens a task on a node.
func newContest(t *testing.T, url string, allowance uint32, heights ...uint8) *contest {
	t.Helper()
	m := toy{end: 100}
	g, task := open(t, chaintest.Dial(t, url), m, allowance, heights...)
	return &contest{t, url, g.Address, task, m}
}

// player makes one for the n-th account.
func (c *contest) player(ctx context.Context, url string, n byte, m player.Machine, log *slog.Logger) (*player.Player, func()) {
	c.Helper()
	node, closeIt, err := eth.Dial(ctx, url, nil)
	if err != nil {
		c.Fatal(err)
	}
	s, err := eth.NewSender(ctx, node, chaintest.Signer(n), eth.SenderOptions{Stuck: 5 * time.Second, Log: log})
	if err != nil {
		closeIt()
		return nil, nil
	}
	return player.New(player.Config{
		Game: &eth.Game{Node: node, Address: c.game}, Task: c.task, Machine: m, Sender: s, Poll: 50 * time.Millisecond, Log: log,
	}), closeIt
}

// liars play until the test ends, or the function that it gives is called.
func (c *contest) liars(lies ...uint64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for n, lie := range lies {
		p, closeIt := c.player(ctx, c.url, byte(3+n), toy{end: 100, lie: lie, salt: byte(n)}, nil)
		done.Go(func() {
			defer closeIt()
			p.Run(ctx)
		})
	}
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	c.Cleanup(stop)
	return stop
}

func (c *contest) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// won fails unless the task ended with the right result.
func (c *contest) won(turn player.Turn, err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	if finished, decided, root := turn.Task.Result(); !finished || !decided || !turn.Won || root != c.honest.root(128) {
		c.Errorf("finished %v, decided %v, won %v, root %x", finished, decided, turn.Won, root)
	}
}

// run plays for the honest side until the end.
func (c *contest) run(url string) {
	c.Helper()
	p, closeIt := c.player(c.Context(), url, 2, c.honest, c.log())
	defer closeIt()
	c.won(p.Run(c.Context()))
}

// blockTime is how long a block takes, in which a second passes on the chain: an allowance of 50 is a second.
const blockTime = 20 * time.Millisecond

func TestSimulatedNode(t *testing.T) {
	s := chaintest.Simulate(t)
	s.Mine(t, blockTime, nil)
	c := newContest(t, s.URL, 150, 3, 4)
	c.liars(1, 101)
	c.run(s.URL)
}

func TestGeth(t *testing.T) {
	url := chaintest.Geth(t)
	c := newContest(t, url, 20, 3, 4)
	c.liars(50)
	c.run(url)
}

func TestAnvil(t *testing.T) {
	url := chaintest.Anvil(t)
	c := newContest(t, url, 400, 3, 4)
	c.liars(1, 64)
	c.run(url)
}

// long skips tests that take half a minute.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes long")
	}
}

// A node that answers slowly and often not at all, and once not for a while.
func TestBadNode(t *testing.T) {
	long(t)
	latency := 10 * time.Millisecond
	if text := os.Getenv("FLEXEMU_LATENCY"); text != "" {
		latency = must(time.ParseDuration(text))
	}
	s := chaintest.Simulate(t)
	s.Mine(t, max(blockTime, latency), nil)
	c := newContest(t, s.URL, 700, 3, 4)
	c.liars(1, 64)
	proxy := chaintest.NewProxy(t, s.URL, latency, 0.1)
	outage := time.AfterFunc(2*time.Second, func() {
		proxy.Down.Store(true)
		time.AfterFunc(time.Second, func() { proxy.Down.Store(false) })
	})
	defer outage.Stop()
	c.run(proxy.URL)
	t.Logf("%d of %d requests failed", proxy.Failed.Load(), proxy.Requests.Load())
	if proxy.Failed.Load() == 0 {
		t.Error("no request failed")
	}
}

// Blocks are undone all the time, some with what was in them lost to the node.
func TestReorganisations(t *testing.T) {
	long(t)
	s := chaintest.Simulate(t)
	random := rand.New(rand.NewSource(1))
	quiet := make(chan struct{})
	var recent []common.Hash
	s.Mine(t, blockTime, func(n int) {
		select {
		case <-quiet:
		default:
			return
		}
		head, err := s.Client().HeaderByNumber(context.Background(), nil)
		if err != nil {
			return
		}
		recent = append(recent, head.Hash())
		if n%5 != 0 || len(recent) < 5 {
			return
		}
		depth := 1 + random.Intn(4)
		s.Rollback()
		if s.Fork(recent[len(recent)-1-depth]) != nil {
			return
		}
		for range depth + 1 {
			if random.Intn(2) == 0 {
				s.Rollback()
			}
			s.Commit()
		}
		recent = recent[:0]
	})
	c := newContest(t, s.URL, 250, 3, 4)
	close(quiet)
	c.liars(1, 64)
	c.run(s.URL)
}

// A player that is stopped in the middle of anything, and started anew, goes on.
func TestRestarts(t *testing.T) {
	long(t)
	times := 25
	if text := os.Getenv("FLEXEMU_RESTARTS"); text != "" {
		times = must(strconv.Atoi(text))
	}
	s := chaintest.Simulate(t)
	s.Mine(t, blockTime, nil)
	c := newContest(t, s.URL, 600, 3, 4)
	c.liars(1, 50, 64)
	random := rand.New(rand.NewSource(1))
	began := 0
	for ; began < times; began++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+random.Intn(400))*time.Millisecond)
		p, closeIt := c.player(ctx, s.URL, 2, c.honest, c.log())
		if p != nil {
			turn, err := p.Run(ctx)
			closeIt()
			if err == nil {
				c.won(turn, nil)
				cancel()
				break
			}
		}
		cancel()
	}
	t.Logf("%d starts", began)
	if began == times {
		c.run(s.URL)
	}
}

// Nobody needs a key to see what would be done.
func TestDryRun(t *testing.T) {
	c := chain(t)
	honest := toy{end: 3}
	g, task := open(t, c, honest, 3600, 2)
	p := player.New(player.Config{Game: g, Task: task, Machine: honest, Now: c.Now})
	for range 3 {
		turn, err := p.Turn(t.Context())
		if err != nil || turn.Sent != 0 || turn.Done || len(turn.Task.Claims) != 0 {
			t.Fatal(fmt.Sprintf("%+v", turn), err)
		}
		p.Wait(t.Context())
	}
}
