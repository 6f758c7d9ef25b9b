//go:build !purego

#include "textflag.h"

// Keccak-f[1600] (FIPS 202, 3.2) with AVX-512VL. The word A[x, y] of up to four independent states
// lies in the four quarters of the register Y(x+5y); Y25…Y31 are temporary. All 25 words stay in
// registers, every rotation is one instruction, and so is every three-way xor and every chi.

#define XOR3 $0x96 // a ^ b ^ c
#define CHI  $0xD2 // a ^ (^b & c), a being the destination, b the operand before it

#define PARITY(a, b, c, d, e, out) \
	VMOVDQA64  a, out           \
	VPTERNLOGQ XOR3, b, c, out  \
	VPTERNLOGQ XOR3, d, e, out

// before and after are the parities of the columns next to a…e.
#define MIX(before, after, a, b, c, d, e) \
	VPROLQ     $1, after, Y30          \
	VPTERNLOGQ XOR3, before, Y30, a    \
	VPTERNLOGQ XOR3, before, Y30, b    \
	VPTERNLOGQ XOR3, before, Y30, c    \
	VPTERNLOGQ XOR3, before, Y30, d    \
	VPTERNLOGQ XOR3, before, Y30, e

#define ROW(a, b, c, d, e) \
	VMOVDQA64  a, Y30       \
	VMOVDQA64  b, Y31       \
	VPTERNLOGQ CHI, c, b, a   \
	VPTERNLOGQ CHI, d, c, b   \
	VPTERNLOGQ CHI, e, d, c   \
	VPTERNLOGQ CHI, Y30, e, d \
	VPTERNLOGQ CHI, Y31, Y30, e

// ROUNDS needs the state in Y0…Y24; it uses R8 and R9. Rho and pi move 24 words around one cycle,
// so that each goes to its place in the instruction that rotates it.
#define ROUNDS(label) \
	LEAQ ·roundConstants(SB), R8          \
	LEAQ 192(R8), R9                      \
label:                                        \
	PARITY(Y0, Y5, Y10, Y15, Y20, Y25)    \
	PARITY(Y1, Y6, Y11, Y16, Y21, Y26)    \
	PARITY(Y2, Y7, Y12, Y17, Y22, Y27)    \
	PARITY(Y3, Y8, Y13, Y18, Y23, Y28)    \
	PARITY(Y4, Y9, Y14, Y19, Y24, Y29)    \
	MIX(Y29, Y26, Y0, Y5, Y10, Y15, Y20)  \
	MIX(Y25, Y27, Y1, Y6, Y11, Y16, Y21)  \
	MIX(Y26, Y28, Y2, Y7, Y12, Y17, Y22)  \
	MIX(Y27, Y29, Y3, Y8, Y13, Y18, Y23)  \
	MIX(Y28, Y25, Y4, Y9, Y14, Y19, Y24)  \
	VPROLQ $1, Y1, Y30                    \
	VPROLQ $44, Y6, Y1                    \
	VPROLQ $20, Y9, Y6                    \
	VPROLQ $61, Y22, Y9                   \
	VPROLQ $39, Y14, Y22                  \
	VPROLQ $18, Y20, Y14                  \
	VPROLQ $62, Y2, Y20                   \
	VPROLQ $43, Y12, Y2                   \
	VPROLQ $25, Y13, Y12                  \
	VPROLQ $8, Y19, Y13                   \
	VPROLQ $56, Y23, Y19                  \
	VPROLQ $41, Y15, Y23                  \
	VPROLQ $27, Y4, Y15                   \
	VPROLQ $14, Y24, Y4                   \
	VPROLQ $2, Y21, Y24                   \
	VPROLQ $55, Y8, Y21                   \
	VPROLQ $45, Y16, Y8                   \
	VPROLQ $36, Y5, Y16                   \
	VPROLQ $28, Y3, Y5                    \
	VPROLQ $21, Y18, Y3                   \
	VPROLQ $15, Y17, Y18                  \
	VPROLQ $10, Y11, Y17                  \
	VPROLQ $6, Y7, Y11                    \
	VPROLQ $3, Y10, Y7                    \
	VMOVDQA64 Y30, Y10                    \
	ROW(Y0, Y1, Y2, Y3, Y4)               \
	ROW(Y5, Y6, Y7, Y8, Y9)               \
	ROW(Y10, Y11, Y12, Y13, Y14)          \
	ROW(Y15, Y16, Y17, Y18, Y19)          \
	ROW(Y20, Y21, Y22, Y23, Y24)          \
	VPXORQ.BCST (R8), Y0, Y0              \
	ADDQ $8, R8                           \
	CMPQ R8, R9                           \
	JNE  label

// TRANSPOSE turns four registers of four words each, of four states, into the registers of four
// words. It uses Y8…Y11, so only registers below 16 fit (VPERM2I128 has no others).
#define TRANSPOSE(a, b, c, d) \
	VPUNPCKLQDQ b, a, Y8       \
	VPUNPCKHQDQ b, a, Y9       \
	VPUNPCKLQDQ d, c, Y10      \
	VPUNPCKHQDQ d, c, Y11      \
	VPERM2I128  $0x20, Y10, Y8, a \
	VPERM2I128  $0x20, Y11, Y9, b \
	VPERM2I128  $0x31, Y10, Y8, c \
	VPERM2I128  $0x31, Y11, Y9, d

// PAD completes the first block of a 64-byte message, whose words are in Y0…Y7: the first padding
// bit in word 8, the last one in word 16, the end of the rate. It uses AX.
#define PAD \
	MOVQ $1, AX           \
	VPBROADCASTQ AX, Y8   \
	SHLQ $63, AX          \
	VPBROADCASTQ AX, Y16  \
	VPXORQ Y9, Y9, Y9     \
	VPXORQ Y10, Y10, Y10  \
	VPXORQ Y11, Y11, Y11  \
	VPXORQ Y12, Y12, Y12  \
	VPXORQ Y13, Y13, Y13  \
	VPXORQ Y14, Y14, Y14  \
	VPXORQ Y15, Y15, Y15  \
	VPXORQ Y17, Y17, Y17  \
	VPXORQ Y18, Y18, Y18  \
	VPXORQ Y19, Y19, Y19  \
	VPXORQ Y20, Y20, Y20  \
	VPXORQ Y21, Y21, Y21  \
	VPXORQ Y22, Y22, Y22  \
	VPXORQ Y23, Y23, Y23  \
	VPXORQ Y24, Y24, Y24

// func lanes4(dst, src *Hash, groups int)
TEXT ·lanes4(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ groups+16(FP), CX

group:
	VMOVDQU 0(SI), Y0
	VMOVDQU 64(SI), Y1
	VMOVDQU 128(SI), Y2
	VMOVDQU 192(SI), Y3
	VMOVDQU 32(SI), Y4
	VMOVDQU 96(SI), Y5
	VMOVDQU 160(SI), Y6
	VMOVDQU 224(SI), Y7
	TRANSPOSE(Y0, Y1, Y2, Y3)
	TRANSPOSE(Y4, Y5, Y6, Y7)
	PAD
	ROUNDS(rounds)
	TRANSPOSE(Y0, Y1, Y2, Y3)
	VMOVDQU Y0, 0(DI)
	VMOVDQU Y1, 32(DI)
	VMOVDQU Y2, 64(DI)
	VMOVDQU Y3, 96(DI)
	ADDQ $256, SI
	ADDQ $128, DI
	DECQ CX
	JNZ  group
	VZEROUPPER
	RET

// func lane1(dst, l, r *Hash)
TEXT ·lane1(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ l+8(FP), SI
	MOVQ r+16(FP), DX
	VMOVQ 0(SI), X0
	VMOVQ 8(SI), X1
	VMOVQ 16(SI), X2
	VMOVQ 24(SI), X3
	VMOVQ 0(DX), X4
	VMOVQ 8(DX), X5
	VMOVQ 16(DX), X6
	VMOVQ 24(DX), X7
	PAD
	ROUNDS(rounds)
	VMOVQ X0, 0(DI)
	VMOVQ X1, 8(DI)
	VMOVQ X2, 16(DI)
	VMOVQ X3, 24(DI)
	VZEROUPPER
	RET
