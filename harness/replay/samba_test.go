// SPDX-License-Identifier: MIT

package replay_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/trace"
)

const (
	thenDelete = "recorded/nmbd-datagram-then-delete.pcap"
	master     = "recorded/nmbd-master-lifecycle.pcap"
	defence    = "recorded/lifecycle-bnode-defence.pcap"
)

var fixed = fault.Set{}

// outcome is what one model makes of a replay.
func outcome(r replay.Result, model string) replay.Outcome {
	GinkgoHelper()
	set, err := fault.Parse(model)
	Expect(err).NotTo(HaveOccurred())
	i := slices.IndexFunc(r.Outcomes, func(o replay.Outcome) bool { return o.Model == set })
	Expect(i).To(BeNumerically(">=", 0))
	return r.Outcomes[i]
}

func used(o replay.Outcome) (ids []string) {
	for _, t := range o.Used {
		ids = append(ids, t.ID)
	}
	return ids
}

var _ = Describe("A real Samba, with its profile", func() {
	It("that releases two names after fifty datagrams to each is explained by fixed alone", func() {
		r := replay.Explain(recording(thenDelete, samba1), with("samba-4.17"))
		Expect(r.Verdict).To(Equal(replay.One), r.Why)
		Expect(r.By).To(ConsistOf(fixed))
		Expect(cells(r)).To(Equal("yes no - -"))
		Expect(r.Best().Unexplained).To(BeZero())
		q := outcome(r, "Q124565")
		Expect(q.First.Frame).To(Equal(302), "the release of NBTLAB<1d>")
		Expect(q.Why).To(ContainSubstring("NBTLAB<1d>"))
	})

	It("tells which tolerances were used, each", func() {
		r := replay.Explain(recording(thenDelete, samba1), with("samba-4.17"))
		Expect(used(*r.Best())).To(Equal([]string{
			"answer-ttl", "denial", "listed-while-claimed", "no-overwrite-demand", "one-release", "recursion-available",
			"refusal-address", "source-while-claimed", "two-answers",
		}))
		for _, t := range r.Best().Used {
			Expect(t.Times).To(BeNumerically(">", 0))
			Expect(t.Reason).NotTo(BeEmpty())
		}
	})

	It("that never got a direct datagram is explained by fixed, and says nothing about the fault", func() {
		r := replay.Explain(recording(master, samba3), with("samba-4.17"))
		Expect(r.Verdict).To(Equal(replay.One), r.Why)
		Expect(cells(r)).To(Equal("yes - - -"))
		Expect(outcome(r, "Q124565").Why).To(And(ContainSubstring("neither shown nor excluded"), ContainSubstring("no direct datagram reached a name")))
	})

	It("is not heard before it runs: a request that ICMP refused was not for it", func() {
		list := frames(master)
		r := replay.Explain(seen(samba3, list), with("samba-4.17")) // without what ICMP says
		Expect(r.Verdict).To(Equal(replay.None))
		Expect(r.Best().First.Frame).To(Equal(3))
	})

	It("that is a name server and an H node is told from a B node, and where", func() {
		r := replay.Explain(recording(defence, samba1), with("samba-4.17"))
		Expect(r.Verdict).To(Equal(replay.None))
		Expect(r.Best().First.Frame).To(Equal(4), "a B node says nothing to an overwrite demand")
		Expect(r.Best().First.Expected).To(BeNil())
		Expect(r.Best().First.Seen.Number).To(Equal(4))
		Expect(r.Notes).To(ContainElement(And(ContainSubstring("frame 18"), ContainSubstring("unique H"))))
	})

	It("is explained by nothing without it", func() {
		r := replay.Explain(recording(thenDelete, samba1), replay.Options{})
		Expect(r.Verdict).To(Equal(replay.None))
		Expect(r.Best().Tolerated).To(BeZero())
		Expect(r.Best().Used).To(BeEmpty())
	})
})

var _ = Describe("A tolerance does not swallow the bug", func() {
	// The frames of the recording about a name that goes: releases, and what asks for it afterwards.
	const (
		releaseOf1d, releaseOf01           = 302, 303
		secondReleaseOf1d, secondReleaseOf = 577, 578
		question, answer                   = 96, 97
	)

	DescribeTable("the release frames of one name are missing",
		func(numbers ...int) {
			r := replay.Explain(seen(samba1, without(frames(thenDelete), numbers...)), with("samba-4.17"))
			Expect(r.By).NotTo(ContainElement(fixed), r.Why)
			Expect(outcome(r, "fixed").Finding).To(Equal(replay.Differs))
		},
		Entry("both of NBTLAB<1d>", releaseOf1d, secondReleaseOf1d),
		Entry("the first of NBTLAB<1d>", releaseOf1d),
		Entry("the second of NBTLAB<1d>", secondReleaseOf1d),
		Entry("both of __MSBROWSE__", releaseOf01, secondReleaseOf),
		Entry("the second of __MSBROWSE__", secondReleaseOf),
	)

	DescribeTable("the name is answered for afterwards",
		func(sent ...int) {
			list := frames(thenDelete)
			var more []trace.Frame
			for _, n := range sent {
				more = append(more, number(list, n))
			}
			r := replay.Explain(seen(samba1, again(list, 2*time.Second, 0x7777, more...)), with("samba-4.17"))
			Expect(r.By).To(BeEmpty(), r.Why)
			Expect(r.Verdict).To(Equal(replay.None))
			Expect(outcome(r, "fixed").First.Seen).NotTo(BeNil())
		},
		Entry("to a query", question, answer),
		Entry("to nobody", answer),
		Entry("by a refusal", 98, 99),
	)

	It("it is answered for at once, instead of denied", func() {
		list := frames(thenDelete)
		late := number(list, answer)
		denied := slices.IndexFunc(list, func(f trace.Frame) bool { return f.Number == 305 })
		id := list[denied].Payload[:2]
		list[denied].Payload = append(slices.Clone(id), late.Payload[2:]...)
		r := replay.Explain(seen(samba1, list), with("samba-4.17"))
		Expect(r.By).To(BeEmpty(), r.Why)
		Expect(outcome(r, "fixed").First.Frame).To(Equal(305))
	})

	It("and it is the name's own denial that is tolerated, not that of one that is held", func() {
		list := frames(thenDelete)
		positive := slices.IndexFunc(list, func(f trace.Frame) bool { return f.Number == answer })
		denial := number(list, 305)
		list[positive].Payload = append(slices.Clone(list[positive].Payload[:2]), denial.Payload[2:]...)
		r := replay.Explain(seen(samba1, list), with("samba-4.17"))
		Expect(r.By).To(BeEmpty(), r.Why)
		Expect(r.Best().First.Frame).To(Equal(answer))
	})

	It("a third answer to a broadcast is one too many", func() {
		list := frames(thenDelete)
		i := slices.IndexFunc(list, func(f trace.Frame) bool { return f.Number == 100 })
		third := list[i]
		third.At += time.Microsecond
		list = slices.Insert(list, i+1, third)
		r := replay.Explain(seen(samba1, list), with("samba-4.17"))
		Expect(outcome(r, "fixed").Finding).To(Equal(replay.Differs))
	})
})

var _ = Describe("A product's file", func() {
	It("is found by its name, and no other is", func() {
		Expect(replay.ProductNames()).To(Equal([]string{"samba-4.17"}))
		p, err := replay.FindProduct("samba-4.17")
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Name).To(Equal("samba-4.17"))
		_, err = replay.FindProduct("../samba-4.17")
		Expect(err).To(MatchError(ContainSubstring(`no product "../samba-4.17" (there is samba-4.17)`)))
	})

	DescribeTable("is refused when a tolerance in it would bear too much",
		func(alter func(t *replay.Tolerance), because string) {
			t := replay.Tolerance{ID: "x", Kinds: []string{"name release request"}, Allow: "missing", Count: 1, Reason: "so it is"}
			alter(&t)
			b, err := json.Marshal(replay.Product{Name: "p", Tolerances: []replay.Tolerance{t}})
			Expect(err).NotTo(HaveOccurred())
			_, err = replay.ParseProduct(b)
			Expect(err).To(MatchError(ContainSubstring(because)))
		},
		Entry("no reason", func(t *replay.Tolerance) { t.Reason = "" }, "wants an id, a reason and kinds"),
		Entry("no kind of message", func(t *replay.Tolerance) { t.Kinds = nil }, "wants an id, a reason and kinds"),
		Entry("any number missing", func(t *replay.Tolerance) { t.Count = 0 }, "wants a count"),
		Entry("more, whatever the name's state", func(t *replay.Tolerance) { t.Allow = "extra" }, "while its name stands in some way"),
		Entry("a field with any value", func(t *replay.Tolerance) { t.Allow, t.Field = "field", "TTL" }, "its values"),
		Entry("everything", func(t *replay.Tolerance) { t.Allow = "all" }, "allows missing, extra, repeated or field"),
		Entry("for a time that is none", func(t *replay.Tolerance) { t.Within = "soon" }, "soon"),
		Entry("while who knows what", func(t *replay.Tolerance) { t.While = "held" }, "while is absent or claimed"),
		Entry("of no known sort of request", func(t *replay.Tolerance) { t.Request = "odd" }, "request is broadcast or unicast"),
	)

	It("is refused when it holds what nobody reads", func() {
		_, err := replay.ParseProduct([]byte(`{"product":"p","tolerate":"everything"}`))
		Expect(err).To(MatchError(ContainSubstring("tolerate")))
		_, err = replay.ParseProduct([]byte(`{"product":"p","timers":{"broadcast_timeout":"-1s","broadcast_count":3}}`))
		Expect(err).To(MatchError(ContainSubstring("timers want a time-out and a count")))
	})
})

var _ = Describe("What cannot be judged", func() {
	judge := func(v *replay.View, o replay.Options) replay.Result { return replay.Explain(v, o) }
	stranger := netip.MustParseAddr("192.0.2.1")

	It("is a host that is not in the capture: those that are, are named", func() {
		r := judge(seen(stranger, frames("ms00-047/fixed.pcap")[:0]), replay.Options{})
		Expect(r.Verdict).To(Equal(replay.CannotJudge))
		Expect(r.Why).To(Equal("192.0.2.1 is not in the capture: there is no NBT in it"))
		r = judge(seen(stranger, frames("ms00-047/fixed.pcap")), replay.Options{})
		Expect(r.Why).To(HavePrefix("192.0.2.1 is not in the capture; in it are 10.0.0.10, "))
		Expect(r.Outcomes).To(BeEmpty())
	})

	It("is a host that sent nothing", func() {
		list := slices.DeleteFunc(frames("q124565/fixed.pcap"), func(f trace.Frame) bool { return f.From.Addr() == pc })
		r := judge(seen(pc, list), replay.Options{})
		Expect(r.Verdict).To(Equal(replay.CannotJudge))
		Expect(r.Why).To(ContainSubstring("only what was sent to 10.0.0.10"))
	})

	It("is a capture that lacks what the host answers", func() {
		list := slices.DeleteFunc(frames("q124565-table/fixed.pcap"), func(f trace.Frame) bool { return f.From.Addr() != pc })
		r := judge(seen(pc, list), replay.Options{})
		Expect(r.Verdict).To(Equal(replay.CannotJudge))
		Expect(r.Why).To(ContainSubstring("one-sided"))
	})

	It("is a capture that is cut", func() {
		r := judge(recording("q124565/fixed.pcap", pc), replay.Options{Cut: "cut at byte 100, packet 3: so it is"})
		Expect(r.Verdict).To(Equal(replay.CannotJudge))
		Expect(r.Why).To(ContainSubstring("cut at byte 100"))
		Expect(r.Outcomes).NotTo(BeEmpty(), "what there is, is told all the same")
	})

	It("is a host of which there are only calls", func() {
		list := frames("q124565/fixed.pcap")
		i := slices.IndexFunc(list, func(f trace.Frame) bool { return f.From.Addr() == pc && strings.Contains(string(f.Payload), "ED") })
		r := judge(seen(pc, list[i:i+1]), replay.Options{})
		Expect(r.Verdict).To(Equal(replay.CannotJudge), cells(r))
	})
})
