// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { History } from "./History.sol";

/// @title Reading a state of the kernel bare, given its root.
/// @notice The encoding is that of docs/base-machine.md: 188 bytes, big-endian. The root is their keccak-256 with the
/// first byte replaced by the status.
library BareState {
    /// @notice The state, or the memory, is not that of the root.
    error WrongState(bytes32 root, bytes32 want);
    /// @notice The machine had not exited.
    error NotExited(bytes32 root);
    error StateSize(uint256 size);
    /// @notice A leaf begins at a multiple of 32; a word at one of 8.
    error Misaligned(uint64 addr);

    uint8 internal constant EXITED_0 = 0;
    uint8 internal constant EXITED_1 = 1;
    uint8 internal constant EXITED_OTHER = 2; // also after a fault
    uint8 internal constant RUNNING = 3;

    // Offsets in the state.
    uint256 private constant EXIT_CODE = 97;
    uint256 private constant EXITED = 98;
    uint256 private constant STEP = 99;
    uint256 private constant SIZE = 188;
    /// @dev Of a memory proof: 2^64 bytes in leaves of 32.
    uint256 private constant SIBLINGS = 59;

    /// @notice How a machine with this root has ended, if it has: the first byte.
    function status(bytes32 root) internal pure returns (uint8) {
        return uint8(root[0]);
    }

    /// @notice The root of a state.
    function rootOf(bytes memory stateData) internal pure returns (bytes32) {
        if (stateData.length != SIZE) revert StateSize(stateData.length);
        uint8 s = RUNNING;
        if (stateData[EXITED] != 0) {
            s = uint8(stateData[EXIT_CODE]);
            if (s > EXITED_OTHER) s = EXITED_OTHER;
        }
        return bytes32((uint256(keccak256(stateData)) & (type(uint256).max >> 8)) | (uint256(s) << 248));
    }

    /// @notice The code with which the machine exited.
    function exitCode(bytes32 root, bytes memory stateData) internal pure returns (uint8) {
        requireState(root, stateData);
        if (stateData[EXITED] == 0) revert NotExited(root);
        return uint8(stateData[EXIT_CODE]);
    }

    /// @notice The number of steps that the machine has made.
    function steps(bytes32 root, bytes memory stateData) internal pure returns (uint64 count) {
        requireState(root, stateData);
        assembly ("memory-safe") {
            count := shr(192, mload(add(add(stateData, 32), STEP)))
        }
    }

    /// @notice The 32 bytes of memory at an address.
    /// @param addr A multiple of 32.
    /// @param leaf The bytes.
    /// @param siblings The 59 siblings of the nodes above the leaf, from the bottom.
    function memoryAt(
        bytes32 root,
        bytes memory stateData,
        uint64 addr,
        bytes32 leaf,
        bytes32[] memory siblings
    ) internal pure returns (bytes32) {
        requireState(root, stateData);
        if (addr % 32 != 0) revert Misaligned(addr);
        if (siblings.length != SIBLINGS) revert History.ProofLength(siblings.length, SIBLINGS);
        bytes32 hash = leaf;
        for (uint256 i = 0; i < SIBLINGS; ++i) {
            hash = (addr >> (i + 5)) & 1 == 0 ? History.node(hash, siblings[i]) : History.node(siblings[i], hash);
        }
        bytes32 memoryRoot;
        assembly ("memory-safe") {
            memoryRoot := mload(add(stateData, 32))
        }
        if (hash != memoryRoot) revert WrongState(hash, memoryRoot);
        return leaf;
    }

    /// @notice The 8 bytes of memory at an address, as a big-endian number.
    /// @param addr A multiple of 8.
    /// @param leaf The 32 bytes at the multiple of 32 at or before it.
    /// @param siblings As in `memoryAt`.
    function wordAt(
        bytes32 root,
        bytes memory stateData,
        uint64 addr,
        bytes32 leaf,
        bytes32[] memory siblings
    ) internal pure returns (uint64) {
        if (addr % 8 != 0) revert Misaligned(addr);
        memoryAt(root, stateData, addr - (addr % 32), leaf, siblings);
        return uint64(uint256(leaf >> (8 * (24 - (addr % 32)))));
    }

    function requireState(bytes32 root, bytes memory stateData) private pure {
        bytes32 got = rootOf(stateData);
        if (got != root) revert WrongState(got, root);
    }
}
