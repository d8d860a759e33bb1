// SPDX-License-Identifier: MIT

package scenario

import (
	"strconv"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// oneOf takes one of a few words.
func (p *parser) oneOf(what string, known []string) string {
	t := p.take()
	if t.kind != word || !isOneOf(t.text, known) {
		if t.kind == word {
			p.failAt(t, "unknown %s %s%s", what, t.source(), suggestion(t.text, known))
		} else {
			p.failAt(t, "want %s, got %s", oneOf(known), t.source())
		}
		return ""
	}
	return t.text
}

// newWord takes the name of a node or a label, which must be [a-z][a-z0-9-]* and no word of the grammar.
func (p *parser) newWord(what string) string {
	t := p.take()
	switch {
	case t.kind != word:
		p.failAt(t, "want a %s, got %s", what, t.source())
	case !isLabel(t.text):
		p.failAt(t, "%s %s: want a lower-case letter, then lower-case letters, digits and -", what, t.source())
	case len(t.text) > maxWord:
		p.failAt(t, "%s of %d bytes, at most %d", what, len(t.text), maxWord)
	case reserved(t.text), what == "node" && beginsLines(t.text):
		p.failAt(t, "%s %s: the word is reserved", what, t.source())
	default:
		return t.text
	}
	return ""
}

// isLabel reports whether s is [a-z][a-z0-9-]*.
func isLabel(s string) bool {
	return isIdentifier(s) && 'a' <= s[0] && s[0] <= 'z' && strings.ToLower(s) == s
}

func (p *parser) find(name string) (int, bool) {
	for i := range p.s.Nodes {
		if p.s.Nodes[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// name takes a NetBIOS name.
func (p *parser) name(what string) netbios.Name {
	t := p.peek()
	text := t.text
	switch {
	case t.kind == quoted:
		var bad int
		if text, bad = nameSource(t.text); bad >= 0 {
			p.fail(Pos{p.line, t.col + 1 + bad}, 1, `bad escape: want \\, \", \n, \t, \r or \xHH`)
			return netbios.Name{}
		}
	case t.kind != word || reserved(t.text):
		hint := ""
		if t.kind == word {
			hint = " (quote it if it is meant as a name)"
		}
		p.failAt(t, "want %s, got %s%s", what, t.source(), hint)
		return netbios.Name{}
	}
	n, err := netbios.ParseName(text)
	if err != nil {
		p.failAt(t, "%s: %s", t.source(), err)
		return netbios.Name{}
	}
	p.next++
	return n
}

// nameSource turns the escapes of a quoted name into those of a bare one.
func nameSource(s string) (string, int) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, -1
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		length := 2
		if strings.HasPrefix(s[i:], `\x`) {
			length = 4
		}
		c, bad := unquote(s[i:min(i+length, len(s))])
		if bad >= 0 {
			return "", i
		}
		b.WriteString(`\x` + hex(uint16(c[0])))
		i += length - 1
	}
	return b.String(), -1
}

// nameFollows reports whether the next token can only be a name.
func (p *parser) nameFollows() bool {
	t := p.peek()
	return t.kind == quoted || t.kind == word && !reserved(t.text)
}

// bytes takes a string.
func (p *parser) bytes(what string) []byte {
	t := p.take()
	if t.kind != quoted {
		p.failAt(t, "want %s, got %s", what, t.source())
		return nil
	}
	b, bad := unquote(t.text)
	if bad >= 0 {
		p.fail(Pos{p.line, t.col + 1 + bad}, 1, `bad escape: want \\, \", \n, \t, \r or \xHH`)
	}
	return b
}

func (p *parser) text(what string) string { return string(p.bytes(what)) }

// nodeRef takes the name of a node.
func (p *parser) nodeRef() int {
	t := p.take()
	if t.kind != word {
		p.failAt(t, "want a node, got %s", t.source())
		return 0
	}
	node, ok := p.find(t.text)
	if !ok {
		p.failAt(t, "unknown node %s%s", t.source(), suggestion(t.text, p.nodeNames()))
		return 0
	}
	p.used[node] = true
	return node
}

// destination takes the name of a node or "all".
func (p *parser) destination() int {
	if p.keyword("all") {
		return Everybody
	}
	return p.nodeRef()
}

// number takes a decimal number.
func (p *parser) number(what string, low, high int) int {
	t := p.take()
	n, err := strconv.ParseUint(t.text, 10, 31)
	if t.kind != word || err != nil || int(n) < low || int(n) > high {
		p.failAt(t, "%s: want a number from %d to %d, got %s", what, low, high, t.source())
		return low
	}
	return int(n)
}

// hexNumber takes a number of at most so many hexadecimal digits after 0x.
func (p *parser) hexNumber(what string, digits int) int {
	t := p.take()
	text, ok := strings.CutPrefix(t.text, "0x")
	n, err := strconv.ParseUint(text, 16, 31)
	if t.kind != word || !ok || err != nil || len(text) > digits {
		p.failAt(t, "%s: want 0x%s, got %s", what, strings.Repeat("N", digits), t.source())
		return 0
	}
	return int(n)
}

// duration takes a time, and a positive one where zero would mean none.
func (p *parser) duration(what string, least time.Duration) time.Duration {
	t := p.take()
	d, err := time.ParseDuration(t.text)
	if t.kind != word || err != nil || d < 0 || t.text[0] == '-' || t.text[0] == '+' {
		p.failAt(t, "%s: want a duration such as 250ms, 1s or 2m, got %s", what, t.source())
		return 0
	}
	if d < least || d > maxWait {
		p.failAt(t, "%s: want a duration from %s to %s, got %s", what, durationText(least), durationText(maxWait), t.source())
	}
	return d
}
