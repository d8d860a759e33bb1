// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// stepView is what one run did in one step.
type stepView struct {
	Results []string `json:"results,omitempty"`
	Refs    []string `json:"references,omitempty"`
	Frames  []string `json:"frames,omitempty"`
}

// comparedStep is a step of two runs side by side.
type comparedStep struct {
	Line    int      `json:"line"`
	Text    string   `json:"text"`
	A       stepView `json:"a"`
	B       stepView `json:"b"`
	Differs bool     `json:"differs"`
}

// comparison is a line of compare --json.
type comparison struct {
	Scenario string         `json:"scenario"`
	Case     string         `json:"case,omitempty"`
	A        string         `json:"a"`
	B        string         `json:"b"`
	Same     bool           `json:"same"`
	Steps    []comparedStep `json:"steps"`
	First    *failedStep    `json:"first_difference,omitempty"`
	Why      string         `json:"why,omitempty"` // it says nothing
}

// newComparison lines up two runs of one case, step by step.
func newComparison(a, b harness.Result) comparison {
	c := comparison{Scenario: a.Scenario.Name, Case: a.Case.Title, A: a.Model, B: b.Model, Same: true}
	va, vb := viewSteps(a), viewSteps(b)
	if len(a.Devices)+len(b.Devices) > 0 { // nobody sees who holds what in a device
		for i := range va {
			va[i].Refs, vb[i].Refs = nil, nil
			va[i].Frames, vb[i].Frames = anywhere(a, va[i].Frames), anywhere(b, vb[i].Frames)
		}
	}
	c.Why = strings.TrimPrefix(a.Report.CannotJudge+"; "+b.Report.CannotJudge, "; ")
	c.Why = strings.TrimSuffix(c.Why, "; ")
	for i := range a.Case.Steps {
		step := comparedStep{Line: a.Case.Steps[i].Pos.Line, Text: a.Case.Steps[i].Text, A: va[i], B: vb[i]}
		step.Differs = fmt.Sprint(va[i]) != fmt.Sprint(vb[i])
		if step.Differs && c.Same {
			c.Same, c.First = false, &failedStep{step.Line, step.Text}
		}
		c.Steps = append(c.Steps, step)
	}
	return c
}

// transaction is an identifier in the summary of a frame.
var transaction = regexp.MustCompile(`, id 0x[0-9a-f]+`)

// anywhere tells of frames in words that do not depend on where and when a run took place: without identifiers, with nodes in
// place of their addresses, and in the order of each sender alone.
func anywhere(r harness.Result, frames []string) []string {
	list := slices.Clone(frames)
	for i := range list {
		list[i] = transaction.ReplaceAllString(list[i], "")
		words := strings.Split(list[i], " ")
		for k, word := range words {
			bare := strings.TrimSuffix(word, ",")
			if addr, err := netip.ParseAddr(bare); err == nil {
				words[k] = hostOf(r, addr) + word[len(bare):]
			}
		}
		list[i] = strings.Join(words, " ")
	}
	sender := func(frame string) string { name, _, _ := strings.Cut(frame, " "); return name }
	slices.SortStableFunc(list, func(a, b string) int { return strings.Compare(sender(a), sender(b)) })
	return list
}

// Same reports whether two runs did the same in every step: results, references held, frames.
func Same(a, b harness.Result) bool { return newComparison(a, b).Same }

// viewSteps tells, for each step, what its calls returned, what references the nodes hold after it, and what was sent.
func viewSteps(r harness.Result) []stepView {
	views := make([]stepView, len(r.Case.Steps))
	calls := map[stack.CallID]netbios.Command{}
	ends := make([]uint32, len(views))
	for i := range r.Trace.Events {
		e := &r.Trace.Events[i]
		step := int(e.Step)
		if step < 0 || step >= len(views) {
			continue
		}
		ends[step] = e.Seq
		switch what := e.What.(type) {
		case stack.Call:
			calls[what.ID] = what.NCB.Command
		case stack.Complete:
			if what.ID&trace.Probe == 0 {
				views[step].Results = append(views[step].Results, fmt.Sprintf("%s %s: 0x%02X %s",
					nodeName(r.Trace, int(e.Node)), calls[what.ID], uint8(what.Code), what.Code))
			}
		}
	}
	for _, f := range r.Frames {
		if e := r.Trace.Event(f.Seq); e != nil && e.Step >= 0 && int(e.Step) < len(views) {
			frames := &views[e.Step].Frames
			*frames = append(*frames, fmt.Sprintf("%s > %s %s", hostOf(r, f.From.Addr()), destination(r, &f), check.Summary(&f)))
		}
	}
	for i := range views {
		views[i].Refs = references(r, ends[i]+1)
	}
	return views
}

func destination(r harness.Result, f *trace.Frame) string {
	if f.Broadcast {
		return "all"
	}
	return hostOf(r, f.To.Addr())
}

func hostOf(r harness.Result, addr interface{ String() string }) string {
	for _, n := range r.Trace.Nodes {
		if n.Prefix.Addr().String() == addr.String() {
			return n.Name
		}
	}
	return addr.String()
}

// references lists the names that are referred to before an event, with how many references of which kinds.
func references(r harness.Result, before uint32) []string {
	var list []string
	for node := range r.Trace.Nodes {
		refs := ledgerAt(r.Trace, node, before)
		var done []netbios.Name
		for _, h := range refs {
			if contains(done, h.Name) {
				continue
			}
			done = append(done, h.Name)
			var kinds []string
			for _, other := range refs {
				if other.Name == h.Name {
					kinds = append(kinds, other.Holder.String())
				}
			}
			list = append(list, fmt.Sprintf("%s %s %d: %s", r.Trace.Nodes[node].Name, h.Name, len(kinds), countedWords(kinds)))
		}
	}
	return list
}

// countedWords joins words, counting those that repeat: "registration, datagram x3".
func countedWords(words []string) string {
	var order []string
	counts := map[string]int{}
	for _, w := range words {
		if counts[w]++; counts[w] == 1 {
			order = append(order, w)
		}
	}
	for i, w := range order {
		if counts[w] > 1 {
			order[i] = fmt.Sprintf("%s x%d", w, counts[w])
		}
	}
	return strings.Join(order, ", ")
}

// ComparisonJSON writes two runs of one case as one line of JSON.
func ComparisonJSON(w io.Writer, a, b harness.Result) error { return JSON(w, newComparison(a, b)) }

// ComparisonText writes two runs of one case side by side, with the first difference marked.
func ComparisonText(p *Printer, a, b harness.Result) {
	c := newComparison(a, b)
	p.Printf("%s\n", harness.Path(a.Scenario, a.Case))
	rows := [][]string{{"", c.A, c.B}}
	kinds := []rowKind{headRow}
	first := true
	for _, step := range c.Steps {
		mark := "  "
		kind := stepRow
		if step.Differs {
			mark, kind = "* ", differentRow
			if first {
				mark, first = "> ", false
			}
		}
		rows = append(rows, []string{fmt.Sprintf("%s%d: %s", mark, step.Line, step.Text), "", ""})
		kinds = append(kinds, kind)
		for _, part := range []struct {
			name string
			a, b []string
		}{
			{"result", step.A.Results, step.B.Results},
			{"references", step.A.Refs, step.B.Refs},
			{"frames", collapse(step.A.Frames), collapse(step.B.Frames)},
		} {
			for i := range max(len(part.a), len(part.b)) {
				row := []string{"      " + part.name, at(part.a, i), at(part.b, i)}
				if i > 0 {
					row[0] = ""
				}
				kind := detailRow
				if row[1] != row[2] {
					kind = differentRow
				}
				row[1], row[2] = shortened(row[1]), shortened(row[2])
				rows, kinds = append(rows, row), append(kinds, kind)
			}
		}
	}
	table(p, rows, func(row, _ int) (Colour, bool) {
		switch kinds[row] {
		case headRow, stepRow:
			return Strong, true
		case differentRow:
			return Bad, true
		case detailRow:
		}
		return "", false
	})
	if c.Why != "" {
		p.Printf("\ncannot judge: %s\n", c.Why)
		return
	}
	if c.Same {
		p.Printf("\nthe two runs are the same\n")
		return
	}
	p.Printf("\nfirst difference: line %d: %s\n", c.First.Line, c.First.Text)
}

type rowKind uint8

const (
	headRow rowKind = iota
	stepRow
	detailRow
	differentRow
)

// longest is how much of a frame stands in a column: a payload can be longer than any terminal.
const longest = 100

func shortened(text string) string {
	if len(text) > longest {
		return text[:longest-3] + "..."
	}
	return text
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// collapse writes equal neighbours once, with their number: retransmissions.
func collapse(list []string) []string {
	var out []string
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n] == list[i] {
			n++
		}
		text := list[i]
		if n > 1 {
			text += fmt.Sprintf(" x%d", n)
		}
		out = append(out, text)
		i += n
	}
	return out
}
