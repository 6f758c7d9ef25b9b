// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IDisputeGame } from "../../src/dispute/IDisputeGame.sol";
import { T } from "../T.sol";
import { Crowd } from "./Crowd.sol";

/// @title Whatever cheaters do, while one honest player acts within the grace.
abstract contract Invariants is T {
    Crowd internal crowd;

    /// @dev Forge asks for it.
    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(crowd);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        list[0].addr = address(crowd);
        list[0].selectors = new bytes4[](4);
        list[0].selectors[0] = crowd.drain.selector;
        list[0].selectors[1] = crowd.joinFor.selector;
        list[0].selectors[2] = crowd.actHonestly.selector;
        list[0].selectors[3] = crowd.setUp.selector;
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// @dev The honest claim is in, no other honest one is out, and no nonsense was taken.
    function invariantHonestSurvives() external view {
        if (crowd.lost()) revert Differs("an honest claim is out");
        IDisputeGame.ClaimStatus status = crowd.theGame().claimOf(crowd.honest()).status;
        if (status == IDisputeGame.ClaimStatus.Out) revert Differs("the honest claim is out");
    }

    /// @dev The ledger is what the contract holds, and covers what it owes.
    function invariantMoney() external {
        IDisputeGame game = crowd.theGame();
        assertEq(game.ledger(crowd.task()), address(game).balance, "ledger");
        if (crowd.owedToAll() > address(game).balance) revert Differs("more is owed than there is");
    }

    function invariantResult() external {
        (bool finished, bool decided, bytes32 root) = crowd.theGame().result(crowd.task());
        if (!finished) return;
        assertEq(decided ? 1 : 0, 1, "decided");
        assertEq(root, crowd.finalRoot(), "final root");
    }

    /// @dev From wherever the run has come, the task ends, and every wei has an owner.
    function afterInvariant() external {
        if (!crowd.drain()) revert Differs("the task does not end");
        this.invariantHonestSurvives();
        this.invariantResult();
        IDisputeGame game = crowd.theGame();
        assertEq(crowd.owedToAll(), address(game).balance, "all is owed to somebody");
    }
}

contract OneLevelInvariants is Invariants {
    function setUp() external {
        crowd = new Crowd(1);
    }
}

contract TwoLevelInvariants is Invariants {
    function setUp() external {
        crowd = new Crowd(2);
    }
}
