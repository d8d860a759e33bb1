// SPDX-License-Identifier: MIT

package live_test

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

func service(at netip.Prefix, port uint16) netip.AddrPort { return netip.AddrPortFrom(at.Addr(), port) }

var _ = Describe("A stack on real sockets", func() {
	It("registers a name, answers for it to strangers, and refuses it to its neighbour", func() {
		lan := live.New(live.Options{Ports: ports})
		one, two := attach(lan, host(1)), attach(lan, host(2))
		run(lan)
		Expect(do(lan, one, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")}).Code).To(Equal(netbios.GOODRET))
		c := client(host(9))
		answer := exchange(c, service(host(1), ports.Name), nbt.Query(7, name("CHAT")))
		Expect(answer.Kind()).To(Equal(nbt.KindPositiveQuery))
		_, owner := answer.Owner()
		Expect(owner).To(Equal(host(1).Addr()))
		Expect(do(lan, two, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")}).Code).To(Equal(netbios.INUSE))
		Expect(lan.Counters().Own).To(BeNumerically(">=", 4), "own broadcasts loop back")
	})

	It("carries a session: call, data both ways, hang up", func() {
		lan := live.New(live.Options{Ports: ports})
		one, two := attach(lan, host(1)), attach(lan, host(2))
		run(lan)
		do(lan, one, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")})
		do(lan, two, netbios.NCB{Command: netbios.AddName, Name: name("FRIEND")})
		listened := make(chan stack.Complete, 1)
		_, err := lan.Submit(one, netbios.NCB{Command: netbios.Listen, Name: name("CHAT"), CallName: netbios.Wildcard},
			func(c stack.Complete) { listened <- c })
		Expect(err).NotTo(HaveOccurred())
		called := do(lan, two, netbios.NCB{Command: netbios.Call, Name: name("FRIEND"), CallName: name("CHAT")})
		Expect(called.Code).To(Equal(netbios.GOODRET))
		door := <-listened
		Expect(door.Code).To(Equal(netbios.GOODRET))
		big := make([]byte, 60000)
		for i := range big {
			big[i] = byte(i)
		}
		Expect(do(lan, two, netbios.NCB{Command: netbios.Send, LSN: called.LSN, Data: big}).Code).To(Equal(netbios.GOODRET))
		got := do(lan, one, netbios.NCB{Command: netbios.Receive, LSN: door.LSN, Length: 65535})
		Expect(got.Data).To(Equal(big))
		Expect(do(lan, one, netbios.NCB{Command: netbios.HangUp, LSN: door.LSN}).Code).To(Equal(netbios.GOODRET))
		ended := do(lan, two, netbios.NCB{Command: netbios.Receive, LSN: called.LSN, Length: 100})
		Expect(ended.Code).To(Or(Equal(netbios.SCLOSED), Equal(netbios.SNUMOUT)))
	})

	It("releases its names when it stops, and refuses connections then, until it is restarted", func() {
		lan := live.New(live.Options{Ports: ports})
		one := attach(lan, host(1))
		run(lan)
		do(lan, one, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")})
		listener := heard(host(3))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		Expect(lan.Stop(ctx, one)).To(Succeed())
		Expect(lan.Stop(ctx, one)).To(Succeed(), "stopping twice is no worse than once")
		Eventually(listener).WithTimeout(5 * time.Second).Should(Receive(Equal(nbt.KindRelease)))
		_, err := net.DialTimeout("tcp4", service(host(1), ports.Session).String(), time.Second)
		Expect(err).To(MatchError(ContainSubstring("refused")))
		Expect(lan.Restart(one)).To(Succeed())
		Expect(do(lan, one, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")}).Code).To(Equal(netbios.GOODRET))
	})

	It("says what to do about an address that is not this host's, and a port that is taken and by whom (bad-input 33)", func() {
		lan := live.New(live.Options{Ports: ports})
		DeferCleanup(lan.Close)
		boot := func(uint16) stack.Stack { return nil }
		_, err := lan.Attach("node", netip.MustParsePrefix("203.0.113.1/24"), boot)
		Expect(err).To(MatchError(And(ContainSubstring("203.0.113.1 is not an address of this host"), ContainSubstring("ip addr add"))))
		Expect(live.OtherNetwork(netip.MustParsePrefix("10.99.0.1/16"))).To(MatchError(And(
			HavePrefix("10.99.0.1/16 has the broadcast address 10.99.255.255, which is not this host's ("), ContainSubstring("leave the length out"))))
		taken, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(service(host(4), ports.Name)))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(taken.Close)
		_, err = lan.Attach("node", host(4), boot)
		Expect(err).To(MatchError(And(ContainSubstring(fmt.Sprintf("UDP port %d of", ports.Name)), ContainSubstring("is taken by"))))
		if runtime.GOOS == "linux" {
			comm, err := os.ReadFile("/proc/self/comm")
			Expect(err).NotTo(HaveOccurred())
			_, err = lan.Attach("node", host(4), boot)
			Expect(err).To(MatchError(ContainSubstring(string(comm[:len(comm)-1]) + " (process ")))
		}
	})

	It("reports a stack that panics as one that crashed", func() {
		lan := live.New(live.Options{Ports: ports})
		_, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return broken{} })
		Expect(err).NotTo(HaveOccurred())
		ended := make(chan error, 1)
		go func() { ended <- lan.Run(context.Background()) }()
		DeferCleanup(lan.Close)
		_, err = client(host(9)).WriteToUDPAddrPort([]byte("x"), service(host(1), ports.Name))
		Expect(err).NotTo(HaveOccurred())
		Eventually(ended).WithTimeout(5 * time.Second).Should(Receive(MatchError(HavePrefix("the stack crashed: out of order"))))
	})

	It("rings timers at the time they were armed for, in order", func() {
		lan := live.New(live.Options{Ports: ports})
		rung := &ringer{done: make(chan struct{})}
		_, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return rung })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		_, err = lan.Submit(0, netbios.NCB{}, func(stack.Complete) {})
		Expect(err).NotTo(HaveOccurred())
		Eventually(rung.done).WithTimeout(5 * time.Second).Should(BeClosed())
		Expect(rung.at).To(HaveLen(10))
		for i := 1; i < len(rung.at); i++ {
			Expect(rung.at[i] - rung.at[i-1]).To(Equal(time.Millisecond))
		}
	})
})

var _ = Describe("A broadcast to 255.255.255.255", func() {
	everybody := netip.AddrPortFrom(stack.LimitedBroadcast, ports.Name)

	It("is answered by whose name it asks for, like any other broadcast", func() {
		lan := live.New(live.Options{Ports: ports})
		one, two := attach(lan, host(1)), attach(lan, host(2))
		run(lan)
		do(lan, one, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")})
		do(lan, two, netbios.NCB{Command: netbios.AddName, Name: name("OTHER")})
		query := nbt.Query(7, name("CHAT"))
		query.Flags |= nbt.FlagB
		answer := exchange(client(host(9)), everybody, query)
		Expect(answer.Kind()).To(Equal(nbt.KindPositiveQuery))
		_, owner := answer.Owner()
		Expect(owner).To(Equal(host(1).Addr()))
		claim := nbt.Claim(8, name("CHAT"), 0, host(9).Addr())
		refusal := exchange(client(host(9)), everybody, claim)
		Expect(refusal.Kind()).To(Equal(nbt.KindNegativeRegistration))
	})

	It("is heard by every stack with its true destination, in both services, and recorded once", func() {
		record := &trace.Trace{}
		lan := live.New(live.Options{Ports: ports, Recorder: record})
		seen := make(chan stack.Datagram, 100)
		for n := range byte(2) {
			_, err := lan.Attach("node", host(1+n), func(uint16) stack.Stack { return taker{seen} })
			Expect(err).NotTo(HaveOccurred())
		}
		c := client(host(9))
		from := netip.AddrPortFrom(host(9).Addr(), c.LocalAddr().(*net.UDPAddr).AddrPort().Port())
		services := map[uint16]uint16{ports.Name: stack.NamePort, ports.Datagram: stack.DatagramPort}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- lan.Run(ctx) }()
		for port, service := range services {
			to := netip.AddrPortFrom(stack.LimitedBroadcast, service)
			_, err := c.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(stack.LimitedBroadcast, port))
			Expect(err).NotTo(HaveOccurred())
			for range 2 {
				Eventually(seen).WithTimeout(5 * time.Second).Should(Receive(Equal(
					stack.Datagram{From: from, To: to, Broadcast: true, Payload: []byte("x")})))
			}
		}
		cancel()
		Expect(<-ended).To(Succeed())
		lan.Close()
		frames := trace.Wire(record)
		Expect(frames).To(HaveLen(2))
		for _, f := range frames {
			Expect(f.Broadcast).To(BeTrue())
			Expect(f.To.Addr()).To(Equal(stack.LimitedBroadcast))
		}
	})

	It("is not heard from another network that this host is on, and is counted", func() {
		lan := live.New(live.Options{Ports: ports})
		seen := make(chan stack.Datagram, 100)
		here := netip.PrefixFrom(host(1).Addr(), 24)
		_, err := lan.Attach("node", here, func(uint16) stack.Stack { return taker{seen} })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		_, err = client(netip.MustParsePrefix("127.78.0.9/24")).WriteToUDPAddrPort([]byte("from elsewhere"), everybody)
		Expect(err).NotTo(HaveOccurred())
		_, err = client(host(9)).WriteToUDPAddrPort([]byte("from here"), everybody)
		Expect(err).NotTo(HaveOccurred())
		Eventually(seen).WithTimeout(5 * time.Second).Should(Receive(HaveField("Payload", BeEquivalentTo("from here"))))
		Expect(lan.Counters().Elsewhere).To(BeEquivalentTo(1))
	})

	It("of a stack's own is heard by its neighbour and not by itself", func() {
		lan := live.New(live.Options{Ports: ports})
		seen := make(chan stack.Datagram, 100)
		one, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return crier{taker{seen}} })
		Expect(err).NotTo(HaveOccurred())
		_, err = lan.Attach("node", host(2), func(uint16) stack.Stack { return taker{seen} })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		do(lan, one, netbios.NCB{})
		Eventually(seen).WithTimeout(5 * time.Second).Should(Receive(HaveField("From", service(host(1), stack.NamePort))))
		Eventually(lan.Counters).WithTimeout(5 * time.Second).Should(HaveField("Own", BeEquivalentTo(1)))
		Expect(seen).To(BeEmpty())
	})
})

// taker tells of the datagrams that it is given.
type taker struct{ seen chan<- stack.Datagram }

func (t taker) Step(_ time.Duration, in stack.Input, _ *stack.Outputs) {
	if d, ok := in.(stack.Datagram); ok {
		t.seen <- d
	}
}

// crier broadcasts to 255.255.255.255 when it is called.
type crier struct{ taker }

func (c crier) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	call, ok := in.(stack.Call)
	if !ok {
		c.taker.Step(at, in, out)
		return
	}
	out.Add(stack.SendDatagram{
		From: service(host(1), stack.NamePort), To: netip.AddrPortFrom(stack.LimitedBroadcast, stack.NamePort), Broadcast: true, Payload: []byte("x"),
	})
	out.Add(stack.Complete{ID: call.ID})
}

var _ = Describe("A stack on real sockets that asks for an odd time (bad-input 30)", func() {
	It("is told at once of what is past, and never of what never comes, while time goes on", func() {
		lan := live.New(live.Options{Ports: ports})
		s := &untimely{rung: make(chan stack.TimerID, 100), times: make(chan time.Duration, 100)}
		index, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return s })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		do(lan, index, netbios.NCB{})
		for _, id := range []stack.TimerID{present, begin, past, pastAll} {
			Eventually(s.rung).WithTimeout(5*time.Second).Should(Receive(Equal(id)), "in the order in which they were asked for")
		}
		last := time.Duration(0)
		for range 5 { // the call, and what rang
			at := <-s.times
			Expect(at).To(BeNumerically(">=", last))
			last = at
		}
		do(lan, index, netbios.NCB{})
		for range 4 {
			Eventually(s.rung).WithTimeout(5 * time.Second).Should(Receive(BeNumerically("<", never)))
		}
		Expect(s.rung).To(BeEmpty())
	})

	DescribeTable("crashes for a timer that there cannot be", func(id stack.TimerID) {
		lan := live.New(live.Options{Ports: ports})
		_, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return armed(id) })
		Expect(err).NotTo(HaveOccurred())
		ended := make(chan error, 1)
		go func() { ended <- lan.Run(context.Background()) }()
		DeferCleanup(lan.Close)
		_, err = lan.Submit(0, netbios.NCB{}, func(stack.Complete) {})
		Expect(err).NotTo(HaveOccurred())
		Eventually(ended).WithTimeout(5 * time.Second).Should(Receive(MatchError(ContainSubstring("it armed timer %d: identifiers are 1 to", id))))
	},
		Entry("none", stack.TimerID(0)), Entry("beyond all", stack.TimerID(1<<32-1)),
	)
})

// The timers of an untimely stack.
const (
	never stack.TimerID = 10 - iota
	present
	begin
	past
	pastAll
)

// untimely arms timers for times that a clock never shows, or shows no more.
type untimely struct {
	rung  chan stack.TimerID
	times chan time.Duration
}

func (u *untimely) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	u.times <- at
	switch in := in.(type) {
	case stack.Call:
		out.Add(stack.Arm{ID: never, At: 1<<63 - 1})
		out.Add(stack.Arm{ID: present, At: at})
		out.Add(stack.Arm{ID: begin, At: 0})
		out.Add(stack.Arm{ID: past, At: -1})
		out.Add(stack.Arm{ID: pastAll, At: -1 << 63})
		out.Add(stack.Complete{ID: in.ID})
	case stack.Timer:
		u.rung <- in.ID
	}
}

// armed arms a timer whenever it is stepped.
type armed stack.TimerID

func (a armed) Step(_ time.Duration, _ stack.Input, out *stack.Outputs) {
	out.Add(stack.Arm{ID: stack.TimerID(a), At: 0})
}

// held is a stack that is busy with a call until the channel is closed.
type held chan struct{}

func (h held) Step(_ time.Duration, in stack.Input, out *stack.Outputs) {
	if call, ok := in.(stack.Call); ok {
		<-h
		out.Add(stack.Complete{ID: call.ID})
	}
}

var _ = Describe("The order of what arrives", func() {
	It("is kept where one datagram is on its way from the queue as the next one is read", func() {
		lan := live.New(live.Options{Ports: ports})
		seen := make(chan byte, 256)
		_, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return first{seen} })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		for i := range 100 {
			live.Overtake(lan, []byte{byte(2 * i)}, []byte{byte(2*i + 1)})
			for _, want := range []int{2 * i, 2*i + 1} {
				Eventually(seen).WithTimeout(5 * time.Second).Should(Receive(BeEquivalentTo(want)))
			}
		}
	})

	It("is kept in bursts, on the way in and on the way out", func() {
		lan := live.New(live.Options{Ports: ports})
		_, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return echo{} })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		c := client(host(9))
		Expect(c.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
		buf := make([]byte, 10)
		for round := range 50 {
			for i := range 20 {
				_, err := c.WriteToUDPAddrPort([]byte{byte(round), byte(i)}, service(host(1), ports.Name))
				Expect(err).NotTo(HaveOccurred())
			}
			for i := range 20 {
				n, _, err := c.ReadFromUDPAddrPort(buf)
				Expect(err).NotTo(HaveOccurred())
				Expect(buf[:n]).To(Equal([]byte{byte(round), byte(i)}))
			}
		}
	})
})

var _ = Describe("A datagram that the system does not take", func() {
	It("is counted, and takes none of those that were sent with it (bad-input 33)", func() {
		lan := live.New(live.Options{Ports: ports})
		_, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return stumbler{} })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		c := client(host(9))
		_, err = c.WriteToUDPAddrPort([]byte("?"), service(host(1), ports.Name))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
		buf := make([]byte, 10)
		for _, want := range []string{"one", "two", "three"} {
			n, _, err := c.ReadFromUDPAddrPort(buf)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(buf[:n])).To(Equal(want))
		}
		Eventually(lan.Counters).WithTimeout(5 * time.Second).Should(And(
			HaveField("Sent", BeEquivalentTo(3)), HaveField("BytesSent", BeEquivalentTo(11)), HaveField("SendErrors", BeEquivalentTo(4))))
	})
})

var _ = Describe("A storm of errors on reading", func() {
	It("is counted and waited out, longer each time, and what comes after it is answered (bad-input 33)", func() {
		lan := live.New(live.Options{Ports: ports})
		_, err := lan.Attach("node", host(1), func(uint16) stack.Stack { return echo{} })
		Expect(err).NotTo(HaveOccurred())
		run(lan)
		c := client(host(9))
		began := time.Now()
		live.Storm(lan, syscall.ENOBUFS, 7, c.LocalAddr().(*net.UDPAddr).AddrPort(), []byte("good"))
		Expect(c.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
		buf := make([]byte, 10)
		n, _, err := c.ReadFromUDPAddrPort(buf)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(buf[:n])).To(Equal("good"))
		// 1, 2, 4 ... 64 ms; a wait may take longer, never less.
		Expect(time.Since(began)).To(BeNumerically(">=", 127*time.Millisecond))
		Expect(lan.Counters().ReceiveErrors).To(BeEquivalentTo(7))
	})
})

// stumbler answers with three datagrams among some that cannot be sent: too long, to no port, to no address.
type stumbler struct{}

func (stumbler) Step(_ time.Duration, in stack.Input, out *stack.Outputs) {
	d, ok := in.(stack.Datagram)
	if !ok {
		return
	}
	nowhere := netip.AddrPortFrom(d.From.Addr(), 0)
	out.Add(stack.SendDatagram{From: d.To, To: d.From, Payload: make([]byte, 1<<16)})
	out.Add(stack.SendDatagram{From: d.To, To: d.From, Payload: []byte("one")})
	out.Add(stack.SendDatagram{From: d.To, To: nowhere, Payload: []byte("lost")})
	out.Add(stack.SendDatagram{From: d.To, Payload: []byte("lost")})
	out.Add(stack.SendDatagram{From: d.To, To: d.From, Payload: []byte("two")})
	out.Add(stack.SendDatagram{From: d.To, To: d.From, Payload: []byte("three")})
	out.Add(stack.SendDatagram{From: d.To, To: d.From, Payload: make([]byte, 1<<16)})
}

// first tells of the first byte of every datagram.
type first struct{ seen chan<- byte }

func (f first) Step(_ time.Duration, in stack.Input, _ *stack.Outputs) {
	if d, ok := in.(stack.Datagram); ok {
		f.seen <- d.Payload[0]
	}
}

// echo sends every datagram back.
type echo struct{}

func (echo) Step(_ time.Duration, in stack.Input, out *stack.Outputs) {
	if d, ok := in.(stack.Datagram); ok {
		out.Add(stack.SendDatagram{From: d.To, To: d.From, Payload: d.Payload})
	}
}

type broken struct{}

func (broken) Step(time.Duration, stack.Input, *stack.Outputs) { panic("out of order") }

// ringer arms ten timers a millisecond apart.
type ringer struct {
	at   []time.Duration
	done chan struct{}
}

func (r *ringer) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	switch in.(type) {
	case stack.Call:
		for i := 10; i >= 1; i-- {
			out.Add(stack.Arm{ID: stack.TimerID(i), At: at + time.Duration(i)*time.Millisecond})
		}
		out.Add(stack.Arm{ID: 11, At: at + time.Millisecond})
		out.Add(stack.Disarm{ID: 11})
	case stack.Timer:
		if r.at = append(r.at, at); len(r.at) == 10 {
			close(r.done)
		}
	}
}

// heard listens to the broadcasts of the name service, like any node, and tells of their kinds.
func heard(at netip.Prefix) <-chan nbt.NameKind {
	GinkgoHelper()
	kinds := make(chan nbt.NameKind, 100)
	lan := live.New(live.Options{Ports: ports})
	_, err := lan.Attach("listener", at, func(uint16) stack.Stack { return listener{kinds} })
	Expect(err).NotTo(HaveOccurred())
	run(lan)
	return kinds
}

type listener struct{ kinds chan<- nbt.NameKind }

func (l listener) Step(_ time.Duration, in stack.Input, _ *stack.Outputs) {
	if d, ok := in.(stack.Datagram); ok && d.Broadcast {
		if m, err := nbt.ParseNameMessage(d.Payload); err == nil {
			l.kinds <- m.Kind()
		}
	}
}

var _ = Describe("What strangers do to a stack on real sockets", func() {
	var lan *live.LAN
	var c *net.UDPConn

	BeforeEach(func() {
		lan = live.New(live.Options{Ports: ports})
		index := attach(lan, host(1))
		run(lan)
		do(lan, index, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")})
		c = client(host(9))
	})

	stillAnswers := func() {
		GinkgoHelper()
		answer := exchange(c, service(host(1), ports.Name), nbt.Query(9, name("CHAT")))
		Expect(answer.Kind()).To(Equal(nbt.KindPositiveQuery))
	}

	It("survives empty packets on 137 and 138 (bad-input 21)", func() {
		for range 10 {
			for _, port := range []uint16{ports.Name, ports.Datagram} {
				_, err := c.WriteToUDPAddrPort(nil, service(host(1), port))
				Expect(err).NotTo(HaveOccurred())
			}
		}
		stillAnswers()
	})

	It("drops what is too long and counts it", func() {
		_, err := c.WriteToUDPAddrPort(make([]byte, 5000), service(host(1), ports.Name))
		Expect(err).NotTo(HaveOccurred())
		stillAnswers()
		Expect(lan.Counters().TooLong).To(BeEquivalentTo(1))
	})

	It("answers after a flood of random packets, and has counted what it dropped (bad-input 22)", func() {
		random := rand.New(rand.NewSource(GinkgoRandomSeed()))
		payload := make([]byte, 300)
		for range 20000 {
			n, _ := random.Read(payload[:random.Intn(len(payload))])
			for _, port := range []uint16{ports.Name, ports.Datagram} {
				_, err := c.WriteToUDPAddrPort(payload[:n], service(host(1), port))
				Expect(err).NotTo(HaveOccurred())
			}
		}
		stillAnswers()
		counted := lan.Counters()
		GinkgoWriter.Printf("%+v\n", counted)
		Expect(counted.Remarks+counted.QueueFull).To(BeNumerically(">", counted.Received*9/10), "next to nothing of it is a message")
	})

	It("keeps no more than there is room for while its stack is busy, and counts the rest (bad-input 22)", func() {
		busy := live.New(live.Options{Ports: ports})
		released := make(held)
		index, err := busy.Attach("node", host(2), func(uint16) stack.Stack { return released })
		Expect(err).NotTo(HaveOccurred())
		run(busy)
		release := sync.OnceFunc(func() { close(released) })
		DeferCleanup(release)
		_, err = busy.Submit(index, netbios.NCB{}, func(stack.Complete) {})
		Expect(err).NotTo(HaveOccurred())
		for range 300 {
			_, err := c.WriteToUDPAddrPort([]byte("x"), service(host(2), ports.Name))
			Expect(err).NotTo(HaveOccurred())
		}
		Eventually(func() uint64 { return busy.Counters().QueueFull }).WithTimeout(5 * time.Second).Should(BeEquivalentTo(300 - 256))
		Expect(busy.Counters().Received).To(BeEquivalentTo(300))
		release()
		do(busy, index, netbios.NCB{})
	})

	It("is interrupted by the end of its context when a script has it wait for nothing", func() {
		lan := live.New(live.Options{Ports: ports})
		DeferCleanup(lan.Close)
		index := attach(lan, host(92))
		ctx, interrupt := context.WithCancel(context.Background())
		script := &hasty{node: index, at: host(92).Addr(), third: interrupt}
		lan.Perform(ctx, script)
		Expect(script.sent).To(Equal(3))
	})

	It("connects from one port after the other, and from none that is taken or was in use a moment ago", func() {
		lan := live.New(live.Options{Ports: ports})
		DeferCleanup(lan.Close)
		at := host(91).Addr()
		first, err := live.PortBehind(lan, netip.AddrPortFrom(at, 41000))
		Expect(err).NotTo(HaveOccurred())
		next, err := live.PortBehind(lan, first)
		Expect(err).NotTo(HaveOccurred())
		Expect(next.Port() - first.Port()).To(BeNumerically(">", 0))
		taken, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(next))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(taken.Close)
		Expect(live.PortBehind(lan, first)).NotTo(Equal(next))

		// Who ends a connection first keeps its port for some time.
		client, err := net.DialTCP("tcp4", net.TCPAddrFromAddrPort(first), net.TCPAddrFromAddrPort(next))
		Expect(err).NotTo(HaveOccurred())
		server, err := taken.Accept()
		Expect(err).NotTo(HaveOccurred())
		Expect(client.Close()).To(Succeed())
		_, err = server.Read(make([]byte, 1))
		Expect(err).To(MatchError(io.EOF))
		Expect(server.Close()).To(Succeed())
		Expect(live.PortBehind(lan, netip.AddrPortFrom(at, first.Port()-1))).NotTo(Equal(first))
		beyond, err := live.PortBehind(lan, netip.AddrPortFrom(at, 65535))
		Expect(err).NotTo(HaveOccurred())
		Expect(beyond.Port()).To(BeNumerically(">=", 32768))
	})

	It("serves others while connections send nothing, a byte, or a reset (bad-input 28)", func() {
		var idle []net.Conn
		DeferCleanup(func() {
			for _, x := range idle {
				_ = x.Close()
			}
		})
		for i := range 600 {
			x, err := net.DialTimeout("tcp4", service(host(1), ports.Session).String(), time.Second)
			if err != nil { // there are too many already
				Expect(err).To(MatchError(syscall.ECONNRESET))
				continue
			}
			idle = append(idle, x)
			switch i % 4 {
			case 1:
				_, _ = x.Write([]byte{0x81})
			case 2:
				_ = x.(*net.TCPConn).CloseWrite()
			case 3:
				_ = x.(*net.TCPConn).SetLinger(0)
				_ = x.Close()
			}
		}
		stillAnswers()
		Expect(lan.Counters().Accepted).To(BeNumerically(">", 64))
	})

	It("serves others while those whom it has refused keep their connections open (bad-input 28)", func() {
		var kept []net.Conn
		DeferCleanup(func() {
			for _, x := range kept {
				_ = x.Close()
			}
		})
		call := func(called string) []byte {
			GinkgoHelper()
			x, err := net.DialTimeout("tcp4", service(host(1), ports.Session).String(), time.Second)
			Expect(err).NotTo(HaveOccurred())
			kept = append(kept, x)
			_, err = x.Write(encoded(nbt.SessionRequest(name(called), name("ME"))))
			Expect(err).NotTo(HaveOccurred())
			Expect(x.SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
			answer := make([]byte, 100)
			n, err := x.Read(answer)
			Expect(err).NotTo(HaveOccurred(), "connection %d", len(kept))
			return answer[:n]
		}
		for range 600 {
			Expect(call("NOSUCH")).To(Equal([]byte{0x83, 0, 0, 1, nbt.SsnNotPresent}))
		}
		_, err := lan.Submit(0, netbios.NCB{Command: netbios.Listen, Name: name("CHAT"), CallName: netbios.Wildcard}, func(stack.Complete) {})
		Expect(err).NotTo(HaveOccurred())
		Expect(call("CHAT")).To(Equal([]byte{0x82, 0, 0, 0}))
		Expect(lan.Counters().StreamsRefused).To(BeZero())
		Expect(kept[0].SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
		_, err = kept[0].Read(make([]byte, 1))
		Expect(err).To(MatchError(io.EOF), "the end of our side came before the end of all")
	})

	It("cuts off a peer that sends and never reads, and leaves no goroutine of any connection behind", func() {
		before := runtime.NumGoroutine()
		for range 20 {
			x, err := net.DialTimeout("tcp4", service(host(1), ports.Session).String(), time.Second)
			Expect(err).NotTo(HaveOccurred())
			_, err = x.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
			Expect(err).NotTo(HaveOccurred())
			Expect(x.SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
			_, err = x.Read(make([]byte, 100))
			Expect(err).To(HaveOccurred(), "what is no session request ends the connection")
			Expect(os.IsTimeout(err)).To(BeFalse())
			Expect(x.Close()).To(Succeed())
		}
		Eventually(runtime.NumGoroutine).WithTimeout(5 * time.Second).Should(BeNumerically("<=", before))
	})
})

var _ = Describe("A tape", func() {
	It("records what passed as it passed, for Wireshark and for us", func() {
		path := filepath.Join(GinkgoT().TempDir(), "tape.pcap")
		tape, err := live.NewTape(path)
		Expect(err).NotTo(HaveOccurred())
		lan := live.New(live.Options{Ports: ports, Recorder: tape})
		index := attach(lan, host(1))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- lan.Run(ctx) }()
		do(lan, index, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")})
		exchange(client(host(9)), service(host(1), ports.Name), nbt.Query(7, name("CHAT")))
		x, err := net.Dial("tcp4", service(host(1), ports.Session).String())
		Expect(err).NotTo(HaveOccurred())
		_, err = x.Write(encoded(nbt.SessionRequest(name("NOSUCH"), name("ME"))))
		Expect(err).NotTo(HaveOccurred())
		_, _ = x.Read(make([]byte, 100))
		Expect(x.Close()).To(Succeed())
		do(lan, index, netbios.NCB{Command: netbios.Call, Name: name("CHAT"), CallName: name("CHAT")})
		Eventually(func() int { // the stack hears of the stranger's end when it gets there
			c, err := capture.ReadFile(path)
			if err != nil {
				return 0 // as far as it has been written it may not even have a header
			}
			ends := 0
			for _, f := range c.Frames {
				if f.Kind == trace.Fin {
					ends++
				}
			}
			return ends
		}).WithTimeout(10 * time.Second).Should(Equal(2))
		cancel()
		Expect(<-ended).To(Succeed())
		lan.Close()
		Expect(tape.Close()).To(Succeed())

		c, err := capture.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Cut).To(BeNil())
		Expect(c.Skipped).To(BeEmpty())
		Expect(c.Base).To(BeTemporally("~", time.Now(), time.Minute), "a recording of today has today's date")
		var kinds []trace.FrameKind
		for _, f := range c.Frames {
			Expect(f.Odd).To(BeEmpty())
			if f.Kind != trace.UDP || len(kinds) == 0 || kinds[len(kinds)-1] != trace.UDP {
				kinds = append(kinds, f.Kind)
			}
		}
		Expect(kinds).To(HaveExactElements(trace.UDP, trace.Connect, trace.Message, trace.Message, trace.Fin, trace.Fin))
	})

	It("says so when it cannot be written", func() {
		_, err := live.NewTape(filepath.Join(GinkgoT().TempDir(), "no", "such"))
		Expect(err).To(MatchError(ContainSubstring("cannot write")))
		_, err = live.NewTape("/dev/null")
		Expect(err).To(MatchError(ContainSubstring("it is a device")))
	})
})

var _ = Describe("A bystander that has a name", func() {
	It("is told of, in no record, and neither our own nodes nor a group are taken for one", func() {
		stranger := live.New(live.Options{Ports: ports})
		other := attach(stranger, host(5))
		run(stranger)
		Expect(do(stranger, other, netbios.NCB{Command: netbios.AddName, Name: name("CHAT<20>")}).Code).To(Equal(netbios.GOODRET))
		Expect(do(stranger, other, netbios.NCB{Command: netbios.AddGroupName, Name: name("TEAM<1e>")}).Code).To(Equal(netbios.GOODRET))
		var record trace.Trace
		lan := live.New(live.Options{Ports: ports, Recorder: &record})
		DeferCleanup(lan.Close)
		attach(lan, host(1))
		ours := attach(lan, host(2))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- lan.Run(ctx) }()
		Expect(do(lan, ours, netbios.NCB{Command: netbios.AddName, Name: name("MAIL<20>")}).Code).To(Equal(netbios.GOODRET))
		cancel()
		Expect(<-ended).To(Succeed())
		before := len(record.Events)
		Expect(lan.Bystander(context.Background(), []netbios.Name{name("MAIL<20>"), name("TEAM<1e>"), name("BOX<20>")})).To(BeEmpty())
		Expect(lan.Bystander(context.Background(), []netbios.Name{name("MAIL<20>"), name("CHAT<20>")})).To(
			Equal("127.77.0.5, which is no node of this run, has the name CHAT<20>: whoever claims it is refused for that"))
		Expect(record.Events).To(HaveLen(before))
	})
})

var _ = Describe("The network to a device", func() {
	DescribeTable("is told of where it does not deliver every frame once", func(times func(n int) int, want string) {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(service(host(3), ports.Name)))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(conn.Close)
		go func() {
			buf := make([]byte, 2048)
			for n := 0; ; n++ {
				size, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				request, err := nbt.ParseNameMessage(buf[:size])
				if err != nil {
					continue
				}
				answer, _ := nbt.StatusResponse(request.ID, netbios.Wildcard, nbt.NodeStatus{}).AppendBinary(nil)
				for range times(n) {
					_, _ = conn.WriteToUDPAddrPort(answer, from)
				}
			}
		}()
		lan := live.New(live.Options{Ports: ports})
		DeferCleanup(lan.Close)
		attach(lan, host(1))
		lan.AttachDevice("pc", host(3), &live.Device{})
		Expect(lan.Disturbed(context.Background())).To(Equal(want))
	},
		Entry("not", func(int) int { return 1 }, ""),
		Entry("when one gets lost", func(n int) int { return min(n, 1) }, "the network, or pc itself, does not deliver each frame once: "+
			"of 64 node status requests after the run 1 had no answer and 0 more than one"),
		Entry("when one comes twice", func(n int) int { return 1 + n/63 }, "the network, or pc itself, does not deliver each frame once: "+
			"of 64 node status requests after the run 0 had no answer and 1 more than one"),
	)
})

// hasty sends one datagram after the other, and has something done with the third.
type hasty struct {
	node, sent int
	at         netip.Addr
	third      func()
}

func (h *hasty) Ready() bool { return true }

func (h *hasty) Next(time.Duration) runner.Action {
	if h.sent == 1000 {
		return runner.Done{}
	}
	if h.sent++; h.sent == 3 {
		h.third()
	}
	return runner.Inject{Node: h.node, Frame: stack.SendDatagram{
		From: netip.AddrPortFrom(h.at, stack.NamePort), To: netip.AddrPortFrom(h.at, stack.NamePort), Payload: []byte("x"),
	}}
}

func (h *hasty) Observe(int, stack.Output) string { return "" }
func (h *hasty) Gone(int)                         {}
