package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"text/tabwriter"
)

// A spread is what several rounds gave.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) *spread {
	if len(values) == 0 {
		return nil
	}
	v := slices.Sorted(slices.Values(values))
	middle := v[len(v)/2]
	if len(v)%2 == 0 {
		middle = (v[len(v)/2-1] + middle) / 2
	}
	return &spread{v[0], middle, v[len(v)-1]}
}

func geometricMean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

// ratios divides round by round.
func ratios(a, b []sample, value func(sample) float64) *spread {
	var r []float64
	for i := range min(len(a), len(b)) {
		r = append(r, value(a[i])/value(b[i]))
	}
	return spreadOf(r)
}

func wall(s sample) float64  { return s.Wall }
func speed(s sample) float64 { return s.Msteps }

// A result is all about one guest. Ratios are nil where the other machine was left out.
type result struct {
	Workload     string              `json:"workload"`
	ISA          string              `json:"isa"`
	Steps        uint64              `json:"steps"`
	Msteps       *spread             `json:"mstepsPerSecond"`
	CannonMsteps *spread             `json:"cannonMstepsPerSecond,omitempty"`
	OverNative   *spread             `json:"slowdownAgainstNative,omitempty"`
	OverQemu     *spread             `json:"slowdownAgainstQemu,omitempty"`
	OverCannon   *spread             `json:"speedupAgainstCannon,omitempty"`
	Samples      map[string][]sample `json:"samples"`
}

func (g *guest) result() result {
	ours, cannon := g.samples("flexemu"), g.samples("cannon")
	r := result{
		Workload: g.Workload, ISA: g.ISA, Steps: ours[0].Steps, Samples: map[string][]sample{},
		OverNative: ratios(ours, g.samples("native"), wall),
		OverQemu:   ratios(ours, g.samples("qemu"), wall),
		OverCannon: ratios(ours, cannon, speed),
	}
	for _, m := range g.machines {
		r.Samples[m.name] = m.samples
	}
	speeds := func(samples []sample) (v []float64) {
		for _, s := range samples {
			v = append(v, s.Msteps)
		}
		return v
	}
	r.Msteps, r.CannonMsteps = spreadOf(speeds(ours)), spreadOf(speeds(cannon))
	return r
}

// A mean sums up the medians of an instruction set's workloads. Fields are 0 where there is nothing to sum up.
type mean struct {
	ISA        string  `json:"isa"`
	What       string  `json:"what"`
	Msteps     float64 `json:"mstepsPerSecond"`
	OverNative float64 `json:"slowdownAgainstNative,omitempty"`
	OverQemu   float64 `json:"slowdownAgainstQemu,omitempty"`
	OverCannon float64 `json:"speedupAgainstCannon,omitempty"`
	Least      float64 `json:"leastSpeedupAgainstCannon,omitempty"` // of the medians
}

type report struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	// Averages over one, five and fifteen minutes; the bench itself is one process.
	LoadBefore string   `json:"loadBefore"`
	LoadAfter  string   `json:"loadAfter"`
	Quick      bool     `json:"quick"`
	Rounds     int      `json:"rounds"`
	Guests     []result `json:"guests"`
	Means      []mean   `json:"geometricMeans"`
}

// summarise takes geometric means: of the workloads in C, and of all where there are others.
func (r *report) summarise() {
	var isas []string
	for _, g := range r.Guests {
		if !slices.Contains(isas, g.ISA) {
			isas = append(isas, g.ISA)
		}
	}
	for _, isa := range isas {
		var c, all []result
		for _, g := range r.Guests {
			if g.ISA != isa {
				continue
			}
			all = append(all, g)
			if slices.Contains(cWorkloads, g.Workload) {
				c = append(c, g)
			}
		}
		if len(c) > 0 {
			r.Means = append(r.Means, meanOf(isa, "C", c))
		}
		if len(all) > len(c) {
			r.Means = append(r.Means, meanOf(isa, "all", all))
		}
	}
}

func meanOf(isa, what string, results []result) mean {
	medians := func(of func(result) *spread) (v []float64) {
		for _, r := range results {
			if s := of(r); s != nil {
				v = append(v, s.Median)
			}
		}
		return v
	}
	over := func(of func(result) *spread) float64 {
		v := medians(of)
		if len(v) == 0 {
			return 0
		}
		return geometricMean(v)
	}
	m := mean{
		ISA: isa, What: what,
		Msteps:     over(func(r result) *spread { return r.Msteps }),
		OverNative: over(func(r result) *spread { return r.OverNative }),
		OverQemu:   over(func(r result) *spread { return r.OverQemu }),
		OverCannon: over(func(r result) *spread { return r.OverCannon }),
	}
	if v := medians(func(r result) *spread { return r.OverCannon }); len(v) > 0 {
		m.Least = slices.Min(v)
	}
	return m
}

func (r *report) print(w io.Writer) {
	size := ""
	if r.Quick {
		size = ", small workloads"
	}
	fmt.Fprintf(w, "%s; load %s before, %s after; %s; %d rounds%s; min/median/max\n", r.Machine, r.LoadBefore, r.LoadAfter, r.Date, r.Rounds, size)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	header := []string{
		"isa", "workload", "Msteps", "flexemu Msteps/s", "cannon Msteps/s", "slower than native", "slower than qemu", "faster than cannon",
	}
	row := func(cells ...string) {
		for column := range header {
			if column < len(cells) {
				fmt.Fprint(t, cells[column])
			}
			fmt.Fprint(t, "\t") // for all columns, else the tables above and below would be apart
		}
		fmt.Fprintln(t)
	}
	row(header...)
	last := ""
	for _, g := range r.Guests {
		if last != "" && last != g.ISA {
			row()
		}
		last = g.ISA
		row(g.ISA, g.Workload, fmt.Sprint(g.Steps/1e6), g.Msteps.text("%.0f"), g.CannonMsteps.text("%.1f"),
			g.OverNative.text("%.1f"), g.OverQemu.text("%.2f"), g.OverCannon.text("%.1f"))
	}
	row()
	for _, m := range r.Means {
		row(m.ISA, "geomean, "+m.What, "", number("%.0f", m.Msteps), "",
			number("%.1f", m.OverNative), number("%.2f", m.OverQemu), number("%.1f", m.OverCannon))
		if m.Least > 0 {
			row(m.ISA, "least, "+m.What, "", "", "", "", "", number("%.1f", m.Least))
		}
	}
	t.Flush()
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
