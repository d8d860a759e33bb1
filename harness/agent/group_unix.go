// SPDX-License-Identifier: MIT

//go:build unix

package agent

import (
	"os/exec"
	"syscall"
)

// ownGroup puts an agent and what it will start into a process group of their own.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends an agent and what it has started.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // fails when nothing of it is left
}
