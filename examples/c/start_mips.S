// bare.h for MIPS, both ABIs: n64 and o32.
#include <asm/unistd.h>

#if _MIPS_SIM == _ABI64
#define STORE sd
#define LOAD ld
#define ADD daddiu
#define WORD 8
#else
#define STORE sw
#define LOAD lw
#define ADD addiu
#define WORD 4
#endif

// The 16 bytes for a callee's register arguments (o32), and the kernel's fifth to eighth argument after them.
#define FRAME 32

    .text
    .set noreorder

    .globl _start
    .type _start, @function
    .ent _start
_start:
    move $4, $29
    li $8, -16
    and $29, $29, $8
    ADD $29, $29, -FRAME
    jal start
    move $31, $0
    .end _start
    .size _start, . - _start

// v0 = number, then four arguments; o32 has the fifth of this function on the stack.
    .globl system_call
    .type system_call, @function
    .ent system_call
system_call:
    move $2, $4
    move $4, $5
    move $5, $6
    move $6, $7
#if _MIPS_SIM == _ABI64
    move $7, $8
#else
    lw $7, 16($29)
#endif
    ADD $29, $29, -FRAME
    syscall
    beqz $7, 1f
    ADD $29, $29, FRAME
    subu $2, $0, $2
1:  jr $31
    nop
    .end system_call
    .size system_call, . - system_call

    .globl start_thread
    .type start_thread, @function
    .ent start_thread
start_thread:
    ADD $6, $6, -FRAME
    STORE $4, 0($6)
    STORE $5, WORD($6)
    li $4, 0x50f00 // VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
    move $5, $6
    move $6, $0
    move $7, $0
    ADD $29, $29, -FRAME
#if _MIPS_SIM == _ABI64
    move $8, $0
#else
    sw $0, 16($29)
#endif
    li $2, __NR_clone
    syscall
    bnez $7, 1f
    nop
    beqz $2, 2f
    nop
    jr $31
    ADD $29, $29, FRAME
1:  ADD $29, $29, FRAME
    jr $31
    subu $2, $0, $2
2:  LOAD $25, 0($29)
    LOAD $4, WORD($29)
    jalr $25
    move $30, $0
    li $2, __NR_exit
    move $4, $0
    syscall
    .end start_thread
    .size start_thread, . - start_thread
