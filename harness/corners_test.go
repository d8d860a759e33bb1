// SPDX-License-Identifier: MIT

package harness_test

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

// The judge must not accuse a correct stack in the corners of its life either.
var _ = Describe("A correct stack is not accused", func() {
	DescribeTable("when",
		func(lines ...string) { expectPass(played(harness.Options{}, lines...)) },
		Entry("a name is added while it is being claimed already",
			"peer add-name FRIEND", "pc add-name CHAT &", "pc add-name CHAT", "  -> NRC_DUPNAME"),
		Entry("a node stops while it calls", "peer add-name FRIEND", "pc add-name CHAT",
			"pc call GHOST from CHAT as x &", "pc stop", "  -> x NRC_CMDCAN"),
		Entry("a datagram arrives between the stop and its end", "peer knows CHAT at pc", "peer add-name FRIEND",
			"pc add-name CHAT", `peer send-datagram CHAT from FRIEND "x" &`, "pc stop"),
		Entry("a direct datagram is for everybody", "pc add-name CHAT",
			`peer inject datagram * to pc from FRIEND "x" id 0x7002`, "  -> no datagram-error"),
		Entry("an ADD NAME that is refused does not cancel the releases of its name",
			"node small 10.0.0.40/24 names 1", "pc add-name OTHER", "peer add-name FRIEND", "small add-name A",
			"small delete-name A &", "small add-name B &", "small add-name A", "  -> NRC_NAMTFUL"),
		Entry("the run ends when a release is due", "peer add-name FRIEND", "pc add-name CHAT", "pc delete-name CHAT &", "after 250ms"),
		Entry("a name is claimed again when a release is due", "peer add-name FRIEND", "pc add-name CHAT",
			"pc delete-name CHAT &", "after 250ms", "pc add-name CHAT"),
		Entry("somebody objects shortly after the overwrite demand", "pc add-name CHAT &", "at 1600ms",
			"peer inject conflict-demand CHAT to pc id 0x4d49", "  -> CHAT in names pc conflict"),
		Entry("somebody objects to a claim of an earlier registration", "pc add-name CHAT", "pc delete-name CHAT",
			"pc add-name CHAT", "peer inject conflict-demand CHAT to pc id 0x4d49", "  -> CHAT in names pc registered"),
		Entry("the permanent name is added", "peer add-name FRIEND",
			`pc add-name "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x0a\x00\x00<0a>"`, "  -> NRC_NOWILD"),
		Entry("it is reset with sessions and names", "pc add-name CHAT", "pc listen CHAT", "peer add-name FRIEND",
			"peer call CHAT from FRIEND as chat", "pc reset", "  -> no CHAT in names pc, release CHAT from pc x3"),
	)
})

// nbns, a name server, and its clients p, q, m and h; peer and pc are B nodes.
var withNameServer = []string{
	"node nbns 10.0.0.2/24 nameserver", "node p 10.0.0.40/24 type p wins nbns", "node q 10.0.0.41/24 type p wins nbns",
	"node m 10.0.0.42/24 type m wins nbns", "node h 10.0.0.43/24 type h wins nbns",
	"node r 10.0.0.44/24 type p wins nbns profile rfc1002-literal", // takes the RFC by its word
	"peer add-name FRIEND", "pc reset", "p reset", "q reset", "m reset", "h reset", "r reset",
}

var _ = Describe("A correct stack with a name server is not accused", func() {
	DescribeTable("when",
		func(lines ...string) { expectPass(played(harness.Options{}, slices.Concat(withNameServer, lines)...)) },
		Entry("the name server restarts, knows nothing, and learns from a refresh (bad-input 31)",
			"p add-name CHAT", "nbns restart", "q find-name CHAT", "  -> NRC_CMDTMO, denial CHAT from nbns to q",
			"p inject refresh CHAT to nbns id 0x7001", "  -> grant CHAT from nbns to p", "q find-name CHAT", "  -> ok"),
		Entry("a client restarts, and claims again what the name server thinks it has (bad-input 31)",
			"p add-name CHAT", "p restart", "p add-name CHAT", "  -> ok, claim CHAT from p to nbns x1, no wack from nbns"),
		Entry("clients stop", "p add-name A", "m add-name B", "h add-name C", "p stop", "  -> release A from p to nbns x1",
			"m stop", "  -> release B from m to nbns x1, release B from m to all x3",
			"h stop", "  -> release C from h to nbns x1, no release to all"),
		Entry("a client stops and the name server is silent", "h add-name C", "lan lose release C from h to nbns x3",
			"h stop", "  -> release C from h to nbns x3, release C from h to all x3"),
		Entry("a client is reset with a session", "p add-name CHAT", "p listen CHAT", "q add-name BUDDY",
			"q call CHAT from BUDDY as chat", "p reset", "  -> release CHAT from p to nbns x1"),
		Entry("a session keeps a deleted name", "p add-name CHAT", "p listen CHAT", "q add-name BUDDY",
			"q call CHAT from BUDDY as chat", "p delete-name CHAT", "  -> NRC_ACTSES, no release CHAT from p",
			"q inject query CHAT to p id 0x7001", "  -> denial CHAT from p", "q hang-up chat", "  -> release CHAT from p to nbns x1"),
		Entry("a name is claimed again before the name server has answered its release", "p add-name CHAT",
			"lan lose release CHAT from p to nbns", "p delete-name CHAT &", "after 1s", "p add-name CHAT", "  -> ok"),
		Entry("an H node claims again what it is still releasing on the segment", "h add-name CHAT",
			"lan lose release CHAT from h to nbns x3", "h delete-name CHAT &", "after 15200ms", "h add-name CHAT", "  -> ok"),
		Entry("a node stops in the middle of a claim", "lan lose claim CHAT from h to nbns x3", "h add-name CHAT &", "after 15500ms",
			"h stop"),
		Entry("the name server's host has names itself", "nbns add-name SELF", "nbns add-group TEAM", "p find-name SELF",
			"  -> ok, answer SELF from nbns to p", "p add-name SELF", "  -> NRC_INUSE", "p find-name TEAM", "  -> ok",
			"p add-group TEAM", "  -> ok", "p add-name OTHER", "p inject release SELF to nbns id 0x7001",
			"  -> release-refusal SELF from nbns code 0x06", "pc find-name SELF", "  -> ok, answer SELF from nbns to pc",
			"nbns delete-name SELF", "p add-name SELF", "  -> ok"),
		Entry("the name server's host wants a name of a client's", "p add-name CHAT", "p add-group TEAM", "nbns add-name CHAT",
			"  -> NRC_INUSE, no claim CHAT from nbns", "nbns add-group TEAM", "  -> ok", "p delete-name CHAT", "nbns add-name CHAT",
			"  -> ok", "q find-name CHAT", "  -> ok, answer CHAT from nbns to q"),
		Entry("a domain has controllers", "p add-group DOM<1c>", "q add-group DOM<1c>", "m add-name DOM<1b>", "h find-name DOM<1c>",
			"  -> ok, answer DOM<1c> from nbns", "p delete-name DOM<1c>", "h find-name DOM<1c>", "  -> ok"),
		Entry("two segments have a master browser", "p add-name DOM<1d>", "q add-name DOM<1d>", "  -> ok",
			"h inject query DOM<1d> to nbns id 0x7001", "  -> denial DOM<1d> from nbns", "p delete-name DOM<1d>"),
		Entry("a multi-homed node registers another address", "p add-name CHAT", "q inject multihomed CHAT to nbns id 0x7001",
			"  -> wack CHAT from nbns to q, refusal CHAT from nbns to q"),
		Entry("an owner releases its name while it is asked for", "p add-name CHAT", "lan lose query CHAT from nbns to p x3",
			"q add-name CHAT as want &", "after 2s", "p delete-name CHAT", "  -> want ok"),
		Entry("an owner refreshes its name while it is asked for", "p add-name CHAT", "lan lose query CHAT from nbns to p x3",
			"q add-name CHAT as want &", "after 2s", "p inject refresh CHAT to nbns id 0x7001", "  -> want NRC_INUSE"),
		Entry("somebody else claims a name that is being asked for", "p add-name CHAT", "lan lose query CHAT from nbns to p x3",
			"q add-name CHAT as want &", "after 2s", "m add-name CHAT", "  -> NRC_INUSE", "after 15s", "  -> want ok"),
		Entry("names are asked for that nobody has", "p find-name NOBODY", "  -> NRC_CMDTMO", "m find-name NOBODY", "  -> NRC_CMDTMO",
			"h find-name NOBODY", "  -> NRC_CMDTMO", "q inject query NOBODY to p id 0x7001", "  -> denial NOBODY from p",
			"q inject query NOBODY to pc id 0x7001", "  -> no denial from pc"),
		Entry("a stranger says that a name is released, or in conflict", "p add-name CHAT", "q inject release CHAT to p id 0x7001",
			"q inject conflict-demand CHAT to p id 0x7001", "q inject release CHAT to nbns id 0x7001",
			"  -> CHAT in names p registered, release-refusal CHAT from nbns"),
		Entry("a node takes the RFC by its word", "r add-name CHAT",
			"q inject release CHAT to r id 0x7001", "  -> CHAT in names r conflict", "r delete-name CHAT", "  -> no release CHAT from r"),
	)
})

var _ = Describe("A stack is accused", func() {
	It("of releases that it owed before a restart", func() {
		lines := []string{"peer add-name FRIEND", "pc add-name CHAT", "pc delete-name CHAT", "pc restart"}
		expectPass(played(harness.Options{}, lines...))
		silent := swallow(pc, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x30 })
		Expect(violations(played(harness.Options{Make: through(silent)}, lines...))).To(ContainElement(check.ReleaseOnFree))
	})

	It("of a second registration without claims", func() {
		silent := swallow(pc, stack.NamePort, func(p []byte, nth int) bool { return nth > 7 && (p[2] == 0x29 || p[2] == 0x28) })
		r := played(harness.Options{Make: through(silent)}, "peer add-name FRIEND", "pc add-name CHAT", "pc delete-name CHAT", "pc add-name CHAT")
		Expect(violations(r)).To(ContainElement(check.ClaimSequence))
	})

	It("of answers that give another owner, or none to a node status request", func() {
		lines := []string{"pc add-name CHAT", "peer find-name CHAT", "  -> any", "peer inject status-request * to pc"}
		expectPass(played(harness.Options{}, lines...))
		liar := rewrite(pc, func(p []byte, _ int) {
			if p[2] == 0x85 {
				p[len(p)-1]++
			}
		})
		Expect(violations(played(harness.Options{Make: through(liar)}, lines...))).To(ContainElement(check.Answers))
		mute := swallow(pc, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x84 })
		Expect(violations(played(harness.Options{Make: through(mute)}, lines...))).To(ContainElement(check.Answers))
	})
})

func violations(r harness.Result) []string {
	var names []string
	for _, v := range r.Report.Violations {
		names = append(names, v.Invariant)
	}
	return names
}

var _ = Describe("A reproduction", func() {
	It("cannot be judged when the trigger's datagram was never sent", Label("Q124565"), func() {
		v := edited("q124565-table", "peer  send-datagram  CHAT", "lan lose query CHAT from peer x9\npeer  send-datagram  CHAT")
		Expect(v.Verdict).To(Equal(check.CannotJudgeAll), v.Why)
		Expect(v.Why).To(ContainSubstring("the trigger was not delivered"))
	})

	It("is not accepted when another node misbehaves as the bug would", Label("Q124565"), func() {
		// In the faulty run alone, the peer does not release FRIEND.
		s := loaded("q124565", "# second run", "peer delete-name FRIEND\n\n# second run")
		runs := 0
		v, err := harness.Verify(s, 0, model(s, harness.Buggy), pcaps.FS(), harness.Options{Seed: 2, Make: through(func(n int, st stack.Stack) stack.Stack {
			if n == 0 {
				runs++
			}
			if n == 0 || runs != 2 {
				return st
			}
			return swallow(n, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x30 })(n, st)
		})})
		Expect(err).NotTo(HaveOccurred())
		Expect(v.Verdict).To(Equal(check.Broken))
		Expect(v.Why).To(ContainSubstring("release-on-free: FRIEND<20> became free"))
	})

	It("is broken, not undecided, when a recording is altered and cut as well", func() {
		s := shipped("q124565")
		c, err := harness.ReadRecording(pcaps.FS(), "q124565/fixed.pcap")
		Expect(err).NotTo(HaveOccurred())
		frames := harness.Perform(s, &s.Cases[0], fault.Set{}, harness.Options{}).Frames

		cut := c
		cut.Frames = slices.Clone(c.Frames[:len(c.Frames)-3])
		cut.Cut = &capture.Cut{Reason: "ends inside a packet"}
		state, _ := harness.CompareCapture(frames, cut)
		Expect(state).To(Equal(check.CaptureUnusable))

		cut.Frames[0].Payload = slices.Clone(cut.Frames[0].Payload)
		cut.Frames[0].Payload[nameLetterAt]++
		state, differences := harness.CompareCapture(frames, cut)
		Expect(state).To(Equal(check.CaptureDiffers))
		Expect(differences).To(HaveLen(1))
		Expect(differences[0].Fields).To(ContainElement("QUESTION_NAME"))
	})

	It("is shown as the failure it is when the network disturbed it and it held all the same", Label("Q124565"), func() {
		v := verify("q124565", harness.Buggy, harness.Options{Perturb: []sim.Perturbation{{Frame: 2, Do: sim.Lose}}})
		Expect(v.Verdict).To(Equal(check.Reproduced), v.Why)
	})

	It("is not looked for under a model that no run has", func() {
		for _, wrong := range []string{"fixed", "Q124565:count=each", "MS00-047,Q124565"} {
			_, err := harness.Load("x.scenario", []byte("bug Q124565 in pc\nnode pc 10.0.0.10/24\npc reset trigger\n  -> ok | Q124565! NRC_ILLCMD\npc reset\n  -> ok | "+wrong+": any\n"))
			Expect(err).To(MatchError(ContainSubstring("x.scenario:6:11: ")), wrong)
		}
	})

	It("compares captures that have nothing in common in time that grows with their length alone", func() {
		s := shipped("q124565")
		frame := harness.Perform(s, &s.Cases[0], fault.Set{}, harness.Options{}).Frames[0]
		many := make([]trace.Frame, 20000)
		for i := range many {
			many[i] = frame
			many[i].Payload = slices.Clone(frame.Payload)
			many[i].Payload[nameLetterAt+i%20]++
		}
		Expect(check.Compare(many[:19000], append(many[1000:], many[:500]...))).NotTo(BeEmpty())
	})
})

var _ = Describe("A stack that breaks the rules of the seam", func() {
	DescribeTable("is said to have crashed",
		func(out stack.Output) {
			first := true
			r := played(harness.Options{Make: through(on(pc, func(in stack.Input, list []stack.Output) []stack.Output {
				if _, call := in.(stack.Call); call && first {
					first = false
					return append(slices.Clone(list), out)
				}
				return list
			}))}, "peer add-name FRIEND", "pc add-name CHAT")
			Expect(r.Report.Verdict()).To(Equal(check.Fail))
			Expect(r.Report.Crash).NotTo(BeEmpty())
		},
		Entry("when it completes a call that nobody made", stack.Complete{ID: 99, Code: netbios.GOODRET}),
		Entry("when it completes call 0", stack.Complete{}),
		Entry("when its timers are numbered wildly", stack.Arm{ID: 1 << 30}),
	)
})

var _ = Describe("A correct stack", func() {
	DescribeTable("in the corners of the reference",
		func(lines ...string) { expectPass(played(harness.Options{}, lines...)) },
		Entry("tells ADAPTER STATUS of its own name without asking the network",
			"peer add-name FRIEND", "pc add-name CHAT", "pc adapter-status CHAT", "  -> ok, no query CHAT from pc"),
		Entry("says that nobody listens before it says that there is no room (0x80 before 0x83)",
			"node full 10.0.0.40/24 sessions 1", "full add-name CHAT", "full listen CHAT", "peer add-name FRIEND", "pc add-name MATE",
			"peer call CHAT from FRIEND", "pc call CHAT from MATE", "  -> NRC_REMTFUL, session-refusal from full code 0x80",
			"full listen CHAT", "pc call CHAT from MATE", "  -> NRC_REMTFUL, session-refusal from full code 0x83"),
		Entry("ends a CALL whose own name goes into conflict", "pc add-name CHAT &", "at 800ms",
			"pc call GHOST from CHAT as out &", "peer inject conflict-demand CHAT to pc id 0x4d49", "  -> out NRC_NAMCONF"),
		Entry("keeps its limits in a RESET that states none", "node small 10.0.0.40/24 names 1", "peer add-name FRIEND",
			"pc add-name MATE", "small add-name A", "small reset", "small add-name B", "small add-name C", "  -> NRC_NAMTFUL"),
		Entry("may be stopped twice", "peer add-name FRIEND", "pc add-name CHAT", "pc stop", "pc stop"),
	)

	It("leaves a run undecided whose clock is past the time that a step waits for", func() {
		r := played(harness.Options{}, "peer add-name FRIEND", "pc add-name CHAT", "at 500ms", "pc delete-name CHAT")
		Expect(r.Report.Verdict()).To(Equal(check.CannotJudge))
		Expect(r.Report.CannotJudge).To(ContainSubstring("line 5: at 500ms: the run is at 3.5s already"))
	})
})

var _ = Describe("A stop without releases", Label("Q140419"), func() {
	It("does not release a name either that only a session has kept", func() {
		src := "bug Q140419 in pc\ncontrol none because \"the stop is the trigger\"\nnode pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n" +
			"pc add-name CHAT\npc listen CHAT\npeer add-name FRIEND\npeer call CHAT from FRIEND\npc delete-name CHAT\n" +
			"  -> NRC_ACTSES\npc stop\n  -> release CHAT from pc x3 | Q140419! no release CHAT from pc\n"
		s, err := harness.Load("kept.scenario", []byte(src))
		Expect(err).NotTo(HaveOccurred())
		v, err := harness.Verify(s, 0, model(s, harness.Buggy), pcaps.FS(), harness.Options{Seed: 2})
		Expect(err).NotTo(HaveOccurred())
		Expect(v.Verdict).To(Equal(check.Reproduced), v.Why)
	})
})
