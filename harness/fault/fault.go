// SPDX-License-Identifier: MIT

// Package fault is the registry of the bugs that a model can be given: where each is documented, what can be turned about
// it, and what it does to the promises of a correct stack.
//
// A fault is nothing but a changed decision. The registry names the decisions as [Knob] values; the name table and the
// node ask a [Set] for the one they are about to take, each knob in exactly one place. The zero Set is the correct stack.
package fault

import (
	"fmt"
	"slices"
	"strings"
)

// Knob is one decision that a fault changes. Its zero value is what a correct stack does.
type Knob uint8

// The knobs, with the fault each belongs to.
const (
	LeakCount              Knob = iota // Q124565 count
	LeakWindow                         // Q124565 window
	LeakBeforeRegistration             // Q124565 before-registration
	LeakReport                         // Q124565 delete-reports
	AnyConflict                        // MS00-047
	SilentStop                         // Q140419
	knobs
)

// Values of the knobs. In every knob 0 is the correct decision and 1 the fault's default.
const (
	Off uint8 = 0
	On  uint8 = 1

	CountEach uint8 = 1 // every qualifying datagram leaks a reference
	CountOnce uint8 = 2 // only the first in the name's life does

	WindowBeforeFirstSession uint8 = 1 // while the name has had no session in this life
	WindowNoSession          uint8 = 2 // whenever it has no session
	WindowAlways             uint8 = 3

	ReportGoodReturn     uint8 = 1 // the leaking DELETE NAME returns 0x00, the name stays registered
	ReportActiveSessions uint8 = 2 // it returns 0x0F, the name is listed as deregistered
)

// Fault is an entry of the ledger of known bugs.
type Fault struct {
	ID      string // as in its source: "Q124565"
	Title   string // one line, a sentence without its stop
	Product string // what had it
	Source  string // where it is documented
	Class   string // the word of the bug catalogue
	Oracle  string // what shows it, to somebody who sees the wire or the return codes
	Knobs   []Choice
	Breaks  []string // the invariants of a correct stack that it breaks, as the judge names them
}

// Choice is one thing about a fault that its documentation leaves open.
type Choice struct {
	Knob   Knob
	Name   string   // empty for the bare presence of a fault without choices
	Values []string // the default first; the position plus one is the knob's value
	Doc    string
}

var ledger = []Fault{
	{
		ID:      "Q124565",
		Title:   "Datagrams that reach a name before a session does leave references behind, so that DELETE NAME does not free it",
		Product: "TCP/IP-32 for Windows for Workgroups 3.11",
		Source:  "KB Q124565; no public fixed build is known",
		Class:   "leak",
		Oracle:  "no release after DELETE NAME; the next ADD NAME is refused with 0x0D and no claim is sent",
		Knobs: []Choice{
			{LeakCount, "count", []string{"each", "once"}, "how many of the datagrams leak a reference"},
			{
				LeakWindow, "window",
				[]string{"before-first-session", "no-session", "always"},
				"when a datagram leaks: before the first session of this registration, while there is none, or always",
			},
			{
				LeakBeforeRegistration, "before-registration",
				[]string{"on", "off"},
				"whether a datagram that arrives before the name is registered leaks as well",
			},
			{
				LeakReport, "delete-reports",
				[]string{"00", "0F"},
				"what the DELETE NAME that does not free the name returns; 0F also lists it as deregistered",
			},
		},
		Breaks: []string{"references", "delete-frees", "release-on-free"},
	},
	{
		ID:      "MS00-047",
		Title:   "A name conflict demand or release that nobody asked for takes a registered name out of service",
		Product: "Windows NT 4.0, Windows 2000",
		Source:  "MS00-047, CVE-2000-0673, KB Q269239",
		Class:   "conflict-spoof",
		Oracle:  "the name is no longer answered for after a stranger's 0xAD87 or, where there is a name server, 0x3000",
		Knobs:   []Choice{{AnyConflict, "", []string{"on"}, ""}},
		Breaks:  []string{"conflict-own-claim"},
	},
	{
		ID:      "Q140419",
		Title:   "An orderly stop leaves the names registered: no releases are sent",
		Product: "Windows NT 3.51 and 4.0",
		Source:  "KB Q140419",
		Class:   "missing-release",
		Oracle:  "no release for a registered name between the stop and silence",
		Knobs:   []Choice{{SilentStop, "", []string{"on"}, ""}},
		Breaks:  []string{"release-on-stop"},
	},
}

// All returns the ledger. The slice must not be changed.
func All() []Fault { return ledger }

// Find returns the ledger's entry for an identifier.
func Find(id string) (Fault, bool) {
	i := slices.IndexFunc(ledger, func(f Fault) bool { return f.ID == id })
	if i < 0 {
		return Fault{}, false
	}
	return ledger[i], true
}

// Set is the faults in force in one stack, with their knobs. The zero value is a correct stack.
type Set struct{ values [knobs]uint8 }

// Get returns how a decision is to be taken: 0 as a correct stack does, else one of the values above.
func (s Set) Get(k Knob) uint8 { return s.values[k] }

// Has reports whether a fault is in force.
func (s Set) Has(f Fault) bool { return s.values[f.Knobs[0].Knob] != Off }

// IDs returns the identifiers of the faults in force, in the ledger's order.
func (s Set) IDs() []string {
	var ids []string
	for _, f := range ledger {
		if s.Has(f) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// Fixed is how a model without faults is written.
const Fixed = "fixed"

// String writes the set as [Parse] reads it, with the knobs that are not at their default.
func (s Set) String() string {
	var b strings.Builder
	for _, f := range ledger {
		if !s.Has(f) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(f.ID)
		mark := byte(':')
		for _, c := range f.Knobs {
			if v := s.values[c.Knob]; v > 1 {
				b.WriteByte(mark)
				b.WriteString(c.Name + "=" + c.Values[v-1])
				mark = ','
			}
		}
	}
	if b.Len() == 0 {
		return Fixed
	}
	return b.String()
}

// Parse reads a model as users write it: "fixed", "Q124565", "Q124565:count=once,window=always", "Q124565,MS00-047".
func Parse(s string) (Set, error) {
	var set Set
	if s == Fixed {
		return set, nil
	}
	var current Fault
	for part := range strings.SplitSeq(s, ",") {
		knob := part
		if id, rest, hasKnob := strings.Cut(part, ":"); hasKnob || !strings.Contains(part, "=") {
			f, ok := Find(id)
			if !ok {
				return Set{}, fmt.Errorf("fault: unknown model %q (known: %s, %s)", id, Fixed, strings.Join(known(), ", "))
			}
			if set.Has(f) {
				return Set{}, fmt.Errorf("fault: %s is named twice", id)
			}
			for _, c := range f.Knobs {
				set.values[c.Knob] = On
			}
			if current = f; !hasKnob {
				continue
			}
			knob = rest
		}
		if err := set.turn(current, knob); err != nil {
			return Set{}, err
		}
	}
	return set, nil
}

// turn sets one knob of a fault from "name=value".
func (s *Set) turn(f Fault, text string) error {
	if f.ID == "" {
		return fmt.Errorf("fault: %q belongs to no fault: write it behind one, as in Q124565:count=once", text)
	}
	name, value, _ := strings.Cut(text, "=")
	i := slices.IndexFunc(f.Knobs, func(c Choice) bool { return c.Name != "" && c.Name == name })
	if i < 0 {
		return fmt.Errorf("fault: %s has no knob %q%s", f.ID, name, f.knobList())
	}
	v := slices.Index(f.Knobs[i].Values, value)
	if v < 0 {
		return fmt.Errorf("fault: %s:%s=%q: the values are %s", f.ID, name, value, strings.Join(f.Knobs[i].Values, ", "))
	}
	s.values[f.Knobs[i].Knob] = uint8(v + 1)
	return nil
}

func (f Fault) knobList() string {
	var names []string
	for _, c := range f.Knobs {
		if c.Name != "" {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return ": it has none"
	}
	return " (it has " + strings.Join(names, ", ") + ")"
}

func known() []string {
	ids := make([]string, len(ledger))
	for i, f := range ledger {
		ids[i] = f.ID
	}
	return ids
}
