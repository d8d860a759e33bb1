// SPDX-License-Identifier: MIT

package replay

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// listen takes in what has been recorded since it was last looked at.
func (m *Performance) listen() {
	for ; m.recorded < len(m.record.Events); m.recorded++ {
		e := &m.record.Events[m.recorded]
		m.see(e, m.record.Event(e.Cause))
	}
}

func (m *Performance) see(e, cause *trace.Event) {
	frames := m.tap.See(e, cause)
	node := int(e.Node)
	switch what := e.What.(type) {
	case trace.Dialled:
		if captured, ours := m.ends[end{node, what.Conn}]; ours && len(frames) > 0 {
			m.taps[frames[0].Conn] = &tapped{captured}
		}
	case stack.Opened:
		switch {
		case node <= 0:
		case what.Inbound:
			m.inbound[port{node, what.From.Port()}] = what.Conn
			m.connect(port{node, what.From.Port()})
		default:
			m.lineState(node, what.Conn, established)
		}
	case stack.Closed:
		if node > 0 && what.Reason != stack.EOF {
			m.lineState(node, what.Conn, gone)
		}
	}
	if m.stage != playing && m.stage != lingering {
		return
	}
	for i := range frames {
		if frames[i].From.Addr() == m.cast.Device.Addr() {
			m.hear(&frames[i])
		}
	}
}

func (m *Performance) lineState(node int, conn stack.Conn, s lineState) {
	if captured, ours := m.ends[end{node, conn}]; ours {
		m.become(m.lines[captured], s)
	}
}

// hear takes in a frame of the device.
func (m *Performance) hear(f *trace.Frame) {
	own := m.mask.unmasked(f)
	own.Payload = slices.Clone(own.Payload)
	h := &heard{frame: own, read: read(&own), tap: f.Conn, pos: m.next}
	if f.Kind == trace.Connect {
		m.taps[f.Conn] = &tapped{}
	}
	if m.match(h) {
		return
	}
	if m.known(h) {
		h.knew = true
		m.answered++
	}
	if len(m.early) == maxEarly {
		m.why = fmt.Sprintf("the device sent more than %d frames that the host did not", maxEarly)
		return
	}
	m.early = append(m.early, h)
}

// match finds the frame of the host that one of the device stands for, among those that are due or were given up.
func (m *Performance) match(h *heard) bool {
	h.key = m.heardKey(h)
	n := slices.IndexFunc(m.due, func(d dueFrame) bool { return d.key == h.key })
	if n < 0 {
		return false
	}
	i := m.due[n].frame
	m.due = slices.Delete(m.due, n, n+1)
	if m.fates[i] == missed {
		m.late++
	}
	m.pair(i, h)
	return true
}

// pair notes that a frame of the device stands for one of the host.
func (m *Performance) pair(i int, h *heard) {
	f, r := &m.v.Frames[i], &m.v.read[i]
	m.fates[i], m.got[i] = come, h
	if f.At > m.anchor.at {
		m.anchor = anchor{h.frame.At, f.At}
	}
	switch {
	case f.Kind == trace.Connect:
		t := m.taps[h.tap]
		if t == nil {
			return
		}
		t.captured = f.Conn
		l := &line{node: m.node[f.To.Addr()]}
		m.lines[f.Conn] = l
		m.dialling++
		m.expected[port{l.node, h.frame.From.Port()}] = f.Conn
		m.connect(port{l.node, h.frame.From.Port()})
		m.reread(h.tap)
	case f.Kind == trace.Refuse:
		if l := m.lines[f.Conn]; l != nil {
			m.become(l, gone)
		}
	case f.Kind == trace.Message:
		if l := m.lines[f.Conn]; l != nil && r.ssn != h.read.ssn {
			l.wrong = true
		}
	case f.Kind == trace.UDP && !r.reply && r.service == nameService:
		m.ids[r.id] = h.read.id
	case f.Kind == trace.UDP && !r.reply && r.service == datagramService:
		m.dgmIDs[r.id] = h.read.id
	}
}

// connect gives a connection that the device opened its end of ours, once both are known.
func (m *Performance) connect(from port) {
	captured, expected := m.expected[from]
	conn, opened := m.inbound[from]
	if !expected || !opened {
		return
	}
	delete(m.expected, from)
	delete(m.inbound, from)
	l := m.lines[captured]
	l.conn = conn
	m.ends[end{from.node, conn}] = captured
	m.become(l, established)
}

// reread looks again at what was heard on a connection before it was known which of the capture's it stands for.
func (m *Performance) reread(tap int) {
	var again []*heard
	m.early = slices.DeleteFunc(m.early, func(h *heard) bool {
		if h.tap == tap && tap != 0 {
			again = append(again, h)
			return true
		}
		return false
	})
	for _, h := range again {
		if !m.match(h) {
			m.early = append(m.early, h)
		}
	}
}

// keyOf tells which frames of a device can stand for a frame of the host: identifiers of requests are the device's own, those of
// answers are the peers'.
func (m *Performance) keyOf(f *trace.Frame, r *meaning) key {
	k := keyOf(f, r, 0)
	switch {
	case f.Kind == trace.Connect:
		k.conn, k.peer = 0, netip.AddrPortFrom(f.To.Addr(), 0)
	case f.Kind != trace.UDP:
	case r.reply:
		k.peer = netip.AddrPortFrom(f.To.Addr(), 0)
		if r.service == datagramService {
			k.kind = uint8(r.dgm)
		}
	case r.service == datagramService:
		k.name, k.kind = r.name, uint8(r.dgm)
	}
	if f.Kind == trace.UDP && !r.reply && !f.Broadcast {
		k.peer = netip.AddrPortFrom(f.To.Addr(), 0)
	}
	return k
}

func (m *Performance) heardKey(h *heard) key {
	f := h.frame
	if f.Kind != trace.UDP {
		if f.Conn = -1; m.taps[h.tap] != nil && m.taps[h.tap].captured != 0 {
			f.Conn = m.taps[h.tap].captured
		}
	}
	return m.keyOf(&f, &h.read)
}

// known answers a query of the device for a name that the captured host did not have to ask for, since it knew where it is: for a
// call that it was made to do.
func (m *Performance) known(h *heard) bool {
	r := &h.read
	if h.frame.Kind != trace.UDP || r.name == (netbios.Name{}) || r.bad || r.reply || r.service != nameService || r.kind != nbt.KindQuery {
		return false
	}
	for k := len(m.made) - 1; k >= 0; k-- {
		c := m.made[k]
		if c.done || c.Remote != r.name || c.Verb != scenario.SendDatagram && c.Verb != scenario.Call {
			continue
		}
		return m.tell(c.Call, h)
	}
	return false
}

// tell has a peer answer where a name is.
func (m *Performance) tell(c *Call, h *heard) bool {
	if len(m.cast.Peers) == 0 {
		return false
	}
	node := max(m.node[c.To.Addr()], 1) // the host may have sent to itself, or to one whom nobody plays
	var flags nbt.NBFlags
	if c.Group {
		flags = nbt.NBGroup
	}
	at := m.cast.Peers[node-1].Place.Addr()
	b, err := nbt.PositiveAnswer(h.read.id, m.mask.realName(c.Remote), flags, at).AppendBinary(nil)
	if err != nil {
		return false
	}
	m.queue = append(m.queue, runner.Inject{Node: node, Frame: stack.SendDatagram{
		From: netip.AddrPortFrom(at, stack.NamePort), To: netip.AddrPortFrom(m.cast.Device.Addr(), stack.NamePort), Payload: b,
	}})
	return true
}

// subjects are what the captured host and the device had to do with.
type subjects struct {
	names      map[netbios.Name]bool    // that the host had or used
	datagrams  map[[2]netbios.Name]bool // that the device was made to send: from whom, to whom
	broadcasts map[netbios.Name]bool    // and those to everybody
}

func (m *Performance) subjects() subjects {
	s := subjects{map[netbios.Name]bool{}, map[[2]netbios.Name]bool{}, map[netbios.Name]bool{}}
	for _, h := range m.h.Held {
		s.names[h.Name] = true
	}
	for i := range m.h.Calls {
		s.names[m.h.Calls[i].Name], s.names[m.h.Calls[i].Remote] = true, true
	}
	delete(s.names, netbios.Name{}) // of calls about no name
	for _, c := range m.made {
		switch c.Verb {
		case scenario.SendDatagram:
			s.datagrams[[2]netbios.Name{c.Name, c.Remote}] = true
		case scenario.SendBroadcast:
			s.broadcasts[c.Name] = true
		default:
		}
	}
	return s
}

// sent reports whether the device was made to send datagrams like one.
func (s *subjects) sent(r *meaning) bool {
	return s.datagrams[[2]netbios.Name{r.from, r.name}] || r.dgm == nbt.DgmBroadcast && s.broadcasts[r.from]
}
