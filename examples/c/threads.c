// threads [ROUNDS]: threads that share memory by a spin lock, by atomic operations and by futexes. Its output does not
// depend on the order in which they run.
#include "bare.h"

enum { THREADS = 4, STACK = 16384 };
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

static _Alignas(16) unsigned char stacks[THREADS][STACK];
static unsigned long rounds;

static uint32_t lock, begin, finished;
static unsigned long guarded, twice;         // changed with the lock held
static unsigned long added, flipped, united; // changed by one atomic operation
static unsigned long kept = ~0ul, largest;
static uint32_t narrow, exchanged;

static void wait(uint32_t *at, uint32_t value) { system_call(__NR_futex, (long)at, FUTEX_WAIT_PRIVATE, (long)value, 0); }
static void wake(uint32_t *at) { system_call(__NR_futex, (long)at, FUTEX_WAKE_PRIVATE, THREADS, 0); }

static void acquire(void) {
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        system_call(__NR_sched_yield, 0, 0, 0, 0);
}

static void release(void) { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

// raise makes largest at least n.
static void raise(unsigned long n) {
    unsigned long old = __atomic_load_n(&largest, __ATOMIC_RELAXED);
    while (old < n && !__atomic_compare_exchange_n(&largest, &old, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
}

static void work(void *argument) {
    unsigned long id = (unsigned long)(uintptr_t)argument;
    while (!__atomic_load_n(&begin, __ATOMIC_ACQUIRE))
        wait(&begin, 0);
    uint64_t seed = id + 1;
    for (unsigned long i = 0; i < rounds; i++) {
        unsigned long n = (unsigned long)(random64(&seed) >> 33);
        acquire();
        guarded += n;
        if (i % 8 == 0)
            system_call(__NR_sched_yield, 0, 0, 0, 0); // the others find the lock taken
        twice += 2 * n;
        release();
        __atomic_fetch_add(&added, n, __ATOMIC_SEQ_CST);
        __atomic_fetch_xor(&flipped, n, __ATOMIC_SEQ_CST);
        __atomic_fetch_or(&united, n & 0xff00ff, __ATOMIC_SEQ_CST);
        __atomic_fetch_and(&kept, n | 0xff, __ATOMIC_SEQ_CST);
        __atomic_fetch_sub(&narrow, 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&narrow, 3, __ATOMIC_SEQ_CST);
        // Each value that anybody puts there is taken out once, or is there at the end.
        __atomic_fetch_add(&added, __atomic_exchange_n(&exchanged, (uint32_t)n, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
        raise(n);
    }
    __atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
    wake(&finished);
}

int main(int argc, char **argv) {
    rounds = number(argc, argv, 1, 40);
    for (size_t i = 0; i < THREADS; i++)
        if (start_thread(work, (void *)i, stacks[i] + STACK) <= 0)
            return 1;
    __atomic_store_n(&begin, 1, __ATOMIC_RELEASE);
    wake(&begin);
    uint32_t n;
    while ((n = __atomic_load_n(&finished, __ATOMIC_ACQUIRE)) < THREADS)
        wait(&finished, n);
    line("threads", n);
    line("guarded", guarded);
    line("added", added + exchanged);
    line("flipped", flipped);
    line("united", united);
    line("kept", kept);
    line("largest", largest);
    line("narrow", narrow);
    return twice == 2 * guarded && added + exchanged == twice ? 0 : 1;
}
