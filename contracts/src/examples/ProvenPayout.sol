// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { BareState } from "../dispute/BareState.sol";
import { IDisputeGame } from "../dispute/IDisputeGame.sol";

/// @title Pays what a program says.
/// @notice An example of a contract that relies on the dispute game. Somebody locks an amount and names a program, by
/// the root of its first state with its input in it. If the program exits with code 0, the payee gets the number of wei
/// that stands, as 8 bytes big-endian, at the address agreed on; with any other code nothing. The rest goes back.
/// @dev Whoever deals with a payout has to look at what it was opened with: program, verifier, levels. A payout trusts
/// these, and the game.
contract ProvenPayout {
    using BareState for bytes32;

    struct Payout {
        address payer;
        address payee;
        uint128 amount; // wei
        uint64 outputAt; // address in the guest's memory, a multiple of 8
    }

    event Opened(bytes32 indexed task, address indexed payer, address indexed payee, uint256 amount);
    event Paid(bytes32 indexed task, uint256 toPayee, uint256 toPayer);

    error Unknown(bytes32 task);
    error NotFinished(bytes32 task);
    error NoOutput(bytes32 task);
    error HasOutput(bytes32 task);
    error SendFailed(address account, uint256 amount);
    error WrongAmount(uint256 amount);

    IDisputeGame public immutable game;

    mapping(bytes32 task => Payout) public payouts;

    /// @notice What each account may withdraw, in wei.
    mapping(address account => uint256) public owed;

    constructor(IDisputeGame game_) {
        game = game_;
    }

    /// @notice Locks the value sent, and opens the task that decides about it.
    function open(
        IDisputeGame.TaskParams calldata params,
        address payee,
        uint64 outputAt
    ) external payable returns (bytes32 task) {
        if (msg.value > type(uint128).max) revert WrongAmount(msg.value);
        task = game.open(params);
        payouts[task] = Payout(msg.sender, payee, uint128(msg.value), outputAt);
        emit Opened(task, msg.sender, payee, msg.value);
    }

    /// @notice Pays by the output of a program that has exited with code 0.
    /// @param stateData The final state: 188 bytes.
    /// @param leaf The 32 bytes of memory around the output.
    /// @param siblings Their Merkle proof.
    function settle(bytes32 task, bytes calldata stateData, bytes32 leaf, bytes32[] calldata siblings) external {
        Payout memory p = take(task);
        (bool decided, bytes32 root) = outcome(task);
        if (!decided || root.status() != BareState.EXITED_0) revert NoOutput(task);
        uint256 output = root.wordAt(stateData, p.outputAt, leaf, siblings);
        pay(task, p, output < p.amount ? output : p.amount);
    }

    /// @notice Gives everything back if there is no such output: the program exited with another code, has not exited,
    /// or no claim about it has survived.
    function giveBack(bytes32 task) external {
        Payout memory p = take(task);
        (bool decided, bytes32 root) = outcome(task);
        // The status is the first byte of the root: no more of the state is needed for it.
        if (decided && root.status() == BareState.EXITED_0) revert HasOutput(task);
        pay(task, p, 0);
    }

    /// @notice Sends an account what it is owed.
    function withdraw(address account) external {
        uint256 amount = owed[account];
        owed[account] = 0;
        (bool ok, ) = account.call{ value: amount }("");
        if (!ok) revert SendFailed(account, amount);
    }

    function take(bytes32 task) private returns (Payout memory p) {
        p = payouts[task];
        if (p.payer == address(0)) revert Unknown(task);
        delete payouts[task];
    }

    function outcome(bytes32 task) private view returns (bool decided, bytes32 root) {
        bool finished;
        (finished, decided, root) = game.result(task);
        if (!finished) revert NotFinished(task);
    }

    function pay(bytes32 task, Payout memory p, uint256 toPayee) private {
        owed[p.payee] += toPayee;
        owed[p.payer] += p.amount - toPayee;
        emit Paid(task, toPayee, p.amount - toPayee);
    }
}
