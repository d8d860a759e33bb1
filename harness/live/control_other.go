// SPDX-License-Identifier: MIT

//go:build !unix

package live

import "syscall"

// reuseAddress does nothing where sockets share addresses in other ways: there one node hears the broadcasts.
func reuseAddress(_, _ string, _ syscall.RawConn) error { return nil }
