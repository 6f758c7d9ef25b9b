// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The dispute game, as others see it: what it takes, what it tells, how it refuses.
/// @notice Rules, reasons and parameters are explained in docs/dispute.md. Times are in seconds, money in wei.
interface IDisputeGame {
    // ---- what a task consists of ----

    /// @notice One level of a task. The claims of its tournaments are histories of 2^height roots, one every
    /// 2^log2Stride steps.
    struct Level {
        uint8 log2Stride;
        uint8 height; // 1 to 63
        uint32 allowance; // time that a claim may take for all its moves in one tournament, in seconds; at least 1
        uint96 bond; // what each claim pays, in wei
    }

    /// @notice Everything that is fixed when a task is opened.
    struct TaskParams {
        bytes32 initialRoot;
        address verifier; // an ITransition, or an IDelegate where levels follow one of stride 1
        bytes32 inputs; // keccak256(abi.encode(Input[])); 0: there are none
        uint32 grace; // time of each turn that is not charged, in seconds
        uint64 maxGasPrice; // refunds pay at most so much for a unit of gas, in wei
        uint32 proofGas; // a proof is refunded at most so much gas
        Level[] levels; // 1 to 8
    }

    /// @notice A local pre-image.
    struct Input {
        uint256 ident;
        bytes32 hash; // keccak256 of its at most 32 bytes
    }

    // ---- what there is to see ----

    enum ClaimStatus {
        None,
        Waiting, // for a rival
        Playing,
        Out,
        Won // its tournament
    }

    enum Phase {
        None,
        Playing, // the side to move opens its node
        Sealed, // one step is disputed; anybody may prove it
        Inner, // an inner tournament, whose id is the match's, decides
        Over
    }

    struct TaskView {
        address opener;
        bytes32 initialRoot;
        address verifier;
        bytes32 inputs;
        uint32 grace;
        uint64 maxGasPrice;
        uint32 proofGas;
        Level[] levels;
    }

    struct TournamentView {
        bytes32 task;
        bytes32 context; // for the verifier; the task's id, or that of a delegated step
        bool inner; // then the tournament's id is that of the match that it decides
        bool delegated; // its machine is that of a delegated step
        uint8 level;
        bytes32 initialRoot;
        address verifier;
        uint40 openedAt; // claims may join before openedAt + the level's allowance
        uint64 joined; // number of claims so far
        uint64 alive; // of these, not out
        uint128 pot; // what is left of lost bonds, in wei
        uint8 lowest; // rounds below are empty for good
        bool finished;
        bytes32 winner; // claim; 0 if there is none
    }

    struct ClaimView {
        bytes32 tournament;
        address poster; // who paid the bond
        bytes32 left; // the commitment's two children
        bytes32 right;
        bytes32 finalRoot; // last leaf
        uint32 clock; // seconds left; while it plays, the match has the current number
        uint8 round;
        ClaimStatus status;
        uint8 side; // in an inner tournament: the result it leads to, 0 that of claim A, 1 that of claim B
        bytes32 matchId; // its match; 0 before the first
    }

    struct MatchView {
        bytes32 tournament;
        bytes32[2] claims; // A, B
        Phase phase;
        uint8 turn; // 0: A moves, 1: B moves; while playing
        uint8 height; // of the node in dispute: 2^height leaves
        uint64 position; // its first leaf; once sealed, the disputed leaf
        uint40 lastMove; // time
        uint32[2] clocks; // seconds left at lastMove
        bytes32 parent; // while playing: the node that the side to move opens
        bytes32 left; // while playing: the children of the other side's node at the same place
        bytes32 right;
        bytes32 agreed; // once sealed: the root before the disputed leaf
        bytes32[2] results; // once sealed: the two claimed roots
        address[2] movers; // who is first in line for refunds of each side
        uint96[2] owed; // refunds not yet credited, in wei
    }

    // ---- what happens ----

    event Opened(bytes32 indexed task, address indexed opener, address verifier, bytes32 initialRoot);
    event TournamentOpened(
        bytes32 indexed task,
        bytes32 indexed tournament,
        uint8 level,
        address verifier,
        bytes32 initialRoot
    );
    event Joined(
        bytes32 indexed tournament,
        bytes32 indexed claim,
        address indexed poster,
        bytes32 left,
        bytes32 right,
        bytes32 finalRoot
    );
    event Paired(bytes32 indexed tournament, bytes32 indexed matchId, bytes32 claimA, bytes32 claimB, uint256 round);
    event Moved(bytes32 indexed matchId, address indexed mover, bytes32 left, bytes32 right);
    event Sealed(
        bytes32 indexed matchId,
        address indexed mover,
        uint64 position,
        bytes32 agreed,
        bytes32 resultA,
        bytes32 resultB
    );
    event Executed(bytes32 indexed context, address indexed verifier, bytes32 pre, bytes32 post);
    event Proven(bytes32 indexed matchId, address indexed prover, bytes32 post);
    event TimedOut(bytes32 indexed matchId, address indexed caller);
    event Refuted(bytes32 indexed claim, address indexed caller, uint64 position, bytes32 post);
    event Out(bytes32 indexed tournament, bytes32 indexed claim);
    event Advanced(bytes32 indexed tournament, bytes32 indexed claim, uint256 round);
    event Finished(bytes32 indexed tournament, bytes32 indexed winner, bytes32 finalRoot);
    event Credited(bytes32 indexed task, address indexed account, uint256 amount);
    event Withdrawn(bytes32 indexed task, address indexed account, uint256 amount);

    // ---- how it refuses ----

    error NoLevels(uint256 count);
    /// @notice Height or allowance is out of range, or the level does not span what it should.
    error BadLevel(uint256 level);
    error BondTooSmall(uint256 level, uint256 bond, uint256 minimum);
    error NoCode(address verifier);
    error UnknownTask(bytes32 task);
    error UnknownTournament(bytes32 tournament);
    error UnknownClaim(bytes32 claim);
    error JoinsOver(bytes32 tournament, uint256 since);
    error JoinsOpen(bytes32 tournament, uint256 until);
    error AlreadyFinished(bytes32 tournament);
    error WrongBond(uint256 got, uint256 want);
    error AlreadyClaimed(bytes32 claim);
    /// @notice The proof does not lead to the commitment.
    error NotInHistory(bytes32 commitment, bytes32 leaf, uint256 index);
    /// @notice An inner tournament is about the two results of its match only.
    error NotContested(bytes32 result);
    /// @notice The tournament is a delegated one, or it is not: the other function to join is to be called.
    error WrongJoin(bytes32 tournament);
    error WrongPhase(bytes32 matchId, Phase phase);
    error WrongHeight(bytes32 matchId, uint8 height);
    error OutOfTime(bytes32 matchId, uint256 since);
    error NotOutOfTime(bytes32 matchId, uint256 until);
    /// @notice The two nodes are not the children of that node.
    error NotChildren(bytes32 parent, bytes32 left, bytes32 right);
    /// @notice Single steps are executed at the last level only.
    error NotLastLevel(bytes32 tournament);
    error WrongBound(uint256 got, uint256 want);
    error NotAlive(bytes32 claim);
    error NotExecuted(bytes32 pre);
    /// @notice The claim has what was executed.
    error NotRefuted(bytes32 claim, uint64 position);
    error NothingToAdvance(bytes32 tournament);
    error StillDisputed(bytes32 tournament, uint256 alive);
    error WrongInputs(bytes32 got, bytes32 want);
    error WrongInput(uint256 index);
    error NothingToWithdraw(bytes32 task, address account);
    error SendFailed(address account, uint256 amount);
    error Reentered();

    // ---- to open ----

    /// @notice Opens a task and its tournament, whose id is the task's. Claims may join from now on.
    /// @return task keccak256(abi.encode(chain id, this contract, caller, number of tasks the caller opened before,
    /// keccak256(abi.encode(params)))). So an id stands for its parameters, also after a reorganisation.
    function open(TaskParams calldata params) external returns (bytes32 task);

    // ---- to play; anybody may act for any claim ----

    /// @notice Posts a claim, with the level's bond.
    /// @param left The two children of the commitment.
    /// @param finalRoot The history's last leaf.
    /// @param proof Its siblings, from the bottom; as many as the level's height.
    function join(
        bytes32 tournament,
        bytes32 left,
        bytes32 right,
        bytes32 finalRoot,
        bytes32[] calldata proof
    ) external payable returns (bytes32 claim);

    /// @notice Posts a claim in the tournament of a delegated step.
    /// @param closeProof What the outer machine's verifier takes to read the step's result off `finalRoot`.
    function joinDelegated(
        bytes32 tournament,
        bytes32 left,
        bytes32 right,
        bytes32 finalRoot,
        bytes32[] calldata proof,
        bytes calldata closeProof
    ) external payable returns (bytes32 claim);

    /// @notice Moves for the side whose turn it is, at height 2 or more.
    /// @param left The children of the match's `parent`.
    /// @param nextLeft The children of that one of the two where the claims differ first: of `left` if it differs from
    /// the match's `left`, else of `right`.
    function move(bytes32 matchId, bytes32 left, bytes32 right, bytes32 nextLeft, bytes32 nextRight) external;

    /// @notice Moves at height 1: settles what the two claims agree on and where they differ first.
    /// @param left The two leaves below the match's `parent`.
    /// @param agreed The leaf before them, where `left` is disputed and is not the history's first. Else it is not
    /// looked at: the root agreed on is `left`, or the tournament's initial root.
    /// @param proof Its siblings in the history of the side to move.
    function seal(bytes32 matchId, bytes32 left, bytes32 right, bytes32 agreed, bytes32[] calldata proof) external;

    /// @notice Executes the disputed step of a sealed match; whoever claimed another result is out.
    function prove(bytes32 matchId, bytes calldata proof) external;

    /// @notice Removes who is out of time. The rival goes on, unproven.
    function timeout(bytes32 matchId) external;

    /// @notice Executes a step and keeps the result for `refute`. Nothing is refunded.
    function execute(bytes32 tournament, bytes32 pre, bytes calldata proof) external returns (bytes32 post);

    /// @notice Removes a claim that contradicts an executed step.
    /// @param position The claim has `pre` before this leaf (as the leaf before, or it is the initial root and `position`
    /// is 0), and `post`, which is not what `pre` was executed to, as this leaf.
    function refute(
        bytes32 claim,
        uint64 position,
        bytes32 pre,
        bytes32[] calldata preProof,
        bytes32 post,
        bytes32[] calldata postProof
    ) external;

    /// @notice Lets claims that wait alone in a round that nobody can enter any more go on to the next ones.
    function advance(bytes32 tournament) external;

    /// @notice Ends a tournament of which at most one claim is left; if it is an inner one, also its match.
    function finish(bytes32 tournament) external;

    /// @notice Hands a part of one of the task's local pre-images to its verifier.
    function loadLocal(
        bytes32 task,
        Input[] calldata inputs,
        uint256 index,
        bytes calldata value,
        uint256 partOffset
    ) external;

    /// @notice Sends an account what the task owes it.
    function withdraw(bytes32 task, address account) external;

    // ---- to read ----

    /// @notice The outcome, for other contracts.
    /// @return finished Whether it is final.
    /// @return decided Whether a claim has won. False also if none has survived.
    /// @return finalRoot The state root at the end of the task.
    function result(bytes32 task) external view returns (bool finished, bool decided, bytes32 finalRoot);

    function taskOf(bytes32 task) external view returns (TaskView memory);
    function tournamentOf(bytes32 tournament) external view returns (TournamentView memory);
    function claimOf(bytes32 claim) external view returns (ClaimView memory);
    function matchOf(bytes32 matchId) external view returns (MatchView memory);

    /// @notice A round of a tournament.
    /// @return waiting The claim that waits in it; 0: none.
    /// @return running How many matches are being played in it.
    function roundOf(bytes32 tournament, uint256 round) external view returns (bytes32 waiting, uint256 running);

    /// @notice What a root was executed to; 0: nothing yet.
    function executed(bytes32 context, address verifier, bytes32 pre) external view returns (bytes32 post);

    /// @notice What an account may withdraw, in wei.
    function credits(bytes32 task, address account) external view returns (uint256);

    /// @notice What came in for a task and has not gone out, in wei.
    function ledger(bytes32 task) external view returns (uint256);

    /// @notice How many tasks an account has opened.
    function nonces(address opener) external view returns (uint256);

    /// @notice The least bond of a level: what all refunds of one match and of its end can come to.
    function minimumBond(uint8 height, uint64 maxGasPrice, uint32 proofGas) external pure returns (uint256);
}
