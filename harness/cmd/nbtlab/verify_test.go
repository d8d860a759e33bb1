// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
)

// verdict is a line of verify --json: these fields, and no others.
type verdict struct {
	Scenario, Case, Bug, Verdict, Why string
	Fixed                             sideOf
	Buggy                             *sideOf
	Controls                          []struct{ Name, Verdict, Why string }
}

type sideOf struct {
	Verdict    string
	FailedStep *struct {
		Line int
		Text string
	} `json:"failed_step"`
	Symptom    string
	Deviations int
	Violations []struct{ Invariant, Text string }
	Capture    string
	Difference string
}

// verdicts runs verify --json.
func verdicts(status int, args ...string) []verdict {
	GinkgoHelper()
	out := nbtlab(append([]string{"verify", "--json"}, args...)...)
	Expect(out).To(And(exitWith(status), HaveField("Stderr", "")))
	var list []verdict
	for _, line := range lines(out.Stdout) {
		var v verdict
		decode(line, &v)
		list = append(list, v)
	}
	return list
}

// casesOf are the cases of scenarios that ship, all if none is named.
func casesOf(scenarios ...string) (paths []string) {
	GinkgoHelper()
	all, err := harness.Shipped()
	Expect(err).NotTo(HaveOccurred())
	for _, s := range all {
		for i := range s.Cases {
			for _, name := range scenarios {
				if s.Name == name {
					paths = append(paths, harness.Path(s, &s.Cases[i]))
				}
			}
			if len(scenarios) == 0 {
				paths = append(paths, harness.Path(s, &s.Cases[i]))
			}
		}
	}
	return paths
}

// listed are the cases that the table of verify shows: what begins its rows.
func listed(out outcome) (paths []string) {
	GinkgoHelper()
	table, _, _ := strings.Cut(out.Stdout, "\n\n")
	for _, row := range lines(table + "\n")[1:] {
		paths = append(paths, strings.Fields(row)[0])
	}
	return paths
}

var _ = Describe("nbtlab verify", func() {
	It("verifies every scenario that ships", func() {
		out := nbtlab("verify")
		Expect(out).To(And(exitWith(exitAsExpected), HaveField("Stderr", "")))
		Expect(lines(out.Stdout)[0]).To(MatchRegexp(`^SCENARIO +BUG +VERDICT +FIXED +BUGGY +CONTROLS +HEADLINE *$`))
		Expect(listed(out)).To(Equal(casesOf()))
		Expect(out.Stdout).To(MatchRegexp(
			`\nq124565 +Q124565 +reproduced +pass, match +fail, match +2 pass +line 27: NRC_DUPNAME, no claim CHAT<20>\n`))
		Expect(out.Stdout).To(MatchRegexp(`\nq124565-controls/group +not Q124565 +holds +`))
		Expect(out.Stdout).To(MatchRegexp(`\n\n[0-9]+ reproduced, [0-9]+ holds\n$`))
		Expect(out.Stdout).NotTo(ContainSubstring("look at it"))
	})

	It("verifies the scenarios of a bug, one by name, several, and files", func() {
		write("mine.scenario", shipped("q124565"))
		Expect(nbtlab("record", "./mine.scenario")).To(exitWith(exitAsExpected))
		bug := listed(nbtlab("verify", "Q124565"))
		Expect(bug).To(ContainElements("q124565", "q124565-running", "q124565-controls/broadcast"))
		Expect(bug).NotTo(ContainElement("ms00-047"))
		Expect(listed(nbtlab("verify", "q124565"))).To(Equal([]string{"q124565"}))
		Expect(listed(nbtlab("verify", "q140419", "q124565-controls", "MS00-047"))).
			To(Equal(append(append([]string{"q140419"}, casesOf("q124565-controls")...), "ms00-047-release", "ms00-047")))
		out := nbtlab("verify", "./mine.scenario", "--pcaps", "pcaps")
		Expect(out).To(exitWith(exitAsExpected))
		Expect(listed(out)).To(Equal([]string{"mine"}))
		Expect(listed(nbtlabReading(shipped("q124565"), "verify", "-"))).To(Equal([]string{"-"}))
	})

	It("prints one object a line as JSON, with these fields and no others", func() {
		out := nbtlab("verify", "q124565", "--json")
		Expect(out).To(exitWith(exitAsExpected))
		Expect(lines(out.Stdout)).To(HaveLen(1))
		Expect(out.Stdout).To(HavePrefix(`{"scenario":"q124565","bug":"Q124565","verdict":"reproduced",` +
			`"fixed":{"verdict":"pass","capture":"match"},` +
			`"buggy":{"verdict":"fail","failed_step":{"line":27,"text":"pc add-name CHAT"},` +
			`"symptom":"NRC_DUPNAME, no claim CHAT<20>","deviations":3,`))
		Expect(out.Stdout).To(HaveSuffix(`"capture":"match"},` +
			`"controls":[{"name":"without-trigger","verdict":"pass"},{"name":"restart","verdict":"pass"}]}` + "\n"))
	})

	It("prints a line for each case, in the order of the table", func() {
		var paths []string
		for _, v := range verdicts(exitAsExpected) {
			paths = append(paths, v.Scenario)
			if v.Case != "" {
				paths[len(paths)-1] += "/" + strings.ReplaceAll(strings.ToLower(v.Case), " ", "-")
			}
			Expect(v.Verdict).To(BeElementOf("reproduced", "holds"))
			Expect(v.Why).To(BeEmpty())
			Expect(v.Fixed).To(Equal(sideOf{Verdict: "pass", Capture: "match"}))
			if v.Bug != "" {
				Expect(v.Buggy.Capture).To(Equal("match"))
			}
		}
		Expect(paths).To(Equal(casesOf()))
	})

	It("does not take the fixed model for a reproduction", func() {
		out := nbtlab("verify", "q124565", "--model", "fixed")
		Expect(out).To(And(exitWith(exitNot), show("not-reproduced", "look at it: nbtlab compare fixed fixed q124565\n")))
		for _, v := range verdicts(exitNot, "--model", "fixed") {
			if v.Scenario == "q124565-controls" || v.Bug == "" {
				Expect(v.Verdict).To(Equal("holds"))
				continue
			}
			Expect(v.Verdict).To(Equal("not-reproduced"))
			Expect(v.Buggy.Verdict).To(Equal("pass"))
			Expect(v.Buggy.Capture).To(Equal("differs"))
			Expect(v.Buggy.Difference).NotTo(BeEmpty())
		}
	})

	It("does not take another bug, or a variant that spares the trigger, for a reproduction", func() {
		for _, model := range []string{"MS00-047", "Q140419", "Q124565:before-registration=off"} {
			Expect(verdicts(exitNot, "q124565", "--model", model)[0].Verdict).NotTo(Equal("reproduced"), model)
		}
	})

	It("does not take another failure for a reproduction", func() {
		write("other.scenario", altered("q124565", "NRC_DUPNAME", "NRC_INUSE"))
		Expect(verdicts(exitNot, "./other.scenario")[0].Verdict).To(Equal("broken"))
	})

	It("gives the command that shows what is behind a verdict", func() {
		write("dir/other.scenario", altered("q124565", "NRC_DUPNAME", "NRC_INUSE"))
		out := nbtlab("verify", "dir/other.scenario", "--seed", "4", "--double", "0.1")
		Expect(out).To(exitWith(exitNot))
		_, rest, found := strings.Cut(out.Stdout, "    look at it: nbtlab ")
		Expect(found).To(BeTrue())
		command, _, _ := strings.Cut(rest, "\n")
		Expect(command).To(Equal("compare fixed Q124565 dir/other.scenario --seed 4 --double 0.1"))
		Expect(nbtlab(strings.Fields(command)...)).To(exitWith(exitNot))
		Expect(nbtlab("verify", "q124565-controls", "--model", "MS00-047", "--pcaps", ".")).
			To(show("look at it: nbtlab compare fixed MS00-047 q124565-controls --case another-name\n"))
	})

	It("compares with no recording when the run is not the recorded one", func() {
		v := verdicts(exitAsExpected, "q124565", "--seed", "5")[0]
		Expect(v.Fixed.Capture).To(BeEmpty())
		Expect(v.Buggy.Capture).To(BeEmpty())
	})

	It("cannot judge when the network swallows the trigger", func() {
		Expect(nbtlab("verify", "q124565", "--lose", "100")).To(exitWith(exitCannotJudge))
	})

	Describe("with recordings of one's own", func() {
		const fixed, buggy = "pcaps/q124565/fixed.pcap", "pcaps/q124565/Q124565.pcap"

		BeforeEach(func() { Expect(nbtlab("record", "q124565")).To(exitWith(exitAsExpected)) })

		It("finds them as they are", func() {
			Expect(verdicts(exitAsExpected, "q124565", "--pcaps", "pcaps")[0].Verdict).To(Equal("reproduced"))
		})

		DescribeTable("notices one that differs", func(file string) {
			c, err := capture.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			for i := range c.Frames {
				if payload := c.Frames[i].Payload; strings.Contains(string(payload), "anyone there?") {
					payload[len(payload)-1] = '!'
				}
			}
			Expect(capture.WriteFile(file, c.Frames)).To(Succeed())
			v := verdicts(exitNot, "q124565", "--pcaps", "pcaps")[0]
			Expect(v.Verdict).To(Equal("broken"))
			states := map[string]string{fixed: v.Fixed.Capture, buggy: v.Buggy.Capture}
			for name, state := range states {
				if name == file {
					Expect(state).To(Equal("differs"))
				} else {
					Expect(state).To(Equal("match"))
				}
			}
			Expect(v.Fixed.Difference + v.Buggy.Difference).To(ContainSubstring("anyone there!"))
		}, Entry("of the fixed model", fixed), Entry("of the buggy model", buggy))

		It("notices one that is the other's (bad-input 42)", func() {
			write(fixed, read(buggy))
			Expect(verdicts(exitNot, "q124565", "--pcaps", "pcaps")[0].Fixed.Capture).To(Equal("differs"))
		})

		DescribeTable("notices one that is missing", func(file string) {
			Expect(os.Remove(file)).To(Succeed())
			v := verdicts(exitNot, "q124565", "--pcaps", "pcaps")[0]
			Expect(v.Verdict).To(Equal("broken"))
			states := map[string]string{fixed: v.Fixed.Capture, buggy: v.Buggy.Capture}
			Expect(states).To(HaveKeyWithValue(file, "missing"))
			Expect(states).To(ContainElement("match"))
			Expect(v.Why).To(ContainSubstring("nbtlab record"))
		}, Entry("of the fixed model", fixed), Entry("of the buggy model", buggy))

		DescribeTable("cannot judge by one that is cut (bad-input 36)", func(file string) {
			whole := read(file)
			for _, size := range []int{len(whole) - 1, len(whole) - 30, len(whole) / 2, 30} {
				write(file, whole[:size])
				v := verdicts(exitCannotJudge, "q124565", "--pcaps", "pcaps")[0]
				Expect(v.Verdict).To(Equal("cannot-judge"))
				Expect(v.Why).To(ContainSubstring("cut at byte"))
			}
		}, Entry("of the fixed model", fixed), Entry("of the buggy model", buggy))

		It("refuses one that is none, and names it", func() {
			write(buggy, strings.Repeat("no capture ", 30))
			Expect(nbtlab("verify", "q124565", "--pcaps", "pcaps")).To(refuse("q124565/Q124565.pcap"))
			Expect(nbtlab("verify", "q124565", "--pcaps", "pcaps", "--bisect")).To(exitWith(exitCannotJudge))
		})

		It("refuses what may never end, and names it (bad-input 41)", func(SpecContext) {
			for _, create := range []func(string) error{fifo, linkTo("/dev/zero"), folder} {
				Expect(os.RemoveAll(buggy)).To(Succeed())
				Expect(create(buggy)).To(Succeed())
				Expect(nbtlab("verify", "q124565", "--pcaps", "pcaps")).To(refuse("q124565/Q124565.pcap"))
			}
		}, soon)

		It("refuses a folder that is none", func() {
			Expect(nbtlab("verify", "--pcaps", "nowhere")).To(refuse("--pcaps nowhere: no such file or directory"))
			Expect(nbtlab("verify", "--pcaps", fixed)).To(refuse("--pcaps " + fixed + ": not a folder"))
			Expect(nbtlab("verify", "--pcaps", filepath.Join(fixed, "x"))).To(refuse("not a directory"))
		})
	})

	Describe("for git bisect run", func() {
		It("exits with 125 where it would have exited with 2", func() {
			for _, args := range [][]string{
				{"nosuch"}, {"--pcaps", "nowhere"}, {"--model", "nosuch"}, {"--seed", "0"}, {"./none.scenario"},
			} {
				args = append([]string{"verify"}, args...)
				Expect(nbtlab(args...)).To(exitWith(exitUsage))
				Expect(nbtlab(append(args, "--bisect")...)).To(And(exitWith(exitCannotJudge), HaveField("Stderr", HavePrefix("nbtlab: "))))
			}
		})

		It("leaves the other statuses as they are", func() {
			Expect(nbtlab("verify", "q124565", "--bisect")).To(exitWith(exitAsExpected))
			Expect(nbtlab("verify", "q124565", "--bisect", "--model", "fixed")).To(exitWith(exitNot))
			Expect(nbtlab("verify", "q124565", "--bisect", "--lose", "100")).To(exitWith(exitCannotJudge))
		})
	})
})
