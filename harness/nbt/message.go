// SPDX-License-Identifier: MIT

package nbt

import (
	"encoding/binary"
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// The messages that nodes and name servers send, each with its flag word (R, OPCODE, NM_FLAGS, RCODE). Names are without
// a scope: [NameMessage.InScope] puts them in one. Claims, demands and answers to broadcasts carry a TTL of 0, for ever;
// what goes to or comes from a name server takes one, in seconds. Each allocates once, and once more for a list or a WACK's
// data.

// Claim is the broadcast NAME REGISTRATION REQUEST of a B node (flag word 0x2910, RFC 1002 section 4.2.2).
func Claim(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr) NameMessage {
	return request(id, OpRegistration, FlagRD|FlagB, name, 0, NBAddr{flags, addr})
}

// RegistrationRequest is the NAME REGISTRATION REQUEST to a name server (flag word 0x2900, RFC 1002 section 4.2.2).
func RegistrationRequest(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr, ttl uint32) NameMessage {
	return request(id, OpRegistration, FlagRD, name, ttl, NBAddr{flags, addr})
}

// OverwriteDemand is the broadcast NAME OVERWRITE DEMAND with which a B node ends an unanswered claim (flag word 0x2810,
// RFC 1002 section 4.2.3).
func OverwriteDemand(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr) NameMessage {
	return request(id, OpRegistration, FlagB, name, 0, NBAddr{flags, addr})
}

// OverwriteRequest is the NAME OVERWRITE REQUEST to a name server, which the RFC also calls an update (flag word 0x2800,
// RFC 1002 section 4.2.3).
func OverwriteRequest(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr, ttl uint32) NameMessage {
	return request(id, OpRegistration, 0, name, ttl, NBAddr{flags, addr})
}

// Refresh is the NAME REFRESH REQUEST to a name server (flag word 0x4000, RFC 1002 section 4.2.4). Its opcode is 8, as in
// the table of section 4.2.1.1 and from Windows; the diagram has 9, [OpRefreshAlt].
func Refresh(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr, ttl uint32) NameMessage {
	return request(id, OpRefresh, 0, name, ttl, NBAddr{flags, addr})
}

// MultihomedRegistration is Microsoft's registration request of a node with several addresses, which sends one for each
// (flag word 0x7900, [MS-NBTE] section 2.2.2).
func MultihomedRegistration(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr, ttl uint32) NameMessage {
	return request(id, OpMultihomed, FlagRD, name, ttl, NBAddr{flags, addr})
}

// ReleaseDemand is the broadcast NAME RELEASE DEMAND of a B node (flag word 0x3010, RFC 1002 section 4.2.9).
func ReleaseDemand(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr) NameMessage {
	return request(id, OpRelease, FlagB, name, 0, NBAddr{flags, addr})
}

// ReleaseRequest is the NAME RELEASE REQUEST to a name server (flag word 0x3000, RFC 1002 section 4.2.9).
func ReleaseRequest(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr) NameMessage {
	return request(id, OpRelease, 0, name, 0, NBAddr{flags, addr})
}

// PositiveRegistration is a name server's POSITIVE NAME REGISTRATION RESPONSE (flag word 0xAD80, RFC 1002 section 4.2.5).
func PositiveRegistration(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr, ttl uint32) NameMessage {
	return response(id, OpRegistration, FlagAA|FlagRD|FlagRA, RCodeOK, name, ttl, NBAddr{flags, addr})
}

// Refusal is the NEGATIVE NAME REGISTRATION RESPONSE with which a node defends its name and a name server refuses one
// (flag word 0xAD80 and the code, RFC 1002 section 4.2.6). Flags and address are those of the owner.
func Refusal(id uint16, name netbios.Name, code RCode, flags NBFlags, addr netip.Addr) NameMessage {
	return response(id, OpRegistration, FlagAA|FlagRD|FlagRA, code, name, 0, NBAddr{flags, addr})
}

// Challenge is the END-NODE CHALLENGE REGISTRATION RESPONSE: the name server leaves it to the requester to ask the
// presumed owner, at this address (flag word 0xAD00, RFC 1002 section 4.2.7).
func Challenge(id uint16, name netbios.Name, flags NBFlags, owner netip.Addr, ttl uint32) NameMessage {
	return response(id, OpRegistration, FlagAA|FlagRD, RCodeOK, name, ttl, NBAddr{flags, owner})
}

// ConflictDemand is the NAME CONFLICT DEMAND (flag word 0xAD87, RFC 1002 section 4.2.8). Its flags are the sender's node
// type alone, its address is 0.0.0.0.
func ConflictDemand(id uint16, name netbios.Name, ont NBFlags) NameMessage {
	return response(id, OpRegistration, FlagAA|FlagRD|FlagRA, CftErr, name, 0, NBAddr{ont & NBONT, netip.IPv4Unspecified()})
}

// PositiveRelease is a name server's POSITIVE NAME RELEASE RESPONSE (flag word 0xB400, RFC 1002 section 4.2.10).
func PositiveRelease(id uint16, name netbios.Name, flags NBFlags, addr netip.Addr, ttl uint32) NameMessage {
	return response(id, OpRelease, FlagAA, RCodeOK, name, ttl, NBAddr{flags, addr})
}

// NegativeRelease is a name server's NEGATIVE NAME RELEASE RESPONSE (flag word 0xB400 and the code, RFC 1002 section
// 4.2.11).
func NegativeRelease(id uint16, name netbios.Name, code RCode, flags NBFlags, addr netip.Addr) NameMessage {
	return response(id, OpRelease, FlagAA, code, name, 0, NBAddr{flags, addr})
}

// Query is the broadcast NAME QUERY REQUEST (flag word 0x0110, RFC 1002 section 4.2.12). RD is set, as in the diagram,
// although the text gives it a meaning towards name servers only.
func Query(id uint16, name netbios.Name) NameMessage {
	return question(id, FlagRD|FlagB, name, TypeNB)
}

// UnicastQuery is the NAME QUERY REQUEST to a name server or to the presumed owner (flag word 0x0100, RFC 1002 section
// 4.2.12).
func UnicastQuery(id uint16, name netbios.Name) NameMessage {
	return question(id, FlagRD, name, TypeNB)
}

// PositiveAnswer is the POSITIVE NAME QUERY RESPONSE (flag word 0x8500, RFC 1002 section 4.2.13). RA is clear, as the
// table of flags has it for whoever is not a name server; a note in section 4.2.15 would set it. All addresses get the
// same flags; there must be one at least.
func PositiveAnswer(id uint16, name netbios.Name, flags NBFlags, addrs ...netip.Addr) NameMessage {
	if len(addrs) == 1 {
		return response(id, OpQuery, FlagAA|FlagRD, RCodeOK, name, 0, NBAddr{flags, addrs[0]})
	}
	m := response(id, OpQuery, FlagAA|FlagRD, RCodeOK, name, 0, NBAddr{})
	m.Answers[0].Addrs = make([]NBAddr, len(addrs))
	for i, addr := range addrs {
		m.Answers[0].Addrs[i] = NBAddr{flags, addr}
	}
	return m
}

// NegativeAnswer is the NEGATIVE NAME QUERY RESPONSE (flag word 0x8500 and the code, RFC 1002 section 4.2.14). ANCOUNT is
// 1, which counts the record that the diagram has but does not count.
func NegativeAnswer(id uint16, name netbios.Name, code RCode) NameMessage {
	m := response(id, OpQuery, FlagAA|FlagRD, code, name, 0, NBAddr{})
	m.Answers[0].Type, m.Answers[0].Addrs = TypeNULL, nil
	return m
}

// Redirect is the REDIRECT NAME QUERY RESPONSE, with which a name server sends the requester to another one (flag word
// 0x8100, RFC 1002 section 4.2.15): the domain that the other is responsible for, its name in that domain's form, and its
// address. Both are labels with dots between them. The error is an [*EncodeError] about the server's name.
func Redirect(id uint16, domain, server string, addr netip.Addr, ttl uint32) (NameMessage, error) {
	encoded, err := appendLabels(nil, nil, server, maxNameLen)
	if err != nil {
		return NameMessage{}, &EncodeError{"NSD_NAME", err}
	}
	if !addr.Is4() {
		return NameMessage{}, &EncodeError{"NSD_IP_ADDR", ErrNotIPv4}
	}
	ip := addr.As4()
	return NameMessage{
		ID: id, Response: true, Opcode: OpQuery, Flags: FlagRD,
		Authority:  []Resource{{Bare: true, Scope: domain, Type: TypeNS, Class: ClassIN, TTL: ttl, Data: encoded}},
		Additional: []Resource{{Bare: true, Scope: server, Type: TypeA, Class: ClassIN, TTL: ttl, Data: ip[:]}},
	}, nil
}

// WACK is a name server's WAIT FOR ACKNOWLEDGEMENT RESPONSE (flag word 0xBC00, RFC 1002 section 4.2.16): wait this many
// seconds for the answer to the request with this flag word ([NameMessage.FlagWord]), 0 if the server cannot tell. The
// record's type is NULL, 0x000A; the diagram says 0x0020, which is NB.
func WACK(id uint16, name netbios.Name, wait uint32, request uint16) NameMessage {
	m := response(id, OpWACK, FlagAA, RCodeOK, name, wait, NBAddr{})
	m.Answers[0].Type, m.Answers[0].Addrs = TypeNULL, nil
	m.Answers[0].Data = binary.BigEndian.AppendUint16(nil, request)
	return m
}

// StatusRequest is the NODE STATUS REQUEST, usually for [netbios.Wildcard] (flag word 0x0000, RFC 1002 section 4.2.17).
func StatusRequest(id uint16, name netbios.Name) NameMessage {
	return question(id, 0, name, TypeNBSTAT)
}

// BroadcastStatusRequest is the NODE STATUS REQUEST to a broadcast address (flag word 0x0010, RFC 1002 section 4.2.17).
func BroadcastStatusRequest(id uint16, name netbios.Name) NameMessage {
	return question(id, FlagB, name, TypeNBSTAT)
}

// StatusResponse is the NODE STATUS RESPONSE (flag word 0x8400, RFC 1002 section 4.2.18). The name is the one asked for.
func StatusResponse(id uint16, name netbios.Name, status NodeStatus) NameMessage {
	m := response(id, OpQuery, FlagAA, RCodeOK, name, 0, NBAddr{})
	m.Answers[0].Type, m.Answers[0].Addrs, m.Answers[0].Status = TypeNBSTAT, nil, &status
	return m
}

// InScope puts every NetBIOS name of a message into a scope, see [AppendName], and returns the message.
func (m NameMessage) InScope(scope string) NameMessage {
	for i := range m.Questions {
		m.Questions[i].Scope = scope
	}
	for section := answers; section <= additional; section++ {
		records := m.section(section)
		for i := range records {
			if !records[i].Bare {
				records[i].Scope = scope
			}
		}
	}
	return m
}

func question(id uint16, flags NMFlags, name netbios.Name, qtype uint16) NameMessage {
	return NameMessage{
		ID: id, Opcode: OpQuery, Flags: flags,
		Questions: []Question{{Name: name, Type: qtype, Class: ClassIN}},
	}
}

func request(id uint16, op Opcode, flags NMFlags, name netbios.Name, ttl uint32, owner NBAddr) NameMessage {
	s := new(space)
	s.question[0] = Question{Name: name, Type: TypeNB, Class: ClassIN}
	s.addr[0] = owner
	// A pointer, as the RFC demands, so that the message stays below 576 bytes with the longest scope.
	s.record[0] = Resource{
		Name: name, Pointer: QuestionName, Type: TypeNB, Class: ClassIN, TTL: ttl, Addrs: s.addr[:1:1],
	}
	return NameMessage{ID: id, Opcode: op, Flags: flags, Questions: s.question[:], Additional: s.record[:]}
}

func response(id uint16, op Opcode, flags NMFlags, code RCode, name netbios.Name, ttl uint32, owner NBAddr) NameMessage {
	s := new(struct {
		record [1]Resource
		addr   [1]NBAddr
	})
	s.addr[0] = owner
	s.record[0] = Resource{Name: name, Type: TypeNB, Class: ClassIN, TTL: ttl, Addrs: s.addr[:1:1]}
	return NameMessage{ID: id, Response: true, Opcode: op, Flags: flags, RCode: code, Answers: s.record[:]}
}
