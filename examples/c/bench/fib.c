// fib: Fibonacci numbers by recursion. Calls and returns.
#include "size.h"

// Without these gcc makes a loop of one call and copies the other into itself.
static __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls", "no-inline"))) uint32_t fib(uint32_t n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

// No compiler knows what is in here, so none leaves out a call whose result it has already.
static volatile uint32_t n = SIZE(35, 30);

int main(void) {
    uint32_t sum = 0;
    for (int i = 0; i < REPEAT; i++)
        sum += fib(n);
    line("fib", sum);
    return 0;
}
