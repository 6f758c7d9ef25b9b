//go:build !linux || !(amd64 || arm64)

package hostmem

// Reserve fails with ErrUnsupported.
func Reserve(uint64) (Region, error) { return Region{}, ErrUnsupported }

// ReserveCode fails with ErrUnsupported.
func ReserveCode(uint64) (Region, error) { return Region{}, ErrUnsupported }

// Release fails with ErrUnsupported: there are no regions.
func (r Region) Release() error { return ErrUnsupported }

// Writable fails with ErrUnsupported: there are no regions.
func (r Region) Writable(offset, size uint64) error { return ErrUnsupported }

// Executable fails with ErrUnsupported: there are no regions.
func (r Region) Executable(offset, size uint64) error { return ErrUnsupported }
