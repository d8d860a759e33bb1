// SPDX-License-Identifier: MIT

package capture

import "io"

// source is a reader with a window over what comes next. The window grows only as bytes arrive, never by what they claim.
type source struct {
	r          io.Reader
	buf        []byte
	start, end int   // of the window in buf
	offset     int64 // of the window in the file
	err        error // why nothing more comes
}

// peek returns the next n bytes, or fewer when nothing more comes. They are valid until the next peek.
func (s *source) peek(n int) []byte {
	if s.end-s.start < n {
		s.fillTo(n)
	}
	return s.buf[s.start:min(s.start+n, s.end)]
}

func (s *source) fillTo(n int) {
	for s.end-s.start < n && s.err == nil {
		s.fill()
	}
}

// skip moves the window past n bytes that lie in it.
func (s *source) skip(n int) {
	s.start += n
	s.offset += int64(n)
}

// discard passes over n bytes without keeping them, and returns how many there were.
func (s *source) discard(n int64) (passed int64) {
	for passed < n {
		have := len(s.peek(int(min(n-passed, int64(max(len(s.buf), 1))))))
		if have == 0 {
			break
		}
		s.skip(have)
		passed += int64(have)
	}
	return passed
}

func (s *source) fill() {
	if s.end == len(s.buf) {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, max(len(s.buf), fileHeaderLen))...)
	}
	for range 100 { // as bufio does: a reader that returns nothing and no error for ever is broken
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// Read makes a source the input of another one. It never takes more than is there.
func (s *source) Read(p []byte) (int, error) {
	b := s.peek(1)
	if len(b) == 0 {
		return 0, s.err
	}
	n := copy(p, s.buf[s.start:s.end])
	s.skip(n)
	return n, nil
}

// ReadByte spares the decompressor a buffer of its own, so that the offset is how much was really needed.
func (s *source) ReadByte() (byte, error) {
	b := s.peek(1)
	if len(b) == 0 {
		return 0, s.err
	}
	s.skip(1)
	return b[0], nil
}
