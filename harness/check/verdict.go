// SPDX-License-Identifier: MIT

package check

import (
	"fmt"
	"slices"

	"github.com/nbtlab/nbtlab/harness/scenario"
)

// ScenarioVerdict is the verdict on a case of a scenario. There are no other words.
type ScenarioVerdict string

// The verdicts on a scenario.
const (
	Reproduced     ScenarioVerdict = "reproduced"     // the bug shows as pinned, and only so, and only there
	NotReproduced  ScenarioVerdict = "not-reproduced" // the fault did not show
	Holds          ScenarioVerdict = "holds"          // a scenario without a bug of its own: as expected on every model
	Broken         ScenarioVerdict = "broken"         // anything else: another failure is never a reproduction
	CannotJudgeAll ScenarioVerdict = "cannot-judge"   // no verdict is possible
)

// CaptureState is how a run compares with its recorded capture.
type CaptureState string

// The states.
const (
	CaptureMatches  CaptureState = "match"
	CaptureDiffers  CaptureState = "differs"
	CaptureMissing  CaptureState = "missing"
	CaptureUnasked  CaptureState = ""    // not compared: a perturbed run, or one with another seed
	CaptureUnusable CaptureState = "cut" // cut short; up to there it is the same
)

// Side is a run and its comparison with its recording.
type Side struct {
	Report  Report
	Capture CaptureState
	Why     string // of a capture that does not match: the first difference
}

// Control is a run that must behave as a correct stack, though the fault is in force.
type Control struct {
	Name    string
	Verdict Verdict
	Why     string
}

// Evidence is all that a verdict on a case is made from.
type Evidence struct {
	Scenario *scenario.Scenario
	Case     *scenario.Case
	Fixed    Side
	Buggy    *Side // nil for a scenario without a bug
	Controls []Control
	Breaks   []string // the invariants that the fault is known to break
	Stranger bool     // the faulty model has faults, but not the scenario's own
	Strays   int      // number of the first frame in which the faulty run is not byte for byte the fixed one, 0 for none
}

// Verdict decides, and tells why in a sentence.
func (e Evidence) Verdict() (ScenarioVerdict, string) {
	if verdict, why := e.judgeable(); verdict != "" {
		return verdict, why
	}
	if e.Fixed.Report.Verdict() != Pass {
		return Broken, "the fixed model does not do as expected: " + e.First(e.Fixed.Report)
	}
	verdict, why := Holds, ""
	switch {
	case e.Buggy == nil:
	case e.Scenario.Against:
		if why = e.difference(); why != "" {
			return Broken, "the faulty model behaves differently: " + why
		}
	default:
		if verdict, why = e.reproduction(); verdict != Reproduced {
			return verdict, why
		}
	}
	if verdict, why := e.captures(); verdict != "" {
		return verdict, why
	}
	for _, c := range e.Controls {
		switch c.Verdict {
		case Pass:
		case CannotJudge:
			return CannotJudgeAll, fmt.Sprintf("control %s: %s", c.Name, c.Why)
		case Fail:
			return Broken, fmt.Sprintf("control %s: %s", c.Name, c.Why)
		}
	}
	return verdict, why
}

// judgeable tells whether the runs say anything at all. A run that the network disturbed still does when it went as
// expected: then the disturbance did not matter.
func (e Evidence) judgeable() (ScenarioVerdict, string) {
	if e.Fixed.Report.Verdict() == CannotJudge {
		return CannotJudgeAll, "on the fixed model: " + e.Why(e.Fixed.Report)
	}
	if e.Buggy == nil {
		return "", ""
	}
	if r := e.Buggy.Report; r.CannotJudge != "" && r.Verdict() == CannotJudge {
		return CannotJudgeAll, "on the faulty model: " + r.CannotJudge
	} else if len(r.Perturbed) > 0 {
		verdict, why := e.reproduction()
		if e.Scenario.Against {
			why = e.difference()
		}
		if e.Scenario.Against && why != "" || !e.Scenario.Against && verdict != Reproduced {
			return CannotJudgeAll, "the network disturbed the run of the faulty model, and it did not go as expected: " + why
		}
	}
	return "", ""
}

// Why tells why a run did not pass: the first thing that went wrong, or why nothing can be said.
func (e Evidence) Why(r Report) string {
	switch {
	case r.CannotJudge != "":
		return r.CannotJudge
	case r.Verdict() == CannotJudge:
		return "the network disturbed the run, and it did not go as expected: " + e.First(r)
	}
	return e.First(r)
}

// reproduction holds the faulty model's run against what the scenario pins: the expectations that fail must be exactly the
// pinned ones, each prediction must hold, and no promise may be broken that the fault is not known to break.
func (e Evidence) reproduction() (ScenarioVerdict, string) {
	r := e.Buggy.Report
	if r.Deviations() == 0 && len(r.Violations) == 0 && r.Crash == "" {
		if e.Stranger {
			return Broken, "another fault stands in the place of the bug, and nothing shows"
		}
		return NotReproduced, "the faulty model does what a correct stack does"
	}
	if r.Crash != "" {
		return Broken, "the stack crashed: " + r.Crash
	}
	for _, o := range r.Outcomes {
		switch {
		case o.deviates() && !o.Pinned:
			return Broken, e.At(o) + ": not part of this bug: " + o.Saw
		case o.Pinned && !o.deviates():
			return Broken, e.At(o) + ": this part of the bug did not show"
		case o.Pinned && !o.PinHeld:
			return Broken, fmt.Sprintf("%s: the bug shows as %s, here: %s", e.At(o), o.Symptom, o.PinSaw)
		}
	}
	for _, v := range r.Violations {
		if v.Node != e.Scenario.Bug.Node || !slices.Contains(e.Breaks, v.Invariant) {
			return Broken, "not part of this bug: " + v.Invariant + ": " + v.Text
		}
	}
	return Reproduced, ""
}

// difference tells in what the faulty model does not do as the fixed one; empty when in nothing.
func (e Evidence) difference() string {
	if r := e.Buggy.Report; r.Deviations() > 0 || r.Crash != "" || len(r.Violations) > 0 {
		return e.First(r)
	}
	if e.Strays > 0 {
		return fmt.Sprintf("frame %d is not what the fixed model sends", e.Strays)
	}
	return ""
}

func (e Evidence) captures() (ScenarioVerdict, string) {
	sides := []struct {
		name string
		side *Side
	}{{"fixed", &e.Fixed}, {"faulty", e.Buggy}}
	for _, s := range sides {
		if s.side == nil {
			continue
		}
		switch s.side.Capture {
		case CaptureUnusable:
			return CannotJudgeAll, fmt.Sprintf("the recorded capture of the %s model is cut: %s", s.name, s.side.Why)
		case CaptureDiffers:
			return Broken, fmt.Sprintf("the %s model's run differs from its recorded capture: %s", s.name, s.side.Why)
		case CaptureMissing:
			return Broken, fmt.Sprintf("there is no recorded capture of the %s model: make one with nbtlab record", s.name)
		case CaptureMatches, CaptureUnasked:
		}
	}
	return "", ""
}

// First describes the first thing that went wrong in a run.
func (e Evidence) First(r Report) string {
	if r.Crash != "" {
		return "the stack crashed: " + r.Crash
	}
	for _, o := range r.Outcomes {
		if o.deviates() {
			return fmt.Sprintf("%s: expected %s, saw %s", e.At(o), o.Text, o.Saw)
		}
	}
	for _, v := range r.Violations {
		return v.Invariant + ": " + v.Text
	}
	return ""
}

// At names the step of an outcome.
func (e Evidence) At(o Outcome) string {
	step := e.Case.Steps[o.Step]
	return fmt.Sprintf("line %d: %s", step.Pos.Line, step.Text)
}

// Headline returns the outcome of the expectation that the bug is known by, when the run failed it; else the first that
// the run failed.
func (r Report) Headline() (Outcome, bool) {
	var first *Outcome
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; o.deviates() {
			if o.Headline {
				return *o, true
			}
			if first == nil {
				first = o
			}
		}
	}
	if first == nil {
		return Outcome{}, false
	}
	return *first, true
}

// From returns the report on the steps from one on: what a restart healed does not count.
func (r Report) From(step int) Report {
	kept := r
	kept.Outcomes, kept.Violations = nil, nil
	for _, o := range r.Outcomes {
		if o.Step >= step {
			kept.Outcomes = append(kept.Outcomes, o)
		}
	}
	for _, v := range r.Violations {
		if v.Step >= step {
			kept.Violations = append(kept.Violations, v)
		}
	}
	return kept
}
