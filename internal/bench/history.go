package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// historyFigures are those of a history and of the same roots made one after the other, in seconds and bytes of memory.
type historyFigures struct {
	Name       string  `json:"name"`
	Seconds    *spread `json:"seconds"`
	Plain      *spread `json:"plainSeconds"`
	OverPlain  *spread `json:"speedupAgainstPlain"`
	Bytes      int64   `json:"bytes"`
	PlainBytes int64   `json:"plainBytes"`
}

// historyRounds is how long the guest of histories runs: longer than they reach.
const historyRounds = "32"

// measureHistories runs the command history both ways in turns.
func measureHistories(ctx context.Context, o *options) (all []historyFigures, err error) {
	b := &builder{ctx: ctx, options: o, made: map[string]bool{}}
	command, program := filepath.Join(o.build, "history"), filepath.Join(o.build, "history.mips64")
	if err := b.command("go", "build", "-o", command, "./internal/bench/history"); err != nil {
		return nil, err
	}
	flags := "-X main.size=" + historyRounds + " " + goDebug
	if err := b.runIn("", goTargets["mips64"], "go", "build", "-ldflags", flags, "-o", program, "./internal/bench/mixed"); err != nil {
		return nil, err
	}
	var histories, plains []figure
	for round := range o.rounds {
		say("round %d of %d: histories", round+1, o.rounds)
		lines, err := readFigures(ctx, command, program)
		if err != nil {
			return nil, err
		}
		histories = append(histories, lines...)
		if lines, err = readFigures(ctx, command, "-plain", program); err != nil {
			return nil, err
		}
		plains = append(plains, lines...)
	}
	compared, err := compareFigures(histories, plains)
	if err != nil {
		return nil, fmt.Errorf("histories, and beside them the plain way: %w", err)
	}
	for _, f := range compared {
		all = append(all, historyFigures{f.Name, f.Ours, f.Cannon, f.OverCannon, f.OurBytes, f.CannonBytes})
	}
	return all, nil
}

func (r *report) printHistories(w io.Writer) {
	t := newTable(w, "64 MiB", "unit", "history", "one by one", "faster", "history MB", "one by one MB")
	for _, f := range r.Histories {
		t.row(f.Name, "s", f.Seconds.text("%.2f"), f.Plain.text("%.2f"), f.OverPlain.text("%.1f"),
			number("%.0f", float64(f.Bytes)/1e6), number("%.0f", float64(f.PlainBytes)/1e6))
	}
	t.Flush()
}
