// SPDX-License-Identifier: MIT

// Package wire carries out the exchanges of a probe: on sockets, in real time, with one target and nobody else. It keeps a
// record of what was sent and received, in which the target's ports are the well-known ones, whatever they really are. Not in
// it are connections that did not come about, whose own port nobody tells, and what only shows whether the host is there.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Options are where a target is, and where the probe speaks from.
type Options struct {
	Target netip.Addr
	From   netip.Addr // an address of this host; the zero address for the one that the route to the target has

	// The target's ports; 0 for the well-known ones.
	NamePort, DatagramPort, SessionPort uint16

	// WellKnown has packets come from ports 137 and 138, as those of another stack do, rather than from ports that happen to
	// be free. Some stacks answer there whatever port they were asked from. It needs the right to these ports.
	WellKnown bool

	// Progress is told now and then how far a long exchange has come.
	Progress func(done, of int)
}

// Wire is a probe's way to its target. One goroutine uses it.
type Wire struct {
	opts     Options
	self     netip.Addr
	services [2]service
	started  time.Time
	frames   []trace.Frame
	conns    int
}

// service is one of the two services that go by UDP.
type service struct {
	socket *net.UDPConn
	own    netip.AddrPort
	target netip.AddrPort
	known  uint16 // the well-known port
}

// Open opens the sockets. It is an error if the target is not one host.
func Open(o Options) (*Wire, error) {
	if o.NamePort == 0 {
		o.NamePort = stack.NamePort
	}
	if o.DatagramPort == 0 {
		o.DatagramPort = stack.DatagramPort
	}
	if o.SessionPort == 0 {
		o.SessionPort = stack.SessionPort
	}
	w := &Wire{opts: o, started: time.Now()}
	if err := w.oneHost(); err != nil {
		return nil, err
	}
	if err := w.route(); err != nil {
		return nil, err
	}
	for i, port := range []struct{ known, target uint16 }{{stack.NamePort, o.NamePort}, {stack.DatagramPort, o.DatagramPort}} {
		s := &w.services[i]
		s.target, s.known = netip.AddrPortFrom(o.Target, port.target), port.known
		own := netip.AddrPortFrom(w.self, 0)
		if o.WellKnown {
			own = netip.AddrPortFrom(w.self, port.known)
		}
		if err := s.open(own); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// oneHost refuses addresses behind which there is more than one host: Go's sockets would send to them.
func (w *Wire) oneHost() error {
	if !w.opts.Target.Is4() || w.opts.Target.IsUnspecified() || w.opts.Target.IsMulticast() ||
		w.opts.Target == stack.LimitedBroadcast {
		return fmt.Errorf("probe: %s is not the IPv4 address of one host", w.opts.Target)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is4() || p.Bits() > 30 {
			continue
		}
		if w.opts.Target == stack.BroadcastOf(p) || w.opts.Target == p.Masked().Addr() {
			return fmt.Errorf("probe: %s is the broadcast address of a network of this host (%s): a probe asks one host", w.opts.Target, p)
		}
	}
	return nil
}

// route finds out which address of this host the target will see.
func (w *Wire) route() error {
	d := net.Dialer{}
	if w.opts.From.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.opts.From, 0))
	}
	// Connecting a UDP socket sends nothing.
	c, err := d.Dial("udp4", netip.AddrPortFrom(w.opts.Target, w.opts.NamePort).String())
	if err != nil {
		return explained(err, w.opts)
	}
	w.self = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	return c.Close()
}

func (s *service) open(own netip.AddrPort) error {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(own))
	if err != nil {
		return live.Advise("UDP", own, err)
	}
	s.socket, s.own = c, c.LocalAddr().(*net.UDPAddr).AddrPort()
	return nil
}

// explained tells what to do about an address that cannot be sent to or from.
func explained(err error, o Options) error {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("probe: %s is not an address of this host: --from wants one of those that `ip address` lists", o.From)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Errorf("probe: there is no route from this host to %s", o.Target)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("probe: this host does not let anything be sent to %s (a firewall rule, or not one host's address)", o.Target)
	}
	return fmt.Errorf("probe: %w", err)
}

// Close closes the sockets.
func (w *Wire) Close() error {
	var errs []error
	for _, s := range w.services {
		if s.socket != nil {
			errs = append(errs, s.socket.Close())
		}
	}
	return errors.Join(errs...)
}

// Self is the address that the target sees the probe come from.
func (w *Wire) Self() netip.Addr { return w.self }

// Source are the ports that packets come from.
func (w *Wire) Source() probe.Ports {
	return probe.Ports{Name: w.services[probe.NameService].own.Port(), Datagram: w.services[probe.DatagramService].own.Port()}
}

// Frames is the record, in order.
func (w *Wire) Frames() []trace.Frame { return w.frames }

func (w *Wire) now() time.Duration { return time.Since(w.started) }

// The bounds on what a target can make the probe hold: frames on record (all endurance checks together make a third of it),
// and packets that come in one exchange, with which it is over.
const (
	maxFrames  = 1 << 19
	maxPackets = 4096
)

func (w *Wire) record(f trace.Frame) {
	f.At = w.now()
	if len(w.frames) < maxFrames {
		w.frames = append(w.frames, f)
	}
}

// Do carries out an exchange. The error tells that nothing can be sent, or that the context was cancelled.
func (w *Wire) Do(ctx context.Context, x probe.Exchange) (probe.Seen, error) {
	var seen probe.Seen
	var err error
	switch x := x.(type) {
	case probe.Ask:
		seen.Packets, err = w.ask(ctx, x)
	case probe.Flood:
		seen.Flood, err = w.flood(ctx, x)
	case probe.Talk:
		seen.Stream, err = w.talk(ctx, x)
	case probe.Look:
		seen.Host = w.look(ctx, x.Wait)
	case probe.Pause:
		w.pause(ctx, x.For)
	}
	seen.At, seen.Frames = w.now(), len(w.frames)
	return seen, errors.Join(err, context.Cause(ctx))
}

func (w *Wire) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// attempts is how often a packet is put to a network that has no room for it.
const attempts = 20

func (w *Wire) send(s *service, payload []byte) error {
	for try := 0; ; try++ {
		_, err := s.socket.WriteToUDPAddrPort(payload, s.target)
		switch {
		case err == nil:
			w.record(trace.Frame{Kind: trace.UDP, From: s.own, To: netip.AddrPortFrom(s.target.Addr(), s.known), Payload: payload})
			return nil
		case errors.Is(err, syscall.ENOBUFS) && try < attempts:
			time.Sleep(time.Millisecond)
		case errors.Is(err, syscall.ECONNREFUSED): // an ICMP error of an earlier packet; this one was not sent
			if try == attempts {
				return nil
			}
		default:
			return explained(err, w.opts)
		}
	}
}

// maxPacket is more than any UDP payload.
const maxPacket = 64 << 10

// beat is how often a wait looks whether it has been called off.
const beat = 100 * time.Millisecond

// receive returns the next packet that comes before a time, if one does. What others than the target send is left out, unless
// it is an answer.
func (w *Wire) receive(ctx context.Context, s *service, until time.Time, answer func([]byte) bool) (probe.Packet, bool) {
	buffer := make([]byte, maxPacket)
	for ctx.Err() == nil {
		deadline := time.Now().Add(beat)
		if deadline.After(until) {
			deadline = until
		}
		if err := s.socket.SetReadDeadline(deadline); err != nil {
			return probe.Packet{}, false
		}
		n, from, err := s.socket.ReadFromUDPAddrPort(buffer)
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		switch {
		case err == nil:
			b := append([]byte(nil), buffer[:n]...)
			if from.Addr() != w.opts.Target && !answer(b) {
				continue
			}
			recorded := from
			if from.Port() == s.target.Port() {
				recorded = netip.AddrPortFrom(from.Addr(), s.known)
			}
			w.record(trace.Frame{Kind: trace.UDP, From: recorded, To: s.own, Payload: b})
			return probe.Packet{From: from, Bytes: b}, true
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !time.Now().Before(until) {
				return probe.Packet{}, false
			}
		case errors.Is(err, syscall.ECONNREFUSED): // ICMP says that nobody is there; it may be wrong
		default:
			return probe.Packet{}, false
		}
	}
	return probe.Packet{}, false
}

func (w *Wire) ask(ctx context.Context, x probe.Ask) ([]probe.Packet, error) {
	s := &w.services[x.Service]
	var packets []probe.Packet
	answers := 0
	for range x.Tries {
		for _, p := range x.Packets {
			if err := w.send(s, p); err != nil {
				return packets, err
			}
		}
		until := time.Now().Add(x.Wait)
		for {
			p, ok := w.receive(ctx, s, until, x.Answer)
			if !ok {
				break
			}
			packets = append(packets, p)
			if x.Answer(p.Bytes) {
				answers++
			}
			if x.Want > 0 && answers >= x.Want || len(packets) == maxPackets {
				return packets, nil
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return packets, nil
}

// often is how often progress is told of.
const often = 500 * time.Millisecond

func (w *Wire) flood(ctx context.Context, x probe.Flood) (probe.Tally, error) {
	f := flood{Wire: w, Flood: x, service: &w.services[x.Service], told: time.Now()}
	if x.Which == nil {
		return f.paced(ctx)
	}
	return f.windowed(ctx)
}

// flood is one under way.
type flood struct {
	*Wire
	probe.Flood
	service *service
	tally   probe.Tally
	open    []outstanding // in the order of their sending
	told    time.Time
}

// outstanding is a packet without an answer.
type outstanding struct {
	i     int
	tries int
	until time.Time
}

func (f *flood) tell(done int) {
	if f.opts.Progress != nil && time.Since(f.told) >= often {
		f.told = time.Now()
		f.opts.Progress(done, f.Count)
	}
}

// paced sends without waiting for answers.
func (f *flood) paced(ctx context.Context) (probe.Tally, error) {
	const burst = 10
	start := time.Now()
	for i := range f.Count {
		if err := f.send(f.service, f.Packet(i)); err != nil || ctx.Err() != nil {
			return f.tally, err
		}
		if i%burst == burst-1 {
			f.drain(ctx, start.Add(time.Duration(i+1)*time.Second/time.Duration(f.Rate)))
			f.tell(i + 1)
		}
	}
	f.drain(ctx, time.Now().Add(f.Wait/4))
	return f.tally, nil
}

// drain notes what comes until a time.
func (f *flood) drain(ctx context.Context, until time.Time) {
	for {
		p, ok := f.receive(ctx, f.service, until, func([]byte) bool { return false })
		if !ok {
			return
		}
		f.other(p)
	}
}

func (f *flood) other(p probe.Packet) {
	if f.tally.Others++; f.tally.Others == 1 {
		f.tally.Other = p
	}
}

// windowed sends as answers come.
func (f *flood) windowed(ctx context.Context) (probe.Tally, error) {
	answer := func(b []byte) bool {
		i, ok := f.Which(b)
		return ok && i >= 0 && i < f.Count
	}
	for next := 0; (next < f.Count || len(f.open) > 0) && ctx.Err() == nil; {
		for len(f.open) < f.Window && next < f.Count {
			if err := f.put(outstanding{i: next}); err != nil {
				return f.tally, err
			}
			next++
		}
		p, ok := f.receive(ctx, f.service, f.open[0].until, answer)
		switch {
		case ok && answer(p.Bytes):
			f.settle(p)
		case ok:
			f.other(p)
		case !time.Now().Before(f.open[0].until):
			oldest := f.open[0]
			f.open = f.open[1:]
			if oldest.tries < f.Tries {
				if oldest.tries == 1 {
					f.tally.Again++
				}
				if err := f.put(oldest); err != nil {
					return f.tally, err
				}
			}
		}
		f.tell(next - len(f.open))
	}
	return f.tally, nil
}

func (f *flood) put(o outstanding) error {
	o.tries++
	o.until = time.Now().Add(f.Wait)
	f.open = append(f.open, o)
	return f.send(f.service, f.Packet(o.i))
}

// settle takes the packet that an answer is for off the list; one that is on it no more has been answered twice.
func (f *flood) settle(p probe.Packet) {
	i, _ := f.Which(p.Bytes)
	for k, o := range f.open {
		if o.i == i {
			f.open = append(f.open[:k], f.open[k+1:]...)
			f.tally.Answered++
			return
		}
	}
}

// look tries what shows that a host is there, whatever becomes of its NetBIOS stack: its TCP, its ICMP, its ARP.
func (w *Wire) look(ctx context.Context, wait time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	port := netip.AddrPortFrom(w.opts.Target, w.opts.SessionPort)
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(w.self, 0))}
	c, err := d.DialContext(ctx, "tcp4", port.String())
	switch {
	case err == nil:
		_ = c.Close() // it has shown what it had to
		return fmt.Sprintf("it accepts connections on TCP port %d", port.Port())
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("it refuses connections on TCP port %d", port.Port())
	}
	if w.unreachable(wait) {
		return "it answers with ICMP port unreachable"
	}
	if state := neighbour(w.opts.Target, arpPatience); state != "" {
		return state
	}
	return ""
}

// discard is a port that is seldom in use: what comes to it is answered with ICMP by a host that is there.
const discard = 9

func (w *Wire) unreachable(wait time.Duration) bool {
	c, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.self, 0)),
		net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.opts.Target, discard)))
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }() // nothing is lost with it
	if _, err := c.Write([]byte("nbtlab probe")); err != nil {
		return false
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false
	}
	_, err = c.Read(make([]byte, 1))
	return errors.Is(err, syscall.ECONNREFUSED)
}

// arpPatience is how long the kernel needs to find out that a neighbour is gone: five seconds until it asks, and three
// questions.
const arpPatience = 9 * time.Second

func isTimeout(err error) bool {
	var timed net.Error
	return errors.As(err, &timed) && timed.Timeout()
}
