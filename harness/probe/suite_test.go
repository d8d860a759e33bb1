// SPDX-License-Identifier: MIT

package probe_test

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

func TestProbe(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "probe")
}

var (
	box  = netip.MustParsePrefix("10.0.0.10/24")
	self = netip.MustParseAddr("10.0.0.99")
)

// The ports that the probe of these specs sends from: like a program without the right to the well-known ones.
const (
	namePort     = 40137
	datagramPort = 40138
	firstPort    = 40139
)

// network is the virtual LAN with the target of a probe on it, and the probe's own host.
type network struct {
	lan    *sim.LAN
	trace  *trace.Trace
	target int
	host   int
	own    prober
	conns  stack.Conn

	tap    trace.Tap // on the wire, as far as the record has been looked at
	looked int
	tapped int
}

// prober is the probe's host: it notes what comes, and sends what it is told.
type prober struct {
	todo    []stack.Output
	port    uint16 // that is being listened to
	packets []probe.Packet
	stream  probe.Stream
	up      bool
}

func (p *prober) Step(_ time.Duration, in stack.Input, out *stack.Outputs) {
	for _, o := range p.todo {
		out.Add(o)
	}
	p.todo = nil
	switch in := in.(type) {
	case stack.Datagram:
		if in.To.Port() != p.port {
			break // it has sockets of its own for each service
		}
		p.packets = append(p.packets, probe.Packet{From: in.From, Bytes: in.Payload})
	case stack.Opened:
		p.up = true
	case stack.Data:
		p.stream.Bytes = append(p.stream.Bytes, in.Bytes...)
	case stack.Closed:
		p.stream.End = map[stack.CloseReason]probe.End{
			stack.EOF: probe.Closed, stack.Reset: probe.Reset, stack.Refused: probe.Refused, stack.Timeout: probe.Timeout,
		}[in.Reason]
	}
}

// onLAN puts a stack on a LAN, has it add names, and listen on the first of them if it is to.
func onLAN(made stack.Stack, names ...string) *network {
	n := &network{trace: &trace.Trace{Nodes: []trace.Node{{Name: "box", Prefix: box}, {Name: "probe"}}}}
	n.lan = sim.New(sim.Options{Seed: 1, Trace: n.trace, MaxEvents: 1 << 30})
	n.target = n.lan.Attach("box", box.Addr(), func(uint16) stack.Stack { return made })
	n.host = n.lan.Attach("probe", self, func(uint16) stack.Stack { return &n.own })
	for i, text := range names {
		command, group := netbios.AddName, false
		if text, group = cutGroup(text); group {
			command = netbios.AddGroupName
		}
		n.lan.Input(n.target, stack.Call{ID: stack.CallID(i + 1), NCB: netbios.NCB{Command: command, Name: name(text)}})
	}
	n.lan.RunUntil(10 * time.Second)
	return n
}

func cutGroup(text string) (string, bool) {
	if text[0] == '@' {
		return text[1:], true
	}
	return text, false
}

func name(text string) netbios.Name {
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// listen has the target wait for sessions on a name.
func (n *network) listen(text string, times int) {
	for i := range times {
		n.lan.Input(n.target, stack.Call{ID: stack.CallID(100 + i), NCB: netbios.NCB{
			Command: netbios.Listen, Name: name(text), CallName: netbios.Wildcard,
		}})
	}
}

// model is one of our nodes on the target's address.
func model(cfg node.Config) stack.Stack {
	cfg.Prefix = box
	cfg.Profile = node.RFC1002
	return node.New(cfg)
}

// do carries out an exchange in virtual time.
func (n *network) do(x probe.Exchange) probe.Seen {
	n.own = prober{port: namePort}
	var tally probe.Tally
	switch x := x.(type) {
	case probe.Ask:
		if x.Service == probe.DatagramService {
			n.own.port = datagramPort
		}
		for range x.Tries {
			for _, p := range x.Packets {
				n.send(x.Service, p)
			}
			if n.until(x.Wait, func() bool { return x.Want > 0 && n.count(x.Answer) >= x.Want }) {
				break
			}
		}
	case probe.Flood:
		if x.Service == probe.DatagramService {
			n.own.port = datagramPort
		}
		answered := map[int]bool{}
		for i := range x.Count {
			n.send(x.Service, x.Packet(i))
			n.until(time.Millisecond, func() bool { return x.Which != nil && len(n.own.packets) > 0 })
			for _, p := range n.own.packets {
				if x.Which == nil {
					tally.Others++
					tally.Other = p
				} else if k, ok := x.Which(p.Bytes); ok {
					answered[k] = true
				}
			}
			n.own.packets = nil
		}
		tally.Answered = len(answered)
	case probe.Talk:
		failed := 0
		for range max(1, x.Times) {
			n.talk(x)
			if n.own.stream.End >= probe.Refused {
				failed++
			}
		}
		n.own.stream.Refused = failed
	case probe.Look:
		return probe.Seen{At: n.lan.Now(), Host: "the simulator says so", Frames: n.frames()}
	case probe.Pause:
		n.lan.RunUntil(n.lan.Now() + x.For)
	}
	return probe.Seen{At: n.lan.Now(), Packets: n.own.packets, Flood: tally, Stream: n.own.stream, Frames: n.frames()}
}

func (n *network) talk(x probe.Talk) {
	n.own = prober{}
	n.conns++
	n.act(stack.Open{Conn: n.conns, To: netip.AddrPortFrom(box.Addr(), stack.SessionPort)})
	n.until(x.Wait, func() bool { return n.own.up || n.own.stream.End != probe.Open })
	if !n.own.up {
		return
	}
	for i, b := range x.Writes {
		if i > 0 {
			n.lan.RunUntil(n.lan.Now() + x.Gap)
		}
		n.act(stack.SendData{Conn: n.conns, Bytes: b})
	}
	n.until(x.Wait, func() bool {
		return n.own.stream.End != probe.Open || x.Messages > 0 && len(n.own.stream.Bytes) >= 4
	})
	end := n.own.stream.End
	n.act(stack.Close{Conn: n.conns})
	n.lan.RunUntil(n.lan.Now() + 10*time.Millisecond)
	n.own.stream.End = end
}

func (n *network) act(o stack.Output) {
	n.own.todo = append(n.own.todo, o)
	n.lan.Input(n.host, stack.Timer{})
}

func (n *network) send(s probe.Service, payload []byte) {
	from, to := uint16(namePort), uint16(stack.NamePort)
	if s == probe.DatagramService {
		from, to = datagramPort, stack.DatagramPort
	}
	n.act(stack.SendDatagram{From: netip.AddrPortFrom(self, from), To: netip.AddrPortFrom(box.Addr(), to), Payload: payload})
}

// until lets time pass until something is so, and reports whether it is.
func (n *network) until(wait time.Duration, enough func() bool) bool {
	end := n.lan.Now() + wait
	for n.lan.Now() < end {
		n.lan.RunUntil(min(end, n.lan.Now()+200*time.Microsecond))
		if enough() {
			return true
		}
	}
	return false
}

func (n *network) count(answer func([]byte) bool) int {
	c := 0
	for _, p := range n.own.packets {
		if answer(p.Bytes) {
			c++
		}
	}
	return c
}

// frames counts what has been on the wire by now.
func (n *network) frames() int {
	for ; n.looked < len(n.trace.Events); n.looked++ {
		e := &n.trace.Events[n.looked]
		n.tapped += len(n.tap.See(e, n.trace.Event(e.Cause)))
	}
	return n.tapped
}

// probed makes all the checks, or those that the options choose.
func (n *network) probed(o probe.Options) probe.Report {
	GinkgoHelper()
	o.Target, o.Self, o.Source = box.Addr(), self, probe.Ports{Name: namePort, Datagram: datagramPort}
	if o.Count == 0 {
		o.Count = 300
	}
	o.FirstID = 0xfff0 // so that identifiers come round
	m, err := probe.New(o)
	Expect(err).NotTo(HaveOccurred())
	for x, more := m.Next(); more; x, more = m.Next() {
		m.Saw(n.do(x))
	}
	return m.Report()
}

// of returns the result of a check.
func of(r probe.Report, id string) probe.Result {
	GinkgoHelper()
	for _, x := range r.Results {
		if x.ID == id {
			return x
		}
	}
	Fail("no check " + id)
	return probe.Result{}
}

// verdicts lists the checks that came to a verdict.
func verdicts(r probe.Report, v probe.Verdict) []string {
	var list []string
	for _, x := range r.Results {
		if x.Verdict == v {
			list = append(list, x.ID)
		}
	}
	return list
}
