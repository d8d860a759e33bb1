// SPDX-License-Identifier: MIT

package probe

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Result is what one check came to.
type Result struct {
	Check
	Finding

	// After tells how the stack was after the check, when it did not go on answering as before; and whether the host was
	// there, and whether it came back.
	After string

	// First and Last are the frames of the check, counted from 1 in the order in which the driver recorded them; 0 when it
	// has none.
	First, Last int
}

// Withheld reports whether the check was not made because nobody asked for intrusive ones.
func (r Result) Withheld() bool { return r.Verdict == NotAsked && r.Seen == withheld }

// silence is how it is told that nothing came.
const silence = "silence"

const withheld = "intrusive: --intrusive asks it"

// Report is what a probe has found so far.
type Report struct {
	Target  netip.Addr
	Names   []Held // what the checks are about
	Results []Result

	Heard bool   // anything at all came from the target
	Host  string // of a target that did not answer at first: how the host is known to be there; empty when nothing shows it
	Over  bool   // all checks have been made
	Gone  string // why the checks that follow were not made: the stack had fallen silent for good
}

// Failed counts the checks that did not come to what a correct stack does, or left it silent.
func (r Report) Failed() int {
	n := 0
	for _, x := range r.Results {
		if x.Verdict == Differs || x.Verdict == NoAnswer || x.After != "" {
			n++
		}
	}
	return n
}

// Machine makes the checks. Ask it with Next what to do, and tell it with Saw what came of it.
type Machine struct {
	facts
	report Report
	checks []Check

	phase phase
	at    int // the check being made
	plan  plan
	seen  []Seen
	ours  uint16 // identifiers used before the check
	first int    // frames recorded before the check
	last  int    // frames recorded by now

	intro    Ask // of the introduction, and the one that tells whether the stack still answers
	introID  uint16
	silent   string        // what has been found out about a stack that fell silent
	deadline time.Duration // for it to come back
	since    time.Duration
}

type phase uint8

const (
	greeting  phase = iota // node status
	seeking                // whether the host is there at all
	asking                 // a query, to find out whether RD may be set
	checking               // exchanges of a check
	listening              // whether the stack still answers
	looking                // whether the host is there
	waiting                // for the stack to come back: a pause
	calling                // and another question
	over
)

// Validate tells what is wrong with the options, but for what is not known before there are sockets: Self and Source.
func (o Options) Validate() error {
	switch {
	case o.Count < 0 || o.Count > MaxCount:
		return fmt.Errorf("probe: a count of %d: want 1 to %d", o.Count, MaxCount)
	case o.Wait < 0 || o.Recovery < 0:
		return errors.New("probe: a wait must not be negative")
	case !o.Target.Is4():
		return fmt.Errorf("probe: %s: NetBIOS over TCP/IP is of IPv4", o.Target)
	case o.Target.IsUnspecified() || o.Target.IsMulticast() || o.Target == stack.LimitedBroadcast:
		return fmt.Errorf("probe: %s is not the address of one host", o.Target)
	}
	_, err := selected(o)
	return err
}

// New prepares a probe.
func New(o Options) (*Machine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if !o.Self.Is4() {
		return nil, fmt.Errorf("probe: %s: want the IPv4 address that the target sees", o.Self)
	}
	o.Count, o.Wait, o.Recovery = cmp.Or(o.Count, DefaultCount), cmp.Or(o.Wait, DefaultWait), cmp.Or(o.Recovery, DefaultRecovery)
	m := &Machine{facts: facts{Options: o, lastID: o.FirstID}, report: Report{Target: o.Target}}
	m.held = slices.Clone(o.Names)
	var err error
	if m.checks, err = selected(o); err != nil {
		return nil, err
	}
	id := m.id()
	m.intro, m.introID = m.ask(nbt.StatusRequest(id, netbios.Wildcard)), id
	return m, nil
}

// selected returns the checks that are meant.
func selected(o Options) ([]Check, error) {
	all := Checks()
	for _, list := range [][]string{o.Only, o.Skip} {
		for _, id := range list {
			if !slices.ContainsFunc(all, func(c Check) bool { return c.ID == id }) {
				return nil, fmt.Errorf("probe: unknown check %q (known: %s)", id, strings.Join(ids(all), ", "))
			}
		}
	}
	var list []Check
	for _, c := range all {
		switch {
		case slices.Contains(o.Skip, c.ID):
		case len(o.Only) > 0 && !slices.Contains(o.Only, c.ID):
		case c.Intrusive && !o.Intrusive && len(o.Only) > 0:
			return nil, fmt.Errorf("probe: %s is intrusive, it may do harm: say --intrusive", c.ID)
		default:
			list = append(list, c)
		}
	}
	return list, nil
}

func ids(checks []Check) []string {
	var list []string
	for _, c := range checks {
		list = append(list, c.ID)
	}
	return list
}

// Report returns what has been found so far.
func (m *Machine) Report() Report {
	r := m.report
	r.Results = slices.Clone(r.Results)
	r.Over = m.phase == over && r.Gone == ""
	for _, c := range m.checks[min(m.at, len(m.checks)):] {
		why := "the probe was interrupted"
		if r.Gone != "" {
			why = r.Gone
		}
		r.Results = append(r.Results, Result{Check: c, Finding: Finding{NotAsked, why}})
	}
	return r
}

// Doing tells what the next exchange is for: the check, and how many have been made of how many. It is empty before the
// first.
func (m *Machine) Doing() (c Check, made, of int) {
	if m.phase >= checking && m.at < len(m.checks) {
		c = m.checks[m.at]
	}
	return c, m.at, len(m.checks)
}

// Next returns what to do next, and false when all is done.
func (m *Machine) Next() (Exchange, bool) {
	switch m.phase {
	case greeting:
		return m.intro, true
	case asking:
		name, _ := m.unique()
		return m.ask(nbt.UnicastQuery(m.id(), name)), true
	case checking:
		return m.nextOfCheck()
	case listening, calling:
		return m.again(), true
	case seeking, looking:
		return Look{Wait: m.Wait}, true
	case waiting:
		return Pause{For: m.Wait}, true
	case over:
	}
	return nil, false
}

// again is the question that the stack has answered at the beginning.
func (m *Machine) again() Ask {
	if m.status {
		return m.ask(nbt.StatusRequest(m.id(), netbios.Wildcard))
	}
	name, _ := m.unique()
	return m.ask(m.query(m.id(), name))
}

// nextOfCheck returns the next exchange of the check under way or, when it has none left, of the next check.
func (m *Machine) nextOfCheck() (Exchange, bool) {
	for m.at < len(m.checks) {
		if m.seen == nil && m.plan.judge == nil && m.plan.cannot == "" {
			m.ours, m.first = m.lastID, m.last
			m.plan = m.planned(m.checks[m.at])
		}
		switch {
		case m.plan.cannot != "":
			m.conclude(Finding{NotAsked, m.plan.cannot})
			m.at++
		case len(m.seen) < len(m.plan.exchanges):
			return m.plan.exchanges[len(m.seen)], true
		case len(m.plan.exchanges) == 0:
			m.conclude(m.plan.judge(nil))
			m.at++
		}
	}
	m.phase = over
	return nil, false
}

// planned makes the plan of a check.
func (m *Machine) planned(c Check) plan {
	if c.Intrusive && !m.Intrusive {
		return cannot(withheld)
	}
	return c.plan(&m.facts)
}

// conclude enters the finding of the check under way.
func (m *Machine) conclude(f Finding) {
	r := Result{Check: m.checks[m.at], Finding: f}
	if m.last > m.first {
		r.First, r.Last = m.first+1, m.last
	}
	m.report.Results = append(m.report.Results, r)
	m.plan, m.seen = plan{}, nil
}

// Saw tells what came of the exchange that Next returned last.
func (m *Machine) Saw(s Seen) {
	m.last = s.Frames
	m.report.Heard = m.report.Heard || len(s.Packets) > 0 || s.Flood.Answered > 0 || len(s.Stream.Bytes) > 0
	switch m.phase {
	case greeting:
		m.greeted(s)
	case seeking:
		m.report.Host = s.Host
		m.phase = checking
		if _, named := m.unique(); named {
			m.phase = asking
		}
	case asking:
		m.recursive = len(s.Packets) > 0
		m.phase = checking
	case checking:
		x := m.plan.exchanges[len(m.seen)]
		m.note(x, s)
		s.Packets = m.timely(x, s.Packets)
		m.seen = append(m.seen, s)
		if len(m.seen) < len(m.plan.exchanges) {
			return
		}
		f := m.plan.judge(m.seen)
		if f.Verdict == OK && f.Seen == silence && !m.canListen() {
			f = Finding{NotAsked, "silence, as to everything"} // where nobody is known to listen, it says nothing
		}
		m.conclude(f)
		m.phase = listening
		if !m.canListen() {
			m.next()
		}
	case listening:
		if len(s.Packets) > 0 {
			m.next()
			break
		}
		m.since = s.At
		m.phase = looking
	case looking:
		m.silent = "it fell silent; " + hostText(s.Host)
		m.deadline = s.At + m.Recovery
		m.phase = waiting
	case waiting:
		m.phase = calling
	case calling:
		m.called(s)
	case over:
	}
}

// canListen reports whether there is a question that the stack is known to answer.
func (m *Machine) canListen() bool {
	_, named := m.unique()
	return m.status || named
}

func (m *Machine) next() {
	m.phase = checking
	m.at++
}

func hostText(how string) string {
	if how == "" {
		return "nothing shows that the host is there"
	}
	return "the host is there (" + how + ")"
}

// called is told whether a stack that had fallen silent has come back.
func (m *Machine) called(s Seen) {
	last := &m.report.Results[len(m.report.Results)-1]
	switch {
	case len(s.Packets) > 0:
		last.After = fmt.Sprintf("%s; it came back after %s", m.silent, (s.At - m.since).Round(100*time.Millisecond))
		m.next()
	case s.At >= m.deadline:
		last.After = fmt.Sprintf("%s; it did not come back within %s", m.silent, m.Recovery)
		m.report.Gone = "the stack has not answered since " + last.ID
		m.phase = over
		m.at++
	default:
		m.phase = waiting
	}
}

// greeted is told of the target's node status, the first thing that is asked.
func (m *Machine) greeted(s Seen) {
	names, ok := statusNames(s, m.introID)
	m.status = ok
	for _, n := range names {
		h := Held{n.Name, n.Flags&nbt.NameGroup != 0}
		m.table = append(m.table, h)
		if len(m.Names) == 0 && n.Flags&(nbt.NameCNF|nbt.NameDRG|nbt.NamePRM) == 0 && !n.Name.IsWild() {
			m.held = append(m.held, h)
		}
	}
	m.report.Names = slices.Clone(m.held)
	m.phase = asking
	if _, named := m.unique(); len(s.Packets) == 0 {
		m.phase = seeking
	} else if !named {
		m.phase = checking
	}
}

// timely leaves out the late answers to what was asked before.
func (m *Machine) timely(x Exchange, packets []Packet) []Packet {
	a, ok := x.(Ask)
	if !ok {
		return packets
	}
	at := 0 // of the identifier
	if a.Service == DatagramService {
		at = 2
	}
	var list []Packet
	for _, p := range packets {
		late := false
		if len(p.Bytes) >= at+2 {
			id := binary.BigEndian.Uint16(p.Bytes[at:])
			late = id-m.FirstID-1 < m.ours-m.FirstID
		}
		if !late || a.Answer(p.Bytes) {
			list = append(list, p)
		}
	}
	return list
}

// note keeps account of the form of what came.
func (m *Machine) note(x Exchange, s Seen) {
	service := NameService
	switch x := x.(type) {
	case Ask:
		service = x.Service
	case Flood:
		service = x.Service
	case Talk, Look, Pause:
	}
	for _, p := range s.Packets {
		m.noteForm(service, p)
	}
	if s.Flood.Others > 0 {
		m.noteForm(service, s.Flood.Other)
	}
}
