// SPDX-License-Identifier: MIT

package dissect_test

import (
	"fmt"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var _ = Describe("Counting messages", func() {
	var s *dissect.Stats

	BeforeEach(func() { s = new(dissect.Stats) })

	add := func(f *capture.Frame) {
		GinkgoHelper()
		s.Add(read(f))
	}
	ns := func(m nbt.NameMessage) *capture.Frame { return frame(1, capture.NameService, encoded(m)) }

	// who tells who holds a name, and who asks for it.
	who := func(name string) (holders, askers []netip.Addr) {
		GinkgoHelper()
		names, _ := s.Names()
		for i := range names {
			if names[i].Name == named(name) {
				holders, _ = names[i].Holders.All()
				askers, _ = names[i].Askers.All()
			}
		}
		return holders, askers
	}

	It("counts them and their bytes by service and kind, the most frequent kind first", func() {
		add(ns(nbt.Query(1, named("CHAT"))))
		add(ns(nbt.Claim(1, named("CHAT"), 0, pc)))
		add(ns(nbt.Claim(1, named("CHAT"), 0, pc)))
		add(frame(1, capture.DatagramService, encoded(nbt.ErrorDatagram(1, netip.AddrPortFrom(pc, 138), nbt.DgmNotPresent))))
		add(frame(1, capture.SessionService, []byte{0x00, 0, 0, 1, 'x'}))
		add(frame(1, capture.SessionService, []byte{0x85, 0, 0, 0}))
		Expect(s.Kinds(capture.NameService)).To(Equal([]dissect.KindCount{
			{Kind: "name registration request", Count: dissect.Count{Messages: 2, Bytes: 136}},
			{Kind: "name query request", Count: dissect.Count{Messages: 1, Bytes: 50}},
		}))
		Expect(s.Kinds(capture.DatagramService)).To(Equal([]dissect.KindCount{
			{Kind: "datagram error", Count: dissect.Count{Messages: 1, Bytes: 11}},
		}))
		Expect(s.Kinds(capture.SessionService)).To(Equal([]dissect.KindCount{
			{Kind: "session message", Count: dissect.Count{Messages: 1, Bytes: 5}},
			{Kind: "session keep alive", Count: dissect.Count{Messages: 1, Bytes: 4}},
		}))
		Expect(s.Service(capture.NameService)).To(Equal(dissect.Count{Messages: 3, Bytes: 186}))
		Expect(s.Total()).To(Equal(dissect.Count{Messages: 6, Bytes: 206}))
	})

	It("counts what has no kind as unreadable", func() {
		add(frame(1, capture.NameService, []byte("short")))
		add(frame(1, capture.DatagramService, make([]byte, 20)))
		add(frame(1, capture.SessionService, []byte{0x86, 0, 0, 0}))
		for _, service := range dissect.Services {
			Expect(s.Kinds(service)).To(HaveExactElements(HaveField("Kind", "unreadable")), service.String())
		}
	})

	It("counts the connections that were opened", func() {
		for _, kind := range []trace.FrameKind{trace.Connect, trace.Fin, trace.Connect, trace.Reset} {
			s.Connection(&capture.Frame{Frame: trace.Frame{Kind: kind}})
		}
		Expect(s.Connections()).To(Equal(2))
	})

	Describe("tells who has to do with a name", func() {
		third := netip.MustParseAddr("10.0.0.30")

		DescribeTable("by what they do with it",
			func(f func() *capture.Frame, name string, holders, askers []netip.Addr) {
				add(f())
				h, a := who(name)
				Expect(h).To(Equal(holders))
				Expect(a).To(Equal(askers))
			},
			Entry("a claim", func() *capture.Frame { return ns(nbt.Claim(1, named("CHAT"), 0, pc)) }, "CHAT", []netip.Addr{pc}, nil),
			Entry("a release", func() *capture.Frame { return ns(nbt.ReleaseDemand(1, named("CHAT"), 0, pc)) }, "CHAT",
				[]netip.Addr{pc}, nil),
			Entry("a query", func() *capture.Frame { return ns(nbt.Query(1, named("CHAT"))) }, "CHAT", nil, []netip.Addr{pc}),
			Entry("a positive answer: whom it names", func() *capture.Frame {
				return ns(nbt.PositiveAnswer(1, named("CHAT"), 0, third, peer))
			}, "CHAT", []netip.Addr{third, peer}, nil),
			Entry("a negative answer: whom it is sent to", func() *capture.Frame {
				return ns(nbt.NegativeAnswer(1, named("CHAT"), nbt.NamErr))
			}, "CHAT", nil, []netip.Addr{peer}),
			Entry("a positive registration response: whom it is sent to", func() *capture.Frame {
				return ns(nbt.PositiveRegistration(1, named("CHAT"), 0, peer, 300))
			}, "CHAT", []netip.Addr{peer}, nil),
			Entry("a request to wait, which says nothing yet", func() *capture.Frame {
				return ns(nbt.WACK(1, named("CHAT"), 9, 0x2900))
			}, "CHAT", nil, []netip.Addr{peer}),
			Entry("a refusal", func() *capture.Frame { return ns(nbt.Refusal(1, named("CHAT"), nbt.ActErr, 0, peer)) }, "CHAT",
				[]netip.Addr{pc}, nil),
			Entry("a node status", func() *capture.Frame {
				return ns(nbt.StatusResponse(1, netbios.Wildcard, nbt.NodeStatus{Names: []nbt.NodeName{{Name: named("CHAT")}}}))
			}, "CHAT", []netip.Addr{pc}, nil),
			Entry("a node status, whose question is about nobody", func() *capture.Frame {
				return ns(nbt.StatusResponse(1, netbios.Wildcard, nbt.NodeStatus{}))
			}, "*", nil, nil),
			Entry("the sender of a datagram", func() *capture.Frame {
				return frame(1, capture.DatagramService,
					encoded(nbt.UniqueDatagram(1, netip.AddrPortFrom(pc, 138), named("FRIEND"), named("CHAT"), nil)))
			}, "FRIEND", []netip.Addr{pc}, nil),
			Entry("where a datagram goes to", func() *capture.Frame {
				return frame(1, capture.DatagramService,
					encoded(nbt.UniqueDatagram(1, netip.AddrPortFrom(pc, 138), named("FRIEND"), named("CHAT"), nil)))
			}, "CHAT", nil, []netip.Addr{pc}),
			Entry("who calls", func() *capture.Frame {
				return frame(1, capture.SessionService,
					encoded(nbt.SessionMessage{Type: nbt.SsnRequest, Called: named("CHAT"), Calling: named("FRIEND")}))
			}, "FRIEND", []netip.Addr{pc}, nil),
			Entry("who is called", func() *capture.Frame {
				return frame(1, capture.SessionService,
					encoded(nbt.SessionMessage{Type: nbt.SsnRequest, Called: named("CHAT"), Calling: named("FRIEND")}))
			}, "CHAT", nil, []netip.Addr{pc}),
		)

		It("lists each host once, eight of them, and says that there were more", func() {
			for i := range 2 * dissect.MaxHosts {
				f := ns(nbt.Query(1, named("CHAT")))
				f.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i / 2)}), 137)
				add(f)
			}
			_, askers := who("CHAT")
			Expect(askers).To(HaveLen(dissect.MaxHosts))
			names, _ := s.Names()
			_, more := names[0].Askers.All()
			Expect(more).To(BeFalse())
			add(ns(nbt.Query(1, named("CHAT"))))
			names, _ = s.Names()
			_, more = names[0].Askers.All()
			Expect(more).To(BeTrue())
			Expect(names[0].Messages).To(Equal(17))
		})

		It("counts a message once for a name, however often it has that", func() {
			m := nbt.Query(1, named("CHAT"))
			m.Questions = append(m.Questions, nbt.Query(1, named("TALK")).Questions[0], m.Questions[0])
			add(ns(m))
			names, _ := s.Names()
			Expect(names).To(HaveExactElements(HaveField("Messages", 1), HaveField("Messages", 1)))
		})

		It("lists the names in the most messages first", func() {
			for _, name := range []string{"B", "C", "A", "C"} {
				add(ns(nbt.Query(1, named(name))))
			}
			names, leftOut := s.Names()
			Expect(names).To(HaveExactElements(
				HaveField("Name", named("C")), HaveField("Name", named("A")), HaveField("Name", named("B"))))
			Expect(leftOut).To(BeZero())
		})

		It("remembers 65536 names, and counts the mentions of others", func() {
			m := read(ns(nbt.Query(1, named("CHAT"))))
			for i := range dissect.MaxNames + 10 {
				copy(m.Name.Questions[0].Name[:], fmt.Sprintf("N%08d", i))
				s.Add(m)
			}
			names, leftOut := s.Names()
			Expect(names).To(HaveLen(dissect.MaxNames))
			Expect(leftOut).To(Equal(10))
			Expect(s.Total().Messages).To(Equal(dissect.MaxNames + 10))
		})
	})

	Describe("tells what is wrong", func() {
		It("by field and cause, with the first frame", func() {
			for number := 3; number < 6; number++ {
				f := ns(nbt.Claim(1, named("CHAT"), 0, pc))
				f.Number, f.Payload = number, f.Payload[:40+number]
				add(f)
			}
			Expect(s.Errors()).To(Equal([]dissect.Trouble{
				{Field: "QUESTION_NAME", Text: nbt.ErrTruncated.Error(), Count: 3, First: 3},
			}))
			f := ns(nbt.Query(1, named("CHAT")))
			f.Payload = append(f.Payload, 0)
			add(f)
			Expect(s.Oddities()).To(Equal([]dissect.Trouble{{Field: "end", Text: nbt.ErrTrailing.Error(), Count: 1, First: 1}}))
		})

		It("below NBT too, where the numbers in the text do not count", func() {
			for i, text := range []string{
				"cut by snap length: 96 of 243 bytes", "bad UDP checksum", "cut by snap length: 96 of 1514 bytes", "IPv4 length 0",
			} {
				f := ns(nbt.Query(1, named("CHAT")))
				f.Number, f.Odd = i+1, []string{text}
				add(f)
			}
			Expect(s.Oddities()).To(ConsistOf(
				dissect.Trouble{Text: "cut by snap length: N of N bytes", Count: 2, First: 1},
				dissect.Trouble{Text: "bad UDP checksum", Count: 1, First: 2},
				dissect.Trouble{Text: "IPv4 length N", Count: 1, First: 4},
			))
		})

		It("in at most 64 rows, the last of which is for all others", func() {
			for i := range 200 {
				f := ns(nbt.Query(1, named("CHAT")))
				f.Odd = []string{fmt.Sprintf("reason-%d", i)}
				add(f)
			}
			Expect(s.Oddities()).To(HaveLen(64))
			Expect(s.Oddities()[0]).To(Equal(dissect.Trouble{Text: "other reasons", Count: 137, First: 1}))
		})
	})
})
