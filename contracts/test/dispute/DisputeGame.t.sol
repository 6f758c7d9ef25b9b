// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IDisputeGame } from "../../src/dispute/IDisputeGame.sol";
import { Fixture } from "./Fixture.sol";
import { ToyMachine } from "./ToyMachine.sol";

/// @title Whole games on one level and on two.
contract DisputeGameTest is Fixture {
    /// @dev Wherever the liar begins to lie, whoever moves first, and whichever machine end.
    function testOneLevel() external {
        uint64[4] memory ends = [uint64(0), 5, 16, 100];
        for (uint256 e = 0; e < ends.length; ++e) {
            for (uint256 from = 0; from < 16; ++from) {
                oneLevel(ends[e], from, from % 2 == 0);
            }
        }
    }

    function oneLevel(uint64 end, uint256 from, bool honestFirst) private {
        bytes32 task = openToy(end, one(level(0, 4)));
        bytes32[] memory good = truth(start(end), 0, 4);
        bytes32[] memory bad = lie(good, from, 1);
        (bytes32[] memory a, bytes32[] memory b) = honestFirst ? (good, bad) : (bad, good);
        bytes32 claimA = join(ALICE, task, a);
        bytes32 claimB = join(BOB, task, b);
        bytes32 matchId = game.claimOf(claimA).matchId;
        assertEq(matchId, keccak256(abi.encode(claimA, claimB)), "match id");
        playOut(matchId, a, b);
        IDisputeGame.MatchView memory m = game.matchOf(matchId);
        assertEq(uint256(m.phase), uint256(IDisputeGame.Phase.Sealed), "phase");
        assertEq(m.position, from, "position");
        assertEq(m.agreed, ToyMachine.rootOf(later(start(end), from)), "agreed");
        assertEq(m.results[0], a[from], "result of A");
        assertEq(m.results[1], b[from], "result of B");
        game.prove(matchId, abi.encode(later(start(end), from)));
        assertStatus(honestFirst ? claimA : claimB, IDisputeGame.ClaimStatus.Waiting, "honest");
        assertStatus(honestFirst ? claimB : claimA, IDisputeGame.ClaimStatus.Out, "liar");
        closeJoins(task);
        game.finish(task);
        assertResult(task, good[15]);
    }
}
