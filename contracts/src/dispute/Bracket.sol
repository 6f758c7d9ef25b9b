// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { History } from "./History.sol";
import { IDisputeGame } from "./IDisputeGame.sol";
import { Ledger } from "./Ledger.sol";

/// @title Who meets whom, and what becomes of the bonds.
/// @notice A claim enters round 0 when it joins; the winner of a match of round r enters round r + 1. Each round has one
/// place to wait: who finds somebody there is paired with him at once. A claim that waits alone in a round that nobody can
/// enter any more goes on to the next. So n claims in a round become at most ceil(n / 2) in the next one.
abstract contract Bracket is Ledger {
    struct Tournament {
        bytes32 task;
        bytes32 context;
        bytes32 initialRoot;
        bytes32 winner;
        address verifier;
        uint40 openedAt;
        bool inner;
        bool delegated;
        bool finished;
        // The level's and the task's numbers, in one slot for whoever moves.
        uint32 allowance;
        uint32 grace;
        uint64 maxGasPrice;
        uint96 bond;
        uint8 level;
        uint8 height;
        uint8 lowest;
        uint64 joined;
        uint64 alive;
        uint128 pot;
        mapping(uint256 round => Round) rounds;
    }

    struct Round {
        bytes32 waiting;
        uint64 running;
    }

    struct Claim {
        bytes32 tournament;
        bytes32 left;
        bytes32 right;
        bytes32 finalRoot;
        bytes32 matchId;
        address poster;
        uint32 clock;
        uint8 round;
        ClaimStatus status;
        uint8 side;
    }

    /// @dev What every move changes and needs, in one slot.
    struct Board {
        uint64 position;
        uint40 lastMove;
        uint32 clockA;
        uint32 clockB;
        uint64 maxGasPrice; // the task's
        uint8 height;
        Phase phase;
        uint8 turn; // 0: A, 1: B
    }

    /// @dev Refunds of a side gather here until another account moves for it or the match ends.
    struct Side {
        address mover;
        uint64 owed; // wei
        uint32 grace; // the task's
    }

    struct Match {
        bytes32 tournament;
        bytes32 claimA;
        bytes32 claimB;
        bytes32 parent; // once sealed: the root agreed on
        bytes32 left; // once sealed: the result of A
        bytes32 right; // once sealed: the result of B
        Board board;
        Side[2] sides;
        uint256 paid; // refunds credited so far, in wei
    }

    /// @dev What a settlement still takes after it has computed its refund.
    uint256 private constant SETTLE_REST_GAS = 35_000;

    mapping(bytes32 id => Tournament) internal tournaments;
    mapping(bytes32 id => Claim) internal claims;
    mapping(bytes32 id => Match) internal matches;

    // ---- rounds ----

    /// @dev The claim is neither out nor in any other place.
    function enter(bytes32 t, bytes32 claimId, uint256 round) internal {
        Round storage place = tournaments[t].rounds[round];
        bytes32 waiting = place.waiting;
        Claim storage claim = claims[claimId];
        // A round needs a byte: that one holds 2^255 claims fewer than the round below it.
        claim.round = uint8(round);
        if (waiting == 0) {
            claim.status = ClaimStatus.Waiting;
            place.waiting = claimId;
        } else {
            place.waiting = 0;
            ++place.running;
            pair(t, waiting, claimId, round);
        }
    }

    /// @dev A, who has waited, opens its commitment first.
    function pair(bytes32 t, bytes32 idA, bytes32 idB, uint256 round) private {
        // Two claims meet at most once, since one of them is out after it.
        bytes32 matchId = History.node(idA, idB);
        Claim storage a = claims[idA];
        Claim storage b = claims[idB];
        a.status = ClaimStatus.Playing;
        b.status = ClaimStatus.Playing;
        a.matchId = matchId;
        b.matchId = matchId;
        Match storage m = matches[matchId];
        m.tournament = t;
        m.claimA = idA;
        m.claimB = idB;
        m.parent = History.node(a.left, a.right);
        m.left = b.left;
        m.right = b.right;
        Tournament storage params = tournaments[t];
        m.board = Board({
            position: 0,
            lastMove: uint40(block.timestamp),
            clockA: a.clock,
            clockB: b.clock,
            maxGasPrice: params.maxGasPrice,
            height: params.height,
            phase: Phase.Playing,
            turn: 0
        });
        m.sides[0] = Side(a.poster, 0, params.grace);
        m.sides[1] = Side(b.poster, 0, params.grace);
        emit Paired(t, matchId, idA, idB, round);
    }

    /// @inheritdoc IDisputeGame
    function advance(bytes32 tournament) external override unentered {
        Tournament storage t = tournaments[tournament];
        requireOver(tournament, t);
        if (t.alive < 2) revert NothingToAdvance(tournament);
        uint256 round = t.lowest;
        bool moved = false;
        // With two claims alive, one of them plays, or both wait in different rounds, so that the lower one meets the
        // other on its way up. There are at most log2 of the number of claims rounds.
        while (t.rounds[round].running == 0) {
            bytes32 claim = t.rounds[round].waiting;
            if (claim != 0) {
                t.rounds[round].waiting = 0;
                emit Advanced(tournament, claim, round + 1);
                enter(tournament, claim, round + 1);
                moved = true;
            }
            ++round;
        }
        if (!moved) revert NothingToAdvance(tournament);
        t.lowest = uint8(round);
    }

    // ---- ends of matches ----

    /// @dev Ends a match. Whoever had to act is charged for the time until now.
    /// @param outA Whether claim A is out; at least one is.
    /// @param gasBefore What was left of the transaction's gas at its beginning.
    /// @param cap The most gas that the caller is refunded.
    function settle(bytes32 matchId, bool outA, bool outB, uint256 gasBefore, uint256 cap) internal {
        Match storage m = matches[matchId];
        Tournament storage t = tournaments[m.tournament];
        finishBoard(m, t, outA, outB);

        bytes32 task = t.task;
        uint256 lost = uint256(t.bond) * (outA && outB ? 2 : 1);
        // One bond covers all refunds of a match: minimumBond.
        lost -= m.paid + release(task, m.sides[0]) + release(task, m.sides[1]);
        if (cap != 0) {
            uint256 refund = refundOf(gasBefore, SETTLE_REST_GAS, cap, t.maxGasPrice);
            credit(task, msg.sender, refund);
            lost -= refund;
        }
        t.pot += uint128(lost);
    }

    function finishBoard(Match storage m, Tournament storage t, bool outA, bool outB) private {
        Board memory b = m.board;
        if (b.phase == Phase.Playing) {
            charge(b, b.turn, t.grace);
        } else if (b.phase == Phase.Sealed) {
            charge(b, 0, t.grace);
            charge(b, 1, t.grace);
        }
        b.phase = Phase.Over;
        m.board = b;
        bytes32 tournament = m.tournament;
        uint256 round = claims[m.claimA].round;
        --t.rounds[round].running;
        dismiss(tournament, t, m.claimA, outA, b.clockA, round);
        dismiss(tournament, t, m.claimB, outB, b.clockB, round);
    }

    /// @dev Credits what a side's last mover is owed.
    function release(bytes32 task, Side storage side) private returns (uint256 owed) {
        owed = side.owed;
        if (owed == 0) return 0;
        side.owed = 0;
        credit(task, side.mover, owed);
    }

    /// @dev Adds the refund of a move to what its maker is owed for that side. Who moved for it before is credited.
    function gather(Match storage m, uint256 index, Side memory side, uint256 refund) internal {
        if (side.mover != msg.sender) {
            if (side.owed != 0) {
                m.paid += side.owed;
                credit(tournaments[m.tournament].task, side.mover, side.owed);
                side.owed = 0;
            }
            side.mover = msg.sender;
        }
        side.owed += uint64(refund);
        m.sides[index] = side;
    }

    function dismiss(
        bytes32 tournament,
        Tournament storage t,
        bytes32 claimId,
        bool out,
        uint32 clock,
        uint256 round
    ) private {
        claims[claimId].clock = clock;
        if (out) {
            remove(tournament, t, claimId);
        } else {
            enter(tournament, claimId, round + 1);
        }
    }

    /// @dev Ends the claim that waits in a round. Its bond, less the refund, goes to the pot.
    function removeWaiting(bytes32 claimId, uint256 gasBefore, uint256 cap) internal {
        Claim storage claim = claims[claimId];
        bytes32 tournament = claim.tournament;
        Tournament storage t = tournaments[tournament];
        t.rounds[claim.round].waiting = 0;
        remove(tournament, t, claimId);
        uint256 refund = refundOf(gasBefore, SETTLE_REST_GAS, cap, t.maxGasPrice);
        credit(t.task, msg.sender, refund);
        t.pot += uint128(t.bond - refund);
    }

    function remove(bytes32 tournament, Tournament storage t, bytes32 claimId) private {
        claims[claimId].status = ClaimStatus.Out;
        --t.alive;
        emit Out(tournament, claimId);
    }

    // ---- ends of tournaments ----

    /// @dev Gives the winner's poster its bond and at most another one; burns the rest.
    /// @return winner The claim that is left; 0 if there is none.
    function close(bytes32 tournament) internal returns (bytes32 winner) {
        Tournament storage t = tournaments[tournament];
        requireOver(tournament, t);
        if (t.alive > 1) revert StillDisputed(tournament, t.alive);
        t.finished = true;
        uint256 pot = t.pot;
        t.pot = 0;
        bytes32 finalRoot;
        if (t.alive == 1) {
            // The only one waits, since no match has less than two. No more rounds than in advance.
            uint256 round = t.lowest;
            while (t.rounds[round].waiting == 0) ++round;
            winner = t.rounds[round].waiting;
            t.winner = winner;
            Claim storage claim = claims[winner];
            claim.status = ClaimStatus.Won;
            finalRoot = claim.finalRoot;
            uint256 reward = pot < t.bond ? pot : t.bond;
            credit(t.task, claim.poster, t.bond + reward);
            pot -= reward;
        }
        credit(t.task, BURNT, pot);
        emit Finished(tournament, winner, finalRoot);
    }

    /// @dev Requires that nobody can join any more and that the tournament is not finished.
    function requireOver(bytes32 tournament, Tournament storage t) private view {
        if (t.task == 0) revert UnknownTournament(tournament);
        if (t.finished) revert AlreadyFinished(tournament);
        uint256 until = uint256(t.openedAt) + t.allowance;
        if (block.timestamp < until) revert JoinsOpen(tournament, until);
    }

    // ---- clocks ----

    /// @dev Takes the time since the last move, less the grace, off a clock; at most all of it.
    function charge(Board memory b, uint256 side, uint256 grace) internal view {
        uint256 free = b.lastMove + grace;
        uint256 used = block.timestamp > free ? block.timestamp - free : 0;
        if (side == 0) {
            b.clockA = used < b.clockA ? uint32(b.clockA - used) : 0;
        } else {
            b.clockB = used < b.clockB ? uint32(b.clockB - used) : 0;
        }
    }

    /// @dev When a side is out of time, if it has to act since the last move: it may act until then, inclusively.
    function deadline(Board memory b, uint256 side, uint256 grace) internal pure returns (uint256) {
        return b.lastMove + grace + (side == 0 ? b.clockA : b.clockB);
    }
}
