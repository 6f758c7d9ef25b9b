// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { BareState } from "../../src/dispute/BareState.sol";
import { History } from "../../src/dispute/History.sol";
import { IDisputeGame } from "../../src/dispute/IDisputeGame.sol";
import { ITransition } from "../../src/dispute/ITransition.sol";
import { ProvenPayout } from "../../src/examples/ProvenPayout.sol";
import { Fixture } from "./Fixture.sol";

/// @dev Calls back whatever it was told to, while it is asked for a step.
contract Reentrant is ITransition {
    address private immutable game;
    bytes[] private calls;
    uint256 public refused;

    constructor(address game_) {
        game = game_;
    }

    function add(bytes calldata data) external {
        calls.push(data);
    }

    function transition(bytes32, bytes32, bytes calldata) external override returns (bytes32) {
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory data) = game.call(calls[i]);
            if (!ok && bytes4(data) == IDisputeGame.Reentered.selector) ++refused;
        }
        return "post";
    }

    function loadLocal(bytes32, uint256, bytes32, uint256, uint256) external override {}

    function withdrawTo(bytes32 task) external {
        IDisputeGame(game).withdraw(task, address(this));
    }

    /// @dev Does not want to be paid.
    receive() external payable {
        revert();
    }
}

/// @title What others may try; and a contract that relies on a result.
contract HostileTest is Fixture {
    /// @dev Nothing changes below a call to a verifier: neither of its own task nor of others.
    function testReentrancy() external {
        Reentrant verifier = new Reentrant(address(game));
        bytes32 task = game.open(params(0, address(verifier), one(level(0, 1))));
        bytes32[] memory a = new bytes32[](2);
        bytes32 id = join(ALICE, task, a);
        join(BOB, task, lie(a, 0, 1));
        id = game.claimOf(id).matchId;
        playOut(id, a, lie(a, 0, 1));
        bytes32[] memory none = new bytes32[](0);
        verifier.add(abi.encodeCall(game.prove, (id, "")));
        verifier.add(abi.encodeCall(game.timeout, (id)));
        verifier.add(abi.encodeCall(game.move, (id, 0, 0, 0, 0)));
        verifier.add(abi.encodeCall(game.seal, (id, 0, 0, 0, none)));
        verifier.add(abi.encodeCall(game.join, (task, 0, 0, 0, none)));
        verifier.add(abi.encodeCall(game.joinDelegated, (task, 0, 0, 0, none, "")));
        verifier.add(abi.encodeCall(game.execute, (task, 0, "")));
        verifier.add(abi.encodeCall(game.refute, (id, 0, 0, none, 0, none)));
        verifier.add(abi.encodeCall(game.advance, (task)));
        verifier.add(abi.encodeCall(game.finish, (task)));
        verifier.add(abi.encodeCall(game.withdraw, (task, ALICE)));
        verifier.add(abi.encodeCall(game.loadLocal, (task, new IDisputeGame.Input[](0), 0, "", 0)));
        verifier.add(abi.encodeCall(game.open, (params(0, address(verifier), one(level(0, 1))))));
        game.prove(id, "");
        assertEq(verifier.refused(), 13, "refused");
        closeJoins(task);
        game.finish(task);
        assertResult(task, 0);
    }

    /// @dev An account that refuses coins harms itself; forced ones are not looked at.
    function testPayments() external {
        Reentrant greedy = new Reentrant(address(game));
        bytes32 task = openToy(0, one(level(0, 1)));
        bytes32[] memory good = truth(start(0), 0, 1);
        uint256 bond = bondOf(task);
        vmm.deal(address(greedy), bond);
        join(address(greedy), task, good);
        vmm.deal(address(game), address(game).balance + 1 ether);
        closeJoins(task);
        game.finish(task);
        assertEq(game.ledger(task), bond, "ledger");
        vmm.expectRevert(abi.encodeWithSelector(IDisputeGame.SendFailed.selector, address(greedy), bond));
        greedy.withdrawTo(task);
        assertEq(game.credits(task, address(greedy)), bond, "still owed");
    }

    // ---- a consumer ----

    bytes32 private constant LEAF = bytes32(uint256(3 ether) << 64);
    uint64 private constant OUTPUT = 0x1010;

    function finalState(uint8 code, bool exited) private pure returns (bytes memory state, bytes32 root) {
        bytes32 hash = LEAF;
        for (uint256 i = 0; i < 59; ++i) {
            hash = (OUTPUT >> (i + 5)) & 1 == 0 ? History.node(hash, 0) : History.node(0, hash);
        }
        state = abi.encodePacked(hash, new bytes(65), code, exited, uint64(77), new bytes(81));
        root = BareState.rootOf(state);
    }

    function decided(ProvenPayout payout, bytes32 root) private returns (bytes32 task) {
        task = payout.open{ value: 10 ether }(params("program", address(toy), one(level(0, 1))), BOB, OUTPUT);
        bytes32[] memory leaves = new bytes32[](2);
        (leaves[0], leaves[1]) = (root, root);
        join(CAROL, task, leaves);
        vmm.expectRevert(abi.encodeWithSelector(ProvenPayout.NotFinished.selector, task));
        payout.giveBack(task);
        closeJoins(task);
        game.finish(task);
    }

    function testPayout() external {
        ProvenPayout payout = new ProvenPayout(game);
        (bytes memory state, bytes32 root) = finalState(0, true);
        assertEq(uint256(uint8(root[0])), 0, "status");
        bytes32 task = decided(payout, root);
        vmm.expectRevert(abi.encodeWithSelector(ProvenPayout.HasOutput.selector, task));
        payout.giveBack(task);
        (bytes memory other, ) = finalState(1, true);
        vmm.expectRevert();
        payout.settle(task, other, LEAF, new bytes32[](59));
        vmm.expectRevert();
        payout.settle(task, state, bytes32(uint256(1)), new bytes32[](59));
        payout.settle(task, state, LEAF, new bytes32[](59));
        vmm.expectRevert(abi.encodeWithSelector(ProvenPayout.Unknown.selector, task));
        payout.settle(task, state, LEAF, new bytes32[](59));
        assertEq(payout.owed(BOB), 3 ether, "payee");
        assertEq(payout.owed(address(this)), 7 ether, "payer");
        uint256 before = BOB.balance;
        payout.withdraw(BOB);
        assertEq(BOB.balance, before + 3 ether, "paid");
    }

    function testNoPayout() external {
        ProvenPayout payout = new ProvenPayout(game);
        for (uint8 code = 0; code < 4; ++code) {
            (bytes memory state, bytes32 root) = finalState(code, code != 0);
            assertEq(
                uint256(uint8(root[0])),
                code == 0
                    ? 3
                    : code > 2
                        ? 2
                        : code,
                "status"
            );
            bytes32 task = decided(payout, root);
            vmm.expectRevert(abi.encodeWithSelector(ProvenPayout.NoOutput.selector, task));
            payout.settle(task, state, LEAF, new bytes32[](59));
            uint256 before = payout.owed(address(this));
            payout.giveBack(task);
            assertEq(payout.owed(address(this)), before + 10 ether, "payer");
            if (code != 0) assertEq(this.exitCode(root, state), code, "exit code");
            assertEq(BareState.steps(root, state), 77, "steps");
        }
    }

    function exitCode(bytes32 root, bytes calldata state) external pure returns (uint256) {
        return BareState.exitCode(root, state);
    }
}
