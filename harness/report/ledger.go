// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"slices"

	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// held is a reference that a node holds, and the event that took it.
type held struct {
	stack.RefTaken
	event *trace.Event
}

// keepsLedger reports whether a node's stack notes who holds its names. Other people's need not.
func keepsLedger(t *trace.Trace, node int) bool {
	return slices.ContainsFunc(t.Events, func(e trace.Event) bool {
		_, taken := e.What.(stack.RefTaken)
		return taken && int(e.Node) == node
	})
}

// ledgerAt returns the references that a node holds just before an event, in the order in which they were taken.
func ledgerAt(t *trace.Trace, node int, before uint32) []held {
	var list []held
	for i := range t.Events {
		e := &t.Events[i]
		if e.Seq >= before {
			break
		}
		if int(e.Node) != node {
			continue
		}
		switch what := e.What.(type) {
		case trace.Started:
			list = nil
		case stack.RefTaken:
			list = append(list, held{what, e})
		case stack.RefDropped:
			list = slices.DeleteFunc(list, func(h held) bool { return h.Ref == what.Ref })
		}
	}
	return list
}

// countOf counts the references to one name.
func countOf(list []held, name netbios.Name) int {
	n := 0
	for _, h := range list {
		if h.Name == name {
			n++
		}
	}
	return n
}

// describeHeld tells who holds a reference, since when, and which frame brought it.
func describeHeld(run check.Run, h held) string {
	text := h.Holder.String()
	if h.By != (netbios.Name{}) {
		text += fmt.Sprintf(" from %s at %s", h.By, h.Addr)
	}
	text += fmt.Sprintf(", since %s", seconds(h.event.At))
	if number := frameBehind(run, h.event); number > 0 {
		text += fmt.Sprintf(", frame %d", number)
	}
	if step := int(h.event.Step); step >= 0 && step < len(run.Case.Steps) {
		text += fmt.Sprintf(", line %d: %s", run.Case.Steps[step].Pos.Line, run.Case.Steps[step].Text)
	}
	return text
}

// frameBehind follows the causes of an event back to a frame on the wire and returns its number.
func frameBehind(run check.Run, e *trace.Event) int {
	for e != nil {
		for i := range run.Frames {
			if run.Frames[i].Seq == e.Seq {
				return run.Frames[i].Number
			}
		}
		if _, call := e.What.(stack.Call); call {
			return 0
		}
		e = run.Trace.Event(e.Cause)
	}
	return 0
}
