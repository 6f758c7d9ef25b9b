// The part of every verifier that is written by hand: what ir has no words for. It is Yul, to be put into the
// assembly block of an emitted contract, whose constants it uses. Specification: docs/base-machine.md.
//
// A machine is unpacked into memory: one word per cell from CELLS on. The thread stack of the running thread
// is kept without it; RUNNING says whether the thread is to be pushed back at the end.

function malformed(reason) {
    mstore(0, shl(224, 0x45ef4133)) // Malformed(uint256)
    mstore(4, reason)
    revert(0, 36)
}

// ---- state and threads ----

// unpackState reads the 188 bytes of a state. SIZES holds a byte per scalar cell: how many bytes it has.
function unpackState(from) {
    mstore(MEMORY_ROOT, calldataload(from))
    mstore(KEY, calldataload(add(from, 32)))
    let at := add(from, 64)
    let cell := SCALARS
    for { let sizes := SIZES } sizes { sizes := shr(8, sizes) } {
        let size := and(sizes, 0xff)
        mstore(cell, shr(sub(256, shl(3, size)), calldataload(at)))
        at := add(at, size)
        cell := add(cell, 32)
    }
    mstore(STACKS, calldataload(at))
    mstore(add(STACKS, 32), calldataload(add(at, 32)))
    mstore(NEXT_THREAD, shr(192, calldataload(add(at, 64))))
    if or(gt(mload(EXITED), 1), gt(mload(TRAVERSE_RIGHT), 1)) { malformed(3) }
}

// packState gives the state hash: keccak-256 with the first byte replaced by the status.
function packState() -> hash {
    if mload(RUNNING) { pushThread() }
    mstore(BUFFER, mload(MEMORY_ROOT))
    mstore(add(BUFFER, 32), mload(KEY))
    let at := add(BUFFER, 64)
    let cell := SCALARS
    for { let sizes := SIZES } sizes { sizes := shr(8, sizes) } {
        let size := and(sizes, 0xff)
        mstore(at, shl(sub(256, shl(3, size)), mload(cell)))
        at := add(at, size)
        cell := add(cell, 32)
    }
    mstore(at, mload(STACKS))
    mstore(add(at, 32), mload(add(STACKS, 32)))
    mstore(add(at, 64), shl(192, mload(NEXT_THREAD)))
    hash := keccak256(BUFFER, STATE_SIZE)
    let status := 3
    if mload(EXITED) {
        status := mload(EXIT_CODE)
        if gt(status, 2) { status := 2 }
    }
    hash := or(shr(8, shl(8, hash)), shl(248, status))
}

// unpackThread reads the running thread, and checks that it is the top of the active stack.
function unpackThread(from) {
    calldatacopy(BUFFER, from, THREAD_SIZE)
    let under := calldataload(add(from, THREAD_SIZE))
    let stack := active()
    if iszero(eq(pushed(under, keccak256(BUFFER, THREAD_SIZE)), mload(stack))) { malformed(4) }
    mstore(stack, under)
    mstore(RUNNING, 1)
    mstore(THREAD_ID, shr(192, calldataload(from)))
    mstore(THREAD_EXIT, byte(0, calldataload(add(from, 8))))
    mstore(THREAD_EXITED, byte(0, calldataload(add(from, 9))))
    let at := add(from, 10)
    for { let cell := PC } lt(cell, THREAD_END) { cell := add(cell, 32) } {
        mstore(cell, shr(192, calldataload(at)))
        at := add(at, 8)
    }
    for { let cell := CELLS } lt(cell, PC) { cell := add(cell, 32) } {
        mstore(cell, shr(192, calldataload(at)))
        at := add(at, 8)
    }
    if or(gt(mload(THREAD_EXITED), 1), gt(mload(CELLS), 0)) { malformed(3) }
}

// threadHash is the hash of the running thread's encoding.
function threadHash() -> hash {
    mstore(CELLS, 0) // the register that reads as zero may have been written
    mstore(BUFFER, shl(192, mload(THREAD_ID)))
    mstore8(add(BUFFER, 8), mload(THREAD_EXIT))
    mstore8(add(BUFFER, 9), mload(THREAD_EXITED))
    let at := add(BUFFER, 10)
    for { let cell := PC } lt(cell, THREAD_END) { cell := add(cell, 32) } {
        mstore(at, shl(192, mload(cell)))
        at := add(at, 8)
    }
    for { let cell := CELLS } lt(cell, PC) { cell := add(cell, 32) } {
        mstore(at, shl(192, mload(cell)))
        at := add(at, 8)
    }
    hash := keccak256(BUFFER, THREAD_SIZE)
}

function pushed(stack, thread) -> root {
    mstore(0, stack)
    mstore(32, thread)
    root := keccak256(0, 64)
}

function active() -> slot { slot := add(STACKS, shl(5, mload(TRAVERSE_RIGHT))) }
function other() -> slot { slot := add(STACKS, shl(5, iszero(mload(TRAVERSE_RIGHT)))) }

// park pushes the running thread on a stack.
function park(slot) { mstore(slot, pushed(mload(slot), threadHash())) }
function pushThread() { park(active()) }
function popThread() { mstore(RUNNING, 0) }
function moveThread() {
    park(other())
    mstore(RUNNING, 0)
}

function activeEmpty() -> yes { yes := eq(mload(active()), EMPTY_STACK) }
function lastThread() -> yes { yes := and(activeEmpty(), eq(mload(other()), EMPTY_STACK)) }

// ---- registers ----

function reg(i) -> v { v := mload(add(CELLS, shl(5, i))) }
function setReg(i, v) { mstore(add(CELLS, shl(5, i)), v) }

// ---- memory ----

// openLeaf makes the leaf of an address the open one: its proof is the next of the witness.
function openLeaf(addr) {
    let leaf := shr(5, addr)
    if eq(leaf, mload(OPEN_LEAF)) { leave }
    let at := mload(NEXT_PROOF)
    let end := proofEnd(at)
    if gt(end, mload(WITNESS_END)) { malformed(2) }
    let value := calldataload(at)
    if iszero(eq(climb(value, at, addr), mload(MEMORY_ROOT))) { malformed(5) }
    mstore(NEXT_PROOF, end)
    mstore(OPEN_LEAF, leaf)
    mstore(OPEN_PROOF, at)
    mstore(OPEN_VALUE, value)
}

// writeLeaf changes the open leaf, and with it the root.
function writeLeaf(value) {
    mstore(OPEN_VALUE, value)
    mstore(MEMORY_ROOT, climb(value, mload(OPEN_PROOF), shl(5, mload(OPEN_LEAF))))
}

// loadBig reads a big-endian number within a leaf.
function loadBig(addr, size) -> v {
    openLeaf(addr)
    v := shr(sub(256, shl(3, size)), shl(shl(3, and(addr, 31)), mload(OPEN_VALUE)))
}

function storeBig(addr, size, v) {
    openLeaf(addr)
    let shift := sub(256, shl(3, add(and(addr, 31), size)))
    let mask := shl(shift, sub(shl(shl(3, size), 1), 1))
    forget(addr)
    writeLeaf(or(and(mload(OPEN_VALUE), not(mask)), and(shl(shift, v), mask)))
}

// loadLittle reads a little-endian number, which may go on in the next leaf.
function loadLittle(addr, size) -> v {
    openLeaf(addr)
    let word := shl(shl(3, and(addr, 31)), mload(OPEN_VALUE))
    let have := sub(32, and(addr, 31))
    if lt(have, size) {
        openLeaf(and(add(addr, have), ADDRESSES))
        word := or(word, shr(shl(3, have), mload(OPEN_VALUE)))
    }
    v := and(swap(shr(192, word)), sub(shl(shl(3, size), 1), 1))
}

function storeLittle(addr, size, v) {
    let word := shl(192, swap(v))
    let mask := not(shr(shl(3, size), not(0)))
    let at := shl(3, and(addr, 31))
    let have := sub(32, and(addr, 31))
    openLeaf(addr)
    forget(addr)
    patch(shr(at, mask), shr(at, word))
    if lt(have, size) {
        openLeaf(and(add(addr, have), ADDRESSES))
        patch(shl(shl(3, have), mask), shl(shl(3, have), word))
    }
    if lt(sub(8, and(addr, 7)), size) { forget(and(add(addr, sub(size, 1)), ADDRESSES)) }
}

function patch(mask, word) { writeLeaf(or(and(mload(OPEN_VALUE), not(mask)), and(word, mask))) }

// forget drops the reservation when its aligned 8 bytes are written.
function forget(addr) {
    if and(eq(shr(3, addr), shr(3, mload(RESERVATION_ADDRESS))), gt(mload(RESERVATION_STATUS), 0)) {
        mstore(RESERVATION_STATUS, 0)
        mstore(RESERVATION_ADDRESS, 0)
        mstore(RESERVATION_OWNER, 0)
    }
}

// ---- pre-images ----

// keyAppend shifts the key left by n bytes and appends the low n bytes of v.
function keyAppend(n, v) {
    let bits := shl(3, n)
    mstore(KEY, or(shl(bits, mload(KEY)), and(v, sub(shl(bits, 1), 1))))
}

// oracleWord reads 8 bytes of the pre-image. A local key is bound to the caller and its task, so that nobody
// else can have written it: keccak-256 of key, caller and context, with the type byte 1.
function oracleWord(offset) -> word {
    let key := mload(KEY)
    if eq(byte(0, key), 1) {
        mstore(BUFFER, key)
        mstore(add(BUFFER, 32), caller())
        mstore(add(BUFFER, 64), mload(CONTEXT))
        key := or(shr(8, shl(8, keccak256(BUFFER, 96))), shl(248, 1))
    }
    mstore(BUFFER, shl(224, 0xe03110e1)) // readPreimage(bytes32,uint256)
    mstore(add(BUFFER, 4), key)
    mstore(add(BUFFER, 36), offset)
    if iszero(staticcall(gas(), mload(ORACLE), BUFFER, 68, BUFFER, 64)) {
        returndatacopy(0, 0, returndatasize())
        revert(0, returndatasize())
    }
    if lt(returndatasize(), 64) { malformed(6) }
    word := shr(192, mload(BUFFER))
    let count := mload(add(BUFFER, 32))
    if gt(count, 8) { count := 8 }
    mstore(ORACLE_COUNT, count)
}
