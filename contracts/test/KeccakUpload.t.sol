// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { T } from "./T.sol";
import { PreimageOracle } from "../src/PreimageOracle.sol";
import { KeccakUpload } from "../src/lib/KeccakUpload.sol";
import { PreimagePart } from "../src/lib/PreimagePart.sol";

/// @title Large pre-images. The EVM's own keccak256 says what the hash must be, and the loader for small pre-images what
/// the part must be.
contract KeccakUploadTest is T {
    PreimageOracle internal oracle = new PreimageOracle();
    PreimageOracle internal whole = new PreimageOracle();

    /// @dev Uploads in pieces of 0 to `most` blocks.
    function upload(
        uint256 uuid,
        bytes memory data,
        uint256 offset,
        uint256 most,
        uint256 seed
    ) internal returns (bytes32 key) {
        oracle.openKeccak256Upload(uuid, offset, data.length);
        uint256 position = 0;
        while (true) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 end = position + 136 * (seed % (most + 1));
            bool last = end >= data.length;
            if (last) end = data.length;
            key = oracle.continueKeccak256Upload(uuid, position, slice(data, position, end));
            if (last) return key;
            assertEq(key, 0, "key before the last piece");
            position = end;
            checkProgress(uuid, data.length, position, offset);
        }
    }

    function checkProgress(uint256 uuid, uint256 size, uint256 position, uint256 offset) internal {
        (uint256 gotSize, uint256 absorbed, uint256 partOffset) = oracle.keccak256Upload(address(this), uuid);
        assertEq(gotSize, size, "size");
        assertEq(absorbed, position, "absorbed");
        assertEq(partOffset, offset, "part offset");
    }

    function check(bytes memory data, uint256 offset, bytes32 key) internal {
        bytes32 want = (keccak256(data) & ~bytes32(bytes1(0xff))) | bytes32(bytes1(0x02));
        assertEq(key, want, "key");
        whole.loadKeccak256PreimagePart(offset, data);
        (bytes32 wantPart, uint256 wantLength) = whole.readPreimage(want, offset);
        (bytes32 part, uint256 length) = oracle.readPreimage(want, offset);
        assertEq(part, wantPart, "part");
        assertEq(length, wantLength, "length of part");
    }

    function testBlockBoundaries() external {
        uint16[17] memory sizes = [0, 1, 7, 8, 31, 32, 135, 136, 137, 143, 144, 145, 271, 272, 273, 1360, 10_000];
        for (uint256 i = 0; i < sizes.length; ++i) {
            bytes memory data = someBytes(i, sizes[i]);
            for (uint256 most = 1; most < 4; ++most) {
                check(data, 0, upload(i, data, 0, most, i));
            }
        }
    }

    /// @dev The extremes of every lane: the sums of theta are all zeros and all ones.
    function testPlainBytes() external {
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory data = new bytes(300);
            for (uint256 k = 0; k < data.length; ++k) {
                data[k] = i == 0 ? bytes1(0x00) : bytes1(0xff);
            }
            check(data, 8, upload(i, data, 8, 1, 0));
        }
    }

    /// @dev Every offset of a part around the seam of two pieces, and at both ends.
    function testEveryOffset() external {
        bytes memory data = someBytes(1, 272 + 40);
        for (uint256 offset = 0; offset < data.length + 8; ++offset) {
            if (offset > 50 && offset < 100) continue;
            check(data, offset, upload(0, data, offset, 1, offset));
        }
    }

    function testRandom(uint256 seed, uint256 size, uint256 offset, uint256 most) external {
        bytes memory data = someBytes(seed, size % 3000);
        offset %= data.length + 8;
        check(data, offset, upload(seed, data, offset, 1 + (most % 5), seed));
    }

    /// @dev Uploads of one caller, and of the same name by several callers, do not touch each other.
    function testInterleaved() external {
        bytes memory a = someBytes(1, 300);
        bytes memory b = someBytes(2, 400);
        bytes memory c = someBytes(3, 300);
        address other = address(0xb0b);
        oracle.openKeccak256Upload(1, 8, a.length);
        oracle.openKeccak256Upload(2, 8, b.length);
        vm.prank(other);
        oracle.openKeccak256Upload(1, 8, c.length);
        oracle.continueKeccak256Upload(1, 0, slice(a, 0, 272));
        vm.prank(other);
        oracle.continueKeccak256Upload(1, 0, slice(c, 0, 136));
        oracle.continueKeccak256Upload(2, 0, slice(b, 0, 272));
        check(a, 8, oracle.continueKeccak256Upload(1, 272, slice(a, 272, 300)));
        vm.prank(other);
        check(c, 8, oracle.continueKeccak256Upload(1, 136, slice(c, 136, 300)));
        check(b, 8, oracle.continueKeccak256Upload(2, 272, slice(b, 272, 400)));
    }

    /// @dev A name is free again after its upload, with nothing left of it.
    function testUuidAgain() external {
        bytes memory data = someBytes(1, 500);
        check(data, 3, upload(1, data, 3, 1, 0));
        checkProgress(1, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.UploadMissing.selector, 1));
        oracle.continueKeccak256Upload(1, 500, "");
        data = someBytes(2, 700);
        check(data, 200, upload(1, data, 200, 1, 0));
    }

    function testOpenRejects() external {
        vm.expectRevert(abi.encodeWithSelector(PreimagePart.PartOffsetOutOfRange.selector, 109, 100));
        oracle.openKeccak256Upload(1, 109, 100);
        uint256 max = type(uint56).max - 8;
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.UploadTooLarge.selector, max + 1));
        oracle.openKeccak256Upload(1, 0, max + 1);
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.UploadTooLarge.selector, type(uint256).max));
        oracle.openKeccak256Upload(1, 0, type(uint256).max);
        oracle.openKeccak256Upload(1, max + 7, max);
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.UploadExists.selector, 1));
        oracle.openKeccak256Upload(1, 0, 100);
    }

    function testPieceRejects() external {
        oracle.openKeccak256Upload(1, 0, 300);
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.UploadMissing.selector, 2));
        oracle.continueKeccak256Upload(2, 0, new bytes(136));
        vm.prank(address(0xb0b));
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.UploadMissing.selector, 1));
        oracle.continueKeccak256Upload(1, 0, new bytes(136));
        oracle.continueKeccak256Upload(1, 0, new bytes(136));
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.WrongPosition.selector, 0, 136));
        oracle.continueKeccak256Upload(1, 0, new bytes(136));
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.WrongPosition.selector, 272, 136));
        oracle.continueKeccak256Upload(1, 272, new bytes(28));
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.WrongPieceLength.selector, 163, 164));
        oracle.continueKeccak256Upload(1, 136, new bytes(163));
        vm.expectRevert(abi.encodeWithSelector(KeccakUpload.WrongPieceLength.selector, 272, 164));
        oracle.continueKeccak256Upload(1, 136, new bytes(272));
        check(new bytes(300), 0, oracle.continueKeccak256Upload(1, 136, new bytes(164)));
    }
}
