package demo_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/big"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/dispute/demo"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/prover"
)

var guests = map[string][]byte{}

// guest builds an example for mips64, once.
func guest(t *testing.T, name string) []byte {
	t.Helper()
	if g, ok := guests[name]; ok {
		return g
	}
	file := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", file, "-ldflags", "-X runtime.godebugDefault=madvdontneed=0,decoratemappings=0", "../../../examples/go/"+name)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	guests[name] = program
	return program
}

// options has a machine of a program, and levels that it fits into.
func options(t *testing.T, o flexemu.Options, name string, inputs []eth.Input) demo.Options {
	t.Helper()
	o.Args = []string{name}
	r, err := flexemu.Load(guest(t, name), o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := prover.New(r, prover.Options{Inputs: inputs})
	if err != nil {
		t.Fatal(err)
	}
	steps, ended, err := m.Steps(t.Context(), 1<<30)
	if err != nil || !ended {
		t.Fatal(steps, ended, err)
	}
	const inner = 10
	levels := prover.WithHeights([]int{bits.Len64(steps) - inner, inner})
	levels[0].Allowance, levels[1].Allowance = 7200, 3600
	return demo.Options{
		Machine: m, Steps: steps, Levels: levels,
		Told: func(e demo.Event) {
			fmt.Fprintf(t.Output(), "%6d %-16s %-8s %7d %v %s\n", e.At, e.Who, e.Kind, e.Gas, e.Failed, e.Why)
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func play(t *testing.T, o demo.Options) *demo.Result {
	t.Helper()
	result, err := demo.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !result.Decided || !result.HonestWon {
		t.Errorf("the honest player has not won: %+v", result)
	}
	t.Logf("%+v", result)
	return result
}

// One of each kind, and one more.
func TestKinds(t *testing.T) {
	o := options(t, flexemu.Options{}, "hello", nil)
	o.Cheaters = 9
	play(t, o)
}

func TestNobodyCheats(t *testing.T) {
	o := options(t, flexemu.Options{}, "hello", nil)
	if r := play(t, o); r.Claims != 1 || r.Matches != 0 {
		t.Errorf("%+v", r)
	}
}

// A host has pre-images by their keys.
type host map[[32]byte][]byte

func (h host) Preimage(key [32]byte) ([]byte, error) {
	if data, ok := h[key]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("no pre-image %x", key)
}
func (host) Hint([]byte) error        { return nil }
func (host) Output(int, []byte) error { return nil }

// What the disputed step reads has to be on the chain before its proof: local data, which only the game can write, and
// others, of which large ones take several transactions.
func TestPreimages(t *testing.T) {
	for _, size := range []int{0, 1000, 101_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := bytes.Repeat([]byte{7}, size)
			hash := crypto.Keccak256(data)
			key := [32]byte(hash)
			key[0] = 2
			h := host{{0: 1, 31: 1}: hash, key: data}
			inputs := []eth.Input{{Ident: big.NewInt(1), Hash: crypto.Keccak256Hash(hash)}}
			o := options(t, flexemu.Options{Host: h}, "preimage", inputs)
			o.Lies = reads(t, h)
			o.Cheaters = len(o.Lies)
			loads := map[string]bool{}
			told := o.Told
			o.Told = func(e demo.Event) {
				told(e)
				if e.Kind == "load" && e.Who == "honest" && !e.Failed {
					loads[e.Why] = true
				}
			}
			play(t, o)
			if len(loads) == 0 {
				t.Error("the honest player has loaded nothing")
			}
		})
	}
}

// reads are the states after the first reads of pre-images of the example, the local one and another.
func reads(t *testing.T, h flexemu.Host) []uint64 {
	r, err := flexemu.Load(guest(t, "preimage"), flexemu.Options{Args: []string{"preimage"}, Host: h, Engine: flexemu.EngineInterp})
	if err != nil {
		t.Fatal(err)
	}
	var all []uint64
	for len(all) < 6 {
		if done, _ := r.Exited(); done {
			break
		}
		read := r.Kind() == "syscall read pre-image"
		if err := r.RunTo(r.Step() + 1); err != nil {
			t.Fatal(err)
		}
		if read {
			all = append(all, r.Step())
		}
	}
	if len(all) < 4 {
		t.Fatalf("%d reads", len(all))
	}
	return []uint64{all[1], all[len(all)-1]}
}
