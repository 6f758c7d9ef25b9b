//go:build amd64 || arm64

package lirtest

const native = true

// enter runs generated code. It is what package jit has, so that the backends can be tested without that.
//
//go:noescape
func enter(code, context uintptr, budget int64) (left int64, reason uint64)
