// SPDX-License-Identifier: MIT

// Package trace is the one record of a run: every value that crossed the seam between a stack and its driver, in order,
// each with its cause. Verdicts, captures, tables and comparisons are views of it.
package trace

import (
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/stack"
)

// Trace is the record of one run.
type Trace struct {
	Scenario string // name, and case where there is one: "q124565-controls/broadcast"
	Model    string // "fixed", or the faults in force
	Seed     uint64
	Nodes    []Node
	Events   []Event
}

// Node is one node of the run.
type Node struct {
	Name   string
	Prefix netip.Prefix // its address and the network it is on
}

// Probe is the bit of a [stack.CallID] that marks the calls by which a runner looks at a name table for the judge, rather
// than those that the scenario spells out.
const Probe stack.CallID = 1 << 31

// LAN is the index that stands for no node in an [Event].
const LAN = -1

// Event is one thing that happened.
type Event struct {
	At    time.Duration // since the run began
	What  any           // a [stack.Input], a [stack.Output], or one of this package's own
	Seq   uint32        // from 1
	Cause uint32        // the event that brought it about, 0 for none
	Step  int32         // index of the scenario's step in force, from 0; -1 before the first
	Node  int16         // index into Trace.Nodes, or [LAN]
}

// What the drivers record beside inputs and outputs.
type (
	// StepBegan marks the start of a step of the scenario.
	StepBegan struct{}
	// Ended marks the end of the run, so that the last step has one.
	Ended struct{}
	// Started tells that a node's stack was made, at the beginning and at each restart, with which first transaction
	// identifier.
	Started struct{ FirstID uint16 }
	// Crashed tells that a stack panicked in a step. It takes no part in the run any more.
	Crashed struct{ Text string }
	// Dialled is the SYN of a connection: it gives the ends of a [stack.Open]. Conn is the number at the opening end.
	Dialled struct {
		Conn     stack.Conn
		From, To netip.AddrPort
	}
	// Injected is a datagram put on the wire by the scenario rather than by a stack.
	Injected struct{ Frame stack.SendDatagram }
	// Altered tells that a datagram was changed before it was put on the wire: this is what everybody saw. Its cause is
	// the one sent.
	Altered struct{ Frame stack.SendDatagram }
	// Lost, Late and Doubled are what the network did to a frame; Scripted when the scenario says so. Lost tells that a datagram, its cause, did not reach this node.
	Lost struct{ Scripted bool }
	// Late tells that a datagram, its cause, was held back on the way to this node.
	Late struct {
		By       time.Duration
		Scripted bool
	}
	// Doubled tells that a datagram, its cause, reached this node twice.
	Doubled struct{ Scripted bool }
	// Exhausted tells that the run was ended by a limit before the scenario was through.
	Exhausted struct{ Limit string }
)

// Add records an event and returns its number. A nil trace records nothing.
func (t *Trace) Add(e Event) uint32 {
	if t == nil {
		return 0
	}
	e.Seq = uint32(len(t.Events) + 1)
	t.Events = append(t.Events, e)
	return e.Seq
}

// Event returns the event of a number, or nil for 0 and numbers beyond the record.
func (t *Trace) Event(seq uint32) *Event {
	if seq == 0 || int(seq) > len(t.Events) {
		return nil
	}
	return &t.Events[seq-1]
}
