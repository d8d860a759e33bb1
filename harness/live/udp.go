// SPDX-License-Identifier: MIT

package live

import (
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// maxBatch is how many datagrams pass in one system call, where the system can do that (Linux; elsewhere it is one). More of
// them save little, and whoever waits for the answer to the first waits for all.
//
// A call that is ready for many takes longer, for one datagram too: it is made ready for twice as many as came the last time.
const (
	minBatch = 2
	maxBatch = 8
)

// pollFor is how long a reader goes on looking for the next datagram before it sleeps, when the last one came as soon after
// the one before it. To wake a thread on an idle processor can take longer than everything else that an answer takes. A
// reader that is seldom written to always sleeps.
const pollFor = 50 * time.Microsecond

// receiver is what datagrams are read from.
type receiver interface {
	read(in []ipv4.Message) (int, error)
	poll(patience time.Duration)
}

// read waits for datagrams. The error is [net.ErrClosed] when the socket is closed.
func (s *udpSocket) read(in []ipv4.Message) (int, error) {
	n, err := s.batches.ReadBatch(in, waitForOne)
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	return n, err
}

// send sends one datagram.
func (s *udpSocket) send(payload []byte, to netip.AddrPort) error {
	_, err := s.write([]ipv4.Message{{Buffers: [][]byte{payload}, Addr: net.UDPAddrFromAddrPort(to)}})
	return err
}

// inbox is where a reader puts what it reads in one go.
type inbox [maxBatch]ipv4.Message

func newInbox() *inbox {
	b := new(inbox)
	for i := range b {
		b[i].Buffers = [][]byte{make([]byte, maxPayload+1)}
	}
	return b
}

// datagram is one of those that were read.
func (b *inbox) datagram(i int) (from netip.AddrPort, payload []byte) {
	m := &b[i]
	if a, ok := m.Addr.(*net.UDPAddr); ok {
		from = a.AddrPort()
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), m.Buffers[0][:m.N]
}

// outbox is what the stacks have sent and the system has not been given yet: datagrams of one socket. It is emptied before
// the stacks do anything else that can be seen from outside, and before anybody else has them.
type outbox struct {
	socket   *udpSocket
	n        int
	messages [maxBatch]ipv4.Message
	to       [maxBatch]net.UDPAddr
	sent     [maxBatch]sent
}

// sent is what has to be known of a datagram once it has gone.
type sent struct {
	datagram stack.SendDatagram
	seq      uint32
}

func (b *outbox) init() {
	for i := range b.messages {
		b.to[i].IP = make(net.IP, net.IPv4len)
		b.messages[i].Addr = &b.to[i]
		b.messages[i].Buffers = make([][]byte, 1)
	}
}

// transmit sends a datagram from a node's own port of the service, with the next ones or when the outbox is emptied. One to
// the node itself never leaves it.
func (l *LAN) transmit(node int, d stack.SendDatagram, seq uint32) {
	if !d.To.Addr().Is4() {
		l.counters.sendErrors.Add(1)
		return
	}
	h := l.hosts[node]
	socket := h.sockets.name
	if d.From.Port() == stack.DatagramPort {
		socket = h.sockets.datagram
	}
	b := &l.unsent
	if b.n == maxBatch || b.n > 0 && b.socket != socket {
		l.flush()
	}
	b.socket = socket
	b.sent[b.n] = sent{d, seq}
	b.messages[b.n].Buffers[0] = d.Payload
	addr := d.To.Addr().As4()
	copy(b.to[b.n].IP, addr[:])
	b.to[b.n].Port = int(l.real(d.To.Port()))
	b.n++
}

// flush empties the outbox. A datagram that cannot be sent takes none of the others with it.
func (l *LAN) flush() {
	b := &l.unsent
	for i := 0; i < b.n; {
		n, err := b.socket.write(b.messages[i:b.n])
		if err != nil || n == 0 {
			// No route, no buffer, no interface: to a stack that is a datagram which got lost.
			l.counters.sendErrors.Add(1)
			i++
			continue
		}
		for ; n > 0; n-- {
			l.sent(&b.sent[i])
			i++
		}
	}
	for i := range b.n {
		b.sent[i], b.messages[i].Buffers[0] = sent{}, nil
	}
	b.n = 0
}

// sent has what was sent arrive at devices.
func (l *LAN) sent(s *sent) {
	l.counters.sent.Add(1)
	l.counters.bytesSent.Add(uint64(len(s.datagram.Payload)))
	for i, other := range l.hosts {
		if other.device != nil && (s.datagram.Broadcast || other.prefix.Addr() == s.datagram.To.Addr()) {
			l.arrivals = append(l.arrivals, trace.Event{What: stack.Datagram(s.datagram), Cause: s.seq, Node: int16(i)})
		}
	}
}
