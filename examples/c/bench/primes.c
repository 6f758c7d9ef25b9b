// primes: the sieve of Eratosthenes, and the longest Collatz sequence. Arithmetic and branches.
#include "size.h"

enum { LIMIT = SIZE(4000000, 400000), STARTS = SIZE(280000, 32000) };

static unsigned char composite[LIMIT];

static uint32_t count_primes(void) {
    uint32_t count = 0;
    for (uint32_t n = 2; n < LIMIT; n++)
        composite[n] = 0;
    for (uint32_t n = 2; n < LIMIT; n++) {
        if (composite[n])
            continue;
        count++;
        for (uint32_t multiple = 2 * n; multiple < LIMIT; multiple += n)
            composite[multiple] = 1;
    }
    return count;
}

// The numbers stay below 2^32 for starts below 159,487, and further up wrap alike on all machines.
static uint32_t collatz(uint32_t n) {
    uint32_t steps = 0;
    while (n > 1 && steps < 1000) {
        n = n % 2 ? 3 * n + 1 : n / 2;
        steps++;
    }
    return steps;
}

int main(void) {
    uint32_t primes = 0, longest = 0, sum = 0;
    for (int i = 0; i < REPEAT; i++) {
        primes += count_primes();
        for (uint32_t n = 1; n < STARTS; n++) {
            uint32_t steps = collatz(n);
            sum += steps;
            if (steps > longest)
                longest = steps;
        }
    }
    line("primes", primes);
    line("longest", longest);
    line("sum", sum);
    return 0;
}
