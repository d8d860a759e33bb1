// SPDX-License-Identifier: MIT

package check

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// served is what a name server has granted, by the judge's own account.
type served struct {
	name   netbios.Name
	scope  string
	owners []term
}

// term is one owner's, or a group member's.
type term struct {
	addr  netip.Addr
	group bool
	until time.Duration
}

// waiting is somebody whom a name server has told to wait.
type waiting struct {
	from  netip.AddrPort
	id    uint16
	name  netbios.Name
	scope string
}

// challenged is an owner that a name server has asked.
type challenged struct {
	owner netip.Addr
	id    uint16
	name  netbios.Name
	scope string
	at    time.Duration
	lives bool
	also  []netip.Addr // further addresses that the owner says it has
}

// masterBrowser is the suffix of the names that every segment has one of, and a name server keeps none.
const masterBrowser = 0x1d

// serves reports whether the node that is being looked at is a name server.
func (w *watch) serves() bool { return w.run.Scenario.Nodes[w.now.Node].NameServer }

func (n *watched) record(name netbios.Name, scope string, at time.Duration) *served {
	for _, s := range n.served {
		if s.name == name && s.scope == scope {
			s.owners = slices.DeleteFunc(s.owners, func(t term) bool { return t.until <= at })
			return s
		}
	}
	s := &served{name: name, scope: scope}
	n.served = append(n.served, s)
	return s
}

func (s *served) has(a netip.Addr) bool {
	return slices.ContainsFunc(s.owners, func(t term) bool { return t.addr == a })
}

func (s *served) group() bool {
	return slices.ContainsFunc(s.owners, func(t term) bool { return t.group })
}

// forServers reports whether a request that was sent to one node is for a name server.
func forServers(m nbt.NameMessage) bool {
	switch m.Kind() {
	case nbt.KindClaim, nbt.KindOverwrite, nbt.KindMultihomed, nbt.KindRefresh, nbt.KindRelease:
		return true
	case nbt.KindQuery:
		return m.Flags&nbt.FlagRD != 0
	}
	return false
}

// askedServer expects the answer to a request, unless the requester has been told to wait and asks again.
func (w *watch) askedServer(n *watched, d stack.Datagram, m nbt.NameMessage) bool {
	if !forServers(m) {
		return false
	}
	name, scope := m.Subject()
	if slices.Contains(n.waiting, waiting{d.From, m.ID, name, scope}) {
		return true
	}
	for _, e := range w.effects(stack.NamePort) {
		if r, err := nbt.ParseNameMessageLenient(e.Payload); err == nil && r.Response && r.ID == m.ID && e.To == d.From {
			return true
		}
	}
	w.violate(NameServer, "no answer to the %s for %s", m.Kind(), name)
	return true
}

// sentByServer judges what a name server says of other nodes' names, and reports whether this is such a message.
func (w *watch) sentByServer(n *watched, d stack.SendDatagram, m nbt.NameMessage) bool {
	name, scope := m.Subject()
	request, asked := w.askedFor(m)
	switch m.Kind() {
	case nbt.KindQuery:
		if d.Broadcast {
			return false
		}
		n.asked = append(n.asked, challenged{owner: d.To.Addr(), id: m.ID, name: name, scope: scope, at: w.now.At})
	case nbt.KindWACK:
		n.waiting = append(n.waiting, waiting{d.To, m.ID, name, scope})
	case nbt.KindPositiveRegistration:
		w.granted(n, d, m)
	case nbt.KindNegativeRegistration:
		return w.waited(n, d, m) || asked && forServers(request)
	case nbt.KindChallenge:
	case nbt.KindPositiveQuery, nbt.KindNegativeQuery:
		if !asked || !forServers(request) {
			return false
		}
		w.told(n, m)
	case nbt.KindPositiveRelease:
		w.letGo(n, request, m)
	case nbt.KindNegativeRelease:
	default:
		return false
	}
	return true
}

// askedFor returns the request that a response answers, if that has just arrived and was for a name server.
func (w *watch) askedFor(m nbt.NameMessage) (nbt.NameMessage, bool) {
	d, ok := w.causeOf().(stack.Datagram)
	if !ok || d.Broadcast {
		return nbt.NameMessage{}, false
	}
	request, err := nbt.ParseNameMessageLenient(d.Payload)
	return request, err == nil && !request.Response && request.ID == m.ID && request.Flags&nbt.FlagB == 0
}

// waited takes somebody who has an answer now off the list of those who wait, and reports whether he was on it.
func (w *watch) waited(n *watched, d stack.SendDatagram, m nbt.NameMessage) bool {
	name, scope := m.Subject()
	i := slices.Index(n.waiting, waiting{d.To, m.ID, name, scope})
	if i < 0 {
		return false
	}
	n.waiting = slices.Delete(n.waiting, i, i+1)
	n.forgetChallenges(name, scope)
	return true
}

func (n *watched) forgetChallenges(name netbios.Name, scope string) {
	n.asked = slices.DeleteFunc(n.asked, func(c challenged) bool { return c.name == name && c.scope == scope })
}

// granted enters what a name server grants, and makes sure that it takes the name from nobody who may still want it.
func (w *watch) granted(n *watched, d stack.SendDatagram, m nbt.NameMessage) {
	defer w.waited(n, d, m) // what the owners have said counts until then
	name, scope := m.Subject()
	flags, at := m.Owner()
	if name.Suffix() == masterBrowser {
		return
	}
	s := n.record(name, scope, w.now.At)
	group := flags&nbt.NBGroup != 0 || name.Suffix() == domainControllers
	own := n.holding(name)
	if scope == "" && own.inService() && !(own.group && group) {
		w.violate(NameServer, "%s is granted to %s, although it is registered on the name server's own host", name, at)
	}
	kept := s.owners[:0:0]
	for _, o := range s.owners {
		switch {
		case o.addr == at:
		case o.group && group:
			kept = append(kept, o)
		case o.group:
			w.violate(NameServer, "%s is granted to %s, although it is a group's", name, at)
		case w.sameNode(n, s, o.addr, at):
			kept = append(kept, o)
		case !w.silent(n, s, o.addr):
			w.violate(NameServer, "%s is granted to %s, although %s has it and was not asked, or answers for it", name, at, o.addr)
		}
	}
	until := w.now.At + time.Duration(m.Record().TTL)*time.Second
	s.owners = append(kept, term{at, group, until})
}

// domainControllers is the suffix of the group whose members a name server lists.
const domainControllers = 0x1c

// silent reports whether an owner was asked and did not answer. Nobody asks a loopback address, nor takes it for a node; in
// RFC 1002's other way the requester asks the owner itself.
func (w *watch) silent(n *watched, s *served, owner netip.Addr) bool {
	asked := owner.IsLoopback() || w.literal()
	for _, c := range n.asked {
		if c.name == s.name && c.scope == s.scope && c.owner == owner {
			asked = true
			if c.lives {
				return false
			}
		}
	}
	return asked
}

// sameNode reports whether an owner has answered that it has the other address too.
func (w *watch) sameNode(n *watched, s *served, owner, other netip.Addr) bool {
	return slices.ContainsFunc(n.asked, func(c challenged) bool {
		return c.name == s.name && c.scope == s.scope && c.owner == owner && c.lives && slices.Contains(c.also, other)
	})
}

// answeredChallenge notes what an owner says, and reports whether it was asked by the name server.
func (w *watch) answeredChallenge(n *watched, d stack.Datagram, m nbt.NameMessage) bool {
	name, scope := m.Subject()
	for i := range n.asked {
		c := &n.asked[i]
		if c.owner != d.From.Addr() || c.id != m.ID || c.name != name || c.scope != scope {
			continue
		}
		if m.Kind() == nbt.KindPositiveQuery {
			for _, a := range m.Record().Addrs {
				c.lives = c.lives || a.Addr == c.owner
				c.also = append(c.also, a.Addr)
			}
		}
		return true
	}
	return false
}

// told judges the answer to a query.
func (w *watch) told(n *watched, m nbt.NameMessage) {
	name, scope := m.Subject()
	s, own := n.record(name, scope, w.now.At), n.holding(name)
	host := w.run.Trace.Nodes[w.now.Node].Prefix.Addr()
	ownName := scope == "" && own.inService()
	if m.Kind() == nbt.KindNegativeQuery {
		if len(s.owners) > 0 || ownName {
			w.violate(NameServer, "%s is denied, although it is registered", name)
		}
		return
	}
	for _, a := range m.Record().Addrs {
		everybody := a.Addr == stack.LimitedBroadcast || a.Addr.IsUnspecified()
		switch {
		case ownName && (a.Addr == host || everybody && own.group), s.has(a.Addr), everybody && s.group():
		default:
			w.violate(NameServer, "%s is said to be at %s, for which it is not registered", name, a.Addr)
		}
	}
}

// letGo judges a release that a name server agrees to. Of a group's members it may forget the one or keep it.
func (w *watch) letGo(n *watched, request, m nbt.NameMessage) {
	name, scope := m.Subject()
	_, at := m.Owner()
	s := n.record(name, scope, w.now.At)
	if !s.has(at) || s.group() && name.Suffix() != domainControllers {
		return
	}
	d, ok := w.causeOf().(stack.Datagram)
	if ok && request.Kind() == nbt.KindRelease && !s.has(d.From.Addr()) && w.run.Scenario.Nodes[w.now.Node].Profile != "samba-nmbd" {
		w.violate(NameServer, "%s, which is registered for %s, is released by %s", name, at, d.From.Addr())
	}
	s.owners = slices.DeleteFunc(s.owners, func(t term) bool { return t.addr == at })
}
