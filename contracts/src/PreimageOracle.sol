// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IPreimageOracle } from "./IPreimageOracle.sol";
import { PreimageKey } from "./lib/PreimageKey.sol";
import { PreimagePart } from "./lib/PreimagePart.sol";

/// @title The pre-image oracle.
/// @notice Nobody owns it. Anybody may add what follows from a hash; local data are kept apart by who wrote them.
contract PreimageOracle is IPreimageOracle {
    /// @notice No part of this key was stored at this offset.
    error PartMissing(bytes32 key, uint256 offset);

    /// @dev A stored part; `length` is 1 to 32, and 0 where nothing is stored.
    struct Part {
        bytes32 data;
        uint256 length;
    }

    mapping(bytes32 key => mapping(uint256 offset => Part)) private parts;

    /// @inheritdoc IPreimageOracle
    function readPreimage(bytes32 key, uint256 offset) external view returns (bytes32 data, uint256 length) {
        Part storage part = parts[key][offset];
        length = part.length;
        if (length == 0) revert PartMissing(key, offset);
        data = part.data;
    }

    /// @inheritdoc IPreimageOracle
    function preimagePartOk(bytes32 key, uint256 offset) external view returns (bool) {
        return parts[key][offset].length != 0;
    }

    /// @inheritdoc IPreimageOracle
    function loadLocalData(uint256 ident, bytes32 localContext, bytes32 word, uint256 size, uint256 partOffset)
        external
        returns (bytes32 key)
    {
        key = PreimageKey.localize(PreimageKey.local(ident), msg.sender, localContext);
        (bytes32 data, uint256 length) = PreimagePart.ofWord(word, size, partOffset);
        parts[key][partOffset] = Part(data, length);
    }

    /// @inheritdoc IPreimageOracle
    function loadKeccak256PreimagePart(uint256 partOffset, bytes calldata preimage) external {
        store(PreimageKey.keccak(keccak256(preimage)), partOffset, preimage);
    }

    /// @inheritdoc IPreimageOracle
    function loadSha256PreimagePart(uint256 partOffset, bytes calldata preimage) external {
        store(PreimageKey.sha(sha256(preimage)), partOffset, preimage);
    }

    function store(bytes32 key, uint256 partOffset, bytes calldata preimage) private {
        (bytes32 data, uint256 length) = PreimagePart.ofBytes(preimage, partOffset);
        parts[key][partOffset] = Part(data, length);
    }
}
