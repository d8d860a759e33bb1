// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/probe/wire"
	"github.com/nbtlab/nbtlab/harness/trace"
)

func TestWire(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "probe on the wire")
}

// The target is an address of the loopback network that is not the probe's own.
var target = netip.MustParseAddr("127.0.0.2")

// responder is a socket at an address that does something about what comes.
func responder(at netip.Addr, does func(c *net.UDPConn, from netip.AddrPort, b []byte)) uint16 {
	GinkgoHelper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(c.Close)
	go func() {
		buffer := make([]byte, 65536)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			does(c, from, bytes.Clone(buffer[:n]))
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func echo(c *net.UDPConn, from netip.AddrPort, b []byte) { _, _ = c.WriteToUDPAddrPort(b, from) }

// acceptor is a listener that does something with each connection.
func acceptor(does func(c *net.TCPConn)) uint16 {
	GinkgoHelper()
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(target, 0)))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go does(c)
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// open opens the way to a target with these ports.
func open(o wire.Options) *wire.Wire {
	GinkgoHelper()
	o.Target = target
	w, err := wire.Open(o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(w.Close)
	return w
}

// do carries out an exchange.
func do(w *wire.Wire, x probe.Exchange) probe.Seen {
	GinkgoHelper()
	seen, err := w.Do(context.Background(), x)
	Expect(err).NotTo(HaveOccurred())
	return seen
}

func anything([]byte) bool { return true }

// readBack writes the record of a probe to a capture and reads it again.
func readBack(w *wire.Wire) []trace.Frame {
	GinkgoHelper()
	var file bytes.Buffer
	Expect(capture.Write(&file, w.Frames())).To(Succeed())
	c, err := capture.Read(&file)
	Expect(err).NotTo(HaveOccurred())
	Expect(c.Cut).To(BeNil())
	return c.Frames
}

const short = 100 * time.Millisecond

var _ = Describe("A question by UDP", func() {
	It("ends with the answer, and is on record", func() {
		w := open(wire.Options{NamePort: responder(target, echo)})
		began := time.Now()
		seen := do(w, probe.Ask{Packets: [][]byte{[]byte("hello, name service")}, Answer: anything, Want: 1, Tries: 3, Wait: 10 * time.Second})
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		Expect(seen.Packets).To(HaveLen(1))
		Expect(string(seen.Packets[0].Bytes)).To(Equal("hello, name service"))
		Expect(seen.Packets[0].From.Addr()).To(Equal(target))
		Expect(seen.Frames).To(Equal(2))
		Expect(w.Self()).To(Equal(netip.MustParseAddr("127.0.0.1")))
		Expect(w.Frames()[0].From.Port()).To(Equal(w.Source().Name))
		Expect(w.Frames()[1].At).To(BeNumerically(">=", w.Frames()[0].At))
	})

	It("is repeated while nobody answers, and no longer", func() {
		var heard atomic.Int32
		port := responder(target, func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			if heard.Add(1) == 2 {
				echo(c, from, b)
			}
		})
		w := open(wire.Options{DatagramPort: port})
		ask := probe.Ask{Service: probe.DatagramService, Packets: [][]byte{[]byte("x")}, Answer: anything, Want: 1, Tries: 2, Wait: time.Second}
		Expect(do(w, ask).Packets).To(HaveLen(1))
		Expect(heard.Load()).To(BeEquivalentTo(2))
		ask.Tries, ask.Wait = 3, short
		Expect(do(w, ask).Packets).To(BeEmpty())
		Eventually(heard.Load).Should(BeEquivalentTo(5))
	})

	It("hears out everything when it wants to see that nothing comes", func() {
		w := open(wire.Options{NamePort: responder(target, func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			echo(c, from, b)
			echo(c, from, b)
		})})
		seen := do(w, probe.Ask{Packets: [][]byte{[]byte("a"), {}}, Answer: anything, Tries: 1, Wait: 5 * short})
		Expect(seen.Packets).To(HaveLen(4))
	})

	It("does not hear what strangers say, unless they answer", func() {
		stranger := netip.MustParseAddr("127.0.0.3")
		w := open(wire.Options{NamePort: responder(target, func(_ *net.UDPConn, from netip.AddrPort, b []byte) {
			other, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(stranger, 0)))
			if err == nil {
				echo(other, from, b)
				echo(other, from, []byte("noise"))
				_ = other.Close()
			}
		})})
		seen := do(w, probe.Ask{
			Packets: [][]byte{[]byte("hello")}, Tries: 1, Wait: 5 * short,
			Answer: func(b []byte) bool { return string(b) == "hello" },
		})
		Expect(seen.Packets).To(HaveLen(1))
		Expect(seen.Packets[0].From.Addr()).To(Equal(stranger))
	})

	It("holds no more of a flood of answers than it is good for (bad-input 22)", func() {
		w := open(wire.Options{NamePort: responder(target, func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			for range 20000 {
				echo(c, from, b)
			}
		})})
		seen := do(w, probe.Ask{Packets: [][]byte{{1}}, Answer: func([]byte) bool { return false }, Want: 1, Tries: 1, Wait: 2 * short})
		Expect(len(seen.Packets)).To(BeNumerically("<=", 4096))
	})

	It("does not mind that nobody is there", func() {
		w := open(wire.Options{NamePort: 9})
		Expect(do(w, probe.Ask{Packets: [][]byte{{1}, {2}}, Answer: anything, Want: 1, Tries: 2, Wait: short}).Packets).To(BeEmpty())
	})

	It("ends at once when it is called off", func() {
		w := open(wire.Options{NamePort: responder(target, func(*net.UDPConn, netip.AddrPort, []byte) {})})
		ctx, cancel := context.WithTimeout(context.Background(), short)
		defer cancel()
		began := time.Now()
		_, err := w.Do(ctx, probe.Ask{Packets: [][]byte{{1}}, Answer: anything, Want: 1, Tries: 3, Wait: time.Minute})
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
		Expect(w.Frames()).To(HaveLen(1))
	})
})

var _ = Describe("Many packets", func() {
	packet := func(i int) []byte { return []byte{byte(i >> 8), byte(i)} }
	which := func(b []byte) (int, bool) { return int(b[0])<<8 | int(b[1]), len(b) == 2 }

	It("are all answered by whom does, and repeated for whom misses some", func() {
		var heard atomic.Int32
		missed := map[int]bool{}
		port := responder(target, func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			heard.Add(1)
			if i, _ := which(b); i%50 == 7 && !missed[i] { // the first time
				missed[i] = true
				return
			}
			echo(c, from, b)
		})
		w := open(wire.Options{NamePort: port})
		seen := do(w, probe.Flood{Count: 1000, Packet: packet, Which: which, Window: 16, Tries: 3, Wait: short})
		Expect(seen.Flood.Answered).To(Equal(1000))
		Expect(seen.Flood.Again).To(BeNumerically(">=", 20))
		Expect(heard.Load()).To(BeNumerically(">=", 1020))
	})

	It("are counted when some are never answered, and what answers none of them is told apart", func() {
		port := responder(target, func(c *net.UDPConn, from netip.AddrPort, b []byte) {
			switch b[1] % 10 {
			case 3:
			case 4:
				echo(c, from, []byte("nonsense"))
			default:
				echo(c, from, b)
			}
		})
		w := open(wire.Options{NamePort: port})
		seen := do(w, probe.Flood{Count: 100, Packet: packet, Which: which, Window: 16, Tries: 2, Wait: 3 * short})
		Expect(seen.Flood.Answered).To(Equal(80))
		Expect(seen.Flood.Others).To(BeNumerically("~", 20, 1))
		Expect(string(seen.Flood.Other.Bytes)).To(Equal("nonsense"))
	})

	It("go out at their rate when nothing is to come back, with word of how far it is", func() {
		var heard atomic.Int32
		var told []int
		w := open(wire.Options{
			DatagramPort: responder(target, func(*net.UDPConn, netip.AddrPort, []byte) { heard.Add(1) }),
			Progress:     func(done, of int) { told = append(told, done, of) },
		})
		began := time.Now()
		do(w, probe.Flood{Service: probe.DatagramService, Count: 1400, Packet: packet, Rate: 2000, Wait: short})
		Expect(time.Since(began)).To(BeNumerically(">=", 695*time.Millisecond))
		Eventually(heard.Load).Should(BeEquivalentTo(1400))
		Expect(told).NotTo(BeEmpty())
		Expect(told[0]).To(And(BeNumerically(">", 0), BeNumerically("<=", 1400)))
		Expect(told[1]).To(Equal(1400))
	})
})

var _ = Describe("A connection", func() {
	talk := func(o wire.Options, x probe.Talk) (probe.Stream, []trace.Frame) {
		GinkgoHelper()
		w := open(o)
		s := do(w, x).Stream
		return s, readBack(w)
	}
	kinds := func(frames []trace.Frame) []trace.FrameKind {
		var list []trace.FrameKind
		for _, f := range frames {
			list = append(list, f.Kind)
		}
		return list
	}
	refusal := []byte{0x83, 0, 0, 1, 0x82}

	It("ends when enough messages have come, whatever pieces they come in", func() {
		port := acceptor(func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 100))
			for _, b := range refusal {
				_, _ = c.Write([]byte{b})
				time.Sleep(2 * time.Millisecond)
			}
		})
		began := time.Now()
		s, frames := talk(wire.Options{SessionPort: port}, probe.Talk{Writes: [][]byte{{0x85, 0, 0, 0}}, Messages: 1, Wait: 10 * time.Second})
		Expect(s.Bytes).To(Equal(refusal))
		Expect(s.End).To(Equal(probe.Open))
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		Expect(frames[0].Kind).To(Equal(trace.Connect))
		Expect(frames[len(frames)-1].Kind).To(Equal(trace.Fin))
	})

	It("is seen to be closed, reset, or left open", func() {
		s, frames := talk(wire.Options{SessionPort: acceptor(func(c *net.TCPConn) {
			_, _ = c.Write(refusal)
			_, _ = c.Read(make([]byte, 100))
			_ = c.Close()
		})}, probe.Talk{Writes: [][]byte{{0x85, 0, 0, 0}}, Wait: 10 * time.Second})
		Expect(s.End).To(Equal(probe.Closed))
		Expect(s.Bytes).To(Equal(refusal))
		Expect(kinds(frames)).To(ConsistOf(trace.Connect, trace.Message, trace.Message, trace.Fin, trace.Fin))

		s, _ = talk(wire.Options{SessionPort: acceptor(func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 100))
			_ = c.SetLinger(0)
			_ = c.Close()
		})}, probe.Talk{Writes: [][]byte{{0x85, 0, 0, 0}}, Wait: 10 * time.Second})
		Expect(s.End).To(Equal(probe.Reset))

		s, _ = talk(wire.Options{SessionPort: acceptor(func(*net.TCPConn) {})}, probe.Talk{Writes: [][]byte{{1}}, Wait: short})
		Expect(s.End).To(Equal(probe.Open))
	})

	It("is seen to be refused", func() {
		s, frames := talk(wire.Options{SessionPort: 9}, probe.Talk{Writes: [][]byte{{1}}, Wait: time.Second})
		Expect(s.End).To(Equal(probe.Refused))
		Expect(frames).To(BeEmpty())
	})

	It("keeps no more of an endless answer than it is good for", func() {
		s, _ := talk(wire.Options{SessionPort: acceptor(func(c *net.TCPConn) {
			for {
				if _, err := c.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		})}, probe.Talk{Writes: [][]byte{{1}}, Wait: 2 * short})
		Expect(s.Bytes).To(HaveLen(probe.MaxStream))
		Expect(s.End).To(Equal(probe.Open))
	})

	It("can be had many times, and what was not is counted", func() {
		var heard atomic.Int32
		port := acceptor(func(c *net.TCPConn) {
			heard.Add(1)
			_, _ = c.Write(refusal)
			_ = c.Close()
		})
		w := open(wire.Options{SessionPort: port})
		seen := do(w, probe.Talk{Writes: [][]byte{{0x85, 0, 0, 0}}, Messages: 1, Wait: time.Second, Times: 20})
		Expect(seen.Stream.Refused).To(BeZero())
		Expect(heard.Load()).To(BeEquivalentTo(20))
		Expect(do(open(wire.Options{SessionPort: 9}), probe.Talk{Wait: time.Second, Times: 3}).Stream.Refused).To(Equal(3))
	})
})

var _ = Describe("A look at the host", func() {
	It("says by what it is known to be there", func() {
		w := open(wire.Options{SessionPort: acceptor(func(c *net.TCPConn) { _ = c.Close() })})
		Expect(do(w, probe.Look{Wait: time.Second}).Host).To(HavePrefix("it accepts connections on TCP port "))
		Expect(do(open(wire.Options{SessionPort: 9}), probe.Look{Wait: time.Second}).Host).To(Equal("it refuses connections on TCP port 9"))
	})
})

var _ = Describe("The way to a target", func() {
	DescribeTable("is refused to what is not one host",
		func(text, why string) {
			_, err := wire.Open(wire.Options{Target: netip.MustParseAddr(text)})
			Expect(err).To(MatchError(ContainSubstring(why)))
		},
		Entry(nil, "255.255.255.255", "is not the IPv4 address of one host"),
		Entry(nil, "224.0.0.1", "is not the IPv4 address of one host"),
		Entry(nil, "0.0.0.0", "is not the IPv4 address of one host"),
		Entry(nil, "::1", "is not the IPv4 address of one host"),
		Entry("a broadcast address of a network of this host", "127.255.255.255", "the broadcast address of a network of this host (127.0.0.1/8)"),
		Entry("the oldest form of one", "127.0.0.0", "the broadcast address of a network of this host"),
	)

	It("says what to do about an address that is not this host's", func() {
		_, err := wire.Open(wire.Options{Target: target, From: netip.MustParseAddr("192.0.2.1")})
		Expect(err).To(MatchError(ContainSubstring("192.0.2.1 is not an address of this host")))
	})
})
