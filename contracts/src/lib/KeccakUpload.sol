// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Keccak } from "./Keccak.sol";
import { PreimagePart } from "./PreimagePart.sol";

/// @title A pre-image that is hashed piece by piece, over several transactions.
/// @notice Every byte is hashed on chain, so there is nothing to challenge and nothing to wait for.
library KeccakUpload {
    /// @notice There is no such upload, or it is complete.
    error UploadMissing(uint256 uuid);

    /// @notice The caller has an upload of that name.
    error UploadExists(uint256 uuid);

    /// @notice The pre-image has more bytes than an upload can count.
    error UploadTooLarge(uint256 size);

    /// @notice The piece does not begin where the last one ended.
    error WrongPosition(uint256 position, uint256 expected);

    /// @notice A piece that is not the last must have a multiple of 136 bytes, and none may reach past the end.
    error WrongPieceLength(uint256 length, uint256 rest);

    struct Upload {
        /// @dev The state of the hash, as `Keccak.State` has it.
        uint256 x0;
        uint256 x1;
        uint256 x2;
        uint256 x3;
        uint256 x4;
        uint256 row;
        uint64 last;
        bool active;
        /// @dev The length of the pre-image, how much of it was absorbed, and the offset of the part, in bytes.
        uint56 size;
        uint56 absorbed;
        uint56 partOffset;
        /// @dev What is known of the part.
        bytes32 part;
    }

    /// @notice Begins an upload.
    function open(Upload storage upload, uint256 uuid, uint256 partOffset, uint256 size) internal {
        if (upload.active) revert UploadExists(uuid);
        if (size > type(uint56).max - PreimagePart.PREFIX) revert UploadTooLarge(size);
        PreimagePart.lengthAt(size, partOffset); // in range, or it reverts
        upload.active = true;
        upload.size = uint56(size);
        upload.partOffset = uint56(partOffset);
        if (partOffset < PreimagePart.PREFIX) upload.part = PreimagePart.ofPrefix(size, partOffset);
    }

    /// @notice Absorbs a piece. To be called before anything is allocated in memory.
    /// @param position The number of bytes before the piece: a guard against a piece sent twice or out of order.
    /// @return done Whether this was the last piece; the caller then deletes the upload.
    /// @return hash The keccak-256 hash of all the pieces, when done.
    function absorb(
        Upload storage upload,
        uint256 uuid,
        uint256 position,
        bytes calldata piece
    ) internal returns (bool done, bytes32 hash) {
        Keccak.prepare();
        if (!upload.active) revert UploadMissing(uuid);
        if (position != upload.absorbed) revert WrongPosition(position, upload.absorbed);
        uint256 rest = upload.size - position;
        done = piece.length == rest;
        if (!done && (piece.length > rest || piece.length % Keccak.BLOCK != 0)) {
            revert WrongPieceLength(piece.length, rest);
        }

        bytes32 caught = PreimagePart.ofPiece(piece, position, upload.partOffset);
        if (caught != 0) upload.part |= caught;

        Keccak.State memory state = Keccak.State(
            upload.x0,
            upload.x1,
            upload.x2,
            upload.x3,
            upload.x4,
            upload.row,
            uint256(upload.last) << 192
        );
        // Behind all that is allocated, and not allocated itself: nothing is after this.
        uint256 from;
        assembly ("memory-safe") {
            from := mload(0x40)
            calldatacopy(from, piece.offset, piece.length)
        }
        unchecked {
            uint256 to = from + piece.length;
            Keccak.absorb(state, from, done ? Keccak.pad(from, to) : to);
        }
        if (done) return (true, Keccak.squeeze(state));
        save(upload, state, position + piece.length);
    }

    function save(Upload storage upload, Keccak.State memory state, uint256 absorbed) private {
        upload.x0 = state.x0;
        upload.x1 = state.x1;
        upload.x2 = state.x2;
        upload.x3 = state.x3;
        upload.x4 = state.x4;
        upload.row = state.row;
        upload.last = uint64(state.last >> 192);
        upload.absorbed = uint56(absorbed);
    }
}
