// A line of text, by two system calls and without a stack.
#include <asm/unistd.h>

#if _MIPS_SIM == _ABI64
#define ADDRESS dla
#else
#define ADDRESS la
#endif

    .rdata
text:
    .ascii "hello, world\n"
    .set length, . - text

    .text
    .globl _start
_start:
    li $2, __NR_write
    li $4, 1
    ADDRESS $5, text
    li $6, length
    syscall
    li $2, __NR_exit_group
    li $4, 0
    syscall
