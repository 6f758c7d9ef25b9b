// Package hostmem reserves parts of the host's address space that lie outside of the Go heap: large ones that take up
// room only where they are touched, and ones for generated code. It knows nothing of guests. It works on Linux
// on amd64 and arm64; on other hosts every reservation fails with ErrUnsupported.
package hostmem

import (
	"errors"
	"os"
	"unsafe"
)

// ErrUnsupported is the reason of all failures on hosts that this package does not know.
var ErrUnsupported = errors.New("reserving address space is not supported on this host")

// A Region is a reserved part of the address space, of Size bytes from Base on. The garbage collector does not look
// at it: it must hold no Go pointers, and nothing but Release gives it back. Pointers into it are not
// valid after that.
type Region struct {
	Base unsafe.Pointer
	Size uint64
}

// Round rounds a number of bytes up to whole pages of the host, which is what can be protected.
func (r Region) Round(n int) int { return (n + pageSize - 1) &^ (pageSize - 1) }

// pageSize is that of the host.
var pageSize = os.Getpagesize()

// Bytes gives the region as a slice.
func (r Region) Bytes() []byte { return unsafe.Slice((*byte)(r.Base), r.Size) }
