// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Bracket } from "./Bracket.sol";
import { IDisputeGame } from "./IDisputeGame.sol";
import { ITransition } from "./ITransition.sol";

/// @title Tasks: what is fixed when one is opened, and what there is to see of it.
abstract contract Tasks is Bracket {
    struct Task {
        address opener;
        uint32 grace;
        uint64 maxGasPrice;
        address verifier;
        uint32 proofGas;
        bytes32 initialRoot;
        bytes32 inputs;
        Level[] levels;
    }

    // The most gas that one transaction of a kind is refunded; a proof has the task's limit. What they cost is in
    // testdata/dispute_gas.txt. Each is above that, so that also a busy tournament's are refunded in full.
    uint256 internal constant MOVE_GAS = 110_000;
    uint256 internal constant SEAL_GAS = 450_000;
    /// @dev For all that end a match: a time-out, a refutation, the end of an inner tournament.
    uint256 internal constant END_GAS = 600_000;

    uint256 private constant MAX_LEVELS = 8;
    /// @dev Of the logarithm of the number of steps.
    uint256 private constant MAX_SPAN = 63;

    mapping(bytes32 id => Task) internal tasks;

    /// @inheritdoc IDisputeGame
    mapping(address opener => uint256) public override nonces;

    // ---- to open ----

    /// @inheritdoc IDisputeGame
    function open(TaskParams calldata params) external override unentered returns (bytes32 task) {
        check(params);
        uint256 nonce = nonces[msg.sender];
        nonces[msg.sender] = nonce + 1;
        task = keccak256(abi.encode(block.chainid, address(this), msg.sender, nonce, keccak256(abi.encode(params))));
        Task storage t = tasks[task];
        t.opener = msg.sender;
        t.grace = params.grace;
        t.maxGasPrice = params.maxGasPrice;
        t.verifier = params.verifier;
        t.proofGas = params.proofGas;
        t.initialRoot = params.initialRoot;
        t.inputs = params.inputs;
        for (uint256 i = 0; i < params.levels.length; ++i) {
            t.levels.push(params.levels[i]);
        }
        emit Opened(task, msg.sender, params.verifier, params.initialRoot);
        begin(task, task, 0, task, params.verifier, params.initialRoot);
    }

    /// @dev Each level spans one stride of the level before it, or one delegated step.
    function check(TaskParams calldata params) private view {
        uint256 count = params.levels.length;
        if (count == 0 || count > MAX_LEVELS) revert NoLevels(count);
        if (params.verifier.code.length == 0) revert NoCode(params.verifier);
        for (uint256 i = 0; i < count; ++i) {
            Level calldata level = params.levels[i];
            uint256 span = uint256(level.log2Stride) + level.height;
            bool spans = i == 0 || params.levels[i - 1].log2Stride == 0 || params.levels[i - 1].log2Stride == span;
            bool last = i + 1 < count || level.log2Stride == 0;
            if (level.height == 0 || span > MAX_SPAN || level.allowance == 0 || !spans || !last) revert BadLevel(i);
            uint256 minimum = minimumBond(level.height, params.maxGasPrice, params.proofGas);
            // Refunds have to fit in a Side.
            if (level.bond < minimum || minimum > type(uint64).max) revert BondTooSmall(i, level.bond, minimum);
        }
    }

    /// @inheritdoc IDisputeGame
    function minimumBond(uint8 height, uint64 maxGasPrice, uint32 proofGas) public pure override returns (uint256) {
        uint256 last = proofGas > END_GAS ? proofGas : END_GAS;
        return (uint256(height) * MOVE_GAS + SEAL_GAS + last) * maxGasPrice;
    }

    /// @dev Opens a tournament of that level.
    function begin(
        bytes32 id,
        bytes32 task,
        uint256 level,
        bytes32 context,
        address verifier,
        bytes32 initialRoot
    ) internal {
        Task storage params = tasks[task];
        Level memory shape = params.levels[level];
        Tournament storage t = tournaments[id];
        t.task = task;
        t.context = context;
        t.initialRoot = initialRoot;
        t.verifier = verifier;
        t.openedAt = uint40(block.timestamp);
        t.inner = level != 0;
        t.allowance = shape.allowance;
        t.grace = params.grace;
        t.maxGasPrice = params.maxGasPrice;
        t.bond = shape.bond;
        t.level = uint8(level);
        t.height = shape.height;
        emit TournamentOpened(task, id, uint8(level), verifier, initialRoot);
    }

    /// @inheritdoc IDisputeGame
    function loadLocal(
        bytes32 task,
        Input[] calldata inputs,
        uint256 index,
        bytes calldata value,
        uint256 partOffset
    ) external override exclusive {
        Task storage t = known(task);
        bytes32 list = keccak256(abi.encode(inputs));
        if (list != t.inputs) revert WrongInputs(list, t.inputs);
        Input calldata input = inputs[index];
        if (value.length > 32 || keccak256(value) != input.hash) revert WrongInput(index);
        ITransition(t.verifier).loadLocal(task, input.ident, bytes32(value), value.length, partOffset);
    }

    // ---- to read ----

    /// @inheritdoc IDisputeGame
    function result(bytes32 task) external view override returns (bool finished, bool decided, bytes32 finalRoot) {
        known(task);
        Tournament storage t = tournaments[task];
        finished = t.finished;
        decided = t.winner != 0;
        if (decided) finalRoot = claims[t.winner].finalRoot;
    }

    /// @inheritdoc IDisputeGame
    function taskOf(bytes32 task) external view override returns (TaskView memory) {
        Task storage t = known(task);
        return
            TaskView({
                opener: t.opener,
                initialRoot: t.initialRoot,
                verifier: t.verifier,
                inputs: t.inputs,
                grace: t.grace,
                maxGasPrice: t.maxGasPrice,
                proofGas: t.proofGas,
                levels: t.levels
            });
    }

    /// @inheritdoc IDisputeGame
    function tournamentOf(bytes32 tournament) external view override returns (TournamentView memory) {
        Tournament storage t = tournaments[tournament];
        if (t.task == 0) revert UnknownTournament(tournament);
        return
            TournamentView({
                task: t.task,
                context: t.context,
                inner: t.inner,
                delegated: t.delegated,
                level: t.level,
                initialRoot: t.initialRoot,
                verifier: t.verifier,
                openedAt: t.openedAt,
                joined: t.joined,
                alive: t.alive,
                pot: t.pot,
                lowest: t.lowest,
                finished: t.finished,
                winner: t.winner
            });
    }

    /// @inheritdoc IDisputeGame
    function roundOf(
        bytes32 tournament,
        uint256 round
    ) external view override returns (bytes32 waiting, uint256 running) {
        Round storage r = tournaments[tournament].rounds[round];
        return (r.waiting, r.running);
    }

    /// @inheritdoc IDisputeGame
    function claimOf(bytes32 claim) external view override returns (ClaimView memory) {
        Claim storage c = claims[claim];
        if (c.status == ClaimStatus.None) revert UnknownClaim(claim);
        return
            ClaimView({
                tournament: c.tournament,
                poster: c.poster,
                left: c.left,
                right: c.right,
                finalRoot: c.finalRoot,
                clock: c.clock,
                round: c.round,
                status: c.status,
                side: c.side,
                matchId: c.matchId
            });
    }

    /// @inheritdoc IDisputeGame
    function matchOf(bytes32 matchId) external view override returns (MatchView memory v) {
        Match storage m = matches[matchId];
        Board memory b = m.board;
        if (b.phase == Phase.None) revert WrongPhase(matchId, Phase.None);
        v.tournament = m.tournament;
        v.claims = [m.claimA, m.claimB];
        v.phase = b.phase;
        v.turn = b.turn;
        v.height = b.height;
        v.position = b.position;
        v.lastMove = b.lastMove;
        v.clocks = [b.clockA, b.clockB];
        // A match that ended while it was played has no results.
        if (b.height == 0) {
            v.agreed = m.parent;
            v.results = [m.left, m.right];
        } else {
            v.parent = m.parent;
            v.left = m.left;
            v.right = m.right;
        }
        v.movers = [m.sides[0].mover, m.sides[1].mover];
        v.owed = [uint96(m.sides[0].owed), m.sides[1].owed];
    }

    function known(bytes32 task) private view returns (Task storage t) {
        t = tasks[task];
        if (t.opener == address(0)) revert UnknownTask(task);
    }
}
