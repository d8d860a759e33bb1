// SPDX-License-Identifier: MIT

package probe_test

import (
	"testing"
	"time"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/probe"
)

// Whatever comes back, a probe comes to an end, with a verdict on every check (bad-input rows 1 to 19, seen from the other
// side). The input is cut into what comes back to each exchange; a byte before each says how long it is, and whether it
// carries the identifier that is waited for.
func FuzzAnswers(f *testing.F) {
	for _, v := range fixtures.Vectors() {
		f.Add(append([]byte{byte(min(len(v.Bytes), 127))}, v.Bytes...))
		f.Add(append([]byte{byte(min(len(v.Bytes), 127)) | 0x80}, v.Bytes...))
	}
	for _, v := range fixtures.Malformed() {
		f.Add(append([]byte{byte(min(len(v.Bytes), 127)) | 0x80}, v.Bytes...))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, input []byte) {
		m, err := probe.New(probe.Options{Target: box.Addr(), Self: self, Intrusive: true, Count: 10, Recovery: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		var now time.Duration
		rest := input
		next := func(request []byte) []byte {
			if len(rest) == 0 {
				rest = input // over and over
			}
			if len(rest) == 0 {
				return nil
			}
			n := min(int(rest[0]&0x7f), len(rest)-1)
			b, mine := append([]byte(nil), rest[1:1+n]...), rest[0]&0x80 != 0
			rest = rest[1+n:]
			if mine && len(b) >= 4 && len(request) >= 4 {
				at := 0 // of the identifier; datagrams begin with their type
				if b[0] == byte(nbt.DgmError) {
					at = 2
				}
				copy(b[at:at+2], request[at:at+2])
			}
			return b
		}
		exchanges := 0
		for x, more := m.Next(); more; x, more = m.Next() {
			if exchanges++; exchanges > 1000 {
				t.Fatal("the probe does not come to an end")
			}
			now += time.Second
			s := probe.Seen{At: now, Frames: exchanges}
			switch x := x.(type) {
			case probe.Ask:
				if b := next(x.Packets[0]); b != nil {
					x.Answer(b)
					s.Packets = []probe.Packet{{Bytes: b}}
				}
			case probe.Flood:
				p := probe.Packet{Bytes: next(x.Packet(x.Count - 1))}
				s.Flood = probe.Tally{Others: 1, Other: p}
				if x.Which != nil {
					if i, ok := x.Which(p.Bytes); ok && i >= 0 && i < x.Count {
						s.Flood.Answered = 1
					}
				}
			case probe.Talk:
				s.Stream = probe.Stream{Bytes: next(x.Writes[0]), End: probe.End(exchanges % 3)}
			case probe.Look:
				s.Host = "the fuzzer says so"
			case probe.Pause:
			}
			m.Saw(s)
		}
		r := m.Report()
		if len(r.Results) != len(probe.Checks()) {
			t.Fatalf("%d results of %d checks", len(r.Results), len(probe.Checks()))
		}
		for _, x := range r.Results {
			if x.Verdict == "" || x.Seen == "" {
				t.Errorf("%s: verdict %q, seen %q", x.ID, x.Verdict, x.Seen)
			}
		}
	})
}
