// SPDX-License-Identifier: MIT

package live

import (
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/nbtlab/nbtlab/harness/stack"
)

// Overtake has two datagrams of one socket arrive at the first stack of a LAN that runs: the first while somebody else has
// the stacks, so that it is queued, the second as they are let go and the first has been taken out of the queue.
func Overtake(l *LAN, first, second []byte) {
	from := netip.AddrPortFrom(l.hosts[0].prefix.Addr().Next(), stack.NamePort)
	l.turn.Lock()
	l.handOver([]arrival{{port: stack.NamePort, from: from, payload: first}}, &l.names)
	for len(l.names.arrivals) > 0 { // whoever takes it may have to have the stacks before
		l.turn.Unlock()
		runtime.Gosched()
		l.turn.Lock()
	}
	l.turn.Unlock()
	l.handOver([]arrival{{port: stack.NamePort, from: from, payload: second}}, &l.names)
}

// Storm has the first stack of a LAN read from a socket that fails with an error so many times, then gives a datagram, and
// then is closed.
func Storm(l *LAN, err error, times int, from netip.AddrPort, payload []byte) {
	l.read(&storm{err, times, from, payload}, 0, stack.NamePort, toHost)
}

type storm struct {
	err     error
	left    int
	from    netip.AddrPort
	payload []byte
}

func (s *storm) poll(time.Duration) {}

func (s *storm) read(ms []ipv4.Message) (int, error) {
	switch {
	case s.left > 0:
		s.left--
		return 0, s.err
	case s.payload == nil:
		return 0, net.ErrClosed
	}
	ms[0].Addr, ms[0].N = net.UDPAddrFromAddrPort(s.from), copy(ms[0].Buffers[0], s.payload)
	s.payload = nil
	return 1, nil
}

// PortBehind is the port that the next connection from an address comes from when the last one came from this.
func PortBehind(l *LAN, last netip.AddrPort) (netip.AddrPort, error) {
	l.lastPort = last.Port()
	return l.reservePort(last.Addr())
}

// OtherNetwork is what is said of a stack's network whose broadcast address is not this host's.
func OtherNetwork(prefix netip.Prefix) error { return otherNetwork(prefix, stack.BroadcastOf(prefix)) }
