// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ITransition } from "../../src/dispute/ITransition.sol";
import { ToyMachine } from "./ToyMachine.sol";

/// @title Verifies steps of the toy machine. A proof is the state itself.
contract ToyTransition is ITransition {
    error NotLoaded(uint256 ident);

    uint256 public constant IDENT = 1;

    mapping(address caller => mapping(bytes32 context => mapping(uint256 ident => bytes32))) private words;
    mapping(address caller => mapping(bytes32 context => mapping(uint256 ident => bool))) private loaded;

    function transition(bytes32 context, bytes32 pre, bytes calldata proof) external view override returns (bytes32) {
        ToyMachine.State memory s = ToyMachine.decode(pre, proof);
        if (ToyMachine.reads(s) && !loaded[msg.sender][context][IDENT]) revert NotLoaded(IDENT);
        return ToyMachine.rootOf(ToyMachine.next(s, words[msg.sender][context][IDENT]));
    }

    function loadLocal(bytes32 context, uint256 ident, bytes32 word, uint256, uint256) external override {
        words[msg.sender][context][ident] = word;
        loaded[msg.sender][context][ident] = true;
    }
}
