// SPDX-License-Identifier: MIT

package survey

import (
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// sides are who has sessions with whom.
type sides struct {
	client, server  int32
	called, calling netbios.Name
}

// session is what sessions there were between two names.
type session struct {
	sides
	first, last     mark
	accepted        uint32
	refused         uint32
	code            uint8 // of the last refusal
	unanswered      uint32
	messages, bytes uint64
	resets          uint32
}

// connection is a connection under way.
type connection struct {
	at             int32 // index of its session, -1 before it asks for one
	client, server int32
	port           uint16 // of the client
	phase          uint8
}

const (
	connecting uint8 = iota
	requested
	established
)

// tcp takes in what happens on a TCP connection.
func (s *Survey) tcp(f *trace.Frame, m mark) {
	c := s.open[f.Conn]
	if c == nil {
		if from := s.hostOf(f.From.Addr(), m); from >= 0 {
			s.sentOn(from, m)
			if f.Kind == trace.Connect {
				s.connect(f, from, m)
			}
		}
		return
	}
	from := c.server
	if f.From.Port() == c.port {
		from = c.client
	}
	s.sentOn(from, m)
	switch f.Kind {
	case trace.Message:
		s.message(f, c, from, m)
	case trace.Fin, trace.Reset, trace.Refuse:
		s.ended(f, c)
	case trace.Connect, trace.UDP:
	}
}

func (s *Survey) sentOn(from int32, m mark) {
	h := &s.hosts[from]
	h.sent++
	h.last, h.quiet = m, m
}

func (s *Survey) connect(f *trace.Frame, from int32, m mark) {
	server := s.hostOf(f.To.Addr(), m)
	if server < 0 || len(s.open) == maxOpen {
		s.dropped.Sessions++
		return
	}
	c := &connection{}
	if n := len(s.spare); n > 0 {
		c, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	*c = connection{at: -1, client: from, server: server, port: f.From.Port()}
	s.open[f.Conn] = c
}

func (s *Survey) message(f *trace.Frame, c *connection, from int32, m mark) {
	if len(f.Payload) < nbt.SessionHeaderLen {
		return
	}
	switch t := nbt.SessionType(f.Payload[0]); {
	case c.phase == established:
		if t == nbt.SsnMessage {
			x := &s.sessions[c.at]
			x.messages++
			x.bytes += uint64(len(f.Payload) - nbt.SessionHeaderLen)
			x.last = m
		}
	case t == nbt.SsnRequest && c.phase == connecting:
		s.request(f, c, from, m)
	case c.phase == requested && t == nbt.SsnPositive:
		c.phase = established
		x := &s.sessions[c.at]
		x.accepted++
		x.last = m
		if l := s.lifeOf(c.server, &x.called); l != nil {
			p := s.holding(l, m)
			p.accepted++
			p.sessions++
		}
	case c.phase == requested && t == nbt.SsnNegative:
		x := &s.sessions[c.at]
		x.refused++
		x.last = m
		if len(f.Payload) > nbt.SessionHeaderLen {
			x.code = f.Payload[nbt.SessionHeaderLen]
		}
		c.at, c.phase = -1, connecting
	}
}

// request is a session request: who wants to talk to whom.
func (s *Survey) request(f *trace.Frame, c *connection, from int32, m mark) {
	if err := s.ssn.Decode(f.Payload, nbt.Lenient); err != nil {
		s.dropped.Bad++
		return
	}
	key := sides{client: from, server: c.server, called: s.ssn.Called, calling: s.ssn.Calling}
	i, ok := s.bySides[key]
	if !ok {
		if len(s.sessions) == MaxSessions {
			s.dropped.Sessions++
			return
		}
		i = int32(len(s.sessions))
		s.sessions = append(s.sessions, session{sides: key, first: m})
		s.bySides[key] = i
	}
	c.at, c.phase = i, requested
	s.sessions[i].last = m
	if l := s.lifeOf(from, &key.calling); l != nil {
		s.holding(l, m).used++
	}
}

// ended is the end of a connection: the first that is heard of it.
func (s *Survey) ended(f *trace.Frame, c *connection) {
	switch {
	case c.at < 0:
	case c.phase == established:
		x := &s.sessions[c.at]
		if f.Kind == trace.Reset {
			x.resets++
		}
		if l := s.find(x.server, &x.called); l != nil {
			if p := s.current(l); p.sessions > 0 {
				p.sessions--
			}
		}
	case c.phase == requested:
		s.sessions[c.at].unanswered++
	}
	delete(s.open, f.Conn)
	if len(s.spare) < maxOpen {
		s.spare = append(s.spare, c)
	}
}
