// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of a file, checked before anything is built from what exceeds them.
const (
	maxFile         = 1 << 20 // bytes
	maxLine         = 4 << 10 // bytes
	maxLines        = 100_000 // so that there are no more steps and expectations either
	maxNodes        = 64
	maxTimes        = 100_000 // of a case: steps with their repetitions; of a clause: frames
	maxAlternatives = 32      // of one expectation
	maxWord         = 32      // bytes of a node's name or a label
	maxTitle        = 100     // bytes of a case's title, which becomes a folder's name
	maxWait         = 24 * time.Hour
)

// Parse reads a scenario. Path is used in messages and, without folder and extension, as the scenario's name; src is the
// bytes of the file. The first mistake found is returned as an [*Error].
func Parse(path string, src []byte) (*Scenario, error) {
	p := parser{s: &Scenario{Name: baseName(path), Path: path}, labels: map[string]label{}}
	p.file(src)
	if p.err != nil {
		return nil, p.err
	}
	return p.s, nil
}

// baseName cuts folders and the extension off a path.
func baseName(path string) string {
	name := path[strings.LastIndexAny(path, `/\`)+1:]
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	return name
}

// parser reads a file line by line. After the first mistake it finds nothing but the end of the line, so that the methods
// below need not ask after each word.
type parser struct {
	s   *Scenario
	err *Error

	line    int
	tokens  []token // of the line
	next    int
	comment string // of the line
	of      token  // the label that the step is about

	bugNode  token // resolved when the nodes are known
	bugLine  int
	wins     []winsRef
	started  bool // by the first case or step, which ends the header
	titled   bool // the file has cases
	used     [maxNodes]bool
	slugs    map[string]bool
	labels   map[string]label // of the case
	times    int              // steps of the case with their repetitions
	earliest time.Duration    // that the case can have reached
	stated   bool             // the step's own return code
	headline Pos              // of the case; zero when it has none yet
	triggers int              // of the case
	begun    bool             // by a comment or a statement: no opening comment can follow
	size     int              // bytes of the canonical form without padding
}

// winsRef is the name server of a node, resolved when the nodes are known.
type winsRef struct {
	node, line int
	server     token
}

// label is what a step's "as" named.
type label struct {
	node    int
	verb    Verb
	trigger bool
}

func (p *parser) file(src []byte) {
	if len(src) > maxFile {
		p.fail(Pos{1, 1}, 1, "file of %d bytes, at most %d can be read", len(src), maxFile)
		return
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	p.s.source = text
	for text != "" && p.err == nil {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		p.line++
		p.statement(strings.TrimSuffix(line, "\r"))
	}
	if p.err == nil {
		p.finish()
	}
}

// fail records the first mistake, and ends the line.
func (p *parser) fail(pos Pos, width int, format string, args ...any) {
	if p.err == nil {
		p.err = errorAt(p.s.Path, p.s.source, pos, width, fmt.Sprintf(format, args...))
	}
	p.tokens, p.next = p.tokens[:0], 0
}

func (p *parser) failAt(t token, format string, args ...any) {
	p.fail(p.pos(t), max(t.width, 1), format, args...)
}

func (p *parser) pos(t token) Pos { return Pos{p.line, t.col} }

// peek returns the token that is next, peekAfter the one behind it.
func (p *parser) peek() token { return p.tokenAt(p.next) }

func (p *parser) peekAfter(n int) token { return p.tokenAt(p.next + n) }

func (p *parser) tokenAt(i int) token {
	if i < len(p.tokens) {
		return p.tokens[i]
	}
	t := token{kind: end, col: 1}
	if n := len(p.tokens); n > 0 {
		t.col = p.tokens[n-1].col + p.tokens[n-1].width
	}
	return t
}

func (p *parser) take() token {
	t := p.peek()
	if t.kind != end {
		p.next++
	}
	return t
}

func (p *parser) done() bool { return p.peek().kind == end }

// keyword takes the next token if it is this word.
func (p *parser) keyword(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.next++
	return true
}

// option takes the next token if it is this word, which may stand once.
func (p *parser) option(text string, given *bool) bool {
	t := p.peek()
	if !t.is(text) {
		return false
	}
	if *given {
		p.failAt(t, "%q is stated twice", text)
		return false
	}
	*given = true
	p.next++
	return true
}

// expect takes a word that must be there.
func (p *parser) expect(text string) {
	if t := p.peek(); !p.keyword(text) {
		p.failAt(t, "want %q, got %s", text, t.source())
	}
}

// endOfLine makes sure that nothing follows.
func (p *parser) endOfLine(use string) {
	if t := p.peek(); t.kind != end {
		p.failAt(t, "unexpected %s: want %s", t.source(), use)
	}
}

// missing complains that the line ends, or goes on with something else, where an argument must stand.
func (p *parser) missing(what, use string) {
	t := p.peek()
	p.failAt(t, "want %s, got %s: %s", what, t.source(), use)
}

// statement reads one line.
func (p *parser) statement(line string) {
	switch {
	case p.line > maxLines:
		p.fail(Pos{p.line, 1}, 1, "more than %d lines", maxLines)
		return
	case len(line) > maxLine:
		p.fail(Pos{p.line, maxLine + 1}, 1, "line of %d bytes, at most %d can be read", len(line), maxLine)
		return
	}
	if p.lex(line); p.err != nil {
		return
	}
	if len(p.tokens) == 0 {
		p.remark()
		return
	}
	p.begun = true
	written := p.meaning()
	if p.comment != "" {
		p.s.remarks = append(p.s.remarks, remark{line: p.line, text: p.comment, trailing: true})
		written += 1 + len(p.comment)
	}
	p.measure(written)
}

// remark keeps a blank line or one with nothing but a comment.
func (p *parser) remark() {
	if p.comment != "" && !p.begun {
		p.s.Title = strings.TrimSpace(strings.TrimLeft(p.comment, "#"))
		p.begun = true
	}
	if n := len(p.s.remarks); p.comment == "" && n > 0 && p.s.remarks[n-1] == (remark{line: p.line - 1}) {
		p.s.remarks[n-1].line = p.line // one blank line stands for many
		return
	}
	p.s.remarks = append(p.s.remarks, remark{line: p.line, text: p.comment})
	p.measure(len(p.comment))
}

// measure makes sure that what Format writes can be read again, by the length of the line it writes without padding.
func (p *parser) measure(written int) {
	p.size += written + 1
	switch {
	case written > maxLine:
		p.fail(Pos{p.line, 1}, 1, "line of %d bytes in canonical form, at most %d can be read", written, maxLine)
	case p.size > maxFile:
		p.fail(Pos{p.line, 1}, 1, "file of more than %d bytes in canonical form", maxFile)
	}
}

// meaning reads a line that states something. It returns the length of its canonical form.
func (p *parser) meaning() int {
	t := p.take()
	switch {
	case t.kind == arrow:
		return p.expectation(t)
	case t.kind != word:
		p.failAt(t, "unexpected %s: a line begins with a node, \"->\" or one of %s", t.source(),
			strings.Join(slices.Concat(headerWords, networkWords), ", "))
		return 0
	}
	switch t.text {
	case "bug", "against":
		return p.bug(t)
	case "cure":
		return p.cure(t)
	case "control":
		return p.control(t)
	case "profile":
		return p.profile(t)
	case "node":
		return p.node(t)
	case "case":
		return p.caseLine(t)
	case "lan", "after", "at":
		return p.step(t, LAN)
	}
	node, ok := p.find(t.text)
	switch {
	case !ok:
		p.failAt(t, "unknown node or statement %s%s", t.source(), suggestion(t.text, p.lineWords()))
		return 0
	case p.keyword("knows"):
		return p.knows(t, node)
	}
	return p.step(t, node)
}

func (p *parser) lineWords() []string {
	return slices.Concat(p.nodeNames(), headerWords, networkWords)
}

func (p *parser) nodeNames() []string {
	var names []string
	for i := range p.s.Nodes {
		names = append(names, p.s.Nodes[i].Name)
	}
	return names
}
