// SPDX-License-Identifier: MIT

package dissect_test

import (
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

func named(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

func pattern(text string) dissect.NamePattern {
	GinkgoHelper()
	p, err := dissect.ParseNamePattern(text)
	Expect(err).NotTo(HaveOccurred())
	return p
}

func host(text string) netip.Prefix {
	GinkgoHelper()
	p, err := dissect.ParseHost(text)
	Expect(err).NotTo(HaveOccurred())
	return p
}

var _ = Describe("Picking messages", func() {
	query := func() *dissect.Message {
		return read(frame(7, capture.NameService, encoded(nbt.Query(1, named("CHAT<1d>")))))
	}
	status := func() *dissect.Message {
		return read(frame(8, capture.NameService, encoded(nbt.StatusResponse(1, netbios.Wildcard, nbt.NodeStatus{
			Names: []nbt.NodeName{{Name: named("OFFICE<00>")}, {Name: named("CHAT<20>")}},
		}))))
	}

	It("takes everything when nothing is asked for", func() {
		Expect(new(dissect.Filter).Picks(query())).To(BeTrue())
	})

	DescribeTable("by host, name, service and frame, all of which have to fit",
		func(f dissect.Filter, picked bool) { Expect(f.Picks(query())).To(Equal(picked)) },
		Entry("its sender", dissect.Filter{Hosts: []netip.Prefix{netip.MustParsePrefix("10.0.0.10/32")}}, true),
		Entry("its receiver", dissect.Filter{Hosts: []netip.Prefix{netip.MustParsePrefix("10.0.0.20/32")}}, true),
		Entry("another host", dissect.Filter{Hosts: []netip.Prefix{netip.MustParsePrefix("10.0.0.11/32")}}, false),
		Entry("its network", dissect.Filter{Hosts: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}, true),
		Entry("one host of several", dissect.Filter{
			Hosts: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("10.0.0.20/32")},
		}, true),
		Entry("its service", dissect.Filter{Services: []capture.Service{capture.NameService}}, true),
		Entry("another service", dissect.Filter{Services: []capture.Service{capture.SessionService}}, false),
		Entry("its frame", dissect.Filter{Frames: []int{3, 7}}, true),
		Entry("another frame", dissect.Filter{Frames: []int{8}}, false),
		Entry("its host, and another service", dissect.Filter{
			Hosts: []netip.Prefix{netip.MustParsePrefix("10.0.0.10/32")}, Services: []capture.Service{capture.DatagramService},
		}, false),
	)

	DescribeTable("by name",
		func(text string, picked bool) {
			f := dissect.Filter{Names: []dissect.NamePattern{pattern(text)}}
			Expect(f.Picks(query())).To(Equal(picked))
		},
		Entry("with its suffix", "CHAT<1d>", true),
		Entry("with another suffix", "CHAT<20>", false),
		Entry("without a suffix, which is any", "CHAT", true),
		Entry("in another case: names are compared byte by byte", "chat", false),
		Entry("the beginning of it", "CHA", false),
		Entry("another", "TALK", false),
	)

	It("looks at every name of a node status", func() {
		for text, picked := range map[string]bool{"OFFICE<00>": true, "CHAT": true, "CHAT<00>": false, "TALK": false} {
			f := dissect.Filter{Names: []dissect.NamePattern{pattern(text)}}
			Expect(f.Picks(status())).To(Equal(picked), text)
		}
	})

	It("looks at both names of datagrams and session requests", func() {
		datagram := read(frame(1, capture.DatagramService,
			encoded(nbt.UniqueDatagram(1, netip.AddrPortFrom(pc, 138), named("FRIEND"), named("CHAT"), nil))))
		request := read(frame(1, capture.SessionService,
			encoded(nbt.SessionMessage{Type: nbt.SsnRequest, Called: named("CHAT"), Calling: named("FRIEND")})))
		for _, m := range []*dissect.Message{datagram, request} {
			for text, picked := range map[string]bool{"FRIEND": true, "CHAT": true, "TALK": false} {
				f := dissect.Filter{Names: []dissect.NamePattern{pattern(text)}}
				Expect(f.Picks(m)).To(Equal(picked), text)
			}
		}
	})

	It("looks at the names that stand before the place where a message breaks off", func() {
		datagram := encoded(nbt.UniqueDatagram(1, netip.AddrPortFrom(pc, 138), named("FRIEND"), named("CHAT"), nil))
		request := encoded(nbt.SessionRequest(named("CHAT"), named("FRIEND")))
		both := append(request[:3:3], request[3]+1)
		for _, x := range []struct {
			f            *capture.Frame
			friend, chat bool
		}{
			{frame(1, capture.DatagramService, datagram[:60]), true, false},
			{frame(1, capture.SessionService, request[:60]), false, true},
			{frame(1, capture.SessionService, append(both, request[4:]...)), true, true},
			{frame(1, capture.SessionService, request[:38]), false, true},
			{frame(1, capture.SessionService, request[:30]), false, false},
			{frame(1, capture.SessionService, request[:3]), false, false},
		} {
			m := read(x.f)
			Expect(m.Err).To(HaveOccurred())
			for text, picked := range map[string]bool{"FRIEND": x.friend, "CHAT": x.chat} {
				f := dissect.Filter{Names: []dissect.NamePattern{pattern(text)}}
				Expect(f.Picks(m)).To(Equal(picked), "%s in %v", text, m.Err)
			}
		}
	})

	It("takes no message for a name that could not be read", func() {
		b := encoded(nbt.UniqueDatagram(1, netip.AddrPortFrom(pc, 138), named("FRIEND"), named("CHAT"), nil))
		b[14] = 0x40
		f := dissect.Filter{Names: []dissect.NamePattern{{}}} // the zero name
		Expect(f.Picks(read(frame(1, capture.DatagramService, b)))).To(BeFalse())
	})

	It("refuses what is no host, name or service, and says what would be", func() {
		Expect(host("10.0.0.10").Bits()).To(Equal(32))
		for _, text := range []string{"", "pc", "10.0.0", "::1", "10.0.0.0/33", "fe80::/10"} {
			_, err := dissect.ParseHost(text)
			Expect(err).To(MatchError(ContainSubstring("10.0.0.0/24")), text)
		}
		_, err := dissect.ParseNamePattern("SIXTEENCHARACTER")
		Expect(err).To(MatchError(netbios.ErrNameLong))
		_, err = dissect.ParseService("smb")
		Expect(err).To(MatchError(ContainSubstring("ns (name service)")))
		for _, s := range dissect.Services {
			Expect(dissect.ParseService(s.String())).To(Equal(s))
		}
	})
})
