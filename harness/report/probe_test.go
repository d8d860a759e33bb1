// SPDX-License-Identifier: MIT

package report_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var _ = Describe("The report of a probe", func() {
	name := netbios.Name([]byte("\x1b[2J\x9b \x7fX        "))
	result := func(id string, v probe.Verdict, seen, after string, first, last int) probe.Result {
		return probe.Result{
			Check:   probe.Check{ID: id, Title: "does " + id, Source: "RFC 1002 " + id, Expected: "something of " + id},
			Finding: probe.Finding{Verdict: v, Seen: seen}, After: after, First: first, Last: last,
		}
	}
	found := func() probe.Report {
		return probe.Report{
			Target: netip.MustParseAddr("10.0.0.10"), Names: []probe.Held{{Name: name}, {Name: name, Group: true}}, Heard: true, Over: true,
			Results: []probe.Result{
				result("one", probe.OK, "all is well", "", 1, 2),
				result("two", probe.Differs, "\x1b]0;owned\x07", "it fell silent", 3, 3),
				result("three", probe.NotAsked, "no name", "", 0, 0),
			},
		}
	}
	frames := []trace.Frame{{Number: 1}, {Number: 4}, {Number: 9}}
	text := func(r probe.Report) string {
		var b bytes.Buffer
		report.ProbeText(report.NewPrinter(&b, false), r, frames)
		return b.String()
	}

	It("is a table, with what became of the stack below it", func() {
		Expect(text(found())).To(Equal(`10.0.0.10 has \x1b[2J\x9b \x7fX<20>, \x1b[2J\x9b \x7fX<20> group

CHECK  SOURCE          EXPECTED            SEEN              VERDICT    FRAMES
one    RFC 1002 one    something of one    all is well       ok         1-4
two    RFC 1002 two    something of two    \x1b]0;owned\x07  differs    9
three  RFC 1002 three  something of three  no name           not asked

after two it fell silent

1 ok, 1 differs, 1 not asked
`))
	})

	It("says when it says nothing", func() {
		r := found()
		r.Heard, r.Host = false, "it answers ARP"
		Expect(text(r)).To(HaveSuffix("cannot judge: nothing came from 10.0.0.10; the host is there: it answers ARP\n"))
		r.Host = ""
		Expect(text(r)).To(HaveSuffix("nothing shows that the host is there\n"))
		r.Heard, r.Over = true, false
		Expect(text(r)).To(HaveSuffix("interrupted: the checks that are left were not asked\n"))
	})

	It("is lines of JSON for programs, in ASCII", func() {
		var b bytes.Buffer
		Expect(report.ProbeJSON(&b, found(), frames)).To(Succeed())
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		Expect(lines).To(HaveLen(4))
		Expect(b.String()).To(MatchRegexp(`^[\n -~]*$`))
		var two struct {
			Check, Verdict, Seen, After string
			Frames                      []int
		}
		Expect(json.Unmarshal([]byte(lines[1]), &two)).To(Succeed())
		Expect(two.Verdict).To(Equal("differs"))
		Expect(two.Seen).To(Equal("\x1b]0;owned\x07"))
		Expect(two.Frames).To(Equal([]int{9, 9}))
		Expect(lines[3]).To(Equal(`{"target":"10.0.0.10","names":["\\x1b[2J\\x9b \\x7fX<20>","\\x1b[2J\\x9b \\x7fX<20> group"],"heard":true,"failed":1}`))
	})
})
