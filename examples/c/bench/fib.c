// fib: Fibonacci numbers by recursion. Calls and returns.
#include "size.h"

// Without these gcc makes a loop of one call and copies the other into itself.
static __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls", "no-inline"))) uint32_t fib(uint32_t n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(void) {
    line("fib", fib(SIZE(35, 30)));
    return 0;
}
