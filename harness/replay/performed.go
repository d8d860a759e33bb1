// SPDX-License-Identifier: MIT

package replay

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Performed is what came of a performance.
type Performed struct {
	Verdict check.Verdict
	Why     string // of cannot judge

	Sent      int // frames of the peers that were played
	Judged    int // frames of the host that the device had to send the like of
	Same      int // of them it did
	Tolerated int
	Late      int // of them came after they had been given up

	Divergences []Divergence // that count, in the order of the capture
	Tolerances  []TextCount  // that were used
	Unsent      []Apart      // frames of the peers that were not played
	Excused     []Apart      // frames of the host that nothing is concluded from
	Own         int          // frames that the device sent of its own accord
	Asked       int          // queries for names that the captured host knew, answered in the peers' name
	Short       int          // pauses that were cut short
	Strangers   []netip.Addr // of the capture that nobody played; see [Cast]
	Calls       []Made
}

// TextCount counts something.
type TextCount struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// Made is a call that the device was made to do, and what it returned.
type Made struct {
	Call
	Done bool
	Code netbios.Code
}

// Divergence is one place where a device does otherwise than the captured host did.
type Divergence struct {
	Recorded *trace.Frame // what the host sent; nil where it sent nothing
	Got      *trace.Frame // what the device sent, as it would stand in the capture, with its Seq in the record; nil where it sent nothing
	Fields   []string     // what differs, where both sent something
	What     string       // in words

	pos int // index of the cue
}

// Result judges the performance, when it is over. Interrupted tells why it was ended early; empty when it was not.
func (m *Performance) Result(interrupted string) Performed {
	p := Performed{
		Sent: m.sent, Unsent: m.unsent, Asked: m.answered, Short: m.short, Late: m.late, Strangers: m.mask.strangers,
	}
	for _, c := range m.made {
		if c.ID >= 0 {
			p.Calls = append(p.Calls, Made{*c.Call, c.done, c.code})
		}
	}
	broken := map[int]bool{}
	for n := range m.cues[:m.next] {
		if i := m.cues[n].frame; i >= 0 && m.v.read[i].out {
			m.judge(&p, n, i, broken)
		}
	}
	m.extras(&p, broken)
	slices.SortStableFunc(p.Divergences, func(a, b Divergence) int { return cmp.Compare(a.pos, b.pos) })
	m.decide(&p, interrupted)
	return p
}

func (m *Performance) decide(p *Performed, interrupted string) {
	switch {
	case interrupted != "" || m.why != "":
		p.Verdict, p.Why = check.CannotJudge, cmp.Or(interrupted, m.why)
	case len(p.Divergences) > 0:
		p.Verdict = check.Fail
	case m.o.Cut != "":
		p.Verdict, p.Why = check.CannotJudge, "the capture is "+m.o.Cut+"; up to there the device does as the host did"
	case m.v.Full:
		p.Verdict = check.CannotJudge
		p.Why = fmt.Sprintf("more than %d frames concern the host: only the first are played, and in them the device does as it did", len(m.v.Frames))
	case p.Judged == 0:
		p.Verdict, p.Why = check.CannotJudge, "nothing that the host sent is an answer to anything that could be sent to the device"
	default:
		p.Verdict = check.Pass
	}
}

// judge compares a frame of the host with what the device sent in its place.
func (m *Performance) judge(p *Performed, n, i int, broken map[int]bool) {
	f, r := &m.v.Frames[i], &m.v.read[i]
	switch m.fates[i] {
	case ahead:
		return
	case ignored:
		why, apart := m.h.Apart[i]
		if !apart {
			why, _ = m.h.apartConn(f.Conn)
		}
		p.Excused = countApart(p.Excused, why, f.Number)
		return
	case open, missed:
		why := m.excuses[i]
		if why == "" && f.Conn != 0 && broken[f.Conn] {
			why = "its connection was not as it had been before"
		}
		if why != "" {
			p.Excused = countApart(p.Excused, why, f.Number)
			return
		}
		p.Judged++
		broken[f.Conn] = broken[f.Conn] || f.Conn != 0
		p.diverge(m, "missing "+kindOf(f, r), Divergence{
			Recorded: f, pos: n, What: fmt.Sprintf("the host sent %s, the device nothing", summary(f)),
		})
		return
	case come:
	}
	h := m.got[i]
	fields := m.fieldsDiffering(i, h)
	if why := m.excuses[i]; why != "" && len(fields) > 0 { // what it does of itself may have another content
		p.Excused = countApart(p.Excused, why, f.Number)
		return
	}
	p.Judged++
	if len(fields) == 0 {
		p.Same++
		return
	}
	if f.Conn != 0 && r.ssn != h.read.ssn {
		broken[f.Conn] = true
	}
	var counting []string
	for _, field := range fields {
		if !p.tolerates(m, field) {
			counting = append(counting, field)
		}
	}
	if len(counting) == 0 {
		p.Tolerated++
		return
	}
	p.Divergences = append(p.Divergences, Divergence{
		Recorded: f, Got: &h.frame, Fields: counting, pos: n,
		What: fmt.Sprintf("the host sent %s, the device %s", summary(f), summary(&h.frame)),
	})
}

// fieldsDiffering names what differs between a frame of the host and the device's, identifiers and client ports aside.
func (m *Performance) fieldsDiffering(i int, h *heard) []string {
	f, r := &m.v.Frames[i], &m.v.read[i]
	if f.Kind != trace.UDP && f.Kind != trace.Message {
		return nil
	}
	got := h.frame
	if f.Kind == trace.UDP {
		got.To = netip.AddrPortFrom(got.To.Addr(), f.To.Port())
	}
	return differing(f, r, &got, &h.read)
}

// extras are the frames of the device that stand for none of the host's.
func (m *Performance) extras(p *Performed, broken map[int]bool) {
	if len(m.early) == 0 {
		return
	}
	about, repeated := m.subjects(), saidBy(m.got)
	ends := map[int]int{} // of connections, the last cue
	for n := range m.cues {
		if i := m.cues[n].frame; i >= 0 && m.v.Frames[i].Conn != 0 {
			ends[m.v.Frames[i].Conn] = n
		}
	}
	for _, h := range m.early {
		f, r := &h.frame, &h.read
		text := kindOf(f, r)
		captured := 0
		if t := m.taps[h.tap]; t != nil {
			captured = t.captured
		}
		switch {
		case h.knew:
			continue
		case f.Kind == trace.Reset && m.lines[captured] != nil && m.lines[captured].wrong: // that is what went wrong
		case f.Kind != trace.UDP && (captured == 0 || broken[captured] || r.ssn == nbt.SsnKeepAlive):
			p.Own++
			continue
		case f.Kind != trace.UDP && f.Kind != trace.Message && h.pos > ends[captured]: // the capture does not tell how it ended
			p.Own++
			continue
		case f.Kind == trace.UDP && r.service == datagramService && !r.reply && !about.sent(r):
			p.Own++
			continue
		case f.Kind == trace.UDP && r.service != datagramService && !r.reply && !about.names[r.name]:
			p.Own++
			continue
		}
		if _, left := m.h.apartConn(captured); left {
			continue
		}
		what := "extra " + text
		if r.reply && repeated.has(h) {
			what = "repeated " + text
		}
		p.diverge(m, what, Divergence{
			Got: f, pos: h.pos, What: fmt.Sprintf("the host sent nothing, the device %s", summary(f)),
		})
	}
}

// said is when the device sent each of the frames that stand for one of the host's, by whom it sent it to and its bytes.
type said map[string][]time.Duration

func saidBy(got map[int]*heard) said {
	s := said{}
	for _, h := range got {
		k := h.text()
		s[k] = append(s[k], h.frame.At)
	}
	for _, at := range s {
		slices.Sort(at)
	}
	return s
}

func (h *heard) text() string { return h.frame.To.String() + " " + string(h.frame.Payload) }

// has reports whether the device has sent the same shortly before or after.
func (s said) has(h *heard) bool {
	at := s[h.text()]
	i, _ := slices.BinarySearch(at, h.frame.At-replyWindow)
	return i < len(at) && at[i] <= h.frame.At+replyWindow
}

func (p *Performed) diverge(m *Performance, what string, d Divergence) {
	switch {
	case !p.tolerates(m, what):
		p.Divergences = append(p.Divergences, d)
	case d.Recorded != nil:
		p.Tolerated++
	}
}

func (p *Performed) tolerates(m *Performance, what string) bool {
	if !slices.Contains(m.o.Tolerate, what) {
		return false
	}
	for i := range p.Tolerances {
		if p.Tolerances[i].Text == what {
			p.Tolerances[i].Count++
			return true
		}
	}
	p.Tolerances = append(p.Tolerances, TextCount{what, 1})
	return true
}
