// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IDelegate } from "../../src/dispute/IDelegate.sol";
import { ITransition } from "../../src/dispute/ITransition.sol";
import { ToyMachine } from "./ToyMachine.sol";

/// @title Hands a step of an outer machine to a run of the toy machine.
/// @notice The outer machine's step turns a root r into keccak256 of the value with which the toy machine halts after
/// `end` steps, having read r as its input at its first. So all runs begin in one state, and only the context tells
/// their steps apart.
contract ToyDelegate is IDelegate, ITransition {
    error NotOpen(bytes32 context);
    error Running(uint64 step);

    uint8 public immutable log2Bound;
    uint64 public immutable end;

    mapping(address caller => mapping(bytes32 context => bytes32)) private inputs;

    constructor(uint8 log2Bound_, uint64 end_) {
        log2Bound = log2Bound_;
        end = end_;
    }

    function open(bytes32 context, bytes32 pre) external override returns (bytes32, address, uint8) {
        inputs[msg.sender][context] = pre;
        return (ToyMachine.rootOf(ToyMachine.State(0, end, 0, 0)), address(this), log2Bound);
    }

    function close(bytes32, bytes32 finalRoot, bytes calldata proof) external pure override returns (bytes32) {
        ToyMachine.State memory s = ToyMachine.decode(finalRoot, proof);
        if (s.step < s.end) revert Running(s.step);
        return keccak256(abi.encode(s.value));
    }

    function transition(bytes32 context, bytes32 pre, bytes calldata proof) external view override returns (bytes32) {
        bytes32 input = inputs[msg.sender][context];
        if (input == 0) revert NotOpen(context);
        return ToyMachine.rootOf(ToyMachine.next(ToyMachine.decode(pre, proof), input));
    }

    function loadLocal(bytes32, uint256, bytes32, uint256, uint256) external override {}
}
