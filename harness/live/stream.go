// SPDX-License-Identifier: MIT

package live

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// The bounds of connections.
const (
	maxStreams      = 512              // of one host
	maxUnsent       = 64               // pieces of data that wait for a peer that does not read
	connectPatience = 21 * time.Second // as long as TCP tries by itself
	writePatience   = 30 * time.Second
	closePatience   = 30 * time.Second // for the other side's FIN, after ours
	readLen         = 8 << 10
)

// stream is a TCP connection of a host.
type stream struct {
	lan      *LAN
	node     int
	life     uint32
	conn     stack.Conn
	from, to netip.AddrPort // who opened it, and where; the well-known port for ours
	other    stack.Conn     // the number of the other end in the record, when it is no stack of ours; else 0
	tcp      *net.TCPConn   // nil until it is established
	unsent   chan []byte    // nil ends the sending side
	ended    bool           // our side has sent all
	heard    bool           // the other side has sent all
}

// streamEvent is something that happened to a connection.
type streamEvent struct {
	stream *stream
	what   stack.Input  // Opened, Data or Closed; nil for one that was accepted
	tcp    *net.TCPConn // of a new one
}

func (l *LAN) listen(node int, h *host) error {
	if h.sockets.listener != nil {
		return nil
	}
	at := netip.AddrPortFrom(h.prefix.Addr(), l.real(stack.SessionPort))
	ln, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return Advise("TCP", at, err)
	}
	h.sockets.listener = ln
	l.counters.wait.Go(func() { l.accept(ln, node) })
	return nil
}

func (l *LAN) accept(ln *net.TCPListener, node int) {
	var pause backoff
	for {
		tcp, err := ln.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, or a connection that is gone already
			l.counters.receiveErrors.Add(1)
			if !pause.wait(l.done) {
				return
			}
			continue
		}
		pause.reset()
		select {
		case l.streams <- streamEvent{stream: &stream{node: node}, tcp: tcp}:
		case <-l.done:
			_ = tcp.Close() // nobody is left to say anything on it
			return
		}
	}
}

// open opens a connection from a port that is reserved beforehand, so that the record can say from where at once.
func (l *LAN) open(node int, o stack.Open, seq uint32) {
	h := l.hosts[node]
	local, err := l.reservePort(h.prefix.Addr())
	if err != nil {
		l.counters.sendErrors.Add(1)
	}
	s := &stream{lan: l, node: node, life: h.life, conn: o.Conn, from: local, to: o.To}
	h.conns[o.Conn] = s
	l.dialled[local] = true
	l.record(node, trace.Dialled{Conn: o.Conn, From: local, To: o.To}, seq)
	to := netip.AddrPortFrom(o.To.Addr(), l.real(o.To.Port()))
	l.counters.wait.Go(func() {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Timeout: connectPatience}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-l.done:
				cancel()
			case <-ctx.Done():
			}
		}()
		c, err := d.DialContext(ctx, "tcp4", to.String())
		e := streamEvent{stream: s, what: stack.Opened{Conn: s.conn, From: s.from, To: s.to}}
		if err != nil {
			e.what = stack.Closed{Conn: s.conn, Reason: reasonOf(err)}
		} else {
			e.tcp = c.(*net.TCPConn)
		}
		if !l.report(e) && e.tcp != nil {
			_ = e.tcp.Close() // nobody is left to say anything on it
		}
	})
}

// The ports that connections come from, and how many of them are tried before the kernel is asked for one.
const (
	firstPort = 1 << 15
	portTries = 64
)

// reservePort finds a free port by taking and leaving it: the next one, since the kernel searches the longer for one the more
// connections there were in the last minute.
func (l *LAN) reservePort(addr netip.Addr) (netip.AddrPort, error) {
	for try := 0; ; try++ {
		at := netip.AddrPortFrom(addr, 0)
		if try < portTries {
			l.lastPort++
			at = netip.AddrPortFrom(addr, l.lastPort|firstPort)
		}
		ln, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
		switch {
		case err == nil:
			at = ln.Addr().(*net.TCPAddr).AddrPort()
			return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), ln.Close()
		case try == portTries:
			return netip.AddrPortFrom(addr, 0), err
		}
	}
}

func reasonOf(err error) stack.CloseReason {
	switch {
	case errors.Is(err, io.EOF):
		return stack.EOF
	case errors.Is(err, syscall.ECONNREFUSED):
		return stack.Refused
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.ENETUNREACH), errors.Is(err, context.DeadlineExceeded):
		return stack.Timeout
	}
	return stack.Reset
}

// report hands an event to the goroutine that owns the stacks, unless that has ended.
func (l *LAN) report(e streamEvent) bool {
	select {
	case l.streams <- e:
		return true
	case <-l.done:
		return false
	}
}

// streamed carries on with what happened to a connection.
func (l *LAN) streamed(e streamEvent) {
	s := e.stream
	h := l.hosts[s.node]
	if e.what == nil {
		l.accepted(h, s, e.tcp)
		return
	}
	if h.conns[s.conn] != s || h.life != s.life { // it was aborted, or its stack restarted
		if e.tcp != nil {
			_ = e.tcp.Close() // nobody wants it any more
		}
		return
	}
	switch what := e.what.(type) {
	case stack.Opened:
		s.tcp = e.tcp
		s.serve()
		if device := l.deviceAt(s.to.Addr()); s.other == 0 && !l.ours(s.to) {
			s.other = l.nextForeign()
			l.record(device, stack.Opened{Conn: s.other, From: s.from, To: s.to, Inbound: true}, 0)
		}
		l.input(s.node, what)
	case stack.Data:
		if s.other != 0 {
			l.record(l.deviceAt(s.peer()), stack.SendData{Conn: s.other, Bytes: what.Bytes}, 0)
		}
		l.input(s.node, what)
	case stack.Closed:
		l.streamClosed(h, s, what)
	default: // nothing else happens to a connection
	}
}

func (l *LAN) streamClosed(h *host, s *stream, c stack.Closed) {
	if s.other != 0 && s.tcp != nil && (c.Reason == stack.EOF || c.Reason == stack.Reset) {
		l.record(l.deviceAt(s.peer()), stack.Close{Conn: s.other, Abort: c.Reason == stack.Reset}, 0)
	}
	s.heard = true
	switch {
	case c.Reason != stack.EOF:
		l.forget(h, s, true)
	case s.ended:
		l.forget(h, s, false)
	}
	l.input(s.node, c)
}

// accepted takes in a connection that somebody opened to a host.
func (l *LAN) accepted(h *host, s *stream, tcp *net.TCPConn) {
	if len(h.conns) >= maxStreams {
		l.cutShort(h)
	}
	if h.off || len(h.conns) >= maxStreams {
		l.counters.streamsRefused.Add(1)
		_ = tcp.SetLinger(0) // a reset: there is nothing to wait for
		_ = tcp.Close()
		return
	}
	l.counters.accepted.Add(1)
	h.inbound++
	remote := tcp.RemoteAddr().(*net.TCPAddr).AddrPort()
	*s = stream{
		lan: l, node: s.node, life: h.life, conn: h.inbound, tcp: tcp,
		from: netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()),
		to:   netip.AddrPortFrom(h.prefix.Addr(), stack.SessionPort),
	}
	if !l.dialled[s.from] {
		s.other = l.nextForeign()
		l.record(l.deviceAt(s.from.Addr()), trace.Dialled{Conn: s.other, From: s.from, To: s.to}, 0)
	}
	h.conns[s.conn] = s
	s.serve()
	l.input(s.node, stack.Opened{Conn: s.conn, From: s.from, To: s.to, Inbound: true})
}

// cutShort waits no longer for the other side's end of the oldest connection that a host's stack is through with: those who
// keep their side open must not keep others out.
func (l *LAN) cutShort(h *host) {
	var oldest *stream
	for _, s := range h.conns {
		if s.ended && (oldest == nil || s.conn < oldest.conn) {
			oldest = s
		}
	}
	if oldest != nil {
		l.counters.streamsStalled.Add(1)
		l.streamClosed(h, oldest, stack.Closed{Conn: oldest.conn, Reason: stack.Timeout})
	}
}

func (l *LAN) nextForeign() stack.Conn {
	l.foreign++
	return l.foreign
}

// ours reports whether a stack of this LAN accepts connections at an address.
func (l *LAN) ours(to netip.AddrPort) bool {
	i, known := l.byIP[to.Addr()]
	return known && l.hosts[i].device == nil && to.Port() == stack.SessionPort
}

// peer is the address of the other end.
func (s *stream) peer() netip.Addr {
	if s.conn >= stack.Inbound {
		return s.from.Addr()
	}
	return s.to.Addr()
}

// forget is the end of a connection: nothing is heard of it any more. What is unsent is still sent, unless it is aborted.
func (l *LAN) forget(h *host, s *stream, abort bool) {
	delete(h.conns, s.conn)
	delete(l.dialled, s.from)
	if abort {
		s.abort()
	}
	if s.unsent != nil {
		close(s.unsent)
		s.unsent = nil
	}
}

// closeStream ends the sending side of a connection, or all of it.
func (l *LAN) closeStream(h *host, s *stream, abort bool) {
	switch {
	case abort || s.tcp == nil:
		l.forget(h, s, true)
	case !s.ended:
		s.ended = true
		s.send(nil)
		if s.heard {
			l.forget(h, s, false)
		}
	}
}

// serve starts reading and writing.
func (s *stream) serve() {
	s.unsent = make(chan []byte, maxUnsent)
	s.lan.counters.wait.Go(s.read)
	unsent := s.unsent
	s.lan.counters.wait.Go(func() { s.write(unsent) })
}

func (s *stream) read() {
	buf := make([]byte, readLen)
	for {
		n, err := s.tcp.Read(buf)
		if n > 0 {
			data := append(make([]byte, 0, n), buf[:n]...)
			if !s.lan.report(streamEvent{stream: s, what: stack.Data{Conn: s.conn, Bytes: data}}) {
				return
			}
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.lan.report(streamEvent{stream: s, what: stack.Closed{Conn: s.conn, Reason: reasonOf(err)}})
			return
		}
	}
}

// send queues data. A peer that lets too much pile up is cut off: it must not cost us memory.
func (s *stream) send(b []byte) {
	if s.unsent == nil {
		return
	}
	select {
	case s.unsent <- b:
	default:
		s.lan.counters.streamsStalled.Add(1)
		_ = s.tcp.SetLinger(0)
		_ = s.tcp.SetReadDeadline(longAgo) // its reader tells the stack
	}
}

// write sends what is queued, and lets go of the connection when nothing more will be.
func (s *stream) write(unsent <-chan []byte) {
	for b := range unsent {
		if b == nil {
			_ = s.tcp.CloseWrite() // a connection that is broken says so when it is read
			_ = s.tcp.SetReadDeadline(time.Now().Add(closePatience))
			continue
		}
		_ = s.tcp.SetWriteDeadline(time.Now().Add(writePatience))
		if _, err := s.tcp.Write(b); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.lan.counters.streamsStalled.Add(1)
			}
			_ = s.tcp.SetReadDeadline(longAgo)
		}
	}
	_ = s.tcp.Close() // all has been said
}

// longAgo as a deadline has a reader end now.
var longAgo = time.Unix(1, 0)

// abort resets the connection, if there is one yet.
func (s *stream) abort() {
	if s.tcp != nil {
		_ = s.tcp.SetLinger(0)
		_ = s.tcp.Close() // a reset: there is nothing to wait for
	}
}
