// SPDX-License-Identifier: MIT

// Package netbios is the vocabulary of the NetBIOS interface: names, NCB commands, return codes and table limits.
//
// It holds what an application and a stack must agree on, and nothing either of them does. Rules come from the IBM LAN
// Technical Reference (NetBIOS 3.0) and, for the constants' values, from the public nb30.h.
package netbios

import (
	"errors"
	"fmt"
	"strings"
)

// NameLen is the length of every NetBIOS name in bytes (RFC 1001 section 5.2).
const NameLen = 16

// DefaultSuffix is byte 16 of a name that is written without one: the file-server suffix, which is also a space, so that
// CHAT is the sixteen bytes "CHAT" padded with spaces.
const DefaultSuffix = 0x20

// Name is a NetBIOS name: sixteen bytes, compared over all sixteen, the last of which is by convention a suffix that
// tells what the name is used for ([MS-NBTE] section 1.8).
type Name [NameLen]byte

// Wildcard is the reserved name of node status requests and broadcast datagrams: an asterisk and fifteen zero bytes, not
// spaces (RFC 1002 section 4.2.17). Its first byte alone also means "any" or "local" in NCB fields.
var Wildcard = Name{0: '*'}

// MakeName pads text with spaces to fifteen bytes and appends the suffix. Longer text is an error.
func MakeName(text string, suffix byte) (Name, error) {
	if len(text) > NameLen-1 {
		return Name{}, fmt.Errorf("netbios: name of %d bytes: at most %d fit before the suffix", len(text), NameLen-1)
	}
	var n Name
	copy(n[:], text)
	for i := len(text); i < NameLen-1; i++ {
		n[i] = ' '
	}
	n[NameLen-1] = suffix
	return n, nil
}

// PermanentName is the name that a node always has, number 1: ten zero bytes and the unit address of its adapter.
func PermanentName(unit [6]byte) Name {
	var n Name
	copy(n[10:], unit[:])
	return n
}

// Suffix returns byte 16.
func (n Name) Suffix() byte { return n[NameLen-1] }

// IsWild reports whether the name begins with an asterisk, which no application may register (RFC 1001 section 5.2) and
// which means "any caller" to LISTEN and "this node" to ADAPTER STATUS.
func (n Name) IsWild() bool { return n[0] == '*' }

// String writes the name so that text and bytes map one to one, with its suffix always: CHAT<20>. Padding spaces are
// left out; a backslash and every byte outside 0x20-0x7E is written \xHH, so that no name from the wire can move a
// cursor. [Wildcard] is written as a bare asterisk.
func (n Name) String() string {
	if n == Wildcard {
		return "*"
	}
	body := n[:NameLen-1]
	for len(body) > 0 && body[len(body)-1] == ' ' {
		body = body[:len(body)-1]
	}
	var b strings.Builder
	b.Grow(len(body) + 4)
	for _, c := range body {
		if c < 0x20 || c > 0x7e || c == '\\' {
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('<')
	b.WriteByte(hexDigits[n.Suffix()>>4])
	b.WriteByte(hexDigits[n.Suffix()&15])
	b.WriteByte('>')
	return b.String()
}

const hexDigits = "0123456789abcdef"

// Errors of [ParseName], for callers that tell the user what the limit is.
var (
	ErrNameEmpty  = errors.New("empty name")
	ErrNameLong   = fmt.Errorf("name is longer than %d bytes", NameLen-1)
	ErrNameEscape = errors.New(`escape is not \xHH with two hexadecimal digits`)
	ErrNameSuffix = errors.New("suffix is not two hexadecimal digits in angle brackets, such as <1d>")
)

// ParseName reads what [Name.String] writes, and names without a suffix, which get [DefaultSuffix]. A bare "*" is
// [Wildcard].
func ParseName(s string) (Name, error) {
	if s == "*" {
		return Wildcard, nil
	}
	text, suffix := s, byte(DefaultSuffix)
	if i := strings.LastIndexByte(s, '<'); i >= 0 && strings.HasSuffix(s, ">") {
		hex := s[i+1 : len(s)-1]
		if len(hex) != 2 || !isHex(hex[0]) || !isHex(hex[1]) {
			return Name{}, ErrNameSuffix
		}
		text, suffix = s[:i], unhex(hex[0])<<4|unhex(hex[1])
	} else if s == "" {
		return Name{}, ErrNameEmpty
	}
	var buf [NameLen - 1]byte
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			if i+3 >= len(text) || text[i+1] != 'x' || !isHex(text[i+2]) || !isHex(text[i+3]) {
				return Name{}, ErrNameEscape
			}
			c = unhex(text[i+2])<<4 | unhex(text[i+3])
			i += 3
		}
		if n == len(buf) {
			return Name{}, ErrNameLong
		}
		buf[n] = c
		n++
	}
	return MakeName(string(buf[:n]), suffix)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
