// SPDX-License-Identifier: MIT

package capture

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// What the ends of a connection keep to in what we make up of it.
const (
	maxSegment = 1460  // what fits in an Ethernet frame, announced as MSS
	window     = 65535 // the most there is without scaling
	replyTime  = 10 * time.Microsecond
)

// maxDatagram is the longest payload that a UDP datagram in one IPv4 packet has room for.
const maxDatagram = 65535 - ipv4Len - udpLen

// outgoing is a packet that is to be written.
type outgoing struct {
	at        time.Duration
	completes int // index of the frame that it completes, or -1
	from, to  netip.AddrPort
	broadcast bool
	tcp       bool
	flags     byte
	seq, ack  uint32
	payload   []byte
}

// Number sets the Number of every frame to the number of the packet that completes it in the file that [Write] would make
// of the frames, as Wireshark counts: from 1. Frames that Write would refuse get 0, and so does what comes after them.
func Number(frames []trace.Frame) {
	for i := range frames {
		frames[i].Number = 0
	}
	number := 0
	_ = schedule(frames, func(p *outgoing) error {
		number++
		if p.completes >= 0 {
			frames[p.completes].Number = number
		}
		return nil
	})
}

// schedule puts the packets that the frames stand for in the order in which they are written, that of (time, emission),
// and makes up those that a tap would see beside them: the rest of the handshake and acknowledgements. Sequence numbers
// are settled in that order too, so that they are right whatever the two sides do at the same time.
func schedule(frames []trace.Frame, emit func(*outgoing) error) error {
	s := scheduler{emit: emit, conns: make(map[int]*dialogue)}
	for i := range frames {
		if frames[i].Kind == trace.Refuse {
			s.conn(&frames[i]).refused = true
		}
	}
	order := inTime(frames)
	for n := range frames {
		i := n
		if order != nil {
			i = order[n]
		}
		s.replyUntil(frames[i].At)
		if err := s.frame(&frames[i], i); err != nil {
			return fmt.Errorf("capture: frame %d of %d: %w", i+1, len(frames), err)
		}
		if s.err != nil {
			return s.err
		}
	}
	s.replyUntil(1<<63 - 1)
	return s.err
}

// inTime returns the indices of the frames in the order of time, or nil if that is the order that they are in.
func inTime(frames []trace.Frame) []int {
	if slices.IsSortedFunc(frames, func(a, b trace.Frame) int { return cmp.Compare(a.At, b.At) }) {
		return nil
	}
	order := make([]int, len(frames))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(frames[a].At, frames[b].At) })
	return order
}

type scheduler struct {
	emit    func(*outgoing) error
	out     outgoing
	err     error // the first of emit
	conns   map[int]*dialogue
	replies []reply // yet to come, in the order of time
}

// dialogue is a connection being made up.
type dialogue struct {
	ends    [2]talker // the client first; if there is no Connect, the end that speaks first
	stage   stage
	refused bool // at some time it will be
}

// stage is how far the handshake of a dialogue has come.
type stage uint8

const (
	established stage = iota // or begun before the frames do
	asked                    // SYN sent, SYN/ACK to come
	answered                 // SYN/ACK sent, ACK to come
)

// talker is one end of a dialogue.
type talker struct {
	addr  netip.AddrPort
	next  uint32 // sequence number of the next byte that it sends
	acked uint32 // what it acknowledged last
	reset bool
	ended bool // has sent its FIN
}

// reply is something that one end will send by itself.
type reply struct {
	at   time.Duration
	conn *dialogue
	end  int
}

func (s *scheduler) conn(f *trace.Frame) *dialogue {
	d := s.conns[f.Conn]
	if d == nil {
		// Far enough apart that no connection runs into the numbers of another on the same ports.
		client, server := uint32(f.Conn)<<20, uint32(f.Conn)<<20+1<<31
		d = &dialogue{ends: [2]talker{{next: client, acked: server}, {next: server, acked: client}}}
		s.conns[f.Conn] = d
	}
	return d
}

// frame sends what a frame stands for.
func (s *scheduler) frame(f *trace.Frame, index int) error {
	if err := writable(f); err != nil {
		return err
	}
	if f.Kind == trace.UDP {
		s.send(outgoing{at: f.At, completes: index, from: f.From, to: f.To, broadcast: f.Broadcast, payload: f.Payload})
		return nil
	}
	d := s.conn(f)
	end, err := d.speaker(f)
	if err != nil {
		return err
	}
	if f.Kind != trace.Connect {
		s.hurry(d, f.At)
	}
	switch f.Kind {
	case trace.Connect:
		s.say(d, end, f.At, flagSYN, nil, index)
		d.stage = asked
		if !d.refused {
			s.replyAfter(f.At, d, 1-end)
		}
	case trace.Refuse:
		d.refused = true
		d.ends[end].next = 0 // RFC 9293 section 3.5.2: there is no connection to take a number from
		s.say(d, end, f.At, flagRST|flagACK, nil, index)
	case trace.Message:
		s.message(d, end, f, index)
	case trace.Fin:
		d.ends[end].ended = true
		s.say(d, end, f.At, flagFIN|flagACK, nil, index)
		s.replyAfter(f.At, d, 1-end)
	case trace.Reset:
		s.say(d, end, f.At, flagRST|flagACK, nil, index)
		d.ends[end].reset = true
	case trace.UDP: // done above
	}
	return nil
}

// lastSecond is the last one after the base date that fits in a pcap file's 32 bits.
const lastSecond = 1<<32 - 1 - baseSeconds

// writable says why a frame cannot be put into a packet.
func writable(f *trace.Frame) error {
	switch {
	case f.Kind > trace.Reset:
		return fmt.Errorf("unknown kind %d", uint8(f.Kind))
	case f.At < 0 || f.At >= lastSecond*time.Second:
		return fmt.Errorf("time %v is not between 0 and %v", f.At, lastSecond*time.Second)
	case !f.From.Addr().Is4() || !f.To.Addr().Is4():
		return fmt.Errorf("%v from %v to %v: not IPv4", f.Kind, f.From, f.To)
	case f.Kind == trace.UDP && len(f.Payload) > maxDatagram:
		return fmt.Errorf("datagram of %d bytes: at most %d fit in a packet", len(f.Payload), maxDatagram)
	case f.Kind != trace.UDP && f.Conn < 1:
		return fmt.Errorf("%v without a connection: numbers begin with 1, got %d", f.Kind, f.Conn)
	case f.Kind == trace.Message && len(f.Payload) == 0:
		return fmt.Errorf("message without bytes on connection %d", f.Conn)
	}
	return nil
}

// speaker is the end that a frame comes from.
func (d *dialogue) speaker(f *trace.Frame) (end int, err error) {
	from, to := &d.ends[0].addr, &d.ends[1].addr
	switch {
	case !from.IsValid():
		*from, *to = f.From, f.To
		return 0, nil
	case f.Kind == trace.Connect:
		return 0, fmt.Errorf("connection %d is opened when it is there already", f.Conn)
	case f.From == *from && f.To == *to:
		return 0, nil
	case f.From == *to && f.To == *from:
		return 1, nil
	}
	return 0, fmt.Errorf("connection %d is between %v and %v, not %v and %v", f.Conn, *from, *to, f.From, f.To)
}

// message sends the segments of a message. The other end acknowledges them a little later, but in between if they would
// fill its window.
func (s *scheduler) message(d *dialogue, end int, f *trace.Frame, index int) {
	t, other := &d.ends[end], &d.ends[1-end]
	for b := f.Payload; len(b) > 0; {
		n := min(len(b), maxSegment)
		if t.next-other.acked+uint32(n) >= window && !other.reset {
			s.say(d, 1-end, f.At, flagACK, nil, -1)
		}
		if n < len(b) {
			s.say(d, end, f.At, flagACK, b[:n], -1)
		} else {
			s.say(d, end, f.At, flagPSH|flagACK, b, index)
		}
		b = b[n:]
	}
	s.replyAfter(f.At, d, 1-end)
}

// say sends one segment of a connection.
func (s *scheduler) say(d *dialogue, end int, at time.Duration, flags byte, payload []byte, completes int) {
	t, other := &d.ends[end], &d.ends[1-end]
	p := outgoing{
		at: at, completes: completes, from: t.addr, to: other.addr, tcp: true, flags: flags, seq: t.next, payload: payload,
	}
	if flags&flagACK != 0 {
		p.ack, t.acked = other.next, other.next
	}
	t.next += uint32(len(payload))
	if flags&(flagSYN|flagFIN) != 0 { // each takes the place of a byte
		t.next++
	}
	s.send(p)
}

func (s *scheduler) send(p outgoing) {
	s.out = p
	if err := s.emit(&s.out); err != nil && s.err == nil {
		s.err = err
	}
}

// replyAfter plans a reply. All replies take the same time, so they are planned in the order in which they are due.
func (s *scheduler) replyAfter(at time.Duration, d *dialogue, end int) {
	s.replies = append(s.replies, reply{at: at + replyTime, conn: d, end: end})
}

// replyUntil sends the replies whose time has come.
func (s *scheduler) replyUntil(at time.Duration) {
	for len(s.replies) > 0 && s.replies[0].at <= at {
		next := s.replies[0]
		s.replies = slices.Delete(s.replies, 0, 1)
		s.reply(next)
	}
}

// reply sends what an end owes by now: its part of the handshake, or an acknowledgement unless other segments brought it.
func (s *scheduler) reply(r reply) {
	d := r.conn
	t, other := &d.ends[r.end], &d.ends[1-r.end]
	switch {
	case d.refused:
		return
	case d.stage == asked && r.end == 1:
		d.stage = answered
		s.say(d, r.end, r.at, flagSYN|flagACK, nil, -1)
		s.replyAfter(r.at, d, 0)
		return
	case d.stage == answered && r.end == 0:
		d.stage = established
	}
	if t.acked != other.next && !t.reset && !other.reset {
		s.say(d, r.end, r.at, flagACK, nil, -1)
	}
}

// forget drops a connection that is over: what its ends still owe is planned already.
func (s *scheduler) forget(conn int) {
	d := s.conns[conn]
	if d != nil && (d.refused || d.ends[0].reset || d.ends[1].reset || d.ends[0].ended && d.ends[1].ended) {
		delete(s.conns, conn)
	}
}

// hurry ends a handshake that something happens on before it would have been over: a live stack can be that quick.
func (s *scheduler) hurry(d *dialogue, at time.Duration) {
	for d.stage != established && !d.refused {
		end := 0
		if d.stage == asked {
			end = 1
		}
		s.reply(reply{at: at, conn: d, end: end})
	}
}
