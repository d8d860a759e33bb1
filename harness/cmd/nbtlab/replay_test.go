// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/nbtlab/nbtlab/harness/capture"
)

const (
	pcHost     = "10.0.0.10"
	samba      = "10.77.0.1"
	thenDelete = "recorded/nmbd-datagram-then-delete.pcap"
)

var _ = Describe("nbtlab replay", func() {
	// replay replays a committed capture.
	replay := func(path string, args ...string) outcome {
		GinkgoHelper()
		write("given.pcap", committed(path))
		return nbtlab(append([]string{"replay", "given.pcap", "--host", pcHost}, args...)...)
	}

	DescribeTable("tells by its status what explains a capture",
		func(path string, status int, args []string, texts ...string) {
			Expect(replay(path, args...)).To(And(exitWith(status), show(texts...), HaveField("Stderr", "")))
		},
		Entry("fixed alone", "q124565/fixed.pcap", exitAsExpected, nil,
			"given.pcap, host 10.0.0.10: fixed explains it\n", "Q124565   no ", "frame 28: ", "MS00-047  not tried"),
		Entry("several: a fact is missing", "q124565/Q124565.pcap", exitCannotJudge, nil,
			"several explain it: fixed, Q124565\n",
			"missing: no evidence of when CHAT<20> was deleted: a query for it after the application's exit would tell"),
		Entry("the fault alone, once the calls are known", "q124565/Q124565.pcap", exitNot, []string{"--calls", "q124565"},
			"Q124565 explains it\n", "after frame 26 it sends name release request CHAT<20>"),
		Entry("MS00-047 without help", "ms00-047/MS00-047.pcap", exitNot, nil,
			"MS00-047 explains it\n", "Q140419   only if      if it was stopped in order between frames 4 and 5"),
		Entry("Q140419 without help", "q140419/Q140419.pcap", exitNot, nil,
			"Q140419 explains it, if it was stopped in order between frames 8 and 9\n"),
		Entry("no model", "q140419/Q140419.pcap", exitNot, []string{"--against", "fixed,MS00-047"},
			"no model explains it\n", "first difference, at frame 9, of fixed:", "EXPECTED", "> NB_ADDRESS   10.0.0.10"),
		Entry("a model with knobs", "q124565/fixed.pcap", exitNot, []string{"--against", "Q124565:count=once,window=always"},
			"Q124565:count=once,window=always"),
	)

	It("tells of a real stack what was tolerated, and only with its profile", func() {
		write("given.pcap", committed(thenDelete))
		out := nbtlab("replay", "given.pcap", "--host", samba, "--profile", "samba-4.17")
		Expect(out).To(And(exitWith(exitAsExpected), show("fixed explains it", "Q124565   no ", "frame 302: ",
			"tolerated with the profile samba-4.17, by fixed:", "one-release           10x  nmbd broadcasts")))
		out = nbtlab("replay", "given.pcap", "--host", samba)
		Expect(out).To(And(exitWith(exitNot), show("no model explains it")))
		Expect(out.Stdout).NotTo(ContainSubstring("tolerated with"))
	})

	It("prints one object of JSON", func() {
		out := replay("q124565/Q124565.pcap", "--json")
		Expect(out).To(exitWith(exitCannotJudge))
		var line struct {
			File, Host, Verdict string
			ExplainedBy         []string `json:"explained_by"`
			Why                 string
			Missing             []string
			Frames, Sent        int
			Models              []struct {
				Model, Finding, Why                                string
				Assumed                                            []string
				Explained, Inferred, Tolerated, Unexplained, Apart int
				First                                              *struct {
					Frame          int
					Expected, Seen string
					Fields         []string
				} `json:"first_difference"`
			}
		}
		decode(out.Stdout, &line)
		Expect(line.Verdict).To(Equal("several"))
		Expect(line.ExplainedBy).To(Equal([]string{"fixed", "Q124565"}))
		Expect(line.Missing).To(HaveLen(1))
		Expect(line.Models).To(HaveLen(4))
		Expect(line.Models[0].Explained).To(Equal(7))
		out = replay("q140419/Q140419.pcap", "--json", "--against", "fixed")
		decode(out.Stdout, &line)
		Expect(line.Verdict).To(Equal("none"))
		Expect(line.Models[0].First.Frame).To(Equal(9))
		Expect(line.Models[0].First.Seen).To(BeEmpty())
	})

	It("reads standard input", func() {
		out := nbtlabReading(committed("q124565/fixed.pcap"), "replay", "-", "--host", pcHost)
		Expect(out).To(And(exitWith(exitAsExpected), show("-, host 10.0.0.10: fixed explains it")))
	})

	It("cannot judge a capture that is cut, and tells how far it goes", func() {
		whole := committed("q124565/fixed.pcap")
		write("cut.pcap", whole[:len(whole)-7])
		out := nbtlab("replay", "cut.pcap", "--host", pcHost)
		Expect(out).To(And(exitWith(exitCannotJudge), show("cannot judge: the capture is cut at byte ", "Q124565   no ")))
	})

	It("cannot judge a host that is not there", func() {
		write("given.pcap", committed("q124565/fixed.pcap"))
		Expect(nbtlab("replay", "given.pcap", "--host", "192.0.2.9")).To(And(exitWith(exitCannotJudge),
			show("cannot judge: 192.0.2.9 is not in the capture; in it are 10.0.0.20")))
	})

	DescribeTable("refuses what it cannot work with",
		func(because string, args ...string) {
			write("given.pcap", committed("q124565/fixed.pcap"))
			Expect(nbtlab(append([]string{"replay"}, args...)...)).To(refuse(because))
		},
		Entry("no capture", "wants a capture"),
		Entry("no host", "--host IP", "given.pcap"),
		Entry("a host that is none", "--host 10.0.0: want an IPv4 address", "given.pcap", "--host", "10.0.0"),
		Entry("an unknown model", "unknown model", "given.pcap", "--host", pcHost, "--against", "fixed,Q1"),
		Entry("an unknown profile", `unknown profile "samba-9" (there are rfc1002,`, "given.pcap", "--host", pcHost, "--profile", "samba-9"),
		Entry("calls of nobody", "no scenario", "given.pcap", "--host", pcHost, "--calls", "nosuch"),
		Entry("calls of another host", "has no node at 10.0.0.99", "given.pcap", "--host", "10.0.0.99", "--calls", "plain.scenario"),
		Entry("a bound that is none", "--max-bytes", "given.pcap", "--host", pcHost, "--max-bytes", "-1"),
	)

	BeforeEach(func() {
		write("plain.scenario", "# Nothing.\n\nnode  pc  10.0.0.10/24\n\npc  add-name  CHAT\n")
	})
})

// readers are the commands that read a capture, with all they need but its name.
var readers = [][]string{{"replay", "--host", pcHost}, {"explain"}, {"script", "--host", pcHost}}

var _ = Describe("Bad captures", func() {
	each := func(file string, want types.GomegaMatcher) {
		GinkgoHelper()
		for _, command := range readers {
			Expect(nbtlab(append([]string{command[0], file}, command[1:]...)...)).To(want, strings.Join(command, " "))
		}
	}

	It("that promise what they do not have cost nothing (bad-input 34)", func() {
		whole := committed("q124565/fixed.pcap")
		write("huge.pcap", whole[:24]+"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x40")
		each("huge.pcap", Or(exitWith(exitCannotJudge), exitWith(exitAsExpected)))
	})

	It("are refused when they are none (bad-input 36)", func() {
		for file, text := range map[string]string{
			"empty.pcap": "", "noise.pcap": strings.Repeat("noise", 60), "head.pcap": committed("q124565/fixed.pcap")[:20],
		} {
			write(file, text)
			each(file, refuse())
		}
	})

	It("are refused when they are no regular file (bad-input 41)", func() {
		Expect(os.Mkdir("folder", 0o755)).To(Succeed())
		Expect(os.Symlink("loop.pcap", "loop.pcap")).To(Succeed())
		for _, file := range []string{"folder", "loop.pcap", "nosuch.pcap", "/dev/zero"} {
			each(file, refuse())
		}
	})

	It("that are hostile are printed escaped (bad-input 59, 60)", func() {
		Expect(capture.WriteFile("hostile.pcap", hostileTraffic())).To(Succeed())
		each("hostile.pcap", Not(exitWith(exitUsage)))
		for _, command := range readers {
			if command[0] == "script" {
				continue // has no JSON
			}
			out := nbtlab(append([]string{command[0], "hostile.pcap", "--json"}, command[1:]...)...)
			Expect(out.Stdout).NotTo(ContainSubstring("\x1b"))
		}
	})
})
