// SPDX-License-Identifier: MIT

package nbt_test

import (
	"net/netip"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
)

var _ = Describe("Splitting a datagram", func() {
	// 576 bytes without 28 of IP and UDP headers, 14 of our header and 68 of names
	const room = 466

	It("leaves one that fits as it is", func() {
		m := nbt.UniqueDatagram(1, from, peer, demo, make([]byte, room))
		first, _, more := m.Split()
		Expect(more).To(BeFalse())
		Expect(first).To(Equal(m))
		Expect(first.AppendBinary(nil)).To(HaveLen(nbt.MaxDatagramPayload))
	})

	It("puts names into the first fragment alone and counts the bytes sent", func() {
		first, rest, more := nbt.UniqueDatagram(1, from, peer, demo, make([]byte, room+1)).Split()
		Expect(more).To(BeTrue())
		Expect(first.AppendBinary(nil)).To(HaveLen(nbt.MaxDatagramPayload))
		Expect(first.Flags).To(Equal(nbt.DgmFirst | nbt.DgmMore))
		Expect(rest.Flags).To(BeZero())
		Expect(rest.Offset).To(Equal(uint16(room)))
		Expect(rest.Data).To(HaveLen(1))
		_, _, more = rest.Split()
		Expect(more).To(BeFalse())
	})

	It("goes on until nothing is left, losing nothing", func() {
		data := []byte(strings.Repeat("0123456789", 200))
		var got []byte
		rest, more := nbt.GroupDatagram(1, from, peer, demo, data).InScope("LAB"), true
		for more {
			var first nbt.DatagramMessage
			first, rest, more = rest.Split()
			Expect(first.Offset).To(BeEquivalentTo(len(got)))
			if more {
				Expect(first.Flags & nbt.DgmMore).NotTo(BeZero())
			} else {
				Expect(first.Flags & nbt.DgmMore).To(BeZero())
			}
			b, err := first.AppendBinary(nil)
			Expect(err).NotTo(HaveOccurred())
			Expect(len(b)).To(BeNumerically("<=", nbt.MaxDatagramPayload))
			parsed, err := nbt.ParseDatagram(b)
			Expect(err).NotTo(HaveOccurred())
			got = append(got, parsed.Data...)
		}
		Expect(string(got)).To(Equal(string(data)))
	})
})

var _ = Describe("Encoding a datagram service message", func() {
	DescribeTable("refuses what has no encoding and leaves the bytes as they were",
		func(m nbt.DatagramMessage, field string, cause error) {
			b, err := m.AppendBinary([]byte("before"))
			Expect(err).To(MatchError(cause))
			Expect(err.Error()).To(HavePrefix("nbt: cannot encode " + field + ": "))
			Expect(string(b)).To(Equal("before"))
		},
		Entry("a type that is none", nbt.DatagramMessage{Type: 0x17, Source: from}, "MSG_TYPE", nbt.ErrType),
		Entry("no source address", nbt.DatagramMessage{Type: nbt.DgmError}, "SOURCE_IP", nbt.ErrNotIPv4),
		Entry("an IPv6 source address",
			nbt.ErrorDatagram(1, netip.AddrPortFrom(netip.IPv6Loopback(), 138), 0x82), "SOURCE_IP", nbt.ErrNotIPv4),
		Entry("names in a scope that is none",
			nbt.UniqueDatagram(1, from, peer, demo, nil).InScope("."), "SOURCE_NAME", nbt.ErrScope),
		Entry("a destination in a scope that is none",
			nbt.DatagramMessage{Type: nbt.DgmUnique, Flags: nbt.DgmFirst, Source: from, DestScope: "."},
			"DESTINATION_NAME", nbt.ErrScope),
		Entry("a destination asked for in a scope that is none",
			nbt.QueryDatagram(1, from, demo).InScope("."), "DESTINATION_NAME", nbt.ErrScope),
		Entry("more data than DGM_LENGTH can say",
			nbt.UniqueDatagram(1, from, peer, demo, make([]byte, 0x10000-68)), "DGM_LENGTH", nbt.ErrRange),
	)
})

var _ = Describe("A datagram service message on one line", func() {
	DescribeTable("says what it is",
		func(vector, line string) {
			m, err := nbt.ParseDatagram(fixtures.Named(vector))
			Expect(err).NotTo(HaveOccurred())
			Expect(m.String()).To(Equal(line))
		},
		Entry("datagram", "datagram", `direct unique datagram DEMOAPP<41> from PEER<00> "hello", id 0x2001`),
		Entry("group", "datagram-group", `direct group datagram DEMOAPP<41> from PEER<00> "hello", id 0x2002`),
		Entry("broadcast", "datagram-broadcast", `broadcast datagram * from PEER<00> "hello", id 0x2003`),
		Entry("scope", "datagram-scope",
			`direct unique datagram DEMOAPP<41>.LAB from PEER<00>.LAB "scf\xf0ed", id 0x2008`),
		Entry("fragment", "datagram-middle",
			`direct unique datagram fragment at 466 "cccc", more follows, id 0x2006`),
		Entry("error", "datagram-error", "datagram error 0x82 destination name not present, id 0x2001"),
		Entry("query", "datagram-query", "datagram query request DEMOAPP<41>, id 0x2009"),
		Entry("negative", "datagram-negative", "datagram negative query response DEMOAPP<41>, id 0x2009"),
	)
})
