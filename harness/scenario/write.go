// SPDX-License-Identifier: MIT

package scenario

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// cells are the three columns of a step: who, what, and with which arguments.
type cells struct{ who, what, args string }

// text joins the columns with single spaces.
func (c cells) text() string {
	return joined(joined(c.who, c.what), c.args)
}

// stepCells writes a step without its trailing marks.
func stepCells(nodes []Node, st *Step) cells {
	var b words
	v := st.Verb
	switch {
	case v == After || v == At:
		return cells{who: v.String(), what: durationText(st.Wait)}
	case v >= Lose && v <= Alter:
		b.frames(nodes, st.Impair.Match)
		if st.Impair.Match.Count > 1 {
			b.add("x" + decimal(st.Impair.Match.Count))
		}
		switch v {
		case Delay:
			b.add("by", durationText(st.Impair.By))
		case Alter:
			b.add("byte", decimal(st.Impair.Byte), byteText(st.Impair.Value))
		}
		return cells{"lan", v.String(), b.String()}
	case v == Inject:
		b.packet(nodes, st.Inject)
	case v == Ncb:
		b.add(byteText(st.Command))
	case v.Calls():
		b.call(st)
	}
	if st.Label != "" {
		b.add("as", st.Label)
	}
	return cells{nodeText(nodes, st.Node), v.String(), b.String()}
}

// stepMarks writes what stands between a step's arguments and "trigger".
func stepMarks(st *Step) string {
	var b words
	if st.Times > 1 {
		b.add("x" + decimal(st.Times))
	}
	if st.Async && !st.Verb.stands() {
		b.add("&")
	}
	return b.String()
}

// words is a sentence under construction.
type words struct{ strings.Builder }

func (b *words) add(words ...string) {
	for _, w := range words {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
}

// call writes the arguments of a verb that submits an NCB.
func (b *words) call(st *Step) {
	v := verbs[st.Verb]
	switch {
	case v.form&needsLabel != 0:
		b.add(st.Of)
	case v.form&needsName != 0, v.form&mayName != 0 && st.Name != netbios.Wildcard:
		b.add(nameText(st.Name))
	}
	if v.form&needsFrom != 0 || v.form&mayFrom != 0 && st.From != netbios.Wildcard {
		b.add("from", nameText(st.From))
	}
	if v.form&needsPayload != 0 {
		b.add(quote(string(st.Payload)))
	}
	if v.size != 0 && st.Size != v.size {
		b.add("size", decimal(st.Size))
	}
}

func (b *words) packet(nodes []Node, pkt Packet) {
	k := kinds[pkt.Kind]
	b.add(k.word)
	if pkt.Kind == Bytes {
		b.add(quote(string(pkt.Payload)), "to", nodeText(nodes, pkt.To), "port", decimal(int(pkt.Port)))
		return
	}
	if k.name == requires || k.name == allows && pkt.Name != netbios.Wildcard {
		b.add(nameText(pkt.Name))
	}
	b.add("to", nodeText(nodes, pkt.To))
	if k.data {
		b.add("from", nameText(pkt.From))
		if len(pkt.Payload) > 0 {
			b.add(quote(string(pkt.Payload)))
		}
	}
	if pkt.ID != 0 {
		b.add("id", "0x"+hex(pkt.ID>>8)+hex(pkt.ID&0xff))
	}
}

// frames writes which frames are meant.
func (b *words) frames(nodes []Node, m Pattern) {
	b.add(m.Kind.String())
	if m.Named {
		b.add(nameText(m.Name))
	}
	if m.From != Anyone {
		b.add("from", nodeText(nodes, m.From))
	}
	if m.To != Anyone {
		b.add("to", nodeText(nodes, m.To))
	}
}

func expectationText(nodes []Node, e *Expectation) string {
	var b strings.Builder
	writeClauses(&b, nodes, e.Clauses)
	for i := range e.Alternatives {
		b.WriteString(" | ")
		writeAlternative(&b, nodes, &e.Alternatives[i])
	}
	return b.String()
}

func writeAlternative(b *strings.Builder, nodes []Node, a *Alternative) {
	b.WriteString(a.Bug)
	if a.Headline {
		b.WriteString("! ")
	} else {
		b.WriteString(": ")
	}
	if a.Any {
		b.WriteString("any")
		return
	}
	writeClauses(b, nodes, a.Clauses)
}

func writeClauses(b *strings.Builder, nodes []Node, clauses []Clause) {
	for i, c := range clauses {
		if i > 0 {
			b.WriteString(", ")
		}
		switch c := c.(type) {
		case Listed:
			b.WriteString(c.text(nodes, nameText))
		case Wire:
			b.WriteString(c.text(nodes))
		case Result, Received:
			b.WriteString(c.String())
		}
	}
}

// String writes the clause in canonical form: ok, chat NRC_SCLOSED, chat pending.
func (r Result) String() string {
	what := r.Code.String()
	switch {
	case r.Any:
		what = "any"
	case r.None:
		what = pendingResult
	case r.Code == netbios.GOODRET:
		what = "ok"
	}
	if r.Label != "" {
		return r.Label + " " + what
	}
	return what
}

// String writes the clause in canonical form: data "hello", first data "hello".
func (r Received) String() string {
	s := "data " + quote(string(r.Data))
	if r.Label != "" {
		return r.Label + " " + s
	}
	return s
}

// String writes the clause in canonical form: no CHAT in names pc.
func (l Listed) String() string { return l.text(l.nodes, nameText) }

func (l Listed) text(nodes []Node, name func(netbios.Name) string) string {
	var b words
	if l.Not {
		b.add("no")
	}
	b.add(name(l.Name), "in", "names", nodeText(nodes, l.Node))
	for _, w := range []string{l.Kind, l.State} {
		if w != "" {
			b.add(w)
		}
	}
	return b.String()
}

// String writes the clause in canonical form: no claim CHAT from pc.
func (w Wire) String() string { return w.text(w.nodes) }

func (w Wire) text(nodes []Node) string {
	var b words
	if w.Not {
		b.add("no")
	}
	b.frames(nodes, w.Pattern)
	b.conditions(w.Pattern)
	return b.String()
}

// conditions writes the rest of a wire clause.
func (b *words) conditions(m Pattern) {
	if m.Coded {
		b.add("code", byteText(m.Code))
	}
	if m.Counted {
		b.add("x" + decimal(m.Count))
	}
	if m.Within > 0 {
		b.add("within", durationText(m.Within))
	}
	if m.For > 0 {
		b.add("for", durationText(m.For))
	}
}

// Symptom tells clauses to people who do not have the file before them: names have their suffix, nodes that frames come
// from and go to are left out.
func Symptom(clauses []Clause) string {
	told := make([]string, len(clauses))
	for i, c := range clauses {
		switch c := c.(type) {
		case Wire:
			var b words
			if c.Not {
				b.add("no")
			}
			b.add(c.Pattern.Kind.String())
			if c.Pattern.Named {
				b.add(c.Pattern.Name.String())
			}
			b.conditions(c.Pattern)
			told[i] = b.String()
		case Listed:
			told[i] = c.text(c.nodes, netbios.Name.String)
		case Result, Received:
			told[i] = c.String()
		}
	}
	return strings.Join(told, ", ")
}

// nodeText names a node. An index without a node, as in a clause that no file holds, is written as a number.
func nodeText(nodes []Node, i int) string {
	switch {
	case i == LAN:
		return "lan"
	case i == Everybody:
		return "all"
	case i >= 0 && i < len(nodes):
		return nodes[i].Name
	}
	return "node " + decimal(i)
}

// nameText writes a name in the shortest form that reads back as the same bytes: CHAT for CHAT<20>, quoted where a bare
// word would be cut or mistaken.
func nameText(n netbios.Name) string {
	s := n.String()
	if n.Suffix() == netbios.DefaultSuffix {
		short := strings.TrimSuffix(s, "<20>")
		if same, err := netbios.ParseName(short); err == nil && same == n {
			s = short
		}
	}
	if !reserved(s) && strings.IndexFunc(s, func(r rune) bool { return isDelimiter(byte(r)) }) < 0 {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` // backslashes stand only before escapes
}

// quote writes a string: printable text as it is, the rest as escapes.
func quote(s string) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r):
			for _, c := range []byte(s[i : i+size]) {
				b = append(b, `\x`...)
				b = append(b, hexDigits[c>>4], hexDigits[c&15])
			}
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return string(append(b, '"'))
}

// durationText writes 2m where Go writes 2m0s, and keeps to ASCII.
func durationText(d time.Duration) string {
	s := strings.Replace(d.String(), "µ", "u", 1)
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func decimal(n int) string { return strconv.Itoa(n) }

func byteText(v uint8) string { return "0x" + hex(uint16(v)) }

// hex writes the low byte of v.
func hex(v uint16) string { return string([]byte{hexDigits[v>>4&15], hexDigits[v&15]}) }
