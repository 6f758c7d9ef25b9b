// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Parts of a value: of 8 bytes of length, big-endian, followed by the data.
/// @dev Every part is left-aligned and zero after its end, whatever lies there in calldata.
library PreimagePart {
    /// @notice The part would begin at or after the end of the value.
    error PartOffsetOutOfRange(uint256 partOffset, uint256 size);

    /// @notice Local data are at most a word.
    error LocalDataTooLong(uint256 size);

    /// @notice The bytes before the data.
    uint256 internal constant PREFIX = 8;

    /// @notice How many bytes a part has: 1 to 32. Reverts if there is none.
    /// @param size The length of the data.
    function lengthAt(uint256 size, uint256 partOffset) internal pure returns (uint256) {
        unchecked {
            // The first test keeps the sums from overflowing.
            if (size > type(uint64).max || partOffset >= size + PREFIX) revert PartOffsetOutOfRange(partOffset, size);
            uint256 rest = size + PREFIX - partOffset;
            return rest < 32 ? rest : 32;
        }
    }

    /// @notice The part of data that fit in a word.
    function ofWord(bytes32 word, uint256 size, uint256 partOffset)
        internal
        pure
        returns (bytes32 data, uint256 length)
    {
        if (size > 32) revert LocalDataTooLong(size);
        length = lengthAt(size, partOffset);
        data = clip(join(size, uint256(word), partOffset), length);
    }

    /// @notice The part of data in calldata.
    function ofBytes(bytes calldata value, uint256 partOffset) internal pure returns (bytes32 data, uint256 length) {
        length = lengthAt(value.length, partOffset);
        uint256 word;
        // Where the part begins in the prefix, the word at the beginning of the data completes it.
        assembly ("memory-safe") {
            word := calldataload(add(value.offset, mul(gt(partOffset, PREFIX), sub(partOffset, PREFIX))))
        }
        data = clip(partOffset > PREFIX ? word : join(value.length, word, partOffset), length);
    }

    /// @dev The 32 bytes at `partOffset` of the 40 that are the prefix and a word of data, followed by zeros.
    function join(uint256 size, uint256 word, uint256 partOffset) private pure returns (uint256) {
        unchecked {
            if (partOffset < PREFIX) return (size << (192 + 8 * partOffset)) | (word >> (64 - 8 * partOffset));
            return word << (8 * (partOffset - PREFIX));
        }
    }

    /// @dev Zeroes what follows the first `length` bytes, 1 to 32.
    function clip(uint256 word, uint256 length) private pure returns (bytes32) {
        unchecked {
            return bytes32(word & (type(uint256).max << (256 - 8 * length)));
        }
    }
}
