package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/chaintest"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/player"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

// A liar has a false root from a step on.
type liar struct {
	player.Machine
	from uint64
}

func (l liar) History(ctx context.Context, p dispute.Place) (*dispute.Record, error) {
	var err error
	honest := func(p dispute.Place) (r *dispute.Record) {
		r, err = l.Machine.History(ctx, p)
		return r
	}
	return dispute.False(prover.Pair, honest, l.from, dispute.Hash{1})(p), err
}

// A match is a task on a simulated chain, and a folder with keys.
type match struct {
	*testing.T
	dir, url, game, task string
}

// flexemu runs the command and returns what it prints on stdout.
func (m *match) flexemu(args ...string) string {
	m.Helper()
	cmd := exec.Command("flexemu", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		m.Fatalf("flexemu %v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// newMatch deploys the contracts and opens a task about the guest hello.
func newMatch(t *testing.T, url string, allowance time.Duration) *match {
	t.Helper()
	m := &match{T: t, dir: t.TempDir(), url: url}
	for n := range byte(3) {
		if err := os.WriteFile(m.key(n), []byte("0x"+chaintest.Key(n)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var d deployed
	if err := json.Unmarshal([]byte(m.flexemu("dispute", "deploy", "--json", "--rpc", url, "--key-file", m.key(0))), &d); err != nil {
		t.Fatal(err)
	}
	var o opened
	text := m.flexemu("dispute", "open", "--json", "--rpc", url, "--key-file", m.key(0), "--cache", m.dir, "--game", d.Game.Hex(),
		"--verifier", d.Verifier.Hex(), "--allowance", allowance.String(), "--grace", "20s", "--heights", "9,11", "--argv0", "hello", filepath.Join(guests, "hello"))
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	m.game, m.task = d.Game.Hex(), o.Task.Hex()
	return m
}

func (m *match) key(n byte) string { return filepath.Join(m.dir, fmt.Sprint("key", n)) }

// watch is the command for the honest player, and the flags given.
func (m *match) watch(more ...string) *exec.Cmd {
	args := []string{
		"dispute", "watch", "--rpc", m.url, "--game", m.game, "--task", m.task, "--key-file", m.key(1), "--cache", m.dir,
		"--poll", "50ms", "--stuck", "5s", "--argv0", "hello",
	}
	return exec.Command("flexemu", append(append(args, more...), filepath.Join(guests, "hello"))...)
}

// lie has a liar play until the test ends.
func (m *match) lie(from uint64) {
	m.Helper()
	program, err := os.ReadFile(filepath.Join(guests, "hello"))
	if err != nil {
		m.Fatal(err)
	}
	run, err := flexemu.Load(program, flexemu.Options{Args: []string{"hello"}})
	if err != nil {
		m.Fatal(err)
	}
	machine, err := prover.New(run, prover.Options{})
	if err != nil {
		m.Fatal(err)
	}
	node := chaintest.Dial(m, m.url)
	sender, err := eth.NewSender(m.Context(), node, chaintest.Signer(2), eth.SenderOptions{})
	if err != nil {
		m.Fatal(err)
	}
	p := player.New(player.Config{
		Game: &eth.Game{Node: node, Address: common.HexToAddress(m.game)}, Task: common.HexToHash(m.task),
		Machine: liar{machine, from}, Sender: sender, Poll: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	m.Cleanup(func() { cancel(); <-done })
}

// exit is the exit code of a command that has ended.
func exit(t *testing.T, err error) int {
	t.Helper()
	var e *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.ExitCode()
	}
	t.Fatal(err)
	return 0
}

// The player is killed many times in the middle of a match. It never needs more than the chain to go on.
func TestWatchKilled(t *testing.T) {
	kills := 10
	if text := os.Getenv("FLEXEMU_KILLS"); text != "" {
		kills, _ = strconv.Atoi(text)
	}
	s := chaintest.Simulate(t)
	s.Mine(t, 20*time.Millisecond, nil)
	m := newMatch(t, s.URL, time.Duration(100+30*kills)*time.Second)
	m.lie(300_000)
	random := rand.New(rand.NewSource(1))
	code := -1
	for range kills {
		cmd := m.watch()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(200+random.Intn(1500))*time.Millisecond, func() { cmd.Process.Kill() })
		if code = exit(t, cmd.Wait()); code == 0 {
			timer.Stop()
			break
		}
	}
	if code != 0 {
		out, err := m.watch().CombinedOutput()
		if code := exit(t, err); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
	}
	tree := m.flexemu("dispute", "status", "--rpc", m.url, "--game", m.game, "--task", m.task)
	for _, want := range []string{"tournament 0, level 0: 2 claims, 1 of them alive; finished, claim ", "└─ match 0, round 0", "└─ tournament 1, level 1"} {
		if !strings.Contains(tree, want) {
			t.Errorf("status does not say %q:\n%s", want, tree)
		}
	}
	var status taskStatus
	if err := json.Unmarshal([]byte(m.flexemu("dispute", "status", "--json", "--rpc", m.url, "--game", m.game, "--task", m.task)), &status); err != nil {
		t.Fatal(err)
	}
	winner := status.Tournaments[0].Winner
	if !status.Decided || winner == nil || status.Claims[*winner].Poster != chaintest.Signer(1).Address() || status.FinalRoot[0] != 0 {
		t.Errorf("%+v", status)
	}
}

// What is not the task that one was told to play is refused, and exit codes tell.
func TestWatchRefuses(t *testing.T) {
	s := chaintest.Simulate(t)
	s.Mine(t, 20*time.Millisecond, nil)
	m := newMatch(t, s.URL, time.Hour)
	for _, c := range []struct {
		what string
		args []string
		says string
	}{
		{"other arguments", []string{"--argv0", "other"}, "the task begins with the root 0x"},
		{"other inputs", []string{"--input", "1=0x01"}, "the task commits to the inputs 0x"},
		{"other environment", []string{"--env", "A=B"}, "the task begins with the root 0x"},
		{"another contract", []string{"--game", chaintest.Signer(0).Address().Hex()}, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			out, err := m.watch(c.args...).CombinedOutput()
			want := codeUnknown
			if c.says == "" {
				want = codeFailed
			}
			if code := exit(t, err); code != want || !strings.Contains(string(out), c.says) {
				t.Errorf("exit code %d, want %d\n%s", code, want, out)
			}
		})
	}
	brief := newMatch(t, s.URL, time.Second)
	out, err := brief.watch("--cache", "-").CombinedOutput()
	if code := exit(t, err); code == codeFailed || code == 0 {
		t.Errorf("exit code %d\n%s", code, out) // the host may be quick enough; then nobody was
	}
}

// A dry run sends nothing. Figures are served meanwhile.
func TestWatchMetrics(t *testing.T) {
	s := chaintest.Simulate(t)
	s.Mine(t, 50*time.Millisecond, nil)
	m := newMatch(t, s.URL, time.Hour)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := m.watch("--dry-run", "--json", "--metrics", address)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := ""
	for range 600 {
		if r, err := http.Get("http://" + address + "/metrics"); err == nil {
			body, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if text = string(body); strings.Contains(text, "flexemu_dispute_tournaments 1") && strings.Contains(text, "flexemu_dispute_computing 0") {
				break
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, want := range []string{"# TYPE flexemu_dispute_claims gauge\nflexemu_dispute_claims 0\n", "flexemu_dispute_transactions_sent_total 0\n", "flexemu_dispute_tournaments 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if code := exit(t, cmd.Wait()); code != codeSignal+2 {
		t.Errorf("exit code %d after an interrupt", code)
	}
	if !strings.Contains(log.String(), `"msg":"would join: `) {
		t.Errorf("the log does not say what would be done:\n%s", log.String())
	}
}
