// SPDX-License-Identifier: MIT

package node_test

import (
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/node"
)

var _ = Describe("Claiming a name (RFC 1002 section 5.1.1.1)", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	It("is three requests 250 ms apart under one identifier, then an overwrite demand under another", func() {
		Expect(pc.call(add(chat)).all()).To(Equal([]string{
			"CHAT<20> 2 from free to claiming",
			"137 to all:137: 0001 2910 0001 0000 0000 0001 CHAT<20> 0020 0001 c00c 0020 0001 0000 0000 0006 0000 0a00 000a",
			"arm 1 for 250ms",
		}))
		Expect(pc.advance(250 * time.Millisecond).all()).To(Equal([]string{
			"137 to all:137: " + request(1, "2910", chat, unique, ownIP), "arm 1 for 500ms",
		}))
		Expect(pc.advance(250 * time.Millisecond).all()).To(Equal([]string{
			"137 to all:137: " + request(1, "2910", chat, unique, ownIP), "arm 1 for 750ms",
		}))
		Expect(pc.advance(250 * time.Millisecond).all()).To(Equal([]string{
			"137 to all:137: 0002 2810 0001 0000 0000 0001 CHAT<20> 0020 0001 c00c 0020 0001 0000 0000 0006 0000 0a00 000a",
			"CHAT<20> 2 from claiming to registered",
			"CHAT<20> held 1: by registration",
			"ADD NAME: NRC_GOODRET num 2",
		}))
		Expect(pc.advance(time.Hour).all()).To(BeEmpty())
	})

	It("has the group bit for a group name", func() {
		Expect(pc.call(addGroup(team)).effects()).To(Equal([]string{
			"group TEAM<20> 2 from free to claiming",
			"137 to all:137: 0001 2910 0001 0000 0000 0001 TEAM<20> 0020 0001 c00c 0020 0001 0000 0000 0006 8000 0a00 000a",
		}))
		pc.advance(500 * time.Millisecond)
		Expect(pc.advance(250 * time.Millisecond).effects()).To(Equal([]string{
			"137 to all:137: " + request(2, "2810", team, group, ownIP),
			"group TEAM<20> 2 from claiming to registered",
			"TEAM<20> held 1: by registration",
			"ADD GROUP NAME: NRC_GOODRET num 2",
		}))
	})

	It("takes 2.25 s in the netbt profile", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.call(add(chat))
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{
			"750ms 137 to all:137: " + request(1, "2910", chat, unique, ownIP),
			"1.5s 137 to all:137: " + request(1, "2910", chat, unique, ownIP),
			"2.25s 137 to all:137: " + request(2, "2810", chat, unique, ownIP),
			"2.25s ADD NAME: NRC_GOODRET num 2",
		}))
	})

	It("counts identifiers from the one in the configuration, around the end of sixteen bits", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.FirstID = 0xfffe })
		Expect(pc.call(add(chat)).sent()).To(Equal([]string{"137 to all:137: " + request(0xffff, "2910", chat, unique, ownIP)}))
		Expect(pc.call(add(mail)).sent()).To(Equal([]string{"137 to all:137: " + request(0, "2910", mail, unique, ownIP)}))
	})

	It("goes to the broadcast address of the node's network", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Prefix = netip.MustParsePrefix("10.0.0.10/16") })
		pc.all = netip.MustParseAddr("10.0.255.255")
		Expect(pc.call(add(chat)).sent()).To(
			Equal([]string{"137 to 10.0.255.255:137: " + request(1, "2910", chat, unique, ownIP)}))
	})

	DescribeTable("ends with 0x16 when another node refuses, at any stage",
		func(waited time.Duration) {
			pc.call(add(chat))
			pc.advance(waited)
			Expect(pc.receive(toPC, response(1, "ad86", chat, unique, peerIP)).all()).To(Equal([]string{
				"disarm 1",
				"CHAT<20> 2 from claiming to free",
				"ADD NAME: NRC_INUSE",
			}))
			Expect(pc.advance(time.Minute).all()).To(BeEmpty())
			Expect(pc.call(add(chat)).done()).To(BeEmpty(), "and the name is not in the table")
		},
		Entry("after the first request", time.Duration(0)),
		Entry("after the second", 250*time.Millisecond),
		Entry("after the third", 749*time.Millisecond),
	)

	DescribeTable("ends with 0x16 whatever the reason of the refusal",
		func(word string) {
			pc.call(add(chat))
			Expect(pc.receive(toPC, response(1, word, chat, unique, peerIP)).effects()).To(Equal([]string{
				"CHAT<20> 2 from claiming to free", "ADD NAME: NRC_INUSE",
			}))
		},
		Entry("FMT_ERR", "ad81"), Entry("SRV_ERR", "ad82"), Entry("IMP_ERR", "ad84"), Entry("RFS_ERR", "ad85"),
		Entry("ACT_ERR", "ad86"), Entry("CFT_ERR, which is a conflict demand (ruling 3)", "ad87"),
	)

	DescribeTable("goes on over what is no refusal of it",
		func(frame string) {
			pc.call(add(chat))
			Expect(pc.receive(toPC, frame).effects()).To(BeEmpty())
			Expect(pc.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
		},
		Entry("a refusal with another identifier", response(2, "ad86", chat, unique, peerIP)),
		Entry("a refusal of another name", response(1, "ad86", mail, unique, peerIP)),
		Entry("a positive response", response(1, "ad80", chat, unique, peerIP)),
		Entry("a challenge", response(1, "ad00", chat, unique, peerIP)),
		Entry("another node's claim with the same identifier", request(1, "2910", chat, unique, peerIP)),
		Entry("another node's query with the same identifier", query(1, chat)),
		Entry("a query response", response(1, "8500", chat, unique, peerIP)),
	)

	It("ends with 0x16 for a group name too", func() {
		pc.call(addGroup(team))
		Expect(pc.receive(toPC, response(1, "ad86", team, unique, peerIP)).effects()).To(Equal([]string{
			"group TEAM<20> 2 from claiming to free",
			"ADD GROUP NAME: NRC_INUSE",
		}))
	})

	It("is not refused any more once it has ended", func() {
		pc.registered(chat)
		Expect(pc.receive(toPC, response(1, "ad86", chat, unique, peerIP)).all()).To(BeEmpty())
		Expect(pc.receive(toPC, response(2, "ad86", chat, unique, peerIP)).all()).To(BeEmpty())
	})

	It("says nothing to others about the name meanwhile (ruling 2)", func() {
		pc.call(add(chat))
		for _, frame := range []string{
			query(9, chat), request(9, "2910", chat, unique, peerIP), request(9, "2910", chat, group, peerIP),
			request(9, "2810", chat, unique, peerIP), statusRequest(9, chat),
		} {
			Expect(pc.receive(toAll, frame).all()).To(BeEmpty())
		}
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi")).all()).To(BeEmpty(), "no error and no leak")
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").sent()).To(Equal([]string{"in-1: 8300 0001 82", "close in-1"}))
		Expect(pc.call(listen(chat, star)).all()).To(Equal([]string{"LISTEN: NRC_NOWILD"}))
		Expect(pc.call(callFrom(chat, friend)).all()).To(Equal([]string{"CALL: NRC_NOWILD"}))
		Expect(pc.call(sendDatagram(2, friend, "x")).all()).To(Equal([]string{"SEND DATAGRAM: NRC_ILLNN"}))
		Expect(pc.call(receiveDatagram(2, 9)).all()).To(Equal([]string{"RECEIVE DATAGRAM: NRC_ILLNN"}))
		Expect(pc.call(receiveAny(2, 9)).all()).To(Equal([]string{"RECEIVE ANY: NRC_ILLNN"}))
		Expect(pc.call(sessionStatus(chat, 99)).all()).To(Equal([]string{"SESSION STATUS: NRC_NOWILD"}))
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
	})

	It("of two nodes that do not hear each other makes both owners (ruling 2)", func() {
		other := benchWith(func(cfg *node.Config) { cfg.FirstID = 100 })
		for _, b := range []*bench{pc, other} {
			b.call(add(chat))
			b.receive(toAll, request(200, "2910", chat, unique, peerIP))
			b.receive(toAll, request(201, "2810", chat, unique, peerIP))
			Expect(b.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
		}
	})
})

var _ = Describe("Timers", func() {
	It("stand still at the end of time rather than wrap", func() {
		const end = time.Duration(1<<63 - 1)
		pc := newBench()
		pc.now = end - 100*time.Millisecond
		Expect(pc.call(add(chat)).timers()).To(Equal([]string{"arm 1 for 2562047h47m16.754775807s"}))
		pc.now = end
		Expect(pc.call(add(mail)).timers()).To(Equal([]string{"arm 2 for 2562047h47m16.854775807s"}))
	})

	It("take a time before the last one as the last one", func() {
		pc := newBench()
		pc.now = 10 * time.Second
		pc.call(add(chat))
		pc.now = 5 * time.Second
		Expect(pc.call(add(mail)).timers()).To(Equal([]string{"arm 2 for 10.25s"}))
		pc.now = 0
		Expect(pc.advance(10250 * time.Millisecond).timed()).To(Equal([]string{
			"10.25s 137 to all:137: " + request(1, "2910", chat, unique, ownIP),
			"10.25s 137 to all:137: " + request(2, "2910", mail, unique, ownIP),
		}))
	})

	It("that were never armed, or have rung, do nothing when they ring", func() {
		pc := newBench()
		pc.registered(chat)
		for id := range 5 {
			Expect(pc.ring(id)).To(BeEmpty())
		}
		pc.call(add(mail))
		Expect(pc.ring(0)).To(BeEmpty())
		Expect(pc.ring(2)).To(BeEmpty())
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 3"}))
	})
})
