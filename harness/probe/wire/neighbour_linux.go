// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
)

// States of a neighbour (linux/neighbour.h).
const (
	nudReachable = 0x02
	nudFailed    = 0x20
)

// Offsets in struct ndmsg, and its length; attribute types.
const (
	ndmsgState = 8
	ndmsgLen   = 12
	ndaDst     = 1
)

// neighbour tells that a host on a network of this one's answers ARP, once the kernel has found out; empty when it does not,
// or is behind a router. Something must have been sent to the host, or the kernel does not ask.
func neighbour(addr netip.Addr, wait time.Duration) string {
	for until := time.Now().Add(wait); ; time.Sleep(beat) {
		state, known := neighbourState(addr)
		switch {
		case !known, state&nudFailed != 0:
			return ""
		case state&nudReachable != 0:
			return "it answers ARP"
		case !time.Now().Before(until):
			return ""
		}
	}
}

// neighbourState returns what the kernel has about a host.
func neighbourState(addr netip.Addr) (state uint16, known bool) {
	table, err := syscall.NetlinkRIB(syscall.RTM_GETNEIGH, syscall.AF_INET)
	if err != nil {
		return 0, false
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWNEIGH || len(m.Data) < ndmsgLen {
			continue
		}
		if dst, ok := attribute(m.Data[ndmsgLen:], ndaDst); ok && len(dst) == 4 && netip.AddrFrom4([4]byte(dst)) == addr {
			return binary.NativeEndian.Uint16(m.Data[ndmsgState:]), true
		}
	}
	return 0, false
}

// attribute finds a routing attribute: a length that includes its own four bytes, a type, the value, padding to four.
func attribute(b []byte, kind uint16) ([]byte, bool) {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil, false
		}
		if binary.NativeEndian.Uint16(b[2:]) == kind {
			return b[4:n], true
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil, false
}
