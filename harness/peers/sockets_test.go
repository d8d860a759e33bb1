// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/peers"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// BenchmarkSockets sends a stream of datagrams to a host from the sockets of package live, as fast as they go, beside
// tcpreplay -t that sends the same frames to the same host. Frames a second are to be at least 0.6 of tcpreplay's, and the
// counters of the receiver's interface are to miss none of either. What nbtlab replay --dut waits for between frames is not
// measured: it is the mechanism that is, from a stack's outputs to the wire.
func BenchmarkSockets(b *testing.B) {
	const frames = 100_000
	lan := benchLAN(b, 2)
	sender, receiver := lan.Host(1), lan.Host(2)
	sent := datagrams(sender.Addr, receiver.Addr, frames)
	file := filepath.Join(lan.Dir(), "sent.pcap")
	check(b, capture.WriteFile(file, sent))
	// The frames in the file are addressed to a card that is made up; let it be the receiver's.
	command(b, receiver, "ip", "link", "set", "eth0", "address", "02:00:0a:4d:00:02")
	// Nothing but the frames is to be counted, so nobody has to ask for an address.
	command(b, sender, "ip", "neigh", "replace", "10.77.0.2", "lladdr", "02:00:0a:4d:00:02", "dev", "eth0", "nud", "permanent")
	for _, port := range []uint16{stack.NamePort, stack.DatagramPort} { // taken by somebody who never reads
		check(b, receiver.In(func() error {
			fd, err := boundUDP(receiver.Addr, port)
			b.Cleanup(func() { _ = unix.Close(fd) })
			return err
		}))
	}
	source := newSource(b, sender)
	var speeds ratios
	var speed float64
	lost := 0
	for b.Loop() {
		for range benchRounds {
			before := received(b, receiver)
			tcpreplay := tcpreplayed(b, sender, file)
			between := received(b, receiver)
			ours := source.send(b, sent)
			after := received(b, receiver)
			// A host that looks for another one's address adds a frame now and then.
			lost = max(lost, before+frames-between, between+frames-after)
			speed = frames / ours.Seconds()
			speeds = append(speeds, tcpreplay.Seconds()/ours.Seconds())
		}
	}
	if lost > 0 {
		b.Errorf("the receiver's interface missed %d of %d frames", lost, frames)
	}
	fmt.Printf("\nframes a second to those of tcpreplay: ratio %s (want 0.6 or more)\n", speeds)
	b.ReportMetric(middle(speeds), "speed/tcpreplay")
	b.ReportMetric(speed, "frames/s")
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(0, "ns/op")
}

var _ = Describe("Our sockets on an interface that is slower than they are", func() {
	It("wait for it, and lose nothing (bad-input 33)", func() {
		const frames = 10_000 // many times as many as there is room for
		lan := newLAN(2)
		sender, receiver := lan.Host(1), lan.Host(2)
		// It has room for all that the socket has, so that it is the socket that is full.
		command(GinkgoTB(), sender, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "20mbit", "burst", "10kb", "limit", "1mb")
		before := received(GinkgoTB(), receiver)
		newSource(GinkgoTB(), sender).send(GinkgoTB(), datagrams(sender.Addr, receiver.Addr, frames))
		Eventually(func() int { return received(GinkgoTB(), receiver) - before }).WithTimeout(10 * time.Second).Should(BeNumerically(">=", frames))
	})
})

func check(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func benchLAN(b *testing.B, hosts int) *peers.LAN {
	b.Helper()
	lan, err := peers.Up(hosts)
	check(b, err)
	b.Cleanup(func() {
		if err := lan.Down(); err != nil {
			b.Error(err)
		}
	})
	return lan
}

func command(b testing.TB, h *peers.Host, name string, args ...string) peers.Result {
	b.Helper()
	r, err := h.Run(name, args...)
	check(b, err)
	if r.Code != 0 {
		b.Fatalf("%s %s: %s%s", name, strings.Join(args, " "), r.Stdout, r.Stderr)
	}
	return r
}

// boundUDP opens a socket in the namespace of the thread that calls it.
func boundUDP(addr netip.Addr, port uint16) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fd, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrInet4{Addr: addr.As4(), Port: int(port)})
}

// datagrams are frames as a capture has them: queries, claims, and datagrams of some 100 bytes.
func datagrams(from, to netip.Addr, count int) []trace.Frame {
	frames := make([]trace.Frame, count)
	n := netbios.Name([]byte("OURS            "))
	for i := range frames {
		id, port := uint16(i), uint16(stack.NamePort)
		var m interface {
			AppendBinary(b []byte) ([]byte, error)
		}
		switch i % 3 {
		case 0:
			m = nbt.UnicastQuery(id, n)
		case 1:
			m = nbt.Claim(id, n, nbt.ONTB, from)
		default:
			port = stack.DatagramPort
			m = nbt.UniqueDatagram(id, netip.AddrPortFrom(from, port), n, n, make([]byte, 100))
		}
		payload, err := m.AppendBinary(nil)
		if err != nil {
			panic(err) // it was made here
		}
		frames[i] = trace.Frame{
			Kind: trace.UDP, At: time.Duration(i) * time.Microsecond, Payload: payload,
			From: netip.AddrPortFrom(from, port), To: netip.AddrPortFrom(to, port),
		}
	}
	return frames
}

// source is a stack on the sockets of package live that sends frames when it is called, and that is all.
type source struct {
	lan    *live.LAN
	index  int
	frames []trace.Frame
}

func newSource(b testing.TB, at *peers.Host) *source {
	b.Helper()
	s := &source{lan: live.New(live.Options{})}
	check(b, at.In(func() (err error) {
		s.index, err = s.lan.Attach("source", at.Prefix(), func(uint16) stack.Stack { return s })
		return err
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.lan.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		s.lan.Close()
	})
	return s
}

// Step implements [stack.Stack].
func (s *source) Step(_ time.Duration, in stack.Input, out *stack.Outputs) {
	call, ok := in.(stack.Call)
	if !ok {
		return
	}
	for i := range s.frames {
		f := &s.frames[i]
		out.Add(stack.SendDatagram{From: f.From, To: f.To, Payload: f.Payload})
	}
	out.Add(stack.Complete{ID: call.ID})
}

// send sends frames and returns how long that took.
func (s *source) send(b testing.TB, frames []trace.Frame) time.Duration {
	b.Helper()
	s.frames = frames
	began := time.Now()
	_, err := s.lan.Do(context.Background(), s.index, netbios.NCB{})
	check(b, err)
	took := time.Since(began)
	if n := s.lan.Counters().SendErrors; n > 0 {
		b.Fatalf("%d datagrams could not be sent", n)
	}
	return took
}

var tcpreplaySays = regexp.MustCompile(`Actual: (\d+) packets .* sent in ([\d.]+) seconds`)

// tcpreplayed sends the frames of a file with tcpreplay and returns how long that took by its own account.
func tcpreplayed(b *testing.B, h *peers.Host, file string) time.Duration {
	b.Helper()
	r := command(b, h, "tcpreplay", "-t", "-i", "eth0", file)
	m := tcpreplaySays.FindStringSubmatch(r.Stdout + r.Stderr)
	if m == nil {
		b.Fatalf("tcpreplay does not say how fast it was: %s%s", r.Stdout, r.Stderr)
	}
	seconds, err := strconv.ParseFloat(m[2], 64)
	check(b, err)
	return time.Duration(seconds * float64(time.Second))
}

// received is how many frames a host's interface has received, once that number stands still.
func received(b testing.TB, h *peers.Host) int {
	b.Helper()
	last := -1
	for range 100 {
		n, err := strconv.Atoi(strings.TrimSpace(command(b, h, "cat", "/sys/class/net/eth0/statistics/rx_packets").Stdout))
		check(b, err)
		if n == last {
			return n
		}
		last = n
	}
	b.Fatal("the interface of ", h.Addr, " never comes to rest")
	return 0
}
