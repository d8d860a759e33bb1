// SPDX-License-Identifier: MIT

package report_test

import (
	"bytes"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var _ = Describe("A message of a capture as JSON", func() {
	DescribeTable("has its time as seconds since 1970, which may be less than none",
		func(unixNano int64, text string) {
			var m dissect.Message
			end := netip.MustParseAddrPort("10.0.0.10:137")
			Expect(m.Read(&capture.Frame{Frame: trace.Frame{Kind: trace.UDP, From: end, To: end}, UnixNano: unixNano})).To(BeTrue())
			var line bytes.Buffer
			Expect(report.DecodedJSON(&line, "x.pcap", &m)).To(Succeed())
			Expect(line.String()).To(ContainSubstring(`"time":"` + text + `"`))
		},
		Entry("the beginning of 1970", int64(0), "0.000000000"),
		Entry("later", int64(783648000_250000001), "783648000.250000001"),
		Entry("just before", int64(-1), "-0.000000001"),
		Entry("a second before", int64(-1_000000000), "-1.000000000"),
		Entry("a second and a half before", int64(-1_500000000), "-1.500000000"),
	)

	DescribeTable("has the name server that a redirect leads to", func(vector string) {
		var m dissect.Message
		end := netip.MustParseAddrPort("10.0.0.10:137")
		Expect(m.Read(&capture.Frame{Frame: trace.Frame{Kind: trace.UDP, From: end, To: end, Payload: fixtures.Named(vector)}})).To(BeTrue())
		var line bytes.Buffer
		Expect(report.DecodedJSON(&line, "x.pcap", &m)).To(Succeed())
		Expect(line.String()).To(ContainSubstring(`"name":"LAB.EXAMPLE","type":2,"ttl":3600,"nsd_name":"NS.LAB.EXAMPLE","nsd_ip_addr":"192.168.7.2"}`))
	},
		Entry("written out", "redirect"),
		Entry("by a pointer", "redirect-pointer"),
	)

	It("counts oddities as such, since a message may have several", func() {
		var m dissect.Message
		var s dissect.Stats
		end := netip.MustParseAddrPort("10.0.0.10:137")
		Expect(m.Read(&capture.Frame{Frame: trace.Frame{
			Kind: trace.UDP, From: end, To: end, Payload: []byte("\x85\x00\x00\x00"), Odd: []string{"a", "b"},
		}})).To(BeTrue())
		s.Add(&m)
		var out bytes.Buffer
		report.DecodedNote(report.NewPrinter(&out, false), report.Decoding{File: "x.pcap", Stats: &s})
		Expect(out.String()).To(Equal("x.pcap: 0 packets, 1 message, 1 could not be read to the end, 2 oddities\n"))
	})
})
