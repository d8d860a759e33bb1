// SPDX-License-Identifier: MIT

package nbt

import (
	"fmt"
	"slices"
)

// Mode is how much of what is not as the RFC has it a parser takes.
type Mode uint8

// The modes.
const (
	// Strict refuses whatever is not as the RFC has it, at the first place where it is not.
	Strict Mode = iota

	// Lenient reads on wherever it is clear how, and lists what was odd, so that the capture of a broken stack is readable
	// and its defect visible. What strict parsing takes, lenient parsing takes with the same result and nothing odd but
	// flags ([ErrFlag]): a reserved bit that is set, or one that only a response may have. Strict parsing keeps them as
	// they are and says nothing, since common stacks set some. Of those of several addresses or names the first is listed.
	Lenient
)

// Odd is a place in a message that is not as the RFC has it, and that lenient parsing read nevertheless.
type Odd struct {
	Field  string // the RFC's name of the field, as in [Field]
	Offset int    // of the byte that is odd; of a count or a length that disagrees, of its first byte
	Err    error  // what is odd about it: one of this package's errors
	Got    int    // the byte, count or length there is, or how many bytes are left over
	Want   int    // where Err compares two numbers, the other one

	// Lossy says that the message does not remember how this was written: encoding it gives other bytes than were parsed,
	// with the same meaning. So it is with names that go on in a pointer.
	Lossy bool
}

// MaxOdd is how many oddities of one message are listed: a message of 64 KiB may have one in each of thousands of records,
// and the first few tell what is wrong with it.
const MaxOdd = 16

// Text says what is odd: "length disagrees with what it counts: 201, want 187".
func (o Odd) Text() string {
	is := func(errs ...error) bool { return slices.Contains(errs, o.Err) }
	switch {
	case is(ErrFlag):
		return fmt.Sprintf("%v: 0x%04x", o.Err, o.Got)
	case is(ErrLetter, ErrLower, ErrReserved, ErrFirstLabel):
		return fmt.Sprintf("%v: 0x%02x", o.Err, o.Got)
	case is(ErrTrailing, ErrNameLong):
		return fmt.Sprintf("%v: %d", o.Err, o.Got)
	case is(ErrTruncated, ErrFewer):
		return fmt.Sprintf("%v: says %d, there are %d", o.Err, o.Got, o.Want)
	case is(ErrLength):
		return fmt.Sprintf("%v: %d, want %d", o.Err, o.Got, o.Want)
	case is(ErrPointer, ErrPointerChain):
		return fmt.Sprintf("%v: to offset %d", o.Err, o.Got)
	}
	return o.Err.Error()
}

// String says what is odd and where: "DGM_LENGTH at offset 10: length disagrees with what it counts: 201, want 187".
func (o Odd) String() string { return fmt.Sprintf("%s at offset %d: %s", o.Field, o.Offset, o.Text()) }

// reader is what parsing one message has to remember.
type reader struct {
	mode     Mode
	pointers bool  // names may have pointers, if leniently: those of the name service
	odd      []Odd // at most MaxOdd
	hops     int   // pointers followed for the name being read
	text     int   // bytes of scope that pointers led to
	memory   *memory
	lent     bool // a record of this message has the memory's status
}

func (r *reader) lenient() bool { return r.mode == Lenient }

// note lists an oddity while there is room.
func (r *reader) note(o Odd) {
	if len(r.odd) < MaxOdd {
		r.odd = append(r.odd, o)
		return
	}
	// What cannot be encoded back must not go unsaid.
	r.odd[MaxOdd-1].Lossy = r.odd[MaxOdd-1].Lossy || o.Lossy
}

// left deals with bytes behind everything that a message has: an error strictly, else they are what is kept.
func (r *reader) left(b []byte, next int) ([]byte, error) {
	switch {
	case next == len(b):
		return nil, nil
	case r.lenient():
		r.note(Odd{Field: "end", Offset: next, Err: ErrTrailing, Got: len(b) - next})
		return clip(b[next:]), nil
	}
	return nil, &ParseError{Field: "end", Offset: next, Err: fmt.Errorf("%w: %d", ErrTrailing, len(b)-next)}
}

// memory is what a message that is decoded into again and again keeps beside its lists. Without one, nothing is kept.
type memory struct {
	status *NodeStatus // of this message or an earlier one
	scopes [4]string   // of earlier messages: few networks have more
	oldest int
}

// status returns a node status to read into: the one that is remembered, for the first record that asks, or a new one.
func (r *reader) status() *NodeStatus {
	if r.memory == nil || r.lent {
		return new(NodeStatus)
	}
	r.lent = true
	if r.memory.status == nil {
		r.memory.status = new(NodeStatus)
	}
	return r.memory.status
}

// scope returns the text as a string: one that is remembered, so that the same scope is not allocated twice, or a new one.
func (m *memory) scope(text []byte) string {
	if m == nil || len(text) == 0 {
		return string(text)
	}
	for _, scope := range m.scopes {
		if string(text) == scope {
			return scope
		}
	}
	scope := string(text)
	m.scopes[m.oldest] = scope
	m.oldest = (m.oldest + 1) % len(m.scopes)
	return scope
}

// resize gives a slice this length. Its elements stay, for the memory that they hold.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	grown := make([]T, n)
	copy(grown, s[:cap(s)])
	return grown
}
