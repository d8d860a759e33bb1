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

var _ = Describe("CALL", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	// answered is as far as TCP: the name has been found at the peer.
	answered := func() transcript {
		pc.call(callFrom(chat, friend))
		return pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, peerIP))
	}

	// asked is as far as the session request.
	asked := func() transcript {
		answered()
		return pc.accepted(1)
	}

	It("resolves the name, connects, asks for the session and gets it (RFC 1002 section 5.2)", func() {
		Expect(pc.call(callFrom(chat, friend)).all()).To(Equal([]string{
			"CHAT<20> held 2: by call FRIEND<00>",
			"137 to all:137: " + query(3, friend),
			"arm 1 for 2.25s",
		}))
		Expect(pc.receive(toPC, response(3, "8500", friend, unique, peerIP)).all()).To(Equal([]string{
			"disarm 1",
			"arm 1 for 32s",
			"open out-1 to peer:139",
		}))
		pc.advance(time.Second)
		Expect(pc.accepted(1).all()).To(Equal([]string{"out-1: 8100 0044 FRIEND<00> CHAT<20>"}))
		Expect(pc.data(1, "8200 0000").all()).To(Equal([]string{
			"CHAT<20> held 3: by session FRIEND<00> at peer",
			"CHAT<20> held 2: no longer by call",
			"disarm 1",
			"arm 1 for 1m3s",
			"CALL: NRC_GOODRET lsn 1 from FRIEND<00>",
		}))
	})

	It("opens one connection after another", func() {
		pc.sessionTo(chat, 1)
		pc.sessionTo(chat, 2)
		Expect(pc.call(hangUp(2)).sent()).To(Equal([]string{"close out-2"}))
	})

	It("is 0x15 from a name that is not here", func() {
		Expect(pc.call(callFrom(mail, friend)).all()).To(Equal([]string{"CALL: NRC_NOWILD"}))
	})

	It("is 0x14 when nobody answers for the name", func() {
		pc.call(callFrom(chat, friend))
		pc.advance(749 * time.Millisecond)
		Expect(pc.advance(time.Millisecond).all()).To(Equal([]string{"CALL: NRC_NOCALL", "CHAT<20> held 1: no longer by call"}))
	})

	DescribeTable("is 0x14 when TCP comes to nothing",
		func(why stack.CloseReason) {
			answered()
			lines := []string{"disarm 1", "CALL: NRC_NOCALL", "CHAT<20> held 1: no longer by call"}
			Expect(pc.closed(1, why).all()).To(Equal(lines))
			Expect(pc.advance(time.Hour).all()).To(BeEmpty())
		},
		Entry("refused", stack.Refused), Entry("timed out", stack.Timeout), Entry("reset", stack.Reset),
	)

	DescribeTable("is 0x18 when the connection ends before the answer",
		func(why stack.CloseReason, sent []string) {
			asked()
			t := pc.closed(1, why)
			Expect(t.done()).To(Equal([]string{"CALL: NRC_SABORT"}))
			Expect(t.sent()).To(Equal(sent))
			Expect(t.held()).To(Equal([]string{"CHAT<20> held 1: no longer by call"}))
			Expect(t.timers()).To(Equal([]string{"disarm 1"}))
		},
		Entry("in order", stack.EOF, []string{"close out-1"}),
		Entry("by reset", stack.Reset, []string(nil)),
	)

	It("is 0x14 when the answer takes more than 30 s from the start of the connection", func() {
		answered()
		pc.advance(20 * time.Second)
		pc.accepted(1)
		pc.advance(10*time.Second - 1)
		Expect(pc.advance(1).effects()).To(Equal([]string{
			"abort out-1", "CALL: NRC_NOCALL", "CHAT<20> held 1: no longer by call",
		}))
	})

	It("is 0x14 when the connection itself takes more than 30 s", func() {
		answered()
		Expect(pc.advance(30 * time.Second).effects()).To(Equal([]string{
			"abort out-1", "CALL: NRC_NOCALL", "CHAT<20> held 1: no longer by call",
		}))
	})

	DescribeTable("is refused with the code that the negative response means",
		func(code, result string) {
			asked()
			Expect(pc.data(1, "8300 0001 "+code).all()).To(Equal([]string{
				"close out-1", "disarm 1", "CALL: " + result, "CHAT<20> held 1: no longer by call",
			}))
			Expect(pc.call(hangUp(1)).done()).To(Equal([]string{"HANG UP: NRC_SNUMOUT"}))
		},
		Entry("not listening on called name", "80", "NRC_REMTFUL"),
		Entry("not listening for calling name", "81", "NRC_REMTFUL"),
		Entry("called name not present", "82", "NRC_NOCALL"),
		Entry("no resources", "83", "NRC_REMTFUL"),
		Entry("unspecified", "8f", "NRC_REMTFUL"),
	)

	It("is refused once, whatever comes behind the answer", func() {
		asked()
		Expect(pc.data(1, "8300 0001 80 8300 0001 82 8200 0000").done()).To(Equal([]string{"CALL: NRC_REMTFUL"}))
	})

	It("is 0x11 when the session table is full, which holds sixteen unless told otherwise", func() {
		for range 15 {
			pc.call(callFrom(chat, friend))
		}
		pc.sessionFrom(chat)
		Expect(pc.call(callFrom(chat, friend)).all()).To(Equal([]string{"CALL: NRC_LOCTFUL"}))
		pc.call(hangUp(16))
		Expect(pc.call(callFrom(chat, friend)).done()).To(BeEmpty())
	})

	It("has room for as many sessions as the configuration says, 254 at most", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Limits.Sessions = 1000 })
		pc.registered(chat)
		for range 254 {
			pc.call(callFrom(chat, friend))
		}
		Expect(pc.call(callFrom(chat, friend)).done()).To(Equal([]string{"CALL: NRC_LOCTFUL"}))
	})

	It("of the node's own name goes round TCP, with a reference at both ends (ruling 8)", func() {
		pc.call(listen(chat, star))
		Expect(pc.call(callFrom(chat, chat)).all()).To(Equal([]string{
			"CHAT<20> held 2: by call CHAT<20>", "arm 1 for 32s", "open out-1 to pc:139",
		}))
		pc.accepted(1)
		in, _ := pc.connect()
		Expect(pc.data(in, "8100 0044 CHAT<20> CHAT<20>").effects()).To(Equal([]string{
			"CHAT<20> held 3: by session CHAT<20> at peer",
			"in-1: 8200 0000",
			"LISTEN: NRC_GOODRET lsn 2 from CHAT<20>",
		}))
		Expect(pc.data(1, "8200 0000").effects()).To(Equal([]string{
			"CHAT<20> held 4: by session CHAT<20> at pc",
			"CHAT<20> held 3: no longer by call",
			"CALL: NRC_GOODRET lsn 1 from CHAT<20>",
		}))
	})

	It("of the node's own name, but not in service, asks who has it", func() {
		pc.registered(mail)
		pc.sessionFrom(mail)
		pc.call(remove(mail))
		Expect(pc.call(callFrom(chat, mail)).sent()).To(Equal([]string{"137 to all:137: " + query(5, mail)}))
	})

	It("of a group name reaches the member that answers", func() {
		pc.call(callFrom(chat, team))
		Expect(pc.receive(toPC, response(3, "8500", team, group, peerIP)).sent()).To(Equal([]string{"open out-1 to peer:139"}))
	})

	It("uses what was found lately", func() {
		pc.call(findName(friend, 99))
		pc.receive(toPC, response(3, "8500", friend, unique, peerIP))
		Expect(pc.call(callFrom(chat, friend)).sent()).To(Equal([]string{"open out-1 to peer:139"}))
	})

	It("is 0x18 after a packet that has no place there, on a connection that is aborted", func() {
		for _, c := range []struct{ frame, why string }{
			{"0000 0001 78", "unexpected session message"},
			{"8100 0044 CHAT<20> FRIEND<00>", "unexpected session request"},
			{"8300 0002 8080", "nbt: LENGTH at offset 2: length disagrees with what it counts: 2, want 1 in this type"},
			{"8600 0000", "nbt: TYPE at offset 0: unknown message type: 0x86"},
		} {
			pc = newBench()
			pc.registered(chat)
			asked()
			Expect(pc.data(1, c.frame).all()).To(Equal([]string{
				"session connection broken off: " + c.why,
				"abort out-1", "disarm 1", "CALL: NRC_SABORT", "CHAT<20> held 1: no longer by call",
			}))
		}
	})

	It("is 0x18 after an answer that was not asked for yet", func() {
		answered()
		Expect(pc.data(1, "8200 0000").effects()).To(Equal([]string{
			"session connection broken off: unexpected positive session response",
			"abort out-1", "CALL: NRC_SABORT", "CHAT<20> held 1: no longer by call",
		}))
	})

	It("asks once, however often the connection is told to be open", func() {
		Expect(asked().sent()).To(HaveLen(1))
		Expect(pc.accepted(1).all()).To(BeEmpty())
		Expect(pc.accepted(7).all()).To(BeEmpty())
	})

	It("gets over keep-alives before the answer", func() {
		asked()
		Expect(pc.data(1, "8500 0000 8200 0000").done()).To(Equal([]string{"CALL: NRC_GOODRET lsn 1 from FRIEND<00>"}))
	})

	It("reads data that comes right behind the answer", func() {
		asked()
		pc.data(1, "8200 0000 0000 0005 6865 6c6c 6f")
		Expect(pc.call(receive(1, 9)).done()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "hello"`}))
	})

	It("leaves no session number of use before it has completed", func() {
		for _, stage := range []func(){
			func() { pc.call(callFrom(chat, friend)) },
			func() { pc.receive(toPC, response(3, "8500", friend, unique, peerIP)) },
			func() { pc.accepted(1) },
		} {
			stage()
			for _, ncb := range []netbios.NCB{hangUp(1), send(1, "x"), receive(1, 9)} {
				Expect(pc.callAs("it", ncb).all()).To(Equal([]string{"it: NRC_SNUMOUT"}))
			}
		}
	})

	It("keeps its time-out for the RECEIVEs of the session", func() {
		ncb := callFrom(chat, friend)
		ncb.RTO = 3
		pc.call(ncb)
		pc.receive(toPC, response(3, "8500", friend, unique, peerIP))
		pc.accepted(1)
		pc.data(1, "8200 0000")
		pc.call(receive(1, 9))
		Expect(pc.advance(10 * time.Second).timed()).To(Equal([]string{"3.5s RECEIVE: NRC_CMDTMO"}))
	})

	Context("that is retargeted", func() {
		retarget := func(c stack.Conn, ip, port string) transcript {
			return pc.data(c, "8400 0006 "+ip+" "+port)
		}

		It("closes, connects there and asks again", func() {
			asked()
			Expect(retarget(1, thirdIP, "1234").all()).To(Equal([]string{"close out-1", "open out-2 to third:4660"}))
			Expect(pc.accepted(2).all()).To(Equal([]string{"out-2: 8100 0044 FRIEND<00> CHAT<20>"}))
			Expect(pc.data(2, "8200 0000").held()).To(Equal([]string{
				"CHAT<20> held 3: by session FRIEND<00> at third", "CHAT<20> held 2: no longer by call",
			}))
			Expect(pc.call(send(1, "x")).sent()).To(Equal([]string{"out-2: 0000 0001 78"}))
		})

		It("follows four retargets and no more", func() {
			asked()
			for i := range 4 {
				c := stack.Conn(i + 1)
				Expect(retarget(c, thirdIP, fmt.Sprintf("%04x", i)).sent()).To(
					Equal([]string{"close " + conn(c), fmt.Sprintf("open %s to third:%d", conn(c+1), i)}))
				pc.accepted(c + 1)
			}
			Expect(retarget(5, thirdIP, "0099").all()).To(Equal([]string{
				"abort out-5", "disarm 1", "CALL: NRC_NOCALL", "CHAT<20> held 1: no longer by call",
			}))
		})

		It("never goes to the same place twice", func() {
			asked()
			Expect(retarget(1, peerIP, "008b").effects()).To(Equal([]string{
				"abort out-1", "CALL: NRC_NOCALL", "CHAT<20> held 1: no longer by call",
			}))
			pc = newBench()
			pc.registered(chat)
			asked()
			retarget(1, thirdIP, "008b")
			pc.accepted(2)
			Expect(retarget(2, peerIP, "008b").done()).To(Equal([]string{"CALL: NRC_NOCALL"}))
		})

		It("goes to another port of the same host", func() {
			asked()
			Expect(retarget(1, peerIP, "008c").sent()).To(Equal([]string{"close out-1", "open out-2 to peer:140"}))
		})

		It("does not get more time, and does not hear the first connection any more", func() {
			asked()
			pc.advance(20 * time.Second)
			retarget(1, thirdIP, "008b")
			Expect(pc.data(1, "8200 0000").all()).To(BeEmpty())
			Expect(pc.closed(1, stack.EOF).all()).To(BeEmpty())
			Expect(pc.advance(10 * time.Second).timed()).To(Equal([]string{"32s abort out-2", "32s CALL: NRC_NOCALL"}))
		})

		It("forgets what the first connection had begun to say", func() {
			asked()
			pc.data(1, "8400 0006 "+thirdIP+" 008b 0000")
			pc.accepted(2)
			Expect(pc.data(2, "8200 0000").done()).To(Equal([]string{"CALL: NRC_GOODRET lsn 1 from FRIEND<00>"}))
		})

		It("from a connection that has only come about is unexpected", func() {
			answered()
			Expect(retarget(1, thirdIP, "008b").done()).To(Equal([]string{"CALL: NRC_SABORT"}))
		})
	})
})

var _ = Describe("Session numbers", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	It("are given in turn, 1 to 254, and not again at once", func() {
		for lsn := 1; lsn <= 254; lsn++ {
			pc.call(listen(chat, star))
			c, _ := pc.connect()
			Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(
				Equal([]string{fmt.Sprintf("LISTEN: NRC_GOODRET lsn %d from FRIEND<00>", lsn)}))
			pc.call(hangUp(uint8(lsn)))
		}
		pc.sessionFrom(chat)
		Expect(pc.call(hangUp(1)).done()).To(Equal([]string{"HANG UP: NRC_GOODRET"}))
	})

	It("are not given twice", func() {
		pc.sessionFrom(chat)
		for lsn := 2; lsn <= 254; lsn++ {
			pc.sessionFrom(chat)
			pc.call(hangUp(uint8(lsn)))
		}
		pc.call(listen(chat, star))
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(Equal([]string{"LISTEN: NRC_GOODRET lsn 2 from FRIEND<00>"}))
	})

	It("may be the last one again when all others are taken", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Limits.Sessions = 254 })
		pc.registered(chat)
		for range 254 {
			pc.sessionFrom(chat)
		}
		pc.call(hangUp(254))
		pc.call(listen(chat, star))
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(Equal([]string{
			"LISTEN: NRC_GOODRET lsn 254 from FRIEND<00>",
		}))
	})

	It("of sessions that ended unreported are taken, the oldest first, when there are no others", func() {
		pc.sessionFrom(chat)
		for range 253 {
			pc.closed(pc.sessionFrom(chat), stack.EOF)
		}
		pc.sessionFrom(chat)
		Expect(pc.callAs("it", send(1, "x")).done()).To(Equal([]string{"it: NRC_GOODRET"}))
		Expect(pc.callAs("it", send(2, "x")).done()).To(Equal([]string{"it: NRC_GOODRET"}), "the new one")
		Expect(pc.callAs("it", send(3, "x")).done()).To(Equal([]string{"it: NRC_SCLOSED"}))
	})
})
