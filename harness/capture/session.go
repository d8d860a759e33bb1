// SPDX-License-Identifier: MIT

package capture

import (
	"errors"
	"slices"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// maxMessage is the longest session-service message, with its header.
const maxMessage = nbt.SessionHeaderLen + nbt.MaxSessionLen

// messageLen returns the length of the message that the bytes begin with, its header included; 0 while that is unknown; or
// why they cannot be one.
func (t *texts) messageLen(b []byte) (n int, why string) {
	if len(b) == 0 {
		return 0, ""
	}
	var h [nbt.SessionHeaderLen]byte // what is not there yet is taken for good
	have := copy(h[:], b)
	if len(t.unframed) > 0 {
		if why, known := t.unframed[[2]byte(h[:])]; known {
			return 0, why
		}
	}
	n, err := nbt.SessionLen(h[:])
	if err != nil {
		return 0, t.unframable(h, err)
	}
	if have < len(h) {
		return 0, ""
	}
	if nbt.SessionType(h[0]) != nbt.SsnMessage && n > maxControl {
		return 0, t.format("cannot be framed: a message of type %d with %d bytes", int(h[0]), n)
	}
	return n, ""
}

// maxControl is the longest message of a type that carries no user data: a request, with two names. One that claims more has
// a broken header, which must not swallow what follows it.
const maxControl = nbt.SessionHeaderLen + 2*255

// unframable says why a header cannot be one, once for each type and flags.
func (t *texts) unframable(h [nbt.SessionHeaderLen]byte, err error) string {
	if at := (*nbt.ParseError)(nil); errors.As(err, &at) {
		err = at.Err // it is clear enough where
	}
	if t.unframed == nil || len(t.unframed) == maxTexts {
		t.unframed = make(map[[2]byte]string)
	}
	why := "cannot be framed: " + err.Error()
	t.unframed[[2]byte(h[:])] = why
	return why
}

// framing is how far a side's bytes, once in order, have been split into messages.
type framing struct {
	buf    []byte   // the beginning of a message
	absent int      // how many bytes in the midst of that message are missing
	lost   string   // why buf is not a message, if so
	odd    []string // what is wrong with the packets that the next frame is made of
	mark   mark     // of the last packet in order

	// The packet that completed the last message, and how many it had completed before.
	told, index int
}

// frame makes messages of the next bytes in order. What is odd about their packet is odd about each.
func (s *side) frame(b []byte, odd []string) {
	for len(b) > 0 {
		s.note(odd)
		if len(s.buf) == 0 {
			if n, _ := s.reader.texts.messageLen(b); n > 0 && n <= len(b) {
				s.emit(b[:n])
				b = b[n:]
				continue
			}
		}
		n := maxMessage - len(s.buf)
		if s.lost == "" {
			n = s.wanted()
		}
		n = min(n, len(b))
		s.collect(b[:n])
		b = b[n:]
		if s.lost == "" {
			_, s.lost = s.reader.texts.messageLen(s.buf)
		}
		s.flushIfWhole()
	}
}

// collect adds to the beginning of a message. Room is made as bytes arrive, not as the header promises them.
func (s *side) collect(b []byte) {
	cs := &s.reader.connections
	if have, need := cap(s.buf), len(s.buf)+len(b); need > have {
		grown := append(cs.buffers.get(need), s.buf...)
		cs.buffers.put(s.buf)
		s.buf = grown
		cs.waiting += cap(grown) - have
	}
	s.buf = append(s.buf, b...)
}

// wanted is how many bytes are missing to the end of the message, or of its header while that is incomplete.
func (s *side) wanted() int {
	n, _ := s.reader.texts.messageLen(s.buf)
	return max(n, nbt.SessionHeaderLen) - len(s.buf) - s.absent
}

// flushIfWhole emits a message whose end has come, and what cannot be framed once it is as long as a message can be.
func (s *side) flushIfWhole() {
	if s.lost == "" && s.wanted() == 0 || len(s.buf) == maxMessage {
		s.flush()
	}
}

// gap tells that bytes are missing. Within a message it is known where the next one begins; otherwise that must be where
// the bytes go on.
func (s *side) gap(n int) {
	if s.lost == "" && len(s.buf) >= nbt.SessionHeaderLen && n <= s.wanted() {
		s.remark("%d bytes of the message are missing", n)
		s.absent += n
		s.flushIfWhole()
		return
	}
	s.cutOff("a gap")
	s.remark("follows a gap of %d bytes", n)
}

// pushed tells that the sender pushed its bytes out: a run that cannot be framed ends here.
func (s *side) pushed() {
	if s.lost != "" {
		s.flush()
	}
}

// cutOff emits the beginning of a message that goes no further.
func (s *side) cutOff(by string) {
	if len(s.buf) == 0 {
		return
	}
	if s.lost == "" {
		t := &s.reader.texts
		if n, _ := t.messageLen(s.buf); n > 0 {
			s.lost = t.format("%d of %d bytes of a message", len(s.buf), n)
		} else {
			s.lost = t.format("%d of %d bytes of a message's header", len(s.buf), nbt.SessionHeaderLen)
		}
		s.lost += " before " + by
	}
	s.flush()
}

func (s *side) flush() {
	if s.lost != "" {
		s.remark(s.lost)
	}
	b := s.buf
	s.buf, s.absent, s.lost = nil, 0, ""
	s.emit(b)
	cs := &s.reader.connections
	cs.waiting -= cap(b)
	cs.buffers.put(b)
}

func (s *side) emit(message []byte) {
	if s.told != s.mark.number {
		s.told, s.index = s.mark.number, 0
	}
	r := s.reader
	s.address(trace.Message)
	r.frame.Payload = message
	r.add(s.odd, s.conn.tunnel, s.index, s.mark)
	s.index++
	s.odd = s.odd[:0]
}

// tell hands over an event of the connection.
func (s *side) tell(kind trace.FrameKind, odd []string, m mark) {
	s.address(kind)
	s.reader.frame.Payload = nil
	s.reader.add(odd, s.conn.tunnel, 0, m)
}

func (s *side) address(kind trace.FrameKind) {
	f := &s.reader.frame
	f.Kind, f.Conn, f.Broadcast, f.From, f.To = kind, s.conn.number, false, s.from, s.to
}

// maxOdd is how many things can be wrong with one frame. One byte a packet, each cut at another length, would be a hundred
// thousand.
const maxOdd = 16

// remark adds a text with numbers to what is wrong with the next frame.
func (s *side) remark(format string, numbers ...int) {
	s.noteOnce(s.reader.texts.format(format, numbers...))
}

// note adds to what is wrong with the next frame, each thing once.
func (s *side) note(odd []string) {
	for _, o := range odd {
		s.noteOnce(o)
	}
}

func (s *side) noteOnce(o string) {
	if len(s.odd) < maxOdd && !slices.Contains(s.odd, o) {
		s.odd = append(s.odd, o)
	}
}
