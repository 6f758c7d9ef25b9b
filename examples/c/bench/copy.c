// copy: copies and compares memory, word by word and byte by byte, and takes its CRC-32. Loads and stores in short loops.
#include "size.h"

enum { BYTES = 1 << 18, ROUNDS = REPEAT * SIZE(100, 10) };

static _Alignas(16) unsigned char from[BYTES], to[BYTES];
static uint32_t table[256];

static void make_table(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t c = n;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
        table[n] = c;
    }
}

static uint32_t crc32(const unsigned char *p, size_t count) {
    uint32_t c = 0xffffffff;
    while (count-- > 0)
        c = c >> 8 ^ table[(c ^ *p++) & 0xff];
    return ~c;
}

// Without this attribute gcc calls the C library, where there is one, or takes vectors.
#define PLAIN __attribute__((noinline, optimize("no-tree-loop-distribute-patterns", "no-tree-vectorize")))

static PLAIN void copy_words(unsigned long *t, const unsigned long *f, size_t count) {
    while (count-- > 0)
        *t++ = *f++;
}

static PLAIN void copy_bytes(unsigned char *t, const unsigned char *f, size_t count) {
    while (count-- > 0)
        *t++ = *f++;
}

static PLAIN size_t equal_bytes(const unsigned char *a, const unsigned char *b, size_t count) {
    size_t i = 0;
    while (i < count && a[i] == b[i])
        i++;
    return i;
}

int main(void) {
    make_table();
    uint64_t seed = 88172645463325252;
    for (size_t i = 0; i < BYTES; i++)
        from[i] = (unsigned char)(random64(&seed) >> 32);
    uint32_t sum = 0, equal = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        from[round * 997 % BYTES] ^= 1;
        copy_words((unsigned long *)to, (const unsigned long *)from, BYTES / sizeof(unsigned long));
        to[round * 1999 % BYTES] ^= 0x80;
        equal += equal_bytes(to, from, BYTES);
        copy_bytes(to, from + BYTES / 2, BYTES / 2);
        sum = sum * 31 + crc32(to, BYTES);
    }
    line("equal", equal);
    line("sum", sum);
    return 0;
}
