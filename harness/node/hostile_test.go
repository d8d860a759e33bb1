// SPDX-License-Identifier: MIT

package node_test

import (
	"net/netip"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

var _ = Describe("What is no message", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat)
	})

	It("of 0 bytes is ignored with a remark, and the next good message is answered (bad-input 21)", func() {
		Expect(pc.receive(toPC, "").all()).To(Equal([]string{
			"name service message ignored: nbt: NAME_TRN_ID at offset 0: message ends before this field does",
		}))
		Expect(pc.receive(dgmToPC, "").all()).To(Equal([]string{
			"datagram ignored: nbt: MSG_TYPE at offset 0: message ends before this field does",
		}))
		Expect(pc.receive(toPC, query(9, chat)).sent()).To(HaveLen(1))
		Expect(pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, mail, "hi")).sent()).To(HaveLen(1))
	})

	It("is ignored although it begins like one", func() {
		for _, frame := range []string{query(9, chat) + " 00", request(9, "2910", chat, unique, peerIP) + " 00"} {
			t := pc.receive(toPC, frame)
			Expect(t.all()).To(HaveLen(1))
			Expect(t.remarks()).To(HaveLen(1))
		}
		t := pc.receive(dgmToPC, datagram("10", 9, peerIP, friend, mail, "hi")+" 00")
		Expect(t.all()).To(HaveLen(1))
		Expect(t.remarks()).To(HaveLen(1))
	})

	It("is ignored with one remark, whatever is wrong with it", func() {
		for _, v := range fixtures.Malformed() {
			way := map[fixtures.Service]via{fixtures.NameService: toPC, fixtures.DatagramService: dgmToPC}[v.Service]
			if v.Service == fixtures.SessionService {
				continue
			}
			t := pc.step(stack.Datagram{From: way.from, To: way.to, Payload: v.Bytes})
			Expect(t.all()).To(HaveLen(1), v.Name)
			Expect(t.remarks()).To(HaveLen(1), v.Name)
			Expect(strings.Contains(t.remarks()[0], " ignored: nbt: ")).To(BeTrue(), v.Name)
		}
	})

	It("is survived on a connection as well", func() {
		for _, v := range fixtures.Malformed() {
			if v.Service == fixtures.SessionService {
				c, _ := pc.connect()
				pc.step(stack.Data{Conn: c, Bytes: v.Bytes})
			}
		}
		pc.sessionFrom(chat)
	})

	It("in the caller of a session request is accepted by no LISTEN (bad-input 19)", func() {
		pc.call(listen(chat, star))
		for _, v := range fixtures.Malformed() {
			if v.Row != 19 {
				continue
			}
			c, _ := pc.connect()
			// The vector asks for a name that is not here: with ours in its place, the caller alone is at fault.
			request := slices.Clone(v.Bytes)
			copy(request[4:], packet("8100 0044 CHAT<20> FRIEND<00>")[4:38])
			t := pc.step(stack.Data{Conn: c, Bytes: request})
			Expect(t.done()).To(BeEmpty(), v.Name)
			Expect(t.all()).To(ContainElement(BeElementOf("close "+conn(c), "abort "+conn(c))), v.Name)
		}
	})

	It("is not looked at on other ports", func() {
		way := toPC
		way.to = netip.AddrPortFrom(ownAddr, 9)
		Expect(pc.receive(way, query(9, chat)).all()).To(BeEmpty())
		Expect(pc.receive(way, "").all()).To(BeEmpty())
	})

	It("in every prefix of a good message makes no trouble (bad-input 8)", func() {
		for _, v := range fixtures.Vectors() {
			for end := range v.Bytes[:min(len(v.Bytes), 200)] {
				for _, way := range []via{toPC, dgmToPC} {
					pc.step(stack.Datagram{From: way.from, To: way.to, Payload: v.Bytes[:end]})
				}
			}
		}
		Expect(pc.receive(toPC, query(9, chat)).sent()).To(HaveLen(1))
	})

	It("does not disturb names of other bytes: they are kept as they are (bad-input 32)", func() {
		evil := netbios.Name([]byte("a;b|$(c)`\n\x1b\x00\xffxyz"))
		pc.call(netbios.NCB{Command: netbios.AddName, Name: evil})
		Expect(pc.advance(1e9).done()).To(Equal([]string{"ADD NAME: NRC_GOODRET num 3"}))
	})
})

// unknown is an input that the seam does not have: it can only be made around its sealed type.
type unknown struct{ stack.Input }

var _ = Describe("An input that the node does not know", func() {
	It("is a mistake of the driver's", func() {
		Expect(func() { newBench().step(unknown{}) }).To(PanicWith("node: unknown input node_test.unknown"))
	})
})
