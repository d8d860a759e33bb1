// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing/iotest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var _ = Describe("Reading a capture", func() {
	var t *tape

	query := []byte("\x12\x34\x01\x10\x00\x00\x00\x00\x00\x00\x00\x00")
	packet := func() []byte { return datagram(at(pc, 137), at(peer, 137), slices.Clone(query)) }

	BeforeEach(func() { t = newTape() })

	DescribeTable("understands both byte orders, in micro- and in nanoseconds (bad-input 39)",
		func(order binary.AppendByteOrder, magic uint32) {
			t = (&tape{order: order, magic: magic}).header(65535, 1).packet(packet()).packet(packet())
			c := t.read()
			Expect(c.Base).To(Equal(time.Unix(1000000000, 0).UTC()))
			Expect(c.Packets).To(Equal(2))
			Expect(c.Frames[1]).To(Equal(trace.Frame{
				At: time.Millisecond, From: at(pc, 137), To: at(peer, 137), Payload: query, Number: 2,
			}))
		},
		Entry("little-endian, microseconds", binary.LittleEndian, uint32(0xa1b2c3d4)),
		Entry("little-endian, nanoseconds", binary.LittleEndian, uint32(0xa1b23c4d)),
		Entry("big-endian, microseconds", binary.BigEndian, uint32(0xa1b2c3d4)),
		Entry("big-endian, nanoseconds", binary.BigEndian, uint32(0xa1b23c4d)),
	)

	It("keeps time zero, and times before the first packet's (bad-input 38)", func() {
		t.packet(packet()).packet(packet())
		first := t.buf[24:]
		copy(first, make([]byte, 8))
		Expect(t.read().Base).To(Equal(time.Unix(0, 0).UTC()))
		binary.LittleEndian.PutUint32(first, 1000000001)
		Expect(t.read().Frames[1].At).To(Equal(-time.Second + time.Millisecond))
	})

	It("takes a link type with a checksum length for the link type", func() {
		Expect(t.header(65535, 0x44000001).packet(append(packet(), 1, 2, 3, 4)).read().Frames).To(HaveLen(1))
	})

	It("takes VLAN tags off", func() {
		tagged := slices.Insert(packet(), 12, 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2)
		Expect(t.packet(tagged).read().Frames).To(HaveLen(1))
	})

	It("tells broadcasts and multicasts by the group bit", func() {
		b := packet()
		b[0] |= 1
		Expect(t.packet(b).packet(packet()).read().Frames).To(HaveExactElements(
			HaveField("Broadcast", true), HaveField("Broadcast", false)))
	})

	It("ignores what pads a short Ethernet frame, IPv4 options, and snap lengths that lie (bad-input 20, 35)", func() {
		for _, snapLen := range []uint32{0, 16, 0xffffffff} {
			b := append(packet(), "padding"...)
			b = slices.Insert(b, 34, 1, 1, 1, 0) // options: three times nothing, and the end
			b[14] = 0x46
			b[17] += 4
			binary.BigEndian.PutUint16(b[24:], binary.BigEndian.Uint16(b[24:])-0x100-4-0x0101-0x0100)
			f := t.header(snapLen, 1).packet(b).read().Frames
			Expect(f).To(HaveLen(1))
			Expect(f[0].Payload).To(Equal(query))
			Expect(f[0].Odd).To(BeEmpty())
		}
	})

	It("counts what is none of our business, with the reason and the first packet (bad-input 20)", func() {
		arp := packet()
		arp[13] = 0x06
		icmp := packet()
		icmp[23] = 1
		fragment := packet()
		fragment[20] = 0x20
		elsewhere := datagram(at(pc, 53), at(peer, 53), query)
		tcp137 := segment(line{1, at(pc, 137), at(peer, 137)}, "S", 0, nil)
		version := packet()
		version[14] = 0x65
		header := segment(line{1, at(pc, 1025), at(peer, 139)}, "S", 0, nil)
		header[46] = 0x40
		beyond := slices.Clone(header)
		beyond[46] = 0xf0
		tagged := slices.Insert(packet(), 12, 0x81, 0, 0, 1)
		options := packet()
		options[14] = 0x4f
		long := segment(line{1, at(pc, 1025), at(peer, 139)}, "A", 0, make([]byte, 40))
		long[46] = 0xf0
		noRoom := packet()
		noRoom[17] = 19
		for _, b := range [][]byte{
			packet(), arp, icmp, fragment, elsewhere, tcp137, version, header, arp[:13], packet()[:20], packet()[:36],
			tagged[:15], options[:40], packet()[:41], long[:60], long[:50], noRoom, beyond,
		} {
			t.packet(b)
		}
		c := t.read()
		Expect(c.Packets).To(Equal(18))
		Expect(c.Frames).To(HaveLen(1))
		Expect(c.Skipped).To(Equal([]capture.Skip{
			{Why: "not IPv4", Count: 1, First: 2},
			{Why: "neither UDP nor TCP", Count: 1, First: 3},
			{Why: "IPv4 fragment", Count: 1, First: 4},
			{Why: "not port 137-139", Count: 2, First: 5},
			{Why: "malformed IPv4 header", Count: 2, First: 7},
			{Why: "malformed TCP header", Count: 2, First: 8},
			{Why: "too short for its headers", Count: 8, First: 9},
		}))
	})

	DescribeTable("notes what is wrong below NBT (bad-input 20)",
		func(spoil func(b []byte) []byte, odd ...string) {
			c := t.packet(spoil(packet())).read()
			Expect(c.Frames).To(HaveLen(1))
			Expect(c.Frames[0].Odd).To(Equal(odd))
		},
		Entry("a bit of the payload", func(b []byte) []byte { b[50] ^= 1; return b }, "bad UDP checksum"),
		Entry("a bit of the time to live", func(b []byte) []byte { b[22] ^= 1; return b }, "bad IPv4 header checksum"),
		Entry("fewer bytes than UDP says", func(b []byte) []byte { b[39] += 2; return b },
			"UDP length 22 but 20 bytes captured"),
		Entry("more bytes than UDP says", func(b []byte) []byte { b[39] -= 2; return b },
			"UDP length 18 but 20 bytes in the packet", "bad UDP checksum"),
		Entry("less than a UDP header", func(b []byte) []byte { b[39] = 7; return b }, "UDP length 7 is less than its header"),
		Entry("fewer bytes than IPv4 says", func(b []byte) []byte { return b[:len(b)-1] },
			"IPv4 length 40 but 39 bytes captured", "UDP length 20 but 19 bytes captured"),
		Entry("no IPv4 length", func(b []byte) []byte { b[17] = 0; return b },
			"IPv4 length 0", "bad IPv4 header checksum"),
	)

	It("takes no UDP checksum for what it is", func() {
		b := packet()
		b[40], b[41] = 0, 0
		Expect(t.packet(b).read().Frames[0].Odd).To(BeEmpty())
	})

	It("notes what the snap length cut off (bad-input 35)", func() {
		c := t.record(packet()[:50], len(packet())).read()
		Expect(c.Frames[0].Payload).To(Equal(query[:8]))
		Expect(c.Frames[0].Odd).To(Equal([]string{
			"cut by snap length: 50 of 54 bytes", "UDP length 20 but 16 bytes captured",
		}))
	})
})

var _ = Describe("Reading TCP", func() {
	var (
		t      *tape
		client line
		server line
		kinds  func() []string
	)

	const isn = 0xfffffff0 // so that the numbers wrap

	BeforeEach(func() {
		t = newTape()
		client = line{1, at(peer, 1025), at(pc, 139)}
		server = client.back()
		kinds = func() []string {
			var all []string
			for _, f := range t.read().Frames {
				all = append(all, f.Kind.String())
			}
			return all
		}
	})

	// say adds a segment of the client, n bytes behind its SYN.
	say := func(flags string, n int, payload []byte) {
		GinkgoHelper()
		t.packet(segment(client, flags, isn+1+uint32(n), payload))
	}
	handshake := func() {
		t.packet(segment(client, "S", isn, nil)).packet(segment(server, "SA", 5000, nil))
		say("A", 0, nil)
	}
	messages := func() []trace.Frame {
		GinkgoHelper()
		return slices.DeleteFunc(t.read().Frames, func(f trace.Frame) bool { return f.Kind != trace.Message })
	}

	It("puts a message together from segments cut anywhere, byte by byte too (bad-input 18)", func() {
		stream := slices.Concat(message(30), message(0), message(7))
		for size := 1; size <= len(stream); size++ {
			t = newTape()
			handshake()
			n := 0
			for piece := range slices.Chunk(stream, size) {
				say("A", n, piece)
				n += len(piece)
			}
			got := messages()
			Expect(got).To(HaveExactElements(
				HaveField("Payload", message(30)), HaveField("Payload", message(0)), HaveField("Payload", message(7))))
			for i, end := range []int{34, 38, 49} {
				Expect(got[i].Number).To(Equal(3+(end+size-1)/size), "segments of %d bytes", size)
				Expect(got[i].Odd).To(BeEmpty())
			}
		}
	})

	It("takes two messages in one segment, and a header that ends in the next one (bad-input 18)", func() {
		stream := slices.Concat(message(3), message(0), message(5))
		for cut := 1; cut < 4; cut++ {
			t = newTape()
			handshake()
			say("A", 0, stream[:11+cut])
			say("PA", 11+cut, stream[11+cut:])
			Expect(messages()).To(HaveExactElements(
				And(HaveField("Payload", message(3)), HaveField("Number", 4)),
				And(HaveField("Payload", message(0)), HaveField("Number", 4)),
				And(HaveField("Payload", message(5)), HaveField("Number", 5))))
		}
	})

	It("takes ten thousand messages of no bytes for what they are (bad-input 17)", func() {
		handshake()
		stream := bytes.Repeat(message(0), 10000)
		for n := 0; n < len(stream); n += 1460 {
			say("A", n, stream[n:min(len(stream), n+1460)])
		}
		got := messages()
		Expect(got).To(HaveLen(10000))
		for _, f := range got {
			Expect(f.Payload).To(Equal(message(0)))
		}
	})

	It("goes by the outer length where names inside say otherwise (bad-input 18)", func() {
		handshake()
		request := fixtures.Named("session-request-length-short")
		say("PA", 0, append(slices.Clone(request), message(4)...))
		got := messages()
		Expect(got).NotTo(BeEmpty())
		Expect(got[0].Payload).To(HaveLen(4 + int(binary.BigEndian.Uint16(request[2:]))))
		_, err := nbt.ParseSessionMessage(got[0].Payload)
		Expect(err).To(MatchError(nbt.ErrTruncated))
	})

	It("tolerates segments that come late, twice, or overlap", func() {
		stream := slices.Concat(message(30), message(20), message(10))
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 1))
			var pieces [][2]int
			for i := range stream {
				pieces = append(pieces, [2]int{i, min(len(stream), i+1+r.IntN(20))})
			}
			r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
			t = newTape()
			handshake()
			for _, p := range pieces {
				say("A", p[0], stream[p[0]:p[1]])
			}
			say("FA", len(stream), nil)
			Expect(messages()).To(HaveExactElements(
				HaveField("Payload", message(30)), HaveField("Payload", message(20)), HaveField("Payload", message(10))))
			Expect(kinds()).To(Equal([]string{"connect", "message", "message", "message", "fin"}))
		}
	})

	It("gives a message the number of the last packet that it needed", func() {
		handshake()
		say("PA", 14, message(6)) // 4: the second message
		say("PA", 24, message(6)) // 5: the third
		say("PA", 0, message(10)) // 6: the first
		got := messages()
		Expect(got).To(HaveExactElements(HaveField("Number", 6), HaveField("Number", 6), HaveField("Number", 6)))
		Expect(got).To(HaveExactElements(
			HaveField("Payload", message(10)), HaveField("Payload", message(6)), HaveField("Payload", message(6))))
	})

	It("has Fin wait for the bytes before it, and tells it once", func() {
		handshake()
		say("FA", 10, nil)
		say("FA", 10, nil)
		say("PA", 0, message(6))
		say("FA", 10, nil)
		Expect(t.read().Frames[1:]).To(HaveExactElements(
			And(HaveField("Kind", trace.Message), HaveField("Number", 6)),
			And(HaveField("Kind", trace.Fin), HaveField("Number", 6)),
		))
	})

	It("takes a FIN with the last bytes", func() {
		handshake()
		say("FPA", 0, message(6))
		Expect(kinds()).To(Equal([]string{"connect", "message", "fin"}))
	})

	It("sees one Connect and one Refuse in a SYN that is sent again and refused again", func() {
		for range 3 {
			t.packet(segment(client, "S", isn, nil)).packet(segment(server, "RA", 0, nil))
		}
		Expect(kinds()).To(Equal([]string{"connect", "refuse"}))
	})

	It("takes RST after the handshake for a reset, from either side, once each", func() {
		handshake()
		t.packet(segment(server, "RA", 5001, nil)).packet(segment(server, "R", 5001, nil))
		say("RA", 0, nil)
		Expect(kinds()).To(Equal([]string{"connect", "reset", "reset"}))
	})

	It("takes RST for a reset where SYN/ACK was not captured, but its answer was", func() {
		t.packet(segment(client, "S", isn, nil))
		say("A", 0, nil)
		t.packet(segment(server, "RA", 5001, nil))
		Expect(kinds()).To(Equal([]string{"connect", "reset"}))
	})

	It("takes the client's own RST for a reset", func() {
		t.packet(segment(client, "S", isn, nil)).packet(segment(client, "R", isn+1, nil))
		Expect(kinds()).To(Equal([]string{"connect", "reset"}))
	})

	It("tells a new connection on the same ports from a SYN sent again", func() {
		handshake()
		t.packet(segment(client, "S", isn, nil))
		say("PA", 0, message(1))
		t.packet(segment(client, "S", 77, nil)).packet(segment(client, "PA", 78, message(2)))
		Expect(t.read().Frames).To(HaveExactElements(
			HaveField("Conn", 1), And(HaveField("Conn", 1), HaveField("Payload", message(1))),
			And(HaveField("Conn", 2), HaveField("Kind", trace.Connect)),
			And(HaveField("Conn", 2), HaveField("Payload", message(2))),
		))
	})

	It("tells a new connection from one of which only the end was captured", func() {
		t.packet(segment(client, "R", 9, nil)).packet(segment(client, "S", isn, nil))
		Expect(t.read().Frames).To(HaveExactElements(
			And(HaveField("Conn", 1), HaveField("Kind", trace.Reset)),
			And(HaveField("Conn", 2), HaveField("Kind", trace.Connect)),
		))
	})

	It("sees the SYN of a SYN/ACK that was captured before it", func() {
		t.packet(segment(server, "SA", 5000, nil)).packet(segment(client, "S", isn, nil))
		say("PA", 0, message(1))
		Expect(t.read().Frames).To(HaveExactElements(
			And(HaveField("Kind", trace.Connect), HaveField("From", client.from), HaveField("Conn", 1)),
			HaveField("Conn", 1),
		))
	})

	It("numbers a connection that was captured from its midst, without a Connect", func() {
		say("PA", 5000, message(6))
		t.packet(segment(line{2, at(third, 1025), at(pc, 139)}, "S", 1, nil))
		Expect(t.read().Frames).To(HaveExactElements(
			And(HaveField("Conn", 1), HaveField("Kind", trace.Message), HaveField("Odd", BeEmpty())),
			And(HaveField("Conn", 2), HaveField("Kind", trace.Connect)),
		))
	})

	It("finds the next message behind a gap within one", func() {
		handshake()
		say("A", 0, message(100)[:50])
		say("PA", 80, append(message(100)[80:], message(6)...))
		Expect(messages()).To(HaveExactElements(
			And(HaveField("Payload", slices.Concat(message(100)[:50], message(100)[80:])),
				HaveField("Odd", []string{"30 bytes of the message are missing"})),
			And(HaveField("Payload", message(6)), HaveField("Odd", BeEmpty())),
		))
	})

	It("begins afresh behind a gap that leaves the end of a message unknown", func() {
		handshake()
		say("A", 0, message(100)[:50])
		say("PA", 204, message(6))
		Expect(messages()).To(HaveExactElements(
			And(HaveField("Payload", message(100)[:50]), HaveField("Odd", []string{"50 of 104 bytes of a message before a gap"}),
				HaveField("Number", 4)),
			And(HaveField("Payload", message(6)), HaveField("Odd", []string{"follows a gap of 154 bytes"}),
				HaveField("Number", 5)),
		))
	})

	It("knows at once that what the snap length cut off will not come", func() {
		handshake()
		b := segment(client, "PA", isn+1, message(100))
		t.record(b[:len(b)-40], len(b))
		say("PA", 104, message(6))
		Expect(messages()).To(HaveExactElements(
			And(HaveField("Payload", message(100)[:64]), HaveField("Number", 4), HaveField("Odd", HaveExactElements(
				HavePrefix("cut by snap length"), "40 bytes of the message are missing"))),
			And(HaveField("Payload", message(6)), HaveField("Odd", BeEmpty())),
		))
	})

	It("knows where FIN is behind what the snap length cut off", func() {
		handshake()
		b := segment(client, "FPA", isn+1, message(100))
		t.record(b[:len(b)-40], len(b))
		Expect(t.read().Frames[1:]).To(HaveExactElements(
			And(HaveField("Kind", trace.Message), HaveField("Odd", ContainElement("40 bytes of the message are missing"))),
			HaveField("Kind", trace.Fin),
		))
	})

	It("notes bad checksums on the messages that the segment brought, and on the events", func() {
		handshake()
		b := segment(client, "FPA", isn+1, append(message(6), message(7)...))
		b[len(b)-1] ^= 1
		t.packet(b)
		odd := []string{"bad TCP checksum"}
		Expect(t.read().Frames).To(HaveExactElements(
			HaveField("Odd", BeEmpty()), HaveField("Odd", odd), HaveField("Odd", odd), HaveField("Odd", odd)))
	})

	DescribeTable("makes one frame of bytes that cannot be framed, as far as they are pushed",
		func(odd string, garbage ...byte) {
			handshake()
			say("A", 0, append(message(1), garbage...))
			say("PA", 5+len(garbage), []byte("more"))
			say("PA", 9+len(garbage), message(2))
			Expect(messages()).To(HaveExactElements(
				And(HaveField("Payload", message(1)), HaveField("Odd", BeEmpty())),
				And(HaveField("Payload", append(garbage, "more"...)), HaveField("Odd", []string{odd}), HaveField("Number", 5)),
				And(HaveField("Payload", message(2)), HaveField("Odd", BeEmpty())),
			))
		},
		Entry("an unknown type", "cannot be framed: unknown message type: 0x86", byte(0x86), byte(0), byte(0), byte(0)),
		Entry("a type alone", "cannot be framed: unknown message type: 0xff", byte(0xff)),
		Entry("reserved flags", "cannot be framed: reserved bit set: 0x02", byte(0), byte(2), byte(0), byte(0)),
	)

	It("does not collect what cannot be framed without end", func() {
		handshake()
		for n := range 300 {
			say("A", n*1000, bytes.Repeat([]byte{0xff}, 1000))
		}
		Expect(messages()).To(HaveLen(3))
	})

	It("gives the rest at the end, of header or message, with the reason", func() {
		handshake()
		say("A", 0, message(100)[:50])
		t.packet(segment(server, "A", 5001, []byte{0x82, 0}))
		t.packet(segment(server, "RA", 5003, nil))
		Expect(t.read().Frames[1:]).To(HaveExactElements(
			And(HaveField("Number", 4), HaveField("Odd", []string{
				"50 of 104 bytes of a message before the end of what was captured",
			})),
			And(HaveField("Number", 5), HaveField("Odd", []string{"2 of 4 bytes of a message's header before RST"})),
			And(HaveField("Number", 6), HaveField("Kind", trace.Reset)),
		))
	})

	It("gives up a gap once too much waits behind it", func() {
		handshake()
		n := 1000
		for range 70 { // more than 256 KiB
			say("PA", n, message(3996))
			n += 4000
		}
		say("PA", n, message(1))
		got := messages()
		Expect(got).To(HaveLen(71))
		Expect(got[0].Odd).To(Equal([]string{"follows a gap of 1000 bytes"}))
		Expect(got[70].Odd).To(BeEmpty())
	})

	It("does not hold small segments without end either", func() {
		handshake()
		for n := range 5000 {
			say("A", 100+n, []byte{0})
		}
		say("A", 0, make([]byte, 100))
		Expect(t.read().Skipped).To(HaveExactElements(HaveField("Why", "TCP data of a gap that was given up")))
	})

	It("counts what comes when its gap has been given up", func() {
		handshake()
		for n := range 70 {
			say("PA", 1000+n*4000, message(3996))
		}
		say("PA", 0, message(996))
		say("PA", 1000, message(3996)) // only sent again
		Expect(t.read().Skipped).To(Equal([]capture.Skip{{Why: "TCP data of a gap that was given up", Count: 1, First: 74}}))
	})

	It("waits for a gap however often what is behind it is sent again", func() {
		handshake()
		for range 1000 {
			say("PA", 10, message(996))
		}
		say("PA", 0, message(6))
		Expect(messages()).To(HaveExactElements(HaveField("Payload", message(6)), HaveField("Payload", message(996))))
		Expect(t.read().Skipped).To(BeEmpty())
	})

	It("counts data after its sender's end", func() {
		handshake()
		say("FPA", 0, message(6))
		say("FPA", 0, message(6))
		say("PA", 11, message(6))
		c := t.read()
		Expect(c.Frames).To(HaveLen(3))
		Expect(c.Skipped).To(Equal([]capture.Skip{{Why: "TCP data after its sender's FIN or RST", Count: 1, First: 6}}))
	})

	It("stops at a million frames, and says so", func() {
		handshake()
		empty := make([]byte, 60000) // messages without bytes
		for n := range 80 {
			say("PA", n*len(empty), empty)
		}
		c := t.read()
		Expect(len(c.Frames)).To(BeNumerically("~", 1<<20, 15000))
		Expect(c.Cut.Reason).To(Equal("more than 1048576 frames"))
		Expect(c.Packets).To(Equal(c.Cut.Packet - 1))
	})

	It("follows so many connections at once, and counts those that it forgets", func() {
		open := func(i int) {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1025)
			t.packet(segment(line{1, from, at(pc, 139)}, "S", 1, nil))
		}
		handshake()
		say("PA", 0, message(10)[:5])
		for i := range 4095 {
			open(i)
		}
		say("PA", 5, message(10)[5:10]) // it speaks up, and so is not the one that goes
		open(4095)
		open(4096)
		say("PA", 10, message(10)[10:])
		c := t.read()
		Expect(c.Skipped).To(HaveExactElements(And(
			HaveField("Why", "the connection silent for longest forgotten: more than 4096 at once"),
			HaveField("Count", 2))))
		Expect(c.Frames[len(c.Frames)-1]).To(And(
			HaveField("Payload", message(10)), HaveField("Conn", 1), HaveField("Odd", BeEmpty())))
	})
})

var _ = Describe("Reading what is damaged", func() {
	good := func() []byte { return written(everything()) }

	read := func(b []byte) (capture.Capture, error) { return capture.Read(bytes.NewReader(b)) }

	It("gives the frames up to where a file is cut, and says where (bad-input 36)", func() {
		file := good()[:20000]
		starts := []int{24}
		for end := 24; end+16 <= len(file); {
			end += 16 + int(binary.LittleEndian.Uint32(file[end+8:]))
			starts = append(starts, end)
		}
		whole := 0
		for n := 24; n < len(file); n++ {
			if whole+1 < len(starts) && n >= starts[whole+1] {
				whole++
			}
			c, err := read(file[:n])
			Expect(err).NotTo(HaveOccurred())
			Expect(c.Packets).To(Equal(whole))
			if n == starts[whole] {
				Expect(c.Cut).To(BeNil())
				continue
			}
			Expect(*c.Cut).To(And(HaveField("Offset", int64(starts[whole])), HaveField("Packet", whole+1)))
		}
	})

	It("names what is missing", func() {
		file := good()
		c, _ := read(file[:30])
		Expect(c.Cut.String()).To(Equal("cut at byte 24, packet 1: 6 of 16 bytes of a packet's header"))
		c, _ = read(file[:50])
		Expect(c.Cut.String()).To(Equal("cut at byte 24, packet 1: 10 of 54 bytes of a packet"))
	})

	It("does not believe a packet that claims more than 256 KiB (bad-input 34)", func() {
		file := good()
		binary.LittleEndian.PutUint32(file[24+8:], 1<<30)
		c, err := read(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Frames).To(BeEmpty())
		Expect(c.Cut.Reason).To(Equal("packet claims 1073741824 bytes, the limit is 262144"))
		c = newTape().packet(make([]byte, 256<<10+1)).read()
		Expect(c.Cut.Reason).To(Equal("packet claims 262145 bytes, the limit is 262144"))
	})

	It("allocates by what arrives, not by what is claimed (bad-input 34)", func() {
		claims := newTape().packet(make([]byte, 60)).buf
		binary.LittleEndian.PutUint32(claims[24+8:], 256<<10)
		Expect(allocated(func() { _, _ = read(claims) })).To(BeNumerically("<", 100<<10))
		binary.LittleEndian.PutUint32(claims[24+8:], 1<<30)
		Expect(allocated(func() { _, _ = read(claims) })).To(BeNumerically("<", 100<<10))
	})

	It("spends next to nothing on the smallest files that claim a gibibyte (bad-input 34)", func() {
		pcap := newTape().record(nil, 1<<30).buf
		binary.LittleEndian.PutUint32(pcap[32:], 1<<30)
		Expect(pcap).To(HaveLen(40))
		ng := newBlocks(binary.LittleEndian).nic(1, 0).enhanced(0, 1, []byte("four")).buf
		binary.LittleEndian.PutUint32(ng[48+20:], 1<<30)
		Expect(ng).To(HaveLen(84))
		longer := slices.Clone(ng)
		binary.LittleEndian.PutUint32(longer[48+4:], 1<<30+32)
		for _, file := range [][]byte{pcap, ng, longer} {
			var c capture.Capture
			Expect(allocated(func() { c, _ = read(file) })).To(BeNumerically("<", 100<<10))
			Expect(c.Frames).To(BeEmpty())
			Expect(c.Cut).NotTo(BeNil())
		}
	})

	It("reads a packet of 256 KiB", func() {
		c := newTape().packet(make([]byte, 256<<10)).packet(make([]byte, 60)).read()
		Expect(c.Packets).To(Equal(2))
		Expect(c.Cut).To(BeNil())
	})

	It("keeps what was read when the reader fails later", func() {
		file := good()
		broken := errors.New("disk on fire")
		c, err := capture.Read(io.MultiReader(bytes.NewReader(file[:1000]), iotest.ErrReader(broken)))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Frames).NotTo(BeEmpty())
		Expect(c.Cut.Reason).To(HaveSuffix(": disk on fire"))
		c, err = capture.Read(io.MultiReader(bytes.NewReader(file[:24]), iotest.ErrReader(broken)))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Cut.String()).To(Equal("cut at byte 24, packet 1: 0 of 16 bytes of a packet's header: disk on fire"))
		_, err = capture.Read(iotest.ErrReader(broken))
		Expect(err).To(MatchError(broken))
	})

	It("reads the same in whatever pieces the bytes come, and gives up on a reader that gives none", func() {
		whole, _ := read(good())
		for _, r := range []io.Reader{
			iotest.OneByteReader(bytes.NewReader(good())),
			iotest.DataErrReader(bytes.NewReader(good())),
			iotest.HalfReader(bytes.NewReader(good())),
		} {
			c, err := capture.Read(r)
			Expect(err).NotTo(HaveOccurred())
			Expect(c).To(Equal(whole))
		}
		_, err := capture.Read(stuck{})
		Expect(err).To(MatchError(io.ErrNoProgress))
	})

	DescribeTable("refuses what is no capture, or none that it knows, by name (bad-input 36, 39)",
		func(file []byte, message string) {
			_, err := read(file)
			Expect(err).To(MatchError(message))
		},
		Entry("nothing", nil, "capture: empty file"),
		Entry("too little", []byte{1, 2, 3}, "capture: 3 bytes are too few for a capture"),
		Entry("text", []byte("hello"), "capture: not a capture: begins with 68 65 6c 6c (want a pcap, pcapng or snoop file)"),
		Entry("another container", []byte("\xfd7zXZ\x00"),
			"capture: xz files are not supported (want pcap, pcapng or snoop, or one of them in gzip)"),
		Entry("half a pcapng", []byte("\x0a\x0d\x0d\x0a...."), "capture: pcapng file of 8 bytes is cut inside its header of 28"),
		Entry("gzip of nothing that is there", []byte("\x1f\x8b\x08\x00..."), "capture: the compressed data ends early"),
		Entry("half a snoop", []byte("snoop\x00\x00\x00..."), "capture: snoop file of 11 bytes is cut inside its header of 16"),
		Entry("half a header", newTape().buf[:23], "capture: pcap file of 23 bytes is cut inside its header of 24"),
		Entry("another version", append([]byte("\xd4\xc3\xb2\xa1\x03\x00\x01\x00"), make([]byte, 16)...),
			"capture: pcap version 3.1 is not supported (want 2.4)"),
		Entry("another link type", newTape().header(0, 127).buf, "capture: link type 127 (radiotap) is not supported"),
		Entry("an unknown link type", newTape().header(0, 147).buf, "capture: link type 147 is not supported"),
	)

	It("survives random bytes, alone and behind a good header (bad-input 36)", func() {
		r := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			b := make([]byte, 300)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			_, _ = read(b)
			c, err := read(append(newTape().buf, b...))
			Expect(err).NotTo(HaveOccurred())
			Expect(c.Cut).NotTo(BeNil())
		}
	})

	It("survives good packets in which bits have been changed", func() {
		file := good()
		r := rand.New(rand.NewPCG(3, 4))
		for range 300 {
			b := slices.Clone(file)
			for range 20 {
				b[24+r.IntN(len(b)-24)] ^= 1 << r.IntN(8)
			}
			c, err := read(b)
			Expect(err).NotTo(HaveOccurred())
			Expect(payloadBytes(c)).To(BeNumerically("<=", len(b)))
		}
	})
})

// stuck is a reader that never gives anything.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func payloadBytes(c capture.Capture) (n int) {
	for _, f := range c.Frames {
		n += len(f.Payload)
	}
	return n
}
