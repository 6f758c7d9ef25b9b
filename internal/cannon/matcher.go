package cannon

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Matcher is a set of steps. The zero value is the empty one.
type Matcher struct {
	kind matcherKind
	n    uint64
}

type matcherKind int

const (
	never matcherKind = iota
	always
	once  // at step n
	every // at the multiples of n
)

// ParseMatcher reads "never" or nothing, "always", "=N" for step N, "%N" for the multiples of N. Numbers may be
// written as in Go: 0x10, 0b1, 1_000.
func ParseMatcher(text string) (Matcher, error) {
	switch {
	case text == "" || text == "never":
		return Matcher{}, nil
	case text == "always":
		return Matcher{kind: always}, nil
	}
	m := Matcher{kind: once}
	digits, ok := strings.CutPrefix(text, "=")
	if !ok {
		m.kind = every
		if digits, ok = strings.CutPrefix(text, "%"); !ok {
			return m, fmt.Errorf("unrecognized step matcher %q: it is never, always, =N or %%N", text)
		}
	}
	n, err := strconv.ParseUint(digits, 0, 64)
	if err != nil {
		return m, fmt.Errorf("step matcher %q: %w", text, err)
	}
	m.n = n
	return m, nil
}

// at tells whether a step is in the set. The multiples of 0 are a division by zero, in Cannon too.
func (m Matcher) at(step uint64) bool {
	switch m.kind {
	case always:
		return true
	case once:
		return step == m.n
	case every:
		if m.n == 0 {
			panic(vmPanic("the step matcher %%0 divides by zero"))
		}
		return step%m.n == 0
	}
	return false
}

// after gives the first step behind the given one that is in the set, or math.MaxUint64.
func (m Matcher) after(step uint64) uint64 {
	switch {
	case step == math.MaxUint64:
	case m.kind == always:
		return step + 1
	case m.kind == once && m.n > step:
		return m.n
	case m.kind == every && m.n != 0 && step-step%m.n <= math.MaxUint64-m.n:
		return step - step%m.n + m.n
	}
	return math.MaxUint64
}
