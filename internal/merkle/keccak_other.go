//go:build !amd64 || purego

package merkle

// hashLane, pairLane, pairsLanes and messagesLanes report that no faster hasher than the scalar one is known for this host.

func hashLane(dst *Hash, data []byte) bool { return false }

func pairLane(dst, l, r *Hash) bool { return false }

func pairsLanes(dst, src []Hash) int { return 0 }

func messagesLanes(dst []Hash, data []byte, size int) int { return 0 }
