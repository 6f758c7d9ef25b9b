package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A big-endian host whose processor rounds addresses down gives the same roots and the same proof: flexemu itself,
// built for mips64, on qemu.
func TestBigEndianHost(t *testing.T) {
	if testing.Short() {
		t.Skip("builds all of flexemu for another host")
	}
	qemu, err := exec.LookPath("qemu-mips64-static")
	if err != nil {
		t.Skip("qemu-mips64-static is not installed")
	}
	foreign := filepath.Join(t.TempDir(), "flexemu")
	build := exec.Command("go", "build", "-o", foreign, ".")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, args := range [][]string{
		{"run", "--roots-at", "%50000", "--roots", "-", filepath.Join(guests, "hello")},
		{"prove", "--at", "%100000", filepath.Join(guests, "hello")},
	} {
		want, err := exec.Command("flexemu", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, want)
		}
		got, err := exec.Command(qemu, append([]string{foreign}, args...)...).CombinedOutput()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: on mips64\n%.1000s(%v), here\n%.1000s", args, got, err, want)
		}
	}
}
