// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var _ = Describe("Writing a capture", func() {
	var (
		s    script
		conn line
	)

	BeforeEach(func() {
		s = nil
		conn = line{1, at(peer, 1025), at(pc, 139)}
	})

	It("makes a nanosecond pcap file of Ethernet that begins on the base date", func() {
		s.datagram(0, at(pc, 137), at(peer, 137), "x")
		s.datagram(1234567891*time.Nanosecond, at(pc, 137), at(peer, 137), "y")
		file := written(s)
		Expect(file[:4]).To(Equal([]byte{0x4d, 0x3c, 0xb2, 0xa1}))
		Expect(binary.LittleEndian.Uint32(file[20:])).To(BeEquivalentTo(1))
		base := time.Date(1994, 11, 1, 0, 0, 0, 0, time.UTC)
		c := reread(s)
		Expect(c.Base).To(Equal(base))
		Expect(c.Frames[1].At).To(Equal(1234567891 * time.Nanosecond))
	})

	It("makes an empty capture of no frames", func() {
		Expect(written(nil)).To(HaveLen(24))
		Expect(reread(nil)).To(Equal(capture.Capture{}))
	})

	It("gives the same bytes for the same frames", func() {
		Expect(written(everything())).To(Equal(written(everything())))
	})

	It("writes the lengths and checksums that gopacket would", func() {
		for i, p := range sniff(written(everything())) {
			Expect(p.rebuilt()[:len(p.raw)]).To(Equal(p.raw), "packet %d", i+1) // gopacket pads to 60 bytes
		}
	})

	It("never leaves a UDP checksum out, not even where it comes to zero", func() {
		zero := 0
		for i := range 1 << 16 {
			s.datagram(0, at(pc, 138), at(peer, 138), string([]byte{byte(i >> 8), byte(i)}))
		}
		for _, p := range sniff(written(s)) {
			Expect(p.udp.Checksum).NotTo(BeZero())
			if p.udp.Checksum == 0xffff {
				zero++
			}
		}
		Expect(zero).To(Equal(1), "one of the payloads makes the sum come to zero")
		for _, f := range reread(s).Frames {
			Expect(f.Odd).To(BeEmpty())
		}
	})

	It("derives cards from addresses, and broadcasts to every card", func() {
		s.datagram(0, at(pc, 137), at(everybody, 137), "x")
		s.datagram(0, at(pc, 137), at(peer, 137), "x")
		packets := sniff(written(s))
		Expect(packets[0].eth.SrcMAC.String()).To(Equal("02:00:0a:00:00:0a"))
		Expect(packets[0].eth.DstMAC.String()).To(Equal("ff:ff:ff:ff:ff:ff"))
		Expect(packets[1].eth.DstMAC.String()).To(Equal("02:00:0a:00:00:14"))
	})

	It("counts IPv4 identifications for each source from 1, and forbids no fragmentation", func() {
		last := make(map[string]uint16)
		for _, p := range sniff(written(everything())) {
			source := p.ip.SrcIP.String()
			last[source]++
			Expect(p.ip.Id).To(Equal(last[source]))
			Expect(p.ip.Flags).To(BeZero())
			Expect(p.ip.TTL).To(BeEquivalentTo(64))
		}
	})

	It("makes up the handshake, and the acknowledgements that nothing else brings", func() {
		s.event(0, trace.Connect, conn)
		s.event(200*us, trace.Message, conn, message(68)...)
		s.event(205*us, trace.Message, conn.back(), message(0)...)
		s.event(400*us, trace.Fin, conn)
		s.event(400*us, trace.Fin, conn.back())
		Expect(summaries(written(s))).To(Equal([]string{
			"0s 10.0.0.20:1025 > 10.0.0.10:139 S seq 0 len 0",
			"10µs 10.0.0.10:139 > 10.0.0.20:1025 SA seq 0 ack 1 len 0",
			"20µs 10.0.0.20:1025 > 10.0.0.10:139 A seq 1 ack 1 len 0",
			"200µs 10.0.0.20:1025 > 10.0.0.10:139 PA seq 1 ack 1 len 72",
			"205µs 10.0.0.10:139 > 10.0.0.20:1025 PA seq 1 ack 73 len 4",
			"215µs 10.0.0.20:1025 > 10.0.0.10:139 A seq 73 ack 5 len 0",
			"400µs 10.0.0.20:1025 > 10.0.0.10:139 FA seq 73 ack 5 len 0",
			"400µs 10.0.0.10:139 > 10.0.0.20:1025 FA seq 5 ack 74 len 0",
			"410µs 10.0.0.20:1025 > 10.0.0.10:139 A seq 74 ack 6 len 0",
		}))
	})

	It("writes a refused connection as SYN and RST", func() {
		s.event(0, trace.Connect, conn)
		s.event(latency, trace.Refuse, conn.back())
		Expect(summaries(written(s))).To(HaveExactElements(
			"0s 10.0.0.20:1025 > 10.0.0.10:139 S seq 0 len 0",
			"100µs 10.0.0.10:139 > 10.0.0.20:1025 RA seq 0 ack 1 len 0",
		))
		Expect(sniff(written(s))[1].tcp.Seq).To(BeZero())
	})

	It("acknowledges nothing to or from an end that has reset", func() {
		s.event(0, trace.Connect, conn)
		s.event(200*us, trace.Message, conn, message(6)...)
		s.event(205*us, trace.Reset, conn.back())
		s.event(250*us, trace.Message, conn, message(6)...) // RST is still on its way
		Expect(summaries(written(s))[3:]).To(HaveExactElements(
			"200µs 10.0.0.20:1025 > 10.0.0.10:139 PA seq 1 ack 1 len 10",
			"205µs 10.0.0.10:139 > 10.0.0.20:1025 RA seq 1 ack 11 len 0",
			"250µs 10.0.0.20:1025 > 10.0.0.10:139 PA seq 11 ack 1 len 10",
		))
	})

	It("acknowledges nothing that an end sent before it reset", func() {
		s.event(0, trace.Connect, conn)
		s.event(200*us, trace.Message, conn, message(6)...)
		s.event(205*us, trace.Reset, conn)
		Expect(summaries(written(s))[3:]).To(HaveExactElements(
			"200µs 10.0.0.20:1025 > 10.0.0.10:139 PA seq 1 ack 1 len 10",
			"205µs 10.0.0.20:1025 > 10.0.0.10:139 RA seq 11 ack 1 len 0",
		))
	})

	It("puts what it makes up before a frame of the same time", func() {
		s.event(0, trace.Connect, conn)
		s.event(200*us, trace.Message, conn, message(6)...)
		s.event(210*us, trace.Message, conn.back(), message(0)...)
		Expect(summaries(written(s))[3:]).To(HaveExactElements(
			"200µs 10.0.0.20:1025 > 10.0.0.10:139 PA seq 1 ack 1 len 10",
			"210µs 10.0.0.10:139 > 10.0.0.20:1025 A seq 1 ack 11 len 0",
			"210µs 10.0.0.10:139 > 10.0.0.20:1025 PA seq 1 ack 11 len 4",
			"220µs 10.0.0.20:1025 > 10.0.0.10:139 A seq 11 ack 5 len 0",
		))
	})

	It("ends a handshake early when the connection is used early", func() {
		s.event(0, trace.Connect, conn)
		s.event(4*us, trace.Message, conn, message(6)...)
		Expect(summaries(written(s))).To(HaveExactElements(
			"0s 10.0.0.20:1025 > 10.0.0.10:139 S seq 0 len 0",
			"4µs 10.0.0.10:139 > 10.0.0.20:1025 SA seq 0 ack 1 len 0",
			"4µs 10.0.0.20:1025 > 10.0.0.10:139 A seq 1 ack 1 len 0",
			"4µs 10.0.0.20:1025 > 10.0.0.10:139 PA seq 1 ack 1 len 10",
			"10µs 10.0.0.10:139 > 10.0.0.20:1025 A seq 1 ack 11 len 0",
		))
	})

	It("cuts a long message into segments, the last of which pushes", func() {
		s.event(0, trace.Connect, conn)
		s.event(200*us, trace.Message, conn, message(3000-4)...)
		Expect(summaries(written(s))[3:]).To(HaveExactElements(
			"200µs 10.0.0.20:1025 > 10.0.0.10:139 A seq 1 ack 1 len 1460",
			"200µs 10.0.0.20:1025 > 10.0.0.10:139 A seq 1461 ack 1 len 1460",
			"200µs 10.0.0.20:1025 > 10.0.0.10:139 PA seq 2921 ack 1 len 80",
			"210µs 10.0.0.10:139 > 10.0.0.20:1025 A seq 1 ack 3001 len 0",
		))
	})

	It("writes what is out of order in the order of time", func() {
		s.datagram(2*ms, at(pc, 137), at(peer, 137), "late")
		s.datagram(ms, at(pc, 137), at(peer, 137), "early")
		Expect(string(sniff(written(s))[0].data)).To(Equal("early"))
		capture.Number(s)
		Expect([]int{s[0].Number, s[1].Number}).To(Equal([]int{2, 1}))
	})

	It("tells connections on the same ports apart by their sequence numbers", func() {
		again := conn
		again.conn = 2
		for i, l := range []line{conn, again} {
			s.event(time.Duration(i)*ms, trace.Connect, l)
		}
		packets := sniff(written(s))
		Expect(packets[0].tcp.Seq).NotTo(Equal(packets[3].tcp.Seq))
	})

	It("keeps to the rules of TCP whatever happens at the same time", func() {
		for seed := range uint64(200) {
			checkTCP(sniff(written(random(seed))), fmt.Sprintf("seed %d", seed))
		}
		checkTCP(sniff(written(everything())), "everything")
	})

	DescribeTable("refuses frames that no packet can carry",
		func(f trace.Frame, why string) {
			frames := []trace.Frame{{From: at(pc, 137), To: at(peer, 137), Payload: []byte("good")}, f}
			err := capture.Write(new(bytes.Buffer), frames)
			Expect(err).To(MatchError(HavePrefix("capture: frame 2 of 2: ")))
			Expect(err).To(MatchError(ContainSubstring(why)))
			capture.Number(frames)
			Expect(frames[1].Number).To(BeZero())
		},
		Entry("IPv6", trace.Frame{From: netip.MustParseAddrPort("[::1]:137"), To: at(pc, 137)}, "not IPv4"),
		Entry("no address", trace.Frame{From: at(pc, 137)}, "not IPv4"),
		Entry("before the beginning", trace.Frame{At: -1, From: at(pc, 137), To: at(pc, 137)}, "not between 0 and"),
		Entry("after the end of pcap's seconds", trace.Frame{At: 1 << 62, From: at(pc, 137), To: at(pc, 137)}, "not between"),
		Entry("too long", trace.Frame{From: at(pc, 137), To: at(pc, 137), Payload: make([]byte, 65508)}, "at most 65507"),
		Entry("unknown", trace.Frame{Kind: 6, From: at(pc, 137), To: at(pc, 137)}, "unknown kind 6"),
		Entry("without a connection", trace.Frame{Kind: trace.Fin, From: at(pc, 9), To: at(peer, 139)}, "begin with 1, got 0"),
		Entry("without bytes", trace.Frame{Kind: trace.Message, Conn: 1, From: at(pc, 9), To: at(peer, 139)}, "without bytes"),
	)

	It("refuses ends that are not those of the connection, and a second beginning", func() {
		s.event(0, trace.Connect, conn)
		s.event(ms, trace.Fin, line{1, at(third, 1025), at(pc, 139)})
		Expect(capture.Write(new(bytes.Buffer), s)).To(MatchError(ContainSubstring("connection 1 is between")))
		s[1] = s[0]
		Expect(capture.Write(new(bytes.Buffer), s)).To(MatchError(ContainSubstring("is there already")))
	})

	It("reports what the writer reports, at whichever write it happens", func() {
		size := len(written(everything()))
		full := errors.New("no space left")
		for room := 0; room < size; room += 4096 {
			Expect(capture.Write(&limited{room, full}, everything())).To(MatchError(full))
		}
		Expect(capture.Write(&limited{size, full}, everything())).To(Succeed())
	})
})

var _ = Describe("Writing a long capture", func() {
	It("does so piece by piece", func() {
		var pieces sizes
		Expect(capture.Write(&pieces, everything())).To(Succeed())
		Expect(len(pieces)).To(BeNumerically(">", 3))
		Expect(slices.Max(pieces)).To(BeNumerically("<", 68<<10))
	})
})

var _ = Describe("Numbering frames", func() {
	It("gives each the number of the packet that completes it", func() {
		conn := line{1, at(peer, 1025), at(pc, 139)}
		var s script
		s.event(0, trace.Connect, conn)
		s.event(200*us, trace.Message, conn, message(40000)...)
		s.event(400*us, trace.Fin, conn)
		s.event(500*us, trace.Reset, conn.back())
		capture.Number(s)
		var numbers []int
		for _, f := range s {
			numbers = append(numbers, f.Number)
		}
		Expect(numbers).To(Equal([]int{1, 3 + 28, 3 + 28 + 2, 3 + 28 + 4}), "after ACKs of data and FIN")
	})

	It("does not depend on numbers given before", func() {
		first, second := everything(), everything()
		capture.Number(first)
		capture.Number(second)
		capture.Number(second)
		Expect(second).To(Equal(first))
	})
})

// sizes is a writer that remembers how much it was given each time.
type sizes []int

func (s *sizes) Write(b []byte) (int, error) {
	*s = append(*s, len(b))
	return len(b), nil
}

// limited is a writer with room for so many bytes.
type limited struct {
	room int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.room {
		return l.room, l.err
	}
	l.room -= len(b)
	return len(b), nil
}

// checkTCP holds packets against the rules that a reader of captures goes by, for each connection on its own.
func checkTCP(packets []sniffed, which string) {
	type end struct {
		next, acked uint32
		lastAck     uint32
		reset       bool
	}
	ends := make(map[string]*end)
	at := time.Duration(0)
	for i, p := range packets {
		what := fmt.Sprintf("%s, packet %d", which, i+1)
		Expect(p.at).To(BeNumerically(">=", at), what)
		at = p.at
		if p.tcp == nil {
			continue
		}
		from := fmt.Sprint(p.ip.SrcIP, p.tcp.SrcPort, p.ip.DstIP, p.tcp.DstPort)
		to := fmt.Sprint(p.ip.DstIP, p.tcp.DstPort, p.ip.SrcIP, p.tcp.SrcPort)
		if p.tcp.SYN {
			ends[from] = &end{next: p.tcp.Seq, acked: p.tcp.Seq}
			if !p.tcp.ACK {
				delete(ends, to)
			}
			Expect(p.tcp.Window).To(BeEquivalentTo(65535), what)
			Expect(p.tcp.Options).To(HaveLen(1), what)
			Expect(p.tcp.Options[0].OptionData).To(Equal([]byte{1460 >> 8, 1460 & 0xff}), what)
		}
		mine, theirs := ends[from], ends[to]
		if p.tcp.RST && mine == nil {
			Expect(p.tcp.Ack).To(Equal(theirs.next), what)
			continue
		}
		Expect(mine).NotTo(BeNil(), what)
		Expect(p.tcp.Seq).To(Equal(mine.next), what+": no gap, nothing sent twice")
		Expect(len(p.data)).To(BeNumerically("<=", 1460), what)
		Expect(mine.reset).To(BeFalse(), what)
		mine.reset = p.tcp.RST
		mine.next += uint32(len(p.data))
		if p.tcp.SYN || p.tcp.FIN {
			mine.next++
		}
		if p.tcp.ACK {
			Expect(theirs).NotTo(BeNil(), what)
			Expect(p.tcp.Ack).To(Equal(theirs.next), what+": all that was sent is acknowledged")
			empty := len(p.data) == 0 && !p.tcp.SYN && !p.tcp.FIN && !p.tcp.RST
			if empty {
				Expect(p.tcp.Ack).NotTo(Equal(mine.lastAck), what+": no acknowledgement twice")
			}
			mine.lastAck, theirs.acked = p.tcp.Ack, p.tcp.Ack
		}
		if theirs != nil && !theirs.reset {
			Expect(mine.next-mine.acked).To(BeNumerically("<", 65535), what+": the window is not filled")
		}
	}
}

var _ = Describe("Round trips", func() {
	DescribeTable("through a file, frames come back as they were",
		func(frames []trace.Frame) {
			capture.Number(frames)
			c := reread(frames)
			Expect(c.Cut).To(BeNil())
			Expect(c.Skipped).To(BeEmpty())
			for i := range min(len(frames), len(c.Frames)) {
				Expect(c.Frames[i]).To(Equal(frames[i]), "frame %d", i)
			}
			Expect(c.Frames).To(HaveLen(len(frames)))
		},
		Entry("all that Write knows", everything()),
		Entry("a session whose beginning was not captured", slices.Collect(func(yield func(trace.Frame) bool) {
			l := line{1, at(peer, 1025), at(pc, 139)}
			_ = yield(trace.Frame{Kind: trace.Message, Conn: 1, From: l.to, To: l.from, Payload: message(3)}) &&
				yield(trace.Frame{At: ms, Kind: trace.Message, Conn: 1, From: l.from, To: l.to, Payload: message(3000)}) &&
				yield(trace.Frame{At: 2 * ms, Kind: trace.Fin, Conn: 1, From: l.from, To: l.to})
		})),
	)

	It("holds for whatever sessions and datagrams go on at once", func() {
		for seed := range uint64(500) {
			frames := random(seed)
			capture.Number(frames)
			c := reread(frames)
			Expect(c.Frames).To(Equal(frames), "seed %d", seed)
			Expect(c.Packets).To(Equal(len(sniff(written(frames)))), "seed %d", seed)
		}
	})

	It("keeps bytes that are no message together, and says what is wrong with them", func() {
		l := line{1, at(peer, 1025), at(pc, 139)}
		garbage := bytes.Repeat([]byte("GET /"), 2000)
		var s script
		s.event(0, trace.Connect, l)
		s.event(ms, trace.Message, l, garbage...)
		s.event(2*ms, trace.Message, l, message(5)...)
		s.event(3*ms, trace.Message, l, message(500)[:100]...)
		s.event(4*ms, trace.Fin, l)
		capture.Number(s)
		s[1].Odd = []string{"cannot be framed: unknown message type: 0x47"}
		s[3].Odd = []string{"100 of 504 bytes of a message before FIN"}
		Expect(reread(s).Frames).To(Equal([]trace.Frame(s)))
	})
})
