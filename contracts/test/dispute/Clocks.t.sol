// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IDisputeGame } from "../../src/dispute/IDisputeGame.sol";
import { Fixture } from "./Fixture.sol";
import { ToyMachine } from "./ToyMachine.sol";

/// @title Clocks, rounds, refutations, and who is paid what.
contract ClocksTest is Fixture {
    bytes32 private task;
    bytes32[] private good;

    function setUp() public override {
        super.setUp();
        vmm.fee(10 gwei);
        vmm.txGasPrice(50 gwei);
        task = openToy(9, one(level(0, 3)));
        good = truth(start(9), 0, 3);
    }

    function pairUp() private returns (bytes32 a, bytes32 b, bytes32 id) {
        a = join(ALICE, task, good);
        b = join(BOB, task, lie(good, 3, 1));
        id = game.claimOf(a).matchId;
    }

    function after_(uint256 time) private {
        vmm.warp(block.timestamp + time);
    }

    function testJoins() external {
        after_(400);
        bytes32 a = join(ALICE, task, good);
        assertEq(game.claimOf(a).clock, 600, "the time before joining is charged");
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.AlreadyClaimed.selector, a));
        this.joinAgain(BOB);
        after_(600);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.JoinsOver.selector, task, 1_001_000));
        this.joinAgain(BOB);
        game.finish(task);
        assertResult(task, good[7]);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.AlreadyFinished.selector, task));
        game.finish(task);
    }

    function joinAgain(address who) external {
        join(who, task, good);
    }

    function testJoinRefuses() external {
        (bytes32 l, bytes32 r) = children(good, 0, 3);
        bytes32[] memory proof = proofOf(good, 7);
        uint256 bond = bondOf(task);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongBond.selector, bond - 1, bond));
        game.join{ value: bond - 1 }(task, l, r, good[7], proof);
        bytes32 root = commitment(good);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotInHistory.selector, root, good[6], 7));
        game.join{ value: bond }(task, l, r, good[6], proof);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.UnknownTournament.selector, bytes32("no")));
        game.join{ value: bond }("no", l, r, good[7], proof);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.JoinsOpen.selector, task, 1_001_000));
        game.finish(task);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.JoinsOpen.selector, task, 1_001_000));
        game.advance(task);
    }

    /// @dev The side to move may until its last second, inclusively; it is charged what is beyond the grace.
    function testClock() external {
        (bytes32 a, bytes32 b, bytes32 id) = pairUp();
        after_(GRACE);
        play(ALICE, id, good);
        assertEq(game.matchOf(id).clocks[0], 1000, "A within the grace");
        after_(GRACE + 1000);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotOutOfTime.selector, id, block.timestamp));
        game.timeout(id);
        play(BOB, id, lie(good, 3, 1));
        assertEq(game.matchOf(id).clocks[1], 0, "B used all");
        after_(GRACE + 1001);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.OutOfTime.selector, id, block.timestamp - 1));
        this.playExternally(id);
        game.timeout(id);
        assertStatus(a, IDisputeGame.ClaimStatus.Out, "A");
        assertStatus(b, IDisputeGame.ClaimStatus.Waiting, "B goes on");
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongPhase.selector, id, IDisputeGame.Phase.Over));
        game.timeout(id);
    }

    function playExternally(bytes32 id) external {
        play(ALICE, id, good);
    }

    /// @dev Sealed, both clocks run; equal ones end together. A proof counts as long as nobody has called.
    function testSealed() external {
        (bytes32 a, bytes32 b, bytes32 id) = pairUp();
        playOut(id, good, lie(good, 3, 1));
        after_(GRACE + 1001);
        uint256 state = vmm.snapshotState();
        game.timeout(id);
        assertStatus(a, IDisputeGame.ClaimStatus.Out, "A");
        assertStatus(b, IDisputeGame.ClaimStatus.Out, "B");
        vmm.revertToState(state);
        game.prove(id, abi.encode(later(start(9), 3)));
        assertStatus(a, IDisputeGame.ClaimStatus.Waiting, "A");
        assertEq(game.claimOf(a).clock, 0, "both were charged");
        game.finish(task);
        assertResult(task, good[7]);
    }

    /// @dev The first clock to end decides; a move cannot be made out of turn, or with other children.
    function testSealedFirst() external {
        (, bytes32 b, bytes32 id) = pairUp();
        after_(GRACE + 5);
        play(ALICE, id, good);
        vmm.expectRevert();
        this.playExternally(id);
        playOut(id, good, lie(good, 3, 1));
        after_(GRACE + 995);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotOutOfTime.selector, id, block.timestamp));
        game.timeout(id);
        after_(1);
        game.timeout(id);
        assertStatus(b, IDisputeGame.ClaimStatus.Waiting, "B");
        assertEq(game.claimOf(b).clock, 4, "B was charged");
    }

    /// @dev Seven claims: who waits goes on when its round is over, and the last one wins.
    function testRounds() external {
        bytes32[7] memory ids;
        for (uint256 i = 0; i < 7; ++i) {
            ids[i] = join(i == 6 ? ALICE : BOB, task, i == 6 ? good : lie(good, i, i));
        }
        closeJoins(task);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NothingToAdvance.selector, task));
        game.advance(task);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.StillDisputed.selector, task, 7));
        game.finish(task);
        after_(GRACE + 1);
        for (uint256 i = 0; i < 3; ++i) {
            game.timeout(game.claimOf(ids[2 * i]).matchId);
        }
        assertStatus(ids[5], IDisputeGame.ClaimStatus.Waiting, "the third winner waits");
        game.advance(task);
        assertStatus(ids[6], IDisputeGame.ClaimStatus.Playing, "the seventh meets it");
        assertEq(game.tournamentOf(task).lowest, 1, "round 0 is over");
        bytes32 id = game.claimOf(ids[6]).matchId;
        playOut(id, lie(good, 5, 5), good);
        game.prove(id, abi.encode(later(start(9), 5)));
        after_(2000);
        game.timeout(game.claimOf(ids[1]).matchId);
        id = game.claimOf(ids[6]).matchId;
        assertEq(game.matchOf(id).claims[1], ids[3], "final");
        playOut(id, good, lie(good, 3, 3));
        game.prove(id, abi.encode(later(start(9), 3)));
        game.finish(task);
        assertResult(task, good[7]);
    }

    function refute(bytes32 claim, bytes32[] memory leaves, uint64 from_) private {
        bytes32 pre = from_ == 0 ? ToyMachine.rootOf(start(9)) : leaves[from_ - 1];
        bytes32[] memory before = from_ == 0 ? new bytes32[](0) : proofOf(leaves, from_ - 1);
        bytes32[] memory proof = proofOf(leaves, from_);
        vmm.prank(CAROL);
        game.refute(claim, from_, pre, before, leaves[from_], proof);
    }

    function refuteExternally(bytes32 claim, bytes32[] calldata leaves, uint64 from_) external {
        refute(claim, leaves, from_);
    }

    /// @dev An executed step removes whoever contradicts it, wherever it is, and nobody else.
    function testRefute() external {
        (bytes32 a, bytes32 b, bytes32 id) = pairUp();
        bytes32 c = join(BOB, task, lie(good, 0, 2));
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotExecuted.selector, ToyMachine.rootOf(start(9))));
        this.refuteExternally(c, lie(good, 0, 2), 0);
        game.execute(task, ToyMachine.rootOf(start(9)), abi.encode(start(9)));
        game.execute(task, good[2], abi.encode(later(start(9), 3)));
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotRefuted.selector, a, 3));
        this.refuteExternally(a, good, 3);
        vmm.expectRevert();
        this.refuteExternally(a, lie(good, 3, 1), 3);
        refute(c, lie(good, 0, 2), 0);
        assertStatus(c, IDisputeGame.ClaimStatus.Out, "who waited");
        after_(GRACE + 7);
        refute(b, lie(good, 3, 1), 3);
        assertStatus(b, IDisputeGame.ClaimStatus.Out, "who played");
        assertStatus(a, IDisputeGame.ClaimStatus.Waiting, "its rival");
        assertEq(game.claimOf(a).clock, 993, "its turn was charged");
        assertEq(uint256(game.matchOf(id).phase), uint256(IDisputeGame.Phase.Over), "match");
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotAlive.selector, b));
        this.refuteExternally(b, lie(good, 3, 1), 3);
        closeJoins(task);
        game.finish(task);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotAlive.selector, a));
        this.refuteExternally(a, good, 3);
    }

    /// @dev Movers of both sides are refunded out of the lost bond; the winner gets its own and at most another one;
    /// the rest is burnt; and the ledger comes to nothing.
    function testMoney() external {
        (, , bytes32 id) = pairUp();
        uint256 bond = bondOf(task);
        play(ALICE, id, good);
        // Within the grace, who is neither poster nor mover pays for himself.
        bytes32[] memory bad = lie(good, 3, 1);
        play(CAROL, id, bad);
        assertEq(game.matchOf(id).owed[1], 0, "a copied move");
        if (game.matchOf(id).owed[0] == 0) revert Differs("A is owed nothing");
        after_(GRACE + 1);
        play(CAROL, id, good);
        assertEq(game.credits(task, ALICE), game.ledger(task) - 2 * bond + game.credits(task, ALICE), "ledger");
        if (game.credits(task, ALICE) == 0) revert Differs("who moved before is credited");
        if (game.matchOf(id).movers[0] != CAROL) revert Differs("mover");
        // A copied proof earns nothing, that of a helper does.
        uint256 state = vmm.snapshotState();
        vmm.prank(BOB);
        game.prove(id, abi.encode(later(start(9), 3)));
        assertEq(game.credits(task, BOB), 0, "a copied proof");
        vmm.revertToState(state);
        vmm.prank(CAROL);
        game.prove(id, abi.encode(later(start(9), 3)));
        if (game.credits(task, CAROL) == 0) revert Differs("the helper is credited");
        closeJoins(task);
        game.finish(task);
        uint256 refunds = game.credits(task, CAROL);
        uint256 alice = game.credits(task, ALICE);
        assertEq(alice + refunds, 2 * bond, "all of both bonds");
        uint256 before = ALICE.balance;
        game.withdraw(task, ALICE);
        assertEq(ALICE.balance, before + alice, "Alice has it");
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NothingToWithdraw.selector, task, ALICE));
        game.withdraw(task, ALICE);
        game.withdraw(task, CAROL);
        assertEq(game.ledger(task), 0, "ledger");
        assertEq(address(game).balance, 0, "balance");
    }

    /// @dev Eight liars: the winner gets one of the lost bonds, the other ones are burnt.
    function testBurnt() external {
        vmm.txGasPrice(0);
        vmm.fee(0);
        uint256 bond = bondOf(task);
        join(ALICE, task, good);
        for (uint256 i = 0; i < 8; ++i) {
            join(BOB, task, lie(good, i, 1));
            refuteAll(i);
        }
        closeJoins(task);
        game.finish(task);
        assertEq(game.credits(task, ALICE), 2 * bond, "winner");
        assertEq(game.credits(task, address(0xdEaD)), 7 * bond, "burnt");
        game.withdraw(task, address(0xdEaD));
        assertEq(address(0xdEaD).balance, 7 * bond, "burnt");
    }

    function refuteAll(uint256 i) private {
        ToyMachine.State memory s = later(start(9), i);
        game.execute(task, ToyMachine.rootOf(s), abi.encode(s));
        bytes32[] memory bad = lie(good, i, 1);
        refute(claimId(task, bad), bad, uint64(i));
    }
}
