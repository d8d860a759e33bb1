// SPDX-License-Identifier: MIT

package node_test

import (
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("LISTEN", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	// request asks for a session on a new connection.
	ask := func(called, calling string) transcript {
		GinkgoHelper()
		c, _ := pc.connect()
		return pc.data(c, "8100 0044 "+called+" "+calling)
	}

	It("accepts a session: the name is held, the caller is told, the LISTEN completes", func() {
		Expect(pc.call(listen(chat, star)).all()).To(BeEmpty())
		c, t := pc.connect()
		Expect(t.all()).To(Equal([]string{"arm 1 for 32s"}))
		pc.advance(time.Second)
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").all()).To(Equal([]string{
			"CHAT<20> held 2: by session FRIEND<00> at peer",
			"disarm 1",
			"arm 1 for 1m3s",
			"in-1: 8200 0000",
			"LISTEN: NRC_GOODRET lsn 1 from FRIEND<00>",
		}))
	})

	It("never times out on its own", func() {
		ncb := listen(chat, star)
		ncb.RTO, ncb.STO = 1, 1
		pc.call(ncb)
		Expect(pc.advance(24 * time.Hour).all()).To(BeEmpty())
		Expect(ask(chat, friend).done()).To(Equal([]string{"LISTEN: NRC_GOODRET lsn 1 from FRIEND<00>"}))
	})

	It("is 0x15 on a name that is not here", func() {
		Expect(pc.call(listen(mail, star)).all()).To(Equal([]string{"LISTEN: NRC_NOWILD"}))
		Expect(pc.step(stack.Stop{}).done()).NotTo(ContainElement(HavePrefix("LISTEN")), "and does not wait")
	})

	It("for one caller comes before one for any, each in the order in which they were made", func() {
		pc.callAs("any", listen(chat, star))
		pc.callAs("any, later", listen(chat, "*ANY<20>"))
		pc.callAs("friend", listen(chat, friend))
		pc.callAs("friend, later", listen(chat, friend))
		pc.callAs("rival", listen(chat, rival))
		for _, who := range []string{"friend", "friend, later", "any", "any, later"} {
			Expect(ask(chat, friend).done()).To(HaveExactElements(HavePrefix(who + ": NRC_GOODRET")))
		}
		Expect(ask(chat, friend).sent()).To(ContainElement(HaveSuffix("8300 0001 81")))
	})

	It("is used once", func() {
		pc.call(listen(chat, star))
		ask(chat, friend)
		Expect(ask(chat, friend).sent()).To(Equal([]string{"in-2: 8300 0001 80", "close in-2"}))
	})

	It("on a group name accepts too", func() {
		pc.registeredGroup(team)
		pc.call(listen(team, star))
		Expect(ask(team, friend).done()).To(HaveLen(1))
	})

	It("gives its time-out to the RECEIVEs of the session", func() {
		ncb := listen(chat, star)
		ncb.RTO = 1
		pc.call(ncb)
		ask(chat, friend)
		Expect(pc.call(receive(1, 9)).timers()).To(Equal([]string{"arm 2 for 2.5s"}))
		Expect(pc.advance(time.Minute).timed()).To(ContainElement("2.5s RECEIVE: NRC_CMDTMO"))
	})
})

var _ = Describe("A session request", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	// refused asks for a session and expects a negative response, the end of the connection, and nothing else.
	refused := func(called, calling, code string) {
		GinkgoHelper()
		c, t := pc.connect()
		Expect(t.timers()).To(HaveLen(1))
		armed := strings.Fields(t.timers()[0])[1]
		Expect(pc.data(c, "8100 0044 "+called+" "+calling).all()).To(Equal([]string{
			conn(c) + ": 8300 0001 " + code, "close " + conn(c), "disarm " + armed,
		}))
		Expect(pc.data(c, "8100 0044 "+called+" "+calling).all()).To(BeEmpty(), "the connection is over")
	}

	It("for a name that is not here is refused with 0x82", func() { refused(mail, friend, "82") })

	It("is refused with 0x80 when nobody listens on the name", func() {
		refused(chat, friend, "80")
		pc.registered(mail)
		pc.call(listen(mail, star))
		pc.call(receiveAny(0xff, 9))
		pc.call(receiveDatagram(2, 9))
		refused(chat, friend, "80")
	})

	It("is refused with 0x81 when those who listen wait for another caller", func() {
		pc.call(listen(chat, rival))
		refused(chat, friend, "81")
		ncb := listen(chat, rival)
		pc.registered(mail)
		ncb.Name, ncb.Command = name(mail), netbios.Listen|netbios.NoWait
		pc.call(ncb)
		refused(mail, friend, "81")
	})

	It("is refused with 0x83 when the session table is full, whoever listens", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Limits.Sessions = 2 })
		pc.registered(chat)
		pc.sessionFrom(chat)
		pc.call(callFrom(chat, friend))
		pc.call(listen(chat, star))
		refused(chat, friend, "83")
		refused(mail, friend, "82")
		pc.call(hangUp(1))
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(HaveLen(1))
	})

	It("is not refused for sessions that have ended, and connections that have not asked", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Limits.Sessions = 1 })
		pc.registered(chat)
		pc.closed(pc.sessionFrom(chat), stack.EOF)
		pc.connect()
		pc.call(listen(chat, star))
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(Equal([]string{"LISTEN: NRC_GOODRET lsn 2 from FRIEND<00>"}))
	})

	It("from nobody is refused with 0x8F (CVE-2000-0347, bad-input 19)", func() {
		pc.call(listen(chat, star))
		for _, caller := range []string{`\x00`, `\x00AB`, "<20>", "<00>"} {
			if !strings.HasSuffix(caller, ">") {
				caller += "<20>"
			}
			refused(chat, caller, "8f")
		}
		refused(mail, "<20>", "8f")
		for _, caller := range []string{"A<20>", `\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20A<20>`} {
			c, _ := pc.connect()
			Expect(pc.data(c, "8100 0044 CHAT<20> "+caller).done()).To(HaveLen(1), "one letter will do")
			pc.call(listen(chat, star))
		}
	})

	It("in a scope is refused with 0x82", func() {
		pc.call(listen(chat, star))
		c, _ := pc.connect()
		b := append([]byte{0x81, 0, 0, 72}, encoded(name(chat))[:33]...)
		b = append(append(b, []byte("\x03LAB\x00")...), encoded(name(friend))...)
		Expect(pc.step(stack.Data{Conn: c, Bytes: b}).sent()).To(Equal([]string{"in-1: 8300 0001 82", "close in-1"}))
	})

	It("is refused once, whatever comes behind it", func() {
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00> 8100 0044 CHAT<20> FRIEND<00>").sent()).To(Equal([]string{
			"in-1: 8300 0001 80", "close in-1",
		}))
	})

	It("takes no reference when it is refused", func() {
		refused(chat, friend, "80")
		Expect(pc.call(remove(chat)).done()).To(Equal([]string{"DELETE NAME: NRC_GOODRET"}))
	})
})

var _ = Describe("A connection from elsewhere", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	It("that asks for nothing within 30 s is aborted", func() {
		pc.connect()
		Expect(pc.advance(30*time.Second - 1).all()).To(BeEmpty())
		Expect(pc.advance(1).all()).To(Equal([]string{"abort in-1"}))
	})

	DescribeTable("has no longer than these 30 s however it spins out its asking (bad-input 28)", func(frame string) {
		c, _ := pc.connect()
		bytes := packet(frame)
		Expect(len(bytes)).To(BeNumerically(">", 29))
		for i := range 29 {
			Expect(pc.advance(time.Second).all()).To(BeEmpty())
			Expect(pc.step(stack.Data{Conn: c, Bytes: bytes[i : i+1]}).all()).To(BeEmpty())
		}
		Expect(pc.advance(time.Second).all()).To(Equal([]string{"abort in-1"}))
	},
		Entry("a byte a second", "8100 0044 CHAT<20> FRIEND<00>"),
		Entry("a byte of keep-alives a second", strings.Repeat("8500 0000", 10)),
	)

	It("is one of 64 that have not asked yet; one more takes the place of the oldest (KB Q275567, bad-input 28)", func() {
		for range 64 {
			_, t := pc.connect()
			Expect(t.sent()).To(BeEmpty())
		}
		_, t := pc.connect()
		Expect(t.all()).To(Equal([]string{"arm 65 for 32s", "abort in-1", "disarm 1"}))
		_, t = pc.connect()
		Expect(t.sent()).To(Equal([]string{"abort in-2"}))
		pc.call(listen(chat, star))
		Expect(pc.data(stack.Inbound+3, "8100 0044 CHAT<20> FRIEND<00>").done()).To(HaveLen(1))
		_, t = pc.connect()
		Expect(t.sent()).To(BeEmpty(), "there is room again")
		_, t = pc.connect()
		Expect(t.sent()).To(Equal([]string{"abort in-4"}), "a session is no candidate, however old")
	})

	It("does not make room for others' by going when it is one of few of its address (bad-input 28)", func() {
		first, _ := pc.connectFrom(thirdAddr)
		for range 63 {
			pc.connectFrom(peerAddr)
		}
		second, t := pc.connectFrom(thirdAddr)
		Expect(t.sent()).To(Equal([]string{"abort in-2"}), "the peer's oldest, though the other's first is older")
		next := []stack.Conn{}
		for i := range 63 {
			next = append(next, stack.Inbound+2+stack.Conn(i))
		}
		for range 1000 {
			c, t := pc.connectFrom(peerAddr)
			Expect(t.sent()).To(Equal([]string{"abort " + conn(next[1])}), "the peer's own")
			next = append(next[1:], c)
		}
		for _, c := range []stack.Conn{first, second} {
			pc.call(listen(chat, star))
			Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(HaveLen(1))
		}
	})

	It("goes in turn when as many come from each of many addresses (bad-input 28)", func() {
		for i := range 64 {
			pc.connectFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}))
		}
		for i := range 50 {
			_, t := pc.connectFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(200 + i)}))
			Expect(t.sent()).To(Equal([]string{"abort " + conn(stack.Inbound+1+stack.Conn(i))}))
		}
	})

	It("is aborted by a node that stops", func() {
		pc.step(stack.Stop{})
		_, t := pc.connect()
		Expect(t.all()).To(Equal([]string{"abort in-1"}))
	})

	It("makes room again when it is refused, closed or too slow", func() {
		for range 64 {
			c, _ := pc.connect()
			pc.data(c, "8100 0044 CHAT<20> FRIEND<00>")
			c, _ = pc.connect()
			pc.closed(c, stack.Reset)
			c, _ = pc.connect()
			pc.data(c, "8200 0000")
			pc.connect()
			Expect(pc.advance(30 * time.Second).sent()).To(HaveLen(1))
		}
		_, t := pc.connect()
		Expect(t.sent()).To(BeEmpty())
	})

	It("that closes before it asks is forgotten", func() {
		c, _ := pc.connect()
		Expect(pc.closed(c, stack.EOF).all()).To(Equal([]string{"close in-1", "disarm 1"}))
		c, _ = pc.connect()
		Expect(pc.closed(c, stack.Reset).all()).To(Equal([]string{"disarm 1"}))
		Expect(pc.closed(c, stack.Reset).all()).To(BeEmpty())
		Expect(pc.data(c, "8500 0000").all()).To(BeEmpty())
	})

	It("may send keep-alives first", func() {
		pc.call(listen(chat, star))
		c, _ := pc.connect()
		Expect(pc.data(c, "8500 0000").all()).To(BeEmpty())
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(HaveLen(1))
	})

	It("that begins with anything else is aborted", func() {
		for _, bad := range []struct{ frame, why string }{
			{"0000 0001 78", "unexpected session message"},
			{"8200 0000", "unexpected positive session response"},
			{"8300 0001 80", "unexpected negative session response"},
			{"8400 0006 0a00 001e 008b", "unexpected retarget session response"},
			{"4745 5420", "nbt: TYPE at offset 0: unknown message type: 0x47"},
			{"8102 0044", "nbt: FLAGS at offset 1: reserved bit set: 0x02"},
			{"8100 0001 78", "nbt: CALLED_NAME at offset 4: label length has the reserved prefix 01 or 10: 0x78"},
		} {
			c, _ := pc.connect()
			Expect(pc.data(c, bad.frame).all()).To(Equal([]string{
				"session connection broken off: " + bad.why, "abort " + conn(c), "disarm 1",
			}))
		}
	})

	It("may ask in any pieces", func() {
		pc.call(listen(chat, star))
		c, _ := pc.connect()
		whole := packet("8100 0044 CHAT<20> FRIEND<00>")
		for _, b := range whole[:len(whole)-1] {
			Expect(pc.step(stack.Data{Conn: c, Bytes: []byte{b}}).all()).To(BeEmpty())
		}
		Expect(pc.step(stack.Data{Conn: c, Bytes: whole[len(whole)-1:]}).done()).To(Equal([]string{
			"LISTEN: NRC_GOODRET lsn 1 from FRIEND<00>",
		}))
	})

	It("that the node does not know is ignored", func() {
		Expect(pc.data(77, "8200 0000").all()).To(BeEmpty())
		Expect(pc.closed(77, stack.Reset).all()).To(BeEmpty())
		pc.call(callFrom(chat, friend))
		Expect(pc.data(0, "8200 0000").all()).To(BeEmpty())
		Expect(pc.closed(0, stack.Reset).all()).To(BeEmpty())
	})
})
