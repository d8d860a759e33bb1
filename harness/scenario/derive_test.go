// SPDX-License-Identifier: MIT

package scenario_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

func texts(steps []scenario.Step) []string {
	var out []string
	for i := range steps {
		out = append(out, steps[i].Text)
	}
	return out
}

var _ = Describe("Deriving from a scenario", func() {
	var s *scenario.Scenario

	BeforeEach(func() { s = parse(theFirstBug) })

	It("finds the headline", func() {
		step, expectation, ok := s.Headline(0)
		Expect(ok).To(BeTrue())
		Expect(step).To(Equal(7))
		Expect(expectation).To(Equal(0))
		_, _, ok = parse(twoHosts + bothUsed).Headline(0)
		Expect(ok).To(BeFalse())
	})

	It("leaves the triggers out, and the scenario as it was", func() {
		before := meaning(s)
		c := s.WithoutTriggers(0)
		Expect(texts(c.Steps)).To(Equal([]string{
			"peer add-name FRIEND", "pc add-name CHAT", "pc listen CHAT", "peer call CHAT from FRIEND as chat",
			"peer hang-up chat", "pc delete-name CHAT", "pc add-name CHAT",
		}))
		Expect(c.Knows).To(Equal(s.Cases[0].Knows))
		Expect(meaning(s)).To(Equal(before))
	})

	It("tells what a node has to be able to do for it", func() {
		needs := func(node int) []string {
			var list []string
			for _, n := range s.Needs(0, node) {
				list = append(list, s.Cases[0].Steps[n.Step].Text+": "+n.Verb.String())
			}
			return list
		}
		Expect(needs(0)).To(Equal([]string{
			"pc add-name CHAT: add-name", "pc listen CHAT: listen", "peer call CHAT from FRIEND as chat: listen",
			"pc delete-name CHAT: delete-name", "pc delete-name CHAT: adapter-status", "pc add-name CHAT: add-name",
		}))
		Expect(needs(1)).To(Equal([]string{
			"peer add-name FRIEND: add-name", "peer send-datagram CHAT from FRIEND \"anyone there?\": send-datagram",
			"peer call CHAT from FRIEND as chat: call", "peer hang-up chat: hang-up",
		}))

		By("counting names that it may never have had, but not what only a faulty stack is looked at for")
		s = parse("bug Q124565 in pc\ncontrol none because \"of the spec\"\nnode pc 10.0.0.10/24\nnode peer 10.0.0.20/24\npeer knows CHAT at pc\n" +
			"peer add-name FRIEND\npeer call CHAT from FRIEND\n -> NRC_NOCALL | Q124565! CHAT in names pc\npeer call OTHER from FRIEND\n -> any\n")
		Expect(needs(0)).To(Equal([]string{"peer call CHAT from FRIEND: listen"}))
	})

	It("restarts the bug's node before a step, and leaves the scenario as it was", func() {
		before := meaning(s)
		c := s.WithRestartBefore(0, 7)
		Expect(c.Steps).To(HaveLen(9))
		Expect(c.Steps[7]).To(Equal(scenario.Step{
			Pos: s.Cases[0].Steps[7].Pos, Text: "pc restart", Node: 0, Verb: scenario.Restart, Times: 1,
		}))
		Expect(c.Steps[8]).To(Equal(s.Cases[0].Steps[7]))
		Expect(meaning(s)).To(Equal(before))
	})

	It("tells a symptom with whole names and without nodes", func() {
		alternatives := s.Cases[0].Steps[7].Expect[0].Alternatives
		Expect(scenario.Symptom(alternatives[0].Clauses)).To(Equal("NRC_DUPNAME, no claim CHAT<20>"))
		e := expectation("pc receive-any * as it",
			`-> it pending, no "A B" in names pc unique, refusal A<1d> from pc to all code 0x06 x2 within 1s, data "x"`)
		Expect(scenario.Symptom(e.Clauses)).To(Equal(
			`it pending, no A B<20> in names pc unique, refusal A<1d> code 0x06 x2 within 1s, data "x"`))
	})
})

var _ = Describe("Binding a name to another", func() {
	const everywhere = "bug Q1 in pc\n" + twoHosts + `peer knows CHAT at pc
case "a"
peer knows CHAT at pc
pc add-name CHAT trigger
-> ok, claim CHAT, CHAT in names pc | Q1! NRC_DUPNAME, no claim CHAT, no CHAT in names pc
pc call CHAT from CHAT
pc listen OTHER from CHAT
pc inject datagram CHAT to peer from CHAT
lan lose claim CHAT
pc adapter-status CHAT
`

	It("replaces it wherever it stands", func() {
		s := parse(everywhere)
		bound, err := s.Bind(name("CHAT"), name("NBTLAB<1d>"))
		Expect(err).NotTo(HaveOccurred())
		Expect(meaning(bound)).NotTo(ContainSubstring("CHAT"))
		Expect(texts(bound.Cases[0].Steps)).To(Equal([]string{
			"pc add-name NBTLAB<1d>", "pc call NBTLAB<1d> from NBTLAB<1d>", "pc listen OTHER from NBTLAB<1d>",
			"pc inject datagram NBTLAB<1d> to peer from NBTLAB<1d>", "lan lose claim NBTLAB<1d>",
			"pc adapter-status NBTLAB<1d>",
		}))
		Expect(bound.Cases[0].Steps[0].Expect[0].Text).To(Equal("ok, claim NBTLAB<1d>, NBTLAB<1d> in names pc" +
			" | Q1! NRC_DUPNAME, no claim NBTLAB<1d>, no NBTLAB<1d> in names pc"))
		again, err := scenario.Parse("spec.scenario", scenario.Format(bound))
		Expect(err).NotTo(HaveOccurred())
		Expect(meaning(again)).To(Equal(meaning(bound)))
	})

	It("leaves the scenario as it was, and the positions", func() {
		s := parse(everywhere)
		before := meaning(s)
		bound, err := s.Bind(name("CHAT"), name("NBTLAB<1d>"))
		Expect(err).NotTo(HaveOccurred())
		Expect(meaning(s)).To(Equal(before))
		Expect(bound.Cases[0].Steps[0].Pos).To(Equal(s.Cases[0].Steps[0].Pos))
		Expect(scenario.NewError(bound, bound.Cases[0].Steps[0].Pos, "x").Line).To(Equal("pc add-name CHAT trigger"))
	})

	It("is the same as no binding when the name stays the same", func() {
		s := parse(everywhere)
		bound, err := s.Bind(name("CHAT"), name("CHAT"))
		Expect(err).NotTo(HaveOccurred())
		Expect(meaning(bound)).To(Equal(meaning(s)))
	})

	It("fails for a name that no step uses", func() {
		_, err := parse(everywhere).Bind(name("CHAT<00>"), name("X"))
		Expect(err).To(MatchError("scenario: spec: name CHAT<00> is not used"))
	})

	It("does not take the sixteen zero bytes of a field not used for a name", func() {
		_, err := parse(everywhere).Bind(netbios.Name{}, name("X"))
		Expect(err).To(MatchError(ContainSubstring("is not used")))
	})

	It("fails for the wildcard, which every LISTEN without a caller has", func() {
		_, err := parse(everywhere).Bind(netbios.Wildcard, name("X"))
		Expect(err).To(MatchError("scenario: spec: * stands for any name and cannot be bound"))
		_, err = parse(everywhere).Bind(name("CHAT"), netbios.Wildcard)
		Expect(err).To(HaveOccurred())
	})
})
