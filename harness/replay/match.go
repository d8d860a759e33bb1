// SPDX-License-Identifier: MIT

package replay

import (
	"bytes"
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

// Ignored lists what is not looked at when a model's frames are compared with the host's, for reports.
const Ignored = "the spacing of frames, the order of a host's frames about different things, what frames hold that calls were " +
	"inferred from, the order of names and the statistics in node status responses, FIN or RST, identifiers and client ports as " +
	"long as they correspond"

const (
	// replyWindow is how long after a request a reply to it may come.
	replyWindow = 3 * time.Second

	// promptness is how far apart the first frame of a request may be from the call that brings it about, or from the event
	// that does; retryWindow, how far its repetitions.
	promptness  = 250 * time.Millisecond
	retryWindow = 5 * time.Second

	// atTheEnd is how near to the end of the capture a frame may be missing: it could have come later.
	atTheEnd = 250 * time.Millisecond

	// idLife is how long an identifier stands for one request. Sixteen bits recur.
	idLife = time.Minute
)

// Difference is one place where a model and the host differ.
type Difference struct {
	Frame    int          // number of the host's frame, or of the one that the host should have reacted to; 0 before the first
	Expected *trace.Frame // what the model sends; nil where it sends nothing
	Seen     *trace.Frame // what the host sent; nil where it sent nothing
	Fields   []string     // what differs, where both sent something
	Name     netbios.Name // whom it is about
	What     string       // in words

	pos   int // index of the frame where it shows
	cause int // index of the frame that brought the expected one about
}

// key tells frames that can be the same apart from those that cannot.
type key struct {
	service service
	reply   bool
	kind    uint8
	name    netbios.Name
	peer    netip.AddrPort
	id      uint16
	call    int
	conn    int
}

// keyOf makes the key of a frame of the host, or of a model.
func keyOf(f *trace.Frame, m *meaning, call int) key {
	k := key{service: m.service, reply: m.reply}
	switch {
	case f.Kind == trace.Message:
		k.conn, k.kind = f.Conn, uint8(m.ssn)
		if m.ssn == nbt.SsnNegative || m.ssn == nbt.SsnRetarget {
			k.kind = uint8(nbt.SsnPositive) // the answer to the request, whatever it is
		}
	case f.Kind != trace.UDP:
		k.conn, k.kind = f.Conn, uint8(f.Kind)
		if f.Kind == trace.Reset {
			k.kind = uint8(trace.Fin)
		}
		k.service = noService // not among the messages
	case m.reply:
		k.peer, k.id = f.To, m.id
		if m.service == nameService {
			k.name, k.kind = m.name, replyClass(m.kind)
		}
	case m.service == datagramService:
		k.call = call
	default:
		k.name, k.kind, k.call = m.name, uint8(m.kind), call
		if m.kind == nbt.KindRefresh { // nobody calls for one
			k.call = -1
		}
	}
	return k
}

// replyClass puts answers to one request together, whatever they say.
func replyClass(kind nbt.NameKind) uint8 {
	switch kind {
	case nbt.KindNegativeQuery, nbt.KindStatusResponse, nbt.KindRedirect:
		return uint8(nbt.KindPositiveQuery)
	case nbt.KindNegativeRegistration, nbt.KindConflictDemand, nbt.KindChallenge:
		return uint8(nbt.KindPositiveRegistration)
	case nbt.KindNegativeRelease:
		return uint8(nbt.KindPositiveRelease)
	}
	return uint8(kind)
}

// Counts are the frames that the host sent, by what the model makes of them.
type Counts struct {
	Explained   int `json:"explained"`   // the model sends them too
	Inferred    int `json:"inferred"`    // calls were inferred from them, and the model sends them when they are made
	Tolerated   int `json:"tolerated"`   // a profile allows them
	Unexplained int `json:"unexplained"` // the model does not send them
	Apart       int `json:"apart"`       // they say nothing about the stack
}

// matching compares what a model sends with what the host sent.
type matching struct {
	v    *View
	e    *engine
	h    *History
	o    *Options
	end  time.Duration // what the model sends later than this may be missing
	diff []Difference
	used map[*Tolerance]int
	Counts
	ids [2]map[uint16]bound // NAME_TRN_IDs of the model's requests to the host's, and the other way
}

type bound struct {
	id uint16
	at time.Duration
}

// both are the frames that have one key.
type both struct{ seen, sent []int }

func match(v *View, e *engine, h *History, o *Options) *matching {
	m := &matching{v: v, e: e, h: h, o: o, end: v.End() - atTheEnd, used: map[*Tolerance]int{}}
	m.ids = [2]map[uint16]bound{{}, {}}
	groups := map[key]*both{}
	var order []key
	at := func(k key) *both {
		g := groups[k]
		if g == nil {
			g = new(both)
			groups[k], order = g, append(order, k)
		}
		return g
	}
	for i := range v.Frames {
		if !v.read[i].out {
			continue
		}
		if m.apart(i) {
			m.Apart++
			continue
		}
		g := at(keyOf(&v.Frames[i], &v.read[i], h.roles[i].call))
		g.seen = append(g.seen, i)
	}
	for i := range e.sent {
		s := &e.sent[i]
		if _, left := h.apartConn(s.Conn); left {
			continue
		}
		g := at(keyOf(&s.Frame, &s.read, s.call))
		g.sent = append(g.sent, i)
	}
	for _, k := range order {
		m.group(k, groups[k])
	}
	slices.SortStableFunc(m.diff, func(a, b Difference) int { return cmp.Compare(a.pos, b.pos) })
	return m
}

// apart reports whether a frame of the host says nothing about the stack.
func (m *matching) apart(i int) bool {
	if _, apart := m.h.Apart[i]; apart {
		return true
	}
	f := &m.v.Frames[i]
	if _, left := m.h.apartConn(f.Conn); left {
		return true
	}
	return f.Kind == trace.Refuse && m.e.goneAt >= 0 && m.e.goneAt <= i // nobody is there any more
}

// apartConn reports whether a connection is left out of the comparison.
func (h *History) apartConn(conn int) (string, bool) {
	if conn == 0 {
		return "", false
	}
	why, apart := h.left[conn]
	return why, apart
}

// group pairs the frames of one key.
func (m *matching) group(k key, g *both) {
	paired := make([]bool, len(g.sent))
	first := 0 // that may have no partner yet
	for n, i := range g.seen {
		for first < len(paired) && paired[first] {
			first++
		}
		partner := m.partner(k, i, g.sent, paired, first)
		if partner < 0 {
			m.extra(i, g.seen[:n])
			continue
		}
		paired[partner] = true
		m.pair(i, &m.e.sent[g.sent[partner]])
	}
	missing := 0
	for p := range paired {
		if !paired[p] {
			missing++
		}
	}
	for p, s := range g.sent {
		if !paired[p] {
			m.missing(&m.e.sent[s], missing, len(g.sent))
		}
	}
}

// partner finds the frame of the model that stands for one of the host's, among those without a partner: of the replies the
// latest before it, of requests the next.
func (m *matching) partner(k key, i int, sent []int, paired []bool, first int) int {
	at, found := m.v.Frames[i].At, -1
	for p := first; p < len(sent); p++ {
		late := at - m.e.sent[sent[p]].At
		if late < -retryWindow || found >= 0 && !k.reply {
			break
		}
		switch {
		case paired[p]:
		case k.reply && late >= -time.Millisecond && late <= replyWindow:
			found = p
		case k.reply:
		case m.h.roles[i].inferred && late.Abs() > promptness || late.Abs() > retryWindow:
		case found < 0:
			found = p
		}
	}
	return found
}

// pair compares a frame of the host with the one that the model sends in its place.
func (m *matching) pair(i int, s *sent) {
	f, r := &m.v.Frames[i], &m.v.read[i]
	fields := m.identifiers(f, r, s)
	if m.h.roles[i].inferred && len(fields) == 0 {
		m.Inferred++
		return
	}
	fields = append(fields, differing(f, r, &s.Frame, &s.read)...)
	if len(fields) == 0 {
		m.Explained++
		return
	}
	if m.toleratesFields(i, s, fields) {
		m.Tolerated++
		return
	}
	m.Unexplained++
	m.differ(Difference{
		Frame: f.Number, Expected: &s.Frame, Seen: f, Fields: fields, Name: r.name, pos: i, cause: s.cause,
		What: fmt.Sprintf("it sends %s, the host sent %s", summary(&s.Frame), summary(f)),
	})
}

// identifiers checks that the identifiers of requests correspond one to one.
func (m *matching) identifiers(f *trace.Frame, r *meaning, s *sent) []string {
	if f.Kind != trace.UDP || r.service != nameService || r.reply {
		return nil
	}
	wrong := false
	for way, ids := range m.ids {
		from, to := s.read.id, r.id
		if way == 1 {
			from, to = to, from
		}
		b, known := ids[from]
		if known && b.id != to && f.At-b.at < idLife {
			wrong = true
			continue
		}
		ids[from] = bound{to, f.At}
	}
	if wrong {
		return []string{"NAME_TRN_ID"}
	}
	return nil
}

// destination is what differs when one frame goes to somebody else than the other.
const destination = "destination"

// differing names the fields in which two frames of one key differ, identifiers aside.
func differing(f *trace.Frame, r *meaning, s *trace.Frame, sr *meaning) []string {
	if r.kind == nbt.KindStatusResponse && sr.kind == nbt.KindStatusResponse && r.service == nameService && r.reply && sr.reply {
		return rowsDiffering(r.rows, sr.rows)
	}
	var fields []string
	if f.Broadcast != s.Broadcast || !f.Broadcast && f.Kind == trace.UDP && f.To != s.To {
		fields = append(fields, destination)
	}
	return append(fields, check.Differing(s, f)...)
}

// rowsDiffering compares the names in two node status responses, whatever their order.
func rowsDiffering(seen, sent []nbt.NodeName) []string {
	var fields []string
	for _, row := range seen {
		if i := slices.IndexFunc(sent, func(x nbt.NodeName) bool { return x.Name == row.Name }); i < 0 {
			fields = append(fields, "NODE_NAME "+row.Name.String()+" more")
		} else if sent[i].Flags != row.Flags {
			fields = append(fields, "NAME_FLAGS of "+row.Name.String())
		}
	}
	for _, row := range sent {
		if !slices.ContainsFunc(seen, func(x nbt.NodeName) bool { return x.Name == row.Name }) {
			fields = append(fields, "NODE_NAME "+row.Name.String()+" missing")
		}
	}
	return fields
}

// extra is a frame of the host that the model does not send.
func (m *matching) extra(i int, before []int) {
	f, r := &m.v.Frames[i], &m.v.read[i]
	if m.toleratesExtra(i, before) {
		m.Tolerated++
		return
	}
	m.Unexplained++
	what := "it sends nothing, the host sent " + summary(f)
	if m.h.roles[i].inferred {
		what = "the call that the frame shows makes it send nothing, the host sent " + summary(f)
	}
	m.differ(Difference{Frame: f.Number, Seen: f, Name: r.name, What: what, pos: i, cause: i})
}

// missing is a frame that the model sends and the host did not.
func (m *matching) missing(s *sent, missing, of int) {
	if s.At > m.end && !m.wasSupplied(s.call) || m.toleratesMissing(s, missing, of) {
		return
	}
	d := Difference{Expected: &s.Frame, Name: s.read.name, pos: s.cause, cause: s.cause}
	if len(m.v.Frames) > 0 {
		d.Frame = m.v.Frames[min(s.cause, len(m.v.Frames)-1)].Number
	}
	d.What = fmt.Sprintf("it sends %s, the host sent nothing", summary(&s.Frame))
	if s.read.kind == nbt.KindStatusResponse || s.Kind != trace.UDP {
		d.Name = netbios.Name{}
	}
	m.differ(d)
}

// wasSupplied reports whether a call is one that somebody supplied: who says that it was made says that the capture covers what it
// brings about.
func (m *matching) wasSupplied(call int) bool {
	return m.o.Supplied && slices.ContainsFunc(m.h.Calls, func(c Call) bool { return c.ID == call && c.Why != "" })
}

func (m *matching) differ(d Difference) { m.diff = append(m.diff, d) }

// summary tells what a frame carries, in a line that is not too long.
func summary(f *trace.Frame) string {
	text := check.Summary(f)
	if len(text) > maxSummary {
		return text[:maxSummary] + "..."
	}
	return text
}

const maxSummary = 120

// sameBytes reports whether two frames have the same payload.
func sameBytes(a, b *trace.Frame) bool { return bytes.Equal(a.Payload, b.Payload) }
