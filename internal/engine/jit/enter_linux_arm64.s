#include "textflag.h"

// func enter(code, context uintptr, budget int64) (left int64, reason uint64)
TEXT ·enter(SB), NOSPLIT, $8-40
	MOVD code+0(FP), R0
	MOVD context+8(FP), R26
	MOVD budget+16(FP), R27
	CALL (R0)
	MOVD R27, R1
	MOVD R1, left+24(FP)
	MOVD R0, reason+32(FP)
	RET
