// bare.h on the machine that compiles, with its C library, which has start and memory functions.
#define _GNU_SOURCE
#include <unistd.h>

#include "bare.h"

long system_call(long number, long a, long b, long c, long d) { return syscall(number, a, b, c, d); }
