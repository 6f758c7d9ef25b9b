package main

import (
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/cannon"
)

// cannonFront is how many bytes of a JSON file tell whether it is a state of Cannon's.
const cannonFront = 64

// cannonInfo is what is known of a state file of Cannon's.
type cannonInfo struct {
	Type     string   `json:"type"`
	Version  uint8    `json:"stateVersion"`
	Name     string   `json:"versionName"`
	Step     uint64   `json:"step"`
	Exited   bool     `json:"exited"`
	ExitCode uint8    `json:"exitCode"`
	Threads  int      `json:"threads"`
	Pages    int      `json:"pages"`
	Hash     hexBytes `json:"witnessHash"`
	Runs     bool     `json:"runs"` // with flexemu cannon run
}

func inspectCannon(name string) (inspection, error) {
	s, err := cannon.Summarize(name)
	if err != nil {
		return nil, err
	}
	return cannonInfo{
		Type: "cannon state", Version: uint8(s.Version), Name: s.Version.String(), Step: s.Step, Exited: s.Exited,
		ExitCode: s.ExitCode, Threads: s.Threads, Pages: s.Pages, Hash: hexRoot(s.Hash), Runs: s.Version.Runs(),
	}, nil
}

func (c cannonInfo) print(w io.Writer) {
	fmt.Fprintf(w, "type\tstate of Cannon, version %d (%s)\n", c.Version, c.Name)
	fmt.Fprintf(w, "step\t%s\n", grouped(c.Step))
	if c.Exited {
		fmt.Fprintf(w, "exit code\t%d\n", c.ExitCode)
	}
	fmt.Fprintf(w, "threads\t%d\n", c.Threads)
	fmt.Fprintf(w, "pages\t%s of 4 KiB\n", grouped(uint64(c.Pages)))
	fmt.Fprintf(w, "witness hash\t%#x\n", []byte(c.Hash))
	if c.Runs {
		fmt.Fprintf(w, "runs\twith flexemu cannon run\n")
	} else {
		fmt.Fprintf(w, "runs\tno: it can be read, not run\n")
	}
}
