// SPDX-License-Identifier: MIT

package node_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("An orderly stop", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	It("of a node without names is over at once", func() {
		Expect(pc.step(stack.Stop{}).all()).To(Equal([]string{"stopped"}))
		Expect(pc.step(stack.Stop{}).all()).To(BeEmpty(), "and only once")
	})

	It("ends calls and sessions, releases the names, and is over after the last release", func() {
		pc.registered(chat)
		pc.registeredGroup(team)
		pc.sessionFrom(chat)
		pc.call(receive(1, 9))
		pc.call(listen(chat, star))
		pc.call(findName(friend, 99))
		pc.call(callFrom(chat, friend))
		pc.call(add(mail))
		pc.connect()
		Expect(pc.step(stack.Stop{}).effects()).To(Equal([]string{
			"LISTEN: NRC_CMDCAN",
			"FIND NAME: NRC_CMDCAN",
			"CALL: NRC_CMDCAN",
			"CHAT<20> held 2: no longer by call",
			"MAIL<20> 4 from claiming to free",
			"ADD NAME: NRC_CMDCAN",
			"close in-1",
			"CHAT<20> held 1: no longer by session",
			"RECEIVE: NRC_SCLOSED",
			"abort in-2",
			"CHAT<20> held 0: no longer by registration",
			"CHAT<20> 2 from registered to free",
			"TEAM<20> held 0: no longer by registration",
			"group TEAM<20> 3 from registered to free",
			"137 to all:137: " + request(8, "3010", chat, unique, ownIP),
			"137 to all:137: " + request(9, "3010", team, group, ownIP),
		}))
		Expect(pc.alarms).To(HaveLen(2))
		Expect(pc.advance(time.Hour).timed()).To(Equal([]string{
			"4.25s 137 to all:137: " + request(8, "3010", chat, unique, ownIP),
			"4.25s 137 to all:137: " + request(9, "3010", team, group, ownIP),
			"4.5s 137 to all:137: " + request(8, "3010", chat, unique, ownIP),
			"4.5s 137 to all:137: " + request(9, "3010", team, group, ownIP),
			"4.75s stopped",
		}))
		Expect(pc.labels).To(BeEmpty())
	})

	It("lets releases that are under way run on", func() {
		pc.registered(chat)
		pc.call(remove(chat))
		pc.advance(250 * time.Millisecond)
		Expect(pc.step(stack.Stop{}).all()).To(BeEmpty())
		Expect(pc.advance(time.Second).timed()).To(Equal([]string{
			"2.5s 137 to all:137: " + request(3, "3010", chat, unique, ownIP), "2.75s stopped",
		}))
	})

	It("waits for the last of several releases", func() {
		pc.registered(chat)
		pc.call(remove(chat))
		pc.registered(mail)
		pc.call(remove(mail))
		pc.advance(100 * time.Millisecond)
		pc.registered(friend)
		pc.step(stack.Stop{})
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"stopped"}))
	})

	It("releases a name that sessions had kept, when they end", func() {
		pc.registered(chat)
		pc.sessionFrom(chat)
		pc.call(remove(chat))
		Expect(pc.step(stack.Stop{}).effects()).To(Equal([]string{
			"close in-1",
			"CHAT<20> held 0: no longer by session",
			"CHAT<20> 2 from deregistered to free",
			"137 to all:137: " + request(3, "3010", chat, unique, ownIP),
		}))
	})

	It("does not release a name in conflict", func() {
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
		pc.receive(toPC, response(2, "ad87", chat, unique, noIP))
		Expect(pc.step(stack.Stop{}).all()).To(Equal([]string{
			"CHAT<20> held 0: no longer by registration", "CHAT<20> 2 from conflict to free", "stopped",
		}))
	})

	It("answers 0x23 to every later call, while the releases run and after", func() {
		pc.registered(chat)
		pc.step(stack.Stop{})
		for range 2 {
			for _, ncb := range []netbios.NCB{
				add(mail), remove(chat), adapterStatus(star, 99), cancel(1), hangUp(1), {Command: 0x7f},
			} {
				Expect(pc.callAs("it", ncb).all()).To(Equal([]string{"it: NRC_BRIDGE"}))
			}
			pc.advance(time.Second)
		}
	})

	It("hears nothing more from the network while the releases run", func() {
		pc.registered(chat)
		pc.step(stack.Stop{})
		for _, frame := range []string{query(9, chat), statusRequest(9, star), request(9, "2910", chat, unique, peerIP)} {
			Expect(pc.receive(toPC, frame).all()).To(BeEmpty())
		}
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi")).all()).To(BeEmpty())
		_, t := pc.connect()
		Expect(t.all()).To(Equal([]string{"abort in-1"}))
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"stopped"}))
	})

	It("is followed by silence, whatever comes", func() {
		pc.registered(chat)
		c := pc.sessionFrom(chat)
		pc.receive(dgmToPC, "1003 0007 0a00 0014 008a 0045 0000 FRIEND<00> CHAT<20> 78")
		pc.step(stack.Stop{})
		pc.advance(time.Second)
		Expect(pc.receive(toPC, query(9, chat)).all()).To(BeEmpty())
		Expect(pc.receive(toPC, "").all()).To(BeEmpty())
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi")).all()).To(BeEmpty())
		_, t := pc.connect()
		Expect(t.all()).To(BeEmpty())
		Expect(pc.data(c, "0000 0001 78").all()).To(BeEmpty())
		Expect(pc.closed(c, stack.Reset).all()).To(BeEmpty())
		Expect(pc.step(stack.Stop{}).all()).To(BeEmpty())
		Expect(pc.advance(time.Hour).all()).To(BeEmpty())
	})

	It("asked for twice is one stop", func() {
		pc.registered(chat)
		pc.step(stack.Stop{})
		Expect(pc.step(stack.Stop{}).all()).To(BeEmpty())
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"stopped"}))
	})
})
