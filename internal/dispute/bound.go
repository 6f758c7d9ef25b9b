package dispute

import "math/bits"

// Rounds returns how many matches a claim can be in, at most, among so many claims of one tournament: ⌈log2 claims⌉.
func Rounds(claims uint64) int {
	if claims < 2 {
		return 0
	}
	return bits.Len64(claims - 1)
}

// OwnMoves returns the most transactions that a player sends for its claim: joins, moves, seals and proofs. claims[i] is
// the number of claims in each tournament of level i.
func OwnMoves(levels []Level, claims []uint64) int {
	inMatch := (levels[0].Height+1)/2 + 1
	if len(levels) > 1 {
		inMatch = (levels[0].Height+1)/2 + OwnMoves(levels[1:], claims[1:])
	}
	return 1 + Rounds(claims[0])*inMatch
}

// Delay returns the most seconds from the opening of a tournament to its end, if every transaction that anybody may send
// is sent as soon as it may. claims[i] is the number of claims in each tournament of level i.
//
// Follow the last match back through the rounds. It began when the later of its claims came into its round, at the end
// of another match; and so on. In each match only its two claims' clocks run, and every clock at most for an allowance
// in all. If a claim came by winning, one more claim is on the path. If it was promoted, there are two more; but then
// the match that ended last had no winner, or else that one would have met the claim which waited in the next round.
// After it that round has an even number of claims, less than half as many, and nobody is promoted out of it. So on a
// path through R rounds there are at most R + max(1, ⌊R/2⌋) claims. A search through all orders finds worst cases with
// one allowance less, from R = 4 on.
func Delay(levels []Level, grace uint64, claims []uint64) uint64 {
	rounds := uint64(Rounds(claims[0]))
	l := levels[0]
	if rounds == 0 {
		return l.Allowance
	}
	match := uint64(l.Height+1)*grace + 1
	if len(levels) > 1 {
		match += Delay(levels[1:], grace, claims[1:])
	}
	return l.Allowance*(rounds+max(1, rounds/2)) + rounds*match
}
