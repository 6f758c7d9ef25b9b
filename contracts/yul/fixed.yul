// Memory proofs of fixed length in fixed places: the instruction's leaf, the accessed leaf, a second one.

function proofEnd(at) -> end { end := add(at, 1920) }

// climb gives the root above a leaf: path is its address, and at the place of its proof in calldata.
function climb(node, at, path) -> root {
    root := node
    let end := add(at, 1920)
    for { at := add(at, 32) } lt(at, end) { at := add(at, 32) } {
        let side := and(path, 32)
        mstore(side, root)
        mstore(xor(side, 32), calldataload(at))
        root := keccak256(0, 64)
        path := shr(1, path)
    }
}

// closeLeaf makes the next access use the next proof, also for the same leaf.
function closeLeaf() { mstore(OPEN_LEAF, not(0)) }

// finished checks that the witness has the length that it must have.
function finished() {
    if iszero(eq(add(mload(WITNESS), add(THREAD_SIZE, 5792)), mload(WITNESS_END))) { malformed(2) }
}
