// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// seconds writes a time of the run.
func seconds(d time.Duration) string { return fmt.Sprintf("%.6fs", d.Seconds()) }

// run is a line of run --json.
type run struct {
	Scenario string `json:"scenario"`
	Case     string `json:"case,omitempty"`
	Model    string `json:"model"`
	Seed     uint64 `json:"seed"`
	side
	Why      string         `json:"why,omitempty"`
	Frames   int            `json:"frames"`
	Failed   []failure      `json:"failed,omitempty"`
	Unjudged []failure      `json:"not_judged,omitempty"` // what the device need not send, and did not
	Ledger   []ledgerRecord `json:"ledger,omitempty"`
}

type failure struct {
	Line     int    `json:"line"`
	Step     string `json:"step"`
	Expected string `json:"expected"`
	Saw      string `json:"saw"`
	Frame    int    `json:"frame,omitempty"`
}

type ledgerRecord struct {
	Node   string `json:"node"`
	Name   string `json:"name"`
	Holder string `json:"holder"`
	Text   string `json:"text"`
}

// RunJSON writes a run as one line of JSON.
func RunJSON(w io.Writer, r harness.Result) error {
	line := run{
		Scenario: r.Scenario.Name, Case: r.Case.Title, Model: r.Model, Seed: r.Trace.Seed, side: runSide(r),
		Why: r.Report.CannotJudge, Frames: len(r.Frames),
	}
	told := func(o check.Outcome) failure {
		step := r.Case.Steps[o.Step]
		return failure{step.Pos.Line, step.Text, o.Text, o.Saw, o.Frame}
	}
	for _, o := range r.Report.Failures() {
		line.Failed = append(line.Failed, told(o))
	}
	for _, o := range r.Report.Outcomes {
		if o.NeedNot {
			line.Unjudged = append(line.Unjudged, told(o))
		}
	}
	if node, before, ok := ledgerMoment(r); ok {
		for _, h := range ledgerAt(r.Trace, node, before) {
			line.Ledger = append(line.Ledger, ledgerRecord{
				r.Trace.Nodes[node].Name, h.Name.String(), h.Holder.String(), describeHeld(r.Run, h),
			})
		}
	}
	return JSON(w, line)
}

// RunText writes what became of a run: its verdict, every expectation that failed, who holds which reference where it
// matters, and the command that repeats it.
func RunText(p *Printer, r harness.Result, repeat string) {
	p.Printf("%s on %s: ", harness.Path(r.Scenario, r.Case), r.Model)
	p.Paint(runColour(r.Report.Verdict()), "%s", r.Report.Verdict())
	how := "in real time"
	if r.Trace.Seed != 0 {
		how = fmt.Sprintf("seed %d", r.Trace.Seed)
	}
	p.Printf(" (%d steps, %d expectations, %d frames, %s)\n",
		len(r.Case.Steps), len(r.Report.Outcomes), len(r.Frames), how)
	if r.Report.CannotJudge != "" {
		p.Printf("\ncannot judge: %s\n", r.Report.CannotJudge)
	}
	last := -1
	for _, o := range r.Report.Failures() {
		if o.Step != last {
			step := r.Case.Steps[o.Step]
			p.Printf("\n%s:%d: ", r.Scenario.Path, step.Pos.Line)
			p.Paint(Strong, "%s\n", step.Text)
			last = o.Step
		}
		p.Printf("    expected  %s\n    saw       %s\n", o.Text, o.Saw)
		if o.Pinned && o.PinHeld {
			mark := ""
			if o.Headline {
				mark = "  (the headline)"
			}
			p.Printf("    which is  %s: %s%s\n", r.Scenario.Bug.ID(), o.Symptom, mark)
		} else if o.Pinned {
			p.Printf("    and not   %s: %s, but %s\n", r.Scenario.Bug.ID(), o.Symptom, o.PinSaw)
		}
	}
	for _, o := range r.Report.Outcomes {
		if o.NeedNot {
			step := r.Case.Steps[o.Step]
			p.Printf("\n%s:%d: not judged: %s, which the device need not send; saw %s\n", r.Scenario.Path, step.Pos.Line, o.Text, o.Saw)
		}
	}
	for _, v := range r.Report.Violations {
		p.Printf("\nbroken promise: %s: %s: %s\n", nodeName(r.Trace, v.Node), v.Invariant, v.Text)
	}
	if r.Report.Crash != "" {
		p.Printf("\nthe stack crashed: %s\n", r.Report.Crash)
	}
	ledgerText(p, r)
	if r.Report.Verdict() != check.Pass {
		p.Printf("\nrepeat it: %s\n", repeat)
	}
}

func runColour(v check.Verdict) Colour {
	switch v {
	case check.Pass:
		return Good
	case check.CannotJudge:
		return Doubt
	case check.Fail:
	}
	return Bad
}

func nodeName(t *trace.Trace, node int) string {
	if node < 0 {
		return "lan"
	}
	return t.Nodes[node].Name
}

// ledgerMoment is the node whose ledger explains a failed run, and the event before which to look at it: the call of the
// headline step, or the end of the run.
func ledgerMoment(r harness.Result) (node int, before uint32, ok bool) {
	o, failed := r.Report.Headline()
	if !failed || r.Scenario.Bug.Model == "" {
		return 0, 0, false
	}
	node = r.Scenario.Bug.Node
	for i := range r.Trace.Events {
		e := &r.Trace.Events[i]
		if _, call := e.What.(stack.Call); call && int(e.Step) == o.Step {
			return node, e.Seq, true
		}
	}
	return node, uint32(len(r.Trace.Events)), true
}

func ledgerText(p *Printer, r harness.Result) {
	node, before, ok := ledgerMoment(r)
	if !ok || !keepsLedger(r.Trace, node) {
		return
	}
	list := ledgerAt(r.Trace, node, before)
	p.Printf("\nledger of %s at that step:", r.Trace.Nodes[node].Name)
	if len(list) == 0 {
		p.Printf(" no references held\n")
		return
	}
	p.Printf("\n")
	var done []netbios.Name
	for _, h := range list {
		if contains(done, h.Name) {
			continue
		}
		done = append(done, h.Name)
		count := countOf(list, h.Name)
		p.Printf("    %s  %s\n", h.Name, plural(count, "reference"))
		for _, other := range list {
			if other.Name == h.Name {
				p.Printf("        held by %s\n", describeHeld(r.Run, other))
			}
		}
	}
}

func contains(list []netbios.Name, name netbios.Name) bool {
	return slices.Contains(list, name)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// maxShown is how many differences are told of: who needs more has the wrong capture.
const maxShown = 20

// Differences writes how a run differs from a recording: each difference in a line, and the first in full.
func Differences(p *Printer, list []check.Difference) {
	for i, d := range list {
		if i == maxShown {
			p.Printf("... and %d more\n", len(list)-maxShown)
			break
		}
		p.Printf("%s\n", d)
		if i == 0 {
			differenceInFull(p, d, [2]string{"recording", "run"})
		}
	}
}

// differenceInFull shows the two packets side by side, with the fields that differ marked. Sides are what the recorded one
// and that of the run are called.
func differenceInFull(p *Printer, d check.Difference, sides [2]string) {
	rows := [][]string{{"  FIELD", strings.ToUpper(sides[0]), strings.ToUpper(sides[1])}}
	marked := map[int]bool{}
	for _, f := range check.FieldRows(d) {
		mark := "  "
		if f.Differs {
			mark = "> "
			marked[len(rows)] = true
		}
		rows = append(rows, []string{mark + f.Name, f.Recorded, f.Run})
	}
	table(p, rows, func(row, _ int) (Colour, bool) { return Bad, marked[row] })
	for _, side := range []struct {
		name  string
		frame *trace.Frame
	}{{sides[0], d.Recorded}, {sides[1], d.Run}} {
		if side.frame == nil {
			continue
		}
		number := ""
		if side.frame.Number > 0 { // a model's frame that was never on a wire has none
			number = fmt.Sprintf(", frame %d", side.frame.Number)
		}
		p.Printf("\n  %s%s, %s\n%s", side.name, number, seconds(side.frame.At), hexDump(side.frame.Payload))
	}
	p.Printf("\n")
}

func hexDump(b []byte) string {
	var out strings.Builder
	for off := 0; off < len(b); off += 16 {
		row := b[off:min(off+16, len(b))]
		fmt.Fprintf(&out, "    %04x  %-47s  ", off, fmt.Sprintf("% x", row))
		for _, c := range row {
			if c < 0x20 || c > 0x7e {
				c = '.'
			}
			out.WriteByte(c)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
