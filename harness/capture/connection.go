// SPDX-License-Identifier: MIT

package capture

import (
	"container/list"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// maxConnections is how many connections are followed at once. A port scan of a class B network must not cost memory
// without end; a server of the time had 254 sessions at most.
const maxConnections = 4096

// skipForgotten counts connections rather than packets.
const skipForgotten = "the connection silent for longest forgotten: more than 4096 at once"

// connections holds the connections being followed.
type connections struct {
	byEnds map[[2]endpoint]*connection
	recent list.List // of *connection, the one that spoke last in front
	count  int       // connections ever: the last number
}

// connection is a TCP connection as its packets show it.
type connection struct {
	number    int
	key       [2]endpoint
	place     *list.Element
	sides     [2]side // what each end sends: the lower endpoint first
	client    int     // the side that connected, if connected
	connected bool    // its SYN was seen
	answered  bool    // a segment with ACK was seen, so that RST no longer means refusal
	refused   bool
}

// segment takes a TCP segment in.
func (r *reader) segment(p *packet) {
	key, from := [2]endpoint{p.from, p.to}, 0
	if p.to < p.from {
		key, from = [2]endpoint{p.to, p.from}, 1
	}
	c := r.connections.byEnds[key]
	if c != nil && p.flags&flagSYN != 0 && !c.sides[from].mayBegin(p.seq+1) {
		r.forget(c) // the same ports again: another connection
		c = nil
	}
	if c == nil {
		c = r.connect(key)
	} else {
		r.connections.recent.MoveToFront(c.place)
	}
	s := &c.sides[from]
	event := trace.Frame{From: s.from, To: s.to, Conn: c.number, Odd: p.odd}
	switch {
	case p.flags&flagRST != 0 && c.connected && c.client != from && !c.answered:
		if !c.refused { // a client may try again a few times
			c.refused = true
			event.Kind = trace.Refuse
			r.add(event, r.now)
		}
		return
	case p.flags&flagRST != 0:
		if !s.reset {
			s.end("RST")
			s.reset = true
			s.note(p.odd)
			event.Kind, event.Odd = trace.Reset, s.odd
			r.add(event, r.now)
		}
		return
	case p.flags&(flagSYN|flagACK) == flagSYN && !c.connected:
		c.connected, c.client = true, from
		event.Kind = trace.Connect
		r.add(event, r.now)
	}
	c.answered = c.answered || p.flags&flagACK != 0
	s.receive(p)
}

// connect begins to follow a connection, and forgets another one where there are too many.
func (r *reader) connect(key [2]endpoint) *connection {
	cs := &r.connections
	if cs.byEnds == nil {
		cs.byEnds = make(map[[2]endpoint]*connection)
	}
	if len(cs.byEnds) == maxConnections {
		r.skip(skipForgotten)
		r.forget(cs.recent.Back().Value.(*connection))
	}
	cs.count++
	c := &connection{number: cs.count, key: key}
	for i := range c.sides {
		c.sides[i] = side{reader: r, conn: c.number, from: key[i].addrPort(), to: key[1-i].addrPort()}
	}
	c.place = cs.recent.PushFront(c)
	cs.byEnds[key] = c
	return c
}

func (r *reader) forget(c *connection) {
	for i := range c.sides {
		c.sides[i].end("the end of what was captured")
	}
	r.connections.recent.Remove(c.place)
	delete(r.connections.byEnds, c.key)
}

// endConnections ends all connections where the capture does.
func (r *reader) endConnections() {
	for r.connections.recent.Len() > 0 {
		r.forget(r.connections.recent.Back().Value.(*connection))
	}
}
