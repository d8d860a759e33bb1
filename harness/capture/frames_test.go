// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var (
	pc        = netip.MustParseAddr("10.0.0.10")
	peer      = netip.MustParseAddr("10.0.0.20")
	third     = netip.MustParseAddr("10.0.0.30")
	everybody = netip.MustParseAddr("10.0.0.255")
)

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// message is a session message with n bytes of user data.
func message(n int) []byte {
	b := []byte{0x00, byte(n >> 16), byte(n >> 8), byte(n)}
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

// script is a list of frames being written by hand.
type script []trace.Frame

func (s *script) datagram(when time.Duration, from, to netip.AddrPort, payload string) {
	broadcast := to.Addr() == everybody
	*s = append(*s, trace.Frame{At: when, Broadcast: broadcast, From: from, To: to, Payload: []byte(payload)})
}

// line is one direction of a connection.
type line struct {
	conn     int
	from, to netip.AddrPort
}

func (l line) back() line { return line{l.conn, l.to, l.from} }

func (s *script) event(when time.Duration, kind trace.FrameKind, l line, payload ...byte) {
	*s = append(*s, trace.Frame{At: when, Kind: kind, Conn: l.conn, From: l.from, To: l.to, Payload: payload})
}

// written is the file that the frames make.
func written(frames []trace.Frame) []byte {
	var b bytes.Buffer
	ExpectWithOffset(1, capture.Write(&b, frames)).To(Succeed())
	return b.Bytes()
}

// reread is what is read from the file that the frames make.
func reread(frames []trace.Frame) capture.Capture {
	c, err := capture.Read(bytes.NewReader(written(frames)))
	ExpectWithOffset(1, err).NotTo(HaveOccurred())
	return c
}

// datagramError is a DATAGRAM ERROR packet, the shortest of RFC 1002 section 4.4: the name is not present.
const datagramError = "\x13\x00\x00\x01\x0a\x00\x00\x14\x00\x8a\x82"

const (
	us      = time.Microsecond
	ms      = time.Millisecond
	latency = 100 * us // between the simulator's nodes
)

// everything is a recording with all that Write knows: several connections at once, a refused one, ports used again, long
// messages in both directions at the same instant, orderly ends on either side first, crossing ends, resets.
func everything() []trace.Frame {
	var s script
	s.datagram(0, at(pc, 137), at(everybody, 137), "\x12\x34\x29\x10\x00\x00\x00\x00\x00\x00\x00\x00")
	a := line{1, at(peer, 1025), at(pc, 139)}
	b := line{2, at(third, 1025), at(pc, 139)}
	refused := line{3, at(pc, 1030), at(third, 139)}
	again := line{4, at(peer, 1025), at(pc, 139)}
	aborted := line{5, at(third, 1026), at(pc, 139)}
	crossed := line{6, at(third, 1027), at(pc, 139)}

	s.event(ms, trace.Connect, a)
	s.event(ms, trace.Connect, b)
	s.event(ms+30*us, trace.Connect, refused)
	s.event(ms+30*us+latency, trace.Refuse, refused.back())
	s.event(ms+2*latency, trace.Message, a, message(68)...)
	s.event(ms+2*latency, trace.Message, b, message(68)...)
	s.event(ms+3*latency, trace.Message, a.back(), 0x82, 0, 0, 0)
	s.event(ms+3*latency, trace.Message, b.back(), 0x82, 0, 0, 0)
	s.event(2*ms, trace.Message, a, message(40000)...)
	s.event(2*ms, trace.Message, a.back(), message(40000)...)
	s.event(2*ms, trace.Message, b, message(100)...)
	s.event(2*ms+5*us, trace.Message, b, message(100)...)
	s.event(2*ms+7*us, trace.Message, b.back(), message(1)...)
	s.event(3*ms, trace.Message, a, message(0x1ffff)...)
	s.event(3*ms, trace.Message, a, message(0)...)
	s.event(4*ms, trace.Fin, a)
	s.event(4*ms+50*us, trace.Message, a.back(), message(1500)...)
	s.event(4*ms+latency, trace.Fin, a.back())
	s.event(4*ms, trace.Fin, b)
	s.event(4*ms, trace.Fin, b.back())
	s.event(5*ms, trace.Connect, again)
	s.event(5*ms+2*latency, trace.Message, again, message(3)...)
	s.event(6*ms, trace.Fin, again.back())
	s.event(6*ms+latency, trace.Fin, again)
	s.event(7*ms, trace.Connect, aborted)
	s.event(7*ms+2*latency, trace.Message, aborted, message(10)...)
	s.event(7*ms+2*latency+5*us, trace.Reset, aborted.back())
	s.event(8*ms, trace.Connect, crossed)
	s.event(8*ms+2*latency, trace.Reset, crossed)
	s.event(8*ms+2*latency+50*us, trace.Reset, crossed.back())
	s.datagram(9*ms, at(peer, 138), at(pc, 138), datagramError)
	return inTime(s)
}

// inTime puts frames in the order of their times.
func inTime(frames []trace.Frame) []trace.Frame {
	slices.SortStableFunc(frames, func(a, b trace.Frame) int { return cmp.Compare(a.At, b.At) })
	return frames
}
