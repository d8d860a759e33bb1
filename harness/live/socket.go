// SPDX-License-Identifier: MIT

package live

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// sockets are what a host has: three of each UDP service, since one that is bound to an address hears what is sent to that and
// nothing else, and the listener.
type sockets struct {
	name, datagram    *udpSocket // on the host's address; they send too
	nameAll, dgramAll *udpSocket // on the network's broadcast address
	nameAny, dgramAny *udpSocket // on 255.255.255.255; nil on systems that bind no socket to it
	listener          *net.TCPListener
}

// reach tells to whom what arrives at a socket was sent.
type reach uint8

const (
	toHost    reach = iota
	toNetwork       // its broadcast address
	toAll           // 255.255.255.255
)

// address is the one that a host is reached at.
func (r reach) address(h *host) netip.Addr {
	switch r {
	case toHost:
	case toNetwork:
		return h.broadcast
	case toAll:
		return stack.LimitedBroadcast
	}
	return h.prefix.Addr()
}

func (s *sockets) close() {
	for _, c := range []*udpSocket{s.name, s.datagram, s.nameAll, s.dgramAll, s.nameAny, s.dgramAny} {
		if c != nil {
			_ = c.Close() // nothing is buffered in it
		}
	}
	s.refuseStreams()
}

func (s *sockets) refuseStreams() {
	if s.listener != nil {
		_ = s.listener.Close() // it is to be gone, and is
		s.listener = nil
	}
}

// arrival is a datagram that was read from a socket.
type arrival struct {
	node    int
	port    uint16 // the well-known one
	from    netip.AddrPort
	to      reach
	payload []byte
}

// real and wellKnown translate the ports of the three services.
func (l *LAN) real(port uint16) uint16 {
	p := &l.opts.Ports
	switch {
	case port == stack.NamePort && p.Name != 0:
		return p.Name
	case port == stack.DatagramPort && p.Datagram != 0:
		return p.Datagram
	case port == stack.SessionPort && p.Session != 0:
		return p.Session
	}
	return port
}

func (l *LAN) wellKnown(port uint16) uint16 {
	if port == 0 {
		return 0
	}
	p := &l.opts.Ports
	switch port {
	case p.Name:
		return stack.NamePort
	case p.Datagram:
		return stack.DatagramPort
	case p.Session:
		return stack.SessionPort
	}
	return port
}

func (l *LAN) openSockets(node int, h *host) error {
	if err := localAddress(h.prefix.Addr()); err != nil {
		return err
	}
	var err error
	for _, x := range []struct {
		socket **udpSocket
		to     reach
		port   uint16
	}{
		{&h.sockets.name, toHost, stack.NamePort},
		{&h.sockets.datagram, toHost, stack.DatagramPort},
		{&h.sockets.nameAll, toNetwork, stack.NamePort},
		{&h.sockets.dgramAll, toNetwork, stack.DatagramPort},
		{&h.sockets.nameAny, toAll, stack.NamePort},
		{&h.sockets.dgramAny, toAll, stack.DatagramPort},
	} {
		at := netip.AddrPortFrom(x.to.address(h), l.real(x.port))
		*x.socket, err = bindUDP(at, x.to != toHost)
		switch {
		case x.to == toAll && errors.Is(err, syscall.EADDRNOTAVAIL): // not Linux: who broadcasts there is not heard
		case x.to == toNetwork && errors.Is(err, syscall.EADDRNOTAVAIL):
			return otherNetwork(h.prefix, at.Addr())
		case err != nil:
			return Advise("UDP", at, err)
		}
	}
	if err := l.listen(node, h); err != nil {
		return err
	}
	l.read(h.sockets.name, node, stack.NamePort, toHost)
	l.read(h.sockets.datagram, node, stack.DatagramPort, toHost)
	l.read(h.sockets.nameAll, node, stack.NamePort, toNetwork)
	l.read(h.sockets.dgramAll, node, stack.DatagramPort, toNetwork)
	if h.sockets.nameAny != nil && h.sockets.dgramAny != nil {
		l.read(h.sockets.nameAny, node, stack.NamePort, toAll)
		l.read(h.sockets.dgramAny, node, stack.DatagramPort, toAll)
	}
	return nil
}

// bindUDP opens a socket. Every node on a network listens on the same broadcast address, so that one is shared; the node's
// own is not, so that another program which has it is noticed.
func bindUDP(at netip.AddrPort, shared bool) (*udpSocket, error) {
	var lc net.ListenConfig
	if shared {
		lc.Control = reuseAddress
	}
	c, err := lc.ListenPacket(context.Background(), "udp4", at.String())
	if err != nil {
		return nil, err
	}
	conn := c.(*net.UDPConn)
	_ = conn.SetReadBuffer(1 << 20) // the kernel gives what it allows
	return newUDPSocket(conn)
}

// read turns what arrives at a socket into arrivals, until it is closed. When the stacks cannot keep up, the newest is
// dropped: what others flood one service with costs the others nothing.
func (l *LAN) read(from receiver, node int, port uint16, to reach) {
	queue := &l.names
	if port == stack.DatagramPort {
		queue = &l.datagrams
	}
	several := runtime.GOMAXPROCS(0) > 1 // or whoever looks keeps others from working
	network, own := l.attaching, netip.AddrPortFrom(l.attaching.Addr(), l.real(port))
	l.counters.wait.Go(func() {
		in := newInbox()
		batch := make([]arrival, 0, maxBatch)
		expected := minBatch
		var pause backoff
		soon := false
		for {
			waits := time.Now()
			if soon {
				from.poll(pollFor)
			}
			n, err := from.read(in[:expected])
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil:
				l.counters.receiveErrors.Add(1)
				if !pause.wait(l.done) {
					return
				}
				continue
			}
			pause.reset()
			soon = several && time.Since(waits) < pollFor
			for i := range n {
				from, payload := in.datagram(i)
				l.counters.received.Add(1)
				l.counters.bytesReceived.Add(uint64(len(payload)))
				switch {
				case to != toHost && from == own:
					l.counters.own.Add(1)
				case to == toAll && !network.Contains(from.Addr()):
					l.counters.elsewhere.Add(1) // this host is on other networks too
				case len(payload) > maxPayload:
					l.counters.tooLong.Add(1)
				default:
					from = netip.AddrPortFrom(from.Addr(), l.wellKnown(from.Port()))
					payload = append(make([]byte, 0, len(payload)), payload...)
					batch = append(batch, arrival{node, port, from, to, payload})
				}
			}
			l.handOver(batch, queue)
			expected = min(max(2*n, minBatch), maxBatch)
			clear(batch)
			batch = batch[:0]
		}
	})
}

// queue is what the readers of a service have read and the stacks have not looked at yet.
type queue struct {
	arrivals chan arrival
	unseen   atomic.Int64 // those in it, and the one that was taken out and waits for the stacks
}

func newQueue() queue { return queue{arrivals: make(chan arrival, queueLen)} }

// handOver hands the stacks what was read, at once or through the queue.
func (l *LAN) handOver(batch []arrival, q *queue) {
	if len(batch) == 0 || l.atOnce(batch, q) {
		return
	}
	for _, a := range batch {
		q.unseen.Add(1)
		select {
		case q.arrivals <- a:
		default:
			q.unseen.Add(-1)
			l.counters.queueFull.Add(1)
		}
	}
}

// backoff waits longer the more often in a row something fails, so that a storm of errors does not become a busy loop.
type backoff struct{ next time.Duration }

const (
	firstBackoff = time.Millisecond
	lastBackoff  = time.Second
)

func (b *backoff) wait(done <-chan struct{}) bool {
	b.next = min(max(2*b.next, firstBackoff), lastBackoff)
	select {
	case <-time.After(b.next):
		return true
	case <-done:
		return false
	}
}

func (b *backoff) reset() { b.next = 0 }

// arrived hands a datagram to the node that it arrived at, and records it as sent if nobody of ours sent it.
func (l *LAN) arrived(a arrival) {
	l.ringUntil(l.clock())
	h := l.hosts[a.node]
	if h.takesAnswer(a) {
		return
	}
	to := netip.AddrPortFrom(a.to.address(h), a.port)
	d := stack.Datagram{From: a.from, To: to, Broadcast: a.to != toHost, Payload: a.payload}
	sender, known := l.byIP[a.from.Addr()]
	own := known && l.hosts[sender].device == nil && (a.from.Port() == stack.NamePort || a.from.Port() == stack.DatagramPort)
	if !own && (!d.Broadcast || a.node == l.firstStack()) {
		// Everybody here has heard a broadcast; it was sent once.
		if !known || l.hosts[sender].device == nil {
			sender = trace.LAN
		}
		l.record(sender, stack.SendDatagram(d), 0)
	}
	l.input(a.node, d)
}

func (l *LAN) firstStack() int {
	for i, h := range l.hosts {
		if h.device == nil {
			return i
		}
	}
	return -1
}

// counters count what passed and what did not. Wait is for the goroutines of a LAN.
type counters struct {
	wait sync.WaitGroup

	received, sent, bytesReceived, bytesSent                      atomic.Uint64
	own, elsewhere, tooLong, queueFull, sendErrors, receiveErrors atomic.Uint64
	accepted, streamsRefused, streamsStalled                      atomic.Uint64
	streamsAborted, remarks                                       atomic.Uint64
}

// Counters are what a LAN has counted since it was made.
type Counters struct {
	Received       uint64 `json:"received"`        // datagrams
	Sent           uint64 `json:"sent"`            // datagrams
	BytesReceived  uint64 `json:"bytes_received"`  // in datagrams
	BytesSent      uint64 `json:"bytes_sent"`      // in datagrams
	Own            uint64 `json:"own"`             // own broadcasts, looped back and ignored
	Elsewhere      uint64 `json:"elsewhere"`       // broadcasts to 255.255.255.255 on other networks of this host, ignored
	TooLong        uint64 `json:"too_long"`        // datagrams dropped: longer than 4096 bytes
	QueueFull      uint64 `json:"queue_full"`      // datagrams dropped: they came faster than the stack could look at them
	SendErrors     uint64 `json:"send_errors"`     // datagrams that the system did not take
	ReceiveErrors  uint64 `json:"receive_errors"`  // errors on reading, each waited out
	Accepted       uint64 `json:"accepted"`        // connections
	StreamsRefused uint64 `json:"streams_refused"` // connections refused: there are 512 already
	StreamsStalled uint64 `json:"streams_stalled"` // connections reset: the other side does not read
	StreamsAborted uint64 `json:"streams_aborted"` // connections reset by the stack: too many that ask for nothing, for one
	Remarks        uint64 `json:"remarks"`         // of the stack: messages that it cannot read or will not believe, for most
}

// Counters may be called from any goroutine.
func (l *LAN) Counters() Counters {
	c := &l.counters
	return Counters{
		Received: c.received.Load(), Sent: c.sent.Load(), BytesReceived: c.bytesReceived.Load(), BytesSent: c.bytesSent.Load(),
		Own: c.own.Load(), Elsewhere: c.elsewhere.Load(), TooLong: c.tooLong.Load(), QueueFull: c.queueFull.Load(), SendErrors: c.sendErrors.Load(),
		ReceiveErrors: c.receiveErrors.Load(), Accepted: c.accepted.Load(), StreamsRefused: c.streamsRefused.Load(),
		StreamsStalled: c.streamsStalled.Load(), StreamsAborted: c.streamsAborted.Load(), Remarks: c.remarks.Load(),
	}
}
