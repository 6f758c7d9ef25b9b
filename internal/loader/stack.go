package loader

import (
	"fmt"
	"strings"
)

// CannonArg and CannonEnv are the only argument and the only environment string of a program that Cannon starts.
const (
	CannonArg = "op-program"
	CannonEnv = "GODEBUG=memprofilerate=0"
)

const (
	pageSize = 4096
	// stackPages is how many pages exist below the stack pointer at the start.
	stackPages = 4
	// maxStackData is the most that arguments and environment may take with all pointers to them: Linux's old limit.
	maxStackData = 128 << 10

	// Keys of the auxiliary vector (Linux, include/uapi/linux/auxvec.h).
	atPageSize = 6
	atRandom   = 25

	// randomBytes is what AT_RANDOM points at: Cannon's choice. A guest's randomness must be the same for everybody.
	randomBytes = "4;byfairdiceroll"
)

// CannonStack writes the first stack as Cannon does. It is Stack with Cannon's argument and environment.
func CannonStack(isaName string, mem Memory, l Layout) (sp uint64, err error) {
	return Stack(isaName, mem, l, []string{CannonArg}, []string{CannonEnv})
}

// Stack writes the first stack of a program and returns the stack pointer, a multiple of the page size; args includes
// argv[0]. From sp upwards, in the guest's words and byte order:
//
//	argc · argv… · 0 · envp… · 0 · AT_PAGESZ 4096 · AT_RANDOM pointer · 0 · 16 bytes · environment · arguments
//
// Every string ends in a zero byte and is filled with zeros to a word. sp is l.StackTop if all this fits in one page,
// else as many pages lower as it needs. The pages from four below sp to one above l.StackTop exist afterwards.
// With Cannon's argument and environment these are Cannon's bytes; hence the vector ends in one zero word instead of two
// (its reader looks at the key only).
//
// Errors: an unknown ISA, a string with a zero byte, more than 128 KiB.
func Stack(isaName string, mem Memory, l Layout, args, env []string) (sp uint64, err error) {
	var isa isa
	for _, i := range isas {
		if i.name == isaName {
			isa = i
		}
	}
	if isa.name == "" {
		return 0, fmt.Errorf("first stack: unknown ISA %q", isaName)
	}
	if l.StackTop%pageSize != 0 || l.StackTop < maxStackData+stackPages*pageSize {
		panic(fmt.Sprintf("loader: the kernel's stack top %#x is not at a page boundary, or too low", l.StackTop))
	}
	word := isa.word()
	padded := func(s string) uint64 { return (uint64(len(s)) + word) / word * word }
	// argc, the ends of the two lists, two pairs of the auxiliary vector and its end.
	words := 1 + uint64(len(args)) + 1 + uint64(len(env)) + 1 + 4 + 1
	size := words*word + uint64(len(randomBytes))
	for i, s := range args {
		if strings.IndexByte(s, 0) >= 0 {
			return 0, fmt.Errorf("first stack: argument %d, %.80q, contains a zero byte", i, s)
		}
		size += padded(s)
	}
	for i, s := range env {
		if strings.IndexByte(s, 0) >= 0 {
			return 0, fmt.Errorf("first stack: environment string %d, %.80q, contains a zero byte", i, s)
		}
		size += padded(s)
	}
	if size > maxStackData {
		return 0, fmt.Errorf("first stack: arguments and environment take %d bytes with their pointers, more than the limit of %d",
			size, maxStackData)
	}

	pages := max(1, (size+pageSize-1)/pageSize)
	end := l.StackTop + pageSize
	sp = end - pages*pageSize
	bottom := sp - stackPages*pageSize
	writeZeros(mem, bottom, end-bottom)

	w := stackWriter{isa: isa, image: make([]byte, size), sp: sp, text: words * word}
	random := w.string(randomBytes, uint64(len(randomBytes)))
	envp := make([]uint64, len(env))
	for i, s := range env {
		envp[i] = w.string(s, padded(s))
	}
	argv := make([]uint64, len(args))
	for i, s := range args {
		argv[i] = w.string(s, padded(s))
	}
	w.words(uint64(len(args)))
	w.words(argv...)
	w.words(0)
	w.words(envp...)
	w.words(0, atPageSize, pageSize, atRandom, random, 0)
	mem.Write(sp, w.image)
	return sp, nil
}

// stackWriter fills the image of the memory from sp on.
type stackWriter struct {
	isa   isa
	image []byte
	sp    uint64
	next  uint64 // offset of the next word
	text  uint64 // offset of the next string
}

// string places s in size bytes and returns its guest address.
func (w *stackWriter) string(s string, size uint64) uint64 {
	at := w.text
	copy(w.image[at:], s)
	w.text += size
	return w.sp + at
}

func (w *stackWriter) words(values ...uint64) {
	order := byteOrder(w.isa.data)
	for _, v := range values {
		if w.isa.class == class64 {
			order.PutUint64(w.image[w.next:], v)
		} else {
			order.PutUint32(w.image[w.next:], uint32(v))
		}
		w.next += w.isa.word()
	}
}
