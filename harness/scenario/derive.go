// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Headline returns where the headline of a case stands: the step and, in it, the expectation. Only a scenario that
// reproduces a bug has one.
func (s *Scenario) Headline(c int) (step, expectation int, ok bool) {
	for i := range s.Cases[c].Steps {
		for j, e := range s.Cases[c].Steps[i].Expect {
			if slices.ContainsFunc(e.Alternatives, func(a Alternative) bool { return a.Headline }) {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// Need is something that a step asks of a node.
type Need struct {
	Step int  // index into the case's steps
	Verb Verb // the verb whose doing it takes
}

// Needs lists what a case asks of a node, in the order of its steps, for whoever drives a stack that cannot do everything:
// the node's own verbs, but for inject, which is the driver's; [AdapterStatus] where an expectation looks at its name table;
// and [Listen] where another node calls a name that is, was or may be the node's, since nothing but a session service
// answers that, be it with a refusal.
func (s *Scenario) Needs(c, node int) []Need {
	var needs []Need
	var names []netbios.Name
	for _, k := range s.Cases[c].Knows {
		if k.At == node {
			names = append(names, k.Name)
		}
	}
	for i, st := range s.Cases[c].Steps {
		switch {
		case st.Node == node && st.Verb != Inject:
			needs = append(needs, Need{i, st.Verb})
			if st.Verb == AddName || st.Verb == AddGroup {
				names = append(names, st.Name)
			}
		case st.Verb == Call && slices.Contains(names, st.Name):
			needs = append(needs, Need{i, Listen})
		}
		if st.looksAt(node) {
			needs = append(needs, Need{i, AdapterStatus})
		}
	}
	return needs
}

// looksAt reports whether a correct stack's expectations of a step are about the name table of a node.
func (st *Step) looksAt(node int) bool {
	for _, e := range st.Expect {
		for _, c := range e.Clauses {
			if l, ok := c.(Listed); ok && l.Node == node {
				return true
			}
		}
	}
	return false
}

// WithoutTriggers returns a case without its trigger steps: what a faulty stack must do like a correct one.
func (s *Scenario) WithoutTriggers(c int) Case {
	changed := s.Cases[c]
	changed.Steps = slices.DeleteFunc(slices.Clone(changed.Steps), func(st Step) bool { return st.Trigger })
	return changed
}

// WithRestartBefore returns a case in which the bug's node restarts before a step. The restart stands at the place of
// that step.
func (s *Scenario) WithRestartBefore(c, step int) Case {
	changed := s.Cases[c]
	restart := Step{Pos: changed.Steps[step].Pos, Node: s.Bug.Node, Verb: Restart, Times: 1}
	restart.Text = stepCells(s.Nodes, &restart).text()
	changed.Steps = slices.Insert(slices.Clone(changed.Steps), step, restart)
	return changed
}

// Bind returns the scenario with another name in all places of one. Positions, and lines in messages, remain those of the
// file. A name that the scenario does not use is an error, and so is the wildcard, which is no name of anybody's.
func (s *Scenario) Bind(from, to netbios.Name) (*Scenario, error) {
	if from == netbios.Wildcard || to == netbios.Wildcard {
		return nil, fmt.Errorf("scenario: %s: * stands for any name and cannot be bound", s.Name)
	}
	b := binder{from: from, to: to}
	bound := *s
	bound.knows = b.knowledge(s.knows)
	bound.Cases = make([]Case, len(s.Cases))
	for i, c := range s.Cases {
		c.Knows = b.knowledge(c.Knows)
		c.Steps = slices.Clone(c.Steps)
		for j := range c.Steps {
			b.step(s.Nodes, &c.Steps[j])
		}
		bound.Cases[i] = c
	}
	switch {
	case !b.found:
		return nil, fmt.Errorf("scenario: %s: name %s is not used", s.Name, from)
	case b.taken && from != to:
		return nil, fmt.Errorf("scenario: %s: %s is in use already: the two names would become one", s.Name, to)
	}
	return &bound, nil
}

type binder struct {
	from, to netbios.Name
	found    bool
	taken    bool // the other name occurs as well
}

func (b *binder) name(n *netbios.Name) {
	b.taken = b.taken || *n == b.to
	if *n == b.from {
		*n, b.found = b.to, true
	}
}

func (b *binder) knowledge(knows []Knows) []Knows {
	knows = slices.Clone(knows)
	for i := range knows {
		b.name(&knows[i].Name)
	}
	return knows
}

// step binds the names that a step has. Those it has not are left alone, since sixteen zero bytes are a name too.
func (b *binder) step(nodes []Node, st *Step) {
	form, kind := form(0), kinds[st.Inject.Kind]
	if st.Verb.Calls() {
		form = verbs[st.Verb].form
	}
	if form&(needsName|mayName) != 0 {
		b.name(&st.Name)
	}
	if form&(needsFrom|mayFrom) != 0 {
		b.name(&st.From)
	}
	if st.Verb == Inject && kind.name != refuses {
		b.name(&st.Inject.Name)
	}
	if st.Verb == Inject && kind.data {
		b.name(&st.Inject.From)
	}
	if st.Impair.Match.Named {
		b.name(&st.Impair.Match.Name)
	}
	st.Text = stepCells(nodes, st).text()
	st.Expect = slices.Clone(st.Expect)
	for i := range st.Expect {
		e := &st.Expect[i]
		e.Clauses = b.clauses(e.Clauses)
		e.Alternatives = slices.Clone(e.Alternatives)
		for j := range e.Alternatives {
			e.Alternatives[j].Clauses = b.clauses(e.Alternatives[j].Clauses)
		}
		e.Text = expectationText(nodes, e)
	}
}

func (b *binder) clauses(clauses []Clause) []Clause {
	clauses = slices.Clone(clauses)
	for i, c := range clauses {
		switch c := c.(type) {
		case Listed:
			b.name(&c.Name)
			clauses[i] = c
		case Wire:
			if c.Pattern.Named {
				b.name(&c.Pattern.Name)
			}
			clauses[i] = c
		case Result, Received:
		}
	}
	return clauses
}

// At returns the scenario with its nodes at other addresses, one for each.
func (s *Scenario) At(addresses []netip.Prefix) *Scenario {
	moved := *s
	moved.Nodes = slices.Clone(s.Nodes)
	for i := range moved.Nodes {
		moved.Nodes[i].Prefix = addresses[i]
	}
	return &moved
}
