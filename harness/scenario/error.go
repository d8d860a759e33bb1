// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"strings"
)

// Error is a mistake in a scenario file, with its place.
type Error struct {
	Path  string
	Pos   Pos
	Line  string // the offending line of the source
	Width int    // of the offending words in bytes, at least 1
	Msg   string
}

// NewError returns an error at a place of a parsed scenario, for mistakes that only its user can see, such as a bug
// that no registry knows.
func NewError(s *Scenario, pos Pos, msg string) *Error {
	return errorAt(s.Path, s.source, pos, 0, msg)
}

// errorAt makes the error; a width of 0 means that of the word at pos.
func errorAt(path, source string, pos Pos, width int, msg string) *Error {
	line := lineOf(source, pos.Line)
	if width == 0 {
		width = 1
		if pos.Col >= 1 && pos.Col <= len(line) {
			width = max(1, wordLen(line[pos.Col-1:]))
		}
	}
	return &Error{Path: path, Pos: pos, Line: line[:min(len(line), maxLine)], Width: width, Msg: msg}
}

// lineOf returns line n of the source, without its end; n counts from 1.
func lineOf(source string, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(source, '\n')
		if i < 0 {
			return ""
		}
		source = source[i+1:]
	}
	line, _, _ := strings.Cut(source, "\n")
	return strings.TrimSuffix(line, "\r")
}

// Error says where and what, in one line of printable ASCII: q.scenario:12:5: unknown verb "ad-name": did you mean
// add-name?
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", printable(e.Path), e.Pos.Line, e.Pos.Col, printable(e.Msg))
}

// detailWidth is the number of columns that Detail shows of a long line.
const detailWidth = 120

// Detail adds to Error the offending line and, below it, a mark under the offending words. A byte that is not printable
// ASCII is written \xHH, a tab as one space; of a long line the part around the mark is shown.
func (e *Error) Detail() string {
	from := min(max(e.Pos.Col-1, 0), len(e.Line))
	to := min(from+max(e.Width, 1), len(e.Line))
	before, marked, after := printable(e.Line[:from]), printable(e.Line[from:to]), printable(e.Line[to:])
	if cut := len(before) - detailWidth/2; cut > 0 && len(before)+len(marked)+len(after) > detailWidth {
		before = "..." + before[cut:]
	}
	room := max(detailWidth-len(before), 1)
	if len(marked) > room {
		marked, after = marked[:room]+"...", ""
	} else if room -= len(marked); len(after) > room {
		after = after[:room] + "..."
	}
	return e.Error() + "\n    " + before + marked + after +
		"\n    " + strings.Repeat(" ", len(before)) + strings.Repeat("^", max(len(marked), 1))
}

// printable writes a tab as a space and every other byte outside 0x20-0x7E as \xHH.
func printable(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\t':
			b.WriteByte(' ')
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
