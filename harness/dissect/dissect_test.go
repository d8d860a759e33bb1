// SPDX-License-Identifier: MIT

package dissect_test

import (
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var (
	pc   = netip.MustParseAddr("10.0.0.10")
	peer = netip.MustParseAddr("10.0.0.20")
)

// frame is a frame of a service with a payload, from pc to peer.
func frame(number int, s capture.Service, payload []byte) *capture.Frame {
	kind, port := trace.UDP, uint16(137)
	switch s {
	case capture.NameService:
	case capture.DatagramService:
		port = 138
	case capture.SessionService:
		kind, port = trace.Message, 139
	}
	return &capture.Frame{Frame: trace.Frame{
		Kind: kind, From: netip.AddrPortFrom(pc, port), To: netip.AddrPortFrom(peer, port), Payload: payload, Number: number,
	}}
}

// of is the frame of a vector.
func of(v fixtures.Vector) *capture.Frame {
	services := map[fixtures.Service]capture.Service{
		fixtures.NameService: capture.NameService, fixtures.DatagramService: capture.DatagramService,
		fixtures.SessionService: capture.SessionService,
	}
	return frame(1, services[v.Service], v.Bytes)
}

// read is the message in a frame.
func read(f *capture.Frame) *dissect.Message {
	GinkgoHelper()
	m := new(dissect.Message)
	Expect(m.Read(f)).To(BeTrue())
	return m
}

func encoded(m interface {
	AppendBinary([]byte) ([]byte, error)
},
) []byte {
	GinkgoHelper()
	b, err := m.AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	return b
}

var _ = Describe("Reading the messages of a capture", func() {
	It("reads each good vector as the codec does, with nothing odd but flags", func() {
		for _, v := range fixtures.Vectors() {
			m := read(of(v))
			Expect(m.Err).NotTo(HaveOccurred(), v.Name)
			Expect(m.Odd).To(HaveLen(len(v.Odd)), v.Name)
			Expect(m.HasHeader()).To(BeTrue(), v.Name)
			Expect(m.Kind()).NotTo(Equal("unreadable"), v.Name)
			Expect(m.Fields()).NotTo(BeEmpty(), v.Name)
			switch v.Service {
			case fixtures.NameService:
				Expect(encoded(m.Name)).To(Equal(v.Bytes), v.Name)
			case fixtures.DatagramService:
				Expect(encoded(m.Datagram)).To(Equal(v.Bytes), v.Name)
			case fixtures.SessionService:
				Expect(encoded(m.Session)).To(Equal(v.Bytes), v.Name)
			}
		}
	})

	It("says of each malformed vector what is odd or cannot be read, and goes on with the next", func() {
		var m dissect.Message
		for _, v := range fixtures.Malformed() {
			Expect(m.Read(of(v))).To(BeTrue(), v.Name)
			Expect(m.Err != nil || len(m.Odd) > 0).To(BeTrue(), v.Name)
			Expect(m.Err != nil).To(Equal(v.Unread != ""), v.Name)
			_, _, _ = m.String(), m.Fields(), m.Kind()
			Expect(m.Read(of(fixtures.Vectors()[0]))).To(BeTrue())
			Expect(m.Err).NotTo(HaveOccurred(), v.Name)
			Expect(m.Odd).To(BeEmpty(), v.Name)
		}
	})

	It("takes the beginning and the end of a connection for no message", func() {
		for _, kind := range []trace.FrameKind{trace.Connect, trace.Refuse, trace.Fin, trace.Reset} {
			Expect(new(dissect.Message).Read(&capture.Frame{Frame: trace.Frame{Kind: kind}})).To(BeFalse())
		}
	})

	DescribeTable("tells whether a message is there at all",
		func(s capture.Service, payload string, header bool) {
			Expect(read(frame(1, s, []byte(payload))).HasHeader()).To(Equal(header))
		},
		Entry("name service, a whole header", capture.NameService, "\x00\x01\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00", true),
		Entry("name service, a byte less", capture.NameService, "\x00\x01\x01\x10\x00\x01\x00\x00\x00\x00\x00", false),
		Entry("datagram, a whole header of a type that there is not", capture.DatagramService, "\x00\x02\x20\x01\x0a\x00\x00\x0a\x00\x8a", true),
		Entry("datagram, a byte less", capture.DatagramService, "\x10\x02\x20\x01\x0a\x00\x00\x0a\x00", false),
		Entry("session service, the type alone", capture.SessionService, "\x81", true),
		Entry("session service, a type that there is not", capture.SessionService, "\x86\x00\x00\x00", false),
		Entry("nothing", capture.NameService, "", false),
		Entry("nothing", capture.DatagramService, "", false),
		Entry("nothing", capture.SessionService, "", false),
	)

	It("knows which names stand before the place where it gave up", func() {
		b := encoded(nbt.UniqueDatagram(1, netip.AddrPortFrom(pc, 138), named("FRIEND"), named("CHAT"), nil))
		b[14+34] = 0x40 // the length of the second name
		m := read(frame(1, capture.DatagramService, b))
		Expect(m.Err).To(HaveField("Field", "DESTINATION_NAME"))
		Expect(m.WasRead("SOURCE_NAME")).To(BeTrue())
		Expect(m.WasRead("DESTINATION_NAME")).To(BeFalse())
		b[14] = 0x40
		m = read(frame(1, capture.DatagramService, b))
		Expect(m.WasRead("SOURCE_NAME")).To(BeFalse())
		Expect(m.Datagram.Length()).To(Equal(68), "DGM_LENGTH stands before them")
	})
})
