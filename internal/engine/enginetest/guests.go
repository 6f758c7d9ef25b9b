package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/loader"
	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/preimage"
)

// guestsVariable is the environment variable with a list of executables, like $PATH, that Guests runs to their ends. Their
// pre-images are in the folder "preimages" beside them, if it is there.
const guestsVariable = "FLEXEMU_GUESTS"

// loadGuest reads an executable.
func loadGuest(path string) (*guest, error) {
	elf, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	name, err := loader.Identify(elf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	i := sets.Named(name)
	if i == nil {
		return nil, fmt.Errorf("%s: there is no instruction set %s", path, name)
	}
	k, err := bare.New(i)
	if err != nil {
		return nil, err
	}
	layout := loader.Layout{HeapStart: k.Layout.HeapStart, StackTop: k.Layout.StackTop}
	p, err := loader.Parse(elf, loader.Options{Layout: layout})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m := machine.New(i.Thread)
	m.Narrow = i.Bits == 32
	p.Load(m.Mem)
	sp, err := loader.Stack(p.ISA, m.Mem, layout, []string{filepath.Base(path)}, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	k.Start(m, p.Entry, sp)
	g := &guest{isa: i, start: m}
	if folder, err := preimage.OpenFolder(filepath.Join(filepath.Dir(path), "preimages"), nil); err == nil {
		g.host = folderHost{folder}
	}
	return g, nil
}

// folderHost is a host that only has pre-images.
type folderHost struct{ *preimage.Folder }

func (folderHost) Output(int, []byte) error { return nil }

// examples is the folder with the example guests.
func examples() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "examples")
}

// build makes the example guests: Go ones for mips64, and C ones for the instruction sets whose compilers are there.
func build(t *testing.T) (paths []string) {
	dir := t.TempDir()
	for _, name := range []string{"hello", "alloc", "threads"} {
		path := filepath.Join(dir, name+".go.mips64")
		cmd := exec.Command("go", "build", "-o", path, "./go/"+name)
		cmd.Dir = examples()
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the guest %s: %v\n%s", name, err, out)
		}
		paths = append(paths, path)
	}
	c := t.TempDir()
	if out, err := exec.Command("make", "-C", filepath.Join(examples(), "c"), "BUILD="+c).CombinedOutput(); err != nil {
		t.Logf("without the guests in C: %v\n%s", err, out)
		return paths
	}
	found, err := filepath.Glob(filepath.Join(c, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	return append(paths, found...)
}

// Guests runs the example guests from one random stop to the next, or those of FLEXEMU_GUESTS.
func Guests(t *testing.T, n New) {
	limit, paths := uint64(4_000_000), filepath.SplitList(os.Getenv(guestsVariable))
	switch {
	case len(paths) > 0:
		limit = ^uint64(0)
	case testing.Short():
		t.Skip("the guests take seconds to build")
	default:
		paths = build(t)
	}
	for k, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g, err := loadGuest(path)
			if err != nil {
				t.Fatal(err)
			}
			r := relay{guest: g, new: n}
			skipUnsupported(t, r.run(uint64(k), limit))
			m := r.oracle.Machine
			exited, code := m.Exited()
			t.Logf("%d steps, exited: %t, %d, %d bytes shown", m.Cells[ir.Step], exited, code, len(r.want.shown))
		})
	}
}
