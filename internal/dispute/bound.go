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
// of another match, of a round before; and so on. In each match only its two claims' clocks run, and every clock at most
// for an allowance in all. The first match of this path has two claims; or it began when the joins were over, then it
// takes three allowances, but there is a round less. If a later match began with the winner of the one before, it brings
// one more claim. If it began with a claim that was promoted, it brings two. But then nobody can come to its round any
// more, and nobody waits there now, so nobody is promoted out of it: never two in a row. Nor does the match of the last
// round begin so: it takes five claims of the round before, two that go out, the one that is promoted, and those of whom
// one waits for it; that round has four at most. So there are at most rounds + 1 + ⌊(rounds-1)/2⌋ claims on a path. A
// search through all orders finds worst cases of up to two less.
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
	return l.Allowance*(rounds+1+(rounds-1)/2) + rounds*match
}
