// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev What the tests need of forge's cheat codes.
interface Vm {
    function prank(address sender) external;
    function expectRevert(bytes calldata data) external;
    function assume(bool condition) external pure;
}

/// @title What the tests have in common.
abstract contract T {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    /// @dev forge prints these with -vv.
    event log_named_uint(string name, uint256 value);
    event log_named_bytes32(string name, bytes32 value);

    error Differs(string what);

    function assertEq(uint256 got, uint256 want, string memory what) internal {
        if (got == want) return;
        emit log_named_uint("got", got);
        emit log_named_uint("want", want);
        revert Differs(what);
    }

    function assertEq(bytes32 got, bytes32 want, string memory what) internal {
        if (got == want) return;
        emit log_named_bytes32("got", got);
        emit log_named_bytes32("want", want);
        revert Differs(what);
    }

    /// @dev `length` bytes that depend on `seed`.
    function someBytes(uint256 seed, uint256 length) internal pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; i += 32) {
            bytes32 word = keccak256(abi.encode(seed, i));
            for (uint256 k = 0; k < 32 && i + k < length; ++k) {
                data[i + k] = word[k];
            }
        }
    }

    /// @dev data[from:to].
    function slice(bytes memory data, uint256 from, uint256 to) internal pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) {
            part[i - from] = data[i];
        }
    }
}
