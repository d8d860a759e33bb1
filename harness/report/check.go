// SPDX-License-Identifier: MIT

package report

import (
	"io"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
)

// maxShownJSON is how many differences a line of JSON lists; its count has them all.
const maxShownJSON = 1000

// checked is a line of check --json.
type checked struct {
	Scenario    string       `json:"scenario"`
	Case        string       `json:"case,omitempty"`
	Model       string       `json:"model"`
	Capture     string       `json:"capture"`
	Cut         string       `json:"cut,omitempty"`
	Frames      int          `json:"frames"`
	Recorded    int          `json:"recorded"`
	Count       int          `json:"count"` // of the differences, also of those left out
	Differences []difference `json:"differences,omitempty"`
}

type difference struct {
	Change   string   `json:"change"`
	Recorded int      `json:"recorded_frame,omitempty"`
	Run      int      `json:"run_frame,omitempty"`
	Fields   []string `json:"fields,omitempty"`
	Text     string   `json:"text"`
}

// CheckJSON writes the comparison of a run with a capture as one line of JSON.
func CheckJSON(w io.Writer, r harness.Result, recorded capture.Capture, list []check.Difference, state check.CaptureState) error {
	line := checked{
		Scenario: r.Scenario.Name, Case: r.Case.Title, Model: r.Model, Capture: string(state),
		Frames: len(r.Frames), Recorded: len(recorded.Frames),
		Count: len(list),
	}
	if recorded.Cut != nil {
		line.Cut = recorded.Cut.String()
	}
	for _, d := range list[:min(len(list), maxShownJSON)] {
		out := difference{Change: string(d.Change), Fields: d.Fields, Text: d.String()}
		if d.Recorded != nil {
			out.Recorded = d.Recorded.Number
		}
		if d.Run != nil {
			out.Run = d.Run.Number
		}
		line.Differences = append(line.Differences, out)
	}
	return JSON(w, line)
}

// CheckText writes the comparison of a run with a capture.
func CheckText(p *Printer, r harness.Result, recorded capture.Capture, list []check.Difference, state check.CaptureState, file string) {
	p.Printf("%s on %s, against %s: ", harness.Path(r.Scenario, r.Case), r.Model, file)
	colour := Bad
	switch state {
	case check.CaptureMatches:
		colour = Good
	case check.CaptureUnusable:
		colour = Doubt
	case check.CaptureDiffers, check.CaptureMissing, check.CaptureUnasked:
	}
	p.Paint(colour, "%s", state)
	p.Printf(" (%d frames in the run, %d in the capture)\n", len(r.Frames), len(recorded.Frames))
	if recorded.Cut != nil {
		p.Printf("the capture is %s; only what comes before can be compared\n", recorded.Cut)
	}
	for _, s := range recorded.Skipped {
		p.Printf("left out of the capture: %s, the first is number %d: %s\n", plural(s.Count, "packet"), s.First, s.Why)
	}
	if len(list) > 0 {
		p.Printf("\n")
		Differences(p, list)
	}
	p.Printf("not compared: %s\n", check.Ignored)
}
