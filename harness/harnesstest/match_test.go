// SPDX-License-Identifier: MIT

package harnesstest_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/harnesstest"
	"github.com/nbtlab/nbtlab/pcaps"
)

// run performs a shipped scenario of one case on a model.
func run(name, model string) harness.Result {
	GinkgoHelper()
	s, err := harness.FindShipped(name)
	Expect(err).NotTo(HaveOccurred())
	set, err := harness.Model(s, model)
	Expect(err).NotTo(HaveOccurred())
	return harness.Run(s, &s.Cases[0], set, harness.Options{})
}

// verify verifies a shipped scenario of one case with a model in the place of its bug.
func verify(name, model string) harness.Verification {
	GinkgoHelper()
	s, err := harness.FindShipped(name)
	Expect(err).NotTo(HaveOccurred())
	set, err := harness.Model(s, model)
	Expect(err).NotTo(HaveOccurred())
	v, err := harness.Verify(s, 0, set, pcaps.FS(), harness.Options{})
	Expect(err).NotTo(HaveOccurred())
	return v
}

// complaint is what a matcher says of a value that it is asserted not to disappoint.
func complaint(value any, m types.GomegaMatcher) string {
	GinkgoHelper()
	failures := InterceptGomegaFailures(func() { Expect(value).To(m) })
	Expect(failures).To(HaveLen(1))
	return failures[0]
}

var _ = Describe("Pass", func() {
	It("takes a run in which all went as expected, and no other", func() {
		Expect(run("q124565", "fixed")).To(harnesstest.Pass())
		Expect(run("q124565", "buggy")).NotTo(harnesstest.Pass())
		r := run("q124565", "fixed")
		Expect(&r).To(harnesstest.Pass())
	})

	It("complains as nbtlab run does, down to the ledger and the command that repeats it", func() {
		Expect(complaint(run("q124565", "buggy"), harnesstest.Pass())).To(And(
			HavePrefix("Expected the run to pass.\n\nq124565 on Q124565: fail (9 steps"),
			ContainSubstring("scenarios/q124565.scenario:27: pc add-name CHAT\n"+
				"    expected  ok, claim CHAT from pc x3\n    saw       0x0D NRC_DUPNAME\n"),
			ContainSubstring("held by datagram from FRIEND<20> at 10.0.0.20"),
			HaveSuffix("repeat it: nbtlab run q124565 --model Q124565")))
	})

	It("complains of what is not a run", func() {
		Expect(complaint(verify("q124565", "buggy"), harnesstest.Pass())).To(Equal(
			"harnesstest: the matcher wants a harness.Result, got harness.Verification"))
	})
})

var _ = Describe("FailWith", func() {
	It("takes a run whose first failure has the words in it", func() {
		r := run("ms00-047", "buggy")
		Expect(r).To(harnesstest.FailWith("saw CHAT<20> is not in the table, or not so"))
		Expect(r).NotTo(harnesstest.FailWith("NRC_CMDTMO"), "that is not the first")
		Expect(run("ms00-047", "fixed")).NotTo(harnesstest.FailWith(""))
	})

	It("complains of what there was instead", func() {
		Expect(complaint(run("ms00-047", "fixed"), harnesstest.FailWith("x"))).To(ContainSubstring("but it passes"))
		Expect(complaint(run("ms00-047", "buggy"), harnesstest.FailWith("NRC_CMDTMO"))).To(ContainSubstring(
			"but it fails with\n    line 12: stranger inject conflict-demand CHAT to pc"))
	})
})

var _ = Describe("The matchers of verdicts", func() {
	It("take the verdict that they are named after, and no other", func() {
		Expect(verify("q124565", "buggy")).To(harnesstest.Reproduce())
		Expect(verify("q124565", "buggy")).NotTo(harnesstest.Hold())
		Expect(verify("q124565-controls", "buggy")).To(harnesstest.Hold())
		Expect(verify("q124565", "fixed")).To(harnesstest.HaveVerdict(check.NotReproduced))
		Expect(verify("q124565", "fixed")).NotTo(harnesstest.Reproduce())
	})

	It("take what harness.Verify returns, error and all", func() {
		s, err := harness.FindShipped("q124565")
		Expect(err).NotTo(HaveOccurred())
		faulty, err := harness.Model(s, harness.Buggy)
		Expect(err).NotTo(HaveOccurred())
		Expect(harness.Verify(s, 0, faulty, pcaps.FS(), harness.Options{})).To(harnesstest.Reproduce())
	})

	It("complain with the table, the reason, and the run that is to blame", func() {
		Expect(complaint(verify("q124565", "MS00-047"), harnesstest.Reproduce())).To(And(
			HavePrefix("Expected the verdict reproduced.\n\nSCENARIO"),
			ContainSubstring("q124565: broken: "),
			ContainSubstring("q124565 on MS00-047: pass"),
		))
		Expect(complaint(verify("q124565", "Q124565:count=once"), harnesstest.Hold())).To(And(
			ContainSubstring("line 27: NRC_DUPNAME"), HaveSuffix("repeat it: nbtlab run q124565 --model Q124565:count=once")))
	})
})

var _ = Describe("MatchCapture", func() {
	recording := func(name string) capture.Capture {
		GinkgoHelper()
		c, err := harness.ReadRecording(pcaps.FS(), name)
		Expect(err).NotTo(HaveOccurred())
		return c
	}

	It("takes a run with the traffic of the capture, and no other", func() {
		Expect(run("q124565", "fixed")).To(harnesstest.MatchCapture(recording("q124565/fixed.pcap")))
		Expect(run("q124565", "fixed")).NotTo(harnesstest.MatchCapture(recording("q124565/Q124565.pcap")))
	})

	It("complains as nbtlab check does: the differences, and the first in full", func() {
		text := complaint(run("q124565", "fixed"), harnesstest.MatchCapture(recording("q124565/Q124565.pcap")))
		Expect(text).To(And(ContainSubstring("name release"), ContainSubstring("FIELD"), ContainSubstring("0000  ")))
		Expect(strings.Count(text, "FIELD")).To(Equal(1))
	})

	It("takes no capture that is cut", func() {
		cut := recording("q124565/fixed.pcap")
		cut.Frames, cut.Cut = cut.Frames[:10], &capture.Cut{Reason: "ends inside a packet"}
		Expect(complaint(run("q124565", "fixed"), harnesstest.MatchCapture(cut))).To(ContainSubstring("the recording is cut"))
	})
})
