// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IDisputeGame } from "./IDisputeGame.sol";

/// @title The game's money: one ledger per task, paid out on demand.
/// @dev Everything credited for a task comes out of bonds paid for that task. The contract's balance is never read, so
/// coins that were forced on it change nothing.
abstract contract Ledger is IDisputeGame {
    /// @dev What is credited to it is lost: nobody has its key.
    address internal constant BURNT = 0x000000000000000000000000000000000000dEaD;

    // What refunds assume a transaction to cost beside what runs between its first opcode and its refund.
    uint256 private constant TRANSACTION_GAS = 21_000;
    uint256 private constant CALLDATA_GAS = 16; // per byte; EIP-2028's for one that is not zero
    /// @dev What a proposer may get on top of the base fee out of somebody else's bond, in wei per gas.
    uint256 private constant MAX_TIP = 2 gwei;

    /// @inheritdoc IDisputeGame
    mapping(bytes32 task => mapping(address account => uint256)) public override credits;

    /// @inheritdoc IDisputeGame
    mapping(bytes32 task => uint256) public override ledger;

    bool private transient entered;

    /// @dev For functions that call out. No state of the game can change below them.
    modifier exclusive() {
        if (entered) revert Reentered();
        entered = true;
        _;
        entered = false;
    }

    /// @dev For functions that change the state and do not call out.
    modifier unentered() {
        if (entered) revert Reentered();
        _;
    }

    /// @inheritdoc IDisputeGame
    function withdraw(bytes32 task, address account) external override exclusive {
        uint256 amount = credits[task][account];
        if (amount == 0) revert NothingToWithdraw(task, account);
        credits[task][account] = 0;
        ledger[task] -= amount;
        emit Withdrawn(task, account, amount);
        bool ok;
        assembly ("memory-safe") {
            // Not Solidity's call: that would copy whatever the account returns.
            ok := call(gas(), account, amount, 0, 0, 0, 0)
        }
        if (!ok) revert SendFailed(account, amount);
    }

    function credit(bytes32 task, address account, uint256 amount) internal {
        if (amount == 0) return;
        credits[task][account] += amount;
        emit Credited(task, account, amount);
    }

    /// @dev What a transaction is refunded, in wei.
    /// @param gasBefore What was left of its gas at the beginning.
    /// @param rest What it will still take, in gas.
    /// @param cap In gas.
    /// @param maxGasPrice In wei.
    function refundOf(
        uint256 gasBefore,
        uint256 rest,
        uint256 cap,
        uint256 maxGasPrice
    ) internal view returns (uint256) {
        uint256 spent = gasBefore - gasleft() + rest + TRANSACTION_GAS + CALLDATA_GAS * msg.data.length;
        uint256 price = block.basefee + MAX_TIP;
        if (tx.gasprice < price) price = tx.gasprice;
        if (maxGasPrice < price) price = maxGasPrice;
        return (spent < cap ? spent : cap) * price;
    }
}
