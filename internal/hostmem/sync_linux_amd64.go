package hostmem

// syncInstructions has nothing to do: the processor keeps instructions and data coherent
// (Intel, Software Developer's Manual 3, Self-Modifying Code).
func syncInstructions(start, end uintptr) {}
