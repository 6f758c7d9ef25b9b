// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Parts of a value: of 8 bytes of length, big-endian, followed by the data.
/// @dev Every part is left-aligned and zero after its end, whatever lies there in calldata.
library PreimagePart {
    /// @notice The part would begin after the end of the value.
    error PartOffsetOutOfRange(uint256 partOffset, uint256 size);

    /// @notice Local data are at most a word.
    error LocalDataTooLong(uint256 size);

    /// @notice The bytes before the data.
    uint256 internal constant PREFIX = 8;

    /// @notice How many bytes a part has: 0 to 32. The part at the very end of the value is empty: a machine that has
    /// read everything may ask for more, and what it does then has to be provable.
    /// @param size The length of the data.
    function lengthAt(uint256 size, uint256 partOffset) internal pure returns (uint256) {
        unchecked {
            // The first test keeps the sums from overflowing.
            if (size > type(uint64).max || partOffset > size + PREFIX) revert PartOffsetOutOfRange(partOffset, size);
            uint256 rest = size + PREFIX - partOffset;
            return rest < 32 ? rest : 32;
        }
    }

    /// @notice The part of data that fit in a word.
    function ofWord(
        bytes32 word,
        uint256 size,
        uint256 partOffset
    ) internal pure returns (bytes32 data, uint256 length) {
        if (size > 32) revert LocalDataTooLong(size);
        length = lengthAt(size, partOffset);
        word = clip(word, size);
        data =
            partOffset < PREFIX
                ? ofPrefix(size, partOffset) | (word >> (8 * (PREFIX - partOffset)))
                : word << (8 * (partOffset - PREFIX));
    }

    /// @notice The part of data in calldata.
    function ofBytes(bytes calldata value, uint256 partOffset) internal pure returns (bytes32 data, uint256 length) {
        length = lengthAt(value.length, partOffset);
        data = ofPiece(value, 0, partOffset);
        if (partOffset < PREFIX) data |= ofPrefix(value.length, partOffset);
    }

    /// @notice What a part has of the length before the data; zero in all other places.
    /// @param partOffset Less than 8.
    function ofPrefix(uint256 size, uint256 partOffset) internal pure returns (bytes32) {
        return bytes32(size << (192 + 8 * partOffset));
    }

    /// @notice What a part has of a piece of the data; zero in all other places.
    /// @param piece The bytes of the data from `position` on.
    function ofPiece(bytes calldata piece, uint256 position, uint256 partOffset) internal pure returns (bytes32) {
        uint256 begin = position + PREFIX;
        if (partOffset >= begin + piece.length || partOffset + 32 <= begin) return 0;
        uint256 skip = partOffset > begin ? partOffset - begin : 0;
        bytes32 word;
        assembly ("memory-safe") {
            word := calldataload(add(piece.offset, skip))
        }
        word = clip(word, piece.length - skip);
        return skip > 0 ? word : word >> (8 * (begin - partOffset));
    }

    /// @dev Zeroes what follows the first `length` bytes.
    function clip(bytes32 word, uint256 length) private pure returns (bytes32) {
        return length < 32 ? word & ~bytes32(type(uint256).max >> (8 * length)) : word;
    }
}
