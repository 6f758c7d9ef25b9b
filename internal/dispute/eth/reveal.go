package eth

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/flexemu/flexemu/internal/dispute"
)

// A replay is a task as it was before an event, as far as it matters for what transactions reveal.
type replay struct {
	task     *dispute.Task
	revealed *dispute.Revealed
	next     int // event
	// blind are matches of which a transaction could not be read: nothing is known of their later nodes.
	blind map[int]bool
}

// Revealed returns what the transactions up to the last block that was read have shown of the claims' histories. Until a
// step was executed it is of no use, so it asks for none, and returns nil.
func (r *Reader) Revealed(ctx context.Context) (*dispute.Revealed, error) {
	if !r.executed() {
		return nil, nil
	}
	if r.replay == nil {
		r.replay = &replay{task: &dispute.Task{}, revealed: new(dispute.Revealed), blind: map[int]bool{}}
		for _, l := range r.params.Levels {
			r.replay.task.Levels = append(r.replay.task.Levels, dispute.Level{Height: int(l.Height)})
		}
	}
	for ; r.replay.next < len(r.log.events); r.replay.next++ {
		if err := r.step(ctx, r.log.events[r.replay.next]); err != nil {
			return nil, err
		}
	}
	return r.replay.revealed, nil
}

// executed tells whether a step of the task was executed.
func (r *Reader) executed() bool {
	for e := range r.log.executed {
		for _, v := range r.tournaments {
			if v.Context == e.context {
				return true
			}
		}
	}
	return false
}

// step takes one event into the replay.
func (r *Reader) step(ctx context.Context, l types.Log) error {
	e, err := gameABI().EventByID(l.Topics[0])
	if err != nil {
		return nil
	}
	t := r.replay.task
	position := func(ids []common.Hash, id common.Hash) int { return positions(ids)(id) }
	switch e.Name {
	case "TournamentOpened":
		t.Tournaments = append(t.Tournaments, dispute.Tournament{Level: int(r.tournaments[l.Topics[2]].Level)})
	case "Joined":
		n := position(r.log.tournaments, l.Topics[1])
		args, err := r.arguments(ctx, l, "join", "joinDelegated")
		if err != nil {
			return err
		}
		if args != nil {
			r.replay.revealed.Observe(t, dispute.Action{Kind: dispute.Join, Tournament: n, Root: args[3].([32]byte), Proof: args[4].([][32]byte)})
		}
		t.Claims = append(t.Claims, dispute.Claim{Tournament: n})
	case "Paired":
		v := r.matches[l.Topics[2]]
		b := r.claims[v.Claims[1]]
		n := position(r.log.tournaments, l.Topics[1])
		t.Matches = append(t.Matches, dispute.Match{
			Tournament: n, Height: t.LevelOf(n).Height, Left: b.Left, Right: b.Right,
			Sides: [2]int{position(r.log.claims, v.Claims[0]), position(r.log.claims, v.Claims[1])},
		})
	case "Moved", "Sealed":
		return r.moved(ctx, l, position(r.log.matches, l.Topics[1]))
	}
	return nil
}

// moved takes a move into the replay.
func (r *Reader) moved(ctx context.Context, l types.Log, match int) error {
	if match < 0 || r.replay.blind[match] {
		return nil
	}
	args, err := r.arguments(ctx, l, "move", "seal")
	if err != nil {
		return err
	}
	if args == nil {
		r.replay.blind[match] = true
		return nil
	}
	t := r.replay.task
	m := &t.Matches[match]
	a := dispute.Action{Kind: dispute.Move, Match: match, Left: args[1].([32]byte), Right: args[2].([32]byte)}
	right := a.Left == m.Left
	siblings, seal := args[4].([][32]byte)
	if seal {
		a.Kind, a.Root, a.Proof = dispute.Seal, args[3].([32]byte), siblings
		if right {
			a.Root, a.Proof = a.Left, nil // as the contract has it, whatever was sent
		}
		r.replay.revealed.Observe(t, a)
		return nil
	}
	a.ChildLeft, a.ChildRight = args[3].([32]byte), args[4].([32]byte)
	r.replay.revealed.Observe(t, a)
	m.Height--
	if right {
		m.Position += 1 << m.Height
	}
	m.Left, m.Right, m.Turn = a.ChildLeft, a.ChildRight, 1-m.Turn
	return nil
}

// arguments returns those with which the transaction of an event called one of the functions of the game, about what the
// event is about; nil if it did so through another contract.
func (r *Reader) arguments(ctx context.Context, l types.Log, functions ...string) ([]any, error) {
	tx, err := r.game.Transaction(ctx, l.TxHash)
	if errors.Is(err, ethereum.NotFound) {
		return nil, errUndone
	}
	if err != nil {
		return nil, err
	}
	if tx.To() == nil || *tx.To() != r.game.Address {
		return nil, nil
	}
	for _, name := range functions {
		f := gameABI().Methods[name]
		if data := tx.Data(); len(data) >= 4 && [4]byte(data) == [4]byte(f.ID) {
			args, err := f.Inputs.Unpack(data[4:])
			if err == nil && args[0].([32]byte) == l.Topics[1] {
				return args, nil
			}
		}
	}
	return nil, nil
}
