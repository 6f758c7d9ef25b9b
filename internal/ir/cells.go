package ir

import "fmt"

// A Cell names one 64-bit word of a machine's state outside memory: a register of the running
// thread, or a scalar of the machine. Cells 0 to 31 are the general registers of every ISA that we
// know of so far; an ISA says which of the others its threads have (see isa.ISA.Thread).
//
// A 32-bit guest's general registers are kept sign-extended to 64 bits, its pc and next pc
// zero-extended.
type Cell uint8

// The running thread.
const (
	PC           Cell = 32 + iota
	NextPC            // MIPS: where execution goes after the instruction at PC
	Lo                // MIPS: low half of a product, quotient
	Hi                // MIPS: high half of a product, remainder
	ThreadID          //
	ThreadExit        // exit code of the thread, 0 to 255
	ThreadExited      // 0 or 1
)

// The machine. Names and order follow the state encoding of the base machine.
const (
	PreimageOffset Cell = 48 + iota
	Heap
	ReservationStatus // 0 none, 1 a 32-bit one, 2 a 64-bit one
	ReservationAddress
	ReservationOwner
	ExitCode // 0 to 255
	Exited   // 0 or 1
	Step
	Quantum       // steps since the last context switch
	TraverseRight // 0 or 1
	NextThread    // id of the next thread to be made
)

// Register tells whether a cell is a register of the thread that instructions compute with: a general one, lo or hi.
func (c Cell) Register() bool { return c < 32 || c == Lo || c == Hi }

// Sink takes the writes to a register that reads as zero. It is no part of any state: engines that
// decode ahead redirect such writes to it so that no test is needed when an instruction runs.
const Sink Cell = 255

// NumCells is the length of an array that any Cell, and any uint8, can index without a bounds check.
const NumCells = 256

var cellNames = map[Cell]string{
	PC: "PC", NextPC: "nextPC", Lo: "lo", Hi: "hi",
	ThreadID: "threadID", ThreadExit: "threadExit", ThreadExited: "threadExited",
	PreimageOffset: "preimageOffset", Heap: "heap",
	ReservationStatus: "reservationStatus", ReservationAddress: "reservationAddress", ReservationOwner: "reservationOwner",
	ExitCode: "exitCode", Exited: "exited", Step: "step", Quantum: "quantum",
	TraverseRight: "traverseRight", NextThread: "nextThread",
}

func (c Cell) String() string {
	if name, ok := cellNames[c]; ok {
		return name
	}
	return fmt.Sprintf("r%d", uint8(c))
}
