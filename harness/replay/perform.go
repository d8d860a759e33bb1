// SPDX-License-Identifier: MIT

package replay

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// PerformOptions are what a performance is made with.
type PerformOptions struct {
	// Patience is how long, at most, an answer is awaited that the capture's host gave, behind the time that it took.
	Patience time.Duration
	// MaxPause is the longest pause between two frames; 0 keeps them as they were recorded.
	MaxPause time.Duration
	// Can tells what the device can be made to do, in the words of the scenario language. Nil stands for nothing.
	Can func(op string) bool
	// Unasked are the calls that the device's applications make of themselves. They are not made, and nothing is concluded when
	// their frames do not come.
	Unasked []scenario.Verb
	// Tolerate lists differences that do not count: names of fields, and "missing", "extra" or "repeated" before a message's kind.
	// Which words there are, [Tolerable] tells.
	Tolerate []string

	// Calls are a history that somebody supplies, see [History.Supply]; Supplied tells that there is one.
	Calls    []Call
	Supplied bool

	Cut string // why the capture ended early; empty for a whole one
}

// The bounds of a performance.
const (
	linger      = time.Second // how long the device may still say something after the last frame
	tableSettle = 250 * time.Millisecond
	givenUpAt   = 3 // so often a kind of answer may stay away before it is not waited for any more
	maxEarly    = 4096
	maxDue      = 512
	maxRounds   = 1 << 20 // frames and calls
)

// Performance plays the peers of a capture before a device: their frames go out in the order of the capture, each at its
// distance from the one before, and after what the host had sent by then. It is the [runner.Script] of a LAN whose first node is
// the device, followed by the cast's peers, whose stacks have nothing to say of their own. It hears the device through the
// record that the LAN makes.
type Performance struct {
	v    *View
	h    History
	o    PerformOptions
	cast Cast
	mask *mask
	node map[netip.Addr]int // of a captured host

	cues    []cue
	next    int // the cue whose turn it is
	stage   stage
	anchor  anchor
	since   time.Duration // when the waiting for what stays away began; negative while nothing is awaited
	until   time.Duration
	waiting bool // a wait ends when nothing is awaited any more
	busy    bool // a call is awaited: patience with what it brings about begins when it has completed
	queue   []runner.Action
	why     string // it cannot go on

	lines    map[int]*line         // by connection of the capture
	ends     map[end]int           // the connection of the capture that one of ours stands for
	dialling int                   // of them
	verbs    map[int]scenario.Verb // of the history's calls, by their IDs
	requests map[request]bool      // that the captured host sent
	lastConn stack.Conn
	taps     map[int]*tapped
	inbound  map[port]stack.Conn // connections that the device opened, and of which nothing is known yet
	expected map[port]int        // connections of the capture that stand for ones of the device's, and that have no end of ours yet
	record   *trace.Trace
	recorded int // events of the record that have been heard
	tap      trace.Tap

	made    []made // by CallID less one
	pending []int  // indexes of those that have not completed
	probes  stack.CallID
	status  bool // a look at the device's name table is awaited
	rows    []netbios.NameRow
	added   bool
	halting bool // an orderly stop is awaited
	nums    map[netbios.Name]uint8
	lsns    map[int]uint8

	fates    []fate
	due      []dueFrame     // the host's frames that the device may still send the like of, in order
	excuses  map[int]string // why nothing is concluded when one of them does not come
	got      map[int]*heard // by index of the frame that it stands for
	early    []*heard       // what stands for no frame, or for none yet
	given    map[string]int // answers that stayed away, by kind
	ids      map[uint16]uint16
	dgmIDs   map[uint16]uint16
	unsent   []Apart
	sent     int
	short    int // pauses cut short
	sentAt   map[int]bool
	answered int // queries of names that the capture's host knew
	late     int // frames that came after they had been given up
}

// cue is what happens next: a frame of the view, or a call of the history.
type cue struct {
	frame int // index, or -1
	call  *Call
	at    time.Duration
}

// request is what tells an answer which request it is for.
type request struct {
	service service
	id      uint16
}

type stage uint8

const (
	looking stage = iota // at the device's name table
	adding               // names that the host had
	settled              // their traffic is over
	playing
	lingering
	over
)

// anchor is a place in the capture, and when the performance was there.
type anchor struct{ live, at time.Duration }

// fate is what became of a frame of the host.
type fate uint8

const (
	ahead   fate = iota // its turn has not come
	open                // it is due
	come                // the device has sent its like
	missed              // it stayed away
	ignored             // it says nothing of the stack
)

// dueFrame is a frame of the host, by its index, with what a frame of the device that stands for it has to be.
type dueFrame struct {
	frame int
	key   key
}

// line is a connection of the capture, as it is performed.
type line struct {
	node  int
	conn  stack.Conn
	state lineState
	wrong bool // it is not as it was
}

// become notes how a connection stands now.
func (m *Performance) become(l *line, s lineState) {
	if l.state == dialling {
		m.dialling--
	}
	l.state = s
}

type lineState uint8

const (
	dialling lineState = iota
	established
	gone
)

// tapped is a connection as the record numbers it.
type tapped struct {
	captured int // 0 while it stands for none of the capture's
}

// end is our end of a connection.
type end struct {
	node int
	conn stack.Conn
}

// port is where a connection that the device opens comes from, and at which node.
type port struct {
	node int
	port uint16
}

// made is a call that the device was made to do.
type made struct {
	*Call
	done bool
	code netbios.Code
	held bool
}

// heard is a frame of the device.
type heard struct {
	frame trace.Frame // as it would stand in the capture
	read  meaning
	tap   int
	pos   int // the cue whose turn it was
	knew  bool
	key   key // as long as it stands for no frame of the host
}

// Perform prepares a performance of what a view shows, on a LAN that keeps a record. The error is about the cast or the
// options.
func Perform(v *View, cast Cast, o PerformOptions, record *trace.Trace) (*Performance, error) {
	if err := cast.check(v); err != nil {
		return nil, err
	}
	for _, word := range o.Tolerate {
		if err := Tolerable(word); err != nil {
			return nil, err
		}
	}
	h := Infer(v)
	if o.Supplied {
		h.Supply(v, o.Calls)
	}
	m := &Performance{
		v: v, h: h, o: o, cast: cast, mask: newMask(v, &cast), node: map[netip.Addr]int{v.Host: 0}, since: -1, record: record,
		verbs: map[int]scenario.Verb{}, requests: map[request]bool{},
		lines: map[int]*line{}, ends: map[end]int{}, taps: map[int]*tapped{}, inbound: map[port]stack.Conn{}, expected: map[port]int{},
		nums: map[netbios.Name]uint8{}, lsns: map[int]uint8{},
		fates: make([]fate, len(v.Frames)), excuses: map[int]string{}, got: map[int]*heard{}, given: map[string]int{},
		ids: map[uint16]uint16{}, dgmIDs: map[uint16]uint16{}, sentAt: map[int]bool{},
	}
	for i, p := range cast.Peers {
		m.node[p.Captured] = i + 1
	}
	for i := range h.Calls {
		m.verbs[h.Calls[i].ID] = h.Calls[i].Verb
		for _, c := range h.Calls[i].Instead {
			m.verbs[c.ID] = h.Calls[i].Verb
		}
	}
	for i := range v.read {
		if q := &v.read[i]; q.out && !q.bad && !q.reply {
			m.requests[request{q.service, q.id}] = true
		}
	}
	call := 0
	for i := range v.Frames {
		for ; call < len(h.Calls) && h.Calls[call].Pos <= i; call++ {
			m.cue(cue{-1, &m.h.Calls[call], h.Calls[call].At})
		}
		m.cue(cue{i, nil, v.Frames[i].At})
	}
	for ; call < len(h.Calls); call++ {
		m.cue(cue{-1, &m.h.Calls[call], h.Calls[call].At})
	}
	m.why = m.unplayable()
	return m, nil
}

// Unplayable tells why the performance need not begin: the device cannot be made to do something that the host's applications did,
// or the capture does not show enough. Empty when there is no such reason.
func (m *Performance) Unplayable() string { return m.why }

func (m *Performance) unplayable() string {
	if why := oneSided(m.v); why != "" {
		return why
	}
	if len(m.cast.Peers) == 0 {
		return fmt.Sprintf("nobody in the capture sent %s anything, so there is nothing to play", m.v.Host)
	}
	return m.unable()
}

// Verbs are the calls of a host's applications that a capture shows, and those that a scenario supplies.
func Verbs() []scenario.Verb {
	return []scenario.Verb{
		scenario.AddName, scenario.AddGroup, scenario.DeleteName, scenario.Listen, scenario.Call, scenario.HangUp, scenario.Send,
		scenario.SendDatagram, scenario.SendBroadcast, scenario.FindName, scenario.Stop, scenario.Restart,
	}
}

func (m *Performance) cue(c cue) {
	if c.call == nil || !m.unasked(c.call.Verb) {
		m.cues = append(m.cues, c)
	}
}

func (m *Performance) unasked(v scenario.Verb) bool { return slices.Contains(m.o.Unasked, v) }

// Total is how many frames and calls there are to play; Played how many have been.
func (m *Performance) Total() int { return len(m.cues) }

// Played is how far the performance has come.
func (m *Performance) Played() int { return m.next }

// unable tells of the first call of the host's applications that the device cannot be made to do.
func (m *Performance) unable() string {
	for i := range m.cues {
		c := m.cues[i].call
		if c == nil || m.can(c.Verb) {
			continue
		}
		where := "the scenario says so"
		if c.Seen >= 0 {
			where = fmt.Sprintf("frame %d shows it", m.v.Frames[c.Seen].Number)
		} else if c.Why == "" {
			where = fmt.Sprintf("frame %d shows it", m.v.Frames[min(c.Pos, len(m.v.Frames)-1)].Number)
		}
		capable := "which has no agent to do it"
		if m.o.Can != nil {
			capable = "of which its agent is not capable"
		}
		return fmt.Sprintf("%s of the captured host%s (%s): this needs %s of the device, %s; what a device does of itself, "+
			"--unasked leaves to it", c.Verb, aboutName(c), where, c.Verb, capable)
	}
	return ""
}

func aboutName(c *Call) string {
	if c.Name != (netbios.Name{}) {
		return " for " + c.Name.String()
	}
	if c.Remote != (netbios.Name{}) {
		return " for " + c.Remote.String()
	}
	return ""
}

func (m *Performance) can(v scenario.Verb) bool { return m.o.Can != nil && m.o.Can(v.String()) }

// Ready implements [runner.Script].
func (m *Performance) Ready() bool {
	m.listen()
	if len(m.queue) > 0 || m.why != "" {
		return true
	}
	switch m.stage {
	case looking:
		return !m.status
	case adding:
		return m.allDone()
	case playing, lingering:
		return m.waiting && (!m.lacking() || m.busy && !m.calling())
	case settled, over:
	}
	return false
}

func (m *Performance) allDone() bool { return len(m.pending) == 0 }

// Next implements [runner.Script].
func (m *Performance) Next(now time.Duration) runner.Action {
	m.listen()
	for range maxRounds {
		if m.why != "" {
			return runner.Done{Exhausted: m.why}
		}
		if len(m.queue) > 0 {
			a := m.queue[0]
			m.queue = m.queue[1:]
			return a
		}
		if a := m.act(now); a != nil {
			return a
		}
	}
	return runner.Done{Exhausted: "the replay does not come to an end"}
}

// act does what the stage is about. It returns nil when there is something else to do at once.
func (m *Performance) act(now time.Duration) runner.Action {
	switch m.stage {
	case looking:
		return m.look(now)
	case adding:
		if !m.allDone() {
			return m.patiently(now, runner.CallPatience, "a name was not added within "+runner.CallPatience.String())
		}
		m.stage, m.until, m.since = settled, now+tableSettle, -1
	case settled:
		if now < m.until {
			return runner.Wait{Until: m.until}
		}
		m.stage = looking
	case playing:
		return m.play(now)
	case lingering:
		if w := m.lack(now); w != nil {
			return w
		}
		if m.waiting = false; now < m.until {
			return runner.Wait{Until: m.until}
		}
		m.stage = over
	case over:
		return runner.Done{}
	}
	return nil
}

// patiently waits for something that has a limit.
func (m *Performance) patiently(now, patience time.Duration, otherwise string) runner.Action {
	if m.since < 0 {
		m.since = now
	}
	if now >= m.since+patience {
		m.why = otherwise
		return nil
	}
	return runner.Wait{Until: m.since + patience}
}

// look sees to it that the device has the names that the host had.
func (m *Performance) look(now time.Duration) runner.Action {
	switch {
	case m.status:
		return m.patiently(now, runner.CallPatience, "the device does not tell its names")
	case m.probes == 0:
		if len(m.h.Held) == 0 {
			m.begin(now)
			return nil
		}
		return m.probe()
	case m.rows == nil:
		m.why = "the device does not tell its names: nothing shows whether it has those that the captured host had"
		return nil
	}
	for _, held := range m.h.Held {
		if m.lists(held) {
			continue
		}
		verb := scenario.AddName
		if held.Group {
			verb = scenario.AddGroup
		}
		if m.added || !m.can(verb) {
			m.why = m.lacks(held)
			return nil
		}
		c := &Call{ID: -1, Verb: verb, Name: held.Name, Group: held.Group}
		m.queue = append(m.queue, m.submit(c, true))
	}
	if len(m.queue) == 0 {
		m.begin(now)
		return nil
	}
	m.stage, m.added, m.probes, m.since, m.rows = adding, true, 0, -1, nil
	return nil
}

func (m *Performance) probe() runner.Action {
	m.probes++
	m.status, m.since = true, -1
	return runner.Submit{Node: 0, Call: stack.Call{ID: trace.Probe | m.probes, NCB: netbios.NCB{
		Command: netbios.AdapterStatus, CallName: netbios.Wildcard, Length: 0xffff,
	}}}
}

// lists reports whether the device has a name that the host had. What kind of name it is, a capture does not always tell: nmbd
// refuses a claim with the requester's flags. Where it matters the answers show it.
func (m *Performance) lists(h Held) bool {
	return slices.ContainsFunc(m.rows, func(row netbios.NameRow) bool { return row.Name == m.mask.realName(h.Name) })
}

func (m *Performance) lacks(h Held) string {
	real := m.mask.realName(h.Name)
	text := fmt.Sprintf("frame %d shows that the captured host had %s, and the device ", m.v.Frames[h.Frame].Number, h.Name)
	if real == h.Name {
		return text + fmt.Sprintf("does not: have it add the name, or say which of its names takes the place: --bind '%s=NAME'", h.Name)
	}
	return text + fmt.Sprintf("does not have %s, which is bound to it", real)
}

func (m *Performance) begin(now time.Duration) {
	m.stage, m.since, m.waiting = playing, -1, false
	m.anchor = anchor{now, 0}
	if len(m.cues) > 0 {
		m.anchor.at = m.cues[0].at
	}
}

// play goes on to the next thing that can be done.
func (m *Performance) play(now time.Duration) runner.Action {
	if m.next == len(m.cues) {
		m.stage, m.until = lingering, now+linger
		return nil
	}
	c := &m.cues[m.next]
	if c.call == nil && m.v.read[c.frame].out {
		m.pass(c.frame)
		m.next++
		return nil
	}
	if w := m.lack(now); w != nil {
		return w
	}
	if due := m.turn(c.at); now < due {
		m.waiting = false
		return runner.Wait{Until: due}
	}
	pause := c.at - m.anchor.at
	a, why := m.perform(c)
	m.next++
	switch {
	case a != nil:
		m.anchor = anchor{now, c.at}
		if m.o.MaxPause > 0 && pause > m.o.MaxPause {
			m.short++
		}
	case why != "":
		m.unsent = countApart(m.unsent, why, m.v.Frames[c.frame].Number)
	}
	return a
}

func countApart(list []Apart, why string, frame int) []Apart {
	i := slices.IndexFunc(list, func(a Apart) bool { return a.Why == why })
	if i < 0 {
		return append(list, Apart{Why: why, Count: 1, First: frame})
	}
	list[i].Count++
	return list
}

// turn is when the turn of something has come that is at a time of the capture.
func (m *Performance) turn(at time.Duration) time.Duration {
	pause := max(0, at-m.anchor.at)
	if m.o.MaxPause > 0 {
		pause = min(pause, m.o.MaxPause)
	}
	return m.anchor.live + pause
}

// pass comes to a frame of the host: from now on it is due.
func (m *Performance) pass(i int) {
	tools := false
	if why, apart := m.h.Apart[i]; apart {
		if tools = why == apartTool; !tools || m.v.read[i].bad {
			m.fates[i] = ignored
			return
		}
	}
	if _, left := m.h.apartConn(m.v.Frames[i].Conn); left {
		m.fates[i] = ignored
		return
	}
	m.fates[i] = open
	if why := m.excuse(i); why != "" {
		m.excuses[i] = why
	} else if tools && !m.v.challenges(i) {
		m.excuses[i] = apartTool
	}
	k := m.keyOf(&m.v.Frames[i], &m.v.read[i])
	l := m.lines[m.v.Frames[i].Conn]
	tooEarly := m.v.Frames[i].Conn != 0 && l != nil && l.wrong
	for n, h := range m.early {
		if !h.knew && h.key == k && !tooEarly {
			m.early = slices.Delete(m.early, n, n+1)
			m.pair(i, h)
			return
		}
	}
	if len(m.due) == maxDue { // there is one for which it is too late: one that nothing is concluded from, if there is one
		n := max(0, slices.IndexFunc(m.due, func(d dueFrame) bool { return m.excuses[d.frame] != "" }))
		m.due = slices.Delete(m.due, n, n+1)
	}
	m.due = append(m.due, dueFrame{i, k})
}

// lack waits for what the host had sent by now and the device has not, within its limit. It returns nil when nothing more is
// waited for.
func (m *Performance) lack(now time.Duration) runner.Action {
	if !m.lacking() {
		m.since = -1
		return nil
	}
	if busy := m.calling(); m.since < 0 || busy != m.busy {
		m.since, m.busy = now, busy
	}
	limit := m.latest() + m.o.Patience
	if m.busy {
		limit = m.since + runner.CallPatience // its agent has a limit of its own
	}
	if now < limit {
		m.waiting = true
		return runner.Wait{Until: limit}
	}
	m.since = -1
	m.giveUp(now)
	return nil
}

// latest is when, at the latest, what is awaited would have come if it took as long as in the capture.
func (m *Performance) latest() time.Duration {
	at := m.since
	for _, d := range m.due {
		if m.awaits(d) {
			at = max(at, m.anchor.live+m.v.Frames[d.frame].At-m.anchor.at)
		}
	}
	return at
}

// lacking reports whether anything is awaited.
func (m *Performance) lacking() bool {
	return m.halting || m.dialling > 0 || m.calling() || slices.ContainsFunc(m.due, m.awaits)
}

// calling reports whether the call whose turn it is needs what another one has not returned yet, or a frame is awaited that a
// call under way brings about.
func (m *Performance) calling() bool {
	for _, k := range m.pending {
		x := m.made[k]
		if x.held || waitsForOthers(x.Verb) {
			continue
		}
		if slices.ContainsFunc(m.due, func(d dueFrame) bool { return m.h.roles[d.frame].call == x.ID && m.awaits(d) }) || m.needs(x.Call) {
			return true
		}
	}
	return false
}

// needs reports whether the call whose turn it is cannot be made before another one has completed.
func (m *Performance) needs(x *Call) bool {
	if m.stage != playing || m.next >= len(m.cues) || m.cues[m.next].call == nil {
		return false
	}
	c := m.cues[m.next].call
	return c.Conn != 0 && x.Conn == c.Conn || c.Name != (netbios.Name{}) && x.Name == c.Name && x.Verb != c.Verb
}

// waitsForOthers reports whether a call completes only when somebody else does something.
func waitsForOthers(v scenario.Verb) bool { return v == scenario.Listen }

// awaits reports whether a frame of the host is waited for. Nobody waits for the error that a datagram may bring about.
func (m *Performance) awaits(d dueFrame) bool {
	i := d.frame
	if m.fates[i] != open {
		return false
	}
	f, r := &m.v.Frames[i], &m.v.read[i]
	if m.given[kindOf(f, r)] >= givenUpAt || r.service == datagramService && r.reply || m.excuses[i] != "" {
		return false
	}
	if l := m.lines[f.Conn]; f.Conn != 0 && l != nil && (l.wrong || l.state == gone) {
		return false
	}
	return true
}

// kindOf names a frame in words.
func kindOf(f *trace.Frame, r *meaning) string {
	if f.Kind == trace.UDP || f.Kind == trace.Message {
		if text := kindText(r); text != "" {
			return text
		}
	}
	return f.Kind.String()
}

// giveUp stops waiting for what stays away.
func (m *Performance) giveUp(now time.Duration) {
	m.halting = false
	if m.dialling > 0 {
		for _, l := range m.lines {
			if l.state == dialling {
				m.become(l, gone)
			}
		}
	}
	for _, d := range m.due {
		if i := d.frame; m.awaits(d) {
			m.fates[i] = missed
			m.given[kindOf(&m.v.Frames[i], &m.v.read[i])]++
			m.anchor = anchor{now, max(m.anchor.at, m.v.Frames[i].At)}
		}
	}
}

// excuse tells why nothing is to be concluded from a frame of the host when the device does not send it; empty when something is.
func (m *Performance) excuse(i int) string {
	f, r := &m.v.Frames[i], &m.v.read[i]
	if r.reply {
		if q := m.v.requestOf(i); q >= 0 && q < len(m.v.Frames) && m.passed(q) && !m.sentAt[q] {
			return "what it answers was not sent"
		}
	}
	if f.Conn != 0 {
		if l := m.lines[f.Conn]; l == nil && f.Kind != trace.Connect {
			return "its connection did not come about"
		}
	}
	if call := m.h.roles[i].call; call >= 0 {
		if verb, known := m.verbs[call]; known && m.unasked(verb) && verb != scenario.Listen {
			return "the device was not told to"
		}
	}
	return ""
}

// passed reports whether the turn of a frame is over.
func (m *Performance) passed(i int) bool {
	return m.next >= len(m.cues) || m.cues[m.next].frame > i || m.cues[m.next].call != nil && m.cues[m.next].call.Pos > i
}

// perform does what a cue says. It returns why a frame cannot be sent, and nil for a call that is nothing to the device.
func (m *Performance) perform(c *cue) (a runner.Action, why string) {
	if c.call != nil {
		switch c.call.Verb {
		case scenario.Stop:
			m.halting = true
			return runner.Stop{Node: 0}, ""
		case scenario.Restart:
			clear(m.nums)
			clear(m.lsns)
			return runner.Restart{Node: 0}, ""
		default:
			return m.submit(c.call, false), ""
		}
	}
	a, why = m.send(c.frame)
	if a != nil {
		m.sent++
		m.sentAt[c.frame] = true
	}
	return a, why
}

func (m *Performance) submit(c *Call, held bool) runner.Action {
	m.pending = append(m.pending, len(m.made))
	m.made = append(m.made, made{Call: c, held: held})
	own := *c
	own.Name, own.Remote = m.mask.realName(c.Name), m.mask.realName(c.Remote)
	return runner.Submit{Node: 0, Call: stack.Call{ID: stack.CallID(len(m.made)), NCB: own.ncb(m.nums, m.lsns)}}
}

// send plays a frame of a peer.
func (m *Performance) send(i int) (a runner.Action, why string) {
	f, r := &m.v.Frames[i], &m.v.read[i]
	node, cast := m.node[f.From.Addr()]
	switch {
	case r.unheard:
		return nil, "nobody was there to hear it"
	case !cast:
		return nil, "nobody plays its sender"
	case f.Kind != trace.UDP:
		return m.sendOn(i, node)
	case f.To.Port() != stack.NamePort && f.To.Port() != stack.DatagramPort:
		return nil, apartTool
	}
	payload := m.mask.disguised(f)
	if r.reply && !r.bad {
		bound, at := m.ids, 0
		if r.service == datagramService {
			bound, at = m.dgmIDs, 2
		}
		id, known := bound[r.id]
		switch {
		case known:
			binary.BigEndian.PutUint16(payload[at:], id)
		case m.asked(r):
			return nil, "it answers what the device has not sent"
		}
	}
	place := m.cast.Peers[node-1].Place
	d := stack.SendDatagram{
		From: netip.AddrPortFrom(place.Addr(), f.To.Port()), To: netip.AddrPortFrom(m.cast.Device.Addr(), f.To.Port()),
		Broadcast: f.Broadcast, Payload: payload,
	}
	if f.Broadcast {
		d.To = netip.AddrPortFrom(stack.BroadcastOf(place), f.To.Port())
	}
	return runner.Inject{Node: node, Frame: d}, ""
}

// asked reports whether a response has the identifier of something that the captured host sent.
func (m *Performance) asked(r *meaning) bool { return m.requests[request{r.service, r.id}] }

// sendOn plays what a peer does on a connection.
func (m *Performance) sendOn(i, node int) (a runner.Action, why string) {
	f := &m.v.Frames[i]
	if why, left := m.h.apartConn(f.Conn); left {
		return nil, why
	}
	if f.Kind == trace.Connect {
		m.lastConn++
		m.lines[f.Conn] = &line{node: node, conn: m.lastConn}
		m.ends[end{node, m.lastConn}] = f.Conn
		m.dialling++
		return runner.Emit{Node: node, Out: stack.Open{
			Conn: m.lastConn, To: netip.AddrPortFrom(m.cast.Device.Addr(), stack.SessionPort),
		}}, ""
	}
	l := m.lines[f.Conn]
	if l == nil || l.state != established {
		if l != nil {
			l.wrong = true // the device ended it while the host still listened
		}
		return nil, "its connection has not come about, or is over"
	}
	switch f.Kind {
	case trace.Message:
		r := &m.v.read[i]
		if lsn, known := m.lsns[f.Conn]; known && r.ssn == nbt.SsnMessage && m.can(scenario.Receive) {
			m.consume(f.Conn, lsn, len(r.data))
		}
		return runner.Emit{Node: l.node, Out: stack.SendData{Conn: l.conn, Bytes: m.mask.disguised(f)}}, ""
	case trace.Fin, trace.Reset, trace.Refuse:
		return runner.Emit{Node: l.node, Out: stack.Close{Conn: l.conn, Abort: f.Kind != trace.Fin}}, ""
	case trace.Connect, trace.UDP:
	}
	return nil, ""
}

// consume has the device's application receive a message that is about to be sent, as the host's must have done.
func (m *Performance) consume(conn int, lsn uint8, length int) {
	for ; ; length -= 0xffff {
		m.pending = append(m.pending, len(m.made))
		m.made = append(m.made, made{Call: &Call{ID: -1, Verb: scenario.Receive, Conn: -1}, held: true})
		m.queue = append(m.queue, runner.Submit{Node: 0, Call: stack.Call{
			ID: stack.CallID(len(m.made)), NCB: netbios.NCB{Command: netbios.Receive, LSN: lsn, Length: 0xffff},
		}})
		if length <= 0xffff {
			return
		}
	}
}

// Observe implements [runner.Script].
func (m *Performance) Observe(node int, out stack.Output) (wrong string) {
	c, complete := out.(stack.Complete)
	if _, stopped := out.(stack.Stopped); stopped && node == 0 {
		m.halting = false
	}
	switch {
	case !complete:
		return ""
	case node != 0:
		return "it completed a call that nobody made to it"
	case c.ID&trace.Probe != 0:
		if m.status = false; c.Code == netbios.GOODRET || c.Code == netbios.INCOMP {
			m.rows, _ = netbios.ParseStatus(c.Data) // no rows: it does not tell
		}
		return ""
	case c.ID == 0 || int(c.ID) > len(m.made):
		return "it completed a call that nobody made to it"
	}
	of := &m.made[c.ID-1]
	if of.done {
		return "it completed a call twice"
	}
	of.done, of.code = true, c.Code
	m.pending = slices.DeleteFunc(m.pending, func(k int) bool { return k == int(c.ID)-1 })
	if c.Code != netbios.GOODRET {
		return ""
	}
	if c.Num != 0 && of.Conn == 0 {
		m.nums[of.Name] = c.Num
	}
	if c.LSN != 0 && of.Conn > 0 {
		m.lsns[of.Conn] = c.LSN
	}
	return ""
}

// Gone implements [runner.Script].
func (m *Performance) Gone(node int) {
	if node == 0 {
		m.why = "the device is gone"
	}
}
