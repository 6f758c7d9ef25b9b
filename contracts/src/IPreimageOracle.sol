// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Pre-images by key, in parts of up to 32 bytes.
/// @notice A key is a type byte followed by 31 bytes: 1 local, 2 keccak-256, 4 sha-256, 5 blob element, 6 precompile
/// result. The value of a key is the length of its data as 8 bytes, big-endian, followed by the data. Offsets count
/// in the value: the data begin at offset 8. Functions that the OP Stack's oracle has too have its signatures.
interface IPreimageOracle {
    /// @notice Reads the part of a value that was stored at exactly this offset; reverts if none was.
    /// @param key The key; a local one in its localized form.
    /// @param offset Where the part begins in the value.
    /// @return data The part, left-aligned, zero after its end.
    /// @return length How many bytes of `data` are in the value: 1 to 32, or 0 at the very end.
    function readPreimage(bytes32 key, uint256 offset) external view returns (bytes32 data, uint256 length);

    /// @notice Whether a part was stored at exactly this offset.
    function preimagePartOk(bytes32 key, uint256 offset) external view returns (bool);

    /// @notice Stores a part of local data of the caller.
    /// @param ident Identifies the data; its first byte is ignored.
    /// @param localContext The context of the caller's task.
    /// @param word The data, left-aligned; what follows the first `size` bytes is ignored.
    /// @param size The length of the data in bytes, at most 32.
    /// @param partOffset Where the part begins in the value, at most `size` + 8.
    /// @return key The localized key: keccak256(key ‖ caller ‖ localContext), each 32 bytes, with type byte 1.
    function loadLocalData(
        uint256 ident,
        bytes32 localContext,
        bytes32 word,
        uint256 size,
        uint256 partOffset
    ) external returns (bytes32 key);

    /// @notice Stores a part of a pre-image under its keccak-256 key.
    /// @param partOffset Where the part begins in the value, at most the length of `preimage` + 8.
    /// @param preimage All of the data.
    function loadKeccak256PreimagePart(uint256 partOffset, bytes calldata preimage) external;

    /// @notice Stores a part of a pre-image under its sha-256 key.
    /// @param partOffset Where the part begins in the value, at most the length of `preimage` + 8.
    /// @param preimage All of the data.
    function loadSha256PreimagePart(uint256 partOffset, bytes calldata preimage) external;
}
