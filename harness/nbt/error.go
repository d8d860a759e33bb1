// SPDX-License-Identifier: MIT

package nbt

import (
	"errors"
	"strconv"
)

// What can be wrong with bytes, as the cause of a [ParseError], or with a message to encode, as that of an
// [EncodeError]. The cause of an error may add numbers to these words: compare with errors.Is.
var (
	ErrTruncated      = errors.New("message ends before this field does")
	ErrTrailing       = errors.New("bytes left over")
	ErrLength         = errors.New("length disagrees with what it counts")
	ErrCount          = errors.New("count is not one that this kind of message has")
	ErrType           = errors.New("unknown message type")
	ErrReserved       = errors.New("reserved bit set")
	ErrFirstLabel     = errors.New("first label is not 32 bytes long")
	ErrLetter         = errors.New("byte is not a letter from A to P")
	ErrLabel          = errors.New("label length has the reserved prefix 01 or 10")
	ErrNameLong       = errors.New("encoded name is longer than 255 bytes")
	ErrPointer        = errors.New("pointer where none may be")
	ErrPointerForward = errors.New("pointer does not go back")
	ErrPointerTarget  = errors.New("pointer does not lead to a name")
	ErrPointerChain   = errors.New("pointer leads to another pointer")
	ErrScope          = errors.New("scope is not labels of 1 to 63 bytes with dots between them")
	ErrNotIPv4        = errors.New("address is not an IPv4 address")
	ErrRange          = errors.New("value does not fit its field")
	ErrPointerText    = errors.New("pointers lead to more scope than a message may cost")
)

// What only lenient parsing tells of, as the cause of an [Odd].
var (
	ErrLower = errors.New("letter is lower-case")
	ErrFlag  = errors.New("flag that must be zero")
	ErrFewer = errors.New("fewer entries than the count says")
)

// ParseError says where bytes are not the message they should be.
type ParseError struct {
	Field  string // the RFC's name of the field, as in [Field]
	Offset int    // of the byte at fault; of a field that is cut short or miscounted, of its first byte
	Err    error  // the cause: one of this package's errors, perhaps with numbers
}

func (e *ParseError) Error() string {
	return "nbt: " + e.Field + " at offset " + strconv.Itoa(e.Offset) + ": " + e.Err.Error()
}

func (e *ParseError) Unwrap() error { return e.Err }

// EncodeError says which field of a message has no encoding.
type EncodeError struct {
	Field string // the RFC's name of the field, as in [Field]
	Err   error  // the cause: one of this package's errors, perhaps with numbers
}

func (e *EncodeError) Error() string { return "nbt: cannot encode " + e.Field + ": " + e.Err.Error() }

func (e *EncodeError) Unwrap() error { return e.Err }

// fixed is a run of fields with lengths known beforehand.
type fixed []struct {
	name string
	len  int
}

// cut names the field in which a run of fixed fields, begun at off, ends after have bytes.
func (f fixed) cut(off, have int) error {
	for _, field := range f {
		if have < field.len {
			return &ParseError{Field: field.name, Offset: off, Err: ErrTruncated}
		}
		have -= field.len
		off += field.len
	}
	panic("nbt: cut short after its end")
}
