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

var _ = Describe("Commands", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	It("are answered 0x03 unless the node knows them", func() {
		known := map[netbios.Command]bool{
			0x10: true, 0x11: true, 0x12: true, 0x14: true, 0x15: true, 0x16: true, 0x20: true, 0x21: true, 0x22: true,
			0x23: true, 0x30: true, 0x31: true, 0x32: true, 0x33: true, 0x34: true, 0x35: true, 0x36: true, 0x78: true,
		}
		for c := range netbios.Command(0x80) {
			if !known[c] {
				Expect(pc.callAs("it", netbios.NCB{Command: c}).all()).To(Equal([]string{"it: NRC_ILLCMD"}), c.String())
				Expect(pc.callAs("it", netbios.NCB{Command: c | 0x80}).all()).To(Equal([]string{"it: NRC_ILLCMD"}), c.String())
			}
		}
	})

	DescribeTable("mean the same with the no-wait bit",
		func(ncb netbios.NCB) {
			plain, noWait := newBench(), newBench()
			with := ncb
			with.Command |= 0x80
			for _, b := range []*bench{plain, noWait} {
				b.registered(chat)
				b.sessionFrom(chat)
				b.data(stack.Inbound+1, "0000 0001 61")
			}
			wanted, got := plain.callAs("it", ncb), noWait.callAs("it", with)
			Expect(got.all()).To(Equal(wanted.all()))
			Expect(noWait.advance(time.Minute).all()).To(Equal(plain.advance(time.Minute).all()))
		},
		Entry("CALL", callFrom(chat, friend)),
		Entry("LISTEN", listen(chat, star)),
		Entry("HANG UP", hangUp(1)),
		Entry("SEND", send(1, "x")),
		Entry("RECEIVE", receive(1, 9)),
		Entry("RECEIVE ANY", receiveAny(2, 9)),
		Entry("SEND DATAGRAM", sendDatagram(2, friend, "x")),
		Entry("RECEIVE DATAGRAM", receiveDatagram(2, 9)),
		Entry("SEND BROADCAST", sendBroadcast(2, "x")),
		Entry("RECEIVE BROADCAST", receiveBroadcast(2, 9)),
		Entry("ADD NAME", add(mail)),
		Entry("ADD GROUP NAME", addGroup(team)),
		Entry("DELETE NAME", remove(chat)),
		Entry("RESET", reset(0, netbios.Limits{})),
		Entry("ADAPTER STATUS", adapterStatus(star, 500)),
		Entry("SESSION STATUS", sessionStatus(star, 500)),
		Entry("CANCEL", cancel(99)),
		Entry("FIND NAME", findName(friend, 500)),
	)

	It("that wait are found whether or not they have the no-wait bit", func() {
		pc.registered(chat)
		listening := listen(chat, star)
		listening.Command |= 0x80
		pc.call(listening)
		Expect(pc.call(sessionStatus(chat, 500)).done()).To(Equal([]string{
			fmt.Sprintf("SESSION STATUS: NRC_GOODRET %q", "\x02\x01\x00\x00"+
				"\x00\x01CHAT            *\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		}))
		c, _ := pc.connect()
		Expect(pc.data(c, "8100 0044 MAIL<20> FRIEND<00>").sent()).To(ContainElement("in-1: 8300 0001 82"))
		c, _ = pc.connect()
		Expect(pc.data(c, "8100 0044 CHAT<20> FRIEND<00>").done()).To(Equal([]string{"LISTEN: NRC_GOODRET lsn 1 from FRIEND<00>"}))

		receiving := receiveBroadcast(0xff, 9)
		receiving.Command |= 0x80
		pc.call(receiving)
		Expect(pc.receive(dgmToAll, datagram("12", 7, peerIP, friend, star, "hi")).done()).To(
			Equal([]string{`RECEIVE BROADCAST: NRC_GOODRET num 255 from FRIEND<00> "hi"`}))
	})
})

var _ = Describe("ADD NAME", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	It("of a name in the local table is 0x0D, and nothing is sent, in whatever state the name is", func() {
		refused := func(state string) {
			GinkgoHelper()
			Expect(pc.call(add(chat)).all()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}), state)
			Expect(pc.call(addGroup(chat)).all()).To(Equal([]string{"ADD GROUP NAME: NRC_DUPNAME"}), state)
		}
		pc.callAs("the first", add(chat))
		refused("claiming")
		pc.advance(time.Second)
		refused("registered")
		c := pc.sessionFrom(chat)
		pc.call(remove(chat))
		refused("deregistered")
		pc.closed(c, stack.EOF)
		Expect(pc.call(add(chat)).done()).To(BeEmpty())
		pc.advance(time.Second)
		pc.receive(toPC, response(pc.lastTrn, "ad87", chat, unique, noIP))
		refused("in conflict")
	})

	It("of a group name that is there is 0x0D too", func() {
		pc.registeredGroup(team)
		Expect(pc.call(addGroup(team)).all()).To(Equal([]string{"ADD GROUP NAME: NRC_DUPNAME"}))
		Expect(pc.call(add(team)).all()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}))
	})

	DescribeTable("of a name that nobody may add is 0x15 (RFC 1001 section 5.2)",
		func(n netbios.Name) {
			Expect(pc.call(netbios.NCB{Command: netbios.AddName, Name: n}).all()).To(Equal([]string{"ADD NAME: NRC_NOWILD"}))
			Expect(pc.call(netbios.NCB{Command: netbios.AddGroupName, Name: n}).all()).To(
				Equal([]string{"ADD GROUP NAME: NRC_NOWILD"}))
		},
		Entry("an asterisk", name("*<20>")),
		Entry("the wildcard", netbios.Wildcard),
		Entry("more behind the asterisk", name("*SMBSERVER<20>")),
		Entry("a zero byte first", netbios.Name{1: 'A'}),
		Entry("nothing but zero bytes", netbios.Name{}),
	)

	It("of the permanent name is 0x15: it begins with a zero byte, and is no application's to add", func() {
		permanent := netbios.PermanentName([6]byte{2, 0, 0, 0, 0, 0x0a})
		Expect(pc.call(netbios.NCB{Command: netbios.AddName, Name: permanent}).all()).To(Equal([]string{"ADD NAME: NRC_NOWILD"}))
	})

	It("takes all sixteen bytes: another suffix or case is another name", func() {
		for i, n := range []string{"CHAT<20>", "CHAT<1f>", "chat<20>", "CHAT2<20>"} {
			pc.call(add(n))
			Expect(pc.advance(time.Second).done()).To(Equal([]string{fmt.Sprintf("ADD NAME: NRC_GOODRET num %d", 2+i)}), n)
		}
	})

	It("is 0x0E when the table is full: sixteen names unless told otherwise, groups among them", func() {
		for i := range 15 {
			pc.call(add(fmt.Sprintf("N%d<20>", i)))
		}
		Expect(pc.call(addGroup(team)).done()).To(BeEmpty())
		Expect(pc.call(add(chat)).all()).To(Equal([]string{"ADD NAME: NRC_NAMTFUL"}))
		Expect(pc.call(addGroup(chat)).all()).To(Equal([]string{"ADD GROUP NAME: NRC_NAMTFUL"}))
		Expect(pc.call(add("N7<20>")).all()).To(Equal([]string{"ADD NAME: NRC_DUPNAME"}), "rather than full")
	})

	It("has room for as many names as the configuration says, 253 at most", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Limits.Names = 1000 })
		for i := range 253 {
			Expect(pc.call(add(fmt.Sprintf("N%d<20>", i))).done()).To(BeEmpty())
		}
		Expect(pc.call(add(chat)).done()).To(Equal([]string{"ADD NAME: NRC_NAMTFUL"}))
		done := pc.advance(time.Second).done()
		Expect(done).To(HaveLen(253))
		Expect(done[0]).To(Equal("ADD NAME: NRC_GOODRET num 2"))
		Expect(done[252]).To(Equal("ADD NAME: NRC_GOODRET num 254"))
	})

	It("numbers names in turn from 2, and does not use a number again at once", func() {
		number := func() (nums []string) {
			pc.call(add(chat))
			nums = pc.advance(time.Second).done()
			pc.call(remove(chat))
			return nums
		}
		for num := 2; num <= 254; num++ {
			Expect(number()).To(Equal([]string{fmt.Sprintf("ADD NAME: NRC_GOODRET num %d", num)}))
		}
		pc.registered(mail)
		Expect(number()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 3"}), "2 is taken by now")
	})

	It("passes over numbers that are taken", func() {
		pc.registered(mail)
		for num := 3; num <= 254; num++ {
			pc.registered(chat)
			pc.call(remove(chat))
		}
		pc.call(add(chat))
		Expect(pc.advance(time.Second).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 3"}))
	})
})

var _ = Describe("DELETE NAME", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	It("frees a name that has no session: 0x00, and three release demands 250 ms apart under one identifier", func() {
		pc.registered(chat)
		Expect(pc.call(remove(chat)).effects()).To(Equal([]string{
			"CHAT<20> held 0: no longer by registration",
			"CHAT<20> 2 from registered to free",
			"137 to all:137: 0003 3010 0001 0000 0000 0001 CHAT<20> 0020 0001 c00c 0020 0001 0000 0000 0006 0000 0a00 000a",
			"DELETE NAME: NRC_GOODRET",
		}))
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{
			"2.25s 137 to all:137: " + request(3, "3010", chat, unique, ownIP),
			"2.5s 137 to all:137: " + request(3, "3010", chat, unique, ownIP),
		}))
		Expect(pc.alarms).To(BeEmpty())
	})

	It("releases a group name with the group bit", func() {
		pc.registeredGroup(team)
		Expect(pc.call(remove(team)).sent()).To(Equal([]string{"137 to all:137: " + request(3, "3010", team, group, ownIP)}))
	})

	It("repeats releases every 750 ms in the netbt profile", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.call(add(chat))
		pc.advance(10 * time.Second)
		Expect(pc.call(remove(chat)).sent()).To(HaveLen(1))
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{
			"10.75s 137 to all:137: " + request(3, "3010", chat, unique, ownIP),
			"11.5s 137 to all:137: " + request(3, "3010", chat, unique, ownIP),
		}))
	})

	It("is 0x15 for a name that is not there, is still being claimed, or is permanent", func() {
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_NOWILD"}))
		pc.call(add(chat))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_NOWILD"}))
		permanent := netbios.PermanentName([6]byte{2, 0, 0, 0, 0, 0x0a})
		Expect(pc.call(netbios.NCB{Command: netbios.DeleteName, Name: permanent}).all()).To(
			Equal([]string{"DELETE NAME: NRC_NOWILD"}))
		pc.advance(time.Second)
		pc.call(remove(chat))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_NOWILD"}), "the second time")
	})

	It("ends what waits on the name with 0x17 before it completes, and nothing else", func() {
		pc.registered(chat, mail)
		pc.call(listen(chat, star))
		pc.call(receiveAny(2, 9))
		pc.call(receiveDatagram(2, 9))
		pc.call(receiveBroadcast(2, 9))
		pc.callAs("of any name", receiveAny(0xff, 9))
		pc.callAs("of another", listen(mail, star))
		Expect(pc.call(remove(chat)).done()).To(Equal([]string{
			"LISTEN: NRC_NAMERR", "RECEIVE ANY: NRC_NAMERR", "RECEIVE DATAGRAM: NRC_NAMERR", "RECEIVE BROADCAST: NRC_NAMERR",
			"DELETE NAME: NRC_GOODRET",
		}))
		Expect(pc.waiting()).To(Equal([]string{"of any name", "of another"}))
	})

	It("with a session is 0x0F: the name is deregistered, and released only when the session closes", func() {
		pc.registered(chat)
		c := pc.sessionFrom(chat)
		pc.call(listen(chat, star))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration",
			"CHAT<20> 2 from registered to deregistered",
			"LISTEN: NRC_NAMERR",
			"DELETE NAME: NRC_ACTSES",
		}))
		Expect(pc.advance(10 * time.Second).all()).To(BeEmpty())
		Expect(pc.closed(c, stack.EOF).effects()).To(Equal([]string{
			"close in-1",
			"CHAT<20> held 0: no longer by session",
			"CHAT<20> 2 from deregistered to free",
			"137 to all:137: " + request(3, "3010", chat, unique, ownIP),
		}))
		Expect(pc.advance(time.Second).sent()).To(HaveLen(2))
	})

	It("with two sessions frees the name at the last close, whatever its kind", func() {
		pc.registered(chat)
		first, second := pc.sessionFrom(chat), pc.sessionFrom(chat)
		pc.call(remove(chat))
		Expect(pc.closed(first, stack.Reset).effects()).To(Equal([]string{"CHAT<20> held 1: no longer by session"}))
		Expect(pc.call(remove(chat)).all()).To(Equal([]string{"DELETE NAME: NRC_ACTSES"}), "once more, and nothing is dropped")
		Expect(pc.closed(second, stack.Reset).effects()).To(Equal([]string{
			"CHAT<20> held 0: no longer by session",
			"CHAT<20> 2 from deregistered to free",
			"137 to all:137: " + request(3, "3010", chat, unique, ownIP),
		}))
	})

	It("with a CALL under way is 0x0F, and frees the name when the CALL fails", func() {
		pc.registered(chat)
		pc.call(callFrom(chat, friend))
		Expect(pc.call(remove(chat)).effects()).To(Equal([]string{
			"CHAT<20> held 1: no longer by registration",
			"CHAT<20> 2 from registered to deregistered",
			"DELETE NAME: NRC_ACTSES",
		}))
		pc.advance(500 * time.Millisecond)
		Expect(pc.advance(250 * time.Millisecond).effects()).To(Equal([]string{
			"CALL: NRC_NOCALL",
			"CHAT<20> held 0: no longer by call",
			"CHAT<20> 2 from deregistered to free",
			"137 to all:137: " + request(4, "3010", chat, unique, ownIP),
		}))
	})

	It("with a CALL under way lets the session come about, and frees the name when that ends", func() {
		pc.registered(chat)
		pc.call(callFrom(chat, friend))
		pc.call(remove(chat))
		pc.receive(toPC, response(3, "8500", friend, unique, peerIP))
		pc.accepted(1)
		Expect(pc.data(1, "8200 0000").effects()).To(Equal([]string{
			"CHAT<20> held 2: by session FRIEND<00> at peer",
			"CHAT<20> held 1: no longer by call",
			"CALL: NRC_GOODRET lsn 1 from FRIEND<00>",
		}))
		Expect(pc.call(hangUp(1)).effects()).To(Equal([]string{
			"close out-1",
			"CHAT<20> held 0: no longer by session",
			"CHAT<20> 2 from deregistered to free",
			"137 to all:137: " + request(4, "3010", chat, unique, ownIP),
			"HANG UP: NRC_GOODRET",
		}))
	})

	It("leaves the table as it found it, however often a name is added and deleted (invariant I5)", func() {
		pc.registered(mail)
		before := pc.call(adapterStatus(star, 500)).done()
		for range 300 {
			pc.registered(chat)
			Expect(pc.call(remove(chat)).done()).To(Equal([]string{"DELETE NAME: NRC_GOODRET"}))
		}
		Expect(pc.call(adapterStatus(star, 500)).done()).To(Equal(before))
	})

	It("makes the name's number illegal", func() {
		pc.registered(chat)
		pc.call(remove(chat))
		Expect(pc.call(sendBroadcast(2, "x")).all()).To(Equal([]string{"SEND BROADCAST: NRC_ILLNN"}))
	})
})

var _ = Describe("Adding a name whose releases are still being repeated", func() {
	It("sends no more of them", func() {
		pc := newBench()
		pc.registered(chat, mail)
		pc.call(remove(chat))
		pc.call(remove(mail))
		Expect(pc.call(add(chat)).all()).To(Equal([]string{
			"CHAT<20> 4 from free to claiming",
			"disarm 1",
			"137 to all:137: " + request(7, "2910", chat, unique, ownIP),
			"arm 1 for 4.25s",
		}))
		Expect(pc.advance(time.Second).timed()).To(Equal([]string{
			"4.25s 137 to all:137: " + request(6, "3010", mail, unique, ownIP),
			"4.25s 137 to all:137: " + request(7, "2910", chat, unique, ownIP),
			"4.5s 137 to all:137: " + request(6, "3010", mail, unique, ownIP),
			"4.5s 137 to all:137: " + request(7, "2910", chat, unique, ownIP),
			"4.75s 137 to all:137: " + request(8, "2810", chat, unique, ownIP),
			"4.75s ADD NAME: NRC_GOODRET num 4",
		}))
	})
})
