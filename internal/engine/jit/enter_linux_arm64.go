package jit

import "github.com/flexemu/flexemu/internal/engine/jit/arm64"

// supported says that generated code may run on this processor: it uses nothing beyond the first version of the architecture.
const supported = true

var compile = arm64.Compile

const (
	// guards says that the backend knows lir.Guard, warm that it knows lir.Host.Warm.
	guards, warmLinks = true, true
	registers         = arm64.Registers
)

// enter runs generated code.
//
//go:noescape
func enter(code, context uintptr, budget int64) (left int64, reason uint64)
