// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// refuseFile matches an error in a scenario: its place on the first line, the offending line and a mark below it.
func refuseFile(place string, because ...string) types.GomegaMatcher {
	all := []types.GomegaMatcher{HavePrefix("nbtlab: " + place + ": "), MatchRegexp(`\A[^\n]+\n    [^\n]*\n    *\^+\n\z`)}
	for _, text := range because {
		all = append(all, ContainSubstring(text))
	}
	return And(exitWith(exitUsage), HaveField("Stdout", ""), HaveField("Stderr", And(all...)))
}

var _ = Describe("Wrong usage", func() {
	DescribeTable("is told on one line, and nothing is written", func(commandLine string, because ...string) {
		before := tree(".")
		Expect(nbtlab(strings.Fields(commandLine)...)).To(refuse(because...))
		Expect(tree(".")).To(Equal(before))
	},
		Entry("an unknown command", "ruin q124565", `unknown command "ruin"`),
		Entry("a shell that wants a word completed", "__complete run --", `unknown command "__complete"`),
		Entry("a shell that wants one completed after a flag", "--json __completeNoDesc run --", `unknown command "__completeNoDesc"`),
		Entry("an unknown flag", "run q124565 --modle buggy", "unknown flag: --modle", "nbtlab run --help"),
		Entry("an unknown flag of no command", "--version", "unknown flag: --version", "nbtlab --help"),
		Entry("an unknown short flag", "fmt -x", "unknown shorthand flag: 'x'"),
		Entry("a flag without its value", "run q124565 --model", "flag needs an argument: --model"),
		Entry("no scenario", "run", "run wants a scenario, got 0 arguments (see: nbtlab run --help)"),
		Entry("two scenarios", "run q124565 q140419", "run wants a scenario, got 2 arguments"),
		Entry("a model too few", "compare fixed q124565", "compare wants a model, another model, a scenario, got 2 arguments"),
		Entry("nothing to compare with", "check q124565", "check wants a capture: --against FILE"),
		Entry("no file to format", "fmt", "fmt wants a file, got 0 arguments (see: nbtlab fmt --help)"),
		Entry("an argument too many", "bugs q124565", `bugs takes flags alone, and got "q124565" besides (see: nbtlab bugs --help)`),
		Entry("an agent of no kind", "agent smbd", "agent smbd: there is no agent of that kind here, only of nmbd", "go doc ./harness/agent"),
		Entry("an agent with an argument too many", "agent nmbd me", `nmbd takes flags alone, and got "me" besides (see: nbtlab agent nmbd --help)`),

		Entry("an unknown scenario", "run q999 --pcap out --trace out2", `"q999"`, "q124565-exhaustion"),
		Entry("an unknown bug", "verify Q999", `"Q999"`),
		Entry("an unknown scenario among others", "verify q124565 q999", `"q999"`),
		Entry("a file that is not there", "run ./none.scenario", "./none.scenario", "no such file"),
		Entry("a folder for a scenario", "run ./", "./", "it is a directory"),
		Entry("a device for a scenario", "run /dev/zero", "/dev/zero", "not a regular file"),

		Entry("an unknown model", "run q124565 --model nosuch --pcap out --trace out2", `unknown model "nosuch" (there are fixed, buggy, `, "MS00-047"),
		Entry("an unknown model to compare", "compare fixed nosuch q124565", `"nosuch"`),
		Entry("an unknown model to verify", "verify --model nosuch", `"nosuch"`),
		Entry("a model in other letters", "run q124565 --model q124565:count=once", `did you mean "Q124565"?`),
		Entry("a bug for a scenario", "run Q124565", "Q124565 is a bug; its scenarios are q124565", "q124565-table"),
		Entry("nothing on standard input", "run -", "standard input is empty"),
		Entry("no model at all", "run q124565 --model=", `unknown model ""`),
		Entry("an unknown knob", "run q124565 --model Q124565:colour=red", `no knob "colour"`, "before-registration"),
		Entry("an unknown value of a knob", "run q124565 --model Q124565:count=twice", "twice", "once"),

		Entry("an agent of no device", "run q124565 --agent pc=true", "--agent is for a device: say which with --dut NODE=ADDRESS"),
		Entry("an agent of a node of ours", "run q124565 --at pc=127.0.0.1 --agent pc=true", "--agent is for a device"),
		Entry("a time for no agent", "run q124565 --agent-timeout 1s", "--agent-timeout is for a device"),
		Entry("what no device need not send", "run q124565 --need-not answer", "--need-not is for a device"),
		Entry("an early end of a simulated run", "run q124565 --fail-fast", "--fail-fast is for a run on a real network", "--dut NODE=ADDRESS", "--at"),
		Entry("ports of a simulated run", "run q124565 --ports 10137,10138,10139", "--ports is for a run on a real network"),
		Entry("two devices", "run q124565 --dut pc=127.0.0.1 --dut peer=127.0.0.2", "one device a run", "what two devices send to each other"),
		Entry("an address in a comparison of models", "compare fixed buggy q124565 --at pc=127.0.0.1", "--at is for a device", "live:ADDRESS"),
		Entry("an agent in a comparison of models", "compare fixed buggy q124565 --agent pc=true", "--agent is for a device", "live:ADDRESS"),
		Entry("a time in a comparison of models", "compare fixed buggy q124565 --agent-timeout 1s", "--agent-timeout is for a device"),
		Entry("ports in a comparison of models", "compare fixed buggy q124565 --ports 10137,10138,10139", "--ports is for a device"),
		Entry("a node in a comparison of models", "compare fixed buggy q124565 --node pc", "--node is for a device"),

		Entry("an unknown case", "run q124565-controls --case nosuch --pcap out", `no case "nosuch"`, "one-live-session"),
		Entry("a case of a scenario without", "run q124565 --case group", `"group"`),
		Entry("no case where there are several", "run q124565-controls", "7 cases", "--case"),

		Entry("a name that is bound to none", "run q124565 --bind CHAT --pcap out", "--bind CHAT", "want NAME=NAME"),
		Entry("a name too long to bind", "run q124565 --bind CHAT=ABCDEFGHIJKLMNOP", "--bind", "15"),
		Entry("a bad suffix to bind", "run q124565 --bind CHAT=X<1g>", "--bind", "<1g>"),
		Entry("any name bound to one", "run q124565 --bind *=FRIEND", "--bind *=FRIEND", "cannot be bound"),
		Entry("a name that the scenario has not", "run q124565 --bind NOBODY=X", "--bind NOBODY=X"),

		Entry("a percentage that is none", "run q124565 --lose NaN --pcap out", "--lose NaN", "0 to 100"),
		Entry("a percentage below 0", "run q124565 --double -1", "--double -1", "0 to 100"),
		Entry("a percentage above 100", "run q124565 --delay 101", "--delay 101", "0 to 100"),
		Entry("a percentage without end", "run q124565 --reorder Inf", "--reorder +Inf", "0 to 100"),
		Entry("a percentage in words", "run q124565 --lose half", `"half"`, "--lose"),
		Entry("a percentage to verify", "verify --lose 101", "--lose 101"),
		Entry("fields for people where a program reads", "decode x.pcap -v --json", "--verbose", "does not go with --json or --stats"),
		Entry("fields of messages that are counted", "decode x.pcap --stats --verbose", "--verbose", "does not go with --json or --stats"),
		Entry("a seed of 0", "run q124565 --seed 0 --trace out", "--seed 0", "from 1"),
		Entry("a seed below 0", "verify --seed -1", `"-1"`, "--seed"),
	)

	It("includes an unknown model that no scenario would ask for", func() {
		write("calm.scenario", "node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n"+
			"peer add-name X\npc find-name X\n  -> ok, answer X from peer\n")
		Expect(nbtlab("verify", "./calm.scenario", "--model", "nosuch")).To(refuse(`unknown model "nosuch"`))
		Expect(nbtlab("run", "./calm.scenario")).To(exitWith(exitAsExpected))
		Expect(nbtlab("run", "./calm.scenario", "--model", "buggy")).To(refuse("calm has no bug of its own"))
		Expect(nbtlab("run", "./calm.scenario", "--model", "Q124565")).To(refuse("which node"))
	})

	It("includes a FIFO for a scenario, which nobody writes to (bad-input 41)", func(SpecContext) {
		Expect(fifo("fifo.scenario")).To(Succeed())
		for _, args := range [][]string{
			{"run", "./fifo.scenario"},
			{"verify", "./fifo.scenario"},
			{"fmt", "fifo.scenario"},
			{"record", "fifo.scenario"},
			{"compare", "fixed", "buggy", "fifo.scenario"},
		} {
			Expect(nbtlab(args...)).To(refuse("fifo.scenario", "not a regular file"))
		}
	}, soon)

	It("includes standard input without end", func(SpecContext) {
		out := nbtlabReading(strings.Repeat("#\n", 1<<20), "run", "-")
		Expect(out).To(And(exitWith(exitUsage), HaveField("Stderr", HavePrefix("nbtlab: -:1:1: file of "))))
	}, soon)
})

var _ = Describe("A mistake in a scenario (bad-input 43 to 47)", func() {
	const header = "bug Q124565 in pc\nnode pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n"

	DescribeTable("is shown with its place, and nothing is run or written", func(_ SpecContext, text, place string, because ...string) {
		write("bad.scenario", text)
		before := tree(".")
		for _, args := range [][]string{
			{"run", "bad.scenario", "--pcap", "out", "--trace", "out2"},
			{"verify", "bad.scenario"},
			{"verify", "q124565", "./bad.scenario"},
			{"compare", "fixed", "fixed", "./bad.scenario"},
			{"record", "./bad.scenario"},
			{"check", "bad.scenario", "--against", "none"},
			{"verify", "bad.scenario", "--json"},
		} {
			path := "bad.scenario"
			if args[0] != "compare" && args[0] != "record" && args[1] != "q124565" {
				path = args[1]
			} else {
				path = "./" + path
			}
			Expect(nbtlab(args...)).To(refuseFile(path+":"+place, because...))
		}
		Expect(tree(".")).To(Equal(before))
	},
		Entry("an unknown verb", header+"pc ad-name CHAT\n", "4:4", `unknown verb "ad-name"`, "add-name", soon),
		Entry("an unknown node", header+"pcc add-name CHAT\n", "4:1", `"pcc"`, soon),
		Entry("an unknown code", header+"pc add-name CHAT\n-> NRC_DUPNAMES\n", "5:4", "NRC_DUPNAMES", soon),
		Entry("an argument too few", header+"pc add-name\n", "4:12", soon),
		Entry("an argument too many", header+"pc add-name CHAT NOW\n", "4:18", `"NOW"`, soon),
		Entry("an unknown bug", strings.ReplaceAll(shipped("q124565"), "Q124565", "Q999"), "6:7", "Q999", "MS00-047", soon),
		Entry("an unknown knob of a bug", altered("q124565", "bug   Q124565 ", "bug   Q124565:x=1 "), "6:7", `"x"`, soon),
		Entry("an unknown bug in an alternative", altered("q124565", "| Q124565: any", "| Q124566: any"), "22:37", "Q124566", soon),
		Entry("a node declared twice", "node pc 10.0.0.10/24\nnode pc 10.0.0.20/24\npc add-name X\n", "2:6", "twice", soon),
		Entry("a node that nothing uses", "node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\npc add-name X\n", "2:1", "peer is never used", soon),
		Entry("an address taken twice", "node pc 10.0.0.10/24\nnode peer 10.0.0.10/24\n", "2:11", "10.0.0.10", soon),
		Entry("a name of 16 bytes", header+"pc add-name ABCDEFGHIJKLMNOP\n", "4:13", "15", soon),
		Entry("a name of no bytes", header+"pc add-name \"\"\n", "4:13", soon),
		Entry("a suffix that is none", header+"pc add-name CHAT<1g>\n", "4:13", "1g", soon),
		Entry("a string without end", header+"peer send-datagram CHAT from X \"hello\n", "4:32", soon),
		Entry("a backslash with nothing to escape", header+"pc add-name \"\\q\"\n", "4:14", "bad escape", soon),
		Entry("a time below zero", header+"after -1s\n", "4:7", soon),
		Entry("a time that is none", header+"after NaN\n", "4:7", soon),
		Entry("a time without end", header+"after 1e400s\n", "4:7", soon),
		Entry("too many repetitions", header+"peer send-datagram A from B \"x\" x1000000000\n", "4:33", "x100000", soon),
		Entry("a line of 10 MB", header+"# "+strings.Repeat("x", 10<<20), "1:1", soon),
		Entry("a line too long", header+"# "+strings.Repeat("x", 5000)+"\n", "4:4097", "4096", soon),
		Entry("a million lines", strings.Repeat("\n", 1_000_000), "100001:1", "100000", soon),
		Entry("too many nodes", nodes(65), "65:1", "64", soon),
		Entry("a NUL", header+"pc add-name A\x00B\n", "4:14", `\x00`, soon),
		Entry("what is not UTF-8", header+"pc add-name A\xff\n", "4:14", `\xff`, soon),
		Entry("a control sequence in a comment", header+"# \x1b[2J\n", "4:3", soon),
		Entry("a direction override in a comment", header+"# \u202e\n", "4:3", soon),
		Entry("a letter that looks like another", header+"pc add-n\u0430me CHAT\n", "4:9", "U+0430", soon),
	)

	It("is no byte order mark, nor a line end of Windows", func() {
		write("windows.scenario", "\ufeff"+strings.ReplaceAll(shipped("q124565"), "\n", "\r\n"))
		Expect(nbtlab("run", "windows.scenario", "--model", "buggy")).To(And(exitWith(exitNot), show("NRC_DUPNAME")))
		Expect(nbtlab("fmt", "windows.scenario")).To(Equal(outcome{exitAsExpected, shipped("q124565"), ""}))
	})

	It("is an empty file", func() {
		write("empty.scenario", "")
		Expect(nbtlab("run", "empty.scenario")).To(And(exitWith(exitUsage), HaveField("Stdout", "")))
	})
})

// nodes are so many nodes, each on a line.
func nodes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("node n" + strings.Repeat("x", i%20) + string(rune('a'+i%26)) + string(rune('a'+i/26)) +
			" 10.0." + string(rune('0'+i/10)) + ".1" + string(rune('0'+i%10)) + "/16\n")
	}
	return b.String()
}

var _ = Describe("A place that cannot be written to (bad-input 50)", func() {
	BeforeEach(func() {
		write("file", "precious")
		Expect(folder("folder")).To(Succeed())
		Expect(fifo("fifo")).To(Succeed())
	})

	DescribeTable("is refused by name, and left as it is", func(_ SpecContext, path, because string) {
		before := tree(".")
		for _, flag := range []string{"--pcap", "--trace"} {
			Expect(nbtlab("run", "q124565", flag, path)).To(refuse("cannot write "+path+": ", because))
			Expect(nbtlab("run", "q124565", "--model", "buggy", "--json", flag, path)).To(refuse("cannot write "+path+": ", because))
		}
		Expect(tree(".")).To(Equal(before))
	},
		Entry("a folder", "folder", "it is a directory", soon),
		Entry("a folder with a slash", "folder/", "it is a directory", soon),
		Entry("a file that would have to be a folder", "file/out", "not a directory", soon),
		Entry("a folder that is not there", "nowhere/out", "no such file or directory", soon),
		Entry("a FIFO", "fifo", "not a regular file", soon),
	)

	It("is a file that can be written to", func() {
		Expect(nbtlab("run", "q124565", "--pcap", "file")).To(exitWith(exitAsExpected))
		c, err := capture.ReadFile("file")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Frames).To(HaveLen(27))
	})

	It("is a link, which is replaced rather than followed", func() {
		Expect(os.Symlink("file", "link")).To(Succeed())
		Expect(nbtlab("run", "q124565", "--trace", "link")).To(exitWith(exitAsExpected))
		Expect(read("file")).To(Equal("precious"))
		Expect(read("link")).To(HavePrefix(`{"nbtlab_trace":1,`))
	})
})

var _ = Describe("An error", func() {
	It("is told on one line, whatever is in it", func() {
		var stderr strings.Builder
		a := &app{stderr: &stderr}
		a.explain(os.NewSyscallError("two\nlines\x1b[2J", os.ErrClosed))
		Expect(stderr.String()).To(Equal("nbtlab: two; lines\\x1b[2J: file already closed\n"))
	})

	It("of a scenario is told with the line below", func() {
		var stderr strings.Builder
		_, err := scenario.Parse("x\n.scenario", []byte("nod\x1be\n"))
		(&app{stderr: &stderr}).explain(err)
		Expect(strings.Count(stderr.String(), "\n")).To(Equal(3))
		Expect(stderr.String()).To(And(HavePrefix(`nbtlab: x\x0a.scenario:1:`), beFitForATerminal()))
	})
})
