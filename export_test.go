package flexemu

// SetStartCost changes what the start of a part of a history is said to cost, in nanoseconds, and gives what it was.
func SetStartCost(n uint64) (was uint64) {
	was, startCost = startCost, n
	return was
}
