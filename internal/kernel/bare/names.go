package bare

import (
	"slices"

	"github.com/flexemu/flexemu/internal/machine"
)

// SyscallName is the name that Linux gives the syscall of that number, or "" if the kernel does not have it.
func (k *Kernel) SyscallName(number uint64) string {
	for _, c := range calls {
		if slices.Contains(c.numbersOf(k.ISA), number) {
			return c.name
		}
	}
	return ""
}

// channels are what read and write of a descriptor mean, where it is more than passing bytes.
var channels = map[string]map[uint64]string{
	"read":  {fdHintRead: "hint", fdPreimageRead: "pre-image"},
	"write": {fdHintWrite: "hint", fdPreimageWrite: "key"},
}

// PendingSyscall describes the syscall that the running thread's registers ask for: its name, or "unknown", and
// for a read or write of a channel to the host which one: "read pre-image", "write key".
func (k *Kernel) PendingSyscall(m *machine.Machine) string {
	name := k.SyscallName(m.Cells[k.abi.number])
	if name == "" {
		return "unknown"
	}
	fd := m.Cells[k.abi.args]
	if k.ISA.Bits == 32 {
		fd = uint64(uint32(fd))
	}
	if channel := channels[name][fd]; channel != "" {
		name += " " + channel
	}
	return name
}
