// What C programs without a C library stand on, for Linux and for the kernel bare alike: bare.c, memory.c and one
// start_*.S. Nothing here needs floats or libgcc, so there is no division of 64-bit numbers on 32-bit machines.
#ifndef BARE_H
#define BARE_H

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

// Newer 32-bit machines, riscv32 for one, have the calls with numbers of 64 bits only.
#ifndef __NR_futex
#define __NR_futex __NR_futex_time64
#endif
#ifndef __NR_clock_gettime
#define __NR_clock_gettime __NR_clock_gettime64
#endif
#ifndef __NR_fcntl
#define __NR_fcntl __NR_fcntl64
#endif
#ifndef __NR_mmap
#define __NR_mmap __NR_mmap2
#endif

enum {
    STANDARD_OUTPUT = 1,
    HINT_READ = 3,
    HINT_WRITE = 4,
    PREIMAGE_READ = 5,
    PREIMAGE_WRITE = 6,
};

// system_call gives the result, or a negative error number on every machine.
long system_call(long number, long a, long b, long c, long d);

// start_thread lets a new thread call run(argument) and then leave. stack_end is the first address above its stack,
// a multiple of 16. The result is that of the system call clone.
long start_thread(void (*run)(void *), void *argument, void *stack_end);

// leave ends all threads.
_Noreturn void leave(int code);

void print(const char *text);
void print_decimal(unsigned long n);
void print_signed(long n);
void print_hex(const void *bytes, size_t count);
void print_hex64(uint64_t n);

// line prints a name, a number and the end of the line.
void line(const char *name, unsigned long n);

int same_text(const char *a, const char *b);

// number reads the decimal number of an argument, or gives otherwise if there is no such argument.
unsigned long number(int argc, char **argv, int index, unsigned long otherwise);

// random64 is Marsaglia's xorshift64 (13, 7, 17); the state must not be 0.
static inline uint64_t random64(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
