package jit

import (
	"golang.org/x/sys/cpu"

	"github.com/flexemu/flexemu/internal/engine/jit/amd64"
)

// supported says that generated code may run on this processor. Those with BMI2 have MOVBE and LZCNT as well.
var supported = cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT

var compile = amd64.Compile

const (
	// guards says that the backend knows lir.Guard, warm that it knows lir.Host.Warm.
	guards, warmLinks = true, true
	registers         = amd64.Registers
)

// enter runs generated code.
//
//go:noescape
func enter(code, context uintptr, budget int64) (left int64, reason uint64)
