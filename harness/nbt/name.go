// SPDX-License-Identifier: MIT

package nbt

import (
	"fmt"
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
)

// AppendName appends the encoded form of a name: the length 0x20, two letters for each byte ('A' plus its high half, 'A'
// plus its low half: first-level encoding, RFC 1001 section 14.1), the labels of the scope, and a zero byte (second-level
// encoding, RFC 1002 section 4.1).
//
// A scope is written as labels with dots between them. A dot or a backslash inside a label, and any byte outside
// 0x20-0x7E, is written \xHH. No scope is the empty string. On an error b is returned as it was.
func AppendName(b []byte, n netbios.Name, scope string) ([]byte, error) {
	var e [unscopedLen]byte // its last byte stays zero
	e[0] = lettersLen
	for i, c := range n {
		e[1+2*i] = 'A' + c>>4
		e[2+2*i] = 'A' + c&15
	}
	if scope == "" {
		return append(b, e[:]...), nil
	}
	return appendLabels(b, e[:scopeAt], scope)
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
func appendLabels(b, name []byte, scope string) ([]byte, error) {
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
	if length := len(e) - len(b); length > maxNameLen {
		return b, fmt.Errorf("%w: %d", ErrNameLong, length)
	}
	return e, nil
}

// parseName reads an encoded name that begins at off, into n, and returns its scope and where the next field begins. A
// pointer is an error: only [parseResourceName] takes one.
func parseName(b []byte, off int, field string, n *netbios.Name) (scope string, next int, err error) {
	if off >= len(b) {
		return "", off, &ParseError{Field: field, Offset: off, Err: ErrTruncated}
	}
	if b[off] != lettersLen {
		return "", off, &ParseError{Field: field, Offset: off, Err: firstLabelFault(b[off])}
	}
	if len(b)-off < unscopedLen {
		return "", off, &ParseError{Field: field, Offset: off, Err: ErrTruncated}
	}
	letters := b[off+1 : off+scopeAt]
	var seen byte // every half that was met: one above 15 leaves a bit in its upper four
	for i := range n {
		high, low := letters[2*i]-'A', letters[2*i+1]-'A'
		seen |= high | low
		n[i] = high<<4 | low&15
	}
	if seen > 15 {
		return "", off, letterError(letters, off+1, field)
	}
	if b[off+scopeAt] == 0 {
		return "", off + unscopedLen, nil
	}
	return parseLabels(b, off, off+scopeAt, field)
}

// parseLabels reads the labels from off on of a name that begins at start. It looks at no more than the 255 bytes that
// the whole name may have.
func parseLabels(b []byte, start, off int, field string) (scope string, next int, err error) {
	var text strings.Builder
	for {
		if off >= len(b) {
			return "", start, &ParseError{Field: field, Offset: start, Err: ErrTruncated}
		}
		length := int(b[off])
		switch length & prefixMask {
		case labelPrefix:
		case pointPrefix:
			return "", start, &ParseError{Field: field, Offset: off, Err: ErrPointer}
		default:
			return "", start, &ParseError{Field: field, Offset: off, Err: labelFault(b[off])}
		}
		end := off + 1 + length
		// A label, unlike the last zero byte, has that byte to come.
		if total := end - start + min(length, 1); total > maxNameLen {
			return "", start, &ParseError{Field: field, Offset: off, Err: ErrNameLong}
		}
		if end > len(b) {
			return "", start, &ParseError{Field: field, Offset: start, Err: ErrTruncated}
		}
		if length == 0 {
			return text.String(), end, nil
		}
		if text.Len() > 0 {
			text.WriteByte('.')
		}
		for _, c := range b[off+1 : end] {
			if c == '.' || !isPlain(c) {
				writeEscape(&text, c)
			} else {
				text.WriteByte(c)
			}
		}
		off = end
	}
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

func letterError(letters []byte, off int, field string) error {
	for i, c := range letters {
		if c < 'A' || c > 'P' {
			return &ParseError{Field: field, Offset: off + i, Err: fmt.Errorf("%w: 0x%02x", ErrLetter, c)}
		}
	}
	panic("nbt: no letter at fault")
}

// nameText prints a name with its scope.
func nameText(n netbios.Name, scope string) string {
	if scope == "" {
		return n.String()
	}
	return n.String() + "." + scope
}
