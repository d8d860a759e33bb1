// SPDX-License-Identifier: MIT

// Package survey tells, in one pass over a capture about which nothing is known, which hosts speak NBT in it, what became of
// each of their names, which sessions there were, and which bugs of the ledger it shows.
//
// It decides; frames come in one at a time, and what it keeps is bounded by the number of hosts, names and sessions, not of
// frames. Whatever there is no room for is counted.
package survey

import (
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// What is kept at most. A class B network full of Windows has fewer names than this.
const (
	MaxHosts    = 1 << 14
	MaxNames    = 1 << 17 // of all hosts
	MaxPhases   = 1 << 17 // of all names, beyond the first of each
	MaxSessions = 1 << 12 // pairs of hosts and names that had sessions
	maxOpen     = 1 << 13 // connections under way
	maxRows     = 64      // of one node status response: it has room for 25
)

// Survey collects what a capture shows. Make it with [New].
type Survey struct {
	hosts   []host
	byAddr  index
	lives   chunks[life]
	byName  index
	subject index
	asked   chunks[asked]
	phases  chunks[phase] // beyond the first of each name
	bugs    []Bug         // once they have been asked for
	dropped Dropped

	sessions []session
	bySides  map[sides]int32
	open     map[int]*connection
	spare    []*connection

	frames int
	last   time.Duration
	ns     nbt.NameMessage
	dgm    nbt.DatagramMessage
	ssn    nbt.SessionMessage
}

// Dropped counts what there was no room for.
type Dropped struct {
	Hosts    int `json:"hosts,omitempty"`    // frames of hosts that were not followed
	Names    int `json:"names,omitempty"`    // mentions of names that were not followed
	Lives    int `json:"lives,omitempty"`    // later lives of names that were not told apart
	Sessions int `json:"sessions,omitempty"` // sessions that were not counted
	Bad      int `json:"bad,omitempty"`      // frames that are no message of their service
}

// mark is a frame and its time.
type mark struct {
	frame uint32
	at    time.Duration
}

type host struct {
	addr        [4]byte
	first, last mark
	quiet       mark // the last frame that is no release: what it does once its names are gone
	sent        uint32
	names       int32 // index of its first name, -1 for none
	lastName    int32
	named       int32 // how many names it showed to have or want
	ont         nbt.NBFlags
	ontAt       uint32 // frame that says so
}

// life is a name of a host. What nearly every frame touches comes first: most of the time goes into waiting for it.
type life struct {
	name netbios.Name
	host int32
	more int32 // its later phases, -1 for none; the last one is current

	phase
	next   int32    // of the same host, -1 for none
	before datagram // direct datagrams for it while nobody had it
	group  bool
}

// datagram counts direct datagrams that count for Q124565: those that come before the name has a session.
type datagram struct{ count, first uint32 } // first is a frame's number

// phase is one life of a name, from its claim or the first sign of it to its end.
type phase struct {
	how        How
	end        End
	claimID    uint16
	claims     uint16
	releases   uint16
	last       mark   // of the signs that it is held
	answers    uint32 // positive query responses
	defences   uint32 // refusals
	listings   uint32 // node status responses
	used       uint32 // as the source of datagrams or sessions
	conflict   uint32 // the frame of a conflict demand that answers no claim of the host's; 0 for none
	alive      uint32 // the frame of the first sign behind that that it is still held
	accepted   uint32 // sessions
	sessions   int32  // open now
	early      datagram
	began      mark
	over       mark
	conflictAt time.Duration
	odd        uint32 // the frame where it is listed as deregistered without a session, or as in conflict
	next       int32
}

// How a phase begins.
type How uint8

// The beginnings.
const (
	Unseen  How = iota
	Claimed     // with a name registration request
	Held        // seen in use: it had been claimed before the capture, or where the capture does not show it
)

// End is how a phase ends.
type End uint8

// The ends.
const (
	Open     End = iota // it did not end in the capture
	Refused             // another node objected to the claim
	Released            // with a name release request
)

// asked is when a name was asked for last.
type asked struct {
	name        netbios.Name
	first, last mark // of the last burst of requests
	from        [4]byte
	watched     bool // a conflict was demanded for it
	after       mark // the first request behind that
	afterFrom   [4]byte
}

// New makes an empty survey.
func New() *Survey {
	return &Survey{bySides: map[sides]int32{}, open: map[int]*connection{}}
}

// Add takes in a frame. Nothing of it is kept.
func (s *Survey) Add(f *trace.Frame) {
	m := mark{uint32(f.Number), f.At}
	s.frames++
	s.last = max(s.last, f.At)
	if f.Kind != trace.UDP {
		s.tcp(f, m)
		return
	}
	from := s.hostOf(f.From.Addr(), m)
	if from < 0 {
		return
	}
	h := &s.hosts[from]
	h.sent++
	h.last = m
	switch {
	case f.From.Port() == stack.NamePort || f.To.Port() == stack.NamePort:
		s.nameService(f, from, m)
	default:
		h.quiet = m
		s.datagram(f, from, m)
	}
}

// hostOf finds a host, or begins to follow it; -1 if there is no room.
func (s *Survey) hostOf(a netip.Addr, m mark) int32 {
	if !a.Is4() {
		return -1
	}
	if i := s.known(a); i >= 0 {
		return i
	}
	addr, i := a.As4(), int32(len(s.hosts))
	if len(s.hosts) == MaxHosts || !s.byAddr.put(hashAddr(addr), i) {
		s.dropped.Hosts++
		return -1
	}
	s.hosts = append(s.hosts, host{addr: addr, first: m, last: m, names: -1, lastName: -1})
	return i
}

// known finds a host that has been seen, or -1.
func (s *Survey) known(a netip.Addr) int32 {
	if !a.Is4() || len(s.hosts) == 0 {
		return -1
	}
	addr := a.As4()
	return s.byAddr.find(hashAddr(addr), func(i int32) bool { return s.hosts[i].addr == addr })
}

// lifeOf finds a host's name, or begins to follow it; nil if there is no room.
func (s *Survey) lifeOf(host int32, name *netbios.Name) *life {
	if l := s.find(host, name); l != nil {
		return l
	}
	i := int32(s.lives.n)
	if s.lives.n == MaxNames || !s.byName.put(hashOf(host, name), i) {
		s.dropped.Names++
		return nil
	}
	s.lives.add()
	l := s.lives.at(i)
	l.name, l.host, l.next, l.more, l.phase.next = *name, host, -1, -1, -1
	h := &s.hosts[host]
	if h.names < 0 {
		h.names = i
	} else {
		s.lives.at(h.lastName).next = i
	}
	h.lastName = i
	return l
}

// find returns a host's name that is followed, or nil.
func (s *Survey) find(host int32, name *netbios.Name) *life {
	if s.lives.n == 0 {
		return nil
	}
	i := s.byName.find(hashOf(host, name), func(i int32) bool {
		l := s.lives.at(i)
		return l.host == host && l.name == *name
	})
	if i < 0 {
		return nil
	}
	return s.lives.at(i)
}

// anyHost is in the place of a host in the hash of a name that is asked for, whoever may have it.
const anyHost = -1

// subjectOf finds a name that is asked for, or begins to follow it; -1 if there is no room.
func (s *Survey) subjectOf(name *netbios.Name) int32 {
	if s.asked.n > 0 {
		i := s.subject.find(hashOf(anyHost, name), func(i int32) bool { return s.asked.at(i).name == *name })
		if i >= 0 {
			return i
		}
	}
	if s.asked.n == MaxNames || !s.subject.put(hashOf(anyHost, name), int32(s.asked.n)) {
		return -1
	}
	i := s.asked.add()
	s.asked.at(i).name = *name
	return i
}

// askedFor is when a name was asked for last, by whom.
func (s *Survey) askedFor(name *netbios.Name) asked {
	if s.asked.n > 0 {
		i := s.subject.find(hashOf(anyHost, name), func(i int32) bool { return s.asked.at(i).name == *name })
		if i >= 0 {
			return *s.asked.at(i)
		}
	}
	return asked{}
}

// current is the phase that a name is in.
func (s *Survey) current(l *life) *phase {
	if l.more < 0 {
		return &l.phase
	}
	return s.phases.at(l.more)
}

// began begins a new phase of a name whose last one has ended.
func (s *Survey) began(l *life, how How, m mark) *phase {
	p := s.current(l)
	switch {
	case p.how == Unseen:
		s.hosts[l.host].named++
		p.how, p.began = how, m
		return p
	case s.phases.n == MaxPhases:
		s.dropped.Lives++
		p.end, p.over = Open, mark{}
		return p
	}
	p.next = s.phases.add()
	l.more = p.next
	p = s.phases.at(l.more)
	p.how, p.began, p.next = how, m, -1
	return p
}

// holding is the phase of a name that a host shows to have, begun now if need be.
func (s *Survey) holding(l *life, m mark) *phase {
	p := s.current(l)
	if p.how == Unseen || p.end != Open {
		p = s.began(l, Held, m)
	}
	p.last = m
	if p.conflict != 0 && p.alive == 0 {
		p.alive = m.frame
	}
	return p
}
