// SPDX-License-Identifier: MIT

package scenario

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// remark is what a file has besides statements: a comment, a blank line when the text is empty.
type remark struct {
	line     int
	text     string // with its #
	trailing bool   // behind a statement
}

// Format writes the scenario in canonical form. Columns are aligned, comments and blank lines kept, runs of blank lines
// shortened to one; every name, number and string is written in its one canonical way. What Format writes parses to the same
// scenario, but for positions, and formats to itself.
//
// A scenario that was made or changed by a program is written as its fields say; comments stay before the statements that
// they stood before.
func Format(s *Scenario) []byte {
	f := formatter{s: s, remarks: s.remarks}
	f.header()
	for i := range s.Cases {
		f.oneCase(&s.Cases[i])
	}
	f.remarksBefore(int(^uint(0) >> 1))
	for len(f.rows) > 0 && f.rows[len(f.rows)-1].is == blankRow {
		f.rows = f.rows[:len(f.rows)-1]
	}
	f.align()
	out := f.write(false)
	if len(out) > maxFile {
		out = f.write(true)
	}
	return out
}

type rowKind uint8

const (
	blankRow rowKind = iota
	commentRow
	headerRow
	nodeRow
	caseRow
	stepRow
	expectRow
)

// row is a line to be written.
type row struct {
	is      rowKind
	cells   cells    // of a comment: in who
	rest    []string // "trigger", or the alternatives
	comment string
	text    string // aligned
}

// tight is the row with single spaces, for lines that alignment would make too long to be read again.
func (r *row) tight() string {
	var s strings.Builder
	s.WriteString(r.cells.text())
	for _, part := range r.rest {
		s.WriteString(" " + part)
	}
	if r.comment != "" {
		s.WriteString(" " + r.comment)
	}
	return s.String()
}

type formatter struct {
	s       *Scenario
	remarks []remark // not written yet
	rows    []row
}

// add appends a statement's row, after the remarks that stand before its line and with the comment that stands behind it.
func (f *formatter) add(line int, r row) {
	f.remarksBefore(line)
	if len(f.remarks) > 0 && f.remarks[0].line == line {
		r.comment = f.remarks[0].text
		f.remarks = f.remarks[1:]
	}
	f.rows = append(f.rows, r)
}

func (f *formatter) remarksBefore(line int) {
	for len(f.remarks) > 0 && f.remarks[0].line < line {
		r := f.remarks[0]
		f.remarks = f.remarks[1:]
		switch {
		case r.trailing: // its statement is gone
		case r.text != "":
			f.rows = append(f.rows, row{is: commentRow, cells: cells{who: r.text}})
		case len(f.rows) > 0 && f.rows[len(f.rows)-1].is != blankRow:
			f.rows = append(f.rows, row{is: blankRow})
		}
	}
}

// header writes what stands before the first case or step, in the order of the file, or in ours where there was none.
func (f *formatter) header() {
	s := f.s
	type line struct {
		at int
		row
	}
	var lines []line
	add := func(pos Pos, is rowKind, c cells) { lines = append(lines, line{pos.Line, row{is: is, cells: c}}) }
	if s.Bug.Model != "" {
		what := "bug"
		if s.Against {
			what = "against"
		}
		add(s.Bug.Pos, headerRow, cells{who: what, what: s.Bug.Model + " in " + nodeText(s.Nodes, s.Bug.Node)})
	}
	if s.Cure {
		add(s.curePos, headerRow, cells{who: "cure", what: "restart"})
	}
	if s.NoControl != "" {
		add(s.controlPos, headerRow, cells{who: "control", what: "none because " + quote(s.NoControl)})
	}
	if s.profile != "" {
		add(s.profilePos, headerRow, cells{who: "profile", what: s.profile})
	}
	for i := range s.Nodes {
		add(s.Nodes[i].Pos, nodeRow, nodeCells(s.Nodes, &s.Nodes[i], s.defaultProfile()))
	}
	shared := s.sharedKnows()
	for i := range shared {
		add(shared[i].Pos, stepRow, knowsCells(s.Nodes, &shared[i]))
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at - b.at })
	for _, l := range lines {
		f.add(l.at, l.row)
	}
}

// defaultProfile is that of the nodes which state none.
func (s *Scenario) defaultProfile() string {
	if s.profile == "" {
		return profiles[0]
	}
	return s.profile
}

// sharedKnows lists the LMHOSTS entries that stand in the header: those that every case has.
func (s *Scenario) sharedKnows() []Knows {
	if len(s.Cases) == 1 && s.Cases[0].Title == "" {
		return s.Cases[0].Knows
	}
	for i := range s.Cases {
		if own := s.Cases[i].Knows; len(own) < len(s.knows) || !slices.Equal(own[:len(s.knows)], s.knows) {
			return nil
		}
	}
	return s.knows
}

// nodeCells writes a node; its profile only if it is not the default, its name server only if the nodes are known.
func nodeCells(nodes []Node, n *Node, profile string) cells {
	var b words
	b.add(n.Prefix.String())
	if n.NameServer {
		b.add("nameserver")
	}
	if n.Type != "" && nodes != nil {
		b.add("type", n.Type, "wins", nodeText(nodes, n.Wins))
	}
	if n.Limits.Names != 0 {
		b.add("names", decimal(n.Limits.Names))
	}
	if n.Limits.Sessions != 0 {
		b.add("sessions", decimal(n.Limits.Sessions))
	}
	if n.Profile != "" && n.Profile != profile {
		b.add("profile", n.Profile)
	}
	return cells{"node", n.Name, b.String()}
}

func knowsCells(nodes []Node, k *Knows) cells {
	return cells{nodeText(nodes, k.Node), "knows", nameText(k.Name) + " at " + nodeText(nodes, k.At)}
}

func (f *formatter) oneCase(c *Case) {
	s := f.s
	if c.Title != "" {
		f.add(c.Pos.Line, row{is: caseRow, cells: cells{who: "case", what: quote(c.Title)}})
	}
	own := c.Knows[len(s.sharedKnows()):]
	for i := range own {
		f.add(own[i].Pos.Line, row{is: stepRow, cells: knowsCells(s.Nodes, &own[i])})
	}
	for i := range c.Steps {
		st := &c.Steps[i]
		r := row{is: stepRow, cells: stepCells(s.Nodes, st)}
		r.cells.args = joined(r.cells.args, stepMarks(st))
		if st.Trigger {
			r.rest = []string{"trigger"}
		}
		f.add(st.Pos.Line, r)
		for j := range st.Expect {
			f.add(st.Expect[j].Pos.Line, expectationRow(s.Nodes, &st.Expect[j]))
		}
	}
}

// joined puts a space between two texts, if there are two.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

func expectationRow(nodes []Node, e *Expectation) row {
	var b strings.Builder
	writeClauses(&b, nodes, e.Clauses)
	r := row{is: expectRow, cells: cells{who: "->", what: b.String()}}
	for _, a := range e.Alternatives {
		b.Reset()
		b.WriteString("| ")
		writeAlternative(&b, nodes, &a)
		r.rest = append(r.rest, b.String())
	}
	return r
}

// Lines wider than this do not move the columns of others.
const alignedWidth = 100

// align sets the columns: who does what over a whole case, the rest over a paragraph.
func (f *formatter) align() {
	for from := 0; from < len(f.rows); {
		to := from + 1
		for to < len(f.rows) && f.rows[to].is != caseRow {
			to++
		}
		alignCase(f.rows[from:to])
		from = to
	}
	for from := 0; from < len(f.rows); {
		to := from + 1
		for to < len(f.rows) && f.rows[to].is != blankRow && f.rows[to].is != caseRow {
			to++
		}
		alignParagraph(f.rows[from:to])
		from = to
	}
}

// alignCase sets who does what, in the header and in the steps each by itself.
func alignCase(rows []row) {
	var header, node, who, what column
	for i := range rows {
		switch c := rows[i].cells; rows[i].is {
		case nodeRow:
			node.fit(c.what, alignedWidth)
			header.fit(c.who, alignedWidth)
		case headerRow:
			header.fit(c.who, alignedWidth)
		case stepRow:
			who.fit(c.who, alignedWidth)
			what.fit(c.what, alignedWidth)
		default: // nothing to align
		}
	}
	aboveExpectation := false // the comment belongs to what is below it
	for i := len(rows) - 1; i >= 0; i-- {
		r := &rows[i]
		switch c := r.cells; r.is {
		case headerRow:
			r.text = header.pad(c.who) + c.what
		case nodeRow:
			r.text = header.pad(c.who) + node.pad(c.what) + c.args
		case caseRow:
			r.text = c.text()
		case stepRow:
			r.text = strings.TrimRight(who.pad(c.who)+what.pad(c.what)+c.args, " ")
		case expectRow:
			r.text = who.pad("") + c.text()
		case commentRow:
			r.text = c.who
			if aboveExpectation {
				r.text = who.pad("") + c.who
			}
		case blankRow:
		}
		aboveExpectation = r.is == expectRow || r.is == commentRow && aboveExpectation
	}
}

// alignParagraph sets triggers below each other, and alternatives, and comments.
func alignParagraph(rows []row) {
	var triggers, alternatives, comments column
	of := map[rowKind]*column{stepRow: &triggers, expectRow: &alternatives}
	for i := range rows {
		if r := &rows[i]; len(r.rest) > 0 {
			of[r.is].fit(r.text, alignedWidth)
		}
	}
	for i := range rows {
		r := &rows[i]
		if len(r.rest) > 0 {
			r.text = of[r.is].pad(r.text) + strings.Join(r.rest, " ")
		}
		if r.comment != "" {
			comments.fit(r.text, alignedWidth)
		}
	}
	for i := range rows {
		if r := &rows[i]; r.comment != "" {
			r.text = comments.pad(r.text) + r.comment
		}
	}
}

// column is the width of the widest text in a column.
type column int

func (c *column) fit(s string, widest int) {
	if n := utf8.RuneCountInString(s); n <= widest {
		*c = max(*c, column(n))
	}
}

// pad adds spaces up to the next column.
func (c column) pad(s string) string {
	return s + strings.Repeat(" ", max(int(c)-utf8.RuneCountInString(s), 0)+2)
}

func (f *formatter) write(tight bool) []byte {
	var b strings.Builder
	for i := range f.rows {
		r := &f.rows[i]
		switch {
		case r.is == blankRow:
		case tight || len(r.text) > maxLine:
			b.WriteString(r.tight())
		default:
			b.WriteString(r.text)
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}
