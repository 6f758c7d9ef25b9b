package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

type report struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	// Averages over one, five and fifteen minutes; the bench itself is one process.
	LoadBefore string           `json:"loadBefore"`
	LoadAfter  string           `json:"loadAfter"`
	Quick      bool             `json:"quick"`
	Rounds     int              `json:"rounds"`
	Guests     []*result        `json:"guests,omitempty"`
	Means      []mean           `json:"geometricMeans,omitempty"`
	Hashing    []figures        `json:"hashing,omitempty"`
	Histories  []historyFigures `json:"histories,omitempty"`
}

// A table has cells that are aligned to the right.
type table struct {
	*tabwriter.Writer
	columns int
}

// newTable begins a table below its header.
func newTable(w io.Writer, header ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight), len(header)}
	t.row(header...)
	return t
}

// row fills up with empty cells, else the tables above and below would be apart.
func (t *table) row(cells ...string) {
	fmt.Fprintln(t, strings.Join(cells, "\t")+strings.Repeat("\t", t.columns-len(cells)+1))
}

func (r *report) print(w io.Writer) {
	size := ""
	if r.Quick {
		size = ", small workloads"
	}
	fmt.Fprintf(w, "%s; load %s before, %s after; %s; %d rounds%s; min/median/max\n", r.Machine, r.LoadBefore, r.LoadAfter, r.Date, r.Rounds, size)
	if len(r.Guests) > 0 {
		r.printSpeed(w)
	}
	if len(r.Hashing) > 0 {
		fmt.Fprintln(w)
		r.printHashing(w)
	}
	if len(r.Histories) > 0 {
		fmt.Fprintln(w)
		r.printHistories(w)
	}
}

func (r *report) printSpeed(w io.Writer) {
	t := newTable(w, "isa", "workload", "machine", "Msteps", "Msteps/s", "slower than native", "slower than qemu", "faster than cannon", "faster than interp")
	last := ""
	for _, g := range r.Guests {
		if last != "" && last != g.ISA {
			t.row()
		}
		last = g.ISA
		for _, e := range g.Engines {
			t.row(g.ISA, g.Workload, e.Name, fmt.Sprint(e.Steps/1e6), e.Msteps.text("%.0f"),
				e.OverNative.text("%.1f"), e.OverQemu.text("%.2f"), e.OverCannon.text("%.1f"), e.OverInterp.text("%.1f"))
		}
		if c := g.Cannon; c != nil {
			t.row(g.ISA, g.Workload, c.Name, fmt.Sprint(c.Steps/1e6), c.Msteps.text("%.1f"))
		}
	}
	t.row()
	for _, m := range r.Means {
		t.row(m.ISA, "geomean, "+m.What, m.Engine, "", number("%.0f", m.Msteps), number("%.2f", m.OverNative),
			number("%.2f", m.OverQemu), number("%.1f", m.OverCannon), number("%.1f", m.OverInterp))
		if m.Least > 0 {
			t.row(m.ISA, "least, "+m.What, m.Engine, "", "", "", "", number("%.1f", m.Least))
		}
	}
	t.Flush()
}

func (r *report) printHashing(w io.Writer) {
	t := newTable(w, "256 MiB", "unit", "flexemu", "cannon", "faster", "flexemu MB", "cannon MB")
	for _, f := range r.Hashing {
		unit, scale := "s", 1.0
		switch {
		case f.Ours.Median < 1e-3:
			unit, scale = "µs", 1e6
		case f.Ours.Median < 0.1:
			unit, scale = "ms", 1e3
		}
		t.row(f.Name, unit, f.Ours.scaled(scale).text("%.3g"), f.Cannon.scaled(scale).text("%.3g"), f.OverCannon.text("%.1f"),
			number("%.0f", float64(f.OurBytes)/1e6), number("%.0f", float64(f.CannonBytes)/1e6))
	}
	t.Flush()
}

func (s *spread) scaled(by float64) *spread {
	if s == nil {
		return nil
	}
	return &spread{s.Min * by, s.Median * by, s.Max * by}
}

func (s *spread) text(format string) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf(format+"/"+format+"/"+format, s.Min, s.Median, s.Max)
}

func number(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func (r *report) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
