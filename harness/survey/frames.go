// SPDX-License-Identifier: MIT

package survey

import (
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// claimLife is how long after its last claim an objection still answers it, and how far apart the transmissions of one
// request are at most.
const claimLife = 10 * time.Second

// burst is how long requests for one name from one host are one question.
const burst = 5 * time.Second

// nameService takes in a message on port 137.
func (s *Survey) nameService(f *trace.Frame, from int32, m mark) {
	if err := s.ns.Decode(f.Payload, nbt.Lenient); err != nil {
		s.dropped.Bad++
		return
	}
	kind := s.ns.Kind()
	if kind != nbt.KindRelease {
		s.hosts[from].quiet = m
	}
	name, scope := s.ns.Subject()
	switch {
	case name == (netbios.Name{}) && scope == "": // it is cut before its name
		s.dropped.Bad++
		return
	case scope != "" && kind != nbt.KindStatusResponse:
		return
	}
	flags, _ := s.ns.Owner()
	switch kind {
	case nbt.KindClaim, nbt.KindMultihomed, nbt.KindRefresh, nbt.KindOverwrite:
		s.typed(from, flags, m)
		s.claimed(f, from, &name, flags, kind, m)
	case nbt.KindRelease:
		s.typed(from, flags, m)
		s.released(from, &name, flags, m)
	case nbt.KindQuery:
		s.question(f, from, &name, m)
	case nbt.KindPositiveQuery:
		if l := s.lifeOf(from, &name); l != nil && s.speaksForItself(from) {
			s.typed(from, flags, m)
			l.group = flags&nbt.NBGroup != 0
			s.holding(l, m).answers++
		}
	case nbt.KindNegativeRegistration, nbt.KindConflictDemand:
		s.objected(f, from, &name, kind, m)
	case nbt.KindStatusResponse:
		s.listed(from, m)
	default: // acknowledgements and what name servers say among themselves
	}
}

// typed notes the node type that a host says to be of.
func (s *Survey) typed(host int32, flags nbt.NBFlags, m mark) {
	if h := &s.hosts[host]; h.ontAt == 0 {
		h.ont, h.ontAt = flags&nbt.NBONT, m.frame
	}
}

// speaksForItself reports whether a positive answer is about the name's own host: a name server answers for others.
func (s *Survey) speaksForItself(from int32) bool {
	_, addr := s.ns.Owner()
	return addr.Is4() && addr.As4() == s.hosts[from].addr
}

// claimed is a claim, a refresh or an overwrite demand of a host.
func (s *Survey) claimed(f *trace.Frame, from int32, name *netbios.Name, flags nbt.NBFlags, kind nbt.NameKind, m mark) {
	l := s.lifeOf(from, name)
	if l == nil {
		return
	}
	l.group = flags&nbt.NBGroup != 0
	p := s.current(l)
	switch {
	case kind == nbt.KindRefresh:
		s.holding(l, m)
		return
	case p.how == Unseen || p.end != Open:
		p = s.began(l, Claimed, m)
		p.early, l.before = l.before, datagram{}
	}
	p.claims++
	p.claimID, p.last = s.ns.ID, m
	if kind == nbt.KindClaim && f.Broadcast && p.claims == 1 {
		s.asks(name, from, m)
	}
}

// released is the end of a name.
func (s *Survey) released(from int32, name *netbios.Name, flags nbt.NBFlags, m mark) {
	l := s.lifeOf(from, name)
	if l == nil {
		return
	}
	p := s.current(l)
	if p.end == Released && m.at-p.last.at <= claimLife {
		p.last = m
		p.releases++
		return
	}
	if p.how == Unseen || p.end != Open {
		p = s.began(l, Held, m)
		l.group = flags&nbt.NBGroup != 0
	}
	p.end, p.over, p.last, p.releases = Released, m, m, 1
}

// question is a query. To whom it is addressed must answer if the name is its own.
func (s *Survey) question(f *trace.Frame, from int32, name *netbios.Name, m mark) {
	if f.Broadcast || s.holds(f.To.Addr(), name) {
		s.asks(name, from, m)
	}
}

// holds reports whether a host has shown to have a name.
func (s *Survey) holds(a netip.Addr, name *netbios.Name) bool {
	to := s.known(a)
	return to >= 0 && s.find(to, name) != nil
}

// asks notes that a name was asked for.
func (s *Survey) asks(name *netbios.Name, from int32, m mark) {
	subject := s.subjectOf(name)
	if subject < 0 {
		return
	}
	a := s.asked.at(subject)
	if addr := s.hosts[from].addr; a.from != addr || m.at-a.last.at > burst {
		a.first, a.from = m, addr
	}
	a.last = m
	if a.watched && a.after.frame == 0 {
		a.after, a.afterFrom = m, a.from
	}
}

// objected is a refusal or a conflict demand: the end of a claim, or a defence of the name by its owner, or uncalled for.
func (s *Survey) objected(f *trace.Frame, from int32, name *netbios.Name, kind nbt.NameKind, m mark) {
	if kind == nbt.KindNegativeRegistration {
		if l := s.lifeOf(from, name); l != nil {
			s.holding(l, m).defences++
		}
	}
	to := s.known(f.To.Addr())
	if to < 0 {
		return
	}
	l := s.find(to, name)
	if l == nil {
		return
	}
	p := s.current(l)
	switch {
	case p.how == Claimed && p.end == Open && p.claimID == s.ns.ID && m.at-p.last.at <= claimLife:
		p.end, p.over = Refused, m
	case kind == nbt.KindConflictDemand && p.how != Unseen && p.end == Open && !l.group && p.conflict == 0:
		p.conflict, p.conflictAt = m.frame, m.at
		if i := s.subjectOf(name); i >= 0 {
			s.asked.at(i).watched = true
		}
	}
}

// listed is a node status response: what names the host has, and how they stand.
func (s *Survey) listed(from int32, m mark) {
	rr := s.ns.Record()
	if rr == nil || rr.Status == nil {
		return
	}
	for i := range rr.Status.Names[:min(len(rr.Status.Names), maxRows)] {
		row := &rr.Status.Names[i]
		if row.Flags&nbt.NamePRM != 0 {
			continue
		}
		l := s.lifeOf(from, &row.Name)
		if l == nil {
			continue
		}
		l.group = row.Flags&nbt.NameGroup != 0
		if row.Flags&nbt.NameCNF != 0 {
			if p := s.current(l); p.conflict != 0 && p.odd == 0 {
				p.odd = m.frame
			}
			continue
		}
		p := s.holding(l, m)
		p.listings++
		if row.Flags&nbt.NameDRG != 0 && p.sessions == 0 && p.early.count > 0 && p.odd == 0 {
			p.odd = m.frame
		}
	}
}

// datagram takes in a message on port 138.
func (s *Survey) datagram(f *trace.Frame, from int32, m mark) {
	if err := s.dgm.Decode(f.Payload, nbt.Lenient); err != nil {
		s.dropped.Bad++
		return
	}
	d := &s.dgm
	if !d.HasNames() {
		return
	}
	if d.SourceScope == "" {
		if l := s.lifeOf(from, &d.SourceName); l != nil {
			s.holding(l, m).used++
		}
	}
	if d.Type != nbt.DgmUnique || f.Broadcast || d.DestScope != "" {
		return
	}
	to := s.hostOf(f.To.Addr(), m)
	if to < 0 {
		return
	}
	l := s.lifeOf(to, &d.DestName)
	if l == nil {
		return
	}
	p := s.current(l)
	if p.how == Unseen || p.end != Open {
		count(&l.before, m)
		return
	}
	if p.accepted == 0 {
		count(&p.early, m)
	}
}

func count(d *datagram, m mark) {
	if d.count == 0 {
		d.first = m.frame
	}
	d.count++
}
