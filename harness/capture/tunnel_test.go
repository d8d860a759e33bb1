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

// carried is an Ethernet frame with an IPv4 packet of a protocol.
func carried(protocol byte, payload ...[]byte) []byte {
	b := slices.Concat(append([][]byte{nameQuery()[:34]}, payload...)...)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
	b[23] = protocol
	return b
}

// inUDP is an Ethernet frame with a UDP datagram to a port.
func inUDP(port uint16, payload ...[]byte) []byte {
	return datagram(at(third, 5000), netip.AddrPortFrom(pc, port), slices.Concat(payload...))
}

func text(s string) []byte { return []byte(s) }

var _ = Describe("Reading what a tunnel carries", func() {
	outer, inner := nameQuery, nameQuery

	DescribeTable("takes it out, and names the tunnel",
		func(packet func() []byte, tunnel string) {
			frames, skipped := on(1, packet())
			Expect(skipped).To(BeEmpty())
			Expect(frames).To(HaveLen(1))
			Expect(frames[0].Payload).To(Equal(query))
			Expect(frames[0].Tunnel).To(Equal(tunnel))
			Expect(frames[0].From).To(Equal(at(pc, 137)))
			Expect(frames[0].Odd).To(BeEmpty())
		},
		Entry("IP in IP", func() []byte { return carried(4, ip()) }, "IP in IP"),
		Entry("GRE", func() []byte { return carried(47, text("\x00\x00\x08\x00"), ip()) }, "GRE"),
		Entry("GRE with all its fields",
			func() []byte { return carried(47, text("\xb0\x00\x08\x00............"), ip()) }, "GRE"),
		Entry("GRE with Ethernet", func() []byte { return carried(47, text("\x00\x00\x65\x58"), inner()) }, "GRE"),
		Entry("GRE with MPLS",
			func() []byte { return carried(47, text("\x00\x00\x88\x47\x00\x00\x21\x40"), ip()) }, "GRE"),
		Entry("GRE of PPTP",
			func() []byte { return carried(47, text("\x30\x81\x88\x0b............\xff\x03\x00\x21"), ip()) }, "GRE"),
		Entry("ERSPAN I", func() []byte { return carried(47, text("\x00\x00\x88\xbe"), inner()) }, "ERSPAN I"),
		Entry("ERSPAN II",
			func() []byte { return carried(47, text("\x10\x00\x88\xbe....\x10\x05\x00\x01...."), inner()) }, "ERSPAN II"),
		Entry("ERSPAN III", func() []byte {
			return carried(47, text("\x10\x00\x22\xeb....\x20\x05\x00\x01......\x00\x00"), inner())
		}, "ERSPAN III"),
		Entry("ERSPAN III with its platform's header", func() []byte {
			return carried(47, text("\x10\x00\x22\xeb....\x20\x05\x00\x01......\x00\x01........"), inner())
		}, "ERSPAN III"),
		Entry("ERSPAN III with IP", func() []byte {
			return carried(47, text("\x10\x00\x22\xeb....\x20\x05\x00\x01......\x08\x00"), ip())
		}, "ERSPAN III"),
		Entry("L2TP", func() []byte { return inUDP(1701, text("\x00\x02....\xff\x03\x00\x21"), ip()) }, "L2TP"),
		Entry("L2TP with all its fields", func() []byte {
			return inUDP(1701, text("\x4a\x02..........\x00\x03...\x21"), ip())
		}, "L2TP"),
		Entry("VXLAN", func() []byte { return inUDP(4789, text("\x08......."), inner()) }, "VXLAN"),
		Entry("GRE in UDP", func() []byte { return inUDP(4754, text("\x00\x00\x08\x00"), ip()) }, "GRE"),
	)

	DescribeTable("says which tunnel it does not open",
		func(packet func() []byte, why string) {
			frames, skipped := on(1, packet())
			Expect(frames).To(BeEmpty())
			Expect(skipped).To(Equal([]capture.Skip{{Why: why, Count: 1, First: 1}}))
		},
		Entry("two levels", func() []byte { return carried(4, carried(4, ip())[14:]) }, "a tunnel inside a tunnel"),
		Entry("GRE in GRE", func() []byte {
			return carried(47, text("\x00\x00\x08\x00"), carried(47, text("\x00\x00\x08\x00"), ip())[14:])
		}, "a tunnel inside a tunnel"),
		Entry("6in4", func() []byte { return carried(41, text("\x60")) }, "tunnel not opened: IPv6 in IPv4"),
		Entry("ESP", func() []byte { return carried(50, text("....")) }, "tunnel not opened: IPsec"),
		Entry("AH", func() []byte { return carried(51, text("....")) }, "tunnel not opened: IPsec"),
		Entry("ESP in UDP", func() []byte { return inUDP(4500, text("....")) }, "tunnel not opened: IPsec"),
		Entry("Teredo", func() []byte { return inUDP(3544, text("\x60...")) }, "tunnel not opened: Teredo (IPv6)"),
		Entry("Geneve", func() []byte { return inUDP(6081, text("....")) }, "tunnel not opened: Geneve"),
		Entry("GTP", func() []byte { return inUDP(2152, text("....")) }, "tunnel not opened: GTP"),
		Entry("L2TP control", func() []byte { return inUDP(1701, text("\xc8\x02..........")) }, "L2TP control message"),
		Entry("L2TP 3", func() []byte { return inUDP(1701, text("\x00\x03..........")) },
			"tunnel not opened: L2TP other than version 2"),
		Entry("L2TP cut", func() []byte { return inUDP(1701, text("\x02\x02....\x00")) }, "too short for its headers"),
		Entry("L2TP with an offset beyond", func() []byte { return inUDP(1701, text("\x02\x02....\xff\xff..")) },
			"too short for its headers"),
		Entry("VXLAN cut", func() []byte { return inUDP(4789, text("...")) }, "too short for its headers"),
		Entry("UDP cut", func() []byte { return inUDP(4789, text("..."))[:38] }, "too short for its headers"),
		Entry("GRE with routing", func() []byte { return carried(47, text("\x40\x00\x08\x00....")) },
			"tunnel not opened: GRE with routing"),
		Entry("GRE of the future", func() []byte { return carried(47, text("\x00\x02\x08\x00....")) },
			"tunnel not opened: GRE of another version"),
		Entry("GRE of WCCP", func() []byte { return carried(47, text("\x00\x00\x88\x3e....")) },
			"tunnel not opened: GRE of another protocol"),
		Entry("GRE with IPv6", func() []byte { return carried(47, text("\x00\x00\x86\xdd\x60...")) }, "IPv6"),
		Entry("GRE cut", func() []byte { return carried(47, text("\x20\x00\x08\x00.")) }, "too short for its headers"),
		Entry("GRE acknowledgement", func() []byte { return carried(47, text("\x20\x81\x88\x0b........")) },
			"PPP control protocol"),
		Entry("ERSPAN III with another frame", func() []byte { return carried(47, text("\x00\x00\x22\xeb..........\x0c\x00")) },
			"tunnel not opened: ERSPAN of what is not Ethernet"),
		Entry("ERSPAN II cut", func() []byte { return carried(47, text("\x10\x00\x88\xbe.......")) },
			"too short for its headers"),
		Entry("ERSPAN III cut", func() []byte { return carried(47, text("\x00\x00\x22\xeb...........")) },
			"too short for its headers"),
	)

	It("opens no tunnel on our own ports", func() {
		frames, _ := on(1, datagram(at(pc, 137), at(peer, 1701), query))
		Expect(frames).To(HaveExactElements(HaveField("Tunnel", BeEmpty())))
	})

	It("hands over what an ICMP error quotes only if asked to, and never pieces of TCP", func() {
		quote := carried(1, text("\x03\x03......"), outer()[14:][:28])
		file := newTape().packet(quote).buf
		frames, s := good(file)
		Expect(frames).To(BeEmpty())
		Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "quoted in an ICMP error", Count: 1, First: 1}}))
		frames, _, err := streamed(file, capture.Options{Quoted: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(frames).To(HaveExactElements(And(
			HaveField("Tunnel", "ICMP error"), HaveField("Payload", BeEmpty()),
			HaveField("Odd", ContainElement("UDP length 20 but 8 bytes captured")))))

		tcp := segment(line{1, at(pc, 1025), at(peer, 139)}, "PA", 1, message(4))[14:]
		for payload, why := range map[string]string{
			"\x03\x03......" + string(tcp):                 "quoted in an ICMP error",
			"\x08\x00......" + string(outer()[14:]):        "neither UDP nor TCP",
			"\x03\x03......" + string(inUDP(53, nil)[14:]): "neither UDP nor TCP",
			"\x03\x03": "neither UDP nor TCP",
		} {
			_, s, err := streamed(newTape().packet(carried(1, text(payload))).buf, capture.Options{Quoted: true})
			Expect(err).NotTo(HaveOccurred())
			Expect(s.Skipped).To(HaveExactElements(HaveField("Why", why)))
		}
	})

	It("puts sessions together that come through a tunnel", func() {
		l := line{1, at(peer, 1025), at(pc, 139)}
		t := newTape()
		for i, b := range message(20) {
			t.packet(carried(4, segment(l, "A", uint32(7+i), []byte{b})[14:]))
		}
		frames, _ := good(t.buf)
		Expect(frames).To(HaveExactElements(And(
			HaveField("Payload", message(20)), HaveField("Tunnel", "IP in IP"), HaveField("Number", 24))))
	})
})
