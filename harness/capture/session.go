// SPDX-License-Identifier: MIT

package capture

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// maxMessage is the longest session-service message, with its header.
const maxMessage = nbt.SessionHeaderLen + nbt.MaxSessionLen

// messageLen returns the length of the message that the bytes begin with, its header included; 0 while that is unknown; or
// why they cannot be one.
func messageLen(b []byte) (n int, why string) {
	if len(b) == 0 {
		return 0, ""
	}
	n, err := nbt.SessionLen(b)
	if err == nil || errors.Is(err, nbt.ErrTruncated) {
		return n, ""
	}
	if at := (*nbt.ParseError)(nil); errors.As(err, &at) {
		err = at.Err // it is clear enough where
	}
	return 0, "cannot be framed: " + err.Error()
}

// framing is how far a side's bytes, once in order, have been split into messages.
type framing struct {
	buf    []byte   // the beginning of a message
	absent int      // how many bytes in the midst of that message are missing
	lost   string   // why buf is not a message, if so
	odd    []string // what is wrong with the packets that the next frame is made of
	mark   mark     // of the last packet in order
}

// frame makes messages of the next bytes in order. What is odd about their packet is odd about each.
func (s *side) frame(b []byte, odd []string) {
	for len(b) > 0 {
		s.note(odd)
		if len(s.buf) == 0 {
			if n, _ := messageLen(b); n > 0 && n <= len(b) {
				s.emit(slices.Clone(b[:n]))
				b = b[n:]
				continue
			}
		}
		n := maxMessage - len(s.buf)
		if s.lost == "" {
			n = s.wanted()
		}
		n = min(n, len(b))
		s.buf, b = append(s.buf, b[:n]...), b[n:]
		if s.lost == "" {
			_, s.lost = messageLen(s.buf)
		}
		s.flushIfWhole()
	}
}

// wanted is how many bytes are missing to the end of the message, or of its header while that is incomplete.
func (s *side) wanted() int {
	n, _ := messageLen(s.buf)
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
		s.note([]string{fmt.Sprintf("%d bytes of the message are missing", n)})
		s.absent += n
		s.flushIfWhole()
		return
	}
	s.cutOff("a gap")
	s.note([]string{fmt.Sprintf("follows a gap of %d bytes", n)})
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
		if n, _ := messageLen(s.buf); n > 0 {
			s.lost = fmt.Sprintf("%d of %d bytes of a message before %s", len(s.buf), n, by)
		} else {
			s.lost = fmt.Sprintf("%d of %d bytes of a message's header before %s", len(s.buf), nbt.SessionHeaderLen, by)
		}
	}
	s.flush()
}

func (s *side) flush() {
	if s.lost != "" {
		s.note([]string{s.lost})
	}
	b := s.buf
	s.buf, s.absent, s.lost = nil, 0, ""
	s.emit(b)
}

func (s *side) emit(message []byte) {
	f := trace.Frame{Kind: trace.Message, From: s.from, To: s.to, Payload: message, Conn: s.conn, Odd: s.odd}
	s.odd = nil
	s.reader.add(f, s.mark)
}

// note adds to what is wrong with the next frame, each thing once.
func (s *side) note(odd []string) {
	for _, o := range odd {
		if !slices.Contains(s.odd, o) {
			s.odd = append(s.odd, o)
		}
	}
}
