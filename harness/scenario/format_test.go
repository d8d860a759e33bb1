// SPDX-License-Identifier: MIT

package scenario_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

var _ = Describe("Formatting", func() {
	format := func(text string) string {
		GinkgoHelper()
		return string(scenario.Format(parse(text)))
	}

	It("aligns what is written by hand, and keeps its comments and blank lines", func() {
		Expect(format(theFirstBug)).To(Equal(strings.NewReplacer(
			"                      # LMHOSTS", "  # LMHOSTS",
			"x3          trigger", "x3  trigger",
			"names pc                   |", "names pc   |",
			"from pc                  |", "from pc  |",
			"claim CHAT from pc                |", "claim CHAT from pc  |",
		).Replace(theFirstBug)))
	})

	It("turns what means the same into one form", func() {
		Expect(format("\ufeff\r\n\r\n#title \r\nnode \tlonger 10.0.0.1/24 profile netbt sessions 3 names 07\r\n" +
			"profile netbt\r\nbug Q1 in pc#why\r\n\r\n\r\n\r\nnode pc 10.0.0.2/24 profile rfc1002\r\n" +
			"case \"one\"  \r\n" +
			"longer knows \"CHAT<20>\" at pc # near\r\n" +
			"pc add-name \\x43HAT<1D> x1\r\n" +
			"pc call CHAT as c from \"from\" trigger &\r\n" +
			"# above the arrow\r\n" +
			"->claim from longer within 1000ms,c any|Q1! no claim,ok #far\r\n" +
			"-> refusal CHAT<00> x3 code 0x6\r\n" +
			"  # below it\r\n" +
			"lan delay query x1 by 0.5s\r\n" +
			"after 3600s\r\n\r\n")).To(Equal(`#title
node     longer  10.0.0.1/24 names 7 sessions 3
profile  netbt
bug      Q1 in pc  #why

node     pc      10.0.0.2/24 profile rfc1002
case "one"
longer  knows     CHAT at pc                                       # near
pc      add-name  CHAT<1d>
pc      call      CHAT from "from" as c &  trigger
        # above the arrow
        -> claim from longer within 1s, c any  | Q1! no claim, ok  #far
        -> refusal CHAT<00> code 0x06 x3
# below it
lan     delay     query by 500ms
after   1h
`))
	})

	It("lets one long line not push all others aside", func() {
		long := `pc send-broadcast from A "` + strings.Repeat("x", 200) + `" trigger # long`
		Expect(format(withBug + "pc add-name A trigger # short\n" + long + "\npeer add-name B trigger\n" +
			"-> ok | Q1! NRC_DUPNAME\n")).To(ContainSubstring(
			"pc    add-name        A  trigger  # short\n" +
				`pc    send-broadcast  from A "` + strings.Repeat("x", 200) + "\"  trigger  # long\n" +
				"peer  add-name        B  trigger\n"))
	})

	DescribeTable("keeps the meaning, and changes nothing twice", func(text string) {
		s := parse(text)
		once := scenario.Format(s)
		again, err := scenario.Parse("spec.scenario", once)
		Expect(err).NotTo(HaveOccurred())
		Expect(meaning(again)).To(Equal(meaning(s)))
		Expect(string(scenario.Format(again))).To(Equal(string(once)))
	},
		Entry("of the first bug", theFirstBug),
		Entry("of every statement there is", everyStatement),
		Entry("of cases with their own LMHOSTS entries", twoHosts+
			"peer knows A at pc\ncase \"a\"\npeer knows B at pc # b\npc stop\n\n\ncase \"b\"\n# c\npc stop\n# d\n"),
		Entry("of a header in another order", "node peer 10.0.0.20/24\ncontrol none because \"a\\tb\"\n"+
			"node pc 10.0.0.10/24 # x\n# y\ncure restart\nprofile netbt\nbug Q1:a=b,c=d,Q2 in pc\n"+
			"pc stop\npeer stop\n-> release | Q1:a=b! no release | Q2: any\n"),
		Entry("of a line that alignment would make too long", withBug+"pc add-name A trigger\n-> ok | Q1! NRC_DUPNAME\n"+
			"pc add-name A trigger # "+strings.Repeat("c", 4072)+"\npeer send-broadcast from A \"b\"\n"),
		Entry("of a comment that belongs to an arrow and is too long to be indented", twoHosts+"pc reset\n#"+
			strings.Repeat("c", 4095)+"\n-> ok"+bothUsed),
	)

	It("does without alignment where it would make the file too long to be read again", func() {
		once := format(twoHosts + "peer send-datagram A from B \"c\"\n" +
			strings.Repeat("pc reset\n", 90_000) + strings.Repeat("# "+strings.Repeat("c", 100)+"\n", 2000))
		Expect(once).To(ContainSubstring("\npc reset\npc reset\n"))
		Expect(format(once)).To(Equal(once))
	})

	It("writes what a program made", func() {
		s := &scenario.Scenario{
			Bug: scenario.Bug{Model: "Q1", Node: 1}, Cure: true,
			Nodes: []scenario.Node{
				{Name: "a", Prefix: netip.MustParsePrefix("10.0.0.1/24"), Limits: netbios.Limits{Names: 3}},
				{Name: "bb", Prefix: netip.MustParsePrefix("10.0.0.2/24"), Profile: "netbt"},
			},
			Cases: []scenario.Case{{
				Title: "made", Slug: "made", Knows: []scenario.Knows{{Node: 0, Name: name("X"), At: 1}},
				Steps: []scenario.Step{
					{Node: 0, Verb: scenario.AddName, Name: name("X"), Times: 2, Trigger: true},
					{Node: scenario.LAN, Verb: scenario.After, Wait: 1e9, Times: 1, Expect: []scenario.Expectation{{
						Clauses: []scenario.Clause{scenario.Listed{Name: name("X"), Node: 1}},
						Alternatives: []scenario.Alternative{{
							Bug: "Q1", Headline: true,
							Clauses: []scenario.Clause{scenario.Listed{Not: true, Name: name("X"), Node: 1}},
						}},
					}}},
				},
			}},
		}
		Expect(string(scenario.Format(s))).To(Equal(`bug   Q1 in bb
cure  restart
node  a   10.0.0.1/24 names 3
node  bb  10.0.0.2/24 profile netbt
case "made"
a      knows     X at bb
a      add-name  X x2  trigger
after  1s
       -> X in names bb  | Q1! no X in names bb
`))
	})

	It("drops the comments of steps that a program took out, and only those", func() {
		s := parse(twoHosts + "# one\npc reset # first\n# two\npc reset x2 # second\n# three" + bothUsed)
		s.Cases[0].Steps = append(s.Cases[0].Steps[:1:1], s.Cases[0].Steps[2:]...)
		Expect(string(scenario.Format(s))).To(HaveSuffix("# one\npc    reset  # first\n# two\n# three\npc    stop\npeer  stop\n"))
	})

	It("finds nothing to change in the scenarios of this repository", func() {
		files, err := filepath.Glob("../../scenarios/*.scenario")
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			text, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			s, err := scenario.Parse(file, text)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(scenario.Format(s))).To(Equal(string(text)))
		}
	})
})
