// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A verifier that hands a step to another machine.
/// @notice A step that is too large for a contract becomes a run of another machine, about which an inner tournament is
/// held. Both functions must be functions of their arguments: asked again, they give the same answer.
interface IDelegate {
    /// @notice Begins the run that stands for one step.
    /// @param context Identifies the step: the hash of the outer machine's context and of `pre`. The verifier returned
    /// gets it with each transition, so what depends on the step may be kept under it.
    /// @param pre The state root before the step.
    /// @return initialRoot The root of the other machine's first state.
    /// @return verifier What verifies the other machine's steps.
    /// @return log2Bound The run has ended after 2^log2Bound steps at the latest. The game reverts if it is not what
    /// the task's next level spans.
    function open(
        bytes32 context,
        bytes32 pre
    ) external returns (bytes32 initialRoot, address verifier, uint8 log2Bound);

    /// @notice Reads the result of the step off the end of the run. Reverts if the proof is not one of `finalRoot`.
    /// @param context As in `open`.
    /// @param finalRoot The root of the other machine's last state.
    /// @param proof What opens it, in the verifier's own form.
    /// @return post The state root after the step.
    function close(bytes32 context, bytes32 finalRoot, bytes calldata proof) external returns (bytes32 post);
}
