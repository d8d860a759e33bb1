// SPDX-License-Identifier: MIT

package node_test

import (
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// A node with a name server at wins, and what goes between them.

var fromWins = toPC.by(winsAddr)

const (
	pUnique = "2000" // NB_FLAGS of a P node
	pGroup  = "a000"
	mUnique = "4000"
	hUnique = "6000"
	term    = "0004 93e0" // 300000 s, which nodes ask for
	never   = "0000 0000"
)

// typed is a bench whose node has a name server.
func typed(t node.Type, change ...func(*node.Config)) *bench {
	return benchWith(func(cfg *node.Config) {
		cfg.Type, cfg.NameServer = t, winsAddr
		for _, f := range change {
			f(cfg)
		}
	})
}

func literal(cfg *node.Config) { cfg.Profile = node.RFC1002Literal }
func netbt(cfg *node.Config)   { cfg.Profile = node.NetBT }

// asking is a registration, overwrite or refresh request for a term.
func asking(id uint16, word, of, flags string) string {
	return fmt.Sprintf("%04x %s 0001 0000 0000 0001 %s 0020 0001 c00c 0020 0001 %s 0006 %s %s", id, word, of, term, flags, ownIP)
}

// lasting is a response with a term.
func lasting(id uint16, word, of, seconds, flags, ip string) string {
	return fmt.Sprintf("%04x %s 0000 0001 0000 0000 %s 0020 0001 %s 0006 %s %s", id, word, of, seconds, flags, ip)
}

func wack(id uint16, of, seconds string) string {
	return fmt.Sprintf("%04x bc00 0000 0001 0000 0000 %s 000a 0001 %s 0002 2900", id, of, seconds)
}

func denial(id uint16, of string) string {
	return fmt.Sprintf("%04x 8583 0000 0001 0000 0000 %s 000a 0001 0000 0000 0000", id, of)
}

// asked is a query to one node.
func asked(id uint16, of string) string {
	return fmt.Sprintf("%04x 0100 0001 0000 0000 0000 %s 0020 0001", id, of)
}

func winsGets(frame string) string { return "137 to wins:137: " + frame }
func allGet(frame string) string   { return "137 to all:137: " + frame }

// granted adds a unique name with the consent of the name server, for a term in hexadecimal seconds.
func (b *bench) granted(of, flags, seconds string) {
	GinkgoHelper()
	b.call(add(of))
	b.receive(fromWins, lasting(b.lastTrn, "ad80", of, seconds, flags, ownIP))
}

var _ = Describe("A P node", func() {
	var pc *bench

	BeforeEach(func() { pc = typed(node.P) })

	Describe("claims a name at its name server (RFC 1002 section 5.1.2.1)", func() {
		It("with one request, and has it when the server agrees", func() {
			Expect(pc.call(add(chat)).all()).To(Equal([]string{
				"CHAT<20> 2 from free to claiming", winsGets(asking(1, "2900", chat, pUnique)), "arm 1 for 5s",
			}))
			pc.advance(time.Second)
			Expect(pc.receive(fromWins, lasting(1, "ad80", chat, term, pUnique, ownIP)).all()).To(Equal([]string{
				"disarm 1", "CHAT<20> 2 from claiming to registered", "CHAT<20> held 1: by registration",
				"ADD NAME: NRC_GOODRET num 2", "arm 1 for 41h40m1s",
			}))
		})

		It("and a group with the group bit", func() {
			Expect(pc.call(addGroup(team)).sent()).To(Equal([]string{winsGets(asking(1, "2900", team, pGroup))}))
		})

		It("three times, 5 s apart, and has no name when the server is silent", func() {
			pc.call(add(chat))
			Expect(pc.advance(time.Hour).timed()).To(Equal([]string{
				"5s " + winsGets(asking(1, "2900", chat, pUnique)),
				"10s " + winsGets(asking(1, "2900", chat, pUnique)),
				"15s ADD NAME: NRC_CMDTMO",
			}))
			Expect(pc.call(remove(chat)).done()).To(Equal([]string{"DELETE NAME: NRC_NOWILD"}))
		})

		It("1.5 s apart in the netbt profile", func() {
			pc = typed(node.P, netbt)
			pc.call(add(chat))
			Expect(pc.advance(time.Hour).timed()).To(HaveExactElements(
				HavePrefix("1.5s 137"), HavePrefix("3s 137"), Equal("4.5s ADD NAME: NRC_CMDTMO")))
		})

		DescribeTable("and has no name when it is refused",
			func(word string) {
				pc.call(add(chat))
				Expect(pc.receive(fromWins, response(1, word, chat, unique, peerIP)).all()).To(Equal([]string{
					"disarm 1", "CHAT<20> 2 from claiming to free", "ADD NAME: NRC_INUSE",
				}))
			},
			Entry("because another has it", "ad86"), Entry("for reasons of policy", "ad85"),
			Entry("because the server cannot", "ad82"), Entry("as a conflict", "ad87"),
		)

		DescribeTable("and is not misled by what does not answer it (bad-input 25)",
			func(way via, frame string) {
				pc.call(add(chat))
				Expect(pc.receive(way, frame).all()).To(BeEmpty())
				Expect(pc.receive(fromWins, lasting(1, "ad80", chat, never, pUnique, ownIP)).done()).
					To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
			},
			Entry("a grant from another host", toPC, lasting(1, "ad80", chat, term, pUnique, ownIP)),
			Entry("a grant from another port", fromWins.port(4000), lasting(1, "ad80", chat, term, pUnique, ownIP)),
			Entry("a grant under another identifier", fromWins, lasting(2, "ad80", chat, term, pUnique, ownIP)),
			Entry("a grant of another name", fromWins, lasting(1, "ad80", mail, term, pUnique, ownIP)),
			Entry("a refusal from another host", toPC, response(1, "ad86", chat, unique, peerIP)),
			Entry("a challenge from another host", toPC, response(1, "ad00", chat, unique, peerIP)),
			Entry("a WACK from another host", toPC, wack(1, chat, "ffff ffff")),
			Entry("a WACK under another identifier", fromWins, wack(2, chat, "ffff ffff")),
			Entry("a WACK about another name", fromWins, wack(1, mail, "ffff ffff")),
			Entry("a release's answer", fromWins, response(1, "b400", chat, pUnique, ownIP)),
		)

		DescribeTable("and waits as long as a WACK says, within reason (bad-input 27)",
			func(seconds string, wait time.Duration) {
				pc.call(add(chat))
				pc.advance(2 * time.Second)
				Expect(pc.receive(fromWins, wack(1, chat, seconds)).all()).To(Equal([]string{
					"disarm 1", fmt.Sprintf("arm 1 for %v", 2*time.Second+wait),
				}))
				pc.advance(wait - 1)
				Expect(pc.receive(fromWins, lasting(1, "ad80", chat, never, pUnique, ownIP)).done()).
					To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
			},
			Entry("the server cannot tell", "0000 0000", 5*time.Second),
			Entry("5 s", "0000 0005", 5*time.Second),
			Entry("a minute, as nmbd says", "0000 003c", time.Minute),
			Entry("136 years", "ffff ffff", 2*time.Minute),
		)

		It("and is put off by three WACKs at most", func() {
			pc.call(add(chat))
			for range 3 {
				Expect(pc.receive(fromWins, wack(1, chat, "0000 003c")).timers()).To(HaveLen(2))
			}
			Expect(pc.receive(fromWins, wack(1, chat, "0000 003c")).all()).To(BeEmpty())
			Expect(pc.advance(time.Hour).timed()).To(HaveExactElements(
				HavePrefix("1m0s 137"), HavePrefix("1m5s 137"), Equal("1m10s ADD NAME: NRC_CMDTMO")))
		})
	})

	Describe("is left by the name server to challenge the owner (RFC 1002 section 5.1.2.1)", func() {
		challenged := func() transcript {
			pc.call(add(chat))
			return pc.receive(fromWins, response(1, "ad00", chat, unique, peerIP))
		}

		It("and takes the name from one that stays silent", func() {
			Expect(challenged().sent()).To(Equal([]string{"137 to peer:137: " + asked(2, chat)}))
			Expect(pc.advance(time.Hour).timed()[:3]).To(Equal([]string{
				"5s 137 to peer:137: " + asked(2, chat), "10s 137 to peer:137: " + asked(2, chat),
				"15s " + winsGets(asking(3, "2800", chat, pUnique)),
			}))
		})

		It("and takes it from one that says no, and has it when the server agrees", func() {
			challenged()
			Expect(pc.receive(toPC, denial(2, chat)).sent()).To(Equal([]string{winsGets(asking(3, "2800", chat, pUnique))}))
			Expect(pc.receive(fromWins, lasting(3, "ad80", chat, never, pUnique, ownIP)).done()).
				To(Equal([]string{"ADD NAME: NRC_GOODRET num 2"}))
		})

		It("and has no name when the server does not let it take that over", func() {
			challenged()
			pc.receive(toPC, denial(2, chat))
			Expect(pc.receive(fromWins, response(3, "ad86", chat, unique, peerIP)).done()).To(Equal([]string{"ADD NAME: NRC_INUSE"}))
		})

		It("and gives up before one that answers, if it is the owner who answers", func() {
			challenged()
			Expect(pc.receive(toPC.by(thirdAddr), response(2, "8500", chat, unique, peerIP)).all()).To(BeEmpty())
			Expect(pc.receive(toPC, response(2, "8500", chat, unique, peerIP)).effects()).To(Equal([]string{
				"CHAT<20> 2 from claiming to free", "ADD NAME: NRC_INUSE",
			}))
		})

		It("once: a second challenge is a refusal", func() {
			challenged()
			pc.receive(toPC, denial(2, chat))
			Expect(pc.receive(fromWins, response(3, "ad00", chat, unique, thirdIP)).effects()).To(Equal([]string{
				"CHAT<20> 2 from claiming to free", "ADD NAME: NRC_INUSE",
			}))
		})

		It("and asks neither itself nor nobody", func() {
			pc.call(add(chat))
			Expect(pc.receive(fromWins, response(1, "ad00", chat, unique, ownIP)).sent()).
				To(Equal([]string{winsGets(asking(2, "2800", chat, pUnique))}))
			pc = typed(node.P)
			pc.call(add(chat))
			Expect(pc.receive(fromWins, response(1, "ad00", chat, unique, noIP)).done()).To(Equal([]string{"ADD NAME: NRC_INUSE"}))
		})

		It("with an ADD NAME that cannot be cancelled, and ends with a RESET", func() {
			challenged()
			Expect(pc.call(cancel(pc.id("ADD NAME"))).done()).To(Equal([]string{"CANCEL: NRC_CANCEL"}))
			Expect(pc.call(reset(1, netbios.Limits{})).done()).To(Equal([]string{"ADD NAME: NRC_CMDCAN", "RESET: NRC_GOODRET"}))
			Expect(pc.advance(time.Hour).all()).To(BeEmpty())
		})
	})

	Describe("refreshes its names (RFC 1002 section 5.1.2.3)", func() {
		It("after half of the term that it was granted, again and again", func() {
			pc.granted(chat, pUnique, "0000 012c") // 300 s
			Expect(pc.advance(150 * time.Second).timed()).To(Equal([]string{"2m30s " + winsGets(asking(2, "4000", chat, pUnique))}))
			Expect(pc.receive(fromWins, lasting(2, "ad80", chat, "0000 003c", pUnique, ownIP)).all()).To(Equal([]string{
				"disarm 1", "arm 1 for 3m0s",
			}))
		})

		It("not any more once the server says that the name is its for ever", func() {
			pc.granted(chat, pUnique, "0000 003c")
			pc.advance(30 * time.Second)
			Expect(pc.receive(fromWins, lasting(2, "ad80", chat, never, pUnique, ownIP)).all()).To(Equal([]string{"disarm 1"}))
		})

		It("as often as it is claimed anew, from then on", func() {
			pc.granted(chat, pUnique, "0000 003c")
			pc.advance(10 * time.Second)
			pc.call(remove(chat))
			Expect(pc.receive(fromWins, response(2, "b400", chat, pUnique, ownIP)).all()).To(HaveLen(1))
			Expect(pc.alarms).To(BeEmpty())
			pc.granted(chat, pUnique, "0000 003c")
			Expect(pc.advance(30 * time.Second).timed()).To(Equal([]string{"40s " + winsGets(asking(4, "4000", chat, pUnique))}))
		})

		It("whatever becomes of another meanwhile", func() {
			pc.granted(chat, pUnique, "0000 003c")
			pc.granted(mail, pUnique, never)
			pc.advance(30 * time.Second)
			pc.call(remove(mail))
			pc.receive(fromWins, response(4, "b400", mail, pUnique, ownIP))
			Expect(pc.advance(5 * time.Second).sent()).To(Equal([]string{winsGets(asking(3, "4000", chat, pUnique))}))
		})

		It("not before five minutes are over in the netbt profile ([MS-NBTE] section 3.1.2)", func() {
			pc = typed(node.P, netbt)
			pc.granted(chat, pUnique, "0000 003c")
			Expect(pc.advance(5 * time.Minute).timed()).To(Equal([]string{"5m0s " + winsGets(asking(2, "4000", chat, pUnique))}))
		})

		It("each by itself, and none that is deleted", func() {
			pc.granted(chat, pUnique, "0000 003c")
			pc.granted(mail, pUnique, "0000 003c")
			pc.call(remove(chat))
			pc.receive(fromWins, response(3, "b400", chat, pUnique, ownIP))
			Expect(pc.advance(30 * time.Second).sent()).To(Equal([]string{winsGets(asking(4, "4000", mail, pUnique))}))
			pc.granted(chat, pUnique, "0000 003c")
			pc.call(remove(chat))
			pc.granted(chat, pUnique, "0000 003c")
			Expect(pc.advance(30 * time.Second).sent()).To(ContainElement(winsGets(asking(8, "4000", chat, pUnique))))
		})

		It("after a second at the earliest, however short the term", func() {
			pc.granted(chat, pUnique, "0000 0001")
			Expect(pc.advance(time.Second).timed()).To(Equal([]string{"1s " + winsGets(asking(2, "4000", chat, pUnique))}))
		})

		It("never, when the term is for ever", func() {
			pc.granted(chat, pUnique, never)
			Expect(pc.alarms).To(BeEmpty())
		})

		It("and keeps them when the server is silent, which it asks again two minutes later", func() {
			pc.granted(chat, pUnique, "0000 003c")
			Expect(pc.advance(165 * time.Second).timed()).To(Equal([]string{
				"30s " + winsGets(asking(2, "4000", chat, pUnique)), "35s " + winsGets(asking(2, "4000", chat, pUnique)),
				"40s " + winsGets(asking(2, "4000", chat, pUnique)), "2m45s " + winsGets(asking(3, "4000", chat, pUnique)),
			}))
			Expect(pc.receive(toPC, asked(9, chat)).sent()).To(HaveLen(1))
		})

		It("and has lost one that the server refuses to refresh", func() {
			pc.granted(chat, pUnique, "0000 003c")
			pc.call(listen(chat, star))
			pc.advance(30 * time.Second)
			Expect(pc.receive(toPC, response(2, "ad86", chat, unique, peerIP)).all()).To(BeEmpty(), "a stranger refuses nothing")
			Expect(pc.receive(fromWins, response(2, "ad86", chat, unique, peerIP)).effects()).To(Equal([]string{
				"the name server refuses to refresh CHAT<20>", "CHAT<20> 2 from registered to conflict", "LISTEN: NRC_NAMCONF",
			}))
			Expect(pc.advance(time.Hour).all()).To(BeEmpty())
		})

		It("and has lost one whose refresh the server answers with a conflict demand", func() {
			pc.granted(chat, pUnique, "0000 003c")
			pc.advance(30 * time.Second)
			Expect(pc.receive(fromWins, response(2, "ad87", chat, unique, noIP)).effects()).To(Equal([]string{
				"the name server refuses to refresh CHAT<20>", "CHAT<20> 2 from registered to conflict",
			}))
		})

		DescribeTable("no longer than it runs, and not one that is in conflict",
			func(passed time.Duration) {
				pc = typed(node.P, literal) // which believes a conflict demand at any time
				pc.granted(chat, pUnique, "0000 003c")
				pc.granted(mail, pUnique, never)
				pc.advance(passed)
				Expect(pc.receive(toPC, response(1, "ad87", chat, unique, noIP)).changes()).To(HaveLen(1))
				pc.step(stack.Stop{})
				Expect(pc.receive(fromWins, response(pc.lastTrn, "b400", mail, pUnique, ownIP)).done()).To(Equal([]string{"stopped"}))
				Expect(pc.alarms).To(BeEmpty())
			},
			Entry("before a refresh", time.Duration(0)), Entry("while one is under way", 31*time.Second),
		)

		It("until they are deleted, but as long as a session keeps them", func() {
			pc.granted(chat, pUnique, "0000 003c")
			c := pc.sessionFrom(chat)
			pc.call(remove(chat))
			Expect(pc.advance(30 * time.Second).sent()).To(Equal([]string{winsGets(asking(2, "4000", chat, pUnique))}))
			pc.closed(c, stack.Reset)
			Expect(pc.advance(time.Hour).sent()).NotTo(ContainElement(ContainSubstring(" 4000 ")))
		})

		It("until it stops", func() {
			pc.granted(chat, pUnique, "0000 003c")
			pc.advance(30 * time.Second)
			pc.step(stack.Stop{})
			Expect(pc.advance(time.Hour).timed()).To(Equal([]string{
				"35s " + winsGets(request(3, "3000", chat, pUnique, ownIP)), "40s " + winsGets(request(3, "3000", chat, pUnique, ownIP)),
				"45s stopped",
			}))
		})
	})

	Describe("releases a name at its name server (RFC 1002 section 5.1.2.4)", func() {
		BeforeEach(func() { pc.granted(chat, pUnique, never) })

		It("with one request, when the server answers", func() {
			Expect(pc.call(remove(chat)).effects()).To(Equal([]string{
				"CHAT<20> held 0: no longer by registration", "CHAT<20> 2 from registered to free",
				winsGets(request(2, "3000", chat, pUnique, ownIP)), "DELETE NAME: NRC_GOODRET",
			}))
			Expect(pc.receive(fromWins, response(2, "b400", chat, pUnique, ownIP)).all()).To(Equal([]string{"disarm 1"}))
		})

		It("whatever the server answers", func() {
			pc.call(remove(chat))
			Expect(pc.receive(fromWins, response(2, "b406", chat, unique, peerIP)).all()).To(Equal([]string{"disarm 1"}))
		})

		It("three times when it is silent, or somebody else answers", func() {
			pc.call(remove(chat))
			Expect(pc.receive(toPC, response(2, "b400", chat, pUnique, ownIP)).all()).To(BeEmpty())
			Expect(pc.advance(time.Hour).timed()).To(Equal([]string{
				"5s " + winsGets(request(2, "3000", chat, pUnique, ownIP)), "10s " + winsGets(request(2, "3000", chat, pUnique, ownIP)),
			}))
		})

		It("and has stopped when the server has answered for all", func() {
			pc.granted(mail, pUnique, never)
			Expect(pc.step(stack.Stop{}).sent()).To(Equal([]string{
				winsGets(request(3, "3000", chat, pUnique, ownIP)), winsGets(request(4, "3000", mail, pUnique, ownIP)),
			}))
			Expect(pc.receive(toPC, asked(9, chat)).all()).To(BeEmpty())
			Expect(pc.receive(fromWins, response(3, "b400", chat, pUnique, ownIP)).done()).To(BeEmpty())
			Expect(pc.receive(fromWins, response(4, "b406", mail, pUnique, ownIP)).done()).To(Equal([]string{"stopped"}))
		})

		It("and waits for the server as long as that says, when it stops", func() {
			pc.step(stack.Stop{})
			pc.receive(fromWins, wack(2, chat, "0000 003c"))
			Expect(pc.advance(59 * time.Second).all()).To(BeEmpty())
			Expect(pc.receive(fromWins, response(2, "b400", chat, pUnique, ownIP)).done()).To(Equal([]string{"stopped"}))
		})

		It("not any more when it claims it again", func() {
			pc.call(remove(chat))
			pc.call(add(chat))
			Expect(pc.advance(time.Hour).sent()).To(Equal([]string{
				winsGets(asking(3, "2900", chat, pUnique)), winsGets(asking(3, "2900", chat, pUnique)),
			}))
		})
	})

	Describe("asks its name server for names (RFC 1002 section 5.1.2.2)", func() {
		It("and believes what that says", func() {
			Expect(pc.call(findName(friend, 99)).sent()).To(Equal([]string{winsGets(asked(1, friend))}))
			Expect(pc.receive(toPC, response(1, "8500", friend, unique, peerIP)).all()).To(BeEmpty(), "not whoever else answers")
			Expect(pc.receive(fromWins, lasting(1, "8580", friend, term, pUnique, peerIP)).done()).
				To(HaveExactElements(HavePrefix("FIND NAME: NRC_GOODRET")))
		})

		It("and takes the answer about a name in another scope for what it is", func() {
			pc.call(findName(friend, 99))
			b, err := nbt.PositiveAnswer(1, name(friend), 0, peerAddr).InScope("LAB").AppendBinary(nil)
			Expect(err).NotTo(HaveOccurred())
			Expect(pc.step(stack.Datagram{From: fromWins.from, To: fromWins.to, Payload: b}).all()).To(BeEmpty())
			Expect(pc.receive(fromWins, lasting(1, "8580", friend, term, pUnique, peerIP)).done()).To(HaveLen(1))
		})

		It("and asks no further when that knows none", func() {
			pc.call(findName(friend, 99))
			Expect(pc.receive(fromWins, denial(1, friend)).all()).To(Equal([]string{"disarm 1", "FIND NAME: NRC_CMDTMO"}))
		})

		It("three times, 5 s apart, when that is silent", func() {
			pc.call(findName(friend, 99))
			Expect(pc.advance(time.Hour).timed()).To(Equal([]string{
				"5s " + winsGets(asked(1, friend)), "10s " + winsGets(asked(1, friend)), "15s FIND NAME: NRC_CMDTMO",
			}))
		})

		It("and finds groups, whose members nobody knows", func() {
			everybody := "ffff ffff"
			pc.granted(chat, pUnique, never)
			pc.call(findName(team, 99))
			Expect(pc.receive(fromWins, lasting(2, "8580", team, term, pGroup, everybody)).done()).
				To(HaveExactElements(HavePrefix("FIND NAME: NRC_GOODRET")))
			pc.advance(2 * time.Second) // until it is forgotten
			pc.call(callFrom(chat, team))
			Expect(pc.receive(fromWins, lasting(3, "8580", team, term, pGroup, everybody)).effects()).To(Equal([]string{
				"CALL: NRC_NOCALL", "CHAT<20> held 1: no longer by call",
			}))
			pc.advance(2 * time.Second)
			pc.call(adapterStatus(team, 999))
			Expect(pc.receive(fromWins, lasting(4, "8580", team, term, pGroup, everybody)).done()).
				To(Equal([]string{"ADAPTER STATUS: NRC_CMDTMO"}))
			pc.advance(2 * time.Second)
			pc.call(sendDatagram(2, team, "hi"))
			Expect(pc.receive(fromWins, lasting(5, "8580", team, term, pGroup, everybody)).sent()).
				To(HaveExactElements(HavePrefix("138 to all:138: 1106")), "to the segment, as from a P node")
		})

		It("and takes no address for a host's that is none", func() {
			pc.call(findName(friend, 99))
			for _, ip := range []string{"0000 0000", "ffff ffff", "e000 0001"} {
				Expect(pc.receive(fromWins, lasting(1, "8580", friend, term, pUnique, ip)).all()).To(BeEmpty(), ip)
			}
		})
	})

	Describe("with a name", func() {
		BeforeEach(func() { pc.granted(chat, pUnique, never) })

		DescribeTable("hears nothing that is broadcast, or says that it is (RFC 1002 section 5.1.2)",
			func(frame string) {
				Expect(pc.receive(toAll, frame).all()).To(BeEmpty())
			},
			Entry("a query", query(9, chat)), Entry("a claim", request(9, "2910", chat, unique, peerIP)),
			Entry("a node status request", statusRequest(9, star)), Entry("a release", request(9, "3010", chat, unique, peerIP)),
			Entry("a query without the flag", asked(9, chat)),
		)

		It("answers who asks it alone, for what it has and what it has not (section 5.1.2.5)", func() {
			Expect(pc.receive(toPC, query(9, chat)).all()).To(BeEmpty(), "with the flag it is a broadcast")
			Expect(pc.receive(toPC, asked(9, chat)).all()).To(Equal([]string{
				"137 to peer:137: " + response(9, "8500", chat, pUnique, ownIP),
			}))
			Expect(pc.receive(toPC.port(4000), asked(9, mail)).all()).To(Equal([]string{
				"137 to peer:4000: 0009 8503 0000 0001 0000 0000 MAIL<20> 000a 0001 0000 0000 0000",
			}))
			pc.call(add(mail))
			Expect(pc.receive(toPC, asked(9, mail)).sent()).To(HaveExactElements(ContainSubstring(" 8503 ")), "not yet")
		})

		It("says of which type it is in its node status and its datagrams", func() {
			Expect(pc.receive(toPC, statusRequest(9, star)).sent()).To(HaveExactElements(ContainSubstring(" 2024 00")), "0x2400")
			pc.call(sendBroadcast(2, "hi"))
			Expect(pc.call(sendBroadcast(2, "hi")).sent()).To(HaveExactElements(HavePrefix("138 to all:138: 1206 ")))
		})

		DescribeTable("refuses to give it up to who asks it alone",
			func(word string) {
				Expect(pc.receive(toPC.port(4000), request(9, word, chat, unique, peerIP)).all()).To(Equal([]string{
					"137 to peer:4000: " + response(9, "ad86", chat, pUnique, ownIP),
				}))
			},
			Entry("registration", "2900"), Entry("overwrite", "2800"), Entry("multi-homed", "7900"), Entry("refresh", "4000"),
			Entry("refresh by the diagram", "4800"),
		)

		DescribeTable("keeps it through what strangers say, unless it is one that believes them (bad-input 25, CVE-2000-0673)",
			func(frame string, change func(*node.Config), lost bool) {
				if change != nil {
					pc = typed(node.P, change)
					pc.granted(chat, pUnique, never)
				}
				pc.advance(time.Hour)
				changes, word := pc.receive(toPC, frame).changes(), " 8500 "
				if lost {
					Expect(changes).To(Equal([]string{"CHAT<20> 2 from registered to conflict"}))
					word = " 8503 "
				} else {
					Expect(changes).To(BeEmpty())
				}
				Expect(pc.receive(toPC, asked(9, chat)).sent()).To(HaveExactElements(ContainSubstring(word)))
			},
			Entry("a release", request(9, "3000", chat, unique, peerIP), nil, false),
			Entry("a release that names the owner", request(9, "3000", chat, pUnique, ownIP), nil, false),
			Entry("a conflict demand", response(9, "ad87", chat, unique, noIP), nil, false),
			Entry("a refusal that nobody asked for", response(9, "ad86", chat, unique, peerIP), nil, false),
			Entry("a release, by the letter of the RFC", request(9, "3000", chat, unique, peerIP), literal, true),
			Entry("a release, on a stack with MS00-047", request(9, "3000", chat, unique, peerIP),
				func(cfg *node.Config) { cfg.Faults = faults("MS00-047") }, true),
			Entry("a release that is broadcast", request(9, "3010", chat, unique, peerIP), literal, false),
		)
	})

	It("is a B node without a name server, or with itself for one", func() {
		for _, at := range []netip.Addr{{}, ownAddr} {
			pc = benchWith(func(cfg *node.Config) { cfg.Type, cfg.NameServer = node.P, at })
			Expect(pc.call(add(chat)).sent()).To(Equal([]string{allGet(request(1, "2910", chat, unique, ownIP))}))
		}
	})
})

var _ = Describe("An M node (RFC 1002 section 5.1.3)", func() {
	var pc *bench

	BeforeEach(func() { pc = typed(node.M) })

	// granted adds CHAT with the consent of both.
	granted := func() {
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
		pc.receive(fromWins, lasting(2, "ad80", chat, never, mUnique, ownIP))
	}

	It("claims on the segment, then at the name server, and tells the segment when both agree", func() {
		pc.call(add(chat))
		Expect(pc.advance(750 * time.Millisecond).timed()).To(Equal([]string{
			"250ms " + allGet(request(1, "2910", chat, mUnique, ownIP)), "500ms " + allGet(request(1, "2910", chat, mUnique, ownIP)),
			"750ms " + winsGets(asking(2, "2900", chat, mUnique)),
		}))
		Expect(pc.receive(fromWins, lasting(2, "ad80", chat, never, mUnique, ownIP)).effects()).To(Equal([]string{
			allGet(request(3, "2810", chat, mUnique, ownIP)), "CHAT<20> 2 from claiming to registered",
			"CHAT<20> held 1: by registration", "ADD NAME: NRC_GOODRET num 2",
		}))
	})

	It("has no name when the segment objects, in time or late, or the name server does, or is silent", func() {
		pc.call(add(chat))
		Expect(pc.receive(toPC, response(1, "ad86", chat, unique, peerIP)).done()).To(Equal([]string{"ADD NAME: NRC_INUSE"}))
		pc.call(add(mail))
		pc.advance(750 * time.Millisecond)
		Expect(pc.receive(toPC, response(2, "ad86", mail, unique, peerIP)).done()).To(Equal([]string{"ADD NAME: NRC_INUSE"}),
			"while the name server is asked")
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
		Expect(pc.receive(toPC, response(5, "ad86", chat, unique, peerIP)).all()).To(BeEmpty(), "not for the name server")
		Expect(pc.receive(fromWins, response(5, "ad86", chat, unique, peerIP)).done()).To(Equal([]string{"ADD NAME: NRC_INUSE"}))
		pc.call(add(chat))
		Expect(pc.advance(time.Hour).done()).To(Equal([]string{"ADD NAME: NRC_CMDTMO"}))
	})

	It("accepts a conflict demand that answers any request of its claim", func() {
		for _, id := range []uint16{1, 2, 3} {
			pc = typed(node.M)
			granted()
			Expect(pc.receive(toPC, response(id, "ad87", chat, unique, noIP)).changes()).
				To(Equal([]string{"CHAT<20> 2 from registered to conflict"}), "%d", id)
		}
		pc = typed(node.M)
		granted()
		Expect(pc.receive(toPC, response(4, "ad87", chat, unique, noIP)).changes()).To(BeEmpty())
	})

	It("believes a release by the letter of the RFC only when it is told alone", func() {
		pc = typed(node.M, literal)
		granted()
		Expect(pc.receive(toAll, request(9, "3010", chat, unique, peerIP)).changes()).To(BeEmpty())
		Expect(pc.receive(toPC, request(9, "3000", chat, unique, peerIP)).changes()).To(HaveLen(1))
		pc = benchWith(literal)
		pc.registered(chat)
		Expect(pc.receive(toPC, request(9, "3000", chat, unique, peerIP)).changes()).To(BeEmpty(), "a B node never does")
	})

	It("releases at the name server, and on the segment once that agrees", func() {
		granted()
		Expect(pc.call(remove(chat)).sent()).To(Equal([]string{winsGets(request(4, "3000", chat, mUnique, ownIP))}))
		Expect(pc.receive(fromWins, response(4, "b400", chat, mUnique, ownIP)).sent()).
			To(Equal([]string{allGet(request(5, "3010", chat, mUnique, ownIP))}))
		Expect(pc.advance(time.Hour).sent()).To(HaveLen(2))
	})

	It("does not tell the segment when the name server refuses, or says nothing", func() {
		granted()
		pc.call(remove(chat))
		Expect(pc.receive(fromWins, response(4, "b406", chat, mUnique, ownIP)).sent()).To(BeEmpty())
		granted()
		pc = typed(node.M)
		granted()
		pc.call(remove(chat))
		Expect(pc.advance(time.Hour).sent()).To(HaveLen(2), "of three requests to the name server")
	})

	It("asks the segment, then the name server", func() {
		pc.call(findName(friend, 99))
		Expect(pc.advance(750 * time.Millisecond).timed()).To(Equal([]string{
			"250ms " + allGet(query(1, friend)), "500ms " + allGet(query(1, friend)), "750ms " + winsGets(asked(2, friend)),
		}))
		Expect(pc.receive(fromWins, denial(2, friend)).done()).To(Equal([]string{"FIND NAME: NRC_CMDTMO"}))
	})

	It("says that it is one in its datagrams", func() {
		granted()
		Expect(pc.call(sendBroadcast(2, "hi")).sent()).To(HaveExactElements(HavePrefix("138 to all:138: 120a ")))
	})

	It("answers broadcasts as a B node does, and who asks it alone as a P node does", func() {
		granted()
		Expect(pc.receive(toAll, query(9, chat)).sent()).To(HaveLen(1))
		Expect(pc.receive(toAll, query(9, mail)).sent()).To(BeEmpty())
		Expect(pc.receive(toAll, request(9, "2910", chat, unique, peerIP)).sent()).To(HaveLen(1))
		Expect(pc.receive(toPC, asked(9, mail)).sent()).To(HaveExactElements(ContainSubstring(" 8503 ")))
	})
})

var _ = Describe("An H node ([MS-NBTE] section 3.1.7)", func() {
	var pc *bench

	BeforeEach(func() { pc = typed(node.H) })

	It("claims at the name server, and broadcasts nothing when that answers", func() {
		Expect(pc.call(add(chat)).sent()).To(Equal([]string{winsGets(asking(1, "2900", chat, hUnique))}))
		Expect(pc.receive(fromWins, lasting(1, "ad80", chat, never, hUnique, ownIP)).effects()).To(Equal([]string{
			"CHAT<20> 2 from claiming to registered", "CHAT<20> held 1: by registration", "ADD NAME: NRC_GOODRET num 2",
		}))
		pc.call(add(mail))
		Expect(pc.receive(fromWins, response(2, "ad86", mail, unique, peerIP)).done()).To(Equal([]string{"ADD NAME: NRC_INUSE"}))
	})

	It("claims as a B node does when the name server is silent, and tries that again every two minutes", func() {
		pc.call(add(chat))
		Expect(pc.advance(3 * time.Minute).timed()).To(Equal([]string{
			"5s " + winsGets(asking(1, "2900", chat, hUnique)), "10s " + winsGets(asking(1, "2900", chat, hUnique)),
			"15s " + allGet(request(2, "2910", chat, hUnique, ownIP)), "15.25s " + allGet(request(2, "2910", chat, hUnique, ownIP)),
			"15.5s " + allGet(request(2, "2910", chat, hUnique, ownIP)), "15.75s " + allGet(request(3, "2810", chat, hUnique, ownIP)),
			"15.75s ADD NAME: NRC_GOODRET num 2",
			"2m15.75s " + winsGets(asking(4, "4000", chat, hUnique)), "2m20.75s " + winsGets(asking(4, "4000", chat, hUnique)),
			"2m25.75s " + winsGets(asking(4, "4000", chat, hUnique)),
		}))
	})

	It("releases at the name server, and on the segment when that refuses or is silent", func() {
		pc.granted(chat, hUnique, never)
		pc.call(remove(chat))
		Expect(pc.receive(fromWins, response(2, "b400", chat, hUnique, ownIP)).sent()).To(BeEmpty())
		pc.granted(chat, hUnique, never)
		pc.call(remove(chat))
		Expect(pc.receive(fromWins, response(4, "b406", chat, hUnique, ownIP)).sent()).
			To(Equal([]string{allGet(request(5, "3010", chat, hUnique, ownIP))}))
		pc.advance(time.Minute)
		pc.granted(chat, hUnique, never)
		pc.call(remove(chat))
		Expect(pc.advance(time.Hour).sent()).To(HaveLen(2 + 3))
	})

	It("asks the name server, and the segment when that knows nothing or is silent", func() {
		pc.call(findName(friend, 99))
		Expect(pc.receive(fromWins, denial(1, friend)).sent()).To(Equal([]string{allGet(query(2, friend))}))
		Expect(pc.receive(toPC, response(2, "8500", friend, unique, peerIP)).done()).
			To(HaveExactElements(HavePrefix("FIND NAME: NRC_GOODRET")))
		pc.call(findName(rival, 99))
		Expect(pc.advance(time.Hour).timed()).To(HaveLen(2 + 3 + 1))
	})

	It("marks its datagrams as Microsoft's do", func() {
		pc.granted(chat, hUnique, never)
		Expect(pc.call(sendBroadcast(2, "hi")).sent()).To(HaveExactElements(HavePrefix("138 to all:138: 120e ")))
		Expect(pc.receive(toAll, statusRequest(9, star)).sent()).To(HaveExactElements(ContainSubstring(" 2064 00")), "0x6400")
	})
})

var _ = Describe("A B node that is asked alone", func() {
	It("refuses what smbtorture's nbt.register.register_own and refresh_own ask for", func() {
		pc := newBench()
		pc.registered(chat)
		for _, word := range []string{"2910", "2810", "2900", "2800", "4000", "7900"} { // with the broadcast flag, too
			Expect(pc.receive(toPC.port(40001), request(9, word, chat, "0400", peerIP)).all()).To(Equal([]string{
				"137 to peer:40001: " + response(9, "ad86", chat, unique, ownIP),
			}), word)
			Expect(pc.receive(toPC, request(9, word, mail, unique, peerIP)).all()).To(BeEmpty(), word)
		}
		Expect(pc.receive(toPC, asked(9, mail)).all()).To(BeEmpty(), "a B node denies nothing")
	})
})

var _ = Describe("The type of a node", func() {
	It("is written as a letter", func() {
		for letter, want := range map[string]node.Type{"b": node.B, "p": node.P, "m": node.M, "h": node.H} {
			t, known := node.FindType(letter)
			Expect(known).To(BeTrue())
			Expect(t).To(Equal(want))
			Expect(t.String()).To(Equal(letter))
		}
		_, known := node.FindType("x")
		Expect(known).To(BeFalse())
	})
})
