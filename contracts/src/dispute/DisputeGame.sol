// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { History } from "./History.sol";
import { IDelegate } from "./IDelegate.sol";
import { IDisputeGame } from "./IDisputeGame.sol";
import { ITransition } from "./ITransition.sol";
import { Tasks } from "./Tasks.sol";

/// @title The dispute game.
/// @notice One deployment serves all tasks. It has no owner, no upgrade and no setting. Rules and reasons:
/// docs/dispute.md.
contract DisputeGame is Tasks {
    /// @dev What a move still takes after it has computed its refund.
    uint256 private constant MOVE_REST_GAS = 12_000;

    /// @inheritdoc IDisputeGame
    mapping(bytes32 context => mapping(address verifier => mapping(bytes32 pre => bytes32))) public override executed;

    // ---- claims ----

    /// @inheritdoc IDisputeGame
    function join(
        bytes32 tournament,
        bytes32 left,
        bytes32 right,
        bytes32 finalRoot,
        bytes32[] calldata proof
    ) external payable override unentered returns (bytes32 claim) {
        Tournament storage t = tournaments[tournament];
        if (t.delegated) revert WrongJoin(tournament);
        return record(tournament, left, right, finalRoot, proof, t.inner ? contested(tournament, finalRoot) : 0);
    }

    /// @inheritdoc IDisputeGame
    function joinDelegated(
        bytes32 tournament,
        bytes32 left,
        bytes32 right,
        bytes32 finalRoot,
        bytes32[] calldata proof,
        bytes calldata closeProof
    ) external payable override exclusive returns (bytes32 claim) {
        Tournament storage t = tournaments[tournament];
        if (!t.delegated) revert WrongJoin(tournament);
        // The tournament around this one has the machine whose step this is.
        IDelegate outer = IDelegate(tournaments[matches[tournament].tournament].verifier);
        bytes32 step = outer.close(t.context, finalRoot, closeProof);
        return record(tournament, left, right, finalRoot, proof, contested(tournament, step));
    }

    function record(
        bytes32 tournament,
        bytes32 left,
        bytes32 right,
        bytes32 finalRoot,
        bytes32[] calldata proof,
        uint8 side
    ) private returns (bytes32 id) {
        Tournament storage t = tournaments[tournament];
        if (t.task == 0) revert UnknownTournament(tournament);
        uint256 late = block.timestamp - t.openedAt;
        if (late >= t.allowance) revert JoinsOver(tournament, uint256(t.openedAt) + t.allowance);
        if (msg.value != t.bond) revert WrongBond(msg.value, t.bond);
        bytes32 commitment = History.node(left, right);
        requireLeaf(commitment, finalRoot, (1 << t.height) - 1, proof, t.height);
        id = History.node(tournament, commitment);
        Claim storage claim = claims[id];
        if (claim.status != ClaimStatus.None) revert AlreadyClaimed(id);
        claim.tournament = tournament;
        claim.left = left;
        claim.right = right;
        claim.finalRoot = finalRoot;
        claim.poster = msg.sender;
        claim.clock = uint32(t.allowance - late);
        claim.side = side;
        ledger[t.task] += msg.value;
        ++t.joined;
        ++t.alive;
        emit Joined(tournament, id, msg.sender, left, right, finalRoot);
        enter(tournament, id, 0);
    }

    /// @dev Which of the two results of the match around an inner tournament this is.
    function contested(bytes32 tournament, bytes32 root) private view returns (uint8 side) {
        Match storage m = matches[tournament];
        if (root == m.left) return 0;
        if (root == m.right) return 1;
        revert NotContested(root);
    }

    // ---- matches ----

    /// @inheritdoc IDisputeGame
    function move(
        bytes32 matchId,
        bytes32 left,
        bytes32 right,
        bytes32 nextLeft,
        bytes32 nextRight
    ) external override unentered {
        uint256 gasBefore = gasleft();
        Match storage m = matches[matchId];
        Board memory b = m.board;
        if (b.height < 2) revert WrongHeight(matchId, b.height);
        uint256 turn = b.turn;
        Side memory side = m.sides[turn];
        bool late = take(matchId, m, b, side.grace, left, right);
        --b.height;
        bytes32 next;
        bytes32 theirs = m.left;
        if (left != theirs) {
            next = left;
        } else {
            next = right;
            theirs = m.right;
            b.position += uint64(1 << b.height);
        }
        if (History.node(nextLeft, nextRight) != next) revert NotChildren(next, nextLeft, nextRight);
        m.parent = theirs;
        m.left = nextLeft;
        m.right = nextRight;
        b.turn = uint8(1 - turn);
        m.board = b;
        emit Moved(matchId, msg.sender, nextLeft, nextRight);
        if (late || plays(m, turn, side.mover)) {
            gather(m, turn, side, refundOf(gasBefore, MOVE_REST_GAS, MOVE_GAS, b.maxGasPrice));
        }
    }

    /// @inheritdoc IDisputeGame
    function seal(
        bytes32 matchId,
        bytes32 left,
        bytes32 right,
        bytes32 agreed,
        bytes32[] calldata proof
    ) external override exclusive {
        uint256 gasBefore = gasleft();
        Match storage m = matches[matchId];
        Tournament storage t = tournaments[m.tournament];
        Board memory b = m.board;
        if (b.height != 1) revert WrongHeight(matchId, b.height);
        uint256 turn = b.turn;
        Side memory side = m.sides[turn];
        bool late = take(matchId, m, b, side.grace, left, right);
        bytes32 mine;
        bytes32 theirs;
        if (left == m.left) {
            (mine, theirs, agreed) = (right, m.right, left);
            ++b.position;
        } else {
            (mine, theirs) = (left, m.left);
            if (b.position == 0) {
                agreed = t.initialRoot;
            } else {
                // Both claims have it: they agree on everything to the left of the node in dispute.
                Claim storage claim = claims[turn == 0 ? m.claimA : m.claimB];
                requireLeaf(History.node(claim.left, claim.right), agreed, b.position - 1, proof, t.height);
            }
        }
        m.parent = agreed;
        (m.left, m.right) = turn == 0 ? (mine, theirs) : (theirs, mine);
        b.height = 0;
        emit Sealed(matchId, msg.sender, b.position, agreed, m.left, m.right);
        b.phase = decide(matchId, t, agreed);
        m.board = b;
        if (late || plays(m, turn, side.mover)) {
            gather(m, turn, side, refundOf(gasBefore, MOVE_REST_GAS, SEAL_GAS, b.maxGasPrice));
        }
    }

    /// @dev Begins what decides a sealed match.
    function decide(bytes32 matchId, Tournament storage t, bytes32 agreed) private returns (Phase) {
        bytes32 task = t.task;
        uint256 inner = uint256(t.level) + 1;
        Level[] storage levels = tasks[task].levels;
        if (inner == levels.length) return Phase.Sealed;
        if (levels[t.level].log2Stride != 0) {
            begin(matchId, task, inner, t.context, t.verifier, agreed);
        } else {
            bytes32 context = History.node(t.context, agreed);
            (bytes32 initialRoot, address verifier, uint8 bound) = IDelegate(t.verifier).open(context, agreed);
            uint256 span = uint256(levels[inner].log2Stride) + levels[inner].height;
            if (bound != span) revert WrongBound(bound, span);
            if (verifier.code.length == 0) revert NoCode(verifier);
            begin(matchId, task, inner, context, verifier, initialRoot);
            tournaments[matchId].delegated = true;
        }
        return Phase.Inner;
    }

    /// @dev The common part of moves: the side whose turn it is opens its node in time, and is charged.
    /// @return late Whether the grace is over, so that anybody who moves is refunded.
    function take(
        bytes32 matchId,
        Match storage m,
        Board memory b,
        uint256 grace,
        bytes32 left,
        bytes32 right
    ) private view returns (bool late) {
        if (b.phase != Phase.Playing) revert WrongPhase(matchId, b.phase);
        uint256 until = deadline(b, b.turn, grace);
        if (block.timestamp > until) revert OutOfTime(matchId, until);
        bytes32 parent = m.parent;
        if (History.node(left, right) != parent) revert NotChildren(parent, left, right);
        late = block.timestamp > b.lastMove + grace;
        charge(b, b.turn, grace);
        b.lastMove = uint40(block.timestamp);
    }

    /// @dev Whether the caller is one who is refunded for a side without waiting: the poster of its claim, or who was
    /// refunded for it last. Whoever copies a transaction out of the mempool is neither, and pays for it.
    function plays(Match storage m, uint256 turn, address mover) private view returns (bool) {
        return msg.sender == mover || msg.sender == claims[turn == 0 ? m.claimA : m.claimB].poster;
    }

    // ---- ends ----

    /// @inheritdoc IDisputeGame
    function prove(bytes32 matchId, bytes calldata proof) external override exclusive {
        uint256 gasBefore = gasleft();
        Match storage m = matches[matchId];
        Board memory b = m.board;
        if (b.phase != Phase.Sealed) revert WrongPhase(matchId, b.phase);
        Tournament storage t = tournaments[m.tournament];
        bytes32 root = run(t, m.parent, proof);
        emit Proven(matchId, msg.sender, root);
        bool outA = root != m.left;
        bool outB = root != m.right;
        // Whoever plays the winning side is refunded at once, so that nothing is to be had from copying a proof; anybody
        // after a third of an allowance.
        bool refunded =
            block.timestamp > uint256(b.lastMove) + t.allowance / 3 ||
                (!outA && plays(m, 0, m.sides[0].mover)) ||
                (!outB && plays(m, 1, m.sides[1].mover));
        settle(matchId, outA, outB, gasBefore, refunded ? tasks[t.task].proofGas : 0);
    }

    /// @inheritdoc IDisputeGame
    function timeout(bytes32 matchId) external override unentered {
        uint256 gasBefore = gasleft();
        Match storage m = matches[matchId];
        Board memory b = m.board;
        Tournament storage t = tournaments[m.tournament];
        uint256 grace = t.grace;
        uint256 endA = deadline(b, 0, grace);
        uint256 endB = deadline(b, 1, grace);
        if (b.phase == Phase.Playing) {
            // Only the one whose turn it is can be out of time.
            if (b.turn == 0) endB = type(uint256).max;
            else endA = type(uint256).max;
        } else if (b.phase != Phase.Sealed) {
            revert WrongPhase(matchId, b.phase);
        }
        uint256 first = endA < endB ? endA : endB;
        if (block.timestamp <= first) revert NotOutOfTime(matchId, first);
        emit TimedOut(matchId, msg.sender);
        settle(matchId, endA == first, endB == first, gasBefore, END_GAS);
    }

    /// @inheritdoc IDisputeGame
    function execute(
        bytes32 tournament,
        bytes32 pre,
        bytes calldata proof
    ) external override exclusive returns (bytes32) {
        Tournament storage t = tournaments[tournament];
        requireLast(tournament, t);
        return run(t, pre, proof);
    }

    function run(Tournament storage t, bytes32 pre, bytes calldata proof) private returns (bytes32 root) {
        bytes32 context = t.context;
        address verifier = t.verifier;
        root = ITransition(verifier).transition(context, pre, proof);
        executed[context][verifier][pre] = root;
        emit Executed(context, verifier, pre, root);
    }

    /// @inheritdoc IDisputeGame
    function refute(
        bytes32 claim,
        uint64 position,
        bytes32 pre,
        bytes32[] calldata preProof,
        bytes32 post,
        bytes32[] calldata postProof
    ) external override unentered {
        uint256 gasBefore = gasleft();
        Claim storage c = claims[claim];
        ClaimStatus status = c.status;
        if (status != ClaimStatus.Waiting && status != ClaimStatus.Playing) revert NotAlive(claim);
        requireContradiction(c, claim, position, pre, preProof, post, postProof);
        emit Refuted(claim, msg.sender, position, post);
        if (status == ClaimStatus.Waiting) {
            removeWaiting(claim, gasBefore, END_GAS);
        } else {
            bool isA = matches[c.matchId].claimA == claim;
            settle(c.matchId, isA, !isA, gasBefore, END_GAS);
        }
    }

    function requireContradiction(
        Claim storage c,
        bytes32 claim,
        uint256 position,
        bytes32 pre,
        bytes32[] calldata preProof,
        bytes32 post,
        bytes32[] calldata postProof
    ) private view {
        bytes32 tournament = c.tournament;
        Tournament storage t = tournaments[tournament];
        requireLast(tournament, t);
        bytes32 root = executed[t.context][t.verifier][pre];
        if (root == 0) revert NotExecuted(pre);
        if (root == post) revert NotRefuted(claim, uint64(position));
        bytes32 commitment = History.node(c.left, c.right);
        uint256 height = t.height;
        if (position == 0) {
            if (pre != t.initialRoot) revert NotInHistory(commitment, pre, 0);
        } else {
            requireLeaf(commitment, pre, position - 1, preProof, height);
        }
        requireLeaf(commitment, post, position, postProof, height);
    }

    /// @inheritdoc IDisputeGame
    function finish(bytes32 tournament) external override unentered {
        uint256 gasBefore = gasleft();
        bytes32 winner = close(tournament);
        if (!tournaments[tournament].inner) return;
        bool outA = winner == 0 || claims[winner].side != 0;
        bool outB = winner == 0 || claims[winner].side != 1;
        settle(tournament, outA, outB, gasBefore, END_GAS);
    }

    /// @dev Requires that single steps of this tournament are executed by its verifier.
    function requireLast(bytes32 tournament, Tournament storage t) private view {
        if (t.task == 0) revert UnknownTournament(tournament);
        if (uint256(t.level) + 1 != tasks[t.task].levels.length) revert NotLastLevel(tournament);
    }

    function requireLeaf(
        bytes32 commitment,
        bytes32 leaf,
        uint256 index,
        bytes32[] calldata proof,
        uint256 height
    ) private pure {
        if (index >> height != 0 || History.commitment(leaf, index, proof, height) != commitment)
            revert NotInHistory(commitment, leaf, index);
    }
}
