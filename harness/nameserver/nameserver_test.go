// SPDX-License-Identifier: MIT

package nameserver_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nameserver"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

const (
	chat   = "CHAT<20>"
	team   = "TEAM<1e>"
	domain = "DOMAIN<1c>"
)

var _ = Describe("A name server", func() {
	var wins *bench

	BeforeEach(func() { wins = newBench() })

	It("registers a name, answers for it, and lets it go", func() {
		Expect(wins.ask(peer, query(chat))).To(Equal(lines(unknown(peer, chat))))
		Expect(wins.ask(pc, register(chat, pc))).To(Equal(lines(granted(pc, chat))))
		Expect(wins.ask(peer, query(chat))).To(Equal(lines(found(peer, chat, "pc"))))
		Expect(wins.ask(pc, release(chat, pc))).To(Equal(lines(released(pc, chat, pc))))
		Expect(wins.ask(peer, query(chat))).To(Equal(lines(unknown(peer, chat))))
	})

	It("writes its answers as RFC 1002 section 4.2 and nmbd do", func() {
		flagWord := func(m nbt.NameMessage) string {
			wins.ask(pc, m)
			return fmt.Sprintf("%x", wins.sent[len(wins.sent)-1].Payload[2:4])
		}
		Expect(flagWord(register(chat, pc))).To(Equal("ad80"))
		Expect(flagWord(refresh(chat, pc))).To(Equal("ad80"))
		Expect(flagWord(multihomed(chat, pc))).To(Equal("ad80"))
		Expect(flagWord(query(chat))).To(Equal("8580"))
		Expect(flagWord(query("MAIL<20>"))).To(Equal("8583"))
		Expect(flagWord(release(chat, pc))).To(Equal("b400"))
	})

	It("answers to the address and the port that the request came from (RFC 1002 section 5.1)", func() {
		Expect(wins.from(netip.AddrPortFrom(pc, 40001), register(chat, pc))).To(Equal(lines(
			"to pc:40001: positive name registration response CHAT<20> pc for 300")))
	})

	It("leaves to end nodes what has the broadcast flag, and queries without RD", func() {
		for _, m := range []nbt.NameMessage{
			nbt.Claim(1, name(chat), 0, pc), nbt.Query(1, name(chat)), nbt.ReleaseDemand(1, name(chat), 0, pc),
			nbt.OverwriteDemand(1, name(chat), 0, pc), nbt.StatusRequest(1, name(chat)),
		} {
			Expect(nameserver.Serves(&m)).To(BeFalse(), m.Kind().String())
		}
		own := query(chat)
		own.Flags = 0
		Expect(nameserver.Serves(&own)).To(BeFalse())
	})

	It("holds a name for as long as it granted, and no longer", func() {
		wins.ask(pc, register(chat, pc))
		wins.wait(299 * time.Second)
		Expect(wins.ask(peer, query(chat))).To(Equal(lines("to peer: positive name query response CHAT<20> pc for 1")))
		wins.ask(pc, refresh(chat, pc))
		wins.wait(299 * time.Second)
		Expect(wins.ask(peer, query(chat))).To(Equal(lines("to peer: positive name query response CHAT<20> pc for 1")))
		wins.wait(time.Second)
		Expect(wins.ask(peer, query(chat))).To(Equal(lines(unknown(peer, chat))))
		Expect(wins.ask(peer, register(chat, peer))).To(Equal(lines(granted(peer, chat))), "nobody is left to challenge")
	})

	DescribeTable("grants a term between a minute and six days",
		func(asked, granted int) {
			Expect(wins.ask(pc, nbt.RegistrationRequest(0, name(chat), nbt.ONTP, pc, uint32(asked)))).To(Equal(lines(
				fmt.Sprintf("to pc: positive name registration response CHAT<20> pc for %d", granted))))
		},
		Entry("for ever", 0, 518400),
		Entry("a second", 1, 60),
		Entry("an hour", 3600, 3600),
		Entry("136 years", 0xffffffff, 518400),
	)

	It("enters a name that it does not know when it is refreshed, as nmbd does", func() {
		Expect(wins.ask(pc, refresh(chat, pc))).To(Equal(lines(granted(pc, chat))))
		Expect(wins.ask(peer, query(chat))).To(Equal(lines(found(peer, chat, "pc"))))
	})

	It("takes a refresh with either opcode", func() {
		m := refresh(chat, pc)
		m.Opcode = nbt.OpRefreshAlt
		Expect(wins.ask(pc, m)).To(Equal(lines(granted(pc, chat))))
	})

	It("tells names apart by case, suffix and scope (KB Q138449)", func() {
		wins.ask(pc, register(chat, pc).InScope("LAB"))
		Expect(wins.ask(peer, query(chat).InScope("LAB"))).To(Equal(lines("to peer: positive name query response CHAT<20> in LAB pc for 300")))
		for _, m := range []nbt.NameMessage{
			query(chat), query(chat).InScope("lab"), query("chat<20>").InScope("LAB"), query("CHAT<00>").InScope("LAB"),
		} {
			Expect(wins.ask(peer, m)).To(HaveExactElements(ContainSubstring("NAM_ERR")))
		}
	})

	DescribeTable("serves scopes of up to 237 characters (bad-input 5, Samba ea7ec4fb30a)",
		func(length int, answer string) {
			scope := strings.Repeat(strings.Repeat("a", 63)+".", 4)[:length]
			Expect(wins.ask(pc, register(chat, pc).InScope(scope))).To(HaveExactElements(ContainSubstring(answer)))
			Expect(wins.sent[len(wins.sent)-1].Payload).To(ContainElement(byte(63)))
		},
		Entry("236", 236, "positive"),
		Entry("237", 237, "positive"),
		Entry("238", 238, "SRV_ERR"),
	)

	It("refuses a name that nobody may have, and an address that no host has", func() {
		Expect(wins.ask(pc, register("*CHAT<20>", pc))).To(Equal(lines(refused(pc, "*CHAT<20>", "RFS_ERR"))))
		for _, a := range []string{"0.0.0.0", "255.255.255.255", "224.0.0.1", "10.0.0.255"} {
			Expect(wins.ask(pc, register(chat, netip.MustParseAddr(a)))).To(Equal(lines(refused(pc, chat, "FMT_ERR"))), a)
			Expect(wins.ask(pc, release(chat, netip.MustParseAddr(a)))).To(Equal(lines(notReleased(pc, chat, "FMT_ERR"))), a)
		}
		m := register(chat, pc)
		m.Additional[0].Name, m.Additional[0].Pointer = name("MAIL<20>"), 0
		Expect(wins.ask(pc, m)).To(Equal(lines(refused(pc, chat, "FMT_ERR"))), "a record about another name")
		Expect(wins.lastOwner()).To(Equal(pc), "as it was asked for")
		m = register(chat, pc)
		m.Additional[0].Addrs = nil
		Expect(wins.ask(pc, m)).To(Equal(lines(refused(pc, chat, "FMT_ERR"))), "no address")
		Expect(wins.lastOwner()).To(Equal(netip.IPv4Unspecified()))
		Expect(wins.Names()).To(BeZero())
	})

	It("takes any bytes for a name, and keeps them apart (bad-input 32)", func() {
		for _, text := range []string{`;rm -rf /<20>`, `a|b<20>`, `$(x)<20>`, "`x`<20>", `\x0a\x00<20>`, `<20>`, `.<20>`, `\xff\x80<20>`} {
			Expect(wins.ask(pc, register(text, pc))).To(HaveExactElements(HavePrefix("to pc: positive")))
			Expect(wins.ask(peer, query(text))).To(Equal(lines(found(peer, name(text).String(), "pc"))))
		}
		Expect(wins.Names()).To(Equal(8))
	})

	Describe("releases", func() {
		BeforeEach(func() { wins.ask(pc, register(chat, pc)) })

		It("only for the owner, and from the owner", func() {
			Expect(wins.ask(peer, release(chat, peer))).To(Equal(lines(notReleased(peer, chat, "ACT_ERR"))))
			Expect(wins.ask(peer, release(chat, pc))).To(Equal(lines(notReleased(peer, chat, "ACT_ERR"))), "CVE-2000-0673")
			Expect(wins.remarks).To(ContainElement("name server: CHAT<20> is released by 10.0.0.20, which is not its owner: refused"))
			Expect(wins.ask(peer, query(chat))).To(Equal(lines(found(peer, chat, "pc"))))
		})

		It("a name that it does not have with code 0, as often as it is asked: smbtorture's nbt.wins", func() {
			Expect(wins.ask(pc, release("MAIL<20>", pc))).To(Equal(lines(released(pc, "MAIL<20>", pc))))
			for range 2 {
				Expect(wins.ask(pc, release(chat, pc))).To(Equal(lines(released(pc, chat, pc))))
			}
		})

		It("as nmbd does, under that policy", func() {
			wins = newBench(withPolicy(nameserver.NMBD))
			wins.ask(pc, register(chat, pc))
			Expect(wins.ask(peer, release(chat, peer))).To(Equal(lines(notReleased(peer, chat, "NAM_ERR"))))
			Expect(wins.ask(peer, release(chat, pc))).To(Equal(lines(released(peer, chat, pc))), "by rdata")
			Expect(wins.ask(peer, query(chat))).To(Equal(lines(unknown(peer, chat))))
			Expect(wins.ask(pc, release(chat, pc))).To(Equal(lines(notReleased(pc, chat, "NAM_ERR"))))
		})
	})

	Describe("groups", func() {
		It("are answered with the address for everybody, and outlive their members", func() {
			Expect(wins.ask(pc, registerGroup(team, pc))).To(Equal(lines(
				"to pc: positive name registration response TEAM<1e> pc(group) for 300")))
			wins.ask(peer, registerGroup(team, peer))
			all := "to peer: positive name query response TEAM<1e> 255.255.255.255(group) for 300"
			Expect(wins.ask(peer, query(team))).To(Equal(lines(all)))
			for _, a := range []netip.Addr{pc, peer, stranger, pc} {
				Expect(wins.ask(a, release(team, a))).To(Equal(lines(released(a, team, a))))
			}
			Expect(wins.ask(peer, query(team))).To(Equal(lines(all)))
			wins.wait(300 * time.Second)
			Expect(wins.ask(peer, query(team))).To(Equal(lines(unknown(peer, team))))
		})

		It("stay for as long as the member that registered last was granted", func() {
			wins.ask(pc, registerGroup(team, pc))
			wins.wait(100 * time.Second)
			wins.ask(peer, registerGroup(team, peer))
			Expect(wins.ask(stranger, query(team))).To(Equal(lines(
				"to stranger: positive name query response TEAM<1e> 255.255.255.255(group) for 300")))
		})

		It("are not given away as unique names", func() {
			wins.ask(pc, registerGroup(team, pc))
			Expect(wins.ask(peer, register(team, peer))).To(Equal(lines(refused(peer, team, "ACT_ERR"))))
		})

		It("are answered as nmbd does, under that policy", func() {
			wins = newBench(withPolicy(nameserver.NMBD))
			wins.ask(pc, registerGroup(team, pc))
			Expect(wins.ask(peer, query(team))).To(Equal(lines("to peer: positive name query response TEAM<1e> 0.0.0.0(group) for 300")))
			Expect(wins.ask(peer, register(team, peer))).To(Equal(lines(refused(peer, team, "RFS_ERR"))))
		})
	})

	Describe("the domain controllers of a <1c> name", func() {
		It("are listed, each for its own term, whether or not they say that it is a group", func() {
			wins.ask(pc, registerGroup(domain, pc))
			wins.wait(100 * time.Second)
			wins.ask(peer, register(domain, peer))
			Expect(wins.ask(stranger, query(domain))).To(Equal(lines(
				"to stranger: positive name query response DOMAIN<1c> pc(group) peer(group) for 300")))
			wins.wait(200 * time.Second)
			Expect(wins.ask(stranger, query(domain))).To(Equal(lines(
				"to stranger: positive name query response DOMAIN<1c> peer(group) for 100")))
			Expect(wins.ask(stranger, release(domain, stranger))).To(Equal(lines(released(stranger, domain, stranger))), "no member")
			wins.ask(peer, release(domain, peer))
			Expect(wins.ask(stranger, query(domain))).To(Equal(lines(unknown(stranger, domain))))
		})

		It("begin with the domain master, the owner of <1b>", func() {
			wins.ask(pc, registerGroup(domain, pc))
			wins.ask(peer, registerGroup(domain, peer))
			wins.ask(stranger, registerGroup(domain, stranger))
			wins.ask(stranger, register("DOMAIN<1b>", stranger))
			Expect(wins.ask(peer, query(domain))).To(Equal(lines(
				"to peer: positive name query response DOMAIN<1c> stranger(group) pc(group) peer(group) for 300")))
		})

		It("are 25 at most: the one not heard of for the longest time makes room", func() {
			member := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}) }
			for i := 1; i <= 25; i++ {
				wins.ask(member(i), registerGroup(domain, member(i)))
			}
			wins.ask(member(1), registerGroup(domain, member(1)))
			wins.ask(member(26), registerGroup(domain, member(26)))
			wins.ask(peer, query(domain))
			m, err := nbt.ParseNameMessage(wins.sent[len(wins.sent)-1].Payload)
			Expect(err).NotTo(HaveOccurred())
			Expect(m.Record().Addrs).To(HaveLen(25))
			Expect(m.Record().Addrs).NotTo(ContainElement(HaveField("Addr", member(2))))
		})
	})

	It("grants every <1d> name and keeps none: each segment has its own master browser", func() {
		for _, a := range []netip.Addr{pc, peer} {
			Expect(wins.ask(a, register("GROUP<1d>", a))).To(Equal(lines(granted(a, "GROUP<1d>"))))
			Expect(wins.ask(a, query("GROUP<1d>"))).To(Equal(lines(unknown(a, "GROUP<1d>"))))
			Expect(wins.ask(a, release("GROUP<1d>", a))).To(Equal(lines(released(a, "GROUP<1d>", a))))
		}
		Expect(wins.Names()).To(BeZero())
	})

	Describe("on a host that has names itself", func() {
		It("answers for them and defends them", func() {
			wins.own = nameserver.Own{Held: true}
			Expect(wins.ask(peer, query(chat))).To(Equal(lines("to peer: positive name query response CHAT<20> server")))
			for _, m := range []nbt.NameMessage{
				register(chat, peer), registerGroup(chat, peer), multihomed(chat, peer), overwrite(chat, peer), refresh(chat, peer),
			} {
				Expect(wins.ask(peer, m)).To(Equal(lines(refused(peer, chat, "ACT_ERR"))), m.Kind().String())
			}
			Expect(wins.ask(peer, release(chat, peer))).To(Equal(lines(notReleased(peer, chat, "ACT_ERR"))))
			Expect(wins.ask(peer, release(chat, serverAddr))).To(Equal(lines(notReleased(peer, chat, "ACT_ERR"))))
		})

		It("tells it which names are its clients' already", func() {
			wins.ask(pc, register(chat, pc))
			wins.ask(pc, registerGroup(team, pc))
			for _, c := range []struct {
				name  string
				group bool
				taken bool
			}{{chat, false, true}, {chat, true, true}, {team, false, true}, {team, true, false}, {"MAIL<20>", false, false}} {
				Expect(wins.Taken(wins.now, name(c.name), c.group)).To(Equal(c.taken), "%+v", c)
			}
			Expect(wins.Taken(wins.now+300*time.Second, name(chat), false)).To(BeFalse(), "its term is over")
		})

		It("shares its groups", func() {
			wins.own = nameserver.Own{Held: true, Flags: nbt.NBGroup}
			all := "to peer: positive name query response TEAM<1e> 255.255.255.255(group)"
			Expect(wins.ask(peer, query(team))).To(Equal(lines(all)))
			Expect(wins.ask(peer, release(team, peer))).To(Equal(lines(released(peer, team, peer))))
			Expect(wins.ask(peer, register(team, peer))).To(Equal(lines(refused(peer, team, "ACT_ERR"))))
			wins.ask(peer, registerGroup(team, peer))
			Expect(wins.ask(peer, query(team))).To(Equal(lines(all + " for 300")))
			Expect(wins.ask(peer, query(domain))).To(Equal(lines("to peer: positive name query response DOMAIN<1c> server(group)")))
			wins.ask(peer, registerGroup(domain, peer))
			Expect(wins.ask(peer, query(domain))).To(Equal(lines(
				"to peer: positive name query response DOMAIN<1c> server(group) peer(group) for 300")))
		})

		It("lets others leave its groups, as nmbd does, under that policy", func() {
			wins = newBench(withPolicy(nameserver.NMBD))
			wins.own = nameserver.Own{Held: true, Flags: nbt.NBGroup}
			Expect(wins.ask(peer, release(team, peer))).To(Equal(lines(released(peer, team, peer))))
		})
	})

	Describe("with a full table (bad-input 23)", func() {
		It("refuses one more with SRV_ERR, renews what it has, and makes room when terms are over", func() {
			wins = newBench(func(cfg *nameserver.Config) { cfg.Names = 100 })
			unit := func(i int) netbios.Name { n, _ := netbios.MakeName(fmt.Sprintf("UNIT%d", i), 0x20); return n }
			yes, no := 0, 0
			for i := range 10_000 {
				switch l := wins.ask(pc, nbt.RegistrationRequest(0, unit(i), nbt.ONTP, pc, 300)); {
				case strings.Contains(l[0], "positive"):
					yes++
				case strings.Contains(l[0], "SRV_ERR"):
					no++
				}
			}
			Expect([]int{yes, no, wins.Names()}).To(Equal([]int{100, 9900, 100}))
			Expect(wins.ask(pc, nbt.RegistrationRequest(0, unit(99), nbt.ONTP, pc, 300))).To(HaveExactElements(ContainSubstring("positive")))
			wins.wait(300 * time.Second)
			Expect(wins.ask(pc, register(chat, pc))).To(Equal(lines(granted(pc, chat))))
			Expect(wins.Names()).To(Equal(1), "the others are gone")
		})

		It("looks for terms that are over once a second, not for each that it refuses", func() {
			wins = newBench(func(cfg *nameserver.Config) { cfg.Names = 1 })
			wins.ask(pc, register(chat, pc))
			mail := func() []string { return wins.ask(peer, register("MAIL<20>", peer)) }
			wins.wait(299*time.Second + 500*time.Millisecond)
			Expect(mail()).To(Equal(lines(refused(peer, "MAIL<20>", "SRV_ERR"))))
			wins.wait(time.Second - 1)
			Expect(mail()).To(Equal(lines(refused(peer, "MAIL<20>", "SRV_ERR"))))
			wins.wait(1)
			Expect(mail()).To(Equal(lines(granted(peer, "MAIL<20>"))))
		})

		It("holds 8192 names unless told otherwise", func() {
			for i := range 8192 {
				n, _ := netbios.MakeName(fmt.Sprintf("UNIT%d", i), 0x20)
				wins.ask(pc, nbt.RegistrationRequest(0, n, nbt.ONTP, pc, 300))
			}
			Expect(wins.Names()).To(Equal(8192))
			Expect(wins.ask(pc, register(chat, pc))).To(Equal(lines(refused(pc, chat, "SRV_ERR"))))
		})

		It("never answers with more than fits 576 bytes, whoever asks for what, and with little more than was asked", func() {
			for i := range 10_000 {
				a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
				wins.ask(a, registerGroup(domain, a))
				wins.ask(a, registerGroup(team, a))
			}
			Expect(wins.Names()).To(Equal(2))
			largest := 0
			for _, m := range []nbt.NameMessage{query(domain), query(team), query("NOBODY<20>")} {
				wins.ask(peer, m)
				asked, _ := m.AppendBinary(nil)
				answered := len(wins.sent[len(wins.sent)-1].Payload)
				Expect(answered).To(BeNumerically("<=", nbt.MaxDatagramPayload))
				largest = max(largest, 100*answered/len(asked))
			}
			AddReportEntry("largest answer, in percent of the request (bad-input 24)", largest)
			Expect(largest).To(BeNumerically("<=", 420), "25 addresses: 206 bytes for 50")
		})
	})
})

var _ = Describe("A name server's clock (bad-input 30)", func() {
	It("may stand still, or at its end", func() {
		wins := newBench()
		wins.now = 1<<63 - 1
		Expect(wins.ask(pc, register(chat, pc))).To(Equal(lines(granted(pc, chat))))
		Expect(wins.ask(peer, register(chat, peer))).NotTo(BeEmpty())
		var out stack.Outputs
		wins.Wake(wins.now, &out)
		wins.Wake(0, &out)
	})
})
