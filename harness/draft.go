// SPDX-License-Identifier: MIT

package harness

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// DraftOf writes what a capture shows of a host as a scenario in canonical form: the calls that replaying infers, at their
// times, with the frames that they were inferred from in comments. It runs on the models that the capture is replayed into.
// File is how the capture is called in the scenario's title; everybody is a view of no host in particular.
func DraftOf(file string, everybody *replay.View, host netip.Addr, o replay.Options) ([]byte, replay.Result, error) {
	r := replay.Explain(everybody.Of(host), o)
	best := r.Best()
	if best == nil {
		return nil, r, fmt.Errorf("harness: %s", r.Why)
	}
	d, err := replay.WriteDraft(everybody, host, &best.History)
	if err != nil {
		return nil, r, err
	}
	models := []fault.Set{best.Model}
	for _, model := range replay.Ledger() {
		if model != best.Model {
			models = append(models, model)
		}
	}
	text := newDraftText(file, host, d, r)
	for _, model := range models {
		if model == (fault.Set{}) {
			continue
		}
		if s := text.showing(model); s != nil {
			return scenario.Format(s), r, nil
		}
	}
	// On no model it shows a bug. It has to name the host all the same, so that a fault can be tried in it.
	text.header = fmt.Sprintf("against %s in %s", defaultFault(models), d.Host)
	s, err := text.parse()
	if err != nil {
		return nil, r, err
	}
	return scenario.Format(s), r, nil
}

func defaultFault(models []fault.Set) fault.Set {
	for _, m := range models {
		if m != (fault.Set{}) {
			return m
		}
	}
	return fault.Set{}
}

// draftText is the text of a draft in the making.
type draftText struct {
	title  []string
	header string // the bug or against line
	draft  *replay.Draft
	expect map[int]string // expectations behind the lines of the draft, by index; of the wait before a line, by waits less it
	out    map[int]string // lines that the language does not have, and why
}

func newDraftText(file string, host netip.Addr, d *replay.Draft, r replay.Result) *draftText {
	t := &draftText{draft: d, expect: map[int]string{}, out: map[int]string{}}
	t.title = append(t.title, fmt.Sprintf("Drafted from %s: what %s did.", commentText(file), host), "",
		"The calls are those that the frames show; frame numbers are Wireshark's.")
	switch r.Verdict {
	case replay.One:
		t.title = append(t.title, fmt.Sprintf("Explained by %s.", r.By[0]))
	case replay.Several:
		t.title = append(t.title, "Several models explain it. Missing: "+commentText(r.Why)+".")
	case replay.None:
		t.title = append(t.title, "No model explains it: "+commentText(r.Best().Why)+".")
	case replay.CannotJudge:
		t.title = append(t.title, "It cannot be judged: "+commentText(r.Why)+".")
	}
	for _, left := range d.Left {
		t.title = append(t.title, "Left out: "+left+".")
	}
	return t
}

// maxComment bounds a line of a comment, and commentText keeps what comes from elsewhere printable and on its line.
const maxComment = 400

func commentText(s string) string {
	s = nbt.Printable([]byte(s))
	if len(s) > maxComment {
		s = s[:maxComment] + "..."
	}
	return s
}

// text writes the draft. It returns for each line of the text which line of the draft it is, or -1.
func (t *draftText) text() (string, []int) {
	var b strings.Builder
	var of []int
	line := func(i int, text string) {
		b.WriteString(text + "\n")
		of = append(of, i)
	}
	for _, text := range t.title {
		line(nowhere, strings.TrimRight("# "+text, " "))
	}
	line(nowhere, "")
	if t.header != "" {
		line(nowhere, t.header)
		if strings.HasPrefix(t.header, "bug") {
			line(nowhere, `control none because "a draft: which step is the trigger, a person has to say"`)
		}
	}
	for _, text := range t.draft.Header {
		line(nowhere, text)
	}
	line(nowhere, "")
	var at, late, busy time.Duration
	for i, l := range t.draft.Lines {
		// Some steps take their time, whoever waits; what comes too early for that comes later, and so does the rest.
		when := l.At + late
		if when < busy {
			late += busy - when
			when = busy
		}
		if when > at {
			at = when
			line(waits-i, "at "+strings.Replace(at.String(), "µ", "u", 1))
			if e := t.expect[waits-i]; e != "" {
				line(nowhere, "  -> "+e)
			}
		}
		if l.Text == "" {
			continue
		}
		if why, out := t.out[i]; out {
			line(nowhere, "# left out, "+commentText(l.Note)+": "+commentText(why))
			continue
		}
		busy = max(busy, at+takes(l.Text))
		line(i, l.Text+"  # "+l.Note)
		if e := t.expect[i]; e != "" {
			line(nowhere, "  -> "+e)
		}
	}
	return b.String(), of
}

// Which line of a draft a line of its text is: its index, waits less its index for the wait before it, or nowhere.
const (
	nowhere = -1
	waits   = -2
)

// takes is how long a step keeps the script from the next one at most, whether or not it is marked with &: the settle time of
// the rfc1002 profile, and before it the releases of a stop.
func takes(text string) time.Duration {
	verb := strings.Fields(text)
	switch {
	case len(verb) < 2:
		return 0
	case verb[1] == scenario.Stop.String():
		return node.RFC1002.Settle + 3*node.RFC1002.BroadcastTimeout
	case verb[1] == scenario.Inject.String(), verb[1] == scenario.Restart.String():
		return node.RFC1002.Settle
	}
	return 0
}

// maxLeftOut is how many lines may be none of the language before a draft is given up.
const maxLeftOut = 64

// parse reads the draft. A line that is none of the language, such as one with a name that nobody may add, is left out.
func (t *draftText) parse() (*scenario.Scenario, error) {
	for {
		text, of := t.text()
		s, err := scenario.Parse("draft.scenario", []byte(text))
		var at *scenario.Error
		if err == nil || !errors.As(err, &at) || len(t.out) == maxLeftOut {
			return s, err
		}
		line := at.Pos.Line
		if line < 1 || line > len(of) || of[line-1] < 0 {
			return nil, err
		}
		if _, again := t.out[of[line-1]]; again {
			return nil, err
		}
		t.out[of[line-1]] = at.Msg
	}
}

// showing returns the draft as the scenario of a bug, if its run on the model with the fault differs from that on fixed and the
// language can say how; else nil.
func (t *draftText) showing(model fault.Set) *scenario.Scenario {
	plain := *t
	plain.header = fmt.Sprintf("against %s in %s", model, t.draft.Host)
	s, err := plain.parse()
	if err != nil {
		return nil
	}
	c := &s.Cases[0]
	fixed, faulty := Perform(s, c, fault.Set{}, Options{}), Perform(s, c, model, Options{})
	for _, d := range check.Compare(faulty.Frames, fixed.Frames) {
		frame, run, no := d.Recorded, fixed, false
		if frame == nil {
			frame, run, no = d.Run, faulty, true
		}
		e := run.Trace.Event(frame.Seq)
		if e == nil || e.Step < 0 || frame.From.Addr() != s.Nodes[0].Prefix.Addr() {
			continue
		}
		what := patternText(frame, t.draft.Host)
		line := plain.lineOf(c.Steps[e.Step].Pos.Line)
		if what == "" || line == nowhere {
			continue
		}
		said, instead := what, "no "+what
		if no {
			said, instead = instead, said
		}
		shown := *t
		shown.header = fmt.Sprintf("bug %s in %s", model, t.draft.Host)
		shown.expect = map[int]string{line: fmt.Sprintf("%s | %s! %s", said, model, instead)}
		shown.out = plain.out
		if s, err := shown.parse(); err == nil && t.holds(s, model) {
			return s
		}
	}
	return nil
}

// holds reports whether a draft does as it says, on fixed and on the faulty model.
func (t *draftText) holds(s *scenario.Scenario, model fault.Set) bool {
	fixed, faulty := Run(s, &s.Cases[0], fault.Set{}, Options{}), Run(s, &s.Cases[0], model, Options{})
	return fixed.Report.Verdict() == check.Pass && faulty.Report.Verdict() == check.Fail
}

// lineOf returns which line of the draft stands on a line of its text.
func (t *draftText) lineOf(line int) int {
	_, of := t.text()
	if line < 1 || line > len(of) {
		return nowhere
	}
	return of[line-1]
}

// patternText writes a frame as a wire clause, without its count.
func patternText(f *trace.Frame, from string) string {
	kinds := map[nbt.NameKind]scenario.Kind{
		nbt.KindClaim: scenario.Claim, nbt.KindOverwrite: scenario.Overwrite, nbt.KindNegativeRegistration: scenario.Refusal,
		nbt.KindQuery: scenario.Query, nbt.KindPositiveQuery: scenario.Answer, nbt.KindRelease: scenario.Release,
	}
	if f.Kind != trace.UDP {
		return ""
	}
	m, err := nbt.ParseNameMessage(f.Payload)
	if err != nil {
		return ""
	}
	kind, ok := kinds[m.Kind()]
	if !ok {
		return ""
	}
	name, _ := m.Subject()
	return fmt.Sprintf("%s %s from %s", kind, replay.Quoted(name), from)
}
