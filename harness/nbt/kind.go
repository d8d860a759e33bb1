// SPDX-License-Identifier: MIT

package nbt

import (
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// NameKind is which message of RFC 1002 section 4.2 a name service message is.
type NameKind uint8

// The kinds.
const (
	KindOther NameKind = iota // none of the RFC's
	KindClaim
	KindOverwrite
	KindRefresh
	KindMultihomed
	KindRelease
	KindQuery
	KindStatusRequest
	KindPositiveRegistration
	KindNegativeRegistration
	KindChallenge
	KindConflictDemand
	KindPositiveRelease
	KindNegativeRelease
	KindPositiveQuery
	KindNegativeQuery
	KindRedirect
	KindWACK
	KindStatusResponse
)

var kindNames = [...]string{
	KindOther:                "other name service message",
	KindClaim:                "name registration request",
	KindOverwrite:            "name overwrite request",
	KindRefresh:              "name refresh request",
	KindMultihomed:           "multi-homed name registration request",
	KindRelease:              "name release request",
	KindQuery:                "name query request",
	KindStatusRequest:        "node status request",
	KindPositiveRegistration: "positive name registration response",
	KindNegativeRegistration: "negative name registration response",
	KindChallenge:            "end-node challenge registration response",
	KindConflictDemand:       "name conflict demand",
	KindPositiveRelease:      "positive name release response",
	KindNegativeRelease:      "negative name release response",
	KindPositiveQuery:        "positive name query response",
	KindNegativeQuery:        "negative name query response",
	KindRedirect:             "redirect name query response",
	KindWACK:                 "wait for acknowledgement response",
	KindStatusResponse:       "node status response",
}

// String returns the RFC's name of the message. A demand, which is what the RFC calls a request that is broadcast, has the
// name of the request.
func (k NameKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindOther]
}

// Kind tells which message of the RFC this is, from R, OPCODE and RCODE and, where these do not tell, the type of the
// question or record and the flag that makes the difference:
//
//   - a registration request without RD is an overwrite;
//   - a registration response with CFT_ERR is a conflict demand: section 4.2.8 says that a negative registration response
//     with that code is the same packet;
//   - one with RCODE 0 and without RA is a challenge.
//
// Responses to refreshes and multi-homed registrations are registration responses, whatever opcode they repeat. Flags
// that do not make a difference are not looked at.
func (m *NameMessage) Kind() NameKind {
	if m.Response {
		return m.responseKind()
	}
	switch m.Opcode {
	case OpQuery:
		switch m.questionType() {
		case TypeNB:
			return KindQuery
		case TypeNBSTAT:
			return KindStatusRequest
		}
	case OpRegistration:
		if m.Flags&FlagRD == 0 {
			return KindOverwrite
		}
		return KindClaim
	case OpRelease:
		return KindRelease
	case OpRefresh, OpRefreshAlt:
		return KindRefresh
	case OpMultihomed:
		return KindMultihomed
	case OpWACK: // never a request
	}
	return KindOther
}

func (m *NameMessage) responseKind() NameKind {
	switch m.Opcode {
	case OpQuery:
		switch {
		case m.RCode != RCodeOK:
			return KindNegativeQuery
		case m.isRedirect():
			return KindRedirect
		}
		switch m.answerType() {
		case TypeNB:
			return KindPositiveQuery
		case TypeNBSTAT:
			return KindStatusResponse
		}
	case OpRegistration, OpRefresh, OpRefreshAlt, OpMultihomed:
		switch {
		case m.RCode == CftErr:
			return KindConflictDemand
		case m.RCode != RCodeOK:
			return KindNegativeRegistration
		case m.Flags&FlagRA == 0:
			return KindChallenge
		}
		return KindPositiveRegistration
	case OpRelease:
		if m.RCode != RCodeOK {
			return KindNegativeRelease
		}
		return KindPositiveRelease
	case OpWACK:
		return KindWACK
	}
	return KindOther
}

func (m *NameMessage) questionType() uint16 {
	if len(m.Questions) == 0 {
		return 0
	}
	return m.Questions[0].Type
}

func (m *NameMessage) answerType() uint16 {
	if len(m.Answers) == 0 {
		return 0
	}
	return m.Answers[0].Type
}

// Subject returns the name that the message is about, with its scope: that of its question, else of its first record.
// A message that has neither, or a redirect, is about the zero name.
func (m NameMessage) Subject() (name netbios.Name, scope string) {
	if len(m.Questions) > 0 {
		return m.Questions[0].Name, m.Questions[0].Scope
	}
	if rr := m.Record(); rr != nil {
		return rr.Name, rr.Scope
	}
	return netbios.Name{}, ""
}

// Record returns the record that carries what the message says: the first there is, or nil.
func (m NameMessage) Record() *Resource {
	for section := answers; section <= additional; section++ {
		if records := m.section(section); len(records) > 0 {
			return &records[0]
		}
	}
	return nil
}

// Owner returns the flags and the address in the message: of who asks in a request, of the name's first owner in a
// response. If there are none, the address is the zero [netip.Addr].
func (m NameMessage) Owner() (flags NBFlags, addr netip.Addr) {
	if rr := m.Record(); rr != nil && len(rr.Addrs) > 0 {
		return rr.Addrs[0].Flags, rr.Addrs[0].Addr
	}
	return 0, netip.Addr{}
}
