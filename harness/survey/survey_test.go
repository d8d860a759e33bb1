// SPDX-License-Identifier: MIT

package survey_test

import (
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/survey"
)

var _ = Describe("The life of a name", func() {
	It("is told from its claim to its release, and again", func() {
		chat := names(of("q124565/fixed.pcap"), pc)["CHAT<20>"]
		Expect(chat.Phases).To(HaveLen(2))
		first, second := chat.Phases[0], chat.Phases[1]
		Expect(first.How).To(Equal(survey.Claimed))
		Expect(first.Began).To(Equal(survey.Mark{Frame: 11, At: 2750 * time.Millisecond}))
		Expect(first.Claims).To(Equal(4))
		Expect(first.Early).To(Equal(3), "the datagrams that came before the name was claimed")
		Expect(first.Accepted).To(Equal(1))
		Expect(first.End).To(Equal(survey.Released))
		Expect(first.Over.Frame).To(Equal(28))
		Expect(first.Releases).To(Equal(3))
		Expect(first.Last.Frame).To(Equal(30))
		Expect(second.How).To(Equal(survey.Claimed))
		Expect(second.Began.Frame).To(Equal(31))
		Expect(second.End).To(Equal(survey.Open))
	})

	It("is told of a name that was held before the capture", func() {
		held := names(of("recorded/lifecycle-bnode-defence.pcap"), netip.MustParseAddr("10.77.0.1"))
		Expect(held).To(HaveKey("REALWINS<00>"))
		Expect(held["REALWINS<00>"].Phases[0].How).To(Equal(survey.Held))
		Expect(held["REALWINS<00>"].Phases[0].Began.Frame).To(Equal(2))
		Expect(held["REALWINS<00>"].Phases[0].Defences).To(BeNumerically(">", 1))
		Expect(held["NBTLAB<00>"].Group).To(BeTrue())
		Expect(held).NotTo(HaveKey("NOSUCH<00>"), "a datagram for it shows nothing of whose it is")
	})

	It("is told of a claim that was refused", func() {
		refused := names(of("q124565-table/Q124565.pcap"), netip.MustParseAddr("10.0.0.20"))["CHAT<20>"]
		Expect(refused.Phases).To(HaveLen(1))
		Expect(refused.Phases[0].End).To(Equal(survey.Refused))
		Expect(refused.Phases[0].Over.Frame).To(Equal(20))
	})

	It("is told of a real stack, with two lives of a name between two releases", func() {
		master := names(of("recorded/nmbd-datagram-then-delete.pcap"), netip.MustParseAddr("10.77.0.1"))["NBTLAB<1d>"]
		Expect(master.Phases).To(HaveLen(2))
		for i, want := range []struct{ began, over int }{{77, 302}, {352, 577}} {
			Expect(master.Phases[i].Began.Frame).To(Equal(want.began))
			Expect(master.Phases[i].Over.Frame).To(Equal(want.over))
			Expect(master.Phases[i].Early).To(Equal(50))
		}
	})
})

var _ = Describe("The hosts", func() {
	It("are told with their node type and what they sent", func() {
		hosts := of("recorded/lifecycle-bnode-defence.pcap").Hosts()
		Expect(hosts).To(HaveLen(2))
		Expect(hosts[1].Addr).To(Equal(netip.MustParseAddr("10.77.0.1")))
		Expect(hosts[1].Type).To(Equal("H"))
		Expect(hosts[1].Sent).To(Equal(20))
		Expect(hosts[1].Last.Frame).To(Equal(40))
	})
})

var _ = Describe("The sessions", func() {
	It("are told by who called whom", func() {
		list := of("q124565/fixed.pcap").Sessions()
		Expect(list).To(HaveLen(1))
		x := list[0]
		Expect([]string{x.Client.String(), x.Calling.String(), x.Server.String(), x.Called.String()}).To(Equal(
			[]string{"10.0.0.20", "FRIEND<20>", "10.0.0.10", "CHAT<20>"}))
		Expect([]int{x.Accepted, x.Refused, x.Unanswered, x.Resets}).To(Equal([]int{1, 0, 0, 0}))
		Expect(x.Messages).To(BeEquivalentTo(1))
		Expect(x.Bytes).To(BeEquivalentTo(len("hello")))
	})

	It("are told when they were refused, with the reason", func() {
		list := of("q124565-refusal/Q124565.pcap").Sessions()
		Expect(list).To(HaveLen(1))
		Expect(list[0].Refused).To(Equal(1))
		Expect(list[0].Code).To(BeEquivalentTo(0x80))
	})
})

var _ = Describe("The bugs", func() {
	DescribeTable("are told from what the wire shows",
		func(path, id string, word survey.Word, frame int) {
			b := bug(of(path), id)
			Expect(b.Word).To(Equal(word), "%+v", b.Findings)
			if frame == 0 {
				Expect(b.Findings).To(BeEmpty())
				Expect(b.Silent).To(BeNumerically(">", 0))
				Expect(b.Needs).NotTo(BeEmpty())
				return
			}
			Expect(b.Findings[0].Frame).To(Equal(frame))
			Expect(b.Findings[0].Why).NotTo(BeEmpty())
			if word == survey.NoEvidence {
				Expect(b.Findings[0].Decide).NotTo(BeEmpty())
			} else {
				Expect(b.Findings[0].Decide).To(BeEmpty())
			}
		},
		Entry("the leak: the name was released all the same", "q124565/fixed.pcap", "Q124565", survey.NotShown, 28),
		Entry("the leak: nobody knows whether the application has exited", "q124565/Q124565.pcap", "Q124565", survey.NoEvidence, 5),
		Entry("the leak: no datagram came", "ms00-047/fixed.pcap", "Q124565", survey.NoEvidence, 0),
		Entry("the leak, of a real Samba", "recorded/nmbd-datagram-then-delete.pcap", "Q124565", survey.NotShown, 302),
		Entry("the leak, of one that got no datagram", "recorded/nmbd-master-lifecycle.pcap", "Q124565", survey.NoEvidence, 0),
		Entry("the conflict: the name is dead", "ms00-047/MS00-047.pcap", "MS00-047", survey.Shown, 6),
		Entry("the conflict: the name lives", "ms00-047/fixed.pcap", "MS00-047", survey.NotShown, 7),
		Entry("the conflict: none was demanded", "q124565/fixed.pcap", "MS00-047", survey.NoEvidence, 0),
		Entry("the stop: silence", "q140419/Q140419.pcap", "Q140419", survey.Shown, 9),
		Entry("the stop: all was released", "q140419/fixed.pcap", "Q140419", survey.NotShown, 14),
		Entry("the stop: none", "q124565/fixed.pcap", "Q140419", survey.NoEvidence, 0),
	)
})

var _ = Describe("What is kept", func() {
	It("is bounded by names, and what has no room is counted", func() {
		s := survey.New()
		const more = 5000
		number := 0
		for i := range survey.MaxNames + more {
			number++
			s.Add(claim(number, [4]byte{10, 1, byte(i >> 8), byte(i)}, name(fmt.Sprintf("N%d", i))))
		}
		d := s.Dropped()
		Expect(d.Names + d.Hosts).To(BeNumerically(">=", more))
		Expect(s.Frames()).To(Equal(number))
		Expect(len(s.Hosts())).To(BeNumerically("<=", survey.MaxHosts))
	})

	It("does not grow when the same goes on", func() {
		s := survey.New()
		f := claim(1, [4]byte{10, 0, 0, 1}, name("CHAT"))
		s.Add(f)
		Expect(testingAllocs(func() {
			f.Number++
			s.Add(f)
		})).To(BeZero())
	})

	It("takes names that are made up to have one hash no longer than others", func() {
		// Whatever the hash: many names of many hosts are found again.
		s := survey.New()
		for round := range 2 {
			for i := range 3000 {
				s.Add(claim(1+round*3000+i, [4]byte{10, 0, 0, byte(i)}, name(fmt.Sprintf("NAME%d", i/7))))
			}
		}
		total := 0
		for _, h := range s.Hosts() {
			total += h.Names
		}
		Expect(total).To(BeNumerically(">", 2000))
		Expect(s.Dropped()).To(Equal(survey.Dropped{}))
	})

	It("takes no harm from what is no message", func() {
		s := survey.New()
		for _, payload := range []string{"", "x", "\x00\x01\x29\x10\x00\x01\x00\x00\x00\x00\x00\x01"} {
			f := claim(1, [4]byte{10, 0, 0, 1}, name("CHAT"))
			f.Payload = []byte(payload)
			s.Add(f)
		}
		Expect(s.Dropped().Bad).To(Equal(3))
	})
})
