package cannon

import (
	"encoding/binary"
	"fmt"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
)

// Rows that are left to single steps so that they can be counted, or followed.
var (
	atomics = []string{"ll", "lld", "sc", "scd"}
	jumps   = []string{"j", "jal", "jr", "jalr", "bltzal", "bgezal"}
)

// cachedCode is the end of the addresses of which Cannon decodes code when it starts.
const cachedCode = 128 << 20

// usualLink is how many instructions there commonly are between a load-linked and its store-conditional, at most.
const usualLink = 3

// A watcher is an engine that tells what happens in single steps.
type watcher struct {
	bare.Engine
	isa   *isa.ISA
	m     *machine.Machine
	stats *stats     // nil: not wanted
	trace *traceback // nil: not wanted
	// far is true if there is code that Cannon does not decode ahead, each step of which it counts: then there are
	// single steps only.
	far bool
	// linked is how many single steps follow a load-linked: as many as there are commonly up to the store-conditional, so
	// that no compiler is asked for code of one instruction.
	linked int
	names  [1 << nameBits]named
	did    bool // an instruction was executed since the last call of stepped
}

// Run implements bare.Engine.
func (w *watcher) Run(n uint64) uint64 {
	if w.far && w.stats != nil {
		return 0
	}
	if w.linked > 0 {
		w.linked--
		return 0
	}
	return w.Engine.Run(n)
}

// next gives the instruction at pc, and the name of its row or "".
func (w *watcher) next() (name string, word uint32) {
	var b [4]byte
	w.m.Peek(w.m.Cells[ir.PC], b[:])
	word = binary.BigEndian.Uint32(b[:])
	e := &w.names[word*hashFactor>>(32-nameBits)]
	if !e.known || e.word != word {
		*e = named{word: word, known: true}
		if row, ok := w.isa.Decode(word); ok {
			e.name = w.isa.Rows[row].Name
		}
	}
	return e.name, word
}

const (
	nameBits   = 8
	hashFactor = 0x9e37_79b1 // 2^32 divided by the golden ratio
)

// named is an instruction whose row was looked up.
type named struct {
	word  uint32
	known bool
	name  string
}

// Step implements bare.Engine.
func (w *watcher) Step() (trap ir.TrapKind, trapped bool) {
	w.did = true
	pc := w.m.Cells[ir.PC]
	name, word := w.next()
	switch name {
	case "ll", "lld":
		w.linked = usualLink
	case "sc", "scd":
		w.linked = 0
	}
	if w.stats != nil {
		if w.far && pc >= cachedCode && pc%4 == 0 {
			w.stats.misses++
			w.stats.highestMiss = max(w.stats.highestMiss, pc)
		}
		defer w.stats.around(name, w.m)()
	}
	var after func()
	if w.trace != nil {
		after = w.trace.around(name, pc, word, w.m)
	}
	trap, trapped = w.Engine.Step()
	if after != nil && !trapped {
		after()
	}
	return trap, trapped
}

// stepped is told of the end of a step.
func (w *watcher) stepped() {
	if w.stats != nil {
		w.stats.stepped(w.m, w.did)
	}
	if w.trace != nil {
		w.trace.stepped(w.m)
	}
	w.did = false
}

// farCode tells whether the program lies where Cannon does not decode ahead.
func farCode(m *machine.Machine) bool {
	found := false
	_ = m.Mem.EachPage(func(page uint64, _ *[machine.PageSize]byte) error {
		at := page * machine.PageSize
		found = found || at >= cachedCode && at < bare.LayoutOf(64).HeapStart
		return nil
	})
	return found
}

// DebugInfo is the file of figures about a run that op-challenger turns into metrics. What is counted is what happened
// in this process.
type DebugInfo struct {
	Pages              int    `json:"pages"`
	MemoryUsed         quant  `json:"memory_used"` // bytes
	PreimageRequests   int    `json:"num_preimage_requests"`
	PreimageSize       int    `json:"total_preimage_size"` // bytes
	Steps              uint64 `json:"total_steps"`         // since the program's start
	CacheMisses        uint64 `json:"instruction_cache_miss_count"`
	HighestMiss        quant  `json:"highest_icache_miss_pc"`
	Successes          uint64 `json:"rmw_success_count"`
	Failures           uint64 `json:"rmw_fail_count"`
	LongestReservation uint64 `json:"max_steps_between_ll_and_sc"`
	Invalidations      uint64 `json:"reservation_invalidation_count"`
	ForcedPreemptions  uint64 `json:"forced_preemption_count"`
	IdleStepsOfThread0 uint64 `json:"idle_step_count_thread_0"`
}

// quant is a number that JSON shows in hexadecimal digits.
type quant uint64

// MarshalText implements encoding.TextMarshaler.
func (q quant) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%#x", uint64(q)), nil }

// maxLinks is for how many threads the last load-linked is remembered.
const maxLinks = 5

type link struct{ thread, step uint64 }

// stats are the counters of a run.
type stats struct {
	links                  []link // the one that was used last at the end
	successes, failures    uint64
	longest, invalidations uint64
	reserved               bool // there was a reservation after the last load-linked or store-conditional
	forced, idle           uint64
	active, left           uint64 // the thread that became active last, and when thread 0 ceased to be
	threads                int
	misses, highestMiss    uint64
}

func newStats(m *machine.Machine) *stats {
	return &stats{reserved: m.Cells[ir.ReservationStatus] != 0, threads: m.Threads()}
}

// lost notes that a store has ended the reservation. Only a load-linked makes one, so this is seen in time at the next
// event.
func (s *stats) lost(m *machine.Machine) {
	if s.reserved && m.Cells[ir.ReservationStatus] == 0 {
		s.invalidations++
		s.reserved = false
	}
}

// around counts an instruction that is about to be executed; it gives what is to be done afterwards.
func (s *stats) around(name string, m *machine.Machine) (after func()) {
	thread, step := m.Cells[ir.ThreadID], m.Cells[ir.Step]
	switch name {
	case "ll", "lld":
		s.lost(m)
		return func() {
			s.reserved = true
			s.forget(thread)
			s.links = append(s.links, link{thread, step})
			if len(s.links) > maxLinks {
				s.links = s.links[1:]
			}
		}
	case "sc", "scd":
		s.lost(m)
		return func() {
			if s.reserved && m.Cells[ir.ReservationStatus] == 0 { // a failing one leaves it
				s.successes++
				s.reserved = false
			} else {
				s.failures++
			}
			if from, ok := s.forget(thread); ok {
				s.longest = max(s.longest, step-from)
			}
		}
	}
	return func() {}
}

// forget removes a thread's load-linked and gives its step.
func (s *stats) forget(thread uint64) (step uint64, ok bool) {
	for n, l := range s.links {
		if l.thread == thread {
			s.links = append(s.links[:n:n], s.links[n+1:]...)
			return l.step, true
		}
	}
	return 0, false
}

// stepped counts switches of threads. did tells whether the step has executed an instruction.
func (s *stats) stepped(m *machine.Machine, did bool) {
	threads := m.Threads()
	// A step without a switch leaves the count of steps at 1 at least.
	if m.Cells[ir.Quantum] == 0 && threads == s.threads {
		if !did {
			s.forced++
		}
		id := m.Cells[ir.ThreadID]
		switch {
		case s.active == 0 && id != 0:
			s.left = m.Cells[ir.Step]
		case s.active != 0 && id == 0:
			s.idle += m.Cells[ir.Step] - s.left
		}
		s.active = id
	}
	s.threads = threads
}
