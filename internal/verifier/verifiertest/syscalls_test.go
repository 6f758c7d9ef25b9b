package verifiertest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/isatest"
	"github.com/flexemu/flexemu/internal/merkle"
	"github.com/flexemu/flexemu/internal/preimage"
)

// syscallPlans are a plan for each syscall whose effect depends on something, more for those that do several things,
// and some that take all syscalls in turn.
func syscallPlans(w *world) []plan {
	var list []plan
	for _, name := range strings.Fields(`
		read write mmap mmap2 clone exit exit_group clock_gettime clock_gettime64 futex futex_time64 getrandom fcntl eventfd2`) {
		if w.numbers[name] != 0 {
			list = append(list, plan{"syscall " + name, func(b *builder) { b.call(name) }})
		}
	}
	for n := range uint64(allCalls) {
		list = append(list, plan{fmt.Sprintf("syscall, turn %d", n), func(b *builder) {
			b.call(w.names[(b.turn*allCalls+n)%uint64(len(w.names))])
		}})
	}
	return append(list,
		plan{"syscall read pre-image", (*builder).readPreimage},
		plan{"syscall write key", (*builder).writeKey},
		plan{"syscall clone as Go does", func(b *builder) { b.call("clone"); b.setArg(0, 0x50f00) }},
		plan{"syscall futex wait", func(b *builder) { b.futex(128) }},
		plan{"syscall futex wake", func(b *builder) { b.futex(129) }},
		plan{"syscall clock_gettime monotonic", func(b *builder) { b.call("clock_gettime"); b.setArg(0, 1) }},
		plan{"syscall clock_gettime realtime", func(b *builder) { b.call("clock_gettime"); b.setArg(0, 0) }},
		plan{"syscall mmap of nowhere", func(b *builder) { b.call("mmap"); b.setArg(0, 0); b.lastHeap() }},
		plan{"syscall unknown", func(b *builder) { b.call(""); b.m.Cells[b.w.number] = b.unknownNumber() }},
	)
}

// allCalls is the number of plans that take all syscalls in turn.
const allCalls = 6

// call is a case of a syscall with arguments worth trying.
func (b *builder) call(name string) {
	b.instruction(b.w.call)
	b.imm = 0
	b.m.Cells[b.w.number] = b.w.register(b.w.numbers[name])
	for n := range b.w.args {
		b.setArg(n, b.argument())
	}
	b.reservation()
	b.preimage()
	if name == "write" && b.m.Cells[b.w.args[0]] < 5 && !b.one(20) {
		b.setArg(2, b.Uint64N(1<<16)) // the host is shown up to 64 MiB, which takes time
	}
}

func (b *builder) setArg(n int, v uint64) { b.m.Cells[b.w.args[n]] = b.w.register(v) }

func (b *builder) argument() uint64 {
	switch b.IntN(4) {
	case 0: // a descriptor, a command, an operation
		return b.pick(0, 1, 2, 3, 4, 5, 6, 7, 99, 100, 128, 129)
	case 1: // a count
		return b.pick(0, 1, 7, 8, 9, 31, 32, 33, 4095, 4096, 4097, 0x50f00, 1<<31, 1<<32-1, 1<<32, 1<<63, 1<<64-4096, 1<<64-1)
	case 2:
		return isatest.Word(b.w.isa.Bits, b.Rand)
	}
	return b.near()
}

func (b *builder) unknownNumber() uint64 {
	for {
		n := b.pick(0, b.Uint64N(8192), 1<<32, 1<<32+5000, 1<<63, b.Uint64())
		if b.w.kernel.SyscallName(n) == "" && b.w.kernel.SyscallName(b.w.address(n)) == "" {
			return b.w.register(n)
		}
	}
}

// preimage makes data of any kind, its key, and an offset in or at the end of it.
func (b *builder) preimage() {
	data := make([]byte, b.pick(0, 1, 7, 8, 9, 31, 32, 33, 64, b.Uint64N(500)))
	b.bytes(data)
	key := &b.m.Key
	switch key[0] = byte(b.pick(preimage.Local, preimage.Keccak256, preimage.SHA256)); key[0] {
	case preimage.Local:
		data = data[:min(len(data), preimage.MaxLocal)]
		clear(key[1:24])
	case preimage.Keccak256:
		hash := merkle.Keccak256(data)
		copy(key[1:], hash[1:])
	case preimage.SHA256:
		hash := sha256.Sum256(data)
		copy(key[1:], hash[1:])
	}
	b.host[*key] = data
	length := uint64(8 + len(data))
	b.m.Cells[ir.PreimageOffset] = b.pick(
		0, 1, 7, 8, 8+uint64(len(data))/2, b.Uint64N(length), length-1, length-1, length-min(length, 7), length-8,
		length, length+1, 1<<32, 1<<64-1, 1<<64-8)
}

func (b *builder) readPreimage() {
	b.call("read")
	if b.one(8) { // a type of key that there is not
		b.m.Key[0] = byte(b.pick(0, 3, 7, 0xff))
	}
	b.setArg(0, 5)
	b.setArg(1, b.near())
	if b.one(2) {
		b.setArg(2, b.pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1<<64-1))
	}
}

func (b *builder) writeKey() {
	b.call("write")
	b.setArg(0, 6)
	b.setArg(1, b.near())
	b.setArg(2, b.pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 32, 1<<64-1))
}

// futex is a call on an address whose value is the one that the caller expects, or nearly.
func (b *builder) futex(op uint64) {
	b.call("futex")
	addr := b.near()
	value := make([]byte, 4)
	b.bytes(value)
	b.m.Mem.Write(b.w.address(addr)&^3, value)
	want := uint64(binary.LittleEndian.Uint32(value))
	if b.w.isa.Big {
		want = uint64(binary.BigEndian.Uint32(value))
	}
	b.setArg(0, addr)
	b.setArg(1, op)
	b.setArg(2, want|b.pick(0, 1, b.Uint64()<<32))
	b.asIs = true
}

// lastHeap brings the heap pointer near its end.
func (b *builder) lastHeap() {
	if b.one(2) {
		b.m.Cells[ir.Heap] = b.w.kernel.Layout.HeapEnd - b.pick(0, 1, 2, 1000)*4096
		b.setArg(1, b.pick(0, 1, 4095, 4096, 4097, 8192, 8193, 1000*4096, 1000*4096+1))
	}
}
