package eth

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/flexemu/flexemu/internal/dispute"
)

// Wish returns the transaction that an action means, any but a Load. Bonds are those that the task's contract asks for.
func (g *Game) Wish(t *dispute.Task, levels []Level, a dispute.Action) (Wish, error) {
	w := Wish{To: &g.Address, Why: a.Why}
	var err error
	pack := func(function string, key string, args ...any) {
		w.Key = key
		w.Data, err = gameABI().Pack(function, args...)
	}
	switch a.Kind {
	case dispute.Join:
		u := &t.Tournaments[a.Tournament]
		w.Value = levels[u.Level].Bond
		key := fmt.Sprintf("join %x %x %x", u.ID, a.Left, a.Right)
		if u.Delegated {
			pack("joinDelegated", key, u.ID, a.Left, a.Right, a.Root, proof(a.Proof), a.Witness)
		} else {
			pack("join", key, u.ID, a.Left, a.Right, a.Root, proof(a.Proof))
		}
	case dispute.Move:
		m := &t.Matches[a.Match]
		pack("move", fmt.Sprintf("move %x %d", m.ID, m.Height), m.ID, a.Left, a.Right, a.ChildLeft, a.ChildRight)
	case dispute.Seal:
		m := &t.Matches[a.Match]
		agreed, siblings := a.Root, proof(a.Proof)
		if a.Left == m.Left || m.Position == 0 {
			agreed, siblings = dispute.Hash{}, [][32]byte{} // nobody looks at them
		}
		pack("seal", fmt.Sprintf("seal %x", m.ID), m.ID, a.Left, a.Right, agreed, siblings)
	case dispute.Prove:
		m := &t.Matches[a.Match]
		pack("prove", fmt.Sprintf("prove %x", m.ID), m.ID, a.Witness)
	case dispute.Timeout:
		m := &t.Matches[a.Match]
		pack("timeout", fmt.Sprintf("timeout %x", m.ID), m.ID)
	case dispute.Refute:
		id := t.Claims[a.Claim].ID
		pack("refute", fmt.Sprintf("refute %x", id), id, a.Position, a.Root, proof(a.Proof), a.Post, proof(a.PostProof))
	case dispute.Execute:
		id := t.Tournaments[a.Tournament].ID
		pack("execute", fmt.Sprintf("execute %x %x", id, a.Root), id, a.Root, a.Witness)
	case dispute.Advance:
		u := &t.Tournaments[a.Tournament]
		pack("advance", fmt.Sprintf("advance %x %d %d", u.ID, u.Drained, u.Alive), u.ID)
	case dispute.Finish:
		id := t.Tournaments[a.Tournament].ID
		pack("finish", fmt.Sprintf("finish %x", id), id)
	case dispute.Withdraw:
		pack("withdraw", fmt.Sprintf("withdraw %x %x %d", t.ID, a.Account, t.Credits[a.Account]), t.ID, common.Address(a.Account))
	default:
		err = fmt.Errorf("a %v is no transaction of the game", a.Kind)
	}
	if err != nil {
		return w, fmt.Errorf("%v: %w", a.Kind, err)
	}
	return w, nil
}

// proof is never nil, as accounts/abi wants it.
func proof(p []dispute.Hash) [][32]byte { return append([][32]byte{}, p...) }

// OpenWish returns the transaction that opens a task.
func (g *Game) OpenWish(p TaskParams) (Wish, error) {
	data, err := gameABI().Pack("open", p)
	if err != nil {
		return Wish{}, fmt.Errorf("open: %w", err)
	}
	return Wish{Key: "open", To: &g.Address, Data: data, Why: "opens the task"}, nil
}

// DeployWish returns the transaction that deploys a contract of ours.
func DeployWish(name string, args ...any) (Wish, error) {
	a := artifact(name)
	packed, err := a.ABI.Pack("", args...)
	if err != nil {
		return Wish{}, fmt.Errorf("deploy %s: %w", name, err)
	}
	return Wish{Key: "deploy " + name, Data: append(append([]byte(nil), a.Bytecode...), packed...), Why: "deploys " + name}, nil
}

// gasWithout are limits for transactions whose estimate fails because the node's next block is too early for them, as
// on a chain that makes blocks only when there is something to put into them.
const gasWithout = 1_500_000

// TooEarly tells whether an error is a refusal that has no reason at a time in seconds: the chain will not say it any
// more in a block of then.
func TooEarly(err error, now uint64) bool {
	data, reverted := Reverted(err)
	if !reverted || len(data) < 4 {
		return false
	}
	e, unknown := gameABI().ErrorByID([4]byte(data[:4]))
	if unknown != nil || e.Name != "NotOutOfTime" && e.Name != "JoinsOpen" {
		return false
	}
	values, failed := e.Inputs.Unpack(data[4:])
	if failed != nil {
		return false
	}
	until, ok := values[1].(*big.Int)
	if !ok {
		return false
	}
	if e.Name == "JoinsOpen" {
		return until.IsUint64() && until.Uint64() <= now
	}
	return until.IsUint64() && until.Uint64() < now
}

// SubmitAt is Submit at a time in seconds that may be later than that of the node's next block.
func (s *Sender) SubmitAt(ctx context.Context, w Wish, seen, now uint64) (bool, error) {
	sent, err := s.Submit(ctx, w, seen)
	if err != nil && TooEarly(err, now) {
		w.Gas = gasWithout
		return s.Submit(ctx, w, seen)
	}
	return sent, err
}

// A Suite is the contracts that a task for an instruction set needs.
type Suite struct {
	Oracle, Step, Adapter, Game common.Address
}

// Deploy deploys a suite; contract is the name of that for the instruction set. Those that have an address
// already are there. send gets a transaction into a block.
func (s Suite) Deploy(contract string, send func(Wish, error) (*types.Receipt, error)) (Suite, error) {
	for _, d := range []struct {
		at   *common.Address
		name string
		args []any
	}{
		{&s.Oracle, "PreimageOracle", nil},
		{&s.Step, contract, []any{&s.Oracle}},
		{&s.Adapter, "BareTransition", []any{&s.Step}},
		{&s.Game, "DisputeGame", nil},
	} {
		if *d.at != (common.Address{}) {
			continue
		}
		for i, arg := range d.args {
			d.args[i] = *arg.(*common.Address) // known by now
		}
		r, err := send(DeployWish(d.name, d.args...))
		if err != nil {
			return s, err
		}
		*d.at = r.ContractAddress
	}
	return s, nil
}

// OpenedTask finds the id of the task in the receipt of the transaction that opened it.
func OpenedTask(r *types.Receipt) (common.Hash, error) {
	for _, l := range r.Logs {
		if len(l.Topics) > 1 && l.Topics[0] == gameABI().Events["Opened"].ID {
			return l.Topics[1], nil
		}
	}
	return common.Hash{}, fmt.Errorf("open: the transaction %v has opened no task", r.TxHash)
}
