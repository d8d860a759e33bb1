// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
)

var _ = Describe("nbtlab run", func() {
	It("exits with 0 on the fixed model, which it takes if none is named", func() {
		out := nbtlab("run", "q124565", "--model", "fixed")
		Expect(out).To(And(exitWith(exitAsExpected), show("q124565 on fixed: pass", "seed 1"), HaveField("Stderr", "")))
		Expect(nbtlab("run", "q124565")).To(Equal(out))
	})

	It("exits with 1 on the buggy model, and shows the headline step, the code, and who holds the name", func() {
		out := nbtlab("run", "q124565", "--model", "buggy")
		Expect(out).To(And(exitWith(exitNot), HaveField("Stderr", "")))
		Expect(out).To(show("q124565 on Q124565: fail", "scenarios/q124565.scenario:27: pc add-name CHAT\n", "(the headline)"))
		Expect(out.Stdout).To(MatchRegexp(`pc add-name CHAT\n    expected  ok, claim CHAT.*\n    saw       0x0D NRC_DUPNAME\n`))
		Expect(out).To(show("ledger of pc at that step:\n    CHAT<20>  3 references\n"))
		for _, frame := range []string{"frame 5", "frame 6", "frame 7"} {
			Expect(out.Stdout).To(MatchRegexp(`held by datagram from FRIEND<20> at 10\.0\.0\.20, since [0-9.]+s, ` + frame +
				`, line 13: peer send-datagram CHAT from FRIEND "anyone there\?"\n`))
		}
	})

	It("gives the command that repeats a failed run", func() {
		args := []string{
			"run", "q124565", "--model", "Q124565:count=once", "--bind", "CHAT=NBTLAB", "--seed", "7", "--double", "0.5",
		}
		out := nbtlab(args...)
		Expect(out).NotTo(exitWith(exitAsExpected))
		_, again, found := strings.Cut(out.Stdout, "\nrepeat it: nbtlab ")
		Expect(found).To(BeTrue())
		Expect(strings.Fields(again)).To(Equal(args))
		Expect(nbtlab(strings.Fields(again)...)).To(Equal(out))
	})

	DescribeTable("quotes for a shell what it must", func(word, want string) { Expect(quote(word)).To(Equal(want)) },
		Entry("not a word", "./mine.scenario", "./mine.scenario"),
		Entry("nothing", "", "''"),
		Entry("a suffix", "CHAT=NBTLAB<1d>", "'CHAT=NBTLAB<1d>'"),
		Entry("a quote", "it's; rm", `'it'\''s; rm'`),
		Entry("a home", "~x", "'~x'"),
		Entry("what expands", "$(x)`y`*", "'$(x)`y`*'"),
	)

	It("writes the traffic to a file that reads back as the frames of the run", func() {
		Expect(nbtlab("run", "q124565", "--pcap", "out.pcap")).To(exitWith(exitAsExpected))
		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Cut).To(BeNil())
		Expect(c.Skipped).To(BeEmpty())
		s, err := harness.FindShipped("q124565")
		Expect(err).NotTo(HaveOccurred())
		model, err := harness.Model(s, "fixed")
		Expect(err).NotTo(HaveOccurred())
		frames := harness.Perform(s, &s.Cases[0], model, harness.Options{}).Frames
		Expect(c.Frames).To(HaveLen(len(frames)))
		for i, f := range frames {
			Expect(c.Frames[i]).To(And(HaveField("Kind", f.Kind), HaveField("Payload", f.Payload), HaveField("Number", f.Number)))
		}
	})

	It("writes the record of the run as JSON Lines, the version first", func() {
		Expect(nbtlab("run", "q124565", "--model", "buggy", "--trace", "out.jsonl")).To(exitWith(exitNot))
		text := read("out.jsonl")
		Expect(text).To(HavePrefix(`{"nbtlab_trace":1,`))
		events := map[any]int{}
		for i, line := range lines(text) {
			var object map[string]any
			Expect(json.Unmarshal([]byte(line), &object)).To(Succeed())
			if i > 0 {
				events[object["event"]]++
			}
		}
		Expect(len(events)).To(BeNumerically(">", 5))
		var head struct {
			Version  int `json:"nbtlab_trace"`
			Scenario string
			Model    string
			Seed     int
			Nodes    []struct{ Name, Prefix string }
		}
		decode(lines(text)[0], &head)
		Expect(head.Version).To(Equal(1))
		Expect(head.Scenario).To(Equal("q124565"))
		Expect(head.Model).To(Equal("Q124565"))
		Expect(head.Seed).To(Equal(1))
		Expect(head.Nodes).To(HaveLen(2))
	})

	It("writes the same bytes for the same seed", func() {
		for _, name := range []string{"a", "b"} {
			Expect(nbtlab("run", "q124565", "--seed", "9", "--lose", "5", "--pcap", name+".pcap", "--trace", name+".jsonl")).
				NotTo(exitWith(exitUsage))
		}
		Expect(read("a.pcap")).To(Equal(read("b.pcap")))
		Expect(read("a.jsonl")).To(Equal(read("b.jsonl")))
		Expect(nbtlab("run", "q124565", "--seed", "10", "--pcap", "b.pcap")).To(exitWith(exitAsExpected))
		Expect(read("a.pcap")).NotTo(Equal(read("b.pcap")))
	})

	It("takes the path of a file like a shipped name", func() {
		write("my/own.scenario", shipped("q124565"))
		own, known := nbtlab("run", "my/own.scenario", "--model", "buggy"), nbtlab("run", "q124565", "--model", "buggy")
		Expect(own.Status).To(Equal(known.Status))
		as := strings.NewReplacer("scenarios/q124565.scenario", "my/own.scenario", "run q124565", "run my/own.scenario",
			"q124565 on", "own on")
		Expect(own.Stdout).To(Equal(as.Replace(known.Stdout)))
		write("own.scenario", shipped("q124565"))
		Expect(nbtlab("run", "own.scenario")).To(exitWith(exitAsExpected))
	})

	It("reads standard input for -", func() {
		out := nbtlabReading(shipped("q124565"), "run", "-", "--model", "buggy")
		Expect(out).To(And(exitWith(exitNot), show("\n-:27: pc add-name CHAT\n", "repeat it: nbtlab run - --model buggy\n")))
	})

	It("runs the case that is named, by title or folder", func() {
		out := nbtlab("run", "q124565-controls", "--case", "one live session")
		Expect(out).To(And(exitWith(exitAsExpected), show("q124565-controls/one-live-session on fixed: pass")))
		Expect(nbtlab("run", "q124565-controls", "--case", "one-live-session")).To(Equal(out))
	})

	It("puts other names in the place of a scenario's", func() {
		out := nbtlab("run", "q124565", "--model", "buggy", "--bind", "CHAT=NBTLAB<1d>", "--bind", "FRIEND=YOU")
		Expect(out).To(And(exitWith(exitNot), show("pc add-name NBTLAB<1d>", "datagram from YOU<20>")))
		Expect(out.Stdout).NotTo(ContainSubstring("CHAT<"))
		Expect(out).To(show("--bind 'CHAT=NBTLAB<1d>' --bind FRIEND=YOU\n"))
	})

	It("exits with 125 when the run says nothing", func() {
		out := nbtlab("run", "q124565", "--model", "buggy", "--lose", "100")
		Expect(out).To(And(exitWith(exitCannotJudge), show("cannot-judge", "cannot judge: ", "repeat it: ")))
	})

	It("prints JSON of the same", func() {
		var got struct {
			Scenario, Model, Verdict, Symptom string
			Seed                              uint64
			FailedStep                        struct {
				Line int
				Text string
			} `json:"failed_step"`
			Deviations, Frames int
			Violations         []struct{ Invariant, Text string }
			Failed             []struct {
				Line                int
				Step, Expected, Saw string
				Frame               int
			}
			Ledger []struct{ Node, Name, Holder, Text string }
		}
		out := nbtlab("run", "q124565", "--model", "buggy", "--json")
		Expect(out).To(exitWith(exitNot))
		Expect(lines(out.Stdout)).To(HaveLen(1))
		decode(out.Stdout, &got)
		Expect(got.Verdict).To(Equal("fail"))
		Expect(got.FailedStep.Text).To(Equal("pc add-name CHAT"))
		Expect(got.Symptom).To(Equal("NRC_DUPNAME, no claim CHAT<20>"))
		Expect(got.Deviations).To(Equal(3))
		Expect(got.Failed).To(HaveLen(3))
		Expect(got.Failed[2].Saw).To(Equal("0x0D NRC_DUPNAME"))
		Expect(got.Ledger).To(HaveLen(3))
		for _, h := range got.Ledger {
			Expect(h.Node).To(Equal("pc"))
			Expect(h.Name).To(Equal("CHAT<20>"))
			Expect(h.Holder).To(Equal("datagram"))
		}
	})
})

var _ = Describe("$NBTLAB_ARTIFACTS", func() {
	BeforeEach(func() { GinkgoT().Setenv("NBTLAB_ARTIFACTS", "left/behind") })

	It("gets the traffic, the record and the report of a failed run", func() {
		out := nbtlab("run", "q124565", "--model", "buggy", "--pcap", "out.pcap", "--trace", "out.jsonl")
		Expect(names("left")).To(ConsistOf("left/behind/q124565.Q124565.pcap", "left/behind/q124565.Q124565.trace.jsonl",
			"left/behind/q124565.Q124565.txt"))
		Expect(read("left/behind/q124565.Q124565.pcap")).To(Equal(read("out.pcap")))
		Expect(read("left/behind/q124565.Q124565.trace.jsonl")).To(Equal(read("out.jsonl")))
		Expect(read("left/behind/q124565.Q124565.txt")).To(Equal(out.Stdout))
	})

	It("gets both runs behind a verdict that is not as it should be, and how to look at them", func() {
		out := nbtlab("verify", "q124565", "ms00-047", "--model", "Q124565:count=once")
		Expect(out).To(exitWith(exitNot))
		Expect(names("left")).To(ContainElements("left/behind/ms00-047.fixed.pcap", "left/behind/ms00-047.fixed.txt",
			"left/behind/ms00-047.Q124565_count_once.pcap", "left/behind/ms00-047.Q124565_count_once.trace.jsonl"))
		Expect(read("left/behind/ms00-047.Q124565_count_once.txt")).To(ContainSubstring("ms00-047 on Q124565:count=once: "))
	})

	It("gets nothing of a run that passes, nor of a verdict as it should be", func() {
		Expect(nbtlab("run", "q124565")).To(exitWith(exitAsExpected))
		Expect(nbtlab("verify")).To(exitWith(exitAsExpected))
		Expect("left").NotTo(BeADirectory())
	})

	It("says so when it is no place for artifacts", func() {
		write("file", "")
		GinkgoT().Setenv("NBTLAB_ARTIFACTS", "file/below")
		Expect(nbtlab("run", "q124565", "--model", "buggy")).To(refuse("cannot write artifacts to file/below: not a directory"))
	})
})

// nowhere is a writer that takes nothing, as a pipe whose reader is gone.
type nowhere struct{}

func (nowhere) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

var _ = Describe("A closed standard output (bad-input 65)", func() {
	DescribeTable("ends a command quietly", func(args ...string) {
		var stderr strings.Builder
		status := run(context.Background(), args, strings.NewReader(shipped("q124565")), nowhere{}, &stderr)
		Expect(status).To(Equal(exitUsage))
		Expect(stderr.String()).To(Equal("nbtlab: io: read/write on closed pipe\n"))
	},
		Entry(nil, "run", "q124565"),
		Entry(nil, "run", "q124565", "--model", "buggy", "--json"),
		Entry(nil, "verify", "q124565"),
		Entry(nil, "verify", "q124565", "--json"),
		Entry(nil, "compare", "fixed", "buggy", "q124565"),
		Entry(nil, "compare", "fixed", "buggy", "q124565", "--json"),
		Entry(nil, "record", "q124565"),
		Entry(nil, "bugs"),
		Entry(nil, "bugs", "--json"),
		Entry(nil, "bugs", "--markdown"),
		Entry(nil, "fmt", "-"),
	)

	It("ends help quietly", func() {
		for _, args := range [][]string{{}, {"--help"}, {"help", "run"}, {"verify", "--help"}} {
			Expect(run(context.Background(), args, strings.NewReader(""), nowhere{}, nowhere{})).NotTo(Equal(exitNot))
		}
	})
})
