// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// messages cuts what came on a connection into session service messages; rest is what is none, or not a whole one.
func messages(b []byte) (list []nbt.SessionMessage, rest []byte) {
	for len(b) >= nbt.SessionHeaderLen {
		n, err := nbt.SessionLen(b)
		if err != nil || n > len(b) {
			return list, b
		}
		m, err := nbt.ParseSessionMessage(b[:n])
		if err != nil {
			return list, b
		}
		list, b = append(list, m), b[n:]
	}
	return list, b
}

// Messages counts the whole session service messages at the beginning of a stream, as far as it can be cut.
func Messages(b []byte) int {
	list, _ := messages(b)
	return len(list)
}

func describedSession(b []byte) string {
	list, rest := messages(b)
	switch {
	case len(list) == 0 && len(rest) == 0:
		return "nothing"
	case len(list) == 0:
		return fmt.Sprintf("%d bytes that are no session packet, %s", len(rest), firstBytes(rest))
	}
	m := list[0]
	switch m.Type {
	case nbt.SsnNegative:
		return fmt.Sprintf("refusal 0x%02X", m.ErrorCode)
	case nbt.SsnPositive:
		return "accepted"
	case nbt.SsnRetarget:
		return "retarget to " + m.Retarget.String()
	default:
		return m.Type.String()
	}
}

func firstBytes(b []byte) string { return fmt.Sprintf("% x", b[:min(len(b), 8)]) }

// talk asks for a session and waits for the answer.
func (f *facts) talk(called, calling netbios.Name) Talk {
	return Talk{Writes: [][]byte{packet(nbt.SessionRequest(called, calling))}, Messages: 1, Wait: f.Wait}
}

// withSessions makes the plan of a check that connects to the session service, unless that is known to be in vain.
func withSessions(planFor func(f *facts) plan) func(f *facts) plan {
	return func(f *facts) plan {
		if f.noSessions != "" {
			return cannot("%s", f.noSessions)
		}
		p := planFor(f)
		if p.cannot != "" {
			return p
		}
		judge := p.judge
		p.judge = func(s []Seen) Finding {
			switch end := s[0].Stream.End; {
			case end != Refused && end != Timeout:
				f.connected = true
			case f.connected:
				return Finding{Differs, fmt.Sprintf("nothing accepts connections any more (%s)", end)}
			default:
				f.noSessions = fmt.Sprintf("nothing accepts connections to the session service (%s)", end)
				return Finding{NotAsked, f.noSessions}
			}
			return judge(s)
		}
		return p
	}
}

// withAccepted makes the plan of a check that needs a session.
func withAccepted(planFor func(f *facts, name netbios.Name) plan) func(f *facts) plan {
	return withSessions(func(f *facts) plan {
		if f.accepts == (netbios.Name{}) {
			return cannot("it accepts no session on its name")
		}
		return planFor(f, f.accepts)
	})
}

func sessionChecks() []Check {
	return []Check{
		{
			ID: "session-unheld", Title: "session request for a name it has not", Source: "RFC 1002 4.3.4, 5.2.1", Expected: "refusal 0x82, then closed",
			plan: withSessions(func(f *facts) plan {
				t := f.talk(f.stranger(6), f.sender())
				t.Messages = 0 // and see it close
				return plan{exchanges: []Exchange{t}, judge: func(s []Seen) Finding { return refusedSession(s[0].Stream, nbt.SsnNotPresent) }}
			}),
		},
		{
			ID: "session-held", Title: "session request for a name it has", Source: "RFC 1002 4.3.3, 4.3.4, KB Q141189",
			Expected: "accepted, or refusal 0x80, 0x81 or 0x83", plan: withSessions(planSessionHeld),
		},
		{
			ID: "session-split", Title: "session request, a byte at a time", Source: "RFC 1002 4.3.1", Expected: "the same as in one piece",
			plan: withSessions(func(f *facts) plan {
				whole, split := f.talk(f.stranger(6), f.sender()), f.talk(f.stranger(6), f.sender())
				split.Writes, split.Gap = slices.Collect(slices.Chunk(split.Writes[0], 1)), time.Millisecond
				return plan{exchanges: []Exchange{whole, split}, judge: func(s []Seen) Finding {
					if !bytes.Equal(s[0].Stream.Bytes, s[1].Stream.Bytes) {
						return Finding{Differs, fmt.Sprintf("in one piece %s, in many %s", stream(s[0].Stream), stream(s[1].Stream))}
					}
					if len(s[0].Stream.Bytes) == 0 {
						return Finding{NoAnswer, stream(s[1].Stream)}
					}
					return Finding{OK, describedSession(s[1].Stream.Bytes)}
				}}
			}),
		},
		{
			ID: "keep-alive", Title: "three keep-alives in a session", Source: "RFC 1002 5.2.2.2, KB Q156441", Expected: "no answer, and the session stays",
			plan: withAccepted(func(f *facts, name netbios.Name) plan {
				t := f.talk(name, f.sender())
				for range 3 {
					t.Writes = append(t.Writes, packet(nbt.KeepAlive()))
				}
				t.Messages, t.Gap = 0, f.Wait/hostileWaits
				return plan{exchanges: []Exchange{t}, judge: func(s []Seen) Finding { return stays(s[0].Stream) }}
			}),
		},
	}
}

// stream tells what came on a connection and how it stands.
func stream(s Stream) string {
	return describedSession(s.Bytes) + ", " + s.End.String()
}

// refusedSession expects a refusal, and that the connection is closed behind it.
func refusedSession(s Stream, code uint8) Finding {
	list, _ := messages(s.Bytes)
	switch {
	case len(s.Bytes) == 0 && s.End == Open:
		return Finding{NoAnswer, stream(s)}
	case len(list) == 1 && list[0].Type == nbt.SsnNegative && list[0].ErrorCode == code && s.End != Open:
		return Finding{OK, stream(s)}
	}
	return Finding{Differs, stream(s)}
}

// stays expects that a session goes on as if nothing had been sent. Keep-alives it may send itself.
func stays(s Stream) Finding {
	list, rest := messages(s.Bytes)
	list = slices.DeleteFunc(list, func(m nbt.SessionMessage) bool { return m.Type == nbt.SsnKeepAlive })
	if len(list) == 1 && list[0].Type == nbt.SsnPositive && len(rest) == 0 && s.End == Open {
		return Finding{OK, "accepted, and left open"}
	}
	return Finding{Differs, stream(s)}
}

func planSessionHeld(f *facts) plan {
	name, ok := f.unique()
	if !ok {
		return cannot("it has no unique name that is known: say one with --names")
	}
	t := f.talk(name, f.sender())
	return plan{exchanges: []Exchange{t}, judge: func(s []Seen) Finding {
		list, _ := messages(s[0].Stream.Bytes)
		if len(list) == 0 {
			if len(s[0].Stream.Bytes) == 0 && s[0].Stream.End == Open {
				return Finding{NoAnswer, silence}
			}
			return Finding{Differs, stream(s[0].Stream)}
		}
		got := Finding{OK, describedSession(s[0].Stream.Bytes)}
		switch m := list[0]; m.Type {
		case nbt.SsnPositive:
			f.accepts = name
		case nbt.SsnRetarget: // it may; nobody follows it here
		case nbt.SsnNegative:
			if m.ErrorCode != nbt.SsnNotListening && m.ErrorCode != nbt.SsnNotListeningFor && m.ErrorCode != nbt.SsnNoResources {
				got.Verdict = Differs
			}
		default:
			got.Verdict = Differs
		}
		return got
	}}
}

func intrusiveSessionChecks() []Check {
	return []Check{
		{
			ID: "session-nameless", Title: "session request whose caller has no name", Source: "CVE-2000-0347", Expected: "refusal 0x8F, or closed",
			Intrusive: true,
			plan: withSessions(func(f *facts) plan {
				called, ok := f.unique()
				if !ok {
					called = f.stranger(6)
				}
				t := f.talk(called, netbios.Name{})
				t.Messages = 0
				return plan{exchanges: []Exchange{t}, judge: func(s []Seen) Finding { return brokenOff(s[0].Stream) }}
			}),
		},
		{
			ID: "session-overlong", Title: "session request that announces 131071 bytes, and sends 4096", Source: "RFC 1002 4.3.2, Samba bug 7698",
			Expected: "a refusal, or closed, or waiting", Intrusive: true,
			plan: withSessions(func(f *facts) plan {
				head := []byte{byte(nbt.SsnRequest), 0x01, 0xff, 0xff}
				return f.planTalk([][]byte{head, bytes.Repeat([]byte{' '}, 4096)}, notAccepted)
			}),
		},
		{
			ID: "session-scope", Title: "session request with names longer than 255 bytes", Source: "RFC 1002 4.1", Expected: "a refusal, or closed",
			Intrusive: true,
			plan: withSessions(func(f *facts) plan {
				name := append([]byte{32}, bytes.Repeat([]byte{'A'}, 32)...)
				for range 4 {
					name = append(append(name, 63), bytes.Repeat([]byte{'s'}, 63)...)
				}
				name = append(name, 0)
				names := append(bytes.Clone(name), name...)
				head := []byte{byte(nbt.SsnRequest), 0, byte(len(names) >> 8), byte(len(names))}
				return f.planTalk([][]byte{append(head, names...)}, brokenOff)
			}),
		},
		{
			ID: "retarget", Title: "retarget response from the caller's side", Source: "RFC 1002 4.3.5, KB Q138854", Expected: "closed, or ignored",
			Intrusive: true,
			plan: withSessions(func(f *facts) plan {
				return f.planTalk([][]byte{packet(nbt.RetargetSession(f.from()))}, notAccepted)
			}),
		},
		{
			ID: "session-empty-messages", Title: "a thousand messages of no bytes in a session", Source: "KB Q126560", Expected: "no answer, and the session stays",
			Intrusive: true,
			plan: withAccepted(func(f *facts, name netbios.Name) plan {
				t := f.talk(name, f.sender())
				t.Writes = append(t.Writes, bytes.Repeat(packet(nbt.SessionData(nil)), 1000))
				t.Messages = 0
				return plan{exchanges: []Exchange{t}, judge: func(s []Seen) Finding { return stays(s[0].Stream) }}
			}),
		},
	}
}

// planTalk writes what no peer should write.
func (f *facts) planTalk(writes [][]byte, judge func(s Stream) Finding) plan {
	return plan{
		exchanges: []Exchange{Talk{Writes: writes, Wait: f.Wait}},
		judge:     func(s []Seen) Finding { return judge(s[0].Stream) },
	}
}

// brokenOff expects that a connection comes to nothing: refused, or closed without a word.
func brokenOff(s Stream) Finding {
	got := notAccepted(s)
	if got.Verdict == OK && s.End == Open {
		got.Verdict = Differs
	}
	return got
}

// notAccepted expects that no session comes of it.
func notAccepted(s Stream) Finding {
	for list, _ := messages(s.Bytes); len(list) > 0; list = list[1:] {
		if list[0].Type != nbt.SsnNegative {
			return Finding{Differs, stream(s)}
		}
	}
	return Finding{OK, stream(s)}
}
