// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/netbios"
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
	started  bool // by the first case or step, which ends the header
	titled   bool // the file has cases
	used     [maxNodes]bool
	slugs    map[string]bool
	labels   map[string]label // of the case
	times    int              // calls of the case
	earliest time.Duration    // that the case can have reached
	stated   bool             // the step's own return code
	headline Pos              // of the case; zero when it has none yet
	triggers int              // of the case
	begun    bool             // by a comment or a statement: no opening comment can follow
	size     int              // bytes of the canonical form without padding
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

// inHeader makes sure that a header statement stands before the first case or step, and only once.
func (p *parser) inHeader(t token, given bool) {
	switch {
	case p.started:
		p.failAt(t, "%q must stand before the first case or step", t.text)
	case given:
		p.failAt(t, "%q is stated twice", t.text)
	}
}

func (p *parser) bug(t token) int {
	if s := p.s; s.Bug.Model != "" && s.Against != (t.text == "against") {
		p.failAt(t, `"bug" and "against" exclude each other`)
	}
	p.inHeader(t, p.s.Bug.Model != "")
	model := p.model()
	if p.err == nil && !isModel(model.text) {
		p.failAt(model, "want a bug such as Q124565 or Q124565:count=once, got %s", model.source())
	}
	p.expect("in")
	p.bugNode = p.take()
	if p.err == nil && p.bugNode.kind != word {
		p.failAt(p.bugNode, "want the node that has the bug, got %s", p.bugNode.source())
	}
	p.endOfLine(t.text + " BUG in NODE")
	p.s.Bug = Bug{Pos: p.pos(model), Model: model.text}
	p.s.Against = t.text == "against"
	p.bugLine = p.line
	return len(t.text) + len(model.text) + len(p.bugNode.text) + 5
}

// model takes all up to the next space as one word: unlike others, a bug may have commas in it.
func (p *parser) model() token {
	t := p.take()
	if t.kind != word {
		return t
	}
	for more := p.peek(); more.col == t.col+t.width && (more.kind == word || more.kind == comma); more = p.peek() {
		p.next++
		t.width += more.width
		if more.kind == comma {
			t.text += ","
		}
		t.text += more.text
	}
	return t
}

// isModel reports whether a word has the form FAULT:knob=value,knob=value,FAULT. Which faults there are is not known here.
func isModel(s string) bool {
	knobs := false // may follow
	for i, part := range strings.Split(s, ",") {
		if fault, knob, ok := strings.Cut(part, ":"); ok {
			if !isIdentifier(fault) || !isKnob(knob) {
				return false
			}
			knobs = true
			continue
		}
		switch {
		case strings.Contains(part, "="):
			if i == 0 || !knobs || !isKnob(part) {
				return false
			}
		case !isIdentifier(part):
			return false
		default:
			knobs = false
		}
	}
	return true
}

func isKnob(s string) bool {
	knob, value, ok := strings.Cut(s, "=")
	return ok && isIdentifier(knob) && isIdentifier(value)
}

// isIdentifier reports whether s is [A-Za-z0-9][A-Za-z0-9-]*.
func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' && i > 0) {
			return false
		}
	}
	return s != ""
}

func (p *parser) cure(t token) int {
	p.inHeader(t, p.s.Cure)
	p.expect("restart")
	p.endOfLine("cure restart")
	p.s.Cure, p.s.curePos = true, p.pos(t)
	return len("cure restart")
}

func (p *parser) control(t token) int {
	p.inHeader(t, p.s.NoControl != "")
	p.expect("none")
	p.expect("because")
	why := p.peek()
	p.s.NoControl, p.s.controlPos = p.text("a reason in quotes"), p.pos(t)
	if p.err == nil && strings.TrimSpace(p.s.NoControl) == "" {
		p.failAt(why, "want a reason in quotes, got none")
	}
	p.endOfLine(`control none because "..."`)
	return len("control none because ") + len(quote(p.s.NoControl))
}

func (p *parser) profile(t token) int {
	p.inHeader(t, p.s.profile != "")
	p.s.profile, p.s.profilePos = p.oneOf("profile", profiles), p.pos(t)
	p.endOfLine("profile " + oneOf(profiles))
	return len("profile ") + len(p.s.profile)
}

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

func (p *parser) node(t token) int {
	p.inHeader(t, false)
	if len(p.s.Nodes) == maxNodes {
		p.failAt(t, "more than %d nodes", maxNodes)
	}
	n := Node{Pos: p.pos(t)}
	name := p.peek()
	n.Name = p.newWord("node")
	if _, twice := p.find(n.Name); twice && p.err == nil {
		p.failAt(name, "node %q is declared twice", n.Name)
	}
	n.Prefix = p.prefix()
	var names, sessions, profile bool
	for p.err == nil && !p.done() {
		switch {
		case p.option("names", &names):
			n.Limits.Names = p.number("names", 1, netbios.MaxNames)
		case p.option("sessions", &sessions):
			n.Limits.Sessions = p.number("sessions", 1, netbios.MaxSessions)
		case p.option("profile", &profile):
			n.Profile = p.oneOf("profile", profiles)
		default:
			p.endOfLine("node NAME ADDRESS/LENGTH [names N] [sessions N] [profile P]")
		}
	}
	p.s.Nodes = append(p.s.Nodes, n)
	return len(nodeCells(&n, "").text())
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

func beginsLines(word string) bool {
	return isOneOf(word, headerWords) || isOneOf(word, networkWords)
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

// prefix takes a node's address, which must be one that a host can have on the network of the other nodes.
func (p *parser) prefix() netip.Prefix {
	t := p.take()
	if t.kind != word {
		p.failAt(t, "want an address such as 10.0.0.10/24, got %s", t.source())
		return netip.Prefix{}
	}
	prefix, err := netip.ParsePrefix(t.text)
	if err != nil || !prefix.Addr().Is4() {
		p.failAt(t, "%s is no IPv4 address with the length of its prefix, such as 10.0.0.10/24", t.source())
		return netip.Prefix{}
	}
	if prefix.Bits() < 8 || prefix.Bits() > 30 {
		p.failAt(t, "prefix length %d: want 8 to 30", prefix.Bits())
		return netip.Prefix{}
	}
	switch host := hostBits(prefix); host {
	case 0:
		p.failAt(t, "%s is the address of the network itself", prefix.Addr())
	case 1<<(32-prefix.Bits()) - 1:
		p.failAt(t, "%s is the broadcast address of the network", prefix.Addr())
	}
	for i := range p.s.Nodes {
		switch other := &p.s.Nodes[i]; {
		case other.Prefix.Addr() == prefix.Addr():
			p.failAt(t, "%s is the address of node %s already", prefix.Addr(), other.Name)
		case other.Prefix.Masked() != prefix.Masked():
			p.failAt(t, "%s is not on the network of node %s, %s", prefix, other.Name, other.Prefix.Masked())
		}
	}
	return prefix
}

func hostBits(p netip.Prefix) uint32 {
	a := p.Addr().As4()
	return (uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])) & (1<<(32-p.Bits()) - 1)
}

func (p *parser) knows(t token, node int) int {
	k := Knows{Pos: p.pos(t), Node: node}
	if c := p.openCase(); c != nil && len(c.Steps) > 0 {
		p.failAt(t, `"knows" must stand before the first step`)
	}
	k.Name = p.name("NAME")
	p.expect("at")
	k.At = p.nodeRef()
	p.endOfLine("NODE knows NAME at NODE")
	p.used[node] = true
	if p.err != nil {
		return 0
	}
	if c := p.openCase(); c != nil {
		c.Knows = append(c.Knows, k)
	} else {
		p.s.knows = append(p.s.knows, k)
	}
	return len(knowsCells(p.s.Nodes, &k).text())
}

// openCase returns the case that lines belong to now, nil in the header.
func (p *parser) openCase() *Case {
	if len(p.s.Cases) == 0 {
		return nil
	}
	return &p.s.Cases[len(p.s.Cases)-1]
}

func (p *parser) caseLine(t token) int {
	if !p.titled && p.started {
		first := p.s.Cases[0].Steps[0].Pos
		p.fail(first, 0, "step before the first case: a file has either cases or plain steps")
	}
	p.closeCase()
	p.start()
	p.titled = true
	at := p.peek()
	title := p.text("a title in quotes")
	p.endOfLine(`case "title"`)
	if p.err != nil {
		return 0
	}
	slug := slugOf(title)
	switch {
	case len(title) > maxTitle:
		p.failAt(at, "title of %d bytes, at most %d", len(title), maxTitle)
	case slug == "":
		p.failAt(at, "a title needs a letter or a digit: a folder is named after it")
	case p.slugs[slug]:
		p.failAt(at, "another case is called %q already", slug)
	}
	if p.slugs == nil {
		p.slugs = map[string]bool{}
	}
	p.slugs[slug] = true
	p.newCase(Case{Pos: p.pos(t), Title: title, Slug: slug})
	return len("case ") + len(quote(title))
}

// slugOf makes a folder's name of a title: lower case, with one dash for every run of other characters.
func slugOf(title string) string {
	b := make([]byte, 0, len(title))
	for i := range len(title) {
		c := title[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != '-':
			b = append(b, '-')
		}
	}
	return strings.TrimSuffix(string(b), "-")
}

func (p *parser) newCase(c Case) {
	c.Knows = slices.Clone(p.s.knows)
	p.s.Cases = append(p.s.Cases, c)
	clear(p.labels)
	p.times, p.earliest, p.headline, p.triggers = 0, 0, Pos{}, 0
}

// start ends the header: from now on its nodes are known.
func (p *parser) start() {
	if p.started || p.err != nil {
		return
	}
	p.started = true
	s := p.s
	for i := range s.Nodes {
		if s.Nodes[i].Profile == "" {
			s.Nodes[i].Profile = s.defaultProfile()
		}
	}
	if !p.reproduces() {
		p.needsBug(s.curePos, "cure")
		p.needsBug(s.controlPos, "control")
	}
	if s.Bug.Model == "" {
		return
	}
	node, ok := p.find(p.bugNode.text)
	if !ok {
		p.fail(Pos{p.bugLine, p.bugNode.col}, p.bugNode.width, "unknown node %s%s", p.bugNode.source(),
			suggestion(p.bugNode.text, p.nodeNames()))
		return
	}
	s.Bug.Node = node
	p.used[node] = true
}

// reproduces reports whether the scenario is to show its bug.
func (p *parser) reproduces() bool { return p.s.Bug.Model != "" && !p.s.Against }

func (p *parser) needsBug(pos Pos, what string) {
	if pos != (Pos{}) {
		p.fail(pos, 0, "%q needs a bug to reproduce: write bug BUG in NODE", what)
	}
}

// closeCase checks what can be said only when all of a case has been read.
func (p *parser) closeCase() {
	c := p.openCase()
	if c == nil || p.err != nil {
		return
	}
	pos, what := p.s.Bug.Pos, "the scenario"
	if c.Title != "" {
		pos, what = c.Pos, "case "+quote(c.Title)
	}
	switch {
	case len(c.Steps) == 0:
		p.fail(pos, 0, "%s has no steps", what)
	case !p.reproduces():
	case p.headline == (Pos{}):
		p.fail(pos, 0, `%s has no headline: write %s! for the one symptom that the bug is known by`, what, p.s.Bug.ID())
	case p.s.NoControl == "" && p.triggers == 0:
		p.fail(pos, 0, `%s has no step marked "trigger": mark those that cause the bug, or say control none because "..."`, what)
	}
}

// finish checks what can be said only when the whole file has been read.
func (p *parser) finish() {
	p.start()
	if p.closeCase(); p.err != nil {
		return
	}
	if len(p.s.Cases) == 0 {
		p.fail(Pos{max(p.line, 1), 1}, 1, "the scenario has no steps")
		return
	}
	for i := range p.s.Nodes {
		if n := &p.s.Nodes[i]; !p.used[i] {
			p.fail(n.Pos, 0, "node %s is never used", n.Name)
			return
		}
	}
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
