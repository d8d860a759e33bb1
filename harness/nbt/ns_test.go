// SPDX-License-Identifier: MIT

package nbt_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
)

var _ = Describe("Parsing a name service message", func() {
	It("keeps every opcode and response code as a number (bad-input 13)", func() {
		request, response := fixtures.Named("claim"), fixtures.Named("answer")
		for op := range uint16(16) {
			for code := range uint16(16) {
				for _, b := range [][]byte{request, response} {
					b = append([]byte(nil), b...)
					word := binary.BigEndian.Uint16(b[2:])&^0x780f | op<<11 | code
					binary.BigEndian.PutUint16(b[2:], word)
					if op == uint16(nbt.OpWACK) && word&0x8000 != 0 {
						b = append([]byte(nil), fixtures.Named("wack")...)
						b[3] = byte(code)
						word = binary.BigEndian.Uint16(b[2:])
					}
					m, err := nbt.ParseNameMessage(b)
					Expect(err).NotTo(HaveOccurred())
					Expect(m.FlagWord()).To(Equal(word))
					Expect(m.Opcode).To(Equal(nbt.Opcode(op)))
					Expect(m.RCode).To(Equal(nbt.RCode(code)))
					Expect(m.AppendBinary(nil)).To(Equal(b))
					Expect(m.String()).NotTo(BeEmpty())
				}
			}
		}
	})

	It("lists the names that are there when NUM_NAMES claims more (bad-input 11)", func() {
		m, err := nbt.ParseNameMessage(fixtures.Named("status-255-names"))
		Expect(err).To(MatchError(nbt.ErrTruncated))
		Expect(m.Answers).To(HaveLen(1))
		Expect(m.Answers[0].Status.Names).To(HaveLen(17))
		Expect(m.Answers[0].Status.Names[16].Name).To(Equal(name("NAME16")))
	})

	It("hands out the records in front of the one at fault", func() {
		m, err := nbt.ParseNameMessage(fixtures.Named("pointer-twice"))
		Expect(err).To(MatchError(nbt.ErrPointerChain))
		Expect(m.Questions).To(HaveLen(1))
		Expect(m.Additional).To(HaveExactElements(HaveField("Name", demo)))
	})

	It("hands out the header when a count is at fault", func() {
		m, err := nbt.ParseNameMessage(fixtures.Named("count-ancount"))
		Expect(err).To(MatchError(nbt.ErrTruncated))
		Expect(m.ID).To(Equal(uint16(0x1001)))
		Expect(m.Answers).To(BeEmpty())
	})

	It("gives raw data that appending to does not spill into the message", func() {
		b := append(append([]byte(nil), fixtures.Named("record-unknown")...), "behind"...)
		m, err := nbt.ParseNameMessage(b[:len(b)-len("behind")])
		Expect(err).NotTo(HaveOccurred())
		_ = append(m.Answers[0].Data, "overwritten"...)
		Expect(string(b)).To(HaveSuffix("behind"))
	})

	It("gives sections that appending to does not spill into the next", func() {
		m := nbt.PositiveAnswer(7, demo, 0, addr)
		m.Authority = nbt.PositiveAnswer(7, peer, 0, addr).Answers
		b, err := m.AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		m, err = nbt.ParseNameMessage(b)
		Expect(err).NotTo(HaveOccurred())
		_ = append(m.Answers, nbt.Resource{})
		Expect(m.Authority[0].Name).To(Equal(peer))
	})

	It("reads several records of every section", func() {
		want := nbt.PositiveAnswer(7, demo, nbt.NBGroup, addr)
		want.Questions = append(nbt.Query(0, demo).Questions, nbt.Query(0, peer).Questions...)
		want.Answers = append(want.Answers, nbt.PositiveAnswer(0, peer, 0, addr, nbns).Answers...)
		want.Answers[0].Pointer = nbt.QuestionName
		want.Answers[1].Pointer = 50 // the second question's name
		want.Additional = nbt.StatusResponse(0, demo, nbt.NodeStatus{}).Answers
		b, err := want.AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		got, err := nbt.ParseNameMessage(b)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(want))
		Expect(got.AppendBinary(nil)).To(Equal(b))
	})
})

var _ = Describe("Encoding a name service message", func() {
	DescribeTable("refuses what has no encoding and leaves the bytes as they were",
		func(m nbt.NameMessage, field string, cause error) {
			b, err := m.AppendBinary([]byte("before"))
			Expect(err).To(MatchError(cause))
			Expect(err.Error()).To(HavePrefix("nbt: cannot encode " + field + ": "))
			Expect(string(b)).To(Equal("before"))
		},
		Entry("an opcode of five bits", nbt.NameMessage{Opcode: 16}, "OPCODE", nbt.ErrRange),
		Entry("a response code of five bits", nbt.NameMessage{RCode: 16}, "RCODE", nbt.ErrRange),
		Entry("flags that belong to another field", nbt.NameMessage{Flags: 0x8000}, "NM_FLAGS", nbt.ErrRange),
		Entry("more questions than QDCOUNT can say",
			nbt.NameMessage{Questions: make([]nbt.Question, 0x10000)}, "QDCOUNT", nbt.ErrRange),
		Entry("an uncounted record of another message",
			nbt.NameMessage{Uncounted: true, Answers: make([]nbt.Resource, 1)}, "ANCOUNT", nbt.ErrCount),
		Entry("an uncounted record that is not there",
			nbt.NameMessage{Uncounted: true, Response: true, RCode: nbt.NamErr}, "ANCOUNT", nbt.ErrCount),
		Entry("an IPv6 address",
			nbt.Claim(1, demo, 0, netip.IPv6Loopback()), "NB_ADDRESS", nbt.ErrNotIPv4),
		Entry("no address", nbt.Claim(1, demo, 0, netip.Addr{}), "NB_ADDRESS", nbt.ErrNotIPv4),
		Entry("an answer without addresses", nbt.PositiveAnswer(1, demo, 0), "RDATA", nbt.ErrLength),
		Entry("more addresses than RDLENGTH can say",
			nbt.PositiveAnswer(1, demo, 0, addresses(10923)...), "RDLENGTH", nbt.ErrRange),
		Entry("more names than NUM_NAMES can say",
			nbt.StatusResponse(1, demo, nbt.NodeStatus{Names: make([]nbt.NodeName, 256)}), "NUM_NAMES", nbt.ErrRange),
		Entry("a status that is missing", with(nbt.StatusResponse(1, demo, nbt.NodeStatus{}), func(m *nbt.NameMessage) {
			m.Answers[0].Status = nil
		}), "RDATA", nbt.ErrLength),
		Entry("raw data beside an address", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Data = []byte{1}
		}), "RDATA", nbt.ErrLength),
		Entry("an address in a record without any", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Type = nbt.TypeNULL
		}), "RDATA", nbt.ErrLength),
		Entry("a WACK without the request's word", with(nbt.WACK(1, demo, 0, 0), func(m *nbt.NameMessage) {
			m.Answers[0].Data = nil
		}), "RDATA", nbt.ErrLength),
		Entry("a server's address of five bytes", with(redirect(), func(m *nbt.NameMessage) {
			m.Additional[0].Data = make([]byte, 5)
		}), "RDATA", nbt.ErrLength),
		Entry("a pointer to another name", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Name = peer
		}), "RR_NAME", nbt.ErrPointerTarget),
		Entry("a pointer to the name in another scope", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Scope = "LAB"
		}), "RR_NAME", nbt.ErrPointerTarget),
		Entry("a pointer into the header", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Pointer = 2
		}), "RR_NAME", nbt.ErrPointerTarget),
		Entry("a pointer to itself", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Pointer = 50
		}), "RR_NAME", nbt.ErrPointerForward),
		Entry("a pointer of fifteen bits", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Pointer = 0x4000
		}), "RR_NAME", nbt.ErrPointerForward),
		Entry("a pointer with bytes of a name that is cut short", with(nbt.Query(1, demo), func(m *nbt.NameMessage) {
			m.Answers = []nbt.Resource{{Name: demo, Pointer: 40, Type: nbt.TypeNULL}}
		}), "RR_NAME", nbt.ErrPointerTarget),
		Entry("a pointer to a zero byte of the header, as if to a null name", with(redirect(), func(m *nbt.NameMessage) {
			m.Additional[0].Scope, m.Additional[0].Pointer = "", 4
		}), "RR_NAME", nbt.ErrPointerTarget),
		Entry("a pointer of fifteen bits to the right name", with(redirect(), func(m *nbt.NameMessage) {
			m.Authority[0].Data = append(make([]byte, 0x4000-35), "\x02NS\x03LAB\x07EXAMPLE\x00"...)
			m.Additional[0].Pointer = 0x4000
		}), "RR_NAME", nbt.ErrPointerForward),
		Entry("a bare name where a NetBIOS name belongs", with(nbt.Claim(1, demo, 0, addr), func(m *nbt.NameMessage) {
			m.Additional[0].Bare, m.Additional[0].Pointer = true, 0
		}), "RR_NAME", nbt.ErrFirstLabel),
		Entry("a bare name that looks like a NetBIOS name", with(redirect(), func(m *nbt.NameMessage) {
			m.Authority[0].Scope = "EGFCEFEECACACACACACACACACACACACA"
		}), "RR_NAME", nbt.ErrFirstLabel),
		Entry("a question in a scope that is none", nbt.Query(1, demo).InScope("."), "QUESTION_NAME", nbt.ErrScope),
		Entry("a record in a scope that is none",
			nbt.PositiveAnswer(1, demo, 0, addr).InScope("."), "RR_NAME", nbt.ErrScope),
	)

	It("refuses a redirect to a server without a name or an IPv4 address", func() {
		_, err := nbt.Redirect(1, "LAB", "NS..LAB", nbns, 0)
		Expect(err).To(MatchError(nbt.ErrScope))
		_, err = nbt.Redirect(1, "LAB", "NS.LAB", netip.IPv6Loopback(), 0)
		Expect(err).To(MatchError(nbt.ErrNotIPv4))
	})
})

func addresses(n int) []netip.Addr {
	list := make([]netip.Addr, n)
	for i := range list {
		list[i] = addr
	}
	return list
}

var _ = Describe("The kind of a name service message", func() {
	for _, c := range []struct {
		vector string
		kind   nbt.NameKind
		line   string
	}{
		{"claim", nbt.KindClaim, "name registration request DEMOAPP<41> 192.168.7.10, broadcast, id 0x1001"},
		{
			"claim-group", nbt.KindClaim,
			"name registration request DEMOAPP<41> group 192.168.7.10, broadcast, id 0x1007",
		},
		{
			"registration-request", nbt.KindClaim,
			"name registration request DEMOAPP<41> 192.168.7.10, ttl 300000 s, id 0x1008",
		},
		{"overwrite", nbt.KindOverwrite, "name overwrite request DEMOAPP<41> 192.168.7.10, broadcast, id 0x1002"},
		{
			"overwrite-request", nbt.KindOverwrite,
			"name overwrite request DEMOAPP<41> 192.168.7.10, ttl 300000 s, id 0x1009",
		},
		{"refresh", nbt.KindRefresh, "name refresh request DEMOAPP<41> 192.168.7.10, ttl 300000 s, id 0x100a"},
		{"refresh-alt", nbt.KindRefresh, "name refresh request DEMOAPP<41> 192.168.7.10, ttl 300000 s, id 0x100b"},
		{
			"multihomed", nbt.KindMultihomed,
			"multi-homed name registration request DEMOAPP<41> 192.168.7.10, ttl 300000 s, id 0x100c",
		},
		{
			"positive-registration", nbt.KindPositiveRegistration,
			"positive name registration response DEMOAPP<41> 192.168.7.10, ttl 300000 s, id 0x1008",
		},
		{
			"negative", nbt.KindNegativeRegistration,
			"negative name registration response DEMOAPP<41> ACT_ERR 192.168.7.10, id 0x1001",
		},
		{
			"negative-rfs", nbt.KindNegativeRegistration,
			"negative name registration response DEMOAPP<41> RFS_ERR 192.168.7.10, id 0x1008",
		},
		{"negative-cft", nbt.KindConflictDemand, "name conflict demand DEMOAPP<41> CFT_ERR 192.168.7.10, id 0x1008"},
		{
			"challenge", nbt.KindChallenge,
			"end-node challenge registration response DEMOAPP<41> 192.168.7.10, ttl 5 s, id 0x1008",
		},
		{"conflict", nbt.KindConflictDemand, "name conflict demand DEMOAPP<41> CFT_ERR 0.0.0.0, id 0x1003"},
		{"release", nbt.KindRelease, "name release request DEMOAPP<41> 192.168.7.10, broadcast, id 0x1004"},
		{"release-request", nbt.KindRelease, "name release request DEMOAPP<41> 192.168.7.10, id 0x100d"},
		{
			"positive-release", nbt.KindPositiveRelease,
			"positive name release response DEMOAPP<41> 192.168.7.10, id 0x100d",
		},
		{
			"negative-release", nbt.KindNegativeRelease,
			"negative name release response DEMOAPP<41> ACT_ERR 192.168.7.10, id 0x100d",
		},
		{"query", nbt.KindQuery, "name query request DEMOAPP<41>, broadcast, id 0x1005"},
		{"answer", nbt.KindPositiveQuery, "positive name query response DEMOAPP<41> 192.168.7.10, id 0x1005"},
		{
			"answer-group", nbt.KindPositiveQuery, "positive name query response DEMOAPP<41> group 192.168.7.10 " +
				"group 192.168.7.11 group 192.168.7.12, ttl 300000 s, id 0x100e",
		},
		{"no-name", nbt.KindNegativeQuery, "negative name query response DEMOAPP<41> NAM_ERR, id 0x1005"},
		{"no-name-uncounted", nbt.KindNegativeQuery, "negative name query response DEMOAPP<41> NAM_ERR, id 0x1005"},
		{"no-name-srv", nbt.KindNegativeQuery, "negative name query response DEMOAPP<41> SRV_ERR, id 0x1005"},
		{"redirect", nbt.KindRedirect, "redirect name query response LAB.EXAMPLE, ttl 3600 s, id 0x100e"},
		{"wack", nbt.KindWACK, "wait for acknowledgement response DEMOAPP<41>, ttl 9 s, id 0x1001"},
		{"wack-0020", nbt.KindWACK, "wait for acknowledgement response DEMOAPP<41>, ttl 9 s, id 0x1001"},
		{"wack-null-name", nbt.KindWACK, "wait for acknowledgement response (null name), id 0x100f"},
		{"status-request", nbt.KindStatusRequest, "node status request *, id 0x1006"},
		{"status-request-broadcast", nbt.KindStatusRequest, "node status request *, broadcast, id 0x1006"},
		{"status", nbt.KindStatusResponse, "node status response *: DEMOAPP<41> 0x0400, id 0x1006"},
		{"claim-scope", nbt.KindClaim, "name registration request DEMOAPP<41>.LAB.EXAMPLE 192.168.7.10, broadcast, id 0x1001"},
		{
			"record-unknown", nbt.KindOther,
			"other name service message (0x8500 query response AA RD OK) DEMOAPP<41>, ttl 1 s, id 0x1010",
		},
	} {
		It(fmt.Sprintf("of %s is %v", c.vector, c.kind), func() {
			m, err := nbt.ParseNameMessage(fixtures.Named(c.vector))
			Expect(err).NotTo(HaveOccurred())
			Expect(m.Kind()).To(Equal(c.kind))
			Expect(m.String()).To(Equal(c.line))
		})
	}

	It("does not depend on whether a response repeats the opcode of a refresh or a multi-homed registration", func() {
		for _, op := range []nbt.Opcode{nbt.OpRefresh, nbt.OpRefreshAlt, nbt.OpMultihomed} {
			m := nbt.PositiveRegistration(1, demo, 0, addr, 0)
			m.Opcode = op
			Expect(m.Kind()).To(Equal(nbt.KindPositiveRegistration))
			m.RCode = nbt.RfsErr
			Expect(m.Kind()).To(Equal(nbt.KindNegativeRegistration))
		}
	})

	It("is other for what no RFC message looks like", func() {
		for _, m := range []nbt.NameMessage{
			{}, {Opcode: nbt.OpWACK}, {Opcode: 3}, {Response: true}, {Response: true, Opcode: 3},
		} {
			Expect(m.Kind()).To(Equal(nbt.KindOther))
		}
		Expect(nbt.NameKind(200).String()).To(Equal(nbt.KindOther.String()))
	})
})

var _ = Describe("What a name service message is about", func() {
	It("is the name of its question and the owner in its record", func() {
		n, scope := nbt.Claim(1, demo, nbt.NBGroup, addr).InScope("LAB").Subject()
		Expect(n).To(Equal(demo))
		Expect(scope).To(Equal("LAB"))
		flags, owner := nbt.Claim(1, demo, nbt.NBGroup, addr).Owner()
		Expect(flags).To(Equal(nbt.NBGroup))
		Expect(owner).To(Equal(addr))
	})

	It("is the name of its record in a response", func() {
		n, _ := nbt.Refusal(1, demo, nbt.ActErr, 0, addr).Subject()
		Expect(n).To(Equal(demo))
	})

	It("may be nobody's", func() {
		_, owner := nbt.Query(1, demo).Owner()
		Expect(owner).To(Equal(netip.Addr{}))
		n, _ := nbt.NameMessage{}.Subject()
		Expect(n).To(BeZero())
	})
})
