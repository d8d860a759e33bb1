// SPDX-License-Identifier: MIT

package probe

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// from is where datagrams say that they come from.
func (f *facts) from() netip.AddrPort { return netip.AddrPortFrom(f.Self, f.Source.Datagram) }

// sender is the name that datagrams and sessions come from.
func (f *facts) sender() netbios.Name { return f.stranger(MaxCount - 1) }

// errorTo tells the errors that answer a datagram.
func errorTo(id uint16) func(b []byte) bool {
	return func(b []byte) bool {
		m, err := nbt.ParseDatagramLenient(b)
		return err == nil && m.Type == nbt.DgmError && m.ID == id
	}
}

func describedDatagram(b []byte) string {
	m, err := nbt.ParseDatagramLenient(b)
	if err != nil {
		return "an unreadable packet (" + err.Error() + ")"
	}
	if m.Type == nbt.DgmError {
		return fmt.Sprintf("error 0x%02X", m.ErrorCode)
	}
	text, _, _ := strings.Cut(m.String(), ", id ")
	return text
}

func datagramChecks() []Check {
	return []Check{
		{
			ID: "datagram-unheld", Title: "direct datagram to a name it has not", Source: "RFC 1002 5.3.3", Expected: "error 0x82",
			plan: func(f *facts) plan {
				m := nbt.UniqueDatagram(f.id(), f.from(), f.sender(), f.stranger(3), []byte("nbtlab probe"))
				a := f.send(m)
				a.Want, a.Tries = 1, tries
				return plan{exchanges: []Exchange{a}, judge: func(s []Seen) Finding {
					return f.errored(s[0], a, nbt.DgmNotPresent)
				}}
			},
		},
		{
			ID: "datagram-group-unheld", Title: "group datagram to a name it has not", Source: "RFC 1002 5.3.3", Expected: silence,
			plan: func(f *facts) plan {
				return f.planIgnored(nbt.GroupDatagram(f.id(), f.from(), f.sender(), f.stranger(4), []byte("nbtlab probe")))
			},
		},
		{
			ID: "datagram-query", Title: "question of where datagrams go", Source: "RFC 1002 4.4.4", Expected: "silence; only an NBDD answers",
			plan: func(f *facts) plan { return f.planIgnored(nbt.QueryDatagram(f.id(), f.from(), f.stranger(5))) },
		},
	}
}

// send sends a datagram and waits to see that no error comes.
func (f *facts) send(m nbt.DatagramMessage) Ask {
	return Ask{Service: DatagramService, Packets: [][]byte{packet(m)}, Answer: errorTo(m.ID), Tries: 1, Wait: f.Wait}
}

func (f *facts) planIgnored(m nbt.DatagramMessage) plan {
	return plan{exchanges: []Exchange{f.send(m)}, judge: func(s []Seen) Finding {
		if len(s[0].Packets) == 0 {
			return Finding{OK, silence}
		}
		return Finding{Differs, describedDatagram(s[0].Packets[0].Bytes) + f.astray(s[0].Packets[0])}
	}}
}

// errored expects that a datagram was answered with an error.
func (f *facts) errored(s Seen, a Ask, code uint8) Finding {
	for _, p := range s.Packets {
		if a.Answer(p.Bytes) {
			m, _ := nbt.ParseDatagramLenient(p.Bytes) // or it would be no answer
			got := Finding{OK, describedDatagram(p.Bytes) + f.astray(p)}
			if m.ErrorCode != code || p.From.Addr() != f.Target {
				got.Verdict = Differs
			}
			return got
		}
	}
	for _, p := range s.Packets {
		return Finding{Differs, describedDatagram(p.Bytes) + f.astray(p)}
	}
	return Finding{NoAnswer, silence}
}

func intrusiveDatagramChecks() []Check {
	return []Check{
		{
			ID: "datagram-held", Title: "direct datagram to a name it has", Source: "RFC 1002 5.3.3; KB Q124565 is what it may set off",
			Expected: silence, Intrusive: true,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				return f.planIgnored(nbt.UniqueDatagram(f.id(), f.from(), f.sender(), name, []byte("nbtlab probe")))
			}),
		},
		{
			ID: "datagram-forged", Title: "direct datagram that gives its own name and address as the source", Source: "CVE-2000-1079",
			Expected: unmovedName, Intrusive: true,
			plan: withUnique(func(f *facts, name netbios.Name) plan {
				forged := netip.AddrPortFrom(f.Self, f.Source.Datagram)
				first := f.send(nbt.UniqueDatagram(f.id(), forged, name, name, []byte("nbtlab probe")))
				after := f.query(f.id(), name)
				return plan{exchanges: []Exchange{first, f.ask(after)}, judge: func(s []Seen) Finding {
					return f.positive(s[1], after.ID, name, false)
				}}
			}),
		},
	}
}
