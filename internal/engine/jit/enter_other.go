//go:build !(linux && (amd64 || arm64))

package jit

import (
	"github.com/flexemu/flexemu/internal/engine/jit/lir"
)

// supported says that generated code may run on this host.
const (
	supported = false
	guards    = false
	warmLinks = false
	registers = 0
)

func compile(*lir.Region, lir.Host) (*lir.Code, error) {
	panic("jit: there is no compiler for this host")
}

func enter(code, context uintptr, budget int64) (left int64, reason uint64) {
	panic("jit: there is no compiler for this host")
}
