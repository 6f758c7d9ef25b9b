//go:build linux && (amd64 || arm64)

package hostmem

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"testing"
	"unsafe"
)

func reserve(t *testing.T, size uint64) Region {
	t.Helper()
	r, err := Reserve(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Release(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestReserve(t *testing.T) {
	r := reserve(t, 16<<30)
	b := r.Bytes()
	for _, at := range []int{0, 1 << 20, 5<<30 + 4093, len(b) - 1} {
		if b[at] != 0 {
			t.Errorf("byte %#x is %d", at, b[at])
		}
		b[at] = 7
		if b[at] != 7 {
			t.Errorf("byte %#x did not take a store", at)
		}
	}
}

// TestReleaseInALoop uses more address space than there is, though never at once.
func TestReleaseInALoop(t *testing.T) {
	for range 3000 {
		r, err := Reserve(64 << 30)
		if err != nil {
			t.Fatal(err)
		}
		r.Bytes()[1<<30] = 1
		if err := r.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReserveTooMuch(t *testing.T) {
	if r, err := Reserve(1 << 60); err == nil {
		t.Errorf("2^60 bytes at %p", r.Base)
	}
}

// constant is a function's code that returns v.
func constant(t *testing.T, v uint16) []byte {
	switch runtime.GOARCH {
	case "amd64": // mov eax, v; ret
		return append(binary.LittleEndian.AppendUint32([]byte{0xb8}, uint32(v)), 0xc3)
	case "arm64": // movz x0, v; ret
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0xd2800000|uint32(v)<<5), 0xd65f03c0)
	}
	t.Skip("no code for this host")
	return nil
}

func TestCode(t *testing.T) {
	r, err := ReserveCode(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	const at = 8192 + 64
	for v := range uint16(200) {
		if v > 0 {
			if err := r.Writable(at, 64); err != nil {
				t.Fatal(err)
			}
		}
		want(t, r, at, "rw-p")
		copy(r.Bytes()[at:], constant(t, v))
		if err := r.Executable(at, 64); err != nil {
			t.Fatal(err)
		}
		want(t, r, at, "r-xp")
		// A function value is a pointer to a code pointer.
		code := unsafe.Add(r.Base, at)
		entry := unsafe.Pointer(&code)
		f := *(*func() uint64)(unsafe.Pointer(&entry))
		if got := f(); got != uint64(v) {
			t.Fatalf("the code returns %d, want %d", got, v)
		}
	}
	r.Bytes()[0], r.Bytes()[1<<16] = 1, 1 // the rest stays writable
	if err := r.Executable(r.Size, 0); err != nil {
		t.Error(err)
	}
}

// want checks the protection of a byte of a region.
func want(t *testing.T, r Region, offset uintptr, protection string) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	addr := uintptr(r.Base) + offset
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		var got string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &got); err == nil && from <= addr && addr < to {
			if got != protection {
				t.Fatalf("the protection is %s, want %s", got, protection)
			}
			return
		}
	}
	t.Fatalf("nothing is mapped at %#x", addr)
}

func TestProtectRefusesRanges(t *testing.T) {
	r := reserve(t, 1<<20)
	for _, c := range [][2]uint64{{1<<20 + 1, 0}, {1 << 19, 1<<19 + 1}, {4096, ^uint64(0)}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("range %#x was accepted", c)
				}
			}()
			_ = r.Writable(c[0], c[1])
		}()
	}
}
