// keccak: the permutation keccak-f[1600], FIPS 202, again and again. Rotations of 64-bit words.
#include "size.h"

enum { PERMUTATIONS = REPEAT * SIZE(50000, 5000) };

static inline uint64_t rotate(uint64_t x, unsigned n) { return x << (n & 63) | x >> (-n & 63); }

static const uint64_t constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
    0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

// The loops over x are written out, as fast code has them and gcc -O2 would not do.
#define PARITY(x) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]
#define MIX(x) d[x] = c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1)
#define MOVE(x, y, n) b[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(a[x + 5 * y] ^ d[x], n)
#define LANE(x, y) a[x + 5 * y] = b[x + 5 * y] ^ (~b[(x + 1) % 5 + 5 * y] & b[(x + 2) % 5 + 5 * y])
#define ROW(y) LANE(0, y), LANE(1, y), LANE(2, y), LANE(3, y), LANE(4, y)

static void keccak_f(uint64_t a[25]) {
    uint64_t b[25], c[5], d[5];
    for (int round = 0; round < 24; round++) {
        PARITY(0), PARITY(1), PARITY(2), PARITY(3), PARITY(4);
        MIX(0), MIX(1), MIX(2), MIX(3), MIX(4);
        MOVE(0, 0, 0), MOVE(1, 0, 1), MOVE(2, 0, 62), MOVE(3, 0, 28), MOVE(4, 0, 27);
        MOVE(0, 1, 36), MOVE(1, 1, 44), MOVE(2, 1, 6), MOVE(3, 1, 55), MOVE(4, 1, 20);
        MOVE(0, 2, 3), MOVE(1, 2, 10), MOVE(2, 2, 43), MOVE(3, 2, 25), MOVE(4, 2, 39);
        MOVE(0, 3, 41), MOVE(1, 3, 45), MOVE(2, 3, 15), MOVE(3, 3, 21), MOVE(4, 3, 8);
        MOVE(0, 4, 18), MOVE(1, 4, 2), MOVE(2, 4, 61), MOVE(3, 4, 56), MOVE(4, 4, 14);
        ROW(0);
        ROW(1);
        ROW(2);
        ROW(3);
        ROW(4);
        a[0] ^= constants[round];
    }
}

int main(void) {
    uint64_t state[25] = {0};
    keccak_f(state);
    print_hex64(state[0]); // f1258f7940e1dde7, the first lane of the permutation of zeros
    print("\n");
    for (int i = 1; i < PERMUTATIONS; i++)
        keccak_f(state);
    print_hex64(state[0]);
    print("\n");
    return 0;
}
