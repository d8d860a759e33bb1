// SPDX-License-Identifier: MIT

package harness_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// played runs a scenario written in a spec, on the fixed model.
func played(o harness.Options, lines ...string) harness.Result {
	GinkgoHelper()
	src := "node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n" + strings.Join(lines, "\n") + "\n"
	s, err := harness.Load("spec.scenario", []byte(src))
	Expect(err).NotTo(HaveOccurred())
	return harness.Run(s, &s.Cases[0], fault.Set{}, o)
}

// why tells what went wrong in a run, for the messages of specs.
func why(r harness.Result) string {
	return check.Evidence{Scenario: r.Scenario, Case: r.Case}.Why(r.Report)
}

func expectPass(r harness.Result) {
	GinkgoHelper()
	Expect(r.Report.Verdict()).To(Equal(check.Pass), why(r))
}

var _ = Describe("A scenario's network", func() {
	It("loses the frames it is told to, and no more", func() {
		expectPass(played(harness.Options{},
			"pc add-name CHAT",
			"lan lose query CHAT from peer x2",
			"peer find-name CHAT",
			"  -> ok, query CHAT from peer x3, answer CHAT from pc x1"))
	})

	It("has a query fail when all of its frames are lost", func() {
		expectPass(played(harness.Options{},
			"pc add-name CHAT",
			"lan lose query CHAT x3",
			"peer find-name CHAT",
			"  -> NRC_CMDTMO, no answer CHAT"))
	})

	It("doubles frames, which the stack survives", func() {
		expectPass(played(harness.Options{},
			"pc add-name CHAT",
			"lan double query CHAT from peer",
			"peer find-name CHAT",
			"  -> ok, query CHAT from peer x1, answer CHAT from pc x2"))
	})

	It("delays frames by the time it is told", func() {
		expectPass(played(harness.Options{},
			"pc add-name CHAT",
			"lan delay answer CHAT by 300ms",
			"peer find-name CHAT",
			"  -> ok, query CHAT from peer x2"))
	})

	It("alters a byte, and everybody sees the altered frame", func() {
		r := played(harness.Options{},
			"pc add-name CHAT",
			"lan alter answer CHAT byte 3 0x03", // RCODE 3: a negative answer, which a B node ignores
			"peer find-name CHAT",
			"  -> ok, denial CHAT from pc x1, answer CHAT from pc x1")
		expectPass(r)
	})

	It("judges what it was told to do as the scenario's own", func() {
		r := played(harness.Options{},
			"lan lose claim CHAT from pc x3",
			"peer add-name CHAT",
			"pc add-name CHAT",
			"  -> NRC_INUSE") // as it would be if the claims arrived
		Expect(r.Report.Verdict()).To(Equal(check.Fail))
		Expect(r.Report.Perturbed).To(BeEmpty())
	})

	It("makes loss to a stream nothing but delay", func() {
		lines := []string{
			"pc add-name CHAT",
			"pc listen CHAT as door",
			"peer add-name FRIEND",
			"peer call CHAT from FRIEND as chat",
			"pc receive door as heard",
			`peer send chat "hello"`,

			"after 5s",
			`  -> heard ok, heard data "hello"`,
		}
		plain := played(harness.Options{}, lines...)
		expectPass(plain)
		message := 0
		for i, f := range plain.Frames {
			if f.Kind == trace.Message {
				message = i + 1 // the last one is the data
			}
		}
		lossy := played(harness.Options{Perturb: []sim.Perturbation{{Frame: message, Do: sim.Lose}}}, lines...)
		Expect(lossy.Report.Perturbed).To(HaveLen(1))
		Expect(received(lossy)).To(Equal(received(plain) + time.Second))
	})

	It("resets a connection whose other end was restarted", func() {
		r := played(harness.Options{},
			"pc add-name CHAT",
			"pc listen CHAT",
			"peer add-name FRIEND",
			"peer call CHAT from FRIEND as chat",
			"pc restart",
			`peer send chat "are you there?"`,
			"peer receive chat as end",
			"after 1s",
			"  -> end NRC_SABORT")
		expectPass(r)
		Expect(r.Frames[len(r.Frames)-1].Kind).To(Equal(trace.Reset))
	})

	It("refuses connections to a host that has stopped", func() {
		r := played(harness.Options{},
			"pc add-name CHAT",
			"pc stop",
			"peer add-name FRIEND",
			"peer call CHAT from FRIEND",
			"  -> NRC_NOCALL")
		expectPass(r)
	})
})

var _ = Describe("A scenario's clock", func() {
	It("waits for a duration, and until a time", func() {
		r := played(harness.Options{},
			"pc add-name CHAT",
			"at 10s",
			"after 5s",
			"peer find-name CHAT",
			"  -> ok")
		expectPass(r)
		Expect(began(r, 3)).To(Equal(15 * time.Second))
	})

	It("ends a step when its call has completed and its traffic has settled", func() {
		r := played(harness.Options{}, "pc add-name CHAT", "peer add-name FRIEND")
		Expect(began(r, 1)).To(Equal(750*time.Millisecond + time.Second))
	})

	It("takes the settle time from the node's profile", func() {
		r := played(harness.Options{}, "node slow 10.0.0.30/24 profile netbt", "slow add-name CHAT", "pc add-name MINE",
			"peer add-name FRIEND")
		Expect(began(r, 1)).To(Equal(3*750*time.Millisecond + 3*time.Second))
	})

	It("looks for frames within a time, and for a time", func() {
		expectPass(played(harness.Options{},
			"peer add-name FRIEND",
			"pc add-name CHAT",
			"pc delete-name CHAT",
			"  -> release CHAT from pc within 100ms x1",
			"  -> release CHAT from pc for 2s x3",
			"  -> no claim CHAT from pc for 30s"))
	})
})

var _ = Describe("A node's profile", func() {
	It("may take the RFC by its word, and lose a name to a conflict demand that nobody asked for", Label("MS00-047"), func() {
		expectPass(played(harness.Options{},
			"node literal 10.0.0.30/24 profile rfc1002-literal",
			"pc add-name MINE",
			"literal add-name CHAT",
			"peer inject conflict-demand CHAT to literal",
			"  -> CHAT in names literal conflict",
			"peer inject conflict-demand MINE to pc",
			"  -> MINE in names pc registered"))
	})
})

var _ = Describe("A scenario's names", func() {
	It("can be bound to others", func() {
		s := shipped("q124565-table")
		from, to := name("CHAT"), name("NBTLAB<1d>")
		bound, err := s.Bind(from, to)
		Expect(err).NotTo(HaveOccurred())
		r := harness.Run(bound, &bound.Cases[0], model(bound, harness.Buggy), harness.Options{})
		o, failed := r.Report.Headline()
		Expect(failed).To(BeTrue())
		Expect(o.Symptom).To(Equal("NRC_INUSE, refusal NBTLAB<1d> code 0x06"))
	})
})

// began returns the time at which a step of a run began.
func began(r harness.Result, step int) time.Duration {
	for _, e := range r.Trace.Events {
		if _, ok := e.What.(trace.StepBegan); ok && int(e.Step) == step {
			return e.At
		}
	}
	return -1
}

// received returns the time at which a run's last RECEIVE completed with data.
func received(r harness.Result) time.Duration {
	at := time.Duration(-1)
	for _, e := range r.Trace.Events {
		if c, ok := e.What.(stack.Complete); ok && string(c.Data) == "hello" {
			at = e.At
		}
	}
	return at
}
