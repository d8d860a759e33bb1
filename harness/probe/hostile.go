// SPDX-License-Identifier: MIT

package probe

import (
	"fmt"

	"github.com/nbtlab/nbtlab/fixtures"
)

// hostileChecks send what no stack should ever see, and what some have not survived.
func hostileChecks() []Check {
	return []Check{
		{
			ID: "empty-137", Title: "an empty datagram on port 137", Source: "CVE-2014-0244, CVE-2020-14303", Expected: goesOn,
			Intrusive: true, plan: func(f *facts) plan { return f.planHostile(NameService, [][]byte{{}}) },
		},
		{
			ID: "empty-138", Title: "an empty datagram on port 138", Source: "CVE-2014-0244, CVE-2020-14303", Expected: goesOn,
			Intrusive: true, plan: func(f *facts) plan { return f.planHostile(DatagramService, [][]byte{{}}) },
		},
		{
			ID: "malformed-137", Title: "malformed name service packets", Source: "CVE-2000-0333, KB Q155701 and others",
			Expected: goesOn, Intrusive: true,
			plan: func(f *facts) plan { return f.planHostile(NameService, malformed(fixtures.NameService)) },
		},
		{
			ID: "malformed-138", Title: "malformed datagram service packets", Source: "RFC 1002 5.3.3, zeek#5488 and others",
			Expected: goesOn, Intrusive: true,
			plan: func(f *facts) plan { return f.planHostile(DatagramService, malformed(fixtures.DatagramService)) },
		},
		{
			ID: "malformed-139", Title: "malformed session service packets", Source: "RFC 1002 4.3, suricata#8399 and others",
			Expected: goesOn, Intrusive: true, plan: withSessions(planMalformedSessions),
		},
	}
}

// planHostile sends packets that no stack should see. What comes back is no matter, as long as it can be read: whether the
// stack goes on answering is looked at after every check.
func (f *facts) planHostile(service Service, packets [][]byte) plan {
	a := Ask{Service: service, Packets: packets, Tries: 1, Wait: f.Wait / hostileWaits, Answer: func([]byte) bool { return false }}
	return plan{exchanges: []Exchange{a}, judge: func(s []Seen) Finding {
		if len(s[0].Packets) == 0 {
			return Finding{OK, silence}
		}
		return Finding{OK, plural(len(s[0].Packets), "answer") + ", the first: " + service.described(s[0].Packets[0].Bytes)}
	}}
}

// hostileWaits is by how much less than an answer one waits for what nobody has to answer.
const hostileWaits = 2

// malformed are the malformed packets of a service, empty ones aside.
func malformed(service fixtures.Service) [][]byte {
	var list [][]byte
	for _, v := range fixtures.Malformed() {
		if v.Service == service && len(v.Bytes) > 0 {
			list = append(list, v.Bytes)
		}
	}
	return list
}

// talkWaits is by how much less than for an answer one waits on a connection that brings none.
const talkWaits = 5

func planMalformedSessions(f *facts) plan {
	var p plan
	for _, b := range malformed(fixtures.SessionService) {
		p.exchanges = append(p.exchanges, Talk{Writes: [][]byte{b}, Wait: f.Wait / talkWaits})
	}
	p.judge = func(s []Seen) Finding {
		ends, answers := map[End]int{}, 0
		for _, x := range s {
			ends[x.Stream.End]++
			answers += min(1, len(x.Stream.Bytes))
		}
		return Finding{OK, fmt.Sprintf("%s: %d answered; %d closed, %d reset, %d left open",
			plural(len(s), "connection"), answers, ends[Closed], ends[Reset], ends[Open])}
	}
	return p
}
