// SPDX-License-Identifier: MIT

package nameserver

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// challenge is a claim to a name that has an owner, who is being asked whether it still does (RFC 1002 section 5.1.4). The
// requester has been told to wait.
type challenge struct {
	request
	id     uint16 // of the queries, whichever address they go to
	owners []netip.Addr
	sent   int           // queries to the first of the owners
	due    time.Duration // when the one under way is given up
}

// repeats reports whether this is a retransmission of a claim whose challenge is under way: it is the same request, and the
// requester has been told to wait (Samba ee8f481d942).
func (s *Server) repeats(r *request) bool {
	return slices.ContainsFunc(s.pending, func(c *challenge) bool {
		return c.from == r.from && c.request.id == r.id && c.key == r.key
	})
}

// challenge has the requester wait, and asks the owner. While one claims a name, another's claim is refused: either the
// owner or the first of them has it.
func (s *Server) challenge(r *request, rec *record) {
	o := rec.owners[0]
	switch {
	case slices.ContainsFunc(s.pending, func(c *challenge) bool { return c.key == r.key }):
		s.refuse(r, nbt.ActErr, o.flags, o.addr)
		return
	case len(s.pending) == maxChallenges:
		s.refuse(r, nbt.SrvErr, o.flags, o.addr)
		return
	}
	c := &challenge{request: *r, id: s.cfg.NextID()}
	for _, o := range rec.owners {
		c.owners = append(c.owners, o.addr)
	}
	s.pending = append(s.pending, c)
	s.send(r, nbt.WACK(r.id, r.key.name, s.patience(len(c.owners)), r.word))
	s.remark(r.key, "is claimed by "+r.addr.String()+": asking "+o.addr.String()+", its owner")
	s.ask(c)
}

// patience is how long a challenge takes at most, in whole seconds and one to spare.
func (s *Server) patience(owners int) uint32 {
	whole := time.Duration(owners*s.cfg.Count) * s.cfg.Timeout
	return uint32((whole+time.Second-1)/time.Second) + 1
}

// ask sends the next query of a challenge. A loopback address is on this host whoever registered it, and not asked: nothing
// that arrives from the network makes the server send to its own host.
func (s *Server) ask(c *challenge) {
	c.sent++
	c.due = s.now + s.cfg.Timeout
	if owner := c.owners[0]; !owner.IsLoopback() && owner != s.cfg.Addr {
		s.sendTo(netip.AddrPortFrom(owner, stack.NamePort), nbt.UnicastQuery(c.id, c.key.name).InScope(c.key.scope))
	}
}

// Next returns when the server wants to be woken, if it does.
func (s *Server) Next() (at time.Duration, ok bool) {
	for _, c := range s.pending {
		if !ok || c.due < at {
			at, ok = c.due, true
		}
	}
	return at, ok
}

// Wake is to be called at the time that [Server.Next] gave, or later.
func (s *Server) Wake(now time.Duration, out *stack.Outputs) {
	s.now, s.out = now, out
	for _, c := range slices.Clone(s.pending) {
		if c.due > now {
			continue
		}
		if c.sent < s.cfg.Count {
			s.ask(c)
			continue
		}
		s.nextOwner(c, "does not answer")
	}
}

// nextOwner gives up one address of the owner, and asks at the next. When none is left, the name is the requester's.
func (s *Server) nextOwner(c *challenge, why string) {
	s.remark(c.key, "is claimed by "+c.addr.String()+", and "+c.owners[0].String()+" "+why)
	if c.owners, c.sent = c.owners[1:], 0; len(c.owners) > 0 {
		s.ask(c)
		return
	}
	s.finish(c)
	s.replace(&c.request)
}

// Answer takes a response to a query, and reports whether it answers a challenge: what comes from the address that was
// asked, with the identifier and the name of the query.
func (s *Server) Answer(now time.Duration, from netip.AddrPort, m *nbt.NameMessage, out *stack.Outputs) bool {
	name, scope := m.Subject()
	for _, c := range s.pending {
		if c.id != m.ID || c.key != (key{name, scope}) || from != netip.AddrPortFrom(c.owners[0], stack.NamePort) {
			continue
		}
		s.now, s.out = now, out
		switch m.Kind() {
		case nbt.KindPositiveQuery:
			s.answered(c, m)
		case nbt.KindNegativeQuery:
			s.nextOwner(c, "says that it does not own it, by code "+strconv.Itoa(int(m.RCode)))
		default:
			return false
		}
		return true
	}
	return false
}

// answered ends a challenge that an owner answers. One that owns the requester's address too is the requester itself, at
// another of its addresses.
func (s *Server) answered(c *challenge, m *nbt.NameMessage) {
	has := func(a netip.Addr) bool {
		return slices.ContainsFunc(m.Record().Addrs, func(x nbt.NBAddr) bool { return x.Addr == a })
	}
	switch rec := s.find(c.key); {
	case !has(c.owners[0]):
		s.nextOwner(c, "says that another owns it") // it answers as a name server itself
	case rec != nil && rec.kind == c.kind && has(c.addr):
		s.finish(c)
		s.renew(rec, &c.request)
		s.grant(&c.request)
	default:
		flags, _ := m.Owner()
		s.lives(c, flags)
	}
}

// lives refuses a claim because the owner lives.
func (s *Server) lives(c *challenge, flags nbt.NBFlags) {
	s.finish(c)
	s.remark(c.key, "stays with "+c.owners[0].String()+", which lives")
	s.refuse(&c.request, nbt.ActErr, flags, c.owners[0])
}

func (s *Server) finish(c *challenge) {
	s.pending = slices.DeleteFunc(s.pending, func(x *challenge) bool { return x == c })
}

// contested reports whether a name whose owner's term ran out during a challenge is claimed by somebody else than that owner.
func (s *Server) contested(r *request) bool {
	return slices.ContainsFunc(s.pending, func(c *challenge) bool { return c.key == r.key && !slices.Contains(c.owners, r.addr) })
}

// deny ends the challenge of an owner who has just been heard of.
func (s *Server) deny(r *request) {
	for _, c := range slices.Clone(s.pending) {
		if c.key == r.key {
			s.lives(c, r.flags)
		}
	}
}

// concede ends the challenge of an owner who has just let go.
func (s *Server) concede(k key) {
	for _, c := range slices.Clone(s.pending) {
		if c.key == k {
			s.finish(c)
			s.replace(&c.request)
		}
	}
}
