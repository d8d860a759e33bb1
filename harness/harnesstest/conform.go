// SPDX-License-Identifier: MIT

// Package harnesstest tests NetBIOS-over-TCP/IP stacks with Ginkgo: the conformance suite, for a stack of anybody's that
// implements [stack.Stack], and Gomega matchers for the verdicts of package harness, which fail with what `nbtlab run`
// prints.
//
// A stack joins in its own repository with one declaration in a Ginkgo suite:
//
//	var _ = harnesstest.Conform(harnesstest.Stack{
//		Name:  "mystack",
//		New:   func(cfg node.Config) stack.Stack { return mystack.New(cfg.Prefix) },
//		Lacks: []scenario.Verb{scenario.Listen, scenario.Call},
//	})
//
// and gets one spec for each case of each scenario that ships: the stack takes the place of the node that the scenario
// accuses, the others are the harness's own, the LAN and its clock are virtual, and the run is judged as that of a correct
// stack. Three more send it every malformed packet of package fixtures, see [Malformed]; one repeats the runs to see that the
// same inputs give the same outputs; and one fails when no case can be judged.
//
// A stack that is not written in Go, or not to be taken out of its device, is driven by an agent instead of New: see [Device].
//
// Each spec has the labels of its bug (Q124565) and of its scenario (q124565-table), and "conformance":
//
//	go test -ginkgo.label-filter=Q124565 -ginkgo.junit-report=junit.xml
//
// # What Step reads and what it adds
//
// The example of [Stack] is a whole stack of sixty lines that cases can judge. Of the inputs, stack.Call and stack.Datagram are
// needed by all, stack.Timer by who arms timers, stack.Opened, Data and Closed by who has sessions; the rest may be left alone.
//
// Of a stack.Datagram, the port of To tells the service (stack.NamePort, stack.DatagramPort), From is where an answer goes, and
// Payload is for nbt.ParseNameMessage or nbt.ParseDatagram. A stack.SendDatagram takes all four fields: From is an address and port
// of the stack's own, and Broadcast is set just when To is the broadcast address of its network.
//
// Of a stack.Call, the ID goes into the stack.Complete that ends the call, in the same step or in any later one: until then the
// case waits. The NCB has its Command and these other fields; those of the completion besides ID and Code (which is GOODRET, zero,
// unless set) are behind the arrow:
//
//	add-name, add-group                Name                    -> Num, by which datagrams then know the name
//	delete-name                        Name
//	call                               Name (local), CallName  -> LSN, by which the session is known
//	listen                             Name, CallName (* any)  -> LSN, CallName (who called)
//	hang-up                            LSN
//	send                               LSN, Data
//	receive                            LSN, Length             -> Data
//	receive-any                        Num, Length             -> Data, Num, LSN
//	send-datagram                      Num, CallName, Data
//	send-broadcast                     Num, Data
//	receive-datagram, -broadcast       Num, Length             -> Data, Num, CallName (who sent)
//	adapter-status                     CallName, Length        -> Data, as of netbios.AppendStatus
//	session-status                     Name, Length            -> Data
//	find-name                          CallName, Length        -> Data
//	cancel                             Target, the ID of the call to end with CMDCAN
//
// In receives a Num of netbios.AnyName means any name. Data has Length bytes at most, and the Code is INCOMP where that cuts it.
// Where a case looks at the name table, it makes an adapter-status for "*", which is to be completed in the same step. A command
// that the stack does not have it completes with netbios.ILLCMD, and the verb is in Lacks.
//
// A timer is armed with stack.Arm, at a time of the same count as the first argument of Step; its ID, from 1 to 65536, comes back in
// a stack.Timer.
//
// # What a stack cannot do
//
// What a stack is not meant to have, such as a session service, is declared in Lacks, in the verbs of the scenario language;
// what it can be besides a B node, in Roles.
// A case that needs it cannot be judged: its spec has the label "cannot-judge" besides, is skipped, and says which step needs
// what, in the output and in the JUnit report. Nothing else is ever skipped: a stack that answers ILLCMD without having
// declared so fails, and the failure says how to declare it.
//
// # What is known to fail
//
// A failure that is known, and not to be mended today, is pinned in Fails: the spec then holds that the case fails just so.
// It fails when the case fails in another way, and when it does not fail any more.
package harnesstest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Stack is a stack to be tested, and what is known of it.
type Stack struct {
	// Name is what specs and messages call it.
	Name string

	// New makes a stack that has just been switched on. A restart makes another one of the same configuration, but for the
	// first transaction identifier. What the stack has no use for in the configuration it may leave alone: Faults are always
	// empty, and Profile is of the timers that the scenario, or the field below, wants.
	New func(cfg node.Config) stack.Stack

	// Device is where the stack is when it is no Go code that New could make, but runs on a real network.
	Device *Device

	// Profile names the timers that the stack has, "rfc1002" or "netbt", where they are not those that a scenario states.
	Profile string

	// Lacks lists what the stack is not meant to do.
	Lacks []scenario.Verb

	// Roles lists what the stack can be besides a B node: "p", "m", "h", of the types of nodes that have a name server, and
	// "nameserver". [node.Config] says which it is to be.
	Roles []string

	// Fails pins known failures: by the path of a case ("q124565-controls/group"), words of the first thing that goes wrong
	// in it, as [Pass] prints it.
	Fails map[string]string

	// Scenarios are put to the stack instead of those that ship with the harness.
	Scenarios []*scenario.Scenario
}

// The labels that the specs have besides those of their bug and their scenario.
const (
	Conformance = "conformance"
	CannotJudge = "cannot-judge"
)

// Conform declares the specs of a stack. Call it where a Ginkgo container may stand. It returns true, so that it can be
// assigned to the blank identifier.
func Conform(s Stack) bool {
	ginkgo.GinkgoHelper()
	at := types.NewCodeLocation(0)
	return ginkgo.Describe(s.Name, ginkgo.Label(Conformance), at, func() {
		trials, err := s.Trials()
		if err != nil {
			ginkgo.It("is told of correctly", at, func() { ginkgo.Fail(err.Error()) })
			return
		}
		for _, t := range trials {
			labels := t.labels()
			if t.CannotJudge() != "" {
				labels = append(labels, CannotJudge)
			}
			if s.Device != nil {
				ginkgo.It(t.sentence(), labels, at, ginkgo.Serial, func(ctx ginkgo.SpecContext) { t.spec(ctx) })
				continue
			}
			ginkgo.It(t.sentence(), labels, at, func(ctx ginkgo.SpecContext) { t.spec(ctx) })
		}
		if s.Device != nil {
			ginkgo.It(saysSomething, at, ginkgo.Serial, func(ctx ginkgo.SpecContext) { s.Device.judges(ctx, s, trials) })
			return // nobody can repeat to the microsecond what happened on a network
		}
		ginkgo.It(saysSomething, at, func() { failOver(nothingJudged(s, trials, s.lacks)) })
		ginkgo.It("gives the same outputs for the same inputs at the same times", at, func() {
			for _, t := range trials {
				if t.CannotJudge() == "" {
					gomega.Expect(t.repeats()).To(gomega.Succeed())
				}
			}
		})
	})
}

// saysSomething is the spec without which a suite that skips everything would be green.
const saysSomething = "can be judged by a case at least"

func failOver(why string) {
	ginkgo.GinkgoHelper()
	if why != "" {
		ginkgo.Fail(why)
	}
}

// nothingJudged tells what would have to be there for a case to say something about the stack, unless one does.
func nothingJudged(s Stack, trials []Trial, lacks func(v scenario.Verb) bool) string {
	var closest Trial
	var least []string
	for _, t := range trials {
		missing := t.missing(lacks)
		if len(missing) == 0 {
			return ""
		}
		if least == nil || len(missing) < len(least) {
			closest, least = t, missing
		}
	}
	none := fmt.Sprintf("0 of %d cases could be judged, so that nothing is known of %s", len(trials), s.Name)
	switch {
	case len(trials) == 0:
		return none + ": Scenarios has no case in it."
	case s.Device != nil:
		return fmt.Sprintf("%s: %s takes least, %s. What the device can do its agent has to do, and to say so; what is in Lacks counts as absent.",
			none, closest.Path(), strings.Join(least, ", "))
	}
	return fmt.Sprintf("%s: %s takes least, %s. Have the stack do that, and take it out of Lacks (a verb) or put it into Roles (a type of node).",
		none, closest.Path(), strings.Join(least, ", "))
}

// Trial is one case of a scenario, put to a stack.
type Trial struct {
	Stack    Stack
	Scenario *scenario.Scenario
	Index    int // of the case
}

// Trials returns what a stack is put to, in the order of the scenarios. The error tells what is wrong with what is said of
// the stack.
func (s Stack) Trials() ([]Trial, error) {
	if (s.New == nil) == (s.Device == nil) {
		return nil, errors.New("harnesstest: a Stack needs New, which makes one, or else a Device, which is one")
	}
	if _, known := node.FindProfile(s.Profile); s.Profile != "" && !known {
		return nil, fmt.Errorf("harnesstest: unknown profile %q", s.Profile)
	}
	list := s.Scenarios
	if list == nil {
		shipped, err := harness.Shipped()
		if err != nil {
			return nil, err
		}
		hostile, err := malformed(s.Device != nil)
		if err != nil {
			return nil, err
		}
		list = append(shipped, hostile...)
	}
	var trials []Trial
	unknown := maps.Clone(s.Fails)
	for _, sc := range list {
		for i := range sc.Cases {
			t := Trial{s, s.timed(sc), i}
			if _, pinned := unknown[t.Path()]; pinned && t.CannotJudge() != "" {
				return nil, fmt.Errorf("harnesstest: %s is said to fail, and cannot be judged: %s", t.Path(), t.CannotJudge())
			}
			delete(unknown, t.Path())
			trials = append(trials, t)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(unknown)) {
		return nil, fmt.Errorf("harnesstest: %s is said to fail, and there is no such case", path)
	}
	return trials, nil
}

// timed returns a scenario with the stack's own timers: on all nodes, since a step waits until those of its node are through.
func (s Stack) timed(sc *scenario.Scenario) *scenario.Scenario {
	if s.Profile == "" {
		return sc
	}
	changed := *sc
	changed.Nodes = slices.Clone(sc.Nodes)
	for i := range changed.Nodes {
		if n := &changed.Nodes[i]; n.Profile == node.RFC1002.Name { // what else a scenario states is what it is about
			n.Profile = s.Profile
		}
	}
	return &changed
}

// accused is the node whose place the stack takes: the one that has the bug or, without one, the first.
func accused(sc *scenario.Scenario) int { return sc.Bug.Node }

// Path names the case: "q124565", "q124565-controls/group".
func (t Trial) Path() string { return harness.Path(t.Scenario, t.testCase()) }

func (t Trial) testCase() *scenario.Case { return &t.Scenario.Cases[t.Index] }

func (t Trial) sentence() string {
	if _, known := t.Stack.Fails[t.Path()]; known {
		return "is known not to do as a correct stack does in " + t.Path()
	}
	return "does as a correct stack does in " + t.Path()
}

func (t Trial) labels() ginkgo.Labels {
	labels := ginkgo.Labels{t.Scenario.Name}
	if t.Scenario.Bug.Model != "" {
		labels = append(labels, t.Scenario.Bug.ID())
	}
	return labels
}

// CannotJudge tells why the case says nothing about the stack: the first step that needs what the stack is not meant to have.
// It is empty when the case can be judged.
func (t Trial) CannotJudge() string {
	if role := t.role(); role != "" && !slices.Contains(t.Stack.Roles, role) {
		return fmt.Sprintf("node %s is of type %s, which %s cannot be", t.Scenario.Nodes[accused(t.Scenario)].Name, role, t.Stack.Name)
	}
	return t.needs(t.Stack.lacks)
}

func (s Stack) lacks(v scenario.Verb) bool { return slices.Contains(s.Lacks, v) }

// needs tells of the first step that needs what the stack lacks.
func (t Trial) needs(lacks func(v scenario.Verb) bool) string {
	for _, need := range t.unmet(lacks) {
		step := t.testCase().Steps[need.Step]
		return fmt.Sprintf("line %d: %s: needs %s, which %s does not have", step.Pos.Line, step.Text, need.Verb, t.Stack.Name)
	}
	return ""
}

// unmet lists what steps need and the stack lacks. The name table of a device is seen on the wire.
func (t Trial) unmet(lacks func(v scenario.Verb) bool) []scenario.Need {
	return slices.DeleteFunc(t.Scenario.Needs(t.Index, accused(t.Scenario)), func(n scenario.Need) bool {
		return !lacks(n.Verb) || t.Stack.Device != nil && n.Verb == scenario.AdapterStatus
	})
}

// missing names all that the stack would have to have, each once.
func (t Trial) missing(lacks func(v scenario.Verb) bool) []string {
	var list []string
	if role := t.role(); role != "" && !slices.Contains(t.Stack.Roles, role) {
		list = append(list, role)
	}
	for _, need := range t.unmet(lacks) {
		if verb := need.Verb.String(); !slices.Contains(list, verb) {
			list = append(list, verb)
		}
	}
	return list
}

// role is what the stack has to be, if that is something else than a B node.
func (t Trial) role() string {
	n := t.Scenario.Nodes[accused(t.Scenario)]
	if n.NameServer {
		return "nameserver"
	}
	return n.Type
}

// Run performs the case on a stack that New makes, and judges it as a correct one.
func (t Trial) Run() harness.Result {
	r, _ := t.run()
	return r
}

// run also returns the configuration that the stack was last started with.
func (t Trial) run() (harness.Result, node.Config) {
	var last node.Config
	make := func(index int, cfg node.Config) stack.Stack {
		if index == accused(t.Scenario) {
			last = cfg
			return t.Stack.New(cfg)
		}
		if t.hostile() {
			return newIntruder(cfg, t.Scenario.Nodes[accused(t.Scenario)].Prefix.Addr())
		}
		return node.New(cfg)
	}
	r := harness.Run(t.Scenario, t.testCase(), fault.Set{}, harness.Options{Make: make})
	r.Model = t.Stack.Name
	return r, last
}

// spec is the body of the case's spec.
func (t Trial) spec(ctx ginkgo.SpecContext) {
	if why := t.CannotJudge(); why != "" {
		t.skip(why)
	}
	if d := t.Stack.Device; d != nil {
		d.spec(ctx, t)
		return
	}
	t.judge(t.Run())
}

func (t Trial) skip(why string) {
	ginkgo.AddReportEntry(t.Path()+" cannot be judged", ginkgo.ReportEntryVisibilityAlways) // else Ginkgo shows an S alone
	ginkgo.Skip("cannot judge: " + why)
}

// judge holds a run against what is expected of the stack.
func (t Trial) judge(r harness.Result) {
	if known, pinned := t.Stack.Fails[t.Path()]; pinned {
		gomega.Expect(r).To(FailWith(known))
		return
	}
	if failures := r.Report.Failures(); t.hostile() && len(failures) > 0 {
		r.Report = upTo(r.Report, failures[0].Step) // what a packet has broken stays so for all that follow
	}
	if advice := t.advice(r); advice != "" {
		gomega.Expect(r).To(Pass(), "%s", advice)
	}
	gomega.Expect(r).To(Pass())
}

// upTo returns the report on the steps up to one.
func upTo(r check.Report, step int) check.Report {
	r.Outcomes = slices.DeleteFunc(slices.Clone(r.Outcomes), func(o check.Outcome) bool { return o.Step > step })
	r.Violations = slices.DeleteFunc(slices.Clone(r.Violations), func(v check.Violation) bool { return v.Step > step })
	return r
}

// advice tells what the author of a stack can do about what went wrong, where that is not what it seems to be.
func (t Trial) advice(r harness.Result) string {
	return cmp.Or(t.crashed(r), t.undeclared(r), t.uncompleted(r))
}

// crashed tells in which step a stack broke down.
func (t Trial) crashed(r harness.Result) string {
	for i := range r.Trace.Events {
		e := &r.Trace.Events[i]
		if _, is := e.What.(trace.Crashed); is && e.Step >= 0 {
			step := t.testCase().Steps[e.Step]
			return fmt.Sprintf("%s crashed in line %d: %s.", t.Stack.Name, step.Pos.Line, step.Text)
		}
	}
	return ""
}

// uncompleted tells how a call ends, when a run ended because the stack did not end one. A device's calls are its agent's.
func (t Trial) uncompleted(r harness.Result) string {
	last := len(r.Trace.Events) - 1
	exhausted := slices.ContainsFunc(r.Trace.Events, func(e trace.Event) bool { _, is := e.What.(trace.Exhausted); return is })
	if !exhausted || t.Stack.Device != nil || r.Trace.Events[last].Step < 0 {
		return ""
	}
	step := t.testCase().Steps[r.Trace.Events[last].Step]
	switch {
	case step.Node != accused(t.Scenario):
		return ""
	case step.Verb == scenario.Stop:
		return fmt.Sprintf("%s did not end line %d: %s. A stack answers stack.Stop, in that step or a later one, with out.Add(stack.Stopped{}).",
			t.Stack.Name, step.Pos.Line, step.Text)
	case !step.Verb.Calls() || step.Async:
		return ""
	}
	return fmt.Sprintf("%s did not complete the call of line %d: %s. A stack ends each stack.Call that is put to Step, in that step or a "+
		"later one, with out.Add(stack.Complete{ID: call.ID}), and a Code where it is not netbios.GOODRET: see stack.Complete.",
		t.Stack.Name, step.Pos.Line, step.Text)
}

// undeclared tells how to say that a stack does not have what it has just answered ILLCMD to.
func (t Trial) undeclared(r harness.Result) string {
	steps := map[stack.CallID]int32{}
	for i := range r.Trace.Events {
		e := &r.Trace.Events[i]
		if int(e.Node) != accused(t.Scenario) {
			continue
		}
		switch what := e.What.(type) {
		case stack.Call:
			steps[what.ID] = e.Step
		case stack.Complete:
			step := t.testCase().Steps[steps[what.ID]]
			if what.Code == netbios.ILLCMD && step.Verb != scenario.Ncb {
				return fmt.Sprintf("%s answered %s in line %d: %s. If it is not meant to have that, say so in Lacks.",
					t.Stack.Name, what.Code, step.Pos.Line, step.Text)
			}
		}
	}
	return ""
}

// repeats tells whether the stack, given once more what went into it, does once more what it did.
func (t Trial) repeats() error {
	r, cfg := t.run()
	if r.Report.Crash != "" {
		return nil // its own spec tells of it
	}
	seq := harness.Redrive(r.Trace, accused(t.Scenario), t.Stack.New(cfg))
	if seq == 0 {
		return nil
	}
	e := r.Trace.Event(seq)
	return fmt.Errorf("harnesstest: %s: %s, given the same inputs again, does something else at %s: then it was %s",
		t.Path(), t.Stack.Name, e.At, nbt.Printable(fmt.Appendf(nil, "%+v", e.What)))
}

// why tells what went wrong in a run.
func why(r harness.Result) string {
	e := check.Evidence{Scenario: r.Scenario, Case: r.Case}
	text := e.Why(r.Report)
	if first := e.First(r.Report); first != "" && !strings.Contains(text, first) {
		text += "; " + first
	}
	return text
}
