// SPDX-License-Identifier: MIT

package scenario_test

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"github.com/nbtlab/nbtlab/harness/scenario"
)

// everyStatement is a scenario with each statement, verb and clause, as a seed.
const everyStatement = `# title
bug      Q1:count=once,window=always,Q2 in pc   # comment
control  none because "it is \"an\" absence\x00"
profile  netbt
node     pc    10.0.0.10/24 names 253 sessions 1 profile rfc1002
node     peer  10.0.0.20/24 type h wins nbns
node     nbns  10.0.0.2/24 nameserver profile samba-nmbd

case "one"
peer knows "MY NAME<1d>" at pc
pc add-name CHAT<00> x3 &
pc add-group \x01\x02__MSBROWSE__\x02<01>
pc listen CHAT from * as door
peer call CHAT from "from" as chat &
   # above the arrow
   -> chat ok, door pending | Q2: any | Q1:count=once! chat NRC_SCLOSED, no session-refusal from pc code 0x82
peer send chat "größe\n\t\r\"\\"
pc receive door size 7
pc receive-any * as got
   -> data "", got data "x", got any
pc cancel got
pc send-datagram CHAT from ME ""
pc receive-datagram CHAT
pc send-broadcast from ME "x"
pc receive-broadcast *
pc adapter-status
   -> CHAT in names pc unique registered, no "data" in names peer group conflict
pc session-status *
pc find-name CHAT
pc reset
pc ncb 0x7f
pc inject datagram CHAT to all from ME "x" id 0x1001
pc inject bytes "\x00" to peer port 137
pc inject refresh CHAT to nbns
pc inject multihomed CHAT to nbns
pc inject grant CHAT to peer
pc inject challenge CHAT to peer
pc inject wack CHAT to peer
pc inject release-grant CHAT to peer
pc inject release-refusal CHAT to all
   -> wack, challenge from nbns, release-refusal code 0x06, no release-grant, multihomed x2, refresh to nbns, grant CHAT to peer
pc restart
   -> claim CHAT from pc to all x3 within 1.5s, no release for 2m
lan lose claim CHAT from pc x3
lan double frame to all
lan delay answer by 500us
lan alter query byte 2 0x01
after 1h
at 90m
pc delete-name CHAT
peer hang-up chat
pc stop
case "two"
pc stop
-> release|Q1! no release
`

// FuzzParse checks that no file makes Parse panic or costs more than it is worth: a step of nine bytes takes two kilobytes.
// What Format writes of a scenario means the same and is written the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(theFirstBug))
	f.Add([]byte(everyStatement))
	f.Add([]byte(twoHosts + "pc reset\n-> no claim x3" + bothUsed)) // once an index out of range
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, err := scenario.Parse("fuzz.scenario", text)
		runtime.ReadMemStats(&after)
		if cost, most := after.TotalAlloc-before.TotalAlloc, 512*uint64(len(text))+1<<20; cost > most {
			t.Fatalf("%d bytes cost %d, at most %d", len(text), cost, most)
		}
		if err != nil {
			var mistake *scenario.Error
			if !errors.As(err, &mistake) {
				t.Fatalf("%v is no *scenario.Error", err)
			}
			detail := mistake.Detail()
			for _, c := range []byte(detail) {
				if c != '\n' && (c < ' ' || c > '~') {
					t.Fatalf("byte %#02x in %q", c, detail)
				}
			}
			return
		}
		once := scenario.Format(s)
		again, err := scenario.Parse("fuzz.scenario", once)
		if err != nil {
			t.Fatalf("formatted scenario does not parse: %v\n%s", err, once)
		}
		if a, b := meaning(s), meaning(again); a != b {
			t.Fatalf("formatted scenario has another meaning:\n%s\n%s\n%s", a, b, once)
		}
		if twice := scenario.Format(again); !bytes.Equal(once, twice) {
			t.Fatalf("format is not idempotent:\n%s\n%s", once, twice)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(theFirstBug)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := scenario.Parse("q124565.scenario", text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFormat(b *testing.B) {
	s, err := scenario.Parse("q124565.scenario", []byte(theFirstBug))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		scenario.Format(s)
	}
}
