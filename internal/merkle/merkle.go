// Package merkle is the binary keccak-256 tree over a guest's 2^64 bytes: its hash, the roots of
// its all-zero subtrees, and its proofs.
//
// A leaf is 32 raw bytes of memory, not hashed. Level 0 is the leaves, level 59 the root. A node is
// keccak256(left child ‖ right child). Memory that was never written is zero.
//
// The package imports nothing else of this module. The format is in the base machine's contract
// ("Commitment"); it equals that of Optimism's Cannon.
package merkle

const (
	// LeafSize is the number of bytes of a leaf, and of every other node.
	LeafSize = 32
	// Depth is the number of levels above the leaves: 2^Depth leaves of LeafSize bytes are 2^64 bytes.
	Depth = 59
)

// A Hash is a node of the tree: a keccak-256 digest or, on level 0, the bytes of memory themselves.
type Hash [32]byte

// Zero returns the root of an all-zero subtree of 2^level leaves; Zero(0) is 32 zero bytes. The
// level must be in 0…Depth.
func Zero(level int) Hash { return zeros[level] }
