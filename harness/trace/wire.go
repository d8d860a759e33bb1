// SPDX-License-Identifier: MIT

package trace

import (
	"net/netip"
	"time"
)

// Frame is one thing that a tap on the wire sees: a UDP datagram, or an event of a TCP stream on port 139. It is the form
// in which runs and captures are compared.
type Frame struct {
	At        time.Duration // since the run began, or since the first packet of the capture
	Kind      FrameKind
	Broadcast bool // the group bit of the destination MAC address
	From, To  netip.AddrPort
	Payload   []byte   // UDP: the payload. Message: one session-service message with its header, or what cannot be framed
	Conn      int      // TCP: the connection, numbered from 1 in the order of their first packets; 0 for UDP
	Number    int      // the number of the packet that completes it, as Wireshark counts; 0 before there are packets
	Seq       uint32   // the event of the run it was made from; 0 in captures
	Odd       []string // what is wrong with it below NBT: a bad checksum, a length that disagrees
}

// FrameKind is the kind of a [Frame].
type FrameKind uint8

// The kinds.
const (
	UDP     FrameKind = iota // a datagram
	Connect                  // the first SYN of a connection
	Refuse                   // RST in answer to a SYN
	Message                  // a whole session-service message
	Fin                      // one side's orderly end
	Reset                    // RST on a connection that was established
)

func (k FrameKind) String() string {
	return [...]string{"udp", "connect", "refuse", "message", "fin", "reset"}[k]
}
