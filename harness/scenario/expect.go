// SPDX-License-Identifier: MIT

package scenario

import (
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// expectation reads what is expected of the last step; the arrow has been taken. It returns the length of its canonical
// form.
func (p *parser) expectation(t token) int {
	c := p.openCase()
	if c == nil || len(c.Steps) == 0 {
		p.failAt(t, `"->" has no step above it`)
		return 0
	}
	st := &c.Steps[len(c.Steps)-1]
	e := Expectation{Pos: p.pos(t)}
	first := p.peek()
	e.Clauses = p.clauses(st)
	if p.err == nil && statesResult(e.Clauses) {
		if p.stated {
			p.failAt(first, "the return code of this step is stated twice")
		}
		p.stated = true
	}
	for p.err == nil && p.peek().kind == bar {
		p.next++
		a := p.alternative(st)
		if p.err != nil {
			break
		}
		p.checkAlternative(a, e.Alternatives)
		e.Alternatives = append(e.Alternatives, a)
	}
	p.endOfLine(`",", "|" or the end of the line`)
	if p.err != nil {
		return 0
	}
	e.Text = expectationText(p.s.Nodes, &e)
	st.Expect = append(st.Expect, e)
	return len("-> ") + len(e.Text)
}

func statesResult(clauses []Clause) bool {
	return slices.ContainsFunc(clauses, func(c Clause) bool {
		r, ok := c.(Result)
		return ok && r.Label == ""
	})
}

// alternative reads what is expected under a fault.
func (p *parser) alternative(st *Step) Alternative {
	head := p.model()
	bug, mark := head.text, byte(0)
	if head.kind == word {
		bug, mark = head.text[:len(head.text)-1], head.text[len(head.text)-1]
	}
	if mark != ':' && mark != '!' || !isModel(bug) {
		p.failAt(head, `want an alternative such as "Q124565:" or "Q124565!", got %s`, head.source())
		return Alternative{}
	}
	a := Alternative{Pos: p.pos(head), Bug: bug, Headline: mark == '!'}
	if after := p.peekAfter(1).kind; p.peek().is("any") && (after == end || after == bar) {
		p.next++
		a.Any = true
		return a
	}
	a.Clauses = p.clauses(st)
	return a
}

func (p *parser) checkAlternative(a Alternative, before []Alternative) {
	own := slices.Contains(faultsOf(p.s.Bug.Model), faultsOf(a.Bug)[0])
	width := len(a.Bug) + 1
	switch {
	case p.s.Bug.Model == "":
		p.fail(a.Pos, width, "an alternative needs a bug: write bug BUG in NODE, or against BUG in NODE")
	case len(before) == maxAlternatives:
		p.fail(a.Pos, width, "more than %d alternatives", maxAlternatives)
	case slices.ContainsFunc(before, func(b Alternative) bool { return b.Bug == a.Bug }):
		p.fail(a.Pos, width, "the alternative for %s is stated twice", a.Bug)
	case p.s.Against && a.Bug == p.s.Bug.Model:
		p.fail(a.Pos, width, "the scenario is against %s, which must change nothing here", a.Bug)
	case !a.Headline:
	case p.s.Against:
		p.fail(a.Pos, width, `a scenario "against" a bug has no headline`)
	case a.Any:
		p.fail(a.Pos, width, `a headline must predict something other than "any"`)
	case !own:
		p.fail(a.Pos, width, "the headline is of %s: want one of the scenario's bug, %s", a.Bug, p.s.Bug.Model)
	case p.headline != Pos{}:
		p.fail(a.Pos, width, "another headline: the first is in line %d", p.headline.Line)
	default:
		p.headline = a.Pos
	}
}

// faultsOf lists the identifiers in a model.
func faultsOf(model string) []string {
	var ids []string
	for part := range strings.SplitSeq(model, ",") {
		if id, _, _ := strings.Cut(part, ":"); !strings.Contains(id, "=") {
			ids = append(ids, id)
		}
	}
	return ids
}

// clauses reads a group of clauses, up to a bar or the end of the line.
func (p *parser) clauses(st *Step) []Clause {
	var group []Clause
	for {
		t := p.peek()
		c := p.clause(st)
		if p.err != nil {
			return nil
		}
		if r, ok := c.(Result); ok && r.Label == "" && statesResult(group) {
			p.failAt(t, "the return code is stated twice")
		}
		group = append(group, c)
		if p.peek().kind != comma {
			return group
		}
		p.next++
	}
}

func (p *parser) clause(st *Step) Clause {
	t, after := p.peek(), p.peekAfter(1)
	switch {
	case t.kind == quoted, t.kind == word && after.is("in"):
		return p.listed(false)
	case t.kind != word:
		p.failAt(t, "want a clause, got %s", t.source())
		return nil
	case t.text == "no":
		p.next++
		if p.peek().kind == quoted || p.peekAfter(1).is("in") {
			return p.listed(true)
		}
		return p.wire(true)
	case isResult(t.text):
		return p.result(st, "")
	case t.text == "data":
		return p.received(st, "")
	case after.kind == word && isResult(after.text):
		p.checkLabel(st, t)
		p.next++
		return p.result(st, t.text)
	case after.is("data"):
		p.checkLabel(st, t)
		p.next++
		return p.received(st, t.text)
	}
	if _, ok := ParseKind(t.text); !ok {
		known := slices.Concat(kindWords(false), clauseWords, netbios.CodeNames(), p.labelNames())
		p.failAt(t, "unknown clause %s%s", t.source(), suggestion(t.text, known))
		return nil
	}
	return p.wire(false)
}

// isResult reports whether a word tells how a call completed.
func isResult(text string) bool {
	return text == "ok" || text == "any" || text == pendingResult || strings.HasPrefix(text, codePrefix)
}

// result reads how the step's call, or the labelled one, has completed.
func (p *parser) result(st *Step, label string) Clause {
	t := p.take()
	if label == "" && !st.Verb.Calls() {
		p.failAt(t, "%s makes no call: there is no return code to expect", st.Verb)
		return nil
	}
	r := Result{Label: label}
	switch t.text {
	case "ok":
	case "any":
		r.Any = true
	case pendingResult:
		r.None = true
		if label == "" {
			p.failAt(t, "want a LABEL before %q", pendingResult)
		}
	default:
		code, ok := netbios.ParseCode(t.text)
		if !ok {
			p.failAt(t, "unknown return code %s%s", t.source(), suggestion(t.text, netbios.CodeNames()))
		}
		if code == netbios.PENDING {
			p.failAt(t, `no call completes with %s: want LABEL %s`, t.text, pendingResult)
		}
		r.Code = code
	}
	return r
}

// received reads what the step's call, or the labelled one, has received.
func (p *parser) received(st *Step, label string) Clause {
	t, verb := p.take(), st.Verb
	if label != "" {
		verb = p.labels[label].verb
	}
	if p.err == nil && !verb.receives() {
		p.failAt(t, "%s receives no data", verb)
	}
	return Received{Label: label, Data: p.bytes("the data in quotes")}
}

// checkLabel makes sure that a label of an expectation names a call made so far.
func (p *parser) checkLabel(st *Step, t token) {
	l, ok := p.labels[t.text]
	switch {
	case !ok:
		p.failAt(t, "no step so far has the label %s%s", t.source(), suggestion(t.text, p.labelNames()))
	case p.reproduces() && l.trigger && !st.Trigger:
		p.failAt(t, "label %q is of a trigger step, which the control leaves out: expect this below a trigger step", t.text)
	}
}

// listed reads a clause about a name table.
func (p *parser) listed(not bool) Clause {
	const use = "NAME in names NODE [unique|group] [registered|deregistered|conflict]"
	l := Listed{Not: not, Name: p.name("NAME")}
	p.expect("in")
	p.expect("names")
	if l.Node = p.nodeRef(); p.err != nil {
		return nil
	}
	l.nodes = p.s.Nodes
	for p.peek().kind == word {
		switch t := p.peek(); {
		case l.Kind == "" && isOneOf(t.text, listedKinds):
			l.Kind = t.text
		case l.State == "" && isOneOf(t.text, listedStates):
			l.State = t.text
		default:
			p.failAt(t, "unexpected %s: want %s", t.source(), use)
			return nil
		}
		p.next++
	}
	return l
}

// wire reads a clause about frames.
func (p *parser) wire(not bool) Clause {
	const use = "KIND [NAME] [from NODE] [to NODE|all] [code 0xNN] [xN] [within D | for D]"
	m := p.frames()
	var from, to, code, within, lasts bool
	for p.peek().kind == word || p.peek().kind == quoted {
		switch t := p.peek(); {
		case p.option("from", &from):
			m.From = p.nodeRef()
		case p.option("to", &to):
			m.To = p.destination()
		case t.is("code") && !kinds[m.Kind].coded:
			p.failAt(t, "%s carries no code", m.Kind)
		case p.option("code", &code):
			m.Coded, m.Code = true, uint8(p.hexNumber("code", 2))
		case not && t.kind == word && isTimes(t.text):
			p.failAt(t, `"no" and a number of frames exclude each other`)
		case t.kind == word && isTimes(t.text):
			m.Count = p.count(&m.Counted)
		case t.is("within") && lasts, t.is("for") && within:
			p.failAt(t, `"within" and "for" exclude each other`)
		case p.option("within", &within):
			m.Within = p.duration("within", 1)
		case p.option("for", &lasts):
			m.For = p.duration("for", 1)
		default:
			p.failAt(t, "unexpected %s: want %s", t.source(), use)
		}
	}
	if p.err != nil {
		return nil
	}
	return Wire{Not: not, Pattern: m, nodes: p.s.Nodes}
}
