package guests_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flexemu/flexemu"
)

// faults are the arguments of the program faults, and the instruction sets for which they are none.
var faults = []struct{ name, meant, without string }{
	{name: "unknown"},
	{name: "float"},
	{name: "divide", meant: "riscv"},
	{name: "break"},
	{name: "jump"},
	{name: "clone"},
	{name: "past-end"},
	{name: "trap", without: "riscv"},
	{name: "delay", without: "riscv"},
	{name: "misaligned", without: "mips"},
}

// is tells whether an instruction set is of a family; none is of the family "".
func is(i *flexemu.ISA, family string) bool { return family != "" && strings.HasPrefix(i.Name, family) }

func TestFaults(t *testing.T) {
	const noSuchFault = 3
	for _, i := range flexemu.ISAs() {
		for _, fault := range faults {
			t.Run(fault.name+"."+i.Name, func(t *testing.T) {
				r, h := load(t, program(t, "faults", i), fault.name)
				if err := r.RunTo(limit); err != nil {
					t.Fatal(err)
				}
				code, want := uint8(2), fault.name+"\n"
				switch {
				case is(i, fault.without):
					code, want = noSuchFault, ""
				case is(i, fault.meant):
					code, want = 0, want+"went on\n"
				}
				s := r.Stats()
				if !s.Exited || s.ExitCode != code || s.Root[0] != min(code, 2) || h.out.String() != want {
					t.Errorf("%+v, output %q; want exit code %d and %q", s, &h.out, code, want)
				}
			})
		}
	}
}

// splitmix64 is the generator of Steele, Lea and Flood, with the numbers of their paper.
func splitmix64(seed uint64) uint64 {
	z := seed + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// TestSystem holds the kernel's answers against docs/base-machine.md. Clock and random bytes follow from the number of
// the step that asks for them.
func TestSystem(t *testing.T) {
	for _, i := range flexemu.ISAs() {
		t.Run(i.Name, func(t *testing.T) {
			r, h := load(t, program(t, "system", i))
			var clock, random []uint64
			for done := false; !done; done, _ = r.Exited() {
				kind := r.Kind()
				if err := r.RunTo(r.Step() + 1); err != nil {
					t.Fatal(err)
				}
				switch kind {
				case "syscall clock_gettime", "syscall clock_gettime64":
					clock = append(clock, r.Step())
				case "syscall getrandom":
					random = append(random, r.Step())
				}
			}
			if _, code := r.Exited(); code != 7 || len(clock) != 3 || len(random) != 2 {
				t.Fatalf("exit code %d, asked for the time in steps %d and for random bytes in %d", code, clock, random)
			}
			if got, want := h.out.String(), answers(i, clock[0], random); got != want {
				t.Errorf("printed\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// answers is what the program system prints.
func answers(i *flexemu.ISA, clock uint64, random []uint64) string {
	// The second time it asks for 2 bytes at address 3 mod 8.
	whole, piece := splitmix64(random[0]), splitmix64(random[1])&0x000000ffff000000
	bytes := fmt.Sprintf("%016x%016x", whole, piece)
	heap, end, enosys, sleep := uint64(0x1000_0000_0000), uint64(0x4000_0000_0000), 89, "nanosleep 0\n"
	if i.Bits == 32 {
		heap, end = 0x0500_0000, 0x4000_0000
	}
	counter := ""
	if is(i, "riscv") {
		enosys, counter = 38, "counter 1\n"
	}
	if i.Name == "riscv32" {
		sleep = "" // Linux has another call there
	}
	return fmt.Sprintf("monotonic 0\nseconds %d\nnanoseconds %d\n", clock/10_000_000, clock%10_000_000*100) +
		"realtime 0\nseconds 0\nnanoseconds 0\nother clock -22\nseconds -1\nnanoseconds -1\n" +
		fmt.Sprintf("random 8\nrandom 2\n%s\ngettid 0\ngetpid 0\nbrk %016x\n", bytes, end) +
		fmt.Sprintf("mmap %016x\nmmap %016x\nmmap 0000000012345678\nmmap -22\nmunmap 0\n", heap, heap+0x2000) +
		"F_GETFD 0\nF_GETFD -9\nF_GETFL 1\nF_SETFL -22\neventfd 100\neventfd -22\nevent -11\n" +
		fmt.Sprintf("standard input 0\ndescriptor 7 -9\n%sfutex -22\nno such call -%d\n%s", sleep, enosys, counter)
}
