// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// String tells where a mutant is and what is changed.
func (m mutant) String() string {
	to := "left out"
	if m.to != "" {
		to = "now " + oneLine([]byte(m.to))
	}
	return fmt.Sprintf("%s:%d: %s: %s: %s", m.File, m.line, m.Kind, m.Text, to)
}

// report is what is said at the end.
type report struct {
	verdicts []verdict // by file and line
	reasons  map[key]string
	stale    []allowance // for mutants that do not exist any more, or that a test notices now
	took     time.Duration
	stopped  bool // before all were tested
}

func newReport(all []mutant, verdicts []verdict, allowed []allowance, took time.Duration) report {
	r := report{verdicts: verdicts, reasons: map[key]string{}, took: took}
	slices.SortStableFunc(r.verdicts, func(a, b verdict) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.line-b.line, a.at-b.at)
	})
	noticed := map[key]bool{}
	for _, v := range verdicts {
		noticed[v.key] = v.result != survived
	}
	exists := map[key]bool{}
	for _, m := range all {
		exists[m.key] = true
	}
	for _, a := range allowed {
		r.reasons[a.key] = a.reason
		if !exists[a.key] || noticed[a.key] {
			r.stale = append(r.stale, a)
		}
	}
	return r
}

func (r report) count(results ...result) int {
	n := 0
	for _, v := range r.verdicts {
		if slices.Contains(results, v.result) {
			n++
		}
	}
	return n
}

// unexplained counts the survivors that the committed list does not name.
func (r report) unexplained() int {
	n := 0
	for _, v := range r.verdicts {
		if v.result == survived && r.reasons[v.key] == "" {
			n++
		}
	}
	return n
}

func (r report) status() int {
	switch {
	case r.stopped || r.count(unbuilt) > 0:
		return exitUntested
	case r.unexplained() > 0:
		return exitUnexplained
	}
	return exitExplained
}

// score is how many were noticed, in per cent of the mutants that should have been.
func (r report) score() float64 {
	noticed := r.count(caught, timedOut)
	if noticed+r.unexplained() == 0 {
		return 100
	}
	return 100 * float64(noticed) / float64(noticed+r.unexplained())
}

func (r report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return r.printJSON(w)
	}
	var b strings.Builder
	for _, v := range r.verdicts {
		switch {
		case v.result == unbuilt:
			_, _ = fmt.Fprintf(&b, "%s\n    did not build: %s\n", v.mutant, v.detail)
		case v.result == survived && r.reasons[v.key] != "":
			_, _ = fmt.Fprintf(&b, "%s\n    may live: %s\n", v.mutant, r.reasons[v.key])
		case v.result == survived:
			_, _ = fmt.Fprintf(&b, "%s\n    no test notices; to let it live: %s\n", v.mutant, v.key)
		}
	}
	for _, a := range r.stale {
		_, _ = fmt.Fprintf(&b, "%s:%d: stale: no such mutant, or a test notices it now: %s\n", survivorFile, a.line, a.key)
	}
	_, _ = fmt.Fprintf(&b, "%d mutants: %d caught, %d of them by never ending; %d survived, %d of them explained; score %.1f %%; %v\n",
		len(r.verdicts), r.count(caught, timedOut), r.count(timedOut), r.count(survived), r.count(survived)-r.unexplained(),
		r.score(), r.took.Round(time.Second))
	if r.stopped {
		b.WriteString("interrupted before all were tested\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The lines of --json.
type (
	jsonMutant struct {
		File    string  `json:"file"`
		Line    int     `json:"line"`
		Func    string  `json:"function"`
		Kind    kind    `json:"kind"`
		Text    string  `json:"text"`
		Nth     int     `json:"nth"`
		From    string  `json:"from"`
		To      string  `json:"to"`
		Result  result  `json:"result"`
		Suite   string  `json:"suite"`
		Seconds float64 `json:"seconds"`
		Reason  string  `json:"reason,omitempty"`
		Detail  string  `json:"detail,omitempty"`
	}
	jsonSummary struct {
		Mutants     int      `json:"mutants"`
		Caught      int      `json:"caught"`
		TimedOut    int      `json:"timed_out"`
		Survived    int      `json:"survived"`
		Unexplained int      `json:"unexplained"`
		Unbuilt     int      `json:"unbuilt"`
		Score       float64  `json:"score"`
		Seconds     float64  `json:"seconds"`
		Stale       []string `json:"stale"`
		Interrupted bool     `json:"interrupted"`
	}
)

func (r report) printJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, v := range r.verdicts {
		err := e.Encode(jsonMutant{
			File: v.File, Line: v.line, Func: v.Func, Kind: v.Kind, Text: v.Text, Nth: v.Nth, From: v.from, To: v.to,
			Result: v.result, Suite: v.suite, Seconds: v.seconds, Reason: r.reasons[v.key], Detail: v.detail,
		})
		if err != nil {
			return err
		}
	}
	stale := []string{}
	for _, a := range r.stale {
		stale = append(stale, a.String())
	}
	return e.Encode(jsonSummary{
		Mutants: len(r.verdicts), Caught: r.count(caught), TimedOut: r.count(timedOut), Survived: r.count(survived),
		Unexplained: r.unexplained(), Unbuilt: r.count(unbuilt), Score: r.score(), Seconds: r.took.Seconds(),
		Stale: stale, Interrupted: r.stopped,
	})
}

// progress is one line on a terminal that tells how far the run is; elsewhere it says nothing.
type progress struct {
	mu              sync.Mutex
	w               io.Writer // nil for no terminal
	start           time.Time
	total           int
	done, survivors int
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{total: total, start: time.Now()}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

const eraseLine = "\r\x1b[K"

func (p *progress) say(text string) {
	if p.w != nil {
		_, _ = fmt.Fprint(p.w, eraseLine, text)
	}
}

func (p *progress) count(v verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == 0 {
		p.start = time.Now().Add(-time.Duration(v.seconds * float64(time.Second)))
	}
	p.done++
	if v.result == survived {
		p.survivors++
	}
	left := time.Since(p.start) / time.Duration(p.done) * time.Duration(p.total-p.done)
	p.say(fmt.Sprintf("%d of %d mutants, %d survive, %v left", p.done, p.total, p.survivors, left.Round(time.Second)))
}

func (p *progress) end() { p.say("") }
