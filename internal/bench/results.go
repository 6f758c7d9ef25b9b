package main

import (
	"math"
	"slices"
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

// ratios divides round by round; nil if there is nothing on one side.
func ratios(a, b []float64) *spread {
	var r []float64
	for i := range min(len(a), len(b)) {
		r = append(r, a[i]/b[i])
	}
	return spreadOf(r)
}

func walls(samples []sample) (v []float64) {
	for _, s := range samples {
		v = append(v, s.Wall)
	}
	return v
}

func speeds(samples []sample) (v []float64) {
	for _, s := range samples {
		v = append(v, s.Msteps)
	}
	return v
}

// A result is all about a workload for an instruction set.
type result struct {
	Workload string        `json:"workload"`
	ISA      string        `json:"isa"`
	Engines  []speedResult `json:"engines"`
	Cannon   *speedResult  `json:"cannon,omitempty"` // without ratios
	// Samples are all measurements, by size and machine.
	Samples map[string]map[string][]sample `json:"samples"`
}

// A speedResult is about one machine that counts steps. Ratios are nil where the other machine was left out.
type speedResult struct {
	Name       string  `json:"name"`
	Size       string  `json:"size"`
	Steps      uint64  `json:"steps"`
	Msteps     *spread `json:"mstepsPerSecond"`
	OverNative *spread `json:"slowdownAgainstNative,omitempty"`
	OverQemu   *spread `json:"slowdownAgainstQemu,omitempty"`
	OverCannon *spread `json:"speedupAgainstCannon,omitempty"`
	OverInterp *spread `json:"speedupAgainstInterp,omitempty"`

	speeds []float64
}

// peers are the machines that stand beside engines and are none.
var peers = []string{nativeMachine, qemuMachine, cannonMachine}

// results joins the sizes of each workload. An engine's figures are of its own size, see sizeOf; what else it did was
// to compare it with others.
func results(guests []*guest, quick bool) (all []*result) {
	var r *result
	for _, g := range guests {
		if r == nil || r.Workload != g.Workload || r.ISA != g.ISA {
			r = &result{Workload: g.Workload, ISA: g.ISA, Samples: map[string]map[string][]sample{}}
			all = append(all, r)
		}
		r.Samples[g.Size] = map[string][]sample{}
		for _, m := range g.machines {
			r.Samples[g.Size][m.name] = m.samples
			if sizeOf(m.name, quick).name != g.Size {
				continue
			}
			switch {
			case m.name == cannonMachine:
				r.Cannon = g.speedOf(m)
			case !slices.Contains(peers, m.name):
				r.Engines = append(r.Engines, *g.speedOf(m))
			}
		}
	}
	for _, r := range all {
		r.compare()
	}
	return all
}

// speedOf gives a machine's figures, and those of its wall time.
func (g *guest) speedOf(m *machineUnderTest) *speedResult {
	s := &speedResult{Name: m.name, Size: g.Size, Steps: m.samples[0].Steps, speeds: speeds(m.samples)}
	s.Msteps = spreadOf(s.speeds)
	if m.name != cannonMachine {
		s.OverNative = ratios(walls(m.samples), walls(g.samples(nativeMachine)))
		s.OverQemu = ratios(walls(m.samples), walls(g.samples(qemuMachine)))
	}
	return s
}

// compare sets the ratios between machines that count steps, whatever their sizes.
func (r *result) compare() {
	var interp []float64
	for _, e := range r.Engines {
		if e.Name == interpEngine {
			interp = e.speeds
		}
	}
	for i := range r.Engines {
		e := &r.Engines[i]
		if r.Cannon != nil {
			e.OverCannon = ratios(e.speeds, r.Cannon.speeds)
		}
		if e.Name != interpEngine {
			e.OverInterp = ratios(e.speeds, interp)
		}
	}
}

// A mean sums up the medians of an instruction set's workloads in an engine. Fields are 0 where there is nothing to
// sum up.
type mean struct {
	ISA        string  `json:"isa"`
	Engine     string  `json:"engine"`
	What       string  `json:"what"`
	Msteps     float64 `json:"mstepsPerSecond"`
	OverNative float64 `json:"slowdownAgainstNative,omitempty"`
	OverQemu   float64 `json:"slowdownAgainstQemu,omitempty"`
	OverCannon float64 `json:"speedupAgainstCannon,omitempty"`
	OverInterp float64 `json:"speedupAgainstInterp,omitempty"`
	Least      float64 `json:"leastSpeedupAgainstCannon,omitempty"` // of the medians
}

// means takes geometric means for each instruction set and engine: of the workloads in C, and of all where there are
// others.
func means(all []*result) (m []mean) {
	type group struct{ isa, engine string }
	var groups []group
	c, every := map[group][]speedResult{}, map[group][]speedResult{}
	for _, r := range all {
		for _, e := range r.Engines {
			g := group{r.ISA, e.Name}
			if !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
			every[g] = append(every[g], e)
			if slices.Contains(cWorkloads, r.Workload) {
				c[g] = append(c[g], e)
			}
		}
	}
	for _, g := range groups {
		if len(c[g]) > 0 {
			m = append(m, meanOf(g.isa, g.engine, "C", c[g]))
		}
		if len(every[g]) > len(c[g]) {
			m = append(m, meanOf(g.isa, g.engine, "all", every[g]))
		}
	}
	return m
}

func meanOf(isa, engine, what string, results []speedResult) mean {
	medians := func(of func(speedResult) *spread) (v []float64) {
		for _, r := range results {
			if s := of(r); s != nil {
				v = append(v, s.Median)
			}
		}
		return v
	}
	over := func(of func(speedResult) *spread) float64 {
		v := medians(of)
		if len(v) == 0 {
			return 0
		}
		return geometricMean(v)
	}
	m := mean{
		ISA: isa, Engine: engine, What: what,
		Msteps:     over(func(r speedResult) *spread { return r.Msteps }),
		OverNative: over(func(r speedResult) *spread { return r.OverNative }),
		OverQemu:   over(func(r speedResult) *spread { return r.OverQemu }),
		OverCannon: over(func(r speedResult) *spread { return r.OverCannon }),
		OverInterp: over(func(r speedResult) *spread { return r.OverInterp }),
	}
	if v := medians(func(r speedResult) *spread { return r.OverCannon }); len(v) > 0 {
		m.Least = slices.Min(v)
	}
	return m
}
