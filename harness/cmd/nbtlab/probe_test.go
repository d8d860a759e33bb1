// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// probed probes a node that is being served, in a hurry.
func probed(args ...string) outcome {
	GinkgoHelper()
	return nbtlab(append([]string{"probe", "127.78.0.1", "--ports", testPorts(), "--wait", "80ms", "--count", "100"}, args...)...)
}

// target serves a node that has CHAT, with somebody listening on it, and the group TEAM.
func target(args ...string) {
	GinkgoHelper()
	s := serve(append([]string{"--addr", "127.78.0.1/8", "--crash", "--name", "CHAT", "--listen", "CHAT", "--group", "TEAM<1e>"}, args...)...)
	Eventually(s.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("TEAM<1e> registered"))
	DeferCleanup(s.end)
}

// verdictOf returns what a table says of a check.
func verdictOf(out outcome, id string) string {
	GinkgoHelper()
	for _, line := range lines(out.Stdout) {
		if strings.HasPrefix(line, id+" ") {
			return line
		}
	}
	Fail("no check " + id + " in\n" + out.Stdout)
	return ""
}

var _ = Describe("nbtlab probe", func() {
	It("finds nothing wrong with a correct node, and has the traffic to show for it", func() {
		target()
		out := probed("--intrusive", "--pcap", "out.pcap")
		Expect(out).To(And(exitWith(exitAsExpected), show("127.78.0.1 has CHAT<20>, TEAM<1e> group\n", "48 ok\n"), HaveField("Stderr", "")))
		Expect(verdictOf(out, "defend")).To(MatchRegexp(`ACT_ERR +negative CHAT<20> ACT_ERR 127\.78\.0\.1 +ok +\d+-\d+$`))

		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Cut).To(BeNil())
		fields := strings.Fields(verdictOf(out, "session-nameless"))
		first, _, _ := strings.Cut(fields[len(fields)-1], "-")
		for _, f := range c.Frames {
			if text, err := json.Marshal(f.Number); err == nil && string(text) == first {
				Expect(f.Kind).To(Equal(trace.Connect), "the frames of the table are those of the capture")
			}
		}
	})

	It("tells a model with a bug from the correct one", Label("MS00-047"), func() {
		target("--model", "MS00-047")
		out := probed("--intrusive", "--only", "conflict,table")
		Expect(out).To(And(exitWith(exitNot), show("2 differs\n")))
		Expect(verdictOf(out, "conflict")).To(ContainSubstring("silence; then the name is not answered for any more  differs"))
	})

	It("is harmless by default, prints JSON for programs, and asks about the names that it is told", func() {
		target()
		By("what it holds back is counted")
		out := probed("--pcap", "out.pcap")
		Expect(out).To(And(exitWith(exitAsExpected), show("; 25 intrusive checks held back (--intrusive asks them)\n")))
		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		for _, f := range c.Frames {
			if f.Kind == trace.UDP && f.To.Port() == 137 {
				m, err := nbt.ParseNameMessage(f.Payload)
				Expect(err).NotTo(HaveOccurred())
				Expect(m.Kind()).To(BeElementOf(nbt.KindQuery, nbt.KindStatusRequest, nbt.KindClaim))
			}
		}

		By("a line of JSON for each check, and one for the target")
		out = probed("--json", "--only", "defend,query-group")
		Expect(out).To(exitWith(exitAsExpected))
		all := lines(out.Stdout)
		Expect(all).To(HaveLen(3))
		var check struct {
			Check, Title, Source, Expected, Seen, Verdict string
			Frames                                        []int
		}
		decode(all[1], &check)
		Expect(check.Check).To(Equal("defend"))
		Expect(check.Verdict).To(Equal("ok"))
		Expect(check.Frames).To(HaveLen(2))
		Expect(all[2]).To(Equal(`{"target":"127.78.0.1","names":["CHAT<20>","TEAM<1e> group"],"heard":true,"failed":0}`))

		By("names that it is told")
		out = probed("--only", "query,query-group,status", "--names", "NOBODY", "--names", "TEAM<1e>=group")
		Expect(out).To(And(exitWith(exitNot), show("127.78.0.1 has NOBODY<20>, TEAM<1e> group\n")))
		Expect(verdictOf(out, "query")).To(MatchRegexp("silence +no answer"))
		Expect(verdictOf(out, "query-group")).To(MatchRegexp(` ok +\d+-\d+$`))
		Expect(verdictOf(out, "status")).To(ContainSubstring("2 names, without NOBODY<20>"))
	})

	It("shows names for what they are, whatever they would do to a terminal (bad-input 59)", func() {
		s := serve("--addr", "127.78.0.1/8", "--crash", "--name", `\x1b]0;X\x07`)
		Eventually(s.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		DeferCleanup(s.end)
		Expect(probed("--only", "status,query,defend")).To(And(exitWith(exitAsExpected), show(`127.78.0.1 has \x1b]0;X\x07<20>`)))
	})

	It("cannot judge where nobody answers, and says whether the host is there", func() {
		out := nbtlab("probe", "127.78.0.9", "--ports", testPorts(), "--wait", "50ms")
		Expect(out).To(And(exitWith(exitCannotJudge),
			show("cannot judge: nothing came from 127.78.0.9; the host is there: it refuses connections on TCP port")))
	})

	It("warns of asking oneself", func() {
		out := nbtlab("probe", "127.78.0.9", "--from", "127.78.0.9", "--ports", testPorts(), "--wait", "10ms", "--only", "query-unheld")
		Expect(out).To(And(exitWith(exitCannotJudge), HaveField("Stderr", HavePrefix("127.78.0.9 is this very host: stacks ignore"))))
	})

	It("tells what it has found, and leaves its capture, when it is interrupted", func() {
		target()
		ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
		defer cancel()
		var stdout, stderr bytes.Buffer
		Expect(run(ctx, []string{"probe", "127.78.0.1", "--ports", testPorts(), "--pcap", "out.pcap"}, nil, &stdout, &stderr)).To(Equal(exitInterrupted))
		Expect(stdout.String()).To(And(ContainSubstring("ok "), ContainSubstring("the probe was interrupted"),
			HaveSuffix("interrupted: the checks that are left were not asked\n")))
		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Frames).NotTo(BeEmpty())
	})

	It("lists its checks, with what each of them sends", func() {
		out := nbtlab("probe", "--list")
		Expect(out).To(And(exitWith(exitAsExpected), show("conflict demand that answers no claim")))
		Expect(lines(out.Stdout)).To(HaveLen(1 + len(probe.Checks())))
		Expect(lines(nbtlab("probe", "--list", "--json").Stdout)).To(HaveLen(len(probe.Checks())))
	})

	DescribeTable("refuses",
		func(because string, args ...string) {
			Expect(nbtlab(append([]string{"probe"}, args...)...)).To(refuse(because))
		},
		Entry("to guess an address", "probe wants the IPv4 address of a host, got 0 arguments"),
		Entry("names", "fileserver is not an IPv4 address: probe takes no names", "fileserver"),
		Entry("IPv6", "::1 is not an IPv4 address", "::1"),
		Entry("everybody", "255.255.255.255 is not the address of one host", "255.255.255.255"),
		Entry("a broadcast address", "127.255.255.255 is the broadcast address of a network of this host", "127.255.255.255"),
		Entry("a check that there is not", `unknown check "nosuch" (known: status, `, "127.0.0.1", "--only", "nosuch"),
		Entry("an intrusive check that nobody allowed", "conflict is intrusive, it may do harm: say --intrusive", "127.0.0.1", "--only", "conflict"),
		Entry("a name that is none", `--names x<1g>: `, "127.0.0.1", "--names", "x<1g>"),
		Entry("not to wait", "--wait and --recovery want a time", "127.0.0.1", "--wait", "0s"),
		Entry("too much", "a count of 20001: want 1 to 20000", "127.0.0.1", "--count", "20001"),
		Entry("an address that is none", "--from nowhere: want an IPv4 address of this host", "127.0.0.1", "--from", "nowhere"),
		Entry("an address of another host", "192.0.2.1 is not an address of this host", "127.0.0.1", "--from", "192.0.2.1"),
		Entry("a capture that cannot be written", "cannot write /nonexistent/x.pcap: no such file or directory", "127.0.0.1", "--pcap", "/nonexistent/x.pcap"),
		Entry("ports that are none", `--ports 1,2: want three different ones`, "127.0.0.1", "--ports", "1,2"),
	)
})
