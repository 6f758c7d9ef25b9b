// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A machine that hashes its value over and over, mixes in one input word, and halts.
library ToyMachine {
    error NotOf(bytes32 root);

    struct State {
        uint64 step;
        uint64 end; // it halts there
        uint64 readAt; // the step that reads the input
        bytes32 value;
    }

    function rootOf(State memory s) internal pure returns (bytes32) {
        return keccak256(abi.encode(s));
    }

    function decode(bytes32 root, bytes calldata proof) internal pure returns (State memory s) {
        s = abi.decode(proof, (State));
        if (proof.length != 128 || rootOf(s) != root) revert NotOf(root);
    }

    function reads(State memory s) internal pure returns (bool) {
        return s.step < s.end && s.step == s.readAt;
    }

    /// @param word The input, looked at only if the step reads it.
    function next(State memory s, bytes32 word) internal pure returns (State memory) {
        if (s.step >= s.end) return s;
        bytes32 value = reads(s) ? keccak256(abi.encode(s.value, word)) : keccak256(abi.encode(s.value));
        return State(s.step + 1, s.end, s.readAt, value);
    }
}
