//go:build !amd64 || purego

package merkle

// pairLane and pairsLanes report that no faster hasher than the scalar one is known for this host.

func pairLane(dst, l, r *Hash) bool { return false }

func pairsLanes(dst, src []Hash) int { return 0 }
