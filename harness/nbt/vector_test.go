// SPDX-License-Identifier: MIT

package nbt_test

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// The nodes and names of the vectors.
var (
	addr = netip.MustParseAddr("192.168.7.10")
	nbns = netip.MustParseAddr("192.168.7.2")
	from = netip.AddrPortFrom(addr, 138)
	demo = name("DEMOAPP<41>")
	peer = name("PEER<00>")
)

func name(text string) netbios.Name {
	n, err := netbios.ParseName(text)
	if err != nil {
		panic(err)
	}
	return n
}

// parse reads a vector with the parser of its service.
func parse(service fixtures.Service, b []byte) (encoding.BinaryAppender, error) {
	switch service {
	case fixtures.NameService:
		return nbt.ParseNameMessage(b)
	case fixtures.DatagramService:
		return nbt.ParseDatagram(b)
	case fixtures.SessionService:
		return nbt.ParseSessionMessage(b)
	}
	panic(fmt.Sprintf("unknown service %q", service))
}

// parseLenient reads a vector with the lenient parser of its service.
func parseLenient(service fixtures.Service, b []byte) (encoding.BinaryAppender, error) {
	switch service {
	case fixtures.NameService:
		return nbt.ParseNameMessageLenient(b)
	case fixtures.DatagramService:
		return nbt.ParseDatagramLenient(b)
	case fixtures.SessionService:
		return nbt.ParseSessionMessageLenient(b)
	}
	panic(fmt.Sprintf("unknown service %q", service))
}

// decoder is a message that can be used again.
type decoder interface {
	Decode(b []byte, mode nbt.Mode) error
}

func blank(service fixtures.Service) decoder {
	switch service {
	case fixtures.NameService:
		return new(nbt.NameMessage)
	case fixtures.DatagramService:
		return new(nbt.DatagramMessage)
	case fixtures.SessionService:
		return new(nbt.SessionMessage)
	}
	panic(fmt.Sprintf("unknown service %q", service))
}

func oddities(m any) []nbt.Odd {
	switch m := m.(type) {
	case nbt.NameMessage:
		return m.Odd
	case nbt.DatagramMessage:
		return m.Odd
	case nbt.SessionMessage:
		return m.Odd
	}
	panic(fmt.Sprintf("unknown message %T", m))
}

// withoutFlags is a message that was parsed leniently as strict parsing gives it, which says nothing of flags.
func withoutFlags(m encoding.BinaryAppender) encoding.BinaryAppender {
	for _, o := range oddities(m) {
		if !errors.Is(o.Err, nbt.ErrFlag) {
			return m
		}
	}
	switch m := m.(type) {
	case nbt.NameMessage:
		m.Odd, m.Loose = nil, false
		return m
	case nbt.DatagramMessage:
		m.Odd, m.Loose = nil, false
		return m
	}
	return m
}

// shown is what a message says, whether its empty lists are nil or not.
func shown(m any) []any {
	switch m := m.(type) {
	case *nbt.NameMessage:
		return shown(*m)
	case *nbt.DatagramMessage:
		return shown(*m)
	case *nbt.SessionMessage:
		return shown(*m)
	case nbt.NameMessage:
		return []any{m.String(), m.Fields(), m.Odd, m.Loose, m.Uncounted, m.Missing}
	case nbt.DatagramMessage:
		return []any{m.String(), m.Fields(), m.Odd, m.Loose}
	case nbt.SessionMessage:
		return []any{m.String(), m.Fields(), m.Odd, m.Loose, m.Short}
	}
	panic(fmt.Sprintf("unknown message %T", m))
}

// redirect is the redirect of the vectors.
func redirect() nbt.NameMessage {
	m, err := nbt.Redirect(0x100e, "LAB.EXAMPLE", "NS.LAB.EXAMPLE", nbns, 3600)
	if err != nil {
		panic(err)
	}
	return m
}

// with changes a message that no constructor makes as it is.
func with(m nbt.NameMessage, change func(*nbt.NameMessage)) nbt.NameMessage {
	change(&m)
	return m
}

var counters = nbt.Statistics{
	UnitID: [6]byte{0x52, 0x54, 0x00, 0x11, 0x22, 0x33}, Jumpers: 1, TestResult: 2, Version: 3, Period: 4, CRCs: 5,
	AlignmentErrors: 6, Collisions: 7, SendAborts: 8, GoodSends: 9, GoodReceives: 10, Retransmits: 11, NoResources: 12,
	FreeCommands: 13, TotalCommands: 14, MaxTotalCommands: 15, PendingSessions: 16, MaxPendingSessions: 17,
	MaxSessions: 18, PacketSize: 19,
}

// scope is the one of 220 (or fewer) characters in the vectors with the longest names.
func scope(last int) string {
	return strings.Join([]string{
		strings.Repeat("a", 63), strings.Repeat("b", 63), strings.Repeat("c", 63), strings.Repeat("d", last),
	}, ".")
}

// messages are the good vectors' meanings.
var messages = map[string]encoding.BinaryAppender{
	"claim":                 nbt.Claim(0x1001, demo, nbt.ONTB, addr),
	"claim-group":           nbt.Claim(0x1007, demo, nbt.NBGroup, addr),
	"registration-request":  nbt.RegistrationRequest(0x1008, demo, nbt.ONTP, addr, 300000),
	"overwrite":             nbt.OverwriteDemand(0x1002, demo, nbt.ONTB, addr),
	"overwrite-request":     nbt.OverwriteRequest(0x1009, demo, nbt.ONTM, addr, 300000),
	"refresh":               nbt.Refresh(0x100a, demo, nbt.ONTH, addr, 300000),
	"multihomed":            nbt.MultihomedRegistration(0x100c, demo, nbt.ONTH, addr, 300000),
	"positive-registration": nbt.PositiveRegistration(0x1008, demo, nbt.ONTP, addr, 300000),
	"negative":              nbt.Refusal(0x1001, demo, nbt.ActErr, nbt.ONTB, addr),
	"negative-group":        nbt.Refusal(0x1001, demo, nbt.ActErr, nbt.NBGroup, addr),
	"negative-fmt":          nbt.Refusal(0x1008, demo, nbt.FmtErr, nbt.ONTP, addr),
	"negative-srv":          nbt.Refusal(0x1008, demo, nbt.SrvErr, nbt.ONTP, addr),
	"negative-imp":          nbt.Refusal(0x1008, demo, nbt.ImpErr, nbt.ONTP, addr),
	"negative-rfs":          nbt.Refusal(0x1008, demo, nbt.RfsErr, nbt.ONTP, addr),
	"negative-cft":          nbt.Refusal(0x1008, demo, nbt.CftErr, nbt.ONTP, addr),
	"challenge":             nbt.Challenge(0x1008, demo, nbt.ONTB, addr, 5),
	"conflict":              nbt.ConflictDemand(0x1003, demo, nbt.NBGroup|nbt.ONTB), // the group bit has no place in it
	"release":               nbt.ReleaseDemand(0x1004, demo, nbt.ONTB, addr),
	"release-request":       nbt.ReleaseRequest(0x100d, demo, nbt.ONTP, addr),
	"positive-release":      nbt.PositiveRelease(0x100d, demo, nbt.ONTP, addr, 0),
	"negative-release":      nbt.NegativeRelease(0x100d, demo, nbt.ActErr, nbt.ONTP, addr),
	"negative-release-fmt":  nbt.NegativeRelease(0x100d, demo, nbt.FmtErr, nbt.ONTP, addr),
	"negative-release-srv":  nbt.NegativeRelease(0x100d, demo, nbt.SrvErr, nbt.ONTP, addr),
	"negative-release-rfs":  nbt.NegativeRelease(0x100d, demo, nbt.RfsErr, nbt.ONTP, addr),
	"query":                 nbt.Query(0x1005, demo),
	"query-unicast":         nbt.UnicastQuery(0x100e, demo),
	"answer":                nbt.PositiveAnswer(0x1005, demo, nbt.ONTB, addr),
	"no-name":               nbt.NegativeAnswer(0x1005, demo, nbt.NamErr),
	"no-name-fmt":           nbt.NegativeAnswer(0x1005, demo, nbt.FmtErr),
	"no-name-srv":           nbt.NegativeAnswer(0x1005, demo, nbt.SrvErr),
	"no-name-imp":           nbt.NegativeAnswer(0x1005, demo, nbt.ImpErr),
	"no-name-rfs":           nbt.NegativeAnswer(0x1005, demo, nbt.RfsErr),
	"redirect":              redirect(),
	"wack":                  nbt.WACK(0x1001, demo, 9, 0x2900),
	"status-request":        nbt.StatusRequest(0x1006, netbios.Wildcard),
	"status": nbt.StatusResponse(0x1006, netbios.Wildcard, nbt.NodeStatus{
		Names: []nbt.NodeName{{Name: demo, Flags: nbt.NameACT}},
	}),
	"status-full": nbt.StatusResponse(0x1006, netbios.Wildcard, nbt.NodeStatus{
		Names: []nbt.NodeName{
			{Name: netbios.PermanentName(counters.UnitID), Flags: nbt.NameACT | nbt.NamePRM},
			{Name: demo, Flags: nbt.NameACT | nbt.NameDRG},
			{Name: name("CHAT"), Flags: nbt.NameACT | nbt.NameCNF | nbt.NameFlags(nbt.ONTP)},
			{Name: name("OFFICE<1c>"), Flags: nbt.NameACT | nbt.NameGroup | nbt.NameFlags(nbt.ONTH)},
		},
		Stats: counters,
	}),
	"status-empty":             nbt.StatusResponse(0x1006, netbios.Wildcard, nbt.NodeStatus{}),
	"status-request-broadcast": nbt.BroadcastStatusRequest(0x1006, netbios.Wildcard),
	"claim-scope":              nbt.Claim(0x1001, demo, nbt.ONTB, addr).InScope("LAB.EXAMPLE"),
	"query-scope-bytes":        nbt.Query(0x1005, demo).InScope(`A\x2e\x5c\x00\xffB`),
	"query-label-62":           nbt.Query(0x1005, demo).InScope(strings.Repeat("a", 62)),
	"query-label-63":           nbt.Query(0x1005, demo).InScope(strings.Repeat("a", 63)),
	"query-name-254":           nbt.Query(0x1005, demo).InScope(scope(27)),
	"query-name-255":           nbt.Query(0x1005, demo).InScope(scope(28)),

	"refresh-alt": with(nbt.Refresh(0x100b, demo, nbt.ONTP, addr, 300000), func(m *nbt.NameMessage) {
		m.Opcode = nbt.OpRefreshAlt
	}),
	"answer-ra": with(nbt.PositiveAnswer(0x1005, demo, nbt.ONTB, addr), func(m *nbt.NameMessage) {
		m.Flags |= nbt.FlagRA
	}),
	"answer-group": with(
		nbt.PositiveAnswer(0x100e, demo, nbt.NBGroup, addr, addr.Next(), addr.Next().Next()),
		func(m *nbt.NameMessage) {
			m.Flags |= nbt.FlagRA | nbt.FlagTC
			m.Answers[0].TTL = 300000
			m.Answers[0].Addrs[2].Flags |= nbt.ONTH
		},
	),
	"answer-echo": with(nbt.PositiveAnswer(0x1005, demo, nbt.ONTB, addr), func(m *nbt.NameMessage) {
		m.Questions = nbt.Query(0x1005, demo).Questions
		m.Answers[0].Pointer = nbt.QuestionName
	}),
	"answer-zero-bits": with(nbt.PositiveAnswer(0x1005, demo, nbt.ONTB, addr), func(m *nbt.NameMessage) {
		m.Flags |= nbt.ZeroBits
	}),
	"answer-active": nbt.PositiveAnswer(0x1005, demo, nbt.ONTH|0x0400, addr),
	"query-answer-flags": with(nbt.Query(0x1005, demo), func(m *nbt.NameMessage) {
		m.Flags |= nbt.FlagAA | nbt.FlagRA
		m.RCode = nbt.NamErr
	}),
	"status-reserved": nbt.StatusResponse(0x1006, netbios.Wildcard, nbt.NodeStatus{Names: []nbt.NodeName{
		{Name: name("DEMOAPP<41>"), Flags: nbt.NameACT},
		{Name: name("DEMOAPP<42>"), Flags: nbt.NameACT | 0x81},
		{Name: name("DEMOAPP<43>"), Flags: nbt.NameACT | 1},
	}}),
	"no-name-uncounted": with(nbt.NegativeAnswer(0x1005, demo, nbt.NamErr), func(m *nbt.NameMessage) {
		m.Flags |= nbt.FlagRA
		m.Uncounted = true
	}),
	"redirect-pointer": with(redirect(), func(m *nbt.NameMessage) { m.Additional[0].Pointer = 0x23 }),
	"wack-0020":        with(nbt.WACK(0x1001, demo, 9, 0x2900), func(m *nbt.NameMessage) { m.Answers[0].Type = nbt.TypeNB }),
	"wack-null-name": with(nbt.WACK(0x100f, netbios.Name{}, 0, 0), func(m *nbt.NameMessage) {
		m.Answers[0].Bare = true
	}),
	"record-unknown": with(nbt.PositiveAnswer(0x1010, demo, 0, addr), func(m *nbt.NameMessage) {
		m.Answers[0] = nbt.Resource{Name: demo, Type: 0xff, Class: 3, TTL: 1, Data: []byte{1, 2, 3}}
	}),

	"datagram":           nbt.UniqueDatagram(0x2001, from, peer, demo, []byte("hello")),
	"datagram-group":     nbt.GroupDatagram(0x2002, from, peer, demo, []byte("hello")),
	"datagram-broadcast": nbt.BroadcastDatagram(0x2003, from, peer, []byte("hello")),
	"datagram-empty": nbt.DatagramMessage{
		Type: nbt.DgmUnique, Flags: nbt.DgmFirst | nbt.SNTM, ID: 0x2004, Source: from, SourceName: peer, DestName: demo,
	},
	"datagram-first":  fragments()[0],
	"datagram-second": fragments()[1],
	"datagram-middle": nbt.DatagramMessage{
		Type: nbt.DgmUnique, Flags: nbt.DgmMore, ID: 0x2006, Source: from, Offset: 466, Data: []byte("cccc"),
	},
	"datagram-reserved": nbt.DatagramMessage{
		Type: nbt.DgmUnique, Flags: nbt.DgmFirst | nbt.SNTNBDD | 0x10, ID: 0x2007, Source: from,
		SourceName: peer, DestName: demo, Data: []byte("!"),
	},
	"datagram-scope": nbt.UniqueDatagram(0x2008, from, peer, demo, []byte("scf\xf0ed")).InScope("LAB"),

	"datagram-error":             nbt.ErrorDatagram(0x2001, from, nbt.DgmNotPresent),
	"datagram-error-source":      nbt.ErrorDatagram(0x2001, from, nbt.DgmBadSource),
	"datagram-error-destination": nbt.ErrorDatagram(0x2001, from, nbt.DgmBadDestination),
	"datagram-query":             nbt.QueryDatagram(0x2009, from, demo),
	"datagram-positive": nbt.DatagramMessage{
		Type: nbt.DgmPositive, Flags: nbt.SNTNBDD, ID: 0x2009, Source: from, DestName: demo,
	},
	"datagram-negative": nbt.DatagramMessage{
		Type: nbt.DgmNegative, Flags: nbt.SNTNBDD, ID: 0x2009, Source: from, DestName: demo,
	},

	"session-request":         nbt.SessionRequest(demo, peer),
	"session-request-scope":   nbt.SessionRequest(demo, peer).InScope("LAB"),
	"session-positive":        nbt.PositiveSession(),
	"session-refused-80":      nbt.NegativeSession(nbt.SsnNotListening),
	"session-refused-81":      nbt.NegativeSession(nbt.SsnNotListeningFor),
	"session-refused-82":      nbt.NegativeSession(nbt.SsnNotPresent),
	"session-refused-83":      nbt.NegativeSession(nbt.SsnNoResources),
	"session-refused-8f":      nbt.NegativeSession(nbt.SsnUnspecified),
	"session-retarget":        nbt.RetargetSession(netip.AddrPortFrom(addr, 139)),
	"session-message":         nbt.SessionData([]byte("hello")),
	"session-message-empty":   nbt.SessionData(nil),
	"session-message-17-bit":  nbt.SessionData([]byte(strings.Repeat("a", 0x10001))),
	"session-message-longest": nbt.SessionData([]byte(strings.Repeat("a", nbt.MaxSessionLen))),
	"session-keep-alive":      nbt.KeepAlive(),
}

// fragments are those of the longest datagram that NetBIOS allows.
func fragments() []nbt.DatagramMessage {
	data := []byte(strings.Repeat("a", 466) + strings.Repeat("b", netbios.MaxDatagram-466))
	first, rest, _ := nbt.UniqueDatagram(0x2005, from, peer, demo, data).Split()
	return []nbt.DatagramMessage{first, rest}
}

var _ = Describe("A good vector", func() {
	for _, v := range fixtures.Vectors() {
		Describe(v.Name, func() {
			It("parses to what it means", func() {
				Expect(messages).To(HaveKey(v.Name), "every good vector has its meaning in this file")
				Expect(parse(v.Service, v.Bytes)).To(Equal(messages[v.Name]))
			})

			It("is what its meaning encodes to, behind whatever is there already", func() {
				b, err := messages[v.Name].AppendBinary([]byte("before"))
				Expect(err).NotTo(HaveOccurred())
				Expect(b[:6]).To(Equal([]byte("before")))
				Expect(nbt.Printable(b[6:])).To(Equal(nbt.Printable(v.Bytes)))
			})

			It("encodes to the same bytes when it was parsed", func() {
				m, err := parse(v.Service, v.Bytes)
				Expect(err).NotTo(HaveOccurred())
				Expect(m.AppendBinary(nil)).To(Equal(v.Bytes))
			})

			It("is an error when bytes are missing at its end (bad-input 8)", func() {
				for n := range v.Bytes {
					// In an array of just this length: a read past the end must not find anything there.
					cut := make([]byte, n)
					copy(cut, v.Bytes)
					_, err := parse(v.Service, cut)
					if err == nil {
						Fail(fmt.Sprintf("the first %d bytes parse", n))
					}
					var at *nbt.ParseError
					Expect(errors.As(err, &at)).To(BeTrue())
					Expect(at.Offset).To(BeNumerically("<=", n))
					if n > 300 {
						break // the rest is data of the same kind
					}
				}
			})

			It("has fields that follow each other from its first byte to its last", func() {
				m, err := parse(v.Service, v.Bytes)
				Expect(err).NotTo(HaveOccurred())
				fields := m.(interface{ Fields() []nbt.Field }).Fields()
				off := 0
				seen := map[string]bool{}
				for _, f := range fields {
					Expect(f.Offset).To(Equal(off), f.Name)
					Expect(seen).NotTo(HaveKey(f.Name))
					seen[f.Name] = true
					Expect(f.Value).To(MatchRegexp(`^[\x20-\x7e]+$`), f.Name)
					off += f.Len
				}
				Expect(off).To(Equal(len(v.Bytes)))
			})
		})
	}

	It("stands behind every meaning in this file", func() {
		var names []string
		for _, v := range fixtures.Vectors() {
			names = append(names, v.Name)
		}
		for name := range messages {
			Expect(names).To(ContainElement(name))
		}
	})
})

// What RFC 1002 has must be among the vectors, since no public capture holds most of it.
var _ = Describe("The good vectors", func() {
	It("have every kind of name service message, and every response code of each that it lists", func() {
		kinds := map[nbt.NameKind]bool{}
		codes := map[nbt.NameKind][]nbt.RCode{}
		refreshes := map[nbt.Opcode]bool{}
		for _, m := range messages {
			if m, ok := m.(nbt.NameMessage); ok {
				kinds[m.Kind()] = true
				codes[m.Kind()] = append(codes[m.Kind()], m.RCode)
				refreshes[m.Opcode] = refreshes[m.Opcode] || m.Kind() == nbt.KindRefresh
			}
		}
		for kind := range nbt.KindStatusResponse + 1 {
			Expect(kinds).To(HaveKey(kind), kind.String())
		}
		for kind, listed := range map[nbt.NameKind][]nbt.RCode{
			nbt.KindNegativeRegistration: {nbt.FmtErr, nbt.SrvErr, nbt.ImpErr, nbt.RfsErr, nbt.ActErr}, // section 4.2.6
			nbt.KindConflictDemand:       {nbt.CftErr},                                                 // and 4.2.8
			nbt.KindNegativeRelease:      {nbt.FmtErr, nbt.SrvErr, nbt.RfsErr, nbt.ActErr},             // section 4.2.11
			nbt.KindNegativeQuery:        {nbt.FmtErr, nbt.SrvErr, nbt.NamErr, nbt.ImpErr, nbt.RfsErr}, // section 4.2.14
		} {
			Expect(codes[kind]).To(ContainElements(listed), kind.String())
		}
		Expect(refreshes[nbt.OpRefresh]).To(BeTrue())
		Expect(refreshes[nbt.OpRefreshAlt]).To(BeTrue())
	})

	It("have every type of datagram, every error, and the first, a middle and the last fragment", func() {
		types := map[nbt.DatagramType]bool{}
		errs := map[uint8]bool{}
		fragments := map[nbt.DatagramFlags]bool{}
		for _, m := range messages {
			if m, ok := m.(nbt.DatagramMessage); ok {
				types[m.Type] = true
				errs[m.ErrorCode] = true
				if m.Type.CarriesData() {
					fragments[m.Flags&(nbt.DgmFirst|nbt.DgmMore)] = true
				}
			}
		}
		for kind := nbt.DgmUnique; kind <= nbt.DgmNegative; kind++ {
			Expect(types).To(HaveKey(kind))
		}
		for _, code := range []uint8{nbt.DgmNotPresent, nbt.DgmBadSource, nbt.DgmBadDestination} {
			Expect(errs).To(HaveKey(code))
		}
		for _, flags := range []nbt.DatagramFlags{nbt.DgmFirst, nbt.DgmFirst | nbt.DgmMore, nbt.DgmMore, 0} {
			Expect(fragments).To(HaveKey(flags))
		}
	})

	It("have every type of session message, every error, and lengths of nothing, of just more than sixteen bits and of all seventeen", func() {
		types := map[nbt.SessionType]bool{}
		errs := map[uint8]bool{}
		lengths := map[int]bool{}
		for _, m := range messages {
			if m, ok := m.(nbt.SessionMessage); ok {
				types[m.Type] = true
				errs[m.ErrorCode] = true
				lengths[len(m.Data)] = lengths[len(m.Data)] || m.Type == nbt.SsnMessage
			}
		}
		for _, kind := range []nbt.SessionType{
			nbt.SsnMessage, nbt.SsnRequest, nbt.SsnPositive, nbt.SsnNegative, nbt.SsnRetarget, nbt.SsnKeepAlive,
		} {
			Expect(types).To(HaveKey(kind))
		}
		for _, code := range []uint8{
			nbt.SsnNotListening, nbt.SsnNotListeningFor, nbt.SsnNotPresent, nbt.SsnNoResources, nbt.SsnUnspecified,
		} {
			Expect(errs).To(HaveKey(code))
		}
		for _, length := range []int{0, 0x10001, nbt.MaxSessionLen} {
			Expect(lengths[length]).To(BeTrue())
		}
	})
})

var _ = Describe("A malformed vector", func() {
	place := func(field string, offset int, cause string) string {
		return fmt.Sprintf("%s at %d: %s", field, offset, cause)
	}

	for _, v := range fixtures.Malformed() {
		It(fmt.Sprintf("%s is refused where it is wrong (bad-input %d)", v.Name, v.Row), func() {
			_, err := parse(v.Service, v.Bytes)
			var at *nbt.ParseError
			Expect(errors.As(err, &at)).To(BeTrue(), "%v", err)
			Expect(at.Field).To(Equal(v.Field))
			Expect(at.Offset).To(Equal(v.Offset))
			Expect(at.Err.Error()).To(HavePrefix(v.Cause))
			Expect(err.Error()).To(HavePrefix(fmt.Sprintf("nbt: %s at offset %d: ", v.Field, v.Offset)))
		})

		It(fmt.Sprintf("%s is read leniently as far as it can be (bad-input %d)", v.Name, v.Row), func() {
			m, err := parseLenient(v.Service, v.Bytes)
			var odd []string
			lossy := false
			for _, o := range oddities(m) {
				odd = append(odd, place(o.Field, o.Offset, o.Text()))
				lossy = lossy || o.Lossy
			}
			Expect(odd).To(Equal(v.Odd))
			if v.Unread != "" {
				var at *nbt.ParseError
				Expect(errors.As(err, &at)).To(BeTrue(), "%v", err)
				Expect(place(at.Field, at.Offset, at.Err.Error())).To(Equal(v.Unread))
				return
			}
			Expect(err).NotTo(HaveOccurred())
			encoded, err := m.AppendBinary(nil)
			Expect(err).NotTo(HaveOccurred())
			if !lossy {
				Expect(nbt.Printable(encoded)).To(Equal(nbt.Printable(v.Bytes)))
			}
		})
	}
})

var _ = Describe("A good vector read leniently", func() {
	for _, v := range fixtures.Vectors() {
		It(v.Name+" is what it is strictly, with nothing odd but flags", func() {
			m, err := parseLenient(v.Service, v.Bytes)
			Expect(err).NotTo(HaveOccurred())
			var odd []string
			for _, o := range oddities(m) {
				odd = append(odd, fmt.Sprintf("%s at %d: %s", o.Field, o.Offset, o.Text()))
			}
			Expect(odd).To(Equal(v.Odd))
			Expect(withoutFlags(m)).To(Equal(messages[v.Name]))
		})
	}
})
