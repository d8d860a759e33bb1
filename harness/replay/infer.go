// SPDX-License-Identifier: MIT

package replay

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Call is something that the host's applications, or its user, did.
type Call struct {
	ID   int
	Verb scenario.Verb // of those that submit an NCB; Restart, Stop
	At   time.Duration // in the capture's time
	Pos  int           // index of the frame that it comes before
	Seen int           // index of the frame that it was inferred from, or -1
	Why  string        // of one that no frame shows: "assumed", or the place in the scenario that says so

	Name   netbios.Name   // the local name
	Remote netbios.Name   // whom it is about, if not the local name
	To     netip.AddrPort // where a datagram went, or a connection
	Group  bool           // the datagram was one to a group
	Data   []byte
	Conn   int // of the capture

	Assumed bool // nothing shows that it was made at all

	// Instead are the calls that a Stop stands for: the releases that it brings about look like those of DELETE NAME.
	Instead []Call
}

// History is what the host's applications did, as far as the frames tell.
type History struct {
	Held  []Held // names that the host had when the capture began, in the order of its table
	Calls []Call
	Apart map[int]string // frames of the host that nothing is concluded from, by index, and why

	roles []role         // by frame
	left  map[int]string // connections that nothing is concluded from, and why
}

// Held is a name that the host had before the capture began: it was answered for, defended, listed or used before any claim.
type Held struct {
	Name  netbios.Name
	Group bool
	Frame int // index of the frame that shows it
}

// role is what a frame of the host is to the inference.
type role struct {
	call     int // ID of the call that it belongs to, or -1
	inferred bool
}

// repetition is how long after the last transmission of a request another with its identifier is still the same request.
const repetition = 10 * time.Second

// apartReason tells why a frame says nothing about the stack.
const (
	apartMidSession = "its connection began before the capture"
	apartOdd        = "its connection was not captured whole"
	apartKeepAlive  = "a keep-alive, which RFC 1002 leaves to the stack"
	apartTool       = "a node status request or a query to one host alone, which is a tool's"
	apartUnnamed    = "a connection that asks for no session"
	apartLarge      = "longer than an NCB can send"
	apartBad        = "no message of NBT, or one of another scope"
	apartBegun      = "the end of a claim that began before the capture"
)

// inference reads what the host did off its frames.
type inference struct {
	v       *View
	h       History
	names   map[netbios.Name]*life
	queries map[asked]*ask
	asking  map[netbios.Name]asking
	conns   map[int]*connection
}

// life is how a name of the host stands, as the wire shows it.
type life struct {
	held     bool // claimed or held, not refused, not released
	claiming bool
	add      int // ID of its ADD NAME, -1 for one held before
	claimID  uint16
	claimed  time.Duration // of the last claim
	remove   int           // ID of its last DELETE NAME, -1 for none
	release  uint16
	released time.Duration
}

// asked is what a query of the host asks for. Two for one name can be under way at a time.
type asked struct {
	name netbios.Name
	id   uint16
}

// asking is the last query of the host for a name that nobody has answered: a node that asks a name server as well as everybody
// asks the one after the other, for one call.
type asking struct {
	asked
	broadcast bool
}

// ask is a query of the host: the call that it belongs to, and when it was sent last.
type ask struct {
	call int
	at   time.Duration
}

// connection is what the frames of a TCP connection tell.
type connection struct {
	syn, request, accept, refuse int // indexes of frames, -1 for none
	fin                          [2]int
	called, calling              netbios.Name
	apart                        string
}

// Infer reads the host's history off its frames.
func Infer(v *View) History {
	in := inference{
		v: v, names: map[netbios.Name]*life{}, queries: map[asked]*ask{}, asking: map[netbios.Name]asking{}, conns: map[int]*connection{},
		h: History{Apart: map[int]string{}, left: map[int]string{}, roles: make([]role, len(v.Frames))},
	}
	for i := range v.Frames {
		in.h.roles[i].call = -1
		in.connection(i)
	}
	for i := range v.Frames {
		if v.read[i].out {
			in.outbound(i)
		} else {
			in.inbound(i)
		}
	}
	for conn, c := range in.conns {
		if c.apart == "" && c.request < 0 && c.refuse < 0 {
			c.apart = apartUnnamed
		}
		if c.apart != "" {
			in.h.left[conn] = c.apart
		}
	}
	slices.SortStableFunc(in.h.Calls, func(a, b Call) int { return a.Pos - b.Pos })
	return in.h
}

// connection gathers what is known of a connection before its frames are looked at in turn.
func (in *inference) connection(i int) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	if f.Kind == trace.UDP {
		return
	}
	c := in.conns[f.Conn]
	if c == nil {
		c = &connection{syn: -1, request: -1, accept: -1, refuse: -1, fin: [2]int{-1, -1}}
		in.conns[f.Conn] = c
		if f.Kind != trace.Connect {
			c.apart = apartMidSession
		}
	}
	if len(f.Odd) > 0 && c.apart == "" {
		c.apart = apartOdd
	}
	first := func(at *int) {
		if *at < 0 {
			*at = i
		}
	}
	switch f.Kind {
	case trace.Connect:
		first(&c.syn)
	case trace.Refuse:
		first(&c.refuse)
	case trace.Fin, trace.Reset:
		first(&c.fin[side(m.out)])
	case trace.Message:
		switch m.ssn {
		case nbt.SsnRequest:
			if c.request < 0 {
				c.request, c.called, c.calling = i, m.name, m.from
			}
		case nbt.SsnPositive:
			first(&c.accept)
		}
	case trace.UDP:
	}
}

func side(out bool) int {
	if out {
		return 0
	}
	return 1
}

func (in *inference) inbound(i int) {
	m := &in.v.read[i]
	switch {
	case m.bad || m.service != nameService:
	case m.kind == nbt.KindNegativeRegistration || m.kind == nbt.KindConflictDemand:
		if l := in.names[m.name]; l != nil && l.claiming && l.claimID == m.id {
			l.held, l.claiming = false, false
		}
	case m.kind == nbt.KindPositiveRegistration: // of a name server
		if l := in.names[m.name]; l != nil && l.claimID == m.id {
			l.claiming = false
		}
	case m.kind == nbt.KindPositiveQuery:
		delete(in.asking, m.name)
	}
}

func (in *inference) outbound(i int) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	switch {
	case f.Kind != trace.UDP:
		in.session(i)
	case m.bad:
		in.h.Apart[i] = apartBad
	case m.service == datagramService:
		in.datagram(i)
	case m.reply:
		in.answer(i)
	default:
		in.request(i)
	}
}

// call adds a call and makes a frame the one that it was inferred from.
func (in *inference) call(c Call) int {
	c.ID = len(in.h.Calls)
	if c.Seen >= 0 {
		in.h.roles[c.Seen] = role{c.ID, true}
		c.At = in.v.Frames[c.Pos].At
	}
	in.h.Calls = append(in.h.Calls, c)
	return c.ID
}

func (in *inference) request(i int) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	switch m.kind {
	case nbt.KindClaim:
		in.claim(i)
	case nbt.KindOverwrite:
		l := in.names[m.name]
		switch {
		case l == nil:
			in.hold(m.name, m.group, i)
			in.h.Apart[i] = apartBegun
		case l.add >= 0:
			l.claiming = false
			in.h.roles[i].call = l.add
		}
	case nbt.KindRelease:
		in.release(i)
	case nbt.KindQuery:
		if !f.Broadcast && !in.v.served() {
			in.h.Apart[i] = apartTool
			return
		}
		q := in.queries[asked{m.name, m.id}]
		if q != nil && f.At-q.at <= repetition {
			q.at = f.At
			in.h.roles[i].call = q.call
			return
		}
		this := asked{m.name, m.id}
		if last, ok := in.asking[m.name]; ok && last.broadcast != f.Broadcast && in.v.served() {
			if before := in.queries[last.asked]; before != nil && f.At-before.at <= repetition {
				in.h.roles[i].call = before.call
				in.queries[this], in.asking[m.name] = &ask{call: before.call, at: f.At}, asking{this, f.Broadcast}
				return
			}
		}
		id := in.call(Call{Verb: scenario.FindName, Pos: i, Seen: i, Remote: m.name})
		in.queries[this], in.asking[m.name] = &ask{call: id, at: f.At}, asking{this, f.Broadcast}
	case nbt.KindStatusRequest:
		in.h.Apart[i] = apartTool
	default: // what a B node never sends is evidence as it stands
	}
}

// claim is a claim: of a name added now, or once more of one that is being added.
func (in *inference) claim(i int) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	l := in.names[m.name]
	if l != nil && l.claiming && f.At-l.claimed <= repetition {
		l.claimed, l.claimID = f.At, m.id
		in.h.roles[i].call = l.add
		return
	}
	verb := scenario.AddName
	if m.group {
		verb = scenario.AddGroup
	}
	if l == nil {
		l = &life{remove: -1}
		in.names[m.name] = l
	}
	l.add = in.call(Call{Verb: verb, Pos: i, Seen: i, Name: m.name, Group: m.group})
	l.held, l.claiming, l.claimID, l.claimed = true, true, m.id, f.At
}

func (in *inference) release(i int) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	l := in.names[m.name]
	if l == nil {
		if !f.Broadcast && f.To.Addr() != in.v.server {
			return // nobody releases a name of their own so: it is evidence as it stands
		}
		l = in.hold(m.name, m.group, i)
	}
	if !l.held && l.remove >= 0 && (l.release == m.id || in.v.served()) && f.At-l.released <= repetition {
		l.released = f.At
		in.h.roles[i].call = l.remove
		return
	}
	l.remove = in.call(Call{Verb: scenario.DeleteName, Pos: i, Seen: i, Name: m.name, Group: m.group})
	l.held, l.claiming, l.release, l.released = false, false, m.id, f.At
}

// hold notes a name that the host had before the capture, if it is the first that is heard of it.
func (in *inference) hold(name netbios.Name, group bool, frame int) *life {
	l := in.names[name]
	if l == nil {
		l = &life{held: true, add: -1, remove: -1}
		in.names[name] = l
		in.h.Held = append(in.h.Held, Held{name, group, frame})
	}
	return l
}

// answer is a response of the host, which shows what names it has.
func (in *inference) answer(i int) {
	m := &in.v.read[i]
	switch m.kind {
	case nbt.KindPositiveQuery:
		if m.owner == in.v.Host { // a name server answers for others
			in.hold(m.name, m.group, i)
		}
	case nbt.KindNegativeRegistration:
		if q := in.v.requestOf(i); q < 0 || in.v.Frames[q].Broadcast { // and refuses for others
			in.hold(m.name, m.group, i)
		}
	case nbt.KindStatusResponse:
		for _, row := range m.rows {
			if row.Flags&nbt.NamePRM == 0 {
				in.hold(row.Name, row.Flags&nbt.NameGroup != 0, i)
			}
		}
	default:
	}
}

func (in *inference) datagram(i int) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	if !m.dgm.CarriesData() {
		return
	}
	if !m.dgmFirst() {
		in.rest(i)
		return
	}
	in.hold(m.from, false, i)
	c := Call{
		Verb: scenario.SendDatagram, Pos: i, Seen: i, Name: m.from, Remote: m.name, To: f.To,
		Group: m.dgm == nbt.DgmGroup, Data: m.data,
	}
	if m.dgm == nbt.DgmBroadcast {
		c.Verb = scenario.SendBroadcast
	}
	if len(m.data) > netbios.MaxDatagram {
		in.h.Apart[i] = apartLarge
		return
	}
	in.call(c)
}

func (m *meaning) dgmFirst() bool { return m.flags&nbt.DgmFirst != 0 }

// rest is a later fragment of a datagram: its data belongs to the call that sent the first.
func (in *inference) rest(i int) {
	m := &in.v.read[i]
	for k := len(in.h.Calls) - 1; k >= 0; k-- {
		c := &in.h.Calls[k]
		if c.Verb != scenario.SendDatagram && c.Verb != scenario.SendBroadcast {
			continue
		}
		if in.v.read[c.Seen].id == m.id && len(c.Data)+len(m.data) <= netbios.MaxDatagram {
			c.Data = slices.Concat(c.Data, m.data)
			in.h.roles[i] = role{c.ID, true}
			return
		}
		break
	}
	in.h.Apart[i] = apartLarge
}

func (in *inference) session(i int) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	c := in.conns[f.Conn]
	if c.apart != "" {
		in.h.Apart[i] = c.apart
		return
	}
	switch f.Kind {
	case trace.Connect:
		if c.request < 0 {
			in.h.Apart[i] = apartUnnamed
			return
		}
		in.hold(c.calling, false, i)
		call := Call{
			Verb: scenario.Call, Pos: i, Seen: i, Name: c.calling, Remote: c.called, To: f.To, Conn: f.Conn,
		}
		in.call(call)
	case trace.Fin, trace.Reset:
		in.close(i, c)
	case trace.Message:
		in.message(i, c)
	case trace.Refuse, trace.UDP:
	}
	if m.bad && f.Kind == trace.Message {
		in.h.Apart[i] = apartBad
	}
}

// close is the host's end of a connection: its application hung up, unless the other side did before.
func (in *inference) close(i int, c *connection) {
	f := &in.v.Frames[i]
	theirs := c.fin[side(false)]
	switch {
	case c.fin[side(true)] != i: // RST behind FIN
		in.h.Apart[i] = apartOdd
	case c.request < 0:
		in.h.Apart[i] = apartUnnamed
	case c.accept >= 0 && (theirs < 0 || theirs > i):
		in.call(Call{Verb: scenario.HangUp, Pos: i, Seen: i, Conn: f.Conn})
	}
}

func (in *inference) message(i int, c *connection) {
	f, m := &in.v.Frames[i], &in.v.read[i]
	toUs := in.v.Frames[c.syn].To.Addr() == in.v.Host
	switch m.ssn {
	case nbt.SsnMessage:
		switch {
		case len(m.data) > 0xffff:
			in.h.Apart[i] = apartLarge
		case c.accept < 0 || c.accept > i:
			in.h.Apart[i] = apartUnnamed
		default:
			in.call(Call{Verb: scenario.Send, Pos: i, Seen: i, Conn: f.Conn, Data: m.data})
		}
	case nbt.SsnKeepAlive:
		in.h.Apart[i] = apartKeepAlive
	case nbt.SsnPositive:
		if toUs && c.request >= 0 && c.accept == i {
			in.hold(c.called, false, i)
			id := in.call(Call{Verb: scenario.Listen, Pos: c.request, Seen: i, Name: c.called, Remote: netbios.Wildcard, Conn: f.Conn})
			in.h.roles[i] = role{id, true}
		}
	case nbt.SsnNegative:
		if toUs && c.request >= 0 && (m.code == nbt.SsnNotListening || m.code == nbt.SsnNotListeningFor) {
			in.hold(c.called, false, i)
		}
		if toUs && c.request >= 0 && m.code == nbt.SsnNotListeningFor {
			// Somebody listens on the name, for another caller.
			in.h.Calls = append(in.h.Calls, Call{
				ID: len(in.h.Calls), Verb: scenario.Listen, At: in.v.Frames[c.request].At, Pos: c.request, Seen: -1,
				Name: c.called, Remote: netbios.PermanentName([6]byte{}),
			})
		}
	}
}
