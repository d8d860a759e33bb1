// SPDX-License-Identifier: MIT

package node_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("Defending a name (RFC 1002 section 5.1.1.5)", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		pc.registeredGroup(team)
	})

	It("answers another node's claim with ACT_ERR, to where the claim came from", func() {
		Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).all()).To(Equal([]string{
			"137 to peer:137: 0009 ad86 0000 0001 0000 0000 CHAT<20> 0020 0001 0000 0000 0006 0000 0a00 000a",
		}))
		Expect(pc.receive(toAll.by(thirdAddr).port(5000), request(10, "2910", chat, unique, peerIP)).sent()).To(Equal([]string{
			"137 to third:5000: " + response(10, "ad86", chat, unique, ownIP),
		}))
		Expect(pc.receive(toPC, request(11, "2900", chat, unique, peerIP)).sent()).To(Equal([]string{
			"137 to peer:137: " + response(11, "ad86", chat, unique, ownIP),
		}), "a claim by unicast too")
		Expect(pc.receive(toPC, request(12, "7900", chat, unique, peerIP)).sent()).To(Equal([]string{
			"137 to peer:137: " + response(12, "ad86", chat, unique, ownIP),
		}), "a multihomed one too")
	})

	DescribeTable("of either kind against either (reference section 2.4)",
		func(ours, theirs, answer string) {
			sent := pc.receive(toAll, request(9, "2910", ours, theirs, peerIP)).sent()
			if answer == "" {
				Expect(sent).To(BeEmpty())
				return
			}
			Expect(sent).To(Equal([]string{"137 to peer:137: " + response(9, "ad86", ours, answer, ownIP)}))
		},
		Entry("unique against unique", chat, unique, unique),
		Entry("unique against group", chat, group, unique),
		Entry("group against unique", team, unique, group),
		Entry("group against unique with a reserved bit", team, "0001", group),
		Entry("group against group: both may have it", team, group, ""),
		Entry("nothing here", mail, unique, ""),
		Entry("another suffix", "CHAT<00>", unique, ""),
	)

	It("answers every repetition of a claim", func() {
		for range 3 {
			Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).sent()).To(HaveLen(1))
		}
	})

	DescribeTable("says nothing to what is no claim",
		func(frame string) { Expect(pc.receive(toAll, frame).all()).To(BeEmpty()) },
		Entry("an overwrite demand", request(9, "2810", chat, unique, peerIP)),
		Entry("a refresh", request(9, "4010", chat, unique, peerIP)),
		Entry("a release: nobody else releases our names", request(9, "3010", chat, unique, peerIP)),
		Entry("a positive registration response", response(9, "ad80", chat, unique, peerIP)),
		Entry("a negative query response", "0009 8503 0000 0001 0000 0000 CHAT<20> 000a 0001 0000 0000 0000"),
		Entry("a WACK", "0009 bc00 0000 0001 0000 0000 CHAT<20> 000a 0001 0000 0009 0002 2900"),
		Entry("a positive release response", response(9, "b400", chat, unique, peerIP)),
	)

	It("keeps the name through another's release of it", func() {
		pc.receive(toAll, request(9, "3010", chat, unique, peerIP))
		Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).sent()).To(HaveLen(1))
	})

	It("does not hear the node's own packets", func() {
		for _, frame := range []string{
			request(1, "2910", chat, unique, ownIP), query(9, chat), statusRequest(9, star), "00",
		} {
			Expect(pc.receive(toAll.by(ownAddr), frame).all()).To(BeEmpty())
		}
		Expect(pc.receive(dgmToPC.by(ownAddr), datagram("10", 9, ownIP, friend, mail, "hi")).all()).To(BeEmpty())
	})

	It("does not hear names in a scope: they are other names", func() {
		b := packet(query(9, chat))
		withScope := append(append(append([]byte{}, b[:45]...), []byte("\x03LAB\x00")...), b[46:]...)
		Expect(pc.step(stack.Datagram{From: toAll.from, To: toAll.to, Broadcast: true, Payload: withScope}).all()).To(BeEmpty())
		Expect(pc.receive(toAll, query(9, chat)).sent()).To(HaveLen(1))
	})

	It("answers queries for its names, with the address and the group bit", func() {
		Expect(pc.receive(toAll, query(9, chat)).all()).To(Equal([]string{
			"137 to peer:137: 0009 8500 0000 0001 0000 0000 CHAT<20> 0020 0001 0000 0000 0006 0000 0a00 000a",
		}))
		Expect(pc.receive(toPC.port(4000), "000a 0100 0001 0000 0000 0000 TEAM<20> 0020 0001").all()).To(Equal([]string{
			"137 to peer:4000: 000a 8500 0000 0001 0000 0000 TEAM<20> 0020 0001 0000 0000 0006 8000 0a00 000a",
		}))
	})

	It("is silent about names that it does not have", func() {
		Expect(pc.receive(toAll, query(9, mail)).all()).To(BeEmpty())
		Expect(pc.receive(toPC, query(9, star)).all()).To(BeEmpty())
	})

	It("is silent for a name that is deregistered, and answers 0x82 to its callers", func() {
		pc.sessionFrom(chat)
		pc.call(remove(chat))
		Expect(pc.receive(toAll, query(9, chat)).all()).To(BeEmpty())
		Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).all()).To(BeEmpty())
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi")).all()).To(BeEmpty())
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").sent()).To(Equal([]string{"in-2: 8300 0001 82", "close in-2"}))
		for _, ncb := range []transcript{
			pc.callAs("it", listen(chat, star)), pc.callAs("it", callFrom(chat, friend)),
		} {
			Expect(ncb.all()).To(Equal([]string{"it: NRC_NOWILD"}))
		}
		for _, ncb := range []transcript{
			pc.callAs("it", sendDatagram(2, friend, "x")), pc.callAs("it", sendBroadcast(2, "x")),
			pc.callAs("it", receiveDatagram(2, 9)), pc.callAs("it", receiveBroadcast(2, 9)), pc.callAs("it", receiveAny(2, 9)),
		} {
			Expect(ncb.all()).To(Equal([]string{"it: NRC_ILLNN"}))
		}
	})
})

var _ = Describe("A name conflict demand", func() {
	var pc *bench

	const ignored = "name conflict demand for CHAT<20> ignored: it answers no claim of ours"

	demand := func(id uint16) string { return response(id, "ad87", chat, unique, noIP) }

	BeforeEach(func() {
		pc = newBench()
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
	})

	DescribeTable("that answers the node's own claim takes the name out of service, until 1 s after the overwrite demand",
		func(id uint16, after time.Duration) {
			pc.advance(after)
			Expect(pc.receive(toPC, demand(id)).all()).To(Equal([]string{"CHAT<20> 2 from registered to conflict"}))
		},
		Entry("with the identifier of the claim", uint16(1), time.Duration(0)),
		Entry("with that of the overwrite demand", uint16(2), time.Duration(0)),
		Entry("at the last moment", uint16(1), time.Second),
		Entry("at the last moment, to the overwrite demand", uint16(2), time.Second),
	)

	DescribeTable("is ignored with a remark otherwise (the rule of the MS00-047 fix)",
		func(id uint16, after time.Duration) {
			pc.advance(after)
			Expect(pc.receive(toPC, demand(id)).all()).To(Equal([]string{ignored}))
			Expect(pc.receive(toAll, query(9, chat)).sent()).To(HaveLen(1))
		},
		Entry("with a foreign identifier", uint16(3), time.Duration(0)),
		Entry("with none", uint16(0), time.Duration(0)),
		Entry("a nanosecond too late", uint16(1), time.Second+1),
		Entry("a nanosecond too late, to the overwrite demand", uint16(2), time.Second+1),
	)

	It("with the identifiers of another name's claim is ignored", func() {
		pc.call(add(mail))
		pc.advance(750 * time.Millisecond)
		Expect(pc.receive(toPC, demand(3)).all()).To(Equal([]string{ignored}))
		Expect(pc.receive(toPC, demand(4)).all()).To(Equal([]string{ignored}))
		Expect(pc.receive(toPC, demand(2)).changes()).To(HaveLen(1), "while its own still counts")
	})

	It("still counts when another name's claim has ended since", func() {
		pc.call(add(mail))
		pc.advance(750 * time.Millisecond)
		Expect(pc.receive(toPC, response(4, "ad87", mail, unique, noIP)).changes()).To(HaveLen(1))
		Expect(pc.receive(toPC, demand(1)).changes()).To(HaveLen(1))
	})

	It("still counts in the very moment in which another name's claim ends", func() {
		pc.advance(250 * time.Millisecond)
		pc.call(add(mail))
		Expect(pc.advance(750 * time.Millisecond).done()).To(HaveLen(1))
		Expect(pc.receive(toPC, demand(1)).changes()).To(HaveLen(1))
	})

	It("with the identifiers of an earlier claim to the same name is ignored", func() {
		pc.call(remove(chat))
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
		Expect(pc.receive(toPC, demand(1)).all()).To(Equal([]string{ignored}))
		Expect(pc.receive(toPC, demand(5)).changes()).To(HaveLen(1))
	})

	It("for a group name changes nothing: groups have many owners (KB Q314696)", func() {
		pc.call(addGroup(team))
		pc.advance(750 * time.Millisecond)
		pc.call(listen(team, star))
		Expect(pc.receive(toPC, response(pc.lastTrn, "ad87", team, unique, noIP)).all()).To(BeEmpty())
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.RFC1002Literal })
		pc.registeredGroup(team)
		Expect(pc.receive(toPC, response(9, "ad87", team, unique, noIP)).all()).To(BeEmpty())
	})

	It("ends what waits on the name with 0x19, and nothing else", func() {
		pc = newBench()
		pc.registered(mail)
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
		pc.call(listen(chat, star))
		pc.call(receiveAny(3, 9))
		pc.call(receiveDatagram(3, 9))
		pc.call(receiveBroadcast(3, 9))
		pc.callAs("of another", listen(mail, star))
		pc.callAs("of any", receiveDatagram(0xff, 9))
		Expect(pc.receive(toPC, demand(pc.lastTrn)).all()).To(Equal([]string{
			"CHAT<20> 3 from registered to conflict",
			"LISTEN: NRC_NAMCONF", "RECEIVE ANY: NRC_NAMCONF", "RECEIVE DATAGRAM: NRC_NAMCONF", "RECEIVE BROADCAST: NRC_NAMCONF",
		}))
		Expect(pc.waiting()).To(Equal([]string{"of another", "of any"}))
	})

	It("for a name that is not here, or not registered yet, changes nothing even by the letter of the RFC", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.RFC1002Literal })
		Expect(pc.receive(toPC, demand(7)).all()).To(BeEmpty())
		pc.call(add(chat))
		Expect(pc.receive(toPC, demand(7)).all()).To(BeEmpty())
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
	})

	It("is accepted from anybody at any time in the rfc1002-literal profile", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.RFC1002Literal })
		pc.registered(chat)
		pc.advance(time.Hour)
		Expect(pc.receive(toPC.by(thirdAddr), demand(7)).all()).To(Equal([]string{"CHAT<20> 2 from registered to conflict"}))
	})
})

var _ = Describe("A name in conflict", func() {
	var pc *bench

	// conflict takes CHAT, number 2, out of service.
	conflict := func() { pc.receive(toPC, response(2, "ad87", chat, unique, noIP)) }

	BeforeEach(func() {
		pc = newBench()
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
	})

	It("is not answered for, not defended, and gets no datagrams", func() {
		conflict()
		Expect(pc.receive(toAll, query(9, chat)).all()).To(BeEmpty())
		Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).all()).To(BeEmpty())
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi")).all()).To(BeEmpty())
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").sent()).To(Equal([]string{"in-1: 8300 0001 82", "close in-1"}))
	})

	It("answers 0x19 to every command on it but DELETE NAME", func() {
		conflict()
		for _, t := range []transcript{
			pc.callAs("it", listen(chat, star)), pc.callAs("it", callFrom(chat, friend)),
			pc.callAs("it", sendDatagram(2, friend, "x")), pc.callAs("it", sendBroadcast(2, "x")),
			pc.callAs("it", receiveDatagram(2, 9)), pc.callAs("it", receiveBroadcast(2, 9)), pc.callAs("it", receiveAny(2, 9)),
			pc.callAs("it", sessionStatus(chat, 99)),
		} {
			Expect(t.all()).To(Equal([]string{"it: NRC_NAMCONF"}))
		}
	})

	It("is deleted without a release: it belongs to somebody else", func() {
		conflict()
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 0: no longer by registration",
			"CHAT<20> 2 from conflict to free",
			"DELETE NAME: NRC_GOODRET",
		}))
		Expect(pc.advance(time.Minute).all()).To(BeEmpty())
	})

	It("keeps its sessions, and is freed without a release after the last of them", func() {
		c := pc.sessionFrom(chat)
		conflict()
		Expect(pc.call(send(1, "still here")).done()).To(Equal([]string{"SEND: NRC_GOODRET"}))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration",
			"CHAT<20> 2 from conflict to conflict, deregistered",
			"DELETE NAME: NRC_ACTSES",
		}))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_ACTSES"}))
		Expect(pc.callAs("it", listen(chat, star)).all()).To(Equal([]string{"it: NRC_NAMCONF"}))
		Expect(pc.callAs("it", sessionStatus(chat, 99)).all()).To(Equal([]string{"it: NRC_NAMCONF"}))
		Expect(pc.closed(c, stack.EOF).effects()).To(Equal([]string{
			"close in-1",
			"CHAT<20> held 0: no longer by session",
			"CHAT<20> 2 from conflict, deregistered to free",
		}))
	})

	It("is in conflict also when it was deregistered before", func() {
		c := pc.sessionFrom(chat)
		pc.call(remove(chat))
		Expect(pc.receive(toPC, response(2, "ad87", chat, unique, noIP)).all()).To(Equal([]string{
			"CHAT<20> 2 from deregistered to conflict, deregistered",
		}))
		Expect(pc.closed(c, stack.EOF).sent()).To(Equal([]string{"close in-1"}))
	})

	It("is not put into conflict twice", func() {
		conflict()
		Expect(pc.receive(toPC, response(2, "ad87", chat, unique, noIP)).all()).To(BeEmpty())
		pc.sessionFrom(chat)
	})
})
