//go:build !unix

package preimage

import (
	"os"
	"os/exec"
)

func separate(*exec.Cmd) {}

func interrupt(cmd *exec.Cmd, _ bool) { cmd.Process.Signal(os.Interrupt) }

func kill(cmd *exec.Cmd, _ bool) { cmd.Process.Kill() }
