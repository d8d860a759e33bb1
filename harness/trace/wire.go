// SPDX-License-Identifier: MIT

package trace

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Frame is one thing that a tap on the wire sees: a UDP datagram, or an event of a TCP stream on port 139. It is the form
// in which runs and captures are compared.
type Frame struct {
	At        time.Duration // since the run began, or since the first packet of the capture
	Kind      FrameKind
	Broadcast bool // the group bit of the destination MAC address, or the IPv4 address 255.255.255.255
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

// Wire returns what a tap beside the sender of each frame would have seen: everything sent, lost or not, in order, with
// changed frames as they were changed. What a host sends to itself never leaves it.
func Wire(t *Trace) []Frame {
	v := wireView{frames: make([]Frame, 0, len(t.Events)/4)}
	for i := range t.Events {
		e := &t.Events[i]
		v.see(e, t.Event(e.Cause))
	}
	return v.frames
}

// Tap is [Wire] while the run goes on, in memory that does not grow with it: what a long-lived stack sends and hears is
// recorded as it happens. The zero value is ready.
type Tap struct{ view wireView }

// See returns the frames that an event puts on the wire. Cause is the event that brought it about, nil for none. The slice
// is valid until the next call. Frames that are altered on the way cannot be taken back: they come as they were sent.
func (t *Tap) See(e, cause *Event) []Frame {
	t.view.frames = t.view.frames[:0]
	t.view.see(e, cause)
	t.view.streams = slices.DeleteFunc(t.view.streams, func(s wireStream) bool { return s.ends[0].over && s.ends[1].over })
	return t.view.frames
}

type wireView struct {
	frames  []Frame
	streams []wireStream
	numbers int // of connections given so far
}

// wireStream is a connection as the events tell it: the opener's end first.
type wireStream struct {
	number int // 0 for one from a host to itself
	ends   [2]wireEnd
}

type wireEnd struct {
	node   int16
	conn   stack.Conn
	addr   netip.AddrPort
	stream []byte // sent, not yet a whole message
	over   bool   // sends nothing more
}

func (v *wireView) see(e, cause *Event) {
	switch what := e.What.(type) {
	case stack.SendDatagram:
		v.datagram(e, what)
	case Injected:
		v.datagram(e, what.Frame)
	case Altered:
		for i := len(v.frames) - 1; i >= 0; i-- {
			if v.frames[i].Seq == e.Cause {
				v.frames[i].Payload = what.Frame.Payload
				break
			}
		}
	case Dialled:
		v.dialled(e, what)
	case stack.Opened:
		if what.Inbound {
			v.accepted(e, what)
		}
	case stack.SendData:
		v.sent(e, what)
	case stack.Close:
		kind := Fin
		if what.Abort {
			kind = Reset
		}
		v.signal(e, what.Conn, kind)
	case stack.Closed:
		v.closed(e, cause, what)
	}
}

func (v *wireView) datagram(e *Event, d stack.SendDatagram) {
	if d.From.Addr() == d.To.Addr() {
		return
	}
	v.frames = append(v.frames, Frame{
		At: e.At, Kind: UDP, Broadcast: d.Broadcast, From: d.From, To: d.To, Payload: d.Payload, Seq: e.Seq,
	})
}

func (v *wireView) dialled(e *Event, d Dialled) {
	s := wireStream{ends: [2]wireEnd{{node: e.Node, conn: d.Conn, addr: d.From}, {node: LAN, addr: d.To}}}
	if d.From.Addr() != d.To.Addr() {
		v.numbers++
		s.number = v.numbers
		v.frames = append(v.frames, Frame{At: e.At, Kind: Connect, From: d.From, To: d.To, Conn: s.number, Seq: e.Seq})
	}
	v.streams = append(v.streams, s)
}

func (v *wireView) accepted(e *Event, o stack.Opened) {
	for i := len(v.streams) - 1; i >= 0; i-- {
		if s := &v.streams[i]; s.ends[0].addr == o.From && s.ends[1].addr == o.To {
			s.ends[1].node, s.ends[1].conn = e.Node, o.Conn
			return
		}
	}
}

// find returns the latest connection that a node knows by a number, and which of its ends the node is.
func (v *wireView) find(node int16, conn stack.Conn) (*wireStream, int) {
	for i := len(v.streams) - 1; i >= 0; i-- {
		for k := range v.streams[i].ends {
			if end := &v.streams[i].ends[k]; end.node == node && end.conn == conn {
				return &v.streams[i], k
			}
		}
	}
	return nil, 0
}

// sent cuts what a node sends on a stream into session-service messages.
func (v *wireView) sent(e *Event, d stack.SendData) {
	s, k := v.find(e.Node, d.Conn)
	if s == nil || s.number == 0 {
		return
	}
	rest := d.Bytes
	if len(s.ends[k].stream) > 0 {
		rest = append(s.ends[k].stream, rest...)
	}
	for len(rest) >= nbt.SessionHeaderLen {
		length, err := nbt.SessionLen(rest)
		if err != nil {
			length = len(rest) // cannot be framed: the rest as it is
		}
		if len(rest) < length {
			break
		}
		v.stream(e, s, k, Message, rest[:length:length])
		rest = rest[length:]
	}
	s.ends[k].stream = rest
}

func (v *wireView) signal(e *Event, conn stack.Conn, kind FrameKind) {
	s, k := v.find(e.Node, conn)
	if s == nil {
		return
	}
	s.ends[k].over = true
	if kind == Reset {
		s.ends[1-k].over = true
	}
	if s.number != 0 {
		v.stream(e, s, k, kind, nil)
	}
}

// closed finds the resets that no stack sent: those of a host's TCP that accepts no connection, or knows of none.
func (v *wireView) closed(e, cause *Event, c stack.Closed) {
	s, k := v.find(e.Node, c.Conn)
	if s == nil {
		return
	}
	if c.Reason != stack.EOF {
		s.ends[0].over, s.ends[1].over = true, true
	}
	if s.number == 0 {
		return
	}
	switch c.Reason {
	case stack.Refused:
		v.stream(e, s, 1-k, Refuse, nil)
	case stack.Reset:
		if cause == nil {
			return
		}
		if x, sent := cause.What.(stack.Close); !sent || !x.Abort {
			v.stream(e, s, 1-k, Reset, nil)
		}
	case stack.EOF, stack.Timeout:
	}
}

// stream appends a frame of a connection that its end k sends.
func (v *wireView) stream(e *Event, s *wireStream, k int, kind FrameKind, payload []byte) {
	v.frames = append(v.frames, Frame{
		At: e.At, Kind: kind, From: s.ends[k].addr, To: s.ends[1-k].addr, Payload: payload, Conn: s.number, Seq: e.Seq,
	})
}
