//go:build unix

package preimage

import (
	"os/exec"
	"syscall"
)

// separate keeps the terminal's Ctrl-C from the server: it must answer until the run has stopped. Its children, as of
// a shell script, are in its group and get the signals below too.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// interrupt and kill signal the process alone if it is in the caller's group, else its whole group.
func interrupt(cmd *exec.Cmd, alone bool) { send(cmd, alone, syscall.SIGINT) }

func kill(cmd *exec.Cmd, alone bool) { send(cmd, alone, syscall.SIGKILL) }

func send(cmd *exec.Cmd, alone bool, s syscall.Signal) {
	pid := -cmd.Process.Pid
	if alone {
		pid = -pid
	}
	syscall.Kill(pid, s)
}
