// SPDX-License-Identifier: MIT

package node

import (
	"slices"

	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// maxWaiting bounds the commands that wait for something to arrive; one more is refused with TOOMANY.
const maxWaiting = 254

// waiting is a LISTEN or a receive that nothing has arrived for yet.
type waiting struct {
	call stack.CallID
	ncb  netbios.NCB
	name netbios.Name // the local name it is for
	any  bool         // for any local name
}

func (n *Node) call(id stack.CallID, ncb netbios.NCB) {
	switch ncb.Command &^ netbios.NoWait {
	case netbios.AddName:
		n.addName(id, ncb.Name, false)
	case netbios.AddGroupName:
		n.addName(id, ncb.Name, true)
	case netbios.DeleteName:
		code := n.deleteName(ncb.Name)
		n.completeCode(id, code)
	case netbios.Call:
		n.callName(id, ncb)
	case netbios.Listen:
		n.listen(id, ncb)
	case netbios.HangUp:
		n.hangUpCall(id, ncb)
	case netbios.Send:
		n.send(id, ncb)
	case netbios.Receive:
		n.receive(id, ncb)
	case netbios.ReceiveAny:
		n.receiveAny(id, ncb)
	case netbios.SendDatagram:
		n.sendDatagram(id, ncb)
	case netbios.SendBroadcast:
		n.sendBroadcast(id, ncb)
	case netbios.ReceiveDatagram, netbios.ReceiveBroadcast:
		n.waitByNumber(id, ncb)
	case netbios.AdapterStatus:
		n.adapterStatus(id, ncb)
	case netbios.SessionStatus:
		n.sessionStatus(id, ncb)
	case netbios.FindName:
		n.findName(id, ncb)
	case netbios.Cancel:
		n.completeCode(id, n.cancel(stack.CallID(ncb.Target)))
	case netbios.Reset:
		n.reset(id, ncb)
	default:
		n.completeCode(id, netbios.ILLCMD)
	}
}

// addName claims a name on the network (RFC 1002 section 5.1.1.1). A name in the local table is refused here and now:
// nothing is sent for it.
func (n *Node) addName(id stack.CallID, name netbios.Name, group bool) {
	num, code := n.table.Claim(name, group, n.out)
	if code != netbios.GOODRET {
		n.completeCode(id, code)
		return
	}
	c := claim{call: id, name: name, num: num, group: group}
	if n.server != nil && n.server.Taken(n.now, name, group) {
		n.claimFailed(c, netbios.INUSE) // one of our own clients has it, who need not hear a broadcast
		return
	}
	n.cancelRelease(name)
	n.startClaim(c, n.routes())
}

// deleteName ends a registration. What waits on the name ends with 0x17, whether or not sessions keep the entry.
func (n *Node) deleteName(name netbios.Name) netbios.Code {
	e, _ := n.table.Find(name)
	code, release := n.table.Delete(name, n.out)
	if code == netbios.GOODRET || code == netbios.ACTSES {
		n.endWaiting(name, netbios.NAMERR)
	}
	if release {
		n.release(e)
	}
	return code
}

// dropRef gives a session's reference back, and tells the network when that frees the name.
func (n *Node) dropRef(name netbios.Name, ref uint32) {
	e, _ := n.table.Find(name)
	if n.table.Drop(name, ref, n.out) {
		n.release(e)
	}
}

// usable returns the entry of a local name that a command wants to use, or the code that says why it may not.
func usable(e nametable.Entry, absent netbios.Code) netbios.Code {
	switch e.State {
	case stack.Registered:
		return netbios.GOODRET
	case stack.Conflict, stack.ConflictDeregistered:
		return netbios.NAMCONF
	default: // Free is that of a name that is not in the table
		return absent
	}
}

func (n *Node) usableName(name netbios.Name) netbios.Code {
	e, _ := n.table.Find(name)
	return usable(e, netbios.NOWILD)
}

func (n *Node) usableNum(num uint8) (nametable.Entry, netbios.Code) {
	e, _ := n.table.ByNum(num)
	return e, usable(e, netbios.ILLNN)
}

// wait keeps a command until something arrives for it.
func (n *Node) wait(w waiting) {
	if len(n.waiting) == maxWaiting {
		n.completeCode(w.call, netbios.TOOMANY)
		return
	}
	n.waiting = append(n.waiting, w)
}

// waitByNumber keeps a RECEIVE DATAGRAM or RECEIVE BROADCAST.
func (n *Node) waitByNumber(id stack.CallID, ncb netbios.NCB) {
	if w, ok := n.receiver(id, ncb); ok {
		n.wait(w)
	}
}

// receiver is what waits for something to arrive at the local name of a number. Without such a name it completes the call.
func (n *Node) receiver(id stack.CallID, ncb netbios.NCB) (waiting, bool) {
	w := waiting{call: id, ncb: ncb, any: ncb.Num == netbios.AnyName}
	if w.any {
		return w, true
	}
	e, code := n.usableNum(ncb.Num)
	if code != netbios.GOODRET {
		n.completeCode(id, code)
		return w, false
	}
	w.name = e.Name
	return w, true
}

// takeWaiting removes and returns the oldest waiting command of a kind that fits a local name.
func (n *Node) takeWaiting(command netbios.Command, name netbios.Name, fits func(waiting) bool) (waiting, bool) {
	i := slices.IndexFunc(n.waiting, func(w waiting) bool {
		return w.ncb.Command&^netbios.NoWait == command && (w.any || w.name == name) && fits(w)
	})
	if i < 0 {
		return waiting{}, false
	}
	w := n.waiting[i]
	n.waiting = slices.Delete(n.waiting, i, i+1)
	return w, true
}

func anyWaiting(waiting) bool { return true }

// endWaiting ends everything that waits on one name.
func (n *Node) endWaiting(name netbios.Name, code netbios.Code) {
	n.endWaitingIf(code, func(w waiting) bool { return !w.any && w.name == name })
}

func (n *Node) endWaitingIf(code netbios.Code, ends func(waiting) bool) {
	n.waiting = slices.DeleteFunc(n.waiting, func(w waiting) bool {
		if ends(w) {
			n.completeCode(w.call, code)
			return true
		}
		return false
	})
}

// cancel ends a call with 0x0B. Codes: CANCEL for one that cannot be cancelled (a name being added; the other commands of
// that list have completed before anybody can ask), CANOCCR for one that is over, or never was.
func (n *Node) cancel(id stack.CallID) netbios.Code {
	if i := slices.IndexFunc(n.waiting, func(w waiting) bool { return w.call == id }); i >= 0 {
		n.waiting = slices.Delete(n.waiting, i, i+1)
		n.completeCode(id, netbios.CMDCAN)
		return netbios.GOODRET
	}
	for _, r := range n.requests {
		switch {
		case r.claims(id):
			return netbios.CANCEL
		case r.asker != nil && r.asker.caller() == id:
			n.finish(r)
			r.asker.abandon(n, netbios.CMDCAN)
			return netbios.GOODRET
		}
	}
	for _, s := range n.sessions {
		if s.settingUp() && s.call == id {
			n.failSetup(s, netbios.CMDCAN)
			return netbios.GOODRET
		}
		if i := slices.IndexFunc(s.receives, func(r *receive) bool { return r.call == id }); i >= 0 {
			n.disarm(s.receives[i].timer)
			s.receives = slices.Delete(s.receives, i, i+1)
			n.completeCode(id, netbios.CMDCAN)
			return netbios.GOODRET
		}
	}
	return netbios.CANOCCR
}

// abandonCalls ends every call under way with 0x0B: the environment they were made in is going away.
func (n *Node) abandonCalls() {
	n.endWaitingIf(netbios.CMDCAN, anyWaiting)
	for _, r := range slices.Clone(n.requests) {
		switch {
		case r.kind == claimRequest:
			n.finish(r)
			n.claimFailed(r.claim, netbios.CMDCAN)
		case r.asker != nil:
			n.finish(r)
			r.asker.abandon(n, netbios.CMDCAN)
		}
	}
	for _, s := range slices.Clone(n.sessions) {
		if s.settingUp() {
			n.failSetup(s, netbios.CMDCAN)
		}
	}
}

// reset gives the application a fresh environment: its calls and sessions end, its names are deleted once each. So a
// faulty table keeps what a single DELETE NAME would keep, else RESET would be a workaround that KB Q124565 does not know.
func (n *Node) reset(id stack.CallID, ncb netbios.NCB) {
	n.abandonCalls()
	for _, s := range slices.Clone(n.sessions) {
		n.abort(s)
	}
	n.sessions = nil
	for _, e := range n.table.Listed() {
		n.deleteName(e.Name)
	}
	if ncb.LSN == 0 {
		n.limits = n.cfg.Limits.Or(ncb.Limits)
		n.table.SetLimit(n.limits.Names)
	}
	n.completeCode(id, netbios.GOODRET)
}
