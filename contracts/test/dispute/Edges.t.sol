// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IDisputeGame } from "../../src/dispute/IDisputeGame.sol";
import { History } from "../../src/dispute/History.sol";
import { Fixture } from "./Fixture.sol";
import { ToyDelegate } from "./ToyDelegate.sol";
import { ToyMachine } from "./ToyMachine.sol";
import { ToyTransition } from "./ToyTransition.sol";

/// @title Levels, delegation, inputs, and the corners of histories.
contract EdgesTest is Fixture {
    /// @dev Histories that end at step 0, in the middle of a stride, at a stride, at 2^h exactly, never; a liar that lies
    /// from any leaf of the outer level and any of the inner one on.
    function testTwoLevels() external {
        uint64[5] memory ends = [uint64(0), 6, 8, 16, 1000];
        for (uint256 e = 0; e < 5; ++e) {
            for (uint256 from = 0; from < 4; ++from) {
                for (uint256 step = 0; step < 4; ++step) {
                    twoLevels(ends[e], from, step);
                }
            }
        }
    }

    function twoLevels(uint64 end, uint256 from, uint256 step) private {
        bytes32 task = openToy(end, two(level(2, 2), level(0, 2)));
        bytes32[] memory good = truth(start(end), 2, 2);
        bytes32[] memory bad = lie(good, from, 1);
        bytes32 liar = join(BOB, task, bad);
        bytes32 honest = join(ALICE, task, good);
        bytes32 id = game.claimOf(honest).matchId;
        playOut(id, bad, good);

        ToyMachine.State memory before = later(start(end), 4 * from);
        IDisputeGame.TournamentView memory t = game.tournamentOf(id);
        assertEq(t.initialRoot, ToyMachine.rootOf(before), "root that both agree on");
        assertEq(t.level, 1, "level");
        bytes32[] memory fine = truth(before, 0, 2);
        bytes32[] memory forged = lie(fine, step, 2);
        forged[3] = bad[from];
        // Whatever else the inner tournament is told, it is about the two results only.
        bytes32[] memory other = lie(fine, step, 3);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotContested.selector, other[3]));
        this.joinExternally(id, other);
        bytes32 a = join(ALICE, id, fine);
        join(BOB, id, forged);
        bytes32 innerId = game.claimOf(a).matchId;
        playOut(innerId, fine, forged);
        game.prove(innerId, abi.encode(later(before, game.matchOf(innerId).position)));
        closeJoins(id);
        game.finish(id);
        assertStatus(liar, IDisputeGame.ClaimStatus.Out, "liar");
        assertStatus(honest, IDisputeGame.ClaimStatus.Waiting, "honest");
        closeJoins(task);
        game.finish(task);
        assertResult(task, good[3]);
    }

    function joinExternally(bytes32 tournament, bytes32[] calldata leaves) external {
        join(CAROL, tournament, leaves);
    }

    /// @dev No claim in the inner tournament: both are out, and the task has no result.
    function testNobodyInside() external {
        bytes32 task = openToy(6, two(level(2, 2), level(0, 2)));
        bytes32[] memory good = truth(start(6), 2, 2);
        bytes32 a = join(ALICE, task, good);
        bytes32 b = join(BOB, task, lie(good, 2, 1));
        bytes32 id = game.claimOf(a).matchId;
        playOut(id, good, lie(good, 2, 1));
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongPhase.selector, id, IDisputeGame.Phase.Inner));
        game.timeout(id);
        closeJoins(id);
        game.finish(id);
        assertStatus(a, IDisputeGame.ClaimStatus.Out, "A");
        assertStatus(b, IDisputeGame.ClaimStatus.Out, "B");
        game.finish(task);
        assertResult(task, 0);
        assertEq(game.credits(task, address(0xdEaD)), 2 * bondOf(task), "burnt");
    }

    /// @dev Claims that differ in the padding after the machine's end only.
    function testPadding() external {
        bytes32 task = openToy(5, one(level(0, 3)));
        bytes32[] memory good = truth(start(5), 0, 3);
        bytes32[] memory bad = truth(start(5), 0, 3);
        bad[6] = "padding";
        bytes32 a = join(ALICE, task, good);
        bytes32 b = join(BOB, task, bad);
        bytes32 id = game.claimOf(a).matchId;
        playOut(id, good, bad);
        assertEq(game.matchOf(id).position, 6, "position");
        game.prove(id, abi.encode(later(start(5), 6)));
        assertStatus(a, IDisputeGame.ClaimStatus.Waiting, "honest");
        assertStatus(b, IDisputeGame.ClaimStatus.Out, "liar");
    }

    /// @dev The machine says neither: both are out. And one account plays both sides.
    function testBothWrong() external {
        bytes32 task = openToy(9, one(level(0, 3)));
        bytes32[] memory good = truth(start(9), 0, 3);
        bytes32 a = join(BOB, task, lie(good, 3, 1));
        bytes32 b = join(BOB, task, lie(good, 3, 2));
        bytes32 id = game.claimOf(a).matchId;
        playOut(id, lie(good, 3, 1), lie(good, 3, 2));
        game.prove(id, abi.encode(later(start(9), 3)));
        assertStatus(a, IDisputeGame.ClaimStatus.Out, "A");
        assertStatus(b, IDisputeGame.ClaimStatus.Out, "B");
        closeJoins(task);
        game.finish(task);
        assertResult(task, 0);
    }

    /// @dev A step that reads a local pre-image: fixed by the opener, loaded by anybody, before it can be proven.
    function testInput() external {
        ToyMachine.State memory s = ToyMachine.State(0, 8, 2, "start");
        IDisputeGame.Input[] memory inputs = new IDisputeGame.Input[](2);
        inputs[0] = IDisputeGame.Input(7, keccak256("seven"));
        inputs[1] = IDisputeGame.Input(1, keccak256("one"));
        IDisputeGame.TaskParams memory p = params(ToyMachine.rootOf(s), address(toy), one(level(0, 3)));
        p.inputs = keccak256(abi.encode(inputs));
        bytes32 task = game.open(p);
        bytes32[] memory good = new bytes32[](8);
        for (uint256 i = 0; i < 8; ++i) {
            s = ToyMachine.next(s, "one");
            good[i] = ToyMachine.rootOf(s);
        }
        bytes32 a = join(ALICE, task, good);
        join(BOB, task, lie(good, 2, 1));
        bytes32 id = game.claimOf(a).matchId;
        playOut(id, good, lie(good, 2, 1));
        bytes memory proof = abi.encode(later(ToyMachine.State(0, 8, 2, "start"), 2));
        vmm.expectRevert(abi.encodeWithSelector(ToyTransition.NotLoaded.selector, 1));
        game.prove(id, proof);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongInput.selector, 1));
        game.loadLocal(task, inputs, 1, "two", 0);
        inputs[0].ident = 1;
        vmm.expectRevert(
            abi.encodeWithSelector(IDisputeGame.WrongInputs.selector, keccak256(abi.encode(inputs)), p.inputs)
        );
        game.loadLocal(task, inputs, 0, "seven", 0);
        inputs[0].ident = 7;
        game.loadLocal(task, inputs, 1, "one", 0);
        game.prove(id, proof);
        assertStatus(a, IDisputeGame.ClaimStatus.Waiting, "honest");
    }

    /// @dev Another machine decides about a step. All its runs begin in one state, and differ by the step.
    function testDelegation() external {
        ToyDelegate delegate = new ToyDelegate(3, 6);
        for (uint256 from = 0; from < 4; ++from) {
            for (uint256 step = 0; step < 8; ++step) {
                delegation(delegate, from, step);
            }
        }
    }

    function runOf(bytes32 r) private pure returns (ToyMachine.State[] memory states) {
        states = new ToyMachine.State[](9);
        states[0] = ToyMachine.State(0, 6, 0, 0);
        for (uint256 i = 0; i < 8; ++i) {
            states[i + 1] = ToyMachine.next(states[i], r);
        }
    }

    function stepOf(bytes32 r) private pure returns (bytes32) {
        return keccak256(abi.encode(runOf(r)[8].value));
    }

    function delegation(ToyDelegate delegate, uint256 from, uint256 step) private {
        bytes32 task = game.open(params("outer", address(delegate), two(level(0, 2), level(0, 3))));
        bytes32[] memory good = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            good[i] = stepOf(i == 0 ? bytes32("outer") : good[i - 1]);
        }
        // The liar's result is what another run of the inner machine would give.
        ToyMachine.State memory end = ToyMachine.State(6, 6, 0, "forged");
        bytes32[] memory bad = lie(good, from, 1);
        bad[from] = keccak256(abi.encode(end.value));
        bytes32 honest = join(ALICE, task, good);
        bytes32 liar = join(BOB, task, bad);
        bytes32 id = game.claimOf(honest).matchId;
        playOut(id, good, bad);
        bytes32 pre = from == 0 ? bytes32("outer") : good[from - 1];
        IDisputeGame.TournamentView memory t = game.tournamentOf(id);
        assertEq(t.context, History.node(task, pre), "context");
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotLastLevel.selector, task));
        game.execute(task, pre, "");

        ToyMachine.State[] memory run = runOf(pre);
        bytes32[] memory fine = new bytes32[](8);
        for (uint256 i = 0; i < 8; ++i) {
            fine[i] = ToyMachine.rootOf(run[i + 1]);
        }
        bytes32[] memory forged = lie(fine, step, 2);
        forged[7] = ToyMachine.rootOf(end);
        bytes32 a = joinDelegated(ALICE, id, fine, run[8]);
        joinDelegated(BOB, id, forged, end);
        bytes32 innerId = game.claimOf(a).matchId;
        playOut(innerId, fine, forged);
        game.prove(innerId, abi.encode(run[game.matchOf(innerId).position]));
        closeJoins(id);
        game.finish(id);
        assertStatus(honest, IDisputeGame.ClaimStatus.Waiting, "honest");
        assertStatus(liar, IDisputeGame.ClaimStatus.Out, "liar");
        closeJoins(task);
        game.finish(task);
        assertResult(task, good[3]);
    }

    function joinDelegated(
        address who,
        bytes32 t,
        bytes32[] memory leaves,
        ToyMachine.State memory end
    ) private returns (bytes32) {
        uint256 bond = bondOf(t);
        (bytes32 l, bytes32 r) = children(leaves, 0, 3);
        bytes32[] memory proof = proofOf(leaves, 7);
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongJoin.selector, t));
        game.join{ value: bond }(t, l, r, leaves[7], proof);
        vmm.prank(who);
        return game.joinDelegated{ value: bond }(t, l, r, leaves[7], proof, abi.encode(end));
    }

    /// @dev What a delegate promises has to be what the task's levels span.
    function testBound() external {
        ToyDelegate delegate = new ToyDelegate(4, 6);
        bytes32 task = game.open(params("outer", address(delegate), two(level(0, 1), level(0, 3))));
        bytes32[] memory a = new bytes32[](2);
        bytes32 id = join(ALICE, task, a);
        join(BOB, task, lie(a, 0, 1));
        id = game.claimOf(id).matchId;
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongBound.selector, 4, 3));
        game.seal(id, 0, 0, 0, new bytes32[](0));
    }

    /// @dev Levels that do not fit together, or bonds that do not cover refunds, cannot be opened.
    function testParameters() external {
        IDisputeGame.Level[] memory levels = two(level(2, 2), level(0, 3));
        refuses(levels, abi.encodeWithSelector(IDisputeGame.BadLevel.selector, 1));
        levels = one(level(1, 3));
        refuses(levels, abi.encodeWithSelector(IDisputeGame.BadLevel.selector, 0));
        levels = one(level(0, 64));
        refuses(levels, abi.encodeWithSelector(IDisputeGame.BadLevel.selector, 0));
        levels = two(level(2, 2), level(0, 2));
        levels[1].height = 0;
        refuses(levels, abi.encodeWithSelector(IDisputeGame.BadLevel.selector, 1));
        levels = one(level(0, 3));
        levels[0].allowance = 0;
        refuses(levels, abi.encodeWithSelector(IDisputeGame.BadLevel.selector, 0));
        levels = one(level(0, 3));
        uint96 bond = --levels[0].bond;
        refuses(levels, abi.encodeWithSelector(IDisputeGame.BondTooSmall.selector, 0, bond, bond + 1));
        refuses(new IDisputeGame.Level[](0), abi.encodeWithSelector(IDisputeGame.NoLevels.selector, 0));
        refuses(new IDisputeGame.Level[](9), abi.encodeWithSelector(IDisputeGame.NoLevels.selector, 9));
        IDisputeGame.TaskParams memory p = params(0, ALICE, one(level(0, 3)));
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.NoCode.selector, ALICE));
        game.open(p);
        game.open(params(0, address(toy), one(level(0, 63))));
    }

    function refuses(IDisputeGame.Level[] memory levels, bytes memory why) private {
        IDisputeGame.TaskParams memory p = params(0, address(toy), levels);
        vmm.expectRevert(why);
        game.open(p);
    }
}
