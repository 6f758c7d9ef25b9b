package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// A figure is a line of the commands hash and cannon-hash.
type figure struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes"`
	Root    string  `json:"root"`
}

// figures are those of one name, in seconds. Cannon's are nil where it was left out.
type figures struct {
	Name        string  `json:"name"`
	Ours        *spread `json:"flexemuSeconds"`
	Cannon      *spread `json:"cannonSeconds,omitempty"`
	OverCannon  *spread `json:"speedupAgainstCannon,omitempty"`
	OurBytes    int64   `json:"flexemuBytes,omitempty"` // of a file
	CannonBytes int64   `json:"cannonBytes,omitempty"`
}

// plain ends the names of Cannon's figures of snapshots that are not compressed. Ours always are.
const plain = ", not compressed"

// measureHashing runs the commands hash and cannon-hash in turns.
func measureHashing(ctx context.Context, o *options) ([]figures, error) {
	b := &builder{ctx: ctx, options: o, made: map[string]bool{}}
	command := filepath.Join(o.build, "hash")
	if err := b.command("go", "build", "-o", command, "./internal/bench/hash"); err != nil {
		return nil, err
	}
	cannon := ""
	if !o.noCannon {
		cannon = b.oracle("cannon-hash")
	}
	var ours, theirs []figure
	for round := range o.rounds {
		say("round %d of %d: roots, witnesses and snapshots", round+1, o.rounds)
		lines, err := readFigures(ctx, command)
		if err != nil {
			return nil, err
		}
		ours = append(ours, lines...)
		if cannon == "" {
			continue
		}
		lines, err = readFigures(ctx, cannon, fmt.Sprintf("-compress=%t", round == 0)) // once, it is slow
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, lines...)
	}
	return compareFigures(ours, theirs)
}

func readFigures(ctx context.Context, command string, args ...string) (lines []figure, err error) {
	c := exec.CommandContext(ctx, command, args...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var f figure
		if err := d.Decode(&f); errors.Is(err, io.EOF) {
			return lines, nil
		} else if err != nil {
			return nil, fmt.Errorf("figures of %s: %w", command, err)
		}
		lines = append(lines, f)
	}
}

// compareFigures joins the rounds of ours and of Cannon's, or of another peer's. Figures of one name must be of states with one root.
func compareFigures(ours, theirs []figure) (all []figures, err error) {
	seen := map[string]bool{}
	for _, f := range ours {
		if seen[f.Name] {
			continue
		}
		seen[f.Name] = true
		own, root, size := pick(ours, f.Name)
		for _, name := range []string{f.Name, f.Name + plain} {
			peer, peerRoot, peerSize := pick(theirs, name)
			if peer == nil && name != f.Name {
				continue
			}
			if peer != nil && root != peerRoot {
				return nil, fmt.Errorf("%s: flexEmu's state has the root %s, its peer's %s", name, root, peerRoot)
			}
			all = append(all, figures{name, spreadOf(own), spreadOf(peer), ratios(peer, own), size, peerSize})
		}
	}
	return all, nil
}

// pick gives the seconds of the figures of a name, and root and bytes of the last one.
func pick(lines []figure, name string) (seconds []float64, root string, bytes int64) {
	for _, f := range lines {
		if f.Name == name {
			seconds, root, bytes = append(seconds, f.Seconds), f.Root, f.Bytes
		}
	}
	return seconds, root, bytes
}
