// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Keccak-256 over input that comes in pieces.
/// @notice The EVM hashes only what is in memory at once. This is keccak-f[1600] in instructions (FIPS 202, section 3;
/// padding as of Keccak, not of SHA-3), with a state that can be stored between transactions.
///
/// The 25 lanes of 64 bits, lane (x, y) of the standard, lie four to a word:
///
///   x0 … x4   word x holds the lanes (x, 0), (x, 1), (x, 2), (x, 3), from the top
///   row       the lanes (4, 4), (0, 4), (1, 4), (2, 4), from the top
///   last      the lane (3, 4), in the top 64 bits; the rest is zero
///
/// so that theta and chi work on four lanes at a time.
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

    /// @dev The working memory stands at a constant address, since adding a base to some 70 addresses would make a round
    /// a third dearer. It is claimed by `claim`, once, before anything else is allocated.
    uint256 private constant WORK = 0x100;
    uint256 private constant WORK_END = 0x560;

    /// @dev Where rho and pi put lane (x, y): word x, with word 4 first, holds four lanes as in the state; the fifth ones
    /// stand at ROW in the order x = 4, 0, 1, 2, 3, 4, 0. A lane is stored by a whole word, its own 8 bytes and 24 of
    /// garbage after them, so lanes are stored in the order of their addresses.
    uint256 private constant COLUMN4 = 0x100;
    uint256 private constant COLUMN0 = 0x120;
    uint256 private constant COLUMN1 = 0x140;
    uint256 private constant COLUMN2 = 0x160;
    uint256 private constant COLUMN3 = 0x180;
    uint256 private constant ROW = 0x1c0;

    /// @dev The 24 round constants of iota, a word each, in the top 64 bits.
    uint256 private constant CONSTANTS = 0x260;
    uint256 private constant CONSTANTS_END = 0x560;

    uint256 private constant LANE = 0xffffffffffffffff;
    /// @dev Times a lane: the lane four times.
    uint256 private constant REPEAT = 0x0000000000000001000000000000000100000000000000010000000000000001;
    /// @dev Times a lane: the lane in the two upper quarters. Shifted left by n, the top quarter is the lane rotated by n.
    uint256 private constant TWICE = 0x0000000000000001000000000000000100000000000000000000000000000000;

    /// @notice Absorbs whole blocks.
    /// @param state Changed in place.
    function absorb(State memory state, uint256, uint256) internal pure {
        assembly ("memory-safe") {
            // theta: the sum of the column x, four times; `lane` is the lane (x, 4), with anything above it.
            function sum(column, lane) -> c {
                column := xor(column, shr(128, column))
                column := xor(column, shr(64, column))
                c := mul(and(xor(column, lane), LANE), REPEAT)
            }
            // theta: what is added to every lane of the column between the two.
            function effect(left, right) -> d {
                d := xor(left, or(shl(1, right), shr(255, right)))
            }
            // rho: the lane of the column in row 0, 1, 2, 3, rotated, in the top 64 bits; garbage below.
            function lane0(column, n) -> r {
                r := mul(shr(192, column), shl(n, TWICE))
            }
            function lane1(column, n) -> r {
                r := mul(and(column, shl(128, LANE)), shl(n, shr(128, TWICE)))
            }
            function lane2(column, n) -> r {
                r := mul(and(column, shl(64, LANE)), shl(n, shr(64, TWICE)))
            }
            function lane3(column, n) -> r {
                r := mul(and(column, LANE), shl(n, TWICE))
            }
            function chi(a, b, c) -> r {
                r := xor(a, and(not(b), c))
            }

            let x0 := mload(state)
            let x1 := mload(add(state, 0x20))
            let x2 := mload(add(state, 0x40))
            let x3 := mload(add(state, 0x60))
            let x4 := mload(add(state, 0x80))
            mstore(ROW, mload(add(state, 0xa0)))
            mstore(add(ROW, 0x20), mload(add(state, 0xc0)))

            for { let p := CONSTANTS } lt(p, CONSTANTS_END) { p := add(p, 0x20) } {
                {
                    let c0 := sum(x0, mload(sub(ROW, 16)))
                    let c1 := sum(x1, mload(sub(ROW, 8)))
                    let c2 := sum(x2, mload(ROW))
                    let c3 := sum(x3, mload(add(ROW, 8)))
                    let c4 := sum(x4, mload(sub(ROW, 24)))

                    let d := effect(c3, c0)
                    mstore(COLUMN4, lane3(xor(d, mload(sub(ROW, 24))), 14))
                    x4 := xor(x4, d)
                    d := effect(c1, c3)
                    mstore(add(COLUMN4, 8), lane3(xor(d, mload(ROW)), 61))
                    x2 := xor(x2, d)
                    d := effect(c4, c1)
                    mstore(add(COLUMN4, 16), lane3(xor(d, mload(sub(ROW, 16))), 18))
                    x0 := xor(x0, d)
                    d := effect(c2, c4)
                    mstore(add(COLUMN4, 24), lane3(xor(d, mload(add(ROW, 8))), 56))
                    x3 := xor(x3, d)
                    d := effect(c0, c2)
                    mstore(ROW, lane3(xor(d, mload(sub(ROW, 8))), 2))
                    x1 := xor(x1, d)
                }
                mstore(COLUMN0, x0)
                mstore(add(COLUMN0, 8), lane0(x3, 28))
                mstore(add(COLUMN0, 16), lane0(x1, 1))
                mstore(add(COLUMN0, 24), lane0(x4, 27))
                mstore(add(ROW, 8), lane0(x2, 62))

                mstore(COLUMN1, lane1(x1, 44))
                mstore(add(COLUMN1, 8), lane1(x4, 20))
                mstore(add(COLUMN1, 16), lane1(x2, 6))
                mstore(add(COLUMN1, 24), lane1(x0, 36))
                mstore(add(ROW, 16), lane1(x3, 55))

                mstore(COLUMN2, lane2(x2, 43))
                mstore(add(COLUMN2, 8), lane2(x0, 3))
                mstore(add(COLUMN2, 16), lane2(x3, 25))
                mstore(add(COLUMN2, 24), lane2(x1, 10))
                mstore(add(ROW, 24), lane2(x4, 39))

                mstore(COLUMN3, lane3(x3, 21))
                mstore(add(COLUMN3, 8), lane3(x1, 45))
                mstore(add(COLUMN3, 16), lane3(x4, 8))
                mstore(add(COLUMN3, 24), lane3(x2, 15))
                mstore(add(ROW, 32), lane3(x0, 41))
                mstore(add(ROW, 40), mload(ROW))
                mstore(add(ROW, 48), mload(add(ROW, 8)))

                x0 := mload(COLUMN0)
                x1 := mload(COLUMN1)
                x2 := mload(COLUMN2)
                x3 := mload(COLUMN3)
                x4 := mload(COLUMN4)
                {
                    let a := x0
                    let b := x1
                    x0 := xor(chi(x0, x1, x2), mload(p))
                    x1 := chi(x1, x2, x3)
                    x2 := chi(x2, x3, x4)
                    x3 := chi(x3, x4, a)
                    x4 := chi(x4, a, b)
                }
                mstore(ROW, chi(mload(ROW), mload(add(ROW, 8)), mload(add(ROW, 16))))
                mstore(add(ROW, 32), chi(mload(add(ROW, 32)), mload(add(ROW, 40)), mload(add(ROW, 48))))
            }
            mstore(state, x0)
            mstore(add(state, 0x20), x1)
            mstore(add(state, 0x40), x2)
            mstore(add(state, 0x60), x3)
            mstore(add(state, 0x80), x4)
            mstore(add(state, 0xa0), mload(ROW))
            mstore(add(state, 0xc0), and(mload(add(ROW, 0x20)), shl(192, LANE)))
        }
    }
}
