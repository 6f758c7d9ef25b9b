package bare

import (
	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// A syscallRow is one syscall: its name, its numbers (0 where the ABI lacks it), and its meaning; nil means that
// it does nothing and gives 0. Numbers: arch/mips/kernel/syscalls/syscall_{n64,o32}.tbl and
// include/uapi/asm-generic/unistd.h of Linux.
type syscallRow struct {
	name            string
	n64, o32, riscv uint64
	only            int // 32: of 32-bit instruction sets only
	mean            func(call)
}

func (r syscallRow) numbersOf(i *isa.ISA) []uint64 {
	n := r.riscv
	switch i.Name {
	case "mips64", "mips64le":
		n = r.n64
	case "mips32", "mips32le":
		n = r.o32
	}
	if n == 0 || r.only == 32 && i.Bits != 32 {
		return nil
	}
	return []uint64{n}
}

var calls = []syscallRow{
	{"read", 5000, 4003, 63, 0, call.read},
	{"write", 5001, 4004, 64, 0, call.write},
	{"open", 5002, 4005, 0, 0, func(c call) { c.fail(ebadf) }},
	{"mmap", 5009, 4090, 222, 0, call.mmap},
	{"mmap2", 0, 4210, 0, 0, call.mmap},
	{"brk", 5012, 4045, 214, 0, func(c call) { c.result(c.Const(c.k.Layout.Break)) }},
	{"clone", 5055, 4120, 220, 0, call.clone},
	{"exit", 5058, 4001, 93, 0, call.exit},
	{"exit_group", 5205, 4246, 94, 0, func(c call) { c.k.halt(c.Builder, c.AndI(c.arg(0), 0xff)) }},
	{"sched_yield", 5023, 4162, 124, 0, call.yield},
	{"nanosleep", 5034, 4166, 101, 0, call.yield},
	{"clock_gettime", 5222, 4263, 113, 0, call.clockGettime},
	{"clock_gettime64", 0, 4403, 403, 32, call.clockGettime64},
	{"futex", 5194, 4238, 98, 0, call.futex},
	{"futex_time64", 0, 4422, 422, 32, call.futex},
	{"getrandom", 5313, 4353, 278, 0, call.getrandom},
	{"gettid", 5178, 4222, 178, 0, func(c call) { c.result(c.Get(ir.ThreadID)) }},
	{"getpid", 5038, 4020, 172, 0, func(c call) { c.result(c.Const(0)) }},
	{"fcntl", 5070, 4055, 25, 0, call.fcntl},
	{"eventfd2", 5284, 4325, 19, 0, call.eventfd},

	{"munmap", 5011, 4091, 215, 0, nil},
	{"mprotect", 5010, 4125, 226, 0, nil},
	{"sched_getaffinity", 5196, 4240, 123, 0, nil},
	{"madvise", 5027, 4218, 233, 0, nil},
	{"rt_sigprocmask", 5014, 4195, 135, 0, nil},
	{"sigaltstack", 5129, 4206, 132, 0, nil},
	{"rt_sigaction", 5013, 4194, 134, 0, nil},
	{"prlimit64", 5297, 4338, 261, 0, nil},
	{"close", 5003, 4006, 57, 0, nil},
	{"pread64", 5016, 4200, 67, 0, nil},
	{"stat", 5004, 4106, 0, 0, nil},
	{"fstat", 5005, 4108, 80, 0, nil},
	{"stat64", 0, 4213, 0, 0, nil},
	{"fstat64", 0, 4215, 0, 0, nil},
	{"openat", 5247, 4288, 56, 0, nil},
	{"readlink", 5087, 4085, 0, 0, nil},
	{"readlinkat", 5257, 4298, 78, 0, nil},
	{"ioctl", 5015, 4054, 29, 0, nil},
	{"epoll_create1", 5285, 4326, 20, 0, nil},
	{"pipe2", 5287, 4328, 59, 0, nil},
	{"epoll_ctl", 5208, 4249, 21, 0, nil},
	{"epoll_pwait", 5272, 4313, 22, 0, nil},
	{"uname", 5061, 4122, 160, 0, nil},
	{"getuid", 5100, 4024, 174, 0, nil},
	{"getgid", 5102, 4047, 176, 0, nil},
	{"lseek", 5008, 4019, 62, 0, nil},
	{"_llseek", 0, 4140, 0, 0, nil},
	{"mincore", 5026, 4217, 232, 0, nil},
	{"tgkill", 5225, 4266, 131, 0, nil},
	{"getrlimit", 5095, 4076, 163, 0, nil},
	{"setitimer", 5036, 4104, 103, 0, nil},
	{"timer_create", 5216, 4257, 107, 0, nil},
	{"timer_settime", 5217, 4258, 110, 0, nil},
	{"timer_delete", 5220, 4261, 111, 0, nil},
}

// Linux error numbers, the same on all our ABIs; ENOSYS is not, see Kernel.
const (
	ebadf  = 9
	eagain = 11
	einval = 22
)

// Descriptors that a guest finds open.
const (
	fdStdin         = 0
	fdStdout        = 1
	fdStderr        = 2
	fdHintRead      = 3
	fdHintWrite     = 4
	fdPreimageRead  = 5
	fdPreimageWrite = 6
	fdEvent         = 100 // what eventfd2 gives; nothing ever happens on it
)

// call is a syscall while its meaning is built.
type call struct {
	k *Kernel
	*ir.Builder
}

// arg is argument n as an unsigned word of the guest's width.
func (c call) arg(n uint64) ir.Value {
	v := c.Reg(c.Const(c.k.abi.args + n))
	if c.k.ISA.Bits == 32 {
		v = c.Zext32(v)
	}
	return v
}

func (c call) set(reg uint64, v ir.Value) {
	if c.k.ISA.Bits == 32 {
		v = c.Sext32(v)
	}
	c.SetReg(c.Const(reg), v)
}

// finish writes the result and moves pc on.
func (c call) finish(v ir.Value, flag uint64) {
	c.set(c.k.abi.result, v)
	if c.k.abi.flag >= 0 {
		c.set(uint64(c.k.abi.flag), c.Const(flag))
	}
	c.k.ISA.Advance(c.Builder, 4)
}

func (c call) result(v ir.Value) { c.finish(v, 0) }

func (c call) fail(errno uint64) {
	if c.k.abi.flag < 0 {
		c.finish(c.Const(-errno), 0)
		return
	}
	c.finish(c.Const(errno), ^uint64(0))
}

func (c call) yield() {
	c.result(c.Const(0))
	c.k.preempt(c.Builder)
}

// bytes is a piece of the aligned 8 bytes of memory that an address lies in: at most count bytes from the
// address on.
type bytes struct {
	word  ir.Value // address of the aligned 8 bytes
	shift ir.Value // bits before the first byte
	n     ir.Value // length, 0 to 8
}

func (c call) piece(addr, count ir.Value) bytes {
	before := c.AndI(addr, 7)
	return bytes{c.AndI(addr, ^uint64(7)), c.ShlI(before, 3), c.min(count, c.Sub(c.Const(8), before))}
}

func (c call) min(x, y ir.Value) ir.Value { return c.Select(c.LtU(x, y), x, y) }

// fill writes the first n bytes of src to the piece; src is the value of 8 bytes, first byte highest, that
// stand where they shall be written.
func (c call) fill(p bytes, src ir.Value) {
	ones := c.Select(p.n, c.Shl(c.Const(^uint64(0)), c.Sub(c.Const(64), c.ShlI(p.n, 3))), c.Const(0))
	mask := c.ShrU(ones, p.shift)
	old := c.LoadBytes(p.word)
	c.StoreBytes(p.word, c.Or(c.And(old, c.Not(mask)), c.And(src, mask)))
}

func (c call) read() {
	fd, addr, count := c.arg(0), c.arg(1), c.arg(2)
	c.Switch(fd, []ir.Arm{
		{Keys: []uint64{fdStdin}, Body: func() { c.result(c.Const(0)) }},
		{Keys: []uint64{fdHintRead}, Body: func() { c.result(count) }},
		{Keys: []uint64{fdPreimageRead}, Body: func() { c.readPreimage(addr, count) }},
		{Keys: []uint64{fdEvent}, Body: func() { c.fail(eagain) }},
	}, func() { c.fail(ebadf) })
}

// The types of pre-image keys that there are.
const (
	keyLocal      = 1
	keyKeccak256  = 2
	keySHA256     = 4
	keyBlob       = 5
	keyPrecompile = 6
)

// readPreimage: a key of another type has no pre-image, so what a read of it does must not depend on one.
func (c call) readPreimage(addr, count ir.Value) {
	fault := func() { c.k.halt(c.Builder, c.Const(FaultCode)) }
	types := []uint64{keyLocal, keyKeccak256, keySHA256, keyBlob, keyPrecompile}
	c.Switch(c.KeyType(), []ir.Arm{{Keys: types, Body: func() {
		offset := c.Get(ir.PreimageOffset)
		data := c.OracleWord(offset)
		available := c.OracleCount()
		c.IfElse(available, func() {
			p := c.piece(addr, c.min(count, available))
			c.fill(p, c.ShrU(data, p.shift))
			c.Set(ir.PreimageOffset, c.Add(offset, p.n))
			c.result(p.n)
		}, fault)
	}}}, fault)
}

func (c call) write() {
	fd, addr, count := c.arg(0), c.arg(1), c.arg(2)
	c.Switch(fd, []ir.Arm{
		{Keys: []uint64{fdStdout, fdStderr, fdHintWrite}, Body: func() {
			c.HostWrite(fd, addr, count)
			c.result(count)
		}},
		{Keys: []uint64{fdPreimageWrite}, Body: func() {
			p := c.piece(addr, count)
			word := c.LoadBytes(p.word)
			c.If(p.n, func() {
				c.KeyAppend(p.n, c.ShrU(c.Shl(word, p.shift), c.Sub(c.Const(64), c.ShlI(p.n, 3))))
			})
			c.Set(ir.PreimageOffset, c.Const(0))
			c.result(p.n)
		}},
		{Keys: []uint64{fdEvent}, Body: func() { c.fail(eagain) }},
	}, func() { c.fail(ebadf) })
}

const pageMask = 4095

func (c call) mmap() {
	addr, length := c.arg(0), c.arg(1)
	c.IfElse(addr, func() { c.result(addr) }, func() {
		heap := c.Get(ir.Heap)
		size := c.AndI(c.AddI(length, pageMask), ^uint64(pageMask))
		end := c.Add(heap, size)
		bad := c.Or(c.Or(c.LtU(size, length), c.LtU(end, heap)), c.LtU(c.Const(c.k.Layout.HeapEnd), end))
		c.IfElse(bad, func() { c.fail(einval) }, func() {
			c.Set(ir.Heap, end)
			c.result(heap)
		})
	})
}

// cloneFlags make a thread as Go does: VM, FS, FILES, SIGHAND, SYSVSEM, THREAD.
const cloneFlags = 0x50f00

func (c call) clone() {
	flags, stack := c.arg(0), c.arg(1)
	c.IfElse(c.Eq(flags, c.Const(cloneFlags)), func() {
		id := c.Get(ir.NextThread)
		c.Set(ir.NextThread, c.AddI(id, 1))
		c.result(id)
		c.Do(ir.PushThread) // the parent; what runs from here on is the child
		c.Set(ir.ThreadID, id)
		c.set(c.k.abi.sp, stack)
		c.set(c.k.abi.result, c.Const(0))
		c.Set(ir.Quantum, c.Const(0))
	}, func() { c.k.halt(c.Builder, c.Const(FaultCode)) })
}

func (c call) exit() {
	code := c.AndI(c.arg(0), 0xff)
	c.Set(ir.ThreadExited, c.Const(1))
	c.Set(ir.ThreadExit, code)
	c.If(c.LastThread(), func() { c.k.halt(c.Builder, code) })
}

const (
	clockRealtime  = 0
	clockMonotonic = 1
)

func (c call) clockGettime()   { c.clock(uint8(c.k.ISA.Bits / 8)) }
func (c call) clockGettime64() { c.clock(8) }

// clock writes two words of the given size (bytes): seconds and nanoseconds.
func (c call) clock(size uint8) {
	clock := c.arg(0)
	at := c.AndI(c.arg(1), ^uint64(size-1))
	tell := func(seconds, nanoseconds ir.Value) {
		c.Store(at, size, seconds)
		c.Do(ir.CloseLeaf)
		second := c.AddI(at, uint64(size))
		if c.k.ISA.Bits == 32 {
			second = c.Zext32(second)
		}
		c.Store(second, size, nanoseconds)
		c.result(c.Const(0))
	}
	c.Switch(clock, []ir.Arm{
		{Keys: []uint64{clockRealtime}, Body: func() { tell(c.Const(0), c.Const(0)) }},
		{Keys: []uint64{clockMonotonic}, Body: func() {
			step, rate := c.Get(ir.Step), c.Const(StepsPerSecond)
			tell(c.DivU(step, rate), c.Mul(c.RemU(step, rate), c.Const(1e9/StepsPerSecond)))
		}},
	}, func() { c.fail(einval) })
}

const (
	futexWaitPrivate = 128
	futexWakePrivate = 129
)

func (c call) futex() {
	addr, op, want := c.AndI(c.arg(0), ^uint64(3)), c.arg(1), c.arg(2)
	c.Switch(op, []ir.Arm{
		{Keys: []uint64{futexWaitPrivate}, Body: func() {
			c.IfElse(c.Eq(c.Load(addr, 4), c.Zext32(want)), c.yield, func() { c.fail(eagain) })
		}},
		{Keys: []uint64{futexWakePrivate}, Body: c.yield},
	}, func() { c.fail(einval) })
}

func (c call) getrandom() {
	p := c.piece(c.arg(0), c.arg(1))
	c.fill(p, c.splitmix64(c.Get(ir.Step)))
	c.result(p.n)
}

// splitmix64 is Steele, Lea and Flood's generator (OOPSLA 2014): the first output for a seed.
func (c call) splitmix64(seed ir.Value) ir.Value {
	z := c.AddI(seed, 0x9e3779b97f4a7c15)
	z = c.Mul(c.Xor(z, c.ShrI(z, 30)), c.Const(0xbf58476d1ce4e5b9))
	z = c.Mul(c.Xor(z, c.ShrI(z, 27)), c.Const(0x94d049bb133111eb))
	return c.Xor(z, c.ShrI(z, 31))
}

// fcntl commands and the flags that F_GETFL gives.
const (
	fGetFD = 1
	fGetFL = 3

	readOnly  = 0
	writeOnly = 1
)

func (c call) fcntl() {
	fd, cmd := c.arg(0), c.arg(1)
	badFD := func() { c.fail(ebadf) }
	reading := []uint64{fdStdin, fdHintRead, fdPreimageRead}
	writing := []uint64{fdStdout, fdStderr, fdHintWrite, fdPreimageWrite}
	c.Switch(cmd, []ir.Arm{
		{Keys: []uint64{fGetFD}, Body: func() {
			c.IfElse(c.LtU(fd, c.Const(fdPreimageWrite+1)), func() { c.result(c.Const(0)) }, badFD)
		}},
		{Keys: []uint64{fGetFL}, Body: func() {
			c.Switch(fd, []ir.Arm{
				{Keys: reading, Body: func() { c.result(c.Const(readOnly)) }},
				{Keys: writing, Body: func() { c.result(c.Const(writeOnly)) }},
			}, badFD)
		}},
	}, func() { c.fail(einval) })
}

const nonBlocking = 0x80 // EFD_NONBLOCK on MIPS; elsewhere Linux has another value, and the base machine this one

func (c call) eventfd() {
	c.IfElse(c.AndI(c.arg(1), nonBlocking), func() { c.result(c.Const(fdEvent)) }, func() { c.fail(einval) })
}
