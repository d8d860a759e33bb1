// SPDX-License-Identifier: MIT

package sim

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// impairment is a lan step of the scenario in force, until its frames are used up.
type impairment struct {
	verb scenario.Verb
	scenario.Impairment
}

// inject puts a datagram on the wire in a node's name.
func (l *LAN) inject(a runner.Inject) {
	l.cause = 0
	l.transmit(a.Node, a.Frame, l.record(a.Node, trace.Injected{Frame: a.Frame}, 0))
}

// transmit sends a datagram to where it belongs. One to the sender itself never leaves the host.
func (l *LAN) transmit(node int, d stack.SendDatagram, seq uint32) {
	l.frames++
	fate, late, scripted := l.fate(), DelayBy, false
	if len(l.impaired) > 0 {
		fate, late, scripted = l.impair(&d, fate, seq)
	}
	to := everybody
	if !d.Broadcast {
		if to = l.byAddr(d.To.Addr()); to < 0 {
			return
		}
	}
	x := item{
		at: l.now + Latency, cause: seq, node: int32(to),
		in: stack.Datagram(d),
	}
	switch fate {
	case Lose:
		l.record(to, trace.Lost{Scripted: scripted}, seq)
		l.releaseHeld()
		return
	case Double:
		l.record(to, trace.Doubled{Scripted: scripted}, seq)
		l.schedule(x)
	case Delay:
		l.record(to, trace.Late{By: late, Scripted: scripted}, seq)
		x.at += late
	case Reorder:
		l.releaseHeld()
		l.record(to, trace.Late{By: Latency}, seq)
		l.held = append(l.held, x)
		return
	case Deliver:
	}
	l.schedule(x)
	l.releaseHeld()
}

// releaseHeld lets reordered frames follow the one just sent.
func (l *LAN) releaseHeld() {
	for _, x := range l.held {
		x.at = l.now + Latency
		l.schedule(x)
	}
	l.held = l.held[:0]
}

// fate decides what becomes of the frame just counted.
func (l *LAN) fate() Fate {
	for _, p := range l.opts.Perturb {
		if p.Frame == l.frames {
			return p.Do
		}
	}
	o := &l.opts.Odds
	switch {
	case l.dice.chance(o.Lose):
		return Lose
	case l.dice.chance(o.Double):
		return Double
	case l.dice.chance(o.Delay):
		return Delay
	case l.dice.chance(o.Reorder):
		return Reorder
	}
	return Deliver
}

// impair applies the first lan step that a datagram matches, and tells whether one did.
func (l *LAN) impair(d *stack.SendDatagram, fate Fate, seq uint32) (_ Fate, late time.Duration, scripted bool) {
	frame := trace.Frame{Kind: trace.UDP, From: d.From, To: d.To, Broadcast: d.Broadcast, Payload: d.Payload}
	for i := range l.impaired {
		imp := &l.impaired[i]
		if imp.Match.Count == 0 || !imp.Match.Matches(l.nodes, frame) {
			continue
		}
		imp.Match.Count--
		switch imp.verb {
		case scenario.Lose:
			return Lose, 0, true
		case scenario.Double:
			return Double, 0, true
		case scenario.Delay:
			return Delay, imp.By, true
		case scenario.Alter:
			d.Payload = bytes.Clone(d.Payload)
			if imp.Byte < len(d.Payload) {
				d.Payload[imp.Byte] = imp.Value
			}
			l.record(trace.LAN, trace.Altered{Frame: *d}, seq)
			return fate, DelayBy, false
		}
	}
	return fate, DelayBy, false
}

// stream is a TCP connection: the opener's end first.
type stream struct{ ends [2]end }

type end struct {
	node   int
	conn   stack.Conn
	addr   netip.AddrPort
	closed bool          // sends nothing more: it has sent FIN or RST
	reset  bool          // has sent RST: hears nothing more
	dead   bool          // belongs to an earlier life of its host
	after  time.Duration // nothing sent to it arrives earlier: a stream keeps its order
}

// handshake is the time from SYN to the accepting side's accept: SYN, SYN/ACK, ACK. The opener knows one Latency earlier.
const handshake = 3 * Latency

// connectPatience is how long TCP tries to reach a host that is not there.
const connectPatience = 21 * time.Second

func (l *LAN) open(node int, o stack.Open, seq uint32) {
	h := &l.hosts[node]
	from := netip.AddrPortFrom(h.addr, h.port)
	if h.port++; h.port == 0 {
		h.port = firstPort
	}
	dialled := l.record(node, trace.Dialled{Conn: o.Conn, From: from, To: o.To}, seq)
	late := l.streamDelay(dialled)
	peer := l.byAddr(o.To.Addr())
	switch {
	case peer < 0:
		l.hear(l.now+connectPatience, dialled, node, stack.Closed{Conn: o.Conn, Reason: stack.Timeout})
		return
	case l.hosts[peer].off || o.To.Port() != stack.SessionPort:
		l.hear(l.now+late+2*Latency, dialled, node, stack.Closed{Conn: o.Conn, Reason: stack.Refused})
		return
	}
	p := &l.hosts[peer]
	p.inbound++
	s := stream{ends: [2]end{
		{node: node, conn: o.Conn, addr: from, after: l.now + late + 2*Latency},
		{node: peer, conn: p.inbound, addr: o.To, after: l.now + late + handshake},
	}}
	l.hear(s.ends[0].after, dialled, node, stack.Opened{Conn: o.Conn, From: from, To: o.To})
	l.hear(s.ends[1].after, dialled, peer, stack.Opened{Conn: p.inbound, From: from, To: o.To, Inbound: true})
	l.streams = append(l.streams, s)
}

// hear queues what a host is told of a stream.
func (l *LAN) hear(at time.Duration, cause uint32, node int, in stack.Input) {
	l.schedule(item{at: at, cause: cause, node: int32(node), in: in})
}

// streamDelay counts a frame of a stream and returns how much later TCP gets it there.
func (l *LAN) streamDelay(seq uint32) time.Duration {
	l.frames++
	var late time.Duration
	switch l.fate() {
	case Lose:
		late = retransmission
	case Delay:
		late = DelayBy
	case Deliver, Double, Reorder: // the receiver's TCP sees to it
	}
	if late > 0 {
		l.record(trace.LAN, trace.Late{By: late}, seq)
	}
	l.releaseHeld()
	return late
}

// sides returns the sending and the other end of a connection that the sender may still use.
func (l *LAN) sides(node int, conn stack.Conn) (own, other *end) {
	for i := len(l.streams) - 1; i >= 0; i-- { // most are about the latest
		s := &l.streams[i]
		for k := range s.ends {
			if e := &s.ends[k]; e.node == node && e.conn == conn && !e.dead && !e.closed {
				return e, &s.ends[1-k]
			}
		}
	}
	return nil, nil
}

// pass sends something along a stream, behind what was sent before. To a host that knows the connection no more it brings
// back a reset.
func (l *LAN) pass(own, other *end, seq uint32, in stack.Input) {
	late := l.streamDelay(seq)
	switch {
	case other.dead:
		own.closed = true
		l.hear(l.now+late+2*Latency, seq, own.node, stack.Closed{Conn: own.conn, Reason: stack.Reset})
	case !other.reset:
		other.after = max(other.after, l.now+late+Latency)
		l.hear(other.after, seq, other.node, in)
	}
}

func (l *LAN) sendData(node int, d stack.SendData, seq uint32) {
	if own, other := l.sides(node, d.Conn); own != nil {
		l.pass(own, other, seq, stack.Data{Conn: other.conn, Bytes: d.Bytes})
	}
}

func (l *LAN) close(node int, c stack.Close, seq uint32) {
	own, other := l.sides(node, c.Conn)
	if own == nil {
		return
	}
	own.closed = true
	if c.Abort {
		own.reset = true
		l.pass(own, other, seq, stack.Closed{Conn: other.conn, Reason: stack.Reset})
		return
	}
	l.pass(own, other, seq, stack.Closed{Conn: other.conn, Reason: stack.EOF})
}
