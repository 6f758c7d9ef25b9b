package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sized is a guest of a size whose machines are shell commands that print a text and, but for native code and qemu, a
// number of steps.
func sized(s *size, machines ...[2]string) *guest {
	g := &guest{Workload: "primes", ISA: "mips64", Size: s.name}
	for _, m := range machines {
		find := lastLine
		if m[0] == nativeMachine {
			find = nil
		}
		g.add(m[0], []string{"sh", "-c", m[1]}, find)
	}
	return g
}

const machineText = `echo out; echo noise >&2; echo '{"steps":40000000,"seconds":2}' >&2`

func TestMeasure(t *testing.T) {
	slow, long40 := strings.Replace(machineText, ":2", ":8", 1), strings.Replace(machineText, ":2", ":0.5", 1)
	guests := []*guest{
		sized(small, [2]string{"interp", slow}, [2]string{"cannon", slow}),
		sized(full, [2]string{"native", "echo out"}, [2]string{"interp", machineText}),
		sized(long, [2]string{"native", "sleep 0.05; echo out"}, [2]string{"jit", "sleep 0.05; " + long40}),
	}
	for range 3 {
		for _, g := range guests {
			if err := measure(context.Background(), g); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := results(guests, false)
	if len(all) != 1 || len(all[0].Engines) != 2 {
		t.Fatalf("results %+v", all)
	}
	r, interp, jit := all[0], all[0].Engines[0], all[0].Engines[1]
	if interp.Name != "interp" || interp.Steps != 40e6 || interp.Msteps.Median != 20 || *interp.OverCannon != (spread{4, 4, 4}) {
		t.Errorf("interp %+v", interp)
	}
	if jit.Name != "jit" || *jit.OverCannon != (spread{16, 16, 16}) || *jit.OverInterp != (spread{4, 4, 4}) || jit.OverQemu != nil {
		t.Errorf("jit %+v", jit)
	}
	if interp.OverInterp != nil || r.Cannon.Msteps.Median != 5 || r.Cannon.OverNative != nil {
		t.Errorf("interp %+v, Cannon %+v", interp, r.Cannon)
	}
	// A ratio of wall times is within a size.
	if jit.OverNative.Max > 10 || len(r.Samples["small"]["interp"]) != 3 || len(r.Samples["long"]) != 2 {
		t.Errorf("jit against native %+v, samples %+v", jit.OverNative, r.Samples)
	}
	quick := results([]*guest{guests[0]}, true)
	if len(quick[0].Engines) != 1 || quick[0].Engines[0].Msteps.Median != 5 {
		t.Errorf("quick results %+v", quick[0])
	}
}

func TestMeasureErrors(t *testing.T) {
	for name, bad := range map[string]struct{ command, want string }{
		"other output":  {strings.Replace(machineText, "out", "other", 1), "prints"},
		"other steps":   {strings.Replace(machineText, "40", "41", 1), "41000000 steps on cannon"},
		"exit code":     {machineText + "; exit 3", "exit status 3"},
		"no figures":    {"echo out", "figures"},
		"no such thing": {"nonexistent-command", "127"},
	} {
		g := sized(small, [2]string{"interp", machineText}, [2]string{"cannon", bad.command})
		if err := measure(context.Background(), g); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: error %v, want one about %q", name, err, bad.want)
		}
	}
}

func TestReadStats(t *testing.T) {
	g := &guest{stats: filepath.Join(t.TempDir(), "stats.json")}
	if err := os.WriteFile(g.stats, []byte(`{"engine":"interp","steps":7,"seconds":2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := g.readStats("interp")(nil); err != nil || s != (steps{7, 2}) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := g.readStats("jit")(nil); err == nil || !strings.Contains(err.Error(), `"interp"`) {
		t.Errorf("another engine gives %v", err)
	}
}

func TestSummary(t *testing.T) {
	if s := spreadOf([]float64{5, 1, 3, 2}); *s != (spread{1, 2.5, 5}) {
		t.Errorf("spread %+v", s)
	}
	one := func(workload, isa string, over float64) *result {
		e := speedResult{Name: "interp", Msteps: spreadOf([]float64{100}), OverCannon: spreadOf([]float64{over})}
		return &result{Workload: workload, ISA: isa, Engines: []speedResult{e}}
	}
	r := report{Guests: []*result{one("primes", "mips64", 4), one("fib", "mips64", 16), one(goWorkload, "mips64", 1), one("fib", "riscv64", 7)}}
	r.Guests[3].Engines[0].OverCannon = nil
	r.Guests[0].Engines = append(r.Guests[0].Engines, speedResult{Name: "jit", Msteps: spreadOf([]float64{900})})
	r.Means = means(r.Guests)
	want := []mean{
		{ISA: "mips64", Engine: "interp", What: "C", Msteps: 100, OverCannon: 8, Least: 4},
		{ISA: "mips64", Engine: "interp", What: "all", Msteps: 100, OverCannon: 4, Least: 1},
		{ISA: "mips64", Engine: "jit", What: "C", Msteps: 900},
		{ISA: "riscv64", Engine: "interp", What: "C", Msteps: 100},
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

func TestHashing(t *testing.T) {
	ours := []figure{{"first root", 1, 0, "0xa"}, {"write", 2, 10, "0xb"}, {"first root", 3, 0, "0xa"}, {"write", 2, 10, "0xb"}}
	theirs := []figure{{"first root", 5, 0, "0xa"}, {"write", 20, 11, "0xb"}, {"write, not compressed", 4, 40, "0xb"}, {"first root", 9, 0, "0xa"}}
	all, err := compareFigures(ours, theirs)
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	if f := all[0]; *f.Ours != (spread{1, 2, 3}) || *f.Cannon != (spread{5, 7, 9}) || *f.OverCannon != (spread{3, 4, 5}) {
		t.Errorf("first root %+v", f)
	}
	if f := all[2]; f.Name != "write, not compressed" || f.OverCannon.Median != 2 || f.OurBytes != 10 || f.CannonBytes != 40 {
		t.Errorf("not compressed %+v", f)
	}
	var out strings.Builder
	(&report{Hashing: all}).print(&out)
	if !strings.Contains(out.String(), "1/2/3") {
		t.Errorf("printed %s", &out)
	}
	if alone, err := compareFigures(ours, nil); err != nil || len(alone) != 2 || alone[0].Cannon != nil || alone[0].OverCannon != nil {
		t.Errorf("without Cannon %+v, %v", alone, err)
	}
	theirs[0].Root, theirs[3].Root = "0xc", "0xc"
	if _, err := compareFigures(ours, theirs); err == nil || !strings.Contains(err.Error(), "0xc") {
		t.Errorf("other roots give %v", err)
	}
}
