// SPDX-License-Identifier: MIT

package node_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/node"
)

// found is what FIND NAME returns for the owner of one name: header and one row, with the address in its last bytes.
func found(kind, lastByte string) string {
	b := packet("0100 00" + kind + " 21 0000 0000 0000 0000 0000 0a00 00" + lastByte)
	return fmt.Sprintf("%q", append(b, make([]byte, 18)...))
}

var _ = Describe("FIND NAME", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	It("broadcasts a query three times, and times out 250 ms after the last", func() {
		Expect(pc.call(findName(friend, 99)).all()).To(Equal([]string{
			"137 to all:137: 0001 0110 0001 0000 0000 0000 FRIEND<00> 0020 0001", "arm 1 for 250ms",
		}))
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{
			"250ms 137 to all:137: " + query(1, friend),
			"500ms 137 to all:137: " + query(1, friend),
			"750ms FIND NAME: NRC_CMDTMO",
		}))
		Expect(pc.receive(toPC, response(1, "8500", friend, unique, peerIP)).all()).To(BeEmpty(), "too late")
	})

	It("queries every 750 ms in the netbt profile", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.call(findName(friend, 99))
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{
			"750ms 137 to all:137: " + query(1, friend),
			"1.5s 137 to all:137: " + query(1, friend),
			"2.25s FIND NAME: NRC_CMDTMO",
		}))
	})

	It("returns a header and a row with the owner's address", func() {
		pc.call(findName(friend, 37))
		Expect(pc.receive(toPC, response(1, "8500", friend, unique, peerIP)).all()).To(Equal([]string{
			"disarm 1",
			"FIND NAME: NRC_GOODRET " + found("00", "14"),
		}))
		Expect(pc.advance(time.Minute).all()).To(BeEmpty())
	})

	It("looks at the group bit alone", func() {
		pc.call(findName(friend, 37))
		Expect(pc.receive(toPC, response(1, "8500", friend, "7fff", peerIP)).done()).To(Equal([]string{
			"FIND NAME: NRC_GOODRET " + found("00", "14"),
		}))
	})

	It("tells a group, and takes RA set as Samba has it", func() {
		pc.call(findName(team, 37))
		Expect(pc.receive(toPC, response(1, "8580", team, group, peerIP)).done()).To(Equal([]string{
			"FIND NAME: NRC_GOODRET " + found("01", "14"),
		}))
	})

	It("is 0x06 when the buffer is too short, with what fits", func() {
		pc.call(findName(friend, 4))
		Expect(pc.receive(toPC, response(1, "8500", friend, unique, peerIP)).done()).To(Equal([]string{
			`FIND NAME: NRC_INCOMP "\x01\x00\x00\x00"`,
		}))
		pc.call(findName(friend, 36))
		Expect(pc.receive(toPC, response(2, "8500", friend, unique, peerIP)).done()[0]).To(HavePrefix("FIND NAME: NRC_INCOMP"))
	})

	It("finds the node's own names without asking", func() {
		pc.registered(chat)
		pc.registeredGroup(team)
		Expect(pc.call(findName(chat, 99)).all()).To(Equal([]string{"FIND NAME: NRC_GOODRET " + found("00", "0a")}))
		Expect(pc.call(findName(team, 99)).all()).To(Equal([]string{"FIND NAME: NRC_GOODRET " + found("01", "0a")}))
	})

	It("asks for a name that the node has, but not in service", func() {
		pc.registered(chat)
		pc.sessionFrom(chat)
		pc.call(remove(chat))
		Expect(pc.call(findName(chat, 99)).sent()).To(Equal([]string{"137 to all:137: " + query(3, chat)}))
	})

	It("asks even for a name that was found lately", func() {
		pc.call(findName(friend, 99))
		pc.receive(toPC, response(1, "8500", friend, unique, peerIP))
		Expect(pc.call(findName(friend, 99)).sent()).To(Equal([]string{"137 to all:137: " + query(2, friend)}))
	})

	DescribeTable("goes on waiting over what does not answer its query",
		func(frame string) {
			pc.call(findName(friend, 99))
			Expect(pc.receive(toPC, frame).all()).To(BeEmpty())
			Expect(pc.advance(time.Second).done()).To(Equal([]string{"FIND NAME: NRC_CMDTMO"}))
		},
		Entry("another identifier", response(2, "8500", friend, unique, peerIP)),
		Entry("another name", response(1, "8500", rival, unique, peerIP)),
		Entry("a negative response", "0001 8503 0000 0001 0000 0000 FRIEND<00> 000a 0001 0000 0000 0000"),
		Entry("a negative registration response", response(1, "ad86", friend, unique, peerIP)),
		Entry("a status response", statusResponse(1, "8400", friend, "0000 0000 0000", "FRIEND<00> 0400")),
	)
})

var _ = Describe("Resolving a name", func() {
	var pc *bench

	// asked tells whether a datagram to FRIEND makes the node ask where FRIEND is.
	asked := func() bool {
		GinkgoHelper()
		sent := pc.call(sendDatagram(2, friend, "x")).sent()
		Expect(sent).To(HaveLen(1))
		return strings.HasPrefix(sent[0], "137 ")
	}

	answer := func(from netip.Addr, ip string) transcript {
		GinkgoHelper()
		return pc.receive(toPC.by(from), response(pc.lastTrn, "8500", friend, unique, ip))
	}

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	It("takes the first answer, and remembers it for 1 s", func() {
		Expect(asked()).To(BeTrue())
		Expect(answer(peerAddr, peerIP).effects()).To(Equal([]string{
			"138 to peer:138: " + datagram("10", 1, ownIP, chat, friend, "x"),
			"SEND DATAGRAM: NRC_GOODRET",
		}))
		pc.advance(time.Second)
		Expect(asked()).To(BeFalse())
		pc.advance(1)
		Expect(asked()).To(BeTrue())
	})

	It("remembers for 600 s in the netbt profile", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.call(add(chat))
		pc.advance(3 * time.Second)
		Expect(asked()).To(BeTrue())
		answer(peerAddr, peerIP)
		pc.advance(600 * time.Second)
		Expect(asked()).To(BeFalse())
		pc.advance(1)
		Expect(asked()).To(BeTrue())
	})

	It("goes to the address in the record, not to the one that the answer came from", func() {
		asked()
		Expect(answer(thirdAddr, peerIP).sent()).To(Equal([]string{
			"138 to peer:138: " + datagram("10", 1, ownIP, chat, friend, "x"),
		}))
	})

	It("forgets what another node releases", func() {
		asked()
		answer(peerAddr, peerIP)
		Expect(pc.receive(toAll, request(9, "3010", rival, unique, peerIP)).all()).To(BeEmpty())
		Expect(asked()).To(BeFalse())
		Expect(pc.receive(toAll, request(9, "3010", friend, unique, peerIP)).all()).To(BeEmpty())
		Expect(asked()).To(BeTrue())
	})

	It("uses LMHOSTS first, for ever and for the names in it alone", func() {
		pc = benchWith(func(cfg *node.Config) {
			cfg.Hosts = []node.Host{{name(rival), thirdAddr}, {name(friend), peerAddr}}
		})
		pc.registered(chat)
		pc.advance(time.Hour)
		Expect(pc.call(sendDatagram(2, friend, "x")).all()).To(Equal([]string{
			"138 to peer:138: " + datagram("10", 1, ownIP, chat, friend, "x"),
			"SEND DATAGRAM: NRC_GOODRET",
		}))
		Expect(pc.call(sendDatagram(2, mail, "x")).sent()).To(Equal([]string{"137 to all:137: " + query(3, mail)}))
	})

	It("asks once for each command that wants to know", func() {
		pc.callAs("first", sendDatagram(2, friend, "1"))
		pc.callAs("second", sendDatagram(2, friend, "2"))
		Expect(pc.receive(toPC, response(4, "8500", friend, unique, peerIP)).done()).To(Equal([]string{"second: NRC_GOODRET"}))
		Expect(pc.receive(toPC, response(3, "8500", friend, unique, peerIP)).done()).To(Equal([]string{"first: NRC_GOODRET"}))
	})

	It("remembers 256 names and forgets the oldest of more", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.registered(chat)
		pc.advance(3 * time.Second)
		find := func(n string) {
			pc.call(findName(n, 99))
			pc.receive(toPC, response(pc.lastTrn, "8500", n, unique, peerIP))
		}
		find(friend)
		find(rival)
		for i := range 254 {
			find(fmt.Sprintf("N%d<00>", i))
		}
		Expect(asked()).To(BeFalse())
		find("ONE-MORE<00>")
		Expect(pc.call(sendDatagram(2, rival, "x")).sent()).To(
			Equal([]string{"138 to peer:138: " + datagram("10", 2, ownIP, chat, rival, "x")}))
		Expect(asked()).To(BeTrue())
	})

	It("remembers a name that is found again only once", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.registered(chat)
		pc.advance(3 * time.Second)
		for _, ip := range []string{peerIP, thirdIP} {
			pc.call(findName(friend, 99))
			pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, ip))
		}
		Expect(pc.call(sendDatagram(2, friend, "x")).sent()).To(
			Equal([]string{"138 to third:138: " + datagram("10", 1, ownIP, chat, friend, "x")}))
	})
})

var _ = Describe("A second owner's answer (RFC 1002 section 5.1.1.3)", func() {
	var pc *bench

	second := func(ip, flags string) transcript {
		return pc.receive(toPC.by(thirdAddr), response(1, "8500", friend, flags, ip))
	}

	BeforeEach(func() {
		pc = newBench()
		pc.call(findName(friend, 99))
		pc.receive(toPC, response(1, "8500", friend, unique, peerIP))
	})

	It("within 1 s makes the node tell the later one of the conflict, and forget the first", func() {
		pc.advance(time.Second)
		Expect(second(thirdIP, unique).all()).To(Equal([]string{
			"137 to third:137: 0002 ad87 0000 0001 0000 0000 FRIEND<00> 0020 0001 0000 0000 0006 0000 0000 0000",
		}))
		Expect(second(thirdIP, unique).all()).To(BeEmpty(), "once")
	})

	It("makes the node ask again", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.call(add(chat))
		pc.call(findName(friend, 99))
		pc.receive(toPC, response(2, "8500", friend, unique, peerIP))
		pc.advance(900 * time.Millisecond)
		pc.receive(toPC, response(2, "8500", friend, unique, thirdIP))
		pc.advance(3 * time.Second)
		Expect(pc.call(sendDatagram(2, friend, "x")).sent()[0]).To(HavePrefix("137 "))
	})

	It("is nothing after 1 s, however long the first is remembered", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.call(findName(friend, 99))
		pc.receive(toPC, response(1, "8500", friend, unique, peerIP))
		pc.advance(time.Second + 1)
		Expect(second(thirdIP, unique).all()).To(BeEmpty())
	})

	DescribeTable("is nothing when it is no conflict",
		func(frame string) { Expect(pc.receive(toPC.by(thirdAddr), frame).all()).To(BeEmpty()) },
		Entry("the same owner", response(1, "8500", friend, unique, peerIP)),
		Entry("a group", response(1, "8500", friend, group, thirdIP)),
		Entry("another query", response(2, "8500", friend, unique, thirdIP)),
		Entry("another name", response(1, "8500", rival, unique, thirdIP)),
	)

	It("is nothing when the first said that it is a group", func() {
		pc.call(findName(team, 99))
		pc.receive(toPC, response(2, "8500", team, group, peerIP))
		Expect(pc.receive(toPC.by(thirdAddr), response(2, "8500", team, unique, thirdIP)).all()).To(BeEmpty())
		Expect(pc.receive(toPC.by(thirdAddr), response(2, "8500", team, group, thirdIP)).all()).To(BeEmpty())
	})

	It("is told of at the port that it came from", func() {
		Expect(pc.receive(toPC.by(thirdAddr).port(999), response(1, "8500", friend, unique, thirdIP)).sent()[0]).To(
			HavePrefix("137 to third:999: "))
	})
})
