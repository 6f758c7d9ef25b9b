package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A count is a flag's number of steps, in decimal digits: pflag's own numbers may be octal ones, and --stop-at 010 is
// not to be step 8 where --at 010 is step 10.
type count uint64

func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return errors.New("it is not a number of steps")
	}
	*c = count(n)
	return nil
}

func (c *count) String() string { return strconv.FormatUint(uint64(*c), 10) }

// Type implements pflag.Value; no flag's help shows it.
func (c *count) Type() string { return "count" }

// A span is the steps first … last.
type span struct{ first, last uint64 }

// A selection is the steps of prove's --at.
type selection struct {
	spans []span // ascending, apart from each other; none if every is not 0
	every uint64 // all multiples of it
}

// parseSelection reads a list of steps and ranges, 5,7,100-200, or %N.
func parseSelection(text string) (selection, error) {
	wrong := func(part, want string) (selection, error) {
		return selection{}, fmt.Errorf("--at %s: %q is not %s", text, part, want)
	}
	if digits, ok := strings.CutPrefix(text, "%"); ok {
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n == 0 {
			return wrong(digits, "a number of steps")
		}
		return selection{every: n}, nil
	}
	var spans []span
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 64)
		b, err2 := strconv.ParseUint(last, 10, 64)
		if err1 != nil || err2 != nil || a > b || b == math.MaxUint64 {
			return wrong(part, "a step or a range of steps")
		}
		spans = append(spans, span{a, b})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	merged := spans[:1]
	for _, s := range spans[1:] {
		if last := &merged[len(merged)-1]; s.first <= last.last+1 {
			last.last = max(last.last, s.last)
		} else {
			merged = append(merged, s)
		}
	}
	return selection{spans: merged}, nil
}

// single tells whether it is one step.
func (s selection) single() bool {
	return len(s.spans) == 1 && s.spans[0].first == s.spans[0].last
}

// from gives the first of the steps that is not below step.
func (s selection) from(step uint64) (at uint64, ok bool) {
	if s.every != 0 {
		at = (step + s.every - 1) / s.every * s.every
		return at, at >= step
	}
	for _, p := range s.spans {
		if step <= p.last {
			return max(step, p.first), true
		}
	}
	return 0, false
}
