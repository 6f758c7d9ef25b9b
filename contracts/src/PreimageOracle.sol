// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IPreimageOracle } from "./IPreimageOracle.sol";
import { KeccakUpload } from "./lib/KeccakUpload.sol";
import { PreimageKey } from "./lib/PreimageKey.sol";
import { PreimagePart } from "./lib/PreimagePart.sol";

/// @title The pre-image oracle.
/// @notice Nobody owns it and nothing in it can be changed: anybody may add what follows from a hash, and local data are
/// kept apart by who wrote them. There is no loader for blob elements and precompile results yet; their keys read like
/// any other.
contract PreimageOracle is IPreimageOracle {
    using KeccakUpload for KeccakUpload.Upload;

    /// @notice No part of this key was stored at this offset.
    error PartMissing(bytes32 key, uint256 offset);

    /// @dev A stored part; `end` is its length plus 1, and 0 where nothing is stored.
    struct Part {
        bytes32 data;
        uint256 end;
    }

    mapping(bytes32 key => mapping(uint256 offset => Part)) private parts;
    mapping(address owner => mapping(uint256 uuid => KeccakUpload.Upload)) private uploads;

    /// @inheritdoc IPreimageOracle
    function readPreimage(bytes32 key, uint256 offset) external view returns (bytes32 data, uint256 length) {
        Part storage part = parts[key][offset];
        if (part.end == 0) revert PartMissing(key, offset);
        data = part.data;
        length = part.end - 1;
    }

    /// @inheritdoc IPreimageOracle
    function preimagePartOk(bytes32 key, uint256 offset) external view returns (bool) {
        return parts[key][offset].end != 0;
    }

    /// @inheritdoc IPreimageOracle
    function loadLocalData(
        uint256 ident,
        bytes32 localContext,
        bytes32 word,
        uint256 size,
        uint256 partOffset
    ) external returns (bytes32 key) {
        key = PreimageKey.localize(PreimageKey.local(ident), msg.sender, localContext);
        (bytes32 data, uint256 length) = PreimagePart.ofWord(word, size, partOffset);
        parts[key][partOffset] = Part(data, length + 1);
    }

    /// @inheritdoc IPreimageOracle
    function loadKeccak256PreimagePart(uint256 partOffset, bytes calldata preimage) external {
        store(PreimageKey.keccak(keccak256(preimage)), partOffset, preimage);
    }

    /// @inheritdoc IPreimageOracle
    function loadSha256PreimagePart(uint256 partOffset, bytes calldata preimage) external {
        store(PreimageKey.sha(sha256(preimage)), partOffset, preimage);
    }

    /// @notice Begins to load a part of a pre-image that is too large for one transaction, under its keccak-256 key.
    /// @param uuid The caller's name for it, unlike those of the caller's other unfinished uploads.
    /// @param partOffset Where the part begins in the value, at most `size` + 8.
    /// @param size The length of the pre-image in bytes.
    function openKeccak256Upload(uint256 uuid, uint256 partOffset, uint256 size) external {
        uploads[msg.sender][uuid].open(uuid, partOffset, size);
    }

    /// @notice Adds the next piece, of a multiple of 136 bytes; the last one may have any length. The last piece stores
    /// the part and frees the upload.
    /// @param uuid The name given to `openKeccak256Upload` by the same caller.
    /// @param position The length of all pieces before this one.
    /// @param piece The bytes of the pre-image at `position`.
    /// @return key The key of the pre-image if this was the last piece, else zero.
    function continueKeccak256Upload(
        uint256 uuid,
        uint256 position,
        bytes calldata piece
    ) external returns (bytes32 key) {
        KeccakUpload.Upload storage upload = uploads[msg.sender][uuid];
        (bool done, bytes32 hash) = upload.absorb(uuid, position, piece);
        if (!done) return 0;
        key = PreimageKey.keccak(hash);
        uint256 partOffset = upload.partOffset;
        parts[key][partOffset] = Part(upload.part, PreimagePart.lengthAt(upload.size, partOffset) + 1);
        delete uploads[msg.sender][uuid];
    }

    /// @notice How far an unfinished upload is. All zero if there is none, which is also how one of nothing begins.
    /// @return size The length of the pre-image.
    /// @return absorbed The length of all pieces so far.
    /// @return partOffset Where the part begins in the value.
    function keccak256Upload(
        address owner,
        uint256 uuid
    ) external view returns (uint256 size, uint256 absorbed, uint256 partOffset) {
        KeccakUpload.Upload storage upload = uploads[owner][uuid];
        return (upload.size, upload.absorbed, upload.partOffset);
    }

    function store(bytes32 key, uint256 partOffset, bytes calldata preimage) private {
        (bytes32 data, uint256 length) = PreimagePart.ofBytes(preimage, partOffset);
        parts[key][partOffset] = Part(data, length + 1);
    }
}
