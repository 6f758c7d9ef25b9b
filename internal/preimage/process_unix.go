//go:build unix

package preimage

import (
	"os/exec"
	"syscall"
)

// separate keeps the terminal's Ctrl-C from the server: it must answer until the run has stopped. Its children, as of
// a shell script, are in its group and get the signals below too.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func interrupt(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }

func kill(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
