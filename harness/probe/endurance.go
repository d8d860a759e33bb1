// SPDX-License-Identifier: MIT

package probe

import (
	"fmt"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// How floods go: as many as this under way at a time, or as many as this a second where nothing comes back.
const (
	window = 16
	rate   = 2000
)

// enduranceChecks do many times what a stack has to do all its life. Some lose something each time, and look healthy until
// it is gone.
func enduranceChecks() []Check {
	return []Check{
		{
			ID: "endure-queries", Title: "many queries for a name it has", Source: "liveness; KB Q126560 is such a leak", Expected: "each answered",
			Intrusive: true,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				first := f.ids(f.Count)
				return f.planFlood(name, f.windowed(first,
					func(i int) []byte { return packet(f.query(first+uint16(i), name)) },
					func(m nbt.NameMessage) bool { return f.isOwner(m, name, false) }))
			}),
		},
		{
			ID: "endure-unheld", Title: "many queries for names it has not", Source: "liveness", Expected: goesOn,
			Intrusive: true,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				first := f.ids(f.Count)
				flood := f.windowed(first,
					func(i int) []byte { return packet(f.query(first+uint16(i), f.stranger(i))) },
					func(m nbt.NameMessage) bool { return m.Kind() == nbt.KindNegativeQuery })
				if !f.denies {
					flood.Which = nil
				}
				return f.planFlood(name, flood)
			}),
		},
		{
			ID: "endure-claims", Title: "many claims to a name it has", Source: "RFC 1002 5.1.1.5", Expected: "each refused",
			Intrusive: true,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				first := f.ids(f.Count)
				return f.planFlood(name, f.windowed(first,
					func(i int) []byte { return packet(nbt.Claim(first+uint16(i), name, 0, f.Self)) },
					func(m nbt.NameMessage) bool { return m.Kind() == nbt.KindNegativeRegistration }))
			}),
		},
		{
			ID: "endure-datagrams", Title: "many direct datagrams to a name it has, and to others", Source: "KB Q124565", Expected: goesOn,
			Intrusive: true,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				first := f.ids(f.Count)
				flood := Flood{Service: DatagramService, Count: f.Count, Rate: rate, Wait: f.Wait, Packet: func(i int) []byte {
					dest := name
					if i%2 == 1 {
						dest = f.stranger(i)
					}
					return packet(nbt.UniqueDatagram(first+uint16(i), f.from(), f.sender(), dest, []byte("nbtlab probe")))
				}}
				return f.planFlood(name, flood)
			}),
		},
		{
			ID: "endure-sessions", Title: "many session requests for a name it has not", Source: "KB Q141344, MS00-091",
			Expected: "each answered", Intrusive: true,
			plan: withSessions(func(f *facts) plan {
				t := f.talk(f.stranger(6), f.sender())
				t.Times = max(1, f.Count/sessionShare)
				return plan{exchanges: []Exchange{t}, judge: func(s []Seen) Finding {
					text := fmt.Sprintf("%s, the last: %s", plural(t.Times, "connection"), describedSession(s[0].Stream.Bytes))
					if s[0].Stream.Refused > 0 {
						return Finding{Differs, fmt.Sprintf("%s; %d could not be had", text, s[0].Stream.Refused)}
					}
					return Finding{OK, text}
				}}
			}),
		},
	}
}

// sessionShare is how many requests of another kind there are for one of a session.
const sessionShare = 10

// windowed is a flood of requests to the name service that all get an answer.
func (f *facts) windowed(first uint16, packet func(i int) []byte, right func(m nbt.NameMessage) bool) Flood {
	return Flood{
		Count: f.Count, Packet: packet, Window: window, Tries: tries, Wait: f.Wait, Rate: rate,
		Which: func(b []byte) (int, bool) {
			m, err := nbt.ParseNameMessageLenient(b)
			if err != nil || !m.Response || !right(m) {
				return 0, false
			}
			return int(m.ID - first), true
		},
	}
}

// planFlood sends many packets and then asks for a name.
func (f *facts) planFlood(name netbios.Name, flood Flood) plan {
	after := f.query(f.id(), name)
	last := f.ask(after)
	last.Tries *= 2 // it may have fallen behind
	return plan{exchanges: []Exchange{flood, last}, judge: func(s []Seen) Finding {
		tally := s[0].Flood
		text := plural(flood.Count, "packet")
		if flood.Which != nil {
			text = fmt.Sprintf("%d of %d answered", tally.Answered, flood.Count)
		}
		if got := f.positive(s[1], after.ID, name, false); got.Verdict != OK {
			f.lose(name)
			return Finding{Differs, text + "; then " + got.Seen}
		}
		switch {
		case flood.Which == nil:
			return Finding{OK, text + "; the name stays"}
		case tally.Answered == 0:
			return Finding{NoAnswer, text}
		case tally.Answered < flood.Count:
			return Finding{Differs, text}
		}
		return Finding{OK, text}
	}}
}
