// SPDX-License-Identifier: MIT

package scenario

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

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
	if p.err == nil && (model.kind != word || !isModel(model.text)) {
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
	var names, sessions, profile, nameServer, typed, wins bool
	more := 0 // bytes of the canonical form
	for p.err == nil && !p.done() {
		switch {
		case p.option("names", &names):
			n.Limits.Names = p.number("names", 1, netbios.MaxNames)
		case p.option("sessions", &sessions):
			n.Limits.Sessions = p.number("sessions", 1, netbios.MaxSessions)
		case p.option("profile", &profile):
			n.Profile = p.oneOf("profile", profiles)
		case p.option("nameserver", &nameServer):
			n.NameServer = true
		case p.option("type", &typed):
			if n.Type = p.oneOf("type", nodeTypes); n.Type == nodeTypes[0] {
				n.Type = ""
			}
		case p.option("wins", &wins):
			more = p.winsOf(len(p.s.Nodes))
		default:
			p.endOfLine(nodeUse)
		}
	}
	switch {
	case n.Type != "" && !wins:
		p.failAt(name, "a node of type %s needs a name server: write wins NODE", n.Type)
	case n.Type == "" && wins:
		p.failAt(name, "a B node has no name server: write type p, m or h")
	}
	p.s.Nodes = append(p.s.Nodes, n)
	return more + len(nodeCells(nil, &n, "").text())
}

const nodeUse = "node NAME ADDRESS/LENGTH [nameserver] [type b|p|m|h] [wins NODE] [names N] [sessions N] [profile P]"

// winsOf takes the node whose name server a node has, which may be declared later. It returns the length of what a node
// with one has in addition.
func (p *parser) winsOf(node int) int {
	t := p.take()
	if t.kind != word {
		p.failAt(t, "want the node that is the name server, got %s", t.source())
	}
	p.wins = append(p.wins, winsRef{node, p.line, t})
	return len(" type p wins ") + len(t.text)
}

func beginsLines(word string) bool {
	return isOneOf(word, headerWords) || isOneOf(word, networkWords)
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
	p.findServers()
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

// findServers resolves the name servers of the nodes.
func (p *parser) findServers() {
	for _, w := range p.wins {
		server, ok := p.find(w.server.text)
		at := Pos{w.line, w.server.col}
		switch {
		case !ok:
			p.fail(at, w.server.width, "unknown node %s%s", w.server.source(), suggestion(w.server.text, p.nodeNames()))
		case server == w.node:
			p.fail(at, w.server.width, "node %s cannot be its own name server's client", w.server.source())
		}
		p.s.Nodes[w.node].Wins = server
		p.used[server] = true
	}
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
