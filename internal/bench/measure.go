package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A guest is a workload for one instruction set and of one size, with the machines that run it, in the order in which
// they do.
type guest struct {
	Workload, ISA, Size string
	machines            []*machineUnderTest
	stats               string // the file for flexEmu's figures
	output              *string
	counted             uint64 // steps
}

type machineUnderTest struct {
	name    string
	command []string
	// steps finds what the machine says about its steps in what it wrote to stderr, or elsewhere; nil if it counts none.
	steps   func(stderr []byte) (steps, error)
	samples []sample
}

// steps are what a machine says about its stepping, without start-up.
type steps struct {
	Steps   uint64  `json:"steps"`
	Seconds float64 `json:"seconds"`
}

// A sample is one run.
type sample struct {
	Wall float64 `json:"wall"` // seconds, of the whole process
	steps
	Msteps float64 `json:"mstepsPerSecond,omitempty"`
}

func (g *guest) add(name string, command []string, find func([]byte) (steps, error)) {
	g.machines = append(g.machines, &machineUnderTest{name: name, command: command, steps: find})
}

func (g *guest) samples(name string) []sample {
	for _, m := range g.machines {
		if m.name == name {
			return m.samples
		}
	}
	return nil
}

// measure runs a guest once on every machine. All have to print the same, and to make the same number of steps.
func measure(ctx context.Context, g *guest) error {
	for _, m := range g.machines {
		var stdout, stderr bytes.Buffer
		c := exec.CommandContext(ctx, m.command[0], m.command[1:]...)
		c.Stdout, c.Stderr = &stdout, &stderr
		began := time.Now()
		err := c.Run()
		s := sample{Wall: time.Since(began).Seconds()}
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(m.command, " "), err, &stderr)
		}
		if out := stdout.String(); g.output == nil {
			g.output = &out
		} else if out != *g.output {
			return fmt.Errorf("%s for %s on %s prints %q, and %q elsewhere", g.Workload, g.ISA, m.name, out, *g.output)
		}
		if m.steps != nil {
			if s.steps, err = m.steps(stderr.Bytes()); err != nil {
				return fmt.Errorf("figures of %s: %w", strings.Join(m.command, " "), err)
			}
			s.Msteps = float64(s.Steps) / 1e6 / s.Seconds
			if g.counted == 0 {
				g.counted = s.Steps
			} else if s.Steps != g.counted {
				return fmt.Errorf("%s for %s ends after %d steps on %s, and after %d elsewhere", g.Workload, g.ISA, s.Steps, m.name, g.counted)
			}
		}
		m.samples = append(m.samples, s)
	}
	return nil
}

// readStats reads the file of flexEmu's --stats, which must be of that engine.
func (g *guest) readStats(engine string) func([]byte) (steps, error) {
	return func([]byte) (steps, error) {
		text, err := os.ReadFile(g.stats)
		if err != nil {
			return steps{}, err
		}
		var s struct {
			steps
			Engine string `json:"engine"`
		}
		if err := json.Unmarshal(text, &s); err != nil {
			return steps{}, err
		}
		if s.Engine != engine {
			return steps{}, fmt.Errorf("the engine was %q, not %q", s.Engine, engine)
		}
		return s.steps, nil
	}
}

// lastLine reads what cannon-trace --stats writes to stderr.
func lastLine(stderr []byte) (s steps, err error) {
	stderr = bytes.TrimSpace(stderr)
	return s, json.Unmarshal(stderr[bytes.LastIndexByte(stderr, '\n')+1:], &s)
}

// lastRound describes the last round of a guest for people who wait.
func (g *guest) lastRound() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s, %s:", g.Workload, g.ISA, g.Size)
	for _, m := range g.machines {
		s := m.samples[len(m.samples)-1]
		fmt.Fprintf(&out, " %s %.2f s", m.name, s.Wall)
		if s.Msteps > 0 {
			fmt.Fprintf(&out, " (%.0f Msteps/s)", s.Msteps)
		}
	}
	return out.String()
}
