package main

import (
	"context"
	"math"
	"strings"
	"testing"
)

// two is a guest for flexEmu and Cannon whose machines are shell commands that print a text and a number of steps.
func two(ours, theirs string) *guest {
	g := &guest{Workload: "primes", ISA: "mips64"}
	g.add("flexemu", []string{"sh", "-c", ours}, lastLine)
	g.add("cannon", []string{"sh", "-c", theirs}, lastLine)
	return g
}

const machineText = `echo out; echo noise >&2; echo '{"steps":40000000,"seconds":2}' >&2`

func TestMeasure(t *testing.T) {
	g := two(machineText, strings.Replace(machineText, ":2", ":8", 1))
	for range 3 {
		if err := measure(context.Background(), g); err != nil {
			t.Fatal(err)
		}
	}
	r := g.result()
	if r.Steps != 40e6 || r.Msteps.Median != 20 || r.CannonMsteps.Median != 5 || *r.OverCannon != (spread{4, 4, 4}) || r.OverQemu != nil {
		t.Errorf("result %+v", r)
	}
	for name, bad := range map[string]struct{ command, want string }{
		"other output":  {strings.Replace(machineText, "out", "other", 1), "prints"},
		"other steps":   {strings.Replace(machineText, "40", "41", 1), "41000000 in Cannon"},
		"exit code":     {machineText + "; exit 3", "exit status 3"},
		"no figures":    {"echo out", "figures"},
		"no such thing": {"nonexistent-command", "127"},
	} {
		if err := measure(context.Background(), two(machineText, bad.command)); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: error %v, want one about %q", name, err, bad.want)
		}
	}
}

func TestSummary(t *testing.T) {
	if s := spreadOf([]float64{5, 1, 3, 2}); *s != (spread{1, 2.5, 5}) {
		t.Errorf("spread %+v", s)
	}
	one := func(workload, isa string, over float64) result {
		return result{Workload: workload, ISA: isa, Msteps: spreadOf([]float64{100}), OverCannon: spreadOf([]float64{over})}
	}
	r := report{Guests: []result{one("primes", "mips64", 4), one("fib", "mips64", 16), one(goWorkload, "mips64", 1), one("fib", "riscv64", 7)}}
	r.Guests[3].OverCannon = nil
	r.summarise()
	want := []mean{
		{ISA: "mips64", What: "C", Msteps: 100, OverCannon: 8, Least: 4},
		{ISA: "mips64", What: "all", Msteps: 100, OverCannon: 4, Least: 1},
		{ISA: "riscv64", What: "C", Msteps: 100},
	}
	if len(r.Means) != len(want) {
		t.Fatalf("means %+v", r.Means)
	}
	for i, m := range r.Means {
		if math.Abs(m.OverCannon-want[i].OverCannon) > 1e-9 || math.Abs(m.Msteps-want[i].Msteps) > 1e-9 {
			t.Errorf("mean %+v, want %+v", m, want[i])
		}
		m.OverCannon, m.Msteps = want[i].OverCannon, want[i].Msteps
		if m != want[i] {
			t.Errorf("mean %+v, want %+v", m, want[i])
		}
	}
	var out strings.Builder
	r.print(&out)
	for _, text := range []string{"4.0/4.0/4.0", "geomean, all", "least, C"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, &out)
		}
	}
}
