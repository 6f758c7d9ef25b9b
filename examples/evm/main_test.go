package main_test

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/examples/evm/block"
	"github.com/flexemu/flexemu/examples/evm/execute"
	"github.com/flexemu/flexemu/examples/preimage"
)

// TestProgram runs the guest, built for the host, as a process with the four descriptors.
func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "evm")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the guest: %v\n%s", err, out)
	}
	preimages, _, err := block.Generate(20)
	if err != nil {
		t.Fatal(err)
	}
	run := func(code int, stdout, stderr string) {
		t.Helper()
		var out, errors bytes.Buffer
		cmd := exec.Command(program)
		cmd.Stdout, cmd.Stderr = &out, &errors
		if err := preimage.Connect(cmd, preimage.Map(preimages), nil); exitCode(err) != code {
			t.Errorf("exit code %d (%v), want %d", exitCode(err), err, code)
		}
		if !strings.Contains(out.String(), stdout) || !strings.Contains(errors.String(), stderr) {
			t.Errorf("stdout %q, stderr %q; want %q, %q in them", &out, &errors, stdout, stderr)
		}
	}
	run(0, "the claim is right\n", "")
	preimages[preimage.Local(execute.ClaimedRoot)] = make([]byte, 32)
	run(1, "the claim is wrong: 0x0000", "")
	delete(preimages, preimage.Local(execute.ClaimedRoot))
	run(2, "", "evm: pre-image 0100")
}

// exitCode is that of a program that Connect ran: -1 when there is none.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		return -1
	}
}
