// SPDX-License-Identifier: MIT

// Package check holds the judges: a run against what its scenario expects, a run against the promises of a correct stack,
// and a run against a recorded capture.
//
// The judge shares no code with the accused. It reads what crossed the seam (calls, completions, packets, stream events)
// and keeps its own count; what a stack notes about itself explains a verdict, and is compared with that count, but never
// decides.
package check

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Run is one run to be judged, with everything a judge may look at.
type Run struct {
	Scenario *scenario.Scenario
	Case     *scenario.Case
	Trace    *trace.Trace
	Frames   []trace.Frame // [trace.Wire] of the trace, numbered as in its capture
	Faults   []string      // identifiers of the faults in force; none for a correct stack
	Tolerate []string      // invariants whose violation is known and not the point of this run
	Devices  []int         // nodes that nobody sees inside of: judged by expectations alone

	// NeedNot are the kinds of frames that a device need not send: an expectation of one that is not on the wire is not judged.
	NeedNot []scenario.Kind
}

// Report is what the judges found in one run.
type Report struct {
	Outcomes    []Outcome   // of every expectation, in the order of the scenario
	Violations  []Violation // of the promises of a correct stack
	Tolerated   []Violation // of those that the run is known to break
	Crash       string      // what a stack that panicked said
	CannotJudge string      // why no verdict is possible; empty when one is
	Perturbed   []uint32    // events of frames that the network mistreated without the scenario's asking
}

// Outcome is what became of one expectation.
type Outcome struct {
	Step     int  // index into the case's steps
	Implied  bool // the step's call must return ok although no line says so
	Text     string
	Held     bool   // as a correct stack does
	Saw      string // what there was instead, when not
	Frame    int    // number of the frame that shows it, 0 for none
	Pinned   bool   // the scenario predicts something else for the faults in force
	Unjudged bool   // it makes no prediction under them
	PinHeld  bool   // and that is what there was
	PinSaw   string // what there was instead of it, when not
	Headline bool
	Symptom  string // the prediction in words, for a pinned one
	NeedNot  bool   // it is not met by a device that need not meet it
}

// Verdict is the verdict on a run.
type Verdict string

// The verdicts on a run.
const (
	Pass        Verdict = "pass"
	Fail        Verdict = "fail"
	CannotJudge Verdict = "cannot-judge"
)

// Verdict returns the verdict on the run as that of a correct stack.
func (r Report) Verdict() Verdict {
	switch {
	case r.Crash != "" && len(r.Perturbed) == 0:
		return Fail // whatever else did not happen because of it
	case r.CannotJudge != "":
		return CannotJudge
	case r.Deviations() > 0 || len(r.Violations) > 0 || r.Crash != "":
		if len(r.Perturbed) > 0 {
			return CannotJudge
		}
		return Fail
	}
	return Pass
}

// Deviations counts the expectations of a correct stack that were not met.
func (r Report) Deviations() int { return len(r.Failures()) }

func (o Outcome) deviates() bool { return !o.Held && !o.Unjudged && !o.NeedNot }

// Failures lists the expectations of a correct stack that were not met.
func (r Report) Failures() []Outcome {
	var list []Outcome
	for _, o := range r.Outcomes {
		if o.deviates() {
			list = append(list, o)
		}
	}
	return list
}

// Judge holds a run against its scenario and the promises of a correct stack.
func Judge(run Run) Report {
	j := judge{Run: run}
	j.index()
	var report Report
	for i := range run.Case.Steps {
		if i < len(j.steps) {
			report.Outcomes = append(report.Outcomes, j.step(i)...)
		}
	}
	for _, v := range violations(run) {
		if slices.Contains(run.Devices, v.Node) {
			continue
		}
		if v.Node == run.Scenario.Bug.Node && slices.Contains(run.Tolerate, v.Invariant) {
			report.Tolerated = append(report.Tolerated, v)
		} else {
			report.Violations = append(report.Violations, v)
		}
	}
	report.Crash, report.Perturbed = j.crash, j.perturbed
	report.CannotJudge = j.cannotJudge()
	return report
}

// judge is a run with an index of what happened in each step.
type judge struct {
	Run
	steps     []span
	calls     []made
	probes    []made
	exhausted string
	crash     string
	perturbed []uint32
}

// span is the time of one step: events from the first, up to and without the last.
type span struct {
	first, last uint32
	began       time.Duration
}

// made is a call that was made, and its completion when there is one.
type made struct {
	step   int
	node   int
	id     stack.CallID
	ncb    netbios.NCB
	called uint32 // event of the call
	done   *stack.Complete
	at     uint32 // event of the completion
}

func (j *judge) index() {
	for i := range j.Trace.Events {
		e := &j.Trace.Events[i]
		switch what := e.What.(type) {
		case trace.StepBegan:
			j.endStep(e.Seq)
			j.steps = append(j.steps, span{first: e.Seq, last: e.Seq + 1, began: e.At})
		case trace.Ended:
			j.endStep(e.Seq)
		case trace.Exhausted:
			j.exhausted = what.Limit
		case trace.Crashed:
			j.crash, _, _ = strings.Cut(what.Text, "\n")
		case trace.Lost:
			j.perturb(e, what.Scripted)
		case trace.Late:
			j.perturb(e, what.Scripted)
		case trace.Doubled:
			j.perturb(e, what.Scripted)
		case stack.Call:
			m := made{step: int(e.Step), node: int(e.Node), id: what.ID, ncb: what.NCB, called: e.Seq}
			if what.ID&trace.Probe != 0 {
				j.probes = append(j.probes, m)
			} else {
				j.calls = append(j.calls, m)
			}
		case stack.Complete:
			j.completed(e, what)
		}
	}
}

func (j *judge) endStep(seq uint32) {
	if len(j.steps) > 0 {
		j.steps[len(j.steps)-1].last = seq
	}
}

func (j *judge) perturb(e *trace.Event, scripted bool) {
	if !scripted {
		j.perturbed = append(j.perturbed, e.Cause)
	}
}

func (j *judge) completed(e *trace.Event, c stack.Complete) {
	list := j.calls
	if c.ID&trace.Probe != 0 {
		list = j.probes
	}
	for i := range list {
		if m := &list[i]; m.id == c.ID && m.node == int(e.Node) && m.done == nil {
			m.done, m.at = &c, e.Seq
			return
		}
	}
}

// cannotJudge tells why a run says nothing about its stacks: it was cut short, or the trigger never arrived.
func (j *judge) cannotJudge() string {
	if j.exhausted != "" {
		return "the run was ended early: " + j.exhausted
	}
	if len(j.steps) < len(j.Case.Steps) {
		return fmt.Sprintf("the run ended in step %d of %d", len(j.steps), len(j.Case.Steps))
	}
	for i := range j.Case.Steps {
		if step := &j.Case.Steps[i]; step.Trigger && !j.delivered(i) {
			return fmt.Sprintf("line %d: %s: the trigger was not delivered", step.Pos.Line, step.Text)
		}
	}
	return ""
}

// delivered reports whether a trigger step had its effect on the node with the bug: whether any of what it sends arrived
// there within the step. Steps that send nothing, or are that node's own, have nothing to deliver.
func (j *judge) delivered(step int) bool {
	trigger := &j.Case.Steps[step]
	port := uint16(stack.DatagramPort)
	switch trigger.Verb {
	case scenario.SendDatagram, scenario.SendBroadcast:
	case scenario.Inject:
		port = 0
	default:
		return true
	}
	target := j.Scenario.Bug.Node
	if trigger.Node == target {
		return true
	}
	from := j.Scenario.Nodes[trigger.Node].Prefix.Addr()
	for seq := j.steps[step].first; seq < j.steps[step].last; seq++ {
		e := j.Trace.Event(seq)
		if d, ok := e.What.(stack.Datagram); ok && int(e.Node) == target && d.From.Addr() == from && (port == 0 || d.To.Port() == port) {
			return true
		}
	}
	return false
}

// step judges the expectations of one step, and the return code that goes without saying.
func (j *judge) step(i int) []Outcome {
	step := &j.Case.Steps[i]
	outcomes := make([]Outcome, 0, len(step.Expect)+1)
	if !step.Async && step.Verb.Calls() && !statesResult(step) {
		o := Outcome{Step: i, Implied: true, Text: "ok"}
		o.Held, o.Saw, o.Frame = j.all(i, []scenario.Clause{scenario.Result{}})
		outcomes = append(outcomes, o)
	}
	for _, e := range step.Expect {
		o := Outcome{Step: i, Text: clauseText(e.Clauses)}
		o.Held, o.Saw, o.Frame = j.all(i, e.Clauses)
		o.NeedNot = !o.Held && j.needNot(e.Clauses)
		if alt := j.prediction(e); alt != nil {
			o.Unjudged, o.Pinned, o.Headline = alt.Any, !alt.Any, alt.Headline
			if o.Pinned {
				o.Symptom = scenario.Symptom(alt.Clauses)
				o.PinHeld, o.PinSaw, _ = j.all(i, alt.Clauses)
			}
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// needNot reports whether an expectation is about nothing but a frame that a device need not send. One that must be sent so many
// times is about more.
func (j *judge) needNot(clauses []scenario.Clause) bool {
	w, wire := clauses[0].(scenario.Wire)
	return len(clauses) == 1 && wire && !w.Not && !w.Pattern.Counted && slices.Contains(j.Devices, w.Pattern.From) &&
		slices.Contains(j.NeedNot, w.Pattern.Kind)
}

// clauseText writes what a correct stack is expected to do.
func clauseText(clauses []scenario.Clause) string {
	words := make([]string, len(clauses))
	for i, c := range clauses {
		words[i] = c.String()
	}
	return strings.Join(words, ", ")
}

func statesResult(step *scenario.Step) bool {
	for _, e := range step.Expect {
		for _, c := range e.Clauses {
			if r, ok := c.(scenario.Result); ok && r.Label == "" {
				return true
			}
		}
	}
	return false
}

// prediction returns what the scenario predicts under the faults in force: for this very model, else for one of its faults.
func (j *judge) prediction(e scenario.Expectation) *scenario.Alternative {
	if len(j.Faults) == 0 {
		return nil
	}
	for i := range e.Alternatives {
		if e.Alternatives[i].Bug == j.Trace.Model {
			return &e.Alternatives[i]
		}
	}
	for i := range e.Alternatives {
		if slices.Contains(j.Faults, e.Alternatives[i].Bug) {
			return &e.Alternatives[i]
		}
	}
	return nil
}

// all reports whether every clause holds, and otherwise what there was instead.
func (j *judge) all(step int, clauses []scenario.Clause) (held bool, saw string, frame int) {
	for _, c := range clauses {
		ok, what, number := j.clause(step, c)
		if !ok {
			return false, what, number
		}
		if frame == 0 {
			frame = number
		}
	}
	return true, "", frame
}

func (j *judge) clause(step int, c scenario.Clause) (held bool, saw string, frame int) {
	switch c := c.(type) {
	case scenario.Result:
		held, saw = j.result(step, c)
	case scenario.Received:
		held, saw = j.received(step, c)
	case scenario.Listed:
		held, saw = j.listed(step, c)
	case scenario.Wire:
		return j.wire(step, c)
	}
	return held, saw, 0
}

// callsOf returns the calls that a clause is about, those made up to the end of a step: the step's own, or the last of
// the label's.
func (j *judge) callsOf(step int, label string) []made {
	var own []made
	for _, m := range j.calls {
		switch {
		case label == "" && m.step == step:
			own = append(own, m)
		case label != "" && m.step <= step && j.Case.Steps[m.step].Label == label:
			own = []made{m}
		}
	}
	return own
}

func (j *judge) result(step int, c scenario.Result) (bool, string) {
	calls := j.callsOf(step, c.Label)
	if len(calls) == 0 {
		return false, "no call was made"
	}
	for _, m := range calls {
		done := m.done != nil && m.at < j.steps[step].last
		switch {
		case c.None && done:
			return false, codeText(m.done.Code)
		case c.None:
		case !done:
			return false, "not completed"
		case !c.Any && m.done.Code != c.Code:
			return false, codeText(m.done.Code)
		}
	}
	return true, ""
}

func codeText(c netbios.Code) string { return fmt.Sprintf("0x%02X %s", uint8(c), c) }

func (j *judge) received(step int, c scenario.Received) (bool, string) {
	for _, m := range j.callsOf(step, c.Label) {
		switch {
		case m.done == nil || m.at >= j.steps[step].last:
			return false, "nothing received"
		case !bytes.Equal(m.done.Data, c.Data):
			return false, `data "` + nbt.Printable(m.done.Data) + `"`
		}
	}
	return true, ""
}

// listed looks for a name in the table of a node, as ADAPTER STATUS gave it at the end of the step.
func (j *judge) listed(step int, c scenario.Listed) (bool, string) {
	for _, m := range j.probes {
		if m.step != step || m.node != c.Node {
			continue
		}
		if m.done == nil || m.done.Code != netbios.GOODRET {
			return false, "ADAPTER STATUS was not answered"
		}
		rows, err := netbios.ParseStatus(m.done.Data)
		if err != nil {
			return false, err.Error()
		}
		for _, row := range rows {
			if row.Name == c.Name && rowFits(row, c) {
				return !c.Not, describeRow(row)
			}
		}
		return c.Not, c.Name.String() + " is not in the table, or not so"
	}
	return false, "the name table was not looked at"
}

func rowFits(row netbios.NameRow, c scenario.Listed) bool {
	group := row.Flags&netbios.FlagGroup != 0
	if c.Kind != "" && group != (c.Kind == "group") {
		return false
	}
	return c.State == "" || c.State == stateWord(row.Flags)
}

func stateWord(flags uint8) string {
	switch flags &^ netbios.FlagGroup {
	case netbios.FlagRegistered:
		return "registered"
	case netbios.FlagDeregistered:
		return "deregistered"
	case netbios.FlagDuplicate, netbios.FlagDuplicateDeregist:
		return "conflict"
	}
	return "registering"
}

func describeRow(row netbios.NameRow) string {
	kind := "unique"
	if row.Flags&netbios.FlagGroup != 0 {
		kind = "group"
	}
	return fmt.Sprintf("%s is listed: %s, %s", row.Name, kind, stateWord(row.Flags))
}

// wire counts the frames that a clause is about, from the start of the step to the start of the next, or as it says.
func (j *judge) wire(step int, c scenario.Wire) (held bool, saw string, frame int) {
	p, s := c.Pattern, j.steps[step]
	seen := 0
	for _, f := range j.Frames {
		if f.Seq < s.first || p.For == 0 && f.Seq >= s.last {
			continue
		}
		if limit := max(p.Within, p.For); limit > 0 && f.At > s.began+limit {
			continue
		}
		if p.Matches(j.Scenario.Nodes, f) {
			if seen++; frame == 0 {
				frame = f.Number
			}
		}
	}
	switch {
	case p.Counted && !c.Not:
		held = seen == p.Count
	case p.Counted:
		held = seen != p.Count
	default:
		held = (seen > 0) != c.Not
	}
	if held {
		return true, "", frame
	}
	switch seen {
	case 0:
		return false, "none on the wire", 0
	case 1:
		return false, fmt.Sprintf("one on the wire: frame %d", frame), frame
	}
	return false, fmt.Sprintf("%d on the wire, the first in frame %d", seen, frame), frame
}
