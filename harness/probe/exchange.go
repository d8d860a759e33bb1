// SPDX-License-Identifier: MIT

package probe

import (
	"net/netip"
	"time"
)

// Service is one of the three services, each on a port of its own.
type Service uint8

// The services.
const (
	NameService Service = iota
	DatagramService
	SessionService
)

func (s Service) String() string {
	return [...]string{"name service", "datagram service", "session service"}[s]
}

// Exchange is what the driver does next: what is sent, and how long something is waited for.
//
//sumtype:decl
type Exchange interface{ exchange() }

// Ask sends packets by UDP, one after the other, and waits for those that come back.
type Ask struct {
	Service Service
	Packets [][]byte
	Answer  func(packet []byte) bool // whether a packet is one that is waited for
	Want    int                      // how many of them end the wait; 0 waits to the end, to see that none comes
	Tries   int                      // how often all packets are sent, while too few answers come
	Wait    time.Duration            // after each try
}

// Flood sends many packets by UDP.
type Flood struct {
	Service Service
	Count   int
	Packet  func(i int) []byte
	// Which returns the number of the packet that this one answers. Nil when none is waited for: the packets then go out at
	// Rate.
	Which  func(packet []byte) (i int, ok bool)
	Window int           // how many may be unanswered at one time
	Tries  int           // how often one is sent that gets no answer
	Wait   time.Duration // for an answer
	Rate   int           // packets a second
}

// Talk opens a connection to the session service, writes, and reads, until enough has come or the other side is done.
type Talk struct {
	Writes   [][]byte      // each in a segment of its own
	Gap      time.Duration // between them
	Messages int           // whole session messages that end the wait; 0 waits until the other side closes
	Wait     time.Duration // to connect, and then from the last write on
	Times    int           // how many connections, one after the other; 0 for one. The last is what is seen
}

// Look finds out whether the host is there although its stack does not answer.
type Look struct{ Wait time.Duration }

// Pause lets time pass.
type Pause struct{ For time.Duration }

func (Ask) exchange()   {}
func (Flood) exchange() {}
func (Talk) exchange()  {}
func (Look) exchange()  {}
func (Pause) exchange() {}

// Seen is what came of an exchange.
type Seen struct {
	At      time.Duration // when it was over, since the beginning
	Packets []Packet      // Ask: what came in time, answers or not, in order
	Flood   Tally         // Flood
	Stream  Stream        // Talk
	Host    string        // Look: how the host is known to be there; empty when nothing shows that it is
	Frames  int           // how many frames have been recorded in all by now
}

// Packet is what came by UDP.
type Packet struct {
	From  netip.AddrPort
	Bytes []byte
}

// Tally is what came of many packets.
type Tally struct {
	Answered int    // packets of the flood that were answered
	Again    int    // packets that were sent more than once for it
	Others   int    // packets that came and answer none
	Other    Packet // the first of them
}

// Stream is what came on a connection.
type Stream struct {
	End     End
	Bytes   []byte // at most MaxStream
	Refused int    // of several connections, how many were not to be had
}

// MaxStream is how much of a connection is kept.
const MaxStream = 64 << 10

// End is how a connection stands when it is looked at last.
type End uint8

// The ends.
const (
	Open    End = iota // still open
	Closed             // closed by the other side, in order
	Reset              // reset by the other side
	Refused            // nobody accepts connections there
	Timeout            // no answer to the SYN
)

func (e End) String() string {
	return [...]string{"left open", "closed", "reset", "refused", "unanswered"}[e]
}
