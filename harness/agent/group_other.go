// SPDX-License-Identifier: MIT

//go:build !unix

package agent

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup ends an agent. What it has started it has to end itself here.
func killGroup(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // fails when it has ended
}
