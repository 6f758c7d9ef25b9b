// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The forms of a pre-image key.
library PreimageKey {
    uint256 private constant LOCAL = 1;
    uint256 private constant KECCAK256 = 2;
    uint256 private constant SHA256 = 4;

    /// @notice The key by which a program asks for local data.
    function local(uint256 ident) internal pure returns (bytes32) {
        return typed(bytes32(ident), LOCAL);
    }

    /// @notice The key under which the oracle keeps what `owner` wrote for a local key.
    function localize(bytes32 key, address owner, bytes32 localContext) internal pure returns (bytes32) {
        return typed(keccak256(abi.encode(key, owner, localContext)), LOCAL);
    }

    /// @notice The key of the data with this keccak-256 hash.
    function keccak(bytes32 hash) internal pure returns (bytes32) {
        return typed(hash, KECCAK256);
    }

    /// @notice The key of the data with this sha-256 hash.
    function sha(bytes32 hash) internal pure returns (bytes32) {
        return typed(hash, SHA256);
    }

    /// @dev Replaces the first byte.
    function typed(bytes32 word, uint256 keyType) private pure returns (bytes32) {
        return bytes32((uint256(word) & (type(uint256).max >> 8)) | (keyType << 248));
    }
}
