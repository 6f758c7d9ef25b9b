package hostmem

// syncInstructions makes what was written from start up to end visible to the fetching of instructions, on all
// processors (Arm Architecture Reference Manual, Synchronization and coherency issues between data and instruction
// accesses). end must be greater than start.
//
//go:noescape
func syncInstructions(start, end uintptr)
