// SPDX-License-Identifier: MIT

package nameserver_test

import (
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nameserver"
	"github.com/nbtlab/nbtlab/harness/nbt"
)

var _ = Describe("Challenging the owner of a name (RFC 1002 section 5.1.4)", func() {
	var wins *bench

	BeforeEach(func() {
		wins = newBench()
		wins.ask(pc, register(chat, pc))
	})

	answer := func(addrs ...netip.Addr) nbt.NameMessage {
		return nbt.PositiveAnswer(wins.queries, name(chat), nbt.ONTP, addrs...)
	}

	It("has the requester wait, and gives the name to it when the owner stays silent", func() {
		Expect(wins.ask(peer, register(chat, peer))).To(Equal(lines(wack(peer, chat, 16), asked(pc, chat))))
		Expect(wins.wait(15*time.Second - 1)).To(Equal(lines(asked(pc, chat), asked(pc, chat))))
		Expect(wins.ask(stranger, query(chat))).To(Equal(lines("to stranger: positive name query response CHAT<20> pc for 285")),
			"the owner has it until then")
		Expect(wins.wait(1)).To(Equal(lines(granted(peer, chat))))
		Expect(wins.ask(stranger, query(chat))).To(Equal(lines(found(stranger, chat, "peer"))))
		Expect(wins.wait(time.Hour)).To(BeEmpty())
	})

	It("refuses the requester at once when the owner answers", func() {
		wins.ask(peer, register(chat, peer))
		wins.wait(time.Second)
		Expect(wins.again(pc, answer(pc))).To(Equal(lines(refused(peer, chat, "ACT_ERR"))))
		Expect(wins.wait(time.Hour)).To(BeEmpty())
	})

	It("gives the name away when the owner says that it is none", func() {
		wins.ask(peer, register(chat, peer))
		Expect(wins.again(pc, nbt.NegativeAnswer(wins.queries, name(chat), nbt.NamErr))).To(Equal(lines(granted(peer, chat))))
	})

	It("gives it away when the owner, a name server itself, says that another has it", func() {
		wins.ask(peer, register(chat, peer))
		Expect(wins.again(pc, answer(stranger))).To(Equal(lines(granted(peer, chat))))
	})

	It("tells in the WACK which request it is for", func() {
		wins.ask(peer, multihomed(chat, peer))
		m, err := nbt.ParseNameMessage(wins.sent[len(wins.sent)-2].Payload)
		Expect(err).NotTo(HaveOccurred())
		Expect(fmt.Sprintf("%x", m.Record().Data)).To(Equal("7900"))
		Expect(m.ID).To(Equal(wins.id))
	})

	DescribeTable("begins with any request that would take the name from its owner",
		func(claim func(string, netip.Addr) nbt.NameMessage) {
			Expect(wins.ask(peer, claim(chat, peer))).To(Equal(lines(wack(peer, chat, 16), asked(pc, chat))))
		},
		Entry("registration", register),
		Entry("registration as a group", registerGroup),
		Entry("multi-homed registration", multihomed),
		Entry("refresh", refresh),
		Entry("overwrite: nobody is taken at his word", overwrite),
	)

	It("ignores repetitions of the request meanwhile (bad-input 27, Samba ee8f481d942)", func() {
		claim := register(chat, peer)
		wins.ask(peer, claim)
		claim.ID = wins.id
		for range 5 {
			Expect(wins.again(peer, claim)).To(BeEmpty())
		}
		Expect(wins.again(pc, answer(pc))).To(Equal(lines(refused(peer, chat, "ACT_ERR"))), "one answer")
	})

	It("takes another request of the requester for a claim of its own, and so one of another host under the same identifier", func() {
		claim := register(chat, peer)
		wins.ask(peer, claim)
		claim.ID = wins.id
		Expect(wins.again(stranger, claim)).To(Equal(lines(refused(stranger, chat, "ACT_ERR"))))
		Expect(wins.ask(peer, claim)).To(Equal(lines(refused(peer, chat, "ACT_ERR"))))
	})

	It("keeps its own time beside others", func() {
		wins.ask(pc, register("MAIL<20>", pc))
		wins.ask(peer, register(chat, peer))
		wins.wait(2 * time.Second)
		wins.ask(peer, register("MAIL<20>", peer))
		Expect(wins.wait(3 * time.Second)).To(Equal(lines(asked(pc, chat))))
		Expect(wins.wait(2 * time.Second)).To(Equal(lines(asked(pc, "MAIL<20>"))))
	})

	DescribeTable("promises an answer in whole seconds, with one to spare",
		func(timeout time.Duration, count, seconds int) {
			wins = newBench(func(cfg *nameserver.Config) { cfg.Timeout, cfg.Count = timeout, count })
			wins.ask(pc, register(chat, pc))
			Expect(wins.ask(peer, register(chat, peer))).To(HaveExactElements(wack(peer, chat, seconds), asked(pc, chat)))
		},
		Entry("as RFC 1002 section 6 has it", 5*time.Second, 3, 16),
		Entry("a fraction", 250*time.Millisecond, 3, 2),
		Entry("hardly more than whole ones", time.Second+1, 1, 3),
	)

	It("tells of each step", func() {
		wins.ask(peer, register(chat, peer))
		wins.wait(15 * time.Second)
		wins.ask(peer, release(chat, peer))
		Expect(wins.remarks).To(Equal(lines(
			"name server: CHAT<20> is registered for 10.0.0.10",
			"name server: CHAT<20> is claimed by 10.0.0.20: asking 10.0.0.10, its owner",
			"name server: CHAT<20> is claimed by 10.0.0.20, and 10.0.0.10 does not answer",
			"name server: CHAT<20> is registered for 10.0.0.20",
			"name server: CHAT<20> is released by 10.0.0.20 for 10.0.0.20",
		)))
	})

	It("refuses whoever else claims the name meanwhile", func() {
		wins.ask(peer, register(chat, peer))
		Expect(wins.ask(stranger, register(chat, stranger))).To(Equal(lines(refused(stranger, chat, "ACT_ERR"))))
		Expect(wins.wait(15 * time.Second)).To(ContainElement(granted(peer, chat)))
	})

	It("is over when the owner is heard of", func() {
		wins.ask(peer, register(chat, peer))
		Expect(wins.ask(pc, refresh(chat, pc))).To(Equal(lines(refused(peer, chat, "ACT_ERR"), granted(pc, chat))))
		Expect(wins.wait(time.Hour)).To(BeEmpty())
	})

	It("is over when the owner lets go", func() {
		wins.ask(peer, register(chat, peer))
		Expect(wins.ask(pc, release(chat, pc))).To(Equal(lines(released(pc, chat, pc), granted(peer, chat))))
		Expect(wins.wait(time.Minute)).To(BeEmpty())
	})

	It("goes on when the owner's term runs out meanwhile, against all but the owner", func() {
		wins.wait(290 * time.Second)
		wins.ask(peer, register(chat, peer))
		wins.wait(11 * time.Second)
		Expect(wins.ask(stranger, release(chat, stranger))).To(Equal(lines(released(stranger, chat, stranger))), "it has nothing to let go")
		Expect(wins.ask(stranger, register(chat, stranger))).To(Equal(lines(refused(stranger, chat, "ACT_ERR"))))
		Expect(wins.ask(pc, register(chat, pc))).To(Equal(lines(refused(peer, chat, "ACT_ERR"), granted(pc, chat))))
	})

	DescribeTable("is not ended by what does not answer it (bad-input 25)",
		func(from netip.Addr, port uint16, change func(*nbt.NameMessage)) {
			wins.ask(peer, register(chat, peer))
			m := answer(pc)
			change(&m)
			Expect(wins.from(netip.AddrPortFrom(from, port), m)).To(Equal(lines("not for the server")))
			Expect(wins.again(pc, answer(pc))).To(Equal(lines(refused(peer, chat, "ACT_ERR"))))
		},
		Entry("the right answer from the wrong host", stranger, uint16(137), func(*nbt.NameMessage) {}),
		Entry("from the wrong port", pc, uint16(4000), func(*nbt.NameMessage) {}),
		Entry("under another identifier", pc, uint16(137), func(m *nbt.NameMessage) { m.ID ^= 1 }),
		Entry("about another name", pc, uint16(137), func(m *nbt.NameMessage) { m.Answers[0].Name = name("MAIL<20>") }),
		Entry("in another scope", pc, uint16(137), func(m *nbt.NameMessage) { m.Answers[0].Scope = "LAB" }),
		Entry("of another kind", pc, uint16(137), func(m *nbt.NameMessage) { m.Opcode = nbt.OpRelease }),
	)

	It("adds the requester when the owner says that it is another address of the same node", func() {
		wins.ask(peer, multihomed(chat, peer))
		Expect(wins.again(pc, answer(pc, peer))).To(Equal(lines(granted(peer, chat))))
		Expect(wins.ask(stranger, query(chat))).To(Equal(lines(found(stranger, chat, "pc peer"))))
		Expect(wins.ask(pc, refresh(chat, pc))).To(Equal(lines(granted(pc, chat))))
		Expect(wins.ask(stranger, register(chat, stranger))).To(Equal(lines(wack(stranger, chat, 31), asked(peer, chat))))
		Expect(wins.wait(15*time.Second)).To(Equal(lines(asked(peer, chat), asked(peer, chat), asked(pc, chat))), "then at the other")
		Expect(wins.wait(15 * time.Second)).To(Equal(lines(asked(pc, chat), asked(pc, chat), granted(stranger, chat))))
	})

	It("goes on at the owner's next address at once, when the first says that it is none", func() {
		wins.ask(peer, multihomed(chat, peer))
		wins.again(pc, answer(pc, peer))
		wins.ask(stranger, register(chat, stranger))
		Expect(wins.again(pc, nbt.NegativeAnswer(wins.queries, name(chat), nbt.NamErr))).To(Equal(lines(asked(peer, chat))))
		Expect(wins.wait(15 * time.Second)).To(Equal(lines(asked(peer, chat), asked(peer, chat), granted(stranger, chat))))
	})

	It("refuses a group that the owner itself wants to make of its name", func() {
		wins.ask(peer, registerGroup(chat, peer))
		Expect(wins.again(pc, answer(pc, peer))).To(Equal(lines(refused(peer, chat, "ACT_ERR"))))
	})

	It("never sends to the server's own host, whatever address is registered", func() {
		for _, a := range []netip.Addr{netip.MustParseAddr("127.64.64.1"), serverAddr} {
			wins = newBench()
			Expect(wins.ask(pc, register(chat, a))).To(HaveExactElements(ContainSubstring("positive")))
			Expect(wins.ask(pc, multihomed(chat, pc))).To(Equal(lines(wack(pc, chat, 16))))
			Expect(wins.wait(15 * time.Second)).To(Equal(lines(granted(pc, chat))))
			Expect(wins.ask(peer, query(chat))).To(Equal(lines(found(peer, chat, "pc"))))
		}
	})

	It("is bounded in number", func() {
		busy := 0
		for i := range 1000 {
			n := fmt.Sprintf("UNIT%d<20>", i)
			wins.ask(pc, register(n, pc))
			if l := wins.ask(peer, register(n, peer)); l[0] == refused(peer, n, "SRV_ERR") {
				busy++
			}
		}
		Expect(busy).To(Equal(1000 - 256))
	})

	Describe("by the requester, under that policy", func() {
		BeforeEach(func() {
			wins = newBench(withPolicy(nameserver.Policy{LeavesChallenge: true}))
			wins.ask(pc, register(chat, pc))
		})

		It("is asked for by telling who the owner is, and trusted", func() {
			Expect(wins.ask(peer, register(chat, peer))).To(Equal(lines(
				"to peer: end-node challenge registration response CHAT<20> pc for 300")))
			Expect(wins.ask(stranger, query(chat))).To(Equal(lines(found(stranger, chat, "pc"))))
			Expect(wins.ask(peer, overwrite(chat, peer))).To(Equal(lines(granted(peer, chat))))
			Expect(wins.ask(stranger, query(chat))).To(Equal(lines(found(stranger, chat, "peer"))))
		})
	})
})
