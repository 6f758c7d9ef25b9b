package dispute

import "fmt"

// An Action is a transaction: what a player wants to do now, and why. Which fields mean something depends on Kind.
type Action struct {
	Kind Kind
	// Tournament, Match and Claim are positions in the task's lists.
	Tournament, Match, Claim int
	// Left and Right are the children of the node to be opened, or of a new claim's commitment; ChildLeft and ChildRight
	// those of one of them.
	Left, Right, ChildLeft, ChildRight Hash
	// Root is the last root of a claim, or the agreed root, or the one before an executed step. Proof shows it.
	Root  Hash
	Proof []Hash
	// Post and PostProof show what a claim to be refuted has at Position.
	Position  uint64
	Post      Hash
	PostProof []Hash
	// Witness is the proof of a step, or the proof that closes a delegated machine's last root.
	Witness []byte
	// Load is which of a Witness' Loads to bring to the chain.
	Load int
	// Place is where a step to be proven is, which is number Position there.
	Place Place
	// Account gets a withdrawal.
	Account Account
	// Deadline is the last second in which the action helps, or 0 if waiting costs nothing but time.
	Deadline uint64
	// Why is a sentence for people.
	Why string
}

// Apply is the method that an action means. The money that comes with a join is the level's bond, whatever tx says. A
// Load changes nothing: pre-images are not the game's.
func (r *Rules) Apply(t *Task, tx Tx, a Action) error {
	if err := a.check(t); err != nil {
		return err
	}
	switch a.Kind {
	case Join:
		tx.Value = t.LevelOf(a.Tournament).Bond
		return r.Join(t, tx, a.Tournament, a.Left, a.Right, a.Root, a.Proof, a.Witness)
	case Move:
		return r.Move(t, tx, a.Match, a.Left, a.Right, a.ChildLeft, a.ChildRight)
	case Seal:
		return r.Seal(t, tx, a.Match, a.Left, a.Right, a.Root, a.Proof)
	case Prove:
		return r.Prove(t, tx, a.Match, a.Witness)
	case Timeout:
		return r.Timeout(t, tx, a.Match)
	case Refute:
		return r.Refute(t, tx, a.Claim, a.Position, a.Root, a.Proof, a.Post, a.PostProof)
	case Execute:
		return r.Execute(t, a.Tournament, a.Root, a.Witness)
	case Advance:
		return r.Advance(t, tx, a.Tournament)
	case Finish:
		return r.Finish(t, tx, a.Tournament)
	case Withdraw:
		_, err := r.Withdraw(t, a.Account)
		return err
	}
	return nil
}

// check refuses what is not in the lists, as it comes from replays of another time.
func (a *Action) check(t *Task) error {
	of, length := a.Match, len(t.Matches)
	switch a.Kind {
	case Join, Execute, Advance, Finish:
		of, length = a.Tournament, len(t.Tournaments)
	case Refute:
		of, length = a.Claim, len(t.Claims)
	case Withdraw, Load:
		return nil
	}
	if of < 0 || of >= length {
		return fmt.Errorf("dispute: %s: there is no %d", a.Kind, of)
	}
	return nil
}
