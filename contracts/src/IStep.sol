// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IPreimageOracle } from "./IPreimageOracle.sol";

/// @title One step of a machine.
/// @notice Re-executes one step from a witness. The signature is the OP Stack's `IBigStepper`, so that a verifier can
/// stand behind that stack's dispute game.
interface IStep {
    /// @notice Computes the state hash after one step.
    /// @param stateData The packed state before the step.
    /// @param proof The rest of the witness, as the machine lays it out.
    /// @param localContext Tells the local pre-images of one task of the caller from those of another.
    /// @return postState The state hash after the step; its first byte is the status.
    function step(
        bytes calldata stateData,
        bytes calldata proof,
        bytes32 localContext
    ) external returns (bytes32 postState);

    /// @notice Where pre-images are read.
    function oracle() external view returns (IPreimageOracle);
}
