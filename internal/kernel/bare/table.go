package bare

// A SyscallRow is a row of the table of syscalls, for the documentation.
type SyscallRow struct {
	Name            string
	N64, O32, RISCV uint64 // numbers; 0 where the ABI lacks the call
	// Narrow says that only 32-bit instruction sets have it.
	Narrow bool
	// Idle says that it does nothing and gives 0.
	Idle bool
}

// Syscalls gives the table of syscalls, in its own order.
func Syscalls() []SyscallRow {
	rows := make([]SyscallRow, len(calls))
	for n, c := range calls {
		rows[n] = SyscallRow{c.name, c.n64, c.o32, c.riscv, c.only == 32, c.mean == nil}
	}
	return rows
}
