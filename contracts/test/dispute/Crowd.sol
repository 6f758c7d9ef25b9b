// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IDisputeGame } from "../../src/dispute/IDisputeGame.sol";
import { Fixture } from "./Fixture.sol";
import { ToyMachine } from "./ToyMachine.sol";

/// @title One honest player among cheaters, for invariant tests.
/// @notice Forge calls the public functions at random: cheaters join, move, wait until their last second, send nonsense,
/// or let time pass. After each call the honest player does what it can, within the grace.
contract Crowd is Fixture {
    uint64 private constant END = 13;

    bytes32 public task;
    bytes32 public honest;
    bytes32[] private tournaments;
    bytes32[] private all; // claims
    mapping(bytes32 claim => bytes32[]) private leavesOf;
    mapping(bytes32 claim => bool) private ours;
    mapping(bytes32 tournament => ToyMachine.State) private firstOf; // where the honest player plays in it
    bool public lost;
    uint256 public proven;

    constructor(uint256 levels) {
        setUp();
        vmm.fee(10 gwei);
        vmm.txGasPrice(40 gwei);
        task = openToy(END, levels == 1 ? one(level(0, 4)) : two(level(2, 2), level(0, 2)));
        tournaments.push(task);
        firstOf[task] = start(END);
        honest = joinHonestly(task);
    }

    /// @dev The honest player comes last: after the call, and at most the grace later.
    modifier then(uint256 lag) {
        _;
        vmm.warp(block.timestamp + (lag % (GRACE + 1)));
        actHonestly();
    }

    // ---- cheaters ----

    function joinAsCheater(uint256 where, uint256 from, uint256 salt, uint256 lag) external then(lag) {
        bytes32 t = tournaments[where % tournaments.length];
        bytes32[] memory leaves = lie(truthOf(t), from % (1 << heightOf(t)), salt % 4);
        if (game.tournamentOf(t).inner) {
            leaves[leaves.length - 1] = game.matchOf(t).results[salt % 2];
        }
        try this.joinFor(BOB, t, leaves) returns (bytes32 claim) {
            all.push(claim);
            leavesOf[claim] = leaves;
        } catch {}
    }

    function moveAsCheater(uint256 which, uint256 lag) external then(lag) {
        playAt(pick(which));
    }

    /// @dev Moves at the last second.
    function delayAsCheater(uint256 which, uint256 lag) external then(lag) {
        bytes32 id = pick(which);
        if (id == 0) return;
        IDisputeGame.MatchView memory m = game.matchOf(id);
        if (m.phase != IDisputeGame.Phase.Playing || ours[m.claims[m.turn]]) return;
        uint256 last = uint256(m.lastMove) + GRACE + m.clocks[m.turn];
        if (last > block.timestamp) vmm.warp(last);
        playAt(id);
    }

    function sendNonsense(uint256 which, bytes32[4] calldata nodes, uint256 lag) external then(lag) {
        bytes32 id = pick(which);
        try game.move(id, nodes[0], nodes[1], nodes[2], nodes[3]) {
            lost = true;
        } catch {}
        try game.prove(id, abi.encode(nodes)) {
            lost = true;
        } catch {}
    }

    function poke(uint256 which, uint256 lag) external then(lag) {
        bytes32 t = tournaments[which % tournaments.length];
        try game.timeout(pick(which)) {} catch {}
        try game.advance(t) {} catch {}
        try game.finish(t) {} catch {}
    }

    function wait(uint256 time, uint256 lag) external then(lag) {
        vmm.warp(block.timestamp + (time % 1200));
    }

    // ---- the honest player ----

    function actHonestly() public {
        // What it does can make it its turn again, in a new match.
        do actOnce(); while (!lost && due());
    }

    /// @dev Whether it is the honest player's turn anywhere.
    function due() private view returns (bool) {
        for (uint256 i = 0; i < tournaments.length; ++i) {
            bytes32 claim = claimId(tournaments[i], truthOf(tournaments[i]));
            IDisputeGame.ClaimView memory c = game.claimOf(claim);
            if (c.status != IDisputeGame.ClaimStatus.Playing) continue;
            IDisputeGame.MatchView memory m = game.matchOf(c.matchId);
            if (m.phase == IDisputeGame.Phase.Sealed) return true;
            if (m.phase == IDisputeGame.Phase.Playing && ours[m.claims[m.turn]]) return true;
            if (m.phase == IDisputeGame.Phase.Inner && firstOf[c.matchId].end == 0) return true;
        }
        return false;
    }

    function actOnce() private {
        for (uint256 i = 0; i < tournaments.length; ++i) {
            bytes32 t = tournaments[i];
            bytes32 claim = claimId(t, truthOf(t));
            try game.claimOf(claim) returns (IDisputeGame.ClaimView memory c) {
                if (c.status == IDisputeGame.ClaimStatus.Out) lost = true;
                if (c.status == IDisputeGame.ClaimStatus.Playing) actIn(c.matchId);
            } catch {}
            settle(t);
        }
    }

    function actIn(bytes32 id) private {
        IDisputeGame.MatchView memory m = game.matchOf(id);
        if (m.phase == IDisputeGame.Phase.Playing) {
            if (ours[m.claims[m.turn]]) playAt(id);
            else try game.timeout(id) {} catch {}
            m = game.matchOf(id);
        }
        if (m.phase == IDisputeGame.Phase.Sealed) {
            game.prove(id, abi.encode(later(firstOf[m.tournament], m.position)));
            ++proven;
        } else if (m.phase == IDisputeGame.Phase.Inner && firstOf[id].end == 0) {
            tournaments.push(id);
            firstOf[id] = later(firstOf[m.tournament], 4 * m.position);
            joinHonestly(id);
        }
    }

    /// @dev Whoever is late in other matches of the tournament is removed, and the tournament goes on.
    function settle(bytes32 t) private {
        for (uint256 i = 0; i < all.length; ++i) {
            IDisputeGame.ClaimView memory c = game.claimOf(all[i]);
            if (c.tournament == t && c.status == IDisputeGame.ClaimStatus.Playing) {
                try game.timeout(c.matchId) {} catch {}
                IDisputeGame.MatchView memory m = game.matchOf(c.matchId);
                // Nobody plays in the inner tournament of two cheaters; both fall.
                if (m.phase == IDisputeGame.Phase.Inner && firstOf[c.matchId].end == 0) {
                    try game.finish(c.matchId) {} catch {}
                }
            }
        }
        try game.advance(t) {} catch {}
        try game.finish(t) {} catch {}
    }

    function joinHonestly(bytes32 t) private returns (bytes32 claim) {
        bytes32[] memory leaves = truthOf(t);
        claim = join(ALICE, t, leaves);
        all.push(claim);
        leavesOf[claim] = leaves;
        ours[claim] = true;
    }

    // ---- both ----

    function joinFor(address who, bytes32 t, bytes32[] calldata leaves) external returns (bytes32) {
        return join(who, t, leaves);
    }

    function playAt(bytes32 id) private {
        if (id == 0) return;
        IDisputeGame.MatchView memory m = game.matchOf(id);
        if (m.phase != IDisputeGame.Phase.Playing) return;
        bytes32 claim = m.claims[m.turn];
        if (block.timestamp > uint256(m.lastMove) + GRACE + m.clocks[m.turn]) {
            if (ours[claim]) lost = true;
            return;
        }
        play(ours[claim] ? ALICE : BOB, id, leavesOf[claim]);
    }

    function pick(uint256 which) private view returns (bytes32) {
        return game.claimOf(all[which % all.length]).matchId;
    }

    function heightOf(bytes32 t) private view returns (uint256) {
        return game.taskOf(task).levels[game.tournamentOf(t).level].height;
    }

    function truthOf(bytes32 t) private view returns (bytes32[] memory) {
        IDisputeGame.Level memory l = game.taskOf(task).levels[game.tournamentOf(t).level];
        return truth(firstOf[t], l.log2Stride, l.height);
    }

    // ---- what holds ----

    function finalRoot() external pure returns (bytes32) {
        return ToyMachine.rootOf(later(start(END), 16));
    }

    /// @dev The worst time until the end, whatever the crowd does: docs/dispute.md.
    function drain() external returns (bool) {
        for (uint256 i = 0; i < 400; ++i) {
            (bool finished, , ) = game.result(task);
            if (finished) return true;
            actHonestly();
            vmm.warp(block.timestamp + 1011);
        }
        return false;
    }

    function owedToAll() external view returns (uint256) {
        return
            game.credits(task, ALICE) +
            game.credits(task, BOB) +
            game.credits(task, address(0xdEaD)) +
            game.credits(task, address(this));
    }

    function theGame() external view returns (IDisputeGame) {
        return game;
    }
}
