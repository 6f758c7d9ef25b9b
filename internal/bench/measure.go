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

// A guest is a workload for one instruction set, with the machines that run it, in the order in which they do.
type guest struct {
	Workload, ISA string
	machines      []*machineUnderTest
	stats         string // the file for flexEmu's figures
	output        *string
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

// measure runs a guest once on every machine. All have to print the same.
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
		}
		m.samples = append(m.samples, s)
	}
	ours, theirs := g.samples("flexemu"), g.samples("cannon")
	if len(theirs) > 0 && ours[0].Steps != theirs[0].Steps {
		return fmt.Errorf("%s ends after %d steps in flexEmu and after %d in Cannon", g.Workload, ours[0].Steps, theirs[0].Steps)
	}
	return nil
}

// readStats reads the file of flexEmu's --stats.
func (g *guest) readStats([]byte) (s steps, err error) {
	text, err := os.ReadFile(g.stats)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// lastLine reads what cannon-trace --stats writes to stderr.
func lastLine(stderr []byte) (s steps, err error) {
	stderr = bytes.TrimSpace(stderr)
	return s, json.Unmarshal(stderr[bytes.LastIndexByte(stderr, '\n')+1:], &s)
}

// lastRound describes the last round of a guest for people who wait.
func (g *guest) lastRound() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s:", g.Workload, g.ISA)
	for _, m := range g.machines {
		s := m.samples[len(m.samples)-1]
		fmt.Fprintf(&out, " %s %.2f s", m.name, s.Wall)
		if s.Msteps > 0 {
			fmt.Fprintf(&out, " (%.0f Msteps/s)", s.Msteps)
		}
	}
	return out.String()
}
