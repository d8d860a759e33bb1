// SPDX-License-Identifier: MIT

package node_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("CANCEL", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		pc.sessionFrom(chat)
	})

	DescribeTable("ends a command that waits with 0x0B before it completes itself",
		func(ncb netbios.NCB) {
			for _, label := range []string{"one", "two", "three"} {
				pc.callAs(label, ncb)
			}
			for _, label := range []string{"two", "one", "three"} {
				Expect(pc.call(cancel(pc.id(label))).all()).To(Equal([]string{label + ": NRC_CMDCAN", "CANCEL: NRC_GOODRET"}))
			}
			Expect(pc.step(stack.Stop{}).done()).To(BeEmpty(), "once each")
		},
		Entry("LISTEN", listen(chat, star)),
		Entry("RECEIVE", receive(1, 9)),
		Entry("RECEIVE ANY", receiveAny(2, 9)),
		Entry("RECEIVE DATAGRAM", receiveDatagram(2, 9)),
		Entry("RECEIVE BROADCAST", receiveBroadcast(0xff, 9)),
	)

	DescribeTable("ends a command that asks with 0x0B, and the questions with it",
		func(ncb netbios.NCB) {
			pc.callAs("another", ncb)
			pc.callAs("it", ncb)
			Expect(pc.call(cancel(pc.id("it"))).effects()).To(Equal([]string{"it: NRC_CMDCAN", "CANCEL: NRC_GOODRET"}))
			Expect(pc.advance(250*time.Millisecond).sent()).To(HaveLen(1), "of the other")
		},
		Entry("SEND DATAGRAM", sendDatagram(2, friend, "x")),
		Entry("FIND NAME", findName(friend, 99)),
		Entry("ADAPTER STATUS", adapterStatus(friend, 999)),
	)

	It("ends an ADAPTER STATUS that asks the other node", func() {
		pc.call(adapterStatus(friend, 999))
		pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, peerIP))
		Expect(pc.call(cancel(pc.id("ADAPTER STATUS"))).all()).To(Equal([]string{
			"disarm 2", "ADAPTER STATUS: NRC_CMDCAN", "CANCEL: NRC_GOODRET",
		}))
		Expect(pc.receive(toPC, statusResponse(pc.lastTrn, "8400", star, other)).all()).To(BeEmpty())
	})

	Context("of a CALL", func() {
		gone := []string{"CALL: NRC_CMDCAN", "CHAT<20> held 2: no longer by call", "CANCEL: NRC_GOODRET"}

		It("that resolves the name ends the questions", func() {
			pc.call(callFrom(chat, friend))
			Expect(pc.call(cancel(pc.id("CALL"))).all()).To(Equal(append([]string{"disarm 2"}, gone...)))
			Expect(pc.advance(time.Second).all()).To(BeEmpty())
		})

		It("that connects, or waits for the answer, aborts the connection", func() {
			pc.call(callFrom(chat, friend))
			pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, peerIP))
			Expect(pc.call(cancel(pc.id("CALL"))).all()).To(Equal(append([]string{"abort out-1", "disarm 2"}, gone...)))
			pc.call(callFrom(chat, friend))
			pc.accepted(2)
			Expect(pc.call(cancel(pc.id("CALL"))).all()).To(Equal(append([]string{"abort out-2", "disarm 2"}, gone...)))
			Expect(pc.data(2, "8200 0000").all()).To(BeEmpty())
			Expect(pc.call(sessionStatus(chat, 999)).done()).To(Equal(
				sessions("NRC_GOODRET", 2, 1, 0, 0, sessionRow(1, 3, chat, friend, 0))))
		})
	})

	It("ends a RECEIVE's time-out too", func() {
		ncb := listen(chat, star)
		ncb.RTO = 1
		pc.call(ncb)
		c, _ := pc.connect()
		pc.data(c, "8100 0044 CHAT<20> FRIEND<00>")
		pc.call(receive(2, 9))
		Expect(pc.call(cancel(pc.id("RECEIVE"))).all()).To(Equal([]string{
			"disarm 3", "RECEIVE: NRC_CMDCAN", "CANCEL: NRC_GOODRET",
		}))
		Expect(pc.data(c, "0000 0001 78").all()).To(BeEmpty(), "it is kept for another")
	})

	It("is 0x26 for a name being added, which goes on", func() {
		pc.call(add(mail))
		Expect(pc.call(cancel(pc.id("ADD NAME"))).all()).To(Equal([]string{"CANCEL: NRC_CANCEL"}))
		pc.call(addGroup(team))
		Expect(pc.call(cancel(pc.id("ADD GROUP NAME"))).all()).To(Equal([]string{"CANCEL: NRC_CANCEL"}))
		Expect(pc.advance(time.Second).done()).To(HaveLen(2))
	})

	It("is 0x24 for a command that is over, or never was", func() {
		pc.call(remove(chat))
		for _, id := range []uint32{0, 1, uint32(pc.lastCall), uint32(pc.lastCall) + 1, 99} {
			Expect(pc.call(cancel(id)).all()).To(Equal([]string{"CANCEL: NRC_CANOCCR"}))
		}
		pc.call(add(mail))
		pc.call(callFrom(mail, friend))
		Expect(pc.call(cancel(99)).all()).To(Equal([]string{"CANCEL: NRC_CANOCCR"}))
	})

	It("is 0x24 for a CALL that has completed: its session stays", func() {
		pc.call(callFrom(chat, friend))
		id := pc.id("CALL")
		pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, peerIP))
		pc.accepted(1)
		pc.data(1, "8200 0000")
		Expect(pc.call(cancel(id)).all()).To(Equal([]string{"CANCEL: NRC_CANOCCR"}))
		Expect(pc.call(send(2, "x")).done()).To(Equal([]string{"SEND: NRC_GOODRET"}))
	})
})

var _ = Describe("RESET", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	It("ends calls with 0x0B, aborts sessions, deletes names, and is 0x00", func() {
		pc.registered(chat)
		pc.registeredGroup(team)
		c := pc.sessionFrom(chat)
		pc.call(receive(1, 9))
		pc.call(listen(team, star))
		pc.call(receiveAny(0xff, 9))
		pc.call(findName(friend, 99))
		pc.call(add(mail))
		pc.call(callFrom(chat, friend))
		pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, peerIP))
		pc.callAs("CALL 2", callFrom(chat, rival))
		pc.connect()
		Expect(pc.call(reset(0, netbios.Limits{})).effects()).To(Equal([]string{
			"LISTEN: NRC_CMDCAN",
			"RECEIVE ANY: NRC_CMDCAN",
			"FIND NAME: NRC_CMDCAN",
			"MAIL<20> 4 from claiming to free",
			"ADD NAME: NRC_CMDCAN",
			"CALL 2: NRC_CMDCAN",
			"CHAT<20> held 3: no longer by call",
			"abort out-1",
			"CALL: NRC_CMDCAN",
			"CHAT<20> held 2: no longer by call",
			"abort in-1",
			"CHAT<20> held 1: no longer by session",
			"RECEIVE: NRC_SABORT",
			"abort in-2",
			"CHAT<20> held 0: no longer by registration",
			"CHAT<20> 2 from registered to free",
			"137 to all:137: " + request(9, "3010", chat, unique, ownIP),
			"TEAM<20> held 0: no longer by registration",
			"group TEAM<20> 3 from registered to free",
			"137 to all:137: " + request(10, "3010", team, group, ownIP),
			"RESET: NRC_GOODRET",
		}))
		Expect(pc.alarms).To(HaveLen(2), "the releases' alone")
		Expect(pc.labels).To(BeEmpty())
		Expect(pc.data(c, "0000 0001 78").all()).To(BeEmpty())
		Expect(pc.advance(time.Second).sent()).To(HaveLen(4))
		Expect(pc.call(adapterStatus(star, 999)).all()).To(Equal([]string{adapter(unit, 0, 16, 0) + `"`}))
	})

	It("forgets sessions that ended unreported", func() {
		pc.registered(chat)
		pc.sessionFrom(chat)
		pc.closed(pc.sessionFrom(chat), stack.EOF)
		pc.call(reset(0, netbios.Limits{}))
		for lsn := range uint8(3) {
			Expect(pc.callAs("it", send(lsn, "x")).all()).To(Equal([]string{"it: NRC_SNUMOUT"}))
		}
	})

	It("frees names that sessions had kept, with one release each", func() {
		pc.registered(chat)
		pc.sessionFrom(chat)
		pc.call(remove(chat))
		Expect(pc.call(reset(0, netbios.Limits{})).effects()).To(Equal([]string{
			"abort in-1",
			"CHAT<20> held 0: no longer by session",
			"CHAT<20> 2 from deregistered to free",
			"137 to all:137: " + request(3, "3010", chat, unique, ownIP),
			"RESET: NRC_GOODRET",
		}))
	})

	It("frees a name in conflict without a release", func() {
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
		pc.receive(toPC, response(2, "ad87", chat, unique, noIP))
		Expect(pc.call(reset(0, netbios.Limits{})).sent()).To(BeEmpty())
	})

	It("lets releases that are under way run on", func() {
		pc.registered(chat)
		pc.call(remove(chat))
		Expect(pc.call(reset(0, netbios.Limits{})).all()).To(Equal([]string{"RESET: NRC_GOODRET"}))
		Expect(pc.advance(time.Second).sent()).To(HaveLen(2))
	})

	It("sets the limits when the session number is 0", func() {
		pc.call(reset(0, netbios.Limits{Names: 1, Sessions: 1}))
		pc.registered(chat)
		Expect(pc.call(add(mail)).done()).To(Equal([]string{"ADD NAME: NRC_NAMTFUL"}))
		pc.call(callFrom(chat, friend))
		Expect(pc.callAs("it", callFrom(chat, friend)).done()).To(Equal([]string{"it: NRC_LOCTFUL"}))
		Expect(pc.call(adapterStatus(star, 999)).done()).To(Equal([]string{adapter(unit, 1, 1, 1) + row(chat, 2, 4) + `"`}))
	})

	It("sets the limits that the node was made with where it names none", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Limits = netbios.Limits{Names: 1, Sessions: 1} })
		pc.call(reset(0, netbios.Limits{}))
		Expect(pc.call(add(mail)).done()).To(BeEmpty())
		Expect(pc.call(add(chat)).done()).To(Equal([]string{"ADD NAME: NRC_NAMTFUL"}))
	})

	It("leaves the limits when the session number is another", func() {
		pc.call(reset(1, netbios.Limits{Names: 1, Sessions: 1}))
		pc.registered(chat)
		Expect(pc.call(add(mail)).done()).To(BeEmpty())
		Expect(pc.call(adapterStatus(star, 60)).done()[0]).To(HavePrefix(`ADAPTER STATUS: NRC_INCOMP "` +
			`\x02\x00\x00\x00\x00\n`))
		Expect(pc.call(adapterStatus(star, 999)).done()).To(Equal([]string{adapter(unit, 0, 16, 1) + row(chat, 2, 4) + `"`}))
	})

	It("forgets neither name numbers nor identifiers", func() {
		pc.registered(chat)
		pc.call(reset(0, netbios.Limits{}))
		pc.call(add(chat))
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 3"}))
	})
})
