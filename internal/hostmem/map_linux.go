//go:build amd64 || arm64

package hostmem

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reserve maps size bytes of zeroes that may be read and written. Only pages that are written to take up memory, and
// they are never huge ones, which would make a sparse use a dense one. Base is a multiple of the host's
// page size.
func Reserve(size uint64) (Region, error) {
	base, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return Region{}, fmt.Errorf("hostmem: reserving %d bytes: %w", size, err)
	}
	r := Region{base, size}
	// A kernel without huge pages does not know the advice: EINVAL.
	if err := unix.Madvise(r.Bytes(), unix.MADV_NOHUGEPAGE); err != nil && !errors.Is(err, unix.EINVAL) {
		return Region{}, errors.Join(fmt.Errorf("hostmem: excluding huge pages: %w", err), r.Release())
	}
	return r, nil
}

// ReserveCode is Reserve for code. The region is writable at first; no part of it is ever writable and executable at
// once.
func ReserveCode(size uint64) (Region, error) { return Reserve(size) }

// Release gives the region back.
func (r Region) Release() error {
	if err := unix.MunmapPtr(r.Base, uintptr(r.Size)); err != nil {
		return fmt.Errorf("hostmem: releasing %d bytes: %w", r.Size, err)
	}
	return nil
}

// Writable makes the host pages that hold the size bytes from offset on writable, and not executable any
// more. Nobody may be executing there.
func (r Region) Writable(offset, size uint64) error {
	if err := r.protect(offset, size, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("hostmem: making code writable: %w", err)
	}
	return nil
}

// Executable makes the host pages that hold the size bytes from offset on executable, and not writable any more.
// The bytes in the given range are then seen as instructions.
func (r Region) Executable(offset, size uint64) error {
	if err := r.protect(offset, size, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return fmt.Errorf("hostmem: making code executable: %w", err)
	}
	if size > 0 {
		start := uintptr(unsafe.Add(r.Base, offset))
		syncInstructions(start, start+uintptr(size))
	}
	return nil
}

func (r Region) protect(offset, size uint64, protection int) error {
	if offset > r.Size || size > r.Size-offset {
		panic("hostmem: a range beyond the end of its region")
	}
	if size == 0 {
		return nil
	}
	page := uint64(pageSize)
	from, to := offset&^(page-1), (offset+size+page-1)&^(page-1)
	return unix.Mprotect(unsafe.Slice((*byte)(unsafe.Add(r.Base, from)), to-from), protection)
}
