// SPDX-License-Identifier: MIT

package scenario

import (
	"slices"
	"strconv"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// step reads a step; its first word has been taken. It returns the length of its canonical form.
func (p *parser) step(t token, node int) int {
	st := Step{Pos: p.pos(t), Node: node, Times: 1}
	if !p.started {
		p.start()
		p.newCase(Case{Pos: st.Pos})
	}
	if p.err != nil {
		return 0
	}
	if node == LAN {
		p.networkVerb(t, &st)
	} else {
		p.used[node] = true
		st.Verb = p.verb("verb", nodeVerbs)
	}
	if p.err == nil {
		p.arguments(&st)
	}
	if p.err == nil {
		p.checkStep(t, &st)
	}
	if p.err != nil {
		return 0
	}
	st.Text = stepCells(p.s.Nodes, &st).text()
	c := p.openCase()
	c.Steps = append(c.Steps, st)
	p.stated = false
	if st.Label != "" {
		p.labels[st.Label] = label{node: node, verb: st.Verb, trigger: st.Trigger}
	}
	return len(st.Text) + marksLen(&st)
}

// marksLen is the length of what follows a step's text, with a space before each mark.
func marksLen(st *Step) int {
	n := 0
	if marks := stepMarks(st); marks != "" {
		n += 1 + len(marks)
	}
	if st.Trigger {
		n += len(" trigger")
	}
	return n
}

func (p *parser) networkVerb(t token, st *Step) {
	switch t.text {
	case "lan":
		st.Verb = p.verb("lan verb", lanVerbs)
	case "after":
		st.Verb = After
	case "at":
		st.Verb = At
	}
}

func (p *parser) verb(what string, of func() (first, end Verb)) Verb {
	t := p.take()
	first, last := of()
	if t.kind != word {
		p.failAt(t, "want a %s, got %s: %s", what, t.source(), oneOf(verbWords(first, last)))
		return 0
	}
	v, ok := verbOf(t.text, first, last)
	if !ok {
		p.failAt(t, "unknown %s %s%s", what, t.source(), suggestion(t.text, verbWords(first, last)))
	}
	return v
}

// arguments reads what follows the verb.
func (p *parser) arguments(st *Step) {
	v := st.Verb
	switch {
	case v == Ncb:
		st.Command = uint8(p.hexNumber("command", 2))
		p.options(st)
	case v.Calls():
		p.callArguments(st)
	case v == Inject:
		st.Inject = p.packet()
	case v == Lose, v == Double, v == Delay, v == Alter:
		st.Impair = p.impairment(v)
	case v == After, v == At:
		st.Wait = p.duration(v.String(), 0)
	}
	p.marks(st)
}

// callArguments reads the arguments of a verb that submits an NCB.
func (p *parser) callArguments(st *Step) {
	v := verbs[st.Verb]
	st.Size, st.Async = v.size, st.Verb.stands()
	if st.Verb == Listen {
		st.From = netbios.Wildcard
	}
	switch {
	case v.form&needsLabel != 0:
		st.Of = p.labelRef(st)
	case v.form&needsName != 0:
		st.Name = p.name("NAME")
	case v.form&mayName != 0:
		st.Name = netbios.Wildcard
		if p.nameFollows() {
			st.Name = p.name("NAME")
		}
	}
	p.options(st)
}

// options reads a call's other arguments, in any order.
func (p *parser) options(st *Step) {
	v := verbs[st.Verb]
	var from, size, as, payload bool
	for !p.atMarks() {
		switch t := p.peek(); {
		case v.form&(needsFrom|mayFrom) != 0 && p.option("from", &from):
			st.From = p.name("NAME")
		case v.size != 0 && p.option("size", &size):
			st.Size = p.number("size", 0, 0xffff)
		case p.option("as", &as):
			st.Label = p.newLabel()
		case v.form&needsPayload != 0 && !payload && t.kind == quoted:
			st.Payload, payload = p.bytes("a payload"), true
		default:
			p.endOfLine(st.Verb.use())
		}
	}
	switch {
	case v.form&needsFrom != 0 && !from:
		p.missing(`"from"`, st.Verb.use())
	case v.form&needsPayload != 0 && !payload:
		p.missing("a payload in quotes", st.Verb.use())
	}
}

// atMarks reports whether the arguments of a step are at their end.
func (p *parser) atMarks() bool {
	t := p.peek()
	return t.kind == end || t.is("&") || t.is("trigger") || t.kind == word && isTimes(t.text)
}

// marks reads the marks at the end of a step, in any order.
func (p *parser) marks(st *Step) {
	var times, async bool
	for !p.done() {
		switch t := p.peek(); {
		case p.option("trigger", &st.Trigger):
			p.checkTrigger(t)
		case !st.Verb.Calls():
			p.endOfLine(st.Verb.use())
		case t.kind == word && isTimes(t.text):
			if st.Times = p.count(&times); st.Times > 1 && st.Label != "" {
				p.failAt(t, "a labelled call cannot be repeated: the label names one call")
			}
		case p.option("&", &async):
			st.Async = true
		default:
			p.endOfLine(st.Verb.use())
		}
	}
}

// count takes xN, which may stand once.
func (p *parser) count(given *bool) int {
	t := p.take()
	if *given {
		p.failAt(t, "%s: the number is stated twice", t.text)
		return 1
	}
	*given = true
	n, err := strconv.ParseUint(t.text[1:], 10, 31)
	if err != nil || n < 1 || n > maxTimes {
		p.failAt(t, "%s: want x1 to x%d", t.text, maxTimes)
		return 1
	}
	return int(n)
}

// newLabel takes a label that no step of the case has yet.
func (p *parser) newLabel() string {
	t := p.peek()
	name := p.newWord("label")
	if _, twice := p.labels[name]; twice && p.err == nil {
		p.failAt(t, "label %q is given twice in this case", name)
	}
	return name
}

// labelRef takes the label that a step is about.
func (p *parser) labelRef(st *Step) string {
	t := p.take()
	p.of = t
	if t.kind != word || reserved(t.text) {
		p.failAt(t, "want a LABEL, got %s: %s", t.source(), st.Verb.use())
		return ""
	}
	l, ok := p.labels[t.text]
	switch {
	case !ok:
		p.failAt(t, "no step before this one has the label %s%s", t.source(), suggestion(t.text, p.labelNames()))
	case l.node != st.Node:
		p.failAt(t, "label %q is of a call on %s, not on %s", t.text, p.s.Nodes[l.node].Name, p.s.Nodes[st.Node].Name)
	case st.Verb != Cancel && !l.verb.opens():
		p.failAt(t, "label %q is of %s: want that of a session, of call or listen", t.text, l.verb)
	}
	return t.text
}

// labelNames lists the labels of the case.
func (p *parser) labelNames() []string {
	var names []string
	for name := range p.labels {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// packet reads what inject puts on the wire.
func (p *parser) packet() Packet {
	t := p.take()
	kind, ok := ParseKind(t.text)
	switch {
	case t.kind != word:
		p.failAt(t, "want a kind of packet, got %s: %s", t.source(), Inject.use())
	case !ok:
		p.failAt(t, "unknown kind of packet %s%s", t.source(), suggestion(t.text, kindWords(true)))
	case !kinds[kind].inject:
		p.failAt(t, "%s cannot be injected: want %s", t.text, oneOf(kindWords(true)))
	}
	if p.err != nil {
		return Packet{}
	}
	pkt, k := Packet{Kind: kind}, kinds[kind]
	var to, from, payload, id, port bool
	switch {
	case kind == Bytes:
		pkt.Payload, payload = p.bytes("the bytes in quotes"), true
	case k.name == requires:
		pkt.Name = p.name("NAME")
	case k.name == allows:
		pkt.Name = netbios.Wildcard
		if p.nameFollows() {
			pkt.Name = p.name("NAME")
		}
	case kind == Broadcast:
		pkt.Name = netbios.Wildcard
	}
	for !p.atMarks() {
		switch t := p.peek(); {
		case p.option("to", &to):
			pkt.To = p.destination()
		case k.data && p.option("from", &from):
			pkt.From = p.name("NAME")
		case k.data && !payload && t.kind == quoted:
			pkt.Payload, payload = p.bytes("a payload"), true
		case kind != Bytes && p.option("id", &id):
			pkt.ID = uint16(p.identifier())
		case kind == Bytes && p.option("port", &port):
			pkt.Port = uint16(p.number("port", 1, 0xffff))
		default:
			p.endOfLine(injectUse(kind))
		}
	}
	switch {
	case !to:
		p.missing(`"to"`, injectUse(kind))
	case k.data && !from:
		p.missing(`"from"`, injectUse(kind))
	case kind == Bytes && !port:
		p.missing(`"port"`, injectUse(kind))
	}
	return pkt
}

// identifier takes a 16-bit identifier, as Wireshark shows it or in decimal.
func (p *parser) identifier() int {
	if t := p.peek(); t.kind == word && len(t.text) > 1 && t.text[1] == 'x' {
		return p.hexNumber("id", 4)
	}
	return p.number("id", 0, 0xffff)
}

// injectUse tells how a packet of a kind is written.
func injectUse(kind Kind) string {
	k := kinds[kind]
	use := "inject " + k.word
	switch {
	case kind == Bytes:
		return use + ` "..." to NODE|all port N`
	case k.name == requires:
		use += " NAME"
	case k.name == allows:
		use += " [NAME]"
	}
	use += " to NODE|all"
	if k.data {
		use += ` from NAME ["payload"]`
	}
	return use + " [id N]"
}

// impairment reads what lan does to frames.
func (p *parser) impairment(v Verb) Impairment {
	m, im := p.frames(), Impairment{}
	m.Counted, m.Count = true, 1
	var from, to, times, by, at bool
	for !p.done() && !p.peek().is("trigger") {
		switch t := p.peek(); {
		case p.option("from", &from):
			m.From = p.nodeRef()
		case p.option("to", &to):
			m.To = p.destination()
		case t.kind == word && isTimes(t.text):
			m.Count = p.count(&times)
		case v == Delay && p.option("by", &by):
			im.By = p.duration("by", 0)
		case v == Alter && p.option("byte", &at):
			im.Byte = p.number("byte", 0, 0xffff)
			im.Value = uint8(p.hexNumber("value", 2))
		default:
			p.endOfLine(v.use())
		}
	}
	switch {
	case v == Delay && !by:
		p.missing(`"by"`, v.use())
	case v == Alter && !at:
		p.missing(`"byte"`, v.use())
	}
	im.Match = m
	return im
}

// frames reads the kind, and the name, of a pattern.
func (p *parser) frames() Pattern {
	m := Pattern{From: Anyone, To: Anyone}
	t := p.take()
	var ok bool
	m.Kind, ok = ParseKind(t.text)
	switch {
	case t.kind != word:
		p.failAt(t, "want a kind of packet, got %s", t.source())
	case !ok:
		p.failAt(t, "unknown kind of packet %s%s", t.source(), suggestion(t.text, kindWords(false)))
	case m.Kind == Bytes:
		p.failAt(t, "bytes can be injected only: want %s", oneOf(kindWords(false)))
	case p.nameFollows():
		m.Named, m.Name = true, p.name("NAME")
	}
	return m
}

// checkStep checks what a step means among the others.
func (p *parser) checkStep(t token, st *Step) {
	p.times += st.Times
	switch {
	case p.times > maxTimes:
		p.failAt(t, "the steps of this case, with their repetitions, are more than %d", maxTimes)
	case st.Trigger:
	case st.Of != "" && p.reproduces() && p.labels[st.Of].trigger:
		p.failAt(p.of, "label %q is of a trigger step, which the control leaves out: mark this step as a trigger too", st.Of)
	}
	p.checkTime(t, st)
}

// checkTrigger makes sure that the scenario has a use for triggers.
func (p *parser) checkTrigger(t token) {
	p.triggers++
	switch {
	case p.s.Bug.Model == "":
		p.failAt(t, "a trigger needs a bug: write bug BUG in NODE")
	case p.s.NoControl != "":
		p.failAt(t, `a scenario with "control none" has no trigger`)
	}
}

// checkTime refuses "at" with a time that "at" and "after" have left behind.
func (p *parser) checkTime(t token, st *Step) {
	switch st.Verb {
	case After:
		p.earliest += st.Wait
	case At:
		if st.Wait < p.earliest {
			p.failAt(t, "at %s, but it is %s already: time does not go back", durationText(st.Wait), durationText(p.earliest))
		}
		p.earliest = st.Wait
	}
	if p.earliest > maxWait {
		p.failAt(t, "the waits of this case are more than %s", durationText(maxWait))
		p.earliest = 0
	}
}
