package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/atomicfile"
	"github.com/flexemu/flexemu/internal/proof"
)

// standard stands for a standard stream where a file is expected.
const standard = "-"

// checkOutputs finds, before a long run, files that could not be written after it, and those of which one would
// replace another.
func checkOutputs(names ...string) error {
	for i, name := range names {
		if name == "" || name == standard {
			continue
		}
		if err := atomicfile.Check(name); err != nil {
			return fmt.Errorf("output file %s: %w", name, err)
		}
		if info, err := os.Stat(name); slices.Contains(names[:i], name) && (err != nil || info.Mode().IsRegular()) {
			return fmt.Errorf("output file %s is named twice", name)
		}
	}
	return nil
}

// writeOutput writes a whole file or nothing. The name - is the stream given.
func writeOutput(name string, stream io.Writer, write func(io.Writer) error) error {
	if name != standard {
		var own error // need not be about the file
		err := atomicfile.Write(name, func(w io.Writer) error {
			own = write(w)
			return own
		})
		return cmp.Or(own, err)
	}
	w := bufio.NewWriter(stream)
	err := write(w)
	return cmp.Or(err, w.Flush())
}

// printJSON writes a value as one indented object.
func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // operands have > and &
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// hexBytes are 0x and hexadecimal digits in JSON.
type hexBytes = proof.Bytes

func hexRoot(h flexemu.Hash) hexBytes { return h[:] }

// runStats is what --stats writes. Scripts rely on the names.
type runStats struct {
	ISA      string   `json:"isa"`
	Kernel   string   `json:"kernel"`
	Engine   string   `json:"engine"`
	Steps    uint64   `json:"steps"` // since the program's start, also after --resume
	Exited   bool     `json:"exited"`
	ExitCode uint8    `json:"exitCode"`
	Root     hexBytes `json:"root"`
	Seconds  float64  `json:"seconds"`
	MIPS     float64  `json:"mips"` // million steps of this run per second
	Pages    int      `json:"pages"`
}

// statsOf gives the figures of a run that began at a step and took a time.
func statsOf(r *flexemu.Run, from uint64, took time.Duration) runStats {
	s := r.Stats()
	// A run of no time at all would have no speed that JSON can write.
	seconds := max(took, time.Microsecond).Seconds()
	return runStats{
		ISA: s.ISA, Kernel: s.Kernel, Engine: s.Engine, Steps: s.Steps, Exited: s.Exited, ExitCode: s.ExitCode,
		Root: hexRoot(s.Root), Seconds: seconds, MIPS: float64(s.Steps-from) / 1e6 / seconds, Pages: s.Pages,
	}
}
