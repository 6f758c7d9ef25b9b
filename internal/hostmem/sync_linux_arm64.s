#include "textflag.h"

// func syncInstructions(start, end uintptr)
TEXT ·syncInstructions(SB), NOSPLIT, $0-16
	MOVD start+0(FP), R0
	MOVD end+8(FP), R1

	// CTR_EL0 has the base-2 logarithms of the sizes of cache lines in words of 4 bytes: data in bits 16 to 19,
	// instructions in bits 0 to 3.
	MRS  CTR_EL0, R2
	MOVD $4, R3
	UBFX $16, R2, $4, R4
	LSL  R4, R3, R4
	UBFX $0, R2, $4, R5
	LSL  R5, R3, R5

	SUB  $1, R4, R6
	BIC  R6, R0, R7

data:
	DC  CVAU, R7
	ADD R4, R7
	CMP R1, R7
	BLO data
	DSB $11 // inner shareable

	SUB $1, R5, R6
	BIC R6, R0, R7

code:
	WORD $0xd50b7527 // IC IVAU, X7
	ADD  R5, R7
	CMP  R1, R7
	BLO  code
	DSB  $11
	ISB  $15
	RET
