package main

import "slices"

// The workloads in C, which examples/c/bench has.
var cWorkloads = []string{"primes", "keccak", "sorting", "copy", "fib"}

// The workloads in Go.
const (
	goWorkload  = "go"  // internal/bench/mixed
	evmWorkload = "evm" // examples/evm
)

// workloads are all, in the order in which they are measured.
func workloads() []string { return append(slices.Clone(cWorkloads), goWorkload, evmWorkload) }

// goTargets are the environments in which Go builds for an instruction set without floats. Others have no workloads
// in Go.
var goTargets = map[string][]string{
	"mips64": {"GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0"},
	"mips32": {"GOOS=linux", "GOARCH=mips", "GOMIPS=softfloat", "CGO_ENABLED=0"},
}

// goDebug has a guest's heap zero what it uses again. Else Go takes pages for zero that it has returned with madvise,
// and on the kernel bare, as in Cannon, they are not.
const goDebug = "-X runtime.godebugDefault=madvdontneed=0,decoratemappings=0"

// Names of machines.
const (
	nativeMachine = "native"
	qemuMachine   = "qemu"
	cannonMachine = "cannon"
	interpEngine  = "interp"
)

// cannonISA is the instruction set that Cannon runs.
const cannonISA = "mips64"

// emulators are the programs of qemu's user mode.
var emulators = map[string]string{
	"mips64": "qemu-mips64-static", "mips64le": "qemu-mips64el-static",
	"mips32": "qemu-mips-static", "mips32le": "qemu-mipsel-static",
	"riscv64": "qemu-riscv64-static", "riscv32": "qemu-riscv32-static",
}

// A size is how much a workload has to do.
type size struct {
	name         string
	make         []string // variables of examples/c/Makefile
	rounds       string   // of the workload goWorkload
	transactions string   // of the workload evmWorkload
}

// The sizes: some 40 million steps, some 400 million, some 3 billion.
var (
	small = &size{"small", []string{"QUICK=1"}, "2", "30"}
	full  = &size{"full", nil, "16", "108"}
	long  = &size{"long", []string{"REPEAT=8"}, "128", "2592"}
	sizes = []*size{small, full, long}
)

// sizeOf is the size that keeps a machine busy for about a second.
func sizeOf(machine string, quick bool) *size {
	switch {
	case quick || machine == cannonMachine:
		return small
	case machine == interpEngine:
		return full
	}
	return long
}
