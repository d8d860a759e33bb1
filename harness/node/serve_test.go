// SPDX-License-Identifier: MIT

package node_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("A node that is a name server too", func() {
	var pc *bench

	BeforeEach(func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Serves = true })
		pc.registered(chat)
	})

	It("serves on the port on which it defends its own names", func() {
		Expect(pc.receive(toPC, request(9, "2900", mail, pUnique, peerIP)).sent()).To(Equal([]string{
			"137 to peer:137: " + lasting(9, "ad80", mail, "0007 e900", pUnique, peerIP), // six days, since 0 asks for ever
		}))
		Expect(pc.receive(toPC.by(thirdAddr), asked(10, mail)).sent()).To(Equal([]string{
			"137 to third:137: " + lasting(10, "8580", mail, "0007 e900", pUnique, peerIP),
		}))
		for _, word := range []string{"2900", "2800", "7900", "4000"} {
			Expect(pc.receive(toPC, request(11, word, chat, pUnique, peerIP)).sent()).To(Equal([]string{
				"137 to peer:137: " + response(11, "ad86", chat, unique, ownIP),
			}), word)
		}
		Expect(pc.receive(toPC, asked(12, chat)).sent()).To(Equal([]string{"137 to peer:137: " + response(12, "8580", chat, unique, ownIP)}))
		Expect(pc.receive(toPC, request(13, "3000", chat, unique, ownIP)).sent()).To(HaveExactElements(ContainSubstring(" b406 ")))
	})

	It("is an end node to broadcasts, and to what says that it is one", func() {
		pc.receive(toPC, request(9, "2900", mail, pUnique, peerIP))
		Expect(pc.receive(toAll, query(9, mail)).sent()).To(BeEmpty(), "the segment is not told what the server knows")
		Expect(pc.receive(toAll, asked(9, mail)).sent()).To(BeEmpty())
		Expect(pc.receive(toPC, query(9, mail)).sent()).To(BeEmpty())
		Expect(pc.receive(toAll, request(9, "2910", team, unique, peerIP)).sent()).To(BeEmpty())
		Expect(pc.receive(toPC, request(9, "2910", chat, unique, peerIP)).sent()).To(HaveExactElements(ContainSubstring(" ad86 ")))
	})

	It("challenges under identifiers of its own, and tells the answers from those to its own queries", func() {
		pc.receive(toPC, request(9, "2900", mail, pUnique, peerIP))
		sent := pc.receive(toPC.by(thirdAddr), request(9, "2900", mail, pUnique, thirdIP)).sent()
		Expect(sent).To(HaveExactElements(HavePrefix("137 to third:137: 0009 bc00"), Equal("137 to peer:137: "+asked(3, mail))))
		pc.call(findName(mail, 99)) // by broadcast, under 4
		Expect(pc.receive(toPC, response(3, "8500", mail, unique, peerIP)).all()).To(HaveExactElements(
			ContainSubstring("stays with 10.0.0.20, which lives"),
			Equal("137 to third:137: "+response(9, "ad86", mail, unique, peerIP)),
			HavePrefix("disarm")))
		Expect(pc.receive(toPC, response(4, "8500", mail, unique, peerIP)).done()).To(HaveExactElements(HavePrefix("FIND NAME: NRC_GOODRET")))
	})

	It("wakes for its challenges, and for nothing else", func() {
		pc.receive(toPC, request(9, "2900", mail, pUnique, peerIP))
		Expect(pc.alarms).To(BeEmpty())
		pc.receive(toPC.by(thirdAddr), request(9, "2900", mail, pUnique, thirdIP))
		Expect(pc.alarms).To(HaveLen(1))
		Expect(pc.advance(time.Hour).sent()).To(HaveExactElements(
			Equal("137 to peer:137: "+asked(3, mail)), Equal("137 to peer:137: "+asked(3, mail)), ContainSubstring(" ad80 ")))
		Expect(pc.alarms).To(BeEmpty())
	})

	It("moves its alarm when what it is for is over, and only then", func() {
		for _, of := range []string{mail, "BOX<20>"} {
			pc.receive(toPC, request(9, "2900", of, pUnique, peerIP))
		}
		claim := func(of string) { pc.receive(toPC.by(thirdAddr), request(9, "2900", of, pUnique, thirdIP)) }
		claim(mail)
		pc.advance(time.Second)
		began := pc.now
		claim("BOX<20>")
		Expect(pc.receive(toPC, asked(9, team)).timers()).To(BeEmpty())
		Expect(pc.receive(toPC, response(3, "8500", mail, unique, peerIP)).timers()).To(HaveExactElements(
			HavePrefix("disarm"), HaveSuffix(fmt.Sprint(began+node.RFC1002.UnicastTimeout))))
		Expect(pc.receive(toPC, response(4, "8500", "BOX<20>", unique, peerIP)).timers()).To(HaveExactElements(HavePrefix("disarm")))
		claim("BOX<20>") // at the same time again
		Expect(pc.alarms).To(HaveLen(1))
		Expect(pc.advance(time.Hour).sent()).To(ContainElement(ContainSubstring(" ad80 ")))
	})

	It("serves names that its host is only claiming", func() {
		pc.call(add(mail))
		Expect(pc.receive(toPC, request(9, "2900", mail, pUnique, peerIP)).sent()).To(HaveExactElements(ContainSubstring(" ad80 ")))
	})

	It("says nothing any more once it stops, whatever it is in the middle of", func() {
		pc.receive(toPC, request(9, "2900", mail, pUnique, peerIP))
		pc.receive(toPC.by(thirdAddr), request(9, "2900", mail, pUnique, thirdIP))
		pc.step(stack.Stop{})
		Expect(pc.receive(toPC, asked(9, mail)).all()).To(BeEmpty())
		Expect(pc.advance(time.Hour).sent()).To(HaveExactElements(
			ContainSubstring(" 3010 "), ContainSubstring(" 3010 ")), "its own releases")
	})

	It("refuses a scope that is longer than it takes, which an end node does not even read (bad-input 5)", func() {
		scope := strings.Repeat(strings.Repeat("a", 63)+".", 4)
		frame := func(length int) []byte {
			m := nbt.RegistrationRequest(9, name(mail), 0, peerAddr, 0).InScope(scope[:length])
			m.Loose = true
			b, err := m.AppendBinary(nil)
			Expect(err).NotTo(HaveOccurred())
			return b
		}
		arrive := func(b *bench, length int) []string {
			return b.step(stack.Datagram{From: toPC.from, To: toPC.to, Payload: frame(length)}).sent()
		}
		Expect(arrive(pc, 237)).To(HaveExactElements(HavePrefix("137 to peer:137: 0009 ad80")))
		Expect(arrive(pc, 238)).To(HaveExactElements(HavePrefix("137 to peer:137: 0009 ad82")))
		Expect(arrive(newBench(), 237)).To(BeEmpty())
	})

	It("does not read what is odd in any other way", func() {
		b := append(packet(request(9, "2900", mail, pUnique, peerIP)), 0)
		Expect(pc.step(stack.Datagram{From: toPC.from, To: toPC.to, Payload: b}).sent()).To(BeEmpty())
	})

	It("keeps no names beyond its bound, and its own status apart from them (bad-input 23)", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Serves, cfg.Names = true, 50 })
		pc.registered(chat)
		codes := map[byte]int{}
		var out stack.Outputs
		for i := range 10_000 {
			of := string([]byte{'A' + byte(i/1000), 'A' + byte(i/100%10), 'A' + byte(i/10%10), 'A' + byte(i%10)}) + "<20>"
			in := stack.Datagram{From: toPC.from, To: toPC.to, Payload: packet(request(9, "2900", of, pUnique, peerIP))}
			out.Reset()
			pc.node.Step(pc.now, in, &out)
			for _, o := range out.All() {
				if d, ok := o.(stack.SendDatagram); ok {
					codes[d.Payload[3]&0x0f]++
				}
			}
		}
		Expect(codes).To(Equal(map[byte]int{0: 50, 2: 9950}), "granted, and refused with SRV_ERR")
		status := pc.receive(toPC, statusRequest(9, star)).sent()
		Expect(status).To(HaveExactElements(ContainSubstring(" 0041 01"))) // one row: 1 + 18 + 46 bytes
	})

	It("does not hear its own host's packets (bad-input 26)", func() {
		for _, frame := range []string{request(9, "2900", mail, unique, ownIP), asked(9, chat), request(9, "3000", chat, unique, ownIP)} {
			Expect(pc.receive(toPC.by(ownAddr), frame).all()).To(BeEmpty())
		}
	})
})

var _ = Describe("What a node answers (bad-input 24)", func() {
	It("goes to who asks, and is at most 576 bytes and twelve times as long as what was asked", func() {
		largest := 0
		for _, serves := range []bool{false, true} {
			pc := benchWith(func(cfg *node.Config) { cfg.Serves, cfg.Limits.Names = serves, 250 })
			for i := range 250 {
				pc.registered(string([]byte{'A' + byte(i/26), 'A' + byte(i%26)}) + "<20>")
			}
			for _, frame := range []string{
				statusRequest(9, star), statusRequest(9, "AA<20>"), query(9, "AA<20>"), asked(9, "AA<20>"),
				request(9, "2910", "AA<20>", unique, peerIP), request(9, "2900", mail, unique, peerIP), request(9, "3000", mail, unique, peerIP),
			} {
				for _, way := range []via{toPC.by(thirdAddr), toAll.by(thirdAddr)} {
					var out stack.Outputs
					b := packet(frame)
					pc.node.Step(pc.now, stack.Datagram{From: way.from, To: way.to, Broadcast: way.broadcast, Payload: b}, &out)
					for _, o := range out.All() {
						if d, ok := o.(stack.SendDatagram); ok {
							Expect(d.To).To(Equal(way.from))
							Expect(len(d.Payload)).To(BeNumerically("<=", 576-28))
							largest = max(largest, 100*len(d.Payload)/len(b))
						}
					}
				}
			}
		}
		AddReportEntry("largest answer, in percent of what was asked", largest)
		Expect(largest).To(BeNumerically("<", 1200))
	})
})

var _ = Describe("A node's clock (bad-input 30)", func() {
	It("goes neither back nor past the end of time, with a name server or as one", func() {
		const end = time.Duration(1<<63 - 1)
		for _, pc := range []*bench{
			typed(node.P), typed(node.H), benchWith(func(cfg *node.Config) { cfg.Serves = true }),
		} {
			for _, at := range []time.Duration{0, time.Hour, time.Minute, -time.Hour, end, 0, end} {
				pc.now = at
				var out stack.Outputs
				pc.node.Step(at, stack.Call{ID: stack.CallID(pc.lastTrn + 1), NCB: add(chat)}, &out)
				pc.lastTrn++
				for _, frame := range []string{
					request(9, "2900", mail, pUnique, peerIP), lasting(1, "ad80", chat, "ffff ffff", pUnique, ownIP),
					wack(1, chat, "ffff ffff"), asked(9, mail), request(9, "2900", mail, pUnique, thirdIP),
				} {
					for _, way := range []via{toPC, fromWins, toPC.by(thirdAddr)} {
						pc.node.Step(at, stack.Datagram{From: way.from, To: way.to, Payload: packet(frame)}, &out)
					}
				}
				for _, o := range out.All() {
					if a, ok := o.(stack.Arm); ok {
						Expect(a.At).To(BeNumerically(">=", max(at, 0)))
					}
				}
			}
		}
	})
})
