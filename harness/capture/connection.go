// SPDX-License-Identifier: MIT

package capture

import "github.com/nbtlab/nbtlab/harness/trace"

// What is kept of connections. A port scan of a class B network must not cost memory without end; a server of the time had
// 254 sessions at most. What waits, of messages and behind gaps, is bounded for all of them together.
const (
	maxConnections = 4096
	maxWaiting     = 16 << 20
)

// These count connections rather than packets.
const (
	dropConnection = "the connection silent for longest forgotten: more than 4096 at once"
	dropWaiting    = "the connection silent for longest forgotten: more than 16 MiB waiting"
)

// connectionBuckets is a power of two.
const connectionBuckets = maxConnections

// maxOver is how many connections that are over are remembered, so that what is sent again after the end belongs to them. More
// would be of little use, and no longer fit in the processor's cache.
const maxOver = 512

// connections holds the connections being followed: by their ends in a table, and by when they spoke last in two lists. It
// uses what is forgotten again, so that following costs no allocation in the long run.
type connections struct {
	buckets []*connection
	open    list // may go on
	over    list // ended on both sides, and only kept to know what comes late
	spare   *connection
	count   int // connections ever: the last number
	waiting int // bytes that wait in all of them
	buffers buffers
}

// connection is a TCP connection as its packets show it.
type connection struct {
	number       int
	key          [2]endpoint
	next         *connection // in the bucket, or of those to be used again
	newer, older *connection // in the list
	list         *list
	sides        [2]side // what each end sends: the lower endpoint first
	client       int     // the side that connected, if connected
	connected    bool    // its SYN was seen
	answered     bool    // a segment with ACK was seen, so that RST no longer means refusal
	refused      bool
	tunnel       string // of its first packet
}

// list is of connections, the one that spoke last in front.
type list struct {
	newest, oldest *connection
	count          int
}

func (l *list) push(c *connection) {
	c.list, c.newer, c.older = l, nil, l.newest
	if l.newest != nil {
		l.newest.newer = c
	} else {
		l.oldest = c
	}
	l.newest = c
	l.count++
}

func (l *list) remove(c *connection) {
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		l.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		l.oldest = c.newer
	}
	l.count--
}

// bucket is where the connection between two ends is to be found, if anywhere.
func (cs *connections) bucket(key [2]endpoint) **connection {
	if cs.buckets == nil {
		cs.buckets = make([]*connection, connectionBuckets)
	}
	const odd = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio spreads what is close together (Knuth, section 6.4)
	h := uint64(key[0])*odd ^ uint64(key[1])
	h = (h ^ h>>29) * odd
	return &cs.buckets[h>>52%connectionBuckets]
}

func (cs *connections) find(key [2]endpoint) *connection {
	c := *cs.bucket(key)
	for c != nil && c.key != key {
		c = c.next
	}
	return c
}

// segment takes a TCP segment in.
func (r *reader) segment(p *packet) {
	key, from := [2]endpoint{p.from, p.to}, 0
	if p.to < p.from {
		key, from = [2]endpoint{p.to, p.from}, 1
	}
	c := r.connections.find(key)
	if c != nil && p.flags&flagSYN != 0 && !c.sides[from].mayBegin(p.seq+1) {
		r.forget(c) // the same ports again: another connection
		c = nil
	}
	if c == nil {
		c = r.connect(key)
		c.tunnel = p.tunnel
	} else if c.list.newest != c {
		c.list.remove(c)
		c.list.push(c)
	}
	r.event(c, from, p)
	cs := &r.connections
	where := &cs.open
	if c.sides[0].ended && c.sides[1].ended {
		where = &cs.over
	}
	if c.list != where {
		c.list.remove(c)
		where.push(c)
	}
	for cs.waiting > maxWaiting {
		r.dropped.add(dropWaiting, r.now.number, 1)
		r.forget(cs.open.oldest)
	}
}

// event tells what a segment means to its connection, and hands its bytes on.
func (r *reader) event(c *connection, from int, p *packet) {
	s := &c.sides[from]
	switch {
	case p.flags&flagRST != 0 && c.connected && c.client != from && !c.answered:
		if !c.refused { // a client may try again a few times
			c.refused = true
			s.tell(trace.Refuse, p.odd, r.now)
		}
		return
	case p.flags&flagRST != 0:
		if !s.reset {
			s.end("RST")
			s.reset = true
			s.note(p.odd)
			s.tell(trace.Reset, s.odd, r.now)
		}
		return
	case p.flags&(flagSYN|flagACK) == flagSYN && !c.connected:
		c.connected, c.client = true, from
		s.tell(trace.Connect, p.odd, r.now)
	}
	c.answered = c.answered || p.flags&flagACK != 0
	s.receive(p)
}

// connect begins to follow a connection, and forgets another one where there are too many: one that is over, if there is
// any.
func (r *reader) connect(key [2]endpoint) *connection {
	cs := &r.connections
	if cs.open.count+cs.over.count == maxConnections || cs.over.count == maxOver {
		if oldest := cs.over.oldest; oldest != nil {
			r.forget(oldest)
		} else {
			r.dropped.add(dropConnection, r.now.number, 1)
			r.forget(cs.open.oldest)
		}
	}
	cs.count++
	c := cs.spare
	if c != nil {
		cs.spare = c.next
	} else {
		c = new(connection)
	}
	*c = connection{number: cs.count, key: key, sides: c.sides}
	for i := range c.sides {
		c.sides[i].begin(r, c, key[i].addrPort(), key[1-i].addrPort())
	}
	at := cs.bucket(key)
	c.next, *at = *at, c
	cs.open.push(c)
	return c
}

func (r *reader) forget(c *connection) {
	for i := range c.sides {
		c.sides[i].end("the end of what was captured")
	}
	c.list.remove(c)
	at := r.connections.bucket(c.key)
	for *at != c {
		at = &(*at).next
	}
	*at = c.next
	c.next, r.connections.spare = r.connections.spare, c
}

// endConnections ends all connections where the capture does.
func (r *reader) endConnections() {
	for _, l := range []*list{&r.connections.open, &r.connections.over} {
		for l.oldest != nil {
			r.forget(l.oldest)
		}
	}
}
