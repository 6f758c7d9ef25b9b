// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Commitments to histories.
/// @notice A history of height h is the list of the 2^h state roots after 1, 2, … 2^h strides; its commitment is the
/// root of the binary keccak-256 tree whose leaves are these roots, not hashed again.
library History {
    /// @notice A Merkle proof of the wrong length.
    error ProofLength(uint256 got, uint256 want);

    /// @notice The node above two nodes: keccak-256 of both.
    function node(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(0, left)
            mstore(32, right)
            hash := keccak256(0, 64)
        }
    }

    /// @notice The commitment of a history of that height that has this leaf there.
    /// @param index Which leaf, from 0; less than 2^height.
    /// @param proof The siblings of the nodes on the way up, from the leaf's own.
    function commitment(
        bytes32 leaf,
        uint256 index,
        bytes32[] calldata proof,
        uint256 height
    ) internal pure returns (bytes32 hash) {
        if (proof.length != height) revert ProofLength(proof.length, height);
        hash = leaf;
        for (uint256 i = 0; i < height; ++i) {
            hash = (index >> i) & 1 == 0 ? node(hash, proof[i]) : node(proof[i], hash);
        }
    }
}
