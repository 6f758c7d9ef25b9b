// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { T } from "./T.sol";
import { PreimageOracle } from "../src/PreimageOracle.sol";
import { PreimagePart } from "../src/lib/PreimagePart.sol";

/// @title Small pre-images: local, keccak-256, sha-256.
contract PreimageOracleTest is T {
    PreimageOracle internal oracle = new PreimageOracle();

    /// @dev The definition of a part, byte by byte: of 8 bytes of length and the data.
    function partOf(bytes memory data, uint256 offset) internal pure returns (bytes32 part, uint256 length) {
        bytes memory value = bytes.concat(bytes8(uint64(data.length)), data);
        for (uint256 i = offset; i < value.length && i < offset + 32; ++i) {
            part |= bytes32(value[i]) >> (8 * (i - offset));
            ++length;
        }
    }

    function checkPart(bytes32 key, bytes memory data, uint256 offset) internal {
        (bytes32 wantPart, uint256 wantLength) = partOf(data, offset);
        (bytes32 part, uint256 length) = oracle.readPreimage(key, offset);
        assertEq(length, wantLength, "length of part");
        assertEq(part, wantPart, "part");
        if (!oracle.preimagePartOk(key, offset)) revert Differs("preimagePartOk");
    }

    function typed(bytes32 hash, uint8 keyType) internal pure returns (bytes32) {
        return (hash & ~bytes32(bytes1(0xff))) | bytes32(bytes1(keyType));
    }

    function localKey(uint256 ident, address owner, bytes32 context) internal pure returns (bytes32) {
        bytes32 key = typed(bytes32(ident), 1);
        return typed(keccak256(abi.encode(key, owner, context)), 1);
    }

    function expectOutOfRange(uint256 offset, uint256 size) internal {
        vm.expectRevert(abi.encodeWithSelector(PreimagePart.PartOffsetOutOfRange.selector, offset, size));
    }

    function expectMissing(bytes32 key, uint256 offset) internal {
        vm.expectRevert(abi.encodeWithSelector(PreimageOracle.PartMissing.selector, key, offset));
    }

    function testKeccakEveryOffset() external {
        for (uint256 size = 0; size < 75; size += 1 + size / 3) {
            bytes memory data = someBytes(size, size);
            bytes32 key = typed(keccak256(data), 2);
            for (uint256 offset = 0; offset <= size + 8; ++offset) {
                oracle.loadKeccak256PreimagePart(offset, data);
                checkPart(key, data, offset);
            }
            expectOutOfRange(size + 9, size);
            oracle.loadKeccak256PreimagePart(size + 9, data);
        }
    }

    function testKeccakPart(bytes calldata data, uint256 offset) external {
        offset %= data.length + 9;
        oracle.loadKeccak256PreimagePart(offset, data);
        checkPart(typed(keccak256(data), 2), data, offset);
    }

    function testSha256Part(bytes calldata data, uint256 offset) external {
        offset %= data.length + 9;
        oracle.loadSha256PreimagePart(offset, data);
        checkPart(typed(sha256(data), 4), data, offset);
    }

    function testOffsetOutOfRange(bytes calldata data, uint256 offset) external {
        vm.assume(offset > data.length + 8);
        expectOutOfRange(offset, data.length);
        oracle.loadKeccak256PreimagePart(offset, data);
        expectOutOfRange(offset, data.length);
        oracle.loadSha256PreimagePart(offset, data);
        expectOutOfRange(offset < 41 ? 41 : offset, 32);
        oracle.loadLocalData(1, 0, 0, 32, offset < 41 ? 41 : offset);
    }

    /// @dev What follows the data in calldata is not part of the value.
    function testDirtyCalldata() external {
        bytes memory call = abi.encodeCall(oracle.loadKeccak256PreimagePart, (8, hex"aabbcc"));
        for (uint256 i = 0; i < 29; ++i) {
            call[call.length - 1 - i] = 0xff;
        }
        (bool ok, ) = address(oracle).call(call);
        if (!ok) revert Differs("call reverted");
        checkPart(typed(keccak256(hex"aabbcc"), 2), hex"aabbcc", 8);
    }

    function testLocalEveryOffset() external {
        for (uint256 size = 0; size <= 32; ++size) {
            bytes32 word = keccak256(abi.encode(size));
            bytes32 context = bytes32(size);
            bytes memory data = slice(abi.encode(word), 0, size);
            bytes32 want = localKey(5, address(this), context);
            for (uint256 offset = 0; offset <= size + 8; ++offset) {
                bytes32 key = oracle.loadLocalData(5, context, word, size, offset);
                assertEq(key, want, "localized key");
                checkPart(key, data, offset);
            }
            expectOutOfRange(size + 9, size);
            oracle.loadLocalData(5, context, word, size, size + 9);
        }
    }

    function testLocalTooLong(uint256 size) external {
        vm.assume(size > 32);
        vm.expectRevert(abi.encodeWithSelector(PreimagePart.LocalDataTooLong.selector, size));
        oracle.loadLocalData(1, 0, 0, size, 0);
    }

    /// @dev Whatever others do, they cannot write where this contract's local data are read.
    function testLocalOfOthers(address other, uint256 ident, bytes32 context, bytes32 word) external {
        vm.assume(other != address(this));
        bytes32 mine = localKey(ident, address(this), context);
        vm.prank(other);
        bytes32 key = oracle.loadLocalData(ident, context, word, 32, 0);
        assertEq(key, localKey(ident, other, context), "localized key");
        expectMissing(mine, 0);
        oracle.readPreimage(mine, 0);

        oracle.loadLocalData(ident, context, ~word, 32, 8);
        vm.prank(other);
        oracle.loadLocalData(ident, context, word, 32, 8);
        checkPart(mine, abi.encode(~word), 8);
    }

    function testLocalContextsAreApart() external {
        bytes32 one = oracle.loadLocalData(1, bytes32(uint256(1)), "one", 3, 8);
        bytes32 two = oracle.loadLocalData(1, bytes32(uint256(2)), "two", 3, 8);
        checkPart(one, "one", 8);
        checkPart(two, "two", 8);
    }

    function testMissing(bytes32 key, uint256 offset) external {
        expectMissing(key, offset);
        oracle.readPreimage(key, offset);
        if (oracle.preimagePartOk(key, offset)) revert Differs("preimagePartOk");
    }

    /// @dev Only the offset that was loaded can be read.
    function testOtherOffsetMissing() external {
        bytes memory data = someBytes(1, 100);
        oracle.loadKeccak256PreimagePart(40, data);
        bytes32 key = typed(keccak256(data), 2);
        expectMissing(key, 39);
        oracle.readPreimage(key, 39);
    }
}
