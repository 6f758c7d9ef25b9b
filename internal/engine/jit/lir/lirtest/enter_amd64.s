#include "textflag.h"

// func enter(code, context uintptr, budget int64) (left int64, reason uint64)
TEXT ·enter(SB), NOSPLIT, $16-40
	MOVQ R14, 0(SP)
	MOVQ BP, 8(SP)
	MOVQ code+0(FP), AX
	MOVQ context+8(FP), R15
	MOVQ budget+16(FP), R14
	CALL AX
	MOVQ R14, CX
	MOVQ 0(SP), R14
	MOVQ 8(SP), BP
	MOVQ CX, left+24(FP)
	MOVQ AX, reason+32(FP)
	RET
