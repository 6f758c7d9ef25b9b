//go:build !amd64 && !arm64

package lirtest

const native = false

func enter(uintptr, uintptr, int64) (left int64, reason uint64) {
	panic("lirtest: this host has no generated code")
}
