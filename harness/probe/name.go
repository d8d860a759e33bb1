// SPDX-License-Identifier: MIT

package probe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// ask sends one request and waits for the response to it.
func (f *facts) ask(m nbt.NameMessage) Ask {
	return Ask{Packets: [][]byte{packet(m)}, Answer: responseTo(m.ID), Want: 1, Tries: tries, Wait: f.Wait}
}

// hush sends one request and waits to see that nothing comes.
func (f *facts) hush(m nbt.NameMessage) Ask {
	a := f.ask(m)
	a.Tries = 1
	return a
}

// responseTo tells the responses to a request that end the wait for one: a WACK promises another.
func responseTo(ids ...uint16) func(b []byte) bool {
	return func(b []byte) bool {
		m, err := nbt.ParseNameMessageLenient(b)
		if err != nil || !m.Response || m.Kind() == nbt.KindWACK {
			return false
		}
		return slices.Contains(ids, m.ID)
	}
}

// response returns the response to a request among what came, and what is wrong with where it came from.
func (f *facts) response(s Seen, id uint16) (m nbt.NameMessage, text string, ok bool) {
	for _, p := range s.Packets {
		m, err := nbt.ParseNameMessageLenient(p.Bytes)
		if err != nil || m.ID != id || !m.Response || m.Kind() == nbt.KindWACK {
			continue
		}
		return m, described(p.Bytes) + f.astray(p), true
	}
	for _, p := range s.Packets {
		return nbt.NameMessage{}, described(p.Bytes) + f.astray(p), false
	}
	return nbt.NameMessage{}, silence, false
}

// astray tells where an answer came from, when that is not where the question went (RFC 1002 section 5.1; KB Q152705).
func (f *facts) astray(p Packet) string {
	if p.From.Addr() == f.Target {
		return ""
	}
	return fmt.Sprintf(", from %s", p.From.Addr())
}

// answered makes a finding of a response that must be there and be right.
func (f *facts) answered(s Seen, id uint16, right func(m nbt.NameMessage) bool) Finding {
	m, text, ok := f.response(s, id)
	switch {
	case !ok && len(s.Packets) == 0:
		return Finding{NoAnswer, text}
	case !ok || !right(m) || strings.Contains(text, ", from "):
		return Finding{Differs, text}
	}
	return Finding{OK, text}
}

// positive expects the owner's answer to a query.
func (f *facts) positive(s Seen, id uint16, name netbios.Name, group bool) Finding {
	return f.answered(s, id, func(m nbt.NameMessage) bool { return f.isOwner(m, name, group) })
}

func (f *facts) isOwner(m nbt.NameMessage, name netbios.Name, group bool) bool {
	about, scope := m.Subject()
	flags, at := m.Owner()
	return m.Kind() == nbt.KindPositiveQuery && about == name && scope == "" && (flags&nbt.NBGroup != 0) == group &&
		(group || at == f.Target) // a name server gives the members of a group, or the broadcast address
}

// denied expects that a name is not there: a B node says nothing, others send a denial.
func (f *facts) denied(s Seen, id uint16) Finding {
	m, text, ok := f.response(s, id)
	switch {
	case len(s.Packets) == 0:
		return Finding{OK, text}
	case ok && m.Kind() == nbt.KindNegativeQuery && m.RCode == nbt.NamErr:
		return Finding{OK, text}
	}
	return Finding{Differs, text}
}

// refused expects that a claim is objected to, because somebody owns the name.
func (f *facts) refused(s Seen, id uint16) Finding {
	return f.answered(s, id, func(m nbt.NameMessage) bool {
		return m.Kind() == nbt.KindNegativeRegistration && m.RCode == nbt.ActErr
	})
}

// stays expects that a request is ignored or refused, and that the name is answered for afterwards. Seen are the request
// and a query.
func (f *facts) stays(s []Seen, id, query uint16, name netbios.Name, group bool) Finding {
	m, text, ok := f.response(s[0], id)
	after := f.positive(s[1], query, name, group)
	switch {
	case after.Verdict == NoAnswer:
		return Finding{Differs, text + "; then the name is not answered for any more"}
	case after.Verdict != OK:
		return Finding{Differs, text + "; then " + after.Seen}
	case ok && m.RCode == nbt.RCodeOK || !ok && len(s[0].Packets) > 0:
		return Finding{Differs, text}
	}
	return Finding{OK, text + "; the name stays"}
}

const (
	silenceOrDenial = "silence (B node) or NAM_ERR"
	unmovedName     = "ignored or refused, and the name stays"
	goesOn          = "whatever, and it goes on answering"
)

func nameChecks() []Check {
	return []Check{
		{
			ID: "status", Title: "node status of *", Source: "RFC 1002 4.2.18, 5.1.1.5", Expected: "the name table",
			plan: func(f *facts) plan { return f.planStatus(netbios.Wildcard) },
		},
		{
			ID: "status-name", Title: "node status of a name it has", Source: "RFC 1002 4.2.17", Expected: "the name table",
			plan: withUnique(func(f *facts, name netbios.Name) plan { return f.planStatus(name) }),
		},
		{
			ID: "status-unheld", Title: "node status of a name it has not", Source: "RFC 1002 5.1.2.5", Expected: silence,
			plan: func(f *facts) plan {
				id := f.id()
				return plan{[]Exchange{f.hush(nbt.StatusRequest(id, f.stranger(0)))}, func(s []Seen) Finding {
					if len(s[0].Packets) == 0 {
						return Finding{OK, silence}
					}
					_, text, _ := f.response(s[0], id)
					return Finding{Differs, text}
				}, ""}
			},
		},
		{
			ID: "query", Title: "query for a unique name it has", Source: "RFC 1002 4.2.13, 5.1.1.5", Expected: "its address, unique",
			plan: withUnique(func(f *facts, name netbios.Name) plan { return f.planQuery(nbt.UnicastQuery(f.id(), name)) }),
		},
		{
			ID: "query-plain", Title: "the same query without RD", Source: "RFC 1002 4.2.1.1", Expected: "its address, unique",
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				m := nbt.UnicastQuery(f.id(), name)
				m.Flags = 0
				return f.planQuery(m)
			}),
		},
		{
			ID: "query-group", Title: "query for a group name it has", Source: "RFC 1002 5.1.1.5, KB Q188571", Expected: "an address, group",
			plan: withGroup(func(f *facts, name netbios.Name) plan {
				m := f.query(f.id(), name)
				return plan{exchanges: []Exchange{f.ask(m)}, judge: func(s []Seen) Finding {
					return f.answered(s[0], m.ID, func(m nbt.NameMessage) bool {
						_, at := m.Owner()
						return f.isOwner(m, name, true) && !at.IsUnspecified() // which has crashed who believed it (KB Q188571)
					})
				}}
			}),
		},
		{
			ID: "query-unheld", Title: "query for a name it has not", Source: "RFC 1002 5.1.1.5, 5.1.2.5", Expected: silenceOrDenial,
			plan: func(f *facts) plan {
				p := f.planDenied(f.query(f.id(), f.stranger(1)))
				judge := p.judge
				p.judge = func(s []Seen) Finding {
					f.denies = len(s[0].Packets) > 0
					return judge(s)
				}
				return p
			},
		},
		{
			ID: "query-suffix", Title: "query for its name with another suffix", Source: "MS-NBTE 2.2.1", Expected: silenceOrDenial,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				for f.holds(name) {
					name[netbios.NameLen-1] += 0x41
				}
				return f.planDenied(f.query(f.id(), name))
			}),
		},
		{
			ID: "query-case", Title: "query for its name in lower case", Source: "MS-NBTE 2.2.1, KB Q257361", Expected: silenceOrDenial,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				lower := netbios.Name([]byte(strings.ToLower(string(name[:]))))
				lower[netbios.NameLen-1] = name.Suffix()
				if f.holds(lower) {
					return cannot("its name is in lower case already, or has no letters")
				}
				return f.planDenied(f.query(f.id(), lower))
			}),
		},
		{
			ID: "query-scope", Title: "query for its name in another scope", Source: "RFC 1002 4.1, KB Q138449", Expected: silenceOrDenial,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				return f.planDenied(f.query(f.id(), name).InScope("nbtlab.probe"))
			}),
		},
		{
			ID: "same-id", Title: "two queries under one identifier, one sent twice", Source: "RFC 1002 4.2.1.1, Samba ee8f481d942",
			Expected: "each answered, and alike", plan: withUnique(planSameID),
		},
		{
			ID: "defend", Title: "claim to a unique name it has", Source: "RFC 1002 4.2.6, 5.1.1.5, Samba bug 9085", Expected: "ACT_ERR",
			plan: withUnique(func(f *facts, name netbios.Name) plan { return f.planRefused(nbt.Claim(f.id(), name, 0, f.Self)) }),
		},
		{
			ID: "defend-group-claim", Title: "claim to its unique name as a group", Source: "RFC 1002 5.1.1.5, KB Q124485", Expected: "ACT_ERR",
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				return f.planRefused(nbt.Claim(f.id(), name, nbt.NBGroup, f.Self))
			}),
		},
		{
			ID: "defend-group", Title: "claim to its group name as unique", Source: "RFC 1002 5.1.1.5", Expected: "ACT_ERR",
			plan: withGroup(func(f *facts, name netbios.Name) plan { return f.planRefused(nbt.Claim(f.id(), name, 0, f.Self)) }),
		},
	}
}

func (f *facts) planStatus(name netbios.Name) plan {
	m := nbt.StatusRequest(f.id(), name)
	return plan{exchanges: []Exchange{f.ask(m)}, judge: func(s []Seen) Finding {
		got := f.answered(s[0], m.ID, func(m nbt.NameMessage) bool { return m.Kind() == nbt.KindStatusResponse })
		if names, ok := statusNames(s[0], m.ID); ok && got.Verdict == OK {
			got.Seen = plural(len(names), "name")
			for _, h := range f.held {
				if !contains(names, h.Name) {
					return Finding{Differs, got.Seen + ", without " + h.Name.String()}
				}
			}
		}
		return got
	}}
}

// statusNames returns the name table in a node status response.
func statusNames(s Seen, id uint16) ([]nbt.NodeName, bool) {
	for _, p := range s.Packets {
		m, err := nbt.ParseNameMessageLenient(p.Bytes)
		if err == nil && m.ID == id && m.Kind() == nbt.KindStatusResponse && m.Record().Status != nil {
			return m.Record().Status.Names, true
		}
	}
	return nil, false
}

func contains(names []nbt.NodeName, name netbios.Name) bool {
	for _, n := range names {
		if n.Name == name {
			return true
		}
	}
	return false
}

func (f *facts) planQuery(m nbt.NameMessage) plan {
	name, _ := m.Subject()
	return plan{exchanges: []Exchange{f.ask(m)}, judge: func(s []Seen) Finding { return f.positive(s[0], m.ID, name, false) }}
}

func (f *facts) planDenied(m nbt.NameMessage) plan {
	return plan{exchanges: []Exchange{f.hush(m)}, judge: func(s []Seen) Finding { return f.denied(s[0], m.ID) }}
}

func (f *facts) planRefused(m nbt.NameMessage) plan {
	return plan{exchanges: []Exchange{f.ask(m)}, judge: func(s []Seen) Finding { return f.refused(s[0], m.ID) }}
}

// planSameID sends a query twice and another under its identifier: a responder keeps no account of identifiers.
func planSameID(f *facts, name netbios.Name) plan {
	m := f.query(f.id(), name)
	status := nbt.StatusRequest(m.ID, netbios.Wildcard)
	a := Ask{Packets: [][]byte{packet(m), packet(m), packet(status)}, Answer: responseTo(m.ID), Want: 3, Tries: 1, Wait: f.Wait}
	if !f.status {
		a.Packets, a.Want = a.Packets[:2], 2
	}
	return plan{exchanges: []Exchange{a}, judge: func(s []Seen) Finding {
		queries, tables := 0, 0
		for _, p := range s[0].Packets {
			m, err := nbt.ParseNameMessageLenient(p.Bytes)
			switch {
			case err != nil:
				return Finding{Differs, described(p.Bytes)}
			case m.Kind() == nbt.KindStatusResponse:
				tables++
			case f.isOwner(m, name, false):
				queries++
			default:
				return Finding{Differs, described(p.Bytes)}
			}
		}
		text := plural(queries, "positive answer")
		if f.status {
			text += " and " + plural(tables, "name table")
		}
		switch {
		case queries+tables == 0:
			return Finding{NoAnswer, silence}
		case queries+tables < a.Want:
			return Finding{Differs, text}
		}
		return Finding{OK, text}
	}}
}

// strangerChecks ask for names as a stranger would who does not know any better.
func strangerChecks() []Check {
	return []Check{
		{
			ID: "claim-unheld", Title: "claim to a name it has not", Source: "RFC 1002 5.1.1.5", Expected: "silence; a name server grants it",
			Intrusive: true, plan: planClaimUnheld,
		},
		{
			ID: "join-group", Title: "claim to its group name as a group", Source: "RFC 1002 5.1.1.5", Expected: "silence; a name server grants it",
			Intrusive: true,
			plan: withGroup(func(f *facts, name netbios.Name) plan {
				return f.planGranted(nbt.Claim(f.id(), name, nbt.NBGroup, f.Self), nbt.ReleaseDemand(f.id(), name, nbt.NBGroup, f.Self))
			}),
		},
		{
			ID: "overwrite", Title: "overwrite demand for a name it has", Source: "RFC 1002 4.2.3", Expected: unmovedName, Intrusive: true,
			plan: unmoved(func(f *facts, name netbios.Name) nbt.NameMessage { return nbt.OverwriteDemand(f.id(), name, 0, f.Self) }),
		},
		{
			ID: "refresh", Title: "refresh of its name by a stranger", Source: "RFC 1002 4.2.4", Expected: unmovedName, Intrusive: true,
			plan: unmoved(func(f *facts, name netbios.Name) nbt.NameMessage {
				return nbt.Refresh(f.id(), name, 0, f.Self, strangerTTL)
			}),
		},
	}
}

// takingChecks would take a name from its owner.
func takingChecks() []Check {
	return []Check{
		{
			ID: "release", Title: "release of its name by a stranger", Source: "RFC 1002 5.1.1.5", Expected: unmovedName, Intrusive: true,
			plan: unmoved(func(f *facts, name netbios.Name) nbt.NameMessage { return nbt.ReleaseRequest(f.id(), name, 0, f.Self) }),
		},
		{
			ID: "release-spoofed", Title: "release of its name with its own address in it", Source: "MS00-047, CVE-2000-0673",
			Expected: unmovedName, Intrusive: true,
			plan: unmoved(func(f *facts, name netbios.Name) nbt.NameMessage {
				return nbt.ReleaseRequest(f.id(), name, 0, f.Target)
			}),
		},
		{
			ID: "conflict-group", Title: "conflict demand for its group name", Source: "KB Q314696", Expected: unmovedName, Intrusive: true,
			plan: withGroup(func(f *facts, name netbios.Name) plan {
				return f.planUnmoved(nbt.ConflictDemand(f.id(), name, 0), true)
			}),
		},
		{
			ID: "conflict", Title: "conflict demand that answers no claim", Source: "MS00-047, CVE-2000-0673",
			Expected: unmovedName, Intrusive: true,
			plan: unmoved(func(f *facts, name netbios.Name) nbt.NameMessage { return nbt.ConflictDemand(f.id(), name, 0) }),
		},
	}
}

// unmoved makes the plan of a check that would move the target to give up a unique name.
func unmoved(ask func(f *facts, name netbios.Name) nbt.NameMessage) func(f *facts) plan {
	return withUnique(func(f *facts, name netbios.Name) plan { return f.planUnmoved(ask(f, name), false) })
}

// strangerTTL is what strangers ask for, in seconds: whatever they get is over soon.
const strangerTTL = 60

// planUnmoved puts a request to the target that would take a name from it, and then asks for the name.
func (f *facts) planUnmoved(m nbt.NameMessage, group bool) plan {
	name, _ := m.Subject()
	after := f.query(f.id(), name)
	return plan{exchanges: []Exchange{f.hush(m), f.ask(after)}, judge: func(s []Seen) Finding {
		got := f.stays(s, m.ID, after.ID, name, group)
		if f.positive(s[1], after.ID, name, group).Verdict != OK {
			f.lose(name) // the checks to come are about another
		}
		return got
	}}
}

// lose takes a name off the list of those that the target is known to have.
func (f *facts) lose(name netbios.Name) {
	if f.accepts == name {
		f.accepts = netbios.Name{}
	}
	for i, h := range f.held {
		if h.Name == name {
			f.held = append(f.held[:i:i], f.held[i+1:]...)
			return
		}
	}
}

// planClaimUnheld claims a name that nobody has and, should that be granted, gives it back.
func planClaimUnheld(f *facts) plan {
	name := f.stranger(2)
	return f.planGranted(nbt.RegistrationRequest(f.id(), name, 0, f.Self, strangerTTL), nbt.ReleaseRequest(f.id(), name, 0, f.Self))
}

// planGranted claims a name that nothing stands in the way of, and gives it back.
func (f *facts) planGranted(claim, release nbt.NameMessage) plan {
	return plan{exchanges: []Exchange{f.hush(claim), f.hush(release)}, judge: func(s []Seen) Finding {
		m, text, ok := f.response(s[0], claim.ID)
		switch {
		case len(s[0].Packets) == 0:
			return Finding{OK, text}
		case ok && m.Kind() == nbt.KindPositiveRegistration:
			return Finding{OK, text + ": a name server"}
		}
		return Finding{Differs, text}
	}}
}

// described tells a packet of the service in words.
func (s Service) described(b []byte) string {
	switch s {
	case DatagramService:
		return describedDatagram(b)
	case SessionService:
		return describedSession(b)
	default:
		return described(b)
	}
}

// closingChecks look back at the whole probe.
func closingChecks() []Check {
	return []Check{
		{
			ID: "table", Title: "node status once more", Source: "RFC 1002 4.2.18", Expected: "the name table of the beginning",
			plan: func(f *facts) plan {
				if !f.status {
					return cannot("it does not answer node status requests")
				}
				return f.planTable()
			},
		},
		{
			ID: "form", Title: "every packet that came", Source: "RFC 1002 4.2 to 4.4, MS03-034", Expected: "no byte that the RFC does not have",
			plan: func(f *facts) plan {
				if f.replies == 0 {
					return cannot("nothing came")
				}
				return plan{judge: func([]Seen) Finding {
					if len(f.odd) == 0 {
						return Finding{OK, plural(f.replies, "packet") + ", all well formed"}
					}
					return Finding{Differs, strings.Join(f.odd, "; ")}
				}}
			},
		},
	}
}

func (f *facts) planTable() plan {
	m := nbt.StatusRequest(f.id(), netbios.Wildcard)
	return plan{exchanges: []Exchange{f.ask(m)}, judge: func(s []Seen) Finding {
		names, ok := statusNames(s[0], m.ID)
		if !ok {
			return Finding{NoAnswer, silence}
		}
		var missing []string
		for _, h := range f.table {
			if !contains(names, h.Name) {
				missing = append(missing, h.Name.String())
			}
		}
		for _, n := range names {
			if n.Flags&nbt.NameCNF != 0 {
				missing = append(missing, n.Name.String()+" in conflict")
			}
		}
		if len(missing) > 0 {
			return Finding{Differs, "not there, or not as before: " + strings.Join(missing, ", ")}
		}
		return Finding{OK, plural(len(names), "name")}
	}}
}

// noteForm keeps account of the form of what comes by UDP.
func (f *facts) noteForm(service Service, p Packet) {
	f.replies++
	text := oddities(service, p.Bytes)
	if text == "" || len(f.odd) >= maxOdd {
		return
	}
	if slices.Contains(f.odd, text) {
		return
	}
	f.odd = append(f.odd, text)
}

// maxOdd is how many kinds of malformed packets are told of.
const maxOdd = 4

func oddities(service Service, b []byte) string {
	var odd []nbt.Odd
	var err error
	if service == DatagramService {
		var m nbt.DatagramMessage
		m, err = nbt.ParseDatagramLenient(b)
		odd = m.Odd
	} else {
		var m nbt.NameMessage
		m, err = nbt.ParseNameMessageLenient(b)
		odd = m.Odd
	}
	switch {
	case err != nil:
		return err.Error()
	case len(odd) > 0:
		return service.described(b) + ": " + odd[0].String()
	}
	return ""
}
