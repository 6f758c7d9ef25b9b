//go:build !amd64 || purego

package merkle

// hashLane, pairLane and pairsLanes report that no faster hasher than the scalar one is known for this host.

func hashLane(dst *Hash, data []byte) bool { return false }

func pairLane(dst, l, r *Hash) bool { return false }

func pairsLanes(dst, src []Hash) int { return 0 }
