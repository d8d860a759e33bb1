// SPDX-License-Identifier: MIT

package survey

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Host is a host of the capture.
type Host struct {
	Addr        netip.Addr
	Type        string // "B", "P", "M", "H" as its own messages say; empty if none does
	Sent        int    // frames
	First, Last Mark
	Names       int
	index       int
}

// Mark is a frame and its time since the capture began.
type Mark struct {
	Frame int
	At    time.Duration
}

func (m mark) out() Mark { return Mark{int(m.frame), m.at} }

// Name is a name of a host, with its lives in order.
type Name struct {
	Name   netbios.Name
	Group  bool
	Phases []Phase
	Before int // direct datagrams for it that came while the host had it not, or behind its last life
}

// Phase is one life of a name.
type Phase struct {
	How         How
	End         End
	Began, Over Mark
	Last        Mark // the last sign of it; of one that was released, the last release
	Claims      int
	Releases    int
	Answers     int // positive query responses
	Defences    int // refusals of others' claims
	Listings    int // node status responses that list it
	Used        int // datagrams and sessions that it is the source of
	Accepted    int // sessions
	Early       int // direct datagrams for it before its first session
	Conflict    Mark
}

// Sessions are the sessions that there were between two names.
type Sessions struct {
	Client, Server     netip.Addr
	Called, Calling    netbios.Name
	Accepted, Refused  int
	Code               uint8 // of the last refusal
	Unanswered, Resets int
	Messages, Bytes    int64
	First, Last        Mark
}

// Hosts lists the hosts that have sent anything about NBT, in the order in which they were seen.
func (s *Survey) Hosts() []Host {
	list := make([]Host, 0, len(s.hosts))
	for i := range s.hosts {
		h := &s.hosts[i]
		if h.sent == 0 {
			continue
		}
		x := Host{
			Addr: netip.AddrFrom4(h.addr), Sent: int(h.sent), First: h.first.out(), Last: h.last.out(), index: i,
			Type: h.nodeType(), Names: int(h.named),
		}
		list = append(list, x)
	}
	return list
}

func (h *host) nodeType() string {
	if h.ontAt == 0 {
		return ""
	}
	return map[nbt.NBFlags]string{nbt.ONTB: "B", nbt.ONTP: "P", nbt.ONTM: "M", nbt.ONTH: "H"}[h.ont]
}

// Names yields the names of a host in the order in which they were seen, until yield returns false.
func (s *Survey) Names(h Host, yield func(Name) bool) {
	for at := s.hosts[h.index].names; at >= 0; at = s.lives.at(at).next {
		l := s.lives.at(at)
		if l.how == Unseen {
			continue // only datagrams for it were seen: the host never showed to have it
		}
		if !yield(s.name(l)) {
			return
		}
	}
}

func (s *Survey) name(l *life) Name {
	n := Name{Name: l.name, Group: l.group, Before: int(l.before.count)}
	for p := &l.phase; ; p = s.phases.at(p.next) {
		n.Phases = append(n.Phases, Phase{
			How: p.how, End: p.end, Began: p.began.out(), Over: p.over.out(), Last: p.last.out(), Claims: int(p.claims),
			Releases: int(p.releases), Answers: int(p.answers), Defences: int(p.defences), Listings: int(p.listings),
			Used: int(p.used), Accepted: int(p.accepted), Early: int(p.early.count), Conflict: Mark{int(p.conflict), p.conflictAt},
		})
		if p.next < 0 {
			return n
		}
	}
}

// Sessions lists what sessions there were.
func (s *Survey) Sessions() []Sessions {
	list := make([]Sessions, len(s.sessions))
	for i := range s.sessions {
		x := &s.sessions[i]
		list[i] = Sessions{
			Client: netip.AddrFrom4(s.hosts[x.client].addr), Server: netip.AddrFrom4(s.hosts[x.server].addr), Called: x.called,
			Calling: x.calling, Accepted: int(x.accepted), Refused: int(x.refused), Code: x.code,
			Unanswered: int(x.unanswered), Resets: int(x.resets), Messages: int64(x.messages), Bytes: int64(x.bytes),
			First: x.first.out(), Last: x.last.out(),
		}
	}
	return list
}

// Frames is how many frames were taken in, and Dropped what there was no room for.
func (s *Survey) Frames() int { return s.frames }

// Dropped tells what there was no room for.
func (s *Survey) Dropped() Dropped { return s.dropped }

// Word is what a capture says of a bug of the ledger.
type Word string

// The words.
const (
	Shown      Word = "shown"
	NotShown   Word = "not shown"
	NoEvidence Word = "no evidence either way"
)

// Finding is what a capture says of a bug at one name, or of a whole host.
type Finding struct {
	Bug    string
	Word   Word
	Host   netip.Addr
	Name   netbios.Name
	Frame  int    // where it shows, or shows not
	Why    string // in a sentence
	Decide string // what further traffic would decide, if there is no evidence
}

// Bug is all that a capture says of one bug.
type Bug struct {
	Fault    fault.Fault
	Word     Word
	Findings []Finding // those shown first; at most [MaxFindings] of each word
	Counts   map[Word]int
	Silent   int    // hosts that nothing was seen of that would bring it out
	Needs    string // what would have to be seen of those
}

// MaxFindings is how many findings of one word about one bug are told; all are counted.
const MaxFindings = 20

// Bugs tells of each bug of the ledger what the capture shows. Nothing may be added behind it.
func (s *Survey) Bugs() []Bug {
	if s.bugs != nil {
		return s.bugs
	}
	at := map[string]int{}
	for _, f := range fault.All() {
		if needs, ok := needs[f.ID]; ok {
			at[f.ID] = len(s.bugs)
			s.bugs = append(s.bugs, Bug{Fault: f, Counts: map[Word]int{}, Needs: needs})
		}
	}
	told := make([]map[int32]bool, len(s.bugs)) // hosts
	for i := range told {
		told[i] = map[int32]bool{}
	}
	found := func(host int32, x Finding) {
		i, ok := at[x.Bug]
		if !ok {
			return
		}
		told[i][host] = true
		x.Host = netip.AddrFrom4(s.hosts[host].addr)
		s.bugs[i].add(x)
	}
	ends := make([]ending, len(s.hosts))
	for i := range int32(s.lives.n) {
		l := s.lives.at(i)
		for p := &l.phase; ; p = s.phases.at(p.next) {
			if p.how != Unseen {
				s.leaked(l, p, found)
				s.muted(l, p, found)
				s.remains(l, p, &ends[l.host])
			}
			if p.next < 0 {
				break
			}
		}
	}
	senders := 0
	for i := range s.hosts {
		if s.hosts[i].sent > 0 {
			senders++
			s.stopped(int32(i), &ends[i], found)
		}
	}
	for i := range s.bugs {
		s.bugs[i].Silent = senders - len(told[i])
		s.bugs[i].settle()
	}
	return s.bugs
}

// needs is what would have to be seen of a host to tell of a bug.
var needs = map[string]string{
	leakBug: "a direct datagram to a name before its first session, and then the name's release or its absence",
	muteBug: "a name conflict demand for a name that is held, and then a query for it",
	stopBug: "an orderly stop of the host, and then a query for one of its names",
}

// The bugs that a wire can show.
const (
	leakBug = "Q124565"
	muteBug = "MS00-047"
	stopBug = "Q140419"
)

func (b *Bug) add(x Finding) {
	if b.Counts[x.Word]++; b.Counts[x.Word] <= MaxFindings {
		b.Findings = append(b.Findings, x)
	}
}

// settle puts the findings in order and says what they come to.
func (b *Bug) settle() {
	var sorted []Finding
	for _, w := range []Word{Shown, NotShown, NoEvidence} {
		for _, x := range b.Findings {
			if x.Word == w {
				sorted = append(sorted, x)
			}
		}
		if b.Word == "" && b.Counts[w] > 0 {
			b.Word = w
		}
	}
	b.Findings = sorted
	if b.Word == "" {
		b.Word = NoEvidence
	}
}

// enough is how long a request stays unanswered before that says something: by then a B node has sent it three times (RFC 1002
// section 6).
const enough = 500 * time.Millisecond

// leaked looks for Q124565 at a life of a name: one that got direct datagrams before any session.
func (s *Survey) leaked(l *life, p *phase, found func(int32, Finding)) {
	if l.group || p.early.count == 0 {
		return
	}
	x := Finding{Bug: leakBug, Name: l.name}
	got := fmt.Sprintf("%s got %d direct datagrams before any session, from frame %d on", l.name, p.early.count, p.early.first)
	switch {
	case p.odd != 0 && p.conflict == 0:
		x.Word, x.Frame = Shown, int(p.odd)
		x.Why = got + "; it is listed as deregistered there, and has no session that would hold it"
	case p.end == Released && s.hosts[l.host].quiet.at > p.over.at:
		x.Word, x.Frame = NotShown, int(p.over.frame)
		x.Why = got + ", and was released all the same"
	case p.end == Released:
		x.Word, x.Frame = NoEvidence, int(p.over.frame)
		x.Why = got + "; it was released, but so it is at an orderly stop of a host with the bug"
		x.Decide = "that the host goes on when the name is released"
	case p.end == Open:
		x.Word, x.Frame = NoEvidence, int(p.early.first)
		x.Why = got + ", and is held at the end: its application may be running still"
		x.Decide = "when the application that uses " + l.name.String() + " exited, and a query for the name afterwards; or that the " +
			"application starts again"
	default:
		return
	}
	found(l.host, x)
}

// muted looks for MS00-047 at a life of a name: one that a conflict demand took out of service.
func (s *Survey) muted(l *life, p *phase, found func(int32, Finding)) {
	if p.conflict == 0 {
		return
	}
	h, a := &s.hosts[l.host], s.askedFor(&l.name)
	x := Finding{Bug: muteBug, Name: l.name}
	demand := fmt.Sprintf("a conflict demand for %s in frame %d answers no claim of the host's", l.name, p.conflict)
	switch {
	case p.odd != 0:
		x.Word, x.Frame, x.Why = Shown, int(p.odd), demand+"; the name is listed as in conflict"
	case p.alive != 0:
		x.Word, x.Frame, x.Why = NotShown, int(p.alive), demand+"; the name is in service afterwards"
	case a.after.at > p.conflictAt && a.afterFrom != h.addr && s.last-a.after.at >= enough:
		x.Word, x.Frame, x.Why = Shown, int(a.after.frame), demand+"; the name is asked for afterwards, and there is no answer"
		if h.last.at <= p.conflictAt {
			x.Why += fmt.Sprintf(" (or the host is gone: it sends nothing at all behind frame %d)", h.last.frame)
		}
	default:
		x.Word, x.Frame, x.Why = NoEvidence, int(p.conflict), demand+"; nobody asks for the name afterwards"
		x.Decide = "a query for " + l.name.String()
	}
	found(l.host, x)
}

// ending is how a host ends, as its names show it.
type ending struct {
	held, released int
	over           mark // of the last release
	asked          mark // the first request for one of its names that comes when it is silent
	name           netbios.Name
}

// remains notes what is left of a name when the capture ends.
func (s *Survey) remains(l *life, p *phase, e *ending) {
	switch {
	case p.next >= 0: // the name has a later life
	case p.end == Released:
		e.released++
		if p.last.at >= e.over.at {
			e.over = p.last
		}
	case p.end == Open && p.conflict == 0:
		e.held++
		h := &s.hosts[l.host]
		shown := p.claims > 0 || p.answers > 0 || p.listings > 0 || p.defences > 0
		if !shown || e.asked.frame != 0 || s.last-h.last.at < enough {
			return
		}
		if a := s.askedFor(&l.name); a.first.at > h.last.at && a.from != h.addr && s.last-a.first.at >= enough {
			e.asked, e.name = a.first, l.name
		}
	}
}

// stopped looks for Q140419 at a host: one that has gone, and whose names have not been released.
func (s *Survey) stopped(host int32, e *ending, found func(int32, Finding)) {
	h := &s.hosts[host]
	switch {
	case e.asked.frame != 0 && e.released == 0:
		found(host, Finding{
			Bug: stopBug, Word: Shown, Name: e.name, Frame: int(e.asked.frame),
			Why: fmt.Sprintf("%s is asked for and not answered for; the host is silent since frame %d and released nothing: it was "+
				"stopped so, or was switched off", e.name, h.last.frame),
		})
	case e.released > 0 && e.held == 0 && h.quiet.at <= e.over.at:
		found(host, Finding{
			Bug: stopBug, Word: NotShown, Frame: int(e.over.frame),
			Why: fmt.Sprintf("the host released all of its names, %d of them, and was silent then", e.released),
		})
	}
}
