// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// allowance is an entry of the committed list: a mutant that may survive, and why.
type allowance struct {
	key
	line   int // in the list
	reason string
}

// parseSurvivors reads the committed list. An entry is a key as [key.String] writes it, on a line of its own; the reason is
// on the indented lines below it. A line that begins with # is a comment.
func parseSurvivors(name, text string) ([]allowance, error) {
	var list []allowance
	n := 0
	fail := func(what string) ([]allowance, error) {
		return nil, fmt.Errorf("mutants: %s:%d: %s", name, n, what)
	}
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if len(list) == 0 {
				return fail("a reason without a mutant above it")
			}
			last := &list[len(list)-1]
			last.reason = strings.TrimSpace(last.reason + " " + strings.TrimSpace(line))
		default:
			if len(list) > 0 && list[len(list)-1].reason == "" {
				n = list[len(list)-1].line
				return fail("no reason why this mutant may live: write it on indented lines below")
			}
			k, err := parseKey(line)
			if err != nil {
				return fail(err.Error())
			}
			list = append(list, allowance{key: k, line: n})
		}
	}
	if len(list) > 0 && list[len(list)-1].reason == "" {
		n = list[len(list)-1].line
		return fail("no reason why this mutant may live: write it on indented lines below")
	}
	return list, nil
}

// String writes the key as the committed list has it: file, function, kind, the marked statement, and #2 for the second of
// the same in one function.
func (k key) String() string {
	s := fmt.Sprintf("%s %s %s %s", k.File, k.Func, k.Kind, quote(k.Text))
	if k.Nth > 1 {
		s += fmt.Sprintf(" #%d", k.Nth)
	}
	return s
}

func quote(s string) string {
	if strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func parseKey(line string) (key, error) {
	const form = "want: FILE FUNCTION KIND `STATEMENT` and #N for a repeated one"
	words := strings.SplitN(line, " ", 4)
	if len(words) < 4 {
		return key{}, fmt.Errorf("got %q, %s", line, form)
	}
	quoted, err := strconv.QuotedPrefix(words[3])
	if err != nil {
		return key{}, fmt.Errorf("got %q for the statement, %s", words[3], form)
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return key{}, fmt.Errorf("got %q for the statement, %s", words[3], form)
	}
	k := key{File: words[0], Func: words[1], Kind: kind(words[2]), Text: text, Nth: 1}
	if rest := strings.TrimSpace(words[3][len(quoted):]); rest != "" {
		number, isNumber := strings.CutPrefix(rest, "#")
		if k.Nth, err = strconv.Atoi(number); err != nil || !isNumber || k.Nth < 2 {
			return key{}, fmt.Errorf("got %q behind the statement, %s", rest, form)
		}
	}
	return k, nil
}
