// SPDX-License-Identifier: MIT

package node

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// session is a NetBIOS session, from the CALL or the TCP connection that begins it until its end has been reported.
type session struct {
	lsn           uint8
	conn          stack.Conn
	phase         phase
	local, remote netbios.Name
	ref           uint32       // what it holds of the local name
	call          stack.CallID // the CALL that sets it up
	rto           uint8        // of its RECEIVEs, in units of 500 ms
	at            netip.AddrPort
	tried         []netip.AddrPort // where retargets have led
	timer         stack.TimerID    // set-up, then keep-alive
	lastActive    time.Duration

	stream   []byte // received, not yet a whole message
	inbox    [][]byte
	inboxLen int
	receives []*receive
	end      netbios.Code // why it ended
}

// phase is how far a session has come.
type phase uint8

const (
	resolving   phase = iota // CALL: looking for the name
	connecting               // CALL: waiting for TCP
	requesting               // CALL: waiting for the session response
	answering                // inbound: waiting for the session request
	established              //
	ended                    // over, but the application has not been told
)

// receive is a RECEIVE that waits for a message of its session.
type receive struct {
	call    stack.CallID
	length  uint16
	timer   stack.TimerID
	session *session
}

const (
	// maxAnswering bounds the connections that have not asked for a session yet (KB Q275567: hosts hung by silent ones). One
	// more than that takes the place of another: see [Node.makeRoom].
	maxAnswering = 64
	// maxInbox and maxMessages bound what a session holds for RECEIVEs that do not come: eight of the longest messages in
	// bytes, and as many empty ones as nobody sends in earnest (KB Q126560 is about those).
	maxInbox    = 8 * nbt.MaxSessionLen
	maxMessages = 4096
	// maxSend is the longest message of an NCB, whose length field has 16 bits.
	maxSend = 0xffff
	// rtoUnit is the unit of NCB time-outs.
	rtoUnit = 500 * time.Millisecond
)

func (s *session) settingUp() bool {
	return s.phase == resolving || s.phase == connecting || s.phase == requesting
}

// sessionsInUse counts the slots of the session table that are taken: sessions established or being set up by us.
func (n *Node) sessionsInUse() int {
	used := 0
	for _, s := range n.sessions {
		if s.phase == established || s.settingUp() {
			used++
		}
	}
	return used
}

// nextLSN hands session numbers out in turn, 1 to 254, skipping those in use. When even sessions that ended unreported hold
// all of them, the oldest of those makes room.
func (n *Node) nextLSN() uint8 {
	for range netbios.MaxSessions {
		if n.lastLSN++; n.lastLSN > netbios.MaxSessions {
			n.lastLSN = 1
		}
		if n.sessionOf(n.lastLSN) == nil {
			return n.lastLSN
		}
	}
	i := slices.IndexFunc(n.sessions, func(s *session) bool { return s.phase == ended })
	lsn := n.sessions[i].lsn
	n.sessions = slices.Delete(n.sessions, i, i+1)
	return lsn
}

func (n *Node) sessionOf(lsn uint8) *session {
	for _, s := range n.sessions {
		if s.lsn == lsn && s.phase != answering {
			return s
		}
	}
	return nil
}

func (n *Node) connection(c stack.Conn) *session {
	for _, s := range n.sessions {
		if s.conn == c && s.phase != ended && s.phase != resolving {
			return s
		}
	}
	return nil
}

func (n *Node) forgetSession(s *session) {
	n.sessions = slices.DeleteFunc(n.sessions, func(x *session) bool { return x == s })
}

// callName sets up a session. The call holds a reference to the local name from the start, since DELETE NAME counts a
// pending CALL as a session.
func (n *Node) callName(id stack.CallID, ncb netbios.NCB) {
	if code := n.usableName(ncb.Name); code != netbios.GOODRET {
		n.completeCode(id, code)
		return
	}
	if n.sessionsInUse() >= n.limits.Sessions {
		n.completeCode(id, netbios.LOCTFUL)
		return
	}
	s := &session{lsn: n.nextLSN(), local: ncb.Name, remote: ncb.CallName, call: id, rto: ncb.RTO}
	s.ref = n.table.Hold(s.local, stack.ByCall, s.remote, netip.Addr{}, n.out)
	n.sessions = append(n.sessions, s)
	if own, found := n.table.Find(s.remote); found && own.State == stack.Registered {
		s.resolved(n, n.addr, own.Group)
		return
	}
	n.resolve(s.remote, s)
}

func (s *session) caller() stack.CallID  { return s.call }
func (s *session) silence() netbios.Code { return netbios.NOCALL }

// resolved connects to the name's owner. A session to a group name reaches one of its members (RFC 1001 section
// 16.1.1.2), so it does not matter that it is one.
func (s *session) resolved(n *Node, at netip.Addr, _ bool) {
	if !isHost(at) {
		s.abandon(n, netbios.NOCALL) // a name server keeps no members of most groups
		return
	}
	s.timer = n.arm(s, n.profile.SessionSetup)
	n.dial(s, netip.AddrPortFrom(at, stack.SessionPort))
}

func (s *session) abandon(n *Node, code netbios.Code) { n.failSetup(s, code) }

func (n *Node) dial(s *session, at netip.AddrPort) {
	n.lastConn++
	s.conn, s.phase, s.at, s.stream = n.lastConn, connecting, at, nil
	s.tried = append(s.tried, at)
	n.out.Add(stack.Open{Conn: s.conn, To: at})
}

// failSetup ends a CALL without a session.
func (n *Node) failSetup(s *session, code netbios.Code) {
	if s.conn != 0 {
		n.out.Add(stack.Close{Conn: s.conn, Abort: true})
	}
	n.disarm(s.timer)
	n.forgetSession(s)
	n.completeCode(s.call, code)
	n.dropRef(s.local, s.ref)
}

// endCalls ends the CALLs under way from a local name.
func (n *Node) endCalls(name netbios.Name, code netbios.Code) {
	for _, s := range slices.Clone(n.sessions) {
		if !s.settingUp() || s.local != name {
			continue
		}
		for _, r := range slices.Clone(n.requests) {
			if r.asker == s {
				n.finish(r)
			}
		}
		n.failSetup(s, code)
	}
}

// ring is the session's timer: set-up takes too long, or it is time for a keep-alive.
func (s *session) ring(n *Node) {
	s.timer = 0
	switch {
	case s.settingUp():
		n.failSetup(s, netbios.NOCALL)
	case s.phase == answering:
		n.drop(s)
	default:
		n.keepAlive(s)
	}
}

// drop ends a connection that never became a session.
func (n *Node) drop(s *session) {
	n.out.Add(stack.Close{Conn: s.conn, Abort: true})
	n.forgetAnswering(s)
}

func (n *Node) forgetAnswering(s *session) {
	n.disarm(s.timer)
	n.forgetSession(s)
}

// keepAlive tells an idle peer that we are still there (RFC 1002 section 5.2.2.2).
func (n *Node) keepAlive(s *session) {
	idle := n.now - s.lastActive
	if idle >= n.profile.KeepAlive {
		n.sendSession(s, nbt.KeepAlive())
		idle = 0
	}
	s.timer = n.arm(s, n.profile.KeepAlive-idle)
}

func (n *Node) sendSession(s *session, m nbt.SessionMessage) {
	b, err := m.AppendBinary(make([]byte, 0, 4+namesLen+len(m.Data)))
	if err != nil {
		panic("node: own session message does not encode: " + err.Error())
	}
	s.lastActive = n.now
	n.out.Add(stack.SendData{Conn: s.conn, Bytes: b})
}

// opened is told of connections that came about: our own asks for the session, another waits to be asked for one.
func (n *Node) opened(in stack.Opened) {
	if in.Inbound {
		n.acceptConnection(in)
		return
	}
	if s := n.connection(in.Conn); s != nil && s.phase == connecting {
		s.phase = requesting
		n.sendSession(s, nbt.SessionRequest(s.remote, s.local))
	}
}

func (n *Node) acceptConnection(in stack.Opened) {
	if n.stopping {
		n.out.Add(stack.Close{Conn: in.Conn, Abort: true})
		return
	}
	s := &session{conn: in.Conn, phase: answering, at: in.From}
	s.timer = n.arm(s, n.profile.SessionSetup)
	n.sessions = append(n.sessions, s)
	n.makeRoom()
}

// makeRoom drops a connection when more than [maxAnswering] have not asked for anything: the oldest of the address that has
// most of them. Who means it asks at once, so that the oldest are the idlest; and who opens many crowds out nobody but
// himself, as long as others open fewer.
func (n *Node) makeRoom() {
	open, of := 0, map[netip.Addr]int{}
	for _, s := range n.sessions {
		if s.phase == answering {
			open++
			of[s.at.Addr()]++
		}
	}
	if open <= maxAnswering {
		return
	}
	var crowded *session
	for _, s := range n.sessions { // in the order in which they came
		if s.phase == answering && (crowded == nil || of[s.at.Addr()] > of[crowded.at.Addr()]) {
			crowded = s
		}
	}
	n.drop(crowded)
}

// data cuts the stream into messages.
func (n *Node) data(in stack.Data) {
	s := n.connection(in.Conn)
	if s == nil {
		return
	}
	s.stream = append(s.stream, in.Bytes...)
	for len(s.stream) >= nbt.SessionHeaderLen {
		length, err := nbt.SessionLen(s.stream)
		if err != nil {
			n.breakOff(s, err)
			return
		}
		if len(s.stream) < length {
			return
		}
		m, err := nbt.ParseSessionMessage(s.stream[:length])
		if err != nil {
			n.breakOff(s, err)
			return
		}
		if s.stream = s.stream[length:]; len(s.stream) == 0 {
			s.stream = nil
		}
		if n.sessionMessage(s, m); n.connection(in.Conn) != s {
			return
		}
	}
}

// breakOff ends a connection whose other side does not speak the protocol.
func (n *Node) breakOff(s *session, why error) {
	n.remark("session connection broken off: " + why.Error())
	switch {
	case s.settingUp():
		n.failSetup(s, netbios.SABORT)
	case s.phase == answering:
		n.drop(s)
	default:
		n.abort(s)
	}
}

func (n *Node) sessionMessage(s *session, m nbt.SessionMessage) {
	s.lastActive = n.now
	switch {
	case m.Type == nbt.SsnKeepAlive: // carries no data and is never answered
	case s.phase == answering && m.Type == nbt.SsnRequest:
		n.answerRequest(s, m)
	case s.phase == requesting && m.Type == nbt.SsnPositive:
		n.sessionGranted(s)
	case s.phase == requesting && m.Type == nbt.SsnNegative:
		n.closeConn(s)
		n.failSetup(s, refusalCode(m.ErrorCode))
	case s.phase == requesting && m.Type == nbt.SsnRetarget:
		n.retarget(s, m.Retarget)
	case s.phase == established && m.Type == nbt.SsnMessage:
		n.arrived(s, m.Data)
	default:
		n.breakOff(s, errUnexpected(m.Type))
	}
}

// errUnexpected is a session packet that has no place in the state that a session is in.
type errUnexpected nbt.SessionType

func (e errUnexpected) Error() string { return "unexpected " + nbt.SessionType(e).String() }

// refusalCode is what CALL returns for a negative session response.
func refusalCode(code uint8) netbios.Code {
	if code == nbt.SsnNotPresent {
		return netbios.NOCALL
	}
	return netbios.REMTFUL
}

// retarget follows a retarget response, a bounded number of times and never to the same place twice.
func (n *Node) retarget(s *session, to netip.AddrPort) {
	if len(s.tried) > n.profile.SessionRetries || slices.Contains(s.tried, to) {
		n.failSetup(s, netbios.NOCALL)
		return
	}
	n.closeConn(s)
	n.dial(s, to)
}

// sessionGranted establishes a session at the caller: its reference is now the session's.
func (n *Node) sessionGranted(s *session) {
	call := s.ref
	s.ref = n.table.Hold(s.local, stack.BySession, s.remote, s.at.Addr(), n.out)
	n.dropRef(s.local, call)
	n.establish(s)
	n.complete(stack.Complete{ID: s.call, LSN: s.lsn, CallName: s.remote})
}

func (n *Node) establish(s *session) {
	n.disarm(s.timer)
	s.phase = established
	s.timer = n.arm(s, n.profile.KeepAlive)
}

// answerRequest accepts or refuses a session (RFC 1002 section 5.2.1). It refuses before it takes the reference.
func (n *Node) answerRequest(s *session, m nbt.SessionMessage) {
	if noName(m.Calling) {
		n.refuseSession(s, nbt.SsnUnspecified) // CVE-2000-0347: a caller without a name
		return
	}
	e, found := n.table.Find(m.Called)
	if !found || e.State != stack.Registered || m.CalledScope != "" {
		n.refuseSession(s, nbt.SsnNotPresent)
		return
	}
	if code, refused := n.whyRefuse(m.Called, m.Calling); refused {
		n.refuseSession(s, code)
		return
	}
	w := n.takeListen(m.Called, m.Calling)
	s.lsn, s.local, s.remote, s.rto = n.nextLSN(), m.Called, m.Calling, w.ncb.RTO
	s.ref = n.table.Hold(s.local, stack.BySession, s.remote, s.at.Addr(), n.out)
	n.establish(s)
	n.sendSession(s, nbt.PositiveSession())
	n.complete(stack.Complete{ID: w.call, LSN: s.lsn, CallName: s.remote})
}

func noName(name netbios.Name) bool {
	return name[0] == 0 || len(bytes.TrimRight(name[:netbios.NameLen-1], " ")) == 0
}

// takeListen returns the LISTEN that a session is for: one for this very caller before one for anybody.
func (n *Node) takeListen(called, calling netbios.Name) waiting {
	w, found := n.takeWaiting(netbios.Listen, called, func(w waiting) bool { return w.ncb.CallName == calling })
	if !found {
		w, _ = n.takeWaiting(netbios.Listen, called, func(w waiting) bool { return w.ncb.CallName.IsWild() })
	}
	return w
}

// whyRefuse tells why a session to a name of ours cannot be: nobody listens on it, or for this caller, or there is no room.
func (n *Node) whyRefuse(called, calling netbios.Name) (code uint8, refused bool) {
	listening := false
	for _, w := range n.waiting {
		if w.ncb.Command&^netbios.NoWait != netbios.Listen || w.name != called {
			continue
		}
		listening = true
		if w.ncb.CallName == calling || w.ncb.CallName.IsWild() {
			return nbt.SsnNoResources, n.sessionsInUse() >= n.limits.Sessions
		}
	}
	if listening {
		return nbt.SsnNotListeningFor, true
	}
	return nbt.SsnNotListening, true
}

// refuseSession answers no and closes (RFC 1002 section 4.3.4).
func (n *Node) refuseSession(s *session, code uint8) {
	n.sendSession(s, nbt.NegativeSession(code))
	n.closeConn(s)
	n.forgetAnswering(s)
}

func (n *Node) listen(id stack.CallID, ncb netbios.NCB) {
	if code := n.usableName(ncb.Name); code != netbios.GOODRET {
		n.completeCode(id, code)
		return
	}
	n.wait(waiting{call: id, ncb: ncb, name: ncb.Name})
}

// closed is told that a connection has ended.
func (n *Node) closed(in stack.Closed) {
	s := n.connection(in.Conn)
	if s == nil {
		return
	}
	orderly := in.Reason == stack.EOF
	if orderly {
		n.closeConn(s)
	}
	s.conn = 0
	switch s.phase {
	case connecting:
		n.failSetup(s, netbios.NOCALL)
	case requesting:
		n.failSetup(s, netbios.SABORT)
	case answering:
		n.forgetAnswering(s)
	default:
		n.endSession(s, endCode(orderly))
	}
}

func endCode(orderly bool) netbios.Code {
	if orderly {
		return netbios.SCLOSED
	}
	return netbios.SABORT
}

// closeConn ends our side of a connection in order.
func (n *Node) closeConn(s *session) {
	n.out.Add(stack.Close{Conn: s.conn})
	s.conn = 0
}

// abort ends a session at once.
func (n *Node) abort(s *session) {
	if s.phase == answering {
		n.drop(s)
		return
	}
	if s.phase == established {
		n.out.Add(stack.Close{Conn: s.conn, Abort: true})
		n.endSession(s, netbios.SABORT)
	}
}

// hangUp ends a session in order.
func (n *Node) hangUp(s *session) {
	if s.phase == answering {
		n.drop(s)
		return
	}
	if s.phase == established {
		n.closeConn(s)
		n.endSession(s, netbios.SCLOSED)
	}
}

// endSession gives the session's reference back and tells the application: every RECEIVE of it, else one RECEIVE ANY,
// else the next command on it. None of them waits while there are messages left, which are received first.
func (n *Node) endSession(s *session, code netbios.Code) {
	n.disarm(s.timer)
	s.phase, s.end = ended, code
	n.dropRef(s.local, s.ref)
	told := len(s.receives) > 0
	for _, r := range s.receives {
		n.disarm(r.timer)
		n.completeCode(r.call, code)
	}
	if !told {
		var w waiting
		if w, told = n.takeWaiting(netbios.ReceiveAny, s.local, anyWaiting); told {
			n.complete(stack.Complete{ID: w.call, Code: code, LSN: s.lsn, Num: n.numOf(s.local)})
		}
	}
	if told {
		n.forgetSession(s)
	}
}

func (n *Node) numOf(name netbios.Name) uint8 {
	e, _ := n.table.Find(name)
	return e.Num
}

func (n *Node) hangUpCall(id stack.CallID, ncb netbios.NCB) {
	s := n.sessionOf(ncb.LSN)
	switch {
	case s == nil || s.settingUp():
		n.completeCode(id, netbios.SNUMOUT)
	case s.phase == ended:
		n.forgetSession(s)
		n.completeCode(id, s.end)
	default:
		n.hangUp(s)
		n.forgetSession(s)
		n.completeCode(id, netbios.GOODRET)
	}
}

// liveSession returns the session of a SEND or RECEIVE, or completes the call: 0x08 for none, and once the reason of its
// end for one that has ended.
func (n *Node) liveSession(id stack.CallID, lsn uint8) *session {
	s := n.sessionOf(lsn)
	switch {
	case s == nil || s.settingUp():
		n.completeCode(id, netbios.SNUMOUT)
		return nil
	case s.phase == ended:
		n.forgetSession(s)
		n.completeCode(id, s.end)
		return nil
	}
	return s
}

func (n *Node) send(id stack.CallID, ncb netbios.NCB) {
	if len(ncb.Data) > maxSend {
		n.completeCode(id, netbios.BUFLEN)
		return
	}
	if s := n.liveSession(id, ncb.LSN); s != nil {
		n.sendSession(s, nbt.SessionData(ncb.Data))
		n.completeCode(id, netbios.GOODRET)
	}
}

func (n *Node) receive(id stack.CallID, ncb netbios.NCB) {
	if s := n.sessionOf(ncb.LSN); s != nil && len(s.inbox) > 0 {
		n.completeMessage(stack.Complete{ID: id, LSN: s.lsn}, s, ncb.Length)
		return
	}
	s := n.liveSession(id, ncb.LSN)
	if s == nil {
		return
	}
	r := &receive{call: id, length: ncb.Length, session: s}
	if s.rto > 0 {
		r.timer = n.arm(r, time.Duration(s.rto)*rtoUnit)
	}
	s.receives = append(s.receives, r)
}

// ring is a RECEIVE's time-out.
func (r *receive) ring(n *Node) {
	s := r.session
	s.receives = slices.DeleteFunc(s.receives, func(x *receive) bool { return x == r })
	n.completeCode(r.call, netbios.CMDTMO)
}

// receiveAny takes a message of any session of one local name, or of all.
func (n *Node) receiveAny(id stack.CallID, ncb netbios.NCB) {
	w, ok := n.receiver(id, ncb)
	if !ok {
		return
	}
	for _, s := range n.sessions {
		if len(s.inbox) > 0 && (w.any || s.local == w.name) {
			n.completeMessage(n.anyCompletion(w, s), s, ncb.Length)
			return
		}
	}
	n.wait(w)
}

func (n *Node) anyCompletion(w waiting, s *session) stack.Complete {
	return stack.Complete{ID: w.call, LSN: s.lsn, Num: n.numOf(s.local)}
}

// arrived hands a message to the session's oldest RECEIVE, else to a RECEIVE ANY, else keeps it. What did not fit into the
// buffer of one goes to the next that waits.
func (n *Node) arrived(s *session, data []byte) {
	if s.inboxLen+len(data) > maxInbox || len(s.inbox) == maxMessages {
		n.remark("session with " + s.remote.String() + " broken off: too much waits for a RECEIVE")
		n.abort(s)
		return
	}
	s.inbox, s.inboxLen = append(s.inbox, data), s.inboxLen+len(data)
	for len(s.inbox) > 0 {
		if len(s.receives) > 0 {
			r := s.receives[0]
			s.receives = slices.Delete(s.receives, 0, 1)
			n.disarm(r.timer)
			n.completeMessage(stack.Complete{ID: r.call, LSN: s.lsn}, s, r.length)
			continue
		}
		w, found := n.takeWaiting(netbios.ReceiveAny, s.local, anyWaiting)
		if !found {
			return
		}
		n.completeMessage(n.anyCompletion(w, s), s, w.ncb.Length)
	}
}

// completeMessage completes a receive with the oldest message kept. What does not fit stays for the next one.
func (n *Node) completeMessage(c stack.Complete, s *session, length uint16) {
	c.Data = s.inbox[0]
	if len(c.Data) > int(length) {
		c.Code = netbios.INCOMP
		c.Data, s.inbox[0] = c.Data[:length], c.Data[length:]
	} else {
		s.inbox = slices.Delete(s.inbox, 0, 1)
	}
	s.inboxLen -= len(c.Data)
	n.complete(c)
}
