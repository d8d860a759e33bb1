// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/survey"
)

// Survey is what a capture shows, with what it was read from.
type Survey struct {
	File    string
	Host    netip.Addr // the only one to tell of; the zero value for all
	Capture capture.Summary
	Survey  *survey.Survey
	All     bool // leave nothing out of the table
}

// How many rows of each kind the table has. JSON has them all.
const (
	maxSurveyHosts    = 40
	maxSurveyNames    = 25 // of one host
	maxSurveySessions = 40
	maxSurveyLives    = 12 // of one name
)

// few cuts a list to what a table shows.
func (s *Survey) few(n, most int) int {
	if s.All {
		return n
	}
	return min(n, most)
}

// SurveyText writes what a capture shows as tables.
func SurveyText(p *Printer, s Survey) {
	hosts := s.hosts()
	p.Printf("%s: %s of NBT in %s, %s\n", s.File, plural(s.Survey.Frames(), "frame"), plural(s.Capture.Packets, "packet"),
		plural(len(hosts), "host"))
	s.odds(p)
	s.bugs(p)
	s.nameTable(p, hosts)
	s.sessionTable(p)
}

// odds tells what is not as it should be with the capture as a whole.
func (s *Survey) odds(p *Printer) {
	if s.Capture.Cut != nil {
		p.Printf("    the capture is %s; what follows goes as far as it does\n", s.Capture.Cut)
	}
	d := s.Survey.Dropped()
	for _, x := range []struct {
		count int
		what  string
	}{
		{d.Bad, "frames are no message of their service"},
		{d.Hosts, "frames are of hosts that there was no room for"},
		{d.Names, "mentions of names that there was no room for"},
		{d.Lives, "lives of names that there was no room to tell apart"},
		{d.Sessions, "sessions that there was no room for"},
	} {
		if x.count > 0 {
			p.Printf("    left out: %d %s\n", x.count, x.what)
		}
	}
	for _, skip := range s.Capture.Dropped {
		p.Printf("    dropped while reading: %d, the first at packet %d: %s\n", skip.Count, skip.First, skip.Why)
	}
}

func (s *Survey) hosts() []survey.Host {
	return slices.DeleteFunc(s.Survey.Hosts(), func(h survey.Host) bool { return s.Host.IsValid() && h.Addr != s.Host })
}

// bugs tells of each bug what there is of it.
func (s *Survey) bugs(p *Printer) {
	for _, b := range s.Survey.Bugs() {
		p.Printf("\n")
		b = s.ofHost(b)
		p.Paint(Strong, "%s", b.Fault.ID)
		p.Printf(": ")
		p.Paint(wordColour(b.Word), "%s", b.Word)
		if len(b.Findings) > 0 && b.Word != survey.NoEvidence {
			p.Printf(" at frame %d", b.Findings[0].Frame)
		}
		p.Printf("\n")
		for i, x := range b.Findings {
			if !s.All && i == maxFindingRows {
				p.Printf("    ... and %d more\n", total(b.Counts)-i)
				break
			}
			p.Printf("    %s: ", x.Host)
			p.Paint(wordColour(x.Word), "%s", x.Word)
			if x.Word != survey.NoEvidence {
				p.Printf(" at frame %d", x.Frame)
			}
			p.Printf(": %s\n", x.Why)
			if x.Decide != "" {
				p.Printf("        would decide: %s\n", x.Decide)
			}
		}
		if b.Silent > 0 {
			p.Printf("    nothing brings it out at %s; that takes %s\n", plural(b.Silent, "host"), b.Needs)
		}
	}
}

const maxFindingRows = 8

func total(counts map[survey.Word]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// ofHost leaves of what is said of a bug that about one host, if only that is wanted.
func (s *Survey) ofHost(b survey.Bug) survey.Bug {
	if !s.Host.IsValid() {
		return b
	}
	own := survey.Bug{Fault: b.Fault, Needs: b.Needs, Word: survey.NoEvidence, Counts: map[survey.Word]int{}}
	for _, x := range b.Findings {
		if x.Host == s.Host {
			own.Findings = append(own.Findings, x)
			own.Counts[x.Word]++
		}
	}
	if len(own.Findings) > 0 {
		own.Word = own.Findings[0].Word
	} else {
		own.Silent = 1
	}
	return own
}

func wordColour(w survey.Word) Colour {
	switch w {
	case survey.Shown:
		return Bad
	case survey.NotShown:
		return Good
	case survey.NoEvidence:
	}
	return Doubt
}

// nameTable tells the lives of the names of each host.
func (s *Survey) nameTable(p *Printer, hosts []survey.Host) {
	for _, h := range hosts[:s.few(len(hosts), maxSurveyHosts)] {
		p.Printf("\n")
		p.Paint(Strong, "%s", h.Addr)
		kind := "of no stated type"
		if h.Type != "" {
			kind = h.Type + " node"
		}
		p.Printf("  %s, %s sent, %d to %d, %s\n", kind, plural(h.Sent, "frame"), h.First.Frame, h.Last.Frame, plural(h.Names, "name"))
		if h.Names == 0 {
			continue
		}
		rows := [][]string{{"  NAME", "KIND", "BEGINS", "ENDS", "MEANWHILE"}}
		n := 0
		s.Survey.Names(h, func(name survey.Name) bool {
			if n++; n > s.few(n, maxSurveyNames) {
				return false
			}
			rows = append(rows, s.nameRows(name)...)
			return true
		})
		table(p, rows, func(row, _ int) (Colour, bool) { return Faint, row == 0 })
		if n > s.few(n, maxSurveyNames) {
			p.Printf("  ... and %d more (nbtlab explain --host %s --all)\n", h.Names-maxSurveyNames, h.Addr)
		}
	}
	if more := len(hosts) - s.few(len(hosts), maxSurveyHosts); more > 0 {
		p.Printf("\n... and %s more (--all, or --host IP for one)\n", plural(more, "host"))
	}
}

// nameRows are the lives of a name, one a row.
func (s *Survey) nameRows(n survey.Name) [][]string {
	kind := "unique"
	if n.Group {
		kind = "group"
	}
	var rows [][]string
	for i, ph := range n.Phases {
		if i == s.few(len(n.Phases), maxSurveyLives) {
			rows = append(rows, []string{"", "", fmt.Sprintf("... and %d more lives", len(n.Phases)-i), "", ""})
			break
		}
		row := []string{"", "", begins(n.Phases, i), ends(&n.Phases[i]), meanwhile(&ph)}
		if i == 0 {
			row[0], row[1] = "  "+n.Name.String(), kind
		}
		rows = append(rows, row)
	}
	return rows
}

func markText(m survey.Mark) string { return fmt.Sprintf("frame %d, %s", m.Frame, seconds(m.At)) }

func begins(list []survey.Phase, i int) string {
	p := &list[i]
	text := "held, seen at "
	if p.How == survey.Claimed {
		text = "claimed "
		if i > 0 {
			text = "claimed again "
		}
	}
	text += markText(p.Began)
	if p.Claims > 1 {
		text += fmt.Sprintf(" (%dx)", p.Claims)
	}
	if i > 0 && list[i-1].End == survey.Released {
		text += fmt.Sprintf(", %s after the last release", short(p.Began.At-list[i-1].Last.At))
	}
	return text
}

func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func ends(p *survey.Phase) string {
	switch p.End {
	case survey.Refused:
		return "refused " + markText(p.Over)
	case survey.Released:
		text := "released " + markText(p.Over)
		if p.Releases > 1 {
			text += fmt.Sprintf(" (%dx, to frame %d)", p.Releases, p.Last.Frame)
		}
		return text
	case survey.Open:
	}
	if p.Conflict.Frame > 0 {
		return "conflict demanded " + markText(p.Conflict)
	}
	return fmt.Sprintf("not seen; last sign frame %d", p.Last.Frame)
}

func meanwhile(p *survey.Phase) string {
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{
		{p.Answers, "answered"},
		{p.Defences, "defended"},
		{p.Listings, "listed"},
		{p.Used, "used as source"},
		{p.Accepted, "sessions accepted"},
		{p.Early, "datagrams before any session"},
	} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	if p.Conflict.Frame > 0 && p.End != survey.Open {
		parts = append(parts, fmt.Sprintf("conflict demanded frame %d", p.Conflict.Frame))
	}
	return strings.Join(parts, ", ")
}

func (s *Survey) sessions() []survey.Sessions {
	return slices.DeleteFunc(s.Survey.Sessions(), func(x survey.Sessions) bool {
		return s.Host.IsValid() && x.Client != s.Host && x.Server != s.Host
	})
}

func (s *Survey) sessionTable(p *Printer) {
	list := s.sessions()
	if len(list) == 0 {
		return
	}
	p.Printf("\n")
	rows := [][]string{{"SESSIONS FROM", "TO", "FRAMES", "ACCEPTED", "REFUSED", "MESSAGES", "BYTES", "NOTES"}}
	for _, x := range list[:s.few(len(list), maxSurveySessions)] {
		rows = append(rows, []string{
			fmt.Sprintf("%s %s", x.Client, x.Calling), fmt.Sprintf("%s %s", x.Server, x.Called),
			fmt.Sprintf("%d-%d", x.First.Frame, x.Last.Frame), fmt.Sprint(x.Accepted), fmt.Sprint(x.Refused),
			fmt.Sprint(x.Messages), fmt.Sprint(x.Bytes), sessionNotes(&x),
		})
	}
	table(p, rows, func(row, _ int) (Colour, bool) { return Strong, row == 0 })
	if more := len(list) - s.few(len(list), maxSurveySessions); more > 0 {
		p.Printf("... and %d more (--all)\n", more)
	}
}

func sessionNotes(x *survey.Sessions) string {
	var notes []string
	if x.Refused > 0 {
		m := nbt.SessionMessage{Type: nbt.SsnNegative, ErrorCode: x.Code}
		notes = append(notes, m.String())
	}
	if x.Unanswered > 0 {
		notes = append(notes, fmt.Sprintf("%d requests unanswered", x.Unanswered))
	}
	if x.Resets > 0 {
		notes = append(notes, fmt.Sprintf("%d reset", x.Resets))
	}
	return strings.Join(notes, ", ")
}

// The lines of explain --json, each an object with what it is in "kind".
type (
	surveyedCapture struct {
		Kind    string         `json:"kind"` // "capture"
		File    string         `json:"file"`
		Packets int            `json:"packets"`
		Frames  int            `json:"frames"`
		Hosts   int            `json:"hosts"`
		Cut     string         `json:"cut,omitempty"`
		LeftOut survey.Dropped `json:"left_out"`
	}
	surveyedBug struct {
		Kind     string            `json:"kind"` // "bug"
		Bug      string            `json:"bug"`
		Word     string            `json:"word"`
		Findings []surveyedFinding `json:"findings,omitempty"`
		Counts   map[string]int    `json:"counts,omitempty"`
		Silent   int               `json:"hosts_without_evidence"`
		Needs    string            `json:"evidence_takes"`
	}
	surveyedFinding struct {
		Host   string `json:"host"`
		Name   string `json:"name,omitempty"`
		Word   string `json:"word"`
		Frame  int    `json:"frame"`
		Why    string `json:"why"`
		Decide string `json:"would_decide,omitempty"`
	}
	surveyedName struct {
		Kind     string         `json:"kind"` // "name"
		Host     string         `json:"host"`
		HostType string         `json:"node_type,omitempty"`
		Name     string         `json:"name"`
		Group    bool           `json:"group,omitempty"`
		Lives    []surveyedLife `json:"lives"`
	}
	surveyedLife struct {
		Begins       string  `json:"begins"` // "claimed" or "held"
		Frame        int     `json:"frame"`
		At           float64 `json:"at"` // seconds
		Ends         string  `json:"ends"`
		EndFrame     int     `json:"end_frame,omitempty"`
		EndAt        float64 `json:"end_at,omitempty"`
		LastFrame    int     `json:"last_frame"`
		Claims       int     `json:"claims,omitempty"`
		Releases     int     `json:"releases,omitempty"`
		Answers      int     `json:"answers,omitempty"`
		Defences     int     `json:"defences,omitempty"`
		Listings     int     `json:"listings,omitempty"`
		Used         int     `json:"used_as_source,omitempty"`
		Accepted     int     `json:"sessions_accepted,omitempty"`
		Early        int     `json:"datagrams_before_session,omitempty"`
		ConflictAt   int     `json:"conflict_frame,omitempty"`
		AfterRelease float64 `json:"after_release,omitempty"` // seconds
	}
	surveyedHost struct {
		Kind     string  `json:"kind"` // "host"
		Host     string  `json:"host"`
		HostType string  `json:"node_type,omitempty"`
		Sent     int     `json:"sent"`
		First    int     `json:"first_frame"`
		Last     int     `json:"last_frame"`
		FirstAt  float64 `json:"first_at"`
		LastAt   float64 `json:"last_at"`
		Names    int     `json:"names"`
	}
	surveyedSessions struct {
		Kind       string `json:"kind"` // "sessions"
		Client     string `json:"client"`
		Server     string `json:"server"`
		Called     string `json:"called"`
		Calling    string `json:"calling"`
		Accepted   int    `json:"accepted"`
		Refused    int    `json:"refused"`
		Code       string `json:"refusal_code,omitempty"`
		Unanswered int    `json:"unanswered,omitempty"`
		Resets     int    `json:"resets,omitempty"`
		Messages   int64  `json:"messages"`
		Bytes      int64  `json:"bytes"`
		First      int    `json:"first_frame"`
		Last       int    `json:"last_frame"`
	}
)

// SurveyJSON writes what a capture shows as lines of JSON: the capture, the bugs, the hosts, their names, the sessions.
func SurveyJSON(w io.Writer, s Survey) error {
	hosts := s.hosts()
	head := surveyedCapture{
		Kind: "capture", File: s.File, Packets: s.Capture.Packets, Frames: s.Survey.Frames(), Hosts: len(hosts),
		LeftOut: s.Survey.Dropped(),
	}
	if s.Capture.Cut != nil {
		head.Cut = s.Capture.Cut.String()
	}
	if err := JSON(w, head); err != nil {
		return err
	}
	for _, b := range s.Survey.Bugs() {
		if err := JSON(w, newSurveyedBug(s.ofHost(b))); err != nil {
			return err
		}
	}
	for _, h := range hosts {
		line := surveyedHost{
			"host", h.Addr.String(), h.Type, h.Sent, h.First.Frame, h.Last.Frame, h.First.At.Seconds(), h.Last.At.Seconds(), h.Names,
		}
		if err := JSON(w, line); err != nil {
			return err
		}
		var err error
		s.Survey.Names(h, func(n survey.Name) bool {
			err = JSON(w, newSurveyedName(h, n))
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	for _, x := range s.sessions() {
		line := surveyedSessions{
			"sessions", x.Client.String(), x.Server.String(), x.Called.String(), x.Calling.String(), x.Accepted, x.Refused, "",
			x.Unanswered, x.Resets, x.Messages, x.Bytes, x.First.Frame, x.Last.Frame,
		}
		if x.Refused > 0 {
			line.Code = fmt.Sprintf("0x%02x", x.Code)
		}
		if err := JSON(w, line); err != nil {
			return err
		}
	}
	return nil
}

func newSurveyedBug(b survey.Bug) surveyedBug {
	line := surveyedBug{
		Kind: "bug", Bug: b.Fault.ID, Word: string(b.Word), Counts: map[string]int{}, Silent: b.Silent, Needs: b.Needs,
	}
	for w, n := range b.Counts {
		line.Counts[string(w)] = n
	}
	for _, x := range b.Findings {
		f := surveyedFinding{Host: x.Host.String(), Word: string(x.Word), Frame: x.Frame, Why: x.Why, Decide: x.Decide}
		if x.Name != ([16]byte{}) {
			f.Name = x.Name.String()
		}
		line.Findings = append(line.Findings, f)
	}
	return line
}

func newSurveyedName(h survey.Host, n survey.Name) surveyedName {
	line := surveyedName{Kind: "name", Host: h.Addr.String(), HostType: h.Type, Name: n.Name.String(), Group: n.Group}
	for i, p := range n.Phases {
		l := surveyedLife{
			Begins: "held", Frame: p.Began.Frame, At: p.Began.At.Seconds(), Ends: "not seen", LastFrame: p.Last.Frame, Claims: p.Claims,
			Releases: p.Releases, Answers: p.Answers, Defences: p.Defences, Listings: p.Listings, Used: p.Used, Accepted: p.Accepted,
			Early: p.Early, ConflictAt: p.Conflict.Frame,
		}
		if p.How == survey.Claimed {
			l.Begins = "claimed"
		}
		switch p.End {
		case survey.Refused:
			l.Ends = "refused"
		case survey.Released:
			l.Ends = "released"
		case survey.Open:
		}
		if p.End != survey.Open {
			l.EndFrame, l.EndAt = p.Over.Frame, p.Over.At.Seconds()
		}
		if i > 0 && n.Phases[i-1].End == survey.Released {
			l.AfterRelease = (p.Began.At - n.Phases[i-1].Last.At).Seconds()
		}
		line.Lives = append(line.Lives, l)
	}
	return line
}
