// SPDX-License-Identifier: MIT

package nbt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Lengths of an encoded name (RFC 1002 section 4.1, RFC 883).
const (
	lettersLen  = 2 * netbios.NameLen // two letters a byte
	scopeAt     = 1 + lettersLen      // the length byte and the letters come first
	unscopedLen = scopeAt + 1         // and a zero byte last
	maxNameLen  = 255
	maxLabelLen = 63
	pointerLen  = 2
	prefixMask  = 0xc0 // first two bits of a label's length byte
	labelPrefix = 0x00
	pointPrefix = 0xc0
	maxPointer  = 0x3fff // a pointer has 14 bits

	// What lenient parsing takes. Samba's scopes of 238 bytes make names of 273, so there must be some room above 255;
	// longer than this a name does not fit a message of MAX_DATAGRAM_LENGTH.
	maxOddNameLen = MaxDatagramPayload - headerLen - questionFixedLen // 532
	maxHops       = 4

	maxPointedText = 1 << 18
	textRoom       = 1024 // for the text of a scope that keeps to 255 bytes, each of four characters
)

// LowerCase tells which of the 32 letters of an encoded name are lower-case: the highest bit is the first letter's. The
// RFC has none; some stacks send them, and lenient parsing keeps them.
type LowerCase uint32

// spelled is a name as a message has it.
type spelled struct {
	name  netbios.Name
	scope string
	bare  bool // no NetBIOS name, but the labels of scope alone
	lower LowerCase
}

// AppendName appends the encoded form of a name: the length 0x20, two letters for each byte ('A' plus its high half, 'A'
// plus its low half: first-level encoding, RFC 1001 section 14.1), the labels of the scope, and a zero byte (second-level
// encoding, RFC 1002 section 4.1).
//
// A scope is written as labels with dots between them. A dot or a backslash inside a label, and any byte outside
// 0x20-0x7E, is written \xHH. No scope is the empty string. On an error b is returned as it was.
func AppendName(b []byte, n netbios.Name, scope string) ([]byte, error) {
	return appendName(b, &spelled{name: n, scope: scope}, maxNameLen)
}

func appendName(b []byte, s *spelled, longest int) ([]byte, error) {
	var e [unscopedLen]byte // its last byte stays zero
	e[0] = lettersLen
	for i, c := range s.name {
		e[1+2*i] = 'A' + c>>4
		e[2+2*i] = 'A' + c&15
	}
	for i := range lettersLen {
		if s.lower == 0 {
			break
		}
		if s.lower&(1<<(lettersLen-1-i)) != 0 {
			e[1+i] |= 'a' - 'A'
		}
	}
	if s.scope == "" {
		return append(b, e[:]...), nil
	}
	return appendLabels(b, e[:scopeAt], s.scope, longest)
}

// Rename returns a message with other names in the place of those that it carries in the encoding of RFC 1001 section 14.1,
// wherever in the message they stand and whatever scope follows; everything else, odd or not, stays as it is. Names that a node
// status response lists are not encoded and not looked at.
func Rename(message []byte, rename func(netbios.Name) netbios.Name) []byte {
	b := slices.Clone(message)
	for i := 0; i+unscopedLen <= len(b); i++ {
		if b[i] != lettersLen {
			continue
		}
		letters := (*[lettersLen]byte)(b[i+1:])
		if !areLetters(letters) {
			continue
		}
		name := readLetters(letters)
		if other := rename(name); other != name {
			for k, c := range other {
				letters[2*k], letters[2*k+1] = 'A'+c>>4, 'A'+c&15
			}
		}
		i += lettersLen
	}
	return b
}

// appendLoosely appends a name that may be longer than 255 bytes, or no NetBIOS name.
func appendLoosely(b []byte, s *spelled) ([]byte, error) {
	if !s.bare {
		return appendName(b, s, maxOddNameLen)
	}
	e, err := appendLabels(b, nil, s.scope, maxOddNameLen)
	if err == nil && looksEncoded(e[len(b):]) {
		return b, fmt.Errorf("%w: %q cannot be told from a NetBIOS name here", ErrFirstLabel, s.scope)
	}
	return e, err
}

// looksEncoded reports whether lenient parsing would take a name for a NetBIOS name.
func looksEncoded(name []byte) bool {
	if name[0] != lettersLen {
		return false
	}
	for _, c := range name[1:scopeAt] {
		if c = c &^ ('a' - 'A'); c < 'A' || c > 'P' {
			return false
		}
	}
	return true
}

// encodedLen returns the length of the name when it is encoded without a pointer, in bytes.
func (s *spelled) encodedLen() int {
	if s.bare {
		return EncodedNameLen(s.scope) - scopeAt
	}
	return EncodedNameLen(s.scope)
}

// text prints the name with its scope.
func (s *spelled) text() string {
	switch {
	case !s.bare:
		return nameText(s.name, s.scope)
	case s.scope == "":
		return "(null name)"
	}
	return s.scope
}

// EncodedNameLen returns the length of a name with this scope when it is encoded, in bytes: 34 without a scope.
func EncodedNameLen(scope string) int {
	if scope == "" {
		return unscopedLen
	}
	// Each dot stands for the next label's length byte; the first label has one too.
	return unscopedLen + 1 + len(scope) - (escapeLen-1)*strings.Count(scope, `\x`)
}

// appendLabels appends a name that begins with these bytes and goes on with the labels of a scope.
func appendLabels(b, name []byte, scope string, longest int) ([]byte, error) {
	e := append(b, name...)
	for more := scope != ""; more; {
		var label string
		label, scope, more = strings.Cut(scope, ".")
		at := len(e)
		e = append(e, 0)
		for i := 0; i < len(label); i++ {
			c := label[i]
			if c == '\\' {
				var ok bool
				if c, ok = unescape(label[i:]); !ok {
					return b, fmt.Errorf(`%w: label %q has a backslash that does not begin \xHH`, ErrScope, label)
				}
				i += escapeLen - 1
			}
			e = append(e, c)
		}
		length := len(e) - at - 1
		if length == 0 || length > maxLabelLen {
			return b, fmt.Errorf("%w: label %q has %d", ErrScope, label, length)
		}
		e[at] = byte(length)
	}
	e = append(e, 0)
	if length := len(e) - len(b); length > longest {
		return b, fmt.Errorf("%w: %d", ErrNameLong, length)
	}
	return e, nil
}

// name reads an encoded name that begins at off and returns where the next field begins.
//
// Strictly, a pointer is an error; RR_NAME, which may be one, is read by [NameMessage.parseResourceName].
func (r *reader) name(b []byte, off int, field string, s *spelled) (next int, err error) {
	*s = spelled{}
	if off >= len(b) {
		return off, &ParseError{Field: field, Offset: off, Err: ErrTruncated}
	}
	if b[off] != lettersLen {
		return r.otherName(b, off, field, s)
	}
	if len(b)-off < unscopedLen {
		return off, &ParseError{Field: field, Offset: off, Err: ErrTruncated}
	}
	letters := (*[lettersLen]byte)(b[off+1:])
	if areLetters(letters) {
		s.name = readLetters(letters)
	} else {
		if err := r.oddLetters(letters[:], off+1, field, s); err != nil {
			return off, err
		}
		if s.bare {
			s.scope, next, err = r.labels(b, off, off, field)
			return next, err
		}
	}
	if b[off+scopeAt] == 0 {
		return off + unscopedLen, nil
	}
	s.scope, next, err = r.labels(b, off, off+scopeAt, field)
	return next, err
}

// otherName reads a name whose first byte is not the length of a NetBIOS name. Leniently, labels of other lengths are
// kept as they are, and a pointer is followed.
func (r *reader) otherName(b []byte, off int, field string, s *spelled) (next int, err error) {
	switch prefix := b[off] & prefixMask; {
	case !r.lenient():
	case prefix == labelPrefix:
		r.note(Odd{Field: field, Offset: off, Err: ErrFirstLabel, Got: int(b[off])})
		s.bare = true
		s.scope, next, err = r.labels(b, off, off, field)
		return next, err
	case prefix == pointPrefix && r.pointers:
		target, err := r.pointer(b, off, field)
		if err != nil {
			return off, err
		}
		if _, err := r.name(b[:off], target, field, s); err != nil {
			return off, pointerError(field, off, target, ErrPointerTarget)
		}
		return off + pointerLen, r.spend(field, off, len(s.scope))
	}
	return off, &ParseError{Field: field, Offset: off, Err: firstLabelFault(b[off])}
}

// oddLetters reads 32 bytes that are not all letters from A to P. Leniently, lower-case letters are read as upper-case
// ones; a label with any other byte is no NetBIOS name, but one like those of DNS.
func (r *reader) oddLetters(letters []byte, off int, field string, s *spelled) error {
	first := -1
	for i, c := range letters {
		if 'A' <= c && c <= 'P' {
			continue
		}
		if !r.lenient() {
			return &ParseError{Field: field, Offset: off + i, Err: fmt.Errorf("%w: 0x%02x", ErrLetter, c)}
		}
		if c < 'a' || c > 'p' {
			r.note(Odd{Field: field, Offset: off + i, Err: ErrLetter, Got: int(c)})
			*s = spelled{bare: true}
			return nil
		}
		s.lower |= 1 << (lettersLen - 1 - i)
		if first < 0 {
			first = i
		}
	}
	for i := range s.name {
		s.name[i] = half(letters[2*i])<<4 | half(letters[2*i+1])
	}
	r.note(Odd{Field: field, Offset: off + first, Err: ErrLower, Got: int(letters[first])})
	return nil
}

// half is the half byte that a letter from A to P of either case stands for.
func half(letter byte) byte { return letter&^('a'-'A') - 'A' }

// labels reads the labels from off on of a name that begins at start. It looks at no more than the bytes that the whole
// name may have: 255 strictly, 532 leniently.
func (r *reader) labels(b []byte, start, off int, field string) (scope string, next int, err error) {
	longest := maxNameLen
	if r.lenient() {
		longest = maxOddNameLen
	}
	var room [textRoom]byte
	text := room[:0]
	total := off - start // without pointers
	longAt := 0          // where the name became too long for a strict reader
	next = -1            // behind the first pointer
	for {
		if off >= len(b) {
			return "", start, &ParseError{Field: field, Offset: start, Err: ErrTruncated}
		}
		length := int(b[off])
		switch length & prefixMask {
		case labelPrefix:
		case pointPrefix:
			if !r.lenient() || !r.pointers {
				return "", start, &ParseError{Field: field, Offset: off, Err: ErrPointer}
			}
			target, err := r.pointer(b, off, field)
			if err != nil {
				return "", start, err
			}
			if next < 0 {
				next = off + pointerLen
			}
			b, off = b[:off], target
			continue
		default:
			return "", start, &ParseError{Field: field, Offset: off, Err: labelFault(b[off])}
		}
		end := off + 1 + length
		// A label, unlike the last zero byte, has that byte to come.
		total += 1 + length
		if total+min(length, 1) > longest {
			return "", start, &ParseError{Field: field, Offset: off, Err: ErrNameLong}
		}
		if total+min(length, 1) > maxNameLen && longAt == 0 {
			longAt = off
		}
		if end > len(b) {
			return "", start, &ParseError{Field: field, Offset: start, Err: ErrTruncated}
		}
		if length == 0 {
			break
		}
		if len(text) > 0 {
			text = append(text, '.')
		}
		for _, c := range b[off+1 : end] {
			if c == '.' || !isPlain(c) {
				text = appendEscape(text, c)
			} else {
				text = append(text, c)
			}
		}
		off = end
	}
	if longAt > 0 {
		r.note(Odd{Field: field, Offset: longAt, Err: ErrNameLong, Got: total})
	}
	scope = r.memory.scope(text)
	if next < 0 {
		return scope, off + 1, nil
	}
	return scope, next, r.spend(field, start, len(scope))
}

// pointer reads a pointer where strictly there may be none, and notes that. It must go back, past the header, and a name
// may take four: so it ends.
func (r *reader) pointer(b []byte, off int, field string) (target int, err error) {
	if len(b)-off < pointerLen {
		return 0, &ParseError{Field: field, Offset: off, Err: ErrTruncated}
	}
	target = int(binary.BigEndian.Uint16(b[off:]) & maxPointer)
	switch r.hops++; {
	case target >= off:
		return 0, pointerError(field, off, target, ErrPointerForward)
	case target < headerLen:
		return 0, pointerError(field, off, target, ErrPointerTarget)
	case r.hops > maxHops:
		return 0, pointerError(field, off, target, ErrPointerChain)
	}
	r.note(Odd{Field: field, Offset: off, Err: ErrPointer, Got: target, Lossy: true})
	return target, nil
}

// here is how many bytes of the name that was just read stand at its own place, from start up to next; 0 when all of it does.
func (r *reader) here(start, next int) uint16 {
	if r.hops == 0 {
		return 0
	}
	return uint16(next - start) // bounded by what a name may have
}

// spend counts the scope of a name that a pointer led to. Two bytes of pointer may stand for some hundred of text; no
// message that is any use has more than [maxPointedText] of it, and no other may cost more.
func (r *reader) spend(field string, off, text int) error {
	if r.text += text; r.text > maxPointedText {
		return &ParseError{Field: field, Offset: off, Err: ErrPointerText}
	}
	return nil
}

func firstLabelFault(length byte) error {
	switch length & prefixMask {
	case labelPrefix:
		return fmt.Errorf("%w: length byte 0x%02x, want 0x20", ErrFirstLabel, length)
	case pointPrefix:
		return ErrPointer
	}
	return labelFault(length)
}

func labelFault(length byte) error { return fmt.Errorf("%w: 0x%02x", ErrLabel, length) }

// nameText prints a name with its scope.
func nameText(n netbios.Name, scope string) string {
	if scope == "" {
		return n.String()
	}
	return n.String() + "." + scope
}
