// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("nbtlab explain", func() {
	explain := func(path string, args ...string) outcome {
		GinkgoHelper()
		write("given.pcap", committed(path))
		return nbtlab(append([]string{"explain", "given.pcap"}, args...)...)
	}

	It("tells the hosts, the lives of their names, the sessions and the bugs", func() {
		Expect(explain("q124565/fixed.pcap")).To(And(exitWith(exitAsExpected), HaveField("Stderr", ""), show(
			"given.pcap: 27 frames of NBT in 34 packets, 2 hosts\n",
			"\nQ124565: not shown at frame 28\n",
			"    10.0.0.10: not shown at frame 28: CHAT<20> got 3 direct datagrams before any session, from frame 5 on, and was released",
			"\nMS00-047: no evidence either way\n    nothing brings it out at 2 hosts; that takes a name conflict demand",
			"\n10.0.0.10  B node, 16 frames sent, 5 to 34, 1 name\n",
			"  CHAT<20>  unique  claimed frame 11, 2.750000s (4x)", "released frame 28, 7.500400s (3x, to frame 30)",
			"claimed again frame 31, 8.500400s (4x), 500ms after the last release",
			"\n10.0.0.20 FRIEND<20>  10.0.0.10 CHAT<20>  18-22   1         0        1         5\n",
		)))
	})

	It("says where there is no evidence what would decide", func() {
		Expect(explain("q124565/Q124565.pcap")).To(And(exitWith(exitAsExpected), show(
			"\nQ124565: no evidence either way\n", "        would decide: when the application that uses CHAT<20> exited, and a query")))
	})

	It("tells where a bug shows", func() {
		Expect(explain("ms00-047/MS00-047.pcap")).To(And(exitWith(exitAsExpected), show("\nMS00-047: shown at frame 6\n")))
		Expect(explain("q140419/Q140419.pcap")).To(And(exitWith(exitAsExpected), show("\nQ140419: shown at frame 9\n")))
	})

	It("tells of one host, if only that is wanted", func() {
		out := explain("q124565/fixed.pcap", "--host", "10.0.0.20")
		Expect(out).To(And(exitWith(exitAsExpected), show("1 host\n", "\n10.0.0.20  B node")))
		Expect(out.Stdout).NotTo(ContainSubstring("\n10.0.0.10  B node"))
		Expect(nbtlab("explain", "given.pcap", "--host", "nowhere")).To(refuse("--host nowhere: want an IPv4 address"))
	})

	It("prints lines of JSON that say of what kind they are", func() {
		out := explain("q124565/fixed.pcap", "--json")
		Expect(out).To(exitWith(exitAsExpected))
		kinds := map[string]int{}
		for _, line := range lines(out.Stdout) {
			var x struct{ Kind string }
			Expect(json.Unmarshal([]byte(line), &x)).To(Succeed())
			kinds[x.Kind]++
		}
		Expect(kinds).To(Equal(map[string]int{"capture": 1, "bug": 3, "host": 2, "name": 2, "sessions": 1}))
		Expect(out).To(show(`"after_release":0.5`, `"word":"not shown"`))
	})

	It("reads standard input", func() {
		Expect(nbtlabReading(committed("q124565/fixed.pcap"), "explain", "-")).To(And(exitWith(exitAsExpected), show("-: 27 frames")))
	})

	It("tells of a capture that is cut how far it goes", func() {
		whole := committed("q124565/fixed.pcap")
		write("cut.pcap", whole[:len(whole)-7])
		Expect(nbtlab("explain", "cut.pcap")).To(And(exitWith(exitAsExpected), show("the capture is cut at byte ", "Q124565: not shown")))
	})

	It("tells what there is when it is interrupted", func() {
		write("given.pcap", committed("q124565/fixed.pcap"))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var stdout, stderr strings.Builder
		Expect(run(ctx, []string{"explain", "given.pcap"}, strings.NewReader(""), &stdout, &stderr)).To(
			Or(Equal(exitInterrupted), Equal(exitUsage)))
	})
})
