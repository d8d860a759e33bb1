// SPDX-License-Identifier: MIT

package node_test

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("SEND", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		pc.sessionFrom(chat)
	})

	It("sends a message with a header of four bytes", func() {
		Expect(pc.call(send(1, "hello")).all()).To(Equal([]string{"in-1: 0000 0005 6865 6c6c 6f", "SEND: NRC_GOODRET"}))
	})

	It("sends a message of no bytes too (KB Q126560)", func() {
		Expect(pc.call(send(1, "")).all()).To(Equal([]string{"in-1: 0000 0000", "SEND: NRC_GOODRET"}))
	})

	It("sends up to 65535 bytes; more is 0x01", func() {
		Expect(pc.call(send(1, strings.Repeat("x", 65536))).all()).To(Equal([]string{"SEND: NRC_BUFLEN"}))
		Expect(pc.call(send(1, strings.Repeat("x", 65535))).sent()[0]).To(HavePrefix("in-1: 0000 ffff 7878"))
	})

	It("is 0x08 without a session", func() {
		for _, lsn := range []uint8{0, 2, 255} {
			Expect(pc.call(send(lsn, "x")).all()).To(Equal([]string{"SEND: NRC_SNUMOUT"}))
		}
		pc.connect()
		Expect(pc.call(send(0, "x")).all()).To(Equal([]string{"SEND: NRC_SNUMOUT"}), "a connection is not a session")
	})
})

var _ = Describe("RECEIVE", func() {
	var pc *bench
	var c stack.Conn

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		c = pc.sessionFrom(chat)
	})

	It("waits for a message", func() {
		Expect(pc.call(receive(1, 99)).all()).To(BeEmpty())
		Expect(pc.data(c, "0000 0005 6865 6c6c 6f").all()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "hello"`}))
	})

	It("takes a message that waits", func() {
		Expect(pc.data(c, "0000 0005 6865 6c6c 6f 0000 0001 78").all()).To(BeEmpty())
		Expect(pc.call(receive(1, 99)).all()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "hello"`}))
		Expect(pc.call(receive(1, 99)).all()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "x"`}))
		Expect(pc.call(receive(1, 99)).all()).To(BeEmpty())
	})

	It("is served in the order of the calls", func() {
		pc.callAs("first", receive(1, 99))
		pc.callAs("second", receive(1, 99))
		Expect(pc.data(c, "0000 0001 61 0000 0001 62").all()).To(Equal([]string{
			`first: NRC_GOODRET lsn 1 "a"`, `second: NRC_GOODRET lsn 1 "b"`,
		}))
	})

	It("takes a message of no bytes (KB Q126560)", func() {
		pc.call(receive(1, 99))
		Expect(pc.data(c, "0000 0000").all()).To(Equal([]string{"RECEIVE: NRC_GOODRET lsn 1"}))
		pc.data(c, "0000 0000")
		Expect(pc.call(receive(1, 0)).all()).To(Equal([]string{"RECEIVE: NRC_GOODRET lsn 1"}))
	})

	It("is 0x06 when the buffer is short, and the rest waits for the next one", func() {
		pc.data(c, "0000 0005 6865 6c6c 6f 0000 0001 78")
		Expect(pc.call(receive(1, 2)).done()).To(Equal([]string{`RECEIVE: NRC_INCOMP lsn 1 "he"`}))
		Expect(pc.call(receive(1, 0)).done()).To(Equal([]string{`RECEIVE: NRC_INCOMP lsn 1`}))
		Expect(pc.call(receive(1, 2)).done()).To(Equal([]string{`RECEIVE: NRC_INCOMP lsn 1 "ll"`}))
		Expect(pc.call(receive(1, 1)).done()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "o"`}))
		Expect(pc.call(receive(1, 99)).done()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "x"`}))
	})

	It("gives the rest at once to the RECEIVE that waits next", func() {
		pc.callAs("first", receive(1, 2))
		pc.callAs("second", receive(1, 2))
		pc.callAs("third", receive(1, 99))
		Expect(pc.data(c, "0000 0005 6865 6c6c 6f").done()).To(Equal([]string{
			`first: NRC_INCOMP lsn 1 "he"`, `second: NRC_INCOMP lsn 1 "ll"`, `third: NRC_GOODRET lsn 1 "o"`,
		}))
	})

	It("reads the stream in whatever pieces it comes", func() {
		stream := packet("0000 0003 616263 8500 0000 0000 0000 0000 0002 6465")
		for size := 1; size <= len(stream); size++ {
			pc = newBench()
			pc.registered(chat)
			c = pc.sessionFrom(chat)
			var lines []string
			for _, label := range []string{"one", "two", "three"} {
				pc.callAs(label, receive(1, 99))
			}
			for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				piece := bytes.Clone(rest[:min(size, len(rest))])
				lines = append(lines, pc.step(stack.Data{Conn: c, Bytes: piece}).all()...)
				clear(piece) // the driver may use its buffer again
			}
			Expect(lines).To(Equal([]string{
				`one: NRC_GOODRET lsn 1 "abc"`, "two: NRC_GOODRET lsn 1", `three: NRC_GOODRET lsn 1 "de"`,
			}), fmt.Sprint(size, " bytes at a time"))
		}
	})

	It("reads messages with seventeen bits of length", func() {
		long := bytes.Repeat([]byte("x"), 0x1ffff)
		pc.step(stack.Data{Conn: c, Bytes: append([]byte{0, 1, 0xff, 0xff}, long...)})
		Expect(pc.call(receive(1, 0xffff)).done()[0]).To(HavePrefix("RECEIVE: NRC_INCOMP"))
		Expect(pc.call(receive(1, 0xffff)).done()[0]).To(HavePrefix("RECEIVE: NRC_INCOMP"))
		Expect(pc.call(receive(1, 0xffff)).done()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "x"`}))
	})

	It("is 0x08 without a session", func() {
		for _, lsn := range []uint8{0, 2, 255} {
			Expect(pc.call(receive(lsn, 9)).all()).To(Equal([]string{"RECEIVE: NRC_SNUMOUT"}))
		}
	})

	It("without a time-out waits for ever", func() {
		Expect(pc.call(receive(1, 9)).timers()).To(BeEmpty())
		Expect(pc.advance(time.Hour).done()).To(BeEmpty())
	})

	Context("with a time-out of the session", func() {
		BeforeEach(func() {
			pc = newBench()
			pc.registered(chat)
			ncb := listen(chat, star)
			ncb.RTO = 4
			pc.call(ncb)
			c, _ = pc.connect()
			pc.data(c, "8100 0044 CHAT<20> FRIEND<00>")
		})

		It("is 0x05 after so many half seconds, and takes no message any more", func() {
			Expect(pc.call(receive(1, 9)).all()).To(Equal([]string{"arm 2 for 4s"}))
			pc.advance(time.Second)
			pc.callAs("later", receive(1, 9))
			Expect(pc.advance(1500 * time.Millisecond).timed()).To(Equal([]string{"4s RECEIVE: NRC_CMDTMO"}))
			Expect(pc.data(c, "0000 0001 78").all()).To(Equal([]string{"disarm 3", `later: NRC_GOODRET lsn 1 "x"`}))
		})

		It("is over in time when a message comes", func() {
			pc.call(receive(1, 9))
			Expect(pc.data(c, "0000 0001 78").all()).To(Equal([]string{"disarm 2", `RECEIVE: NRC_GOODRET lsn 1 "x"`}))
			Expect(pc.advance(time.Minute).done()).To(BeEmpty())
		})

		It("is over when the session ends", func() {
			pc.call(receive(1, 9))
			Expect(pc.closed(c, stack.Reset).all()).To(Equal([]string{
				"disarm 1", "CHAT<20> held 1: no longer by session", "disarm 2", "RECEIVE: NRC_SABORT",
			}))
		})
	})
})

var _ = Describe("RECEIVE ANY", func() {
	var pc *bench
	var c stack.Conn

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat, mail)
		c = pc.sessionFrom(chat)
	})

	It("takes a message of any session of its name, and tells which", func() {
		pc.call(receiveAny(2, 99))
		other := pc.sessionFrom(mail)
		Expect(pc.data(other, "0000 0001 6d").all()).To(BeEmpty())
		Expect(pc.data(c, "0000 0001 78").all()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 2 lsn 1 "x"`}))
		Expect(pc.call(receiveAny(2, 99)).all()).To(BeEmpty(), "the other name's message is not for it")
		Expect(pc.callAs("it", receiveAny(3, 99)).all()).To(Equal([]string{`it: NRC_GOODRET num 3 lsn 2 "m"`}))
	})

	It("of any name takes any", func() {
		pc.call(receiveAny(0xff, 99))
		Expect(pc.data(c, "0000 0001 78").all()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 2 lsn 1 "x"`}))
		other := pc.sessionFrom(mail)
		pc.data(other, "0000 0001 6d")
		Expect(pc.call(receiveAny(0xff, 99)).all()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 3 lsn 2 "m"`}))
	})

	It("comes after RECEIVE", func() {
		pc.call(receiveAny(2, 99))
		pc.call(receive(1, 99))
		Expect(pc.data(c, "0000 0001 78").done()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 1 "x"`}))
		Expect(pc.data(c, "0000 0001 79").done()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 2 lsn 1 "y"`}))
	})

	It("is 0x06 when the buffer is short, and the rest waits", func() {
		pc.call(receiveAny(2, 2))
		Expect(pc.data(c, "0000 0003 616263").done()).To(Equal([]string{`RECEIVE ANY: NRC_INCOMP num 2 lsn 1 "ab"`}))
		Expect(pc.call(receiveAny(2, 2)).done()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 2 lsn 1 "c"`}))
	})

	It("gives the rest at once to the RECEIVE ANY that waits next", func() {
		pc.callAs("first", receiveAny(2, 2))
		pc.callAs("second", receiveAny(0xff, 2))
		pc.callAs("third", receiveAny(2, 2))
		Expect(pc.data(c, "0000 0003 616263").done()).To(Equal([]string{
			`first: NRC_INCOMP num 2 lsn 1 "ab"`, `second: NRC_GOODRET num 2 lsn 1 "c"`,
		}))
		Expect(pc.waiting()).To(Equal([]string{"third"}))
	})

	It("takes messages in the order of the sessions", func() {
		second := pc.sessionFrom(chat)
		pc.data(second, "0000 0001 32")
		pc.data(c, "0000 0001 31")
		Expect(pc.call(receiveAny(2, 9)).done()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 2 lsn 1 "1"`}))
		Expect(pc.call(receiveAny(2, 9)).done()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 2 lsn 2 "2"`}))
	})

	It("takes what is left of a session that has ended", func() {
		pc.data(c, "0000 0001 78")
		pc.closed(c, stack.EOF)
		Expect(pc.call(receiveAny(2, 9)).done()).To(Equal([]string{`RECEIVE ANY: NRC_GOODRET num 2 lsn 1 "x"`}))
		Expect(pc.call(receive(1, 9)).done()).To(Equal([]string{"RECEIVE: NRC_SCLOSED"}))
	})
})

var _ = Describe("What a session holds for RECEIVEs that do not come", func() {
	var pc *bench
	var c stack.Conn

	tooMuch := []string{
		"session with FRIEND<00> broken off: too much waits for a RECEIVE",
		"abort in-1",
		"CHAT<20> held 1: no longer by session",
	}

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		c = pc.sessionFrom(chat)
	})

	long := append([]byte{0, 1, 0xff, 0xff}, make([]byte, 0x1ffff)...)

	It("is eight of the longest messages; with one byte more the session is aborted", func() {
		for range 8 {
			Expect(pc.step(stack.Data{Conn: c, Bytes: long}).all()).To(BeEmpty())
		}
		Expect(pc.data(c, "0000 0000").all()).To(BeEmpty())
		Expect(pc.data(c, "0000 0001 78").effects()).To(Equal(tooMuch))
	})

	It("is less again when a RECEIVE comes", func() {
		for range 8 {
			pc.step(stack.Data{Conn: c, Bytes: long})
		}
		pc.call(receive(1, 1))
		Expect(pc.data(c, "0000 0001 78").all()).To(BeEmpty())
		Expect(pc.data(c, "0000 0001 78").effects()).To(Equal(tooMuch))
	})

	It("is 4096 messages, even of no bytes", func() {
		for range 4096 {
			pc.step(stack.Data{Conn: c, Bytes: []byte{0, 0, 0, 0}})
		}
		Expect(pc.data(c, "0000 0000").effects()).To(Equal(tooMuch))
		for range 4096 {
			Expect(pc.call(receive(1, 9)).done()).To(Equal([]string{"RECEIVE: NRC_GOODRET lsn 1"}))
		}
		Expect(pc.call(receive(1, 9)).done()).To(Equal([]string{"RECEIVE: NRC_SABORT"}), "and one too many is not kept")
	})
})

var _ = Describe("The end of a session", func() {
	var pc *bench
	var c stack.Conn

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		c = pc.sessionFrom(chat)
	})

	Context("by HANG UP", func() {
		It("closes the connection, gives the reference back, and is 0x00", func() {
			Expect(pc.call(hangUp(1)).all()).To(Equal([]string{
				"close in-1", "disarm 1", "CHAT<20> held 1: no longer by session", "HANG UP: NRC_GOODRET",
			}))
			Expect(pc.advance(time.Hour).all()).To(BeEmpty())
			Expect(pc.closed(c, stack.EOF).all()).To(BeEmpty())
			Expect(pc.data(c, "0000 0001 78").all()).To(BeEmpty())
		})

		It("leaves nothing behind: later commands are 0x08", func() {
			pc.data(c, "0000 0001 78")
			pc.call(hangUp(1))
			for _, ncb := range []netbios.NCB{hangUp(1), send(1, "x"), receive(1, 9)} {
				Expect(pc.callAs("it", ncb).all()).To(Equal([]string{"it: NRC_SNUMOUT"}))
			}
		})

		It("ends the RECEIVEs with 0x0A before it completes", func() {
			pc.callAs("one", receive(1, 9))
			pc.callAs("two", receive(1, 9))
			pc.call(receiveAny(2, 9))
			Expect(pc.call(hangUp(1)).done()).To(Equal([]string{
				"one: NRC_SCLOSED", "two: NRC_SCLOSED", "HANG UP: NRC_GOODRET",
			}))
		})

		It("is 0x08 without a session", func() {
			Expect(pc.call(hangUp(2)).all()).To(Equal([]string{"HANG UP: NRC_SNUMOUT"}))
			Expect(pc.call(hangUp(0)).all()).To(Equal([]string{"HANG UP: NRC_SNUMOUT"}))
		})

		It("frees a name that was deleted, with its releases, before it completes", func() {
			pc.call(remove(chat))
			Expect(pc.call(hangUp(1)).effects()).To(Equal([]string{
				"close in-1",
				"CHAT<20> held 0: no longer by session",
				"CHAT<20> 2 from deregistered to free",
				"137 to all:137: " + request(3, "3010", chat, unique, ownIP),
				"HANG UP: NRC_GOODRET",
			}))
		})
	})

	DescribeTable("by the other side is told to every RECEIVE",
		func(why stack.CloseReason, code string) {
			pc.callAs("one", receive(1, 9))
			pc.callAs("two", receive(1, 9))
			pc.call(receiveAny(2, 9))
			t := pc.closed(c, why)
			Expect(t.done()).To(Equal([]string{"one: " + code, "two: " + code}))
			Expect(t.held()).To(Equal([]string{"CHAT<20> held 1: no longer by session"}))
			Expect(t.timers()).To(Equal([]string{"disarm 1"}))
			Expect(pc.callAs("it", send(1, "x")).all()).To(Equal([]string{"it: NRC_SNUMOUT"}), "it has been told")
		},
		Entry("in order: 0x0A", stack.EOF, "NRC_SCLOSED"),
		Entry("by reset: 0x18", stack.Reset, "NRC_SABORT"),
		Entry("by a transport that gives up: 0x18", stack.Timeout, "NRC_SABORT"),
	)

	It("is answered with our own FIN when it is in order, and with nothing otherwise", func() {
		Expect(pc.closed(c, stack.EOF).sent()).To(Equal([]string{"close in-1"}))
		c = pc.sessionFrom(chat)
		Expect(pc.closed(c, stack.Reset).sent()).To(BeEmpty())
	})

	It("is told to one RECEIVE, and then to no RECEIVE ANY", func() {
		pc.call(receiveAny(2, 9))
		pc.call(receive(1, 9))
		Expect(pc.closed(c, stack.EOF).done()).To(Equal([]string{"RECEIVE: NRC_SCLOSED"}))
		Expect(pc.waiting()).To(Equal([]string{"RECEIVE ANY"}))
	})

	It("is told to just one RECEIVE ANY when no RECEIVE waits", func() {
		pc.callAs("one", receiveAny(2, 9))
		pc.callAs("two", receiveAny(2, 9))
		Expect(pc.closed(c, stack.EOF).done()).To(Equal([]string{"one: NRC_SCLOSED num 2 lsn 1"}))
		Expect(pc.callAs("it", receive(1, 9)).all()).To(Equal([]string{"it: NRC_SNUMOUT"}))
	})

	It("is told to a RECEIVE ANY of any name, but not of another", func() {
		pc.registered(mail)
		pc.callAs("another", receiveAny(3, 9))
		pc.callAs("any", receiveAny(0xff, 9))
		Expect(pc.closed(c, stack.Reset).done()).To(Equal([]string{"any: NRC_SABORT num 2 lsn 1"}))
	})

	DescribeTable("is told to the next command on it, once, when nothing waits",
		func(ncb netbios.NCB) {
			for _, why := range []struct {
				reason stack.CloseReason
				code   string
			}{{stack.EOF, "NRC_SCLOSED"}, {stack.Reset, "NRC_SABORT"}} {
				pc = newBench()
				pc.registered(chat)
				pc.closed(pc.sessionFrom(chat), why.reason)
				Expect(pc.callAs("it", ncb).all()).To(Equal([]string{"it: " + why.code}))
				Expect(pc.callAs("it", ncb).all()).To(Equal([]string{"it: NRC_SNUMOUT"}))
			}
		},
		Entry("SEND", send(1, "x")), Entry("RECEIVE", receive(1, 9)), Entry("HANG UP", hangUp(1)),
	)

	It("does not lose messages that came before it", func() {
		pc.data(c, "0000 0001 61 0000 0001 62")
		pc.closed(c, stack.EOF)
		Expect(pc.callAs("it", receive(1, 9)).all()).To(Equal([]string{`it: NRC_GOODRET lsn 1 "a"`}))
		Expect(pc.callAs("it", receive(1, 9)).all()).To(Equal([]string{`it: NRC_GOODRET lsn 1 "b"`}))
		Expect(pc.callAs("it", receive(1, 9)).all()).To(Equal([]string{"it: NRC_SCLOSED"}))
		Expect(pc.callAs("it", receive(1, 9)).all()).To(Equal([]string{"it: NRC_SNUMOUT"}))
	})

	It("comes also from packets that have no place in a session", func() {
		for _, bad := range []struct{ frame, why string }{
			{"8100 0044 CHAT<20> FRIEND<00>", "unexpected session request"},
			{"8200 0000", "unexpected positive session response"},
			{"8300 0001 80", "unexpected negative session response"},
			{"8400 0006 0a00 001e 008b", "unexpected retarget session response"},
			{"8500 0001 00", "nbt: LENGTH at offset 2: length disagrees with what it counts: 1, want 0 in this type"},
			{"0080 0000", "nbt: FLAGS at offset 1: reserved bit set: 0x80"},
		} {
			pc = newBench()
			pc.registered(chat)
			c = pc.sessionFrom(chat)
			pc.call(receive(1, 9))
			Expect(pc.data(c, bad.frame+" 0000 0001 78").all()).To(Equal([]string{
				"session connection broken off: " + bad.why,
				"abort in-1", "disarm 1", "CHAT<20> held 1: no longer by session", "RECEIVE: NRC_SABORT",
			}))
			Expect(pc.data(c, "0000 0001 78").all()).To(BeEmpty())
		}
	})

	It("by abort is the end of its connection too, though the application has not been told yet", func() {
		pc.data(c, "8200 0000")
		Expect(pc.data(c, "0000 0001 78").all()).To(BeEmpty())
		Expect(pc.closed(c, stack.Reset).all()).To(BeEmpty())
		Expect(pc.call(receive(1, 9)).all()).To(Equal([]string{"RECEIVE: NRC_SABORT"}))
	})

	It("leaves other sessions alone", func() {
		second := pc.sessionFrom(chat)
		pc.closed(c, stack.EOF)
		pc.data(second, "0000 0001 78")
		Expect(pc.call(receive(2, 9)).done()).To(Equal([]string{`RECEIVE: NRC_GOODRET lsn 2 "x"`}))
	})
})

var _ = Describe("Keep-alives (RFC 1002 section 5.2.2.2)", func() {
	var pc *bench
	var c stack.Conn

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
		c = pc.sessionFrom(chat) // at 2 s
	})

	It("are sent every 60 s of silence, and are not answered", func() {
		Expect(pc.advance(time.Minute - 1).all()).To(BeEmpty())
		Expect(pc.advance(1).all()).To(Equal([]string{"in-1: 8500 0000", "arm 1 for 2m2s"}))
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{"2m2s in-1: 8500 0000"}))
		Expect(pc.data(c, "8500 0000").all()).To(BeEmpty())
		Expect(pc.call(hangUp(1)).timers()).To(Equal([]string{"disarm 1"}))
	})

	It("are sent every 60 minutes in the netbt profile", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		pc.call(add(chat))
		pc.advance(10 * time.Second)
		pc.sessionFrom(chat)
		Expect(pc.advance(2 * time.Hour).timed()).To(Equal([]string{
			"1h0m10s in-1: 8500 0000", "2h0m10s in-1: 8500 0000",
		}))
	})

	DescribeTable("wait for 60 s since something was last sent or received",
		func(busy func(*bench, stack.Conn)) {
			pc.advance(20 * time.Second)
			busy(pc, c)
			Expect(pc.advance(40 * time.Second).all()).To(Equal([]string{"arm 1 for 1m22s"}))
			Expect(pc.advance(20 * time.Second).all()).To(Equal([]string{"in-1: 8500 0000", "arm 1 for 2m22s"}))
		},
		Entry("a message sent", func(b *bench, _ stack.Conn) { b.call(send(1, "x")) }),
		Entry("a message received", func(b *bench, c stack.Conn) { b.data(c, "0000 0001 78") }),
		Entry("a keep-alive received", func(b *bench, c stack.Conn) { b.data(c, "8500 0000") }),
	)

	It("carry nothing that a RECEIVE would get", func() {
		pc.call(receive(1, 9))
		Expect(pc.data(c, "8500 0000").all()).To(BeEmpty())
	})

	It("are sent by the caller too", func() {
		pc.call(hangUp(1))
		pc.sessionTo(chat, 1)
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{"1m2s out-1: 8500 0000"}))
	})
})
