package main

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu/internal/dispute"
	"github.com/flexemu/flexemu/internal/dispute/eth"
)

func disputeStatusCommand() *cobra.Command {
	f := new(gameFlags)
	c := &cobra.Command{
		Use:   "status [flags]",
		Short: "Show how a task stands, as a tree",
		Long: `status shows a task: its tournaments, the claims in each, their matches, and below a match the
tournament that decides it. It needs no key and no program.

Exit code: 0; 125 when flexemu failed.`,
		Example: `  flexemu dispute status --game 0x… --task 0x…`,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return showStatus(c.Context(), f) },
	}
	f.add(c.Flags())
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func showStatus(ctx context.Context, f *gameFlags) error {
	game, task, err := f.parse()
	if err != nil {
		return err
	}
	closeIt, err := f.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer closeIt()
	t, block, err := eth.NewReader(&eth.Game{Node: f.node, Address: game}, task, common.Address{}).Read(ctx)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(os.Stdout, statusOf(t, block))
	}
	s := &tree{w: os.Stdout, t: t, now: max(block.Time, uint64(time.Now().Unix()))}
	s.head(block)
	s.tournament(0, "")
	return s.err
}

// A tree prints a task.
type tree struct {
	w   io.Writer
	t   *dispute.Task
	now uint64 // seconds
	err error
}

func (s *tree) line(indent, format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, indent+format+"\n", args...)
	}
}

func seconds(n uint64) string { return (time.Duration(n) * time.Second).String() }

func (s *tree) head(b eth.Block) {
	s.line("", "task %#x at block %d, %s", s.t.ID, b.Number, time.Unix(int64(b.Time), 0).UTC().Format(time.RFC3339))
	s.line("", "initial root %#x, verifier %#x", s.t.InitialRoot, s.t.Verifier)
	for i, l := range s.t.Levels {
		bond := new(big.Int).Mul(new(big.Int).SetUint64(uint64(l.Bond)), big.NewInt(eth.Gwei))
		s.line("", "level %d: 2^%d roots every 2^%d steps, allowance %s, bond %s", i, l.Height, l.Log2Stride, seconds(l.Allowance), eth.Ether(bond))
	}
}

func (s *tree) tournament(n int, indent string) {
	u := &s.t.Tournaments[n]
	end := u.OpenedAt + s.t.LevelOf(n).Allowance
	state := "claims are settled"
	switch {
	case u.Finished && u.Winner < 0:
		state = "finished, nobody has won"
	case u.Finished:
		state = fmt.Sprintf("finished, claim %d has won with the last root %#x", u.Winner, s.t.Claims[u.Winner].FinalRoot)
	case s.now < end:
		state = fmt.Sprintf("claims may join for %s", seconds(end-s.now))
	}
	s.line(indent, "tournament %d, level %d: %d claims, %d of them alive; %s", n, u.Level, u.Joined, u.Alive, state)
	var lines []func(string, string)
	for i, c := range s.t.Claims {
		if c.Tournament == n {
			lines = append(lines, func(head, _ string) {
				s.line(head, "claim %d of %s: %s", i, eth.Short(common.Address(c.Poster)), s.claim(i))
			})
		}
	}
	for i, m := range s.t.Matches {
		if m.Tournament == n {
			lines = append(lines, func(head, rest string) {
				s.line(head, "match %d, round %d, claims %d and %d: %s", i, m.Round, m.Sides[0], m.Sides[1], s.match(i))
				if m.Inner >= 0 {
					s.tournament(m.Inner, rest+"└─ ")
				}
			})
		}
	}
	// What stands below stands under the text of this line.
	under := strings.NewReplacer("├─ ", "│  ", "└─ ", "   ").Replace(indent)
	for i, line := range lines {
		if i+1 < len(lines) {
			line(under+"├─ ", under+"│  ")
		} else {
			line(under+"└─ ", under+"   ")
		}
	}
}

func (s *tree) claim(n int) string {
	c := &s.t.Claims[n]
	u := &s.t.Tournaments[c.Tournament]
	what := fmt.Sprintf("last root %x…, ", c.FinalRoot[:4])
	switch {
	case c.Out:
		return what + "out"
	case u.Winner == n:
		return what + "has won"
	case c.Match >= 0:
		return what + fmt.Sprintf("plays match %d, %s left", c.Match, seconds(c.Clock))
	}
	return what + fmt.Sprintf("waits in round %d, %s left", c.Round, seconds(c.Clock))
}

func (s *tree) match(n int) string {
	m := &s.t.Matches[n]
	stride := s.t.LevelOf(m.Tournament).Log2Stride
	until := s.t.Expires(n)
	left := "out of time"
	if s.now <= until {
		left = seconds(until-s.now) + " left"
	}
	switch m.Phase {
	case dispute.Bisecting:
		return fmt.Sprintf("claim %d has to move, %s; leaves %d to %d of 2^%d steps are disputed", m.Sides[m.Turn], left, m.Position, m.Position+1<<m.Height-1, stride)
	case dispute.Sealed:
		return fmt.Sprintf("step %d from root %x… has to be proven, %s", m.Position, m.Agreed[:4], left)
	case dispute.Inner:
		return fmt.Sprintf("leaf %d of 2^%d steps is disputed, from root %x… on", m.Position, stride, m.Agreed[:4])
	}
	var out []string
	for _, c := range m.Sides {
		if s.t.Claims[c].Out {
			out = append(out, fmt.Sprint(c))
		}
	}
	return "over; out are " + strings.Join(out, " and ")
}

// Types of status' JSON. Scripts rely on the names.
type (
	taskStatus struct {
		Task        common.Hash        `json:"task"`
		Block       uint64             `json:"block"`
		Finished    bool               `json:"finished"`
		Decided     bool               `json:"decided"`
		FinalRoot   *common.Hash       `json:"finalRoot,omitempty"`
		Tournaments []tournamentStatus `json:"tournaments"`
		Claims      []claimStatus      `json:"claims"`
		Matches     []matchStatus      `json:"matches"`
	}
	tournamentStatus struct {
		ID       common.Hash `json:"id"`
		Level    int         `json:"level"`
		OpenedAt uint64      `json:"openedAt"` // seconds
		Match    *int        `json:"match,omitempty"`
		Claims   int         `json:"claims"`
		Alive    int         `json:"alive"`
		Finished bool        `json:"finished"`
		Winner   *int        `json:"winner,omitempty"`
	}
	claimStatus struct {
		ID         common.Hash    `json:"id"`
		Tournament int            `json:"tournament"`
		Poster     common.Address `json:"poster"`
		FinalRoot  common.Hash    `json:"finalRoot"`
		Clock      uint64         `json:"clock"` // seconds
		Round      int            `json:"round"`
		Match      *int           `json:"match,omitempty"`
		Out        bool           `json:"out"`
	}
	matchStatus struct {
		ID         common.Hash `json:"id"`
		Tournament int         `json:"tournament"`
		Round      int         `json:"round"`
		Claims     [2]int      `json:"claims"`
		Phase      string      `json:"phase"`
		Turn       int         `json:"turn"` // claim that moves
		Height     int         `json:"height"`
		Position   uint64      `json:"position"`
		Expires    uint64      `json:"expires"` // seconds
		Inner      *int        `json:"inner,omitempty"`
	}
)

func statusOf(t *dispute.Task, b eth.Block) taskStatus {
	position := func(n int) *int {
		if n < 0 {
			return nil
		}
		return &n
	}
	s := taskStatus{Task: t.ID, Block: b.Number, Claims: []claimStatus{}, Matches: []matchStatus{}}
	var root dispute.Hash
	if s.Finished, s.Decided, root = t.Result(); s.Decided {
		s.FinalRoot = (*common.Hash)(&root)
	}
	for _, u := range t.Tournaments {
		s.Tournaments = append(s.Tournaments, tournamentStatus{u.ID, u.Level, u.OpenedAt, position(u.Parent), u.Joined, u.Alive, u.Finished, position(u.Winner)})
	}
	for _, c := range t.Claims {
		s.Claims = append(s.Claims, claimStatus{c.ID, c.Tournament, common.Address(c.Poster), c.FinalRoot, c.Clock, c.Round, position(c.Match), c.Out})
	}
	for i, m := range t.Matches {
		s.Matches = append(s.Matches, matchStatus{
			m.ID, m.Tournament, m.Round, m.Sides, [...]string{"moving", "proving", "inner", "over"}[m.Phase],
			m.Sides[m.Turn], m.Height, m.Position, t.Expires(i), position(m.Inner),
		})
	}
	return s
}
