// recursion [N]: Fibonacci, Ackermann and the towers of Hanoi, and a recursion 100 N deep with 100 bytes on each level.
#include "bare.h"

// Without these gcc makes loops of some of the calls.
#define RECURSIVE __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

static RECURSIVE unsigned long fibonacci(unsigned long n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static RECURSIVE unsigned long ackermann(unsigned long m, unsigned long n) {
    if (m == 0)
        return n + 1;
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

// hanoi moves the disks from one peg to another; pegs has a bit per disk and peg.
static RECURSIVE unsigned long hanoi(int disks, int from, int to, uint32_t pegs[3]) {
    if (disks == 0)
        return 0;
    int other = 3 - from - to;
    unsigned long moves = hanoi(disks - 1, from, other, pegs);
    uint32_t disk = (uint32_t)1 << (disks - 1);
    if ((pegs[from] & -pegs[from]) != disk || (pegs[to] & (disk - 1)))
        leave(1); // not the top one, or onto a smaller one
    pegs[from] ^= disk;
    pegs[to] ^= disk;
    return moves + 1 + hanoi(disks - 1, other, to, pegs);
}

static RECURSIVE unsigned long deep(unsigned long depth) {
    volatile unsigned char bytes[100];
    bytes[depth % sizeof bytes] = (unsigned char)depth;
    unsigned long below = depth == 0 ? 0 : deep(depth - 1);
    return below + bytes[depth % sizeof bytes];
}

int main(int argc, char **argv) {
    unsigned long n = number(argc, argv, 1, 12);
    if (n < 1 || n > 30)
        return 1;
    line("fibonacci", fibonacci(n));
    line("ackermann", ackermann(2, n));
    uint32_t pegs[3] = {((uint32_t)1 << n) - 1, 0, 0};
    line("hanoi", hanoi((int)n, 0, 2, pegs));
    line("deep", deep(100 * n));
    return pegs[2] == ((uint32_t)1 << n) - 1 ? 0 : 1;
}
