// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IStep } from "../IStep.sol";
import { BareState } from "./BareState.sol";
import { ITransition } from "./ITransition.sol";

/// @title Steps of a machine with the kernel bare, for the dispute game.
/// @notice Anybody may use it. What a caller loads under a context is read by that caller's transitions of that context
/// only.
contract BareTransition is ITransition {
    /// @notice The state is not that of the root.
    error WrongState(bytes32 root, bytes32 pre);

    /// @notice The verifier of the machine's instruction set.
    IStep public immutable verifier;

    constructor(IStep verifier_) {
        verifier = verifier_;
    }

    /// @inheritdoc ITransition
    /// @param proof abi.encode(stateData, proofData): the state, and the rest of the witness, as `IStep` takes them.
    function transition(bytes32 context, bytes32 pre, bytes calldata proof) external override returns (bytes32 post) {
        (bytes memory stateData, bytes memory proofData) = abi.decode(proof, (bytes, bytes));
        bytes32 root = BareState.rootOf(stateData);
        if (root != pre) revert WrongState(root, pre);
        return verifier.step(stateData, proofData, localContext(msg.sender, context));
    }

    /// @inheritdoc ITransition
    function loadLocal(
        bytes32 context,
        uint256 ident,
        bytes32 word,
        uint256 size,
        uint256 partOffset
    ) external override {
        verifier.oracle().loadLocalData(ident, localContext(msg.sender, context), word, size, partOffset);
    }

    /// @notice The context under which the oracle keeps the local data of a caller's context; the writer is this
    /// contract.
    function localContext(address caller, bytes32 context) public pure returns (bytes32) {
        return keccak256(abi.encode(caller, context));
    }
}
