//go:build unix

package child

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the process the head of a group, so that it is killed with all that it starts.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func killGroup(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
