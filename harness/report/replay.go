// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Replay is a replay with what it was made from.
type Replay struct {
	File    string
	View    *replay.View
	Product *replay.Product // whose tolerances were in force, nil for none
	Capture capture.Summary
	Result  replay.Result
}

// replayed is the line of replay --json.
type replayed struct {
	File        string          `json:"file"`
	Host        string          `json:"host"`
	Verdict     string          `json:"verdict"`
	ExplainedBy []string        `json:"explained_by"`
	Why         string          `json:"why,omitempty"`
	Missing     []string        `json:"missing,omitempty"`
	Notes       []string        `json:"notes,omitempty"`
	Frames      int             `json:"frames"` // that concern the host
	Sent        int             `json:"sent"`   // by it
	Cut         string          `json:"cut,omitempty"`
	Profile     string          `json:"profile,omitempty"`
	Tolerated   []tolerated     `json:"tolerated,omitempty"`
	Held        []heldName      `json:"held_before,omitempty"`
	Models      []replayedModel `json:"models,omitempty"`
}

type tolerated struct {
	ID     string `json:"id"`
	Times  int    `json:"times"`
	Reason string `json:"reason"`
}

type heldName struct {
	Name  string `json:"name"`
	Group bool   `json:"group,omitempty"`
	Frame int    `json:"frame"`
}

type replayedModel struct {
	Model   string   `json:"model"`
	Finding string   `json:"finding"`
	Why     string   `json:"why,omitempty"`
	Assumed []string `json:"assumed,omitempty"`
	replay.Counts
	First *firstDifference `json:"first_difference,omitempty"`
}

type firstDifference struct {
	Frame    int      `json:"frame"`
	Expected string   `json:"expected,omitempty"`
	Seen     string   `json:"seen,omitempty"`
	Fields   []string `json:"fields,omitempty"`
}

// ReplayJSON writes a replay as one line of JSON.
func ReplayJSON(w io.Writer, r Replay) error {
	line := replayed{
		File: r.File, Host: r.View.Host.String(), Verdict: string(r.Result.Verdict), ExplainedBy: modelNames(r.Result.By),
		Why: r.Result.Why, Missing: r.Result.Missing, Notes: r.Result.Notes, Frames: len(r.View.Frames), Sent: r.View.Sent(),
	}
	if r.Capture.Cut != nil {
		line.Cut = r.Capture.Cut.String()
	}
	if r.Product != nil {
		line.Profile = r.Product.Name
	}
	if best := r.Result.Best(); best != nil {
		for _, t := range best.Used {
			line.Tolerated = append(line.Tolerated, tolerated{t.ID, t.Times, t.Reason})
		}
	}
	for _, h := range r.Result.Held {
		line.Held = append(line.Held, heldName{h.Name.String(), h.Group, r.View.Frames[h.Frame].Number})
	}
	for i := range r.Result.Outcomes {
		x := &r.Result.Outcomes[i]
		m := replayedModel{Model: x.Model.String(), Finding: string(x.Finding), Why: x.Why, Counts: x.Counts}
		for _, c := range x.Assumed {
			m.Assumed = append(m.Assumed, x.Assumption(r.View, c))
		}
		if d := x.First; d != nil {
			m.First = &firstDifference{Frame: d.Frame, Expected: frameText(d.Expected), Seen: frameText(d.Seen), Fields: d.Fields}
		}
		line.Models = append(line.Models, m)
	}
	return JSON(w, line)
}

func frameText(f *trace.Frame) string {
	if f == nil {
		return ""
	}
	return check.Describe(f)
}

func modelNames(models []fault.Set) []string {
	names := []string{}
	for _, m := range models {
		names = append(names, m.String())
	}
	return names
}

// ReplayText writes a replay for people.
func ReplayText(p *Printer, r Replay) {
	p.Printf("%s, host %s: ", r.File, r.View.Host)
	by := strings.Join(modelNames(r.Result.By), ", ")
	switch r.Result.Verdict {
	case replay.One:
		colour := Bad
		if r.Result.By[0] == (fault.Set{}) {
			colour = Good
		}
		p.Paint(colour, "%s explains it", by)
		if assumed := r.Result.Best().Why; assumed != "" {
			p.Printf(", %s", assumed)
		}
		p.Printf("\n")
	case replay.Several:
		p.Paint(Doubt, "several explain it: %s", by)
		p.Printf("\n")
		for _, fact := range r.Result.Missing {
			p.Printf("    missing: %s\n", fact)
		}
	case replay.None:
		p.Paint(Bad, "no model explains it")
		p.Printf("\n")
	case replay.CannotJudge:
		p.Paint(Doubt, "cannot judge: %s", r.Result.Why)
		p.Printf("\n")
	}
	best := r.Result.Best()
	if best != nil {
		p.Printf("    %s to it, from it or to everybody; of the %d from it %s makes %d explained, %d inferred, %d tolerated, "+
			"%d unexplained, %d left apart\n", plural(len(r.View.Frames), "frame"), r.View.Sent(), best.Model, best.Explained,
			best.Inferred, best.Tolerated, best.Unexplained, best.Apart)
	}
	for _, note := range r.Result.Notes {
		p.Printf("    %s\n", note)
	}
	if r.Capture.Cut != nil {
		p.Printf("    the capture is %s; what follows goes as far as it does\n", r.Capture.Cut)
	}
	if best == nil {
		return
	}
	modelTable(p, &r.Result)
	r.heldText(p)
	r.toleratedText(p, best)
	apartText(p, r.View, best)
	if r.Result.Verdict == replay.None && best.First != nil {
		firstText(p, best)
	}
	p.Printf("\nnot compared: %s\n", replay.Ignored)
}

func modelTable(p *Printer, r *replay.Result) {
	p.Printf("\n")
	rows := [][]string{{"MODEL", "EXPLAINS IT", "WHY"}}
	for i := range r.Outcomes {
		x := &r.Outcomes[i]
		rows = append(rows, []string{x.Model.String(), findingWord(x.Finding), x.Why})
	}
	table(p, rows, func(row, column int) (Colour, bool) {
		if row == 0 {
			return Strong, true
		}
		if column != 1 {
			return "", false
		}
		switch r.Outcomes[row-1].Finding {
		case replay.Explains:
			return Good, true
		case replay.Untried, replay.Strained:
			return Faint, true
		case replay.Differs:
		}
		return "", false
	})
}

func findingWord(f replay.Finding) string {
	switch f {
	case replay.Explains:
		return "yes"
	case replay.Differs:
		return "no"
	case replay.Untried:
		return "not tried"
	case replay.Strained:
		return "only if"
	}
	return string(f)
}

// maxListed is how many names are told of.
const maxListed = 40

func (r *Replay) heldText(p *Printer) {
	if len(r.Result.Held) == 0 {
		return
	}
	var names []string
	for _, h := range r.Result.Held[:min(len(r.Result.Held), maxListed)] {
		names = append(names, fmt.Sprintf("%s (frame %d)", h.Name, r.View.Frames[h.Frame].Number))
	}
	if more := len(r.Result.Held) - maxListed; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	p.Printf("\nheld before the capture: %s\n", strings.Join(names, ", "))
}

func (r *Replay) toleratedText(p *Printer, best *replay.Outcome) {
	if r.Product == nil {
		return
	}
	p.Printf("\ntolerated with the profile %s, by %s:\n", r.Product.Name, best.Model)
	if len(best.Used) == 0 {
		p.Printf("    nothing\n")
	}
	var rows [][]string
	for _, t := range best.Used {
		rows = append(rows, []string{"    " + t.ID, fmt.Sprintf("%dx", t.Times), t.Reason})
	}
	table(p, rows, func(int, int) (Colour, bool) { return "", false })
}

func apartText(p *Printer, v *replay.View, best *replay.Outcome) {
	for _, a := range best.Left(v) {
		p.Printf("\nleft apart: %s, the first is frame %d: %s\n", plural(a.Count, "frame"), a.First, a.Why)
	}
}

// firstText shows the first difference of a model side by side.
func firstText(p *Printer, x *replay.Outcome) {
	d := x.First
	p.Printf("\nfirst difference, at frame %d, of %s:\n", d.Frame, x.Model)
	differenceInFull(p, check.Difference{Change: check.Altered, Recorded: d.Expected, Run: d.Seen, Fields: d.Fields},
		[2]string{"expected", "seen"})
}
