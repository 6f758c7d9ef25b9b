package prover

import "github.com/flexemu/flexemu/internal/dispute"

const (
	// single is the largest logarithm of steps for which one level of all roots is as quick as two levels.
	single = 18
	// double is that for which two levels take minutes each, at most.
	double = 52
	// log2Dear is about how many times dearer a root at a wide stride is than one in a row of single steps, as a
	// logarithm: some 25 µs to 2 µs.
	log2Dear = 4
)

// Levels divides 2^log2Steps steps into as few levels as can be computed quickly, so that the histories of all levels
// take about the same time. They have strides and heights only.
func Levels(log2Steps int) []dispute.Level {
	var heights []int // from the outermost
	switch {
	case log2Steps <= single:
		heights = []int{max(1, log2Steps)}
	case log2Steps <= double:
		inner := (log2Steps + log2Dear) / 2
		heights = []int{log2Steps - inner, inner}
	default:
		third := log2Steps / 3
		heights = []int{third, third, log2Steps - 2*third}
	}
	return WithHeights(heights)
}

// WithHeights makes levels of these heights, from the outermost one on. They have strides and heights only.
func WithHeights(heights []int) []dispute.Level {
	levels := make([]dispute.Level, len(heights))
	stride := 0
	for i := len(heights) - 1; i >= 0; i-- {
		levels[i] = dispute.Level{Log2Stride: stride, Height: heights[i]}
		stride += heights[i]
	}
	return levels
}
