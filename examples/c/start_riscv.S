// bare.h for RISC-V, 64 and 32 bits.
#include <asm/unistd.h>

#if __riscv_xlen == 64
#define STORE sd
#define LOAD ld
#define WORD 8
#else
#define STORE sw
#define LOAD lw
#define WORD 4
#endif

    .text

    .globl _start
    .type _start, @function
_start:
    .option push
    .option norelax // the linker shortens addresses by gp, which must not happen here
    la gp, __global_pointer$
    .option pop
    mv a0, sp
    andi sp, sp, -16
    li ra, 0
    call start
    .size _start, . - _start

    .globl system_call
    .type system_call, @function
system_call:
    mv a7, a0
    mv a0, a1
    mv a1, a2
    mv a2, a3
    mv a3, a4
    ecall
    ret
    .size system_call, . - system_call

    .globl start_thread
    .type start_thread, @function
start_thread:
    addi a2, a2, -16
    STORE a0, 0(a2)
    STORE a1, WORD(a2)
    li a0, 0x50f00 // VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
    mv a1, a2
    li a2, 0
    li a3, 0
    li a4, 0
    li a7, __NR_clone
    ecall
    beqz a0, 1f
    ret
1:  LOAD a1, 0(sp)
    LOAD a0, WORD(sp)
    jalr a1
    li a0, 0
    li a7, __NR_exit
    ecall
    .size start_thread, . - start_thread
