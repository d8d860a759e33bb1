// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	end tokenKind = iota // of the line
	arrow
	word
	quoted
	comma
	bar
)

type token struct {
	kind  tokenKind
	text  string // word: as written; quoted: what stands between the quotes, escapes and all
	col   int    // from 1, in bytes
	width int
}

// is reports whether the token is this bare word.
func (t token) is(text string) bool { return t.kind == word && t.text == text }

// source is the token as a person wrote it, for messages.
func (t token) source() string {
	switch t.kind {
	case end:
		return "the end of the line"
	case arrow:
		return `"->"`
	case comma:
		return `","`
	case bar:
		return `"|"`
	case word, quoted:
	}
	if len(t.text) > 40 {
		return `"` + t.text[:40] + `..."`
	}
	return `"` + t.text + `"`
}

// isDelimiter reports whether a byte ends a bare word.
func isDelimiter(c byte) bool {
	return c == ' ' || c == '\t' || c == '"' || c == '#' || c == ',' || c == '|'
}

// wordLen is the length of the word, or of the string, at the beginning of s.
func wordLen(s string) int {
	if s != "" && s[0] == '"' {
		n, _ := stringLen(s)
		return n
	}
	for i := range len(s) {
		if isDelimiter(s[i]) {
			return i
		}
	}
	return len(s)
}

// stringLen is the length of the string at the beginning of s with its quotes; when no quote ends it, all of s.
func stringLen(s string) (n int, closed bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1, true
		case '\\':
			i++
		}
	}
	return len(s), false
}

// lex splits a line into tokens, and checks that each character may stand where it does.
func (p *parser) lex(line string) {
	p.tokens, p.next, p.comment = p.tokens[:0], 0, ""
	for i := 0; i < len(line); {
		t := token{col: i + 1, width: 1}
		switch c := line[i]; {
		case c == ' ' || c == '\t':
			i++
			continue
		case c == '#':
			p.checkText(line, i, len(line))
			p.comment = strings.TrimRight(line[i:], " \t")
			return
		case c == '"':
			var closed bool
			t.kind = quoted
			t.width, closed = stringLen(line[i:])
			if p.checkText(line, i, i+t.width); p.err != nil {
				return
			}
			if !closed {
				p.fail(Pos{p.line, i + 1}, t.width, `string without its closing quote`)
				return
			}
			t.text = line[i+1 : i+t.width-1]
		case c == ',':
			t.kind = comma
		case c == '|':
			t.kind = bar
		case len(p.tokens) == 0 && strings.HasPrefix(line[i:], "->"):
			t.kind, t.width = arrow, 2
		default:
			t.kind, t.width = word, wordLen(line[i:])
			t.text = line[i : i+t.width]
			for j := i; j < i+t.width; j++ {
				if line[j] <= ' ' || line[j] > '~' {
					p.refuseCharacter(line, j)
					return
				}
			}
		}
		p.tokens = append(p.tokens, t)
		i += t.width
	}
}

// checkText refuses, in a string or a comment, what is not printable text: a reader must see what is there.
func (p *parser) checkText(line string, from, to int) {
	for i := from; i < to; {
		if c := line[i]; c < utf8.RuneSelf {
			if c < ' ' && c != '\t' || c == 0x7f {
				p.refuseCharacter(line, i)
				return
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(line[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			p.refuseCharacter(line, i)
			return
		}
		i += size
	}
}

func (p *parser) refuseCharacter(line string, i int) {
	r, size := utf8.DecodeRuneInString(line[i:])
	var msg string
	switch {
	case r == utf8.RuneError && size == 1:
		msg = fmt.Sprintf(`byte \x%02x is not UTF-8; in a string write it as an escape`, line[i])
	case r < utf8.RuneSelf:
		msg = fmt.Sprintf(`control character \x%02x; in a string write it as an escape`, r)
	case 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c:
		msg = fmt.Sprintf("control character U+%04X changes the direction of writing", r)
	case !unicode.IsPrint(r):
		msg = fmt.Sprintf("invisible character U+%04X", r)
	default:
		msg = fmt.Sprintf(`character U+%04X outside strings and comments; names may be quoted or use \xHH`, r)
	}
	p.fail(Pos{p.line, i + 1}, size, "%s", msg)
}

// unquote reads the escapes of a string. It returns the offset of the first bad one, or -1.
func unquote(s string) (b []byte, bad int) {
	if s == "" {
		return nil, -1
	}
	b = make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' {
			b = append(b, c)
			continue
		}
		start := i
		if i++; i == len(s) {
			return nil, start
		}
		switch s[i] {
		case '\\', '"':
			b = append(b, s[i])
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'r':
			b = append(b, '\r')
		case 'x':
			v, ok := hexByte(s[i+1:])
			if !ok {
				return nil, start
			}
			b = append(b, v)
			i += 2
		default:
			return nil, start
		}
	}
	return b, -1
}

// hexByte reads two hexadecimal digits.
func hexByte(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	high, low := strings.IndexByte(hexDigits, lower(s[0])), strings.IndexByte(hexDigits, lower(s[1]))
	return byte(high<<4 | low), high >= 0 && low >= 0
}

const hexDigits = "0123456789abcdef"

func lower(c byte) byte {
	if 'A' <= c && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}
