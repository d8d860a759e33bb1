// SPDX-License-Identifier: MIT

package harness_test

import (
	"bytes"
	"io/fs"
	"strings"
	"testing/fstest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/pcaps"
	"github.com/nbtlab/nbtlab/scenarios"
)

// verify returns the verdict on a shipped scenario of one case with a model in the place of its bug.
func verify(name, faulty string, o harness.Options) harness.Verification {
	GinkgoHelper()
	s := shipped(name)
	v, err := harness.Verify(s, 0, model(s, faulty), pcaps.FS(), o)
	Expect(err).NotTo(HaveOccurred())
	return v
}

// edited returns the verdict on a shipped scenario whose text has been changed. Its recordings no longer count.
func edited(name string, edits ...string) harness.Verification {
	GinkgoHelper()
	s := loaded(name, edits...)
	v, err := harness.Verify(s, 0, model(s, harness.Buggy), pcaps.FS(), harness.Options{Seed: 2})
	Expect(err).NotTo(HaveOccurred())
	return v
}

// loaded returns a shipped scenario whose text has been changed.
func loaded(name string, edits ...string) *scenario.Scenario {
	GinkgoHelper()
	src, err := fs.ReadFile(scenarios.FS(), name+scenarios.Extension)
	Expect(err).NotTo(HaveOccurred())
	for i := 0; i < len(edits); i += 2 {
		Expect(string(src)).To(ContainSubstring(edits[i]))
	}
	text := strings.NewReplacer(edits...).Replace(string(src))
	s, err := harness.Load(name+scenarios.Extension, []byte(text))
	Expect(err).NotTo(HaveOccurred())
	return s
}

// The verdict is tested by breaking what it watches.
var _ = Describe("A verdict", func() {
	It("is not-reproduced when the fault is switched off", Label("Q124565"), func() {
		v := verify("q124565", "fixed", harness.Options{})
		Expect(v.Verdict).To(Equal(check.NotReproduced))
	})

	DescribeTable("is never a reproduction of one bug when another is in its place",
		func(name, other string) {
			v := verify(name, other, harness.Options{})
			Expect(v.Verdict).To(Equal(check.Broken), v.Why)
		},
		Entry(nil, "q124565", "MS00-047"), Entry(nil, "q124565", "Q140419"),
		Entry(nil, "q124565-table", "MS00-047"), Entry(nil, "ms00-047", "Q124565"),
		Entry(nil, "ms00-047", "Q140419"), Entry(nil, "q140419", "Q124565"), Entry(nil, "q140419", "MS00-047"),
	)

	It("is broken when another fault shows in the place of the bug", func() {
		// The stop of Q140419's script shows nothing of MS00-047; a conflict demand in it does.
		v := edited("q140419",
			"Q140419 in pc", "MS00-047 in pc",
			"pc    stop", "peer  inject conflict-demand CHAT to pc\npc    stop",
			"| Q140419!", "| MS00-047!")
		Expect(v.Verdict).To(Equal(check.Broken), v.Why)
	})

	It("is broken when the fault deviates further than pinned", Label("Q124565"), func() {
		By("a knob that has the name listed as deregistered, and so no longer defended")
		v := verify("q124565-table", "Q124565:delete-reports=0F", harness.Options{Seed: 2})
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(ContainSubstring("line"))

		By("an expectation that fails and is not pinned")
		v = edited("q124565", "      -> no CHAT in names pc      | Q124565: CHAT in names pc", "      -> no CHAT in names pc")
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(And(ContainSubstring("line 21: pc delete-name CHAT"), ContainSubstring("not part of this bug")))
	})

	It("is broken when a pinned symptom shows differently, or not at all", Label("Q124565"), func() {
		v := edited("q124565", "NRC_DUPNAME", "NRC_INUSE")
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(ContainSubstring("0x0D NRC_DUPNAME"))

		v = edited("q124565", "-> ok                       | Q124565: any", "-> ok | Q124565: NRC_ACTSES")
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(ContainSubstring("this part of the bug did not show"))
	})

	It("is broken when a control shows the bug", Label("Q124565"), func() {
		v := edited("q124565", "x3  trigger", "x3  trigger\npeer send-datagram CHAT from FRIEND \"once more\"")
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(HavePrefix("control without-trigger: "))
	})

	It("is broken when the fixed model forgets one release", Label("Q124565"), func() {
		v := verify("q124565", harness.Buggy, harness.Options{Make: through(forgetOneRelease)})
		Expect(v.Fixed.Report.Verdict()).To(Equal(check.Fail))
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(And(HavePrefix("the fixed model does not do as expected"), ContainSubstring("release CHAT")))
	})

	It("is broken when a promise of a correct stack is broken that no expectation looks at", func() {
		v := edited("q124565", "release CHAT from pc x3", "release CHAT from pc")
		Expect(v.Verdict).To(Equal(check.Reproduced), v.Why)

		src, err := fs.ReadFile(scenarios.FS(), "q124565.scenario")
		Expect(err).NotTo(HaveOccurred())
		s, err := harness.Load("q124565.scenario", bytes.ReplaceAll(src, []byte("release CHAT from pc x3"), []byte("release CHAT from pc")))
		Expect(err).NotTo(HaveOccurred())
		loose, err := harness.Verify(s, 0, model(s, harness.Buggy), pcaps.FS(), harness.Options{Seed: 2, Make: through(forgetOneRelease)})
		Expect(err).NotTo(HaveOccurred())
		Expect(loose.Verdict).To(Equal(check.Broken))
		Expect(loose.Why).To(ContainSubstring("release-on-free: CHAT<20> became free, and 2 releases were sent, want 3"))
	})

	It("is broken when the stack crashes", func() {
		v := verify("q124565", harness.Buggy, harness.Options{Make: through(crashAtDelete)})
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(ContainSubstring("the stack crashed: out of order"))
		Expect(v.Fixed.Report.Crash).To(ContainSubstring("out of order"))
	})

	It("is broken when a recorded capture is missing, and cannot be made when it is cut", func() {
		s := shipped("q124565")
		v, err := harness.Verify(s, 0, model(s, harness.Buggy), fstest.MapFS{}, harness.Options{})
		Expect(err).NotTo(HaveOccurred())
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(ContainSubstring("nbtlab record"))

		cut := fstest.MapFS{}
		for _, name := range []string{"q124565/fixed.pcap", "q124565/Q124565.pcap"} {
			b, err := fs.ReadFile(pcaps.FS(), name)
			Expect(err).NotTo(HaveOccurred())
			cut[name] = &fstest.MapFile{Data: b[:len(b)-7]}
		}
		v, err = harness.Verify(s, 0, model(s, harness.Buggy), cut, harness.Options{})
		Expect(err).NotTo(HaveOccurred())
		Expect(v.Verdict).To(Equal(check.CannotJudgeAll))
	})

	It("cannot be made when the trigger does not arrive", Label("Q124565"), func() {
		s := shipped("q124565-refusal") // its trigger is a single datagram
		trigger := 0
		for i, f := range harness.Perform(s, &s.Cases[0], model(s, "fixed"), harness.Options{}).Frames {
			if f.To.Port() == stack.DatagramPort && trigger == 0 {
				trigger = i + 1
			}
		}
		v := verify("q124565-refusal", harness.Buggy, harness.Options{Perturb: []sim.Perturbation{{Frame: trigger, Do: sim.Lose}}})
		Expect(v.Verdict).To(Equal(check.CannotJudgeAll))
		Expect(v.Why).To(ContainSubstring("the trigger was not delivered"))
	})
})

// saboteur stands in front of a stack and changes what comes out of it.
type saboteur struct {
	stack.Stack
	change func(in stack.Input, out []stack.Output) []stack.Output
}

func (s *saboteur) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	var own stack.Outputs
	s.Stack.Step(at, in, &own)
	for _, o := range s.change(in, own.All()) {
		out.Add(o)
	}
}

// forgetOneRelease swallows the second release that a node sends.
func forgetOneRelease(_ int, s stack.Stack) stack.Stack {
	seen := 0
	return &saboteur{s, func(_ stack.Input, out []stack.Output) []stack.Output {
		var kept []stack.Output
		for _, o := range out {
			if d, ok := o.(stack.SendDatagram); ok && d.To.Port() == stack.NamePort && d.Payload[2] == 0x30 {
				if seen++; seen == 2 {
					continue
				}
			}
			kept = append(kept, o)
		}
		return kept
	}}
}

// crashAtDelete panics when a name is deleted.
func crashAtDelete(_ int, s stack.Stack) stack.Stack {
	return &saboteur{s, func(in stack.Input, out []stack.Output) []stack.Output {
		if c, ok := in.(stack.Call); ok && c.NCB.Command == 0x31 {
			panic("out of order")
		}
		return out
	}}
}
