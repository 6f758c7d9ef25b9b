// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A verifier of single steps, as the dispute game asks for it.
/// @notice The game knows nothing of a machine but this. What a task's verifier answers is the truth of that task, and
/// of no other.
interface ITransition {
    /// @notice Executes one step.
    /// @param context Tells what the verifier keeps for one task of the caller from what it keeps for another.
    /// @param pre The state root before the step.
    /// @param proof The witness, in the verifier's own form. The call reverts if it is not one of `pre`.
    /// @return post The state root after the step.
    function transition(bytes32 context, bytes32 pre, bytes calldata proof) external returns (bytes32 post);

    /// @notice Stores a part of a local pre-image, to be read by transitions of the same caller and context.
    /// @param context As in `transition`.
    /// @param ident Identifies the data.
    /// @param word The data, left-aligned.
    /// @param size Their length in bytes, at most 32.
    /// @param partOffset Where the part begins in the value: see `IPreimageOracle`.
    function loadLocal(bytes32 context, uint256 ident, bytes32 word, uint256 size, uint256 partOffset) external;
}
