// Compact memory proofs, as many as leaves are touched: the leaf, 8 bytes with a bit per level, and the
// siblings whose bit is set; the others are roots of absent subtrees.

function proofEnd(at) -> end {
    let mask := shr(192, calldataload(add(at, 32)))
    if shr(59, mask) { malformed(2) }
    end := add(add(at, 40), shl(5, popc(mask)))
}

function climb(node, at, path) -> root {
    root := node
    let mask := shr(192, calldataload(add(at, 32)))
    at := add(at, 40)
    for { let zero := ZEROS } lt(zero, ZEROS_END) { zero := add(zero, 32) } {
        let side := and(path, 32)
        mstore(side, root)
        let sibling := mload(zero)
        if and(mask, 1) {
            let given := calldataload(at)
            if eq(given, sibling) { malformed(2) } // one proof, one encoding
            sibling := given
            at := add(at, 32)
        }
        mstore(xor(side, 32), sibling)
        root := keccak256(0, 64)
        path := shr(1, path)
        mask := shr(1, mask)
    }
}

function closeLeaf() {}

function finished() {
    if iszero(eq(mload(NEXT_PROOF), mload(WITNESS_END))) { malformed(2) }
}

// prepare fills the table of the roots of absent subtrees, level by level.
function prepare() {
    mstore(ZEROS, 0)
    for { let zero := ZEROS } lt(zero, ZEROS_END) { zero := add(zero, 32) } {
        let v := mload(zero)
        mstore(0, v)
        mstore(32, v)
        mstore(add(zero, 32), keccak256(0, 64))
    }
}
