// SPDX-License-Identifier: MIT

package capture

import (
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// maxHeld bounds what one side of a connection may have sent beyond bytes that the capture does not show (yet). It is four
// times what fits in a window without scaling; once it is exceeded, the bytes missing count as lost by whoever captured.
const maxHeld = 256 << 10

// dropGap counts gaps that were given up.
const dropGap = "a gap in TCP given up: more than 256 KiB behind it"

// Reasons to leave out what a connection brings. These packets may have made a frame all the same, of FIN.
const (
	skipAfterEnd = "TCP data after its sender's FIN or RST"
	skipTooLate  = "TCP data of a gap that was given up"
)

// side is one direction of a connection: the bytes that one end sends, put in order.
type side struct {
	reader   *reader
	conn     *connection
	from, to netip.AddrPort
	started  bool   // its first segment was seen
	reset    bool   // it sent RST
	ended    bool   // nothing of it counts any more
	first    uint32 // sequence number of its first byte
	next     uint32 // sequence number of the next byte in order
	held     []segment
	heldSize int
	lostFrom uint32 // the last gap that was given up, if any
	lostTo   uint32
	hasFin   bool
	fin      segment // FIN, waiting for the bytes before it
	framing
}

// segment is a piece of a side's bytes.
type segment struct {
	seq     uint32
	data    []byte
	missing int // bytes behind data that were sent but not captured
	push    bool
	odd     []string
	mark    mark
}

func (s *segment) len() int { return len(s.data) + s.missing }

// size is what it costs to hold the segment: the buffer with its bytes, what is odd about it, and its place in the list,
// which may have room for as many again.
func (s *segment) size() int { return cap(s.data) + 16*len(s.odd) + 2*segmentLen }

// segmentLen is about the memory of a segment by itself.
const segmentLen = 104

// begin makes a side new, with the memory that it had before.
func (s *side) begin(r *reader, c *connection, from, to netip.AddrPort) {
	*s = side{reader: r, conn: c, from: from, to: to, held: s.held[:0], framing: framing{odd: s.odd[:0]}}
}

// mayBegin reports whether a SYN can be the one that this side began with.
func (s *side) mayBegin(first uint32) bool {
	if s.started {
		return s.first == first
	}
	return !s.reset
}

// receive takes a segment in whatever order it was captured.
func (s *side) receive(p *packet) {
	seg := segment{
		seq: p.seq, data: p.payload, missing: p.missing, push: p.flags&flagPSH != 0, odd: p.odd, mark: s.reader.now,
	}
	if p.flags&flagSYN != 0 {
		seg.seq++ // SYN takes the place of a byte
	}
	if !s.started {
		s.started, s.first, s.next = true, seg.seq, seg.seq
	}
	if seg.len() == 0 && p.flags&flagFIN == 0 {
		return // an acknowledgement, of which captures are full
	}
	if s.goesOn(&seg) {
		s.ended, s.hasFin = false, false
		s.remark("goes on where its sender's FIN was")
	}
	if s.ended {
		if seg.len() > 0 && s.ahead(seg.seq)+seg.len() > 0 {
			s.reader.skip(skipAfterEnd)
		}
		return
	}
	if p.flags&flagFIN != 0 && !s.hasFin {
		s.hasFin, s.fin = true, segment{seq: seg.seq + uint32(seg.len()), odd: slices.Clone(p.odd), mark: s.reader.now}
	}
	switch {
	case seg.len() == 0: // FIN alone
	case s.ahead(seg.seq) > 0:
		s.hold(&seg)
	default:
		s.take(&seg)
	}
	for s.heldSize > maxHeld {
		s.reader.dropped.add(dropGap, s.reader.now.number, 1)
		s.giveUpGap()
	}
	if len(s.held) > 0 {
		s.takeHeld()
	}
	if s.hasFin && s.ahead(s.fin.seq) <= 0 {
		s.end("FIN")
	}
}

// goesOn reports whether a segment has data in the place of the FIN that seemed to end the side. So it is with ports that
// are used again together with their sequence numbers, as in captures of a socket wrapper.
func (s *side) goesOn(seg *segment) bool {
	return s.ended && s.hasFin && !s.reset && s.ahead(seg.seq) <= 0 && s.ahead(seg.seq)+len(seg.data) > 0
}

// ahead is how many bytes are missing before a sequence number; negative if it lies behind.
func (s *side) ahead(seq uint32) int { return int(int32(seq - s.next)) }

// hold keeps a segment until the bytes before it arrive, sorted by sequence number and then by arrival.
func (s *side) hold(seg *segment) {
	i := len(s.held)
	for i > 0 && s.ahead(s.held[i-1].seq) > s.ahead(seg.seq) {
		i--
	}
	for j := i; j > 0 && s.held[j-1].seq == seg.seq; j-- {
		if s.held[j-1].len() >= seg.len() {
			return // sent again
		}
	}
	cs := &s.reader.connections
	own := *seg
	own.data, own.odd = append(cs.buffers.get(len(seg.data)), seg.data...), slices.Clone(seg.odd)
	s.held = slices.Insert(s.held, i, own)
	s.heldSize += own.size()
	cs.waiting += own.size()
}

// take hands on what a segment adds to the bytes in order. What was sent twice counts as it was seen first.
func (s *side) take(seg *segment) {
	known := -s.ahead(seg.seq)
	if known >= seg.len() {
		if seg.seq-s.lostFrom < s.lostTo-s.lostFrom {
			s.reader.skip(skipTooLate)
		}
		return
	}
	s.next = seg.seq + uint32(seg.len())
	if s.mark.number < seg.mark.number {
		s.mark = seg.mark
	}
	if known < len(seg.data) {
		s.frame(seg.data[known:], seg.odd)
		known = len(seg.data)
	}
	if lost := seg.len() - known; lost > 0 {
		s.note(seg.odd)
		s.gap(lost)
	}
	if seg.push {
		s.pushed()
	}
}

// takeHeld takes the held segments that are in order by now.
func (s *side) takeHeld() {
	n := 0
	cs := &s.reader.connections
	for n < len(s.held) && s.ahead(s.held[n].seq) <= 0 {
		s.heldSize -= s.held[n].size()
		cs.waiting -= s.held[n].size()
		s.take(&s.held[n])
		cs.buffers.put(s.held[n].data)
		n++
	}
	s.held = slices.Delete(s.held, 0, n)
	if len(s.held) == 0 && cap(s.held) > keptHeld {
		s.held = nil
	}
}

// keptHeld is how many places for held segments a side keeps when it holds none.
const keptHeld = 16

// giveUpGap counts the bytes before the first held segment as lost.
func (s *side) giveUpGap() {
	lost := s.ahead(s.held[0].seq)
	if lost > 0 {
		s.lostFrom, s.lostTo = s.next, s.held[0].seq
		s.next = s.lostTo
		s.gap(lost)
	}
	s.takeHeld()
}

// end makes the best of what has arrived so far, since nothing more counts.
func (s *side) end(why string) {
	if s.ended {
		return
	}
	for len(s.held) > 0 {
		s.giveUpGap()
	}
	if s.hasFin {
		why = "FIN"
		if lost := s.ahead(s.fin.seq); lost > 0 {
			s.gap(lost)
		}
	}
	s.cutOff(why)
	s.ended = true
	if !s.hasFin {
		return
	}
	m := s.fin.mark
	if m.number < s.mark.number {
		m = s.mark
	}
	s.note(s.fin.odd)
	s.tell(trace.Fin, s.odd, m)
}
