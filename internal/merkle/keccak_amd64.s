//go:build !purego

#include "textflag.h"

// Keccak-f[1600] (FIPS 202, 3.2) with AVX-512VL, on up to four independent states. Word A[x, y] of the
// states fills the four quarters of one register, at first Y(x+5y). All 25 words stay in registers,
// every rotation is one instruction, and so is every three-way xor and every chi.
//
// A row of the result is made of five words, one of each column, and takes their places, a word of
// column x that of column x. So columns stay where they are, and word [x, y] goes to the place of
// [x, x+2y]; after four rounds all are home. Row by row, rather than one step of the permutation after
// the other, because rotations have half as many ports as logic: one row's rotations overlap another's logic.

// Column parities, then what to add to each column, then scratch, see PARITIES and ADDENDS.
#define C0 Y25
#define C1 Y26
#define C2 Y27
#define C3 Y28
#define C4 Y29
#define D0 Y31
#define D1 Y27
#define D2 Y25
#define D3 Y29
#define D4 Y28
#define T  Y30
#define U  Y26

#define XOR3 $0x96 // a ^ b ^ c
#define CHI  $0xD2 // a ^ (^b & c); operands in the order c, b, a

#define PARITY(a, b, c, d, e, out) \
	VMOVDQA64  a, out          \
	VPTERNLOGQ XOR3, b, c, out \
	VPTERNLOGQ XOR3, d, e, out

#define PARITIES \
	PARITY(Y0, Y5, Y10, Y15, Y20, C0) \
	PARITY(Y1, Y6, Y11, Y16, Y21, C1) \
	PARITY(Y2, Y7, Y12, Y17, Y22, C2) \
	PARITY(Y3, Y8, Y13, Y18, Y23, C3) \
	PARITY(Y4, Y9, Y14, Y19, Y24, C4)

// ADDENDS sets D[x] = C[x-1] ^ rol(C[x+1], 1), reusing the registers of C as they become free.
#define ADDENDS \
	VPROLQ $1, C1, D0 \
	VPROLQ $1, C0, T  \
	VPXORQ C4, D0, D0 \
	VPROLQ $1, C4, D3 \
	VPXORQ C2, D3, D3 \
	VPROLQ $1, C2, D1 \
	VPXORQ C0, D1, D1 \
	VPROLQ $1, C3, D2 \
	VPXORQ C1, D2, D2 \
	VPXORQ T, C3, D4

#define ADD(a, b, c, d, e) \
	VPXORQ D0, a, a \
	VPXORQ D1, b, b \
	VPXORQ D2, c, c \
	VPXORQ D3, d, d \
	VPXORQ D4, e, e

// CHIS needs a copy of a in T.
#define CHIS(a, b, c, d, e) \
	VMOVDQA64  b, U         \
	VPTERNLOGQ CHI, c, b, a \
	VPTERNLOGQ CHI, d, c, b \
	VPTERNLOGQ CHI, e, d, c \
	VPTERNLOGQ CHI, T, e, d \
	VPTERNLOGQ CHI, U, T, e

// ROWy(a, b, c, d, e) makes row y of the result: theta on the five words that go there, which lie in
// columns 0 to 4; then rho and pi, from place to place; then chi; and in row 0 iota.

#define ROW0(a, b, c, d, e) \
	ADD(a, b, c, d, e)     \
	VPROLQ $44, b, b       \
	VPROLQ $43, c, c       \
	VPROLQ $21, d, d       \
	VPROLQ $14, e, e       \
	VMOVDQA64 a, T         \
	CHIS(a, b, c, d, e)    \
	VPXORQ.BCST (R8), a, a \
	ADDQ $8, R8

#define ROW1(a, b, c, d, e) \
	ADD(a, b, c, d, e) \
	VPROLQ $28, d, T   \
	VPROLQ $45, b, d   \
	VPROLQ $20, e, b   \
	VPROLQ $61, c, e   \
	VPROLQ $3, a, c    \
	VMOVDQA64 T, a     \
	CHIS(a, b, c, d, e)

#define ROW2(a, b, c, d, e) \
	ADD(a, b, c, d, e) \
	VPROLQ $1, b, T    \
	VPROLQ $6, c, b    \
	VPROLQ $25, d, c   \
	VPROLQ $8, e, d    \
	VPROLQ $18, a, e   \
	VMOVDQA64 T, a     \
	CHIS(a, b, c, d, e)

#define ROW3(a, b, c, d, e) \
	ADD(a, b, c, d, e) \
	VPROLQ $27, e, T   \
	VPROLQ $56, d, e   \
	VPROLQ $15, c, d   \
	VPROLQ $10, b, c   \
	VPROLQ $36, a, b   \
	VMOVDQA64 T, a     \
	CHIS(a, b, c, d, e)

#define ROW4(a, b, c, d, e) \
	ADD(a, b, c, d, e) \
	VPROLQ $62, c, T   \
	VPROLQ $39, e, c   \
	VPROLQ $2, b, e    \
	VPROLQ $55, d, b   \
	VPROLQ $41, a, d   \
	VMOVDQA64 T, a     \
	CHIS(a, b, c, d, e)

// ROUNDS is the permutation. It uses R8 and R9.
#define ROUNDS(label) \
	LEAQ ·roundConstants(SB), R8  \
	LEAQ 192(R8), R9              \
label:                                \
	PARITIES                      \
	ADDENDS                       \
	ROW0(Y0, Y6, Y12, Y18, Y24)   \
	ROW1(Y10, Y16, Y22, Y3, Y9)   \
	ROW2(Y20, Y1, Y7, Y13, Y19)   \
	ROW3(Y5, Y11, Y17, Y23, Y4)   \
	ROW4(Y15, Y21, Y2, Y8, Y14)   \
	PARITIES                      \
	ADDENDS                       \
	ROW0(Y0, Y16, Y7, Y23, Y14)   \
	ROW1(Y20, Y11, Y2, Y18, Y9)   \
	ROW2(Y15, Y6, Y22, Y13, Y4)   \
	ROW3(Y10, Y1, Y17, Y8, Y24)   \
	ROW4(Y5, Y21, Y12, Y3, Y19)   \
	PARITIES                      \
	ADDENDS                       \
	ROW0(Y0, Y11, Y22, Y8, Y19)   \
	ROW1(Y15, Y1, Y12, Y23, Y9)   \
	ROW2(Y5, Y16, Y2, Y13, Y24)   \
	ROW3(Y20, Y6, Y17, Y3, Y14)   \
	ROW4(Y10, Y21, Y7, Y18, Y4)   \
	PARITIES                      \
	ADDENDS                       \
	ROW0(Y0, Y1, Y2, Y3, Y4)      \
	ROW1(Y5, Y6, Y7, Y8, Y9)      \
	ROW2(Y10, Y11, Y12, Y13, Y14) \
	ROW3(Y15, Y16, Y17, Y18, Y19) \
	ROW4(Y20, Y21, Y22, Y23, Y24) \
	CMPQ R8, R9                   \
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

// func absorb(state *[25]uint64, blocks *byte, count int)
TEXT ·absorb(SB), NOSPLIT, $0-24
	MOVQ state+0(FP), DI
	MOVQ blocks+8(FP), SI
	MOVQ count+16(FP), CX
	VPBROADCASTQ 0(DI), Y0
	VPBROADCASTQ 8(DI), Y1
	VPBROADCASTQ 16(DI), Y2
	VPBROADCASTQ 24(DI), Y3
	VPBROADCASTQ 32(DI), Y4
	VPBROADCASTQ 40(DI), Y5
	VPBROADCASTQ 48(DI), Y6
	VPBROADCASTQ 56(DI), Y7
	VPBROADCASTQ 64(DI), Y8
	VPBROADCASTQ 72(DI), Y9
	VPBROADCASTQ 80(DI), Y10
	VPBROADCASTQ 88(DI), Y11
	VPBROADCASTQ 96(DI), Y12
	VPBROADCASTQ 104(DI), Y13
	VPBROADCASTQ 112(DI), Y14
	VPBROADCASTQ 120(DI), Y15
	VPBROADCASTQ 128(DI), Y16
	VPBROADCASTQ 136(DI), Y17
	VPBROADCASTQ 144(DI), Y18
	VPBROADCASTQ 152(DI), Y19
	VPBROADCASTQ 160(DI), Y20
	VPBROADCASTQ 168(DI), Y21
	VPBROADCASTQ 176(DI), Y22
	VPBROADCASTQ 184(DI), Y23
	VPBROADCASTQ 192(DI), Y24

block:
	VPXORQ.BCST 0(SI), Y0, Y0
	VPXORQ.BCST 8(SI), Y1, Y1
	VPXORQ.BCST 16(SI), Y2, Y2
	VPXORQ.BCST 24(SI), Y3, Y3
	VPXORQ.BCST 32(SI), Y4, Y4
	VPXORQ.BCST 40(SI), Y5, Y5
	VPXORQ.BCST 48(SI), Y6, Y6
	VPXORQ.BCST 56(SI), Y7, Y7
	VPXORQ.BCST 64(SI), Y8, Y8
	VPXORQ.BCST 72(SI), Y9, Y9
	VPXORQ.BCST 80(SI), Y10, Y10
	VPXORQ.BCST 88(SI), Y11, Y11
	VPXORQ.BCST 96(SI), Y12, Y12
	VPXORQ.BCST 104(SI), Y13, Y13
	VPXORQ.BCST 112(SI), Y14, Y14
	VPXORQ.BCST 120(SI), Y15, Y15
	VPXORQ.BCST 128(SI), Y16, Y16
	ROUNDS(rounds)
	ADDQ $136, SI
	DECQ CX
	JNZ  block
	VMOVQ X0, 0(DI)
	VMOVQ X1, 8(DI)
	VMOVQ X2, 16(DI)
	VMOVQ X3, 24(DI)
	VMOVQ X4, 32(DI)
	VMOVQ X5, 40(DI)
	VMOVQ X6, 48(DI)
	VMOVQ X7, 56(DI)
	VMOVQ X8, 64(DI)
	VMOVQ X9, 72(DI)
	VMOVQ X10, 80(DI)
	VMOVQ X11, 88(DI)
	VMOVQ X12, 96(DI)
	VMOVQ X13, 104(DI)
	VMOVQ X14, 112(DI)
	VMOVQ X15, 120(DI)
	VMOVQ X16, 128(DI)
	VMOVQ X17, 136(DI)
	VMOVQ X18, 144(DI)
	VMOVQ X19, 152(DI)
	VMOVQ X20, 160(DI)
	VMOVQ X21, 168(DI)
	VMOVQ X22, 176(DI)
	VMOVQ X23, 184(DI)
	VMOVQ X24, 192(DI)
	VZEROUPPER
	RET

// func permute4(state *[100]uint64)
TEXT ·permute4(SB), NOSPLIT, $0-8
	MOVQ state+0(FP), DI
	VMOVDQU64 0(DI), Y0
	VMOVDQU64 32(DI), Y1
	VMOVDQU64 64(DI), Y2
	VMOVDQU64 96(DI), Y3
	VMOVDQU64 128(DI), Y4
	VMOVDQU64 160(DI), Y5
	VMOVDQU64 192(DI), Y6
	VMOVDQU64 224(DI), Y7
	VMOVDQU64 256(DI), Y8
	VMOVDQU64 288(DI), Y9
	VMOVDQU64 320(DI), Y10
	VMOVDQU64 352(DI), Y11
	VMOVDQU64 384(DI), Y12
	VMOVDQU64 416(DI), Y13
	VMOVDQU64 448(DI), Y14
	VMOVDQU64 480(DI), Y15
	VMOVDQU64 512(DI), Y16
	VMOVDQU64 544(DI), Y17
	VMOVDQU64 576(DI), Y18
	VMOVDQU64 608(DI), Y19
	VMOVDQU64 640(DI), Y20
	VMOVDQU64 672(DI), Y21
	VMOVDQU64 704(DI), Y22
	VMOVDQU64 736(DI), Y23
	VMOVDQU64 768(DI), Y24
	ROUNDS(rounds)
	VMOVDQU64 Y0, 0(DI)
	VMOVDQU64 Y1, 32(DI)
	VMOVDQU64 Y2, 64(DI)
	VMOVDQU64 Y3, 96(DI)
	VMOVDQU64 Y4, 128(DI)
	VMOVDQU64 Y5, 160(DI)
	VMOVDQU64 Y6, 192(DI)
	VMOVDQU64 Y7, 224(DI)
	VMOVDQU64 Y8, 256(DI)
	VMOVDQU64 Y9, 288(DI)
	VMOVDQU64 Y10, 320(DI)
	VMOVDQU64 Y11, 352(DI)
	VMOVDQU64 Y12, 384(DI)
	VMOVDQU64 Y13, 416(DI)
	VMOVDQU64 Y14, 448(DI)
	VMOVDQU64 Y15, 480(DI)
	VMOVDQU64 Y16, 512(DI)
	VMOVDQU64 Y17, 544(DI)
	VMOVDQU64 Y18, 576(DI)
	VMOVDQU64 Y19, 608(DI)
	VMOVDQU64 Y20, 640(DI)
	VMOVDQU64 Y21, 672(DI)
	VMOVDQU64 Y22, 704(DI)
	VMOVDQU64 Y23, 736(DI)
	VMOVDQU64 Y24, 768(DI)
	VZEROUPPER
	RET
