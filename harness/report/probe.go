// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// ProbeText writes what a probe has found as a table: of each check where it comes from, what a correct stack does, what was
// seen, the verdict, and the frames that show it, numbered as in the capture of the probe. Below it stands what became of a
// stack that fell silent. Intrusive checks that were not asked for are counted, not listed.
func ProbeText(p *Printer, r probe.Report, frames []trace.Frame) {
	p.Printf("%s has %s\n\n", r.Target, heldText(r.Names))
	rows := [][]string{{"CHECK", "SOURCE", "EXPECTED", "SEEN", "VERDICT", "FRAMES"}}
	var shown []probe.Result
	held := 0
	for _, x := range r.Results {
		if x.Withheld() {
			held++
			continue
		}
		shown = append(shown, x)
		rows = append(rows, []string{x.ID, x.Source, x.Expected, x.Seen, string(x.Verdict), framesText(x, frames)})
	}
	table(p, rows, func(row, column int) (Colour, bool) {
		if row == 0 {
			return Strong, true
		}
		if column == 4 {
			return probeColour(shown[row-1].Verdict), true
		}
		return "", false
	})
	for _, x := range shown {
		if x.After != "" {
			p.Printf("\nafter %s ", x.ID)
			p.Paint(Bad, "%s\n", x.After)
		}
	}
	p.Printf("\n%s", probeTally(shown))
	if held > 0 {
		p.Printf("; %s held back (--intrusive asks them)", plural(held, "intrusive check"))
	}
	p.Printf("\n")
	switch {
	case !r.Heard:
		p.Paint(Doubt, "cannot judge: nothing came from %s; %s\n", r.Target, hostText(r.Host))
	case !r.Over && r.Gone == "":
		p.Paint(Doubt, "interrupted: the checks that are left were not asked\n")
	}
}

func hostText(how string) string {
	if how == "" {
		return "nothing shows that the host is there"
	}
	return "the host is there: " + how
}

func heldText(names []probe.Held) string {
	if len(names) == 0 {
		return "no name that is known"
	}
	words := make([]string, len(names))
	for i, h := range names {
		words[i] = h.Name.String()
		if h.Group {
			words[i] += " group"
		}
	}
	return strings.Join(words, ", ")
}

func probeColour(v probe.Verdict) Colour {
	switch v {
	case probe.OK:
		return Good
	case probe.NotAsked:
		return Faint
	case probe.Differs, probe.NoAnswer:
	}
	return Bad
}

// framesText gives the first and the last frame of a check.
func framesText(x probe.Result, frames []trace.Frame) string {
	first, last := frameNumbers(x, frames)
	switch {
	case first == 0:
		return ""
	case first == last:
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}

func frameNumbers(x probe.Result, frames []trace.Frame) (first, last int) {
	if x.First == 0 || x.Last > len(frames) {
		return 0, 0
	}
	return frames[x.First-1].Number, frames[x.Last-1].Number
}

func probeTally(results []probe.Result) string {
	var parts []string
	for _, v := range []probe.Verdict{probe.OK, probe.Differs, probe.NoAnswer, probe.NotAsked} {
		n := 0
		for _, x := range results {
			if x.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(parts, ", ")
}

// ProbeChecks writes what checks there are.
func ProbeChecks(p *Printer, checks []probe.Check) {
	rows := [][]string{{"CHECK", "ASKS", "SOURCE", "EXPECTED", "WHAT IT SENDS"}}
	for _, c := range checks {
		asks := "always"
		if c.Intrusive {
			asks = "--intrusive"
		}
		rows = append(rows, []string{c.ID, asks, c.Source, c.Expected, c.Title})
	}
	table(p, rows, func(row, _ int) (Colour, bool) { return Strong, row == 0 })
}

// probeCheck is a line of probe --json.
type probeCheck struct {
	Check     string `json:"check"`
	Title     string `json:"title"`
	Source    string `json:"source"`
	Intrusive bool   `json:"intrusive,omitempty"`
	Expected  string `json:"expected"`
	Seen      string `json:"seen,omitempty"`
	Verdict   string `json:"verdict,omitempty"`
	After     string `json:"after,omitempty"`
	Frames    []int  `json:"frames,omitempty"` // the first and the last
}

// probeSummary is the last line of probe --json.
type probeSummary struct {
	Target      string   `json:"target"`
	Names       []string `json:"names"`
	Heard       bool     `json:"heard"`
	Host        string   `json:"host,omitempty"`
	Failed      int      `json:"failed"`
	Interrupted bool     `json:"interrupted,omitempty"`
	Gone        string   `json:"gone,omitempty"`
}

// ProbeJSON writes what a probe has found: a line for each check, and one about the target at the end.
func ProbeJSON(w io.Writer, r probe.Report, frames []trace.Frame) error {
	for _, x := range r.Results {
		line := newProbeCheck(x.Check)
		line.Seen, line.Verdict, line.After = x.Seen, string(x.Verdict), x.After
		if first, last := frameNumbers(x, frames); first > 0 {
			line.Frames = []int{first, last}
		}
		if err := JSON(w, line); err != nil {
			return err
		}
	}
	sum := probeSummary{
		Target: r.Target.String(), Names: []string{}, Heard: r.Heard, Host: r.Host, Failed: r.Failed(),
		Interrupted: !r.Over && r.Gone == "", Gone: r.Gone,
	}
	for _, h := range r.Names {
		sum.Names = append(sum.Names, heldText([]probe.Held{h}))
	}
	return JSON(w, sum)
}

// ProbeChecksJSON writes what checks there are, a line for each.
func ProbeChecksJSON(w io.Writer, checks []probe.Check) error {
	for _, c := range checks {
		if err := JSON(w, newProbeCheck(c)); err != nil {
			return err
		}
	}
	return nil
}

func newProbeCheck(c probe.Check) probeCheck {
	return probeCheck{Check: c.ID, Title: c.Title, Source: c.Source, Intrusive: c.Intrusive, Expected: c.Expected}
}
