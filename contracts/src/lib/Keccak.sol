// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Keccak-256 over input that comes in pieces.
/// @notice The EVM hashes only what is in memory at once. This is keccak-f[1600] in instructions (FIPS 202, section 3;
/// the padding is Keccak's, not SHA-3's), with a state that can be stored between transactions.
///
/// The 25 lanes of 64 bits, (x, y) in the standard's terms, lie four to a word:
///
///   x0 … x4   word x holds the lanes (x, 0), (x, 2), (x, 1), (x, 3), from the top
///   row       the lanes (4, 4), (0, 4), (1, 4), (2, 4), from the top
///   last      the lane (3, 4), in the top 64 bits, and zero
///
/// so that theta and chi work on four lanes at a time. (x, 2) and (x, 3) are in the second and the last quarter, where
/// one mask cuts out both with room for a rotation above each.
library Keccak {
    struct State {
        uint256 x0;
        uint256 x1;
        uint256 x2;
        uint256 x3;
        uint256 x4;
        uint256 row;
        uint256 last;
    }

    /// @notice The bytes that one permutation absorbs.
    uint256 internal constant BLOCK = 136;

    /// @dev The working memory stands at a constant address: a round has some 50 addresses, and adding a base to each
    /// would make it a quarter dearer. `prepare` claims it.
    uint256 private constant WORK = 0x100;
    uint256 private constant WORK_END = 0x560;

    /// @dev Where rho and pi put word x. A lane is stored by a store of 32 bytes, its own 8 and 24 of garbage after them,
    /// so stores go up in address, and column 4, which is ready first, stands first.
    uint256 private constant COLUMN4 = 0x100;
    uint256 private constant COLUMN0 = 0x120;
    uint256 private constant COLUMN1 = 0x140;
    uint256 private constant COLUMN2 = 0x160;
    uint256 private constant COLUMN3 = 0x180;
    /// @dev The lanes (x, 4), 8 bytes each: x = 4, 0, 1, 2, 3, and 4 again. Garbage reaches from 24 bytes before to 24 after.
    uint256 private constant ROW = 0x1c0;
    /// @dev The 24 constants of iota, a word each, in the top 64 bits.
    uint256 private constant IOTA = 0x260;
    uint256 private constant IOTA_END = 0x560;

    uint256 private constant LANE = 0xffffffffffffffff;
    /// @dev The mask of the second and the last lane of a word.
    uint256 private constant EVEN = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
    /// @dev Times a lane: that lane four times.
    uint256 private constant REPEAT = 0x0000000000000001000000000000000100000000000000010000000000000001;
    /// @dev Times a lane in the last quarter of a word, or the third, or the second: that lane in the two upper quarters.
    /// Shifted left by n more, the top quarter is the lane rotated left by n, and garbage is below.
    uint256 private constant TWICE_4 = 0x0000000000000001000000000000000100000000000000000000000000000000;
    uint256 private constant TWICE_3 = 0x0000000000000000000000000000000100000000000000010000000000000000;
    uint256 private constant TWICE_2 = 0x0000000000000000000000000000000000000000000000010000000000000001;

    /// @notice Claims and fills the working memory. Must be called once, before anything is allocated in memory.
    function prepare() internal pure {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        assert(free <= WORK);
        assembly ("memory-safe") {
            mstore(0x40, WORK_END)
            function put(i, lane) {
                mstore(add(IOTA, mul(i, 32)), shl(192, lane))
            }
            put(0, 0x0000000000000001)
            put(1, 0x0000000000008082)
            put(2, 0x800000000000808a)
            put(3, 0x8000000080008000)
            put(4, 0x000000000000808b)
            put(5, 0x0000000080000001)
            put(6, 0x8000000080008081)
            put(7, 0x8000000000008009)
            put(8, 0x000000000000008a)
            put(9, 0x0000000000000088)
            put(10, 0x0000000080008009)
            put(11, 0x000000008000000a)
            put(12, 0x000000008000808b)
            put(13, 0x800000000000008b)
            put(14, 0x8000000000008089)
            put(15, 0x8000000000008003)
            put(16, 0x8000000000008002)
            put(17, 0x8000000000000080)
            put(18, 0x000000000000800a)
            put(19, 0x800000008000000a)
            put(20, 0x8000000080008081)
            put(21, 0x8000000000008080)
            put(22, 0x0000000080000001)
            put(23, 0x8000000080008008)
        }
    }

    /// @notice Absorbs whole blocks.
    /// @param state Changed in place.
    /// @param from Address of the input in memory.
    /// @param to Address of its end: `from` plus a multiple of 136.
    function absorb(State memory state, uint256 from, uint256 to) internal pure {
        unchecked {
            for (; from < to; from += BLOCK) {
                add(state, from);
                permute(state);
            }
        }
    }

    /// @notice Completes the last block.
    /// @param from Address of the input in memory, of which whole blocks may be missing at the front.
    /// @param to Address of its end, followed by 136 bytes that may be overwritten.
    /// @return end Address of the end of the padding: `from` plus a multiple of 136, above `to`.
    function pad(uint256 from, uint256 to) internal pure returns (uint256 end) {
        unchecked {
            end = to + BLOCK - ((to - from) % BLOCK);
        }
        assembly ("memory-safe") {
            calldatacopy(to, calldatasize(), BLOCK) // zeros
            mstore8(to, 0x01)
            let at := sub(end, 1)
            mstore8(at, or(0x80, byte(0, mload(at))))
        }
    }

    /// @notice The hash, once the padding is absorbed.
    function squeeze(State memory state) internal pure returns (bytes32) {
        unchecked {
            return
                bytes32(
                    reverse(
                        ((state.x0 >> 192) << 192) |
                            ((state.x1 >> 192) << 128) |
                            ((state.x2 >> 192) << 64) |
                            (state.x3 >> 192)
                    )
                );
        }
    }

    /// @dev Adds a block of input to the state: the lane (x, y) is the 8 bytes at 8 (x + 5 y), the lowest byte first.
    function add(State memory state, uint256 from) private pure {
        uint256 x0;
        uint256 x1;
        uint256 x2;
        uint256 x3;
        uint256 x4;
        assembly ("memory-safe") {
            mstore(COLUMN4, mload(add(from, 32)))
            mstore(add(COLUMN4, 8), mload(add(from, 112)))
            mstore(add(COLUMN4, 16), mload(add(from, 72)))
            mstore(add(COLUMN4, 24), 0)
            mstore(COLUMN0, mload(from))
            mstore(add(COLUMN0, 8), mload(add(from, 80)))
            mstore(add(COLUMN0, 16), mload(add(from, 40)))
            mstore(add(COLUMN0, 24), mload(add(from, 120)))
            mstore(COLUMN1, mload(add(from, 8)))
            mstore(add(COLUMN1, 8), mload(add(from, 88)))
            mstore(add(COLUMN1, 16), mload(add(from, 48)))
            mstore(add(COLUMN1, 24), mload(add(from, 128)))
            mstore(COLUMN2, mload(add(from, 16)))
            mstore(add(COLUMN2, 8), mload(add(from, 96)))
            mstore(add(COLUMN2, 16), mload(add(from, 56)))
            mstore(add(COLUMN2, 24), 0)
            mstore(COLUMN3, mload(add(from, 24)))
            mstore(add(COLUMN3, 8), mload(add(from, 104)))
            mstore(add(COLUMN3, 16), mload(add(from, 64)))
            mstore(add(COLUMN3, 24), 0)
            x0 := mload(COLUMN0)
            x1 := mload(COLUMN1)
            x2 := mload(COLUMN2)
            x3 := mload(COLUMN3)
            x4 := mload(COLUMN4)
        }
        state.x0 ^= reverse(x0);
        state.x1 ^= reverse(x1);
        state.x2 ^= reverse(x2);
        state.x3 ^= reverse(x3);
        state.x4 ^= reverse(x4);
    }

    /// @dev Reverses the bytes of each of the four lanes.
    function reverse(uint256 w) private pure returns (uint256) {
        uint256 bytes1s = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
        uint256 bytes2s = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
        uint256 bytes4s = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        w = ((w >> 8) & bytes1s) | ((w & bytes1s) << 8);
        w = ((w >> 16) & bytes2s) | ((w & bytes2s) << 16);
        return ((w >> 32) & bytes4s) | ((w & bytes4s) << 32);
    }

    /// @dev The permutation keccak-f[1600]. No Yul functions: the compiler would call some of them instead of inlining.
    function permute(State memory state) private pure {
        assembly ("memory-safe") {
            let x0 := mload(state)
            let x1 := mload(add(state, 0x20))
            let x2 := mload(add(state, 0x40))
            let x3 := mload(add(state, 0x60))
            let x4 := mload(add(state, 0x80))
            mstore(ROW, mload(add(state, 0xa0)))
            mstore(add(ROW, 32), mload(add(state, 0xc0)))

            for {
                let iota := IOTA
            } lt(iota, IOTA_END) {
                iota := add(iota, 32)
            } {
                {
                    // theta: the sum of each column, four times. The loads bring (x, 4) to the last quarter.
                    let c2 := xor(shr(128, x2), x2)
                    c2 := mul(and(xor(mload(ROW), xor(shr(64, c2), c2)), LANE), REPEAT)
                    let c4 := xor(shr(128, x4), x4)
                    c4 := mul(and(xor(mload(sub(ROW, 24)), xor(shr(64, c4), c4)), LANE), REPEAT)
                    let c3 := xor(shr(128, x3), x3)
                    c3 := mul(and(xor(mload(add(ROW, 8)), xor(shr(64, c3), c3)), LANE), REPEAT)
                    let c1 := xor(shr(128, x1), x1)
                    c1 := mul(and(xor(mload(sub(ROW, 8)), xor(shr(64, c1), c1)), LANE), REPEAT)
                    let c0 := xor(shr(128, x0), x0)
                    c0 := mul(and(xor(mload(sub(ROW, 16)), xor(shr(64, c0), c0)), LANE), REPEAT)

                    // Its effect on the columns; with rho and pi of the lanes (x, 4).
                    let d := xor(c3, or(shl(1, c0), shr(255, c0)))
                    x4 := xor(x4, d)
                    mstore(COLUMN4, mul(shr(192, xor(d, mload(ROW))), shl(14, TWICE_4)))
                    d := xor(c4, or(shl(1, c1), shr(255, c1)))
                    x0 := xor(x0, d)
                    mstore(add(COLUMN4, 8), mul(shr(192, xor(d, mload(add(ROW, 8)))), shl(18, TWICE_4)))
                    d := xor(c1, or(shl(1, c3), shr(255, c3)))
                    x2 := xor(x2, d)
                    mstore(add(COLUMN4, 16), mul(shr(192, xor(d, mload(add(ROW, 24)))), shl(61, TWICE_4)))
                    d := xor(c2, or(shl(1, c4), shr(255, c4)))
                    x3 := xor(x3, d)
                    mstore(add(COLUMN4, 24), mul(shr(192, xor(d, mload(add(ROW, 32)))), shl(56, TWICE_4)))
                    d := xor(c0, or(shl(1, c2), shr(255, c2)))
                    x1 := xor(x1, d)
                    mstore(ROW, mul(shr(192, xor(d, mload(add(ROW, 16)))), shl(2, TWICE_4)))
                }

                // rho and pi of (x, 0), in the first quarter.
                mstore(COLUMN0, x0)
                mstore(add(COLUMN0, 8), mul(shr(192, x1), shl(1, TWICE_4)))
                mstore(add(COLUMN0, 16), mul(shr(192, x3), shl(28, TWICE_4)))
                mstore(add(COLUMN0, 24), mul(shr(192, x4), shl(27, TWICE_4)))
                mstore(add(ROW, 8), mul(shr(192, x2), shl(62, TWICE_4)))

                // rho and pi of (x, 1), in the third quarter.
                mstore(COLUMN1, mul(and(x1, shl(64, LANE)), shl(44, TWICE_3)))
                mstore(add(COLUMN1, 8), mul(and(x2, shl(64, LANE)), shl(6, TWICE_3)))
                mstore(add(COLUMN1, 16), mul(and(x4, shl(64, LANE)), shl(20, TWICE_3)))
                mstore(add(COLUMN1, 24), mul(and(x0, shl(64, LANE)), shl(36, TWICE_3)))
                mstore(add(ROW, 16), mul(and(x3, shl(64, LANE)), shl(55, TWICE_3)))

                // rho and pi of (x, 2) and (x, 3): what the other lane gives is below the top quarter or out of the word.
                x2 := and(x2, EVEN)
                x1 := and(x1, EVEN)
                x0 := and(x0, EVEN)
                x3 := and(x3, EVEN)
                x4 := and(x4, EVEN)
                mstore(COLUMN2, mul(x2, shl(43, TWICE_2)))
                mstore(add(COLUMN2, 8), mul(x3, shl(25, TWICE_2)))
                mstore(add(COLUMN2, 16), mul(x0, shl(3, TWICE_2)))
                mstore(add(COLUMN2, 24), mul(x1, shl(10, TWICE_2)))
                mstore(add(ROW, 24), mul(x4, shl(39, TWICE_2)))
                mstore(COLUMN3, mul(x3, shl(21, TWICE_4)))
                mstore(add(COLUMN3, 8), mul(x4, shl(8, TWICE_4)))
                mstore(add(COLUMN3, 16), mul(x1, shl(45, TWICE_4)))
                mstore(add(COLUMN3, 24), mul(x2, shl(15, TWICE_4)))
                mstore(add(ROW, 32), mul(x0, shl(41, TWICE_4)))

                // chi of the lanes (x, 4).
                {
                    let a := mload(ROW)
                    let b := mload(add(ROW, 8))
                    mstore(add(ROW, 40), a)
                    let last := xor(mload(add(ROW, 32)), and(not(a), b))
                    mstore(ROW, xor(a, and(not(b), mload(add(ROW, 16)))))
                    mstore(add(ROW, 32), last)
                }

                // chi of the others, and iota.
                x0 := mload(COLUMN0)
                x1 := mload(COLUMN1)
                x2 := mload(COLUMN2)
                x3 := mload(COLUMN3)
                x4 := mload(COLUMN4)
                {
                    let a := x0
                    let b := x1
                    x0 := xor(xor(x0, and(not(x1), x2)), mload(iota))
                    x1 := xor(x1, and(not(x2), x3))
                    x2 := xor(x2, and(not(x3), x4))
                    x3 := xor(x3, and(not(x4), a))
                    x4 := xor(x4, and(not(a), b))
                }
            }

            mstore(state, x0)
            mstore(add(state, 0x20), x1)
            mstore(add(state, 0x40), x2)
            mstore(add(state, 0x60), x3)
            mstore(add(state, 0x80), x4)
            mstore(add(state, 0xa0), mload(ROW))
            mstore(add(state, 0xc0), and(mload(add(ROW, 32)), shl(192, LANE)))
        }
    }
}
