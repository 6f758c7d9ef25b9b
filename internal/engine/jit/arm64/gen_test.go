package arm64_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/flexemu/flexemu/internal/engine/jit/arm64"
	"github.com/flexemu/flexemu/internal/engine/jit/lir/lirtest"
)

// TestCompile runs on the host if that is an arm64 one; else this package's tests are compiled for one, and qemu runs
// this test of them.
func TestCompile(t *testing.T) {
	if runtime.GOARCH == "arm64" {
		lirtest.Run(t, arm64.Compile)
		return
	}
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("qemu-aarch64-static is not installed (Debian's package qemu-user-static)")
	}
	program := filepath.Join(t.TempDir(), "arm64.test")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(emulator, program, "-test.run=^TestCompile$", "-test.short")
	run.WaitDelay = time.Minute
	out, err := run.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
