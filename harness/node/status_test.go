// SPDX-License-Identifier: MIT

package node_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// adapter is the completion of an ADAPTER STATUS with no rows yet and no closing quotation mark.
func adapter(unit string, inUse, sessions, names int) string {
	header := fmt.Sprintf("%q", adapterBytes(unit, inUse, sessions, names))
	return "ADAPTER STATUS: NRC_GOODRET " + strings.TrimSuffix(header, `"`)
}

// adapterBytes are the 60 bytes of nb30.h's ADAPTER_STATUS: unit address, adapter type 0xFE, greatest datagram 512,
// sessions in use, greatest number of sessions twice, number of names.
func adapterBytes(unit string, inUse, sessions, names int) []byte {
	b := make([]byte, 60)
	copy(b, packet(unit))
	b[8] = 0xfe
	b[48], b[49] = 0x00, 0x02
	b[50], b[52], b[54], b[58] = byte(inUse), byte(sessions), byte(sessions), byte(names)
	return b
}

// row is a NAME_BUFFER.
func row(n string, num, flags byte) string {
	bytes := name(n)
	return strings.Trim(fmt.Sprintf("%q", append(bytes[:], num, flags)), `"`)
}

// everyState makes a node with a name in every state that is listed, and one that is being claimed. The names have
// numbers 2 to 7 in the order REG, TEAM, DRG, CNF, BOTH, CLAIM.
func everyState() *bench {
	GinkgoHelper()
	pc := newBench()
	pc.registered("REG<20>")
	pc.registeredGroup(team)
	for _, n := range []string{"DRG<20>", "CNF<20>", "BOTH<20>"} {
		pc.call(add(n))
		pc.advance(750 * time.Millisecond)
		if n != "CNF<20>" {
			pc.sessionFrom(n)
		}
		if n != "DRG<20>" {
			pc.receive(toPC, response(pc.lastTrn, "ad87", n, unique, noIP))
		}
		if n != "CNF<20>" {
			pc.call(remove(n))
		}
	}
	pc.call(add("CLAIM<20>"))
	return pc
}

const (
	unit  = "0200 0000 000a"
	other = "0200 0000 0014"
)

var _ = Describe("ADAPTER STATUS of the node itself", func() {
	It("lists the names in every state with their numbers and flags, but one being claimed", func() {
		Expect(everyState().call(adapterStatus(star, 999)).all()).To(Equal([]string{
			adapter(unit, 2, 16, 5) + row("REG<20>", 2, 0x04) + row(team, 3, 0x84) + row("DRG<20>", 4, 0x05) +
				row("CNF<20>", 5, 0x06) + row("BOTH<20>", 6, 0x07) + `"`,
		}))
	})

	It("is asked for with whatever stands behind the asterisk", func() {
		Expect(newBench().call(adapterStatus("*<20>", 60)).all()).To(Equal([]string{adapter(unit, 0, 16, 0) + `"`}))
	})

	It("tells the sessions in use and the most there may be", func() {
		pc := benchWith(func(cfg *node.Config) { cfg.Limits.Sessions = 254 })
		pc.registered(chat)
		pc.sessionFrom(chat)
		pc.call(callFrom(chat, friend))
		pc.connect()
		pc.closed(pc.sessionFrom(chat), stack.EOF)
		Expect(pc.call(adapterStatus(star, 999)).done()).To(Equal([]string{
			adapter(unit, 2, 254, 1) + row(chat, 2, 0x04) + `"`,
		}))
	})

	It("is 0x06 in a buffer that is too short, with what fits, and 0x01 in one without room for the header", func() {
		pc := newBench()
		pc.registered(chat)
		full := adapterBytes(unit, 0, 16, 1)
		n := name(chat)
		full = append(append(full, n[:]...), 2, 4)
		for _, length := range []uint16{60, 77} {
			Expect(pc.call(adapterStatus(star, length)).all()).To(Equal([]string{
				fmt.Sprintf("ADAPTER STATUS: NRC_INCOMP %q", full[:length]),
			}))
		}
		Expect(pc.call(adapterStatus(star, 78)).all()).To(Equal([]string{fmt.Sprintf("ADAPTER STATUS: NRC_GOODRET %q", full)}))
		Expect(pc.call(adapterStatus(star, 59)).all()).To(Equal([]string{"ADAPTER STATUS: NRC_BUFLEN"}))
		Expect(pc.call(adapterStatus(friend, 59)).all()).To(Equal([]string{"ADAPTER STATUS: NRC_BUFLEN"}))
	})

	It("counts names in sixteen bits, and reads back", func() {
		pc := benchWith(func(cfg *node.Config) { cfg.Limits.Names = 253 })
		for i := range 253 {
			pc.call(add(fmt.Sprintf("N%d<20>", i)))
		}
		pc.advance(time.Second)
		var out stack.Outputs
		pc.node.Step(pc.now, stack.Call{ID: 999, NCB: adapterStatus(star, 0xffff)}, &out)
		rows, err := netbios.ParseStatus(out.All()[0].(stack.Complete).Data)
		Expect(err).NotTo(HaveOccurred())
		Expect(rows).To(HaveLen(253))
		Expect(rows[252]).To(Equal(netbios.NameRow{Name: name("N252<20>"), Num: 254, Flags: 4}))
	})
})

var _ = Describe("ADAPTER STATUS of another node", func() {
	var pc *bench

	BeforeEach(func() { pc = newBench() })

	// asking is as far as the node status request: the name has been found at the peer.
	asking := func(length uint16) transcript {
		pc.call(adapterStatus(friend, length))
		return pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, peerIP))
	}

	It("resolves the name and asks its owner, three times 5 s apart", func() {
		Expect(pc.call(adapterStatus(friend, 999)).all()).To(Equal([]string{
			"137 to all:137: " + query(1, friend), "arm 1 for 250ms",
		}))
		Expect(pc.receive(toPC, response(1, "8500", friend, unique, peerIP)).all()).To(Equal([]string{
			"disarm 1",
			"137 to peer:137: 0002 0000 0001 0000 0000 0000 * 0021 0001",
			"arm 1 for 5s",
		}))
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{
			"5s 137 to peer:137: " + statusRequest(2, star),
			"10s 137 to peer:137: " + statusRequest(2, star),
			"15s ADAPTER STATUS: NRC_CMDTMO",
		}))
	})

	It("asks every 1.5 s in the netbt profile", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Profile = node.NetBT })
		asking(999)
		Expect(pc.advance(time.Minute).timed()).To(Equal([]string{
			"1.5s 137 to peer:137: " + statusRequest(2, star),
			"3s 137 to peer:137: " + statusRequest(2, star),
			"4.5s ADAPTER STATUS: NRC_CMDTMO",
		}))
	})

	It("is 0x05 when nobody answers for the name", func() {
		pc.call(adapterStatus(friend, 999))
		Expect(pc.advance(750 * time.Millisecond).done()).To(Equal([]string{"ADAPTER STATUS: NRC_CMDTMO"}))
	})

	It("returns the answer in the layout of the NCB interface, rows numbered as they stand (ruling 9)", func() {
		asking(999)
		Expect(pc.receive(toPC, statusResponse(2, "8400", star, other,
			"FRIEND<00> 0400", "TEAM<20> 8400", "DRG<20> 1401", "CNF<20> 0c01", "BOTH<20> 1c00", "HNODE<20> 6400", "ODD<20> 0401",
		)).all()).To(Equal([]string{
			"disarm 1",
			adapter(other, 0, 16, 7) + row(friend, 1, 0x04) + row(team, 2, 0x84) + row("DRG<20>", 3, 0x05) +
				row("CNF<20>", 4, 0x06) + row("BOTH<20>", 5, 0x07) + row("HNODE<20>", 6, 0x04) +
				row("ODD<20>", 7, 0x04) + `"`,
		}))
		Expect(pc.advance(time.Minute).all()).To(BeEmpty())
	})

	It("is 0x06 in a buffer that is too short", func() {
		asking(60)
		Expect(pc.receive(toPC, statusResponse(2, "8400", star, other, "FRIEND<00> 0400")).done()).To(Equal([]string{
			fmt.Sprintf("ADAPTER STATUS: NRC_INCOMP %q", adapterBytes(other, 0, 16, 1)),
		}))
	})

	DescribeTable("goes on waiting over what does not answer its request",
		func(v via, frame string) {
			asking(999)
			Expect(pc.receive(v, frame).all()).To(BeEmpty())
			Expect(pc.advance(15 * time.Second).done()).To(Equal([]string{"ADAPTER STATUS: NRC_CMDTMO"}))
		},
		Entry("another identifier", toPC, statusResponse(3, "8400", star, other, "FRIEND<00> 0400")),
		Entry("that of the query", toPC, statusResponse(1, "8400", star, other, "FRIEND<00> 0400")),
		Entry("another name", toPC, statusResponse(2, "8400", friend, other, "FRIEND<00> 0400")),
		Entry("another node", toPC.by(thirdAddr), statusResponse(2, "8400", star, other, "FRIEND<00> 0400")),
		Entry("another port", toPC.port(1000), statusResponse(2, "8400", star, other, "FRIEND<00> 0400")),
		Entry("a query response", toPC, response(2, "8500", star, unique, peerIP)),
	)

	It("uses LMHOSTS and what was found lately", func() {
		pc = benchWith(func(cfg *node.Config) { cfg.Hosts = []node.Host{{name(friend), thirdAddr}} })
		Expect(pc.call(adapterStatus(friend, 999)).sent()).To(Equal([]string{"137 to third:137: " + statusRequest(1, star)}))
		pc = newBench()
		pc.call(findName(friend, 99))
		pc.receive(toPC, response(1, "8500", friend, unique, peerIP))
		Expect(pc.call(adapterStatus(friend, 999)).sent()).To(Equal([]string{"137 to peer:137: " + statusRequest(2, star)}))
	})
})

var _ = Describe("A node status request", func() {
	It("for the reserved name is answered with the names in every state, but one being claimed", func() {
		pc := everyState()
		Expect(pc.receive(toPC.port(777), statusRequest(0x1006, star)).all()).To(Equal([]string{
			"137 to peer:777: " + statusResponse(0x1006, "8400", star, unit,
				"REG<20> 0400", "TEAM<20> 8400", "DRG<20> 1400", "CNF<20> 0c00", "BOTH<20> 1c00"),
		}))
		Expect(pc.receive(toAll, "0009 0010 0001 0000 0000 0000 * 0021 0001").sent()).To(HaveLen(1), "broadcast too (trap 9)")
	})

	It("for a name that is listed is answered under that name", func() {
		pc := everyState()
		for _, n := range []string{"REG<20>", team, "DRG<20>", "CNF<20>", "BOTH<20>"} {
			sent := pc.receive(toPC, statusRequest(9, n)).sent()
			Expect(sent).To(HaveLen(1), n)
			Expect(sent[0]).To(HavePrefix("137 to peer:137: 0009 8400 0000 0001 0000 0000 " + n + " 0021 0001 0000 0000 0089 05"))
		}
	})

	It("for a name that is not listed is not answered", func() {
		pc := everyState()
		for _, n := range []string{"CLAIM<20>", mail, "REG<00>", "*<20>"} {
			Expect(pc.receive(toPC, statusRequest(9, n)).all()).To(BeEmpty(), n)
		}
	})

	It("is answered by a node without names", func() {
		Expect(newBench().receive(toPC, statusRequest(9, star)).sent()).To(Equal([]string{
			"137 to peer:137: " + statusResponse(9, "8400", star, unit),
		}))
	})

	It("is answered with 24 names at most, and TC when there are more (bad-input 23)", func() {
		pc := benchWith(func(cfg *node.Config) { cfg.Limits.Names = 30 })
		var rows []string
		for i := range 24 {
			pc.call(add(fmt.Sprintf("N%d<20>", i)))
			rows = append(rows, fmt.Sprintf("N%d<20> 0400", i))
		}
		pc.advance(time.Second)
		Expect(pc.receive(toPC, statusRequest(9, star)).sent()).To(Equal([]string{
			"137 to peer:137: " + statusResponse(9, "8400", star, unit, rows...),
		}))
		pc.registered(chat)
		Expect(pc.receive(toPC, statusRequest(9, star)).sent()).To(Equal([]string{
			"137 to peer:137: " + statusResponse(9, "8600", star, unit, rows...),
		}))
	})
})

// sessionRow is a SESSION_BUFFER: number, state, local and remote name, receives and sends outstanding.
func sessionRow(lsn, state byte, local, remote string, receives byte) string {
	l, r := name(local), name(remote)
	b := append([]byte{lsn, state}, l[:]...)
	return strings.Trim(fmt.Sprintf("%q", append(append(b, r[:]...), receives, 0)), `"`)
}

// sessions is a whole answer to SESSION STATUS.
func sessions(code string, num, count, datagrams, anys byte, rows ...string) []string {
	head := strings.Trim(fmt.Sprintf("%q", []byte{num, count, datagrams, anys}), `"`)
	return []string{fmt.Sprintf("SESSION STATUS: %s \"%s%s\"", code, head, strings.Join(rows, ""))}
}

var _ = Describe("SESSION STATUS", func() {
	var pc *bench

	BeforeEach(func() {
		pc = newBench()
		pc.registered(chat, mail)
	})

	It("lists the sessions of a name and the commands that wait on it", func() {
		pc.sessionFrom(chat)
		pc.call(receive(1, 9))
		pc.call(receive(1, 9))
		pc.call(callFrom(chat, rival))
		pc.call(listen(chat, star))
		pc.call(listen(chat, friend))
		pc.call(receiveDatagram(2, 9))
		pc.call(receiveAny(2, 9))
		pc.call(receiveAny(2, 9))
		pc.call(receiveBroadcast(2, 9))
		pc.sessionFrom(mail)
		pc.call(listen(mail, star))
		pc.call(receiveDatagram(3, 9))
		pc.call(receiveAny(0xff, 9))
		pc.call(receiveDatagram(0xff, 9))
		pc.connect()
		Expect(pc.call(sessionStatus(chat, 999)).all()).To(Equal(sessions("NRC_GOODRET", 2, 4, 1, 2,
			sessionRow(0, 1, chat, star, 0), sessionRow(0, 1, chat, friend, 0),
			sessionRow(1, 3, chat, friend, 2), sessionRow(2, 2, chat, rival, 0))))
		Expect(pc.call(sessionStatus(mail, 999)).all()).To(Equal(sessions("NRC_GOODRET", 3, 2, 1, 0,
			sessionRow(0, 1, mail, star, 0), sessionRow(3, 3, mail, friend, 0))))
		Expect(pc.call(sessionStatus(star, 999)).all()).To(Equal(sessions("NRC_GOODRET", 255, 6, 3, 3,
			sessionRow(0, 1, chat, star, 0), sessionRow(0, 1, chat, friend, 0), sessionRow(0, 1, mail, star, 0),
			sessionRow(1, 3, chat, friend, 2), sessionRow(2, 2, chat, rival, 0), sessionRow(3, 3, mail, friend, 0))))
	})

	It("shows a CALL at every stage, and how a session ended", func() {
		pc.call(callFrom(chat, friend))
		pc.receive(toPC, response(pc.lastTrn, "8500", friend, unique, peerIP))
		calling := sessions("NRC_GOODRET", 2, 1, 0, 0, sessionRow(1, 2, chat, friend, 0))
		Expect(pc.call(sessionStatus(chat, 999)).done()).To(Equal(calling))
		pc.accepted(1)
		Expect(pc.call(sessionStatus(chat, 999)).done()).To(Equal(calling))
		pc.data(1, "8200 0000")
		Expect(pc.call(sessionStatus(chat, 999)).done()).To(Equal(
			sessions("NRC_GOODRET", 2, 1, 0, 0, sessionRow(1, 3, chat, friend, 0))))
		pc.closed(1, stack.EOF)
		pc.closed(pc.sessionFrom(chat), stack.Reset)
		Expect(pc.call(sessionStatus(chat, 999)).done()).To(Equal(sessions("NRC_GOODRET", 2, 2, 0, 0,
			sessionRow(1, 5, chat, friend, 0), sessionRow(2, 6, chat, friend, 0))))
	})

	It("is 0x15 for a name that is not here, and 0x01 without room for a header", func() {
		Expect(pc.call(sessionStatus(rival, 999)).all()).To(Equal([]string{"SESSION STATUS: NRC_NOWILD"}))
		Expect(pc.call(sessionStatus(chat, 3)).all()).To(Equal([]string{"SESSION STATUS: NRC_BUFLEN"}))
		Expect(pc.call(sessionStatus(star, 3)).all()).To(Equal([]string{"SESSION STATUS: NRC_BUFLEN"}))
		Expect(pc.call(sessionStatus(chat, 4)).all()).To(Equal(sessions("NRC_GOODRET", 2, 0, 0, 0)))
	})

	It("is 0x06 in a buffer that is too short", func() {
		pc.call(listen(chat, star))
		Expect(pc.call(sessionStatus(chat, 39)).done()[0]).To(HavePrefix("SESSION STATUS: NRC_INCOMP "))
		Expect(pc.call(sessionStatus(chat, 4)).done()).To(Equal(sessions("NRC_INCOMP", 2, 1, 0, 0)))
		Expect(pc.call(sessionStatus(chat, 40)).done()).To(Equal(
			sessions("NRC_GOODRET", 2, 1, 0, 0, sessionRow(0, 1, chat, star, 0))))
	})

	It("of a deregistered name shows the sessions that keep it", func() {
		pc.sessionFrom(chat)
		pc.call(remove(chat))
		Expect(pc.call(sessionStatus(chat, 999)).done()).To(Equal(
			sessions("NRC_GOODRET", 2, 1, 0, 0, sessionRow(1, 3, chat, friend, 0))))
	})

	It("counts to 255 and no further", func() {
		for range 100 {
			pc.call(listen(chat, rival))
		}
		Expect(pc.call(sessionStatus(chat, 4)).done()).To(Equal(sessions("NRC_INCOMP", 2, 100, 0, 0)))
		for range 154 {
			pc.call(listen(chat, rival))
		}
		pc.call(callFrom(chat, friend))
		Expect(pc.call(sessionStatus(chat, 4)).done()).To(Equal(sessions("NRC_INCOMP", 2, 255, 0, 0)))
		pc.call(callFrom(chat, friend))
		Expect(pc.call(sessionStatus(chat, 4)).done()).To(Equal(sessions("NRC_INCOMP", 2, 255, 0, 0)))

		pc = newBench()
		pc.registered(chat)
		pc.sessionFrom(chat)
		for range 256 {
			pc.call(receive(1, 9))
		}
		Expect(pc.call(sessionStatus(chat, 999)).done()).To(Equal(
			sessions("NRC_GOODRET", 2, 1, 0, 0, sessionRow(1, 3, chat, friend, 255))))
	})
})
