// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
)

// verification is a line of verify --json.
type verification struct {
	Scenario string    `json:"scenario"`
	Case     string    `json:"case,omitempty"`
	Bug      string    `json:"bug,omitempty"`
	Verdict  string    `json:"verdict"`
	Why      string    `json:"why,omitempty"`
	Fixed    side      `json:"fixed"`
	Buggy    *side     `json:"buggy,omitempty"`
	Controls []control `json:"controls,omitempty"`
}

type side struct {
	Verdict    string      `json:"verdict"`
	FailedStep *failedStep `json:"failed_step,omitempty"`
	Symptom    string      `json:"symptom,omitempty"`
	Deviations int         `json:"deviations,omitempty"`
	Violations []violation `json:"violations,omitempty"`
	Capture    string      `json:"capture,omitempty"`
	Difference string      `json:"difference,omitempty"`
}

type failedStep struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

type violation struct {
	Invariant string `json:"invariant"`
	Text      string `json:"text"`
}

type control struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
}

// VerificationJSON writes a verification as one line of JSON.
func VerificationJSON(w io.Writer, v harness.Verification) error {
	line := verification{
		Scenario: v.Scenario.Name, Case: v.Case.Title, Bug: v.Scenario.Bug.ID(), Verdict: string(v.Verdict), Why: v.Why,
		Fixed: newSide(v.Fixed, v.Evidence.Fixed),
	}
	if v.Buggy != nil {
		buggy := newSide(*v.Buggy, *v.Evidence.Buggy)
		buggy.Verdict = buggyVerdict(v)
		line.Buggy = &buggy
	}
	for _, c := range v.Controls {
		line.Controls = append(line.Controls, control{c.Name, string(c.Verdict), c.Why})
	}
	return JSON(w, line)
}

func newSide(r harness.Result, s check.Side) side {
	out := runSide(r)
	out.Capture, out.Difference = string(s.Capture), s.Why
	if s.Capture == check.CaptureUnusable {
		out.Capture = string(check.CaptureDiffers) // programs know three states; how it differs stands beside it
	}
	return out
}

func runSide(r harness.Result) side {
	out := side{Verdict: string(r.Report.Verdict()), Deviations: r.Report.Deviations()}
	if o, failed := r.Report.Headline(); failed {
		step := r.Case.Steps[o.Step]
		out.FailedStep = &failedStep{step.Pos.Line, step.Text}
		out.Symptom = symptom(o)
	}
	for _, v := range r.Report.Violations {
		out.Violations = append(out.Violations, violation{v.Invariant, v.Text})
	}
	return out
}

// symptom tells how an expectation failed: in the scenario's words where it predicted that, else as it was seen.
func symptom(o check.Outcome) string {
	if o.Pinned && o.PinHeld {
		return o.Symptom
	}
	return o.Saw
}

// VerificationTable writes the verdicts as a table (of each run the verdict, and how it compares with its recorded capture),
// and below it why any of them is not as it should be, with the command
// that shows more.
func VerificationTable(p *Printer, list []harness.Verification, lookAt func(harness.Verification) string) {
	rows := [][]string{{"SCENARIO", "BUG", "VERDICT", "FIXED", "BUGGY", "CONTROLS", "HEADLINE"}}
	for _, v := range list {
		rows = append(rows, verificationRow(v))
	}
	table(p, rows, func(row, column int) (Colour, bool) {
		if row == 0 {
			return Strong, true
		}
		if column == 2 {
			return verdictColour(list[row-1].Verdict), true
		}
		return "", false
	})
	for _, v := range list {
		if v.Why != "" {
			p.Printf("\n%s: ", harness.Path(v.Scenario, v.Case))
			p.Paint(verdictColour(v.Verdict), "%s", v.Verdict)
			p.Printf(": %s\n    look at it: %s\n", v.Why, lookAt(v))
		}
	}
	p.Printf("\n%s\n", tally(list))
}

func verdictColour(v check.ScenarioVerdict) Colour {
	switch v {
	case check.Reproduced, check.Holds:
		return Good
	case check.CannotJudgeAll:
		return Doubt
	case check.NotReproduced, check.Broken:
	}
	return Bad
}

func verificationRow(v harness.Verification) []string {
	bug, buggy, headline := v.Scenario.Bug.Model, "-", ""
	if v.Scenario.Against {
		bug = "not " + bug
	}
	if v.Buggy != nil {
		buggy = sideText(buggyVerdict(v), *v.Evidence.Buggy)
		if o, failed := v.Buggy.Report.Headline(); failed {
			headline = fmt.Sprintf("line %d: %s", v.Case.Steps[o.Step].Pos.Line, symptom(o))
		}
	}
	return []string{
		harness.Path(v.Scenario, v.Case), bug, string(v.Verdict), sideText(string(v.Fixed.Report.Verdict()), v.Evidence.Fixed), buggy,
		controlsText(v), headline,
	}
}

// controlsText tells how the controls went: together when they all passed, else each by its name.
func controlsText(v harness.Verification) string {
	switch {
	case len(v.Controls) > 0:
	case v.Scenario.NoControl != "":
		return "none"
	default:
		return "-"
	}
	var names []string
	passed := 0
	for _, c := range v.Controls {
		names = append(names, c.Name+" "+string(c.Verdict))
		if c.Verdict == check.Pass {
			passed++
		}
	}
	if passed == len(names) {
		return fmt.Sprintf("%d pass", passed)
	}
	return strings.Join(names, ", ")
}

// buggyVerdict is the verdict on the faulty model's run. In a case that reproduces it has failed as pinned, even where the
// network disturbed it and a failure alone would say nothing.
func buggyVerdict(v harness.Verification) string {
	if v.Verdict == check.Reproduced {
		return string(check.Fail)
	}
	return string(v.Buggy.Report.Verdict())
}

func sideText(text string, s check.Side) string {
	if s.Capture != check.CaptureUnasked {
		text += ", " + string(s.Capture)
	}
	return text
}

func tally(list []harness.Verification) string {
	var parts []string
	for _, verdict := range []check.ScenarioVerdict{
		check.Reproduced, check.Holds, check.NotReproduced, check.Broken, check.CannotJudgeAll,
	} {
		n := 0
		for _, v := range list {
			if v.Verdict == verdict {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verdict))
		}
	}
	return strings.Join(parts, ", ")
}

// table writes rows in columns that are as wide as they must be; the last is left ragged.
func table(p *Printer, rows [][]string, colour func(row, column int) (Colour, bool)) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(clean(cell)))
		}
	}
	for r, row := range rows {
		for i, cell := range row {
			pad := ""
			if strings.Join(row[i+1:], "") != "" {
				pad = strings.Repeat(" ", widths[i]-len(clean(cell))+2)
			}
			if c, ok := colour(r, i); ok {
				p.Paint(c, "%s", cell)
			} else {
				p.Printf("%s", cell)
			}
			p.Printf("%s", pad)
		}
		p.Printf("\n")
	}
}
