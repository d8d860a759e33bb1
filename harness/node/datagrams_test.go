// SPDX-License-Identifier: MIT

package node_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("SEND DATAGRAM", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	It("asks where the name is and sends to its owner alone", func() {
		Expect(pc.call(sendDatagram(2, friend, "hello")).all()).To(Equal([]string{
			"137 to all:137: " + query(3, friend), "arm 1 for 2.25s",
		}))
		Expect(pc.receive(toPC, response(3, "8500", friend, unique, peerIP)).all()).To(Equal([]string{
			"disarm 1",
			"138 to peer:138: 1002 0001 0a00 000a 008a 0049 0000 CHAT<20> FRIEND<00> 6865 6c6c 6f",
			"SEND DATAGRAM: NRC_GOODRET",
		}))
	})

	It("sends to everybody when the name is a group's", func() {
		pc.call(sendDatagram(2, team, "hello"))
		Expect(pc.receive(toPC, response(3, "8500", team, group, peerIP)).all()).To(Equal([]string{
			"disarm 1",
			"138 to all:138: 1102 0001 0a00 000a 008a 0049 0000 CHAT<20> TEAM<20> 6865 6c6c 6f",
			"SEND DATAGRAM: NRC_GOODRET",
		}))
		Expect(pc.call(sendDatagram(2, team, "again")).sent()).To(Equal([]string{
			"138 to all:138: " + datagram("11", 2, ownIP, chat, team, "again"),
		}), "also when that is remembered")
	})

	It("is 0x00 though nobody answers for the name: there is no delivery report", func() {
		pc.call(sendDatagram(2, friend, "hello"))
		pc.advance(749 * time.Millisecond)
		Expect(pc.advance(time.Millisecond).all()).To(Equal([]string{
			"nobody answers for FRIEND<00>: the datagram was not sent",
			"SEND DATAGRAM: NRC_GOODRET",
		}))
	})

	It("counts identifiers from the one in the configuration, apart from those of the name service", func() {
		pc = benchWith(func(cfg *node.Config) {
			cfg.FirstID = 0xfffe
			cfg.Hosts = []node.Host{{name(friend), peerAddr}}
		})
		pc.registered(chat)
		for _, id := range []uint16{0xffff, 0, 1} {
			Expect(pc.call(sendDatagram(2, friend, "x")).sent()).To(
				Equal([]string{"138 to peer:138: " + datagram("10", id, ownIP, chat, friend, "x")}))
		}
	})

	It("is 0x13 with a number that no name of ours has", func() {
		for _, num := range []uint8{0, 1, 3, 254, 255} {
			Expect(pc.call(sendDatagram(num, friend, "x")).all()).To(Equal([]string{"SEND DATAGRAM: NRC_ILLNN"}))
			Expect(pc.call(sendBroadcast(num, "x")).all()).To(Equal([]string{"SEND BROADCAST: NRC_ILLNN"}))
		}
	})

	It("is 0x01 with more than 512 bytes", func() {
		Expect(pc.call(sendDatagram(2, friend, strings.Repeat("x", 513))).all()).To(Equal([]string{"SEND DATAGRAM: NRC_BUFLEN"}))
		Expect(pc.call(sendBroadcast(2, strings.Repeat("x", 513))).all()).To(Equal([]string{"SEND BROADCAST: NRC_BUFLEN"}))
		Expect(pc.call(sendDatagram(2, friend, strings.Repeat("x", 512))).done()).To(BeEmpty())
		Expect(pc.call(sendBroadcast(2, strings.Repeat("x", 512))).done()).To(Equal([]string{"SEND BROADCAST: NRC_GOODRET"}))
		Expect(pc.call(sendDatagram(9, friend, strings.Repeat("x", 513))).done()).To(
			Equal([]string{"SEND DATAGRAM: NRC_ILLNN"}), "rather than too long")
	})

	It("to a unique name of the node's own goes round the network", func() {
		pc.call(receiveDatagram(2, 99))
		Expect(pc.call(sendDatagram(2, chat, "note")).all()).To(Equal([]string{
			`RECEIVE DATAGRAM: NRC_GOODRET num 2 from CHAT<20> "note"`,
			"SEND DATAGRAM: NRC_GOODRET",
		}))
	})

	It("to a group of the node's own goes to everybody, the node's own applications included", func() {
		pc.registeredGroup(team)
		pc.call(receiveDatagram(3, 99))
		Expect(pc.call(sendDatagram(2, team, "all")).all()).To(Equal([]string{
			"138 to all:138: " + datagram("11", 1, ownIP, chat, team, "all"),
			`RECEIVE DATAGRAM: NRC_GOODRET num 3 from CHAT<20> "all"`,
			"SEND DATAGRAM: NRC_GOODRET",
		}))
	})

	It("to a name that the node has, but not in service, asks who has it", func() {
		pc.registered(mail)
		pc.sessionFrom(mail)
		pc.call(remove(mail))
		Expect(pc.call(sendDatagram(2, mail, "x")).sent()).To(Equal([]string{"137 to all:137: " + query(5, mail)}))
		pc.registeredGroup(team)
		pc.sessionFrom(team)
		pc.call(remove(team))
		Expect(pc.call(sendDatagram(2, team, "x")).sent()).To(Equal([]string{"137 to all:137: " + query(8, team)}))
	})

	It("from a name that goes while the other is looked for ends as the name did", func() {
		pc.callAs("deleted", sendDatagram(2, friend, "x"))
		pc.call(remove(chat))
		Expect(pc.receive(toPC, response(3, "8500", friend, unique, peerIP)).effects()).To(Equal([]string{"deleted: NRC_ILLNN"}))

		pc = newBench()
		pc.call(add(chat))
		pc.advance(750 * time.Millisecond)
		pc.callAs("in conflict", sendDatagram(2, friend, "x"))
		pc.receive(toPC, response(1, "ad87", chat, unique, noIP))
		Expect(pc.receive(toPC, response(3, "8500", friend, unique, peerIP)).effects()).To(
			Equal([]string{"in conflict: NRC_NAMCONF"}))
	})

	It("of no bytes is a datagram", func() {
		pc.call(sendDatagram(2, team, ""))
		Expect(pc.receive(toPC, response(3, "8500", team, group, peerIP)).sent()).To(Equal([]string{
			"138 to all:138: 1102 0001 0a00 000a 008a 0044 0000 CHAT<20> TEAM<20>",
		}))
	})
})

var _ = Describe("SEND BROADCAST", func() {
	It("goes to everybody under the reserved name, the node's own applications included", func() {
		pc := newBench()
		pc.registered(chat)
		pc.call(receiveBroadcast(2, 99))
		Expect(pc.call(sendBroadcast(2, "hello")).all()).To(Equal([]string{
			"138 to all:138: 1202 0001 0a00 000a 008a 0049 0000 CHAT<20> * 6865 6c6c 6f",
			`RECEIVE BROADCAST: NRC_GOODRET num 2 from CHAT<20> "hello"`,
			"SEND BROADCAST: NRC_GOODRET",
		}))
	})
})

var _ = Describe("A datagram from the network", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		pc.registeredGroup(team)
	})

	It("completes the oldest RECEIVE DATAGRAM for its name or for any", func() {
		pc.callAs("of another name", receiveDatagram(3, 99))
		pc.callAs("of any name", receiveDatagram(0xff, 99))
		pc.callAs("of this name", receiveDatagram(2, 99))
		pc.call(receiveBroadcast(2, 99))
		pc.call(receiveAny(2, 99))
		for _, want := range []string{
			`of any name: NRC_GOODRET num 2 from FRIEND<00> "hi"`, `of this name: NRC_GOODRET num 2 from FRIEND<00> "hi"`,
		} {
			Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi")).all()).To(Equal([]string{want}))
		}
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi")).all()).To(BeEmpty(), "lost: nobody waits")
		Expect(pc.waiting()).To(Equal([]string{"of another name", "RECEIVE BROADCAST", "RECEIVE ANY"}))
	})

	It("for a group is delivered when it is a group's datagram, and not refused otherwise", func() {
		pc.call(receiveDatagram(3, 99))
		Expect(pc.receive(dgmToAll, datagram("11", 9, peerIP, friend, team, "hi")).all()).To(Equal([]string{
			`RECEIVE DATAGRAM: NRC_GOODRET num 3 from FRIEND<00> "hi"`,
		}))
		Expect(pc.receive(dgmToAll, datagram("11", 9, peerIP, friend, rival, "hi")).all()).To(BeEmpty())
		Expect(pc.receive(dgmToPC, datagram("11", 9, peerIP, friend, rival, "hi")).all()).To(BeEmpty())
		pc.call(receiveDatagram(0xff, 99))
		Expect(pc.receive(dgmToPC, datagram("11", 9, peerIP, friend, rival, "hi")).all()).To(BeEmpty())
	})

	It("that is longer than the buffer is 0x06, and its rest is lost", func() {
		pc.callAs("short", receiveDatagram(2, 3))
		pc.callAs("next", receiveDatagram(2, 5))
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hello")).done()).To(Equal([]string{
			`short: NRC_INCOMP num 2 from FRIEND<00> "hel"`,
		}))
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "world")).done()).To(Equal([]string{
			`next: NRC_GOODRET num 2 from FRIEND<00> "world"`,
		}))
	})

	It("that is broadcast completes every RECEIVE BROADCAST, and no other command", func() {
		pc.callAs("one", receiveBroadcast(2, 99))
		pc.callAs("datagram", receiveDatagram(0xff, 99))
		pc.callAs("two", receiveBroadcast(0xff, 1))
		pc.callAs("three", receiveBroadcast(3, 99))
		Expect(pc.receive(dgmToAll, datagram("12", 9, peerIP, friend, star, "hi")).all()).To(Equal([]string{
			`one: NRC_GOODRET num 2 from FRIEND<00> "hi"`,
			`two: NRC_INCOMP num 255 from FRIEND<00> "h"`,
			`three: NRC_GOODRET num 3 from FRIEND<00> "hi"`,
		}))
		Expect(pc.receive(dgmToAll, datagram("12", 9, peerIP, friend, star, "hi")).all()).To(BeEmpty())
		Expect(pc.waiting()).To(Equal([]string{"datagram"}))
	})

	It("under the reserved name is a broadcast whatever its type, and one of that type under whatever name", func() {
		pc.call(receiveBroadcast(0xff, 99))
		Expect(pc.receive(dgmToPC, datagram("11", 9, peerIP, friend, star, "hi")).done()).To(HaveLen(1))
		pc.call(receiveBroadcast(0xff, 99))
		Expect(pc.receive(dgmToPC, datagram("12", 9, peerIP, friend, rival, "hi")).done()).To(HaveLen(1))
	})

	It("for a name that is not here is answered with error 0x82, if unique and sent to this node alone", func() {
		Expect(pc.receive(dgmToPC, datagram("10", 0x2001, peerIP, friend, mail, "hi")).all()).To(Equal([]string{
			"138 to peer:138: 1300 2001 0a00 000a 008a 82",
		}))
		Expect(pc.receive(dgmToPC.port(1138), datagram("10", 9, peerIP, friend, mail, "hi")).sent()).To(Equal([]string{
			"138 to peer:1138: 1300 0009 0a00 000a 008a 82",
		}))
		Expect(pc.receive(dgmToAll, datagram("10", 9, peerIP, friend, mail, "hi")).all()).To(BeEmpty(), "broadcast")
		Expect(pc.receive(dgmToPC, datagram("12", 9, peerIP, friend, mail, "hi")).all()).To(BeEmpty(), "type 12")
	})

	It("in a scope is for a name that is not here", func() {
		b := packet(datagram("10", 9, peerIP, friend, chat, "hi"))
		end := 14 + 34 + 33
		b = append(append(append([]byte{}, b[:end]...), []byte("\x03LAB\x00")...), b[end+1:]...)
		b[11] += 4
		pc.call(receiveDatagram(2, 99))
		Expect(pc.step(stack.Datagram{From: dgmToPC.from, To: dgmToPC.to, Payload: b}).all()).To(Equal([]string{
			"138 to peer:138: 1300 0009 0a00 000a 008a 82",
		}))
		b[0] = 0x12
		pc.call(receiveBroadcast(2, 99))
		Expect(pc.step(stack.Datagram{From: dgmToPC.from, To: dgmToPC.to, Payload: b}).all()).To(BeEmpty())
	})

	DescribeTable("that carries no data is not answered",
		func(frame string) { Expect(pc.receive(dgmToPC, frame).all()).To(BeEmpty()) },
		Entry("an error", "1300 0001 0a00 0014 008a 82"),
		Entry("a query of a distribution server", "1400 0001 0a00 0014 008a CHAT<20>"),
		Entry("its positive answer", "1500 0001 0a00 0014 008a CHAT<20>"),
		Entry("its negative answer", "1600 0001 0a00 0014 008a CHAT<20>"),
	)

	It("changes nothing that anybody can see later (invariant I4)", func() {
		disturbed, quiet := newBench(), newBench()
		for _, b := range []*bench{disturbed, quiet} {
			b.registered(chat)
			for range 5 {
				if b == disturbed {
					b.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi"))
					b.receive(dgmToPC, datagram("10", 9, peerIP, friend, mail, "hi"))
				}
			}
		}
		for _, ncb := range []func(*bench) transcript{
			func(b *bench) transcript { return b.call(adapterStatus(star, 500)) },
			func(b *bench) transcript { return b.receive(toPC, statusRequest(9, star)) },
			func(b *bench) transcript { return b.call(remove(chat)) },
			func(b *bench) transcript { return b.call(add(mail)) },
			func(b *bench) transcript { return b.call(add(chat)) },
			func(b *bench) transcript { return b.advance(time.Minute) },
		} {
			Expect(ncb(disturbed).all()).To(Equal(ncb(quiet).all()))
		}
	})
})

var _ = Describe("A datagram of more than 466 bytes", func() {
	var pc *bench

	long := strings.Repeat("0123456789", 52)[:512]

	BeforeEach(func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Hosts = []node.Host{{name(friend), peerAddr}} })
		pc.registered(chat)
	})

	It("is sent in two parts, the second without names (reference trap 7)", func() {
		Expect(pc.call(sendDatagram(2, friend, long)).sent()).To(Equal([]string{
			"138 to peer:138: 1003 0001 0a00 000a 008a 0216 0000 CHAT<20> FRIEND<00> " + words(long[:466]),
			"138 to peer:138: 1000 0001 0a00 000a 008a 002e 01d2 " + words(long[466:]),
		}))
	})

	It("is sent in one up to 466 bytes", func() {
		Expect(pc.call(sendDatagram(2, friend, long[:466])).sent()).To(Equal([]string{
			"138 to peer:138: 1002 0001 0a00 000a 008a 0216 0000 CHAT<20> FRIEND<00> " + words(long[:466]),
		}))
		Expect(pc.call(sendDatagram(2, friend, long[:467])).sent()).To(Equal([]string{
			"138 to peer:138: 1003 0002 0a00 000a 008a 0216 0000 CHAT<20> FRIEND<00> " + words(long[:466]),
			"138 to peer:138: 1000 0002 0a00 000a 008a 0001 01d2 " + words(long[466:467]),
		}))
	})

	first := func(id int, data string) string {
		return notation(packet(fmt.Sprintf("1003 %04x 0a00 0014 008a %04x 0000 FRIEND<00> CHAT<20> %x", id, 68+len(data), data)))
	}
	second := func(id, offset int, data string) string {
		return notation(packet(fmt.Sprintf("1000 %04x 0a00 0014 008a %04x %04x %x", id, len(data), offset, data)))
	}

	Context("from the network", func() {
		BeforeEach(func() { pc.call(receiveDatagram(2, 999)) })

		whole := fmt.Sprintf("RECEIVE DATAGRAM: NRC_GOODRET num 2 from FRIEND<00> %q", long)

		It("is delivered when its second part comes within 2 s", func() {
			Expect(pc.receive(dgmToPC, first(7, long[:466])).all()).To(Equal([]string{"arm 1 for 4s"}))
			pc.advance(2*time.Second - 1)
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).all()).To(Equal([]string{"disarm 1", whole}))
		})

		It("is delivered also when PACKET_OFFSET counts the names", func() {
			pc.receive(dgmToPC, first(7, long[:466]))
			Expect(pc.receive(dgmToPC, second(7, 466+68, long[466:])).done()).To(Equal([]string{whole}))
		})

		It("is lost after 2 s", func() {
			pc.receive(dgmToPC, first(7, long[:466]))
			Expect(pc.advance(2 * time.Second).all()).To(BeEmpty())
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).all()).To(BeEmpty())
		})

		DescribeTable("is lost when what follows its first part is not its second (bad-input 16)",
			func(frame string, gone bool) {
				pc.receive(dgmToPC, first(7, long[:466]))
				Expect(pc.receive(dgmToPC, frame).effects()).To(BeEmpty())
				done := pc.receive(dgmToPC, second(7, 466, long[466:])).done()
				if gone {
					Expect(done).To(BeEmpty())
				} else {
					Expect(done).To(Equal([]string{whole}))
				}
			},
			Entry("another offset", second(7, 465, "x"), true),
			Entry("offset 0", second(7, 0, "x"), true),
			Entry("one with the right offset that announces a third", "1001 0007 0a00 0014 008a 0001 01d2 78", true),
			Entry("a first part at the right offset", "1003 0007 0a00 0014 008a 0045 01d2 FRIEND<00> CHAT<20> 78", true),
			Entry("another datagram's", second(8, 466, "x"), false),
		)

		It("is lost when its second part comes from somebody else", func() {
			pc.receive(dgmToPC, first(7, long[:466]))
			Expect(pc.receive(dgmToPC.by(thirdAddr), second(7, 466, long[466:])).all()).To(BeEmpty())
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).done()).To(Equal([]string{whole}))
		})

		It("begins anew with another first part of the same identifier (bad-input 16)", func() {
			pc.receive(dgmToPC, first(7, "old"))
			pc.advance(time.Second)
			Expect(pc.receive(dgmToPC, first(7, long[:466])).all()).To(Equal([]string{"disarm 1", "arm 1 for 5s"}))
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).done()).To(Equal([]string{whole}))
		})

		It("is lost when its second part comes first", func() {
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).all()).To(BeEmpty())
			Expect(pc.receive(dgmToPC, first(7, long[:466])).done()).To(BeEmpty())
		})

		It("is delivered once", func() {
			pc.call(receiveDatagram(2, 999))
			pc.receive(dgmToPC, first(7, long[:466]))
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).done()).To(HaveLen(1))
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).all()).To(BeEmpty())
		})

		It("does not begin in its middle", func() {
			Expect(pc.receive(dgmToPC, "1001 0007 0a00 0014 008a 0001 0000 78").all()).To(BeEmpty())
			Expect(pc.receive(dgmToPC, second(7, 1, "y")).all()).To(BeEmpty())
		})

		It("does not disturb others that are unfinished", func() {
			for range 3 {
				pc.call(receiveDatagram(2, 999))
			}
			for id := range 4 {
				pc.receive(dgmToPC, first(id, "x"))
				pc.advance(100 * time.Millisecond)
			}
			Expect(pc.receive(dgmToPC, second(2, 1, "2")).done()).To(HaveExactElements(HaveSuffix(`"x2"`)))
			Expect(pc.receive(dgmToPC, second(1, 1, "1")).done()).To(HaveExactElements(HaveSuffix(`"x1"`)))
			pc.advance(1600 * time.Millisecond)
			Expect(pc.receive(dgmToPC, second(0, 1, "0")).done()).To(BeEmpty(), "too late")
			Expect(pc.receive(dgmToPC, second(3, 1, "3")).done()).To(HaveExactElements(HaveSuffix(`"x3"`)))
		})

		It("does not delay datagrams in one part", func() {
			pc.receive(dgmToPC, first(7, long[:466]))
			Expect(pc.receive(dgmToPC, datagram("10", 7, peerIP, friend, chat, "hi")).done()).To(HaveLen(1))
			pc.call(receiveDatagram(2, 999))
			Expect(pc.receive(dgmToPC, second(7, 466, long[466:])).done()).To(Equal([]string{whole}))
		})

		It("is one of 64 unfinished ones; the oldest of more is forgotten, timer and all (bad-input 16)", func() {
			for id := range 64 {
				Expect(pc.receive(dgmToPC, first(id, "x")).timers()).To(HaveLen(1))
			}
			Expect(pc.receive(dgmToPC, first(64, "x")).all()).To(Equal([]string{"disarm 1", "arm 1 for 4s"}))
			Expect(pc.receive(dgmToPC, second(0, 1, "y")).all()).To(BeEmpty())
			Expect(pc.receive(dgmToPC, second(1, 1, "y")).done()).To(HaveLen(1))
		})

		It("costs one timer at most however many parts of one identifier come (bad-input 16)", func() {
			more := func(offset int) string { return fmt.Sprintf("1001 0007 0a00 0014 008a 0001 %04x 78", offset) }
			for part := range 0x1000 {
				frame := more(part)
				if part%1000 == 0 {
					frame = first(7, "x")
				}
				Expect(len(pc.receive(dgmToPC, frame).timers())).To(BeNumerically("<=", 2), "one disarmed, one armed")
			}
			pc.receive(dgmToPC, first(7, long[:466]))
			Expect(pc.receive(dgmToPC, second(7, 0xffff, "x")).done()).To(BeEmpty(), "an offset beyond all")
			Expect(pc.receive(dgmToPC, datagram("10", 8, peerIP, friend, chat, "hi")).done()).To(HaveLen(1))
		})

		It("is answered with one error when its name is not here", func() {
			absent := strings.ReplaceAll(first(7, "x"), chat, mail)
			Expect(pc.receive(dgmToPC, absent).sent()).To(BeEmpty())
			Expect(pc.receive(dgmToPC, second(7, 1, "y")).sent()).To(Equal([]string{"138 to peer:138: 1300 0007 0a00 000a 008a 82"}))
		})
	})
})

var _ = Describe("Commands that wait for something to arrive", func() {
	It("are 254 at most; one more is 0x22", func() {
		pc := newBench()
		pc.registered(chat)
		for range 250 {
			pc.call(receiveDatagram(2, 9))
		}
		pc.call(listen(chat, star))
		pc.call(receiveAny(2, 9))
		pc.call(receiveBroadcast(2, 9))
		Expect(pc.call(receiveDatagram(2, 9)).done()).To(BeEmpty())
		Expect(pc.call(receiveDatagram(2, 9)).all()).To(Equal([]string{"RECEIVE DATAGRAM: NRC_TOOMANY"}))
		Expect(pc.call(listen(chat, star)).all()).To(Equal([]string{"LISTEN: NRC_TOOMANY"}))
		Expect(pc.call(receiveAny(0xff, 9)).all()).To(Equal([]string{"RECEIVE ANY: NRC_TOOMANY"}))
		pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, chat, "hi"))
		Expect(pc.call(receiveDatagram(2, 9)).done()).To(BeEmpty())
	})

	It("need a name of ours, or the number that means any", func() {
		pc := newBench()
		for _, num := range []uint8{0, 1, 2, 254} {
			Expect(pc.call(receiveDatagram(num, 9)).all()).To(Equal([]string{"RECEIVE DATAGRAM: NRC_ILLNN"}))
			Expect(pc.call(receiveBroadcast(num, 9)).all()).To(Equal([]string{"RECEIVE BROADCAST: NRC_ILLNN"}))
			Expect(pc.call(receiveAny(num, 9)).all()).To(Equal([]string{"RECEIVE ANY: NRC_ILLNN"}))
		}
		Expect(pc.step(stack.Stop{}).all()).To(Equal([]string{"stopped"}), "none of them waits")
		pc = newBench()
		Expect(pc.call(receiveDatagram(0xff, 9)).all()).To(BeEmpty())
		Expect(pc.call(receiveBroadcast(0xff, 9)).all()).To(BeEmpty())
		Expect(pc.call(receiveAny(0xff, 9)).all()).To(BeEmpty())
	})
})
