// SPDX-License-Identifier: MIT

//go:build unix

package live

import "syscall"

// reuseAddress lets several sockets have the same broadcast address; each hears every broadcast.
func reuseAddress(_, _ string, c syscall.RawConn) error {
	var err error
	if control := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}); control != nil {
		return control
	}
	return err
}
