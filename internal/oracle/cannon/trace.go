package cannon

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Root is a line of a trace: the state hash after Step steps. The last line
// has Exited and ExitCode as well.
type Root struct {
	Step     uint64      `json:"step"`
	Root     common.Hash `json:"root"`
	Exited   *bool       `json:"exited,omitempty"`
	ExitCode *uint8      `json:"exitCode,omitempty"`
}

// Span is the steps From … From+Count-1.
type Span struct{ From, Count uint64 }

// ParseSpans reads FROM:COUNT[,FROM:COUNT...] (or FROM for one step).
func ParseSpans(text string) ([]Span, error) {
	var spans []Span
	for _, part := range strings.Split(text, ",") {
		from, count, found := strings.Cut(part, ":")
		s := Span{Count: 1}
		var err error
		if s.From, err = strconv.ParseUint(from, 10, 64); err == nil && found {
			s.Count, err = strconv.ParseUint(count, 10, 64)
		}
		if err != nil || s.Count == 0 || s.From+s.Count < s.From {
			return nil, fmt.Errorf("steps %q: want FROM:COUNT, at least one step", part)
		}
		spans = append(spans, s)
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].From < spans[j].From })
	return spans, nil
}

// Trace says what a run writes down.
type Trace struct {
	Every      uint64 // a root every so many steps; 0: only the first and the last
	ProofEvery uint64 // a proof every so many steps; 0: none
	Proofs     []Span // steps to prove besides, in rising order
	ProofKinds uint64 // proofs of the first so many steps of each Kind; slows the run down
	StopAt     uint64 // stop before this step; 0: run to the end
}

// next is the first multiple of every that is not below step.
func next(step, every uint64) uint64 {
	if every == 0 || step > math.MaxUint64-every {
		return math.MaxUint64
	}
	return (step + every - 1) / every * every
}

// nextProof is the first step not below step that is to be proved.
func (t *Trace) nextProof(step uint64) uint64 {
	at := next(step, t.ProofEvery)
	for len(t.Proofs) > 0 && t.Proofs[0].From+t.Proofs[0].Count <= step {
		t.Proofs = t.Proofs[1:]
	}
	if len(t.Proofs) > 0 && t.Proofs[0].Count > 0 {
		at = min(at, max(step, t.Proofs[0].From))
	}
	return at
}

// Run runs v to its end, and writes one JSON object a line to w: the root at
// the start, roots and proofs in the order of their steps, the last root.
// A nil w is the plain run: nothing is hashed, nothing proved.
// Run consumes t.Proofs.
func (t *Trace) Run(v *VM, w io.Writer) error {
	stop := t.StopAt
	if stop == 0 {
		stop = math.MaxUint64
	}
	if w == nil {
		return v.RunTo(stop)
	}
	enc := json.NewEncoder(w)
	kinds := map[Kind]uint64{}
	for {
		step := v.Steps()
		exited, code := v.Exited()
		if exited || step >= stop {
			return enc.Encode(Root{Step: step, Root: v.Root(), Exited: &exited, ExitCode: &code})
		}
		if step == 0 || next(step, t.Every) == step {
			if err := enc.Encode(Root{Step: step, Root: v.Root()}); err != nil {
				return err
			}
		}
		prove := t.nextProof(step) == step
		until := min(stop, next(step+1, t.Every), t.nextProof(step+1))
		if t.ProofKinds > 0 {
			kind := v.Kind()
			kinds[kind]++
			prove = prove || kinds[kind] <= t.ProofKinds
			until = step + 1
		}
		if !prove {
			if err := v.RunTo(until); err != nil {
				return err
			}
			continue
		}
		proof, err := v.Prove()
		if err != nil {
			return err
		}
		if err := enc.Encode(proof); err != nil {
			return err
		}
	}
}
