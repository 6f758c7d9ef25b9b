// faults NAME: does what has no meaning. The machine ends with exit code 2; where there is a meaning after all, the
// program goes on and ends with 0. Exit code 3: no such fault on this machine.
#include "bare.h"

static void unknown(void) {
#ifdef __mips__
    __asm__ volatile(".word 0x0000000e"); // SPECIAL with a reserved function
#else
    __asm__ volatile(".word 0");
#endif
}

static void floats(void) {
#ifdef __mips__
    __asm__ volatile(".word 0x46000000"); // add.s
#else
    __asm__ volatile(".word 0x00000053"); // fadd.s
#endif
}

// The divisor is no constant, and the division no C, which knows nothing of division by zero.
static void divide(void) {
    unsigned long result, divisor = 0;
#ifdef __mips__
    __asm__ volatile(".set push; .set noat; div $0, %1, %2; mflo %0; .set pop" : "=r"(result) : "r"(7), "r"(divisor) : "hi", "lo");
#else
    __asm__ volatile("divu %0, %1, %2" : "=r"(result) : "r"(7), "r"(divisor)); // all ones, by the manual
#endif
    if (~result)
        leave(4);
}

static void stop(void) {
#ifdef __mips__
    __asm__ volatile("break");
#else
    __asm__ volatile("ebreak");
#endif
}

// jump goes to an odd address, which RISC-V makes even: there is nothing.
static void jump(void) {
    uintptr_t address = 0x3001;
#ifdef __mips__
    __asm__ volatile(".set push; .set noreorder; jr %0; nop; .set pop" : : "r"(address));
#else
    __asm__ volatile("jr %0" : : "r"(address));
#endif
}

#ifdef __mips__
static void trap(void) { __asm__ volatile("teq $0, $0"); }

static void delay(void) {
    __asm__ volatile(".set push; .set noreorder; .set noat; b 1f; b 1f; nop; 1: nop; .set pop");
}
#else
static void misaligned(void) {
    static _Alignas(8) unsigned char bytes[8];
    unsigned long result;
    __asm__ volatile("amoadd.w %0, zero, (%1)" : "=r"(result) : "r"(bytes + 2) : "memory");
}
#endif

static void clone_flags(void) { system_call(__NR_clone, 17, 0, 0, 0); } // as fork does: only threads are made here

// past_end reads local input 1, byte after byte.
static void past_end(void) {
    unsigned char key[32] = {1}, byte;
    key[31] = 1;
    for (long done = 0; done < 32;)
        done += system_call(__NR_write, PREIMAGE_WRITE, (long)(key + done), 32 - done, 0);
    while (system_call(__NR_read, PREIMAGE_READ, (long)&byte, 1, 0) == 1) {
    }
}

static const struct {
    const char *name;
    void (*fault)(void);
} faults[] = {
    {"unknown", unknown}, {"float", floats},
    {"divide", divide},   {"break", stop},
    {"jump", jump},       {"clone", clone_flags},
    {"past-end", past_end},
#ifdef __mips__
    {"trap", trap},       {"delay", delay},
#else
    {"misaligned", misaligned},
#endif
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 2 && i < sizeof faults / sizeof faults[0]; i++)
        if (same_text(argv[1], faults[i].name)) {
            print(argv[1]);
            print("\n");
            faults[i].fault();
            print("went on\n");
            return 0;
        }
    return 3;
}
