// SPDX-License-Identifier: MIT

package harness_test

import (
	"bytes"
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

// bad-input 29: what the network does to one frame may cost the verdict, and never turns it around.
var _ = Describe("A network that mistreats one frame", Label("Q124565"), func() {
	for _, name := range []string{"q124565", "q124565-running", "q124565-table", "q124565-refusal", "q124565-exhaustion", "q124565-p", "q124565-h"} {
		for _, fate := range []sim.Fate{sim.Lose, sim.Double, sim.Delay, sim.Reorder} {
			It(fmt.Sprintf("leaves the verdict on %s as it is, or undecided: each frame %s in turn", name, fate), func() {
				s := shipped(name)
				buggy := model(s, harness.Buggy)
				frames := max(
					len(harness.Perform(s, &s.Cases[0], model(s, "fixed"), harness.Options{}).Frames),
					len(harness.Perform(s, &s.Cases[0], buggy, harness.Options{}).Frames),
				)
				reproduced := 0
				for n := 1; n <= frames; n++ {
					v, err := harness.Verify(s, 0, buggy, pcaps.FS(), harness.Options{Perturb: []sim.Perturbation{{Frame: n, Do: fate}}})
					Expect(err).NotTo(HaveOccurred())
					Expect(v.Verdict).To(BeElementOf(check.Reproduced, check.CannotJudgeAll), "frame %d: %s", n, v.Why)
					if v.Verdict == check.Reproduced {
						reproduced++
					}
				}
				// The protocol repeats itself, so most single losses do not matter; a harness that gives up at each proves nothing.
				Expect(reproduced).To(BeNumerically(">=", frames*3/4), "of %d frames", frames)
			})
		}
	}

	It("has no correct stack accused of breaking a promise, whatever it does", func() {
		all, err := harness.Shipped()
		Expect(err).NotTo(HaveOccurred())
		for _, s := range all {
			for i := range s.Cases {
				for seed := uint64(1); seed <= 60; seed++ {
					o := harness.Options{Seed: seed, Odds: sim.Odds{Lose: 100, Double: 50, Delay: 50, Reorder: 50}}
					r := harness.Run(s, &s.Cases[i], fault.Set{}, o)
					Expect(r.Report.Violations).To(BeEmpty(), "%s, seed %d", harness.Path(s, &s.Cases[i]), seed)
					Expect(r.Report.Crash).To(BeEmpty())
				}
			}
		}
	})

	It("does not turn the verdict around when it loses, doubles, delays and reorders at random", func() {
		s := shipped("q124565")
		for seed := uint64(1); seed <= 60; seed++ {
			o := harness.Options{Seed: seed, Odds: sim.Odds{Lose: 100, Double: 50, Delay: 50, Reorder: 50}}
			v, err := harness.Verify(s, 0, model(s, harness.Buggy), pcaps.FS(), o)
			Expect(err).NotTo(HaveOccurred())
			Expect(v.Verdict).To(BeElementOf(check.Reproduced, check.CannotJudgeAll), "seed %d: %s", seed, v.Why)
			off, err := harness.Verify(s, 0, model(s, "fixed"), pcaps.FS(), o)
			Expect(err).NotTo(HaveOccurred())
			Expect(off.Verdict).To(BeElementOf(check.NotReproduced, check.CannotJudgeAll), "seed %d: %s", seed, off.Why)
		}
	})
})

// bad-input 31: a restart leaves nothing behind, wherever it comes.
var _ = Describe("A restart", Label("Q124565"), func() {
	DescribeTable("leaves the state of power-on behind at every step", func(scenarioName string) {
		s := shipped(scenarioName)
		for i, step := range s.Cases[0].Steps {
			c := s.WithRestartBefore(0, i)
			look := scenario.Step{Node: s.Bug.Node, Verb: scenario.AdapterStatus, Name: netbios.Wildcard, Size: 4096, Times: 1}
			c.Steps = slices.Insert(c.Steps, i+1, look)
			t := harness.Play(s, &c, model(s, harness.Buggy), harness.Options{})
			table, taken := afterStart(t, s.Bug.Node, i+1)
			Expect(table).NotTo(BeNil(), "before line %d", step.Pos.Line)
			Expect(netbios.ParseStatus(table)).To(BeEmpty(), "before line %d", step.Pos.Line)
			Expect(taken).To(BeZero(), "before line %d", step.Pos.Line)
		}
	},
		Entry("on a B node", "q124565"), Entry("on a P node", "q124565-p"), Entry("on an H node", "q124565-h"),
	)

	It("is the cure: the same steps behind it go as on a stack that never had the bug", func() {
		s := shipped("q124565")
		headline, _, _ := s.Headline(0)
		c := s.WithRestartBefore(0, headline)
		r := harness.Run(s, &c, model(s, harness.Buggy), harness.Options{})
		Expect(r.Report.From(headline + 1).Deviations()).To(BeZero())
		Expect(r.Report.Deviations()).NotTo(BeZero(), "before it the bug shows")
	})
})

// afterStart returns the name table that a node's ADAPTER STATUS gave in a step, and how many references the node has
// noted since its last start.
func afterStart(t *trace.Trace, node, step int) (table []byte, taken int) {
	for _, e := range t.Events {
		if int(e.Node) != node || int(e.Step) > step {
			continue
		}
		switch what := e.What.(type) {
		case trace.Started:
			taken = 0
		case stack.RefTaken:
			taken++
		case stack.Complete:
			if int(e.Step) == step {
				table = what.Data
			}
		}
	}
	return table, taken
}

var _ = Describe("A run", func() {
	It("is the same to the byte for the same seed, in parallel as well", func() {
		s := shipped("q124565")
		for _, name := range []string{"fixed", harness.Buggy} {
			set := model(s, name)
			first := fingerprint(s, set.String())
			same := make(chan bool)
			for range 8 {
				go func() { same <- fingerprint(s, set.String()) == first }()
			}
			for range 8 {
				Expect(<-same).To(BeTrue())
			}
		}
	})

	It("has other transaction identifiers for another seed", func() {
		s := shipped("q124565")
		one := harness.Perform(s, &s.Cases[0], model(s, "fixed"), harness.Options{Seed: 1}).Frames
		two := harness.Perform(s, &s.Cases[0], model(s, "fixed"), harness.Options{Seed: 2}).Frames
		Expect(one[0].Payload[:2]).NotTo(Equal(two[0].Payload[:2]))
		Expect(check.Compare(one, two)).To(BeEmpty())
	})

	It("can be driven again from its record, node by node", func() {
		all, err := harness.Shipped()
		Expect(err).NotTo(HaveOccurred())
		for _, s := range all {
			for i := range s.Cases {
				set := model(s, harness.Buggy)
				t := harness.Play(s, &s.Cases[i], set, harness.Options{})
				for node := range s.Nodes {
					Expect(harness.Redrive(t, node, harness.Fresh(s, &s.Cases[i], node, set, t))).To(BeZero(), "%s, %s", t.Scenario, s.Nodes[node].Name)
				}
			}
		}
	})

	It("cannot be driven again by a stack that decides otherwise", func() {
		s := shipped("q124565")
		t := harness.Play(s, &s.Cases[0], model(s, harness.Buggy), harness.Options{})
		Expect(harness.Redrive(t, 0, harness.Fresh(s, &s.Cases[0], 0, model(s, "fixed"), t))).NotTo(BeZero())
	})

	It("ends as exhausted when a stack never comes to rest", func() {
		s := shipped("q124565")
		r := harness.Run(s, &s.Cases[0], model(s, "fixed"), harness.Options{Make: through(spinning)})
		Expect(r.Report.Verdict()).To(Equal(check.CannotJudge))
		Expect(r.Report.CannotJudge).To(ContainSubstring("ended early"))
	})
})

// fingerprint is everything that a run leaves behind, as bytes.
func fingerprint(s *scenario.Scenario, name string) string {
	set, err := harness.Model(s, name)
	if err != nil {
		return err.Error()
	}
	run := harness.Perform(s, &s.Cases[0], set, harness.Options{})
	var all bytes.Buffer
	if err := run.Trace.WriteJSON(&all); err != nil {
		return err.Error()
	}
	if err := capture.Write(&all, run.Frames); err != nil {
		return err.Error()
	}
	return all.String()
}

// spinning sets a timer for now whenever it is stepped.
func spinning(_ int, s stack.Stack) stack.Stack {
	return &saboteur{s, func(_ stack.Input, out []stack.Output) []stack.Output {
		return append(out, stack.Arm{ID: 999})
	}}
}
