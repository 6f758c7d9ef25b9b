// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { History } from "../../src/dispute/History.sol";
import { IDisputeGame } from "../../src/dispute/IDisputeGame.sol";
import { T } from "../T.sol";
import { ToyMachine } from "./ToyMachine.sol";
import { ToyTransition } from "./ToyTransition.sol";

/// @dev More of forge's cheat codes.
interface VmMore {
    function warp(uint256 time) external;
    function deal(address account, uint256 amount) external;
    function prank(address sender) external;
    function fee(uint256 baseFee) external;
    function txGasPrice(uint256 price) external;
    function expectRevert(bytes calldata data) external;
    function expectRevert() external;
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
}

/// @title Histories, and the moves that follow from them.
/// @notice A history is the array of its 2^h leaves. All that a player sends follows from it and from what the game
/// shows.
abstract contract Fixture is T {
    VmMore internal constant vmm = VmMore(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    uint32 internal constant GRACE = 10;
    uint64 internal constant PRICE = 100 gwei;
    uint32 internal constant PROOF_GAS = 600_000;

    IDisputeGame internal game;
    ToyTransition internal toy;

    address internal constant ALICE = address(0xa11ce);
    address internal constant BOB = address(0xb0b);
    address internal constant CAROL = address(0xca401);

    function setUp() public virtual {
        game = IDisputeGame(deploy("DisputeGame"));
        toy = new ToyTransition();
        vmm.warp(1_000_000);
        for (uint160 i = 0; i < 3; ++i) {
            vmm.deal([ALICE, BOB, CAROL][i], 1_000_000 ether);
        }
    }

    /// @dev Deploys what is committed, so that it is this that is tested and measured.
    function deploy(string memory name) internal returns (address made) {
        string memory file = vmm.readFile(string.concat("artifacts/", name, ".json"));
        bytes memory code = vmm.parseJsonBytes(file, ".bytecode");
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        if (made == address(0)) revert Differs("not deployed");
    }

    // ---- tasks ----

    function level(uint8 log2Stride, uint8 height) internal view returns (IDisputeGame.Level memory) {
        uint256 bond = game.minimumBond(height, PRICE, PROOF_GAS);
        return IDisputeGame.Level(log2Stride, height, 1000, uint96(bond));
    }

    function one(IDisputeGame.Level memory a) internal pure returns (IDisputeGame.Level[] memory levels) {
        levels = new IDisputeGame.Level[](1);
        levels[0] = a;
    }

    function two(
        IDisputeGame.Level memory a,
        IDisputeGame.Level memory b
    ) internal pure returns (IDisputeGame.Level[] memory levels) {
        levels = new IDisputeGame.Level[](2);
        (levels[0], levels[1]) = (a, b);
    }

    function params(
        bytes32 root,
        address verifier,
        IDisputeGame.Level[] memory levels
    ) internal pure returns (IDisputeGame.TaskParams memory) {
        return IDisputeGame.TaskParams(root, verifier, 0, GRACE, PRICE, PROOF_GAS, levels);
    }

    function start(uint64 end) internal pure returns (ToyMachine.State memory) {
        return ToyMachine.State(0, end, type(uint64).max, "start");
    }

    /// @dev A task of the toy machine that halts after `end` steps.
    function openToy(uint64 end, IDisputeGame.Level[] memory levels) internal returns (bytes32) {
        return game.open(params(ToyMachine.rootOf(start(end)), address(toy), levels));
    }

    // ---- histories ----

    /// @dev The true history of the toy machine from that state on.
    function truth(
        ToyMachine.State memory s,
        uint256 log2Stride,
        uint256 height
    ) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](1 << height);
        for (uint256 i = 0; i < leaves.length; ++i) {
            for (uint256 k = 0; k < 1 << log2Stride; ++k) {
                s = ToyMachine.next(s, 0);
            }
            leaves[i] = ToyMachine.rootOf(s);
        }
    }

    /// @dev Some steps later.
    function later(ToyMachine.State memory s, uint256 count) internal pure returns (ToyMachine.State memory) {
        for (uint256 i = 0; i < count; ++i) {
            s = ToyMachine.next(s, 0);
        }
        return s;
    }

    /// @dev The same up to `from`, and something else from there on.
    function lie(bytes32[] memory leaves, uint256 from, uint256 salt) internal pure returns (bytes32[] memory out) {
        out = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            out[i] = i < from ? leaves[i] : keccak256(abi.encode(leaves[i], salt));
        }
    }

    function log2(uint256 n) internal pure returns (uint256 h) {
        while (1 << h < n) ++h;
    }

    /// @dev The root of the 2^height leaves from `first` on.
    function nodeAt(bytes32[] memory leaves, uint256 first, uint256 height) internal pure returns (bytes32) {
        if (height == 0) return leaves[first];
        return History.node(nodeAt(leaves, first, height - 1), nodeAt(leaves, first + (1 << (height - 1)), height - 1));
    }

    function children(
        bytes32[] memory leaves,
        uint256 first,
        uint256 height
    ) internal pure returns (bytes32 left, bytes32 right) {
        left = nodeAt(leaves, first, height - 1);
        right = nodeAt(leaves, first + (1 << (height - 1)), height - 1);
    }

    function proofOf(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory proof) {
        uint256 height = log2(leaves.length);
        proof = new bytes32[](height);
        for (uint256 i = 0; i < height; ++i) {
            proof[i] = nodeAt(leaves, ((index >> i) ^ 1) << i, i);
        }
    }

    function commitment(bytes32[] memory leaves) internal pure returns (bytes32) {
        return nodeAt(leaves, 0, log2(leaves.length));
    }

    function claimId(bytes32 tournament, bytes32[] memory leaves) internal pure returns (bytes32) {
        return History.node(tournament, commitment(leaves));
    }

    // ---- play ----

    function bondOf(bytes32 tournament) internal view returns (uint256) {
        IDisputeGame.TournamentView memory t = game.tournamentOf(tournament);
        return game.taskOf(t.task).levels[t.level].bond;
    }

    function join(address who, bytes32 tournament, bytes32[] memory leaves) internal returns (bytes32) {
        uint256 bond = bondOf(tournament);
        (bytes32 l, bytes32 r) = children(leaves, 0, log2(leaves.length));
        bytes32[] memory proof = proofOf(leaves, leaves.length - 1);
        vmm.prank(who);
        return game.join{ value: bond }(tournament, l, r, leaves[leaves.length - 1], proof);
    }

    /// @dev The move, or the seal, that the history of the side to move dictates.
    function play(address who, bytes32 matchId, bytes32[] memory leaves) internal {
        IDisputeGame.MatchView memory m = game.matchOf(matchId);
        uint256 first = m.position;
        (bytes32 l, bytes32 r) = children(leaves, first, m.height);
        if (m.height == 1) {
            bool prior = l != m.left && first > 0;
            bytes32[] memory proof = prior ? proofOf(leaves, first - 1) : new bytes32[](0);
            vmm.prank(who);
            game.seal(matchId, l, r, prior ? leaves[first - 1] : bytes32(0), proof);
        } else {
            if (l == m.left) first += 1 << (m.height - 1);
            (bytes32 ll, bytes32 lr) = children(leaves, first, m.height - 1);
            vmm.prank(who);
            game.move(matchId, l, r, ll, lr);
        }
    }

    /// @dev Both sides in turn, until the match is sealed.
    function playOut(bytes32 matchId, bytes32[] memory a, bytes32[] memory b) internal {
        IDisputeGame.MatchView memory m = game.matchOf(matchId);
        while (m.phase == IDisputeGame.Phase.Playing) {
            address who = game.claimOf(m.claims[m.turn]).poster;
            play(who, matchId, m.turn == 0 ? a : b);
            m = game.matchOf(matchId);
        }
    }

    function closeJoins(bytes32 tournament) internal {
        IDisputeGame.TournamentView memory t = game.tournamentOf(tournament);
        uint256 over = uint256(t.openedAt) + game.taskOf(t.task).levels[t.level].allowance;
        if (block.timestamp < over) vmm.warp(over);
    }

    function assertStatus(bytes32 claim, IDisputeGame.ClaimStatus want, string memory what) internal {
        assertEq(uint256(game.claimOf(claim).status), uint256(want), what);
    }

    function assertResult(bytes32 task, bytes32 want) internal {
        (bool finished, bool decided, bytes32 root) = game.result(task);
        if (!finished) revert Differs("not finished");
        assertEq(decided ? 1 : 0, want == 0 ? 0 : 1, "decided");
        assertEq(root, want, "final root");
    }
}
