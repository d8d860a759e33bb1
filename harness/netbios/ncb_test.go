// SPDX-License-Identifier: MIT

package netbios_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

var _ = Describe("A return code", func() {
	DescribeTable("has its value and name in nb30.h",
		func(c netbios.Code, value int, name string) {
			Expect(int(c)).To(Equal(value))
			Expect(c.String()).To(Equal(name))
			parsed, ok := netbios.ParseCode(name)
			Expect(ok).To(BeTrue())
			Expect(parsed).To(Equal(c))
		},
		Entry(nil, netbios.GOODRET, 0x00, "NRC_GOODRET"), Entry(nil, netbios.BUFLEN, 0x01, "NRC_BUFLEN"),
		Entry(nil, netbios.ILLCMD, 0x03, "NRC_ILLCMD"), Entry(nil, netbios.CMDTMO, 0x05, "NRC_CMDTMO"),
		Entry(nil, netbios.INCOMP, 0x06, "NRC_INCOMP"), Entry(nil, netbios.BADDR, 0x07, "NRC_BADDR"),
		Entry(nil, netbios.SNUMOUT, 0x08, "NRC_SNUMOUT"), Entry(nil, netbios.NORES, 0x09, "NRC_NORES"),
		Entry(nil, netbios.SCLOSED, 0x0a, "NRC_SCLOSED"), Entry(nil, netbios.CMDCAN, 0x0b, "NRC_CMDCAN"),
		Entry(nil, netbios.DUPNAME, 0x0d, "NRC_DUPNAME"), Entry(nil, netbios.NAMTFUL, 0x0e, "NRC_NAMTFUL"),
		Entry(nil, netbios.ACTSES, 0x0f, "NRC_ACTSES"), Entry(nil, netbios.LOCTFUL, 0x11, "NRC_LOCTFUL"),
		Entry(nil, netbios.REMTFUL, 0x12, "NRC_REMTFUL"), Entry(nil, netbios.ILLNN, 0x13, "NRC_ILLNN"),
		Entry(nil, netbios.NOCALL, 0x14, "NRC_NOCALL"), Entry(nil, netbios.NOWILD, 0x15, "NRC_NOWILD"),
		Entry(nil, netbios.INUSE, 0x16, "NRC_INUSE"), Entry(nil, netbios.NAMERR, 0x17, "NRC_NAMERR"),
		Entry(nil, netbios.SABORT, 0x18, "NRC_SABORT"), Entry(nil, netbios.NAMCONF, 0x19, "NRC_NAMCONF"),
		Entry(nil, netbios.IFBUSY, 0x21, "NRC_IFBUSY"), Entry(nil, netbios.TOOMANY, 0x22, "NRC_TOOMANY"),
		Entry(nil, netbios.BRIDGE, 0x23, "NRC_BRIDGE"), Entry(nil, netbios.CANOCCR, 0x24, "NRC_CANOCCR"),
		Entry(nil, netbios.CANCEL, 0x26, "NRC_CANCEL"), Entry(nil, netbios.DUPENV, 0x30, "NRC_DUPENV"),
		Entry(nil, netbios.ENVNOTDEF, 0x34, "NRC_ENVNOTDEF"), Entry(nil, netbios.OSRESNOTAV, 0x35, "NRC_OSRESNOTAV"),
		Entry(nil, netbios.MAXAPPS, 0x36, "NRC_MAXAPPS"), Entry(nil, netbios.NORESOURCES, 0x38, "NRC_NORESOURCES"),
		Entry(nil, netbios.INVADDRESS, 0x39, "NRC_INVADDRESS"), Entry(nil, netbios.PENDING, 0xff, "NRC_PENDING"),
	)

	It("without a name is a number", func() {
		Expect(netbios.Code(0x02).String()).To(Equal("NRC 0x02"))
		Expect(netbios.Code(0xfe).String()).To(Equal("NRC 0xfe"))
	})

	It("is not read from anything else", func() {
		for _, s := range []string{"", "GOODRET", "nrc_goodret", "NRC_", "NRC 0x02", "NRC_GOODRET "} {
			_, ok := netbios.ParseCode(s)
			Expect(ok).To(BeFalse(), s)
		}
	})

	It("is listed in the order of the values", func() {
		names := netbios.CodeNames()
		Expect(names).To(HaveLen(34))
		last := -1
		for _, n := range names {
			c, ok := netbios.ParseCode(n)
			Expect(ok).To(BeTrue(), n)
			Expect(int(c)).To(BeNumerically(">", last), n)
			last = int(c)
		}
	})
})

var _ = Describe("A command", func() {
	DescribeTable("has its value and name in the IBM manual",
		func(c netbios.Command, value int, name string) {
			Expect(int(c)).To(Equal(value))
			Expect(c.String()).To(Equal(name))
			Expect((c | netbios.NoWait).String()).To(Equal(name))
		},
		Entry(nil, netbios.Call, 0x10, "CALL"), Entry(nil, netbios.Listen, 0x11, "LISTEN"),
		Entry(nil, netbios.HangUp, 0x12, "HANG UP"), Entry(nil, netbios.Send, 0x14, "SEND"),
		Entry(nil, netbios.Receive, 0x15, "RECEIVE"), Entry(nil, netbios.ReceiveAny, 0x16, "RECEIVE ANY"),
		Entry(nil, netbios.SendDatagram, 0x20, "SEND DATAGRAM"), Entry(nil, netbios.ReceiveDatagram, 0x21, "RECEIVE DATAGRAM"),
		Entry(nil, netbios.SendBroadcast, 0x22, "SEND BROADCAST"),
		Entry(nil, netbios.ReceiveBroadcast, 0x23, "RECEIVE BROADCAST"),
		Entry(nil, netbios.AddName, 0x30, "ADD NAME"), Entry(nil, netbios.DeleteName, 0x31, "DELETE NAME"),
		Entry(nil, netbios.Reset, 0x32, "RESET"), Entry(nil, netbios.AdapterStatus, 0x33, "ADAPTER STATUS"),
		Entry(nil, netbios.SessionStatus, 0x34, "SESSION STATUS"), Entry(nil, netbios.Cancel, 0x35, "CANCEL"),
		Entry(nil, netbios.AddGroupName, 0x36, "ADD GROUP NAME"), Entry(nil, netbios.FindName, 0x78, "FIND NAME"),
	)

	It("that is not known is a number", func() {
		Expect(netbios.Command(0x7f).String()).To(Equal("command 0x7f"))
		Expect(netbios.Command(0xf1).String()).To(Equal("command 0xf1"))
	})
})

var _ = Describe("Limits", func() {
	DescribeTable("have defaults and maxima",
		func(given, want netbios.Limits) { Expect(given.WithDefaults()).To(Equal(want)) },
		Entry("none", netbios.Limits{}, netbios.Limits{Names: 16, Sessions: 16}),
		Entry("negative", netbios.Limits{Names: -1, Sessions: -5}, netbios.Limits{Names: 16, Sessions: 16}),
		Entry("the least", netbios.Limits{Names: 1, Sessions: 1}, netbios.Limits{Names: 1, Sessions: 1}),
		Entry("the most", netbios.Limits{Names: 253, Sessions: 254}, netbios.Limits{Names: 253, Sessions: 254}),
		Entry("more", netbios.Limits{Names: 254, Sessions: 255}, netbios.Limits{Names: 253, Sessions: 254}),
	)
})

var _ = Describe("An ADAPTER STATUS buffer", func() {
	// buffer has room for so many bytes of a header that counts names, and of rows A<04>, B<04> and so on.
	buffer := func(count, length int) []byte {
		b := make([]byte, 60, 60+18*count)
		b[58], b[59] = byte(count), byte(count>>8)
		for i := range count {
			n, _ := netbios.MakeName(fmt.Sprintf("N%d", i), 4)
			b = append(append(b, n[:]...), byte(i+2), 0x84)
		}
		return b[:min(length, len(b))]
	}

	It("gives its rows", func() {
		rows, err := netbios.ParseStatus(buffer(2, 999))
		Expect(err).NotTo(HaveOccurred())
		first, _ := netbios.ParseName("N0<04>")
		second, _ := netbios.ParseName("N1<04>")
		Expect(rows).To(Equal([]netbios.NameRow{{Name: first, Num: 2, Flags: 0x84}, {Name: second, Num: 3, Flags: 0x84}}))
	})

	It("gives the rows that are whole, wherever it is cut", func() {
		for length := 60; length <= 60+3*18; length++ {
			rows, err := netbios.ParseStatus(buffer(3, length))
			Expect(err).NotTo(HaveOccurred())
			Expect(rows).To(HaveLen((length - 60) / 18))
		}
	})

	It("gives no more rows than it counts", func() {
		rows, err := netbios.ParseStatus(append(buffer(1, 999), make([]byte, 500)...))
		Expect(err).NotTo(HaveOccurred())
		Expect(rows).To(HaveLen(1))
		rows, err = netbios.ParseStatus(buffer(300, 9999))
		Expect(err).NotTo(HaveOccurred())
		Expect(rows).To(HaveLen(300))
	})

	It("without a whole header is an error", func() {
		for _, length := range []int{0, 59} {
			_, err := netbios.ParseStatus(make([]byte, length))
			Expect(err).To(MatchError(fmt.Sprintf("netbios: adapter status of %d bytes, the header alone has 60", length)))
		}
	})
})
