// system: asks the kernel bare what it answers in its own way: clock, random bytes, memory, descriptors. Linux gives
// other answers.
#include "bare.h"

static void show(const char *name, long result) {
    print(name);
    print(" ");
    print_signed(result);
    print("\n");
}

static void show_hex(const char *name, uint64_t n) {
    print(name);
    print(" ");
    print_hex64(n);
    print("\n");
}

static void ask_clock(const char *name, long clock) {
    long time[4] = {-1, -1, -1, -1};
    show(name, system_call(__NR_clock_gettime, clock, (long)time, 0, 0));
#ifdef __NR_clock_gettime64
    // Two words of 64 bits; both fit in 32 here.
    int big = (*(const unsigned char *)&(const uint16_t){1}) == 0;
    if (__NR_clock_gettime == __NR_clock_gettime64) {
        time[0] = time[0 + big];
        time[1] = time[2 + big];
    }
#endif
    show("seconds", time[0]);
    show("nanoseconds", time[1]);
}

int main(void) {
    ask_clock("monotonic", 1);
    ask_clock("realtime", 0);
    ask_clock("other clock", 2);

    _Alignas(8) unsigned char bytes[16] = {0};
    show("random", system_call(__NR_getrandom, (long)bytes, 16, 0, 0));
    show("random", system_call(__NR_getrandom, (long)(bytes + 11), 2, 0, 0));
    print_hex(bytes, sizeof bytes);
    print("\n");

    show("gettid", system_call(__NR_gettid, 0, 0, 0, 0));
    show("getpid", system_call(__NR_getpid, 0, 0, 0, 0));
    show_hex("brk", (unsigned long)system_call(__NR_brk, 0, 0, 0, 0));
    show_hex("mmap", (unsigned long)system_call(__NR_mmap, 0, 5000, 3, 0x22));
    show_hex("mmap", (unsigned long)system_call(__NR_mmap, 0, 1, 3, 0x22));
    show_hex("mmap", (unsigned long)system_call(__NR_mmap, 0x12345678, 1, 3, 0x22));
    show("mmap", system_call(__NR_mmap, 0, -8192, 3, 0x22));
    show("munmap", system_call(__NR_munmap, 0, 0, 0, 0));
    show("F_GETFD", system_call(__NR_fcntl, 6, 1, 0, 0));
    show("F_GETFD", system_call(__NR_fcntl, 7, 1, 0, 0));
    show("F_GETFL", system_call(__NR_fcntl, 4, 3, 0, 0));
    show("F_SETFL", system_call(__NR_fcntl, 4, 4, 0, 0));
    show("eventfd", system_call(__NR_eventfd2, 0, 0x80, 0, 0));
    show("eventfd", system_call(__NR_eventfd2, 0, 0, 0, 0));
    show("event", system_call(__NR_read, 100, (long)bytes, 8, 0));
    show("standard input", system_call(__NR_read, 0, (long)bytes, 8, 0));
    show("descriptor 7", system_call(__NR_write, 7, (long)bytes, 8, 0));
#ifdef __NR_nanosleep
    show("nanosleep", system_call(__NR_nanosleep, (long)bytes, 0, 0, 0));
#endif
    show("futex", system_call(__NR_futex, (long)bytes, 0, 0, 0));
    show("no such call", system_call(9999, 0, 0, 0, 0));
#ifdef __riscv
    unsigned long first, second;
    __asm__ volatile("rdinstret %0\n\trdcycle %1" : "=r"(first), "=r"(second));
    show("counter", (long)(second - first));
#endif
    return 7;
}
