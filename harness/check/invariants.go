// SPDX-License-Identifier: MIT

package check

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Violation is a broken promise of a correct stack.
type Violation struct {
	Invariant string // one of the names below
	Node      int
	Step      int
	Event     uint32
	Text      string
}

// The promises of a correct stack that hold in every run, whatever its scenario expects.
const (
	// References: a name has one reference for its registration and one for each session; a CALL being set up counts as
	// one (KB Q124565). Compared with the stack's own ledger where it keeps one.
	References = "references"
	// Ledger: a stack's ledger adds up: each reference is given back at most once, and the counts follow.
	Ledger = "ledger"
	// DeleteFrees: a name that was deleted and has no session is not answered for, defended, listed or in the way of a new
	// ADD NAME.
	DeleteFrees = "delete-frees"
	// ReleaseOnFree: a name that becomes free is released on the wire, to the segment three times (RFC 1002 sections 5.1.1.4
	// and 6), to a name server until it answers (section 5.1.2.4), and no name is released that is not free.
	ReleaseOnFree = "release-on-free"
	// ReleaseOnStop: an orderly stop releases every name (KB Q140419).
	ReleaseOnStop = "release-on-stop"
	// ClaimSequence: a B node registers a name by three registration requests under one identifier, evenly spaced, and an
	// overwrite demand under another (RFC 1002 section 5.1.1.1), a P node with the consent of its name server alone (5.1.2.1),
	// M and H nodes by both (5.1.3.1); a refusal out of the local table sends nothing.
	ClaimSequence = "claim-sequence"
	// ConflictOwnClaim: a name goes into conflict only upon an objection to its own claim or refresh (MS00-047).
	ConflictOwnClaim = "conflict-own-claim"
	// Answers: queries and claims for a registered name are answered (RFC 1002 section 5.1.1.5), and by nobody else. A node
	// with a name server denies the names that it has not when it is asked alone (section 5.1.2.5), a P node hears nothing
	// that is broadcast.
	Answers = "answers"
	// DatagramErrors: a direct datagram sent to this node alone is answered with an error when its name is not here, and
	// only then (RFC 1002 section 5.3.3).
	DatagramErrors = "datagram-error"
	// Refreshed: a name is refreshed before the term that the name server granted is over (RFC 1002 section 5.1.2.3).
	Refreshed = "refresh"
	// NameServer: a name server answers every request, tells of no name but those that it granted and that are neither
	// released nor expired, and takes no name from an owner that it has not asked (RFC 1002 section 5.1.4).
	NameServer = "name-server"
)

// Timers of RFC 1002 section 6 and of NetBT, as the judge knows them.
const (
	claimCount     = 3
	releaseCount   = 3
	conflictWindow = time.Second
	rfcInterval    = 250 * time.Millisecond // BCAST_REQ_RETRY_TIMEOUT
	netbtInterval  = 750 * time.Millisecond // BcastQueryTimeout

	serverCount = 3 // UCAST_REQ_RETRY_COUNT, NameSrvQueryCount
	rfcServer   = 5 * time.Second
	netbtServer = 1500 * time.Millisecond // NameSrvQueryTimeout
)

// interval is the time between the repetitions of a broadcast request of a node.
func (w *watch) interval(node int) time.Duration {
	if w.run.Scenario.Nodes[node].Profile == "netbt" {
		return netbtInterval
	}
	return rfcInterval
}

// serverInterval is the time between the repetitions of a request to the name server of a node.
func (w *watch) serverInterval(node int) time.Duration {
	if w.run.Scenario.Nodes[node].Profile == "netbt" {
		return netbtServer
	}
	return rfcServer
}

// violations checks the promises of a correct stack against what crossed the seam.
func violations(run Run) []Violation {
	w := watch{run: run, nodes: make([]watched, len(run.Trace.Nodes))}
	for i := range run.Trace.Events {
		w.see(&run.Trace.Events[i])
	}
	return w.found
}

// watch keeps, for every node, the judge's own account of its names.
type watch struct {
	run   Run
	nodes []watched
	found []Violation
	now   *trace.Event
}

// watched is what the judge knows of a node.
type watched struct {
	names    []*holding
	calls    []made
	streams  []streamOf
	releases []*releasing
	served   []*served // what a name server has granted
	waiting  []waiting // whom it has told to wait
	asked    []challenged
	stopping bool
}

// holding is the account of one name at one node.
type holding struct {
	name       netbios.Name
	group      bool
	adding     stack.CallID  // the ADD NAME under way, 0 for none
	claims     []claimSent   // of the last registration, in the order in which they were sent
	heard      []heard       // what the name server said to them
	refreshes  []uint16      // identifiers
	term       time.Duration // when the name server's grant is over; 0 for never, or not of its making
	registered bool
	conflict   bool
	deleted    bool // while sessions keep it
	sessions   int
	calls      int // being set up
	ledger     int // references according to the stack's own notes
	noted      []uint32
	hasLedger  bool
}

// expected is how many references a correct stack holds.
func (h *holding) expected() int {
	n := h.sessions + h.calls
	if h.registered && !h.deleted {
		n++
	}
	return n
}

// inService reports whether the node has to answer for the name and defend it.
func (h *holding) inService() bool { return h.registered && !h.deleted && !h.conflict }

// streamOf is a connection that carries, or may carry, a session.
type streamOf struct {
	conn stack.Conn
	name netbios.Name
	live bool
}

// claimSent is a registration request or an overwrite demand.
type claimSent struct {
	id        uint16
	overwrite bool
	at        time.Duration
	cause     uint32 // event
	to        netip.AddrPort
	broadcast bool
	flags     nbt.NBFlags
}

// releasing is a name that was freed and whose releases are being counted.
type releasing struct {
	name   netbios.Name
	since  time.Duration
	step   int
	event  uint32
	until  time.Duration // when the name was claimed again, which cancels the rest; 0 for never
	sends  []claimSent
	heard  []heard
	onStop bool
}

// sent reports whether a release was sent under an identifier.
func (r *releasing) sent(id uint16) bool {
	return slices.ContainsFunc(r.sends, func(s claimSent) bool { return s.id == id })
}

func (w *watch) violate(invariant, format string, args ...any) {
	w.found = append(w.found, Violation{
		Invariant: invariant, Node: int(w.now.Node), Step: int(w.now.Step), Event: w.now.Seq, Text: fmt.Sprintf(format, args...),
	})
}

func (n *watched) holding(name netbios.Name) *holding {
	for _, h := range n.names {
		if h.name == name {
			return h
		}
	}
	h := &holding{name: name}
	n.names = append(n.names, h)
	return h
}

func (w *watch) see(e *trace.Event) {
	w.now = e
	if e.Node == trace.LAN {
		w.boundary(e)
		return
	}
	n := &w.nodes[e.Node]
	switch what := e.What.(type) {
	case trace.Started:
		for _, r := range n.releases { // what was due before the restart
			w.judgeReleases(int(e.Node), r, e.At)
		}
		w.nodes[e.Node] = watched{}
	case stack.Call:
		w.call(n, what)
	case stack.Complete:
		w.complete(n, what)
	case stack.Stop:
		w.stop(n)
	case stack.Datagram:
		w.received(n, what)
	case stack.SendDatagram:
		w.sent(n, what)
	case stack.Close:
		w.sessionOver(n, what.Conn)
	case stack.Closed:
		w.sessionOver(n, what.Conn)
	case stack.RefTaken:
		w.taken(n, what)
	case stack.RefDropped:
		w.dropped(n, what)
	}
}

// boundary compares the counts where nothing is going on: between the steps, and at the end.
func (w *watch) boundary(e *trace.Event) {
	_, last := e.What.(trace.Ended)
	if _, began := e.What.(trace.StepBegan); !began && !last {
		return
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		for _, h := range n.names {
			if h.hasLedger && h.ledger != h.expected() {
				w.now = &trace.Event{Node: int16(i), Step: e.Step, Seq: e.Seq}
				w.violate(References, "%s: the ledger holds %d references, the registration and its sessions explain %d",
					h.name, h.ledger, h.expected())
				h.ledger = h.expected() // told once
			}
			if h.registered && h.term > 0 && e.At > h.term {
				w.now = &trace.Event{Node: int16(i), Step: e.Step, Seq: e.Seq}
				w.violate(Refreshed, "%s: the term that the name server granted is over, and it was not refreshed", h.name)
				h.term = 0
			}
		}
		if last {
			for _, r := range n.releases {
				w.judgeReleases(i, r, e.At)
			}
		}
	}
}

func (w *watch) call(n *watched, c stack.Call) {
	n.calls = append(n.calls, made{id: c.ID, ncb: c.NCB, called: w.now.Seq})
	switch c.NCB.Command &^ netbios.NoWait {
	case netbios.AddName, netbios.AddGroupName:
		if h := n.holding(c.NCB.Name); !h.registered && h.adding == 0 {
			h.adding, h.claims, h.heard, h.refreshes, h.term = c.ID, nil, nil, nil, 0
		}
	case netbios.Call:
		n.holding(c.NCB.Name).calls++
	}
}

func (w *watch) complete(n *watched, c stack.Complete) {
	i := slices.IndexFunc(n.calls, func(m made) bool { return m.id == c.ID })
	if i < 0 {
		return
	}
	m := n.calls[i]
	n.calls = slices.Delete(n.calls, i, i+1)
	ncb := m.ncb
	switch ncb.Command &^ netbios.NoWait {
	case netbios.AddName, netbios.AddGroupName:
		w.added(n, m, c.Code)
	case netbios.DeleteName:
		w.deleted(n, ncb.Name, c.Code)
	case netbios.Call:
		n.holding(ncb.Name).calls--
		w.sessionBegan(n, ncb.Name, c)
	case netbios.Listen:
		w.sessionBegan(n, ncb.Name, c)
	case netbios.Reset:
		if c.Code == netbios.GOODRET {
			for _, h := range n.names {
				if h.registered {
					w.deleted(n, h.name, netbios.GOODRET)
				}
			}
		}
	case netbios.AdapterStatus:
		if ncb.CallName.IsWild() && c.Code == netbios.GOODRET {
			w.listed(n, c.Data)
		}
	}
	if c.Code == netbios.NAMCONF {
		w.inConflict(n, ncb.Name, "a command on it returned "+c.Code.String())
	}
}

func (w *watch) added(n *watched, m made, code netbios.Code) {
	name := m.ncb.Name
	h := n.holding(name)
	if h.adding == m.id {
		h.adding = 0
	}
	switch code {
	case netbios.GOODRET:
		if text := w.claimFault(int(w.now.Node), h); text != "" {
			w.violate(ClaimSequence, "%s: %s", name, text)
		}
		h.registered, h.deleted, h.conflict = true, false, false
		h.group = m.ncb.Command&^netbios.NoWait == netbios.AddGroupName
	case netbios.DUPNAME:
		if h.expected() == 0 && !h.registered && h.adding == 0 {
			w.violate(DeleteFrees, "ADD NAME %s was refused with %s: nothing holds the name here", name, code)
		}
		if slices.ContainsFunc(h.claims, func(c claimSent) bool { return c.cause == m.called }) {
			w.violate(ClaimSequence, "%s was refused out of the local table, and yet claimed on the wire", name)
		}
	}
}

// segmentFault tells what is wrong with what was broadcast for a name that was granted, since the ADD NAME that asked for
// it. The demand follows at once unless a name server is asked before it.
func segmentFault(c []claimSent, interval time.Duration, atOnce bool) string {
	if len(c) != claimCount+1 {
		return fmt.Sprintf("registered after %d claims and demands, want %d and one", len(c), claimCount)
	}
	for i := range claimCount {
		switch {
		case c[i].overwrite:
			return "an overwrite demand among the claims"
		case c[i].id != c[0].id:
			return "claims under different identifiers"
		case c[i+1].overwrite && !atOnce && c[i+1].at-c[i].at >= interval:
		case c[i+1].at-c[i].at != interval:
			return fmt.Sprintf("claims are %s apart, want %s", c[i+1].at-c[i].at, interval)
		}
	}
	if last := c[claimCount]; !last.overwrite || last.id == c[0].id {
		return "no overwrite demand under an identifier of its own at the end"
	}
	return ""
}

func (w *watch) deleted(n *watched, name netbios.Name, code netbios.Code) {
	h := n.holding(name)
	if !h.registered || code != netbios.GOODRET && code != netbios.ACTSES {
		return
	}
	h.deleted = true
	w.freeIfUnheld(n, h)
}

// freeIfUnheld is the rule of the whole matter: no registration and no session, so the name is free.
func (w *watch) freeIfUnheld(n *watched, h *holding) {
	if !h.registered || h.expected() > 0 {
		return
	}
	if !h.conflict && !n.stopping {
		n.releases = append(n.releases, &releasing{name: h.name, since: w.now.At, step: int(w.now.Step), event: w.now.Seq})
	}
	h.registered, h.deleted, h.conflict = false, false, false
}

func (w *watch) sessionBegan(n *watched, name netbios.Name, c stack.Complete) {
	if c.Code != netbios.GOODRET {
		w.freeIfUnheld(n, n.holding(name))
		return
	}
	// The completion has the same cause as the message that made the session: what arrived on its connection.
	if d, ok := w.causeOf().(stack.Data); ok {
		n.streams = append(n.streams, streamOf{d.Conn, name, true})
		n.holding(name).sessions++
	}
}

func (w *watch) causeOf() any {
	if e := w.run.Trace.Event(w.now.Cause); e != nil {
		return e.What
	}
	return nil
}

func (w *watch) sessionOver(n *watched, conn stack.Conn) {
	for i := range n.streams {
		if s := &n.streams[i]; s.conn == conn && s.live {
			s.live = false
			h := n.holding(s.name)
			h.sessions--
			w.freeIfUnheld(n, h)
		}
	}
}

func (w *watch) stop(n *watched) {
	n.stopping = true
	for _, h := range n.names {
		if h.registered && !h.conflict {
			n.releases = append(n.releases, &releasing{
				name: h.name, since: w.now.At, step: int(w.now.Step), event: w.now.Seq, onStop: true,
			})
		}
		h.registered, h.deleted, h.sessions = false, false, 0
	}
	n.streams = nil
}

func (w *watch) sent(n *watched, d stack.SendDatagram) {
	switch d.From.Port() {
	case stack.NamePort:
		m, err := nbt.ParseNameMessage(d.Payload)
		if err != nil {
			w.violate(Answers, "a name service message was sent that does not parse: %v", err)
			return
		}
		w.sentName(n, d, m)
	case stack.DatagramPort:
		m, err := nbt.ParseDatagram(d.Payload)
		if err == nil && m.Type == nbt.DgmError {
			w.sentDatagramError()
		}
	}
}

func (w *watch) sentName(n *watched, d stack.SendDatagram, m nbt.NameMessage) {
	if w.serves() && w.sentByServer(n, d, m) {
		return
	}
	name, _ := m.Subject()
	switch m.Kind() {
	case nbt.KindClaim, nbt.KindOverwrite:
		h := n.holding(name)
		h.claims = append(h.claims, w.claimSent(d, m))
		for _, r := range n.releases { // claiming it again cancels what is left of them
			if r.name == name && r.until == 0 {
				r.until = w.now.At
			}
		}
	case nbt.KindRelease:
		w.released(n, name, w.claimSent(d, m))
	case nbt.KindRefresh:
		w.refreshed(n.holding(name), m.ID)
	case nbt.KindNegativeQuery:
		if w.kindOf(int(w.now.Node)) == "" && !w.serves() {
			w.violate(Answers, "%s for %s: a B node says nothing of names that it does not have", m.Kind(), name)
		}
	case nbt.KindPositiveQuery, nbt.KindNegativeRegistration:
		if h := n.holding(name); !h.inService() {
			invariant := Answers
			if !h.registered && h.adding == 0 {
				invariant = DeleteFrees
			}
			w.violate(invariant, "%s for %s, which is not in service here", m.Kind(), h.name)
		}
	case nbt.KindStatusResponse:
		for _, row := range m.Record().Status.Names {
			h := n.holding(row.Name)
			if row.Flags&nbt.NameCNF != 0 {
				w.inConflict(n, row.Name, "node status lists it as in conflict")
			}
			if !h.registered {
				w.violate(DeleteFrees, "node status lists %s, which is free here", row.Name)
			}
		}
	}
}

// released counts a release. Its first one comes with what frees the name, before the completion that tells of it.
func (w *watch) released(n *watched, name netbios.Name, c claimSent) {
	for i := len(n.releases) - 1; i >= 0; i-- {
		r := n.releases[i]
		if r.name == name && (len(r.sends) == 0 || r.sent(c.id) || w.goesOn(r, c)) {
			r.sends = append(r.sends, c)
			return
		}
	}
	h := n.holding(name)
	if !w.freeing(n, h) {
		w.violate(ReleaseOnFree, "a release for %s, which is not free", name)
		return
	}
	n.releases = append(n.releases, &releasing{
		name: name, since: w.now.At, step: int(w.now.Step), event: w.now.Seq, sends: []claimSent{c},
	})
	h.registered, h.deleted, h.conflict = false, false, false
}

// freeing reports whether what is going on at this very moment frees a name: a DELETE NAME or RESET under way, or the end
// of its last session.
func (w *watch) freeing(n *watched, h *holding) bool {
	if !h.registered || h.sessions+h.calls > 0 {
		return false
	}
	call, ok := w.causeOf().(stack.Call)
	if !ok {
		return false
	}
	command := call.NCB.Command &^ netbios.NoWait
	return command == netbios.DeleteName && call.NCB.Name == h.name || command == netbios.Reset
}

func (w *watch) received(n *watched, d stack.Datagram) {
	if d.From.Addr() == w.run.Trace.Nodes[w.now.Node].Prefix.Addr() {
		return
	}
	switch d.To.Port() {
	case stack.NamePort:
		m, err := nbt.ParseNameMessage(d.Payload)
		switch {
		case err != nil:
		case m.Response:
			w.receivedAnswer(n, d, m)
		case !n.stopping:
			w.receivedRequest(n, d, m)
		}
	case stack.DatagramPort:
		if !n.stopping {
			w.receivedDatagram(n, d)
		}
	}
}

func (w *watch) receivedRequest(n *watched, d stack.Datagram, m nbt.NameMessage) {
	broadcast := d.Broadcast || m.Flags&nbt.FlagB != 0
	kind := w.kindOf(int(w.now.Node))
	name, _ := m.Subject()
	switch {
	case w.serves() && !broadcast && w.askedServer(n, d, m):
		return
	case kind == "p" && broadcast:
		if len(w.effects(stack.NamePort)) > 0 {
			w.violate(Answers, "a P node reacts to a %s for %s that was broadcast", m.Kind(), name)
		}
		return
	}
	switch m.Kind() {
	case nbt.KindQuery:
		w.mustAnswer(n, m, nbt.KindPositiveQuery)
		if kind != "" && !broadcast {
			w.mustDeny(n, m)
		}
	case nbt.KindStatusRequest:
		w.mustAnswer(n, m, nbt.KindStatusResponse)
	case nbt.KindClaim, nbt.KindMultihomed:
		if flags, _ := m.Owner(); !n.holding(name).group || flags&nbt.NBGroup == 0 {
			w.mustAnswer(n, m, nbt.KindNegativeRegistration)
		}
	case nbt.KindRelease:
		if h := n.holding(name); kind != "" && !broadcast && w.literal() && h.registered && !h.group {
			h.conflict = true
		}
	}
}

func (w *watch) receivedAnswer(n *watched, d stack.Datagram, m nbt.NameMessage) {
	if w.serves() && w.answeredChallenge(n, d, m) {
		return
	}
	w.heardOf(n, d, m)
	if m.Kind() == nbt.KindConflictDemand && !n.stopping {
		w.conflictDemand(n, m)
	}
}

// literal reports whether the node takes RFC 1002 section 5.1.1.5 by its word, as far as strangers are concerned.
func (w *watch) literal() bool { return w.run.Scenario.Nodes[w.now.Node].Profile == "rfc1002-literal" }

// mustAnswer looks for the answer to what has just arrived among the effects of its arrival: of the right kind, to the right
// request, and with this node as the owner.
func (w *watch) mustAnswer(n *watched, m nbt.NameMessage, kind nbt.NameKind) {
	name, scope := m.Subject()
	h := n.holding(name)
	anyName := kind == nbt.KindStatusResponse && name == netbios.Wildcard
	if scope != "" || !anyName && !h.inService() {
		return
	}
	for _, d := range w.effects(stack.NamePort) {
		r, err := nbt.ParseNameMessage(d.Payload)
		if err != nil || r.Kind() != kind || r.ID != m.ID {
			continue
		}
		if about, _ := r.Subject(); about == name && (kind == nbt.KindStatusResponse || w.owns(h, r)) {
			return
		}
	}
	w.violate(Answers, "no %s to the %s for %s, which is registered here", kind, m.Kind(), name)
}

// owns reports whether a response gives this node as the owner of a name, and refuses for the right reason if it refuses.
func (w *watch) owns(h *holding, r nbt.NameMessage) bool {
	flags, at := r.Owner()
	group := flags&nbt.NBGroup != 0
	return at == w.run.Trace.Nodes[w.now.Node].Prefix.Addr() && group == h.group &&
		flags&nbt.NBONT == ownerTypes[w.kindOf(int(w.now.Node))] && (r.RCode == nbt.RCodeOK || r.RCode == nbt.ActErr)
}

// effects returns the datagrams that a node sent from a port because of the event being looked at.
func (w *watch) effects(port uint16) []stack.SendDatagram {
	var list []stack.SendDatagram
	for seq := w.now.Seq + 1; ; seq++ {
		e := w.run.Trace.Event(seq)
		if e == nil {
			return list
		}
		switch what := e.What.(type) {
		case stack.Input:
			return list // the next thing that happens to somebody
		case stack.SendDatagram:
			// A device sends when it likes: what it broadcasts may be recorded when others have heard it.
			if e.Node == w.now.Node && what.From.Port() == port {
				list = append(list, what)
			}
		}
	}
}

// conflictDemand puts a name into conflict when the demand answers its own claim, until a while after the overwrite demand
// that ended it; or when the node takes RFC 1002 section 5.1.1.5 by its word, which any demand satisfies.
func (w *watch) conflictDemand(n *watched, m nbt.NameMessage) {
	name, _ := m.Subject()
	h := n.holding(name)
	if !h.registered || h.group || len(h.claims) == 0 {
		return
	}
	own := slices.ContainsFunc(h.claims, func(c claimSent) bool { return c.id == m.ID })
	ended := h.claims[len(h.claims)-1].at
	if own && w.now.At <= ended+conflictWindow || w.literal() {
		h.conflict = true
	}
}

// inConflict is told that a name is out of service because of a conflict.
func (w *watch) inConflict(n *watched, name netbios.Name, how string) {
	if h := n.holding(name); h.registered && !h.conflict {
		w.violate(ConflictOwnClaim, "%s is in conflict though nobody objected to its claim: %s", name, how)
		h.conflict = true // told once
	}
}

func (w *watch) listed(n *watched, status []byte) {
	rows, err := netbios.ParseStatus(status)
	if err != nil {
		return
	}
	for _, row := range rows {
		h := n.holding(row.Name)
		if state := row.Flags &^ netbios.FlagGroup; state == netbios.FlagDuplicate || state == netbios.FlagDuplicateDeregist {
			w.inConflict(n, row.Name, "ADAPTER STATUS lists it so")
		}
		if !h.registered {
			w.violate(DeleteFrees, "ADAPTER STATUS lists %s, which is free here", row.Name)
		}
	}
}

// receivedDatagram expects the error that a direct datagram gets when its name is not here.
func (w *watch) receivedDatagram(n *watched, d stack.Datagram) {
	m, err := nbt.ParseDatagram(d.Payload)
	if err != nil || m.Type != nbt.DgmUnique || d.Broadcast || m.Flags&(nbt.DgmFirst|nbt.DgmMore) != nbt.DgmFirst {
		return
	}
	if m.DestName == netbios.Wildcard {
		return // for everybody, like a broadcast
	}
	h := n.holding(m.DestName)
	absent := !h.registered && h.adding == 0 || m.DestScope != ""
	answered := len(w.effects(stack.DatagramPort)) > 0
	switch {
	case absent && !answered:
		invariant := DatagramErrors
		if m.DestScope == "" && slices.ContainsFunc(n.releases, func(r *releasing) bool { return r.name == h.name }) {
			invariant = DeleteFrees
		}
		w.violate(invariant, "a datagram for %s, which is not here, was not answered with an error", h.name)
	case !absent && answered:
		w.violate(DatagramErrors, "a datagram for %s, which is here, was answered with an error", h.name)
	}
}

func (w *watch) sentDatagramError() {
	if d, ok := w.causeOf().(stack.Datagram); !ok || d.Broadcast {
		w.violate(DatagramErrors, "a datagram error that answers no datagram sent to this node")
	}
}

func (w *watch) taken(n *watched, r stack.RefTaken) {
	h := n.holding(r.Name)
	h.hasLedger = true
	h.ledger++
	h.noted = append(h.noted, r.Ref)
	w.checkCount(h, r.Count)
}

func (w *watch) dropped(n *watched, r stack.RefDropped) {
	h := n.holding(r.Name)
	i := slices.Index(h.noted, r.Ref)
	if i < 0 {
		w.violate(Ledger, "%s: reference %d is given back, which nobody holds", r.Name, r.Ref)
		return
	}
	h.noted = slices.Delete(h.noted, i, i+1)
	h.ledger--
	w.checkCount(h, r.Count)
}

func (w *watch) checkCount(h *holding, count int) {
	if count != len(h.noted) {
		w.violate(Ledger, "%s: the ledger counts %d references and lists %d", h.name, count, len(h.noted))
	}
}
