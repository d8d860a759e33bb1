// SPDX-License-Identifier: MIT

package capture_test

import (
	"encoding/binary"
	"net/netip"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
)

// on is the only frame of a packet on a link type, and what was skipped.
func on(link uint32, packet []byte) ([]capture.Frame, []capture.Skip) {
	GinkgoHelper()
	frames, s := good(newTape().header(65535, link).packet(packet).buf)
	return frames, s.Skipped
}

func ip() []byte { return nameQuery()[14:] }

func ether(etherType string, rest []byte) []byte {
	return slices.Concat(nameQuery()[:12], []byte(etherType), rest)
}

var _ = Describe("Reading a link type (bad-input 39)", func() {
	sll := func(kind byte, protocol ...byte) []byte {
		return slices.Concat([]byte{0, kind, 0, 1, 0, 6}, make([]byte, 8), protocol, ip())
	}
	sll2 := func(kind byte) []byte {
		return slices.Concat([]byte{8, 0, 0, 0, 0, 0, 0, 2, 0, 1, kind, 6}, make([]byte, 8), ip())
	}

	DescribeTable("finds IPv4 in it",
		func(link int, packet func() []byte, broadcast bool) {
			frames, skipped := on(uint32(link), packet())
			Expect(skipped).To(BeEmpty())
			Expect(frames).To(HaveLen(1))
			Expect(frames[0].Payload).To(Equal(query))
			Expect(frames[0].Odd).To(BeEmpty())
			Expect(frames[0].Broadcast).To(Equal(broadcast))
			Expect(frames[0].Tunnel).To(BeEmpty())
		},
		Entry("Ethernet", 1, nameQuery, false),
		Entry("802.1Q (bad-input 20)", 1, func() []byte { return ether("\x81\x00\x00\x05\x08\x00", ip()) }, false),
		Entry("QinQ", 1, func() []byte { return ether("\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", ip()) }, false),
		Entry("QinQ of old", 1, func() []byte { return ether("\x91\x00\x00\x05\x81\x00\x00\x06\x08\x00", ip()) }, false),
		Entry("SNAP", 1, func() []byte { return ether("\x00\x30\xaa\xaa\x03\x00\x00\x00\x08\x00", ip()) }, false),
		Entry("MPLS", 1, func() []byte { return ether("\x88\x47\x00\x00\x10\x40\x00\x00\x21\x40", ip()) }, false),
		Entry("PPPoE", 1, func() []byte { return ether("\x88\x64\x11\x00\x00\x01\x00\x2a\x00\x21", ip()) }, false),
		Entry("Linux cooked", 113, func() []byte { return sll(0, 8, 0) }, false),
		Entry("Linux cooked, broadcast", 113, func() []byte { return sll(1, 8, 0) }, true),
		Entry("Linux cooked, multicast", 113, func() []byte { return sll(2, 8, 0) }, true),
		Entry("Linux cooked, sent by us, tagged", 113, func() []byte { return sll(4, 0x81, 0, 0, 5, 8, 0) }, false),
		Entry("Linux cooked 2", 276, func() []byte { return sll2(4) }, false),
		Entry("Linux cooked 2, broadcast", 276, func() []byte { return sll2(1) }, true),
		Entry("raw IP", 101, ip, false),
		Entry("raw IP, to 255.255.255.255", 101, func() []byte {
			return datagram(at(pc, 137), at(netip.MustParseAddr("255.255.255.255"), 137), query)[14:]
		}, true),
		Entry("raw IP of BSD", 12, ip, false),
		Entry("raw IP of OpenBSD", 14, ip, false),
		Entry("raw IPv4", 228, ip, false),
		Entry("null, little-endian", 0, func() []byte { return append([]byte{2, 0, 0, 0}, ip()...) }, false),
		Entry("null, big-endian", 0, func() []byte { return append([]byte{0, 0, 0, 2}, ip()...) }, false),
		Entry("loop", 108, func() []byte { return append([]byte{0, 0, 0, 2}, ip()...) }, false),
		Entry("PPP", 9, func() []byte { return append([]byte{0, 0x21}, ip()...) }, false),
		Entry("PPP with a short protocol number", 9, func() []byte { return append([]byte{0x21}, ip()...) }, false),
		Entry("PPP with HDLC's address", 9, func() []byte { return append([]byte{0xff, 3, 0, 0x21}, ip()...) }, false),
		Entry("PPP in HDLC", 50, func() []byte { return append([]byte{0xff, 3, 0, 0x21}, ip()...) }, false),
		Entry("Cisco HDLC", 104, func() []byte { return append([]byte{0x0f, 0, 8, 0}, ip()...) }, false),
		Entry("Cisco HDLC for PPP", 50, func() []byte { return append([]byte{0x8f, 0, 8, 0}, ip()...) }, false),
		Entry("PPP with a direction", 204, func() []byte { return append([]byte{1, 0xff, 3, 0, 0x21}, ip()...) }, false),
		Entry("PPPoE alone", 51, func() []byte { return append([]byte("\x11\x00\x00\x01\x00\x2a\x00\x21"), ip()...) }, false),
	)

	DescribeTable("says why it does not",
		func(link int, packet []byte, why string) {
			frames, skipped := on(uint32(link), packet)
			Expect(frames).To(BeEmpty())
			Expect(skipped).To(Equal([]capture.Skip{{Why: why, Count: 1, First: 1}}))
		},
		Entry("ARP (bad-input 20)", 1, ether("\x08\x06", make([]byte, 28)), "not IPv4"),
		Entry("IPv6 (bad-input 20)", 1, ether("\x86\xdd", make([]byte, 60)), "IPv6"),
		Entry("IPv6 by its number", 101, append([]byte{0x60}, make([]byte, 60)...), "IPv6"),
		Entry("IPv6 of FreeBSD", 0, []byte{28, 0, 0, 0, 0x60}, "IPv6"),
		Entry("IPv6 in PPP", 9, []byte{0, 0x57, 0x60}, "IPv6"),
		Entry("AppleTalk's family", 0, []byte{16, 0, 0, 0, 0x60}, "not IPv4"),
		Entry("neither version", 101, []byte{0x70, 0, 0, 0}, "not IPv4"),
		Entry("nothing", 101, nil, "too short for its headers"),
		Entry("NetBEUI", 1, ether("\x00\x20\xf0\xf0\x03", make([]byte, 40)), "NetBEUI: NetBIOS without TCP/IP"),
		Entry("spanning tree", 1, ether("\x00\x20\x42\x42\x03", make([]byte, 40)), "not IPv4"),
		Entry("Cisco's SNAP", 1, ether("\x00\x20\xaa\xaa\x03\x00\x00\x0c\x20\x00", make([]byte, 40)), "not IPv4"),
		Entry("SNAP in SNAP", 1, ether("\x00\x20\xaa\xaa\x03\x00\x00\x00\x00\x20", make([]byte, 40)), "not IPv4"),
		Entry("half of SNAP", 1, ether("\x00\x20\xaa\xaa\x03\x00", nil), "too short for its headers"),
		Entry("half of LLC", 1, ether("\x00\x20\xaa", nil), "too short for its headers"),
		Entry("half of a label", 1, ether("\x88\x47\x00\x00\x10", nil), "too short for its headers"),
		Entry("labels without end", 1, ether("\x88\x47", make([]byte, 64)), "too short for its headers"),
		Entry("half of PPPoE", 1, ether("\x88\x64\x11\x00", nil), "too short for its headers"),
		Entry("PPPoE discovery", 51, []byte("\x11\x09\x00\x00\x00\x04\x01\x01\x00\x00"), "PPP control protocol"),
		Entry("LCP", 9, []byte{0xc0, 0x21, 1, 1, 0, 4}, "PPP control protocol"),
		Entry("compressed PPP", 9, []byte{0, 0xfd, 1, 1}, "compressed or encrypted PPP"),
		Entry("IPX in PPP", 9, []byte{0, 0x2b, 1, 1}, "not IPv4"),
		Entry("half of PPP", 9, []byte{0}, "too short for its headers"),
		Entry("PPP of a direction alone", 204, nil, "too short for its headers"),
		Entry("PPP of an address alone", 9, []byte{0xff, 3}, "too short for its headers"),
		Entry("half of a cooked header", 113, make([]byte, 15), "too short for its headers"),
		Entry("half of a cooked header 2", 276, make([]byte, 19), "too short for its headers"),
		Entry("half of a family", 0, make([]byte, 3), "too short for its headers"),
		Entry("not HDLC", 104, []byte{1, 2, 3, 4}, "not IPv4"),
	)

	It("counts reasons up to a limit, and the rest together", func() {
		b := newBlocks(binary.LittleEndian).nic(1, 0).enhanced(0, 1, nameQuery())
		for i := range 100 {
			b.nic(uint16(1000+i), 0).enhanced(uint32(1+i), 1, nameQuery())
		}
		_, s := good(b.buf)
		Expect(s.Skipped).To(HaveLen(64))
		Expect(s.Skipped[63]).To(Equal(capture.Skip{Why: "other reasons", Count: 37, First: 65}))
	})
})
