// SPDX-License-Identifier: MIT

package node_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// The lines that tell of a leak.
const (
	leaked2 = "CHAT<20> held 2: by datagram FRIEND<00> at peer"
	leaked3 = "CHAT<20> held 3: by datagram FRIEND<00> at peer"
)

// poke sends a direct datagram to a name.
func poke(b *bench, n string) transcript {
	GinkgoHelper()
	return b.receive(dgmToPC, datagram("10", 9, peerIP, friend, n, "hi"))
}

var _ = Describe("Fault Q124565", func() {
	var pc *bench

	BeforeEach(func() { pc = model("Q124565") })

	It("shows as the article says: register, datagrams, session, delete, register again", func() {
		pc.registered(chat)
		Expect(poke(pc, chat).all()).To(Equal([]string{leaked2}))
		Expect(poke(pc, chat).all()).To(Equal([]string{leaked3}))
		c := pc.sessionFrom(chat)
		Expect(pc.closed(c, stack.EOF).held()).To(Equal([]string{"CHAT<20> held 3: no longer by session"}))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 2: no longer by registration", "DELETE NAME: NRC_GOODRET",
		}), "and nothing is released")
		Expect(pc.advance(time.Minute).all()).To(BeEmpty())
		Expect(pc.call(add(chat)).all()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}), "and nothing is claimed")
	})

	It("shows in the other order too: datagrams, register, session, delete, register again", func() {
		Expect(poke(pc, chat).all()).To(Equal([]string{
			"CHAT<20> 0 from free to placeholder",
			"CHAT<20> held 1: by datagram FRIEND<00> at peer",
			"138 to peer:138: 1300 0009 0a00 000a 008a 82",
		}), "with the same error on the wire as on a correct stack")
		Expect(pc.call(add(chat)).effects()).To(Equal([]string{
			"CHAT<20> 2 from placeholder to claiming",
			"137 to all:137: " + request(1, "2910", chat, unique, ownIP),
		}))
		Expect(pc.advance(time.Second).effects()[2:]).To(Equal([]string{
			"137 to all:137: " + request(2, "2810", chat, unique, ownIP),
			"CHAT<20> 2 from claiming to registered",
			"CHAT<20> held 2: by registration",
			"ADD NAME: NRC_GOODRET num 2",
		}))
		pc.closed(pc.sessionFrom(chat), stack.EOF)
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration", "DELETE NAME: NRC_GOODRET",
		}))
		Expect(pc.call(add(chat)).all()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}))
	})

	It("leaves the name registered: listed, answered for, defended, called in vain (reference section 6)", func() {
		pc.registered(chat)
		poke(pc, chat)
		pc.call(listen(chat, star))
		Expect(pc.call(remove(chat)).done()).To(Equal([]string{"LISTEN: NRC_NAMERR", "DELETE NAME: NRC_GOODRET"}))
		Expect(pc.receive(toAll, query(9, chat)).sent()).To(Equal([]string{
			"137 to peer:137: " + response(9, "8500", chat, unique, ownIP),
		}))
		Expect(pc.receive(toPC, statusRequest(9, star)).sent()).To(Equal([]string{
			"137 to peer:137: " + statusResponse(9, "8400", star, unit, "CHAT<20> 0400"),
		}))
		Expect(pc.call(adapterStatus(star, 999)).done()).To(Equal([]string{adapter(unit, 0, 16, 1) + row(chat, 2, 4) + `"`}))
		Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).sent()).To(Equal([]string{
			"137 to peer:137: " + response(9, "ad86", chat, unique, ownIP),
		}))
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").sent()).To(Equal([]string{"in-1: 8300 0001 80", "close in-1"}))
		Expect(poke(pc, chat).all()).To(Equal([]string{leaked2}), "silence, and one more (row 14)")
	})

	It("has DELETE NAME drop one more each time: N leaks need N more of them (ruling 4)", func() {
		pc.registered(chat)
		poke(pc, chat)
		poke(pc, chat)
		pc.call(remove(chat))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 1: no longer by datagram", "DELETE NAME: NRC_GOODRET",
		}))
		Expect(pc.call(remove(chat)).effects()).To(Equal([]string{
			"CHAT<20> held 0: no longer by datagram",
			"CHAT<20> 2 from registered to free",
			"137 to all:137: " + request(3, "3010", chat, unique, ownIP),
			"DELETE NAME: NRC_GOODRET",
		}))
	})

	It("with a session at the DELETE NAME is 0x0F, and stays deregistered after the close (ruling 5)", func() {
		pc.registered(chat)
		poke(pc, chat)
		c := pc.sessionFrom(chat)
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 2: no longer by registration",
			"CHAT<20> 2 from registered to deregistered",
			"DELETE NAME: NRC_ACTSES",
		}))
		Expect(pc.closed(c, stack.EOF).effects()).To(Equal([]string{
			"close in-1", "CHAT<20> held 1: no longer by session",
		}))
		Expect(pc.receive(toPC, statusRequest(9, star)).sent()).To(Equal([]string{
			"137 to peer:137: " + statusResponse(9, "8400", star, unit, "CHAT<20> 1400"),
		}))
		Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).all()).To(BeEmpty())
		Expect(pc.call(add(chat)).all()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_ACTSES"}))
		Expect(poke(pc, chat).all()).To(BeEmpty())
	})

	DescribeTable("leaks nothing of what is not a direct datagram to a unique name",
		func(bother func()) {
			pc.registered(chat)
			pc.registeredGroup(team)
			bother()
			Expect(pc.call(remove(chat)).sent()).To(HaveLen(1))
			Expect(pc.call(remove(team)).sent()).To(HaveLen(1))
		},
		Entry("a group datagram", func() { pc.receive(dgmToAll, datagram("11", 9, peerIP, friend, team, "hi")) }),
		Entry("a direct datagram to a group", func() { poke(pc, team) }),
		Entry("a group datagram to a unique name", func() { pc.receive(dgmToAll, datagram("11", 9, peerIP, friend, chat, "hi")) }),
		Entry("a broadcast datagram", func() { pc.receive(dgmToAll, datagram("12", 9, peerIP, friend, star, "hi")) }),
		Entry("a direct datagram to the reserved name", func() { poke(pc, star) }),
		Entry("a datagram to another suffix", func() { poke(pc, "CHAT<00>") }),
		Entry("a datagram from the name", func() { pc.call(sendDatagram(2, team, "hi")) }),
		Entry("a lone first part", func() {
			pc.receive(dgmToPC, "1003 0007 0a00 0014 008a 0045 0000 FRIEND<00> CHAT<20> 78")
			pc.advance(time.Minute)
		}),
		Entry("a lone second part", func() { pc.receive(dgmToPC, "1000 0007 0a00 0014 008a 0001 01d2 78") }),
		Entry("a session without a datagram", func() { pc.closed(pc.sessionFrom(chat), stack.EOF) }),
		Entry("nothing at all", func() {}),
	)

	It("leaks one reference of a datagram in two parts (row 8)", func() {
		pc.registered(chat)
		Expect(pc.receive(dgmToPC, "1003 0007 0a00 0014 008a 0045 0000 FRIEND<00> CHAT<20> 78").held()).To(BeEmpty())
		Expect(pc.receive(dgmToPC, "1000 0007 0a00 0014 008a 0001 0001 78").held()).To(Equal([]string{leaked2}))
	})

	It("leaks whether or not a RECEIVE DATAGRAM waits (row 6)", func() {
		pc.registered(chat)
		pc.call(receiveDatagram(2, 99))
		Expect(poke(pc, chat).all()).To(Equal([]string{leaked2, `RECEIVE DATAGRAM: NRC_GOODRET num 2 from FRIEND<00> "hi"`}))
	})

	It("leaks of the node's own datagrams too (row 4)", func() {
		pc.registered(chat, mail)
		Expect(pc.call(sendDatagram(3, chat, "note")).all()).To(Equal([]string{
			"CHAT<20> held 2: by datagram MAIL<20> at pc", "SEND DATAGRAM: NRC_GOODRET",
		}))
	})

	It("leaks nothing of what the node sends to a group that others have", func() {
		pc.registered(mail)
		pc.call(sendDatagram(2, team, "hi"))
		Expect(pc.receive(toPC, response(3, "8500", team, group, peerIP)).effects()).To(Equal([]string{
			"138 to all:138: " + datagram("11", 1, ownIP, mail, team, "hi"), "SEND DATAGRAM: NRC_GOODRET",
		}))
	})

	It("leaks nothing while the name is being claimed: the datagram is dropped (row 7)", func() {
		pc.call(add(chat))
		Expect(poke(pc, chat).all()).To(BeEmpty())
		pc.advance(time.Second)
		Expect(pc.call(remove(chat)).sent()).To(HaveLen(1))
	})

	It("survives RESET, which deletes once (row 12), and is healed by a restart", func() {
		pc.registered(chat)
		poke(pc, chat)
		Expect(pc.call(reset(0, netbios.Limits{})).all()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration", "RESET: NRC_GOODRET",
		}))
		Expect(pc.call(add(chat)).done()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}))
		pc = model("Q124565")
		pc.call(add(chat))
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
	})

	It("is released by an orderly stop, whoever holds the name", func() {
		pc.registered(chat)
		poke(pc, chat)
		poke(pc, mail)
		pc.call(remove(chat))
		Expect(pc.step(stack.Stop{}).effects()).To(Equal([]string{
			"CHAT<20> held 0: no longer by datagram",
			"CHAT<20> 2 from registered to free",
			"137 to all:137: " + request(3, "3010", chat, unique, ownIP),
		}))
	})

	It("fills the table: names that leaked are never free again (reference section 6)", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Limits.Names, cfg.Faults = 3, faults("Q124565") })
		fixed := benchWith(func(cfg *node.Config) { cfg.Limits.Names = 3 })
		for _, b := range []*bench{pc, fixed} {
			for i := range 3 {
				n := fmt.Sprintf("N%d<20>", i)
				b.registered(n)
				poke(b, n)
				b.call(remove(n))
			}
		}
		Expect(pc.call(add(chat)).done()).To(Equal([]string{"ADD NAME: NRC_NAMTFUL"}))
		Expect(fixed.call(add(chat)).done()).To(BeEmpty())
	})

	Describe("A placeholder", func() {
		BeforeEach(func() { poke(pc, chat) })

		It("is not there for anybody else", func() {
			for _, t := range []transcript{
				pc.receive(toAll, query(9, chat)), pc.receive(toPC, statusRequest(9, chat)),
				pc.receive(toAll, request(9, "2910", chat, unique, peerIP)),
			} {
				Expect(t.all()).To(BeEmpty())
			}
			c, _ := pc.connect()
			Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").sent()).To(Equal([]string{"in-1: 8300 0001 82", "close in-1"}))
			Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_NOWILD"}))
			Expect(pc.callAs("it", listen(chat, star)).all()).To(Equal([]string{"it: NRC_NOWILD"}))
			Expect(pc.call(adapterStatus(star, 999)).all()).To(Equal([]string{adapter(unit, 0, 16, 0) + `"`}))
			Expect(pc.receive(toPC, statusRequest(9, star)).sent()).To(Equal([]string{
				"137 to peer:137: " + statusResponse(9, "8400", star, unit),
			}))
		})

		It("grows with every datagram", func() {
			Expect(poke(pc, chat).held()).To(Equal([]string{leaked2}))
			Expect(poke(pc, chat).held()).To(Equal([]string{leaked3}))
		})

		It("takes what a refused claim leaves", func() {
			pc.call(add(chat))
			Expect(pc.receive(toPC, response(1, "ad86", chat, unique, peerIP)).effects()).To(Equal([]string{
				"CHAT<20> 0 from claiming to placeholder", "ADD NAME: NRC_INUSE",
			}))
			Expect(poke(pc, chat).held()).To(Equal([]string{leaked2}))
			Expect(pc.call(add(chat)).changes()).To(Equal([]string{"CHAT<20> 3 from placeholder to claiming"}))
		})

		It("is not released by a stop", func() {
			Expect(pc.step(stack.Stop{}).all()).To(Equal([]string{"stopped"}))
		})
	})
})

var _ = Describe("The knobs of Q124565", func() {
	// A life of CHAT, told by letters: d a datagram, s a session that begins, e its end, r registration, x deletion.
	// live returns how many references datagrams hold at the end, as the ledger has it.
	live := func(of, story string) int {
		GinkgoHelper()
		pc := model(of)
		var c stack.Conn
		for _, step := range story {
			switch step {
			case 'd':
				poke(pc, chat)
			case 'r':
				pc.registered(chat)
			case 's':
				c = pc.sessionFrom(chat)
			case 'e':
				pc.closed(c, stack.EOF)
			case 'x':
				pc.call(remove(chat))
			}
		}
		count := 0
		for _, r := range pc.refs {
			if r.Holder == stack.ByDatagram {
				count++
			}
		}
		return count
	}

	DescribeTable("decide which datagrams leak",
		func(of, story string, want int) { Expect(live(of, story)).To(Equal(want)) },
		Entry(nil, "fixed", "drdsdedxd", 0),
		Entry(nil, "Q124565", "dd", 2),
		Entry(nil, "Q124565", "ddrdd", 4),
		Entry(nil, "Q124565", "rdsdd", 1),
		Entry(nil, "Q124565", "rdsdded", 1),
		Entry(nil, "Q124565", "rsed", 0),
		Entry(nil, "Q124565", "rdsexd", 2),
		Entry(nil, "Q124565:count=once", "ddrdd", 1),
		Entry(nil, "Q124565:count=once", "rddsedd", 1),
		Entry(nil, "Q124565:count=once", "rsedd", 0),
		Entry(nil, "Q124565:window=no-session", "rddsdd", 2),
		Entry(nil, "Q124565:window=no-session", "rdsded", 2),
		Entry(nil, "Q124565:window=no-session", "ddrd", 3),
		Entry(nil, "Q124565:window=always", "rdsded", 3),
		Entry(nil, "Q124565:window=always", "dd", 2),
		Entry(nil, "Q124565:window=always,count=once", "rsdded", 1),
		Entry(nil, "Q124565:before-registration=off", "ddrdd", 2),
		Entry(nil, "Q124565:before-registration=off", "dd", 0),
		Entry(nil, "Q124565:before-registration=off,count=once,window=always", "ddrsded", 1),
		Entry(nil, "Q124565:delete-reports=0F", "ddrdd", 4),
	)

	It("without before-registration leave nothing behind at a name that is not registered", func() {
		pc := model("Q124565:before-registration=off")
		Expect(poke(pc, chat).all()).To(Equal([]string{"138 to peer:138: 1300 0009 0a00 000a 008a 82"}))
		Expect(pc.call(add(chat)).changes()).To(Equal([]string{"CHAT<20> 2 from free to claiming"}))
	})

	It("with delete-reports=0F list the name as deregistered", func() {
		pc := model("Q124565:delete-reports=0F")
		pc.registered(chat)
		poke(pc, chat)
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration",
			"CHAT<20> 2 from registered to deregistered",
			"DELETE NAME: NRC_ACTSES",
		}))
		Expect(pc.receive(toPC, statusRequest(9, star)).sent()).To(Equal([]string{
			"137 to peer:137: " + statusResponse(9, "8400", star, unit, "CHAT<20> 1400"),
		}))
		Expect(pc.call(add(chat)).all()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_ACTSES"}))
	})

	It("do nothing to a name without a leak", func() {
		for _, of := range []string{"Q124565", "Q124565:delete-reports=0F", "Q124565:count=once", "Q124565:window=always"} {
			buggy, fixed := model(of), newBench()
			for _, b := range []*bench{buggy, fixed} {
				b.registered(chat)
				c := b.sessionFrom(chat)
				b.call(remove(chat))
				b.closed(c, stack.EOF)
			}
			Expect(buggy.call(add(chat)).all()).To(Equal(fixed.call(add(chat)).all()), of)
		}
	})
})

var _ = Describe("Fault MS00-047", func() {
	It("takes a name out of service on anybody's demand, at any time", func() {
		pc := model("MS00-047")
		pc.registered(chat)
		pc.advance(time.Hour)
		pc.call(listen(chat, star))
		Expect(pc.receive(toPC.by(thirdAddr), response(77, "ad87", chat, unique, noIP)).all()).To(Equal([]string{
			"CHAT<20> 2 from registered to conflict", "LISTEN: NRC_NAMCONF",
		}))
		Expect(pc.receive(toAll, query(9, chat)).all()).To(BeEmpty())
	})

	It("leaves group names, and names being claimed, alone", func() {
		pc := model("MS00-047")
		pc.registeredGroup(team)
		pc.call(add(chat))
		Expect(pc.receive(toPC, response(77, "ad87", team, unique, noIP)).all()).To(BeEmpty())
		Expect(pc.receive(toPC, response(77, "ad87", chat, unique, noIP)).all()).To(BeEmpty())
		Expect(pc.advance(time.Second).done()).To(HaveLen(1))
	})
})

var _ = Describe("Fault Q140419", func() {
	It("stops without releases", func() {
		pc := model("Q140419")
		pc.registered(chat)
		pc.registeredGroup(team)
		Expect(pc.step(stack.Stop{}).all()).To(Equal([]string{
			"CHAT<20> held 0: no longer by registration",
			"CHAT<20> 2 from registered to free",
			"TEAM<20> held 0: no longer by registration",
			"group TEAM<20> 3 from registered to free",
			"stopped",
		}))
		Expect(pc.advance(time.Hour).all()).To(BeEmpty())
	})

	It("releases on DELETE NAME as ever", func() {
		pc := model("Q140419")
		pc.registered(chat)
		Expect(pc.call(remove(chat)).sent()).To(HaveLen(1))
	})
})

var _ = Describe("Faults", func() {
	It("combine", func() {
		pc := model("Q124565,MS00-047,Q140419")
		pc.registered(chat, mail)
		poke(pc, chat)
		Expect(pc.receive(toPC, response(77, "ad87", mail, unique, noIP)).changes()).To(HaveLen(1))
		Expect(pc.call(remove(chat)).sent()).To(BeEmpty())
		Expect(pc.step(stack.Stop{}).sent()).To(BeEmpty())
	})

	It("combine in one name: a leak in conflict", func() {
		pc := model("Q124565,MS00-047")
		pc.registered(chat)
		poke(pc, chat)
		pc.receive(toPC, response(77, "ad87", chat, unique, noIP))
		Expect(poke(pc, chat).all()).To(BeEmpty())
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration", "DELETE NAME: NRC_GOODRET",
		}))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 0: no longer by datagram", "CHAT<20> 2 from conflict to free", "DELETE NAME: NRC_GOODRET",
		}))
	})

	It("change nothing without their cause", func() {
		for _, of := range []string{"Q124565", "MS00-047", "Q140419", "Q124565,MS00-047,Q140419"} {
			buggy, fixed := model(of), newBench()
			var lines [2][]string
			for i, b := range []*bench{buggy, fixed} {
				for _, t := range []transcript{
					b.call(add(chat)), b.advance(time.Second), b.call(listen(chat, star)), b.receive(toAll, query(9, chat)),
					b.call(remove(chat)), b.call(add(chat)), b.advance(time.Second), b.call(reset(0, netbios.Limits{})),
					b.advance(time.Second),
				} {
					lines[i] = append(lines[i], t.all()...)
				}
			}
			Expect(lines[0]).To(Equal(lines[1]), of)
		}
	})
})
